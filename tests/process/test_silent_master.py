"""Verbs against a master that does not answer: each says so in a bounded time, and what it has not
done is not done later."""

import json
import os
import signal
import socket
import subprocess

import pytest

import admin
import crew
from ws import WebSocket

VERBS = [("stop",), ("stop", "-g"), ("reload",), ("reopen-logs",), ("status",), ("connections",), ("restart", "-d")]


@pytest.fixture
def stopped(probe):
    """An instance whose master stands still; at the end it goes on."""
    instance = probe()
    master = instance.master_pid()
    crew.suspend(master)
    yield instance
    os.kill(master, signal.SIGCONT)


def ask_all(instance, verbs):
    """At once, as each waits for some seconds."""
    running = [subprocess.Popen([str(crew.CREWMAN), *words, "-c", str(instance.config_path)], env=instance.env,
                                text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE) for words in verbs]
    for words, process in zip(verbs, running):
        errors = process.communicate(timeout=60 * crew.PATIENCE)[1]
        yield words, process.returncode, errors


def assert_goes_on(instance):
    """As if nobody had asked for anything."""
    os.kill(instance.master_pid(), signal.SIGCONT)
    crew.wait_for(instance.is_ready, 20, "the master to go on")
    assert instance.status()["master"]["generation"] == 1
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_each_verb_names_a_master_that_is_stopped(stopped):
    pid = stopped.master_pid()
    for words, code, errors in ask_all(stopped, VERBS):
        assert code == 1, words
        assert errors == (f"crewman: the master, pid {pid}, does not answer: it is stopped; continue it: "
                          f"kill -CONT {pid}\n"), words
    os.kill(pid, signal.SIGCONT)
    for verb in ("stop", "reload", "reopen_logs"):
        stopped.wait_log(f'admin: "{verb}" is not done: its client did not wait')
    assert_goes_on(stopped)


def test_a_full_backlog_is_no_endless_wait(stopped):
    pid = stopped.master_pid()
    waiting = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        waiting.append(client)
        try:
            client.connect(str(stopped.run_dir / "admin.sock"))
        except BlockingIOError:
            break
    for words, code, errors in ask_all(stopped, [("stop",), ("status",)]):
        assert code == 1, words
        assert f"the master, pid {pid}, does not answer: it is stopped" in errors, words
    for client in waiting:
        client.close()
    assert_goes_on(stopped)


def messages(sock):
    """The types of what comes."""
    while True:
        head = sock.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return
        yield json.loads(sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))["type"]


def test_a_master_that_works_on_it_says_so(probe):
    """So that the time that a verb waits has not to be guessed: a drain may take an hour."""
    instance = probe(top={"drain_timeout": "1h"})
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
        with admin.dial_master(instance) as sock:
            sock.sendall(admin.message("stop", graceful=True))
            seen = messages(sock)
            assert [next(seen), next(seen)] == ["wait", "wait"]
            client.close()
            assert set(seen) <= {"wait"}
    crew.wait_for(lambda: not instance.processes(), 10, "the end")
