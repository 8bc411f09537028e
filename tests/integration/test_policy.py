# SPDX-License-Identifier: Apache-2.0
"""Which accounts may use a phone: Protected Users, weak mappings, and accounts that change while a
phone uses them.  The facts of an account serve for a second here."""
import os

import pytest

from lab import ldap, namespace
from lab.directory import BASE, USERS
from lab.phone import PATH
from lab.process import wait_until
from shared import cards, phone, place, refused, site, standing, untouched  # noqa: F401
from test_account import admitted, force, hidden, weak  # noqa: F401

# One process: each remembers for itself whom it has warned of.
SITE = {"processes": 1, "server": "EASCertAuthCacheTTL account=1 negative=1",
        "after": place("/lax", "EASCertAuthStrongMapping Off")
        + place("/mail", "EASCertAuthMap RFC822", "EASCertAuthStrongMapping Off")}
PROTECTED = "CN=Protected Users," + USERS


# ---- Protected Users -----------------------------------------------------------------------------

@pytest.fixture
def protect(bench):
    """protect(DN…): these are the members of Protected Users, until the test ends."""
    def members(*dns):
        if dns or "member" in bench.directory.entry(PROTECTED):
            bench.directory.modify(PROTECTED, member=list(dns))
    yield members
    members()


@pytest.fixture
def group(bench):
    """Makes groups that end with the test: group(name, members, **attributes) -> DN."""
    made = []

    def make(name, members=(), **attributes):
        made.append(bench.directory.add_group(name, members, **attributes))
        return made[-1]
    yield make
    for dn in made:
        bench.directory.delete(dn)


def asked_for(bench, mark, name):
    """What the KDC was asked about an account since a mark: S4U2Self, S4U2Proxy."""
    return ["proxy" if "impersonatee=" in one["detail"] else "self"
            for one in bench.directory.kdc_requests(mark)
            if one["client"].startswith(name + "@") or "impersonatee=%s@" % name in one["detail"]]


def not_asked_for(bench, mark, name, other, phone):
    """The KDC heard nothing of an account: what came after it is in the log already."""
    assert phone(other).options().status == 200
    wait_until(lambda: asked_for(bench, mark, other.name) == ["self", "proxy"], "the KDC's log")
    assert asked_for(bench, mark, name) == []


def test_direct_member(bench, site, phone, account, protect, refused):
    one, other = account(), account()
    protect(one.dn)
    mark = bench.directory.mark()
    refused(phone(one).options(), "EAS0509", 403)
    assert 'account="%s@contoso.test"' % one.name in site.error_log.entries()[-1].line
    not_asked_for(bench, mark, one.name, other, phone)


def test_group_by_another_name(bench, site, phone, account, protect, refused):
    """Its name is localised, and others may bear its English one: the SID counts."""
    one = account()
    protect(one.dn)
    renamed = "CN=Gesch\u00fctzte Benutzer," + USERS
    bench.directory._database.rename(PROTECTED, renamed)
    try:
        refused(phone(one).options(), "EAS0509", 403)
    finally:
        bench.directory._database.rename(renamed, PROTECTED)


def test_group_of_the_same_name(bench, site, phone, account):
    one = account()
    unit = "OU=Elsewhere," + BASE
    bench.directory._database.add({"dn": unit, "objectClass": "organizationalUnit"})
    try:
        made = {"dn": "CN=Protected Users," + unit, "objectClass": "group",
                "sAMAccountName": "protected 2", "member": one.dn}
        bench.directory._database.add(made)
        admitted(phone(one).options(), site, one.name, "SID")
    finally:
        bench.directory._database.delete(unit, ["tree_delete:1"])


def test_primary_group(bench, site, phone, account, protect, refused):
    """No memberOf names it."""
    one = account()
    protect(one.dn)
    bench.directory.modify(one.name, primaryGroupID="525")
    assert "Protected" not in str(bench.directory.entry(one.name)["memberOf"])
    refused(phone(one).options(), "EAS0509", 403)


def test_member_through_another_group(bench, site, phone, account, protect, group, untouched,
                                      expect):
    """The evidence ticket says it; Samba's KDC would delegate such an account."""
    expect("EAS0618")
    one = account()
    protect(group("inner", [group("innermost", [one.name])]))
    mark = bench.directory.mark()
    assert phone(one).options().status == 403
    assert set(site.numbers()) == {"EAS0618"}
    assert 'account="%s@contoso.test"' % one.name in site.error_log.entries()[-1].line
    wait_until(lambda: asked_for(bench, mark, one.name) == ["self"], "the KDC's log")
    untouched.check()


