"""An instance in the foreground whose terminal is closed ends; SIGHUP as such reloads."""

import os
import signal

import pytest

import crew
from terminal import Terminal


def words(instance):
    return [str(crew.CREWMAN), "start", "-c", str(instance.config_path)]


def wait_generation(instance, number):
    crew.wait_for(lambda: instance.status()["master"]["generation"] == number, 20, f"generation {number}")


def wait_end(instance):
    crew.wait_for(lambda: not instance.processes(), 20, "the end of all processes")


@pytest.mark.parametrize("as_job", [False, True])
def test_a_closed_terminal_ends_it(probe, as_job):
    """As the leader of the session, and as the job of a shell."""
    instance = probe(is_started=False)
    command = ["/bin/sh", "-c", " ".join(words(instance)) + "; true"] if as_job else words(instance)
    with Terminal(instance, *command) as terminal:
        instance.wait_ready()
        terminal.close()
        wait_end(instance)
        terminal.wait()


def test_a_hang_up_with_the_terminal_there_reloads(probe):
    instance = probe(is_started=False)
    with Terminal(instance, *words(instance)) as terminal:
        instance.wait_ready()
        os.kill(terminal.pid, signal.SIGHUP)
        wait_generation(instance, 2)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == 0


def test_a_shell_that_hangs_up_before_its_terminal_closes_ends_it_too(probe):
    """The job is in a session of its own: what the closing sends does not reach it."""
    instance = probe(is_started=False)
    master = instance.folder / "pid"
    with Terminal(instance, "/bin/bash", "-c", f"set -m; {' '.join(words(instance))} & echo $! > {master}; "
                                               "trap '' HUP; wait") as terminal:
        instance.wait_ready()
        pid = crew.wait_for(lambda: master.exists() and master.read_text().strip(), what="its pid")
        os.kill(int(pid), signal.SIGHUP)
        instance.wait_log("SIGHUP$")
        terminal.close()
        wait_end(instance)
        terminal.wait()


def test_nohup_outlives_the_terminal_and_a_reload_works(probe):
    instance = probe(is_started=False)
    log = instance.folder / "log"
    instance.config["log"]["file"] = str(log)
    instance.write_config(instance.config)
    with Terminal(instance, "/usr/bin/nohup", *words(instance)) as terminal:
        instance.log_path = log
        instance.wait_ready()
        terminal.close()
        instance.wait_log("the terminal is gone; the instance goes on")
        assert instance.status()["master"]["generation"] == 1
        os.kill(terminal.pid, signal.SIGHUP)
        wait_generation(instance, 2)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == 0


def test_a_daemon_outlives_the_terminal(probe):
    instance = probe(is_started=False)
    with Terminal(instance, *words(instance), "-d") as terminal:
        assert terminal.wait() == 0
        instance.log_path = instance.run_dir / "crewman.log"
        terminal.close()
        os.kill(instance.master_pid(), signal.SIGHUP)
        wait_generation(instance, 2)
        instance.stop()
