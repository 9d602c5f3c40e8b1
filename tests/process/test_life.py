"""Clients that hang up, do not read or do not finish: each is noticed, with real sockets. When and in
which order, by a clock of the test's own: test_hang_ups.c, test_outstanding.c and test_unfinished.c
of tests/net."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

import crew
from test_heartbeat import client_process, far_host  # noqa: F401
from test_streams import read_until
from ws import PING, PONG, TEXT, WebSocket, dial, frame

FOREVER = "!pause 600000"


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def wait_fds(instance, count):
    pid = instance.worker_pids()[0]
    crew.wait_for(lambda: crew.fd_count(pid) == count, 10, f"{count} descriptors")


@pytest.fixture(params=["websocket", "text", "unix"])
def paused(probe, request):
    """Connects, and has the app pause it: answers the socket."""
    protocol = request.param
    instance = probe("text" if protocol == "unix" else protocol, is_started=False)
    if protocol == "unix":
        instance.port = instance.folder / "app.sock"
        instance.config["services"]["probe"]["listen"] = f"text://unix:{instance.port}"
        instance.write_config(instance.config)
    instance.start()
    instance.idle_fds = crew.fd_count(instance.worker_pids()[0])

    def connect():
        if protocol == "websocket":
            client = WebSocket(instance.port)
            assert client.ask(FOREVER) == "paused"
            return client.sock
        sock = dial(instance.port)
        sock.sendall(f"{FOREVER}\n".encode())
        assert sock.recv(100) == b"paused\n"
        return sock

    return instance, connect


def test_a_paused_connection_notices_an_end(paused):
    instance, connect = paused
    socks = [connect() for _ in range(5)]
    wait_fds(instance, instance.idle_fds + 5)
    for sock in socks[:2]:
        sock.shutdown(socket.SHUT_WR)
    instance.wait_log("reason=peer", count=2)
    for sock in socks:
        sock.close()
    instance.wait_log("reason=peer", count=5)
    wait_fds(instance, instance.idle_fds)


def test_a_paused_connection_notices_a_reset(paused):
    instance, connect = paused
    is_unix = not isinstance(instance.port, int)  # it has none
    for sock in [connect() for _ in range(5)]:
        reset(sock)
    instance.wait_log("reason=peer" if is_unix else "reason=io", count=5)
    wait_fds(instance, instance.idle_fds)


def test_what_came_before_the_end_stays_and_costs_no_turns(paused):
    instance, connect = paused
    sock = connect()
    sock.sendall(b"\x81\x80abcd" if sock.family == socket.AF_INET else b"hello\n")
    sock.close()
    with instance.not_spinning(0.5, slot=0):
        pass
    assert len(instance.connections()) == 1


PROXY = """#include <crewman.h>
#include <stdlib.h>
{block}
static crew_conn *waiting;

/* Each second connection is the other side of the one before. */
static void on_open(crew_conn *conn) {{
    if (!waiting) {{
        waiting = conn;
        return;
    }}
    crew_conn *sides[] = {{waiting, conn}};
    for (int i = 0; i < 2; i++) {{
        crew_id *id = malloc(sizeof(*id));
        *id = crew_conn_id(sides[1 - i]);
        crew_conn_set_data(sides[i], id, free);
    }}
    waiting = NULL;
}}

static void on_message(crew_conn *conn, const crew_msg *msg) {{
    crew_conn_send(other_side(conn), msg->data, msg->len);
}}

CREW_APP({{ .name = "probe", .listen = "tcp://127.0.0.1:2397", .workers = 1, .on_open = on_open,
           .on_message = on_message, .on_close = on_close, .on_buffer_full = on_buffer_full,
           .on_buffer_drain = on_buffer_drain }})
