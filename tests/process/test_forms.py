"""Forms with files (multipart/form-data): what the app is given, what stays where, and the limits."""

import asyncio
import os
import random
import re
import resource
import signal
import socket
import subprocess
import zlib
from pathlib import Path

import aiohttp
import pytest

import crew
from web import Client, status_of

SMALL = 64 * 1024
BOUNDARY = "--=_x'y.1"
TYPE = f'Content-Type: multipart/form-data; boundary="{BOUNDARY}"'


@pytest.fixture
def forms(probe, tmp_path):
    """One worker; its temporary files lie in `instance.uploads`."""
    def start(http=None, **options):
        tmp_path.chmod(0o1777)
        uploads = tmp_path / "uploads"
        uploads.mkdir(exist_ok=True)
        instance = probe("http", app="forms", http={"upload_dir": str(uploads), **(http or {})},
                         **options)
        instance.uploads = uploads
        return instance
    return start


def part(name, data, *, filename=None, kind=None):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    if kind:
        head += f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + (data if isinstance(data, bytes) else data.encode()) \
        + b"\r\n"


def form(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def field_line(name, value):
    value = value if isinstance(value, bytes) else value.encode()
    return f"field|{name}|{len(value)}|{zlib.crc32(value):08x}|1"


def file_line(name, filename, data, place, kind="text/plain"):
    return f"file|{name}|{filename}|{kind}|{len(data)}|{zlib.crc32(data):08x}|{place}"


def lines(body):
    return body.decode().splitlines()


def post(client, target, body, *fields):
    return client.get(target, TYPE, *fields, method="POST", body=body)


def request(target, body, *fields, length=None):
    head = [f"POST {target} HTTP/1.1", "Host: x", TYPE, *fields]
    if length is not None or not any("ransfer-" in field for field in fields):
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def temp_fds(instance):
    """Descriptors of the worker that are files in its upload_dir; a file without a name is
    shown as deleted."""
    pid = instance.worker()["pid"]
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith(f"{instance.uploads}/"):
            found.append(target)
    return found


def assert_no_files(instance):
    crew.wait_for(lambda: not temp_fds(instance), 5, "temporary files to be closed")
    assert os.listdir(instance.uploads) == []


# -- what the app is given


def test_fields_and_files(forms):
    big = random.Random(1).randbytes(200_000)
    body = form(part("a", "one"), part("empty", ""), part("f", b"small", filename="s.txt"),
                part("a", "two"), part("g[]", big, filename="b.bin", kind="image/png"),
                part("bin", b"\0\r\n--" + BOUNDARY.encode()[:-1], kind="x/y"))
    instance = forms()
    with Client(instance.port) as client:
        assert lines(post(client, "/list", body).body) == [
            field_line("a", "one"), field_line("empty", ""), field_line("a", "two"),
            field_line("bin", b"\0\r\n--" + BOUNDARY.encode()[:-1]),
            file_line("f", "s.txt", b"small", "memory"),
            file_line("g[]", "b.bin", big, "disk", "image/png"), "body|0"]
        assert_no_files(instance)
        assert client.get("/find?name=a", "Content-Type: application/x-www-form-urlencoded",
                          method="POST", body=b"b=2&a=%26").body == b"&"


def test_names_are_found_by_their_letters(forms):
    body = form(part("a[]", "1"), part("a[]", "2"), part("a[k]", "3"), part("a", "4"),
                part("f[]", b"x", filename="one"), part("f[]", b"y", filename="two"),
                part("a", b"z", filename="three"))
    with Client(forms().port) as client:
        for name, found in (("a[]", "1"), ("a[k]", "3"), ("a", "4|three"), ("f[]", "none|one|two"),
                            ("A", "none"), ("f", "none"), ("", "none")):
            assert post(client, f"/find?name={name}", body).body.decode() == found


def test_what_is_a_file(forms):
    body = form(part("none", b"", filename=""), part("unnamed", b"x", filename=""),
                part("void", b"", filename="void"))
    with Client(forms().port) as client:
        assert lines(post(client, "/list", body).body) == [
            file_line("unnamed", "", b"x", "memory"), file_line("void", "void", b"", "memory"),
            "body|0"]


@pytest.mark.parametrize("sent, seen", [
    ("a b.txt", "a b.txt"), (r"a\"b\\c.txt", "c.txt"), (r"say \"hi\".txt", 'say "hi".txt'),
    ("/etc/passwd", "passwd"), (r"C:\\dir\\x.txt", "x.txt"), (r"C:\dir\x.txt", "x.txt"),
    ("../../x", "x"), ("dir/", ""), ("ä%22.txt", "ä%22.txt")])
def test_names_of_files(forms, sent, seen):
    with Client(forms().port) as client:
        body = form(part("f", b"x", filename=sent))
        assert lines(post(client, "/list", body).body)[0] == file_line("f", seen, b"x", "memory")


def test_the_size_decides_where_a_file_lies(forms):
    with Client(forms({"upload_memory": "1000"}).port) as client:
        for size, place in ((999, "memory"), (1000, "memory"), (1001, "disk"), (70_000, "disk")):
            data = random.Random(size).randbytes(size)
            body = form(part("f", data, filename="f"))
            assert lines(post(client, "/list", body).body)[0] == file_line("f", "f", data, place)


def test_no_memory_for_files_at_all(forms):
    with Client(forms({"upload_memory": "0"}).port) as client:
        body = form(part("f", b"x", filename="f"), part("g", b"", filename="g"))
        assert lines(post(client, "/list", body).body) == [
            file_line("f", "f", b"x", "disk"), file_line("g", "g", b"", "memory"), "body|0"]


def test_many_large_files_share_few_descriptors(forms):
    datas = [random.Random(i).randbytes(2000 + i) for i in range(40)]
    instance = forms({"upload_memory": "1k"})
    body = form(*(part(f"f{i}", data, filename=str(i)) for i, data in enumerate(datas)))
    with Client(instance.port) as client:
        assert lines(post(client, "/list", body).body) == [
            *(file_line(f"f{i}", str(i), data, "disk") for i, data in enumerate(datas)), "body|0"]
        client.send(request("/hold", body))
        instance.wait_log("forms: request /hold")
        assert len(temp_fds(instance)) == 16
    assert_no_files(instance)


def test_an_answer_that_comes_later(forms):
    data = random.Random(2).randbytes(300_000)
    instance = forms()
    with Client(instance.port) as client:
        body = form(part("a", "b"), part("f", data, filename="f"), part("g", b"s", filename="g"))
        assert lines(post(client, "/late", body).body) == [
            field_line("a", "b"), file_line("f", "f", data, "disk"),
            file_line("g", "g", b"s", "memory"), "body|0"]
        assert_no_files(instance)


# -- how it comes


def mixed_form(seed):
    """Data full of what looks like a delimiter."""
    rng = random.Random(seed)
    scraps = [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", BOUNDARY.encode(),
              b"\r\n--" + BOUNDARY.encode()[:-1], b"x", bytes(20)]
    data = b"".join(rng.choice(scraps) for _ in range(rng.randrange(400)))
    if f"\r\n--{BOUNDARY}".encode() in b"\r\n" + data:
        data = b"plain"
    return data


@pytest.mark.parametrize("is_chunked", [False, True])
def test_split_anywhere(forms, is_chunked):
    instance = forms({"upload_memory": "200"})
    for seed in range(40):
        rng = random.Random(seed)
        one, two = mixed_form(seed), mixed_form(seed + 1000)
        body = form(part("a", one), part("f", two, filename="f"), part("z", "end"))
        want = [field_line("a", one), field_line("z", "end"),
                file_line("f", "f", two, "memory" if len(two) <= 200 else "disk"), "body|0"]
        fields = ["Transfer-Encoding: chunked"] if is_chunked else []
        if is_chunked:
            cuts = sorted(rng.randrange(len(body)) for _ in range(10))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)]) if b > a]
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
        with Client(instance.port) as client:
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            rest = request("/list", body, *fields)
            while rest:
                step = rng.choice([1, 2, 3, 50, 500, 5000])
                client.send(rest[:step])
                rest = rest[step:]
            assert lines(client.answer().body) == want, f"seed {seed}"


