"""text, frame and tcp services; unix sockets, IPv6, reuse_port; limits a connection."""

import os
import socket
import stat
import struct

import pytest

import crew
from ws import WebSocket, dial


def read_until(sock, end):
    sock.settimeout(crew.LONG)
    data = b""
    while not data.endswith(end):
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece
    return data


def is_closed(sock):
    sock.settimeout(crew.LONG)
    try:
        while sock.recv(65536):
            pass
        return True
    except ConnectionError:
        return True


def block(body):
    return struct.pack(">I", len(body) + 4) + body


def test_text_lines(probe):
    instance = probe("text")
    with dial(instance.port) as sock:
        sock.sendall(b"one\ntwo\r\nthr")
        assert read_until(sock, b"two\n") == b"one\ntwo\n"
        sock.sendall(b"ee\n")
        assert read_until(sock, b"\n") == b"three\n"
        sock.sendall(b"\n")
        assert read_until(sock, b"\n") == b"\n"


def test_text_line_too_long(probe):
    instance = probe("text", limits={"max_message": "1k"})
    with dial(instance.port) as sock:
        sock.sendall(b"x" * 1024 + b"\n")
        assert len(read_until(sock, b"\n")) == 1025
        sock.sendall(b"x" * 3000)
        assert is_closed(sock)
    instance.wait_log("reason=limit")


def test_frames(probe):
    instance = probe("frame")
    with dial(instance.port) as sock:
        bodies = [b"", b"a", b"b" * 70000]
        for piece in (block(bodies[0]) + block(bodies[1]), block(bodies[2])[:9],
                      block(bodies[2])[9:]):
            sock.sendall(piece)
        wanted = b"".join(map(block, bodies))
        got = b""
        while len(got) < len(wanted):
            piece = sock.recv(65536)
            assert piece
            got += piece
        assert got == wanted


@pytest.mark.parametrize("head, reason", [(b"\0\0\0\0", "protocol"), (b"\0\0\0\3", "protocol"),
                                          (b"\0\0\x10\5", "limit|protocol"),
                                          (b"\xff\xff\xff\xff", "limit|protocol")])
def test_frames_with_an_impossible_length(probe, head, reason):
    instance = probe("frame", limits={"max_message": "4k"})
    with dial(instance.port) as sock:
        sock.sendall(head)
        assert is_closed(sock)
    instance.wait_log(f"reason=({reason})")


def test_tcp_bytes(probe):
    instance = probe("tcp")
    with dial(instance.port) as sock:
        data = os.urandom(300_000)
        sock.sendall(data)
        got = b""
        while len(got) < len(data):
            got += sock.recv(65536)
        assert got == data
        sock.shutdown(socket.SHUT_WR)
        assert is_closed(sock)
    instance.wait_log("reason=peer")


def test_a_reset_is_reported_as_io(probe):
    instance = probe("tcp")
    with dial(instance.port) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    instance.wait_log("reason=io")


def test_dual_stack(probe):
    port = crew.free_port()
    instance = probe("text", listen=f"text://[::]:{port}")
    with dial(("::1", port)) as sock:
        mine = sock.getsockname()[1]
        sock.sendall(b"!addr\n")
        assert read_until(sock, b"\n").decode() == f"6 ::1 {mine} | 6 ::1 {port}\n"
    with dial(("127.0.0.1", port)) as sock:
        mine = sock.getsockname()[1]
        sock.sendall(b"!addr\n")
        assert read_until(sock, b"\n").decode() == f"4 127.0.0.1 {mine} | 4 127.0.0.1 {port}\n"
    assert f"[::]:{port}" in instance.workers()[0]["listen"]


