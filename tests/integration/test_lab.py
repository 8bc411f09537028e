# SPDX-License-Identifier: Apache-2.0
"""The bench proves itself: each part does what the tests of the module rely on."""
import hashlib
import os
import signal
import subprocess
import threading

import pytest

import conftest
from lab import kerberos, module, namespace, pki as shapes, wbxml
from lab.log import ErrorLog
from lab.process import listens, run, wait_until

NEGOTIATE = ["--negotiate", "--user", ":"]


@pytest.fixture(scope="module")
def client(bench):
    """MIT's tools holding the gateway's TGT."""
    made = bench.kerberos()
    made.kinit(bench.keytab, "gw")
    return made


@pytest.fixture
def ticket(bench, client, monkeypatch, tmp_path):
    """Makes a ticket of a user for a back end by S4U, for curl --negotiate."""
    def make(user, host):
        out = str(tmp_path / (user + "." + host))
        done = client.impersonate(user, bench.keytab, "HTTP/" + namespace.host(host), out)
        assert done.returncode == 0, done.stderr
        monkeypatch.setenv("KRB5CCNAME", "FILE:" + out)
    return make


@pytest.fixture
def direct(bench):
    """Makes a client that talks to a back end without a gateway."""
    def make(server):
        made = bench.phone(None)
        made.host, made.address, made.port = server.hostname, server.address, server.port
        return made
    return make


# ---- namespaces ----------------------------------------------------------------------------------

def test_nothing_of_the_machine_is_reachable():
    links = run("ip", "-brief", "link").stdout.splitlines()
    assert [line.split()[0] for line in links if "UP" in line.split()[1:2] or "LOOPBACK" in line] \
        == ["lo"]
    assert run("findmnt", "-n", "-o", "FSTYPE", "/run").stdout.strip() == "tmpfs"
    with open("/etc/hosts", encoding="ascii") as file:
        assert "10.77.0.1 dc1.contoso.test" in file.read()


def test_no_zombies_stay(bench):
    child = subprocess.Popen(["sh", "-c", "sleep 0.01 & exit 0"], start_new_session=True)
    child.wait()

    def zombies():
        return "Z" in "".join(run("ps", "-e", "-o", "stat=").stdout.split())
    wait_until(lambda: not zombies(), "an orphan is collected")


# ---- directory -----------------------------------------------------------------------------------

def test_directory_answers_with_the_accounts(client):
    found = client.search("ldap://dc1.contoso.test", "(userPrincipalName=dave@contoso.example)",
                          "sAMAccountName")
    assert "sAMAccountName: dave" in found


def test_directory_refuses_a_simple_bind_in_the_clear():
    done = run("ldapsearch", "-x", "-H", "ldap://dc1.contoso.test", "-D", "gw@contoso.test",
               "-w", "wrong", "-b", "DC=contoso,DC=test", check=False)
    assert done.returncode == 8, done.stderr          # strongAuthRequired, RFC 4511 A.2


def test_directory_certificate_is_of_the_bench(bench):
    done = run("openssl", "s_client", "-connect", "dc1.contoso.test:636", "-CAfile",
               bench.servers.bundle, "-verify_return_error", "-verify_hostname",
               "dc1.contoso.test", stdin="")
    assert "Verify return code: 0 (ok)" in done.stdout


def test_entries_have_the_shapes_that_tests_need(bench):
    entry = bench.directory.entry
    assert entry("erin.sam")["userPrincipalName"] == ["erin@contoso.test"]
    assert "userPrincipalName" not in entry("frank")
    assert int(entry("disabled")["userAccountControl"][0]) & 0x2
    assert int(entry("sensitive")["userAccountControl"][0]) & 0x100000
    assert int(entry("gw")["userAccountControl"][0]) & 0x1000000
    assert int(entry("expired")["accountExpires"][0]) < 133_000_000_000_000_000
    assert "computer" in entry("pc1$")["objectClass"]
    assert len(entry("many")["memberOf"]) == 200
    assert bench.directory.sid("alice").startswith("S-1-5-21-")


