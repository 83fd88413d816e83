"""What the doctor says: one finding each, with how bad it is, what was seen, and what to type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: containments fail, or do not hold, as it is. WARNING: some will, or nobody would notice. INFO: good to know."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a word that stays the same over releases. `mend` is a command or a key of the configuration; empty where there is
    nothing to do."""

    check: str
    severity: Severity
    seen: str
    mend: str = ""


def worst(findings: Iterable[Finding]) -> Severity:
    """INFO when there is none."""
    order = list(Severity)
    return max((one.severity for one in findings), key=order.index, default=Severity.INFO)


def error(check: str, seen: str, mend: str = "") -> Finding:
    return Finding(check, Severity.ERROR, seen, mend)


def warning(check: str, seen: str, mend: str = "") -> Finding:
    return Finding(check, Severity.WARNING, seen, mend)


def info(check: str, seen: str, mend: str = "") -> Finding:
    return Finding(check, Severity.INFO, seen, mend)
