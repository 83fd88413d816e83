"""Open vSwitch hosts by their own tools: what these print is read as what was sent, and what is sent holds nothing
that anybody invented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings

from drivers.base import Management, PreState
from drivers.netmiko_cli.asking import NotUnderstood
from drivers.netmiko_cli.messages import Refusal
from drivers.netmiko_cli.options import NetmikoOptions
from drivers.netmiko_cli.ovs import OvsPlatform
from drivers.netmiko_cli.ovs_seen import Seen, read
from drivers.netmiko_cli.ovs_text import match_text, read_flows
from drivers.openflow.flows import COOKIE_MARK, Flow
from drivers.rules import Action, Direction, Mac, Match, PortName, Provenance, Rule, RuleSet
from tests.unit.test_linux_rules import HOSTILE

P1, P2 = PortName("p1"), PortName("p2")
MAC = "02:00:00:00:00:07"
COMMAND = re.compile(r"[A-Za-z0-9_ .,:/=|%\\'\n-]*")
DESCRIBED = """OFPST_PORT_DESC reply (OF1.3) (xid=0x2):
 1(p1): addr:ea:20:c7:27:07:44
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 2(p2): addr:66:f4:a8:ab:19:bc
     config:     NO_FWD
     state:      LINK_DOWN
 LOCAL(br0): addr:16:06:25:2b:00:4c
     config:     PORT_DOWN
     state:      LINK_DOWN