def test_ntauth_holds_the_phones_ca(bench):
    import base64
    from lab.directory import NTAUTH
    client = bench.kerberos("ntauth")
    client.kinit(bench.keytab, "gw")
    found = client.search("ldap://dc1.contoso.test", "(objectClass=*)", "cACertificate",
                          base=NTAUTH)
    value = "".join(found.replace("\n ", "").split("cACertificate:: ")[1].split("\n")[0])
    assert base64.b64decode(value) == bench.clients.own.der


def test_keytab_is_aes_only_and_private(bench):
    entries = kerberos.keytab_entries(bench.keytab)
    assert {entry["enctype"] for entry in entries} == {17, 18}
    assert {entry["principal"] for entry in entries} == {"gw@CONTOSO.TEST"}
    assert os.stat(bench.keytab).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("user,host,status", [
    ("alice", "cas1", 0), ("erin.sam", "cas2", 0), ("frank", "cas3", 0), ("many", "cas1", 0),
    ("alice", "cas4", 1), ("sensitive", "cas1", 1), ("disabled", "cas1", 1)])
def test_kdc_delegates_where_it_may(bench, client, tmp_path, user, host, status):
    done = client.impersonate(user, bench.keytab, "HTTP/" + namespace.host(host),
                              str(tmp_path / "out"))
    assert done.returncode == status, done.stderr


def test_accounts_change_while_the_controller_runs(bench, client, account):
    directory = bench.directory
    one = account("zoe")
    renamed = directory.rename("zoe", "zed")
    other = account("zoe")
    assert renamed.sid == one.sid != other.sid
    found = client.search("ldap://dc1.contoso.test", "(objectSid=%s)" % one.sid, "sAMAccountName")
    assert "sAMAccountName: zed" in found
    directory.disable("zed")
    assert int(directory.entry("zed")["userAccountControl"][0]) & 2
    directory.enable("zed")
    directory.expire("zed")
    directory.expire("zed", None)
    assert directory.entry("zed")["accountExpires"] == ["0"]
    directory.modify("zed", description="x", userPrincipalName=None)
    assert "userPrincipalName" not in directory.entry("zed")
    directory.delete("zed")
    with pytest.raises(AssertionError):
        directory.dn("zed")


def test_new_keys_make_the_old_keytab_useless(bench, tmp_path):
    directory = bench.directory
    directory.add_user("rotor", password="Passw0rd.1", servicePrincipalName="HTTP/rotor",
                       **{"msDS-SupportedEncryptionTypes": "24"})
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    directory.export_keytab(old, "rotor")
    directory.rotate("rotor", new, "rotor")
    client = bench.kerberos("rotor")
    client.kinit(new, "rotor")
    with pytest.raises(AssertionError, match="Preauthentication failed|not match"):
        client.kinit(old, "rotor")
    kvno = [{entry["kvno"] for entry in kerberos.keytab_entries(path)} for path in (old, new)]
    assert kvno == [{1}, {2}]
    directory.delete("rotor")


def test_requests_to_the_controller_are_counted(bench, tmp_path):
    mark = bench.directory.mark()
    client = bench.kerberos("count")
    client.kinit(bench.keytab, "gw")
    client.impersonate("bob", bench.keytab, "HTTP/cas1.contoso.test", str(tmp_path / "out"))
    client.search("ldap://dc1.contoso.test", "(sAMAccountName=carol)", "cn")

    def searched():
        return [one["filter"] for one in bench.directory.searches(mark)]
    wait_until(lambda: "(sAMAccountName=carol)" in searched(), "the search is logged")
    seen = [(one["kind"], one["client"], one["server"].split("@")[0], one["result"])
            for one in bench.directory.kdc_requests(mark) if one["kind"] == "TGS"]
    assert seen == [("TGS", "bob@CONTOSO.TEST", "gw", "SUCCESS"),
                    ("TGS", "bob@CONTOSO.TEST", "HTTP/cas1.contoso.test", "SUCCESS"),
                    ("TGS", "gw@CONTOSO.TEST", "ldap/dc1.contoso.test", "SUCCESS")]


def test_controller_stops_pauses_and_comes_back(bench, directory):
    directory.stop()
    assert not listens(directory.address, 389) and not listens(directory.address, 88)
    directory.start()
    directory.pause()
    client = bench.kerberos("paused")
    with pytest.raises(subprocess.TimeoutExpired):
        run("ldapsearch", "-x", "-H", "ldap://dc1.contoso.test", "-s", "base", "-b", "",
            timeout=0.5)
    directory.resume()
    directory.ready()
    client.kinit(bench.keytab, "gw")
    directory.kill()
    assert not listens(directory.address, 88)


