#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The guards notice what they are for: each is run on a copy of the tree with one mistake in it."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import guard

CORE = "mod_eas_cba/core/cba_sid.c"
IO = "mod_eas_cba/io/cba_directory.c"
GLUE = "mod_eas_cba/mod_eas_cba.c"
HEADER = "mod_eas_cba/core/cba_sid.h"
TABLE = "mod_eas_cba/core/cba_reason.def"
DIRECTIVES = "mod_eas_cba/httpd/cba_directives.def"
EXAMPLE = "conf.d-examples/wrong.conf"

# What would be a mistake in this file, too, is written in halves.
MISTAKES = [
    # guard, what it must say, file, text added to it (or a function of its text)
    ("floors", "belongs to no floor", CORE, "#include <httpd.h>\n"),
    ("floors", "belongs to no floor", CORE, "#include <time.h>\n"),
    ("floors", "belongs to no floor", IO, "#include <http_log.h>\n"),
    ("floors", "of a higher floor", CORE, '#include "cba_directory.h"\n'),
    ("floors", "of a higher floor", IO, '#include "cba_conf.h"\n'),
    ("floors", "of a higher floor", IO, '#include "../httpd/cba_conf.h"\n'),
    ("floors", "is no file of the module", GLUE, '#include "cba_nothing.h"\n'),
    ("floors", "no place in core", CORE, "void *cba_x(void) { return malloc(1); }\n"),
    ("floors", "in none of the floors", "mod_eas_cba/new/cba_new.c", "\n"),
    ("floors", "names are unique", "mod_eas_cba/io/cba_sid.c", "\n"),
    ("banned", "strcpy() is banned", GLUE, "void cba_x(char *a) { strcpy(a, a); }\n"),
    ("banned", "getenv() is banned", GLUE, 'void cba_x(void) { getenv("A"); }\n'),
    ("banned", "sprintf() is banned", "tests/unit/unit.h", 'void x(char *a) { sprintf(a, "a"); }\n'),
    ("banned", "blanks at the end", "README", "text \n"),
    ("banned", "a tab", IO, "int a;\tint b;\n"),
    ("banned", "the last line has no end", "README", "text"),
    ("banned", "without an issue number", CORE, "/* TO" + "DO: later */\n"),
    ("banned", "switched off", CORE, "#if " + "0\n#endif\n"),
    ("banned", "a path of one machine", "README", "/ro" + "ot/build\n"),
    ("headers", "does not compile alone", HEADER, lambda t: t.replace("#endif", "cba_none cba_x(void);\n#endif")),
    ("headers", "does not compile alone", "mod_eas_cba/core/cba_new.h", "#include <httpd.h>\n"),
    ("headers", "does not compile alone", "mod_eas_cba/io/cba_new.h", "#include <httpd.h>\n"),
    ("headers", "does not compile alone", "mod_eas_cba/core/cba_new.h", "struct cba_new { int x; };\n"),
    ("reasons", "is both", TABLE, lambda t: t.replace("0102", "0101", 1)),
    ("reasons", "is not explained", TABLE, 'CBA_REASON(NEW_NEW, 0999, 403, WARN, "a", "b")\n'),
    ("reasons", "never given as a reason", TABLE, 'CBA_REASON(NEW_NEW, 0999, 403, WARN, "a", "b")\n'),
    ("reasons", "provoked by no test", TABLE, 'CBA_REASON(NEW_NEW, 0999, 403, WARN, "a", "b")\n'),
    ("reasons", "is not provoked", CORE, "int cba_x(void) { return CBA_R_REQ_SPOOL_IO; }\n"),
    ("reasons", "answers 401", TABLE, 'CBA_REASON(NEW_NEW, 0999, 401, WARN, "a", "b")\n'),
    ("reasons", "are understood", TABLE, "CBA_REASON(NEW_NEW, 999, 403, WARN, a, b)\n"),
    ("reasons", "is not in", "README", "EAS0" + "999\n"),
    ("reasons", "is not in", GLUE, "/* EAS0" + "999 */\n"),
    ("directives", "there is no directive", EXAMPLE, "EASCertAuth" + "Maps UPN\n"),
    ("directives", "there is no directive", "README", "EASCertAuth" + "Maps\n"),
    ("directives", "is not explained", DIRECTIVES, 'CBA_DIRECTIVE_DIR(EASCertAuth' + 'New, A, B, c, d, "e")\n'),
    ("directives", "has two rows", DIRECTIVES, 'CBA_DIRECTIVE_DIR(EASCertAuthMap, A, B, c, d, "e")\n'),
    ("tests", "there is no test_" + "new", "README", "test_" + "new\n"),
    ("tests", "is in none of test_malformed_upn", "README", "    EAS0" + "503  test_malformed_upn\n"),
    ("files", "none of Makefile.am's lists", "mod_eas_cba/core/cba_new.c", "\n"),
    ("files", "missing from a release", "build/new", "\n"),
    ("files", "is not run by make check", "tests/unit/test_new.c", "\n"),
    ("files", "is not run by make check", "build/guards/new.py", "\n"),
    ("files", "is empty or missing", "tests/fuzz/fuzz_new.c", "\n"),
    ("files", "does not exist", "tests/fuzz/corpus/new/a", "\n"),
    ("files", "is not sorted", "Makefile.am", "a_sources = \\\n\tb \\\n\ta\n"),
    ("examples", "wrong.conf", EXAMPLE, "EASCertAuth" + "Map Nonsense\n"),
]

