"""crew_worker_listen(): listeners that an app opens at run time."""

import os
import re
import signal
import socket
import subprocess

import pytest

import crew


def ask(port, text="hi"):
    with socket.create_connection(("127.0.0.1", port), crew.LONG) as client:
        client.sendall(text.encode() + b"\n")
        return client.makefile().readline().strip()


@pytest.fixture
def opens(instances):
    def start(*rows, workers=1, settings=None):
        outer = crew.free_port()
        instance = instances({"app": crew.app("opens"), "reload_spread": "0", "services": {
            "outer": {"listen": f"text://127.0.0.1:{outer}", "workers": workers,
                      "settings": {"open": [list(row) for row in rows]}, **(settings or {})}}})
        instance.outer = outer
        instance.start()
        return instance
    return start


def test_a_listener_with_its_own_callbacks_and_data(opens):
    inner = crew.free_port()
    instance = opens((f"text://127.0.0.1:{inner}", "{}"))
    instance.expect_errors("crew_worker_listen: ")
    assert ask(inner) == "inner inner's own hi"
    assert ask(instance.outer) == "9 refused"
    for line in ('service "x": found listen, which belongs to a process; expected it unset',
                 'service "x": found workers, which', 'service "x": found on_worker_start, which',
                 'service "x": its state_size is ', 'found a service named ""; expected 1 to 32 of a-z, 0-9, _ and -'):
        instance.wait_log("crew_worker_listen: " + re.escape(line))
    with socket.create_connection(("127.0.0.1", inner), crew.LONG) as client:
        client.sendall(b"hi\n")
        assert client.recv(100) == b"inner inner's own hi\n"
        rows = instance.connections()
        assert [(row["service"], row["protocol"]) for row in rows] == [("inner", "text")]


def test_its_config_counts(opens):
    inner = crew.free_port()
    opens((f"text://127.0.0.1:{inner}", '{"limits": {"max_message": 10}}'))
    assert ask(inner, "0123456789") == "inner inner's own 0123456789"
    assert ask(inner, "0123456789a") == ""


def test_its_settings_are_those_of_its_config(opens):
    inner = crew.free_port()
    opens((f"text://127.0.0.1:{inner}", '{"settings": {"colour": "red"}}'))
    assert ask(inner, "settings") == '{"colour":"red"}'


@pytest.mark.parametrize("address, config, why", [
    ("text://127.0.0.1:{}", '{"limits": 1}', "an argument is out of range"),
    ("text://127.0.0.1:{}", "[]", "an argument is out of range"),
    ("nonsense", "{}", "an argument is out of range"),
    ("", "{}", "an argument is out of range"),
    ("unix:///tmp/crew-opens.sock", "{}", "not possible with this protocol"),
    ("text://192.0.2.1:{}", "{}", "Cannot assign requested address"),
])
def test_what_cannot_be_opened_is_said_and_harms_nobody(opens, address, config, why):
    address = address.format(crew.free_port())
    instance = opens((address, config))
    instance.expect_errors("crew_worker_listen: ")
    instance.wait_log(f"opens: {re.escape(address)}: {why}")
    assert ask(instance.outer) == "9 refused"


@pytest.mark.parametrize("config, why", [
    ("[]", "config:1:1: expected a JSON object"), ('{\n"limits": {', r"config:2:\d+: .+"),
    ('{"backlog": 1, "backlog": 2}', r"config:1:\d+: duplicate object key")])
def test_where_a_config_is_no_object_is_said(opens, config, why):
    instance = opens((f"text://127.0.0.1:{crew.free_port()}", config))
    instance.expect_errors("crew_worker_listen: ")
    instance.wait_log(f'crew_worker_listen: service "inner": {why}')


def test_a_config_that_is_wrong_is_said_without_a_place(opens):
    instance = opens((f"text://127.0.0.1:{crew.free_port()}", '{"limit": {}}'))
    instance.expect_errors("crew_worker_listen: ")
    instance.wait_log(r'crew_worker_listen: services\.inner\.limit: unknown key; did you mean "limits"')


@pytest.mark.parametrize("key, value", [
    ("kind", '"static"'), ("app", '"a.so"'), ("label", '"for people"'), ("listen", '"text://127.0.0.1:1"'),
    ("workers", "3"), ("process", '"one"'), ("user", '"root"'), ("group", '"root"'), ("reloadable", "false"),
    ("reuse_port", "false"), ("socket", '{"mode": "0600"}')])
def test_a_config_with_keys_of_a_process_is_refused(opens, key, value):
    address = f"text://127.0.0.1:{crew.free_port()}"
    instance = opens((address, f'{{"settings": {{}}, "{key}": {value}}}'))
    instance.expect_errors("crew_worker_listen: ")
    instance.wait_log(f'crew_worker_listen: service "inner": found {key}, which belongs to a process; '
                      "expected it unset")
    instance.wait_log(f"opens: {address}: an argument is out of range")


def test_a_port_that_somebody_else_has(opens):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        instance = opens((f"text://127.0.0.1:{port}", "{}"))
        instance.wait_log(f"opens: text://127.0.0.1:{port}: Address already in use")


