"""Change freezes: when they are in force, by every clock; what they leave to people, and what they never hinder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.config import Config
from controller.doctor.network import Seen, examine
from controller.errors import ConfigError, RefusalCode, Refused
from controller.freezes import Freeze, frozen
from controller.requests import ContainRequest, Disposition
from controller.store import Extension
from controller.yaml_source import parse_model
from tests.campus import NOW, campus, ip
from tests.unit.site import Site, servers, site_at

HOUR = 3600.0
YEAR_END: dict[str, Any] = {
    "name": "year-end",
    "start": "2027-01-15 06:00",
    "end": "2027-01-16 06:00",
    "timezone": "Europe/Berlin",
    "why": "CHG-9",
}
"""In force at NOW, which is Friday, 2027-01-15 08:00 UTC, until 05:00 UTC of the next day."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def freeze(**fields: Any) -> Freeze:
    return Freeze.model_validate({"name": "f", **fields})


def utc(moment: float | None) -> str:
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


# --- when ----------------------------------------------------------------------------------------------------------


def test_a_dated_one_is_in_force_from_its_first_second_and_not_at_its_end() -> None:
    dated = freeze(start="2026-12-20 18:00", end="2027-01-04", timezone="Europe/Berlin")
    begins, ends = at("2026-12-20 17:00"), at("2027-01-03 23:00")
    assert [dated.until(moment) for moment in (begins - 1, begins, ends - 1, ends)] == [None, ends, ends, None]


def test_a_weekly_one_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = freeze(days=["fri"], start="22:00", end="06:00", timezone="America/New_York")
    assert night.until(at("2027-01-15 02:00")) is None, "Thursday evening there"
    assert utc(night.until(at("2027-01-16 04:00"))) == "2027-01-16 11:00"
    assert utc(night.until(at("2027-01-16 10:59"))) == "2027-01-16 11:00", "Saturday morning there"
    assert night.until(at("2027-01-16 11:00")) is None


def test_days_that_follow_on_one_another_are_one_freeze() -> None:
    weekend = freeze(days=["sat", "sun"], start="00:00", end="00:00")
    assert utc(weekend.until(at("2027-01-16 00:00"))) == "2027-01-18 00:00"
    assert weekend.until(at("2027-01-15 23:59")) is None
    always = freeze(days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], start="00:00", end="00:00")
    assert always.until(NOW) is not None


def test_when_the_clock_is_put_forward_a_time_that_there_is_not_begins_early_and_ends_late() -> None:
    """Berlin, 2027-03-28: 02:00 to 03:00 is left out, at 01:00 UTC."""
    begins = freeze(days=["sun"], start="02:30", end="06:00", timezone="Europe/Berlin")
    assert begins.until(at("2027-03-28 00:29")) is None
    assert utc(begins.until(at("2027-03-28 00:30"))) == "2027-03-28 04:00"
    ends = freeze(days=["sat"], start="22:00", end="02:30", timezone="Europe/Berlin")
    assert utc(ends.until(at("2027-03-27 21:00"))) == "2027-03-28 01:30"


def test_when_the_clock_is_put_back_a_time_that_comes_twice_begins_early_and_ends_late() -> None:
    """Berlin, 2027-10-31: 02:30 is at 00:30 UTC and again at 01:30 UTC."""
    begins = freeze(days=["sun"], start="02:30", end="06:00", timezone="Europe/Berlin")
    assert begins.until(at("2027-10-31 00:29")) is None
    assert utc(begins.until(at("2027-10-31 00:30"))) == "2027-10-31 05:00"
    ends = freeze(days=["sat"], start="22:00", end="02:30", timezone="Europe/Berlin")
    assert utc(ends.until(at("2027-10-31 01:29"))) == "2027-10-31 01:30"


def test_the_same_hours_on_the_wall_all_year_round() -> None:
    office = freeze(days=["mon"], start="08:00", end="18:00", timezone="Europe/Berlin")
    assert utc(office.until(at("2027-01-18 07:00"))) == "2027-01-18 17:00"
    assert utc(office.until(at("2027-07-19 06:00"))) == "2027-07-19 16:00"


