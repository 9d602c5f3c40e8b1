"""Faults that a server of this kind has had, each shown not to be one here.

Only those without a place in a file of their own; the names say which (docs/protocols.md).
"""

import re
import struct
import time
from pathlib import Path

import pytest

import crew
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, dial, frame


def peak_kib(instance):
    """The most memory that the worker ever had."""
    text = Path(f"/proc/{instance.worker_pids()[0]}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1])


def test_equal_last_fragments_are_two_messages_weak_point_2(probe):
    """The same bytes at the end of two clients' messages: each gets its own message back."""
    port = probe("websocket", app="web").port
    last = frame(b"-end", CONTINUATION)
    with WebSocket(port) as one, WebSocket(port) as two:
        one.send(b"one", TEXT, fin=False)
        two.send(b"two", TEXT, fin=False)
        one.send_raw(last)
        assert one.recv()[1] == b"one-end"
        two.send_raw(last)
        assert two.recv()[1] == b"two-end"
        one.send_raw(frame(b"alone"))
        two.send_raw(frame(b"alone"))
        assert one.recv()[1] == two.recv()[1] == b"alone"


@pytest.mark.parametrize("protocol, data", [
    ("frame", struct.pack(">I", 0)),
    ("frame", struct.pack(">I", 3)),
    ("frame", struct.pack(">I", 0xFFFFFFFF)),
    ("text", b""),
    ("websocket", b""),
], ids=["frame of 0", "frame of 3", "frame of 4 GiB", "line without end", "message without end"])
def test_what_never_ends_is_not_buffered_weak_point_6(probe, protocol, data):
    instance = probe(protocol, app="web", limits={"max_message": "64k"})
    before = peak_kib(instance)
    sock = WebSocket(instance.port).sock if protocol == "websocket" else dial(instance.port)
    with sock:
        try:
            sock.sendall(data)
            if protocol == "websocket":
                sock.sendall(frame(b"", BINARY, fin=False))
            more = frame(b"z" * 10_000, CONTINUATION, fin=False) \
                if protocol == "websocket" else b"z" * 10_000
            for _ in range(3000):
                sock.sendall(more)
        except OSError:
            pass
    instance.wait_log("web: close reason=(limit|protocol)")
    assert crew.IS_SANITIZED or peak_kib(instance) < before + 2000


def test_a_burst_of_pings_costs_neither_time_nor_memory_weak_point_7(probe):
    instance = probe("websocket", app="web")
    before = peak_kib(instance)
    with WebSocket(instance.port) as client:
        burst = frame(b"", PING) * 14_000 + frame(b"f", TEXT, fin=False) \
            + frame(b"", CONTINUATION, fin=False) * 14_000 + frame(b"", CONTINUATION)
        started = time.monotonic()
        client.send_raw(burst)
        for _ in range(14_000):
            assert client.recv_frame() == (PONG, b"")
        assert client.recv() == (TEXT, b"f")
        crew.assert_took(started, 0, 5)
    assert crew.IS_SANITIZED or peak_kib(instance) < before + 2000


@pytest.mark.parametrize("data, code", [
    (frame(b"\xff", TEXT), 1007),
    (frame(b"x", TEXT, rsv=2), 1002),
    (frame(b"x", TEXT, rsv=1), 1002),
    (frame(b"x", CONTINUATION), 1002),
    (frame(b"x", TEXT, fin=False) + frame(b"y", TEXT), 1002),
    (frame(b"x", PING, fin=False), 1002),
    (frame(b"x" * 126, PING), 1002),
    (frame(b"x", 3), 1002),
    (frame(b"x", 11), 1002),
    (frame(b"x", TEXT, mask=None), 1002),
    (b"\x82\xff" + b"\xff" * 8 + b"\0" * 4, 1002),
    (b"\x82\xfe\0\x05" + b"\0" * 9, 1002),
], ids=["utf-8", "rsv2", "rsv3", "continuation first", "text inside", "ping in parts", "long ping",
        "opcode 3", "opcode 11", "no mask", "length of 64 bits", "length not shortest"])
def test_every_rule_of_frames_is_checked_weak_point_8(probe, data, code):
    instance = probe("websocket", app="web")
    with WebSocket(instance.port) as client:
        client.send_raw(data)
        end = client.wait_closed()
        assert end.code == code
    assert "web: message" not in instance.log()


@pytest.mark.parametrize("sent, answered", [
    (struct.pack(">H", 1000) + b"bye", 1000),
    (struct.pack(">H", 1001), 1001),
    (struct.pack(">H", 3000), 3000),
    (struct.pack(">H", 4999), 4999),
    (b"", 1005),
    (b"\x03", 1002),
    (struct.pack(">H", 999), 1002),
    (struct.pack(">H", 1005), 1002),
    (struct.pack(">H", 1006), 1002),
    (struct.pack(">H", 2999), 1002),
    (struct.pack(">H", 5000), 1002),
    (struct.pack(">H", 1000) + b"\xff", 1007),
])
def test_the_close_handshake_is_one_weak_point_9(probe, sent, answered):
    with WebSocket(probe("websocket", app="web").port) as client:
        client.send(sent, CLOSE)
        assert client.wait_closed().code == answered
        assert client.sock.recv(100) == b""


def test_the_kind_of_a_message_is_kept_weak_point_12(probe):
    with WebSocket(probe("websocket", app="web").port) as client:
        for kind in (BINARY, TEXT, BINARY, BINARY, TEXT):
            client.send(b"kind", kind)
            assert client.recv() == (kind, b"kind")
