"""What a profile does to frames: on the meaning of its rules, and on the flows that an OpenFlow switch holds for them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from controller.errors import RefusalCode, Refused
from controller.model import FULL, Endpoint, Entry, Peers, Profile, Way
from controller.plan import make_plan, only_its_own
from controller.profiles import LATERAL, MONITOR, catalogue, compile_rules, quarantine, remediation
from controller.prove import prove
from drivers.base import Capabilities, PreState
from drivers.memory import MemoryDriver
from drivers.napalm_config.eos_device import CAPABILITIES as EOS
from drivers.napalm_config.ios_device import IosPlatform
from drivers.napalm_config.options import IosOptions
from drivers.openflow.converge import Renderer
from drivers.openflow.driver import BesideOpenFlowDriver, OpenFlowDriver
from drivers.openflow.flows import Flow
from drivers.openflow.layout import BESIDE
from drivers.rules import Action, Direction, Match, PortName, PortRange, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Crossing, Fate, Frame, verdict
from tests.campus import DECISION, NOW, campus, mac, place, port
from tests.unit.flow_table import FlowTable

DEVICE = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66")}), place(3))
SHARED = replace(DEVICE, neighbours=frozenset({mac(70)}))
PORTS = (port(3), port(4))
OWN, PEER = ip_address("10.0.0.66"), ip_address("10.0.0.5")
SYN: dict[str, bool] = {}
ACK = {"established": True}
DIRECTORY = Profile(
    "directory",
    60,
    "keeps a directory server's services",
    Action.DENY,
    tuple(
        Entry(Action.PERMIT, Way.TO, name, protocol, (PortRange(number, number),))
        for name, number in (("Kerberos", 88), ("DNS", 53))
        for protocol in (Protocol.TCP, Protocol.UDP)
    ),
)


def compiled(profile: Profile, endpoint: Endpoint = DEVICE) -> RuleSet:
    return RuleSet(
        compile_rules(profile, endpoint, Provenance("c-1"), lambda peers: peers.prefixes, lambda rule: True).rules
    )


def sent(protocol: int, source: int | None, to: int | None, who: int = 6, **more: object) -> Crossing:
    frame = Frame(mac(who), mac(5), ETH_IPV4, OWN, PEER, protocol, source, to)
    return Crossing(replace(frame, **more), port(3), port(4))  # type: ignore[arg-type]  # fields by name


def got(protocol: int, source: int | None, to: int | None, who: int = 6, **more: object) -> Crossing:
    frame = Frame(mac(5), mac(who), ETH_IPV4, PEER, OWN, protocol, source, to)
    return Crossing(replace(frame, **more), port(4), port(3))  # type: ignore[arg-type]  # fields by name


def on_a_switch(rules: RuleSet, crossing: Crossing) -> Fate:
    table = FlowTable(PORTS)
    change = Renderer("of:1", OpenFlowDriver.capabilities).change(rules, table.observed(), PreState())
    assert change.rule_ids == rules.ids, "each rule has flows"
    table.take(change.messages)
    return table.forward(crossing)


def fate(profile: Profile, crossing: Crossing, endpoint: Endpoint = DEVICE) -> str:
    """By the meaning of the rules and by the flows; they must agree."""
    rules = compiled(profile, endpoint)
    meant = verdict(rules, crossing).fate
    assert on_a_switch(rules, crossing) is meant
    return meant.value


@pytest.mark.parametrize("source", [40000, 80, 88, 445, 53])
@pytest.mark.parametrize("service", [(6, 445), (6, 3389), (17, 3389), (6, 22), (6, 5985), (6, 5905), (6, 135)])
def test_lateral_closes_what_lateral_movement_uses_from_any_port(source: int, service: tuple[int, int]) -> None:
    protocol, to = service
    assert fate(LATERAL, sent(protocol, source, to)) == "drop"
    assert fate(LATERAL, got(protocol, source, to)) == "drop"
    assert fate(LATERAL, sent(protocol, to, 40000, **ACK)) == "drop", "nor does its own service answer"


@pytest.mark.parametrize("service", [(6, 80), (6, 443), (6, 389), (17, 53), (1, None)])
def test_lateral_leaves_the_rest(service: tuple[int, int | None]) -> None:
    protocol, to = service
    source = None if to is None else 40000
    assert fate(LATERAL, sent(protocol, source, to)) == fate(LATERAL, got(protocol, source, to)) == "pass"


@pytest.mark.parametrize("endpoint", [DEVICE, SHARED])
def test_a_closed_service_is_not_reached_by_what_hides_its_port(endpoint: Endpoint) -> None:
    """Pieces of a packet, a header that the switch does not know, and a tag within a tag."""
    hiding = [
        replace(sent(6, None, None).frame, fragment=True),
        replace(sent(6, 40000, 80).frame, fragment=True),
        Frame(mac(6), mac(5), ETH_IPV6, ip_protocol=44, fragment=True),
        Frame(mac(6), mac(5), ETH_IPV6, ip_protocol=60),
        Frame(mac(6), mac(5), ETH_IPV4, ip_protocol=0),
        Frame(mac(6), mac(5), 0x8100),
        Frame(mac(6), mac(5), 0x8847),
    ]
    for frame in hiding:
        back = replace(frame, eth_src=frame.eth_dst, eth_dst=frame.eth_src)
        assert fate(LATERAL, Crossing(frame, port(3), port(4)), endpoint) == "drop", frame
        assert fate(LATERAL, Crossing(back, port(4), port(3)), endpoint) == "drop", frame


def test_another_mac_on_its_port_is_no_way_around_and_a_neighbour_keeps_its_own() -> None:
    assert fate(LATERAL, sent(6, 40000, 445, who=99)) == "drop"
    assert fate(LATERAL, sent(6, 445, 40000, who=99, **ACK)) == "drop", "nor is it reached at one"
    assert fate(LATERAL, sent(6, 40000, 445, who=70), SHARED) == "pass"
    assert fate(LATERAL, got(6, 40000, 445, who=70), SHARED) == "pass"
    assert fate(LATERAL, sent(6, 40000, 445), SHARED) == "drop"


REMEDIATION = remediation([ip_network("10.0.0.5")], [ip_network("10.0.0.53")])


def test_remediation_leaves_its_hosts_and_what_is_needed_to_reach_them() -> None:
    assert fate(REMEDIATION, sent(6, 40000, 443)) == fate(REMEDIATION, got(6, 443, 40000, **ACK)) == "pass"
    other = ip_address("10.0.0.9")
    assert fate(REMEDIATION, sent(6, 40000, 443, ip_dst=other)) == "drop"
    assert fate(REMEDIATION, got(6, 40000, 443, ip_src=other)) == "drop"
    resolver = ip_address("10.0.0.53")
    assert fate(REMEDIATION, sent(17, 40000, 53, ip_dst=resolver)) == "pass"
    assert fate(REMEDIATION, got(17, 53, 40000, ip_src=resolver)) == "pass"
    assert fate(REMEDIATION, sent(6, 40000, 22, ip_dst=resolver)) == "drop"
    assert fate(REMEDIATION, got(6, 53, 40000, ip_src=resolver)) == "drop", "an answer opens nothing"
    assert fate(REMEDIATION, sent(17, 68, 67, ip_dst=ip_address("255.255.255.255"))) == "pass"
    assert fate(REMEDIATION, sent(17, 67, 68, ip_dst=ip_address("255.255.255.255"))) == "drop", "no DHCP server"


def test_remediation_lets_no_device_claim_anothers_address_or_route() -> None:
    def arp(claimed: str) -> Crossing:
        frame = Frame(mac(6), mac(5), ETH_ARP, ip_address(claimed), PEER)
        return Crossing(frame, port(3), port(4))

    assert fate(REMEDIATION, arp("10.0.0.66")) == fate(REMEDIATION, arp("0.0.0.0")) == "pass"
    assert fate(REMEDIATION, arp("10.0.0.1")) == "drop"
    by_both = remediation([ip_network("10.0.0.5"), ip_network("2001:db8::5")], [])
    for icmp_type, expected in ((135, "pass"), (136, "pass"), (134, "drop"), (137, "drop"), (128, "drop")):
        frame = Frame(mac(6), mac(5), ETH_IPV6, ip_protocol=58, icmp_type=icmp_type)
        assert fate(by_both, Crossing(frame, port(3), port(4))) == expected, icmp_type
        assert fate(REMEDIATION, Crossing(frame, port(3), port(4))) == "drop", "nobody that it may reach has IPv6"
    assert "its neighbour discovery may claim any IPv6 address" in planned(by_both)[2]
    assert planned(REMEDIATION)[2] == ""


@pytest.mark.parametrize("crossing", [sent(6, 40000, 443, who=9), sent(17, 68, 67, who=9)])
def test_what_is_permitted_is_permitted_to_its_own_mac_alone(crossing: Crossing) -> None:
    """A frame under the gateway's MAC would teach every switch that the gateway is behind the held port."""
    assert fate(REMEDIATION, crossing) == "drop"
    assert fate(REMEDIATION, Crossing(replace(crossing.frame, eth_src=mac(6)), port(3), port(4))) == "pass"
    arp = Frame(mac(9), mac(5), ETH_ARP, OWN, PEER)
    assert fate(REMEDIATION, Crossing(arp, port(3), port(4))) == "drop"
    assert fate(DIRECTORY, sent(6, 88, 40000, who=9, **ACK)) == "drop"
    _, residual, _, _ = planned(DIRECTORY)
    assert "under another MAC" not in residual


