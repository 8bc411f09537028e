# SPDX-License-Identifier: Apache-2.0
"""The leg from the phone: TLS versions, resumed sessions, kept connections, HTTP/2; and httpd's own
shapes: MPMs and the order of LoadModule."""
import pytest

from lab.process import wait_until

ALICE = (200, "alice@CONTOSO.TEST")


def seen(answer):
    return answer.status, answer.user


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_full_and_resumed_session(gateway, phone, tls):
    one = gateway()
    with phone("alice").connect(tls=tls) as first:
        assert seen(first.command("Sync")) == ALICE
        with phone("alice").connect(tls=tls, resume=first) as second:
            assert seen(second.command("Sync")) == ALICE
            assert second.resumed and second.tls == "TLSv" + tls
    assert [line["resumed"] for line in one.access(2)] == ["Initial", "Resumed"]


def test_resumed_session_is_decided_anew(gateway, phone, account, bench, expect):
    """A session that was good says nothing about the account of today."""
    expect("EAS0501")
    gateway(vhost="EASCertAuthCacheTTL account=1")
    user = account()
    certificate = bench.certificate(user)
    with bench.phone(certificate).connect() as first:
        assert first.command("Sync").status == 200
        bench.directory.disable(user.name)
        with bench.phone(certificate).connect(resume=first) as second:
            wait_until(lambda: second.command("Sync").status == 403, "the account is disabled")
            assert second.resumed


def test_kept_connection(gateway, cas1, phone):
    gateway()
    with phone("alice").connect() as connection:
        for _ in range(20):
            assert seen(connection.command("Sync", b"x" * 5000)) == ALICE
    tokens = [dict(request["headers"])["Authorization"] for request in cas1.requests()]
    assert len(tokens) == len(set(tokens)) == 20        # a fresh one each


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_load_order_and_mpm(gateway, phone, mpm, place):
    gateway(mpm=mpm, place=place)
    assert seen(phone("alice").folder_sync()) == ALICE


@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_http2(gateway, phone, cas1, mpm):
    gateway(mpm=mpm, modules=["http2"], vhost="Protocols h2 http/1.1",
            location="EASCertAuthAccountLimit requests=50")
    requests = [dict(method="OPTIONS")] + [
        dict(body=b"x" * size, path="/Microsoft-Server-ActiveSync?Cmd=Sync")
        for size in (0, 1, 100, 70000, 300000)] * 4
    answers = phone("alice").parallel(requests)
    assert {(*seen(one), one.version) for one in answers} == {(*ALICE, "2")}
    lengths = sorted(request["length"] for request in cas1.requests())
    assert lengths == sorted([0] + [0, 1, 100, 70000, 300000] * 4)


def test_http2_refusals(gateway, phone, cas1, expect):
    """A refusal before the body resets the stream, as mod_http2 does for every early answer. What curl
    makes of that depends on what came first; what was decided does not."""
    expect("EAS0102", "EAS0204", "EAS0202")
    one = gateway(modules=["http2"], vhost="Protocols h2 http/1.1",
                  location="EASCertAuthReadAhead 1000")
    phone(None).parallel([dict(body=b"x" * 100000)] * 3)
    assert {line["status"] for line in one.access(3)} == {"403"}
    one.mark()
    answers = phone("alice").parallel([dict(body=b"x" * 100000), dict(method="GET"), dict(body=b"x")])
    assert seen(answers[2]) == ALICE and answers[1].status == 501
    assert sorted(line["status"] for line in one.access(3)) == ["200", "413", "501"]
    assert len(cas1.requests()) == 1


def test_graceful_reload(gateway, phone):
    one = gateway()
    assert seen(phone("alice").folder_sync()) == ALICE
    one.reload()
    assert seen(phone("alice").folder_sync()) == ALICE