def test_what_is_around_the_parts_means_nothing(forms):
    body = b"a preamble\r\n--not\r\n" + form(part("a", "b")) + b"an epilogue\r\n" * 1000
    with Client(forms().port) as client:
        for _ in range(3):
            assert lines(post(client, "/list", body).body) == [field_line("a", "b"), "body|0"]


def test_forms_in_one_pipeline(forms):
    datas = [random.Random(i).randbytes(90_000) for i in range(4)]
    instance = forms()
    with Client(instance.port) as client:
        client.send(b"".join(request("/list", form(part("f", data, filename="f")))
                             for data in datas))
        for data in datas:
            assert lines(client.answer().body)[0] == file_line("f", "f", data, "disk")
        assert_no_files(instance)


def test_expect_100_continue(forms):
    body = form(part("a", "b"))
    with Client(forms(limits={"max_body": "1k"}).port) as client:
        client.send(request("/list", b"", "Expect: 100-continue", length=len(body)))
        assert client.head().status == 100
        client.send(body)
        assert client.answer().status == 200
        client.send(request("/list", b"", "Expect: 100-continue", length=5000))
        assert client.answer().status == 413


# -- refused


@pytest.mark.parametrize("name, body", [
    ("no end", form(part("a", "b"))[:-4 - len(BOUNDARY)]),
    ("half a closing boundary", form(part("a", "b"))[:-3]),
    ("empty part", f"--{BOUNDARY}\r\n--{BOUNDARY}--\r\n".encode()),
    ("no part, no end", b"just text"),
    ("a head without its name", f"--{BOUNDARY}\r\nContent-Type: a/b\r\n\r\nx\r\n".encode()),
    ("not form-data", form(part("a", "b")).replace(b"form-data", b"attachment")),
    ("a NUL in the head", form(part("a\0", "b"))),
    ("bare LF", form(part("a", "b")).replace(b"\r\n\r\n", b"\n\n")),
    ("text behind the boundary", form(part("a", "b")).replace(b"\r\nContent", b"x\r\nContent"))])
