# SPDX-License-Identifier: Apache-2.0
"""altSecurityIdentities and names in the subject, against a real directory: what each form grants,
what is refused, and values that a directory which has grown over the years may hold.

The values are put together here, as an administrator would, not by the code under test."""
import hashlib
import itertools

import pytest

from lab import der
from lab.phone import PATH
from lab.pki import name as name_der
from lab.process import wait_until
from shared import (  # noqa: F401
    place, refused, resting, site, standing, untouched, weak_is_said)
from test_account import NOBODY, admitted

SITE = {"after": place("/lax", "EASCertAuthStrongMapping Off")
        + place("/mail", "EASCertAuthMap RFC822", "EASCertAuthStrongMapping Off")
        + place("/subject", "EASCertAuthMap Subject", "EASCertAuthStrongMapping Off")
        + place("/subject-strong", "EASCertAuthMap Subject")
        + place("/altsec", "EASCertAuthMap AltSecurityIdentities")
        + place("/url", "EASCertAuthMap AltSecurityIdentities SIDURL")
        + place("/all", "EASCertAuthMap SID AltSecurityIdentities UPN SIDURL RFC822 Subject")
        + place("/other", "EASCertAuthMap SID SIDURL UPN Subject",
                "EASCertAuthStrongMapping Off")}

ISSUER = "CN=Contoso Issuing CA"
STRONG = ("SR", "SKI", "SHA1-PUKEY", "SID")
WEAK = ("I-S", "S", "RFC822")
NAMES = {"I-S": "X509IssuerSubject", "S": "X509SubjectOnly", "RFC822": "X509RFC822"}
METHOD = "AltSecurityIdentities"

_count = itertools.count(1)


class Bearer:
    """A phone whose certificate says nothing of an account, and what may be said of it there."""

    def __init__(self, bench, phone, subject=None, subject_text=None, issuer=ISSUER, gateway=None,
                 **shape):
        self.name = "bearer%d" % next(_count)
        self.mail = self.name + "@mail.example"
        self.issuer = issuer
        self.subject = subject_text or subject or "OU=Phones,CN=" + self.name
        shape = {"sid": None, "upn": None, "not_before": 0, "email": self.mail,
                 "key": self.name, **shape}
        self.certificate = bench.certificate("alice", subject=subject or self.subject, **shape)
        self.sid = shape["sid"] or shape.get("sid_url")
        self.phone = phone(self.certificate, gateway=gateway)

    def value(self, form):
        """The text of one form, as KB5014754 has it."""
        one = self.certificate
        size = (abs(one.serial).bit_length() + 7) // 8
        serial = abs(one.serial).to_bytes(size, "big")[::-1].hex()
        return "X509:" + {
            "SR": "<I>%s<SR>%s" % (self.issuer, serial),
            "SKI": "<SKI>" + one.private.identifier.hex(),
            "SHA1-PUKEY": "<SHA1-PUKEY>" + hashlib.sha1(one.der).hexdigest(),
            "SID": "<I>%s<SID>%s" % (self.issuer, self.sid),
            "I-S": "<I>%s<S>%s" % (self.issuer, self.subject),
            "S": "<S>" + self.subject,
            "RFC822": "<RFC822>" + self.mail,
        }[form]


@pytest.fixture
def bearer(bench, phone):
    """Makes bearers."""
    def make(**shape):
        return Bearer(bench, phone, **shape)
    return make


@pytest.fixture
def stored(bench, account):
    """stored(values…): an account with these altSecurityIdentities."""
    def make(*values, name=None, **more):
        return account(name, altSecurityIdentities=list(values), **more)
    return make


@pytest.fixture
def store(bench):
    """store(account, values…): writes its altSecurityIdentities.  A certificate that is made after
    the account is not older than it, whatever the second."""
    def write(who, *values):
        bench.directory.modify(who.name, altSecurityIdentities=list(values))
    return write


