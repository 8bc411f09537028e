# SPDX-License-Identifier: Apache-2.0
"""Virtual hosts of different rules on one address, and a certificate over time: TLS was set up for
one of them, once; a request is for any of them, later."""
import ctypes
import re
import socket
import ssl

import pytest

from lab import h2, namespace
from lab.phone import PATH, Answer, Connection, whole
from shared import (  # noqa: F401
    BACKEND, Untouched, bare, cards, logged, phone, place, refused, resting, settled, site,
    standing, untouched)

LAX, OTHER = "lax.contoso.test", "partner.contoso.test"
HOST, KEEPER = "mail.contoso.test", "https://cas3.contoso.test"
INSECURE = "SSLVHostSNIPolicy insecure"


class Line(Connection):
    """A connection that names one host to TLS (None: no name) and another in its requests."""

    def __init__(self, phone, sni, tls=None, resume=None):
        context = resume.context if resume else ssl.create_default_context(cafile=phone.ca)
        context.check_hostname = False
        if tls and not resume:
            version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls]
            context.minimum_version = context.maximum_version = version
        if phone.certificate is not None and not resume:
            context.load_cert_chain(phone.certificate.chain, phone.certificate.key)
        self.phone, self.context = phone, context
        raw = socket.create_connection((phone.address, phone.port), 20)
        self.socket = context.wrap_socket(raw, server_hostname=sni,
                                          session=resume.session if resume else None)
        self._http = type("", (), {"sock": self.socket, "close": lambda *_: None})()

    def ask(self, host, path=PATH):
        """OPTIONS, or why there was no answer."""
        try:
            self.send(("OPTIONS %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host)).encode())
        except OSError as problem:
            return Answer(error=str(problem))
        return self.answer("OPTIONS")


def vhost(name, certificate, clients):
    """A virtual host beside that of the gateway, which protects nothing."""
    return ["<VirtualHost %s:8443>" % namespace.address("mail"),
            "  ServerName " + name, "  SSLEngine on", "  SSLCertificateFile " + certificate.chain,
            "  SSLCertificateKeyFile " + certificate.key, "  SSLVerifyClient optional",
            "  SSLVerifyDepth 3", "  SSLCACertificateFile " + clients,
            "</VirtualHost>"]


@pytest.fixture(scope="module")
def facts(bench):
    """A certificate that is revoked, one of a CA that only the lax host trusts, and both hosts'."""
    class Facts:
        revoked = bench.certificate("alice")
        partner = bench.pki.authority("Partner CA")
        foreign = bench.certificate("alice", ca=partner)
        server = bench.servers.issue(HOST, dns=[HOST, LAX, OTHER],
                                     eku=("serverAuth",), key="server")
        crl = bench.clients.crl([revoked])
        both = bench.folder + "/both.pem"
    with open(Facts.both, "w", encoding="ascii") as file:
        for path in (bench.clients.bundle, Facts.partner.bundle):
            with open(path, encoding="ascii") as one:
                file.write(one.read())
    return Facts


@pytest.fixture(scope="module", params=["secure", "insecure"])
def hosts(bench, facts, request):
    """The strict host has the gateway's rules; the lax one comes first and checks no revocation."""
    policy = [INSECURE] if request.param == "insecure" else ["# mod_ssl's own rule"]
    made = resting(bench, port=8443, crl=facts.crl, modules=["http2"],
                   certificate=facts.server.chain, key=facts.server.key,
                   location="EASCertAuthNTAuth Off",
                   server=policy + ["Protocols h2 http/1.1"]
                   + vhost(LAX, facts.server, bench.clients.bundle)
                   + vhost(OTHER, facts.server, facts.both))
    yield made
    bench.forget(made)



SNI = {"lax": LAX, "none": None, "partner": OTHER, "unknown": "nobody.contoso.test"}


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("certificate,sni", [
    ("revoked", "lax"), ("revoked", "none"), ("revoked", "unknown"), ("foreign", "partner")])
def test_handshake_for_another_host(hosts, facts, phone, untouched, expect, certificate, sni, tls):
    """The lax host asks for no CRL, the partner's trusts one CA more; Host names the strict one."""
    if INSECURE in hosts.server:
        expect("EAS0231")
    one = phone(getattr(facts, certificate), hosts)
    hosts.mark()
    with Line(one, SNI[sni], tls) as line:
        answer = line.ask(HOST)
        assert answer.status == 421, answer
        bare(answer)
    untouched.check()
    assert set(hosts.numbers()) == expect.required


@pytest.mark.parametrize("certificate,sni", [("revoked", "lax"), ("foreign", "partner")])
def test_stream_for_another_host(bench, hosts, facts, untouched, expect, certificate, sni):
    """HTTP/2 lets a client use one connection for all names of a certificate (RFC 9113 9.1.1)."""
    if INSECURE in hosts.server:
        expect("EAS0231")
    hosts.mark()
    one = bench.phone(getattr(facts, certificate), hosts, host=SNI[sni])
    with h2.Connection(one) as connection:
        for host, status in ((SNI[sni], 404), (HOST, 421)):
            assert connection.ask([(":method", "POST"), (":scheme", "https"), (":authority", host),
                                   (":path", whole("POST", PATH))]).status == status
    untouched.check()
    assert set(hosts.numbers()) == expect.required


def assert_alert(one, earlier):
    """The session of that connection is not taken up, and a new handshake fails."""
    try:
        with Line(one, HOST, resume=earlier) as line:
            assert not line.resumed
            answer = line.ask(HOST)      # TLS 1.3: the alert comes with the answer
            assert answer.status == 0 and "alert" in answer.error.lower(), answer
    except ssl.SSLError as problem:
        assert "ALERT" in str(problem)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("certificate,sni", [("revoked", "lax"), ("foreign", "partner")])
def test_session_of_another_host(hosts, facts, phone, untouched, certificate, sni, tls):
    """It was good there; here it is not taken up, and the certificate is judged."""
    one = phone(getattr(facts, certificate), hosts)
    with Line(one, SNI[sni], tls) as line:
        assert line.ask(SNI[sni]).status == 200
        assert_alert(one, line)
    untouched.check()


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_good_phone_beside_other_hosts(hosts, phone, tls):
    one = phone("alice", hosts)
    with Line(one, HOST, tls) as line:
        assert line.ask(HOST).user == "alice@CONTOSO.TEST"
        with Line(one, HOST, resume=line) as second:
            assert second.ask(HOST).user == "alice@CONTOSO.TEST" and second.resumed
    with Line(one, LAX, tls) as line:
        assert line.ask(LAX).status == 200


# ---- the certificate over time -------------------------------------------------------------------

@pytest.mark.parametrize("tickets", ["On", "Off"])
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_ca_withdrawn_by_a_reload(bench, gateway, facts, phone, cas1, tls, tickets):
    """Neither kept connections nor sessions of the time before outlive a graceful reload."""
    server = gateway(clients=facts.both, location="EASCertAuthNTAuth Off",
                     vhost="SSLSessionTickets " + tickets)
    one = phone(facts.foreign, server)
    with Line(one, HOST, tls) as kept:
        assert kept.ask(HOST).user == "alice@CONTOSO.TEST"
        server.clients = bench.clients.bundle
        server.reload()
        assert kept.ask(HOST).status == 0
        assert_alert(one, kept)
    assert len(cas1.requests()) == 1


@pytest.mark.eas("EAS0058")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_session_outlives_a_reload_where_the_key_of_tickets_is_kept(bench, gateway, facts, phone,
                                                                    expect, tls):
    """What configtest warns of: mod_ssl does not look at the certificate again. We do, and ask who
    may issue, but the CA and its CRL were mod_ssl's to judge."""
    key = bench.folder + "/ticket.key"
    with open(key, "wb") as file:
        file.write(b"secret" * 8)
    server = gateway(clients=facts.both, location="EASCertAuthNTAuth Off",
                     vhost="SSLSessionTicketKeyFile " + key)
    one = phone(facts.foreign, server)
    with Line(one, HOST, tls) as kept:
        assert kept.ask(HOST).status == 200
        server.clients = bench.clients.bundle
        server.reload()
        with Line(one, HOST, resume=kept) as second:
            assert second.ask(HOST).status == 200 and second.resumed
        server.location = ""
        server.reload()
        expect("EAS0114")
        with Line(one, HOST, resume=kept) as third:
            assert third.ask(HOST).status == 403 and third.resumed


class Changer:
    """A TLS 1.2 client that shows another certificate in a renegotiation; Python's ssl cannot."""

    def __init__(self, phone):
        self._lib = lib = ctypes.CDLL("libssl.so.3")
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(lib, name).restype = ctypes.c_void_p
        context = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        self._ssl = ctypes.c_void_p(lib.SSL_new(context))
        lib.SSL_ctrl(self._ssl, 124, 0x0303, None)              # SSL_set_max_proto_version: TLS 1.2
        lib.SSL_ctrl(self._ssl, 55, 0, phone.host.encode())     # SSL_set_tlsext_host_name
        self.show(phone.certificate)
        self.socket = socket.create_connection((phone.address, phone.port), 20)
        self.socket.settimeout(None)
        lib.SSL_set_fd(self._ssl, self.socket.fileno())
        assert lib.SSL_connect(self._ssl) == 1

    def show(self, certificate):
        """The certificate of the next handshake."""
        lib = self._lib
        assert lib.SSL_use_certificate_chain_file(self._ssl, certificate.chain.encode()) == 1
        assert lib.SSL_use_PrivateKey_file(self._ssl, certificate.key.encode(), 1) == 1

    def renegotiate(self):
        """Asks for a new handshake; true if there was one."""
        lib = self._lib
        return lib.SSL_renegotiate(self._ssl) == 1 and lib.SSL_do_handshake(self._ssl) == 1 and (
            self.ask() is not None)

    def ask(self, path=PATH):
        """Status and user of OPTIONS; None: the connection has ended."""
        request = ("OPTIONS %s HTTP/1.1\r\nHost: mail.contoso.test\r\n\r\n" % path).encode()
        if self._lib.SSL_write(self._ssl, request, len(request)) <= 0:
            return None
        found, space = b"", ctypes.create_string_buffer(65536)
        while b"\r\n\r\n" not in found:
            count = self._lib.SSL_read(self._ssl, space, len(space))
            if count <= 0:
                return None
            found += space.raw[:count]
        head, _, body = found.partition(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: (\d+)", head)
        while len(body) < int(size[1]):
            body += space.raw[:self._lib.SSL_read(self._ssl, space, len(space))]
        user = re.search(rb"(?i)x-backend-user: (\S+)", head)
        return int(head.split()[1]), user and user[1].decode()


@pytest.fixture(scope="module")
def asking(bench):
    """A gateway that asks for the certificate again in one of its Locations."""
    made = resting(bench, port=9443, target=KEEPER + " timeout=3600", after=place(
        "/again", "SSLVerifyClient require", "EASCertAuthProtocol Any", target=KEEPER + PATH))
    yield made
    bench.forget(made)


def test_another_certificate_in_a_renegotiation(asking, phone, keeper, expect):
    """TLS 1.2: the same connection, another phone. No request is answered as the one before it."""
    asking.mark()
    line = Changer(phone("alice", asking))
    assert line.ask() == (200, "alice@CONTOSO.TEST")
    line.show(phone("bob").certificate)
    assert line.ask("/again") == (200, "bob@CONTOSO.TEST")
    assert line.ask() == (200, "bob@CONTOSO.TEST")
    line.show(phone("carol").certificate)
    assert line.ask("/again") == (200, "carol@CONTOSO.TEST")
    counted = keeper.report()
    assert (counted["foreign_requests"], counted["without_token"]) == (0, 0)
    assert counted["connections"] == 3 and asking.numbers() == []


def test_refused_certificate_in_a_renegotiation(asking, phone, keeper):
    asking.mark()
    line = Changer(phone("alice", asking))
    assert line.ask() == (200, "alice@CONTOSO.TEST")
    line.show(phone("disabled").certificate)
    assert line.ask("/again") == (403, None)
    assert line.ask() == (403, None)
    assert set(asking.numbers()) == {"EAS0501"}
    assert keeper.report()["requests"] == 1


def test_phone_cannot_renegotiate(asking, phone, keeper):
    asking.mark()
    line = Changer(phone("alice", asking))
    assert line.ask() == (200, "alice@CONTOSO.TEST")
    line.show(phone("bob").certificate)
    assert not line.renegotiate()
    assert keeper.report()["requests"] == 1 and asking.numbers() == []
