"""Clients that never stop, in a thread of their own, and what each of them lost.

A loss is whatever a client notices beside its answers: a connection that is refused, reset or
ends, politely or not; an answer that does not come, or is not the right one. It is written down
with the process that served the connection, if the client had learned it. Whether it may be is
for others to judge (ledger.py).
"""

import asyncio
import contextlib
import random
import threading
import time

import crew

PATIENCE = 60 * crew.PATIENCE  # seconds that an answer may take on a busy machine
INNOCENT = "127.0.0.1"


class Wrong(Exception):
    """An answer that is not the right one; nothing explains it."""


class Goodbye(Exception):
    """A polite end in the words of the protocol, which the client did not ask for."""


class Stopped(Exception):
    """A stop turns away who has come just before and has not been heard yet; a reload never does."""


class Unstored(Exception):
    """The server says that it could not store the session."""


class Absent(Exception):
    """The server says that there is no such file."""


class Loss:
    """What a client lost: since when the connection was tried, when it ended, and who served."""

    def __init__(self, client, began, error):
        self.kind, self.service, self.pid = client.kind, client.service, client.pid
        self.began, self.ended = began, time.monotonic()
        self.error = error
        # Its protocol has no word for a goodbye: the stream ends, between two answers.
        self.is_bare_end = client.may_end_bare() and not getattr(error, "partial", True)

    def is_a(self, *kinds):
        return isinstance(self.error, kinds)

    def __str__(self):
        return f"{self.kind}: {type(self.error).__name__}: {self.error} (served by " \
               f"{self.pid or 'nobody yet'}, after {self.ended - self.began:.3f} s)"


class Client:
    """One connection after the other; `talk` exchanges messages until the traffic is over, or
    returns where the client itself leaves."""

    kind = service = ""
    address = INNOCENT
    is_innocent = True

    def __init__(self, traffic, number):
        self.traffic, self.port = traffic, traffic.ports[self.service]
        self.lot = random.Random(f"{self.kind} {number}")
        self.turns = self.answered = 0  # in all; on this connection
        self.pid = None
        self.reader = self.writer = None

    async def run(self):
        while not self.traffic.is_over:
            began, self.pid, self.answered = time.monotonic(), None, 0
            try:
                await self.connect()
                await asyncio.wait_for(self.greet(), PATIENCE)
                await self.talk()
            except (OSError, EOFError, Wrong, Goodbye, Stopped, asyncio.TimeoutError) as error:
                self.lose(error, began)
                await asyncio.sleep(0.05)
            finally:
                await self.leave()

    def lose(self, error, began=None):
        self.traffic.losses.append(Loss(self, began or time.monotonic(), error))

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(
            INNOCENT, self.port, local_addr=(self.address, 0))

    async def leave(self):
        if self.writer is not None:
            self.writer.transport.abort() if self.lot.random() < 0.3 else self.writer.close()
            self.writer = None

    def may_end_bare(self):
        return False

    def look_for_stop(self, status, answer):
        if status == 503 and answer == b"going away\n":
            raise Stopped("503")

    async def greet(self):
        pass

    async def rest(self):
        self.count()
        await asyncio.sleep(self.lot.random() * 0.04)

    def count(self):
        self.turns += 1
        self.answered += 1
        self.traffic.answers[self.kind] = self.traffic.answers.get(self.kind, 0) + 1

    def expect(self, found, expected):
        if found != expected:
            raise Wrong(f"expected {expected[:40]}, found {found[:40]}")


class Traffic:
    """`kinds`: how many clients of each kind there are, from `with` to finish()."""

    def __init__(self, ports, kinds):
        self.ports, self.is_over = ports, False
        self.losses, self.answers = [], {}
        self._clients = [kind(self, number) for kind, count in kinds.items()
                         for number in range(count)]
        self._loop, self._tasks = None, []
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        self._has_begun.wait()
        return self

    def __exit__(self, error, *_):
        while error and self._thread.is_alive():  # nobody's answers matter any more
            self.is_over = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(0.1)
        self.finish()

    def _cancel(self):
        """Again and again: wait_for() may take a cancellation for an answer."""
        for task in self._tasks:
            task.cancel()

    def wait_for_answers(self, patience=PATIENCE, count=2):
        """Each client who does no wrong gets so many more. With two, whatever had come for it before
        has been noticed; and one that waits for an answer for ever is found here."""
        before = {client: client.turns for client in self._clients if client.is_innocent}

        def waiting():
            return [client for client, turns in before.items() if client.turns < turns + count]
        deadline = time.monotonic() + patience
        while waiting() and self._thread.is_alive():
            if time.monotonic() > deadline:
                raise crew.WaitRanOut("no answer to " + ", ".join(
                    f"{client.kind} (of {client.pid})" for client in waiting()))
            crew.let_pass(0.01)
        assert self._thread.is_alive(), "the traffic broke down"

    def finish(self):
        self.is_over = True
        self._thread.join(2 * PATIENCE)
        if self._thread.is_alive():
            raise crew.WaitRanOut("the traffic did not end")

    async def _run(self):
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(client.run()) for client in self._clients]
        self._has_begun.set()
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled():
                task.result()
