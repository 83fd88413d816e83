"""What is sent to an EOS switch, and what is read of one, without a switch: its meaning is tested with packets in tests/contract."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Change, DiffLine, PreState
from drivers.napalm_config import render
from drivers.napalm_config.dialect import FAMILIES
from drivers.napalm_config.eos_config import read
from drivers.napalm_config.eos_device import CAPABILITIES
from drivers.napalm_config.eos_dialect import canonical
from drivers.napalm_config.messages import Commands, Confirm, Refusal
from drivers.napalm_config.quarantine import opened
from drivers.napalm_config.seen import Seen, held
from drivers.rules import Action, Direction, Mac, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from topologies.vendor.configuration import Configuration, Editor
from topologies.vendor.eos_grammar import GRAMMAR

PORTS = [PortName(f"Ethernet{number}") for number in (1, 2, 3)]
ONE = PORTS[0]
NOTHING = PreState()


def deny(port: PortName = ONE, containment: str = "c1", direction: Direction = Direction.FROM, **fields: Any) -> Rule:
    return Rule(Match(direction, port=port, **fields), Action.DENY, Provenance(containment))


def move(vlan: int, port: PortName = ONE, containment: str = "c1", *, bounce: bool = False) -> Rule:
    return Rule(Match(Direction.FROM, port=port), Action.MOVE_VLAN, Provenance(containment), vlan=vlan, bounce=bounce)


class Device:
    """A switch's configuration, as a virtual one takes it."""

    def __init__(self, *lines: str) -> None:
        self.configuration = Configuration([], {f"interface {port}": [] for port in PORTS})
        self.edit(*lines)

    def edit(self, *lines: str) -> None:
        Editor(GRAMMAR, self.configuration).load(lines)

    @property
    def text(self) -> str:
        return self.configuration.text(GRAMMAR)

    def seen(self) -> Seen:
        return read(self.text, PORTS)

    def change(self, *rules: Rule, baseline: PreState = NOTHING) -> Change:
        return render.change("sw", RuleSet(rules), self.seen(), baseline)

    def converge(self, *rules: Rule) -> Change:
        change = self.change(*rules)
        self.edit(*(line for one in change.messages if isinstance(one, Commands) for line in one.lines))
        assert not [one for one in self.change(*rules).messages if not isinstance(one, Refusal)], "it does not settle"
        return change

    def bound(self, port: PortName = ONE) -> dict[tuple[str, str], str]:
        return dict(self.seen().ports[port].bound)

    def body(self, family: str, way: str = "in", port: PortName = ONE) -> list[str]:
        """What the bound list says, remarks left out."""
        said = self.seen().lists[family, self.bound(port)[family, way]]
        return [entry for entry in said if not entry.startswith("remark")]


def refusals(change: Change) -> list[str]:
    return [one.reason for one in change.messages if isinstance(one, Refusal)]


def test_a_port_is_denied_in_every_family() -> None:
    device = Device()
    before = device.text
    change = device.converge(deny(), deny(direction=Direction.TO))
    for way in ("in", "out"):
        assert [device.body(family, way) for family in ("ip", "ipv6", "mac")] == [
            ["deny ip any any"], ["deny ipv6 any any"], ["deny any any"],
        ]  # fmt: skip
    assert change.ports == frozenset()
    assert all(re.fullmatch(r"NETCORDON-[0-9a-f]{12}", name) for name in device.bound().values())
    device.converge()
    assert device.text == before


@pytest.mark.parametrize(
    ("fields", "ip", "ipv6"),
    [
        ({"protocol": Protocol.TCP, "peer_ports": PortRange(22, 22)}, "deny tcp any any eq 22", "deny tcp any any eq 22"),
        ({"protocol": Protocol.UDP, "own_ports": PortRange(137, 138)}, "deny udp any range 137 138 any", "deny udp any range 137 138 any"),
        ({"protocol": Protocol.TCP, "established": True}, "deny tcp any any established", "deny tcp any any established"),
        ({"protocol": Protocol.ICMP}, "deny icmp any any", "deny 1 any any"),
        ({"protocol": Protocol.ICMPV6}, "deny 58 any any", "deny icmpv6 any any"),
    ],
)  # fmt: skip
def test_what_is_denied_of_what_comes_in(fields: dict[str, Any], ip: str, ipv6: str) -> None:
    device = Device()
    rule = deny(**fields)
    device.converge(rule)
    assert {one: canonical(device.body(one)[0]) for one in ("ip", "ipv6")} == {"ip": ip, "ipv6": ipv6}
    assert [device.body(one)[1:] for one in ("ip", "ipv6")] == [["permit ip any any"], ["permit ipv6 any any"]]
    assert ("mac", "in") not in device.bound()
    assert held(device.seen()).keys() == {rule.id}


