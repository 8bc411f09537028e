# SPDX-License-Identifier: Apache-2.0
"""What a request must look like, what of it reaches the back end, and the ways into a protected
Location that are not the front door."""
import os
import time

import pytest

from lab import namespace
from lab.phone import PATH, whole
from shared import (  # noqa: F401
    BACKEND, Strangers, bare, cards, logged, name_of, phone, place, refused, resting, site,
    standing, untouched)

CAS3 = "https://cas3.contoso.test/Microsoft-Server-ActiveSync"
SITE = {"after": place("/wide") + place("/any", "EASCertAuthProtocol Any")
        + place("/valid-user", "Require valid-user")
        + place("/user-alice", "Require user alice@CONTOSO.TEST")
        + place("/user-bob", "Require user bob@CONTOSO.TEST")
        + place("/denied", "Require all denied")
        + place("/nobody", "<RequireAll>", "  Require valid-user", "  Require expr false",
                "</RequireAll>")
        + place("/late", 'RequestHeader set Authorization "Basic Zm9vOmJhcg=="')
        + place("/proto", "RequestHeader set X-Forwarded-Proto https")
        + place("/keeper", target=CAS3)
        + ["<Location /owa>", "  ProxyPass https://cas1.contoso.test/owa", "</Location>",
           "<Location /owa3>", "  ProxyPass https://cas3.contoso.test/owa", "</Location>"]}
BASIC = "Basic Zm9vOmJhcg=="


def raw(phone, target, method="OPTIONS", *fields):
    """The answer to a request line and header as they are."""
    with phone.connect() as connection:
        head = ["%s %s HTTP/1.1" % (method, target), "Host: mail.contoso.test", *fields, "", ""]
        connection.send("\r\n".join(head).encode("latin-1"))
        return connection.answer(method)


def rest(connection):
    """Everything that comes until the server closes."""
    found = b""
    while True:
        part = connection.socket.recv(65536)
        if not part:
            return found
        found += part


def fields_of(request):
    """Name, in small letters, -> value of the header fields that a back end saw."""
    return {name.lower(): value for name, value in request["headers"]}


# ---- methods -----------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
@pytest.mark.parametrize("path", [PATH, "/any"])
def test_method_of_the_protocol(site, phone, cas1, method, path):
    answer = phone("alice").request(method, path)
    assert answer.user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["method"] == method


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "LOCK", "SEARCH",
                                    "BREW", "post", "Options", "POSTX", "PRI", "M-SEARCH"])
@pytest.mark.parametrize("certificate", ["alice", None])
def test_method_that_is_not(site, phone, refused, method, certificate):
    refused(raw(phone(certificate), PATH, method), "EAS0202", 501)


@pytest.mark.parametrize("method", ["TRACE", "trace"])
@pytest.mark.parametrize("path", [PATH, "/wide/x", "/any", "/any/x"])
def test_trace_is_never_of_the_protocol(site, phone, refused, method, path):
    refused(raw(phone("alice"), path, method, "Max-Forwards: 0"), "EAS0202", 501)


@pytest.mark.parametrize("target,status", [
    ("mail.contoso.test:443", 405), ("cas1.contoso.test:443", 405), (PATH, 400), ("/any", 400),
    ("https://cas1.contoso.test" + PATH, 400)])
def test_connect_is_answered_by_httpd(site, phone, untouched, target, status):
    answer = raw(phone("alice"), target, "CONNECT")
    assert answer.status == status
    bare(answer)
    untouched.check()


@pytest.mark.parametrize("method", ["GET", "PUT", "PROPFIND", "BREW", "POST"])
def test_any_protocol_lets_other_methods_through(site, phone, cas1, method):
    answer = raw(phone("alice"), "/any/x", method, "Content-Length: 0")
    assert answer.user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["method"] == method


def test_any_protocol_lets_head_through(site, phone, cas1):
    answer = raw(phone("alice"), "/any/x", "HEAD")
    assert (answer.status, answer.user, answer.body) == (200, "alice@CONTOSO.TEST", b"")


