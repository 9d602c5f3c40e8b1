"""What a generation runs is what was there when it was made: programs and apps are held and pinned."""

import os
import shutil
import signal
import subprocess

import pytest

import crew
from ws import WebSocket


@pytest.fixture
def copied(probe):
    """An instance whose programs are copies in instance.folder / "bin"."""
    def start(**options):
        instance = probe(is_started=False, **options)
        programs = instance.folder / "bin"
        programs.mkdir()
        shutil.copy(crew.CREWMAN, programs)
        shutil.copy(crew.WORKER, programs)
        instance.start_copy = lambda: subprocess.run(
            [programs / "crewman", "start", "-d", "-q", "-c", instance.config_path],
            capture_output=True, text=True, env=instance.env, timeout=60 * crew.PATIENCE)
        instance.bin = programs
        return instance
    return start


def replace_a_worker(instance):
    """Kills the worker and answers whom the next connection finds."""
    instance.expect_errors("SIGKILL")
    old = next(row["pid"] for row in instance.workers() if row["state"] == "ready")
    os.kill(old, signal.SIGKILL)
    crew.wait_for(lambda: instance.is_ready() and old not in instance.worker_pids(), 10,
                  "a replacement")
    with WebSocket(instance.port) as client:
        return client.ask("!who")


NO_PROGRAM = "#!/bin/sh\nexit 9\n"


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_workers_run_the_program_that_was_there_at_the_start(copied, change):
    """As while a package is being upgraded."""
    instance = copied()
    assert instance.start_copy().returncode == 0
    worker = instance.bin / "crewman-worker"
    worker.unlink()
    if change == "replaced":
        worker.write_text(NO_PROGRAM)
        worker.chmod(0o755)
    assert replace_a_worker(instance) == "probe 0 1 1"
    instance.reload()
    assert replace_a_worker(instance) == "probe 0 2 1"


def test_without_pin_workers_run_the_program_that_is_there_now(copied):
    instance = copied(top={"pin": False})
    instance.expect_errors("reload:")
    assert instance.start_copy().returncode == 0
    worker = instance.bin / "crewman-worker"
    worker.unlink()
    assert f"cannot start {worker}: no such file" in instance.reload(expect=1).stderr
    shutil.copy(crew.WORKER, worker)
    assert replace_a_worker(instance) == "probe 0 1 1"


def test_a_worker_program_that_is_not_there_fails_the_start(copied):
    instance = copied()
    (instance.bin / "crewman-worker").unlink()
    done = instance.start_copy()
    assert done.returncode == 1
    assert done.stderr == f"crewman: {instance.bin}/crewman-worker: No such file or directory; " \
                          "expected it beside crewman\n"
    assert not instance.processes()
