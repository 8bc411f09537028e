# SPDX-License-Identifier: Apache-2.0
"""The shared cache: what one process or gateway learnt serves the others, whatever happens to the
cache is no phone's business, and nobody who writes into it gets anything by that."""
import concurrent.futures
import itertools
import os
import time

import pytest

from shared import cards, phone, place      # noqa: F401 (fixtures)
from lab import namespace
from lab.directory import BASE, USERS
from lab.process import wait_until
from lab.cache import Memcached, Redis

ONE, TWO, THREE = ("%064x" % number for number in (1, 2, 3))
#: Nothing but the accounts themselves is asked of the directory.
QUIET = "EASCertAuthNTAuth Off"
#: A group in which every account is; and one that is not there, asked about first.
EVERYBODY = 'Require eas-group "CN=Domain Users,CN=Users,%s"' % BASE
NO_GROUP = "CN=no such group," + USERS


@pytest.fixture(scope="module")
def running(bench):
    """The Redis of the file."""
    made = Redis(os.path.join(bench.folder, "redis")).start()
    yield made
    made.kill()


@pytest.fixture
def redis(running):
    """An empty Redis."""
    running.flush()
    return running


@pytest.fixture
def key_file(tmp_path):
    """Writes key files, readable for root alone."""
    names = itertools.count()

    def make(*keys):
        path = tmp_path / ("cache-%d.key" % next(names))
        path.write_text("".join(key + "\n" for key in keys))
        os.chmod(path, 0o600)
        return str(path)
    return make


def with_redis(redis, key=None, *lines, **knobs):
    """Knobs of a gateway with that Redis."""
    vhost = ["EASCertAuthCache " + redis.value, *(["EASCertAuthCacheKey " + key] if key else []),
             *lines]
    return {"modules": ["socache_" + redis.name], "vhost": vhost,
            "location": QUIET, "processes": 1, **knobs}


def children(gateway):
    """Process ids of the children that serve requests."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
                words = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue                    # ended meanwhile
        if int(words[1]) == gateway.pid and words[0] not in "ZX":
            found.append(int(pid))
    return found


def gone(pids):
    return not any(os.path.exists("/proc/%d" % pid) for pid in pids)


def new_process(gateway):
    """A graceful restart, until the children of before are gone: a process that remembers nothing."""
    old = children(gateway)
    gateway.reload()
    wait_until(lambda: gone(old), "the old children end", 20)


def other_process(gateway):
    """Ends the children of a prefork httpd; others come in their place."""
    old = children(gateway)
    for pid in old:
        os.kill(pid, 15)
    wait_until(lambda: gone(old) and children(gateway), "a new child of httpd", 20)


def restart(gateway):
    gateway.stop()
    gateway.start()


def source(gateway, phone):
    """Where the ticket of a request came from; the request must succeed."""
    gateway.access_log.mark()
    answer = phone.folder_sync()
    assert answer.status == 200, str(answer)
    return gateway.access()[-1]["EAS_TICKET"]


def asked(directory, mark):
    """What the directory was asked since: searches for accounts, and the KDC's requests."""
    return ([search for search in directory.searches(mark) if "objectClass=user" in
             search["filter"]], directory.kdc_requests(mark))


def grouped(directory, mark):
    """Searches for an account's groups, and for a group, since a mark."""
    found = directory.searches(mark)
    return (len([one for one in found if "<SID=" in one["base"]]),
            len([one for one in found if "groupType" in one["filter"]]))


def of_ticket(records):
    """The longest: that of a ticket.  The others are answers."""
    return max(records, key=lambda key: len(records[key]))


# ---- shared --------------------------------------------------------------------------------------

@pytest.mark.parametrize("turn, mpm", [(new_process, "event"), (other_process, "prefork")])
def test_shared_memory_outlives_processes_and_reloads(gateway, phone, directory, expect, turn, mpm):
    expect("EAS0302")
    one = gateway(location=QUIET, mpm=mpm, processes=1, threads=1)
    nobody = phone("alice", sid="S-1-5-21-1-2-3-4", upn="nobody@contoso.test")
    assert source(one, phone("alice")) == "kdc"
    assert source(one, phone("alice")) == "process"
    assert nobody.folder_sync().status == 403
    turn(one)
    mark = directory.mark()
    assert source(one, phone("alice")) == "shared"
    assert source(one, phone("alice")) == "process"
    assert nobody.folder_sync().status == 403
    assert asked(directory, mark) == ([], [])


