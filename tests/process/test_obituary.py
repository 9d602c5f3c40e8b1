"""The last line about a worker says where it was when it died."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import crew
from ws import WebSocket

pytestmark = pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizer's report has the place")

PLACE = r"; at ((?:[^ ,]+, )*[^ ,]+)(?: \(probe\.so build-id ([0-9a-f]+)\))?$"


def die_of(instance, command):
    """Frames and build-id of the obituary."""
    instance.expect_errors("killed by SIG")
    with WebSocket(instance.port, timeout=crew.LONG) as client:
        pid = client.ask("!pid")
        client.send(command)
        client.wait_closed()
    line = instance.wait_log(rf"^.*\b{pid} killed by .*$")[0][0]
    place = re.search(PLACE, line)
    assert place, line
    instance.wait_ready()
    return place[1].split(", "), place[2]


def function_at(frame):
    file, offset = frame.split("+")
    assert file == "probe.so", frame
    if not shutil.which("addr2line"):
        pytest.skip("addr2line is not installed")
    return subprocess.run(["addr2line", "-fe", crew.app("probe"), offset], check=True, text=True,
                          capture_output=True).stdout.split()[0]


@pytest.mark.parametrize("command, number, function", [
    ("fault", "SEGV", "run_fault"), ("abort", "ABRT", "run_abort"), ("deep", "SEGV", "grow_stack")])
def test_the_innermost_frame_is_the_function_that_failed(probe, command, number, function):
    instance = probe()
    frames, build_id = die_of(instance, f"!{command}")
    assert f"killed by SIG{number}" in instance.log()
    assert function_at(frames[0]).startswith(function), frames
    said = subprocess.run(["file", crew.app("probe")], capture_output=True, text=True) \
        if shutil.which("file") else None
    if said and "BuildID" in said.stdout:
        assert f"={build_id}," in said.stdout


def test_a_call_to_nowhere_names_its_caller(probe):
    frames, _ = die_of(probe(), "!nowhere")
    assert frames[0] == "?" and function_at(frames[1]).startswith("run_nowhere"), frames


def test_without_pin_there_is_a_place_too(probe):
    frames, build_id = die_of(probe(top={"pin": False}), "!fault")
    assert function_at(frames[0]).startswith("run_fault") and build_id is None


def test_a_stuck_loop_is_found_where_it_stands(probe):
    instance = probe(top={"watchdog": "8s"})
    frames, _ = die_of(instance, "!block 600000")
    assert "SIGABRT" in instance.log()
    assert function_at(frames[0]).startswith("run_block"), frames


def test_a_worker_that_was_killed_has_no_place(probe):
    instance = probe()
    instance.expect_errors("SIGKILL")
    os.kill(instance.worker_pids()[0], signal.SIGKILL)
    assert not re.search(PLACE, instance.wait_log("^.*killed by SIGKILL.*$")[0][0])
    instance.wait_ready()
