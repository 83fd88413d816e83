"""What a device can be asked, in words that belong to no vendor. The set is closed: what is not here cannot be pushed.

A `Rule` speaks of one contained device as seen from one network device: frames `FROM` it enter the network, frames
`TO` it leave towards it. Its meaning is defined by `drivers.semantics`, never by a renderer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from operator import attrgetter
from typing import Any, NewType

Network = IPv4Network | IPv6Network
Mac = NewType("Mac", str)
"""A MAC address as lower-case hex with colons; made by `parse_mac` alone."""
PortName = NewType("PortName", str)
"""An interface's canonical name as the device's own facts give it ("s1-eth1", "GigabitEthernet1/0/1")."""

_NAMING = json.JSONEncoder(sort_keys=True)
_MAC_SHAPE = re.compile(
    r"[0-9a-f]{2}(?P<by>[:-])([0-9a-f]{2}(?P=by)){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}",
    re.IGNORECASE,
)


def parse_mac(text: str) -> Mac:
    """The MAC that `text` writes as aa:bb:…, aa-bb-…, aabb.ccdd.eeff or 12 hex digits; ValueError otherwise."""
    if not _MAC_SHAPE.fullmatch(text):
        raise ValueError(f"not a MAC address: {text!r}")
    digits = re.sub(r"[:.\-]", "", text.lower())
    return Mac(":".join(digits[i : i + 2] for i in range(0, 12, 2)))


class Direction(StrEnum):
    """Which way a frame goes, as the contained device sees it."""

    FROM = "from"
    TO = "to"


class Action(StrEnum):
    DENY = "deny"
    PERMIT = "permit"
    COUNT = "count"
    MOVE_VLAN = "move-vlan"
    SHUT = "shut"
    MIRROR = "mirror"


class Protocol(StrEnum):
    """What a rule can single out above Ethernet. ND is what IPv6 needs to find its neighbours: router solicitation and neighbour
    solicitation and advertisement (RFC 4861 types 133, 135, 136), and neither router advertisements nor redirects."""

    ARP = "arp"
    ND = "nd"
    ICMP = "icmp"
    ICMPV6 = "icmpv6"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """TCP or UDP ports, both ends included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= 65535:
            raise ValueError(f"not a range of ports: {self.first}-{self.last}")

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class Match:
    """Which frames a rule speaks of. A field that is None matches everything.

    `port` is where the contained device is attached: frames FROM it come in there, frames TO it go out there. `mac`,
    `ip` and `own_ports` are the contained device's; `peer` and `peer_ports` are the other end's. L4 ports need a
    protocol of TCP or UDP. `established` (with TCP) is a segment that opens no connection: ACK or RST is set. `fragment`
    is any piece of a fragmented packet, the first one included. `hidden` is a frame whose upper-layer protocol the network
    device cannot see (`semantics.is_hidden`). These three are True or None.
    """

    direction: Direction
    port: PortName | None = None
    mac: Mac | None = None
    ip: Network | None = None
    peer: Network | None = None
    protocol: Protocol | None = None
    own_ports: PortRange | None = None
    peer_ports: PortRange | None = None
    established: bool | None = None
    fragment: bool | None = None
    hidden: bool | None = None

    def __post_init__(self) -> None:
        if False in (self.established, self.fragment, self.hidden):
            raise ValueError("established, fragment and hidden are asked for, or left out")
        if self.established and self.protocol is not Protocol.TCP:
            raise ValueError("established needs protocol tcp")
        if self.fragment and self.protocol is Protocol.ARP:
            raise ValueError("ARP is never fragmented")
        if self.protocol is Protocol.ND and any(end is not None and end.version == 4 for end in (self.ip, self.peer)):
            raise ValueError("neighbour discovery is IPv6's")
        if self.hidden and (self.protocol or self.ip or self.peer or self.fragment):
            raise ValueError("what is hidden has no protocol or address that a rule could name")
        if (self.own_ports or self.peer_ports) and self.protocol not in (Protocol.TCP, Protocol.UDP):
            raise ValueError("L4 ports need protocol tcp or udp")
        if self.ip is not None and self.peer is not None and self.ip.version != self.peer.version:
            raise ValueError("device address and peer are of different IP versions")
        if self.port is None and self.mac is None and self.ip is None:
            raise ValueError("a match names at least a port, a MAC or an IP: one that names none would hit everybody")

    def fields(self) -> frozenset[str]:
        """Names of the fields that are set, `direction` left out: what a driver must be able to match on."""
        return _named(tuple([value is not None for value in _VALUES(self)]))


_FIELDS = Match.__slots__[1:]
_VALUES = attrgetter(*_FIELDS)


