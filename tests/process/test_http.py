"""HTTP/1.1 against the running worker: requests, answers, connections, limits and time."""

import asyncio
import re
import socket
import subprocess
import threading
import time

import aiohttp
import pytest

import crew
from web import Client, ask, status_of
from ws import WebSocket

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = {"header_size": "4k", "max_body": "100k"}
# Only for tests of these: elsewhere a client that is held up must not be cut off.


@pytest.fixture
def web(probe):
    def start(protocol="http", app="web", limits=None, **options):
        return probe(protocol, app=app, limits={**LIMITS, **(limits or {})}, **options)
    return start


# -- requests and answers


def test_a_request_and_its_answer(web):
    with Client(web().port) as client:
        answer = client.get("/echo/a%20b?q=%41+x", "Cookie: b=1; c=two")
        assert answer.status == 200 and answer.version == "HTTP/1.1"
        assert answer["content-type"] == "text/plain"
        assert answer.body == b"GET|/echo/a%20b?q=%41+x|/echo/a b|x|q=A x|a=-|c=two|0|"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer["date"])
        assert answer["connection"] is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_any_method_reaches_the_app(web, method):
    with Client(web().port) as client:
        assert client.get("/echo", method=method).body.startswith(method.encode() + b"|/echo|")


def test_targets(web):
    instance = web()
    with Client(instance.port) as client:
        absolute = client.get("http://other.example:81/echo?q=1")
        assert absolute.body.startswith(b"GET|http://other.example:81/echo?q=1|/echo|other.exam")
        client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().status == 404
    for target in ("*", "hello", "x:80", "/a b", "/\x80", "/\x7f"):
        assert status_of(instance.port, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n") == 400


def test_forms_and_bodies(web):
    with Client(web().port) as client:
        answer = client.get("/echo", "Content-Type: application/x-www-form-urlencoded",
                            method="POST", body=b"b=1&a=x%26y+z")
        assert b"|a=x&y z|" in answer.body and answer.body.endswith(b"|13|b=1&a=x%26y+z")
        answer = client.get("/echo", "Content-Type: text/plain", method="POST", body=b"a=1")
        assert b"|a=-|" in answer.body


def test_lists_and_white_space_of_fields(web):
    with Client(web().port) as client:
        assert client.get("/field", "x-FIELD:   one\t ", "X-Field: two")["x-field"] == "one, two"


def test_head_is_the_get_without_its_body(web):
    with Client(web().port) as client:
        for target in ("/hello", "/stream?size=5", "/nothing"):
            assert client.get(target, method="HEAD").body == b""
            same = client.get(target)
            assert same.body
        assert client.get("/hello", method="HEAD")["content-length"] == "5"
        assert client.get("/stream?size=9", method="HEAD")["transfer-encoding"] == "chunked"
        assert client.get("/hello").body == b"hello"


@pytest.mark.parametrize("code", [204, 205, 304])
def test_answers_that_have_no_body(web, code):
    with Client(web().port) as client:
        answer = client.get(f"/status?code={code}")
        assert answer.status == code and answer["transfer-encoding"] is None
        if code == 204:  # RFC 9110 section 8.6
            assert answer["content-length"] is None
        if code == 205:  # section 15.3.6: as any other, but empty
            assert answer["content-length"] == "0"
        assert client.get("/hello").body == b"hello"


def test_cookies_with_all_attributes(web):
    with Client(web().port) as client:
        lines = [value for name, value in client.get("/cookies").fields if name == "set-cookie"]
        words = {word.strip().lower() for word in lines[0].split(";")}
        assert {"path=/p", "domain=example.com", "max-age=60", "secure", "httponly",
                "samesite=strict"} < words
        assert lines[1].startswith("old=") and "max-age=" in lines[1].lower()


def test_redirects(web):
    with Client(web().port) as client:
        for target, status in (("/redirect", 302), ("/redirect?code=308", 308)):
            answer = client.get(target)
            assert answer.status == status and answer["location"] == "/there"


def test_header_injection_is_refused(web):
    instance = web()
    with Client(instance.port) as client:
        answer = client.get("/inject")
        assert answer.body == b"17 of 17", instance.log()
        assert b"evil" not in str(answer.fields).lower().encode()
        assert {name for name, _ in answer.fields} == {"date", "content-type", "content-length"}
    # What a request brings in a field is data, whatever it says.
    assert status_of(instance.port, b"GET /field HTTP/1.1\r\nHost: x\r\nX-Field: a\rb\r\n\r\n") == 400


def test_one_request_has_one_answer(web):
    instance = web()
    with Client(instance.port) as client:
        assert client.get("/twice").body == b"once"
        assert client.get("/hello").body == b"hello"
    instance.wait_log("web: twice: 1 1 1")


def test_a_plain_send_is_a_whole_answer(web):
    with Client(web().port) as client:
        answer = client.get("/send")
        assert answer.status == 200 and answer.body == b"sent"


def test_an_answer_that_comes_later(web):
    """The request is kept whole, and requests behind it wait."""
    with Client(web().port) as client:
        body = b"k" * 50000
        client.send(b"POST /late?ms=80&q=1 HTTP/1.1\r\nHost: h\r\nCookie: c=kept\r\n"
                    b"Content-Length: 50000\r\n\r\n" + body + GET)
        assert client.answer().body == (b"POST|/late?ms=80&q=1|/late|h|q=1|a=-|c=kept|50000|"
                                        + b"k" * 64)
        assert client.answer().body == b"hello"


def test_a_client_that_leaves_before_its_answer(web):
    instance = web()
    with Client(instance.port) as client:
        client.send("GET /late?ms=6000 HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log("web: request GET /late")
    instance.wait_log("web: close reason=(peer|io)")
    instance.wait_log("web: late: gone")


# -- connections


def test_pipelined_requests_are_answered_in_order(web):
    with Client(web().port) as client:
        client.send("".join(f"GET /{'late' if n % 7 == 3 else 'echo'}?ms=10&q={n} HTTP/1.1\r\n"
                            "Host: x\r\n\r\n" for n in range(60)))
        for n in range(60):
            assert f"|q={n}|".encode() in client.answer().body


def test_pipelined_byte_by_byte(web):
    request = (b"POST /echo?q=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n" + GET)
    with Client(web(limits={"handshake_timeout": "20s"}).port) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            client.send(request[at:at + 1])
        assert client.answer().body.endswith(b"|5|abcde")
        assert client.answer().body == b"hello"


def test_a_flood_of_pipelined_requests_is_bounded(web):
    """A client that asks and asks and never reads fills the kernel, not the worker."""
    instance = web(limits={"send_timeout": "20s", "max_send_buffer": "64k"})
    with Client(instance.port) as client:
        client.sock.settimeout(1)
        request = b"GET /big?size=20000 HTTP/1.1\r\nHost: x\r\n\r\n"
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 40_000_000:
                client.sock.sendall(request * 1000)
                sent += len(request) * 1000
        row = crew.wait_for(instance.connections, what="the connection")[0]
        assert row["queued"] < 400_000
        client.sock.settimeout(crew.LONG)
        for _ in range(200):
            assert len(client.answer().body) == 20000


def test_connection_close_is_honoured_weak_point_22(web):
    """Connection: close, HTTP/1.0, HEAD, Expect and Date: all that was not done."""
    instance = web()
    for data in (b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                 b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: x, ClOsE\r\n\r\n",
                 b"GET /hello HTTP/1.0\r\n\r\n"):
        answer = ask(instance.port, data + GET)
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nhello")
        assert b"connection: close\r\n" in answer.lower() and b"\r\ndate: " in answer.lower()
        assert answer.count(b"HTTP/1.1 ") == 1
    instance.wait_log("web: close reason=local", count=3)


def test_http_1_0_with_keep_alive(web):
    with Client(web().port) as client:
        for _ in range(2):
            answer = client.get("/hello", "Connection: keep-alive", version="HTTP/1.0")
            assert answer["connection"] == "keep-alive" and answer.body == b"hello"
        # Without chunks only the end can tell where it ends.
        answer = client.get("/stream?size=50000", "Connection: keep-alive", version="HTTP/1.0")
        assert answer["transfer-encoding"] is None and answer["connection"] == "close"
        assert answer.body == b"p" * 50000


def test_expect_100_continue(web):
    instance = web()
    with Client(instance.port) as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n")
        interim = client.head()
        assert interim.status == 100 and interim.fields == []
        client.send("hello")
        assert client.answer().body.endswith(b"|5|hello")
        client.send("GET /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().body == b"hello"  # no body, nothing to go on with
    assert status_of(instance.port, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                                    b"Expect: 200-maybe\r\n\r\n") == 417
    # RFC 9110 section 10.1.1: the final status at once when the body is not wanted.
    assert status_of(instance.port, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500000"
                                    b"\r\nExpect: 100-continue\r\n\r\n") == 413
    # An HTTP/1.0 client cannot understand 100.
    answer = ask(instance.port, b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n"
                                b"Expect: 100-continue\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_says_it_is_done_gets_its_answers(web):
    """The half-closed connection of `nc -N`."""
    with Client(web().port) as client:
        client.send(GET * 3)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.to_end().count(b"\r\n\r\nhello") == 3


@pytest.mark.parametrize("data", [
    b"GET /hel", b"GET /hello HTTP/1.1\r\nHost: x\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
], ids=["request line", "header", "body", "chunk"])
def test_the_end_in_the_middle_of_a_request(web, data):
    instance = web()
    with Client(instance.port) as client:
        client.send(data)
        client.sock.shutdown(socket.SHUT_WR)
        assert b"200" not in client.to_end()
    instance.wait_log("web: close reason=peer")
    assert "web: request" not in instance.log()


# -- bodies


def test_chunked_bodies_and_trailers(web):
    with Client(web().port) as client:
        for body in (b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"00005;a=b;c=\"d\"\r\nhello\r\n000\r\n"
                     b"X-Trailer: yes\r\nCookie: c=no\r\n\r\n"):
            client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n" + body)
            answer = client.answer().body
            assert answer.endswith(b"|5|hello" if b"hello" in body else b"|0|")
            assert b"|c=-|" in answer  # trailers are no headers (RFC 9110 section 6.5.1)


def test_bodies_in_pieces(web):
    instance = web(app="web_body", limits={"max_body": "30m"})
    with Client(instance.port) as client:
        assert client.get("/upload", method="POST", body=b"x" * 20_000_000).body == b"20000000 bytes"
        client.send(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + b"1000\r\n" + b"y" * 4096 + b"\r\n0\r\n\r\n")
        assert client.answer().body == b"4096 bytes"
        assert client.get("/hello").body == b"hello"
    assert len(re.findall("web: piece", instance.log())) > 50


def test_an_answer_before_the_body_ends_the_connection(web):
    """What still comes cannot be told from a next request in time; it is read and dropped."""
    instance = web(app="web_body", limits={"max_body": "30m"})
    with Client(instance.port) as client:
        client.send(b"POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        answer = client.answer()
        assert answer.status == 403 and answer["connection"] == "close"
        client.send(b"z" * 3_000_000)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed()


# -- limits and refusals


@pytest.mark.parametrize("data, status", [
    (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 102401\r\n\r\n", 413),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n19001\r\n", 413),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: "
     + b"t" * 5000 + b"\r\n\r\n", 431),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x="
     + b"e" * 5000, 431),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417),
    (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    (b"GET /\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
], ids=["uri", "field", "fields", "length", "chunk", "trailer", "extension", "coding", "http 2",
        "preface", "expect", "tls", "http 0.9", "no host"])
def test_refusals_have_their_status(web, data, status):
    instance = web()
    with Client(instance.port) as bystander:
        assert bystander.get("/hello").body == b"hello"
        if data.startswith(b"GET /\r\n"):
            data += b"\r\n"
        assert status_of(instance.port, data) == status
        assert bystander.get("/hello").body == b"hello"
    assert instance.log().count("web: error") == 1


def test_a_body_of_exactly_the_limit(web):
    with Client(web().port) as client:
        assert client.get("/echo", method="POST", body=b"b" * 102400).status == 200
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n"
                    + b"c" * 102400 + b"\r\n0\r\n\r\n")
        assert b"|102400|" in client.answer().body


def test_nothing_behind_a_plain_service(probe):
    """An app without on_request has no pages."""
    instance = probe("http")
    assert status_of(instance.port, GET) == 404


# -- time


def test_a_slow_body_is_answered_408(web):
    instance = web(limits={"message_timeout": "1s"})
    with Client(instance.port) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert client.answer().status == 408
    instance.wait_log("web: close reason=timeout")


def test_a_head_that_is_too_long_is_refused_without_a_body(web):
    """RFC 9110 section 9.3.2."""
    with Client(web().port) as client:
        client.send("HEAD /" + "a" * 5000)
        answer = client.to_end()
    assert answer.startswith(b"HTTP/1.1 414 ") and answer.endswith(b"\r\n\r\n")


def test_a_quiet_connection_ends_after_keep_alive(web):
    instance = web(limits={"keep_alive": "2s"})
    with Client(instance.port) as client:
        started = time.monotonic()
        assert client.get("/hello").body == b"hello"
        assert client.is_closed()
        crew.assert_took(started, 1, 6)
    instance.wait_log("web: close reason=timeout")


def test_a_connection_that_never_asks_ends(web):
    instance = web(limits={"handshake_timeout": "1s"})
    with Client(instance.port) as silent:
        assert silent.is_closed()
    instance.wait_log("web: close reason=timeout")


def test_a_reader_that_stands_still_is_cut_off(web):
    instance = web(limits={"send_timeout": "1s", "close_timeout": "1s"})
    with Client(instance.port) as client:
        client.send("GET /big?size=50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log("web: close reason=timeout")


def test_a_slow_reader_gets_everything(web):
    port = web(limits={"send_timeout": "4s", "close_timeout": "4s"}).port

    def read_slowly(pace):
        with Client(port) as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.send("GET /big?size=9000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            for _ in range(20):
                crew.let_pass(0.3)  # it is slow: all in all slower than send_timeout
                pace()
                client.rest += client.sock.recv(300_000)
            assert len(client.answer().body) == 9_000_000

    crew.undisturbed(read_slowly, 1)


# -- answers in pieces


def test_a_long_answer_waits_for_its_reader(web):
    instance = web(limits={"max_send_buffer": "128k", "send_timeout": "20s"})
    with Client(instance.port) as client:
        client.send("GET /stream?size=30000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log("web: full")
        rows = instance.connections()
        assert 0 < rows[0]["queued"] < 200_000
        answer = client.answer()
        assert len(answer.body) == 30_000_000 and answer["transfer-encoding"] == "chunked"
        assert client.get("/hello").body == b"hello"
    instance.wait_log("web: pump: end 0")
    assert "web: drain" in instance.log()


def test_server_sent_events(web):
    instance = web()
    with Client(instance.port) as client:
        answer = client.get("/events")
        assert answer["content-type"] == "text/event-stream"
        first, second = answer.body.decode().rstrip("\n").split("\n\n")
        assert set(first.split("\n")) == {"event: greeting", "id: 1", "retry: 500", "data: two",
                                          "data: lines"}
        assert set(second.split("\n")) == {": last", "data: bye"}
    instance.wait_log("evil event: an argument is out of range")


def test_a_stream_reaches_its_reader_piece_by_piece(web):
    port = web().port

    def read(pace):
        with Client(port) as client:
            client.send("GET /hold?ms=700 HTTP/1.1\r\nHost: x\r\n\r\n")
            client.head()
            assert client.chunk() == b"first"
            started = time.monotonic()
            pace()
            assert client.chunk() == b"second" and time.monotonic() - started > 0.3
            assert client.chunk() == b""

    crew.undisturbed(read, 0.3)


def test_close_after_a_large_answer_sends_all_of_it_weak_point_21(web):
    instance = web()
    with Client(instance.port) as client:
        client.send("GET /bigclose?size=20000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(client.answer().body) == 20_000_000
        assert client.is_closed()
    instance.wait_log("web: close reason=local")
    crew.wait_for(lambda: not instance.connections(), what="no connection left")


# -- reload and stop


def test_a_reload_lets_an_answer_finish(web):
    instance = web()
    with Client(instance.port) as client, Client(instance.port) as idle:
        assert idle.get("/worker").body.endswith(b" 1")
        client.send("GET /hold?ms=1500 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.head()
        assert client.chunk() == b"first"
        instance.reload()
        assert client.chunk() == b"second" and client.chunk() == b""
        assert client.is_closed()
        with Client(instance.port) as fresh:
            assert fresh.get("/worker").body.endswith(b" 2")


def test_a_kept_connection_is_told_when_the_worker_is_replaced(web):
    instance = web(limits={"keep_alive": "30s"}, top={"reload_spread": "5s"})
    with Client(instance.port) as client:
        assert client.get("/hello").body == b"hello"
        reload = threading.Thread(target=instance.reload)
        reload.start()
        instance.wait_log("generation 2|gen.*2")
        # It is never refused: its answer comes, from the old worker with its good-bye.
        answer = client.get("/worker")
        assert answer.status == 200
        while answer["connection"] != "close":
            answer = client.get("/worker")
        assert client.is_closed()
        reload.join()


def test_a_stop_lets_an_answer_finish(web):
    instance = web(top={"stop_timeout": "60s"})
    with Client(instance.port) as client:
        client.send("GET /hold?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.head()
        assert client.chunk() == b"first"
        stop = threading.Thread(target=instance.stop)
        stop.start()
        assert client.chunk() == b"second" and client.chunk() == b""
        assert client.is_closed()
        stop.join()


def test_reloads_refuse_no_request(web):
    """Requests one after the other, kept alive or not, while workers come and go."""
    instance = web(workers=2)
    stop = threading.Event()
    faults = []

    def load():
        while not stop.is_set():
            try:
                with Client(instance.port) as client:
                    for _ in range(5):
                        answer = client.get("/hello")
                        if answer.body != b"hello":
                            faults.append(answer.status)
                        if answer["connection"] == "close":
                            break
            except (OSError, AssertionError) as error:
                faults.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        instance.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:5]


# -- one port for both


@pytest.mark.parametrize("protocol", ["http", "websocket"])
def test_pages_and_websockets_on_one_port(web, protocol):
    instance = web(protocol)
    with Client(instance.port) as client:
        assert client.get("/hello").body == b"hello"
        assert client.get("/hello", method="POST", body=b"x").status == 200
    with WebSocket(instance.port) as socket_:
        assert socket_.ask("hi") == "hi"


def test_a_plain_request_on_a_websocket_service_without_pages(probe):
    with Client(probe("websocket").port) as client:
        answer = client.get("/")
        assert answer.status == 426
        # RFC 9110 sections 7.8 and 15.5.22
        assert answer["upgrade"] == "websocket" and answer["sec-websocket-version"] == "13"
        assert "upgrade" in answer["connection"].lower()


@pytest.mark.parametrize("protocol", ["http", "websocket"])
def test_an_upgrade_to_something_else_is_ignored(web, protocol):
    with Client(web(protocol).port) as client:
        assert client.get("/hello", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                          "HTTP2-Settings: AAMAAABkAAQAAP__").body == b"hello"


def test_an_upgrade_in_http_1_0_is_ignored(web):
    """RFC 9110 section 7.8."""
    with Client(web().port) as client:
        assert client.get("/hello", "Connection: Upgrade", "Upgrade: websocket",
                          version="HTTP/1.0").body == b"hello"


def test_the_upgrade_after_requests_on_the_same_connection(web):
    with Client(web().port) as client:
        assert client.get("/hello").body == b"hello"
        client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "\r\n")
        client.send(b"\x81\x82\0\0\0\0hi")
        assert client.head().status == 101
        assert client.exactly(4) == b"\x81\x02hi"


# -- clients that nobody here wrote


def test_with_curl(web, tmp_path):
    port = web().port
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * 90_000)

    def curl(*args):
        done = subprocess.run(["curl", "-sS", "--max-time", "60", *args], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    url = f"http://127.0.0.1:{port}"
    assert curl(f"{url}/hello", f"{url}/hello") == b"hellohello"
    assert curl("-0", f"{url}/hello") == b"hello"
    assert curl("-I", f"{url}/hello").startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"|90000|" in curl("-T", str(upload), f"{url}/echo")
    assert b"|90000|" in curl("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue",
                              "--data-binary", f"@{upload}", f"{url}/echo")
    assert b"|a=x y|" in curl("--data-urlencode", "a=x y", f"{url}/echo")
    assert len(curl(f"{url}/stream?size=3000000")) == 3_000_000
    assert b"no such page" in curl("-L", f"{url}/redirect")
    assert b"data: bye" in curl("-N", f"{url}/events")


def test_with_aiohttp(web):
    instance = web()

    async def talk():
        url = f"http://127.0.0.1:{instance.port}"
        async with aiohttp.ClientSession() as session:
            async def one(number):
                async with session.post(f"{url}/echo?q={number}", data={"a": "é"}) as answer:
                    assert f"|q={number}|a=é|" in await answer.text()
            await asyncio.gather(*(one(number) for number in range(200)))
            async with session.get(f"{url}/stream?size=1000000") as answer:
                assert len(await answer.read()) == 1_000_000
            async with session.get(f"{url}/late") as answer:
                assert answer.status == 200
            async with session.ws_connect(f"{url}/", protocols=["chat"]) as ws:
                assert ws.protocol == "chat"
                await ws.send_str("hi")
                assert (await ws.receive()).data == "hi"

    asyncio.run(talk())
