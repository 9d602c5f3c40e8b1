"""What processes of others may bring about: texts on their way to a terminal."""

import contextlib
import grp
import json
import os
import pwd
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
def fake_master(run_dir, *answers, user=None, hangs_up=False):
    """Answers each client with these bytes, whatever it asks; yields what was asked. The kernel
    says of it that it is of that user."""
    run_dir.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(run_dir / "admin.sock"))
    os.seteuid(os.geteuid() if user is None else user)
    try:
        server.listen(8)
    finally:
        os.seteuid(os.getuid())
    asked = []

    def serve():
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(crew.LONG)
                asked.append(client.recv(65536))
                for answer in answers:
                    client.sendall(answer)
                while not hangs_up and client.recv(65536):
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


# -- whose folders and files are opened

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
OTHER = 12345


def with_log(instances, log, **top):
    return instances({"app": crew.app("probe"), "log": {"file": str(log)}, "services": {
        "probe": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1}}, **top})


def make_folder(where, name, mode=0o755, owner=None, group=None):
    folder = where / name
    folder.mkdir()
    os.chown(folder, owner or -1, group or -1)
    folder.chmod(mode)
    return folder


def refused(instance, text):
    done = instance.start("-q", expect=1)
    assert text in done.stderr, done.stderr
    assert not instance.processes()
    checked = instance.verb("check")
    assert (checked.returncode, checked.stdout) == (1, "") and text in checked.stderr


@ROOT_ONLY
def test_a_log_that_became_a_link_is_not_followed(instances, tmp_path):
    """A folder of another user, in which the log is replaced by a link to a file of root."""
    folder, victim = make_folder(tmp_path, "app"), tmp_path / "victim"
    victim.write_text("as it was")
    instance = with_log(instances, folder / "x.log")
    instance.expect_errors("x.log")
    instance.start()
    os.chown(folder, OTHER, OTHER)
    (folder / "x.log").rename(folder / "old")
    (folder / "x.log").symlink_to(victim)
    instance.log_path = folder / "old"
    done = instance.verb("reopen-logs")
    line = f'log {folder}/x.log: {folder} belongs to user "12345"; expected root'
    assert (done.returncode, done.stderr) == (1, f"crewman: {line}\n")
    instance.wait_log(f" error .* the log is not reopened: {line}$")
    before = instance.log()
    instance.verb("status")
    instance.reload()
    assert victim.read_text() == "as it was" and len(instance.log()) > len(before)


@ROOT_ONLY
@pytest.mark.parametrize("mode, owner, group, text", [
    (0o755, OTHER, None, 'app belongs to user "12345"; expected root'),
    (0o777, None, None, "app may be written by everybody; expected a folder that only root writes"),
    (0o775, None, OTHER, 'app may be written by group "12345"; expected a folder that only root'),
], ids=["owner", "everybody", "group"])
def test_a_log_in_a_folder_of_others_refuses_the_start(instances, tmp_path, mode, owner, group,
                                                       text):
    folder = make_folder(tmp_path, "app", mode, owner, group)
    instance = with_log(instances, folder / "x.log")
    refused(instance, f"crewman: log {folder}/x.log: {folder.parent}/{text}")
    assert list(folder.iterdir()) == []


@ROOT_ONLY
def test_what_others_put_into_a_sticky_folder_is_refused(instances, tmp_path):
    folder, victim = make_folder(tmp_path, "app", 0o1777), tmp_path / "victim"
    victim.write_text("as it was")
    instance = with_log(instances, folder / "x.log")
    log = folder / "x.log"
    log.symlink_to(victim)
    os.chown(log, OTHER, OTHER, follow_symlinks=False)
    refused(instance, 'x.log is a link of user "12345"')
    log.unlink()
    log.write_text("")
    os.chown(log, OTHER, OTHER)
    refused(instance, 'x.log belongs to user "12345"; expected root')
    log.unlink()
    os.link(victim, log)
    refused(instance, "x.log has a second name (hard link)")
    assert victim.read_text() == "as it was"
    log.unlink()
    instance.start("-q")
    assert "started" in instance.log()


@ROOT_ONLY
def test_a_trusted_group_may_write_into_the_folder(instances, tmp_path):
    folder = make_folder(tmp_path, "app", 0o775, None, grp.getgrnam("adm").gr_gid)
    instance = with_log(instances, folder / "x.log", trusted_groups=["adm"])
    instance.start("-q")
    assert "started" in instance.log()
    instance.stop()
    del instance.config["trusted_groups"]
    instance.write_config(instance.config)
    refused(instance, 'or add "adm" to trusted_groups')


