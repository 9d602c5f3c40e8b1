"""Clients that exchange messages in the background while a test does something to the server."""

import asyncio
import base64
import os
import struct
import threading

from waits import WaitRanOut, against_second_try
from ws import BINARY, CLOSE, PING, PONG, TEXT, frame

REQUEST = ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n")


class Load:
    """`count` WebSocket clients in a thread, each sending and checking echoes without a pause.

    With `reconnects`, a polite close (a close frame) makes a client come back at once; without, every
    end is a fault. What a client must never see is in `faults`: a refused or reset connection, an
    end without a close frame, a handshake without an answer, an echo that is not the message.
    """

    def __init__(self, port, count, reconnects=False, pause=0.005):
        self.port, self.count, self.reconnects, self.pause = port, count, reconnects, pause
        self.echoes = self.handshakes = 0
        self.closes = []
        self.faults = []
        self._is_over = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self._is_over = True
        self._thread.join(60)
        if self._thread.is_alive():
            raise WaitRanOut("the load did not end")

    async def _run(self):
        await asyncio.gather(*(self._client(number) for number in range(self.count)))

    async def _client(self, number):
        while not self._is_over:
            try:
                await self._one_connection(number)
            except Exception as error:
                self.faults.append(f"client {number}: {type(error).__name__}: {error}")
                against_second_try(self.faults[-1])
                await asyncio.sleep(0.05)
            if not self.reconnects:
                return

    async def _one_connection(self, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(REQUEST.format(key).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise AssertionError(f"handshake answered with {head[:80]}")
            self.handshakes += 1
            code = await self._exchange(number, reader, writer)
            if code is not None:
                self.closes.append(code)
                writer.write(frame(struct.pack(">H", code), CLOSE))
                if not self.reconnects:
                    raise AssertionError(f"closed with {code}")
        finally:
            writer.close()

    async def _exchange(self, number, reader, writer):
        """Echoes until the load is over (None) or the server closes (its code)."""
        turn = 0
        while not self._is_over:
            turn += 1
            message = f"{number}/{turn}".encode()
            writer.write(frame(message))
            while True:
                opcode, data = await self._frame(reader)
                if opcode == CLOSE:
                    return struct.unpack(">H", data[:2])[0] if data else 1005
                if opcode == PING:
                    writer.write(frame(data, PONG))
                elif opcode in (TEXT, BINARY):
                    break
            if data != message:
                raise AssertionError(f"sent {message}, got {data[:60]}")
            self.echoes += 1
            await asyncio.sleep(self.pause)
        writer.write(frame(struct.pack(">H", 1000), CLOSE))
        while (await self._frame(reader))[0] != CLOSE:
            pass
        return None

    @staticmethod
    async def _frame(reader):
        first, size = await reader.readexactly(2)
        if size == 126:
            size, = struct.unpack(">H", await reader.readexactly(2))
        return first & 15, await reader.readexactly(size)
