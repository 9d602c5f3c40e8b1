"""The client of npm `ws`, used as its users do: tests/npm/checks.js."""

import json
import re
import subprocess

import crew


def test_what_npm_ws_sees(probe, npm_ws):
    instance = probe("websocket", app="browser", websocket={"deflate": True},
                     heartbeat={"ping_interval": "1s", "idle_timeout": "10s"},
                     limits={"max_message": "4m", "max_send_buffer": "16m"})
    done = subprocess.run(["node", "checks.js", f"ws://127.0.0.1:{instance.port}"], cwd=npm_ws,
                          capture_output=True, text=True, timeout=60 * crew.PATIENCE)
    assert done.returncode == 0, done.stderr
    checks = re.findall(r"^  async (\w+)\(\)", (npm_ws / "checks.js").read_text(), re.M)
    assert json.loads(done.stdout) == checks and len(checks) == 10
    for code in (1000, 1012, 4001, 4999):
        instance.wait_log(rf"close \w+ {code}$")
    instance.wait_log(r"close heartbeat \d+$")
    instance.wait_log(r"close (peer|io) 1006$", count=2)  # what ends a stream terminates too