@pytest.mark.parametrize("path", [PATH, "/any"])
@pytest.mark.parametrize("fields", [
    ("Upgrade: websocket", "Connection: Upgrade"), ("Upgrade: TLS/1.2",), ("Upgrade:",),
    ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")],
    ids=["websocket", "tls", "empty", "h2c"])
def test_upgrade(site, phone, refused, path, fields):
    refused(raw(phone("alice"), path, "POST", *fields), "EAS0203", 501)


# ---- paths -------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "a\\b", "%5c", "%5C..%5c", "%25", "%252e", "a;b", "%3b", ";", "%01", "%0a", "%0d%0aX:%20y",
    "%7f", "%c0%af", "%e0%80%af", "%f0%80%80%af", "%c1%9c", "%ff", "%c3", "%ed%a0%80",
    "%f4%90%80%80", "%c2%85", "\xe9", "\xc0\xaf",
    "%2e%2e/wide/x", "x/%2e%2e/y", "x/../y", "x/./y", "x/%2E/y", "..%20/x", "...", "...%20", ".",
    "%2e", "x/..", "x/.%2e/"])
def test_path_that_back_ends_read_differently(site, phone, refused, path):
    refused(raw(phone("alice"), "/wide/" + path), "EAS0201", 400)


@pytest.mark.parametrize("target", [
    "/owa/.." + PATH, "/owa/%2e%2e" + PATH, "/." + PATH, "/%2e" + PATH,
    "https://mail.contoso.test/x/%2e%2e" + PATH, "https://mail.contoso.test/wide/a\\b"])
def test_detour_to_a_protected_path(site, phone, refused, target):
    refused(raw(phone("alice"), target, "POST", "Content-Length: 0"), "EAS0201", 400)


@pytest.mark.parametrize("target", [
    "/wide/%2f", "/wide/%2F..", "/wide/%00", "/wide/%zz", "/wide/%4", "/wide/%u0041", "/wide/x y",
    "/wide/x\ty", "/wide/\x01", "/wide/\x7f", "/wide/x#y", "/wide?x#y", "/wide/..",
    "/wide/%2e%2e/x", "/wide/../owb", PATH + "#", PATH + "?a b", PATH + "%2f", PATH + "%00",
    PATH + "/%2e%2e/owb",
    PATH + ".", PATH + "%20", PATH + "::$DATA", PATH + ";x", PATH + "\\", PATH + "/x", PATH + "//x",
    "Microsoft-Server-ActiveSync", "", "*", "mail.contoso.test:443",
    "https://alice@mail.contoso.test" + PATH, "ftp://mail.contoso.test" + PATH])
def test_target_that_httpd_answers_itself(site, phone, untouched, target):
    answer = raw(phone("alice"), target, "POST", "Content-Length: 0")
    assert 400 <= answer.status < 500
    bare(answer)
    untouched.check()


@pytest.mark.parametrize("slashes,target", [
    ("NoDecode", "/wide/%2f"), ("NoDecode", "/wide/%2F..%2fx"), ("NoDecode", "/wide/x%2fy"),
    ("On", "/wide/%2f"), ("On", "/wide/x%2fy"), ("On", PATH + "%2f")])
def test_encoded_slashes_that_httpd_would_let_through(gateway, phone, refused, slashes, target):
    server = gateway(port=8443, vhost="AllowEncodedSlashes " + slashes, after=place("/wide"))
    refused(raw(phone("alice", server), target), "EAS0201", 400, server)


@pytest.mark.parametrize("target,seen", [
    (PATH, PATH), (PATH + "/", PATH + "/"), (PATH.lower(), None), (PATH.upper() + "/", None),
    ("/microsoft-Server-activeSync", None), ("/%4dicrosoft-Server-ActiveSync", PATH),
    ("//Microsoft-Server-ActiveSync", PATH), ("/wide", PATH), ("/wide/x", PATH + "/x"),
    ("/wide//x", PATH + "/x"), ("/wide/%20", PATH + "/%20"), ("/wide/%c3%a9", PATH + "/%C3%A9"),
    ("https://mail.contoso.test" + PATH, PATH), ("http://mail.contoso.test" + PATH, PATH),
    ("HTTPS://MAIL.contoso.test:443" + PATH, PATH)])
