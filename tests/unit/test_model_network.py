"""The modelled network: its switches do what the rules mean that a driver renders for them, and its hosts speak as hosts do."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import PreState
from drivers.openflow import bundle, flows, wire
from drivers.openflow.converge import Renderer
from drivers.openflow.driver import OpenFlowDriver
from drivers.rules import PortName, RuleSet
from drivers.semantics import Crossing, Fate, verdict
from labs.frames import Phase, Tag, encode_tag
from labs.model.conversation import Packet, Talk, build, read
from labs.model.crew import ModelCrew, model_crew
from tests.reality.frames import Ends, any_frame
from tests.strategies import IPV4, IPV6, MACS, PORTS
from tests.unit.flow_table import FlowTable
from tests.unit.test_openflow_flows import fits, some_rules
from topologies.campus import campus
from topologies.openflow.headers import ETH_TYPE, IP_PROTO, TCP_PORTS
from topologies.openflow.headers import read as read_headers
from topologies.openflow.network import ModelNetwork
from topologies.openflow.session import Session
from topologies.openflow.switch import NO_FWD, Port, Switch
from topologies.openflow.table import FlowTables, Refused, read_order
from topologies.plan import Role

NONCE = b"\x01\x02\x03\x04"
NOWHERE = ("127.0.0.1", 9)


def switch_with(messages: list[Any]) -> Switch:
    """A switch with ports p1 to p3, told all this by OpenFlow."""
    switch = Switch("s1", 1)
    for number, name in enumerate(PORTS, 1):
        switch.add_port(Port(number, name, f"02:00:00:00:ff:{number:02x}"))
    tell(switch, *(wire.encode(message) for message in messages if message["kind"] != "absent"))
    return switch


def tell(switch: Switch, *messages: bytes) -> list[tuple[int, bytes]]:
    """What it answers: type and body."""
    session = Session(switch, ModelNetwork(campus(), NOWHERE).lock, NOWHERE)
    answers: list[tuple[int, bytes]] = []
    session._send = lambda kind, body, asked=b"": answers.append((kind, body))  # type: ignore[method-assign]
    for message in messages:
        session._handle(message[:8], message[8:])
    return answers


def rendered(desired: RuleSet) -> list[Any]:
    held = FlowTable(PORTS)
    renderer = Renderer("of:1", OpenFlowDriver.capabilities)
    return list(renderer.change(desired, held.observed(), PreState()).messages)


def comes_out(switch: Switch, octets: bytes, crossing: Crossing) -> bool:
    """Nobody is known, so that NORMAL floods: the frame is at every port that it may come out of."""
    names = {name: number for number, name in enumerate(PORTS, 1)}
    fresh, seen = Switch("s1", 1), set[int]()
    fresh.ports, fresh.tables = switch.ports, switch.tables
    fresh.deliver = lambda port, frame: seen.add(port)
    assert crossing.in_port is not None
    assert crossing.out_port is not None
    fresh.receive(names[crossing.in_port], octets)
    return names[crossing.out_port] in seen


@settings(deadline=None, max_examples=100)
@given(some_rules, st.integers(0, 1 << 32))
def test_frames_fare_on_the_modelled_switch_as_the_rules_mean(desired: RuleSet, seed: int) -> None:
    """The frames are those of tests/reality, which were held against Open vSwitch with what is said to be in them."""
    chance, switch = Random(seed), switch_with(rendered(desired))
    for number in range(12):
        macs = chance.sample(MACS, 2)
        ips, ips6 = chance.sample(IPV4, 2), chance.sample(IPV6, 2)
        ends = Ends(
            (macs[0], macs[1]),
            (IPv4Address(ips[0]), IPv4Address(ips[1])),
            (IPv6Address(ips6[0]), IPv6Address(ips6[1])),
        )
        octets, frame = any_frame(chance, ends, number)
        in_port, out_port = chance.sample(PORTS, 2)
        crossing = Crossing(frame, in_port, out_port)
        if fits(desired, crossing):
            assert comes_out(switch, octets, crossing) is (verdict(desired, crossing).fate is Fate.PASS), crossing


def test_what_a_switch_refuses_it_refuses_by_itself() -> None:
    switch = switch_with(rendered(RuleSet()))
    port = {"kind": "port", "name": "p1", "number": 1, "hw_addr": "02:00:00:00:00:99", "no_fwd": True}
    unknown = port | {"number": 77}
    answers = tell(switch, *(wire.encode(one) for one in (port, unknown)), struct.pack("!BBHI", 4, 99, 8, 0))
    assert [struct.unpack_from("!HH", body) for kind, body in answers if kind == 1] == [(7, 1), (7, 0), (1, 1)]
    assert not any(one.config for one in switch.ports.values())


def test_a_bundle_stands_whole_or_not_at_all() -> None:
    messages = [wire.encode(message) for message in rendered(RuleSet()) if message["kind"] == "flow"]
    whole, _ = bundle.sequence(messages, 1)
    switch = Switch("s1", 1)
    tell(switch, *whole[:-1])
    assert switch.tables.entries == []
    tell(switch, *whole)
    assert len(switch.tables.entries) == len(messages)
    flag = wire.encode({"kind": "port", "name": "p1", "number": 1, "hw_addr": "02:00:00:00:ff:01", "no_fwd": True})
    spoilt, _ = bundle.sequence([messages[0], messages[1]], 1)
    with_a_flag = [*spoilt[:-1], bundle._add(1, flag), spoilt[-1]]
    empty = switch_with([])
    assert [kind for kind, _ in tell(empty, *with_a_flag)] == [4, 1]
    assert empty.tables.entries == []


def test_a_removed_flow_is_told_of_and_a_replaced_one_is_not() -> None:
    switch = switch_with(rendered(RuleSet()))
    entries = len(switch.tables.entries)
    again = [wire.encode(message) for message in rendered(RuleSet()) if message["kind"] == "flow"]
    assert tell(switch, *again) == []
    assert len(switch.tables.entries) == entries
    gone = wire.encode({"kind": "uncookie", "cookie": flows.COOKIE_MARK | flows.PIPELINE_ID})
    assert [kind for kind, _ in tell(switch, gone)] == [11] * entries


def test_a_match_that_asks_for_bits_outside_its_mask_is_refused() -> None:
    entry = wire.encode(next(one for one in rendered(RuleSet()) if one["match"].get("eth_dst")))[8:]
    at = entry.index(b"\x80\x00\x06\x06")  # eth_dst, whole: made masked, with a mask that lacks what it asks
    spoilt = entry[: at + 2] + b"\x07\x0c" + entry[at + 4 : at + 10] + bytes(6) + entry[at + 10 :]
    length = int.from_bytes(spoilt[42:44], "big") + 6
    with pytest.raises(Refused):
        FlowTables().carry_out(read_order(spoilt[:42] + length.to_bytes(2, "big") + spoilt[44:]))


class TestHeaders:
    def test_a_tag_is_taken_off_and_a_second_one_is_what_is_left(self) -> None:
        head = bytes(12)
        once = read_headers(head + b"\x81\x00\x00\x05" + b"\x08\x06" + bytes(40))
        twice = read_headers(head + b"\x88\xa8\x00\x05" + b"\x81\x00\x00\x06\x08\x00" + bytes(40))
        assert (once[ETH_TYPE], twice[ETH_TYPE]) == (0x0806, 0x8100)

    @given(st.binary(max_size=120))
    def test_any_octets_can_be_read(self, octets: bytes) -> None:
        for kind in (b"", b"\x08\x00", b"\x86\xdd", b"\x08\x06"):
            read_headers(bytes(12) + kind + octets)

    def test_a_header_that_is_cut_off_shows_no_protocol(self) -> None:
        broken = bytes(12) + b"\x08\x00" + b"\x4f" + bytes(25)
        assert read_headers(broken)[IP_PROTO] == 0


@pytest.fixture
def network() -> ModelNetwork:
    """The campus, each switch with nothing but the controller's forwarding."""
    built = ModelNetwork(campus(), NOWHERE)
    for switch in built.switches.values():
        for message in rendered(RuleSet()):
            if message["kind"] == "flow":
                switch.tables.carry_out(read_order(wire.encode(message)[8:]))
    return built


