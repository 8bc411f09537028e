# SPDX-License-Identifier: Apache-2.0
"""KDCs and directory servers that are dead, silent, slow or back again, seen from phones: who was here
before notices nothing, others are told to come back at once, and nobody asks the same twice."""
import concurrent.futures
import contextlib
import time

import pytest

from lab import namespace
from lab.process import wait_until
from lab.relay import BlackHole, Relay
from shared import place
from test_shared import CHANGES, EVERYBODY, grouped

DC1, DC2 = namespace.address("dc1"), namespace.address("dc2")
HERE = "127.0.0.1"
RETRY = "EASCertAuthRetryAfter 7"


def seen(answer):
    return answer.status, answer.user


def good(name):
    return 200, name + "@CONTOSO.TEST"


def unavailable(answer):
    """503 that says when to come back."""
    return answer.status == 503 and answer.headers.get("Retry-After") == "7"


def at_once(work, over):
    """The results of work(one) for each one, all begun together."""
    with concurrent.futures.ThreadPoolExecutor(len(over)) as pool:
        return list(pool.map(work, over))


def tickets(directory, mark):
    """Requests to the KDC since a mark that were made for accounts: S4U2Self and S4U2Proxy."""
    return [one for one in directory.kdc_requests(mark) if one["kind"] == "TGS" and
            "krbtgt/" not in one["server"] and "ldap/" not in one["server"]]


class Server:
    """One side of the real controller, reached through a relay of the test's own: Kerberos (88) or
    LDAP (389, by the name dc2, which the controller has an SPN for)."""

    def __init__(self, port):
        self.port = port
        self.relay = None
        self.hole = None
        self.start()

    def start(self):
        self.relay = Relay((DC2, self.port), (DC1, self.port))

    def fail(self, how):
        """closed: connections are refused; silent: they are accepted; hole: no SYN is answered."""
        if how == "silent":
            self.relay.limit = 0
            return
        self.relay.close()
        if how == "hole":
            self.hole = BlackHole((DC2, self.port))

    def mend(self):
        if self.relay.limit == 0:
            self.relay.close()
        if self.hole:
            self.hole.close()
            self.hole = None
        self.start()

    def close(self):
        self.relay.close()
        if self.hole:
            self.hole.close()


@pytest.fixture
def server(directory):
    """Makes Servers."""
    made = []

    def make(port):
        made.append(Server(port))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def listener():
    """A port of this machine where nothing, a black hole, or something silent listens."""
    with contextlib.ExitStack() as stack:
        def make(how):
            if how == "closed":
                return HERE + ":9"
            kind = BlackHole if how == "hole" else lambda at: Relay(at, (DC1, 88), limit=0)
            made = kind((HERE, 9088))
            stack.callback(made.close)
            return HERE + ":9088"
        yield make


# ---- EASCertAuthKDC ------------------------------------------------------------------------------

def test_named_kdc_needs_no_krb5_conf(gateway, phone):
    """Neither a krb5.conf nor a name server."""
    one = gateway(krb5="/nonexistent/krb5.conf", vhost="EASCertAuthKDC " + DC1)
    assert seen(phone("alice").folder_sync()) == good("alice")
    one.reload()
    assert seen(phone("bob").folder_sync()) == good("bob")


def test_named_kdc_beats_krb5_conf(gateway, phone, tmp_path):
    config = tmp_path / "krb5.conf"
    config.write_text("[libdefaults]\n default_realm = CONTOSO.TEST\n dns_lookup_kdc = false\n"
                      "[realms]\n CONTOSO.TEST = {\n  kdc = 127.0.0.1:9\n }\n")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    gateway(krb5=str(config), vhost="EASCertAuthKDC dc1.contoso.test:88")
    assert seen(phone("alice").folder_sync()) == good("alice")