@pytest.mark.parametrize("turn, mpm", [(new_process, "event"), (other_process, "prefork")])
def test_groups_outlive_processes_and_reloads(gateway, phone, directory, expect, turn, mpm):
    """With no controller there is: who is a member, who is none, and that a group does not exist."""
    expect("EAS0412", "EAS0511")
    expect.maybe("EAS0401", "EAS0402", "EAS0416")
    one = gateway(mpm=mpm, processes=1, threads=1, location=[QUIET, EVERYBODY],
                  after=place("/none", QUIET, 'Require eas-group "%s"' % NO_GROUP)
                  + place("/not", QUIET, "<RequireAll>", EVERYBODY,
                          EVERYBODY.replace("Require", "Require not"), "</RequireAll>")
                  + place("/free", QUIET))
    alice, bob = phone("alice"), phone("bob")
    mark = directory.mark()
    assert source(one, alice) == "kdc"
    assert [alice.options(path=path).status for path in ("/none", "/not")] == [403, 403]
    assert bob.options(path="/free").status == 200
    assert grouped(directory, mark) == (1, 2)
    directory.kill()
    try:
        turn(one)
        one.mark()
        assert source(one, alice) == "shared"
        assert source(one, alice) == "process"
        assert [alice.options(path=path).status for path in ("/none", "/not")] == [403, 403]
        assert one.numbers() == ["EAS0412", "EAS0511"]
        assert [entry for entry in one.error_log.entries()
                if entry.number == "EAS0412" and "does not exist" in entry.line]
        # Of whom nobody has asked yet, nobody can tell.
        assert bob.options(path="/free").status == 200
        assert bob.options().status == 503
    finally:
        directory.start()
    wait_until(lambda: bob.options().status == 200, "the gateway recovers", 20)


def test_groups_in_several_processes(gateway, phone, directory):
    """With prefork every request may meet another process: one of them asked the directory."""
    one = gateway(mpm="prefork", location=[QUIET, EVERYBODY], processes=1, threads=8)
    mark = directory.mark()
    seen = [source(one, phone("alice")) for _ in range(12)]
    assert seen.count("kdc") == 1 and "shared" in seen
    assert grouped(directory, mark) == (1, 1)


def test_no_shared_cache(gateway, phone):
    one = gateway(vhost="EASCertAuthCache none", location=QUIET, processes=1)
    assert source(one, phone("alice")) == "kdc"
    new_process(one)
    assert source(one, phone("alice")) == "kdc"


def test_start_and_stop_empties_shared_memory(gateway, phone):
    one = gateway(location=QUIET, processes=1)
    assert source(one, phone("alice")) == "kdc"
    restart(one)
    assert source(one, phone("alice")) == "kdc"


def test_changed_size_is_another_memory(gateway, phone):
    one = gateway(location=QUIET, processes=1)
    assert source(one, phone("alice")) == "kdc"
    one.vhost = "EASCertAuthCache shmcb:8M"
    new_process(one)
    assert source(one, phone("alice")) == "kdc"
    new_process(one)
    assert source(one, phone("alice")) == "shared"


def test_redis_outlives_a_restart(gateway, phone, redis, key_file, directory):
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    restart(one)
    mark = directory.mark()
    assert source(one, phone("alice")) == "shared"
    assert asked(directory, mark) == ([], [])


def test_records_are_sealed_and_end_by_themselves(gateway, phone, redis, key_file):
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    records = redis.records()
    assert len(records) == 2
    for key, value in records.items():
        assert key.startswith(b"eas-cba:") and len(key) == 8 + 64
        for secret in (b"alice", b"contoso", b"CONTOSO", b"HTTP", b"cas1"):
            assert secret not in value
    tickets = of_ticket(records)
    for key in records:
        left = redis.ask("TTL", key)
        assert (3500 if key == tickets else 290) <= left <= (3600 if key == tickets else 300)
    # The same record is never sealed the same way twice.
    redis.flush()
    restart(one)
    assert source(one, phone("alice")) == "kdc"
    again = redis.records()
    assert set(again) == set(records)
    assert all(again[key][9:21] != records[key][9:21] for key in again)


