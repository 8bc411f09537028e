# SPDX-License-Identifier: Apache-2.0
"""Ways around the gate that httpd's own machinery offers: other modules that let in, answer,
redirect or send on.  test_request.py has the front door and the first of the side doors."""
import os
import re
import urllib.parse

import pytest

from lab import namespace
from lab.phone import PATH
from shared import (  # noqa: F401
    BACKEND, Strangers, Untouched, bare, cards, logged, phone, place, refused, resting, site,
    standing, untouched)
from test_request import BASIC, no_claim

CAS1 = "https://cas1.contoso.test"
ANY = "EASCertAuthProtocol Any"
ROOT = namespace.WORK + "/bypass"
KEYTAB = namespace.WORK + "/bypass.keytab"


def on(path, *lines):
    """A protected Location without a worker of its own."""
    return ["<Location %s>" % path, "  EASCertAuth On", "  " + ANY, *["  " + one for one in lines],
            "</Location>"]


def later(path, *lines):
    """A section that httpd merges with a protected one, and configtest cannot know to be."""
    return ["<LocationMatch ^/%s>" % path, *["  " + one for one in lines], "</LocationMatch>"]


GRANTED = {
    "granted": ["Require all granted"],
    "any": ["<RequireAny>", "  Require all granted", "  Require valid-user", "</RequireAny>"],
    "none-denied": ["<RequireAll>", "  Require all granted", "  <RequireNone>",
                    "    Require all denied", "  </RequireNone>", "</RequireAll>"],
    "address": ["Require ip 10.0.0.0/8"],
    "or": ["AuthMerging Or", "Require all granted"],
    "and": ["AuthMerging And", "Require all granted"],
    "allow": ["Order deny,allow", "Allow from all"],
}
#: What else may answer or send on, in a section of its own that is merged with a protected one.
HANDLERS = {
    "status": ["SetHandler server-status"], "info": ["SetHandler server-info"],
    "manager": ["SetHandler balancer-manager"], "asis": ["SetHandler send-as-is"],
    "file": ["SetHandler none"],
}
ROUTES = {
    "handler": on("/handler", 'SetHandler "proxy:%s/h"' % CAS1),
    "if-handler": on("/if-handler") + ['<If "%{REQUEST_URI} =~ m#^/if-handler#">',
                                       '  SetHandler "proxy:%s/i"' % CAS1, "</If>"],
    "rule": on("/rule") + ["RewriteRule ^/rule$ %s/r [P]" % CAS1],
    "folder-rule": on("/folder-rule", "RewriteEngine On", "RewriteRule .* %s/f [P]" % CAS1),
    "match": on("/match") + ["ProxyPassMatch ^/match(.*)$ %s/m$1" % CAS1],
    "above": on("/above/it") + ["ProxyPass /above %s/a" % CAS1],
    "balanced": on("/balanced") + ["ProxyPass /balanced balancer://routes"],
}
SITE = {
    "modules": ["access_compat", "actions", "alias", "asis", "auth_basic", "auth_form",
                "auth_gssapi", "authn_file", "authz_host", "dir", "include", "info", "negotiation",
                "request", "rewrite", "session", "session_cookie"],
    "server": ["<Location /outer-denied>", "  Require all denied", "</Location>",
               "<Proxy balancer://routes>", "  BalancerMember %s timeout=3600" % CAS1, "</Proxy>",
               "<Proxy *>", "  Satisfy Any", "  Require all granted", "</Proxy>"],
    "vhost": ['DocumentRoot "%s"' % ROOT, '<Directory "%s">' % ROOT,
              "  Options +MultiViews +Includes", "  Require all granted", "</Directory>",
              '<Directory "%s/fall">' % ROOT, "  FallbackResource /any/inside", "</Directory>",
              "AddHandler type-map .var", "AddType text/html .html", "RewriteEngine On"],
    "after": place("/any", ANY) + place("/wide") + place("/hole", ANY)
    + ["<Location /hole/open>", "  EASCertAuth Off", "</Location>"]
    + sum((place("/r-" + name, ANY, *lines) for name, lines in GRANTED.items()), [])
    + place("/outer-denied/x", ANY, "AuthMerging Or", "Require all granted")
    + on("/h-x") + sum((later("h-x/" + name, *lines)
                                for name, lines in HANDLERS.items()), [])
    + sum(ROUTES.values(), [])
    + on("/not", "ProxyPass !") + on("/plain") + on("/typed") + on("/views")
    + place("/s-x", ANY)
    + later("s-x/gssapi", "AuthType GSSAPI", "AuthName x", "GssapiCredStore keytab:" + KEYTAB,
            "GssapiBasicAuth On", "GssapiUseSessions On", "Session On", "SessionCookieName gss",
            "Require valid-user")
    + later("s-x/form", "AuthType Form", "AuthName x", "AuthFormProvider file",
            "AuthUserFile /dev/null", "AuthFormLoginRequiredLocation /login.html", "Session On",
            "SessionCookieName form path=/", "Require valid-user")
    + later("s-x/basic", "AuthType Basic", "AuthName x", "AuthUserFile /dev/null",
            "AuthBasicFake bob", "Require valid-user"),
}


