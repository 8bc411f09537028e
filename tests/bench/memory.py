# SPDX-License-Identifier: Apache-2.0
"""Bytes for each account: of its records in Redis and in shared memory, and of the process."""
import os

import contestants as who
import load
from crowd import Crowd
from lab.cache import Redis
from lab.process import wait_until
from storm import private_memory
from test_shared import children, gone

def in_redis(bench, crowd, redis):
    """The records of all accounts, and of a user in 200 groups."""
    gateways = who.start(bench, who.OURS, processes=1, modules=["socache_redis"],
                         vhost="EASCertAuthCache " + redis.value, location="EASCertAuthNTAuth Off")
    gateway = gateways[who.OURS]
    half, private = len(crowd.accounts) // 2, []
    for part in (slice(half), slice(half, None)):
        assert not crowd.visit(gateway, part=part)[1]
        private.append(private_memory(gateway))
    print("  a process: %.1f KiB more for each account of the second half of %d" % (
        (private[1] - private[0]) / (len(crowd.accounts) - half) / 1024, len(crowd.accounts)))
    every = sorted(redis.ask("KEYS", "*"), key=lambda key: redis.ask("STRLEN", key))
    assert len(every) == 2 * len(crowd.accounts)
    assert bench.phone("many", gateway=gateway).options().status == 200
    large = max(set(redis.ask("KEYS", "*")) - set(every), key=lambda key: redis.ask("STRLEN", key))
    who.end(bench, gateways)
    kinds = {"facts of an account": every[:len(every) // 2], "ticket": every[len(every) // 2:],
             "ticket of a user in 200 groups": [large]}
    load.table(["record", "number", "bytes, least", "most", "most, with Redis' own"], [
        [kind, str(len(keys)), *(str(value) for value in (
            min(redis.ask("STRLEN", key) for key in keys),
            max(redis.ask("STRLEN", key) for key in keys),
            max(redis.ask("MEMORY", "USAGE", key) for key in keys)))]
        for kind, keys in kinds.items()])


def in_shmcb(bench, crowd, size):
    """How many accounts the processes after a reload find, with no controller to ask."""
    gateways = who.start(bench, who.OURS, processes=1, location="EASCertAuthNTAuth Off",
                         vhost="EASCertAuthCache shmcb:%s" % size)
    gateway = gateways[who.OURS]
    assert not crowd.visit(gateway)[1]
    old = children(gateway)
    gateway.reload()
    wait_until(lambda: gone(old), "the old children end", 20)
    bench.directory.kill()
    _, problems = crowd.visit(gateway)
    held = len(crowd.accounts) - len(problems)
    bench.directory.start()
    who.end(bench, gateways)
    print("  a shmcb of %s holds %d of %d accounts with facts and ticket" % (
        size, held, len(crowd.accounts)))


def measure(bench, quick):
    crowd = Crowd(bench, 40 if quick else 1000, "memory")
    redis = Redis(os.path.join(bench.folder, "redis")).start()
    try:
        in_redis(bench, crowd, redis)
    finally:
        redis.kill()
    for size in ("1M",) if quick else ("1M", "2M"):
        in_shmcb(bench, crowd, size)
    crowd.discard()
