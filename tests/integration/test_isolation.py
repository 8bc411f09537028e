# SPDX-License-Identifier: Apache-2.0
"""A back-end connection belongs to one account.

The back end here keeps the first identity of a TCP connection, as IIS does with authPersistNonNTLM,
at its worst: whoever shares a connection is answered as somebody else.
"""
import base64
import threading

import gssapi
import pytest

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
    towards_keeper(modules=["http2"], vhost="Protocols h2 http/1.1")
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


def test_connection_that_the_back_end_closes_while_it_waits(towards_keeper, keeper, phone):
    towards_keeper(processes=1)
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    keeper.stop()
    keeper.start()
    with phone("alice").connect() as connection:
        assert connection.command("Sync").user == full("alice")
    assert sound(keeper)["connections"] == 1
