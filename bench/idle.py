# SPDX-License-Identifier: MIT
"""Idle WebSockets, up to a million, held over as many workers and load processes as the limit on
descriptors asks for: what each costs, whether all are pinged, and whether the dead are reaped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from servers import Crewman

EACH = 16000  # connections of a worker; a process may open 20,000 descriptors
LOADS_AT_ONCE = 4
SOURCES = 4  # addresses that a load process takes for so many


def total(server, column):
    return sum(row[column] for row in server.status()["workers"])


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def private_kib(pids):
    kib = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                kib += int(line.split()[1])
    return kib


def start_load(folder, port, connections, first_source=1):
    words = ["--mode", "idle", "--port", port, "--connections", connections,
             "--first-source", first_source, "--duration", 36000]
    return subprocess.Popen([str(word) for word in [folder / "bench" / "bench-load", *words]],
                            stdout=subprocess.PIPE, text=True)


def wait_until(is_so, what, seconds=120):
    start = time.monotonic()
    while not is_so():
        if time.monotonic() - start > seconds:
            sys.exit(f"bench: idle: {what()}")
        time.sleep(0.2)


def open_all(folder, server, loads, each):
    """A few loads at a time, so that none waits in vain for its handshakes; what is open then."""
    for number in range(len(loads)):
        loads[number] = start_load(folder, server.port, each, 1 + SOURCES * number)
        due = number + 1 if number + 1 == len(loads) else max(0, number + 1 - LOADS_AT_ONCE)
        wait_until(lambda: total(server, "connections") >= each * due,
                   lambda: f"stuck at {total(server, 'connections')} connections")
    return total(server, "connections")


def hold(folder, connections, budget, ping_s=None):
    """With the heartbeat of the defaults and no more than what each costs; or with pings every
    `ping_s` seconds, and the heartbeat watched at work."""
    workers = -(-connections // EACH)
    idle_s = round((ping_s or 0) * 2.4)
    heartbeat = {"ping_interval": f"{ping_s}s", "idle_timeout": f"{idle_s}s"} if ping_s else {}
    # Many workers on one listening socket are all woken by each connection.
    server = Crewman(folder, None, workers=workers, reuse_port=workers > 8, heartbeat=heartbeat,
                     limits={"max_connections": 19000})
    before = private_kib(server.pids)
    loads = [None] * workers
    try:
        held = open_all(folder, server, loads, -(-connections // workers))
        each = (private_kib(server.pids) - before) * 1024 / held
        seen = watch(server, loads, 2 * ping_s, idle_s) if ping_s else {}
        return {"against": f"{held} connections, {workers} workers", "value": each,
                "unit": "bytes", "budget": budget, **seen}
    finally:
        for load in filter(None, loads):
            load.kill()
            load.wait()
        server.stop()


def watch(server, loads, seconds, idle_s):
    """Pings for so long; then one load process is stopped, and its clients must be reaped."""
    count, before = total(server, "connections"), cpu_seconds(server.pids)
    time.sleep(seconds)
    cpu = cpu_seconds(server.pids) - before
    print(f"held for {seconds} s: {total(server, 'connections')} of {count}, "
          f"{total(server, 'reaped')} reaped, CPU of all workers {cpu:.1f} s", flush=True)
    loads[0].send_signal(signal.SIGSTOP)
    start, reaped = time.monotonic(), 0
    while reaped < count // len(loads) and time.monotonic() - start < 2 * idle_s + 30:
        time.sleep(1)
        reaped = total(server, "reaped")
    print(f"one load process stopped: {reaped} reaped within "
          f"{time.monotonic() - start:.0f} s of {idle_s} s", flush=True)
    loads[1].send_signal(signal.SIGINT)
    print("of another, while they were held:", loads[1].communicate(timeout=60)[0], flush=True)
    return {"cpu_s": cpu, "reaped": reaped, "held_s": seconds}


def open_files(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def memory_each(folder, server, connections):
    """Bytes of a server's private memory for each idle connection."""
    before, files = private_kib(server.pids), open_files(server.pids)
    load = start_load(folder, server.port, connections)
    try:
        # A few less: what looked whether the server is there may still have counted before.
        wait_until(lambda: open_files(server.pids) - files >= connections - 10,
                   lambda: f"stuck at {open_files(server.pids) - files} connections")
        time.sleep(1)  # the last handshakes
        return (private_kib(server.pids) - before) * 1024 / connections
    finally:
        load.kill()
        load.wait()
        server.stop()
