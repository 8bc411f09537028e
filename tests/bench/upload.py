# SPDX-License-Identifier: Apache-2.0
"""Bodies of 64 KiB and of 5 MB, kept-alive connections: stock mod_proxy and ours."""
import os

import contestants as who
import load

SIZES = ((65536, "64 KiB", 4000), (5 * 1000 * 1000, "5 MB", 160))


def measure(bench, quick):
    gateways = who.start(bench, who.STOCK, who.OURS)
    phones = [bench.certificate(name) for name in load.ACCOUNTS]
    program = load.compile_uploader(bench.folder)
    for size, text, requests in SIZES:
        requests = requests // 5 if quick else requests
        print("\n  %s, 8 connections, %d requests a shot" % (text, requests))
        load.compare(load.contest(gateways, phones, 1 if quick else 7, shot=load.Upload,
                                  requests=requests, connections=8, program=program,
                                  body=os.urandom(size)), who.STOCK)
    print("""
  stock sends on what it has read; ours reads the whole body first, as EASCertAuthReadAhead says
  (10M 64K: 64 KiB stay in memory, 5 MB go through a file), and can so send it again.  TLS on both
  legs, of gateway, back end and load on the same processors, bounds both.""")
    who.end(bench, gateways)
