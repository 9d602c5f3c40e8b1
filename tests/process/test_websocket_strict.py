"""WebSocket over the wire, rule by rule: framing, pings, reserved bits, opcodes, fragments, UTF-8,
closing, limits and compression. Every fault must get its close code, once, and then a clean end of
the connection: no byte after the close frame, no reset."""

import itertools
import os
import re
import struct
import time
import zlib

import pytest

import crew
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, frame

MIB = 1 << 20


@pytest.fixture
def echo(probe):
    """Starts the echo service; answers what opens connections to it."""
    def start(**websocket):
        instance = probe("websocket", app="web", websocket={"deflate": True, **websocket},
                         limits={"max_message": "16m", "max_send_buffer": "64m",
                                                       "close_timeout": "10m"},
                         top={"log": {"level": "notice"}})
        return lambda **options: WebSocket(instance.port, **options)
    return start


def close_frame(code=None, reason=b"", **options):
    return frame(b"" if code is None else struct.pack(">H", code) + reason, CLOSE, **options)


def send(client, data, chop=0):
    """All at once, or in segments of `chop` bytes."""
    for at in range(0, len(data), chop or len(data) or 1):
        client.send_raw(data[at:at + (chop or len(data))])


def until_end(client):
    """What came before the close frame, and its code; asserts that the end after it is clean."""
    before = []
    while True:
        opcode, data = client.recv_frame()
        if opcode == CLOSE:
            break
        before.append((opcode, data))
    code = struct.unpack(">H", data[:2])[0] if data else None
    data[2:].decode()
    assert client.rest == b"" and client.sock.recv(1) == b"", "bytes after the close frame"
    return before, code


def check_fault(connect, data, code, before=(), chops=(0, 1)):
    for chop in chops:
        with connect() as client:
            try:
                send(client, data, chop)
            except ConnectionError:
                assert chop, "a reset in answer to one write"
            what = (data[:80], chop)
            assert until_end(client) == (list(before), code), what


# -- framing

@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_messages_of_all_lengths(echo, kind):
    with echo()() as client:
        for size in (0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537):
            data = (b"*" if kind == TEXT else b"\xfe") * size
            for chop in (0, 997):
                send(client, frame(data, kind), chop)
                assert client.recv_frame() == (kind, data), size
        client.send_raw(close_frame(1000))
        assert until_end(client) == ([], 1000)


def test_masks_of_all_kinds(echo):
    with echo()() as client:
        data = bytes(range(256)) * 5
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\xff\1\xfe"):
            for size in itertools.chain(range(20), (125, 126, 1279)):
                client.send_raw(frame(data[:size], BINARY, mask=mask))
                assert client.recv_frame() == (BINARY, data[:size])


def test_what_is_not_masked_is_not_read(echo):
    connect = echo()
    for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
        check_fault(connect, frame(b"", opcode, mask=None), 1002)
        check_fault(connect, frame(b"\x03\xe8", opcode, mask=None), 1002)
    check_fault(connect, frame(b"a", fin=False) + frame(b"b", CONTINUATION, mask=None), 1002)
    check_fault(connect, frame(b"Hello") + frame(b"a" * 70000, mask=None), 1002,
                [(TEXT, b"Hello")], chops=(0,))


def test_lengths_in_another_form_than_the_shortest(echo):
    connect = echo()
    for size in (0, 1, 125):
        check_fault(connect, b"\x82\xfe" + struct.pack(">H", size) + bytes(4 + size), 1002)
    for size in (0, 125, 126, 65535):
        check_fault(connect, b"\x82\xff" + struct.pack(">Q", size) + bytes(4), 1002)
    for size in (1 << 63, (1 << 64) - 1):
        check_fault(connect, b"\x82\xff" + struct.pack(">Q", size) + bytes(4), 1002)


# -- pings and pongs

