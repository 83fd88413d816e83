"""What each role keeps and what closes: on the meaning of its rules, on the flows of an OpenFlow switch, and in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import RefusalCode, Refused
from controller.model import Endpoint, Entry, Looks, Mode, Peers, Profile, Way
from controller.plan import make_plan
from controller.profiles import compile_rules
from controller.prove import prove
from controller.role_match import BY_ROLE, PROFILES, RoleMatching, by_role, matched, opens_nothing, profile_of
from controller.role_profiles import ROLES, UNKNOWN
from drivers.base import PreState
from drivers.napalm_config.eos_device import CAPABILITIES as EOS
from drivers.openflow.converge import Renderer
from drivers.openflow.driver import OpenFlowDriver
from drivers.rules import Network, Protocol, Provenance, RuleSet
from drivers.semantics import ETH_ARP, ETH_IPV4, Crossing, Fate, Frame, verdict
from tests import role_page
from tests.campus import AUTOMATIC, DECISION, NOW, campus, mac, place, port
from tests.unit.flow_table import FlowTable

DEVICE = Endpoint(frozenset({mac(6)}), frozenset({ip_address("10.0.0.66")}), place(3))
OWN, OTHER, LISTED = ip_address("10.0.0.66"), ip_address("10.0.0.5"), ip_address("10.0.0.53")
NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17}
CLIENT = 40000
EVERY_ROLE = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


def whom(peers: Peers) -> tuple[Network, ...]:
    """Each role has one listed address."""
    return (*peers.prefixes, ip_network(LISTED)) if peers.roles else peers.prefixes


def rules_of(profile: Profile) -> RuleSet:
    return RuleSet(compile_rules(profile, DEVICE, Provenance("c-1"), whom, lambda rule: True).rules)


class Switch:
    """The profile's rules, and the flows that a switch holds for them: they must agree on each frame."""

    def __init__(self, profile: Profile) -> None:
        self.rules = rules_of(profile)
        self.table = FlowTable((port(3), port(4)))
        change = Renderer("of:1", OpenFlowDriver.capabilities).change(self.rules, self.table.observed(), PreState())
        assert change.rule_ids == self.rules.ids, "each rule has flows"
        self.table.take(change.messages)

    def passes(self, crossing: Crossing) -> bool:
        meant = verdict(self.rules, crossing).fate
        assert self.table.forward(crossing) is meant, crossing
        return meant is Fate.PASS


def sent(protocol: Protocol, source: int, to: int, peer: object = OTHER, **more: object) -> Crossing:
    frame = Frame(mac(6), mac(5), ETH_IPV4, OWN, peer, NUMBERS[protocol], source, to)  # type: ignore[arg-type]
    return Crossing(replace(frame, **more), port(3), port(4))  # type: ignore[arg-type]  # fields by name


def got(protocol: Protocol, source: int, to: int, peer: object = OTHER, **more: object) -> Crossing:
    frame = Frame(mac(5), mac(6), ETH_IPV4, peer, OWN, NUMBERS[protocol], source, to)  # type: ignore[arg-type]
    return Crossing(replace(frame, **more), port(4), port(3))  # type: ignore[arg-type]  # fields by name


def numbers(entry: Entry) -> Iterator[int]:
    for span in entry.ports:
        yield from {span.first, span.last}


def exchange(entry: Entry, number: int) -> tuple[Crossing, Crossing]:
    """A request of the entry's kind at this port, and its answer."""
    assert entry.protocol is not None
    peer = LISTED if entry.peers and entry.peers.roles else OTHER
    answer = {"established": True} if entry.protocol is Protocol.TCP else {}
    if entry.way is Way.TO:
        return got(entry.protocol, CLIENT, number, peer), sent(entry.protocol, number, CLIENT, peer, **answer)
    return sent(entry.protocol, CLIENT, number, peer), got(entry.protocol, number, CLIENT, peer, **answer)


@EVERY_ROLE
def test_what_stays_up_is_asked_and_answers(profile: Profile) -> None:
    switch = Switch(profile)
    assert profile.entries
    for entry in profile.entries:
        if entry.exact is not None:
            own, far = entry.exact
            assert own
            assert far
            assert entry.protocol
            crossing = (sent if entry.way is Way.FROM else got)(
                entry.protocol, *((own.first, far.last) if entry.way is Way.FROM else (far.first, own.last))
            )
            assert switch.passes(crossing), entry.label
            continue
        for number in numbers(entry):
            asked, answered = exchange(entry, number)
            assert switch.passes(asked), f"{entry.label} is asked at {number}"
            assert switch.passes(answered), f"{entry.label} answers from {number}"


