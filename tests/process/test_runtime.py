"""Language runtimes: an app that is no shared object is run by the runtime of its extension."""

import json
import re
import socket
import subprocess

import pytest

import crew
from test_abi import longer, shorter

SOURCE = crew.ROOT / "tests" / "process" / "apps" / "say.c"


def ask(port):
    with socket.create_connection(("127.0.0.1", port), crew.LONG) as client:
        client.sendall(b"hi\n")
        return client.recv(1000).decode().strip()


@pytest.fixture
def say(instances, tmp_path):
    """An instance whose app is a file of lines, and the function that writes it."""
    def make(*lines, runtimes=crew.APPS):
        instance = instances({"app": str(tmp_path / "hello.say"), "runtimes": str(runtimes),
                              "reload_spread": "0"})
        instance.say = lambda *lines: (tmp_path / "hello.say").write_text(
            "".join(f"{line}\n" for line in lines))
        instance.say(*lines)
        return instance
    return make


def test_describe_start_and_reload(say):
    ports = crew.free_port(), crew.free_port()
    lines = [f"a text://127.0.0.1:{ports[0]} first words", f"b text://127.0.0.1:{ports[1]} more"]
    instance = say(*lines)
    effective = json.loads(re.search(r"\{.*", instance.verb("check").stdout, re.S)[0])
    assert sorted(effective["services"]) == ["a", "b"]
    instance.start()
    assert (ask(ports[0]), ask(ports[1])) == ("first words", "more")
    assert "say: a says first words" in instance.log()
    instance.say(lines[0].replace("first", "other"))
    instance.reload()
    assert ask(ports[0]) == "other words"
    crew.wait_for(lambda: crew.refuses(ports[1]), 10, "the end of the other service")


def test_a_reload_that_the_runtime_refuses_changes_nothing(say):
    port = crew.free_port()
    instance = say(f"a text://127.0.0.1:{port} words")
    instance.start()
    pids = instance.worker_pids()
    instance.expect_errors("reload:", "on_worker_start answered")
    for lines, expected in ((["a nonsense"], r'hello\.say:1: found "a nonsense '
                             r'"; expected NAME LISTEN TEXT'),
                            ([], r"hello\.say: its runtime describes no services; expected one or more"),
                            ([f"a text://127.0.0.1:{port} fail"], "on_worker_start answered")):
        instance.say(*lines)
        done = instance.reload(expect=1)
        assert re.search(expected, done.stderr), done.stderr
    assert instance.worker_pids() == pids and ask(port) == "words"


def test_what_a_runtime_says_is_checked_like_an_app(say):
    instance = say("Bad-Name text://127.0.0.1:1 words")
    done = instance.verb("check")
    assert done.returncode == 1 and 'found a service named "Bad-Name"' in done.stderr
    instance.say("a nowhere://127.0.0.1:1 words")
    done = instance.verb("check")
    assert done.returncode == 1 and "services.a.listen" in done.stderr


def test_a_runtime_that_is_missing_is_named(instances, tmp_path):
    (tmp_path / "chat.py").write_text("")
    instance = instances({"app": str(tmp_path / "chat.py"), "runtimes": str(tmp_path)})
    for verb in (["check"], ["start", "-d"]):
        done = instance.verb(*verb)
        assert done.returncode == 1
        assert f'chat.py: found no runtime for ".py"; expected {tmp_path}/py.so' in done.stderr
    del instance.config["runtimes"]
    instance.write_config(instance.config)
    done = instance.verb("check")
    assert re.search(r"expected /\S+/crewman/runtimes/py\.so: install it", done.stderr), done.stderr


@pytest.mark.parametrize("source, expected", [
    ("int nothing;", r"say\.so: exports no crew_runtime: is CREW_RUNTIME\(\) missing"),
    ("__attribute__((visibility(\"default\"))) int crew_runtime[16];",
     r"say\.so: crew_runtime is no runtime of Crewman"),
    ('#undef CREW_ABI\n#define CREW_ABI 999u\nCREW_RUNTIME(0, 0)',
     r"say\.so: compiled for Crewman ABI 999, .* has ABI 2: install a newer Crewman"),
    ("CREW_RUNTIME(0, 0)", r"say\.so: the runtime has no load or no describe"),
], ids=["no symbol", "no magic", "another ABI", "no functions"])
def test_what_is_no_runtime_is_refused(say, tmp_path, source, expected):
    (tmp_path / "r.c").write_text(f"#include <crewman.h>\n{source}\n")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{crew.ROOT / 'include'}", tmp_path / "r.c", "-o",
                    tmp_path / "say.so"], check=True)
    instance = say("a text://127.0.0.1:1 words", runtimes=tmp_path)
    done = instance.verb("check")
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


REFUSES = """
#include <crewman.h>
#include <stdio.h>
static struct crew_service service = {.name = "a", .workers = 1};
static struct crew_app app;
static int load(const char *path, char *why, size_t size) {
    if (crew_worker_generation() < FIRST_BAD)
        return 0;
    snprintf(why, size, "%s: no \\xff", crew_tmpf("%s", path));
    return CREW_EINVAL;
}
static const struct crew_app *describe(void) {
    crew_app_init(&app, &service, 1);
    return &app;
}
CREW_RUNTIME(load, describe)
"""


def build_refusing(folder, first_bad):
    """A runtime that refuses every app, with a text that is no UTF-8, from that generation on; 0
    is the process that asks what the app declares."""
    (folder / "r.c").write_text(f"#define FIRST_BAD {first_bad}u\n{REFUSES}")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{crew.ROOT / 'include'}", folder / "r.c", "-o",
                    folder / "new.so"], check=True)
    (folder / "new.so").rename(folder / "say.so")


def test_a_refusal_that_is_no_utf8_is_shown(say, tmp_path):
    instance = say("words", runtimes=tmp_path)
    build_refusing(tmp_path, 1)
    instance.expect_errors("hello.say: no ", "exited with code 78", "reload:")
    done = instance.start(expect=1)
    assert "hello.say: no ?" in done.stderr, done.stderr
    build_refusing(tmp_path, 2)
    instance.start()
    pids = instance.worker_pids()
    done = instance.reload(expect=1)
    assert "hello.say: no ?" in done.stderr, done.stderr
    build_refusing(tmp_path, 0)
    done = instance.reload(expect=1)
    assert "hello.say: no ?" in done.stderr, done.stderr
    assert instance.worker_pids() == pids


@pytest.mark.parametrize("struct", ["crew_runtime", "crew_app", "crew_service", "crew_service_ref"])
@pytest.mark.parametrize("change", [shorter, longer], ids=lambda change: change.__name__)
def test_a_runtime_of_another_header_runs(say, tmp_path, struct, change):
    (tmp_path / "crewman.h").write_text(change(struct))
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                    "-Wno-missing-field-initializers", "-shared", "-fPIC", f"-I{tmp_path}", SOURCE,
                    "-o", tmp_path / "say.so"], check=True)
    port = crew.free_port()
    instance = say(f"a text://127.0.0.1:{port} words", runtimes=tmp_path)
    instance.start()
    assert ask(port) == "words"
