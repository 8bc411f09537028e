#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Functions that are not called, and blemishes that no text file of the project has."""

import re

import guard

# Unbounded, locale-bound, silent about errors, not thread-safe, or of the whole process.
EVERYWHERE = "strcpy strcat sprintf vsprintf strncpy strncat gets alloca strtok localtime gmtime"
MODULE = ("sscanf atoi atol atoll strtol getpwnam getenv setenv putenv umask system popen rand srand "
          "asctime ctime mktemp tmpnam")

BLEMISHES = [
    (re.compile(r"[ \t\r]+$"), "blanks at the end of the line"),
    # Written so that this line does not find itself.
    (re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))"), "a note without an issue number"),
    (re.compile(r"^\s*#\s*if\s+0\b"), "code that is switched off"),
    (re.compile(r"(?<![\w.])/(work|root|home)/"), "a path of one machine"),
]
TAB = re.compile(r"\t")
TABS_BELONG = re.compile(r"(^|/)Makefile(\.\w+)?$")
BINARY = re.compile(r"^tests/(fuzz/corpus|vectors)/")


def calls(words):
    return re.compile(r"(?<![\w.>])(" + "|".join(words.split()) + r")\s*\(")


for path in guard.counted(guard.tracked()):
    where = guard.relative(path)
    if where == "COPYING" or BINARY.match(where):
        continue
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        guard.problem(where, "is not UTF-8")
        continue
    if content and not content.endswith("\n"):
        guard.problem(where, "the last line has no end")
    for number, line in guard.lines(content):
        for pattern, what in BLEMISHES:
            if pattern.search(line):
                guard.problem(f"{where}:{number}", what)
        if TAB.search(line) and not TABS_BELONG.search(where):
            guard.problem(f"{where}:{number}", "a tab")

module = guard.counted(guard.sources())
tests = guard.counted(guard.tree("tests/**/*.c", "tests/**/*.h"))
for files, banned in ((module, calls(EVERYWHERE + " " + MODULE)), (tests, calls(EVERYWHERE))):
    for path in files:
        where = guard.relative(path)
        for number, line in guard.lines(guard.code(guard.text(where))):
            for name in banned.findall(line):
                guard.problem(f"{where}:{number}", f"{name}() is banned")

guard.finish()
