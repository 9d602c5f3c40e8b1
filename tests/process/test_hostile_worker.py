"""What the code of an app can do to the other workers and to the master, and that it is put right."""

import shutil
import socket
import subprocess

import pytest

import crew
from test_udp import Peer
from ws import dial


def ask(where, line, timeout=3):
    """The answer of a new connection, "" when it gets none."""
    try:
        with dial(where, timeout) as sock:
            sock.sendall(line.encode() + b"\n")
            return sock.makefile().readline().strip()
    except OSError:
        return ""


def ask_by_datagram(port, text, timeout=1):
    with Peer(port) as peer:
        peer.sock.settimeout(timeout)
        try:
            return peer.ask(text)
        except OSError:
            return ""


@pytest.fixture
def hostile(instances):
    def start(listen, env=None, **keys):
        instance = instances({"app": crew.app("hostile"), "reload_spread": "0",
                              "services": {"hostile": {"listen": listen, "workers": 2, **keys}}},
                             env=env)
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
        assert ask(port, way, crew.LONG) == way
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
    assert ask(path, "shut", crew.LONG) == "shut"
    instance.wait_log("has a new socket")
    crew.wait_for(lambda: ask(path, "hello") == "hello", 20, "an answer")
    crew.wait_for(lambda: is_healthy(instance) and not pids & set(instance.worker_pids()), 20,
                  "new workers")


def test_a_worker_that_dies_on_its_way_is_tried_again(hostile, tmp_path):
    """Or the one that it was to replace would keep the dead socket for good."""
    path = tmp_path / "hostile.sock"
    instance = hostile(f"text://unix:{path}", env={"HOSTILE": str(tmp_path)})
    instance.expect_errors("exited with code 3")
    pids = set(instance.worker_pids())
    (tmp_path / "die").touch()
    assert ask(path, "shut", crew.LONG) == "shut"
    instance.wait_log("exited with code 3")
    crew.wait_for(lambda: is_healthy(instance) and not pids & set(instance.worker_pids()), 30,
                  "new workers")


def is_ready_beside(instance, old):
    rows = instance.workers()
    return sum(row["state"] == "ready" and row["pid"] not in old for row in rows) == 2


@pytest.mark.parametrize("is_good", [True, False])
def test_a_reload_while_new_workers_come_for_a_new_socket(hostile, tmp_path, is_good):
    """They are ready before the reload has read anything: it goes on, with workers of its own."""
    path = tmp_path / "hostile.sock"
    instance = hostile(f"text://unix:{path}", env={"HOSTILE": str(tmp_path)})
    instance.expect_errors("reload: ")
    old = set(instance.worker_pids())
    (tmp_path / "start").touch()
    assert ask(path, "shut", crew.LONG) == "shut"
    instance.wait_log("has a new socket")
    (tmp_path / "describe").touch()
    if not is_good:
        instance.config["services"]["unknown"] = {}
        instance.write_config(instance.config)
    reload = subprocess.Popen([crew.CREWMAN, "reload", "-c", instance.config_path],
                              env=instance.env, stdin=subprocess.DEVNULL)
    try:
        instance.wait_log("reload: reading configuration")
        (tmp_path / "start").unlink()
        crew.wait_for(lambda: is_ready_beside(instance, old), 20, "workers with the new socket")
        (tmp_path / "describe").unlink()
        assert reload.wait(30 * crew.PATIENCE) == (0 if is_good else 1)
    finally:
        reload.kill()
        reload.wait()
    crew.wait_for(lambda: is_healthy(instance) and not old & set(instance.worker_pids()), 20,
                  "new workers alone")
    assert {ask(path, "hello", crew.LONG) for _ in range(8)} == {"hello"}


@pytest.mark.parametrize("way, pattern", [("shut", "has a new socket"), ("connect", "mended")])
def test_a_datagram_socket_that_a_worker_spoils_serves_again(hostile, way, pattern):
    port = crew.free_port()
    instance = hostile(f"udp://127.0.0.1:{port}")
    assert ask_by_datagram(port, way, crew.LONG) == way
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