def test_malformed(forms, name, body):
    instance = forms()
    assert status_of(instance.port, request("/list", body)) == 400
    instance.wait_log("forms: close protocol")
    assert "forms: request" not in instance.log()


def test_what_was_refused_is_gone_for_the_app(forms):
    instance = forms()
    body = form(part("a", "secret"))[:-4] + b"\r\n"
    assert status_of(instance.port, request("/list", body)) == 400
    instance.wait_log("forms: error .*, a=secret")
    instance.wait_log("forms: close protocol, a=none")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=",
                                  "Multipart/Form-Data; charset=utf-8",
                                  f"multipart/form-data; boundary={'x' * 71}",
                                  "multipart/form-data; boundary=a@b"])
def test_no_proper_boundary(forms, kind):
    body = b"x" * 100
    data = (f"POST /list HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    assert status_of(forms().port, data) == 400


def test_too_many_parts(forms):
    with Client(forms({"max_parts": 5}).port) as client:
        assert post(client, "/list", form(*[part("a", "b")] * 5)).status == 200
        assert post(client, "/list", form(*[part("a", "b")] * 6)).status == 413
        assert client.is_closed()


def test_many_parts(forms):
    with Client(forms().port) as client:
        assert len(lines(post(client, "/list", form(*[part("a", "b")] * 1024)).body)) == 1025
        assert post(client, "/list", form(*[part("a", "b")] * 1025)).status == 413


def test_a_form_has_a_bound_of_its_own(forms):
    instance = forms({"max_upload": "300k"}, limits={"max_body": "100k"})
    file = part("f", bytes(250_000), filename="f")
    with Client(instance.port) as client:
        assert post(client, "/list", form(file)).status == 200
        assert client.get("/list", method="POST", body=bytes(150_000)).status == 413
    assert status_of(instance.port, request("/list", form(file, file))) == 413
    chunk = b"%x\r\n" % len(file) + file + b"\r\n"
    assert status_of(instance.port, request("/list", chunk + chunk,
                                            "Transfer-Encoding: chunked")) == 413
    instance.wait_log("forms: close limit", count=3)
    assert_no_files(instance)


def test_by_default_the_bound_is_that_of_other_bodies(forms):
    instance = forms(limits={"max_body": "100k"})
    assert status_of(instance.port, request("/list", form(part("f", bytes(103_000),
                                                               filename="f")))) == 413


def test_fields_must_fit_in_memory(forms):
    instance = forms({"max_upload": "10m"}, limits={"max_body": "100k"})
    with Client(instance.port) as client:
        assert post(client, "/list", form(part("a", bytes(90_000)))).status == 200
        assert post(client, "/list", form(part("a", bytes(110_000)))).status == 413
        assert client.is_closed()
    with Client(instance.port) as client:
        assert post(client, "/list", form(*[part("a", bytes(9_000))] * 12)).status == 413
    with Client(instance.port) as client:
        assert post(client, "/list", form(*[part("n" * 10_000, b"")] * 12)).status == 413


def test_files_that_memory_is_full_for_go_to_disk(forms):
    instance = forms({"max_upload": "10m"}, limits={"max_body": "100k"})
    datas = [random.Random(i).randbytes(40_000) for i in range(4)]
    with Client(instance.port) as client:
        body = form(*(part("f", data, filename=str(i)) for i, data in enumerate(datas)))
        assert lines(post(client, "/list", body).body) == [
            file_line("f", "0", datas[0], "memory"), file_line("f", "1", datas[1], "memory"),
            file_line("f", "2", datas[2], "disk"), file_line("f", "3", datas[3], "disk"),
            "body|0"]


def test_what_has_gone_to_disk_makes_room_in_memory(forms):
    instance = forms({"max_upload": "10m"}, limits={"max_body": "100k"})
    with Client(instance.port) as client:
        body = form(part("f", bytes(200_000), filename="f"), part("a", bytes(90_000)))
        assert post(client, "/list", body).status == 200


def test_a_long_head_of_a_part(forms):
    with Client(forms(limits={"header_size": "2k"}).port) as client:
        assert post(client, "/list", form(part("a" * 1500, "b"))).status == 200
        assert post(client, "/list", form(part("a" * 2500, "b"))).status == 431


# -- temporary files


def begin_large(instance, client, target="/hold"):
    """All but the end of a form with a file of 1 MiB; it lies on disk when this returns."""
    body = form(part("f", bytes(1 << 20), filename="f"))
    client.send(request(target, body)[:-10])
    crew.wait_for(lambda: temp_fds(instance), 10, "a temporary file")
    return request(target, body)[-10:]


def test_a_temporary_file_has_no_name(forms):
    instance = forms()
    with Client(instance.port) as client:
        begin_large(instance, client)
        assert temp_fds(instance)[0].endswith("(deleted)")
        assert os.listdir(instance.uploads) == []


def test_an_aborted_upload_leaves_nothing(forms):
    instance = forms()
    with Client(instance.port) as client:
        begin_large(instance, client)
    instance.wait_log("forms: close peer")
    assert_no_files(instance)


def test_a_request_that_ends_without_an_answer_leaves_nothing(forms):
    instance = forms()
    with Client(instance.port) as client:
        client.send(begin_large(instance, client))
        instance.wait_log("forms: request /hold")
        assert len(temp_fds(instance)) == 1
    assert_no_files(instance)


def test_an_upload_that_stands_still_leaves_nothing(forms):
    instance = forms(limits={"message_timeout": "1s"})
    with Client(instance.port) as client:
        begin_large(instance, client)
        assert client.answer().status == 408
        assert_no_files(instance)


def test_a_malformed_end_frees_the_disk_before_the_peer_is_gone(forms):
    instance = forms()
    with Client(instance.port) as client:
        rest = begin_large(instance, client)
        client.send(b"x" * len(rest))
        assert client.answer().status == 400
        assert_no_files(instance)


@pytest.mark.parametrize("how", ["crash", "kill", "stop"])
def test_a_worker_that_ends_leaves_nothing(forms, how):
    instance = forms()
    with Client(instance.port) as client:
        pid = instance.worker()["pid"]
        rest = begin_large(instance, client, "/crash")
        if how == "crash":
            instance.expect_errors("SIGABRT")
            client.send(rest)
        elif how == "kill":
            instance.expect_errors("SIGKILL")
            os.kill(pid, signal.SIGKILL)
        else:
            instance.stop()
        crew.wait_for(lambda: not crew.is_alive(pid), 10, "the worker to end")
        assert os.listdir(instance.uploads) == []
    if how != "stop":
        instance.wait_ready()


def test_a_full_disk(forms):
    instance = forms({"max_upload": "100m"})
    pid = instance.worker()["pid"]
    limit = 2 << 20
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))
    with Client(instance.port, 30) as client:
        body = form(part("f", bytes(3 << 20), filename="f"))
        answer = post(client, "/list", body)
        assert answer.status == 507 and answer["connection"] == "close"
        instance.wait_log(r"warning .*http\.upload_dir .*/uploads: ")
        assert_no_files(instance)
    instance.wait_log("forms: close memory")
    with Client(instance.port) as client:
        body = form(part("f", bytes(1 << 20), filename="f"))
        assert post(client, "/list", body).status == 200
    assert instance.worker()["pid"] == pid


