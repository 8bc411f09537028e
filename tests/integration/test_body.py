# SPDX-License-Identifier: Apache-2.0
"""The body of a request: read ahead to its end, counted, kept in memory and on disk, and given to
the back end byte for byte."""
import gzip
import hashlib
import os
import random
import subprocess
import time

import pytest

from lab import namespace
from lab.httpd import owner
from lab.phone import PATH, whole
from lab.process import wait_until
from shared import (  # noqa: F401
    bare, cards, logged, name_of, phone, place, refused, settled, site, standing, untouched)

KIB, MIB = 1024, 1024 * 1024
LIMIT = 100_000
SPOOL = namespace.WORK + "/spool"
SITE = {"server": "EASCertAuthSpool " + SPOOL,
        "modules": ["deflate"],
        "after": place("/small", "EASCertAuthReadAhead %d 1000" % LIMIT)
        + place("/memory", "EASCertAuthReadAhead %d %d" % (LIMIT, LIMIT))
        + place("/inflate", "SetInputFilter DEFLATE",
                "EASCertAuthReadAhead %d 1000" % LIMIT)}


def folder(path):
    """An empty folder that httpd may write to."""
    os.makedirs(path, exist_ok=True)
    os.chown(path, *owner())
    os.chmod(path, 0o700)
    return path


@pytest.fixture(scope="module", autouse=True)
def spool():
    """The directory that SITE names."""
    return folder(SPOOL)


def content(size):
    """Bytes in which no part looks like another."""
    return random.Random(size).randbytes(size)


def arrived(cas1, body):
    """The back end got exactly this, with its length and not in chunks."""
    seen = cas1.requests()[-1]
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert seen["complete"] and seen["user"] == "alice@CONTOSO.TEST"
    assert "transfer-encoding" not in fields and "expect" not in fields
    return fields


def head(path, *fields):
    return ("\r\n".join(["POST %s HTTP/1.1" % whole("POST", path), "Host: mail.contoso.test", *fields])
            + "\r\n\r\n").encode()


# ---- sizes and framings ------------------------------------------------------------------------

FRAMINGS = {"length": {}, "chunked": {"chunked": True}, "expect": {"expect": True},
            "chunked-expect": {"chunked": True, "expect": True}}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("path,size", [
    (PATH, 1), (PATH, 64 * KIB - 1), (PATH, 64 * KIB), (PATH, 64 * KIB + 1),
    (PATH, 5 * MIB), ("/small", 1000), ("/small", 1001), ("/small", LIMIT - 1), ("/small", LIMIT),
    ("/memory", LIMIT)])
def test_body_arrives_as_it_was_sent(site, phone, cas1, path, size, framing):
    body = content(size)
    answer = phone("alice").request("POST", path, body, **FRAMINGS[framing])
    assert answer.user == "alice@CONTOSO.TEST", str(answer)
    assert arrived(cas1, body)["content-length"] == str(size)


@pytest.mark.parametrize("size", [10 * MIB, 10 * MIB + 1], ids=["limit", "one-more"])
def test_limit_is_ten_mebibytes_unless_told_otherwise(site, phone, cas1, expect, size):
    body = content(size)
    answer = phone("alice").request("POST", PATH, body)
    if size > 10 * MIB:
        expect("EAS0204")
        assert answer.status == 413 and cas1.requests() == []
    else:
        arrived(cas1, body)


@pytest.mark.parametrize("path", [PATH, "/inflate"])
@pytest.mark.parametrize("fields,body", [
    ((), b""), (("Content-Length: 0",), b""), (("Content-Length: 0", "Expect: 100-continue"), b""),
    (("Transfer-Encoding: chunked",), b"0\r\n\r\n"),
    (("Transfer-Encoding: chunked", "Expect: 100-continue"), b"0\r\n\r\n")],
    ids=["none", "length", "expect", "chunked", "chunked-expect"])
