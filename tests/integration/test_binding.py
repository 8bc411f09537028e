# SPDX-License-Identifier: Apache-2.0
"""Extended Protection: tokens bound to the certificate that the back end shows (tls-server-end-point)."""
import threading

import pytest

from lab import namespace
from lab.acceptor import Acceptor
from lab.phone import PATH
from lab.process import wait_until
from shared import cards, phone     # noqa: F401

ALICE = (200, "alice@CONTOSO.TEST")
TARGET = "https://cas5.contoso.test timeout=3600"

#: Kind of the issuing CA's key -> hash of the binding (RFC 5929 section 4.1).
SIGNATURES = {"ec": "sha256", "ec384": "sha384", "rsa": "sha256", "rsa-sha512": "sha512",
              "pss384": "sha384", "rsa-sha1": "sha256"}
OLD = "SSLProxyCipherSuite ALL:@SECLEVEL=0"     # or OpenSSL refuses what is signed by SHA-1


def seen(answer):
    return answer.status, answer.user


@pytest.fixture
def authority(bench):
    """Makes a CA with a key of that kind."""
    def make(kind):
        return bench.pki.authority("Contoso %s CA" % kind, kind=kind)
    return make


@pytest.fixture
def certificate(bench):
    """Makes a certificate for cas5."""
    def make(ca=None, **more):
        name = namespace.host("cas5")
        return (ca or bench.servers).issue(name, dns=name, eku=("serverAuth",), key="server", **more)
    return make


@pytest.fixture
def strict(bench, certificate):
    """Makes the back end that insists, in the place of cas5."""
    made = []

    def make(shown=None, **more):
        made.append(Acceptor(namespace.address("cas5"), shown or certificate(),
                             bench.exchange_keytab, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("kind,digest", SIGNATURES.items())
def test_back_end_that_requires_a_binding(gateway, strict, authority, certificate, phone, kind,
                                          digest):
    ca = authority(kind)
    acceptor = strict(certificate(ca), digest=digest)
    one = gateway(target=TARGET, servers=ca.bundle, vhost=OLD)
    with phone("alice").connect() as connection:
        for _ in range(3):
            assert seen(connection.command("Sync", b"x" * 100)) == ALICE
    assert (acceptor.refused, acceptor.handshakes) == (0, 1)
    assert {line["EAS_ATTEMPTS"] for line in one.access(3)} == {"1"}


def test_back_end_that_knows_nothing_of_bindings(gateway, cas1, phone):
    """mod_auth_gssapi, and a libkrb5 acceptor without any of its own, ignore what a token is bound to."""
    gateway()
    assert seen(phone("alice").folder_sync()) == ALICE
    assert len(cas1.requests()) == 1


def test_off_sends_none(gateway, strict, cas1, phone, expect):
    expect("EAS0711")
    acceptor = strict()
    gateway(target=TARGET, location="EASCertAuthChannelBinding Off", after=[
        "<Location /lax>", "  EASCertAuth On", "  EASCertAuthChannelBinding Off",
        "  ProxyPass %s%s timeout=3600" % (cas1.url, PATH), "</Location>"])
    assert phone("alice").folder_sync().status == 502
    assert acceptor.refused == 2        # the second with a fresh ticket
    assert seen(phone("alice").request("OPTIONS", "/lax")) == ALICE


def test_signature_without_a_hash_has_no_binding(gateway, strict, authority, certificate,
                                                 phone, expect):
    """Ed25519: RFC 5929 defines none, and a guess could be refused where none is let pass."""
    ca = authority("ed25519")
    expect("EAS0711")
    gateway(target=TARGET, servers=ca.bundle)
    acceptor = strict(certificate(ca), digest=None)
    assert phone("alice").folder_sync().status == 502
    assert acceptor.refused == 2


def test_signature_without_a_hash_does_where_no_binding_is_asked_for(gateway, authority, backend,
                                                                     phone):
    ca = authority("ed25519")
    backend("cas5", ca=ca)
    gateway(target=TARGET, servers=ca.bundle)
    assert seen(phone("alice").folder_sync()) == ALICE


def test_somebody_between_ends_tls(gateway, strict, certificate, phone, expect):
    """The certificate that the gateway sees is good, but it is not the one of Exchange."""
    expect("EAS0701")
    acceptor = strict(expects=certificate())
    gateway(target=TARGET)
    assert phone("alice").folder_sync().status == 502
    assert acceptor.refused == 2 and acceptor.users == []


def test_certificate_changes_under_load(gateway, strict, certificate, phone):
    """Connections with the old certificate and with the new one side by side: nobody notices."""
    acceptor = strict()
    one = gateway(target=TARGET)
    wrong, ended = [], threading.Event()

    def play(user):
        me = phone(user)
        while not ended.is_set():
            with me.connect() as connection:
                for _ in range(5):
                    answer = connection.command("Sync", b"x" * 1000)
                    if seen(answer) != (200, user + "@CONTOSO.TEST"):
                        wrong.append((user, str(answer)))

    threads = [threading.Thread(target=play, args=(user,)) for user in ("alice", "bob") * 2]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            before = acceptor.handshakes
            acceptor.present(certificate())
            wait_until(lambda: wrong or acceptor.handshakes >= before + 2, "new connections")
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]
    assert acceptor.refused == 0
    assert {line["EAS_ATTEMPTS"] for line in one.access(len(acceptor.users))} == {"1"}


def test_certificate_changes_while_a_phone_is_connected(gateway, strict, certificate, phone):
    acceptor = strict()
    gateway(target=TARGET)
    with phone("alice").connect() as connection:
        assert seen(connection.command("Sync")) == ALICE
        acceptor.present(certificate())
        acceptor.drop()
        assert seen(connection.command("Sync")) == ALICE
    assert (acceptor.refused, acceptor.handshakes) == (0, 2)


def test_http2_streams_are_bound_too(gateway, strict, phone):
    acceptor = strict()
    gateway(target=TARGET, modules=["http2"], vhost="Protocols h2 http/1.1")
    answers = phone("alice").parallel(
        [dict(path=PATH + "?Cmd=Sync", body=b"x" * 1000) for _ in range(10)])
    assert {seen(one) for one in answers} == {ALICE} and acceptor.refused == 0