def test_second_controller_stands_in_for_the_first(bench, directory, tmp_path):
    second = directory.second().start()
    try:
        directory.stop()
        client = kerberos.Client(str(tmp_path), kerberos.write_config(
            str(tmp_path / "krb5.conf"), [second.address]))
        client.kinit(bench.keytab, "gw")
        done = client.impersonate("alice", bench.keytab, "HTTP/cas1.contoso.test",
                                  str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        assert "cn: carol" in client.search("ldap://dc2.contoso.test", "(sAMAccountName=carol)",
                                            "cn")
    finally:
        second.kill()


# ---- certificates --------------------------------------------------------------------------------

def _text(certificate):
    return run("openssl", "x509", "-in", certificate.certificate, "-noout", "-text").stdout


def test_certificate_of_the_usual_shape(bench):
    one = bench.certificate("alice", serial=0x1234)
    text = _text(one)
    assert "othername: UPN::alice@contoso.test" in text
    assert "TLS Web Client Authentication" in text and "Serial Number: 4660 (0x1234)" in text
    run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
        bench.clients.bundle, one.certificate)
    dump = run("openssl", "asn1parse", "-in", one.certificate).stdout
    assert "1.3.6.1.4.1.311.25.2" in dump


def test_sid_extension_is_byte_for_byte_microsofts():
    # The layout of MS-WCCE 2.2.2.7.7.4.
    assert shapes.sid_value("S-1-5-21-2076040321-3326545908-468068287-1157").hex() == (
        "303fa03d060a2b060104018237190201a02f042d"
        "532d312d352d32312d323037363034303332312d333332363534353930382d"
        "3436383036383238372d31313537")


@pytest.mark.parametrize("kind", sorted(shapes.KINDS))
def test_every_kind_of_key_signs_and_verifies(bench, kind):
    ca = bench.pki.authority("CA of " + kind, kind=kind)
    one = ca.issue("x", kind=kind, dns="x.test", ip="10.0.0.1")
    run("openssl", "verify", "-x509_strict", "-CAfile", ca.bundle, one.certificate)


def test_odd_shapes(bench):
    ca = bench.clients
    several = _text(ca.issue("", upn=["a@b", "c@d"], sid_url="S-1-5-21-9", eku=None))
    assert "UPN::a@b, othername: UPN::c@d, URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-9" \
        in several
    assert "Extended Key Usage" not in several and "Subject: \n" in several
    doubled = ca.issue("x", sid="S-1-1", extensions=[shapes.sid_extension("S-1-2", "S-1-3"),
                                                     shapes.extension("1.2.3.4", b"\x05\x00")])
    dump = run("openssl", "asn1parse", "-in", doubled.certificate).stdout
    assert dump.count(":1.3.6.1.4.1.311.25.2\n") == 2 and ":1.2.3.4\n" in dump
    expired = ca.issue("x", not_before=-7200, not_after=-3600)
    done = run("openssl", "verify", "-CAfile", ca.bundle, expired.certificate, check=False)
    assert "certificate has expired" in done.stderr
    spoiled = ca.issue("x", spoil=True)
    assert run("openssl", "verify", "-CAfile", ca.bundle, spoiled.certificate,
               check=False).returncode != 0


def test_another_ca_of_the_same_name_is_not_trusted(bench):
    twin = bench.pki.authority("Contoso Issuing CA", key="twin")
    assert twin.subject == bench.clients.subject
    done = run("openssl", "verify", "-CAfile", bench.clients.bundle,
               twin.issue("x").certificate, check=False)
    assert done.returncode != 0


def test_revocation_list(bench):
    one, other = bench.clients.issue("x"), bench.clients.issue("y")
    crl = bench.clients.crl([one])
    words = ["openssl", "verify", "-crl_check", "-CAfile", bench.clients.bundle, "-CRLfile", crl]
    run(*words, other.certificate)
    assert "certificate revoked" in run(*words, one.certificate, check=False).stderr


