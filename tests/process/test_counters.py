"""Counters: a page for each worker that it alone can write, and totals that never fall."""

import mmap
import os
import re
import signal

import pytest

import crew
from web import Client
from ws import WebSocket

TOTALS = ("turns", "accepted", "messages_in", "messages_out", "bytes_in", "bytes_out",
          "send_failures", "reaped", "refused", "protocol_errors", "limit_errors", "timeouts")
PAGE = 4096


class Watch:
    """Looks at the totals again and again: none may ever be below what it was."""

    def __init__(self, instance):
        self.instance = instance
        self.seen = {}

    def look(self):
        status = self.instance.status()
        now = {("all", name): status["totals"][name] for name in TOTALS}
        for row in status["workers"]:
            for name in TOTALS:
                key = (row["service"], row["slot"], name)
                now[key] = now.get(key, 0) + row[name]
        for key, value in now.items():
            assert value >= self.seen.get(key, 0), f"{key} fell from {self.seen[key]} to {value}"
        self.seen.update(now)
        return status

    def wait(self, condition, what):
        return crew.wait_for(lambda: condition(self.look()), 20, what)

    def total(self, name):
        return self.look()["totals"][name]


def pages(pid):
    """(address, may be written) of the pages that a process has mapped; none when it is dead."""
    try:
        maps = open(f"/proc/{pid}/maps").read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = re.findall(r"^([0-9a-f]+)-[0-9a-f]+ (\S+) .*memfd:crewman-scoreboard", maps, re.M)
    return [(int(address, 16), "w" in rights) for address, rights in found]


def wait_for_siblings(instance, count):
    """Until that many workers see the pages of all."""
    def do_see_each_other():
        rows = instance.workers()
        return len(rows) == count and all(
            row["state"] == "ready" and len(pages(row["pid"])) == count for row in rows)
    crew.wait_for(do_see_each_other, 20, f"{count} workers with {count} pages each")


def talk(instance, messages):
    """Sends that many messages to some worker."""
    with WebSocket(instance.port) as client:
        for _ in range(messages):
            client.ask("hello")


def test_a_worker_can_write_its_own_page_only(probe):
    instance = probe(workers=3)
    wait_for_siblings(instance, 3)
    for pid in instance.worker_pids():
        assert sorted(is_writable for _, is_writable in pages(pid)) == [False, False, True]
        for entry in os.listdir(f"/proc/{pid}/fd"):
            assert "crewman-scoreboard" not in os.readlink(f"/proc/{pid}/fd/{entry}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may open the mappings of others")
def test_not_even_root_can_map_a_sibling_to_write(probe):
    instance = probe(workers=2)
    wait_for_siblings(instance, 2)
    pid = instance.worker_pids()[0]
    for address, _ in pages(pid):
        path = f"/proc/{pid}/map_files/{address:x}-{address + PAGE:x}"
        fd = os.open(path, os.O_RDWR)
        try:
            with pytest.raises(PermissionError):
                mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            with pytest.raises(PermissionError):
                os.pwrite(fd, b"x", 0)
        finally:
            os.close(fd)


def test_totals_stay_when_a_worker_is_killed(probe):
    instance = probe(workers=2)
    instance.expect_errors("killed by SIGKILL")
    watch = Watch(instance)
    for round_ in range(1, 4):
        talk(instance, 10)
        watch.wait(lambda status: status["totals"]["messages_in"] >= 10 * round_, "the messages")
        victims = instance.worker_pids()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        watch.wait(lambda status: not set(victims) & {row["pid"] for row in status["workers"]}
                   and all(row["state"] == "ready" for row in status["workers"]), "new workers")
    assert watch.total("messages_in") == 30
    assert sum(row["messages_in"] for row in instance.workers()) == 30


def test_totals_stay_over_reloads(probe):
    instance = probe()
    watch = Watch(instance)
    for round_ in range(1, 4):
        talk(instance, 10)
        watch.wait(lambda status: status["totals"]["messages_in"] == 10 * round_, "the messages")
        instance.reload()
        watch.look()
    watch.wait(lambda status: len(status["workers"]) == 1, "one worker")
    assert instance.worker()["messages_in"] == 30


