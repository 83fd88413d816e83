"""Spans of time as people write them: 90s, 15m, 4h, 7d, or a bare number of seconds."""

from __future__ import annotations

import re

LONGEST = 3653 * 86400.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


def parse_duration(text: str | int | float) -> float:
    """Seconds. Raises ValueError, with an example of how to write it, for anything else, for zero, or for more than ten years."""
    found = _SHAPE.fullmatch(str(text).strip().lower())
    if not found or float(found[1]) <= 0:
        raise ValueError(f"not a span of time: {text!r}; write it as 90s, 15m, 4h or 7d")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST:
        raise ValueError(f"longer than ten years: {text!r}")
    return seconds


def show_duration(seconds: float) -> str:
    """The two largest units: 3h 59m."""
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def written_duration(seconds: float) -> str:
    """As `parse_duration` reads it back, exactly: 90m, 36h, 7d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    return f"{seconds:.12g}s"
