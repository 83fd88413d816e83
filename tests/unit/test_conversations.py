"""What a plan would end of what was seen: by its own rules, from what sensors tell, bounded; and that no sensor is not nobody."""

from __future__ import annotations

import io
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from controller.api.views import preview_view
from controller.cli.plan_view import show_impact
from controller.config import Config
from controller.conversations import Conversation, Conversations
from controller.intake import SOURCES, NotAnAlert
from controller.model import Endpoint, Plan, Profile, Way
from controller.plan import make_plan
from controller.requests import Preview
from drivers.memory import MemoryDriver
from tests.campus import DECISION, NOW, campus, ip, mac
from tests.unit.site import servers, site_at

SERVER, CLIENT, OTHER = (ip_address(f"10.0.0.{n}") for n in (66, 77, 10))
PROFILES = Config().catalogue
HOUR = 3600.0
FLOW: dict[str, Any] = {
    "timestamp": "2027-01-15T07:59:00.000000+0000",
    "flow_id": 1,
    "event_type": "flow",
    "src_ip": "10.0.0.77",
    "src_port": 50321,
    "dest_ip": "10.0.0.66",
    "dest_port": 445,
    "proto": "TCP",
    "flow": {"pkts_toserver": 10, "pkts_toclient": 9, "start": "2027-01-15T07:58:00.000000+0000", "state": "closed"},
}
"""The fields of https://docs.suricata.io/en/latest/output/eve/eve-json-format.html#event-type-flow."""
CONN: dict[str, Any] = {
    "_path": "conn",
    "ts": NOW - 30,
    "uid": "CMdzit1AMNsmfAIiQc",
    "id.orig_h": "10.0.0.66",
    "id.orig_p": 36844,
    "id.resp_h": "10.0.0.10",
    "id.resp_p": 53,
    "proto": "udp",
}
"""The fields of https://docs.zeek.org/en/master/logs/conn.html."""


def told(source: str, record: dict[str, Any]) -> Conversation | None:
    with pytest.raises(NotAnAlert) as other:
        SOURCES[source].read(record, NOW)
    return other.value.told


def plan_of(profile: Profile) -> Plan:
    net = campus()
    net.keeps_saying(str(SERVER), 6, 3, since=600)
    endpoint = net.locate(ip(str(SERVER))).endpoint
    assert isinstance(endpoint, Endpoint)
    decision = replace(DECISION, profile=profile)
    return make_plan("c-1", endpoint, decision, NOW + HOUR, net.network.graph, MemoryDriver.capabilities)


def heard(*conversations: Conversation) -> Conversations:
    known = Conversations(8 * HOUR, NOW - 2 * HOUR)
    for one in conversations:
        known.hear(one, NOW)
    return known


SMB = Conversation(CLIENT, SERVER, 6, 445, NOW - 60, "suricata")
WEB = Conversation(CLIENT, SERVER, 6, 443, NOW - 50, "suricata")
DNS = Conversation(SERVER, OTHER, 17, 53, NOW - 30, "zeek")


def test_suricatas_flow_and_zeeks_connection_tell_who_opened_what() -> None:
    assert told("suricata", FLOW) == SMB
    assert told("zeek", CONN) == DNS
    assert told("zeek", {**CONN, "ts": str(NOW - 30), "id.resp_p": "53"}) == DNS, "as the tab-separated file has it"


@pytest.mark.parametrize(
    "changes", [{"src_ip": "nobody"}, {"proto": "SCTP"}, {"dest_port": 99999}, {"timestamp": "soon"}, {"src_ip": None}]
)
def test_what_says_too_little_is_passed_over_as_before(changes: dict[str, Any]) -> None:
    assert told("suricata", FLOW | changes) is None


