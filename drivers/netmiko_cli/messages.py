"""What a change of a device with a command line is made of, whatever the platform. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """Lines for the platform's own tool, which takes all of them or none."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that this device cannot hold as it is now, and why. Nothing is sent for it."""

    rule: str
    reason: str
