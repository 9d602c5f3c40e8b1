"""An instance for which nobody names a run_dir is found from a login, a cron job, after su and after
a logout: XDG_RUNTIME_DIR is another one, is not there, or is not ours."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import crew

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs other users")


class Home:
    """Of a user of its own, whom no other test has, and so no default folder either."""

    def __init__(self, probe):
        self.instance = probe("websocket", is_started=False)
        self.uid = 200000 + self.instance.port
        self.fallback = Path(f"/tmp/crewman-{self.uid}")
        self.runtime = self.folder("runtime", self.uid)
        self.foreign = self.folder("foreign", self.uid + 1)
        app = crew.copy_for_others(crew.app("probe"), self.instance.folder)
        self.crewman = crew.copy_for_others(crew.CREWMAN, self.instance.folder)
        crew.copy_for_others(crew.WORKER, self.instance.folder)
        self.write({"app": app, "services": {"probe": {
            "listen": f"websocket://127.0.0.1:{self.instance.port}", "workers": 1}}})

    def folder(self, name, owner):
        path = self.instance.folder / name
        path.mkdir(mode=0o700)
        os.chown(path, owner, owner)
        return path

    def write(self, config):
        self.config = config
        self.instance.config_path.write_text(json.dumps(config))

    def run(self, runtime, verb, *args):
        env = dict(self.instance.env)
        if runtime is not None:
            env["XDG_RUNTIME_DIR"] = str(runtime)
        return subprocess.run(
            ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups",
             self.crewman, verb, "-c", self.instance.config_path, *args], env=env, text=True,
            capture_output=True, timeout=60 * crew.PATIENCE, stdin=subprocess.DEVNULL,
            cwd=self.instance.folder)

    def start(self, runtime):
        done = self.run(runtime, "start", "-d", "-q")
        assert done.returncode == 0, done.stderr

    def run_dir(self, runtime):
        done = self.run(runtime, "status", "--json")
        assert done.returncode == 0, done.stderr
        return Path(json.loads(done.stdout)["master"]["run_dir"])


@pytest.fixture
def home(probe):
    home = Home(probe)
    yield home
    for folder in (home.fallback, home.runtime / "crewman"):
        home.run(None, "stop", "--run-dir", str(folder))
        home.instance.log_path = folder / "crewman.log"
        assert not home.instance.errors()
    assert not home.instance.processes()
    shutil.rmtree(home.fallback, ignore_errors=True)


@pytest.mark.parametrize("started", ["none", "empty", "gone", "relative", "foreign", "file", "root"])
def test_one_in_tmp_is_found(home, started):
    """Where XDG_RUNTIME_DIR names no folder of the user, and whatever it names later."""
    values = {"none": None, "empty": "", "gone": home.instance.folder / "gone", "relative": "run",
              "foreign": home.foreign, "file": home.instance.config_path, "root": "/"}
    home.start(values[started])
    for asked in (None, home.runtime, values["gone"], home.foreign):
        assert home.run_dir(asked) == home.fallback
        again = home.run(asked, "start", "-d")
        assert again.returncode == 1 and "already running, pid" in again.stderr, again.stderr
    assert not (home.runtime / "crewman").exists()
    assert home.run(home.runtime, "reload").returncode == 0
    assert home.run(home.foreign, "stop").returncode == 0


def test_one_that_xdg_names_stays_there(home):
    """Its own reload does not depend on the folder of a login that has ended."""
    home.start(home.runtime)
    assert home.run_dir(home.runtime) == home.runtime / "crewman"
    lost = home.run(None, "status")
    assert lost.returncode == 3 and "XDG_RUNTIME_DIR is not set here" in lost.stderr, lost.stderr
    assert "--run-dir" in lost.stderr
    os.chown(home.runtime, 0, 0)
    home.runtime.chmod(0o755)
    done = home.run(home.runtime, "reload", "--run-dir", str(home.runtime / "crewman"))
    assert done.returncode == 0, done.stderr


def test_a_stale_socket_elsewhere_is_no_instance(home):
    """Of one that was killed: nobody answers there."""
    home.fallback.mkdir(mode=0o700)
    os.chown(home.fallback, home.uid, home.uid)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(home.fallback / "admin.sock"))
    home.start(home.runtime)
    assert home.run_dir(home.runtime) == home.runtime / "crewman"


def test_a_folder_of_another_user_is_not_asked(home):
    """Whoever made it first in /tmp hears no verb."""
    home.fallback.mkdir(mode=0o755)
    os.chown(home.fallback, home.uid + 1, home.uid + 1)
    with socket.socket(socket.AF_UNIX) as trap:
        trap.bind(str(home.fallback / "admin.sock"))
        (home.fallback / "admin.sock").chmod(0o777)
        trap.listen()
        trap.settimeout(0)
        home.start(home.runtime)
        assert home.run_dir(home.runtime) == home.runtime / "crewman"
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_a_config_that_is_wrong_elsewhere_hides_no_instance(home):
    """The folder of its log was removed, a key is wrong: status and stop need neither."""
    logs = home.folder("logs", home.uid)
    right = home.config
    home.write({**right, "log": {"file": str(logs / "x.log")}})
    home.start(None)
    shutil.rmtree(logs)
    assert home.run_dir(None) == home.fallback
    home.write({**right, "stop_timeout": "soon", "unknown": 1})
    assert home.run_dir(None) == home.fallback
    assert home.run(None, "connections", "--json").returncode == 0
    home.write({**right, "run_dir": 5})
    done = home.run(None, "status")
    assert done.returncode == 1 and "run_dir: found 5; expected a path" in done.stderr, done.stderr
    home.write({**right, "stop_timeout": "soon"})
    assert home.run(None, "stop").returncode == 0
