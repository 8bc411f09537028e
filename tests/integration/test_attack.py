# SPDX-License-Identifier: Apache-2.0
"""Names that look like another's, against a real directory: in other characters, other encodings,
beside a computer of that name; and SIDs of what is no user.  What else is tried is in the file of
the part that it is aimed at; README has the whole table."""
import pytest

from lab import der, pki
from shared import (  # noqa: F401
    cards, phone, place, refused, site, standing, untouched, weak_is_said)
from test_account import admitted, weak  # noqa: F401

SITE = {"after": place("/lax", "EASCertAuthStrongMapping Off")}


def other_string(tag):
    """A writer of that string type, whatever bytes it is given."""
    return lambda text: der.tlv(tag, text.encode("latin-1"))


def universal(text):
    return der.tlv(0x1c, text.encode("utf-32-be"))


# ---- characters --------------------------------------------------------------------------------

@pytest.mark.parametrize("upn", [
    "\u0430lice@contoso.test", "alic\u0435@contoso.test", "alice@c\u043entoso.test",
    "\uff41lice@contoso.test", "alice\uff20contoso.test@x", "alice\u200b@contoso.test",
    "ali\u00adce@contoso.test", "\u202ealice@contoso.test", "\ufeffalice@contoso.test",
    "alice\u0301@contoso.test", "alice@contoso.test.", "alice@contoso.test\u3002", "al\u0131ce@contoso.test"],
    ids=["cyrillic-a", "cyrillic-e", "cyrillic-in-the-suffix", "fullwidth", "fullwidth-at",
         "zero-width-space", "soft-hyphen", "right-to-left", "byte-order-mark", "accent",
         "dot-at-the-end", "ideographic-stop", "dotless-i"])
def test_name_that_only_looks_like_another(site, weak, refused, upn):
    refused(weak("alice", upn=upn).options(path="/lax"), "EAS0302", 403)


@pytest.mark.parametrize("upn", [" alice@contoso.test", "alice@contoso.test ", "  alice@contoso.test"],
                         ids=["before", "after", "two"])
def test_blanks_that_the_directory_leaves_away(site, weak, refused, upn):
    refused(weak("alice", upn=upn).options(path="/lax"), "EAS0308", 403)


def test_names_that_differ_in_their_normal_form_are_two(site, weak, account):
    """Composed and decomposed, each to its own mailbox."""
    people = [account(upn=name + "@contoso.test") for name in ("ren\u00e9e", "rene\u0301e")]
    for one in people:
        admitted(weak(one, subject="nf").options(path="/lax"), site, one.name, "UPN")


def test_implicit_names_that_differ_in_their_normal_form_are_two(site, weak, account):
    people = [account(name, upn=None) for name in ("ir\u00e8ne", "ire\u0300ne")]
    for one in people:
        answer = weak(one, subject="nf", upn=one.name + "@contoso.test").options(path="/lax")
        # The back end says the name in UTF-8, and a header field is read as Latin-1.
        assert answer.user.encode("latin-1").decode() == one.name + "@CONTOSO.TEST"


# ---- encodings of the UPN ----------------------------------------------------------------------

@pytest.mark.parametrize("kind", [der.utf8, der.ia5, der.printable],
                         ids=lambda kind: kind.__name__)
def test_upn_in_each_string_type_that_is_ascii(site, weak, kind):
    one = weak("alice", upn=None, san=[pki.upn_name("alice@contoso.test", kind)])
    admitted(one.options(path="/lax"), site, "alice", "UPN")


@pytest.mark.parametrize("kind", [
    der.bmp, other_string(0x04), other_string(0x14), other_string(0x1a), universal],
    ids=["bmp", "octets", "teletex", "visible", "universal"])
def test_upn_in_another_string_type(site, weak, refused, kind):
    one = weak("alice", upn=None, san=[pki.upn_name("alice@contoso.test", kind)])
    refused(one.options(path="/lax"), "EAS0110", 403)


@pytest.mark.parametrize("tag", [0x13, 0x16], ids=["printable", "ia5"])
def test_upn_with_bytes_that_its_string_type_does_not_have(site, weak, refused, tag):
    one = weak("alice", upn=None, san=[pki.upn_name("\xe9mile@contoso.test", other_string(tag))])
    refused(one.options(path="/lax"), "EAS0110", 403)


@pytest.mark.parametrize("second,number", [
    (pki.upn_name("ALICE@contoso.test", der.ia5), None),
    (pki.upn_name("bob@contoso.test", der.ia5), "EAS0111"),
    (pki.upn_name("bob@contoso.test", der.bmp), "EAS0110")], ids=["same", "another", "bmp"])
def test_second_upn_in_another_string_type(site, phone, refused, second, number):
    answer = phone("alice", san=[second]).options()
    if number:
        refused(answer, number, 403)
    else:
        admitted(answer, site, "alice", "SID")


# ---- computers and groups ----------------------------------------------------------------------

def test_user_who_is_called_as_a_computer(bench, site, weak, account, refused, untouched):
    """Neither is taken for the other: KDCs have done so (CVE-2022-26923)."""
    computer = bench.directory.add_computer("press")
    try:
        account("press", upn="press@contoso.example")
        upn = "press@contoso.test"
        admitted(weak("alice", upn=upn).options(path="/lax"), site, "press", "UPN")
        untouched.reset()
        site.mark()
        refused(weak("alice", upn=upn, sid=computer.sid).options(), "EAS0304", 403)
    finally:
        bench.directory.discard(computer.sid)


@pytest.mark.parametrize("upn,number", [(None, "EAS0302"), ("alice@contoso.test", "EAS0305")],
                         ids=["alone", "beside-a-upn"])
@pytest.mark.parametrize("sid", ["Domain Users", "Domain Admins", "S-1-5-32-544", "S-1-5-18",
                                 "S-1-1-0", "domain"])
def test_sid_of_what_is_no_user(bench, site, phone, refused, sid, upn, number):
    if sid == "domain":
        sid = bench.directory.sid("alice").rpartition("-")[0]
    elif not sid.startswith("S-"):
        sid = bench.directory.sid(sid)
    refused(phone("alice", sid=sid, upn=upn).options(path="/lax"), number, 403)


@pytest.mark.parametrize("change", [lambda sid: sid + "-1", lambda sid: sid + "0",
                                    lambda sid: sid[:-1], lambda sid: "S-1-5-21" + sid[8:] + "-0"],
                         ids=["longer", "digit-more", "digit-less", "rid-0"])
def test_sid_that_begins_as_that_of_an_account(bench, site, phone, refused, change):
    sid = change(bench.directory.sid("alice"))
    refused(phone("alice", sid=sid).options(), "EAS0305", 403)
