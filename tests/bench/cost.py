# SPDX-License-Identifier: Apache-2.0
"""Where a warm request's instructions go, by callgrind on one process of httpd."""
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

import contestants as who
import load
from lab.httpd import owner
from lab.module import program
from lab.process import listens, run, wait_until

#: What is shown -> functions whose inclusive cost it is.
PARTS = {
    "the phone's certificate, from mod_ssl": ["cba_peer_of"],
    "what the certificate says": ["cba_gateway_parse"],
    "facts of the account": ["cba_gateway_find"],
    "NTAuth": ["cba_gateway_ntauth"],
    "body": ["cba_proxy_handler"],
    "ticket": ["cba_gateway_ticket"],
    "token": ["cba_ticket_token"],
    "mod_proxy_http": ["cba_mod_proxy_run"],
}
GATE, BACK, ALL = "cba_gate_access", "cba_proxy_scheme_handler", "ap_process_async_request"


def counts(folder):
    """Function -> instructions, its callees' included, in the process that served."""
    file = max(glob.glob(os.path.join(folder, "*")), key=os.path.getsize)
    said = run("callgrind_annotate", "--inclusive=yes", "--threshold=100", file).stdout
    found = {}
    for number, name in re.findall(r"^\s*([0-9,]+) \([^)]*\)\s+\S*?:(\w+)\s", said, re.M):
        found.setdefault(name, int(number.replace(",", "")))
    return found


def profile(gateway, phone, requests, folder):
    """Runs the gateway's configuration under callgrind for so many requests of one phone."""
    os.chown(folder, *owner(gateway.user))
    process = subprocess.Popen(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s/%%p" % folder, program(), "-X",
         "-f", gateway.conf], env=gateway.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(gateway.address, gateway.port), "httpd under callgrind", 60)
        for file in glob.glob(folder + "/*"):       # made by root, written by httpd's user
            os.chown(file, *owner(gateway.user))
        run("ab", "-q", "-l", "-k", "-n", requests, "-c", 1, "-E", phone.both, "-p", gateway.conf,
            "-T", "application/vnd.ms-sync.wbxml",
            "https://%s:%d%s" % (gateway.name, gateway.port, load.PATH), timeout=300)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return counts(folder)


def measure(bench, quick):
    few, many = (20, 60) if quick else (100, 1100)
    backend = load.open_backend(bench)
    result = []
    for requests in (few, many):        # the difference is warm requests alone
        gateway = who.start(bench, who.OURS, backend=backend, processes=1)[who.OURS]
        gateway.stop()
        folder = tempfile.mkdtemp(dir=bench.folder)
        result.append(profile(gateway, bench.certificate("alice"), requests, folder))
        shutil.rmtree(folder)
        bench.forget(gateway)
    bench.forget(backend)

    def each(name):
        return (result[1].get(name, 0) - result[0].get(name, 0)) / (many - few)
    whole = each(ALL)
    parts = {label: sum(map(each, names)) for label, names in PARTS.items()}
    rest = each(GATE) - sum(list(parts.values())[:4])
    parts["the rest of the decision, log line"] = rest
    parts["the rest of the attempt"] = each(BACK) - parts["ticket"] - parts["mod_proxy_http"]
    parts["mod_proxy_http"] -= parts["token"]     # made while it writes
    parts["httpd, TLS, filters, access log"] = whole - sum(parts.values())
    load.table(["", "instructions/request", "%"], [
        [label, "%.0f" % number, "%.1f" % (100 * number / whole)]
        for label, number in sorted(parts.items(), key=lambda pair: -pair[1])]
        + [["all", "%.0f" % whole, "100"]])