def test_two_gateways(gateway, phone, redis, key_file, directory, expect):
    """With one key file they share; with another key they see nothing of each other."""
    expect("EAS0802")
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    two = gateway(**with_redis(redis, key_file(ONE), address=namespace.address("mail2")))
    mark = directory.mark()
    assert source(two, phone("alice", gateway=two)) == "shared"
    assert asked(directory, mark) == ([], [])
    two.stop()
    three = gateway(**with_redis(redis, key_file(TWO), address=namespace.address("mail2")))
    assert source(three, phone("alice", gateway=three)) == "kdc"
    assert "EAS0802" in three.numbers() and "EAS0802" not in one.numbers()


def test_key_file_with_two_keys(gateway, phone, redis, key_file, expect):
    expect("EAS0802")
    path = key_file(ONE)
    one = gateway(**with_redis(redis, path))
    assert source(one, phone("alice")) == "kdc"

    def change(*keys):
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(keys))
        new_process(one)
    change(TWO, ONE)                    # the new one seals, the old one still opens
    assert source(one, phone("alice")) == "shared"
    assert source(one, phone("bob")) == "kdc"
    change(TWO)
    assert source(one, phone("bob")) == "shared"
    assert one.numbers() == []
    assert source(one, phone("alice")) == "kdc"
    assert set(one.numbers()) == {"EAS0802"}
    change(THREE, TWO)
    assert source(one, phone("alice")) == "shared"


def test_other_answers_of_the_directory_are_not_shared(gateway, phone, redis, key_file, directory):
    """Another search base is another question."""
    key = key_file(ONE)
    one = gateway(**with_redis(redis, key))
    assert source(one, phone("alice")) == "kdc"
    two = gateway(**with_redis(redis, key, "EASCertAuthLDAPBase DC=contoso,DC=test",
                               address=namespace.address("mail2")))
    mark = directory.mark()
    assert source(two, phone("alice", gateway=two)) == "shared"        # the ticket is the same
    assert len(asked(directory, mark)[0]) == 1


CHANGES = {
    "disabled": ("EAS0501", lambda directory, user, group: directory.disable(user.name)),
    "expired": ("EAS0502", lambda directory, user, group: directory.expire(user.name)),
    "left": ("EAS0511", lambda directory, user, group: directory.modify(group, member=[])),
}


@pytest.mark.parametrize("shared, change", [("redis", "disabled"), ("shmcb", "expired"),
                                            ("redis", "left")])
def test_changed_account_is_out_in_time(request, gateway, account, bench, redis, key_file, expect,
                                        shared, change):
    """Also where the ticket is cached, and the facts came from another process or gateway."""
    number, change = CHANGES[change]
    expect(number)
    user = account()
    group = bench.directory.add_group("Out in time", [user.name])
    request.addfinalizer(lambda: bench.directory.delete(group))
    lines = ["EASCertAuthCacheTTL account=3"]
    places = [QUIET, *(['Require eas-group "%s"' % group] if number == "EAS0511" else [])]
    knobs = (with_redis(redis, key_file(ONE), *lines) if shared == "redis"
             else {"vhost": lines, "processes": 1})
    knobs["location"] = places
    one = gateway(**knobs)
    card = bench.certificate(user)
    assert source(one, bench.phone(card)) == "kdc"
    if shared == "redis":
        two = gateway(**{**knobs, "address": namespace.address("mail2")})
    else:
        new_process(one)
        two = one
    assert source(two, bench.phone(card, gateway=two)) == "shared"
    change(bench.directory, user, group)
    begin = time.monotonic()
    wait_until(lambda: bench.phone(card, gateway=two).folder_sync().status == 403,
               "the account is out", 20)
    # A machine may be busy; that the facts were not stretched is what is claimed.
    assert time.monotonic() - begin < 3 + 5


