"""Median and tails of a handful of figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    p95: float
    p99: float
    number: int

    def __str__(self) -> str:
        return f"{self.median:.1f} / {self.p95:.1f} / {self.p99:.1f}"


def spread(figures: Sequence[float]) -> Spread:
    """By nearest rank, so that each is a figure that was measured. ValueError for none."""
    if not figures:
        raise ValueError("nothing was measured")
    ordered = sorted(figures)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(rank(0.5), rank(0.95), rank(0.99), len(ordered))