def test_arp_and_neighbour_discovery_are_denied_where_they_are() -> None:
    device = Device()
    device.converge(deny(protocol=Protocol.ARP), deny(protocol=Protocol.ND))
    assert device.body("mac") == ["deny any any arp", "permit any any"]
    kinds = ("router-solicitation", "neighbor-solicitation", "neighbor-advertisement")
    assert device.body("ipv6") == [*(f"deny icmpv6 any any {kind}" for kind in kinds), "permit ipv6 any any"]


def test_somebody_elses_list_is_kept_and_comes_back() -> None:
    device = Device(
        "ip access-list OFFICE",
        "permit tcp any any eq 443",
        "deny ip any any log",
        "interface Et1",
        "ip access-group OFFICE in",
    )
    before = device.text
    device.converge(deny(protocol=Protocol.TCP, peer_ports=PortRange(445, 445)))
    ours = [canonical(entry) for entry in device.body("ip")]
    assert ours == ["deny tcp any any eq 445", "permit tcp any any eq 443", "deny ip any any log"]
    device.edit("ip access-list OFFICE", "15 permit udp any any eq 53")
    device.converge(deny(protocol=Protocol.TCP, peer_ports=PortRange(445, 445)))
    assert "permit udp any any eq domain" in device.body("ip"), "his edit counts while ours is over his list"
    device.converge(deny())
    assert device.body("ip") == ["deny ip any any"]
    device.edit("ip access-list OFFICE", "no 15")
    device.converge()
    assert device.text == before


def test_a_list_that_somebody_bound_in_the_place_of_ours_is_beneath_ours_then() -> None:
    device = Device()
    device.converge(deny())
    device.edit("ip access-list HIS", "permit ip any any", "interface Ethernet1", "ip access-group HIS in")
    assert not held(device.seen()), "it is not denied any more, and is not called so"
    assert device.change(deny()).rule_ids == {deny().id}
    device.converge(deny())
    device.converge()
    assert device.bound() == {("ip", "in"): "HIS"}


def test_a_bound_list_is_never_edited() -> None:
    device = Device()
    device.converge(deny(protocol=Protocol.ARP))
    former = device.bound()
    change = device.converge(deny(protocol=Protocol.ARP), deny(protocol=Protocol.ARP, containment="c2"))
    lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
    assert not [
        line for line in lines if line in {f"{family} access-list {name}" for (family, _), name in former.items()}
    ]
    made, used, gone = (
        next(n for n, line in enumerate(lines) if re.match(start, line))
        for start in ("mac access-list", "mac access-group", "no mac access-list")
    )
    assert made < used < gone


@pytest.mark.parametrize("edit", ["no 20", "15 permit ip any any"])
def test_a_list_of_ours_that_somebody_edited_is_not_called_ours_and_is_made_anew(edit: str) -> None:
    device = Device()
    device.converge(deny())
    name = device.bound()["ip", "in"]
    device.edit(f"ip access-list {name}", edit)
    assert deny().id not in held(device.seen())
    device.converge(deny())
    assert device.body("ip") == ["deny ip any any"]
    assert held(device.seen()).keys() == {deny().id}


def test_a_rule_that_lost_one_of_its_lists_is_not_held() -> None:
    device = Device()
    device.converge(deny())
    device.edit("interface Ethernet1", f"no mac access-group {device.bound()['mac', 'in']} in")
    assert not held(device.seen())


