# SPDX-License-Identifier: Apache-2.0
"""Log files that are read from a mark on, and what the bench looks for in httpd's error log."""
import dataclasses
import re

#: [time] [module:level] [pid …] …
_ENTRY = re.compile(r"^\[[^\]]+\] \[(?P<module>[^:\]]*):(?P<level>[a-z0-9]+)\] (?P<text>.*)$")
_NUMBER = re.compile(r"\bEAS(\d{4})\b")
_SERIOUS = ("emerg", "alert", "crit", "error", "warn")

#: What never belongs in a log, whatever a test expects.
_CRASH = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:"
    r"|AH0005[0-2]:|exit signal|[Ss]egmentation fault|Assertion .* failed|\*\*\* .* \*\*\*"
    r"|double free|free\(\): invalid|malloc_consolidate|stack smashing")


class Log:
    """A text file that something appends to."""

    def __init__(self, path):
        self.path = path
        self._mark = 0

    def size(self):
        """Bytes in the file now; to be used as a mark."""
        try:
            with open(self.path, "rb") as file:
                return file.seek(0, 2)
        except FileNotFoundError:
            return 0

    def mark(self):
        """Forgets what is in the file up to now; returns the position."""
        self._mark = self.size()
        return self._mark

    def text(self, since=None):
        """What was written since the mark (or a position; 0 for all)."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._mark if since is None else since)
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def lines(self, since=None):
        return self.text(since).splitlines()

    def tail(self, count=40):
        """The last lines of the whole file."""
        return "\n".join(self.lines(0)[-count:])


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of an error log; number is "EASnnnn" or "", level "" for foreign output."""
    level: str
    module: str
    number: str
    line: str

    @property
    def serious(self):
        """At warn or above."""
        return self.level in _SERIOUS


class ErrorLog(Log):
    """httpd's error log."""

    def entries(self, since=None):
        """Entry for every line."""
        found = []
        for line in self.lines(since):
            match = _ENTRY.match(line)
            number = _NUMBER.search(line)
            found.append(Entry(match["level"] if match else "", match["module"] if match else "",
                               "EAS" + number[1] if number else "", line))
        return found

    def numbers(self, since=None, serious=False):
        """The EAS numbers logged, in order, with repetitions; `serious`: at warn or above only."""
        return [entry.number for entry in self.entries(since)
                if entry.number and (entry.serious or not serious)]

    def crashes(self, since=None):
        """Lines that tell of a crash or of a sanitizer's finding."""
        return [line for line in self.lines(since) if _CRASH.search(line)]
