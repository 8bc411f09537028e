# SPDX-License-Identifier: Apache-2.0
"""Requests that no phone sends: HTTP/1.1 that two servers may cut in different places, header
fields that speak about others, and HTTP/2 frame by frame."""
import time

import pytest

from lab import h2
from lab.phone import PATH, whole
from shared import (  # noqa: F401
    Untouched, bare, cards, logged, name_of, phone, place, refused, site, standing, untouched,
    weak_is_said)
from test_request import fields_of, no_claim, raw, rest

SITE = {"modules": ["http2"],
        "vhost": ["Protocols h2 http/1.1", "RequestReadTimeout header=2 body=20"],
        "after": place("/any", "EASCertAuthProtocol Any")
        + place("/lax", "EASCertAuthProtocol Any", "EASCertAuthStrongMapping Off")
        + place("/off", "EASCertAuth Off")}
HOST = "mail.contoso.test"
SECOND = b"OPTIONS /any/smuggled HTTP/1.1\r\nHost: mail.contoso.test\r\nX-Smuggled: yes\r\n\r\n"


def uris(backend):
    return [one["uri"] for one in backend.requests()]


# ---- where a request ends ------------------------------------------------------------------------

@pytest.mark.parametrize("fields", [
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: Chunked", "Content-Length: %d" % (len(SECOND) + 5)],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked, chunked"], ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: identity, chunked"], ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding:\x0bchunked", "Content-Length: 5"],
    ["Transfer-Encoding : chunked", "Content-Length: 5"],
    ["Transfer_Encoding: chunked", "Content-Length: 5"],
    ["X: y", " Transfer-Encoding: chunked", "Content-Length: 5"],
    ["X: y\nTransfer-Encoding: chunked", "Content-Length: 5"],
    ["Transfer-Encoding: \"chunked\"", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5, 5"],
    ["Content-Length: 5", "Content-Length: 50"], ["Content-Length: +5"], ["Content-Length: 0x5"],
    ["Content-Length: 5 5"], ["content-length: 5", "CONTENT-LENGTH: 6"], ["Content-Length: 05"],
    ["Content-Length : 5"], ["Content_Length: 999", "Content-Length: 5"],
], ids=repr)
@pytest.mark.parametrize("body", [b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"], ids=["none", "hello"])
def test_no_request_is_hidden_in_another(site, phone, cas1, expect, fields, body):
    """Whatever the first is: what the back end sees are requests that the gateway decided about."""
    expect.maybe("EAS0206")
    one = phone("alice")
    with one.connect() as connection:
        connection.send("\r\n".join(["POST %s HTTP/1.1" % whole("POST", "/any/first"),
                                     "Host: " + HOST, *fields, "Connection: close", "",
                                     ""]).encode("latin-1") + body + SECOND)
        name = name_of(connection)
        try:
            found = rest(connection)
        except OSError:
            found = b""
    assert found.count(b"HTTP/1.1 ") <= 1
    assert len(logged(site, connection=name)) == 1
    assert "/any/smuggled" not in str(uris(cas1)) and len(cas1.requests()) <= 1
    for request in cas1.requests():
        assert "x-smuggled" not in fields_of(request)
        assert request["length"] in (0, 5) and "transfer-encoding" not in fields_of(request)


@pytest.mark.parametrize("chunk", [
    b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5;" + b"x" * 1000 + b"\r\nhello\r\n0\r\n\r\n",
    b"5;\"\r\n\"\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"00000000005\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n00\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"5\r\nhello\r\n0\r\n" + SECOND], ids=repr)
def test_chunks_in_odd_clothes(site, phone, cas1, expect, chunk):
    expect.maybe("EAS0206")
    with phone("alice").connect() as connection:
        connection.send(("POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n"
                         "Connection: close\r\n\r\n"
                         % (whole("POST", "/any/first"), HOST)).encode() + chunk + SECOND)
        answer = connection.answer()
    assert answer.status in (200, 400), answer
    assert "/any/smuggled" not in str(uris(cas1))
    for request in cas1.requests():
        assert request["length"] == 5 and fields_of(request)["content-length"] == "5"
        assert "x-smuggled" not in fields_of(request)


def test_requests_in_one_segment_are_each_decided(site, phone, cas1, expect):
    """Pipelined, by turns under the lax rules and the strict ones, and unprotected."""
    expect("EAS0306")
    paths = ["/lax/1", "/any/2", "/lax/3", PATH, "/off/4", "/lax/5"]
    with phone("alice", sid=None, not_before=0).connect() as connection:
        name = name_of(connection)
        connection.send(b"".join(
            b"OPTIONS %s HTTP/1.1\r\nHost: mail.contoso.test\r\n%s\r\n" % (
                path.encode(), b"Connection: close\r\n" if path == paths[-1] else b"")
            for path in paths))
        found = rest(connection)
    assert found.count(b"HTTP/1.1 ") == len(paths)
    assert uris(cas1) == [PATH + "/" + part for part in "135"]
    assert [line["status"] for line in logged(site, 6, connection=name)] == [
        "200", "403", "200", "403", "401", "200"]


def test_body_that_looks_like_a_request_is_a_body(site, phone, cas1):
    """Also after a request without one, and in the same segment."""
    with phone("alice").connect() as connection:
        host = b"Host: mail.contoso.test\r\n"
        connection.send(b"OPTIONS /any/1 HTTP/1.1\r\n" + host + b"\r\n"
                        + b"POST /any/2 HTTP/1.1\r\n" + host
                        + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND
                        + b"OPTIONS /any/3 HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        assert rest(connection).count(b"HTTP/1.1 ") == 3
    assert uris(cas1) == [PATH + "/" + part for part in "123"]
    assert [one["length"] for one in cas1.requests()] == [0, len(SECOND), 0]


# ---- header fields -------------------------------------------------------------------------------

@pytest.mark.parametrize("named", [
    "Content-Length", "Transfer-Encoding", "Host", "Content-Type", "MS-ASProtocolVersion", "Expect",
    "X-MS-PolicyKey", "close, Content-Length, Host", "Connection", "Authorization, Content-Length"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_connection_names_fields_of_ours(site, phone, cas1, named, framing):
    """mod_proxy drops what Connection names; body, host and token arrive all the same."""
    body = {"length": b"hello", "chunked": b"5\r\nhello\r\n0\r\n\r\n"}[framing]
    with phone("alice").connect() as connection:
        connection.send(("POST %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\nX-MS-PolicyKey: 1\r\n"
                         "MS-ASProtocolVersion: 14.1\r\nContent-Type: text/x\r\n%s\r\n\r\n"
                         % (whole("POST", PATH), HOST, named, {
                             "length": "Content-Length: 5",
                             "chunked": "Transfer-Encoding: chunked"}[framing])).encode() + body)
        answer = connection.answer()
    assert answer.user == "alice@CONTOSO.TEST"
    request = cas1.requests()[-1]
    no_claim(request)
    fields = fields_of(request)
    assert request["length"] == 5 and fields["host"] == "cas1.contoso.test"
    assert fields.get("content-length") == "5" and "transfer-encoding" not in fields
    assert len(cas1.requests()) == 1


@pytest.mark.parametrize("count,status", [(90, 200), (200, 400)])
def test_many_header_fields(site, phone, cas1, untouched, count, status):
    answer = raw(phone("alice"), PATH, "OPTIONS", *("X-%d: y" % number for number in range(count)))
    assert answer.status == status
    assert len(cas1.requests()) == (1 if status == 200 else 0)


@pytest.mark.parametrize("fields", [
    ["X: " + "y" * 1_000_000], ["X: " + "y" * 8190] * 150, ["Authorization: " + "y" * 8191],
    ["X" * 9000 + ": y"]], ids=["one", "many", "authorization", "name"])
def test_large_header_fields(site, phone, untouched, fields):
    """httpd's LimitRequestFieldSize; what counts is that nothing is cut and passed on."""
    with phone("alice").connect() as connection:
        try:
            connection.send("\r\n".join(["OPTIONS %s HTTP/1.1" % PATH, "Host: " + HOST, *fields, "",
                                         ""]).encode())
        except OSError:
            pass
        answer = connection.answer("OPTIONS")
    assert answer.status in (0, 400, 200) and (answer.status != 200 or len(fields) == 150)
    if answer.status != 200:
        untouched.check()


@pytest.mark.parametrize("field", ["Authorization\0: x", "Author\0ization: Basic Zm9v", "X: a\0b",
                                   "Authorization : Basic Zm9v", " Authorization: Basic Zm9v",
                                   "X: y\r\n\tAuthorization: Basic Zm9v", "X: y\rAuthorization: x",
                                   ": x", "Authorization"])
def test_header_field_in_odd_clothes(site, phone, cas1, field):
    answer = raw(phone("alice"), PATH, "OPTIONS", field)
    assert answer.status in (200, 400)
    for request in cas1.requests():
        no_claim(request)


def test_slow_head(site, phone, untouched):
    """mod_reqtimeout's, before any request exists."""
    with phone("alice").connect() as connection:
        begin = time.monotonic()
        connection.send(b"OPTIONS %s HTTP/1.1\r\nHost: mail.contoso.test\r\nX: " % PATH.encode())
        found = rest(connection)
        assert 1 < time.monotonic() - begin < 15
    assert found == b"" or found.startswith(b"HTTP/1.1 408 ")
    untouched.check()


# ---- HTTP/2 --------------------------------------------------------------------------------------

def head(path="/any/x", method="POST", authority=HOST, scheme="https", more=()):
    """The fields of a request; None leaves a pseudo-header away."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [pair for pair in pseudo if pair[1] is not None] + list(more)


def test_good_stream(site, phone, cas1):
    with h2.Connection(phone("alice")) as connection:
        for body in (None, b"hello"):
            stream = connection.ask(head(), body)
            assert stream.status == 200 and b"alice@CONTOSO.TEST" in stream.body
    assert [one["length"] for one in cas1.requests()] == [0, 5]


TRICKS = {
    "path-absolute": head("https://other.example/any/x"),
    "path-authority": head("mail.contoso.test:443"),
    "path-relative": head("any/x"),
    "path-empty": head(""),
    "path-none": head(None),
    "path-star": head("*"),
    "path-blank": head("/any/x HTTP/1.1\r\nX: y"),
    "path-crlf": head("/any\r\n/x"),
    "path-nul": head("/any\0/x"),
    "path-fragment": head("/any/x#y"),
    "path-dots": head("/off/../any/x"),
    "path-encoded-dots": head("/off/%2e%2e/any/x"),
    "path-backslash": head("/any\\x"),
    "path-encoded-slash": head("/any/%2fx"),
    "path-encoded-nul": head("/any/%00"),
    "path-semicolon": head("/any/x;y"),
    "path-twice": head(more=[(":path", "/off/x")]),
    "path-late": head(None, more=[("x", "y"), (":path", "/any/x")]),
    "method-none": head(method=None),
    "method-twice": head(more=[(":method", "GET")]),
    "method-connect": head(method="CONNECT"),
    "method-trace": head(method="TRACE"),
    "method-tunnel": [(":method", "CONNECT"), (":authority", "cas1.contoso.test:443")],
    "method-extended": head(method="CONNECT", more=[(":protocol", "websocket")]),
    "method-blank": head(method="POST /off/x HTTP/1.1\r\nX:"),
    "scheme-none": head(scheme=None),
    "scheme-odd": head(scheme="https://cas1/"),
    "scheme-ftp": head(scheme="ftp"),
    "authority-twice": head(more=[(":authority", "x")]),
    "authority-user": head(authority="alice@" + HOST),
    "authority-path": head(authority=HOST + "/off"),
    "authority-crlf": head(authority=HOST + "\r\nX: y"),
    "host-differs": head(more=[("host", "cas1.contoso.test")]),
    "host-twice": head(more=[("host", HOST), ("host", "cas1.contoso.test")]),
    "no-host": head(authority=None),
    "unknown-pseudo": head(more=[(":user", "bob")]),
    "status": head(more=[(":status", "200")]),
    "upper-case": head(more=[("Authorization", "Basic Zm9v")]),
    "connection": head(more=[("connection", "authorization")]),
    "keep-alive": head(more=[("keep-alive", "1")]),
    "proxy-connection": head(more=[("proxy-connection", "authorization")]),
    "transfer-encoding": head(more=[("transfer-encoding", "chunked")]),
    "te": head(more=[("te", "chunked")]),
    "upgrade": head(more=[("upgrade", "websocket")]),
    "http2-settings": head(more=[("http2-settings", "AAMAAABkAAQAAP__")]),
    "value-crlf": head(more=[("x", "y\r\nauthorization: Basic Zm9v")]),
    "value-lf": head(more=[("x", "y\nauthorization: Basic Zm9v")]),
    "value-nul": head(more=[("x", "y\0z")]),
    "name-blank": head(more=[("authorization ", "Basic Zm9v")]),
    "name-colon": head(more=[("x:y", "z")]),
    "name-crlf": head(more=[("x: y\r\nauthorization", "Basic Zm9v")]),
    "name-empty": head(more=[("", "z")]),
    "claims": head(more=[("authorization", "Basic Zm9v"), ("x-forwarded-for", "192.0.2.7"),
                         ("forwarded", "for=x"), ("x_remote_user", "bob"),
                         ("x-isfromcafe", "1"), ("proxy-authorization", "Basic Zm9v")]),
    "length-short": head(more=[("content-length", "3")]),
    "length-long": head(more=[("content-length", "50")]),
    "length-two": head(more=[("content-length", "5"), ("content-length", "6")]),
    "length-odd": head(more=[("content-length", "+5")]),
    "expect": head(more=[("expect", "100-continue")]),
}
#: Those that are a request all the same: nothing in them says anything else than the gateway reads.
HARMLESS = {"host-differs", "claims", "expect", "http2-settings"}


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("certificate", ["alice", None])
def test_frames_that_no_phone_sends(site, phone, cas1, expect, trick, certificate):
    """Refused by mod_http2, by httpd or by us; or one request, the gateway's own token with it."""
    expect.maybe("EAS0102", "EAS0201", "EAS0202", "EAS0203", "EAS0206")
    with h2.Connection(phone(certificate)) as connection:
        stream = connection.ask(TRICKS[trick], b"hello")
        assert stream.done, stream
    if certificate is None or trick not in HARMLESS:
        assert stream.status >= 400 or stream.status == 0 and stream.reset is not None, stream
        assert cas1.requests() == []
    else:
        assert stream.status == 200 and len(cas1.requests()) == 1
    for request in cas1.requests():
        no_claim(request, "Zm9v", "192.0.2.7", "bob")
        assert request["length"] == 5 and request["uri"].startswith(PATH)
        assert fields_of(request)["host"] == "cas1.contoso.test"


@pytest.mark.parametrize("trailers", [
    [("authorization", "Basic Zm9v"), ("x-remote-user", "bob")], [(":path", "/off/x")],
    [("content-length", "50")], [("transfer-encoding", "chunked")], [("host", "cas1")]], ids=repr)
def test_trailers_of_a_stream(site, phone, cas1, expect, trailers):
    expect.maybe("EAS0206")
    with h2.Connection(phone("alice")) as connection:
        stream = connection.ask(head(), b"hello", trailers)
        assert stream.done
    for request in cas1.requests():
        no_claim(request, "Zm9v", "bob")
        assert request["length"] == 5 and request["uri"] == PATH + "/x"


def test_streams_under_two_rules_at_once(site, phone, cas1, expect):
    """One connection, one certificate, weak: each stream by the rules of its own Location."""
    expect("EAS0306")
    paths = ["/lax/x", "/any/x", PATH, "/off/x"] * 20
    with h2.Connection(phone("alice", sid=None, not_before=0)) as connection:
        numbers = [connection.number() for _ in paths]
        connection.send(b"".join(connection.request(number, head(path, "OPTIONS"))
                                 for number, path in zip(numbers, paths)))
        streams = connection.wait(*numbers)
    assert [one.status for one in streams] == [200, 403, 403, 401] * 20
    assert uris(cas1) == [PATH + "/x"] * 20
    assert {one["user"] for one in cas1.requests()} == {"alice@CONTOSO.TEST"}


@pytest.mark.parametrize("how", ["reset", "gone"])
def test_stream_that_is_given_up(site, phone, untouched, expect, how):
    """In the middle of its body: by RST_STREAM, or with its connection."""
    expect.maybe("EAS0206")
    with h2.Connection(phone("alice")) as connection:
        fields = head(whole("POST", PATH), more=[("content-length", "100")])
        number = connection.number()
        connection.send(connection.frame(h2.HEADERS, h2.END_HEADERS, number, h2.block(fields))
                        + connection.frame(h2.DATA, 0, number, b"x" * 50))
        if how == "reset":
            connection.send(connection.frame(h2.RST_STREAM, 0, number, b"\0\0\0\x08"))
            assert connection.ask(head("/none", "GET")).status == 404
    untouched.check()


def test_head_in_pieces(site, phone, cas1):
    """CONTINUATION frames; and one that belongs to another stream."""
    fields = h2.block(head(more=[("x-kept", "kept")]))
    with h2.Connection(phone("alice")) as connection:
        connection.send(connection.frame(h2.HEADERS, h2.END_STREAM, 1, fields[:20])
                        + connection.frame(h2.CONTINUATION, 0, 1, fields[20:40])
                        + connection.frame(h2.CONTINUATION, h2.END_HEADERS, 1, fields[40:]))
        assert connection.wait(1)[0].status == 200
    assert fields_of(cas1.requests()[-1])["x-kept"] == "kept"
    with h2.Connection(phone("alice")) as connection:
        connection.send(connection.frame(h2.HEADERS, h2.END_STREAM, 1, fields[:20])
                        + connection.frame(h2.CONTINUATION, h2.END_HEADERS, 3, fields[20:]))
        assert connection.wait(1)[0].status == 0 and connection.gone
    assert len(cas1.requests()) == 1
