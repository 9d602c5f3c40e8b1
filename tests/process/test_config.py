"""check and the use of the config by a start; every case of a bad config is in the unit tests."""

import json

import crew


def test_check_prints_the_effective_config(probe):
    instance = probe(is_started=False)
    done = instance.verb("check")
    assert done.returncode == 0, done.stderr
    effective = json.loads(done.stdout[done.stdout.index("{"):])
    block = effective["services"]["probe"]
    assert block["heartbeat"]["ping_interval"] == "25s"
    assert block["heartbeat"]["idle_timeout"] in ("60s", "1m")
    assert block["limits"]["max_message"] == "10m"
    assert block["workers"] == 1
    assert effective["drain_timeout"] == "30s"


def test_what_check_prints_is_a_config(probe):
    instance = probe(is_started=False)
    first = instance.verb("check").stdout
    instance.write_config(first)
    assert instance.verb("check").stdout == first


def test_all_errors_are_listed_with_their_position(probe):
    instance = probe(is_started=False)
    instance.write_config(
        '{\n  "run_dir": "%s",\n  "app": "%s",\n  "stop_timeot": "2s",\n'
        '  "services": {\n    "probe": { "workers": 0,\n'
        '      "heartbeat": { "idle_timeout": "soon" } }\n  }\n}\n'
        % (instance.run_dir, crew.app("probe")))
    for verb in (["check"], ["start", "-d"]):
        done = instance.verb(*verb)
        assert done.returncode == 1
        path = str(instance.config_path)
        lines = done.stderr.splitlines()
        assert any(f"{path}:4:3: " in line and '"stop_timeout"' in line for line in lines), lines
        assert any(f"{path}:6:" in line and "workers" in line for line in lines), lines
        assert any(f"{path}:7:" in line and "idle_timeout" in line for line in lines), lines
    assert not instance.processes()


def test_a_service_that_no_app_declares(probe):
    instance = probe(is_started=False)
    instance.config["services"]["prob"] = {"workers": 1}
    instance.write_config(instance.config)
    done = instance.verb("check")
    assert done.returncode == 1
    assert '"probe"' in done.stderr  # the nearest name


def test_missing_file(instances):
    instance = instances()
    done = instance.verb("check")
    assert done.returncode == 1
    assert str(instance.config_path) in done.stderr and "No such file" in done.stderr


def test_the_sample_config_is_valid(instances):
    """Every key of etc/crewman.json, with the app and its service put in their place."""
    instance = instances()
    text = (crew.ROOT / "etc" / "crewman.json").read_text()
    done = instance.run("check", "-c", str(crew.ROOT / "etc" / "crewman.json"))
    assert "unknown key" not in done.stderr
    assert "//" in text


def test_a_config_of_an_example_starts(instances):
    for name in ("echo", "heartbeat", "telnet"):
        instance = instances()
        source = crew.ROOT / "examples" / name / f"{name}.json"
        text = source.read_text().replace(f'"{name}.so"', f'"{crew.EXAMPLES / name}.so"')
        instance.write_config(text)
        done = instance.verb("check")
        assert done.returncode == 0, done.stderr
