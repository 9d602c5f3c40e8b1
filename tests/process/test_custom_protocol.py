"""An app's own framing (struct crew_protocol) over tcp and unix sockets: the app "parcel"."""

import json
import os
import socket
import struct
import time
from pathlib import Path

import pytest

import crew
from test_streams import block, is_closed, read_until
from ws import dial


def net(body):
    body = body if isinstance(body, bytes) else body.encode()
    return b"%d:%b," % (len(body), body)


def read_net(sock):
    """One netstring, read byte by byte where its length is not known."""
    head = b""
    while not head.endswith(b":"):
        piece = sock.recv(1)
        assert piece, "closed"
        head += piece
    want, body = int(head[:-1]) + 1, b""
    while len(body) < want:
        piece = sock.recv(want - len(body))
        assert piece, "closed"
        body += piece
    assert body.endswith(b",")
    return body[:-1]


def ask(sock, body):
    sock.sendall(net(body))
    return read_net(sock).decode()


def rss(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


@pytest.fixture
def parcel(instances):
    """Starts a service of the app "parcel": parcel(scheme, service, limits=…)."""
    def start(scheme="tcp", service="parcel", workers=1, expect=0, host="127.0.0.1", **keys):
        port = crew.free_port()
        block = {"listen": f"{scheme}://{host}:{port}", "workers": workers}
        block.update(keys)
        other = "plain" if service == "parcel" else "parcel"
        instance = instances({"app": crew.app("parcel"), "log": {"level": "debug"},
                              "reload_spread": "0",
                              "services": {service: block, other: {"workers": 1}}})
        instance.port = port
        if expect == 0:
            instance.start()
        return instance
    return start


def test_packages_in_any_split(parcel):
    instance = parcel()
    bodies = [b"", b"one", b"x" * 5000, b"two\0three", os.urandom(70000)]
    stream = b"".join(map(net, bodies))
    for size in (len(stream), 1009, 7):
        with dial(instance.port) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if size == 7:
                stream = b"".join(map(net, bodies[:3]))
            for at in range(0, len(stream), size):
                sock.sendall(stream[at:at + size])
            for body in bodies[:5 if size > 7 else 3]:
                assert read_net(sock) == body


def test_callbacks_come_in_order_and_in_pairs(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        assert ask(sock, "hello") == "hello"
    instance.wait_log("parcel: protocol close")
    assert [match[1] for match in instance.wait_log(r"parcel: ([a-z ]+) -?[0-9a-f]+$", count=5)] == \
        ["protocol connect", "connect", "open", "close peer", "protocol close"]


def test_a_length_is_not_asked_for_again(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = net(b"y" * 3000)
        before = int(ask(sock, "!inputs"))
        for at in range(0, len(data), 100):
            sock.sendall(data[at:at + 100])
            time.sleep(0.005)
        assert read_net(sock) == b"y" * 3000
        # One for it (two if its head came alone), and one for the question itself.
        assert int(ask(sock, "!inputs")) - before <= 3


def test_a_length_that_takes_looking_ahead(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"L", b"L", b"L" + net("end")):
            sock.sendall(piece)
            time.sleep(0.05)
        assert [read_net(sock) for _ in range(4)] == [b"L", b"L", b"L", b"end"]


def test_a_package_that_never_ends_is_ended(parcel):
    instance = parcel(limits={"message_timeout": "1s"})
    with dial(instance.port) as sock:
        sock.sendall(b"1000:")
        sock.settimeout(0.05)

        def is_over():
            try:
                sock.sendall(b"x")
                return sock.recv(100) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        crew.wait_for(is_over, 20, "its end")


@pytest.mark.parametrize("data, reason, error", [
    (b"X", "protocol", "input refused"), (b"5hello", "protocol", "input refused"),
    (b"3:abcd", "protocol", "decode refused"), (b"E.", "protocol", "decode refused"),
    (b"H", "limit", "longer than max_message"), (b"4096:", "limit", "longer than max_message"),
    (b"99999999999:", "limit", "longer than max_message"),
])
def test_what_breaks_the_protocol_ends_the_connection(parcel, data, reason, error):
    instance = parcel(limits={"max_message": "4k"})
    with dial(instance.port) as sock, dial(instance.port) as bystander:
        sock.sendall(net("good") + data)
        assert read_net(sock) == b"good"
        assert is_closed(sock)
        assert ask(bystander, "hello") == "hello"
    instance.wait_log(f"parcel: error .*{error}")
    instance.wait_log(f"parcel: close {reason}")


def test_a_close_inside_of_decode_is_the_last_word(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.sendall(b"K." + net("more"))
        assert is_closed(sock)
    instance.wait_log("parcel: close local -5001")
    assert "message behind a close" not in instance.log()


def test_what_a_framing_keeps_with_the_connection_is_freed(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.sendall(net("!data") + net("!close"))
        assert is_closed(sock)
    instance.wait_log("parcel: destructor", count=2)


def test_a_broken_connection_counts_until_on_close(parcel):
    instance = parcel()
    with dial(instance.port) as sock, dial(instance.port) as bystander:
        assert ask(bystander, "!count") == "2"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()  # which sends a reset
        instance.wait_log("parcel: error -104 .*; 2 connections")
        instance.wait_log("parcel: close io")
        assert ask(bystander, "!count") == "1"


def test_a_package_of_exactly_the_limit(parcel):
    instance = parcel(limits={"max_message": "1k"})
    with dial(instance.port) as sock:
        assert ask(sock, "x" * 1018) == "x" * 1018  # with "1018:" and ",": 1024
        sock.sendall(net("x" * 1019))
        assert is_closed(sock)


def test_an_input_that_never_knows_is_bounded(parcel):
    instance = parcel(limits={"max_message": "256k"})
    pid = instance.worker()["pid"]
    with dial(instance.port) as warm:
        assert ask(warm, "x" * 200_000) == "x" * 200_000
    before = rss(pid)
    socks = [dial(instance.port) for _ in range(8)]
    for sock in socks:
        try:
            sock.sendall(b"Z" * 20_000_000)
        except ConnectionError:
            pass
        assert is_closed(sock)
        sock.close()
    instance.wait_log("parcel: close limit", count=8)
    if not crew.IS_SANITIZED:
        assert rss(pid) - before < 4_000_000


def test_decode_may_drop(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.sendall(b"D." * 20000 + net("after"))
        assert read_net(sock) == b"after"


def test_input_may_close_the_connection(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.sendall(net("before") + b"C" + net("after"))
        assert read_net(sock) == b"before"
        assert is_closed(sock)
    instance.wait_log("parcel: close local")


@pytest.mark.parametrize("word", ["close", "destroy"])
def test_close_inside_on_message_ends_the_messages(parcel, word):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.sendall(net("before") + net(f"!{word}") + net("after") * 100)
        got = b""
        try:
            while piece := sock.recv(65536):
                got += piece
        except ConnectionError:
            pass
        assert net("after") not in got
        if word == "close":
            assert got == net("before")
    instance.wait_log("parcel: close local")
    instance.wait_log("parcel: protocol close")


@pytest.mark.parametrize("split", [1, 10**9])
def test_pause_inside_on_message_keeps_what_came(parcel, split):
    instance = parcel()
    with dial(instance.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = net("a" * 100) + net("!nap") + b"".join(net(f"m{i}") for i in range(200))
        started = time.monotonic()
        # The first package half: then all that follows is read into the connection's buffer.
        sock.sendall(data[:min(split, 3)])
        time.sleep(0.05)
        sock.sendall(data[min(split, 3):])
        assert read_net(sock) == b"a" * 100
        sock.sendall(net("last"))
        assert [read_net(sock) for _ in range(200)] == [b"m%d" % i for i in range(200)]
        assert time.monotonic() - started > 0.15
        assert read_net(sock) == b"last"


def test_what_encode_answers_the_send_answers(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        assert ask(sock, "!bad") == "-5003"
        assert ask(sock, "!nothing") == "0"
        sock.sendall(net("!big 100000"))
        assert read_net(sock) == b"\0" * 100000
        assert read_net(sock) == b"0"


def test_a_burst_of_small_packages(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        count = 30_000
        data = b"D." * count + net("end")
        started = time.monotonic()
        sock.sendall(data)
        assert read_net(sock) == b"end"
        crew.assert_took(started, 0, 5)
        assert int(ask(sock, "!inputs")) >= count


def test_over_a_unix_socket_there_is_no_port(parcel):
    instance = parcel(expect=None)
    path = instance.folder / "app.sock"
    instance.config["services"]["parcel"]["listen"] = f"unix://{path}"
    instance.write_config(instance.config)
    instance.start()
    with dial(path) as sock:
        assert ask(sock, "!addr") == f"1  0 | 1 {path} 0"
        assert ask(sock, "still there") == "still there"


def test_ipv6_addresses_have_no_brackets(parcel):
    instance = parcel(host="[::1]")
    with dial(("::1", instance.port)) as sock:
        mine = sock.getsockname()[1]
        assert ask(sock, "!addr") == f"6 ::1 {mine} | 6 ::1 {instance.port}"


def test_bytes_of_one_connection_mean_nothing_on_another(parcel):
    """No package is remembered: the same bytes are framed anew for each connection."""
    instance = parcel()
    with dial(instance.port) as first, dial(instance.port) as second:
        for _ in range(3):
            assert ask(first, "same") == "same"
        second.sendall(b"10:")
        time.sleep(0.05)
        second.sendall(net("same"))
        second.sendall(b"abc,")
        assert read_net(second) == b"4:same,abc"


def test_it_is_shown_by_its_name(parcel):
    instance = parcel()
    with dial(instance.port) as sock:
        assert ask(sock, "hello") == "hello"
        assert [row["protocol"] for row in instance.connections()] == ["netstring"]


def test_a_framing_on_another_protocol_is_refused(parcel):
    instance = parcel("websocket", expect=1)
    instance.expect_errors("protocol \"netstring\"", "services.parcel")
    done = instance.start(expect=1)
    assert "expected tcp, unix or udp" in done.stderr


def test_lines_and_frames_are_bounded_while_they_are_incomplete(probe):
    for scheme, data in (("text", b"x"), ("frame", struct.pack(">I", 3_000_000))):
        instance = probe(scheme, limits={"max_message": "64k"})
        with dial(instance.port) as sock:
            try:
                sock.sendall(data * 1)
                sock.sendall(b"x" * 8_000_000)
            except ConnectionError:
                pass
            assert is_closed(sock)
        instance.wait_log("reason=limit")


def test_a_frame_of_the_limit_and_one_above(probe):
    instance = probe("frame", limits={"max_message": "4k"})
    with dial(instance.port) as sock:
        sock.sendall(block(b"x" * 4096))
        assert read_until(sock, b"x" * 4096) == block(b"x" * 4096)
        sock.sendall(struct.pack(">I", 4096 + 5))
        assert is_closed(sock)
    instance.wait_log("reason=limit")


# -- the example "protocol"


@pytest.fixture
def talks(instances):
    """The example with its own config file but for the addresses."""
    source = (crew.ROOT / "examples" / "protocol" / "protocol.json").read_text()
    ports = crew.free_port(), crew.free_port()
    for old, new in zip((1234, 1235), ports):
        source = source.replace(f"0.0.0.0:{old}", f"127.0.0.1:{new}")
    instance = instances(source.replace('"protocol.so"', f'"{crew.EXAMPLES / "protocol"}.so"'))
    instance.ports = ports
    instance.start()
    return instance


def test_the_example_speaks_json_lines(talks):
    with dial(talks.ports[0]) as sock:
        lines = sock.makefile("r")
        for piece in ('{"a": [1, 2', '.5]}\n"x"\r\nnull', "\n"):
            sock.sendall(piece.encode())
            time.sleep(0.02)
        assert [json.loads(lines.readline()) for _ in range(3)] == [
            {"received": {"a": [1, 2.5]}, "count": 1}, {"received": "x", "count": 2},
            {"received": None, "count": 3}]
        sock.sendall(b'{"a": \n')
        assert is_closed(sock)


def test_the_example_bounds_its_lines(talks):
    with dial(talks.ports[0]) as sock:
        try:
            sock.sendall(b"1" * 200_000)
        except ConnectionError:
            pass
        assert is_closed(sock)


def test_the_example_speaks_json_with_a_length(talks):
    with dial(talks.ports[1]) as sock:
        stream = block(b'{"a":1}') + block(b"[]") + block(b'"' + b"x" * 40_000 + b'"')
        for at in range(0, len(stream), 1000):
            sock.sendall(stream[at:at + 1000])
        got = sock.makefile("rb")
        answers = []
        for _ in range(3):
            size, = struct.unpack(">I", got.read(4))
            answers.append(json.loads(got.read(size - 4)))
        assert answers == [{"received": {"a": 1}, "count": 1}, {"received": [], "count": 2},
                           {"received": "x" * 40_000, "count": 3}]


@pytest.mark.parametrize("head", [b"\0\0\0\0", b"\0\0\0\3", b"\0\0\0\4", b"\0\1\0\1",
                                  b"\xff\xff\xff\xff", b"\0\0\0\5x"])
def test_the_example_refuses_what_is_no_message(talks, head):
    with dial(talks.ports[1]) as bystander, dial(talks.ports[1]) as sock:
        sock.sendall(head)
        assert is_closed(sock)
        bystander.sendall(block(b"1"))
        assert read_until(bystander, b"}").endswith(b'"count":1}')
