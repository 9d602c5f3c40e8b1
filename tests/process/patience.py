"""How long the tests wait for what must come. A machine may stand still for seconds: what is waited
for may take that long, and costs nothing when it comes at once."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("CREWMAN_BUILD", ROOT / "build" / "gcc")).resolve()
IS_SANITIZED = "asan" in BUILD.name or os.environ.get("CREWMAN_SANITIZED") == "1"
# Sanitized programs are several times slower.
PATIENCE = 3 if IS_SANITIZED else 1
LONG = 30 * PATIENCE  # seconds
