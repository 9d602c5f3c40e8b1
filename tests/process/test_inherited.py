"""What whoever starts Crewman hands it unasked, and what Crewman hands on: signals, children of others,
the user's surroundings, a terminal."""

import ctypes
import os
import platform
import pwd
import re
import resource
import signal
import subprocess
import sys

import pytest

import crew
from ws import WebSocket, dial

STOPS_AND_RELOADS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


def start_with(instance, prepare):
    """`crewman start -d` with what `prepare` leaves behind in its process."""
    done = subprocess.run([str(crew.CREWMAN), "start", "-d", "-c", str(instance.config_path)],
                          env=instance.env, text=True, capture_output=True, cwd=instance.folder,
                          stdin=subprocess.DEVNULL, timeout=60 * crew.PATIENCE, preexec_fn=prepare)
    assert done.returncode == 0, done.stderr


def block():
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS_AND_RELOADS)


def ignore():
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("prepare", [block, ignore])
def test_signals_that_the_caller_blocks_or_ignores_work(probe, prepare):
    instance = probe(is_started=False)
    instance.expect_errors("killed by SIGKILL")
    start_with(instance, prepare)
    master, worker = instance.master_pid(), instance.worker_pids()[0]
    os.kill(worker, signal.SIGKILL)
    crew.wait_for(lambda: instance.worker_pids() not in ([], [worker]), 10, "another worker")
    os.kill(master, signal.SIGUSR1)
    instance.wait_log("reload done|reloaded|generation 2")
    os.kill(master, signal.SIGTERM)
    crew.wait_for(lambda: not instance.processes(), 20, "the end")


def test_an_alarm_of_the_caller_does_not_ring(probe):
    instance = probe(is_started=False)
    start_with(instance, lambda: signal.alarm(1))
    crew.wait_for(lambda: instance.status()["master"]["uptime_ms"] > 1500, 10, "1.5 s of life")


def of_status(text, name):
    return re.search(rf"^{name}:\s+(\S+)", text, re.M)[1]


def test_programs_of_the_app_start_with_default_signals(probe):
    """`yes | head -1` must end by SIGPIPE."""
    instance = probe()
    with WebSocket(instance.port) as client:
        seen = client.ask("!run grep Sig /proc/self/status")
    of_libc = 3 << 31  # glibc's own signals, 32 and 33, are ignored by what it spawns
    assert int(of_status(seen, "SigIgn"), 16) & ~of_libc == 0, seen
    assert int(of_status(seen, "SigBlk"), 16) == 0, seen


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_surroundings_are_those_of_the_user(probe):
    instance = probe(env={"HOME": "/root", "MAIL": "/var/mail/root"}, top={"user": "www-data"},
                     app="probe")
    account = pwd.getpwnam("www-data")
    with WebSocket(instance.port) as client:
        seen = client.ask("!run echo $HOME $USER $LOGNAME $SHELL $MAIL")
    assert seen.split() == [account.pw_dir, "www-data", "www-data", account.pw_shell]


KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}  # add_key, keyctl
SESSION = -3


def hold_a_key():
    """In a session keyring as a login has it: whoever inherits it may read what is in it."""
    add_key, keyctl = KEYCTL[platform.machine()]
    libc = ctypes.CDLL(None)
    assert libc.syscall(keyctl, 1, b"crewman-test") >= 0
    assert libc.syscall(add_key, b"user", b"crewman-secret", b"x", ctypes.c_size_t(1), SESSION) >= 0


def may_hold_keys():
    """Containers often forbid it."""
    return platform.machine() in KEYCTL and os.path.exists("/proc/keys") and subprocess.run(
        [sys.executable, "-c", "import test_inherited; test_inherited.hold_a_key()"],
        cwd=os.path.dirname(__file__), capture_output=True).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("user, has_it", [("www-data", False), ("", True)])
def test_keys_of_who_starts_it_are_not_the_users(probe, user, has_it):
    if not may_hold_keys():
        pytest.skip("no keys here")
    instance = probe(is_started=False, top={"user": user})
    start_with(instance, hold_a_key)
    with WebSocket(instance.port) as client:
        seen = client.ask("!run grep -c crewman-secret /proc/keys")
    assert (int(seen) > 0) == has_it


