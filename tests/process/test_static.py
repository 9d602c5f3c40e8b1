"""Static files and crew_reply_file: what is served, how, and what can never be."""

import email
import gzip
import hashlib
import http.client
import os
import random
import socket
import time
from email.utils import formatdate
from urllib.parse import quote

import pytest

import crew
from ws import dial

OLD = 1_600_000_000
BIG = 8 * 1024 * 1024


def write(path, data, mtime=OLD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


def noise(size):
    return random.Random(size).randbytes(size)


@pytest.fixture
def site(probe, tmp_path):
    """Starts a service with a static root; site(app="files", **static)."""

    def start(app="files", protocol="http", limits=None, workers=1, **static):
        root = tmp_path / "root"
        write(root / "index.html", b"<p>front</p>")
        write(root / "a.txt", b"0123456789")
        write(root / "big.bin", noise(BIG))
        write(root / "dir" / "index.html", b"<p>dir</p>")
        write(root / "bare" / "file", b"no extension")
        write(root / ".secret", b"secret")
        write(root / ".git" / "config", b"secret")
        write(root / ".well-known" / "x", b"known")
        write(root / "b c\u00fc.txt", b"spaced")
        write(tmp_path / "outside.txt", b"secret")
        write(tmp_path / "root2" / "x", b"secret")
        (root / "in").symlink_to("a.txt")
        (root / "out").symlink_to("../outside.txt")
        (root / "abs").symlink_to(tmp_path / "outside.txt")
        (root / "outdir").symlink_to("..")
        os.mkfifo(root / "fifo")
        for folder in [tmp_path, *tmp_path.parents][:3]:
            folder.chmod(0o755)
        instance = probe(protocol, app=app, limits=limits, workers=workers,
                         static={"root": str(root), **static})
        instance.root = root
        return instance

    return start


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __getitem__(self, name):
        return self.headers[name]


def ask(instance, path, method="GET", **headers):
    client = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=crew.LONG)
    try:
        client.request(method, path, headers={name.replace("_", "-"): value
                                              for name, value in headers.items()})
        return Answer(client.getresponse())
    finally:
        client.close()


def raw(instance, target, more=b""):
    """A request whose target no client library would send."""
    with dial(instance.port) as sock:
        sock.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more
                     + b"\r\n")
        return read_all(sock)


def read_all(sock):
    sock.settimeout(crew.LONG)
    data = bytearray()
    while piece := sock.recv(1 << 16):
        data += piece
    return bytes(data)


