"""System calls of a broadcast: counted between the worker and libc, so that no clock matters."""

import array

import pytest

import crew
from ws import TEXT, WebSocket, frame

MESSAGES = 16
# Writes to each of the others for MESSAGES messages that arrive in one segment.
WRITES_FOR_EACH = 1


@pytest.fixture
def counted(probe, tmp_path):
    """An instance whose worker counts its writes; writes_to(client) answers them."""
    tmp_path.chmod(0o1777)
    instance = probe(env={"LD_PRELOAD": crew.app("sends"), "SENDS_FILE": str(tmp_path / "sends")})
    counters = tmp_path / f"sends.{instance.worker_pids()[0]}"

    def writes_to(client):
        return array.array("I", counters.read_bytes())[client.sock.getsockname()[1]]

    instance.writes_to = writes_to
    return instance


def test_each_write_is_counted_once(counted):
    with WebSocket(counted.port) as client:
        before = counted.writes_to(client)
        for number in range(5):
            assert client.ask("hello") == "hello"
            assert counted.writes_to(client) == before + number + 1


def test_writes_of_a_broadcast(counted):
    sender = WebSocket(counted.port)
    others = [WebSocket(counted.port) for _ in range(3)]
    try:
        assert [client.ask("ready") for client in others] == ["ready"] * 3
        before = [counted.writes_to(client) for client in others]
        sender.send_raw(b"".join(frame(f"!all {number}".encode()) for number in range(MESSAGES)))
        for client in (sender, *others):
            received = [client.recv() for _ in range(MESSAGES)]
            assert received == [(TEXT, str(number).encode()) for number in range(MESSAGES)]
        assert [counted.writes_to(client) - count for client, count in zip(others, before)] == \
            [WRITES_FOR_EACH] * 3
    finally:
        for client in (sender, *others):
            client.sock.close()
