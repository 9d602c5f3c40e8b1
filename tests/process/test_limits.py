"""Who gets in: a service that is full says so, to its clients, in its log and in its status."""

import contextlib
import re
import resource

import pytest

import crew
from web import Client
from ws import Refused, WebSocket, dial, frame

SLOW = {"handshake_timeout": "10m"}  # half a request may wait, however slow the machine is
GET = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


def ask_half(client):
    """One whose request is under way holds its place."""
    client.send("GET /hello HTTP/1.1\r\n")


def ask_rest(client):
    client.send("Host: x\r\n\r\n")
    return client.answer().status


def join(port, count, at):
    """So many clients of an `http` service, each of which has had an answer and asks again."""
    clients = [at.enter_context(Client(port)) for _ in range(count)]
    for client in clients:
        assert client.get("/hello").status == 200
        ask_half(client)
    return clients


def ask_at_once(port):
    client = Client(port)
    client.send(GET)
    return client


def expect_turned_away(client, status=503):
    """The whole answer comes, and behind it the end: a reset would raise."""
    answer = client.answer()
    assert answer.status == status
    assert answer["connection"] == "close"
    assert answer["retry-after"] in ("1", "5")
    assert client.to_end() == b""
    client.sock.close()


def state_of(instance, slot=0):
    return instance.worker(slot)["state"]


def counts_told(instance):
    return [int(count) for count in
            re.findall(r"connections turned away(?: since the last line)?: (\d+)$", instance.log(), re.M)]


def test_a_full_service_says_so(probe):
    instance = probe("http", app="web", limits={"max_connections": 2, **SLOW})
    with contextlib.ExitStack() as inside:
        first, _ = join(instance.port, 2, inside)
        with crew.held(instance):  # what they ask is there before they are accepted
            crowd = [ask_at_once(instance.port) for _ in range(5)]
        for client in crowd:
            expect_turned_away(client)
        assert ask_rest(first) == 200
        assert state_of(instance) == "full"
        assert instance.worker()["services"][0]["is_full"] is True
        assert "service probe is full" in instance.verb("status").stdout
        crew.wait_for(lambda: instance.worker()["turned_away"] == 5, 10, "the count")
        assert instance.worker()["refused"] == 5
    crew.wait_for(lambda: state_of(instance) == "ready", 10, "places")
    assert "is full" not in instance.verb("status").stdout
    with Client(instance.port) as client:
        assert client.get("/hello").status == 200
    assert counts_told(instance)[0] == 1
    # A first line tells of one; those behind it are told of when no more have come.
    crew.wait_for(lambda: sum(counts_told(instance)) == 5, 30, "the rest in the log")
    assert 'service "probe" is full: limits.max_connections is 2; connections turned away: 1' in instance.log()


def test_a_websocket_client_is_refused_with_a_status(probe):
    instance = probe(limits={"max_connections": 1})
    with WebSocket(instance.port) as client:
        with pytest.raises(Refused, match="503"):
            WebSocket(instance.port)
        assert client.ask("hello") == "hello"
        assert instance.log().count("probe: connect") == 1


def test_a_protocol_without_words_ends_without_a_reset(probe):
    instance = probe("text", limits={"max_connections": 1})
    with dial(instance.port) as inside:
        inside.sendall(b"hello\n")
        assert inside.recv(100) == b"hello\n"
        with crew.held(instance):
            crowd = [dial(instance.port) for _ in range(5)]
            for sock in crowd:
                sock.sendall(b"hello\n")
        for sock in crowd:
            assert sock.recv(100) == b""
            sock.close()


def free_slots(instance):
    return [row["slot"] for row in instance.workers() if row["state"] == "ready"]


def test_nobody_is_turned_away_while_another_worker_has_a_place(probe):
    instance = probe(workers=2, limits={"max_connections": 1})
    clients = {}
    for _ in range(2):
        client = WebSocket(instance.port)
        clients[client.ask("!pid")] = client
    assert len(clients) == 2
    for turn in range(20):
        with pytest.raises(Refused, match="503"):
            WebSocket(instance.port)
        pid = sorted(clients)[turn % 2]
        clients.pop(pid).close()
        crew.wait_for(lambda: len(free_slots(instance)) == 1, 10, "a place")
        client = WebSocket(instance.port)
        assert client.ask("!pid") == pid
        clients[pid] = client
    for client in clients.values():
        client.close()
    assert "other workers take its connections" in instance.log()


def test_a_socket_that_nobody_shares_holds_up_nobody(probe):
    """The kernel spreads the connections, also to a worker that is full while another is not."""
    instance = probe("http", app="web", workers=2, reuse_port=True,
                     limits={"max_connections": 1, **SLOW})
    with contextlib.ExitStack() as inside:
        statuses = []
        for _ in range(20):
            client = inside.enter_context(Client(instance.port))
            statuses.append(client.get("/hello").status)
            if statuses[-1] == 200:
                ask_half(client)
        assert statuses.count(200) == 2 and statuses.count(503) == 18


