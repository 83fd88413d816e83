"""Random plans for a network, and random frames to try them with. Pure: the same for the same seed and network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from random import Random

from controller.model import FULL, Attachment, Endpoint, Entry, Peers, Profile, Way
from controller.network.graph import NetworkGraph
from controller.network.paths import Hop, path
from controller.profiles import LATERAL, MONITOR, compile_rules, remediation
from drivers.header_sets import kinds_of
from drivers.openflow.driver import OpenFlowDriver, device_id
from drivers.rules import (
    Action,
    Direction,
    Mac,
    Match,
    Network,
    PortName,
    PortRange,
    Protocol,
    Provenance,
    Rule,
    RuleSet,
)
from drivers.semantics import Crossing, Fate, Frame, verdict
from tests.reality.frames import PORTS, Ends, any_frame
from topologies.plan import NetworkPlan

BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
UNKNOWN = Mac("02:0f:0f:0f:0f:0f")
ACTIONS = (*[Action.DENY] * 6, Action.PERMIT, Action.PERMIT, Action.COUNT)
CONTAINMENTS = ("c1", "c2", "c3")
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Station:
    """A device on an edge port. Several may share one: their frames come from the same interface."""

    host: str
    mac: Mac
    ip: IPv4Address
    ip6: IPv6Address
    place: Attachment


@dataclass(frozen=True)
class Trial:
    """One frame from a station; the question is whether it comes out at another's port."""

    number: int
    octets: bytes
    frame: Frame
    source: Station
    to: Station
    hops: tuple[Hop, ...]


@dataclass
class Case:
    """A plan for every device, what was tried under it, and (once it was) the numbers of the trials that arrived. `old_decisions`: how many
    of them the switches got right only after they had forgotten what they had decided before."""

    number: int
    rules: Mapping[str, RuleSet]
    trials: list[Trial]
    arrived: set[int] = field(default_factory=set)
    old_decisions: int = 0


class Cases:
    """All cases of one network."""

    def __init__(self, seed: int, stations: Sequence[Station], graph: NetworkGraph) -> None:
        self._chance = Random(f"cases of {seed}")
        self._stations, self._graph = stations, graph
        self._numbers = iter(range(1 << 31))

    def untouched(self) -> Case:
        """Nothing is contained: everything has to arrive, or it would show nothing later."""
        return Case(0, {}, [self._trial() for _ in range(200)])

    def case(self, number: int, trials: int) -> Case:
        rules = self._profiles() if self._chance.random() < 0.5 else self._anything()
        return Case(number, rules, [self._telling(rules) for _ in range(trials)])

    def _telling(self, rules: Mapping[str, RuleSet]) -> Trial:
        """Most of what is sent meets no rule: every third is drawn again, a few times, until one does."""
        trial = self._trial(rules)
        if self._chance.random() < 0.35:
            for _ in range(8):
                if not arrives(rules, trial):
                    break
                trial = self._trial(rules)
        return trial

    def again(self, trial: Trial) -> Trial:
        """The same frame under a new number."""
        number = next(self._numbers)
        return Trial(
            number, trial.octets[:-4] + number.to_bytes(4, "big"), trial.frame, trial.source, trial.to, trial.hops
        )

    # --- plans --------------------------------------------------------------------------------------------------------

    def _profiles(self) -> dict[str, RuleSet]:
        """What the controller itself would hold: one to three devices contained, by profiles."""
        found: dict[str, list[Rule]] = {}
        for containment in self._chance.sample(CONTAINMENTS, self._chance.randint(1, 3)):
            station = self._chance.choice(self._stations)
            beside = {s.mac for s in self._stations if s.place == station.place and s is not station}
            endpoint = Endpoint(
                frozenset({station.mac}),
                frozenset({station.ip, station.ip6}),
                station.place,
                neighbours=frozenset(beside) if self._chance.random() < 0.5 else frozenset(),
            )
            made = compile_rules(
                self._profile(),
                endpoint,
                Provenance(containment, until=UNTIL),
                lambda peers: peers.prefixes,
                lambda rule: not OpenFlowDriver.capabilities.unsupported(RuleSet([rule])),
            )
            found.setdefault(station.place.device, []).extend(made.rules)
        return {device: RuleSet(rules) for device, rules in found.items()}

    def _profile(self) -> Profile:
        chance = self._chance
        one, other = (ip_network(station.ip) for station in chance.sample(self._stations, 2))
        protocol, port = chance.choice((Protocol.TCP, Protocol.UDP)), chance.choice(PORTS)
        entry = Entry(Action.PERMIT, chance.choice(list(Way)), "", protocol, (PortRange(port, port + 1),))
        closed = Entry(Action.DENY, chance.choice(list(Way)), "", protocol, (PortRange(port, port),), Peers((one,)))
        return chance.choice(
            [
                FULL,
                LATERAL,
                MONITOR,
                remediation([one], [other]),
                Profile("keeps", 60, entries=(entry,)),
                Profile("closes", 30, default=Action.PERMIT, entries=(closed,)),
            ]
        )

    def _anything(self) -> dict[str, RuleSet]:
        """Rules of every shape that the driver takes, on every device."""
        return {device: RuleSet(self._some_rules(device)) for device in self._graph.devices}

    def _some_rules(self, device: str) -> list[Rule]:
        local = [station for station in self._stations if station.place.device == device]
        made = [self._rule(device, local) for _ in range(self._chance.randint(2, 9))]
        return [rule for rule in made if _is_held_as_it_says(rule)]

    def _rule(self, device: str, local: Sequence[Station]) -> Rule:
        while True:
            action, containment = self._chance.choice(ACTIONS), self._chance.choice(CONTAINMENTS)
            try:
                return Rule(self._match(device, local), action, Provenance(containment, until=UNTIL))
            except ValueError:  # contradicts itself: another
                continue

    def _match(self, device: str, local: Sequence[Station]) -> Match:
        chance, direction = self._chance, self._chance.choice(list(Direction))
        own = chance.choice(local or self._stations)
        peer = chance.choice(self._stations)
        six = chance.random() < 0.3
        here = bool(local) and chance.random() < 0.6
        protocol = chance.choice((None, None, None, *Protocol, Protocol.TCP, Protocol.TCP, Protocol.UDP))
        ported = protocol in (Protocol.TCP, Protocol.UDP)
        match = Match(
            direction,
            port=own.place.port if here else None,
            mac=own.mac if not here or chance.random() < 0.4 else None,
            ip=_prefix(chance, own, six) if chance.random() < 0.3 else None,
            peer=_prefix(chance, peer, six) if chance.random() < 0.3 else None,
            protocol=protocol,
            own_ports=_some_ports(chance) if ported and chance.random() < 0.4 else None,
            peer_ports=_some_ports(chance) if ported and chance.random() < 0.4 else None,
            established=True if protocol is Protocol.TCP and chance.random() < 0.3 else None,
            fragment=True if chance.random() < 0.15 else None,
        )
        if chance.random() < 0.1:
            return Match(direction, match.port, match.mac, hidden=True)
        return match

    # --- frames -------------------------------------------------------------------------------------------------------

    def _trial(self, rules: Mapping[str, RuleSet] = {}) -> Trial:
        """Between stations on different ports; mostly of those that some rule speaks of."""
        chance = self._chance
        named = {rule.match.mac for held in rules.values() for rule in held} | {None}
        ports = {(device, rule.match.port) for device, held in rules.items() for rule in held if rule.match.port}
        spoken = [s for s in self._stations if s.mac in named or (s.place.device, s.place.port) in ports]
        one = chance.choice(spoken if spoken and chance.random() < 0.9 else self._stations)
        other = chance.choice([station for station in self._stations if station.place != one.place])
        source, to = (one, other) if chance.random() < 0.5 else (other, one)
        ends = self._ends(source, to)
        number = next(self._numbers)
        octets, frame = any_frame(chance, ends, number)
        hops = path(self._graph, source.place, to.place)
        if hops is None:
            raise AssertionError(f"no way from {source.place} to {to.place}")
        return Trial(number, octets, frame, source, to, hops)

    def _ends(self, source: Station, to: Station) -> Ends:
        """Mostly as they are; at times a MAC that nobody has, another's address, or everybody's MAC."""
        chance = self._chance
        stranger = Mac("02:0e" + source.mac[5:])
        mac = stranger if chance.random() < 0.1 else source.mac
        at = chance.choices((to.mac, BROADCAST, UNKNOWN), weights=(8, 1, 1))[0]
        claimed, meant = (s if chance.random() < 0.8 else chance.choice(self._stations) for s in (source, to))
        return Ends((mac, at), (claimed.ip, meant.ip), (claimed.ip6, meant.ip6))


