#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of cba_reason.def is unique, used by the module, in README and provoked by a test.

What the decision can give of itself is provoked by the decision's own test, too, over fakes: every
reason that cba_decision.c names, and every one of the files that it uses.
"""

import re

import guard

TABLE = "mod_eas_cba/core/cba_reason.def"
ROW = re.compile(r'^CBA_REASON\((\w+), (\d{4}), (\d+), (ERR|WARN|INFO),\s*'
                 r'"((?:[^"\\]|\\.)+)",\s*"((?:[^"\\]|\\.)+)"\)', re.M)
STATUSES = {0, 400, 403, 408, 413, 421, 501, 502, 503, 504}  # never 401, never 500
NUMBER = re.compile(r"\bEAS(\d{4})\b")

table = guard.text(TABLE)
rows = guard.counted(ROW.findall(table))
begun = len(re.findall(r"^\s*CBA_REASON\(", guard.code(table), re.M))
if begun != len(rows):
    guard.problem(TABLE, f"{begun} rows begin, {len(rows)} are understood")

numbers = {}
symbols = {}
previous = ""
for symbol, number, status, level, _, _ in rows:
    if number in numbers:
        guard.problem(TABLE, f"{number} is both {numbers[number]} and {symbol}")
    if symbol in symbols:
        guard.problem(TABLE, f"{symbol} is both {symbols[symbol]} and {number}")
    if int(status) not in STATUSES:
        guard.problem(TABLE, f"{number} {symbol} answers {status}")
    if number > "0999":
        guard.problem(TABLE, f"{number} {symbol} is in no range")
    if number < previous:
        guard.problem(TABLE, f"{number} {symbol} is not in its place, after {previous}")
    numbers[number] = symbol
    symbols[symbol] = number
    previous = number

readme = guard.text("README")
for number in sorted(set(numbers) - set(NUMBER.findall(readme))):
    guard.problem("README", f"EAS{number} ({numbers[number]}) is not explained")

# A number in a text that is not in the table was mistyped or taken away.
texts = [p for p in guard.tree("mod_eas_cba/**/*", "tests/**/*.c", "tests/**/*.py")]
for path in texts + [guard.SRCDIR / "README"]:
    where = guard.relative(path)
    for number, line in guard.lines(guard.text(where)):
        for unknown in set(NUMBER.findall(line)) - set(numbers):
            guard.problem(f"{where}:{number}", f"EAS{unknown} is not in {TABLE}")

module = "\n".join(guard.code(guard.text(guard.relative(p))) for p in guard.sources()
                   if p.suffix != ".def")
tests = "\n".join(guard.text(guard.relative(p))
                  for p in guard.counted(guard.tree("tests/**/*.c", "tests/**/*.py")))
used = set(re.findall(r"\bCBA_R_(\w+)", module))
# A test names a reason as CBA_R_SYMBOL, as EASnnnn or, reading it from a harness, as "SYMBOL".
tested = (set(re.findall(r"\bCBA_R_(\w+)", tests)) | set(re.findall(r"[\"']([A-Z]\w+)[\"']", tests))
          | {numbers.get(n) for n in NUMBER.findall(tests)})
for symbol, number in symbols.items():
    if symbol not in used:
        guard.problem(TABLE, f"EAS{number} ({symbol}) is never given as a reason")
    if symbol not in tested:
        guard.problem("tests", f"EAS{number} ({symbol}) is provoked by no test")

DECISION = "mod_eas_cba/core/cba_decision.c"
DECISION_TEST = "tests/unit/test_decision.c"
core = {p.name: p for p in guard.tree("mod_eas_cba/core/*.c", "mod_eas_cba/core/*.h")}
reached, todo = set(), [DECISION.rpartition("/")[2]]
while todo:
    name = todo.pop()
    if name in core and name not in reached:
        reached.add(name)
        # What a header promises, the file of its name does.
        todo += re.findall(r'^#include "(\w+\.h)"', guard.text(guard.relative(core[name])), re.M)
        todo.append(name.replace(".h", ".c"))
given = {}
for name in sorted(reached - {"cba_reason.c"}):  # the table itself
    if name.endswith(".c"):
        for symbol in re.findall(r"\bCBA_R_(\w+)", guard.code(guard.text(guard.relative(core[name])))):
            given.setdefault(symbol, name)
asserted = set(re.findall(r"\bCBA_R_(\w+)", guard.code(guard.text(DECISION_TEST))))
for symbol in sorted(guard.counted(sorted(given.keys() & symbols.keys()))):
    if symbol not in asserted:
        guard.problem(DECISION_TEST, f"EAS{symbols[symbol]} ({symbol}) of {given[symbol]} is not provoked")

guard.finish()