def test_files_and_their_types(site):
    instance = site()
    answer = ask(instance, "/a.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer["Content-Type"] == "text/plain;charset=utf-8"
    assert answer["Last-Modified"] == formatdate(OLD, usegmt=True)
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["ETag"].startswith('"') and answer["Cache-Control"] is None
    assert ask(instance, "/bare/file")["Content-Type"] == "application/octet-stream"
    assert ask(instance, "/a.txt?version=3").body == b"0123456789"
    assert ask(instance, "/" + quote("b c\u00fc.txt")).body == b"spaced"
    assert ask(instance, "/./bare/../a.txt").body == b"0123456789"
    assert ask(instance, "/in").body == b"0123456789"
    assert ask(instance, "/.well-known/x").body == b"known"


def texts(instance, path="/v.txt", count=40):
    """What so many new connections are given, which several workers take."""
    return {ask(instance, path).body for _ in range(count)}


def test_a_root_that_is_made_again_is_served_by_all(site):
    instance = site("files_only", workers=4)
    write(instance.root / "v.txt", b"old")
    assert texts(instance) == {b"old"}
    instance.root.rename(instance.root.with_name("away"))
    assert {ask(instance, "/v.txt").status for _ in range(40)} == {404}
    write(instance.root / "v.txt", b"new")
    assert texts(instance) == {b"new"}
    instance.wait_log("static.root .*: No such file or directory; it is looked for")
    instance.wait_log("static.root .*: another folder has this name now")


def test_a_root_that_is_a_link_may_be_flipped(site, tmp_path):
    instance = site("files_only", workers=4)
    release = tmp_path / "release"
    instance.root.rename(release)
    instance.root.symlink_to(release)
    write(release / "v.txt", b"one")
    assert texts(instance) == {b"one"}
    with dial(instance.port) as sock:
        sock.settimeout(crew.LONG)
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        begin = sock.recv(1000)
        write(tmp_path / "next" / "v.txt", b"two")
        (tmp_path / "link").symlink_to(tmp_path / "next")
        (tmp_path / "link").rename(instance.root)
        assert texts(instance) == {b"two"}
        assert ask(instance, "/big.bin").status == 404
        assert (begin + read_all(sock)).endswith(noise(BIG)[-1000:])  # it began in the old one


def test_a_large_file_comes_whole(site):
    instance = site()
    answer = ask(instance, "/big.bin")
    assert answer["Content-Length"] == str(BIG)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(noise(BIG)).digest()


def test_empty_file(site):
    instance = site()
    write(instance.root / "empty", b"")
    answer = ask(instance, "/empty")
    assert (answer.status, answer.body, answer["Content-Length"]) == (200, b"", "0")
    assert ask(instance, "/empty", Range="bytes=0-").status == 416


def test_head_has_the_fields_and_no_body(site):
    instance = site()
    for path in ("/a.txt", "/big.bin"):
        head, get = ask(instance, path, "HEAD"), ask(instance, path)
        assert head.body == b"" and head.status == 200
        for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified"):
            assert head[name] == get[name]
    # RFC 9110 section 14.2: only GET has ranges.
    assert ask(instance, "/a.txt", "HEAD", Range="bytes=0-1").status == 200


def test_what_is_no_file_goes_to_the_app(site):
    instance = site()
    assert ask(instance, "/none").body == b"app: GET /none"
    assert ask(instance, "/a.txt", "POST").body == b"app: POST /a.txt"
    assert ask(instance, "/bare/").body == b"app: GET /bare/"
    assert ask(instance, "/bare").body == b"app: GET /bare"
    assert ask(instance, "/a.txt/").body == b"app: GET /a.txt/"
    assert ask(instance, "/fifo").body == b"app: GET /fifo"


def test_without_an_app_it_is_404_and_the_connection_goes_on(site):
    instance = site("files_only")
    with dial(instance.port) as sock:
        for path, status in (("/none", b"404"), ("/a.txt", b"200"), ("/.secret", b"404")):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            assert str(answer.status).encode() == status
            answer.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_without_an_app_files_are_only_read(site, method):
    """RFC 9110 section 15.5.6: 405 names what is allowed."""
    instance = site("files_only")
    answer = ask(instance, "/a.txt", method)
    assert answer.status == 405
    assert {"GET", "HEAD"} == {name.strip() for name in answer["Allow"].split(",")}
    assert (instance.root / "a.txt").read_bytes() == b"0123456789"


def test_folders(site):
    instance = site()
    assert ask(instance, "/").body == b"<p>front</p>"
    assert ask(instance, "/dir/").body == b"<p>dir</p>"
    answer = ask(instance, "/dir?x=1&y")
    assert (answer.status, answer["Location"]) == (301, "/dir/?x=1&y")
    # Two slashes at the front would lead to another host.
    assert ask(instance, "//dir")["Location"] == "/dir/"
    assert ask(instance, "/%2fdir")["Location"] == "/dir/"


def test_index_may_be_another_or_none(site):
    instance = site(index="")
    assert ask(instance, "/").body == b"app: GET /"
    assert ask(instance, "/dir").body == b"app: GET /dir"
    assert ask(instance, "/dir/index.html").status == 200


@pytest.mark.parametrize("target", [
    b"/../outside.txt", b"/dir/../../outside.txt", b"/%2e%2e/outside.txt",
    b"/%2e%2e%2foutside.txt", b"/..%2foutside.txt", b"/%252e%252e/outside.txt",
    b"/..%5coutside.txt", b"/..\\outside.txt", b"/../root2/x", b"//../outside.txt",
    b"/a.txt%00.html", b"/%00", b"/out", b"/abs", b"/outdir/outside.txt", b"/outdir/root2/x",
    b"/.secret", b"/%2esecret", b"/.git/config", b"/dir/../.secret", b"/.well-known/../.secret",
    b"/.well-known/../../outside.txt", b"/....//outside.txt", b"/..;/outside.txt",
    b"/%c0%ae%c0%ae/outside.txt", b"/proc/self/environ", b"/%",
    b"http://x/../outside.txt", b"/" + b"a" * 5000, b"/" + b"../" * 200 + b"etc/passwd",
])
def test_nothing_else_can_be_reached(site, target):
    instance = site("files_only")
    answer = raw(instance, target)
    assert answer[9:12] in (b"400", b"404"), answer[:200]
    assert b"secret" not in answer and b"root:" not in answer


def test_not_modified(site):
    instance = site()
    first = ask(instance, "/a.txt")
    etag, date = first["ETag"], first["Last-Modified"]
    for headers in ({"If_None_Match": etag}, {"If_None_Match": f'"x", W/{etag}'},
                    {"If_None_Match": "*"}, {"If_Modified_Since": date},
                    # Section 13.1.3: If-Modified-Since is ignored beside If-None-Match.
                    {"If_None_Match": etag, "If_Modified_Since": formatdate(0, usegmt=True)}):
        answer = ask(instance, "/a.txt", **headers)
        assert (answer.status, answer.body, answer["ETag"]) == (304, b"", etag), headers
        assert answer["Content-Length"] is None and answer["Content-Type"] is None
    for headers in ({"If_None_Match": '"x"'}, {"If_Modified_Since": formatdate(0, usegmt=True)},
                    {"If_None_Match": '"x"', "If_Modified_Since": date}):
        assert ask(instance, "/a.txt", **headers).status == 200, headers


def test_preconditions(site):
    instance = site()
    first = ask(instance, "/a.txt")
    assert ask(instance, "/a.txt", If_Match='"x"').status == 412
    assert ask(instance, "/a.txt", If_Match=first["ETag"]).status == 200
    past = formatdate(0, usegmt=True)
    assert ask(instance, "/a.txt", If_Unmodified_Since=past).status == 412


def test_the_tag_tells_versions_apart(site):
    instance = site()
    before = ask(instance, "/a.txt")["ETag"]
    write(instance.root / "a.txt", b"9876543210", OLD + 1)
    after = ask(instance, "/a.txt")["ETag"]
    assert before != after and not after.startswith("W/")
    # It may change again within the grain of the clock.
    write(instance.root / "a.txt", b"0000000000", time.time() + 60)
    fresh = ask(instance, "/a.txt")["ETag"]
    assert fresh.startswith("W/")
    assert ask(instance, "/a.txt", Range="bytes=0-1", If_Range=fresh).status == 200


@pytest.mark.parametrize("asked, status, said, body", [
    ("bytes=0-3", 206, "bytes 0-3/10", b"0123"),
    ("bytes=4-", 206, "bytes 4-9/10", b"456789"),
    ("bytes=-3", 206, "bytes 7-9/10", b"789"),
    ("bytes=5-100", 206, "bytes 5-9/10", b"56789"),
    ("bytes=10-", 416, "bytes */10", b""),
    ("bytes=-0", 416, "bytes */10", b""),
    ("lines=0-3", 200, None, b"0123456789"),
    ("bytes=3-1", 200, None, b"0123456789"),
    ("bytes=0-9,0-9", 200, None, b"0123456789"),
])
def test_one_range(site, asked, status, said, body):
    instance = site()
    answer = ask(instance, "/a.txt", Range=asked)
    assert (answer.status, answer["Content-Range"], answer.body) == (status, said, body)


def parts_of(answer):
    assert answer.status == 206
    assert answer["Content-Type"].startswith("multipart/byteranges;boundary=")
    assert int(answer["Content-Length"]) == len(answer.body)
    text = b"Content-Type: " + answer["Content-Type"].encode() + b"\r\n\r\n" + answer.body
    message = email.message_from_bytes(text)
    assert message.is_multipart()
    return [(part["Content-Range"], part["Content-Type"]) for part in message.get_payload()]


def test_several_ranges(site):
    instance = site()
    answer = ask(instance, "/a.txt", Range="bytes=0-1, 4-5,-1")
    assert parts_of(answer) == [("bytes 0-1/10", "text/plain;charset=utf-8"),
                                ("bytes 4-5/10", "text/plain;charset=utf-8"),
                                ("bytes 9-9/10", "text/plain;charset=utf-8")]
    boundary = answer["Content-Type"].split("=")[1].encode()
    pieces = answer.body.split(b"--" + boundary)
    assert [piece.split(b"\r\n\r\n", 1)[1] for piece in pieces[1:-1]] == \
        [b"01\r\n", b"45\r\n", b"9\r\n"]
    assert pieces[-1] == b"--\r\n"


def test_several_large_ranges(site):
    """Runs that are copied and runs that are not, in one answer, in order."""
    instance = site()
    data = noise(BIG)
    spans = [(0, 99), (1000, 2_000_000), (3_000_000, 3_000_009), (4_000_000, BIG - 1)]
    answer = ask(instance, "/big.bin", Range="bytes=" + ",".join(f"{a}-{b}" for a, b in spans))
    assert [said for said, _ in parts_of(answer)] == [f"bytes {a}-{b}/{BIG}" for a, b in spans]
    at = 0
    for first, last in spans:
        at = answer.body.index(b"\r\n\r\n", at) + 4
        assert answer.body[at:at + last - first + 1] == data[first:last + 1]
        at += last - first + 1


def test_if_range(site):
    instance = site()
    first = ask(instance, "/a.txt")
    for value, status in ((first["ETag"], 206), (first["Last-Modified"], 206), ('"x"', 200),
                          ("W/" + first["ETag"], 200), (formatdate(0, usegmt=True), 200)):
        assert ask(instance, "/a.txt", Range="bytes=0-0", If_Range=value).status == status, value


@pytest.mark.parametrize("accepted, is_packed", [
    ("gzip", True), ("br, gzip;q=0.1", True), ("*", True), ("x-gzip", True), (None, False),
    ("gzip;q=0", False), ("gzip;q=0.000, *", False), ("*;q=0", False), ("br", False),
    ("identity", False),
])
def test_compressed_copy(site, accepted, is_packed):
    instance = site()
    packed = gzip.compress(b"0123456789")
    write(instance.root / "a.txt.gz", packed)
    headers = {"Accept_Encoding": accepted or "identity"}
    answer = ask(instance, "/a.txt", **headers)
    assert answer.body == (packed if is_packed else b"0123456789")
    assert answer["Content-Encoding"] == ("gzip" if is_packed else None)
    assert answer["Vary"] == "Accept-Encoding"
    assert answer["Content-Type"] == "text/plain;charset=utf-8"
    assert ("-gz" in answer["ETag"]) == is_packed
    again = ask(instance, "/a.txt", If_None_Match=answer["ETag"], **headers)
    assert again.status == 304 and again["Vary"] == "Accept-Encoding"


def test_compressed_copy_that_is_not_used(site):
    instance = site()
    assert ask(instance, "/a.txt", Accept_Encoding="gzip")["Vary"] == "Accept-Encoding"
    write(instance.root / "a.txt.gz", b"old", OLD - 10)
    answer = ask(instance, "/a.txt", Accept_Encoding="gzip")
    assert (answer.body, answer["Content-Encoding"]) == (b"0123456789", None)


def test_keys_of_the_config(site):
    instance = site(cache_control="public, max-age=60", gzip=False,
                    types=["bin=x/y", "txt=text/x;charset=utf-16"], index="a.txt")
    write(instance.root / "a.txt.gz", gzip.compress(b"0123456789"))
    answer = ask(instance, "/", Accept_Encoding="gzip")
    assert (answer.body, answer["Content-Encoding"]) == (b"0123456789", None)
    assert answer["Vary"] is None
    assert answer["Cache-Control"] == "public, max-age=60"
    assert answer["Content-Type"] == "text/x;charset=utf-16"
    assert ask(instance, "/big.bin", "HEAD")["Content-Type"] == "x/y"
    assert ask(instance, "/", If_None_Match="*")["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("static, said", [
    ({"root": "/nowhere"}, 'static.root: found "/nowhere"; expected a folder that exists'),
    ({"root": "/", "types": ["html"]}, 'static.types: found "html"; expected EXTENSION=TYPE'),
    ({"root": "/", "cache_control": "a\r\nb: c"}, "static.cache_control"),
    ({"root": "/", "index": "../x"}, "static.index"),
])
def test_what_cannot_be_served_refuses_the_start(probe, static, said):
    instance = probe("http", app="files", static=static, is_started=False)
    instance.expect_errors(".*")
    done = instance.verb("start", "-d")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr + instance.log()


