"""Room for the frames that Open vSwitch has not read yet.

In user space it reads each port from a packet socket with the machine's default buffer: 208 KiB, which a few hundred frames fill. On a busy
machine, where it does not run for a tenth of a second, the rest is lost, and whoever counts frames takes that for something the
controller did. The machine's default cannot be raised from within a network namespace (it is read-only there), and would be everybody's;
so the sockets themselves are given room, each through a copy of its descriptor (pidfd_getfd(2), Linux 5.6).
"""

from __future__ import annotations

import ctypes
import os
import socket
from contextlib import suppress
from pathlib import Path

ROOM = 1 << 20
"""Octets for each port, which the kernel doubles: some 2,500 small frames, seconds of what a lab sends. Not more: where the switch cannot
keep up for long, frames only come later (tried: at a load of 17 with 8 MiB, 20,000 frames waited, and nobody could connect)."""
_SO_RCVBUFFORCE = 33
_PIDFD_GETFD = 438  # its number on every architecture


def make_room() -> int:
    """Every port that Open vSwitch has open now gets room; how many have it. Where it may not be given (no right to look into that
    process, an older kernel) frames may be lost, and the lab goes on."""
    try:
        process = int(_pid_file().read_text())
        descriptors = [int(name) for name in os.listdir(f"/proc/{process}/fd")]
    except (OSError, ValueError):
        return 0
    return give_room(process, descriptors)


def give_room(process: int, descriptors: list[int]) -> int:
    """To the packet sockets among these descriptors of that process; how many have it."""
    given = 0
    with suppress(OSError):
        pidfd = os.pidfd_open(process)
        try:
            for number in descriptors:
                with suppress(OSError):  # closed meanwhile
                    given += _give(pidfd, process, number)
        finally:
            os.close(pidfd)
    return given


def _give(pidfd: int, process: int, number: int) -> bool:
    if not os.readlink(f"/proc/{process}/fd/{number}").startswith("socket:"):
        return False
    copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, pidfd, number, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    with socket.socket(fileno=copy) as port:
        if port.family != socket.AF_PACKET:
            return False
        port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, ROOM)
    return True


def _pid_file() -> Path:
    return Path(os.environ.get("OVS_RUNDIR", "/run/openvswitch")) / "ovs-vswitchd.pid"
