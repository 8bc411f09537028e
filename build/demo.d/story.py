# SPDX-License-Identifier: Apache-2.0
"""What happens inside: the bench of the integration tests is brought up, a phone is played, and
each step is told and compared with what it has to be.

Runs in the namespaces that lab/namespace.py makes; started by stage.py, which copies the output.
"""
import email.message
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))

from lab import namespace, wbxml            # noqa: E402
from lab.bench import Bench                 # noqa: E402
from lab.phone import PATH                  # noqa: E402
from lab.process import wait_until          # noqa: E402
from screen import Screen                   # noqa: E402

HELD = 3                    # seconds until the held Ping sees new mail
ATTACHMENT = 2_000_000
#: A refusal in the gateway's error log.
REFUSAL = re.compile(r'EAS\d{4}: (?P<meaning>[^\n]*?); account="(?P<account>[^"]*)" .*?'
                     r'serial=(?P<serial>\S+).*?; to do: (?P<remedy>.*)')
WHO = "alice@CONTOSO.TEST"
SPN = "HTTP/cas1.contoso.test"
TICKETS = {"kdc": "fetched from the KDC, S4U2Self and S4U2Proxy",
           "process": "remembered by the gateway's process"}


class OneServer(Bench):
    """The bench with one back end, whose Ping sees new mail soon."""

    def exchange(self, host, **more):
        return super().exchange(host, ping=HELD, **more) if host == "cas1" else None


class Shown:
    """A certificate that a phone shows, how it is told, and its file's name for the end.

    account: whose certificate it is where the shape (see Bench.certificate) says nothing else.
    """

    def __init__(self, bench, file, account, issuer="Contoso Issuing CA", **shape):
        self.file = file
        self.certificate = bench.certificate(account, **shape)
        self.serial = self.certificate.serial
        facts = {"sid": bench.directory.sid(account), "upn": account + "@" + namespace.DOMAIN}
        facts.update((key, shape[key]) for key in facts if key in shape)
        self.short = "CN=%s, serial %X" % (account, self.serial)
        self.lines = ["%s, of %s" % (self.short, issuer),
                      ", ".join("%s %s" % (key.upper(), facts[key]) if facts[key]
                                else "no " + key.upper() for key in ("sid", "upn"))]

    def write(self, folder):
        """Certificate, the CAs between and the key in one file, as curl's --cert takes it."""
        with open(self.certificate.chain, encoding="ascii") as file:
            chain = file.read()
        with open(os.path.join(folder, self.file), "w", encoding="ascii") as file:
            file.write(chain + self.certificate.private.text)


class Nothing:
    """No certificate."""
    file = certificate = serial = None
    lines = ["none"]


class Differs(Exception):
    """A step went so far astray that there is nothing more to compare."""


