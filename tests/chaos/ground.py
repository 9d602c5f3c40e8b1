"""The instance that is treated badly: its config, its disk, and the balance at the end."""

import subprocess
from contextlib import contextmanager

import crew
from mischief import Mischief
from traffic import Traffic

SERVICES = {"chat": "websocket", "pages": "http", "lines": "text", "packets": "udp"}
ERRORS = ["SIGKILL", "SIGSEGV", "SIGABRT", "watchdog", "no beat", "reload", "wrokers",
          "crewman.json", "lost"]


def config_of(folder, ports):
    services = {name: {"listen": f"{scheme}://127.0.0.1:{ports[name]}",
                       "workers": 1 if scheme == "udp" else 2}
                for name, scheme in SERVICES.items()}
    # A machine that is busy gives a process no turn for seconds: that is no fault of anybody.
    services["chat"]["listen"] = f"websocket://0.0.0.0:{ports['chat']}"
    services["chat"]["heartbeat"] = {"ping_interval": "5s", "idle_timeout": "20s"}
    return {"app": str(folder / "mixed.so"), "services": services, "watchdog": "10s",
            "reload_spread": "100ms", "stop_timeout": "5s", "drain_timeout": "5s",
            "log": {"file": str(folder / "disk" / "crewman.log")}}


@contextmanager
def small_disk(folder):
    """A file system of 1 MiB for the log, or a plain folder where mounting is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    disk.chmod(0o755)
    is_mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", disk],
                                capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", disk], check=True)


def descriptors(instance):
    """How many each process of it has open, sorted; the master's first."""
    master = instance.master_pid()
    return crew.fd_count(master), {
        row["service"]: crew.fd_count(row["pid"]) for row in instance.workers()}


def balance(instance, before):
    """With the clients gone, everything is as it was before the first came."""
    def has_settled():
        rows = instance.workers()
        return all(row["connections"] == 0 for row in rows) and descriptors(instance) == before
    crew.wait_for(has_settled, 30, f"no connections, and descriptors as before: {before}, found "
                                   f"{descriptors(instance)}")


class Ground:
    """One instance, its traffic and its mischief; with a far host also clients behind a wire."""

    def __init__(self, instance, seed, far_host=None):
        self.instance = instance
        instance.expect_errors(*ERRORS)
        self.ports = {name: crew.free_port() for name in SERVICES}
        self.mischief = Mischief(instance, seed, far_host, self.ports["chat"])

    def run(self, deeds, tell=lambda line: None):
        """Every deed that `deeds` names, in traffic, then the balance; raises what is wrong."""
        with small_disk(self.instance.folder) as is_mounted:
            if not is_mounted:
                self.mischief.forget("fill_the_disk")
            self.mischief.write_app("mixed")
            self.instance.write_config(config_of(self.instance.folder, self.ports))
            self.instance.start()
            before = descriptors(self.instance)
            with Traffic(self.ports) as traffic:
                for deed in deeds:
                    self.mischief.act(deed)
                    tell(f"{self.mischief.done[-1]}: {len(traffic.losses)} losses")
            self.judge(traffic)
            balance(self.instance, before)
            self.instance.stop()
            self.assert_nothing_is_left()
        return traffic

    def judge(self, traffic):
        strange = [str(loss) for loss in traffic.losses if not self.mischief.explains(loss)]
        assert not strange, "\n".join([*strange[:20], f"{len(strange)} in all, after:",
                                       " ".join(self.mischief.done), self.instance.log()[-8000:]])
        assert set(traffic.answers) >= set(SERVICES), traffic.answers

    def assert_nothing_is_left(self):
        assert not self.instance.processes()
        left = [file.name for file in self.instance.run_dir.iterdir()
                if file.is_socket() or file.suffix == ".pid"]
        assert not left, left
        for name, port in self.ports.items():
            assert SERVICES[name] == "udp" or crew.refuses(port), f"{name} still listens"
