"""nginx in front, with the blocks of docs/behind-nginx.md as they stand there, but for the ports."""

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import crew
from load import Load
from web import Client
from ws import BINARY, PONG, TEXT, WebSocket, frame

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
TEXT_OF_PAGE = (crew.ROOT / "docs" / "behind-nginx.md").read_text()
HTTP_BLOCK, STREAM_BLOCK = re.findall(r"```nginx\n(.*?)```", TEXT_OF_PAGE, re.S)
HTTP_SERVICE, STREAM_SERVICE = map(json.loads, re.findall(r"```json\n(.*?)```", TEXT_OF_PAGE, re.S))
CLIENT = "127.0.0.7"  # the address that clients come from in these tests

pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

AROUND = """
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
worker_processes 1;
{preamble}
events {{ }}
{name} {{
    {paths}
    access_log off;
    {block}
}}
"""


class Nginx:
    def __init__(self, folder, name, block, upstream_port, old_port, new_port):
        self.folder = folder
        self.port = crew.free_port()
        block = block.replace(f"127.0.0.1:{old_port}", f"127.0.0.1:{upstream_port}") \
            .replace(f"listen {new_port};", f"listen 127.0.0.1:{self.port};")
        assert str(upstream_port) in block and str(self.port) in block
        preamble = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        if name == "stream":
            preamble += f"\nload_module {STREAM_MODULE};"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi") if name == "http" else ()
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        config = folder / "nginx.conf"
        config.write_text(AROUND.format(folder=folder, preamble=preamble, name=name, paths=paths,
                                        block=block))
        self.process = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"), "-g",
             "daemon off;"], stdin=subprocess.DEVNULL)
        crew.wait_for(self.is_up, 10, "nginx")

    def is_up(self):
        assert self.process.poll() is None, self.log()
        return "start worker process " in self.log()

    def log(self):
        log = self.folder / "error.log"
        return log.read_text() if log.exists() else ""

    def stop(self):
        self.process.terminate()
        self.process.wait(crew.LONG)


@pytest.fixture
def nginx(probe, tmp_path):
    """Starts the service and nginx before it."""
    running = []

    def start(name, service, block, ports, **options):
        scheme = service["listen"].split("://")[0]
        others = {key: value for key, value in service.items() if key != "listen"}
        instance = probe(scheme, **{**others, **options})
        running.append(Nginx(tmp_path, name, block, instance.port, *ports))
        instance.front = running[-1].port
        return instance

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def site(nginx):
    def start(**options):
        return nginx("http", HTTP_SERVICE, HTTP_BLOCK, (8282, 8080), app="browser", **options)
    return start


def from_client(port, address=CLIENT):
    """A connection that comes from the client's address."""
    sock = socket.socket()
    sock.bind((address, 0))
    sock.settimeout(crew.LONG)
    sock.connect(("127.0.0.1", port))
    return sock


class FarClient(Client):
    def __init__(self, port, address=CLIENT):
        self.sock = from_client(port, address)
        self.rest = bytearray()


@pytest.fixture
def far_dial(monkeypatch):
    monkeypatch.setattr("ws.dial", lambda where, timeout=10: from_client(where))


@pytest.mark.parametrize("field", ["X-Forwarded-For: 203.0.113.66", 'X-Forwarded-For: "', "X-Real-IP: 203.0.113.66",
                                   "Forwarded: for=203.0.113.66"])
def test_what_a_client_says_of_itself_is_not_believed(site, field):
    with FarClient(site().front) as client:
        assert client.get("/who", field).body.decode() == CLIENT


def test_requests_through_nginx(site):
    instance = site()
    counts = []
    for _ in range(3):
        with FarClient(instance.front) as client:
            for _ in range(20):
                answer = client.get("/who")
                assert (answer.status, answer.body.decode()) == (200, CLIENT)
                counts.append(int(client.get("/count").body))
            data = os.urandom(3_000_000)
            assert client.get("/body", method="POST", body=data).body == data
            assert client.get("/nothing").status == 404
            assert client.get("/who", method="HEAD").body == b""
    assert max(counts) > 15, "nginx should keep its connections to the service"


