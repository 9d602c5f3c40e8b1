"""Rules of the design that the built programs themselves can prove."""

import re
import subprocess

import pytest

import circles
import crew

# The largest circle of calls between files of a part; the numbers may only fall.
CIRCLE_MAX = {"master": 0, "worker": 3, "common": 2}

HEADER = crew.ROOT / "include" / "crewman.h"


def symbols(program, *options):
    text = subprocess.run(["nm", "-D", *options, str(program)], check=True, capture_output=True,
                          text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if line.strip()}


def declared():
    """The crew_* functions of the public headers."""
    names = set()
    for header in (HEADER, HEADER.parent / "crewman" / "uv.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        names |= set(re.findall(r"^[a-z_][\w\s\*]*?\b(crew_\w+)\([^;{]*?\)\s*(?:__attribute__.*?)?;",
                                text, re.M | re.S))
    return names


def test_the_headers_are_read_rightly():
    names = declared()
    assert {"crew_strerror", "crew_conn_send", "crew_conn_each", "crew_timer_add", "crew_log",
            "crew_worker_loop", "crew_now_ms", "crew_conn_set_data"} <= names
    assert len(names) > 30


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizers' runtime has its own dlopen")
def test_master_loads_no_app_and_links_no_tls_and_no_compression():
    for name in symbols(crew.CREWMAN):
        assert not re.search(r"^SSL_|^EVP_|deflate|inflate|^dlopen$|^dlsym$", name), name
    linked = subprocess.run(["ldd", str(crew.CREWMAN)], check=True, capture_output=True,
                            text=True).stdout
    assert not re.search(r"libssl|libcrypto|libz\.", linked), linked


def test_worker_exports_exactly_the_public_functions():
    # What the linker itself puts into every program's table does not count.
    exported = {name for name in symbols(crew.WORKER, "--defined-only") if not re.match(
        r"_|stdin$|stdout$|stderr$|environ$|data_start$|opt(arg|ind|err|opt)$|.*(asan|ubsan|lsan|sanitizer|sancov)",
        name)}
    if crew.IS_SANITIZED:
        exported = {name for name in exported if name.startswith("crew_")}
    assert exported == declared()


def test_apps_export_only_their_descriptor():
    for module in sorted(crew.EXAMPLES.glob("*.so")):
        names = {name for name in symbols(module, "--defined-only") if not name.startswith("_")}
        assert names == {"crew_app"}, module


def test_public_header_needs_nothing_and_compiles_alone(tmp_path):
    source = tmp_path / "app.c"
    source.write_text('#include <crewman.h>\nCREW_APP({.name = "x"})\n')
    flags = ["-fsyntax-only", f"-I{HEADER.parent}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
             "-Wno-missing-field-initializers"]
    for compiler in ("gcc", "clang"):
        for standard in ("c11", "c17", "gnu11"):
            subprocess.run([compiler, f"-std={standard}", *flags, str(source)], check=True)
    included = re.findall(r"#include [<\"](.*?)[>\"]", HEADER.read_text())
    assert set(included) <= {"stdarg.h", "stddef.h", "stdint.h", "stdbool.h"}


def test_codecs_touch_no_socket_clock_or_library():
    allowed = re.compile(r"^(std(arg|atomic|bool|def|int|io|lib)|string|strings|limits|assert|ctype"
                         r"|errno|inttypes|endian|zlib|\w+intrin|arm_neon"
                         r"|arpa/inet)\.h$")  # arpa/inet.h: inet_pton() is pure
    folder = crew.ROOT / "common" / "codec"
    own = {path.name for path in folder.glob("*.h")}
    for path in sorted(folder.glob("*.[ch]")):
        for name in re.findall(r'#include [<"](.*?)[>"]', path.read_text()):
            assert name in own or allowed.match(name), f"{path.name} includes {name}"
            assert name != "zlib.h" or path.stem.startswith("deflate"), path.name


def test_parts_include_only_what_they_may():
    forbidden = {"common": ("worker", "master"), "common/net": ("common/config", "common/control"),
                 "common/config": ("common/net", "common/codec"),
                 "common/control": ("common/net", "common/codec"),
                 "master": ("worker", "common/net", "common/codec"), "worker": ("master",)}
    shared = {"master": {"listener.h"}}  # its admin socket; a library of its own
    for part, others in forbidden.items():
        foreign = {path.name for other in others for path in (crew.ROOT / other).rglob("*.h")}
        own = {path.name for path in (crew.ROOT / part).rglob("*.h")}
        for path in sorted((crew.ROOT / part).rglob("*.[ch]")):
            for name in re.findall(r'#include "(.*?)"', path.read_text()):
                assert name in own | shared.get(part, set()) or name not in foreign, \
                    f"{part}/{path.name} includes {name}"


@pytest.mark.parametrize("part", CIRCLE_MAX)
def test_calls_go_down(part):
    edges = circles.calls(crew.ROOT / part)
    for circle in circles.find(edges):
        assert len(circle) <= CIRCLE_MAX[part], circles.explain(edges, circle)


def test_circles_are_found(tmp_path):
    texts = {"a": "int b_x(void);\nint a_x(void);\nint a_x(void) { return b_x(); }\n",
             "b": "int c_x(void);\nint b_x(void);\nint b_x(void) { return c_x(); }\n",
             "c": "int a_x(void);\nint c_x(void);\nint c_x(void) { return a_x(); }\n",
             "d": "int a_x(void);\nint d_x(void);\nint d_x(void) { return a_x(); }\n",
             "e": '/* d_x() */\nstatic int a_x(void) { return "d_x"[0]; }\n'
                  "int e_x(void);\nint e_x(void) { return a_x(); }\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.c").write_text(text)
    edges = circles.calls(tmp_path)
    assert [[path.stem for path in circle] for circle in circles.find(edges)] == [["a", "b", "c"]]
    assert edges[tmp_path / "d.c"] == {tmp_path / "a.c": {"a_x"}}
    assert edges[tmp_path / "e.c"] == {}
    assert "b.c -> c.c: c_x" in circles.explain(edges, circles.find(edges)[0])


def test_no_forbidden_functions():
    forbidden = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|alloca"
                           r"|usleep|gets)\s*\(")
    for part in ("common", "master", "worker", "examples"):
        for path in sorted((crew.ROOT / part).rglob("*.[ch]")):
            code = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", path.read_text(), flags=re.S)
            assert not forbidden.search(code), f"{path}: {forbidden.search(code)[0]}"


def test_a_process_is_stopped_only_with_a_wait_for_it():
    """The signal alone lets it go on for a moment: crew.suspend() waits until it stands."""
    bare = [path.name for path in sorted((crew.ROOT / "tests" / "process").rglob("*.py"))
            if "SIGSTOP" in path.read_text()]
    assert bare == ["crew.py", "test_rules.py"]


def test_every_source_says_what_it_owns():
    for part in ("include", "common", "master", "worker", "examples", "tests"):
        for path in sorted((crew.ROOT / part).rglob("*.[ch]")):
            assert path.read_text().startswith("/* SPDX-License-Identifier: MIT"), path
