"""What RFC 9110 and 9112 say a server must do, where no other file has it: lists, dates, conditions
and their order, methods, the fields of an answer."""

import calendar
import os
import re
import time
from email.utils import formatdate

import pytest

from web import Client, ask
from ws import WebSocket

OLD = 1_600_000_000  # Sun, 13 Sep 2020 12:26:40 GMT
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


@pytest.fixture
def web(probe):
    return probe("http", app="web")


@pytest.fixture
def site(probe, tmp_path):
    """A service with one file, /a.txt of ten digits, last modified at OLD."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_bytes(b"0123456789")
    os.utime(root / "a.txt", (OLD, OLD))
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    instance = probe("http", app="files_only", static={"root": str(root)})
    instance.root = root
    return instance


def get(instance, target="/a.txt", *fields, method="GET"):
    with Client(instance.port) as client:
        return client.get(target, *fields, method=method)


# -- lists and tokens


@pytest.mark.parametrize("connection", ["close", "CLOSE", " close ", ",close", ",, close ,,", "x,\tclose",
                                        "keep-alive, close", "close, keep-alive"])
def test_elements_of_lists_may_be_empty(web, connection):
    """RFC 9110 section 5.6.1.2; close wins over keep-alive (RFC 9112 section 9.3)."""
    data = f"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode()
    answer = ask(web.port, data * 2)
    assert answer.count(b"HTTP/1.1 200 ") == 1 and b"connection: close" in answer.lower()


@pytest.mark.parametrize("connection", ["closed", "\"close\"", "close;x", "x-close", ""])
def test_what_only_looks_like_close_is_not(web, connection):
    with Client(web.port) as client:
        assert client.get("/hello", f"Connection: {connection}")["connection"] is None
        assert client.get("/hello").body == b"hello"


def test_lists_of_a_handshake(web):
    """Several fields are one list, elements may be empty, tokens have any case."""
    fields = ["Connection: , keep-alive", "Connection: uPGRADE ,", "Upgrade: ,x/1,  WebSocket",
              *UPGRADE[2:]]
    with Client(web.port) as client:
        assert client.get("/", *fields).status == 101


@pytest.mark.parametrize("coding", ["chunked", "CHUNKED", ",chunked", "chunked , ,", "\tchunked\t"])
def test_lists_of_codings(web, coding):
    with Client(web.port) as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n"
                    "5\r\nhello\r\n0\r\n\r\n")
        assert client.answer().body.endswith(b"|5|hello")
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("expect", ["100-continue", "100-CONTINUE", "100-Continue"])
def test_expectations_have_any_case(web, expect):
    """RFC 9110 section 10.1.1."""
    with Client(web.port) as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: {expect}\r\n\r\n")
        assert client.head().status == 100
        client.send("ab")
        assert client.answer().body.endswith(b"|2|ab")


# -- methods and targets


def test_methods_have_a_case(web):
    """RFC 9110 section 9.1: get is another method than GET, and not ours to forbid."""
    assert get(web, "/echo", method="get").body.startswith(b"get|")


def test_connect_is_no_way_through(web):
    """RFC 9110 section 9.3.6: no tunnel, and an authority is a target of CONNECT only."""
    answer = get(web, "other.example:443", method="CONNECT")
    assert 400 <= answer.status < 600
    assert get(web, "other.example:443").status == 400


def test_the_absolute_form_decides_the_host(web):
    """RFC 9112 section 3.2.2: the Host field counts for nothing, but must be there."""
    assert b"|inner.example" in get(web, "http://inner.example/echo").body
    answer = ask(web.port, b"GET http://inner.example/echo HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    for host in ("", ":80", "u@x", "a[b", "[::1", "<b>", "a:b", "%4"):
        assert get(web, f"http://{host}/echo").status == 400, host


# -- fields of answers


@pytest.mark.parametrize("data", [
    b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /status?code=404 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /redirect HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /hello HTTP/1.0\r\n\r\n", b"nonsense\r\n\r\n",
    b"GET /hello HTTP/1.1\r\n\r\n", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET /stream?size=3 HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=["200", "404", "302", "1.0", "garbage", "400", "505", "chunked"])
def test_every_answer_has_its_date(web, data):
    """RFC 9110 section 6.6.1, for the answers that no app wrote too."""
    with Client(web.port) as client:
        before = time.time()
        client.send(data)
        answer = client.answer()
        said = calendar.timegm(time.strptime(answer["date"], "%a, %d %b %Y %H:%M:%S GMT"))
        assert before - 3 < said < time.time() + 3
        assert answer.version == "HTTP/1.1"


def test_an_interim_answer_is_a_head_alone(web):
    """RFC 9110 section 15.2, RFC 9112 section 6.1: no length, no coding, and none for HTTP/1.0."""
    with WebSocket(web.port) as client:
        assert b"content-length" not in client.head.lower()
        assert b"transfer-encoding" not in client.head.lower()
    answer = ask(web.port, b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n"
                           b"\r\nx")
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("head", [
    b"HEAD /hello HTTP/1.1\r\nHost: a b\r\n", b"HEAD /hello HTTP/1.1\r\n",
    b"HEAD /hello HTTP/1.1\r\nHost: x\r\nX : y\r\n", b"HEAD nonsense HTTP/1.1\r\nHost: x\r\n",
    b"HEAD /hello HTTP/2.0\r\nHost: x\r\n", b"HEAD /hello HTTP/1.1\r\nHost: x\r\nExpect: y\r\n",
], ids=["host", "no host", "field", "target", "version", "expect"])
def test_a_refused_head_request_has_no_body(web, head):
    """RFC 9110 section 9.3.2, for the answers that no app wrote too."""
    answer = ask(web.port, head + b"\r\n")
    assert re.match(rb"HTTP/1.1 (400|417|505) ", answer) and answer.endswith(b"\r\n\r\n")


def test_no_coding_for_http_1_0(web):
    """RFC 9112 section 6.1: chunks only for who speaks HTTP/1.1."""
    answer = ask(web.port, b"GET /stream?size=20 HTTP/1.0\r\n\r\n")
    assert b"transfer-encoding" not in answer.lower() and answer.endswith(b"\r\n\r\n" + b"p" * 20)


def test_never_a_length_and_a_coding(web):
    """RFC 9112 section 6.2."""
    for target in ("/hello", "/stream?size=9", "/events", "/big", "/status?code=500"):
        answer = get(web, target)
        assert (answer["content-length"] is None) != (answer["transfer-encoding"] is None)


# -- dates and conditions


@pytest.mark.parametrize("date", [
    "Sun, 13 Sep 2020 12:26:40 GMT", "Sunday, 13-Sep-20 12:26:40 GMT", "Sun Sep 13 12:26:40 2020",
], ids=["IMF", "RFC 850", "asctime"])
def test_all_three_forms_of_dates(site, date):
    """RFC 9110 section 5.6.7."""
    assert get(site, "/a.txt", f"If-Modified-Since: {date}").status == 304
    assert get(site, "/a.txt", f"If-Unmodified-Since: {date}").status == 200
    earlier = date.replace(":40", ":39")
    assert get(site, "/a.txt", f"If-Modified-Since: {earlier}").status == 200
    assert get(site, "/a.txt", f"If-Unmodified-Since: {earlier}").status == 412


@pytest.mark.parametrize("date", ["", "yesterday", "0", "1600000000", "Sun, 13 Sep 2020", "Sun, 32 Sep"
                                  " 2020 12:26:40 GMT", "Sun, 13 Sep 2020 25:26:40 GMT",
                                  "Sun, 13 Sep 2020 12:26:40 CET"])
def test_what_is_no_date_is_no_condition(site, date):
    """RFC 9110 sections 13.1.3 and 13.1.4."""
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        assert get(site, "/a.txt", f"{name}: {date}").status == 200, name


LATER, EARLIER = formatdate(OLD + 9, usegmt=True), formatdate(OLD - 9, usegmt=True)
ORDER = [  # fields with {tag} for the current tag, status of GET
    (["If-Match: {tag}"], 200),
    (["If-Match: \"x\", {tag}"], 200),
    (["If-Match: ,, {tag}"], 200),
    (["If-Match: \"x\"", "If-Match: {tag}"], 200),
    (["If-Match: *"], 200),
    (["If-Match: \"x\""], 412),
    (["If-Match: W/{tag}"], 412),
    (["If-None-Match: {tag}"], 304),
    (["If-None-Match: W/{tag}"], 304),
    (["If-None-Match: \"x\" ,, {tag}"], 304),
    (["If-None-Match: \"x\"", "If-None-Match: {tag}"], 304),
    (["If-None-Match: *"], 304),
    (["If-None-Match: \"x\""], 200),
    (["If-None-Match: \"a, {inner}, b\""], 200),
    (["If-Match: {tag}", f"If-Unmodified-Since: {EARLIER}"], 200),
    (["If-Match: \"x\"", f"If-Unmodified-Since: {LATER}"], 412),
    (["If-None-Match: \"x\"", f"If-Modified-Since: {LATER}"], 200),
    (["If-None-Match: {tag}", f"If-Modified-Since: {EARLIER}"], 304),
    (["If-Match: \"x\"", "If-None-Match: {tag}"], 412),
    (["If-Match: {tag}", "If-None-Match: {tag}"], 304),
    ([f"If-Unmodified-Since: {EARLIER}", f"If-Modified-Since: {LATER}"], 412),
    (["If-None-Match: {tag}", "Range: bytes=0-1"], 304),
    (["If-Match: \"x\"", "Range: bytes=0-1"], 412),
    (["If-Match: {tag}", "Range: bytes=0-1"], 206),
    (["If-Match: {tag}", "Range: bytes=90-"], 416),
    (["If-Range: \"x\"", "Range: bytes=90-"], 200),
    (["If-Range: {tag}", "Range: bytes=0-1"], 206),
    (["If-Range: W/{tag}", "Range: bytes=0-1"], 200),
    (["If-Range: \"x\""], 200),
    (["If-Range: nonsense", "Range: bytes=0-1"], 200),
]


@pytest.mark.parametrize("fields, status", ORDER, ids=[" ".join(fields)[:60] for fields, _ in ORDER])
def test_conditions_and_their_order(site, fields, status):
    """RFC 9110 sections 13.1 and 13.2.2."""
    tag = get(site)["etag"]
    fields = [line.replace("{tag}", tag).replace("{inner}", tag.strip("\"")) for line in fields]
    answer = get(site, "/a.txt", *fields)
    assert answer.status == status
    expected = {200: b"0123456789", 206: b"01", 304: b""}
    assert status not in expected or answer.body == expected[status]
    head = get(site, "/a.txt", *fields, method="HEAD")
    assert head.status == (200 if status in (206, 416) else status)


def test_conditions_need_something_to_be_about(site):
    """RFC 9110 section 13.2.1: they count only where the answer would be 2xx or 412."""
    for line in ("If-None-Match: *", "If-Match: \"x\"", f"If-Unmodified-Since: {EARLIER}"):
        assert get(site, "/not-there", line).status == 404


def test_not_modified_has_the_fields_of_the_whole(site):
    """RFC 9110 section 15.4.5; a length only if it is that of the 200 (section 8.6)."""
    whole = get(site)
    answer = get(site, "/a.txt", f"If-None-Match: {whole['etag']}")
    assert answer.status == 304 and answer["etag"] == whole["etag"]
    for name in ("cache-control", "content-location", "expires", "vary"):
        assert answer[name] == whole[name], name
    assert answer["date"] and answer["content-length"] in (None, "10")
    assert answer["transfer-encoding"] is None


def test_a_file_from_the_future_was_modified_now(site):
    """RFC 9110 section 8.8.2.1: Last-Modified is never later than Date."""
    ahead = time.time() + 3600
    os.utime(site.root / "a.txt", (ahead, ahead))
    answer = get(site)
    parse = "%a, %d %b %Y %H:%M:%S GMT"
    assert answer.status == 200
    assert answer["last-modified"] is None or (time.strptime(answer["last-modified"], parse)
                                               <= time.strptime(answer["date"], parse))


# -- ranges


@pytest.mark.parametrize("asked", ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2",
                                   "bytes=0-1,x", "pages=0-1", "bytes 0-1", "bytes=0x0-1",
                                   "bytes=0--1", "bytes=+0-1"])
def test_ranges_that_are_none_are_ignored(site, asked):
    """RFC 9110 section 14.2."""
    answer = get(site, "/a.txt", f"Range: {asked}")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer["content-range"] is None


@pytest.mark.parametrize("asked, said", [
    ("bytes=0-0", "bytes 0-0/10"), ("BYTES=0-1", "bytes 0-1/10"), ("bytes=9-", "bytes 9-9/10"),
    ("bytes=-1", "bytes 9-9/10"), ("bytes=-99", "bytes 0-9/10"), ("bytes=0-99", "bytes 0-9/10"),
    ("bytes=2-18446744073709551615", "bytes 2-9/10"), ("bytes= 3-4", "bytes 3-4/10"),
    ("bytes=,3-4", "bytes 3-4/10"), ("bytes=3-4 , ", "bytes 3-4/10"),
    ("bytes=90-,3-4", "bytes 3-4/10"),
])
def test_one_range_says_where_it_is(site, asked, said):
    """RFC 9110 sections 14.1.2, 14.4 and 15.3.7.1."""
    answer = get(site, "/a.txt", f"Range: {asked}")
    assert answer.status == 206 and answer["content-range"] == said
    first, last = map(int, re.match(r"bytes (\d+)-(\d+)", said).groups())
    assert answer.body == b"0123456789"[first:last + 1]
    assert answer["etag"] == get(site)["etag"] and answer["date"]


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=90-91,100-",
                                   "bytes=18446744073709551616-"])
def test_ranges_behind_the_end(site, asked):
    """RFC 9110 section 15.5.17: 416 says how long it is."""
    answer = get(site, "/a.txt", f"Range: {asked}")
    assert answer.status == 416 and answer["content-range"] == "bytes */10"


def test_several_ranges_say_it_in_their_parts(site):
    """RFC 9110 section 15.3.7.2: not in the head; more ranges than sense are no attack."""
    answer = get(site, "/a.txt", "Range: bytes=0-0,9-9")
    assert answer.status == 206 and answer["content-range"] is None
    assert answer["content-type"].startswith("multipart/byteranges")
    assert answer.body.count(b"Content-Range: bytes ") == 2
    many = get(site, "/a.txt", "Range: bytes=" + ",".join(["0-"] * 1000))
    assert len(many.body) < 100_000
