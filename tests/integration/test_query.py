# SPDX-License-Identifier: Apache-2.0
"""What an ActiveSync query and an Autodiscover request must look like, what of a query decides, and
what of it can be read in the logs."""
import base64
import re
import struct

import pytest

from lab.phone import PATH, WBXML
from lab.process import wait_until
from shared import (  # noqa: F401
    cards, logged, phone, place, refused, site, standing, untouched)

DISCOVER = "https://cas1.contoso.test"
SITE = {"after": place("/log", "EASCertAuthProtocol ActiveSync Log")
        + place("/few", "EASCertAuthCommands Sync ping FolderSync")
        + place("/few-log", "EASCertAuthProtocol activesync log", "EASCertAuthCommands Sync")
        + place("/again", "EASCertAuthCommands all", "EASCertAuthProtocol ActiveSync Enforce")
        + place("/match", "EASCertAuthUserMatch On")
        + place("/match-log", "EASCertAuthUserMatch On", "EASCertAuthProtocol ActiveSync Log")
        + place("/any", "EASCertAuthProtocol Any")
        + ['<LocationMatch "(?i)^/autodiscover/">', "  EASCertAuth On",
           "  EASCertAuthProtocol Autodiscover", "  ProxyPass %s timeout=3600" % DISCOVER,
           "</LocationMatch>", '<LocationMatch "(?i)^/Microsoft-Server-ActiveSync/.">',
           "  EASCertAuth On", "  ProxyPass %s timeout=3600" % DISCOVER, "</LocationMatch>"]}
WORDS = {"Cmd": "Sync", "User": "alice", "DeviceId": "v140Device", "DeviceType": "SmartPhone"}
CODES = dict(enumerate(
    "Sync SendMail SmartForward SmartReply GetAttachment Legacy Legacy Legacy Legacy FolderSync "
    "FolderCreate FolderDelete FolderUpdate MoveItems GetItemEstimate MeetingResponse Search "
    "Settings Ping ItemOperations Provision ResolveRecipients ValidateCert Find".split()))
OLD = ["GetHierarchy", "CreateCollection", "DeleteCollection", "MoveCollection", "Notify"]
NAMES = [name for name in CODES.values() if name != "Legacy"] + OLD


def plain(path=PATH, **changed):
    """A whole query; None takes a parameter away."""
    words = {**WORDS, **changed}
    return path + "?" + "&".join("%s=%s" % pair for pair in words.items() if pair[1] is not None)


def binary(path=PATH, version=141, code=0, device=b"v140Device", key=None, kind=b"SmartPhone",
           more=b""):
    """The same as base64."""
    content = (struct.pack("<BBHB", version, code, 0x0409, len(device)) + device
               + (b"\0" if key is None else struct.pack("<BI", 4, key))
               + bytes([len(kind)]) + kind + more)
    return path + "?" + base64.b64encode(content).decode()


def post(phone, target, *fields):
    """The answer to a POST of exactly this target."""
    with phone.connect() as connection:
        # Without X-Play the back end would hold a Ping.
        head = ["POST %s HTTP/1.1" % target, "Host: mail.contoso.test", "Content-Length: 0",
                "X-Play: json=1", *fields, "", ""]
        connection.send("\r\n".join(head).encode("latin-1"))
        return connection.answer()


def told(site, target):
    """What the access log says of this request's query, once it does."""
    def found():
        query = "?" + target.partition("?")[2]
        return [line for line in site.access(0) if line["uri"].endswith(query)]
    last = wait_until(found, "the line of %s" % target)[-1]
    return tuple(last["EAS_" + name] for name in (
        "CMD", "DEVICE_ID", "DEVICE_TYPE", "VERSION", "POLICY_KEY"))


def lines(site, number):
    """The error log's lines with this number."""
    return [entry.line for entry in site.error_log.entries() if entry.number == number]


# ---- both forms ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_command_by_name(site, phone, cas1, name):
    target = plain(Cmd=name)
    answer = post(phone("alice"), target, "MS-ASProtocolVersion: 14.1",
                  "X-MS-PolicyKey: 3862660432")
    assert answer.user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["uri"] == target
    assert told(site, target) == (name, "v140Device", "SmartPhone", "14.1", "3862660432")


@pytest.mark.parametrize("code", CODES)
def test_command_by_code(site, phone, cas1, code):
    target = binary(code=code)
    assert post(phone("alice"), target).user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["uri"] == target
    assert told(site, target) == (CODES[code], "v140Device", "SmartPhone", "14.1", "")