# ---- what others do to the records ---------------------------------------------------------------

def changed(records, change):
    return {key: change(value) for key, value in records.items()}


def flipped(at):
    return lambda value: value[:at] + bytes([value[at] ^ 1]) + value[at + 1:]


TAMPERED = {
    "format": (flipped(0), "EAS0804"),
    "key": (flipped(1), "EAS0802"),
    "nonce": (flipped(9), "EAS0803"),
    "tag": (flipped(21), "EAS0803"),
    "first": (flipped(37), "EAS0803"),
    "last": (lambda value: flipped(len(value) - 1)(value), "EAS0803"),
    "cut": (lambda value: value[:-1], "EAS0803"),
    "longer": (lambda value: value + b"\0", "EAS0803"),
    "head": (lambda value: value[:37], "EAS0804"),
    "byte": (lambda value: value[:1], "EAS0804"),
    "foreign": (lambda value: b"hello", "EAS0804"),
}


def test_tampered_records(gateway, phone, redis, key_file, expect):
    """Each is a miss with its number, for answers and tickets alike; the phone notices nothing."""
    expect("EAS0802", "EAS0803", "EAS0804")
    one = gateway(**with_redis(redis, key_file(ONE)))
    alice = phone("alice")
    assert source(one, alice) == "kdc"
    for name, (change, number) in TAMPERED.items():
        good = redis.records()
        assert len(good) == 2
        redis.put(changed(good, change))
        one.mark()
        new_process(one)
        assert source(one, alice) == "kdc", name
        assert set(one.numbers()) == {number}, name
        # What was wrong was replaced.
        one.mark()
        new_process(one)
        assert source(one, alice) == "shared", name
        assert one.numbers() == [], name


def test_tampered_groups(gateway, phone, directory, redis, key_file, expect):
    """A set of groups, and a group's name: each is asked for anew, whatever is in its place."""
    expect("EAS0803", "EAS0804")
    key = key_file(ONE)
    one = gateway(**with_redis(redis, key))
    alice = phone("alice")
    assert source(one, alice) == "kdc"
    others = redis.records()
    one.location = [QUIET, EVERYBODY]
    new_process(one)
    assert source(one, alice) == "shared"
    records = {name: value for name, value in redis.records().items() if name not in others}
    name, groups = sorted(records, key=lambda key: len(records[key]))
    assert len(others) == len(records) == 2
    swap = {name: records[groups], groups: records[name]}
    for bad, number, asked_for in (({name: flipped(40)(records[name])}, "EAS0803", (0, 1)),
                                   ({groups: flipped(40)(records[groups])}, "EAS0803", (1, 0)),
                                   ({groups: records[groups][:-1]}, "EAS0803", (1, 0)),
                                   ({groups: b""}, "EAS0804", (1, 0)),
                                   (swap, "EAS0803", (1, 1))):
        redis.put(bad)
        one.mark()
        new_process(one)
        mark = directory.mark()
        assert source(one, alice) == "shared"
        assert set(one.numbers()) == {number}
        assert grouped(directory, mark) == asked_for
        # What was wrong was replaced.
        one.mark()
        new_process(one)
        mark = directory.mark()
        assert source(one, alice) == "shared"
        assert one.numbers() == [] and grouped(directory, mark) == (0, 0)


def test_nothing_but_a_record_and_too_much(gateway, phone, redis, key_file, expect):
    """What cannot be a record at all is no reason to leave the whole cache alone for long."""
    expect("EAS0801", "EAS0804")
    one = gateway(**with_redis(redis, key_file(ONE)))
    alice = phone("alice")
    assert source(one, alice) == "kdc"
    good = redis.records()
    redis.put(changed(good, lambda value: b""))
    new_process(one)
    assert source(one, alice) == "kdc"
    redis.put(changed(good, lambda value: b"x" * 200000))
    new_process(one)
    assert source(one, alice) == "kdc"