def test_pings(echo):
    connect = echo()
    payloads = [b"", b"Hello, world!", b"\0\xff\xfe\xfd\xfc\xfb\0\xff", b"\xfe" * 125]
    with connect() as client:
        for payload, chop in itertools.product(payloads, (0, 1)):
            send(client, frame(payload, PING), chop)
            assert client.recv_frame() == (PONG, payload)
        client.send_raw(frame(b"", PONG) + frame(b"unasked", PONG) + frame(b"now", PING))
        assert client.recv_frame() == (PONG, b"now")
        burst = b"".join(frame(b"payload-%d" % at, PING) for at in range(10))
        for chop in (0, 1):
            send(client, burst, chop)
            for at in range(10):
                assert client.recv_frame() == (PONG, b"payload-%d" % at)
        client.send_raw(close_frame(1000))
        assert until_end(client) == ([], 1000)
    check_fault(connect, frame(b"\xfe" * 126, PING), 1002)
    check_fault(connect, frame(b"\xfe" * 126, PONG), 1002)


# -- reserved bits and opcodes

def test_reserved_bits(echo):
    connect = echo()
    hello = frame(b"Hello")
    for rsv in range(1, 8):
        check_fault(connect, frame(b"Hello", rsv=rsv), 1002)
        check_fault(connect, frame(b"\0\xff", BINARY, rsv=rsv), 1002)
        check_fault(connect, frame(b"Hello", PING, rsv=rsv), 1002)
        check_fault(connect, close_frame(1000, rsv=rsv), 1002)
        check_fault(connect, hello + frame(b"Hello", rsv=rsv) + frame(b"", PING), 1002,
                    [(TEXT, b"Hello")])
        check_fault(connect, frame(b"a", fin=False) + frame(b"b", CONTINUATION, rsv=rsv), 1002)


def test_reserved_opcodes(echo):
    connect = echo()
    hello = frame(b"Hello, world!")
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        check_fault(connect, frame(b"", opcode), 1002)
        check_fault(connect, frame(b"reserved", opcode), 1002)
        check_fault(connect, hello + frame(b"\xff", opcode) + frame(b"", PING), 1002,
                    [(TEXT, b"Hello, world!")])
        check_fault(connect, frame(b"a", fin=False) + frame(b"b", opcode), 1002)


# -- fragments

def test_fragments_that_are_right(echo):
    f1, f2 = b"fragment1", b"fragment2"
    first, last = frame(f1, fin=False), frame(f2, CONTINUATION)
    middle = frame(b"-", CONTINUATION, fin=False)
    ping = frame(b"ping payload", PING)
    pong = (PONG, b"ping payload")
    cases = [
        (first + last, [(TEXT, f1 + f2)]),
        (first + ping + last, [pong, (TEXT, f1 + f2)]),
        (first + frame(b"", PONG) + last, [(TEXT, f1 + f2)]),
        (first + middle * 3 + ping + middle + ping + last,
         [pong, pong, (TEXT, f1 + b"----" + f2)]),
        (frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) + frame(b"", CONTINUATION),
         [(TEXT, b"")]),
        (frame(b"", fin=False) + frame(b"middle", CONTINUATION, fin=False)
         + frame(b"", CONTINUATION), [(TEXT, b"middle")]),
        (frame(b"\xfe", BINARY, fin=False) + ping + frame(b"\xff", CONTINUATION),
         [pong, (BINARY, b"\xfe\xff")]),
    ]
    with echo()() as client:
        for (data, expected), chop in itertools.product(cases, (0, 1)):
            send(client, data, chop)
            for one in expected:
                assert client.recv_frame() == one, data


def test_fragments_that_are_wrong(echo):
    connect = echo()
    part = frame(b"fragment1", fin=False)
    whole = frame(b"fragment2", CONTINUATION)
    pong = [(PONG, b"x")]
    for fin in (True, False):
        check_fault(connect, frame(b"x", PING, fin=False) + whole, 1002)
        check_fault(connect, frame(b"x", PONG, fin=False) + whole, 1002)
        check_fault(connect, close_frame(1000, fin=False) + whole, 1002)
        check_fault(connect, frame(b"lone", CONTINUATION, fin=fin) + frame(b"Hello"), 1002)
        check_fault(connect, part + whole + frame(b"lone", CONTINUATION, fin=fin), 1002,
                    [(TEXT, b"fragment1fragment2")])
        check_fault(connect, part + frame(b"x", PING) + frame(b"new", TEXT, fin=fin), 1002, pong)
        check_fault(connect, part + frame(b"new", BINARY, fin=fin), 1002)


