"""Cookie sessions: the cookie, both stores, and what becomes of changes that meet."""

import base64
import fcntl
import json
import os
import re
import threading
import time

import pytest

import crew
from web import Client
from ws import Refused, WebSocket

ID = r"[A-Za-z0-9_-]{32}"


class Browser:
    """Keeps the one cookie, as browsers do."""

    def __init__(self, port, cookie=None):
        self.port = port
        self.cookie = cookie
        self.said = None

    def get(self, target, fields=""):
        with Client(self.port) as client:
            mine = f"Cookie: other=1; CREWSID={self.cookie}\r\n" if self.cookie else ""
            client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{mine}{fields}\r\n")
            answer = client.answer()
        self.said = answer["set-cookie"]
        if self.said:
            self.cookie = re.match(rf"CREWSID=({ID}|);", self.said)[1]
        return answer

    def text(self, target, status=200):
        answer = self.get(target)
        assert answer.status == status, answer.body
        return answer.body.decode()


@pytest.fixture(params=["memory", "file"])
def sessions(request, probe, tmp_path):
    tmp_path.chmod(0o1777)
    folder = tmp_path / "sessions"
    folder.mkdir()

    def start(session=None, **options):
        where = {"dir": str(folder)} if request.param == "file" else {}
        instance = probe("http", app="sessions", session={**where, **(session or {})}, **options)
        instance.sessions = folder
        return instance
    start.is_file = request.param == "file"
    return start


@pytest.fixture
def files(probe, tmp_path):
    tmp_path.chmod(0o1777)
    folder = tmp_path / "sessions"
    folder.mkdir()

    def start(session=None, **options):
        instance = probe("http", app="sessions", session={"dir": str(folder), **(session or {})},
                         **options)
        instance.sessions = folder
        return instance
    return start


def test_an_answer_that_is_refused_stores_nothing(sessions):
    browser = Browser(sessions().port)
    assert browser.text("/wrong?name=a&value=1") == "ok"
    assert browser.text("/get?name=a") == "again"


def test_the_cookie_and_what_is_behind_it_weak_point_23(sessions):
    browser = Browser(sessions().port)
    assert browser.text("/id") == "" and browser.said is None
    assert browser.get("/get?name=a").status == 404 and browser.said is None
    assert browser.text("/set?name=a&value=1") == "ok"
    assert re.fullmatch(rf"CREWSID={ID}; Path=/; HttpOnly; SameSite=Lax", browser.said)
    assert browser.text("/id") == browser.cookie and browser.said is None
    assert browser.text("/set?name=b&value=%C3%A4%20;") == "ok" and browser.said is None
    assert browser.text("/get?name=a") == "1"
    assert sorted(browser.text("/all").split(";")) == sorted(["a=1", "b=ä ", "", ""])
    assert browser.text("/del?name=a") == "ok"
    assert browser.text("/del?name=a", 409) == "no such object"
    assert browser.get("/get?name=a").status == 404


def test_two_clients_do_not_meet(sessions):
    instance = sessions()
    first, second = Browser(instance.port), Browser(instance.port)
    first.text("/set?name=a&value=1")
    second.text("/set?name=a&value=2")
    assert first.cookie != second.cookie
    assert (first.text("/get?name=a"), second.text("/get?name=a")) == ("1", "2")


@pytest.mark.parametrize("brought", ["A" * 32, "A" * 31, "A" * 33, "../../../../etc/passwd.........",
                                     "%2e" * 10 + "AA", "A" * 31 + "\xff"])
def test_an_id_of_the_clients_own_is_not_taken_on(sessions, brought):
    browser = Browser(sessions().port, brought)
    assert browser.text("/id") == ""
    browser.text("/set?name=a&value=1")
    assert re.fullmatch(ID, browser.cookie) and browser.cookie != brought


def test_regeneration_keeps_the_data_and_ends_the_old_id(sessions):
    browser = Browser(sessions().port)
    browser.text("/set?name=a&value=1")
    before = browser.cookie
    assert browser.text("/login?name=ann") == "ok"
    assert browser.cookie != before
    assert sorted(browser.text("/all").split(";")) == ["", "a=1", "user=ann"]
    assert Browser(browser.port, before).text("/all") == ""


def test_with_nothing_in_it_a_session_ends(sessions):
    instance = sessions()
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    before = browser.cookie
    assert browser.text("/clear") == "ok"
    assert re.search(r"^CREWSID=; .*Max-Age=0", browser.said)
    assert Browser(instance.port, before).text("/all") == ""
    assert not list(instance.sessions.iterdir())
    assert browser.text("/clear") == "ok" and browser.said is None


