"""Killed, stopped and wedged processes, nonsense on the control pipe, a full disk, no descriptors."""

import grp
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

import crew
from admin import dial_master, dial_worker
from load import Load
from ws import WebSocket, dial


def test_a_killed_worker_is_replaced_and_costs_only_its_connections(probe):
    instance = probe(workers=2)
    instance.expect_errors("SIGKILL")
    clients, pids = crew.meet_all(lambda: WebSocket(instance.port), 2, 10)
    victim = pids[0]
    os.kill(victim, signal.SIGKILL)
    for client, pid in zip(clients, pids):
        if pid == victim:
            assert client.wait_closed().code is None
        else:
            assert client.ask("hello") == "hello"
    crew.wait_for(lambda: instance.is_ready() and victim not in instance.worker_pids(), 5,
                  "a replacement")
    lost = pids.count(victim)
    obituary = instance.wait_log(rf"^.*\b{victim}\b.*SIGKILL.*$")[0][0]
    assert re.search(rf"\b{lost} connections", obituary), obituary
    for client in clients:
        client.sock.close()


@pytest.mark.parametrize("command, callback", [
    ("!crash", "on_message"), ("!crash-each", "a crew_conn_each visitor"),
])
def test_obituary_names_the_callback(probe, command, callback):
    instance = probe()
    instance.expect_errors("SIGSEGV")
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        client.send(command)
        client.wait_closed()
    obituary = instance.wait_log(rf"^.*\b{pid}\b.*SIGSEGV.*$")[0][0]
    assert callback in obituary and "1 connection" in obituary
    instance.wait_ready()


def test_obituary_names_the_exit_code(probe):
    instance = probe()
    instance.expect_errors("")
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        client.send("!exit 7")
        client.wait_closed()
    assert "7" in instance.wait_log(rf"^.*\b{pid}\b.*exit.*$")[0][0]
    instance.wait_ready()


def test_crash_after_crash_backs_off(probe):
    """An app that crashes with each message is restarted ever more slowly, and status says so."""
    instance = probe()
    instance.expect_errors("SIGSEGV", "")
    states = set()

    def waits():
        """Seconds before each new start; the first comes at once."""
        return [float(wait[1]) for wait in
                re.finditer(r"trying again in ([0-9.]+) s", instance.written_log())]

    def has_backed_off():
        try:
            with WebSocket(instance.port, timeout=0.3) as client:
                client.send("!crash")
                client.wait_closed()
        except OSError:
            states.update(row["state"] for row in instance.workers())
        return "backoff" in states and len(waits()) >= 4

    crew.wait_for(has_backed_off, 60, "a start that is put off")
    assert any(3 * one < other for one in waits() for other in waits()), waits()
    crew.wait_for(instance.is_ready, 30, "the last start")
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_others_serve_while_one_crashes_again_and_again(probe):
    instance = probe(workers=2)
    instance.expect_errors("SIGSEGV", "")
    for _ in range(8):
        with WebSocket(instance.port) as client:
            client.send("!crash")
            client.wait_closed()
    instance.wait_ready(30)
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


def test_exit_78_is_retried_for_ever(probe, tmp_path):
    """A worker of this generation was ready once: what keeps the next one from it may pass."""
    bar = tmp_path / "bar"
    instance = probe(workers=2, env={"PROBE_BAR": str(bar)})
    instance.expect_errors("exited with code 78")
    bar.touch()
    with WebSocket(instance.port) as client:
        client.send("!exit 78")
        client.wait_closed()
    instance.wait_log("probe/.: trying again in", count=4)
    states = [row["state"] for row in instance.workers()]
    assert "ready" in states and set(states) <= {"ready", "backoff", "starting"}, states
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
    bar.unlink()
    instance.wait_ready(30)
    assert {row["generation"] for row in instance.workers()} == {1}