@pytest.mark.parametrize("target,facts", [
    (PATH + "?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l",
     ("Sync", "v140Device", "SmartPhone", "14.0", "")),
    (PATH + "?oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg==",
     ("Ping", "v140Device", "SmartPhone", "16.1", "3862660432")),
    (PATH + "?oRIJBAp2MTQwRGV2aWNlBFCFO%2BYKU21hcnRQaG9uZQcBAg%3D%3D",
     ("Ping", "v140Device", "SmartPhone", "16.1", "3862660432")),
    (binary(device=bytes(range(0xf0, 0x100))),
     ("Sync", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF", "SmartPhone", "14.1", "")),
    (binary(kind=b'a"b\\c', version=121), ("Sync", "v140Device", 'a\\"b\\\\c', "12.1", "")),
    (plain(Cmd="sYNC", DeviceId="x" * 64, DeviceType="Windows+Phone%208"),
     ("Sync", "x" * 64, "Windows Phone 8", "", "")),
    (plain(DeviceType="%E2%82%AC"), ("Sync", "v140Device", "\\xe2\\x82\\xac", "", "")),
    (plain(SaveInSent="T", CollectionId="5%3a2", Unknown=""),
     ("Sync", "v140Device", "SmartPhone", "", "")),
    (PATH + "/?deviceid=v140Device&CMD=Sync&devicetype=SmartPhone&USER=bob",
     ("Sync", "v140Device", "SmartPhone", "", "")),
    (plain(PATH.upper()), ("Sync", "v140Device", "SmartPhone", "", "")),
    (plain(PATH.lower() + "/"), ("Sync", "v140Device", "SmartPhone", "", ""))])
def test_query_is_understood_and_passed_as_it_is(site, phone, cas1, target, facts):
    assert post(phone("alice"), target).user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["uri"].split("?")[1] == target.split("?")[1]
    assert told(site, target) == facts


MALFORMED = [
    PATH, PATH + "?", PATH + "?Cmd=Sync", PATH + "?x", PATH + "??" + plain().split("?")[1],
    plain(Cmd=None), plain(User=None), plain(DeviceId=None), plain(DeviceType=None),
    plain(Cmd="Syn"), plain(Cmd="Legacy"), plain(User=""), plain(DeviceId="x" * 65),
    plain(DeviceId="a%2fb"), plain(DeviceType=""), plain(DeviceType="a%0ab"), plain(x="%zz"),
    plain(x="%00"), plain(x="%ff"), plain() + "&Cmd=Sync", plain() + "&%43md=Ping",
    plain() + "&user=bob", plain() + "&", plain() + "&x", plain() + "&%u0043md=Ping",
    binary(version=120), binary(code=24), binary(device=b""), binary(device=b"x" * 65),
    binary(kind=b""), binary(kind=b"a\0"), binary(more=b"\7"), binary(more=b"\7\2\1\1"),
    binary(more=b"\x08\1a\x08\1b"), binary()[:-1], binary()[:-4], binary() + "AAAA"]


@pytest.mark.parametrize("target", MALFORMED)
@pytest.mark.parametrize("certificate", ["alice", None])
def test_malformed_query(site, phone, refused, certificate, target):
    refused(post(phone(certificate), target), "EAS0221", 400)
    assert re.search(r"EAS0221: the ActiveSync query is malformed \(.+\); account=",
                     lines(site, "EAS0221")[-1])


@pytest.mark.parametrize("target", MALFORMED)
def test_malformed_query_is_logged_and_passes(site, phone, cas1, expect, target):
    expect("EAS0222")
    target = target.replace(PATH, "/log")
    assert post(phone("alice"), target).user == "alice@CONTOSO.TEST"
    assert cas1.requests()[-1]["uri"].partition("?")[2] == target.partition("?")[2]
    assert site.numbers() == ["EAS0222"]
    assert logged(site, EAS_REASON="")


def test_log_keeps_the_rule_for_methods(site, phone, refused):
    refused(phone("alice").request("GET", "/log"), "EAS0202", 501)


def test_log_keeps_the_rule_for_certificates(site, phone, expect):
    expect("EAS0102", "EAS0222")
    assert post(phone(None), "/log?x").status == 403
    assert set(site.numbers()) == {"EAS0102", "EAS0222"}


@pytest.mark.parametrize("target", [PATH, PATH + "?", PATH + "?x", plain(User=None, Cmd=None),
                                    plain("/few", Cmd="Search"), plain("/match", User="bob")])
def test_options_needs_no_query(site, phone, target):
    assert phone("alice").request("OPTIONS", target).user == "alice@CONTOSO.TEST"
    if "DeviceId" in target:
        assert told(site, target)[1:3] == ("v140Device", "SmartPhone")


def test_any_protocol_has_no_query(site, phone):
    assert post(phone("alice"), "/any?x").user == "alice@CONTOSO.TEST"
    assert told(site, "/any?x") == ("", "", "", "", "")


def test_line_of_a_refusal_says_which_phone(site, phone, refused):
    """Before anybody is known, and with nothing of the phone's own that could forge a line."""
    target = binary(code=18, key=7, kind='"x\\'.encode() + "\u00e9".encode(), device=b"\0\1")
    refused(post(phone(None), target), "EAS0102", 403)
    line = lines(site, "EAS0102")[-1]       # httpd escapes our backslashes and what is not ASCII
    assert (r'serial=- command=Ping device=0001 type="\\x22x\\x5c\xc3\xa9" protocol=14.1 policy=7; '
            "to do: " in line)


# ---- the path of servers -------------------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "/Proxy", "/proxy/", "/PROXY/x", "/%50roxy", "//Proxy", "/Proxy%20", "/proxy%2e"])
@pytest.mark.parametrize("start", [PATH, PATH.lower()])
def test_path_of_servers(site, phone, refused, start, path):
    refused(post(phone("alice"), plain(start + path)), "EAS0223", 403)


@pytest.mark.parametrize("target", [
    plain("/log/proxy"), "/any/Proxy", "/any/%50roxy/x", "/any//proxy"])
def test_detour_to_the_path_of_servers(site, phone, expect, untouched, target):
    """The Location's name hides where it leads to."""
    expect("EAS0224")
    answer = post(phone("alice"), target)
    assert answer.status == 403
    untouched.check()
    assert site.numbers() == ["EAS0224"]


# ---- commands ------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", [
    plain("/few"), plain("/few", Cmd="pING"), plain("/few", Cmd="%46olderSync"),
    binary("/few", code=9), binary("/few", code=18), plain("/again", Cmd="Notify"),
    binary("/again", code=6)])
