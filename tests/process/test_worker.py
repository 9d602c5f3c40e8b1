"""One crewman-worker without a master: the test holds the other end of its control pipe."""

import array
import contextlib
import fcntl
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import crew

PAGE_BYTES = 4096
PAGE_HEAD = 64
COUNTERS = re.findall(r"^    X\(\w+, (\w+),", (crew.ROOT / "common/control/counters.h").read_text(),
                      re.M)
VERSION = 3  # of the messages
ACCEPTING, FULL = 2, 3  # scoreboard.h
PAGE = 1000
NOBODY = pwd.getpwnam("nobody").pw_uid


class Pipe:
    """One end of a control pipe, or of a connection that asks for connections."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(crew.LONG)

    def send(self, kind, fd=None, **fields):
        body = json.dumps({"v": VERSION, "type": kind, **fields}).encode()
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                         array.array("i", [fd]))]
        self.sock.sendmsg([struct.pack(">I", len(body)) + body], rights)

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                return None
            data += part
        return data

    def recv(self):
        """The next message, None at the end."""
        head = self.read(4)
        return None if head is None else json.loads(self.read(struct.unpack(">I", head)[0]))

    def expect(self, kind):
        """The next message that is no beat, or that is."""
        while True:
            message = self.recv()
            assert message is not None, f"the end came instead of {kind}"
            if message["type"] == kind:
                return message
            assert message["type"] == "beat", message


def make_page():
    """As the master makes one."""
    page = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(page, PAGE_BYTES)
    fcntl.fcntl(page, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return page


class Worker:
    def __init__(self, env=None, listeners=1, page=None):
        """`listeners`: they are its descriptors from 6 on. `page`: instead of one that is right;
        ours from now on."""
        self.folder = Path(tempfile.mkdtemp(prefix="crewt-", dir="/tmp"))
        self.folder.chmod(0o1777)
        self.log_path = self.folder / "log"
        ours, theirs = socket.socketpair()
        self.pipe = Pipe(ours)
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=4096)
                          for _ in range(listeners)]
        for listener in self.listeners:
            listener.setblocking(False)
        self.listener = self.listeners[0]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        self.port = self.ports[0]
        self.page = make_page() if page is None else page
        handed = {3: theirs.fileno(), 4: self.page,
                  **{6 + i: listener.fileno() for i, listener in enumerate(self.listeners)}}
        high = {fd: fcntl.fcntl(source, fcntl.F_DUPFD, 100) for fd, source in handed.items()}

        def hand_over():
            for fd, source in high.items():
                os.dup2(source, fd)
            os.closerange(6 + listeners, 4096)

        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [crew.WORKER], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                close_fds=False, preexec_fn=hand_over, env={**os.environ, **(env or {})})
        for fd in high.values():
            os.close(fd)
        theirs.close()

    def stop(self, timeout_ms):
        """As the master ends it when the instance is stopped."""
        self.pipe.send("drain", reason="shutdown", graceful=False, timeout_ms=timeout_ms,
                       spread_ms=0)

    def plan(self, service="probe", config=None, listener=6, **changes):
        """Of one service, unless `changes` has others."""
        config = config or {"listen": f"text://127.0.0.1:{self.port}"}
        self.pipe.send("plan", **{
            "name": "probe", "app": crew.app("probe"), "runtimes": "", "slot": 2, "generation": 3,
            "process": 77, "user": "", "group": "", "log_level": "notice",
            "drain_timeout_ms": 30000, "spread_ms": 0,
            "services": [{"service": service, "config": config, "listener": listener}], **changes})

    def start(self, **changes):
        self.pipe.expect("hello")
        self.plan(**changes)
        self.pipe.expect("ready")

    def count(self, name):
        """What the worker's page says."""
        return struct.unpack("=Q", os.pread(self.page, 8, PAGE_HEAD + 8 * COUNTERS.index(name)))[0]

    def wait_count(self, name, value):
        crew.wait_for(lambda: self.count(name) == value, 10, f"{name} to be {value}")

    def turns(self):
        """Of its loop."""
        return self.count("turns")

    def connect(self, which=0):
        return Client(self.ports[which])

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern):
        return crew.wait_for(lambda: re.search(pattern, self.log()), 10, f"{pattern!r} in {self.log()}")

    def wait(self):
        return self.process.wait(crew.LONG)

    def done(self):
        crew.note_end(self.process.poll(), "the worker")
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thing in (self.pipe.sock, *self.listeners):
            thing.close()
        os.close(self.page)
        shutil.rmtree(self.folder)