def test_changes_of_two_requests_at_once_are_both_kept_weak_point_23(sessions, tmp_path):
    instance = sessions()
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    with Client(instance.port) as slow:
        slow.send(f"GET /slow?name=b&value=2&go={tmp_path}/go HTTP/1.1\r\nHost: x\r\n"
                  f"Cookie: CREWSID={browser.cookie}\r\n\r\n")
        browser.text("/set?name=c&value=3")
        browser.text("/del?name=a")
        (tmp_path / "go").touch()
        assert slow.answer().body == b"at last"
    assert sorted(browser.text("/all").split(";")) == ["", "b=2", "c=3"]


def test_a_session_that_was_ended_does_not_come_back(sessions, tmp_path):
    instance = sessions()
    browser = Browser(instance.port)
    browser.text("/login?name=ann")
    before = browser.cookie
    with Client(instance.port) as slow:
        slow.send(f"GET /slow?name=b&value=2&go={tmp_path}/go HTTP/1.1\r\nHost: x\r\n"
                  f"Cookie: CREWSID={before}\r\n\r\n")
        browser.text("/clear")
        (tmp_path / "go").touch()
        assert re.search("Max-Age=0", slow.answer()["set-cookie"])
    assert Browser(instance.port, before).text("/all") == ""


@pytest.mark.parametrize("meanwhile, after", [("/set?name=c&value=3",
                                               ["", "a=1", "c=3", "user=bob", "z=0"]),
                                              ("/del?name=a", ["", "user=bob", "z=0"]),
                                              ("/clear", [""]), ("/login?name=eve", [""])])
def test_a_new_id_knows_what_was_changed_meanwhile(sessions, tmp_path, meanwhile, after):
    instance = sessions()
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    browser.text("/set?name=z&value=0")
    before = browser.cookie
    with Client(instance.port) as slow:
        slow.send(f"GET /slow?login=1&name=user&value=bob&go={tmp_path}/go HTTP/1.1\r\nHost: x\r\n"
                  f"Cookie: CREWSID={before}\r\n\r\n")
        browser.text(meanwhile)
        (tmp_path / "go").touch()
        said = re.match(rf"CREWSID=({ID}|);", slow.answer()["set-cookie"])[1]
    assert sorted(Browser(instance.port, said).text("/all").split(";")) == after
    assert Browser(instance.port, before).text("/all") == ""


def test_two_requests_at_once_do_not_pass_the_size(sessions, tmp_path):
    instance = sessions({"max_size": "2k"})
    browser = Browser(instance.port)
    browser.text("/fill?name=a")
    with Client(instance.port) as slow:
        slow.send(f"GET /slow?name=b&value={'v' * 900}&go={tmp_path}/go HTTP/1.1\r\nHost: x\r\n"
                  f"Cookie: CREWSID={browser.cookie}\r\n\r\n")
        browser.text("/fill?name=c")
        (tmp_path / "go").touch()
        assert slow.answer().body == b"larger than the limit allows"
    assert browser.get("/get?name=b").status == 404 and len(browser.text("/get?name=c")) == 999


def test_what_does_not_fit(sessions):
    browser = Browser(sessions({"max_size": "2k"}).port)
    assert browser.text("/fill?name=a") == "ok"
    assert browser.text("/fill?name=b") == "ok"
    assert browser.text("/fill?name=c", 409) == "larger than the limit allows"
    assert browser.text("/fill?name=b") == "ok"
    assert browser.text("/set?name=bad&value=%ff", 409) == "an argument is out of range"
    assert browser.text("/set?name=%ff&value=x", 409) == "an argument is out of range"
    assert len(browser.text("/all")) > 990


def test_it_is_stored_before_the_answer_begins(sessions):
    browser = Browser(sessions().port)
    assert browser.text("/late?name=a&value=1") == "not possible at this moment"
    assert browser.text("/all") == ""


def test_a_handshake_knows_the_session(sessions):
    instance = sessions()
    browser = Browser(instance.port)
    with pytest.raises(Refused) as refused:
        WebSocket(instance.port)
    assert refused.value.status == 401
    browser.text("/login?name=ann")
    with WebSocket(instance.port, headers=[f"Cookie: CREWSID={browser.cookie}"]) as client:
        assert client.ask('{"a": [1, 2]}') == '{"a":[1,2]}'


def test_a_session_ends_when_it_is_not_used(sessions):
    instance = sessions({"lifetime": "1s"})
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    time.sleep(2.2)  # longer than its life; looking would be a use
    assert browser.text("/all") == ""


def test_secure_where_the_client_came_by_https(sessions):
    instance = sessions(trusted_proxies=["127.0.0.1"])
    browser = Browser(instance.port)
    browser.get("/set?name=a&value=1", "X-Forwarded-Proto: https\r\n")
    assert "; Secure" in browser.said
    plain = Browser(instance.port)
    plain.get("/set?name=a&value=1", "X-Forwarded-Proto: http\r\n")
    assert "Secure" not in plain.said