def test_one_message_in_fragments_of_a_packet(echo):
    data = os.urandom(65536)
    with echo()() as client:
        steps = range(0, len(data), 1300)
        for at in steps:
            client.send_raw(frame(data[at:at + 1300], CONTINUATION if at else BINARY,
                                  fin=at == steps[-1]))
        assert client.recv_frame() == (BINARY, data)


# -- UTF-8

KOSME = "κόσμε".encode()
EDITED = b"\xed\xa0\x80edited"

VALID = [b"", KOSME, b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
         # the first and the last of each length
         b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80", b"\x7f", b"\xdf\xbf",
         b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf",
         # around the surrogates, the replacement character, noncharacters
         b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xef\xbf\xbe", b"\xef\xb7\x90",
         *(chr(plane << 16 | last).encode() for plane in range(1, 17) for last in (0xfffe, 0xffff))]

def surrogate(code):
    return chr(code).encode(errors="surrogatepass")


INVALID = [
    KOSME + EDITED, *(KOSME[:cut] for cut in (1, 3, 5, 7, 9)),
    # too long for UTF-8, or above U+10FFFF
    b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
    # continuation bytes alone
    b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", bytes(range(0x80, 0xc0)),
    # lead bytes alone
    b" ".join(bytes([lead]) for lead in range(0xc0, 0xe0)) + b" ",
    b" ".join(bytes([lead]) for lead in range(0xe0, 0xf0)) + b" ",
    b" ".join(bytes([lead]) for lead in range(0xf0, 0xf8)) + b" ", b"\xf8 ", b"\xfc ",
    # the last byte missing, each alone and all in a row
    b"\xc0", b"\xdf", b"\xe0\x80", b"\xe0\xa0", b"\xef\xbf", b"\xf0\x80\x80", b"\xf0\x90\x80",
    b"\xf4\x8f\xbf", b"\xf7\xbf\xbf", b"\xf8\x80\x80\x80", b"\xfb\xbf\xbf\xbf",
    b"\xfc\x80\x80\x80\x80", b"\xfd\xbf\xbf\xbf\xbf", b"\xdf\xef\xbf",
    b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf",
    # never bytes of UTF-8
    b"\xfe", b"\xff", b"\xfe\xfe\xff\xff",
    # longer than need be
    b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
    # surrogates, single and in pairs
    *map(surrogate, (0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff)),
    *(surrogate(high) + surrogate(low) for high in (0xd800, 0xdb7f, 0xdb80, 0xdbff)
      for low in (0xdc00, 0xdfff)),
]


def bytewise(data, is_whole=True):
    """The message in fragments of one byte."""
    pieces = [data[at:at + 1] for at in range(len(data))] or [b""]
    return b"".join(frame(piece, CONTINUATION if at else TEXT,
                          fin=is_whole and at == len(pieces) - 1)
                    for at, piece in enumerate(pieces))


def test_valid_utf8(echo):
    with echo()() as client:
        for text in VALID:
            text.decode()
            for data, chop in ((frame(text), 0), (frame(text), 1), (bytewise(text), 0)):
                send(client, data, chop)
                assert client.recv_frame() == (TEXT, text), text
            for cut in range(len(text)):
                client.send_raw(frame(text[:cut], fin=False) + frame(text[cut:], CONTINUATION))
                assert client.recv_frame() == (TEXT, text), (text, cut)


def test_invalid_utf8(echo):
    connect = echo()
    for text in INVALID:
        with pytest.raises(UnicodeDecodeError):
            text.decode()
        check_fault(connect, frame(text), 1007)
        check_fault(connect, frame(b"before " + text + b" after"), 1007, chops=(0,))
        check_fault(connect, bytewise(text), 1007, chops=(0,))


def first_bad(text):
    """How many bytes are needed to know that this is no UTF-8."""
    for count in range(1, len(text) + 1):
        try:
            text[:count].decode()
        except UnicodeDecodeError as error:
            if "unexpected end" not in error.reason:
                return count
    return None


