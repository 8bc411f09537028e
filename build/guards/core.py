#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""core/ is linked with nothing but libc and libcrypto, and of these with what has no effects: no
file, socket, clock, environment or allocation."""

import re
import subprocess

import guard

LIBC = re.compile(r"(mem(chr|cmp|cpy|move|set)|str(chr|cmp|cspn|len|ncmp|pbrk|rchr|spn)|v?snprintf)$")
# What the compiler adds: fortified forms of those, canaries, position independence, sanitizers.
COMPILER = re.compile(r"__\w+_chk$|__stack_chk_(fail|guard)$|_GLOBAL_OFFSET_TABLE_$|__aeabi_\w+$|"
                      r"__(asan|ubsan|lsan|sanitizer|gcov)_")
# What libcrypto has, and core may not call: it is given memory and the time.
EFFECTS = re.compile(r"CRYPTO_(malloc|zalloc|realloc|strdup|strndup|memdup)$|"
                     r"BIO_(new_(file|fp|socket|fd|connect|accept)|s_(file|fd|socket|connect|accept|datagram))$|"
                     r"X509_(cmp_current_time|gmtime_adj|time_adj\w*|verify_cert)$|"
                     r"(ASN1_\w*_adj|OPENSSL_(init|cleanup|config)\w*|CONF_\w+|RAND_\w+|ERR_print_\w+)$")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols(path, *options):
    """{name: kind}, without versions."""
    rows = [line.split() for line in run(*guard.env("NM").split(), *options, str(path)).splitlines()]
    return {row[-1].split("@")[0]: row[-2] for row in rows if len(row) >= 2}


archive = guard.BUILDDIR / ".libs" / "libcba_core.a"
module = guard.BUILDDIR / ".libs" / "mod_eas_cba.so"
for path in (archive, module):
    if not path.is_file():
        guard.problem(path, "is not built")
        guard.finish()
crypto = re.search(r"(?:=> )?(/\S*libcrypto\S*) \(0x", run("ldd", str(module)))
if not crypto:
    guard.problem(module.name, "is not linked with libcrypto")
    guard.finish()

own = symbols(archive, "--defined-only")
offered = symbols(crypto[1], "-D", "--defined-only")
for name, kind in sorted(guard.counted(sorted(symbols(archive, "--undefined-only").items()))):
    if name in own or kind not in ("U", "w") or LIBC.match(name) or COMPILER.match(name):
        continue
    if name not in offered:
        guard.problem(archive.name, f"needs {name}, which is neither of libcrypto nor harmless in libc")
    elif EFFECTS.match(name):
        guard.problem(archive.name, f"needs {name} of libcrypto, which has no place in core/")

guard.finish()
