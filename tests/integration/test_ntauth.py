# SPDX-License-Identifier: Apache-2.0
"""The forest's NTAuthCertificates: which CA may issue certificates for its accounts.

The domain of the bench names one: "Contoso Issuing CA", below "Contoso Root CA", which mod_ssl
trusts as well.
"""
import concurrent.futures
import os
import time

import pytest

from lab.directory import NTAUTH
from lab.process import wait_until
from shared import bare, place
from test_outage import DIRECTORY_DOWN
from test_shared import (ONE, flipped, key_file, new_process, redis, running,  # noqa: F401
                         with_redis)

ALICE = (200, "alice@CONTOSO.TEST")
SOON = "EASCertAuthCacheTTL ntauth=1"


@pytest.fixture
def ntauth(bench, directory):
    """ntauth(ca, ...): the values of cACertificate, Authorities or bytes; ntauth(): no object."""
    def say(*values):
        if bench.directory.exists(NTAUTH):
            bench.directory.delete(NTAUTH)
        if values:
            bench.directory.add_ntauth([value if isinstance(value, bytes) else value.own.der
                                        for value in values])
    yield say
    say(bench.clients)


@pytest.fixture
def trusting(bench, gateway, tmp_path):
    """A gateway whose mod_ssl trusts these CAs beside the usual ones, with a place that does not
    ask for NTAuth."""
    def make(*authorities, **knobs):
        def joined(name, paths):
            path = tmp_path / name
            path.write_text("".join(open(one, encoding="ascii").read() for one in paths))
            for folder in (tmp_path, *tmp_path.parents[:3]):
                os.chmod(folder, 0o755)
            return str(path)
        return gateway(
            clients=joined("cas.pem", [bench.clients.bundle] + [ca.bundle for ca in authorities]),
            crl=joined("crls.pem", [bench.crl] + [ca.crl() for ca in authorities]),
            after=place("/off", "EASCertAuthNTAuth Off"), **knobs)
    return make


def seen(answer):
    return answer.status, answer.user


def refused(answer, server, number, status=403):
    """Refused by number, and the phone is told nothing but the status."""
    assert answer.status == status and answer.error == "", str(answer)
    bare(answer)
    logged(server, number)


def logged(server, number):
    """httpd writes the line after the answer."""
    wait_until(lambda: server.access()[-1]["EAS_REASON"] == number, "the line with " + number)


def readings(bench, mark):
    """How often NTAuth was asked for since the mark."""
    return len([one for one in bench.directory.searches(mark) if one["base"] == NTAUTH])


def searched(bench, mark, name):
    """Searches for an account, by a name in its certificate, since the mark."""
    return [one for one in bench.directory.searches(mark) if name in one["filter"]]


# ---- who is let in -------------------------------------------------------------------------------

def test_read_once_and_then_remembered(bench, gateway, phone):
    server = gateway(processes=1)
    mark = bench.directory.mark()
    alice = phone("alice", server)
    with alice.connect() as connection:
        assert seen(connection.request("OPTIONS")) == ALICE
        with alice.connect(resume=connection) as second:
            assert second.resumed and seen(second.request("OPTIONS")) == ALICE
        wait_until(lambda: readings(bench, mark) == 1, "the reading is logged")
        mark = bench.directory.mark()
        for _ in range(3):
            assert seen(connection.request("OPTIONS")) == ALICE
    assert phone("bob", server).options().status == 200
    # What was asked last is in the log, so what was asked before is, too.
    wait_until(lambda: searched(bench, mark, "bob"), "the search for bob")
    assert len(bench.directory.searches(mark)) == 1


def test_first_requests_at_once_read_it_once(bench, gateway, phone):
    server = gateway(processes=1)
    mark = bench.directory.mark()
    phones = [phone(name, server) for name in ("alice", "bob", "carol", "many")]
    with concurrent.futures.ThreadPoolExecutor(len(phones)) as pool:
        answers = list(pool.map(lambda one: one.options().status, phones))
    assert answers == [200] * len(phones)
    wait_until(lambda: readings(bench, mark) == 1, "the reading is logged")


def test_off_asks_nobody(bench, gateway, phone, ntauth):
    ntauth()
    server = gateway(location="EASCertAuthNTAuth Off")
    mark = bench.directory.mark()
    assert seen(phone("alice", server).options()) == ALICE
    wait_until(lambda: searched(bench, mark, "alice"), "the search for alice")
    assert readings(bench, mark) == 0


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_same_name_and_another_key(bench, trusting, phone, expect, account, kind):
    """mod_ssl trusts both. Nobody is looked for in the name of the wrong one."""
    expect("EAS0114")
    twin = bench.pki.authority("Contoso Issuing CA", issuer=bench.root, key="nt-twin", kind=kind)
    server, one = trusting(twin), account()
    assert seen(phone("alice", server).options()) == ALICE
    mark = bench.directory.mark()
    strange = bench.phone(bench.certificate(one, ca=twin), gateway=server)
    refused(strange.options(), server, "EAS0114")
    assert "1 CA certificates and 0 values" in server.error_log.text()
    assert phone("carol", server).options().status == 200
    wait_until(lambda: searched(bench, mark, "carol"), "the search for carol")
    assert searched(bench, mark, one.name) == []
    assert strange.options(path="/off").user == one.name + "@CONTOSO.TEST"
    assert searched(bench, mark, one.name) != []
    refused(strange.options(), server, "EAS0114")


