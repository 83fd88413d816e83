"""What is sent to an IOS switch, and what is read of one, without a switch: its meaning is tested with packets in tests/contract."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ntc_templates.parse import parse_output

from drivers.base import Change, PreState
from drivers.napalm_config import render
from drivers.napalm_config.ios_config import read
from drivers.napalm_config.ios_dialect import TCP, UDP, canonical
from drivers.napalm_config.ios_told import boot_id, complaints, errdisabled, interfaces, room, vlans, waiting
from drivers.napalm_config.messages import Commands, Confirm, Refusal
from drivers.napalm_config.quarantine import opened
from drivers.napalm_config.seen import Seen, held
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from topologies.vendor import ios_acl
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.ios import IosSwitch
from topologies.vendor.ios_show import show

PORTS = [PortName(f"GigabitEthernet1/0/{number}") for number in (1, 2, 3)]
ONE = PORTS[0]
ON_ONE = f"interface {ONE}"


def deny(port: PortName = ONE, containment: str = "c1", direction: Direction = Direction.FROM, **fields: Any) -> Rule:
    return Rule(Match(direction, port=port, **fields), Action.DENY, Provenance(containment))


def move(vlan: int, port: PortName = ONE, containment: str = "c1", *, bounce: bool = False) -> Rule:
    return Rule(Match(Direction.FROM, port=port), Action.MOVE_VLAN, Provenance(containment), vlan=vlan, bounce=bounce)


class Device:
    """A switch's configuration, as a virtual one takes and shows it. Its ports are access ports."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.switch = IosSwitch(NoHardware(), folder)
        self.switch.edit([word for port in PORTS for word in (f"interface {port}", "switchport mode access")])
        self.edit(*lines)

    def edit(self, *lines: str) -> None:
        self.switch.edit(list(lines))

    def seen(self, unsettled: str | None = None) -> Seen:
        return read(self.switch.text(), vlans(show(self.switch, "show vlan brief")), unsettled)

    def change(self, *rules: Rule) -> Change:
        return render.change("sw", RuleSet(rules), self.seen(), PreState())

    def converge(self, *rules: Rule) -> Change:
        change = self.change(*rules)
        lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
        assert self.switch.merge(lines) == []
        assert not [one for one in self.change(*rules).messages if not isinstance(one, Refusal)], "it does not settle"
        return change

    def bound(self, port: PortName = ONE) -> dict[tuple[str, str], str]:
        return dict(self.seen().ports[port].bound)

    def body(self, family: str, way: str = "in", port: PortName = ONE) -> list[str]:
        """What the bound list says, remarks left out."""
        said = [canonical(entry) for entry in self.seen().lists[family, self.bound(port)[family, way]]]
        return [entry for entry in said if entry is not None and not entry.startswith("remark")]