class Client:
    """A client of the text protocol."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), crew.LONG)
        self.file = self.sock.makefile("rw", newline="\n")

    def ask(self, text):
        self.file.write(text + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()


@pytest.fixture
def workers():
    made = []

    def make(**how):
        made.append(Worker(**how))
        return made[-1]

    yield make
    for worker in made:
        worker.done()


# -- coming up


def test_hello_ready_beat(workers):
    worker = workers()
    hello = worker.pipe.expect("hello")
    assert hello["v"] == VERSION
    header = (crew.ROOT / "include" / "crewman.h").read_text()
    assert f'#define CREW_VERSION "{hello["version"]}"' in header
    worker.plan()
    worker.pipe.expect("ready")
    assert open(f"/proc/{worker.process.pid}/comm").read() == "crewman: worker\n"
    with worker.connect() as client:
        assert client.ask("!who") == "probe 2 3 1"
        assert client.ask("hello") == "hello"
        worker.wait_count("messages_in", 2)
        worker.wait_count("messages_out", 2)
        assert worker.count("connections") == 1 and worker.count("accepted") == 1
        assert worker.count("bytes_in") == 11
        assert worker.count("pid") == worker.process.pid
        assert set(worker.pipe.expect("beat")) == {"v", "type"}
    assert "<5>probe: worker start, slot 2\n" in worker.log()  # the master adds the rest


def test_beats_come_once_a_second_and_tell_of_a_blocked_loop(workers):
    worker = workers()
    before = time.monotonic()
    worker.start()
    worker.pipe.expect("beat")
    lags = [(worker.pipe.expect("beat"), worker.count("lag_us"))[1] for _ in range(3)]
    assert min(lags) < 1_000_000
    crew.assert_took(before, 2, 9)
    with worker.connect() as client:
        assert client.ask("!block 700") == "blocked"
    crew.wait_for(lambda: worker.count("lag_us") > 500_000, 10, "the lag")
    told = worker.wait_log(r"on_message blocked the loop for (\d+) ms")
    assert int(told[1]) >= 650  # the clock that is asked here is a coarse one


# -- the app's own handles

KINDS = ["timer", "idle", "prepare", "check", "poll", "async", "work"]


def beats(worker, count):
    for _ in range(count):
        worker.pipe.expect("beat")


def assert_no_spin(worker):
    """Two beats, two ticks of the reaper, and little else."""
    beats(worker, 1)
    before = worker.turns()
    beats(worker, 2)
    assert worker.turns() - before <= 20


@pytest.mark.parametrize("listener", [6, -1])
def test_handles_that_on_worker_start_has_started(workers, listener):
    worker = workers(env={"HANDLES": " ".join(KINDS)})
    worker.start(service="handles", app=crew.app("handles"), listener=listener)
    for kind in KINDS:
        crew.wait_for(lambda: worker.log().count(f"handles: {kind} called") == 2, 10, kind)
    assert_no_spin(worker)


def test_a_handle_that_frames_each_wait_for_ever_is_no_spin(workers):
    worker = workers(env={"HANDLES": "quiet"})
    worker.start(service="handles", app=crew.app("handles"))
    assert_no_spin(worker)
    with worker.connect() as client:
        for kind in KINDS:
            assert client.ask(f"start {kind}") == f"{kind} called"
        before = worker.turns()
        for number in range(500):
            assert client.ask(f"{number}") == f"{number}"
        assert 400 <= worker.turns() - before <= 600


@pytest.mark.parametrize("kind", KINDS)
def test_handles_that_on_message_has_started(workers, kind):
    worker = workers()
    worker.start(service="handles", app=crew.app("handles"))
    beats(worker, 1)
    started = worker.turns()
    with worker.connect() as client:
        for _ in range(50):
            assert client.ask(f"start {kind}") == f"{kind} called"
            if kind != "check":  # that is called behind a wait, so its next call has to wait
                assert client.ask(f"once more {kind}") == f"{kind} called"
                assert client.file.readline() == f"{kind} called\n"
        worker.pipe.sock.setblocking(False)
        seen = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                seen += worker.pipe.sock.recv(65536)
        worker.pipe.sock.settimeout(crew.LONG)
        # A wake-up that is lost waits for the next beat, so there would be one for each.
        assert seen.count(b'"beat"') < 50
        assert worker.turns() - started <= 50 * 2 * 3 * 4
    assert_no_spin(worker)


def test_programs_of_the_app_inherit_nothing(workers):
    worker = workers()
    worker.start()
    for fd in (3, 5, 6):  # the page's is closed once it is mapped
        info = open(f"/proc/{worker.process.pid}/fdinfo/{fd}").read()
        flags = int(next(line for line in info.splitlines() if line.startswith("flags:")).split()[1],
                    8)
        assert flags & os.O_CLOEXEC, f"descriptor {fd}"


def test_a_full_service_does_not_make_its_process_full(workers):
    worker = workers(listeners=2)
    rows = [{"service": name, "listener": 6 + i,
             "config": {"listen": f"text://127.0.0.1:{worker.ports[i]}",
                        "limits": {"max_connections": i + 1}}}
            for i, name in enumerate(("lines", "frames"))]
    worker.start(app=crew.app("duo"), services=rows)
    with worker.connect(0) as lines, worker.connect(0):
        assert lines.ask("hi")
        with worker.connect(1) as frames:
            worker.wait_count("connections", 2)
            assert worker.count("state") == ACCEPTING
            with worker.connect(1):
                worker.wait_count("state", FULL)
            frames.sock.shutdown(socket.SHUT_RDWR)
            worker.wait_count("state", ACCEPTING)


BAD_PLANS = {
    "slot": (dict(slot=512), 78, "slot is 512"),
    "config": (dict(config={"listen": "text://127.0.0.1:1", "colour": 1}), 78, "colour"),
    "user": (dict(user="no-such-user"), 78, 'user "no-such-user": no such user'),
    "group": (dict(user="nobody", group="no-such-group"), 78, 'group "no-such-group"'),
    "missing app": (dict(app="/nowhere/app.so"), 78, "/nowhere/app.so"),
    "other service": (dict(service="renamed"), 78, "no such service"),
    "closed descriptor": (dict(listener=50), 78, "descriptor 50"),
    "refusal": (dict(app=crew.app("fail_start")), 1, "on_worker_start answered -1"),
}


@pytest.mark.parametrize("changes, code, reason", BAD_PLANS.values(), ids=BAD_PLANS.keys())
def test_a_plan_that_cannot_work(workers, changes, code, reason):
    worker = workers()
    worker.pipe.expect("hello")
    worker.plan(**changes)
    failed = worker.pipe.expect("failed")
    assert reason in failed["reason"], failed
    assert worker.wait() == code
    assert failed["reason"] in worker.log()


def test_a_page_of_the_wrong_size(workers):
    worker = workers(page=os.memfd_create("page", os.MFD_CLOEXEC))
    worker.pipe.expect("hello")
    worker.plan()
    assert "page of counters (descriptor 4)" in worker.pipe.expect("failed")["reason"]
    assert worker.wait() == 78


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_it_becomes_the_user_before_the_app_is_loaded(workers):
    worker = workers()
    worker.start(user="nobody", group="daemon",
                 app=crew.copy_for_others(crew.app("probe"), worker.folder))
    with worker.connect() as client:
        assert client.ask("!uid") == f"{NOBODY} {NOBODY} 1 1"


@pytest.mark.timeout(60 * crew.PATIENCE)
def test_without_a_plan_it_gives_up(workers):
    worker = workers()
    worker.pipe.expect("hello")
    worker.pipe.expect("failed")
    assert worker.wait() == 78


# -- going away


def assert_called_once(worker, *lines):
    log = worker.log()
    assert [log.count(line) for line in lines] == [1] * len(lines), log
    places = [log.index(line) for line in lines]
    assert places == sorted(places), log


ENDS = {
    "stop": lambda worker: worker.stop(2000),
    "reload": lambda worker: worker.pipe.send("drain", reason="reload", graceful=False,
                                             timeout_ms=2000, spread_ms=0),
    "SIGTERM": lambda worker: worker.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("end, reason", zip(ENDS.values(), ("shutdown", "reload", "reload")),
                         ids=ENDS.keys())
def test_an_end_that_is_asked_for(workers, end, reason):
    worker = workers()
    worker.start()
    with worker.connect() as client:
        assert client.ask("hello") == "hello"
        end(worker)
        assert client.file.readline() == ""
    assert worker.pipe.expect("drained")["closed"] == 1
    assert worker.pipe.recv() is None
    assert worker.wait() == 0
    assert_called_once(worker, "probe: worker drain", "probe: worker stop, 1 connections",
                       f"reason={reason}")


def test_a_graceful_drain_waits_for_the_last(workers):
    worker = workers()
    worker.start()
    with worker.connect() as client:
        client.ask("hello")
        worker.pipe.send("drain", reason="reload", graceful=True, timeout_ms=60000, spread_ms=0)
        worker.wait_log("probe: worker drain")
        # It accepts no more: a new one stays in the backlog, for the next worker.
        with worker.connect() as late:
            late.file.write("anybody?\n")
            late.file.flush()
            for _ in range(20):
                assert client.ask("still here") == "still here"
            assert not select.select([late.sock], [], [], 0.3)[0]
            assert worker.process.poll() is None
    assert worker.pipe.expect("drained")["closed"] == 0
    assert worker.wait() == 0
    assert_called_once(worker, "probe: worker drain", "reason=peer", "probe: worker stop, 0")


def test_a_graceful_drain_ends_in_time(workers):
    worker = workers()
    worker.start()
    with worker.connect() as client:
        client.ask("hello")
        before = time.monotonic()
        worker.pipe.send("drain", reason="shutdown", graceful=True, timeout_ms=1000, spread_ms=0)
        assert client.file.readline() == ""
        assert time.monotonic() - before >= 0.9
    assert worker.wait() == 0


def test_a_stop_during_a_graceful_drain_shortens_it(workers):
    worker = workers()
    worker.start()
    with worker.connect() as client:
        client.ask("hello")
        worker.pipe.send("drain", reason="shutdown", graceful=True, timeout_ms=60000, spread_ms=0)
        worker.wait_log("probe: worker drain")
        worker.stop(1000)
        assert client.file.readline() == ""
    assert worker.wait() == 0
    assert_called_once(worker, "probe: worker drain", "probe: worker stop")


def test_clients_that_do_not_answer_do_not_keep_it(workers):
    worker = workers()
    worker.start(config={"listen": f"websocket://127.0.0.1:{worker.port}",
                         "limits": {"close_timeout": "1m"}})
    with socket.create_connection(("127.0.0.1", worker.port)) as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        deaf.settimeout(crew.LONG)
        assert deaf.recv(4096).startswith(b"HTTP/1.1 101 ")
        before = time.monotonic()
        worker.stop(1500)
        assert worker.pipe.expect("drained")["closed"] == 1
        assert worker.wait() == 0
        crew.assert_took(before, 1.4, 5)
    assert_called_once(worker, "probe: worker stop", "reason=shutdown code=1006")


def test_an_orphan_drains(workers):
    worker = workers()
    worker.start()
    with worker.connect() as client:
        client.ask("hello")
        worker.pipe.sock.close()
        worker.wait_log("the master is gone")
        assert client.ask("still here") == "still here"
    assert worker.wait() == 0
    assert_called_once(worker, "probe: worker drain", "probe: worker stop, 0")


def frame(text):
    return struct.pack(">I", len(text)) + text.encode()


def message(kind, version=VERSION, **fields):
    return frame(json.dumps({"v": version, "type": kind, **fields}))


NONSENSE = {
    "no frame": (b"GET / HTTP/1.1\r\n\r\n", "longer than 1 MiB"),
    "no JSON": (frame("{{{"), "a frame is no JSON"),
    "unknown type": (message("explode"), "a message of an unknown type"),
    "other version": (message("drain", VERSION + 1), "version"),
    "wrong field": (message("drain", reason="reload", graceful=True, timeout_ms="all", spread_ms=0),
                    "timeout_ms"),
}


@pytest.mark.parametrize("data, reason", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_master_that_talks_nonsense_is_left(workers, data, reason):
    worker = workers()
    worker.start()
    worker.pipe.sock.sendall(data)
    assert worker.wait() == 0
    assert re.search("the master is gone: .*" + reason, worker.log()), worker.log()


def test_an_end_before_the_plan(workers):
    worker = workers()
    worker.pipe.expect("hello")
    worker.pipe.sock.close()
    assert worker.wait() == 0
    assert "probe:" not in worker.log()


def test_signals_of_a_terminal_are_not_for_it(workers):
    worker = workers()
    worker.start()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                   signal.SIGPIPE):
        worker.process.send_signal(number)
    with worker.connect() as client:
        assert client.ask("hello") == "hello"
    worker.stop(1000)
    assert worker.wait() == 0


# -- who asks for its connections


def connect_admin(worker):
    """As the master connects the command line with it."""
    ours, theirs = socket.socketpair()
    with theirs:
        worker.pipe.send("admin_client", fd=theirs.fileno())
    return Pipe(ours)


def test_connections_come_in_pages(workers):
    worker = workers()
    worker.start()
    count = 2 * PAGE + 300
    clients = [socket.create_connection(("127.0.0.1", worker.port)) for _ in range(count)]
    crew.wait_for(lambda: worker.count("connections") == count, 20, "all of them")
    pipe = connect_admin(worker)
    for _ in range(2):  # and again on the same connection
        pipe.send("connections")
        pages = [pipe.recv()]
        while pages[-1]["more"]:
            pages.append(pipe.recv())
        assert [len(page["list"]) for page in pages] == [PAGE, PAGE, 300]
        rows = [row for page in pages for row in page["list"]]
        assert {row["peer"] for row in rows} == \
            {"127.0.0.1:%d" % client.getsockname()[1] for client in clients}
        assert len({row["id"] for row in rows}) == count
        assert rows[0]["service"] == "probe" and rows[0]["slot"] == 2
        assert rows[0]["protocol"] == "text" and rows[0]["local"] == f"127.0.0.1:{worker.port}"
    for thing in [*clients, pipe.sock]:
        thing.close()


def test_no_connections_are_one_empty_page(workers):
    worker = workers()
    worker.start()
    pipe = connect_admin(worker)
    pipe.send("connections")
    answer = pipe.recv()
    assert answer["list"] == [] and answer["more"] is False
    pipe.sock.close()


def test_few_may_ask_at_once_and_only_for_connections(workers):
    worker = workers()
    worker.start()
    pipes = [connect_admin(worker) for _ in range(8)]
    for pipe in pipes:
        pipe.send("connections")
        assert pipe.recv()["list"] == []
    ninth = connect_admin(worker)
    assert ninth.recv() is None
    pipes[0].send("stop", graceful=False)
    assert pipes[0].recv() is None
    again = connect_admin(worker)
    again.send("connections")
    assert again.recv()["list"] == []
    with worker.connect() as client:
        assert client.ask("hello") == "hello"
    worker.pipe.send("admin_client")  # without a descriptor: nothing happens
    with worker.connect() as client:
        assert client.ask("hello") == "hello"
    for pipe in [*pipes, ninth, again]:
        pipe.sock.close()


def test_who_asks_before_the_plan_is_turned_away(workers):
    worker = workers()
    worker.pipe.expect("hello")
    early = connect_admin(worker)
    assert early.recv() is None
    worker.plan()
    worker.pipe.expect("ready")
    early.sock.close()
