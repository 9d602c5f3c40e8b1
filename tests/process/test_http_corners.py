"""Requests at awkward moments: answers inside of other callbacks, pauses, readers and writers that
stand still half way, and what they may cost."""

import contextlib
import os
import re
import socket
import time

import pytest

import crew
from web import Client, ask
from ws import BINARY, WebSocket, dial

FORM = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" \
    "Connection: close\r\n"


def reader_with_little_room(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(crew.LONG)
    client.connect(("127.0.0.1", port))
    return client


@pytest.fixture
def awkward(probe):
    def start(protocol="http", app="awkward", **options):
        return probe(protocol, app=app, **options)
    return start


# -- peers that do not read


def test_a_reader_that_stops_in_a_stream_is_cut_off(probe):
    """What on_buffer_drain writes is under a deadline too."""
    instance = probe("http", app="web", limits={"send_timeout": "1s", "close_timeout": "1s"})
    with dial(instance.port) as client:
        client.sendall(b"GET /stream?size=900000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        left = 20_000_000
        with contextlib.suppress(ConnectionError):  # one that was held up is cut off too
            while left > 0 and (piece := client.recv(1 << 20)):
                left -= len(piece)
        instance.wait_log("web: close reason=timeout")


# -- bodies


def test_the_time_for_a_body_ends_with_it(awkward):
    with Client(awkward(app="awkward_body").port) as client:
        client.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        client.send("b")
        assert client.answer().body == b"late"


def test_a_pause_in_a_body_is_not_held_against_the_client(awkward):
    instance = awkward(app="awkward_body")
    with Client(instance.port) as client:
        head = "POST /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        client.send(head + "a")
        crew.wait_for(lambda: instance.connections()[0]["bytes_in"] > len(head), 10, "a piece")
        client.send("b")
        assert client.answer().body == b"taken"


@pytest.mark.parametrize("path", ["/", "/rest"])
def test_a_request_without_a_body_has_its_end_too(awkward, path):
    """on_body is told so once, behind a pause in on_request too; and the connection goes on."""
    with Client(awkward(app="awkward_body").port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                    f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().body == b"taken"
        assert client.answer().body == b"taken"
        assert client.answer(is_head=True)["content-length"] == "5"


def test_the_end_of_a_body_waits_for_room(awkward):
    with Client(awkward(app="awkward_body").port) as client:
        for _ in range(2):  # the end of the body ends the answer, with more to write than has room
            assert len(client.get("/stream").body) == 12_000_000


def test_a_waiting_body_is_kept_once(probe):
    """Whatever comes behind its request: that waits for the answer, and is no new body."""
    instance = probe("http", app="web")
    before = instance.workers()[0]["rss"]
    with Client(instance.port) as client:
        client.send(b"POST /late?ms=600000 HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
                    + b"x" * 60_000)
        for _ in range(1500):
            client.send("\r")
            time.sleep(0.001)  # so that each comes alone
        assert instance.workers()[0]["rss"] - before < 20_000_000
        assert len(instance.connections()) == 1


def test_a_body_behind_an_answer_that_is_taken_slowly_has_its_time_too(awkward):
    with reader_with_little_room(awkward(app="awkward_body", limits={
            "message_timeout": "1s", "send_timeout": "1s", "close_timeout": "1s"}).port) as client:
        client.sendall(b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while client.recv(1 << 20):  # to the end, or the client's own deadline
                pass


def test_too_many_fields_of_a_form(awkward):
    """They are no fields, but still a body: curl calls whatever it sends a form."""
    instance = awkward(http={"max_parts": 3})
    for body, told in (("a&b&c", '3 ""'), ("a=1&&b&c&", '3 "1"'),
                       ("a&b&c&d", '-5006 "none"')):  # CREW_ETOOBIG
        request = f"{FORM}Content-Length: {len(body)}\r\n\r\n{body}"
        assert ask(instance.port, request).endswith(f"\r\n\r\n{told} {body}".encode()), body


def test_an_answer_whose_fields_do_not_fit_is_refused(awkward):
    instance = awkward()
    with Client(instance.port) as client:
        assert len(client.get("/long")["x-long"]) == 15_000
    instance.wait_log("long: 0, larger than the limit allows")


# -- answers inside of other callbacks


def test_an_answer_in_on_error_is_the_only_one(awkward):
    instance = awkward()
    body = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx"
    answers = ask(instance.port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; "
                  f"boundary=B\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert answers.count(b"HTTP/1.1 ") == 1 and answers.startswith(b"HTTP/1.1 422 ")
    assert b"\r\nConnection: close\r\n" in answers
    # No request at all: nothing to be answered there.
    assert ask(instance.port, "GET\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    instance.wait_log("in on_error: no such object")


def test_a_body_stays_until_its_answer(awkward):
    """What was read into the same buffer meanwhile is nobody else's."""
    instance = awkward()
    with Client(instance.port) as first, Client(instance.port) as second:
        first.send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\nthe first words")
        second.send("POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\nTHE OTHER WORDS")
        assert first.answer().body == b"the first words"


@pytest.mark.parametrize("path, answer", [("/fields", b"a"), ("/headers", b"Host"), ("/cookie", b"no")])
def test_answers_inside_of_a_walk(awkward, path, answer):
    body = "a=1&b=2&c=3"
    with Client(awkward().port) as client:
        for _ in range(2):
            client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/"
                        f"x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            assert client.answer().body == answer


def test_much_that_waits_for_a_handshake_does_not_hold_it_up(awkward):
    instance = awkward("websocket", env={"AWKWARD_GREETING": "long"})
    with WebSocket(instance.port) as client:
        opcode, data = client.recv()
        assert (opcode, len(data)) == (BINARY, 600_000)
    instance.wait_log("drained")
    assert re.findall("in on_buffer_full|greeted: 1|open$|drained", instance.log(), re.M) == [
        "in on_buffer_full", "greeted: 1", "open", "drained"]


def test_what_waits_for_a_handshake_that_never_comes_is_drained(awkward):
    """It becomes a connection of plain HTTP, and what was for a WebSocket is dropped."""
    instance = awkward("websocket", env={"AWKWARD_GREETING": "long"})
    with Client(instance.port) as client:
        assert client.get("/").status == 200
        instance.wait_log("drained")
    assert re.findall("in on_buffer_full|open$|drained", instance.log(), re.M) == [
        "in on_buffer_full", "drained"]


def test_what_fails_leaves_nothing_behind(awkward):
    instance = awkward("websocket")
    with WebSocket(instance.port) as client:
        assert b"location" not in client.head.lower()
        client.send("huge")
        assert client.recv()[1] == b""  # that of no length at all is one
        assert client.recv()[1] == b"huge"
    instance.wait_log("huge: larger than the limit allows")


def test_a_body_that_breaks_off_is_no_body(awkward):
    instance = awkward()
    answers = ask(instance.port, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhello\r\nfive\r\n")
    assert answers.startswith(b"HTTP/1.1 422 ")
    instance.wait_log("in on_error: .*, body of 0$")


def test_an_answer_in_on_buffer_full_finds_the_request_answered(awkward):
    instance = awkward()
    with reader_with_little_room(instance.port) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log("in on_buffer_full: ")
        assert "in on_buffer_full: ok" not in instance.log()
        instance.wait_log("big: 1")


@pytest.mark.parametrize("target, rest, seen", [
    ("/drop", "\r\n", "no request"),
    ("/drop", "X A: b\r\n\r\n", "no request"),
    ("/late", "\r\n", "mine"),
])
def test_the_request_in_on_close(awkward, target, rest, seen):
    """It is there if it was waiting, and never points to what others have sent since."""
    instance = awkward()
    with Client(instance.port) as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Secret: mine\r\n")
        crew.wait_for(lambda: instance.connections()[0]["bytes_in"] > 40, 10, "the first half")
        client.send(rest)
        if target == "/late":
            crew.wait_for(lambda: instance.connections()[0]["messages_in"] > 0, 10, "the request")
    instance.wait_log(f"in on_close: .* {seen}$")


def test_the_body_in_on_close_is_nobody_elses(awkward):
    """The head was kept as it waited for the body; the body, which came at once, was not."""
    instance = awkward()
    with Client(instance.port) as client, Client(instance.port) as other:
        client.send("POST /drop HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
        other.get("/")
        crew.wait_for(lambda: instance.connections()[0]["bytes_in"] > 40, 10, "the head")
        with crew.held(instance):
            client.send("A" * 20)
            other.send("GET /what-the-other-sends HTTP/1.1\r\nHost: x\r\n\r\n")
        assert other.answer().status == 200
    instance.wait_log("in on_close: local no request$")


# -- pauses and other trouble before there is a WebSocket


def test_an_answer_in_on_error_comes_behind_no_frame(awkward):
    """What on_connect sent was for a WebSocket, which this connection does not become."""
    instance = awkward("websocket", env={"AWKWARD_GREETING": "1"})
    answer = ask(instance.port, "GET / HTTP/1.1\r\nHost: x\r\nExpect: other\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 422 "), answer


def test_a_pause_in_on_handshake_is_not_held_against_the_client(awkward):
    instance = awkward("websocket", heartbeat={"idle_timeout": "1s", "ping_interval": "0"})

    def greet(pace):
        with WebSocket(instance.port) as client:
            pace()
            assert client.ask("hello") == "hello"

    crew.undisturbed(greet, 0.3)


def test_a_connection_that_cannot_be_watched_costs_itself(probe, tmp_path):
    sign = tmp_path / "full"
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    instance = probe("http", app="web", limits={"keep_alive": "1s"}, env={
        "LD_PRELOAD": crew.app("full_epoll"), "FULL_EPOLL": str(sign), "ASAN_OPTIONS": options})
    pids = instance.worker_pids()
    sign.touch()
    for _ in range(3):
        with dial(instance.port) as client:
            assert client.recv(1) == b""
    sign.unlink()
    with Client(instance.port) as client:
        assert client.get("/hello").body == b"hello"
        instance.wait_log("web: close reason=timeout")  # the clock of deadlines has gone on
    assert instance.worker_pids() == pids