def test_invalid_utf8_is_seen_at_its_first_byte(echo):
    """Nothing after the first wrong byte is sent: the answer must come all the same."""
    connect = echo()
    for text in INVALID:
        count = first_bad(text)
        if not count:
            continue  # only cut short
        with connect() as client:
            client.send_raw(frame(KOSME + text[:count], length=1000))
            assert until_end(client) == ([], 1007), text
        with connect() as client:
            client.send_raw(frame(KOSME, fin=False) + bytewise(text[:count], False)
                            .replace(b"\x01", b"\x00", 1))
            assert until_end(client) == ([], 1007), text
        with connect() as client:
            send(client, frame(KOSME + text[:count], fin=False), 1)
            assert until_end(client) == ([], 1007), text


# -- closing

def test_close_payloads(echo):
    connect = echo()
    check_fault(connect, close_frame(), None)
    check_fault(connect, frame(b"\x03", CLOSE), 1002)
    check_fault(connect, close_frame(1000), 1000)
    check_fault(connect, close_frame(1000, b"Hello World!"), 1000)
    check_fault(connect, close_frame(1000, b"*" * 123), 1000)
    check_fault(connect, close_frame(1000, b"*" * 124), 1002)
    check_fault(connect, close_frame(1000, EDITED), 1007)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        check_fault(connect, close_frame(code), code, chops=(0,))
        check_fault(connect, close_frame(code, b"reason"), code, chops=(0,))
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        check_fault(connect, close_frame(code), 1002, chops=(0,))
        check_fault(connect, close_frame(code, b"reason"), 1002, chops=(0,))


def test_nothing_is_answered_after_the_close(echo):
    connect = echo()
    big = os.urandom(256 * 1024)
    text, ping = frame(b"Hello World!"), frame(b"p", PING)
    end = close_frame(1000)
    check_fault(connect, text + end, 1000, [(TEXT, b"Hello World!")])
    for after in (end, ping, text, frame(b"x", rsv=7), frame(b"\xff"), b"\xff" * 100):
        check_fault(connect, end + after, 1000)
    check_fault(connect, frame(b"part", fin=False) + end + frame(b"rest", CONTINUATION), 1000)
    check_fault(connect, frame(big, BINARY) + end + ping, 1000, [(BINARY, big)], chops=(0,))
    check_fault(connect, frame(b"x", rsv=1) + end + text, 1002)
    check_fault(connect, frame(b"\xff") + frame(b"x", rsv=1), 1007)


# -- size and number

def exchange(client, data, kind, piece=None, chop=0):
    """One message there, whole or in fragments, and back."""
    piece = piece or len(data)
    steps = range(0, len(data), piece)
    send(client, b"".join(frame(data[at:at + piece], CONTINUATION if at else kind,
                                fin=at == steps[-1]) for at in steps), chop)
    assert client.recv_frame() == (kind, data), (len(data), piece)