def test_a_folder_that_is_gone(forms):
    instance = forms()
    instance.uploads.rmdir()
    with Client(instance.port) as client:
        assert post(client, "/list", form(part("f", bytes(100), filename="f"))).status == 200
        assert post(client, "/list", form(part("f", bytes(100_000), filename="f"))).status == 500
        assert client.is_closed()
    instance.wait_log(r"uploads: No such file or directory")
    assert "larger files" not in instance.log()
    instance.reload()
    instance.wait_log(r"warning .*uploads: No such file or directory; larger files of forms")


def test_no_descriptor_left(forms):
    instance = forms()
    with Client(instance.port) as client:
        assert client.get("/list").status == 200
        pid = instance.worker()["pid"]
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (crew.fd_count(pid), hard))
        assert post(client, "/list", form(part("f", bytes(100_000), filename="f"))).status == 503
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    with Client(instance.port) as client:
        assert post(client, "/list", form(part("f", bytes(100_000), filename="f"))).status == 200


# -- keeping a file


@pytest.mark.parametrize("size", [10, 500_000])
def test_a_file_is_kept(forms, tmp_path, size):
    data = random.Random(size).randbytes(size)
    instance = forms()
    kept = instance.uploads / ("k" * 255)  # as long as names can be
    kept.write_text("what was there before")
    other = tmp_path / "other"
    with Client(instance.port) as client:
        body = form(part("f", data, filename="f"))
        assert post(client, f"/save?index=0&path={kept}&again={other}", body).body == b"saved"
        assert kept.read_bytes() == data and other.read_bytes() == data
        assert os.listdir(instance.uploads) == [kept.name]
        assert kept.stat().st_ino != other.stat().st_ino
        assert kept.stat().st_mode & 0o777 == 0o644
        assert other.stat().st_mode & 0o777 == 0o644
        crew.wait_for(lambda: not temp_fds(instance), 5, "temporary files to be closed")
        assert kept.read_bytes() == data
        kept.write_text("changed")
        assert other.read_bytes() == data


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_a_file_is_kept_on_another_file_system(forms):
    data = random.Random(3).randbytes(3_000_000)
    instance = forms()
    kept = Path(f"/dev/shm/{instance.mark}")
    assert os.stat("/dev/shm").st_dev != os.stat(instance.uploads).st_dev
    try:
        with Client(instance.port) as client:
            body = form(part("f", data, filename="f"))
            assert post(client, f"/save?index=0&path={kept}", body).body == b"saved"
            assert kept.read_bytes() == data
    finally:
        kept.unlink(missing_ok=True)


