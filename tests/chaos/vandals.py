"""Clients that do what they should not, each kind from an address of its own: what is taken from
them for it may not cost the innocent anything. They have nothing to lose."""

import asyncio
import os
import socket
import struct

from load import REQUEST
from traffic import PATIENCE, Client
from ws import PING, TEXT, frame


class Vandal(Client):
    """Sends what it should not, does not read, and leaves in any way."""

    kind, service, address = "vandal", "chat", "127.0.0.2"
    is_innocent = False

    async def run(self):
        while not self.traffic.is_over:
            try:
                await asyncio.wait_for(self.visit(), PATIENCE)
            except (OSError, EOFError, asyncio.TimeoutError):
                pass
            await self.leave()
            await asyncio.sleep(self.lot.random() * 0.3)

    async def visit(self):
        await self.connect()
        self.shake_hands()
        self.writer.write(b"".join(self.lot.choices([
            frame(b"big"), frame(b"x" * 70000), frame(b"half", fin=False), frame(b"ping", PING),
            frame(b"\xff", TEXT), frame(b"short", length=50000), os.urandom(30),
        ], [8, 4, 2, 4, 1, 1, 1], k=6)))
        await asyncio.sleep(self.lot.random() * 0.5)
        self.cut()

    def shake_hands(self):
        self.writer.write(REQUEST.format("AAAAAAAAAAAAAAAAAAAAAA==").encode())

    def cut(self):
        """By a reset, by the end of our half, or as leave() does."""
        way = self.lot.random()
        if way < 0.3:
            self.writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way < 0.5:
            self.writer.write_eof()


class Hoarder(Vandal):
    """Begins what it does not finish, until limits.memory takes it from it."""

    kind, address = "hoarder", "127.0.0.3"

    async def visit(self):
        service = self.lot.choice(["chat", "pages", "lines"])
        self.port = self.traffic.ports[service]
        await self.connect()
        if service == "chat":
            self.shake_hands()
            self.writer.write(frame(b"x" * 300_000)[:-1])
        elif service == "pages":
            self.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
                              + b"x" * 299_999)
        else:
            self.writer.write(b"x" * 300_000)
        try:
            await asyncio.wait_for(self.reader.read(-1), 3)
        finally:
            self.cut()


class Stranger(Vandal):
    """Never says who it is, and waits until auth_timeout ends it."""

    kind, address = "stranger", "127.0.0.4"

    async def visit(self):
        await self.connect()
        self.shake_hands()
        while not self.traffic.is_over and await self.is_open():
            self.writer.write(frame(b"", PING))

    async def is_open(self):
        try:
            return bool(await asyncio.wait_for(self.reader.read(65536), 1))
        except asyncio.TimeoutError:
            return True


class Flooder(Vandal):
    """More requests a second than an address may make."""

    kind, service, address = "flooder", "pages", "127.0.0.5"

    async def visit(self):
        await self.connect()
        self.writer.write(b"GET /0 HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)
        while await self.reader.read(65536):
            pass

    async def leave(self):
        await super().leave()
        await asyncio.sleep(self.lot.random() * 2)


class Crowd(Vandal):
    """More connections than an address may have, all at once."""

    kind, address = "crowd", "127.0.0.6"

    async def visit(self):
        ends = await asyncio.gather(*(asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(self.address, 0)) for _ in range(150)),
            return_exceptions=True)
        await asyncio.sleep(0.3)
        for end in ends:
            if not isinstance(end, BaseException):
                end[1].transport.abort()
        await asyncio.sleep(self.lot.random() * 3)


VANDALS = {Vandal: 4, Hoarder: 6, Stranger: 2, Flooder: 1, Crowd: 1}
