"""One daemon a file: an exclusive lock beside the database, which the kernel gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from controller.errors import StoreUnavailable

_TRIES, _PAUSE = 5, 0.05


class FileLock:
    """`<database>.lock`, locked by this process and naming its pid. The file stays: to remove it would let two hold 'it'."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, database: Path) -> FileLock:
        """Raises StoreUnavailable, naming the owner, when another process holds it. Tries for a moment: `free` may be looking."""
        fd = os.open(_beside(database), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        for left in reversed(range(_TRIES)):
            if _locked(fd, fcntl.LOCK_EX):
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
                return cls(fd)
            if left:
                time.sleep(_PAUSE)
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise StoreUnavailable(
            f"another netcordon daemon (pid {owner}) owns {database}: ask it through its API, or stop it first"
        )

    @staticmethod
    def free(database: Path) -> bool:
        """No process holds the lock now."""
        try:
            fd = os.open(_beside(database), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            return _locked(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)

    def release(self) -> None:
        """Once or more often."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _beside(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