def test_a_stopped_worker_is_not_taken_for_dead(probe):
    instance = probe(workers=2)
    victim = instance.worker_pids()[0]
    crew.suspend(victim)
    try:
        crew.wait_for(lambda: "busy" in {row["state"] for row in instance.workers()}, 6, "busy")
        assert len(instance.processes()) == 3
        # The rest serves everybody: nobody waits for the stopped one for ever.
        for _ in range(20):
            with WebSocket(instance.port) as client:
                assert client.ask("hello") == "hello"
    finally:
        os.kill(victim, signal.SIGCONT)
    instance.wait_ready()
    assert victim in instance.worker_pids()


def test_connections_names_a_worker_that_does_not_answer(probe):
    instance = probe(workers=2)
    victim = instance.worker_pids()[0]
    with WebSocket(instance.port) as client:
        client.ask("hello")
        crew.suspend(victim)
        try:
            done = instance.verb("connections")
        finally:
            os.kill(victim, signal.SIGCONT)
    assert done.returncode == 1
    assert re.fullmatch(rf"crewman: probe/\d, pid {victim}, did not answer\n", done.stderr)


def test_connections_does_not_miss_a_worker_that_ends_while_it_is_asked(probe):
    instance = probe(workers=2)
    instance.expect_errors("")
    victim = instance.worker_pids()[0]
    crew.suspend(victim)

    def ask():
        return subprocess.Popen([crew.CREWMAN, "connections", "-c", instance.config_path],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=instance.env)

    def is_asked():
        """It has a socket, and none of them leads to the master."""
        nonlocal asking
        if asking.poll() is not None:  # it has given up before we looked
            asking.communicate()
            asking = ask()
        path = str(instance.run_dir / "admin.sock")
        return (any(link.startswith("socket:") for link in crew.links(asking.pid))
                and sum(path in line for line in open("/proc/net/unix")) == 1)

    asking = ask()
    crew.wait_for(is_asked, 10, "the question")
    os.kill(victim, signal.SIGKILL)
    out, err = asking.communicate(timeout=crew.LONG)
    if "did not answer" in err:
        raise crew.WaitRanOut("it gave up before the worker had ended")
    assert (asking.returncode, err) == (0, "")
    assert "0 connections" in out
    instance.wait_ready()


def test_the_watchdog_ends_a_worker_that_never_comes_back(probe):
    instance = probe(workers=1, top={"watchdog": "8s"})
    instance.expect_errors("")
    with WebSocket(instance.port) as client:
        pid = int(client.ask("!pid"))
        client.send("!block 60000")
        client.wait_closed()
    crew.wait_for(lambda: instance.is_ready() and instance.worker_pids() != [pid], 30,
                  "a replacement")
    obituary = instance.wait_log(rf"^.*\b{pid}\b.*SIGABRT.*$")
    assert any("on_message" in match[0] for match in obituary)


def test_the_watchdog_kills_a_worker_that_is_stopped(probe):
    instance = probe(workers=1, top={"watchdog": "5s"})
    instance.expect_errors("")
    pid = instance.worker_pids()[0]
    crew.suspend(pid)
    crew.wait_for(lambda: not crew.is_alive(pid), 15, "SIGKILL")
    instance.wait_ready()


def test_stop_ends_a_stopped_worker_too(probe):
    instance = probe(workers=2, top={"stop_timeout": "1s"})
    instance.expect_errors("")
    crew.suspend(instance.worker_pids()[0])
    instance.stop()
    assert not instance.processes()


def test_workers_outlive_a_killed_master_only_to_drain(probe):
    instance = probe(workers=2)
    instance.expect_errors("")
    with WebSocket(instance.port) as client:
        client.ask("hello")
        os.kill(instance.master_pid(), signal.SIGKILL)
        crew.wait_for(lambda: crew.refuses(instance.port), 10, "the orphans to stop listening")
        assert client.ask("still served") == "still served"
        client.close()
    crew.wait_for(lambda: not instance.processes(), 15, "the orphans' end")