def test_it_covers_its_sites_and_switches_and_the_longest_one_is_said() -> None:
    here = freeze(**{**YEAR_END, "name": "here", "sites": ["hq"], "switches": ["s1"]})
    short = freeze(**{**YEAR_END, "name": "short", "end": "2027-01-15 12:00"})
    assert [here.covers("hq", ()), here.covers("lab", {"s1", "of:1"}), here.covers("lab", {"s2"})] == [
        True,
        True,
        False,
    ]
    for site, name in (("hq", "here"), ("lab", "short")):
        found = frozen((short, here), NOW, site, {"s2"})
        assert found is not None
        assert found.freeze.name == name
    assert (here.where, short.where) == ("site hq, switch s1", "everywhere")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("start: 2027-01-05\n    end: 2027-01-04", r":4: freezes\.0\.end: .*it ends at 2027-01-04, which is not after"),
        ("start: soon\n    end: 2027-01-04", r":3: freezes\.0\.start: .*write it as 2026-12-20 18:00"),
        (
            "start: 2027-01-03T10:00+01:00\n    end: 2027-01-04",
            r":3: freezes\.0\.start: .*leave it out, `timezone` says it",
        ),
        ("start: 08:00\n    end: 25:00\n    days: [mon]", r":4: freezes\.0\.end: .*write it as 08:00"),
        ("start: 08:00\n    end: 18:00", r":3: freezes\.0\.start: .*or list `days`"),
        ("start: 08:00\n    end: 18:00\n    days: [monday]", r":5: freezes\.0\.days"),
        ("start: 2027-01-01\n    end: 2027-01-04\n    timezone: Berlin", r":5: freezes\.0\.timezone: .*IANA name"),
        ("start: 2027-01-01\n    end: 2027-01-04\n    timezone: Europe", r":5: freezes\.0\.timezone: .*IANA name"),
        ("start: 2027-01-01\n    end: 2027-01-04\n    site: hq", r":5: freezes\.0\.site"),
        (
            "start: 2027-01-01\n    end: 2027-01-04\n  - name: x\n    start: 2027-01-01\n    end: 2027-01-04",
            r":5: .*already",
        ),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_its_line(written: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_model(f"freezes:\n  - name: x\n    {written}\n", Config, "netcordon.yaml")


# --- what it leaves to people, and what it never hinders ------------------------------------------------------------


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = await site_at(tmp_path, servers(), [], {"freezes": [YEAR_END]})
    yield made
    await made.store.close()


def contain(number: int, reason: str) -> ContainRequest:
    return ContainRequest(ip(f"10.0.1.{number}"), "full", HOUR, reason, "ann")


async def test_an_alert_becomes_a_proposal_that_says_until_when_and_people_may_approve_it(site: Site) -> None:
    answer = await site.accuse(1)
    assert (answer.disposition, answer.code) == (Disposition.PROPOSED, RefusalCode.FROZEN)
    assert "'year-end' (CHG-9) is in force until 2027-01-16 06:00 Europe/Berlin" in answer.reason
    assert await site.held() == []
    assert not (await site.store.automation()).paused, "a freeze is no fault: the breaker stays closed"
    assert answer.proposal is not None
    assert (await site.approvals.approve(answer.proposal.id, by="bob")).accepted is not None


async def test_once_it_is_over_alerts_contain_again(site: Site) -> None:
    site.net.now = at("2027-01-16 05:00")
    site.net.keeps_saying("10.0.1.1", 101, 101, since=600)
    assert (await site.accuse(1)).disposition is Disposition.CONTAINED


async def test_an_emergency_containment_by_a_person_who_says_why_goes_through(site: Site) -> None:
    with pytest.raises(Refused, match="say why it cannot wait") as refused:
        await site.containments.contain(contain(1, " "))
    assert refused.value.code is RefusalCode.FROZEN
    preview = site.containments.preview(contain(1, "it encrypts the file server"))
    assert preview.refusal is None
    assert "until 2027-01-16 06:00 Europe/Berlin: you contain in spite of it" in preview.notes[0]
    assert (await site.containments.contain(contain(1, "it encrypts the file server"))).created


async def test_a_program_is_no_person(site: Site) -> None:
    with pytest.raises(Refused, match="a person must decide"):
        await site.containments.contain(ContainRequest(ip("10.0.1.1"), "full", 60, "openc2", "soar", automatic=True))


async def test_nothing_is_held_for_longer_but_for_shorter_and_every_release_goes(site: Site) -> None:
    case = (await site.containments.contain(contain(1, "INC-1"))).containment
    assert case.expires_at is not None
    with pytest.raises(Refused, match="nothing is held for longer") as refused:
        await site.containments.extend(case.id, Extension(span=2 * HOUR), by="ann", key=None)
    assert refused.value.code is RefusalCode.FROZEN
    sooner = await site.containments.extend(case.id, Extension(span=60, shorten=True), by="ann", key=None)
    assert sooner.expires_at == NOW + 60
    joined = await site.accuse(1)
    assert joined.disposition is Disposition.JOINED
    assert joined.containment is not None
    assert joined.containment.expires_at == NOW + 60, "an alert moves no end in a freeze"
    again = await site.containments.contain(contain(1, "INC-1, still at it"))
    assert again.containment.expires_at == NOW + HOUR, "a person does, and says why"
    assert len(await site.containments.release_all(by="ann", reason="over")) == 1


async def test_elsewhere_everything_goes_on(tmp_path: Path) -> None:
    net = servers()
    made = await site_at(tmp_path, net, [], {"freezes": [{**YEAR_END, "switches": ["s2"]}]})
    assert (await made.accuse(1)).disposition is Disposition.CONTAINED
    await made.store.close()
    named = await site_at(tmp_path, net, [], {"freezes": [{**YEAR_END, "switches": ["s1"]}]})
    assert (await named.accuse(2)).code is RefusalCode.FROZEN, "a switch is known by its name as well as by its id"
    await named.store.close()


def test_the_doctor_says_which_and_until_when_and_what_names_no_switch() -> None:
    config = Config.model_validate({"freezes": [{**YEAR_END, "switches": ["s1", "s77"]}]})
    net = campus()
    stops = frozen(config.freezes, NOW, "default", {"s1"})
    assert stops is not None
    found = {one.check: one.seen for one in examine(Seen(config, net.network, (), (), (), (), (), (), freezes=[stops]))}
    assert "until 2027-01-16 06:00 Europe/Berlin (switch s1, switch s77)" in found["frozen"]
    assert "s77, which was never seen" in found["freeze-nowhere"]
