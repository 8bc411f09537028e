# SPDX-License-Identifier: Apache-2.0
"""How sections and servers are merged: what an inner one says replaces what the outer one said, lists
included; what it does not say stays."""
import pytest

from shared import (  # noqa: F401
    bare, cards, phone, place, refused, site, standing, untouched, weak_is_said)

MALFORMED = "?Cmd=Sync&User=alice&DeviceId=no/id&DeviceType=x"
NOWHERE = "ldap://cas5.contoso.test"       # nothing listens


def inner(path, *lines):
    """A Location below a protected one; both apply."""
    return ["<Location %s/in>" % path, *["  " + line for line in lines], "</Location>"]


SITE = {
    "server": ["EASCertAuthLDAPServer " + NOWHERE, "EASCertAuthLDAPBase DC=nowhere,DC=test"],
    "vhost": "EASCertAuthLDAPBase DC=contoso,DC=test",
    "after": place("/eku", "EASCertAuthEKU 1.2.3.4")
    + inner("/eku", "EASCertAuthEKU 1.3.6.1.5.5.7.3.2")
    + place("/map", "EASCertAuthMap SIDURL") + inner("/map", "EASCertAuthMap SID")
    + place("/url", "EASCertAuthMap SID") + inner("/url", "EASCertAuthMap SIDURL")
    + place("/commands", "EASCertAuthCommands FolderSync")
    + inner("/commands", "EASCertAuthCommands Sync")
    + place("/kept", "EASCertAuthMap SID", "EASCertAuthCommands Sync")
    + inner("/kept", "EASCertAuthReadAhead 1000")
    + place("/log", "EASCertAuthProtocol ActiveSync Log")
    + inner("/log", "EASCertAuthProtocol ActiveSync")
    + place("/order", "EASCertAuthCommands Sync")
    + ["<LocationMatch ^/order>", "  EASCertAuthCommands FolderSync", "</LocationMatch>"]}


def ask(one, path, command="Sync", body=b"x"):
    return one.request("POST", "%s?Cmd=%s&User=alice&DeviceId=d1&DeviceType=x" % (path, command), body)


@pytest.mark.parametrize("path, command", [
    ("/eku/in", "Sync"), ("/map/in", "Sync"), ("/url", "Sync"), ("/commands", "FolderSync"),
    ("/commands/in", "Sync"), ("/kept/in", "Sync"), ("/order", "FolderSync")])
def test_let_in(site, phone, path, command):
    assert ask(phone("alice"), path, command).user == "alice@CONTOSO.TEST"


@pytest.mark.parametrize("path, command, number", [
    ("/eku", "Sync", "EAS0107"), ("/map", "Sync", "EAS0309"), ("/url/in", "Sync", "EAS0309"),
    ("/commands", "Sync", "EAS0225"), ("/commands/in", "FolderSync", "EAS0225"),
    ("/kept/in", "FolderSync", "EAS0225"), ("/order", "Sync", "EAS0225")])
def test_refused(site, phone, refused, path, command, number):
    refused(ask(phone("alice"), path, command), number, 403)


def test_limit_of_the_inner_section(site, phone, refused):
    refused(ask(phone("alice"), "/kept/in", body=b"x" * 1001), "EAS0204", 413)


def test_limit_of_the_outer_section(site, phone):
    assert ask(phone("alice"), "/kept", body=b"x" * 1001).user == "alice@CONTOSO.TEST"


def test_leniency_belongs_to_its_protocol(site, phone, expect):
    """A protocol that is written again is enforced, whatever the outer section said of its own."""
    expect("EAS0222", "EAS0221")
    alice = phone("alice")
    assert alice.request("POST", "/log" + MALFORMED, b"x").status == 200
    assert alice.request("POST", "/log/in" + MALFORMED, b"x").status == 400


@pytest.mark.parametrize("vhost, seconds", [("", "7"), ("EASCertAuthRetryAfter 9", "9")])
def test_virtual_host_and_main_server(gateway, phone, expect, vhost, seconds):
    """What the main server says holds in a virtual host that does not say it."""
    expect("EAS0401")
    server = gateway(port=8443, vhost=vhost, settings="  EASCertAuthKeytab {keytab}",
                     server=["EASCertAuthLDAPServer " + NOWHERE, "EASCertAuthRetryAfter 7"])
    answer = phone("alice", server).folder_sync()
    assert (answer.status, answer.headers.get("Retry-After")) == (503, seconds)
