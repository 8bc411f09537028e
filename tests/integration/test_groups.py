# SPDX-License-Identifier: Apache-2.0
"""Require eas-group: who is in which group of a real directory, what the other lines of a section
make of it, and what a directory that does not answer may not open."""
import time

import pytest

from lab.directory import USERS
from lab.phone import PATH
from lab.process import wait_until
from shared import (BACKEND, cards, logged, phone, place, refused, site, standing,  # noqa: F401
                    untouched)
from test_account import hidden
from test_outage import DIRECTORY_DOWN, secret  # noqa: F401

BASE = "DC=contoso,DC=test"
MISSING = "CN=no such group," + USERS
ELSEWHERE = "CN=EAS Users,CN=Users,DC=fabrikam,DC=test"
DISTRIBUTION = "2"      # groupType of a global group without GROUP_TYPE_SECURITY_ENABLED


def group(name):
    """DN of a group of this file; its name has what a DN must escape."""
    return r"CN=EAS\, %s,%s" % (name, USERS)


def require(*names):
    return "Require eas-group " + " ".join('"%s"' % (name if "=" in name else group(name))
                                           for name in names)


def negated(name):
    return require(name).replace("Require", "Require not")


def block(kind, *lines):
    return ["<%s>" % kind, *lines, "</%s>" % kind.split(" ")[0]]


LOCAL = "CN=Users,CN=Builtin," + BASE
PLACES = {
    "/direct": [require("direct")],
    "/outer": [require("outer")],
    "/primary": [require("primary")],
    "/above": [require("above primary")],
    "/everybody": [require("CN=domain users,CN=Users," + BASE)],
    "/builtin": [require(LOCAL)],
    "/two": [require("direct", "outer")],
    "/two-lines": [require("direct"), require("outer")],
    "/both": block("RequireAll", require("direct"), require("both")),
    "/any": block("RequireAny", require("direct"), require("outer")),
    "/valid-user": block("RequireAny", "Require valid-user", require("missing")),
    "/denied": block("RequireAll", require("direct"), "Require all denied"),
    "/not": block("RequireAll", "Require all granted", negated("direct")),
    "/none": block("RequireAll", "Require all granted",
                   *block("RequireNone", require("direct"), require("outer"))),
    "/not-none": block("RequireAll", negated("outer"), require("direct")),
    "/missing": [require(MISSING)],
    "/not-missing": block("RequireAll", "Require all granted", negated(MISSING)),
    "/any-missing": block("RequireAny", require("direct"), require(MISSING)),
    "/container": [require(USERS)],
    "/user": [require("CN=alice," + USERS)],
    "/mail": [require("mail")],
    "/elsewhere": [require(ELSEWHERE)],
    "/not-elsewhere": block("RequireAll", "Require all granted", negated(ELSEWHERE)),
    "/merged": [require("direct")],
    "/open-to-all": ["EASCertAuthProtocol Any", require("direct")],
    "/not-open-to-all": ["EASCertAuthProtocol Any",
                         *block("RequireAll", "Require all granted", negated("direct"))],
    "/round": ["EASCertAuthProtocol Any", "ErrorDocument 403 /round", require("direct")],
    "/methods": block("Limit POST", require("direct")),
}
MERGED = {"/merged/and": ["AuthMerging And", require("both")],
          "/merged/or": ["AuthMerging Or", require("outer")],
          "/merged/off": [require("outer")]}
SITE = {"after": [line for path, lines in PLACES.items() for line in place(path, *lines)]
        + [line for path, lines in MERGED.items()
           for line in ("<Location %s>" % path, *lines, "</Location>")]
        # Not protected but for a part: configtest cannot tell what a request will be.
        + ["<Location /half>", "  ProxyPass %s" % BACKEND, "  " + require("direct"), "</Location>",
           "<Location /half-not>", "  ProxyPass %s" % BACKEND,
           *block("RequireAll", "Require all granted", negated("direct")), "</Location>"]
        + place("/half/protected", require("direct"))
        + place("/half-not/protected", require("direct"))}


@pytest.fixture(scope="module")
def people(bench):
    """Accounts, by the group that they are in."""
    directory = bench.directory
    made = {name: directory.add_user("group." + name)
            for name in ("direct", "nested", "primary", "both", "outside", "busy")}
    add(bench, "direct", "group.direct", "group.both")
    add(bench, "both", "group.both")
    add(bench, "inner", "group.nested", "group.busy")
    add(bench, "middle", group("inner"))
    add(bench, "outer", group("middle"))
    add(bench, "primary", "group.primary")
    add(bench, "above primary", group("primary"))
    add(bench, "mail", "group.direct", groupType=DISTRIBUTION)
    add(bench, "missing")
    rid = directory.sid(group("primary")).rsplit("-", 1)[1]
    directory.modify("group.primary", primaryGroupID=rid)
    assert "member" not in directory.entry(group("primary"))
    return made


def add(bench, name, *members, **attributes):
    assert group(name) == bench.directory.add_group(
        "EAS, " + name, members, sAMAccountName="eas " + name, **attributes)