def test_full_ends_everything_and_lateral_what_a_worm_uses() -> None:
    known = heard(SMB, SMB, WEB, DNS)
    full = known.impact(plan_of(PROFILES["full"]), NOW)
    assert [(one.way, one.port, one.times) for one in full.lost] == [
        (Way.FROM, 53, 1),
        (Way.TO, 443, 1),
        (Way.TO, 445, 2),
    ]
    assert full.kept == ()
    lateral = known.impact(plan_of(PROFILES["lateral"]), NOW)
    assert [one.port for one in lateral.lost] == [445]
    assert [one.port for one in lateral.kept] == [53, 443]
    monitor = known.impact(plan_of(PROFILES["monitor"]), NOW)
    assert monitor.lost == (), "what only counts ends nothing"


def test_others_conversations_are_not_its_own() -> None:
    impact = heard(Conversation(CLIENT, OTHER, 6, 22, NOW, "zeek")).impact(plan_of(PROFILES["full"]), NOW)
    assert (impact.lost, impact.kept, impact.sources) == ((), (), ("zeek",))


async def test_an_approver_sees_what_the_approval_would_do_and_gives_none_by_that(tmp_path: Path) -> None:
    site = await site_at(tmp_path, servers(), [], {"dead_man": {"roles": ["unknown"]}})
    try:
        await site.breaker.pause("ann", "drill")
        waiting = (await site.accuse(1)).proposal
        assert waiting is not None
        preview = await site.approvals.preview(waiting.id)
        assert preview.refusal is None
        assert preview.plan is not None
        assert "must be confirmed within 10m" in preview.notes[0]
        assert (await site.store.proposal(waiting.id)).approvers == []
        assert await site.held() == []
        smb = Conversation(CLIENT, ip_address("10.0.1.1"), 6, 445, site.net.now, "suricata")
        assert [one.port for one in heard(smb).impact(preview.plan, site.net.now).lost] == [445]
        site.net.now += 25 * HOUR
        assert (await site.approvals.preview(waiting.id)).refusal is not None, "it has not been seen since"
    finally:
        await site.store.close()


def test_what_is_old_goes_and_what_is_too_much_is_said() -> None:
    known = Conversations(HOUR, NOW - 2 * HOUR, most=2)
    known.hear(replace(SMB, at=NOW - 2 * HOUR), NOW)
    assert known.impact(plan_of(PROFILES["full"]), NOW).sources == (), "older than the window"
    for one in (SMB, WEB, DNS):
        known.hear(one, NOW)
    impact = known.impact(plan_of(PROFILES["full"]), NOW)
    assert (impact.since, len(impact.lost)) == (SMB.at, 2), "complete only since what was forgotten"
    known.hear(replace(DNS, at=NOW + 9 * HOUR), NOW)
    assert known.impact(plan_of(PROFILES["full"]), NOW).lost[0].last == NOW, "another clock's time is not believed"
    assert known.impact(plan_of(PROFILES["full"]), NOW + 2 * HOUR).lost == ()


def shown(known: Conversations, profile: str) -> str:
    plan = plan_of(PROFILES[profile])
    location = campus().locate(ip(str(SERVER)))
    view = preview_view(Preview(location, plan=plan, impact=known.impact(plan, NOW))).impact
    assert view is not None
    out = io.StringIO()
    show_impact(Console(file=out, width=200), view)
    return out.getvalue()


def test_a_person_reads_what_it_would_lose_and_that_no_sensor_is_not_nobody() -> None:
    assert "Impact not known" in shown(heard(), "full")
    assert "That is not nobody" in shown(heard(), "full")
    text = shown(heard(SMB, WEB, WEB, DNS), "lateral")
    assert "its tcp 443, used by 10.0.0.77: 2 times, last " in text
    assert "by suricata, zeek; what no sensor saw is not in it" in text
    assert "its tcp 445, used by 10.0.0.77: once, " in text
    assert "udp 53 of 10.0.0.10: once, " in text
    assert "loses: nothing that was seen" in shown(heard(DNS), "lateral")
    assert mac(6) not in text
