# SPDX-License-Identifier: Apache-2.0
"""From a certificate to an account: every method, every contradiction, every account that is
refused, against a real directory."""
import time

import pytest

from lab.directory import DISABLED, NORMAL, PARTIAL_SECRETS, SENSITIVE, USER
from lab.phone import PATH
from lab.process import wait_until
from shared import (  # noqa: F401
    cards, logged, phone, place, refused, site, standing, untouched, weak_is_said)

SITE = {"vhost": "EASCertAuthCacheTTL negative=1",
        "after": place("/lax", "EASCertAuthStrongMapping Off")
        + place("/url", "EASCertAuthMap SID SIDURL UPN")
        + place("/url-only", "EASCertAuthMap SIDURL")
        + place("/sid-only", "EASCertAuthMap SID", "EASCertAuthStrongMapping Off")
        + place("/upn-only", "EASCertAuthMap UPN", "EASCertAuthStrongMapping Off")}

#: A SID of the domain's form that nobody has.
NOBODY = "S-1-5-21-1-2-3-4000"


@pytest.fixture
def weak(phone):
    """Makes phones whose certificate has no SID and is as new as can be."""
    def make(account, **shape):
        return phone(account, **{"sid": None, "not_before": 0, **shape})
    return make


def admitted(answer, site, user, method):
    """Back end and access log name this account, found in this way."""
    assert (answer.status, answer.user) == (200, user + "@CONTOSO.TEST"), str(answer)
    return logged(site, status="200", user=user + "@CONTOSO.TEST", EAS_REASON="",
                  EAS_ACCOUNT=user + "@CONTOSO.TEST", EAS_MAPPED_BY=method)[-1]


def nt_now():
    """Now, as a Windows time."""
    return str(int((time.time() + 11644473600) * 10_000_000))


def force(bench, account, **attributes):
    """Writes what a directory that has grown over the years may hold, and Samba lets nobody write:
    past its checks, into the database below them."""
    import ldb
    database = ldb.Ldb(bench.directory.folder + "/private/sam.ldb.d/DC=CONTOSO,DC=TEST.ldb")
    message = ldb.Message(ldb.Dn(database, account.dn))
    for name, value in attributes.items():
        message[name] = ldb.MessageElement([value] if value else [], ldb.FLAG_MOD_REPLACE, name)
    database.modify(message)


# ---- methods -----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [PATH, "/lax", "/url", "/sid-only"])
@pytest.mark.parametrize("upn", ["alice@contoso.test", "nobody@elsewhere.example", None])
def test_sid_extension_names_the_account(site, phone, path, upn):
    seen = admitted(phone("alice", upn=upn).options(path=path), site, "alice", "SID")
    assert seen["EAS_UPN"] == "alice@contoso.test"


def test_account_without_upn_is_found_by_its_sid(site, phone):
    assert admitted(phone("frank").options(), site, "frank", "SID")["EAS_UPN"] == ""


def sid_url(bench, name):
    return {"sid": None, "upn": None, "sid_url": bench.directory.sid(name)}


@pytest.mark.parametrize("path", ["/url", "/url-only"])
def test_sid_url_names_the_account_where_it_is_listed(bench, site, phone, path):
    admitted(phone("alice", **sid_url(bench, "alice")).options(path=path), site, "alice", "SIDURL")


def test_sid_extension_is_preferred_to_the_same_sid_url(bench, site, phone):
    both = {**sid_url(bench, "alice"), "sid": bench.directory.sid("alice")}
    admitted(phone("alice", **both).options(path="/url"), site, "alice", "SID")


@pytest.mark.parametrize("account,upn", [
    ("alice", "alice@contoso.test"), ("alice", "ALICE@Contoso.TEST"),
    ("dave", "dave@contoso.example"),
    ("erin.sam", "erin@contoso.test"),
    ("erin.sam", "erin.sam@contoso.test"), ("frank", "frank@contoso.test"),
    ("frank", "FRANK@CONTOSO.TEST"), ("dave", "dave@contoso.test"),
], ids=["explicit", "explicit-in-another-case", "explicit-with-another-suffix",
        "explicit-whose-prefix-is-not-the-account-name", "implicit-beside-an-explicit-one",
        "implicit", "implicit-in-another-case", "implicit-beside-another-suffix"])
