"""Apps that were compiled with an older or a newer header of the same ABI, struct by struct."""

import re
import socket
import subprocess

import pytest

import crew
from web import Client
from ws import TEXT, WebSocket

HEADER = (crew.ROOT / "include" / "crewman.h").read_text()
SOURCE = crew.ROOT / "tests" / "process" / "apps" / "abi.c"
FORM = (b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n\"\r\n\r\nhello\r\n"
        b"--x--\r\n")


def body_of(struct):
    """Where the members of a struct begin and end in the header."""
    match = re.search(r"^(?:typedef )?struct %s \{\n(.*?)^\}" % struct, HEADER, re.M | re.S)
    assert match, struct
    return match.span(1)


def shorter(struct):
    """The header without the last member of a struct."""
    start, end = body_of(struct)
    body = re.sub(r"/\*.*?\*/", "", HEADER[start:end], flags=re.S)
    kept, last = re.fullmatch(r"(.*;)\s*([^;]+;)\s*", body, re.S).groups()
    text = HEADER[:start] + kept + "\n" + HEADER[end:]
    if struct in ("crew_app", "crew_runtime"):  # macros fill what they know
        assert "version;" in last
        text = text.replace("CREW_VERSION,", "")
    return text


def longer(struct):
    """The header with one more member at the end of a struct."""
    end = body_of(struct)[1]
    return f"#define ADDED_{struct} sizeof(uint64_t[3])\n{HEADER[:end]}    uint64_t added[3];\n{HEADER[end:]}"


STRUCTS = ["crew_app", "crew_service", "crew_protocol", "crew_conn_stats", "crew_addr", "crew_msg",
           "crew_file", "crew_cookie", "crew_sse", "crew_service_ref"]


def test_every_struct_of_the_header_is_tried():
    named = set(re.findall(r"^(?:typedef )?struct (crew_\w+) \{", HEADER, re.M))
    assert named == {*STRUCTS, "crew_runtime"}  # see test_runtime.py


@pytest.mark.parametrize("struct", STRUCTS)
@pytest.mark.parametrize("change", [shorter, longer], ids=lambda change: change.__name__)
def test_an_app_of_another_header_runs(instances, tmp_path, struct, change):
    text = change(struct)
    assert text != HEADER
    (tmp_path / "crewman.h").write_text(text)
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                    "-Wno-missing-field-initializers", "-fstack-protector-all", "-shared", "-fPIC",
                    f"-I{tmp_path}", SOURCE, "-o", tmp_path / "abi.so"], check=True)
    web, own = crew.free_port(), crew.free_port()
    instance = instances({"app": str(tmp_path / "abi.so"), "services": {
        "web": {"listen": f"websocket://127.0.0.1:{web}"},
        "own": {"listen": f"tcp://127.0.0.1:{own}"}}})
    instance.start()
    with Client(web) as client:
        answer = client.get("/", "Content-Type: multipart/form-data; boundary=x", method="POST",
                            body=FORM)
        assert (answer.status, answer.body) == (200, b"")
        assert answer["set-cookie"].startswith("a=b")
        answer = client.get("/event")
        assert (answer.status, answer.body) == (200, b"event: e\nretry: 0\ndata: d\n\n")
    with WebSocket(web) as client:
        client.send("hello")
        assert client.recv() == (TEXT, b"")
    with socket.create_connection(("127.0.0.1", own), crew.LONG) as client:
        client.sendall(b"hello")
        assert client.recv(10) == b"."
