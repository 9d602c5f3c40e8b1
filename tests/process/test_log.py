"""The log: the master waits for nobody who reads it, and what children print gets there whole."""

import contextlib
import fcntl
import os
import pty
import re
import resource
import signal
import socket
import stat
import subprocess
import termios
import threading

import pytest

import crew

F_SETPIPE_SZ = 1031


class Asker:
    """A client of the noisy app."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), crew.LONG)
        self.file = self.sock.makefile("r")

    def ask(self, text):
        self.sock.sendall(text.encode() + b"\n")
        return self.file.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.sock.close()


@pytest.fixture
def noisy(instances):
    """Makes an instance of the noisy app; started in the background unless told otherwise."""

    def make(is_started=True, workers=1, **log):
        port = crew.free_port()
        instance = instances({
            "app": crew.app("noisy"), "log": {"level": "info", **log},
            "services": {"noisy": {"listen": f"text://127.0.0.1:{port}", "workers": workers}}})
        instance.port = port
        if is_started:
            instance.start()
        return instance

    return make


@contextlib.contextmanager
def full_pipe():
    """The ends of a pipe that takes nothing more, as descriptors."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    fill(writer)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def fill(writer):
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)


def start_with(instance, stdout, stderr):
    instance.process = subprocess.Popen(
        [str(crew.CREWMAN), "start", "-c", str(instance.config_path)], env=instance.env,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=instance.folder)
    crew.wait_for(instance.is_ready, 20, "the start")


def assert_supervises(instance):
    """It replaces a worker, and ends when it is told to."""
    old = instance.worker()["pid"]
    os.kill(old, signal.SIGKILL)
    wait_for_another(instance, old)


def wait_for_another(instance, old):
    def has_another():
        pids = [row["pid"] for row in instance.workers() if row["slot"] == 0]
        return pids not in ([], [None], [old]) and instance.is_ready()
    crew.wait_for(has_another, 20, "the next worker")


def assert_ends(instance):
    os.kill(instance.process.pid, signal.SIGTERM)
    assert instance.process.wait(crew.LONG) == 0


def flood(instance):
    """More than a pipe and the ring of an outlet hold; less than a child may say in a second."""
    with Asker(instance.port) as client:
        for _ in range(40):
            assert client.ask("flood 400") == "400"


# -- the master waits for nobody


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_an_output_that_nobody_reads_stops_nobody(noisy, which):
    instance = noisy(is_started=False)
    with full_pipe() as (_, writer):
        start_with(instance, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
                                which: writer})
        assert_supervises(instance)
        assert_ends(instance)


def test_a_terminal_that_is_held_stops_nobody(noisy):
    instance = noisy(is_started=False)
    ours, theirs = pty.openpty()
    try:
        termios.tcflow(theirs, termios.TCOOFF)
        start_with(instance, theirs, theirs)
        assert_supervises(instance)
        assert_ends(instance)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_reader_that_wakes_up_gets_what_waited_and_what_is_missing(noisy):
    instance = noisy(is_started=False)
    with full_pipe() as (reader, writer):
        start_with(instance, subprocess.DEVNULL, writer)

        def is_lossy():
            flood(instance)
            return instance.status()["master"]["log_lost"] > 0
        crew.wait_for(is_lossy, 60, "more than the ring holds")
        assert instance.status()["master"]["log_waiting"] > 500000
        got = []

        def read():
            with open(os.dup(reader), "rb", buffering=0) as file:
                while not got or b"stopped" not in b"".join(got[-2:]):
                    got.append(file.read(65536))
        thread = threading.Thread(target=read)
        thread.start()
        instance.stop()
        thread.join(crew.LONG)
    text = b"".join(got).decode()
    assert re.search(r"warning master\[\d+\] \d+ log lines lost: the log does not take them\n",
                     text)
    assert text.index("flood 1 ") < text.index("lines lost") < text.index("] stopped")


