# SPDX-License-Identifier: Apache-2.0
"""Harnesses: small programs that drive one floor of the module without httpd, under sanitizers.

A harness reads commands from stdin, one a line, and answers each with one line: reason,
milliseconds, detail, and what the command yields; words and fields are separated by tabs.
"""
import dataclasses
import os
import subprocess

from .module import HERE, TOP
from .process import run

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all",
              "-fno-omit-frame-pointer"]
PACKAGES = ["krb5", "krb5-gssapi", "libcrypto", "apr-1"]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a harness said: the reason's symbol, how long it took, the detail, further fields."""
    reason: str
    ms: int
    detail: str
    fields: list


class Build:
    """tests/integration/NAME.c being compiled with sources of the module; `path()` waits for it."""

    def __init__(self, name, folder, sources, packages=PACKAGES, flags=SANITIZERS):
        self._target = os.path.join(folder, name)
        source = os.path.join(TOP, "mod_eas_cba")
        floors = ["-I" + os.path.join(source, floor) for floor in ("core", "io")]
        compiler = os.environ.get("CBA_CC", "gcc").split()
        config = [run("pkg-config", kind, *packages).stdout.split()
                  for kind in ("--cflags", "--libs")]
        self._process = subprocess.Popen(
            compiler + ["-g", "-O1", "-D_GNU_SOURCE"] + WARNINGS + list(flags) + floors + config[0]
            + ["-o", self._target, os.path.join(HERE, name + ".c")]
            + [os.path.join(source, file) for file in sources] + config[1]
            + ["-lresolv", "-lpthread", "-Wl,--wrap=clock_gettime"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)

    def path(self):
        output = self._process.communicate()[0]
        assert self._process.returncode == 0, output.decode("utf-8", "replace")
        return self._target


class Harness:
    """One running harness; it must end well, which is when leaks are reported."""

    def __init__(self, path, **env):
        self._process = subprocess.Popen(
            [path], env={**os.environ, **env}, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @property
    def pid(self):
        return self._process.pid

    def send(self, *words):
        """Starts a command; `answer` waits for its end."""
        self._process.stdin.write("\t".join(str(word) for word in words) + "\n")
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            self.end()
        reason, ms, detail, *fields = line.rstrip("\n").split("\t")
        assert reason != "?", detail
        return Answer(reason, int(ms), detail, fields)

    def __call__(self, *words):
        self.send(*words)
        return self.answer()

    def end(self):
        """Lets it end and checks how it did."""
        errors = self._process.communicate()[1]
        assert self._process.returncode == 0, "the harness ended with status %d\n%s" % (
            self._process.returncode, errors)

    def kill(self):
        """For a test that failed already."""
        self._process.kill()
        self._process.communicate()
