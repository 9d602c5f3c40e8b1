"""Instructions for each message and request, counted by callgrind, against those in
bench/instructions.json: a test that does not depend on how busy the machine is.

Counted are the instructions of the worker, of the app and of libuv, whose work a worker may do itself;
not those of libc, which differ from processor to processor. A run with more messages less a run with fewer leaves what a message costs. After a change
that was meant: `/usr/bin/python3 tests/process/test_instructions.py` records anew.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import crew
from web import Client
from ws import WebSocket, frame

RECORD = crew.ROOT / "bench" / "instructions.json"
FEW, MANY = 320, 3520
FOLDER = crew.ROOT / "build" / "instructions"
OURS = re.compile(r"/(crewman-worker|echo\.so|hello\.so|libuv\.so[.\d]*)$")


def exchange_ws(port, count, depth):
    message = frame(b"twenty bytes of text") * depth
    with WebSocket(port) as client:
        for _ in range(count // depth):
            client.send_raw(message)
            for _ in range(depth):
                assert client.recv_frame() == (1, b"twenty bytes of text")


def exchange_http(port, count, depth):
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: counter\r\n\r\n" * depth
    with Client(port) as client:
        for _ in range(count // depth):
            client.send(request)
            for _ in range(depth):
                assert client.answer().body == b"hello"


# name: (app, protocol, exchange, requests under way)
SCENARIOS = {
    "ws-20": ("examples/echo.so", "echo", "websocket", exchange_ws, 1),
    "ws-20-depth16": ("examples/echo.so", "echo", "websocket", exchange_ws, 16),
    "http": ("bench/hello.so", "hello", "http", exchange_http, 1),
    "http-pipelined16": ("bench/hello.so", "hello", "http", exchange_http, 16),
}


def build():
    """Always with the same compiler and options."""
    if not (FOLDER / "build.ninja").exists():
        subprocess.run(["meson", "setup", FOLDER, crew.ROOT, "--buildtype=release",
                        "-Dtests=false"], check=True, capture_output=True,
                       env={**os.environ, "CC": "gcc"})
    subprocess.run(["ninja", "-C", FOLDER], check=True, capture_output=True)


def own_instructions(path):
    """The self cost of all functions of those objects, from a callgrind file."""
    total, is_ours, is_call = 0, False, False
    for line in path.read_text().splitlines():
        if line.startswith("ob="):
            is_ours = OURS.search(line) is not None
        elif line.startswith("calls="):
            is_call = True  # the line that follows is the cost of what was called
        elif re.match(r"[+*\d-]", line):
            if is_ours and not is_call:
                total += int(line.split()[1])
            is_call = False
    return total


def count_once(name, messages):
    app, service, protocol, exchange, depth = SCENARIOS[name]
    scratch = Path(tempfile.mkdtemp(prefix="crewc-", dir="/tmp"))
    port = crew.free_port()
    config = scratch / "crewman.json"
    config.write_text(json.dumps({
        "app": str(FOLDER / app), "run_dir": str(scratch / "run"), "watchdog": "0",
        "pin": False,  # valgrind's files name the objects by their paths
        "services": {service: {"listen": f"{protocol}://127.0.0.1:{port}", "workers": 1}}}))
    command = ["valgrind", "--tool=callgrind", "--trace-children=yes", "--compress-strings=no",
               "--compress-pos=no", f"--callgrind-out-file={scratch}/out.%p"]
    program = [FOLDER / "crewman"]
    try:
        said = scratch / "said"  # no pipe: valgrind keeps it open in the daemon
        with open(said, "w") as out:
            done = subprocess.run([*command, *program, "start", "-d", "-c", config], stdout=out,
                                  stderr=out, timeout=120)
        assert done.returncode == 0, said.read_text()
        exchange(port, messages, depth)
        subprocess.run([*program, "stop", "-c", config], capture_output=True, check=True,
                       timeout=60)
        files = [path for path in scratch.glob("out.*") if "on_message" in path.read_text()
                 or "on_request" in path.read_text()]
        return max(own_instructions(path) for path in files)
    finally:
        shutil.rmtree(scratch)


def count(name):
    return round((count_once(name, MANY) - count_once(name, FEW)) / (MANY - FEW), 1)


@pytest.fixture(scope="module")
def built():
    if crew.IS_SANITIZED:
        pytest.skip("counted in a release build only")
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    build()


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_more_instructions_than_recorded(built, name):
    recorded = json.loads(RECORD.read_text())[name]
    counted = count(name)
    assert counted <= recorded * 1.03, f"{name}: {counted} instructions, {recorded} recorded"
    assert counted >= recorded * 0.95, f"{name}: {counted}, fewer than the {recorded} recorded: " \
                                       "well done; record them, so that they stay"


if __name__ == "__main__":
    build()
    RECORD.write_text(json.dumps({name: count(name) for name in SCENARIOS}, indent=2) + "\n")
    sys.stdout.write(RECORD.read_text())
