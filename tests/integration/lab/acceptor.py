# SPDX-License-Identifier: Apache-2.0
"""Back ends of the bench's own, in this process: one with Extended Protection, and one that says what
a script tells it to.

    with Acceptor(address, certificate, keytab, certificate.binding) as strict: ...
    with Scripted(address, certificate, [reply(200), CLOSE]) as server: ...

They are mocks: neither httpd nor mod_auth_gssapi knows channel bindings, and no server closes a
connection between two given bytes when it is asked to.
"""
import base64
import collections
import contextlib
import hashlib
import socket
import ssl
import struct
import threading

import gssapi

CHANNEL_BOUND = 0x800       # GSS_C_CHANNEL_BOUND_FLAG: the initiator sent the acceptor's bindings

#: What a server saw of a request.
Seen = collections.namedtuple("Seen", "connection method path headers body")


def binding(der, digest):
    """Channel binding of a server's certificate (RFC 5929 section 4.1), for GSSAPI."""
    return b"tls-server-end-point:" + hashlib.new(digest, der).digest()


class _Reader:
    """Requests from one connection."""

    def __init__(self, connection):
        self._connection = connection
        self._rest = b""

    def _more(self):
        got = self._connection.recv(65536)
        if not got:
            raise EOFError
        self._rest += got

    def head(self):
        """(method, path, headers) of the next request."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        return method, path, [tuple(line.split(": ", 1)) for line in lines[1:]]

    def body(self, length, most=None):
        """The body, or so much of it."""
        length = min(length, most) if most is not None else length
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return body


def field(headers, name, default=None):
    """Value of a header field."""
    return next((value for key, value in headers if key.lower() == name), default)


class Server:
    """A TLS server whose connections are served by threads; `seen` holds what came.

    present(certificate): new connections are shown another one, those there are stay; an Acceptor
    ends them with their next answer, as a server does that was told to reload.
    """

    def __init__(self, address, certificate):
        self.seen = []
        self.handshakes = 0
        self.problems = []
        self._context = None
        self._open = set()
        self._threads = []
        self.present(certificate)
        self._listener = socket.create_server((address, 443), backlog=64)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def present(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")      # certificates signed by SHA-1 are shown as well
        context.load_cert_chain(certificate.chain, certificate.key)
        self._context = context, certificate

    def _accept(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._guarded, args=(raw, *self._context))
            self._threads.append(thread)
            thread.start()

    def _guarded(self, raw, context, certificate):
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(raw, server_side=True) as connection:
                self.handshakes += 1
                self._open.add(connection)
                self.serve(connection, certificate, self.handshakes)
        except (EOFError, OSError):
            pass                                    # the other side went away
        except Exception as problem:                # for the test to see
            self.problems.append(repr(problem))
        raw.close()

    def serve(self, connection, certificate, number):
        raise NotImplementedError

    def take(self, reader, number, most=None):
        """The next request, noted in `seen`; of its body at most so many bytes."""
        method, path, headers = reader.head()
        body = reader.body(int(field(headers, "content-length", "0")), most)
        one = Seen(number, method, path, headers, body)
        self.seen.append(one)
        return one

    def drop(self):
        """Ends the connections there are."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self):
        """Ends everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.drop()
        for thread in self._threads:
            thread.join()
        assert not self.problems, self.problems

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def reply(status=200, *headers, body=b"", reason="Played"):
    """An answer for a script."""
    lines = ["HTTP/1.1 %d %s" % (status, reason), *headers]
    if status >= 200:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Acceptor(Server):
    """A back end with Extended Protection at Require: a token without a channel binding, or with one
    of another certificate, is answered 401.

    digest      names the hash of the certificate's binding, or None: nobody has it
    expects     another certificate than the one shown is what tokens must be bound to
    """

    def __init__(self, address, certificate, keytab, digest="sha256", expects=None):
        self.refused = 0
        self.users = []
        self._credentials = gssapi.Credentials(
            usage="accept", store={"keytab": keytab, "rcache": "none:"})
        self._digest = digest
        self._expects = expects
        super().__init__(address, certificate)

    def _user(self, headers, certificate):
        """Who sent the token; None where it is refused."""
        word, _, token = field(headers, "authorization", "").partition(" ")
        if word != "Negotiate":
            return None
        wanted = binding((self._expects or certificate).der, self._digest or "sha256")
        context = gssapi.SecurityContext(
            creds=self._credentials, usage="accept",
            channel_bindings=gssapi.raw.ChannelBindings(application_data=wanted))
        try:
            context.step(base64.b64decode(token, validate=True))
            flags = int(gssapi.raw.inquire_context(context).flags)
            return str(context.initiator_name) if flags & CHANNEL_BOUND else None
        except gssapi.exceptions.GSSError:      # also where SPNEGO has answered with a refusal
            return None

    def serve(self, connection, certificate, number):
        reader = _Reader(connection)
        while True:
            one = self.take(reader, number)
            user = self._user(one.headers, certificate)
            if user is None:
                self.refused += 1
                connection.sendall(reply(401, "WWW-Authenticate: Negotiate"))
            else:
                self.users.append(user)
                old = certificate is not self._context[1]
                connection.sendall(reply(200, "X-Backend-User: " + user,
                                         "X-Backend-Connection: %d" % number,
                                         *["Connection: close"] * old))
                if old:
                    return


#: Steps of a script that are no answers.
CLOSE = object()            # reads the request and closes without a word
DEAF = object()             # reads some of the body and breaks off


class Scripted(Server):
    """Answers one request after the other, on whatever connection it comes, as the script says: bytes
    are the answer.  After its end everything is answered 200."""

    def __init__(self, address, certificate, script):
        self.script = list(script)
        super().__init__(address, certificate)

    def serve(self, connection, certificate, number):
        reader = _Reader(connection)
        while True:
            step = self.script[0] if self.script else reply(200)
            self.take(reader, number, most=50_000 if step is DEAF else None)
            if self.script:
                self.script.pop(0)
            if step is DEAF:        # with a reset: what was not read is lost
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw = connection.detach()
                socket.socket(fileno=raw).close()
                return
            if step is CLOSE:
                return
            connection.sendall(step)
