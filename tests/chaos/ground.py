"""The instance that is treated badly: its config, its disk, and the balance at the end."""

import collections
import re
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import crew
from clients import INNOCENTS
from mischief import Mischief, write_files
from traffic import PATIENCE, Traffic
from vandals import VANDALS
from waits import against_second_try

SERVICES = {"chat": "websocket", "pages": "http", "lines": "text", "packets": "udp", "files": "http"}
OBITUARY = re.compile(r" (\S+)/\d+: pid (\d+) (killed by|exited|ended)")
EXPECTED = [r"reload: ", r"in on_worker_start;", r"on_worker_start answered -1"]
LIMITS = {"memory": "1m", "max_message": "400k", "max_body": "400k"}


def config_of(folder, ports):
    services = {name: {"listen": f"{scheme}://127.0.0.1:{ports[name]}",
                       "workers": 1 if name in ("packets", "files") else 2,
                       "limits": dict(LIMITS) if name != "packets" else {}}
                for name, scheme in SERVICES.items()}
    # A machine that is busy gives a process no turn for seconds: that is no fault of anybody.
    services["chat"]["listen"] = f"websocket://0.0.0.0:{ports['chat']}"
    services["chat"]["heartbeat"] = {"ping_interval": "5s", "idle_timeout": "20s"}
    services["chat"]["limits"] |= {"auth_timeout": "30s", "max_connections_per_address": 60,
                                   "handshakes_per_address": 100}
    services["pages"]["limits"] |= {"requests_per_address": 700}
    services["pages"]["session"] = {"dir": str(folder / "disk" / "sessions")}
    services["files"] |= {"kind": "static", "static": {"root": str(folder / "files")}}
    return {"app": str(folder / "mixed.so"), "services": services, "watchdog": "10s",
            "reload_spread": "100ms", "stop_timeout": "20s", "drain_timeout": "5s",
            "run_dir": str(folder / "disk" / "run"),
            "log": {"file": str(folder / "disk" / "crewman.log")}}


@contextmanager
def small_disk(folder):
    """A file system of 1 MiB for log, run_dir and sessions, or a plain folder where mounting is not
    allowed."""
    disk = folder / "disk"
    disk.mkdir()
    disk.chmod(0o755)
    is_mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", disk],
                                capture_output=True).returncode == 0
    (disk / "sessions").mkdir(0o700)
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", disk], check=True)


def descriptors(instance):
    """How many each process of it has open, and that each child of the master lives."""
    master = instance.master_pid()
    zombies = [pid for pid in crew.children(master) if not crew.is_alive(pid)]
    return {"zombies": zombies, "master": crew.fd_count(master),
            **{(row["service"], row["slot"]): crew.fd_count(row["pid"])
               for row in instance.workers()}}


def descriptors_at_rest(instance):
    """What a worker has just been handed is closed when it has answered for its connections."""
    def look():
        assert instance.verb("connections").returncode == 0
        return descriptors(instance) | {"zombies": []}
    looks = [look(), look(), look()]
    return {who: min(one[who] for one in looks) for who in looks[0]}


def balance(instance, before, patience):
    """With the clients gone, everything is as it was before the first came."""
    def has_settled():
        rows = instance.workers()
        return all(row["connections"] == 0 and row["memory"] == 0 for row in rows) \
            and descriptors(instance) == before
    try:
        crew.wait_for(has_settled, patience / crew.PATIENCE)
    except crew.WaitRanOut:
        raise AssertionError(f"connections, memory or descriptors are left, before: {before}\n"
                             f"{descriptors(instance)}\n{instance.workers()}") from None


def shared_memory():
    """With our name; there are other people on the machine."""
    return {file.name for file in Path("/dev/shm").glob("*crew*")}


