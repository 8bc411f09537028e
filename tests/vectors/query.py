#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/vectors/query/{good,bad}: ActiveSync queries, and what they say.

    tests/vectors/query.py

Written from MS-ASHTTP 2.2.1.1.1 with Python's base64, struct and urllib, apart from what parses them.
A line of good is: query, form, command, version * 10, policy key, device id, device type, user, with
tabs between and "-" for what is not said. A line of bad is a query alone.
"""

import base64
import pathlib
import struct
from urllib.parse import quote

HERE = pathlib.Path(__file__).resolve().parent / "query"
CODES = dict(enumerate("Sync SendMail SmartForward SmartReply GetAttachment".split()))
CODES.update({code: "Legacy" for code in range(5, 9)})
CODES.update(enumerate("FolderSync FolderCreate FolderDelete FolderUpdate MoveItems GetItemEstimate "
                       "MeetingResponse Search Settings Ping ItemOperations Provision "
                       "ResolveRecipients ValidateCert Find".split(), 9))
NAMES = [name for name in CODES.values() if name != "Legacy"] + [
    "GetHierarchy", "CreateCollection", "DeleteCollection", "MoveCollection", "Notify"]
GUID = bytes.fromhex("00112233445566778899aabbccddeeff")

good, bad = [], []


def counted(value):
    return bytes([len(value)]) + value


def binary(version=141, code=0, locale=0x0409, device=b"v140Device", key=None, kind=b"SmartPhone",
           more=()):
    return (struct.pack("<BBH", version, code, locale) + counted(device)
            + (b"\0" if key is None else struct.pack("<BI", 4, key)) + counted(kind)
            + b"".join(bytes([tag]) + counted(value) for tag, value in more))


def text(content):
    return base64.b64encode(content).decode()


def accept(query, form="base64", command="Sync", version=141, key=None, device="v140Device",
           kind="SmartPhone", user=None):
    row = (query, form, command, str(version or "-"), "-" if key is None else str(key), device, kind,
           user or "-")
    assert not any("\t" in part for part in row)
    good.append("\t".join(row))


def refuse(query):
    bad.append(query if isinstance(query, str) else text(query))


def plain(**changed):
    fields = {"Cmd": "Sync", "User": "alice", "DeviceId": "v140Device", "DeviceType": "SmartPhone",
              **changed}
    return "&".join("%s=%s" % pair for pair in fields.items() if pair[1] is not None)


# --- base64 ---------------------------------------------------------------------------------------

# The specification's own example, and one with '+', '=' and a policy key.
accept("jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l", version=140)
accept("oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg==", version=161, command="Ping", key=3862660432)
accept("oRIJBAp2MTQwRGV2aWNlBFCFO%2bYKU21hcnRQaG9uZQcBAg%3D%3d", version=161, command="Ping",
       key=3862660432)
slashes = text(binary(locale=0xffff))
assert "/" in slashes
accept(slashes.replace("/", "%2f"))
accept(slashes.replace("/", "%2F"))

for number in (121, 140, 141, 160, 161):
    accept(text(binary(version=number)), version=number)
for number in (0, 12, 25, 120, 122, 139, 142, 159, 162, 170, 255):
    refuse(binary(version=number))
for number, name in CODES.items():
    accept(text(binary(code=number)), command=name)
for number in (24, 25, 128, 255):
    refuse(binary(code=number))
for locale in (0, 0xffff, 0x0904):
    accept(text(binary(locale=locale)))

for device in ("a", "Z9", "x" * 64, "A.b_c-d", "0123456789abcdef"):
    accept(text(binary(device=device.encode())), device=device)
for device in (GUID, b"\0", b"\xff" * 64, b"a b", b"v140\0evice", "\u00e9".encode(), b"a" * 63 + b"/"):
    accept(text(binary(device=device)), device=device.hex().upper())
for device in (b"", b"x" * 65, GUID * 5, b"\xff" * 255):
    refuse(binary(device=device))

for key in (0, 1, 0x01020304, 0x80000000, 0xffffffff):
    accept(text(binary(key=key)), key=key)
whole = binary()
middle = 5 + len(b"v140Device")
for length in (1, 2, 3, 5, 8, 255):
    refuse(whole[:middle] + counted(bytes(length)) + whole[middle + 1:])

for kind in ("x", "y" * 255, "WP 8", "Andro\u00efd \u20ac \U0001f4f1", '"\\<>&=+%'):
    accept(text(binary(kind=kind.encode())), kind=kind)
for kind in (b"", b"\0", b"a\nb", b"\x7f", b"\xc2\x85", b"\xff", b"\xc0\xaf", b"a\xc3"):
    refuse(binary(kind=kind))

for tag in (0, 1, 2, 3, 4, 5, 6, 9, 128, 255):      # also those that nobody has defined
    for value in (b"", b"\0\xff", b"z" * 255):
        accept(text(binary(more=[(tag, value)])))
accept(text(binary(more=[(tag, b"1") for tag in range(8)])))
accept(text(binary(more=[(1, b"a"), (1, b"b")])))
for options in (0, 1, 2, 3, 255):
    accept(text(binary(more=[(7, bytes([options]))])))
for more in ([(7, b"")], [(7, b"\1\2")], [(7, b"\1"), (7, b"\1")]):
    refuse(binary(more=more))
for user in ("alice", "CONTOSO\\alice", "alice@contoso.com", "\u00e9", "u" * 255, "a b", "a%5cb"):
    accept(text(binary(more=[(8, user.encode())])), user=user)
for more in ([(8, b"")], [(8, b"a"), (8, b"a")], [(8, b"a"), (8, b"b")], [(8, b"a\0b")], [(8, b"\xff")]):
    refuse(binary(more=more))

for size in range(len(whole)):                      # every place to break off
    refuse(whole[:size])
complete = binary(key=7, more=[(3, b"5:12"), (7, b"\1")])
for size in range(len(whole) + 5, len(complete)):  # after the fixed part
    if size != len(complete) - 3:                   # before Options: a query of its own
        refuse(complete[:size])

for query in ("oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg=", "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25",
              "oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg", "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l=",
              "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l====", "=jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25",
              "oRIJBAp2MTQwRGV2aWNlBFCFO-YKU21hcnRQaG9uZQcBAg==",           # another alphabet
              "oRIJBAp2MTQwRGV2aWNlBFCFO YKU21hcnRQaG9uZQcBAg==",
              "oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAh==",           # bits beyond the end
              "oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBA=g=",
              "%6aAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l", "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25%",
              "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25%3", "jAAJ%2gp2MTQwRGV2aWNlAApTbWFydFBob25l",
              "?AAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l", "=", "==", "====", "A", "AAAA", "%", "%3D"):
    refuse(query)

# --- plain text -----------------------------------------------------------------------------------

for name in NAMES:
    accept(plain(Cmd=name), "plain", name, None, user="alice")
    accept(plain(Cmd=name.swapcase()), "plain", name, None, user="alice")
for name in ("", "Syn", "Sync2", "Legacy", "-", "0", "Sync,Ping", "S%00ync", "+Sync", "Sync+", "Syn%63%20"):
    refuse(plain(Cmd=name))
accept(plain(Cmd="%53ync"), "plain", version=None, user="alice")

for user in ("alice", "CONTOSO\\alice", "alice@contoso.com", "a+b", "a b", "\u00e9", "%5c", "u" * 1024, "&=%"):
    accept(plain(User=quote(user, safe="+")), "plain", version=None, user=user)
accept(plain(User="CONTOSO\\alice"), "plain", version=None, user="CONTOSO\\alice")
accept(plain(User="a=b"), "plain", version=None, user="a=b")
for user in ("", "u" * 1025, "a%00", "a%0a", "%7f", "%c2%85", "%ff", "%C3", "%", "%4", "%u0041", "%zz"):
    refuse(plain(User=user))

for device in ("a", "Z9", "x" * 64, "A.b_c-d"):
    accept(plain(DeviceId=device), "plain", version=None, device=device, user="alice")
accept(plain(DeviceId="%76140%44evice"), "plain", version=None, user="alice")
for device in ("", "x" * 65, "a%20b", "a+b", "a,b", "%C3%A9", "a%2fb", "a/b", "a:b", "{0}", "%00", "a\\b", "%2"):
    refuse(plain(DeviceId=device))

for kind, decoded in (("iPhone", "iPhone"), ("y" * 255, "y" * 255), ("Windows+Phone%208", "Windows Phone 8"),
                      ("a%2Bb%26c%3d", "a+b&c="), ("%E2%82%AC", "\u20ac"), ("a=b", "a=b")):
    accept(plain(DeviceType=kind), "plain", version=None, kind=decoded, user="alice")
for kind in ("", "y" * 256, "%00", "a%0Ab", "%1b", "%7F", "%c0%af", "%ed%a0%80", "%e2%82"):
    refuse(plain(DeviceType=kind))

for missing in ("Cmd", "User", "DeviceId", "DeviceType"):
    refuse(plain(**{missing: None}))
    refuse("&".join("%s=x" % missing for _ in range(4)))
    for twice in (missing, missing.upper(), "%%%02x%s" % (ord(missing[0]), missing[1:])):
        value = {"Cmd": "Sync", "User": "alice", "DeviceId": "v140Device"}.get(missing, "SmartPhone")
        refuse(plain() + "&%s=%s" % (twice, value))
        refuse("%s=%s&" % (twice, value) + plain())
        accept(plain(**{missing: None}) + "&%s=%s" % (twice, value), "plain", version=None, user="alice")
accept("DeviceType=SmartPhone&DeviceId=v140Device&User=alice&Cmd=Sync", "plain", version=None, user="alice")
accept("user=alice&DEVICEID=v140Device&devicetype=SmartPhone&cMD=Sync", "plain", version=None, user="alice")

for more in ("SaveInSent=T", "CollectionId=5%3a2&ItemId=", "x=y&x=y", "Occurrence=2009-11-11T00:00:00.000Z",
             "AttachmentName=" + "z" * 4000, "%E2%82%AC=1", "Cmd%20=Ping", "Cm=Ping", "Commands=Ping", "a==",
             "LongId=a+b/c=="):
    accept(plain() + "&" + more, "plain", version=None, user="alice")
    accept(more + "&" + plain(), "plain", version=None, user="alice")
for more in ("", "&", "x", "=", "=y", "x=%", "x=%4", "x=%zz", "%u0043md=Ping", "%=1", "x=%00", "x=%ff", "%00=1",
             "x=%c2%80", "Cmd", "?Cmd=Ping"[:4]):
    refuse(plain() + "&" + more)
    refuse(more + "&" + plain())
for query in ("Cmd=Sync", "x", "Cmd=", "&", "&&&", "Cmd=Sync;User=alice;DeviceId=x;DeviceType=y"):
    refuse(query)

for name, lines in (("good", good), ("bad", bad)):
    lines = sorted(set(lines) - {""})
    (HERE / name).write_text("\n".join(lines) + "\n")
    print(name, len(lines))