def test_websocket_service_serves_its_page(site):
    instance = site("files_only", protocol="websocket")
    assert ask(instance, "/").body == b"<p>front</p>"


# -- crew_reply_file

def test_reply_file(site, tmp_path):
    instance = site()
    outside = tmp_path / "outside.txt"
    answer = ask(instance, f"/?file={outside}".replace("/?", "/x?"))
    assert (answer.status, answer.body, answer["X-App"]) == (200, b"secret", "yes")
    assert answer["Content-Type"] == "text/plain;charset=utf-8"
    part = ask(instance, f"/x?file={outside}&type=a/b", Range="bytes=0-1")
    assert (part.status, part.body, part["Content-Type"]) == (206, b"se", "a/b")
    whole = ask(instance, f"/x?file={outside}&type=a/b", Range="bytes=0-1,3-3")
    assert (whole.status, whole.body) == (200, b"secret")
    assert ask(instance, f"/x?file={outside}", "POST", Range="bytes=0-1").body == b"secret"


def test_reply_file_that_is_none(site, tmp_path):
    instance = site()
    for path in (tmp_path / "none", tmp_path, tmp_path / "root" / "fifo"):
        answer = ask(instance, f"/x?file={path}")
        assert (answer.status, answer.body) == (404, b"no such object")
        assert answer["ETag"] is None


