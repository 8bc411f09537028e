# SPDX-License-Identifier: Apache-2.0
"""Graceful and hard restarts under load: requests lost, stock httpd and ours side by side."""
import contestants as who
import load
from lab.httpd import Httpd
from test_reload import Load, served


def measure(bench, quick):
    reloads = 2 if quick else 20
    for title, act in (("graceful", Httpd.reload), ("hard", Httpd.restart)):
        print("\n%s:" % title)
        measure_one(bench, reloads, act)


def measure_one(bench, reloads, act):
    gateways = who.start(bench, who.STOCK, who.OURS)
    running = {name: Load(bench.phone, gateway) for name, gateway in gateways.items()}
    try:
        for _ in range(reloads):
            for name, gateway in gateways.items():
                served(running[name], 200, deadline=60)
                act(gateway)
    finally:
        for one in running.values():
            one.end()
    load.table(["", "reloads", "answered", "new connections failed", "kept: lost", "wrong"],
               [[name, str(reloads), str(one.good), str(len(one.refused)), str(one.lost),
                 str(len(one.wrong))] for name, one in running.items()])
    for name, one in running.items():
        for problem in sorted(set(one.refused + one.wrong))[:5]:
            print("  %s: %s" % (name, problem))
    who.end(bench, gateways)
