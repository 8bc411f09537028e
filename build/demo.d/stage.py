# SPDX-License-Identifier: Apache-2.0
"""The namespaces in which everything runs, seen from outside.

All files and processes of the demo live in a mount, network and process namespace (that of
lab/namespace.py) and end with its first process.  Outside there is one folder, STATE, for as long
as it runs.
"""
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

STATE = "/run/mod_eas_cba-demo"
HERE = os.path.dirname(os.path.abspath(__file__))


def _stat(pid):
    """(state, parent, start time) of a process, or None."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return words[0], int(words[1]), int(words[19])


def _lives(pid, start):
    """True while this very process runs; a number may be used again, with another start time."""
    found = _stat(pid)
    return found is not None and found[0] != "Z" and found[2] == start


def _first_inside(outer):
    """The process whose parent is `outer`: number 1 inside; None while there is none."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = _stat(int(name))
            if found is not None and found[1] == outer and found[0] != "Z":
                return int(name)
    return None


def _end(outer, start):
    """Ends a stage: with the first process inside the kernel ends all others there."""
    deadline = time.monotonic() + 20
    while _lives(outer, start):
        inside = _first_inside(outer)
        try:
            os.kill(inside or outer, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if time.monotonic() > deadline:
            sys.exit("build/demo: process %d does not end" % outer)
        time.sleep(0.02)


def _read():
    """What STATE says: a dictionary with pid, start, inside and more; None without it."""
    try:
        with open(STATE + "/state", encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return None


def running():
    """The state of a demo that runs, or None."""
    state = _read()
    return state if state and _lives(state["pid"], state["start"]) else None


def claim():
    """Makes STATE ours for as long as we live; leaves the program when something runs already."""
    os.makedirs(STATE, mode=0o755, exist_ok=True)
    claimed = os.open(STATE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(claimed, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("build/demo: another one is just starting")
    if running():
        sys.exit("build/demo: another one has started meanwhile")
    for name in os.listdir(STATE):      # of one that was killed
        os.unlink(os.path.join(STATE, name))
    return claimed


def stop():
    """Ends what runs; True if something did."""
    state = running()
    if state:
        _end(state["pid"], state["start"])
    shutil.rmtree(STATE, ignore_errors=True)
    return state is not None


class Stage:
    """One run of story.py inside.  Its output is copied to ours; it ends when we end or are killed,
    unless it was told to stay."""

    def __init__(self, module, colour):
        self._module = module
        self._colour = colour
        self._process = None
        self._start = None
        self._channel = None

    def start(self):
        """Starts it."""
        ours, theirs = socket.socketpair()
        words = ["/usr/bin/python3", os.path.join(HERE, "story.py"), str(theirs.fileno())]
        environment = dict(os.environ, EAS_CBA_MODULE=self._module,
                           EAS_DEMO_COLOUR="1" if self._colour else "")
        self._process = subprocess.Popen(
            words, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()], start_new_session=True)
        self._start = _stat(self._process.pid)[2]
        theirs.close()
        self._channel = ours

    def follow(self):
        """Copies its output until it has told its story; what it reports, None if it broke off."""
        output, report = self._process.stdout.fileno(), b""
        while True:
            ready = select.select([output, self._channel], [], [])[0]
            if output in ready:
                content = os.read(output, 65536)
                sys.stdout.buffer.write(content)
                sys.stdout.buffer.flush()
                if not content:
                    return None
            elif self._channel in ready:     # only when no output is waiting
                content = self._channel.recv(65536)
                report += content
                if not content:
                    return None
                if report.endswith(b"\n"):
                    return json.loads(report)

    def note(self, **more):
        """Writes STATE, so that others find it; returns what it wrote."""
        state = {"pid": self._process.pid, "start": self._start, **more}
        inside = _first_inside(self._process.pid)
        if more and inside:
            state["inside"] = inside
            os.symlink("/proc/%d/root%s" % (inside, os.path.dirname(more["folder"])),
                       STATE + "/files")
        with open(STATE + "/state.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(STATE + "/state.new", STATE + "/state")
        return state

    def stay(self):
        """Lets it run on without us."""
        self._channel.sendall(b"stay")

    def end(self):
        """Ends it and all that it started."""
        if self._process is not None:
            if self._start is not None:
                _end(self._process.pid, self._start)
            self._process.wait()