def test_unix_socket_with_mode(probe):
    instance = probe(is_started=False)
    path = instance.folder / "app.sock"
    instance.config["services"]["probe"].update(
        {"listen": f"text://unix:{path}", "socket": {"mode": "0640"}})
    instance.write_config(instance.config)
    instance.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with dial(path) as sock:
        sock.sendall(b"!addr\n")
        assert read_until(sock, b"\n").decode() == f"1  0 | 1 {path} 0\n"
    instance.stop()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
def test_unix_socket_with_owner(probe):
    instance = probe(is_started=False)
    path = instance.folder / "app.sock"
    instance.config["services"]["probe"].update(
        {"listen": f"websocket://unix:{path}",
         "socket": {"mode": "0660", "user": "www-data", "group": "daemon"}})
    instance.write_config(instance.config)
    instance.start()
    assert (path.owner(), path.group()) == ("www-data", "daemon")
    with WebSocket(path) as client:
        assert client.ask("hello") == "hello"


def test_a_dead_unix_socket_is_replaced_and_a_living_one_is_not(probe):
    instance = probe(is_started=False)
    path = instance.folder / "app.sock"
    instance.config["services"]["probe"]["listen"] = f"unix://{path}"
    instance.write_config(instance.config)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    instance.start()
    with dial(path) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    instance.stop()
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        instance.expect_errors("ddress already in use")
        done = instance.start(expect=1)
        assert str(path) in done.stderr
        assert path.exists()
    path.unlink()


def test_reuse_port_gives_each_slot_its_own_socket(probe):
    instance = probe("text", workers=2, reuse_port=True)
    seen = set()
    for _ in range(60):
        with dial(instance.port) as sock:
            sock.sendall(b"!who\n")
            seen.add(read_until(sock, b"\n"))
        if len(seen) == 2:
            break
    assert seen == {b"probe 0 1 1\n", b"probe 1 1 1\n"}


def test_max_connections_per_address(probe):
    instance = probe("text", limits={"max_connections_per_address": 2})
    kept = [dial(instance.port) for _ in range(2)]
    for sock in kept:
        sock.sendall(b"hello\n")
        assert read_until(sock, b"\n") == b"hello\n"
    with dial(instance.port) as third:
        assert is_closed(third)
    kept.pop().close()

    def is_served():
        with dial(instance.port) as sock:
            try:
                sock.sendall(b"hello\n")
                return read_until(sock, b"\n") == b"hello\n"
            except ConnectionError:
                return False
    crew.wait_for(is_served, 5, "a free place")
    kept.pop().close()


def test_message_rate(probe):
    instance = probe("text", limits={"message_rate": 20})
    with dial(instance.port) as slow, dial(instance.port) as fast:
        try:
            fast.sendall(b"x\n" * 2000)
        except ConnectionError:
            pass
        assert is_closed(fast)
        slow.sendall(b"hello\n")
        assert read_until(slow, b"\n") == b"hello\n"
    instance.wait_log("reason=limit")


def test_a_reader_that_does_not_read_is_bounded(probe):
    instance = probe(limits={"max_send_buffer": "256k"})
    with WebSocket(instance.port) as client:
        client.send("!flood 3000 60000")
        instance.wait_log(r"probe: flood .* full=[1-9]")
        row = next(iter(instance.connections()))
        assert row["queued"] <= 256 * 1024
        with WebSocket(instance.port) as other:
            assert other.ask("hello") == "hello"
    instance.wait_log("probe: close")


def test_one_service_is_idle_while_another_works(instances):
    ports = crew.free_port(), crew.free_port()
    instance = instances({"app": crew.app("duo"), "services": {
        "lines": {"listen": f"text://127.0.0.1:{ports[0]}"},
        "frames": {"listen": f"frame://127.0.0.1:{ports[1]}"}}})
    instance.start()
    with dial(ports[0]) as lines, dial(ports[1]) as frames:
        lines.sendall(b"hello\n")
        frames.sendall(block(b"hello"))
        assert read_until(lines, b"\n") == b"hello\n"
        assert read_until(frames, b"hello") == block(b"hello")