def test_orphans_drain_no_longer_than_drain_timeout(probe):
    instance = probe(top={"drain_timeout": "1s"})
    with WebSocket(instance.port) as client:
        client.ask("hello")
        os.kill(instance.master_pid(), signal.SIGKILL)
        assert client.wait_closed().code == 1001
    crew.wait_for(lambda: not instance.processes(), 15, "the orphan's end")


FAKE_WORKER = """#!/usr/bin/python3 -B
import os, socket, struct, sys, time
if "--describe" in sys.argv:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
count = {counter!r}
with open(count, "a") as file:
    file.write("x")
if os.path.getsize(count) > {bad}:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
pipe = socket.socket(fileno=3)
pipe.setblocking(True)
pipe.sendall({nonsense!r})
time.sleep(60)
"""


NOISE = bytes((at * at * 31 + at * 7) % 251 for at in range(4096))


def message(text):
    body = text.encode()
    return len(body).to_bytes(4, "big") + body


def start_copy(instance):
    """Starts it from a folder of programs of its own, and answers that folder."""
    programs = instance.folder / "bin"
    programs.mkdir()
    shutil.copy(crew.CREWMAN, programs / "crewman")
    os.symlink(crew.WORKER, programs / "crewman-worker")
    subprocess.run([programs / "crewman", "start", "-d", "-q", "-c", instance.config_path],
                   check=True, env=instance.env, timeout=60)
    return programs


@pytest.mark.parametrize("nonsense", [
    b"\xff\xff\xff\xff and more",
    b"\0\0\0\0",
    message("no json"),
    message("[1, 2]"),
    message('{"v":3,"type":"plan"}'),
    message('{"v":3,"type":"dance"}'),
    message('{"v":99,"type":"hello","version":"x"}'),
    message('{"v":3,"type":"drained","closed":-5}'),
    message('{"v":3,"type":"hello","version":7}'),
    message('{"v":3,"type":"hello"' + ',"x":' + "[" * 5000 + "]" * 5000 + "}"),
    NOISE,
    message('{"v":3,"type":"beat"}') * 300,
    b"\0\1\0\1{",
], ids=["length", "empty", "text", "array", "direction", "unknown", "version", "range", "types",
        "depth", "noise", "flood", "long"])
def test_nonsense_on_the_control_pipe_costs_that_worker_only(probe, nonsense):
    """The worker that starts after the others are up speaks nonsense; the next one is sane."""
    instance = probe(workers=2, is_started=False, top={"pin": False})
    instance.expect_errors("")
    programs = start_copy(instance)
    with WebSocket(instance.port) as one, WebSocket(instance.port) as two:
        pids = {int(one.ask("!pid")): one, int(two.ask("!pid")): two}
        fake = programs / "fake"
        fake.write_text(FAKE_WORKER.format(real=str(crew.WORKER), nonsense=nonsense, bad=1,
                                           counter=str(instance.folder / "count")))
        fake.chmod(0o755)
        fake.rename(programs / "crewman-worker")
        victim = instance.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        master = instance.master_pid()
        crew.wait_for(lambda: (instance.folder / "count").exists()
                      and (instance.folder / "count").stat().st_size >= 2, 20, "a third worker")
        instance.wait_ready(20)
        assert instance.master_pid() == master and crew.is_alive(master)
        for pid, client in pids.items():
            if pid != victim:
                assert client.ask("hello") == "hello"
    assert len(instance.processes()) == 3


def test_a_worker_of_another_version_serves_and_is_named(probe):
    """As when the programs were replaced and only a reload followed."""
    instance = probe(is_started=False, top={"pin": False})
    programs = start_copy(instance)
    assert "of Crewman" not in instance.log()
    version = subprocess.run([crew.CREWMAN, "-v"], capture_output=True, check=True).stdout.split()[1]
    program = crew.WORKER.read_bytes()
    assert program.count(version + b"\0") >= 1
    other = programs / "other"
    other.write_bytes(program.replace(version + b"\0", b"0.0.7\0".ljust(len(version) + 1, b"\0")))
    other.chmod(0o755)
    other.rename(programs / "crewman-worker")
    instance.reload()
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
    instance.wait_log(rf" warning .* probe/0: pid {pid} is of Crewman 0\.0\.7, the master of ")


