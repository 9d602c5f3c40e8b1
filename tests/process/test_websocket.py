"""WebSocket against the running worker: handshake, frames, close codes. The codec has its own tests."""

import asyncio
import socket
import struct

import pytest
import websockets

import crew
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, Refused, WebSocket, dial, frame


@pytest.fixture
def instance(probe):
    return probe(limits={"max_message": "1m", "header_size": "4k", "close_timeout": "10m"})


def test_echo_of_all_sizes(instance):
    with WebSocket(instance.port) as client:
        for size in (0, 1, 125, 126, 127, 65535, 65536, 200_000, 1 << 20):
            client.send(b"x" * size, BINARY)
            assert client.recv() == (BINARY, b"x" * size)


def test_the_accept_key_of_the_rfc(instance):
    with dial(instance.port) as sock:
        sock.sendall(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     b"Sec-WebSocket-Version: 13\r\n\r\n")
        head = sock.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head.lower()


def test_handshake_and_first_message_in_one_segment_or_byte_by_byte(instance):
    request = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
               + frame(b"early") + frame(b"bird"))
    for pieces in ([request], [request[at:at + 1] for at in range(len(request))]):
        with dial(instance.port) as sock:
            for piece in pieces:
                sock.sendall(piece)
            answer = b""
            while not answer.endswith(b"\x81\x05early\x81\x04bird"):
                data = sock.recv(4096)
                assert data, answer
                answer += data


HEADERS = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize("line, changed, status", [
    ("POST / HTTP/1.1", {}, (400, 405)),
    ("GET / HTTP/1.0", {}, (400, 426, 505)),
    ("GET / HTTP/2.0", {}, (505,)),
    ("GET  / HTTP/1.1", {}, (400,)),
    ("GET / HTTP/1.1", {"Host": None}, (400,)),
    ("GET / HTTP/1.1", {"Upgrade": None}, (400, 426)),
    ("GET / HTTP/1.1", {"Upgrade": "h2c"}, (400, 426)),
    ("GET / HTTP/1.1", {"Connection": "close"}, (400, 426)),
    ("GET / HTTP/1.1", {"Sec-WebSocket-Key": None}, (400,)),
    ("GET / HTTP/1.1", {"Sec-WebSocket-Key": "c2hvcnQ="}, (400,)),
    ("GET / HTTP/1.1", {"Sec-WebSocket-Version": "8"}, (426,)),
    ("GET / HTTP/1.1", {"X-Long": "y" * 5000}, (431,)),
    ("GET / HTTP/1.1", {f"X-{number}": "y" for number in range(120)}, (431,)),
    ("NONSENSE", {}, (400,)),
    ("\x00\x01\x02\xff", {}, (400,)),
], ids=["post", "http 1.0", "http 2.0", "two spaces", "no host", "no upgrade", "other upgrade",
        "connection close", "no key", "short key", "version 8", "long header", "many headers",
        "nonsense", "binary"])
def test_handshakes_that_are_refused(instance, line, changed, status):
    fields = {name: value for name, value in {**HEADERS, **changed}.items() if value is not None}
    request = "".join([f"{line}\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items()),
                       "\r\n"])
    with dial(instance.port) as sock:
        sock.sendall(request.encode("latin-1"))
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 ") and int(answer.split()[1]) in status, answer
    if b" 426 " in answer.split(b"\r\n")[0]:
        assert b"sec-websocket-version: 13" in answer.lower()
    assert "probe: open" not in instance.log()


