"""What is sent to an NX-OS switch, and what is read of one, without a switch: its meaning is tested with packets in tests/contract."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ntc_templates.parse import parse_output

from drivers.base import Change, PreState
from drivers.napalm_config import render
from drivers.napalm_config.commands import unknown
from drivers.napalm_config.ios_told import vlans
from drivers.napalm_config.messages import Commands, Refusal
from drivers.napalm_config.nxos_commands import COMMANDS
from drivers.napalm_config.nxos_config import read
from drivers.napalm_config.nxos_dialect import canonical
from drivers.napalm_config.nxos_told import Status, boot_id, committed, complaints, is_clean, room, statuses
from drivers.napalm_config.seen import Seen, held
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from topologies.vendor.forwarding import NoHardware
from topologies.vendor.nxos import NxosSwitch
from topologies.vendor.nxos_show import show

PORTS = [PortName(f"Ethernet1/{number}") for number in (1, 2, 3)]
ONE = PORTS[0]
ON_ONE = f"interface {ONE}"
EDGE = "spanning-tree port type edge"


def deny(port: PortName = ONE, containment: str = "c1", **fields: Any) -> Rule:
    return Rule(Match(Direction.FROM, port=port, **fields), Action.DENY, Provenance(containment))


def permit(**fields: Any) -> Rule:
    return Rule(Match(Direction.FROM, port=ONE, **fields), Action.PERMIT, Provenance("c1"))


def move(vlan: int, *, bounce: bool = False) -> Rule:
    return Rule(Match(Direction.FROM, port=ONE), Action.MOVE_VLAN, Provenance("c1"), vlan=vlan, bounce=bounce)


class Device:
    """A switch's configuration, as a virtual one takes and shows it."""

    def __init__(self, folder: Path) -> None:
        self.switch = NxosSwitch(NoHardware(), folder)

    def edit(self, *lines: str) -> None:
        self.switch.edit(lines)

    def seen(self) -> Seen:
        status = statuses(show(self.switch, "show interface status"))
        return read(self.switch.text(), status, vlans(show(self.switch, "show vlan brief")))

    def change(self, *rules: Rule) -> Change:
        return render.change("sw", RuleSet(rules), self.seen(), PreState())

    def converge(self, *rules: Rule) -> Change:
        change = self.change(*rules)
        lines = [line for one in change.messages if isinstance(one, Commands) for line in one.lines]
        assert unknown([line.strip() for line in lines], COMMANDS) == []
        self.switch.commit(lines, self)
        assert not [one for one in self.change(*rules).messages if not isinstance(one, Refusal)], "it does not settle"
        return change

    def bound(self) -> dict[tuple[str, str], str]:
        return dict(self.seen().ports[ONE].bound)

    def body(self, family: str) -> list[str]:
        """What the bound list says, remarks left out."""
        said = [canonical(entry) for entry in self.seen().lists[family, self.bound()[family, "in"]]]
        return [entry for entry in said if entry is not None and not entry.startswith("remark")]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def refusals(change: Change) -> list[str]:
    return [one.reason for one in change.messages if isinstance(one, Refusal)]


def test_a_port_is_denied_in_every_family_and_a_mac_list_is_bound_without_a_way(device: Device) -> None:
    before = device.switch.text()
    device.converge(deny())
    assert [device.body(family) for family in ("ip", "ipv6", "mac")] == [
        ["deny ip any any"], ["deny ipv6 any any"], ["deny any any"],
    ]  # fmt: skip
    names = device.bound()
    assert set(device.switch.running.section(ON_ONE)) == {
        f"ip port access-group {names['ip', 'in']} in",
        f"ipv6 port traffic-filter {names['ipv6', 'in']} in",
        f"mac port access-group {names['mac', 'in']}",
    }
    device.converge()
    assert device.switch.text() == before