@EVERY_ROLE
def test_what_closes_is_closed_in_its_direction(profile: Profile) -> None:
    switch = Switch(profile)
    assert profile.closes
    for entry in profile.closes:
        for number in numbers(entry):
            assert entry.protocol is not None
            for source in (CLIENT, 22, *([number] if entry.protocol is Protocol.TCP else [])):
                if entry.way is not Way.TO:
                    assert not switch.passes(sent(entry.protocol, source, number)), f"{entry.label}: it opens {number}"
                if entry.way is not Way.FROM:
                    assert not switch.passes(got(entry.protocol, source, number)), f"{entry.label}: reached at {number}"


@EVERY_ROLE
def test_it_opens_nothing_that_is_not_listed(profile: Profile) -> None:
    """From any port, a TCP connection to any other host: only where the profile says so, and to whom it says."""
    switch = Switch(profile)
    asks = [e for e in profile.entries if e.way is Way.FROM and e.protocol is Protocol.TCP]
    for to in (22, 53, 80, 88, 443, 445, 3389, 5060, 9100, CLIENT):
        open_to_all = any(to in span for e in asks if e.peers is None for span in e.ports)
        for source in (CLIENT, 53, 88, 445, 554):
            assert switch.passes(sent(Protocol.TCP, source, to)) is open_to_all, f"{source} > {to}"


@EVERY_ROLE
def test_it_claims_no_address_but_its_own_and_no_mac(profile: Profile) -> None:
    switch = Switch(profile)
    for claimed, expected in ((OWN, True), (OTHER, False)):
        frame = Frame(mac(6), mac(5), ETH_ARP, claimed, OTHER)
        assert switch.passes(Crossing(frame, port(3), port(4))) is expected
    for entry in profile.entries:
        if entry.way is Way.FROM and entry.exact is None:
            asked, _ = exchange(entry, entry.ports[0].first)
            under_another = Crossing(replace(asked.frame, eth_src=mac(9)), port(3), port(4))
            assert not switch.passes(under_another), entry.label


@pytest.mark.parametrize(
    ("role", "crossing", "passes"),
    [
        ("domain-controller", got(Protocol.TCP, CLIENT, 88), True),
        ("domain-controller", got(Protocol.TCP, CLIENT, 445), False),
        ("domain-controller", sent(Protocol.TCP, CLIENT, 389), False),
        ("dhcp", got(Protocol.UDP, 68, 67), True),
        ("dhcp", sent(Protocol.UDP, 67, 68), True),
        ("dhcp", sent(Protocol.UDP, 67, 53), False),
        ("file-server", got(Protocol.TCP, CLIENT, 445), True),
        ("file-server", sent(Protocol.TCP, CLIENT, 445), False),
        ("camera", got(Protocol.TCP, CLIENT, 554), True),
        ("camera", got(Protocol.TCP, CLIENT, 80), False),
        ("camera", sent(Protocol.TCP, CLIENT, 443), False),
        ("camera", sent(Protocol.TCP, 554, 443), False),
        ("phone", sent(Protocol.UDP, 16400, 20000), True),
        ("phone", sent(Protocol.UDP, 16400, 40000), False),
        ("workstation", sent(Protocol.TCP, CLIENT, 88, LISTED), True),
        ("workstation", sent(Protocol.TCP, CLIENT, 88), False),
        ("unknown", sent(Protocol.UDP, 68, 67), True),
        ("unknown", sent(Protocol.UDP, 67, 68), False),
        ("unknown", sent(Protocol.UDP, CLIENT, 53, LISTED), False),
        ("unknown", got(Protocol.TCP, CLIENT, 80), False),
    ],
)
def test_what_people_would_ask_about(role: str, crossing: Crossing, passes: bool) -> None:
    assert Switch(PROFILES[role]).passes(crossing) is passes


@EVERY_ROLE
def test_the_proof_answers_for_each_service(profile: Profile) -> None:
    net = campus()
    net.keeps_saying("10.0.0.66", 6, 3, since=3600)
    decision = replace(DECISION, profile=profile)
    able = OpenFlowDriver.capabilities
    plan = make_plan("c-1", DEVICE, decision, NOW + 60, net.network.graph, able, whom)
    proof = prove(plan, net.network, NOW)
    assert proof.collateral == ()
    blocked = {(r.src, r.dst, r.kind) for r in proof.blocked}
    residual = {(r.src, r.dst, r.kind) for r in proof.residual}
    for entry in profile.entries:
        if entry.peers is None:
            ends = ("device", "anyone") if entry.way is Way.FROM else ("anyone", "device")
            assert (*ends, entry.label) in residual
    by_tcp = [entry for entry in profile.closes if entry.protocol is Protocol.TCP]
    assert by_tcp
    for entry in by_tcp:
        if entry.way is not Way.TO:
            assert ("device", "anyone", entry.label) in blocked
        if entry.way is not Way.FROM:
            assert ("anyone", "device", entry.label) in blocked
    assert ("device", "anyone", "other TCP") in blocked


