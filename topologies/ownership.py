"""Who a leftover belongs to: a process's id, the moment of its start, and the PID namespace in which that id means something. Ids are
used again, the three together are not. A container that shares /tmp with us counts its processes from 1, as we do."""

from __future__ import annotations

import os
from pathlib import Path

_INITIAL_NAMESPACE = "4026531836"
"""PROC_PID_INIT_INO (Linux, include/linux/proc_ns.h): from there the processes of all namespaces are seen."""


def mark(pid: int) -> str:
    """A word that Open vSwitch takes as an external id. `pid` is one of this process's own namespace."""
    return f"run-{pid}-{_started(pid)}-{_namespace('self')}"


def alive(owner: str) -> bool:
    """Whether the process that `mark` was made of is still there. What is no mark, or was made where we cannot see, belongs to nobody
    that we may judge."""
    match owner.split("-"):
        case ["run", pid, started, namespace] if pid.isdigit() and started:
            if namespace == _namespace("self"):
                return _started(int(pid)) == started
            return _namespace("self") != _INITIAL_NAMESPACE or _somebody_lives_in(namespace)
        case _:
            return True


def _started(pid: int) -> str:
    """In clock ticks since boot; empty when there is no such process, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if stat[0] == "Z" else stat[19]


def _namespace(pid: str) -> str:
    """The inode of its PID namespace; empty when the process is gone, or is not ours to look at."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid").removeprefix("pid:[").removesuffix("]")
    except OSError:
        return ""


def _somebody_lives_in(namespace: str) -> bool:
    every = [_namespace(one.name) for one in Path("/proc").glob("[0-9]*")]
    return namespace in every or "" in every  # one that may not be looked at could be of that namespace
