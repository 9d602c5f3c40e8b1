"""Reload: new code without a refused connection, and nothing at all when the new code is no good."""

import contextlib
import os
import resource
import signal
import shutil
import subprocess
import threading
import time

import pytest

import crew
from load import Load
from ws import WebSocket


def test_reload_brings_new_code_and_a_new_generation(probe):
    instance = probe(workers=2)
    old = set(instance.worker_pids())
    instance.config["app"] = crew.app("probe_v2")
    instance.write_config(instance.config)
    told = instance.reload().stdout
    assert [f"probe/{slot} replaced" in told for slot in (0, 1, 2)] == [True, True, False]
    rows = instance.workers()
    assert [(row["slot"], row["generation"]) for row in rows if row["state"] == "ready"] == \
        [(0, 2), (1, 2)]
    for row in (row for row in rows if row["state"] == "ready"):
        title = open(f"/proc/{row['pid']}/cmdline").read()
        assert title == f"crewman: worker probe/{row['slot']} generation {row['generation']}\0"
    assert not old & {row["pid"] for row in rows if row["state"] == "ready"}
    with WebSocket(instance.port) as client:
        assert client.ask("!who").endswith(" 2 2")


def test_reload_brings_a_new_log_level_to_every_worker(probe):
    instance = probe(top={"log": {"level": "notice"}})
    with WebSocket(instance.port) as client:
        client.ask("hello")
    instance.config["log"] = {"level": "info"}
    instance.write_config(instance.config)
    instance.reload()
    crew.wait_for(lambda: len(instance.workers()) == 1, 10, "the old worker to have ended")
    assert "probe: connect" not in instance.log()
    with WebSocket(instance.port):
        instance.wait_log("probe: connect")


def test_the_same_path_with_new_code(probe):
    instance = probe(is_started=False)
    mine = instance.folder / "mine.so"
    shutil.copy(crew.app("probe"), mine)
    instance.config["app"] = str(mine)
    instance.write_config(instance.config)
    instance.start()
    fresh = instance.folder / "fresh.so"
    shutil.copy(crew.app("probe_v2"), fresh)
    fresh.rename(mine)
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("!who") == "probe 0 2 2"


