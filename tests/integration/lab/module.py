# SPDX-License-Identifier: Apache-2.0
"""httpd modules: building the bench's own ones, and finding the one under test."""
import functools
import os
import subprocess

from .process import run

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(HERE, "modules")
TOP = os.path.dirname(os.path.dirname(HERE))
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fmax-errors=5"]
LIBRARIES = {"mod_exchange_standin": ["-lcrypto"], "mod_identity_keeper": ["-lgssapi_krb5"]}


@functools.lru_cache(None)
def apxs(variable):
    """A value of httpd's build configuration."""
    return run("apxs", "-q", variable).stdout.strip()


def program():
    """Path of the httpd binary."""
    return os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))


def shared(name):
    """Path of one of httpd's own modules, or None where it is linked into the binary."""
    path = os.path.join(apxs("LIBEXECDIR"), "mod_%s.so" % name)
    return path if os.path.exists(path) else None


class Build:
    """A module of the bench being compiled; `path()` waits for it."""

    def __init__(self, name, folder, source=None, flags=()):
        source = source or os.path.join(SOURCES, name + ".c")
        self._target = os.path.join(folder, name + ".so")
        flags = list(flags)
        for variable in ("CFLAGS", "EXTRA_CPPFLAGS", "EXTRA_INCLUDES"):
            flags += apxs(variable).split()
        self._process = subprocess.Popen(
            ["gcc", "-shared", "-fPIC", "-std=gnu11", "-I" + apxs("INCLUDEDIR")] + flags + WARNINGS
            + ["-o", self._target, source] + LIBRARIES.get(name, []),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)

    def path(self):
        output = self._process.communicate()[0]
        assert self._process.returncode == 0, output.decode("utf-8", "replace")
        return self._target


def variant(target, tree=os.path.join(TOP, "mod_eas_cba"), flags=()):
    """The module under test, made anew of the sources in a tree and with other flags, quickly and
    without sanitizers.  Returns its path."""
    sources = [os.path.join(parent, name) for parent, _, names in os.walk(tree) for name in names
               if name.endswith(".c")]
    floors = ["-I" + os.path.join(tree, floor) for floor in ("core", "io", "httpd")]
    config, libraries = (
        run("pkg-config", kind, "krb5", "krb5-gssapi", "ldap", "apr-1", "apr-util-1",
            "openssl").stdout.split() for kind in ("--cflags", "--libs"))
    run("gcc", "-shared", "-fPIC", "-O0", "-std=gnu11", "-D_GNU_SOURCE", '-DCBA_VERSION="variant"',
        *flags, *floors, "-I" + apxs("INCLUDEDIR"), *config, "-o", target, *sources, *libraries,
        "-lresolv", timeout=600)
    return target


def under_test():
    """Path of mod_eas_cba.so, or None while it is not built.

    EAS_CBA_MODULE names the file; else the build folder (EAS_CBA_BUILD, the working folder, the
    source tree) is searched.
    """
    named = os.environ.get("EAS_CBA_MODULE")
    if named:
        assert os.path.exists(named), "EAS_CBA_MODULE=%s does not exist" % named
        return os.path.abspath(named)
    for top in (os.environ.get("EAS_CBA_BUILD"), os.getcwd(), TOP):
        for place in ("mod_eas_cba/.libs", ".libs", "mod_eas_cba", "."):
            path = os.path.join(top, place, "mod_eas_cba.so") if top else ""
            if path and os.path.exists(path):
                return path
    return None


def sanitizers(path):
    """Sanitizer runtimes that must be preloaded so that httpd can load this module."""
    needed = run("readelf", "-d", path).stdout
    wanted = [name for name in ("libasan", "libubsan")
              if name in needed or os.environ.get("EAS_CBA_SANITIZE") == "1"]
    return [run("gcc", "-print-file-name=%s.so" % name).stdout.strip() for name in wanted]