@ROOT_ONLY
@pytest.mark.parametrize("mode, owner, text", [
    (0o755, OTHER, 'run belongs to user "12345"; expected root'),
    (0o777, None, "run may be written by everybody"),
], ids=["owner", "everybody"])
def test_a_run_dir_of_others_refuses_the_start(instances, mode, owner, text):
    instance = with_log(instances, "/dev/null")
    make_folder(instance.folder, "run", mode, owner)
    refused(instance, f"crewman: run_dir {instance.folder}/{text}")
    assert list(instance.run_dir.iterdir()) == []


@ROOT_ONLY
def test_a_pid_file_that_is_a_link_is_not_followed(instances):
    instance = with_log(instances, "/dev/null")
    victim = instance.folder / "victim"
    victim.write_text("as it was")
    make_folder(instance.folder, "run", 0o1777)
    (instance.run_dir / "crewman.pid").symlink_to(victim)
    os.chown(instance.run_dir / "crewman.pid", OTHER, OTHER, follow_symlinks=False)
    refused(instance, "crewman.pid")
    assert victim.read_text() == "as it was"
    (instance.run_dir / "crewman.pid").unlink()


@ROOT_ONLY
@pytest.mark.parametrize("verb", ["stop", "status", "connections", "reload", "reopen-logs"])
def test_another_user_who_answers_is_asked_nothing(tmp_path, verb):
    run_dir = tmp_path / "run"
    with fake_master(run_dir, message("done"), user=OTHER) as asked:
        done = subprocess.run([crew.CREWMAN, verb, "--run-dir", run_dir], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(rf"crewman: {run_dir}/admin.sock: pid \d+ of user {OTHER} answers there; "
                        r"expected root; nothing was asked\n", done.stderr)
    assert not any(asked)


@ROOT_ONLY
def test_root_asks_the_instance_of_another_user(tmp_path):
    run_dir = tmp_path / "run"
    with fake_master(run_dir, message("done"), user=OTHER) as asked:
        os.chown(run_dir, OTHER, OTHER)
        subprocess.run([crew.CREWMAN, "reload", "--run-dir", run_dir], check=True,
                       capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert b"reload" in asked[0]


@ROOT_ONLY
@pytest.mark.parametrize("what", ["app", "run"])
def test_a_restart_that_could_not_start_stops_nothing(instances, tmp_path, what):
    folder = make_folder(tmp_path, "app")
    instance = with_log(instances, folder / "x.log")
    instance.start()
    pids = instance.worker_pids()
    place = folder if what == "app" else instance.run_dir
    place.chmod(0o777)
    done = instance.verb("restart", "-d")
    assert done.returncode == 1 and "may be written by everybody" in done.stderr
    assert instance.worker_pids() == pids
    place.chmod(0o755)


@ROOT_ONLY
@pytest.mark.parametrize("words", [[], ["unshare", "--pid", "--fork"]], ids=["here", "no pid"])
def test_a_master_that_hangs_up_and_lives_is_not_stopped(tmp_path, words):
    """In another PID namespace the kernel knows no number for who answers."""
    run_dir = tmp_path / "run"
    with fake_master(run_dir, hangs_up=True):
        done = subprocess.run([*words, crew.CREWMAN, "stop", "--run-dir", run_dir], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"crewman: {run_dir}/admin.sock: "
                           "the connection was closed before an answer came\n")


@ROOT_ONLY
@pytest.mark.parametrize("where", ["folder", "file", "group", "above"])
def test_a_configuration_that_its_workers_may_change_is_named(instances, where):
    """It can ask for root, and a reload gives it: said by check, by the start and by a reload."""
    instance = instances({"user": "www-data", "app": crew.app("probe"), "services": {
        "probe": {"listen": f"text://127.0.0.1:{crew.free_port()}", "workers": 1}}})
    instance.config["app"] = crew.copy_for_others(crew.app("probe"), instance.folder)
    instance.write_config(instance.config)
    user = pwd.getpwnam("www-data")
    folder = make_folder(instance.folder, "of-theirs")
    inner = make_folder(folder, "inner")
    path = inner / "c.json"
    shutil.copy(instance.config_path, path)
    instance.config_path = path
    assert "may change it" not in instance.verb("check").stderr
    bad = {"folder": inner, "file": path, "group": path, "above": folder}[where]
    if where == "group":
        os.chown(bad, 0, user.pw_gid)
        bad.chmod(0o664)
    else:
        os.chown(bad, user.pw_uid, 0)
    said = f'{bad}: user "www-data", which workers of services.probe run as, may change it'
    assert f"warning: {said}" in instance.verb("check").stderr
    instance.start()
    instance.wait_log("warning .*" + re.escape(said))
    instance.reload()
    instance.wait_log("warning .*" + re.escape(said), count=2)
