# SPDX-License-Identifier: Apache-2.0
"""A cold start with 2,000 accounts at once, beside a bare loop of S4U pairs; memory for each account."""
import os

import contestants as who
import load
from crowd import Crowd
from lab import harness, kerberos, namespace


def private_memory(server):
    """Bytes that the processes of an httpd share with nobody."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(pid)) == server.pid and int(pid) != server.pid:
                with open("/proc/%s/smaps_rollup" % pid, encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file
                                 if line.startswith(("Private_Dirty", "Private_Clean")))
        except OSError:
            pass
    return total * 1024


def bare_loop(bench, pairs):
    """S4U2Self and S4U2Proxy by the module's own Kerberos floor and nothing else, four threads."""
    from test_kerberos import SOURCES as sources
    program = harness.Build("harness_kerberos", bench.folder, sources, flags=["-O2"]).path()
    one = harness.Harness(program, KRB5_CONFIG=bench.krb5)
    one("create", bench.keytab, "-")
    answer = one("threads", 4, pairs // 4, "alice", kerberos.REALM,
                 "HTTP/" + namespace.host("cas1"), 10000)
    assert int(answer.fields[0]) == pairs // 4 * 4, answer
    one("destroy")
    one.end()
    return pairs * 1000 / answer.ms


def measure(bench, quick):
    count = 40 if quick else 2000
    crowd = Crowd(bench, count, "cold")
    gateways = who.start(bench, who.OURS, processes=2)
    gateway = gateways[who.OURS]
    bench.phone("alice", gateway=gateway).options()
    before = private_memory(gateway)
    mark = bench.directory.mark()
    seconds, problems = crowd.visit(gateway)
    asked = bench.directory.kdc_requests(mark)
    after = private_memory(gateway)
    rate = count / seconds
    alone = [bare_loop(bench, count) for _ in range(2)]
    bare = sum(alone) / len(alone)
    load.table(["", "accounts/s", "ratio", "KDC requests", "for each account", "failed"], [
        ["bare loop of S4U pairs", bare, 1.0, "", "2", ""],
        ["EASCertAuth, cold", rate, rate / bare, str(len(asked)), "%.2f" % (len(asked) / count),
         str(len(problems))]])
    for problem in problems[:3]:
        print("  " + problem)
    print("  private memory of the processes: %.1f KiB more for each account"
          % ((after - before) / count / 1024))
    who.end(bench, gateways)
    crowd.discard()