def test_a_switch_that_cannot_tell_macs_makes_the_plan_weaker_and_says_so() -> None:
    simple = Capabilities(
        frozenset(
            (action, way, fields - {"mac"} if {"protocol", "port"} <= fields else fields)
            for action, way, fields in OpenFlowDriver.capabilities.matchable
        ),
        counters=True,
    )
    assert "what is permitted may be sent under any MAC" in planned(REMEDIATION, simple)[2]


@pytest.mark.parametrize("number", [88, 53])
def test_a_kept_service_is_no_way_out(number: int) -> None:
    assert fate(DIRECTORY, got(6, 40000, number)) == fate(DIRECTORY, sent(6, number, 40000, **ACK)) == "pass"
    assert fate(DIRECTORY, got(17, 40000, number)) == fate(DIRECTORY, sent(17, number, 40000)) == "pass"
    assert fate(DIRECTORY, sent(6, number, 445)) == "drop", "from the port that it keeps, it opens no connection"
    assert fate(DIRECTORY, sent(6, number, 40000)) == "drop"
    assert fate(DIRECTORY, sent(17, number, 445)) == "drop"
    assert fate(DIRECTORY, got(6, 40000, 445)) == fate(DIRECTORY, got(6, number, 445)) == "drop"
    assert fate(DIRECTORY, got(6, None, None, fragment=True)) == "drop", "pieces of a packet fail closed"


