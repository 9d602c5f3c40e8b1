"""An address that somebody else has: the message names who, and what to do when it is stopped."""

import os
import signal
import subprocess
import sys

import pytest

import crew
from ws import WebSocket


def orphan(instance):
    """A stopped worker without a master, which keeps what it listens on; its pid."""
    worker = instance.worker_pids()[0]
    master = instance.master_pid()
    crew.suspend(worker)
    os.kill(master, signal.SIGKILL)
    crew.wait_for(lambda: not crew.is_alive(master), 10, "the end of the master")
    return worker


@pytest.mark.parametrize("listen", ["websocket://127.0.0.1:{port}", "websocket://[::1]:{port}",
                                    "udp://127.0.0.1:{port}", "websocket://unix:{folder}/x.sock"])
def test_a_stopped_orphan_that_keeps_the_address_is_named(probe, listen):
    instance = probe(is_started=False)
    listen = listen.format(port=instance.port, folder=instance.folder)
    instance.config["services"]["probe"]["listen"] = listen
    instance.write_config(instance.config)
    instance.start()
    worker = orphan(instance)
    done = instance.start(expect=1)
    assert (f"cannot listen on {listen}: Address already in use by crewman: worker, pid {worker}, which "
            f"is stopped: continue it (kill -CONT {worker}) or end it (kill -KILL {worker})\n") in done.stderr
    os.kill(worker, signal.SIGCONT)
    crew.wait_for(lambda: not crew.is_alive(worker), 20, "the orphan to drain")
    instance.start()


def hold(port, host="127.0.0.1"):
    """Another program that listens there."""
    text = f"import socket; s = socket.create_server(('{host}', {port})); print('there', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n"
    return process


@pytest.mark.parametrize("verb", ["start", "reload"])
def test_another_program_that_has_the_address_is_named(probe, verb):
    instance = probe(is_started=verb == "reload")
    instance.expect_errors("ddress already in use")
    port = crew.free_port()
    with hold(port) as other:
        instance.config["services"]["probe"]["listen"] = f"websocket://127.0.0.1:{port}"
        instance.write_config(instance.config)
        done = instance.verb(verb, *(["-d"] if verb == "start" else []))
        assert done.returncode == 1
        assert f"Address already in use by python3, pid {other.pid}\n" in done.stderr
        other.communicate(b"\n")


def test_another_program_in_the_way_of_a_wider_address_is_named_and_we_are_not(probe):
    """Our workers have the narrower one, which is in nobody's way."""
    instance = probe()
    instance.expect_errors("ddress already in use")
    with hold(instance.port, "127.0.0.2") as other:
        instance.config["services"]["probe"]["listen"] = f"websocket://0.0.0.0:{instance.port}"
        instance.write_config(instance.config)
        done = instance.reload(expect=1)
        assert f"Address already in use by python3, pid {other.pid}\n" in done.stderr
        other.communicate(b"\n")
    instance.reload()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_may_not_look_is_told_less(probe):
    instance = probe(is_started=False)
    instance.config["app"] = crew.copy_for_others(crew.app("probe"), instance.folder)
    with hold(instance.port) as other:
        instance.write_config(instance.config)
        done = instance.run_as_nobody("start", "-d", "-c", str(instance.config_path))
        assert done.returncode == 1
        assert "Address already in use (another process listens there; \"ss -ltnup\" names it to root)" in done.stderr
        other.communicate(b"\n")


def test_a_running_instance_that_is_stopped_is_called_so(probe):
    instance = probe()
    master = instance.master_pid()
    crew.suspend(master)
    done = instance.start(expect=1)
    assert f"already running, pid {master}, which is stopped: kill -CONT {master} continues it (" in done.stderr
    os.kill(master, signal.SIGCONT)
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
