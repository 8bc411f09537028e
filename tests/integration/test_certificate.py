# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a certificate: seen by mod_ssl in the handshake, or by us on a request."""
import base64

import pytest

from lab import der, module, pki
from lab.phone import PATH
from lab.process import wait_until
from shared import (  # noqa: F401
    bare, cards, logged, phone, place, refused, resting, site, standing, untouched)

CLIENT = pki.EKU["clientAuth"]
CARD = pki.EKU["smartcardLogon"]
SITE = {"after": place("/card", "EASCertAuthEKU " + CARD)
        + place("/either", "EASCertAuthEKU %s 1.2.3.4.5" % CLIENT)
        + place("/odd", "EASCertAuthEKU 1.2.3.4.5")
        + place("/lax", "EASCertAuthStrongMapping Off")}
ALICE, BOB = "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"


# ---- none, or none that mod_ssl accepts --------------------------------------------------------

@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_no_tls(bench, gateway, refused, method):
    """A protected Location of the main server is in every virtual host, also in one without TLS."""
    server = gateway(port=8443, server=[
        "EASCertAuthKeytab " + bench.keytab, "EASCertAuthLDAPServer ldap://dc1.contoso.test",
        *place("/main"), "Listen 10.77.0.10:8080", "<VirtualHost 10.77.0.10:8080>",
        "  ServerName mail.contoso.test", "</VirtualHost>"])
    plain = bench.phone(None, port=8080)
    answer = plain.request(method, "http://mail.contoso.test/main")
    refused(answer, "EAS0101", 403, server)


@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_no_certificate(site, phone, refused, method, tls):
    refused(phone(None).request(method, tls=tls), "EAS0102", 403)


@pytest.mark.parametrize("path", [PATH + "/", PATH.lower(), "/card", "/lax"])
def test_no_certificate_in_any_location(site, phone, refused, path):
    refused(phone(None).options(path=path), "EAS0102", 403)


def test_certificate_is_asked_for_where_it_is_required(gateway, phone, untouched):
    server = gateway(port=8443, verify="require")
    answer = phone(None, server).options()
    assert answer.status == 0 and "certificate required" in answer.error
    assert phone("alice", server).options().status == 200
    untouched.reset()


@pytest.mark.parametrize("shape,alert", [
    ({"not_before": -7200, "not_after": -3600}, "certificate expired"),
    ({"not_before": 3600}, "bad certificate"),
    ({"eku": ("serverAuth",)}, "unsupported certificate"),
    ({"eku": ("smartcardLogon",)}, "unsupported certificate"),
    ({"eku": ("any",)}, "unsupported certificate"),
    ({"spoil": True}, "decrypt error|bad certificate|alert"),
    ({"issuer_name": "CN=Nobody"}, "unknown ca"),
    ({"san_critical": True, "extensions": [pki.extension("1.2.3", b"\x05\x00", True)]}, "alert"),
], ids=["expired", "not-yet-valid", "only-server", "only-smartcard", "only-any", "signature",
        "unknown-issuer", "unknown-critical-extension"])
def test_handshake_ends_with_an_alert(site, phone, untouched, shape, alert):
    """These never become a request: httpd answers with a TLS alert and a line of its own."""
    answer = phone("alice", **shape).options()
    assert (answer.status, answer.body) == (0, b"")
    assert any(word in answer.error for word in alert.split("|")), answer.error
    untouched.check()
    assert "AH02276" in site.error_log.text() or "AH02008" in site.error_log.text()


@pytest.mark.parametrize("same_name", [False, True])
def test_certificate_of_a_foreign_ca(bench, site, phone, untouched, same_name):
    foreign = bench.pki.authority("Contoso Issuing CA" if same_name else "Fabrikam CA",
                                  key="foreign")
    answer = phone("alice", ca=foreign).options()
    assert answer.status == 0 and "alert" in answer.error, answer.error
    untouched.check()


# ---- 0105, 0106: dates -------------------------------------------------------------------------

