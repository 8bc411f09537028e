# SPDX-License-Identifier: Apache-2.0
"""Requests on kept-alive connections: stock mod_proxy and ours, both with the phone's certificate."""
import contestants as who
import load


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.CLOSING, who.OURS)
    phones = [bench.certificate(name) for name in load.ACCOUNTS]
    for connections, requests in (1, 4000), (32, 40000), (128, 40000):
        # Many for each connection, for what is looked at is not how connections begin.
        requests = requests // 50 if quick else requests
        print("\n  %d connections, %d requests a shot" % (connections, requests))
        load.compare(load.contest(gateways, phones, 1 if quick else 5, slow=[who.CLOSING],
                                  requests=requests, connections=connections), who.STOCK)
    who.end(bench, gateways)
