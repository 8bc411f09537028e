# SPDX-License-Identifier: Apache-2.0
"""Every file of conf.d-examples, as it is but for names and files: httpd -t has nothing to say, and a
phone's request reaches the right back end under the right name."""
import os
import re

import pytest

from lab import namespace
from lab.cache import Redis
from lab.phone import PATH, Phone
from shared import cards, phone       # noqa: F401

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "conf.d-examples")
FILE = re.compile(r"(?<=\s)/(?:etc|var)/\S+")
HOST = re.compile(r"[A-Za-z0-9.-]+\.(?:contoso|fabrikam)\.com\b")
LOG = """
ServerName {name}
LogLevel info eas_cba:debug
LogFormat "{format}" eas
CustomLog "{folder}/access.log" eas
"""
#: Hosts of the examples -> those of the bench; what is not here is a name that phones come to.
HOSTS = {
    "dc1.corp": "dc1", "dc2.corp": "dc2", "dc1.eu.corp": "dc1", "dc2.eu.corp": "dc2",
    "dc1.us.corp": "dc1", "dc2.us.corp": "dc2",
    "cas1.corp": "cas1", "cas2.corp": "cas5", "cas2.dmz": "cas2", "outlook.corp": "cas5",
    "cas1.eu.corp": "cas1", "cas2.eu.corp": "cas2", "cas1.us.corp": "cas3", "cas2.us.corp": "cas5",
    "outlook.us.corp": "cas5",
}


@pytest.fixture(scope="module")
def files(bench, tmp_path_factory):
    """Name of an example's file -> file of the bench."""
    cache_key = tmp_path_factory.mktemp("examples") / "eas.cachekey"
    cache_key.write_text("%064x\n" % 1)
    cache_key.chmod(0o600)
    names = [namespace.host(name) for name in ("mail", "eu.mail", "us.mail", "autodiscover")]
    server = bench.servers.issue("mail.contoso.test", dns=names, eku=("serverAuth",), key="server")
    # As the example says: one file with the key, the CAs between in another.
    client = bench.servers.issue("gateway.contoso.test", key="gateway")
    return {
        "mail.contoso.com.pem": server.chain, "mail.contoso.com.key": server.key,
        "contoso-issuing-cas.pem": bench.clients.bundle, "contoso-issuing-cas.crl": bench.crl,
        "contoso-server-cas.pem": bench.servers.bundle, "eas.keytab": bench.keytab,
        "eas.cachekey": str(cache_key),
        "gateway-client.pem": client.both, "gateway-client-cas.pem": bench.servers.certificate,
    }


def test_every_example_is_exercised():
    tested = set()
    for name, test in globals().items():
        if name.startswith("test_") and hasattr(test, "example"):
            tested.add(test.example)
    assert tested == set(os.listdir(EXAMPLES))


def example(name):
    """Says which file a test is for."""
    def mark(test):
        test.example = name
        return test
    return mark


@pytest.fixture
def run(gateway, files):
    """run(NAME): a gateway that has this example for its configuration."""
    def make(name, **hosts):
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
            text = file.read()
        known = {**HOSTS, **hosts}

        def host(match):
            short = match.group(0).removesuffix(".contoso.com")
            return namespace.host(known.get(short, short))
        text = FILE.sub(lambda match: files[os.path.basename(match.group(0))], text)
        text = HOST.sub(host, text.replace("{", "{{").replace("}", "}}"))
        one = gateway(start=False, config=LOG + text, modules=["alias", "socache_redis"])
        if "*:80>" in text:
            one.listen.append((one.address, 80))
        status, said = one.configtest()
        assert (status, said) == (0, "Syntax OK\n"), said
        return one.start()
    return make


def user_of(answer):
    return answer.status, answer.user


ALICE = (200, "alice@CONTOSO.TEST")


@example("single-server.conf")
@pytest.mark.eas("EAS0102")
def test_single_server(run, phone, cas1):
    run("single-server.conf")
    assert user_of(phone("alice").folder_sync()) == ALICE
    assert user_of(phone("bob").request("OPTIONS", PATH.lower() + "/")) == (200, "bob@CONTOSO.TEST")
    assert phone(None).options().status == 403
    assert len(cas1.requests()) == 2


@example("load-balanced-asa.conf")
def test_load_balanced_by_one_account(run, phone, cas1, cas2):
    one = run("load-balanced-asa.conf", **{"cas2.corp": "cas2"})
    for _ in range(2):
        assert user_of(phone("alice").folder_sync()) == ALICE
    assert len(cas1.requests()) == len(cas2.requests()) == 1
    assert [line["EAS_SPN"] for line in one.access(2)] == ["HTTP/cas5.contoso.test"] * 2


@example("load-balanced-per-server-spn.conf")
def test_load_balanced_by_each_servers_own(run, phone, cas1, cas2):
    one = run("load-balanced-per-server-spn.conf")
    for _ in range(2):
        assert user_of(phone("alice").folder_sync()) == ALICE
    assert len(cas1.requests()) == len(cas2.requests()) == 1
    assert sorted(line["EAS_SPN"] for line in one.access(2)) == [
        "HTTP/cas1.contoso.test", "HTTP/cas5.contoso.test"]


