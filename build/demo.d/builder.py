# SPDX-License-Identifier: Apache-2.0
"""Builds the module outside the sources, and only what changed since the last time."""
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

#: What the module is made of: fixed files, and the suffixes of the files in a folder.
RECIPE = ("configure.ac", "Makefile.am", "build/m4/cba.m4")
FOLDER, SUFFIXES = "mod_eas_cba", (".c", ".h", ".def")
#: Packages whose update asks for a build from scratch.
PACKAGES = ("apache2-dev", "gcc", "libapr1-dev", "libkrb5-dev", "libldap-dev", "libsasl2-dev",
            "libssl-dev", "libtool", "automake")


class Builder:
    """A folder with a copy of the sources (src), a build folder (out), a log and a lock."""

    def __init__(self, top, folder, screen):
        self.top = top
        self.folder = folder
        self.screen = screen
        self.log = os.path.join(folder, "log")
        self.result = os.path.join(folder, "out", ".libs", "mod_eas_cba.so")

    def build(self):
        """Path of the module, after what has to be done; leaves the program when that fails."""
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._build()

    def _build(self):
        scratch = self._stamp("scratch", self._recipe())
        sources = self._stamp("sources", self._sources())
        if scratch.kept and sources.kept and os.path.exists(self.result):
            self.screen.plain("build: nothing has changed")
            return self.result
        sources.forget()
        if not scratch.kept or not os.path.exists(os.path.join(self.folder, "out", "Makefile")):
            scratch.forget()
            for part in ("src", "out"):
                shutil.rmtree(os.path.join(self.folder, part), ignore_errors=True)
                os.makedirs(os.path.join(self.folder, part))
            self._copy()
            self._step("src", "autoreconf", "-i")
            self._step("out", "../src/configure", "--without-cmocka")
            scratch.keep()
        else:
            self._copy()
        self._step("out", "make", "-j%d" % (os.cpu_count() or 1))
        sources.keep()
        return self.result

    # ---- what it depends on --------------------------------------------------------------------

    def _names(self):
        found = list(RECIPE)
        for folder, _, names in os.walk(os.path.join(self.top, FOLDER)):
            found += [os.path.relpath(os.path.join(folder, name), self.top)
                      for name in names if name.endswith(SUFFIXES)]
        return sorted(found)

    def _read(self, name):
        with open(os.path.join(self.top, name), "rb") as file:
            return file.read()

    def _sources(self):
        digest = hashlib.sha256()
        for name in self._names():
            digest.update(b"%s\0%s\0" % (name.encode(), hashlib.sha256(self._read(name)).digest()))
        return digest.hexdigest()

    def _recipe(self):
        versions = subprocess.run(["dpkg-query", "-W", *PACKAGES], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False).stdout
        return hashlib.sha256(b"".join(map(self._read, RECIPE)) + versions).hexdigest()

    def _stamp(self, name, value):
        return _Stamp(os.path.join(self.folder, name), value)

    def _copy(self):
        """Brings src up to date, touching only files whose content differs."""
        wanted = self._names()
        target = os.path.join(self.folder, "src")
        for folder, _, names in os.walk(os.path.join(target, FOLDER)):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, target) not in wanted:
                    os.unlink(path)
        for name in wanted:
            path, content = os.path.join(target, name), self._read(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    if file.read() == content:
                        continue
            with open(path, "wb") as file:
                file.write(content)

    # ---- doing it -------------------------------------------------------------------------------

    def _command(self, where, words):
        """The words, to be run in a part of the folder: (words, working folder).

        configure and libtool refuse a path with blanks.  Such a folder is seen as /mnt, by these
        processes only.
        """
        if not re.search(r"[^A-Za-z0-9_./+-]", self.folder):
            return list(words), os.path.join(self.folder, where)
        script = 'mount --bind "$1" /mnt && cd "/mnt/$2" && shift 2 && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh", self.folder, where, *words], "/"

    def _step(self, where, *words):
        begin = time.monotonic()
        name = os.path.basename(words[0])
        self.screen.begin("build: %s" % name, kind="dim")
        # A compiler that is killed leaves its temporary files: not in /tmp.
        temporary = os.path.join(self.folder, "tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        os.makedirs(temporary)
        command, cwd = self._command(where, words)
        with open(self.log, "wb") as log:
            process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True,
                                       env=dict(os.environ, TMPDIR=temporary))
            try:
                status = process.wait()
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self.screen.end(time.monotonic() - begin, "" if status == 0 else "FAILED", "bad")
        if status != 0:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                sys.stdout.writelines("    | " + line for line in log.readlines()[-30:])
            sys.exit("build/demo: %s failed; all of its output is in %s" % (name, self.log))


class _Stamp:
    """A file that holds what a part of the folder was made of."""

    def __init__(self, path, value):
        self._path = path
        self._value = value

    @property
    def kept(self):
        """True if the part was made of the same."""
        try:
            with open(self._path, encoding="ascii") as file:
                return file.read() == self._value
        except FileNotFoundError:
            return False

    def keep(self):
        with open(self._path, "w", encoding="ascii") as file:
            file.write(self._value)

    def forget(self):
        if os.path.exists(self._path):
            os.unlink(self._path)