def test_upn_names_the_account(site, weak, account, upn):
    admitted(weak(account, upn=upn).options(path="/lax"), site, account, "UPN")


def test_upn_of_an_account_with_a_sid_is_weak_where_only_upn_is_listed(site, phone):
    one = phone("alice", not_before=0)
    admitted(one.options(path="/upn-only"), site, "alice", "UPN")


@pytest.mark.parametrize("upn", ["(x)*\\@contoso.test", "o'brien@contoso.test", "a&b|!@x.test",
                                 "*@contoso.test", "\u00e9mile@contoso.test"])
def test_odd_characters_of_a_upn_stand_for_themselves(site, weak, account, upn):
    one = account(upn=upn)
    admitted(weak(one, subject="odd").options(path="/lax"), site, one.name, "UPN")


# ---- 03: mapping -------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [PATH, "/lax", "/url"])
def test_certificate_without_identity(site, phone, refused, path):
    refused(phone("alice", sid=None, upn=None, dns="alice.contoso.test",
                  email="alice@contoso.test").options(path=path), "EAS0301", 403)


@pytest.mark.parametrize("shape", [
    {"sid": NOBODY, "upn": None}, {"sid": NOBODY, "upn": "nobody@contoso.test"},
    {"upn": "nobody@contoso.test"}, {"upn": "alice@contoso.example"},
    {"upn": "alice@sub.contoso.test"}, {"upn": "alice@CONTOSO"}, {"upn": "dave@contoso.exampl"},
], ids=["sid", "sid-and-upn", "upn", "other-suffix", "subdomain", "netbios-name", "prefix"])
def test_nobody_by_that_name(site, weak, refused, shape):
    refused(weak("alice", **shape).options(path="/lax"), "EAS0302", 403)


@pytest.mark.parametrize("upn", ["dc1@contoso.test", "dc1$@contoso.test", "DC1$@contoso.test",
                                 "pc1$@contoso.test", "krbtgt$@contoso.test"])
def test_computer_is_not_found_by_an_implicit_upn(site, weak, refused, upn):
    refused(weak("alice", upn=upn).options(path="/lax"), "EAS0302", 403)


@pytest.mark.parametrize("upn", [
    "*@contoso.test", "alic*@contoso.test", "al\\69ce@contoso.test", "\\2a@contoso.test",
    "x)(sAMAccountName=alice@contoso.test", "alice)(|(a=b@contoso.test", "*)(objectClass=*@x"])
def test_filter_characters_in_a_upn_find_nobody(bench, site, weak, refused, upn):
    mark = bench.directory.mark()
    refused(weak("alice", upn=upn).options(path="/lax"), "EAS0302", 403)

    def filters():
        return [one["filter"] for one in bench.directory.searches(mark)
                if "userPrincipalName" in one["filter"]]
    found = wait_until(filters, "the search in the controller's log")[0]
    values = found.count("(altSecurityIdentities=")
    assert found.count("(") == (4 if upn.endswith("@x") else 5) + values, found


def test_explicit_upn_of_one_is_the_implicit_of_another(bench, site, weak, account, refused):
    one, other = account(), account("twin", upn=None)
    force(bench, one, userPrincipalName="twin@contoso.test")
    for each in (one, other):
        refused(weak(each, upn="twin@contoso.test").options(path="/lax"), "EAS0303", 403)


def test_two_accounts_with_one_upn(bench, site, weak, account, refused):
    one, other = account(), account(upn="twins@contoso.test")
    force(bench, one, userPrincipalName="twins@contoso.test")
    refused(weak(other).options(path="/lax"), "EAS0303", 403)


def test_sid_tells_apart_what_is_ambiguous_by_name(bench, site, phone, account, refused):
    """No: the SID names one account, the UPN two, and one of them is another."""
    one, other = account(), account(upn="twins@contoso.test")
    force(bench, one, userPrincipalName="twins@contoso.test")
    refused(phone(other).options(), "EAS0303", 403)


@pytest.mark.parametrize("path", [PATH, "/lax"])
def test_three_accounts_that_match(bench, site, phone, account, refused, path):
    one, other = account(), account("triple", upn=None)
    force(bench, one, userPrincipalName="triple@contoso.test")
    refused(phone("alice", upn="triple@contoso.test").options(path=path), "EAS0303", 403)
    assert other.sid != one.sid