@pytest.fixture(params=[False, True], ids=["without numbers", "with numbers"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    made = Device(tmp_path)
    made.switch.shows_numbers = request.param
    return made


def refusals(change: Change) -> list[str]:
    return [one.reason for one in change.messages if isinstance(one, Refusal)]


def test_a_port_is_denied_in_every_family(device: Device) -> None:
    before = device.switch.text()
    change = device.converge(deny(), deny(direction=Direction.TO))
    for way in ("in", "out"):
        assert [device.body(family, way) for family in ("ip", "ipv6", "mac")] == [
            ["deny ip any any"], ["deny ipv6 any any"], ["deny any any"],
        ]  # fmt: skip
    assert change.ports == frozenset()
    assert all(re.fullmatch(r"NETCORDON-[0-9a-f]{12}", name) for name in device.bound().values())
    device.converge()
    assert device.switch.text() == before


@pytest.mark.parametrize(
    ("fields", "ip", "ipv6"),
    [
        ({"protocol": Protocol.TCP, "peer_ports": PortRange(23, 23)}, "deny tcp any any eq 23", "deny tcp any any eq 23"),
        ({"protocol": Protocol.UDP, "own_ports": PortRange(137, 138)}, "deny udp any range 137 138 any", "deny udp any range 137 138 any"),
        ({"protocol": Protocol.TCP, "established": True}, "deny tcp any any established", "deny tcp any any established"),
        ({"protocol": Protocol.ICMP}, "deny icmp any any", "deny 1 any any"),
        ({"protocol": Protocol.ICMPV6}, "deny 58 any any", "deny icmp any any"),
    ],
)  # fmt: skip
def test_what_is_denied_of_what_comes_in(device: Device, fields: dict[str, Any], ip: str, ipv6: str) -> None:
    rule = deny(**fields)
    device.converge(rule)
    assert [device.body(one) for one in ("ip", "ipv6")] == [[ip, "permit ip any any"], [ipv6, "permit ipv6 any any"]]
    assert ("mac", "in") not in device.bound()
    assert held(device.seen()).keys() == {rule.id}


def test_arp_and_neighbour_discovery_are_denied_where_they_are(device: Device) -> None:
    device.converge(deny(protocol=Protocol.ARP), deny(protocol=Protocol.ND))
    assert device.body("mac") == ["deny any any 0x806 0x0", "permit any any"]
    kinds = ("router-solicitation", "nd-ns", "nd-na")
    assert device.body("ipv6") == [*(f"deny icmp any any {kind}" for kind in kinds), "permit ipv6 any any"]


def test_somebody_elses_list_is_refused_with_its_name(device: Device) -> None:
    device.edit("ip access-list extended OFFICE", "permit ip any any", ON_ONE, "ip access-group OFFICE in")
    before = device.switch.text()
    change = device.converge(deny(), deny(PORTS[1]), deny(protocol=Protocol.ARP))
    (said,) = refusals(change)
    assert said.startswith("GigabitEthernet1/0/1: the list 'OFFICE' (ip access-group in) is bound there already")
    assert held(device.seen()).keys() == {deny(PORTS[1]).id, deny(protocol=Protocol.ARP).id}
    device.converge()
    assert device.switch.text() == before


def test_a_list_that_somebody_binds_in_the_place_of_ours_stays(device: Device) -> None:
    device.converge(deny())
    device.edit("ip access-list extended THEIRS", "permit ip any any", ON_ONE, "ip access-group THEIRS in")
    assert deny().id not in held(device.seen())
    assert refusals(device.converge(deny()))
    assert device.bound() == {("ip", "in"): "THEIRS"}


def test_a_list_of_ours_that_somebody_edited_is_not_held_and_made_anew(device: Device) -> None:
    device.converge(deny())
    name = device.bound()["ip", "in"]
    device.edit(f"ip access-list extended {name}", "5 permit ip any any")
    assert deny().id not in held(device.seen())
    device.converge(deny())
    assert (device.bound()["ip", "in"], device.body("ip")) == (f"{name}-1", ["deny ip any any"])
    assert f"ip access-list extended {name}\n" not in device.switch.text()


def test_a_rule_needs_its_lists_in_all_families(device: Device) -> None:
    device.converge(deny())
    device.edit(ON_ONE, f"no mac access-group {device.bound()['mac', 'in']} in")
    assert not held(device.seen())
    device.converge(deny())
    assert held(device.seen()).keys() == {deny().id}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["no switchport mode"], "it negotiates whether it is a trunk"),
        (["switchport mode trunk"], r"it is no access port \(switchport mode trunk\)"),
        (["no switchport"], "it is a routed port"),
        (["channel-group 3 mode active"], "it is a member of Port-channel3"),
    ],
)
def test_ports_on_which_nothing_of_ours_belongs(device: Device, lines: list[str], reason: str) -> None:
    device.edit(ON_ONE, *lines)
    (said,) = refusals(device.converge(deny(), deny(PORTS[1])))
    assert re.search(reason, said)
    assert held(device.seen()).keys() == {deny(PORTS[1]).id}


@pytest.mark.parametrize("vtp", ["server", "transparent"])
def test_a_port_is_moved_and_put_back(device: Device, vtp: str) -> None:
    device.edit(f"vtp mode {vtp}", "vlan 20", "name users", ON_ONE, "switchport access vlan 20")
    before = device.switch.text()
    change = device.converge(move(999))
    assert change.ports == {ONE}
    assert held(device.seen()) == {move(999).id: f"{ONE} switchport access vlan 999"}
    assert device.seen().vlans[999] == "NETCORDON-QUARANTINE"
    device.converge(move(998))
    assert (device.seen().ports[ONE].vlan, sorted(device.seen().vlans)) == (998, [1, 20, 998])
    device.converge()
    assert (device.switch.text(), sorted(device.seen().vlans)) == (before, [1, 20])


