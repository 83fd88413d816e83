"""What a change of a configured switch is made of, whatever the platform. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commands:
    """Command lines, to be committed together."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """A commit of ours that its timer would undo: it has been read back, so it stands for good."""

    session: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that this device cannot hold as it is now, and why. Nothing is sent for it."""

    rule: str
    reason: str


Message = Commands | Confirm | Refusal
