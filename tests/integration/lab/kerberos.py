# SPDX-License-Identifier: Apache-2.0
"""Kerberos from the client's side: krb5.conf files, keytabs, and MIT's programs as a witness."""
import os
import struct

from .process import run

REALM = "CONTOSO.TEST"
AES = (17, 18)          # aes128-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96


def write_config(path, kdcs, realm=REALM, options=()):
    """Writes a krb5.conf that finds the realm's KDCs by address and asks no DNS.

    `forwardable` is left out on purpose: a gateway must not depend on it.  `options` are further
    lines of [libdefaults].
    """
    domain = realm.lower()
    lines = ["[libdefaults]", "  default_realm = " + realm, "  dns_lookup_realm = false",
             "  dns_lookup_kdc = false", "  dns_canonicalize_hostname = false", "  rdns = false"]
    lines += ["  " + option for option in options]
    lines += ["[realms]", "  %s = {" % realm]
    lines += ["    kdc = " + kdc for kdc in kdcs]
    lines += ["  }", "[domain_realm]", "  .%s = %s" % (domain, realm),
              "  %s = %s" % (domain, realm), ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return path


def keytab_entries(path):
    """Entries of a keytab file (format 0x0502) as dictionaries: principal, kvno, enctype, raw."""
    with open(path, "rb") as file:
        content = file.read()
    assert content[:2] == b"\x05\x02", "%s is not a keytab" % path
    entries, at = [], 2
    while at + 4 <= len(content):
        size = struct.unpack_from(">i", content, at)[0]
        raw = content[at:at + 4 + abs(size)]
        at += 4 + abs(size)
        if size <= 0:
            continue            # a hole left by a deleted entry
        count, where, words = struct.unpack_from(">H", raw, 4)[0], 6, []
        for _ in range(count + 1):
            length = struct.unpack_from(">H", raw, where)[0]
            words.append(raw[where + 2:where + 2 + length].decode())
            where += 2 + length
        where += 8              # name type, time
        kvno, enctype, length = struct.unpack_from(">BHH", raw, where)
        where += 5 + length
        if len(raw) - where >= 4:
            kvno = struct.unpack_from(">I", raw, where)[0] or kvno
        entries.append({"principal": "/".join(words[1:]) + "@" + words[0], "kvno": kvno,
                        "enctype": enctype, "raw": raw})
    return entries


def write_keytab(path, entries, owner=None, mode=0o600):
    """Writes entries as a keytab, replacing the file in one step; owner is a (uid, gid)."""
    temporary = path + ".new"
    with open(temporary, "wb") as file:
        file.write(b"\x05\x02" + b"".join(entry["raw"] for entry in entries))
    os.chmod(temporary, mode)
    if owner:
        os.chown(temporary, *owner)
    os.rename(temporary, path)
    return path


class Client:
    """A user of MIT's command line tools with a credential cache of its own."""

    def __init__(self, folder, config, cache="client.ccache"):
        self.cache = os.path.join(folder, cache)
        self.env = dict(os.environ, KRB5_CONFIG=config, KRB5CCNAME="FILE:" + self.cache)

    def kinit(self, keytab, principal, forwardable=True):
        """Gets a TGT by keytab."""
        run("kinit", *(["-f"] if forwardable else []), "-kt", keytab, principal, env=self.env)

    def impersonate(self, user, keytab, spn, out):
        """S4U2Self for `user` (a plain name) and S4U2Proxy to `spn`; the ticket goes to `out`.

        Returns the finished process: a refusal by the KDC is a status other than 0.
        """
        return run("kvno", "-q", "-I", user, "-k", keytab, "-P", spn, "--out-cache", out,
                   env=self.env, check=False)

    def search(self, uri, text, *attributes, base="DC=contoso,DC=test"):
        """ldapsearch with SASL/GSSAPI; returns the LDIF."""
        env = dict(self.env, LDAPSASL_NOCANON="on")
        return run("ldapsearch", "-LLL", "-Q", "-N", "-Y", "GSSAPI", "-H", uri, "-b", base, text,
                   *attributes, env=env).stdout
