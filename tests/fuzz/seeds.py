#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small inputs that the fuzz targets start from: tests/fuzz/corpus/NOUN/.

    tests/fuzz/seeds.py

Certificates and PAC buffers are copied from tests/vectors. What fuzzing found is kept beside them, as
regression-*, and left alone.
"""

import pathlib

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
SID = bytes.fromhex("01050000000000051500000081dcbd7bf40f47c6bf27e61b85040000")
BUILTIN = bytes.fromhex("01020000000000052000000021020000")

# Of an answer, issued at 1699999950 and good for 300 s.
RECORD_HEAD = b"\1\1" + (1699999950).to_bytes(8, "big") + (1700000250).to_bytes(8, "big")


def piece(what, value):
    value = value.encode() if isinstance(value, str) else value
    return bytes([what, len(value)]) + value


def entry(dn="CN=Alice,OU=Phones,DC=contoso,DC=com", control="512", expires="0", more=b""):
    return (piece(0, dn) + piece(1, SID) + piece(2, "alice") + piece(3, "alice@contoso.com")
            + piece(4, control) + piece(5, expires) + piece(6, "20240229120000.0Z")
            + piece(7, "top") + piece(0x80, "user") + more)


def extension(which, name, oid):
    """The value of one extension of a certificate, behind the number that fuzz_extension gives it."""
    content = (VECTORS / "cert" / (name + ".der")).read_bytes()
    at = content.index(bytes.fromhex(oid)) + len(bytes.fromhex(oid))
    assert content[at] == 4 and content[at + 1] < 0x80, name  # OCTET STRING, short
    return bytes([which]) + content[at + 2:at + 2 + content[at + 1]]


def authority_and_leaf(*names):
    ca, leaf = ((VECTORS / "ntauth" / (name + ".der")).read_bytes() for name in names)
    return len(ca).to_bytes(2, "big") + ca + leaf


SEEDS = {
    "account": {
        "user": entry(),
        "computer": entry(dn=r"CN=a\,b\2c+x=y,DC=corp-1,DC=contoso,DC=com", control="-2147479552",
                          more=piece(0x80, "computer")),
        "expired": entry(expires="133536816000000000", more=piece(8, "x")),
        "twice": entry(more=piece(4, "514")),
        "groups": entry(dn="<GUID=00112233>;<SID=S-1-5-21-1-2-3-4>;CN=Alice,DC=contoso,DC=com",
                        more=piece(9, "<GUID=x>;<SID=S-1-5-21-2076040321-3326545908-468068287-525>;CN=g")
                        + piece(0x80, "CN=plain,DC=com") + piece(10, "513")),
        "groups-cut": entry(more=piece(11, "<SID=S-1-5-21-2076040321-3326545908-468068287-513>;CN=g")
                            + piece(10, "525")),
    },
    "altsec": {
        "issuer-serial": b'X509:<I>DC=com,CN="a, ""b"""<SR>1200002B',
        "issuer-serial-rfc": b'X509:<I>DC=com,CN=a\\, \\"b\\"<SR>1200002b',
        "issuer-sid": b'X509:<I>DC=com,CN="a, ""b"""<SID>S-1-5-21-1-2-3-1157',
        "issuer-subject": b'X509:<I>DC=com,CN="a, ""b"""<S>O=x,CN=" <S>",OID.1.2=O\'Brien',
        "subject": b'X509: <S>O=x,CN=\\20\\<S\\>,OID.1.2="O\'Brien"',
        "ski": b"X509:<SKI>ab01",
        "thumbprint": b"X509:<SHA1-PUKEY>34BE02DCEE9ECDF8BC5C16595A73F1B201875FEA",
        "mail": b"X509:<RFC822>d@e.f",
        "kerberos": b"Kerberos:alice@CONTOSO.COM",
        "name": b'CN=\\#a#,O="",OU=,T=\\C3\\AB\\ ',
    },
    "escape": {
        "log": b"\x20a\"b\\c\x00\x1b[2J\xc2\x9b\xc3\xa9\xe2\x82\xac\xff",
        "filter": b"\xff*)(cn=\x00\\alice@contoso.com",
        "cut": b"\x00" + "1234\u20ac5\n".encode(),
    },
    "extension": {
        "sid": extension(0, "alice", "2b0601040182371902"),
        "sid-beside": extension(0, "sid-beside", "2b0601040182371902"),
        "upn": extension(1, "alice", "551d11"),
        "url": extension(1, "altsec-url", "551d11"),
        "mail": extension(1, "altsec-kb", "551d11"),
        "usages": extension(2, "alice", "551d25"),
        "key": extension(3, "altsec-kb", "551d0e"),
    },
    "groups": {
        "three": piece(1, SID) + piece(0, BUILTIN) + piece(0, SID[:-4] + b"\x01\x02\0\0"),
        "many": b"".join(piece(0x80, SID) for _ in range(5)),
        "most": b"".join(piece(0x80, SID) for _ in range(4)) + piece(0, BUILTIN) * 4,
        "none": piece(7, b"x"),
        "part": piece(1, SID) + piece(5, BUILTIN),
        "twice": piece(1, SID) + piece(3, BUILTIN),
        "malformed": piece(1, SID) + piece(0, SID[:-1]),
    },
    "query": {
        "plain": b"Cmd=Sync&User=CONTOSO%5Calice&DeviceId=v140Device&DeviceType=Windows+Phone&SaveInSent=T",
        "upn": b"DeviceType=%E2%82%AC&deviceid=X.1_-&User=alice%40contoso.com&CMD=Ping",
        "twice": b"Cmd=Sync&User=a&DeviceId=x&DeviceType=y&%43md=Ping",
        "base64": b"oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg==",
        "escaped": b"oRIJBAp2MTQwRGV2aWNlBFCFO%2bYKU21hcnRQaG9uZQcBAg%3D%3d",
        "binary": b"\xa1\x12\x09\x04\x0av140Device\x04\x50\x85\x3b\xe6\x0aSmartPhone\x07\x01\x02",
        "user": b"y\x00\x09\x04\x10" + bytes(range(0xf0, 0x100)) + b"\x00\x02WP\x08\x05alice\x03\x045:12",
        "version": b"14.1",
        "key": b"3862660432",
    },
    "request": {
        "plain": b"/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice&DeviceId=X&DeviceType=iPhone",
        "base64": b"/Microsoft-Server-ActiveSync?jAkHBASnbGlzZQ==",
        "absolute": b"https://mail.contoso.com:443/Microsoft-Server-ActiveSync?Cmd=Ping",
        "encoded": "/owa/%C3%A9/%e2%82%ac/\u00e9/a%20b/.../%2e%2e/".encode(),
        "dots": b"/a/..%2f%5c;%25/.%2e/",
        "header": b"X_Forwarded-For",
        "head": b"HTTP/1.1 401 Unauthorized\r\nServer: IIS\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        "challenge": b"WWW-Authenticate",
    },
    "sid": {
        "domain": b"S-1-5-21-2076040321-3326545908-468068287-1157",
        "builtin": b"S-1-5-32-544",
        "binary": SID,
        "authority": b"\x01\x01\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
        "longest": b"S-1-4294967295" + b"-4294967295" * 15,
    },
    "value": {
        "bytes": b"10M",
        "seconds": b"300",
        "oid": b"1.3.6.1.5.5.7.3.2",
        "pair": b"directory=5",
        "uri": b"ldap://dc1.contoso.com:389",
        "ipv4": b"ldaps://192.0.2.1:636",
        "ipv6": b"ldap://[2001:db8::1]:389",
        "spn": b"HTTP/cas1.contoso.com:8443",
        "host": b"cas1.contoso.com:8443",
        "worker": b"https://cas1.contoso.com:8443/x/?y",
    },
    "cert": {name: (VECTORS / "cert" / (name + ".der")).read_bytes()
             for name in ("alice", "altsec-kb", "altsec-special", "centuries", "issuer-special", "sid-beside",
                          "upn-two", "url-and-sid")},
    "ntauth": {ca: authority_and_leaf(ca, leaf) for ca, leaf in (
        ("ca", "leaf"), ("ca-rsa", "leaf-rsa"), ("ca-later", "leaf"), ("ca-other-key", "leaf"),
        ("ca-bad-constraints", "leaf"))},
    "pac": {name: (VECTORS / "pac" / (name + ".bin")).read_bytes()
            for name in ("logon", "logon-no-text", "logon-protected-extra", "upn", "upn-plain")},
    "record": {kind + name: head + (VECTORS / "record" / (name + ".bin")).read_bytes()
               for name in ("nobody", "account", "two", "ntauth-none", "ntauth", "groups", "group",
                            "group-none", "group-elsewhere")
               for kind, head in (("", b""), ("record-", RECORD_HEAD))},
}

for noun, seeds in SEEDS.items():
    folder = HERE / "corpus" / noun
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content)