def test_a_port_that_is_shown_by_a_name_nobody_knows_is_believed() -> None:
    device = Device()
    device.converge(deny(protocol=Protocol.TCP, peer_ports=PortRange(50123, 50123)))
    odd = read(device.text.replace("eq 50123", "eq some-new-name"), PORTS)
    assert held(odd).keys() == held(device.seen()).keys()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["switchport mode trunk"], "no access port"),
        (["no switchport"], "routed port"),
        (["channel-group 5 mode active"], "member of Port-Channel5"),
    ],
)
def test_only_access_ports_are_contained(lines: list[str], reason: str) -> None:
    device = Device("interface Ethernet1", *lines)
    change = device.converge(deny(), deny(PORTS[1]))
    assert [reason in one for one in refusals(change)] == [True]
    assert device.body("ip", port=PORTS[1]) == ["deny ip any any"], "the other port's is not held up by it"
    assert not device.bound()
    assert change.rule_ids == {deny().id, deny(PORTS[1]).id}


def test_what_is_meant_for_members_goes_on_their_port_channel() -> None:
    device = Device(
        "interface Ethernet1", "channel-group 5 mode active", "interface Port-Channel5", "description bundle"
    )
    before, channel = device.text, PortName("Port-Channel5")
    device.converge(deny(channel), move(999, channel))
    assert device.body("ip", port=channel) == ["deny ip any any"]
    assert device.seen().ports[channel].vlan == 999
    assert not device.bound()
    device.converge()
    assert device.text == before


@pytest.mark.parametrize("line", ["switchport mode trunk", "switchport phone vlan 50", "switchport voice vlan 50"])
def test_a_port_with_a_phone_or_more_vlans_is_neither_moved_nor_shut(line: str) -> None:
    device = Device(*PORTFAST)
    seen = read(device.text.replace("interface Ethernet1\n", f"interface Ethernet1\n   {line}\n"), PORTS)
    change = render.change("sw", RuleSet([move(999, bounce=True)]), seen, NOTHING)
    assert len(refusals(change)) == 1
    assert not [one for one in change.messages if isinstance(one, Commands)]


def test_a_port_that_is_not_there_is_refused() -> None:
    assert "no port Ethernet9" in refusals(Device().change(deny(PortName("Ethernet9"))))[0]


def test_quarantine_and_back() -> None:
    device = Device("vlan 10", "interface Ethernet1", "switchport access vlan 10")
    before = device.text
    change = device.converge(move(999))
    assert (device.seen().ports[ONE].vlan, change.ports) == (999, frozenset({ONE}))
    assert held(device.seen()) == {move(999).id: "Ethernet1 switchport access vlan 999"}
    device.converge(move(999), move(999, containment="c2"))
    device.converge(move(999, containment="c2"))
    assert device.seen().ports[ONE].vlan == 999
    device.converge()
    assert device.text == before


def test_a_vlan_that_was_there_stays_and_so_does_a_port_that_somebody_moved_on() -> None:
    device = Device("vlan 999", "name guests")
    device.converge(move(999))
    device.edit("vlan 20", "interface Ethernet1", "switchport access vlan 20")
    assert not held(device.seen())
    device.converge()
    assert device.seen().ports[ONE].vlan == 20, "he moved it: it is his"
    assert device.seen().vlans == {1: "default", 20: "", 999: "guests"}


@pytest.mark.parametrize(
    ("line", "reason"), [("dot1x port-control auto", "802.1X"), ("switchport phone vlan 50", "a phone")]
)
def test_a_port_whose_vlan_is_not_ours_to_choose_is_not_moved(line: str, reason: str) -> None:
    device = Device("interface Ethernet1", line)
    assert reason in refusals(device.converge(move(999)))[0]
    assert not refusals(device.converge(deny())), "a list on it changes no VLAN"


def test_a_port_is_moved_to_one_vlan_at_a_time() -> None:
    assert "another containment" in refusals(Device().change(move(999), move(998, containment="c2")))[0]


def test_a_commit_that_waits_is_confirmed() -> None:
    device = Device()
    device.converge(deny())
    waiting = replace(device.seen(), unsettled="netcordon-1234")
    change = render.change("sw", RuleSet([deny()]), waiting, NOTHING)
    assert change.messages == (Confirm("netcordon-1234"),)
    assert change.lines == (DiffLine("~", "confirm the commit netcordon-1234"),)


def test_what_ours_was_over_is_known_from_the_store_when_our_list_is_gone() -> None:
    device = Device("ip access-list OFFICE", "permit ip any any", "interface Ethernet1", "ip access-group OFFICE in")
    device.converge(deny())
    device.edit(f"no ip access-list {device.bound()['ip', 'in']}")
    change = device.change(baseline=PreState({ONE: {"ip in": "OFFICE"}}))
    lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
    assert "ip access-group OFFICE in" in lines


