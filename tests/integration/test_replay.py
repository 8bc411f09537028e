# SPDX-License-Identifier: Apache-2.0
"""When a request is sent to a back end again: after a 401, and where nobody can have acted on it; and
when it is not."""
import hashlib
import os

import pytest

from lab import namespace
from lab.acceptor import CLOSE, DEAF, Scripted, field, reply
from lab.httpd import owner
from lab.log import Log
from lab.phone import PATH
from lab.process import wait_until
from shared import bare, cards, logged, phone, resting     # noqa: F401

TARGET = "https://cas5.contoso.test timeout=3600"
HOSTS = ["HTTP/" + namespace.host("cas%d" % number) for number in range(1, 6)]
NEGOTIATE = "WWW-Authenticate: Negotiate"


def user_of(answer):
    return answer.status, answer.user


def alice(answer):
    assert user_of(answer) == (200, "alice@CONTOSO.TEST"), str(answer)
    return answer


def digest(body):
    return hashlib.sha256(body).hexdigest()


class Kdc:
    """Tickets that the KDC was asked for, since this object was made."""

    def __init__(self, directory):
        self._directory = directory
        self._mark = directory.mark()

    def tickets(self):
        """S4U2Proxy requests."""
        return [one for one in self._directory.kdc_requests(self._mark)
                if one["kind"] == "TGS" and "impersonatee=" in one["detail"]]


@pytest.fixture
def kdc(bench):
    return Kdc(bench.directory)


@pytest.fixture
def refusals(bench):
    """Statuses of what cas1 turned away from here on."""
    log = Log(os.path.join(bench.cas1.folder, "access.log"))
    log.mark()
    return lambda: [line for line in log.lines() if line.split('" ')[1].split()[0] == "401"]


@pytest.fixture
def rotate(bench):
    """Gives the Exchange servers a new key, as the rotation of an ASA does."""
    def do():
        bench.directory.rotate("exchange", bench.exchange_keytab, *HOSTS, owner=owner("nobody"))
    return do


@pytest.fixture(scope="module")
def stale(bench):
    """A keytab whose keys are not those that the KDC has."""
    path = os.path.join(bench.folder, "stale.keytab")
    bench.directory.export_keytab(path, *HOSTS, owner=owner("nobody"))
    bench.directory.rotate("exchange", bench.exchange_keytab, *HOSTS, owner=owner("nobody"))
    return path


@pytest.fixture(scope="module")
def server_certificate(bench):
    name = namespace.host("cas5")
    return bench.servers.issue(name, dns=name, eku=("serverAuth",), key="server")


@pytest.fixture
def scripted(server_certificate):
    """Makes a back end in the place of cas5 that says what a script tells it to."""
    made = []

    def make(*script):
        made.append(Scripted(namespace.address("cas5"), server_certificate, script))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def standing(bench):
    """One gateway for those tests that leave nothing behind in it: to cas5, and with cas1 beside it."""
    lines = ["<Location /pair>", "  EASCertAuth On", "  EASCertAuthProtocol Any",
             "  ProxyPass balancer://pair" + PATH, "</Location>",
             "<Location /error>", "  EASCertAuth On", "  EASCertAuthProtocol Any",
             "  ProxyErrorOverride On", "  ProxyPass %s%s timeout=3600" % (TARGET.split()[0], PATH),
             "</Location>"]
    pair = ["<Proxy balancer://pair>",
            "  BalancerMember https://cas5.contoso.test timeout=3600 retry=0",
            "  BalancerMember https://cas1.contoso.test timeout=3600 retry=0 status=+H", "</Proxy>"]
    made = resting(bench, target=TARGET, server=pair, after=lines)
    yield made
    bench.forget(made)


@pytest.fixture
def site(standing, expect):
    """The gateway of the file; what it logs during the test must be expected."""
    from shared import unexpected
    standing.mark()
    yield standing
    expect.maybe("EAS0046")
    problems = unexpected(standing, expect)
    assert not problems, "\n".join(problems)


# ---- the key of the back end changes ---------------------------------------------------------------

