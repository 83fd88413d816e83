"""Processes that a lab starts beside itself, and waiting for what they do."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

STOP_PATIENCE = 30.0
POLL = 0.02
LOG_TAIL = 15
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""Linux alone has it; a lab on Mininet asks for it beforehand (`labs.preconditions`)."""

T = TypeVar("T")


class LabError(RuntimeError):
    """The lab could not go on; the message says what was waited for or asked, and what was seen last."""


@contextmanager
def process(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Running for as long as the block: asked to end with SIGTERM, and killed only when it does not. Should this
    process be killed, the kernel ends that one (`setpriv --pdeathsig`)."""
    with log.open("wb") as out:
        started = subprocess.Popen(
            [*(DIES_WITH_US if shutil.which(DIES_WITH_US[0]) else ()), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait(
    done: Callable[[], T],
    what: str,
    patience: float,
    *,
    seen: Callable[[], object] = lambda: "",
    alive: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> T:
    """What `done` returns as soon as that is true. Raises LabError after `patience` seconds, or when the process `alive`
    is no more; it says what was `seen` last and how the log ends."""
    deadline = time.monotonic() + patience
    while not (result := done()):
        gone = alive is not None and alive.poll() is not None
        if gone or time.monotonic() > deadline:
            why = "its process ended" if gone else f"not within {patience:.0f} s"
            raise LabError(f"waited for {what}: {why}. Last seen: {seen() or 'nothing'}{_tail(log)}")
        time.sleep(POLL)
    return result


def _tail(log: Path | None) -> str:
    with contextlib.suppress(OSError):
        if log is not None:
            return f"\n{log} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
    return ""
