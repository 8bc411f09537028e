# SPDX-License-Identifier: Apache-2.0
"""What fails while phones are at work, with the real servers: who was here before has not one failed
request, who was not is told to come back within the deadline, the members of the balancer are
unharmed, and all of it ends within five seconds of the server's return."""
import concurrent.futures
import contextlib
import os
import signal
import threading
import time

import pytest

from lab.process import wait_until
from shared import cards, phone     # noqa: F401 (fixtures)
from test_outage import DIRECTORY_DOWN
from test_reload import PHONES, Load, served
from test_resilience import DC1, DC2, good, seen, server, unavailable   # noqa: F401 (fixture)
from test_shared import (LOOKED_FOR, ONE, changed, children, flipped, gone, key_file, redis,  # noqa: F401
                         running)

NAMES = ("alice", "bob", "carol")
TIMES = ["EASCertAuthRetryAfter 7", "EASCertAuthTimeout directory=2 kdc=2"]
#: What both deadlines allow, and a busy machine needs beyond them.
LONGEST = 2 + 2 + 4


@pytest.fixture
def warm(gateway, phone, cas1, cas2):
    """Makes a gateway that knows the phones of Load, each with a ticket for both back ends."""
    def make(*lines, **knobs):
        one = gateway(**{"backends": ["cas1", "cas2"], "vhost": [*TIMES, *lines], "loglevel": "warn",
                         "processes": 1, **knobs})
        for name in NAMES:
            for _ in range(2):          # the balancer takes turns
                assert seen(phone(name, one).folder_sync()) == good(name)
        return one
    return make


@contextlib.contextmanager
def at_work(phone, gateway, **more):
    """The phones of Load; afterwards none of them has met anything but its own answer."""
    load = Load(phone, gateway, **more)
    try:
        served(load, 10)
        yield load
        served(load, 20)
    finally:
        load.end()
    assert (load.refused, load.wrong, load.lost) == ([], [], 0)


def told_to_come_back(*phones):
    """Cold phones, all at once: 503 with Retry-After, within the deadlines."""
    def one(phone):
        begin = time.monotonic()
        assert unavailable(phone.folder_sync())
        assert time.monotonic() - begin < LONGEST
    with concurrent.futures.ThreadPoolExecutor(len(phones)) as pool:
        list(pool.map(one, phones))


def back_at_once(phone, name):
    """The cold phone is served within five seconds; it tries all the time."""
    wait_until(lambda: seen(phone.folder_sync()) == good(name), "the gateway recovers", 5)


def both_serve(*backends):
    assert all(backend.requests() for backend in backends)


class Relayed:
    """Both sides of the controller, by relays at the address of dc2."""
    knobs = {"directory": "ldap://dc2.contoso.test"}
    lines = ["EASCertAuthKDC " + DC2]

    def __init__(self, servers):
        self._servers = [servers(port) for port in (88, 389)]

    def fail(self):
        for one in self._servers:
            one.fail("hole")

    def mend(self):
        for one in self._servers:
            one.mend()


class Real:
    """The controller itself."""
    knobs, lines = {}, []

    def __init__(self, fail, mend):
        self.fail, self.mend = fail, mend


@pytest.mark.parametrize("how", ["killed", "stopped", "hole"])
def test_controller_under_load(warm, directory, server, phone, expect, cas1, cas2, how):
    """The phones' tickets are due for renewal all the time."""
    expect("EAS0621")
    expect.maybe(*DIRECTORY_DOWN)
    dc = {"killed": lambda: Real(directory.kill, directory.start),
          "stopped": lambda: Real(directory.pause, directory.resume),
          "hole": lambda: Relayed(server)}[how]()
    one = warm("EASCertAuthCacheTTL ticket=1", *dc.lines, **dc.knobs)
    with at_work(phone, one) as load:
        dc.fail()
        try:
            for backend in (cas1, cas2):
                backend.mark()
            told_to_come_back(phone("dave", one), phone("frank", one))
            wait_until(lambda: "EAS0621" in one.numbers(), "tickets are past their time")
            served(load, 20)
            both_serve(cas1, cas2)
        finally:
            dc.mend()
        back_at_once(phone("dave", one), "dave")
        back_at_once(phone("frank", one), "frank")
    both_serve(cas1, cas2)


def test_first_of_two_controllers_dies_under_load(warm, server, phone, expect):
    """Cold phones are served as well: by the second."""
    expect.maybe(*DIRECTORY_DOWN)
    one = warm("EASCertAuthKDC %s %s" % (DC2, DC1),
               directory=["ldap://dc2.contoso.test", "ldap://dc1.contoso.test"])
    first = Relayed(server)
    one.reload()                        # no connection to the second is open
    for name in NAMES:
        assert seen(phone(name, one).folder_sync()) == good(name)
    with at_work(phone, one):
        first.fail()
        for name in ("dave", "frank"):
            assert seen(phone(name, one).folder_sync()) == good(name)
        first.mend()


# ---- processes that remember nothing --------------------------------------------------------------