def test_certificate_expires_on_open_connections_and_in_sessions(site, phone, expect, cas1):
    """mod_ssl looks at the dates in a full handshake only."""
    expect("EAS0106")
    one = phone("alice", not_after=3)
    first = {tls: one.connect(tls=tls) for tls in ("1.2", "1.3")}
    for tls, connection in first.items():
        assert connection.request("OPTIONS").status == 200
        with one.connect(tls=tls, resume=connection) as second:
            assert second.resumed and second.request("OPTIONS").status == 200
    wait_until(lambda: first["1.2"].request("OPTIONS").status == 403, "the certificate's end",
               deadline=5, pause=0.05)
    cas1.mark()
    for tls, connection in first.items():
        for answer in connection.request("OPTIONS"), connection.command("FolderSync", b""):
            assert answer.status == 403
            bare(answer)
        with one.connect(tls=tls, resume=connection) as third:
            assert third.resumed and third.request("OPTIONS").status == 403
        connection.close()
    assert cas1.requests() == []
    assert set(site.numbers()) == {"EAS0106"}
    lines = logged(site, 7, EAS_REASON="EAS0106")       # the six above, and the one waited for
    assert len(lines) == 7 and {line["status"] for line in lines} == {"403"}


# ---- 0107: usage -------------------------------------------------------------------------------

@pytest.mark.parametrize("path,eku", [
    (PATH, None), ("/lax", None), ("/card", None), ("/card", ("clientAuth",)),
    ("/odd", ("clientAuth", "smartcardLogon")), ("/odd", ("clientAuth", "1.2.3.4")),
    ("/odd", ("clientAuth", "1.2.3.4.5.6"))])
def test_usage_that_is_missing(site, phone, refused, path, eku):
    refused(phone("alice", eku=eku).options(path=path), "EAS0107", 403)


@pytest.mark.parametrize("path,eku", [
    (PATH, ("serverAuth", "clientAuth")), ("/card", ("clientAuth", "smartcardLogon")),
    ("/either", ("clientAuth",)), ("/odd", ("1.2.3.4.5", "clientAuth"))])
def test_usage_that_is_listed(site, phone, path, eku):
    assert phone("alice", eku=eku).options(path=path).user == "alice@CONTOSO.TEST"


# ---- 0104, 0108 to 0113: contents --------------------------------------------------------------

def odd_sid(value):
    """A SID extension whose inside is this."""
    return {"sid": None, "extensions": [pki.extension(pki.SID, value)]}


def sid_name(text, kind=der.octets):
    return der.sequence(pki.other_name(pki.SID_OTHER_NAME, kind(text)))


MALFORMED_SIDS = {
    "no-sid": {"sid": "alice"}, "empty": {"sid": ""}, "text-after": {"sid": ALICE + " "},
    "nul": {"sid": ALICE + "\0"}, "lower-case": {"sid": ALICE.lower()},
    "too-large": {"sid": "S-1-5-21-4294967296-1-1-1104"}, "leading-zero": {"sid": ALICE + "-01"},
    "two-names": {"sid": [ALICE, ALICE]}, "no-names": odd_sid(der.sequence()),
    "not-der": odd_sid(b"alice"), "bare-text": odd_sid(der.octets(ALICE.encode())),
    "trailing-byte": odd_sid(sid_name(ALICE.encode()) + b"\0"),
    "other-string": odd_sid(sid_name(ALICE, der.utf8)),
    "cut": odd_sid(sid_name(ALICE.encode())[:-1]),
    "long-length": odd_sid(b"\x30\x81" + sid_name(ALICE.encode())[1:]),
    "url": {"sid": None, "sid_url": "alice"}, "url-empty": {"sid": None, "sid_url": ""},
    "url-with-query": {"sid": None, "sid_url": ALICE + "?x"},
    "url-beside-a-good-sid": {"sid_url": "S-1"},
}


@pytest.mark.parametrize("shape", MALFORMED_SIDS.values(), ids=MALFORMED_SIDS)
def test_malformed_sid(site, phone, refused, shape):
    refused(phone("alice", **shape).options(), "EAS0108", 403)


@pytest.mark.parametrize("shape", [
    {"sid": ALICE, "sid_url": BOB}, {"sid": None, "sid_url": [ALICE, BOB]},
    {"sid": ALICE, "sid_url": [ALICE, BOB]}], ids=["extension-and-url", "urls", "all"])
def test_two_sids(site, phone, refused, shape):
    refused(phone("alice", **shape).options(), "EAS0109", 403)


