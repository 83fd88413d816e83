"""Alerts that must not contain: malformed, about what is protected, about nobody, about who had the address before. None is lost."""

from __future__ import annotations

import json
import resource
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from controller.roles import Role
from drivers.base import Sighting
from tests.campus import mac
from tests.fault.rig import PROTECTED, Rig, rigged

pytestmark = pytest.mark.fault
HOST, HEIR = 15, 115
MALFORMED = (
    "{not json",
    '{"signature": "SCAN", "src": {"ip": "10.0.0.300"}, "observed_at": "2026-01-31T12:00:00Z"}',
    '{"signature": "SCAN", "src": {"ip": "10.0.0.5"}}',
    '{"signature": "SCAN", "src": {}, "observed_at": "2026-01-31T12:00:00Z"}',
    '{"signature": "SCAN", "observed_at": "2026-01-31T12:00:00Z"}',
    '{"signature": "SCAN", "src": {"ip": "10.0.0.5"}, "observed_at": "yesterday"}',
    "[]",
    '"a string"',
)


def _resident() -> float:
    """What this process has in memory, in MB: the daemon, and the sender's answers."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def test_ten_thousand_alerts_of_which_a_third_is_malformed(sqlite_url: str) -> None:
    """Each is answered, each bad one is kept with its reason, and memory does not grow with them. Observed only: what is tried here is
    the intake."""
    sent, bad, malformed, taken = 10_000, 0, 0, 0
    memory: list[float] = []
    async with rigged(sqlite_url) as rig:
        for start in range(0, sent, 500):
            lines = []
            for number in range(start, start + 500):
                if number % 3 == 0:
                    lines.append(MALFORMED[number // 3 % len(MALFORMED)])
                    bad += 1
                else:
                    lines.append(json.dumps(rig.alert(1 + number % 39, signature="noise")))
            answer = (await rig.post("alerts/generic", "\n".join(lines), role=Role.INTAKE)).json()
            assert len(answer["results"]) == 500
            assert all(one["reason"] and one["id"] for one in answer["results"] if one["status"] == "malformed")
            malformed, taken = malformed + answer["malformed"], taken + answer["taken"]
            memory.append(_resident())
        assert (malformed, taken) == (bad, sent - bad)
        letters = await rig.store.dead_letters(20_000)
        assert len(letters) == bad
        assert all(letter.reason for letter in letters)
        assert {letter.raw for letter in letters} == set(MALFORMED)
        assert len(await rig.store.alerts(20_000)) == sent - bad
        (asked,) = await rig.store.proposals(10)  # no rule speaks of them: people are asked once, not 6,666 times
        assert asked.times == sent - bad
    print(f"memory after 1,000 and after 10,000: {memory[1]:.0f} and {memory[-1]:.0f} MB")  # noqa: T201 - measured
    assert memory[-1] < memory[1] + 64, f"memory grew: {[round(one) for one in memory]} MB"


async def test_an_alert_about_a_protected_asset_is_refused_with_what_protects_it(rig: Rig) -> None:
    (result,) = (await rig.send(rig.alert(9)))["results"]
    assert (result["disposition"], result["containment"]) == ("refused", None)
    assert f"protected by ip {PROTECTED}" in result["reason"]
    assert "the domain controller" in result["reason"]
    assert rig.passes(9)
    assert await rig.held() == []


async def test_an_alert_about_nobody_is_put_to_a_person(rig: Rig) -> None:
    (result,) = (await rig.send(rig.alert(HOST, src={"ip": "10.0.0.250"})))["results"]
    assert (result["disposition"], result["containment"]) == ("refused", None)
    (proposal,) = await rig.get("proposals")
    assert (proposal["id"], proposal["refusal"]) == (result["proposal"], "unknown-place")


async def test_an_alert_about_an_address_that_moved_on_contains_who_had_it_then(rig: Rig) -> None:
    """Host 15 left its address for another; host 115 got it by a lease. What the alert saw was before that."""
    address, now = rig.ip(HOST), time.time()
    rig.heard(HOST, ip="10.0.0.215")
    where = rig.place(HEIR)
    rig.daemon.fleet._see(Sighting(where[0], now, mac(HEIR), where[1], ip_address(address), None, "dhcp", lease=True))
    then = datetime.fromtimestamp(now - 60, UTC).isoformat()
    (result,) = (await rig.send(rig.alert(HOST, observed_at=then)))["results"]
    assert result["disposition"] == "contained", result
    (case,) = await rig.held()
    assert case.endpoint.macs == {mac(HOST)}
    await rig.settled()
    assert rig.passes(HEIR)
    assert not rig.passes(HOST)


async def test_an_alert_of_the_moment_at_which_it_changed_hands_is_not_guessed_at(rig: Rig) -> None:
    address = rig.ip(HOST)
    rig.heard(HEIR, ip=address)
    (result,) = (await rig.send(rig.alert(HOST)))["results"]
    assert (result["disposition"], result["containment"]) == ("refused", None)
    assert "was claimed by" in result["reason"]
    assert rig.passes(HOST)
    assert rig.passes(HEIR)
