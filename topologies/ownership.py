"""Who a leftover belongs to: a process's id and the moment of its start. Ids are used again, the pair is not."""

from __future__ import annotations

from pathlib import Path


def mark(pid: int) -> str:
    """A word that Open vSwitch takes as an external id."""
    return f"run-{pid}-{_started(pid)}"


def alive(owner: str) -> bool:
    """Whether the process that `mark` was made of is still there. What is no mark belongs to nobody that we may judge."""
    match owner.split("-"):
        case ["run", pid, started] if pid.isdigit() and started:
            return _started(int(pid)) == started
        case _:
            return True


def _started(pid: int) -> str:
    """In clock ticks since boot; empty when there is no such process, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if stat[0] == "Z" else stat[19]