MALFORMED_UPNS = {
    "no-suffix": {"upn": "alice"}, "empty": {"upn": ""}, "no-name": {"upn": "@contoso.test"},
    "nothing-after-at": {"upn": "alice@"}, "two-at": {"upn": "alice@bob@contoso.test"},
    "nul": {"upn": "alice@contoso.test\0.example"}, "newline": {"upn": "alice\n@contoso.test"},
    "c1-control": {"upn": "alice\u0085@contoso.test"},
    "not-utf8": {"upn": None, "san": [pki.upn_name(b"al\xe9ce@contoso.test")]},
    "overlong": {"upn": None, "san": [pki.upn_name(b"al\xc1\xa9ce@contoso.test")]},
    "bmp": {"upn": None, "san": [pki.upn_name("alice@contoso.test", der.bmp)]},
    "second": {"upn": ["alice@contoso.test", "alice"]},
}


@pytest.mark.parametrize("sid", [True, False], ids=["with-sid", "without-sid"])
@pytest.mark.parametrize("shape", MALFORMED_UPNS.values(), ids=MALFORMED_UPNS)
def test_malformed_upn(site, phone, refused, shape, sid):
    shape = dict(shape) if sid else {**shape, "sid": None}
    refused(phone("alice", **shape).options(), "EAS0110", 403)


@pytest.mark.parametrize("upns", [
    ["alice@contoso.test", "bob@contoso.test"], ["nobody@x.test", "alice@contoso.test"]])
def test_two_upns(site, phone, refused, upns):
    refused(phone("alice", upn=upns).options(), "EAS0111", 403)


@pytest.mark.parametrize("upns", [["alice@contoso.test"] * 2,
                                  ["alice@contoso.test", "ALICE@contoso.test"]])
def test_same_upn_twice_is_one(site, phone, upns):
    assert phone("alice", upn=upns).options().status == 200


def test_sid_extension_twice(bench, site, phone, refused):
    sid = bench.directory.sid("alice")
    refused(phone("alice", extensions=[pki.sid_extension(sid)]).options(), "EAS0112", 403)


def test_unknown_extension_twice(site, phone, refused):
    twice = [pki.extension("1.2.3.4", b"\x05\x00")] * 2
    refused(phone("alice", extensions=twice).options(), "EAS0112", 403)


@pytest.mark.parametrize("shape", [
    {"upn": "a" * 1012 + "@contoso.test"},
    {"eku": ["clientAuth"] + ["1.2.3.%d" % number for number in range(16)]},
    {"extensions": [pki.extension("1.2.3.%d" % number, b"\x05\x00") for number in range(60)]},
    {"serial": 1 << 167},
], ids=["upn", "usages", "extensions", "serial"])
def test_part_that_is_too_large(site, phone, refused, shape):
    refused(phone("alice", **shape).options(), "EAS0113", 403)


@pytest.mark.parametrize("shape", [{"serial": -5}, {"serial": -(1 << 80)}])
def test_negative_serial_number(site, phone, refused, shape):
    refused(phone("alice", **shape).options(), "EAS0104", 403)


@pytest.mark.parametrize("name", [b"\x87\x03abc", b"\x82\x05a\0b.c", b"\xa4\x02\x30\x00"],
                         ids=["address-of-three-bytes", "dns-with-nul", "directory-name"])
def test_names_that_are_not_ours_are_not_looked_into(site, phone, name):
    assert phone("alice", san=[name]).options().status == 200


# ---- behind mod_ssl ----------------------------------------------------------------------------
#
# What mod_ssl keeps from us on this bench: here a module speaks in its place.

@pytest.fixture(scope="module")
def pretender(bench):
    """A gateway that believes what a request says about its certificate."""
    built = module.Build("mod_tls_pretender", bench.folder).path()
    server = resting(bench, port=8443, server="LoadModule tls_pretender_module " + built)
    yield server
    bench.forget(server)


@pytest.fixture
def pretend(pretender, phone, refused):
    """pretend(number, verify, certificate): the refusal of such a request.

    certificate: a Certificate, or the text that mod_ssl gives, or "-" for none.
    """
    def ask(number, verify="SUCCESS", certificate=None):
        pretender.mark()
        fields = {"X-Pretend-Verify": verify}
        if certificate is not None:
            text = getattr(certificate, "pem", certificate)
            fields["X-Pretend-Certificate"] = (
                "-" if text == "-" else base64.b64encode(text.encode()).decode())
        answer = phone("alice", pretender).options(headers=fields)
        if number is None:
            assert answer.user == "alice@CONTOSO.TEST"
        elif number == "EAS0063":
            # Verified and not to be shown: mod_ssl had no memory for it. Its line is for the first.
            assert answer.status == 503 and "Retry-After" in answer.headers
            assert pretender.access()[-1]["EAS_REASON"] == number
        else:
            refused(answer, number, 403, pretender)
    return ask