# ---- each form ---------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [PATH, "/lax", "/altsec", "/all"])
@pytest.mark.parametrize("form", [form for form in STRONG if form != "SID"])
def test_strong_form_grants(site, bearer, stored, form, path):
    one = bearer(not_before=-3600)          # older than the account: of no concern
    who = stored(one.value(form))
    admitted(one.phone.options(path=path), site, who.name, METHOD)


def test_issuer_and_sid_grant(site, bearer, account, store):
    who = account()
    one = bearer(sid=who.sid)
    store(who, one.value("SID"))
    admitted(one.phone.options(path="/altsec"), site, who.name, METHOD)
    admitted(one.phone.options(), site, who.name, "SID")


def test_issuer_and_sid_of_a_url_grant_where_the_url_is_listed(site, bearer, account, store,
                                                               refused):
    who = account()
    one = bearer(sid_url=who.sid)
    store(who, one.value("SID"))
    refused(one.phone.options(path="/altsec"), "EAS0309", 403)
    admitted(one.phone.options(path="/url"), site, who.name, METHOD)


@pytest.mark.parametrize("form", WEAK)
def test_weak_form_grants_where_weak_ones_may(site, account, bearer, store, form):
    who, one = account(), bearer()
    store(who, one.value(form))
    admitted(one.phone.options(path="/lax"), site, who.name, METHOD)


@pytest.mark.parametrize("form", WEAK)
def test_weak_form_is_refused(site, bearer, stored, refused, form):
    one = bearer()
    stored(one.value(form))
    refused(one.phone.options(), "EAS0306", 403)
    assert "(altSecurityIdentities, %s)" % NAMES[form] in site.error_log.entries()[-1].line


@pytest.mark.parametrize("form", WEAK)
def test_weak_form_of_an_older_certificate(site, bearer, stored, refused, form):
    one = bearer(not_before=-3600)
    stored(one.value(form))
    refused(one.phone.options(path="/lax"), "EAS0307", 403)


@pytest.mark.parametrize("form", ("SR", "SKI", "SHA1-PUKEY") + WEAK)
def test_form_that_is_not_listed(site, bearer, stored, refused, form):
    one = bearer()
    stored(one.value(form))
    refused(one.phone.options(path="/other"), "EAS0309", 403)


def test_rfc822_alone(site, account, bearer, store, stored, refused):
    who, one, other = account(), bearer(), bearer()
    store(who, one.value("RFC822"))
    stored(other.value("SR"))
    refused(other.phone.options(path="/mail"), "EAS0309", 403)
    admitted(one.phone.options(path="/mail"), site, who.name, "RFC822")


def test_mail_attribute_is_not_asked(site, bearer, account, refused):
    one = bearer()
    account(mail=one.mail, proxyAddresses=["SMTP:" + one.mail])
    refused(one.phone.options(path="/lax"), "EAS0301", 403)


# ---- one search --------------------------------------------------------------------------------

def test_one_search_for_everything(bench, site, bearer, stored):
    one = bearer(subject="CN=x@contoso.example", upn="y@contoso.example")
    who = stored(one.value("SR"))
    mark = bench.directory.mark()
    admitted(one.phone.options(), site, who.name, METHOD)
    found = wait_until(lambda: [search for search in bench.directory.searches(mark)
                                if "altSecurityIdentities" in search["filter"]], "the search")
    assert len(found) == 1
    assert found[0]["filter"].count("(userPrincipalName=") == 2
    assert found[0]["filter"].count("(altSecurityIdentities=") == 6


# ---- contradictions ----------------------------------------------------------------------------

@pytest.mark.parametrize("path", [PATH, "/lax", "/other"])
@pytest.mark.parametrize("form", ("SR", "SKI", "SHA1-PUKEY") + WEAK)
def test_value_that_two_accounts_have(site, bearer, stored, refused, form, path):
    one = bearer()
    stored(one.value(form))
    stored(one.value(form))
    refused(one.phone.options(path=path), "EAS0303", 403)


@pytest.mark.parametrize("path", [PATH, "/lax", "/other"])
@pytest.mark.parametrize("forms", [("SR", "SKI"), ("SHA1-PUKEY", "S"), ("I-S", "RFC822")],
                         ids="+".join)
