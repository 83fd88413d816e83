"""A switch that restarts again and again while somebody is contained: not one frame of theirs, whichever way."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from labs import wiring
from tests.mininet import estate as estates
from tests.mininet.estate import Estate, estate, grown
from tests.mininet.served import Words, until
from topologies.plan import NetworkPlan

pytestmark = [pytest.mark.mininet, pytest.mark.fault]
PLAN = grown(("pc4", "s2", 5), ("pc6", "s2", 6))
RESTARTS = 25
"""Where flags and forwarding arrive together, frames get through for some ms after one restart in twenty (4 of 86)."""
OUTAGE = 0.15  # seconds
TIGHT = 0.001  # seconds between two frames


def settings(plan: NetworkPlan) -> Words:
    return {"devices": [{"id": f"of:{one.datapath}", "management": "oob"} for one in plan.switches]}


def records(site: Estate, case: str) -> int:
    return sum(one.subject == case for one in site.netcordon.operator.audit_records(limit=10_000))


def test_nothing_gets_through_however_often_the_switch_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estates, "GAP", TIGHT)
    ways = [("pc4", "pc1"), ("pc1", "pc4"), ("pc6", "pc4"), ("pc4", "pc6")]
    with estate(PLAN, settings) as site, ExitStack() as stack:
        rogue = site.host("pc4")
        streams = [stack.enter_context(site.stream(source, to)) for source, to in ways]
        innocent = stack.enter_context(site.stream("pc6", "pc1"))
        case = site.netcordon.contain(str(rogue.ip), "proven").id
        before = [stream.stops() for stream in streams]
        for number in range(1, RESTARTS + 1):
            noted = records(site, case)
            wiring.restart(rogue.switch, OUTAGE)

            def noticed(noted: int = noted) -> bool:
                return records(site, case) > noted

            until("the restart to be noticed", noticed)
            site.netcordon.outcome(case, "installed", "proven")
            innocent.runs()
            for stream in streams:
                stream.sends()
            assert [stream.arrived() for stream in streams] == before, f"after restart {number}"
