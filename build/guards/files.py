#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every file of the project is in Makefile.am: built where it has to be, and in the release."""

import re
from pathlib import Path

import guard

listed = set()
for name in guard.env("DISTFILES").split():
    # Some are written as seen from the build folder.
    path = (guard.SRCDIR / name).resolve()
    if not path.exists():
        path = (guard.BUILDDIR / name).resolve()
    if path.is_relative_to(guard.SRCDIR):
        listed.add(guard.relative(path))
tests = set(guard.env("TESTS").split())


def is_listed(where):
    """Named itself, or below a folder that is."""
    return where in listed or any(str(parent) in listed for parent in Path(where).parents)


for path in guard.counted(guard.tracked()):
    where = guard.relative(path)
    if not is_listed(where):
        guard.problem(where, "is in no list of Makefile.am and would be missing from a release")

# Also what git does not know yet.
for path in guard.counted(guard.sources()):
    where = guard.relative(path)
    if where not in listed:
        guard.problem(where, "is in none of Makefile.am's lists of sources")

for pattern in ("tests/unit/test_*.c", "tests/fuzz/fuzz_*.c", "build/guards/*.py"):
    for path in guard.counted(guard.tree(pattern)):
        where = guard.relative(path)
        if where.removesuffix(".c") not in tests and path.name != "guard.py":
            guard.problem(where, "is not run by make check: it is in no list of Makefile.am")

for path in guard.tree("tests/fuzz/fuzz_*.c"):
    noun = path.stem.removeprefix("fuzz_")
    if not any((guard.SRCDIR / "tests/fuzz/corpus" / noun).glob("*")):
        guard.problem(guard.relative(path), f"tests/fuzz/corpus/{noun}/ is empty or missing")
for path in sorted((guard.SRCDIR / "tests/fuzz/corpus").glob("*")):
    if not (guard.SRCDIR / f"tests/fuzz/fuzz_{path.name}.c").is_file():
        guard.problem(guard.relative(path), f"tests/fuzz/fuzz_{path.name}.c does not exist")

makefile = guard.text("Makefile.am")
for name, block in re.findall(r"^(\w+) = \\\n((?:\t[^\n$]+\n)+)", makefile, re.M):
    entries = [entry.strip(" \t\\") for entry in block.splitlines()]
    if name.endswith(("_sources", "_tests", "_targets", "_headers", "guards", "EXTRA_DIST")):
        guard.counted(entries)
        if entries != sorted(entries):
            guard.problem("Makefile.am", f"{name} is not sorted")

guard.finish()
