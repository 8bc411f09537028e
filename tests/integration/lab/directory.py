# SPDX-License-Identifier: Apache-2.0
"""A real Active Directory: a Samba domain controller with the accounts of the bench.

Accounts are written through Samba's own database library by this process, which is some hundred
times quicker than samba-tool and works while the controller is stopped as well.
"""
import dataclasses
import os
import re
import secrets
import shutil
import signal

from . import kerberos, namespace
from .log import Log
from .process import Daemon, listens, run, wait_until

REALM = kerberos.REALM
BASE = "DC=contoso,DC=test"
USERS = "CN=Users," + BASE
NTAUTH = "CN=NTAuthCertificates,CN=Public Key Services,CN=Services,CN=Configuration," + BASE

# userAccountControl, MS-ADTS 2.2.16
DISABLED = 0x2
NORMAL = 0x200
WORKSTATION = 0x1000
NEVER_EXPIRES = 0x10000      # of the password: without it Samba refuses S4U for new accounts
SENSITIVE = 0x100000
ANY_PROTOCOL = 0x1000000
PARTIAL_SECRETS = 0x4000000
USER = NORMAL | NEVER_EXPIRES

SMB_CONF = """[global]
    realm = {realm}
    workgroup = CONTOSO
    netbios name = DC1
    server role = active directory domain controller
    server services = ldap, cldap, kdc
    bind interfaces only = yes
    interfaces = {address}/24
    private dir = {folder}/private
    state directory = {folder}/state
    cache directory = {folder}/cache
    lock directory = {folder}
    binddns dir = {folder}/bind-dns
    pid directory = {folder}/run
    ncalrpc dir = {folder}/ncalrpc
    ntp signd socket directory = {folder}/ntp
    posix:eadb = {folder}/eadb.tdb
    logging = file
    log file = {folder}/samba.log
    log level = 5
    max log size = 0
    ldap server require strong auth = allow_sasl_over_tls
    tls enabled = yes
    tls keyfile = {key}
    tls certfile = {certificate}
    tls cafile = {bundle}
"""


_SEARCH = re.compile(r"LDAP Query: Duration was \S+ SearchRequest by (?P<who>\S+) from \S+ "
                     r"filter: \[(?P<filter>.*)\] basedn: \[(?P<base>.*)\] "
                     r"scope: \[(?P<scope>\w+)\] result: (?P<result>.*)")
_KDC = re.compile(r"^  Kerberos: (?P<kind>AS|TGS)-REQ (?P<result>[A-Z0-9_]+) ipv[46]:\S+ "
                  r"(?P<client>\S+) (?P<server>\S+) (?P<detail>.*)$", re.M)


@dataclasses.dataclass(frozen=True)
class Account:
    """An account as it was when it was made."""
    name: str           # sAMAccountName
    dn: str
    sid: str
    upn: str            # userPrincipalName, or "" when the account has none


