"""Random packets through the device agree with what `drivers.semantics`, and so `prove`, says of its rules."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network

from drivers.base import ReceiptStatus
from drivers.rules import Action, Direction, Mac, Match, PortRange, Protocol, Provenance, Rule, RuleSet
from drivers.semantics import ETH_ARP, ETH_IPV4, Crossing, Fate, Frame, verdict
from tests.contract.bench import Bench, Loop, Station
from tests.contract.memory_bench import MemoryBench
from tests.contract.wires import Packet, Wires

EVERYBODY = Mac("ff:ff:ff:ff:ff:ff")
SETS, PACKETS = 6, 16
NUMBERS = (445, 8080, 8081)
PROTOCOLS = (None, Protocol.TCP, Protocol.TCP, Protocol.UDP, Protocol.ICMP)


def _match(chance: random.Random, bench: Bench) -> Match:
    device = chance.choice([bench.rogue, bench.rogue, bench.neighbour])
    protocol = chance.choice(PROTOCOLS)
    peers = [None, ip_network(bench.bystander.ip), ip_network(bench.neighbour.ip), ip_network("10.0.0.2/31")]
    ports = [None, PortRange(445, 445), PortRange(8080, 8081)] if protocol in (Protocol.TCP, Protocol.UDP) else [None]
    by_port, by_mac = chance.choice([(True, False), (True, True), (False, True)])
    return Match(
        chance.choice(list(Direction)),
        device.port if by_port else None,
        device.mac if by_mac else None,
        peer=chance.choice(peers),
        protocol=protocol,
        own_ports=chance.choice(ports),
        peer_ports=chance.choice(ports),
        established=True if protocol is Protocol.TCP and chance.random() < 0.3 else None,
    )


def _rules(chance: random.Random, bench: Bench) -> RuleSet:
    """At least one rule, of those that the driver declares."""
    can, found = bench.driver.capabilities, RuleSet()
    while len(found) < 4:
        action = chance.choice([Action.DENY, Action.DENY, Action.PERMIT])
        more = found | RuleSet([Rule(_match(chance, bench), action, Provenance(chance.choice(["c1", "c2"])))])
        found = found if can.unsupported(more) else more
    return found


def _packets(chance: random.Random, bench: Bench) -> Iterator[tuple[Station, Station, Packet]]:
    """Mostly between the two that rules are about, both ways."""
    others = [bench.rogue, bench.rogue, bench.neighbour, bench.neighbour, bench.bystander]
    for _ in range(PACKETS):
        src = chance.choice(others)
        dst = chance.choice([one for one in others if one != src])
        packet = Packet(
            chance.choice([None, 1, 6, 6, 17]), chance.choice(NUMBERS), chance.choice(NUMBERS), chance.random() < 0.5
        )
        yield src, dst, packet


def _crossing(src: Station, dst: Station, packet: Packet) -> Crossing:
    if packet.protocol is None:
        return Crossing(Frame(src.mac, EVERYBODY, ETH_ARP, src.ip, dst.ip), src.port, dst.port)
    from_port, to_port = (None, None) if packet.protocol == 1 else (packet.src_port, packet.dst_port)
    established = packet.protocol == 6 and packet.established
    ends = (src.ip, dst.ip, packet.protocol, from_port, to_port)
    frame = Frame(src.mac, dst.mac, ETH_IPV4, *ends, established=established)
    return Crossing(frame, src.port, dst.port)


def _settle(wires: Wires) -> None:
    """Open vSwitch, of which every switch here but the Linux host is made, renews its cached decisions a little after it took a change."""
    subprocess.run(["ovs-appctl", "revalidator/purge"], check=False, capture_output=True, timeout=10)
    wires.tick()


async def test_random_packets_fare_as_the_model_says(bench: Bench, loop: Loop) -> None:
    """From one set straight to the next: what is left of the former one would show. Memory has a test of its own for that."""
    if isinstance(bench, MemoryBench):
        return
    wires = getattr(bench, "wires")  # noqa: B009 - of every bench on a real switch, and no part of the protocol
    assert isinstance(wires, Wires)
    chance, fates = random.Random(20261123), set[Fate]()
    for _ in range(SETS):
        desired = _rules(chance, bench)
        assert (await loop.converge(desired)).status is ReceiptStatus.APPLIED
        _settle(wires)
        for src, dst, packet in _packets(chance, bench):
            meant = verdict(desired, _crossing(src, dst, packet)).fate
            assert wires.carries(src, dst, packet) is (meant is Fate.PASS), (src, dst, packet, list(desired))
            fates.add(meant)
    assert fates == set(Fate)
    await loop.converge(RuleSet())
