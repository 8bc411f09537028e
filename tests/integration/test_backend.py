# SPDX-License-Identifier: Apache-2.0
"""The leg to Exchange: balancer and fail-over, the back end's certificate, what a refusal leaves behind."""
import contextlib
import os
import socket
import ssl
import threading
from urllib.parse import quote

import pytest

from lab import namespace
from lab.log import Log

@contextlib.contextmanager
def deaf(bench):
    """A back end in the place of cas5 that shows a good certificate and reads nothing after it."""
    name = namespace.host("cas5")
    certificate = bench.servers.issue(name, dns=name, eku=("serverAuth",), key="server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    kept = []
    with socket.create_server((namespace.address("cas5"), 443)) as listening:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(context.wrap_socket(listening.accept()[0], server_side=True))
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


def user_of(answer):
    return answer.status, answer.user


def test_balancer_uses_both_members_with_their_own_spn(gateway, cas1, cas2, phone):
    one = gateway(backends=["cas1", "cas2"])
    for _ in range(4):
        assert user_of(phone("alice").folder_sync()) == (200, "alice@CONTOSO.TEST")
    assert len(cas1.requests()) == 2 and len(cas2.requests()) == 2
    assert {line["EAS_SPN"] for line in one.access(4)} == {
        "HTTP/cas1.contoso.test", "HTTP/cas2.contoso.test"}


def test_dead_member_is_left_out_and_the_body_is_whole(gateway, cas1, phone):
    one = gateway(backends=["cas5", "cas1"])     # nothing listens on cas5
    body = os.urandom(300000)
    answers = [phone("alice").command("SendMail", body) for _ in range(4)]
    assert {user_of(answer) for answer in answers} == {(200, "alice@CONTOSO.TEST")}
    assert [len(body)] * 4 == [request["length"] for request in cas1.requests()]
    assert "2" in {line["EAS_ATTEMPTS"] for line in one.access(4)}


def test_all_members_dead(gateway, phone, expect):
    expect("EAS0705")
    one = gateway(backends=["cas5", "cas5:8443"])
    answer = phone("alice").folder_sync()
    assert answer.status == 503 and answer.headers.get("Retry-After") == "30"
    assert one.access()[0]["EAS_REASON"] == "EAS0705"


def test_cold_failures_leave_the_members_usable(gateway, cas1, phone, expect):
    """A refusal of the KDC is not the member's fault: mod_proxy neither marks it nor tries the next."""
    expect("EAS0609")
    one = gateway(backends=["cas4", "cas1"])     # cas4 is not in the gateway's delegation list
    seen = [phone("alice").folder_sync().status for _ in range(6)]
    assert sorted(seen) == [200, 200, 200, 403, 403, 403]
    assert len(cas1.requests()) == 3
    refused = [line for line in one.access(6) if line["EAS_REASON"] == "EAS0609"]
    assert {line["EAS_SPN"] for line in refused} == {"HTTP/cas4.contoso.test"}
    assert {line["EAS_ATTEMPTS"] for line in refused} == {"1"}


DAY = 86400
WRONG = {
    "authority": ("EAS0720", {"ca": "Stranger CA"}),
    "intermediate": ("EAS0720", {"alone": True}),
    "expired": ("EAS0721", {"not_before": -2 * DAY, "not_after": -DAY}),
    "not yet": ("EAS0721", {"not_before": DAY, "not_after": 2 * DAY}),
    "name": ("EAS0722", {"dns": "elsewhere.contoso.test"}),
    "name in the CN": ("EAS0722", {"dns": "elsewhere.contoso.test", "subject": "cas5.contoso.test"}),
    "usage": ("EAS0703", {"eku": ("clientAuth",)}),
}


def untouched(server):
    """Nobody has spoken HTTP to it, with or without a token."""
    return server.records() == [] and Log(os.path.join(server.folder, "access.log")).lines(0) == []


@pytest.mark.parametrize("fault", WRONG)
def test_back_end_with_a_wrong_certificate_gets_no_token(gateway, backend, bench, phone, expect, fault):
    number, shape = WRONG[fault]
    expect(number)
    name = namespace.host("cas5")
    authority = bench.pki.authority(shape["ca"]) if "ca" in shape else bench.servers
    shape = {"subject": name, "dns": name, "eku": ("serverAuth",), "key": "server", **shape}
    alone = shape.pop("alone", False)
    shape.pop("ca", None)
    made = authority.issue(shape.pop("subject"), **shape)
    wrong = backend("cas5", certificate=made.certificate if alone else made.chain, key=made.key)
    # The root alone: what is between it and the server's certificate is the server's to send.
    one = gateway(target="https://cas5.contoso.test timeout=3600",
                  servers=bench.root.certificate if alone else bench.servers.bundle)
    answer = phone("alice").folder_sync()
    assert answer.status == 502 and answer.user is None
    assert one.access()[0]["EAS_REASON"] == number
    line = [entry.line for entry in one.error_log.entries(0) if entry.number == number]
    assert len(line) == 1 and name in line[0] and "no token was sent" in line[0]
    assert untouched(wrong)


WANTING = """SSLVerifyClient %s
  SSLVerifyDepth 3
  SSLCACertificateFile %s"""


@pytest.mark.parametrize("tls", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("shown, said", [
    ("good", None), ("none", "it was shown none"), ("stranger", "it was shown none"),
    ("expired", "it did not like the one it was shown: certificate expired")])
def test_back_end_that_wants_a_certificate(gateway, backend, bench, phone, expect, tls, shown, said):
    """mod_ssl shows what is issued by one of the CAs that the back end names, or nothing."""
    authority = bench.pki.authority("Stranger CA") if shown == "stranger" else bench.servers
    mine = authority.issue("gateway.contoso.test", key="gateway",
                           not_after=-60 if shown == "expired" else 86400)
    server = backend("cas5", more=WANTING % ("require", bench.servers.bundle))
    lines = ["SSLProxyMachineCertificateFile " + mine.both] if shown != "none" else []
    one = gateway(target="https://cas5.contoso.test timeout=3600",
                  vhost=["SSLProxyProtocol -all +" + tls, *lines])
    answer = phone("alice").folder_sync()
    if said is None:
        assert user_of(answer) == (200, "alice@CONTOSO.TEST")
        return
    expect("EAS0723")
    assert answer.status == 502 and answer.user is None
    assert one.access()[0]["EAS_REASON"] == "EAS0723"
    assert said in one.error_log.text(0)
    assert server.records() == []


def test_back_end_that_would_like_a_certificate(gateway, backend, bench, phone):
    """It asks and goes on without."""
    backend("cas5", more=WANTING % ("optional", bench.servers.bundle))
    gateway(target="https://cas5.contoso.test timeout=3600")
    assert user_of(phone("alice").folder_sync()) == (200, "alice@CONTOSO.TEST")


# ---- cookies -------------------------------------------------------------------------------------

def test_cookies_pass_unchanged(gateway, cas1, cas2, phone):
    """Exchange's own X-BackEndCookie and others, both ways, through a balancer."""
    gateway(backends=["cas1 route=one", "cas2 route=two"],
            target="balancer://exchange stickysession=route")
    sent = "X-BackEndCookie=S-1-5-21-1~u56Lnp2ejJqBmsiZ; path=/x; route=.two; a=\"b c\"; =;; e"
    given = ["Set-Cookie:X-BackEndCookie=rO0ABXNy=%3d; expires=Tue, 01-Jan-2030 00:00:00 GMT; path=/"
             "Microsoft-Server-ActiveSync; secure; HttpOnly", "Set-Cookie: route=.one; Path=/; X=\"y\""]
    answer = phone("alice").command("Sync", headers={"Cookie": sent,
                                                     "X-Play": "&".join("header=" + quote(one)
                                                                        for one in given)})
    assert user_of(answer) == (200, "alice@CONTOSO.TEST")
    assert [value for name, value in cas2.requests()[0]["headers"] if name == "Cookie"] == [sent]
    assert [one.partition(":")[2].strip() for one in given] == [
        value for value in answer.headers.all("Set-Cookie") if "actas1" not in value]


def test_sticky_sessions_with_private_connections(gateway, cas1, cas2, phone):
    """Each of the two members has one connection for the phone's, and the cookie chooses."""
    one = gateway(backends=["cas1 route=one", "cas2 route=two"],
                  target="balancer://exchange stickysession=route")
    with phone("alice").connect() as connection:
        seen = []
        for route in ["one", "two", "two", "one", "one", "two"]:
            answer = connection.command("Sync", headers={"Cookie": "route=x." + route})
            assert user_of(answer) == (200, "alice@CONTOSO.TEST")
            seen.append((answer.headers.get("X-Backend"),
                         answer.headers.get("X-Backend-Connection").rpartition("-")[2]))
    assert [name for name, _ in seen] == ["cas%d.contoso.test" % number for number in (
        1, 2, 2, 1, 1, 2)]
    assert len(set(seen)) == 2
    assert [line["EAS_SPN"] for line in one.access(6)] == ["HTTP/" + name for name, _ in seen]


def test_spn_that_the_kdc_does_not_know(gateway, phone, expect, bench):
    expect("EAS0610")
    gateway(target="https://mail2.contoso.test timeout=3600")
    answer = phone("alice").folder_sync()
    assert answer.status == 503 and "Retry-After" in answer.headers


def test_back_end_that_is_slow(gateway, cas1, phone, expect):
    expect("EAS0706", "EAS0044")
    gateway(target="https://cas1.contoso.test timeout=1")
    cas1.play_next(delay=4)
    assert phone("alice").folder_sync().status == 502
    assert user_of(phone("alice").folder_sync()) == (200, "alice@CONTOSO.TEST")


def test_held_ping(gateway, backend, phone):
    """Silent for longer than Timeout; the worker's own timeout counts."""
    backend("cas5", ping=3)
    gateway(target="https://cas5.contoso.test timeout=3600", server="Timeout 2")
    answer = phone("alice").ping(heartbeat=60)
    assert user_of(answer) == (200, "alice@CONTOSO.TEST") and answer.seconds >= 3, answer


def test_back_end_that_hangs_in_the_handshake_is_left_out(gateway, cas1, phone):
    """It accepts the connection and says nothing: not a stranger, but as good as dead, and long
    before the worker's timeout."""
    with socket.create_server((namespace.address("cas5"), 443)):
        one = gateway(backends=["cas5 connectiontimeout=1 timeout=3600", "cas1"])
        assert [user_of(phone("alice").folder_sync()) for _ in range(3)] == [
            (200, "alice@CONTOSO.TEST")] * 3
    assert "2" in {line["EAS_ATTEMPTS"] for line in one.access(3)}
    assert len(cas1.requests()) == 3


@pytest.mark.eas("EAS0044", "EAS0707")
def test_back_end_that_reads_no_body(gateway, phone, bench):
    gateway(target="https://cas5.contoso.test timeout=1")
    with deaf(bench):
        assert phone("alice").command("SendMail", os.urandom(8000000)).status == 504


REWRITTEN = {"http": ("http://cas1.contoso.test/", "EAS0704"),
             "address": ("https://[::1]/", "EAS0708"),
             "no worker": ("https://cas1.contoso.test/Microsoft-Server-ActiveSync", None)}


@pytest.mark.parametrize("case", REWRITTEN)
def test_target_that_no_check_of_the_configuration_sees(gateway, cas1, phone, expect, case):
    """A rewrite rule may compute its target: what comes of it is judged before a token is made."""
    target, number = REWRITTEN[case]
    expect.maybe("EAS0022")
    one = gateway(modules=["rewrite"], vhost=[
        "SetEnvIf Request_URI . target=" + target, "RewriteEngine On",
        "RewriteRule ^ %{ENV:target} [P]"])
    answer = phone("alice").folder_sync()
    if number:
        expect(number)
        assert answer.status == 502 and cas1.records() == []
    else:
        assert user_of(answer) == (200, "alice@CONTOSO.TEST")
        assert one.access()[0]["EAS_SPN"] == "HTTP/cas1.contoso.test"