def test_certificate_that_two_accounts_claim(site, bearer, stored, refused, forms, path):
    one = bearer()
    for form in forms:
        stored(one.value(form))
    refused(one.phone.options(path=path), "EAS0304", 403)


@pytest.mark.parametrize("path", [PATH, "/lax", "/other"])
@pytest.mark.parametrize("form", ["SR", "S"])
@pytest.mark.parametrize("identity", ["sid", "sid_url", "upn"])
def test_another_account_claims_the_certificate(bench, site, bearer, stored, refused, form, path,
                                                identity):
    of_bob = {"upn": "bob@contoso.test"}.get(identity) or bench.directory.sid("bob")
    one = bearer(**{identity: of_bob})
    stored(one.value(form))
    refused(one.phone.options(path=path), "EAS0304", 403)


def test_sid_of_nobody_denies_whatever_is_stored(site, bearer, stored, refused):
    one = bearer(sid=NOBODY)
    stored(*[one.value(form) for form in STRONG + WEAK])
    refused(one.phone.options(path="/lax"), "EAS0305", 403)


# ---- hostile and old directories ---------------------------------------------------------------

def test_other_values_are_left_alone(site, bearer, stored):
    one = bearer()
    who = stored("Kerberos:x@CONTOSO.TEST", "X509:", "X509:<I>", "X509:<I>%s<SR>" % ISSUER,
                 "X509:<S>CN=\"" + "x" * 5000, "X509:<SKI>" + "ab" * 5000, "\u00e9\u4e2d",
                 "X509:<I>CN=x<S>CN=y,", *["X509:<SKI>%040x" % n for n in range(200)],
                 one.value("SKI"))
    admitted(one.phone.options(), site, who.name, METHOD)


@pytest.mark.parametrize("shape", [
    "X509:<I>{i}<SR>{n}", "X509:<I>{i}<SR>{r}00", "X509:<I>{i},CN=x<SR>{r}", "X509:<I>{i}<SR>{r}<S>",
    "<I>{i}<SR>{r}", "X509:<I>O=x,{i}<SR>{r}", "X509:<SR>{r}", "Kerberos:<I>{i}<SR>{r}",
    "X509:<SKI>{k}00", "X509:<SKI>", "X509:<S>*", "X509:<I>*<SR>*",
    "X509:<I>CN=Other CA<SR>{r}"])
def test_nearly_a_value(site, bearer, stored, refused, shape):
    one = bearer()
    serial = one.value("SR").rpartition(">")[2]
    stored(shape.format(i=ISSUER, r=serial, n="%x" % one.certificate.serial,
                        k=one.certificate.private.identifier.hex()))
    refused(one.phone.options(path="/lax"), "EAS0301", 403)


def test_directory_finds_by_more_than_it_should(site, bearer, stored, refused):
    """Samba folds the case of every letter and runs of blanks; we do not."""
    one = bearer(subject="CN=\u00c9mile  x")
    stored("X509:<S>CN=\u00e9mile x")
    refused(one.phone.options(path="/lax"), "EAS0308", 403)


@pytest.mark.parametrize("serial", [
    0xF1 << 152 | 0x0E, (1 << 159) - 1, 1, 0x80, 0x1200000000AC11000000002B],
    ids=["20-bytes-high-bit", "20-bytes", "1", "high-bit", "published"])
def test_serial_numbers(site, bearer, stored, serial):
    one = bearer(serial=serial)
    who = stored(one.value("SR"))
    admitted(one.phone.options(), site, who.name, METHOD)


@pytest.mark.parametrize("serial,number", [(-1, "EAS0104"), (1 << 160, "EAS0113")],
                         ids=["negative", "21-bytes"])
def test_serial_numbers_that_are_refused(site, bearer, stored, refused, serial, number):
    one = bearer(serial=serial)
    stored(*[one.value(form) for form in ("SKI", "SHA1-PUKEY")])
    refused(one.phone.options(), number, 403)