def test_key_changes_while_a_ticket_is_remembered(gateway, cas1, phone, rotate, kdc, refusals):
    one = gateway()
    body = os.urandom(5_000_000)
    with phone("alice").connect() as connection:
        alice(connection.command("Sync"))
        rotate()
        answer = alice(connection.command("SendMail", body))
        assert "WWW-Authenticate" not in answer.headers
        assert answer.headers.all("X-Backend-User") == ["alice@CONTOSO.TEST"]
        alice(connection.command("Sync"))
    assert [request["command"] for request in cas1.requests()] == ["Sync", "SendMail", "Sync"]
    assert cas1.requests()[1]["sha256"] == digest(body)     # whole, and once
    assert len(refusals()) == 1
    assert [(line["EAS_TICKET"], line["EAS_ATTEMPTS"]) for line in one.access(3)] == [
        ("kdc", "1"), ("kdc", "2"), ("process", "1")]
    assert len(kdc.tickets()) == 2


@pytest.mark.parametrize("shape", [
    {"chunked": True}, {"expect": True}, {"version": "2"}, {"version": "2", "chunked": False},
    {"version": "1.0"}], ids=["chunked", "continue", "h2", "h2-length", "http10"])
def test_every_kind_of_request_is_sent_again(gateway, cas1, phone, rotate, shape):
    one = gateway(modules=["http2"], vhost="Protocols h2 http/1.1")
    alice(phone("alice").options())
    rotate()
    body = os.urandom(200_000)
    answer = alice(phone("alice").command("SendMail", body, **shape))
    assert answer.headers.all("X-Backend-User") == ["alice@CONTOSO.TEST"]
    assert [request["sha256"] for request in cas1.requests()][1:] == [digest(body)]
    assert one.access(2)[-1]["EAS_ATTEMPTS"] == "2"


@pytest.mark.eas("EAS0045")
def test_worker_that_asks_before_it_sends_the_body(gateway, cas1, phone, rotate):
    """ping=: the head leaves alone, with the token, and the body after "100 Continue"."""
    gateway(target="https://cas1.contoso.test timeout=3600 ping=5")
    body = os.urandom(100_000)
    with phone("alice").connect() as connection:
        alice(connection.command("SendMail", body))
        rotate()
        alice(connection.command("SendMail", body))
    assert [request["sha256"] for request in cas1.requests()] == [digest(body)] * 2


def test_streams_in_parallel_after_a_change_of_key(gateway, cas1, phone, rotate, kdc):
    gateway(modules=["http2"], vhost="Protocols h2 http/1.1", processes=1)
    alice(phone("alice").options())
    rotate()
    bodies = [os.urandom(20_000) for _ in range(12)]
    answers = phone("alice").parallel(
        [dict(path=phone("alice").query("SendMail"), body=body) for body in bodies])
    assert {user_of(answer) for answer in answers} == {(200, "alice@CONTOSO.TEST")}
    mails = [one["sha256"] for one in cas1.requests() if one["command"] == "SendMail"]
    assert sorted(mails) == sorted(digest(body) for body in bodies)
    assert len(kdc.tickets()) <= 1 + len(bodies)    # a fresh one is never dropped for a stale one's 401


# ---- a back end that refuses for good ------------------------------------------------------------

def test_back_end_that_always_refuses(gateway, backend, phone, expect, stale, kdc):
    """Two tickets are asked for, then none until EASCertAuthCacheTTL negative= is over."""
    expect("EAS0701", "EAS0712")
    backend("cas5", keytab=stale)
    one = gateway(target=TARGET, server="EASCertAuthCacheTTL negative=3", processes=1)
    first = phone("alice").command("SendMail", os.urandom(300_000))
    assert (first.status, first.user) == (502, None)
    bare(first)
    with phone("alice").connect() as connection:
        for _ in range(5):
            assert connection.command("Sync").status == 502
    lines = one.access(6)
    assert [line["EAS_REASON"] for line in lines] == ["EAS0701"] + ["EAS0712"] * 5
    assert [line["EAS_ATTEMPTS"] for line in lines] == ["2"] + ["1"] * 5
    assert len(kdc.tickets()) == 2
    # Another account is another matter.
    assert phone("bob").folder_sync().status == 502
    assert one.access(7)[-1]["EAS_REASON"] == "EAS0701" and len(kdc.tickets()) == 4

    def over():
        phone("alice").folder_sync()
        return len(kdc.tickets()) == 5
    wait_until(over, "another ticket for alice", pause=0.3)
    assert [line["EAS_REASON"] for line in one.access(8)].count("EAS0701") == 3


