# SPDX-License-Identifier: Apache-2.0
"""The gateway: an httpd with the module under test, towards phones and towards Exchange."""
import os
import shutil

from . import module, namespace
from .httpd import Httpd
from .log import Log
from .process import wait_until

PATH = "/Microsoft-Server-ActiveSync"
LOCATION = '"(?i)^/Microsoft-Server-ActiveSync/?$"'
MODULES = ("reqtimeout", "proxy", "proxy_http", "slotmem_shm", "proxy_balancer",
           "lbmethod_byrequests", "status")
FIELDS = {
    "status": "%>s", "method": "%m", "uri": "%U%q", "protocol": "%H", "bytes": "%B", "user": "%u",
    "microseconds": "%D", "connection": "%{c}a:%{remote}p", "keepalive": "%k",
    "tls": "%{SSL_PROTOCOL}x", "resumed": "%{SSL_SESSION_RESUMED}x",
    **{name: "%%{%s}e" % name for name in (
        "EAS_REASON", "EAS_ACCOUNT", "EAS_UPN", "EAS_MAPPED_BY", "EAS_CMD", "EAS_DEVICE_ID",
        "EAS_DEVICE_TYPE", "EAS_VERSION", "EAS_POLICY_KEY", "EAS_TICKET", "EAS_SPN",
        "EAS_ATTEMPTS")},
}

TEMPLATE = """
ServerName {name}
SSLSessionCache shmcb:{folder}/run/ssl(512000)
SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
Timeout 60
LogLevel info {loglevel}
LogFormat "{format}" eas
CustomLog "{folder}/access.log" eas
{server}
<VirtualHost {address}:{port}>
  ServerName {name}
  SSLEngine on
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
  SSLVerifyClient {verify}
  SSLVerifyDepth 3
  SSLCACertificateFile {clients}
  SSLCARevocationFile {crl}
  SSLCARevocationCheck leaf no_crl_for_cert_ok
  SSLProxyEngine on
  SSLProxyVerify require
  SSLProxyVerifyDepth 3
  SSLProxyCACertificateFile {servers}
{settings}
{vhost}
  <LocationMatch {match}>
{location}
    ProxyPass {target}
  </LocationMatch>
{after}
</VirtualHost>
"""
SETTINGS = """  EASCertAuthKeytab {keytab}
  EASCertAuthLDAPServer {directory}"""
BALANCER = """<Proxy balancer://exchange>
{members}
</Proxy>
"""


def _text(lines, indent):
    """Configuration lines from text or a list of them."""
    if isinstance(lines, str):
        lines = lines.splitlines()
    return "\n".join(" " * indent + line for line in lines)


