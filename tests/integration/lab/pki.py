# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities and certificates of any shape; the keys and signatures are openssl's.

The certificate itself is written by `der`, so that extensions may be missing, doubled, malformed or
in an odd order.  Keys are made once per kind and holder; one certificate then costs one signature,
some ten milliseconds.

    pki = Pki(folder)
    ca = pki.authority("Contoso Issuing CA")
    alice = ca.issue("alice", upn="alice@contoso.test", sid="S-1-5-21-1-2-3-1104")
    alice.certificate, alice.key, alice.both       # files, PEM

By hand:  python3 -m lab.pki FOLDER --ca "Contoso Issuing CA" --cn alice --upn alice@contoso.test
"""
import argparse
import base64
import datetime
import functools
import hashlib
import ipaddress
import os
import re
import secrets

from . import der
from .process import run

UPN = "1.3.6.1.4.1.311.20.2.3"
SID = "1.3.6.1.4.1.311.25.2"
SID_OTHER_NAME = "1.3.6.1.4.1.311.25.2.1"
SID_URL = "tag:microsoft.com,2022-09-14:sid:"

EKU = {
    "serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2",
    "emailProtection": "1.3.6.1.5.5.7.3.4", "smartcardLogon": "1.3.6.1.4.1.311.20.2.2",
    "any": "2.5.29.37.0",
}
ATTRIBUTE = {
    "CN": "2.5.4.3", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7",
    "ST": "2.5.4.8", "STREET": "2.5.4.9", "O": "2.5.4.10", "OU": "2.5.4.11", "T": "2.5.4.12",
    "DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
    "E": "1.2.840.113549.1.9.1",
}
KEY_USAGE = {"digitalSignature": 0, "keyEncipherment": 2, "keyAgreement": 4, "keyCertSign": 5,
             "cRLSign": 6}
RSA = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
SHA384 = der.sequence(der.oid("2.16.840.1.101.3.4.2.2"), der.null())
#: Kind of key -> (arguments of openssl genpkey, DER of the signature's AlgorithmIdentifier).
KINDS = {
    "ec": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
           der.sequence(der.oid("1.2.840.10045.4.3.2"))),
    "ec384": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
              der.sequence(der.oid("1.2.840.10045.4.3.3"))),
    "rsa": (RSA, der.sequence(der.oid("1.2.840.113549.1.1.11"), der.null())),
    "ed25519": (["-algorithm", "ED25519"], der.sequence(der.oid("1.3.101.112"))),
    "rsa-sha1": (RSA, der.sequence(der.oid("1.2.840.113549.1.1.5"), der.null())),
    "rsa-sha512": (RSA, der.sequence(der.oid("1.2.840.113549.1.1.13"), der.null())),
    "pss384": (RSA, der.sequence(der.oid("1.2.840.113549.1.1.10"), der.sequence(
        der.explicit(0, SHA384),
        der.explicit(1, der.sequence(der.oid("1.2.840.113549.1.1.8"), SHA384)),
        der.explicit(2, der.integer(48))))),
}
#: Kind of key -> how openssl dgst signs with it.
DIGEST = {
    "ec": ["-sha256"], "ec384": ["-sha384"], "rsa": ["-sha256"], "rsa-sha1": ["-sha1"],
    "rsa-sha512": ["-sha512"],
    "pss384": ["-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
}


# ---- pieces of a certificate ------------------------------------------------------------------

def name(text):
    """DER of a Name from `CN=alice,OU=x+L=y,DC=test`, written in the order of the certificate.

    A value may be bytes-escaped with a backslash before `,` `+` `=`; countries are PrintableString,
    mail addresses and DC IA5String, all else UTF8String.  DER given as bytes is taken as it is.
    """
    if isinstance(text, bytes):
        return text
    relative = []
    for part in re.split(r"(?<!\\),", text) if text else []:
        pairs = []
        for pair in re.split(r"(?<!\\)\+", part):
            key, value = re.split(r"(?<!\\)=", pair, maxsplit=1)
            value = re.sub(r"\\(.)", r"\1", value)
            kind = {"C": der.printable, "SERIALNUMBER": der.printable, "E": der.ia5,
                    "DC": der.ia5}.get(key.strip().upper(), der.utf8)
            number = ATTRIBUTE.get(key.strip().upper(), key.strip())
            pairs.append(der.sequence(der.oid(number), kind(value)))
        relative.append(der.set_of(*sorted(pairs)))
    return der.sequence(*relative)


def extension(number, value, critical=False):
    """One Extension; value is the DER that goes inside its OCTET STRING."""
    return der.sequence(der.oid(number), der.boolean(True) if critical else b"",
                        der.octets(value))


def other_name(number, value):
    """A GeneralName of the form otherName; value is complete DER."""
    return der.explicit(0, der.oid(number), der.explicit(0, value))


def upn_name(upn, kind=der.utf8):
    """A SAN entry with a UPN; `kind` chooses another string type (der.ia5, der.bmp)."""
    return other_name(UPN, kind(upn))


def sid_value(*sids):
    """Inside of the SID extension: one otherName for each SID (more than one is malformed)."""
    return der.sequence(*[other_name(SID_OTHER_NAME, der.octets(sid.encode())) for sid in sids])


def sid_extension(*sids, critical=False):
    """The SID extension as a whole, to be added in any number to `extensions`."""
    return extension(SID, sid_value(*sids), critical)


def _many(value):
    if value is None:
        return []
    return [value] if isinstance(value, (str, bytes)) else list(value)


def _moment(value):
    """A time from seconds relative to now, or a datetime (UTC)."""
    if isinstance(value, datetime.datetime):
        return value
    now = datetime.datetime.now(datetime.timezone.utc)
    return now + datetime.timedelta(seconds=value)


def _pem(label, content):
    lines = base64.encodebytes(content).decode().replace("\n", "")
    folded = "\n".join(lines[i:i + 64] for i in range(0, len(lines), 64))
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, folded, label)


def _write(path, content, mode=0o644):
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


# ---- keys, certificates, authorities -----------------------------------------------------------

class Key:
    """A private key in a PEM file."""

    def __init__(self, path, kind):
        self.path = path
        self.kind = kind
        if not os.path.exists(path):
            run("openssl", "genpkey", *KINDS[kind][0], "-out", path)
            os.chmod(path, 0o600)

    @functools.cached_property
    def public(self):
        """SubjectPublicKeyInfo, DER."""
        return run("openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER").raw

    @functools.cached_property
    def text(self):
        """The private key, PEM."""
        with open(self.path, encoding="ascii") as file:
            return file.read()

    @property
    def identifier(self):
        """Key identifier: SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2, method 1)."""
        sizes = {"ec": 65, "ec384": 97, "ed25519": 32}
        size = sizes.get(self.kind)
        material = self.public[-size:] if size else self.public
        return hashlib.sha1(material).digest()

    def sign(self, content):
        """Signature over content with the digest that belongs to the kind of key."""
        if self.kind == "ed25519":
            path = _write(self.path + ".tbs", content)
            done = run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", path)
            os.unlink(path)
            return done.raw
        return run("openssl", "dgst", *DIGEST[self.kind], "-sign", self.path, stdin=content).raw


class Certificate:
    """A certificate, its key and the certificates above it, as files and as facts."""

    def __init__(self, path, content, key, above, subject, serial):
        self.der = content
        self.serial = serial
        self.subject = subject
        self.private = key
        self.above = above                              # issuer first, the root last
        self.key = key.path
        pem = _pem("CERTIFICATE", content)
        self.pem = pem
        self.certificate = _write(path + ".pem", pem)
        self.chain = _write(path + ".chain.pem",        # what a server or phone sends
                            pem + "".join(one.pem for one in above[:-1]))
        self.both = _write(path + ".both.pem", pem + key.text, 0o600)

    @property
    def fingerprint(self):
        """SHA-256 of the certificate, hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()