def test_groups_that_the_gateway_may_not_read(bench, site, phone, account, protect, untouched,
                                              expect):
    """The evidence ticket says it of a direct member as well."""
    expect("EAS0618")
    one = account()
    protect(one.dn)
    hidden(bench, one, "bf967991-0de6-11d0-a285-00aa003049e2")     # memberOf
    assert phone(one).options().status == 403
    assert set(site.numbers()) == {"EAS0618"}
    untouched.check()


def test_member_for_a_while(bench, site, phone, account, protect, expect):
    """Direct members are seen within the account time, ticket or not."""
    expect("EAS0509")
    one = account()
    with phone(one).connect() as connection:
        for members, status in (((), 200), ((one.dn,), 403), ((), 200)):
            protect(*members)
            wait_until(lambda: connection.request("OPTIONS").status == status,
                       "status %d" % status, deadline=4, pause=0.05)


@pytest.fixture
def told(bench, gateway):
    """A gateway whose directory says of an account what a test tells it: told(account, changes…).

    This one ignores the control that asks for extended names."""
    server = None

    def make(one, *changes):
        nonlocal server
        attributes = {
            "objectClass": ["top", "person", "organizationalPerson", "user"],
            "objectSid": [sid_bytes(one.sid)], "sAMAccountName": [one.name],
            "userPrincipalName": [one.upn], "userAccountControl": ["66048"],
            "accountExpires": ["0"], "whenCreated": ["20200101000000.0Z"]}
        attributes.update(changes)
        keytab = bench.directory.export_keytab(
            os.path.join(bench.folder, "told.keytab"), "ldap/" + namespace.host("dc2"))
        server = ldap.Server((namespace.address("dc2"), 389), keytab=keytab, answers=[
            ldap.entry(one.dn, list(attributes.items())), ldap.result(ldap.DONE, 0)])
        return gateway(port=8443, directory="ldap://" + namespace.host("dc2"),
                       location="EASCertAuthNTAuth Off")
    yield make
    if server:
        server.close()


def sid_bytes(text):
    """The binary form (MS-DTYP 2.4.2.2)."""
    numbers = [int(word) for word in text.split("-")[2:]]
    return bytes([1, len(numbers) - 1]) + numbers[0].to_bytes(6, "big") + b"".join(
        number.to_bytes(4, "little") for number in numbers[1:])


def test_part_of_the_groups(phone, account, told, refused):
    """Of more than 1,500 groups Active Directory sends a part: what is there counts. No group of
    Samba's needs that: shown with a server of our own."""
    one = account()
    server = told(one, ("memberOf", []), ("memberOf;range=0-1", [
        "<GUID=%s>;<SID=%s>;CN=x,%s" % ("0" * 32, one.sid.rsplit("-", 1)[0] + "-" + rid, BASE)
        for rid in ("513", "525")]))
    refused(phone(one, server).options(), "EAS0509", 403, server)


def test_server_that_names_no_sids(phone, account, told, protect, untouched, expect):
    """Then the evidence ticket tells of direct members as well."""
    expect("EAS0618")
    one = account()
    protect(one.dn)
    server = told(one, ("memberOf", [PROTECTED]))
    assert phone(one, server).options().status == 403
    assert set(server.numbers()) == {"EAS0618"}
    untouched.check()


def test_plain_names_of_other_groups(phone, account, told):
    one = account()
    server = told(one, ("memberOf", ["CN=Phones," + BASE]))
    assert phone(one, server).options().user == one.name + "@CONTOSO.TEST"


# ---- weak mappings are named ------------------------------------------------------------------------

def warnings(site):
    return [entry.line for entry in site.error_log.entries() if entry.number == "EAS0310"]


def test_weak_mapping_is_named_once(site, weak, account, expect):
    expect("EAS0310")
    one, other = account(), account()
    card = weak(one)
    for each, path, count in ((card, "/lax", 1), (card, "/lax", 1), (weak(one), "/lax", 1),
                              (weak(other), "/lax", 2), (card, "/lax", 2)):
        assert each.options(path=path).status == 200
        assert len(warnings(site)) == count
    for line, who in zip(warnings(site), (one, other)):
        assert ":warn]" in line and "(UPN)" in line
        assert 'account="%s@contoso.test"' % who.name in line
        assert 'certificate="CN=Contoso Issuing CA" serial=' in line
        assert "to do: issue a certificate with the SID extension" in line


def test_weak_form_is_named(bench, site, phone, account, expect):
    expect("EAS0310")
    one = account(altSecurityIdentities="X509:<RFC822>weak@mail.example")
    who = phone("alice", sid=None, upn=None, not_before=0, email="weak@mail.example")
    admitted(who.options(path="/mail"), site, one.name, "RFC822")
    assert "(altSecurityIdentities, X509RFC822)" in warnings(site)[0]


