# SPDX-License-Identifier: Apache-2.0
"""Exchange stand-ins: real httpds that accept Kerberos only and tell what they saw.

Every answer carries X-Backend-User, X-Backend and X-Backend-Connection.  A test reads `requests()`
afterwards, and asks for odd answers with `play_next()` or the request header X-Play.

By hand:  python3 -m lab.exchange --folder DIR --hostname cas1.contoso.test --address 10.77.0.11 \\
              --keytab exchange.keytab --certificate cas1.pem --key cas1.key
"""
import argparse
import json
import math
import os
import signal
import tempfile
import urllib.parse
import urllib.request

from . import module, wbxml
from .httpd import Httpd, owner
from .log import Log
from .process import wait_until

TEMPLATE = """
LoadModule exchange_standin_module {standin}
SSLSessionCache shmcb:{folder}/run/ssl(512000)
ServerName {hostname}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 120
Timeout 3700
LimitRequestFieldSize 65536
LimitRequestLine 16384
LogFormat "%{{c}}a:%{{remote}}p %u \\"%r\\" %>s %b %D" standin
CustomLog "{folder}/access.log" standin
<VirtualHost {address}:{port}>
  ServerName {hostname}
  StandinName {hostname}
  StandinAnswers {folder}/answers
  {record}
  {control}
  StandinPing {ping}
  SSLEngine on
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
  {more}
  <Location />
    SetHandler exchange-standin
    Require valid-user
{auth}
  </Location>
</VirtualHost>
"""
GSSAPI = """    AuthType GSSAPI
    AuthName Exchange
    GssapiCredStore keytab:{keytab}
    GssapiAllowedMech krb5
    GssapiSSLonly On"""
KEEPER = """    AuthType Keeper
    AuthName Exchange"""
KEEPER_REPORT = """
LoadModule identity_keeper_module {keeper}
KeeperKeytab {keytab}
<VirtualHost {address}:{report}>
  <Location />
    SetHandler keeper-report
  </Location>
</VirtualHost>
"""


class Exchange(Httpd):
    """A back end with mod_auth_gssapi: every request is authenticated anew.

    modules      name -> path of the bench's compiled modules
    record       False: no request log (for load)
    ping         seconds after which a held Ping sees new mail; 0: after its whole heartbeat
    more         further lines of the virtual host
    """

    auth = GSSAPI
    loaded = ("auth_gssapi",)

    def __init__(self, folder, hostname, address, keytab, certificate, key, modules, port=443,
                 record=True, ping=0, more="", config=None, user="nobody", **shape):
        env = {"KRB5_CONFIG": config} if config else {}
        super().__init__(folder, [(address, port)], user=user, env={**env, **shape.pop("env", {})},
                         **shape)
        self.hostname = hostname
        self.address = address
        self.port = port
        self.keytab = keytab
        self.certificate = certificate
        self.key = key
        self.modules = modules
        self.ping = ping
        self.more = more
        self.control = os.path.join(folder, "control")
        self.log = Log(os.path.join(folder, "requests.jsonl")) if record else None
        self._played = 0
        for part in ("answers", "control"):
            os.makedirs(os.path.join(folder, part), exist_ok=True)
        for name, content in wbxml.answers().items():
            with open(os.path.join(folder, "answers", name + ".wbxml"), "wb") as file:
                file.write(content)
        os.chown(self.control, *owner(self.user))
        if self.log:
            open(self.log.path, "ab").close()
            os.chown(self.log.path, *owner(self.user))

    @property
    def url(self):
        """https://host[:port], as a gateway's ProxyPass names it."""
        port = "" if self.port == 443 else ":%d" % self.port
        return "https://%s%s" % (self.hostname, port)

    def values(self):
        """What the templates may name."""
        return {
            "folder": self.folder, "hostname": self.hostname, "address": self.address,
            "port": self.port, "keytab": self.keytab, "certificate": self.certificate,
            "key": self.key, "ping": self.ping, "more": self.more,
            "standin": self.modules["mod_exchange_standin"],
            "record": "StandinRecord " + self.log.path if self.log else "",
            "control": "StandinControl " + self.control if self.log else "",
        }

    def config(self):
        values = self.values()
        return self.load(*self.loaded) + TEMPLATE.format(
            auth=self.auth.format(**values), **values)

    # ---- what it saw, what it shall say ------------------------------------------------------

    def records(self, since=None):
        """All records since the mark, as dictionaries; `event` is "request" or "gone"."""
        return [json.loads(line) for line in self.log.lines(since)]

    def requests(self, since=None):
        """The authenticated requests since the mark, oldest first; headers as a list of pairs."""
        return [one for one in self.records(since) if one["event"] == "request"]

    def wait_for(self, count=1, event="request", since=None, deadline=20):
        """Waits until so many records of a kind are there; returns them."""
        def enough():
            found = [one for one in self.records(since) if one["event"] == event]
            return found if len(found) >= count else None
        return wait_until(enough, "%d records %s of %s" % (count, event, self.hostname), deadline)

    def mark(self):
        """Forgets the requests seen so far, and what was asked to be played."""
        for name in os.listdir(self.control):
            os.unlink(os.path.join(self.control, name))
        return self.log.mark()

    def play_next(self, **play):
        """The next request is answered so: status=449, reason="…", delay=2, size=1000, …

        Several calls queue up, one request takes one.  See modules/mod_exchange_standin.c.
        """
        self._played += 1
        path = os.path.join(self.control, "next.%06d" % self._played)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(urllib.parse.urlencode(play))
        os.chown(path + ".new", *owner(self.user))
        os.rename(path + ".new", os.path.join(self.control, "tmp"))
        os.rename(os.path.join(self.control, "tmp"), path)


class Keeper(Exchange):
    """A back end that keeps the first identity of a TCP connection, and counts.

    `report()` has the counters: connections, requests, tokens, without_token, foreign_requests,
    foreign_connections, refused, failed.  X-Keeper-Token names the owner of a request's token.
    """

    auth = KEEPER
    loaded = ()

    def __init__(self, *words, report=8080, **more):
        # Its own count of what it sees must not depend on the replay cache's speed.
        more["env"] = {"KRB5RCACHENAME": "none:", **more.get("env", {})}
        super().__init__(*words, **more)
        self.report_port = report
        self.listen.append((self.address, report))

    def config(self):
        values = dict(self.values(), keeper=self.modules["mod_identity_keeper"],
                      report=self.report_port)
        return KEEPER_REPORT.format(**values) + super().config()

    def report(self, reset=False):
        """The counters; with reset they start again from zero."""
        url = "http://%s:%d/%s" % (self.address, self.report_port, "?reset" if reset else "")
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)


def main(words=None):
    """Runs one stand-in in the foreground until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.exchange", description=main.__doc__)
    for option in ("--folder", "--hostname", "--address", "--keytab", "--certificate", "--key"):
        parser.add_argument(option, required=True)
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--ping", type=float, default=0, help="seconds until a Ping sees new mail")
    parser.add_argument("--keeper", action="store_true", help="keep the first identity")
    given = vars(parser.parse_args(words))
    kind = Keeper if given.pop("keeper") else Exchange
    os.makedirs(given["folder"], exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        builds = {name: module.Build(name, folder) for name in module.LIBRARIES}
        server = kind(modules={name: build.path() for name, build in builds.items()}, **given)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.start()
            print("%s on %s:%d" % (server.url, server.address, server.port), flush=True)
            wait_until(lambda: not server.running(), "the end", deadline=math.inf, pause=0.5)
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()


if __name__ == "__main__":
    main()
