# SPDX-License-Identifier: Apache-2.0
"""Many users on many connections against the identity-keeping back end: who is answered as whom?

HTTP/1.1 and HTTP/2, new and resumed connections, phones that hang up in the middle, and a back end
that closes and breaks off.  The clients are processes of their own, so that they outrun a gateway.
"""
import copy
import dataclasses
import itertools
import multiprocessing
import os
import queue
import random
import shutil
import socket
import types

from . import module, namespace
from .phone import PATH
from .process import wait_until

#: Lines of a gateway's Location and virtual host, and its modules, for a soak.
KNOBS = {"location": "EASCertAuthAccountLimit requests=1000", "modules": ["http2"],
         "vhost": "Protocols h2 http/1.1"}
STREAMS = 25                    # of HTTP/2, on one connection
STEP = 500                      # requests that a client process counts before it tells


@dataclasses.dataclass
class Tally:
    """What came of it."""
    requests: int = 0               # sent whole
    answers: int = 0                # whole answers of the back end, with a name
    foreign: int = 0                # ... under another name than the phone's, or to another request
    aborted: int = 0                # requests whose phone hung up
    broken: int = 0                 # requests that the back end broke off, as it was told to
    refused: int = 0                # requests that the gateway should have let through
    connections: int = 0            # of phones
    samples: list = dataclasses.field(default_factory=list)

    def add(self, other):
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        del self.samples[10:]


class Client:
    """One process: a phone after the other, of users in no order."""

    def __init__(self, phones, seed, h2):
        self._phones = []                       # what the back end calls the user, the phone
        for name, phone in phones.items():      # with files of its own: names are counted
            phone = copy.copy(phone)
            phone.folder = os.path.join(phone.folder, str(os.getpid()))
            os.makedirs(phone.folder, exist_ok=True)
            self._phones.append((name, phone))
        self._marks = itertools.count(1)
        self._random = random.Random(seed)
        self._last = {}
        self._h2 = h2
        self.tally = Tally()

    def play(self):
        """One connection of one phone."""
        name, phone = self._random.choice(self._phones)
        self.tally.connections += 1
        if self._random.random() < self._h2:
            self._streams(name, phone)
        else:
            self._connection(name, phone)

    def _play(self, what=""):
        """A mark, and the header by which the back end repeats it in its answer."""
        mark = "%d.%d" % (os.getpid(), next(self._marks))
        return mark, {"X-Play": "header=X-Mark:%s&%s" % (mark, what)}

    def _judge(self, name, mark, answer, broken=False):
        tally = self.tally
        tally.requests += 1
        if answer.status == 200 and answer.user is not None:
            tally.answers += 1
            if (answer.user, answer.headers.get("X-Mark")) != (name, mark):
                tally.foreign += 1
                tally.samples.append("%s, %s was answered as %s, %s" % (
                    name, mark, answer.user, answer.headers.get("X-Mark")))
        elif broken:
            tally.broken += 1
        else:
            tally.refused += 1
            tally.samples.append("%s: %s" % (name, answer))

    def _streams(self, name, phone):
        marked = [self._play("delay=0.01") for _ in range(STREAMS)]
        asked = [{"body": self._body(), "headers": headers} for _, headers in marked]
        hurry = self._random.random() < 0.1
        answers = phone.parallel(asked, streams=STREAMS,
                                 timeout=self._random.uniform(0.03, 0.1) if hurry else 60)
        for (mark, _), answer in zip(marked, answers):
            if hurry and answer.error:
                self.tally.requests += 1
                self.tally.aborted += 1
            else:
                self._judge(name, mark, answer)

    def _connection(self, name, phone):
        last = self._last.get(name) if self._random.random() < 0.7 else None
        connection = phone.connect(resume=last)
        try:
            for _ in range(self._random.choice((1, 1, 2, 5, 10, 20, 40))):
                if not self._request(name, connection):
                    break
                # A closed connection forgets its session.
                self._last[name] = types.SimpleNamespace(context=connection.context,
                                                         session=connection.session)
        finally:
            if connection.socket.fileno() >= 0:
                connection.close()

    def _body(self):
        return bytes(self._random.choice((0, 100, 100, 100, 1000, 1000, 10_000, 80_000)))

    def _request(self, name, connection):
        """True: the connection can be used again."""
        chance = self._random.random()
        if chance < 0.03:
            self._hang_up(connection, chance)
            return False
        play = "close=1" if chance < 0.06 else "drop=1" if chance < 0.07 else \
            "drop=half&size=5000" if chance < 0.08 else ""
        mark, headers = self._play(play)
        answer = connection.request("POST", PATH, self._body(), headers)
        self._judge(name, mark, answer, "drop" in play)
        return not answer.error and answer.headers.get("Connection") != "close"

    def _hang_up(self, connection, chance):
        """Inside of the body, before the answer, or inside of it."""
        self.tally.requests += 1
        self.tally.aborted += 1
        fields = ["POST %s?Cmd=Sync&User=x&DeviceId=x&DeviceType=x HTTP/1.1" % PATH,
                  "Host: mail.contoso.test", "Content-Length: 1000",
                  "X-Play: delay=0.02&size=300000"]
        connection.send(("\r\n".join(fields) + "\r\n\r\n").encode()
                        + bytes(500 if chance < 0.01 else 1000))
        if chance >= 0.02:
            connection.socket.recv(1000)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.abort()


