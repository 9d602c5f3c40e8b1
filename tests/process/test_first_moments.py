"""The time between a start and READY: how long it may take, and what may happen meanwhile."""

import json
import os
import signal
import subprocess

import pytest

import crew
from test_faults import start_copy
from ws import WebSocket


@pytest.fixture
def slow(instances):
    """Its one worker waits at its start until let_go(); nothing is started yet."""
    instance = instances()
    instance.env["PAIR_FOLDER"] = str(instance.folder)
    hold = instance.folder / "wait.a.0"
    hold.touch()
    instance.let_go = hold.unlink
    instance.top = {"app": crew.app("pair"),
                    "services": {"a": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1},
                                 "b": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1}}}
    instance.write_config(dict(instance.top))
    return instance


def hang_up_by_default():
    """The tests may run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def begin(instance, *words):
    """`start -d`, which goes on; the worker is there, and waits."""
    starting = subprocess.Popen([str(crew.CREWMAN), "start", "-d", "-c", str(instance.config_path), *words],
                                env=instance.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=instance.folder,
                                preexec_fn=hang_up_by_default)
    crew.wait_for(lambda: waiting(instance), 20, "a worker that starts")
    return starting


def waiting(instance):
    """The row of the worker that waits, while it does."""
    done = instance.verb("status", "--json")
    rows = json.loads(done.stdout)["workers"] if done.returncode == 0 else []
    return next((row for row in rows if row["service"] == "a" and row["state"] == "starting" and row["pid"]),
                None)


def test_the_watchdog_is_no_deadline_of_a_start(slow):
    slow.write_config({**slow.top, "watchdog": "8s"})
    starting = begin(slow)
    crew.wait_for(lambda: waiting(slow)["uptime_ms"] > 9000, 20, "more than the watchdog's time")
    slow.let_go()
    assert starting.wait(crew.LONG) == 0, starting.stderr.read()


def test_start_timeout_is_named(slow):
    del slow.top["services"]["b"]  # which would have to be ready in time
    slow.write_config({**slow.top, "start_timeout": "1s"})
    slow.expect_errors("a/0")
    done = slow.start(expect=1)
    assert "a/0 did not start: killed by SIGKILL (it was not ready within 1s (start_timeout))" in done.stderr


ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", ENDS)
def test_a_start_that_is_interrupted_leaves_nothing(slow, number):
    starting = begin(slow)
    starting.send_signal(number)
    assert starting.wait(crew.LONG) == 1
    assert "crewman: interrupted; the instance was not started\n" in starting.stderr.read()
    crew.wait_for(lambda: not slow.processes(), 10, "the end of all processes")


def test_a_start_whose_command_is_killed_leaves_nothing(slow):
    starting = begin(slow)
    starting.kill()
    assert starting.wait(crew.LONG) == -signal.SIGKILL
    crew.wait_for(lambda: not slow.processes(), 20, "the end of all processes")


def test_a_reload_signal_does_not_end_the_command_that_waits(slow):
    starting = begin(slow)
    starting.send_signal(signal.SIGUSR1)
    slow.let_go()
    assert starting.wait(crew.LONG) == 0, starting.stderr.read()


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_in_the_first_moments_means_what_the_command_says(probe, number):
    """Wherever it comes: the code is 0 and the instance runs, or it is not and nothing is left."""
    instance = probe(is_started=False)
    for _ in range(5):
        starting = subprocess.Popen([str(crew.CREWMAN), "start", "-d", "-c", str(instance.config_path)],
                                    env=instance.env, stdin=subprocess.DEVNULL, cwd=instance.folder,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    preexec_fn=hang_up_by_default)
        starting.send_signal(number)
        if starting.wait(crew.LONG) == 0:
            assert instance.is_ready()
            instance.stop()
        else:
            crew.wait_for(lambda: not instance.processes(), 10, "the end of all processes")


def test_a_daemon_that_stands_still_while_it_starts_is_given_up(slow):
    """Its command waits no longer than 15 s for a sign of life."""
    starting = begin(slow)
    crew.suspend(slow.master_pid())
    assert starting.wait(60 * crew.PATIENCE) == 1
    assert "shows no sign of life; it was not started" in starting.stderr.read()
    crew.wait_for(lambda: not slow.processes(), 20, "the end of all processes")


def test_a_reload_that_is_asked_for_during_the_start_follows_it(slow):
    starting = begin(slow)
    os.kill(slow.master_pid(), signal.SIGHUP)
    slow.let_go()
    assert starting.wait(crew.LONG) == 0, starting.stderr.read()
    crew.wait_for(lambda: slow.status()["master"]["generation"] == 2, 20, "generation 2")


IMPATIENT_WORKER = """#!/usr/bin/python3 -B
import os, signal, sys
if ("--describe" in sys.argv) == {describes}:
    os.kill(os.getpid(), signal.{name})
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


@pytest.mark.parametrize("name, describes", [
    ("SIGUSR1", False), ("SIGUSR2", False), ("SIGHUP", False), ("SIGINT", False), ("SIGQUIT", False),
    ("SIGUSR1", True), ("SIGUSR2", True), ("SIGHUP", True)])
def test_a_signal_to_a_worker_that_has_no_handlers_yet_does_not_end_it(probe, name, describes):
    """As of `kill -USR1` to all processes of the name: it comes before the program's first line. So to one
    that only describes an app."""
    instance = probe(is_started=False)
    programs = instance.folder / "bin"
    start_copy(instance)
    instance.stop()
    worker = programs / "crewman-worker"
    worker.unlink()
    worker.write_text(IMPATIENT_WORKER.format(name=name, describes=describes, real=str(crew.WORKER)))
    worker.chmod(0o755)
    subprocess.run([programs / "crewman", "start", "-d", "-q", "-c", instance.config_path], check=True,
                   env=instance.env, timeout=60)
    assert [row["restarts"] for row in instance.workers()] == [0]
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_in_the_first_moments_of_the_foreground_ends_it(probe, number):
    instance = probe(is_started=False)
    for _ in range(3):
        starting = instance.start_foreground("-q", wait=False)
        starting.send_signal(number)
        assert starting.wait(crew.LONG) in (0, 1, -number)
        crew.wait_for(lambda: not instance.processes(), 10, "the end of all processes")
        instance.process = None
