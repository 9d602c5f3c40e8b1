"""Failures that are nothing but a wait that ran out: our own exception, and the hooks that find them.

A machine that is busy with something else can make a wait run out, and only that. The hooks write
the property SECOND_TRY (the test's address) into the report of a test whose only fault this was;
tests/run.py gives such a test a second try. Everything else that went wrong beside it forbids the
second try: an assertion, a lost connection, a fault that the fixtures found afterwards, and whatever
was noted with against_second_try().
"""

import errno
import subprocess

import pytest

SECOND_TRY = "second_try"
_evidence = []
_failures = pytest.StashKey()


class WaitRanOut(AssertionError):
    """Something did not happen in the time that the test gave it."""


def against_second_try(text):
    """Notes what a wait that ran out does not explain: a process that died, a lost connection."""
    _evidence.append(text)


def _is_wait(error):
    if isinstance(error, TimeoutError):
        # The kernel's ETIMEDOUT is a connection that was lost.
        return error.errno != errno.ETIMEDOUT
    if isinstance(error, pytest.fail.Exception):
        return str(error.msg).startswith("Timeout ")  # of pytest-timeout
    return isinstance(error, (WaitRanOut, subprocess.TimeoutExpired))


def is_run_out_wait(error):
    """It is a wait, and it came out of nothing that is worse."""
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return _is_wait(chain[0]) and all(_is_wait(one) for one in chain if isinstance(one, Exception))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    _evidence.clear()
    item.stash[_failures] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    failures = item.stash[_failures]
    if report.failed:
        failures.append(report.when != "teardown" and is_run_out_wait(call.excinfo.value))
    if report.when == "teardown" and failures == [True] and not _evidence:
        address = f"{item.path}{item.nodeid[item.nodeid.index('::'):]}"
        item.user_properties.append((SECOND_TRY, address))
        report.user_properties = list(item.user_properties)
