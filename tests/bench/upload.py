# SPDX-License-Identifier: Apache-2.0
"""Bodies of 64 KiB and of 5 MB, kept-alive connections: stock mod_proxy and ours."""
import os

import contestants as who
import load


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.OURS)
    phones = [bench.certificate(name) for name in load.ACCOUNTS]
    for size, text, requests in ((65536, "64 KiB", 2000), (5 * 1000 * 1000, "5 MB", 200)):
        requests = requests // 5 if quick else requests
        print("\n  %s, 8 connections, %d requests a shot" % (text, requests))
        load.compare(load.contest(gateways, phones, 1 if quick else 5, requests=requests,
                                  connections=8, body=os.urandom(size)), who.STOCK)
    who.end(bench, gateways)