@pytest.mark.parametrize("path", [PATH, "/lax", "/url", "/sid-only", "/upn-only"])
def test_sid_and_upn_of_two_accounts(site, phone, refused, path):
    refused(phone("alice", upn="bob@contoso.test").options(path=path), "EAS0304", 403)


@pytest.mark.parametrize("path", [PATH, "/url", "/url-only", "/sid-only", "/lax"])
def test_an_identity_that_is_not_listed_contradicts_all_the_same(bench, site, phone, refused,
                                                                 path):
    shape = {"sid": None, "sid_url": bench.directory.sid("bob")}
    refused(phone("alice", **shape).options(path=path), "EAS0304", 403)


@pytest.mark.parametrize("field", ["sid", "sid_url"])
@pytest.mark.parametrize("path", [PATH, "/lax", "/upn-only", "/url"])
def test_sid_of_nobody_contradicts_the_upn(site, weak, refused, path, field):
    refused(weak("alice", **{field: NOBODY}).options(path=path), "EAS0305", 403)


def test_account_made_anew_under_its_old_name(bench, site, phone, account, refused):
    before = account("phoenix")
    bench.directory.delete("phoenix")
    account("phoenix")
    refused(phone(before).options(), "EAS0305", 403)


@pytest.mark.parametrize("account", ["alice", "dave", "erin.sam"])
def test_upn_alone_is_weak(site, weak, refused, account):
    refused(weak(account).options(), "EAS0306", 403)


def test_implicit_upn_alone_is_weak(site, weak, refused):
    refused(weak("frank", upn="frank@contoso.test").options(), "EAS0306", 403)


def test_weak_certificate_older_than_the_account(site, phone, account, refused):
    refused(phone(account(), sid=None).options(path="/lax"), "EAS0307", 403)


def test_strong_certificate_may_be_older_than_the_account(site, phone, account):
    one = account()
    admitted(phone(one).options(path="/lax"), site, one.name, "SID")


# Samba folds the case of every letter and runs of blanks. It does not fold accents and widths as
# Active Directory does: of those the unit tests speak.
@pytest.mark.parametrize("stored,asked", [
    ("\u00e9mile@contoso.test", "\u00c9MILE@contoso.test"),
    ("a b@contoso.test", "a  b@contoso.test"),
], ids=["case-beyond-ascii", "blanks"])
def test_directory_matches_more_loosely_than_we_may(site, weak, account, refused, stored, asked):
    one = account(upn=stored)
    refused(weak(one, subject="loose", upn=asked).options(path="/lax"), "EAS0308", 403)


@pytest.mark.parametrize("asked", ["emile@contoso.test", "\uff45mile@contoso.test"])
def test_accents_and_widths_are_not_folded(site, weak, account, refused, asked):
    one = account(upn="\u00e9mile@contoso.test")
    refused(weak(one, subject="loose", upn=asked).options(path="/lax"), "EAS0302", 403)


@pytest.mark.parametrize("path,shape", [
    ("/url-only", {}), ("/url-only", {"upn": None}), ("/url-only", {"sid": None}),
    ("/sid-only", {"sid": None}), ("/upn-only", {"upn": None})])
def test_found_only_by_what_is_not_listed(site, phone, refused, path, shape):
    one = phone("alice", **{"not_before": 0, **shape})
    refused(one.options(path=path), "EAS0309", 403)


def test_sid_url_is_not_listed_by_default(bench, site, phone, refused):
    refused(phone("alice", **sid_url(bench, "alice")).options(), "EAS0309", 403)


# ---- 05: accounts ------------------------------------------------------------------------------

@pytest.mark.parametrize("account,number", [
    ("disabled", "EAS0501"), ("expired", "EAS0502"), ("pc1$", "EAS0503"), ("DC1$", "EAS0503"),
    ("sensitive", "EAS0507")])
def test_account_that_may_not_use_a_phone(site, phone, refused, account, number):
    refused(phone(account).options(), number, 403)
    line = site.error_log.entries()[-1].line
    assert 'account="%s@contoso.test"' % account in line


def test_explicit_upn_of_a_computer(site, weak, refused):
    refused(weak("pc1$").options(path="/lax"), "EAS0503", 403)


