"""The time between a start and READY: how long it may take, and what may happen meanwhile."""

import json
import subprocess

import pytest

import crew


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


def begin(instance, *words):
    """`start -d`, which goes on; the worker is there, and waits."""
    starting = subprocess.Popen([str(crew.CREWMAN), "start", "-d", "-c", str(instance.config_path), *words],
                                env=instance.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=instance.folder)
    crew.wait_for(lambda: waiting(instance), 20, "a worker that starts")
    return starting


def waiting(instance):
    """The row of the worker that waits, while it does."""
    done = instance.verb("status", "--json")
    rows = json.loads(done.stdout)["workers"] if done.returncode == 0 else []
    return next((row for row in rows if row["service"] == "a" and row["state"] == "starting" and row["pid"]),
                None)


def test_the_watchdog_is_no_deadline_of_a_start(slow):
    slow.write_config({**slow.top, "watchdog": "2s"})
    starting = begin(slow)
    crew.wait_for(lambda: waiting(slow)["uptime_ms"] > 3000, 20, "more than the watchdog's time")
    slow.let_go()
    assert starting.wait(30) == 0, starting.stderr.read()


def test_start_timeout_is_named(slow):
    slow.write_config({**slow.top, "start_timeout": "1s"})
    slow.expect_errors("a/0")
    done = slow.start(expect=1)
    assert "a/0 did not start: killed by SIGKILL (it was not ready within 1s (start_timeout))" in done.stderr
