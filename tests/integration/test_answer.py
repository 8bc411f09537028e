# SPDX-License-Identifier: Apache-2.0
"""What of the back end's answer reaches the phone: everything but challenges."""
import hashlib

import pytest

from lab import wbxml
from lab.phone import PATH, whole
from shared import (  # noqa: F401
    bare, cards, logged, name_of, phone, place, refused, site, standing, untouched)

SITE = {"after": place("/any", "EASCertAuthProtocol Any")}
CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate", "Persistent-Auth", "Authentication-Info",
              "Proxy-Authentication-Info")


def play(*headers, **what):
    """The request header that asks the back end for an answer like this."""
    words = ["%s=%s" % (key, str(value).replace("%", "%25").replace("&", "%26").replace(" ", "+"))
             for key, value in [*what.items(), *(("header", each) for each in headers)]]
    return {"X-Play": "&".join(words)}


def without_challenge(answer):
    assert not [name for name in CHALLENGES if name in answer.headers], answer.headers


# ---- 0701, 0702, 0710: challenges as a status ---------------------------------------------------

REFUSALS = [(401, "EAS0701", "WWW-Authenticate", "2"), (407, "EAS0702", "Proxy-Authenticate", "1")]


@pytest.mark.parametrize("status,number,field,attempts", REFUSALS)
@pytest.mark.parametrize("more", [
    {}, {"size": 38_000, "chunked": 1}, {"size": 38_000}, {"close": 1}, {"reason": "Nope"}],
    ids=["empty", "long-chunked", "long", "closing", "reason"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_challenge_becomes_bad_gateway(site, phone, account, cas1, expect, status, number, field,
                                       attempts, more, method):
    """A 401 after another token was tried; see test_replay for what comes between."""
    expect(number)
    made = account()
    asked = play(field + ": Negotiate", field + ": NTLM", "Set-Cookie: theirs=1",
                 "X-Theirs: 1", status=status, **more)
    answer = phone(made).request(method, PATH + "?Cmd=Sync", headers=asked)
    assert (answer.status, answer.reason, answer.error) == (502, "Bad Gateway", "")
    without_challenge(answer)
    assert "Set-Cookie" not in answer.headers
    bare(answer)
    assert answer.body and b"abcdef" not in answer.body
    assert len(cas1.requests()) == int(attempts)
    assert set(site.numbers()) == {number}
    logged(site, status="502", EAS_REASON=number, EAS_ACCOUNT=made.name + "@CONTOSO.TEST",
           EAS_ATTEMPTS=attempts)


@pytest.mark.parametrize("status,number,field,attempts", REFUSALS)
def test_challenge_after_a_body_that_was_sent(site, phone, account, cas1, expect, status, number,
                                              field, attempts):
    expect(number)
    body = bytes(range(256)) * 1000
    answer = phone(account()).request("POST", PATH + "?Cmd=SendMail", body,
                                      play(field + ": Negotiate", status=status))
    assert answer.status == 502
    assert [one["sha256"] for one in cas1.requests()] == [
        hashlib.sha256(body).hexdigest()] * int(attempts)


def test_challenge_spoils_nothing_that_follows(site, phone, account, cas1, expect):
    """The connection of the phone stays, those to the back end are not used again."""
    expect("EAS0701")
    made = account()
    with phone(made).connect() as connection:
        for asked, status in ((None, 200), ("401", 502), (None, 200)):
            answer = connection.request("OPTIONS", PATH, headers=play(
                "Set-Cookie: theirs=1", status=asked) if asked else None)
            assert answer.status == status
            assert answer.user == (made.name + "@CONTOSO.TEST" if status == 200 else None)
            assert "theirs=1" not in str(answer.headers)
        logged(site, 3, connection=name_of(connection))
    ports = [one["connection"].rsplit("-", 1)[1] for one in cas1.requests()]
    assert len(ports) == 4 and ports[0] == ports[1] and len(set(ports)) == 3


# ---- challenges beside another status ----------------------------------------------------------

@pytest.mark.parametrize("status", [200, 403, 302, 449, 500, 503])
def test_challenge_beside_another_status_is_removed(site, phone, status):
    fields = ["WWW-Authenticate: Negotiate oYG2MIGz", "www-authenticate: Basic realm=x",
              "Proxy-Authenticate: NTLM", "Persistent-Auth: true", "Authentication-Info: x=y",
              "Proxy-Authentication-Info: x", "X-Kept: kept"]
    answer = phone("alice").request("POST", PATH + "?Cmd=Sync", headers=play(*fields,
                                                                             status=status))
    assert answer.status == status and answer.headers.get("X-Kept") == "kept"
    without_challenge(answer)


def test_negotiation_of_a_good_answer_stays_inside(site, phone):
    """mod_auth_gssapi ends each good answer with its part of the handshake."""
    answer = phone("alice").options()
    assert answer.user == "alice@CONTOSO.TEST"
    without_challenge(answer)


# ---- Exchange's own answers --------------------------------------------------------------------

@pytest.mark.parametrize("status,reason,fields", [
    (449, "Retry after sending a PROVISION command", ["X-MS-PolicyKey: 0"]),
    (451, "Redirect", ["X-MS-Location: https://other.contoso.test/Microsoft-Server-ActiveSync"]),
    (456, "Account blocked", []), (457, "Password expired", []), (507, "Disk full", []),
    (500, "Internal Server Error", ["X-MS-ASThrottle: Unknown", "X-DiagInfo: CAS1"]),
    (503, "Service Unavailable", ["Retry-After: 61", "X-MS-ASThrottle: CommandFrequency"]),
    (403, "Forbidden", ["X-Why: DeviceIsBlocked"]), (404, "Not Found", []),
    (400, "Bad Request", []), (501, "Not Implemented", []), (502, "Bad Gateway", []),
    (413, "Too Large", []),
    (200, "Fine", ["MS-Server-ActiveSync: 15.2"]), (599, "Odd", []),
    (302, "Found", ["Location: https://cas1.contoso.test/owa"])])
@pytest.mark.parametrize("size", [0, 5000])
def test_answer_of_exchange_is_unchanged(site, phone, status, reason, fields, size):
    answer = phone("alice").request(
        "POST", PATH + "?Cmd=Sync", b"x",
        play(*fields, status=status, reason=reason, **({"size": size} if size else {})))
    assert (answer.status, answer.reason, answer.user) == (status, reason, "alice@CONTOSO.TEST")
    assert len(answer.body) == size or status == 200
    for field in fields:
        name, value = field.split(": ")
        assert answer.headers.all(name)[-1] == value
    logged(site, status=str(status), EAS_REASON="", EAS_ACCOUNT="alice@CONTOSO.TEST")


def test_policy_key_of_provision_goes_both_ways(site, phone, cas1):
    one = phone("alice")
    first = one.provision()
    assert b"1307199584" in first.body
    second = one.provision("1307199584", headers={"X-MS-PolicyKey": "1307199584"})
    assert b"3942919513" in second.body
    fields = {name.lower(): value for name, value in cas1.requests()[-1]["headers"]}
    assert fields["x-ms-policykey"] == "1307199584"
    assert fields["ms-asprotocolversion"] == "14.1" and fields["user-agent"] == "Bench/1.0"


def test_options_tell_what_exchange_can_do(site, phone):
    answer = phone("alice").options()
    assert "16.1" in answer.headers.get("MS-ASProtocolVersions")
    assert "SendMail" in answer.headers.get("MS-ASProtocolCommands")
    assert answer.headers.all("Allow") == ["OPTIONS,POST"]


def test_commands_are_answered_in_wbxml(site, phone):
    one = phone("alice")
    answer = one.folder_sync()
    assert answer.headers.all("Content-Type") == ["application/vnd.ms-sync.wbxml"]
    assert "<DisplayName>Inbox</DisplayName>" in wbxml.decode(answer.body)
    assert one.send_mail(100_000).body == b""


# ---- bodies ------------------------------------------------------------------------------------

def pattern(size):
    block = bytes(ord("a") + at % 26 for at in range(8192))
    return (block * (size // 8192 + 1))[:size]


@pytest.mark.parametrize("chunked", [{}, {"chunked": 1}], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 8192, 65_537, 5_000_000])
def test_download(site, phone, size, chunked):
    answer = phone("alice").request("POST", PATH + "?Cmd=ItemOperations",
                                    headers=play(size=size, **chunked))
    assert answer.status == 200 and answer.body == pattern(size)
    if size > 8192:         # httpd gives a body that it has whole a length by itself
        assert answer.headers.get("Content-Length") == (None if chunked else str(size))


def test_encoded_answer_is_not_looked_into(site, phone, cas1):
    """Content-Encoding and body as the back end sent them, here a body that is no gzip at all."""
    answer = phone("alice").request(
        "POST", PATH + "?Cmd=Sync", headers={"Accept-Encoding": "gzip", **play(
            "Content-Encoding: gzip", "Vary: Accept-Encoding", size=100_000)})
    assert answer.headers.all("Content-Encoding") == ["gzip"]
    assert answer.headers.all("Vary") == ["Accept-Encoding"]
    assert answer.body == pattern(100_000)
    fields = {name.lower(): value for name, value in cas1.requests()[-1]["headers"]}
    assert fields["accept-encoding"] == "gzip"


@pytest.mark.parametrize("command", ["SendMail", "Sync"])
def test_answer_without_a_body(site, phone, command):
    answer = phone("alice").command(command)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers.get("Content-Length") == "0"


@pytest.mark.parametrize("status", [204, 304])
def test_status_that_has_no_body(site, phone, status):
    with phone("alice").connect() as connection:
        for _ in range(2):
            answer = connection.request("POST", PATH + "?Cmd=Sync", headers=play(status=status))
            assert (answer.status, answer.body) == (status, b"")


def test_slow_answer_is_passed_as_it_comes(site, phone):
    """Head first, body later: a phone sees that its Ping is being answered."""
    with phone("alice").connect() as connection:
        connection.send(("POST %s HTTP/1.1\r\nHost: mail.contoso.test\r\n"
                         "Content-Length: 0\r\nX-Play: stall=0.7&size=10\r\n\r\n"
                         % whole("POST", PATH)).encode())
        connection.socket.settimeout(0.6)
        assert connection.socket.recv(9) == b"HTTP/1.1 "


# ---- cookies -----------------------------------------------------------------------------------

def test_cookies_of_exchange_reach_the_phone(site, phone):
    answer = phone("alice").request("POST", PATH + "?Cmd=Sync", headers=play(
        "Set-Cookie: a=1; path=/; secure", "Set-Cookie: b=2; HttpOnly"))
    assert [cookie.split(";")[0] for cookie in answer.headers.all("Set-Cookie")] == [
        "X-BackEndCookie=actas1", "a=1", "b=2"]


def test_cookies_of_the_phone_reach_exchange(site, phone, cas1):
    assert phone("alice").options(headers={"Cookie": "a=1; X-BackEndCookie=actas1"}).status == 200
    fields = {name.lower(): value for name, value in cas1.requests()[-1]["headers"]}
    assert fields["cookie"] == "a=1; X-BackEndCookie=actas1"


# ---- what the access log says ------------------------------------------------------------------

def test_access_log_of_a_good_request(site, phone):
    with phone("alice").connect() as connection:
        for _ in range(2):
            assert connection.request("OPTIONS").status == 200
        first, second = logged(site, 2, connection=name_of(connection))
    assert first == {**first, "status": "200", "user": "alice@CONTOSO.TEST", "EAS_REASON": "",
                     "EAS_ACCOUNT": "alice@CONTOSO.TEST", "EAS_UPN": "alice@contoso.test",
                     "EAS_MAPPED_BY": "SID", "EAS_SPN": "HTTP/cas1.contoso.test",
                     "EAS_ATTEMPTS": "1"}
    assert second["EAS_TICKET"] == "process"


def test_access_log_says_where_the_ticket_came_from(site, phone, account):
    made = account()
    one = phone(made)
    for _ in range(3):
        assert one.options().status == 200
    lines = logged(site, 3, EAS_ACCOUNT=made.name + "@CONTOSO.TEST")
    assert sorted(line["EAS_TICKET"] for line in lines) == ["kdc", "process", "process"]


@pytest.mark.parametrize("certificate,number", [
    (None, "EAS0102"), ("disabled", "EAS0501"), ("sensitive", "EAS0507")])
def test_access_log_of_a_refusal(site, phone, refused, certificate, number):
    last = refused(phone(certificate).options(), number, 403)
    assert last["user"] == "" and last["EAS_ATTEMPTS"] == ""
    assert last["EAS_ACCOUNT"] == last["EAS_UPN"] == last["EAS_MAPPED_BY"] == ""
