# SPDX-License-Identifier: Apache-2.0
"""A back end that breaks off, hangs or talks nonsense, while others work.

For each: what the phone is answered, that no request was sent twice, that no connection and no file
stays behind.  The back end is the bench's (lab.faulty): a real one does none of this when asked.
"""
import concurrent.futures
import gzip
import hashlib
import itertools

import pytest

from lab.faulty import CHUNKED, FINE, NONE, REFUSED, Fault, Faulty
from lab.phone import PATH
from lab.process import wait_until
from shared import (  # noqa: F401
    bare, cards, logged, name_of, phone, place, site, standing)
from test_body import content, head, spooled

FAULTY = "https://cas5.contoso.test"
SITE = {"target": FAULTY + " timeout=1 connectiontimeout=1",
        "location": "EASCertAuthAccountLimit requests=100",
        "after": place("/healthy", "EASCertAuthAccountLimit requests=100")
        + ["<Proxy balancer://mixed>",
           "  BalancerMember %s timeout=3600 retry=0 lbset=0" % FAULTY,
           "  BalancerMember https://cas1.contoso.test timeout=3600 lbset=1", "</Proxy>"]
        + place("/mixed", "EASCertAuthAccountLimit requests=100", target="balancer://mixed")}
USERS = ("alice", "bob")
BODY = content(100_000)         # on disk at the gateway
_marks = itertools.count(1)


@pytest.fixture(scope="module")
def server(bench):
    made = Faulty(bench)
    yield made
    made.close()


@pytest.fixture
def faulty(server, site):
    """The back end without a fault; in the end nothing of it may be left at the gateway."""
    server.reset()
    yield server
    wait_until(lambda: server.open() == 0, "the end of the connections to the back end")
    wait_until(lambda: not spooled(site, site.folder + "/run/eas_cba"), "the end of the files")


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
def test_no_answer(site, faulty, phone, expect, case):
    faulty.reset(NO_ANSWER[case])
    answers = load(phone, healthy=4)
    print(case, [(a.status, a.error) for _, a in answers], site.numbers())
    expect("EAS0706")
    for _, answer in answers:
        assert answer.status == 502 and answer.error == "", str(answer)
        bare(answer)
    sent_once(faulty, answers)
    logged(site, 8, status="502", EAS_REASON="EAS0706")


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
    print(case, [(a.status, a.error) for _, a in answers], site.numbers())
    for _, answer in answers:
        assert answer.error, str(answer)
    sent_once(faulty, answers)


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
    faulty.reset(Fault(sent, then))
    answers = load(phone, healthy=2)
    print(case, [(a.status, a.error) for _, a in answers], site.numbers())
    for _, answer in answers:
        assert (answer.status, answer.body, answer.error) == (status, body, ""), str(answer)
        assert {name: answer.headers.get(name) for name in fields} == fields
    sent_once(faulty, answers)
