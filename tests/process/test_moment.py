"""What lasts for a moment: texts of a callback, timers of a connection; formatted sends."""

import pytest

import crew
from web import Client
from ws import WebSocket


@pytest.fixture
def moment(probe):
    def start(**options):
        return probe("websocket", app="moment", **options)
    return start


def timers(instance):
    return instance.workers()[0]["timers"]


def test_formatted_messages(moment):
    with WebSocket(moment().port) as client:
        for size in (1, 2047, 2048, 2049, 100_000):
            assert client.ask(f"long {size}") == "7".rjust(size, "0")


def test_texts_last_as_long_as_the_callback(moment):
    with WebSocket(moment().port) as client:
        assert client.ask("texts") == \
            "one-1 two &lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;&quot;&lt;/a&gt; []"


def test_texts_are_bounded_and_end_with_the_callback(moment):
    with WebSocket(moment().port) as client:
        for _ in range(5):
            assert client.ask("fill") == "filled 15"  # and the text of the message itself


def test_json_made_on_the_way(moment):
    instance = moment()
    with WebSocket(instance.port) as client:
        assert client.ask("json") == '{"a":"b","c":[1,2]}'
        assert client.recv()[1] == b"[1,true] 1 1"
    with Client(instance.port) as client:
        answer = client.get("/pack")
        assert answer.status == 201 and answer["content-type"] == "application/json"
        assert answer.body == b'{"path":"/pack"}'


def test_a_formatted_answer(moment):
    with Client(moment().port) as client:
        assert client.get("/?name=%3Cb%3E").body == b"<p>&lt;b&gt;</p>"
        assert client.get("/").body == b"<p></p>"


def test_timers_of_a_connection(moment):
    instance = moment()
    with WebSocket(instance.port) as client:
        assert client.ask("ticks 3") == "tick 3"
        assert [client.recv()[1] for _ in range(3)] == [b"tick 2", b"tick 1", b"deleted 0"]
        assert client.ask("once") == "once 1"
        crew.wait_for(lambda: timers(instance) == 0, 10, "the end of the timers")


@pytest.mark.parametrize("count", [1, 100])
def test_timers_end_with_their_connection(moment, count):
    instance = moment()
    with WebSocket(instance.port) as stays, WebSocket(instance.port) as goes:
        assert stays.ask("orphans 3") == "set 1"
        assert goes.ask(f"orphans {count}") == "set 1"
        crew.wait_for(lambda: timers(instance) == 3 + count, 10, "the timers")
        goes.sock.close()
        crew.wait_for(lambda: timers(instance) == 3, 10, "the end of the timers")
    crew.wait_for(lambda: timers(instance) == 0, 10, "the end of all timers")


def test_no_tick_behind_the_end(moment):
    instance = moment()
    with WebSocket(instance.port) as client:
        client.send("end")
        instance.wait_log("moment: late the connection is closing or closed")
        crew.wait_for(lambda: timers(instance) == 0, 10, "the end of the timers")
    assert "orphan" not in instance.log()
