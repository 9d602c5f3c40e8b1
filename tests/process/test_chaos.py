"""An app that does anything in any callback, and clients that send anything and leave at any time:
the worker lives, every promise of crewman.h holds (the app "chaos" checks them), and at the end
nothing is left. Drawn by lot, but the same at every run."""

import random
import socket
import struct
import threading
import zlib

import pytest

import crew
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, dial, frame, handshake

CLIENTS = 8
TURNS = 40 // crew.PATIENCE  # connections of each client

SHORT = {"handshake_timeout": "1s", "close_timeout": "1s", "message_timeout": "1s", "keep_alive": "1s",
         "send_timeout": "1s", "max_send_buffer": "100k", "max_body": "150k"}


def compressed(lot):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = packer.compress(b"again " * lot.randint(0, 2000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return frame(data[:-4], TEXT, rsv=4)


def frames(lot):
    kinds = [
        lambda: frame(b"hello", TEXT),
        lambda: frame(b"b" * lot.choice([0, 125, 126, 5000, 70000]), BINARY),
        lambda: frame(b"one", TEXT, fin=False) + frame(b"", PING) + frame(b"two", CONTINUATION),
        lambda: frame(b"p" * lot.randint(0, 125), lot.choice([PING, PONG])),
        lambda: compressed(lot),
        lambda: frame(struct.pack(">H", lot.choice([1000, 999, 4000])), CLOSE),
        lambda: frame(b"\xff\xfe", TEXT),
        lambda: lot.randbytes(lot.randint(1, 40)),
    ]
    weights = [8, 4, 3, 3, 3, 1, 1, 1]
    return b"".join(kind() for kind in lot.choices(kinds, weights, k=lot.randint(0, 12)))


def upgrade(lot):
    offers = lot.choice([(), ("Sec-WebSocket-Extensions: permessage-deflate",),
                         ("Sec-WebSocket-Protocol: chat",)])
    return handshake(headers=offers) + frames(lot)


def with_body(kind, body):
    return (f"POST /a?b=c HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: {len(body)}\r\n\r\n".encode()
            + body)


def chunked(lot):
    chunks = b"".join(b"%x\r\n%b\r\n" % (size, b"c" * size)
                      for size in lot.choices(range(1, 3000), k=lot.randint(0, 5)))
    return b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + \
        b"0\r\nT: x\r\n\r\n"


def form(lot):
    parts = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n' \
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + \
            b"f" * lot.choice([0, 1000, 100_000]) + b"\r\n--B--\r\n"
    if lot.random() < 0.2:
        parts = parts[:-20]
    return with_body("Content-Type: multipart/form-data; boundary=B\r\n", parts)


def requests(lot):
    kinds = [
        lambda: b"GET /%20?x=1&y=%zz HTTP/1.1\r\nHost: x\r\nCookie: k=v\r\nRange: bytes=0-3\r\n\r\n",
        lambda: b"HEAD / HTTP/1.0\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        lambda: with_body("", b"b" * lot.choice([0, 3000, 100_000, 200_000])),
        lambda: with_body("Content-Type: application/x-www-form-urlencoded\r\n",
                          b"a=1&b=%20&" * lot.randint(0, 100)),
        lambda: with_body("Expect: 100-continue\r\n", b"0123456789"),
        lambda: form(lot),
        lambda: chunked(lot),
        lambda: upgrade(lot),
        lambda: lot.randbytes(30),
    ]
    weights = [8, 2, 1, 3, 3, 2, 3, 3, 2, 1]
    return b"".join(kind() for kind in lot.choices(kinds, weights, k=lot.randint(1, 6)))


def websocket(lot):
    return upgrade(lot) if lot.random() < 0.8 else requests(lot)


def lines(lot):
    return b"\n".join(b"l" * lot.randint(0, 200) for _ in range(20)) + b"\r\n"


def long_frames(lot):
    return b"".join(struct.pack(">I", size + 4) + b"f" * size
                    for size in lot.choices(range(300), k=20)) + lot.choice([b"", b"\0\0\0\1"])


def packages(lot):
    return b"".join(bytes([35, size]) + b"p" * size for size in lot.choices(range(256), k=20)) + \
        lot.choice([b"", b"", b"!"])


def talk(sock, lot, data):
    """Piece by piece, reading in between or not; then an end of any kind."""
    sock.settimeout(0.02)
    reads = lot.random() < 0.7
    while data:
        size = lot.choice([1, 17, 200, 5000, len(data)])
        sock.sendall(data[:size])
        data = data[size:]
        if reads and lot.random() < 0.3:
            receive(sock)
    end = lot.random()
    if end < 0.2:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif end < 0.5:
        sock.shutdown(socket.SHUT_WR)
    for _ in range(lot.randint(0, 10) if end > 0.3 else 0):
        receive(sock)


def receive(sock):
    try:
        sock.recv(65536)
    except TimeoutError:
        pass


def visit(port, lot, make):
    try:
        with dial(port) as sock:
            talk(sock, lot, make(lot))
    except OSError:
        pass  # it was closed under our hands, which is what the app is for


@pytest.mark.parametrize("protocol, app, make", [
    ("websocket", "chaos", websocket), ("http", "chaos", requests), ("http", "chaos_body", requests),
    ("text", "chaos", lines), ("frame", "chaos", long_frames), ("tcp", "chaos", lines),
    ("tcp", "chaos_own", packages),
], ids=["websocket", "http", "body", "text", "frame", "tcp", "own"])
@pytest.mark.parametrize("seed", [1, 2])
def test_anything_at_any_time(probe, protocol, app, make, seed):
    instance = probe(protocol, app=app, limits=SHORT, env={"CHAOS_SEED": str(seed)},
                     websocket={"deflate": True})
    pid = instance.worker_pids()[0]

    def client(number):
        lot = random.Random(seed * 1000 + number)
        for _ in range(TURNS):
            visit(instance.port, lot, make)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert instance.worker_pids() == [pid], instance.log()
    # What the app has left unanswered or paused for good is cut off; no worker is killed for it.
    instance.stop()
