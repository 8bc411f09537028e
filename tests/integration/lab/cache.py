# SPDX-License-Identifier: Apache-2.0
"""A Redis or a memcached, and as much of a client as the tests need."""
import os
import signal
import socket

from . import namespace
from .process import Daemon, listens, wait_until

class Cache:
    """A server that keeps everything in memory; its keys are as gateways write them."""

    def __init__(self, folder, name, port, argv):
        os.makedirs(folder, exist_ok=True)
        self.address = namespace.address("cache")
        self.port = port
        self.name = name                                        # of httpd's module
        self.value = "%s:%s:%d" % (name, self.address, port)    # for EASCertAuthCache
        self._daemon = Daemon([word.format(address=self.address, port=port, folder=folder)
                               for word in argv], {"PATH": os.environ["PATH"]},
                              os.path.join(folder, name + ".out"))

    def start(self):
        """Starts the server, empty; waits until it answers."""
        self._daemon.start()
        wait_until(lambda: listens(self.address, self.port), self.name)
        return self

    def kill(self):
        self._daemon.kill()

    def pause(self):
        """It accepts connections from now on, and never answers."""
        self._daemon.signal(signal.SIGSTOP)

    def resume(self):
        self._daemon.signal(signal.SIGCONT)


class Memcached(Cache):
    """memcached; nobody looks into it."""

    def __init__(self, folder):
        super().__init__(folder, "memcache", 11211,
                         ["memcached", "-u", "nobody", "-l", "{address}", "-p", "{port}", "-U", "0"])


class Redis(Cache):
    """redis-server."""

    def __init__(self, folder):
        super().__init__(folder, "redis", 6379, [
            "redis-server", "--bind", "{address}", "--port", "{port}", "--save", "", "--appendonly",
            "no", "--protected-mode", "no", "--dir", "{folder}"])

    # ---- what is in it -----------------------------------------------------------------------

    def ask(self, *words):
        """One command, as redis-cli would send it."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        with socket.create_connection((self.address, self.port), timeout=10) as connection:
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(
                b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
            with connection.makefile("rb") as answer:
                return self._read(answer)

    def _read(self, answer):
        line = answer.readline()
        kind, rest = line[:1], line[1:].strip()
        assert kind and kind != b"-", line
        if kind == b"*":
            return [self._read(answer) for _ in range(int(rest))]
        if kind == b"$":
            content = answer.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
            return content
        return int(rest) if kind == b":" else rest

    def flush(self):
        self.ask("FLUSHALL")

    def records(self):
        """Key -> value of all records."""
        return {key: self.ask("GET", key) for key in sorted(self.ask("KEYS", "*"))}

    def put(self, records):
        """Writes records that stay until they are taken out."""
        for key, value in records.items():
            self.ask("SET", key, value)
