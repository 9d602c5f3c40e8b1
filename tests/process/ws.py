"""A blocking WebSocket client (RFC 6455) that can also break the rules, for the process tests."""

import base64
import os
import socket
import struct

from patience import LONG

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, head):
        super().__init__(head.split(b"\r\n")[0].decode("latin-1"))
        self.head = head
        fields = head.split(b" ")
        self.status = int(fields[1]) if len(fields) > 1 else 0


class Closed(Exception):
    """The connection ended; `code` is that of the close frame, None without one."""

    def __init__(self, code=None, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


def dial(where, timeout=LONG):
    """Connects to a port of 127.0.0.1, to (host, port), or to the path of a unix socket."""
    if isinstance(where, int):
        where = ("127.0.0.1", where)
    if isinstance(where, tuple):
        return socket.create_connection(where, timeout=timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(str(where))
    return sock


def frame(data, opcode=TEXT, fin=True, mask=b"\x11\x22\x33\x44", rsv=0, length=None):
    """One client frame; `mask` None leaves it unmasked, `length` lies about the length."""
    size = len(data) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if mask is None:
        return head + data
    repeated = (mask * (len(data) // 4 + 1))[:len(data)]
    masked = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(len(data), "big")


def handshake(path="/", headers=()):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
             "Sec-WebSocket-Version: 13", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class WebSocket:
    def __init__(self, where, path="/", headers=(), timeout=LONG, answers_pings=True, behind=b""):
        self.answers_pings = answers_pings
        self.pings = []
        self.sock = dial(where, timeout)
        self.rest = b""
        self.sock.sendall(handshake(path, headers) + behind)
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.sock.recv(65536)
            if not data:
                raise Refused(head) if head else Closed()
            head += data
        self.head, _, self.rest = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Refused(head)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _read(self, count):
        while len(self.rest) < count:
            data = self.sock.recv(262144)
            if not data:
                raise Closed()
            self.rest += data
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def recv_frame(self):
        """(opcode, payload) of the next frame, whatever it is."""
        first, second = self._read(2)
        assert first & 0x70 == 0, "reserved bits from the server"
        assert second & 0x80 == 0, "masked frame from the server"
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack(">H", self._read(2))
        elif size == 127:
            size, = struct.unpack(">Q", self._read(8))
        return first & 0x0F, self._read(size)

    def recv(self):
        """(opcode, payload) of the next message; pings are noted and answered, a close raises."""
        while True:
            opcode, data = self.recv_frame()
            if opcode == PING:
                self.pings.append(data)
                if self.answers_pings:
                    self.send(data, PONG)
            elif opcode == CLOSE:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                raise Closed(code, data[2:].decode())
            elif opcode in (TEXT, BINARY):
                return opcode, data

    def send(self, data, opcode=TEXT, **frame_options):
        if isinstance(data, str):
            data = data.encode()
        self.sock.sendall(frame(data, opcode, **frame_options))

    def send_raw(self, data):
        self.sock.sendall(data)

    def ask(self, text):
        self.send(text)
        return self.recv()[1].decode()

    def close(self, code=1000, reason=b""):
        """The whole close handshake; answers the code that came back."""
        self.send(struct.pack(">H", code) + reason, CLOSE)
        answer = self.wait_closed().code
        self.sock.close()
        return answer

    def wait_closed(self):
        """Reads until the end, answers the Closed."""
        while True:
            try:
                self.recv()
            except Closed as end:
                return end
            except ConnectionError:
                return Closed()
