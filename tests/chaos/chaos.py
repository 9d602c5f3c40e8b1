#!/usr/bin/python3
"""Ten minutes of kills, stops, cuts, bad reloads and full disks under the traffic of all protocols.

    scripts/test clang-asan -k nothing           # builds it with sanitizers
    CREWMAN_BUILD=build/clang-asan tests/chaos/chaos.py --minutes 10 --seed 7

As root it has also a disk of its own that gets full, and a wire that is cut.

Every loss of a client must have an explanation (ledger.py), nobody may wait for an answer for ever,
and at the end no process, socket, descriptor, memory or temporary file may be left, nor a report of
a sanitizer. Says what it does, with which seed, and which losses it found; exits 1 at the first
fault. tests/process/test_mischief.py is a short form, and shows that faults are found.
"""

import argparse
import os
import random
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "process")]

import crew  # noqa: E402
from far_host import FarHost  # noqa: E402
from ground import Ground  # noqa: E402


def until(deadline):
    """Deeds by lot, as long as there is time."""
    while time.monotonic() < deadline:
        yield None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    args = parser.parse_args()
    os.environ.setdefault("ASAN_OPTIONS", f"exitcode={crew.SANITIZER_EXIT}:detect_leaks=1")
    os.environ.setdefault("UBSAN_OPTIONS", f"exitcode={crew.SANITIZER_EXIT}:halt_on_error=1")
    print(f"seed {args.seed}, {args.minutes} minutes, {crew.BUILD}", flush=True)
    instance = crew.Instance()
    ground = Ground(instance, args.seed, FarHost() if os.geteuid() == 0 else None)
    is_whole = False
    try:
        traffic = ground.run(until(time.monotonic() + 60 * args.minutes), say)
        is_whole = True
    except AssertionError as error:
        say(error)
    except Exception:
        traceback.print_exc()
    faults = instance.clean_up()
    for fault in faults:
        say(fault)
    if is_whole:
        tell(ground, traffic)
    say(f"{len(ground.mischief.done)} deeds; "
        f"{'good' if is_whole and not faults else 'FAULTS'}")
    return 0 if is_whole and not faults else 1


def say(text):
    print(text, flush=True)


def tell(ground, traffic):
    say(f"answers: {traffic.answers}")
    say(f"losses: {dict(ground.reasons)}")
    say("turned away: " + str({
        name: sum(row.get(name, 0) for row in ground.totals["workers"])
        for name in ("shed", "over_address", "turned_away", "timeouts", "reaped", "session_errors")}))


if __name__ == "__main__":
    sys.exit(main())