def test_a_file_that_shares_its_temporary_file_is_kept(forms):
    datas = [random.Random(i).randbytes(2000 + i) for i in range(20)]
    instance = forms({"upload_memory": "1k"})
    body = form(*(part("f", data, filename="f") for data in datas))
    with Client(instance.port) as client:
        for index in (0, 14, 15, 16, 19):
            kept = instance.uploads / f"kept{index}"
            assert post(client, f"/save?index={index}&path={kept}", body).body == b"saved"
            assert kept.read_bytes() == datas[index]


def test_a_file_that_cannot_be_kept(forms):
    instance = forms()
    inside = instance.uploads / "dir"
    inside.mkdir()
    (inside / "x").write_text("x")
    with Client(instance.port) as client:
        for data in (b"small", bytes(100_000)):
            body = form(part("f", data, filename="f"))
            for path, why in ((instance.uploads / "no" / "x", b"no such file"),
                              (inside, b"is a directory"), (f"/tmp/{'x' * 300}", b"too long")):
                answer = post(client, f"/save?index=0&path={path}", body)
                assert why in answer.body.lower(), answer.body
        assert sorted(os.listdir(instance.uploads)) == ["dir"]
        assert (inside / "x").read_text() == "x"


# -- clients that others wrote, and much data


def test_with_curl(forms, tmp_path):
    small, large = tmp_path / "small.txt", tmp_path / 'la"rge.bin'
    small.write_bytes(b"hello\n")
    large.write_bytes(random.Random(4).randbytes(2_000_000))
    done = subprocess.run(["curl", "-sS", "--max-time", "60", "-F", "a=one", "-F", "b=<-", "-F",
                           f"s=@{small}", "-F", f'l=@"{tmp_path}/la\\"rge.bin";type=image/x',
                           "-F", "n=@/dev/null;filename=n", "-F", "u=ü ö",
                           f"http://127.0.0.1:{forms().port}/list"],
                          input=b"from standard input", capture_output=True)
    assert done.returncode == 0, done.stderr
    got = lines(done.stdout)
    assert got[:3] == [field_line("a", "one"), field_line("b", "from standard input"),
                       field_line("u", "ü ö")]
    assert got[3] == file_line("s", "small.txt", b"hello\n", "memory")
    assert re.fullmatch(r"file\|l\|la(\"|%22)rge\.bin\|image/x\|2000000\|"
                        rf"{zlib.crc32(large.read_bytes()):08x}\|disk", got[4])
    assert got[5] == file_line("n", "n", b"", "memory", "application/octet-stream")