class Story:
    """The steps, in order; `differed` counts those that were not as expected."""

    def __init__(self, bench, screen):
        self.bench = bench
        self.screen = screen
        self.steps = 0
        self.differed = 0
        self.phones = []                # Shown, for those who go on by hand
        self._line = None
        self._problems = []

    # ---- bringing it up --------------------------------------------------------------------------

    def prepare(self):
        """Everything that a phone needs, except the phone."""
        self._timed("bench: Samba AD, certificates, Exchange stand-in", self.bench.start)
        self._timed("bench: gateway", self._start_gateway)
        self.expect("warnings at the gateway's start", self.gateway.numbers(serious=True), [])
        self.differed += 1 if self._problems else 0
        self._tell_problems()

    def _timed(self, text, work):
        begin = time.monotonic()
        self.screen.begin(text, kind="dim")
        try:
            work()
        except BaseException:
            self.screen.end(time.monotonic() - begin, "FAILED", "bad")
            raise
        self.screen.end(time.monotonic() - begin)

    def _start_gateway(self):
        # One process: what it remembers is then told by the order of the requests alone.
        self.gateway = self.bench.gateway(processes=1, vhost=[
            "SSLCARevocationFile " + self.bench.clients.crl(), "SSLCARevocationCheck leaf"])
        wait_until(lambda: "resuming normal operations" in self.gateway.error_log.text(),
                   "the gateway's first log lines")

    # ---- telling ---------------------------------------------------------------------------------

    def expect(self, what, got, wanted):
        """Notes a difference; it is told below the step."""
        if got != wanted:
            self._problems.append(_difference(what, wanted, got))

    def _step(self, title, work, tell):
        """One step: a title, the waiting for its answer, its facts, and what differed."""
        self.steps += 1
        self._problems = []
        self.gateway.mark()
        self.bench.cas1.mark()
        self.screen.plain()
        self.screen.begin("%3d  %s" % (self.steps, title))
        begin = time.monotonic()
        lines, seconds = [], None
        try:
            answer = work()
            seconds = answer.seconds
            lines = tell(answer)
        except Differs as problem:
            self._problems.append(str(problem))
        except (AssertionError, LookupError, ValueError, OSError) as problem:
            self._problems.append("%s: %s" % (type(problem).__name__, problem))
        if self._problems:
            self.differed += 1
        self.screen.end(time.monotonic() - begin if seconds is None else seconds,
                        "DIFFERS" if self._problems else "ok", "bad" if self._problems else "good")
        for label, text in lines:
            self.screen.line(label, text)
        self._tell_problems()

    def _tell_problems(self):
        for problem in self._problems:
            for line in problem.splitlines():
                self.screen.plain("     " + self.screen.paint("bad", "DIFFERS         " + line))
        if self._problems:
            for entry in self.gateway.error_log.entries():
                if entry.number or entry.serious:
                    self.screen.plain("     | " + entry.line)

    # ---- a phone that works ----------------------------------------------------------------------

    def good_phone(self):
        """OPTIONS, Provision, FolderSync, SendMail, Ping."""
        self.alice = Shown(self.bench, "alice.pem", "alice")
        self.phone = self.bench.phone(self.alice.certificate, self.gateway, device="demophone1",
                                      kind="Demo")
        self.screen.heading("A phone with a certificate and no password")
        for label, text in zip(("certificate", ""), self.alice.lines):
            self.screen.line(label, text)
        self.screen.line("connects to", "https://%s%s" % (self.gateway.name, PATH))
        self._step("OPTIONS: what can this server do?", lambda: self._send("OPTIONS"),
                   self._tell_options)
        self._step("Provision: which rules are there for phones?",
                   lambda: self._send("Provision", wbxml.provision()), self._tell_provision)
        self._step("FolderSync: which folders has the mailbox?",
                   lambda: self._send("FolderSync", wbxml.folder_sync()), self._tell_folders)
        mail = wbxml.send_mail(_mail())
        self._step("SendMail: a mail with an attachment of 2 MB",
                   lambda: self._send("SendMail", mail), self._tell_sent)
        self._step("Ping: wait for new mail", lambda: self._send("Ping", wbxml.ping()),
                   self._tell_ping)

    def _send(self, command, body=None):
        """One request on the phone's connection, which is opened again if the server closed it."""
        self._body = body
        if self._line is None or not self._line.open:
            self._line = self.phone.connect()
        self._request = ("OPTIONS", None) if command == "OPTIONS" else ("POST", command)
        answer = (self._line.request("OPTIONS") if body is None
                  else self._line.command(command, body, {"User-Agent": "Demo/1.0"}))
        if answer.error:
            raise Differs(answer.error)
        return answer

    def _answered(self, answer, wanted):
        """The gateway's access log of a request, if its answer is the one wanted: "403 EAS0102"."""
        access = self.gateway.access()[0]
        got = " ".join(word for word in (str(answer.status), access["EAS_REASON"]) if word)
        if got != wanted:
            raise Differs(_difference("answer", wanted, got))
        return access

    def _tell(self, answer, access, *about):
        """What gateway and Exchange say of a request that was let in."""
        self.expect("account", access["EAS_ACCOUNT"], WHO)
        self.expect("mapped by", access["EAS_MAPPED_BY"], "SID")
        self.expect("SPN", access["EAS_SPN"], SPN)
        self.expect("ticket", access["EAS_TICKET"], "kdc" if self.steps == 1 else "process")
        seen = self.bench.cas1.requests()
        self.expect("requests at Exchange", len(seen), 1)
        self.expect("numbers in the error log", self.gateway.numbers(serious=True), [])
        lines = [("certificate", "%s -> %s by %s" % (
                    self.alice.short, access["EAS_ACCOUNT"] or "nobody",
                    access["EAS_MAPPED_BY"] or "nothing")),
                 ("ticket", "%s, %s" % (access["EAS_SPN"] or "for no SPN", TICKETS.get(
                     access["EAS_TICKET"], "source: " + (access["EAS_TICKET"] or "none"))))]
        return lines + [line for one in seen for line in self._tell_seen(one, answer)] + [
            ("", text) if number else ("answer", "%d %s" % (answer.status, text))
            for number, text in enumerate(about)]

    def _tell_seen(self, seen, answer):
        """What Exchange saw of a request."""
        method, command = self._request
        body = self._body or b""
        headers = {name.lower(): value for name, value in seen["headers"]}
        self.expect("user at Exchange", seen["user"], WHO)
        self.expect("X-Backend-User", answer.user, WHO)
        self.expect("method", seen["method"], method)
        self.expect("command", seen["command"], command)
        self.expect("body", seen["length"], len(body))
        self.expect("SHA-256", seen["sha256"], hashlib.sha256(body).hexdigest())
        scheme, _, token = headers.get("authorization", "").partition(" ")
        self.expect("Authorization", scheme, "Negotiate")
        same = seen["sha256"] == hashlib.sha256(body).hexdigest()
        yield "Exchange saw", "%s%s from %s, %s token of %s bytes" % (
            seen["method"], " " + seen["command"] if seen["command"] else "", seen["user"],
            scheme or "no", _number(len(token) * 3 // 4))
        if body:
            yield "", "%s bytes, SHA-256 %s... %s" % (
                _number(seen["length"]), seen["sha256"][:16],
                "as the phone sent it" if same else "NOT as the phone sent it")
            yield "phone asked", _xml(body)

    def _tell_options(self, answer):
        access = self._answered(answer, "200")
        versions = answer.headers.get("MS-ASProtocolVersions", "none")
        commands = answer.headers.get("MS-ASProtocolCommands", "")
        self.expect("version 16.1 offered", "16.1" in versions.split(","), True)
        return self._tell(answer, access, "protocol versions " + versions,
                          "%d commands: %s" % (len(commands.split(",")), commands))

    def _tell_provision(self, answer):
        access = self._answered(answer, "200")
        text = _xml(answer.body)
        keys = re.findall(r"<PolicyKey>(\d+)</PolicyKey>", text)
        self.expect("policy keys", len(keys), 1)
        return self._tell(answer, access, text, "policy key " + ", ".join(keys))

    def _tell_folders(self, answer):
        access = self._answered(answer, "200")
        text = _xml(answer.body)
        names = re.findall("<DisplayName>(.*?)</DisplayName>", text)
        self.expect("folders", len(names), len(wbxml.FOLDERS))
        return self._tell(answer, access, text, "%d folders: %s" % (len(names), ", ".join(names)))

    def _tell_sent(self, answer):
        access = self._answered(answer, "200")
        self.expect("body of the answer", answer.body, b"")
        return self._tell(answer, access, "without a body: the mail is accepted")

    def _tell_ping(self, answer):
        access = self._answered(answer, "200")
        self.expect("held for %d s and no more than 10" % HELD, HELD <= answer.seconds < 10, True)
        self.expect("changes", "<Status>2</Status>" in _xml(answer.body), True)
        return self._tell(answer, access, _xml(answer.body),
                          "held for %.1f s, then: new mail in folder 5" % answer.seconds)

    # ---- phones that must not get in -------------------------------------------------------------

    def bad_phones(self):
        """Each is refused, by number and status, and Exchange hears nothing of it."""
        bench, directory = self.bench, self.bench.directory
        bob = "bob@" + namespace.DOMAIN
        nobody = directory.sid("alice").rpartition("-")[0] + "-999999"
        foreign = bench.pki.authority("Fabrikam CA")
        self.screen.heading("Phones that must not get in")
        for title, number, shown in (
                ("no certificate", "EAS0102", Nothing()),
                ("only a UPN, the kind of mapping that KB5014754 calls weak", "EAS0306",
                 Shown(bench, "no-sid.pem", "alice", sid=None)),
                ("an account that is disabled", "EAS0501",
                 Shown(bench, "disabled.pem", "disabled")),
                ("an account that is sensitive and cannot be delegated", "EAS0507",
                 Shown(bench, "sensitive.pem", "sensitive")),
                ("the SID of alice and the UPN of bob", "EAS0304",
                 Shown(bench, "two-accounts.pem", "alice", upn=bob)),
                ("the UPN of alice and a SID that is not hers", "EAS0305",
                 Shown(bench, "wrong-sid.pem", "alice", sid=nobody))):
            self._refused(title, number, shown)
        stranger = Shown(bench, "unknown-ca.pem", "alice", issuer="Fabrikam CA", ca=foreign)
        self.phones.append(stranger)
        self._step("a CA that the gateway does not trust", lambda: self._try(stranger),
                   lambda answer: self._tell_alert(answer, stranger))

    def _refused(self, title, number, shown):
        """One refusal by the module."""
        if shown.certificate is not None:
            self.phones.append(shown)
        self._step(title, lambda: self._try(shown),
                   lambda answer: self._tell_refused(answer, shown, number))

    def _try(self, shown):
        phone = self.bench.phone(shown.certificate, self.gateway, device="demophone2", kind="Demo")
        return phone.folder_sync()

    def _certificate(self, shown):
        return list(zip(("certificate", ""), shown.lines))

    def _nothing_seen(self, answer):
        self.expect("requests at Exchange", len(self.bench.cas1.requests()), 0)
        self.expect("user at Exchange", answer.user, None)

    def _tell_refused(self, answer, shown, number):
        """Status, number and the error log's own words."""
        self._answered(answer, "403 " + number)
        self.expect("a challenge", answer.headers.get("WWW-Authenticate"), None)
        self._nothing_seen(answer)
        log = self.gateway.error_log
        match = wait_until(lambda: REFUSAL.search(log.text()), "a refusal in the error log", 5)
        self.expect("numbers in the error log", log.numbers(), [number])
        self.expect("serial in the error log", match["serial"].lstrip("0"),
                    "%X" % shown.serial if shown.serial else "-")
        return self._certificate(shown) + [
            ("account", "none" if match["account"] == "-" else match["account"]),
            ("answer", "%d" % answer.status),
            ("gateway's log", "%s %s" % (number, match["meaning"])),
            ("to do", match["remedy"])]

    def _tell_alert(self, answer, shown):
        """The handshake fails: httpd's doing, before the module is asked."""
        alert = re.search(r"alert ([a-z ]+)", answer.error)
        self.expect("status", answer.status, 0)
        self.expect("TLS alert", alert[1].strip() if alert else answer.error, "unknown ca")
        self.expect("EAS numbers in the error log", self.gateway.numbers(), [])
        self._nothing_seen(answer)
        entry = wait_until(lambda: next((one for one in self.gateway.error_log.entries()
                                         if "Certificate Verification" in one.line), None),
                           "mod_ssl's line in the error log", 5)
        said = entry.line[entry.line.index("Certificate Verification"):].partition(" [subject")[0]
        return self._certificate(shown) + [
            ("answer", "no HTTP status; TLS alert: %s" % (alert[1].strip() if alert else "none")),
            ("mod_ssl's log", said)]

    # ---- for those who go on by hand -------------------------------------------------------------

    def report(self):
        """What the outside is told; with the files that the commands there name."""
        folder = os.path.join(self.bench.folder, "demo")
        os.makedirs(folder)
        shutil.copy(self.bench.servers.bundle, folder + "/ca.pem")
        for shown in [self.alice] + self.phones:
            shown.write(folder)
        with open(folder + "/foldersync.wbxml", "wb") as file:
            file.write(wbxml.folder_sync())
        logs = (("gateway's log", self.gateway.error_log), ("", self.gateway.access_log),
                ("Exchange's log", self.bench.cas1.log), ("AD's log", self.bench.directory.log))
        return {
            "steps": self.steps, "differed": self.differed, "folder": folder,
            "phones": [shown.file for shown in self.phones],
            "url": "https://%s%s" % (self.gateway.name, PATH),
            "query": self.phone.query("FolderSync").partition("?")[2],
            "logs": [[label, os.path.relpath(log.path, self.bench.folder)] for label, log in logs],
        }


def _difference(what, wanted, got):
    """Says that something is not as it has to be; nothing is written as a dash."""
    wanted, got = ("-" if one in ("", None, []) else one for one in (wanted, got))
    return "%s: expected %s, was %s" % (what, wanted, got)


def _number(value):
    return "{:,}".format(value)


def _xml(content):
    """One line of XML for a WBXML body, as libwbxml reads it."""
    text = wbxml.decode(content)
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", text, flags=re.S)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    return re.sub(r"\s*\n\s*", "", text).strip()


def _mail():
    """A mail with an attachment that no compression makes smaller, as MIME."""
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = "alice@contoso.test", "bob@contoso.test"
    mail["Subject"] = "The pictures of Sunday"
    mail.set_content("As promised.\n")
    mail.add_attachment(os.urandom(ATTACHMENT), maintype="image", subtype="jpeg",
                        filename="sunday.jpg")
    return mail.as_bytes()


def _leash(channel):
    """Ends everything when the outside is gone, unless it said that we stay."""
    stays = threading.Event()

    def watch():
        if channel.recv(16) != b"stay":
            os._exit(1)
        stays.set()
    threading.Thread(target=watch, daemon=True).start()
    return stays


def main():
    namespace.enter()
    channel = socket.socket(fileno=int(sys.argv[1]))
    stays = _leash(channel)
    screen = Screen(os.environ.get("EAS_DEMO_COLOUR") == "1")
    with OneServer() as bench:
        story = Story(bench, screen)
        story.prepare()
        story.good_phone()
        story.bad_phones()
        channel.sendall(json.dumps(story.report()).encode() + b"\n")
        stays.wait()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        threading.Event().wait()


if __name__ == "__main__":
    main()
