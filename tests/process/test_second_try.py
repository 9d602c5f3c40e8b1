"""tests/run.py gives a test whose only fault was a wait that ran out a second try, and no other."""

import importlib.util
import shutil
import textwrap

import pytest

import crew

# What each test of a fake suite may use. TRIES counts its runs in a file.
HEAD = """
import asyncio, os, socket, subprocess, time
from pathlib import Path
import pytest
import crew
from waits import WaitRanOut, against_second_try

HERE = Path(__file__).parent

def tries(name):
    path = HERE / f"{name}.tries"
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    return number

def late(name="late"):
    if tries(name) == 1:
        raise WaitRanOut("timed out waiting for nothing")

@pytest.fixture
def checked():
    yield
    assert False, "ERROR: AddressSanitizer: heap-use-after-free"
"""


@pytest.fixture
def suite(tmp_path, monkeypatch, capsys):
    """suite(body) runs the tests of `body` as tests/run.py runs the process tests."""
    spec = importlib.util.spec_from_file_location("run", crew.ROOT / "tests" / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    monkeypatch.setattr(run, "BUILDS", tmp_path)
    monkeypatch.setattr(run, "PROCESS_TESTS", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(crew.ROOT / "tests" / "process"))
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "gcc").symlink_to(crew.BUILD)
    shutil.copy(crew.ROOT / "tests" / "process" / "conftest.py", tmp_path)

    def start(body, words=()):
        (tmp_path / "test_fake.py").write_text(HEAD + textwrap.dedent(body))
        # The folder is its own root, wherever this checkout lies: names of tests begin there.
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        run.tally = run.Tally()
        run.run_processes("gcc", run.tally, "process", list(words), None)
        run.code = run.conclude(run.tally)
        run.out = capsys.readouterr().out
        run.last = run.out.splitlines()[-1]
        return run

    start.tries = lambda name="late": int((tmp_path / f"{name}.tries").read_text())
    return start


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "side by side"])
def test_a_wait_that_ran_out_gets_a_second_try(suite, words):
    run = suite("""
        def test_late():
            late()

        def test_good():
            pass
        """, words)
    assert (run.code, run.last) == (0, "2 passed, 0 failed")
    assert "UNSTABLE gcc: test_fake.test_late: " in run.out and "FAILED   " not in run.out
    assert "timed out waiting for nothing" in run.tally.unstable[0]
    assert suite.tries() == 2


WAITS = {
    "of crew": "crew.LONG = 0; crew.wait_for(lambda: False)",
    "of crew for an end": "crew.LONG = 0; crew.assert_took(time.monotonic() - 10, 1, 2)",
    "of a socket": "a, b = socket.socketpair(); a.settimeout(0.01); a.recv(1)",
    "of asyncio": "asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.01))",
    "of subprocess": "subprocess.run(['sleep', '9'], timeout=0.01)",
    "of pytest-timeout": "time.sleep(60)",
}


@pytest.mark.parametrize("wait", WAITS)
def test_every_kind_of_wait_is_known(suite, wait):
    run = suite(f"""
@pytest.mark.timeout({5 if "pytest" in wait else 100})
def test_it():
    if tries("late") == 1:
        {WAITS[wait]}
""")
    assert (run.code, run.last) == (0, "1 passed, 0 failed"), run.out
    assert suite.tries() == 2 and len(run.tally.unstable) == 1


def test_a_second_failure_fails(suite):
    run = suite("""
        def test_late():
            tries("late")
            raise WaitRanOut("never")
        """)
    assert (run.code, run.last) == (1, "0 passed, 1 failed")
    assert suite.tries() == 2 and "FAILED   gcc: test_fake.test_late\n" in run.out
    assert not run.tally.unstable


def test_a_second_try_that_is_skipped_fails(suite):
    run = suite("""
        def test_late():
            late()
            pytest.skip("the port is taken")
        """)
    assert (run.code, run.last) == (1, "0 passed, 1 failed")
    assert suite.tries() == 2 and "FAILED   gcc: test_fake.test_late\n" in run.out
    assert not run.tally.unstable


