# SPDX-License-Identifier: Apache-2.0
"""A back end that breaks off, hangs or talks nonsense, while others work.

For each: what the phone is answered, that no request was sent twice, that no connection and no file
stays behind.  The back end is the bench's (lab.faulty): a real one does none of this when asked.
"""
import collections
import concurrent.futures
import gzip
import hashlib
import itertools

import pytest

from lab.faulty import CHUNKED, FINE, NONE, REFUSED, Fault, Faulty
from lab.phone import PATH
from lab.process import wait_until
from shared import bare, cards, logged, phone, place, site, standing  # noqa: F401
from test_body import MIB, content, spooled

FAULTY = "https://cas5.contoso.test"
SITE = {"target": FAULTY + " timeout=1 connectiontimeout=1",
        "after": place("/healthy")}
USERS = ("alice", "bob")
BODY = content(100_000)         # on disk at the gateway
_marks = itertools.count(1)


@pytest.fixture(scope="module")
def server(bench):
    made = Faulty(bench)
    yield made
    made.close()


@pytest.fixture
def faulty(request, server):
    """The back end without a fault; in the end nothing of it may be left at the gateway."""
    server.reset()
    yield server
    wait_until(lambda: server.open() == 0, "the end of the connections to the back end")
    if "site" in request.fixturenames:
        no_file_stays(request.getfixturevalue("site"))


def no_file_stays(gateway):
    wait_until(lambda: not spooled(gateway, gateway.folder + "/run/eas_cba"), "end of the files")


def send(connection, path=PATH, body=BODY):
    """One request with a mark of its own; (mark, answer)."""
    mark = str(next(_marks))
    return mark, connection.request("POST", path, body, {"X-Mark": mark})


def one_phone(one, path, count):
    answers = []
    connection = one.connect()
    try:
        for _ in range(count):
            if not connection.open:
                connection.close()
                connection = one.connect()
            answers.append(send(connection, path))
    finally:
        connection.close()
    return answers