def test_monitor_counts_and_drops_nothing() -> None:
    rules = compiled(MONITOR)
    assert {rule.action for rule in rules} == {Action.COUNT}
    assert {rule.match.direction for rule in rules} == set(Direction)
    assert fate(MONITOR, sent(6, 40000, 445)) == fate(MONITOR, got(6, 40000, 445)) == "pass"
    assert {rule.match.mac for rule in compiled(MONITOR, SHARED)} == {mac(6)}, "no neighbour's frames are counted"


def planned(
    profile: Profile, capabilities: Capabilities = OpenFlowDriver.capabilities
) -> tuple[str, str, str, set[str]]:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=3600)
    decision = replace(DECISION, profile=profile)
    plan = make_plan("c-1", DEVICE, decision, NOW + 60, net.network.graph, capabilities)
    proof = prove(plan, net.network, NOW)
    assert proof.collateral == ()
    blocked = "; ".join(f"{r.src} > {r.dst}: {r.kind}" for r in proof.blocked)
    residual = "; ".join(f"{r.src} > {r.dst}: {r.kind}" for r in proof.residual)
    return blocked, residual, plan.weaker or "", set(plan.why)


def test_the_proof_of_a_granular_plan_names_each_service() -> None:
    blocked, residual, weaker, why = planned(LATERAL)
    for service in ("SMB and admin shares, T1021.002 (tcp 139,445)", "RDP, T1021.001 (udp 3389)"):
        assert f"device > anyone: {service}" in blocked
        assert f"anyone > device: {service}" in blocked
        assert service not in residual
    assert "device > anyone: fragmented packets" in blocked
    assert "device > anyone: other TCP" in residual
    assert "anyone > device: frames to another MAC that it takes" in residual
    assert weaker == ""
    assert any("are stopped as well" in sentence for sentence in why)


