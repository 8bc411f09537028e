# SPDX-License-Identifier: Apache-2.0
"""How often the directory is asked: counted at a real domain controller, in its own log.

What is counted for a request is what it asks about its account. The gateway's own upkeep is counted
apart: rootDSE and NTAuthCertificates, once per connection or per refresh, and the SIDs of the groups
that a configuration names, once per account time.
"""
import itertools

import pytest

from lab.directory import DISABLED, NTAUTH, USER, USERS
from lab.process import wait_until
from shared import cards, phone, place, refused, site, standing, untouched  # noqa: F401
from test_account import NOBODY
from test_altsec import bearer  # noqa: F401

GROUPS = ["CN=counted %d,%s" % (number, USERS) for number in (1, 2)]
REQUIRE = ['Require eas-group "%s"' % dn for dn in GROUPS]
LAX = ["EASCertAuthStrongMapping Off",
       "EASCertAuthMap SID SIDURL AltSecurityIdentities UPN RFC822 Subject"]
SITE = {"processes": 1, "after": place("/lax", *LAX) + place("/groups", *LAX, *REQUIRE)}
WHOLE = "DC=contoso,DC=test"

_count = itertools.count(1)


@pytest.fixture(scope="module")
def groups(bench):
    """Two groups that the configuration names, and nobody is in the first one."""
    for dn in GROUPS:
        assert bench.directory.add_group(dn.split(",")[0][3:], ["alice"] * (dn == GROUPS[1])) == dn
    yield GROUPS
    for dn in GROUPS:
        bench.directory.delete(dn)


class Counter:
    """What a gateway asked since `mark`."""

    def __init__(self, bench, phone, server):
        self._bench, self._phone, self._server = bench, phone, server
        self._gateway = bench.directory.sid("gw")
        self.mark()

    def mark(self):
        self._mark = self._bench.directory.mark()

    def _searches(self):
        return [one for one in self._bench.directory.searches(self._mark)
                if one["who"] == self._gateway]

    def read(self):
        """(searches for accounts, for groups of accounts, upkeep): how many of each."""
        # What is asked last is in the log when everything before it is.
        name = "last%d@nowhere.example" % next(_count)
        last = self._phone("alice", self._server, sid=None, upn=name)
        assert last.options(path="/lax").status == 403
        wait_until(lambda: any(name in one["filter"] for one in self._searches()),
                   "the last search")
        found = [one for one in self._searches() if name not in one["filter"]]
        kinds = [self._kind(one) for one in found]
        assert None not in kinds, found
        return tuple(kinds.count(kind) for kind in ("account", "groups", "upkeep"))

    @staticmethod
    def _kind(one):
        if one["base"] == WHOLE and one["scope"] == "SUB":
            return "account"
        if one["base"].startswith("<SID="):
            return "groups"
        return "upkeep" if one["base"] in ("", NTAUTH, *GROUPS) else None


@pytest.fixture
def counter(bench, site, phone, groups, expect):
    """The counter; the gateway has its connection, and knows NTAuth and the groups."""
    expect.maybe("EAS0302", "EAS0310")
    assert phone("alice").options(path="/groups").status == 200
    return Counter(bench, phone, site)


# ---- every way to an account ----------------------------------------------------------------------

def by_sid(bearer, account, say):
    who = account()
    return who, bearer(sid=who.sid)


def by_sid_url(bearer, account, say):
    who = account()
    return who, bearer(sid_url=who.sid)


def by_explicit_upn(bearer, account, say):
    who = account(upn="counted%d@elsewhere.example" % next(_count))
    return who, bearer(upn=who.upn)


def by_implicit_upn(bearer, account, say):
    who = account(upn=None)
    return who, bearer(upn=who.name + "@contoso.test")


def by_subject(bearer, account, say):
    who = account(upn="counted%d@contoso.test" % next(_count))
    return who, bearer(subject="CN=" + who.upn)


def by_altsec(*forms):
    def make(bearer, account, say):
        who = account()
        one = bearer()
        say(who, *[one.value(form) for form in forms])
        return who, one
    return make


def by_everything(bearer, account, say):
    """Each of them is a condition of one filter."""
    who = account(upn="counted%d@contoso.test" % next(_count))
    one = bearer(sid=who.sid, sid_url=who.sid, upn=who.upn, subject="CN=" + who.upn)
    say(who, *[one.value(form) for form in ("SR", "SKI", "SHA1-PUKEY", "SID", "I-S", "RFC822")])
    return who, one


def by_one_of_two(bearer, account, say):
    who = account()
    return who, bearer(sid=who.sid, upn="nobody@elsewhere.example")


