"""Several services in the processes of one name: each with its own address and times, all with the
same start, reload, drain and end."""

import contextlib
import os
import re
import signal
import socket
import subprocess

import pytest

import crew
from load import Load
from web import Client
from ws import WebSocket

GENERATION = re.compile(r"shared: start (\w+)/(\d+) generation (\d+) in (\w+)")


class Lines:
    """A client of the text protocol that stays."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), crew.LONG)
        self.file = self.sock.makefile("rw", newline="\n")

    def ask(self, text="?"):
        self.file.write(text + "\n")
        self.file.flush()
        return self.file.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()


def ask_lines(port, text="?"):
    with Lines(port) as client:
        return client.ask(text)


def ask_chat(port, text="?"):
    with WebSocket(port) as client:
        return client.ask(text)


def pid_of(answer):
    return int(re.search(r"pid=(\d+)", answer)[1])


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_text("home")
    return root


@pytest.fixture
def shared(instances, site):
    """chat, lines and clock of the app, and files beside them: all in "front"."""
    def start(app="shared", is_started=True, top=None, **blocks):
        ports = {name: crew.free_port() for name in ("chat", "lines", "files")}
        services = {
            "chat": {"listen": f"websocket://127.0.0.1:{ports['chat']}"},
            "lines": {"listen": f"text://127.0.0.1:{ports['lines']}"},
            "files": {"kind": "static", "process": "front", "static": {"root": str(site)},
                      "listen": f"http://127.0.0.1:{ports['files']}"}}
        for name, block in blocks.items():
            services.setdefault(name, {}).update(block)
        if app == "shared_alone":
            del services["lines"]
        instance = instances({"app": crew.app(app), "reload_spread": "0", "services": services,
                              **(top or {})})
        instance.ports, instance.blocks = ports, services
        if is_started:
            instance.start()
        return instance
    return start


def reload_with(instance, app=None, *options):
    if app:
        instance.config["app"] = crew.app(app)
    instance.write_config(instance.config)
    instance.reload(*options)


def pids_of_front(instance):
    return [row["pid"] for row in instance.workers("front")]


def wait_for_generation(instance, number):
    crew.wait_for(lambda: {row["generation"] for row in instance.workers()} == {number}, 10,
                  f"nothing but generation {number}")


def home(instance):
    with Client(instance.ports["files"]) as client:
        return client.get("/").body


def test_one_process_answers_on_every_port(shared):
    instance = shared()
    assert len(crew.children(instance.master_pid())) == 1
    pid, = pids_of_front(instance)
    assert ask_chat(instance.ports["chat"]) == f"chat chat/0 pid={pid} generation=1"
    assert ask_lines(instance.ports["lines"]) == f"lines lines/0 pid={pid} generation=1"
    assert home(instance) == b"home"


def test_what_one_service_gives_holds_for_all(shared):
    instance = shared(chat={"workers": 3})
    assert [(row["service"], row["slot"]) for row in instance.workers()] == \
        [("front", 0), ("front", 1), ("front", 2)]


def test_the_callbacks_of_the_process_run_for_each_service_in_order(shared):
    instance = shared()
    assert GENERATION.findall(instance.log()) == [
        (name, "0", "1", name) for name in ("chat", "lines", "clock")]
    with WebSocket(instance.ports["chat"]) as chat, Lines(instance.ports["lines"]) as lines:
        chat.ask("?")
        lines.ask()
        instance.stop()
    for what in ("drain (\\w+)/0 shutdown", "stop (\\w+)/0"):
        assert re.findall(f"shared: {what}", instance.log()) == ["chat", "lines", "clock"]
    assert sorted(re.findall(r"shared: closed (\w+) shutdown, in (\w+)", instance.log())) == \
        [("chat", "chat"), ("lines", "lines")]


def test_log_lines_name_the_process(shared):
    instance = shared()
    instance.wait_log(r"front/0\[\d+\] shared: start chat/0")


def test_status_names_the_services(shared):
    instance = shared()
    row, = instance.workers()
    assert row["service"] == "front"
    assert row["services"] == [
        {"name": "chat", "label": "", "listen": f"websocket://127.0.0.1:{instance.ports['chat']}",
         "is_full": False},
        {"name": "lines", "label": "Line by line", "is_full": False,
         "listen": f"text://127.0.0.1:{instance.ports['lines']}"},
        {"name": "clock", "label": "", "listen": "", "is_full": False},
        {"name": "files", "label": "", "listen": f"http://127.0.0.1:{instance.ports['files']}",
         "is_full": False}]
    text = instance.verb("status").stdout
    assert f"front: service chat, websocket://127.0.0.1:{instance.ports['chat']}\n" in text
    assert f"front: service lines, text://127.0.0.1:{instance.ports['lines']}, Line by line\n" in text
    assert "front: service clock, -\n" in text


def test_the_banner_names_the_process_of_a_service(shared):
    banner = shared(is_started=False).start().stdout
    for name in ("chat", "lines", "clock", "files"):
        assert re.search(rf"^{name} \(process front\) ", banner, re.M), banner


def test_connections_are_of_their_service(shared):
    instance = shared()
    with WebSocket(instance.ports["chat"]) as chat, Lines(instance.ports["lines"]) as lines:
        chat.ask("?")
        lines.ask()
        assert sorted((row["service"], row["protocol"]) for row in instance.connections()) == \
            [("chat", "websocket"), ("lines", "text")]
        assert instance.worker()["connections"] == 2


def test_each_service_has_its_own_times(shared):
    fast = {"heartbeat": {"ping_interval": "0", "idle_timeout": "1s"}}
    slow = {"heartbeat": {"ping_interval": "0", "idle_timeout": "1h"}}
    instance = shared(chat=slow, lines=fast)
    with WebSocket(instance.ports["chat"]) as chat, Lines(instance.ports["lines"]) as lines:
        chat.ask("?")  # before the other: it is silent for longer
        assert lines.file.readline() == ""
        assert chat.ask("?") == f"chat chat/0 pid={pids_of_front(instance)[0]} generation=1"
    assert re.findall(r"shared: closed (\w+) heartbeat", instance.log()) == ["lines"]


def test_each_service_has_its_own_limits(shared):
    instance = shared(chat={"limits": {"max_connections": 1}})
    with WebSocket(instance.ports["chat"]) as chat:
        with Lines(instance.ports["lines"]) as lines, socket.create_connection(
                ("127.0.0.1", instance.ports["chat"]), 20) as third:
            assert third.recv(100).startswith(b"HTTP/1.1 503 ")
            assert lines.ask().startswith("lines ")
            assert sorted(row["service"] for row in instance.connections()) == ["chat", "lines"]
            assert instance.worker()["connections"] == 2
            assert chat.ask("?").startswith("chat ")
            assert {one["name"]: one["is_full"] for one in instance.worker()["services"]} == \
                {"chat": True, "lines": False, "clock": False, "files": False}
            assert instance.worker()["state"] == "ready"


def test_services_share_the_descriptors_of_their_process(shared):
    """Without limits of their own they take no more than there are descriptors for, together; a place
    that is free is one for any service."""
    instance = shared(chat={"limits": {"handshake_timeout": "1h"}}, is_started=False)
    subprocess.run(["bash", "-c", "ulimit -n 128; exec \"$@\"", "start", crew.CREWMAN, "start", "-d", "-q",
                    "-c", instance.config_path], check=True, env=instance.env, timeout=60)
    room = 128 - 128 // 4 - 2 * 3  # without what is kept, and two for each listener
    with contextlib.ExitStack() as of_chat, contextlib.ExitStack() as of_lines:
        lines = [of_lines.enter_context(Lines(instance.ports["lines"])) for _ in range(60)]
        assert all(client.ask().startswith("lines ") for client in lines)
        crowd = [of_chat.enter_context(socket.create_connection(("127.0.0.1", instance.ports["chat"]), crew.LONG))
                 for _ in range(60)]
        answers = [client.recv(100)[:13] for client in crowd[room - 60:]]
        assert set(answers) <= {b"HTTP/1.1 503 ", b""}, answers
        assert answers.count(b"HTTP/1.1 503 ") >= 128 // 4 // 4  # the others had no descriptor left
        assert all(client.ask().startswith("lines ") for client in lines)
        assert instance.worker()["connections"] == room and instance.worker()["state"] == "full"
        of_lines.close()
        crew.wait_for(lambda: instance.worker()["state"] == "ready", 20, "places")
        assert ask_chat(instance.ports["chat"]).startswith("chat ")
    assert "pausing" not in instance.log()


def test_a_reload_refuses_nobody_on_either_port(shared):
    instance = shared(chat={"workers": 2})
    old = pids_of_front(instance)
    with Load(instance.ports["chat"], 3, reconnects=True) as load:
        for number in (2, 3):
            instance.reload()
            assert ask_lines(instance.ports["lines"]).startswith("lines ")
            assert home(instance) == b"home"
            wait_for_generation(instance, number)
    assert load.faults == []
    assert not set(old) & set(pids_of_front(instance))


def test_a_service_that_a_reload_adds_and_one_that_it_removes(shared):
    instance = shared("shared_alone")
    assert crew.refuses(instance.ports["lines"])
    with Load(instance.ports["chat"], 2, reconnects=True) as load:
        instance.config["services"]["lines"] = {
            "listen": f"text://127.0.0.1:{instance.ports['lines']}"}
        reload_with(instance, "shared")
        wait_for_generation(instance, 2)
        assert ask_lines(instance.ports["lines"]).startswith("lines lines/0 ")
        assert [service["name"] for service in instance.worker()["services"]] == \
            ["chat", "lines", "clock", "files"]
        del instance.config["services"]["lines"]
        reload_with(instance, "shared_alone")
        assert crew.refuses(instance.ports["lines"])
        wait_for_generation(instance, 3)
        assert [service["name"] for service in instance.worker()["services"]] == \
            ["chat", "clock", "files"]
    assert load.faults == []


def test_a_service_moves_into_the_process_and_out_of_it(shared):
    instance = shared(files={"process": "", "workers": 1})
    assert [row["service"] for row in instance.workers()] == ["files", "front"]
    with Client(instance.ports["files"]) as kept:
        assert kept.get("/").body == b"home"
        for process, names in (("front", ["front"]), ("", ["files", "front"])):
            instance.config["services"]["files"]["process"] = process
            reload_with(instance)
            assert not crew.refuses(instance.ports["files"])
            crew.wait_for(lambda: [row["service"] for row in instance.workers()] == names, 10,
                          f"processes {names}")
            assert home(instance) == b"home"


def test_another_address_of_one_service(shared):
    instance = shared()
    old, new = instance.ports["lines"], crew.free_port()
    instance.config["services"]["lines"]["listen"] = f"text://127.0.0.1:{new}"
    with Load(instance.ports["chat"], 2, reconnects=True) as load:
        reload_with(instance)
        assert crew.refuses(old)
        assert ask_lines(new).startswith("lines ")
    assert load.faults == []


def test_two_services_change_their_addresses(shared):
    """The sockets stay; only who has them changes."""
    instance = shared(**{"clock": {}})
    ports = instance.ports
    instance.config["services"]["lines"]["listen"] = f"text://127.0.0.1:{ports['chat']}"
    instance.config["services"]["chat"]["listen"] = f"websocket://127.0.0.1:{ports['lines']}"
    reload_with(instance)
    wait_for_generation(instance, 2)
    assert ask_lines(ports["chat"]).startswith("lines ")
    assert ask_chat(ports["lines"]).startswith("chat ")


def test_an_address_that_is_taken_changes_nothing(shared):
    instance = shared("shared_alone")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance.config["services"]["lines"] = {"listen": f"text://127.0.0.1:{port}"}
        instance.config["app"] = crew.app("shared")
        instance.write_config(instance.config)
        instance.expect_errors("reload:")
        assert f"127.0.0.1:{port}" in instance.reload(expect=1).stderr
    assert [service["name"] for service in instance.worker()["services"]] == \
        ["chat", "clock", "files"]
    assert ask_chat(instance.ports["chat"]).endswith("generation=1")


@pytest.mark.parametrize("is_reload", [False, True], ids=["start", "reload"])
def test_one_service_that_fails_fails_the_process(shared, is_reload):
    instance = shared(is_started=False)
    if is_reload:
        instance.start()
    instance.config["services"]["lines"]["settings"] = {"fail": True}
    instance.write_config(instance.config)
    instance.expect_errors("on_worker_start answered -1", " reload: ")
    done = instance.reload(expect=1) if is_reload else instance.start(expect=1)
    assert 'front/0' in done.stderr
    assert 'service "lines": on_worker_start answered -1' in done.stderr
    if is_reload:
        assert ask_lines(instance.ports["lines"]).endswith("generation=1")
        assert ask_chat(instance.ports["chat"]).endswith("generation=1")


def test_a_reload_that_fails_puts_every_service_back(shared):
    """It would have moved one away, added one, and changed an address."""
    instance = shared("shared_alone")
    before, moved = instance.worker(), crew.free_port()
    services = instance.config["services"]
    services["clock"] = {"process": "other", "workers": 1, "settings": {"fail": True}}
    services["lines"] = {"listen": f"text://127.0.0.1:{instance.ports['lines']}"}
    services["chat"]["listen"] = f"websocket://127.0.0.1:{moved}"
    instance.config["app"] = crew.app("shared")
    instance.write_config(instance.config)
    instance.expect_errors("on_worker_start answered -1", " reload: ")
    assert "other/0" in instance.reload(expect=1).stderr
    assert crew.refuses(moved) and crew.refuses(instance.ports["lines"])
    assert ask_chat(instance.ports["chat"]) == f"chat chat/0 pid={before['pid']} generation=1"
    crew.wait_for(lambda: [row["pid"] for row in instance.workers()] == [before["pid"]], 10,
                  "the end of the canaries")
    assert instance.worker()["services"] == before["services"]
    # Nothing of it stands in the way of one that is right.
    services["clock"]["settings"] = {}
    reload_with(instance)
    wait_for_generation(instance, 2)
    assert [row["service"] for row in instance.workers()] == ["front", "other"]
    assert ask_chat(moved).endswith("generation=2")
    assert ask_lines(instance.ports["lines"]).endswith("generation=2")


def test_a_graceful_end_waits_for_the_connections_of_all(shared):
    instance = shared(top={"drain_timeout": "60s"})
    with WebSocket(instance.ports["chat"]) as chat, Lines(instance.ports["lines"]) as lines:
        old = pid_of(chat.ask("?"))
        instance.reload("-g")
        instance.wait_log("shared: drain clock/0 reload")
        assert lines.ask() == f"lines lines/0 pid={old} generation=1"
        lines.sock.shutdown(socket.SHUT_WR)
        assert lines.file.readline() == ""
        assert chat.ask("?") == f"chat chat/0 pid={old} generation=1"
        assert "shared: stop" not in instance.log()
        chat.close()
        crew.wait_for(lambda: not crew.is_alive(old), 10, "the end of the old worker")
    assert ask_chat(instance.ports["chat"]).endswith("generation=2")


def test_a_dead_worker_is_replaced_with_all_its_services(shared):
    instance = shared()
    instance.expect_errors("front/0: pid .* killed by SIGKILL")
    old, = pids_of_front(instance)
    os.kill(old, signal.SIGKILL)
    crew.wait_for(lambda: instance.is_ready() and pids_of_front(instance) != [old], 10,
                  "the next worker")
    new, = pids_of_front(instance)
    assert pid_of(ask_chat(instance.ports["chat"])) == new
    assert pid_of(ask_lines(instance.ports["lines"])) == new
    assert home(instance) == b"home"
    assert [found[0] for found in GENERATION.findall(instance.log())] == \
        ["chat", "lines", "clock"] * 2


def test_a_process_that_is_not_reloadable_stays_unless_its_services_change(shared):
    instance = shared(chat={"reloadable": False})
    old = pids_of_front(instance)
    instance.reload()
    assert pids_of_front(instance) == old
    del instance.config["services"]["files"]
    reload_with(instance)
    assert crew.refuses(instance.ports["files"])
    crew.wait_for(lambda: old[0] not in pids_of_front(instance), 10, "the end of the old worker")
    assert [service["name"] for service in instance.worker()["services"]] == \
        ["chat", "lines", "clock"]


def test_programs_of_the_app_inherit_no_listener(shared):
    instance = shared()
    pid, = pids_of_front(instance)
    for fd in (5, 6, 7, 8):
        info = open(f"/proc/{pid}/fdinfo/{fd}").read()
        assert int(re.search(r"flags:\s+(\d+)", info)[1], 8) & os.O_CLOEXEC, f"descriptor {fd}"


def test_many_services_in_one_process(instances, site):
    ports = [crew.free_port() for _ in range(60)]
    instance = instances({"services": {
        f"files{i}": {"kind": "static", "listen": f"http://127.0.0.1:{port}", "workers": 1,
                      "process": "all", "static": {"root": str(site)}}
        for i, port in enumerate(ports)}})
    instance.start()
    assert len(instance.workers()) == 1
    for port in ports:
        with Client(port) as client:
            assert client.get("/").body == b"home"


def test_stop_closes_every_address(shared):
    instance = shared()
    done = subprocess.run([crew.CREWMAN, "stop", "-c", instance.config_path], env=instance.env)
    assert done.returncode == 0
    assert all(crew.refuses(port) for port in instance.ports.values())