def test_member_that_refuses_stays_usable(gateway, backend, cas1, phone, expect, stale):
    expect("EAS0701")
    expect.maybe("EAS0712")
    backend("cas5", keytab=stale)
    gateway(backends=["cas5", "cas1"])
    seen = [phone("alice").folder_sync().status for _ in range(6)]
    assert sorted(seen) == [200, 200, 200, 502, 502, 502]
    assert len(cas1.requests()) == 3


def test_back_end_that_takes_a_fresh_ticket_after_it_was_mended(gateway, backend, phone, expect,
                                                                stale, bench):
    """While a refusal is remembered, the ticket that is there is tried all the same."""
    expect("EAS0701")
    other = backend("cas5", keytab=stale)
    one = gateway(target=TARGET)
    assert phone("alice").options().status == 502
    bench.forget(other)
    backend("cas5")
    alice(phone("alice").options())
    assert one.access(2)[-1]["EAS_TICKET"] == "process"


# ---- what the 401 says ---------------------------------------------------------------------------

@pytest.mark.parametrize("fields", [[], ["WWW-Authenticate: Basic realm=Negotiate"],
                                    ["WWW-Authenticate: NTLM", "WWW-Authenticate: Basic realm=x"]])
def test_refusal_without_negotiate_is_final(site, scripted, phone, expect, fields):
    expect("EAS0710")
    server = scripted(reply(401, "Set-Cookie: theirs=1", *fields))
    answer = phone("alice").folder_sync()
    assert answer.status == 502 and len(server.seen) == 1
    bare(answer)
    logged(site, EAS_REASON="EAS0710", EAS_ATTEMPTS="1")


@pytest.mark.parametrize("path", [PATH, "/error"], ids=["plain", "ProxyErrorOverride"])
@pytest.mark.parametrize("more", [b"", b"x" * 40_000], ids=["empty", "long"])
def test_nothing_of_the_refusal_reaches_the_phone(site, scripted, account, phone, path, more):
    """Interim answers before it do not, either."""
    made = account()
    server = scripted(
        reply(100), reply(103, "Link: </theirs>", "Set-Cookie: early=1") + reply(
            401, "WWW-Authenticate: NTLM", NEGOTIATE + " oYG2MIGz", "Set-Cookie: theirs=1",
            "X-Theirs: 1", "Content-Type: text/theirs", "Content-Encoding: theirs",
            "Content-Language: xx", "Cache-Control: no-store", body=more, reason="Theirs"),
        reply(200, "Set-Cookie: ours=1", body=b"fine"))
    server.script.pop(0)
    with phone(made).connect() as connection:
        answer = connection.request("POST", path + "?Cmd=Sync", b"x" * 1000)
        assert (answer.status, answer.reason, answer.body) == (200, "Played", b"fine")
        names = {name.lower() for name, _ in answer.headers}
        assert not names & {"x-theirs", "www-authenticate", "content-encoding", "link",
                            "content-language", "content-type", "cache-control"}
        assert answer.headers.all("Set-Cookie") == ["ours=1"]
        connection.command("Sync")
    assert len({one.connection for one in server.seen}) == 2    # and then the second was kept
    first, second, _ = server.seen
    assert first.body == second.body == b"x" * 1000
    tokens = [field(one.headers, "authorization") for one in server.seen]
    assert len(set(tokens)) == 3 and all(token.startswith("Negotiate ") for token in tokens)
    assert [name for name, _ in first.headers] == [name for name, _ in second.headers]


def test_cookie_of_the_balancer_survives_the_refusal(site, scripted, account, phone):
    """What the gateway itself wrote into the answer before is there once."""
    scripted(reply(401, NEGOTIATE, "Set-Cookie: theirs=1"), reply(200, "Set-Cookie: ours=1"))
    answer = phone(account()).request("POST", "/pair?Cmd=Sync", b"x")
    assert answer.status == 200 and answer.headers.all("Set-Cookie") == ["ours=1"]


def test_answer_after_the_renewal_is_exchanges_own(site, scripted, account, phone):
    scripted(reply(401, NEGOTIATE), reply(449, "X-MS-PolicyKey: 0", reason="Retry after sending a "
                                                                           "PROVISION command"))
    answer = phone(account()).folder_sync()
    assert (answer.status, answer.headers.get("X-MS-PolicyKey")) == (449, "0")