def test_path_in_other_clothes(site, phone, cas1, target, seen):
    """seen=None: in the case that the phone used, or in that of the configuration."""
    answer = raw(phone("alice"), whole("POST", target), "POST", "Content-Length: 0")
    assert answer.user == "alice@CONTOSO.TEST"
    uri = cas1.requests()[-1]["uri"]
    assert (uri == whole("POST", seen) if seen
            else uri.lower() == whole("POST", target).lower())


@pytest.mark.parametrize("query", ["a=%2e%2e/%5c%25;%00", "oRIJBAp2MTQwRGV2aWNl+/==", "", "?/../",
                                   "a=" + "x" * 4000])
def test_query_is_passed_as_it_is(site, phone, cas1, query):
    assert raw(phone("alice"), PATH + "?" + query).user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["uri"] == PATH + "?" + query


def test_target_of_another_host_is_ours_all_the_same(site, phone, cas1):
    """One virtual host: who it was meant for is not what decides."""
    answer = raw(phone("alice"), "https://other.example" + PATH)
    assert answer.user == "alice@CONTOSO.TEST"
    assert fields_of(cas1.requests()[-1])["host"] == "cas1.contoso.test"


# ---- what a phone says about itself ------------------------------------------------------------

CLAIMS = ["Authorization", "Proxy-Authorization", "Forwarded", "X-Forwarded-For",
          "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Forwarded-User",
          "X-Remote-User", "X-CommonAccessToken", "X-IsFromCafe", "X-SourceCafeServer"]


def no_claim(request, *marks):
    """The token is the gateway's, and nothing that the phone claimed is left."""
    seen = fields_of(request)
    assert request["user"] == "alice@CONTOSO.TEST"
    assert seen["authorization"].startswith("Negotiate ")
    assert len([name for name, _ in request["headers"] if name.lower() == "authorization"]) == 1
    for name in seen:
        assert name.replace("_", "-") not in (
            "proxy-authorization", "forwarded", "x-forwarded-proto", "x-forwarded-user",
            "x-remote-user", "x-commonaccesstoken", "x-isfromcafe", "x-sourcecafeserver"), name
    token = seen.pop("authorization")
    assert "," not in token and len(token) > 500        # one, and none of those that are claimed
    for value in seen.values():
        assert not any(mark in value for mark in marks), seen


@pytest.mark.parametrize("path", [PATH, "/any/x"])
@pytest.mark.parametrize("spell", [str, str.lower, str.upper,
                                   lambda name: name.replace("-", "_")],
                         ids=["usual", "small", "capital", "underscores"])
def test_claims_do_not_reach_the_back_end(site, phone, cas1, path, spell):
    claims = {spell(name): "claimed-" + name for name in CLAIMS}
    answer = phone("alice").request("POST", path, b"x", {**claims, "X-Kept": "kept"})
    assert answer.user == "alice@CONTOSO.TEST"
    request = cas1.requests()[-1]
    no_claim(request, "claimed-")
    assert fields_of(request)["x-kept"] == "kept"


@pytest.mark.parametrize("value", [BASIC, "Negotiate YII=", "Negotiate", "", "Bearer x"])
def test_authorization_of_the_phone_is_replaced(site, phone, cas1, value):
    answer = raw(phone("alice"), PATH, "OPTIONS", "Authorization: " + value,
                 "Authorization: " + value)
    assert answer.user == "alice@CONTOSO.TEST"
    no_claim(cas1.requests()[-1])


@pytest.mark.parametrize("fields", [
    ("Connection: Authorization",), ("Connection: close, authorization",),
    ("Connection: Authorization", "Authorization: " + BASIC),
    ("Connection: Authorization, Host, Content-Length, X-Forwarded-For",)])
