# SPDX-License-Identifier: Apache-2.0
"""EASCertAuthSPN: which name a back end has in Kerberos, and that its certificate is another matter.

HTTP/cas1, cas2, cas3 and cas5 are names of one account that the gateway may delegate to, so each of
them opens each of these back ends: which one was taken is told by the access log.  `east` and `west`
are accounts with keys of their own, as an alternate service account (ASA) has: a back end that holds
the keys of one of them takes no ticket for another name.
"""
import os

import pytest

from lab import namespace
from lab.httpd import owner
from lab.log import Log
from shared import cards, logged, phone, place, site, standing    # noqa: F401

CAS = {number: "HTTP/cas%d.contoso.test" % number for number in range(1, 6)}
EAST, WEST = "HTTP/east.contoso.test", "HTTP/west.contoso.test"


def at(host, path=""):
    """A target of ProxyPass."""
    return "https://%s.contoso.test%s" % (host, path)


def proxy(name, *lines, kind="Proxy"):
    """A <Proxy> section."""
    return ['<%s "%s">' % (kind, name), *["  " + line for line in lines], "</%s>" % kind]


def spn(*words):
    return "EASCertAuthSPN " + " ".join(words)


MEMBER = "BalancerMember https://%s.contoso.test timeout=3600"
SITE = {
    "address": namespace.address("mail2"),      # it stands beside the gateways of single tests
    "server": [
        *proxy(at("cas2"), spn(CAS[3])),
        *proxy(at("cas2", "/deep"), spn(CAS[1])),
        *proxy(at("cas2", "/vhost"), spn(CAS[1])),
        *proxy("https://CAS2.contoso.test:443/spelling", spn("Cas2.Contoso.Test:443", CAS[5]),
               spn("cas2.contoso.test", CAS[1])),
        *proxy("https://cas2.contoso.test/port", spn("cas2.contoso.test:444", CAS[5])),
        # The beginning of another host's name: for httpd's own merge it would do.
        *proxy("https://cas2.contoso.t", spn(CAS[5])),
        *proxy("https://cas1.contoso.test/wild*", spn(CAS[3])),
        *proxy("^https://cas1[.]contoso[.]test/match", spn(CAS[3]), kind="ProxyMatch"),
        *proxy("balancer://named", MEMBER % "cas1", spn(CAS[5])),
        *proxy("balancer://members", MEMBER % "cas2", spn(CAS[5])),
    ],
    "vhost": proxy(at("cas2", "/vhost"), spn(CAS[5])),
    "after": [
        *place("/default", target=at("cas1")),
        *place("/bare", spn(CAS[3]), target=at("cas1")),
        *place("/bare/inner", spn(CAS[2]), target=at("cas1")),
        *place("/host", spn(CAS[3]), spn("CAS1.Contoso.Test", "http/CAS5.contoso.test"),
               target=at("cas1")),
        *place("/host/bare", spn(CAS[2]), target=at("cas1")),
        *place("/host/other", spn("cas2.contoso.test", CAS[2]), target=at("cas1")),
        *place("/host/same", spn("cas1.contoso.test", CAS[2]), target=at("cas1")),
        *place("/host/port", spn("cas1.contoso.test:443", CAS[2]), target=at("cas1")),
        *place("/host/wrong", spn("cas1.contoso.test:444", CAS[2]), target=at("cas1")),
        *place("/member", spn(CAS[5]), spn("cas2.contoso.test:443", CAS[5]), target=at("cas2")),
        *place("/deep", spn(CAS[5]), target=at("cas2", "/deep")),
        *place("/vhost", target=at("cas2", "/vhost")),
        *place("/spelling", target=at("cas2", "/spelling")),
        *place("/port", target=at("cas2", "/port")),
        *place("/wild", spn(CAS[5]), target=at("cas1", "/wildcard")),
        *place("/match", spn(CAS[5]), target=at("cas1", "/match")),
        *place("/balancer", spn("cas1.contoso.test", CAS[2]), target="balancer://named"),
        *place("/members", spn(CAS[1]), target="balancer://members"),
    ],
}


@pytest.mark.parametrize("path, name", [
    ("/default", CAS[1]),
    ("/bare", CAS[3]),
    # Rules of sections that are merged add up: the closest to the back end counts, of two for the
    # same host the inner one.
    ("/bare/inner", CAS[2]),
    ("/host", "http/CAS5.contoso.test"),
    ("/host/bare", "http/CAS5.contoso.test"),
    ("/host/other", "http/CAS5.contoso.test"),
    ("/host/same", CAS[2]),
    ("/host/port", CAS[2]),
    ("/host/wrong", "http/CAS5.contoso.test"),
    # <Proxy> is stronger than the Location, however close that one's rule is; of several the last.
    ("/member", CAS[3]),
    ("/deep", CAS[1]),
    ("/vhost", CAS[5]),
    ("/spelling", CAS[5]),
    ("/port", CAS[3]),
    ("/wild", CAS[3]),
    ("/match", CAS[3]),
    # A balancer's name for all of its members; the member's own section is stronger.
    ("/balancer", CAS[5]),
    ("/members", CAS[3]),
])
def test_merge(site, phone, path, name):
    answer = phone("alice", site).request("POST", path + "?Cmd=Sync")
    assert (answer.status, answer.user) == (200, "alice@CONTOSO.TEST"), answer
    assert logged(site, uri="%s?Cmd=Sync&User=alice&DeviceId=benchphone1&DeviceType=Bench" % path
                  )[-1]["EAS_SPN"] == name