def test_secure_by_config(sessions):
    always = Browser(sessions({"secure": True}).port)
    always.text("/set?name=a&value=1")
    assert "; Secure" in always.said


def test_a_stranger_may_not_speak_of_https(sessions):
    browser = Browser(sessions().port)
    browser.get("/set?name=a&value=1", "X-Forwarded-Proto: https\r\n")
    assert "Secure" not in browser.said


def test_more_than_max_sessions_end_the_least_used(probe):
    instance = probe("http", app="sessions", session={"max_sessions": 3})
    browsers = [Browser(instance.port) for _ in range(3)]
    for browser in browsers:
        browser.text("/set?name=a&value=1")
    browsers[0].text("/all")
    Browser(instance.port).text("/set?name=a&value=1")
    assert [browser.text("/all") for browser in browsers] == ["a=1;", "", "a=1;"]


def test_strangers_do_not_push_out_who_has_logged_in(probe):
    instance = probe("http", app="sessions", session={"max_sessions": 20})
    ann, bob = Browser(instance.port), Browser(instance.port)
    ann.text("/login?name=ann")
    bob.text("/set?name=basket&value=2")
    assert bob.text("/get?name=basket") == "2"
    for _ in range(50):
        Browser(instance.port).text("/set?name=a&value=1")
    assert ann.text("/all") == "user=ann;"
    assert bob.text("/all") == "basket=2;"


def test_files_are_shared_by_workers_and_outlive_a_reload(files):
    instance = files(workers=3)
    browser = Browser(instance.port)
    browser.text("/set?name=n&value=0")
    instance.reload()
    stored, = instance.sessions.iterdir()
    assert stored.name == f"session_{browser.cookie}" and stored.stat().st_mode & 0o777 == 0o600

    def work(number):
        mine = Browser(instance.port, browser.cookie)
        for i in range(20):
            mine.text(f"/set?name=k{number}.{i}&value=x")
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, *changes = stored.read_text()[1:].split("\n")
    names = json.loads(first)
    for change in changes:
        names.update(json.loads(change[1:]))
    assert len(names) == 121
    assert [path.name for path in instance.sessions.iterdir()] == [stored.name]


@pytest.mark.parametrize("content", [b"", b'{"a":"1"', b'{"a":1}', b"[]", b"\xff", b"null",
                                     b'{"a":"1"}' + b" " * 20_000_000],
                         ids=["empty", "half", "number", "list", "no text", "null", "too long"])
def test_a_broken_file_is_no_session(files, content):
    instance = files()
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    (instance.sessions / f"session_{browser.cookie}").write_bytes(content)
    before = browser.cookie
    assert browser.text("/all") == ""
    browser.text("/set?name=b&value=2")
    assert browser.cookie != before
    assert browser.text("/all") == "b=2;"


def test_the_file_of_another_user_is_no_session(files):
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    instance = files()
    planted = instance.sessions / ("session_" + "P" * 32)
    planted.write_text('{"user":"root"}')
    planted.chmod(0o666)
    os.chown(planted, 12345, 12345)
    assert Browser(instance.port, "P" * 32).text("/all") == ""


def test_a_link_is_not_followed(files, tmp_path):
    instance = files()
    (tmp_path / "target").write_text('{"user":"root"}')
    (tmp_path / "target").chmod(0o666)
    (instance.sessions / ("session_" + "L" * 32)).symlink_to(tmp_path / "target")
    browser = Browser(instance.port, "L" * 32)
    answer = browser.get("/all")
    assert b"root" not in answer.body


def test_what_has_expired_is_swept_away_and_nothing_else(files):
    instance = files({"lifetime": "1h"})
    young, old = Browser(instance.port), Browser(instance.port)
    young.text("/set?name=a&value=1")
    old.text("/set?name=a&value=1")
    (instance.sessions / f".session_{old.cookie}.77").touch()
    (instance.sessions / "session_of_somebody_else").touch()
    for name in (f"session_{old.cookie}", f".session_{old.cookie}.77", "session_of_somebody_else"):
        os.utime(instance.sessions / name, (1, 1))
    assert old.text("/all") == ""
    crew.wait_for(lambda: {path.name for path in instance.sessions.iterdir()}
                  == {f"session_{young.cookie}", "session_of_somebody_else"}, 10, "the sweep")
    assert young.text("/all") == "a=1;"


def test_use_is_noted_in_the_time_of_the_file(files):
    instance = files({"lifetime": "1h"})
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    stored = instance.sessions / f"session_{browser.cookie}"
    os.utime(stored, (time.time() - 3000, time.time() - 3000))
    assert browser.text("/all") == "a=1;"
    assert time.time() - stored.stat().st_mtime < 60


