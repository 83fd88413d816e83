"""How a speaker is started, and whether the one that runs is of the kind that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.base import DeviceUnreachable, DriverError
from drivers.openflow.link import ANOTHER_SPEAKER, DEFAULT_LISTEN, SpeakerLink

TLS_PREFIX = "ssl:"
LONGEST_REASON = 300


class AnotherKind(DriverError):
    """The speaker that answers runs another library, listens without the TLS that was asked for (or with it), or has another role beside
    other controllers."""


class BadCertificates(Exception):
    """Names the file that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the speaker's own certificate and its key, and the authorities that must have signed a switch's."""

    certificate: Path
    key: Path
    ca: Path

    def arguments(self) -> list[str]:
        return ["--certificate", str(self.certificate), "--key", str(self.key), "--ca", str(self.ca)]


@dataclass(frozen=True, slots=True)
class SpeakerKind:
    """`listen` is HOST:PORT, or ssl:HOST:PORT, which `tls` goes with. `python` is the interpreter that runs it (None: this one): Ryu
    needs an environment of its own, in which the package `drivers` must be importable as well. `role`: "sole", or "equal" beside another
    controller that owns the forwarding."""

    listen: str = DEFAULT_LISTEN
    runtime: str = "os-ken"
    python: Path | None = None
    tls: Tls | None = None
    role: str = "sole"

    def command(self, socket: Path) -> list[str]:
        """Beware of `Path.resolve` on `python`: an environment's interpreter is a link, and is told by its place which one it is."""
        words = [str(self.python or sys.executable), "-m", "drivers.openflow.speaker", "--socket", str(socket)]
        words += ["--listen", self.listen, "--runtime", self.runtime, "--role", self.role]
        return words + ([] if self.tls is None else self.tls.arguments())

    def require(self, told: Mapping[str, Any]) -> None:
        """Raises AnotherKind when the speaker that told this of itself is not of this kind: nobody is to believe that Ryu runs, or that
        switches are asked for certificates, when they are not."""
        found, wanted = str(told["runtime"]), self.runtime
        if found == wanted:
            found, wanted = (_transport(listen) for listen in (str(told["listen"]), self.listen))
        if found == wanted:
            found, wanted = (f"role {role}" for role in (str(told.get("role", "sole")), self.role))
        if found != wanted:
            raise AnotherKind(
                f"a speaker with {found} runs already, and the configuration asks for {wanted}: end it (kill {told['pid']}; the switches "
                "keep their flows) and start again"
            )


def _transport(listen: str) -> str:
    return "TLS" if listen.startswith(TLS_PREFIX) else "TCP without TLS"


async def ensure_speaker(
    path: Path, kind: SpeakerKind = SpeakerKind(), log: Path | None = None, wait: float = 15.0
) -> tuple[int, bool]:
    """The process id of the speaker on `path`, and whether it was started here: as a process of its own, which outlives this one,
    with stderr appended to `log`. Raises DeviceUnreachable when none answers within `wait` seconds, ProtocolMismatch for one of
    another version, AnotherKind for one that is not of this kind."""
    with contextlib.suppress(DeviceUnreachable):
        return await _ask_pid(path, kind), False
    process = _spawn(kind.command(path), log or Path(os.devnull))
    ends = time.monotonic() + wait
    while time.monotonic() < ends:
        with contextlib.suppress(DeviceUnreachable):
            pid = await _ask_pid(path, kind)
            return pid, pid == process.pid
        if process.poll() not in (None, ANOTHER_SPEAKER):  # another one that was started just now will answer
            raise DeviceUnreachable(f"the speaker ended with code {process.returncode}: {_last_words(log)}")
        await asyncio.sleep(0.02)
    process.terminate()
    raise DeviceUnreachable(f"the speaker that was started does not answer on {path}")


def _spawn(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Not asyncio's: that one kills its children when the event loop is closed."""
    with log.open("ab") as stderr:
        try:
            return subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise DeviceUnreachable(
                f"the speaker cannot be started with {arguments[0]} (openflow.speaker.python): {error.strerror}"
            ) from error


def _last_words(log: Path | None) -> str:
    """The reason is the last line that it logged."""
    if log is None:
        return "no log was kept"
    lines = log.read_text(errors="replace").split("\n")
    reason = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return f"{reason[-LONGEST_REASON:]} (its log: {log})"


async def _ask_pid(path: Path, kind: SpeakerKind) -> int:
    link = SpeakerLink(path)
    try:
        await link.start()
        kind.require(link.speaker)
        return int(link.speaker["pid"])
    finally:
        await link.close()
