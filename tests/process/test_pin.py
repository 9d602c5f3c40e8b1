"""What a generation runs is what was there when it was made: programs and apps are held and pinned."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import crew
from ws import WebSocket


@pytest.fixture
def copied(probe):
    """An instance whose programs are copies in instance.folder / "bin"."""
    def start(**options):
        instance = probe(is_started=False, **options)
        programs = instance.folder / "bin"
        programs.mkdir()
        shutil.copy(crew.CREWMAN, programs)
        shutil.copy(crew.WORKER, programs)
        instance.start_copy = lambda: subprocess.run(
            [programs / "crewman", "start", "-d", "-q", "-c", instance.config_path],
            capture_output=True, text=True, env=instance.env, timeout=60 * crew.PATIENCE)
        instance.bin = programs
        return instance
    return start


def replace_a_worker(instance):
    """Kills the worker and answers whom the next connection finds."""
    instance.expect_errors("SIGKILL")
    old = next(row["pid"] for row in instance.workers() if row["state"] == "ready")
    os.kill(old, signal.SIGKILL)
    crew.wait_for(lambda: instance.is_ready() and old not in instance.worker_pids(), 10,
                  "a replacement")
    with WebSocket(instance.port) as client:
        return client.ask("!who")


@pytest.fixture
def mine(probe):
    """An instance whose app is a copy, instance.app; it is not started."""
    def make(app="probe", name="mine.so", **options):
        instance = probe(is_started=False, **options)
        instance.app = instance.folder / name
        shutil.copyfile(crew.app(app), instance.app)
        instance.config["app"] = str(instance.app)
        instance.write_config(instance.config)
        return instance
    return make


def put(instance, source):
    """As a deployment does that is done right."""
    fresh = instance.folder / "fresh"
    if isinstance(source, bytes):
        fresh.write_bytes(source)
    else:
        shutil.copyfile(source, fresh)
    fresh.rename(instance.app)


def test_an_app_written_in_place_changes_nothing_before_a_reload(mine):
    """`cp` truncates the file under the workers that run it."""
    instance = mine(workers=2)
    instance.start()
    pids = instance.worker_pids()
    with WebSocket(instance.port) as one, WebSocket(instance.port) as two:
        shutil.copyfile(crew.app("probe_v2"), instance.app)
        for _ in range(20):
            assert one.ask("!who").split()[-1] == two.ask("!who").split()[-1] == "1"
        instance.app.write_bytes(b"")
        assert one.ask("!who").split()[-1] == two.ask("!who").split()[-1] == "1"
        assert instance.worker_pids() == pids
    shutil.copyfile(crew.app("probe_v2"), instance.app)
    instance.reload()
    with WebSocket(instance.port) as client:
        assert client.ask("!who").endswith(" 2 2")


@pytest.mark.parametrize("content", ["newer", "broken", "half", "none"])
def test_a_worker_that_is_replaced_runs_what_was_proven(mine, content):
    instance = mine()
    instance.expect_errors("reload:")
    instance.start()
    bytes_of = Path(crew.app("probe_v2")).read_bytes()
    put(instance, {"newer": bytes_of, "broken": b"nonsense" * 100,
                   "half": bytes_of[:len(bytes_of) // 2], "none": b""}[content])
    if content == "none":
        instance.app.unlink()
    assert replace_a_worker(instance) == "probe 0 1 1"
    if content != "newer":
        assert str(instance.app) in instance.reload(expect=1).stderr
        assert replace_a_worker(instance) == "probe 0 1 1"
    put(instance, bytes_of)
    instance.reload()
    assert replace_a_worker(instance) == "probe 0 2 2"


def test_a_file_that_is_cut_short_is_called_so(mine):
    instance = mine()
    whole = instance.app.read_bytes()
    for part in (whole[:len(whole) // 2], whole[:-1], whole[:20]):
        put(instance, part)
        done = instance.start(expect=1)
        assert re.search(rf"{instance.app}: cut short: its headers ask for [0-9]+ bytes, found "
                         rf"{len(part)}; copy it whole", done.stderr), done.stderr


@pytest.mark.parametrize("what, text", [("folder", "not a file"), ("fifo", "not a file"),
                                        ("text", "not a shared object"),
                                        ("missing", "No such file or directory")])
def test_what_is_no_app_is_refused_by_name(mine, what, text):
    instance = mine()
    instance.app.unlink()
    if what == "folder":
        instance.app.mkdir()
    elif what == "fifo":
        os.mkfifo(instance.app)
    elif what == "text":
        instance.app.write_text("hello")
    assert f"{instance.app}: {text}" in instance.start(expect=1).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_of_another_user_load_what_they_can_no_longer_read(mine):
    instance = mine(user="nobody")
    instance.start()
    instance.app.chmod(0)
    assert replace_a_worker(instance) == "probe 0 1 1"


def test_a_pool_that_is_not_reloaded_keeps_its_code(mine):
    instance = mine(reloadable=False)
    instance.start()
    put(instance, crew.app("probe_v2"))
    instance.reload()
    assert replace_a_worker(instance).endswith(" 1")
    put(instance, crew.app("no_symbol"))
    instance.expect_errors("reload:")
    instance.reload(expect=1)
    assert replace_a_worker(instance).endswith(" 1")


def copies_of(pid, name):
    """Descriptors of the copy in that process."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(entry) == f"/memfd:{name} (deleted)":
            found.append(entry)
    return found