def test_with_aiohttp(forms):
    data = random.Random(5).randbytes(700_000)

    async def main(port):
        async with aiohttp.ClientSession() as session:
            async def one(number):
                form = aiohttp.FormData()
                form.add_field("n", str(number))
                form.add_field("f", data, filename="ü.bin", content_type="image/png")
                async with session.post(f"http://127.0.0.1:{port}/list", data=form) as answer:
                    return lines(await answer.read())
            return await asyncio.gather(*(one(i) for i in range(20)))

    instance = forms()
    for number, got in enumerate(asyncio.run(main(instance.port))):
        assert got[0] == field_line("n", str(number))
        assert f"|image/png|700000|{zlib.crc32(data):08x}|disk" in got[1]
    assert_no_files(instance)


def resident(pid, key):
    return int(re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(),
                         re.M)[1]) * 1024


@pytest.mark.alone
def test_a_large_upload_is_never_in_memory(forms):
    instance = forms({"max_upload": "1g"})
    pid = instance.worker()["pid"]
    piece = random.Random(6).randbytes(1 << 20)
    count, crc = 200, 0
    head = part("f", b"", filename="f")[:-2]
    tail = b"\r\n" + form()
    with Client(instance.port, 60) as client:
        assert lines(post(client, "/list", form(part("f", piece, filename="f"))).body)
        before = resident(pid, "VmHWM")
        client.send(request("/list", head, length=len(head) + len(tail) + count * len(piece)))
        for _ in range(count):
            client.send(piece)
            crc = zlib.crc32(piece, crc)
        client.send(tail)
        size = count * len(piece)
        assert lines(client.answer().body) == [
            f"file|f|f|text/plain|{size}|{crc:08x}|disk", "body|0"]
        assert resident(pid, "VmHWM") - before < 4 << 20
    assert_no_files(instance)
