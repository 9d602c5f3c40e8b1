"""NULL in place of a connection or a request: an answer, never a crash."""

import re

import crew


def test_every_function_bears_null(probe):
    probe("tcp", app="null").wait_log("null: 0 failures")


def test_no_function_is_left_out():
    """Each that takes a connection or a request first is called by the app of this test."""
    header = "".join((crew.ROOT / "include" / name).read_text()
                     for name in ("crewman.h", "crewman/json.h"))
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    takes = r"\b(crew_\w+)\((?:const )?crew_(?:conn|request|frame|out) \*"
    names = set(re.findall(takes, header))
    called = (crew.ROOT / "tests" / "process" / "apps" / "null.c").read_text()
    assert len(names) > 50
    for name in names:
        assert f"{name.removesuffix('_sized')}(NULL" in called, name