@pytest.mark.parametrize("how", ["closed", "hole", "silent"])
def test_first_of_two_kdcs_dead(gateway, phone, listener, how):
    """It costs one request some time, within the deadline; then it is left alone."""
    gateway(processes=1, vhost="EASCertAuthKDC %s %s" % (listener(how), DC1))
    assert seen(phone("alice").folder_sync()) == good("alice")
    begin = time.monotonic()
    assert seen(phone("bob").folder_sync()) == good("bob")
    assert time.monotonic() - begin < 1.2


def test_lone_kdc_breaks_off(gateway, server, phone, expect):
    """It is asked once more; a second time is one failure, which keeps nobody from asking again."""
    expect("EAS0603")
    kdc = server(88)
    one = gateway(processes=1, vhost=["EASCertAuthKDC " + DC2, RETRY])
    assert seen(phone("alice").folder_sync()) == good("alice")
    kdc.relay.breaking = 1
    assert seen(phone("bob").folder_sync()) == good("bob")
    assert kdc.relay.breaking == 0 and one.numbers() == []
    count = kdc.relay.count
    kdc.relay.breaking = 2
    assert unavailable(phone("carol").folder_sync())
    assert one.numbers() == ["EAS0603"] and kdc.relay.count == count + 2
    assert seen(phone("carol").folder_sync()) == good("carol")


# ---- the same question asked by many -------------------------------------------------------------

def test_parallel_requests_ask_once(gateway, directory, server, phone):
    """32 requests of a phone that nobody knows yet: one search, one for its groups, one S4U2Self, one
    S4U2Proxy."""
    kdc, ldap = server(88), server(389)
    one = gateway(processes=1, threads=64, vhost="EASCertAuthKDC " + DC2,
                  location=["EASCertAuthAccountLimit requests=64", EVERYBODY],
                  directory="ldap://dc2.contoso.test")
    assert seen(phone("bob").folder_sync()) == good("bob")
    alice = phone("alice")
    kdc.relay.delay = ldap.relay.delay = 0.4
    connections = kdc.relay.count
    mark = directory.mark()
    one.mark()
    answers = alice.parallel([{"method": "OPTIONS"}] * 32, version="1.1")
    assert {seen(answer) for answer in answers} == {good("alice")}
    assert kdc.relay.count == connections + 2
    assert len(tickets(directory, mark)) == 2
    assert len([search for search in directory.searches(mark)
                if "objectSid" in search["filter"]]) == 1
    assert grouped(directory, mark) == (1, 0)
    assert [line["EAS_TICKET"] for line in one.access(32)].count("kdc") == 1


def test_no_more_work_than_allowed(gateway, server, account, phone, bench, expect):
    """18 unknown phones and a slow KDC: 8 are served at a time, the others in time or not at all.

    Whose turn never comes is told EAS0619, whose turn comes too late EAS0604: that is a matter of
    milliseconds here, and is tested by tests/threads.
    """
    expect.maybe("EAS0604", "EAS0619", "EAS0620")
    kdc = server(88)
    gateway(processes=1, threads=64, vhost=["EASCertAuthKDC " + DC2, RETRY,
                                            "EASCertAuthTimeout kdc=3"])
    assert phone("alice").folder_sync().status == 200
    phones = [bench.phone(bench.certificate(account())) for _ in range(18)]
    kdc.relay.delay = 1                 # for each of two exchanges
    answers = at_once(lambda one: one.folder_sync(), phones)
    served = [answer for answer in answers if answer.status == 200]
    # Two exchanges take two of the three seconds: those who begin after the first eight are too late.
    assert 8 <= len(served) < 16
    assert len([answer for answer in answers if unavailable(answer)]) == 18 - len(served)
    kdc.relay.delay = 0
    wait_until(lambda: phones[-1].folder_sync().status == 200, "the gateway recovers", 5)
    assert {answer.status for answer in at_once(lambda one: one.folder_sync(), phones)} == {200}


# ---- outages -------------------------------------------------------------------------------------

SIDES = {
    "kdc": (88, ("EAS0603", "EAS0604"), "EAS0620"),
    "directory": (389, ("EAS0401", "EAS0402"), "EAS0416"),
}