#: A subject as lab.pki writes it, and what Windows and RFC 4514 make of it.
SPECIAL = {
    "comma": (r"CN=Liddell\, Alice", 'CN="Liddell, Alice"', r"CN=Liddell\, Alice"),
    "quotes": ('CN=Alice "Al" L', 'CN="Alice ""Al"" L"', r"CN=Alice \"Al\" L"),
    "plus": (r"CN=a\+b", 'CN="a+b"', r"CN=a\+b"),
    "tag": ("CN=a<SR>1", 'CN="a<SR>1"', r"CN=a\<SR\>1"),
    "equals": (r"CN=a\=b", 'CN="a=b"', "CN=a=b"),
    "apostrophe": ("CN=O'Brien", 'CN="O\'Brien"', "CN=O'Brien"),
    "filter": ("CN=(a*)|&!", "CN=(a*)|&!", "CN=(a*)|&!"),
    "utf8": ("CN=Zo\u00eb \u4e2d\u20ac", "CN=Zo\u00eb \u4e2d\u20ac", "CN=Zo\u00eb \u4e2d\u20ac"),
    "keys": ("C=DE,ST=Bayern,E=x.y,UID=u,CN=k", "C=DE,S=Bayern,E=x.y,"
             "OID.0.9.2342.19200300.100.1.1=u,CN=k",
             "C=DE,S=Bayern,E=x.y,OID.0.9.2342.19200300.100.1.1=u,CN=k"),
}


@pytest.mark.parametrize("style", [1, 2], ids=["windows", "rfc4514"])
@pytest.mark.parametrize("which", SPECIAL)
def test_special_subjects(site, account, bearer, store, which, style):
    who = account()
    one = bearer(subject="OU=" + which + str(style) + "," + SPECIAL[which][0],
                 subject_text="OU=" + which + str(style) + "," + SPECIAL[which][style])
    store(who, one.value("I-S"))
    admitted(one.phone.options(path="/lax"), site, who.name, METHOD)


@pytest.mark.parametrize("text", ["OU=a,CN=b", "OU=a CN=b", "OU=a+CN=b", "CN=b,OU=a", "OU=a"])
def test_component_of_several_values(site, bearer, stored, refused, text):
    """Takes part in no form with its name; the others are as good as ever."""
    one = bearer(subject="OU=a+CN=b", subject_text=text)
    stored(one.value("S"), one.value("I-S"))
    refused(one.phone.options(path="/lax"), "EAS0301", 403)
    other = bearer(subject="OU=a+CN=b")
    who = stored(other.value("SR"))
    admitted(other.phone.options(), site, who.name, METHOD)


def test_empty_subject_is_nobody(site, bearer, stored, refused):
    one = bearer(subject=der.sequence(), subject_text="")
    stored("X509:<S>", "X509:<S>CN=", 'X509:<S>CN=""', "X509:<I>%s<S>" % ISSUER)
    refused(one.phone.options(path="/lax"), "EAS0301", 403)


# ---- another CA --------------------------------------------------------------------------------

def test_same_names_of_a_ca_that_is_not_trusted(bench, site, bearer, stored):
    real = bearer()
    stored(real.value("SR"), real.value("I-S"))
    other = bearer(ca=bench.pki.authority("Contoso Issuing CA", key="rogue"),
                   serial=real.certificate.serial, subject=real.subject)
    assert other.phone.options().status == 0


def test_same_names_of_another_trusted_ca(bench, gateway, bearer, stored, refused):
    """Issuers are names here; thumbprint and key identifier tell them apart."""
    twin = bench.pki.authority("Contoso Issuing CA", key="twin")
    server = resting(bench, clients=twin.bundle, crl=twin.crl(), port=8443,
                     location="EASCertAuthNTAuth Off")
    try:
        real = bearer()
        stored(real.value("SHA1-PUKEY"), real.value("SKI"))
        other = bearer(ca=twin, serial=real.certificate.serial, subject=real.subject,
                       gateway=server)
        refused(other.phone.options(), "EAS0301", 403, server)
    finally:
        bench.forget(server)


