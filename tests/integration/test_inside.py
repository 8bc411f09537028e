# SPDX-License-Identifier: Apache-2.0
"""Faults inside of the gateway: memory and descriptors that run out, processes that are killed, a
clock that is stepped."""
import contextlib
import itertools
import os
import random
import re
import signal
import time

import pytest

from lab import preload, wbxml
from lab.phone import PATH, whole
from lab.process import wait_until
from shared import logged, name_of, settled
from test_body import spooled
from test_reload import Load, served

ALICE = (200, "alice@CONTOSO.TEST")


def seen(answer):
    return answer.status, answer.user


def children(server):
    """Processes of a gateway that serve."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="ascii") as file:
                words = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[1]) == server.pid and words[0] != "Z":
            found.append(int(pid))
    return found


@pytest.fixture(scope="module")
def library(bench):
    """The library that is preloaded."""
    return preload.compile_to(bench.folder)


@pytest.fixture
def faults(bench, library, request):
    """What goes wrong in the gateway of the test."""
    return preload.Preload(library, os.path.join(bench.folder, request.node.name[:60] + ".faults"))


@pytest.fixture
def fragile(gateway, faults):
    """Makes a gateway that the faults reach."""
    def make(**knobs):
        return settled(faults.before(gateway(start=False, **knobs)).start())
    return make


# ---- memory --------------------------------------------------------------------------------------

#: What may be said of a request for which memory ran out: never a refusal (403).
SHORT = {"EAS0062", "EAS0063",                                  # the module's own
         "EAS0401", "EAS0402", "EAS0403", "EAS0404", "EAS0405", "EAS0407", "EAS0409",   # libldap's
         "EAS0601", "EAS0603", "EAS0604", "EAS0610", "EAS0616", "EAS0617",              # krb5's
         "EAS0705", "EAS0706",                                  # mod_proxy's
         "EAS0206"}         # mod_ssl's: it cannot read on, and the phone's connection is at its end


def swept(faults, request):
    """Makes the request until no allocation is left that has not failed once; how they ended."""
    ends = []
    while True:
        before = faults.failed
        faults.memory(1)
        answer = request()
        faults.memory(0)
        ends.append(answer)
        if faults.failed == before:
            return ends


def test_memory_runs_out(fragile, faults, phone, expect):
    """Every allocation of a request, in the module and in what it calls, fails once: each time the
    phone is told to come again, or gets its own answer; and nothing of it is remembered."""
    expect("EAS0063")
    expect.maybe(*SHORT)
    server = fragile(processes=1, target="https://cas1.contoso.test timeout=3600 retry=0")
    for name, body in (("alice", b"x"), ("bob", b"x" * 100_000), ("carol", b"x")):
        one = phone(name)
        ends = swept(faults, lambda: one.request("POST", PATH, body))
        assert {end.status for end in ends} <= {0, 200, 502, 503}, [str(end) for end in ends]
        assert {end.user for end in ends} <= {None, name + "@CONTOSO.TEST"}
        wait_until(lambda: one.folder_sync().user == name + "@CONTOSO.TEST", "memory is back", 60)
    assert faults.failed > 50
    assert {line["EAS_REASON"] for line in server.access()} <= SHORT | {""}


def test_memory_for_the_start_runs_out(fragile, faults, phone, expect):
    """A process that could not set itself up is not lost: it tries again."""
    expect("EAS0062", "EAS0063")
    server = fragile(processes=1)
    faults.memory(1000)
    os.kill(children(server)[0], signal.SIGKILL)        # and httpd starts another one
    wait_until(lambda: "EAS0062" in server.numbers(), "a process without a gateway")
    assert phone("alice").folder_sync().status == 503
    faults.memory(0)
    wait_until(lambda: seen(phone("alice").folder_sync()) == ALICE, "the next try", 30, 1)


@pytest.fixture
def doomed(bench, faults, request):
    """Makes a gateway whose processes are to end; what its log may say of that is checked here."""
    made = []

    def make(**knobs):
        made.append(bench.gateway(start=False, **knobs))
        return settled(faults.before(made[0]).start())
    yield make
    for one in made:
        bench.forget(one)
        assert [line for line in one.crashes(0) if "exit signal Killed" not in line] == []


# ---- processes -----------------------------------------------------------------------------------

def head(length, *fields):
    return "\r\n".join(["POST %s HTTP/1.1" % whole("POST", PATH), "Host: mail.contoso.test",
                        "Content-Length: %d" % length, *fields, "", ""]).encode()


def process_of(server, connection):
    """The process that serves a connection of a phone."""
    line = re.compile(r"\[pid (\d+)[^\]]*\] \[client %s\]" % re.escape(name_of(connection)))
    return int(wait_until(lambda: line.search(server.error_log.text(0)), "the connection's line")[1])


def waits_for_the_back_end(server, connection, bench):
    bench.cas1.mark()
    connection.send(head(5, "X-Play: delay=20") + b"hello")
    bench.cas1.wait_for(1)


def waits_for_mail(server, connection, bench):
    bench.cas1.mark()
    body = wbxml.ping(480)
    connection.send(head(len(body)).replace(b"Cmd=Sync", b"Cmd=Ping") + body)
    bench.cas1.wait_for(1)


def is_sending(server, connection, bench):
    connection.send(head(200_000) + b"x" * 150_000)
    wait_until(lambda: spooled(server, server.folder + "/run/eas_cba"), "the body on disk")


def waits_for_the_controller(server, connection, bench):
    """Directory and KDC are silent."""
    bench.directory.pause()
    connection.send(head(5) + b"hello")
    wait_until(lambda: time.sleep(0.3) or True, "the question")


@pytest.mark.parametrize("step", [waits_for_the_back_end, waits_for_mail, is_sending,
                                  waits_for_the_controller])
def test_killed(doomed, phone, bench, step):
    """One phone's process is gone: the others' requests go on, and nothing of it stays."""
    server = doomed(mpm="prefork")
    with phone("alice", server).connect() as alice, phone("bob", server).connect() as bob:
        assert bob.request("OPTIONS").user == "bob@CONTOSO.TEST"
        bob.send(head(200_000, "X-Play: delay=1") + b"x" * 199_999)
        wait_until(lambda: spooled(server, server.folder + "/run/eas_cba"), "bob's body on disk")
        assert process_of(server, alice) != process_of(server, bob)
        try:
            step(server, alice, bench)
            os.kill(process_of(server, alice), signal.SIGKILL)
            assert alice.answer().status == 0
        finally:
            bench.directory.resume()
        bob.send(b"x")
        assert bob.answer().user == "bob@CONTOSO.TEST"
    wait_until(lambda: seen(phone("alice", server).folder_sync()) == ALICE, "another process")
    wait_until(lambda: not spooled(server, server.folder + "/run/eas_cba"), "the end of the files")
    assert os.listdir(server.folder + "/run/eas_cba") == []


def test_killed_again_and_again(doomed, bench):
    """Under load, wherever each of them is just then: no lock is left behind, no answer is another's."""
    server = doomed(processes=2)
    load = Load(bench.phone, server)
    try:
        for _ in range(8):
            served(load, 10)
            os.kill(random.choice(children(server)), signal.SIGKILL)
        served(load, 30)
    finally:
        load.end()
    assert load.wrong == []
    for name in ("alice", "bob", "carol"):
        for _ in range(3):
            assert bench.phone(name, gateway=server).folder_sync().user == name + "@CONTOSO.TEST"


