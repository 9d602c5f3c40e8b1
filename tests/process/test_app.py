"""What an app may do, and what becomes of apps that cannot be loaded."""

import json
import re
import subprocess
import time

import pytest

import crew
from ws import BINARY, TEXT, Closed, WebSocket, frame


def test_callbacks_come_in_order(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.ask("hello")
        client.close()
    instance.wait_log("probe: close")
    lines = [match[1] for match in re.finditer(r"probe: (worker start|connect|open|close)",
                                               instance.log())]
    assert lines == ["worker start", "connect", "open", "close"]


def test_worker_functions(probe):
    instance = probe(workers=2)
    clients, _ = crew.meet_all(lambda: WebSocket(instance.port), 2)
    assert {client.ask("!who") for client in clients} == {"probe 0 1 1", "probe 1 1 1"}
    for client in clients:
        client.sock.close()


def test_ids_are_unique_over_workers_and_found_only_at_home(probe):
    instance = probe(workers=2)
    clients, pids = crew.meet_all(lambda: WebSocket(instance.port), 2, 20)
    ids = [client.ask("!id") for client in clients]
    assert len(set(ids)) == len(clients)
    one = next(at for at, pid in enumerate(pids) if pids.count(pid) > 1)
    other = next(at for at, pid in enumerate(pids) if pid != pids[one])
    assert clients[one].ask(f"!tell {ids[other]} hi") == "nobody"
    same = pids.index(pids[one], one + 1)
    assert clients[one].ask(f"!tell {ids[same]} hi") == "told"
    assert clients[same].recv() == (TEXT, b"hi")
    clients[same].close()
    crew.wait_for(lambda: clients[one].ask(f"!tell {ids[same]} hi") == "nobody", 5, "a stale id")
    for client in clients:
        client.sock.close()


def test_addresses(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        mine = client.sock.getsockname()[1]
        assert client.ask("!addr") == f"4 127.0.0.1 {mine} | 4 127.0.0.1 {instance.port}"


def test_counters_of_a_connection(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.ask("hello")
        stats = json.loads(client.ask("!stats"))
        assert stats["messages_in"] == 2 and stats["messages_out"] == 1
        assert stats["bytes_in"] > 150 and stats["bytes_out"] > 100
        assert stats["service"] == "probe" and stats["idle_ms"] < 2000
        assert stats["rtt_ms"] == -1


def test_user_data_and_its_destructor(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        assert client.ask("!data one") == "was nothing"
        assert client.ask("!data two") == "was one"
        instance.wait_log("probe: destructor of one")
        assert "destructor of two" not in instance.log()
        client.close()
    instance.wait_log("probe: destructor of two")
    log = instance.log()
    assert log.index("probe: close") < log.index("destructor of two")
    assert log.count("destructor of") == 2


def test_timers_do_not_drift(probe):
    instance = probe()
    with WebSocket(instance.port) as client:

        def are_in_time():
            """The first comes late, as the loop is blocked; those behind it do not, if nobody else
            holds them up."""
            client.send_raw(frame(b"!timer 50 20") + frame(b"!block 75"))
            start = int(client.recv()[1].split()[1])
            assert client.recv()[1] == b"blocked"
            ticks = [int(client.recv()[1].split()[1]) for _ in range(20)]
            assert ticks == sorted(ticks) and ticks[-1] - start >= 50 * 20 - 1
            # Each is due at a multiple of 50 ms, however late the ones before it were.
            lateness = [(tick - start + 1) % 50 - 1 for tick in ticks]
            return ticks[1] - ticks[0] < 45 and sorted(lateness)[10] <= 10 * crew.PATIENCE

        crew.wait_for(are_in_time, 60, "ticks in time")
        assert client.ask("!timer-errors") == "1 1"


def test_walk_over_the_connections(probe):
    instance = probe()
    clients = [WebSocket(instance.port) for _ in range(5)]
    clients[0].send("!all hello everybody")
    assert [client.recv()[1] for client in clients] == [b"hello everybody"] * 5
    assert clients[0].ask("!count") == "5"
    clients[0].send("!destroy-others")
    clients[0].recv()
    assert all(client.wait_closed().code is None for client in clients[1:])
    crew.wait_for(lambda: clients[0].ask("!count") == "1", 5, "the others' end")
    assert instance.log().count("reason=local") == 4
    clients[0].sock.close()


def test_close_sends_what_was_sent_before(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.send("!close-then-send")
        assert client.recv() == (TEXT, b"last words")
        assert client.wait_closed().code == 1000
    instance.wait_log("probe: send after close answers 1")
    instance.wait_log("reason=local")


def test_close_with_a_code(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.send("!close 4001 enough")
        end = client.wait_closed()
        assert (end.code, end.reason) == (4001, "enough")
    with WebSocket(instance.port) as client:
        assert client.ask("!close 1006").startswith("error ")
        assert client.ask("!close 5000").startswith("error ")
        assert client.ask("hello") == "hello"


def test_destroy_drops_at_once(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.send("!destroy")
        assert client.wait_closed().code is None
    instance.wait_log("reason=local code=1006")


def test_message_types(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.send(b"\xff\x00\xfe", BINARY)
        assert client.recv() == (BINARY, b"\xff\x00\xfe")
        client.send("text")
        assert client.recv() == (TEXT, b"text")
        client.send(b"", TEXT)
        assert client.recv() == (TEXT, b"")


def test_pause_pushes_back_and_resume_goes_on(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        started = time.monotonic()
        assert client.ask("!pause 700") == "paused"
        for number in range(100):
            client.send(f"m{number}")
        assert [client.recv()[1].decode() for _ in range(100)] == [f"m{n}" for n in range(100)]
        assert time.monotonic() - started > 0.5


def test_send_buffer_full_and_drain(probe):
    instance = probe(limits={"max_send_buffer": "1m"})
    with WebSocket(instance.port) as client:
        client.send("!flood 400 60000")
        match = instance.wait_log(r"flood sent=(\d+) queued=(\d+) full=(\d+) other=(\d+)")[0]
        sent, queued, full, other = map(int, match.groups())
        assert sent > 0 and queued > 0 and full > 0 and other == 0
        assert sent + queued + full == 400
        for _ in range(sent + queued):
            assert len(client.recv()[1]) == 60000
        instance.wait_log("probe: buffer drain")
        log = instance.log()
        assert log.count("probe: buffer full") == 1 and log.count("probe: buffer drain") == 1
        assert client.ask("hello") == "hello"


def test_worker_stop_is_followed_by_another(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        client.send("!stop")
        assert isinstance(client.wait_closed(), Closed)
    crew.wait_for(lambda: instance.is_ready() and str(instance.worker_pids()[0]) != pid, 10,
                  "the next worker")
    assert "probe: worker stop" in instance.log()


def test_log_lines_are_escaped(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        assert client.ask("!log a\nforged line\x1b[31m") == "logged"
    line = instance.wait_log("probe: says a.*")[0][0]
    assert "forged line" in line and "\x1b" not in line


def test_a_constructor_may_call_what_needs_no_loop(probe):
    done = subprocess.run([crew.WORKER, "--describe", crew.app("early")], capture_output=True,
                          text=True, timeout=60 * crew.PATIENCE)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["services"][0]["label"] == "1 1"
    instance = probe("text", app="early")
    assert "early: slot 0" in instance.log()


REFUSALS = {
    "missing file": ("nowhere.so", r"nowhere\.so.*(No such file|cannot open)"),
    "no symbol": (crew.app("no_symbol"), "crew_app"),
    "wrong abi": (crew.app("wrong_abi"), r"ABI 999.*ABI 2: install a newer Crewman"),
    "wrong magic": (crew.app("wrong_magic"), "magic|not a Crewman app"),
    "no shared object": (str(crew.ROOT / "LICENSE"), r"LICENSE: not a shared object; expected one built by cc -shared -fPIC"),
    "a source": (str(crew.ROOT / "examples/echo/echo.c"),
                 r"echo\.c: not a shared object; build it: cc -shared -fPIC \S+echo\.c .* -o \S+/echo\.so"),
    "missing script": ("nowhere.py", r"nowhere\.py: No such file or directory"),
    "no runtime": (str(crew.ROOT / "README.md"), r'README\.md: found no runtime for "\.md"'),
}


@pytest.mark.parametrize("path, expected", REFUSALS.values(), ids=REFUSALS.keys())
def test_an_app_that_cannot_be_loaded_is_refused(probe, path, expected):
    instance = probe(is_started=False, top={"app": path})
    instance.expect_errors("")
    for verb in (["start", "-d"], ["start"], ["check"]):
        done = instance.verb(*verb)
        assert done.returncode == 1, done
        assert re.search(expected, done.stderr, re.S), done.stderr
    assert not instance.processes()


@pytest.mark.parametrize("path, expected", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_reload_with_such_an_app_changes_nothing(probe, path, expected):
    instance = probe()
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        instance.config["app"] = path
        instance.write_config(instance.config)
        instance.expect_errors("")
        done = instance.reload(expect=1)
        assert re.search(expected, done.stderr, re.S), done.stderr
        assert client.ask("!pid") == pid
        assert client.ask("!who") == "probe 0 1 1"
        assert instance.is_ready()


def test_app_that_fails_in_on_worker_start(probe):
    instance = probe(app="fail_start", is_started=False)
    instance.expect_errors("cannot reach the database", "on_worker_start")
    done = instance.start(expect=1)
    assert "on_worker_start" in done.stderr
    assert not instance.processes()


def test_app_that_crashes_at_start(probe):
    instance = probe(app="crash_start", is_started=False)
    instance.expect_errors("SIGABRT")
    done = instance.start(expect=1)
    assert "SIGABRT" in done.stderr
    assert not instance.processes()


def test_one_failing_worker_of_three_stops_the_start(probe):
    instance = probe(workers=3, is_started=False, env={"PROBE_FAIL_SLOT": "2"})
    instance.expect_errors("")
    instance.start(expect=1)
    assert not instance.processes()


def test_two_services_and_a_process_without_a_listener(instances):
    ports = crew.free_port(), crew.free_port()
    instance = instances({"app": crew.app("duo"), "services": {
        "lines": {"listen": f"text://127.0.0.1:{ports[0]}", "workers": 2},
        "frames": {"listen": f"frame://127.0.0.1:{ports[1]}"}}})
    instance.start()
    rows = instance.workers()
    assert [(row["service"], row["slot"]) for row in rows] == \
        [("frames", 0), ("lines", 0), ("lines", 1), ("ticker", 0)]
    assert next(row for row in rows if row["service"] == "ticker")["timers"] >= 0
    crew.wait_for(lambda: instance.workers("ticker")[0]["timers"] >= 1, 5, "the app's timer")