def load(phone, path=PATH, count=2, healthy=0):
    """Phones of two accounts at once, two each; and two more that speak to another back end."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        broken = [pool.submit(one_phone, phone(user), path, count) for user in USERS * 2]
        fine = [pool.submit(one_phone, phone(user), "/healthy", healthy) for user in USERS]
        for user, work in zip(USERS, fine):
            assert [answer.user for _, answer in work.result()] == [
                user + "@CONTOSO.TEST"] * healthy
        return [pair for work in broken for pair in work.result()]


def sent_once(faulty, answers):
    assert faulty.times("X-Mark") == {mark: 1 for mark, _ in answers}


# ---- no answer, or none that can be understood ---------------------------------------------------

PARTS = {"status": b"", "headers": b"HTTP/1.1 200 OK\r\nContent-Le",
         "status-line": b"HTTP/1.1 20"}
NO_ANSWER = {
    **{"closes-before-" + part if part == "status" else "closes-in-" + part: Fault(sent)
       for part, sent in PARTS.items()},
    **{"hangs-before-" + part if part == "status" else "hangs-in-" + part: Fault(sent, "hang")
       for part, sent in PARTS.items()},
    "garbage": Fault(b"\0\1\2\xff nonsense\r\n" * 10),
    "header-of-64K": Fault(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 65536 + b"\r\n\r\n" + FINE),
    "continue-and-closes": Fault(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue-and-hangs": Fault(b"HTTP/1.1 100 Continue\r\n\r\n", "hang"),
}


@pytest.mark.parametrize("case", NO_ANSWER)
@pytest.mark.eas("EAS0706")
def test_no_answer(site, faulty, phone, case):
    faulty.reset(NO_ANSWER[case])
    answers = load(phone, healthy=4)
    for _, answer in answers:
        assert answer.status == 502 and answer.error == "", str(answer)
        bare(answer)
    sent_once(faulty, answers)
    logged(site, 8, status="502", EAS_REASON="EAS0706")


@pytest.mark.parametrize("case", [case for case in NO_ANSWER if "closes" in case])
def test_no_answer_on_a_kept_connection(site, faulty, phone, expect, case):
    """Not even one that served a request before is reason enough to send another one twice."""
    number = "EAS0706" if case == "closes-in-headers" else "EAS0713"
    expect(number)
    faulty.reset(NO_ANSWER[case], script=[NONE])
    answers = load(phone, count=4)
    assert [answer.status for _, answer in answers] == [200, 502, 200, 502] * 4
    sent_once(faulty, answers)
    assert len({one.connection for one in faulty.seen}) == 8
    assert set(site.numbers()) == {number}


# ---- an answer that does not end -----------------------------------------------------------------

HALF = {
    "in-a-chunk": CHUNKED + b"64\r\nhalf", "between-chunks": CHUNKED + b"4\r\nhalf\r\n",
    "in-a-length": FINE.replace(b"Content-Length: 4", b"Content-Length: 100"),
}


@pytest.mark.parametrize("then", ["close", "hang"])
@pytest.mark.parametrize("case", HALF)
def test_half_an_answer(site, faulty, phone, case, then):
    """The phone has the status already: what it must see is that the rest is missing."""
    faulty.reset(Fault(HALF[case], then))
    answers = load(phone, count=1, healthy=4)
    for _, answer in answers:
        assert answer.error, str(answer)
    sent_once(faulty, answers)
    assert site.error_log.text().count("AH01110") == len(answers)


# ---- answers that are odd, and whole -------------------------------------------------------------

def whole_answer(status, *fields, body=b"rest"):
    return b"".join([b"HTTP/1.1 ", status, b"\r\n", *[field + b"\r\n" for field in fields],
                     b"Content-Length: %d\r\n\r\n" % len(body), body])


ZIPPED = gzip.compress(b"fine" * 1000)
LOCATION = b"https://cas9.contoso.test/Microsoft-Server-ActiveSync"
ODD = {
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + FINE, 200, {}, b"fine"),
    "two-continues": (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + FINE, 200, {}, b"fine"),
    "449": (whole_answer(b"449 Retry after sending a PROVISION command"), 449, {}, b"rest"),
    "451": (whole_answer(b"451 Redirect", b"X-MS-Location: " + LOCATION), 451,
            {"X-MS-Location": LOCATION.decode()}, b"rest"),
    "gzip": (whole_answer(b"200 OK", b"Content-Encoding: gzip", body=ZIPPED), 200,
             {"Content-Encoding": "gzip"}, ZIPPED),
    "header-of-7K": (whole_answer(b"200 OK", b"X-Long: " + b"x" * 7000), 200,
                     {"X-Long": "x" * 7000}, b"rest"),
}


@pytest.mark.parametrize("then", ["keep", "close"])
@pytest.mark.parametrize("case", ODD)
def test_odd_answer(site, faulty, phone, case, then):
    sent, status, fields, body = ODD[case]
    faulty.reset(Fault(sent, then, good=then == "keep"))
    answers = load(phone, healthy=2)
    for _, answer in answers:
        assert (answer.status, answer.body, answer.error) == (status, body, ""), str(answer)
        assert {name: answer.headers.get(name) for name in fields} == fields
    sent_once(faulty, answers)


# ---- a request that did not leave whole ----------------------------------------------------------

@pytest.mark.parametrize("read", [0.0, 0.25])
def test_mail_goes_to_the_second_member(gateway, faulty, phone, cas1, read):
    """The first one closes while the body is being sent, so it cannot have taken the mail."""
    faulty.reset(Fault(b"", "close", read))
    both = gateway(port=8443, backends=["cas5 lbset=0", "cas1 lbset=1"])
    body = content(10 * MIB)
    with phone("alice", both).connect() as connection:
        for attempts in ("2", "1"):         # then the first member is known to be bad
            _, answer = send(connection, body=body)
            assert answer.user == "alice@CONTOSO.TEST", str(answer)
            last = cas1.requests()[-1]
            assert (last["length"], last["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
            assert logged(both, status="200", EAS_ATTEMPTS=attempts)
    assert len(faulty.seen) == 1 and not faulty.seen[0].complete
    assert not spooled(both, both.folder + "/run/eas_cba")


@pytest.mark.eas("EAS0706")
def test_mail_that_the_first_member_may_have_taken_is_not_sent_again(gateway, faulty, phone, cas1):
    """It had the whole of it before it closed."""
    faulty.reset(Fault(b""))
    both = gateway(port=8443, backends=["cas5 lbset=0", "cas1 lbset=1"])
    with phone("alice", both).connect() as connection:
        mark, answer = send(connection, body=content(10 * MIB))
        assert answer.status == 502
    assert faulty.times("X-Mark") == {mark: 1} and cas1.requests() == []


@pytest.mark.eas("EAS0714")
def test_body_that_a_single_back_end_does_not_take(site, faulty, phone):
    for read in (0.0, 0.25):
        faulty.reset(Fault(b"", "close", read))
        with phone("alice").connect() as connection:
            mark, answer = send(connection, body=content(10 * MIB))
            assert answer.status == 503 and "Retry-After" in answer.headers, str(answer)
        assert faulty.times("X-Mark") == {mark: 1}
    logged(site, 2, status="503", EAS_REASON="EAS0714")


# ---- 401 -----------------------------------------------------------------------------------------

HALF_REFUSED = REFUSED.replace(b"Content-Length: 4", b"Content-Length: 100")
REFUSALS = {"keeps": Fault(REFUSED, "keep"), "closes": Fault(REFUSED),
            "breaks-off": Fault(HALF_REFUSED), "hangs": Fault(HALF_REFUSED, "hang")}


@pytest.fixture
def fresh(gateway, expect):
    """A gateway of one test: what it remembers of refusals ends with it."""
    expect("EAS0044")
    return gateway(port=8443, target=SITE["target"], after=SITE["after"])


def withheld(answer):
    """Nothing of a 401 reached the phone."""
    assert "Set-Cookie" not in answer.headers and "X-Refused" not in answer.headers
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_once(fresh, faulty, phone, case):
    """Whatever becomes of a first 401, the request is sent once more, whole."""
    faulty.reset(lambda seen: NONE if faulty.times("X-Mark")[seen.headers["x-mark"]] > 1
                 else REFUSALS[case])
    answers = load(lambda user: phone(user, fresh), healthy=2)
    no_file_stays(fresh)
    for _, answer in answers:
        assert (answer.status, answer.body, answer.error) == (200, b"fine", ""), str(answer)
        withheld(answer)
    assert faulty.times("X-Mark") == {mark: 2 for mark, _ in answers}
    assert {(one.sha256, one.complete) for one in faulty.seen} == {
        (hashlib.sha256(BODY).hexdigest(), True)}


def test_refused_before_it_has_the_body(fresh, faulty, phone):
    """It says 401 and closes while the body is on its way: the token was refused, nobody has half a
    mail."""
    body = content(10 * MIB)
    for read in (0.0, 0.25):
        faulty.reset(lambda seen, read=read: NONE if faulty.times("X-Mark")[
            seen.headers["x-mark"]] > 1 else Fault(REFUSED, "close", read))
        with phone("alice", fresh).connect() as connection:
            mark, answer = send(connection, body=body)
        assert (answer.status, answer.body, answer.error) == (200, b"fine", ""), str(answer)
        withheld(answer)
        assert faulty.times("X-Mark") == {mark: 2}
        assert [one.complete for one in faulty.seen] == [False, True]
        assert faulty.seen[1].sha256 == hashlib.sha256(body).hexdigest()
        assert len(faulty.times("Authorization")) == 2
    no_file_stays(fresh)


@pytest.mark.eas("EAS0701", "EAS0712")
def test_refused_for_good_before_it_has_the_body(fresh, faulty, phone):
    """Tried with a fresh ticket once; then with the one there is."""
    faulty.reset(Fault(REFUSED, "close", 0.0))
    for number, times in (("EAS0701", 2), ("EAS0712", 1)):
        with phone("alice", fresh).connect() as connection:
            mark, answer = send(connection, body=content(10 * MIB))
        assert answer.status == 502, str(answer)
        bare(answer)
        assert faulty.times("X-Mark")[mark] == times
        logged(fresh, status="502", EAS_REASON=number)


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.eas("EAS0701")
def test_refused_for_good(fresh, faulty, phone, expect, case):
    """Twice each at most, then once: a refusing back end is remembered."""
    expect.maybe("EAS0712")
    faulty.reset(REFUSALS[case])
    answers = load(lambda user: phone(user, fresh), healthy=2)
    no_file_stays(fresh)
    for _, answer in answers:
        assert (answer.status, answer.error) == (502, ""), str(answer)
        bare(answer)
        withheld(answer)
    times = faulty.times("X-Mark")
    assert set(times) == {mark for mark, _ in answers} and set(times.values()) <= {1, 2}
    assert 1 in times.values()


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_after_it_accepted(fresh, faulty, phone, case):
    """The second request of each connection is refused: it is sent again on another one."""
    faulty.reset(REFUSALS[case], script=[NONE])
    answers = load(lambda user: phone(user, fresh), count=3)
    no_file_stays(fresh)
    for _, answer in answers:
        assert (answer.status, answer.body, answer.error) == (200, b"fine", ""), str(answer)
        withheld(answer)
    times = faulty.times("X-Mark")
    assert set(times) == {mark for mark, _ in answers} and set(times.values()) == {1, 2}
    assert max(collections.Counter(one.connection for one in faulty.seen).values()) == 2
