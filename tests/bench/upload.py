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
  Stock sends on what it has read; ours reads the whole body first (EASCertAuthReadAhead, 10M 64K),
  and can so send it again.  64 KiB stay in memory, and what bounds them is the token that each
  request has; 5 MB go through a file, and what bounds them is its pages (to take, fill, read and
  give back).  Load, gateway and back end, with TLS on both legs, share the processors.""")
    who.end(bench, gateways)
