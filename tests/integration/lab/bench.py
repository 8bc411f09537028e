# SPDX-License-Identifier: Apache-2.0
"""Everything of one run together: certificates, directory, back ends, and makers of gateways and
phones.  To be used inside the namespaces only (see `namespace`)."""
import os
import shutil
import threading

from . import gateway, kerberos, module, namespace
from .directory import Directory
from .exchange import Exchange, Keeper
from .gateway import Gateway
from .httpd import owner
from .phone import Phone
from .pki import Pki


class Bench:
    """The parts, by name:

    pki, root, clients, servers   certificate authorities: phones' and servers' below one root
    directory                     the Active Directory
    cas1, cas2                    Exchange stand-ins; `keeper` is cas3 and keeps identities
    keytab, krb5                  the gateway's keytab and krb5.conf
    """

    def __init__(self, folder=namespace.WORK):
        assert namespace.inside(), "start through namespace.enter()"
        self.folder = folder
        self.gateways = []              # running or stopped, until `forget`
        self.backends = []
        self.binary = None
        self._count = 0
        self._certificates = {}
        self.krb5 = os.path.join(folder, "krb5.conf")
        self.keytab = os.path.join(folder, "gw.keytab")
        self.exchange_keytab = os.path.join(folder, "exchange.keytab")
        os.chmod(folder, 0o755)

    # ---- life --------------------------------------------------------------------------------

    def start(self, say=lambda text: None):
        """Brings up what every test needs; some five seconds, most of it the directory.

        say: called with a line of text as each part begins.
        """
        say("certificate authorities")
        builds = {name: module.Build(name, self.folder) for name in module.LIBRARIES}
        self.pki = Pki(os.path.join(self.folder, "pki"))
        self.root = self.pki.authority("Contoso Root CA")
        self.clients = self.pki.authority("Contoso Issuing CA", issuer=self.root)
        self.servers = self.pki.authority("Contoso Server CA", issuer=self.root)
        self.crl = self.clients.crl()
        self.directory = Directory(self.folder, self.clients, self.servers, owner())
        kerberos.write_config(self.krb5, [self.directory.address])
        say("Active Directory: domain, accounts, delegation")
        self._in_background(self.directory.provision)
        self.modules = {name: build.path() for name, build in builds.items()}
        self.binary = gateway.snapshot(os.path.join(self.folder, "module"))
        self._background.join()
        self._raise_background()
        self.directory.export_keytab(self.keytab, "gw")
        hosts = ["HTTP/" + namespace.host("cas%d" % number) for number in range(1, 6)]
        self.directory.export_keytab(self.exchange_keytab, *hosts, owner=owner("nobody"))
        say("domain controller %s" % self.directory.host)
        self.directory.start()
        say("Exchange: cas1, cas2, cas3")
        self.cas1 = self.exchange("cas1")
        self.cas2 = self.exchange("cas2")
        self.keeper = self.exchange("cas3", keeper=True)
        return self

    def _in_background(self, work):
        self._failure = None

        def guarded():
            try:
                work()
            except BaseException as problem:  # handed to the thread that waits
                self._failure = problem
        self._background = threading.Thread(target=guarded)
        self._background.start()

    def _raise_background(self):
        if self._failure is not None:
            raise self._failure

    def stop(self):
        """Ends everything."""
        for server in self.gateways + self.backends:
            server.kill()
        if hasattr(self, "directory"):
            self.directory.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _place(self, name):
        self._count += 1
        return os.path.join(self.folder, "%s-%d" % (name, self._count))

    def keep(self, target):
        """Copies configurations and logs of the run to a folder outside."""
        def unwanted(folder, names):
            return [name for name in names if not (
                os.path.isdir(os.path.join(folder, name)) or name.endswith(
                    (".log", ".conf", ".jsonl", ".out", ".pem")))]
        shutil.copytree(self.folder, target, ignore=unwanted, dirs_exist_ok=True)
        return target

    # ---- makers --------------------------------------------------------------------------------

    def exchange(self, host, keeper=False, ca=None, start=True, dns=None, **more):
        """A back end of that (short) name: the real thing, or one that keeps identities.

        ca: another Authority for its certificate; dns: another name in it.  See lab.exchange.
        """
        name = namespace.host(host)
        certificate = (ca or self.servers).issue(name, dns=dns or name, eku=("serverAuth",),
                                                 key="server")
        kind = Keeper if keeper else Exchange
        given = {"hostname": name, "address": namespace.address(host), "config": self.krb5,
                 "keytab": self.exchange_keytab, "certificate": certificate.chain,
                 "key": certificate.key, "modules": self.modules, **more}
        made = kind(self._place(host), **given)
        self.backends.append(made)
        return made.start() if start else made

    def gateway(self, start=True, **knobs):
        """A gateway; see lab.gateway.Gateway for the knobs."""
        certificate = self._server_certificate("mail")
        made = Gateway(self._place("gateway"), **{
            "keytab": self.keytab, "certificate": certificate.chain, "key": certificate.key,
            "clients": self.clients.bundle, "crl": self.crl, "servers": self.servers.bundle,
            "krb5": self.krb5,
            "directory": "ldap://" + self.directory.host, "binary": self.binary, **knobs})
        self.gateways.append(made)
        return made.start() if start else made

    def _server_certificate(self, host):
        name = namespace.host(host)
        if host not in self._certificates:
            self._certificates[host] = self.servers.issue(name, dns=name, eku=("serverAuth",),
                                                          key="server")
        return self._certificates[host]

    def certificate(self, account="alice", **shape):
        """A phone's certificate: UPN and SID extension of an account, unless the shape differs.

        account: a name or an Account; the shape is that of Authority.issue, and `ca` another CA.
        """
        if isinstance(account, str):
            account = self.directory.account(account)
        authority = shape.pop("ca", self.clients)
        given = {"upn": account.upn or None, "sid": account.sid, **shape}
        return authority.issue(given.pop("subject", account.name), **given)

    def phone(self, certificate="alice", gateway=None, **more):
        """A phone: with a Certificate, with that of an account by name, or with None."""
        if isinstance(certificate, str):
            certificate = self.certificate(certificate)
        if gateway is not None:
            more = {"address": gateway.address, "port": gateway.port, "host": gateway.name, **more}
        return Phone(os.path.join(self.folder, "tmp", "phone"), self.servers.bundle, certificate,
                     **more)

    def kerberos(self, name="client"):
        """MIT's tools with a cache of their own."""
        return kerberos.Client(self.folder, self.krb5, name + ".ccache")

    def forget(self, server):
        """Ends a gateway or back end of one test."""
        server.stop()
        for group in (self.gateways, self.backends):
            if server in group:
                group.remove(server)