def test_a_start_that_waits_for_a_port_listens_to_signals(noisy):
    """As after an instance was killed, whose workers still have the port."""
    instance = noisy(is_started=False)
    dead = subprocess.Popen(["true"])
    dead.wait()
    instance.run_dir.mkdir(0o755)
    pid_file = instance.run_dir / "crewman.pid"
    pid_file.write_text(f"{dead.pid}\n")
    with socket.create_server(("127.0.0.1", instance.port)):
        instance.process = subprocess.Popen(
            [str(crew.CREWMAN), "start", "-c", str(instance.config_path)], env=instance.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        crew.wait_for(lambda: pid_file.exists() and
                      pid_file.read_text().strip() == str(instance.process.pid), 10, "the pid file")
        instance.process.send_signal(signal.SIGTERM)
        said = instance.process.communicate(timeout=20 * crew.PATIENCE)[1]
    assert instance.process.returncode == 1
    if "already in use" in said.lower():
        raise crew.WaitRanOut("the wait for the port was over before the signal")
    assert "stopped before every worker was ready" in said


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def read_fifo(path, until):
    """What comes out of it until that word."""
    text = ""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        def has_come():
            nonlocal text
            with contextlib.suppress(BlockingIOError):
                text += os.read(fd, 65536).decode(errors="replace")
            return until in text
        crew.wait_for(has_come, 10, f"{until} in the FIFO")
    finally:
        os.close(fd)
    return text


def test_a_fifo_that_nobody_reads_is_a_log(noisy, fifo):
    instance = noisy(file=str(fifo))
    assert "noisy: a constructor prints" in read_fifo(fifo, "started: ")
    with Asker(instance.port) as client:  # its reader has gone again
        assert client.ask("flood 5000") == "5000"
        assert_supervises(instance)
    instance.expect_errors("killed by SIGKILL")
    assert "flood 1 " in read_fifo(fifo, "killed by SIGKILL")
    instance.stop()


def test_a_log_that_becomes_a_fifo(noisy):
    instance = noisy()
    instance.log_path.unlink()
    os.mkfifo(instance.log_path)
    assert instance.verb("reopen-logs").returncode == 0
    assert_supervises(instance)
    assert "log reopened" in read_fifo(instance.log_path, "killed by SIGKILL")


def test_reopen_logs_says_that_the_log_is_stuck(noisy, fifo):
    instance = noisy(file=str(fifo))
    holder = os.open(fifo, os.O_RDWR)
    try:
        fill(holder)
        with Asker(instance.port) as client:
            assert client.ask("flood 100") == "100"
        done = instance.verb("reopen-logs")
        assert done.returncode == 1
        assert re.search(r"the log is stuck in a write, \d+ bytes wait", done.stderr)
        assert_supervises(instance)
        done = instance.verb("reopen-logs")  # the first is not carried out yet
        assert done.returncode == 1 and "stuck" in done.stderr
        assert "log reopened" in read_fifo(fifo, "log reopened")
        crew.wait_for(lambda: instance.verb("reopen-logs").returncode == 0, 10, "an answer")
    finally:
        os.close(holder)


@pytest.mark.parametrize("is_daemon", [True, False])
def test_a_socket_as_standard_error_is_a_log(noisy, is_daemon):
    instance = noisy(is_started=False, file="/dev/stderr")
    ours, theirs = socket.socketpair()
    ours.settimeout(crew.LONG)
    with ours:
        with theirs:
            if is_daemon:
                subprocess.run([str(crew.CREWMAN), "start", "-d", "-q", "-c",
                                str(instance.config_path)], env=instance.env, check=True,
                               stdin=subprocess.DEVNULL, stderr=theirs, timeout=60)
            else:
                start_with(instance, subprocess.DEVNULL, theirs)
        assert instance.verb("reopen-logs").returncode == 0
        instance.stop()
        text = ""
        while "] stopped" not in text:
            part = ours.recv(65536).decode()
            assert part, text
            text += part
    for words in ("noisy: a constructor prints", "started: ", "log reopened"):
        assert words in text


def test_what_is_no_log_is_refused_by_start_and_check(noisy, tmp_path):
    place = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))
        for path, reason in ((place, "a unix socket"), (tmp_path, "a folder")):
            instance = noisy(is_started=False, file=str(path))
            for verb in (["start", "-d"], ["check"]):
                done = instance.verb(*verb)
                assert done.returncode == 1
                assert f'found "{path}", {reason}; expected' in done.stderr


