"""What the code of an app does to the master through what the kernel lets a child do to its parent."""

import contextlib
import os
import signal
import socket

import pytest

import crew
from ws import dial


@pytest.fixture
def intruder(instances):
    def start(**keys):
        port = crew.free_port()
        instance = instances({"app": crew.app("intruder"), "reload_spread": "0", "services": {
            "intruder": {"listen": f"text://127.0.0.1:{port}", "workers": 1}}, **keys})
        instance.port = port
        instance.start()
        return instance
    return start


def tell(instance, word):
    with dial(instance.port, 10) as sock:
        sock.sendall(word.encode() + b"\n")


def wait_for_another(instance, old):
    crew.wait_for(lambda: instance.is_ready() and instance.worker_pids() != [old], 20,
                  "another worker in its place")


def test_a_worker_that_makes_the_master_its_tracer_is_ended(intruder):
    instance = intruder()
    instance.expect_errors("its tracer", "killed by SIGKILL")
    worker, = instance.worker_pids()
    tell(instance, "traced")
    wait_for_another(instance, worker)
    instance.wait_log(f"pid {worker} has made the master its tracer")
    instance.wait_log(f"pid {worker} killed by SIGKILL")
    assert not crew.is_alive(worker)
    instance.stop()
    assert not instance.processes()


@contextlib.contextmanager
def held(instance):
    """Its only worker, traced by a process that never waits for it."""
    worker, = instance.worker_pids()
    tell(instance, "held")
    tracer = int(instance.wait_log(r"held by (\d+)")[0][1])
    try:
        yield worker
    finally:
        os.kill(tracer, signal.SIGKILL)


def test_a_dead_worker_that_its_tracer_holds_is_replaced(intruder):
    instance = intruder()
    instance.expect_errors("killed by SIGKILL")
    with held(instance) as worker:
        os.kill(worker, signal.SIGKILL)
        wait_for_another(instance, worker)
        instance.wait_log(f"pid {worker} is dead, and the process that traces it")
    crew.wait_for(lambda: worker not in crew.children(instance.master_pid()), 20,
                  "the old one to be waited for after all")
    assert instance.is_ready()


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the leak check at the end cannot work beside a tracer")
def test_a_stop_ends_beside_a_dead_worker_that_its_tracer_holds(intruder):
    instance = intruder()
    instance.expect_errors("killed by SIGKILL")
    with held(instance):
        instance.stop()
        assert not instance.run_dir.joinpath("crewman.pid").exists()


def test_a_descriptor_that_is_slow_to_close_holds_up_nobody(intruder):
    """An hour, were it the master that closed it last."""
    instance = intruder()
    instance.expect_errors("control pipe", "broke the control protocol")  # before Linux 6.16
    tell(instance, "hand")
    instance.wait_log("handed over|broke the control protocol")
    crew.wait_for(instance.is_ready, 20, "an answer of the master, and a worker")
    instance.stop()


SO_PASSRIGHTS = 83


def kernel_refuses_descriptors():
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            return sock.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0) is None
        except OSError:
            return False


@pytest.mark.skipif(not kernel_refuses_descriptors(), reason="needs Linux 6.16")
def test_descriptors_of_clients_are_turned_away(intruder, tmp_path):
    path = tmp_path / "intruder.sock"
    instance = intruder(services={"intruder": {"listen": f"text://unix:{path}", "workers": 1}})
    with dial(path) as sock:
        with pytest.raises(PermissionError):
            socket.send_fds(sock, [b"hello\n"], [0])
        sock.sendall(b"hello\n")
        assert int(sock.makefile().readline()) == instance.worker_pids()[0]