def test_a_datagram_listener(opens):
    inner = crew.free_port()
    opens((f"udp://127.0.0.1:{inner}", "{}"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(crew.LONG)
        sock.sendto(b"hi", ("127.0.0.1", inner))
        assert sock.recv(100) == b"inner inner's own hi"


def test_a_session_of_a_datagram_listener_ends(opens):
    inner = crew.free_port()
    instance = opens((f"udp://127.0.0.1:{inner}", '{"udp": {"session_timeout": "1s"}}'))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(crew.LONG)
        sock.sendto(b"hi", ("127.0.0.1", inner))
        assert sock.recv(100) == b"inner inner's own hi"
        instance.wait_log("opens: inner closed 1, heartbeat")


def test_workers_share_it_and_a_reload_binds_it_anew(opens):
    inner = crew.free_port()
    instance = opens((f"text://127.0.0.1:{inner}", "{}"), workers=2)
    with socket.create_connection(("127.0.0.1", inner), crew.LONG) as client:
        client.sendall(b"hi\n")
        assert client.recv(100) == b"inner inner's own hi\n"
        instance.reload()
        assert client.recv(100) == b""
    instance.wait_log("opens: inner closed 1, reload")
    instance.wait_log(f"opens: text://127.0.0.1:{inner}: open", count=4)
    for _ in range(20):
        assert ask(inner) == "inner inner's own hi"


def test_what_waits_at_a_drain_is_taken(opens):
    """More than one batch, while the process stands still and is told to drain."""
    inner = crew.free_port()
    instance = opens((f"text://127.0.0.1:{inner}", "{}"))
    worker = instance.worker_pids()[0]
    crew.suspend(worker)
    clients = []
    try:
        for _ in range(200):
            clients.append(socket.create_connection(("127.0.0.1", inner), crew.LONG))
            clients[-1].sendall(b"hi\n")
        stop = subprocess.Popen([crew.CREWMAN, "stop", "-g", "-c", instance.config_path],
                                stdout=subprocess.DEVNULL)
        instance.wait_log("stopping gracefully")
    finally:
        os.kill(worker, signal.SIGCONT)
    for client in clients:
        client.settimeout(crew.LONG)
        assert client.makefile().readline() == "inner inner's own hi\n"
        client.close()
    assert stop.wait(crew.LONG) == 0


def udp_socket(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(crew.LONG)
    sock.connect(("127.0.0.1", port))
    return sock


def ask_from_new_ports(port, count):
    """Each from a port of its own, of which the kernel makes its choice of a socket."""
    for _ in range(count):
        with udp_socket(port) as sock:
            sock.send(b"hi")
            assert sock.recv(100) == b"inner inner's own hi"


def drain_behind(instance, client):
    """`reload -g` up to the drain of the old worker, which lasts as long as the client."""
    instance.expect_errors("crew_worker_listen: ")
    client.sendall(b"hi\n")
    assert client.recv(100)
    old = instance.worker_pids()
    reload = subprocess.Popen([crew.CREWMAN, "reload", "-g", "-c", instance.config_path],
                              env=instance.env, stdout=subprocess.DEVNULL)
    crew.wait_for(lambda: [row["pid"] for row in instance.workers()
                           if row["state"] == "draining"] == old, 30, "the old worker to drain")
    return reload


def test_a_drain_loses_no_datagrams(opens):
    inner = crew.free_port()
    instance = opens((f"udp://127.0.0.1:{inner}", "{}"))
    ask_from_new_ports(inner, 5)
    with socket.create_connection(("127.0.0.1", instance.outer), crew.LONG) as client:
        reload = drain_behind(instance, client)
        ask_from_new_ports(inner, 60)
    assert reload.wait(crew.LONG) == 0
    ask_from_new_ports(inner, 5)


def stop_with_waiting(instance, send):
    """`stop -g` while datagrams wait that `send` has sent: the process stands still until then."""
    worker = instance.worker_pids()[0]
    crew.suspend(worker)
    try:
        send()
        stop = subprocess.Popen([crew.CREWMAN, "stop", "-g", "-c", instance.config_path],
                                env=instance.env, stdout=subprocess.DEVNULL)
        instance.wait_log("stopping gracefully")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert stop.wait(crew.LONG) == 0


def test_datagrams_that_wait_at_a_drain_are_taken(opens):
    """More than the batches of one turn."""
    inner = crew.free_port()
    instance = opens((f"udp://127.0.0.1:{inner}", "{}"))
    socks = [udp_socket(inner) for _ in range(100)]
    stop_with_waiting(instance, lambda: [sock.send(b"hi") for sock in socks])
    for sock in socks:
        assert sock.recv(100) == b"inner inner's own hi"
        sock.close()


def test_a_session_that_ends_while_what_waits_is_taken(opens):
    """It may be the last connection, before the app is told of the drain."""
    inner = crew.free_port()
    instance = opens((f"udp://127.0.0.1:{inner}", '{"udp": {"session_timeout": "60s"}}'))
    with udp_socket(inner) as peer:
        stop_with_waiting(instance, lambda: [peer.send(b"close"), peer.send(b"hi")])
        assert peer.recv(100) == b"inner inner's own hi"
    words = re.findall("opens: (drain|stop|inner closed)", instance.log())
    assert words == ["inner closed", "drain", "stop", "inner closed"]


def test_a_process_that_drains_still_answers_its_udp_sessions(opens):
    inner, streams = crew.free_port(), crew.free_port()
    instance = opens((f"udp://127.0.0.1:{inner}", '{"udp": {"session_timeout": "60s"}}'),
                     (f"text://127.0.0.1:{streams}", "{}"))
    with socket.create_connection(("127.0.0.1", streams), crew.LONG) as client, udp_socket(inner) as peer:
        peer.send(b"hi")
        assert peer.recv(100) == b"inner inner's own hi"
        reload = drain_behind(instance, client)
        client.sendall(b"tell\n")
        assert peer.recv(100) == b"told"
        peer.send(b"again")
        assert peer.recv(100) == b"inner inner's own again"
    assert reload.wait(crew.LONG) == 0
