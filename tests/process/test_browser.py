"""A real browser (headless Chromium) against the real programs: the page comes from Crewman, its
script checks WebSocket, fetch and EventSource from inside, and reports back over HTTP."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import crew

PAGES = crew.ROOT / "tests" / "process" / "pages"
CHROMIUM = shutil.which("chromium")
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
            "--disable-features=Translate,OptimizationHints,MediaRouter", "--no-pings",
            "--remote-debugging-port=0"]


class Browser:
    """Chromium with an empty profile, showing one page until it is closed."""

    def __init__(self, url):
        # A short path: the profile holds a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="crewb-", dir="/tmp"))
        self.log_path = self.folder / "log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [CHROMIUM, *SWITCHES, f"--user-data-dir={self.folder / 'profile'}", url],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin",
                     "TMPDIR": str(self.folder)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(crew.LONG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        assert self.process.poll() is None, self.log_path.read_text()
        return self.log_path.read_text()


@pytest.fixture
def page(probe, tmp_path):
    """The service with the page on it, and the browser that shows it."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    (tmp_path / "root").mkdir()
    for file in PAGES.iterdir():
        shutil.copy(file, tmp_path / "root")
    for folder in [tmp_path / "root", tmp_path, *tmp_path.parents][:4]:
        folder.chmod(0o755)
    instance = probe("http", app="browser", heartbeat={"ping_interval": "1s", "idle_timeout": "30s"},
                     static={"root": str(tmp_path / "root"), "index": "index.html"},
                     websocket={"deflate": True, "deflate_context": True},
                     limits={"max_send_buffer": "16m"})
    with Browser(f"http://127.0.0.1:{instance.port}/") as browser:
        instance.browser = browser
        yield instance


def test_what_a_browser_sees(page):
    def is_done():
        page.browser.log()  # is it still there?
        return "report: done" in page.log()

    try:
        crew.wait_for(is_done, 60, "the page")
    finally:
        results = dict(re.findall(r"report: (\w+) (ok|failed: .*)$", page.log(), re.M))
        assert all(result == "ok" for result in results.values()), results
    checks = re.findall(r"^  async (\w+)\(\)", (PAGES / "checks.js").read_text(), re.M)
    assert sorted(results) == sorted(checks) and len(checks) > 10
    for code in (1000, 3001, 4001, 4999):
        assert re.search(rf"close \w+ {code}$", page.log(), re.M), code
    # What the page has left open says nothing, and stays for its pongs.
    pongs = len(re.findall(r"\bpong$", page.log(), re.M))
    page.wait_log(r"\bpong$", 15, pongs + 4)
    assert "the quiet one was closed" not in page.log()