def test_a_draining_worker_counts_in_the_row_of_its_slot(probe):
    instance = probe()
    watch = Watch(instance)
    with WebSocket(instance.port) as client:
        for _ in range(10):
            client.ask("hello")
        watch.wait(lambda status: status["totals"]["messages_in"] == 10, "the messages")
        instance.verb("reload", "-g")
        rows = watch.wait(lambda status: len(status["workers"]) == 2 and status["workers"],
                          "old and new")
        shown = {row["state"]: (row["has_totals"], row["messages_in"]) for row in rows}
        assert shown == {"draining": (False, 0), "ready": (True, 10)}
        client.ask("hello")
        watch.wait(lambda status: status["totals"]["messages_in"] == 11, "the last message")
    watch.wait(lambda status: len(status["workers"]) == 1, "the old one to end")
    assert instance.worker()["messages_in"] == 11


def test_totals_stay_when_slots_go(probe):
    instance = probe(workers=3)
    watch = Watch(instance)
    talk(instance, 10)
    watch.wait(lambda status: status["totals"]["messages_in"] == 10, "the messages")
    accepted = watch.total("accepted")
    for workers in (1, 2):
        instance.config["services"]["probe"]["workers"] = workers
        instance.write_config(instance.config)
        instance.reload()
        watch.wait(lambda status: len(status["workers"]) == workers, f"{workers} workers")
        assert watch.total("messages_in") == 10
    assert watch.total("accepted") >= accepted


def test_totals_stay_when_a_service_goes(probe, tmp_path):
    port, instance = crew.free_port(), probe(is_started=False)
    services = instance.config["services"]
    services["files"] = {"kind": "static", "listen": f"http://127.0.0.1:{port}", "workers": 2,
                         "static": {"root": str(tmp_path)}}
    instance.write_config(instance.config)
    instance.start()
    watch = Watch(instance)
    with Client(port) as client:
        for _ in range(10):
            client.get("/")
    talk(instance, 10)
    watch.wait(lambda status: status["totals"]["messages_in"] == 20, "the messages")
    del services["files"]
    instance.write_config(instance.config)
    instance.reload()
    watch.wait(lambda status: [row["service"] for row in status["workers"]] == ["probe"],
               "the end of the service")
    talk(instance, 10)
    watch.wait(lambda status: status["totals"]["messages_in"] == 30, "what came since")


@pytest.mark.parametrize("garbage", [b"\xff", b"\x00", b"\x5a"], ids=["ff", "00", "5a"])
def test_garbage_on_a_page_harms_nobody_else(probe, garbage):
    instance = probe(workers=2)
    instance.expect_errors("killed by SIGKILL")
    wait_for_siblings(instance, 2)
    talk(instance, 10)
    watch = Watch(instance)
    watch.wait(lambda status: status["totals"]["messages_in"] == 10, "the messages")
    wild, sane = instance.worker_pids()
    own = next(address for address, is_writable in pages(wild) if is_writable)
    crew.suspend(wild)  # it would mend some of the rows once a second
    with open(f"/proc/{wild}/mem", "r+b", buffering=0) as memory:
        memory.seek(own)
        memory.write(garbage * PAGE)
    watch.look()
    assert instance.verb("status").returncode == 0
    for _ in range(10):  # the sibling accepts, and is not held back for good
        with WebSocket(instance.port) as client:
            assert int(client.ask("!pid")) == sane
    os.kill(wild, signal.SIGKILL)
    watch.wait(lambda status: wild not in [row["pid"] for row in status["workers"]]
               and len(status["workers"]) == 2, "another worker")
    instance.wait_ready()
    assert sane in instance.worker_pids()
    assert watch.total("messages_in") >= 10


def test_a_sibling_that_is_replaced_is_mapped_anew(probe):
    instance = probe(workers=3)
    instance.expect_errors("killed by SIGKILL")
    wait_for_siblings(instance, 3)
    for _ in range(3):
        victim = instance.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        crew.wait_for(lambda: victim not in instance.worker_pids(), 10, "its end")
        wait_for_siblings(instance, 3)
    instance.reload()
    wait_for_siblings(instance, 3)
    watched = instance.master_pid()
    assert len(pages(watched)) == 3
    assert not any(is_writable for _, is_writable in pages(watched))
