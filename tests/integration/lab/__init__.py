# SPDX-License-Identifier: Apache-2.0
"""Active Directory, a PKI, Exchange stand-ins, gateways and phones on one machine's loopback.

Each file holds one noun.  `namespace` makes a private network and mount namespace, `bench` puts
the parts together, everything else can be used alone.  Nothing here needs more than the Python of
the distribution; outside pytest (a demo, a benchmark) the package is used in the same way:

    from lab import namespace
    from lab.bench import Bench

    namespace.enter()                 # re-executes the script once, as root
    with Bench() as bench:
        bench.start()
        gateway = bench.gateway()
        answer = bench.phone("alice").options()
"""
