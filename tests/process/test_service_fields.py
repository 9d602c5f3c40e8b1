"""What a service is given: data, state, settings, label, a user of its own, and whether a reload
replaces its workers."""

import grp
import os
import pwd
import re
import socket

import pytest

import crew


def ask(port, text="hi", sock=None):
    with sock or socket.create_connection(("127.0.0.1", port), crew.LONG) as client:
        client.sendall(text.encode() + b"\n")
        return client.recv(1000).decode().strip()


@pytest.fixture
def fields(instances):
    def start(app="fields", is_started=True, env=None, top=None, **blocks):
        ports = crew.free_port(), crew.free_port()
        config = {"app": crew.app(app), "reload_spread": "0", "services": {
            "first": {"listen": f"text://127.0.0.1:{ports[0]}", **blocks.get("first", {})},
            "second": {"listen": f"udp://127.0.0.1:{ports[1]}", **blocks.get("second", {})}}}
        instance = instances({**config, **(top or {})}, env)
        instance.first, instance.second = ports
        if is_started:
            instance.start()
        return instance
    return start


def datagram(port, text="hi", sock=None):
    sock = sock or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(crew.LONG)
    sock.sendto(text.encode(), ("127.0.0.1", port))
    return sock.recv(1000).decode()


def test_data_settings_and_state(fields):
    instance = fields(second={"settings": {"a": [1, {"b": None}]}})
    with socket.create_connection(("127.0.0.1", instance.first), crew.LONG) as client:
        for count in (1, 2, 3):
            client.sendall(b"hi\n")
            answer = client.recv(1000).decode().strip()
            assert re.fullmatch(rf'v1 pid=\d+ n={count} first first\'s own {{"from":"app"}} none',
                                answer), answer
    instance.wait_log("fields: closed after 3, peer")
    answer = datagram(instance.second)
    assert re.fullmatch(r'v1 pid=\d+ n=1 second second\'s own {"a":\[1,{"b":null}\]} none', answer)


def test_the_state_of_a_udp_peer(fields):
    instance = fields(second={"udp": {"session_timeout": "6s"}})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(crew.LONG)
        with crew.held(instance, "second"):  # no session ends between the two
            for _ in range(2):
                sock.sendto(b"hi", ("127.0.0.1", instance.second))
        for count in (1, 2):
            assert f" n={count} " in sock.recv(1000).decode()
    assert " n=1 " in datagram(instance.second)
    instance.wait_log("fields: closed after 2, heartbeat")


def test_a_udp_service_without_sessions_has_a_new_state_for_each_datagram(fields):
    instance = fields()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3):
            assert " n=1 " in datagram(instance.second, sock=sock)


def test_the_settings_of_the_file_win(fields):
    instance = fields(first={"settings": {"from": "file"}})
    assert '{"from":"file"}' in ask(instance.first)


def test_process_callbacks_say_for_which_service(fields):
    instance = fields()
    instance.reload()
    instance.wait_log("fields: stop first/0")
    instance.stop()
    found = re.findall(r"fields: (start|drain|stop) first/0 data=first's own "
                       r'settings={"from":"app"} in=first ?(.*)', instance.log())
    assert sorted(found) == [("drain", "reload"), ("drain", "shutdown"), ("start", ""),
                             ("start", ""), ("stop", ""), ("stop", "")]


def test_the_label_is_shown(fields):
    instance = fields(second={"label": "Zwölf Uhr"})
    labels = {row["service"]: row["label"] for row in instance.workers()}
    assert labels == {"first": "The first of two", "second": "Zwölf Uhr"}
    text = instance.verb("status").stdout
    assert "first: The first of two\n" in text and "second: Zwölf Uhr\n" in text


def swap(instance, app):
    instance.config["app"] = crew.app(app)
    instance.write_config(instance.config)


