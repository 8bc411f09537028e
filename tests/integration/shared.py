# SPDX-License-Identifier: Apache-2.0
"""What several test files share: one gateway for a whole file, and the claims that every refusal
must meet.  A test file says which gateway it wants and imports the fixtures:

    from shared import phone, place, refused, site, standing

    SITE = {"after": place("/lax", "EASCertAuthStrongMapping Off")}

    def test_weak(site, phone, refused):
        refused(phone("alice", sid=None).options(), "EAS0306", 403)
"""
import os
import re

import pytest

from lab.log import Log
from lab.process import wait_until

BACKEND = "https://cas1.contoso.test/Microsoft-Server-ActiveSync"

#: What the body of a refusal may not speak of.
_DETAIL = re.compile(rb"EAS\d|S-1-\d|contoso|certificate|account|directory|kerberos|ldap|spool",
                     re.IGNORECASE)
#: The header fields that a refusal may have.
_FIELDS = {"date", "server", "content-length", "content-type", "connection", "keep-alive",
           "transfer-encoding", "retry-after", "allow"}


def place(path, *lines, target=BACKEND):
    """Lines of a protected Location at a path of its own, beside the usual one."""
    return ["<Location %s>" % path, "  EASCertAuth On", *["  " + line for line in lines],
            "  ProxyPass %s timeout=3600" % target, "</Location>"]


def bare(answer):
    """The answer tells a phone no more than its status."""
    found = _DETAIL.search(answer.body)
    assert found is None, answer.body
    assert {name.lower() for name, _ in answer.headers} <= _FIELDS, answer.headers


class Strangers:
    """Requests that a back end turned away, because they had no token."""

    def __init__(self, backend):
        self._log = Log(os.path.join(backend.folder, "access.log"))
        self._log.mark()

    def seen(self):
        """Lines of the back end's access log without a user, since this object was made."""
        return [line for line in self._log.lines() if line.split(" ", 2)[1] == "-"]

    def wait_for(self, count):
        """Waits until so many have come: httpd writes the line after the answer."""
        wait_until(lambda: len(self.seen()) == count, "%d requests without a token" % count)


class Untouched:
    """A back end that is to see nothing: neither a request that it authenticated nor another."""

    def __init__(self, backend):
        self._backend = backend
        self.reset()

    def reset(self):
        """What was seen up to now does not count."""
        self._backend.mark()
        self._strangers = Strangers(self._backend)

    def check(self):
        """Nothing came since."""
        assert self._backend.requests() == []
        assert self._strangers.seen() == []


def logged(server, count=1, **fields):
    """The lines of the access log that have these fields, waiting for so many.

    httpd writes a line after the answer: that of an earlier test may come while this one runs.
    """
    def found():
        lines = [line for line in server.access(0) if fields.items() <= line.items()]
        return lines if len(lines) >= count else None
    return wait_until(found, "%d access log lines with %s" % (count, fields))


def name_of(connection):
    """What the access log calls a connection of a phone."""
    return "%s:%d" % connection.socket.getsockname()[:2]


def resting(bench, **knobs):
    """A gateway that has said all that it says at start."""
    return settled(bench.gateway(**knobs))


def settled(server):
    """httpd reads its configuration twice, and listens after the first time."""
    wait_until(lambda: "resuming normal operations" in server.error_log.text(0), "httpd at rest")
    return server


@pytest.fixture(scope="session")
def cards():
    """Certificates of the accounts that no test changes; a signature costs more than a request."""
    return {}


@pytest.fixture
def phone(bench, phone, cards):
    """Makes phones as the fixture of the same name does, the usual ones with one certificate."""
    def make(certificate="alice", gateway=None, **shape):
        if isinstance(certificate, str) and not shape:
            if certificate not in cards:
                cards[certificate] = bench.certificate(certificate)
            certificate = cards[certificate]
        return phone(certificate, gateway, **shape)
    return make


@pytest.fixture(scope="module")
def standing(request, bench):
    """The gateway of the file, with the knobs of its SITE."""
    made = resting(bench, **request.module.SITE)
    yield made
    bench.forget(made)


def unexpected(server, expect):
    """What the log of a gateway says since its mark, and the test has not foreseen."""
    known = expect.required | expect.allowed
    entries = server.error_log.entries()
    problems = server.crashes()
    problems += [entry.line for entry in entries if entry.number and entry.number not in known]
    problems += [entry.line for entry in entries if entry.level in ("emerg", "alert")]
    problems += ["%s was expected and not logged" % number
                 for number in sorted(expect.required - {entry.number for entry in entries})]
    return problems


@pytest.fixture
def site(standing, expect):
    """The gateway of the file; what it logs during the test must be expected."""
    standing.mark()
    yield standing
    problems = unexpected(standing, expect)
    if problems:
        pytest.fail("in the error log of the gateway:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture(autouse=True)
def weak_is_said(expect):
    """For files whose Locations accept weak mappings: who is let in by a weak mapping is named once
    a day, and test_policy.py looks at that."""
    expect.maybe("EAS0310")


@pytest.fixture
def untouched(bench):
    """The usual back end, which is to see nothing from here on."""
    return Untouched(bench.cas1)


@pytest.fixture
def refused(request, untouched, expect):
    """refused(answer, number, status): the claims that every refusal must meet."""

    def check(answer, number, status, server=None):
        server = server or request.getfixturevalue("site")
        expect(number)
        assert answer.status == status and answer.error == "", str(answer)
        bare(answer)
        untouched.check()
        assert set(server.numbers()) == {number}
        last = logged(server, status=str(status), EAS_REASON=number)[-1]
        assert last["EAS_TICKET"] == last["EAS_SPN"] == ""
        return last
    return check
