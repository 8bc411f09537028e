# SPDX-License-Identifier: Apache-2.0
"""A back end that misbehaves as it is told: what a real one cannot be made to do on request.

It speaks TLS with a good certificate, looks at no token and answers every request by the fault that
was set.  It keeps what it saw, and how many connections it has.
"""
import collections
import contextlib
import dataclasses
import hashlib
import socket
import ssl
import threading

from . import namespace
from .process import wait_until

FINE = (b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ms-sync.wbxml\r\n"
        b"Content-Length: 4\r\n\r\nfine")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSED = (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nX-Refused: yes\r\n"
           b"Set-Cookie: refused=1\r\nContent-Length: 4\r\n\r\nnope")


@dataclasses.dataclass(frozen=True)
class Fault:
    """What to send for a request, and then: "keep", "close" or "hang"; how much of its body to read
    before, a fraction."""
    sent: bytes
    then: str = "close"
    read: float = 1.0
    good: bool = False          # nothing is wrong with it: the gateway may keep the connection


NONE = Fault(FINE, "keep", good=True)


@dataclasses.dataclass
class Seen:
    """One request, as far as it came."""
    connection: int
    line: str
    headers: dict               # names in lower case
    length: int = 0             # of the body, as far as it was read
    sha256: str = ""            # of a whole body
    complete: bool = False


class Faulty:
    """The server.  `fault` answers the next requests, or `script` those of each connection in turn,
    with `fault` after its end.  A fault may also be a function of what was Seen that says which."""

    def __init__(self, bench, host="cas5", port=443):
        name = namespace.host(host)
        certificate = bench.servers.issue(name, dns=name, eku=("serverAuth",), key="server")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sockets = {}
        self._waiting = set()       # connections that were kept for good reason
        self._count = 0
        self.hostname, self.address, self.port = name, namespace.address(host), port
        self.reset()
        self._listener = socket.create_server((self.address, port), backlog=64)
        # What it has not read stays at the gateway, which shall notice.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def reset(self, fault=NONE, script=()):
        """Forgets what was seen and ends the connections that wait for a request; from now on it
        misbehaves like this."""
        with self._lock:
            for number in self._waiting & set(self._sockets):
                with contextlib.suppress(OSError):
                    self._sockets[number].shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not self._waiting, "the end of connections that wait")
        self.fault = fault
        self.script = list(script)
        self.seen = []

    def open(self):
        """Connections that nobody has closed yet and the gateway has no reason to keep."""
        with self._lock:
            return len(set(self._sockets) - self._waiting)

    def times(self, header):
        """How often each value of a header field came."""
        with self._lock:
            return collections.Counter(one.headers.get(header.lower()) for one in self.seen)

    def close(self):
        """Ends everything."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        with self._lock:
            for connection in self._sockets.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                raw = self._listener.accept()[0]
                self._count += 1
                threading.Thread(target=self._serve, args=(raw, self._count), daemon=True).start()

    def _serve(self, raw, number):
        with self._lock:
            self._sockets[number] = raw
        try:
            raw.settimeout(60)
            # An answer leaves before the connection is reset behind it.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(raw, server_side=True) as connection:
                self._sockets[number] = connection
                stream = connection.makefile("rb")
                faults = iter(list(self.script))
                while self._one(connection, stream, number, faults):
                    pass
        except OSError:
            pass                        # the gateway went away
        finally:
            with self._lock:
                del self._sockets[number]
                self._waiting.discard(number)

    def _one(self, connection, stream, number, faults):
        """One request; True: another may come."""
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        with self._lock:
            self._waiting.discard(number)
        headers = {}
        for field in iter(stream.readline, b"\r\n"):
            if not field:
                return False
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        seen = Seen(number, line, headers)
        with self._lock:
            self.seen.append(seen)
        fault = next(faults, self.fault)
        fault = fault if isinstance(fault, Fault) else fault(seen)
        announced = int(headers.get("content-length", 0))
        body = stream.read(int(announced * fault.read))
        seen.length, seen.complete = len(body), len(body) == announced
        seen.sha256 = hashlib.sha256(body).hexdigest()
        connection.sendall(fault.sent)
        if fault.good:
            with self._lock:
                self._waiting.add(number)
        if fault.then == "hang":        # until the other side has had enough
            while stream.read1(65536):
                pass
        return fault.then == "keep"
