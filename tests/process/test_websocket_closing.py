"""The closing handshake of WebSocket when the server begins it, or both at once, or one side never
ends it (RFC 6455 sections 5.5.1 and 7), and what extensions are agreed on (9.1; RFC 7692 section 7)."""

import re
import socket
import struct
import time

import pytest

import crew
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Refused, WebSocket, frame


@pytest.fixture
def server(probe):
    """It waits for a client that is held up."""
    return probe("websocket", limits={"close_timeout": "10m"})


def close_frame(code, reason=b""):
    return frame(struct.pack(">H", code) + reason, CLOSE)


def recv_close(client):
    opcode, data = client.recv_frame()
    assert opcode == CLOSE, (opcode, data)
    return struct.unpack(">H", data[:2])[0], data[2:]


def is_over(client):
    """The end is clean, and nothing came before it."""
    return client.rest == b"" and client.sock.recv(100) == b""


def test_the_server_begins(server):
    with WebSocket(server.port) as client:
        client.send("!close 4001 enough")
        assert recv_close(client) == (4001, b"enough")
        client.send_raw(close_frame(4001))
        assert is_over(client)
    server.wait_log("reason=local code=4001")


@pytest.mark.parametrize("answer", [b"", struct.pack(">H", 1000), struct.pack(">H", 4999) + b"other"],
                         ids=["no code", "1000", "4999"])
def test_any_close_frame_ends_what_the_server_began(probe, answer):
    """At once, and not after close_timeout, for which this client would not wait."""
    server = probe(limits={"close_timeout": "10m"})
    with WebSocket(server.port) as client:
        client.send("!close 3000")
        assert recv_close(client) == (3000, b"")
        client.send(answer, CLOSE)
        assert is_over(client)


@pytest.mark.parametrize("behind, end", [
    (b"", None), (frame(b"meanwhile", PING), None), (frame(b"!close 3000"), 3000),
    (close_frame(1000), 1000),
], ids=["nothing", "ping", "close", "close of the peer"])
def test_what_was_sent_goes_out_first(server, behind, end):
    """Also a message that is longer than max_send_buffer, which an empty queue takes."""
    size = 20_000_000
    with WebSocket(server.port) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send_raw(frame(f"!flood 1 {size}".encode()) + behind)
        server.wait_log("flood sent=0 queued=1")
        opcode, data = client.recv_frame()
        assert (opcode, len(data)) == (BINARY, size)
        if end:
            assert recv_close(client)[0] == end
        elif behind:
            assert client.recv_frame() == (PONG, b"meanwhile")


def test_a_close_frame_behind_a_pause_is_found(server):
    with WebSocket(server.port) as client:
        client.send_raw(frame(b"!pause 60000") + close_frame(4000))
        assert client.recv_frame() == (TEXT, b"paused")
        server.reload()
        assert recv_close(client) == (1012, b"")
        assert is_over(client)
    server.wait_log("reason=reload code=4000")


def test_pings_of_a_client_that_does_not_read_are_answered_once(server):
    """Section 5.5.3: the last of those whose answer waits. It was not ended for what it sent."""
    with WebSocket(server.port) as client:
        client.send("!flood 1 20000000")
        server.wait_log("flood sent=0 queued=1")
        for number in range(1000):
            client.send_raw(frame(b"p" * 125, PING) * 100 + frame(b"%d" % number, PING))
        client.send("!log all pings are read")
        server.wait_log("all pings are read")
        assert len(client.recv()[1]) == 20_000_000
        assert client.recv_frame() == (PONG, b"999")
        assert client.ask("still there") == "still there"


def test_what_comes_before_the_answer_is_not_served(server):
    """Section 5.5.1: no data frames of ours after our close; 5.5.2: nor pongs."""
    with WebSocket(server.port) as client:
        client.send_raw(frame(b"!close 3000") + frame(b"!log late") + frame(b"late ping", PING)
                        + frame(b"", TEXT, fin=False) + frame(b"p", PING)
                        + frame(b"!log late", CONTINUATION))
        assert recv_close(client) == (3000, b"")
        client.send_raw(frame(b"!log late") + frame(b"later ping", PING) + close_frame(1000))
        assert is_over(client)
    server.wait_log("reason=local code=")
    assert "late" not in server.log()
    with WebSocket(server.port) as client:  # it would have been seen
        client.send("!log late")
        server.wait_log("late")


def test_both_begin_at_once(server):
    """The frames cross: each side has sent one and received one, and that is all."""
    with WebSocket(server.port) as client:
        client.send_raw(frame(b"!close 3000") + close_frame(3001))
        assert recv_close(client) == (3000, b"")
        assert is_over(client)
    server.wait_log("reason=local")
    with WebSocket(server.port) as client:
        client.send_raw(close_frame(3001) + frame(b"!close 3000"))
        assert recv_close(client) == (3001, b"")
        assert is_over(client)
    server.wait_log("reason=peer code=3001")


def test_who_never_answers_is_not_waited_for(probe):
    server = probe(limits={"close_timeout": "1s"})
    with WebSocket(server.port) as client:
        started = time.monotonic()
        client.send("!close 3000")
        assert recv_close(client) == (3000, b"")
        assert is_over(client)
        crew.assert_took(started, 0.5, 4)


