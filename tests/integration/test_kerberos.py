# SPDX-License-Identifier: Apache-2.0
"""Kerberos without httpd: login by keytab, S4U, tickets and tokens against a real controller, and
KDCs that are down, silent, slow or hostile."""
import base64
import ctypes
import itertools
import os
import socket
import struct
import threading
import time

import gssapi
import pytest

from lab import der, dns, kerberos, namespace
from lab.directory import ANY_PROTOCOL, USER
from lab.harness import SANITIZERS, Build, Harness
from lab.process import wait_until
from lab.relay import BlackHole

SOURCES = ["io/cba_breaker.c", "io/cba_discovery.c", "io/cba_host.c", "io/cba_kdc.c", "io/cba_keys.c",
           "io/cba_krb5.c", "io/cba_profile.c", "io/cba_s4u.c", "io/cba_service.c", "io/cba_srv.c",
           "io/cba_ticket.c", "core/cba_pac.c", "core/cba_reason.c", "core/cba_sid.c",
           "core/cba_span.c", "core/cba_spnego.c"]
LIBRARIES = ["-Wl,--no-as-needed", "-lresolv"]
REALM = kerberos.REALM
CAS1 = "HTTP/" + namespace.host("cas1")
MS = 5000
HOUR = 3600000      # in ms
SLACK_MS = 400      # how much later than its deadline an answer may come on a busy machine


@pytest.fixture(scope="module")
def program(bench):
    return Build("harness_kerberos", bench.folder, SOURCES, flags=SANITIZERS + LIBRARIES).path()


@pytest.fixture
def start(bench, program, tmp_path):
    """Starts harnesses: start(kdcs=..., keytab=..., principal=..., options=..., srv=...)."""
    running = []

    def make(kdcs=None, keytab=None, principal="-", options=(), srv=False, create=True):
        config = kerberos.write_config(str(tmp_path / ("krb5.conf.%d" % len(running))),
                                       [bench.directory.address] if kdcs is None else kdcs,
                                       options=options)
        if srv:
            with open(config, "r+", encoding="utf-8") as file:
                text = file.read().replace("dns_lookup_kdc = false", "dns_lookup_kdc = true")
                file.seek(0)
                file.write(text)
                file.truncate()
        harness = Harness(program, KRB5_CONFIG=config, KRB5CCNAME="FILE:/nonexistent/ccache")
        running.append(harness)
        if create:
            answer = harness("create", keytab or bench.keytab, principal)
            assert answer.reason == "OK", answer
        return harness
    yield make
    # Every one of them, so that a leak is never hidden by another failure.
    problems = []
    for harness in running:
        try:
            harness.end()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def harness(start):
    """One that works."""
    return start()


@pytest.fixture(scope="module")
def own(bench):
    """Accounts of this file."""
    directory = bench.directory

    class Own:
        rc4 = "HTTP/rc4." + namespace.DOMAIN
        plain = "HTTP/plain." + namespace.DOMAIN
        keytab = os.path.join(bench.folder, "gw-other.keytab")
    directory.add_user("rc4target", upn=None, password=directory._secret(),
                       servicePrincipalName=[Own.rc4], **{"msDS-SupportedEncryptionTypes": "4"})
    targets = directory.entry("gw")["msDS-AllowedToDelegateTo"]
    directory.modify("gw", **{"msDS-AllowedToDelegateTo": targets + [Own.rc4]})
    for name, uac, more in (
            ("gwplain", USER, {"servicePrincipalName": [Own.plain]}),
            ("gwnospn", USER | ANY_PROTOCOL, {}),
            ("gwkeys", USER | ANY_PROTOCOL, {"servicePrincipalName": ["HTTP/keys.contoso.test"]})):
        directory.add_user(name, upn=None, password=directory._secret(), uac=uac,
                           **{"msDS-SupportedEncryptionTypes": "24",
                              "msDS-AllowedToDelegateTo": [CAS1], **more})
    return Own


def accept(bench, token, bindings=None):
    """The name that Exchange sees in a token."""
    channel = gssapi.raw.ChannelBindings(application_data=bindings) if bindings else None
    credentials = gssapi.Credentials(usage="accept", store={"keytab": bench.exchange_keytab,
                                                            "rcache": "none:"})
    context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=channel)
    context.step(base64.b64decode(token, validate=True))
    assert context.complete
    return str(context.initiator_name)


def delegate(harness, sam="alice", spn=CAS1, ms=MS):
    """S4U2Self and S4U2Proxy; the answer of the first that fails, or of the last."""
    answer = harness("self", sam, REALM, ms)
    return harness("proxy", spn, ms) if answer.reason == "OK" else answer


def logins(requests):
    return [request for request in requests if request["kind"] == "AS"]


# ---- the whole way ---------------------------------------------------------------------------

def test_whole_way(bench, harness):
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "OK", answer
    assert answer.fields == ["alice", REALM, bench.directory.sid("alice")]
    answer = harness("proxy", CAS1, MS)
    assert answer.reason == "OK", answer
    assert answer.fields[0] == "alice@" + REALM
    assert time.time() + 3600 < int(answer.fields[1]) < time.time() + 86400
    tokens = [harness("token").fields[0] for _ in range(2)]
    assert tokens[0] != tokens[1]
    for token in tokens:
        assert accept(bench, token) == "alice@" + REALM


def test_exchanges_are_few(bench, harness):
    mark = bench.directory.mark()
    assert delegate(harness).reason == "OK"
    requests = wait_until(lambda: len(bench.directory.kdc_requests(mark)) >= 3 and
                          bench.directory.kdc_requests(mark), "log of the KDC")
    assert [request["kind"] for request in requests] == ["AS", "AS", "TGS", "TGS"] or \
        [request["kind"] for request in requests] == ["AS", "TGS", "TGS"], requests
    mark = bench.directory.mark()
    assert delegate(harness, "bob").reason == "OK"
    requests = wait_until(lambda: len(bench.directory.kdc_requests(mark)) >= 2 and
                          bench.directory.kdc_requests(mark), "log of the KDC")
    assert [request["kind"] for request in requests] == ["TGS", "TGS"], requests


@pytest.mark.parametrize("options", [["forwardable = false"], ["forwardable = true"],
                                     ["forwardable = false", "canonicalize = true",
                                      "udp_preference_limit = 100000", "renew_lifetime = 7d",
                                      "default_tkt_enctypes = rc4-hmac aes256-cts",
                                      "dns_canonicalize_hostname = true"]],
                         ids=["unset", "forwardable", "odd"])
def test_krb5_conf_does_not_matter(bench, start, options):
    harness = start(options=options)
    assert delegate(harness).reason == "OK"
    assert accept(bench, harness("token").fields[0]) == "alice@" + REALM