# ---- accounts of their own -----------------------------------------------------------------------

@pytest.fixture(scope="module")
def keytabs(bench):
    """SPN -> keytab of the account that holds it and nothing else."""
    directory = bench.directory
    before = directory.entry("gw")["msDS-AllowedToDelegateTo"]
    accounts, made = [], {}
    for name in (EAST, WEST):
        short = name.split("/")[1].split(".")[0]
        accounts.append(directory.add_user("svc-" + short, upn=None, servicePrincipalName=[name],
                                           **{"msDS-SupportedEncryptionTypes": "24"}))
        directory.set_password(accounts[-1].name)
        made[name] = directory.export_keytab(
            os.path.join(bench.folder, short + ".keytab"), name, owner=owner("nobody"))
    directory.modify("gw", **{"msDS-AllowedToDelegateTo": before + [EAST, WEST]})
    yield made
    directory.modify("gw", **{"msDS-AllowedToDelegateTo": before})
    for account in accounts:
        directory.discard(account.sid)


@pytest.fixture(scope="module")
def members(bench, keytabs):
    """Two back ends of one host: port 443 has the keys of east, port 8443 those of west."""
    made = [bench.exchange("cas5", keytab=keytabs[EAST]),
            bench.exchange("cas5", keytab=keytabs[WEST], port=8443)]
    yield made
    for one in made:
        bench.forget(one)


def seen(server, phone, count=4):
    """Statuses, users and SPNs of some requests."""
    answers = [phone("alice").folder_sync() for _ in range(count)]
    assert {(answer.status, answer.user) for answer in answers} == {(200, "alice@CONTOSO.TEST")}
    return [line["EAS_SPN"] for line in server.access(count)]


def test_name_of_the_worker_is_not_enough(gateway, members, phone, expect):
    """What the other tests of this part rely on: these back ends take no other name."""
    expect("EAS0701")
    gateway(target=at("cas5") + " timeout=3600")
    assert phone("alice").folder_sync().status == 502


def test_alternate_service_account(gateway, bench, keytabs, members, phone, backend):
    """One name for all members."""
    backend("cas5", keytab=keytabs[EAST], port=9443)
    one = gateway(backends=["cas5", "cas5:9443"], location=spn(EAST))
    assert seen(one, phone) == [EAST] * 4


@pytest.mark.parametrize("lines", [
    {"location": [spn("Cas5.Contoso.Test:8443", WEST), spn("CAS5.contoso.test", EAST)]},
    {"server": proxy(at("cas5"), spn(EAST)) + proxy("https://Cas5.contoso.test:8443/", spn(WEST)),
     "location": spn("HTTP/nobody.contoso.test")},
], ids=["Location", "Proxy"])
def test_each_member_has_its_own(gateway, members, phone, lines):
    one = gateway(backends=["cas5", "cas5:8443"], **lines)
    assert sorted(seen(one, phone)) == [EAST, EAST, WEST, WEST]


def test_second_member_takes_its_own_name_and_ticket(gateway, members, phone, keytabs):
    """The first member does not listen; the ticket that was fetched for it is of no use."""
    one = gateway(backends=["cas5:9443", "cas5:8443"], location=spn(WEST),
                  server=proxy("https://cas5.contoso.test:9443", spn(EAST)))
    body = os.urandom(100000)
    answers = [phone("alice").command("SendMail", body) for _ in range(2)]
    assert {(answer.status, answer.user) for answer in answers} == {(200, "alice@CONTOSO.TEST")}
    lines = one.access(2)
    assert {line["EAS_SPN"] for line in lines} == {WEST}
    assert "2" in {line["EAS_ATTEMPTS"] for line in lines}
    assert [request["length"] for request in members[1].requests()][-2:] == [len(body)] * 2


# ---- what a name does not change -----------------------------------------------------------------

def untouched(server):
    """Nobody has spoken HTTP to it."""
    return server.records() == [] and Log(os.path.join(server.folder, "access.log")).lines(0) == []


def test_certificate_is_for_the_worker_not_for_the_name(gateway, keytabs, backend, phone, expect):
    """Whoever has a certificate for the ASA's name is not yet this server."""
    expect("EAS0722")
    other = backend("cas5", keytab=keytabs[EAST], port=9443, dns="east.contoso.test")
    gateway(target="https://cas5.contoso.test:9443 timeout=3600", location=spn(EAST))
    assert phone("alice").folder_sync().status == 502
    assert untouched(other)


@pytest.mark.parametrize("name, number, status", [
    ("HTTP/nobody.contoso.test", "EAS0610", 503),
    (CAS[4], "EAS0609", 403),           # known, and not in the gateway's delegation list
    ("HTTP/cas1.contoso.test:444", "EAS0610", 503),
])
def test_name_without_a_ticket(gateway, cas1, phone, expect, name, number, status):
    expect(number)
    one = gateway(location=spn(name))
    assert phone("alice").folder_sync().status == status
    line = one.access()[0]
    assert (line["EAS_SPN"], line["EAS_REASON"]) == (name, number)
    assert cas1.records() == []