DISCOVERY = "/Autodiscover/Autodiscover.xml"


@example("autodiscover.conf")
@pytest.mark.eas("EAS0225", "EAS0227")
def test_autodiscover(run, phone, bench, cas1):
    one = run("autodiscover.conf")
    assert user_of(phone("alice").folder_sync()) == ALICE
    assert phone("alice").command("GetHierarchy").status == 403
    mine = Phone(phone("alice").folder, bench.servers.bundle, phone("alice").certificate,
                 host=namespace.host("autodiscover"), address=one.address)
    xml = {"Content-Type": "text/xml"}
    assert user_of(mine.request("POST", DISCOVERY.lower(), body=b"<Autodiscover/>", headers=xml)) \
        == ALICE
    assert mine.request("POST", "/Autodiscover/Other.xml", body=b"<x/>", headers=xml).status == 403
    assert len(cas1.requests()) == 2
    plain = Phone(mine.folder, mine.ca, None, host=mine.host, address=one.address, port=80)
    for method, path in [("GET", DISCOVERY), ("POST", DISCOVERY.lower()), ("HEAD", DISCOVERY)]:
        answer = plain.request(method, "http://" + mine.host + path)
        where, _, query = answer.headers.get("Location", "").partition("?")
        assert (answer.status, where, bool(query)) == (
            302, "https://mail.contoso.test" + DISCOVERY, method == "POST"), answer
    for method, path in [("GET", "/"), ("GET", DISCOVERY + "x"), ("POST", PATH), ("GET", "/owa/"),
                         ("OPTIONS", "/"), ("TRACE", DISCOVERY + "/")]:
        answer = plain.request(method, "http://" + mine.host + path)
        assert answer.status in (403, 405) and answer.user is None, (method, path, str(answer))
    assert len(cas1.requests()) == 2


@pytest.fixture
def redis(bench):
    """The Redis of the host cache."""
    made = Redis(os.path.join(bench.folder, "redis-of-examples")).start()
    yield made
    made.kill()


@example("two-gateways-redis.conf")
def test_two_gateways_with_a_redis(run, phone, redis):
    """What one of them learnt serves the next."""
    sources = []
    for _ in range(2):
        one = run("two-gateways-redis.conf")
        assert user_of(phone("alice").folder_sync()) == ALICE
        sources += [line["EAS_TICKET"] for line in one.access()]
        one.stop()
    assert sources == ["kdc", "shared"]
    assert redis.records()


@example("backend-client-certificate.conf")
def test_back_end_with_a_client_certificate(run, phone, bench, backend):
    """The back end names its root only: the file of CAs between is needed."""
    backend("cas5", more="SSLVerifyClient require\n  SSLVerifyDepth 3\n"
            "  SSLCACertificateFile " + bench.root.certificate)
    run("backend-client-certificate.conf", **{"cas1.corp": "cas5"})
    assert user_of(phone("alice").folder_sync()) == ALICE


@example("regional-namespaces.conf")
def test_regional_namespaces(run, phone, bench, backend):
    backend("cas5")
    one = run("regional-namespaces.conf")
    seen = {}
    for region in ("eu", "us"):
        mine = Phone(phone("alice").folder, bench.servers.bundle, phone("alice").certificate,
                     host=namespace.host(region + ".mail"), address=one.address)
        answers = [mine.folder_sync() for _ in range(2)]
        assert {user_of(answer) for answer in answers} == {ALICE}
        seen[region] = {answer.headers.get("X-Backend") for answer in answers}
    assert seen == {"eu": {"cas1.contoso.test", "cas2.contoso.test"},
                    "us": {"cas3.contoso.test", "cas5.contoso.test"}}
    assert [line["EAS_SPN"] for line in one.access(4)][2:] == ["HTTP/cas5.contoso.test"] * 2


@example("owa-ews.conf")
def test_owa_and_ews(run, phone, cas1):
    run("owa-ews.conf")
    alice = phone("alice")
    assert user_of(alice.folder_sync()) == ALICE
    for method, path in [("GET", "/owa/"), ("GET", "/OWA/auth/x.css?a=b"), ("GET", "/oab/x/oab.xml"),
                         ("POST", "/EWS/Exchange.asmx?x=y&z"), ("PROPFIND", "/ews/Exchange.asmx")]:
        body = b"<x/>" if method == "POST" else None
        answer = alice.request(method, path, body=body, headers={"Content-Type": "text/xml"})
        assert user_of(answer) == ALICE, (path, str(answer))
    count = len(cas1.requests())
    for path in ("/ecp", "/ECP/", "/ecp/x.aspx", "/PowerShell", "/powershell/?x", "/rpc/rpcproxy.dll",
                 "/mapi/emsmdb", "/api/v2.0", "/"):
        answer = alice.request("GET", path)
        assert answer.status in (403, 404) and answer.user is None, (path, str(answer))
    assert len(cas1.requests()) == count
