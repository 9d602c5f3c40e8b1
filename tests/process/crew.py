"""Starting, asking and cleaning up Crewman instances, for the process tests.

An Instance has its own folder with config, run_dir and log. Its processes carry a mark in their
environment: by that they are found again, and only those are ever killed.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import struct
import tempfile
import termios
import time
import uuid
from pathlib import Path

from patience import BUILD, IS_SANITIZED, LONG, PATIENCE, ROOT  # noqa: F401 (for the tests)
from waits import WaitRanOut, against_second_try

CREWMAN = BUILD / "crewman"
WORKER = BUILD / "crewman-worker"
APPS = BUILD / "tests" / "process" / "apps"
EXAMPLES = BUILD / "examples"
MARK = "CREWMAN_TEST_INSTANCE"
TURNS_A_SECOND = 200  # of a loop that has little to do
SANITIZER_EXIT = 99  # set by tests/run.py

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (\w+) +(\S+?)\[(\d+)\] (.*)$")


def app(name):
    return str(APPS / f"{name}.so")


def copy_for_others(file, folder):
    """The path of a copy that every user may run: the build may lie where only its owner may go."""
    copy = Path(folder) / Path(file).name
    if not copy.exists():
        shutil.copyfile(file, copy)
        copy.chmod(0o755)
    return str(copy)


def wait_for(condition, timeout=0, what="condition"):
    """Asks again and again until the answer is true, and answers it: for LONG, or longer if told so."""
    deadline = time.monotonic() + max(timeout * PATIENCE, LONG)
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise WaitRanOut(f"timed out waiting for {what}")
        time.sleep(0.02)


def let_pass(seconds):
    """Lets time go by where that is the subject and no event ends it: a silence in which nothing
    may happen, a client that is slow. What waits for something waits with wait_for()."""
    time.sleep(max(0, seconds))


def assert_took(started, least, most):
    """Less time since `started` is a fault; more, and more than LONG, is a wait that ran out."""
    seconds, most = time.monotonic() - started, max(most * PATIENCE, LONG)
    assert seconds > least, f"after {seconds:.3f} s, not {least}"
    if seconds > most:
        raise WaitRanOut(f"took {seconds:.1f} s, more than {most}")


class Pace:
    """Called whenever a client acts that has to act within `most` seconds: whether it was late."""

    def __init__(self, most):
        self.most, self.is_late, self.last = most, False, time.monotonic()

    def __call__(self):
        now = time.monotonic()
        self.is_late = self.is_late or now - self.last > self.most
        self.last = now


def undisturbed(attempt, most, tries=5):
    """For a client that must be quick, or the server is right to end it: where attempt(pace) fails
    and the client was late, the machine stood still, and it is made again. Answers its answer."""
    while True:
        pace = Pace(most)
        try:
            return attempt(pace)
        except Exception:
            pace()
            tries -= 1
            if tries == 0 or not pace.is_late:
                raise


def meet_all(connect, workers, least=0):
    """Clients, and the process of each, until so many workers have one: who is held up has none at
    first."""
    clients, pids = [], []

    def are_met():
        clients.append(connect())
        pids.append(int(clients[-1].ask("!pid")))
        return len(set(pids)) == workers and len(clients) >= least

    wait_for(are_met, what=f"a client of each of {workers} workers")
    return clients, pids


def check_code(done, expected, text):
    """The exit code of a verb. Where nobody answered within the verb's own time, a wait ran out."""
    if done.returncode != expected and "does not answer" in done.stderr:
        raise WaitRanOut(text)
    assert done.returncode == expected, text


def note_end(code, program):
    """A process that died by a signal or a sanitizer is the fault, not the wait for it."""
    if code is not None and (code < 0 or code == SANITIZER_EXIT):
        against_second_try(f"{program} ended with {code}")


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), LONG).close()
        return False
    except ConnectionRefusedError:
        return True


PORTS = range(12000, 32000)  # below those of outgoing connections
_kept = []  # sockets, until the tests end


def free_port():
    """One that nobody else is given, not by the tests of another checkout either: it is bound here.
    Who binds it with SO_REUSEADDR, as servers do, may listen on it all the same."""
    start = _kept[-1].getsockname()[1] + 1 if _kept else PORTS[os.getpid() * 131 % len(PORTS)]
    for number in (*range(start, PORTS.stop), *range(PORTS.start, start)):
        keeper = socket.socket()
        try:
            keeper.bind(("0.0.0.0", number))
        except OSError:
            keeper.close()
            continue
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _kept.append(keeper)
        return number
    raise AssertionError("no port is free")


def state_of(pid):
    """The letter of ps; "Z" also when the process is no longer there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def is_alive(pid):
    return state_of(pid) != "Z"


def suspend(pid):
    """SIGSTOP, and wait until it stands: the signal alone lets it go on for a moment. It may be
    dead by then, where a watchdog runs."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) in ("T", "Z"), 10, f"{pid} to stand still")