class Controller:
    """One domain controller: a folder with its database, and the daemon that serves it."""

    def __init__(self, folder, name, authority):
        """`authority` signs the controller's TLS certificate."""
        self.folder = folder
        self.name = name
        self.host = namespace.host(name)
        self.address = namespace.address(name)
        self.config = os.path.join(folder, "etc", "smb.conf")
        self.log = Log(os.path.join(folder, "samba.log"))
        self._authority = authority
        self._daemon = None

    def configure(self):
        """Writes smb.conf; the database must be there."""
        tls = self._authority.issue(self.host, dns=self.host, eku=("serverAuth",), key="dc",
                                    not_after=30 * 86400)
        bundle = self._authority.bundle
        for folder in ("run", "ncalrpc", "ntp", "cache", "etc"):
            os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(SMB_CONF.format(
                realm=REALM, address=self.address, folder=self.folder, key=tls.key,
                certificate=tls.chain, bundle=bundle))
        self._daemon = Daemon(["samba", "-F", "--no-process-group", "-s", self.config],
                              dict(os.environ), os.path.join(self.folder, "samba.out"))

    def start(self):
        """Starts the controller and waits until LDAP, LDAPS and the KDC answer."""
        self._daemon.start()
        return self.ready()

    def ready(self):
        """Waits until every port answers."""
        def answers():
            assert self._daemon.running(), "samba ended: see %s and %s" % (
                self.log.path, self._daemon.output)
            return all(listens(self.address, port) for port in (389, 636, 88))
        wait_until(answers, "domain controller %s" % self.name)
        return self

    @property
    def pid(self):
        """Process id, also the id of the process group; None while not running."""
        return self._daemon.pid if self._daemon else None

    def running(self):
        return self._daemon is not None and self._daemon.running()

    def ensure(self):
        """Brings the controller back to life, whatever happened to it."""
        if self.running():
            self.resume()
            return self.ready()
        return self.start()

    def stop(self):
        """Stops the controller: its ports refuse connections."""
        self._daemon.stop()

    def kill(self):
        """Kills the controller with all of its processes."""
        self._daemon.kill()

    def pause(self):
        """Stops all processes of the controller without ending them: it accepts and never answers.

        The database may be locked by a process that sleeps: change no accounts meanwhile.
        """
        self._daemon.signal_all(signal.SIGSTOP)

    def resume(self):
        self._daemon.signal_all(signal.SIGCONT)

    # ---- what it was asked -----------------------------------------------------------------

    def mark(self):
        """A position in the controller's log, for `searches` and `kdc_requests`."""
        return self.log.size()

    def searches(self, since=0):
        """LDAP searches answered since a mark, as dictionaries: who, filter, base, scope, result.

        `who` is the SID of the account that is bound.
        """
        return [match.groupdict() for match in _SEARCH.finditer(self.log.text(since))]

    def kdc_requests(self, since=0):
        """Requests to the KDC since a mark: kind (AS, TGS), result, client, server, detail.

        A refusal's cause is in `detail`.  S4U2Self has the gateway as its server, S4U2Proxy has
        `impersonatee=` in its detail.
        """
        return [match.groupdict() for match in _KDC.finditer(self.log.text(since))]