@pytest.fixture
def crew(network: ModelNetwork) -> Iterator[ModelCrew]:
    with model_crew(network, NONCE) as everybody:
        yield everybody


def ask(crew: ModelCrew, network: ModelNetwork, to: str, port: int, **more: Any) -> dict[str, Any]:
    attempt = {"ip": to, "port": port, "udp": False, "source_port": 0, "say": b"hello".hex(), "patience": 1.0}
    (result,) = crew.ask(network.plan.actor(Role.ROGUE), "connect", attempts=[attempt | more])
    return {key: result[key] for key in ("opened", "exchanged")}


class TestHosts:
    def test_a_service_answers_over_both_versions_and_a_closed_port_refuses(
        self, network: ModelNetwork, crew: ModelCrew
    ) -> None:
        files = network.plan.actor(Role.FILE_SERVER)
        crew.ask(files, "listen", tcp=[445], udp=[53])
        whole = {"opened": "open", "exchanged": True}
        assert ask(crew, network, str(files.ip), 445) == whole
        assert ask(crew, network, str(files.ip6), 445) == whole
        assert ask(crew, network, str(files.ip), 445, say=bytes(65536).hex()) == whole
        assert ask(crew, network, str(files.ip), 53, udp=True) == whole
        assert ask(crew, network, str(files.ip), 22) == {"opened": "refused", "exchanged": False}
        assert ask(crew, network, str(files.ip), 54, udp=True) == {"opened": "broken", "exchanged": False}

    def test_what_is_dropped_is_silent(self, network: ModelNetwork, crew: ModelCrew) -> None:
        files, rogue = network.plan.actor(Role.FILE_SERVER), network.plan.actor(Role.ROGUE)
        crew.ask(files, "listen", tcp=[445], udp=[])
        network.switches[rogue.switch].ports[rogue.port].config = NO_FWD
        assert ask(crew, network, str(files.ip), 445) == {"opened": "silent", "exchanged": False}
        opened = crew.everyone("counts")
        assert [way for way, _, _ in opened[files.name]["opened"]] == ["in"]
        network.wipe(rogue.switch)
        ask(crew, network, str(files.ip), 445)
        assert len(crew.everyone("counts")[files.name]["opened"]) == 1

    def test_two_listeners_do_not_answer_each_other_for_ever(self) -> None:
        sent: list[Packet] = []
        talk = Talk(sent.append)
        talk.listen([445, 88], [])
        here, there = ip_address("10.0.0.1"), ip_address("10.0.0.2")
        talk.hear(Packet(6, there, here, 88, 445, 0x02, b""))
        talk.hear(Packet(6, there, here, 445, 88, 0x12, b""))
        talk.hear(Packet(6, there, here, 88, 445, 0x04, b""))
        assert [packet.flags for packet in sent] == [0x12, 0x04]

    @given(st.sampled_from([6, 17]), st.sampled_from([4, 6]), st.binary(max_size=60))
    def test_a_packet_is_read_as_it_was_built(self, protocol: int, version: int, data: bytes) -> None:
        ends = [ip_address(one) for one in (IPV4 if version == 4 else IPV6)[:2]]
        packet = Packet(protocol, ends[0], ends[1], 1000, 445, 0x12 if protocol == 6 else 0, data)
        octets = build(("02:00:00:00:00:01", "02:00:00:00:00:02"), packet)
        assert read(octets) == packet
        assert protocol == 17 or read_headers(octets)[TCP_PORTS[1]] == 445

    def test_a_stream_ends_when_it_is_told_to(self, network: ModelNetwork, crew: ModelCrew) -> None:
        rogue, victim = network.plan.actor(Role.ROGUE), network.plan.actor(Role.VICTIM)
        tag = encode_tag(NONCE, Tag(Phase.BEFORE, 7, 0))
        frame = bytes.fromhex("ff" * 6 + rogue.mac.replace(":", "") + "88b5") + tag
        crew.ask(rogue, "stream", name="one", template=frame.hex(), at=14 + 8, gap=0.0005)
        while not crew.ask(victim, "passages", flow=7, way="in", since=0.0, until=1e12):
            pass
        crew.ask(rogue, "stop", name="one")
        counts = [crew.everyone("counts") for _ in range(2)]
        assert counts[0] == counts[1]
        ((_, _, _, sent, _, _),) = counts[0][rogue.name]["tagged"]
        ((_, _, _, received, _, _),) = counts[0][victim.name]["tagged"]
        assert sent == received > 0

    def test_who_is_plugged_in_nowhere_sends_nothing_and_is_back_afterwards(
        self, network: ModelNetwork, crew: ModelCrew
    ) -> None:
        rogue, before = network.plan.actor(Role.ROGUE), network.state()
        to = ("s3", network.switches["s3"].unused_number())
        back = network.replug((rogue.switch, rogue.port), to)
        assert network.place_of(rogue.name) == to
        assert network.state() != before
        back()
        assert network.state() == before
        again = network.readd(rogue)
        assert network.place_of(rogue.name) != (rogue.switch, rogue.port)
        again()
        assert network.state() == before


def test_every_port_of_the_plan_is_there() -> None:
    network = ModelNetwork(campus(), NOWHERE)
    names = {PortName(port.name) for switch in network.switches.values() for port in switch.ports.values()}
    assert {host.edge for host in network.plan.hosts} < names