@pytest.mark.parametrize("held_on", [True, False])
def test_what_ours_was_over_is_bound_again_where_somebody_took_ours_off(held_on: bool) -> None:
    device = Device("ip access-list OFFICE", "permit ip any any", "interface Ethernet1", "ip access-group OFFICE in")
    before = device.text
    device.converge(deny())
    device.edit("interface Ethernet1", f"no ip access-group {device.bound()['ip', 'in']} in")
    if held_on:
        device.converge(deny())
        assert held(device.seen()).keys() == {deny().id}
    device.converge()
    assert device.text == before


# --- a bounce ------------------------------------------------------------------------------------------------------

PORTFAST = ("interface Ethernet1", "spanning-tree portfast")


def step(device: Device, *rules: Rule) -> list[str]:
    """One push, and its lines; `converge` demands that it was the last one."""
    change = device.change(*rules)
    lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
    device.edit(*lines)
    return lines


def test_a_bounce_is_a_port_that_is_shut_by_one_commit_and_opened_by_the_next() -> None:
    device = Device("vlan 10", "interface Ethernet1", "switchport access vlan 10", *PORTFAST)
    before, rule = device.text, move(999, bounce=True)
    assert "shutdown" in step(device, rule)
    assert device.seen().ports[ONE].shut
    assert held(device.seen()).keys() == {rule.id}, "it is in there, and hears nothing yet"
    assert "no shutdown" in step(device, rule)
    assert (device.seen().ports[ONE].shut, device.seen().ports[ONE].vlan) == (False, 999)
    assert not step(device, rule)
    assert "shutdown" in step(device), "its way back is a bounce as well"
    assert device.seen().ports[ONE].vlan == 10
    assert "no shutdown" in step(device)
    assert (device.text, step(device)) == (before, [])


def test_what_ends_a_bounce_at_once_is_what_a_later_look_would_do() -> None:
    device = Device(*PORTFAST)
    before, rule = device.text, move(999, bounce=True)
    for rules in ([rule], []):
        step(device, *rules)
        device.edit(*opened(device.seen()))
        assert not step(device, *rules)
        assert not device.seen().ports[ONE].shut
    assert device.text == before


def test_a_release_in_the_middle_of_a_bounce_leaves_no_port_shut() -> None:
    device = Device(*PORTFAST)
    before = device.text
    step(device, move(999, bounce=True))
    step(device)
    assert device.text == before
    step(device, move(999, bounce=True))
    step(device, move(998, containment="c2", bounce=True))
    assert (device.seen().ports[ONE].shut, device.seen().ports[ONE].vlan) == (False, 998)


@pytest.mark.parametrize(("lines", "reason"), [([], "portfast"), (["spanning-tree portfast", "shutdown"], "shut by")])
def test_a_port_that_must_not_be_shut_is_moved_all_the_same_and_the_diff_says_so(lines: list[str], reason: str) -> None:
    device = Device("interface Ethernet1", *lines)
    change = device.converge(move(999, bounce=True))
    assert any(reason in line.text for line in change.lines)
    assert (device.seen().ports[ONE].vlan, device.seen().ports[ONE].shut) == (999, "shutdown" in lines)


@pytest.mark.parametrize(
    ("line", "reason"), [("switchport phone vlan 50", "a phone"), ("dot1x port-control auto", "802.1X")]
)
def test_a_port_that_got_a_phone_while_it_was_held_goes_back_without_a_bounce(line: str, reason: str) -> None:
    device = Device("vlan 10", "interface Ethernet1", "switchport access vlan 10", *PORTFAST)
    step(device, move(999, bounce=True))
    device.edit(*opened(device.seen()), "interface Ethernet1", line)
    change = device.change()
    assert any("is not bounced" in one.text and reason in one.text for one in change.lines)
    assert "shutdown" not in step(device)
    assert (device.seen().ports[ONE].vlan, device.seen().ports[ONE].shut) == (10, False)
    assert (line in device.text, "NETCORDON" in device.text, step(device)) == (True, False, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("switchport phone vlan 50", None),
        ("dot1x port-control auto", "802.1X"),
        ("switchport mode trunk", "no access port"),
    ],
)
def test_what_is_typed_on_a_quarantined_port_does_not_free_it(line: str, reason: str | None) -> None:
    users = ("vlan 10", "interface Ethernet1", "switchport access vlan 10")
    device = Device(*users)
    device.converge(move(999), deny())
    device.edit("interface Ethernet1", line)
    typed = device.text
    told = refusals(device.converge(move(999), deny()))
    assert (device.text, device.seen().ports[ONE].vlan) == (typed, 999)
    assert all(reason is not None and reason in one and "left as it is" in one for one in told), told
    assert bool(told) is (reason is not None)
    assert (move(999).id in held(device.seen())) is (line != "dot1x port-control auto")
    device.converge()
    assert device.text == Device(*users, line).text


