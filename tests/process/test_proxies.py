"""Who the client is, when a proxy stands between."""

import re
import socket
import struct

import crew
import pytest

V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def dial(port):
    return socket.create_connection(("127.0.0.1", port), crew.LONG)


def peer_of(instance):
    return crew.wait_for(lambda: instance.connections(), 5, "a connection")[0]["peer"]


def handshake(port, extra):
    sock = dial(port)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 + extra + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return sock


@pytest.mark.parametrize("field, expected", [
    (b"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7:0"),
    (b"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.1\r\n", "203.0.113.7:0"),
    (b"Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7:0"),
    (b"Forwarded: for=\"[2001:db8::7]:4711\"\r\n", "[2001:db8::7]:4711"),
    (b"X-Real-IP: 203.0.113.9\r\n", "203.0.113.9:0"),
])
def test_a_trusted_proxy_names_the_client(probe, field, expected):
    instance = probe(trusted_proxies=["127.0.0.1"])
    with handshake(instance.port, field):
        assert peer_of(instance) == expected


@pytest.mark.parametrize("trusted", [[], ["192.0.2.0/24"]])
def test_nobody_else_does(probe, trusted):
    instance = probe(trusted_proxies=trusted)
    with handshake(instance.port, b"X-Forwarded-For: 203.0.113.7\r\n") as sock:
        assert peer_of(instance) == "127.0.0.1:%d" % sock.getsockname()[1]


def test_a_proxy_list_that_is_none_fails_the_start(probe):
    instance = probe(trusted_proxies=["everybody"], is_started=False)
    instance.expect_errors("everybody")
    done = instance.run("start", "-d", "-c", str(instance.config_path))
    assert done.returncode == 1
    assert '"everybody" is no address or network' in done.stderr


@pytest.mark.parametrize("header, expected", [
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n", "203.0.113.7:4711"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n", "[2001:db8::7]:4711"),
    (V2_SIGNATURE + b"\x21\x11\x00\x0c" + socket.inet_aton("203.0.113.7")
     + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 4711, 80), "203.0.113.7:4711"),
])
@pytest.mark.parametrize("step", [1, 1000])
def test_the_proxy_protocol_names_the_client(probe, header, expected, step):
    instance = probe("text", proxy_protocol=True)
    with dial(instance.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = header + b"hello\n"
        for at in range(0, len(data), step):
            sock.sendall(data[at:at + step])
        assert sock.recv(100) == b"hello\n"
        assert peer_of(instance) == expected


def test_a_local_connection_of_the_proxy_keeps_its_own_address(probe):
    instance = probe("text", proxy_protocol=True)
    with dial(instance.port) as sock:
        sock.sendall(b"PROXY UNKNOWN\r\nhello\n")
        assert sock.recv(100) == b"hello\n"
        assert re.match(r"127\.0\.0\.1:\d+$", peer_of(instance))


def test_without_the_header_the_connection_ends_unannounced(probe):
    instance = probe("text", proxy_protocol=True)
    with dial(instance.port) as sock:
        sock.sendall(b"hello, this is no PROXY header\n")
        try:
            assert sock.recv(100) == b""
        except ConnectionResetError:
            pass
    crew.wait_for(lambda: instance.worker()["protocol_errors"] == 1, 5, "the count")
    assert "probe: connect" not in instance.log()


def test_only_trusted_proxies_may_send_it(probe):
    instance = probe("text", proxy_protocol=True, trusted_proxies=["192.0.2.1"])
    with dial(instance.port) as sock:
        try:
            sock.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\nhello\n")
            assert sock.recv(100) == b""
        except ConnectionError:
            pass
    crew.wait_for(lambda: instance.worker()["refused"] == 1, 5, "the count")


def test_an_address_is_counted_behind_the_proxy(probe):
    instance = probe("text", proxy_protocol=True, limits={"max_connections_per_address": 1})
    first, other, again = (b"PROXY TCP4 203.0.113.%d 192.0.2.1 4711 80\r\nhello\n" % last
                           for last in (1, 2, 1))
    with dial(instance.port) as one, dial(instance.port) as two, dial(instance.port) as three:
        one.sendall(first)
        assert one.recv(100) == b"hello\n"
        two.sendall(other)
        assert two.recv(100) == b"hello\n"
        try:
            three.sendall(again)
            assert three.recv(100) == b""
        except ConnectionError:
            pass