# ---- descriptors ---------------------------------------------------------------------------------

def leave_none(faults, server):
    """No number is left for a further descriptor of the one process."""
    used = set(os.listdir("/proc/%d/fd" % children(server)[0]))
    faults.files(next(number for number in itertools.count() if str(number) not in used))


def test_no_descriptor_left(fragile, faults, phone, expect):
    """For the spool, for the controller and for the back end; and when there are some again, all is
    well again."""
    expect("EAS0208")
    expect.maybe("EAS0401", "EAS0402", "EAS0403", "EAS0405", "EAS0603", "EAS0604", "EAS0617", "EAS0705")
    server = fragile(processes=1, vhost="EASCertAuthTimeout directory=2 kdc=2",
                     target="https://cas1.contoso.test timeout=3600 retry=0")
    names = ("alice", "bob")
    with contextlib.ExitStack() as stack:
        alice, bob = [stack.enter_context(phone(name).connect(timeout=60)) for name in names]
        assert alice.request("OPTIONS").status == 200
        leave_none(faults, server)
        assert bob.request("OPTIONS").status == 503
        # What bob's request had may be given back a moment later.
        wait_until(lambda: leave_none(faults, server) or alice.request(
            "POST", PATH, b"x" * 100_000).status == 503, "a body that finds no descriptor")
    faults.files()
    for name in names:
        # httpd itself ends a process that could not accept, and starts another one.
        wait_until(lambda n=name: phone(n).request("POST", PATH, b"x" * 100_000).user
                   == n + "@CONTOSO.TEST", "all is well")