@pytest.fixture
def of(bench, people, phone, cards):
    """Makes phones by the name of a person; one certificate each."""
    def make(name, gateway=None):
        if people[name] not in cards:
            cards[people[name]] = bench.certificate(people[name])
        return phone(cards[people[name]], gateway)
    return make


def admitted(answer, person):
    return (answer.status, answer.user) == (200, "group.%s@CONTOSO.TEST" % person)


# ---- who is a member ------------------------------------------------------------------------------

@pytest.mark.parametrize("path,person", [
    ("/direct", "direct"), ("/outer", "nested"), ("/primary", "primary"), ("/above", "primary"),
    ("/everybody", "outside"), ("/builtin", "outside"),
    ("/two", "direct"), ("/two", "nested"), ("/two-lines", "direct"), ("/two-lines", "nested"),
    ("/both", "both"), ("/any", "direct"), ("/any", "nested"), ("/valid-user", "outside"),
    ("/not", "outside"), ("/not", "nested"), ("/none", "outside"), ("/not-none", "direct"),
    ("/merged", "direct"), ("/merged/and", "both"), ("/merged/or", "direct"),
    ("/merged/or", "nested"), ("/merged/off", "nested")])
def test_let_in(site, of, path, person):
    assert admitted(of(person).options(path=path), person)
    assert site.numbers() == []
    logged(site, status="200", uri=path, EAS_REASON="")


@pytest.mark.parametrize("path,person,says", [
    ("/direct", "nested", "not in " + group("direct")),
    ("/direct", "outside", "not in " + group("direct")),
    ("/outer", "direct", "not in " + group("outer")),
    ("/primary", "direct", "not in " + group("primary")),
    ("/above", "nested", "not in " + group("above primary")),
    ("/two", "primary", "not in %s; not in %s" % (group("direct"), group("outer"))),
    ("/two-lines", "primary", "not in %s; not in %s" % (group("direct"), group("outer"))),
    ("/any", "primary", "not in %s; not in %s" % (group("direct"), group("outer"))),
    ("/both", "direct", "not in " + group("both")),
    ("/not", "direct", "in " + group("direct")),
    ("/none", "nested", "in " + group("outer")),
    ("/not-none", "outside", "not in " + group("direct")),
    ("/merged/and", "direct", "not in " + group("both")),
    ("/merged/or", "outside", "not in %s; not in %s" % (group("direct"), group("outer"))),
    ("/merged/off", "direct", "not in " + group("outer"))])
def test_kept_out(site, of, refused, path, person, says):
    refused(of(person).options(path=path), "EAS0511", 403)
    line = site.error_log.entries()[-1].line
    assert "(%s)" % says.replace("\\", r"\\x5c") in line and "account=\"group." + person in line