class Authority:
    """A certificate authority; `certificate` is its own."""

    def __init__(self, pki, subject, key, issuer, **shape):
        self.pki = pki
        self.subject = name(subject)
        self.key = key
        self.issuer = issuer
        shape.setdefault("not_before", -10 * 365 * 86400)
        shape.setdefault("not_after", 20 * 365 * 86400)
        self.own = (issuer or self).issue(
            subject, key=key, eku=None, authority=True,
            key_usage=("keyCertSign", "cRLSign", "digitalSignature"), **shape)
        self.certificate = self.own.certificate

    @property
    def above(self):
        """This CA's certificate and those above it, the root last."""
        return [self.own] + (self.issuer.above if self.issuer else [])

    @property
    def root(self):
        return self.issuer.root if self.issuer else self

    @functools.cached_property
    def bundle(self):
        """File with this CA and all above it: what a server trusts."""
        path = self.own.certificate[:-len(".pem")] + ".bundle.pem"
        return _write(path, "".join(one.pem for one in self.above))

    def issue(self, subject, upn=None, sid=None, sid_url=None, dns=None, ip=None, email=None,
              uri=None, san=(), eku=("clientAuth",), key_usage=("digitalSignature",),
              not_before=-3600, not_after=86400, serial=None, extensions=(), key="phone",
              kind="ec", authority=None, identifiers=True, san_critical=False, issuer_name=None,
              version=3, spoil=False):
        """Makes a certificate.

        subject     `CN=…` text, a bare word (taken as CN), "" for none, or DER
        upn, dns, ip, email, uri, sid_url   SAN entries: one, a list, or None; `san` adds raw DER
        sid         SID extension: text, or a list for several names inside one extension
        extensions  complete extensions (see `extension`), added at the end, in order, unchecked
        eku         names of EKU or OIDs; None leaves the extension away
        not_before, not_after   seconds from now, or datetime
        key         name of the holder of the key (kept and used again), or a Key
        authority   True makes a CA certificate
        identifiers False leaves the key identifiers away
        issuer_name another issuer name than the CA's own
        spoil       True breaks the signature
        """
        if isinstance(subject, str) and subject and "=" not in subject:
            subject = "CN=" + subject
        holder = key if isinstance(key, Key) else self.pki.key(key, kind)
        serial = secrets.randbits(120) | 1 if serial is None else serial
        parts = list(san)
        parts += [upn_name(one) for one in _many(upn)]
        parts += [der.implicit(2, one.encode("latin-1")) for one in _many(dns)]
        parts += [der.implicit(1, one.encode("latin-1")) for one in _many(email)]
        parts += [der.implicit(6, one.encode("latin-1")) for one in _many(uri)]
        parts += [der.implicit(6, (SID_URL + one).encode()) for one in _many(sid_url)]
        parts += [der.implicit(7, ipaddress.ip_address(one).packed) for one in _many(ip)]
        found = []
        if authority:
            found.append(extension("2.5.29.19", der.sequence(der.boolean(True)), True))
        if key_usage:
            word = sum(1 << (7 - KEY_USAGE[one]) for one in key_usage)
            found.append(extension("2.5.29.15", der.bits(bytes([word]), 1), True))
        if eku is not None:
            purposes = [der.oid(EKU.get(one, one)) for one in _many(eku)]
            found.append(extension("2.5.29.37", der.sequence(*purposes)))
        if identifiers:
            found.append(extension("2.5.29.14", der.octets(holder.identifier)))
            found.append(extension("2.5.29.35", der.sequence(
                der.implicit(0, self.key.identifier))))
        if parts:
            found.append(extension("2.5.29.17", der.sequence(*parts), san_critical))
        if sid is not None:
            found.append(sid_extension(*_many(sid)))
        found += extensions
        algorithm = KINDS[self.key.kind][1]
        body = der.sequence(
            der.explicit(0, der.integer(version - 1)) if version > 1 else b"",
            der.integer(serial), algorithm,
            name(issuer_name) if issuer_name is not None else self.subject,
            der.sequence(der.time(_moment(not_before)), der.time(_moment(not_after))),
            name(subject), holder.public,
            der.explicit(3, der.sequence(*found)) if found and version == 3 else b"")
        signature = bytearray(self.key.sign(body))
        if spoil:
            signature[-1] ^= 1
        content = der.sequence(body, algorithm, der.bits(bytes(signature)))
        above = [] if holder is self.key and self.issuer is None else self.above
        return Certificate(self.pki.place(subject), content, holder, above, name(subject), serial)

    def crl(self, revoked=(), this_update=-60, next_update=86400, number=1, path=None):
        """Makes a CRL with the given serials (or certificates); returns its PEM file."""
        entries = [der.sequence(der.integer(getattr(one, "serial", one)),
                                der.time(_moment(this_update))) for one in revoked]
        algorithm = KINDS[self.key.kind][1]
        body = der.sequence(
            der.integer(1), algorithm, self.subject, der.time(_moment(this_update)),
            der.time(_moment(next_update)) if next_update is not None else b"",
            der.sequence(*entries) if entries else b"",
            der.explicit(0, der.sequence(
                extension("2.5.29.35", der.sequence(der.implicit(0, self.key.identifier))),
                extension("2.5.29.20", der.integer(number)))))
        content = der.sequence(body, algorithm, der.bits(self.key.sign(body)))
        return _write(path or self.pki.place("crl") + ".pem", _pem("X509 CRL", content))


