"""start, stop, restart, status, connections, version: what they do, say and answer."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

import crew
from ws import WebSocket, dial


def test_start_d_returns_when_every_worker_is_ready(probe):
    instance = probe(workers=3)
    assert [row["state"] for row in instance.workers()] == ["ready"] * 3
    assert [row["slot"] for row in instance.workers()] == [0, 1, 2]
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_banner_lists_the_services_and_q_silences_it(probe):
    instance = probe(workers=2, is_started=False)
    banner = instance.start().stdout
    assert "probe" in banner and f"websocket://127.0.0.1:{instance.port}" in banner
    instance.stop()
    assert instance.start("-q").stdout == ""


def test_start_of_an_app_without_a_config(instances):
    instance = instances()
    instance.log_path = instance.run_dir / "crewman.log"
    port = crew.free_port()
    instance.env.update(DUO_LINES=str(port), DUO_FRAMES=str(crew.free_port()))
    done = instance.run("start", "-d", "--run-dir", str(instance.run_dir), crew.app("duo"))
    assert done.returncode == 0, done.stderr
    status = json.loads(instance.run("status", "--json", "--run-dir",
                                     str(instance.run_dir)).stdout)
    assert sorted(row["service"] for row in status["workers"]) == ["frames", "lines", "ticker"]
    assert "duo: timer process started" in instance.log()
    with dial(port) as lines:
        lines.sendall(b"hello\n")
        assert lines.recv(100) == b"hello\n"
    assert instance.run("stop", "--run-dir", str(instance.run_dir)).returncode == 0
    assert not instance.processes()


def test_foreground_stops_at_ctrl_c(probe):
    instance = probe(foreground=True)
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
        instance.process.send_signal(signal.SIGINT)
        assert client.wait_closed().code == 1001
    assert instance.process.wait(crew.LONG) == 0
    assert not instance.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_that_stop(probe, number):
    instance = probe(workers=2)
    os.kill(instance.master_pid(), number)
    crew.wait_for(lambda: not instance.processes(), 10, "the end of all processes")
    assert "probe: worker stop" in instance.log()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_that_reload(probe, number):
    instance = probe(workers=2)
    old = instance.worker_pids()
    os.kill(instance.master_pid(), number)
    crew.wait_for(lambda: [row["generation"] for row in instance.workers()] == [2, 2], 20,
                  "generation 2")
    assert not set(old) & set(instance.worker_pids())


def test_stop_closes_politely_and_calls_on_worker_stop(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.ask("hello")
        instance.stop()
        assert client.wait_closed().code == 1001
    assert not instance.processes()
    log = instance.log()
    assert log.index("probe: worker stop, 1 connections") < log.index("reason=shutdown")


def test_stop_does_not_wait_for_a_client_that_never_answers(probe):
    instance = probe(top={"stop_timeout": "1s"})
    with WebSocket(instance.port) as client:
        client.ask("hello")
        started = time.monotonic()
        instance.stop()
        instance.check_ended_in_time()
        crew.assert_took(started, 0, 5)


def test_stop_g_waits_for_the_connections(probe):
    instance = probe(top={"drain_timeout": "10m"})
    with WebSocket(instance.port) as client:
        client.ask("hello")
        stopping = subprocess.Popen([crew.CREWMAN, "stop", "-g", "-c", instance.config_path],
                                    env=instance.env, stdout=subprocess.DEVNULL)
        instance.wait_log("probe: worker drain")
        assert client.ask("still here") == "still here"
        assert crew.refuses(instance.port)  # nobody waits in vain
        assert stopping.poll() is None
        assert client.close() == 1000
    assert stopping.wait(crew.LONG) == 0
    assert not instance.processes()


def test_stop_g_is_bounded_by_drain_timeout(probe):
    instance = probe(top={"drain_timeout": "1s", "stop_timeout": "1s"})
    with WebSocket(instance.port) as client:
        client.ask("hello")
        started = time.monotonic()
        instance.stop("-g")
        instance.check_ended_in_time()
        crew.assert_took(started, 0.8, 6)
        assert client.wait_closed().code == 1001


def test_restart_is_a_stop_and_a_start(probe):
    instance = probe(workers=2)
    old_master = instance.master_pid()
    done = instance.verb("restart", "-d")
    assert done.returncode == 0, done.stderr
    assert instance.master_pid() != old_master
    assert [row["generation"] for row in instance.workers()] == [1, 1]
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_verbs_answer_3_when_nothing_runs(probe):
    instance = probe(is_started=False)
    for verb in (["stop"], ["stop", "-g"], ["reload"], ["status"], ["status", "--json"],
                 ["connections"], ["reopen-logs"]):
        done = instance.verb(*verb)
        assert done.returncode == 3, f"{verb}: {done}"
        assert "not running" in done.stderr


@pytest.mark.parametrize("args, hint", [
    (["statsu"], "status"), (["relaod"], "reload"), (["start", "--bogus"], "--bogus"),
    (["status", "--run-dir"], "--run-dir"), ([], "crewman help"),
    (["stop", "extra"], "extra"),
])
def test_wrong_usage_answers_2(instances, args, hint):
    done = instances().run(*args)
    assert done.returncode == 2
    assert hint in done.stderr
    assert done.stderr.strip()


def test_start_without_an_app(instances):
    instance = instances()
    done = instance.run("start", "--run-dir", str(instance.run_dir))
    assert done.returncode in (1, 2)
    assert "no app" in done.stderr


def test_version_and_help(instances):
    instance = instances()
    assert instance.run("version").stdout.startswith("crewman 0.1.0")
    helped = instance.run("help")
    assert helped.returncode == 0
    for verb in ("start", "stop", "restart", "reload", "status", "connections", "check",
                 "reopen-logs", "version"):
        assert verb in helped.stdout


def test_a_second_start_is_refused_and_names_the_first(probe):
    instance = probe()
    done = instance.start(expect=1)
    assert "already running" in done.stderr and str(instance.master_pid()) in done.stderr
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_two_starts_at_once_leave_one_master(probe):
    instance = probe(is_started=False)
    for _ in range(3):
        racers = [subprocess.Popen([crew.CREWMAN, "start", "-d", "-c", instance.config_path],
                                   env=instance.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                  for _ in range(4)]
        ends = [(racer.communicate(timeout=60), racer.returncode) for racer in racers]
        assert sorted(code for _, code in ends) == [0, 1, 1, 1], ends
        losers = [out[1] for out, code in ends if code == 1]
        assert all("already running" in text for text in losers), losers
        assert set(crew.children(instance.master_pid())) == set(instance.worker_pids())
        assert len(instance.processes()) == 2
        instance.stop()
        assert not instance.processes()


def test_a_stale_pid_file_does_not_block_a_start(probe):
    instance = probe(is_started=False)
    instance.run_dir.mkdir()
    # The pid of a living stranger: what a file is left with after a crash and a reboot.
    (instance.run_dir / "crewman.pid").write_text(f"{os.getpid()}\n")
    instance.start()
    assert instance.master_pid() != os.getpid()
    instance.stop()
    assert instance.verb("status").returncode == 3


def test_a_killed_master_does_not_block_the_next_start(probe):
    instance = probe(workers=2)
    instance.expect_errors("")
    os.kill(instance.master_pid(), signal.SIGKILL)
    crew.wait_for(lambda: not instance.processes(), 15, "the orphans' end")
    assert instance.verb("status").returncode == 3
    instance.start()
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_each_verb_says_that_it_is_done(probe):
    instance = probe()
    assert instance.reload().stdout.splitlines()[-1] == "Reloaded"
    assert instance.verb("reopen-logs").stdout == "Logs reopened\n"
    assert instance.stop().stdout == "Stopped\n"


def test_several_instances_know_themselves_by_run_dir(probe):
    first, second = probe(workers=1), probe(workers=2)
    assert len(first.workers()) == 1 and len(second.workers()) == 2
    by_dir = first.run("status", "--json", "--run-dir", str(second.run_dir))
    assert len(json.loads(by_dir.stdout)["workers"]) == 2
    first.stop()
    assert first.verb("status").returncode == 3
    with WebSocket(second.port) as client:
        assert client.ask("hello") == "hello"


def test_port_in_use_is_a_clear_refusal(probe):
    instance = probe(is_started=False)
    with socket.create_server(("127.0.0.1", instance.port)):
        for how in (["-d"], []):
            done = instance.verb("start", *how)
            assert done.returncode == 1
            assert f"127.0.0.1:{instance.port}" in done.stderr
            assert "address already in use" in done.stderr.lower()
            assert not instance.processes()
    instance.expect_errors("address already in use")
    instance.start()


def test_daemon_has_no_terminal_and_logs_what_the_app_prints(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        assert client.ask("!print words") == "printed"
    master, worker = instance.master_pid(), instance.worker_pids()[0]
    for pid in (master, worker):
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    for fd in (1, 2):
        assert os.readlink(f"/proc/{master}/fd/{fd}") == str(instance.log_path)
        assert os.readlink(f"/proc/{worker}/fd/{fd}").startswith("pipe:")
    assert os.getsid(instance.master_pid()) != os.getsid(0)
    for words in ("printed words", "complained words"):
        instance.wait_log(rf"notice +probe/0\[{worker}\] probe: {words}$")


def test_files_are_not_open_to_others(probe):
    instance = probe()
    assert stat.S_IMODE(instance.run_dir.stat().st_mode) & 0o022 == 0
    for entry in instance.run_dir.iterdir():
        mode = entry.stat().st_mode
        if stat.S_ISSOCK(mode):
            assert stat.S_IMODE(mode) == 0o600, entry
        else:
            assert stat.S_IMODE(mode) & 0o022 == 0, entry


def test_workers_inherit_only_what_was_handed_over(probe):
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    theirs = os.readlink(f"/proc/self/fd/{read_end}")
    instance = probe(workers=2, is_started=False)
    try:
        subprocess.run([crew.CREWMAN, "start", "-d", "-c", instance.config_path], check=True,
                       env=instance.env, stdout=subprocess.DEVNULL, close_fds=False)
    finally:
        os.close(read_end)
        os.close(write_end)
    worker = instance.worker_pids()[0]
    links = {os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")}
    assert theirs.startswith("pipe:") and theirs not in links
    listeners = sum(1 for link in links if link.startswith("socket:"))
    assert listeners == 2, links  # control pipe, listening socket


def test_run_dir_is_empty_of_sockets_after_a_stop(probe):
    instance = probe(workers=2)
    instance.stop()
    left = [entry.name for entry in instance.run_dir.iterdir()
            if stat.S_ISSOCK(entry.stat().st_mode)]
    assert left == []


def test_reopen_logs_after_a_rotation(probe):
    instance = probe(workers=2)
    instance.wait_log("probe: worker start", count=2)  # nothing of theirs is on its way
    rotated = instance.log_path.with_suffix(".1")
    instance.log_path.rename(rotated)
    assert instance.verb("reopen-logs").returncode == 0
    before = rotated.read_text()
    with WebSocket(instance.port) as client:
        assert client.ask("!log after") == "logged"
        assert client.ask("!print after") == "printed"
    instance.wait_log("probe: says after")
    instance.wait_log("probe: printed after")
    assert "probe: worker start" in before and rotated.read_text() == before


def test_nofile_limit_is_raised_as_far_as_allowed(probe):
    instance = probe(is_started=False)
    subprocess.run(["bash", "-c", "ulimit -Sn 64; exec \"$@\"", "start", crew.CREWMAN, "start",
                    "-d", "-q", "-c", instance.config_path], check=True, env=instance.env)
    for pid in [instance.master_pid(), *instance.worker_pids()]:
        limits = open(f"/proc/{pid}/limits").read()
        soft, hard = next(line for line in limits.splitlines()
                          if line.startswith("Max open files")).split()[3:5]
        assert soft == hard


def test_umask_is_022(probe):
    instance = probe(is_started=False)
    subprocess.run(["bash", "-c", "umask 0; exec \"$@\"", "start", crew.CREWMAN, "start",
                    "-d", "-q", "-c", instance.config_path], check=True, env=instance.env)
    for pid in [instance.master_pid(), *instance.worker_pids()]:
        assert "Umask:\t0022" in open(f"/proc/{pid}/status").read()