def test_a_reload_keeps_the_process_of_a_service_that_is_not_reloadable(fields):
    instance = fields()
    before = ask(instance.first), datagram(instance.second)
    swap(instance, "fields_kept")
    instance.reload()
    after = ask(instance.first), datagram(instance.second)
    assert before[0].startswith("v1 ") and after[0].startswith("v2 ")
    assert before[1] == after[1]
    assert "fields: drain second" not in instance.log()
    crew.wait_for(lambda: [(row["service"], row["generation"]) for row in instance.workers()] ==
                  [("first", 2), ("second", 1)], 10, "the end of the old worker")
    # Whoever takes its place runs the code that was proven for it.
    os.kill(int(re.search(r"pid=(\d+)", after[1])[1]), 9)
    instance.expect_errors("second/0: pid .* killed by SIGKILL")
    crew.wait_for(instance.is_ready, 10, "the next worker")
    assert datagram(instance.second).startswith("v1 ")


def test_a_reload_of_nothing_but_kept_processes_starts_those_that_are_missing(fields):
    keep = {"reloadable": False}
    instance = fields(first=keep, second=keep)
    before = ask(instance.first), datagram(instance.second)
    instance.config["services"]["first"]["workers"] = 3
    swap(instance, "fields_v2")
    instance.reload()
    assert instance.status()["master"]["generation"] == 2
    assert datagram(instance.second) == before[1]
    crew.wait_for(lambda: [(row["slot"], row["generation"], row["state"])
                           for row in instance.workers("first")] ==
                  [(0, 1, "ready"), (1, 2, "ready"), (2, 2, "ready")], 10, "two more workers")
    instance.config["services"]["first"]["reloadable"] = True
    instance.write_config(instance.config)
    instance.reload()
    crew.wait_for(lambda: [row["generation"] for row in instance.workers("first")] == [3, 3, 3],
                  10, "three new workers")


def test_a_kept_service_whose_address_changes_is_replaced(fields):
    instance = fields(first={"reloadable": False})
    port = crew.free_port()
    instance.config["services"]["first"]["listen"] = f"text://127.0.0.1:{port}"
    swap(instance, "fields_v2")
    instance.reload()
    assert ask(port).startswith("v2 ")


@pytest.mark.parametrize("app, expected", [
    ("fields_root", r'services\.second\.user: found "root", which is root'),
    ("fields_label", r"services\.second\.label: found .*expected a line"),
    ("fields_state", r'service "second": its state_size is \d+, expected at most'),
])
def test_what_an_app_may_not_ask_for(fields, app, expected):
    instance = fields(app, is_started=False)
    done = instance.verb("check")
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


def user_of(pid):
    status = open(f"/proc/{pid}/status").read()
    return tuple(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1] for key in ("Uid", "Gid"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts workers as another user")
@pytest.mark.parametrize("file, top, expected", [
    ({}, {}, "nobody nogroup"),
    ({"user": "daemon"}, {}, "daemon daemon"),
    ({}, {"user": "daemon"}, "daemon daemon"),
    ({"user": "root"}, {}, "root root"),
], ids=["the app's", "the file's", "the instance's", "root by the file"])
def test_the_user_of_a_service(fields, file, top, expected):
    user, group = expected.split()
    instance = fields("fields_user", top=top, second=file, is_started=False)
    instance.config["app"] = crew.copy_for_others(crew.app("fields_user"), instance.folder)
    instance.write_config(instance.config)
    instance.start()
    pids = {row["service"]: row["pid"] for row in instance.workers()}
    assert user_of(pids["second"]) == (str(pwd.getpwnam(user).pw_uid),
                                       str(grp.getgrnam(group).gr_gid))
    if not top:
        assert user_of(pids["first"]) == ("0", "0")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_only_root_starts_as_another_user(fields):
    instance = fields("fields_user", is_started=False)
    done = instance.verb("start", "-d")
    assert done.returncode == 1 and "only root can start workers as another user" in done.stderr
