"""The load generator of bench/: it counts what happened, and a wrong answer is never counted as one."""

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import threading

import pytest

import crew

LOAD = crew.BUILD / "bench" / "bench-load"
FLOOR = crew.BUILD / "bench" / "bench-floor"
FAN = crew.BUILD / "bench" / "bench-fan"
FAN_FLOOR = crew.BUILD / "bench" / "bench-fan-floor"
pytestmark = pytest.mark.skipif(not LOAD.exists(), reason="built without -Dbench=true")


def run_load(port, *words, duration="0.3"):
    command = [LOAD, "--port", str(port), "--warmup", "0.1", "--duration", duration, *map(str, words)]
    # It ends with what it made for its connections; the sanitizer need not list that.
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    return done.returncode, json.loads(done.stdout)


def run_until(port, *words, done):
    """A run in which the server did not get to run for a while counts nothing."""
    for _ in range(10):
        code, counts = run_load(port, *words)
        if code != 0 or faults(counts) or counts["done"] >= done:
            break
    return code, counts


def faults(counts):
    return {name: count for name, count in counts["errors"].items() if name != "first" and count}


@pytest.fixture
def floor(request):
    port = crew.free_port()
    out_bytes = str(getattr(request, "param", 22))
    process = subprocess.Popen([FLOOR, str(port), "26", out_bytes], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "floor: listening\n"
    process.port = port
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def echo(instances):
    port = crew.free_port()
    one = instances({"app": str(crew.EXAMPLES / "echo.so"), "services": {"echo": {
        "listen": f"websocket://127.0.0.1:{port}", "workers": 1,
        "websocket": {"deflate": True}}}})
    one.port = port
    one.start()
    return one


def test_floor_is_counted(floor):
    code, counts = run_until(floor.port, "--protocol", "raw", "--raw-in", 26, "--raw-out", 22,
                             "--connections", 5, "--depth", 4, "--pid", floor.pid, done=100)
    assert code == 0 and not faults(counts)
    assert counts["open"] == 5 and counts["done"] >= 100
    assert 0 < counts["server_cpu_s"] < counts["seconds"] * 1.2
    latency = counts["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]


@pytest.mark.parametrize("floor", [2000], indirect=True)
def test_floor_does_not_pass_for_a_server(floor):
    code, counts = run_load(floor.port, "--connections", 1)
    assert code == 1 and counts["done"] == 0 and counts["errors"]["wrong"] == 1


@pytest.mark.parametrize("words", [(), ("--depth", 16), ("--size", 70000), ("--binary",),
                                   ("--deflate", "--size", 1000)])
def test_echo_is_counted(echo, words):
    code, counts = run_until(echo.port, "--connections", 4, *words, done=10)
    assert code == 0 and not faults(counts), counts["errors"]
    assert counts["open"] == 4 and counts["done"] >= 10


def test_open_loop_keeps_its_rate(echo):
    code, counts = run_load(echo.port, "--connections", 4, "--rate", 500, duration="3")
    assert code == 0 and not faults(counts)
    assert 0 < counts["per_second"] < 700  # less where nobody had the time for more


def test_handshakes_are_counted(echo):
    code, counts = run_until(echo.port, "--mode", "handshake", "--connections", 4, done=10)
    assert code == 0 and not faults(counts) and counts["done"] >= 10


def test_no_server_is_an_error():
    code, counts = run_load(crew.free_port(), "--connections", 3)
    assert code == 1 and counts["errors"]["connect"] == 3 and counts["open"] == 0


def one_bad_echo(listener, spoil):
    """A WebSocket server for one connection: answers the first message as `spoil` leaves it."""
    conn, _ = listener.accept()
    with conn:
        head = b""
        while b"\r\n\r\n" not in head:
            head += conn.recv(4096)
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head).group(1)
        accept = base64.b64encode(hashlib.sha1(
            key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        frame = conn.recv(4096)
        mask = frame[2:6]
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(frame[6:26]))
        conn.sendall(spoil(bytes([0x81, 20]) + payload))
        while conn.recv(4096):
            pass


@pytest.mark.parametrize("spoil, is_right", [
    (lambda frame: frame, True),
    (lambda frame: frame[:-1] + b"!", False),
    (lambda frame: frame[:2] + b"!" + frame[3:], False),
    (lambda frame: b"\x82" + frame[1:], False),
    (lambda frame: b"\x81\x13" + frame[2:-1], False),
], ids=["right", "last byte", "first byte", "opcode", "length"])
def test_wrong_payload_is_noticed(spoil, is_right):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=one_bad_echo, args=(listener, spoil), daemon=True)
        server.start()
        code, counts = run_load(listener.getsockname()[1], "--connections", 1)
        server.join(crew.LONG)
    assert counts["errors"]["wrong"] == (0 if is_right else 1), counts["errors"]
    assert code == (0 if is_right else 1)


# -- the load of a broadcast


def run_fan(port, *words, join="S%r", say="P%r%m"):
    done = subprocess.run([FAN, "--port", str(port), "--join", join, "--say", say, "--settle", "0",
                           "--rounds", "3", "--warmup", "0", "--gap", "0", "--timeout", "30000",
                           *map(str, words)], capture_output=True, text=True, timeout=110,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture(params=["floor", "crewman"])
def fan(request, instances):
    """The port and the words of a server with rooms."""
    port = crew.free_port()
    if request.param == "crewman":
        instances({"app": str(crew.BUILD / "bench" / "fan.so"), "services": {"fan": {
            "listen": f"websocket://127.0.0.1:{port}", "workers": 1,
            "websocket": {"deflate": True}}}}).start()
        yield port, ()
        return
    with subprocess.Popen([FAN_FLOOR, str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "floor: listening\n"
        yield port, ("--raw",)
        process.kill()


def test_a_broadcast_is_counted(fan):
    port, words = fan
    code, counts = run_fan(port, "--connections", 40, "--rooms", 4, "--joins-each", 2, *words)
    assert code == 0, counts
    assert counts["expected"] == counts["got"] == 3 * 20
    assert counts["twice"] == counts["stray"] == counts["closed"] == 0
    times = [counts[name]["p50"] for name in ("first_us", "p50_us", "p99_us", "last_us")]
    assert times == sorted(times)


@pytest.mark.parametrize("words", [("--deflate",), ("--size", 20000), ("--quiet", 20)])
def test_a_broadcast_of_every_kind(fan, words):
    port, kind = fan
    code, counts = run_fan(port, "--connections", 10, *words, *kind)
    assert code == 0 and counts["got"] == 30, counts
    assert counts["compressed"] == (30 if "--deflate" in words and not kind else 0)


def test_a_member_that_got_nothing_is_noticed(fan):
    port, words = fan
    code, counts = run_fan(port, "--connections", 5, *words, "--timeout", 100, say="X%r%m")
    assert code == 1 and counts["expected"] == 15 and counts["got"] == 0


def test_a_message_that_came_twice_is_noticed(fan):
    port, words = fan
    code, counts = run_fan(port, "--connections", 5, *words, "--join", "S%r")
    assert code == 1 and counts["twice"] > 0


def test_a_message_in_the_wrong_room_is_noticed(fan):
    """Room 0 gets all, also what was for room 1."""
    port, words = fan
    code, counts = run_fan(port, "--connections", 4, "--rooms", 2, "--timeout", 6000, *words,
                           say="P000000%m")
    assert code == 1 and counts["got"] == 2 and counts["stray"] > 0


def test_a_load_without_a_server_cannot_measure():
    code, said = run_fan(crew.free_port(), "--connections", 3)
    assert code == 2 and "refused" in said


@pytest.mark.parametrize("program, words", [
    (LOAD, ("--nonsense",)), (LOAD, ("extra",)), (LOAD, ("--protocol", "wss")), (LOAD, ("--size",)),
    (LOAD, ("--size", "-1")), (LOAD, ("--rate", "10x")), (LOAD, ("--depth", 0)),
    (LOAD, ("--path", "/" * 400)), (LOAD, ("--pid", 1) * 65), (FAN, ("--help",)), (FAN, ("--raw=1",)),
    (FAN, ("--join", "x") * 9), (FAN, ("--pid", 1) * 65), (FAN, ("--rooms", 1, "--joins-each", 2)),
])
def test_wrong_words_are_answered_with_the_usage(program, words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=crew.LONG)
    assert done.returncode == 2 and not done.stdout
    assert f"usage: {program.name.removeprefix('bench-')} [options]\n" in done.stderr
