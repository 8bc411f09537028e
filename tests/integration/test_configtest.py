# SPDX-License-Identifier: Apache-2.0
"""What `apachectl configtest` and the start of httpd say about a configuration.

Every case is the good configuration with one mistake in it. What is said must be that mistake and
nothing else: its number, its place in the file, the directive with its value, what to do, and the
right exit status. Needs no directory and no back end.
"""
import dataclasses
import grp
import itertools
import os
import pwd
import re
import shutil
import subprocess

import pytest

from lab import module, namespace, pki
from lab.httpd import Httpd, owner, service_user
from lab.process import wait_until

MODULES = ("access_compat", "cache", "cache_disk", "deflate", "filter", "macro", "proxy",
           "proxy_http", "reqtimeout", "rewrite", "slotmem_shm", "proxy_balancer",
           "lbmethod_byrequests", "substitute")
SECTION = '<LocationMatch "(?i)^/Microsoft-Server-ActiveSync/?$">'
PASS = "ProxyPass https://cas1.contoso.test timeout=3600"
BARE = "ProxyPass https://cas1.contoso.test"
PATH = "/Microsoft-Server-ActiveSync"
EAS = "https://cas1.contoso.test" + PATH
#: How messages show the Location.
SHOWN = "<LocationMatch (?i)^/Microsoft-Server-ActiveSync/?$>"
VHOST = [
    "ServerName mail.contoso.test",
    "SSLEngine on",
    "SSLVerifyClient optional",
    "SSLCertificateFile {folder}/server.pem",
    "SSLCertificateKeyFile {folder}/server.key",
    "SSLCACertificateFile {folder}/ca.pem",
    "SSLCARevocationFile {folder}/crl.pem",
    "SSLCARevocationCheck leaf",
    "SSLProxyEngine on",
    "SSLProxyVerify require",
    "SSLProxyCACertificateFile {folder}/ca.pem",
    "EASCertAuthKeytab {folder}/keytab",
    "EASCertAuthLDAPServer ldap://dc1.contoso.test ldap://dc2.contoso.test",
]
INSIDE = ["EASCertAuth On", PASS]
OWA = ["<Location /owa>", "ProxyPass https://cas1.contoso.test/owa", "</Location>"]
FILES = {"server.pem": 0o644, "server.key": 0o600, "ca.pem": 0o644, "crl.pem": 0o644}

_LINE = re.compile(r"^(?P<number>EAS\d{4}): (?:(?P<file>/[^:]*):(?P<line>\d+): )?"
                   r"(?P<subject>.*?): (?P<meaning>[^:].*); to do: (?P<todo>.*)$")


class Site(Httpd):
    """An httpd that is asked about its configuration; the pieces may be changed."""

    def __init__(self, folder, **more):
        super().__init__(folder, [(namespace.address("mail"), 443)],
                         preload=module.sanitizers(module.under_test()), **more)
        os.chmod(folder, 0o755)
        self.main = []
        self.vhost = list(VHOST)
        self.section = SECTION
        self.inside = list(INSIDE)
        self.after = []         # in the virtual host, behind the Location
        self.end = []           # behind the virtual host
        self.without = ()       # modules that are not loaded

    def config(self):
        names = [name for name in MODULES if name not in self.without]
        lines = ["LoadModule eas_cba_module %s" % module.under_test(),
                 "ServerName mail.contoso.test", *self.main, "<VirtualHost *:443>", *self.vhost]
        if self.section:
            closing = "</" + self.section[1:].split(" ")[0] + ">"
            lines += [self.section, *self.inside, closing]
        lines += [*self.after, "</VirtualHost>", *self.end]
        return self.load(*names) + "\n".join(lines).replace("{folder}", self.folder) + "\n"

    def load(self, *names):
        return super().load(*[name for name in names if name not in self.without])

    def line_of(self, text):
        """The number of the one line of the configuration that is this."""
        with open(self.conf, encoding="utf-8") as file:
            found = [number for number, line in enumerate(file, 1)
                     if line.rstrip("\n") == text.replace("{folder}", self.folder)]
        assert len(found) == 1, "%s is in lines %s" % (text, found)
        return found[0]


@dataclasses.dataclass
class Said:
    """One message: number, the line of the configuration that it points at, what it names, what
    stands in parentheses or in the remedy."""
    number: str
    at: str
    names: str
    todo: str
    more: str = ""
    line: int = 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Certificates, once."""
    folder = str(tmp_path_factory.mktemp("pki"))
    authority = pki.Pki(folder).authority("CN=A CA")
    issued = authority.issue("CN=mail.contoso.test", dns="mail.contoso.test", eku="serverAuth")
    return {"server.pem": issued.certificate, "server.key": issued.key,
            "ca.pem": authority.certificate, "crl.pem": authority.crl()}


@pytest.fixture
def site(made, request):
    """The good configuration in a folder that httpd's user can reach."""
    name = re.sub(r"\W+", "-", request.node.name)[:80]
    folder = os.path.join(namespace.WORK, "configtest", name)
    one = Site(folder)
    os.chmod(os.path.dirname(folder), 0o755)
    for name, mode in FILES.items():
        shutil.copy(made[name], os.path.join(folder, name))
        os.chmod(os.path.join(folder, name), mode)
    put(one, "keytab", 0o640)
    yield one
    one.stop()


