"""crewman/json.h: JSON in bodies, answers and messages."""

import json

import pytest

from web import Client
from ws import WebSocket


@pytest.fixture
def instance(probe):
    return probe("http", app="sessions")


@pytest.mark.parametrize("body", ['{"a": [1, 2.5, null, "\\u00e4"]}', "[]", "3", '"text"'])
def test_a_body_that_is_json(instance, body):
    with Client(instance.port) as client:
        answer = client.get("/json", method="POST", body=body.encode())
    assert answer.status == 200 and answer["content-type"] == "application/json"
    assert json.loads(answer.body) == {"got": json.loads(body)}


@pytest.mark.parametrize("body", ["", "{", '{"a": 1, "a": 2}', "[1,]", "nonsense", '"\xff"'])
def test_a_body_that_is_none(instance, body):
    with Client(instance.port) as client:
        answer = client.get("/json", method="POST", body=body.encode("latin-1"))
        assert answer.status == 400 and "error" in json.loads(answer.body)
        assert client.get("/json", method="POST", body=b"1").status == 200


def test_nesting_is_bounded(instance):
    with Client(instance.port) as client:
        assert client.get("/json", method="POST", body=b"[" * 100_000).status == 400


def test_no_json_is_not_sent(instance, tmp_path):
    with Client(instance.port) as client:
        client.send("GET /login?name=ann HTTP/1.1\r\nHost: x\r\n\r\n")
        cookie = client.answer()["set-cookie"].split(";")[0]
    with WebSocket(instance.port, headers=[f"Cookie: {cookie}"]) as client:
        assert client.ask("{") == "no JSON"
        assert client.ask('{"b": true}') == '{"b":true}'