def test_his_edit_of_a_quarantined_port_survives() -> None:
    device = Device(*PORTFAST)
    step(device, move(999, bounce=True))
    device.edit(*opened(device.seen()), "interface Ethernet1", "description his", "switchport access vlan 20")
    device.converge()
    assert (device.seen().ports[ONE].vlan, "description his" in device.text) == (20, True)


# --- exceptions, addresses and room ----------------------------------------------------------------------------------


def permit(containment: str = "c1", direction: Direction = Direction.FROM, **fields: Any) -> Rule:
    return Rule(Match(direction, port=ONE, **fields), Action.PERMIT, Provenance(containment))


PEER, PEER6 = ip_network("10.99.0.4"), ip_network("2001:db8::/64")


def test_what_is_permitted_passes_every_list_that_the_deny_is_in() -> None:
    device = Device()
    rules = [deny(), permit(protocol=Protocol.TCP, peer=PEER), permit(protocol=Protocol.ARP)]
    device.converge(*rules)
    assert device.body("ip") == ["permit tcp any host 10.99.0.4", "deny ip any any"]
    assert device.body("ipv6") == ["deny ipv6 any any"]
    assert sorted(device.body("mac")[:2]) == ["permit any any arp", "permit any any ip"]
    assert device.body("mac")[2:] == ["deny any any"]
    assert held(device.seen()).keys() == {rule.id for rule in rules}
    device.converge(deny(), permit(protocol=Protocol.UDP, peer=PEER6))
    assert device.body("ipv6")[0] == "permit udp any 2001:db8::/64"
    assert device.body("mac") == ["permit any any 0x86dd", "deny any any"]
    shown = read(device.text.replace("0x86dd", "34525"), PORTS)
    assert held(shown).keys() == held(device.seen()).keys()


def test_one_containments_permit_is_no_exception_from_anothers_deny() -> None:
    device = Device()
    ssh = permit(protocol=Protocol.TCP, peer_ports=PortRange(22, 22))
    device.converge(deny(), ssh, deny(containment="c2", protocol=Protocol.TCP, peer=PEER))
    assert [canonical(entry) for entry in device.body("ip")] == [
        "deny tcp any host 10.99.0.4 eq 22",
        "permit tcp any any eq 22",
        "deny ip any any",
    ]


def test_what_goes_to_a_port_is_told_by_its_services() -> None:
    device = Device()
    device.converge(
        deny(direction=Direction.TO, protocol=Protocol.TCP, own_ports=PortRange(445, 445)),
        permit(direction=Direction.TO, protocol=Protocol.TCP, own_ports=PortRange(445, 445), peer=PEER),
    )
    assert [canonical(entry) for entry in device.body("ip", "out")] == [
        "permit tcp host 10.99.0.4 any eq 445",
        "deny tcp any any eq 445",
        "permit ip any any",
    ]
    assert ("mac", "out") not in device.bound()


def test_exceptions_are_not_put_over_somebody_elses_list() -> None:
    device = Device("ip access-list OFFICE", "deny ip any any", "interface Ethernet1", "ip access-group OFFICE in")
    change = device.converge(deny(), permit(protocol=Protocol.TCP, peer=PEER), deny(PORTS[1]))
    assert all("OFFICE" in reason for reason in refusals(change))
    assert device.bound() == {("ip", "in"): "OFFICE"}
    assert device.body("ip", port=PORTS[1]) == ["deny ip any any"]


