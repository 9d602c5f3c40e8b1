"""meson install, an app built outside the tree with pkg-config, and the installed programs."""

import os
import subprocess

import pytest

import crew
from ws import WebSocket


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The files as `meson install` puts them, under a DESTDIR."""
    root = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", str(crew.BUILD), "--no-rebuild", "--quiet"],
                   env={**os.environ, "DESTDIR": str(root)}, check=True, capture_output=True)
    return root / "usr" / "local"


def test_programs_header_and_pkg_config_are_in_place(prefix):
    assert os.access(prefix / "bin" / "crewman", os.X_OK)
    assert os.access(prefix / "bin" / "crewman-worker", os.X_OK)
    assert (prefix / "include" / "crewman.h").is_file()
    assert (prefix / "include" / "crewman" / "uv.h").is_file()
    assert len(list(prefix.rglob("crewman.pc"))) == 1
    assert (prefix / "share" / "man" / "man1" / "crewman.1").is_file()
    assert (prefix / "share" / "man" / "man8" / "crewman-worker.8").is_file()


def test_an_app_builds_outside_the_tree_and_runs(prefix, instances, tmp_path):
    port = crew.free_port()
    source = (crew.ROOT / "examples" / "echo" / "echo.c").read_text()
    (tmp_path / "app.c").write_text(source.replace("0.0.0.0:2346", f"127.0.0.1:{port}"))
    pc_folder = next(prefix.rglob("crewman.pc")).parent
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc_folder),
           "PKG_CONFIG_SYSROOT_DIR": str(prefix.parent.parent)}
    subprocess.run("cc -shared -fPIC app.c $(pkg-config --cflags crewman) -o app.so", shell=True,
                   check=True, cwd=tmp_path, env=env)
    instance = instances({"app": str(tmp_path / "app.so")})
    crewman = str(prefix / "bin" / "crewman")
    done = subprocess.run([crewman, "start", "-d", "-c", str(instance.config_path)],
                          env=instance.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with WebSocket(port) as client:
        assert client.ask("hello") == "hello"
    assert subprocess.run([crewman, "stop", "-c", str(instance.config_path)],
                          env=instance.env).returncode == 0


def test_pkg_config_knows_the_version(prefix):
    pc_folder = next(prefix.rglob("crewman.pc")).parent
    done = subprocess.run(["pkg-config", "--modversion", "crewman"], check=True, text=True,
                          capture_output=True,
                          env={**os.environ, "PKG_CONFIG_PATH": str(pc_folder)})
    header = (prefix / "include" / "crewman.h").read_text()
    assert f'#define CREW_VERSION "{done.stdout.strip()}"' in header