def test_a_health_check_of_old(site):
    """HTTP/1.0, and no Host."""
    with socket.create_connection(("127.0.0.1", site().front), crew.LONG) as client:
        client.sendall(b"GET /who HTTP/1.0\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_kept_connection_has_the_client_of_each_request(site):
    """nginx sends what several clients ask for over one connection to the service."""
    instance = site()
    others = ["127.0.0.8", "127.0.0.9", CLIENT]
    clients = [FarClient(instance.front, address) for address in others]
    for turn in range(9):
        assert clients[turn % 3].get("/who").body.decode() == others[turn % 3]
    assert clients[0].get("/count").body == b"1"
    assert clients[1].get("/count").body == b"2"
    assert len(instance.connections()) == 1
    for client in clients:
        client.sock.close()


@pytest.mark.parametrize("field", ["X-Forwarded-For: 203.0.113.9",
                                   "X-Forwarded-For: 203.0.113.9, 127.0.0.1"])
def test_a_client_cannot_choose_its_address(site, field):
    with FarClient(site().front) as client:
        assert client.get("/who", field).body.decode() == CLIENT


def test_without_trust_the_peer_is_nginx(site):
    with FarClient(site(trusted_proxies=[]).front) as client:
        assert client.get("/who").body == b"127.0.0.1"


def test_what_is_streamed_comes_at_once(site):
    instance = site()
    with FarClient(instance.front) as client, FarClient(instance.front) as other:
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.head().status == 200
        assert client.chunk() == b"one"
        assert other.get("/go").body == b"went"
        assert client.chunk() == b"two"
        assert client.chunk() == b""
    with FarClient(instance.front) as client:
        assert b"id: 8\n" in client.get("/events", "Last-Event-ID: 7").body


def test_a_full_service_through_nginx(site):
    """The answer comes before the request is read: nginx hands it on."""
    instance = site(limits={"max_connections": 1})
    with FarClient(instance.front) as first, FarClient(instance.front) as second:
        first.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert first.head().status == 200
        for method, body in (("GET", b""), ("POST", b"x" * 100_000)):
            answer = second.get("/who", method=method, body=body)
            assert answer.status == 503 and answer["retry-after"] == "5"
    crew.wait_for(lambda: instance.worker()["turned_away"] == 2, 10, "the count")


def test_limits_of_an_address_are_those_of_the_client(site, far_dial):
    """Not of nginx, over whose connections all of them come."""
    instance = site(limits={"max_connections_per_address": 1, "requests_per_address": 1000})
    with FarClient(instance.front) as first, FarClient(instance.front) as again, \
            FarClient(instance.front, "127.0.0.8") as other:
        first.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert first.head().status == 200
        answer = again.get("/who")
        assert answer.status == 429 and answer["retry-after"] == "1"
        for _ in range(3):
            assert other.get("/who").body == b"127.0.0.8"
        assert other.get("/go").body == b"went"
        while first.chunk():
            pass
    with WebSocket(instance.front) as client:
        assert client.ask("who?") == CLIENT
        with FarClient(instance.front) as again:
            assert again.get("/who").status == 429
    instance.wait_log(f"limits.max_connections_per_address is 1; refused: 1, the last from {CLIENT}$")
    crew.wait_for(lambda: instance.worker()["over_address"] == 2, 10, "the count")


def test_requests_of_a_client_are_bounded(site):
    instance = site(limits={"requests_per_address": 5})
    statuses = []
    with FarClient(instance.front, "127.0.0.8") as other:
        while 429 not in statuses:  # within a second, sooner or later
            assert len(statuses) < 10_000
            with FarClient(instance.front) as client:
                statuses.append(client.get("/who").status)
        assert other.get("/who").status == 200
    assert set(statuses) == {200, 429} and statuses.count(200) >= 5
    instance.wait_log(f"limits.requests_per_address is 5; refused: 1, the last from {CLIENT}$")


def test_websocket_through_nginx(site, far_dial):
    instance = site(websocket={"deflate": True}, heartbeat={"ping_interval": "1s",
                                                            "idle_timeout": "60s"})
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    with WebSocket(instance.front, headers=["Sec-WebSocket-Protocol: chat"]) as client:
        assert b"sec-websocket-protocol: chat" in client.head.lower()
        assert client.ask("who?") == CLIENT
        assert [one["peer"] for one in instance.connections()] == [f"{CLIENT}:0"]
        for size in (0, 1, 65536, 2_000_000):
            data = os.urandom(size)
            client.send(data, BINARY)
            assert client.recv() == (BINARY, data)
        client.send_raw(frame(b"in ", TEXT, fin=False) + frame(b"parts", 0))
        assert client.recv() == (TEXT, b"in parts")
        # The heartbeat reaches through: the client is asked, and its answers arrive.
        for _ in range(5):
            opcode, data = client.recv_frame()
            assert opcode == 9
            client.send(data, PONG)
        crew.wait_for(lambda: instance.connections()[0]["rtt_ms"] >= 0, what="a pong")
        assert client.close(3000, b"bye") == 3000
    instance.wait_log("close peer 3000")
    with WebSocket(instance.front, headers=[offer]) as client:
        assert b"permessage-deflate" in client.head
        client.send("leave!")
        assert client.wait_closed().code == 4001


def test_a_client_that_vanishes_behind_nginx_is_reaped(site, far_dial):
    """nginx acknowledges for the client; only the missing pongs tell."""
    instance = site(heartbeat={"ping_interval": "1s", "idle_timeout": "2s"})
    with WebSocket(instance.front, answers_pings=False) as client:
        assert client.wait_closed() is not None
    instance.wait_log("close heartbeat")


def test_a_reload_behind_nginx_costs_nothing(site):
    """Requests go on, and WebSocket clients come back: nginx never finds nobody there."""
    instance = site(workers=2)
    faults, over = [], threading.Event()

    def ask():
        try:
            while not over.is_set():
                with FarClient(instance.front) as client:
                    for _ in range(500):  # nginx ends a connection after 1000
                        answer = client.get("/who")
                        if (answer.status, answer.body.decode()) != (200, CLIENT):
                            faults.append(f"{answer.status} {answer.body[:80]}")
        except Exception as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    with Load(instance.front, 4, reconnects=True) as load:
        for thread in threads:
            thread.start()
        for _ in range(15):
            instance.reload()
        over.set()
        for thread in threads:
            thread.join()
    assert not faults and not load.faults, (faults[:5], load.faults[:5])
    assert set(load.closes) == {1012} and len(load.closes) > 15


@pytest.mark.skipif(not STREAM_MODULE.exists(), reason="nginx has no stream module")
def test_any_protocol_with_the_proxy_header(nginx):
    instance = nginx("stream", STREAM_SERVICE, STREAM_BLOCK, (8283, 8443))
    with from_client(instance.front) as sock:
        sock.sendall(b"hello\n")
        assert sock.recv(100) == b"hello\n"
        peers = [one["peer"] for one in instance.connections()]
        assert peers == [f"{CLIENT}:{sock.getsockname()[1]}"]