def test_listed_command(site, phone, target):
    assert post(phone("alice"), target).user == "alice@CONTOSO.TEST"


@pytest.mark.parametrize("target,name", [
    (plain("/few", Cmd=name), name) for name in NAMES
    if name not in ("Sync", "Ping", "FolderSync")] + [
        (binary("/few", code=code), name) for code, name in CODES.items()
        if name not in ("Sync", "Ping", "FolderSync")])
def test_command_that_is_not_listed(site, phone, refused, target, name):
    assert refused(post(phone("alice"), target), "EAS0225", 403)["EAS_ACCOUNT"] == ""
    assert told(site, target)[0] == name


@pytest.mark.parametrize("target", ["/few-log", plain("/few-log") + "&Cmd=SendMail",
                                    plain("/few-log", Cmd="x")])
def test_command_of_a_malformed_query_is_not_listed(site, phone, expect, untouched, target):
    expect("EAS0222", "EAS0225")
    assert post(phone("alice"), target).status == 403
    untouched.check()
    assert sorted(site.numbers()) == ["EAS0222", "EAS0225"]


# ---- the user ------------------------------------------------------------------------------------

@pytest.mark.parametrize("user", [
    "alice", "ALICE", "CONTOSO%5Calice", "contoso\\Alice", "contoso.test%5calice",
    "alice%40contoso.test", "Alice@Contoso.Test", "%61lice"])
def test_user_is_the_account(site, phone, user):
    assert post(phone("alice"), plain("/match", User=user)).user == "alice@CONTOSO.TEST"


@pytest.mark.parametrize("user", [
    "bob", "CONTOSO%5Cbob", "bob@contoso.test", "alice@other.test", "other.test%5Calice", "alice+",
    "%5Calice", "CONTOSO%5C", "CONTOSO%255Calice", "alice%40contoso.test%40", "*"])
def test_user_is_not_the_account(site, phone, refused, user):
    target = plain("/match", User=user)
    refused(post(phone("alice"), target), "EAS0226", 403)
    assert told(site, target)[1] == "v140Device"
    assert 'account="alice@contoso.test"' in lines(site, "EAS0226")[-1]


