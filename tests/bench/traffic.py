# SPDX-License-Identifier: Apache-2.0
"""Requests to KDC and directory for every 1,000 requests of warm phones, as the DC counts them."""
import contestants as who
import load
from crowd import Crowd


def measure(bench, quick):
    rows = []
    for count, each in ((1, 1000), (20, 50)) if quick else ((1, 1000), (100, 20), (5000, 2)):
        crowd = Crowd(bench, count, "warm%dx" % count)
        gateways = who.start(bench, who.OURS)
        gateway = gateways[who.OURS]
        crowd.visit(gateway, requests=4 if count == 1 else 1)
        mark = bench.directory.mark()
        seconds, problems = crowd.visit(gateway, requests=each)
        kdc = len(bench.directory.kdc_requests(mark))
        ldap = len(bench.directory.searches(mark))
        requests = count * each
        rows.append([str(count), str(requests), kdc * 1000 / requests, ldap * 1000 / requests,
                     "%.0f" % seconds, str(len(problems))])
        who.end(bench, gateways)
        crowd.discard()
    load.table(["accounts", "requests", "KDC/1000", "LDAP/1000", "seconds", "failed"], rows)
