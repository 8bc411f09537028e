#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files beside it: certificates with the openssl command, PAC buffers with Samba's NDR code.

    tests/vectors/make.py [NAME...]

With names only those certificates are made again; "ntauth" stands for the authorities and what they
issued, "pac" for the PAC buffers, "record" for contents of records in the shared cache, "binding" for
servers' certificates by signature algorithm, each with its hash as openssl dgst makes it. Beside the
certificates of NAMES altsec/NAME.txt lists what
altSecurityIdentities can say about each.
They are committed, so that the unit tests need neither, and so that what parses them was not written
together with what made them. Private keys are thrown away. Needs
openssl 3.0 and python3-samba.
"""

import hashlib
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SID = "S-1-5-21-2076040321-3326545908-468068287-1157"
OTHER_SID = "S-1-5-21-2076040321-3326545908-468068287-1158"
SID_EXTENSION = "1.3.6.1.4.1.311.25.2"
SID_NAME = "1.3.6.1.4.1.311.25.2.1"
UPN_NAME = "1.3.6.1.4.1.311.20.2.3"
URL = "tag:microsoft.com,2022-09-14:sid:"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


# --- DER by hand, for what openssl would not write ------------------------------------------------

def tlv(tag, *parts):
    content = b"".join(parts)
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + length + content


def oid(dotted):
    arcs = [int(arc) for arc in dotted.split(".")]
    out = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        base = bytes([arc & 127])
        while arc > 127:
            arc >>= 7
            base = bytes([arc & 127 | 128]) + base
        out += base
    return tlv(0x06, out)


def other_name(kind, value):
    return tlv(0xa0, oid(kind), tlv(0xa0, value))


def sid_name(text, kind=SID_NAME, string=0x04):
    return other_name(kind, tlv(string, text.encode() if isinstance(text, str) else text))


def upn_name(text, string=0x0c):
    return other_name(UPN_NAME, tlv(string, text))


def url_name(text):
    return tlv(0x86, text.encode())


def names(*parts):
    return tlv(0x30, *parts)


def der(value):
    return "DER:" + value.hex(":")


def binary_sid(text):
    numbers = [int(n) for n in text.split("-")[2:]]
    return (bytes([1, len(numbers) - 1]) + numbers[0].to_bytes(6, "big")
            + b"".join(n.to_bytes(4, "little") for n in numbers[1:]))


# --- certificates ---------------------------------------------------------------------------------

def san(*parts):
    return "subjectAltName=" + der(names(*parts))


def sid(*parts):
    return f"{SID_EXTENSION}=" + der(names(*parts))


# The SID extension and the UPN as openssl's own generator writes them.
SID_GENERATED = f"{SID_EXTENSION}=ASN1:SEQUENCE:sid_names"
SECTIONS = f"""
[sid_names]
name=IMPLICIT:0,SEQUENCE:sid_name
[sid_name]
type=OID:{SID_NAME}
value=EXPLICIT:0,FORMAT:ASCII,OCTETSTRING:{SID}
"""

CERTIFICATES = {
    # the extended key usage
    "eku-empty": ["extendedKeyUsage=DER:30:00"],
    "eku-16": ["extendedKeyUsage=" + ",".join(f"1.2.3.{n}" for n in range(16))],
    "eku-17": ["extendedKeyUsage=" + ",".join(f"1.2.3.{n}" for n in range(17))],
    "eku-oid-127": ["extendedKeyUsage=1.2" + ".12345678" * 13 + ".123456"],
    "eku-oid-128": ["extendedKeyUsage=1.2" + ".12345678" * 13 + ".1234567"],
    "eku-trailing": ["extendedKeyUsage=" + der(names(oid(CLIENT_AUTH)) + b"\x05\x00")],
    "eku-broken": ["extendedKeyUsage=" + der(names(oid(CLIENT_AUTH))[:-1])],
    "eku-twice": ["extendedKeyUsage=clientAuth", "2.5.29.99=" + der(names(oid(CLIENT_AUTH)))],
    # the SID extension
    "sid-beside": [sid(other_name("1.2.3.4", tlv(0x0c, b"x")), sid_name(SID), url_name("urn:x"))],
    "sid-beside-127": [sid(sid_name(SID), other_name("1.2.3.4", tlv(0x0c, b"x" * 53)))],
    "sid-beside-128": [sid(sid_name(SID), other_name("1.2.3.4", tlv(0x0c, b"x" * 54)))],
    "sid-beside-300": [sid(tlv(0x88, b"x" * 256), sid_name(SID))],
    "sid-two-names": [sid(sid_name(SID), sid_name(OTHER_SID))],
    "sid-same-twice": [sid(sid_name(SID), sid_name(SID))],
    "sid-empty": [sid()],
    "sid-other-type": [sid(sid_name(SID, kind="1.3.6.1.4.1.311.25.2.2"))],
    "sid-binary": [sid(sid_name(binary_sid(SID)))],
    "sid-utf8string": [sid(sid_name(SID, string=0x0c))],
    "sid-nul": [sid(sid_name(SID + "\0"))],
    "sid-184": [sid(sid_name("S-1-4294967295" + "-4294967295" * 15))],
    "sid-too-long": [sid(sid_name("S-1-4294967295" + "-4294967295" * 16))],
    "sid-no-wrapper": [f"{SID_EXTENSION}=" + der(sid_name(SID))],
    "sid-implicit": [sid(tlv(0xa0, oid(SID_NAME), tlv(0x80, SID.encode())))],
    "sid-after-value": [sid(tlv(0xa0, oid(SID_NAME), tlv(0xa0, tlv(0x04, SID.encode()), b"\x05\x00")))],
    "sid-after-name": [sid(tlv(0xa0, oid(SID_NAME), tlv(0xa0, tlv(0x04, SID.encode())), b"\x05\x00"))],
    "sid-after-names": [f"{SID_EXTENSION}=" + der(names(sid_name(SID)) + b"\x05\x00")],
    "sid-universal-tag": [sid(sid_name(SID), b"\x05\x00")],
    "sid-tag-9": [sid(sid_name(SID), b"\x89\x00")],
    "sid-tag-16": [sid(sid_name(SID), b"\x90\x00")],
    "sid-length-83": [f"{SID_EXTENSION}=" + der(b"\x30\x83\x00\x00\x3f" + sid_name(SID))],
    "sid-length-82": [f"{SID_EXTENSION}=" + der(b"\x30\x82\x00\x3f" + sid_name(SID))],
    "sid-length-cut": [f"{SID_EXTENSION}=" + der(b"\x30\x82\x3f")],
    "sid-one-byte": [f"{SID_EXTENSION}=" + der(b"\x30")],
    "sid-primitive": [sid(sid_name(SID), b"\x80\x00")],
    "sid-cut": [f"{SID_EXTENSION}=" + der(names(sid_name(SID))[:-1])],
    "sid-length-81": [f"{SID_EXTENSION}=" + der(b"\x30\x81\x3f" + sid_name(SID))],
    "sid-indefinite": [f"{SID_EXTENSION}=" + der(b"\x30\x80" + sid_name(SID) + b"\0\0")],
    "sid-high-tag": [f"{SID_EXTENSION}=" + der(b"\x3f\x10\x3f" + sid_name(SID))],
    "sid-twice": [sid(sid_name(SID)), "1.3.6.1.4.1.311.25.99=" + der(names(sid_name(OTHER_SID)))],
    # the SID URL
    "url": [san(url_name(URL + SID))],
    "url-same-twice": [san(url_name(URL + SID), url_name(URL + SID))],
    "url-two": [san(url_name(URL + SID), url_name(URL + OTHER_SID))],
    "url-malformed": [san(url_name(URL + "S-1-5-021"))],
    "url-empty": [san(url_name(URL))],
    "url-other": [san(url_name(URL.upper() + SID), url_name(" " + URL + SID), url_name(URL[:-1]))],
    "url-and-sid": [sid(sid_name(SID)), san(url_name(URL + SID))],
    "url-not-sid": [san(url_name(URL + OTHER_SID)), sid(sid_name(SID))],
    # the UPN
    "upn": ["subjectAltName=otherName:" + UPN_NAME + ";UTF8:alice@contoso.com,email:x@y.z"],
    "upn-beside": [san(other_name("1.3.6.1.5.2.2", tlv(0x0c, b"evil@contoso.com")),
                       upn_name(b"alice@contoso.com"), tlv(0x82, b"phone.contoso.com"))],
    "upn-utf8": [san(upn_name("jos\u00e9@contoso.com".encode()))],
    "upn-ia5": [san(upn_name(b"alice@contoso.com", 0x16))],
    "upn-ia5-8bit": [san(upn_name("jos\u00e9@contoso.com".encode(), 0x16))],
    "upn-printable": [san(upn_name(b"alice@contoso.com", 0x13))],
    "upn-printable-8bit": [san(upn_name("jos\u00e9@contoso.com".encode(), 0x13))],
    "upn-bmp": [san(upn_name("alice@contoso.com".encode("utf-16-be"), 0x1e))],
    "upn-first-of-two": [san(upn_name(b"alice"), upn_name(b"alice@contoso.com"))],
    "upn-other-type": [san(other_name("1.3.6.1.4.1.311.20.2.2", tlv(0x0c, b"alice@contoso.com")))],
    "upn-nul": [san(upn_name(b"alice@contoso.com\0.evil.test"))],
    "upn-control": [san(upn_name(b"alice\n@contoso.com"))],
    "upn-c1": [san(upn_name(b"alice\xc2\x9b@contoso.com"))],
    "upn-not-utf8": [san(upn_name(b"jos\xe9@contoso.com"))],
    "upn-no-at": [san(upn_name(b"alice"))],
    "upn-two-at": [san(upn_name(b"alice@evil.test@contoso.com"))],
    "upn-no-name": [san(upn_name(b"@contoso.com"))],
    "upn-no-suffix": [san(upn_name(b"alice@"))],
    "upn-empty": [san(upn_name(b""))],
    "upn-same-twice": [san(upn_name(b"alice@contoso.com"), upn_name(b"ALICE@Contoso.com"))],
    "upn-two": [san(upn_name(b"alice@contoso.com"), upn_name(b"bob@contoso.com"))],
    "upn-1024": [san(upn_name(b"a" * 1012 + b"@contoso.com"))],
    "upn-1025": [san(upn_name(b"a" * 1013 + b"@contoso.com"))],
    "san-trailing": ["subjectAltName=" + der(names(upn_name(b"alice@contoso.com")) + b"\0")],
    "san-broken": ["subjectAltName=" + der(names(upn_name(b"alice@contoso.com"))[:-1])],
    "san-twice": ["subjectAltName=DNS:a.test", "2.5.29.99=" + der(names(upn_name(b"alice@contoso.com")))],
    # any extension
    "unknown-twice": ["1.2.3.4=DER:05:00", "1.2.3.99=DER:05:00"],
    "extensions-64": [f"1.2.3.5.{n}=DER:05:00" for n in range(64)],
    "extensions-65": [f"1.2.3.5.{n}=DER:05:00" for n in range(65)],
}

# openssl req does not write an extension twice: the second one is written with another object
# identifier of the same length, which is then replaced.
TWICE = {"eku-twice": ("2.5.29.99", "2.5.29.37"), "san-twice": ("2.5.29.99", "2.5.29.17"),
         "sid-twice": ("1.3.6.1.4.1.311.25.99", SID_EXTENSION), "unknown-twice": ("1.2.3.99", "1.2.3.4")}

# serial numbers, and names of issuers
SERIALS = {"serial-0": "0", "serial-negative": "-1", "serial-20": "0x" + "ab" * 20,
           "serial-21": "0x01" + "ab" * 20}
ISSUERS = {"issuer-512": "/O=" + "o" * 64 + "".join("/OU=" + "x" * 64 for _ in range(6)) + "/CN=" + "c" * 34,
           "issuer-513": "/O=" + "o" * 64 + "".join("/OU=" + "x" * 64 for _ in range(6)) + "/CN=" + "c" * 35,
           "issuer-utf8": "/O=" + "\u00e9" * 60 + "".join("/OU=" + "\u20ac" * 60 for _ in range(3)),
           "issuer-empty": "/",
           "issuer-special": '/O=Contoso, "Ltd"\n/CN=CA \\+ \u20ac'}

# Certificates for altSecurityIdentities: issuer, subject, serial number, extensions, options. A name is
# a list of components, each a list of (OpenSSL's key, Microsoft's key, value).
KB_ISSUER = [[("DC", "DC", "com")], [("DC", "DC", "contoso")], [("CN", "CN", "CONTOSO-DC-CA")]]
KB_SUBJECT = [[("DC", "DC", "com")], [("DC", "DC", "contoso")], [("OU", "OU", "UserAccounts")],
              [("CN", "CN", "Contoso User")]]
CA = [[("O", "O", "Contoso")], [("CN", "CN", "Contoso CA")]]


LONG_OID = "1.2" + ".12345678" * 13 + ".123456"


def attribute(kind, value):
    return tlv(0x30, oid(kind), tlv(0x0c, value.encode()))


def cn(value):
    return [[("CN", "CN", value)]]


def mail(count):
    return "subjectAltName=" + ",".join(f"email:m{n}@contoso.com" for n in range(count))


NAMES = {
    # KB5014754's example of a serial number, with everything that a value can speak of
    "altsec-kb": (KB_ISSUER, KB_SUBJECT, "0x2B0000000011AC0000000012",
                  [SID_GENERATED, "subjectKeyIdentifier=hash", "subjectAltName=email:alice@contoso.com"], {}),
    "altsec-bare": (CA, cn("phone"), "0x1001", [], {}),
    "altsec-url": (CA, cn("phone"), "0x1001", [san(url_name(URL + SID))], {}),
    "altsec-special": (
        [[("O", "O", 'Contoso, "Ltd"')], [("CN", "CN", "CA + <1>; #x=y")]],
        [[("CN", "CN", "O'Brien, Pat")], [("OU", "OU", " lead")], [("OU", "OU", "trail ")],
         [("OU", "OU", "#hash")], [("OU", "OU", "a=b")], [("OU", "OU", "in  ner #")], [("OU", "OU", '"')]],
        "0x1001", [], {}),
    "altsec-apostrophe": (CA, cn("O'Brien"), "0x1001", [], {}),
    "altsec-utf8": (CA, cn("Zo\u00eb \u4e2d\u20ac \U0001f4f1, x"), "0x1001", [], {}),
    "altsec-bmp": (CA, cn("Zo\u00eb \u4e2d\u20ac"), "0x1001", [], {"mask": "MASK:2048"}),
    "altsec-t61": (CA, cn("Zo\u00eb"), "0x1001", [], {"mask": "MASK:4"}),
    "altsec-keys": (
        CA, [[(ours, theirs, f"v{n}")] for n, (ours, theirs) in enumerate((
            ("L", "L"), ("O", "O"), ("OU", "OU"), ("ST", "S"), ("street", "STREET"), ("title", "T"), ("GN", "G"),
            ("initials", "I"), ("SN", "SN"), ("serialNumber", "SERIALNUMBER"), ("emailAddress", "E"),
            ("DC", "DC"), ("description", "Description"), ("postalCode", "PostalCode"), ("2.5.4.18", "POBox"),
            ("2.5.4.20", "Phone"), ("dnQualifier", "dnQualifier"), ("UID", "OID.0.9.2342.19200300.100.1.1"),
            ("pseudonym", "OID.2.5.4.65"), ("CN", "CN")))]
        + [[("C", "C", "DE")]], "0x1001", [], {}),
    "altsec-serial-high": (CA, cn("phone"), "0xF10000000000000000000000000000000000000E", [], {}),
    "altsec-ski-1": (CA, cn("phone"), "0x1001", ["subjectKeyIdentifier=0a"], {}),
    "altsec-ski-64": (CA, cn("phone"), "0x1001", ["subjectKeyIdentifier=" + "c0" * 64], {}),
    "altsec-ski-empty": (CA, cn("phone"), "0x1001", ["2.5.29.14=DER:04:00"], {}),
    "altsec-mails-8": (CA, cn("phone"), "0x1001", [mail(8)], {}),
    "altsec-mail-twice": (CA, cn("phone"), "0x1001",
                          [san(tlv(0x81, b"a@contoso.com"), tlv(0x81, b""), tlv(0x81, b"A@Contoso.com"))],
                          {"mails": ["a@contoso.com"]}),
    "altsec-mail-254": (CA, cn("phone"), "0x1001", ["subjectAltName=email:" + "a" * 242 + "@contoso.com"], {}),
    # names without text: neither issuer nor subject, or one of them
    "altsec-multi": (CA, [[("OU", "OU", "a"), ("CN", "CN", "b")]], "0x1001", [], {"subject": False}),
    "altsec-multi-issuer": ([[("OU", "OU", "a"), ("CN", "CN", "b")]], cn("phone"), "0x1001", [], {"issuer": False}),
    "altsec-backslash": (CA, cn("a\\b"), "0x1001", [], {"subject": False}),
    "altsec-nul": (CA, cn("phone@replaced"), "0x1001", [],
                   {"subject": False, "replace": (b"phone@replaced", b"phone@\0eplaced")}),
    "altsec-c1": (CA, cn("phone@replaced"), "0x1001", [],
                  {"subject": False, "replace": (b"phone@replaced", b"phone@\xc2\x85placed")}),
    "altsec-printable-8bit": (CA, [[("C", "C", "DE")]], "0x1001", [],
                              {"subject": False, "replace": (b"\x13\x02DE", b"\x13\x02D\xe9")}),
    "altsec-no-string": (CA, [[("C", "C", "DE")]], "0x1001", [],
                         {"subject": False, "replace": (b"\x13\x02DE", b"\x03\x02\x00E")}),
    "altsec-no-subject": (CA, [], "0x1001", [], {"subject": False}),
    "altsec-name-1024": (CA, [[("description", "Description", "d" * 1012)]], "0x1001", [], {}),
}

# The same, of which no list is made: it is refused, or the Subject is what counts.
OTHER_NAMES = {
    "altsec-name-1025": (CA, [[("description", "Description", "d" * 1013)]], "0x1001", [], {}),
    "altsec-issuer-1025": ([[("description", "Description", "d" * 1013)]], cn("phone"), "0x1001", [], {}),
    "altsec-not-utf8": (CA, cn("phone@replaced"), "0x1001", [],
                        {"replace": (b"phone@replaced", b"phone@\xffeplaced")}),
    "altsec-ski-65": (CA, cn("phone"), "0x1001", ["subjectKeyIdentifier=" + "c0" * 65], {}),
    "altsec-ski-trailing": (CA, cn("phone"), "0x1001", ["2.5.29.14=DER:04:01:00:00"], {}),
    "altsec-ski-broken": (CA, cn("phone"), "0x1001", ["2.5.29.14=DER:04:05:00"], {}),
    "altsec-mails-9": (CA, cn("phone"), "0x1001", [mail(9)], {}),
    "altsec-mail-255": (CA, cn("phone"), "0x1001", ["subjectAltName=email:" + "a" * 243 + "@contoso.com"], {}),
    "altsec-mail-nul": (CA, cn("phone"), "0x1001", [san(tlv(0x81, b"alice@contoso.com\0.x"))], {}),
    "altsec-mail-control": (CA, cn("phone"), "0x1001", [san(tlv(0x81, b"alice\x7f@contoso.com"))], {}),
    "altsec-mail-8bit": (CA, cn("phone"), "0x1001", [san(tlv(0x81, "jos\u00e9@contoso.com".encode()))], {}),
    "subject-cn": (CA, cn("alice@contoso.com"), "0x1001", ["extendedKeyUsage=clientAuth"], {}),
    "subject-e": (CA, [[("CN", "CN", "Alice")], [("emailAddress", "E", "alice@contoso.com")]], "0x1001", [], {}),
    "subject-multi": (CA, [[("CN", "CN", "Alice"), ("emailAddress", "E", "alice@contoso.com")]], "0x1001", [], {}),
    "subject-same": (CA, [[("CN", "CN", "ALICE@contoso.com")], [("emailAddress", "E", "alice@Contoso.com")]],
                     "0x1001", [], {}),
    "subject-4": (CA, [[("CN", "CN", f"u{n}@contoso.com")] for n in range(4)], "0x1001", [], {}),
    "subject-5": (CA, [[("CN", "CN", f"u{n}@contoso.com")] for n in range(5)], "0x1001", [], {}),
    "subject-6": (CA, [[("CN", "CN", f"u{n}@contoso.com")] for n in range(6)], "0x1001", [], {}),
    "subject-oid-127": (CA, [[("description", "Description", "d" * 54)]], "0x1001", [],
                        {"replace": (attribute("2.5.4.13", "d" * 54), attribute(LONG_OID, "x"))}),
    "subject-oid-128": (CA, [[("description", "Description", "d" * 54)]], "0x1001", [],
                        {"replace": (attribute("2.5.4.13", "d" * 54), attribute(LONG_OID + "7", "x"))}),
    "subject-visible": (CA, cn("phone@visible"), "0x1001", [],
                        {"replace": (b"\x0c\x0dphone@visible", b"\x1a\x0dphone@visible")}),
    "subject-numeric": (CA, cn("1234567890"), "0x1001", [],
                        {"replace": (b"\x0c\x0a1234567890", b"\x12\x0a1234567890")}),
    "subject-not-upn": (CA, [[("CN", "CN", value)] for value in ("alice", "@contoso.com", "alice@", "a@b@c")],
                        "0x1001", [], {}),
    "subject-1001": (CA, [[("description", "Description", "a" * 100 + "@" + "b" * 900)]], "0x1001", [],
                     {"replace": (oid("2.5.4.13"), oid("2.5.4.3"))}),
    "subject-o": (CA, [[("O", "O", "alice@contoso.com")], [("UID", "OID.0.9", "alice@contoso.com")]], "0x1001",
                  [], {}),
}

CONFIG = """[req]
distinguished_name=dn
utf8=yes
string_mask=utf8only
[dn]
[none]
subjectKeyIdentifier=none
[ext]
subjectKeyIdentifier=none
"""


def wanted(name):
    return len(sys.argv) == 1 or name in sys.argv[1:]


def make(folder, name, lines, subject="/O=Contoso/CN=phone", serial="0x1001"):
    if not wanted(name):
        return
    config = folder / "config"
    config.write_text(CONFIG + "\n".join(lines) + SECTIONS)
    out = HERE / "cert" / (name + ".der")
    subprocess.run(
        ["openssl", "req", "-x509", "-new", "-key", folder / "key", "-config", config,
         "-extensions", "ext", "-utf8", "-subj", subject, "-set_serial", serial,
         "-days", "3650", "-outform", "DER", "-out", out], check=True)
    if name in TWICE:
        wrong, right = (oid(dotted) for dotted in TWICE[name])
        content = out.read_bytes()
        assert content.count(wrong) == 1 and len(wrong) == len(right)
        out.write_bytes(content.replace(wrong, right))


def make_dated(folder, name, lines, start, end, serial):
    """By openssl ca, which can set the dates, from a CA with a name of its own."""
    if not wanted(name):
        return
    (folder / "index").write_text("")
    (folder / "serial").write_text(serial + "\n")
    config = folder / "config"
    config.write_text(CONFIG + "\n".join(lines) + SECTIONS + f"""
