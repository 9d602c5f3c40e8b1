"""Builds Crewman in several ways, runs all tests on each, and adds up. Called by scripts/test.

Every way is a build directory under build/. Unit, property, conformance and corpus tests are run by
meson; the process tests by pytest, against the programs of that build. A process test whose only
fault was a wait that ran out (tests/process/waits.py) is run once more, alone; if it passes then,
it is named UNSTABLE and counts as passed, up to five in a run. The last line of the output is
"N passed, N failed"; the exit code is 0 only if nothing failed and something passed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILDS = ROOT / "build"
PROCESS_TESTS = ROOT / "tests" / "process"
UNSTABLE_MAX = 5  # tests of a run that may pass only at the second try
SLOWEST = 10
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]

# name: compiler, meson options, whether the process tests run too, in --quick
WAYS = {
    "gcc": ("gcc", ["--buildtype=debugoptimized"], True, True),
    "clang-asan": ("clang", ["--buildtype=debugoptimized", *SANITIZE], True, False),
    "gcc-asan": ("gcc", ["--buildtype=debugoptimized", *SANITIZE], False, False),
    "clang": ("clang", ["--buildtype=debugoptimized"], False, False),
    "gcc-release": ("gcc", ["--buildtype=release"], False, False),
}

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
}


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skipped = []
        self.unstable = []  # failed, then passed alone
        self.second_tries = 0
        self.times = []  # (seconds, test)

    def add(self, way, name, is_ok):
        if is_ok:
            self.passed += 1
        else:
            self.failures.append(f"{way}: {name}")

    def took(self, way, name, seconds):
        self.times.append((seconds, f"{way}: {name}"))


def run(argv, log, timeout, env=None):
    """Runs one tool with its output in a file; answers its exit code (-1 after the timeout)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as out:
        try:
            return subprocess.run(argv, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                                  timeout=timeout, env={**os.environ, **(env or {})}).returncode
        except subprocess.TimeoutExpired:
            return -1


def build(way, tally):
    compiler, options, *_ = WAYS[way]
    folder = BUILDS / way
    started = time.monotonic()
    if not (folder / "build.ninja").exists():
        if run(["meson", "setup", folder, "--werror", *options], BUILDS / f"{way}-setup.log", 300,
               {"CC": compiler}) != 0:
            print((BUILDS / f"{way}-setup.log").read_text())
            tally.add(way, "meson setup", False)
            return False
    log = BUILDS / f"{way}-compile.log"
    is_ok = run(["meson", "compile", "-C", folder], log, 1800) == 0
    if not is_ok:
        print(log.read_text())
    tally.add(way, "compiles without a warning", is_ok)
    print(f"{way}: built in {time.monotonic() - started:.0f} s", flush=True)
    return is_ok


def count_cases(tally, way, test):
    """One result of meson: its cmocka cases if it printed them, else the program as one case."""
    output = (test.get("stdout") or "") + (test.get("stderr") or "")
    tally.took(way, test["name"], test.get("duration") or 0)
    passed = re.findall(r"^\[ +OK \] (\S+)", output, re.M)
    failed = set(re.findall(r"^\[ +(?:FAILED|ERROR) +\] ([A-Za-z_]\w+)$", output, re.M))
    for case in passed:
        tally.add(way, f"{test['name']}: {case}", True)
    for case in sorted(failed):
        tally.add(way, f"{test['name']}: {case}", False)
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        if not passed:
            tally.add(way, test["name"], True)
    elif test["result"] == "SKIP":
        tally.skipped.append(f"{way}: {test['name']}")
    else:
        if not failed:
            tally.add(way, f"{test['name']} ({test['result']})", False)
        print(output[-6000:])


def run_units(way, tally, pattern):
    folder = BUILDS / way
    results = folder / "meson-logs" / "testlog.json"
    results.unlink(missing_ok=True)
    names = []
    if pattern:
        listed = subprocess.run(["meson", "test", "-C", folder, "--list"], cwd=ROOT, text=True,
                                capture_output=True).stdout
        names = [line.split(" / ")[-1].strip() for line in listed.splitlines()
                 if pattern in line]
        if not names:
            return
    started = time.monotonic()
    run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(os.cpu_count()),
         *names], BUILDS / f"{way}-unit.log", 1800, SANITIZER_ENV)
    if not results.exists():
        print((BUILDS / f"{way}-unit.log").read_text())
        tally.add(way, "meson test ran", False)
        return
    for line in results.read_text().splitlines():
        count_cases(tally, way, json.loads(line))
    print(f"{way}: unit tests in {time.monotonic() - started:.0f} s", flush=True)


def pytest_argv(way, name, words):
    report = BUILDS / f"{way}-{name}.xml"
    report.unlink(missing_ok=True)
    return report, ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                    f"--junitxml={report}", *words]