def arrives(rules: Mapping[str, RuleSet], trial: Trial) -> bool:
    """By the meaning of single frames, hop by hop."""
    crossings = ((hop.device, Crossing(trial.frame, hop.in_port, hop.out_port)) for hop in trial.hops)
    return all(verdict(rules.get(device, RuleSet()), crossing).fate is Fate.PASS for device, crossing in crossings)


def stations_of(plan: NetworkPlan) -> list[Station]:
    """Each host, and on every other port a second device, as behind a hub."""
    found = []
    for number, host in enumerate(plan.hosts):
        place = Attachment(device_id(plan.switch(host.switch).dpid), PortName(host.edge))
        found.append(Station(host.name, Mac(host.mac), host.ip, host.ip6, place))
        if number % 2:
            second = IPv4Address(int(plan.prefix.network_address) ^ (1 << 28) ^ (number + 2))
            found.append(Station(host.name, Mac("02:0d" + host.mac[5:]), second, IPv6Address(int(host.ip6) + 1), place))
    return found


def _prefix(chance: Random, station: Station, six: bool) -> Network:
    if six:
        return ip_network((station.ip6, chance.choice((128, 128, 64, 0))), strict=False)
    return ip_network((station.ip, chance.choice((32, 32, 28, 24, 0))), strict=False)


def _some_ports(chance: Random) -> PortRange:
    first = chance.choice((*PORTS, 0, 1024))
    return PortRange(first, chance.choice((first, first, first + 2, 65535)))


def _is_held_as_it_says(rule: Rule) -> bool:
    """Some frame can match it; and the driver takes it, and does not take an address at a port for the address
    alone, which is elsewhere as well in these trials."""
    match = rule.match
    if match.direction is Direction.TO and match.port is not None and match.ip is not None and match.mac is None:
        return False
    return bool(kinds_of(match)) and not OpenFlowDriver.capabilities.unsupported(RuleSet([rule]))


def every(cases: Sequence[Case]) -> Iterator[tuple[Case, Trial]]:
    for case in cases:
        for trial in case.trials:
            yield case, trial