@cache
def _named(said: tuple[bool, ...]) -> frozenset[str]:
    """The names of the fields of which something is said. Asked for several times a rule, of ten thousand rules."""
    return frozenset(name for name, one in zip(_FIELDS, said, strict=True) if one)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Why a rule is there: which containment, for what reason, by whose word, until when (None: until released)."""

    containment: str
    reason: str = ""
    by: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Rule:
    """One thing asked of one device. `vlan` goes with MOVE_VLAN only; `bounce` is rendered when the VLAN changes."""

    match: Match
    action: Action
    provenance: Provenance = field(compare=False)
    vlan: int | None = None
    bounce: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if (self.action is Action.MOVE_VLAN) != (self.vlan is not None):
            raise ValueError("a VLAN goes with move-vlan, and with nothing else")
        if self.vlan is not None and not 1 <= self.vlan <= 4094:
            raise ValueError(f"not a VLAN id: {self.vlan}")

    @cached_property
    def id(self) -> str:
        """48 bits of SHA-256 over containment, match and action, as 12 hex digits: the rule's name on a device."""
        wire = rule_to_wire(self)
        named = {"containment": self.provenance.containment} | {k: wire[k] for k in ("match", "action", "vlan")}
        return hashlib.sha256(_NAMING.encode(named).encode()).hexdigest()[:12]


class RuleSet:
    """The rules that one device should hold, in the order of their ids, no two of them equal within a containment. They are put in
    that order when somebody first asks for all: what looks at ids alone does not pay for it."""

    __slots__ = ("_by_id", "_sorted")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._by_id = {rule.id: rule for rule in rules}
        self._sorted = False

    def __iter__(self) -> Iterator[Rule]:
        if not self._sorted:
            self._by_id = {rule_id: self._by_id[rule_id] for rule_id in sorted(self._by_id)}
            self._sorted = True
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, rule_id: str) -> bool:
        return rule_id in self._by_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleSet) and self._by_id.keys() == other._by_id.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self._by_id))

    def __repr__(self) -> str:
        return f"RuleSet({list(self)!r})"

    @property
    def ids(self) -> KeysView[str]:
        """The rules' ids, in no order."""
        return self._by_id.keys()

    def __getitem__(self, rule_id: str) -> Rule:
        return self._by_id[rule_id]

    def get(self, rule_id: str) -> Rule | None:
        return self._by_id.get(rule_id)

    def changed(self, gone: Iterable[Rule], new: Iterable[Rule]) -> RuleSet:
        """Without `gone` and with `new`. Costs little more than copying a dictionary, however many rules stay."""
        other = RuleSet()
        other._by_id = self._by_id.copy()
        for rule in gone:
            other._by_id.pop(rule.id, None)
        for rule in new:
            other._by_id[rule.id] = rule
        return other

    def __or__(self, other: RuleSet) -> RuleSet:
        return RuleSet([*self._by_id.values(), *other._by_id.values()])


_FLAGS = ("established", "fragment", "hidden")
"""Written only where they are set: the ids of rules without them stay what they were."""


def rule_to_wire(rule: Rule) -> dict[str, Any]:
    """The rule as plain JSON values; `rule_from_wire` reads it back."""
    match = rule.match
    return {
        "match": {
            "direction": match.direction.value,
            "port": match.port,
            "mac": match.mac,
            "ip": None if match.ip is None else str(match.ip),
            "peer": None if match.peer is None else str(match.peer),
            "protocol": None if match.protocol is None else match.protocol.value,
            "own_ports": None if match.own_ports is None else [match.own_ports.first, match.own_ports.last],
            "peer_ports": None if match.peer_ports is None else [match.peer_ports.first, match.peer_ports.last],
        }
        | {name: True for name in _FLAGS if getattr(match, name)},
        "action": rule.action.value,
        "vlan": rule.vlan,
        "bounce": rule.bounce,
        "provenance": {
            "containment": rule.provenance.containment,
            "reason": rule.provenance.reason,
            "by": rule.provenance.by,
            "until": None if rule.provenance.until is None else rule.provenance.until.isoformat(),
        },
    }


def rule_from_wire(wire: Mapping[str, Any]) -> Rule:
    """The rule that `rule_to_wire` wrote. Raises KeyError or ValueError for anything else."""
    try:
        return _read_rule(wire)
    except TypeError as wrong:
        raise ValueError(f"not a rule: {wrong}") from wrong


def _read_rule(wire: Mapping[str, Any]) -> Rule:
    provenance = wire["provenance"]
    return Rule(
        match=_read_match(wire["match"]),
        action=Action(wire["action"]),
        vlan=wire["vlan"],
        bounce=wire["bounce"],
        provenance=Provenance(
            containment=provenance["containment"],
            reason=provenance["reason"],
            by=provenance["by"],
            until=None if provenance["until"] is None else datetime.fromisoformat(provenance["until"]),
        ),
    )


def _read_match(wire: Mapping[str, Any]) -> Match:
    return Match(
        direction=Direction(wire["direction"]),
        port=None if wire["port"] is None else PortName(wire["port"]),
        mac=None if wire["mac"] is None else parse_mac(wire["mac"]),
        ip=None if wire["ip"] is None else ip_network(wire["ip"]),
        peer=None if wire["peer"] is None else ip_network(wire["peer"]),
        protocol=None if wire["protocol"] is None else Protocol(wire["protocol"]),
        own_ports=None if wire["own_ports"] is None else PortRange(*wire["own_ports"]),
        peer_ports=None if wire["peer_ports"] is None else PortRange(*wire["peer_ports"]),
        established=wire.get("established"),
        fragment=wire.get("fragment"),
        hidden=wire.get("hidden"),
    )
