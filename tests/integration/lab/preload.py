# SPDX-License-Identifier: Apache-2.0
"""Faults inside of a gateway while it runs: memory and descriptors that run out, a wall clock
that is stepped.

The library that does it (modules/preload.c) is preloaded; the structure that both map is the
one of that file.
"""
import mmap
import os
import struct

from . import module
from .process import run

PLACES = 65536
_NUMBERS = ("clock_seconds", "budget", "failed", "depth", "files", "trace")
_SIZE = 8 * (len(_NUMBERS) + PLACES)


def compile_to(folder):
    """Path of the library."""
    target = os.path.join(folder, "preload.so")
    run("gcc", "-shared", "-fPIC", "-std=gnu11", "-O1", *module.WARNINGS, "-o", target,
        os.path.join(module.SOURCES, "preload.c"))
    return target


class Preload:
    """What a gateway is told; to be made before it, which takes `env` and `before(gateway)`."""

    def __init__(self, library, path):
        self._library = library
        self._path = path
        with open(path, "wb") as file:
            file.truncate(_SIZE)
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._set("depth", 6)
        self._set("trace", int(bool(os.environ.get("PRELOAD_TRACE"))))

    def before(self, gateway):
        """Has the library loaded into a gateway that is not started yet: before the sanitizers', as
        what they offer in place of malloc would hide it."""
        others = gateway.env.get("LD_PRELOAD", "")
        gateway.env["LD_PRELOAD"] = ":".join(filter(None, (self._library, others)))
        gateway.env["PRELOAD_FILE"] = self._path
        if others:
            gateway.env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        return gateway

    def _at(self, name):
        return 8 * _NUMBERS.index(name)

    def _set(self, name, value):
        self._map[self._at(name):self._at(name) + 8] = struct.pack("q", value)

    def _get(self, name):
        return struct.unpack_from("q", self._map, self._at(name))[0]

    def clock(self, seconds):
        """The wall clock of the gateway is so much ahead (negative: behind)."""
        self._set("clock_seconds", seconds)

    def files(self, most=0):
        """Each process has so many file descriptors; 0: as many as ever."""
        self._set("files", most)

    def memory(self, budget):
        """So many allocations fail from now on, each in a place of the code that was spared yet. Not
        those of APR's pools, on which httpd ends the process."""
        self._set("budget", budget)

    @property
    def failed(self):
        """Allocations that failed."""
        return self._get("failed")
