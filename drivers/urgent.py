"""This process before others: what contains a device does not wait for a processor that somebody else's work has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICE = -10
"""What Open vSwitch's own start script gives its daemons (`--daemon-nice` of `ovs-ctl`). A container or a unit may have set it lower."""
SESSION = Path("/proc/self/autogroup")
"""`/autogroup-N nice N`. Where the kernel has it, all processes of a session are one group, a process's niceness counts only within its
session, and the group has one of its own (sched(7), "The autogroup feature")."""


def go_first() -> None:
    """Be nice to nobody, where the system allows that (root, or CAP_SYS_NICE); where it does not, or who started us went further,
    nothing changes. Threads that were started before stay as they were: call it first."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    if os.getsid(0) == os.getpid():  # a service's, and not somebody's terminal with all that runs in it
        with contextlib.suppress(OSError, ValueError):
            _session_first()


def _session_first() -> None:
    """Raises FileNotFoundError where sessions are no groups, and OSError where that is not ours to say."""
    nice = int(SESSION.read_text().rpartition("nice")[2])
    if nice > NICE:
        SESSION.write_text(str(NICE))