def test_authorization_named_in_connection(site, phone, cas1, fields):
    """mod_proxy drops what Connection names; the token must not be among it."""
    answer = raw(phone("alice"), whole("POST", PATH), "POST", "Content-Length: 0", *fields)
    assert answer.user == "alice@CONTOSO.TEST"
    no_claim(cas1.requests()[-1], "Zm9v")


TRAILER = (b"5\r\nhello\r\n0\r\nAuthorization: Basic Zm9vOmJhcg==\r\nX-Remote-User: bob\r\n"
           b"X-Forwarded-For: 192.0.2.7\r\nX_IsFromCafe: 1\r\nX-Kept: kept\r\n\r\n")


@pytest.mark.parametrize("merge", ["Off", "On"])
def test_claims_in_a_trailer(gateway, phone, cas1, merge):
    server = gateway(port=8443, vhost="MergeTrailers " + merge)
    with phone("alice", server).connect() as connection:
        connection.send(("POST %s HTTP/1.1\r\nHost: mail.contoso.test\r\nTrailer: Authorization\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n" % whole("POST", PATH)).encode() + TRAILER)
        answer = connection.answer()
    assert answer.user == "alice@CONTOSO.TEST"
    request = cas1.requests()[-1]
    no_claim(request, "Zm9v", "bob", "192.0.2.7")
    assert request["length"] == 5
    assert fields_of(request).get("x-kept") == ("kept" if merge == "On" else None)


# ---- refusals and connections ------------------------------------------------------------------

@pytest.mark.parametrize("fields", [
    ("Content-Length: 1000000",), ("Content-Length: 1000000", "Expect: 100-continue"),
    ("Transfer-Encoding: chunked",), ("Transfer-Encoding: chunked", "Expect: 100-continue"),
    ("Content-Length: 1",)], ids=["length", "length-expect", "chunked", "chunked-expect", "short"])
@pytest.mark.parametrize("path,number,status", [
    (PATH, "EAS0102", 403), ("/wide/%25", "EAS0201", 400)])
def test_refusal_before_the_body_closes(site, phone, expect, untouched, path, number, status,
                                        fields):
    expect(number)
    with phone(None).connect() as connection:
        begin = time.monotonic()
        connection.send(("\r\n".join(["POST %s HTTP/1.1" % whole("POST", path),
                                      "Host: mail.contoso.test", *fields]) + "\r\n\r\n").encode())
        found = rest(connection)
        assert time.monotonic() - begin < 2
    assert found.startswith(b"HTTP/1.1 %d " % status) and b" 100 " not in found
    assert b"Connection: close\r\n" in found
    untouched.check()


def test_body_of_a_refused_request_is_not_taken_for_the_next_request(site, phone, expect,
                                                                     untouched):
    expect("EAS0102")
    inner = b"OPTIONS %s HTTP/1.1\r\nHost: mail.contoso.test\r\n\r\n" % PATH.encode()
    with phone(None).connect() as connection:
        connection.send(b"POST %s HTTP/1.1\r\nHost: mail.contoso.test\r\nContent-Length: %d\r\n\r\n"
                        % (whole("POST", PATH).encode(), len(inner)) + inner + inner)
        name = name_of(connection)
        assert rest(connection).count(b"HTTP/1.1 ") == 1
    assert len(logged(site, connection=name)) == 1
    untouched.check()


@pytest.mark.parametrize("method,fields", [("OPTIONS", ()), ("POST", ("Content-Length: 0",)),
                                           ("POST", ())], ids=["options", "empty", "none"])