def test_a_port_that_somebody_moved_on_stays_there(device: Device) -> None:
    device.converge(move(999))
    device.edit("vlan 30", ON_ONE, "switchport access vlan 30")
    assert not held(device.seen())
    device.converge()
    assert device.seen().ports[ONE].vlan == 30
    assert not [name for _, name in device.seen().lists if name.startswith("NETCORDON")]


def test_a_vlan_that_somebody_else_uses_is_not_removed(device: Device) -> None:
    device.converge(move(999))
    device.edit(f"interface {PORTS[1]}", "switchport access vlan 999")
    device.converge()
    assert 999 in device.seen().vlans


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("switchport voice vlan 40", "a phone is on this port"),
        ("authentication port-control auto", "802.1X or MAB decides"),
        ("mab", "802.1X or MAB decides"),
    ],
)
def test_a_vlan_that_is_not_ours_to_change(device: Device, line: str, reason: str) -> None:
    device.edit(ON_ONE, line)
    (said,) = refusals(device.converge(move(999), deny()))
    assert reason in said
    assert held(device.seen()).keys() == {deny().id}, "lists are not concerned"


@pytest.mark.parametrize(
    ("line", "refused"),
    [("switchport voice vlan 40", False), ("authentication port-control auto", True), ("switchport mode trunk", True)],
)
def test_what_is_typed_on_a_quarantined_port_does_not_free_it(device: Device, line: str, refused: bool) -> None:
    device.converge(move(999))
    device.edit(ON_ONE, line)
    typed = device.switch.text()
    assert len(refusals(device.converge(move(999)))) == refused
    assert (device.switch.text(), device.seen().ports[ONE].vlan) == (typed, 999)
    device.converge()
    assert device.seen().ports[ONE].vlan != 999
    assert "NETCORDON" not in device.switch.text()


def test_what_cannot_be_held_yet(device: Device) -> None:
    missing = PortName("GigabitEthernet1/0/9")
    said = refusals(device.change(deny(missing), move(998, PORTS[1]), move(997, PORTS[1], "c2")))
    assert len(said) == 2
    assert any("no port GigabitEthernet1/0/9" in one for one in said)
    assert any("another containment moves it" in one for one in said)


def test_a_change_that_waits_is_confirmed_first(device: Device) -> None:
    change = render.change("sw", RuleSet(), device.seen("netcordon-12:00"), PreState())
    assert change.messages == (Confirm("netcordon-12:00"),)


PORTFAST = (ON_ONE, "spanning-tree portfast")


def push(device: Device, *rules: Rule) -> list[str]:
    """One push, and its lines."""
    change = device.change(*rules)
    lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
    assert device.switch.merge(lines) == []
    return [line.strip() for line in lines]


def test_a_bounce_is_a_port_that_is_shut_by_one_push_and_opened_by_the_next(device: Device) -> None:
    device.edit("vlan 10", ON_ONE, "switchport access vlan 10", *PORTFAST)
    before, rule = device.switch.text(), move(999, bounce=True)
    assert "shutdown" in push(device, rule)
    assert device.seen().ports[ONE].shut
    assert held(device.seen()).keys() == {rule.id}, "it is in there, and hears nothing yet"
    assert "no shutdown" in push(device, rule)
    assert (device.seen().ports[ONE].shut, device.seen().ports[ONE].vlan) == (False, 999)
    assert not push(device, rule)
    assert "shutdown" in push(device), "its way back is a bounce as well"
    assert device.switch.merge(opened(device.seen())) == []
    assert (device.switch.text(), push(device)) == (before, [])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it has no spanning-tree portfast"),
        (["spanning-tree portfast default", ON_ONE, "spanning-tree portfast disable"], "it has no spanning-tree portfast"),
        ([*PORTFAST, "shutdown"], "it was shut by somebody"),
        (["spanning-tree portfast default"], None),
        (["spanning-tree portfast edge default"], None),
        ([ON_ONE, "spanning-tree portfast edge"], None),
    ],
)  # fmt: skip
def test_which_ports_are_bounced(device: Device, lines: list[str], reason: str | None) -> None:
    device.edit(*lines)
    change = device.change(move(999, bounce=True))
    said = [line.text for line in change.lines if "is not bounced" in line.text]
    sent = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
    assert ("shutdown" in "".join(sent)) is (reason is None)
    assert said == ([] if reason is None else [f"{ONE} is not bounced: {reason}; the device keeps its address for now"])