def test_a_bound_on_files_says_what_does_not_fit(probe):
    instance = probe(is_started=False)
    done = subprocess.run(
        [str(crew.CREWMAN), "check", "-c", str(instance.config_path)], env=instance.env, text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60 * crew.PATIENCE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    assert done.returncode == 1
    assert "File too large" in done.stderr and "SIGXFSZ" not in done.stderr


def test_without_a_user_the_surroundings_stay(probe):
    instance = probe(env={"HOME": "/somewhere"})
    with WebSocket(instance.port) as client:
        assert client.ask("!run echo $HOME").strip() == "/somewhere"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("user, group, wanted", [
    ("33", "", "33 33 33 33"), ("33", "33", "33 33 33 33"), ("54321", "54322", "54321 54321 54322 54322"),
    ("www-data", "54322", "33 33 54322 54322")])
def test_users_and_groups_may_be_numbers(probe, user, group, wanted):
    instance = probe(top={"user": user, "group": group})
    with WebSocket(instance.port) as client:
        assert client.ask("!uid") == wanted


@pytest.mark.parametrize("service, wanted", [
    ({"user": "54321"}, 'services.probe.user: found "54321"; expected group to be set too, as this '
                        'user has no account here'),
    ({"user": "4294967295", "group": "33"}, 'services.probe.user: found "4294967295"; expected the '
                                            'name or the number of a user, in quotes'),
    ({"user": "33", "group": "4294967295"}, 'services.probe.group: found "4294967295"; expected the '
                                            'name or the number of a group, in quotes')])
def test_numbers_that_are_nobodys_are_refused(probe, service, wanted):
    instance = probe(is_started=False, **service)
    for verb in ("check", "start"):
        done = instance.verb(verb)
        assert done.returncode == 1
        assert wanted in done.stderr


def test_a_mere_number_for_all_needs_a_group_too(probe):
    instance = probe(is_started=False, top={"user": "54321"})
    done = instance.verb("check")
    assert done.returncode == 1
    assert "54321" in done.stderr and "group" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_owner_of_a_unix_socket_may_be_a_number(probe, tmp_path):
    path = tmp_path / "x.sock"
    probe(protocol="text", socket={"user": "54321", "group": "54322"},
          listen=f"text://unix:{path}")
    assert (path.stat().st_uid, path.stat().st_gid) == (54321, 54322)


def may_unshare():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="needs a PID namespace")
def test_as_process_1_it_waits_for_orphans(probe):
    instance = probe(is_started=False)
    instance.log_path = instance.folder / "terminal"
    with open(instance.log_path, "w") as out:
        instance.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", str(crew.CREWMAN), "start",
             "-c", str(instance.config_path)], env=instance.env, stdin=subprocess.DEVNULL, stdout=out,
            stderr=out, cwd=instance.folder)
    instance.wait_ready()
    master, = crew.children(instance.process.pid)
    workers = crew.children(master)
    assert len(workers) == 1
    with WebSocket(instance.port) as client:
        assert client.ask("!run for i in $(seq 20); do (true &); done; echo made").strip() == "made"
    crew.wait_for(lambda: crew.children(master) == workers, 10, "all orphans to be waited for")
    os.kill(master, signal.SIGTERM)
    assert instance.process.wait(crew.LONG) == 0


@pytest.mark.skipif(not may_unshare(), reason="needs a PID namespace")
def test_a_daemon_cannot_start_as_process_1(probe):
    instance = probe(is_started=False)
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", str(crew.CREWMAN), "start", "-d",
                           "-c", str(instance.config_path)], env=instance.env, text=True,
                          capture_output=True, cwd=instance.folder, stdin=subprocess.DEVNULL,
                          timeout=60 * crew.PATIENCE)
    assert done.returncode == 2
    assert done.stderr == ("crewman: start -d as process 1 would end the container: start without -d\n")


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizers' runtime must come first")
def test_any_address_on_a_kernel_without_ipv6(probe):
    instance = probe(is_started=False, env={"LD_PRELOAD": crew.app("no_ipv6")})
    instance.config["services"]["probe"]["listen"] = f"websocket://*:{instance.port}"
    instance.write_config(instance.config)
    instance.start()
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "hello"
    instance.reload()


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizers' runtime must come first")
def test_an_ipv6_address_on_a_kernel_without_ipv6_says_so(probe):
    instance = probe(is_started=False, env={"LD_PRELOAD": crew.app("no_ipv6")})
    instance.config["services"]["probe"]["listen"] = f"websocket://[::]:{instance.port}"
    instance.write_config(instance.config)
    done = instance.start(expect=1)
    assert "(this kernel has no IPv6; use 0.0.0.0)" in done.stderr


def test_descriptors_of_the_caller_reach_no_child(probe, tmp_path):
    seen = tmp_path / "seen"
    instance = probe(is_started=False, app="inherits", env={"INHERITS": str(seen)})
    with open("/dev/null") as leaked:
        done = subprocess.run([str(crew.CREWMAN), "check", "-c", str(instance.config_path)],
                              env=instance.env, pass_fds=[leaked.fileno()], capture_output=True,
                              timeout=60 * crew.PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "fds: 0 1 2\n" in seen.read_text()