class Gateway(Httpd):
    """One gateway.  Everything has a default that works; the knobs:

    server, vhost, location   further lines (text or list) at these places
    after        lines behind the protected location, inside the virtual host
    protect      first lines of the location; "EASCertAuth On"
    settings     the keytab and directory lines; text, {keytab} and {directory} are filled in
    target       arguments of ProxyPass, without a path
    backends     short host names: a balancer over these instead of `target`; a name may carry
                 member parameters ("cas2 retry=0") and a port ("cas5:8443")
    match        argument of the LocationMatch
    verify       SSLVerifyClient
    modules      further modules of httpd, for example ["http2"]
    place        "last" or "first": where the LoadModule line stands among the others
    plain        True: an ordinary httpd without the module and without its directives
    env          further environment; `krb5` names another krb5.conf
    address, port, mpm, processes, threads, loglevel, config (the whole configuration below the
                 LoadModule lines, as text)
    """

    def __init__(self, folder, *, keytab, certificate, key, clients, crl, servers, directory, krb5,
                 server=(), vhost=(), location=(), after=(), protect="EASCertAuth On",
                 settings=SETTINGS, target=None, backends=None, match=LOCATION, verify="optional",
                 modules=(), place="last", plain=False, env=None, address=None, port=443,
                 name=None, loglevel="", config=None, binary=None, **shape):
        binary = None if plain else binary or module.under_test()
        assert plain or binary, "mod_eas_cba.so is not built: run make, or set EAS_CBA_MODULE"
        super().__init__(folder, [(address or namespace.address("mail"), port)],
                         env={"KRB5_CONFIG": krb5, **(env or {})},
                         preload=module.sanitizers(binary) if binary else (), **shape)
        self.address, self.port = self.listen[0]
        self.name = name or namespace.host("mail")
        self.keytab = keytab
        self.binary = binary
        self.plain = plain
        self.place = place
        self.modules = list(modules)
        self.certificate = certificate
        self.key = key
        self.clients = clients
        self.crl = crl
        self.servers = servers
        self.directory = [directory] if isinstance(directory, str) else list(directory)
        self.verify = verify
        self.server = server
        self.vhost = vhost
        self.location = location
        self.after = after
        self.protect = "" if plain else protect
        self.settings = "" if plain else settings
        self.match = match
        self.loglevel = loglevel or ("" if plain else "eas_cba:debug")
        self.backends = list(backends or [])
        # In a LocationMatch mod_proxy appends the phone's path to a target without "$".
        self.target = target or ("balancer://exchange" if self.backends
                                 else "https://%s timeout=3600" % namespace.host("cas1"))
        self.text = config
        self.access_log = Log(os.path.join(folder, "access.log"))

    def _members(self):
        lines = []
        for backend in self.backends:
            name, _, parameters = backend.partition(" ")
            short, _, port = name.partition(":")
            if "timeout=" not in parameters.replace("connectiontimeout=", ""):
                parameters += " timeout=3600"
            lines.append("  BalancerMember https://%s%s %s" % (
                namespace.host(short), ":" + port if port else "", parameters))
        return BALANCER.format(members="\n".join(lines)) if lines else ""

    def values(self):
        """What the templates may name."""
        return {
            "folder": self.folder, "name": self.name, "address": self.address, "port": self.port,
            "certificate": self.certificate, "key": self.key, "verify": self.verify,
            "clients": self.clients, "crl": self.crl, "servers": self.servers,
            "keytab": self.keytab,
            "directory": " ".join(self.directory), "match": self.match, "target": self.target,
            "loglevel": self.loglevel,
            "format": "\\t".join("%s=%s" % pair for pair in FIELDS.items()),
        }

    def config(self):
        own = "" if self.plain else "LoadModule eas_cba_module %s\n" % self.binary
        others = self.load(*MODULES, *self.modules)
        values = self.values()
        if self.text is not None:
            text = self.text.format(**values)
        else:
            text = TEMPLATE.format(
                settings=self.settings.format(**values), server=_text(self.server, 0),
                vhost=_text(self.vhost, 2), after=_text(self.after, 2),
                location=_text(self.protect, 4) + "\n" + _text(self.location, 4), **values)
        return ("" if self.place == "first" else others + own) + self._members() + text

    def write(self):
        """Writes the configuration; with place="first" our LoadModule line is the file's first."""
        super().write()
        if self.place == "first" and not self.plain:
            with open(self.conf, encoding="utf-8") as file:
                rest = file.read()
            with open(self.conf, "w", encoding="utf-8") as file:
                file.write("LoadModule eas_cba_module %s\n" % self.binary
                           + self.load(*MODULES, *self.modules) + rest)
        return self.conf

    # ---- what it says ------------------------------------------------------------------------

    def mark(self):
        """Forgets what the logs hold up to now."""
        self.error_log.mark()
        self.access_log.mark()

    def numbers(self, serious=False):
        """EAS numbers in the error log since the mark (serious: at warn or above)."""
        return self.error_log.numbers(serious=serious)

    def access(self, count=1):
        """The access log since the mark, waiting for `count` lines, as dictionaries of FIELDS.

        httpd writes the line after the answer, so a test that has the answer may be early.
        """
        wait_until(lambda: len(self.access_log.lines()) >= count, "%d access log lines" % count)
        return [{key: "" if value == "-" else value for key, value in
                 (field.split("=", 1) for field in line.split("\t"))}
                for line in self.access_log.lines()]


def snapshot(folder):
    """Copies the module under test into the run's folder, so that a build meanwhile is harmless."""
    found = module.under_test()
    if not found:
        return None
    os.makedirs(folder, exist_ok=True)
    return shutil.copy(found, os.path.join(folder, "mod_eas_cba.so"))