def test_swapped_records(gateway, phone, redis, key_file, expect):
    """Bob's records under alice's keys, and each of hers under the other's."""
    expect("EAS0803")
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    alices = redis.records()
    assert source(one, phone("bob")) == "kdc"
    bobs = {key: value for key, value in redis.records().items() if key not in alices}
    for other in (sorted(bobs.values(), key=len), sorted(alices.values(), key=len)[::-1]):
        redis.put(dict(zip(sorted(alices, key=lambda key: len(alices[key])), other)))
        one.mark()
        new_process(one)
        answer = phone("alice").folder_sync()
        assert (answer.status, answer.user) == (200, "alice@CONTOSO.TEST")
        assert one.access()[-1]["EAS_TICKET"] == "kdc"
        assert set(one.numbers()) == {"EAS0803"}


def test_expired_records(gateway, phone, redis, key_file, expect):
    """Our own clock says when a record has had its time, whatever the server keeps."""
    expect("EAS0805")
    one = gateway(**with_redis(redis, key_file(ONE), "EASCertAuthCacheTTL account=3 ticket=3"))
    alice = phone("alice")
    assert source(one, alice) == "kdc"
    old = redis.records()
    assert len(old) == 2
    last = time.time() + 3              # none of them was issued later
    wait_until(lambda: redis.records() == {} and time.time() > last, "the records' end", 20)
    redis.put(old)
    new_process(one)
    assert source(one, alice) == "kdc"
    assert one.numbers() == ["EAS0805"]         # both; the second within ten seconds is counted


def test_older_records(gateway, phone, redis, key_file, expect):
    """Who has seen a newer record does not take an older one that would still be good."""
    expect("EAS0806")
    key = key_file(ONE)
    writer = gateway(**with_redis(redis, key, address=namespace.address("mail2")))
    assert source(writer, phone("alice", gateway=writer)) == "kdc"
    old = redis.records()
    ticket = of_ticket(old)
    answer, = set(old) - {ticket}
    one = gateway(**with_redis(redis, key, "EASCertAuthCacheTTL account=2"))
    alice = phone("alice")
    assert source(one, alice) == "shared"

    def renewed():
        assert alice.folder_sync().status == 200
        return redis.records().get(answer, old[answer]) != old[answer]
    wait_until(renewed, "the gateway asks anew", 20, pause=0.2)
    redis.put({answer: old[answer]})
    assert one.numbers() == []

    def refused():
        assert alice.folder_sync().status == 200
        return one.numbers()
    wait_until(refused, "the old record is seen", 20, pause=0.2)
    assert set(one.numbers()) == {"EAS0806"}


# ---- what happens to the server ------------------------------------------------------------------

def test_dead_server(gateway, phone, redis, key_file, expect):
    expect("EAS0801")
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    redis.kill()
    try:
        assert source(one, phone("alice")) == "process"
        for name in ("bob", "carol"):
            assert source(one, phone(name)) == "kdc"
        assert one.numbers() == ["EAS0801"]
    finally:
        redis.start()
    new_process(one)
    assert source(one, phone("alice")) == "kdc"         # a new server is empty
    assert len(redis.records()) == 2


def test_hung_server_costs_a_bounded_time(gateway, phone, redis, key_file, expect):
    """Half a second, once; then the server is left alone for some seconds, and heard again."""
    expect("EAS0801")
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    redis.pause()
    try:
        times = []
        for name in ("bob", "carol"):
            begin = time.monotonic()
            assert source(one, phone(name)) == "kdc"
            times.append(time.monotonic() - begin)
        assert one.numbers() == ["EAS0801"]
        # The first one waited for it; both are far from the deadlines of directory and KDC.
        assert times[0] > 0.5 and max(times) < 4, times
    finally:
        redis.resume()

    def stored():
        new_process(one)
        assert source(one, phone("bob")) in ("kdc", "shared")
        return len(redis.records()) >= 4
    wait_until(stored, "the server is used again", 20)


def test_server_is_heard_again_by_the_same_process(gateway, phone, redis, key_file, expect):
    expect("EAS0801")
    one = gateway(**with_redis(redis, key_file(ONE), "EASCertAuthCacheTTL account=2 ticket=2"))
    redis.pause()
    try:
        assert source(one, phone("alice")) == "kdc"
    finally:
        redis.resume()

    def stored():
        assert phone("alice").folder_sync().status == 200
        return redis.records()
    wait_until(stored, "the server is used again", 20, pause=0.2)
    assert one.numbers() == ["EAS0801"]


