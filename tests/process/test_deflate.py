"""permessage-deflate (RFC 7692) on the wire, with our own frames and with clients nobody here wrote."""

import asyncio
import json
import os
import random
import re
import socket
import struct
import subprocess
import zlib
from pathlib import Path

import aiohttp
import pytest
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

import crew
from web import status_of
from ws import BINARY, CLOSE, CONTINUATION, PING, TEXT, WebSocket, dial, frame, handshake

TEXTS = ["a" * 200, "The quick brown fox. " * 50, "ß€😀" * 300, "x" * 100_000]


@pytest.fixture
def web(probe):
    def start(context=False, **options):
        websocket = {"deflate": True, "deflate_context": context, "deflate_min": 0,
                     **options.pop("websocket", {})}
        return probe("websocket", app="web", websocket=websocket, **options)
    return start


class Deflated(WebSocket):
    """Compresses what it sends, and says what came compressed."""

    def __init__(self, port, offer="permessage-deflate", **options):
        super().__init__(port, headers=[f"Sec-WebSocket-Extensions: {offer}"], **options)
        found = re.search(rb"(?im)^sec-websocket-extensions: *(.*?)\r?$", self.head)
        self.agreed = found[1].decode() if found else None
        self.deflater = self.new_deflater()
        self.inflater = zlib.decompressobj(-15)

    @staticmethod
    def new_deflater():
        return zlib.compressobj(6, zlib.DEFLATED, -15)

    def pack(self, data, keeps=False):
        deflater = self.deflater if keeps else self.new_deflater()
        packed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        assert packed.endswith(b"\0\0\xff\xff")
        return packed[:-4]

    def send_packed(self, data, keeps=False, opcode=TEXT):
        packed = self.pack(data, keeps)
        self.send_raw(frame(packed, opcode, rsv=4))
        return len(packed)

    def recv_packed(self, keeps=False):
        """(was compressed, size on the wire, message)."""
        first, second = self._read(2)
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack(">H", self._read(2))
        elif size == 127:
            size, = struct.unpack(">Q", self._read(8))
        data = self._read(size)
        assert first & 0x30 == 0 and first & 0x0F in (TEXT, BINARY), (first, data)
        if not first & 0x40:
            return False, size, data
        if not keeps:
            self.inflater = zlib.decompressobj(-15)
        return True, size, self.inflater.decompress(data + b"\0\0\xff\xff")