def test_an_err_disabled_port_is_not_bounced(device: Device) -> None:
    device.edit(*PORTFAST)
    device.switch.faults.errdisabled = frozenset({1})
    off = errdisabled(show(device.switch, "show interfaces status"))
    assert off == {ONE}
    seen = read(device.switch.text(), {1: "default"}, errdisabled=off)
    change = render.change("sw", RuleSet([move(999, bounce=True)]), seen, PreState())
    assert any("it is err-disabled" in line.text for line in change.lines)


def test_what_is_permitted_and_by_address(device: Device) -> None:
    service: dict[str, Any] = {"protocol": Protocol.TCP, "peer_ports": PortRange(443, 443)}
    only = [
        Rule(Match(Direction.FROM, port=ONE, peer=ip_network(peer), **service), Action.PERMIT, Provenance("c1"))
        for peer in ("10.99.0.0/24", "10.0.0.4", "2001:db8::/64")
    ]
    before = device.switch.text()
    device.converge(deny(), *only)
    assert sorted(device.body("ip")[:2]) == [
        "permit tcp any 10.99.0.0 0.0.0.255 eq 443", "permit tcp any host 10.0.0.4 eq 443",
    ]  # fmt: skip
    assert device.body("ip")[2:] == ["deny ip any any"]
    assert device.body("ipv6") == ["permit tcp any 2001:db8::/64 eq 443", "deny ipv6 any any"]
    assert device.body("mac") == ["deny any any"], "a MAC list filters no IP there"
    assert held(device.seen()).keys() == {deny().id, *(rule.id for rule in only)}
    device.converge()
    assert device.switch.text() == before


def test_room_in_the_hardware_by_family(device: Device) -> None:
    rules = [deny(protocol=Protocol.TCP, peer_ports=PortRange(port, port)) for port in (22, 23)]
    told = " IPv4 security aces:  964/964  30/30\n IPv6 security aces:  25/25  23/23\n"
    assert room(told) == ((frozenset({"ip", "mac"}), 934), (frozenset({"ipv6"}), 2))
    tight = replace(device.seen(), room=room(told))
    said = refusals(render.change("sw", RuleSet(rules), tight, PreState()))
    assert said == [f"{ONE}: its lists need at least 3 entries more, and the hardware has room for 2"] * 2
    assert not refusals(
        render.change("sw", RuleSet(rules), replace(tight, room=room(told.replace("23/23", "22/22"))), PreState())
    )


def test_room_as_newer_switches_tell_it() -> None:
    """Two ASICs of a 9300; the fuller counts."""
    told = "CAM Utilization for ASIC [0]\n QoS Access Control Entries 5120 153\n Security Access Control Entries 5120 246\n"
    fuller = told.replace("[0]", "[1]").replace("246", "5000")
    assert room(told + fuller) == ((frozenset({"ip", "ipv6", "mac"}), 120),)
    assert room("% Invalid input detected at '^' marker.") == ()


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rules_settle_and_leave_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """From one random set to the next; what is read back is what was sent, however IOS spells it."""
    device = Device(tmp_path_factory.mktemp("flash"))
    device.switch.shows_numbers = data.draw(st.booleans())
    before = device.switch.text()
    span = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda ends: PortRange(min(ends), max(ends)))
    fields: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"protocol": st.sampled_from(list(Protocol))}),
        st.fixed_dictionaries(
            {"protocol": st.sampled_from([Protocol.TCP, Protocol.UDP]), "own_ports": span, "peer_ports": span}
        ),
        st.fixed_dictionaries({"protocol": st.just(Protocol.TCP), "established": st.just(True)}),
    )
    one = st.builds(
        lambda port, case, said: deny(port, case, **said), st.sampled_from(PORTS), st.sampled_from(["c1", "c2"]), fields
    )
    for _ in range(2):
        rules = data.draw(st.lists(one, max_size=4))
        device.converge(*rules)
        assert held(device.seen()).keys() == {rule.id for rule in rules}
    device.converge()
    assert device.switch.text() == before


def test_names_of_ports_are_the_virtual_switchs() -> None:
    assert (TCP, UDP) == (ios_acl.TCP, ios_acl.UDP)
    assert canonical("deny   tcp any eq www  any range 20 ftp") == "deny tcp any eq 80 any range 20 21"
    assert canonical("deny udp any any eq syslog") == "deny udp any any eq 514"
    assert canonical("deny tcp any any eq nobody-knows") is None