def test_a_switch_that_cannot_tell_fragments_makes_the_plan_weaker_and_says_so() -> None:
    simple = Capabilities(
        frozenset((a, d, f - {"fragment", "hidden"}) for a, d, f in MemoryDriver.capabilities.matchable), counters=True
    )
    blocked, residual, weaker, _ = planned(LATERAL, simple)
    assert "fragmented packets" in weaker
    assert "packets with unknown headers" in weaker
    assert "device > anyone: fragmented packets" in residual
    assert "SMB" in blocked


@pytest.mark.parametrize("profile", [FULL, LATERAL], ids=["full", "lateral"])
def test_a_switch_without_lists_for_what_leaves_a_port_holds_what_the_device_sends(profile: Profile) -> None:
    """A Catalyst 2960: the answers to whoever reaches it are stopped as well, and the plan says what is not."""
    options = IosOptions(host="sw", username="netcordon")
    blocked, residual, weaker, _ = planned(profile, IosPlatform("sw", options).capabilities)
    assert "no lists for what leaves a port" in weaker
    assert "device > anyone: " in blocked
    assert "anyone > device: " in residual
    with_lists = IosPlatform("sw", options.model_copy(update={"port_lists_out": True})).capabilities
    assert "leaves a port" not in planned(profile, with_lists)[2]


def test_what_a_kept_service_leaves_is_residual() -> None:
    blocked, residual, _, _ = planned(DIRECTORY)
    assert "anyone > device: Kerberos (tcp 88)" in residual
    assert "device > anyone: other TCP" in blocked
    assert "anyone > device: other UDP" in blocked
    assert "device > anyone: fragmented packets" in blocked


def test_monitor_says_that_it_stops_nothing() -> None:
    blocked, residual, weaker, _ = planned(MONITOR)
    assert blocked == ""
    assert "device > anyone: other TCP" in residual
    assert weaker == "it drops nothing: its rules only count"


def test_a_role_that_nobody_has_leaves_nothing_open_and_the_plan_says_so() -> None:
    entries = (Entry(Action.PERMIT, Way.FROM, "DNS", Protocol.UDP, (PortRange(53, 53),), Peers(roles=("dns",))),)
    done = compile_rules(
        Profile("x", 60, entries=entries), DEVICE, Provenance("c-1"), lambda peers: (), lambda rule: True
    )
    assert "no address of dns is known, so nothing is permitted" in done.weaker[0]
    assert not any(rule.match.peer_ports == PortRange(53, 53) for rule in done.rules)


def test_the_strictest_come_first_and_remediation_only_with_hosts() -> None:
    assert list(catalogue((), (), ())) == ["full", "lateral", "monitor"]
    assert list(catalogue([ip_network("10.0.0.5")], (), [DIRECTORY])) == [
        "full",
        "remediation",
        "directory",
        "lateral",
        "monitor",
    ]
    assert not FULL.granular
    assert all(profile.granular for profile in (LATERAL, MONITOR, DIRECTORY))