def test_certificates_by_hand(tmp_path):
    done = run("/usr/bin/python3", "-m", "lab.pki", tmp_path, "--upn", "a@b", "--sid", "S-1-5",
               "--extension", "1.2.3=0500", "--days", "2", cwd=os.path.dirname(__file__))
    path = done.stdout.splitlines()[0].split()[1]
    assert "UPN::a@b" in run("openssl", "x509", "-in", path, "-noout", "-text").stdout


# ---- Exchange stand-ins --------------------------------------------------------------------------

def test_standin_refuses_without_kerberos(direct, cas1):
    answer = direct(cas1).options()
    assert answer.status == 401 and answer.headers.all("WWW-Authenticate") == ["Negotiate"]
    assert cas1.requests() == []


def test_standin_knows_the_user_and_the_request(direct, cas1, ticket):
    ticket("alice", "cas1")
    body = os.urandom(100_000)
    answer = direct(cas1).request("POST", "/any?x=1", body, {"X-Odd": 'a "quoted" é'},
                                  options=NEGOTIATE)
    assert answer.status == 200 and answer.user == "alice@CONTOSO.TEST"
    seen = cas1.requests()[-1]
    assert answer.json == seen
    assert (seen["method"], seen["uri"], seen["query"]) == ("POST", "/any?x=1", "x=1")
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert dict(seen["headers"])["X-Odd"].startswith('a "quoted" ')
    assert seen["user"] == "alice@CONTOSO.TEST" and seen["complete"]


def test_standin_takes_a_ticket_with_a_large_pac(direct, cas1, ticket):
    ticket("many", "cas1")
    assert direct(cas1).options(options=NEGOTIATE).user == "many@CONTOSO.TEST"
    assert len(dict(cas1.requests()[-1]["headers"])["Authorization"]) > 3000


def test_standin_refuses_a_token_seen_before(bench, direct, cas1, ticket):
    ticket("alice", "cas1")
    phone = direct(cas1)
    assert phone.options(options=NEGOTIATE).status == 200
    token = dict(cas1.requests()[-1]["headers"])["Authorization"]
    assert phone.options(headers={"Authorization": token}).status == 401


def test_standin_speaks_activesync(direct, cas1, ticket):
    ticket("bob", "cas1")
    phone = direct(cas1)
    options = phone.options(options=NEGOTIATE)
    assert "16.1" in options.headers.get("MS-ASProtocolVersions") and options.body == b""
    assert options.headers.get("Allow") == "OPTIONS,POST"
    first = phone.provision(options=NEGOTIATE)
    assert first.headers.get("Content-Type") == "application/vnd.ms-sync.wbxml"
    xml = wbxml.decode(first.body)
    assert "<PolicyKey>1307199584</PolicyKey>" in xml and "DevicePasswordEnabled" in xml
    second = phone.provision("1307199584", options=NEGOTIATE)
    assert "<PolicyKey>3942919513</PolicyKey>" in wbxml.decode(second.body)
    assert "<DisplayName>Inbox</DisplayName>" in wbxml.decode(
        phone.folder_sync(options=NEGOTIATE).body)
    assert "<Count>0</Count>" in wbxml.decode(phone.folder_sync("1", options=NEGOTIATE).body)
    assert "Lunch?" in wbxml.decode(phone.sync("1", options=NEGOTIATE).body)
    sent = phone.send_mail(2_000_000, options=NEGOTIATE)
    assert sent.status == 200 and sent.body == b""
    assert cas1.requests()[-1]["length"] > 2_000_000
    base64_query = "oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg=="
    phone.request("POST", "/Microsoft-Server-ActiveSync?" + base64_query, wbxml.ping(59),
                  options=NEGOTIATE)
    assert cas1.requests()[-1]["command"] == "Ping"


def test_what_the_phone_sends_is_real_wbxml():
    assert wbxml.folder_sync() == bytes.fromhex("03016a000007565203300001 01".replace(" ", ""))
    assert "<HeartbeatInterval>480</HeartbeatInterval>" in wbxml.decode(wbxml.ping())
    assert "ComposeMail:" in wbxml.decode(wbxml.send_mail(b"From: x\r\n\r\ny" * 100))
    for name, body in wbxml.answers().items():
        assert wbxml.decode(body).startswith("<?xml"), name


