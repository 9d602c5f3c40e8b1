"""Messages of the admin socket, as the command line sends them."""

import json
import socket
import struct

import crew
from ws import dial

VERSION = 3  # of the messages


def message(kind, **fields):
    body = json.dumps({"v": VERSION, "type": kind, **fields}).encode()
    return struct.pack(">I", len(body)) + body


def dial_master(instance):
    return dial(instance.run_dir / "admin.sock", 20 * crew.PATIENCE)


def dial_worker(instance, pid):
    """A socket to that worker, made by the master."""
    with dial_master(instance) as master:
        master.sendall(message("connect", pid=pid))
        text, fds, _, _ = socket.recv_fds(master, 4096, 1)
    assert b"connected" in text and len(fds) == 1, text
    client = socket.socket(fileno=fds[0])
    client.settimeout(crew.LONG)
    return client


def ask(client, kind):
    """Until its answer begins, so the other end has it; answers the client."""
    client.sendall(message(kind))
    assert client.recv(1)
    return client
