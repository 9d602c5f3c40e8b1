"""What the documents say is true: names exist, links lead somewhere, commands work."""

import re
import signal
import subprocess

import pytest

import crew
from ws import WebSocket

README = crew.ROOT / "README.md"
VERBS = ("start", "stop", "restart", "reload", "status", "connections", "check", "reopen-logs",
         "version")


def documents():
    return [README, *crew.ROOT.glob("*.md"), *crew.ROOT.glob("docs/**/*.md"),
            *crew.ROOT.glob("examples/*/*.md")]


def public_names():
    text = "".join(path.read_text() for path in (crew.ROOT / "include").rglob("*.h"))
    for prefix, table in (("CREW_CLOSE_", "CREW_CLOSE_REASONS"), ("CREW_E", "CREW_ERRORS")):
        body = text[text.index(f"#define {table}(X)"):text.index("\n\n", text.index(table))]
        text += "".join(f" {prefix}{name} " for name in re.findall(r"X\((\w+),", body))
    return set(re.findall(r"\b(?:crew|CREW)_\w+", text)), text


def test_public_names_in_documents_exist():
    names, _ = public_names()
    known_elsewhere = {"crew_app_services_"}
    for path in (crew.ROOT / "docs" / "porting.md", README, crew.ROOT / "docs" / "app-guide.md"):
        for name in set(re.findall(r"\b(?:crew|CREW)_[A-Za-z0-9_]*[A-Za-z0-9]\b(?!\*|…)",
                                   path.read_text())) - known_elsewhere:
            assert name in names, f"{path.name} mentions {name}"


def test_callbacks_in_the_porting_table_exist():
    _, header = public_names()
    for name in set(re.findall(r"\bon_[a-z_]+[a-z]\b",
                               (crew.ROOT / "docs" / "porting.md").read_text())):
        assert re.search(rf"\(\*{name}\)", header), name


def test_links_lead_somewhere():
    for path in documents():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_config_keys_in_the_readme_exist():
    reference = (crew.ROOT / "docs" / "configuration.md").read_text()
    for key in ("ping_interval", "idle_timeout", "client_ping", "ping_data"):
        assert key in README.read_text() and key in reference


def test_help_and_man_page_list_the_same_verbs():
    helped = subprocess.run([crew.CREWMAN, "help"], capture_output=True, text=True).stdout
    man = (crew.ROOT / "docs" / "man" / "crewman.1").read_text().replace("\\-", "-")
    readme = README.read_text()
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", helped), verb
        assert re.search(rf"\b{verb}\b", man), verb
        assert re.search(rf"crewman {verb}\b", readme), verb


def test_man_pages_are_without_fault():
    for page in sorted((crew.ROOT / "docs" / "man").glob("*.[0-9]")):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], check=True,
                              capture_output=True, text=True)
        assert done.stderr == "", page


def guide_blocks():
    return re.findall(r"```c\n(.*?)```", (crew.ROOT / "docs" / "app-guide.md").read_text(), re.S)


@pytest.mark.parametrize("number", range(len(guide_blocks())))
def test_the_code_of_the_guide_compiles(number, tmp_path):
    """A block that is no whole app lacks the include and the descriptor, nothing else."""
    code = guide_blocks()[number]
    is_whole = "CREW_APP(" in code
    source = tmp_path / "app.c"
    source.write_text(code if "#include <crewman.h>" in code else "#include <crewman.h>\n" + code)
    done = subprocess.run(
        ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
         *([] if is_whole else ["-Wno-unused-function"]), "-shared", "-fPIC",
         f"-I{crew.ROOT / 'include'}", source, "-o", tmp_path / "app.so"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if is_whole:
        check = subprocess.run([crew.CREWMAN, "check", tmp_path / "app.so"], capture_output=True,
                               text=True)
        assert check.returncode == 0, check.stderr


def test_no_code_to_copy_ignores_the_answer_of_a_send():
    """What is ignored there is lost as soon as a client reads slowly."""
    code = [(path.name, block) for path in documents()
            for block in re.findall(r"```c\n(.*?)```", path.read_text(), re.S)]
    code += [(path.name, path.read_text()) for path in crew.ROOT.glob("examples/*/*.c")]
    sends = 0
    for name, text in code:
        sends += len(re.findall(r"crew_conn_send", text))
        for statement in re.findall(r"[;{})]\s*((?:\(void\)\s*)?crew_conn_send\w*\([^;]*;)", text):
            raise AssertionError(f"{name}: {statement}")
    assert sends > 10


def test_the_app_of_the_readme_is_the_echo_example():
    code = re.search(r"```c\n(.*?)```", README.read_text(), re.S)[1]
    example = (crew.ROOT / "examples" / "echo" / "echo.c").read_text()
    assert code.strip() in example


def test_the_two_commands_of_the_readme_exist():
    text = README.read_text()
    for command in ("scripts/run", "scripts/test"):
        assert command in text
        assert (crew.ROOT / command).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", str(crew.ROOT / command)], check=True)
    assert "scripts/test" in (crew.ROOT / ".ci" / "run").read_text()


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.skipif(crew.IS_SANITIZED, reason="scripts/run has a build of its own")
def test_scripts_run_builds_and_starts_the_echo_example(instances):
    instance = instances()
    instance.log_path = instance.folder / "terminal"
    with open(instance.log_path, "w") as out:
        instance.process = subprocess.Popen(
            [crew.ROOT / "scripts" / "run", "--run-dir", instance.run_dir], stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, env=instance.env)

    def is_started():
        log = instance.written_log()
        assert instance.process.poll() is None, log
        return re.search(r"^echo +websocket://0\.0\.0\.0:2346 .*ready", log, re.M)
    crew.wait_for(is_started, 500, "the echo example")
    with WebSocket(2346) as client:
        assert client.ask("hello") == "hello"
    instance.wait_log("python3 -m websockets ws://localhost:2346")
    instance.process.send_signal(signal.SIGINT)
    assert instance.process.wait(crew.LONG) == 0


def test_nothing_is_left_half_done():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for part in ("include", "common", "master", "worker", "examples", "docs", "scripts"):
        for path in (crew.ROOT / part).rglob("*"):
            if path.is_file():
                assert not marks.search(path.read_text(errors="replace")), path
