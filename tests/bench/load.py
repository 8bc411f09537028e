# SPDX-License-Identifier: Apache-2.0
"""What the measurements share: load by ab(1) or, with bodies, by uploader.c; the CPU time of an
httpd, rounds, tables."""
import csv
import os
import re
import statistics
import subprocess
import tempfile

from lab import module, namespace, wbxml
from lab.exchange import Exchange
from lab.process import run

ACCOUNTS = ("alice", "bob", "carol", "dave")
TICK = 1 / os.sysconf("SC_CLK_TCK")
QUERY = "?Cmd=Sync&User=alice&DeviceId=benchphone1&DeviceType=Bench"
PATH = "/Microsoft-Server-ActiveSync" + QUERY


class Open(Exchange):
    """An Exchange that asks nobody who he is: what is measured is the gateway."""

    auth = ""
    loaded = ()

    def config(self):
        return super().config().replace("Require valid-user", "Require all granted")


def open_backend(bench, host="cas5", **more):
    """An Open back end under a name for which the gateway may get tickets."""
    name = namespace.host(host)
    certificate = bench.servers.issue(name, dns=name, eku=("serverAuth",), key="server")
    made = Open(bench._place(host), hostname=name, address=namespace.address(host),
                config=bench.krb5, keytab=bench.exchange_keytab, certificate=certificate.chain,
                key=certificate.key, modules=bench.modules, record=False,
                **{"threads": 128, "processes": 2, **more})
    bench.backends.append(made)
    return made.start()


def cpu(server):
    """Seconds of CPU time that all processes of a server have used."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(pid)) == server.pid:
                with open("/proc/%s/stat" % pid, encoding="ascii") as file:
                    words = file.read().rsplit(")", 1)[1].split()
                total += int(words[11]) + int(words[12])
        except OSError:     # ended meanwhile
            pass
    return total * TICK


class Shot:
    """One run of ab for each phone, at once: requests a second, milliseconds at 50 and 99 % (the
    worst of the phones), CPU microseconds of the gateway a request, and the answers that were not
    2xx or did not come.  requests and connections are those of all phones together."""

    def __init__(self, gateway, phones, requests, connections, keep=True, body=None):
        self.rate = self.bad = self.p50 = self.p99 = 0
        phones = phones[:connections]
        with tempfile.TemporaryDirectory() as folder:
            sent = os.path.join(folder, "body")
            with open(sent, "wb") as file:
                file.write(body if body is not None else wbxml.folder_sync())
            before = cpu(gateway)
            running = []
            for number, phone in enumerate(phones):
                percentiles = os.path.join(folder, str(number))
                running.append((percentiles, subprocess.Popen(
                    ["ab", "-q", "-l", "-s", "120", *(["-k"] if keep else []),
                     "-n", str(requests // len(phones)), "-c", str(connections // len(phones)),
                     "-E", phone.both, "-p", sent, "-T", "application/vnd.ms-sync.wbxml",
                     "-e", percentiles, "https://%s:%d%s" % (gateway.name, gateway.port, PATH)],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
            for percentiles, process in running:
                said = process.communicate(timeout=600)[0]
                assert process.returncode == 0, said
                self._add(said, percentiles)
            self.cpu = (cpu(gateway) - before) / requests * 1e6

    def _add(self, said, percentiles):
        with open(percentiles, newline="", encoding="ascii") as file:
            at = {row[0]: row[1] for row in csv.reader(file)}
        self.rate += self._number(said, "Requests per second")
        self.p50 = max(self.p50, float(at["50"]))
        self.p99 = max(self.p99, float(at["99"]))
        self.bad += int(self._number(said, "Failed requests")
                        + self._number(said, "Non-2xx responses"))

    @staticmethod
    def _number(text, label):
        found = re.search(label + r":\s+([0-9.]+)", text)
        return float(found.group(1)) if found else 0.0


def compile_uploader(folder):
    """Path of the program."""
    target = os.path.join(folder, "uploader")
    run("gcc", "-std=gnu11", "-O2", *module.WARNINGS, "-o", target,
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "uploader.c"),
        "-lssl", "-lcrypto", "-lpthread")
    return target


class Upload:
    """The same as a Shot, of bodies by uploader.c: the requests alone, on connections that are open
    and have been used."""

    def __init__(self, gateway, phones, requests, connections, program, body):
        with tempfile.NamedTemporaryFile() as sent:
            sent.write(body)
            sent.flush()
            with subprocess.Popen(
                    [program, gateway.address, str(gateway.port), gateway.name, PATH, sent.name,
                     str(requests), str(connections), *[phone.both for phone in phones]],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                said = process.stdout.readline()
                assert said == "ready\n", said
                before = cpu(gateway)
                said = process.communicate("go\n", timeout=600)[0]
                self.cpu = (cpu(gateway) - before) / requests * 1e6
            assert process.returncode == 0, said
        self.rate, self.p50, self.p99, self.bad = map(float, said.split())


class Series:
    """The shots of one contestant; its figures are their medians."""

    def __init__(self):
        self.shots = []

    def __getattr__(self, name):
        return statistics.median(getattr(shot, name) for shot in self.shots)

    @property
    def failures(self):
        return int(sum(shot.bad for shot in self.shots))


def contest(gateways, phones, rounds, shot=Shot, slow=(), **shape):
    """Every gateway shoots once a round, after a warm-up; a Series for each name.  Those that are known
    to be slow make do with an eighth of the requests."""
    series = {name: Series() for name in gateways}
    for gateway in gateways.values():
        shot(gateway, phones, **{**shape, "requests": 4 * shape["connections"]})
    for _ in range(rounds):
        for name, gateway in gateways.items():
            requests = shape["requests"] // (8 if name in slow else 1)
            series[name].shots.append(shot(gateway, phones, **{**shape, "requests": requests}))
    return series


def table(head, rows):
    """Prints columns: the first to the left, the others to the right."""
    rows = [head] + [[cell if isinstance(cell, str) else "%.2f" % cell if cell < 10
                      else "%.0f" % cell for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  " + row[0].ljust(widths[0]) + "".join(
            "  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), flush=True)


def compare(series, against):
    """Prints a contest; ratios are those of the medians."""
    base = series[against]
    table(["", "requests/s", "ratio", "p50 ms", "p99 ms", "CPU us/request", "more", "failed"],
          [[name, one.rate, one.rate / base.rate, one.p50, one.p99, one.cpu,
            "%+.0f" % (one.cpu - base.cpu), str(one.failures)]
           for name, one in series.items()])
