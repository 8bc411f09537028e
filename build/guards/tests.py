#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests that README names exist and ask for the numbers of their row.

A row begins with four blanks; lines with more belong to it, and one more row begins in it with each
name after a number. What "ask for" means: the number is in the test's text, with its decorators, or
in a table of its file that the test names.
"""

import re

import guard

NAME = re.compile(r"\btest_\w+")
NUMBER = re.compile(r"\bEAS\d{4}\b")
# A statement at the left margin, with all that is indented below it.
BLOCK = re.compile(r"^(?:@.*\n(?:[ \t)\]}].*\n|\n)*)*(?P<head>[^\s#@].*)\n(?:[ \t)\]}].*\n|\n)*", re.M)

tests = {}  # name -> text of each test of that name
files = set()
for path in guard.tree("tests/unit/test_*.c", "tests/integration/test_*.py"):
    files.add(path.stem)
    if path.suffix == ".c":
        continue
    source = guard.text(guard.relative(path))
    blocks = [(match["head"], match[0]) for match in BLOCK.finditer(source)]
    tables = {head.split(" ", 1)[0]: text for head, text in blocks if re.match(r"[A-Z_]+ = ", head)}
    for head, text in blocks:
        named = re.match(r"def (test_\w+)", head)
        if named:
            used = "".join(table for name, table in tables.items() if re.search(rf"\b{name}\b", text))
            tests[named[1]] = tests.get(named[1], "") + text + used

row, expected, named = 0, set(), []


def check():
    """The row that has ended."""
    known = [name for name in named if name in tests]
    for number in sorted(expected):
        if known and not any(number in tests[name] for name in known):
            guard.problem(f"README:{row}", f"{number} is in none of {', '.join(known)}")


for line_number, line in guard.lines(guard.text("README")):
    numbers, names = NUMBER.findall(line), NAME.findall(line)
    for name in guard.counted(names):
        if name not in tests and name not in files:
            guard.problem(f"README:{line_number}", f"there is no {name}")
    if not line.startswith("     ") or (numbers and named):
        check()
        row, expected, named = line_number, set(), []
    expected.update(numbers)
    named += names
check()

guard.finish()