def test_nothing_passes_while_a_looser_profile_gives_way_to_full() -> None:
    """Message by message, what the looser one stopped stays stopped."""
    table = FlowTable(PORTS)
    renderer = Renderer("of:1", OpenFlowDriver.capabilities)
    for profile in (LATERAL, DIRECTORY):
        table.take(renderer.change(compiled(profile), table.observed(), PreState()).messages)
        for message in renderer.change(compiled(FULL), table.observed(), PreState()).messages:
            table.take([message])
            assert table.forward(sent(6, 40000, 445)) is Fate.DROP, message
            assert table.forward(got(6, 40000, 445)) is Fate.DROP, message


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"established": True}, "established needs protocol tcp"),
        ({"hidden": True, "protocol": Protocol.TCP}, "has no protocol"),
        ({"fragment": True, "protocol": Protocol.ARP}, "never fragmented"),
        ({"protocol": Protocol.ND, "ip": ip_network("10.0.0.1")}, "IPv6's"),
        ({"fragment": False}, "asked for, or left out"),
    ],
)
def test_a_match_that_no_frame_could_mean_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Match(Direction.FROM, port=PortName("p1"), **wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_a_rule_without_the_new_fields_keeps_its_name() -> None:
    """Rules that stand on switches and in databases since before."""
    assert Rule(Match(Direction.FROM, port=PortName("p1")), Action.DENY, Provenance("c")).id == "75ea37470049"


# --- beside another controller, decision 0009 -------------------------------------------------------------------------

BUILT_IN = catalogue([ip_network("10.0.0.9")], [ip_network("10.0.0.53")], [])
REFUSED_BESIDE = {
    "remediation": "permit to on mac+protocol; permit ",
    "monitor": "count to on mac; count from on port",
    "directory": "permit to on mac+protocol; permit ",
}
"""What the driver cannot do of each, and why not; the rest it holds."""
ADVICE = "Use a profile that needs no more (full, lateral, or one of your own that denies single services)"


def beside(profile: Profile, endpoint: Endpoint) -> RuleSet:
    graph = campus().network.graph
    plan = make_plan(
        "c-1", endpoint, replace(DECISION, profile=profile), NOW + 60, graph, BesideOpenFlowDriver.capabilities
    )
    return plan.rules[endpoint.attachment.device]


@pytest.mark.parametrize("endpoint", [DEVICE, SHARED], ids=["alone", "shared"])
@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in REFUSED_BESIDE])
def test_what_can_be_held_beside_another_controller_is_held_there_by_drops(name: str, endpoint: Endpoint) -> None:
    rules = beside(BUILT_IN[name], endpoint)
    table = FlowTable(PORTS, BESIDE)
    theirs = Flow(0, 1, 0xFA, (), None, "normal")
    table.flows[theirs.key] = theirs
    change = Renderer("of:1", BesideOpenFlowDriver.capabilities, BESIDE).change(rules, table.observed(), PreState())
    assert change.rule_ids == rules.ids, "each rule has flows"
    assert not [m for m in change.messages if m["kind"] == "flow" and (m["goto"] is not None or m["output"])]
    table.take(change.messages)
    for crossing in (sent(6, 40000, 445), got(6, 40000, 445), sent(6, 40000, 443), sent(6, 40000, 445, who=70)):
        assert table.forward(crossing) is verdict(rules, crossing).fate
    assert table.forward(sent(6, 40000, 445)) is Fate.DROP


@pytest.mark.parametrize("endpoint", [DEVICE, SHARED], ids=["alone", "shared"])
@pytest.mark.parametrize("profile", [BUILT_IN["remediation"], MONITOR, DIRECTORY], ids=lambda profile: profile.name)
def test_what_cannot_be_held_there_is_refused_with_what_to_do(profile: Profile, endpoint: Endpoint) -> None:
    with pytest.raises(Refused) as caught:
        beside(profile, endpoint)
    said = str(caught.value)
    assert caught.value.code is RefusalCode.UNSUPPORTED
    assert f"s1:s1-eth3: profile {profile.name} asks for what the driver there cannot do: " in said
    if endpoint is DEVICE:
        assert REFUSED_BESIDE[profile.name] in said
    assert "beside another controller (openflow.speaker.role: equal)" in said.lower()
    assert ADVICE in said
    assert "or give the switch to Netcordon alone (role: sole)" in said
    assert len(said) < 500