def peak_kib(instance):
    """The most memory that the worker ever had."""
    text = Path(f"/proc/{instance.worker_pids()[0]}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1])


@pytest.mark.parametrize("offer, agreed", [
    ("permessage-deflate", True),
    ("permessage-deflate; client_max_window_bits", True),
    ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
    ("permessage-deflate; server_max_window_bits=10", True),
    ("x-webkit-deflate-frame, permessage-deflate", True),
    ("permessage-deflate; unknown, permessage-deflate", True),
    ("permessage-deflate; server_max_window_bits=7", False),
    ("permessage-deflate; server_max_window_bits=16", False),
    ("permessage-deflate; server_no_context_takeover=1", False),
    ("permessage-deflate; client_max_window_bits=15; client_max_window_bits=15", False),
    ("x-webkit-deflate-frame", False),
])
def test_offers_and_answers(web, offer, agreed):
    with Deflated(web().port, offer) as client:
        assert bool(client.agreed) == agreed, client.agreed
        if agreed:
            assert "server_no_context_takeover" in client.agreed
            assert client.agreed.startswith("permessage-deflate")
        if "server_max_window_bits=10" in offer:
            assert "server_max_window_bits=10" in client.agreed
        client.send("hello " * 50)
        was_packed, size, text = client.recv_packed()
        assert was_packed == agreed and text == b"hello " * 50
        assert (size < 100) == agreed


def test_a_malformed_offer_is_a_bad_request(web):
    data = ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; =\r\n\r\n")
    assert status_of(web().port, data) == 400


@pytest.mark.parametrize("context", [False, True])
def test_context_takeover_or_not(web, context):
    """With context the second of two equal messages is only a reference."""
    offer = "permessage-deflate; client_max_window_bits"
    noise = os.urandom(3000)
    with Deflated(web(context).port, offer) as client:
        assert ("no_context_takeover" in client.agreed) != context
        sizes = []
        for _ in range(3):
            client.send_packed(noise, keeps=context, opcode=BINARY)
            was_packed, size, data = client.recv_packed(keeps=context)
            assert was_packed and data == noise
            sizes.append(size)
        assert (sizes[1] < 100) == context and (sizes[2] < 100) == context


def test_a_full_queue_refuses_a_message_and_keeps_the_context(web):
    instance = web(context=True, limits={"max_send_buffer": "256k"})
    lot = random.Random(1)
    sent = [lot.randbytes(20_000) for _ in range(600)]  # more than the kernel takes
    with Deflated(instance.port) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        for data in sent:
            client.send(data, BINARY)
        crew.wait_for(lambda: instance.worker()["messages_in"] == len(sent), 20, "the last message")
        assert instance.connections()  # by the worker itself: it has done with that message
        refused = instance.worker()["send_failures"]
        assert 0 < refused < len(sent)
        back = [client.recv_packed(keeps=True)[2] for _ in range(len(sent) - refused)]
        assert back == [data for data in sent if data in set(back)]
        client.send("hello " * 50)
        assert client.recv_packed(keeps=True)[2] == b"hello " * 50


def test_a_client_may_refuse_the_context(web):
    with Deflated(web(True).port, "permessage-deflate; server_no_context_takeover") as client:
        assert "server_no_context_takeover" in client.agreed
        for _ in range(3):
            client.send_packed(b"same " * 100, keeps=True)
            was_packed, _, data = client.recv_packed()
            assert was_packed and data == b"same " * 100


def test_bombs_do_not_hold_up_the_others(web):
    """What is received at once is little, as it may become much."""
    instance = web(limits={"max_message": "1m"})
    with Deflated(instance.port) as bomber, Deflated(instance.port) as other:
        bomb = frame(bomber.pack(b"z" * 1_000_000), BINARY, rsv=4)
        with crew.held(instance):
            bomber.send_raw(bomb * 60)
            other.send(b"hi")
        instance.wait_log("web: message 1000000", count=60, timeout=60)
    seen = re.findall(r"web: message (\d+)", instance.log())
    assert seen.index("2") < 30, seen


OFFER = ["Sec-WebSocket-Extensions: permessage-deflate"]
BOMB = frame(Deflated.pack(Deflated, bytes(1_000_000)), BINARY, rsv=4)
GOING_AWAY = struct.pack(">H", 1001)


PROXY = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"


@pytest.mark.parametrize("options, before, head", [
    ({}, b"", b""), ({}, b"G", b""), ({}, b"", b"Cookie: " + b"c" * 8400 + b"\r\n"),
    ({"proxy_protocol": True}, b"", b""),
], ids=["one piece", "a head in two pieces", "a long head", "behind a PROXY line"])
def test_bombs_behind_the_handshake_do_not_either(web, options, before, head):
    """They are all received with it; the rest of them waits."""
    instance = web(limits={"max_message": "1m"}, **options)
    line = PROXY if options else b""
    request = handshake(headers=OFFER).replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n")
    with dial(instance.port) as other, dial(instance.port) as bomber:
        other.sendall(line + handshake(headers=OFFER))
        instance.wait_log("web: open")
        if before:
            bomber.sendall(before)
            crew.wait_for(lambda: instance.connections()[1]["bytes_in"] == 1, 10, "its first byte")
        with crew.held(instance):
            other.sendall(frame(b"o" * 1000) * 60)
            bomber.sendall(line + request[len(before):] + BOMB * 100)
        instance.wait_log("web: message 1000000", count=100, timeout=60)
    seen = re.findall(r"web: message (\d+)", instance.log())
    first = seen.index("1000000")
    assert "1000" in seen[first:first + 20], seen


def test_the_end_of_the_peer_comes_behind_what_waits(web):
    instance = web(limits={"max_message": "1m"})
    with dial(instance.port) as bomber:
        with crew.held(instance):
            bomber.sendall(handshake(headers=OFFER) + BOMB * 40)
            bomber.shutdown(socket.SHUT_WR)
        instance.wait_log("web: close reason=peer", timeout=60)
    assert instance.log().split("web: close")[0].count("web: message 1000000") == 40


def test_a_pause_before_what_waits(probe):
    """Messages keep their order, and none is lost or doubled."""
    texts = [b"%d" % at for at in range(40)]
    instance = probe("websocket", websocket={"deflate": True, "deflate_min": 0})
    sent = b"".join(frame(text) + BOMB + (frame(b"!pause 300") if at in (5, 12) else b"")
                    for at, text in enumerate(texts))
    with Deflated(instance.port, behind=sent) as client:
        for at, text in enumerate(texts):
            assert client.recv_packed()[2] == text
            assert client.recv_packed()[2] == bytes(1_000_000)
            if at in (5, 12):
                assert client.recv_packed()[2] == b"paused"
        client.send("still here")
        assert client.recv_packed()[2] == b"still here"


def test_a_close_before_what_waits(probe):
    """The peer's goodbye is found behind all of it."""
    instance = probe("websocket", websocket={"deflate": True, "deflate_min": 0})
    with Deflated(instance.port, behind=frame(b"!close 4000 bye") + BOMB * 40 +
                  frame(struct.pack(">H", 4000), CLOSE)) as client:
        assert client.wait_closed().code == 4000
        instance.wait_log(r"probe: close \d+ reason=local code=4000")


def test_a_stop_while_something_waits(probe):
    """What is left is still read, up to the goodbye."""
    instance = probe("websocket", websocket={"deflate": True, "deflate_min": 0},
                     top={"stop_timeout": "20s"})
    with Deflated(instance.port) as other, dial(instance.port) as bomber:
        with crew.held(instance):
            other.send_raw(frame(b"o" * 8180) * 4 + frame(b"!stop"))
            bomber.sendall(handshake(headers=OFFER) + BOMB * 55 + frame(GOING_AWAY, CLOSE))
        instance.wait_log(r"probe: close \d+ reason=reload code=1001")
    with WebSocket(instance.port) as client:
        assert client.ask("the next worker") == "the next worker"


def test_short_messages_are_sent_as_they_are(web):
    with Deflated(web(websocket={"deflate_min": 100}).port) as client:
        client.send_packed(b"s" * 99)
        assert client.recv_packed()[0] is False
        client.send_packed(b"s" * 100)
        assert client.recv_packed()[0] is True


def test_uncompressed_compressed_and_empty_messages_in_turn(web):
    with Deflated(web().port) as client:
        for text in (b"plain", b"", b"plain again"):
            client.send(text)
            assert client.recv_packed()[2] == text
            client.send_packed(text)
            assert client.recv_packed()[2] == text


def test_fragments_with_controls_between_weak_point_11(web):
    """RSV1 is on the first fragment only, wherever the message is cut (RFC 7692 section 6.1)."""
    with Deflated(web().port) as client:
        packed = client.pack(b"fragmented " * 40)
        for cut in range(1, len(packed), 5):
            client.send_raw(frame(packed[:cut], TEXT, fin=False, rsv=4))
            client.send_raw(frame(b"", CONTINUATION, fin=False) + frame(b"ping", PING))
            client.send_raw(frame(packed[cut:], CONTINUATION))
            assert client.recv_frame() == (10, b"ping")
            assert client.recv_packed()[2] == b"fragmented " * 40


def test_a_bomb_costs_1009_and_no_memory_weak_point_11(web):
    instance = web(limits={"max_message": "100k"})
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflater.compress(bytes(200_000_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    bomb = bomb[:90_000]  # within the limit on the wire; 90 MB when it is unpacked
    with WebSocket(instance.port) as bystander:
        before = peak_kib(instance)
        for pieces in (1, 9):
            with Deflated(instance.port) as client:
                step = len(bomb) // pieces
                for at in range(pieces):
                    client.send_raw(frame(bomb[at * step:(at + 1) * step],
                                          CONTINUATION if at else TEXT, fin=at == pieces - 1,
                                          rsv=0 if at else 4))
                assert client.wait_closed().code == 1009
        assert crew.IS_SANITIZED or peak_kib(instance) < before + 1500
        assert bystander.ask("here") == "here"
    assert "web: message" in instance.log()


def test_the_limit_is_of_the_unpacked_size(web):
    with Deflated(web(limits={"max_message": "100k"}).port) as client:
        client.send_packed(b"L" * 102_400)
        assert client.recv_packed()[2] == b"L" * 102_400
        client.send_packed(b"L" * 102_401)
        assert client.wait_closed().code == 1009


def test_what_cannot_be_compressed_may_be_longer_than_the_limit(web):
    """zlib with the least memory makes 4 % more of it."""
    instance = web(limits={"max_message": "4m"})
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15, 1)
    packed = deflater.compress(os.urandom(4 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    message = frame(packed[:-4], BINARY, rsv=4)  # before somebody waits for it
    with Deflated(instance.port) as client:
        client.send_raw(message)
        instance.wait_log(f"web: message {4 << 20}")


def test_compressed_frames_that_nobody_agreed_on_weak_point_3(web):
    """RSV1 without the extension is 1002, and costs nobody else anything."""
    instance = web()
    pid = instance.worker_pids()
    with WebSocket(instance.port) as bystander:
        for data in (b"garbage", b"\xff" * 100, b""):
            with WebSocket(instance.port) as client:
                client.send_raw(frame(data, TEXT, rsv=4))
                assert client.wait_closed().code == 1002
        assert bystander.ask("here") == "here"
    assert instance.worker_pids() == pid


@pytest.mark.parametrize("frames, code", [
    (frame(b"\xff\xff\xff\xff\xff", TEXT, rsv=4), (1002, 1007)),
    (frame(b"\x06", TEXT, rsv=4), (1002, 1007)),
    (frame(b"x", PING, rsv=4), (1002,)),
    (frame(b"\x03\xe8", CLOSE, rsv=4), (1002,)),
    (frame(b"a", TEXT, fin=False) + frame(b"b", CONTINUATION, rsv=4), (1002,)),
    (frame(b"x", TEXT, rsv=2), (1002,)),
    (frame(b"x", TEXT, rsv=6), (1002,)),
], ids=["garbage", "bad block", "ping", "close", "continuation", "rsv2", "rsv1 and 2"])
def test_broken_compressed_frames(web, frames, code):
    instance = web()
    with Deflated(instance.port) as bystander:
        with Deflated(instance.port) as client:
            client.send_raw(frames)
            assert client.wait_closed().code in code
        bystander.send_packed(b"here")
        assert bystander.recv_packed()[2] == b"here"


def test_bad_utf8_inside_a_compressed_message_is_1007(web):
    with Deflated(web().port) as client:
        client.send_packed(b"ok \xc3\x28")
        assert client.wait_closed().code == 1007


@pytest.mark.parametrize("context", [False, True])
def test_with_python_websockets(web, context):
    instance = web(context)

    async def talk():
        for factory in (ClientPerMessageDeflateFactory(),
                        ClientPerMessageDeflateFactory(client_max_window_bits=9),
                        ClientPerMessageDeflateFactory(server_max_window_bits=10),
                        ClientPerMessageDeflateFactory(server_no_context_takeover=True,
                                                       client_no_context_takeover=True)):
            async with websockets.connect(f"ws://127.0.0.1:{instance.port}/", compression=None,
                                          extensions=[factory]) as client:
                for _ in range(3):
                    for text in TEXTS:
                        await client.send(text)
                        assert await client.recv() == text
        async with websockets.connect(f"ws://127.0.0.1:{instance.port}/",
                                      compression="deflate") as client:
            assert [one.name for one in client.extensions] == ["permessage-deflate"]
            await client.send(["in ", "three ", "pieces" * 100])
            assert await client.recv() == "in three " + "pieces" * 100
            await client.send(os.urandom(70_000))
            assert len(await client.recv()) == 70_000

    asyncio.run(talk())


def test_with_aiohttp(web):
    instance = web(True)

    async def talk():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{instance.port}/",
                                          compress=15) as client:
                assert client.compress
                for text in TEXTS * 2:
                    await client.send_str(text)
                    assert (await client.receive()).data == text

    asyncio.run(talk())


NPM_CLIENT = """
const { WebSocket } = require("ws");
const [url, options, texts] = JSON.parse(require("fs").readFileSync(0));
const client = new WebSocket(url, { perMessageDeflate: options });
let at = 0;
client.on("open", () => client.send(texts[0]));
client.on("message", (data) => {
  if (data.toString() !== texts[at]) throw new Error("message " + at + " differs");
  if (++at === texts.length) client.close(1000);
  else client.send(texts[at], { compress: at % 3 !== 2 });
});
client.on("close", (code) => console.log(JSON.stringify([client.extensions, at, code])));
"""


@pytest.mark.parametrize("options", [True, {"serverNoContextTakeover": True},
                                     {"clientNoContextTakeover": True},
                                     {"serverMaxWindowBits": 9, "threshold": 0}, False])
@pytest.mark.parametrize("context", [False, True])
def test_with_npm_ws(web, npm_ws, context, options):
    instance = web(context)
    texts = TEXTS * 3
    argument = json.dumps([f"ws://127.0.0.1:{instance.port}/", options, texts])
    (npm_ws / "client.js").write_text(NPM_CLIENT)
    done = subprocess.run(["node", "client.js"], input=argument, cwd=npm_ws,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    extensions, count, code = json.loads(done.stdout)
    assert count == len(texts) and code == 1000
    assert extensions.startswith("permessage-deflate") == bool(options)