"""


@pytest.fixture
def proxy(probe, tmp_path):
    guide = (crew.ROOT / "docs" / "app-guide.md").read_text()
    block = next(block for block in re.findall(r"```c\n(.*?)```", guide, re.S)
                 if "other_side(" in block)
    tmp_path.joinpath("proxy.c").write_text(PROXY.format(block=block))
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    f"-I{crew.ROOT / 'include'}", tmp_path / "proxy.c", "-o",
                    tmp_path / "proxy.so"], check=True)
    instance = probe("tcp", is_started=False, limits={"max_send_buffer": "1m"})
    instance.config["app"] = str(tmp_path / "proxy.so")
    instance.write_config(instance.config)
    instance.start()
    return instance


def send_until_paused(instance, sock):
    sock.setblocking(False)

    def is_paused():
        try:
            while True:
                sock.send(bytes(65536))
        except BlockingIOError:
            return any(row["state"] == "paused" for row in instance.connections())

    crew.wait_for(is_paused, 20, "a paused connection")


@pytest.mark.parametrize("how", ["end", "reset", "of the reader"])
def test_the_proxy_of_the_guide_leaves_no_descriptor(proxy, how):
    fds = crew.fd_count(proxy.worker_pids()[0])
    with dial(proxy.port) as sender:
        crew.wait_for(lambda: len(proxy.connections()) == 1, 10, "the first")
        with dial(proxy.port) as reader:
            crew.wait_for(lambda: len(proxy.connections()) == 2, 10, "the second")
            send_until_paused(proxy, sender)
            if how == "of the reader":
                reset(reader)
            elif how == "reset":
                reset(sender)
            else:
                sender.close()
                crew.wait_for(lambda: drain(reader), 20, "the end of all that was sent")
    wait_fds(proxy, fds)


def drain(sock):
    """Reads on; answers whether that was the end."""
    return sock.recv(1 << 20) == b""


def dribble(sock, piece, what):
    """A piece, and another, until we are answered: far below limits.min_rate. Answers what came."""
    sock.settimeout(0.05)

    def answer():
        try:
            sock.sendall(piece)
            return sock.recv(65536) or b"the end"
        except TimeoutError:
            return None
        except ConnectionError:
            return b"the end"

    return crew.wait_for(answer, 20, what)


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
BEGINNINGS = {
    "text": ("text", b"x", b"x", b"the end"),
    "frame": ("frame", struct.pack(">I", 1000), b"x", b"the end"),
    "body": ("http", POST + b"Content-Length: 1000\r\n\r\n", b"x", b"HTTP/1.1 408 "),
    "chunks": ("http", POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n",
               b"HTTP/1.1 408 "),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_never_ends_is_ended(probe, name):
    protocol, begin, piece, answer = BEGINNINGS[name]
    instance = probe(protocol, app="web", limits={"message_timeout": "1s"})
    with dial(instance.port) as sock:
        sock.sendall(begin)
        assert dribble(sock, piece, "its end").startswith(answer)


def test_fragments_that_never_end_are_ended_whatever_comes_between(probe):
    instance = probe(limits={"message_timeout": "1s"})
    with WebSocket(instance.port) as client:
        client.send(b"x" * 1000, TEXT, fin=False)
        client.sock.settimeout(0.05)
        seen = b""

        def is_closed():
            nonlocal seen
            try:
                client.send_raw(frame(b"alive", PING) + frame(b"x", 0, fin=False))
                seen += client.sock.recv(65536)
            except TimeoutError:
                pass
            return b"no complete message in time" in seen

        crew.wait_for(is_closed, 20, "the close frame")
        assert seen.split(b"no complete message")[0].endswith(struct.pack(">H", 1008))
    instance.wait_log("probe: problem .*no complete message in time")
    instance.wait_log("reason=timeout")


def read_slowly(sock, size, seconds, pace):
    """`size` bytes, spread over `seconds`."""
    got, steps = b"", 10 * seconds
    for step in range(1, steps + 1):
        pace()
        while len(got) < size * step // steps:
            piece = sock.recv(size * step // steps - len(got))
            assert piece, f"ended after {len(got)} bytes"
            got += piece
        crew.let_pass(0.1)  # the client is slow: that is the subject
    return got


@pytest.mark.parametrize("protocol", ["websocket", "text"])
def test_a_slow_reader_of_a_large_message_lives(probe, protocol):
    """Its pong lies behind 12 MB that take it four times as long as it may be silent."""
    size, idle = 12_000_000, 4
    instance = probe(protocol, heartbeat={"ping_interval": "1s", "idle_timeout": f"{idle}s"})

    def by_websocket(pace):
        with WebSocket(instance.port) as client:
            client.send(f"!flood 1 {size}")
            client.rest += read_slowly(client.sock, size, 4 * idle, pace)
            assert len(client.recv()[1]) == size
            assert client.recv_frame()[0] == PING
            assert client.ask("still here") == "still here"

    def by_text(pace):
        with dial(instance.port) as sock:
            sock.sendall(f"!flood 1 {size}\n".encode())
            assert read_slowly(sock, size, 4 * idle, pace) == bytes(size)
            sock.sendall(b"still here\n")
            assert read_until(sock, b"here\n") == b"\nstill here\n"

    crew.undisturbed(by_websocket if protocol == "websocket" else by_text, idle / 4)


def test_a_stopped_client_is_reaped_whatever_is_sent_to_it(probe, client_process):  # noqa: F811
    instance = probe(heartbeat={"ping_interval": "1s", "idle_timeout": "15s"})
    silent = client_process(instance.port)
    with WebSocket(instance.port) as living:
        crew.suspend(silent.pid)
        for _ in range(15 + 30):
            living.send("!all news")
            assert living.recv()[1] == b"news"
            if "reason=heartbeat" in instance.log():
                break
            crew.let_pass(1)  # a broadcast a second is the subject
        assert instance.log().count("reason=heartbeat") == 1
        silent.send_signal(signal.SIGCONT)


NEVER_READS = {"send_timeout": "1s", "max_send_buffer": "64m"}
FLOOD = "!flood 1 30000000"


@pytest.mark.parametrize("protocol", ["websocket", "text"])
def test_who_talks_and_never_reads_is_ended(probe, protocol):
    instance = probe(protocol, limits=NEVER_READS)
    sock = WebSocket(instance.port).sock if protocol == "websocket" else dial(instance.port)
    with sock:
        say = frame(FLOOD.encode()) if protocol == "websocket" else f"{FLOOD}\n".encode()
        alive = frame(b"", PONG) if protocol == "websocket" else b"!type\n"
        sock.sendall(say)

        def is_over():
            try:
                sock.sendall(alive)
            except ConnectionError:
                return True
            return False

        crew.wait_for(is_over, 20, "its end")
    instance.wait_log("reason=timeout")
    assert instance.worker()["reaped"] == 0


@pytest.mark.parametrize("limits, heartbeat, reason", [
    (NEVER_READS, {}, "timeout"),
    ({**NEVER_READS, "send_timeout": "0"}, {"ping_interval": "0", "idle_timeout": "10s"}, "heartbeat"),
], ids=["send_timeout", "idle_timeout"])
def test_who_never_reads_is_ended_in_a_pause(probe, limits, heartbeat, reason):
    """And who is paused and owes nothing is left alone."""
    instance = probe("tcp", limits=limits, heartbeat=heartbeat)
    with dial(instance.port) as blameless, dial(instance.port) as sock:
        blameless.sendall(FOREVER.encode())
        assert blameless.recv(100) == b"paused"
        sock.sendall(FLOOD.encode())
        instance.wait_log("probe: flood ")
        with contextlib.suppress(ConnectionError):  # where we were too late for the pause
            sock.sendall(FOREVER.encode())
        instance.wait_log(f"reason={reason}")
        assert [row["state"] for row in instance.connections()] == ["paused"]


def unacknowledged(port):
    """Bytes that the clients of a port of ours have yet to acknowledge."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[0], 16) for row in rows
               if row[1].endswith(f":{port:04X}") and row[3] == "01")


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
@pytest.mark.parametrize("keepalive, reason", [("1s", "io"), ("0", "heartbeat")],
                         ids=["nothing on its way", "something on its way"])
def test_a_pause_does_not_hide_a_host_that_has_vanished(probe, far_host, client_process,  # noqa: F811
                                                        keepalive, reason):
    """The kernel's keep-alive finds it, or what it does not acknowledge any more."""
    port = crew.free_port()
    instance = probe(listen=f"websocket://0.0.0.0:{port}", heartbeat={
        "ping_interval": "1s", "idle_timeout": "10s", "tcp_keepalive": keepalive})
    client_process((far_host.near, port), far_host.command(), [FOREVER])
    far_id = instance.wait_log(r"probe: open (\d+)")[0][1]
    crew.wait_for(lambda: unacknowledged(port) == 0, 10, "the acknowledgement of what it was sent")
    far_host.set_wire("down")
    if keepalive == "0":
        with WebSocket(port) as near:
            assert near.ask(f"!tell {far_id} anybody there?") == "told"
    instance.wait_log(f"probe: close {far_id} reason={reason}")
