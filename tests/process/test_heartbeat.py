"""Clients that fall silent are found in idle_timeout, and those that show life are left alone. What
proves life, and when, is tested by a clock of the test's own: tests/net/test_heartbeat.c."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import crew
from far_host import FarHost
from ws import WebSocket, dial

# Longer than a machine stands still: a client that is held up so long is dead.
IDLE_TIMEOUT = 15
FAST = {"ping_interval": "1s", "idle_timeout": f"{IDLE_TIMEOUT}s"}

# A client process: says that it is open and was answered, or fails in time; answers pings for ever;
# prints how it ended.
CLIENT = """
import sys
sys.path.insert(0, {folder!r})
from ws import WebSocket
client = WebSocket({where!r})
client.sock.settimeout(None)
for question in {asks!r}:
    client.ask(question)
print("open", flush=True)
print("closed", client.wait_closed().code, flush=True)
"""


@pytest.fixture
def client_process():
    started = []

    def start(where, prefix=(), asks=()):
        code = CLIENT.format(folder=os.path.dirname(__file__), where=where, asks=asks)
        process = subprocess.Popen([*prefix, sys.executable, "-B", "-c", code], text=True,
                                   stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(crew.LONG)
        process.stdout.close()


def test_a_stopped_client_is_closed_and_one_that_answers_pings_stays(probe, client_process):
    instance = probe(heartbeat=FAST)
    opened = time.monotonic()
    living, silent = client_process(instance.port), client_process(instance.port)
    crew.suspend(silent.pid)
    stopped = time.monotonic()
    instance.wait_log("reason=heartbeat", IDLE_TIMEOUT + 30)
    # It last spoke when it opened, or up to one ping interval before it was stopped.
    assert time.monotonic() - stopped > IDLE_TIMEOUT - (stopped - opened) - 1.2
    # The living one is as old, and was silent but for its pongs.
    assert living.poll() is None
    assert instance.log().count("reason=heartbeat") == 1
    assert "code=1006" in instance.wait_log(r"probe: close .*reason=heartbeat.*")[0][0]
    rows = instance.connections()
    assert len(rows) == 1 and rows[0]["rtt_ms"] >= 0
    crew.wait_for(lambda: instance.worker()["reaped"] == 1, 5, "the counter")


@pytest.fixture
def far_host():
    host = FarHost()
    yield host
    host.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_a_client_behind_a_dead_network_is_closed(probe, far_host, client_process):
    """No FIN, no RST, no acknowledgement: its packets are simply lost."""
    port = crew.free_port()
    instance = probe(listen=f"websocket://0.0.0.0:{port}", heartbeat=FAST)
    client_process((far_host.near, port), far_host.command())
    assert instance.connections()[0]["peer"].startswith(far_host.address)
    far_host.set_wire("down")
    instance.wait_log("reason=heartbeat", IDLE_TIMEOUT + 30)


def test_client_ping_is_answered_without_the_app(probe):
    instance = probe(heartbeat={"client_ping": "ping", "client_pong": "pong!"})
    with WebSocket(instance.port) as client:
        assert client.ask("ping") == "pong!"
        assert client.ask("pingping") == "pingping"


def test_ping_data_is_sent_to_those_without_pings(probe):
    instance = probe("text", heartbeat={"ping_interval": "1s", "idle_timeout": "30s",
                                        "ping_data": '{"type":"ping"}'})
    ping = b'{"type":"ping"}\n'
    with dial(instance.port) as sock, sock.makefile("rb") as lines:
        assert lines.readline() == ping
        sock.sendall(b"alive\n")
        while (line := lines.readline()) == ping:  # more than one, if we were late
            pass
        assert line == b"alive\n"
        rows = instance.connections()
        assert rows[0]["rtt_ms"] >= 0


def test_kernel_keepalive_and_user_timeout_are_set(probe):
    instance = probe("tcp", heartbeat={"tcp_keepalive": "40s", "tcp_user_timeout": "90s",
                                       "ping_interval": "25s", "idle_timeout": "60s"})
    with dial(instance.port) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        mine = sock.getsockname()[1]
        seen = []

        def is_fresh():
            """Its time runs, and begins again when it is over: we may look late."""
            shown = subprocess.run(["ss", "-tnoH", "src", f"127.0.0.1:{instance.port}", "dst",
                                    f"127.0.0.1:{mine}"], capture_output=True, text=True).stdout
            left = re.search(r"timer:\(keepalive,([0-9.]+)sec,", shown)
            seen.append(shown)
            return left and 30 <= float(left[1])

        crew.wait_for(is_fresh, 60, "the kernel's timer")
        assert not re.search(r"min|(4[1-9]|[5-9][0-9])(\.[0-9]+)?sec", "".join(seen)), seen


def test_the_heartbeat_example(instances):
    """The seed case as shipped, only with its own port: who came, who went and why."""
    port = crew.free_port()
    instance = instances({"app": str(crew.EXAMPLES / "heartbeat.so"), "services": {"heartbeat": {
        "listen": f"websocket://127.0.0.1:{port}",
        "heartbeat": {"ping_interval": "1s", "idle_timeout": "15s"}}}})
    instance.start()
    with WebSocket(port) as polite, WebSocket(port, answers_pings=False) as silent:
        mine = silent.sock.getsockname()[1]
        instance.wait_log(rf"came 127\.0\.0\.1:{mine}")
        assert polite.ask("ping") == "pong"
        assert '"online_s":' in polite.ask("how do I look?")
        gone = rf"gone 127\.0\.0\.1:{mine} after \d+ s, silent for \d+ s: heartbeat"
        crew.wait_for(lambda: polite.ask("ping") == "pong" and
                      re.search(gone, instance.written_log()), 45, "the silent client's end")
        gone = polite.sock.getsockname()[1]
        polite.close()
        instance.wait_log(rf"gone 127\.0\.0\.1:{gone} .*: peer")
