# SPDX-License-Identifier: Apache-2.0
"""README's table of mistakes, and its fragments of configuration, asked of `httpd -t`.

Each row of the table is provoked: the message bears its number, names the directive with its value and
the place, and says what the row says. Every number that configtest can give is in the table, so that a
new one without a row fails here. How numbers behave in detail is in test_configtest.py.
"""
import os
import re

import pytest

from lab import module
from lab.process import run
from test_configtest import (  # noqa: F401
    BARE, EAS, PASS, SECTION, VHOST, made, messages, put, replace, site)

README = os.path.join(module.TOP, "README")
REASONS = os.path.join(module.TOP, "mod_eas_cba", "core", "cba_reason.def")
#: Said at start, not by configtest: another mod_proxy than the one compiled against (test_fallback.py).
AT_START = {"EAS0049"}
KEYTAB = "EASCertAuthKeytab {folder}/keytab"


def instead(where, old, new):
    """A line in place of another one, which the message is to point at."""
    def change(site):
        replace(getattr(site, where), old, new)
        return new
    return change


def beside(where, line, *further):
    def change(site):
        put(site, "cache.key", 0o600, "0123456789abcdef" * 4)
        getattr(site, where)[:0] = [line, *further]
        return line
    return change


def beside_location(line):
    """In another Location."""
    def change(site):
        site.after += ["<Location /other>", line, "</Location>"]
        return line
    return change


def ticket_key(site):
    put(site, "ticket.key", 0o600, "x" * 48)
    site.vhost.append("SSLSessionTicketKeyFile {folder}/ticket.key")
    return site.vhost[-1]


def redis(site):
    site.main = [site.load("socache_redis").strip()]
    site.vhost.append("EASCertAuthCache redis:cache")
    return site.vhost[-1]


def proxy_of_nothing(site):
    site.after += ["<Proxy https://cas9.contoso.test>", "EASCertAuthSPN  HTTP/cas9", "</Proxy>"]
    return "EASCertAuthSPN  HTTP/cas9"


def without(line, at="<VirtualHost *:443>"):
    """A line of the virtual host is missing; the message points at the host."""
    def change(site):
        replace(site.vhost, line)
        return at
    return change


def worker(line):
    return instead("inside", PASS, line)


def unloaded(name, at=SECTION):
    def change(site):
        site.without = (name,)
        return at
    return change


def keytab(mode, group=None):
    def change(site):
        put(site, "keytab", mode, group=group)
        return KEYTAB
    return change


def nothing_proxied(site):
    site.inside = ["EASCertAuth On"]
    return SECTION


def elsewhere(line):
    """In a section that is none of a proxy's."""
    def change(site):
        site.after += ["<Directory />", line, "</Directory>"]
        return line
    return change


