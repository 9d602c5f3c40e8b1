"""What the code of an app can do to the other workers and to the master, and that it is put right."""

import socket

import pytest

import crew
from test_udp import Peer
from ws import dial


def ask(where, line):
    """The answer of a new connection, "" when it gets none."""
    try:
        with dial(where, 3) as sock:
            sock.sendall(line.encode() + b"\n")
            return sock.makefile().readline().strip()
    except OSError:
        return ""


def ask_by_datagram(port, text):
    with Peer(port) as peer:
        peer.sock.settimeout(1)
        try:
            return peer.ask(text)
        except OSError:
            return ""


@pytest.fixture
def hostile(instances):
    def start(listen, **keys):
        instance = instances({"app": crew.app("hostile"), "reload_spread": "0",
                              "services": {"hostile": {"listen": listen, "workers": 2, **keys}}})
        instance.expect_errors("spoilt")
        instance.start()
        return instance
    return start


def is_healthy(instance):
    """Both workers are there, and none is deaf or on its way out."""
    rows = instance.workers()
    return len(rows) == 2 and all(row["state"] == "ready" for row in rows)


@pytest.mark.parametrize("reuse_port", [False, True])
@pytest.mark.parametrize("way", ["shut", "disconnect", "wait"])
def test_a_stream_that_a_worker_spoils_serves_again(hostile, way, reuse_port):
    port = crew.free_port()
    instance = hostile(f"text://127.0.0.1:{port}", reuse_port=reuse_port)
    pids = instance.worker_pids()
    with dial(port) as bystander:
        assert ask(port, way) == way
        instance.wait_log("a worker has spoilt .*mended")
        crew.wait_for(lambda: {int(ask(port, "pid") or 0) for _ in range(20)} == set(pids), 20,
                      "both workers to serve again")
        bystander.sendall(b"hello\n")
        assert bystander.recv(100) == b"hello\n"
    with instance.not_spinning(0.5, 0), instance.not_spinning(0.5, 1):
        pass
    assert instance.worker_pids() == pids and is_healthy(instance)
    assert instance.status()["master"]["sockets_mended"] >= 1


def test_a_unix_socket_that_a_worker_spoils_is_replaced(hostile, tmp_path):
    path = tmp_path / "hostile.sock"
    instance = hostile(f"text://unix:{path}")
    pids = set(instance.worker_pids())
    assert ask(path, "shut") == "shut"
    instance.wait_log("has a new socket")
    crew.wait_for(lambda: ask(path, "hello") == "hello", 20, "an answer")
    crew.wait_for(lambda: is_healthy(instance) and not pids & set(instance.worker_pids()), 20,
                  "new workers")


@pytest.mark.parametrize("way, pattern", [("shut", "has a new socket"), ("connect", "mended")])
def test_a_datagram_socket_that_a_worker_spoils_serves_again(hostile, way, pattern):
    port = crew.free_port()
    instance = hostile(f"udp://127.0.0.1:{port}")
    assert ask_by_datagram(port, way) == way
    instance.wait_log(pattern)
    crew.wait_for(lambda: is_healthy(instance), 20, "both workers")
    crew.wait_for(lambda: ask_by_datagram(port, "hello") == "hello", 20, "an answer")


def test_a_socket_that_cannot_be_replaced_is_shown(hostile, tmp_path):
    """Somebody else's lies there by then: nothing is taken away from anybody."""
    path = tmp_path / "hostile.sock"
    instance = hostile(f"text://unix:{path}")
    instance.expect_errors("cannot listen")
    with dial(path) as inside, socket.socket(socket.AF_UNIX) as other:
        path.unlink()
        other.bind(str(path))
        other.listen()
        inside.sendall(b"shut\n")
        assert inside.recv(100) == b"shut\n"
        instance.wait_log("cannot listen on .*hostile.sock")
        assert {row["state"] for row in instance.workers()} == {"deaf"}
        inside.sendall(b"hello\n")
        assert inside.recv(100) == b"hello\n"
        assert path.is_socket()