WAYS = {"sid": by_sid, "sid-url": by_sid_url, "explicit-upn": by_explicit_upn,
        "implicit-upn": by_implicit_upn, "subject": by_subject,
        "issuer-serial": by_altsec("SR"), "ski": by_altsec("SKI"),
        "thumbprint": by_altsec("SHA1-PUKEY"), "issuer-subject": by_altsec("I-S"),
        "subject-only": by_altsec("S"), "mail": by_altsec("RFC822"),
        "several-values": by_altsec("SR", "SKI", "S"), "everything": by_everything,
        "a-sid-and-an-unknown-upn": by_one_of_two}


@pytest.fixture
def say(bench):
    return lambda who, *values: bench.directory.modify(who.name, altSecurityIdentities=list(values))


@pytest.mark.parametrize("way", WAYS)
def test_one_search_finds_the_account(bearer, account, say, counter, way):
    who, one = WAYS[way](bearer, account, say)
    assert one.phone.options(path="/lax").user == who.name + "@CONTOSO.TEST"
    assert counter.read() == (1, 0, 0)
    counter.mark()
    for _ in range(2):
        assert one.phone.options(path="/lax").status == 200
    assert counter.read() == (0, 0, 0)


@pytest.mark.parametrize("way", ["sid", "implicit-upn", "everything"])
def test_one_more_for_its_groups_however_many_are_named(
        bench, bearer, account, say, counter, way):
    who, one = WAYS[way](bearer, account, say)
    bench.directory.modify(GROUPS[1], member=[bench.directory.dn("alice"), who.dn])
    assert one.phone.options(path="/groups").status == 200
    assert counter.read() == (1, 1, 0)
    counter.mark()
    for path in ("/groups", "/lax", "/groups"):
        assert one.phone.options(path=path).status == 200
    assert counter.read() == (0, 0, 0)


def test_groups_are_asked_for_where_they_are_required(bearer, account, say, counter, expect):
    expect("EAS0511")
    _, one = by_sid(bearer, account, say)
    assert one.phone.options(path="/lax").status == 200
    assert counter.read() == (1, 0, 0)
    counter.mark()
    for _ in range(2):
        assert one.phone.options(path="/groups").status == 403
    assert counter.read() == (0, 1, 0)


# ---- nobody, and who may not ----------------------------------------------------------------------

@pytest.mark.parametrize("shape,number", [
    ({"sid": NOBODY}, "EAS0302"), ({"upn": "nobody@contoso.test"}, "EAS0302"),
    ({"sid_url": NOBODY}, "EAS0302"), ({}, "EAS0301"),
    ({"sid": NOBODY, "sid_url": NOBODY, "upn": "nobody@contoso.test",
      "subject": "CN=nobody@contoso.test"}, "EAS0302")],
    ids=["sid", "upn", "sid-url", "altsec", "everything"])
def test_one_search_finds_nobody(bearer, counter, expect, shape, number):
    expect(number)
    one = bearer(**shape)
    for times in (1, 0):
        counter.mark()
        assert one.phone.options(path="/groups").status == 403
        assert counter.read() == (times, 0, 0)


def test_who_is_refused_is_not_asked_about_twice(bearer, account, counter, expect):
    expect("EAS0501")
    one = bearer(sid=account(uac=USER | DISABLED).sid)
    for times in (1, 0):
        counter.mark()
        assert one.phone.options(path="/groups").status == 403
        assert counter.read() == (times, 0, 0)


def test_two_accounts_are_one_search(bearer, account, counter, expect):
    expect("EAS0304")
    one = bearer(sid=account().sid, upn=account().upn)
    assert one.phone.options(path="/groups").status == 403
    assert counter.read() == (1, 0, 0)


@pytest.mark.parametrize("request_line,number,status", [
    (("PUT", "/groups"), "EAS0202", 501), (("POST", "/groups?Cmd=x&User="), "EAS0221", 400)])
def test_malformed_requests_ask_nobody(bearer, counter, expect, request_line, number, status):
    expect(number)
    assert bearer(sid=NOBODY).phone.request(*request_line, body=b"x").status == status
    assert counter.read() == (0, 0, 0)


# ---- the gateway's own ----------------------------------------------------------------------------

def test_upkeep_of_a_gateway_that_has_just_started(bench, gateway, phone, expect, groups):
    """rootDSE at the connection's beginning and with NTAuth; each group's name."""
    expect("EAS0302")
    server = gateway(port=8443, processes=1, after=place("/lax", *LAX),
                     location=REQUIRE)
    counter = Counter(bench, phone, server)
    one = phone("alice", server)
    assert one.options().status == 200
    assert counter.read() == (1, 1, 5)
    counter.mark()
    assert one.options().status == 200
    assert counter.read() == (0, 0, 0)
