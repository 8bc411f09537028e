# SPDX-License-Identifier: Apache-2.0
"""EASCertAuthAccountLimit: what one account may hold at once, over all processes and connections."""
import contextlib
import os
import signal

import pytest

from lab.phone import PATH
from lab.process import wait_until
from shared import bare, cards, logged, phone, place  # noqa: F401
from test_body import content, head

REQUESTS = ["EASCertAuthAccountLimit requests=3", "EASCertAuthReadAhead 10M 1"]


@contextlib.contextmanager
def holding(one, count, cas1):
    """So many requests of a phone that the back end does not answer, each on its connection."""
    before = len(cas1.requests())
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(one.connect()) for _ in range(count)]
        for connection in connections:
            connection.send(head(PATH, "Content-Length: 5", "X-Play: delay=60") + b"hello")
        cas1.wait_for(before + count)
        yield connections


@contextlib.contextmanager
def sending(server, one, size, count=1, path=PATH):
    """Bodies of which the last byte is still to come, each on its connection."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(one.connect()) for _ in range(count)]
        for connection in connections:
            connection.send(head(path, "Content-Length: %d" % size) + content(size)[:-1])
        # All that was sent has come: only then is it clear who is turned away.
        wait_until(lambda: sorted(sizes(server)) == [size - 1] * count, "the bodies on disk")
        yield connections


def sizes(server):
    """Of the files in the spool, which have no names."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getpgid(int(pid)) == server.pid:
                folder = "/proc/%s/fd" % pid
                for name in os.listdir(folder):
                    with contextlib.suppress(OSError):
                        path = os.path.join(folder, name)
                        if os.readlink(path).startswith(server.folder + "/run/eas_cba/"):
                            found.append(os.stat(path).st_size)
    return found


def turned_away(server, answer, number):
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "30"), str(answer)
    bare(answer)
    logged(server, status="503", EAS_REASON=number, EAS_ACCOUNT="alice@CONTOSO.TEST")


@pytest.mark.parametrize("mpm", ["event", "prefork"])
@pytest.mark.eas("EAS0211")
def test_requests_of_one_account(gateway, phone, cas1, mpm):
    """With prefork each of them is in a process of its own."""
    server = gateway(location=REQUESTS, mpm=mpm, threads=8)
    alice = phone("alice")
    with sending(server, alice, 1000, 3):
        turned_away(server, alice.options(), "EAS0211")
        turned_away(server, alice.request("POST", PATH, content(200_000)), "EAS0211")
        assert cas1.requests() == []
        assert phone("bob").options().user == "bob@CONTOSO.TEST"
    line = [entry.line for entry in server.error_log.entries() if entry.number == "EAS0211"][0]
    assert 'account="alice@contoso.test"' in line and "to do: find out" in line
    wait_until(lambda: alice.options().status == 200, "the places")


@pytest.mark.eas("EAS0211")
def test_place_is_free_when_the_answer_was_sent(gateway, phone, cas1):
    """While Exchange works on a request it counts: a held Ping is one."""
    server = gateway(location=REQUESTS)
    alice = phone("alice")
    with sending(server, alice, 1000, 2), alice.connect() as third:
        third.send(head(PATH, "Content-Length: 5", "X-Play: delay=0.7") + b"hello")
        cas1.wait_for(1)
        turned_away(server, alice.options(), "EAS0211")
        assert third.answer().status == 200
        wait_until(lambda: alice.options().status == 200, "the place")


@pytest.mark.eas("EAS0211")
def test_streams_are_requests(gateway, phone):
    gateway(location=REQUESTS, modules=["http2"], vhost="Protocols h2 http/1.1")
    answers = phone("alice").parallel([{"body": b"x", "headers": {"X-Play": "delay=1"}}] * 8)
    assert sorted({answer.status for answer in answers}) == [200, 503]
    assert sum(answer.status == 200 for answer in answers) <= 3


@pytest.mark.parametrize("mpm", ["event", "prefork"])
@pytest.mark.eas("EAS0212")
def test_bodies_of_one_account(gateway, phone, cas1, mpm):
    """In memory and on disk."""
    server = gateway(location="EASCertAuthAccountLimit spool=100K", mpm=mpm, threads=8,
                     after=place("/disk", "EASCertAuthAccountLimit spool=100K",
                                 "EASCertAuthReadAhead 10M 1"))
    alice = phone("alice")
    with sending(server, alice, 60_000, path="/disk") as (first,):
        answer = alice.request("POST", PATH, content(60_000))
        turned_away(server, answer, "EAS0212")
        assert answer.headers.get("Connection") == "close"
        turned_away(server, alice.request("POST", PATH, content(200_000)), "EAS0212")
        assert phone("bob").request("POST", PATH, content(60_000)).user == "bob@CONTOSO.TEST"
        assert alice.request("POST", PATH, content(10_000)).status == 200
        first.send(content(60_000)[-1:])
        assert first.answer().status == 200
        wait_until(lambda: alice.request("POST", PATH, content(60_000)).status == 200, "the room")


def test_single_body_is_never_too_large(gateway, phone, cas1):
    """It would be told to come again for ever."""
    gateway(location="EASCertAuthAccountLimit spool=100K")
    assert phone("alice").request("POST", PATH, content(3_000_000)).status == 200


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.eas("EAS0206", "EAS0211")
def test_phone_that_goes_away_holds_nothing(gateway, phone, cas1, how):
    server = gateway(location=REQUESTS)
    alice = phone("alice")
    with sending(server, alice, 200_000, 3) as connections:
        turned_away(server, alice.options(), "EAS0211")
        for connection in connections:
            getattr(connection, how)()
        wait_until(lambda: alice.options().status == 200, "the places")


@pytest.mark.eas("EAS0211")
def test_killed_process_holds_nothing(gateway, phone, cas1):
    server = gateway(location=REQUESTS, mpm="prefork", threads=8)
    alice = phone("alice")
    with holding(alice, 3, cas1):
        turned_away(server, alice.options(), "EAS0211")
        busy = wait_until(lambda: towards(server, cas1), "the processes that are busy")
        assert len(busy) == 3
        for pid in busy:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: alice.options().status == 200, "the places")
        with holding(alice, 2, cas1):       # none of the three counts any more
            assert alice.options().status == 200


def towards(server, backend):
    """The processes of a gateway that have a connection to a back end."""
    peer = "%s:%04X" % ("".join("%02X" % int(part) for part in
                                reversed(backend.address.split("."))), backend.port)
    with open("/proc/net/tcp", encoding="ascii") as file:
        inodes = {words[9] for words in map(str.split, file)
                  if words[2] == peer and words[3] == "01"}
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getpgid(int(pid)) == server.pid:
                folder = "/proc/%s/fd" % pid
                if inodes & {os.readlink("%s/%s" % (folder, name))[8:-1]
                             for name in os.listdir(folder)}:
                    found.add(int(pid))
    return found
