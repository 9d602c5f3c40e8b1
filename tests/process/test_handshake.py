"""The WebSocket opening handshake: what on_handshake decides, origins, subprotocols.

RFC 6455 section 4. test_websocket.py has the malformed handshakes.
"""

import asyncio
import re
from pathlib import Path

import pytest
import websockets

import crew
from web import Client, ask, status_of
from ws import BINARY, PING, PONG, Refused, WebSocket

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


@pytest.fixture(params=["websocket", "http"])
def web(probe, request):
    """Each test for a service of its own and for one beside pages."""
    def start(**options):
        return probe(request.param, app="web", **options)
    return start


def fields_of(client):
    lines = client.head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}


def peak_kib(instance):
    """The most memory that the worker ever had."""
    text = Path(f"/proc/{instance.worker_pids()[0]}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1])


def handshake(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *UPGRADE, *fields, "", ""]).encode()


def test_the_answer_is_complete(web):
    with WebSocket(web().port, "/") as client:
        assert client.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        fields = fields_of(client)
        assert fields["upgrade"].lower() == "websocket"
        assert fields["connection"].lower() == "upgrade"
        assert fields["x-hand"] == "shaken"
        assert "sec-websocket-protocol" not in fields
        assert "sec-websocket-extensions" not in fields
        assert client.ask("hi") == "hi"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 503])
def test_on_handshake_refuses_with_its_status(web, code):
    instance = web()
    assert status_of(instance.port, handshake(f"/refuse?code={code}")) == code
    assert "web: open" not in instance.log()


@pytest.mark.parametrize("code", [1, 99, 200, 302, 600])
def test_on_handshake_with_a_status_that_is_no_refusal(web, code):
    instance = web()
    assert status_of(instance.port, handshake(f"/refuse?code={code}")) == 500
    instance.wait_log(f"on_handshake answered {code}; expected 0 or a status from 400 to 599")
    assert "web: open" not in instance.log()


def test_on_handshake_closes(web):
    instance = web()
    assert b" 101 " not in ask(instance.port, handshake("/close"))
    instance.wait_log("web: close reason=local")
    assert "web: open" not in instance.log()


def test_on_handshake_does_not_answer_by_itself(web):
    """crew_reply() there would be a second answer: it is refused, the handshake goes on."""
    instance = web()
    with WebSocket(instance.port, "/answer") as client:
        assert client.ask("hi") == "hi"
    instance.wait_log("web: answer: not possible at this moment")


def test_what_on_handshake_sends_comes_behind_the_answer(web):
    instance = web()
    with WebSocket(instance.port, "/early") as client:
        client.send("hi")
        received = [client.recv()[1]]
        if received == [b"early"]:
            received.append(client.recv()[1])
        else:
            instance.wait_log("web: early: -5010")
        assert received[-1] == b"hi"


def test_headers_of_the_answer_cannot_be_injected(web):
    instance = web()
    with WebSocket(instance.port, "/inject") as client:
        assert b"evil" not in client.head.lower() and b"mine" not in client.head
    instance.wait_log("web: inject: 1 1")


@pytest.mark.parametrize("offers, chosen", [
    ((), None),
    (("chat",), "chat"),
    (("soap, chat",), "chat"),
    (("soap", "chat"), "chat"),
    (("chat2, Chat",), None),
    (("soap",), None),
], ids=["none", "it", "list", "two fields", "nearly", "other"])
def test_subprotocol_is_chosen_from_the_offers_weak_point_10(web, offers, chosen):
    lines = [f"Sec-WebSocket-Protocol: {offer}" for offer in offers]
    with WebSocket(web().port, headers=lines) as client:
        assert fields_of(client).get("sec-websocket-protocol") == chosen
        assert client.ask("hi") == "hi"


@pytest.mark.parametrize("fields, status", [
    (["Connection: close", *UPGRADE[1:]], 400),
    (["Connection: Upgrade", "Upgrade: nonsense", *UPGRADE[2:]], 426),
    ([*UPGRADE[:2], "Sec-WebSocket-Version: 12", UPGRADE[3]], 426),
], ids=["connection", "upgrade", "version"])
def test_connection_upgrade_and_version_are_checked_weak_point_10(probe, fields, status):
    instance = probe("websocket")
    data = "\r\n".join(["GET / HTTP/1.1", "Host: x", *fields, "", ""]).encode()
    assert status_of(instance.port, data) == status


def test_only_allowed_origins(web):
    instance = web(websocket={"origins": ["https://good.example", "null"]})
    for origin in ("https://good.example", "HTTPS://GOOD.example", "null"):
        with WebSocket(instance.port, headers=[f"Origin: {origin}"]) as client:
            assert client.ask("hi") == "hi"
    with WebSocket(instance.port) as client:
        assert client.ask("no browser") == "no browser"
    for origin in ("https://evil.example", "http://good.example", "https://good.example:444",
                   "https://good.example.evil.example", "https://good.example/", ""):
        with pytest.raises(Refused) as refusal:
            WebSocket(instance.port, headers=[f"Origin: {origin}"])
        assert refusal.value.status == 403
    assert "request" not in instance.log()


def test_an_endless_handshake_is_bounded_weak_point_5(web):
    instance = web(limits={"header_size": "8k"})
    before = peak_kib(instance)
    with Client(instance.port) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n")
        try:
            for _ in range(400):
                client.send(("X-Long: " + "y" * 1000 + "\r\n") * 100)
        except OSError:
            pass
    instance.wait_log("web: close reason=limit")
    assert instance.log().count("web: error -5006") == 1
    assert crew.IS_SANITIZED or peak_kib(instance) < before + 2000


def test_frames_without_a_handshake_are_none_weak_point_1(web):
    """Bytes that were a message of another client are no message of one without a handshake."""
    instance = web()
    frame = b"\x81\x82\0\0\0\0hi"
    with WebSocket(instance.port) as client:
        client.send_raw(frame)
        assert client.recv()[1] == b"hi"
        assert status_of(instance.port, frame) == 400
    assert instance.log().count("web: message") == 1


def test_pings_and_pongs_reach_the_app(web):
    instance = web()
    with WebSocket(instance.port) as client:
        client.send(b"p1", PING)
        assert client.recv_frame() == (PONG, b"p1")
        client.send(b"p2", PONG)
        client.send(b"b", BINARY)
        assert client.recv() == (BINARY, b"b")
    instance.wait_log("web: ping p1")
    instance.wait_log("web: pong p2")


def test_a_library_chooses_its_subprotocol(web):
    instance = web(websocket={"origins": ["https://good.example"]})

    async def talk():
        url = f"ws://127.0.0.1:{instance.port}/"
        async with websockets.connect(url, subprotocols=["soap", "chat"],
                                      origin="https://good.example") as client:
            assert client.subprotocol == "chat"
            assert client.response_headers["X-Hand"] == "shaken"
        with pytest.raises(websockets.InvalidStatusCode) as refusal:
            async with websockets.connect(url, origin="https://evil.example"):
                pass
        assert refusal.value.status_code == 403
        with pytest.raises(websockets.InvalidStatusCode) as refusal:
            async with websockets.connect(f"{url}refuse?code=429"):
                pass
        assert refusal.value.status_code == 429

    asyncio.run(talk())
