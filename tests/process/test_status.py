"""status and connections: every column, as a table and as JSON."""

import os
import signal
import subprocess
import time

import pytest

import crew
from ws import WebSocket

COLUMNS = {"pid", "slot", "generation", "service", "listen", "rss", "connections", "messages_in",
           "messages_out", "rate", "send_failures", "reaped", "timers", "lag_us", "turns", "uptime_ms",
           "restarts", "state"}


@pytest.mark.parametrize("verb", [["status"], ["status", "--json"], ["connections"], ["check"],
                                  ["--version"], ["--help"]])
def test_an_answer_that_cannot_be_written_is_a_failure(probe, verb):
    instance = probe()
    where = ["-c", str(instance.config_path)] if not verb[0].startswith("-") else []
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(crew.CREWMAN), *verb, *where], env=instance.env, stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60 * crew.PATIENCE)
    assert done.returncode == 1
    assert "standard output cannot be written" in done.stderr


def test_json_has_every_column(probe):
    instance = probe(workers=2)
    for row in instance.workers():
        assert COLUMNS <= set(row), COLUMNS - set(row)
        assert row["listen"] == f"websocket://127.0.0.1:{instance.port}"
        assert row["rss"] > 100_000
        assert crew.is_alive(row["pid"])


def test_counters_follow_the_traffic(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        for _ in range(20):
            client.ask("hello")
        crew.wait_for(lambda: instance.worker()["messages_in"] == 20, 5, "the beat")
        row = instance.worker()
        assert row["connections"] == 1
        assert row["messages_out"] == 20
    crew.wait_for(lambda: instance.worker()["connections"] == 0, 5, "the beat")


def test_timers_and_send_failures_are_counted(probe):
    instance = probe(limits={"max_send_buffer": "64k"})
    with WebSocket(instance.port) as client:
        before = instance.worker()["timers"]
        client.ask("!timer 100000 1")
        crew.wait_for(lambda: instance.worker()["timers"] == before + 1, 5, "the timer")
        client.send("!flood 400 60000")
        crew.wait_for(lambda: instance.worker()["send_failures"] > 0, 5, "send failures")


def test_table_is_aligned_and_names_what_runs(probe):
    instance = probe(workers=2)
    table = instance.verb("status").stdout
    head, *rows = table.split("\n\n")[1].splitlines()
    assert len(rows) == 2
    for column, cell in (("service", "probe"), ("listen", "websocket://"), ("state", "ready")):
        assert {row.find(cell) for row in rows} == {head.find(column)}
    ends = [head.find("pid") + len("pid")] * 2  # numbers end below the end of their word
    assert [row.find(f" {pid} ") + len(f" {pid}")
            for row, pid in zip(rows, instance.worker_pids())] == ends
    assert str(instance.master_pid()) in table


def test_watch_shows_the_table_again_and_again(probe):
    instance = probe()
    watching = subprocess.Popen([crew.CREWMAN, "status", "--watch", "-c", instance.config_path],
                                env=instance.env, stdout=subprocess.PIPE)
    try:
        seen = b""
        deadline = time.monotonic() + crew.LONG
        while seen.count(b"websocket://") < 3 and time.monotonic() < deadline:
            seen += os.read(watching.stdout.fileno(), 65536)
        assert seen.count(b"websocket://") >= 3
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(crew.LONG)
        watching.stdout.close()


def test_a_worker_that_blocks_is_busy_and_ready_again(probe):
    instance = probe(workers=2)
    with WebSocket(instance.port) as client:
        pid = int(client.ask("!pid"))
        crew.suspend(pid)

        def state():
            return next(row["state"] for row in instance.workers() if row["pid"] == pid)
        crew.wait_for(lambda: state() == "busy", 5, "busy")
        os.kill(pid, signal.SIGCONT)
        crew.wait_for(lambda: state() == "ready", 5, "ready")
        assert client.ask("!block 1500") == "blocked"
    assert sorted(row["pid"] for row in instance.workers()).count(pid) == 1
    assert "on_message" in instance.log()  # the guard named the callback


def test_restarts_and_lag_are_shown(probe):
    instance = probe()
    instance.expect_errors("SIGKILL")
    os.kill(instance.worker_pids()[0], signal.SIGKILL)
    crew.wait_for(lambda: instance.worker()["restarts"] == 1 and instance.is_ready(), 10,
                  "the restart")
    with WebSocket(instance.port) as client:
        # Longer than the second between two beats; the next beat forgets it.
        crew.wait_for(lambda: client.ask("!block 1500") and instance.worker()["lag_us"] > 100_000,
                      20, "lag")


def test_connections_has_every_column(probe):
    instance = probe(workers=2)
    with WebSocket(instance.port) as one, WebSocket(instance.port) as two:
        one.ask("hello")
        two.ask("hello")
        rows = instance.connections()
        assert len(rows) == 2
        ports = {f"127.0.0.1:{client.sock.getsockname()[1]}" for client in (one, two)}
        assert {row["peer"] for row in rows} == ports
        for row in rows:
            assert {"id", "service", "slot", "protocol", "peer", "state", "bytes_in", "bytes_out",
                    "queued", "idle_ms", "rtt_ms"} <= set(row)
            assert row["protocol"] == "websocket" and row["service"] == "probe"
            assert row["bytes_in"] > 100 and row["bytes_out"] > 100 and row["queued"] == 0
        assert {row["id"] for row in rows} == {f"{int(client.ask('!id')):016x}"
                                               for client in (one, two)}
        table = instance.verb("connections").stdout
        assert all(port in table for port in ports)


def test_thousands_of_connections_are_listed_in_pages(probe):
    instance = probe("tcp")
    import socket
    clients = [socket.create_connection(("127.0.0.1", instance.port)) for _ in range(2500)]
    try:
        crew.wait_for(lambda: len(instance.connections()) == 2500, 20, "2500 connections")
        assert len({row["id"] for row in instance.connections()}) == 2500
    finally:
        for client in clients:
            client.close()