def test_each_built_in_profile_is_looked_at_beside_another_controller() -> None:
    assert BUILT_IN.keys() == {"full", "remediation", "lateral", "monitor"}


# --- the quarantine VLAN, and what an Arista switch can do ---------------------------------------------------------------

QUARANTINED = quarantine(999, [ip_network("10.99.0.4"), ip_network("2001:db8::4")], bounce=True)


def test_quarantine_moves_the_port_and_lets_it_send_to_its_hosts_alone() -> None:
    moved, *others = sorted(compiled(QUARANTINED), key=lambda rule: rule.action is not Action.MOVE_VLAN)
    assert (moved.action, moved.vlan, moved.bounce, moved.match) == (
        Action.MOVE_VLAN,
        999,
        True,
        Match(Direction.FROM, port=port(3)),
    )
    assert all(rule.match.direction is Direction.FROM for rule in others), "what its hosts send to it passes"
    rules = RuleSet(others)
    reached, fellow = ip_address("10.99.0.4"), ip_address("10.99.0.102")
    for crossing, meant in (
        (sent(6, 40000, 443, ip_dst=reached), Fate.PASS),
        (sent(1, None, None, ip_dst=reached), Fate.PASS),
        (sent(17, 68, 67, ip_dst=ip_address("255.255.255.255")), Fate.PASS),
        (sent(17, 67, 68, ip_dst=ip_address("255.255.255.255")), Fate.DROP),
        (sent(6, 40000, 443, ip_dst=fellow), Fate.DROP),
        (got(6, 443, 40000), Fate.PASS),
    ):
        assert verdict(rules, crossing).fate is meant, crossing


def test_quarantine_on_an_arista_switch_says_what_is_weaker() -> None:
    _, residual, weaker, _ = planned(QUARANTINED, EOS)
    assert "what is permitted may be sent under any MAC" in weaker
    assert "device > anyone: other ARP" in residual
    _, _, open_to_all, _ = planned(quarantine(999, (), bounce=False), EOS)
    assert "devices in VLAN 999 reach each other" in open_to_all


def test_a_shared_port_is_not_moved() -> None:
    net = campus()
    decision = replace(DECISION, profile=QUARANTINED)
    with pytest.raises(Refused, match="a VLAN takes along all that is on a port") as caught:
        make_plan("c-1", SHARED, decision, NOW + 60, net.network.graph, EOS)
    assert caught.value.code is RefusalCode.UNSUPPORTED


def test_a_port_at_which_the_device_may_only_seem_to_be_is_not_moved() -> None:
    plan = make_plan("c-1", DEVICE, replace(DECISION, profile=QUARANTINED), NOW + 60, campus().network.graph, EOS)
    assert not [
        rule
        for rules in only_its_own(plan).rules.values()
        for rule in rules
        if rule.action is Action.MOVE_VLAN or rule.match.mac is None
    ]


def test_lateral_on_an_arista_switch_closes_the_port_where_the_device_is_alone() -> None:
    blocked, residual, weaker, _ = planned(LATERAL, EOS)
    for way in ("device > anyone", "anyone > device"):
        assert f"{way}: SMB and admin shares, T1021.002 (tcp 139,445)" in blocked
    assert "fragmented packets" in weaker
    assert "anyone > device: other TCP" in residual
    net = campus()
    for profile in (LATERAL, REMEDIATION, DIRECTORY):
        with pytest.raises(Refused, match="quarantine-vlan"):
            make_plan("c-1", SHARED, replace(DECISION, profile=profile), NOW + 60, net.network.graph, EOS)


@pytest.mark.parametrize("profile", [REMEDIATION, DIRECTORY], ids=lambda profile: profile.name)
def test_where_nothing_can_be_left_open_of_what_goes_to_a_port_what_comes_from_it_is_held(profile: Profile) -> None:
    blocked, residual, weaker, _ = planned(profile, EOS)
    assert "what others send still reaches the device" in weaker
    assert "it may claim any address" in weaker
    assert "device > anyone: other TCP" in blocked
    assert "anyone > device: other TCP" in residual
