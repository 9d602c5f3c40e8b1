"""docs/protocols.md names tests: each of them exists."""

import re

import crew

TEXT = (crew.ROOT / "docs" / "protocols.md").read_text()
TESTS = crew.ROOT / "tests"


def test_named_process_tests_exist():
    named = set(re.findall(r"`(test_\w+\.py)::(\w+)`", TEXT))
    assert len(named) > 50
    for file, function in sorted(named):
        source = (TESTS / "process" / file).read_text()
        assert f"\ndef {function}(" in source, f"{file}::{function}"


def test_named_tests_without_a_kernel_exist():
    named = set(re.findall(r"`(net/test_\w+\.c)::(\w+)`", TEXT))
    assert named
    for file, function in sorted(named):
        assert f"\nstatic void {function}(" in (TESTS / file).read_text(), f"{file}::{function}"


def test_named_transcripts_exist():
    named = set(re.findall(r"`(\w+\.txt) ([0-9. ]+)`", TEXT))
    assert len(named) > 30
    for file, section in sorted(named):
        source = (TESTS / "conformance" / "transcripts" / file).read_text()
        assert f"\n== {section} " in source, f"{file} {section}"


def test_every_line_names_a_test():
    for line in TEXT.splitlines():
        if re.match(r"\| [0-9]", line):
            assert "`" in line.split("|")[3], line
