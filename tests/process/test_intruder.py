"""What the code of an app does to the master through what the kernel lets a child do to its parent."""

import contextlib
import os
import signal

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


def test_a_stop_ends_beside_a_dead_worker_that_its_tracer_holds(intruder):
    instance = intruder()
    instance.expect_errors("killed by SIGKILL")
    with held(instance):
        instance.stop()
        assert not instance.run_dir.joinpath("crewman.pid").exists()
