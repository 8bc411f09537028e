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

    def visit(self, gateway, requests=1, part=slice(None)):
        """Every phone, or those of a part, connects once and sends so many requests.  Returns seconds
        and problems."""
        waiting, problems = queue.Queue(), []
        for pair in list(zip(self.accounts, self.phones))[part]:
            waiting.put(pair)
        body = wbxml.folder_sync()

        def work():
            while True:
                try:
                    account, certificate = waiting.get_nowait()
                except queue.Empty:
                    return
                with self.bench.phone(certificate, gateway=gateway).connect() as connection:
                    for _ in range(requests):
                        answer = connection.command("FolderSync", body)
                        if answer.status != 200:
                            problems.append("%s: %s" % (account.name, answer))
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