def test_refusal_without_a_body_keeps_the_connection(site, phone, expect, untouched, method,
                                                     fields):
    """Where httpd does: it closes after 400, 408, 413, 501 and 503 by itself."""
    expect("EAS0102")
    with phone(None).connect() as connection:
        for _ in range(3):
            connection.send(("\r\n".join(["%s %s HTTP/1.1" % (method, whole(method, PATH)),
                                          "Host: mail.contoso.test", *fields])
                             + "\r\n\r\n").encode())
            answer = connection.answer(method)
            assert answer.status == 403 and "Connection" not in answer.headers
            bare(answer)
        logged(site, 3, connection=name_of(connection))
        assert connection.open
    untouched.check()


@pytest.mark.eas("EAS0508")
def test_refusal_does_not_spoil_what_follows(site, phone, cas1):
    with phone("alice").connect() as connection:
        for path, status in (("/user-bob", 403), (PATH, 200), ("/denied", 403), (PATH, 200)):
            assert connection.request("OPTIONS", path).status == status
        logged(site, 4, connection=name_of(connection))
    assert len(cas1.requests()) == 2


@pytest.mark.parametrize("certificate,number", [("disabled", "EAS0501"), (None, "EAS0102")])
@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_refusal_of_a_stream(gateway, phone, expect, untouched, certificate, number, size):
    """With a body still to come the answer is followed by RST_STREAM, which curl takes amiss."""
    server = gateway(port=8443, modules=["http2"], vhost="Protocols h2 http/1.1")
    expect(number)
    answer = phone(certificate, server).command("SendMail", b"x" * size, version="2")
    assert answer.status == 403 or answer.exit == 92 and size > 0
    bare(answer)
    untouched.check()
    logged(server, status="403", EAS_REASON=number)
    assert server.numbers(serious=True) == [number]


# ---- other modules' opinions -------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/valid-user", "/user-alice"])
def test_require_that_an_account_meets(site, phone, path):
    assert phone("alice").options(path=path).user == "alice@CONTOSO.TEST"


