"""Apps in C++: the headers without a warning, designated initialisers, and an app that runs."""

import json
import re
import shutil
import socket
import subprocess

import pytest

import crew
from web import Client

HEADER = crew.ROOT / "include" / "crewman.h"
SOURCE = crew.ROOT / "tests" / "process" / "apps" / "cpp.cc"
JANSSON = subprocess.run(["pkg-config", "--cflags", "jansson", "libuv"], capture_output=True,
                         text=True).stdout.split()


def compile_app(compiler, standard, target):
    subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                    f"-I{HEADER.parent}", *JANSSON, SOURCE, "-o", target], check=True)


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_an_app_in_cpp(instances, tmp_path, compiler, standard):
    compile_app(compiler, standard, tmp_path / "cpp.so")
    own, web, late = crew.free_port(), crew.free_port(), crew.free_port()
    instance = instances({"app": str(tmp_path / "cpp.so"), "services": {
        "own": {"listen": f"tcp://127.0.0.1:{own}"},
        "web": {"listen": f"http://127.0.0.1:{web}",
                "settings": {"late": f"tcp://127.0.0.1:{late}"}}}})
    instance.start()
    with socket.create_connection(("127.0.0.1", own), crew.LONG) as client:
        for count in (1, 2):
            client.sendall(b"ab;")
            assert client.recv(100) == b"%d ab; right;" % count
    with socket.create_connection(("127.0.0.1", late), crew.LONG) as client:
        client.sendall(b"x")
        assert client.recv(100) == b"late x"
    with Client(web) as client:
        answer = client.get("/x")
        assert json.loads(answer.body) == {"path": "/x", "motd": "hello"}
        assert answer["set-cookie"] == "seen=yes; Path=/"
    instance.wait_log("cpp: web closed, peer")
    instance.stop()


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("standard", ["c++17", "c++20", "gnu++20"])
def test_the_header_alone_is_pedantic_in_cpp(tmp_path, compiler, standard):
    source = tmp_path / "app.cc"
    source.write_text('#include <crewman.h>\n'
                      'crew_service one = {"a"}, more[] = {{"b"}, {"c", "label"}};\n'
                      'CREW_APP({"x"})\n')
    subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic",
                    "-Werror", "-fsyntax-only", f"-I{HEADER.parent}", source], check=True)


def members(struct):
    body = re.search(r"^struct %s \{\n(.*?)^\};" % struct, HEADER.read_text(), re.M | re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S).replace("CREW_UNSET", "")
    return [found[1] or found[2] for declaration in body.split(";")
            for found in re.finditer(r"\(\*(\w+)\)\(.*|(\w+)\s*(?:\[\d+\])?\s*(?:,|$)", declaration,
                                     re.S)]


def initialisers(text):
    """The structs and lists of fields in designated initialisers of C code."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", '""', text, flags=re.S)
    for app in re.findall(r"^CREW_APP\((.*?)\}\)", text, re.M | re.S):
        for service in app.split("{")[1:]:
            yield "crew_service", re.findall(r"\.(\w+) =", service)
    for struct, body in re.findall(r"struct (crew_\w+) \w+(?:\[\])? = \{(.*?)\};", text, re.S):
        yield struct, re.findall(r"\.(\w+) =", body)


def test_the_members_are_read_rightly():
    assert members("crew_cookie") == ["name", "value", "path", "domain", "max_age", "is_secure",
                                      "is_http_only", "same_site"]
    assert members("crew_service")[:2] == ["name", "label"]
    assert members("crew_service")[-1] == "on_close" and "protocol" in members("crew_service")


@pytest.mark.parametrize("path", ["README.md", "docs/app-guide.md", "examples"])
def test_examples_keep_the_order_of_the_header(path):
    """C does not mind; whoever copies them into C++ does."""
    path = crew.ROOT / path
    files = sorted(path.rglob("*.c")) if path.is_dir() else [path]
    count = 0
    for file in files:
        for struct, fields in initialisers(file.read_text()):
            order = [members(struct).index(field) for field in fields]
            assert order == sorted(order), f"{file.name}: {struct}: {fields}"
            count += 1
    assert count > 0
    assert shutil.which("g++") and shutil.which("clang++")
