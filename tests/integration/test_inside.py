# SPDX-License-Identifier: Apache-2.0
"""Faults inside of the gateway: memory and descriptors that run out, processes that are killed, a
clock that is stepped."""
import os
import re
import resource
import signal
import time

import pytest

from lab import preload
from lab.phone import PATH, whole
from lab.process import wait_until
from lab.relay import Relay
from shared import logged, settled

ALICE = (200, "alice@CONTOSO.TEST")
HOUR = 3600


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

def swept(faults, request, deadline=100):
    """Runs the request, each time with one more allocation that fails, until none is left to fail.
    Returns how they ended."""
    ends, at = [], time.monotonic()
    while True:
        assert time.monotonic() - at < deadline, "still after %d requests" % len(ends)
        before = faults.failed
        faults.memory(1)
        answer = request()
        faults.memory(0)
        if faults.failed == before:
            return ends + [answer]
        ends.append(answer)


def test_memory_runs_out(fragile, faults, phone, expect):
    expect("EAS0063")
    one = fragile(processes=1)
    import collections
    for name in ("alice", "bob", "carol"):
        p = phone(name)
        ends = swept(faults, p.folder_sync)
        print(name, len(ends), collections.Counter((end.status, end.user, end.error[:40]) for end in ends))
    print(collections.Counter((line["status"], line["EAS_REASON"]) for line in one.access(1)))
    for n in sorted(set(one.numbers())):
        print("\n".join(sorted(set(re.sub(".*(EAS.{150}).*", r"\1", e.line) for e in one.error_log.entries() if e.number == n))))
    print(one.crashes())
    assert 0