def test_empty_body(site, phone, cas1, path, fields, body):
    with phone("alice").connect() as connection:
        for _ in range(2):
            connection.send(head(path, *fields) + body)
            assert connection.answer().status == 200
            arrived(cas1, b"")


def test_chunks_count_where_a_length_is_given_as_well(site, phone, cas1):
    """RFC 9112 6.1: the length is not believed, and the connection is not used again."""
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Content-Length: 3", "Transfer-Encoding: chunked")
                        + b"5\r\nhello\r\n0\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 200 and answer.headers.get("Connection") == "close"
    arrived(cas1, b"hello")


@pytest.mark.parametrize("fields", [
    ("Content-Length: 5", "Content-Length: 6"), ("Transfer-Encoding: chunked, gzip",),
    ("Transfer-Encoding: x",)])
def test_framing_that_servers_disagree_on(site, phone, expect, untouched, fields):
    expect.maybe("EAS0206")
    with phone("alice").connect() as connection:
        connection.send(head(PATH, *fields) + b"5\r\nhello\r\n0\r\n\r\n")
        answer = connection.answer()
    assert answer.status in (400, 501) and answer.headers.get("Connection") == "close"
    bare(answer)
    untouched.check()


@pytest.mark.parametrize("chunks", [[1] * 50, [64 * KIB, 1, 64 * KIB - 1], [KIB, 70_000, 3]])
def test_chunks_of_any_size(site, phone, cas1, chunks):
    body, parts = content(sum(chunks)), []
    for size in chunks:
        parts.append(body[sum(len(part) for part in parts):][:size])
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Transfer-Encoding: chunked"))
        for part in parts:
            connection.send(b"%x;ext=1\r\n%s\r\n" % (len(part), part))
        connection.send(b"0\r\n\r\n")
        assert connection.answer().status == 200
    arrived(cas1, body)


def test_bodies_one_after_the_other_on_one_connection(site, phone, cas1):
    with phone("alice").connect() as connection:
        for size in (5, 300_000, 0, 70_000, 1):
            body = content(size)
            assert connection.request("POST", PATH, body).status == 200
            arrived(cas1, body)
        logged(site, 5, connection=name_of(connection))
    ports = {seen["connection"].rsplit("-", 1)[1] for seen in cas1.requests()}
    assert len(ports) == 1


def test_continue_is_sent_once_the_account_is_admitted(site, phone, cas1):
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Content-Length: 5", "Expect: 100-continue"))
        assert connection.socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.send(b"hello")
        assert connection.answer().status == 200
    arrived(cas1, b"hello")


def test_back_end_is_asked_only_when_the_body_is_complete(site, phone, cas1):
    before = connections_to(cas1)
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Content-Length: 200000") + content(199_999))
        wait_until(lambda: spooled(site), "the body on disk")
        assert cas1.requests() == [] and connections_to(cas1) <= before
        connection.send(b"x")
        assert connection.answer().status == 200
    arrived(cas1, content(199_999) + b"x")


def connections_to(backend):
    """TCP connections that anybody has to a back end; some may wait for their account's next request."""
    address = "".join("%02X" % int(part) for part in reversed(backend.address.split(".")))
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(words[2] == "%s:%04X" % (address, backend.port) and words[3] == "01"
                   for words in map(str.split, file))


def test_slow_senders_hold_no_connection_to_the_back_end(site, phone, cas1):
    """Ten at once, up to the last byte but one."""
    body = content(100_000)
    before = connections_to(cas1)
    connections = [phone("alice").connect() for _ in range(10)]
    for connection in connections:
        connection.send(head(PATH, "Content-Length: 100000") + body[:-1])
    wait_until(lambda: len(spooled(site)) == 10, "the bodies on disk")
    assert cas1.requests() == [] and connections_to(cas1) <= before
    for connection in connections:
        connection.send(body[-1:])
    for connection in connections:
        assert connection.answer().status == 200
        connection.close()
    assert {one["sha256"] for one in cas1.requests()} == {hashlib.sha256(body).hexdigest()}