def test_the_copy_is_sealed_and_nobody_can_write_to_it(mine):
    instance = mine(workers=2)
    instance.start()
    instance.reload()
    crew.wait_for(lambda: len(instance.processes()) == 3, 10, "the old workers' end")
    for pid in instance.processes():
        copies = copies_of(pid, "mine.so")
        assert len(copies) == 1, f"{pid}: one of the generation in force"
        flags = re.search(r"flags:\s*([0-7]+)", Path(
            f"/proc/{pid}/fdinfo/{copies[0].name}").read_text())[1]
        assert int(flags, 8) & os.O_ACCMODE == os.O_RDONLY
        with open(copies[0], "rb") as file:
            seals = fcntl.fcntl(file, fcntl.F_GET_SEALS)
        assert seals & 15 == 15, seals  # write, grow, shrink, seal


def test_an_app_cannot_change_its_own_copy(mine, tmp_path):
    tmp_path.chmod(0o777)
    said = tmp_path / "said"
    instance = mine("grabs", name="grabs.so", env={"GRABS": str(said)})
    instance.start()
    assert set(said.read_text().split()) == {"refused"}


def test_without_pin_a_worker_loads_what_is_there_now(mine):
    instance = mine(top={"pin": False})
    instance.start()
    assert str(instance.app) in Path(f"/proc/{instance.worker_pids()[0]}/maps").read_text()
    put(instance, crew.app("probe_v2"))
    assert replace_a_worker(instance) == "probe 0 1 2"


def test_a_reload_takes_pin_back_and_brings_it_again(mine):
    instance = mine()
    instance.start()
    for pin in (False, True):
        instance.config["pin"] = pin
        instance.write_config(instance.config)
        instance.reload()
        crew.wait_for(lambda: len(instance.processes()) == 2, 10, "the old worker's end")
        assert len(copies_of(instance.worker_pids()[0], "mine.so")) == pin


@pytest.fixture
def beside(mine):
    """Its app finds libbeside.so by $ORIGIN/lib."""
    def make(**options):
        instance = mine("finds", **options)
        instance.beside = instance.folder / "lib" / "libbeside.so"
        instance.beside.parent.mkdir()
        shutil.copy(crew.app("libbeside"), instance.beside)
        return instance
    return make


def test_a_library_beside_the_app_is_found_and_named(beside):
    instance = beside(top={"log": {"level": "info"}})
    checked = instance.verb("check")
    note = f"{instance.beside} is loaded by its path and not pinned"
    assert checked.returncode == 0 and f"note: {note}" in checked.stderr
    instance.start()
    instance.wait_log(re.escape(note))
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "beside 1"


def test_a_library_beside_the_app_with_another_soname_is_refused(beside):
    instance = beside()
    shutil.copy(crew.app("libother"), instance.beside)
    done = instance.start(expect=1)
    assert f'{instance.beside} has the soname "libother.so", expected "libbeside.so"' in done.stderr
    instance.config["pin"] = False
    instance.write_config(instance.config)
    instance.start()
    with WebSocket(instance.port) as client:
        assert client.ask("hello") == "beside 2"


def test_a_library_beside_the_app_that_is_missing_is_named(beside):
    instance = beside()
    instance.beside.unlink()
    assert "libbeside.so" in instance.start(expect=1).stderr


NO_PROGRAM = "#!/bin/sh\nexit 9\n"


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_workers_run_the_program_that_was_there_at_the_start(copied, change):
    """As while a package is being upgraded."""
    instance = copied()
    assert instance.start_copy().returncode == 0
    worker = instance.bin / "crewman-worker"
    worker.unlink()
    if change == "replaced":
        worker.write_text(NO_PROGRAM)
        worker.chmod(0o755)
    assert replace_a_worker(instance) == "probe 0 1 1"
    instance.reload()
    assert replace_a_worker(instance) == "probe 0 2 1"


def test_without_pin_workers_run_the_program_that_is_there_now(copied):
    instance = copied(top={"pin": False})
    instance.expect_errors("reload:")
    assert instance.start_copy().returncode == 0
    worker = instance.bin / "crewman-worker"
    worker.unlink()
    assert f"cannot start {worker}: no such file" in instance.reload(expect=1).stderr
    shutil.copy(crew.WORKER, worker)
    assert replace_a_worker(instance) == "probe 0 1 1"


def test_a_worker_program_that_is_not_there_fails_the_start(copied):
    instance = copied()
    (instance.bin / "crewman-worker").unlink()
    done = instance.start_copy()
    assert done.returncode == 1
    assert done.stderr == f"crewman: {instance.bin}/crewman-worker: No such file or directory; " \
                          "expected it beside crewman\n"
    assert not instance.processes()
