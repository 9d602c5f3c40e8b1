"""Requests about whose end two programs could disagree are refused, and nothing behind them is read.

RFC 9112 sections 2.2, 5, 6.1, 6.3, 7.1 and 11.2. Each dangerous request is followed by one that
must not be served: GET /smuggled.
"""

import pytest

from web import Client, status_of

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def web(probe):
    return probe("http", app="web")


HEADS = {
    "length and coding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "coding and length of 0": b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a length with a sign": b"Content-Length: +5\r\n",
    "a negative length": b"Content-Length: -1\r\n",
    "a hexadecimal length": b"Content-Length: 0x5\r\n",
    "a length with a fraction": b"Content-Length: 5.0\r\n",
    "a length with a space": b"Content-Length: 1 0\r\n",
    "no length": b"Content-Length: \r\n",
    "a length in quotes": b"Content-Length: \"5\"\r\n",
    "a length of 2 to the 64": b"Content-Length: 18446744073709551616\r\n",
    "a length of 2 to the 63": b"Content-Length: 9223372036854775808\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n",
    "chunked in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked not last": b"Transfer-Encoding: chunked, gzip\r\n",
    "chunked not last, two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "only identity": b"Transfer-Encoding: identity\r\n",
    "nearly chunked": b"Transfer-Encoding: xchunked\r\n",
    "chunked in quotes": b"Transfer-Encoding: \"chunked\"\r\n",
    "a coding with a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "no coding": b"Transfer-Encoding: \r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "tab before the colon": b"Content-Length\t: 5\r\n",
    "obs-fold": b"X: y\r\n Transfer-Encoding: chunked\r\n",
    "obs-fold of the coding": b"Transfer-Encoding:\r\n chunked\r\n",
    "bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "bare LF ends the head": b"X: y\r\n\n",
    "bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "bare CR in a name": b"X\rTransfer-Encoding: chunked\r\n",
    "NUL in a value": b"X: a\0b\r\n",
    "NUL in a name": b"X\0: b\r\n",
    "DEL in a value": b"X: a\x7fb\r\n",
    "no name": b": y\r\n",
    "no colon": b"Transfer-Encoding chunked\r\n",
    "a second host": b"Host: y\r\n",
    "a name that is no token": b"X(y): z\r\n",
    "a name in Latin-1": b"Transfer\xe2Encoding: chunked\r\n",
}


@pytest.mark.parametrize("fields", HEADS.values(), ids=HEADS.keys())
def test_heads(web, fields):
    assert status_of(web.port, POST + fields + b"\r\n0\r\n\r\n" + SMUGGLED) == 400
    assert "/smuggled" not in web.log() and "web: request" not in web.log()


LINES = {
    "space before the method": b" GET / HTTP/1.1\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n",
    "two spaces before the version": b"GET /  HTTP/1.1\r\n",
    "a tab": b"GET\t/ HTTP/1.1\r\n",
    "space behind the version": b"GET / HTTP/1.1 \r\n",
    "bare LF": b"GET / HTTP/1.1\n",
    "bare CR": b"GET / HTTP/1.1\rX: y\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n",
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\n",
    "a small version": b"GET / http/1.1\r\n",
    "a long version": b"GET / HTTP/1.10\r\n",
    "no minor version": b"GET / HTTP/1\r\n",
    "a method that is no token": b"G@T / HTTP/1.1\r\n",
    "a field first": b"\r\n\r\nHost: x\r\n",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_request_lines(web, line):
    assert status_of(web.port, line + b"Host: x\r\n\r\n" + SMUGGLED) == 400
    assert "web: request" not in web.log()


BODIES = {
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with an underline": b"1_0\r\nabc\r\n0\r\n\r\n",
    "a size of letters": b"xyz\r\nabc\r\n0\r\n\r\n",
    "a size of many zeros": b"0000000000000000000003\r\nabc\r\n0\r\n\r\n",
    "space before the size": b" 3\r\nabc\r\n0\r\n\r\n",
    "space behind the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "bare LF behind the size": b"3\nabc\r\n0\r\n\r\n",
    "bare CR in the extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "bare LF in the extension": b"3;a\nabc\r\n0\r\n\r\n",
    "NUL in the extension": b"3;a\0\r\nabc\r\n0\r\n\r\n",
    "bare LF behind the data": b"3\r\nabc\n0\r\n\r\n",
    "more data than the size": b"3\r\nabcd\r\n0\r\n\r\n",
    "less data than the size": b"5\r\nabc\r\n0\r\n\r\n",
    "bare LF at the end": b"3\r\nabc\r\n0\r\n\n",
    "obs-fold in a trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "a trailer without a colon": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "space before the colon of a trailer": b"0\r\nX : y\r\n\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_chunked_bodies(web, body):
    assert status_of(web.port, CHUNKED + body + SMUGGLED) == 400
    assert "web: request" not in web.log()


def test_a_chunk_size_that_overflows_is_too_large_before_it_does(web):
    assert status_of(web.port, CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n" + SMUGGLED) == 413
    assert "web: request" not in web.log()


def test_transfer_encoding_in_http_1_0(web):
    assert status_of(web.port, CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"
                     + SMUGGLED) == 400


def test_a_body_of_any_method_is_a_body(web):
    """A GET with a length takes its bytes along: they are no request."""
    with Client(web.port) as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
                    + SMUGGLED + b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().body.startswith(b"GET|/echo|")
        assert client.answer().body == b"hello"
    assert "request GET /smuggled" not in web.log()


def test_an_empty_line_before_a_request_is_passed_over(web):
    """RFC 9112 section 2.2: what old clients send behind a POST."""
    with Client(web.port) as client:
        client.send(POST + b"Content-Length: 1\r\n\r\nx\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().status == 200
        assert client.answer().body == b"hello"


def test_nothing_is_read_behind_a_refused_handshake(web):
    """A refused upgrade must not leave its bytes to be taken for requests, or for frames."""
    head = (b"GET /refuse HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert status_of(web.port, head + SMUGGLED) == 401
    assert "/smuggled" not in web.log()