class Ground:
    """One instance, its traffic and its mischief; with a far host also clients behind a wire."""

    def __init__(self, instance, seed, far_host=None):
        self.instance = instance
        instance.expect_errors(".*")  # judge_log() knows better
        self.temp = instance.folder / "temp"
        self.temp.mkdir()
        instance.env["TMPDIR"] = str(self.temp)
        instance.run_dir = instance.folder / "disk" / "run"
        self.ports = {name: crew.free_port() for name in SERVICES}
        self.mischief = Mischief(instance, seed, far_host, self.ports)
        self.patience = PATIENCE
        self.reasons = collections.Counter()
        self.shared_memory = shared_memory()

    def run(self, deeds, tell=lambda line: None):
        """Every deed that `deeds` names, in traffic, then the balance; raises what is wrong."""
        with small_disk(self.instance.folder) as is_mounted:
            if not is_mounted:
                self.mischief.forget("fill_the_disk")
            self.mischief.write_app("mixed")
            for letter in "ab":
                write_files(self.instance.folder / f"files-{letter}", letter.encode())
            (self.instance.folder / "files").symlink_to("files-a")
            self.instance.write_config(config_of(self.instance.folder, self.ports))
            self.instance.start()
            before = descriptors_at_rest(self.instance)
            try:
                traffic = self.run_traffic(deeds, tell)
                balance(self.instance, before, self.patience)
                self.totals = self.instance.status()
                self.instance.stop()
                self.assert_nothing_is_left()
            except BaseException:
                self.stop_it()
                raise
            finally:
                log = self.read_log()
            self.judge_log(log)
        return traffic

    def stop_it(self):
        """While its run_dir is there: without, no verb finds it."""
        with suppress(subprocess.TimeoutExpired):
            self.instance.verb("stop", timeout=60 * crew.PATIENCE)

    def run_traffic(self, deeds, tell):
        with Traffic(self.ports, INNOCENTS | VANDALS) as traffic:
            self.mischief.ledger.wait_for_answers = lambda: (
                self.judge(traffic), traffic.wait_for_answers(self.patience))
            self.mischief.ledger.wait_for_answers()
            for deed in deeds:
                self.mischief.act(deed)
                tell(f"{self.mischief.done[-1]}: {len(traffic.losses)} losses")
        self.judge(traffic)
        assert set(traffic.answers) == {kind.kind for kind in INNOCENTS}, traffic.answers
        return traffic

    def judge(self, traffic):
        """What the clients have lost since the last time."""
        strange = []
        for loss in traffic.losses[sum(self.reasons.values()):]:
            reason = self.mischief.ledger.explanation(loss)
            self.reasons[reason] += 1
            strange += [loss] if reason is None else []
        if not strange:
            return
        text = "\n".join([*map(str, strange[:20]), f"{len(strange)} losses are not explained, after:",
                          " ".join(self.mischief.done), self.instance.written_log()[-8000:]])
        if all(loss.is_a(TimeoutError) for loss in strange):
            raise crew.WaitRanOut(text)
        against_second_try(text)
        raise AssertionError(text)

    def read_log(self):
        """All files of it, also those that were put aside."""
        return "\n".join(file.read_text(errors="replace") for file in
                         sorted(self.instance.log_path.parent.glob("crewman.*")) if file.is_file())

    def judge_log(self, log):
        """Who died was killed, or did not pass a reload; nothing else is an error but a reload."""
        strange = []
        for line in log.splitlines():
            match = crew.LOG_LINE.match(line)
            death = OBITUARY.search(line)
            if not match or match[1] != "error":
                continue
            if death and int(death[2]) in self.mischief.ledger.killed:
                continue
            if not any(re.search(pattern, line) for pattern in EXPECTED):
                strange.append(line)
        assert not strange, "\n".join(strange)

    def assert_nothing_is_left(self):
        instance = self.instance
        left = {*instance.processes(), *instance.users()}
        assert not left, f"processes are left: {left}"
        left = [file.name for file in [*instance.run_dir.iterdir(), *self.temp.iterdir()]]
        assert not left, f"files are left: {left}"
        left = [file.name for file in (instance.folder / "disk" / "sessions").iterdir()
                if file.name.startswith(".")]
        assert len(left) <= len(self.mischief.ledger.killed), f"temporary files are left: {left}"
        left = shared_memory() - self.shared_memory
        assert not left, f"shared memory is left: {left}"
        left = [line for name in ("tcp", "tcp6", "udp", "udp6", "unix")
                for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
                if self.is_ours(line.split())]
        assert not left, f"sockets are left: {left}"

    def is_ours(self, fields):
        """A socket with one of our ports that is not dying, or with a name in our folder."""
        if fields[0].endswith(":") and len(fields) > 9 and ":" in fields[1] and fields[9] != "0":
            return int(fields[1].split(":")[1], 16) in self.ports.values()
        return fields[-1].startswith(str(self.instance.folder))
