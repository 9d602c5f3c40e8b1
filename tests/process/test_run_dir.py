"""What stands in run_dir while somebody else removes it: the instance goes on, and is found again."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess

import pytest

import crew
from ws import WebSocket

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")


def has_admin(instance):
    return (instance.run_dir / "admin.sock").exists()


def pid_file(instance):
    try:
        return (instance.run_dir / "crewman.pid").read_text()
    except FileNotFoundError:
        return None


def wait_whole(instance, master):
    crew.wait_for(lambda: has_admin(instance) and pid_file(instance) == f"{master}\n", 10,
                  "run_dir to be whole again")


def remove(instance):
    """All of it at once: it may be made again as soon as a part of it is missing."""
    instance.run_dir.rename(instance.folder / "removed")
    shutil.rmtree(instance.folder / "removed")


@pytest.mark.parametrize("foreground", [False, True], ids=["daemon", "foreground"])
def test_a_run_dir_that_was_removed_is_made_again(probe, foreground):
    instance = probe(workers=2, foreground=foreground)
    instance.expect_errors("SIGKILL")
    master, victim = instance.master_pid(), instance.worker_pids()[0]
    with WebSocket(instance.port) as one, WebSocket(instance.port) as two:
        clients = [(int(client.ask("!pid")), client) for client in (one, two)]
        remove(instance)
        os.kill(victim, signal.SIGKILL)
        wait_whole(instance, master)
        crew.wait_for(lambda: instance.is_ready() and victim not in instance.worker_pids(), 15,
                      "a replacement")
        clients = [(pid, client) for pid, client in clients if pid != victim]
        assert len(instance.connections()) == len(clients)
        for pid, client in clients:
            assert int(client.ask("!pid")) == pid
    assert instance.master_pid() == master
    instance.reload()
    instance.wait_log(rf"^.* notice .* run_dir {instance.run_dir} was removed; made again$"
                      if foreground else r"^.* log reopened")
    instance.stop()
    assert [entry.name for entry in instance.run_dir.iterdir() if entry.name != "crewman.log"] == []


@pytest.mark.parametrize("name", ["admin.sock", "crewman.pid"])
def test_a_file_of_it_that_was_removed_is_made_again(probe, name):
    instance = probe(workers=2)
    master, pids = instance.master_pid(), instance.worker_pids()
    for _ in range(2):
        (instance.run_dir / name).unlink()
        wait_whole(instance, master)
    assert instance.worker_pids() == pids
    assert instance.log().count("was removed; made again") == 2


@ROOT_ONLY
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_run_dir_that_cannot_be_made_again_is_said_once(probe, what):
    instance = probe(workers=2, foreground=True)
    instance.expect_errors("cannot be made again", "SIGKILL")
    master, victim = instance.master_pid(), instance.worker_pids()[0]
    crew.suspend(master)  # it cannot look before all is in place
    try:
        remove(instance)
        if what == "file":
            instance.run_dir.write_text("")
        else:
            instance.run_dir.mkdir()
            os.chown(instance.run_dir, 12345, 12345)
    finally:
        os.kill(master, signal.SIGCONT)
    line = instance.wait_log(r"^.* error .* was removed and cannot be made again: .*$")[0][0]
    assert "workers go on" in line
    assert ("not a folder" if what == "file" else 'belongs to user "12345"') in line
    os.kill(victim, signal.SIGKILL)
    instance.wait_log(r"probe: worker start", count=3)
    assert not has_admin(instance)
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
    if what == "file":
        instance.run_dir.unlink()
    else:
        instance.run_dir.rmdir()
    wait_whole(instance, master)
    instance.wait_ready()
    assert instance.log().count("cannot be made again") == 1


def be_in_the_way(path, what):
    """Before the master looks again; answers what must be kept open."""
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("nowhere")
    elif what == "file":
        path.write_text("")
    elif what == "listener":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        return listener
    elif what == "lock":
        file = open(path, "w")
        fcntl.flock(file, fcntl.LOCK_EX)
        return file
    return None


@pytest.mark.parametrize("name, what, reason", [
    ("admin.sock", "folder", "found no socket; remove what is there"),
    ("admin.sock", "file", "found no socket; remove what is there"),
    ("admin.sock", "listener", "another process listens there"),
    ("crewman.pid", "folder", "is not a file"),
    ("crewman.pid", "link", "is a symbolic link; expected a file"),
    ("crewman.pid", "lock", "another process holds its lock")])
def test_what_lies_in_the_way_is_named(probe, name, what, reason):
    """Not run_dir, which is there; and nothing is made again before it is."""
    instance = probe(workers=1, foreground=True)
    instance.expect_errors("cannot be made again")
    master, path = instance.master_pid(), instance.run_dir / name
    crew.suspend(master)  # it cannot look before all is in place
    try:
        kept = be_in_the_way(path, what)
    finally:
        os.kill(master, signal.SIGCONT)
    line = instance.wait_log(r"^.* error .*cannot be made again.*$")[0][0]
    assert f" {path} was removed and cannot be made again: " in line and reason in line
    assert "made again" not in instance.written_log().replace("cannot be made again", "")
    path.rmdir() if what == "folder" else path.unlink()
    if kept is not None:
        kept.close()
    wait_whole(instance, master)
    instance.wait_log(r"^.* notice .* was removed; made again$")
    assert instance.log().count("cannot be made again") == 1


@pytest.mark.parametrize("name, what, reason", [
    ("admin.sock", "folder", "admin.sock: found no socket; remove what is there"),
    ("crewman.pid", "link", "crewman.pid is a symbolic link; expected a file")])
def test_a_start_names_once_what_lies_in_the_way(probe, name, what, reason):
    instance = probe(workers=1, is_started=False)
    instance.run_dir.mkdir()
    path = instance.run_dir / name
    path.write_text("")
    be_in_the_way(path, what)
    done = instance.verb("start", "-d", "-q")
    assert done.returncode == 1
    assert done.stderr == f"crewman: {instance.run_dir}/{reason}\n"


def test_a_start_beside_it_touches_nothing(probe):
    """Its pid file was removed: only who answers on the admin socket tells that it runs."""
    instance = probe(workers=2)
    master, pids = instance.master_pid(), instance.worker_pids()
    clients = [WebSocket(instance.port) for _ in range(3)]
    for client in clients:
        client.ask("hello")
    (instance.run_dir / "crewman.pid").unlink()
    crew.suspend(master)  # it cannot make another before we look
    try:
        done = instance.verb("start", "-d")
        assert done.returncode == 1
        assert f"already running, pid {master}" in done.stderr, done.stderr
        assert {entry.name for entry in instance.run_dir.iterdir()} == {"admin.sock", "crewman.log"}
        starts = [subprocess.Popen([crew.CREWMAN, "start", "-d", "-c", instance.config_path],
                                   env=instance.env, stderr=subprocess.PIPE, text=True)
                  for _ in range(5)]
        for start in starts:
            assert f"already running, pid {master}" in start.communicate(timeout=60)[1]
            assert start.returncode == 1
    finally:
        os.kill(master, signal.SIGCONT)
    wait_whole(instance, master)
    assert instance.worker_pids() == pids and len(instance.connections()) == 3
    for client in clients:
        assert client.ask("hello") == "hello"
        client.close()


def test_a_start_behind_the_removal_does_not_take_it_over(probe):
    instance = probe(workers=2, foreground=True)
    instance.expect_errors("another instance")
    master = instance.master_pid()
    remove(instance)
    done = instance.verb("start", "-d")
    assert done.returncode == 1
    wait_whole(instance, master)
    instance.wait_ready()