"""
COUNTED = """OFPST_PORT reply (OF1.3) (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=0, bytes=0, drop=3, errs=0, coll=0
           duration=0.539s
  port  1: rx pkts=3, bytes=266, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=4, bytes=270, drop=0, errs=0, coll=0
           duration=0.442s
"""
NORMAL = " cookie=0x0, duration=1.1s, table=0, n_packets=3, n_bytes=266, priority=0 actions=NORMAL"
FDB = f" port  VLAN  MAC                Age\nLOCAL     0  16:06:25:2b:00:4c    1\n    1     7  {MAC}    0\n"
"""As Open vSwitch 3.1 prints them."""


def table(*rows: dict[str, Any]) -> dict[str, Any]:
    headings = list(rows[0])
    return {"headings": headings, "data": [[row[name] for name in headings] for row in rows]}


def uuid(name: str) -> list[str]:
    return ["uuid", name]


def answers(port: dict[str, Any] | None = None, interface: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    none: list[Any] = ["set", []]
    plain = {"tag": none, "trunks": none, "vlan_mode": none}
    told: dict[str, Any] = {
        "boot": "2bdfb3c0\n",
        "daemon": "4711\n",
        "bridges": table({"_uuid": uuid("b"), "name": "br0", "ports": ["set", [uuid("1"), uuid("2"), uuid("0")]]}),
        "ports": table(
            {"_uuid": uuid("1"), "name": "p1", "interfaces": uuid("i1"), **plain, "tag": 7, **(port or {})},
            {"_uuid": uuid("2"), "name": "p2", "interfaces": uuid("i2"), **plain},
            {"_uuid": uuid("0"), "name": "br0", "interfaces": uuid("i0"), **plain},
            {"_uuid": uuid("9"), "name": "elsewhere", "interfaces": uuid("i9"), **plain},
        ),
        "interfaces": table(
            {"_uuid": uuid("i1"), "name": "p1", "ofport": 1, "type": "", **(interface or {})},
            {"_uuid": uuid("i2"), "name": "p2", "ofport": 2, "type": ""},
            {"_uuid": uuid("i0"), "name": "br0", "ofport": 65534, "type": "internal"},
            {"_uuid": uuid("i9"), "name": "elsewhere", "ofport": ["set", []], "type": ""},
        ),
        "described": DESCRIBED,
        "counted": COUNTED,
        "flows": f"OFPST_FLOW reply (OF1.3) (xid=0x2):\n{NORMAL}",
        "fdb": FDB,
        "neighbours": [],
        "arrival": "192.0.2.7 50000 192.0.2.1 22\n",
        "route": [{"dst": "192.0.2.7", "dev": "eth9"}],
    }
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in (told | more).items()}


def seen(**more: Any) -> Seen:
    return read("br0", answers(**more))


def deny(match: Match, containment: str = "c1") -> Rule:
    return Rule(match, Action.DENY, Provenance(containment))


def test_what_the_tools_say_of_a_bridge() -> None:
    found = seen()
    one, two = found.ports[P1], found.ports[P2]
    assert found.ports.keys() == {"p1", "p2"}
    assert (one.number, one.mac, one.up, one.no_fwd, one.rx, one.tx) == (1, "ea:20:c7:27:07:44", True, False, 3, 4)
    assert (two.number, two.up, two.no_fwd, two.rx) == (2, False, True, None)
    assert [(entry.mac, entry.port, entry.vlan) for entry in found.macs] == [(MAC, "p1", 7)]
    assert found.vlans == (7,)
    assert found.arrival.management is Management.OUT_OF_BAND
    assert (one.unfit, two.unfit) == (None, None)


def test_a_daemon_that_started_again_may_have_lost_everything() -> None:
    assert seen().boot_id != seen(daemon="4712\n").boot_id


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"port": {"trunks": ["set", [10, 20]]}}, "it is a trunk"),
        ({"port": {"vlan_mode": "native-untagged"}}, "it is a trunk"),
        ({"port": {"interfaces": ["set", [["uuid", "i1"], ["uuid", "i9"]]]}}, "member of the bond p1"),
        ({"interface": {"type": "patch"}}, r"another switch \(patch\)"),
        ({"interface": {"type": "vxlan"}}, r"another switch \(vxlan\)"),
        ({"interface": {"type": "internal"}}, "the host's own"),
        ({"interface": {"name": 'p1"; x'}}, "characters"),
    ],
)
def test_other_ports_say_why_not(changed: dict[str, Any], why: str) -> None:
    reasons = [port.unfit for port in seen(**changed).ports.values() if port.number == 1]
    assert len(reasons) == 1
    assert re.search(why, reasons[0] or "")


def test_the_port_that_we_come_in_by_is_refused() -> None:
    neighbours = [{"dst": "192.0.2.7", "dev": "br0", "lladdr": MAC, "state": ["REACHABLE"]}]
    found = seen(route=[{"dst": "192.0.2.7", "dev": "br0"}], neighbours=neighbours)
    assert found.arrival.management is Management.IN_BAND
    rules = RuleSet([deny(Match(Direction.FROM, port=P1)), deny(Match(Direction.TO, mac=Mac(MAC)))])
    made = render(rules, found)
    assert {one.rule for one in made.messages} == rules.ids
    assert all("cut itself off" in one.reason for one in made.messages)
    assert made.rule_ids == rules.ids


def render(rules: RuleSet, found: Seen | None = None, before: dict[PortName, Any] | None = None) -> Any:
    platform = OvsPlatform("h", "br0", sudo=False)
    return platform.render(rules, platform.observed(found or seen()), PreState(before or {}))


def test_a_closed_port_is_told_not_to_forward_and_its_flows_go_as_one_bundle() -> None:
    platform = OvsPlatform("h", "br0", sudo=True)
    rules = RuleSet([deny(Match(Direction.FROM, port=P1)), deny(Match(Direction.TO, port=P1))])
    flag, bundle = platform.commands(render(rules))
    assert flag == "sudo -n ovs-ofctl -O OpenFlow13 --no-names --timeout=10 mod-port br0 1 no-forward"
    assert bundle.endswith("' | sudo -n ovs-ofctl -O OpenFlow13 --no-names --timeout=10 --bundle add-flows br0 -")
    assert bundle.count("\nadd cookie=0x4e43") + bundle.count("'add cookie=0x4e43") == 2
    back = render(RuleSet(), seen(), {P2: {"no_fwd": False}})
    assert platform.commands(back) == [
        "sudo -n ovs-ofctl -O OpenFlow13 --no-names --timeout=10 mod-port br0 2 forward"
    ], "the flag that was off before us goes off"


def test_what_outranks_ours_is_said() -> None:
    flow = " cookie=0x0, duration=1.1s, table=0, n_packets=3, n_bytes=266, priority=65000,ip,in_port=1 actions=NORMAL\n"
    made = render(RuleSet([rule := deny(Match(Direction.FROM, port=P1))]), seen(flows=flow))
    assert [one.reason for one in made.messages if isinstance(one, Refusal) and one.rule == rule.id]
    drop = flow.replace("NORMAL", "drop")
    assert not [one for one in render(RuleSet([rule]), seen(flows=drop)).messages if isinstance(one, Refusal)]


DUMPED = [
    ({"in_port": 1}, "in_port=1"),
    ({"eth_type": 0x0800, "ip_proto": 6, "in_port": 1, "ipv4_src": "10.0.0.0/8", "tcp_dst": "0x0050/0xfff0"},
     "tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=0x50/0xfff0"),
    ({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135}, "icmp6,icmp_type=135"),
    ({"eth_type": 0x0800, "ip_proto": 6, "tcp_flags": "0x0010/0x0010"}, "tcp,tcp_flags=+ack"),
    ({"eth_type": 0x0800, "ip_proto": 6, "tcp_src": 1, "tcp_flags": "0x0004/0x0004"}, "tcp,tp_src=1,tcp_flags=+rst"),
    ({"eth_type": 0x0800, "nw_frag": "0x01/0x01"}, "ip,nw_frag=yes"),
    ({"eth_type": 0x0806, "arp_spa": "10.0.0.1"}, "arp,arp_spa=10.0.0.1"),
    ({"eth_src": "01:00:00:00:00:00/01:00:00:00:00:00", "in_port": 2}, "in_port=2,dl_src=01:00:00:00:00:00/01:00:00:00:00:00"),
    ({"eth_type": 0x86DD, "ip_proto": 6, "ipv6_dst": "fd00::/64", "tcp_src": 22}, "tcp6,ipv6_dst=fd00::/64,tp_src=22"),
    ({"eth_type": 0x8847}, "mpls"),
    ({"eth_type": 0x8100}, "dl_type=0x8100"),
    ({"eth_type": 0x0800, "ip_proto": 0}, "ip,nw_proto=0"),
    ({"eth_type": 0x86DD, "ip_proto": 44}, "ipv6,nw_proto=44"),
    ({"eth_type": 0x0800, "ip_proto": 17, "udp_src": "0x0400/0xfc00"}, "udp,tp_src=0x400/0xfc00"),
]  # fmt: skip
"""Fields of a flow, and how Open vSwitch 3.1 prints them (tried)."""


@pytest.mark.parametrize(("fields", "printed"), DUMPED)
def test_a_flow_is_read_as_what_was_sent(fields: dict[str, Any], printed: str) -> None:
    flow = Flow.make(0, 61_003, 0x107, fields)
    line = f" cookie={flow.cookie:#x}, duration=0.037s, table=0, n_packets=7, n_bytes=70, priority=61003,{printed} actions=drop"
    (found,) = read_flows(line)
    assert (found.flow, found.packets, found.octets) == (flow, 7, 70)
    assert match_text(flow).startswith("table=0,priority=61003,")


def test_a_strangers_flow_is_taken_for_no_narrower_than_it_is() -> None:
    line = (
        " cookie=0x0, duration=1s, table=0, n_packets=0, n_bytes=0, idle_timeout=9, priority=62000,ct_state=+est,tcp,dl_vlan=5,"
        "nw_frag=later,tcp_flags=-syn,in_port=LOCAL actions=output:2,goto_table:3"
    )
    (found,) = read_flows(line)
    assert dict(found.flow.match) == {"eth_type": 0x0800, "ip_proto": 6, "in_port": 0xFFFFFFFE}
    assert found.flow.output is not None


@pytest.mark.parametrize("name", ["bridges", "ports", "interfaces", "flows", "neighbours"])
@pytest.mark.parametrize("said", ["ovs-vsctl: cookie= unix:db.sock: database connection failed", '{"a": 1}', "[7]"])
def test_another_answer_is_said_not_to_be_understood(name: str, said: str) -> None:
    if name == "flows" and "cookie=" not in said:
        return  # a line that speaks of no flow is a heading
    with pytest.raises(NotUnderstood):
        seen(**{name: said})


def test_a_bridge_that_is_not_there_is_said() -> None:
    with pytest.raises(NotUnderstood, match="no bridge br7"):
        read("br7", answers())


@settings(max_examples=100, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_from_an_alert_reaches_the_command_line(port: str, containment: str, reason: str, by: str) -> None:
    said = Provenance(containment, reason, by)
    rules = [Rule(Match(way, port=PortName(name)), Action.DENY, said) for way in Direction for name in ("p1", port)]
    made = render(RuleSet(rules))
    for command in OvsPlatform("h", "br0", sudo=False).commands(made):
        assert COMMAND.fullmatch(command), command
        assert len(command.split("'")) in (1, 5), "one quotation for the format, one for the lines"
    if port not in ("p1", "p2"):
        assert {one.rule for one in made.messages if isinstance(one, Refusal)} == {
            r.id for r in rules if r.match.port == port
        }


def test_the_bridge_is_named_and_is_a_plain_word() -> None:
    given_: dict[str, Any] = {"platform": "ovs", "host": "h", "username": "u"}
    with pytest.raises(ValueError, match="names the bridge"):
        NetmikoOptions.model_validate(given_)
    with pytest.raises(ValueError, match="goes with no other"):
        NetmikoOptions.model_validate(given_ | {"platform": "linux", "bridge": "br0"})
    for wrong in ("br0; reboot", "$(x)", "", "a b"):
        with pytest.raises(ValueError, match="bridge"):
            NetmikoOptions.model_validate(given_ | {"bridge": wrong})
    assert NetmikoOptions.model_validate(given_ | {"bridge": "br-int"}).bridge == "br-int"


def test_an_exception_that_no_drop_leaves_open_is_unsupported() -> None:
    peer = Match(Direction.FROM, port=P1, peer=ip_network("10.0.0.9"))
    permit = RuleSet([Rule(peer, Action.PERMIT, Provenance("c1"))])
    assert OvsPlatform("h", "br0", sudo=False).capabilities.unsupported(permit)


def _cookies(lines: Iterable[str]) -> set[int]:
    return {int(found[1], 16) for line in lines if (found := re.search(r"cookie=(0x[0-9a-f]+)", line))}


def test_only_our_own_flows_are_taken_away() -> None:
    flows = "".join(
        f" cookie={cookie:#x}, duration=1s, table=0, n_packets=0, n_bytes=0, priority={priority},in_port=1 actions=drop\n"
        for cookie, priority in ((0x77, 61_000), (COOKIE_MARK | 0x123456789ABC, 61_500), (0x78, 5))
    )
    commands = OvsPlatform("h", "br0", sudo=False).commands(render(RuleSet(), seen(flows=flows)))
    assert _cookies(commands) == {COOKIE_MARK | 0x123456789ABC}
