# SPDX-License-Identifier: Apache-2.0
"""A reload under load: a new connection is always served, and a request on a kept one is lost only
as stock httpd loses it, by a connection that closes as the phone writes, and never answered wrongly."""
import threading

import pytest

from lab import wbxml
from lab.process import wait_until

PHONES = 3      # each with a kept connection, and one that connects for each request
RELOADS = 2


class Load:
    """Phones at work until `end`; what they met.  make: makes them, as the fixture phone does; kept:
    half of them keep a connection."""

    def __init__(self, make, gateway, kept=True):
        self.good = self.lost = 0
        self.refused = []           # new connections without the right answer
        self.wrong = []             # answers that are not this phone's
        self._ending = threading.Event()
        self._lock = threading.Lock()
        phones = {name: make(name, gateway=gateway) for name in ("alice", "bob", "carol")}
        self._threads = [threading.Thread(target=work, args=(name, phone))
                         for name, phone in phones.items()
                         for work in (self._anew, self._kept if kept else self._anew)]
        for thread in self._threads:
            thread.start()

    def _judge(self, name, answer, kept):
        with self._lock:
            if answer.status == 200 and answer.user in ("", None, name + "@CONTOSO.TEST"):
                self.good += 1
            elif answer.error and kept:
                self.lost += 1
            else:
                (self.wrong if answer.status else self.refused).append("%s: %s" % (name, answer))

    def _anew(self, name, phone):
        while not self._ending.is_set():
            try:
                with phone.connect() as connection:
                    self._judge(name, connection.command("FolderSync", wbxml.folder_sync()), False)
            except OSError as problem:
                self.refused.append("%s: %s" % (name, problem))

    def _kept(self, name, phone):
        connection, first = None, True
        while not self._ending.is_set():
            try:
                connection, first = connection or phone.connect(), connection is None
            except OSError as problem:
                self.refused.append("%s: %s" % (name, problem))
                continue
            answer = connection.command("FolderSync", wbxml.folder_sync())
            self._judge(name, answer, not first)
            if answer.error or answer.headers.get("Connection", "").lower() == "close":
                connection.close()
                connection = None

    def end(self):
        self._ending.set()
        for thread in self._threads:
            thread.join()
        return self


def served(load, more, deadline=20):
    """Waits until so many more requests were answered."""
    before = load.good
    wait_until(lambda: load.good >= before + more, "%d more answers" % more, deadline)


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_reload_under_load(gateway, phone, mpm):
    one = gateway(mpm=mpm, loglevel="warn")
    load = Load(phone, one)
    try:
        for _ in range(RELOADS):
            served(load, 20)
            one.reload()
        served(load, 20)
    finally:
        load.end()
    assert (load.refused, load.wrong) == ([], [])
    assert load.lost <= 2 * PHONES * RELOADS    # a connection closes once for each generation


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_restart_under_load(gateway, phone, mpm):
    """A hard restart cuts what is in flight, once for each; no answer is another's, and who connects
    meanwhile waits and is served."""
    one = gateway(mpm=mpm, loglevel="warn")
    load = Load(phone, one)
    try:
        for _ in range(RELOADS):
            served(load, 20)
            one.restart()
        served(load, 20)
    finally:
        load.end()
    assert load.wrong == []
    assert not [problem for problem in load.refused if "refused" in problem.lower()]
    assert len(load.refused) + load.lost <= 4 * PHONES * RELOADS, load.refused
