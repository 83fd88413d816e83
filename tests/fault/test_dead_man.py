"""The daemon is killed (SIGKILL) while a containment waits to be confirmed: with packets, what nobody confirmed is let go once it is back,
and what somebody confirmed is held."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.mininet.estate import Estate, estate
from tests.mininet.served import until
from topologies.campus import campus
from topologies.plan import Role

pytestmark = [pytest.mark.mininet, pytest.mark.fault]
WITHIN = 8.0
"""Seconds to confirm: longer than a start of the daemon on a busy machine takes to be asked."""
SOON = 5.0


@pytest.fixture(scope="module")
def site() -> Iterator[Estate]:
    """Everybody's containment must be confirmed."""
    dead_man = {"confirm_within": WITHIN, "roles": ["unknown", *(role.value for role in Role)]}
    with estate(campus(), lambda plan: {"dead_man": dead_man}, keep=True) as up:
        yield up


def test_killed_while_it_waits_it_is_let_go_when_the_daemon_is_back_and_not_before(site: Estate) -> None:
    camera = site.host("camera")
    with site.stream("camera", "pc1") as stream:
        case = site.netcordon.contain(str(camera.ip), "proven")
        assert case.confirm_by is not None
        due = case.confirm_by.timestamp()
        stream.stops()
        with stream.silent():
            assert site.netcordon.end(signal.SIGKILL) == -signal.SIGKILL
            until("the time to confirm it to be over", lambda: time.time() > due + 0.5, 2 * WITHIN)
            stream.sends()
        began = time.monotonic()
        site.netcordon.start()
        stream.runs()
        print(f"through {time.monotonic() - began:.1f} s after the start began")  # noqa: T201
        gone = site.netcordon.outcome(case.id, "removed", patience=SOON)
        assert (gone.want, gone.released_by) == ("released", "dead-man")
        assert sum(one.action == "release" for one in site.netcordon.operator.audit_records(limit=1000)) == 1


def test_killed_after_it_was_confirmed_it_is_held_past_that_time(site: Estate) -> None:
    pc2 = site.host("pc2")
    with site.stream("pc2", "pc1") as stream:
        case = site.netcordon.contain(str(pc2.ip), "proven")
        assert case.confirm_by is not None
        stream.stops()
        assert site.netcordon.operator.confirm(case.id).confirmed_by == "operator"
        with stream.silent():
            site.netcordon.end(signal.SIGKILL)
            site.netcordon.start()
            due = case.confirm_by.timestamp()
            until("the time to confirm it to be over", lambda: time.time() > due + 2.0, 2 * WITHIN)
            assert site.netcordon.outcome(case.id, "installed", "proven").want == "held"
        site.netcordon.operator.release(case.id, reason="a test")
        stream.runs()
