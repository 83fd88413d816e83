"""This process before others: what contains a device does not wait for a processor that somebody else's work has."""

from __future__ import annotations

import contextlib
import os

NICE = -10
"""What Open vSwitch's own start script gives its daemons (`--daemon-nice` of `ovs-ctl`). A container or a unit may have set it lower."""


def go_first() -> None:
    """Be nice to nobody, where the system allows that (root, or CAP_SYS_NICE); where it does not, or who started us went further,
    nothing changes. Threads that were started before stay as they were: call it first."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
