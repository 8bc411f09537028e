# SPDX-License-Identifier: Apache-2.0
"""An LDAP server that says what a test tells it to, for what no real domain controller does."""
import socket
import ssl
import struct
import threading

from . import der

BASE = "DC=contoso,DC=test"

SUCCESS = 0
IN_PROGRESS = 14

# Protocol operations, RFC 4511 section 4.2 ff.
BIND, BIND_RESPONSE = 0x60, 0x61
UNBIND = 0x42
SEARCH, ENTRY, DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73
EXTENDED, EXTENDED_RESPONSE = 0x77, 0x78


def elements(content):
    """The elements of a BER string: a list of (tag, content)."""
    found = []
    while content:
        tag, size, at = content[0], content[1], 2
        if size & 0x80:
            at += size & 0x7f
            size = int.from_bytes(content[2:at], "big")
        found.append((tag, content[at:at + size]))
        content = content[at + size:]
    return found


def control(content):
    """A control of a request (RFC 4511 section 4.1.11): (OID, critical, value)."""
    parts = elements(content)
    critical = any(tag == 0x01 and value != b"\0" for tag, value in parts[1:])
    return parts[0][1].decode(), critical, parts[-1][1] if parts[-1][0] == 0x04 else b""


def result(tag, code, text="", *more):
    """An LDAPResult; `more` are elements after it."""
    return der.tlv(tag, der.tlv(0x0a, bytes([code])), der.octets(b""), der.octets(text.encode()),
                   *more)


def entry(dn, attributes):
    """A SearchResultEntry; attributes is a list of (name, values), values being text or bytes."""
    return der.tlv(ENTRY, der.octets(dn.encode()), der.sequence(*[
        der.sequence(der.octets(name.encode()), der.set_of(*[
            der.octets(value.encode() if isinstance(value, str) else value) for value in values]))
        for name, values in attributes]))


def reference(uri):
    """A SearchResultReference."""
    return der.tlv(REFERENCE, der.octets(uri.encode()))


