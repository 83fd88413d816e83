"""OpenC2's Stateless Packet Filter profile v1.0 over the HTTPS transfer v1.1: each example of their texts, and each rule about answers.

Sections are of the SLPF profile (oasis-tcs/openc2-apsc-stateless-packet-filter, oc2slpf.md); HTTPS is open-impl-https-v1.1-cs01.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.app import create_app
from controller.closed_flow import Flow, profile_named
from controller.errors import RefusalCode, Refused, StoreUnavailable
from controller.model import Outcome, Want, Way
from controller.openc2.command import Unable, read_command, unwrap
from controller.profiles import catalogue
from controller.roles import Permission, Role
from controller.store import Store
from drivers.rules import Protocol
from tests.unit.fake_service import FakeService
from tests.unit.store_cases import Clock, draft, nothing

MEDIA_TYPE = "application/openc2+json;version=1.0"
SLPF: dict[str, Any] = {"slpf": {}}
V6 = "3ffe:1900:4545:3::f8ff:fe21:67cf"


class Producer:
    """What sends commands, and what the consumer then holds."""

    def __init__(self, service: FakeService, http: httpx.AsyncClient, token: str) -> None:
        self.service, self.http, self.token, self.sent = service, http, token, 0

    async def post(self, message: Any, **headers: str) -> httpx.Response:
        content = message if isinstance(message, bytes) else json.dumps(message)
        return await self.http.post(
            "/.well-known/openc2",
            content=content,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": MEDIA_TYPE, **headers},
        )

    async def send(self, command: Any) -> httpx.Response:
        self.sent += 1
        return await self.post({"headers": {"request_id": f"r-{self.sent}"}, "body": {"openc2": {"request": command}}})

    async def held(self) -> list[str]:
        return [one.id for one in await self.service.store.containments(want=Want.HELD)]


@pytest.fixture
async def producer(tmp_path: Path, sqlite_template: Path, clock: Clock) -> AsyncIterator[Producer]:
    shutil.copy(sqlite_template, tmp_path / "netcordon.db")
    store = await Store.open(f"sqlite:///{tmp_path}/netcordon.db", clock)
    token = await store.add_token("soar", Role.OPENC2)
    service = FakeService(store, then=Outcome.INSTALLED)
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://netcordon") as http:
        yield Producer(service, http, token)
    if service.pushing is not None:
        await service.pushing
    await store.close()


def deny(net: str = "10.0.0.7", **args: Any) -> dict[str, Any]:
    return {"action": "deny", "target": {"ipv4_net": net}, "args": args}


def said(answer: httpx.Response) -> dict[str, Any]:
    """The response in the message, whose envelope is as HTTPS 3.3.2 and 3.4 say."""
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.headers["Cache-Control"] == "no-cache"
    message = answer.json()
    assert set(message) == {"headers", "body"}
    response: dict[str, Any] = message["body"]["openc2"]["response"]
    assert answer.status_code == (200 if response["status"] == 102 else response["status"])
    return response


EXAMPLES: tuple[tuple[str, dict[str, Any], dict[str, Any] | None], ...] = (
    (
        "A.1.1",
        {
            "action": "deny",
            "target": {
                "ipv4_connection": {
                    "protocol": "tcp",
                    "src_addr": "1.2.3.4",
                    "src_port": 10996,
                    "dst_addr": "198.2.3.4",
                    "dst_port": 80,
                }
            },
            "args": {
                "start_time": 1534775460000,
                "duration": 500,
                "response_requested": "ack",
                "slpf": {"drop_process": "none"},
            },
            "actuator": {"slpf": {"asset_id": "30"}},
        },
        {"status": 102},
    ),
    (
        "A.1.2, case two",
        {
            "action": "deny",
            "target": {"ip_conection": {"protocol": "tcp", "src_port": 21}},
            "args": {"slpf": {"drop_process": "false_ack", "direction": "egress"}},
            "actuator": SLPF,
        },
        {"status": 400, "status_text": "Validation Error: Target: ip_conection"},
    ),
    (
        "A.1.2, case three",
        {
            "action": "deny",
            "target": {"ipv4_connection": {"protocol": "tcp", "src_port": 21}},
            "args": {"slpf": {"drop_process": "false_ack", "direction": "egress"}},
            "actuator": SLPF,
        },
        {"status": 501, "status_text": "Option not supported: drop_process false_ack"},
    ),
    (
        "A.1.3",
        {
            "action": "deny",
            "target": {"ipv6_net": "3ffe:1900:4545:3:200:f8ff:fe21:67cf"},
            "args": {"response_requested": "none", "slpf": {"direction": "ingress"}},
            "actuator": {"slpf": {"named_group": "perimeter"}},
        },
        None,
    ),
    (
        "A.1.4",
        {
            "action": "allow",
            "target": {"ipv6_connection": {"protocol": "tcp", "dst_addr": V6, "src_port": 21}},
            "actuator": SLPF,
        },
        {"status": 501, "status_text": "Target type not supported: allow ipv6_connection"},
    ),
    (
        "A.3",
        {
            "action": "update",
            "target": {
                "file": {
                    "path": "\\\\someshared-drive\\somedirectory\\configurations",
                    "name": "firewallconfiguration.txt",
                }
            },
            "actuator": {"slpf": {"named_group": "network"}},
        },
        {"status": 501, "status_text": "Command not supported: Update-File Not Implemented"},
    ),
    ("A.4.1", {"action": "query", "target": {"features": []}}, {"status": 200}),
    (
        "A.4.2",
        {"action": "query", "target": {"features": ["versions"]}},
        {"status": 200, "results": {"versions": ["1.0"]}},
    ),
    (
        "A.4.3",
        {"action": "query", "target": {"features": ["versions", "profiles"]}},
        {"status": 200, "results": {"versions": ["1.0"], "profiles": ["slpf"]}},
    ),
    (
        "A.4.4",
        {"action": "query", "target": {"features": ["pairs"]}},
        {
            "status": 200,
            "results": {
                "pairs": {
                    "allow": ["ipv4_net", "ipv6_net"],
                    "deny": ["ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"],
                    "query": ["features"],
                    "delete": ["slpf:rule_number"],
                }
            },
        },
    ),
    (
        "1.5.2",
        {"action": "deny", "target": {"file": {"hashes": {"sha256": "22fe72a3"}}}},
        {"status": 501, "status_text": "Target type not supported: deny file"},
    ),
)


@pytest.mark.parametrize(("section", "command", "expected"), EXAMPLES, ids=[one[0] for one in EXAMPLES])
async def test_each_example_of_the_specification(
    producer: Producer, section: str, command: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    answer = await producer.send(command)
    if expected is None:
        assert (answer.status_code, answer.content) == (200, b"")
    else:
        assert said(answer) == expected
    asked = [request.profile for request in producer.service.requests]
    assert asked == (["flow:from"] if section == "A.1.3" else [])


async def test_outbound_ftp_is_denied_as_in_a_1_2(producer: Producer) -> None:
    """Case one: of a device that is here, with the direction in which a switch sees what leaves a device."""
    ftp = {
        "action": "deny",
        "target": {"ipv4_connection": {"protocol": "tcp", "src_addr": "10.0.0.7", "src_port": 21}},
        "args": {"slpf": {"drop_process": "none", "direction": "ingress"}},
        "actuator": SLPF,
    }
    assert said(await producer.send(ftp)) == {"status": 200, "results": {"slpf": {"rule_number": 1}}}
    assert [request.profile for request in producer.service.requests] == ["flow:from,tcp,21,*,*"]


def test_the_page_has_each_example_and_the_status_that_comes() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/openc2.md").read_text()
    rows = re.findall(r"^\| (1\.5\.2|A\.[^|]+) \|[^|]*\|[^|]*\| (?:an empty )?(\d+)[^|]*\|$", page, re.MULTILINE)
    by_test = {"A.1.2, case one": "200", "A.2": "200"}
    expected = {name: str((answer or {"status": 200})["status"]) for name, _, answer in EXAMPLES} | by_test
    assert dict(rows) == expected


async def test_a_connection_is_denied_one_way_at_its_source(producer: Producer) -> None:
    """A.1.2, case one, of a device that is here; the rule number comes as 2.3.2 asks for."""
    target = {"ipv4_connection": {"protocol": "tcp", "src_addr": "10.0.0.7", "src_port": 21}}
    answer = said(await producer.send({"action": "deny", "target": target, "actuator": SLPF}))
    assert answer == {"status": 200, "results": {"slpf": {"rule_number": 1}}}
    (request,) = producer.service.requests
    assert (str(request.target), request.profile) == ("10.0.0.7", "flow:from,tcp,21,*,*")
    assert request.automatic
    assert not request.override


async def test_egress_is_denied_at_the_destination(producer: Producer) -> None:
    ends = {"protocol": "udp", "src_addr": "10.9.0.0/16", "dst_addr": "10.0.0.8", "dst_port": 53}
    args = {"slpf": {"direction": "egress"}}
    await producer.send({"action": "deny", "target": {"ipv4_connection": ends}, "args": args})
    (request,) = producer.service.requests
    assert (str(request.target), request.profile) == ("10.0.0.8", "flow:to,udp,53,10.9.0.0/16,*")


async def test_deny_then_delete_as_in_a_2(producer: Producer) -> None:
    number = said(await producer.send(deny()))["results"]["slpf"]["rule_number"]
    assert len(await producer.held()) == 1
    remove = {
        "action": "delete",
        "target": {"slpf:rule_number": number},
        "args": {"response_requested": "complete"},
        "actuator": SLPF,
    }
    assert said(await producer.send(remove)) == {"status": 200}
    assert await producer.held() == []
    again = said(await producer.send(remove))  # 2.3.4.1: MUST 500
    assert again["status"] == 500
    assert again["status_text"].startswith("firewall rule not removed or updated")


async def test_a_rule_of_somebody_else_is_not_removed(producer: Producer) -> None:
    store = producer.service.store
    await store.accept(draft(7, containment="c-0000000000ff", by="ann"), recheck=nothing)
    for command in (
        {"action": "delete", "target": {"slpf:rule_number": 255}},
        {"action": "allow", "target": {"ipv4_net": "10.0.0.7"}},
    ):
        assert said(await producer.send(command))["status"] in (500, 501)
    assert await producer.held() == ["c-0000000000ff"]


async def test_allow_lets_go_what_this_producer_denied(producer: Producer) -> None:
    allow = {"action": "allow", "target": {"ipv4_net": "10.0.0.7/32"}}
    nothing_denied = said(await producer.send(allow))  # 2.3.1: 501 and `Rule not updated`
    assert (nothing_denied["status"], nothing_denied["status_text"][:16]) == (501, "Rule not updated")
    number = said(await producer.send(deny()))["results"]
    assert said(await producer.send(allow)) == {"status": 200, "results": number}
    assert await producer.held() == []


async def test_what_is_not_seen_installed_is_102(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.openc2.consumer.PATIENCE", 0.05)
    producer.service.then = None
    answer = said(await producer.send(deny()))
    assert (answer["status"], answer["results"]) == (102, {"slpf": {"rule_number": 1}})


async def test_the_guards_hold(producer: Producer) -> None:
    producer.service.refuse = Refused(RefusalCode.PROTECTED, "protected by dns")
    answer = said(await producer.send(deny()))
    assert answer == {"status": 501, "status_text": "Rule not updated: protected by dns"}
    producer.service.refuse = StoreUnavailable("disk full")
    assert said(await producer.send(deny()))["status"] == 503
    assert said(await producer.send(deny(response_requested="ack")))["status"] == 503


async def test_an_ack_says_only_that_it_came(producer: Producer) -> None:
    producer.service.refuse = Refused(RefusalCode.PROTECTED, "protected by dns")
    assert said(await producer.send(deny(response_requested="ack"))) == {"status": 102}


async def test_a_second_flow_of_one_device_is_not_claimed(producer: Producer) -> None:
    def of(port: int) -> dict[str, Any]:
        flow = {"protocol": "tcp", "src_addr": "10.0.0.7", "dst_port": port}
        return {"action": "deny", "target": {"ipv4_connection": flow}}

    assert said(await producer.send(of(80)))["status"] == 200
    assert said(await producer.send(of(443)))["status"] == 501


async def test_the_same_request_again_happens_once(producer: Producer) -> None:
    message = {"headers": {"request_id": "same"}, "body": {"openc2": {"request": deny(duration=60000)}}}
    first, again = await producer.post(message), await producer.post(message)
    assert said(first)["results"] == said(again)["results"]
    assert len(await producer.held()) == 1
    assert producer.service.requests[0].duration == 60


async def test_one_with_an_end_that_is_sent_again_later_happens_once(producer: Producer) -> None:
    """What is left of it is less by then."""
    ends = int(time.time() * 1000) + 90_000
    message = {"headers": {"request_id": "same"}, "body": {"openc2": {"request": deny(stop_time=ends)}}}
    first = said(await producer.post(message))
    await asyncio.sleep(0.01)
    assert said(await producer.post(message)) == first
    assert first["status"] == 200
    assert len(producer.service.requests) == len(await producer.held()) == 1


async def test_after_an_ack_the_same_command_says_what_became_of_it(producer: Producer) -> None:
    def asked(reply: str, id: str) -> dict[str, Any]:
        return {"headers": {"request_id": id}, "body": {"openc2": {"request": deny(response_requested=reply)}}}

    assert said(await producer.post(asked("ack", "good"))) == {"status": 102}
    (held,) = await producer.held()
    assert said(await producer.post(asked("complete", "good")))["results"]["slpf"]["rule_number"] == int(held[2:], 16)
    assert await producer.held() == [held]
    producer.service.refuse = Refused(RefusalCode.PROTECTED, "protected by dns")
    assert said(await producer.post(asked("ack", "bad"))) == {"status": 102}
    answer = said(await producer.post(asked("complete", "bad")))
    assert answer == {"status": 501, "status_text": "Rule not updated: protected by dns"}


async def test_a_request_id_is_of_one_command(producer: Producer) -> None:
    for net, status in (("10.0.0.7", 200), ("10.0.0.8", 501)):
        message = {"headers": {"request_id": "same"}, "body": {"openc2": {"request": deny(net)}}}
        answer = said(await producer.post(message))
        assert answer["status"] == status
    assert answer["status_text"].startswith("Rule not updated: ")
    assert "was used for another request" in answer["status_text"]


NOT_SUPPORTED = (
    ({"insert_rule": 1234}, 501),  # 2.3.2
    ({"drop_process": "reject"}, 501),
    ({"persistent": False}, 501),
    ({"unheard": 1}, 501),
    ({"direction": "sideways"}, 400),
    ({"persistent": "yes"}, 400),
    ({"insert_rule": "first"}, 400),
    ({"drop_process": 1}, 400),
)


@pytest.mark.parametrize(("option", "status"), NOT_SUPPORTED)
async def test_options(producer: Producer, option: dict[str, Any], status: int) -> None:
    assert said(await producer.send(deny(slpf=option)))["status"] == status
    assert producer.service.requests == []


async def test_times(producer: Producer) -> None:
    now = int(time.time() * 1000)
    for args, status in (
        ({"start_time": now, "stop_time": now + 9000, "duration": 9000}, 400),
        ({"start_time": now + 3_600_000}, 501),
        ({"stop_time": now - 1000}, 400),
        ({"duration": -1}, 400),
        ({"duration": "1h"}, 400),
        ({"response_requested": "soon"}, 400),
        ({"stop_time": now + 90_000, "duration": 100_000}, 200),
    ):
        assert said(await producer.send(deny(**args)))["status"] == status, args
    (request,) = producer.service.requests
    assert 0 < (request.duration or 0) <= 90


WRONG: tuple[tuple[Any, int], ...] = (
    ({}, 400),
    ({"action": "deny"}, 400),
    ({"action": "obliterate", "target": {"ipv4_net": "10.0.0.7"}}, 400),
    ({"action": "scan", "target": {"ipv4_net": "10.0.0.7"}}, 501),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.7", "ipv6_net": V6}}, 400),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.700"}}, 400),
    ({"action": "deny", "target": {"ipv4_net": V6}}, 400),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.0/24"}}, 501),
    ({"action": "deny", "target": {"ipv4_connection": {}}}, 400),
    ({"action": "deny", "target": {"ipv4_connection": {"protocol": "sctp"}}}, 501),
    ({"action": "deny", "target": {"ipv4_connection": {"protocol": "tcp", "dst_port": 80}}}, 501),
    ({"action": "deny", "target": {"x-other:thing": 1}}, 501),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.7"}, "actuator": {"er": {}}}, 501),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.7"}, "actuator": {"slpf": {"asset_id": "31"}}}, 404),
    ({"action": "deny", "target": {"ipv4_net": "10.0.0.7"}, "unheard": 1}, 400),
    ({"action": "update", "target": {"file": {"path": "x"}}}, 400),
    ({"action": "update", "target": {"ipv4_connection": {}}}, 501),
    ({"action": "delete", "target": {"slpf:rule_number": "x"}}, 400),
    ({"action": "delete", "target": {"slpf:rule_number": 2**80}}, 500),
    ({"action": "delete", "target": {"slpf:rule_number": 5}, "args": {"start_time": 1}}, 501),
    ({"action": "query", "target": {"features": ["colour"]}}, 400),
    ({"action": "query", "target": {"features": []}, "args": {"duration": 5}}, 501),
)


@pytest.mark.parametrize(("command", "status"), WRONG)
async def test_what_is_wrong_is_told_by_its_status(producer: Producer, command: Any, status: int) -> None:
    assert said(await producer.send(command))["status"] == status
    assert producer.service.requests == []


async def test_the_request_id_comes_back(producer: Producer) -> None:
    """HTTPS 3.3.3, with E.1.1's id."""
    own, command = "d1ac0489-ed51-4345-9175-f3078f30afe5", {"action": "query", "target": {"features": []}}
    body = {"openc2": {"request": command}}
    for message, headers in (
        ({"headers": {"request_id": own, "created": 1545257700000, "from": "a", "to": ["b"]}, "body": body}, {}),
        ({"headers": {"request_id": own}, "body": body}, {"X-Request-ID": own}),
        ({"headers": {}, "body": body}, {"X-Request-ID": own}),
        ({"body": body}, {"X-Request-ID": own}),
    ):
        answer = await producer.post(message, **headers)
        assert said(answer) == {"status": 200}
        assert answer.headers["X-Request-ID"] == own
        assert answer.json()["headers"]["request_id"] == own
    for message in ({"body": body}, {"headers": {"request_id": 7}, "body": body}):
        assert said(await producer.post(message))["status"] == 400