def test_only_the_root_is_named(bench, gateway, phone, ntauth, expect):
    """It is the CA that issued it which counts, not one above."""
    expect("EAS0114")
    ntauth(bench.root)
    server = gateway(after=place("/off", "EASCertAuthNTAuth Off"))
    refused(phone("alice", server).options(), server, "EAS0114")
    assert seen(phone("alice", server).options(path="/off")) == ALICE


def test_ca_below_one_that_is_named(bench, trusting, phone, ntauth, expect):
    expect("EAS0114")
    below = bench.pki.authority("Contoso Phones CA", issuer=bench.clients)
    server = trusting(below, vhost=SOON)
    one = phone(bench.certificate("alice", ca=below), server)
    refused(one.options(), server, "EAS0114")
    ntauth(bench.clients, below)
    wait_until(lambda: seen(one.options()) == ALICE, "the CA is known")


def test_ca_that_is_not_valid_now(bench, gateway, phone, ntauth, expect):
    """Renewed with its old key, of which the forest was not told."""
    expect("EAS0114")
    past, later = (bench.pki.authority("Contoso Issuing CA", issuer=bench.root, not_before=begin,
                                       not_after=end)
                   for begin, end in ((-20 * 86400, -86400), (86400, 20 * 86400)))
    ntauth(past, later)
    server = gateway(vhost=SOON)
    refused(phone("alice", server).options(), server, "EAS0114")
    ntauth(past, bench.clients, later)
    wait_until(lambda: seen(phone("alice", server).options()) == ALICE, "the renewed CA is known")


# ---- what one process knows, the others know ------------------------------------------------------

def test_new_process_asks_nothing(bench, gateway, phone, ntauth):
    """What another one has read serves its time, and no longer than it would have there."""
    server = gateway(processes=1)
    assert seen(phone("alice", server).options()) == ALICE
    ntauth()
    mark = bench.directory.mark()
    new_process(server)
    for name in ("alice", "bob"):
        assert phone(name, server).options().status == 200
    wait_until(lambda: searched(bench, mark, "bob"), "the search for bob")
    assert readings(bench, mark) == 0


def test_change_is_seen_by_a_new_process_in_time(bench, gateway, phone, ntauth, expect):
    expect("EAS0114")
    server = gateway(processes=1, vhost="EASCertAuthCacheTTL ntauth=3")
    alice = phone("alice", server)
    assert seen(alice.options()) == ALICE
    begin = time.monotonic()
    ntauth(bench.servers)
    new_process(server)
    assert seen(alice.options()) == ALICE
    wait_until(lambda: alice.options().status == 403, "the CA is gone", 20)
    # A machine may be busy; that the time did not begin anew is what is claimed.
    assert time.monotonic() - begin < 3 + 2


def test_nothing_is_known_without_a_shared_cache(gateway, directory, phone, expect):
    """Nobody is let in who cannot be judged."""
    expect.maybe(*DIRECTORY_DOWN)
    server = gateway(processes=1, vhost=["EASCertAuthRetryAfter 7", "EASCertAuthCache none"])
    alice = phone("alice", server)
    assert seen(alice.options()) == ALICE
    directory.stop()
    assert seen(alice.options()) == ALICE
    new_process(server)
    assert unavailable(alice.options())


def of_ntauth(redis, before):
    """The record of NTAuth, when nothing else has come into the Redis since."""
    (key, value), = [one for one in redis.records().items() if one[0] not in before]
    return key, value


def test_tampered_record(bench, gateway, phone, redis, key_file, expect):
    """A miss with its number, and the directory is asked; another record in its place as well."""
    expect("EAS0803", "EAS0804")
    server = gateway(**with_redis(redis, key_file(ONE), location=(),
                                  after=place("/off", "EASCertAuthNTAuth Off")))
    alice = phone("alice", server)
    assert seen(alice.options(path="/off")) == ALICE
    others = redis.records()
    assert len(others) == 2
    assert seen(alice.options()) == ALICE
    key, value = of_ntauth(redis, others)
    for wrong, number in ((flipped(40)(value), "EAS0803"), (b"hello", "EAS0804"),
                          *((other, "EAS0803") for other in others.values())):
        redis.put({key: wrong})
        server.mark()
        mark = bench.directory.mark()
        new_process(server)
        assert seen(alice.options()) == ALICE
        assert set(server.numbers()) == {number}
        wait_until(lambda m=mark: readings(bench, m) == 1, "the directory is asked")
    mark = bench.directory.mark()
    new_process(server)
    assert seen(alice.options()) == ALICE and readings(bench, mark) == 0