LIBRARIES = [
    ("exports", "exports", "int eas_cba_module; int cba_x;"),
    ("exports", "exports", "int cba_x;"),
    ("exports", "which neither httpd nor", "extern int proxy_module; int *eas_cba_module = &proxy_module;"),
    ("core", "needs malloc", "void *malloc(unsigned long); void *cba_x(void) { return malloc(1); }"),
    ("core", "needs ldap_init", "void ldap_init(void); void cba_x(void) { ldap_init(); }"),
    ("core", "has no place", "int RAND_status(void); int cba_x(void) { return RAND_status(); }"),
]


def run(name, expected, where, copy, builddir):
    """The guard of the copied tree must fail and say so."""
    env = dict(os.environ, CBA_SRCDIR=str(copy), CBA_BUILDDIR=str(builddir))
    # The flags name the folders of the tree as seen from the build folder.
    for key in ("CBA_CORE_CPPFLAGS", "CBA_IO_CPPFLAGS", "CBA_HTTPD_CPPFLAGS"):
        env[key] = " ".join(moved(word, copy) for word in shlex.split(guard.env(key[4:])))
    result = subprocess.run([sys.executable, str(guard.SRCDIR / "build/guards" / (name + ".py"))],
                            env=env, capture_output=True, text=True, check=False, cwd=builddir)
    if result.returncode != 1 or expected not in result.stdout:
        guard.problem(name, f"did not notice the mistake in {where} ({expected!r}):\n"
                      + result.stdout[-600:] + result.stderr[-600:])


def moved(word, copy):
    if not word.startswith("-I"):
        return word
    folder = (guard.BUILDDIR / word[2:]).resolve()
    return f"-I{copy / folder.relative_to(guard.SRCDIR)}" if folder.is_relative_to(guard.SRCDIR) else word


def apply(path, change):
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = change(before) if callable(change) else before + change
    if after == before:
        guard.problem(path, "the mistake could not be made")
    path.write_text(after, encoding="utf-8")


with tempfile.TemporaryDirectory() as folder:
    pristine = Path(folder).resolve() / "tree"
    for path in guard.tracked() + guard.sources():
        target = pristine / path.relative_to(guard.SRCDIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name, expected, where, change in guard.counted(MISTAKES):
        file = pristine / where
        saved = file.read_bytes() if file.exists() else None
        apply(file, change)
        run(name, expected, where, pristine, guard.BUILDDIR)
        if saved is None:
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
        else:
            file.write_bytes(saved)
    for number, (name, expected, source) in enumerate(guard.counted(LIBRARIES)):
        built = Path(folder) / f"build{number}"
        (built / ".libs").mkdir(parents=True)
        compiler = shlex.split(guard.env("CC")) + ["-fPIC", "-x", "c", "-"]
        if name == "core":
            # An object is to nm what an archive is.
            subprocess.run(compiler + ["-c", "-o", str(built / ".libs/libcba_core.a")], input=source,
                           text=True, check=True)
            source = "int eas_cba_module;"
        subprocess.run(compiler + ["-shared", "-Wl,--no-as-needed", "-lcrypto", "-o",
                                   str(built / ".libs/mod_eas_cba.so")],
                       input=source, text=True, check=True)
        run(name, expected, source, pristine, built)

guard.finish()