def test_a_lock_that_is_held_costs_one_answer(files):
    instance = files()
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    with open(instance.sessions / f"session_{browser.cookie}") as stored:
        fcntl.flock(stored, fcntl.LOCK_EX)
        assert "busy" in browser.text("/set?name=b&value=2", 500)
        assert browser.text("/all") == "a=1;"
    assert browser.text("/set?name=b&value=2") == "ok"


def test_a_folder_that_has_gone_costs_one_answer(files):
    instance = files()
    instance.sessions.rmdir()
    browser = Browser(instance.port)
    assert "No such file" in browser.text("/set?name=a&value=1", 500)
    assert browser.text("/all") == ""


def test_a_folder_that_is_made_again_is_used_by_all(files):
    instance = files({"lifetime": "1h"}, workers=2)
    ann = Browser(instance.port)
    ann.text("/set?name=a&value=1")
    instance.sessions.rename(instance.sessions.with_name("away"))
    assert "No such file" in Browser(instance.port).text("/set?name=a&value=1", 500)
    instance.sessions.mkdir()
    browsers = [Browser(instance.port) for _ in range(20)]
    for browser in browsers:
        browser.text("/set?name=a&value=2")
        assert browser.text("/all") == "a=2;"
    assert ann.text("/all") == ""
    assert len(list(instance.sessions.iterdir())) == 20
    old = instance.sessions / f"session_{browsers[0].cookie}"
    os.utime(old, (1, 1))
    crew.wait_for(lambda: not old.exists(), 10, "the sweep")


def test_an_app_that_does_not_look_at_the_answer_leaves_nobody_waiting(files):
    instance = files()
    instance.sessions.rmdir()
    browser = Browser(instance.port)
    answer = browser.get("/deaf?name=secret&value=1")
    assert (answer.status, answer.body) == (500, b"the answer could not be sent\n")
    instance.wait_log(r'service "probe": GET /deaf: the answer failed \(No such file or directory\)')
    instance.wait_log(f'service "probe": cannot store a session in {instance.sessions}: No such')
    assert "secret" not in instance.log()
    crew.wait_for(lambda: instance.workers()[0]["session_errors"] == 1, 5, "the count")


def test_a_folder_that_is_not_there_refuses_the_start(instances, tmp_path):
    instance = instances({"app": crew.app("sessions"), "services": {"probe": {
        "listen": f"http://127.0.0.1:{crew.free_port()}", "workers": 1,
        "session": {"dir": str(tmp_path / "nowhere")}}}})
    instance.expect_errors("")
    done = instance.start(expect=1)
    assert f"session.dir: {tmp_path}/nowhere: No such file or directory" in done.stderr + done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("mode, owner, why", [
    (0o777, 0, "may be written by everybody; expected a folder that only .* writes"),
    (0o775, 0, "may be written by group .*; expected a folder that only .* writes"),
    (0o755, 2001, "belongs to user \"2001\"; expected "),
])
def test_a_folder_that_others_may_change_is_refused(instances, tmp_path, mode, owner, why):
    """Who may rename there gives his own cookie the session of another."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    os.chown(folder, owner, 2001)
    folder.chmod(mode)
    instance = instances({"app": crew.app("sessions"), "services": {"probe": {
        "listen": f"http://127.0.0.1:{crew.free_port()}", "workers": 1,
        "session": {"dir": str(folder)}}}})
    instance.expect_errors("")
    done = instance.start(expect=1)
    assert re.search(f"session.dir: {folder} {why}", done.stderr + done.stdout), done.stderr


def test_a_sticky_folder_of_many_will_do(probe, tmp_path):
    folder = tmp_path / "sessions"
    folder.mkdir()
    folder.chmod(0o1777)
    instance = probe("http", app="sessions", session={"dir": str(folder)})
    browser = Browser(instance.port)
    browser.text("/set?name=a&value=1")
    assert browser.text("/all") == "a=1;"


def test_a_folder_that_others_may_change_takes_no_place(files):
    """Put there while the server runs, it is not used, until it is good."""
    instance = files()
    instance.sessions.rename(instance.sessions.with_name("away"))
    instance.sessions.mkdir()
    instance.sessions.chmod(0o777)
    assert "not permitted" in Browser(instance.port).text("/set?name=a&value=1", 500)
    assert list(instance.sessions.iterdir()) == []
    instance.wait_log(f"session.dir {instance.sessions} may be written by everybody")
    instance.sessions.chmod(0o755)
    Browser(instance.port).text("/set?name=a&value=1")


def test_ids_are_random(sessions):
    instance = sessions()
    ids = set()
    for _ in range(50):
        browser = Browser(instance.port)
        browser.text("/set?name=a&value=1")
        ids.add(browser.cookie)
    bits = [int.from_bytes(base64.urlsafe_b64decode(text), "big") for text in ids]
    assert len(ids) == 50
    for bit in range(192):  # none stands still
        assert 5 <= sum(number >> bit & 1 for number in bits) <= 45, bit
