"""udp services of the app "parcel": datagrams, framings in them, and sessions of peers."""

import os
import signal
import socket
import struct
import time

import pytest

import crew
from test_custom_protocol import net, parcel  # noqa: F401 (a fixture)


class Peer:
    """A udp socket connected to one address: it gets answers from there and nowhere else."""

    def __init__(self, port, host="127.0.0.1", source=None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.settimeout(crew.LONG)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((host, port))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def send(self, data):
        self.sock.send(data if isinstance(data, bytes) else data.encode())

    def recv(self):
        return self.sock.recv(70000)

    def ask(self, data):
        self.send(data)
        return self.recv().decode()

    def is_silent(self, seconds=0.3):
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(70000)
            return False
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.sock.settimeout(crew.LONG)


def row_of(instance):
    """The first worker that has the socket; another has none."""
    return next(row for row in instance.workers() if row["listen"])


@pytest.fixture
def udp(parcel):  # noqa: F811
    def start(scheme="udp", service="plain", **keys):
        return parcel(scheme, service, **keys)
    return start


# -- datagrams


def test_an_address_moves_to_one_that_covers_it(udp):
    """Also where the old worker still answers: its socket gets nothing any more."""
    instance = udp(udp={"session_timeout": "60s"})
    with Peer(instance.port) as old:
        assert old.ask("old") == "old"
        instance.config["services"]["plain"]["listen"] = f"udp://0.0.0.0:{instance.port}"
        instance.write_config(instance.config)
        instance.reload("-g")
        with Peer(instance.port) as new:
            for data in ("a", "b", "c"):
                assert new.ask(data) == data


def test_each_datagram_is_a_message(udp):
    instance = udp()
    with Peer(instance.port) as one, Peer(instance.port) as two:
        for data in (b"", b"a", b"b\0c\n", os.urandom(1400), os.urandom(65507)):
            one.send(data)
            assert one.recv() == data
        two.send("two")
        one.send("one")
        assert (one.recv(), two.recv()) == (b"one", b"two")
    row = row_of(instance)
    assert row["connections"] == 0
    assert "connect" not in instance.log().split("parcel: ", 1)[-1]


def test_many_datagrams_at_once(udp):
    instance = udp()
    with Peer(instance.port) as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for turn in range(20):
            for i in range(100):
                peer.send(f"{turn} {i}")
            assert [peer.recv() for _ in range(100)] == [b"%d %d" % (turn, i) for i in range(100)]


@pytest.mark.parametrize("word", ["close", "destroy", "pause", "resume"])
def test_nothing_done_to_a_peer_reaches_the_shared_socket(udp, word):
    instance = udp(workers=2)
    pids = sorted(instance.worker_pids())
    with Peer(instance.port) as peer, Peer(instance.port) as other:
        for _ in range(20):
            peer.send(f"!{word}")
            assert peer.ask("still") == "still"
            assert other.ask("there") == "there"
    assert sorted(instance.worker_pids()) == pids
    assert "parcel: close" not in instance.log()


def test_a_lent_peer_has_no_id_and_no_data_to_keep(udp):
    instance = udp()
    with Peer(instance.port) as peer:
        assert peer.ask("!id") == "0"
        assert peer.ask("!count") == "0"
        peer.send("!data")
        instance.wait_log("parcel: destructor")
        peer.send("!later")  # there is no connection to find then
        assert peer.is_silent()
        assert peer.ask("hello") == "hello"


@pytest.mark.parametrize("host, shown", [("127.0.0.1", "4 127.0.0.1"), ("::1", "6 ::1")])
def test_addresses(udp, host, shown):
    instance = udp(host=f"[{host}]" if ":" in host else host)
    with Peer(instance.port, host) as peer:
        assert peer.ask("!addr") == f"{shown} {peer.port} | {shown} {instance.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_an_answer_comes_from_where_the_datagram_was_sent(udp, host):
    instance = udp(host=host)
    for target in ("127.0.0.1", "127.0.0.2", "127.5.6.7"):
        with Peer(instance.port, target, source="127.0.0.9") as peer:
            assert peer.ask("!addr") == \
                f"4 127.0.0.9 {peer.port} | 4 {target} {instance.port}"


def test_a_datagram_above_the_limit_is_dropped(udp):
    instance = udp(limits={"max_message": "1k"})
    with Peer(instance.port) as peer:
        peer.send(b"x" * 1025)
        peer.send(b"y" * 1024)
        assert peer.recv() == b"y" * 1024


def test_an_answer_that_is_too_large(udp):
    instance = udp()
    with Peer(instance.port) as peer:
        peer.send("!big 65508")
        assert peer.recv() == b"-5006"
        peer.send("!big 65507")
        assert len(peer.recv()) == 65507
        assert peer.recv() == b"0"
    crew.wait_for(lambda: row_of(instance)["send_failures"] == 1, 5, "the count")


def test_a_burst_from_many_peers_does_not_stop_the_worker(udp):
    instance = udp()
    flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        for _ in range(50):
            flood.sendto(b"!close", ("127.0.0.1", instance.port))
        done = instance.verb("status", "--json")
        assert done.returncode == 0
    flood.close()
    with Peer(instance.port) as peer:
        # What finds the socket's buffer full is lost.
        crew.wait_for(lambda: (peer.send("hello"), not peer.is_silent())[1], 5, "an answer")


def test_the_port_is_ours_alone(udp):
    instance = udp()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            thief.bind(("127.0.0.1", instance.port))
    with Peer(instance.port) as peer:
        assert peer.ask("hello") == "hello"


def test_udp_and_tcp_may_have_the_same_port(instances):
    port = crew.free_port()
    instance = instances({"app": crew.app("parcel"), "services": {
        "plain": {"listen": f"udp://127.0.0.1:{port}", "workers": 1},
        "parcel": {"listen": f"tcp://127.0.0.1:{port}", "workers": 1}}})
    instance.start()
    with Peer(port) as peer, socket.create_connection(("127.0.0.1", port), crew.LONG) as sock:
        assert peer.ask("hello") == "hello"
        sock.sendall(net("hello"))
        assert sock.recv(100) == net("hello")


def test_workers_share_the_socket_and_one_may_die(udp):
    instance = udp(workers=2)
    instance.expect_errors("killed", "SIGKILL")
    victim = row_of(instance)["pid"]
    os.kill(victim, signal.SIGKILL)
    crew.wait_for(lambda: not crew.is_alive(victim), what="its end")  # it takes no more datagrams
    with Peer(instance.port) as peer:
        for i in range(50):
            assert peer.ask(f"hello {i}") == f"hello {i}"


@pytest.mark.parametrize("reuse_port", [False, True])
def test_a_reload_loses_no_datagram(udp, reuse_port):
    instance = udp(workers=2, reuse_port=reuse_port)
    peers = [Peer(instance.port) for _ in range(8)]
    for _ in range(2):
        for i, peer in enumerate(peers):
            peer.send(f"before {i}")
        instance.reload()
        for i, peer in enumerate(peers):
            assert peer.recv().decode() == f"before {i}"
            assert int(peer.ask("!generation")) >= 2
    for peer in peers:
        peer.sock.close()


# -- framings


def test_lines_in_a_datagram(udp):
    instance = udp("udp+text")
    with Peer(instance.port) as peer:
        peer.send("one\ntwo\r\n\nfour")
        assert [peer.recv() for _ in range(4)] == [b"one\n", b"two\n", b"\n", b"four\n"]
        peer.send("")
        assert peer.ask("five") == "five\n"


def test_a_line_above_the_limit_ends_its_datagram_only(udp):
    instance = udp("udp+text", limits={"max_message": "100b"})
    with Peer(instance.port) as peer:
        peer.send("ok\n" + "x" * 101 + "\nnever\n")
        assert peer.recv() == b"ok\n"
        assert peer.ask("y" * 100) == "y" * 100 + "\n"


def block(body):
    return struct.pack(">I", len(body) + 4) + body


@pytest.mark.parametrize("rest", [b"\0", b"\0\0\0\0", b"\0\0\0\3", b"\0\0\0\x0aabc",
                                  b"\xff\xff\xff\xff", b""])
def test_frames_in_a_datagram(udp, rest):
    instance = udp("udp+frame")
    with Peer(instance.port) as peer:
        peer.send(block(b"one") + block(b"") + rest)
        assert [peer.recv(), peer.recv()] == [block(b"one"), block(b"")]
        peer.send(block(b"two"))
        assert peer.recv() == block(b"two")


@pytest.mark.parametrize("rest", [b"X", b"Z", b"H", b"E.", b"9:short", b"C", b"L", b"12", b"3:abcd",
                                  b"D.", b""])
def test_what_an_own_framing_answers_never_hangs(udp, rest):
    instance = udp(service="parcel")
    pid = row_of(instance)["pid"]
    with Peer(instance.port) as peer:
        for _ in range(3):
            peer.send(net("one") + net("two") + rest)
            assert [peer.recv(), peer.recv()] == [net("one"), net("two")]
        assert peer.ask(net("after")) == "5:after,"
        # Without a session the state is new for each datagram.
        assert peer.ask(net("!inputs")) == "1:1,"
    row = row_of(instance)
    assert (row["pid"], row["state"]) == (pid, "ready")


# -- sessions


def sessions(timeout="30s", **keys):
    return {"udp": {"session_timeout": timeout}, **keys}


def test_a_peer_is_a_connection(udp):
    instance = udp(**sessions())
    with Peer(instance.port) as one, Peer(instance.port) as two:
        ids = {peer.ask("!id") for peer in (one, two, one, two)}
        assert len(ids) == 2 and "0" not in ids
        assert one.ask("!count") == "2"
        rows = instance.connections()
        assert sorted(int(row["peer"].rsplit(":")[-1]) for row in rows) == \
            sorted((one.port, two.port))
        assert {row["protocol"] for row in rows} == {"udp"}
        one.send("!later")
        assert one.recv() == b"later"
        one.send("!close")
        instance.wait_log("parcel: close local -5001")
        crew.wait_for(lambda: two.ask("!count") == "1", 5, "the end of it")
        # What it sends after that begins another.
        assert one.ask("!id") not in ids
    instance.wait_log("parcel: (connect|open)", count=6)


@pytest.mark.parametrize("end", ["!close", "!destroy"])
def test_what_comes_right_behind_an_end_begins_anew(udp, end):
    instance = udp(**sessions())
    with Peer(instance.port) as peer:
        first = peer.ask("!id")
        with crew.held(instance):
            for text in (end, "!id", "!id"):
                peer.send(text)
        second = [peer.recv(), peer.recv()]
        assert second[0] == second[1] and second[0] not in (first.encode(), b"0")
    assert instance.log().count("parcel: close local") == 1


def test_a_silent_peer_ends(udp):
    """And one that talks does not, by ticks of the test's own: tests/unit/test_udp.c."""
    instance = udp(**sessions("1s"))
    with Peer(instance.port) as silent:
        first = silent.ask("!id")
        instance.wait_log("parcel: close heartbeat", 20)
        assert silent.ask("!id") not in ("0", first)
    instance.wait_log("parcel: close heartbeat", 20, count=2)
    crew.wait_for(lambda: row_of(instance)["reaped"] == 2, 5, "the count")


def test_sessions_are_bounded(udp):
    instance = udp(**sessions(limits={"max_connections": 3}))
    peers = [Peer(instance.port) for _ in range(3)]
    for _ in range(2):  # with the second each has answered
        assert [peer.ask("hello") for peer in peers] == ["hello"] * 3
    with Peer(instance.port) as fourth:
        fourth.send("hello")
        assert fourth.is_silent()
        assert peers[0].ask("!count") == "3"
        peers[0].send("!destroy")
        instance.wait_log("parcel: close local")
        assert fourth.ask("hello") == "hello"
    for peer in peers:
        peer.sock.close()


def test_invented_peers_lock_nobody_out(udp):
    instance = udp(**sessions(limits={"max_connections": 20}))
    with Peer(instance.port) as mine:
        first = mine.ask("!id")
        assert mine.ask("!id") == first
        invented = [Peer(instance.port) for _ in range(60)]
        for peer in invented:
            assert peer.ask("hello") == "hello"
            assert mine.ask("!id") == first
    for peer in invented:
        peer.sock.close()
    instance.wait_log("parcel: close limit", count=41)
    instance.wait_log('service "plain": peers not proven genuine, ended to make room.*: 1$')
    crew.wait_for(lambda: row_of(instance)["evicted"] == 41, 5, "the count")


def test_sessions_of_one_address_are_bounded(udp):
    instance = udp(host="0.0.0.0", **sessions(limits={"max_connections_per_address": 2}))
    peers = [Peer(instance.port, source="127.0.0.7") for _ in range(3)]
    for _ in range(2):
        assert [peer.ask("hello") for peer in peers[:2]] == ["hello"] * 2
    peers[2].send("hello")
    assert peers[2].is_silent()
    with Peer(instance.port, source="127.0.0.8") as other:
        assert other.ask("hello") == "hello"
    peers[0].send("!close")
    instance.wait_log("parcel: close local")
    assert peers[2].ask("hello") == "hello"
    for peer in peers:
        peer.sock.close()


def test_many_sessions_come_and_go(udp):
    instance = udp(**sessions("2s"))
    ports = set()
    for _ in range(3):
        peers = [Peer(instance.port) for _ in range(300)]
        ports |= {peer.port for peer in peers}
        for i, peer in enumerate(peers):
            assert peer.ask(f"hello {i}") == f"hello {i}"
        for peer in peers:
            peer.sock.close()
    instance.wait_log("parcel: close heartbeat", 15, count=len(ports))
    crew.wait_for(lambda: row_of(instance)["connections"] == 0, 5, "the count")


def test_a_paused_peer_is_not_heard_and_disturbs_nobody(udp):
    instance = udp(**sessions())
    with Peer(instance.port) as one, Peer(instance.port) as two:
        with crew.held(instance):  # both are read in one turn, before the nap is over
            one.send("!nap")
            one.send("lost")
        assert two.ask("hello") == "hello"
        assert one.is_silent(0.1)
        crew.wait_for(lambda: (one.send("again"), not one.is_silent(0.1))[1], 5, "an answer")


def test_an_own_framing_with_sessions_keeps_its_state(udp):
    instance = udp(service="parcel", **sessions())
    with Peer(instance.port) as peer:
        assert [peer.ask(net("!inputs")) for _ in range(3)] == ["1:1,", "1:2,", "1:3,"]
        peer.send(net("one") + b"X")
        assert peer.recv() == net("one")
        instance.wait_log("parcel: error -5007 .*input refused")
        assert peer.ask(net("!inputs")) == "1:6,"  # the session goes on
        peer.send(b"C")
        instance.wait_log("parcel: protocol close")
        assert peer.ask(net("!inputs")) == "1:1,"


def test_sessions_end_with_the_worker(udp):
    instance = udp(**sessions())
    with Peer(instance.port) as peer:
        first = peer.ask("!id")
        instance.reload("-g")
        instance.wait_log("parcel: close reload")
        second = peer.ask("!id")
        assert second not in ("0", first)
        assert peer.ask("!generation") == "2"
    instance.stop()
    instance.wait_log("parcel: close shutdown")


def test_with_reuse_port_a_peer_keeps_its_worker(udp):
    instance = udp(workers=2, reuse_port=True, **sessions())
    peers = [Peer(instance.port) for _ in range(20)]
    slots = [peer.ask("!slot") for peer in peers]
    assert set(slots) == {"0", "1"}
    for _ in range(3):
        assert [peer.ask("!slot") for peer in peers] == slots
    for peer in peers:
        peer.sock.close()


def test_sessions_on_a_shared_socket_are_refused(parcel):  # noqa: F811
    instance = parcel("udp", "plain", workers=2, expect=1, **sessions())
    done = instance.start(expect=1)
    assert "udp.session_timeout" in done.stderr and "reuse_port" in done.stderr


def test_the_ping_data_of_a_session(udp):
    instance = udp(**sessions(heartbeat={"ping_interval": "1s", "ping_data": "are you there"}))
    with Peer(instance.port) as peer:
        for _ in range(2):  # the second is an answer; a probe may come between them
            peer.send("hello")
            while peer.recv() != b"hello":
                pass
        assert peer.recv() == b"are you there"


def test_one_forged_datagram_brings_its_victim_one(udp):
    instance = udp(**sessions("3s", heartbeat={"ping_interval": "1s", "ping_data": "x" * 1000}))
    with Peer(instance.port) as victim:
        assert victim.ask("hello") == "hello"
        instance.wait_log("parcel: close heartbeat", 15)
        victim.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            victim.sock.recv(70000)