@pytest.mark.parametrize("bits,number", [
    (DISABLED | SENSITIVE, "EAS0501"), (SENSITIVE, "EAS0507"), (DISABLED, "EAS0501")])
def test_bits_of_the_account(site, phone, account, refused, bits, number):
    refused(phone(account(uac=USER | bits)).options(), number, 403)


def test_whose_account_it_is_comes_before_what_is_wrong_with_it(site, weak, phone, refused):
    refused(weak("disabled").options(), "EAS0306", 403)


def test_account_of_a_read_only_controller(bench, site, phone, account, refused):
    """As such accounts are, and as a user's, which Samba lets nobody write."""
    computer, user = bench.directory.add_computer("rodc1"), account()
    try:
        bench.directory.set_uac(computer.name, add=PARTIAL_SECRETS)
        refused(phone(computer).options(), "EAS0510", 403)
    finally:
        bench.directory.discard(computer.sid)
    force(bench, user, userAccountControl=str(USER | PARTIAL_SECRETS))
    refused(phone(user).options(), "EAS0510", 403)


def test_locked_account_is_left_to_the_controller(bench, site, phone, account, expect):
    """A lock ends by itself: no fact of the account tells it. It takes effect at once where a ticket is
    asked for, and what the controller said is remembered for negative= seconds."""
    expect("EAS0607")
    one = account()
    with phone(one).connect() as connection:
        bench.directory.modify(one.name, lockoutTime=nt_now())
        assert connection.request("OPTIONS").status == 403
        assert "(S4U2Self for %s@" % one.name in site.error_log.entries()[-1].line
        bench.directory.modify(one.name, lockoutTime="0")
        wait_until(lambda: connection.request("OPTIONS").user == one.name + "@CONTOSO.TEST",
                   "the controller is asked again", 5)


def test_expired_password_is_not_ours(bench, site, phone, account, expect):
    """Samba refuses S4U2Proxy, which Active Directory does not: we have asked for it."""
    expect("EAS0607")
    one = account(uac=NORMAL)
    force(bench, one, pwdLastSet=str(int(nt_now()) - 400 * 86400 * 10_000_000))
    assert phone(one).options().status == 403
    line = site.error_log.entries()[-1].line
    assert "(S4U2Proxy to " in line and "Password has expired" in line


def test_password_policy_is_not_ours(site, phone, account):
    """A user must change the password at next logon: of no concern to a certificate."""
    one = account(uac=NORMAL | 0x10000, pwdLastSet="0")
    assert phone(one).options().status == 200


def test_duplicate_account_of_another_domain(bench, site, phone, account, refused):
    """ADS_UF_TEMP_DUPLICATE_ACCOUNT without NORMAL_ACCOUNT: a local user, none of the domain's."""
    one = account()
    force(bench, one, userAccountControl=str(0x100))
    refused(phone(one).options(), "EAS0504", 403)


# These are outages, which one process logs once in ten seconds: each has a gateway of its own.

def hidden(bench, one, attribute):
    """Hides an attribute of an account from the gateway, as an administrator may."""
    from samba.dcerpc import security
    from samba.ndr import ndr_pack
    gateway = bench.directory.sid("gw")
    text = ("O:DAG:DAD:(OD;;RP;%s;;%s)(A;;RPWPCRCCDCLCLORCWOWDSDDTSW;;;SY)(A;;RPLCLORC;;;AU)"
            % (attribute, gateway))
    domain = security.dom_sid(gateway.rsplit("-", 1)[0])
    bench.directory.modify(one.name, nTSecurityDescriptor=ndr_pack(
        security.descriptor.from_sddl(text, domain)))


@pytest.mark.parametrize("guid", [
    "bf967a68-0de6-11d0-a285-00aa003049e2", "bf967915-0de6-11d0-a285-00aa003049e2",
    "3e0abfd0-126a-11d0-a060-00aa006c33ed", "bf9679e8-0de6-11d0-a285-00aa003049e2"],
    ids=["userAccountControl", "accountExpires", "sAMAccountName", "objectSid"])
def test_attribute_that_the_gateway_may_not_read(request, bench, gateway, phone, account, refused,
                                                 guid):
    one, server = account(), gateway(port=8443)
    hidden(bench, one, guid)
    answer = phone(one, server).options()
    refused(answer, "EAS0505", 503, server)
    assert answer.headers.get("Retry-After") == "30"
    attribute = request.node.callspec.id
    assert "(%s of %s)" % (attribute, one.dn) in server.error_log.entries()[-1].line


