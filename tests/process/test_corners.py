"""Corners of a master's life: reloads that fail half way, services that change their name or
place, ends and pauses that come at the wrong moment."""

import array
import os
import resource
import signal
import socket
import subprocess
import time
from collections import Counter

import pytest

import crew


class Pair:
    """An instance of the two services of apps/pair.c."""

    def __init__(self, instances):
        self.ports = {"a": crew.free_port(), "b": crew.free_port()}
        self.instance = instances()
        self.instance.env["PAIR_FOLDER"] = str(self.instance.folder)
        self.write()

    def write(self, app="pair", top=None, **services):
        for name, port in self.ports.items():
            block = services.setdefault(name, {})
            block.setdefault("listen", f"text://127.0.0.1:{port}")
        config = {"app": crew.app(app), "services": services, "reload_spread": "0"}
        config.update(top or {})
        self.instance.write_config(config)

    def tell(self, what, service, slot):
        (self.instance.folder / f"{what}.{service}.{slot}").touch()

    def untell(self, what, service, slot):
        (self.instance.folder / f"{what}.{service}.{slot}").unlink()

    def ask(self, port, line="who"):
        with socket.create_connection(("127.0.0.1", port), crew.LONG) as client:
            client.settimeout(crew.LONG)
            client.sendall(line.encode() + b"\n")
            return client.recv(100).decode().strip()

    def rows(self, *states):
        return [(row["service"], row["slot"], row["generation"])
                for row in self.instance.workers() if row["state"] in (states or ("ready",))]

    def wait_rows(self, rows):
        crew.wait_for(lambda: self.rows() == rows, 10, f"{rows}\n{self.instance.written_log()}")


def generation(number, a=2, b=2, second="b"):
    return [("a", slot, number) for slot in range(a)] + \
        [(second, slot, number) for slot in range(b)]


@pytest.fixture
def pair(instances):
    made = Pair(instances)
    made.instance.start()
    return made


def test_a_service_keeps_its_socket_when_it_changes_its_name(pair):
    port = pair.ports.pop("b")
    pair.ports["c"] = port
    pair.write("pair_renamed")
    pair.instance.reload()
    pair.wait_rows(generation(2, second="c"))
    assert pair.ask(port).startswith("c ")


def test_services_swap_their_addresses(pair):
    pair.ports = {"a": pair.ports["b"], "b": pair.ports["a"]}
    pair.write()
    pair.instance.reload()
    crew.wait_for(lambda: not pair.rows("draining"), 10, "the old workers' end")
    assert pair.ask(pair.ports["a"]).startswith("a ")
    assert pair.ask(pair.ports["b"]).startswith("b ")


def test_another_protocol_on_the_same_address(pair):
    pair.write(a={"listen": f"frame://127.0.0.1:{pair.ports['a']}"})
    pair.instance.reload()
    crew.wait_for(lambda: not pair.rows("draining"), 10, "the old workers' end")
    with socket.create_connection(("127.0.0.1", pair.ports["a"]), crew.LONG) as client:
        client.sendall(b"\0\0\0\5x")
        assert client.recv(100)[4:] in (b"a 0 2", b"a 1 2")


def test_a_failure_while_rolling_leaves_nothing_half_done(pair):
    pair.instance.expect_errors("")
    pair.tell("fail", "a", 1)
    pair.tell("wait", "b", 1)
    done = pair.instance.reload(expect=1)
    assert "a/1" in done.stderr and "on_worker_start" in done.stderr
    pair.wait_rows([("a", 0, 2), ("a", 1, 1), ("b", 0, 2), ("b", 1, 1)])
    assert pair.rows("starting") == []
    pair.untell("fail", "a", 1)
    pair.untell("wait", "b", 1)
    pair.instance.reload()
    pair.wait_rows(generation(3))


def test_a_failed_canary_takes_the_others_with_it(pair):
    pair.instance.expect_errors("")
    pids = pair.instance.worker_pids()
    pair.tell("fail", "b", 0)
    done = pair.instance.reload(expect=1)
    assert "b/0" in done.stderr and "nothing was changed" in done.stderr
    crew.wait_for(lambda: sorted(pair.instance.worker_pids()) == sorted(pids), 10, "the old ones")
    pair.untell("fail", "b", 0)
    pair.instance.reload()
    pair.wait_rows(generation(2))


