"""Room in SQLite's write-ahead log, written before it is needed: a commit that makes a file longer waits for the file system's own journal
as well, behind whatever else on this machine is being synced; one that writes where something was waits for its own octets alone.

What is added is zeros behind the last frame. A reader, and recovery after a crash, go by frames whose salt and checksums are right
(https://www.sqlite.org/fileformat2.html#walformat), and end at the first that is not. SQLite begins the log anew at its start without
cutting it, and deletes it when the daemon ends.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOM = 16 << 20
"""Octets: 4,000 pages, some two hundred containments in a row without a moment's rest between them."""
STEP = 2 << 20
FREE = 1 << 30
"""Octets that are to be free on the disk, or none are taken."""


def widen(database: Path) -> bool:
    """Add a step of room to the log of this database, durably; whether there is more to add. Raises OSError. Only for who owns the file,
    in the thread that writes: nothing else may make the log longer meanwhile."""
    log = database.with_name(f"{database.name}-wal")
    space = os.statvfs(database.parent)
    if space.f_bavail * space.f_frsize < FREE:
        return False
    fd = os.open(log, os.O_WRONLY)  # SQLite's locks are on its other two files: closing this one drops none of them
    try:
        length = os.fstat(fd).st_size
        step = min(STEP, ROOM - length)
        if step > 0:
            os.pwrite(fd, bytes(step), length)
            os.fdatasync(fd)
        return length + step < ROOM
    finally:
        os.close(fd)