class Server:
    """Answers binds by keytab or password, and searches by a script.

    answers     operations (bytes) that answer a search of the base; a list, or a function of the
                message's number that sends by itself whatever it likes: answers(server, connection)
    certificate with one, the port speaks TLS (or StartTLS, with start_tls)
    keytab      of the server's own SPN, for SASL; `layers` is its offer; `bindings` are its channel
                bindings
    bind_code   LDAP result code of every bind
    contexts    what the rootDSE names, by attribute
    Recorded: binds (dn, password), searches (base, scope, sizeLimit, timeLimit, attributes) and
    the controls of each, a list of (OID, critical, value), to which nothing here pays heed; problems of the GSSAPI exchange, count of connections.
    """

    def __init__(self, listen, answers=(), certificate=None, start_tls=False, keytab=None,
                 bindings=None, layers=b"\x04\x00\xff\xff", bind_code=SUCCESS, versions=(),
                 contexts=None):
        self.answers = answers
        self.bind_code = bind_code
        self.contexts = contexts or {"defaultNamingContext": BASE,
                                     "configurationNamingContext": "CN=Configuration," + BASE}
        self.binds, self.searches, self.controls, self.problems = [], [], [], []
        self.count = 0
        self._keytab, self._bindings, self._layers = keytab, bindings, layers
        self._start_tls = start_tls
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate.chain, certificate.key)
            for option, value in versions:
                setattr(self._tls, option, value)
        self._connections = []
        self._listener = socket.create_server(listen, backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        connection = Connection(stream)
        self._connections.append(connection)
        try:
            if self._tls and not self._start_tls:
                connection.wrap(self._tls)
            while self._obey(connection):
                pass
        except (OSError, TypeError, ValueError, IndexError):
            pass                        # the client went away, perhaps inside a message
        connection.stream.close()

    def _obey(self, connection):
        message = connection.receive()
        if message is None:
            return False
        number, operation, *more = elements(elements(message)[0][1])
        connection.number = number[1]
        tag, content = operation
        if tag == UNBIND:
            return False
        if tag == BIND:
            self._bind(connection, elements(content))
        elif tag == SEARCH:
            self.controls.append([control(one) for _, one in elements(more[0][1])] if more else [])
            self._search(connection, elements(content))
        elif tag == EXTENDED:
            connection.send(result(EXTENDED_RESPONSE, SUCCESS))
            connection.wrap(self._tls)
        return True

    # ---- bind ----------------------------------------------------------------------------------

    def _bind(self, connection, parts):
        kind, content = parts[2]
        if self.bind_code != SUCCESS or kind == 0x80:
            self.binds.append((parts[1][1].decode(), content.decode("utf-8", "replace")))
            connection.send(result(BIND_RESPONSE, self.bind_code, "as told"))
            return
        sasl = elements(content)
        try:
            self._sasl(connection, sasl[1][1] if len(sasl) > 1 else b"")
        except Exception as problem:    # of GSSAPI, or of a client that does not follow RFC 4752
            self.problems.append(repr(problem))
            connection.send(result(BIND_RESPONSE, 49, "80090346: as AD says it"))

    def _sasl(self, connection, token):
        import gssapi
        from gssapi.raw import ChannelBindings
        if connection.context is None:
            credentials = gssapi.Credentials(
                usage="accept", store={"keytab": self._keytab, "rcache": "none:"})
            connection.context = gssapi.SecurityContext(
                creds=credentials, usage="accept", channel_bindings=ChannelBindings(
                    application_data=self._bindings) if self._bindings else None)
        context = connection.context
        context.__DEFER_STEP_ERRORS__ = False
        if not context.complete:
            answer, code = context.step(token) or b"", IN_PROGRESS
        elif not connection.offered:
            assert token == b"", "the client had nothing left to say"
            answer, code = context.wrap(self._layers, False).message, IN_PROGRESS
            connection.offered = True
        else:
            connection.choice = context.unwrap(token).message
            answer, code = None, SUCCESS
        connection.send(result(BIND_RESPONSE, code, "", *(
            [] if answer is None else [der.implicit(7, answer)])))
        if code == SUCCESS and connection.choice[0] != 1:
            connection.sealed = True

    # ---- search --------------------------------------------------------------------------------

    def _search(self, connection, parts):
        base = parts[0][1].decode()
        number = [int.from_bytes(parts[at][1], "big") for at in (1, 3, 4)]
        names = [name.decode() for _, name in elements(parts[7][1])]
        self.searches.append((base, *number, names))
        if base == "":
            connection.send(entry("", [(name, [self.contexts[name]]) for name in names
                                       if name in self.contexts]), result(DONE, SUCCESS))
        elif callable(self.answers):
            self.answers(self, connection)
        else:
            connection.send(*self.answers)

    def choices(self):
        """What the clients chose at the end of SASL: layer and largest message."""
        return [one.choice for one in self._connections if one.choice]

    def close(self):
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._connections:
            try:
                one.stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Connection:
    """One client of a Server."""

    def __init__(self, stream):
        self.stream = stream
        self.number = b"\0"             # of the message that is answered
        self.context = None
        self.offered = False
        self.choice = None
        self.sealed = False
        self._plain = b""

    def wrap(self, context):
        self.stream = context.wrap_socket(self.stream, server_side=True)

    def _exactly(self, size):
        content = b""
        while len(content) < size:
            piece = self.stream.recv(size - len(content))
            if not piece:
                return None
            content += piece
        return content

    def _bytes(self, size):
        """The same of what was sealed, or is not."""
        while self.sealed and len(self._plain) < size:
            length = self._exactly(4)
            if length is None:
                return None
            unwrapped = self.context.unwrap(self._exactly(struct.unpack(">I", length)[0]))
            assert unwrapped.encrypted, "the client did not seal"
            self._plain += unwrapped.message
        if not self.sealed:
            return self._exactly(size)
        content, self._plain = self._plain[:size], self._plain[size:]
        return content

    def receive(self):
        """The next LDAPMessage, or None at the end."""
        head = self._bytes(2)
        if head is None:
            return None
        size = head[1]
        if size & 0x80:
            more = self._bytes(size & 0x7f)
            head, size = head + more, int.from_bytes(more, "big")
        body = self._bytes(size)
        return None if body is None else head + body

    def message(self, operation, number=None):
        """An LDAPMessage with an operation."""
        return der.sequence(der.tlv(0x02, number or self.number), operation)

    def send(self, *operations):
        """Sends operations, sealed where that was agreed on."""
        content = b"".join(self.message(operation) for operation in operations)
        self.send_raw(self.seal(content) if self.sealed else content)

    def seal(self, content):
        sealed = self.context.wrap(content, True).message
        return struct.pack(">I", len(sealed)) + sealed

    def send_raw(self, content):
        self.stream.sendall(content)