@pytest.mark.parametrize("path", [PATH, "/lax"])
def test_strong_mapping_is_not_named(site, phone, account, path):
    one = account()
    admitted(phone(one).options(path=path), site, one.name, "SID")
    assert warnings(site) == []


def test_weak_mapping_that_is_refused_is_not_named(site, weak, account, refused):
    refused(weak(account()).options(), "EAS0306", 403)


# ---- accounts that change ----------------------------------------------------------------------------

def turns(connection, path=PATH, status=200, user=None):
    """Waits until the phone is answered so; before, nothing but what it was answered up to now."""
    def answered():
        answer = connection.request("OPTIONS", path)
        assert answer.status in (200, status)
        return answer.status == status and (user is None or answer.user == user)
    wait_until(answered, "status %d, user %s" % (status, user), deadline=4, pause=0.05)


def test_renamed(bench, site, phone, account):
    """Exchange sees the new name, with a ticket of its own."""
    one = account()
    with phone(one).connect() as connection:
        assert connection.request("OPTIONS").user == one.name + "@CONTOSO.TEST"
        bench.directory.rename(one.name, one.name + "x")
        turns(connection, user=one.name + "x@CONTOSO.TEST")


def test_upn_renamed(bench, site, weak, account, expect):
    """The certificate's UPN names nobody any more."""
    expect("EAS0310", "EAS0302")
    one = account(upn="before@elsewhere.example")
    with weak(one).connect() as connection:
        assert connection.request("OPTIONS", "/lax").user == one.name + "@CONTOSO.TEST"
        bench.directory.modify(one.name, userPrincipalName="after@elsewhere.example")
        turns(connection, "/lax", 403)


def test_upn_given_to_another(bench, site, weak, account, expect):
    """The SID in the certificate says that it was not meant for that one."""
    expect("EAS0304")
    one, other = account(upn="shared@elsewhere.example"), account(upn=None)
    with weak(one, sid=one.sid).connect() as connection:
        assert connection.request("OPTIONS", "/lax").user == one.name + "@CONTOSO.TEST"
        bench.directory.modify(one.name, userPrincipalName=None)
        bench.directory.modify(other.name, userPrincipalName="shared@elsewhere.example")
        turns(connection, "/lax", 403)


def test_deleted(bench, site, phone, account, expect):
    expect("EAS0302")
    one = account()
    with phone(one).connect() as connection:
        assert connection.request("OPTIONS").status == 200
        bench.directory.delete(one.name)
        turns(connection, status=403)


def test_made_anew(bench, site, phone, account, expect):
    expect("EAS0305")
    one = account("anew1")
    with phone(one).connect() as connection:
        assert connection.request("OPTIONS").status == 200
        bench.directory.delete("anew1")
        account("anew1")
        turns(connection, status=403)


def test_made_anew_under_a_weak_mapping(bench, site, phone, account, expect):
    """The certificate was made for the account before."""
    expect("EAS0310", "EAS0307")
    one = account("anew2")
    force(bench, one, whenCreated="20200101000000.0Z")
    with phone(one, sid=None).connect() as connection:
        assert connection.request("OPTIONS", "/lax").status == 200
        bench.directory.delete("anew2")
        account("anew2")
        turns(connection, "/lax", 403)


@pytest.fixture
def units(bench):
    """Two organisational units."""
    made = ["OU=%s,%s" % (name, BASE) for name in ("Movers", "Moved")]
    for dn in made:
        bench.directory._database.add({"dn": dn, "objectClass": "organizationalUnit"})
    yield made
    for dn in made:
        bench.directory._database.delete(dn, ["tree_delete:1"])


def test_moved(bench, site, gateway, phone, account, units, expect):
    """Within the search base nothing changes; out of it the account is gone."""
    expect.maybe("EAS0302")         # of one gateway, not of the other
    phones, left = units
    one = account(dn="CN=mover," + phones, name="mover")
    small = gateway(port=8443, server="EASCertAuthCacheTTL account=1 negative=1",
                    vhost='EASCertAuthLDAPBase "%s"' % phones)
    with phone(one).connect() as whole, phone(one, small).connect() as part:
        assert whole.request("OPTIONS").status == part.request("OPTIONS").status == 200
        bench.directory._database.rename(one.dn, "CN=mover," + left)
        turns(part, status=403)
        mark = bench.directory.mark()
        wait_until(lambda: whole.request("OPTIONS").status == 200 and [
            found for found in bench.directory.searches(mark)
            if one.upn in found["filter"] and found["base"] == BASE], "a new search", deadline=4)
        assert whole.request("OPTIONS").user == "mover@CONTOSO.TEST"
    assert set(small.numbers()) == {"EAS0302"} and site.numbers() == []