LIAR = """#!/usr/bin/python3 -B
import json, os, socket, struct, sys
if "--describe" in sys.argv:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
def send(to, kind, **fields):
    body = json.dumps({{"v": 3, "type": kind, **fields}}).encode()
    to.sendall(struct.pack(">I", len(body)) + body)
pipe = socket.socket(fileno=3)
pipe.setblocking(True)
send(pipe, "hello", version="0.1.0")
send(pipe, "ready")
while True:
    data, fds, _, _ = socket.recv_fds(pipe, 65536, 1)
    if not data or b'"drain"' in data:
        os._exit(0)
    for client in (socket.socket(fileno=fd) for fd in fds):
        client.setblocking(True)
        try:
            while client.recv(4096):
                {answer}
        except OSError:
            pass
"""

SHOUTER = """#!/usr/bin/python3 -B
import json, os, socket, struct, sys
if "--describe" in sys.argv:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
def send(kind, **fields):
    body = json.dumps({{"v": 3, "type": kind, **fields}}).encode()
    pipe.sendall(struct.pack(">I", len(body)) + body)
pipe = socket.socket(fileno=3)
pipe.setblocking(True)
send("hello", version="0.1.0")
send("ready")
if not os.path.exists({said!r}):
    open({said!r}, "w").close()
    {says}
while b'"drain"' not in (pipe.recv(65536) or b'"drain"'):
    pass
"""


@pytest.mark.parametrize("says, reason", [
    ("send('hello', version='x' * 4000); send('hello', version='x' * 4000)", 'a second "hello"'),
    ("send('failed', reason='x' * 9000)", "a frame is longer than 8 KiB"),
    ("[send('beat') for i in range(300)]", "too many messages in a second"),
], ids=["greets", "long", "many"])
def test_a_worker_that_says_too_much_is_replaced(instances, says, reason):
    """None of it reaches the log, but why it was ended."""
    instance = instances({"app": crew.app("hostile"), "pin": False, "services": {
        "hostile": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1}}})
    instance.expect_errors("broke the control protocol", "control pipe: ")
    programs = instance.folder / "bin"
    programs.mkdir()
    shutil.copy(crew.CREWMAN, programs / "crewman")
    worker = programs / "crewman-worker"
    worker.write_text(SHOUTER.format(real=str(crew.WORKER), says=says, said=str(instance.folder / "said")))
    worker.chmod(0o755)
    subprocess.run([programs / "crewman", "start", "-d", "-q", "-c", instance.config_path],
                   env=instance.env, check=True, stdin=subprocess.DEVNULL, timeout=60 * crew.PATIENCE)
    instance.wait_log(reason)
    crew.wait_for(lambda: instance.is_ready() and instance.worker()["restarts"] == 1, 20,
                  "another in its place")
    assert "x" * 100 not in instance.log()


ROW = {"id": "\x1b]0;owned\x07", "service": "x\u202e", "slot": -5, "bytes_in": -1,
       "bytes_out": 2**63 - 1, "queued": -2**63, "idle_ms": 2**62, "rtt_ms": -7}


@pytest.mark.parametrize("answer, says", [
    (f"send(client, 'connections', list=[{ROW!r}], more=False)", r"1 connections"),
    ("send(client, 'connections', list=[7], more=False)", "did not answer"),
    ("send(client, 'connections', list='all', more=False)", "did not answer"),
    ("while True: send(client, 'connections', list=[{}] * 9999, more=True)", "did not answer"),
    ("client.sendall(bytes([0, 0, 16, 0]) + b'[' * 4096)", "did not answer"),
], ids=["numbers", "no-rows", "no-list", "no-end", "depth"])
def test_a_worker_that_lies_about_its_connections(instances, answer, says):
    """It is named, or its numbers are shown within reason; nothing of it reaches the terminal."""
    instance = instances({"app": crew.app("hostile"), "pin": False, "services": {
        "hostile": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1}}})
    programs = instance.folder / "bin"
    programs.mkdir()
    shutil.copy(crew.CREWMAN, programs / "crewman")
    liar = programs / "crewman-worker"
    liar.write_text(LIAR.format(real=str(crew.WORKER), answer=answer))
    liar.chmod(0o755)
    subprocess.run([programs / "crewman", "start", "-d", "-q", "-c", instance.config_path],
                   env=instance.env, check=True, stdin=subprocess.DEVNULL, timeout=60)
    done = instance.verb("connections")
    assert says in done.stdout + done.stderr, done
    assert done.returncode == (0 if "1 conn" in says else 1)
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert instance.verb("status").returncode == 0