def test_http_1_0(site, phone, cas1):
    body = content(100_000)
    assert phone("alice").request("POST", PATH, body, version="1.0").status == 200
    arrived(cas1, body)


# ---- 0204, 0205: too large ---------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/small", "/memory"])
@pytest.mark.parametrize("expect100", [False, True])
@pytest.mark.parametrize("size", [LIMIT + 1, 5 * MIB])
def test_announced_length_over_the_limit(site, phone, refused, path, expect100, size):
    refused(phone("alice").request("POST", path, content(size), expect=expect100), "EAS0204", 413)


@pytest.mark.parametrize("size", ["100001", "9999999999", "9223372036854775807"])
@pytest.mark.parametrize("fields", [(), ("Expect: 100-continue",)])
def test_announced_length_is_refused_before_a_byte_is_read(site, phone, expect, untouched, size,
                                                           fields):
    expect("EAS0204")
    with phone("alice").connect() as connection:
        connection.send(head("/small", "Content-Length: " + size, *fields))
        answer = b"".join(iter(lambda: connection.socket.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ") and b"Connection: close\r\n" in answer
    untouched.check()
    logged(site, status="413", EAS_REASON="EAS0204")


@pytest.mark.parametrize("size", ["-1", "1x", "", "99999999999999999999", "1, 1"])
def test_length_that_makes_no_sense(site, phone, expect, untouched, size):
    """httpd refuses most of them; which of us it is does not matter."""
    expect.maybe("EAS0206")
    with phone("alice").connect() as connection:
        connection.send(head("/small", "Content-Length: " + size))
        answer = connection.answer()
    assert answer.status in (400, 413)
    bare(answer)
    untouched.check()


@pytest.mark.parametrize("path", ["/small", "/memory"])
@pytest.mark.parametrize("size", [LIMIT + 1, 5 * MIB])
def test_chunked_body_over_the_limit(site, phone, refused, path, size):
    refused(phone("alice").request("POST", path, content(size), chunked=True), "EAS0205", 413)


@pytest.mark.parametrize("chunked", [False, True])
def test_stream_over_the_limit(gateway, phone, untouched, expect, chunked):
    """HTTP/2 has no chunks: without a length the body grows."""
    number = "EAS0205" if chunked else "EAS0204"
    expect(number)
    server = gateway(port=8443, modules=["http2"], vhost="Protocols h2 http/1.1",
                     server="EASCertAuthSpool " + SPOOL,
                     location="EASCertAuthReadAhead %d 1000" % LIMIT)
    more = ["--header", "Content-Length:"] if chunked else []
    phone("alice", server).request("POST", PATH, content(LIMIT + 1), version="2", options=more)
    untouched.check()
    logged(server, status="413", EAS_REASON=number)


# ---- the spool ---------------------------------------------------------------------------------

def descriptors(server):
    """What the processes of a gateway have open."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(pid)) == server.pid:
                folder_of = "/proc/%s/fd" % pid
                found += [os.readlink(os.path.join(folder_of, name))
                          for name in os.listdir(folder_of)]
        except OSError:         # ended or closed meanwhile
            pass
    return found


def spooled(server, path=SPOOL):
    """Unlinked files of the spool directory that are open."""
    return [name for name in descriptors(server)
            if name.startswith(path + "/") and name.endswith(" (deleted)")]


def test_file_has_no_name_while_it_is_used_and_is_gone_afterwards(site, phone, cas1):
    body = content(200_000)
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Content-Length: 200000") + body[:150_000])
        wait_until(lambda: spooled(site), "the body on disk")
        assert os.listdir(SPOOL) == []
        connection.send(body[150_000:])
        assert connection.answer().status == 200
        arrived(cas1, body)
        wait_until(lambda: not spooled(site), "the end of the file")
    assert os.listdir(SPOOL) == []


def test_file_stays_while_the_back_end_works(site, phone, cas1):
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Content-Length: 200000", "X-Play: delay=0.5")
                        + content(200_000))
        cas1.wait_for(1)
        assert len(spooled(site)) == 1 and os.listdir(SPOOL) == []
        assert connection.answer().status == 200


@pytest.mark.parametrize("path,size,files", [(PATH, 64 * KIB, 0), ("/memory", LIMIT, 0),
                                             (PATH, 64 * KIB + 1, 1), ("/small", 1001, 1)])
def test_memory_before_disk(site, phone, cas1, path, size, files):
    with phone("alice").connect() as connection:
        connection.send(head(path, "Content-Length: %d" % size, "X-Play: delay=0.3")
                        + content(size))
        cas1.wait_for(1)
        assert len(spooled(site)) == files
        assert connection.answer().status == 200


def test_default_spool_directory(gateway, phone, cas1):
    """It is made in the runtime directory, for httpd's user alone."""
    server = gateway(port=8443)
    body = content(300_000)
    with phone("alice", server).connect() as connection:
        connection.send(head(PATH, "Content-Length: 300000", "X-Play: delay=0.3") + body)
        cas1.wait_for(1)
        path = server.folder + "/run/eas_cba"
        assert spooled(server, path) and os.listdir(path) == []
        assert os.stat(path).st_mode & 0o777 == 0o700
        assert os.stat(path).st_uid == owner()[0]
        assert connection.answer().status == 200
    arrived(cas1, body)


def test_total_on_disk(gateway, phone, cas1, expect):
    expect("EAS0207")
    server = gateway(port=8443, processes=1,
                     server="EASCertAuthSpool %s 500K" % folder(SPOOL + "-total"))
    one = phone("alice", server)
    with one.connect() as holder:
        holder.send(head(PATH, "Content-Length: 400000") + content(399_999))
        wait_until(lambda: spooled(server, SPOOL + "-total"), "the body on disk")
        answer = wait_until(lambda: refusal_of(one), "a refusal")
        assert answer.headers.get("Retry-After") == "30"
        bare(answer)
        assert cas1.requests() == []
        assert one.request("POST", PATH, content(60_000)).status == 200     # needs no disk
        holder.send(b"x")
        assert holder.answer().status == 200
    wait_until(lambda: one.request("POST", PATH, content(400_000)).status == 200,
               "what was held is free again")


def refusal_of(one):
    """The answer to a body of 300 KB, once it is a refusal."""
    answer = one.request("POST", PATH, content(300_000))
    return answer if answer.status == 503 else None


def test_total_counts_all_bodies_of_all_connections(gateway, phone, expect, cas1):
    """Twenty at once, room for five: those that are let in arrive whole."""
    expect.maybe("EAS0207")
    server = gateway(port=8443, server="EASCertAuthSpool %s 1M" % folder(SPOOL + "-many"))
    body = content(260_000)
    requests = [{"body": body, "headers": {"X-Play": "delay=0.2"}}] * 20
    answers = phone("alice", server).parallel(requests, version="1.1", streams=20)
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 503}
    seen = cas1.requests()
    assert len(seen) == statuses.count(200)
    assert {one["sha256"] for one in seen} == {hashlib.sha256(body).hexdigest()}


@pytest.mark.parametrize("size", [64 * KIB + 1, 5 * MIB])
def test_directory_that_cannot_be_written(gateway, phone, refused, expect, size):
    path = folder(SPOOL + "-closed")
    server = settled(gateway(port=8443, server="EASCertAuthSpool " + path))
    os.chown(path, 0, 0)
    answer = phone("alice", server).request("POST", PATH, content(size))
    refused(answer, "EAS0208", 503, server)
    assert answer.headers.get("Retry-After") == "30"
    assert phone("alice", server).request("POST", PATH, content(1000)).status == 200


def test_directory_that_is_gone(gateway, phone, refused):
    path = folder(SPOOL + "-gone")
    server = settled(gateway(port=8443, server="EASCertAuthSpool " + path))
    os.rmdir(path)
    refused(phone("alice", server).request("POST", PATH, content(100_000)), "EAS0208", 503, server)


@pytest.fixture
def tiny():
    """A file system of 1 MiB."""
    path = folder(SPOOL + "-tiny")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tiny", path], check=True)
    os.chown(path, *owner())
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.eas("EAS0208")
def test_directory_that_goes_and_comes_again(gateway, phone, cas1):
    """At run time: bodies on disk fail while it is away, small ones pass; no restart is needed."""
    path = folder(SPOOL + "-away")
    server = settled(gateway(port=8443, server="EASCertAuthSpool " + path))
    with phone("alice", server).connect() as connection:
        statuses = []
        for step in (None, os.rmdir, folder):
            if step:
                step(path)
            statuses += [connection.request("POST", PATH, content(size)).status
                         for size in (1000, 100_000)]
            connection = connection if connection.open else phone("alice", server).connect()
    assert statuses == [200, 200, 200, 503, 200, 200]


def test_disk_that_is_full(gateway, phone, refused, tiny, cas1):
    server = gateway(port=8443, server="EASCertAuthSpool " + tiny)
    one = phone("alice", server)
    refused(one.request("POST", PATH, content(2 * MIB)), "EAS0208", 503, server)
    assert "No space left" in [entry.line for entry in server.error_log.entries()
                               if entry.number == "EAS0208"][0]
    body = content(900_000)
    wait_until(lambda: one.request("POST", PATH, body).status == 200, "room after the refusal")
    arrived(cas1, body)


# ---- 0206, 0210: bodies that do not end --------------------------------------------------------

def ended(server, number):
    """Waits for the line in both logs; httpd notices on its own time that a phone has gone."""
    wait_until(lambda: number in server.numbers(), number)
    logged(server, status="400", EAS_REASON=number)


def opened(one):
    """A connection on which nothing is left to be read: closing it is no reset."""
    connection = one.connect()
    assert connection.request("OPTIONS").status == 200
    return connection


@pytest.mark.parametrize("framing,sent", [
    ("Content-Length: 100", 50), ("Content-Length: 400000", 300_000),
    ("Content-Length: 100", 0)])
def test_body_broken_off(site, phone, expect, untouched, framing, sent):
    expect("EAS0206")
    connection = opened(phone("alice"))
    untouched.reset()
    connection.send(head(PATH, framing) + content(sent))
    connection.close()
    ended(site, "EAS0206")
    untouched.check()
    wait_until(lambda: not spooled(site), "the end of the file")


@pytest.mark.parametrize("sent", [b"", b"5\r\nhel", b"5\r\nhello\r\n",
                                  b"11170\r\n" + b"x" * 70_000],
                         ids=["nothing", "in-a-chunk", "between", "on-disk"])
def test_chunked_body_broken_off(site, phone, expect, untouched, sent):
    expect("EAS0206")
    connection = opened(phone("alice"))
    untouched.reset()
    connection.send(head(PATH, "Transfer-Encoding: chunked") + sent)
    connection.close()
    ended(site, "EAS0206")
    untouched.check()


@pytest.mark.parametrize("sent", [b"zz\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
                                  b"5\r\nhelloxx\r\n0\r\n\r\n", b"fffffffffffffffff\r\n",
                                  b"5 5\r\nhello\r\n0\r\n\r\n"])
def test_chunks_that_make_no_sense(site, phone, expect, untouched, sent):
    expect("EAS0206")
    with phone("alice").connect() as connection:
        connection.send(head(PATH, "Transfer-Encoding: chunked") + sent)
        answer = connection.answer()
        assert answer.status in (400, 413)
        assert answer.headers.get("Connection") == "close"
    bare(answer)
    untouched.check()


def test_reset_of_the_connection(site, phone, expect, untouched):
    import socket
    import struct
    expect("EAS0206")
    connection = opened(phone("alice"))
    untouched.reset()
    connection.send(head(PATH, "Content-Length: 400000") + content(200_000))
    wait_until(lambda: spooled(site), "the body on disk")
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.socket.detach())
    ended(site, "EAS0206")
    untouched.check()
    wait_until(lambda: not spooled(site), "the end of the file")


