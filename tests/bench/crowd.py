# SPDX-License-Identifier: Apache-2.0
"""Many accounts and their phones, each with a certificate and a connection of its own."""
import concurrent.futures
import os
import queue
import threading
import time

from lab import wbxml

WORKERS = 32        # phones that speak at a time


class Crowd:
    """So many accounts in the directory, and a certificate for each."""

    def __init__(self, bench, count, prefix):
        self.bench = bench
        database = bench.directory
        self.accounts = [database.add_user("%s%d" % (prefix, number)) for number in range(count)]
        bench.certificate()     # makes the key that all of them share
        workers = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self.phones = list(workers.map(
            lambda account: bench.certificate(account, subject=account.name), self.accounts))

    def connect(self, gateway):
        """The connection of every phone, made and waiting: until its first request, of no account here,
        one would hold a thread of httpd's."""
        def one(phone):
            connection = self.bench.phone(phone, gateway=gateway).connect().__enter__()
            connection.request("GET", "/nothing")
            return connection
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            return list(workers.map(one, self.phones))

    def visit(self, gateway, requests=1, part=slice(None), connections=None):
        """Every phone, or those of a part, connects once, or uses the connection that it has, sends so
        many requests, and leaves.  Returns seconds and problems."""
        waiting, problems = queue.Queue(), []
        for place in list(range(len(self.phones)))[part]:
            waiting.put(place)
        body = wbxml.folder_sync()

        def work():
            while True:
                try:
                    place = waiting.get_nowait()
                except queue.Empty:
                    return
                connection = (connections[place] if connections else self.bench.phone(
                    self.phones[place], gateway=gateway).connect().__enter__())
                for _ in range(requests):
                    answer = connection.command("FolderSync", body)
                    if answer.status != 200:
                        problems.append("%s: %s" % (self.accounts[place].name, answer))
                connection.__exit__(None, None, None)
        begin = time.monotonic()
        threads = [threading.Thread(target=work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - begin, problems

    def discard(self):
        for account in self.accounts:
            self.bench.directory.discard(account.sid)
