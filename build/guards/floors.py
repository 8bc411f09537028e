#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A file uses only its own floor and those below.

core/       C's own headers and OpenSSL; no clock, environment, files or allocation
io/         and POSIX, APR, libldap, Kerberos, GSSAPI, SASL
httpd/      and httpd, mod_ssl, mod_proxy
mod_eas_cba.c stands on top.
"""

import re

import guard

FLOORS = ["mod_eas_cba/core", "mod_eas_cba/io", "mod_eas_cba/httpd", "mod_eas_cba"]

C_HEADERS = set("assert ctype errno inttypes limits stdarg stdatomic stdbool stddef stdint stdio stdlib string"
                .split())
POSIX_HEADERS = set("fcntl netdb poll pthread signal strings sys/socket sys/stat sys/types sys/uio "
                    "arpa/inet arpa/nameser netinet/in netinet/tcp resolv time unistd".split())

OUTSIDE = [
    re.compile(r"openssl/\w+\.h$"),
    re.compile(r"(apr\w*|ldap|openldap|lber|krb5|krb5/\w+|gssapi|gssapi/\w+|profile|sasl/\w+)\.h$"),
    re.compile(r".*"),
    re.compile(r".*"),
]

# What core may not call although libc has it: it is given the time, and keeps nothing.
CORE_CALLS = re.compile(
    r"\b(time|clock|clock_gettime|gettimeofday|getenv|malloc|calloc|realloc|free|strdup|strndup|"
    r"fopen|fread|fwrite|printf|fprintf|puts|abort|exit)\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def floor_of(path):
    folder = guard.relative(path).rsplit("/", 1)[0]
    return FLOORS.index(folder) if folder in FLOORS else None


def allowed_outside(floor, name):
    if name.endswith(".h") and name[:-2] in C_HEADERS:
        return True
    if floor >= 1 and name.endswith(".h") and name[:-2] in POSIX_HEADERS:
        return True
    return any(pattern.match(name) for pattern in OUTSIDE[:floor + 1])


files = guard.counted(guard.sources())
ours = {}
for path in files:
    if path.name in ours:
        guard.problem(guard.relative(path), "another file has the same name; names are unique")
    ours[path.name] = path

for path in files:
    where = guard.relative(path)
    floor = floor_of(path)
    if floor is None:
        guard.problem(where, "is in none of the floors core/, io/, httpd/")
        continue
    source = guard.text(where)
    for number, line in guard.lines(source):
        found = INCLUDE.match(line)
        if not found:
            continue
        kind, name = found.groups()
        if kind == "<":
            if not allowed_outside(floor, name):
                guard.problem(f"{where}:{number}", f"<{name}> belongs to no floor up to {FLOORS[floor]}")
            continue
        target = (path.parent / name).resolve() if "/" in name else ours.get(name)
        if target not in ours.values():
            guard.problem(f"{where}:{number}", f'"{name}" is no file of the module')
        elif floor_of(target) is not None and floor_of(target) > floor:
            guard.problem(f"{where}:{number}", f'"{name}" is of a higher floor')
    if floor == 0:
        for number, line in guard.lines(guard.code(source)):
            for call in CORE_CALLS.findall(line):
                guard.problem(f"{where}:{number}", f"{call}() has no place in core/")

guard.finish()