def test_ca_with_a_special_name(bench, gateway, bearer, stored):
    ca = bench.pki.authority(r"O=Contoso\, Ltd,CN=CA \+ 1", key="special")
    server = resting(bench, clients=ca.bundle, crl=ca.crl(), port=8443,
                     location="EASCertAuthNTAuth Off")
    try:
        for issuer in ('O="Contoso, Ltd",CN="CA + 1"', r"O=Contoso\, Ltd,CN=CA \+ 1"):
            one = bearer(ca=ca, issuer=issuer, gateway=server)
            who = stored(one.value("SR"))
            admitted(one.phone.options(), server, who.name, METHOD)
    finally:
        bench.forget(server)


# ---- names in the subject ----------------------------------------------------------------------

@pytest.mark.parametrize("subject", [
    "CN={}", "OU=x,CN={}", "CN=x,E={}", "CN=x+E={}", "CN={},E={}"])
def test_subject_carries_the_upn(site, account, bearer, subject):
    who = account()
    one = bearer(subject=subject.format(who.upn, who.upn))
    admitted(one.phone.options(path="/subject"), site, who.name, "Subject")


def test_subject_carries_the_implicit_upn(site, account, bearer):
    who = account(upn="other%d@contoso.example" % next(_count))
    one = bearer(subject="CN=%s@CONTOSO.test" % who.name.upper())
    admitted(one.phone.options(path="/subject"), site, who.name, "Subject")


def test_subject_is_weak_and_not_listed_by_default(site, account, bearer, refused):
    one = bearer(subject="CN=" + account().upn)
    refused(one.phone.options(path="/subject-strong"), "EAS0306", 403)


@pytest.mark.parametrize("path", [PATH, "/lax"])
def test_subject_is_not_listed_by_default(site, account, bearer, refused, path):
    refused(bearer(subject="CN=" + account().upn).phone.options(path=path), "EAS0309", 403)


def test_subject_of_an_older_certificate(site, account, bearer, refused):
    one = bearer(subject="CN=" + account().upn, not_before=-3600)
    refused(one.phone.options(path="/subject"), "EAS0307", 403)


@pytest.mark.parametrize("path", [PATH, "/lax", "/subject", "/other"])
@pytest.mark.parametrize("subject", ["CN=bob@contoso.test", "CN=alice,E=bob@contoso.test"])
def test_subject_contradicts_wherever_it_is_listed(bench, site, bearer, refused, subject, path):
    one = bearer(subject=subject, sid=bench.directory.sid("alice"))
    refused(one.phone.options(path=path), "EAS0304", 403)


def test_two_names_in_the_subject(site, bearer, refused):
    one = bearer(subject="CN=alice@contoso.test,E=bob@contoso.test")
    refused(one.phone.options(path="/subject"), "EAS0304", 403)


@pytest.mark.parametrize("name,number", [
    (b"alice@contoso.test\0.evil.example", "EAS0301"), (b"alice@contoso.test\x1b", "EAS0301"),
    (b"alice@x@contoso.test", "EAS0301"), (b"*@contoso.test", "EAS0302"),
    (b"alice)(|(a=b@contoso.test", "EAS0302"), (b"dc1$@contoso.test", "EAS0302"),
    (b"dc1@contoso.test", "EAS0302")])
def test_hostile_subjects_are_nobody(site, bearer, refused, name, number):
    subject = der.sequence(der.set_of(der.sequence(der.oid("2.5.4.3"), der.utf8(name))))
    one = bearer(subject=subject, subject_text="-")
    refused(one.phone.options(path="/subject"), number, 403)


def test_subject_that_is_longer_than_we_accept(site, bearer, stored, refused):
    one = bearer(subject="OU=" + "x" * 1022)
    stored(one.value("SR"))
    refused(one.phone.options(), "EAS0113", 403)


def test_names_of_this_file_are_those_of_the_certificate(bench):
    assert bench.clients.subject == name_der(ISSUER)