def read_report(report):
    """The cases of a report by title; one whose fixture fails behind it stands there twice."""
    cases = {}
    for element in xml.parse(report).getroot().iter("testcase"):
        title = f"{element.get('classname')}.{element.get('name')}"
        case = cases.setdefault(title, {"is_ok": True, "skipped": None, "second_try": None,
                                        "seconds": 0.0})
        case["seconds"] += float(element.get("time") or 0)
        for fault in (*element.iter("failure"), *element.iter("error")):
            case["is_ok"] = False
            case.setdefault("why", (fault.get("message") or "").splitlines()[:1])
        if element.find("skipped") is not None:
            case["skipped"] = element.find("skipped").get("message")
        for word in element.iter("property"):
            if word.get("name") == "second_try":
                case["second_try"] = word.get("value")
    return cases


def run_pytest(way, tally, name, words):
    """Runs process tests and prints the log if one failed; answers their cases by title."""
    report, argv = pytest_argv(way, name, words)
    log = BUILDS / f"{way}-{name}.log"
    started = time.monotonic()
    code = run(argv, log, 3000, {**SANITIZER_ENV, "CREWMAN_BUILD": str(BUILDS / way),
                                 "PYTHONDONTWRITEBYTECODE": "1"})
    if code not in (0, 5):
        print(log.read_text()[-20000:])
    print(f"{way}: process tests ({name}) in {time.monotonic() - started:.0f} s", flush=True)
    if not report.exists():
        tally.add(way, f"pytest ran ({name})", code == 5)
        return {}
    if code not in (0, 1, 5):
        tally.add(way, f"pytest ended with {code} ({name})", False)
    return read_report(report)


def passes_alone(way, tally, title, case):
    """The second try of a test whose only fault was a wait that ran out. A run with more of these
    than are allowed has failed whatever they say: the rest is not tried."""
    if case["second_try"] is None or tally.second_tries > UNSTABLE_MAX:
        return False
    tally.second_tries += 1
    name = f"second-try-{tally.second_tries}"
    again = run_pytest(way, tally, name, [case["second_try"]])
    if not again or not all(one["is_ok"] and one["skipped"] is None for one in again.values()):
        return False
    tally.unstable.append(f"{way}: {title}: " + " ".join(case["why"]))
    return True


def run_processes(way, tally, name, words, pattern):
    words = [str(PROCESS_TESTS), *words, *(["-k", pattern] if pattern else [])]
    for title, case in run_pytest(way, tally, name, words).items():
        if case["skipped"] is not None:
            tally.skipped.append(f"{way}: {title}: {case['skipped']}")
            continue
        tally.took(way, title, case["seconds"])
        tally.add(way, title, case["is_ok"] or passes_alone(way, tally, title, case))


def run_way(way, tally, options):
    started = time.monotonic()
    if build(way, tally):
        run_units(way, tally, options.k)
        if WAYS[way][2] and not options.no_process:
            # What measures or fills the machine runs alone, the rest side by side.
            run_processes(way, tally, "process", ["-n", str(options.jobs), "-m", "not alone"],
                          options.k)
            run_processes(way, tally, "alone", ["-m", "alone"], options.k)
    print(f"{way}: all in {time.monotonic() - started:.0f} s", flush=True)


def parse_options():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Build and test Crewman in several ways.",
        epilog="ways: " + ", ".join(WAYS))
    parser.add_argument("ways", nargs="*", metavar="WAY", help="only these ways (default: all)")
    parser.add_argument("--quick", action="store_true", help="only the plain gcc build")
    parser.add_argument("-k", metavar="NAME", help="only tests whose name contains NAME")
    parser.add_argument("-j", "--jobs", type=int, default=4, metavar="N",
                        help="process tests side by side (4)")
    parser.add_argument("--no-process", action="store_true", help="no process tests")
    options = parser.parse_args()
    unknown = [way for way in options.ways if way not in WAYS]
    if unknown:
        parser.error(f"unknown way {unknown[0]}; there are " + ", ".join(WAYS))
    if not options.ways:
        options.ways = [way for way in WAYS if not options.quick or WAYS[way][3]]
    return options


def conclude(tally):
    """Prints what is worth a look, then the sums; answers the exit code."""
    if len(tally.unstable) > UNSTABLE_MAX:
        tally.failures.append(f"more than {UNSTABLE_MAX} unstable tests")
    for seconds, name in sorted(tally.times, reverse=True)[:SLOWEST]:
        print(f"slow     {seconds:.1f} s  {name}")
    for line in tally.skipped:
        print(f"skipped  {line}")
    for line in tally.unstable:
        print(f"UNSTABLE {line}")
    for line in tally.failures:
        print(f"FAILED   {line}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    return 0 if tally.passed and not tally.failures else 1


def main():
    options = parse_options()
    tally = Tally()
    started = time.monotonic()
    for way in options.ways:
        run_way(way, tally, options)
    print(f"\n{', '.join(options.ways)}: {time.monotonic() - started:.0f} s; logs in {BUILDS.name}/")
    return conclude(tally)


if __name__ == "__main__":
    sys.exit(main())
