"""What is done to an instance while clients talk to it.

Each deed is drawn by lot, is followed by a look at the whole (every worker ready again, every client
answered), and writes into the ledger what it excuses: the processes that it killed, and the times in
which nobody listened. A loss that no deed excuses is a fault of Crewman.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import crew
from clients import FILE_BYTES
from ledger import ABSENCE, DRAIN, FULL_DISK, SILENCE, Ledger

FAR_CLIENT = str(Path(__file__).resolve().parent / "far_client.py")
RECOVERY = 60  # seconds in which every worker is ready again, back-off included
FAR_CLIENTS = 20
BROKEN_APPS = ["mixed_fails", "mixed_dies", "mixed_lingers", "wrong_abi"]
# A sanitizer takes the signal of a fault for a fault.
DEATHS = [signal.SIGKILL, signal.SIGABRT] + ([] if crew.IS_SANITIZED else [signal.SIGSEGV])


class Mischief:
    def __init__(self, instance, seed, far_host, ports):
        self.instance = instance
        self.far_host, self.ports = far_host, ports
        self.lot = random.Random(seed)
        self.weights = dict(self.DEEDS)
        if far_host is None:
            self.forget("cut_the_wire")
        self.ledger = Ledger()
        self.done = []
        self.is_second_version = False

    def forget(self, deed):
        """It cannot be done here."""
        del self.weights[deed]

    def kill(self, row, number):
        """Only a child that a deed chose dies without a reason of its own."""
        self.ledger.note_kill(row["pid"], row["service"])
        try:
            os.kill(row["pid"], number)
        except ProcessLookupError:
            pass

    # -- deeds

    def worker(self):
        """A serving process by lot; None when there is none just now."""
        return self.lot.choice(self.workers() or [None])

    def workers(self):
        return [row for row in self.instance.workers() if row["pid"]]

    def kill_a_worker(self):
        row = self.worker()
        if row:
            self.kill(row, self.lot.choice(DEATHS))

    def kill_all_workers(self):
        for row in self.workers():
            self.kill(row, signal.SIGKILL)

    def stop_a_worker_for_a_moment(self):
        row = self.worker()
        if row:
            crew.suspend(row["pid"])
            crew.let_pass(self.lot.random())
            os.kill(row["pid"], signal.SIGCONT)

    def freeze_a_worker(self):
        """The watchdog kills it."""
        row = self.worker()
        if row:
            self.kill(row, signal.SIGSTOP)
            crew.wait_for(lambda: not crew.is_alive(row["pid"]), RECOVERY, "the watchdog")

    def stop_the_master_for_a_moment(self):
        """Nobody who is served notices."""
        pid = self.instance.master_pid()
        crew.suspend(pid)
        crew.let_pass(self.lot.random() * 2)
        os.kill(pid, signal.SIGCONT)

    def reload(self):
        self.is_second_version = not self.is_second_version
        self.write_app(self.version())
        with self.ledger.span(DRAIN):
            self.instance.reload(*self.lot.choice([[], ["-g"]]), timeout=120)
            self.wait_for_drains()

    def wait_for_drains(self):
        """The last of the old workers were told as the reload was over."""
        crew.wait_for(lambda: all(row["state"] != "draining" for row in self.instance.workers()),
                      RECOVERY, "the end of the drains")

    def reload_what_cannot_start(self):
        """A wrong config, or an app that dies, fails or hangs before it is ready: nothing changes."""
        before = self.instance.status()["master"]["generation"]
        config = self.instance.config_path.read_text()
        wrong = self.lot.choice(["wrokers", "workers\": -", *BROKEN_APPS])
        if wrong in BROKEN_APPS:
            self.write_app(wrong)
            self.instance.config_path.write_text(config.replace(
                '"watchdog"', '"start_timeout": "2s", "watchdog"', 1))
        else:
            self.instance.config_path.write_text(config.replace('"workers"', f'"{wrong}"', 1))
        with self.ledger.span(DRAIN):  # of the canaries that were good, also
            done = self.instance.verb("reload", timeout=120)
            self.instance.config_path.write_text(config)
            self.write_app(self.version())
            self.wait_for_drains()
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert self.instance.status()["master"]["generation"] == before

    def version(self):
        return "mixed_v2" if self.is_second_version else "mixed"

    def move_a_service(self):
        """Between all addresses and one, there and back: nobody is refused."""
        config = self.instance.config_path.read_text()
        port = self.ports["lines"]
        here, there = f"127.0.0.1:{port}", self.lot.choice([f"0.0.0.0:{port}", f"[::]:{port}"])
        with self.ledger.span(DRAIN):
            self.instance.config_path.write_text(config.replace(here, there))
            self.instance.reload(timeout=120)
            self.wait_for_drains()
            self.instance.config_path.write_text(config)
            self.instance.reload(timeout=120)
            self.wait_for_drains()

    def flip_the_files(self):
        """A link to another folder, and the folder itself removed and made again."""
        new = self.instance.folder / "link"
        new.symlink_to(self.lot.choice(["files-a", "files-b"]))
        new.rename(self.instance.folder / "files")
        folder = self.instance.folder / "files-a"
        with self.ledger.span(ABSENCE):
            shutil.rmtree(folder)
            write_files(folder, b"a")

    def kill_during_a_reload(self):
        reload = subprocess.Popen(
            [str(crew.CREWMAN), "reload", "-c", str(self.instance.config_path)],
            env=self.instance.env, cwd=self.instance.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with self.ledger.span(DRAIN):
            self.kill_a_worker()
            assert reload.wait(120 * crew.PATIENCE) in (0, 1)  # it may have been the canary
            self.wait_for_drains()

    def kill_the_master(self):
        """Its workers drain and end; another takes its place."""
        pid = self.instance.master_pid()
        with self.ledger.span(SILENCE, DRAIN):
            os.kill(pid, signal.SIGKILL)
            crew.wait_for(lambda: not self.instance.processes(), RECOVERY, "the orphans' end")
            self.instance.start()

    def stop_and_start(self):
        with self.ledger.span(SILENCE, DRAIN):
            self.instance.stop(*self.lot.choice([[], ["-g"]]))
            assert not self.instance.processes()
            self.instance.start()

    def take_the_log_away(self):
        log = self.instance.log_path
        log.rename(log.with_suffix(f".{len(self.done)}"))
        done = self.instance.verb("reopen-logs")
        assert done.returncode == 0, done.stderr

    def fill_the_disk(self):
        """Of log, run_dir and sessions, while it goes on."""
        disk = self.instance.log_path.parent
        with self.ledger.span(FULL_DISK):
            with open(disk / "ballast", "wb", buffering=0) as ballast:
                try:
                    while ballast.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            self.kill_a_worker()
            self.recover()
            self.reload()
            self.reload_what_cannot_start()
            (disk / "ballast").unlink()

    def write_the_app_in_place(self):
        """Half of it, under the workers that run it; those that are replaced run it whole."""
        path = self.instance.folder / "mixed.so"
        whole = path.read_bytes()
        path.write_bytes(whole[:len(whole) // 2])
        self.kill_a_worker()
        self.recover()
        done = self.instance.verb("reload", timeout=120)  # which finds it before any worker starts
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        path.write_bytes(whole)

    def remove_run_dir(self):
        """As a cleaner does; the master makes it again."""
        removed = self.instance.run_dir.with_suffix(".removed")
        self.instance.run_dir.rename(removed)  # it may be made again while its files go
        shutil.rmtree(removed)
        crew.wait_for(lambda: self.instance.verb("status").returncode == 0, RECOVERY,
                      "run_dir to be made again")
        self.kill_a_worker()

    def make_the_log_a_pipe(self):
        """That nobody reads. What is lost is counted; nothing waits for it."""
        log = self.instance.log_path
        kept = log.with_suffix(f".{len(self.done)}")
        log.rename(kept)
        os.mkfifo(log)
        self.instance.verb("reopen-logs")
        self.kill_a_worker()
        self.recover()
        log.unlink()
        done = self.instance.verb("reopen-logs")
        assert done.returncode == 0, done.stderr

    def cut_the_wire(self):
        """To clients that are then gone without a word; the heartbeat finds every one."""
        with subprocess.Popen([*self.far_host.command(), sys.executable, FAR_CLIENT,
                               self.far_host.near, str(self.ports["chat"]), str(FAR_CLIENTS)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as far:
            assert far.stdout.readline() == "connected\n"
            assert self.far_connections() == FAR_CLIENTS
            self.far_host.set_wire("down")
            far.kill()
            crew.wait_for(lambda: self.far_connections() == 0, RECOVERY, "the reaper")
            self.far_host.set_wire("up")

    def far_connections(self):
        return sum(row["peer"].startswith(self.far_host.address + ":")
                   for row in self.instance.connections())

    def let_them_talk(self):
        """And nothing else."""
        for _ in range(20):
            self.ledger.wait_for_answers()

    def write_app(self, name):
        """As a deploy does that knows nothing of what runs: the new file beside, then a rename."""
        path = self.instance.folder / "mixed.so"
        new = path.with_suffix(".new")
        shutil.copyfile(crew.app(name), new)
        new.rename(path)

    DEEDS = {
        "kill_a_worker": 6, "kill_all_workers": 1, "stop_a_worker_for_a_moment": 2,
        "freeze_a_worker": 1, "stop_the_master_for_a_moment": 1, "reload": 3,
        "reload_what_cannot_start": 2, "kill_during_a_reload": 2, "kill_the_master": 1,
        "stop_and_start": 1, "take_the_log_away": 1, "fill_the_disk": 1, "cut_the_wire": 1,
        "write_the_app_in_place": 1, "remove_run_dir": 1, "make_the_log_a_pipe": 1,
        "move_a_service": 1, "flip_the_files": 2, "let_them_talk": 1,
    }

    def act(self, name=None):
        """One deed, by name or by lot, and the recovery behind it."""
        name = name or self.lot.choices(list(self.weights), list(self.weights.values()))[0]
        if name not in self.weights:
            return
        self.done.append(name)
        getattr(self, name)()
        self.recover()

    def recover(self):
        self.instance.wait_ready(RECOVERY)
        self.ledger.wait_for_answers()


def write_files(folder, letter):
    """As a deploy does: first beside, then in its place."""
    new = folder.with_suffix(".new")
    new.mkdir()
    (new / "file").write_bytes(letter * FILE_BYTES)
    new.rename(folder)
