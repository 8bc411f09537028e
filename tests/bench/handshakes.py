# SPDX-License-Identifier: Apache-2.0
"""A new TLS connection, with its client certificate, for every request."""
import contestants as who
import load


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.CLOSING, who.OURS)
    requests = 200 if quick else 3000
    print("\n  32 connections at once, %d requests a shot" % requests)
    load.compare(load.contest(gateways, [bench.certificate(name) for name in load.ACCOUNTS], 1 if quick else 5,
                              requests=requests, connections=32, keep=False), who.STOCK)
    who.end(bench, gateways)