# ---- the edge of reuse ---------------------------------------------------------------------------

def test_idle_connection_that_was_closed_costs_nothing(site, scripted, phone):
    """It was seen before a byte was written."""
    server = scripted()
    with phone("alice").connect() as connection:
        assert connection.command("SendMail", b"one").status == 200
        server.drop()
        assert connection.command("SendMail", b"two").status == 200
    assert [(one.connection, one.body) for one in server.seen] == [(1, b"one"), (2, b"two")]
    assert {line["EAS_ATTEMPTS"] for line in site.access(2)} == {"1"}


@pytest.mark.parametrize("path", [PATH, "/pair"], ids=["one", "balancer"])
def test_closed_as_the_request_came(site, scripted, cas1, phone, expect, path):
    """The request left as a whole, so it may have been carried out: it is not sent again."""
    expect("EAS0713")
    server = scripted(reply(200), CLOSE)
    with phone("alice").connect() as connection:
        assert connection.request("POST", path + "?Cmd=Sync", b"one").status == 200
        answer = connection.request("POST", path + "?Cmd=SendMail", b"two")
        assert (answer.status, answer.error) == (502, "")
        bare(answer)
        assert connection.request("POST", path + "?Cmd=Sync", b"three").status == 200
    assert [one.body for one in server.seen] == [b"one", b"two", b"three"]
    assert [one.connection for one in server.seen] == [1, 1, 2] and cas1.requests() == []
    logged(site, EAS_REASON="EAS0713", EAS_ATTEMPTS="1")


@pytest.mark.parametrize("kept", [False, True], ids=["first", "later"])
def test_new_connection_closed_without_an_answer(site, scripted, cas1, phone, expect, kept):
    """Neither of the phone's requests goes to the other member: it may have been carried out."""
    expect("EAS0706")
    server = scripted(*[reply(200, "Connection: close")] * kept, CLOSE)
    with phone("alice").connect() as connection:
        if kept:
            assert connection.request("POST", "/pair?Cmd=Sync", b"one").status == 200
        answer = connection.request("POST", "/pair?Cmd=SendMail", b"two")
        assert (answer.status, answer.error) == (502, "")
        assert connection.request("POST", "/pair?Cmd=Sync", b"three").status == 200
    assert [one.body for one in server.seen][-2:] == [b"two", b"three"] and cas1.requests() == []


def test_kept_connection_that_breaks_while_the_body_is_on_its_way(site, scripted, phone):
    """Nobody can have acted on half a mail: it is sent again, once, on a new connection."""
    body = os.urandom(8_000_000)
    server = scripted(reply(200), DEAF)
    with phone("alice").connect() as connection:
        assert connection.command("Sync", b"one").status == 200
        assert connection.command("SendMail", body).status == 200
    assert [one.connection for one in server.seen] == [1, 1, 2]
    assert server.seen[2].body == body
    assert [line["EAS_ATTEMPTS"] for line in site.access(2)] == ["1", "2"]


def test_second_member_takes_what_the_first_got_half_of(gateway, scripted, cas1, phone):
    one = gateway(backends=["cas5", "cas1"], port=8443)
    body = os.urandom(8_000_000)
    server = scripted(DEAF)
    answer = alice(phone("alice", gateway=one).command("SendMail", body))
    assert answer.headers.get("X-Backend") == "cas1.contoso.test"
    assert len(server.seen) == 1
    assert [request["sha256"] for request in cas1.requests()] == [digest(body)]
    last = one.access()[0]
    assert (last["EAS_ATTEMPTS"], last["EAS_SPN"]) == ("2", "HTTP/cas1.contoso.test")


def test_body_that_nobody_took(site, scripted, phone, expect):
    expect("EAS0714")
    server = scripted(reply(200), DEAF, DEAF)
    with phone("alice").connect() as connection:
        assert connection.command("Sync", b"one").status == 200
        answer = connection.command("SendMail", os.urandom(8_000_000))
        assert answer.status == 503 and answer.headers.get("Retry-After") == "30"
    assert [one.connection for one in server.seen] == [1, 1, 2]
    logged(site, EAS_REASON="EAS0714", EAS_ATTEMPTS="2")