class Directory(Controller):
    """The domain: its first controller and its accounts."""

    realm = REALM
    base = BASE

    def __init__(self, folder, clients, servers, owner=(0, 0)):
        """`clients` is the CA in NTAuth, `servers` signs TLS certificates, `owner` gets keytabs."""
        super().__init__(os.path.join(folder, "dc1"), "dc1", servers)
        self._clients = clients
        self.parent = folder
        self.owner = owner
        self._database = None
        self._parameters = None

    # ---- the domain ------------------------------------------------------------------------

    def provision(self):
        """Makes the domain and its accounts; nothing runs yet."""
        os.makedirs(self.folder)
        run("samba-tool", "domain", "provision", "--realm=" + REALM, "--domain=CONTOSO",
            "--server-role=dc", "--dns-backend=NONE", "--adminpass=" + self._secret(),
            "--targetdir=" + self.folder, "--host-name=dc1", "--host-ip=" + self.address,
            "--option=bind interfaces only=yes", "--option=interfaces=%s/24" % self.address,
            "--option=posix:eadb=%s/eadb.tdb" % self.folder)
        self.configure()
        self._open()
        self._populate()

    def _open(self):
        # Imported here: only processes that own a directory need Samba's libraries.
        from samba.auth import system_session
        from samba.credentials import Credentials
        from samba.param import LoadParm
        from samba.samdb import SamDB
        with _silence():
            self._parameters = LoadParm()
            self._parameters.load(self.config)
            self._parameters.set("log level", "0")      # this process prints nothing
            credentials = Credentials()
            credentials.guess(self._parameters)
            self._database = SamDB(url=self.folder + "/private/sam.ldb",
                                   session_info=system_session(self._parameters),
                                   credentials=credentials, lp=self._parameters)

    def _populate(self):
        """The accounts every test may rely on.  A test that changes one adds its own instead."""
        database = self._database
        database.transaction_start()
        controller = "CN=DC1,OU=Domain Controllers," + BASE
        spns = list(self.entry(controller).get("servicePrincipalName", []))
        self.modify(controller, servicePrincipalName=spns + [
            "ldap/" + namespace.host(name) for name in ("dc1", "dc2")])
        targets = ["HTTP/" + namespace.host(name) for name in ("cas1", "cas2", "cas3", "cas5")]
        self.add_user("gw", upn=None, password=self._secret(), uac=USER | ANY_PROTOCOL,
                      servicePrincipalName=["HTTP/" + namespace.host("mail")],
                      **{"msDS-SupportedEncryptionTypes": "24",
                         "msDS-AllowedToDelegateTo": targets})
        self.add_user("exchange", upn=None, password=self._secret(),
                      servicePrincipalName=["HTTP/" + namespace.host("cas%d" % number)
                                            for number in range(1, 6)],
                      **{"msDS-SupportedEncryptionTypes": "24"})
        for name in ("alice", "bob", "carol"):
            self.add_user(name)
        self.add_user("dave", upn="dave@contoso.example")
        self.add_user("erin.sam", upn="erin@contoso.test")
        self.add_user("frank", upn=None)
        self.add_user("disabled", uac=USER | DISABLED)
        self.add_user("expired", accountExpires=str(_nt_time(2020)))
        self.add_user("sensitive", uac=USER | SENSITIVE)
        self.add_user("many")
        for number in range(200):
            self.add_group("many%03d" % number, ["many"])
        self.add_computer("pc1", upn="pc1@contoso.test")
        self.add_ntauth([self._clients.own.der])
        database.transaction_commit()

    def second(self):
        """A second controller of the domain, dc2, from a copy of the first as it is now.

        The copies do not replicate: what is changed afterwards is known to dc1 only.
        """
        copy = Controller(os.path.join(self.parent, "dc2"), "dc2", self._authority)
        self._database.transaction_start()      # keeps every other writer out while we copy
        try:
            for part in ("private", "state"):
                shutil.copytree(os.path.join(self.folder, part), os.path.join(copy.folder, part),
                                ignore=shutil.ignore_patterns("ldapi", "ldap_priv", "*.sock"))
            shutil.copy(os.path.join(self.folder, "eadb.tdb"), copy.folder)
        finally:
            self._database.transaction_cancel()
        copy.configure()
        return copy

    # ---- accounts --------------------------------------------------------------------------

    @staticmethod
    def _secret():
        return secrets.token_hex(16) + "aA1!"

    def dn(self, name):
        """DN of an account by its sAMAccountName; a DN is returned as it is."""
        if "=" in name:
            return name
        import ldb
        found = self._database.search(base=BASE, attrs=["dn"], expression="(sAMAccountName=%s)"
                                      % ldb.binary_encode(name))
        assert len(found) == 1, "%d accounts are called %s" % (len(found), name)
        return str(found[0].dn)

    def entry(self, name):
        """All attributes of an account (name or DN): a dictionary of lists of text."""
        import ldb
        found = self._database.search(base=self.dn(name), scope=ldb.SCOPE_BASE)[0]
        return {key: [bytes(value).decode("utf-8", "replace") for value in found[key]]
                for key in found.keys() if key != "dn"}

    def sid(self, name):
        """objectSid of an account, as text."""
        import ldb
        from samba.dcerpc import security
        from samba.ndr import ndr_unpack
        found = self._database.search(base=self.dn(name), scope=ldb.SCOPE_BASE,
                                      attrs=["objectSid"])[0]
        return str(ndr_unpack(security.dom_sid, bytes(found["objectSid"][0])))

    def account(self, name):
        """An Account by its name."""
        entry = self.entry(name)
        return Account(entry["sAMAccountName"][0], self.dn(name), self.sid(name),
                       entry.get("userPrincipalName", [""])[0])

    def add_user(self, name, upn="", password=None, uac=USER, dn=None, **attributes):
        """Adds a user and returns its Account.

        upn: "" for name@contoso.test, None for no userPrincipalName.  Further attributes by their
        LDAP names; lists for several values.  Users need no password for S4U.
        """
        if upn == "":
            upn = "%s@%s" % (name, namespace.DOMAIN)
        message = {"dn": dn or _dn(name, USERS), "objectClass": "user",
                   "sAMAccountName": name, "userAccountControl": str(uac), **attributes}
        if upn is not None:
            message["userPrincipalName"] = upn
        if password is not None:
            message["unicodePwd"] = ('"%s"' % password).encode("utf-16-le")
        self._database.add(message)
        return Account(name, message["dn"], self.sid(message["dn"]), upn or "")

    def add_computer(self, name, upn=None, **attributes):
        """Adds a workstation account `name$` and returns its Account."""
        return self.add_user(name + "$", upn=upn, uac=WORKSTATION,
                             dn=_dn(name, "CN=Computers," + BASE),
                             **{"objectClass": "computer", **attributes})

    def add_group(self, name, members=(), **attributes):
        """Adds a global security group and returns its DN."""
        message = {"dn": _dn(name, USERS), "objectClass": "group",
                   "sAMAccountName": name, **attributes}
        if members:
            message["member"] = [self.dn(member) for member in members]
        self._database.add(message)
        return message["dn"]

    def add_ntauth(self, certificates):
        """Creates NTAuthCertificates with these CA certificates (DER)."""
        self._database.add({
            "dn": NTAUTH, "objectClass": "certificationAuthority",
            "cACertificate": list(certificates), "authorityRevocationList": b"\0",
            "certificateRevocationList": b"\0"})

    def exists(self, dn):
        """Is there an entry of this DN?"""
        import ldb
        try:
            return bool(self._database.search(base=dn, scope=ldb.SCOPE_BASE, attrs=["dn"]))
        except ldb.LdbError as problem:
            if problem.args[0] == ldb.ERR_NO_SUCH_OBJECT:
                return False
            raise

    def modify(self, name, **attributes):
        """Replaces attributes of an account (name or DN); None or [] removes one."""
        import ldb
        message = ldb.Message(ldb.Dn(self._database, self.dn(name)))
        present = {key.lower() for key in self.entry(name)}
        for key, value in attributes.items():
            value = [] if value is None else [value] if isinstance(value, (str, bytes)) else value
            if value:
                message[key] = ldb.MessageElement(list(value), ldb.FLAG_MOD_REPLACE, key)
            elif key.lower() in present:
                message[key] = ldb.MessageElement([], ldb.FLAG_MOD_DELETE, key)
        self._database.modify(message)

    def rename(self, name, new, upn=""):
        """Gives an account another sAMAccountName, CN and UPN (see add_user); the SID stays."""
        old = self.dn(name)
        dn = _dn(new, re.split(r"(?<!\\),", old, maxsplit=1)[1])
        self._database.rename(old, dn)
        self.modify(dn, sAMAccountName=new,
                    userPrincipalName="%s@%s" % (new, namespace.DOMAIN) if upn == "" else upn)
        return self.account(new)

    def set_uac(self, name, add=0, remove=0):
        """Sets and clears bits of userAccountControl; returns the new value."""
        value = int(self.entry(name)["userAccountControl"][0]) & ~remove | add
        self.modify(name, userAccountControl=str(value))
        return value

    def disable(self, name):
        self.set_uac(name, add=DISABLED)

    def enable(self, name):
        self.set_uac(name, remove=DISABLED)

    def expire(self, name, year=2020):
        """Lets the account expire at the beginning of a year; None: never."""
        self.modify(name, accountExpires="0" if year is None else str(_nt_time(year)))

    def delete(self, name):
        """Deletes an account or group."""
        self._database.delete(self.dn(name))

    def discard(self, sid):
        """Deletes the account with this SID, if it is still there."""
        found = self._database.search(base=BASE, expression="(objectSid=%s)" % sid, attrs=["dn"])
        for one in found:
            self._database.delete(one.dn)

    # ---- keys ------------------------------------------------------------------------------

    def set_password(self, name, password=None):
        """Gives an account a (random) password: new keys, kvno one higher."""
        self.modify(name, unicodePwd=('"%s"' % (password or self._secret())).encode("utf-16-le"))

    def export_keytab(self, path, *principals, owner=None, enctypes=kerberos.AES):
        """Writes the current keys of the principals to a keytab that only its owner reads."""
        import samba.dckeytab  # noqa: F401  (adds export_keytab to Net)
        from samba.net import Net
        raw = path + ".raw"
        net = Net(None, self._parameters)
        with _silence():
            for principal in principals:
                net.export_keytab(keytab=raw, principal=principal)
        entries = [entry for entry in kerberos.keytab_entries(raw)
                   if entry["enctype"] in enctypes]
        os.unlink(raw)
        assert entries, "no keys for %s" % (principals,)
        return kerberos.write_keytab(path, entries, owner or self.owner)

    def rotate(self, name, path, *principals, owner=None):
        """New keys for an account, and a keytab with them in the place of the old one."""
        self.set_password(name)
        return self.export_keytab(path, *(principals or (name,)), owner=owner)


def _dn(name, parent):
    """DN of an entry by its common name, whatever characters that has (RFC 4514 section 2.4)."""
    return "CN=%s,%s" % (re.sub(r'([,+"\\<>;=]|^[ #]| $)', r"\\\1", name), parent)


def _nt_time(year):
    """1 January of a year as a Windows time: 100 ns since 1601."""
    import datetime
    since = datetime.datetime(year, 1, 1) - datetime.datetime(1601, 1, 1)
    return int(since.total_seconds()) * 10_000_000


class _silence:
    """Keeps what Samba's libraries print to stderr off the terminal."""

    def __enter__(self):
        self._saved = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)

    def __exit__(self, *_):
        os.dup2(self._saved, 2)
        os.close(self._saved)
