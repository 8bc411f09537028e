# SPDX-License-Identifier: Apache-2.0
"""A mod_proxy that this module was not compiled for: its struct is not copied, so no back-end connection
is kept.  Played by a module that was compiled for another one; an older httpd is not to be had here."""
import os
import re
import urllib.parse

import pytest

from lab import module, namespace
from lab.acceptor import Acceptor, Scripted, reply
from lab.process import run

ALICE = (200, "alice@CONTOSO.TEST")
NOT_OURS = "EAS0049"


@pytest.fixture(scope="module")
def estranged(bench):
    """Path of the module, compiled for a mod_proxy that no httpd has."""
    return module.variant(os.path.join(bench.folder, "estranged.so"),
                          flags=["-DCBA_PROXY_MINOR=1"])


def seen(answer):
    return answer.status, answer.user


def test_headers_of_an_older_httpd(tmp_path):
    """The compiler says which httpd is needed."""
    include = module.apxs("INCLUDEDIR")
    with open(include + "/ap_mmn.h", encoding="utf-8") as file:
        text = file.read()
    older = re.sub(r"(?m)^(#define MODULE_MAGIC_NUMBER_MINOR) .*", r"\1 129", text)
    assert older != text
    (tmp_path / "ap_mmn.h").write_text(older)
    top = os.path.join(module.TOP, "mod_eas_cba")
    done = run("gcc", "-fsyntax-only", "-std=gnu11", "-I%s" % tmp_path, "-I" + include,
               *["-I%s/%s" % (top, floor) for floor in ("core", "io", "httpd")],
               *run("pkg-config", "--cflags", "apr-1", "apr-util-1").stdout.split(),
               top + "/httpd/cba_mod_proxy.c", check=False)
    assert done.returncode != 0 and "mod_eas_cba needs httpd 2.4.59 or later" in done.stderr


@pytest.mark.eas(NOT_OURS)
def test_no_back_end_connection_is_kept(gateway, keeper, phone, estranged):
    gateway(binary=estranged, target=keeper.url + " timeout=3600")
    with phone("alice").connect() as alice, phone("bob").connect() as bob:
        for _ in range(3):
            assert seen(alice.command("Sync")) == ALICE
            assert seen(bob.command("Sync")) == (200, "bob@CONTOSO.TEST")
    report = keeper.report()
    assert report["connections"] == report["requests"] == report["tokens"] == 6
    assert report["foreign_requests"] == 0


@pytest.mark.eas(NOT_OURS)
def test_balancer(gateway, cas1, phone, estranged):
    gateway(binary=estranged, backends=["cas5", "cas1"])
    assert [seen(phone("alice").folder_sync()) for _ in range(3)] == [ALICE] * 3


@pytest.mark.eas(NOT_OURS)
def test_tokens_are_bound_and_renewed(gateway, bench, phone, estranged):
    name = namespace.host("cas5")
    certificate = bench.servers.issue(name, dns=name, eku=("serverAuth",), key="server")
    one = gateway(binary=estranged, target="https://cas5.contoso.test timeout=3600")
    with Acceptor(namespace.address("cas5"), certificate, bench.exchange_keytab) as acceptor:
        with phone("alice").connect() as connection:
            assert [seen(connection.command("Sync")) for _ in range(3)] == [ALICE] * 3
    assert (acceptor.handshakes, acceptor.refused) == (3, 0)
    script = [reply(401, "WWW-Authenticate: Negotiate"), reply(200)]
    with Scripted(namespace.address("cas5"), certificate, script) as server:
        assert phone("alice").command("SendMail", b"one").status == 200
    assert [request.body for request in server.seen] == [b"one", b"one"]
    assert one.access(4)[-1]["EAS_ATTEMPTS"] == "2"


MANAGER = "/balancer-manager"
GROWING = """<Proxy balancer://growing>
  BalancerMember https://cas5.contoso.test timeout=3600 status=D
  ProxySet growth=2
</Proxy>"""


@pytest.mark.eas(NOT_OURS, "EAS0709")
def test_member_added_at_run_time_keeps_connections_and_gets_no_token(
        gateway, cas1, phone, estranged):
    """balancer-manager makes workers after the processes have started: their pools are shared."""
    gateway(binary=estranged, processes=1, server=GROWING, target="balancer://growing", after=[
        "<Location %s>" % MANAGER, "  SetHandler balancer-manager", "</Location>"])
    page = phone(None).request("GET", MANAGER).body.decode()
    nonce = re.search(r"nonce=([0-9a-f-]{36})", page).group(1)
    member = "https://cas1.contoso.test"
    for form in ({"b_nwrkr": member, "b_wyes": "1"}, {"w": member, "w_status_D": "0", "w_lf": "1"}):
        phone(None).request("POST", MANAGER, headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": "https://mail.contoso.test" + MANAGER},
            body=urllib.parse.urlencode({"b": "growing", "nonce": nonce, **form}).encode())
    answer = phone("alice").folder_sync()
    assert answer.status == 502 and cas1.records() == []