@pytest.mark.parametrize(
    ("fields", "ip", "ipv6"),
    [
        ({"protocol": Protocol.TCP, "peer_ports": PortRange(23, 23)}, "deny tcp any any eq 23", "deny tcp any any eq 23"),
        ({"protocol": Protocol.UDP, "own_ports": PortRange(137, 138)}, "deny udp any range 137 138 any", "deny udp any range 137 138 any"),
        ({"protocol": Protocol.TCP, "established": True}, "deny tcp any any established", "deny tcp any any established"),
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
    assert device.body("mac") == ["deny any any 0x806", "permit any any"]
    kinds = ("router-solicitation", "nd-ns", "nd-na")
    assert device.body("ipv6") == [*(f"deny icmp any any {kind}" for kind in kinds), "permit ipv6 any any"]


def test_what_is_permitted_and_by_address(device: Device) -> None:
    service: dict[str, Any] = {"protocol": Protocol.TCP, "peer_ports": PortRange(443, 443)}
    peers = ("10.99.0.0/24", "10.0.0.4", "2001:db8::/64", "2001:db8:1::4")
    only = [permit(peer=ip_network(peer), **service) for peer in peers]
    device.converge(deny(), *only)
    assert sorted(device.body("ip")[:2]) == [
        "permit tcp any 10.99.0.0/24 eq 443", "permit tcp any host 10.0.0.4 eq 443",
    ]  # fmt: skip
    assert "permit tcp any 10.0.0.4/32 eq 443" in device.switch.text(), "as NX-OS shows it"
    assert sorted(device.body("ipv6")[:2]) == [
        "permit tcp any 2001:db8::/64 eq 443", "permit tcp any host 2001:db8:1::4 eq 443",
    ]  # fmt: skip
    assert device.body("mac") == ["deny any any"], "a MAC list filters no IP there"
    assert held(device.seen()).keys() == {deny().id, *(rule.id for rule in only)}


def test_somebody_elses_list_is_refused_with_its_name(device: Device) -> None:
    device.edit("mac access-list THEIRS", "permit any any", ON_ONE, "mac port access-group THEIRS")
    before = device.switch.text()
    (said,) = refusals(device.converge(deny()))
    assert said.startswith("Ethernet1/1: the list 'THEIRS' (mac port access-group in) is bound there already")
    device.converge()
    assert device.switch.text() == before


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["switchport mode trunk"], r"it is no access port \(switchport mode trunk\)"),
        (["no switchport"], "it is a routed port"),
        (["channel-group 3 mode active"], "it is a member of port-channel3"),
    ],
)
def test_ports_on_which_nothing_of_ours_belongs(device: Device, lines: list[str], reason: str) -> None:
    device.edit(ON_ONE, *lines)
    (said,) = refusals(device.converge(deny(), deny(PORTS[1])))
    assert re.search(reason, said)
    assert held(device.seen()).keys() == {deny(PORTS[1]).id}


def test_a_port_of_which_the_switch_tells_no_vlan_and_one_that_sees_ip_by_its_mac_list() -> None:
    """A model whose ports route unless they are told otherwise does not say so in its configuration."""
    text = "interface Ethernet1/1\n\ninterface Ethernet1/2\n  mac packet-classify\n"
    routed = read(text, {ONE: Status("connected", None), PORTS[1]: Status("connected", 1)}, {1: "default"})
    unfit = [routed.ports[port].unfit for port in PORTS[:2]]
    assert unfit == [
        "`show interface status` tells no access VLAN of it",
        "its MAC list is for every frame there (mac packet-classify), and it takes no IP list",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [("switchport voice vlan 40", "a phone is on this port"), ("dot1x pae authenticator", "802.1X or MAB decides")],
)
def test_a_vlan_that_is_not_ours_to_change(device: Device, line: str, reason: str) -> None:
    device.edit(ON_ONE, line)
    (said,) = refusals(device.converge(move(999), deny()))
    assert reason in said
    assert held(device.seen()).keys() == {deny().id}, "lists are not concerned"


@pytest.mark.parametrize(
    ("line", "refused"),
    [("switchport voice vlan 40", False), ("dot1x pae authenticator", True), ("switchport mode trunk", True)],
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


def test_a_port_is_moved_and_put_back(device: Device) -> None:
    device.edit("vlan 20", "name users", ON_ONE, "switchport access vlan 20")
    before = device.switch.text()
    device.converge(move(999))
    assert held(device.seen()) == {move(999).id: f"{ONE} switchport access vlan 999"}
    assert device.seen().vlans[999] == "NETCORDON-QUARANTINE"
    device.converge(move(998))
    assert (device.seen().ports[ONE].vlan, sorted(device.seen().vlans)) == (998, [1, 20, 998])
    device.converge()
    assert (device.switch.text(), sorted(device.seen().vlans)) == (before, [1, 20])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it is no edge port (spanning-tree port type edge)"),
        ([f"{EDGE} default", ON_ONE, EDGE.replace("edge", "network")], "it is no edge port (spanning-tree port type network)"),
        ([ON_ONE, EDGE, "shutdown"], "it was shut by somebody"),
        ([f"{EDGE} default"], None),
        ([ON_ONE, EDGE], None),
    ],
)  # fmt: skip
def test_which_ports_are_bounced(device: Device, lines: list[str], reason: str | None) -> None:
    device.edit(*lines)
    change = device.change(move(999, bounce=True))
    said = [line.text for line in change.lines if "is not bounced" in line.text]
    assert said == ([] if reason is None else [f"{ONE} is not bounced: {reason}; the device keeps its address for now"])


def test_an_err_disabled_port_is_not_bounced(device: Device) -> None:
    device.edit(ON_ONE, EDGE)
    device.switch.faults.errdisabled = frozenset({1})
    assert any("it is err-disabled" in line.text for line in device.change(move(999, bounce=True)).lines)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_rules_settle_and_leave_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """From one random set to the next; what is read back is what was sent, however NX-OS spells it."""
    device = Device(tmp_path_factory.mktemp("flash"))
    before = device.switch.text()
    span = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda ends: PortRange(min(ends), max(ends)))
    peers = st.sampled_from(["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "2001:DB8::1", "0.0.0.0/0"]).map(ip_network)
    fields: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"protocol": st.sampled_from(list(Protocol))}),
        st.fixed_dictionaries(
            {"protocol": st.sampled_from([Protocol.TCP, Protocol.UDP]), "own_ports": span, "peer_ports": span}
        ),
        st.fixed_dictionaries({"protocol": st.just(Protocol.TCP), "established": st.just(True), "peer": peers}),
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


