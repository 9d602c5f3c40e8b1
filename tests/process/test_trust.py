"""What processes of others may bring about: texts on their way to a terminal."""

import contextlib
import json
import re
import shutil
import socket
import struct
import subprocess
import threading

import pytest

import crew

ODD = "\x1b]0;title\x07\x9b2J\u202e\x7f"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffd]")


def message(kind, **fields):
    body = json.dumps({"v": 3, "type": kind, **fields}).encode()
    return struct.pack(">I", len(body)) + body


@contextlib.contextmanager
def fake_master(run_dir, *answers):
    """Answers each client with these bytes, whatever it asks; yields what was asked."""
    run_dir.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(run_dir / "admin.sock"))
    server.listen(8)
    asked = []

    def serve():
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(10)
                asked.append(client.recv(65536))
                for answer in answers:
                    client.sendall(answer)
                while client.recv(65536):
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


DESCRIBES = r"""#!/bin/sh
printf '\033]0;title\007\302\2332J\342\200\256\377 is the reason\n' >&2
exit 1
"""


@pytest.mark.parametrize("verb", [("start",), ("start", "-d"), ("check",)], ids=" ".join)
def test_an_app_does_not_steer_the_terminal_of_a_start(instances, verb):
    instance = instances({"app": crew.app("probe")})
    programs = instance.folder / "bin"
    programs.mkdir()
    shutil.copy(crew.CREWMAN, programs / "crewman")
    fake = programs / "crewman-worker"
    fake.write_text(DESCRIBES)
    fake.chmod(0o755)
    done = subprocess.run([programs / "crewman", *verb, "-c", instance.config_path],
                          env=instance.env, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 1 and "is the reason" in said
    assert not STEERS.search(said), repr(said)


@pytest.mark.parametrize("verb, answers", [
    (("reload",), [message("progress", text=f"one {ODD}"), message("refused", reason=ODD)]),
    (("stop",), [message("progress", text=ODD), message("refused", reason=f"why {ODD}")]),
    (("reopen-logs",), [message("refused", reason=ODD)]),
    (("status",), [message("status", workers=[{"service": ODD, "state": ODD, "reason": ODD,
                                               "services": [{"name": ODD, "label": ODD}]}],
                           master={"version": ODD, "phase": ODD, "run_dir": ODD, "config": ODD,
                                   "load": [0.0, 0.0, 0.0]}, totals={})]),
    (("status", "--json"), [message("status", workers=[], master={"version": ODD}, totals={})]),
    (("connections",), [message("roster", workers=[{"service": ODD, "socket": "/nowhere"}])]),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_an_answer_does_not_steer_the_terminal(instances, verb, answers):
    instance = instances({})
    with fake_master(instance.run_dir, *answers) as asked:
        done = subprocess.run([crew.CREWMAN, *verb, "--run-dir", instance.run_dir],
                              env=instance.env, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert asked and said and not STEERS.search(said), repr(said)
    if "--json" in verb:
        assert json.loads(done.stdout)["master"]["version"] == ODD
