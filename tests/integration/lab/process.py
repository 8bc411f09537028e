# SPDX-License-Identifier: Apache-2.0
"""Running programs: one-shot commands, daemons that are our children, and waiting for a condition.

Daemons run in the foreground in a session (process group) of their own, so that stopping, killing
or pausing one reaches all of its children and nothing else.
"""
import os
import signal
import socket
import subprocess
import time

DEADLINE = 20.0


class CommandError(AssertionError):
    """A program of the bench ended with an unexpected status; the message holds its output."""


def run(*argv, check=True, env=None, stdin=None, timeout=120, cwd=None):
    """Runs a program to its end; stdin may be bytes or text.  stdout and stderr are text."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([str(word) for word in argv], input=stdin, env=env, cwd=cwd,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                          **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    done.raw = done.stdout
    done.stdout = done.stdout.decode("utf-8", "replace")
    done.stderr = done.stderr.decode("utf-8", "replace")
    if check and done.returncode != 0:
        raise CommandError("%s\nended with status %d\n%s%s" % (
            " ".join(str(word) for word in argv), done.returncode, done.stdout, done.stderr))
    return done


def wait_until(condition, what, deadline=DEADLINE, pause=0.01):
    """Polls until condition() is true and returns its value; AssertionError after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %.0f s: %s" % (deadline, what))
        time.sleep(pause)


def listens(address, port):
    """True if something accepts TCP connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


class Daemon:
    """A long-running child process with a process group of its own."""

    def __init__(self, argv, env, output, cwd="/"):
        self.argv = [str(word) for word in argv]
        self.env = env
        self.output = output
        self.cwd = cwd
        self._process = None

    @property
    def pid(self):
        """Process id, also the id of the process group; None while not running."""
        return self._process.pid if self._process else None

    def running(self):
        """True while the first process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Starts the process; readiness is the caller's to poll."""
        assert not self.running(), "%s runs already" % self.argv[0]
        with open(self.output, "ab") as output:
            self._process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.DEVNULL,
                                             stdout=output, stderr=output, cwd=self.cwd,
                                             start_new_session=True)

    def signal(self, number):
        """Sends a signal to the first process only."""
        os.kill(self._process.pid, number)

    def signal_all(self, number):
        """Sends a signal to the process and all of its children."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, grace=10.0):
        """Ends the process politely, its children with force if they stay; returns its status."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            self.signal_all(signal.SIGCONT)
        try:
            status = self._process.wait(grace)
        except subprocess.TimeoutExpired:
            status = None
        self.kill()
        return status

    def kill(self):
        """Ends the process and its children at once."""
        if self._process is None:
            return
        group = self._process.pid
        self.signal_all(signal.SIGKILL)
        self._process.wait()
        self._process = None
        wait_until(lambda: not _alive(group), "end of the children of %s" % self.argv[0])


def _alive(group):
    """True while a process group has members; who comes next needs their ports."""
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False