def test_record_that_was_lost_is_put_back(gateway, phone, redis, key_file):
    """Full memory throws out what is oldest; new processes need it all the same."""
    server = gateway(**with_redis(redis, key_file(ONE), "EASCertAuthCacheTTL ntauth=20",
                                  location=()))
    alice = phone("alice", server)
    assert seen(alice.options()) == ALICE
    before = redis.records()
    redis.flush()
    wait_until(lambda: seen(alice.options()) == ALICE and redis.records(), "it is back", 10)
    key, _ = of_ntauth(redis, {})
    assert key in before


def test_record_that_was_brought_back(gateway, phone, redis, key_file, expect):
    """The record of before a change, which would still serve, does not undo the change."""
    expect("EAS0806")
    server = gateway(**with_redis(redis, key_file(ONE), "EASCertAuthCacheTTL ntauth=1",
                                  location=()))
    alice = phone("alice", server)
    assert seen(alice.options()) == ALICE
    old, end = redis.records(), time.monotonic() + 4
    wait_until(lambda: alice.options().status == 200 and time.monotonic() > end, "four seconds", 20)
    key, = [key for key, value in redis.records().items() if old[key] != value]

    def refused():
        redis.put({key: old[key]})
        assert seen(alice.options()) == ALICE
        return "EAS0806" in server.numbers()
    wait_until(refused, "the old record is seen")


# ---- changes ---------------------------------------------------------------------------------------

def test_removed_and_added(bench, gateway, phone, ntauth, expect):
    expect("EAS0114")
    server = gateway(vhost=SOON)
    with phone("alice", server).connect() as connection:
        for _ in range(2):
            assert seen(connection.request("OPTIONS")) == ALICE
            ntauth(bench.servers)
            wait_until(lambda: connection.request("OPTIONS").status == 403, "the CA is gone")
            logged(server, "EAS0114")
            ntauth(bench.servers, bench.clients)
            wait_until(lambda: connection.request("OPTIONS").status == 200, "it is back")


def test_what_is_remembered_serves_its_time(bench, gateway, phone, ntauth):
    server = gateway(processes=1)
    assert seen(phone("alice", server).options()) == ALICE
    ntauth()
    assert seen(phone("alice", server).options()) == ALICE
    assert phone("bob", server).options().status == 200


@pytest.mark.parametrize("values", [(), (b"\0",), (b"\0", b"garbage")],
                         ids=["no-object", "placeholder", "no-certificates"])
def test_nobody_is_named(bench, gateway, phone, ntauth, expect, values):
    expect("EAS0115")
    ntauth(*values)
    server = gateway(vhost=SOON)
    refused(phone("alice", server).options(), server, "EAS0115")
    assert "0 CA certificates and %d values" % len(values) in server.error_log.text()
    ntauth(*values, bench.clients)
    wait_until(lambda: seen(phone("alice", server).options()) == ALICE, "the CA is known")


# ---- what cannot be read -----------------------------------------------------------------------------

def unavailable(answer):
    return answer.status == 503 and answer.headers.get("Retry-After") == "7"


def test_more_than_is_understood(bench, gateway, phone, ntauth, expect):
    """A part is not taken for the whole, and what was never read lets nobody in."""
    expect("EAS0409")
    many = [b"%d" % number for number in range(256)]
    ntauth(bench.clients, *many)
    server = gateway(vhost=[SOON, "EASCertAuthRetryAfter 7"])
    answer = phone("alice", server).options()
    assert unavailable(answer)
    refused(answer, server, "EAS0409", 503)
    ntauth(bench.clients, *many[:-1])
    wait_until(lambda: seen(phone("alice", server).options()) == ALICE, "it is understood")


def test_directory_down_at_start(gateway, directory, phone, expect):
    """The number is that of the cause."""
    expect.maybe(*DIRECTORY_DOWN)
    directory.stop()
    server = gateway(vhost="EASCertAuthRetryAfter 7")
    answer = phone("alice", server).options()
    assert unavailable(answer)
    assert server.access()[-1]["EAS_REASON"] in DIRECTORY_DOWN
    directory.start()
    wait_until(lambda: seen(phone("alice", server).options()) == ALICE, "the gateway recovers", 20)


def test_directory_down_later(gateway, directory, phone, expect):
    """What was read before serves on, said once by each process, a new one too; but not for ever."""
    expect("EAS0411", "EAS0410")
    expect.maybe(*DIRECTORY_DOWN)
    server = gateway(processes=1, vhost=[SOON, "EASCertAuthRetryAfter 7"])
    alice = phone("alice", server)
    assert seen(alice.options()) == ALICE
    directory.stop()

    def kept(processes):
        assert seen(alice.options()) == ALICE
        return server.numbers().count("EAS0411") == processes
    wait_until(lambda: kept(1), "the refresh fails", pause=0.1)
    new_process(server)
    wait_until(lambda: kept(2), "the refresh of the new process fails", pause=0.1)
    wait_until(lambda: alice.options().status == 503, "it is too old", 20, pause=0.2)
    answer = alice.options()
    assert unavailable(answer)
    refused(answer, server, "EAS0410", 503)
    assert server.numbers().count("EAS0411") == 2
    directory.start()
    wait_until(lambda: seen(alice.options()) == ALICE, "the gateway recovers", 20)