def test_a_half_handshake_is_closed_in_time(probe):
    instance = probe(limits={"handshake_timeout": "1s"})
    with dial(instance.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost:")
        answer = b""
        while data := sock.recv(4096):
            answer += data
        assert answer == b"" or b" 408 " in answer
    instance.wait_log("reason=timeout")


@pytest.mark.parametrize("data, code", [
    (frame(b"hello", mask=None), 1002),
    (frame(b"hello", rsv=4), 1002),
    (frame(b"hello", rsv=1), 1002),
    (frame(b"hello", opcode=3), 1002),
    (frame(b"hello", opcode=11), 1002),
    (frame(b"hello", opcode=CONTINUATION), 1002),
    (frame(b"a", fin=False) + frame(b"b", opcode=TEXT), 1002),
    (frame(b"x" * 126, opcode=PING), 1002),
    (frame(b"x", opcode=PING, fin=False), 1002),
    (b"\x82\xff" + struct.pack(">Q", 1 << 63), 1002),
    (b"\x82\xfe\x00\x05", 1002),
    (frame(b"\x03", opcode=CLOSE), 1002),
    (frame(struct.pack(">H", 1005), opcode=CLOSE), 1002),
    (frame(struct.pack(">H", 999), opcode=CLOSE), 1002),
    (frame(struct.pack(">H", 1000) + b"\xff", opcode=CLOSE), 1007),
    (frame(b"\xff"), 1007),
    (frame(b"\xed\xa0\x80"), 1007),
    (frame(b"ab\xe2\x82"), 1007),
    (frame(b"ok", fin=False) + frame(b"\xc0\x80", opcode=CONTINUATION), 1007),
    (b"\x82\xff" + struct.pack(">Q", (1 << 20) + 1), 1009),
    (frame(b"x" * (1 << 19), fin=False)
     + frame(b"x" * ((1 << 19) + 1), opcode=CONTINUATION), 1009),
    (frame(b"\xff", fin=False, length=50), 1007),
], ids=["unmasked", "rsv1", "rsv3", "opcode 3", "opcode 11", "lone continuation",
        "text in a fragment", "long ping", "ping in fragments", "length above 2^63",
        "length not minimal", "close of one byte", "close 1005", "close 999",
        "close reason not utf-8", "ff", "surrogate", "cut short", "overlong in a fragment",
        "announced too big", "together too big", "ff in half a frame"])
def test_broken_frames_get_their_close_code(instance, data, code):
    with WebSocket(instance.port) as client, WebSocket(instance.port) as bystander:
        client.send_raw(data)
        assert client.wait_closed().code == code
        assert bystander.ask("hello") == "hello"
    instance.wait_log(r"probe: close \d+ reason=(protocol|limit)")


def test_who_still_talks_after_a_fault_can_read_why(instance):
    """Closing the socket at once would answer with a reset, in which the close code can be lost."""
    with WebSocket(instance.port) as client:
        client.send_raw(frame(b"x", rsv=1))
        first, second = client._read(2)  # the close frame is there, and not read yet
        for _ in range(3):
            client.send(b"y" * 1000)
        assert first == 0x88
        assert struct.unpack(">H", client._read(second)[:2]) == (1002,)
        with pytest.raises(Closed):
            client._read(1)
        client.sock.shutdown(socket.SHUT_WR)
        instance.wait_log(r"probe: close \d+ reason=protocol")


def test_fragments_with_a_ping_between(instance):
    with WebSocket(instance.port) as client:
        client.send("Hel", fin=False)
        client.send(b"p", PING)
        client.send("lo", CONTINUATION)
        assert client.recv_frame() == (PONG, b"p")
        assert client.recv() == (TEXT, b"Hello")


def test_close_handshake_echoes_the_code(instance):
    for code in (1000, 1001, 1003, 1011, 3000, 4999):
        with WebSocket(instance.port) as client:
            assert client.close(code, b"bye") == code
        instance.wait_log(f"reason=peer code={code}")
    with WebSocket(instance.port) as client:
        client.send(b"", CLOSE)
        assert client.wait_closed().code in (1000, 1005)
    instance.wait_log("reason=peer code=1005")
    with WebSocket(instance.port):
        pass
    instance.wait_log("reason=peer code=1006")


def test_garbage_after_the_handshake_costs_only_that_connection(instance):
    pid = instance.worker_pids()[0]
    with WebSocket(instance.port) as bystander:
        for seed in range(40):
            with WebSocket(instance.port) as client:
                data = bytes((seed * 131 + at * at * 7 + at * 29) % 256 for at in range(500))
                try:
                    client.send_raw(data)
                    client.sock.shutdown(1)
                    client.wait_closed()
                except ConnectionError:
                    pass
        assert bystander.ask("hello") == "hello"
    assert instance.worker_pids() == [pid]
    crew.wait_for(lambda: instance.worker()["connections"] == 0, 5, "the connections' end")


def test_half_a_frame_and_silence_holds_nobody_up(instance):
    with WebSocket(instance.port) as half, WebSocket(instance.port) as other:
        half.send_raw(frame(b"x" * 1000)[:500])
        for _ in range(20):
            assert other.ask("hello") == "hello"
        half.send_raw(frame(b"x" * 1000)[500:])
        assert half.recv() == (TEXT, b"x" * 1000)


def test_with_a_library_that_nobody_here_wrote(instance):
    async def talk():
        uri = f"ws://127.0.0.1:{instance.port}/some/path?query=1"
        async with websockets.connect(uri, max_size=None) as client:
            await client.send("grüße €")
            assert await client.recv() == "grüße €"
            await client.send(b"\x00\x01")
            assert await client.recv() == b"\x00\x01"
            await client.send(["frag", "ment", "s"])
            assert await client.recv() == "fragments"
            await asyncio.wait_for(await client.ping(), 5)
            await client.close(4000, "done")
            assert client.close_code == 4000
    asyncio.run(talk())
    instance.wait_log("reason=peer code=4000")


def test_refused_is_an_http_answer_for_a_browser(instance):
    with dial(instance.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 426 ") or answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer.lower()


def test_refused_class_reads_the_status(instance):
    with pytest.raises(Refused) as refusal:
        WebSocket(instance.port, headers=["Sec-WebSocket-Version: 12"])
    assert refusal.value.status in (400, 426)