def test_many_groups(bench, harness):
    answer = harness("self", "many", REALM, MS)
    assert answer.fields == ["many", REALM, bench.directory.sid("many")]
    assert harness("proxy", CAS1, MS).reason == "OK"
    token = harness("token").fields[0]
    assert len(token) > 3000
    assert accept(bench, token) == "many@" + REALM


@pytest.mark.parametrize("name", ["o'dd name", "zo\u00eb", "a.b-c_d$x", "UPPER", "x" * 20])
def test_names(bench, harness, account, name):
    made = account(name, upn=None)
    answer = harness("self", name, REALM, MS)
    assert answer.reason == "OK", answer
    assert answer.fields == [name, REALM, made.sid]
    assert harness("proxy", CAS1, MS).reason == "OK"
    assert harness("token").reason == "OK"


def test_name_in_other_case(harness, bench):
    """Samba gives back the name as asked for, AD its own spelling; the SID is the account's."""
    answer = harness("self", "ALICE", REALM, MS)
    assert answer.fields[0].lower() == "alice"
    assert answer.fields[2] == bench.directory.sid("alice")


@pytest.mark.parametrize("name, reason", [("HTTP/mail.contoso.test", "KRB_CLIENT_UNKNOWN"),
                                          ("a" * 257, "KRB_CLIENT_NAME")])
def test_names_that_are_none(harness, name, reason):
    assert harness("self", name, REALM, MS).reason == reason


def test_channel_bindings(bench, harness):
    bindings = b"tls-server-end-point:" + bytes(range(32))
    assert delegate(harness).reason == "OK"
    token = harness("token", bindings.hex()).fields[0]
    assert accept(bench, token, bindings) == "alice@" + REALM
    with pytest.raises(gssapi.exceptions.BadChannelBindingsError):
        accept(bench, harness("token", bindings.hex()).fields[0], bindings + b"x")


def test_large_ticket(harness):
    assert harness("ticket", 65536, 3600).reason == "OK"
    answer = harness("token")
    assert answer.reason == "OK", answer
    assert len(base64.b64decode(answer.fields[0], validate=True)) > 65536


