# SPDX-License-Identifier: Apache-2.0
"""A writer of ActiveSync WBXML (MS-ASWBXML), and the bodies a phone and an Exchange exchange.

A document is nested tuples: ("FolderHierarchy:FolderSync", ("SyncKey", "0")).  A name without a
prefix belongs to the code page last named, as on the wire; bytes become an opaque value.
"""
from .process import run

# Code page -> (number, token of each name used here); MS-ASWBXML 2.1.2.1
_PAGES = {
    "AirSync": (0, {"Sync": 0x05, "Add": 0x07, "SyncKey": 0x0b, "ServerId": 0x0d, "Status": 0x0e,
                    "Collection": 0x0f, "Class": 0x10, "CollectionId": 0x12, "GetChanges": 0x13,
                    "MoreAvailable": 0x14, "WindowSize": 0x15, "Commands": 0x16,
                    "Collections": 0x1c, "ApplicationData": 0x1d}),
    "Email": (2, {"DateReceived": 0x0f, "Importance": 0x12, "MessageClass": 0x13, "Subject": 0x14,
                  "Read": 0x15, "To": 0x16, "From": 0x18}),
    "FolderHierarchy": (7, {"DisplayName": 0x07, "ServerId": 0x08, "ParentId": 0x09, "Type": 0x0a,
                            "Status": 0x0c, "Changes": 0x0e, "Add": 0x0f, "SyncKey": 0x12,
                            "FolderSync": 0x16, "Count": 0x17}),
    "Ping": (13, {"Ping": 0x05, "Status": 0x07, "HeartbeatInterval": 0x08, "Folders": 0x09,
                  "Folder": 0x0a, "Id": 0x0b, "Class": 0x0c}),
    "Provision": (14, {"Provision": 0x05, "Policies": 0x06, "Policy": 0x07, "PolicyType": 0x08,
                       "PolicyKey": 0x09, "Data": 0x0a, "Status": 0x0b, "EASProvisionDoc": 0x0d,
                       "DevicePasswordEnabled": 0x0e, "AllowStorageCard": 0x1b}),
    "AirSyncBase": (17, {"Type": 0x06, "Body": 0x0a, "Data": 0x0b, "EstimatedDataSize": 0x0c,
                         "NativeBodyType": 0x16}),
    "Settings": (18, {"Settings": 0x05, "Status": 0x06, "Get": 0x07, "Set": 0x08,
                      "DeviceInformation": 0x16, "Model": 0x17, "FriendlyName": 0x19, "OS": 0x1a}),
    "ComposeMail": (21, {"SendMail": 0x05, "SaveInSentItems": 0x08, "MIME": 0x10,
                         "ClientId": 0x11}),
}
_SWITCH_PAGE, _END, _STR_I, _OPAQUE, _CONTENT = 0x00, 0x01, 0x03, 0xc3, 0x40
POLICY = "MS-EAS-Provisioning-WBXML"


def _multibyte(number):
    """mb_u_int32 of WBXML 1.3: seven bits a byte, the highest first."""
    out = bytes([number & 0x7f])
    while number > 0x7f:
        number >>= 7
        out = bytes([0x80 | (number & 0x7f)]) + out
    return out


def encode(document):
    """The bytes of a document: WBXML 1.3, no public id, UTF-8, no string table."""
    out = bytearray(b"\x03\x01\x6a\x00")
    _element(out, document, "AirSync")
    return bytes(out)


def _element(out, element, page):
    """Writes an element while code page `page` is in force; returns the page in force after it."""
    name, *content = element
    if ":" in name:
        prefix, name = name.split(":")
        if prefix != page:
            out += bytes([_SWITCH_PAGE, _PAGES[prefix][0]])
            page = prefix
    out.append(_PAGES[page][1][name] | (_CONTENT if content else 0))
    for part in content:
        if isinstance(part, tuple):
            page = _element(out, part, page)
        elif isinstance(part, bytes):
            out += bytes([_OPAQUE]) + _multibyte(len(part)) + part
        else:
            out += bytes([_STR_I]) + str(part).encode() + b"\0"
    if content:
        out.append(_END)
    return page