@pytest.mark.parametrize("how", ["closed", "hole", "silent"])
@pytest.mark.parametrize("side", SIDES)
def test_outage(gateway, server, phone, expect, side, how):
    """Warm phones notice nothing; cold ones wait twice, then nobody waits; it ends by itself."""
    port, slow, fast = SIDES[side]
    expect(fast)
    expect.maybe(*slow)
    one = server(port)
    made = gateway(processes=1, vhost=[
        "EASCertAuthKDC " + (DC2 if side == "kdc" else DC1), RETRY,
        "EASCertAuthTimeout kdc=2 directory=2"],
        directory="ldap://dc%d.contoso.test" % (2 if side == "directory" else 1))
    alice, bob, carol = phone("alice"), phone("bob"), phone("carol")
    assert seen(alice.folder_sync()) == good("alice")
    one.fail(how)

    def cold():
        for who in (bob, carol):
            begin = time.monotonic()
            assert unavailable(who.folder_sync())
            assert time.monotonic() - begin < 3.5
    at_once(lambda work: work(), [cold, lambda: [alice.folder_sync() for _ in range(10)]])

    def told_at_once():                 # but for the one in two seconds that tries
        made.mark()
        begin = time.monotonic()
        assert unavailable(carol.folder_sync())
        return time.monotonic() - begin < 1 and made.access()[0]["EAS_REASON"] == fast
    wait_until(told_at_once, "nobody waits", 10)
    assert seen(alice.folder_sync()) == good("alice")
    one.mend()
    wait_until(lambda: seen(bob.folder_sync()) == good("bob"), "the gateway recovers", 5)
    assert seen(carol.folder_sync()) == good("carol")
    assert seen(alice.folder_sync()) == good("alice")


def test_controller_stopped_and_killed(gateway, directory, phone, expect):
    """Both sides at once, and the real thing."""
    expect.maybe("EAS0401", "EAS0402", "EAS0416", "EAS0603", "EAS0604", "EAS0620")
    gateway(processes=1, vhost=[RETRY, "EASCertAuthTimeout kdc=2 directory=2"])
    alice = phone("alice")
    assert seen(alice.folder_sync()) == good("alice")
    for fail, mend, cold in ((directory.pause, directory.resume, "bob"),
                             (directory.kill, directory.start, "carol")):
        fail()
        try:
            for _ in range(3):
                assert unavailable(phone(cold).folder_sync())
                assert seen(alice.folder_sync()) == good("alice")
        finally:
            mend()
        wait_until(lambda name=cold: seen(phone(name).folder_sync()) == good(name),
                   "the gateway recovers", 5)


def test_one_account_opens_no_breaker(gateway, server, phone, account, bench, expect):
    """However often the KDC refuses one, others are served."""
    expect("EAS0609")
    kdc = server(88)
    gateway(vhost=["EASCertAuthKDC " + DC2, "EASCertAuthCacheTTL negative=1"], processes=1,
            after=place("/four", target="https://cas4.contoso.test"))
    for _ in range(4):
        assert phone("alice").options(path="/four").status == 403
    assert seen(phone("bob").folder_sync()) == good("bob")
    assert kdc.relay.count > 0


# ---- what the KDC refuses ------------------------------------------------------------------------

def test_refusal_is_remembered(gateway, directory, phone, expect):
    """A phone that comes again and again costs the KDC nothing, for negative= seconds."""
    expect("EAS0609")
    one = gateway(vhost="EASCertAuthCacheTTL negative=2", processes=1,
                  target="https://cas4.contoso.test timeout=3600")
    alice = phone("alice")
    mark = directory.mark()
    for _ in range(5):
        assert alice.folder_sync().status == 403
    assert len(tickets(directory, mark)) == 2
    assert one.numbers() == ["EAS0609"] * 5
    assert len({entry.line.split("(")[1] for entry in one.error_log.entries()
                if entry.number}) == 1                  # the cause is told each time

    def asked_again():
        assert alice.folder_sync().status == 403
        return len(tickets(directory, mark)) > 2
    wait_until(asked_again, "the refusal is forgotten")