def test_attribute_that_is_missing(bench, gateway, phone, account, refused):
    one, server = account(), gateway(port=8443)
    force(bench, one, whenCreated=None)
    refused(phone(one, server).options(), "EAS0505", 503, server)


@pytest.mark.parametrize("attributes", [
    {"accountExpires": "-5"}, {"whenCreated": "never"}, {"userAccountControl": "99999999999"}],
    ids=lambda attributes: "".join(attributes))
def test_attribute_that_makes_no_sense(bench, gateway, phone, account, refused, attributes):
    one, server = account(), gateway(port=8443)
    force(bench, one, **attributes)
    refused(phone(one, server).options(), "EAS0506", 503, server)
    assert "(%s of %s)" % ("".join(attributes), one.dn) in server.error_log.entries()[-1].line


# ---- facts are remembered, decisions are not ---------------------------------------------------

def test_account_made_anew_while_its_facts_are_remembered(bench, site, weak, account, refused,
                                                          expect):
    """The first request asks the directory and no KDC, the second the KDC and no directory."""
    expect("EAS0614")
    before = account("relay")
    one = weak(before)
    refused(one.options(), "EAS0306", 403)
    bench.directory.delete("relay")
    after = account("relay")
    answer = one.options(path="/lax")
    assert answer.status == 403
    line = site.error_log.entries()[-1].line
    assert "EAS0614" in line and before.sid in line and after.sid in line


@pytest.mark.parametrize("first", ["strict", "lax"])
def test_lax_and_strict_locations_share_facts_but_no_verdict(bench, site, weak, account, expect,
                                                             first):
    expect("EAS0306")
    one = account()
    mark = bench.directory.mark()
    with weak(one).connect() as connection:
        for which in ("strict", "lax", "strict", "lax")[first == "lax":]:
            answer = connection.request("OPTIONS", PATH if which == "strict" else "/lax")
            assert answer.status == (403 if which == "strict" else 200)
            assert answer.user == (None if which == "strict" else one.name + "@CONTOSO.TEST")
    assert len([found for found in bench.directory.searches(mark)
                if one.name in found["filter"]]) == 1


def test_disabling_takes_effect_when_the_facts_are_too_old(bench, gateway, phone, account, expect):
    expect("EAS0501")
    one, server = account(), gateway(port=8443, server="EASCertAuthCacheTTL account=1")
    with phone(one, server).connect() as connection:
        assert connection.request("OPTIONS").status == 200
        for change, status in ((bench.directory.disable, 403), (bench.directory.enable, 200)):
            change(one.name)
            wait_until(lambda: connection.request("OPTIONS").status == status,
                       "status %d" % status, deadline=4, pause=0.05)


def test_facts_serve_until_they_are_too_old(bench, site, phone, account):
    one = account()
    other = phone(one)
    assert other.options().status == 200
    bench.directory.disable(one.name)
    mark = bench.directory.mark()
    assert other.options().status == 200
    assert [found for found in bench.directory.searches(mark) if one.name in found["filter"]] == []


def test_account_that_appears_is_found_when_the_negative_answer_is_too_old(
        bench, gateway, weak, account, expect):
    expect("EAS0302")
    server = gateway(port=8443, server="EASCertAuthCacheTTL negative=1",
                     location="EASCertAuthStrongMapping Off")
    one = account(upn=None)
    with weak(one, gateway=server, upn="later@contoso.test").connect() as connection:
        assert connection.request("OPTIONS").status == 403
        bench.directory.modify(one.name, userPrincipalName="later@contoso.test")
        wait_until(lambda: connection.request("OPTIONS").status == 200, "the account's new name",
                   deadline=4, pause=0.05)


def test_account_expires_while_its_facts_are_remembered(bench, site, phone, account, expect):
    expect("EAS0502")
    seconds = int(time.time()) + 2
    one = account(accountExpires=str((seconds + 11644473600) * 10_000_000))
    with phone(one).connect() as connection:
        assert connection.request("OPTIONS").status == 200
        wait_until(lambda: connection.request("OPTIONS").status == 403, "the account's end",
                   deadline=6, pause=0.05)
        assert time.time() >= seconds