async def test_the_transfer(producer: Producer) -> None:
    message = {"headers": {"request_id": "a"}, "body": {"openc2": {"request": deny()}}}
    for media in ("application/json", "application/openc2+json;version=2.0", "text/plain"):
        assert said(await producer.post(message, **{"Content-Type": media}))["status"] == 400
    for body in (b"", b"\xff", b"[]", b"{", b'{"body": 1}', b"[" * 100_000):
        assert said(await producer.post(body, **{"X-Request-ID": "a"}))["status"] == 400
    for method in ("GET", "PUT", "DELETE"):  # Table 3-1
        assert (await producer.http.request(method, "/.well-known/openc2")).status_code == 405
    assert producer.service.requests == []


def test_the_scope_is_its_own() -> None:
    assert Role.OPENC2.permissions == {Permission.OPENC2}
    assert {role for role in Role if role.may(Permission.OPENC2)} == {Role.OPENC2, Role.ADMIN}


@pytest.mark.parametrize(
    "flow",
    [
        Flow(Way.FROM),
        Flow(Way.TO),
        Flow(Way.FROM, Protocol.TCP, 10996, None, 80),
        Flow(Way.TO, Protocol.ICMPV6),
    ],
)
def test_a_flow_is_known_again_by_its_name(flow: Flow) -> None:
    assert profile_named(flow.name, catalogue((), (), ())) == flow.profile