def test_who_answers_and_never_ends_is_not_waited_for(probe):
    """The server ends the TCP connection (section 7.1.1), whatever the client does."""
    server = probe(limits={"close_timeout": "1s"})
    with WebSocket(server.port) as client:
        client.send_raw(close_frame(1000))
        assert recv_close(client) == (1000, b"")
        assert is_over(client)
        crew.wait_for(lambda: not server.connections(), 5, "no connection left")


def test_broken_frames_instead_of_an_answer(server):
    """There is one close frame only, also when what comes behind it is wrong."""
    for data in (frame(b"x", rsv=1), frame(b"\xff"), frame(b"x", CONTINUATION), frame(b"", 11),
                 frame(b"\x03", CLOSE), close_frame(1005), frame(b"x", mask=None)):
        with WebSocket(server.port) as client:
            client.send("!close 3000")
            assert recv_close(client) == (3000, b"")
            client.send_raw(data)
            assert is_over(client), data


def test_an_end_without_a_close_frame_is_abnormal(server):
    """Section 7.1.5: 1006 for the app, and never in a frame."""
    with WebSocket(server.port) as client:
        client.sock.shutdown(socket.SHUT_WR)
        try:
            assert b"\x03\xee" not in client.sock.recv(100)
        except ConnectionError:
            pass
    server.wait_log("reason=peer code=1006")


@pytest.mark.parametrize("code", [-1, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536 + 1000])
def test_codes_that_no_app_may_send(server, code):
    """Section 7.4: refused, and the connection is as it was."""
    with WebSocket(server.port) as client:
        assert client.ask(f"!close {code}").startswith("error ")
        assert client.ask("hello") == "hello"


def test_reasons_that_do_not_fit(server):
    """Section 5.5: a close frame has at most 125 bytes; 5.5.1: its reason is UTF-8."""
    with WebSocket(server.port) as client:
        client.send_raw(frame(b"!close 3000 " + b"r\xff", BINARY))
        assert client.recv()[1].startswith(b"error ")
        client.send(b"!close 3000 " + "é".encode() * 50)
        assert recv_close(client) == (3000, "é".encode() * 50)


# -- extensions


OFFERS = [  # (fields, what is agreed on); the service keeps no context
    (["permessage-deflate"], "server_no_context_takeover; client_no_context_takeover"),
    (["foo, permessage-deflate"], "server_no_context_takeover; client_no_context_takeover"),
    (["foo", "permessage-deflate; server_max_window_bits=11"],
     "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11"),
    (["permessage-deflate; server_max_window_bits=10", "permessage-deflate"],
     "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"),
    (["permessage-deflate; client_max_window_bits=10"],
     "server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10"),
    (["permessage-deflate; server_max_window_bits=\"10\""],
     "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"),
    ([",permessage-deflate,"], "server_no_context_takeover; client_no_context_takeover"),
    (["permessage-deflate; server_max_window_bits"], None),
    (["permessage-deflate; server_max_window_bits=010"], None),
    (["permessage-deflate; server_max_window_bits=0"], None),
    (["permessage-deflate; server_max_window_bits=+9"], None),
    (["permessage-deflate; client_max_window_bits=7"], None),
    (["permessage-deflate; client_max_window_bits=16"], None),
    (["permessage-deflate; client_max_window_bits=08"], None),
    (["permessage-deflate; server_no_context_takeover; server_no_context_takeover"], None),
    (["permessage-deflate; client_no_context_takeover=false"], None),
    (["permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"], None),
    (["permessage-deflate; foo=bar"], None),
    (["bbf-usp-protocol, foo; a=1; b=\"c\""], None),
]


def params(text):
    """Names and values, without their order; the extension itself first."""
    name, *rest = [word.strip() for word in text.split(";")]
    return name, sorted(rest)


@pytest.mark.parametrize("fields, agreed", OFFERS, ids=[" + ".join(one[0])[:70] for one in OFFERS])
def test_what_is_agreed_on(probe, fields, agreed):
    """RFC 6455 section 9.1: one list of several fields, the first that is liked, nothing that was
    not offered; RFC 7692 section 7.1: what must be declined."""
    port = probe("websocket", websocket={"deflate": True}).port
    with WebSocket(port, headers=[f"Sec-WebSocket-Extensions: {line}" for line in fields]) as client:
        found = re.findall(rb"(?im)^sec-websocket-extensions: *(.*?)\r?$", client.head)
        assert len(found) == (agreed is not None), found
        if agreed is not None:
            assert params(found[0].decode()) == params("permessage-deflate; " + agreed)
        client.send_raw(frame(b"plain"))
        assert client._read(2)[0] & 0x30 == 0


@pytest.mark.parametrize("line", ["permessage-deflate;", "foo;;a", "permessage-deflate; =", "a b", ";", "=",
                                  "permessage-deflate; a=", "permessage-deflate; a=\"b c\"",
                                  "permessage-deflate; a=\"b", "(x)"])
def test_malformed_extensions_are_a_bad_request(probe, line):
    """RFC 6455 section 9.1."""
    port = probe("websocket", websocket={"deflate": True}).port
    with pytest.raises(Refused) as refusal:
        WebSocket(port, headers=[f"Sec-WebSocket-Extensions: {line}"])
    assert refusal.value.status == 400


def test_nothing_is_agreed_on_that_was_not_offered(probe):
    """RFC 6455 section 4.2.2."""
    with WebSocket(probe("websocket", websocket={"deflate": True}).port) as client:
        assert b"extensions" not in client.head.lower()
        client.send("a" * 5000)
        assert client.recv_frame() == (TEXT, b"a" * 5000)