@pytest.mark.parametrize("nonsense", [b"\xff\xff\xff\xff", message("no json"),
                                      message('{"v":3,"type":"ready"}'), NOISE, b""],
                         ids=["length", "text", "direction", "noise", "nothing"])
@pytest.mark.parametrize("whose", ["master", "worker"])
def test_nonsense_on_an_admin_socket_costs_that_client_only(probe, nonsense, whose):
    instance = probe()
    pid = instance.worker_pids()[0]
    connect = (lambda: dial_master(instance)) if whose == "master" \
        else (lambda: dial_worker(instance, pid))
    for _ in range(40):
        with connect() as sock:
            try:
                sock.sendall(nonsense)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            except ConnectionError:
                pass
    idle = []
    for _ in range(60):  # more than it cares to hold
        try:
            idle.append(connect())
        except (ConnectionError, BlockingIOError, TimeoutError):
            break
    for sock in idle:
        sock.close()
    crew.wait_for(instance.is_ready, 5, "status")
    assert instance.connections() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_other_users_may_not_talk_to_the_admin_socket(probe):
    instance = probe()
    instance.run_dir.chmod(0o755)
    (instance.run_dir / "admin.sock").chmod(0o666)  # even if the mode were wrong
    done = instance.run_as_nobody("stop", "-c", str(instance.config_path))
    assert done.returncode == 1
    assert done.stderr == "crewman: only root and the user that runs the instance may ask\n"
    assert instance.is_ready()


def test_descriptors_exhausted_keeps_serving_and_recovers(probe):
    instance = probe("text", is_started=False)
    subprocess.run(["bash", "-c", "ulimit -n 64; exec \"$@\"", "start", crew.CREWMAN, "start",
                    "-d", "-q", "-c", instance.config_path], check=True, env=instance.env)
    pid = instance.worker_pids()[0]
    with dial(instance.port) as first:
        first.sendall(b"hello\n")
        assert first.recv(100) == b"hello\n"
        crowd = [dial(instance.port) for _ in range(150)]
        crew.wait_for(lambda: instance.worker()["connections"] >= 16, 5, "a full worker")
        assert instance.worker()["connections"] < 64
        first.sendall(b"hello\n")
        assert first.recv(100) == b"hello\n"
        with instance.not_spinning(1, slot=0):
            pass
        for sock in crowd:
            sock.close()

        def is_served():
            with dial(instance.port, 2) as sock:
                try:
                    sock.sendall(b"again\n")
                    return sock.recv(100) == b"again\n"
                except OSError:
                    return False
        crew.wait_for(is_served, 10, "a served newcomer")
        first.sendall(b"hello\n")
        assert first.recv(100) == b"hello\n"
    assert instance.worker_pids() == [pid]