def sources(gateway):
    return {line["EAS_TICKET"] for line in gateway.access(1)}


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_reload_while_the_controller_is_down(warm, directory, phone, expect, mpm):
    """The new processes learn all that they need from the shared cache, NTAuthCertificates too.

    What a connection loses that is kept across a reload is said by test_reload_under_load.
    """
    expect.maybe(*DIRECTORY_DOWN)
    one = warm(mpm=mpm)
    directory.kill()
    with at_work(phone, one, kept=False) as load:
        old = children(one)
        one.reload()
        wait_until(lambda: gone(old), "the old children end", 20)
        one.mark()
        served(load, 20)
    assert sources(one) <= {"process", "shared"}
    told_to_come_back(phone("dave", one))
    directory.start()
    back_at_once(phone("dave", one), "dave")


def test_killed_child_while_the_controller_is_down(warm, directory, phone, expect):
    """What the process had in hand is lost with it, and nothing else."""
    expect.maybe(*DIRECTORY_DOWN)
    one = warm(processes=2)
    directory.kill()
    load = Load(phone, one)
    try:
        served(load, 10)
        victims = children(one)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gone(victims), "the children are gone")
        wait_until(lambda: children(one), "new children", 20)
        served(load, 10)
        broken = len(load.refused) + load.lost
        one.mark()
        served(load, 40)
    finally:
        load.end()
    assert load.wrong == [] and len(load.refused) + load.lost == broken <= 2 * PHONES * len(victims)
    assert sources(one) <= {"process", "shared"}


# ---- the cache server ------------------------------------------------------------------------------

def poison(redis):
    """Nothing in it can be opened any more."""
    redis.put(changed(redis.records(), flipped(40)))


@pytest.mark.parametrize("how", ["killed", "hung", "flushed", "poisoned"])
def test_redis_under_load(warm, phone, redis, key_file, expect, how):
    """Facts and tickets serve for a second or two here: everybody looks into it all the time."""
    expect.maybe("EAS0801", "EAS0803", "EAS0805", "EAS0806")
    fail, mend, number = {
        "killed": (redis.kill, redis.start, "EAS0801"),
        "hung": (redis.pause, redis.resume, "EAS0801"),
        "flushed": (redis.flush, lambda: None, None),
        "poisoned": (lambda: poison(redis), lambda: None, "EAS0803")}[how]
    one = warm("EASCertAuthCache " + redis.value, "EASCertAuthCacheKey " + key_file(ONE),
               "EASCertAuthCacheTTL account=1 ticket=2", modules=["socache_redis"], processes=2)
    with at_work(phone, one) as load:
        fail()
        try:
            begin = time.monotonic()
            assert seen(phone("dave", one).folder_sync()) == good("dave")
            assert time.monotonic() - begin < LONGEST
            wait_until(lambda: number is None or number in one.numbers(), "somebody sees it")
            served(load, 60)
        finally:
            mend()
        wait_until(lambda: redis.records(), "it is filled again", LOOKED_FOR + 5)


# ---- keys and tickets ------------------------------------------------------------------------------

def for_phones(directory, mark):
    """Tickets that the KDC gave for accounts since a mark."""
    return len([one for one in directory.kdc_requests(mark) if "impersonatee=" in one["detail"]])


def test_keytab_rotated_under_load(warm, bench, directory, phone):
    one = warm("EASCertAuthCacheTTL account=1 ticket=2")
    with at_work(phone, one):
        directory.rotate("gw", bench.keytab)
        mark = directory.mark()
        wait_until(lambda: for_phones(directory, mark) >= 2 * len(NAMES), "new tickets", 20)
        for name in ("dave", "frank"):
            assert seen(phone(name, one).folder_sync()) == good(name)


# ---- nobodies --------------------------------------------------------------------------------------

CROWD = 60


class Nobodies:
    """Phones whose certificates are good and nobody's, asking without a pause."""

    def __init__(self, bench, gateway):
        self.answers, self._ending, self._lock = [], threading.Event(), threading.Lock()
        self._phones = [bench.phone(bench.certificate(
            "alice", sid="S-1-5-21-1-2-3-%d" % (2000 + number),
            upn="nobody%d@contoso.test" % number), gateway=gateway) for number in range(CROWD)]
        self._threads = [threading.Thread(target=self._ask, args=(part,)) for part in range(4)]
        for thread in self._threads:
            thread.start()

    def _ask(self, part):
        while not self._ending.is_set():
            for phone in self._phones[part::4]:
                with phone.connect() as connection:
                    answer = connection.request("OPTIONS")
                with self._lock:
                    self.answers.append(answer.status)

    def end(self):
        self._ending.set()
        for thread in self._threads:
            thread.join()


def test_crowd_of_nobodies(warm, bench, directory, phone, expect):
    """Each is looked for once; warm phones lose neither a request nor a fact, cold ones are served."""
    expect("EAS0302")
    one = warm(processes=2)
    mark = directory.mark()
    crowd = Nobodies(bench, one)
    try:
        with at_work(phone, one) as load:
            wait_until(lambda: len(crowd.answers) >= 2 * CROWD, "all of them, twice", 60)
            assert seen(phone("dave", one).folder_sync()) == good("dave")
            served(load, 20)
    finally:
        crowd.end()
    assert set(crowd.answers) == {403}
    asked = [search["filter"] for search in directory.searches(mark)]
    assert len([text for text in asked if "nobody" in text]) <= CROWD + 4   # who asked together
    assert not [text for text in asked for name in NAMES if name + "@" in text]