class Pki:
    """A folder of keys, authorities and certificates."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self._count = 0
        self._keys = {}

    def key(self, holder, kind="ec"):
        """The key of a holder, made at first use."""
        slug = "%s-%s" % (re.sub(r"[^A-Za-z0-9.-]+", "_", holder), kind)
        if slug not in self._keys:
            self._keys[slug] = Key(os.path.join(self.folder, "key-%s.pem" % slug), kind)
        return self._keys[slug]

    def place(self, subject):
        """Path, without suffix, for the next certificate."""
        self._count += 1
        word = subject if isinstance(subject, str) and subject else "unnamed"
        word = re.sub(r"[^A-Za-z0-9.-]+", "_", re.sub(r"^CN=", "", word))[:40]
        return os.path.join(self.folder, "%03d-%s" % (self._count, word))

    def authority(self, subject, issuer=None, key=None, kind="ec", **shape):
        """Makes a CA: a root, or one below `issuer`.  A second CA of the same name needs another
        `key` name; without one the subject names the key's holder."""
        if isinstance(subject, str) and "=" not in subject:
            subject = "CN=" + subject
        holder = self.key("ca-" + (key or str(subject)), kind)
        return Authority(self, subject, holder, issuer, **shape)


def main(words=None):
    """Command line: one certificate from a CA that is kept in FOLDER."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.pki", description=main.__doc__)
    parser.add_argument("folder")
    parser.add_argument("--ca", default="Test CA", help="name of the issuing (root) CA")
    parser.add_argument("--cn", default="phone", help="subject: a name, or CN=…,OU=…")
    for option in ("--upn", "--sid", "--sid-url", "--dns", "--ip", "--email"):
        parser.add_argument(option, action="append")
    parser.add_argument("--eku", action="append", help="default clientAuth; 'none' for none")
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--starts", type=float, default=-0.1, help="days from now")
    parser.add_argument("--serial", type=lambda text: int(text, 0))
    parser.add_argument("--kind", choices=sorted(KINDS), default="ec")
    parser.add_argument("--extension", action="append", default=[], metavar="OID=HEX",
                        help="raw extension, DER in hexadecimal")
    given = parser.parse_args(words)
    pki = Pki(given.folder)
    authority = pki.authority(given.ca)
    eku = given.eku or ("clientAuth",)
    raw = [extension(*(lambda pair: (pair[0], bytes.fromhex(pair[1])))(one.split("=", 1)))
           for one in given.extension]
    made = authority.issue(given.cn, upn=given.upn, sid=given.sid, sid_url=given.sid_url,
                           dns=given.dns, ip=given.ip, email=given.email, serial=given.serial,
                           eku=None if "none" in eku else eku, extensions=raw, kind=given.kind,
                           not_before=given.starts * 86400, not_after=given.days * 86400,
                           key=re.sub(r"[^A-Za-z0-9]+", "_", given.cn))
    print("certificate %s\nkey         %s\nboth        %s\nCA          %s"
          % (made.certificate, made.key, made.both, authority.bundle))


if __name__ == "__main__":
    main()
