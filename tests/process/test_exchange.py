"""A request as a thing of its own: its name, its data, its end, its trailers."""

import pytest

from web import Client, ask, status_of

CHUNKED = "POST /trailers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"


@pytest.fixture
def exchange(probe):
    def start(app="exchange", **options):
        return probe("http", app=app, **options)
    return start


# -- names


def test_a_name_finds_its_request_and_nothing_else(exchange):
    seen = set()
    with Client(exchange().port) as client:
        for _ in range(5):
            number, *rest = client.get("/ids").body.decode().split()
            assert rest == ["1", "1", "1", "1"]
            seen.add(number)
    assert len(seen) == 5 and "0" not in seen


def test_answers_that_come_later_find_their_requests(exchange):
    instance = exchange()
    clients = [Client(instance.port) for _ in range(5)]
    for number, client in enumerate(clients):
        client.send(f"GET /wait{number} HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log(f"exchange: {number + 1} wait")
    clients[1].sock.close()
    clients[3].sock.close()
    instance.wait_log("exchange: end of /wait1")
    instance.wait_log("exchange: end of /wait3")
    with Client(instance.port) as client:
        assert client.get("/release").body == b"3 of 5"
    for number in (0, 2, 4):
        assert clients[number].answer().body == f"/wait{number}".encode()
        # The same connection goes on, with another request under another name.
        assert clients[number].get("/ids").body.split()[1:] == [b"1", b"1", b"1", b"1"]
        clients[number].sock.close()
    instance.wait_log("exchange: end of /wait", count=5)


# -- the end of a request


def test_an_answered_request_can_be_read_and_not_answered_again(exchange):
    instance = exchange()
    with Client(instance.port) as client:
        assert client.get("/behind", "X-Word: hello").body == b"answered"
        assert client.get("/").body == b"ok"
    instance.wait_log("exchange: 10 refused, found 0, its conn 1, current 0, /behind hello hello")


def test_data_ends_with_its_request(exchange):
    instance = exchange()
    with Client(instance.port) as client:
        assert client.get("/data").body == b"second"
        assert client.get("/").body == b"ok"
    log = instance.wait_log(r"exchange: (end of \w+|answered)", count=3)
    assert [line[1] for line in log] == ["end of first", "answered", "end of second"]


def test_data_of_a_request_that_waits_ends_with_the_worker(exchange):
    instance = exchange()
    with Client(instance.port) as client:
        client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        instance.wait_log("exchange: 1 wait")
        instance.stop()
    instance.wait_log("exchange: end of /wait")


# -- an announced close


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_an_announced_close(exchange, version):
    with Client(exchange().port) as client:
        answer = client.get("/close", "Connection: keep-alive", version=version)
        assert answer["connection"] == "close" and answer.body == b"bye"
        assert client.is_closed()


def test_an_announced_close_of_an_answer_in_pieces(exchange):
    instance = exchange()
    with Client(instance.port) as client:
        answer = client.get("/close-stream")
        assert answer["connection"] == "close" and answer.body == b"bye"
        assert client.is_closed()
    instance.wait_log("exchange: late not possible at this moment")


def test_what_comes_behind_an_announced_close_is_not_looked_at(exchange):
    one = "GET /close HTTP/1.1\r\nHost: x\r\n\r\n"
    assert ask(exchange().port, one + one).count(b"HTTP/1.1 ") == 1


# -- trailers


@pytest.mark.parametrize("app", ["exchange", "exchange_body"])
def test_trailers(exchange, app):
    with Client(exchange(app).port) as client:
        client.send(CHUNKED + "X-Sum: abc \r\nY: 1\r\nx-sum: def\r\n\r\n")
        assert client.answer().body == b"X-Sum=abc;Y=1;x-sum=def;|abc, def|apart"
        client.send(CHUNKED + "\r\n")
        assert client.answer().body == b"|none|apart"


def test_what_belongs_into_a_head_is_no_trailer(exchange):
    with Client(exchange().port) as client:
        client.send(CHUNKED + "Content-Length: 7\r\nHost: y\r\nAuthorization: me\r\nA: b\r\n\r\n")
        assert client.answer().body == b"A=b;|none|apart"
        assert client.get("/").body == b"ok"


def test_trailers_byte_by_byte(exchange):
    with Client(exchange().port) as client:
        for byte in CHUNKED + "X-Sum: abc\r\nHost: y\r\nY: 1\r\n\r\n":
            client.send(byte)
        assert client.answer().body == b"X-Sum=abc;Y=1;|abc|apart"


def test_trailers_are_bounded(exchange):
    instance = exchange(limits={"header_size": "1k", "headers": 8})
    many = "".join(f"A{i}: b\r\n" for i in range(9)) + "\r\n"
    assert status_of(instance.port, CHUNKED + many) == 431
    assert status_of(instance.port, CHUNKED + f"A: {'b' * 1100}\r\n\r\n") == 431
    with Client(instance.port) as client:
        client.send(CHUNKED + "".join(f"A{i}: b\r\n" for i in range(8)) + "\r\n")
        assert client.answer().body.count(b"=b;") == 8