@pytest.mark.parametrize("asked, first", [("", 0), ("Range: bytes=100000-\r\n", 100_000)],
                         ids=["whole", "range"])
def test_close_right_behind_a_large_file_lets_it_go_out(site, tmp_path, asked, first):
    instance = site()
    path = tmp_path / "root" / "big.bin"
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", instance.port))
        sock.sendall(f"GET /x?file={path}&close=1 HTTP/1.1\r\nHost: x\r\n{asked}\r\n".encode())
        crew.wait_for(lambda: [one for one in instance.connections()
                               if one["state"] == "closing"], what="the close to be under way")
        data = read_all(sock)
    assert data.split(b"\r\n\r\n", 1)[1] == noise(BIG)[first:]
    crew.wait_for(lambda: not instance.connections(), what="no connection left")


def test_who_leaves_in_the_middle_of_a_last_file_leaves_nothing(site, tmp_path):
    instance = site()
    path = tmp_path / "root" / "big.bin"
    for asked in ("", "Range: bytes=9-\r\n"):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            sock.connect(("127.0.0.1", instance.port))
            sock.sendall(f"GET /x?file={path}&close=1 HTTP/1.1\r\nHost: x\r\n{asked}\r\n".encode())
            assert sock.recv(1000)
        crew.wait_for(lambda: not instance.connections(), what="no connection left")