def put(site, name, mode, text="x", user="root", group=None):
    """A file of the site."""
    path = os.path.join(site.folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chown(path, pwd.getpwnam(user).pw_uid,
             grp.getgrnam(group).gr_gid if group else owner()[1])
    os.chmod(path, mode)
    return path


def messages(output):
    """The EAS lines of an output, parsed."""
    found = []
    for line in output.splitlines():
        if "EAS" in line:
            match = _LINE.match(line)
            assert match, "cannot be understood: " + line
            found.append(match)
    return found


def check(site, *expected, status=None):
    """configtest says exactly this."""
    errors = [said for said in expected
              if int(said.number[3:]) < 40 and said.number != "EAS0022"]
    got, output = site.configtest()
    found = messages(output)
    for said in expected:
        mine = [m for m in found if m["number"] == said.number
                and m["subject"].startswith(said.names.replace("{folder}", site.folder))
                and m["file"] == site.conf
                and int(m["line"]) == (said.line or site.line_of(said.at))]
        assert len(mine) == 1, "%s\nis not once in\n%s" % (said, output)
        assert said.todo in mine[0]["todo"], output
        assert said.more.replace("{folder}", site.folder) in mine[0]["meaning"], output
        found.remove(mine[0])
    assert not found, "not expected: %s" % "\n".join(m.group(0) for m in found)
    assert got == ((1 if errors else 0) if status is None else status), output
    assert ("Syntax OK" in output) == (not errors), output
    return output


def replace(lines, old, new=None):
    """The lines with one replaced, or left out."""
    assert old in lines
    at = lines.index(old)
    lines[at:at + 1] = [] if new is None else [new] if isinstance(new, str) else new


# ---- nothing wrong -------------------------------------------------------------------------------

def test_good(site):
    assert site.configtest() == (0, "Syntax OK\n")


@pytest.mark.parametrize("change", [
    # The short form: what httpd's defaults give is not asked for.
    {"section": "<Location /Microsoft-Server-ActiveSync>",
     "inside": ["EASCertAuth On",
                "ProxyPass https://cas1.contoso.test/Microsoft-Server-ActiveSync timeout=3600"]},
    {"section": '<Location ~ "(?i)^/Microsoft-Server-ActiveSync/?$">'},
    {"section": '<Location "/Microsoft-Server-Active*">', "inside": ["EASCertAuth On"],
     "after": ["ProxyPass /Microsoft-Server-ActiveSync https://cas1.contoso.test/Microsoft-Server-"
               "ActiveSync timeout=3600"]},
    {"after": OWA},
    {"after": ["ProxyPass /owa https://cas1.contoso.test/owa",
               "ProxyPassMatch ^/(ecp|ews)/(.*)$ https://cas1.contoso.test/$1/$2"]},
    {"after": ["<Location /status>", "AuthType Basic", "AuthName x", "Require valid-user",
               "Satisfy Any", "SetOutputFilter DEFLATE", "CacheEnable disk",
               "ProxyPass http://127.0.0.1:8080/", "</Location>"]},
    {"inside": ["AuthType None", "Satisfy All", *INSIDE]},
    {"inside": ["SSLOptions -FakeBasicAuth", *INSIDE], "main": ["SSLOptions +FakeBasicAuth"]},
    {"inside": ["EASCertAuth On", "ProxyPass https://cas1.contoso.test"],
     "main": ["ProxyTimeout 3600"]},
    {"inside": ["EASCertAuth On", "ProxyPass https://cas1.contoso.test"], "main": ["Timeout 3600"]},
    {"inside": ["EASCertAuth On", "EASCertAuthProtocol Any", BARE]},
    {"inside": ["EASCertAuth On", "ProxyPass balancer://exchange"],
     "main": ["<Proxy balancer://exchange>",
              "BalancerMember https://cas1.contoso.test timeout=3600",
              "BalancerMember https://cas2.contoso.test timeout=3600", "</Proxy>"]},
    {"inside": ["EASCertAuth On", "ProxyPass https://cas1.contoso.test"],
     "main": ["<Proxy https://cas1.contoso.test timeout=3600>", "</Proxy>"]},
    {"inside": ["EASCertAuth On", "ProxyPass https://cas1.contoso.test"],
     "main": ["<Proxy https://cas1.contoso.test>", "ProxySet timeout=3600", "</Proxy>"]},
    {"inside": ["EASCertAuth On", PASS + " upgrade=NONE"]},
    {"inside": ["EASCertAuth On", "EASCertAuth Off", "ProxyPass http://cas1.contoso.test"]},
    {"inside": ["EASCertAuth On"], "after": [
        "ProxyPass %s %s timeout=3600" % (PATH, EAS)]},
    # The first that fits is mod_proxy's choice; the other one never sees the phones.
    {"section": "<Location /Microsoft-Server-ActiveSync>", "inside": ["EASCertAuth On"], "after": [
        "ProxyPass %s %s timeout=3600" % (PATH, EAS), "ProxyPass / http://127.0.0.1:8080/"]},
    {"after": ["ProxyPass / http://127.0.0.1:8080/"]},
    {"after": ["CacheEnable disk /static"]},
    {"main": ["CacheEnable disk http://www.contoso.test/static"]},
    {"after": ["SSLProxyCheckPeerCN off", "SSLProxyCheckPeerName on"]},
    {"section": None, "end": ["<IfModule ssl_module>", SECTION, *INSIDE, "</LocationMatch>",
                              "</IfModule>"]},
    {"main": ["<VirtualHost *:80>", "ServerName www.contoso.test", "</VirtualHost>"],
     "section": None, "end": [SECTION, *INSIDE, "</LocationMatch>"]},
    # Nothing is protected: nothing of this is our business.
    {"section": None, "main": ["ProxyRequests On", "SSLProxyVerify none", "CacheEnable disk /"],
     "vhost": ["SSLEngine off", "EASCertAuthKeytab /nonexistent"]},
])
def test_nothing_to_say(site, change):
    for name, value in change.items():
        setattr(site, name, value)
    assert site.configtest() == (0, "Syntax OK\n")


def test_dump_is_not_in_the_way(site):
    """`apachectl -S` shows a configuration, however wrong it is."""
    replace(site.vhost, "EASCertAuthKeytab {folder}/keytab", "EASCertAuthKeytab /nonexistent")
    site.inside = ["EASCertAuth On", "ProxyPass http://cas1.contoso.test"]
    site.write()
    done = subprocess.run([module.program(), "-f", site.conf, "-S"], env=site.env,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "EAS" not in done.stdout + done.stderr


def test_everything_at_once(site):
    """All errors come in one run, not only the first."""
    replace(site.vhost, "SSLVerifyClient optional")
    replace(site.vhost, "SSLProxyVerify require", "SSLProxyVerify none")
    replace(site.vhost, "EASCertAuthKeytab {folder}/keytab", "EASCertAuthKeytab {folder}/none")
    site.inside = ["EASCertAuth On", "AuthType Basic", "ProxyPass http://cas1.contoso.test"]
    status, output = site.configtest()
    assert status == 1
    assert [m["number"] for m in messages(output)] == [
        "EAS0006", "EAS0011", "EAS0013", "EAS0044", "EAS0017", "EAS0003"]


# ---- one directive that is wrong -----------------------------------------------------------------

def wrong(number, where, line, todo, names=None, more="", instead=None):
    """One case: this line at this place (instead of another one) is what is named."""
    scope = {"main": " in the main server", "vhost": " in <VirtualHost *:443>",
             "after": " in <VirtualHost *:443>"}
    names = names or line.replace('"', "")
    if where == "inside":
        names += (" in <LocationMatch (?i)^/Microsoft-Server-ActiveSync/?$> of"
                  " <VirtualHost *:443>")
    return pytest.param(where, line, instead, Said(number, line, names + scope.get(where, ""), todo,
                                                   more), id="%s-%s-%s" % (number, where, line))


def worker(number, line, todo, names=None, more=""):
    """The same for the ProxyPass of the Location."""
    return wrong(number, "inside", line, todo, names or " ".join(line.split()[:2]), more, PASS)


@pytest.mark.parametrize("where, line, instead, said", [
    wrong("EAS0005", "vhost", "SSLEngine off", "SSLEngine on", instead="SSLEngine on"),
    wrong("EAS0005", "vhost", "SSLEngine optional", "SSLEngine on", instead="SSLEngine on"),
    wrong("EAS0006", "vhost", "SSLVerifyClient none", "SSLVerifyClient optional",
          instead="SSLVerifyClient optional"),
    wrong("EAS0007", "vhost", "SSLVerifyClient optional_no_ca", "SSLVerifyClient optional",
          instead="SSLVerifyClient optional"),
    wrong("EAS0007", "inside", "SSLVerifyClient optional_no_ca", "SSLVerifyClient optional"),
    wrong("EAS0008", "main", "SSLOptions +FakeBasicAuth", "remove FakeBasicAuth"),
    wrong("EAS0008", "vhost", "SSLOptions StdEnvVars FakeBasicAuth", "remove FakeBasicAuth"),
    wrong("EAS0008", "inside", "SSLOptions +StdEnvVars +FakeBasicAuth", "remove FakeBasicAuth"),
    wrong("EAS0009", "vhost", "SSLUserName SSL_CLIENT_S_DN_CN", "remove SSLUserName"),
    wrong("EAS0009", "inside", "SSLUserName SSL_CLIENT_S_DN_CN", "remove SSLUserName"),
    wrong("EAS0010", "inside", "Satisfy Any", "remove Satisfy Any"),
    wrong("EAS0011", "inside", "AuthType Basic", "remove AuthType"),
    wrong("EAS0012", "inside", "CacheEnable disk", "remove CacheEnable"),
    wrong("EAS0012", "main", "CacheEnable disk /", "remove CacheEnable"),
    wrong("EAS0012", "vhost", "CacheEnable disk /microsoft-server", "remove CacheEnable"),
    wrong("EAS0012", "vhost", "CacheEnable disk " + PATH, "remove CacheEnable"),
    wrong("EAS0012", "vhost", "CacheEnable disk http://", "remove CacheEnable"),
    worker("EAS0013", "ProxyPass http://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass ws://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass wss://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass ajp://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass h2://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass fcgi://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0013", "ProxyPass unix:/x.sock|https://cas1.contoso.test timeout=3600", "https://"),
    worker("EAS0014", PASS + " upgrade=ANY", "remove upgrade=", more="upgrade=ANY"),
    worker("EAS0014", PASS + " upgrade=websocket", "remove upgrade=", more="upgrade=websocket"),
    wrong("EAS0015", "main", "ProxyRequests On", "ProxyRequests Off"),
    wrong("EAS0015", "vhost", "ProxyRequests On", "ProxyRequests Off"),
    wrong("EAS0016", "vhost", "SSLProxyEngine off", "SSLProxyEngine on",
          instead="SSLProxyEngine on"),
    wrong("EAS0017", "vhost", "SSLProxyVerify none", "SSLProxyVerify require",
          instead="SSLProxyVerify require"),
    wrong("EAS0017", "vhost", "SSLProxyVerify optional", "SSLProxyVerify require",
          instead="SSLProxyVerify require"),
    wrong("EAS0017", "vhost", "SSLProxyVerify optional_no_ca", "SSLProxyVerify require",
          instead="SSLProxyVerify require"),
    wrong("EAS0018", "vhost", "SSLProxyCheckPeerName off", "remove the directive"),
    wrong("EAS0018", "main", "SSLProxyCheckPeerExpire off", "remove the directive"),
    # mod_ssl then checks no name at all, unless SSLProxyCheckPeerName On is written out.
    wrong("EAS0018", "vhost", "SSLProxyCheckPeerCN off", "remove the directive"),
    worker("EAS0024", "ProxyPass https://$1.contoso.test timeout=3600", "full host name"),
    wrong("EAS0041", "inside", "SSLVerifyClient require", "outside of every Location"),
    wrong("EAS0042", "vhost", "SSLCARevocationCheck none", "SSLCARevocationCheck leaf",
          instead="SSLCARevocationCheck leaf"),
    worker("EAS0044", BARE, "timeout=3600", more="60 s by Timeout"),
    worker("EAS0044", "ProxyPass https://cas1.contoso.test timeout=3599", "timeout=3600",
           more="3599 s by timeout="),
    worker("EAS0045", PASS + " ping=5", "remove ping=", more="ping=5"),
    wrong("EAS0046", "inside", "ProxyErrorOverride On", "ProxyErrorOverride Off"),
    wrong("EAS0046", "vhost", "ProxyErrorOverride On 500 503", "ProxyErrorOverride Off"),
    wrong("EAS0046", "main", "ProxyErrorOverride On", "ProxyErrorOverride Off"),
    wrong("EAS0047", "inside", "SetInputFilter DEFLATE", "remove the filter"),
    wrong("EAS0047", "inside", "SetOutputFilter DEFLATE", "remove the filter"),
    wrong("EAS0047", "inside", "AddOutputFilterByType DEFLATE text/html", "remove the filter"),
    wrong("EAS0047", "inside", 'Substitute "s/a/b/"', "remove the filter"),
    wrong("EAS0047", "inside", "FilterChain +x", "remove the filter"),
    wrong("EAS0048", "after", "ProxyPass /eas " + EAS.lower(), "EASCertAuth On",
          "ProxyPass /eas " + EAS.lower(), "(?i)^/Microsoft-Server-ActiveSync/?$"),
    wrong("EAS0048", "main", "ProxyPass / https://CAS1.contoso.test:443/ nocanon", "EASCertAuth On",
          "ProxyPass / https://CAS1.contoso.test:443/"),
    worker("EAS0050", "ProxyPass %s$1 timeout=3600" % EAS, "without a path in a LocationMatch"),
])
def test_wrong(site, where, line, instead, said):
    lines = getattr(site, where)
    if instead:
        replace(lines, instead, line)
    else:
        lines.insert(0, line)
    check(site, said)


@pytest.mark.parametrize("left_out, number, names, todo", [
    ("SSLEngine on", "EAS0005", "no SSLEngine in <VirtualHost *:443>, which serves <LocationMatch ",
     "SSLEngine on"),
    ("SSLVerifyClient optional", "EAS0006",
     "no SSLVerifyClient in <VirtualHost *:443>, which serves", "SSLVerifyClient optional"),
    ("SSLProxyEngine on", "EAS0016", "no SSLProxyEngine in <VirtualHost *:443>",
     "SSLProxyEngine on"),
    ("SSLProxyVerify require", "EAS0017", "no SSLProxyVerify in <VirtualHost *:443>",
     "SSLProxyVerify require"),
    ("SSLProxyCACertificateFile {folder}/ca.pem", "EAS0023",
     "no SSLProxyCACertificateFile in <VirtualHost *:443>", "SSLProxyCACertificateFile"),
    ("SSLCARevocationFile {folder}/crl.pem", "EAS0042",
     "no SSLCARevocationFile in <VirtualHost *:443>", "SSLCARevocationFile"),
    ("SSLCARevocationCheck leaf", "EAS0042", "no SSLCARevocationCheck in <VirtualHost *:443>",
     "SSLCARevocationCheck leaf"),
])
def test_missing(site, left_out, number, names, todo):
    """What is not there is missed at the virtual host."""
    replace(site.vhost, left_out)
    check(site, Said(number, "<VirtualHost *:443>", names, todo))


def test_sessions_that_outlive_a_reload(site):
    put(site, "ticket.key", 0o600, "x" * 48)
    key = "SSLSessionTicketKeyFile {folder}/ticket.key"
    said = Said("EAS0058", key, key + " in <VirtualHost", "SSLSessionCache shmcb")
    site.vhost.append(key)
    check(site, said)
    site.vhost.append("SSLSessionTickets off")
    assert site.configtest() == (0, "Syntax OK\n")
    cache = "SSLSessionCache dbm:{folder}/sessions"
    site.main = [site.load("socache_dbm").rstrip(), cache]
    check(site, Said("EAS0058", cache, cache + " in the main server", "SSLSessionCache shmcb"))
    for kind in ("none", "nonenotnull", "shmcb:{folder}/x(512000)"):
        site.main = ["SSLSessionCache " + kind]
        assert site.configtest() == (0, "Syntax OK\n")


@pytest.mark.parametrize("number, name", [("EAS0019", "proxy_http"), ("EAS0043", "reqtimeout")])
def test_module_not_loaded(site, number, name):
    site.without = (name,)
    check(site, Said(number, SECTION, "%s, which needs mod_%s.c" % (SHOWN, name), "mod_" + name))


def test_neither_proxy_nor_tls_loaded(site):
    """Without those modules their directives cannot be written, and are not asked for."""
    site.without = ("proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests", "ssl")
    site.vhost = [line for line in site.vhost if not line.startswith("SSL")]
    site.inside = ["EASCertAuth On"]
    check(site, *[Said("EAS0019", SECTION, "%s, which needs mod_%s.c" % (SHOWN, name), "LoadModule")
                  for name in ("ssl", "proxy", "proxy_http")])


# ---- where things stand --------------------------------------------------------------------------

@pytest.mark.parametrize("where, opening", [
    ("end", "<Directory />"), ("end", "<DirectoryMatch />"), ("end", "<Files x>"),
    ("end", "<FilesMatch x>"), ("end", '<If "true">'), ("after", '<If "true">'),
    ("inside", '<If "true">'), ("inside", "<Limit GET>"), ("inside", "<LimitExcept GET>"),
    ("end", "<Proxy *>"), ("end", "<ProxyMatch ^https:>")])
@pytest.mark.parametrize("line", [
    "EASCertAuth  Off", "EASCertAuthMap  SID", "EASCertAuthStrongMapping  On",
    "EASCertAuthEKU  1.2.3", "EASCertAuthReadAhead  1M", "EASCertAuthProtocol  Any",
    "EASCertAuthCommands  Sync", "EASCertAuthUserMatch  On", "EASCertAuthNTAuth  Off",
    "EASCertAuthChannelBinding  Off", "EASCertAuthAccountLimit  requests=5"])
def test_location_directive_refused_elsewhere(site, where, opening, line):
    getattr(site, where).extend([opening, line, "</" + opening[1:].split(" ")[0] + ">"])
    status, output = site.configtest()
    assert status == 1
    assert "line %d of %s" % (site.line_of(line), site.conf) in output
    assert re.search(r"EAS0002: %s cannot occur within <\w+>[\w <>/]* section; put it in a "
                     "<Location>" % line.split()[0], output), output


@pytest.mark.parametrize("line, number", [
    ("Satisfy  Any", "EAS0010"), ("AuthType  Basic", "EAS0011"),
    ("SSLOptions  +FakeBasicAuth", "EAS0008"), ("SetOutputFilter  DEFLATE", "EAS0047"),
    ("SSLVerifyClient  require", "EAS0041")])
@pytest.mark.parametrize("place", ["limit", "if", "above", "later", "same"])
def test_seen_from_every_section_that_is_merged(site, line, number, place):
    """Sections inside of the Location, and Locations that httpd merges with it."""
    site.section = "<Location /Microsoft-Server-ActiveSync>"
    site.inside[1] = "ProxyPass %s timeout=3600" % EAS
    if place in ("limit", "if"):
        opening, closing = {"limit": ("<Limit POST>", "</Limit>"),
                            "if": ('<If "true">', "</If>")}[place]
        site.inside += [opening, line, closing]
    else:
        # An expression covers a path for certain only if it is the same text.
        above = {"above": "<Location />", "later": '<LocationMatch "%s">' % PATH,
                 "same": '<Location "%s/">' % PATH}[place]
        there = site.main if place == "above" else site.after
        there += [above, line, "</" + above[1:].split(" ")[0] + ">"]
    check(site, Said(number, line, " ".join(line.split()), ""))


def test_section_of_the_main_server(site):
    """It applies to every virtual host; those that speak TLS are looked at."""
    site.section = None
    site.end = [SECTION, *INSIDE, "</LocationMatch>", "<VirtualHost *:444>", "SSLEngine on",
                "SSLVerifyClient  none", "SSLCARevocationFile  {folder}/crl.pem",
                "SSLCARevocationCheck  leaf", "SSLProxyEngine  on", "SSLProxyVerify  require",
                "SSLProxyCACertificateFile  {folder}/ca.pem", "EASCertAuthKeytab  {folder}/keytab",
                "</VirtualHost>", "<VirtualHost *:80>", "ServerName www.contoso.test",
                "</VirtualHost>"]
    check(site, Said("EAS0006", "SSLVerifyClient  none",
                     "SSLVerifyClient none in <VirtualHost *:444>", "SSLVerifyClient optional"))


def test_section_of_a_main_server_without_tls(site):
    site.section = None
    replace(site.vhost, "SSLEngine on")
    site.main = [line.replace(" ", "  ", 1) for line in VHOST[2:]]
    site.end = [SECTION, *INSIDE, "</LocationMatch>"]
    check(site, Said("EAS0005", SECTION, "no SSLEngine in the main server, which serves " + SHOWN,
                     "SSLEngine on"))


def test_directives_of_the_main_server_hold_in_virtual_hosts(site):
    site.main = [line for line in VHOST if line != "ServerName mail.contoso.test"]
    site.vhost = []
    assert site.configtest() == (0, "Syntax OK\n")
    site.vhost = ["SSLProxyVerify  none", "SSLProxyEngine  off"]
    check(site, Said("EAS0017", "SSLProxyVerify  none", "SSLProxyVerify none in", "require"),
          Said("EAS0016", "SSLProxyEngine  off", "SSLProxyEngine off in", "SSLProxyEngine on"))


def test_one_line_for_many_servers(site):
    """A directive of the main server is named once, not once for each virtual host."""
    again = ["<VirtualHost *:444>", "SSLEngine on", *VHOST[2:], SECTION, *INSIDE,
             "</LocationMatch>", "</VirtualHost>"]
    site.main = ["ProxyRequests On"]
    site.end = again
    check(site, Said("EAS0015", "ProxyRequests On", "ProxyRequests On in the main server",
                     "ProxyRequests Off"))


def test_macro_and_include(site):
    """Two servers that are made by the same lines are two servers."""
    path = put(site, "site.inc", 0o644, "\n".join([
        "<VirtualHost *:444>", "SSLEngine on", SECTION, "EASCertAuth On",
        "ProxyPass https://cas1.contoso.test timeout=3600", "</LocationMatch>",
        "Include ${part}", "</VirtualHost>", ""]))
    rest = [line.replace("{folder}", site.folder) for line in VHOST[3:]]
    good = put(site, "good.inc", 0o644, "\n".join(["SSLVerifyClient optional", *rest, ""]))
    bad = put(site, "bad.inc", 0o644, "\n".join(["SSLVerifyClient none", *rest, ""]))
    site.end = ["<Macro one $part $port>", "<VirtualHost *:$port>", "SSLEngine on", SECTION,
                *INSIDE, "</LocationMatch>", "Include $part", "</VirtualHost>", "</Macro>",
                "Use one %s 445" % good, "Use one %s 446" % bad, "Define part " + good,
                "Include " + path, "Define part " + bad, "Include " + path]
    status, output = site.configtest()
    found = messages(output)
    assert status == 1
    assert [(m["number"], m["file"], m["line"]) for m in found] == [("EAS0006", bad, "1")] * 2
    assert [re.search(r"<VirtualHost \*:(\d+)>", m["subject"]).group(1) for m in found] \
        == ["446", "444"]


# ---- workers, wherever they are named ------------------------------------------------------------

BALANCER = ["<Proxy balancer://exchange>",
            "BalancerMember https://cas1.contoso.test timeout=3600",
            "BalancerMember http://cas2.contoso.test timeout=3600", "</Proxy>"]
HTTP2 = "BalancerMember http://cas2.contoso.test"


@pytest.mark.parametrize("inside, extra, said", [(one[0], one[1], one[2:]) for one in [
    (["ProxyPass balancer://exchange timeout=3600"], {"main": BALANCER},
     Said("EAS0013", BALANCER[2], HTTP2 + " in <Proxy balancer://exchange>", "https://")),
    (["ProxyPass balancer://exchange"], {"after": BALANCER},
     Said("EAS0013", BALANCER[2], HTTP2 + " in <Proxy balancer://exchange> of <VirtualHost *:443>",
          "https://")),
    (["ProxyPass BALANCER://Exchange/x"],
     {"main": ["BalancerMember balancer://exchange http://cas2.contoso.test timeout=3600"]},
     Said("EAS0013", "BalancerMember balancer://exchange http://cas2.contoso.test timeout=3600",
          "BalancerMember balancer://exchange http://cas2.contoso.test in the main server",
          "https://")),
    (["ProxyPass balancer://exchange timeout=3600"],
     {"main": [*BALANCER[:1], "BalancerMember https://cas1.contoso.test", "</Proxy>"]},
     Said("EAS0044", "BalancerMember https://cas1.contoso.test",
          "BalancerMember https://cas1.contoso.test in <Proxy", "timeout=3600", "60 s by Timeout")),
    (["ProxyPass balancer://exchange"], {},
     Said("EAS0022", "ProxyPass balancer://exchange", "ProxyPass balancer://exchange in",
          "ProxyPass", "the balancer has no BalancerMember")),
    (['SetHandler "proxy:http://cas1.contoso.test"'], {"main": ["ProxyTimeout 3600"]},
     Said("EAS0013", 'SetHandler "proxy:http://cas1.contoso.test"',
          "SetHandler proxy:http://cas1.contoso.test in <LocationMatch", "https://")),
    (["RewriteEngine On", "RewriteRule ^ http://cas1.contoso.test/x [NE,P,L]"],
     {"main": ["ProxyTimeout 3600"]},
     Said("EAS0013", "RewriteRule ^ http://cas1.contoso.test/x [NE,P,L]",
          "RewriteRule ^ http://cas1.contoso.test/x [NE,P,L] in <LocationMatch", "https://")),
    (["ProxyPassMatch http://cas1.contoso.test timeout=3600"], {},
     Said("EAS0013", "ProxyPassMatch http://cas1.contoso.test timeout=3600",
          "ProxyPassMatch http://cas1.contoso.test in", "https://")),
    ([], {"vhost": [*VHOST, "ProxyPass  / http://127.0.0.1:8080/ timeout=3600"]},
     Said("EAS0013", "ProxyPass  / http://127.0.0.1:8080/ timeout=3600",
          "ProxyPass / http://127.0.0.1:8080/ in <VirtualHost *:443>", "https://"),
     Said("EAS0048", "ProxyPass  / http://127.0.0.1:8080/ timeout=3600",
          "ProxyPass / http://127.0.0.1:8080/ in <VirtualHost *:443>", "EASCertAuth On")),
    ([], {"vhost": [*VHOST, "ProxyPass  ~ ^/micro http://127.0.0.1:8080/ timeout=3600"]},
     Said("EAS0013", "ProxyPass  ~ ^/micro http://127.0.0.1:8080/ timeout=3600",
          "ProxyPass ~ ^/micro http://127.0.0.1:8080/ in <VirtualHost *:443>", "https://")),
    ([], {"main": ["ProxyPassMatch  (?i)^/Microsoft-Server-ActiveSync(.*) http://c.contoso.test/"
                   " timeout=3600"]},
     Said("EAS0013", "ProxyPassMatch  (?i)^/Microsoft-Server-ActiveSync(.*) http://c.contoso.test/"
          " timeout=3600", "ProxyPassMatch (?i)^/Microsoft-Server-ActiveSync(.*) "
          "http://c.contoso.test/ in the main server", "https://")),
    ([], {"after": ["<Location /Microsoft-Server-ActiveSync>",
                    "ProxyPass  http://127.0.0.1:8080/ timeout=3600", "</Location>"]},
     Said("EAS0013", "ProxyPass  http://127.0.0.1:8080/ timeout=3600",
          "ProxyPass http://127.0.0.1:8080/ in <Location /Microsoft-Server-ActiveSync>",
          "https://")),
    ([PASS], {"main": ["<Proxy https://cas1.contoso.test>", "ProxySet ping=3", "</Proxy>"]},
     Said("EAS0045", PASS, "ProxyPass https://cas1.contoso.test in", "remove ping=", "ping=3")),
    ([PASS], {"after": ["ProxySet https://cas1.contoso.test ping=3"]},
     Said("EAS0045", PASS, "ProxyPass https://cas1.contoso.test in", "remove ping=", "ping=3")),
    ([PASS], {"main": ["<Proxy https://cas1.contoso.test retry=1 upgrade=ANY>", "</Proxy>"]},
     Said("EAS0014", PASS, "ProxyPass https://cas1.contoso.test in", "remove upgrade=",
          "upgrade=ANY")),
    ([PASS], {"main": ["<Proxy *>", "SSLProxyVerify  none", "</Proxy>"]},
     Said("EAS0017", "SSLProxyVerify  none", "SSLProxyVerify none in <Proxy *>", "require")),
    ([PASS], {"after": ["<Proxy *>", "SSLProxyCheckPeerName off", "</Proxy>"]},
     Said("EAS0018", "SSLProxyCheckPeerName off", "SSLProxyCheckPeerName off in <Proxy *> of "
          "<VirtualHost *:443>", "remove")),
    ([PASS], {"after": ["<Proxy *>", "SSLProxyCheckPeerCN off", "</Proxy>"]},
     Said("EAS0018", "SSLProxyCheckPeerCN off", "SSLProxyCheckPeerCN off in <Proxy *>", "remove")),
]])
def test_worker(site, inside, extra, said):
    site.inside = ["EASCertAuth On", *inside]
    for name, value in extra.items():
        setattr(site, name, value)
    check(site, *said)


def test_proxy_engine_of_a_proxy_section(site):
    replace(site.vhost, "SSLProxyEngine on")
    site.after = ["<Proxy https://cas1.contoso.test>", "SSLProxyEngine on", "</Proxy>"]
    assert site.configtest() == (0, "Syntax OK\n")


@pytest.mark.parametrize("section, inside, more", [
    (SECTION, ["EASCertAuth On"], ""),
    (SECTION, ["EASCertAuth On", "ProxyPass !"], ""),
    (SECTION, ["EASCertAuth On", "SetHandler server-status"], ""),
])
def test_not_proxied(site, section, inside, more):
    site.section, site.inside = section, inside
    check(site, Said("EAS0022", section, section.replace('"', ""), "write ProxyPass", more))


def test_rewriting_server_may_proxy(site):
    site.inside = ["EASCertAuth On"]
    site.after = ["RewriteEngine On", "RewriteRule (.*) https://cas1.contoso.test$1 [P]"]
    assert site.configtest() == (0, "Syntax OK\n")


def test_expression_that_mod_proxy_takes_for_a_path(site):
    site.section = '<LocationMatch "^/Microsoft-Server-ActiveSync$">'
    check(site, Said("EAS0022", PASS, "ProxyPass https://cas1.contoso.test in <LocationMatch",
                     "write ProxyPass", "end it in (/.*)?$"))


def test_password_of_a_url_is_not_shown(site):
    line = "ProxyPass http://user:hidden@cas1.contoso.test timeout=3600 secret=hidden"
    replace(site.inside, PASS, line)
    output = check(site, Said("EAS0013", line, "ProxyPass http://cas1.contoso.test in", "https://"))
    assert "hidden" not in output


def test_controls_do_not_reach_the_terminal(site):
    line = 'CacheEnable disk "/Microsoft-Server-ActiveSync\x1b[2J"'
    site.main = [line]
    site.section = "<Location /Microsoft-Server-ActiveSync>"
    site.inside[1] = "ProxyPass %s timeout=3600" % EAS
    output = check(site, Said("EAS0012", line, "CacheEnable disk %s\\x1b[2J" % PATH,
                              "remove CacheEnable"))
    assert "\x1b" not in output


# ---- other ways to the same virtual directory ----------------------------------------------------

@pytest.mark.parametrize("change, at", [
    ({"after": ["<Location /other>", "ProxyPass  " + EAS, "</Location>"]}, "ProxyPass  " + EAS),
    ({"after": ["<Location /other>", "EASCertAuth Off", "ProxyPass  " + EAS + "/Proxy",
                "</Location>"]}, "ProxyPass  " + EAS + "/Proxy"),
    ({"main": ["<Location /other>", "ProxyPass  https://cas1.contoso.test/", "</Location>"]},
     "ProxyPass  https://cas1.contoso.test/"),
    ({"after": ["ProxyPassMatch ^/o(.*)$ " + EAS + "$1"]}, "ProxyPassMatch ^/o(.*)$ " + EAS + "$1"),
    # A section with a path has a case, IIS has none: /microsoft-server-activesync goes past it.
    ({"section": "<Location /Microsoft-Server-ActiveSync>", "inside": ["EASCertAuth On"],
      "after": ["ProxyPass / https://cas1.contoso.test/ timeout=3600"]},
     "ProxyPass / https://cas1.contoso.test/ timeout=3600"),
    # Off for a part of what is protected, or for all of it.
    ({"after": ["<Location /Microsoft-Server-ActiveSync>", "EASCertAuth  Off", "</Location>"]},
     "EASCertAuth  Off"),
    ({"after": ["<Location />", "EASCertAuth  Off", "</Location>"]}, "EASCertAuth  Off"),
    ({"inside": ["EASCertAuth On", "ProxyPass balancer://x/Microsoft-Server-ActiveSync$1"],
      "after": ["ProxyPass /o balancer://X/", "<Proxy balancer://x>",
                "BalancerMember https://cas1.contoso.test timeout=3600", "</Proxy>"]},
     "ProxyPass /o balancer://X/"),
])
def test_twin(site, change, at):
    for name, value in change.items():
        setattr(site, name, value)
    check(site, Said("EAS0048", at, " ".join(at.split()[:2]), "put EASCertAuth On there"))


@pytest.mark.parametrize("change", [
    {"section": '<LocationMatch "(?i)^/Microsoft-Server-ActiveSync(/.*)?">',
     "after": ["ProxyPass / https://cas1.contoso.test/"]},
    {"main": ["<Location />", "EASCertAuth Off", "</Location>"]},
    {"after": ["<Location /Microsoft-Server-ActiveSync/x>", "EASCertAuth Off", "ProxyPass !",
               "</Location>"]},
    {"after": ["<Location /other>", "EASCertAuth On", "EASCertAuthProtocol Any",
               "ProxyPass " + EAS, "</Location>"]},
    {"after": ["<Location /other>", "ProxyPass https://cas1.contoso.test/Microsoft-Server",
               "</Location>", "ProxyPass /x https://cas2.contoso.test" + PATH]},
])
def test_no_twin(site, change):
    for name, value in change.items():
        setattr(site, name, value)
    assert site.configtest() == (0, "Syntax OK\n")


# ---- files ---------------------------------------------------------------------------------------

KEYTAB = "EASCertAuthKeytab {folder}/keytab"


def user_text():
    return "user %s (uid %d)" % (service_user(), owner()[0])


def test_keytab_missing(site):
    os.unlink(site.folder + "/keytab")
    check(site, Said("EAS0003", KEYTAB, KEYTAB + " in <VirtualHost *:443>",
                     "name an existing keytab",
                     "No such file or directory at {folder}/keytab for " + user_text()))


@pytest.mark.parametrize("mode, user, group", [
    (0o600, "root", "root"), (0o060, "USER", None), (0o640, "root", "root"), (0o400, "root", None)])
def test_keytab_unreadable(site, mode, user, group):
    put(site, "keytab", mode, user=service_user() if user == "USER" else user, group=group)
    check(site, Said("EAS0003", KEYTAB, KEYTAB, "chown root:GROUP and chmod 0640",
                     "Permission denied at {folder}/keytab for " + user_text()))


@pytest.mark.parametrize("mode, user, group", [
    (0o400, "USER", "root"), (0o440, "root", None), (0o600, "USER", None)])
def test_keytab_readable(site, mode, user, group):
    put(site, "keytab", mode, user=service_user() if user == "USER" else user, group=group)
    assert site.configtest() == (0, "Syntax OK\n")


def test_keytab_in_a_directory_that_is_closed(site):
    os.mkdir(site.folder + "/closed", 0o700)
    os.rename(site.folder + "/keytab", site.folder + "/closed/keytab")
    line = "EASCertAuthKeytab {folder}/closed/keytab"
    replace(site.vhost, KEYTAB, line)
    check(site, Said("EAS0003", line, line, "chmod 0640",
                     "Permission denied at {folder}/closed for"))


def test_keytab_behind_a_link_into_a_closed_directory(site):
    os.mkdir(site.folder + "/closed", 0o700)
    os.rename(site.folder + "/keytab", site.folder + "/closed/keytab")
    os.symlink("closed/keytab", site.folder + "/keytab")
    check(site, Said("EAS0003", KEYTAB, KEYTAB, "chmod 0640",
                     "Permission denied at {folder}/keytab"))


def test_keytab_that_is_a_directory(site):
    line = "EASCertAuthKeytab {folder}"
    replace(site.vhost, KEYTAB, line)
    check(site, Said("EAS0003", line, line, "name an existing keytab",
                     "Is a directory at {folder}"))


def test_keytab_of_a_supplementary_group(site):
    """httpd's children have the user's groups from /etc/group beside Group."""
    groups = site.folder + "/group"
    with open("/etc/group", encoding="utf-8") as file:
        text = file.read()
    with open(groups, "w", encoding="utf-8") as file:
        file.write(text + "eas-keys:x:54321:%s\n" % service_user())
    os.chown(site.folder + "/keytab", 0, 54321)
    check(site, Said("EAS0003", KEYTAB, KEYTAB, "chmod 0640", "Permission denied"))
    subprocess.run(["mount", "--bind", groups, "/etc/group"], check=True)
    try:
        assert site.configtest() == (0, "Syntax OK\n")
    finally:
        subprocess.run(["umount", "/etc/group"], check=True)


@pytest.mark.parametrize("mode", [0o644, 0o642])
def test_keytab_exposed(site, mode):
    put(site, "keytab", mode)
    check(site, Said("EAS0004", KEYTAB, KEYTAB, "chmod o-rwx"))


def test_default_keytab(site):
    """Without EASCertAuthKeytab it is krb5's, and judged in the same way."""
    replace(site.vhost, KEYTAB)
    site.env["KRB5_KTNAME"] = "FILE:" + site.folder + "/keytab"
    assert site.configtest() == (0, "Syntax OK\n")
    os.chmod(site.folder + "/keytab", 0o600)
    check(site, Said("EAS0003", SECTION,
                     "no EASCertAuthKeytab for %s, krb5's default is {folder}/keytab" % SHOWN,
                     "name an existing keytab", "Permission denied"))
    site.env["KRB5_KTNAME"] = "MEMORY:nothing"
    assert site.configtest() == (0, "Syntax OK\n")


def test_broken_krb5_conf(site):
    replace(site.vhost, KEYTAB)
    site.env["KRB5_CONFIG"] = put(site, "krb5.conf", 0o644, "[libdefaults\n")
    check(site, Said("EAS0003", SECTION, "no EASCertAuthKeytab for", "name an existing keytab",
                     "mproper format of Kerberos configuration file"))


def test_directory_ca(site):
    line = "EASCertAuthLDAPCA {folder}/dc.pem"
    site.vhost.append(line)
    check(site, Said("EAS0020", line, line + " in <VirtualHost *:443>", "name an existing file",
                     "No such file or directory"))
    put(site, "dc.pem", 0o644)
    assert site.configtest() == (0, "Syntax OK\n")


def test_bind_password(site):
    line = "EASCertAuthLDAPBind simple CN=gw,DC=contoso,DC=test file:{folder}/password"
    site.vhost.append(line)
    check(site, Said("EAS0020", line, line, "chmod 0640", "No such file or directory"))
    put(site, "password", 0o600)
    check(site, Said("EAS0020", line, line, "chmod 0640", "Permission denied at {folder}/password"))
    put(site, "password", 0o644)
    check(site, Said("EAS0004", line, line, "chmod o-rwx"))
    put(site, "password", 0o640)
    assert site.configtest() == (0, "Syntax OK\n")


def test_files_of_two_servers(site):
    """Each server's own files are looked at, and a simple bind may be taken back."""
    site.main = ["EASCertAuthLDAPBind simple CN=gw,DC=contoso,DC=test file:/nonexistent",
                 "EASCertAuthKeytab /nonexistent"]
    site.vhost.append("EASCertAuthLDAPBind gssapi")
    assert site.configtest() == (0, "Syntax OK\n")


SPOOL = "EASCertAuthSpool {folder}/spool 1G"


@pytest.mark.parametrize("make, more", [
    (lambda path: None, "No such file or directory at {folder}/spool"),
    (lambda path: os.mkdir(path, 0o700), "Permission denied at {folder}/spool"),
    (lambda path: open(path, "w", encoding="ascii").close() or os.chmod(path, 0o666),
     "Permission denied at {folder}/spool"),
    (lambda path: open(path, "w", encoding="ascii").close() or os.chmod(path, 0o777),
     "Not a directory at {folder}/spool"),
], ids=["missing", "closed", "file", "program"])
def test_spool(site, make, more):
    make(site.folder + "/spool")
    site.vhost.append(SPOOL)
    check(site, Said("EAS0021", SPOOL, SPOOL + " in <VirtualHost *:443>", "mode 0700", more))


def test_spool_of_the_user(site):
    os.mkdir(site.folder + "/spool", 0o700)
    os.chown(site.folder + "/spool", *owner())
    site.vhost.append(SPOOL)
    assert site.configtest() == (0, "Syntax OK\n")


def test_chroot(site):
    """Files are looked for where httpd's children will look."""
    site.main = ["ChrootDir " + site.folder]
    os.makedirs(site.folder + site.folder)
    check(site, Said("EAS0003", KEYTAB, KEYTAB, "name an existing keytab",
                     "No such file or directory at {folder}{folder}/keytab"))
    os.rename(site.folder + "/keytab", site.folder + site.folder + "/keytab")
    assert site.configtest() == (0, "Syntax OK\n")


# ---- the shared cache ----------------------------------------------------------------------------

REDIS = "EASCertAuthCache redis:cache.contoso.test,[2001:db8::1]:6380"
CACHE_KEY = "EASCertAuthCacheKey {folder}/cache.key"
ONE, TWO = "0123456789abcdefABCDEF" * 2 + "0" * 20, "f" * 64


def test_cache_with_what_it_needs(site):
    site.main = [site.load("socache_redis").strip()]
    site.vhost += [REDIS, CACHE_KEY]
    for text in (ONE, ONE + "\n", "# new\r\n%s\r\n\n# old\n%s\n" % (ONE, TWO)):
        put(site, "cache.key", 0o600, text, group="root")
        assert site.configtest() == (0, "Syntax OK\n")
    for line in ("none", "shmcb", "SHMCB:1M", "shmcb:63M"):
        replace(site.vhost, site.vhost[-2], "EASCertAuthCache " + line)
        assert site.configtest() == (0, "Syntax OK\n")


@pytest.mark.parametrize("name", ["redis", "memcache"])
def test_cache_server_without_a_key(site, name):
    site.main = [site.load("socache_" + name).strip()]
    line = REDIS.replace("redis", name)
    site.vhost += [line]
    check(site, Said("EAS0053", line, line, "EASCertAuthCacheKey"))


@pytest.mark.parametrize("name", ["redis", "memcache"])
def test_module_of_the_cache_server_not_loaded(site, name):
    line = "EASCertAuthCache %s:cache" % name
    site.vhost += [line, CACHE_KEY]
    put(site, "cache.key", 0o600, ONE)
    check(site, Said("EAS0027", line, line, "mod_socache_" + name, "its module is not loaded"))


def test_shared_memory_not_loaded(site):
    site.without = ("socache_shmcb",)
    check(site, Said("EAS0052", "<VirtualHost *:443>",
                     "no EASCertAuthCache in <VirtualHost *:443>, which serves " + SHOWN,
                     "mod_socache_shmcb"))
    site.vhost += ["EASCertAuthCache none"]
    assert site.configtest() == (0, "Syntax OK\n")
    site.vhost[-1:] = ["EASCertAuthCache shmcb"]
    check(site, Said("EAS0027", "EASCertAuthCache shmcb", "EASCertAuthCache shmcb in <Virt",
                     "none", "its module is not loaded"))


@pytest.mark.parametrize("text, wrong", [
    ("", "no key"), ("\n# %s\n" % ONE, "no key"), (ONE[:-1], "64 hexadecimal"),
    (ONE + "0", "64 hexadecimal"), (ONE + " ", "64 hexadecimal"), ("x" + ONE[1:], "64 hexadecimal"),
    ("%s\n%s\n%s" % (ONE, TWO, TWO[::-1]), "more than two"), ("%s\n%s" % (TWO, TWO), "the same"),
    ("%s\n%s" % (TWO, TWO.upper()), "the same"), ("#" * 5000, "too long"),
], ids=itertools.count())
def test_cache_key_malformed(site, text, wrong):
    site.vhost += [CACHE_KEY]
    put(site, "cache.key", 0o600, text)
    output = check(site, Said("EAS0028", CACHE_KEY, CACHE_KEY, "openssl rand -hex 32", wrong))
    assert not re.search("[0-9a-fA-F]{16}", output)


def test_cache_key_missing_or_exposed(site):
    site.vhost += [CACHE_KEY]
    check(site, Said("EAS0028", CACHE_KEY, CACHE_KEY, "openssl rand -hex 32", "No such file"))
    for mode in (0o644, 0o602):
        put(site, "cache.key", mode, ONE)
        check(site, Said("EAS0004", CACHE_KEY, CACHE_KEY, "chmod o-rwx"))


# ---- values --------------------------------------------------------------------------------------

@pytest.mark.parametrize("where, line, todo", [
    ("inside", "EASCertAuthMap Kerberos", "SID AltSecurityIdentities UPN SIDURL RFC822 Subject"),
    ("inside", "EASCertAuthMap UPN UPN", "each method once"),
    ("inside", "EASCertAuthEKU clientAuth", "dotted form"),
    ("inside", "EASCertAuthReadAhead 0", "at least 1"),
    ("inside", "EASCertAuthReadAhead 10M 0", "at least 1"),
    ("inside", "EASCertAuthReadAhead 10X", "like 10M"),
    ("inside", "EASCertAuthAccountLimit requests=0", "requests=N"),
    ("inside", "EASCertAuthAccountLimit requests=1000001", "requests=N"),
    ("inside", "EASCertAuthAccountLimit requests=20 spool=0", "spool=BYTES"),
    ("inside", "EASCertAuthAccountLimit spool=x", "spool=BYTES"),
    ("inside", "EASCertAuthAccountLimit 20", "requests=N"),
    ("inside", "EASCertAuthAccountLimit pings=20", "requests=N"),
    ("inside", "EASCertAuthChannelBinding On", "Auto or Off"),
    ("inside", "EASCertAuthProtocol EWS", "ActiveSync, Autodiscover or Any"),
    ("inside", "EASCertAuthProtocol Any Lax", "Enforce or Log"),
    ("inside", "EASCertAuthProtocol Log", "ActiveSync, Autodiscover or Any"),
    ("inside", "EASCertAuthCommands Sync Synch", "commands of ActiveSync"),
    ("inside", "EASCertAuthCommands Legacy", "commands of ActiveSync"),
    ("inside", "EASCertAuthCommands Sync sync", "each command once"),
    ("inside", "EASCertAuthCommands all Sync", "all alone"),
    ("inside", "EASCertAuthCommands Sync all", "all alone"),
    ("inside", "EASCertAuthSPN cas1.contoso.test", "HTTP/HOST or HTTP/HOST:PORT"),
    ("inside", "EASCertAuthSPN host/cas1.contoso.test", "HTTP/HOST or HTTP/HOST:PORT"),
    ("inside", "EASCertAuthSPN HTTPS/cas1.contoso.test", "HTTP/HOST or HTTP/HOST:PORT"),
    ("inside", "EASCertAuthSPN HTTP/cas1.contoso.test@CONTOSO.TEST", "without a realm"),
    ("inside", 'EASCertAuthSPN "HTTP/cas1 contoso.test"', "HTTP/HOST or HTTP/HOST:PORT"),
    ("inside", "EASCertAuthSPN HTTP/cas1.contoso.test:0", "HTTP/HOST or HTTP/HOST:PORT"),
    ("inside", "EASCertAuthSPN cas1.contoso.test cas1.contoso.test", "HTTP/HOST or"),
    ("inside", "EASCertAuthSPN HTTP/cas1.contoso.test cas1.contoso.test", "as HOST or HOST:PORT"),
    ("inside", "EASCertAuthSPN https://cas1.contoso.test HTTP/x", "as HOST or HOST:PORT"),
    ("inside", "EASCertAuthSPN cas1:https HTTP/x", "as HOST or HOST:PORT"),
    ("vhost", "EASCertAuthLDAPServer dc1.contoso.test", "ldap://HOST"),
    ("vhost", "EASCertAuthLDAPServer ldap://dc1.contoso.test dns", "dns alone"),
    ("vhost", "EASCertAuthLDAPBase contoso.test", "DC=contoso,DC=com"),
    ("vhost", "EASCertAuthLDAPBind simple CN=x", "simple DN file:PATH"),
    ("vhost", "EASCertAuthLDAPBind simple CN=x /etc/password", "simple DN file:PATH"),
    ("vhost", "EASCertAuthLDAPBind anonymous", "simple DN file:PATH"),
    ("vhost", "EASCertAuthSpool /spool 0", "like 1G"),
    ("vhost", "EASCertAuthCache file", "shmcb:SIZE"),
    ("vhost", "EASCertAuthCache shmcb:1023K", "1M to 63M"),
    ("vhost", "EASCertAuthCache shmcb:64M", "1M to 63M"),
    ("vhost", "EASCertAuthCache shmcb:", "1M to 63M"),
    ("vhost", "EASCertAuthCache redis", "redis:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache redis:", "redis:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache redis:cache:0", "redis:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache redis:cache,", "redis:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache redis:cache/x", "redis:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache memcache", "memcache:HOST[:PORT]"),
    ("vhost", "EASCertAuthCache memcache:cache:x", "memcache:HOST[:PORT]"),
    ("vhost", "EASCertAuthCacheTTL account=0", "1 to 86400"),
    ("vhost", "EASCertAuthCacheTTL accounts=5", "account=SECONDS"),
    ("vhost", "EASCertAuthCacheTTL ntauth=0", "ntauth=SECONDS"),
    ("vhost", "EASCertAuthTimeout kdc", "directory=SECONDS"),
    ("vhost", "EASCertAuthRetryAfter never", "1 to 86400"),
    ("vhost", "EASCertAuthStale -1", "0 to 86400"),
])
def test_value(site, where, line, todo):
    """Values are read where they stand: httpd names the place, we the directive and its values."""
    replace(site.vhost, VHOST[-1])
    getattr(site, where).append(line)
    status, output = site.configtest()
    assert status == 1
    assert "Syntax error on line %d of %s" % (site.line_of(line), site.conf) in output
    said = re.search(r"EAS0001: (\w+) '(.*)': write (.*)", output)
    assert said, output
    assert said[1] == line.split()[0] and said[2] in line and todo in said[3]


@pytest.mark.parametrize("line, word, why", [
    ("EASCertAuthKDC dc1.contoso.test:0", "dc1.contoso.test:0", "not of the form"),
    ("EASCertAuthKDC dc1.contoso.test ldap://dc2.contoso.test", "ldap://dc2.contoso.test",
     "not of the form"),
    ("EASCertAuthKDC https://dc1.contoso.test/KdcProxy", "https://dc1.contoso.test/KdcProxy",
     "not of the form"),
    ("EASCertAuthKDC 2001:db8::1", "2001:db8::1", "not of the form"),
    ("EASCertAuthKDC dc1.contoso.test DC1.contoso.test", "DC1.contoso.test", "already"),
    ("EASCertAuthKDC " + " ".join("dc%d" % n for n in range(1, 18)), "dc17", "16 before it"),
])
def test_kdc(site, line, word, why):
    site.vhost.append(line)
    status, output = site.configtest()
    assert status == 1
    assert "Syntax error on line %d of %s" % (site.line_of(line), site.conf) in output
    assert re.search(r"EAS0032: EASCertAuthKDC '%s': .*\(.*%s.*\); write host names" % (
        re.escape(word), why), output), output


def test_kdcs(site):
    site.vhost.append("EASCertAuthKDC dc1.contoso.test dc2:1088 192.0.2.1:88 [2001:db8::1]:88 [::1]")
    assert site.configtest() == (0, "Syntax OK\n")


# ---- Require eas-group -----------------------------------------------------------------------------

GROUP = 'Require eas-group "CN=EAS Users,OU=Groups,DC=contoso,DC=com"'
OTHER = "Require  not  eas-group  CN=x,DC=contoso,DC=com"


@pytest.mark.parametrize("inside", [
    [GROUP], ["<RequireAll>", GROUP, OTHER, "</RequireAll>"],
    [r'Require eas-group "CN=a\, b,DC=c" "cn=x,dc=c"'],
    ["<RequireAll>", "Require all granted", OTHER, "</RequireAll>"],
    ["<RequireAll>", "<RequireNone>", GROUP, "</RequireNone>", "Require all granted",
     "</RequireAll>"],
    ["<Limit POST>", GROUP, "</Limit>"],
    ["AuthMerging And", GROUP], ['<If "true">', GROUP, "</If>"]])
def test_group(site, inside):
    site.inside += inside
    check(site)


@pytest.mark.parametrize("values, wrong", [
    ("", ""), ('""', ""), ("CN=EAS Users,DC=contoso,DC=com", "CN=EAS"),
    (r'"CONTOSO\EAS Users"', r"CONTOSO\\EAS Users"), ('"EAS Users"', "EAS Users"),
    ('"CN=EAS Users"', "CN=EAS Users"), ("DC=contoso,DC=com", "DC=contoso,DC=com"),
    ('"CN=x,DC=c" S-1-5-32-545', "S-1-5-32-545"), ("<SID=S-1-5-32-545>", "<SID=S-1-5-32-545>"),
    ('"CN=x;y,DC=c"', "CN=x;y,DC=c"), ("CN=%s,DC=c" % ("x" * 2048), "CN=" + "x" * 2048)],
    ids=["nothing", "empty", "without-quotes", "netbios", "name", "no-domain", "domain", "second",
         "sid", "two-names", "long"])
@pytest.mark.parametrize("negated", ["", "not "])
def test_no_group(site, values, wrong, negated):
    line = ("Require %seas-group %s" % (negated, values)).rstrip()
    site.inside += ["<RequireAll>", line, "Require all granted", "</RequireAll>"]
    status, output = site.configtest()
    assert status == 1
    assert "line %d of %s" % (site.line_of(line), site.conf) in output
    said = re.search(r"EAS0001: Require eas-group '(.*)': write (.*)", output)
    assert said, output
    assert said[1].startswith(wrong) and 'in quotes, like "CN=EAS Users,DC=' in said[2]


def test_group_by_an_alias(site):
    site.main += ["<AuthzProviderAlias eas-group staff CN=x,DC=contoso,DC=com>",
                  "</AuthzProviderAlias>"]
    status, output = site.configtest()
    assert status == 1
    assert "EAS0001: Require eas-group 'CN=x,DC=contoso,DC=com': write it with Require" in output


@pytest.mark.parametrize("line", [GROUP, OTHER])
@pytest.mark.parametrize("where, opening", [
    ("after", "<Location /owa>"), ("main", "<Location /owa>"), ("end", "<Directory />"),
    ("after", "<Directory />"), ("after", "<Proxy *>"), ("main", '<If "true">'),
    ("after", "<Files x>")])
def test_group_where_nobody_has_one(site, where, opening, line):
    inside = ["<RequireAll>", line, "Require all granted", "</RequireAll>"]
    getattr(site, where).extend([opening, *inside, "</" + opening[1:].rstrip(">").split(" ")[0] + ">"])
    check(site, Said("EAS0025", line, " ".join(line.replace('"', "").split()), "EASCertAuth On"))


def test_group_where_eascertauth_is_off(site):
    site.after += ["<Location /owa>", "EASCertAuth Off", GROUP, "</Location>"]
    check(site, Said("EAS0025", GROUP, GROUP.replace('"', ""), "EASCertAuth On"))


@pytest.mark.parametrize("where, opening", [
    ("after", "<Location />"), ("main", "<Location />"), ("main", SECTION),
    ("after", "<Location %s/x>" % PATH)])
def test_group_in_a_section_that_is_merged(site, where, opening):
    """What EASCertAuth does not let in is refused at run time."""
    site.section = "<Location %s>" % PATH
    site.inside[1] = "ProxyPass %s timeout=3600" % EAS
    getattr(site, where).extend([opening, GROUP, "</" + opening[1:].split(" ")[0].rstrip(">") + ">"])
    check(site)
@pytest.mark.parametrize("first, second, todo", [
    ("EASCertAuthSPN HTTP/a", "EASCertAuthSPN HTTP/b", "one SPN for all hosts in a section"),
    ("EASCertAuthSPN cas1.contoso.test HTTP/a", "EASCertAuthSPN CAS1.contoso.test HTTP/b",
     "each host once in a section"),
    ("EASCertAuthSPN cas1:443 HTTP/a", "EASCertAuthSPN cas1:443 HTTP/a",
     "each host once in a section")])
@pytest.mark.parametrize("section", ["Location", "Proxy"])
def test_two_names_for_one_back_end(site, section, first, second, todo):
    second = second.replace(" ", "  ", 1)
    if section == "Location":
        site.inside += [first, second]
    else:
        site.main = ["<Proxy https://cas1.contoso.test>", first, second, "</Proxy>"]
    status, output = site.configtest()
    assert status == 1
    assert "Syntax error on line %d of %s" % (site.line_of(second), site.conf) in output
    assert re.search(r"EAS0001: EASCertAuthSPN '%s': write %s" % (second.split()[1], todo), output)


@pytest.mark.parametrize("where, opening", [
    ("end", "<Directory />"), ("end", "<Files x>"), ("after", '<If "true">'),
    ("inside", '<If "true">'), ("inside", "<Limit GET>")])
def test_name_where_no_back_end_is(site, where, opening):
    line = "EASCertAuthSPN  HTTP/cas1.contoso.test"
    getattr(site, where).extend([opening, line, "</" + opening[1:].split(" ")[0] + ">"])
    status, output = site.configtest()
    assert status == 1 and "line %d of %s" % (site.line_of(line), site.conf) in output
    assert re.search(r"EAS0035: EASCertAuthSPN cannot occur within <\w+>[\w <>/]* section; put it in "
                     "a <Location>, <LocationMatch>, <Proxy>", output), output


def test_name_outside_of_every_section(site):
    site.vhost.append("EASCertAuthSPN  HTTP/cas1.contoso.test")
    status, output = site.configtest()
    assert status == 1 and "EASCertAuthSPN not allowed in <VirtualHost>" in output


CAS1 = "https://cas1.contoso.test"
NAME = "EASCertAuthSPN  HTTP/outlook.contoso.test"
MEMBERS = ["<Proxy balancer://x>", "BalancerMember %s timeout=3600" % CAS1,
           "BalancerMember https://cas2.contoso.test:8443 timeout=3600", "</Proxy>"]


def names(section, *lines):
    return [section, *lines, "</%s>" % section[1:].split(" ")[0]]


@pytest.mark.parametrize("change", [
    {"inside": [*INSIDE, NAME, "EASCertAuthSPN CAS1.Contoso.Test:443 HTTP/cas1.contoso.test"]},
    {"main": names("<Proxy %s>" % CAS1, NAME)},
    {"main": names("<Proxy *>", NAME)},
    {"main": names("<Proxy proxy:%s>" % CAS1, NAME)},
    {"after": names("<Proxy https://CAS1.contoso.test:443/>", NAME)},
    {"after": names('<ProxyMatch "^https://cas[12]">', NAME)},
    {"main": MEMBERS + names("<Proxy balancer://X>", NAME) + names(
        "<Proxy https://cas2.contoso.test:8443>", "EASCertAuthSPN cas2.contoso.test HTTP/x"),
     "inside": ["EASCertAuth On", "ProxyPass balancer://x",
                "EASCertAuthSPN cas2.contoso.test:8443 HTTP/cas2.contoso.test"]},
    # Where a rule may send requests anywhere nobody can tell.
    {"inside": [*INSIDE, "EASCertAuthSPN cas2 HTTP/x"], "after": [
        "RewriteEngine On", "RewriteRule ^ https://%{ENV:x}/ [P]"]},
])
def test_name_of_a_back_end(site, change):
    for name, value in change.items():
        setattr(site, name, value)
    assert site.configtest() == (0, "Syntax OK\n")


HOST = "EASCertAuthSPN  cas2.contoso.test HTTP/cas2.contoso.test"


@pytest.mark.parametrize("change, said", [
    ({"inside": [*INSIDE, HOST]},
     Said("EAS0055", HOST, HOST.replace("  ", " ") + " in " + SHOWN, "as ProxyPass or Balancer")),
    ({"inside": ["EASCertAuth On", "ProxyPass balancer://x", HOST.replace(".test H", ".test:443 H")],
      "main": MEMBERS},
     Said("EAS0055", HOST.replace(".test H", ".test:443 H"), "EASCertAuthSPN cas2.contoso.test:443",
          "as ProxyPass or BalancerMember has it")),
    ({"main": names("<Proxy %s>" % CAS1, HOST)},
     Said("EAS0055", HOST, HOST.replace("  ", " ") + " in <Proxy %s>" % CAS1, "as ProxyPass")),
    ({"main": names("<Proxy https://cas1.contoso>", NAME)},
     Said("EAS0056", NAME, NAME.replace("  ", " ") + " in <Proxy https://cas1.contoso>",
          "<Proxy URL> with the URL of the ProxyPass, BalancerMember or balancer")),
    ({"after": names("<Proxy balancer://y>", NAME)},
     Said("EAS0056", NAME, NAME.replace("  ", " ") + " in <Proxy balancer://y> of <VirtualHost ",
          "<Proxy URL> with the URL of the ProxyPass, BalancerMember or balancer")),
    ({"after": names('<ProxyMatch "^http:">', NAME)},
     Said("EAS0056", NAME, NAME.replace("  ", " "), "the URL of the ProxyPass")),
    # A back end of somebody else's.
    ({"after": [*OWA[:1], "ProxyPass https://owa.contoso.test", *OWA[2:],
                *names("<Proxy https://owa.contoso.test>", NAME)]},
     Said("EAS0056", NAME, NAME.replace("  ", " "), "the URL of the ProxyPass")),
])
def test_name_of_no_back_end(site, change, said):
    for name, value in change.items():
        setattr(site, name, value)
    check(site, said)


# ---- start ---------------------------------------------------------------------------------------

def said_at_start(site):
    """Numbers on the terminal and in the error log."""
    return ([m["number"] for m in messages(site.startup_output())],
            [entry.number for entry in site.error_log.entries(0)
             if entry.number and int(entry.number[3:]) < 60])


def started(site):
    """Listening is not enough: httpd does that before it has read the configuration again."""
    site.start()
    wait_until(lambda: "resuming normal operations" in site.error_log.text(0), "httpd")


def ended(site):
    wait_until(lambda: not site.running(), "the end of httpd")


def test_start_with_an_error(site):
    replace(site.inside, PASS, "ProxyPass http://cas1.contoso.test timeout=3600")
    site.start(ready=False)
    ended(site)
    assert said_at_start(site) == (["EAS0013"], [])
    assert "Configuration check failed" in site.startup_output()


def test_start_with_a_warning(site):
    """To the terminal first; from the second reading of the configuration to the error log."""
    replace(site.inside, PASS, PASS + " ping=5")
    started(site)
    assert said_at_start(site) == (["EAS0045"], ["EAS0045"])


def test_log_level_hides_nothing(site):
    site.main = ["LogLevel crit"]
    replace(site.inside, PASS, "ProxyPass http://cas1.contoso.test timeout=3600 ping=5")
    status, output = site.configtest()
    assert (status, [m["number"] for m in messages(output)]) == (1, ["EAS0013", "EAS0045"])


def state_of(path):
    info = os.lstat(path)
    return oct(info.st_mode), info.st_uid


def test_default_spool_is_made(site):
    started(site)
    assert state_of(site.folder + "/run/eas_cba") == ("0o40700", owner()[0])


@pytest.mark.parametrize("mode, uid", [(0o755, 0), (0o777, None), (0o500, 0)])
def test_default_spool_is_put_in_order(site, mode, uid):
    path = site.folder + "/run/eas_cba"
    os.mkdir(path)
    os.chown(path, owner()[0] if uid is None else uid, 0)
    os.chmod(path, mode)
    started(site)
    assert state_of(path) == ("0o40700", owner()[0])


def foreign(path):
    os.mkdir(path, 0o700)
    os.chown(path, 54321, 54321)


@pytest.mark.parametrize("make, why", [
    (foreign, "it belongs to another user"),
    (lambda path: os.symlink("/tmp", path), "cannot be opened as a directory"),
    (lambda path: open(path, "w", encoding="ascii").close(), "cannot be opened as a directory"),
], ids=["foreign", "link", "file"])
def test_default_spool_of_somebody_else(site, make, why):
    """Whoever got there first does not get the mails."""
    path = site.folder + "/run/eas_cba"
    make(path)
    before = state_of(path)
    site.start(ready=False)
    ended(site)
    entries = [entry for entry in site.error_log.entries(0) if entry.number == "EAS0021"]
    assert len(entries) == 1 and why in entries[0].line and path in entries[0].line
    assert "mode 0700" in entries[0].line
    assert state_of(path) == before


def test_own_spool_is_left_alone(site):
    path = site.folder + "/spool"
    os.mkdir(path)
    os.chmod(path, 0o1777)
    site.vhost.append(SPOOL)
    started(site)
    assert state_of(path) == ("0o41777", 0)
    assert not os.path.exists(site.folder + "/run/eas_cba")
