"""Clients of each protocol that do no wrong: every answer must be the right one, in order."""

import asyncio
import base64
import os
import socket
import struct

from load import REQUEST
from traffic import PATIENCE, Absent, Client, Goodbye, Unstored, Wrong
from ws import BINARY, CLOSE, PING, PONG, TEXT, frame


class Chat(Client):
    """A WebSocket that sends and gets back, amid ticks and pings."""

    kind = service = "chat"

    async def greet(self):
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(REQUEST.format(key).encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if head[9:12] != b"101":
            self.look_for_stop(int(head[9:12]), await self.reader.read(-1))
        self.expect(head[:12], b"HTTP/1.1 101")

    async def talk(self):
        self.pid = int((await self.ask(b"who")).split()[0])
        await self.rest()
        while not self.traffic.is_over and self.lot.random() > 0.02:
            message = b"m" * self.lot.choice([1, 100, 10000]) + self.lot.randbytes(4).hex().encode()
            self.expect(await self.ask(message), message)
            await self.rest()
        await self.say_goodbye()

    async def ask(self, message):
        self.writer.write(frame(message))
        while True:
            opcode, data = await asyncio.wait_for(self.receive(), PATIENCE)
            if opcode == TEXT:
                return data
            if opcode == PING:
                self.writer.write(frame(data, PONG))
            elif opcode == CLOSE:
                self.writer.write(frame(data, CLOSE))
                raise Goodbye(f"close code {int.from_bytes(data[:2], 'big')}")
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


class Http(Client):
    """Requests on a connection that is kept."""

    def may_end_bare(self):
        """It had been closed, idle, before the request came: RFC 9112 section 9.5."""
        return self.answered > 0

    async def talk(self):
        while not self.traffic.is_over and self.lot.random() > 0.02:
            await self.turn()
            await self.rest()

    async def request(self, target, body=b"", fields=b""):
        """Answers status, header fields and body."""
        self.writer.write(b"%b %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (
            b"POST" if body else b"GET", target, fields, len(body), body))
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        found = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line]
        fields = {name.lower(): value for name, value in found}
        return int(head[9:12]), fields, await self.body(int(fields[b"content-length"]))

    async def body(self, size):
        try:
            return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError(f"{len(error.partial)} bytes of {size}") from error

    def look_for_goodbye(self, fields):
        if fields.get(b"connection", b"").lower() == b"close":
            self.count()
            raise Goodbye("Connection: close")

    def expect_ok(self, status, answer):
        self.look_for_stop(status, answer)
        if status != 200:
            raise Wrong(f"{status}: {answer[:80]}")


class Pages(Http):
    kind = service = "pages"

    async def turn(self):
        body = self.lot.choice([b"", b"", b"b" * 3000])
        target = b"/%d" % self.lot.randrange(1 << 30)
        body += self.lot.randbytes(8) if body else b""
        status, fields, answer = await self.request(target, body)
        self.expect_ok(status, answer)
        if body:
            self.expect(answer, body)
        else:
            pid, _, _, echo = answer.split()
            self.expect(echo, target)
            self.pid = int(pid)
        self.look_for_goodbye(fields)


class Sessions(Http):
    """A count that is kept in a session: it goes on by one, whoever serves."""

    kind, service = "sessions", "pages"

    def __init__(self, *args):
        super().__init__(*args)
        self.cookie, self.least, self.most = b"", 1, 1

    async def turn(self):
        self.most += 1  # it is counted, whether its answer comes or not
        status, fields, answer = await self.request(b"/session", fields=self.cookie)
        if status == 507:
            self.most -= 1
            self.lose(Unstored(answer))
        else:
            self.expect_ok(status, answer)
            self.take_count(answer, fields)
        self.look_for_goodbye(fields)

    def take_count(self, answer, fields):
        pid, count = map(int, answer.split())
        if not self.least <= count < self.most:
            raise Wrong(f"a count of {self.least} to {self.most - 1} is {count}")
        if b"set-cookie" in fields:
            self.cookie = b"Cookie: " + fields[b"set-cookie"].split(b";")[0] + b"\r\n"
        self.pid, self.least, self.most = pid, count + 1, count + 1


class Files(Http):
    """A file of the static service, whole, and of one of the two versions."""

    kind = service = "files"

    async def turn(self):
        status, fields, answer = await self.request(b"/file")
        if status == 404:
            self.lose(Absent(answer))
        else:
            self.expect_ok(status, answer)
            self.expect(answer[:1] * FILE_BYTES, answer)
        self.look_for_goodbye(fields)


FILE_BYTES = 150_000


class Lines(Client):
    """Lines of text, sent and got back."""

    kind = service = "lines"

    def may_end_bare(self):
        return True

    async def greet(self):
        self.pid = int((await self.ask(b"who")).split()[0])
        await self.rest()

    async def talk(self):
        while not self.traffic.is_over and self.lot.random() > 0.02:
            line = b"l" * self.lot.choice([1, 200, 5000]) + self.lot.randbytes(4).hex().encode()
            self.expect(await self.ask(line), line)
            await self.rest()

    async def ask(self, line):
        self.writer.write(line + b"\n")
        return (await asyncio.wait_for(self.reader.readuntil(b"\n"), PATIENCE)).strip()


class HalfClosed(Lines):
    """Says all that it has to say, ends its half, and gets every answer before the end."""

    kind = "half-closed"

    async def talk(self):
        text = b"".join(self.lot.randbytes(4).hex().encode() + b"\n"
                        for _ in range(self.lot.randint(1, 20)))
        self.writer.write(text)
        self.writer.write_eof()
        answer = await asyncio.wait_for(self.reader.read(-1), PATIENCE)
        if answer != text:
            self.expect(answer, text[:len(answer) // 9 * 9])
            raise asyncio.IncompleteReadError(b"", None)
        await self.rest()


class Packets(Client):
    """Datagrams, which may get lost; what comes back must be right."""

    kind = service = "packets"
    number = 0
    unanswered = set()  # by any of them

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
        self.number += 1
        data = b"%d/%d %b" % (id(self), self.number, b"p" * self.lot.choice([0, 1300]))
        self.unanswered.add(data)
        await loop.sock_sendall(sock, data)
        while (answer := await loop.sock_recv(sock, 65536)) != data:
            # What was late comes to a later socket that has got the same port.
            if answer not in self.unanswered:
                self.lose(Wrong(f"a datagram of {len(answer)} bytes, {answer[:40]}, in place of "
                                f"{data[:40]}"))
        self.unanswered.remove(data)
        await self.rest()


INNOCENTS = {Chat: 12, Pages: 6, Sessions: 4, Files: 3, Lines: 5, HalfClosed: 2, Packets: 2}