[ca]
default_ca=ca_one
[ca_one]
database={folder}/index
serial={folder}/serial
new_certs_dir={folder}
certificate={folder}/ca.pem
private_key={folder}/key
default_md=sha256
policy=policy
x509_extensions=ext
[policy]
commonName=supplied
organizationName=optional
""")

    def run(*args):
        subprocess.run(["openssl", *args], check=True, stderr=subprocess.DEVNULL)

    run("req", "-x509", "-new", "-key", folder / "key", "-config", config, "-extensions", "none",
        "-subj", "/DC=com/DC=contoso/CN=CONTOSO-DC-CA", "-out", folder / "ca.pem")
    run("req", "-new", "-key", folder / "key", "-config", config, "-subj", "/O=Contoso/CN=Alice",
        "-out", folder / "req.pem")
    run("ca", "-batch", "-notext", "-config", config, "-in", folder / "req.pem",
        "-startdate", start, "-enddate", end, "-out", folder / "cert.pem")
    run("x509", "-in", folder / "cert.pem", "-outform", "DER", "-out", HERE / "cert" / (name + ".der"))


def make_bare(folder, name):
    """Version 1: no extensions at all."""
    if not wanted(name):
        return
    (folder / "config").write_text(CONFIG)
    subprocess.run(["openssl", "req", "-new", "-key", folder / "key", "-config", folder / "config",
                    "-subj", "/O=Contoso/CN=phone", "-out", folder / "req.pem"], check=True)
    subprocess.run(["openssl", "x509", "-req", "-in", folder / "req.pem", "-key", folder / "key",
                    "-set_serial", "0x1001", "-days", "3650", "-outform", "DER",
                    "-out", HERE / "cert" / (name + ".der")], check=True, stderr=subprocess.DEVNULL)


def openssl_name(name):
    """For -subj."""
    def escaped(value):
        return re.sub(r"([\\/+])", r"\\\1", value)

    return "".join("/" + "+".join(f"{ours}={escaped(value)}" for ours, _, value in component)
                   for component in name) or "/"


def make_issued(folder, name, issuer, subject, serial, lines, options):
    """From a CA of that name; returns the certificate."""
    config = folder / "config"
    config.write_text(CONFIG.replace("utf8only", options.get("mask", "utf8only")) + "\n".join(lines) + SECTIONS)

    def run(*args):
        subprocess.run(["openssl", *args], check=True, stderr=subprocess.DEVNULL)

    run("req", "-x509", "-new", "-utf8", "-multivalue-rdn", "-key", folder / "key", "-config", config,
        "-extensions", "none", "-subj", openssl_name(issuer), "-out", folder / "ca.pem")
    run("req", "-new", "-utf8", "-multivalue-rdn", "-key", folder / "key", "-config", config,
        "-subj", openssl_name(subject), "-out", folder / "req.pem")
    out = HERE / "cert" / (name + ".der")
    run("x509", "-req", "-in", folder / "req.pem", "-CA", folder / "ca.pem", "-CAkey", folder / "key",
        "-set_serial", serial, "-days", "3650", "-extfile", config, "-extensions", "ext", "-outform", "DER",
        "-out", out)
    content = out.read_bytes()
    if "replace" in options:
        before, after = options["replace"]
        assert content.count(before) == 1 and len(before) == len(after), name
        content = content.replace(before, after)
        out.write_bytes(content)
    return content


# --- what altSecurityIdentities can say -------------------------------------------------------------

def in_windows(value, special):
    """CertNameToStr: in quotes where it needs them."""
    if value == "" or value != value.strip(" ") or any(c in value for c in special):
        return '"' + value.replace('"', '""') + '"'
    return value


def in_rfc4514(value):
    out = re.sub(r'([,+"<>;])', r"\\\1", value)
    if out[:1] in ("#", " "):
        out = "\\" + out
    return out[:-1] + "\\ " if out.endswith(" ") else out


STYLES = (lambda value: in_windows(value, ',+="\n<>#;'), lambda value: in_windows(value, ',+="\n<>#;\''), in_rfc4514)


def name_text(name, style):
    return ",".join(f"{theirs}={style(value)}" for ((_, theirs, value),) in name)


def values(certificate, issuer, subject, serial, lines, options):
    """(form, value) of everything that an account could store to name the certificate."""
    def extension(text):
        return any(text in line for line in lines)

    number = int(serial, 16)
    reversed_serial = number.to_bytes((number.bit_length() + 7) // 8, "big")[::-1].hex().upper()
    has_issuer, has_subject = options.get("issuer", True), options.get("subject", True)
    found = []
    for style in STYLES:
        i = "<I>" + name_text(issuer, style) if has_issuer else None
        s = "<S>" + name_text(subject, style) if has_subject else None
        if i:
            found.append(("X509IssuerSerialNumber", i + "<SR>" + reversed_serial))
        if i and (extension(SID_EXTENSION) or extension(URL.encode().hex(":"))):
            found.append(("X509IssuerSID", i + "<SID>" + SID))
        if i and s:
            found.append(("X509IssuerSubject", i + s))
        if s:
            found.append(("X509SubjectOnly", s))
    for line in lines:
        if line == "subjectKeyIdentifier=hash":
            text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-ext", "subjectKeyIdentifier"],
                                  input=certificate, capture_output=True, check=True).stdout.decode()
            found.append(("X509SKI", "<SKI>" + text.split("\n")[1].strip().replace(":", "")))
        elif line.startswith("subjectKeyIdentifier="):
            found.append(("X509SKI", "<SKI>" + line.split("=")[1].upper()))
        mails = re.findall(r"email:([^,]*)", line)
        found += [("X509RFC822", "<RFC822>" + one) for one in options.get("mails", mails)]
    found.append(("X509SHA1PublicKey", "<SHA1-PUKEY>" + hashlib.sha1(certificate).hexdigest().upper()))
    return [(form, "X509:" + value) for form, value in dict.fromkeys(found)]


def make_named(folder):
    for name, (issuer, subject, serial, lines, options) in {**NAMES, **OTHER_NAMES}.items():
        if not wanted(name):
            continue
        content = make_issued(folder, name, issuer, subject, serial, lines, options)
        if name in NAMES:
            listed = values(content, issuer, subject, serial, lines, options)
            (HERE / "altsec" / (name + ".txt")).write_text(
                "".join(f"{form} {value}\n" for form, value in listed))


def certificates():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-out", folder / "key"], check=True)
        (folder / "ca.pem").write_text("")
        for cert, lines in CERTIFICATES.items():
            make(folder, cert, lines)
        for cert, serial in SERIALS.items():
            make(folder, cert, ["extendedKeyUsage=clientAuth"], serial=serial)
        for cert, subject in ISSUERS.items():
            make(folder, cert, ["extendedKeyUsage=clientAuth"], subject=subject)
        make_bare(folder, "version-1")
        make_named(folder)
        # What a phone has: everything right. The serial number is that of KB5014754's example.
        make_dated(folder, "alice",
                   [SID_GENERATED, "subjectAltName=otherName:" + UPN_NAME + ";UTF8:alice@contoso.com",
                    "extendedKeyUsage=clientAuth,emailProtection"],
                   "240229120000Z", "491231235959Z", "2B0000000011AC0000000012")
        make_dated(folder, "weak",
                   ["subjectAltName=otherName:" + UPN_NAME + ";UTF8:alice@contoso.com",
                    "extendedKeyUsage=clientAuth"],
                   "240229120000Z", "491231235959Z", "1001")
        make_dated(folder, "no-usage", [SID_GENERATED], "240229120000Z", "491231235959Z", "1001")
        make_dated(folder, "anonymous", ["extendedKeyUsage=clientAuth"],
                   "240229120000Z", "491231235959Z", "1001")
        make_dated(folder, "centuries", ["extendedKeyUsage=clientAuth"],
                   "500101000000Z", "99991231235959Z", "1001")


# --- authorities and what they issued -----------------------------------------------------------

ISSUING = "/DC=com/DC=contoso/CN=Contoso Issuing CA"
IS_CA = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
NOW, LATER = ("200101000000Z", "391231235959Z"), ("400101000000Z", "491231235959Z")
PAST, LONGER = ("100101000000Z", "191231235959Z"), ("250101000000Z", "441231235959Z")

# name: subject, key, issuer (NAME of another, or None: itself), dates, extensions
AUTHORITIES = {
    "root": ("/CN=Contoso Root CA", "root", None, NOW, IS_CA),
    "ca": (ISSUING, "ca", "root", NOW, IS_CA),
    "ca-past": (ISSUING, "ca", "root", PAST, IS_CA),
    "ca-later": (ISSUING, "ca", "root", LATER, IS_CA),
    "ca-longer": (ISSUING, "ca", "root", LONGER, IS_CA),
    "ca-by-itself": (ISSUING, "ca", None, NOW, IS_CA),
    "ca-other-key": (ISSUING, "other", "root", NOW, IS_CA),
    "ca-other-name": (ISSUING + " 2", "ca", "root", NOW, IS_CA),
    "ca-other-case": (ISSUING.upper(), "ca", "root", NOW, IS_CA),
    "ca-no-usage": (ISSUING, "ca", "root", NOW, IS_CA[:1]),
    "ca-no-signing": (ISSUING, "ca", "root", NOW, IS_CA[:1] + ["keyUsage=digitalSignature"]),
    "ca-false": (ISSUING, "ca", "root", NOW, ["basicConstraints=critical,CA:FALSE", IS_CA[1]]),
    "ca-unsaid": (ISSUING, "ca", "root", NOW, IS_CA[1:]),
    "ca-bare": (ISSUING, "ca", None, NOW, None),
    "ca-bad-constraints": (ISSUING, "ca", "root", NOW, ["basicConstraints=DER:30:03:01:01", IS_CA[1]]),
    "ca-rsa": ("/CN=Contoso RSA CA", "rsa", "root", NOW, IS_CA),
    "leaf": ("/CN=alice", "phone", "ca", NOW, ["extendedKeyUsage=clientAuth"]),
    "leaf-rsa": ("/CN=alice", "phone", "ca-rsa", NOW, ["extendedKeyUsage=clientAuth"]),
    "leaf-root": ("/CN=alice", "phone", "root", NOW, ["extendedKeyUsage=clientAuth"]),
}


def authorities():
    def run(*args):
        subprocess.run(["openssl", *args], check=True, stderr=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for key in {row[1] for row in AUTHORITIES.values()}:
            kind = (["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if key == "rsa" else
                    ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
            run("genpkey", "-algorithm", *kind, "-out", folder / key)
        for number, (cert, row) in enumerate(AUTHORITIES.items()):
            subject, key, issuer, (start, end), lines = row
            (folder / "index").write_text("")
            (folder / "serial").write_text(f"{0x1001 + number:X}\n")
            config = folder / "config"
            config.write_text(CONFIG + "\n".join(lines or []) + f"""
