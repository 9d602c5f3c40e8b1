# SPDX-License-Identifier: MIT
"""The servers that bench/run measures: each is started on a free port of 127.0.0.1, pinned to a
core, and has `port`, `pids` (whose CPU time counts) and stop()."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, command):
    words = [str(word) for word in command]
    return words if core is None else ["taskset", "-c", str(core), *words]


def children(pid):
    return [int(word) for word in
            Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_port(port, process, name):
    for _ in range(500):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"bench: {name} did not start")


class Floor:
    """A bare epoll loop that answers `sizes[0]` bytes with `sizes[1]` bytes; `words` are its
    options."""
    program = "bench-floor"

    def __init__(self, folder, core, sizes=(), words=()):
        self.port = free_port()
        command = [folder / "bench" / self.program, self.port, *sizes, *words]
        self.process = subprocess.Popen(pinned(core, command), stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            sys.exit(f"bench: {self.program} did not start")
        self.pids = [self.process.pid]

    def stop(self):
        self.process.kill()
        self.process.wait()


class FanFloor(Floor):
    """One that sends what it is told to all members of a room."""
    program = "bench-fan-floor"


class Crewman:
    def __init__(self, folder, core, app="examples/echo.so", service="echo",
                 protocol="websocket", workers=1, **config):
        self.port = free_port()
        self.scratch = Path(tempfile.mkdtemp(prefix="crewman-bench-"))
        self.program = folder / "crewman"
        self.config = self.scratch / "crewman.json"
        self.config.write_text(json.dumps({
            "app": str(folder / app), "run_dir": str(self.scratch / "run"),
            "services": {service: {"listen": f"{protocol}://127.0.0.1:{self.port}",
                                   "workers": workers, **config}}}))
        subprocess.run(pinned(core, [self.program, "start", "-c", self.config, "-d"]), check=True,
                       stdout=subprocess.DEVNULL)
        self.master = int((self.scratch / "run" / "crewman.pid").read_text())

    @property
    def pids(self):
        return children(self.master)

    def verb(self, *words):
        return subprocess.run([self.program, *words, "-c", self.config], capture_output=True,
                              text=True)

    def status(self):
        return json.loads(self.verb("status", "--json").stdout)

    def stop(self):
        self.verb("stop")
        shutil.rmtree(self.scratch)


class Process:
    """Any other server: its command and the port it will listen on."""

    def __init__(self, core, name, command, port):
        self.port = port
        self.process = subprocess.Popen(pinned(core, command), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for_port(port, self.process, name)

    @property
    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


NGINX = """worker_processes 1; daemon off; pid {0}/pid; error_log {0}/error.log;
worker_rlimit_nofile 10000;
events {{ worker_connections 5000; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on;
  client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
  uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
  server {{ listen 127.0.0.1:{1};
    location / {{ root {2}; }}
    location = /hello {{ default_type text/plain; return 200 "hello"; }} }} }}
"""


class Nginx(Process):
    def __init__(self, core, files):
        self.scratch = Path(tempfile.mkdtemp(prefix="crewman-bench-"))
        self.scratch.chmod(0o755)
        port = free_port()
        config = self.scratch / "nginx.conf"
        config.write_text(NGINX.format(self.scratch, port, files))
        super().__init__(core, "nginx", [nginx_program(), "-c", config], port)

    def stop(self):
        super().stop()
        shutil.rmtree(self.scratch)


def nginx_program():
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


class Peer:
    """Another WebSocket echo server: its name, its command, and the port it will listen on; 0 for
    a free one at each start, which stands for {port} in the command."""

    def __init__(self, name, command, port=0):
        self.name, self.command, self.port = name, command, port

    def start(self, core):
        port = self.port or free_port()
        words = [str(word).replace("{port}", str(port)) for word in self.command]
        return Process(core, self.name, words, port)


def installed_peers(folder, options):
    """Those that are installed, and those of --peer."""
    found = []
    lws = folder / "bench" / "bench-lws"
    if lws.exists():
        found.append(Peer("libwebsockets", [lws, "{port}"]))
    if options.npm and shutil.which("node"):
        found.append(Peer("npm ws", ["node", HERE / "peers" / "ws.mjs", options.npm.resolve(),
                                     "{port}"]))
    for text in options.peer or []:
        name, _, rest = text.partition("=")
        port, _, command = rest.partition(":")
        found.append(Peer(name, command.split(), int(port)))
    return found
