"""What was done to an instance, and which loss of a client that explains: as little as possible.

A process that was killed explains the end of what it served, and what it may have been about to
serve. Where nobody listened a connection may be refused, where workers ended in good order one may
end politely, where a disk was full something may not be stored. Each of these spans ends only when
every client has had answers again, so that nothing later can be mistaken for it. A silence, or an
answer that is wrong, is never explained.
"""

import asyncio
import time
from contextlib import contextmanager

from traffic import Absent, Goodbye, Stopped, Unstored, Wrong

SILENCE, DRAIN, FULL_DISK, ABSENCE = "nobody listened", "a drain", "a full disk", "no such file"


class Ledger:
    def __init__(self):
        self.killed = {}  # pid: (when, service)
        self.spans = {SILENCE: [], DRAIN: [], FULL_DISK: [], ABSENCE: []}
        self.wait_for_answers = lambda: None

    def note_kill(self, pid, service):
        self.killed[pid] = (time.monotonic(), service)

    @contextmanager
    def span(self, *names):
        """Something goes on for so long."""
        span = [time.monotonic(), float("inf")]
        for name in names:
            self.spans[name].append(span)
        yield
        self.wait_for_answers()
        span[1] = time.monotonic()

    def was_in(self, name, loss):
        return any(began <= loss.ended <= ended for began, ended in self.spans[name])

    def explanation(self, loss):
        """In words; None when there is none."""
        if loss.is_a(Wrong, asyncio.TimeoutError):
            return None
        for error, name in (Unstored, FULL_DISK), (Absent, ABSENCE), (Goodbye, DRAIN), \
                (Stopped, SILENCE), (ConnectionRefusedError, SILENCE):
            if loss.is_a(error):
                return name if self.was_in(name, loss) else None
        return self.death(loss) or self.bare_end(loss)

    def death(self, loss):
        if loss.pid is not None:
            when, _ = self.killed.get(loss.pid, (float("inf"), None))
            return "its server was killed" if when <= loss.ended else None
        if any(service == loss.service and loss.began <= when <= loss.ended
               for when, service in self.killed.values()):
            return "a server was killed before it had answered"
        return SILENCE if self.was_in(SILENCE, loss) else None

    def bare_end(self, loss):
        return DRAIN if loss.is_bare_end and self.was_in(DRAIN, loss) else None