def children(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def has_unread_output(pid):
    """Its standard error is a pipe, and what it wrote there waits for the reader."""
    try:
        if not os.readlink(f"/proc/{pid}/fd/2").startswith("pipe:"):
            return False
        fd = os.open(f"/proc/{pid}/fd/2", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0] > 0
    finally:
        os.close(fd)


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def links(pid):
    """Where its descriptors lead to."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found


class Instance:
    def __init__(self, config=None, env=None):
        self.folder = Path(tempfile.mkdtemp(prefix="crewt-", dir="/tmp"))
        self.folder.chmod(0o1777)
        self.run_dir = self.folder / "run"
        self.config_path = self.folder / "crewman.json"
        self.log_path = self.run_dir / "crewman.log"
        self.mark = uuid.uuid4().hex
        self.process = None
        self.expected_errors = []
        self.env = dict(os.environ)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            options = self.env.get(name, "")
            self.env[name] = f"{options}:log_path={self.folder}/sanitizer".lstrip(":")
        self.env[MARK] = self.mark
        self.env.pop("XDG_RUNTIME_DIR", None)
        self.env.update(env or {})
        if config is not None:
            self.write_config(config)

    # -- commands

    def write_config(self, config):
        if isinstance(config, dict):
            config.setdefault("run_dir", str(self.run_dir))
            config.setdefault("stop_timeout", "20s")  # a worker that is held up is not killed
            log_file = (config.get("log") or {}).get("file")
            if log_file:
                self.log_path = Path(log_file)
            self.config = config
            config = json.dumps(config, indent=2)
        self.config_path.write_text(config)

    def run(self, *args, timeout=60, cwd=None):
        """Any verb of this instance's crewman; answers the CompletedProcess."""
        done = subprocess.run([str(CREWMAN), *args], env=self.env, text=True, capture_output=True,
                              timeout=timeout * PATIENCE, stdin=subprocess.DEVNULL,
                              cwd=cwd or self.folder)
        note_end(done.returncode, f"crewman {' '.join(args)}")
        return done

    def run_as_nobody(self, *args):
        copy_for_others(WORKER, self.folder)
        return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               copy_for_others(CREWMAN, self.folder), *args], env=self.env,
                              text=True, capture_output=True, timeout=60 * PATIENCE,
                              stdin=subprocess.DEVNULL, cwd=self.folder)

    def verb(self, verb, *args, timeout=60):
        return self.run(verb, "-c", str(self.config_path), *args, timeout=timeout)

    def start(self, *args, expect=0):
        """`crewman start -d`; it answers when every worker is ready."""
        done = self.verb("start", "-d", *args)
        assert done.returncode == expect, f"start: {done.returncode}\n{done.stdout}{done.stderr}" \
                                          f"\n{self.written_log()}"
        return done

    def start_foreground(self, *args, wait=True):
        self.log_path = self.folder / "terminal"
        with open(self.log_path, "w") as out:
            self.process = subprocess.Popen(
                [str(CREWMAN), "start", "-c", str(self.config_path), *args], env=self.env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder)
        if wait:
            wait_for(self.is_ready, 20, "start")
        return self.process

    def stop(self, *args, expect=0):
        done = self.verb("stop", *args)
        check_code(done, expect, f"stop: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def reload(self, *args, expect=0, timeout=60):
        done = self.verb("reload", *args, timeout=timeout)
        check_code(done, expect, f"reload: {done.returncode}\n{done.stdout}{done.stderr}\n"
                                 f"{self.written_log()}")
        return done

    # -- what is going on

    def _ask(self, verb):
        """What it answers; again, where who was asked was held up for longer than a verb waits."""
        def answered():
            done = self.verb(verb, "--json")
            return None if "not answer" in done.stderr else done
        done = wait_for(answered, what=f"an answer to {verb}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def status(self):
        return self._ask("status")

    def workers(self, service=None):
        """The rows of status, in order of slot."""
        rows = self.status()["workers"]
        return sorted((row for row in rows if service in (None, row["service"])),
                      key=lambda row: (row["service"], row["slot"], row["generation"]))

    def worker(self, slot=0):
        return next(row for row in self.workers() if row["slot"] == slot)

    def turns(self, slot=None):
        """Turns of a worker's loop so far, or of the master's."""
        return self.status()["master"]["turns"] if slot is None else self.worker(slot)["turns"]

    @contextlib.contextmanager
    def not_spinning(self, seconds, slot=None):
        """The loop waits meanwhile: it makes fewer turns than TURNS_A_SECOND allow. A spinning loop
        makes a thousand times as many, also on a slow machine; CPU time would depend on others."""
        started, before = time.monotonic(), self.turns(slot)
        yield
        let_pass(started + seconds - time.monotonic())  # the span in which turns are counted
        turns = self.turns(slot) - before
        most = TURNS_A_SECOND * (time.monotonic() - started)
        assert turns <= most, f"{turns} turns, more than {most:.0f}"

    def is_ready(self):
        done = self.verb("status", "--json")
        if done.returncode != 0:
            return False
        rows = json.loads(done.stdout)["workers"]
        return bool(rows) and all(row["state"] == "ready" for row in rows)

    def wait_ready(self, timeout=0):
        wait_for(self.is_ready, timeout, "all workers ready")

    def connections(self):
        return self._ask("connections")["connections"]

    def master_pid(self):
        return int((self.run_dir / "crewman.pid").read_text())

    def worker_pids(self):
        return [row["pid"] for row in self.workers() if row["pid"]]

    def processes(self):
        """Every living process of this instance, by the mark in its environment."""
        found = []
        needle = f"{MARK}={self.mark}".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    if needle in Path(f"/proc/{entry}/environ").read_bytes() \
                            and is_alive(int(entry)):
                        found.append(int(entry))
                except OSError:
                    continue
        return found

    def users(self):
        """Living processes, ours aside, that have something of the folder open or are in it; by that
        also one is found that has lost its mark."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                with contextlib.suppress(OSError):
                    places = [*links(entry), os.readlink(f"/proc/{entry}/cwd")]
                    if any(place.startswith(f"{self.folder}/") for place in places):
                        found.append(int(entry))
        return found

    def _living_master(self):
        """The pid of a master that can write a log now; else None."""
        try:
            pid = self.process.pid if self.process is not None else self.master_pid()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return pid if state_of(pid) not in ("T", "Z") else None

    def _is_log_settled(self):
        master = self._living_master()
        if master is None:
            return True
        pids = children(master)
        if any(not is_alive(pid) or has_unread_output(pid) for pid in pids):
            return False
        where = ["-c", str(self.config_path)] if self.config_path.exists() else \
            ["--run-dir", str(self.run_dir)]
        done = self.run("status", "--json", *where)
        return done.returncode != 0 or not json.loads(done.stdout)["master"].get("log_waiting", 0)

    def written_log(self):
        """What stands in the log; nothing when it is a device."""
        return self.log_path.read_text(errors="replace") if self.log_path.is_file() else ""

    def log(self):
        """What was logged so far, by children too that wrote their last line a moment ago."""
        wait_for(self._is_log_settled, 20, "the log to be written")
        return self.written_log()

    def wait_log(self, pattern, timeout=0, count=1):
        """Waits until that many lines match; answers the matches."""
        def found():
            hits = list(re.finditer(pattern, self.written_log(), re.M))
            return hits if len(hits) >= count else None
        try:
            return wait_for(found, timeout)
        except WaitRanOut:
            raise WaitRanOut(f"not in the log: {pattern}\n{self.written_log()}") from None

    def expect_errors(self, *patterns):
        self.expected_errors += patterns

    def check_ended_in_time(self):
        """The master kills a worker that is two seconds behind the deadline of its end. One that was
        held up for so long is a wait that ran out; one that never ends fails the second try too."""
        late = "it did not end within"
        if late in self.log():
            self.expect_errors(late)
            raise WaitRanOut(f"a worker was killed\n{self.written_log()}")

    # -- the end

    def errors(self):
        """Lines of level error that the test did not announce, and what sanitizers found."""
        found = []
        for line in self.written_log().splitlines():
            match = LOG_LINE.match(line)
            if match and match[1] == "error" and \
                    not any(re.search(pattern, line) for pattern in self.expected_errors):
                found.append(line)
        for report in sorted(self.folder.glob("sanitizer.*")):
            found.append(report.read_text(errors="replace"))
        return found

    def _note_dead_master(self):
        """One that ends by itself takes its pid file with it."""
        if self.process is not None:
            note_end(self.process.poll(), "the master")
        elif (self.run_dir / "crewman.pid").exists() and not is_alive(self.master_pid()):
            against_second_try("the master died")

    def clean_up(self):
        """Stops what runs; answers what should not have been there, as lines."""
        faults = []
        self._note_dead_master()
        try:
            if self.processes() and self.config_path.exists():
                self.verb("stop", timeout=30)
        except subprocess.TimeoutExpired:
            faults.append("`crewman stop` did not return")
        deadline = time.monotonic() + LONG
        while self.processes() and time.monotonic() < deadline:
            if self.process is not None:
                self.process.poll()
            time.sleep(0.02)
        for pid in self.processes():
            faults.append(f"process {pid} was left: " + Path(f"/proc/{pid}/cmdline").read_bytes()
                          .replace(b"\0", b" ").decode(errors="replace"))
            os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(LONG)
        faults += self.errors()
        if faults:
            faults.append(self.written_log()[-8000:])
        shutil.rmtree(self.folder, ignore_errors=True)
        return faults


@contextlib.contextmanager
def held(instance, service=None):
    """What is sent meanwhile is all there when the worker goes on."""
    worker = next(row["pid"] for row in instance.workers(service) if row["pid"])
    suspend(worker)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)
