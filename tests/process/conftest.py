"""Fixtures of the process tests: instances of the real programs, always cleaned up and checked."""

import shutil
import signal
import subprocess

import pytest

import crew
from waits import pytest_runtest_makereport, pytest_runtest_setup  # noqa: F401 (hooks)


def pytest_configure(config):
    # A shell gives its background jobs ignored ones, which all that they start inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.addinivalue_line("markers", "alone: measures or fills the machine; run one at a time")


def pytest_collection_modifyitems(items):
    for item in items:
        if not any(mark.name == "timeout" for mark in item.iter_markers()):
            item.add_marker(pytest.mark.timeout(300 * crew.PATIENCE))


@pytest.fixture
def instances():
    """Makes instances without starting them; at the end none may leave a process or an error."""
    made = []

    def make(config=None, env=None):
        made.append(crew.Instance(config, env))
        return made[-1]

    yield make
    faults = [fault for one in made for fault in one.clean_up()]
    assert not faults, "\n".join(faults)


@pytest.fixture
def probe(instances):
    """Starts one instance of the probe app: probe(protocol, workers, heartbeat=…, limits=…)."""

    def start(protocol="websocket", workers=1, *, app="probe", env=None, foreground=False,
              is_started=True, top=None, **service):
        port = crew.free_port()
        block = {"listen": f"{protocol}://127.0.0.1:{port}", "workers": workers}
        block.update({key: value for key, value in service.items() if value is not None})
        config = {"app": crew.app(app), "services": {"probe": block},
                  "log": {"level": "debug"}, "reload_spread": "0"}
        config.update(top or {})
        instance = instances(config, env)
        instance.port = port
        if is_started:
            instance.start_foreground() if foreground else instance.start()
        return instance

    return start


@pytest.fixture(scope="session")
def npm_ws(tmp_path_factory):
    """A folder with the clients of tests/npm, in the versions of its lock file."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    for file in (crew.ROOT / "tests" / "npm").glob("*.js*"):
        shutil.copy(file, folder)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                          cwd=folder, capture_output=True, text=True, timeout=90)
    if done.returncode != 0:
        pytest.skip(f"npm could not install ws: {done.stderr[-200:]}")
    return folder