# ---- what is older than it should be -------------------------------------------------------------

def test_old_ticket_serves_while_no_kdc_answers(gateway, server, phone, expect):
    expect("EAS0621")
    expect.maybe("EAS0603", "EAS0604", "EAS0620")
    kdc = server(88)
    one = gateway(processes=1, vhost=["EASCertAuthKDC " + DC2, "EASCertAuthCacheTTL ticket=1"])
    alice = phone("alice")
    assert seen(alice.folder_sync()) == good("alice")
    kdc.fail("silent")

    def kept():
        begin = time.monotonic()
        assert seen(alice.folder_sync()) == good("alice")
        assert time.monotonic() - begin < 3
        return "EAS0621" in one.numbers()
    wait_until(kept, "the ticket is past its time")
    one.mark()
    for _ in range(5):                  # not a try for each request
        assert seen(alice.folder_sync()) == good("alice")
    assert {line["EAS_TICKET"] for line in one.access(5)} == {"process"}
    assert one.numbers() == []
    assert phone("bob").folder_sync().status == 503


def test_refusal_ends_an_old_ticket(gateway, server, account, bench, expect):
    """What the KDC said holds, also when it falls silent afterwards."""
    expect("EAS0609")
    expect.maybe("EAS0603", "EAS0604", "EAS0620")
    kdc = server(88)
    gateway(processes=1, vhost=["EASCertAuthKDC " + DC2, RETRY,
                                "EASCertAuthCacheTTL ticket=1 negative=1"])
    user = account()
    phone = bench.phone(bench.certificate(user))
    assert phone.folder_sync().status == 200
    bench.directory.set_uac(user.name, add=0x100000)        # sensitive; the facts are older
    wait_until(lambda: phone.folder_sync().status == 403, "the KDC refuses")
    kdc.fail("closed")
    wait_until(lambda: unavailable(phone.folder_sync()), "the refusal is forgotten, too")


@pytest.mark.parametrize("stale, lines", [(0, []), (4, []), (4, [EVERYBODY])],
                         ids=["never", "facts", "groups"])
def test_old_facts(gateway, server, phone, expect, stale, lines):
    """They serve while no directory answers only where EASCertAuthStale says so, and so long."""
    expect(*["EAS0417"] * bool(stale))
    expect.maybe("EAS0401", "EAS0402", "EAS0416")
    ldap = server(389)
    one = gateway(processes=1, directory="ldap://dc2.contoso.test", location=lines, vhost=[
        RETRY, "EASCertAuthStale %d" % stale, "EASCertAuthCacheTTL account=1"])
    alice = phone("alice")
    assert seen(alice.folder_sync()) == good("alice")
    ldap.fail("closed")
    ends = time.monotonic() + 20
    begin = last = time.monotonic()
    while not unavailable(answer := alice.folder_sync()):
        assert seen(answer) == good("alice") and time.monotonic() < ends
        last = time.monotonic()
    if stale:
        assert "EAS0417" in one.numbers() and last - begin > 2
    ldap.mend()
    wait_until(lambda: seen(alice.folder_sync()) == good("alice"), "the gateway recovers", 5)


@pytest.mark.parametrize("change", ["disabled", "left"])
def test_account_change_ends_old_facts(request, gateway, account, bench, expect, change):
    """EASCertAuthStale is for outages: a directory that answers is believed."""
    number, change = CHANGES[change]
    expect(number)
    user = account()
    group = bench.directory.add_group("Old facts", [user.name])
    request.addfinalizer(lambda: bench.directory.delete(group))
    gateway(processes=1, vhost=["EASCertAuthStale 3600", "EASCertAuthCacheTTL account=1"],
            location='Require eas-group "%s"' % group)
    phone = bench.phone(bench.certificate(user))
    assert phone.folder_sync().status == 200
    change(bench.directory, user, group)
    wait_until(lambda: phone.folder_sync().status == 403, "the account is out", 5)
