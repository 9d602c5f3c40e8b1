"""limits.memory: what clients can make a worker hold, who pays beyond it, and that it comes back."""

import json
import re
import socket
import zlib
from contextlib import ExitStack

import pytest

import crew
from ws import BINARY, Closed, WebSocket, frame, handshake

MIB = 1024 * 1024
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"


def rss(pid, name="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read())[1]) * 1024


def from_afar(port, hello):
    """A connection of the address 127.0.0.2."""
    sock = socket.create_connection(("127.0.0.1", port), crew.LONG, ("127.0.0.2", 0))
    sock.sendall(hello)
    return sock


def bomb():
    """A fragment that inflates to 9 MiB, in 9 KiB; its message has no end."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflater.compress(bytes(9 * MIB)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return frame(packed, BINARY, fin=False, rsv=4)


def read_end(sock):
    """All that comes until the end; a reset is one too."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_a_hostile_address_pays_and_others_live(probe):
    # Who waits for the others must not be silent for too long on a slow machine.
    instance = probe(limits={"memory": "32m"}, websocket={"deflate": True},
                     heartbeat={"ping_interval": "0", "idle_timeout": "0"})
    pid = instance.worker_pids()[0]
    before = rss(pid)
    with ExitStack() as stack:
        innocents = [stack.enter_context(WebSocket(instance.port)) for _ in range(3)]
        hostile = [stack.enter_context(from_afar(instance.port, handshake(headers=[DEFLATE]) + bomb()))
                   for _ in range(100)]
        crew.wait_for(lambda: instance.worker()["shed"] >= 90, 60, "the hostile ones have paid")
        for client in innocents:
            assert client.ask("hello") == "hello"
        assert instance.worker()["memory"] <= 32 * MIB
        # One event adds 17 MiB at most; the sanitizers keep what is freed.
        if not crew.IS_SANITIZED:
            assert rss(pid, "VmHWM") < before + (32 + 2 * 17 + 30) * MIB
        ends = [sock for sock in hostile[:3] if b"\x03\xf5out of memory" in read_end(sock)]
        assert ends, "nobody was told"
        for client in innocents:
            assert client.ask("again") == "again"
    instance.wait_log(r"warning .*limits\.memory \(33554432 bytes\) was reached: \d+ connections "
                      r"closed, the last of 127\.0\.0\.2")
    assert instance.status()["totals"]["shed"] >= 90
    crew.wait_for(lambda: instance.worker()["memory"] == 0, 10, "nobody is left")


def test_a_request_beyond_it_is_answered_503(probe):
    instance = probe("http", limits={"memory": "2m"})
    head = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    with from_afar(instance.port, head) as sock:
        try:
            sock.sendall(bytes(4 * MIB))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert read_end(sock).startswith(b"HTTP/1.1 503 ")


@pytest.mark.alone
def test_memory_comes_back(probe):
    """Two hundred uploads that come and go. Between them lie connections that stay: their memory
    keeps malloc() from giving back what is free below it. The first upload goes alone: until one has
    gone malloc() maps each large block apart."""
    if crew.IS_SANITIZED:
        pytest.skip("the sanitizers keep what is freed")
    instance = probe("http", limits={"memory": "1g", "max_body": "10m"})
    pid = instance.worker_pids()[0]
    before = rss(pid)
    upload = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    with from_afar(instance.port, upload + bytes(8_000_000)):
        crew.wait_for(lambda: instance.worker()["memory"] > 7_000_000, 30, "the first upload")
    with ExitStack() as stays, ExitStack() as goes:
        for _ in range(200):
            goes.enter_context(from_afar(instance.port, upload + bytes(1_000_000)))
            stays.enter_context(from_afar(instance.port, b"GET / HTTP/1.1\r\nX: " + b"a" * 9000))
        crew.wait_for(lambda: instance.worker()["memory"] > 200_000_000, 60, "all is there")
        assert rss(pid) > before + 100 * MIB
        goes.close()
        crew.wait_for(lambda: rss(pid) < before + 32 * MIB, 60, "the memory is given back")


def test_check_prints_what_auto_is_and_warns(instances):
    def check(**limits):
        block = {"listen": f"websocket://127.0.0.1:{crew.free_port()}", "workers": 2, "limits": limits}
        instance = instances({"app": crew.app("probe"), "services": {"probe": block}})
        done = instance.verb("check")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["services"]["probe"]["limits"]["memory"], done.stderr

    size, _ = check()
    assert re.fullmatch(r"\d+[mg]", size)
    number = int(size[:-1]) * (MIB if size[-1] == "m" else 1024 * MIB)
    with open("/proc/meminfo") as meminfo:
        machine = int(re.search(r"MemTotal:\s+(\d+)", meminfo.read())[1]) * 1024
    assert 0 < 2 * number <= machine // 2
    assert check(memory="80m", max_message="10m") == ("80m", "")
    size, said = check(memory="64m", max_message="10m", max_body="8m")
    assert size == "64m"
    assert said == ("warning: services.probe.limits.max_message: found 10m; expected at most 8m, an "
                    "eighth of limits.memory (64m): otherwise a few clients can fill a worker\n")


def test_a_closed_one_says_why(probe):
    """One message alone is more than the worker may hold."""
    instance = probe(limits={"memory": "1m", "max_message": "10m"})
    with WebSocket(instance.port) as client:
        client.send_raw(frame(bytes(4 * MIB), BINARY)[:-1])
        with pytest.raises(Closed) as closed:
            client.recv()
        assert closed.value.code == 1013