def test_a_canary_that_was_all_there_is_goes_with_its_reload(pair):
    """b/0 is down; its canary is ready and then the reload is given up because of a/0."""
    pair.instance.expect_errors("")
    pair.tell("fail", "b", 0)
    os.kill(next(row["pid"] for row in pair.instance.workers("b") if row["slot"] == 0), 9)
    pair.instance.wait_log("b/0: trying again in", count=6)  # most likely the reload comes first
    pair.tell("wait", "a", 0)
    pair.untell("fail", "b", 0)
    reload = subprocess.Popen([crew.CREWMAN, "reload", "-c", pair.instance.config_path],
                              env=pair.instance.env, stderr=subprocess.PIPE, text=True)
    crew.wait_for(lambda: ("b", 0, 2) in pair.rows(), 10, f"a canary\n{pair.instance.written_log()}")
    pair.tell("fail", "a", 0)
    pair.untell("wait", "a", 0)
    assert "nothing was changed" in reload.communicate(timeout=crew.LONG)[1]
    pair.wait_rows(generation(1))
    pair.untell("fail", "a", 0)


def test_a_reload_mends_a_slot_that_cannot_start(pair):
    """Whatever else fails meanwhile for its own reasons."""
    pair.instance.expect_errors("")
    pair.tell("fail", "b", 1)
    os.kill(next(row["pid"] for row in pair.instance.workers("b") if row["slot"] == 1), 9)
    crew.wait_for(lambda: pair.rows("backoff"), 10, "the back-off")
    pair.tell("wait", "a", 0)
    reload = subprocess.Popen([crew.CREWMAN, "reload", "-c", pair.instance.config_path],
                              env=pair.instance.env)
    crew.wait_for(lambda: pair.rows("starting"), 10, "the canary")
    tries = len(pair.instance.wait_log(r"b/1: pid \d+: on_worker_start"))
    pair.instance.wait_log(r"b/1: pid \d+: on_worker_start", 20, tries + 1)
    pair.untell("fail", "b", 1)
    pair.untell("wait", "a", 0)
    assert reload.wait(crew.LONG) == 0
    pair.wait_rows(generation(2))


def test_slots_come_back_while_their_old_workers_drain(pair):
    pair.write(a={"workers": 4}, top={"drain_timeout": "120s"})
    pair.instance.reload()
    clients = []

    def has_each_one():
        clients.append(socket.create_connection(("127.0.0.1", pair.ports["a"])))
        rows = [row for row in pair.instance.workers("a") if row["state"] == "ready"]
        return len(rows) == 4 and all(row["connections"] > 0 for row in rows)

    crew.wait_for(has_each_one, 10, "connections of each worker")
    pair.write(a={"workers": 2}, top={"drain_timeout": "120s"})
    pair.instance.reload("-g")
    assert ("a", 3, 2) in pair.rows("draining")
    pair.write(a={"workers": 4}, top={"drain_timeout": "120s"})
    pair.instance.reload("-g")
    pair.wait_rows(generation(4, a=4))
    for client in clients:
        client.close()
    crew.wait_for(lambda: not pair.rows("draining"), 10, "the end of the old ones")


def test_more_workers_that_cannot_start_are_shown_and_tried_again(pair):
    pair.instance.expect_errors("")
    pair.tell("fail", "a", 2)
    pair.write(a={"workers": 4})
    pair.instance.reload(expect=1)
    crew.wait_for(lambda: ("a", 3, 2) in pair.rows() and ("a", 2, 2) in pair.rows("backoff"),
                  10, "the fourth worker, and the third in backoff")
    pair.untell("fail", "a", 2)
    crew.wait_for(lambda: ("a", 2, 2) in pair.rows(), 20, "the third worker")


def test_a_removed_service_refuses_at_once_and_is_shown_while_it_drains(pair):
    port = pair.ports.pop("b")
    with socket.create_connection(("127.0.0.1", port), crew.LONG) as client:
        crew.wait_for(pair.instance.connections, 5, "the connection")
        pair.write("pair_renamed", c={"listen": f"text://127.0.0.1:{crew.free_port()}"},
                   top={"drain_timeout": "120s"})
        pair.instance.reload("-g")
        assert crew.refuses(port)
        row = pair.instance.workers("b")[0]
        assert row["state"] == "draining" and row["listen"].endswith(str(port))
        client.sendall(b"who\n")
        assert client.recv(100).startswith(b"b ")
    crew.wait_for(lambda: not pair.instance.workers("b"), 10, "its end")


