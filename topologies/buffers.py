"""Room for the frames that Open vSwitch has not read yet.

In user space it reads each port from a packet socket with the machine's default buffer: 208 KiB, which a few hundred frames fill. On a busy
machine, where it does not run for a tenth of a second, the rest is lost, and whoever counts frames takes that for something the
controller did (tried: 500 of 8,000 frames of a stream lost at a load of 11 on two cores, none with the room below at a load of 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DEFAULT_SOCKET_BUFFER = Path("/proc/sys/net/core/rmem_default")
ROOM = 8 << 20
"""Octets for each port; memory is taken only by frames that wait."""


@contextmanager
def roomy(setting: Path = DEFAULT_SOCKET_BUFFER) -> Iterator[None]:
    """Ports that Open vSwitch opens within the block have room. The machine's default is then what it was; where it cannot be set (in a
    container it may be read-only) frames may be lost, and the lab goes on."""
    before = None
    with suppress(OSError):
        found = setting.read_text()
        if int(found) < ROOM:
            setting.write_text(f"{ROOM}\n")
            before = found
    try:
        yield
    finally:
        if before is not None:
            setting.write_text(before)