def test_old_connections_are_closed_politely_with_1012(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        client.ask("hello")
        instance.reload()
        assert client.wait_closed().code == 1012
    instance.wait_log("reason=reload")
    instance.wait_log("probe/0: pid [0-9]+ has ended; it closed 1 connections")
    log = instance.log()
    assert log.index("probe: worker drain") < log.index("reason=reload")
    assert "probe: worker stop" in log


def test_polite_closes_are_spread_over_reload_spread(probe):
    # Longer than a machine stands still: what comes meanwhile is read at once.
    instance = probe(top={"reload_spread": "10s", "stop_timeout": "60s"})
    clients = [WebSocket(instance.port) for _ in range(30)]
    ends = []

    def watch(client):
        client.wait_closed()
        ends.append(time.monotonic())
        client.sock.close()

    watchers = [threading.Thread(target=watch, args=[client]) for client in clients]
    for watcher in watchers:
        watcher.start()
    instance.reload()
    for watcher in watchers:
        watcher.join(crew.LONG)
    assert len(ends) == 30
    assert max(ends) - min(ends) > 0.2


def test_reload_g_lets_connections_end_by_themselves(probe):
    instance = probe(top={"drain_timeout": "10m"})
    with WebSocket(instance.port) as client:
        old = client.ask("!pid")
        instance.reload("-g")
        assert client.ask("!pid") == old
        with WebSocket(instance.port) as newcomer:
            assert newcomer.ask("!pid") != old
        states = {row["state"] for row in instance.workers()}
        assert states == {"ready", "draining"}
        assert client.close() == 1000
    crew.wait_for(lambda: int(old) not in instance.processes(), 10, "the old worker's end")


def test_reload_g_is_bounded_by_drain_timeout(probe):
    instance = probe(top={"drain_timeout": "1s"})
    with WebSocket(instance.port) as client:
        old = int(client.ask("!pid"))
        instance.reload("-g")
        end = client.wait_closed()
        crew.wait_for(lambda: old not in instance.processes(), 10, "the old worker's end")
        instance.check_ended_in_time()
        assert end.code == 1012


@pytest.mark.parametrize("broken, text", [("fail_start", "on_worker_start"),
                                          ("crash_start", "SIGABRT"),
                                          ("no_symbol", "crew_app"), ("wrong_abi", "999")])
@pytest.mark.alone
def test_reload_with_a_broken_app_disturbs_none_of_100_clients(probe, broken, text):
    instance = probe(workers=2)
    instance.expect_errors("")
    pids = instance.worker_pids()
    with Load(instance.port, 100) as load:
        crew.wait_for(lambda: load.handshakes == 100 and load.echoes > 1000, 30, "the load")
        instance.config["app"] = crew.app(broken)
        instance.write_config(instance.config)
        for _ in range(2):
            done = instance.reload(expect=1)
            assert text in done.stderr, done.stderr
        before = load.echoes
        crew.wait_for(lambda: load.echoes > before + 1000, 30, "more echoes")
        assert instance.worker_pids() == pids
        assert len(instance.processes()) == 3
    assert load.faults == [] and load.closes == []
    assert load.handshakes == 100


def test_a_failed_reload_does_not_end_the_tries_of_the_old_generation(probe, tmp_path):
    bar = tmp_path / "bar"
    instance = probe(env={"PROBE_BAR": str(bar)})
    instance.expect_errors("exited with code 78", "nothing was changed")
    bar.touch()
    with WebSocket(instance.port) as client:
        client.send("!exit 78")
        client.wait_closed()
    instance.wait_log("probe/0: trying again in", count=2)
    assert "nothing was changed" in instance.reload(expect=1).stderr
    bar.unlink()
    instance.wait_ready(30)
    with WebSocket(instance.port) as client:
        assert client.ask("!who") == "probe 0 1 1"


def test_reload_with_a_bad_config_changes_nothing(probe):
    instance = probe()
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        instance.write_config('{"watchdog": "soon",\n "services": {"probe": {"workers": "many"}}}')
        done = instance.run("reload", "--run-dir", str(instance.run_dir))
        assert done.returncode == 1
        first, second = done.stderr.splitlines()
        assert first.startswith(f"crewman: {instance.config_path}:1:14: watchdog: ")
        assert second.startswith(f"crewman: {instance.config_path}:2:36: services.probe.workers: ")
        assert client.ask("!pid") == pid
    instance.expect_errors("")
    instance.write_config(instance.config)


def test_a_signal_finds_each_error_of_the_config_in_the_log(probe):
    instance = probe()
    good = dict(instance.config)
    instance.write_config('{"watchdog": "soon",\n "services": {"probe": {"workers": "many"}}}')
    instance.expect_errors("")
    os.kill(instance.master_pid(), signal.SIGHUP)
    instance.wait_log(rf"error .* reload: {instance.config_path}:1:14: watchdog: .*\n"
                      rf".* error .* reload: {instance.config_path}:2:36: services.probe.workers: .*$")
    instance.write_config(good)


def test_an_app_that_hangs_at_start_does_not_hang_the_reload_of_others(probe):
    """A hanging newcomer is given up at start_timeout, the old one serves on."""
    instance = probe()
    instance.expect_errors("")
    with WebSocket(instance.port) as client:
        pid = client.ask("!pid")
        instance.config.update(app=crew.app("hang_start"), start_timeout="3s")
        instance.write_config(instance.config)
        instance.reload(expect=1, timeout=90)
        instance.wait_log("start_timeout")
        assert client.ask("!pid") == pid
    crew.wait_for(lambda: len(instance.processes()) == 2, 10, "the newcomer's end")


def test_more_and_fewer_workers(probe):
    instance = probe(workers=2)
    for count in (4, 1):
        instance.config["services"]["probe"]["workers"] = count
        instance.write_config(instance.config)
        instance.reload()
        crew.wait_for(lambda: [row["slot"] for row in instance.workers()] == list(range(count)),
                      10, f"{count} workers")
        with WebSocket(instance.port) as client:
            assert client.ask("hello") == "hello"


def test_another_listen_address(probe):
    instance = probe()
    old_port, new_port = instance.port, crew.free_port()
    instance.config["services"]["probe"]["listen"] = f"websocket://127.0.0.1:{new_port}"
    instance.write_config(instance.config)
    with crew.held(instance):
        instance.reload()
        assert crew.refuses(old_port)  # at once, though its worker has not heard of it
    with WebSocket(new_port) as client:
        assert client.ask("hello") == "hello"


def test_a_move_that_fails_half_way_leaves_nobody_where_it_came_from(probe, tmp_path):
    bar = tmp_path / "bar"
    instance = probe(workers=2, env={"PROBE_BAR": str(bar), "PROBE_BAR_SLOT": "1"})
    instance.expect_errors("exited with code 78", "the workers left keep serving")
    new_port = crew.free_port()
    instance.config["services"]["probe"]["listen"] = f"websocket://127.0.0.1:{new_port}"
    instance.write_config(instance.config)
    bar.touch()
    with WebSocket(instance.port) as client:
        assert "the workers left keep serving" in instance.reload(expect=1).stderr
        bar.unlink()
        crew.wait_for(lambda: [(row["generation"], row["state"]) for row in instance.workers()
                               if row["state"] != "draining"] == [(2, "ready")] * 2,
                      60, "two workers with the new address")
        client.wait_closed()
    with WebSocket(new_port) as client:
        assert client.ask("hello") == "hello"


def test_another_address_that_is_taken_changes_nothing(probe):
    import socket
    instance = probe()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance.config["services"]["probe"]["listen"] = f"websocket://127.0.0.1:{port}"
        instance.write_config(instance.config)
        instance.expect_errors("")
        done = instance.reload(expect=1)
        assert f"127.0.0.1:{port}" in done.stderr
    with WebSocket(instance.port) as client:
        assert client.ask("!who") == "probe 0 1 1"


HOSTS = ["127.0.0.1", "0.0.0.0", "[::]"]


def move(instance, host, **keys):
    service = instance.config["services"]["probe"]
    scheme = service["listen"].split("://")[0]
    service.update(listen=f"{scheme}://{host}:{instance.port}", **keys)
    instance.write_config(instance.config)


def test_an_address_moves_to_one_that_overlaps_and_loses_nobody(probe):
    """The narrower one gets a client as long as it listens, whoever of the two is older."""
    instance = probe(workers=2)
    with Load(instance.port, 8, reconnects=True) as load:
        for turn, host in enumerate([*HOSTS[1:], *HOSTS, HOSTS[2], HOSTS[1]], start=2):
            move(instance, host)
            instance.reload(timeout=120)
            assert instance.status()["master"]["generation"] == turn
            before = load.echoes
            crew.wait_for(lambda: load.echoes > before + 8, 20, "clients that are served")
    assert load.faults == [] and load.handshakes > 8


def test_a_canary_that_fails_leaves_the_wider_address_as_it_was(probe):
    """It has bound the narrower one, which takes nobody before it listens."""
    instance = probe(is_started=False)
    move(instance, "0.0.0.0")
    instance.start()
    instance.expect_errors("")
    with Load(instance.port, 4) as load:
        instance.config["app"] = crew.app("fail_start")
        move(instance, "127.0.0.1")
        instance.reload(expect=1)
        instance.config["app"] = crew.app("probe_v2")
        move(instance, "0.0.0.0")
        with WebSocket(instance.port) as client:
            assert client.ask("!who") == "probe 0 1 1"
    assert load.faults == []
    move(instance, "127.0.0.1")
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("!who") == "probe 0 2 2"


def test_a_unix_socket_whose_file_is_gone_is_made_again(probe):
    instance = probe(is_started=False)
    path = instance.folder / "probe.sock"
    instance.config["services"]["probe"].update(listen=f"websocket://unix:{path}",
                                                socket={"mode": "0640"})
    instance.write_config(instance.config)
    instance.start()
    with WebSocket(path) as old:
        path.unlink()
        instance.reload("-g")
        with WebSocket(path) as client:
            assert client.ask("!who") == "probe 0 2 1"
        assert path.stat().st_mode & 0o777 == 0o640
        assert old.ask("hello") == "hello"


def test_a_link_to_a_release_is_followed_at_each_reload(probe):
    """`cd current && crewman start -c c.json`, by a shell that names the folder by the link."""
    instance = probe(is_started=False)
    del instance.config["app"]
    for release, app in (("r1", "probe"), ("r2", "probe_v2")):
        folder = instance.folder / release
        folder.mkdir()
        shutil.copy(crew.app(app), folder / "app.so")
        instance.config_path = folder / "c.json"
        instance.write_config({**instance.config, "app": "app.so"})
    current = instance.folder / "current"
    current.symlink_to("r1")
    instance.env["PWD"] = str(current)
    done = instance.run("start", "-d", "-c", "c.json", cwd=current)
    assert done.returncode == 0, done.stderr
    new = instance.folder / "new"
    new.symlink_to("r2")
    new.rename(current)
    instance.config_path = current / "c.json"
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("!who") == "probe 0 2 2"
    assert instance.status()["master"]["config"] == str(current / "c.json")


def test_two_reloads_at_once_both_get_an_answer(probe):
    instance = probe(workers=2)
    both = [subprocess.Popen([crew.CREWMAN, "reload", "-c", instance.config_path], text=True,
                             env=instance.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)]
    ends = [(process.communicate(timeout=60), process.returncode) for process in both]
    codes = sorted(code for _, code in ends)
    assert codes in ([0, 0], [0, 1]), ends
    if codes == [0, 1]:
        assert all(out[1].strip() for out, code in ends if code == 1)
    instance.wait_ready()


def test_a_canary_that_cannot_be_started_takes_back_the_new_services(probe, tmp_path):
    """With descriptors for the listeners of many new services, and too few left for a process."""
    instance = probe()
    instance.expect_errors("reload: ", "probe/0: cannot start")
    pid, master = instance.worker_pids()[0], instance.master_pid()
    names = [f"new{number}" for number in range(20)]
    for name in names:
        instance.config["services"][name] = {"kind": "static", "static": {"root": str(tmp_path)},
                                             "listen": f"http://127.0.0.1:{crew.free_port()}"}
    instance.write_config(instance.config)
    limit, old = crew.fd_count(master), resource.prlimit(master, resource.RLIMIT_NOFILE)
    failures = 0
    while "the new worker did not become ready" not in instance.log():
        limit += 1
        failures += 1
        resource.prlimit(master, resource.RLIMIT_NOFILE, (limit, old[1]))
        os.kill(master, signal.SIGHUP)
        instance.wait_log(r" error .* reload: ", count=failures)
    resource.prlimit(master, resource.RLIMIT_NOFILE, old)
    assert crew.is_alive(master)
    assert [(row["service"], row["pid"]) for row in instance.workers()] == [("probe", pid)]
    instance.reload()
    assert {row["service"] for row in instance.workers()} == {"probe", *names}


def test_a_worker_that_ignores_its_drain_is_killed_in_the_end(probe):
    instance = probe(top={"stop_timeout": "1s", "drain_timeout": "1s", "watchdog": "0"})
    instance.expect_errors("SIGKILL")
    with WebSocket(instance.port) as client:
        old = int(client.ask("!pid"))
        client.send("!block 60000")
        instance.reload()
        crew.wait_for(lambda: not crew.is_alive(old), 15, "the blocked worker's end")
    instance.wait_ready()


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_100_reloads_under_load_refuse_nobody_and_leak_nothing(probe):
    instance = probe(workers=2, top={"reload_spread": "100ms"})
    instance.reload()
    crew.wait_for(lambda: len(instance.workers()) == 2, 15, "the old workers' end")
    master = instance.master_pid()
    descriptors, sockets = crew.fd_count(master), len(list(instance.run_dir.iterdir()))
    with Load(instance.port, 30, reconnects=True) as load:
        crew.wait_for(lambda: load.handshakes >= 30, 30, "the load")
        reloads = 0
        while reloads < 100 or load.handshakes < 500 or load.echoes < 5000:
            instance.reload()
            reloads += 1
            assert load.faults == [], f"in reload {reloads}: {load.faults[:5]}"
    assert load.faults == []
    assert set(load.closes) <= {1012}
    crew.wait_for(lambda: len(instance.processes()) == 3, 15, "the old workers' end")
    assert [row["generation"] for row in instance.workers()] == [reloads + 2] * 2
    # The count before may have had the client of the last status in it.
    crew.wait_for(lambda: crew.fd_count(master) <= descriptors, 10,
                  f"{descriptors} descriptors, not {crew.fd_count(master)}")
    crew.wait_for(lambda: len(list(instance.run_dir.iterdir())) == sockets, 5, "the same files")
    assert instance.master_pid() == master


def test_reload_survives_a_worker_killed_in_the_middle(probe):
    instance = probe(workers=3)
    instance.expect_errors("SIGKILL")
    reloading = subprocess.Popen([crew.CREWMAN, "reload", "-c", instance.config_path],
                                 env=instance.env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    with contextlib.suppress(ProcessLookupError):  # it may have been the next to go
        os.kill(instance.worker_pids()[-1], signal.SIGKILL)
    assert reloading.wait(crew.LONG) in (0, 1)
    instance.wait_ready(20)
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