# ---- the clock -----------------------------------------------------------------------------------

def test_clock_that_is_set_back_prolongs_nothing(fragile, faults, account, bench, expect):
    """Facts that were remembered for a second are not remembered for minutes."""
    expect("EAS0501")
    server = fragile(processes=1, vhost=["EASCertAuthCacheTTL account=1 ticket=1",
                                         "EASCertAuthCache none"])
    user = account()
    with bench.phone(bench.certificate(user)).connect() as connection:
        assert connection.request("OPTIONS").status == 200
        faults.clock(-240)
        server.mark()
        wait_until(lambda: connection.request("OPTIONS").status == 200
                   and server.access()[-1]["EAS_TICKET"] == "kdc", "a new ticket")
        bench.directory.disable(user.name)
        wait_until(lambda: connection.request("OPTIONS").status == 403, "the account is disabled")


@pytest.mark.parametrize("minutes", [-50, 180])
def test_clock_that_is_wrong(fragile, faults, phone, bench, expect, minutes):
    """Phones are told to come again, by the number that names the clock, and are served when it is right
    again."""
    expect("EAS0605")
    expect.maybe("EAS0403")
    # A CRL of tomorrow would end new connections in the handshake.
    server = fragile(processes=1, vhost="RequestReadTimeout header=0 body=0",
                     crl=bench.clients.crl(this_update=-86400))
    assert seen(phone("alice").folder_sync()) == ALICE
    faults.clock(minutes * 60)
    assert [phone(name).folder_sync().status for name in ("alice", "bob")] == [503, 503]
    faults.clock(0)
    assert seen(phone("alice").folder_sync()) == ALICE
    assert phone("bob").folder_sync().user == "bob@CONTOSO.TEST"
    assert set(server.numbers()) <= {"EAS0605", "EAS0403"}


@pytest.mark.parametrize("days, number", [(-3650, "EAS0105"), (3650, "EAS0106")])
def test_clock_and_dates_of_a_certificate(fragile, faults, phone, expect, days, number):
    """A connection that is open: its certificate is judged by the time of the request."""
    expect(number)
    fragile(processes=1, vhost="RequestReadTimeout header=0 body=0")

    def judged():
        with phone("alice").connect() as connection:
            assert connection.request("OPTIONS").status == 200
            faults.clock(days * 86400)
            answer = connection.request("OPTIONS")
            faults.clock(0)
        return answer.status
    # httpd itself may end a connection that waits when the clock is stepped.
    assert wait_until(judged, "an answer") == 403
    assert seen(phone("alice").folder_sync()) == ALICE
