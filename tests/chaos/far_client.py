"""Clients behind a wire: far_client.py HOST PORT COUNT opens so many WebSockets, says "connected",
and holds them until it is killed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "process"))

from ws import WebSocket  # noqa: E402

if __name__ == "__main__":
    host, port, count = sys.argv[1:]
    clients = [WebSocket((host, int(port))) for _ in range(int(count))]
    print("connected", flush=True)
    sys.stdin.read()
