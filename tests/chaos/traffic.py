"""Clients of each protocol that never stop, and what each of them lost.

A loss is what a client of a server in good order never sees: a connection that is refused, reset,
or ends in the middle of an answer; a WebSocket that ends without a close frame; an answer that is
not the right one. It is written down with the process that served the connection, if the client
had learned it. Polite ends (a close frame, `Connection: close`, the end of a stream between two
messages) are none: the client comes back.
"""

import asyncio
import base64
import os
import random
import socket
import struct
import threading
import time

import crew
from load import REQUEST
from ws import BINARY, CLOSE, PING, PONG, TEXT, frame

PATIENCE = 60 * crew.PATIENCE  # seconds that an answer may take on a busy machine


class Loss:
    """What a client lost: since when the connection was tried, when it ended, and who served."""

    def __init__(self, client, began, error):
        self.kind, self.pid = client.kind, client.pid
        self.began, self.ended = began, time.monotonic()
        self.text = f"{type(error).__name__}: {error}"
        self.is_refused = isinstance(error, ConnectionRefusedError)
        self.is_end = isinstance(error, asyncio.IncompleteReadError) and not error.partial

    def __str__(self):
        return f"{self.kind}: {self.text} (served by {self.pid or 'nobody yet'}, " \
               f"after {self.ended - self.began:.3f} s)"


class Wrong(Exception):
    """An answer that is not the right one; no death of a process explains it."""


class Client:
    """One connection after the other; `talk` exchanges messages until the traffic is over, or
    returns after a polite end."""

    kind = ""

    def __init__(self, traffic, port, number):
        self.traffic, self.port = traffic, port
        self.lot = random.Random(f"{self.kind} {number}")
        self.pid = None
        self.reader = self.writer = None

    async def run(self):
        while not self.traffic.is_over:
            began, self.pid = time.monotonic(), None
            try:
                await self.connect()
                await asyncio.wait_for(self.greet(), PATIENCE)
                await self.talk()
            except (OSError, EOFError, Wrong, asyncio.TimeoutError) as error:
                self.traffic.losses.append(Loss(self, began, error))
                await asyncio.sleep(0.05)
            finally:
                await self.leave()

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def leave(self):
        if self.writer is not None:
            self.writer.transport.abort() if self.lot.random() < 0.3 else self.writer.close()
            self.writer = None

    async def rest(self):
        self.traffic.answers[self.kind] = self.traffic.answers.get(self.kind, 0) + 1
        await asyncio.sleep(self.lot.random() * 0.04)

    def learn(self, text):
        self.pid = int(text.split()[0])

    def expect(self, found, expected):
        if found != expected:
            raise Wrong(f"expected {expected[:40]}, found {found[:40]}")


class Chat(Client):
    """A WebSocket that sends and gets back, amid ticks and pings."""

    kind = "chat"

    async def greet(self):
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(REQUEST.format(key).encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.expect(head[:12], b"HTTP/1.1 101")

    async def talk(self):
        text = await self.ask(b"who")
        while text is not None:
            if self.pid is None:
                self.learn(text)
            else:
                self.expect(text, message)
            if self.traffic.is_over or self.lot.random() < 0.02:
                return await self.say_goodbye()
            await self.rest()
            message = b"m" * self.lot.choice([1, 100, 20000]) + self.lot.randbytes(4).hex().encode()
            text = await self.ask(message)
        return None

    async def ask(self, message):
        """The answer, or None after a close frame, which is answered."""
        self.writer.write(frame(message))
        while True:
            opcode, data = await asyncio.wait_for(self.receive(), PATIENCE)
            if opcode == TEXT:
                return data
            if opcode == PING:
                self.writer.write(frame(data, PONG))
            elif opcode == CLOSE:
                self.writer.write(frame(data, CLOSE))
                return None
            elif (opcode, data) != (BINARY, b"tick"):
                raise Wrong(f"a frame of kind {opcode}: {data[:40]}")

    async def receive(self):
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await self.reader.readexactly(width), "big")
        return first & 15, await self.reader.readexactly(size)

    async def say_goodbye(self):
        self.writer.write(frame(struct.pack(">H", 1000), CLOSE))
        while (await asyncio.wait_for(self.receive(), PATIENCE))[0] != CLOSE:
            pass


