# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frame by frame (RFC 9113): what no HTTP library would send.

Fields are sent as literals without an index (RFC 7541 6.2.2), in the order and spelling given.  Of
an answer only :status is understood; who answered is told by the body.
"""
import collections
import dataclasses
import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY, ACK = 1, 4, 8, 0x20, 1
#: RFC 7541 appendix A, entries 8 to 14.
STATUS = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
STATIC = 61
#: RFC 7541 appendix B, the digits alone.
DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5",
          "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


@dataclasses.dataclass
class Stream:
    """What came of a request; `reset` is the code of an RST_STREAM or of the connection's end."""
    status: int = 0
    body: bytes = b""
    ended: bool = False
    reset: int = None

    @property
    def done(self):
        return self.ended or self.reset is not None


def _number(value, bits, first=0):
    """RFC 7541 5.1."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = [first | limit], value - limit
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + [value])


def block(fields):
    """A header block of (name, value) pairs; text is latin-1."""
    out = b""
    for pair in fields:
        out += b"\0"
        for text in pair:
            raw = text if isinstance(text, bytes) else text.encode("latin-1")
            out += _number(len(raw), 7) + raw
    return out


def _digits(raw):
    """A Huffman-coded number; None for any other text."""
    bits, found = "".join("{:08b}".format(byte) for byte in raw), ""
    while len(bits) >= 5:
        size = next((size for size in (5, 6) if bits[:size] in DIGITS), None)
        if size is None:
            break
        found, bits = found + DIGITS[bits[:size]], bits[size:]
    return found if found and set(bits) <= {"1"} and len(bits) < 8 else None


class _Reader:
    """Reads the server's header blocks as far as :status: names and values stay coded."""

    def __init__(self):
        self._table = []

    def status(self, data):
        """The :status of a block, or 0 where it has none (a trailer)."""
        self._data, self._at, found = data, 0, 0
        while self._at < len(data):
            status = self._field()
            found = found or int(status or 0)
        return found

    def _int(self, bits):
        limit = (1 << bits) - 1
        value = self._data[self._at] & limit
        self._at += 1
        shift = 0
        while value >= limit:
            byte = self._data[self._at]
            self._at += 1
            value += (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        return value

    def _text(self):
        coded = self._data[self._at] & 128
        size = self._int(7)
        self._at += size
        raw = self._data[self._at - size:self._at]
        return _digits(raw) if coded else raw.decode("latin-1")

    def _field(self):
        first = self._data[self._at]
        if first & 0x80:
            index = self._int(7)
            return STATUS.get(index) if index <= STATIC else self._table[index - STATIC - 1]
        if first & 0xe0 == 0x20:
            self._int(5)
            return None
        keeps = first & 0x40
        index = self._int(6 if keeps else 4)
        if index == 0:
            self._text()
        value = self._text()
        status = value if index in STATUS else None
        if keeps:
            self._table.insert(0, status)
        return status


class Connection:
    """An HTTP/2 connection of a lab.phone.Phone."""

    def __init__(self, phone, timeout=20):
        context = ssl.create_default_context(cafile=phone.ca)
        context.set_alpn_protocols(["h2"])
        if phone.certificate is not None:
            context.load_cert_chain(phone.certificate.chain, phone.certificate.key)
        raw = socket.create_connection((phone.address, phone.port), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=phone.host)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.streams = collections.defaultdict(Stream)
        self.gone = None                # code of the server's GOAWAY
        self.closed = False
        self._reader = _Reader()
        self._pending = b""
        self._next = 1
        self.send(PREFACE + self.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 24)))

    @staticmethod
    def frame(kind, flags, stream, content=b""):
        """One frame's bytes."""
        return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags,
                                                                  stream) + content

    def send(self, content):
        """Sends bytes as they are."""
        self.socket.sendall(content)

    def number(self):
        """The number of a new stream."""
        self._next += 2
        return self._next - 2

    def open(self, fields, body=None, trailers=None):
        """Sends a request; returns the number of its stream."""
        stream = self.number()
        self.send(self.request(stream, fields, body, trailers))
        return stream

    def request(self, stream, fields, body=None, trailers=None):
        """The frames of a request."""
        last = body is None and trailers is None
        out = self.frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, block(fields))
        if body is not None:
            out += self.frame(DATA, 0 if trailers is not None else END_STREAM, stream, body)
        if trailers is not None:
            out += self.frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers))
        return out

    def wait(self, *numbers):
        """Reads until these streams have come to an end; returns them."""
        while not self.closed and not all(self.streams[one].done for one in numbers):
            self._step()
        for one in numbers:
            if not self.streams[one].done:
                self.streams[one].reset = -1 if self.gone is None else self.gone
        return [self.streams[one] for one in numbers]

    def ask(self, fields, body=None, trailers=None):
        """One request and what came of it."""
        return self.wait(self.open(fields, body, trailers))[0]

    def _exactly(self, count):
        while len(self._pending) < count:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("closed")
            self._pending += part
        part, self._pending = self._pending[:count], self._pending[count:]
        return part

    def _step(self):
        try:
            head = self._exactly(9)
            kind, flags, number = head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7fffffff
            content = self._exactly(int.from_bytes(head[:3], "big"))
            self._take(kind, flags, number, content)
        except TimeoutError:
            raise
        except OSError:
            self.closed = True

    def _take(self, kind, flags, number, content):
        if kind == SETTINGS and not flags & ACK:
            self.send(self.frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(self.frame(PING, ACK, 0, content))
        elif kind == GOAWAY:
            code = struct.unpack(">I", content[4:8])[0]
            self.gone = code
        elif kind == RST_STREAM:
            self.streams[number].reset = struct.unpack(">I", content)[0]
        elif kind in (HEADERS, DATA):
            if flags & PADDED:
                content = content[1:len(content) - content[0]]
            if kind == DATA:
                self.streams[number].body += content
                if content:
                    self.send(self.frame(WINDOW, 0, 0, struct.pack(">I", len(content))))
            else:
                assert flags & END_HEADERS, "a header block in several frames"
                status = self._reader.status(content[5:] if flags & PRIORITY else content)
                if status >= 200:
                    self.streams[number].status = status
            self.streams[number].ended |= bool(flags & END_STREAM)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