def test_a_process_without_descriptors_says_so(probe):
    instance = probe("http", app="web", limits=SLOW)
    pid = instance.worker_pids()[0]
    with contextlib.ExitStack() as inside:
        first, = join(instance.port, 1, inside)
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (crew.fd_count(pid), old[1]))
        expect_turned_away(ask_at_once(instance.port))
        expect_turned_away(ask_at_once(instance.port))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        assert ask_rest(first) == 200
        crew.wait_for(lambda: instance.worker()["turned_away"] == 2, 10, "the count")
    instance.wait_log('service "probe" is full: no descriptor is left')


def test_who_comes_in_a_crowd_is_answered_or_closed(probe):
    """Far more than are told: the others are closed at once, and whoever is in is served."""
    instance = probe("http", app="web", limits={"max_connections": 1, **SLOW})
    with contextlib.ExitStack() as inside:
        first, = join(instance.port, 1, inside)
        with crew.held(instance):
            crowd = [ask_at_once(instance.port) for _ in range(300)]
        answers = []
        for client in crowd:
            with contextlib.suppress(ConnectionError):
                answers.append(client.to_end()[:13])
        assert set(answers) <= {b"HTTP/1.1 503 ", b""} and answers.count(b"HTTP/1.1 503 ") >= 64
        for client in crowd:
            client.sock.close()
        assert ask_rest(first) == 200
        crew.wait_for(lambda: instance.worker()["turned_away"] == 300, 10, "the count")


@pytest.mark.parametrize("scheme", ["http", "websocket"])
def test_who_waits_for_a_next_request_makes_room(probe, scheme):
    """The one that has waited longest, and nobody whose request is under way."""
    instance = probe(scheme, app="web", limits={"max_connections": 3, **SLOW})
    with contextlib.ExitStack() as inside:
        busy, oldest, later = (inside.enter_context(Client(instance.port)) for _ in range(3))
        for client in (busy, oldest, later):
            assert client.get("/hello").status == 200
        ask_half(busy)
        new = inside.enter_context(Client(instance.port))
        assert new.get("/hello").status == 200
        assert oldest.to_end() == b""
        assert later.get("/hello").status == 200
        ask_half(later)
        with crew.held(instance):  # its request is there, and not read yet
            new.send(GET)
            last = ask_at_once(instance.port)
        assert new.answer().status == 200
        expect_turned_away(last)
        assert ask_rest(busy) == 200 and ask_rest(later) == 200
        crew.wait_for(lambda: instance.worker()["evicted"] == 1, 10, "the count")
        assert instance.worker()["turned_away"] == 1
    instance.wait_log('service "probe" is full: limits.max_connections is 3; connections ended '
                      "that waited for a next request: 1$")


def test_a_websocket_makes_no_room(probe):
    instance = probe(limits={"max_connections": 1})
    with WebSocket(instance.port) as client:
        with pytest.raises(Refused, match="503"):
            WebSocket(instance.port)
        assert client.ask("hello") == "hello"
        assert instance.worker()["evicted"] == 0


def test_without_a_descriptor_who_waits_makes_room(probe):
    instance = probe("http", app="web")
    pid = instance.worker_pids()[0]
    with Client(instance.port) as first, contextlib.ExitStack() as inside:
        assert first.get("/hello").status == 200
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (crew.fd_count(pid), old[1]))
        second = inside.enter_context(Client(instance.port))
        assert second.get("/hello").status == 200
        assert first.to_end() == b""
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)


def test_too_many_of_one_address_have_a_status_of_their_own(probe):
    instance = probe("http", app="web", limits={"max_connections_per_address": 2})
    with contextlib.ExitStack() as inside:
        join(instance.port, 2, inside)
        expect_turned_away(ask_at_once(instance.port), 429)
        assert state_of(instance) == "ready"
        crew.wait_for(lambda: instance.worker()["over_address"] == 1, 10, "the count")
        assert instance.worker()["turned_away"] == 0
    instance.wait_log('service "probe": limits.max_connections_per_address is 2; refused: 1, the last '
                      "from 127.0.0.1$")


def test_too_many_handshakes_of_one_address(probe):
    instance = probe(limits={"handshakes_per_address": 5})
    refused = 0
    for _ in range(10_000):  # some six of them are within a second
        try:
            with WebSocket(instance.port) as client:
                assert client.ask("hello") == "hello"
        except Refused as refusal:
            assert "429" in str(refusal)
            refused += 1
            break
    assert refused == 1
    instance.wait_log("limits.handshakes_per_address is 5; refused: 1")


def test_who_is_not_recognized_in_time_is_closed(probe):
    instance = probe(limits={"auth_timeout": "1s"})
    login = frame(b"!authenticated")  # comes with the handshake, so that it cannot be late
    with WebSocket(instance.port, behind=login) as known, WebSocket(instance.port) as stranger:
        assert known.recv()[1] == b"0"
        end = stranger.wait_closed()
        assert (end.code, end.reason) == (1008, "not authenticated in time")
        stranger.sock.close()
        instance.wait_log("probe: .*reason=timeout")
        assert known.ask("hello") == "hello"
        assert [row["state"] for row in instance.connections()] == ["open"]
