# SPDX-License-Identifier: Apache-2.0
"""Namespaces of the run's own: network, mounts and processes.

`enter()` re-executes the calling script once under unshare(1).  Inside there is a loopback with the
addresses of ADDRESSES, an own /etc/hosts and resolver configuration, and empty tmpfs over the
folders that Samba and Kerberos write to.  Nothing written there is seen from outside, and all of it
ends with the first process: an httpd, Samba or Kerberos of the machine is neither used nor changed.
"""
import glob
import os
import shutil
import signal
import subprocess
import sys

MARK = "EAS_LAB_NAMESPACE"        # value: the process id outside that holds the namespaces
WORK = "/run/eas-lab"
DOMAIN = "contoso.test"

#: Host name -> address.  cas5 has its place in the directory, but nothing listens there by itself.
ADDRESSES = {
    "dc1": "10.77.0.1",
    "dc2": "10.77.0.2",
    "mail": "10.77.0.10",
    "cas1": "10.77.0.11",
    "cas2": "10.77.0.12",
    "cas3": "10.77.0.13",
    "cas4": "10.77.0.14",
    "cas5": "10.77.0.15",
    "mail2": "10.77.0.20",
    "cache": "10.77.0.30",
    "phone": "10.77.0.100",
}

#: Program -> Debian package it comes from.
PROGRAMS = {
    "unshare": "util-linux", "ip": "iproute2", "openssl": "openssl", "curl": "curl",
    "apxs": "apache2-dev", "gcc": "gcc", "samba": "samba", "samba-tool": "samba",
    "kinit": "krb5-user", "kvno": "krb5-user", "ldapsearch": "ldap-utils", "ps": "procps",
    "wbxml2xml": "libwbxml2-utils", "redis-server": "redis-server",
    "memcached": "memcached",
}
#: The same for what is no program; shell patterns.
FILES = {
    "/usr/share/samba/setup/provision.ldif": "samba-ad-provision",
    "/usr/lib*/*/samba/ldb/samba_dsdb.so": "samba-dsdb-modules",
    "/usr/lib*/*/samba/vfs/acl_xattr.so": "samba-vfs-modules",
    "/usr/lib*/*/sasl2/libgssapiv2.so": "libsasl2-modules-gssapi-mit",
    "/usr/lib*/apache2/modules/mod_auth_gssapi.so": "libapache2-mod-auth-gssapi",
    "/usr/lib/python3/dist-packages/samba/samdb.py": "python3-samba",
    "/usr/include/gssapi/gssapi.h": "libkrb5-dev",
    "/usr/include/openssl/evp.h": "libssl-dev",
}


def host(name):
    """Full name of a host of the bench."""
    return "%s.%s" % (name, DOMAIN)


def address(name):
    """Address of a host of the bench, by its short or full name."""
    return ADDRESSES[name.split(".")[0]]


def inside():
    """True in a process that runs inside the namespaces."""
    return MARK in os.environ


def entrance():
    """Process id, as seen from outside, through which a shell of the machine gets in:
    `nsenter -t PID -m -n curl …`."""
    return int(os.environ[MARK])


def missing():
    """What the bench needs and this machine lacks, as a list of package names."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    lacking = {package for program, package in PROGRAMS.items()
               if shutil.which(program, path=path) is None}
    lacking |= {package for file, package in FILES.items() if not glob.glob(file)}
    return sorted(lacking)


def enter():
    """Re-executes this script inside fresh namespaces; returns only there.

    The first process inside stays behind as the reaper of orphans, so that a daemon that ended is
    gone and not a zombie; the script goes on in its child and its exit status is passed on.
    """
    if not inside():
        _leave_for_namespace()
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    _prepare()
    child = os.fork()
    if child:
        _reap(child)


def _leave_for_namespace():
    if os.geteuid() != 0:
        sys.exit("%s: must run as root: it makes network and mount namespaces of its own"
                 % sys.argv[0])
    lacking = missing()
    if lacking:
        sys.exit("%s: missing packages: apt-get install --no-install-recommends %s"
                 % (sys.argv[0], " ".join(lacking)))
    unshare = ["unshare", "-mn", "--pid", "--fork", "--kill-child", "--mount-proc"]
    probe = subprocess.run(unshare + ["true"], stderr=subprocess.PIPE, check=False)
    if probe.returncode != 0:
        sys.exit("%s: cannot make namespaces here (a container needs CAP_SYS_ADMIN): %s"
                 % (sys.argv[0], probe.stderr.decode("utf-8", "replace").strip()))
    sys.stdout.flush()
    os.environ[MARK] = str(os.getpid())      # exec keeps it: unshare lives as long as we do
    os.execvp(unshare[0], unshare + [sys.executable] + sys.argv)


def _reap(child):
    """Process 1: waits for the script, collects every orphan, leaves with the script's status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, frame: os.kill(child, got))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child as well
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _prepare():
    """Builds the inside: mounts first, then the files that are bound over the machine's."""
    _mount_tmpfs("/run", "0755")
    for folder in ("/run/samba", "/run/lock", WORK):
        os.makedirs(folder, exist_ok=True)
    for folder in ("/var/log/samba", "/var/tmp", "/var/lib/samba", "/var/cache/samba"):
        if os.path.isdir(folder):
            _mount_tmpfs(folder, "1777" if folder == "/var/tmp" else "0755")
    os.makedirs(WORK + "/etc", exist_ok=True)
    os.makedirs(WORK + "/tmp", exist_ok=True)
    os.chmod(WORK + "/tmp", 0o1777)
    hosts = ["127.0.0.1 localhost", "::1 localhost"]
    hosts += ["%s %s %s" % (ip, host(name), name) for name, ip in ADDRESSES.items()]
    _bind("/etc/hosts", "\n".join(hosts) + "\n")
    # Nothing listens on port 53 inside: a lookup fails at once instead of waiting for a server.
    _bind("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    _bind("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                                "services: files\nprotocols: files\n")
    _bind("/etc/ldap/ldap.conf", "# empty: the machine's defaults must not decide a test\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    batch = "".join("addr add %s/24 dev lo\n" % ip for ip in ADDRESSES.values())
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    os.environ.update({
        "TMPDIR": WORK + "/tmp",
        "KRB5CCNAME": "FILE:%s/tmp/krb5cc_none" % WORK,
        "KRB5_CONFIG": WORK + "/krb5.conf",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    })
    for name in ("KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "http_proxy", "https_proxy", "HTTPS_PROXY",
                 "ALL_PROXY", "all_proxy", "LDAPRC", "LDAPCONF", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ.pop(name, None)


def _mount_tmpfs(folder, mode):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=" + mode, "eas-lab", folder], check=True)


def _bind(path, text):
    """Puts a file of our own in the place of the machine's, for this mount namespace only."""
    source = WORK + "/etc/" + os.path.basename(path)
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    target = os.path.realpath(path)
    if target.startswith("/run/"):  # systemd-resolved: a link into the folder we covered
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
    elif os.path.exists(target):
        subprocess.run(["mount", "--bind", source, target], check=True)
    elif path in ("/etc/hosts", "/etc/nsswitch.conf"):
        sys.exit("the bench cannot put its own %s in place: there is none on this machine" % path)
