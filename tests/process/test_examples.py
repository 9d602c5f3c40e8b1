"""The examples as shipped: their own descriptors, their config files, and what their READMEs promise."""

import subprocess

import pytest

import crew
from test_streams import read_until
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


def test_echo_is_a_fifteen_line_app():
    text = (crew.ROOT / "examples" / "echo" / "echo.c").read_text()
    assert len(text.splitlines()) <= 15


def test_every_config_file_has_the_values_of_its_app(instances):
    """The file beside an app says the same as the app's own descriptor."""
    for name in ("echo", "heartbeat", "telnet"):
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


def test_telnet(example):
    instance = example("telnet", "text")
    with dial(instance.port) as ada, dial(instance.port) as bob:
        for sock in (ada, bob):
            assert read_until(sock, b"commands.\n").endswith(b"Welcome. /help lists the commands.\n")
        bobs = f"guest-{bob.getsockname()[1]}"
        assert read_until(ada, b"\n").decode() == f"* {bobs} came in\n"
        ada.sendall(b"/name Ada\r\n")
        assert read_until(bob, b"\n").endswith(b" is now Ada\n")
        assert read_until(ada, b"\n").endswith(b" is now Ada\n")
        bob.sendall(b"hello, room\n")
        assert read_until(ada, b"\n").decode() == f"{bobs}: hello, room\n"
        bob.sendall(b"/name two words\n")
        assert b"one word" in read_until(bob, b"\n")
        bob.sendall(b"/who\n")
        assert read_until(bob, b"2 here\n").decode().splitlines() == ["Ada", bobs, "2 here"]
        bob.sendall(b"/help\n")
        assert b"/quit" in read_until(bob, b"\n")
        ada.sendall(b"/quit\n")
        assert read_until(ada, b"never").endswith(b"Goodbye.\n")
        assert read_until(bob, b"\n") == b"* Ada left (local)\n"


def test_telnet_refuses_a_line_that_is_too_long(example):
    instance = example("telnet", "text")
    with dial(instance.port) as sock, dial(instance.port) as other:
        read_until(sock, b"commands.\n")
        sock.sendall(b"x" * 5000 + b"\n")
        try:
            read_until(sock, b"never")
        except ConnectionError:
            pass
        read_until(other, b"left (limit)\n")


def test_the_python_client_of_the_readmes(example):
    instance = example("echo", "websocket")
    done = subprocess.run(["/usr/bin/python3", "-m", "websockets",
                           f"ws://127.0.0.1:{instance.port}"], input="hello\n", text=True,
                          capture_output=True, timeout=30)
    assert "hello" in done.stdout, done
