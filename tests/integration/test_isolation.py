# SPDX-License-Identifier: Apache-2.0
"""A back-end connection belongs to one account.

The back end here keeps the first identity of a TCP connection, as IIS does with authPersistNonNTLM,
at its worst: whoever shares a connection is answered as somebody else.
"""
import base64
import concurrent.futures
import contextlib
import threading

import gssapi
import pytest

from lab import soak
from lab.phone import PATH
from lab.process import run, wait_until
from test_body import head
from shared import place

USERS = ("alice", "bob", "carol", "dave")


@pytest.fixture
def towards_keeper(gateway, keeper):
    """Makes a gateway in front of the keeper."""
    def make(**knobs):
        return gateway(target=keeper.url + " timeout=3600", **knobs)
    return make


@pytest.fixture
def client_tokens(bench, tmp_path):
    """Makes SPNEGO tokens of a user for a back end, as a client with a ticket would."""
    client = bench.kerberos()
    client.kinit(bench.keytab, "gw")

    def make(user, host):
        cache = str(tmp_path / user)
        done = client.impersonate(user, bench.keytab, "HTTP/" + host, cache)
        assert done.returncode == 0, done.stderr
        spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
        credential = gssapi.Credentials(usage="initiate", store={"ccache": "FILE:" + cache},
                                        mechs=[spnego])
        target = gssapi.Name("HTTP/%s@CONTOSO.TEST" % host,
                             gssapi.NameType.kerberos_principal)
        context = gssapi.SecurityContext(name=target, creds=credential, mech=spnego)
        return base64.b64encode(context.step()).decode()
    return make


def full(user):
    return user + "@CONTOSO.TEST"


def sound(keeper):
    """No connection saw two names, no request came without a token."""
    report = keeper.report()
    assert report["foreign_connections"] == 0 and report["foreign_requests"] == 0
    assert report["without_token"] == 0 and report["refused"] == 0 and report["failed"] == 0
    return report


def test_two_users_one_after_the_other(towards_keeper, keeper, phone):
    towards_keeper()
    for user in ("alice", "bob", "alice", "carol", "bob"):
        assert phone(user).options().user == full(user)
    assert sound(keeper)["requests"] == 5