def _client(phones, seed, h2, left, told):
    client = Client(phones, seed, h2)
    try:
        while left.value > 0:
            client.play()
            if client.tally.requests >= STEP:
                with left.get_lock():
                    left.value -= client.tally.requests
                told.put(client.tally)
                client.tally = Tally()
    except BaseException as problem:        # to be seen by who waits
        client.tally.refused += 1
        client.tally.samples.append("a client ended: %r" % problem)
        with left.get_lock():
            left.value = 0
    told.put(client.tally)
    told.put(None)


def soak(phones, requests, processes=4, h2=0.02, seed=1, progress=None):
    """So many requests or a few more; `phones` by the name under which they must be answered.

    h2: which part of the connections speaks HTTP/2.  progress: called with a Tally now and then.
    """
    fork = multiprocessing.get_context("fork")
    left, told = fork.Value("q", requests), fork.Queue()
    clients = [fork.Process(target=_client, args=(phones, seed * 1000 + number, h2, left, told))
               for number in range(processes)]
    for one in clients:
        one.start()
    tally, running = Tally(), processes
    while running:
        try:
            got = told.get(timeout=300)
        except queue.Empty:
            raise AssertionError("no client has said anything for five minutes") from None
        if got is None:
            running -= 1
            continue
        tally.add(got)
        if progress:
            progress(tally)
    for one in clients:
        one.join()
    return tally


def crowd(bench, count):
    """Phones of so many accounts, by the name that the back end knows them by."""
    names = ["alice", "bob", "carol"]
    names += ["soak%d" % number for number in range(count - len(names))]
    phones = {}
    for name in names[:count]:
        account = name if name in names[:3] else bench.directory.add_user(
            name, upn="%s@%s" % (name, namespace.DOMAIN))
        phones["%s@%s" % (name, namespace.DOMAIN.upper())] = bench.phone(bench.certificate(account))
    return phones


def without_isolation(folder):
    """Builds the module anew from its sources, with the private connections taken out: mod_proxy
    gets the worker that all share.  Returns the path of the module."""
    tree = os.path.join(folder, "without-isolation")
    shutil.copytree(os.path.join(module.TOP, "mod_eas_cba"), tree)
    path = os.path.join(tree, "httpd", "cba_private.c")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    private = "return &connection->copy;"
    shared = "return (proxy_worker *)connection->berth.worker;"
    assert text.count(private) == 1, "cba_private.c is not what this patch was made for"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(private, shared))
    return module.variant(os.path.join(tree, "mod_eas_cba.so"), tree)


def settle(keeper):
    """The back end's report, once what was aborted has come to its end there."""
    last = [None]

    def same():
        report = keeper.report()
        again, last[0] = last[0] == report, report
        return report if again else None
    return wait_until(same, "rest at the back end", pause=0.3)