def test_user_in_base64(site, phone):
    assert post(phone("alice"), binary("/match")).user == "alice@CONTOSO.TEST"
    assert post(phone("alice"), binary("/match", more=b"\x08\x05alice")).status == 200


def test_user_in_base64_that_is_another(site, phone, refused):
    refused(post(phone("alice"), binary("/match", more=b"\x08\x03bob")), "EAS0226", 403)


def test_user_of_another_without_the_check(site, phone):
    assert post(phone("alice"), plain(User="bob")).user == "alice@CONTOSO.TEST"


def test_user_of_a_malformed_query(site, phone, expect, untouched):
    expect("EAS0222", "EAS0226")
    assert post(phone("alice"), plain("/match-log") + "&User=bob").status == 403
    untouched.check()


# ---- Autodiscover --------------------------------------------------------------------------------

XML = "Content-Type: text/xml"
BODY = (b'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/'
        b'exchange/autodiscover/mobilesync/requestschema/2006"><Request><EMailAddress>alice@'
        b"contoso.test</EMailAddress></Request></Autodiscover>")


@pytest.mark.parametrize("path", [
    "/Autodiscover/Autodiscover.xml", "/autodiscover/autodiscover.xml",
    "/AutoDiscover/AutoDiscover.xml", "/AUTODISCOVER/AUTODISCOVER.XML"])
@pytest.mark.parametrize("kind", [
    "text/xml", "text/xml; charset=utf-8", "Text/XML;charset=\"utf-8\""])
def test_autodiscover(site, phone, cas1, path, kind):
    target = path + "?x&y"                  # no query is of this protocol
    answer = phone("alice").request("POST", target, BODY, {"Content-Type": kind})
    assert answer.user == "alice@CONTOSO.TEST"
    seen = cas1.requests()[-1]
    assert seen["uri"].startswith(path) and seen["length"] == len(BODY)
    assert told(site, target) == ("", "", "", "", "")


@pytest.mark.parametrize("path", [
    "/autodiscover/", "/autodiscover/autodiscover.json", "/Autodiscover/autodiscover.svc",
    "/autodiscover/autodiscover.json/v1.0/alice@contoso.test?Protocol=ActiveSync",
    "/autodiscover/autodiscover.xml/", "/autodiscover/autodiscover.xml.",
    "/autodiscover/autodiscover.xml/x", "/autodiscover/x/autodiscover.xml",
    "/autodiscover/wssecurity", "/autodiscover/autodiscover.xml%20"])
def test_other_path_of_autodiscover(site, phone, refused, path):
    refused(post(phone("alice"), path, XML), "EAS0227", 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_method_of_autodiscover(site, phone, refused, method):
    refused(phone("alice").request(method, "/autodiscover/autodiscover.xml"), "EAS0202", 501)


@pytest.mark.parametrize("fields", [(), ("Content-Type: application/json",), ("Content-Type:",),
                                    ("Content-Type: " + WBXML,), ("Content-Type: text/xml2",)])
def test_type_of_autodiscover(site, phone, refused, fields):
    refused(post(phone("alice"), "/autodiscover/autodiscover.xml", *fields), "EAS0228", 400)


def test_type_of_autodiscover_is_logged_and_passes(gateway, phone, cas1, expect):
    expect("EAS0229")
    server = gateway(port=8443, after=['<LocationMatch "(?i)^/autodiscover/">', "  EASCertAuth On",
                                       "  EASCertAuthProtocol Autodiscover Log",
                                       "  ProxyPass %s timeout=3600" % DISCOVER,
                                       "</LocationMatch>"])
    answer = post(phone("alice", server), "/autodiscover/autodiscover.xml", "Content-Type: x/y")
    assert answer.user == "alice@CONTOSO.TEST"
    assert "(Content-Type is x/y)" in lines(server, "EAS0229")[-1]


@pytest.mark.parametrize("chunked", [False, True])
def test_size_of_autodiscover(site, phone, cas1, expect, chunked):
    expect("EAS0230")
    path = "/autodiscover/autodiscover.xml?"
    fields = {"Content-Type": "text/xml"}
    one = phone("alice")
    assert one.request("POST", path, b"x" * 16384, fields, chunked=chunked).status == 200
    cas1.mark()
    site.mark()
    answer = one.request("POST", path, b"x" * 16385, fields, chunked=chunked)
    assert answer.status == 413 and site.numbers() == ["EAS0230"]
    assert cas1.requests() == []
