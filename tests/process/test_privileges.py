"""What the code of an app may do to whoever started it: nothing. It has no terminal, no rights beyond
its user, and no way to get any."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import crew
from terminal import Terminal
from ws import WebSocket

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def stat_of(text):
    """session, tty_nr of a /proc/PID/stat."""
    fields = text.rpartition(")")[2].split()
    return int(fields[3]), int(fields[4])


def status_of(pid):
    return Path(f"/proc/{pid}/status").read_text()


def field(status, name):
    return int(re.search(rf"^{name}:\s+(\S+)", status, re.M)[1], 16)


STEAL = """
import errno, fcntl, os, termios
try:
    os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    print("tty: open")
except OSError as error:
    print("tty:", errno.errorcode[error.errno])
for fd in range(256):
    try:
        fcntl.ioctl(fd, termios.TIOCSTI, b"x")
        print("typed into", fd)
    except OSError:
        pass
"""


@needs_root
def test_a_worker_cannot_type_into_the_terminal(probe):
    instance = probe(is_started=False, workers=2, top={"user": "www-data"})
    script = instance.folder / "steal.py"
    script.write_text(STEAL)
    with Terminal(instance, str(crew.CREWMAN), "start", "-c", str(instance.config_path)) as terminal:
        instance.wait_ready()
        assert stat_of(Path(f"/proc/{terminal.pid}/stat").read_text())[1] != 0
        for pid in instance.worker_pids():
            assert stat_of(Path(f"/proc/{pid}/stat").read_text()) == (pid, 0)
        with WebSocket(instance.port) as client:
            assert client.ask(f"!run python3 {script}").split("\n") == ["tty: ENXIO", ""]
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == 0


@needs_root
@pytest.mark.parametrize("verb", ["check", "start"])
@pytest.mark.parametrize("place", ["top", "services"])
def test_a_constructor_has_no_terminal_and_no_rights(probe, verb, place):
    """Wherever the user stands: each time that the app is described, and in its workers."""
    keys = {"user": "www-data"}
    instance = probe(is_started=False, app="inherits", **({"top": keys} if place == "top" else keys))
    seen = instance.folder / "seen"
    instance.env["INHERITS"] = str(seen)
    with Terminal(instance, str(crew.CREWMAN), verb, "-c", str(instance.config_path)) as terminal:
        if verb == "start":
            instance.wait_ready()
            os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == 0
    text = seen.read_text()
    assert "tty: ENXIO\n" in text and "tty: open" not in text
    assert "home: /var/www\n" in text
    for line in re.findall(r"^\d+ \(.*$", text, re.M):
        assert stat_of(line) == (int(line.split()[0]), 0)
    found = re.findall(r"^(NoNewPrivs|Cap\w+):\s+(\S+)", text, re.M)
    assert {name for name, _ in found} >= {"NoNewPrivs", *CAPABILITIES}
    assert all(int(value, 16) == (name == "NoNewPrivs") for name, value in found), text


def may_drop_the_bounding_set():
    return field(status_of("self"), "CapEff") & 1 << 8  # CAP_SETPCAP


@needs_root
def test_workers_of_a_user_have_no_capability(probe):
    instance = probe(workers=2, top={"user": "www-data"})
    for pid in instance.worker_pids():
        status = status_of(pid)
        assert field(status, "NoNewPrivs") == 1
        for name in CAPABILITIES:
            if name != "CapBnd" or may_drop_the_bounding_set():
                assert field(status, name) == 0, status


@needs_root
def test_capabilities_of_a_master_that_is_not_root_stay_its_own(instances, probe):
    """As of systemd's AmbientCapabilities, to bind a low port."""
    instance = probe(is_started=False)
    instance.config["app"] = crew.copy_for_others(crew.app("probe"), instance.folder)
    instance.write_config(instance.config)
    crew.copy_for_others(crew.WORKER, instance.folder)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service",
         crew.copy_for_others(crew.CREWMAN, instance.folder), "start", "-d", "-c",
         str(instance.config_path)],
        env=instance.env, text=True, capture_output=True, stdin=subprocess.DEVNULL,
        timeout=60 * crew.PATIENCE, cwd=instance.folder)
    assert done.returncode == 0, done.stderr
    pids = [pid for pid in instance.processes() if pid != instance.master_pid()]
    assert field(status_of(instance.master_pid()), "CapAmb") != 0
    assert len(pids) == 1
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert field(status_of(pids[0]), name) == 0


def test_workers_cannot_gain_rights_by_programs(probe):
    for pid in probe().worker_pids():
        assert field(status_of(pid), "NoNewPrivs") == 1