def test_another_line_keeps_out(site, of, refused):
    """A member whom another Require refuses: that is not said to be the group's doing."""
    refused(of("direct").options(path="/denied"), "EAS0508", 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/open-to-all", "/not-open-to-all"])
def test_every_method(site, of, refused, method, path):
    who = "outside" if path == "/open-to-all" else "direct"
    refused(of(who).request(method, path, body=b"x" if method == "POST" else None), "EAS0511", 403)


def test_error_document_of_the_same_section(site, of, refused):
    """httpd asks no Require about an internal redirect under the same configuration."""
    refused(of("outside").request("GET", "/round"), "EAS0511", 403)


def test_limited_to_a_method(site, of, untouched, refused):
    query = of("outside").query("FolderSync").split("?")[1]
    assert admitted(of("outside").options(path="/methods"), "outside")
    assert admitted(of("direct").request("POST", "/methods?" + query, body=b"x"), "direct")
    untouched.reset()
    refused(of("outside").request("POST", "/methods?" + query, body=b"x"), "EAS0511", 403)


def test_refused_before_the_body_is_read(site, of, people, refused):
    """Most of the mail is still to come when the answer is there, and the connection closes."""
    one = of("outside")
    with one.connect() as connection:
        connection.send(("POST /direct?%s HTTP/1.1\r\nHost: %s\r\nMS-ASProtocolVersion: 14.1\r\n"
                         "Content-Type: application/vnd.ms-sync.wbxml\r\n"
                         "Content-Length: 5000000\r\n\r\n"
                         % (one.query("SendMail").split("?")[1], one.host)).encode() + b"x" * 1000)
        answer = connection.answer()
        assert not connection.open
    refused(answer, "EAS0511", 403)


# ---- a name that is no group's --------------------------------------------------------------------

@pytest.mark.parametrize("path,says", [
    ("/missing", "does not exist"), ("/not-missing", "does not exist"),
    ("/container", "no security group"), ("/user", "no security group"),
    ("/mail", "no security group")])
@pytest.mark.parametrize("person", ["direct"])
def test_no_group(site, of, refused, path, says, person):
    """Neither for those who should be in it nor for those who should not."""
    refused(of(person).options(path=path), "EAS0412", 403)
    assert says in site.error_log.entries()[-1].line


def test_missing_group_beside_another(site, of, untouched, refused):
    """mod_authz_core asks no further than it has to."""
    assert admitted(of("direct").options(path="/any-missing"), "direct")
    untouched.reset()
    refused(of("outside").options(path="/any-missing"), "EAS0412", 403)


@pytest.mark.parametrize("path", ["/elsewhere", "/not-elsewhere"])
def test_group_of_another_domain(site, of, refused, path):
    refused(of("direct").options(path=path), "EAS0413", 403)


# ---- who was not let in by EASCertAuth ------------------------------------------------------------

@pytest.mark.parametrize("path", ["/half", "/half-not", "/half/other", "/half-not/other"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_section_without_eascertauth(site, of, untouched, expect, path, method):
    """A certificate alone is no account there, and nobody is asked for a password."""
    expect("EAS0026")
    answer = of("direct").request(method, path, body=b"x" if method == "POST" else None)
    assert answer.status == 403 and "WWW-Authenticate" not in answer.headers
    untouched.check()
    line = logged(site, status="403", method=method, EAS_REASON="EAS0026")[-1]
    assert line["uri"].startswith(path)


def test_its_protected_part(site, of, untouched, refused):
    assert admitted(of("direct").options(path="/half/protected"), "direct")
    untouched.reset()
    refused(of("outside").options(path="/half/protected"), "EAS0511", 403)


def test_without_a_certificate(site, phone, refused):
    refused(phone(None).options(path="/not"), "EAS0102", 403)


# ---- facts and outages ----------------------------------------------------------------------------

def test_leaving_and_joining_take_effect_when_the_facts_are_too_old(
        bench, gateway, account, phone, expect, people):
    expect("EAS0511")
    one = account()
    add(bench, "changing", one.name)
    server = gateway(port=8443, server="EASCertAuthCacheTTL account=1",
                     location=require("changing"))
    try:
        with phone(one, server).connect() as connection:
            assert connection.request("OPTIONS").status == 200
            for members, status in (([], 403), ([one.dn], 200)):
                bench.directory.modify(group("changing"), member=members)
                wait_until(lambda: connection.request("OPTIONS").status == status,
                           "status %d" % status, deadline=4, pause=0.05)
    finally:
        bench.directory.delete(group("changing"))


def test_group_that_appears(bench, gateway, phone, account, expect):
    expect("EAS0412")
    one = account()
    server = gateway(port=8443, server="EASCertAuthCacheTTL negative=1", location=require("later"))
    with phone(one, server).connect() as connection:
        assert connection.request("OPTIONS").status == 403
        add(bench, "later", one.name)
        try:
            wait_until(lambda: connection.request("OPTIONS").status == 200, "the group",
                       deadline=4, pause=0.05)
        finally:
            bench.directory.delete(group("later"))


@pytest.mark.parametrize("lines", [[require("direct")], [negated("outer"), require("direct")],
                                   block("RequireNone", require("outer"))
                                   + ["Require all granted"]],
                         ids=["require", "not", "none"])
def test_directory_down(bench, gateway, directory, of, people, expect, lines):
    """Who was asked about is let in until the facts are too old; of others nobody can tell."""
    expect.maybe(*DIRECTORY_DOWN)
    server = gateway(port=8443, processes=1, vhost="EASCertAuthRetryAfter 7",
                     location=block("RequireAll", *lines), after=place("/free"))
    direct, both = of("direct", server), of("both", server)
    assert admitted(direct.options(), "direct")
    assert admitted(both.options(path="/free"), "both")
    directory.stop()
    server.mark()
    assert admitted(direct.options(), "direct")
    assert admitted(both.options(path="/free"), "both")
    answer = both.options()
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "7")
    logged(server, status="503", EAS_ACCOUNT="group.both@CONTOSO.TEST")
    assert set(server.numbers()) <= set(DIRECTORY_DOWN) and server.numbers()
    directory.start()
    wait_until(lambda: admitted(both.options(), "both"), "the gateway recovers", 20)


def test_hung_directory_costs_no_more_than_the_deadline(gateway, directory, of, expect):
    """The account and its groups are asked for under one deadline."""
    expect.maybe(*DIRECTORY_DOWN)
    server = gateway(port=8443, processes=1, location=require("direct"), after=place("/free"),
                     vhost=["EASCertAuthTimeout directory=1", "EASCertAuthRetryAfter 7"])
    one = of("direct", server)
    assert admitted(one.options(path="/free"), "direct")
    directory.pause()
    try:
        begin = time.monotonic()
        answer = one.options()
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "7")
        # The deadline bounds the wait; how far beyond it a busy machine gets is its own affair.
        assert time.monotonic() - begin < 15
    finally:
        directory.resume()
    wait_until(lambda: admitted(one.options(), "direct"), "the gateway recovers", 20)


def test_groups_that_the_gateway_may_not_read(bench, gateway, account, phone, refused, expect):
    """As in a domain whose "Windows Authorization Access Group" does not hold its account."""
    one, server = account(), gateway(port=8443, location=require("direct"))
    hidden(bench, one, "b7c69e6d-2cc7-11d2-854e-00a0c983f608")
    answer = phone(one, server).options()
    refused(answer, "EAS0414", 503, server)
    assert answer.headers.get("Retry-After") == "30"
    assert "Windows Authorization Access Group" in server.error_log.entries()[-1].line