class Pages(Client):
    """HTTP requests on connections that are kept; a body now and then."""

    kind = "pages"

    async def greet(self):
        pass

    async def talk(self):
        while not self.traffic.is_over:
            body = self.lot.choice([b"", b"", b"b" * 3000])
            if not await self.request(body):
                return
            await self.rest()

    async def request(self, body):
        """False when the server said that it closes."""
        method = b"POST" if body else b"GET"
        self.writer.write(b"%b / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                          % (method, len(body), body))
        head = await asyncio.wait_for(self.head(), PATIENCE)
        if head is None:
            return False
        self.expect(head[:12], b"HTTP/1.1 200")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        answer = await self.reader.readexactly(int(fields[b"content-length"]))
        if body:
            self.expect(answer, body)
        else:
            self.learn(answer)
        return fields.get(b"connection") != b"close"

    async def head(self):
        """None when the connection had been closed, idle, before the request came: RFC 9112 section
        9.5 lets a server do so, and a client sends it again."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if self.pid is None or error.partial:
                raise
            return None


class Lines(Client):
    """Lines of text, sent and got back; the end of the stream between two is polite."""

    kind = "lines"

    async def greet(self):
        self.writer.write(b"who\n")
        line = await self.reader.readuntil(b"\n")
        self.learn(line)

    async def talk(self):
        while not self.traffic.is_over and self.lot.random() > 0.02:
            line = b"l" * self.lot.choice([1, 200, 5000]) + b"\n"
            self.writer.write(line)
            try:
                answer = await asyncio.wait_for(self.reader.readuntil(b"\n"), PATIENCE)
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
                return
            self.expect(answer.strip(), line.strip())
            await self.rest()


class Vandal(Client):
    """Sends what it should not, does not read, and leaves in any way; it has nothing to lose."""

    kind = "vandal"

    async def run(self):
        while not self.traffic.is_over:
            try:
                await asyncio.wait_for(self.visit(), PATIENCE)
            except (OSError, EOFError, asyncio.TimeoutError):
                pass
            await self.leave()
            await asyncio.sleep(self.lot.random() * 0.1)

    async def visit(self):
        await self.connect()
        self.writer.write(REQUEST.format("AAAAAAAAAAAAAAAAAAAAAA==").encode())
        self.writer.write(b"".join(self.lot.choices([
            frame(b"big"), frame(b"x" * 70000), frame(b"half", fin=False), frame(b"ping", PING),
            frame(b"\xff", TEXT), frame(b"short", length=50000), os.urandom(30),
        ], [8, 4, 2, 4, 1, 1, 1], k=6)))
        await asyncio.sleep(self.lot.random() * 0.5)
        if self.lot.random() < 0.3:
            self.writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Packets(Client):
    """Datagrams, which may get lost; what comes back must be right."""

    kind = "packets"

    async def run(self):
        loop = asyncio.get_running_loop()
        while not self.traffic.is_over:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.connect(("127.0.0.1", self.port))
                try:
                    await asyncio.wait_for(self.exchange(loop, sock), 1)
                except (OSError, asyncio.TimeoutError):
                    pass
            await asyncio.sleep(0.02)

    async def exchange(self, loop, sock):
        data = self.lot.randbytes(self.lot.choice([1, 1400]))
        await loop.sock_sendall(sock, data)
        if await loop.sock_recv(sock, 65536) != data:
            self.traffic.losses.append(Loss(self, time.monotonic(), Wrong("another datagram")))
        await self.rest()


CLIENTS = {Chat: ("chat", 12), Pages: ("pages", 8), Lines: ("lines", 6), Vandal: ("chat", 4),
           Packets: ("packets", 2)}


class Traffic:
    """The clients, in a thread of their own, from `with` to finish()."""

    def __init__(self, ports):
        self.is_over = False
        self.losses, self.answers = [], {}
        self._clients = [kind(self, ports[service], number)
                         for kind, (service, count) in CLIENTS.items() for number in range(count)]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self.is_over = True
        self._thread.join(2 * PATIENCE)
        if self._thread.is_alive():
            raise crew.WaitRanOut("the traffic did not end")

    async def _run(self):
        await asyncio.gather(*(client.run() for client in self._clients))