#: The first column of README's table -> how it is done; the line that the message points at.
MISTAKES = {
    "EASCertAuthMap Kerberos, any unknown word": beside("inside", "EASCertAuthMap Kerberos"),
    "EASCertAuthReadAhead 0, any limit of 0": beside("inside", "EASCertAuthReadAhead 0"),
    "EASCertAuth in <Directory>, <Files>, <If>, <Limit>, <Proxy>": elsewhere("EASCertAuth  On"),
    "EASCertAuthKeytab of a file that is not there": instead(
        "vhost", KEYTAB, "EASCertAuthKeytab {folder}/nothing"),
    "EASCertAuthKeytab of a file that httpd's user cannot read": keytab(0o600, "root"),
    "EASCertAuthKeytab of a file that anybody can read": keytab(0o644),
    "SSLEngine off, or not written": instead("vhost", "SSLEngine on", "SSLEngine off"),
    "SSLVerifyClient none, or not written": without("SSLVerifyClient optional"),
    "SSLVerifyClient optional_no_ca": instead(
        "vhost", "SSLVerifyClient optional", "SSLVerifyClient optional_no_ca"),
    "SSLOptions +FakeBasicAuth": beside("vhost", "SSLOptions +FakeBasicAuth"),
    "SSLUserName": beside("vhost", "SSLUserName SSL_CLIENT_S_DN_CN"),
    "Satisfy Any": beside("inside", "Satisfy Any"),
    "AuthType Basic, or any other": beside("inside", "AuthType Basic"),
    "CacheEnable of a path that is protected": beside("vhost", "CacheEnable disk /"),
    "ProxyPass http:, ws:, wss:, ajp:, fcgi:, h2:, unix:": worker(
        "ProxyPass http://cas1.contoso.test timeout=3600"),
    "upgrade= at the worker": worker(PASS + " upgrade=ANY"),
    "ProxyRequests On": beside("vhost", "ProxyRequests On"),
    "SSLProxyEngine off, or not written": without("SSLProxyEngine on"),
    "SSLProxyVerify none or optional, or not written": instead(
        "vhost", "SSLProxyVerify require", "SSLProxyVerify optional"),
    "SSLProxyCheckPeerName off, or ...CN, ...Expire": beside("vhost", "SSLProxyCheckPeerName off"),
    "mod_ssl, mod_proxy or mod_proxy_http not loaded": unloaded("proxy_http"),
    "EASCertAuthLDAPCA of a file that cannot be read": beside(
        "vhost", "EASCertAuthLDAPCA {folder}/nothing"),
    "EASCertAuthSpool of a directory that cannot be written": beside(
        "vhost", "EASCertAuthSpool {folder}/nothing"),
    "EASCertAuth On in a Location without ProxyPass": nothing_proxied,
    "SSLProxyCACertificateFile not written": without("SSLProxyCACertificateFile {folder}/ca.pem"),
    "ProxyPass https://$1...": worker("ProxyPass https://$1.contoso.test timeout=3600"),
    "Require eas-group where EASCertAuth is not On": beside_location(
        "Require eas-group CN=x,DC=contoso,DC=test"),
    "EASCertAuthCache redis: without its module": beside(
        "vhost", "EASCertAuthCache redis:cache", "EASCertAuthCacheKey {folder}/cache.key"),
    "EASCertAuthCacheKey of a file without keys": beside("vhost", "EASCertAuthCacheKey {folder}/ca.pem"),
    "EASCertAuthKDC of what is no HOST[:PORT]": beside("vhost", "EASCertAuthKDC kdc://dc1"),
    "EASCertAuthSPN in <Directory>, <Files>, <If>, <Limit>": elsewhere("EASCertAuthSPN  HTTP/cas1"),
    "SSLVerifyClient inside of the Location": beside("inside", "SSLVerifyClient require"),
    "SSLCARevocationFile or ...Check not written": without("SSLCARevocationCheck leaf"),
    "mod_reqtimeout not loaded": unloaded("reqtimeout"),
    "timeout= of the worker below 3600": worker(BARE),
    "ping= at the worker": worker(PASS + " ping=5"),
    "ProxyErrorOverride On": beside("vhost", "ProxyErrorOverride On"),
    "SetOutputFilter and the like in the Location": beside("inside", "SetOutputFilter DEFLATE"),
    "a second ProxyPass, unprotected, to the same place": beside("after", "ProxyPass /eas " + EAS),
    "no EASCertAuthCache, and mod_socache_shmcb not loaded": unloaded(
        "socache_shmcb", "<VirtualHost *:443>"),
    "EASCertAuthCache redis: without EASCertAuthCacheKey": redis,
    "EASCertAuthSPN HOST SPN of a HOST that is no back end": beside(
        "inside", "EASCertAuthSPN cas9.contoso.test HTTP/cas9.contoso.test"),
    "EASCertAuthSPN in <Proxy> of what is no back end": proxy_of_nothing,
    "SSLSessionTicketKeyFile": ticket_key,
    "ProxyPass https://HOST/...$1": worker("ProxyPass %s$1 timeout=3600" % EAS),
}