WORSE = {
    "an assertion": "assert 1 == 2",
    "a lost connection": "raise ConnectionResetError(104, 'Connection reset by peer')",
    "a connection that the kernel gave up": "raise TimeoutError(110, 'Connection timed out')",
    "an end": "raise EOFError",
    "what lies under the wait": """
        try:
            raise ConnectionResetError
        finally:
            raise WaitRanOut("an answer")""",
    "an assertion in a clean-up": """
        try:
            raise WaitRanOut("an answer")
        finally:
            assert 1 == 2""",
    "a process that died": "crew.note_end(-11, 'the worker'); raise WaitRanOut('an answer')",
    "a sanitizer": "crew.note_end(99, 'the worker'); raise WaitRanOut('an answer')",
    "a load that lost a connection": "against_second_try('reset'); raise WaitRanOut('an answer')",
}


@pytest.mark.parametrize("fault", WORSE)
def test_what_is_worse_gets_no_second_try(suite, fault):
    run = suite(f"""
def test_it():
    if tries("late") == 1:
        {WORSE[fault]}
""")
    assert (run.code, run.last) == (1, "0 passed, 1 failed"), run.out
    assert suite.tries() == 1 and not run.tally.unstable


def test_a_fault_found_by_the_fixture_gets_no_second_try(suite):
    run = suite("""
        def test_it(checked):
            late()
        """)
    assert (run.code, run.last) == (1, "0 passed, 1 failed"), run.out
    assert suite.tries() == 1


def test_a_fixture_that_runs_out_behind_the_test_gets_no_second_try(suite):
    run = suite("""
        @pytest.fixture
        def slow():
            yield
            late()

        def test_it(slow):
            pass
        """)
    assert (run.code, run.last) == (1, "0 passed, 1 failed"), run.out
    assert suite.tries() == 1


@pytest.mark.parametrize("count, code", [(5, 0), (6, 1)])
def test_more_than_five_unstable_tests_fail_the_run(suite, count, code):
    run = suite(f"""
        @pytest.mark.parametrize("number", range({count}))
        def test_it(number):
            late(str(number))
        """)
    assert run.code == code, run.out
    assert len(run.tally.unstable) == run.out.count("UNSTABLE ") == count
    assert run.last == f"{count} passed, {code} failed"
    assert ("FAILED   more than 5 unstable tests" in run.out) == bool(code)


def test_a_suite_that_hangs_is_not_tried_twice_for_ever(suite):
    run = suite("""
        @pytest.mark.parametrize("number", range(20))
        def test_it(number):
            tries("all")
            raise WaitRanOut("never")
        """)
    assert (run.code, run.last) == (1, "0 passed, 20 failed")
    assert suite.tries("all") == 26


def test_an_instance_whose_worker_died_gets_no_second_try(suite):
    """The fixture of the real tests finds the line in the log that nobody announced."""
    run = suite("""
        import signal

        def test_it(probe):
            instance = probe()
            os.kill(instance.worker_pids()[0], signal.SIGKILL)
            instance.wait_log("SIGKILL")
            late()

        def test_the_master(probe):
            instance = probe()
            workers = instance.worker_pids()
            os.kill(instance.master_pid(), signal.SIGKILL)
            crew.wait_for(lambda: not any(map(crew.is_alive, workers)))
            late("master")
        """)
    assert (run.code, run.last) == (1, "0 passed, 2 failed"), run.out
    assert suite.tries() == 1 and suite.tries("master") == 1


def test_times_are_told(suite):
    run = suite("""
        @pytest.mark.parametrize("number", range(12))
        def test_it(number):
            pass
        """)
    lines = run.out.splitlines()
    assert "gcc: process tests (process) in " in lines[0]
    slow = [line for line in lines if line.startswith("slow ")]
    assert len(slow) == 10 and "gcc: test_fake.test_it[" in slow[0]
    seconds = [float(line.split()[1]) for line in slow]
    assert seconds == sorted(seconds, reverse=True)