def test_pipelined_requests_wait_for_the_file(site):
    instance = site()
    with dial(instance.port) as sock:
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 3
                     + b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = read_all(sock)
    for _ in range(3):
        head, data = data.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200")
        assert data[:BIG] == noise(BIG)
        data = data[BIG:]
    assert data.endswith(b"\r\n\r\n0123456789")


def test_who_takes_nothing_is_cut_and_costs_no_memory(site):
    instance = site(limits={"send_timeout": "20s"})
    with (instance.root / "huge").open("wb") as file:
        file.truncate(8 << 30)
    pid = instance.worker()["pid"]
    before = crew.fd_count(pid)
    socks = [dial(instance.port) for _ in range(20)]
    for sock in socks:
        sock.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
    crew.wait_for(lambda: crew.fd_count(pid) == before + 40, what="one file a connection")
    resident = int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096
    assert resident < (600 << 20 if crew.IS_SANITIZED else 100 << 20)
    crew.wait_for(lambda: crew.fd_count(pid) == before, 60, "the files to be closed")
    for sock in socks:
        sock.close()


def test_file_that_shrinks_ends_the_connection(site):
    instance = site()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", instance.port))
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        head = sock.recv(200)
        os.truncate(instance.root / "big.bin", 1000)
        assert head.startswith(b"HTTP/1.1 200")
        try:
            got = len(read_all(sock))
        except ConnectionError:
            got = 0
    assert got < BIG
    assert ask(instance, "/a.txt").status == 200