def rows():
    """README's table: (what is written, number, what to write)."""
    with open(README, encoding="utf-8") as file:
        lines = file.read().splitlines()
    begin = next(at for at, line in enumerate(lines)
                 if re.match(r"    written +number +(remedy|write)", line))
    found = []
    for line in lines[begin + 2:]:
        match = re.match(r"    (\S.*?) {2,}(EAS\d{4})  (\S.*)$", line)
        if not match:
            break
        found.append(match.groups())
    return found


def numbers():
    """What configtest can say, from the table of reasons."""
    with open(REASONS, encoding="utf-8") as file:
        return {"EAS" + number for number in re.findall(
            r"^CBA_REASON\(\w+, (00\d\d), 0, ", file.read(), re.M)} - AT_START


def test_table_is_complete():
    table = rows()
    assert {number for _, number, _ in table} == numbers()
    assert sorted(text for text, _, _ in table) == sorted(MISTAKES)


@pytest.mark.parametrize("text, number, todo", rows(), ids=[row[0] for row in rows()])
def test_mistake(site, text, number, todo):
    line = MISTAKES[text](site)
    status, output = site.configtest()
    if number in ("EAS0001", "EAS0002", "EAS0032", "EAS0035"):        # of one directive: httpd says where
        found = re.search(r"Syntax error on line (\d+) of (\S+):\n(EAS\d{4}): (.*)", output)
        assert found, output
        place, said, shown = (found[2], found[1]), found[3], found[4]
    else:
        found = [match for match in messages(output) if match["number"] == number]
        assert len(found) == 1, output
        place, said = (found[0]["file"], found[0]["line"]), number
        shown = found[0].group(0)
        value = " ".join(line.replace("{folder}", site.folder).replace('"', "").split()[:2])
        assert line.startswith("<VirtualHost") or value in found[0]["subject"], output
    assert (place, said) == ((site.conf, str(site.line_of(line))), number), output
    assert todo in shown, output
    error = number < "EAS0041" and number != "EAS0022"
    assert status == int(error) and ("Syntax OK" in output) != error


# ---- fragments -----------------------------------------------------------------------------------

def directives(site):
    """Every directive that httpd knows with the modules of the site."""
    site.write()
    done = run(module.program(), "-f", site.conf, "-L", env=site.env)
    return {line.split()[0] for line in done.stdout.splitlines() if re.match(r"<?[A-Z]\w+>? \(", line)}


def fragments(known):
    """Paragraphs of README in which every line is a directive, a section's end or a continuation."""
    with open(README, encoding="utf-8") as file:
        paragraphs = re.split(r"\n[ \t]*\n|(?<=:)\n(?=    )", file.read())
    for paragraph in paragraphs:
        lines = [line.strip() for line in paragraph.splitlines() if line.startswith("    ")]
        words = [line.split()[0] for line in lines if not line.startswith("</")]
        # A table has columns.
        if lines and len(lines) == len(paragraph.splitlines()) and all(
                word in known or word + ">" in known for word in words) \
                and not any(re.search(r"\S {3,}\S", line.split(" ", 1)[1])
                            for line in lines if " " in line):
            yield lines


def test_fragments(site):
    """Each can be written into a virtual host, or into a protected Location, as it stands; files that it
    names are those of the test."""
    found = list(fragments(directives(site)))
    assert any("EASCertAuth On" in lines for lines in found)
    assert any(lines[0].startswith("LogFormat") for lines in found)
    bare = [line for line in VHOST if not line.startswith("EAS")]
    for lines in found:
        lines = [re.sub(r"(?<=\s)/(?:etc|var)/\S+\.(\w+)", r"{folder}/\1", line) for line in lines]
        said = []
        for vhost, section, inside in ((bare + lines, None, []),
                                       (VHOST + lines, SECTION, ["EASCertAuth On", PASS]),
                                       (VHOST, SECTION, ["EASCertAuth On", PASS, *lines])):
            site.vhost, site.section, site.inside = list(vhost), section, inside
            said.append(site.configtest())
            if said[-1] == (0, "Syntax OK\n"):
                break
        else:
            pytest.fail("%s\n%s" % ("\n".join(lines), said))