@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_big_messages(echo, kind):
    unit = "Hello-µ@ßöäüàá-€😀".encode() if kind == TEXT else bytes(range(256))
    connect = echo()
    with connect(timeout=crew.LONG) as client:
        for size in (64 << 10, 256 << 10, MIB, 4 * MIB, 8 * MIB, 16 * MIB):
            data = (unit * (size // len(unit)))
            exchange(client, data.ljust(size, b"."), kind)
        data = (unit * (4 * MIB // len(unit))).ljust(4 * MIB, b".")
        for piece in (64, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB):
            exchange(client, data, kind, piece)
        data = (unit * (MIB // len(unit))).ljust(MIB, b".")
        for chop in (64, 128, 256, 512, 1024, 2048):
            exchange(client, data, kind, chop=chop)
    check_fault(connect, b"\x82\xff" + struct.pack(">Q", 16 * MIB + 1), 1009)
    check_fault(connect, frame(data, BINARY, fin=False)
                + frame(data, CONTINUATION, fin=False) * 15
                + frame(b"x", CONTINUATION, fin=False), 1009, chops=(0,))


@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_many_messages(echo, kind):
    with echo()(timeout=30 * crew.PATIENCE) as client:
        for size in (0, 16, 64, 256, 1024, 4096):
            data = b"m" * size
            started = time.monotonic()
            client.send_raw(frame(data, kind) * 1000)
            for _ in range(1000):
                assert client.recv_frame() == (kind, data)
            for _ in range(200):  # one by one
                client.send_raw(frame(data, kind))
                assert client.recv_frame() == (kind, data)
            crew.assert_took(started, 0, 10)


# -- compression

class Compressing(WebSocket):
    """Sends compressed messages, in fragments if asked; checks how the answers are compressed."""

    def __init__(self, port, offer):
        super().__init__(port, headers=[f"Sec-WebSocket-Extensions: {offer}"], timeout=crew.LONG)
        found = re.search(rb"(?im)^sec-websocket-extensions: *(.*?)\r?$", self.head)
        assert found, "the offer was declined"
        self.agreed = found[1].decode()
        self.keeps = {side: f"{side}_no_context_takeover" not in self.agreed
                      for side in ("client", "server")}
        self.bits = {}
        for side in ("client", "server"):
            limit = re.search(rf"{side}_max_window_bits=(\d+)", self.agreed)
            self.bits[side] = int(limit[1]) if limit else 15
        self.deflater = self.inflater = None

    def send_message(self, data, kind, piece=None):
        if not self.deflater or not self.keeps["client"]:
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -self.bits["client"])
        packed = (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        piece = piece or len(packed)
        steps = range(0, len(packed), piece)
        self.send_raw(b"".join(frame(packed[at:at + piece], CONTINUATION if at else kind,
                                     rsv=0 if at else 4, fin=at == steps[-1]) for at in steps))

    def recv_message(self):
        packed, is_last, kind, is_packed = b"", False, None, False
        while not is_last:
            first, second = self._read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            assert first & 0x30 == 0 and (first & 0x0F == CONTINUATION) == (kind is not None)
            if kind is None:
                kind, is_packed = first & 0x0F, bool(first & 0x40)
            packed += self._read(size)
            is_last = bool(first & 0x80)
        if not is_packed:
            return kind, packed
        if not self.inflater or not self.keeps["server"]:
            self.inflater = zlib.decompressobj(-self.bits["server"])
        return kind, self.inflater.decompress(packed + b"\0\0\xff\xff")


OFFERS = {
    "plain": ("permessage-deflate; client_max_window_bits", ""),
    "no context": ("permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                   "server_no_context_takeover"),
    "window 9": ("permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
                 "server_max_window_bits=9"),
    "window 15": ("permessage-deflate; client_max_window_bits=15; server_max_window_bits=15",
                  "server_max_window_bits=15"),
    "both, 9": ("permessage-deflate; client_no_context_takeover; client_max_window_bits;"
                " server_no_context_takeover; server_max_window_bits=9",
                "server_max_window_bits=9"),
    "both, 15": ("permessage-deflate; client_no_context_takeover; client_max_window_bits;"
                 " server_no_context_takeover; server_max_window_bits=15",
                 "server_no_context_takeover"),
    "fallbacks": ("permessage-deflate; server_no_context_takeover; server_max_window_bits=9,"
                  " permessage-deflate; server_no_context_takeover, permessage-deflate",
                  "server_no_context_takeover"),
}


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("offer", OFFERS)
def test_compression(probe, offer, context):
    port = probe("websocket", app="web", websocket={"deflate": True, "deflate_context": context},
                 limits={"max_message": "1m", "max_send_buffer": "64m"}).port
    asked, granted = OFFERS[offer]
    words = '{"id": 17, "text": "Grüße, κόσμε €😀", "list": [1, 2, 3]}, '.encode()
    kinds = {TEXT: words * (131072 // len(words) + 1), BINARY: os.urandom(131077)}
    with Compressing(port, asked) as client:
        assert granted in client.agreed, client.agreed
        for size in (0, 1, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072):
            for (kind, text), piece in itertools.product(kinds.items(), (None, 256, 4096)):
                for at in range(50 if size < 1024 else 5):
                    data = text[at % 5:size + at % 5]
                    if kind == TEXT:
                        data = data.decode(errors="ignore").encode()
                    client.send_message(data, kind, piece)
                    assert client.recv_message() == (kind, data), (size, piece)
        client.send_raw(close_frame(1000))
        assert until_end(client) == ([], 1000)


def test_invalid_utf8_in_a_compressed_fragment_is_seen_at_once(probe):
    port = probe("websocket", app="web", websocket={"deflate": True}).port
    for text in INVALID:
        if not first_bad(text):
            continue
        deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = deflater.compress(KOSME + text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        with Compressing(port, "permessage-deflate") as client:
            client.send_raw(frame(packed, rsv=4, fin=False))
            assert until_end(client) == ([], 1007), text
