"""`--wait`: look at containments until they are as they should be, or a deadline comes; and the exit code of how they
stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from controller.api.schemas import ContainmentView
from controller.cli.exit_codes import ExitCode

_POLL = 0.1
_BAD_STANDS = 2.0
"""Seconds that partial or failed must stand before it is believed: the reconciler tries again at once."""
_BAD = frozenset({"partial", "failed"})
_INSTALLED = frozenset({"installed", "proven"})

Look = Callable[[str], ContainmentView]
Tell = Callable[[ContainmentView], None]


def wait_for(
    cases: Sequence[ContainmentView], wanted: frozenset[str], timeout: float, look: Look, tell: Tell
) -> list[ContainmentView]:
    """The containments as they stand when all outcomes are in `wanted`, when a bad one stands, or after `timeout`
    seconds. `tell` is called with each that came to another outcome."""
    deadline, bad_since = time.monotonic() + timeout, None
    current = list(cases)
    while not all(case.outcome in wanted for case in current) and (now := time.monotonic()) < deadline:
        if not any(case.outcome in _BAD for case in current):
            bad_since = None
        elif now - (bad_since := bad_since or now) > _BAD_STANDS:
            break
        time.sleep(min(_POLL, deadline - now))
        current = [_again(case, wanted, look, tell) for case in current]
    return current


def _again(case: ContainmentView, wanted: frozenset[str], look: Look, tell: Tell) -> ContainmentView:
    if case.outcome in wanted:
        return case
    seen = look(case.id)
    if seen.outcome != case.outcome:
        tell(seen)
    return seen


def wanted_outcomes(until: str) -> frozenset[str]:
    """Outcomes that satisfy `--until`: proven is installed too."""
    return {"installed": _INSTALLED, "proven": frozenset({"proven"}), "removed": frozenset({"removed"})}[until]


def exit_code(cases: Sequence[ContainmentView], wanted: frozenset[str]) -> ExitCode:
    """After a wait. The worst containment gives the code."""
    outcomes = {case.outcome for case in cases}
    if outcomes <= wanted:
        return ExitCode.OK
    if "failed" in outcomes:
        return ExitCode.FAILED
    return ExitCode.PARTIAL if "partial" in outcomes else ExitCode.UNPROVEN