@pytest.mark.parametrize(
    "name", ["flow:", "flow:both", "flow:from,tcp", "flow:from,tcp,x,*,*", "flow:from,tcp,1,2,3,4"]
)
def test_what_names_no_flow_is_none(name: str) -> None:
    assert profile_named(name, catalogue((), (), ())) is None


COMMANDS = [one[1] for one in EXAMPLES] + [one[0] for one in WRONG]
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([2**63, -1, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.fuzz
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_anywhere_is_a_command_or_a_status(data: st.DataObject) -> None:
    command = json.loads(json.dumps(data.draw(st.sampled_from(COMMANDS))))
    at = command
    while isinstance(at, dict) and at:
        key = data.draw(st.sampled_from(sorted(at)))
        if not isinstance(at[key], dict) or data.draw(st.booleans()):
            at[key] = data.draw(VALUE)
            break
        at = at[key]
    _reads(command)


@pytest.mark.fuzz
@settings(deadline=None)
@given(body=st.binary(max_size=60) | VALUE.map(lambda value: json.dumps(value).encode()), header=st.text(max_size=5))
def test_any_bytes_are_a_message_or_a_status(body: bytes, header: str) -> None:
    _, raw = unwrap(body, header)
    if not isinstance(raw, Unable):
        _reads(raw)


def _reads(raw: Any) -> None:
    status, words = 200, "OK"
    try:
        command = read_command(raw)
        command.lasting(1_800_000_000.0)
    except Unable as unable:
        status, words = unable.status, str(unable)
    assert status in (200, 400, 404, 500, 501)
    assert words
    assert words.isprintable()
