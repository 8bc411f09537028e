# SPDX-License-Identifier: Apache-2.0
"""A name server of SRV and A records, on the port that the namespace's resolver asks."""
import socket
import struct
import threading

ADDRESS = ("127.0.0.1", 53)
A = 1
SRV = 33


def name(text):
    """A domain name, uncompressed."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) \
        + b"\0"


def srv(owner, host, port=389, priority=0, weight=100):
    """An SRV record."""
    body = struct.pack(">HHH", priority, weight, port) + name(host)
    return name(owner) + struct.pack(">HHIH", SRV, 1, 60, len(body)) + body


def a(owner, address):
    """An A record."""
    return name(owner) + struct.pack(">HHIH", A, 1, 60, 4) + socket.inet_aton(address)


def message(question, records, code=0, number=0, kind=SRV):
    """An answer; question is the owner's name."""
    return struct.pack(">HHHHHH", number, 0x8180 | code, 1, len(records), 0, 0) + name(question) \
        + struct.pack(">HH", kind, 1) + b"".join(records)


class Server:
    """records: owner -> list of (host, port, priority, weight); addresses: host -> IPv4 address;
    silent: answers nothing.

    `asked` lists the names that were asked for, but those of one label.
    """

    def __init__(self, records, silent=False, addresses=None):
        self.records = records
        self.addresses = addresses or {}
        self.silent = silent
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(ADDRESS)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            owner = ".".join(labels).lower()
            if "." in owner:            # libldap asks for the machine's own name
                self.asked.append(owner)
            if self.silent:
                continue
            kind = struct.unpack(">H", query[at + 1:at + 3])[0]
            records = []
            if kind == SRV:
                records = [srv(owner, *one) for one in self.records.get(owner, ())]
            elif kind == A and owner in self.addresses:
                records = [a(owner, self.addresses[owner])]
            code = 0 if owner in self.records or owner in self.addresses else 3
            self._socket.sendto(message(owner, records, code, struct.unpack(">H", query[:2])[0],
                                        kind), client)

    def close(self):
        if self._socket.fileno() < 0:
            return
        # A datagram of our own wakes the thread; closing alone would not.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", ADDRESS)
        self._socket.close()
