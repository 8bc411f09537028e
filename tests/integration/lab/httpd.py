# SPDX-License-Identifier: Apache-2.0
"""One httpd of the bench: a folder, a configuration of its own, and its processes."""
import os
import pwd
import signal
import time

from . import module
from .log import ErrorLog
from .process import Daemon, listens, run, wait_until

BASE_MODULES = ("unixd", "log_config", "logio", "authn_core", "authz_core", "authz_user", "headers",
                "setenvif", "env", "mime", "socache_shmcb", "ssl")

MPM = {
    "event": "StartServers 1\nServerLimit {processes}\nThreadLimit {threads}\n"
             "ThreadsPerChild {threads}\nMinSpareThreads 1\nMaxSpareThreads {total}\n"
             "MaxRequestWorkers {total}\nMaxConnectionsPerChild 0",
    "prefork": "StartServers 4\nMinSpareServers 4\nMaxSpareServers {total}\nServerLimit {total}\n"
               "MaxRequestWorkers {total}\nMaxConnectionsPerChild 0",
}
MPM["worker"] = MPM["event"]


def service_user():
    """Name of the unprivileged user that httpd runs as on this system."""
    for name in ("www-data", "apache", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    return "nobody"


def owner(user=None):
    """(uid, gid) of a user, for files that only this httpd may read."""
    entry = pwd.getpwnam(user or service_user())
    return entry.pw_uid, entry.pw_gid


class Httpd:
    """An httpd that listens on given addresses.

    Subclasses give the configuration by overriding `config()`.  `env` is all the environment the
    processes get beside PATH and TMPDIR.
    """

    def __init__(self, folder, listen, user=None, mpm="event", processes=2, threads=32, env=None,
                 preload=()):
        self.folder = folder
        self.listen = list(listen)              # (address, port)
        self.user = user or service_user()
        self.mpm = mpm
        self.processes = processes
        self.threads = threads
        self.conf = os.path.join(folder, "httpd.conf")
        self.error_log = ErrorLog(os.path.join(folder, "error.log"))
        self.output = os.path.join(folder, "output.log")
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                    "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
                    "KRB5CCNAME": "FILE:/nonexistent/ccache", **(env or {})}
        if preload:
            self.env["LD_PRELOAD"] = ":".join(preload)
            self.env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:disable_coredump=1"
            self.env["UBSAN_OPTIONS"] = "print_stacktrace=1"
        self._daemon = None
        for part in ("", "run"):
            os.makedirs(os.path.join(folder, part), exist_ok=True)

    # ---- configuration ---------------------------------------------------------------------

    def config(self):
        """The configuration below the common part, as text."""
        raise NotImplementedError

    def load(self, *names):
        """LoadModule lines for httpd's own modules; those linked into the binary need none."""
        return "".join("LoadModule %s_module %s\n" % (name, module.shared(name))
                       for name in names if module.shared(name))

    def common(self):
        """What every httpd of the bench has in its configuration."""
        shape = MPM[self.mpm].format(threads=self.threads, processes=self.processes,
                                     total=self.threads * self.processes)
        return "\n".join([
            'ServerRoot "%s"' % self.folder,
            'DefaultRuntimeDir "%s/run"' % self.folder,
            'PidFile "%s/run/httpd.pid"' % self.folder,
            'ErrorLog "%s"' % self.error_log.path,
            "LogLevel info", "ServerTokens Prod", "User %s" % self.user,
            "Group #%d" % owner(self.user)[1],
            self.load("mpm_" + self.mpm) + shape,
            "TypesConfig /dev/null" if module.shared("mime") else "",
            "GracefulShutdownTimeout 5",
            *["Listen %s:%d" % pair for pair in self.listen], ""])

    def write(self):
        """Writes the configuration file."""
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(self.load(*BASE_MODULES) + self.common() + self.config())
        return self.conf

    def configtest(self):
        """What `apachectl configtest` says: (exit status, its output)."""
        self.write()
        done = run(module.program(), "-f", self.conf, "-t", env=self.env, check=False)
        return done.returncode, done.stdout + done.stderr

    # ---- life ------------------------------------------------------------------------------

    def start(self, ready=True):
        """Starts the server and waits until every address answers."""
        self.write()
        self._daemon = Daemon([module.program(), "-f", self.conf, "-DFOREGROUND"], self.env,
                              self.output)
        self._daemon.start()
        if ready:
            wait_until(self._ready, "httpd in " + self.folder, deadline=40)
        return self

    def _ready(self):
        assert self.running(), "httpd did not start\n%s%s" % (
            self.startup_output(), self.error_log.text(0))
        return all(listens(address if address != "*" else "127.0.0.1", port)
                   for address, port in self.listen)

    def startup_output(self):
        """What it wrote before its error log was open."""
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self._daemon is not None and self._daemon.running()

    @property
    def pid(self):
        return self._daemon.pid

    def _at_rest(self):
        """Every thread sleeps, and nobody has hung up on it unheard."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getpgid(int(pid)) != self.pid:
                    continue
                for task in os.listdir("/proc/%s/task" % pid):
                    with open("/proc/%s/task/%s/stat" % (pid, task), encoding="ascii") as file:
                        if file.read().rsplit(")", 1)[1].split()[0] in "RD":
                            return False
            except (OSError, IndexError):   # ended meanwhile
                return False
        ports = {"%04X" % port for _, port in self.listen}
        with open("/proc/net/tcp", encoding="ascii") as file:
            sockets = [line.split() for line in file]
        return not any(words[3] == "08" and words[1].rsplit(":", 1)[1] in ports     # CLOSE_WAIT
                       for words in sockets)

    def stop(self):
        """Ends the server; requests in flight are cut.  Returns the exit status.

        httpd's MPM event looks at its threads' sockets when it is told to end, and may find one
        that its thread is just freeing: once in a hundred times a child then crashes, with and
        without our module.  So a connection that ends is given the time to.
        """
        end = time.monotonic() + 0.5
        while self.running() and not self._at_rest() and time.monotonic() < end:
            time.sleep(0.002)
        status = self._daemon.stop() if self._daemon else None
        self._daemon = None
        return status

    def kill(self):
        """Kills all processes at once, as a power failure would."""
        if self._daemon:
            self._daemon.kill()
            self._daemon = None

    def pause(self):
        """Stops all processes: connections are accepted by the kernel and nothing answers."""
        self._daemon.signal_all(signal.SIGSTOP)

    def resume(self):
        self._daemon.signal_all(signal.SIGCONT)

    def reload(self):
        """Graceful restart with the configuration as it is now; waits until it is in force."""
        self.write()
        generations = self.error_log.text(0).count("resuming normal operations")
        self._daemon.signal(signal.SIGUSR1)
        wait_until(lambda: self.error_log.text(0).count("resuming normal operations")
                   > generations, "graceful restart of " + self.folder)
        return self

    def restart(self):
        """Hard restart: requests in flight are cut."""
        generations = self.error_log.text(0).count("resuming normal operations")
        self._daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.error_log.text(0).count("resuming normal operations")
                   > generations, "restart of " + self.folder)
        return self

    def crashes(self, since=None):
        """Traces of crashes and sanitizers in the error log and on stderr."""
        output = ErrorLog(self.output)
        return self.error_log.crashes(since) + (output.crashes(0) if not since else [])
