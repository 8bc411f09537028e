#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each header compiles alone, twice in a row, with no more include path than its floor has."""

import shlex
import subprocess

import guard

FLAGS = [
    ("mod_eas_cba/core/", guard.env("CORE_CPPFLAGS")),
    ("mod_eas_cba/io/", guard.env("IO_CPPFLAGS")),
    ("mod_eas_cba/httpd/", guard.env("HTTPD_CPPFLAGS")),
    ("tests/", guard.env("CORE_CPPFLAGS") + " -DCBA_TESTS_DIR='\"tests\"'"),
]
COMPILER = shlex.split(guard.env("CC")) + shlex.split(guard.env("CFLAGS"))

for path in guard.counted(guard.tree("mod_eas_cba/**/*.h", "tests/unit/*.h", "tests/fuzz/*.h")):
    where = guard.relative(path)
    flags = [value for prefix, value in FLAGS if where.startswith(prefix)]
    if not flags:
        guard.problem(where, "is in no floor")
        continue
    command = COMPILER + shlex.split(flags[0]) + ["-Wno-unused-function", "-fsyntax-only", "-x", "c", "-"]
    result = subprocess.run(command, input=f'#include "{path}"\n#include "{path}"\nextern int cba_end;\n',
                            capture_output=True, text=True, check=False, cwd=guard.BUILDDIR)
    if result.returncode != 0:
        guard.problem(where, "does not compile alone\n" + result.stderr)

guard.finish()
