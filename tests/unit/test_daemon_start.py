"""What a start of the daemon pays for before it converges anything: nearly all of it is imports."""

from __future__ import annotations

import subprocess
import sys

LATER = {"fastapi", "uvicorn", "alembic", "networkx", "scapy", "sqlalchemy.dialects.postgresql"}
"""The API is imported once devices are being converged, the others only where they are needed."""


def test_what_the_devices_do_not_wait_for_is_imported_later() -> None:
    asked = f"import sys, controller.daemon; print(*sorted(set({sorted(LATER)!r}) & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout
    assert told.split() == []
