# SPDX-License-Identifier: Apache-2.0
"""The gateways that are compared: stock httpd and ours, in front of one back end."""
import load

SHAPE = {"processes": 2, "threads": 128, "loglevel": "warn"}
STOCK, CLOSING, OURS = "stock, shared pool", "stock, disablereuse", "EASCertAuth"


def start(bench, *names, backend=None, location=(), **more):
    """Name -> running gateway, each at a port of its own."""
    backend = backend or load.open_backend(bench)
    target = "%s timeout=3600" % backend.url
    shapes = {
        STOCK: {"plain": True, "verify": "require", "target": target},
        CLOSING: {"plain": True, "verify": "require", "target": target + " disablereuse=On"},
        OURS: {"target": target, "location": [
            "EASCertAuthAccountLimit requests=1000",    # there are fewer accounts than in life
            *([location] if isinstance(location, str) else location)]},
    }
    made = {}
    for number, name in enumerate(names):
        made[name] = bench.gateway(port=8440 + number, **{**SHAPE, **shapes[name], **more})
    return made


def end(bench, gateways):
    """Ends them and the back ends made for them."""
    for one in gateways.values():
        bench.forget(one)
    for one in bench.backends[3:]:
        bench.forget(one)