def test_fewer_workers_with_reuse_port_leave_no_deaf_socket(pair):
    pair.instance.stop()
    pair.write(a={"workers": 4, "reuse_port": True})
    pair.instance.start()
    pair.write(a={"workers": 2, "reuse_port": True})
    pair.instance.reload()
    crew.wait_for(lambda: not pair.rows("draining"), 10, "the end of the old ones")
    answers = Counter(pair.ask(pair.ports["a"]) for _ in range(40))
    assert set(answers) == {"a 0 2", "a 1 2"}
    # Nor does a reload that is given up.
    pair.instance.expect_errors("")
    pair.tell("fail", "b", 0)
    pair.write(a={"workers": 4, "reuse_port": True})
    pair.instance.reload(expect=1)
    crew.wait_for(lambda: not pair.rows("draining"), 10, "the end of the canary")
    answers = Counter(pair.ask(pair.ports["a"]) for _ in range(40))
    assert set(answers) == {"a 0 2", "a 1 2"}
    pair.untell("fail", "b", 0)


def test_a_worker_that_wants_to_end_is_no_crash(pair):
    for restarts in range(1, 5):
        time.sleep(1.1)  # it must have lived for a second
        pair.ask(pair.ports["b"], "quit")
        crew.wait_for(lambda: sum(row["restarts"] for row in pair.instance.workers()) == restarts
                      and pair.rows() == generation(1), 10, "the next one")
    assert "trying again in" not in pair.instance.log()


def test_a_reload_does_not_hold_up_a_stop(pair):
    pair.tell("wait", "a", 0)
    reload = subprocess.Popen([crew.CREWMAN, "reload", "-c", pair.instance.config_path],
                              env=pair.instance.env, stderr=subprocess.PIPE, text=True)
    crew.wait_for(lambda: pair.rows("starting"), 10, "the canary")
    # That canaries which are not ready yet are killed is no error.
    pair.instance.expect_errors("reload: the instance is stopping")
    started = time.monotonic()
    pair.instance.stop()
    crew.assert_took(started, 0, 5)
    assert "stopping" in reload.communicate(timeout=crew.LONG)[1]
    assert reload.returncode == 1


def test_reloads_that_signals_ask_for_are_never_lost(pair):
    pair.tell("wait", "a", 0)
    os.kill(pair.instance.master_pid(), signal.SIGHUP)
    crew.wait_for(lambda: pair.rows("starting"), 10, "the canary")
    os.kill(pair.instance.master_pid(), signal.SIGHUP)
    pair.instance.wait_log("another follows it")
    pair.untell("wait", "a", 0)
    pair.wait_rows(generation(3))


def test_a_start_that_is_stopped_has_failed(instances):
    pair = Pair(instances)
    pair.tell("wait", "a", 1)
    start = subprocess.Popen([crew.CREWMAN, "start", "-d", "-c", pair.instance.config_path],
                             env=pair.instance.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    crew.wait_for(lambda: ("b", 1, 1) in pair.rows() if
                  (pair.instance.run_dir / "admin.sock").exists() else False, 10, "the others")
    os.kill(pair.instance.master_pid(), signal.SIGTERM)
    assert "stopped before" in start.communicate(timeout=crew.LONG)[1]
    assert start.returncode == 1


def test_a_master_that_was_stopped_blames_no_worker(instances):
    pair = Pair(instances)
    pair.write(top={"watchdog": "8s"})
    pair.instance.start()
    pids = pair.instance.worker_pids()
    master = pair.instance.master_pid()
    crew.suspend(master)
    crew.let_pass(10)
    os.kill(master, signal.SIGCONT)
    crew.let_pass(2.5)  # two more looks of the watchdog
    assert pair.instance.worker_pids() == pids


def test_start_d_returns_the_terminal(instances):
    """Nobody who reads its output until the end may wait for the daemon."""
    pair = Pair(instances)
    done = subprocess.run(["sh", "-c", 'x=$("$@" 2>&1)', "sh", crew.CREWMAN, "start", "-d", "-c",
                           pair.instance.config_path], env=pair.instance.env, timeout=crew.LONG)
    assert done.returncode == 0


def test_start_with_closed_standard_descriptors(instances):
    pair = Pair(instances)
    subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", crew.CREWMAN, "start", "-d", "-c",
                    pair.instance.config_path], env=pair.instance.env, check=True)
    assert pair.rows() == generation(1)
    fds = f"/proc/{pair.instance.master_pid()}/fd"
    assert [os.readlink(f"{fds}/{number}") for number in range(3)] == \
        ["/dev/null", str(pair.instance.log_path), str(pair.instance.log_path)]


