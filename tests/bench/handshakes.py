# SPDX-License-Identifier: Apache-2.0
"""A new TLS connection, with its client certificate, for every request."""
import contestants as who
import load
from crowd import Crowd

CONNECTIONS = 32


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.CLOSING, who.OURS)
    requests = 200 if quick else 3200
    crowd = Crowd(bench, CONNECTIONS, "anew")
    for what, phones in (("an account for each phone", crowd.phones),
                         ("four accounts, eight phones each",
                          [bench.certificate(name) for name in load.ACCOUNTS])):
        print("\n  %d phones at once, %s; %d requests a shot" % (CONNECTIONS, what, requests))
        load.compare(load.contest(gateways, phones, 1 if quick else 5, requests=requests,
                                  connections=CONNECTIONS, keep=False), who.STOCK)
    who.end(bench, gateways)
    crowd.discard()