def test_pretence_is_believed(bench, pretend):
    pretend(None)
    pretend(None, certificate=bench.certificate("alice"))


@pytest.mark.parametrize("verify", ["GENEROUS", "FAILED:certificate has expired", "FAILED:(null)",
                                    "NONE", "-", "success", "SUCCESSFUL"])
def test_certificate_that_mod_ssl_did_not_verify(pretend, verify):
    pretend("EAS0103", verify)


@pytest.mark.parametrize("verify,number", [("NONE", "EAS0102"), ("-", "EAS0102"),
                                           ("GENEROUS", "EAS0103"), ("FAILED:x", "EAS0103"),
                                           ("SUCCESS", "EAS0063")])
def test_no_certificate_whatever_mod_ssl_says(pretend, verify, number):
    pretend(number, verify, "-")


@pytest.mark.parametrize("shape,number", [
    ({"not_before": 3600}, "EAS0105"), ({"not_before": 5}, "EAS0105"),
    ({"not_before": -7200, "not_after": -3600}, "EAS0106"), ({"not_after": -1}, "EAS0106"),
    ({"eku": ("serverAuth",)}, "EAS0107"), ({"eku": ("any",)}, "EAS0107"),
    ({"eku": ("smartcardLogon",)}, "EAS0107")])
def test_dates_and_usage_are_looked_at_whatever_mod_ssl_says(bench, pretend, shape, number):
    pretend(number, certificate=bench.certificate("alice", **shape))


@pytest.mark.parametrize("extra", [
    pki.extension("2.5.29.17", der.sequence(pki.upn_name("bob@contoso.test"))),
    pki.extension("2.5.29.37", der.sequence(der.oid(CLIENT)))], ids=["names", "usages"])
def test_extension_that_openssl_knows_comes_twice(bench, pretend, extra):
    """OpenSSL's own clients cannot even load such a certificate."""
    pretend("EAS0112", certificate=bench.certificate("alice", extensions=[extra]))


def armour(content):
    return "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % (
        base64.encodebytes(content).decode())


def test_what_is_no_certificate(bench, pretend):
    whole = bench.certificate("alice").der
    for text in armour(b"garbage"), armour(whole + b"\0"), armour(whole[:-1]):
        pretend("EAS0104", certificate=text)
    # mod_ssl itself writes the armour: if that is not whole, memory lacked.
    for text in ("garbage", armour(b""), armour(whole).replace("END", "FIN"),
                 armour(whole).replace("-----BEGIN", "---BEGIN")):
        pretend("EAS0063", certificate=text)


# ---- what the log says -------------------------------------------------------------------------

def test_line_names_the_certificate_and_what_to_do(bench, site, phone, refused):
    issuer = bench.pki.authority('CN="Odd\u0301" \\\\ CA,O=x\ny', issuer=bench.root, key="odd")
    one = bench.certificate("alice", ca=issuer, eku=None, serial=0x1A2B)
    refused(phone(one).options(), "EAS0107", 403)
    line = [entry.line for entry in site.error_log.entries() if entry.number][0]
    assert "serial=1A2B " in line and "; to do: issue it with clientAuth" in line
    assert 'certificate="O=x' in line and line.count('"') == 6


def test_line_of_a_refusal_stays_one_line(site, phone, refused):
    """The UPN is in the line, and the phone's owner may have chosen it."""
    refused(phone("alice", upn=['a"; account="bob@x', "c@d"]).options(), "EAS0111", 403)
    lines = [entry.line for entry in site.error_log.entries() if entry.number]
    assert len(lines) == 1 and lines[0].count('"') == 6 and 'account="-"' in lines[0]
    assert "x22; account=" in lines[0]


def test_good_certificates_of_every_kind_of_key(bench, site, phone):
    for kind in ("rsa", "ec384"):
        assert phone("alice", key=kind, kind=kind).options().status == 200
