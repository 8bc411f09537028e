# SPDX-License-Identifier: Apache-2.0
"""The phone: curl for one request or many in parallel, and a connection of its own for keep-alive,
resumed sessions and requests that no HTTP library would send."""
import dataclasses
import http.client
import itertools
import json
import os
import socket
import ssl
import struct
import time

from . import namespace, wbxml
from .process import run

PATH = "/Microsoft-Server-ActiveSync"
WBXML = "application/vnd.ms-sync.wbxml"
_serial = itertools.count(1)
_FACTS = ("filename_effective", "exitcode", "http_version", "time_total", "num_connects",
          "errormsg")
_WRITE_OUT = "\\t".join("%%{%s}" % fact for fact in _FACTS) + "\\n"


def whole(method, path):
    """The path with the query that a POST needs, where a test left it out or named the command
    alone.  Every other path as it is; for one that is not whole there is Connection.send."""
    start, mark, query = path.partition("?")
    if method != "POST" or (mark and not query.startswith("Cmd=")) or "&" in query:
        return path
    return "%s?%s&User=alice&DeviceId=benchphone1&DeviceType=Bench" % (start, query or "Cmd=Sync")


class Headers(list):
    """Header fields in order, as (name, value) pairs; names are compared without case."""

    def all(self, name):
        """Every value of a field."""
        return [value for key, value in self if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The first value of a field."""
        return next(iter(self.all(name)), default)

    def __contains__(self, name):
        return bool(self.all(name))


@dataclasses.dataclass
class Answer:
    """An answer, or why there is none: `error` is empty when a complete answer came."""
    status: int = 0
    reason: str = ""
    headers: Headers = dataclasses.field(default_factory=Headers)
    body: bytes = b""
    seconds: float = 0.0
    version: str = ""               # "1.1", "2"
    error: str = ""
    exit: int = 0                   # curl's exit status
    connects: int = 0               # new connections made for it

    @property
    def user(self):
        """Whom the back end took the request for."""
        return self.headers.get("X-Backend-User")

    @property
    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return "%s %s %s %s" % (self.status, self.reason, self.error, list(self.headers))


def _parse_head(text):
    """Status, reason and headers of the last head in a header dump of curl."""
    block = [part for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()][-1]
    lines = block.split("\n")
    words = lines[0].split(" ", 2)
    headers = Headers(tuple(part.strip() for part in line.split(":", 1))
                      for line in lines[1:] if ":" in line)
    return int(words[1]), words[2].strip() if len(words) > 2 else "", headers


class Phone:
    """A phone with a certificate (or none) that talks to one gateway.

    address, port   where to connect; the name in URL and SNI stays `host`
    """

    def __init__(self, folder, ca, certificate=None, host=None, address=None, port=443,
                 device="benchphone1", kind="Bench", user="alice"):
        self.folder = folder
        self.ca = ca
        self.certificate = certificate
        self.host = host or namespace.host("mail")
        self.address = address or namespace.address("mail")
        self.port = port
        self.device = device
        self.kind = kind
        self.user = user
        os.makedirs(folder, exist_ok=True)

    # ---- one request by curl -----------------------------------------------------------------

    def url(self, path):
        return path if path.startswith("http") else "https://%s%s" % (self.host, path)

    def _transfer(self, path, method, body, headers, version, tls, chunked, expect, timeout):
        """curl's arguments for one transfer, and the files it writes."""
        base = os.path.join(self.folder, "transfer%06d" % next(_serial))
        words = ["--silent", "--show-error", "--path-as-is", "--cacert", self.ca,
                 "--connect-to", "::%s:%d" % (self.address, self.port),
                 "--max-time", str(timeout), "--dump-header", base + ".head",
                 "--output", base + ".body", "--noproxy", "*",
                 *{"2": ["--http2"], "1.0": ["--http1.0", "--no-alpn"]}.get(
                     version, ["--http1.1"])]
        if tls:
            words += ["--tlsv" + tls, "--tls-max", tls]
        if self.certificate is not None:
            words += ["--cert", self.certificate.chain, "--key", self.certificate.key]
        headers = list(headers.items() if isinstance(headers, dict) else headers or [])
        if body is not None:
            if isinstance(body, bytes):
                with open(base + ".send", "wb") as file:
                    file.write(body)
                body = base + ".send"
            words += ["--data-binary", "@" + body]
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", WBXML))
            if chunked:
                headers.append(("Transfer-Encoding", "chunked"))
            headers.append(("Expect", "100-continue" if expect else ""))
        if method == "HEAD":
            words.append("--head")
        else:
            words += ["--request", method]
        for name, value in headers:
            words += ["--header", "%s:%s" % (name, " " + value if value else "")
                      if value or name == "Expect" else name + ";"]
        return words + [self.url(whole(method, path))], base

    def request(self, method="POST", path=PATH, body=None, headers=None, version="1.1", tls=None,
                chunked=False, expect=False, timeout=60, options=()):
        """One request on a connection of its own; body is bytes or the path of a file.

        tls: "1.2" or "1.3" only.  options: further words for curl.  Never raises for a refusal:
        look at the Answer's `error`.
        """
        words, base = self._transfer(path, method, body, headers, version, tls, chunked, expect,
                                     timeout)
        done = run("curl", *words, *options, "--write-out", _WRITE_OUT, check=False,
                   timeout=timeout + 10)
        facts = self._facts(done.stdout).get(base, {})
        return self._answer(base, facts, done.returncode, done.stderr)

    @staticmethod
    def _facts(output):
        """Path of a transfer -> what curl says about it."""
        rows = [dict(zip(_FACTS, line.split("\t"))) for line in output.splitlines()]
        return {row["filename_effective"][:-len(".body")]: row for row in rows}

    @staticmethod
    def _answer(base, facts, code, stderr):
        answer = Answer(seconds=float(facts.get("time_total", 0)), exit=code,
                        version=facts.get("http_version", ""),
                        connects=int(facts.get("num_connects", 0)),
                        error=stderr.strip() if code else "")
        for suffix in (".head", ".body", ".send"):
            if not os.path.exists(base + suffix):
                continue
            if suffix != ".send":
                with open(base + suffix, "rb") as file:
                    content = file.read()
                if suffix == ".body":
                    answer.body = content
                elif content.strip():
                    answer.status, answer.reason, answer.headers = _parse_head(
                        content.decode("latin-1"))
            os.unlink(base + suffix)
        return answer

    def parallel(self, requests, version="2", streams=50, timeout=60):
        """Many requests at once from one curl: HTTP/2 streams of one connection.

        requests: dictionaries of `request`'s arguments.  Answers in the same order.
        """
        words, bases = [], []
        for position, one in enumerate(requests):
            given = {"method": "POST", "path": PATH, "body": None, "headers": None, "tls": None,
                     "chunked": False, "expect": False, "timeout": timeout, **one}
            transfer, base = self._transfer(version=version, **given)
            words += (["--next"] if position else []) + transfer
            words += ["--write-out", _WRITE_OUT]
            bases.append(base)
        done = run("curl", "--parallel", "--parallel-max", streams, *words, check=False,
                   timeout=timeout + 10)
        facts = self._facts(done.stdout)
        answers = []
        for base in bases:
            fact = facts.get(base, {"exitcode": "-1", "errormsg": done.stderr})
            answers.append(self._answer(base, fact, int(fact["exitcode"]),
                                        fact.get("errormsg") or done.stderr))
        return answers

    # ---- ActiveSync ----------------------------------------------------------------------------

    def query(self, command, **more):
        """Path and query of a command."""
        words = {"Cmd": command, "User": self.user, "DeviceId": self.device,
                 "DeviceType": self.kind, **more}
        return PATH + "?" + "&".join("%s=%s" % pair for pair in words.items())

    def options(self, **more):
        """OPTIONS: what the server can do."""
        return self.request("OPTIONS", **more)

    def command(self, name, body=b"", headers=None, **more):
        """POST of a command."""
        fields = {"MS-ASProtocolVersion": "14.1", "User-Agent": "Bench/1.0", **(headers or {})}
        return self.request("POST", self.query(name), body=body, headers=fields, **more)

    def provision(self, key=None, **more):
        """Asks for the policy; with the key of the first answer: acknowledges it."""
        return self.command("Provision", wbxml.provision() if key is None
                            else wbxml.provision_acknowledge(key), **more)

    def folder_sync(self, key="0", **more):
        return self.command("FolderSync", wbxml.folder_sync(key), **more)

    def sync(self, key="0", **more):
        return self.command("Sync", wbxml.sync(key), **more)

    def ping(self, heartbeat=480, **more):
        """Ping: answered when something new arrives or the heartbeat is over."""
        return self.command("Ping", wbxml.ping(heartbeat), **more)

    def send_mail(self, size=1000, **more):
        """SendMail with an attachment of about `size` bytes."""
        line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5\r\n"
        mime = (b"From: alice@contoso.test\r\nTo: bob@contoso.test\r\nSubject: report\r\n"
                b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Transfer-Encoding: base64\r\n\r\n" + line * (size // len(line) + 1))
        return self.command("SendMail", wbxml.send_mail(mime), **more)

    # ---- a connection of one's own ---------------------------------------------------------------

    def connect(self, tls=None, resume=None, timeout=30, certificate=True):
        """Opens a connection that is kept; `resume` is a Connection whose session to take up."""
        return Connection(self, tls, resume, timeout, certificate)


class Connection:
    """One TLS connection of a phone, HTTP/1.1."""

    def __init__(self, phone, tls, resume, timeout, certificate):
        self.phone = phone
        if resume is not None:
            context = resume.context        # a session belongs to its context
        else:
            context = ssl.create_default_context(cafile=phone.ca)
            version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}.get(tls)
            if version:
                context.minimum_version = context.maximum_version = version
            if phone.certificate is not None and certificate:
                context.load_cert_chain(phone.certificate.chain, phone.certificate.key)
        self.context = context
        raw = socket.create_connection((phone.address, phone.port), timeout)
        # Head and body are two writes: without this the body waits 40 ms for the head's ACK.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=phone.host,
                                          session=resume.session if resume else None)
        self._http = http.client.HTTPConnection(phone.host)
        self._http.sock = self.socket

    @property
    def session(self):
        """The TLS session; with TLS 1.3 only after a first answer was read."""
        return self.socket.session

    @property
    def resumed(self):
        """True if the server took up the session that was offered."""
        return bool(self.socket.session_reused)

    @property
    def tls(self):
        """"TLSv1.2" or "TLSv1.3"."""
        return self.socket.version()

    def request(self, method="POST", path=PATH, body=None, headers=None):
        """One request; the connection stays open if the server leaves it so."""
        begin = time.monotonic()
        fields = dict(headers or {})
        if body is not None:
            fields.setdefault("Content-Type", WBXML)
        if self._http.sock is None:
            return Answer(error="the server has closed the connection")
        try:
            self._http.request(method, whole(method, path), body=body, headers=fields)
            return self._read(begin, method)
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            return Answer(error="%s: %s" % (type(problem).__name__, problem),
                          seconds=time.monotonic() - begin)

    def _read(self, begin, method):
        got = self._http.getresponse()
        body = got.read()
        return Answer(got.status, got.reason, Headers(got.getheaders()), body,
                      time.monotonic() - begin, "1.1")

    def command(self, name, body=b"", headers=None):
        """POST of an ActiveSync command."""
        return self.request("POST", self.phone.query(name), body,
                            {"MS-ASProtocolVersion": "14.1", **(headers or {})})

    @property
    def open(self):
        """False when a whole answer said so, or the other side has closed by now."""
        if self._http.sock is None:
            return False
        self.socket.settimeout(0.05)
        try:
            return self.socket.recv(1) != b""
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(30)

    def send(self, content):
        """Sends bytes as they are."""
        self.socket.sendall(content)

    def answer(self, method="POST"):
        """Reads an answer to what was sent with `send`."""
        begin = time.monotonic()
        try:
            response = http.client.HTTPResponse(self.socket, method=method)
            response.begin()
            return Answer(response.status, response.reason, Headers(response.getheaders()),
                          response.read(), time.monotonic() - begin, "1.1")
        except (OSError, http.client.HTTPException) as problem:
            return Answer(error="%s: %s" % (type(problem).__name__, problem))

    def abort(self):
        """Closes by a reset, without TLS's farewell: a phone that is gone."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.socket.detach())
        self._http.sock = None

    def close(self):
        """Closes in an orderly way."""
        self._http.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
