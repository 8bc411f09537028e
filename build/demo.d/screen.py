# SPDX-License-Identifier: Apache-2.0
"""What the demo prints: aligned, ASCII, at most WIDTH wide, in colour only on a terminal."""
import os
import sys
import threading

WIDTH = 100
LABEL = 15
_CODES = {"bold": "1", "dim": "2", "good": "32", "bad": "1;31", "head": "1;36"}


def wants_colour():
    """True where escape sequences help the reader."""
    return (sys.stdout.isatty() and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb")


class Screen:
    """Standard output.  One line may be open: begun, with a dot for each second, and then ended."""

    def __init__(self, colour=False):
        self.colour = colour
        self._lock = threading.Lock()
        self._column = 0
        self._ticking = None

    def paint(self, kind, text):
        """The text in a colour, or as it is."""
        return "\033[%sm%s\033[0m" % (_CODES[kind], text) if self.colour and text else text

    def _write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def plain(self, text=""):
        """A line as it is."""
        self._write(text + "\n")

    def heading(self, text):
        """A line above a group of others."""
        self._write("\n%s\n" % self.paint("head", text))

    def line(self, label, text, rows=2):
        """A fact below a step: its name and its value, folded into so many rows at most."""
        room = WIDTH - LABEL - 6
        for row in range(rows):
            part, text = _fold(text, room)
            if text and row == rows - 1:
                part = part[:room - 4].rstrip() + " ..."
            self._write("     %s %s\n" % (self.paint("dim", label.ljust(LABEL)), part))
            label = ""
            if not text:
                break

    def begin(self, text, kind="bold"):
        """Opens a line; a dot is added for each second until it is ended."""
        self._column = len(text)
        self._write(self.paint(kind, text))
        self._ticking = threading.Event()
        threading.Thread(target=self._tick, args=(self._ticking,), daemon=True).start()

    def _tick(self, over):
        dot = " ."
        while not over.wait(1):
            with self._lock:
                if not over.is_set() and self._column < WIDTH - 20:
                    self._column += len(dot)
                    self._write(dot)
                    dot = "."

    def end(self, seconds=None, verdict="", kind="good"):
        """Ends the open line: time at the right, then the verdict."""
        with self._lock:
            self._ticking.set()
            text = duration(seconds) if seconds is not None else ""
            room = WIDTH - 10 - self._column
            verdict = "  " + self.paint(kind, verdict) if verdict else ""
            self._write("%s%s\n" % (text.rjust(max(room, len(text) + 1)), verdict))


def _fold(text, room):
    """What of a text goes into a row, and the rest: broken at a blank, a comma, between tags."""
    if len(text) <= room:
        return text, ""
    at = max(text.rfind(" ", 0, room + 1), text.rfind(",", 0, room) + 1,
             text.rfind("><", 0, room) + 1)
    if at <= room // 2:
        at = room
    return text[:at].rstrip(), text[at:].lstrip()


def duration(seconds):
    """A time as people say it."""
    return "%.0f ms" % (seconds * 1000) if seconds < 0.9995 else "%.1f s" % seconds