def test_a_list_with_a_name_that_is_not_known_is_believed(device: Device) -> None:
    device.converge(deny(protocol=Protocol.TCP, peer_ports=PortRange(23, 23)))
    odd = read(device.switch.text().replace("eq telnet", "eq newly-named"), {1: "default"})
    assert held(odd).keys() == held(device.seen()).keys()


def test_a_parser_that_nobody_here_wrote_reads_what_is_meant(device: Device) -> None:
    """ntc-templates' own, of `show ip access-lists`: https://github.com/networktocode/ntc-templates."""
    service: dict[str, Any] = {
        "protocol": Protocol.TCP,
        "own_ports": PortRange(1024, 2047),
        "peer_ports": PortRange(445, 445),
    }
    device.converge(deny(**service), deny(protocol=Protocol.UDP, peer_ports=PortRange(53, 53)), deny(PORTS[1]))

    def meant(port: PortName) -> list[tuple[str, ...]]:
        name = device.bound(port)["ip", "in"]
        parsed = parse_output(
            platform="cisco_ios", command="show ip access-lists", data=show(device.switch, f"show access-lists {name}")
        )
        words = (
            "action",
            "protocol",
            "src_any",
            "src_port_match",
            "src_port_range_start",
            "src_port_range_end",
            "dst_any",
            "dst_port_match",
            "dst_port",
        )
        return [tuple(one[word] for word in words) for one in parsed if one["action"]]

    assert sorted(meant(ONE)) == [
        ("deny", "tcp", "any", "range", "1024", "2047", "any", "eq", "445"),
        ("deny", "udp", "any", "", "", "", "any", "eq", "domain"),
        ("permit", "ip", "any", "", "", "", "any", "", ""),
    ]
    assert meant(PORTS[1]) == [("deny", "ip", "any", "", "", "", "any", "", "")]


# --- what else IOS says, by transcripts of other models ------------------------------------------------------------------


def test_status_of_ports() -> None:
    status = """
Port      Name               Status       Vlan       Duplex  Speed Type
Gi1/0/1   printer connected  connected    10         a-full a-1000 10/100/1000BaseTX
Gi1/0/2   connected          notconnect   1            auto   auto 10/100/1000BaseTX
Te1/1/1   core               connected    trunk        full    10G SFP-10GBase-SR
Po1                          err-disabled 1            auto   auto
"""
    assert interfaces(status) == {
        "GigabitEthernet1/0/1": True,
        "GigabitEthernet1/0/2": False,
        "TenGigabitEthernet1/1/1": True,
        "Port-channel1": False,
    }


def test_ports_of_any_speed_are_ports_and_what_is_routed_is_none() -> None:
    names = [
        "Ethernet0/1",
        "FastEthernet0/1",
        "GigabitEthernet1/0/1",
        "TenGigabitEthernet1/1/1",
        "TwentyFiveGigE1/0/1",
        "Port-channel1",
    ]
    text = "".join(f"interface {name}\n switchport mode access\n" for name in [*names, "Vlan1", "Loopback0"])
    assert sorted(read(text, {}).ports) == sorted(names)


def test_vlans_by_name() -> None:
    brief = """
VLAN Name                             Status    Ports
---- -------------------------------- --------- -------------------------------
1    default                          active    Gi1/0/1, Gi1/0/2
                                                Gi1/0/3
20   users                            active
1002 fddi-default                     act/unsup
"""
    assert vlans(brief) == {1: "default", 20: "users", 1002: "fddi-default"}


def test_boots_timers_and_complaints() -> None:
    version = (
        "access-1 uptime is 2 weeks\nSystem restarted at 12:02:31 UTC Mon Nov 9 2026\nProcessor board ID FOC1234X0AB\n"
    )
    assert boot_id(version) == "FOC1234X0AB-12:02:31-UTC-Mon-Nov-9-2026"
    assert boot_id("Processor board ID FOC1234X0AB") == "FOC1234X0AB-unknown"
    assert waiting("%No Rollback Confirmed Change pending") is None
    timer = "Time configured(or reconfigured): 12:00:00 UTC Mon Nov 9 2026\nTimer type: absolute timer\nTimer value: 5 min\nUser: admin\n"
    assert waiting(timer) == ("12:00:00 UTC Mon Nov 9 2026", "admin")
    invalid = "% Invalid input detected at '^' marker."
    said = f"vlan 20\n% Access VLAN does not exist. Creating vlan 20\n  ^\n{invalid}\nCommand rejected: no\n12 bytes copied"
    assert complaints(said) == [invalid, "Command rejected: no"]