def test_what_the_hardware_has_no_room_for_is_not_pushed_and_what_stands_stays() -> None:
    device = Device()
    device.converge(deny(protocol=Protocol.TCP, peer_ports=PortRange(22, 22)))
    stood = device.text
    more = deny(containment="c2", protocol=Protocol.TCP, peer_ports=PortRange(23, 23))
    rules = RuleSet([deny(protocol=Protocol.TCP, peer_ports=PortRange(22, 22)), more])
    tight = render.change("sw", rules, replace(device.seen(), room=((frozenset(FAMILIES), 5),)), NOTHING)
    assert tight.messages == (
        Refusal(more.id, "Ethernet1: its lists need at least 6 entries more, and the hardware has room for 5"),
    )
    assert device.text == stood
    assert not refusals(render.change("sw", rules, replace(device.seen(), room=((frozenset(FAMILIES), 6),)), NOTHING))


@pytest.mark.parametrize(
    "rule",
    [
        deny(peer=PEER),
        deny(protocol=Protocol.ARP, ip=PEER),
        deny(direction=Direction.TO, protocol=Protocol.ARP),
        deny(mac=Mac("02:00:00:00:00:01")),
        Rule(Match(Direction.FROM, ip=PEER, protocol=Protocol.TCP), Action.DENY, Provenance("c1")),
    ],
)
def test_what_no_list_can_tell_is_undeclared(rule: Rule) -> None:
    assert CAPABILITIES.unsupported(RuleSet([rule]))


def test_an_exception_from_a_deny_of_all_that_goes_out_is_undeclared() -> None:
    exception = permit(direction=Direction.TO, protocol=Protocol.TCP)
    assert not CAPABILITIES.unsupported(RuleSet([exception]))
    assert CAPABILITIES.unsupported(RuleSet([exception, deny(direction=Direction.TO)]))
    assert not CAPABILITIES.unsupported(RuleSet([exception, deny(direction=Direction.TO, containment="c2")]))


# --- what others say never becomes a command -----------------------------------------------------------------------

HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "\nno aaa root\n",
        "x\rreload now",
        "; reload",
        "eq 22\n permit ip any any",
        "!\nend",
        "\u2028reload",
        "a|b",
        "`id`",
        "$(id)",
        "NETCORDON-",
    ]
)
ALLOWED = re.compile(
    r"(?:no )?(?:interface Ethernet\d+|exit|vlan \d+|name NETCORDON-QUARANTINE|switchport access vlan \d+"
    r"|(?:ip|ipv6|mac) access-list NETCORDON-[0-9A-Za-z-]+|(?:ip|ipv6|mac) access-group NETCORDON-[0-9a-f-]+ (?:in|out)"
    r"|remark netcordon rule [0-9a-f]{12}(?: in [a-z0-9,]+)?"
    r"|remark netcordon vlan \d+ was \d+|(?:deny|permit) (?:ip|ipv6|tcp|udp|icmp|icmpv6|1|58|any)[a-z0-9 -]*)"
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    containment=HOSTILE, reason=HOSTILE, by=HOSTILE, port=HOSTILE | st.sampled_from(PORTS), vlan=st.integers(1, 4094)
)
def test_hostile_words_reach_no_command_line(containment: str, reason: str, by: str, port: str, vlan: int) -> None:
    provenance = Provenance(containment, reason, by)
    rules = [Rule(Match(direction, port=PortName(port)), Action.DENY, provenance) for direction in Direction] + [
        Rule(Match(Direction.FROM, port=PortName(port)), Action.MOVE_VLAN, provenance, vlan=vlan)
    ]
    change = Device().change(*rules)
    for one in change.messages:
        for line in one.lines if isinstance(one, Commands) else ():
            assert ALLOWED.fullmatch(line), line


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=300), name=HOSTILE)
def test_whatever_a_device_shows_is_read_or_left_alone(text: str, name: str) -> None:
    """And a strange name that is bound there is not typed again."""
    seen = read(f"interface Ethernet1\n   ip access-group {name} in\n{text}", PORTS)
    change = render.change("sw", RuleSet([deny()]), seen, NOTHING)
    for one in change.messages:
        assert not any("\n" in line or "\r" in line for line in (one.lines if isinstance(one, Commands) else ()))