def test_parsers_that_nobody_here_wrote_read_what_is_meant(device: Device) -> None:
    """ntc-templates' own: https://github.com/networktocode/ntc-templates."""
    device.edit("vlan 20", "name users", ON_ONE, "description a printer")
    service: dict[str, Any] = {"protocol": Protocol.TCP, "own_ports": PortRange(1024, 2047), "peer_ports": PortRange(445, 445)}  # fmt: skip
    device.converge(deny(**service), deny(protocol=Protocol.UDP, peer=ip_network("10.0.0.4")))

    def parsed(asked: str, template: str = "") -> list[dict[str, str]]:
        return list(parse_output("cisco_nxos", template or asked, show(device.switch, asked)))

    bound = device.bound()["ip", "in"]
    told = [one for one in parsed("show access-lists") if one["name"] == bound]
    entries = [one for one in told if one["action"] in ("permit", "deny")]
    words = ("action", "protocol", "source", "range", "destination", "port", "modifier")
    assert sorted(tuple(one[word] for word in words) for one in entries) == [
        ("deny", "tcp", "any", "1024 2047", "any", "", "eq 445"),
        ("deny", "udp", "any", "", "10.0.0.4/32", "", ""),
        ("permit", "ip", "any", "", "any", "", ""),
    ]
    ports = [(one["port"], one["name"], one["vlan_id"]) for one in parsed("show interface status")]
    assert ports == [("Eth1/1", "a printer", "1"), ("Eth1/2", "--", "1"), ("Eth1/3", "--", "1")]
    known = [(one["vlan_id"], one["vlan_name"]) for one in parsed("show vlan brief", "show vlan")]
    assert known == [("1", "default"), ("20", "users")]


# --- what else NX-OS says, by transcripts and templates -------------------------------------------------------------------


def test_status_of_ports() -> None:
    status = """
--------------------------------------------------------------------------------
Port          Name               Status    Vlan      Duplex  Speed   Type
--------------------------------------------------------------------------------
mgmt0         --                 connected routed    full    1000    --
Eth1/1        printer connected  connected 10        full    1000    10Gbase-SR
Eth1/2        --                 notconnec 1         auto    auto    10Gbase-SR
Eth1/49       core               connected trunk     full    40G     QSFP
Eth101/1/1    --                 disabled  20        auto    auto    --
Po1           connected 10 full  down      30        auto    auto    --
"""
    assert statuses(status) == {
        "Ethernet1/1": Status("connected", 10),
        "Ethernet1/2": Status("notconnec", 1),
        "Ethernet1/49": Status("connected", None),
        "Ethernet101/1/1": Status("disabled", 20),
        "port-channel1": Status("down", 30),
    }


def test_room_in_the_hardware() -> None:
    """Two instances; the fuller counts. Rows that are no ports' do not."""
    row = "Ingress PACL                            {}       {}     0.39   \n"
    told = row.format(2, 510) + "Ingress RACL                            2       3     0.39\n" + row.format(505, 7)
    assert room(told) == ((frozenset({"ip", "ipv6", "mac"}), 7),)
    assert room("Mac Etype/Proto CAM                     0       14      0.00\n") == ()


def test_what_is_said_of_a_commit() -> None:
    done = "Verification Succeeded.\n\nConfiguration committed by user 'kanai' using Commit ID : 1000000006"
    assert (committed(done), complaints(done)) == ("1000000006", [])
    failed = "Failed. err=bgp instance is already running; Tag is 100\ncommit verification failed"
    assert committed(failed) is None
    assert complaints(failed) == failed.splitlines()
    assert complaints("   ^\n% Invalid command at '^' marker.") == ["% Invalid command at '^' marker."]
    assert complaints("Warning: Enable double-sided vPC convergence\nleaf-1(config-dual-stage)# ") == []


def test_when_it_was_started() -> None:
    version = "Hardware\n  cisco Nexus9000 C9300v Chassis \n  Processor Board ID 9N3KD63KWT0\n"
    uptime = "System start time:          Tue Nov 24 01:00:00 2026\nSystem uptime:              0 days, 0 hours"
    assert boot_id(version, uptime) == "9N3KD63KWT0-Tue-Nov-24-01:00:00-2026"


def test_whether_something_is_unsaved() -> None:
    assert is_clean("")
    assert is_clean("*** Startup-config\n--- Running-config\n")
    assert not is_clean(
        "*** Startup-config\n--- Running-config\n***************\n*** 1,2 ****\n--- 1,3 ----\n+ vlan 20"
    )
