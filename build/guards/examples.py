#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every configuration in conf.d-examples passes httpd -t with the module just built, without a word.

The files that an example names are replaced by ones made here. The module is loaded before those it
works with, as Debian's alphabetical order does.
"""

import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path

import guard

HTTPD = guard.env("HTTPD")
MODULE = guard.BUILDDIR / ".libs" / "mod_eas_cba.so"
OTHERS = ("mpm_event unixd alias authz_core headers reqtimeout socache_shmcb socache_redis ssl "
          "slotmem_shm proxy proxy_http proxy_balancer lbmethod_byrequests").split()
FILE = re.compile(r"(?<=\s)/(?:etc|var)/\S+")
NOBODY = 65534

CA_CONF = """[ca]
default_ca = it
[it]
database = {0}/index
default_md = sha256
default_crl_days = 30
"""


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def made(*command):
    result = run(*command)
    if result.returncode != 0:
        guard.problem(command[0], result.stdout)
        guard.finish()


def counted_text(text):
    return struct.pack(">H", len(text)) + text.encode()


def keytab():
    """One AES-256 key of a gateway account, in the format of MIT krb5 (file version 5.2)."""
    entry = (struct.pack(">H", 1) + counted_text("CONTOSO.COM") + counted_text("gateway")
             + struct.pack(">IIB", 1, 0, 1) + struct.pack(">HH", 18, 32) + bytes(range(32)))
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


def stand_ins(folder):
    """Content for the files of an example, by the end of their names."""
    made("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.contoso.com",
         "-days", "30", "-keyout", f"{folder}/key", "-out", f"{folder}/pem")
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(CA_CONF.format(folder))
    made("openssl", "ca", "-gencrl", "-config", f"{folder}/ca.conf", "-keyfile", f"{folder}/key",
         "-cert", f"{folder}/pem", "-out", f"{folder}/crl")
    return {".key": (folder / "key").read_bytes(), ".pem": (folder / "pem").read_bytes(),
            ".crl": (folder / "crl").read_bytes(), ".keytab": keytab(),
            ".cachekey": b"0123456789abcdef" * 4}


def put(path, content):
    """A file that httpd's user may read, and nobody else."""
    path.write_bytes(content)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, NOBODY)


def frame(folder, modules):
    lines = [f"ServerRoot {folder}", "ServerName localhost", f"DefaultRuntimeDir {folder}",
             f"PidFile {folder}/pid", "ErrorLog /dev/stderr", "Listen 127.0.0.1:443",
             f"LoadModule eas_cba_module {MODULE}"]
    for name in OTHERS:
        if (modules / f"mod_{name}.so").is_file():
            lines.append(f"LoadModule {name}_module {modules}/mod_{name}.so")
    lines += ["User #%d" % NOBODY, "Group #%d" % NOBODY] if os.geteuid() == 0 else []
    return "\n".join(lines) + "\n"


def check(example, folder, contents, head):
    where = guard.relative(example)

    def replaced(match):
        content = contents.get(Path(match.group(0)).suffix)
        if content is None:
            guard.problem(where, f"what is to stand in for {match.group(0)}?")
            return match.group(0)
        path = folder / match.group(0).strip("/").replace("/", "-")
        put(path, content)
        return str(path)

    conf = folder / "httpd.conf"
    conf.write_text(head + FILE.sub(replaced, guard.text(where)))
    env = dict(os.environ, LD_PRELOAD=":".join(os.environ.get("CBA_PRELOAD", "").split()),
               ASAN_OPTIONS="detect_leaks=0")
    result = run(HTTPD, "-t", "-f", str(conf), env=env)
    said = [line for line in result.stdout.splitlines() if line != "Syntax OK"]
    if result.returncode != 0 or said or "Syntax OK" not in result.stdout:
        guard.problem(where, f"httpd -t ended with {result.returncode} and said\n" + "\n".join(said))


if not MODULE.is_file():
    guard.problem(MODULE, "is not built")
    guard.finish()
modules = Path(run(guard.env("APXS"), "-q", "LIBEXECDIR").stdout.strip())
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    folder.chmod(0o755)
    contents = stand_ins(folder)
    head = frame(folder, modules)
    for example in guard.counted(guard.tree("conf.d-examples/*")):
        check(example, folder, contents, head)
guard.finish()
