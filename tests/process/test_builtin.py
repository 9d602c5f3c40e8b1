"""Services of a built-in kind: without an app, alone or beside one."""

import pytest

import crew
from web import Client
from ws import WebSocket


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    (root / "index.html").write_text("home")
    (root / "a.txt").write_text("0123456789")
    return root


def block(port, root, **more):
    return {"kind": "static", "listen": f"http://127.0.0.1:{port}", "workers": 1,
            "static": {"root": str(root)}, **more}


def test_files_without_an_app(instances, site):
    port = crew.free_port()
    instance = instances({"services": {"files": block(port, site, label="The site")}})
    instance.start()
    with Client(port) as client:
        assert client.get("/").body == b"home"
        answer = client.get("/a.txt", "Range: bytes=2-4")
        assert (answer.status, answer.body) == (206, b"234")
        assert client.get("/nothing").status == 404
        assert client.get("/a.txt", method="HEAD")["content-length"] == "10"
        assert client.get("/a.txt", method="POST", body=b"x").status == 405
    assert [(row["service"], row["label"]) for row in instance.workers()] == [("files", "The site")]


def test_a_reload_changes_the_folder(instances, site, tmp_path):
    port = crew.free_port()
    instance = instances({"services": {"files": block(port, site)}})
    instance.start()
    other = site / "other"
    other.mkdir()
    (other / "index.html").write_text("another home")
    instance.config["services"]["files"]["static"]["root"] = str(other)
    instance.write_config(instance.config)
    old = instance.worker_pids()
    instance.reload()
    # Until it has heard of it the old worker takes connections too.
    crew.wait_for(lambda: not set(old) & set(instance.worker_pids()), 10, "the old worker to go")
    with Client(port) as client:
        assert client.get("/").body == b"another home"


def test_beside_an_app(instances, site):
    ports = crew.free_port(), crew.free_port()
    instance = instances({"app": crew.app("probe"), "services": {
        "probe": {"listen": f"websocket://127.0.0.1:{ports[0]}"}, "files": block(ports[1], site)}})
    instance.start()
    with WebSocket(ports[0]) as client, Client(ports[1]) as files:
        assert client.ask("hello") == "hello"
        assert files.get("/").body == b"home"


def test_an_instance_with_neither_is_refused(instances):
    instance = instances({"services": {}})
    for verb in (["check"], ["start", "-d"]):
        done = instance.verb(*verb)
        assert done.returncode == 1 and "no app: name one on the command line" in done.stderr
        assert '"kind": "static"' in done.stderr