def decode(content):
    """The XML of a WBXML body, by libwbxml's tool: an independent reader."""
    return run("wbxml2xml", "-l", "ACTIVESYNC", "-o", "-", "-", stdin=content).stdout


# ---- what a phone says ------------------------------------------------------------------------

def provision():
    return encode(("Provision:Provision", ("Policies", ("Policy", ("PolicyType", POLICY)))))


def provision_acknowledge(key):
    return encode(("Provision:Provision", ("Policies", ("Policy", ("PolicyType", POLICY),
                                                        ("PolicyKey", key), ("Status", 1)))))


def folder_sync(key="0"):
    return encode(("FolderHierarchy:FolderSync", ("SyncKey", key)))


def sync(key="0", folder="5"):
    wish = () if key == "0" else (("GetChanges",), ("WindowSize", 25))
    return encode(("AirSync:Sync", ("Collections", ("Collection", ("SyncKey", key),
                                                    ("CollectionId", folder), *wish))))


def ping(heartbeat=480, folder="5"):
    return encode(("Ping:Ping", ("HeartbeatInterval", heartbeat),
                   ("Folders", ("Folder", ("Id", folder), ("Class", "Email")))))


def send_mail(mime, client_id="1"):
    return encode(("ComposeMail:SendMail", ("ClientId", client_id), ("SaveInSentItems",),
                   ("MIME", mime)))


def settings(model="Bench phone"):
    return encode(("Settings:Settings", ("DeviceInformation", ("Set", ("Model", model)))))


# ---- what Exchange answers --------------------------------------------------------------------

FOLDERS = (("5", "Inbox", 2), ("6", "Drafts", 3), ("7", "Deleted Items", 4), ("8", "Sent Items", 5),
           ("1", "Calendar", 8), ("2", "Contacts", 9))


def answers():
    """Name -> body of each canned answer of the Exchange stand-in."""
    policy = ("EASProvisionDoc", ("DevicePasswordEnabled", 1), ("AllowStorageCard", 1))
    mail = ("ApplicationData", ("Email:To", "alice@contoso.test"), ("From", "bob@contoso.test"),
            ("Subject", "Lunch?"), ("DateReceived", "2024-05-02T11:20:30.000Z"),
            ("Importance", 1), ("Read", 0), ("MessageClass", "IPM.Note"),
            ("AirSyncBase:Body", ("Type", 1), ("EstimatedDataSize", 12), ("Data", "At the bay?\n")),
            ("NativeBodyType", 1))

    def collection(key, *more):
        return ("AirSync:Sync", ("Collections", ("Collection", ("SyncKey", key),
                                                 ("CollectionId", "5"), ("Status", 1), *more)))

    documents = {
        "provision": ("Provision:Provision", ("Status", 1), ("Policies", (
            "Policy", ("PolicyType", POLICY), ("Status", 1), ("PolicyKey", 1307199584),
            ("Data", policy)))),
        "provision-ack": ("Provision:Provision", ("Status", 1), ("Policies", (
            "Policy", ("PolicyType", POLICY), ("Status", 1), ("PolicyKey", 3942919513)))),
        "foldersync": ("FolderHierarchy:FolderSync", ("Status", 1), ("SyncKey", 1), (
            "Changes", ("Count", len(FOLDERS)), *[
                ("Add", ("ServerId", number), ("ParentId", 0), ("DisplayName", name),
                 ("Type", kind))
                for number, name, kind in FOLDERS])),
        "foldersync-same": ("FolderHierarchy:FolderSync", ("Status", 1), ("SyncKey", 1),
                            ("Changes", ("Count", 0))),
        "sync-start": collection(1),
        "sync-mail": collection(2, ("Commands", ("Add", ("ServerId", "5:1"), mail))),
        "settings": ("Settings:Settings", ("Status", 1), ("DeviceInformation", ("Status", 1))),
        "ping-same": ("Ping:Ping", ("Status", 1)),
        "ping-change": ("Ping:Ping", ("Status", 2), ("Folders", ("Folder", "5"))),
        "ping-short": ("Ping:Ping", ("Status", 5), ("HeartbeatInterval", 60)),
        "ping-long": ("Ping:Ping", ("Status", 5), ("HeartbeatInterval", 3540)),
    }
    return {name: encode(document) for name, document in documents.items()}