def test_ticket_carried_elsewhere(bench, harness):
    """Written out and read back it is the same ticket, and no KDC is asked."""
    end = delegate(harness).fields[1]
    mark = bench.directory.mark()
    answer = harness("carry", "Alice", REALM, CAS1)
    assert answer.reason == "OK", answer
    assert answer.fields[:2] == ["alice@" + REALM, end]
    assert accept(bench, harness("token").fields[0]) == "alice@" + REALM
    for words in (("bob", REALM, CAS1), ("alic", REALM, CAS1), ("alice", "CONTOSO.COM", CAS1),
                  ("alice", REALM, CAS1 + "x"), ("alice", REALM, "HTTP/cas2.contoso.test"),
                  ("alice", REALM, "cas1")):
        answer = harness("carry", *words)
        assert answer.reason == "CACHE_TICKET", answer
    length = int(harness("carry", "alice", REALM, CAS1).fields[2])
    for count in {0, 1, 2, length // 2, length - 1, *range(3, length, 97)}:
        assert harness("carry", "alice", REALM, CAS1, count).reason != "OK", count
    assert accept(bench, harness("token").fields[0]) == "alice@" + REALM
    assert bench.directory.kdc_requests(mark) == []


def test_expired_ticket_is_not_carried(harness):
    assert harness("ticket", 1000, -1).reason == "OK"
    answer = harness("carry", "alice", REALM, CAS1)
    assert answer.reason == "CACHE_TICKET", answer


def test_ticket_near_its_end_reaches_nobody(start, serve):
    """GSSAPI would log the client in anew, and wait for the KDC, when a ticket is about to expire."""
    kdc = serve(silent)
    harness = start(kdcs=[kdc.name])
    assert harness("ticket", 1000, 20).reason == "OK"
    assert harness("token").reason == "OK"
    assert kdc.count == 0


def test_expired_ticket(start, serve):
    kdc = serve(silent)
    harness = start(kdcs=[kdc.name])
    assert harness("ticket", 1000, -1).reason == "OK"
    answer = harness("token")
    assert answer.reason == "KRB_TOKEN" and "expired" in answer.detail, answer
    assert answer.fields == [""]
    assert kdc.count == 0


def test_own_ticket_is_alone_in_its_cache(bench, harness):
    service = "ldap/" + bench.directory.host
    answer = harness("own", service, MS)
    assert answer.reason == "OK", answer
    assert answer.fields == ["gw@%s>%s@%s" % (REALM, service, REALM)]
    assert harness("own", "ldap/nobody.contoso.test", MS).reason == "KRB_SPN_UNKNOWN"


def test_threads(bench, harness):
    mark = bench.directory.mark()
    answer = harness("threads", 8, 10, "alice", REALM, CAS1, 20000)
    assert answer.reason == "OK" and answer.fields[0] == "80", answer
    assert accept(bench, answer.fields[2]) == "alice@" + REALM
    # One login for all of them, in one or two steps.
    assert 1 <= len(logins(bench.directory.kdc_requests(mark))) <= 2
    assert delegate(harness).reason == "OK"
    answer = harness("tokens", 8, 100)
    assert answer.reason == "OK" and answer.fields[0] == "800", answer
    assert accept(bench, answer.fields[2]) == "alice@" + REALM


# ---- refusals ----------------------------------------------------------------------------------

@pytest.mark.parametrize("sam, reason", [
    ("nobody-there", "KRB_CLIENT_UNKNOWN"),
    ("disabled", "KRB_POLICY"),             # CLIENT_REVOKED from AD, see test_errors
    ("expired", "KRB_CLIENT_REVOKED"),
])
def test_account_refused(harness, sam, reason):
    answer = harness("self", sam, REALM, MS)
    assert answer.reason == reason, answer
    assert answer.fields == ["", "", ""]
    assert "S4U2Self for %s@%s: " % (sam, REALM) in answer.detail


def test_sensitive_account(harness):
    assert harness("self", "sensitive", REALM, MS).reason == "OK"
    answer = harness("proxy", CAS1, MS)
    assert answer.reason == "KRB_DELEGATION"
    assert "not forwardable" in answer.detail and "sensitive" in answer.detail


def test_gateway_may_not_use_any_protocol(bench, start, own):
    bench.directory.export_keytab(own.keytab, "gwplain")
    answer = delegate(start(keytab=own.keytab))
    assert answer.reason == "KRB_DELEGATION"
    assert "not forwardable" in answer.detail and "TrustedToAuthForDelegation" in answer.detail


def test_gateway_without_spn(bench, start, own):
    bench.directory.export_keytab(own.keytab, "gwnospn")
    answer = start(keytab=own.keytab)("self", "alice", REALM, MS)
    assert answer.reason == "KRB_SPN_UNKNOWN"
    assert "has no SPN" in answer.detail


@pytest.mark.parametrize("spn, reason, text", [
    ("HTTP/" + namespace.host("cas4"), "KRB_DELEGATION", "not in msDS-AllowedToDelegateTo"),
    ("HTTP/nowhere.contoso.test", "KRB_SPN_UNKNOWN", "S4U2Proxy to HTTP/nowhere.contoso.test: "),
    ("HTTP", "KRB_SPN_UNKNOWN", "not of the form"),
    ("HTTP/", "KRB_SPN_UNKNOWN", "not of the form"),
    ("HTTP/cas1.contoso.test@CONTOSO.TEST", "KRB_SPN_UNKNOWN", "not of the form"),
    ("HTTP/a/b/c", "KRB_SPN_UNKNOWN", "not of the form"),
])
def test_target_refused(harness, spn, reason, text):
    answer = delegate(harness, spn=spn)
    assert answer.reason == reason, answer
    assert text in answer.detail
    assert delegate(harness).reason == "OK"


def test_target_without_aes(harness, own):
    answer = delegate(harness, spn=own.rc4)
    assert answer.reason == "KRB_ENCTYPE", answer


def test_gateway_without_aes(bench, start, own):
    """Its account lost AES: first the evidence, then the login says so."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    harness = start(keytab=own.keytab)
    assert delegate(harness).reason == "OK"
    bench.directory.modify("gwkeys", **{"msDS-SupportedEncryptionTypes": "4"})
    try:
        answer = harness("self", "alice", REALM, MS)
        assert answer.reason == "KRB_ENCTYPE", answer
        answer = start(keytab=own.keytab)("self", "alice", REALM, MS)
        assert answer.reason == "KRB_ENCTYPE", answer
    finally:
        bench.directory.modify("gwkeys", **{"msDS-SupportedEncryptionTypes": "24"})


def test_errors(harness):
    """What no controller here says, by RFC 4120 7.5.9's numbers."""
    table = {}
    for field in harness("errors").fields:
        stage, code, reason = field.split()
        table[stage, int(code)] = reason
    assert len(table) == 6 * 79
    for (stage, code), reason in {
            ("login", 6): "KRB_LOGIN", ("login", 12): "KRB_LOGIN", ("login", 14): "KRB_ENCTYPE",
            ("login", 18): "KRB_LOGIN", ("login", 23): "KRB_LOGIN", ("login", 24): "KRB_LOGIN",
            ("login", 29): "KRB_UNREACHABLE", ("login", 31): "KRB_LOGIN",
            ("login", 37): "KRB_SKEW", ("login", 60): "KRB_OTHER",
            ("self", 6): "KRB_CLIENT_UNKNOWN", ("self", 7): "KRB_SPN_UNKNOWN",
            ("self", 12): "KRB_POLICY", ("self", 18): "KRB_CLIENT_REVOKED",
            ("self", 23): "KRB_CLIENT_REVOKED", ("self", 37): "KRB_SKEW",
            ("self", 29): "KRB_UNREACHABLE", ("self", 31): "KRB_OTHER", ("self", 32): "KRB_OTHER",
            ("proxy", 7): "KRB_SPN_UNKNOWN", ("proxy", 12): "KRB_POLICY",
            ("proxy", 13): "KRB_DELEGATION", ("proxy", 14): "KRB_ENCTYPE",
            ("proxy", 16): "KRB_DELEGATION", ("proxy", 18): "KRB_CLIENT_REVOKED",
            ("proxy", 27): "KRB_SPN_UNKNOWN", ("proxy", 68): "KRB_OTHER",
            ("service", 6): "KRB_OTHER", ("service", 7): "KRB_SPN_UNKNOWN",
            ("service", 12): "KRB_OTHER", ("service", 37): "KRB_SKEW"}.items():
        assert table[stage, code] == reason, (stage, code)
    # A phone is never refused for what the KDC has against the gateway.
    for stage in ("keytab", "login", "service", "token"):
        assert not {reason for (where, _), reason in table.items() if where == stage} & {
            "KRB_CLIENT_UNKNOWN", "KRB_CLIENT_REVOKED", "KRB_POLICY", "KRB_DELEGATION"}


# ---- keytabs -----------------------------------------------------------------------------------

def test_keytab_unusable(bench, start, tmp_path):
    harness = start(create=False)
    missing = str(tmp_path / "missing")
    answer = harness("create", missing, "-")
    assert answer.reason == "KRB_KEYTAB" and missing in answer.detail
    empty = kerberos.write_keytab(str(tmp_path / "empty"), [])
    assert harness("create", empty, "-").reason == "KRB_KEYTAB"
    noise = tmp_path / "noise"
    noise.write_bytes(b"\x05\x02" + bytes(range(200)))
    assert harness("create", noise, "-").reason == "KRB_KEYTAB"
    weak = str(tmp_path / "weak")
    bench.directory.export_keytab(weak, "gw", enctypes=(23,))
    answer = harness("create", weak, "-")
    assert answer.reason == "KRB_KEYTAB" and "AES" in answer.detail
    for principal in ("other", "gw@OTHER.TEST", "gw/x", "g@w@x"):
        assert harness("create", bench.keytab, principal).reason == "KRB_KEYTAB", principal


@pytest.mark.parametrize("principal", ["-", "gw", "gw@" + REALM])
def test_principal(bench, start, principal):
    harness = start(create=False)
    assert harness("create", bench.keytab, principal).fields == ["gw@" + REALM, REALM]


def key_place(entry):
    """Where an entry of a keytab has its kvno (8 bits), enctype (16), length (16), key, kvno (32);
    and how long the key is."""
    at = 6
    for _ in range(entry["principal"].split("@")[0].count("/") + 2):
        at += 2 + struct.unpack_from(">H", entry["raw"], at)[0]
    at += 8
    return at, struct.unpack_from(">H", entry["raw"], at + 3)[0]


def key_of(entry):
    at, length = key_place(entry)
    return entry["raw"][at + 5:at + 5 + length]


def changed(entries, principal, **fields):
    """Entries of a keytab with another kvno or key for a principal."""
    made = []
    for entry in entries:
        entry = dict(entry)
        raw = bytearray(entry["raw"])
        at, length = key_place(entry)
        if "kvno" in fields:
            raw[at] = fields["kvno"]
            if len(raw) - at - 5 - length >= 4:
                struct.pack_into(">I", raw, at + 5 + length, fields["kvno"])
            entry["kvno"] = fields["kvno"]
        if "key" in fields:
            raw[at + 5:at + 5 + length] = fields["key"](length)
        entry["raw"] = bytes(raw)
        made.append(entry)
    assert made and all(entry["principal"] == principal for entry in made)
    return made


def test_keytab_replaced(bench, start, own):
    """New key in the directory and in the file while the gateway runs: nothing to reload."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    harness = start(keytab=own.keytab)
    assert delegate(harness).reason == "OK"
    bench.directory.rotate("gwkeys", own.keytab)
    mark = bench.directory.mark()
    assert delegate(harness).reason == "OK"     # its TGT is good; the evidence has the new key
    assert not logins(bench.directory.kdc_requests(mark))
    harness("clock", 10 * HOUR)
    assert delegate(harness).reason == "OK"
    assert logins(bench.directory.kdc_requests(mark))


def test_keytab_ahead_of_the_directory(bench, start, own):
    """The new key is in the file before the directory has it: the one before is tried, once."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    entries = kerberos.keytab_entries(own.keytab)
    kvno = entries[0]["kvno"]
    ahead = changed(entries, "gwkeys@" + REALM, kvno=kvno + 1, key=os.urandom)
    kerberos.write_keytab(own.keytab, entries + ahead)
    assert delegate(start(keytab=own.keytab)).reason == "OK"


def test_keytab_stale(bench, start, own):
    """The directory has a newer key: said at once, seldom tried again, mended by the file."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    bench.directory.set_password("gwkeys")
    harness = start(keytab=own.keytab)
    mark = bench.directory.mark()
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_LOGIN", answer
    assert "gwkeys@" + REALM in answer.detail and "kvno" in answer.detail
    asked = len(wait_until(lambda: logins(bench.directory.kdc_requests(mark)), "log of the KDC"))
    for _ in range(20):
        again = harness("self", "alice", REALM, MS)
        assert (again.reason, again.detail) == (answer.reason, answer.detail)
    answer = harness("threads", 8, 5, "alice", REALM, CAS1, MS)
    assert answer.reason == "KRB_LOGIN" and answer.fields[0] == "0"
    assert len(logins(bench.directory.kdc_requests(mark))) == asked <= 2
    # Tried again after 10 s, 20 s, 40 s ..., so that a lockout threshold is not reached.
    for seconds in (10, 20, 40):
        harness("clock", (seconds - 2) * 1000)
        assert harness("self", "alice", REALM, MS).reason == "KRB_LOGIN"
        assert len(logins(bench.directory.kdc_requests(mark))) == asked
        harness("clock", 3000)
        assert harness("self", "alice", REALM, MS).reason == "KRB_LOGIN"
        asked = len(wait_until(lambda: len(logins(bench.directory.kdc_requests(mark))) > asked and
                               logins(bench.directory.kdc_requests(mark)), "another login"))
    bench.directory.export_keytab(own.keytab, "gwkeys")
    assert delegate(harness).reason == "OK"


def test_keytab_without_the_evidence_key(bench, start, own):
    bench.directory.export_keytab(own.keytab, "gwkeys")
    harness = start(keytab=own.keytab)
    assert delegate(harness).reason == "OK"
    bench.directory.set_password("gwkeys")      # and the file stays
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_KEYTAB", answer
    assert "no key of gwkeys@" + REALM in answer.detail
    os.rename(own.keytab, own.keytab + ".away")
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_KEYTAB" and own.keytab in answer.detail


def test_keytab_with_a_wrong_key(bench, start, own):
    """The key of that kvno does not open the evidence: never trusted."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    harness = start(keytab=own.keytab)
    assert delegate(harness).reason == "OK"
    wrong = changed(kerberos.keytab_entries(own.keytab), "gwkeys@" + REALM, key=os.urandom)
    kerberos.write_keytab(own.keytab, wrong)
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_PAC_INVALID", answer
    assert answer.fields == ["", "", ""]


def test_keytab_with_a_wrong_kvno(bench, start, own):
    """The right key under another number, as ktpass and hand-made keytabs have it."""
    bench.directory.export_keytab(own.keytab, "gwkeys")
    entries = kerberos.keytab_entries(own.keytab)
    kerberos.write_keytab(own.keytab, changed(entries, "gwkeys@" + REALM, kvno=77))
    assert delegate(start(keytab=own.keytab)).reason == "OK"


def test_tgt_is_refreshed_early(bench, harness):
    """At 40 to 50 % of its ten hours."""
    assert delegate(harness).reason == "OK"
    mark = bench.directory.mark()
    harness("clock", int(3.9 * HOUR))
    assert delegate(harness).reason == "OK"
    assert not logins(bench.directory.kdc_requests(mark))
    harness("clock", int(1.2 * HOUR))
    assert delegate(harness).reason == "OK"
    assert logins(bench.directory.kdc_requests(mark))
    mark = bench.directory.mark()
    assert delegate(harness).reason == "OK"
    assert not logins(bench.directory.kdc_requests(mark))


# ---- KDCs that do not work ---------------------------------------------------------------------

class Server:
    """Accepts TCP connections on a port of its own and treats each as told, in a thread."""

    def __init__(self, treat, address="127.0.0.1"):
        self._socket = socket.create_server((address, 0))
        self.name = "%s:%d" % (address, self._socket.getsockname()[1])
        self.count = 0
        self._treat = treat
        self._open = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self.count += 1
            self._open.append(connection)
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            self._treat(connection)
        except OSError:
            pass        # the gateway went away
        connection.close()

    def close(self):
        """A call that waits on a descriptor is woken before that is closed, and connections are
        closed by their own threads: one that the kernel begins again would otherwise take what
        comes for the next one of that number."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass    # has ended


@pytest.fixture
def serve():
    """Starts Servers."""
    made = []

    def make(treat):
        made.append(Server(treat))
        return made[-1]
    yield make
    for server in made:
        server.close()


def silent(connection):
    connection.recv(65536)
    time.sleep(60)


def trickle(connection):
    """An answer that never ends, a byte at a time."""
    connection.sendall(struct.pack(">I", 60000))
    while True:
        connection.sendall(b"\0")
        time.sleep(0.1)


def endless(connection):
    connection.recv(65536)
    connection.sendall(struct.pack(">I", 0x7FFFFFFF) + b"x" * 65536)
    time.sleep(60)


def closing(connection):
    connection.recv(65536)
    connection.close()


def resetting(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half(connection):
    connection.recv(65536)
    connection.sendall(struct.pack(">I", 1000) + b"x" * 10)
    connection.close()


def krb_error(code, data=None):
    """KRB-ERROR (RFC 4120 5.9.1) with its length before it."""
    name = der.sequence(der.explicit(0, der.integer(2)), der.explicit(1, der.sequence(
        der.tlv(0x1b, b"krbtgt"), der.tlv(0x1b, REALM.encode()))))
    error = der.tlv(0x7e, der.sequence(
        der.explicit(0, der.integer(5)), der.explicit(1, der.integer(30)),
        der.explicit(4, der.tlv(0x18, b"20260101000000Z")), der.explicit(5, der.integer(0)),
        der.explicit(6, der.integer(code)), der.explicit(9, der.tlv(0x1b, REALM.encode())),
        der.explicit(10, name), *([der.explicit(12, der.octets(data))] if data else [])))
    return struct.pack(">I", len(error)) + error


def out_of_service(connection):
    """KDC_ERR_SVC_UNAVAILABLE, as a controller that is starting says it."""
    connection.recv(65536)
    connection.sendall(krb_error(29))


def noise(connection):
    connection.recv(65536)
    connection.sendall(struct.pack(">I", 100) + bytes(range(100)))


def receive(connection):
    """One message with its length."""
    content = b""
    while len(content) < 4 or len(content) < 4 + struct.unpack(">I", content[:4])[0]:
        more = connection.recv(65536)
        if not more:
            return content
        content += more
    return content


def relay(address, change=lambda request, reply: reply, request_change=lambda request: request):
    """Hands requests to a real KDC, and its answers back, both changed."""
    def treat(connection):
        request = receive(connection)
        with socket.create_connection((address, 88)) as kdc:
            kdc.sendall(request_change(request))
            reply = change(request, receive(kdc))
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_RDWR)
    return treat


@pytest.fixture
def black_hole():
    """A KDC that answers no SYN."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    hole = BlackHole(("127.0.0.1", port))
    hole.name = "127.0.0.1:%d" % port
    yield hole
    hole.close()


REFUSING = "127.0.0.1:1"


def test_kdc_refuses_connections(start):
    answer = start(kdcs=[REFUSING])("self", "alice", REALM, MS)
    assert answer.reason == "KRB_UNREACHABLE", answer
    assert "127.0.0.1" in answer.detail and "refused" in answer.detail
    assert answer.ms < SLACK_MS


def test_kdc_is_a_black_hole(start, black_hole):
    answer = start(kdcs=[black_hole.name])("self", "alice", REALM, 3000)
    assert answer.reason == "KRB_UNREACHABLE", answer
    assert 1000 <= answer.ms < 1500 + SLACK_MS
    answer = start(kdcs=[black_hole.name])("self", "alice", REALM, 500)
    assert answer.reason == "KRB_TIMEOUT", answer
    assert 400 <= answer.ms < 500 + SLACK_MS


@pytest.mark.parametrize("treat", [silent, trickle], ids=lambda treat: treat.__name__)
def test_kdc_takes_too_long(start, serve, treat):
    answer = start(kdcs=[serve(treat).name])("self", "alice", REALM, 1000)
    assert answer.reason == "KRB_TIMEOUT", answer
    assert 900 <= answer.ms < 1000 + SLACK_MS


@pytest.mark.parametrize("treat", [endless, closing, half, out_of_service],
                         ids=lambda treat: treat.__name__)
def test_kdc_fails(start, serve, treat):
    answer = start(kdcs=[serve(treat).name])("self", "alice", REALM, MS)
    assert answer.reason == "KRB_UNREACHABLE", answer
    assert answer.ms < SLACK_MS


@pytest.mark.parametrize("treat", [closing, resetting, half], ids=lambda treat: treat.__name__)
def test_lone_kdc_breaks_off_once(bench, start, serve, treat):
    """Each exchange is begun once more when the connection ended before an answer was whole."""
    real, turns = relay(bench.directory.address), itertools.cycle((treat, None))
    only = serve(lambda connection: (next(turns) or real)(connection))
    harness = start(kdcs=[only.name])
    assert delegate(harness, ms=3000).reason == "OK"
    assert only.count % 2 == 0 and only.count >= 6      # the login, and two tickets


@pytest.mark.parametrize("treat, asked", [(closing, 2), (resetting, 2), (half, 2), (endless, 1),
                                          (out_of_service, 1)],
                         ids=lambda value: getattr(value, "__name__", None))
def test_lone_kdc_breaks_off_again(start, serve, treat, asked):
    """Once more, not more often; not when it was something else; and that is one failure for the
    breaker, which opens at the second."""
    only = serve(treat)
    harness = start(kdcs=[only.name])
    for requests in (1, 2):
        answer = harness("self", "alice", REALM, MS)
        assert (answer.reason, only.count) == ("KRB_UNREACHABLE", requests * asked), answer
    answer = harness("self", "alice", REALM, MS)
    assert (answer.reason, only.count) == ("KRB_OUTAGE", 2 * asked), answer


def test_two_kdcs_break_off(bench, start, serve):
    """The second one is asked before the first one again."""
    real, turns = relay(bench.directory.address), itertools.cycle((closing, None))
    first, second = serve(lambda connection: (next(turns) or real)(connection)), serve(closing)
    answer = start(kdcs=[first.name, second.name])("self", "alice", REALM, MS)
    assert answer.reason == "OK", answer
    assert second.count > 0


def test_kdc_answers_noise(start, serve):
    answer = start(kdcs=[serve(noise).name])("self", "alice", REALM, MS)
    assert answer.reason == "KRB_OTHER", answer


@pytest.mark.parametrize("treat", [silent, trickle, endless, closing, half, out_of_service],
                         ids=lambda treat: treat.__name__)
def test_second_kdc_serves(bench, start, serve, treat):
    """The first one costs time once; then it is left alone for some seconds."""
    bad = serve(treat)
    harness = start(kdcs=[bad.name, bench.directory.address])
    assert delegate(harness, ms=3000).reason == "OK"
    assert bad.count == 1
    answer = delegate(harness, "bob", ms=3000)
    assert answer.reason == "OK" and answer.ms < SLACK_MS
    assert bad.count == 1


def test_second_kdc_serves_for_a_black_hole(bench, start, black_hole):
    harness = start(kdcs=[REFUSING, black_hole.name, "[::1]:1", bench.directory.address + ":88"])
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "OK" and 1000 <= answer.ms < 2000, answer
    answer = harness("self", "bob", REALM, MS)
    assert answer.reason == "OK" and answer.ms < SLACK_MS, answer


@pytest.mark.parametrize("config", ["none", "dead"])
def test_named_kdcs(bench, start, serve, config):
    """Those that the service was told, in their order, whatever krb5.conf and DNS say."""
    bad = serve(closing)
    harness = start(kdcs=[] if config == "none" else [REFUSING], create=False)
    answer = harness("create", bench.keytab, "-", bad.name, bench.directory.address + ":88")
    assert answer.reason == "OK", answer
    assert delegate(harness).reason == "OK"
    assert harness("own", "ldap/" + bench.directory.host, MS).reason == "OK"
    assert bad.count == 1


def test_kdc_has_its_place_back(bench, start, serve):
    """One that failed is tried again by one request at a time, and preferred when it answers."""
    down = threading.Event()
    down.set()
    real = relay(bench.directory.address)

    def treat(connection):
        return closing(connection) if down.is_set() else real(connection)
    first = serve(treat)
    harness = start(kdcs=[first.name, bench.directory.address])
    assert delegate(harness).reason == "OK"
    assert first.count == 1
    harness("clock", 11000)
    assert delegate(harness).reason == "OK"
    assert first.count == 2             # for two exchanges
    down.clear()
    harness("clock", 5000)
    assert delegate(harness).reason == "OK"
    assert first.count == 2
    harness("clock", 6000)
    assert delegate(harness).reason == "OK"
    assert first.count == 4
    mark = bench.directory.mark()
    assert delegate(harness, "bob").reason == "OK"
    assert first.count == 6
    assert not logins(bench.directory.kdc_requests(mark))


def test_nobody_waits_for_a_dead_realm(bench, start, serve):
    """After two that found nobody one tries in two seconds, and the others are told at once."""
    down = threading.Event()
    kdc = serve(lambda connection: silent(connection) if down.is_set() else
                relay(bench.directory.address)(connection))
    harness = start(kdcs=[kdc.name])
    assert delegate(harness).reason == "OK"
    down.set()
    for _ in range(3):                  # one account proves nothing, nor does who has no time
        assert harness("self", "alice", REALM, 1000).reason == "KRB_TIMEOUT"
        assert harness("self", "bob", REALM, 300).reason == "KRB_TIMEOUT"
    assert harness("self", "bob", REALM, 1000).reason == "KRB_TIMEOUT"
    count = kdc.count
    for sam in ("alice", "bob", "carol"):
        answer = harness("self", sam, REALM, MS)
        assert answer.reason == "KRB_OUTAGE" and answer.ms < SLACK_MS, answer
        assert "S4U2Self for bob" in answer.detail and kdc.name in answer.detail
    assert harness("own", "ldap/" + bench.directory.host, MS).reason == "KRB_OUTAGE"
    assert kdc.count == count
    harness("clock", 3000)
    assert harness("self", "carol", REALM, 1000).reason == "KRB_TIMEOUT"
    assert harness("self", "alice", REALM, MS).reason == "KRB_OUTAGE"
    down.clear()
    harness("clock", 3000)
    assert delegate(harness, "nobody-there").reason == "KRB_CLIENT_UNKNOWN"   # that is an answer
    assert delegate(harness).reason == "OK"


def test_all_kdcs_are_tried_again(bench, start):
    """Those that failed lately are better than none."""
    harness = start(kdcs=[REFUSING, bench.directory.address])
    assert delegate(harness).reason == "OK"
    bench.directory.pause()
    try:
        answer = harness("self", "bob", REALM, 800)
        assert answer.reason == "KRB_UNREACHABLE" and answer.ms < 800, answer
        assert "refused" in answer.detail and "timed out" in answer.detail
    finally:
        bench.directory.resume()
    assert delegate(harness, "bob").reason == "OK"


def test_silent_kdc_and_many_threads(start, serve):
    """Nobody waits in a queue: all end by their own deadlines, and by one login at a time."""
    answer = start(kdcs=[serve(silent).name])("threads", 8, 1, "alice", REALM, CAS1, 1000)
    assert answer.reason == "KRB_TIMEOUT" and answer.fields[0] == "0"
    assert int(answer.fields[1]) < 1000 + SLACK_MS


def test_silent_kdc_with_a_tgt(bench, start):
    harness = start()
    assert delegate(harness).reason == "OK"
    bench.directory.pause()
    try:
        for command in (("self", "alice", REALM, 700), ("own", "ldap/" + bench.directory.host, 700),
                        ("threads", 8, 1, "alice", REALM, CAS1, 700)):
            answer = harness(*command)
            assert answer.reason == "KRB_TIMEOUT" and answer.ms < 700 + SLACK_MS, answer
    finally:
        bench.directory.resume()
    assert delegate(harness).reason == "OK"


def is_login(request):
    return request[4:5] == b"\x6a"      # [APPLICATION 10]: AS-REQ (RFC 4120 5.4.1)


def test_old_tgt_serves_while_no_login_is_possible(bench, start, serve):
    """A refresh that fails is nobody's problem while the TGT is good."""
    refuse = threading.Event()
    refused = []

    def logins_fail(request, reply):
        if refuse.is_set() and is_login(request):
            refused.append(request)
            return b""
        return reply
    harness = start(kdcs=[serve(relay(bench.directory.address, logins_fail)).name])
    assert delegate(harness).reason == "OK"
    refuse.set()
    harness("clock", 6 * HOUR)
    assert delegate(harness).reason == "OK"
    assert len(refused) == 2                # the connection broke: once more
    assert delegate(harness).reason == "OK"
    assert len(refused) == 2                # and not at every request
    harness("clock", 31000)
    assert delegate(harness).reason == "OK"
    assert len(refused) == 4
    harness("clock", int(3.95 * HOUR))           # too near its end to be of use
    answer = delegate(harness)
    assert answer.reason == "KRB_UNREACHABLE" and "login of gw@" in answer.detail, answer
    refuse.clear()
    assert delegate(harness).reason == "OK"


@pytest.mark.parametrize("code", [32, 31, 41, 20])
def test_tgt_that_the_kdc_does_not_like(bench, start, serve, code):
    """Expired by the KDC's clock, or made with a key that it has no more: a new one, at once."""
    bad = threading.Event()
    count = {"login": 0, "refused": 0}

    def refuse(request, reply):
        if is_login(request):
            count["login"] += 1
            bad.clear()
        elif bad.is_set():
            count["refused"] += 1
            return krb_error(code)
        return reply
    harness = start(kdcs=[serve(relay(bench.directory.address, refuse)).name])
    assert delegate(harness).reason == "OK"
    first = count["login"]
    bad.set()
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_OTHER", answer     # one that is fresh is not blamed
    assert count == {"login": first, "refused": 1}
    harness("clock", 3000)
    assert delegate(harness).reason == "OK"
    assert count == {"login": 2 * first, "refused": 2}


def test_cause_of_a_refusal(bench, start, serve):
    """NTSTATUS as Active Directory gives it (MS-KILE 2.2.1): STATUS_NOT_SUPPORTED."""
    status = struct.pack("<III", 0xC00000BB, 0, 1)
    data = der.sequence(der.explicit(1, der.integer(3)), der.explicit(2, der.octets(status)))
    requests = []

    def refuse(request, reply):
        requests.append(request)
        return krb_error(13, data) if len(requests) > 3 else reply
    harness = start(kdcs=[serve(relay(bench.directory.address, refuse)).name])
    assert harness("self", "alice", REALM, MS).reason == "OK"
    answer = harness("proxy", CAS1, MS)
    assert answer.reason == "KRB_DELEGATION"
    assert answer.detail.endswith("msDS-AllowedToDelegateTo of the gateway's account is empty")


def test_name_server_is_silent(start):
    """A KDC by name, and nobody to ask for its address."""
    server = dns.Server({}, silent=True)
    try:
        answer = start(kdcs=["dc7.contoso.test"])("self", "alice", REALM, 600)
        assert answer.reason == "KRB_TIMEOUT" and answer.ms < 600 + SLACK_MS, answer
        assert "dc7.contoso.test" in server.asked
    finally:
        server.close()


def test_kdc_by_name(bench, start):
    assert delegate(start(kdcs=[bench.directory.host])).reason == "OK"


def test_realm_without_trust(start):
    answer = start()("self", "alice", "NOWHERE.TEST", MS)
    assert answer.reason == "KRB_OTHER", answer
    assert "no way to that realm" in answer.detail


KDCS = "_kerberos._tcp.dc._msdcs." + namespace.DOMAIN


def test_kdc_by_srv_record(bench, start):
    """Where krb5.conf lists no KDC; only hosts of the domain are believed, and dead ones skipped."""
    server = dns.Server({KDCS: [("kdc.evil.example", 88, 0, 100), (bench.directory.host, 1, 0, 1),
                                (bench.directory.host, 88, 1, 100)]})
    try:
        harness = start(kdcs=[], srv=True)
        answer = delegate(harness)
        assert answer.reason == "OK", (answer, server.asked)
        assert accept(bench, harness("token").fields[0]) == "alice@" + REALM
        assert server.asked == [KDCS]
        harness("clock", 290000)
        assert delegate(harness).reason == "OK"
        assert server.asked == [KDCS]
        # Asked again in the background: a silent name server costs nobody anything.
        server.silent = True
        harness("clock", 20000)
        answer = delegate(harness)
        assert answer.reason == "OK" and answer.ms < SLACK_MS, answer
        wait_until(lambda: server.asked == [KDCS] * 2, "DNS is asked again")
    finally:
        server.close()


def test_kdc_by_srv_record_of_any_server(bench, start):
    name = "_kerberos._tcp." + namespace.DOMAIN
    server = dns.Server({name: [(bench.directory.host, 88, 0, 100)]})
    try:
        assert delegate(start(kdcs=[], srv=True)).reason == "OK"
        assert server.asked == [KDCS, name]
    finally:
        server.close()


def test_kdc_by_srv_record_and_silent_dns(start):
    """The deadline holds for DNS, too."""
    server = dns.Server({}, silent=True)
    try:
        harness = start(kdcs=[], srv=True)
        answer = harness("self", "alice", REALM, 2000)
        assert answer.reason == "KRB_TIMEOUT" and answer.ms < 2000 + SLACK_MS, answer
        assert "SRV" in answer.detail
        answer = harness("self", "alice", REALM, 2000)
        assert answer.reason == "KRB_TIMEOUT" and answer.ms < SLACK_MS, answer
    finally:
        server.close()


def test_kdc_by_srv_record_that_is_none(start):
    server = dns.Server({KDCS: [("kdc.evil.example", 88, 0, 100)]})
    try:
        answer = start(kdcs=[], srv=True)("self", "alice", REALM, MS)
        assert answer.reason == "KRB_UNREACHABLE" and "SRV" in answer.detail, answer
    finally:
        server.close()


def test_no_kdc_in_krb5_conf(start):
    """Then libkrb5 looks by itself; here it may not."""
    answer = start(kdcs=[])("self", "alice", REALM, MS)
    assert answer.reason == "KRB_UNREACHABLE", answer
    assert REALM in answer.detail


# ---- a KDC that lies ---------------------------------------------------------------------------

def elements(content):
    """Tag and whole encoding of each element of a DER sequence."""
    at = 0
    while at < len(content):
        length, head = content[at + 1], 2
        if length & 0x80:
            head = 2 + (length & 0x7f)
            length = int.from_bytes(content[at + 2:at + head], "big")
        yield (content[at], content[at:at + head + length],
               content[at + head:at + head + length])
        at += head + length


def fields(message, tag):
    """Elements of the sequence in a message of that tag, with its length before it."""
    assert message[4] == tag
    return list(elements(next(elements(next(elements(message[4:]))[2]))[2]))


def without_fast(request):
    """A TGS-REQ without PA-FX-FAST (RFC 6113 5.4.2), to be answered as by a KDC that has no FAST:
    with FAST, libkrb5 sees by itself that somebody changed the ticket."""
    if request[4] != 0x6c:
        return request
    fast = der.explicit(1, der.integer(136))
    body = b""
    for tag, whole, content in fields(request, 0x6c):
        if tag == 0xa3:
            kept = [one for _, one, inner in elements(next(elements(content))[2])
                    if not inner.startswith(fast)]
            whole = der.explicit(3, der.sequence(*kept))
        body += whole
    message = der.tlv(0x6c, der.sequence(body))
    assert len(message) < len(request)
    return struct.pack(">I", len(message)) + message


def with_ticket(reply, other):
    """A TGS-REP with the ticket (element 5, RFC 4120 5.4.2) of another one."""
    ticket = [whole for tag, whole, _ in fields(other, 0x6d) if tag == 0xa5][0]
    body = b"".join(ticket if tag == 0xa5 else whole for tag, whole, _ in fields(reply, 0x6d))
    message = der.tlv(0x6d, der.sequence(body))
    return struct.pack(">I", len(message)) + message


class Crypto:
    """Encryption of a ticket by a service's key (RFC 4120 5.3, key usage 2), by libkrb5's means."""

    class Keyblock(ctypes.Structure):
        _fields_ = [("magic", ctypes.c_int32), ("enctype", ctypes.c_int32),
                    ("length", ctypes.c_uint), ("contents", ctypes.c_char_p)]

    class Data(ctypes.Structure):
        _fields_ = [("magic", ctypes.c_int32), ("length", ctypes.c_uint),
                    ("data", ctypes.c_char_p)]

    class Sealed(ctypes.Structure):
        pass

    def __init__(self, keytab):
        self._keys = {entry["enctype"]: key_of(entry) for entry in kerberos.keytab_entries(keytab)}
        self._lib = ctypes.CDLL("libkrb5.so.3")

    def _call(self, function, enctype, *arguments):
        key = self.Keyblock(0, enctype, len(self._keys[enctype]), self._keys[enctype])
        context = ctypes.c_void_p()
        assert self._lib.krb5_init_context(ctypes.byref(context)) == 0
        assert function(context, ctypes.byref(key), 2, None, *arguments) == 0
        self._lib.krb5_free_context(context)

    def open(self, enctype, sealed):
        out = ctypes.create_string_buffer(len(sealed))
        plain = self.Data(0, len(sealed), ctypes.cast(out, ctypes.c_char_p))
        enc = self.Sealed(0, enctype, 0, self.Data(0, len(sealed), sealed))
        self._call(self._lib.krb5_c_decrypt, enctype, ctypes.byref(enc), ctypes.byref(plain))
        return out.raw[:plain.length]

    def seal(self, enctype, plain, length):
        out = ctypes.create_string_buffer(length)
        enc = self.Sealed(0, enctype, 0,
                          self.Data(0, length, ctypes.cast(out, ctypes.c_char_p)))
        self._call(self._lib.krb5_c_encrypt, enctype,
                   ctypes.byref(self.Data(0, len(plain), plain)), ctypes.byref(enc))
        return out.raw


Crypto.Sealed._fields_ = [("magic", ctypes.c_int32), ("enctype", ctypes.c_int32),
                          ("kvno", ctypes.c_uint), ("ciphertext", Crypto.Data)]


def forge(reply, crypto, change):
    """A TGS-REP whose ticket was opened, changed and sealed again by who has the gateway's key."""
    whole = [whole for tag, whole, _ in fields(reply, 0x6d) if tag == 0xa5][0]
    enctype = cipher = None
    for tag, _, content in elements(next(elements(next(elements(next(
            elements(whole))[2]))[2]))[2]):
        if tag == 0xa3:
            parts = {tag: next(elements(inner))[2]
                     for tag, _, inner in elements(next(elements(content))[2])}
            enctype, cipher = int.from_bytes(parts[0xa0], "big"), parts[0xa2]
    plain = crypto.open(enctype, cipher)
    changed_plain = change(plain)
    assert len(changed_plain) == len(plain) and changed_plain != plain, plain.hex()
    forged = reply.replace(cipher, crypto.seal(enctype, changed_plain, len(cipher)))
    assert forged != reply and len(forged) == len(reply)
    return forged


def wide(text):
    return text.encode("utf-16-le")


@pytest.mark.parametrize("old, new, reason", [
    (wide("alice"), wide("alicf"), "KRB_PAC_INVALID"),      # names in the PAC
    (b"\x1b\x05alice", b"\x1b\x05alicf", "KRB_PAC_INVALID"),    # the client of the ticket
    (b"\xa0\x04\x02\x02\x00\x80", b"\xa0\x04\x02\x02\x00\x81", "KRB_PAC_MISSING"),
], ids=["pac", "client", "none"])
def test_evidence_forged(bench, start, serve, old, new, reason):
    """Even by who can read and write tickets to the gateway: the PAC's signature holds."""
    crypto = Crypto(bench.keytab)

    def tamper(request, reply):
        if request[4] != 0x6c:
            return reply
        return forge(reply, crypto, lambda plain: plain.replace(old, new))
    harness = start(kdcs=[serve(relay(bench.directory.address, tamper, without_fast)).name])
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == reason, answer
    assert answer.fields == ["", "", ""]


def test_evidence_of_another_account(bench, start, serve):
    """Somebody between gateway and KDC exchanges the evidence: what we say is what it says."""
    seen = []

    def swap(request, reply):
        if request[4] != 0x6c:
            return reply
        seen.append(reply)
        return reply if len(seen) == 1 else with_ticket(reply, seen[0])
    address = bench.directory.address
    harness = start(kdcs=[serve(relay(address, swap, without_fast)).name])
    assert harness("self", "bob", REALM, MS).fields[0] == "bob"
    answer = harness("self", "alice", REALM, MS)
    assert answer.fields == ["bob", REALM, bench.directory.sid("bob")], answer
    seen.clear()
    harness = start(kdcs=[serve(relay(address, swap)).name])
    assert harness("self", "bob", REALM, MS).fields[0] == "bob"
    answer = harness("self", "alice", REALM, MS)
    assert answer.reason == "KRB_OTHER" and "modified" in answer.detail, answer


@pytest.mark.parametrize("step", ["self", "proxy"])
def test_ticket_without_aes(bench, start, serve, step):
    """A KDC that gives an RC4 ticket although AES was asked for."""
    seen = []

    def weaken(request, reply):
        if request[4] != 0x6c:
            return reply
        seen.append(reply)
        if len(seen) == 1 and step == "proxy":
            return reply
        whole = [whole for tag, whole, _ in fields(reply, 0x6d) if tag == 0xa5][0]
        aes, rc4 = (der.explicit(3, der.sequence(der.explicit(0, der.integer(enctype)), b"\xa1"))
                    [4:] for enctype in (18, 23))
        assert whole.count(aes) == 1
        return reply.replace(whole, whole.replace(aes, rc4))
    harness = start(kdcs=[serve(relay(bench.directory.address, weaken, without_fast)).name])
    answer = delegate(harness)
    assert answer.reason == "KRB_ENCTYPE" and "encryption type 23" in answer.detail, answer
    assert len(seen) == (1 if step == "self" else 2)


def test_ticket_of_another_client(bench, start, serve):
    """The answer to S4U2Proxy names somebody else than the evidence."""
    seen = []

    def rename(request, reply):
        if request[4] != 0x6c:
            return reply
        seen.append(reply)
        if len(seen) == 1:
            return reply
        whole = [whole for tag, whole, _ in fields(reply, 0x6d) if tag == 0xa4][0]
        return reply.replace(whole, whole.replace(b"alice", b"malic"))
    harness = start(kdcs=[serve(relay(bench.directory.address, rename, without_fast)).name])
    answer = delegate(harness)
    assert answer.reason == "KRB_CLIENT_NAME" and len(seen) == 2, answer


def test_kdc_without_fast(bench, start, serve):
    harness = start(kdcs=[serve(relay(bench.directory.address,
                                      request_change=without_fast)).name])
    assert delegate(harness).reason == "OK"
    assert accept(bench, harness("token").fields[0]) == "alice@" + REALM
    assert delegate(harness, "sensitive").reason == "KRB_DELEGATION"
