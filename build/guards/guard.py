# SPDX-License-Identifier: Apache-2.0
"""What the guards share: where things are, and how a guard ends.

A guard is a script that looks for one kind of mistake. It collects what it finds with problem() and
ends with finish(). What it looks into must exist: an empty input is a problem, never a pass. make
check tells it where things are through CBA_* in the environment; by hand it runs without.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

SRCDIR = Path(os.environ.get("CBA_SRCDIR") or Path(__file__).parents[2]).resolve()
BUILDDIR = Path(os.environ.get("CBA_BUILDDIR") or SRCDIR).resolve()

# What autoreconf writes into the source tree and a release brings along, and what configure and make
# leave in it when it is the build folder, too.
_GENERATED = re.compile(r"""(
    configure | aclocal\.m4 | Makefile\.in | build/m4/(lt[\w~]*|libtool)\.m4 |
    build/(ar-lib|compile|config\.guess|config\.h\.in|config\.sub|depcomp|install-sh|ltmain\.sh|
           missing|tap-driver\.sh|test-driver) |
    Makefile | libtool | config\.status | build/config\.h | build/stamp-h1 |
    tests/(unit/test|fuzz/fuzz)_\w+ | (coverage|fuzz)/.* | mod_eas_cba-[^/]*(/.*)? | .*\.(o|lo|la|a|log|trs) |
    (.*/)?\.dirstamp
    )~?$""", re.X)

_problems = []
_inputs = 0


def problem(where, text):
    """Note a mistake. where: "path", "path:line" or the name of what is wrong."""
    _problems.append(f"{where}: {text}")


def finish():
    """Print what was found and exit: 0 if there was something to look at and nothing wrong."""
    if _inputs == 0:
        problem(Path(sys.argv[0]).name, "found nothing to look at")
    for line in _problems:
        print(line)
    print(f"{_inputs} inputs, {len(_problems)} problems")
    sys.exit(1 if _problems else 0)


def counted(things):
    """The same list, counted as looked at."""
    global _inputs
    _inputs += len(things)
    return things


def env(name):
    """What make check says through CBA_NAME; without it the guard cannot do its work."""
    value = os.environ.get("CBA_" + name, "")
    if not value:
        problem("CBA_" + name, "is not in the environment; run this guard through make check")
        finish()
    return value


def relative(path):
    """The path as the reader knows it."""
    return str(Path(path).relative_to(SRCDIR))


def text(path):
    """The text of a file of the source tree, which must exist and be UTF-8."""
    try:
        return (SRCDIR / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem(path, f"cannot be read: {error}")
        finish()


def tree(*patterns):
    """The files of the source tree that match the globs, sorted; each glob must match something."""
    found = set()
    for pattern in patterns:
        here = [p for p in SRCDIR.glob(pattern) if p.is_file() and not _is_product(p)]
        if not here:
            problem(pattern, "matches no file")
        found.update(here)
    return sorted(found)


def sources():
    """Every C file and table of the module."""
    return tree("mod_eas_cba/**/*.c", "mod_eas_cba/**/*.h", "mod_eas_cba/**/*.def")


def _is_product(path):
    where = path.relative_to(SRCDIR)
    if _GENERATED.match(str(where)):
        return True
    return where.parts[0].startswith("_") or any(
        p in (".libs", ".deps", "__pycache__", ".pytest_cache", "autom4te.cache") for p in where.parts)


def tracked():
    """Every file that belongs to the project: what git knows, or all of an unpacked release."""
    if (SRCDIR / ".git").exists():
        out = subprocess.run(["git", "-c", f"safe.directory={SRCDIR}", "-C", str(SRCDIR), "ls-files", "-z"],
                             stdout=subprocess.PIPE, check=True).stdout
        names = [SRCDIR / n.decode() for n in out.split(b"\0") if n]
        names = [p for p in names if p.exists()]
    else:
        names = [p for p in SRCDIR.rglob("*") if p.is_file() and not _is_product(p)]
    return sorted(names)


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(source):
    """C without its comments and the insides of its strings; lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] * 2
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, source)


def lines(source):
    """(number, line) pairs."""
    return enumerate(source.split("\n"), 1)