def test_a_limit_of_file_size_costs_lines(noisy):
    instance = noisy(workers=2)
    master = instance.master_pid()
    size = instance.log_path.stat().st_size
    resource.prlimit(master, resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
    with Asker(instance.port) as client:
        assert client.ask("flood 10") == "10"
        crew.wait_for(lambda: instance.status()["master"]["log_lost"] > 0, 10, "a loss")
        resource.prlimit(master, resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        instance.wait_log(r"^\S+ \S+ warning master\[\d+\] \d+ log lines lost: File too large$")
    assert instance.master_pid() == master and crew.is_alive(master)
    assert re.search(r"^log: \d+ bytes wait, \d+ lines lost$", instance.verb("status").stdout, re.M)


def test_a_background_job_may_write_to_its_terminal(noisy):
    instance = noisy(is_started=False)
    pid, ours = pty.fork()
    if pid == 0:  # the leader of the session, whose job is in the background
        attributes = termios.tcgetattr(0)
        attributes[3] |= termios.TOSTOP
        termios.tcsetattr(0, termios.TCSANOW, attributes)
        job = subprocess.Popen([str(crew.CREWMAN), "start", "-c", str(instance.config_path)],
                               env=instance.env, process_group=0)
        os._exit(job.wait() & 0x7f)
    try:
        crew.wait_for(instance.is_ready, 20, "the start")
        assert_supervises(instance)
        assert crew.state_of(instance.master_pid()) in "SR"
        instance.stop()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(ours)


# -- what children print


def test_no_worker_has_a_descriptor_of_the_log_or_a_terminal(noisy):
    instance = noisy(is_started=False)
    ours, theirs = pty.openpty()
    try:
        start_with(instance, theirs, theirs)
        terminal = os.ttyname(theirs)
        for pid in instance.worker_pids():
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert terminal not in links
            outputs = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (1, 2)]
            assert outputs[0].startswith("pipe:") and outputs[0] == outputs[1]
        instance.stop()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_worker_cannot_empty_the_log(noisy):
    instance = noisy(workers=2)
    with Asker(instance.port) as client:
        client.ask("pid")
        before = instance.log()
        assert client.ask("truncate") == "0"
    assert instance.log().startswith(before)
    for pid in instance.worker_pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") != str(instance.log_path)


@pytest.mark.skipif(crew.IS_SANITIZED, reason="the sanitizer's report takes the place of ours")
def test_half_a_line_is_not_missing_at_a_fault(noisy):
    instance = noisy()
    instance.expect_errors("killed by SIGABRT")
    pid, = instance.worker_pids()
    with Asker(instance.port) as client:
        client.ask("half of mine")
    end = instance.wait_log(rf"error +master\[\d+\] noisy/0: pid {pid} .*")[0].start()
    line = instance.wait_log(rf"noisy/0\[{pid}\] noisy: half a line of mine$")[0]
    assert line.start() < end


FORGED = b"a\x1b[31m\xc2\x9b\xff\n2026-01-01 00:00:00.000 error   master[1] forged\n"


@pytest.mark.parametrize("is_daemon", [True, False])
def test_what_an_app_prints_forges_nothing(noisy, is_daemon):
    instance = noisy(is_started=is_daemon)
    if not is_daemon:
        instance.start_foreground()
    pid, = instance.worker_pids()
    with Asker(instance.port) as client:
        assert client.ask("bytes " + FORGED.hex()) == str(len(FORGED))
    log = instance.log()
    assert rf" notice  noisy/0[{pid}] a\x1b[31m\xc2\x9b\xff" + "\n" in log
    assert f" notice  noisy/0[{pid}] 2026-01-01 00:00:00.000 error   master[1] forged\n" in log
    assert "\x1b" not in log


@pytest.mark.parametrize("how", ["kill", "abort", "exit"])
def test_nothing_is_missing_at_a_crash(noisy, how):
    instance = noisy()
    instance.expect_errors("noisy/0: pid .*(killed by|exited with)")
    pid, = instance.worker_pids()
    with Asker(instance.port) as client:
        client.ask(f"die {how} of mine")
    end = instance.wait_log(rf"error +master\[\d+\] noisy/0: pid {pid} .*")[0].start()
    for words in ("last words of mine", "unfinished of mine"):
        line = instance.wait_log(rf"noisy/0\[{pid}\] noisy: {words}$")[0]
        assert line.start() < end


def test_a_constructor_may_print(noisy):
    instance = noisy(is_started=False)
    done = instance.verb("check")
    assert done.returncode == 0, done.stderr
    instance.start()
    instance.wait_log(r"noisy/0\[\d+\] noisy: a constructor prints$")
    instance.wait_log(r"noisy/0\[\d+\] noisy: a constructor complains$")


def test_the_reason_of_a_refusal_is_not_what_the_app_printed(noisy):
    instance = noisy(is_started=False)
    instance.config["app"] = crew.app("noisy_wrong")
    instance.write_config(instance.config)
    done = instance.verb("check")
    assert done.returncode == 1
    assert "no name" in done.stderr and "constructor" not in done.stderr


def test_a_constructor_may_print_a_lot(noisy):
    instance = noisy(is_started=False)
    instance.env["NOISY_LOAD"] = "10000"
    done = instance.verb("check")
    assert done.returncode == 0, done.stderr


def test_a_worker_does_not_wait_for_a_master_that_stands(noisy):
    instance = noisy()
    master = instance.master_pid()
    crew.suspend(master)
    try:
        with Asker(instance.port) as client:
            for _ in range(40):
                assert client.ask("flood 400") == "400"
    finally:
        os.kill(master, signal.SIGCONT)
    assert "noisy: flood 1 " in instance.log()
    with Asker(instance.port) as client:
        assert client.ask("flood 1") == "1"


def test_a_program_that_outlives_its_worker_prints_on(noisy, fifo):
    instance = noisy()
    instance.expect_errors("killed by SIGKILL")
    old, = instance.worker_pids()
    with Asker(instance.port) as client:
        assert client.ask(f"system cat {fifo} &") == "0"
    os.kill(old, signal.SIGKILL)
    instance.wait_log(f"noisy/0: pid {old} .*killed by SIGKILL")
    wait_for_another(instance, old)
    fifo.write_text("of one who stayed\n")
    instance.wait_log(rf"noisy/0\[{old}\] of one who stayed$")


def test_dead_workers_leave_no_descriptor(noisy):
    instance = noisy()
    instance.expect_errors("killed by SIGKILL")
    crew.wait_for(lambda: instance.worker()["uptime_ms"] > 0, 5, "a worker")
    assert_supervises(instance)
    instance.verb("status")
    before = crew.fd_count(instance.master_pid())
    for _ in range(5):
        assert_supervises(instance)
    crew.wait_for(lambda: crew.fd_count(instance.master_pid()) <= before, 10,
                  "no more descriptors than before")


def test_the_log_is_not_open_to_others(noisy):
    instance = noisy()
    assert stat.S_IMODE(instance.log_path.stat().st_mode) & 0o027 == 0
