# SPDX-License-Identifier: Apache-2.0
"""A relay between a client and a server, which can go silent, break off, and listen."""
import select
import socket
import threading
import time


class Relay:
    """Listens at an address and passes everything on to another server, until told otherwise.

    limit       bytes of the server's that are passed on for each connection, then comes `after`
    after       "silence"; "end"; "trickle" (a byte every 100 ms); or bytes to be sent instead
    delay       seconds that everything of the server's takes longer
    breaking    so many of the next connections are ended as soon as the client has sent something
    seen        all that went through, both ways
    count       connections so far
    """

    def __init__(self, listen, server, limit=None, after="silence"):
        self.limit = limit
        self.after = after
        self.delay = 0
        self.breaking = 0
        self.seen = b""
        self.count = 0
        self._server = server
        self._pairs = []
        self._ended = threading.Event()
        self._listener = socket.create_server(listen, backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self.count += 1
            if self.breaking:
                self.breaking -= 1
                client.recv(1)          # of more than that: the client sees a reset
                client.close()
                server.close()
                continue
            self._pairs.append((client, server))
            threading.Thread(target=self._guarded, args=(client, server), daemon=True).start()

    def _guarded(self, client, server):
        try:
            self._pass(client, server)
        except (OSError, ValueError):
            pass                        # the other side went away
        client.close()
        server.close()

    def _pass(self, client, server):
        passed = 0
        while True:
            ready = select.select([client, server], [], [])[0]
            if client in ready:
                content = client.recv(65536)
                if not content:
                    return
                self.seen += content
                server.sendall(content)
            if server in ready:
                content = server.recv(65536)
                if not content:
                    return
                self.seen += content
                time.sleep(self.delay)
                room = len(content) if self.limit is None else self.limit - passed
                client.sendall(content[:room])
                passed += len(content)
                if len(content) > room:
                    self._misbehave(client, content[room:])
                    return

    def _misbehave(self, client, rest):
        if isinstance(self.after, bytes):
            client.sendall(self.after)
        elif self.after == "end":
            return
        elif self.after == "trickle":
            for byte in rest:
                client.sendall(bytes([byte]))
                time.sleep(0.1)
        self._ended.wait()

    def drop(self):
        """Ends the connections there are; returns when the clients can see it."""
        for client, server in self._pairs:
            for end in (client, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._pairs.clear()

    def close(self):
        """Ends everything: further clients are refused."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


class BlackHole:
    """A port that answers no SYN: its queue is full, as behind a firewall that drops."""

    def __init__(self, listen):
        self._listener = socket.create_server(listen, backlog=0)
        self._fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listen)
            self._fillers.append(filler)

    def close(self):
        for one in self._fillers + [self._listener]:
            one.close()