def connected(redis, gateway, phones):
    """Lets phones that the gateway does not know come all at once: each needs a connection to the
    server of its own, and these stay."""
    redis.ask("CLIENT", "PAUSE", 250)
    with concurrent.futures.ThreadPoolExecutor(len(phones)) as pool:
        assert {answer.status for answer in pool.map(lambda one: one.folder_sync(), phones)} == {200}
    assert redis.ask("CLIENT", "LIST").count(b"name=") >= 3         # the last one is this
    assert gateway.numbers() == []


CROWD = ("alice", "bob", "carol", "dave")
#: Seconds after which somebody looks into the cache again, and stores what he did not find.
LOOKED_FOR = 2


def test_server_that_was_restarted(gateway, phone, redis, key_file):
    """Connections of before, however many of them are broken, cost nobody anything."""
    one = gateway(**with_redis(redis, key_file(ONE)))
    connected(redis, one, [phone(name) for name in CROWD])
    redis.kill()
    redis.start()
    assert source(one, phone("frank")) == "kdc"
    assert len(redis.records()) == 2 and one.numbers() == []


def test_server_that_was_down(gateway, phone, redis, key_file, expect):
    """It is used again within five seconds of its return, by the same process."""
    expect("EAS0801")
    one = gateway(**with_redis(redis, key_file(ONE), "EASCertAuthCacheTTL account=2 ticket=2"))
    connected(redis, one, [phone(name) for name in CROWD])
    redis.kill()
    try:
        wait_until(lambda: source(one, phone("frank")) == "kdc" and one.numbers(), "a look into it")
    finally:
        redis.start()

    def stored():
        assert phone("frank").folder_sync().status == 200
        return redis.records()
    wait_until(stored, "the server is used again", LOOKED_FOR + 5, pause=0.2)
    assert one.numbers() == ["EAS0801"]


def test_one_of_two_servers_is_dead(gateway, phone, redis, key_file):
    """The other has what it would have had."""
    knobs = with_redis(redis, key_file(ONE))
    knobs["vhost"][0] = "EASCertAuthCache redis:%s:1,%s:%d" % (redis.address, redis.address,
                                                               redis.port)
    one = gateway(**knobs)
    names = ("alice", "bob", "carol")
    assert {source(one, phone(name)) for name in names} == {"kdc"}
    assert len(redis.records()) == 2 * len(names)
    new_process(one)
    assert {source(one, phone(name)) for name in names} == {"shared"}
    assert one.numbers() == []


def test_flushed_server(gateway, phone, redis, key_file):
    one = gateway(**with_redis(redis, key_file(ONE)))
    assert source(one, phone("alice")) == "kdc"
    redis.flush()
    assert source(one, phone("alice")) == "process"
    new_process(one)
    assert source(one, phone("alice")) == "kdc"
    assert len(redis.records()) == 2


def test_memcached(gateway, phone, bench, key_file, directory, expect):
    """Shared as with Redis; and a hung server, for which httpd's own client has no time limit."""
    expect("EAS0801")
    server = Memcached(os.path.join(bench.folder, "memcached")).start()
    try:
        one = gateway(**with_redis(server, key_file(ONE)))
        assert source(one, phone("alice")) == "kdc"
        restart(one)
        mark = directory.mark()
        assert source(one, phone("alice")) == "shared"
        assert asked(directory, mark) == ([], [])
        server.pause()
        begin = time.monotonic()
        assert source(one, phone("bob")) == source(one, phone("carol")) == "kdc"
        assert time.monotonic() - begin < 8
        assert one.numbers() == ["EAS0801"]
        server.resume()
    finally:
        server.kill()


def test_both_models_of_processes(gateway, phone):
    """With prefork every request may meet another process: one of them asked the KDC."""
    one = gateway(mpm="prefork", location=QUIET, processes=1, threads=8)
    seen = [source(one, phone("alice")) for _ in range(12)]
    assert seen.count("kdc") == 1 and set(seen) <= {"kdc", "process", "shared"}
    assert "shared" in seen
