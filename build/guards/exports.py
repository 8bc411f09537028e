#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The module exports its record and nothing else, and asks for nothing that another module has.

The second half is what makes the order of LoadModule irrelevant: a symbol that only mod_proxy.so or
mod_ssl.so could give would stop httpd where this module is loaded first.
"""

import re
import subprocess

import guard

EXPORTED = "eas_cba_module"
RUNTIME = re.compile(r"^__(asan|ubsan|lsan|sanitizer)_")  # of a build with --enable-sanitizers


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols(path, kind):
    """(name, type) of the dynamic symbols, without their versions."""
    out = run(*guard.env("NM").split(), "-D", kind, str(path))
    rows = [line.split() for line in out.splitlines()]
    return {(row[-1].split("@")[0], row[-2]) for row in rows if len(row) >= 2}


def libraries(path):
    """What the dynamic linker would load for it."""
    return re.findall(r"(?:=> )?(/\S+) \(0x", run("ldd", str(path)))


module = guard.BUILDDIR / ".libs" / "mod_eas_cba.so"
httpd = guard.env("HTTPD")
if not module.is_file():
    guard.problem(module, "is not built")
    guard.finish()
guard.counted([module])

defined = {name for name, _ in symbols(module, "--defined-only")}
if defined != {EXPORTED}:
    guard.problem(module.name, f"exports {sorted(defined)} instead of {EXPORTED} alone")

offered = set()
for path in [httpd] + libraries(httpd) + libraries(module):
    offered |= {name for name, _ in symbols(path, "--defined-only")}
for name, kind in sorted(symbols(module, "--undefined-only")):
    if kind == "U" and name not in offered and not RUNTIME.match(name):
        guard.problem(module.name, f"needs {name}, which neither httpd nor a linked library has")

guard.finish()