def test_ping_is_held_until_mail_comes(bench, backend, direct, ticket):
    server = backend("cas5", ping=0.6)
    ticket("bob", "cas5")
    answer = direct(server).ping(120, options=NEGOTIATE)
    assert 0.6 <= answer.seconds < 5
    assert "<Status>2</Status>" in wbxml.decode(answer.body)
    short = direct(server).ping(10, options=NEGOTIATE)
    assert "<HeartbeatInterval>60</HeartbeatInterval>" in wbxml.decode(short.body)


def test_a_ping_that_was_given_up_is_noted(backend, direct, ticket):
    server = backend("cas5")
    ticket("bob", "cas5")
    answer = direct(server).ping(120, options=NEGOTIATE, timeout=0.5)
    assert answer.exit == 28
    server.wait_for(1, "gone")


def test_standin_plays_what_is_asked(direct, cas1, ticket):
    ticket("alice", "cas1")
    phone = direct(cas1)
    answer = phone.sync(headers={"X-Play": "status=449&reason=Retry+after+sending+a+PROVISION"},
                        options=NEGOTIATE)
    assert (answer.status, answer.reason) == (449, "Retry after sending a PROVISION")
    cas1.play_next(status=503, header="Retry-After: 7")
    cas1.play_next(size=1_000_000, chunked=1, delay=0.3)
    first, second, third = [phone.sync(options=NEGOTIATE) for _ in range(3)]
    assert (first.status, first.headers.get("Retry-After")) == (503, "7")
    assert len(second.body) == 1_000_000 and second.seconds >= 0.3
    assert second.headers.get("Transfer-Encoding") == "chunked"
    assert third.status == 200 and len(third.body) < 100
    assert phone.sync(headers={"X-Play": "drop=1"}, options=NEGOTIATE).exit == 52
    assert phone.sync(headers={"X-Play": "drop=half&size=1000"}, options=NEGOTIATE).exit == 18
    early = phone.sync(headers={"X-Play": "early=1&status=403"}, options=NEGOTIATE)
    assert early.status == 403 and early.headers.get("Connection") == "close"


def test_standin_by_hand(bench, tmp_path):
    one = bench.servers.issue("cas5.contoso.test", dns="cas5.contoso.test", eku="serverAuth")
    script = subprocess.Popen(
        ["/usr/bin/python3", "-m", "lab.exchange", "--folder", bench.folder + "/byhand",
         "--hostname", "cas5.contoso.test", "--address", "10.77.0.15", "--port", "8443",
         "--keytab", bench.exchange_keytab, "--certificate", one.chain, "--key", one.key],
        cwd=os.path.dirname(__file__), stdout=subprocess.PIPE)
    try:
        assert script.stdout.readline() == b"https://cas5.contoso.test:8443 on 10.77.0.15:8443\n"
        assert listens("10.77.0.15", 8443)
    finally:
        script.send_signal(signal.SIGTERM)
        assert script.wait(40) == 0
    assert not listens("10.77.0.15", 8443)


# ---- the acceptor that keeps identities ----------------------------------------------------------

@pytest.fixture
def token(direct, keeper, ticket):
    """A header with a user's token for the keeper, which takes one more than once."""
    def make(user):
        ticket(user, "cas3")
        assert direct(keeper).options(options=NEGOTIATE).user == user + "@CONTOSO.TEST"
        header = {"Authorization": dict(keeper.requests()[-1]["headers"])["Authorization"]}
        keeper.report(reset=True)
        return header
    return make


def test_keeper_keeps_the_first_identity(direct, keeper, token):
    alice, bob = token("alice"), token("bob")
    with direct(keeper).connect() as connection:
        first = connection.request("GET", "/", headers=alice)
        without = connection.request("GET", "/")
        foreign = connection.request("GET", "/", headers=bob)
        own = connection.request("GET", "/", headers=alice)
    assert [one.user for one in (first, without, foreign, own)] == ["alice@CONTOSO.TEST"] * 4
    assert foreign.headers.get("X-Keeper-Token") == "bob@CONTOSO.TEST"
    with direct(keeper).connect() as connection:
        assert connection.request("GET", "/").status == 401
        assert connection.request("GET", "/", headers=bob).user == "bob@CONTOSO.TEST"
        broken = connection.request("GET", "/", headers={"Authorization": "Negotiate AAAA"})
        assert broken.status == 401
    assert keeper.report() == {
        "connections": 2, "requests": 5, "tokens": 4, "without_token": 1, "foreign_requests": 1,
        "foreign_connections": 1, "refused": 1, "failed": 1}


