# SPDX-License-Identifier: Apache-2.0
"""A cold start with 2,000 accounts at once, beside a bare loop of S4U pairs."""
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


def groups(bench, gateway):
    """Who takes part -> seconds of CPU time so far."""
    return {"gateway": load.cpu(gateway), "directory and KDC": load.cpu(bench.directory),
            "back end": load.cpu(bench.backends[-1]), "phones": sum(os.times()[:2])}


def storm(bench, count, name, connected):
    """A cold gateway and so many accounts; `connected`: the phones' TLS connections are there already.
    Returns accounts a second, KDC requests, problems, CPU milliseconds of each an account, bytes."""
    crowd = Crowd(bench, count, name)
    gateways = who.start(bench, who.OURS, processes=2, server=["AsyncRequestWorkerFactor 16", "KeepAliveTimeout 300"])
    gateway = gateways[who.OURS]
    bench.phone("alice", gateway=gateway).options()
    connections = crowd.connect(gateway) if connected else None
    before, memory = groups(bench, gateway), private_memory(gateway)
    mark = bench.directory.mark()
    seconds, problems = crowd.visit(gateway, connections=connections)
    asked = len(bench.directory.kdc_requests(mark))
    used = {group: (after - before[group]) * 1000 / count
            for group, after in groups(bench, gateway).items()}
    memory = private_memory(gateway) - memory
    who.end(bench, gateways)
    crowd.discard()
    return count / seconds, asked, problems, used, memory


def measure(bench, quick):
    count = 40 if quick else 2000
    gone = {"EASCertAuth, phones are connected": storm(bench, count, "there", True),
            "EASCertAuth, phones connect": storm(bench, count, "cold", False)}
    start = load.cpu(bench.directory)
    alone = [bare_loop(bench, count) for _ in range(2)]
    bare = sum(alone) / len(alone)
    kdc = (load.cpu(bench.directory) - start) * 1000 / count / len(alone)
    parts = list(next(iter(gone.values()))[3])
    load.table(["", "accounts/s", "ratio", "KDC requests", "for each account", "failed"], [
        ["bare loop of S4U pairs", bare, 1.0, "", "2", ""],
        *[[name, rate, rate / bare, str(asked), "%.2f" % (asked / count), str(len(problems))]
          for name, (rate, asked, problems, _, _) in gone.items()]])
    print("\n  CPU milliseconds for each account, of all %d processors" % os.cpu_count())
    load.table(["", *parts, "all"], [
        ["bare loop of S4U pairs", "", kdc, "", "", ""],
        *[[name, *used.values(), sum(used.values())] for name, (_, _, _, used, _) in gone.items()]])
    for name, (_, _, problems, _, memory) in gone.items():
        for problem in problems[:3]:
            print("  %s: %s" % (name, problem))
        print("  %s: private memory of the processes: %.1f KiB more for each account"
              % (name, memory / count / 1024))