@pytest.mark.parametrize("path", ["/user-bob", "/denied", "/nobody"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": BASIC}])
def test_require_that_an_account_does_not_meet(site, phone, refused, path, headers):
    """mod_authz_core would answer 401; neither the status nor the page says so."""
    answer = phone("alice").options(path=path, headers=headers)
    refused(answer, "EAS0508", 403)
    assert answer.reason == "Forbidden" and b"Unauthorized" not in answer.body


@pytest.mark.parametrize("path", ["/valid-user", "/user-alice", "/user-bob", "/denied", "/nobody"])
def test_require_does_not_let_in_whom_we_refuse(site, phone, refused, path):
    refused(phone(None).options(path=path, headers={"Authorization": BASIC}), "EAS0102", 403)


@pytest.mark.parametrize("lines", [
    ["<LocationMatch ^/wide/x$>", "  Satisfy Any", "  Require all granted", "</LocationMatch>"],
    ['<If "true">', "  Satisfy Any", "  Require all granted", "</If>"],
    ["<LocationMatch ^/wide/x$>", "  AuthType Basic", "  AuthName x", "  AuthUserFile /dev/null",
     "  Require valid-user", "  Satisfy Any", "</LocationMatch>"]],
    ids=["another-location", "if", "with-passwords"])
@pytest.mark.parametrize("certificate,number", [(None, "EAS0102"), ("disabled", "EAS0501")])
def test_satisfy_any_does_not_overrule_us(gateway, phone, refused, lines, certificate, number):
    """configtest finds Satisfy Any in the Location itself; this is what it cannot tell."""
    server = gateway(port=8443, modules=["access_compat", "auth_basic", "authn_file"],
                     after=place("/wide") + lines)
    answer = phone(certificate, server).options(path="/wide/x", headers={"Authorization": BASIC})
    refused(answer, number, 403, server)


@pytest.mark.parametrize("credentials", [{}, {"Authorization": BASIC}])
def test_passwords_beside_a_certificate_are_not_asked_for(gateway, phone, cas1, credentials):
    server = gateway(port=8443, modules=["auth_basic", "authn_file"], after=place("/wide") + [
        "<LocationMatch ^/wide/x$>", "  AuthType Basic", "  AuthName x",
        "  AuthUserFile /dev/null", "  Require valid-user", "</LocationMatch>"])
    answer = phone("alice", server).options(path="/wide/x", headers=credentials)
    assert answer.user == "alice@CONTOSO.TEST"
    no_claim(cas1.requests()[-1], "Zm9v")


def test_authorization_set_late_is_replaced(site, phone, cas1):
    assert phone("alice").options(path="/late").user == "alice@CONTOSO.TEST"
    no_claim(cas1.requests()[-1], "Zm9v")


def test_claim_of_the_administrator_stays(site, phone, cas1):
    answer = phone("alice").options(path="/proto", headers={"X-Forwarded-Proto": "phone"})
    assert answer.status == 200
    fields = [pair for pair in cas1.requests()[-1]["headers"] if pair[0] == "X-Forwarded-Proto"]
    assert fields == [["X-Forwarded-Proto", "https"]]


def test_authorization_set_early_is_replaced(gateway, phone, cas1):
    server = gateway(port=8443, vhost='RequestHeader set Authorization "%s" early' % BASIC)
    assert phone("alice", server).options().user == "alice@CONTOSO.TEST"
    no_claim(cas1.requests()[-1], "Zm9v")


# ---- side doors --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def doors(bench):
    """A gateway that leads to a protected Location in every way that httpd has."""
    root = namespace.WORK + "/root"
    for name in ("folder", "inner"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    with open(root + "/page.shtml", "w", encoding="ascii") as file:
        file.write('<!--#include virtual="/any/inside" -->after')
    server = resting(bench, port=8443, modules=["dir", "include", "rewrite", "actions", "alias"],
                           vhost=['DocumentRoot "%s"' % root,
                                  '<Directory "%s">' % root, "  Options +Includes",
                                  "  Require all granted", "</Directory>",
                                  '<Directory ~ "/(folder|inner)">',
                                  "  DirectoryIndex /any/inside", "</Directory>",
                                  "AddType text/html .shtml", "AddOutputFilter INCLUDES .shtml",
                                  "RewriteEngine On", "RewriteRule ^/rewritten$ /outer/inside [PT]",
                                  "RewriteRule ^/sent$ https://cas1.contoso.test/x [P]"],
                           after=place("/any", "EASCertAuthProtocol Any") + [
                               "ProxyPass /outer " + BACKEND,
                               "<Location /outer>", "  EASCertAuth On",
                               "  EASCertAuthProtocol Any", "</Location>",
                               "<Location /missing>", "  ErrorDocument 404 /any/inside",
                               "</Location>",
                               "<Location /closed>", "  Require all denied",
                               "  ErrorDocument 403 /any/inside", "</Location>",
                               "<Location /again>", "  RewriteEngine On",
                               "  RewriteRule .* /any/inside", "</Location>",
                               "<Location /acted>", "  Action acted /any virtual",
                               "  SetHandler acted", "</Location>",
                               "<Location /inner>", "  EASCertAuth On",
                               "  EASCertAuthStrongMapping Off",
                               "  EASCertAuthProtocol Any", "</Location>",
                               "<Location /own>", "  EASCertAuth On",
                               "  EASCertAuthProtocol Any",
                               "  ErrorDocument 403 /any/inside",
                               "  ErrorDocument 400 /any/inside",
                               "  ProxyPass https://cas1.contoso.test/own", "</Location>"])
    yield server
    bench.forget(server)


@pytest.fixture
def door(doors, expect):
    doors.mark()
    yield doors
    assert set(doors.numbers()) <= expect.required | expect.allowed
    assert doors.crashes() == []


PATHS = ["/missing", "/closed", "/again", "/acted", "/rewritten", "/page.shtml", "/folder/",
         "/inner/"]


@pytest.mark.parametrize("path", PATHS)
def test_side_door_is_closed_without_a_certificate(door, phone, untouched, expect, path):
    expect("EAS0102")
    answer = phone(None, door).request("GET", path)
    assert answer.status in (200, 403, 404) and answer.user is None
    assert b"inside" not in answer.body and b"backend" not in answer.body
    untouched.check()
    assert set(door.numbers()) == {"EAS0102"}


@pytest.mark.parametrize("path", PATHS)
def test_side_door_asks_who_comes(door, phone, untouched, expect, path):
    expect("EAS0501")
    phone("disabled", door).request("GET", path)
    untouched.check()
    assert set(door.numbers()) == {"EAS0501"}


@pytest.mark.parametrize("path", PATHS)
def test_side_door_opens_for_the_account_only(door, phone, cas1, expect, path):
    """mod_dir lends the request that it has a configuration of another: no decision is for it."""
    expect.maybe("EAS0209")
    phone("alice", door).request("GET", path, headers={"Authorization": BASIC})
    seen = cas1.requests()
    if path in ("/folder/", "/inner/"):
        assert seen == [] and set(door.numbers()) == {"EAS0209"}
    else:
        assert [one["uri"] for one in seen] == [
            PATH + ("/acted" if path == "/acted" else "/inside")]
        no_claim(seen[0], "Zm9v")


def test_page_with_a_protected_part(door, phone, cas1):
    """mod_include: the part is a request of its own, the body is the page's."""
    with phone("alice", door).connect() as connection:
        for body in (None, b"x" * 200_000, None):
            answer = connection.request("POST" if body else "GET", "/page.shtml", body)
            assert answer.status == 200
            assert b'"user": "alice@CONTOSO.TEST"' in answer.body and b"after" in answer.body
    assert [(one["method"], one["length"]) for one in cas1.requests()] == [("GET", 0)] * 3


@pytest.mark.parametrize("path,number", [("/own", "EAS0102"), ("/own/%25", "EAS0201")])
def test_error_document_in_a_protected_location_is_protected(door, phone, untouched, expect, path,
                                                             number):
    expect(number)
    expect.maybe("EAS0102")
    answer = phone(None, door).request("GET", path)
    assert answer.status in (400, 403)
    untouched.check()


def test_proxying_by_rewrite_gets_no_token(door, phone, cas1):
    strangers = Strangers(cas1)
    with phone("alice", door).connect() as connection:
        assert connection.request("GET", "/any/x").user == "alice@CONTOSO.TEST"
        assert connection.request("GET", "/sent").status == 401
    strangers.wait_for(1)
    assert len(cas1.requests()) == 1


# ---- what is not protected ---------------------------------------------------------------------

def test_unprotected_neighbour_gets_no_token(site, phone, cas1):
    strangers = Strangers(cas1)
    with phone("alice").connect() as connection:
        for _ in range(2):
            assert connection.request("OPTIONS").user == "alice@CONTOSO.TEST"
            answer = connection.request("GET", "/owa")
            assert answer.status == 401 and answer.user is None
            assert answer.headers.all("WWW-Authenticate") == ["Negotiate"]
        lines = logged(site, 4, connection=name_of(connection))
    strangers.wait_for(2)
    assert len(cas1.requests()) == 2
    assert [line["user"] for line in lines] == ["alice@CONTOSO.TEST", ""] * 2


def test_unprotected_neighbour_needs_no_certificate(site, phone, cas1):
    strangers = Strangers(cas1)
    assert phone(None).request("GET", "/owa", headers={"Authorization": BASIC}).status == 401
    strangers.wait_for(1)


def test_unprotected_neighbour_does_not_share_a_private_connection(site, phone, keeper):
    """The back end would take it for alice's: it keeps the first identity of a connection."""
    with phone("alice").connect() as connection:
        for _ in range(2):
            assert connection.request("OPTIONS", "/keeper").user == "alice@CONTOSO.TEST"
            answer = connection.request("GET", "/owa3")
            assert answer.status == 401 and answer.user is None
    counted = keeper.report()
    assert (counted["requests"], counted["tokens"]) == (2, 2)
    assert (counted["without_token"], counted["foreign_requests"]) == (0, 0)