[ca]
default_ca=ca_one
[ca_one]
database={folder}/index
serial={folder}/serial
new_certs_dir={folder}
default_md=sha256
policy=policy
unique_subject=no
{"x509_extensions=ext" if lines else ""}
[policy]
commonName=supplied
domainComponent=optional
""")
            run("req", "-new", "-key", folder / key, "-config", config, "-utf8", "-subj", subject,
                "-out", folder / "req.pem")
            by = (["-selfsign", "-keyfile", folder / key] if issuer is None else
                  ["-keyfile", folder / AUTHORITIES[issuer][1], "-cert", folder / (issuer + ".pem")])
            run("ca", "-batch", "-notext", "-config", config, "-in", folder / "req.pem", *by,
                "-startdate", start, "-enddate", end, "-out", folder / (cert + ".pem"))
            run("x509", "-in", folder / (cert + ".pem"), "-outform", "DER",
                "-out", HERE / "ntauth" / (cert + ".der"))


# --- servers' certificates by signature algorithm --------------------------------------------------

EC = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"]
RSA = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]

# name: key, digest of the signature and its options, hash of the binding (RFC 5929 4.1; None: undefined)
SIGNATURES = {
    "rsa-md5": (RSA, ["-md5"], "sha256"),
    "rsa-sha1": (RSA, ["-sha1"], "sha256"),
    "rsa-sha224": (RSA, ["-sha224"], "sha224"),
    "rsa-sha256": (RSA, ["-sha256"], "sha256"),
    "rsa-sha384": (RSA, ["-sha384"], "sha384"),
    "rsa-sha512": (RSA, ["-sha512"], "sha512"),
    "pss-sha1": (RSA, ["-sha1", *PSS], "sha256"),
    "pss-sha256": (RSA, ["-sha256", *PSS], "sha256"),
    "pss-sha384": (RSA, ["-sha384", *PSS], "sha384"),
    "pss-sha512": (RSA, ["-sha512", *PSS], "sha512"),
    "pss-sha512-mgf-sha256": (RSA, ["-sha512", *PSS, "-sigopt", "rsa_mgf1_md:sha256"], "sha512"),
    "ecdsa-sha1": ([*EC[:-1], EC[-1] + "P-256"], ["-sha1"], "sha256"),
    "ecdsa-sha256": ([*EC[:-1], EC[-1] + "P-256"], ["-sha256"], "sha256"),
    "ecdsa-sha384": ([*EC[:-1], EC[-1] + "P-384"], ["-sha384"], "sha384"),
    "ecdsa-sha512": ([*EC[:-1], EC[-1] + "P-521"], ["-sha512"], "sha512"),
    "ed25519": (["-algorithm", "ED25519"], [], None),
    "ed448": (["-algorithm", "ED448"], [], None),
}


def bindings():
    with tempfile.TemporaryDirectory() as name:
        key = pathlib.Path(name) / "key"
        for cert, (kind, options, digest) in SIGNATURES.items():
            path = HERE / "binding" / (cert + ".der")
            subprocess.run(["openssl", "genpkey", *kind, "-out", key], check=True,
                           stderr=subprocess.DEVNULL)
            subprocess.run(["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=cas1.contoso.com",
                            "-days", "9000", *options, "-outform", "DER", "-out", path], check=True)
            done = digest and subprocess.run(["openssl", "dgst", "-" + digest, "-r", path], check=True,
                                             capture_output=True, text=True)
            (HERE / "binding" / (cert + ".txt")).write_text(
                (done.stdout.split()[0] if done else "none") + "\n")


# --- PAC buffers ----------------------------------------------------------------------------------

def pac_buffers():
    from samba.dcerpc import krb5pac, netlogon, samr, lsa, security
    from samba.ndr import ndr_pack

    def string(kind, text):
        out = kind()
        out.string = text
        return out

    def logon_info(domain, rid, groups=0, text=True, server="DC1", extra=(), primary=513):
        info = netlogon.netr_SamInfo3()
        base = info.base
        if text:
            base.account_name = string(lsa.String, "alice")
            base.full_name = string(lsa.String, "Alice Liddell")  # odd: padding follows
            base.logon_script = string(lsa.String, "")
            base.profile_path = string(lsa.String, "")
            base.home_directory = string(lsa.String, "x")
            base.home_drive = string(lsa.String, "")
            base.logon_server = string(lsa.StringLarge, server)
            base.logon_domain = string(lsa.StringLarge, "CONTOSO")
        base.rid = rid
        base.primary_gid = primary
        members = []
        for n in range(groups):
            member = samr.RidWithAttribute()
            member.rid, member.attributes = 513 + n, 7
            members.append(member)
        base.groups.count = groups
        if text:  # else a null pointer
            base.groups.rids = members
        if domain is not None:
            base.domain_sid = security.dom_sid(domain)
        sids = []
        for text_sid in extra:
            one = netlogon.netr_SidAttr()
            one.sid, one.attributes = security.dom_sid(text_sid), 7
            sids.append(one)
        info.sidcount, info.sids = len(sids), sids
        logon = krb5pac.PAC_LOGON_INFO()
        logon.info3 = info
        holder = krb5pac.PAC_LOGON_INFO_CTR()
        holder.info = logon
        data = krb5pac.PAC_DATA()
        buffer = krb5pac.PAC_BUFFER()
        buffer.type, buffer.info = krb5pac.PAC_TYPE_LOGON_INFO, holder
        return cut(data, buffer, ndr_pack)

    def upn_info(sid_text):
        info = krb5pac.PAC_UPN_DNS_INFO()
        info.upn_name, info.dns_domain_name = "alice@contoso.com", "CONTOSO.COM"
        if sid_text:
            info.flags = krb5pac.PAC_UPN_DNS_FLAG_HAS_SAM_NAME_AND_SID
            info.ex.samaccountname = "alice"
            info.ex.objectsid = security.dom_sid(sid_text)
        data = krb5pac.PAC_DATA()
        buffer = krb5pac.PAC_BUFFER()
        buffer.type, buffer.info = krb5pac.PAC_TYPE_UPN_DNS_INFO, info
        return cut(data, buffer, ndr_pack)

    def cut(data, buffer, pack):
        """The only buffer of a PAC (MS-PAC 2.3, 2.4): count, version, type, size, offset."""
        data.num_buffers, data.version, data.buffers = 1, 0, [buffer]
        packed = pack(data)
        size, offset = (int.from_bytes(packed[at:at + n], "little") for at, n in ((12, 4), (16, 8)))
        return packed[offset:offset + size]

    domain = SID.rsplit("-", 1)[0]
    files = {
        "logon": logon_info(domain, 1157, groups=3, extra=["S-1-18-1"]),
        "logon-no-text": logon_info(domain, 1157, text=False),
        "logon-200-groups": logon_info(domain, 1157, groups=200, server="A-LONGER-NAME"),
        "logon-14": logon_info("S-1-5" + "-4294967295" * 14, 1157),
        "logon-15": logon_info("S-1-5" + "-4294967295" * 15, 1157),
        "logon-rid-0": logon_info(domain, 0, extra=[SID]),
        "logon-no-domain": logon_info(None, 1157),
        "logon-protected": logon_info(domain, 1157, groups=13),
        "logon-protected-not": logon_info(domain, 525, groups=12, extra=[
            SID.replace("-468068287-1157", "-468068288-525"), domain + "-5250", "S-1-5-32-525", domain]),
        "logon-protected-primary": logon_info(domain, 1157, primary=525),
        "logon-protected-extra": logon_info(domain, 1157, groups=1, extra=["S-1-18-1", domain + "-525"]),
        "upn": upn_info(SID),
        "upn-plain": upn_info(None),
    }
    for name, content in files.items():
        (HERE / "pac" / (name + ".bin")).write_bytes(content)


def record_text(text):
    return struct.pack(">H", len(text.encode())) + text.encode()


def record_sid(text):
    revision, authority, *subs = [int(part) for part in text.split("-")[1:]]
    sid = struct.pack("<BB6s%dI" % len(subs), revision, len(subs), authority.to_bytes(6, "big"), *subs)
    return bytes([len(sid)]) + sid


def record_account(altsec, upn="alice@contoso.com", expires=2 ** 63 - 1, computer=True):
    """An account as core/cba_record.c writes it: big-endian, texts and the SID behind lengths."""
    return (record_sid(SID) + record_text("alice") + record_text(upn)
            + record_text("contoso.com")
            + struct.pack(">Iqq??I", 0x00010200, expires, 1709208000, computer, True, altsec))


def record_values(*values):
    return struct.pack(">H", len(values)) + b"".join(
        struct.pack(">I", len(value)) + value for value in values)


def records():
    """Contents of records of the shared cache: number of accounts, are there more, the accounts;
    values of NTAuthCertificates; groups of an account; and what a group's name stands for."""
    files = {
        "nobody": b"\0\0",
        "account": b"\1\0" + record_account(2),
        "two": b"\2\1" + record_account(2) + record_account(4, "", -1, False),
        "ntauth-none": record_values(),
        "ntauth": record_values(b"\0", b"", b"0\3\2\1\5"),
        "groups": b"\0\3" + record_sid(SID) + record_sid("S-1-5-32-545") + record_sid(OTHER_SID),
        "group": b"\0" + record_sid(OTHER_SID),
        "group-none": b"\1" + record_text("no security group: CN=J\u00fcrgen"),
        "group-elsewhere": b"\2" + record_text(""),
    }
    for name, content in files.items():
        (HERE / "record" / (name + ".bin")).write_bytes(content)


if __name__ == "__main__":
    for kind in ("altsec", "binding", "cert", "ntauth", "pac", "record"):
        (HERE / kind).mkdir(exist_ok=True)
    certificates()
    if wanted("ntauth"):
        authorities()
    if wanted("binding"):
        bindings()
    if wanted("record"):
        records()
    if wanted("pac"):
        pac_buffers()