def test_keeper_counts_in_all_threads_and_processes(direct, keeper, token):
    header = token("carol")

    def client():
        with direct(keeper).connect() as connection:
            for _ in range(10):
                assert connection.request("GET", "/", headers=header).status == 200
    workers = [threading.Thread(target=client) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    report = keeper.report()
    assert (report["connections"], report["requests"], report["tokens"]) == (8, 80, 80)
    assert report["foreign_requests"] == report["without_token"] == 0


# ---- gateway and phone, still without the module -------------------------------------------------

def test_plain_gateway_forwards(gateway, phone, cas1):
    server = gateway(plain=True)
    answer = phone("alice").options()
    assert answer.status == 401                      # Exchange's: nobody brought a ticket
    assert server.access()[0]["status"] == "401"
    assert server.access()[0]["tls"] == "TLSv1.3"
    assert server.numbers() == []


def test_gateway_is_told_about_its_configuration(gateway):
    server = gateway(plain=True, start=False)
    assert server.configtest() == (0, "Syntax OK\n")
    server.location = ["NoSuchDirective On"]
    status, output = server.configtest()
    assert status == 1 and "NoSuchDirective" in output


def test_gateway_reloads_without_losing_its_address(gateway, phone):
    server = gateway(plain=True, location="Header always set X-Generation 1")
    assert phone().options().headers.get("X-Generation") == "1"
    server.location = "Header always set X-Generation 2"
    server.reload()
    assert phone().options().headers.get("X-Generation") == "2"


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_gateway_runs_under_every_mpm(gateway, phone, mpm):
    gateway(plain=True, mpm=mpm)
    assert phone().options().status == 401


def test_balancer_over_two_backends(gateway, phone, cas1, cas2):
    gateway(plain=True, backends=["cas1", "cas2"])
    assert {phone().options().status for _ in range(4)} == {401}


def test_gateway_processes_are_unprivileged(gateway):
    server = gateway(plain=True)
    users = wait_until(lambda: run("ps", "-o", "user=", "--ppid", server.pid,
                                   check=False).stdout.split(), "children of httpd")
    assert set(users) == {server.user} and server.user != "root"


def test_client_certificate_reaches_httpd(gateway, phone):
    gateway(plain=True, after=["<Location /who>", "Header always set X-Subject "
                               "expr=%{SSL_CLIENT_S_DN_CN}/%{SSL_CLIENT_VERIFY}", "</Location>"])
    assert phone("alice").request("GET", "/who").headers.get("X-Subject") == "alice/SUCCESS"
    assert phone(None).request("GET", "/who").headers.get("X-Subject") == "/NONE"


def test_certificate_of_an_unknown_ca_ends_in_an_alert(bench, gateway, phone):
    gateway(plain=True)
    twin = bench.pki.authority("Contoso Issuing CA", key="twin")
    answer = phone("alice", ca=twin).options()
    assert answer.status == 0 and "alert" in answer.error


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_sessions_are_kept_and_resumed(gateway, phone, tls):
    server = gateway(plain=True)
    one = phone()
    with one.connect(tls=tls) as first:
        assert [first.request("OPTIONS").status for _ in range(3)] == [401] * 3
        assert first.open and not first.resumed and first.tls == "TLSv" + tls
        with one.connect(resume=first) as second:
            assert second.request("OPTIONS").status == 401
            assert second.resumed
    assert [line["keepalive"] for line in server.access(4)] == ["0", "1", "2", "0"]
    assert server.access(4)[3]["resumed"] == "Resumed"


def test_bytes_as_they_are(gateway, phone):
    gateway(plain=True)
    with phone().connect() as connection:
        connection.send(b"POST /%2e%2e/x HTTP/1.1\r\nHost: mail.contoso.test\r\n"
                        b"Content-Length: 0\r\n\r\n")
        assert connection.answer().status == 400
        assert not connection.open


def test_http2_streams_share_one_connection(gateway, phone):
    server = gateway(plain=True, modules=["http2"], vhost="Protocols h2 http/1.1")
    one = phone()
    answers = one.parallel([{"method": "GET", "path": "/%d" % number} for number in range(20)])
    assert [answer.status for answer in answers] == [404] * 20
    assert {answer.version for answer in answers} == {"2"}
    assert sum(answer.connects for answer in answers) == 1
    assert len({line["connection"] for line in server.access(20)}) == 1


def test_bodies_of_every_kind(gateway, phone, bench):
    gateway(plain=True, target="http://127.0.0.1:1/", after=[
        "<Location /echo>", "Header always set X-Length expr=%{HTTP:Content-Length}",
        "</Location>"])
    one = phone()
    assert one.request("POST", "/echo", b"").headers.get("X-Length") == "0"
    assert one.request("POST", "/echo", b"x" * 70000).headers.get("X-Length") == "70000"
    chunked = one.request("POST", "/echo", b"x" * 70000, chunked=True)
    assert chunked.status == 404 and not chunked.headers.get("X-Length")
    assert one.request("POST", "/echo", b"x", expect=True).status == 404
    assert one.request("POST", "/echo", b"x", version="1.0").status == 404
    assert one.request("HEAD", "/echo").status == 404


# ---- what the bench says of a gateway's log ------------------------------------------------------

def test_error_log_is_read_by_number_and_level(tmp_path):
    path = tmp_path / "error.log"
    path.write_text(
        "[t] [eas_cba:warn] [pid 1:tid 1] [client 1.2.3.4:5] EAS0301: no account\n"
        "[t] [eas_cba:info] [pid 1:tid 1] EAS0001: ready\n"
        "[t] [core:notice] [pid 1:tid 1] AH00052: child pid 5 exit signal Segmentation fault (11)\n"
        "==5==ERROR: AddressSanitizer: heap-use-after-free\n"
        "x.c:3:1: runtime error: shift exponent 40 is too large\n")
    log = ErrorLog(str(path))
    assert log.numbers() == ["EAS0301", "EAS0001"]
    assert log.numbers(serious=True) == ["EAS0301"]
    assert len(log.crashes()) == 3
    log.mark()
    assert log.numbers() == [] and log.crashes() == []


def test_a_gateway_that_logs_something_else_fails_its_test(tmp_path):
    class Server:
        error_log = ErrorLog(str(tmp_path / "error.log"))

        def crashes(self, since):
            return self.error_log.crashes(since)
    (tmp_path / "error.log").write_text(
        "[t] [eas_cba:error] [pid 1] EAS0503: account disabled\n"
        "[t] [eas_cba:info] [pid 1] EAS0001: ready\n")
    expect = conftest.Expectation()
    assert len(conftest.log_problems([Server()], expect)) == 1
    expect("0503")
    assert conftest.log_problems([Server()], expect) == []
    expect("EAS0301")
    assert conftest.log_problems([Server()], expect) == ["EAS0301 was expected and not logged"]


_BROKEN = """
#include <stdlib.h>
#include <httpd.h>

#include <http_config.h>
#include <http_request.h>

static int broken(request_rec *r)
{
    char *room = malloc(10);
    volatile char *beyond = room + r->proto_num % 7 + 10;
    *beyond = 1;
    free(room);
    return DECLINED;
}

static void hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_fixups(broken, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(eas_cba) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0
};
"""


def test_a_sanitizers_finding_is_seen(bench, phone, tmp_path):
    source = tmp_path / "broken.c"
    source.write_text(_BROKEN)
    module.Build("broken", str(tmp_path), source=str(source),
                 flags=["-fsanitize=address,undefined", "-g"]).path()
    server = bench.gateway(binary=str(tmp_path / "broken.so"), settings="", protect="")
    try:
        assert "libasan" in server.env["LD_PRELOAD"]
        assert phone().options().error
        wait_until(lambda: any("AH00052" in line for line in server.crashes(0)), "child's end")
        assert any("AddressSanitizer: heap-buffer-overflow" in line for line in server.crashes(0))
    finally:
        bench.forget(server)
