# SPDX-License-Identifier: Apache-2.0
"""Requests on kept-alive connections: stock mod_proxy and ours, both with the phone's certificate."""
import contestants as who
import load


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.CLOSING, who.OURS)
    phones = [bench.certificate(name) for name in load.ACCOUNTS]
    for connections in (1, 32, 128):
        requests = 400 if quick else 2000 if connections == 1 else 10000
        print("\n  %d connections, %d requests a shot" % (connections, requests))
        load.compare(load.contest(gateways, phones, 1 if quick else 5, requests=requests,
                                  connections=connections), who.STOCK)
    who.end(bench, gateways)