@pytest.mark.parametrize("fields,sent", [
    (("Content-Length: 100",), b""), (("Content-Length: 100000",), b"x" * 99_999),
    (("Transfer-Encoding: chunked",), b"5\r\nhello\r\n")], ids=["nothing", "almost-all", "chunked"])
def test_body_that_is_too_slow(gateway, phone, expect, untouched, fields, sent):
    """mod_reqtimeout gives it a second."""
    expect("EAS0210")
    server = gateway(port=8443, vhost="RequestReadTimeout body=1")
    with phone("alice", server).connect() as connection:
        begin = time.monotonic()
        connection.send(head(PATH, *fields) + sent)
        answer = connection.answer()
        assert 0.9 < time.monotonic() - begin < 10
    assert (answer.status, answer.headers.get("Connection")) == (408, "close")
    bare(answer)
    untouched.check()
    logged(server, status="408", EAS_REASON="EAS0210")


# ---- content filters ---------------------------------------------------------------------------

ZIPPED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("size", [10, 1000, LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_inflated_body_arrives_inflated(site, phone, cas1, size, chunked):
    body = content(size // 2) + bytes(size - size // 2)
    answer = phone("alice").request("POST", "/inflate", gzip.compress(body), ZIPPED,
                                    chunked=chunked)
    assert answer.user == "alice@CONTOSO.TEST"
    fields = arrived(cas1, body)
    assert "content-encoding" not in fields and fields["content-length"] == str(size)


@pytest.mark.parametrize("size", [LIMIT + 1, 600_000])
def test_body_is_counted_after_inflating(site, phone, refused, size):
    body = gzip.compress(b"".join(content(20) + bytes(200) + b"%d" % at for at in range(
        size // 221 + 1))[:size])
    assert len(body) < LIMIT / 2
    refused(phone("alice").request("POST", "/inflate", body, ZIPPED), "EAS0205", 413)


def test_bomb_is_defused_by_the_filter(site, phone, refused):
    body = gzip.compress(bytes(50 * MIB), 9)
    refused(phone("alice").request("POST", "/inflate", body, ZIPPED), "EAS0206", 400)


@pytest.mark.parametrize("framing", [{}, {"chunked": True}], ids=["length", "chunked"])
@pytest.mark.eas("EAS0047")
def test_bomb_that_the_filter_lets_through(gateway, phone, refused, tiny, framing):
    """100 KB that would be 100 MB: what it becomes is refused while it grows.  There is 1 MiB of
    disk, and memory for no more than a little."""
    server = settled(gateway(
        port=8443, modules=["deflate"], processes=1, server="EASCertAuthSpool " + tiny,
        location=["SetInputFilter DEFLATE", "DeflateInflateRatioLimit 100000",
                  "EASCertAuthReadAhead 500K 1000"]))
    server.mark()
    before = resident(server)
    body = gzip.compress(bytes(100 * MIB), 9)
    refused(phone("alice", server).request("POST", PATH, body, ZIPPED, **framing), "EAS0205", 413,
            server)
    assert resident(server) - before < 20 * MIB
    wait_until(lambda: not spooled(server, tiny), "the end of the file")


def resident(server):
    """The most memory that a process of a gateway ever had."""
    peaks = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(pid)) == server.pid:
                with open("/proc/%s/status" % pid, encoding="ascii") as file:
                    peaks += [int(line.split()[1]) * KIB for line in file
                              if line.startswith("VmHWM")]
        except OSError:         # ended meanwhile
            pass
    return max(peaks)


def test_body_that_cannot_be_inflated(site, phone, refused):
    body = gzip.compress(content(1000))[:500]
    refused(phone("alice").request("POST", "/inflate", body, ZIPPED), "EAS0206", 400)


def test_zipped_body_passes_where_nothing_inflates(site, phone, cas1):
    body = gzip.compress(bytes(MIB))
    assert phone("alice").request("POST", PATH, body, ZIPPED).status == 200
    assert arrived(cas1, body)["content-encoding"] == "gzip"
