"""The short form of tests/chaos: each deed once, in an order that makes one follow on another; and
that it finds the faults which it is there for."""

import asyncio
import re
import time
from types import SimpleNamespace

import pytest

import crew
from clients import Chat, Pages
from ground import Ground
from ledger import DRAIN, SILENCE, Ledger
from traffic import Loss, Stopped, Wrong

DEEDS = ["kill_a_worker", "reload", "kill_during_a_reload", "take_the_log_away", "fill_the_disk",
         "reload_what_cannot_start", "stop_a_worker_for_a_moment", "kill_all_workers",
         "move_a_service", "stop_the_master_for_a_moment", "kill_the_master", "freeze_a_worker",
         "reload", "flip_the_files", "write_the_app_in_place", "remove_run_dir",
         "make_the_log_a_pipe", "stop_and_start"]


@pytest.mark.timeout(600 * crew.PATIENCE)
def test_every_loss_is_explained_and_nothing_is_left(instances):
    ground = Ground(instances(), seed=1)
    ground.run(DEEDS)
    assert set(DEEDS) >= set(ground.mischief.done)


def turned_away(kind, text):
    """What a client of that kind makes of a refusal as the first answer."""
    async def meet():
        client = kind(SimpleNamespace(ports={kind.service: 0}, is_over=False), 0)
        client.reader = asyncio.StreamReader()
        client.writer = SimpleNamespace(write=lambda data: None)
        client.reader.feed_data(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b"
                                % (len(text), text))
        client.reader.feed_eof()
        await client.greet()
        await client.turn()
    with pytest.raises(Exception) as caught:
        asyncio.run(meet())
    return caught.value


@pytest.mark.parametrize("kind", [Chat, Pages])
def test_only_a_stop_turns_away(kind):
    """Who came just before it and was not heard yet; neither a reload nor a limit explains that."""
    assert isinstance(turned_away(kind, b"too many connections; try again later\n"), Wrong)
    error = turned_away(kind, b"going away\n")
    assert isinstance(error, Stopped)
    client = SimpleNamespace(kind="", service="", pid=None, may_end_bare=lambda: True)
    for span, reason in {DRAIN: None, SILENCE: SILENCE}.items():
        ledger = Ledger()
        with ledger.span(span):
            loss = Loss(client, time.monotonic(), error)
        assert ledger.explanation(loss) == reason


UNEXPLAINED = "losses are not explained"
# What the app does at each hundredth message of a process, and what is said of it.
FAULTS = {"silence": f"no answer to |{UNEXPLAINED}", "twice": "Wrong: expected ", "cut": UNEXPLAINED,
          "end": UNEXPLAINED, "death": UNEXPLAINED, "descriptor": "descriptors are left",
          "process": "(processes|descriptors) are left"}
OF_SANITIZERS = {"leak": "LeakSanitizer", "overflow": "heap-buffer-overflow"}


@pytest.mark.timeout(300 * crew.PATIENCE)
@pytest.mark.parametrize("fault", OF_SANITIZERS if crew.IS_SANITIZED else FAULTS)
def test_what_goes_wrong_is_found(fault):
    """Also amid deaths that explain some losses."""
    instance = crew.Instance(env={"MIXED_FAULT": fault})
    ground = Ground(instance, seed=1)
    if fault in ("silence", "descriptor", "process"):
        ground.patience = 10  # is waited for in vain
    text = ""
    try:
        ground.run(["kill_a_worker", "let_them_talk", "kill_a_worker"])
    except AssertionError as error:
        text = str(error)
    text += "\n".join(instance.clean_up())
    assert re.search({**FAULTS, **OF_SANITIZERS}[fault], text), text