def test_emfile_by_a_lowered_limit(probe):
    """The limit itself is hit, not only a count that stays below it."""
    instance = probe("text")
    instance.expect_errors("descriptor")
    pid = instance.worker_pids()[0]
    with dial(instance.port) as first:
        first.sendall(b"hello\n")
        assert first.recv(100) == b"hello\n"
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (crew.fd_count(pid) + 5, old[1]))
        crowd = [dial(instance.port) for _ in range(40)]
        instance.wait_log("descriptor|Too many open files|EMFILE", timeout=10)
        with instance.not_spinning(1, slot=0):
            first.sendall(b"hello\n")
            assert first.recv(100) == b"hello\n"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        for sock in crowd:
            sock.close()
        with dial(instance.port, 10) as late:
            late.sendall(b"again\n")
            assert late.recv(100) == b"again\n"
    assert instance.worker_pids() == [pid]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_log_on_a_full_disk_stops_nobody(probe):
    instance = probe(workers=2, top={"log": {"file": "/dev/full", "level": "debug"}})
    with WebSocket(instance.port) as client:
        for _ in range(20):
            assert client.ask("!log lost") == "logged"
        assert client.ask("!print lost") == "printed"
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_fills_up_and_is_emptied(probe):
    instance = probe(is_started=False)
    disk = instance.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", disk],
                      capture_output=True).returncode != 0:
        pytest.skip("no mount here")
    try:
        instance.config["log"] = {"file": str(disk / "crewman.log"), "level": "debug"}
        instance.write_config(instance.config)
        instance.start()
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 512):
                    pass
            except OSError:
                pass
        with WebSocket(instance.port) as client:
            for _ in range(200):
                assert client.ask("!log " + "y" * 100) == "logged"
            crew.wait_for(lambda: instance.status()["master"]["log_lost"] > 0, 10, "a loss")
            (disk / "ballast").unlink()
            # What is on its way at this moment may still be lost.
            crew.wait_for(lambda: client.ask("!log room again") == "logged" and
                          "says room again" in instance.written_log(), 10, "room")
        instance.wait_log(r"lines? lost")
        instance.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_workers_run_as_the_user_of_the_config(probe):
    instance = probe(top={"user": "www-data", "group": "daemon"}, is_started=False)
    instance.config["app"] = crew.copy_for_others(crew.app("probe"), instance.folder)
    instance.write_config(instance.config)
    instance.start()
    with WebSocket(instance.port) as client:
        uid, gid = pwd.getpwnam("www-data").pw_uid, grp.getgrnam("daemon").gr_gid
        assert client.ask("!uid") == f"{uid} {uid} {gid} {gid}"
        status = open(f"/proc/{client.ask('!pid')}/status").read()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
    assert "Uid:\t0" in open(f"/proc/{instance.master_pid()}/status").read()
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("!uid") == f"{uid} {uid} {gid} {gid}"


@pytest.mark.parametrize("top", [{"user": "nobody-has-this-name"},
                                 {"user": "www-data", "group": "no-such-group"}])
def test_a_user_that_does_not_exist_is_fatal(probe, top):
    instance = probe(top=top, is_started=False)
    instance.expect_errors("")
    done = instance.start(expect=1)
    assert list(top.values())[-1] in done.stderr
    assert not instance.processes()


@pytest.mark.alone
def test_burst_of_connections_is_shared_fairly(probe):
    instance = probe("tcp", workers=4)
    clients = []
    try:
        for _ in range(2000):
            clients.append(socket.create_connection(("127.0.0.1", instance.port)))
        crew.wait_for(lambda: sum(row["connections"] for row in instance.workers()) == 2000, 20,
                      "2000 accepted connections")
        # One that was held up meanwhile has fewer: what comes next is its own.
        for _ in range(5):
            shares = [row["connections"] for row in instance.workers()]
            if max(shares) <= 1.1 * min(shares):
                break
            for _ in range(2 * (max(shares) - min(shares))):
                clients.append(socket.create_connection(("127.0.0.1", instance.port)))
            crew.wait_for(lambda: sum(row["connections"] for row in instance.workers())
                          == len(clients), 20, "all connections")
        assert max(shares) <= 1.1 * min(shares), shares
    finally:
        for client in clients:
            client.close()


@pytest.mark.alone
def test_kill_9_of_each_worker_in_turn_under_load(probe):
    instance = probe(workers=3)
    instance.expect_errors("SIGKILL")
    with Load(instance.port, 30, reconnects=True) as load:
        crew.wait_for(lambda: load.handshakes >= 30, 20, "the load")
        for slot in range(3):
            victim = instance.worker(slot)["pid"]
            os.kill(victim, signal.SIGKILL)
            crew.wait_for(lambda: instance.is_ready()
                          and instance.worker(slot)["pid"] != victim, 15, "a replacement")
        before = load.echoes
        crew.wait_for(lambda: load.echoes > before + 500, 20, "echoes afterwards")
    assert not [fault for fault in load.faults if "Refused" in fault], load.faults[:5]
