"""curl, with what its users switch on: ranges, resuming, conditions, cookies, Expect, compression."""

import gzip
import os
import random
import subprocess

import pytest

import crew

FILE = random.Random(1).randbytes(3_000_000)
OLD = 1_600_000_000


@pytest.fixture
def curl(probe, tmp_path):
    """curl("/path", *options) against a service with files and pages: the CompletedProcess."""
    root = tmp_path / "root"
    root.mkdir()
    for folder in [root, tmp_path, *tmp_path.parents][:4]:
        folder.chmod(0o755)
    (root / "file.bin").write_bytes(FILE)
    (root / "page.html").write_bytes(b"<p>page</p>" * 100)
    (root / "page.html.gz").write_bytes(gzip.compress(b"<p>packed</p>" * 100))
    os.utime(root / "file.bin", (OLD, OLD))
    instance = probe("http", app="browser", static={"root": str(root)}, limits={"max_body": "1m"})

    def run(path, *options, expect=0):
        done = subprocess.run(["curl", "-sS", "--http1.1", "--max-time", "60", *options,
                               f"http://127.0.0.1:{instance.port}{path}"], cwd=tmp_path,
                              capture_output=True)
        assert done.returncode == expect, done.stderr
        return done

    return run


def status(curl, path, *options):
    return int(curl(path, "-o", "/dev/null", "-w", "%{http_code}", *options).stdout)


@pytest.mark.parametrize("asked, first, last", [("0-99", 0, 100), ("2999990-", 2999990, 3000000),
                                                ("-5", 2999995, 3000000),
                                                ("1000000-1999999", 1000000, 2000000)])
def test_ranges(curl, asked, first, last):
    assert curl("/file.bin", "-r", asked).stdout == FILE[first:last]
    assert status(curl, "/file.bin", "-r", asked) == 206


def test_a_range_that_is_not_there(curl):
    assert status(curl, "/file.bin", "-r", "3000000-") == 416


def test_a_download_is_resumed(curl, tmp_path):
    (tmp_path / "half").write_bytes(FILE[:1_234_567])
    curl("/file.bin", "-C", "-", "-o", "half")
    assert (tmp_path / "half").read_bytes() == FILE


def test_several_ranges_are_one_answer(curl):
    text = curl("/file.bin", "-r", "0-1,10-13").stdout
    assert b"Content-Range: bytes 0-1/3000000" in text and FILE[10:14] in text


def test_conditions(curl, tmp_path):
    assert curl("/file.bin", "--etag-save", "tag").stdout == FILE
    assert (tmp_path / "tag").read_text().strip().strip('"')
    assert curl("/file.bin", "--etag-compare", "tag").stdout == b""
    assert status(curl, "/file.bin", "--etag-compare", "tag") == 304
    assert status(curl, "/file.bin", "-z", "31 Dec 2020") == 304
    assert status(curl, "/file.bin", "-z", "31 Dec 2019") == 200
    curl("/file.bin", "-R", "-o", "copy")
    assert (tmp_path / "copy").stat().st_mtime == OLD


def test_compressed(curl):
    assert curl("/page.html", "--compressed").stdout == b"<p>packed</p>" * 100
    assert curl("/page.html").stdout == b"<p>page</p>" * 100


def test_cookies(curl, tmp_path):
    jar = ["-b", "jar", "-c", "jar", "-D", "-", "--data", "x"]
    assert b"\r\nX-Cookie: none\r\n" in curl("/body", *jar).stdout
    assert "seen\tyes" in (tmp_path / "jar").read_text()
    assert b"\r\nX-Cookie: yes\r\n" in curl("/body", *jar).stdout


def test_expect(curl, tmp_path):
    (tmp_path / "fits").write_bytes(FILE[:1_000_000])
    done = curl("/body", "-v", "-H", "Expect: 100-continue", "--data-binary", "@fits")
    assert b"< HTTP/1.1 100 Continue" in done.stderr and done.stdout == FILE[:1_000_000]
    # Too big: refused before it is sent.
    done = curl("/body", "-H", "Expect: 100-continue", "--data-binary", "@root/file.bin", "-o",
                "/dev/null", "-w", "%{http_code} %{size_upload}", "--expect100-timeout", "20")
    assert done.stdout == b"413 0"


def test_one_connection_for_many(curl):
    assert curl("/count?[1-20]", "-w", " ").stdout.split() == [b"%d" % at for at in range(1, 21)]
    assert curl("/count?[1-3]", "-0", "-w", " ").stdout.split() == [b"1"] * 3
    assert curl("/count?[1-3]", "-H", "Connection: close", "-w", " ").stdout.split() == [b"1"] * 3


def test_the_proxy_header_that_curl_sends(probe):
    instance = probe("http", app="browser", proxy_protocol=True)
    url = f"http://127.0.0.1:{instance.port}/{{who,count}}"
    done = subprocess.run(["curl", "-sS", "--haproxy-protocol", "--interface", "127.0.0.7", "-w", " ",
                           url], capture_output=True, timeout=crew.LONG)
    assert done.stdout == b"127.0.0.7 1 ", done.stderr
    done = subprocess.run(["curl", "-sS", url], capture_output=True, timeout=crew.LONG)
    assert done.returncode in (52, 56) and done.stdout == b""


def test_over_a_unix_socket(instances):
    instance = instances({"app": crew.app("browser"), "services": {"probe": {"workers": 1}}})
    path = instance.folder / "http.sock"
    instance.config["services"]["probe"]["listen"] = f"http://unix:{path}"
    instance.write_config(instance.config)
    instance.start()
    done = subprocess.run(["curl", "-sS", "--unix-socket", str(path), "http://x/count?[1-3]", "-w",
                           " "], capture_output=True, timeout=crew.LONG)
    assert done.stdout == b"1 2 3 ", done.stderr