def test_an_arista_switch_holds_what_comes_from_the_device_and_says_so() -> None:
    decision = replace(DECISION, profile=PROFILES["camera"])
    plan = make_plan("c-1", DEVICE, decision, NOW + 60, campus().network.graph, EOS)
    assert plan.weaker is not None
    assert "what others send still reaches the device" in plan.weaker
    rules = plan.rules[DEVICE.attachment.device]
    assert verdict(rules, sent(Protocol.TCP, CLIENT, 445)).fate is Fate.DROP
    assert verdict(rules, sent(Protocol.TCP, 80, CLIENT, established=True)).fate is Fate.DROP, "its web page's answers"
    assert verdict(rules, sent(Protocol.TCP, 554, CLIENT, established=True)).fate is Fate.PASS


def test_there_are_the_twelve_and_nobody_is_looser_than_unknown() -> None:
    assert len(PROFILES) == 12
    assert max(PROFILES.values(), key=lambda profile: profile.strictness) is PROFILES[UNKNOWN]
    assert all(entry.why for one in ROLES for entry in (*one.profile.entries, *one.profile.closes))
    assert {role for role, profile in PROFILES.items() if opens_nothing(profile)} == {"camera", "printer"}


def test_the_page_is_what_the_profiles_are() -> None:
    assert role_page.PAGE.read_text() == role_page.page(), "run: python -m tests.role_page"


# --- which one a device gets -----------------------------------------------------------------------------------------

SETTINGS = RoleMatching()


def looks(role: str, sure: float, evidence: tuple[str, ...] = ()) -> Looks:
    return Looks("computer", role, "", sure, evidence, "sensor", NOW)


ASKS = replace(AUTOMATIC, profile=BY_ROLE)


def listed(role: str, by: str = "mac") -> Endpoint:
    return replace(DEVICE, role=role, listed=by)


def test_the_inventorys_word_by_mac_is_the_role() -> None:
    decision = by_role(ASKS, listed("domain-controller"), SETTINGS)
    assert (decision.profile, decision.mode) == (PROFILES["domain-controller"], Mode.CONTAIN)
    assert "role:domain-controller: the inventory says domain-controller" in decision.reason
    assert by_role(AUTOMATIC, listed("camera"), SETTINGS) is AUTOMATIC, "another profile stays what it is"
    assert profile_of("NAS ") is PROFILES["file-server"]


@pytest.mark.parametrize("endpoint", [listed("domain-controller", "ip"), listed("recorder")])
def test_what_the_inventory_leaves_in_doubt_is_proposed_and_a_person_names_it(endpoint: Endpoint) -> None:
    assert by_role(ASKS, endpoint, SETTINGS).mode is Mode.PROPOSE
    with pytest.raises(Refused, match="--profile role:") as caught:
        by_role(replace(DECISION, profile=BY_ROLE), endpoint, SETTINGS)
    assert caught.value.code is RefusalCode.UNDECIDED


def test_who_only_seems_to_be_something_is_no_looser_held_by_it() -> None:
    for role in ("domain-controller", "dns", "dhcp", "hypervisor", "phone", "workstation", "server", "router"):
        pretender = replace(DEVICE, looks=looks(role, 1.0, ("offers tcp/88",)))
        decision = by_role(ASKS, pretender, SETTINGS)
        assert (decision.profile, decision.mode) == (PROFILES[UNKNOWN], Mode.CONTAIN), role
        assert "the inventory does not say so" in decision.reason


@given(
    st.sampled_from([*PROFILES, "server", "router", "switch", "anything"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["unknown", "propose"]),
)
def test_no_fingerprint_lets_a_device_open_anything(role: str, sure: float, needed: float, below: str) -> None:
    settings = RoleMatching(confidence=needed, below=below)  # type: ignore[arg-type]  # one of the two
    found = matched(replace(DEVICE, looks=looks(role, sure)), settings)
    assert found.profile is PROFILES[UNKNOWN] or (opens_nothing(found.profile) and sure >= needed)


def test_a_fingerprint_chooses_where_it_loosens_nothing() -> None:
    camera = replace(DEVICE, looks=looks("camera", 0.8, ("offers tcp/554",)))
    assert by_role(ASKS, camera, SETTINGS).profile is PROFILES["camera"]
    less = replace(DEVICE, looks=looks("camera", 0.6))
    assert matched(less, SETTINGS).profile is PROFILES[UNKNOWN]
    assert not matched(less, SETTINGS).doubt
    assert by_role(ASKS, less, RoleMatching(below="propose")).mode is Mode.PROPOSE
    assert by_role(ASKS, replace(camera, role="printer", listed="mac"), SETTINGS).profile is PROFILES["printer"]
