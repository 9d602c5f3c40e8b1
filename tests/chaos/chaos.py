#!/usr/bin/python3
"""Ten minutes of kills, stops, cuts, bad reloads and full disks under the traffic of all protocols.

    scripts/test clang-asan -k nothing           # builds it with sanitizers
    CREWMAN_BUILD=build/clang-asan tests/chaos/chaos.py --minutes 10 --seed 7

As root it has also a disk of its own that gets full, and a wire that is cut.

Every loss of a client must have an explanation, and at the end no process, socket or descriptor may
be left, nor a report of a sanitizer. Says what it does and with which seed; exits 1 at the first
fault. A short form is tests/process/test_mischief.py.
"""

import argparse
import os
import random
import sys
import time
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
    try:
        ground = Ground(instance, args.seed, FarHost() if os.geteuid() == 0 else None)
        traffic = ground.run(until(time.monotonic() + 60 * args.minutes),
                             lambda line: print(line, flush=True))
    finally:
        faults = instance.clean_up()
    print("\n".join(faults))
    print(f"{len(ground.mischief.done)} deeds, {sum(traffic.answers.values())} answers, "
          f"{len(traffic.losses)} losses, all explained; {len(faults)} faults at the end")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
