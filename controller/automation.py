"""Whether automatic action runs, or is paused, by whom, why and since when. Pure.

Paused means that no alert contains anybody by itself: what policy would contain becomes a proposal. What is held stays held, is followed
and ends at its time, and people contain, approve and release as ever. It lasts until a person resumes it, over restarts too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from controller.model import Containment

BREAKER = "breaker"
"""Who paused it, in the audit log, when a budget was exceeded."""
SERVICES = frozenset({"domain-controller", "dns", "dhcp", "gateway", "router", "hypervisor"})
"""Roles without which others cannot work."""
_URGENCY = {"critical": 0, "high": 1, "medium": 2, "low": 4}
_UNRATED = 3


class Cause(StrEnum):
    """What paused it. The words are part of the API."""

    PERSON = "person"
    BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class Automation:
    """`by`, `reason` and `cause` are of the last pause or resume, which was at `since` (seconds since the epoch; 0: never)."""

    paused: bool
    by: str
    reason: str
    since: float
    cause: Cause = Cause.PERSON


def release_order(cases: Iterable[Containment]) -> list[Containment]:
    """All of them, in the order in which they are let go together. First what others depend on, then by criticality, then what automatic
    action contained before what people decided, and the newest first: what broke last is given back first, and what was looked at longest
    gets out last."""
    return sorted(cases, key=_place)


def _place(case: Containment) -> tuple[bool, int, bool, float, str]:
    endpoint = case.endpoint
    urgency = _URGENCY.get(endpoint.criticality.casefold(), _UNRATED)
    return endpoint.role not in SERVICES, urgency, not case.automatic, -case.created_at, case.id
