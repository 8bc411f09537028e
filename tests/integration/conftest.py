# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests.  A test looks like this:

    def test_upn_of_another_suffix(gateway, phone, bench):
        gateway(location="EASCertAuthStrongMapping Off")
        assert phone("dave", sid=None).options().user == "dave@CONTOSO.TEST"

    def test_disabled(gateway, phone, expect):
        gateway()
        expect("EAS0503")
        assert phone("disabled").options().status == 403

After each test the logs of its gateways may hold only what the test expects: any other EAS number
at warn or above, a number that was expected and did not come, a crash or a finding of a sanitizer
fails the test.
"""
import itertools
import os
import time

import pytest

from lab import namespace
from lab.bench import Bench

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
_GATEWAYS = pytest.StashKey()
_names = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--keep", metavar="FOLDER", default=None,
                     help="copy configurations and logs of the run to FOLDER at its end")


def pytest_configure(config):
    config.addinivalue_line("markers", "eas(*numbers): EAS numbers that the test must provoke")
    if not namespace.inside():
        raise pytest.UsageError("start the tests with %s [arguments of pytest]" % RUN)


def pytest_terminal_summary(terminalreporter, config):
    failed = [report.nodeid for kind in ("failed", "error")
              for report in terminalreporter.stats.get(kind, [])]
    if failed:
        terminalreporter.section("to run one of them again")
        for nodeid in dict.fromkeys(failed):
            path, _, name = nodeid.partition("::")
            terminalreporter.write_line("%s '%s::%s'" % (
                RUN, os.path.join(config.rootpath, path), name))


@pytest.fixture(scope="session")
def bench(request):
    """Everything of the run; brought up once.  See lab.bench.Bench."""
    made = Bench()
    begin = time.monotonic()
    try:
        made.start()
        made.seconds = time.monotonic() - begin
        yield made
    finally:
        made.stop()
        keep = request.config.getoption("--keep")
        if keep:
            made.keep(keep)


@pytest.fixture
def pki(bench):
    """The folder of keys and authorities; bench.clients and bench.servers are its CAs."""
    return bench.pki


@pytest.fixture
def directory(bench):
    """The Active Directory, running.  A test that stops it leaves it to this to start it again."""
    yield bench.directory
    bench.directory.ensure()


@pytest.fixture
def account(bench):
    """Makes accounts that end with the test: account(upn=…, uac=…, …) as Directory.add_user."""
    made = []

    def make(name=None, **attributes):
        one = bench.directory.add_user(name or "user%d" % next(_names), **attributes)
        made.append(one)
        return one
    yield make
    for one in made:
        bench.directory.discard(one.sid)


class Expectation:
    """What the error log of a gateway may say in this test."""

    def __init__(self):
        self.required = set()
        self.allowed = set()

    @staticmethod
    def _full(number):
        text = str(number)
        return text if text.startswith("EAS") else "EAS" + text

    def __call__(self, *numbers):
        """These numbers must appear."""
        self.required |= {self._full(number) for number in numbers}

    def maybe(self, *numbers):
        """These may appear."""
        self.allowed |= {self._full(number) for number in numbers}


@pytest.fixture
def expect(request):
    """expect("EAS0503"): must be logged; expect.maybe("EAS0401"): may be."""
    made = Expectation()
    for marker in request.node.iter_markers("eas"):
        made(*marker.args)
    return made


@pytest.fixture
def gateway(bench, expect, request):
    """Makes gateways that end with the test; see lab.gateway.Gateway for the knobs."""
    made = []

    def make(start=True, **knobs):
        one = bench.gateway(start=False, **knobs)
        made.append(one)
        return one.start() if start else one
    request.node.stash[_GATEWAYS] = made
    yield make
    for one in made:
        bench.forget(one)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item):
    """Runs after the test's own code, and only if that passed: the logs have a say too."""
    made = item.stash.get(_GATEWAYS, [])
    problems = []
    for one in made:
        status = one.stop()         # what is logged at the end of connections counts as well
        if status:
            problems.append("httpd's first process ended with status %d" % status)
    if made:
        problems += log_problems(made, item.funcargs["expect"])
    if "bench" in item.funcargs:
        bench = item.funcargs["bench"]
        for server in (bench.cas1, bench.cas2, bench.keeper):
            problems += server.crashes(0)
            if not server.running():
                problems.append("%s has ended" % server.hostname)
    if problems:
        pytest.fail("the logs say:\n" + "\n".join(problems), pytrace=False)


def log_problems(servers, expect):
    """What the logs of gateways have no leave to say, and what they should have said."""
    problems, seen = [], set()
    known = expect.required | expect.allowed
    for server in servers:
        entries = server.error_log.entries(0)
        seen |= {entry.number for entry in entries}
        problems += server.crashes(0)
        problems += [entry.line for entry in entries if entry.serious and (
            entry.number not in known if entry.number else entry.level in ("emerg", "alert"))]
    return problems + ["%s was expected and not logged" % number
                       for number in sorted(expect.required - seen)]


@pytest.fixture
def phone(bench):
    """Makes phones: phone("alice"), phone(certificate), phone(None); see Bench.phone.

    Further arguments shape the certificate: phone("alice", sid=None, upn="x@y").
    """
    def make(certificate="alice", gateway=None, **shape):
        if certificate is not None and (shape or not hasattr(certificate, "der")):
            certificate = bench.certificate(certificate, **shape)
        return bench.phone(certificate, gateway=gateway)
    return make


@pytest.fixture
def backend(bench):
    """Makes further back ends that end with the test; see Bench.exchange."""
    made = []

    def make(host, **more):
        one = bench.exchange(host, **more)
        made.append(one)
        return one
    yield make
    for one in made:
        bench.forget(one)


@pytest.fixture
def cas1(bench):
    """The first Exchange, its log of requests empty."""
    bench.cas1.mark()
    return bench.cas1


@pytest.fixture
def cas2(bench):
    """The second Exchange, its log of requests empty."""
    bench.cas2.mark()
    return bench.cas2


@pytest.fixture
def keeper(bench):
    """cas3: keeps the first identity of a connection; counters at zero."""
    bench.keeper.mark()
    bench.keeper.report(reset=True)
    return bench.keeper


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the ends of the logs to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    funcargs = getattr(item, "funcargs", {})
    if not report.failed or "bench" not in funcargs:
        return
    bench = funcargs["bench"]
    for server in bench.gateways + bench.backends:
        lines = server.error_log.lines(0)
        mine = server in bench.gateways
        text = "\n".join(lines[-60:] if mine else
                         [line for line in lines if ":error]" in line or ":crit]" in line][-10:])
        if text:
            report.sections.append(("error log of %s" % server.folder, text))
