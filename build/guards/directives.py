#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The directives of the table, of README and of conf.d-examples are the same."""

import re

import guard

TABLE = "mod_eas_cba/httpd/cba_directives.def"
ROW = re.compile(r"^CBA_DIRECTIVE\w*\(\s*(EASCertAuth\w*)\s*,", re.M)
WORD = re.compile(r"\bEASCertAuth\w*")

table = guard.text(TABLE)
known = guard.counted(ROW.findall(table))
begun = len(re.findall(r"^\s*CBA_DIRECTIVE\w*\(", guard.code(table), re.M))
if begun != len(known):
    guard.problem(TABLE, f"{begun} rows begin, {len(known)} are understood")
for name in sorted({n for n in known if known.count(n) > 1}):
    guard.problem(TABLE, f"{name} has two rows")

explained = WORD.findall(guard.text("README"))
for name in known:
    if name not in explained:
        guard.problem("README", f"{name} is not explained")

for path in [guard.SRCDIR / "README"] + guard.counted(guard.tree("conf.d-examples/*")):
    where = guard.relative(path)
    for number, line in guard.lines(guard.text(where)):
        for name in WORD.findall(line):
            if name not in known:
                guard.problem(f"{where}:{number}", f"there is no directive {name}")

guard.finish()