@pytest.fixture(scope="module", autouse=True)
def root(bench):
    """What stands under DocumentRoot."""
    for name in ("fall", "views", "h-x", "plain", "typed"):
        os.makedirs(os.path.join(ROOT, name), exist_ok=True)
    for name, text in {
            "map.var": "URI: any/inside\nContent-Type: text/html\n\n",
            "typed/map.var": "URI: inside.html\nContent-Type: text/html\n\n",
            "typed/inside.html": "inside", "views/page.html": "inside", "plain/page.html": "inside",
            "h-x/file": "inside", "h-x/asis": "Status: 200 x\n\ninside",
            }.items():
        with open(os.path.join(ROOT, name), "w", encoding="ascii") as file:
            file.write(text)


# ---- who is let in -----------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/r-" + name for name in GRANTED] + ["/outer-denied/x", "/any"])
@pytest.mark.parametrize("certificate,number", [(None, "EAS0102"), ("disabled", "EAS0501")])
def test_what_lets_everybody_in_lets_nobody_in(site, phone, refused, path, certificate, number):
    """Require in every shape, AuthMerging, none; <Proxy *> with Satisfy Any over all of it."""
    refused(phone(certificate).request("GET", path, headers={"Authorization": BASIC}), number, 403)


@pytest.mark.parametrize("path", ["/r-" + name for name in GRANTED] + ["/outer-denied/x", "/any"])
def test_what_lets_everybody_in_lets_accounts_in(site, phone, path):
    assert phone("alice").request("GET", path).user == "alice@CONTOSO.TEST"


