"""The examples as shipped: their own descriptors, their config files, and what their READMEs promise."""

import os
import subprocess
import threading

import pytest

import crew
from ws import WebSocket, dial


@pytest.fixture
def example(instances):
    """Starts an example with its own defaults but for the address."""
    def start(name, protocol):
        port = crew.free_port()
        instance = instances({"app": str(crew.EXAMPLES / f"{name}.so"),
                              "services": {name: {"listen": f"{protocol}://127.0.0.1:{port}"}}})
        instance.port = port
        instance.start()
        return instance
    return start


def test_echo(example):
    instance = example("echo", "websocket")
    assert len(instance.workers()) == 4
    clients = [WebSocket(instance.port) for _ in range(8)]
    for number, client in enumerate(clients):
        assert client.ask(f"hello {number}") == f"hello {number}"
        client.close()


def test_echo_loses_nothing_when_its_client_does_not_read(example):
    """It is paused, and gets every message once it reads."""
    instance = example("echo", "websocket")
    sizes = [300_000] * 3 + [9 << 20] * 2 + [1 << 20] * 16
    texts = [chr(ord("a") + i).encode() * size for i, size in enumerate(sizes)]
    with WebSocket(instance.port, timeout=60) as client:
        def send_all():
            for text in texts:
                client.send(text)
        sender = threading.Thread(target=send_all)
        sender.start()
        crew.wait_for(lambda: instance.connections()[0]["state"] == "paused", 30, "the pause")
        for text in texts:
            assert client.recv()[1] == text
        sender.join()


def test_echo_is_a_fifteen_line_app():
    text = (crew.ROOT / "examples" / "echo" / "echo.c").read_text()
    assert len(text.splitlines()) <= 15


def test_every_config_file_has_the_values_of_its_app(instances):
    """The file beside an app says the same as the app's own descriptor."""
    for name in ("echo", "heartbeat", "telnet", "protocol"):
        effective = []
        source = (crew.ROOT / "examples" / name / f"{name}.json").read_text()
        for config in ({"app": str(crew.EXAMPLES / f"{name}.so")},
                       source.replace(f'"{name}.so"', f'"{crew.EXAMPLES / name}.so"')):
            instance = instances(config)
            done = instance.run("check", "-c", str(instance.config_path), "--run-dir",
                                str(instance.run_dir))
            assert done.returncode == 0, done.stderr
            effective.append(done.stdout[done.stdout.index('"services"'):])
        assert effective[0] == effective[1]


class Guest:
    """One person at a terminal."""

    def __init__(self, port):
        self.sock = dial(port)
        self.lines = self.sock.makefile("rb")
        self.name = f"guest-{self.sock.getsockname()[1]}"
        assert self.read() == "Welcome. /help lists the commands."

    def type(self, line):
        self.sock.sendall(line.encode() + b"\r\n")

    def read(self):
        return self.lines.readline().decode().rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.sock.close()


def test_telnet(example):
    instance = example("telnet", "text")
    with Guest(instance.port) as ada, Guest(instance.port) as bob:
        assert ada.read() == f"* {bob.name} came in"
        ada.type("/name Ada")
        assert bob.read() == f"* {ada.name} is now Ada" == ada.read()
        bob.type("hello, room")
        assert ada.read() == f"{bob.name}: hello, room"
        bob.type("/name two words")
        assert "one word" in bob.read()
        bob.type("/who")
        assert [bob.read() for _ in range(3)] == ["Ada", bob.name, "2 here"]
        bob.type("/help")
        assert "/quit" in bob.read()
        ada.type("/quit")
        assert ada.read() == "Goodbye."
        assert ada.read() == ""
        assert bob.read() == "* Ada left (local)"


def test_who_does_not_read_leaves_the_room(instances):
    port = crew.free_port()
    instance = instances({"app": str(crew.EXAMPLES / "telnet.so"), "services": {"telnet": {
        "listen": f"text://127.0.0.1:{port}",
        "limits": {"message_rate": 0, "max_send_buffer": "8k", "close_timeout": "1s"}}}})
    instance.port = port
    instance.start()
    with Guest(port) as mute, Guest(port) as ada, Guest(port) as bob:
        assert ada.read() == f"* {bob.name} came in"
        said = 0
        while bob.name in (line := ada_hears(ada, bob, said)):
            said += 1
        assert line == f"* {mute.name} left (local)"


def ada_hears(ada, bob, number):
    """What Ada reads next, when Bob has said a line."""
    bob.type(f"{number} " + "x" * 900)
    return ada.read()


def test_telnet_refuses_a_line_that_is_too_long(example):
    instance = example("telnet", "text")
    with Guest(instance.port) as loud, Guest(instance.port) as other:
        loud.type("x" * 5000)
        assert other.read() == f"* {loud.name} left (limit)"


def test_the_python_client_of_the_readmes(example):
    instance = example("echo", "websocket")
    client = subprocess.Popen(["/usr/bin/python3", "-u", "-m", "websockets",
                               f"ws://127.0.0.1:{instance.port}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        client.stdin.write(b"good morning\n")
        client.stdin.flush()
        seen = b""
        while b"< good morning" not in seen:
            piece = os.read(client.stdout.fileno(), 4096)
            assert piece, seen
            seen += piece
    finally:
        client.stdin.close()
        client.wait(crew.LONG)
        client.stdout.close()