def test_a_start_right_after_kill_9_waits_for_the_orphans(pair):
    pair.instance.expect_errors("")
    for _ in range(3):
        master = pair.instance.master_pid()
        os.kill(master, signal.SIGKILL)
        crew.wait_for(lambda: not crew.is_alive(master), 5, "the master's end")
        pair.instance.start("-q")
    crew.wait_for(lambda: len(pair.instance.processes()) == 5, 10, "the end of the last orphans")
    assert pair.instance.is_ready()
    assert {entry.name for entry in pair.instance.run_dir.iterdir()} == \
        {"admin.sock", "crewman.log", "crewman.pid"}


def test_hung_clients_do_not_lock_others_out(pair):
    before = crew.fd_count(pair.instance.master_pid())
    clients = []
    for _ in range(80):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(pair.instance.run_dir / "admin.sock"))
        clients.append(client)
        if len(clients) % 8 == 0:
            assert pair.instance.verb("status").returncode == 0
    assert crew.fd_count(pair.instance.master_pid()) <= before + 32
    for client in clients:
        client.close()


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizers need descriptors of their own")
def test_a_start_with_too_few_descriptors_says_so(instances):
    pair = Pair(instances)
    pair.instance.expect_errors("")
    ends = []
    for limit in range(8, 42):
        done = subprocess.run(["bash", "-c", f'ulimit -n {limit}; exec "$@"', "start",
                               crew.CREWMAN, "start", "-d", "-c", pair.instance.config_path],
                              env=pair.instance.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=crew.LONG)
        ends.append(done.returncode)
        if done.returncode == 0:
            pair.instance.stop()
        else:
            assert done.returncode == 1
            assert "too many open files" in done.stderr.lower(), (limit, done.stderr)
        assert not pair.instance.processes()
    assert ends == sorted(ends, reverse=True) and set(ends) == {0, 1}


def test_a_master_without_descriptors_waits_for_one(pair):
    """It neither spins nor forgets whoever knocked meanwhile."""
    master = pair.instance.master_pid()
    soft, hard = resource.prlimit(master, resource.RLIMIT_NOFILE)
    taken = {int(number) for number in os.listdir(f"/proc/{master}/fd")}
    first_free = next(number for number in range(1000) if number not in taken)
    with socket.socket(socket.AF_UNIX) as client:
        with pair.instance.not_spinning(0):
            resource.prlimit(master, resource.RLIMIT_NOFILE, (first_free, hard))
            client.connect(str(pair.instance.run_dir / "admin.sock"))
            crew.let_pass(2)  # in which turns are counted; to ask for them takes a descriptor
            resource.prlimit(master, resource.RLIMIT_NOFILE, (soft, hard))
        body = b'{"v":3,"type":"roster"}'
        client.settimeout(crew.LONG)
        client.sendall(len(body).to_bytes(4, "big") + body)
        assert b'"workers"' in client.recv(65536)


def test_descriptors_sent_to_the_master_do_not_stay(pair):
    master = pair.instance.master_pid()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(pair.instance.run_dir / "admin.sock"))
        assert pair.instance.verb("status").returncode == 0
        before = crew.fd_count(master)
        body = b'{"v":3,"type":"roster"}'
        frame = len(body).to_bytes(4, "big") + body
        for _ in range(20):
            try:
                client.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                          array.array("i", [0, 1, 2]))])
            except PermissionError:  # the kernel takes none for the master (Linux 6.16)
                client.sendmsg([frame])
            client.recv(65536)
        # That of status may just have gone, and that of the last message may be going.
        crew.wait_for(lambda: crew.fd_count(master) <= before, 10, f"{before} descriptors")


def test_a_run_dir_of_another_user_is_refused(instances):
    pair = Pair(instances)
    pair.write(top={"app": crew.copy_for_others(crew.app("pair"), pair.instance.folder)})
    pair.instance.run_dir.mkdir()
    os.chown(pair.instance.run_dir, 12345, 12345)
    done = pair.instance.run_as_nobody("start", "-d", "-c", str(pair.instance.config_path))
    assert done.returncode == 1
    assert done.stderr == f'crewman: run_dir {pair.instance.run_dir} belongs to user "12345"; ' \
                          "expected nobody or root\n"


def test_whoever_may_not_ask_is_told(pair):
    (pair.instance.run_dir / "admin.sock").chmod(0o666)
    for verb in ("status", "connections", "stop", "reload"):
        done = pair.instance.run_as_nobody(verb, "--run-dir", str(pair.instance.run_dir))
        assert done.returncode == 1
        assert "only root and the user" in done.stderr