@pytest.mark.parametrize("module", ["gssapi", "form", "basic"])
@pytest.mark.parametrize("certificate,number", [(None, "EAS0102"), ("disabled", "EAS0501")])
def test_other_authentication_lets_nobody_in(site, phone, untouched, expect, module, certificate,
                                             number):
    """No login page either, nor a session."""
    expect(number)
    answer = phone(certificate).request("POST", "/s-x/" + module, b"httpd_username=alice",
                                        {"Authorization": BASIC, "Cookie": "gss=x; form=x",
                                         "Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 403 and not answer.headers.all("Set-Cookie"), answer
    assert not answer.headers.all("WWW-Authenticate") and not answer.headers.all("Location")
    untouched.check()


@pytest.mark.parametrize("module", ["gssapi", "form", "basic"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": BASIC},
                                     {"Authorization": "Negotiate x"}])
def test_other_authentication_is_not_asked(site, phone, cas1, module, headers):
    """Nor does it set a session, a user or an Authorization of its own."""
    answer = phone("alice").request("GET", "/s-x/" + module, headers=headers)
    assert answer.user == "alice@CONTOSO.TEST"
    assert [one.split("=")[0] for one in answer.headers.all("Set-Cookie")] == ["X-BackEndCookie"]
    no_claim(cas1.requests()[-1], "Zm9v")


# ---- what answers before the proxy ---------------------------------------------------------------

@pytest.mark.parametrize("name", HANDLERS)
def test_handler_over_a_protected_path_answers_nobody(site, phone, refused, name):
    refused(phone(None).request("GET", "/h-x/" + name), "EAS0102", 403)


@pytest.mark.parametrize("name", HANDLERS)
def test_handler_over_a_protected_path_answers_accounts(site, phone, untouched, name):
    """What it says is the administrator's; nothing of it comes from the back end."""
    answer = phone("alice").request("GET", "/h-x/" + name)
    assert (answer.status, answer.user) == (200, None) and answer.body
    untouched.check()


@pytest.mark.parametrize("path", ["/not", "/plain/page.html", "/typed/map.var", "/typed/map",
                                  "/views/page"])
def test_what_is_not_proxied_is_protected_too(site, phone, refused, path):
    refused(phone(None).request("GET", path), "EAS0102", 403)


@pytest.mark.parametrize("path,status", [("/not", 404), ("/plain/page.html", 200),
                                         ("/typed/map.var", 200), ("/views/page", 200)])
def test_what_is_not_proxied_is_served_to_accounts(site, phone, untouched, path, status):
    answer = phone("alice").request("GET", path)
    assert (answer.status, answer.user) == (status, None)
    untouched.check()


@pytest.mark.parametrize("path,certificate,status,number", [
    ("/map.var", None, 403, "EAS0102"), ("/map.var", "disabled", 403, "EAS0501"),
    ("/map.var", "alice", 200, None), ("/map", None, 404, None), ("/fall/x", None, 403, "EAS0102"),
    ("/fall/x", "alice", 403, "EAS0209")])
def test_detour_of_negotiation_and_of_a_fallback(site, phone, cas1, expect, path, certificate,
                                                 status, number):
    """mod_negotiation redirects to what its map names. mod_dir lends the request that it has the
    configuration of its fallback: no decision is for it."""
    if number:
        expect(number)
    answer = phone(certificate).request("GET", path, headers={"Authorization": BASIC})
    assert answer.status == status
    assert answer.user == (None if status != 200 else "alice@CONTOSO.TEST")
    assert len(cas1.requests()) == (status == 200)


@pytest.mark.parametrize("method,target", [("OPTIONS", "*"), ("OPTIONS", "/")])
def test_options_that_httpd_answers(site, phone, untouched, method, target):
    with phone(None).connect() as connection:
        connection.send(("%s %s HTTP/1.1\r\nHost: mail.contoso.test\r\n\r\n"
                         % (method, target)).encode())
        answer = connection.answer(method)
    assert answer.user is None and "MS-ASProtocolVersions" not in answer.headers
    untouched.check()


# ---- ways to the back end ----------------------------------------------------------------------

@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("certificate,number", [(None, "EAS0102"), ("disabled", "EAS0501")])
def test_route_asks_who_comes(site, phone, refused, route, certificate, number):
    path = "/above/it" if route == "above" else "/" + route
    refused(phone(certificate).request("GET", path), number, 403)


@pytest.mark.parametrize("route", ROUTES)
def test_route_carries_the_token(site, phone, cas1, route):
    """However mod_proxy came by the request: one decision, one token."""
    path = "/above/it" if route == "above" else "/" + route
    answer = phone("alice").request("GET", path, headers={"Authorization": BASIC})
    assert answer.user == "alice@CONTOSO.TEST", answer
    no_claim(cas1.requests()[-1], "Zm9v")
    assert logged(site, uri=path, EAS_SPN="HTTP/cas1.contoso.test")


@pytest.mark.parametrize("certificate", [None, "alice"])
@pytest.mark.parametrize("path", ["/hole/open", "/above", "/above/other"])
def test_hole_and_neighbour_get_no_token(site, phone, cas1, path, certificate):
    """EASCertAuth Off inside of a protected path (configtest warns), and a ProxyPass above one."""
    strangers = Strangers(cas1)
    answer = phone(certificate).request("GET", path, headers={"Authorization": BASIC})
    assert answer.status == 401 and answer.user is None
    strangers.wait_for(1)
    assert cas1.requests() == []


def test_member_that_is_not_https_added_at_run_time(gateway, phone, cas1, expect):
    """balancer-manager takes any URL."""
    expect("EAS0704")
    manager = "/balancer-manager"
    server = gateway(port=8443, processes=1, server=[
        "<Proxy balancer://growing>",
        "  BalancerMember https://cas5.contoso.test timeout=3600 status=D",
        "  ProxySet growth=2", "</Proxy>"], target="balancer://growing", after=[
            "<Location %s>" % manager, "  SetHandler balancer-manager", "</Location>"])
    page = phone(None, server).request("GET", manager).body.decode()
    nonce = re.search(r"nonce=([0-9a-f-]{36})", page).group(1)
    member = "http://cas1.contoso.test:443"
    for form in ({"b_nwrkr": member, "b_wyes": "1"}, {"w": member, "w_status_D": "0", "w_lf": "1"}):
        phone(None, server).request("POST", manager, headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": "https://mail.contoso.test" + manager},
            body=urllib.parse.urlencode({"b": "growing", "nonce": nonce, **form}).encode())
    assert phone("alice", server).folder_sync().status == 502
    assert cas1.records() == []


@pytest.mark.parametrize("target,status", [(CAS1 + PATH, 401),
                                           ("https://mail.contoso.test" + PATH, 403)])
def test_forward_proxy_of_another_virtual_host(bench, site, gateway, cas1, expect, target,
                                               status):
    """ProxyRequests On is an error where something is protected; another virtual host may have it.
    It is no way in: what it sends on has neither certificate nor token."""
    server_address = namespace.address("mail")
    if status == 403:
        expect.maybe("EAS0102")         # said by the site, to which the other one is a client
    server = gateway(port=8443, server=[
        "Listen %s:3128" % server_address, "<VirtualHost %s:3128>" % server_address,
        "  ServerName proxy.contoso.test",
        "  ProxyRequests On", "  SSLProxyEngine on",
        "  SSLProxyCACertificateFile " + bench.servers.bundle, "</VirtualHost>"])
    answer = bench.phone(None, port=3128).request("OPTIONS", "http://x/", options=[
        "--request-target", target])
    assert (answer.status, answer.user) == (status, None) and cas1.requests() == []
    assert server.numbers() == []


# ---- mod_cache ---------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=["Off", "On"])
def caching(bench, request):
    """CacheEnable in sections that configtest cannot know to be merged with the protected one."""
    store = namespace.WORK + "/cache-" + request.param
    os.makedirs(store, exist_ok=True)
    os.chmod(store, 0o777)
    made = resting(bench, port=8443, modules=["cache", "cache_disk"], vhost=[
        "CacheRoot " + store, "CacheQuickHandler " + request.param, "CacheHeader On",
        "CacheIgnoreNoLastMod On", "CacheDefaultExpire 600", "CacheStorePrivate On",
        "CacheStoreNoStore On"], after=place("/any", ANY) + [
            "<LocationMatch ^/an.*>", "  CacheEnable disk", "</LocationMatch>",
            "<Location /open>", "  ProxyPass %s/open" % CAS1, "</Location>"])
    yield made
    bench.forget(made)


@pytest.mark.parametrize("cache", ["max-age=600", "public, max-age=600, s-maxage=600"])
def test_nothing_of_an_account_is_kept_for_another(caching, phone, cas1, cache, request):
    caching.mark()
    path = "/any/%s" % re.sub(r"\W", "", cache)
    play = {"X-Play": "header=" + urllib.parse.quote("Cache-Control: " + cache)}
    for user in ("alice", "alice", "bob"):
        answer = phone(user, caching).request("GET", path, headers=play)
        assert answer.user == user + "@CONTOSO.TEST", answer
        assert "HIT" not in answer.headers.get("X-Cache", ""), answer
    answer = phone(None, caching).request("GET", path)
    assert answer.status == 403 and answer.user is None
    assert len(cas1.requests()) == 3
