#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files beside it: certificates with the openssl command, PAC buffers with Samba's NDR code.

    tests/vectors/make.py [NAME...]

With names only those certificates are made again; "ntauth" stands for the authorities and what they
issued, "pac" for the PAC buffers.
They are committed, so that the unit tests need neither, and so that what parses them was not written
together with what made them. Private keys are thrown away. Needs
openssl 3.0 and python3-samba.
"""

import pathlib
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
           "issuer-special": '/O=Contoso, "Ltd"\n/CN=CA \\+ \u20ac'}

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


# --- PAC buffers ----------------------------------------------------------------------------------

def pac_buffers():
    from samba.dcerpc import krb5pac, netlogon, samr, lsa, security
    from samba.ndr import ndr_pack

    def string(kind, text):
        out = kind()
        out.string = text
        return out

    def logon_info(domain, rid, groups=0, text=True, server="DC1", extra=()):
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
        base.primary_gid = 513
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
        "upn": upn_info(SID),
        "upn-plain": upn_info(None),
    }
    for name, content in files.items():
        (HERE / "pac" / (name + ".bin")).write_bytes(content)


if __name__ == "__main__":
    for kind in ("cert", "ntauth", "pac"):
        (HERE / kind).mkdir(exist_ok=True)
    certificates()
    if wanted("ntauth"):
        authorities()
    if wanted("pac"):
        pac_buffers()