def test_kept_connection_is_used_again_with_a_fresh_token(towards_keeper, keeper, phone):
    towards_keeper()
    with phone("alice").connect() as connection:
        for _ in range(5):
            assert connection.command("Sync").user == full("alice")
    report = sound(keeper)
    assert report["connections"] == 1 and report["tokens"] == 5


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_many_users_at_once(towards_keeper, keeper, phone, mpm):
    towards_keeper(mpm=mpm)
    wrong = []

    def play(user):
        one = phone(user)
        for _ in range(6):
            with one.connect() as connection:
                for _ in range(10):
                    answer = connection.command("Sync", b"x" * 100)
                    if answer.user != full(user):
                        wrong.append((user, answer.status, answer.user, answer.error))

    threads = [threading.Thread(target=play, args=(user,)) for user in USERS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    report = sound(keeper)
    assert report["requests"] == len(threads) * 60
    assert len(USERS) <= report["connections"] <= len(threads) * 6


def test_http2_streams_in_parallel(towards_keeper, keeper, phone):
    towards_keeper(modules=["http2"], vhost="Protocols h2 http/1.1",
                   location="EASCertAuthAccountLimit requests=50")
    paths = [dict(method="POST", path="/Microsoft-Server-ActiveSync?Cmd=Sync", body=b"x" * 1000)
             for _ in range(40)]
    for user in ("alice", "bob"):
        answers = phone(user).parallel(paths, version="2")
        assert {(one.status, one.user, one.version) for one in answers} == {(200, full(user), "2")}
    assert sound(keeper)["requests"] == 80


def test_the_test_sees_the_fault(gateway, keeper, bench, client_tokens):
    """The same acceptor behind a shared pool does mix identities: the tests above can fail."""
    gateway(plain=True, target=keeper.url, processes=1)
    seen = []
    for user in ("alice", "bob"):
        header = {"Authorization": "Negotiate " + client_tokens(user, keeper.hostname)}
        seen.append(bench.phone("alice").options(headers=header).user)
    assert seen == [full("alice"), full("alice")]
    assert keeper.report()["foreign_connections"] == 1


def test_unprotected_path_beside_it_gets_no_private_connection_and_no_token(
        towards_keeper, keeper, phone):
    """An anonymous request to the same back end is never answered as a phone's user."""
    towards_keeper(after="ProxyPass /owa %s/owa" % keeper.url)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
        beside = connection.request("GET", "/owa/")
        assert beside.status == 401 and beside.user is None
        assert connection.command("Sync").user == full("alice")
    report = keeper.report()
    assert report["refused"] == 1 and report["without_token"] == 0


def test_next_connection_of_the_same_phone(towards_keeper, keeper, phone):
    """A back-end connection waits some seconds for its account, and serves nobody else."""
    towards_keeper(processes=1)
    for user in ("alice", "bob", "alice", "carol", "alice", "bob"):
        with phone(user).connect() as connection:
            assert connection.command("Sync").user == full(user)
    report = sound(keeper)
    assert report["connections"] == 3 and report["tokens"] == 6


def test_connection_waits_for_its_own_worker(gateway, keeper, phone):
    """The same account at another worker: nothing that waits is taken up for it."""
    gateway(processes=1, target=keeper.url + " timeout=3600",
            after=place("/other", target=keeper.url + "/owa"))
    for path in ("/Microsoft-Server-ActiveSync", "/other"):
        with phone("alice").connect() as connection:
            assert connection.request("OPTIONS", path).user == full("alice")
    assert sound(keeper)["connections"] == 2


def connections_to(backend):
    """How many the kernel knows, of which the gateway has not closed its side."""
    end = "%s:%d" % (backend.address, backend.port)
    return len(run("ss", "-Htn", "state", "established", "dst", end).stdout.splitlines())


def test_connection_waits_no_longer_than_it_may(towards_keeper, keeper, phone):
    """It ends by the clock, whether anything else happens or not."""
    towards_keeper(processes=1)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    assert connections_to(keeper) == 1
    wait_until(lambda: connections_to(keeper) == 0, "the end of what waits", pause=0.2)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    assert sound(keeper)["connections"] == 2


def test_connections_that_wait_give_way(gateway, backend, phone):
    """A back end that has room for two connections, both of them taken by what waits."""
    small = backend("cas5", mpm="prefork", processes=1, threads=2)
    gateway(processes=1, target=small.url + " timeout=3600")
    for user in ("alice", "bob"):
        assert phone(user).command("Sync").user == full(user)
    assert connections_to(small) == 2
    answer = phone("carol").command("Sync")
    assert answer.user == full("carol") and answer.seconds < 6, str(answer)


def test_http2_streams_of_many_users_at_once(towards_keeper, keeper, phone):
    """A connection each, streams in parallel on all of them, again and again."""
    towards_keeper(**soak.KNOBS)
    asked = [dict(body=b"x" * 1000, headers={"X-Play": "delay=0.01"}) for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(len(USERS)) as pool:
        for _ in range(3):
            work = {user: pool.submit(phone(user).parallel, asked) for user in USERS}
            for user, answers in work.items():
                assert {(one.status, one.user, one.version) for one in answers.result()} == {
                    (200, full(user), "2")}
    assert sound(keeper)["requests"] == 3 * len(USERS) * len(asked)


def test_http2_and_http1_of_one_phone_share_nothing(towards_keeper, keeper, phone):
    towards_keeper(**soak.KNOBS)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
        answers = phone("bob").parallel([dict(body=b"x")] * 5)
        assert {one.user for one in answers} == {full("bob")}
        assert connection.command("Sync").user == full("alice")
    assert 2 <= sound(keeper)["connections"] <= 6


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_resumed_session_brings_its_own_identity_only(towards_keeper, keeper, phone, tls):
    """A session that is resumed beside the connections of others and its own, which are in use."""
    towards_keeper()
    with contextlib.ExitStack() as stack:
        for user in ("alice", "bob"):
            one, last = phone(user), None
            for _ in range(3):
                connection = stack.enter_context(one.connect(tls=tls, resume=last))
                assert connection.resumed == (last is not None)
                assert connection.command("Sync").user == full(user)
                last = connection
        assert sound(keeper)["connections"] == 6


def test_certificate_that_becomes_another_accounts(towards_keeper, keeper, phone, account,
                                                   directory, expect):
    """The name in it moves to another account while the phone's connection is kept: so does the
    identity, and it gets a connection of its own."""
    expect.maybe("EAS0302", "EAS0303", "EAS0310")
    towards_keeper(location="EASCertAuthStrongMapping Off",
                   server="EASCertAuthCacheTTL account=1 negative=1")
    first = account("shift1", upn="shift@contoso.test")
    second = account("shift2", upn="other@contoso.test")
    with phone(first, sid=None, not_before=0).connect() as connection:
        for _ in range(2):
            assert connection.command("Sync").user == full("shift1")
        directory.modify(first.name, userPrincipalName="gone@contoso.test")
        directory.modify(second.name, userPrincipalName="shift@contoso.test")
        wait_until(lambda: connection.command("Sync").user == full("shift2"), "the other account",
                   pause=0.1)
        assert connection.command("Sync").user == full("shift2")
    report = sound(keeper)
    assert report["connections"] == 2 and report["tokens"] == report["requests"]


LEAVES = {"in-the-body": (b"x" * 500, None), "before-the-answer": (b"x" * 1000, None),
          "in-the-answer": (b"x" * 1000, 5000)}


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("leaves", LEAVES)
def test_phone_that_goes_away(towards_keeper, keeper, phone, expect, leaves, how):
    """What it left behind at the back end is nobody else's, not even its own."""
    expect.maybe("EAS0206", "EAS0706")
    towards_keeper(processes=1)
    body, read = LEAVES[leaves]
    for user in USERS:
        connection = phone(user).connect()
        assert connection.command("Sync").user == full(user)
        connection.send(head(PATH, "Content-Length: 1000", "X-Play: size=2000000&delay=0.05") + body)
        if read:
            connection.socket.recv(read)
        getattr(connection, how)()
        with phone(user).connect() as again:
            assert again.command("Sync").user == full(user)
    soak.settle(keeper)
    assert sound(keeper)["connections"] >= len(USERS)


BREAKS = {"closes-after": ("close=1", 200), "closes-before": ("drop=1", 502),
          "closes-inside": ("drop=half&size=5000", 0), "answers-early": ("early=1", 200)}


@pytest.mark.parametrize("breaks", BREAKS)
def test_back_end_that_breaks_off(towards_keeper, keeper, phone, expect, breaks):
    """The next request of the same phone goes on a new connection, with its own name."""
    expect.maybe("EAS0706", "EAS0713")
    towards_keeper(processes=1)
    play, status = BREAKS[breaks]
    for user in USERS:
        with phone(user).connect() as connection:
            assert connection.command("Sync").user == full(user)
            broken = connection.request("POST", PATH, b"x" * 1000, {"X-Play": play})
            assert broken.status == status and broken.user in (None, full(user)), str(broken)
            if status:
                assert connection.command("Sync").user == full(user)
        with phone(user).connect() as connection:
            assert connection.command("Sync").user == full(user)
    sound(keeper)


def test_failover_keeps_identities_apart(gateway, keeper, backend, phone, expect):
    """Two keepers behind a balancer, and one of them ends while connections are kept."""
    expect.maybe("EAS0706", "EAS0713")
    other = backend("cas5", keeper=True)
    gateway(backends=["cas3", "cas5 retry=0"], processes=1)
    connections = {user: phone(user).connect() for user in USERS}
    try:
        for user, connection in connections.items():
            for _ in range(4):
                assert connection.command("Sync").user == full(user)
        assert sound(keeper)["requests"] == 8 and sound(other)["requests"] == 8
        other.stop()
        for user, connection in connections.items():
            for _ in range(4):
                answer = connection.command("Sync")
                assert answer.status == 502 or answer.user == full(user), str(answer)
            assert connection.command("Sync").user == full(user)
    finally:
        for connection in connections.values():
            connection.close()
        other.start()
    assert sound(keeper)["connections"] >= len(USERS)


def test_cookies_go_both_ways_and_no_further(towards_keeper, keeper, phone):
    """Exchange's own X-BackEndCookie, which the stand-in sets as well; nobody keeps it in between."""
    towards_keeper(processes=1)
    with phone("alice").connect() as connection:
        first = connection.request("POST", PATH, b"", {"X-Play": "json=1&header=Set-Cookie:a%3Db",
                                                       "Cookie": "mine=1; X-BackEndCookie=old"})
        set_cookies = first.headers.all("Set-Cookie")
        assert [text.split("=")[0] for text in set_cookies] == ["X-BackEndCookie", "a"]
        assert set_cookies[0].endswith("; path=/Microsoft-Server-ActiveSync; secure; HttpOnly")
        assert ["Cookie", "mine=1; X-BackEndCookie=old"] in first.json["headers"]
        second = connection.request("POST", PATH, b"", {"X-Play": "json=1"})
        assert "a=b" not in second.headers.all("Set-Cookie")
        assert not [name for name, _ in second.json["headers"] if name == "Cookie"]


def test_soak(towards_keeper, keeper, bench, expect):
    """tests/bench/soak is the long form, which can also be run without isolation."""
    expect.maybe("EAS0206", "EAS0706", "EAS0713")
    towards_keeper(**soak.KNOBS)
    phones = {full(user): bench.phone(user) for user in USERS}
    tally = soak.soak(phones, 2500, processes=3)
    report = soak.settle(keeper)
    assert tally.foreign == 0 and tally.refused == 0, tally
    assert tally.requests >= 2500 and tally.aborted > 20 and tally.broken > 5, tally
    assert report["foreign_connections"] == report["foreign_requests"] == 0, report
    assert report["without_token"] == 0 and report["requests"] >= tally.answers, report


def test_connection_that_the_back_end_closes_while_it_waits(towards_keeper, keeper, phone):
    towards_keeper(processes=1)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    keeper.stop()
    keeper.start()
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    assert sound(keeper)["connections"] == 1
