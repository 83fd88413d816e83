"""Rules as OpenFlow 1.3 flows. Pure: no I/O, no OpenFlow library. `drivers.semantics` says what the flows must mean together.

    table 0  containment, rules with Direction.FROM    a permit goes on to table 1, a deny drops
    table 1  containment, rules with Direction.TO      a permit goes on to table 2, a deny drops
    table 2  tracking: ARP, neighbour discovery, DHCP and DHCPv6 are copied to the speaker; witnesses count
    table 3  forwarding: NORMAL

Every flow of ours carries the cookie mark 'NC' in its top 16 bits and, below, the id of the rule that it was rendered from; ids up to
0xffff are the pipeline's own (a rule's id, 48 bits of SHA-256, falls there once in 2**32 rules). A rule's flows depend on the rule
and its port's number alone, so that one rule can be added without looking at ten thousand others. Its priority is its action's band
plus a slot taken from its id, so that two containments that ask for the same match do not replace each other's flow; `slots` moves one
of them where their ids name the same slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

from drivers.rules import Action, Direction, Match, Network, PortRange, Protocol, Rule
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, HIDING_PROTOCOLS, HIDING_TYPES, IP_PROTOCOLS, NEIGHBOUR_TYPES

Field = int | str
Fields = Mapping[str, Field]
COOKIE_MARK = 0x4E43 << 48
COOKIE_MASK = 0xFFFF << 48
PIPELINE_ID, EVENNESS_ID, RESERVED_IDS = 1, 3, 0x10000
WITNESS_IDS = range(0x8000, RESERVED_IDS)
"""A witness has the one that its name falls to: asked for by cookie, it does not come with all others."""
ND_TYPES = (133, 134, 135, 136)
"""Router and neighbour solicitation and advertisement, RFC 4861 §4."""
DHCP6_CLIENT, DHCP6_SERVER = 546, 547
"""RFC 8415 §7.2 says where messages are sent to, and nothing of where they come from."""
LLDP_MAC, ETH_LLDP = "01:80:c2:00:00:0e", 0x88CC
TABLE_FROM, TABLE_TO, TABLE_TRACKING, TABLE_FORWARDING = range(4)
SLOTS = 1000
A_FRAGMENT, NO_FRAGMENT = "0x01/0x01", "0x00/0x03"
"""Of `nw_frag`, which is Open vSwitch's own (NXM_NX_IP_FRAG, ovs-fields(7)): OpenFlow 1.3 has none. Another switch refuses the flow."""
ESTABLISHED: tuple[Field, ...] = ("0x0010/0x0010", "0x0004/0x0004")
"""Of `tcp_flags` (ONF extension 109): ACK, or RST."""
_ADDRESS_FIELDS: Mapping[Field | None, tuple[str, str]] = {
    ETH_ARP: ("arp_spa", "arp_tpa"),
    ETH_IPV4: ("ipv4_src", "ipv4_dst"),
    ETH_IPV6: ("ipv6_src", "ipv6_dst"),
}


class Band(IntEnum):
    """Lowest priority of each kind of flow. Table 0 and 1; DEFAULT is 1 so that a bridge's own flow at 0 is never replaced."""

    DEFAULT = 1
    TRACK = 10
    WITNESS = 20
    MARKER = 2_000
    COUNT = 10_000
    DENY = 20_000
    PUNT = 21_000
    PERMIT = 22_000  # and, above it, what `overlaps` adds: two bands for each further containment that permits the same frame
    LLDP = 60_000
    EVENNESS = 65_000


@dataclass(frozen=True)
class Flow:
    """One flow entry. `match` holds OXM fields (OpenFlow 1.3.5 §7.2.3.7) sorted by name: numbers, MACs, addresses ("10.0.0.0/8" when
    masked), L4 ports ("0x0050/0xfff0" when masked; MACs alike). No `goto`, no `output`: a drop; `output` is "controller" or "normal"."""

    table: int
    priority: int
    cookie: int
    match: tuple[tuple[str, Field], ...]
    goto: int | None = None
    output: str | None = None

    @classmethod
    def make(
        cls, table: int, priority: int, rule: int, match: Fields, goto: int | None = None, output: str | None = None
    ) -> Flow:
        return cls(table, int(priority), COOKIE_MARK | rule, tuple(sorted(match.items())), goto, output)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Flow:
        match = tuple(sorted(wire["match"].items()))
        return cls(wire["table"], wire["priority"], wire["cookie"], match, wire["goto"], wire["output"])

    @cached_property
    def key(self) -> tuple[int, int, tuple[tuple[str, Field], ...]]:
        """What a switch tells flows apart by (§6.4): a second flow of equal key replaces the first."""
        return self.table, self.priority, self.match

    def wire(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "priority": self.priority,
            "cookie": self.cookie,
            "match": dict(self.match),
            "goto": self.goto,
            "output": self.output,
        }

    @cached_property
    def text(self) -> str:
        """As `ovs-ofctl` would show it, and canonical: equal flows have equal texts."""
        fields = "".join([f",{name}={value}" for name, value in self.match])
        does = (
            [self.output or "drop"] if self.goto is None else [*filter(None, [self.output]), f"goto_table:{self.goto}"]
        )
        return f"cookie={self.cookie:#x},table={self.table},priority={self.priority}{fields} actions={','.join(does)}"

    @classmethod
    def parse(cls, text: str) -> Flow:
        """Reads back `text`."""
        head, _, actions = text.partition(" actions=")
        (_, cookie), (_, table), (_, priority), *fields = (part.split("=", 1) for part in head.split(","))
        match = tuple((name, int(value) if value.isdigit() else value) for name, value in fields)
        output, _, goto = actions.rpartition("goto_table:")
        output = (output if goto != actions else actions).rstrip(",")
        onward = int(goto) if goto != actions else None
        return cls(
            int(table), int(priority), int(cookie, 16), match, onward, None if output in ("", "drop") else output
        )


class Counted(NamedTuple):
    """A flow that a switch told of, and what went through it so far."""

    flow: Flow
    packets: int
    octets: int


def cookie_of(rule_id: str) -> int:
    return COOKIE_MARK | int(rule_id, 16)


def is_ours(cookie: int) -> bool:
    return cookie & COOKIE_MASK == COOKIE_MARK


def is_rules(cookie: int) -> bool:
    """Whether a cookie names a rule."""
    return is_ours(cookie) and cookie & ~COOKIE_MASK >= RESERVED_IDS


def witness_cookie(name: str) -> int:
    """Of the witness of this name, and of one in 32,768 others."""
    return COOKIE_MARK | WITNESS_IDS.start | crc32(name.encode()) % len(WITNESS_IDS)


def rule_id_of(cookie: int) -> str | None:
    """The rule that a cookie names; None for the pipeline's own and for strangers."""
    return f"{cookie & ~COOKIE_MASK:012x}" if is_rules(cookie) else None


def native(flows: Iterable[Flow]) -> str:
    """The canonical text of a set of flows, one a line; `parse_native` reads it back. Equal sets give equal texts."""
    return "\n".join(sorted([flow.text for flow in flows]))


def parse_native(text: str) -> tuple[Flow, ...]:
    """The flows in a native text, which may say more than flows: a port's flag has a line of its own."""
    return tuple(Flow.parse(line) for line in text.splitlines() if line.startswith("cookie="))


def pipeline() -> tuple[Flow, ...]:
    """What stands on every switch of ours, in the order in which it must be sent: table 0 lets nothing on before the rest stands."""

    def own(table: int, band: Band, match: Fields, goto: int | None = None, output: str | None = None) -> Flow:
        return Flow.make(table, band, PIPELINE_ID, match, goto, output)

    dhcp: dict[str, Field] = {"eth_type": ETH_IPV4, "ip_proto": IP_PROTOCOLS[Protocol.UDP]}
    dhcp6: dict[str, Field] = {"eth_type": ETH_IPV6, "ip_proto": IP_PROTOCOLS[Protocol.UDP]}
    discovery: dict[str, Field] = {"eth_type": ETH_IPV6, "ip_proto": IP_PROTOCOLS[Protocol.ICMPV6]}
    tracked: list[Fields] = [
        {"eth_type": ETH_ARP},
        dhcp | {"udp_src": 67, "udp_dst": 68},
        dhcp | {"udp_src": 68, "udp_dst": 67},
        *(discovery | {"icmpv6_type": kind} for kind in ND_TYPES),
        *(dhcp6 | {"udp_dst": port} for port in (DHCP6_CLIENT, DHCP6_SERVER)),
    ]
    return (
        own(TABLE_FROM, Band.LLDP, {"eth_type": ETH_LLDP, "eth_dst": LLDP_MAC}, output="controller"),
        own(TABLE_FORWARDING, Band.DEFAULT, {}, output="normal"),
        *(own(TABLE_TRACKING, Band.TRACK, match, TABLE_FORWARDING, "controller") for match in tracked),
        own(TABLE_TRACKING, Band.DEFAULT, {}, TABLE_FORWARDING),
        own(TABLE_TO, Band.DEFAULT, {}, TABLE_TRACKING),
        own(TABLE_FROM, Band.DEFAULT, {}, TABLE_TO),
    )


def is_port_flag(rule: Rule) -> bool:
    """Whether the rule is the port's NO_FWD flag: OpenFlow 1.3 has no egress table, and NORMAL cannot leave one port out."""
    return rule.action is Action.DENY and rule.match.direction is Direction.TO and rule.match.fields() == {"port"}


def rule_flows(rule: Rule, in_port: int | None) -> tuple[Flow, ...]:
    """The rule's flows; `in_port` is its port's number (None: the rule names no port). Never empty but for a match that no frame can
    have (ARP of an IPv6 address). A rule that is a port flag still has a flow, which changes nothing: it carries the cookie."""
    number = int(rule.id, 16)
    slot = number % SLOTS
    table = TABLE_FROM if rule.match.direction is Direction.FROM else TABLE_TO
    if is_port_flag(rule):
        return (Flow.make(TABLE_TO, Band.MARKER + slot, number, {"in_port": _known(in_port)}, TABLE_TRACKING),)
    goto = None if rule.action is Action.DENY else table + 1
    band = {Action.DENY: Band.DENY, Action.PERMIT: Band.PERMIT, Action.COUNT: Band.COUNT}[rule.action]
    flows = [Flow.make(table, band + slot, number, match, goto) for match in rule_matches(rule.match, in_port)]
    if rule.action is Action.DENY and _whole_device(rule.match):
        flows += [
            Flow.make(table, Band.PUNT + slot, number, match, output="controller") for match in _visible(rule, in_port)
        ]
    return tuple(flows)


def witness(rule: Rule, in_port: int | None) -> tuple[str, Flow] | None:
    """For a deny of all that a port (or one MAC on it) sends: the id and the flow that counts what got past containment. It stands in
    the tracking table and just goes on; its count must not grow while the rule holds."""
    match = rule.match
    if rule.action is not Action.DENY or match.port is None or not _whole_device(match):
        return None
    name = f"witness:{match.port}" if match.mac is None else f"witness:{match.port}/{match.mac}"
    fields: dict[str, Field] = {"in_port": _known(in_port)}
    if match.mac is not None:
        fields["eth_src"] = match.mac
    band = Band.WITNESS + (match.mac is not None)
    number = witness_cookie(name) & ~COOKIE_MASK
    return name, Flow.make(TABLE_TRACKING, band, number, fields, TABLE_FORWARDING)


def rule_matches(match: Match, in_port: int | None) -> Iterator[dict[str, Field]]:
    """The flow matches that together speak of exactly the frames of `match`; a TO match's port is left to NO_FWD, or to the MAC."""
    coming = match.direction is Direction.FROM
    link: dict[str, Field] = {}
    if coming and match.port is not None:
        link["in_port"] = _known(in_port)
    if match.mac is not None:
        link["eth_src" if coming else "eth_dst"] = match.mac
    if match.fragment:
        link["nw_frag"] = A_FRAGMENT
    if match.hidden:
        yield from (link | kind for kind in _hiding())
        return
    ends = [None if network is None else _network(network) for network in (match.ip, match.peer)]
    for kind in _ether_types(match):
        names = _ADDRESS_FIELDS.get(kind.get("eth_type"), ())
        pairs = zip(names, ends if coming else reversed(ends), strict=False)
        fields = link | kind | {name: address for name, address in pairs if address is not None}
        for more in _upper(match):
            yield from _with_l4({**fields, **more}, match)


def _hiding() -> Iterator[dict[str, Field]]:
    yield {"eth_type": ETH_IPV4, "ip_proto": 0}
    for protocol in HIDING_PROTOCOLS:
        yield {"eth_type": ETH_IPV6, "ip_proto": protocol}
    for eth_type in HIDING_TYPES:
        yield {"eth_type": eth_type}


def _upper(match: Match) -> Iterator[Fields]:
    """What is asked of the upper layer besides its ports: each of these in turn."""
    if match.protocol is Protocol.ND:
        yield from ({"icmpv6_type": number} for number in NEIGHBOUR_TYPES)
    elif match.established:
        yield from ({"tcp_flags": flags} for flags in ESTABLISHED)
    else:
        yield {}


def _ether_types(match: Match) -> Iterator[dict[str, Field]]:
    addressed = match.ip or match.peer
    version = None if addressed is None else addressed.version
    any_type = match.protocol is None and version is None and not match.fragment
    if any_type:
        yield {}
    if (
        version != 6
        and not match.fragment
        and (match.protocol or (Protocol.ARP if version == 4 else None)) is Protocol.ARP
    ):
        yield {"eth_type": ETH_ARP}
    if match.protocol is Protocol.ARP or any_type:
        return
    upper: dict[str, Field] = {}
    if match.protocol is not None:
        upper["ip_proto"] = IP_PROTOCOLS[match.protocol]
    for wanted, eth_type in ((4, ETH_IPV4), (6, ETH_IPV6)):
        if version in (None, wanted) and not (match.protocol is Protocol.ND and wanted == 4):
            yield upper | {"eth_type": eth_type}


def _network(network: Network) -> str | None:
    """None for all addresses: the frame's type alone says it."""
    if network.prefixlen == 0:
        return None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _with_l4(fields: dict[str, Field], match: Match) -> Iterator[dict[str, Field]]:
    source, target = match.own_ports, match.peer_ports
    if match.direction is Direction.TO:
        source, target = target, source
    for src in _masked(source):
        for dst in _masked(target):
            named = {f"{match.protocol}_src": src, f"{match.protocol}_dst": dst}
            whole = {} if target is None and source is None else _whole_packet(src, dst)
            yield whole | fields | {name: value for name, value in named.items() if value is not None}


def _whole_packet(src: Field | None, dst: Field | None) -> dict[str, Field]:
    """Open vSwitch reads a fragment's ports as 0: what 0 is among is asked of whole packets alone. Everything else is by itself."""
    if any(port is not None and int(str(port).partition("/")[0], 0) for port in (src, dst)):
        return {}
    return {"nw_frag": NO_FRAGMENT}


def _masked(ports: PortRange | None) -> list[Field | None]:
    """The range as masked values, at most 30 (Open vSwitch takes masks on L4 ports; the specification does not ask it of a switch)."""
    first, last = (0, 65535) if ports is None else (ports.first, ports.last)
    found: list[Field | None] = []
    while first <= last:
        size = first & -first or 65536
        while first + size - 1 > last:
            size //= 2
        found.append(None if size == 65536 else first if size == 1 else f"{first:#06x}/{65536 - size:#06x}")
        first += size
    return found


def _whole_device(match: Match) -> bool:
    """A match on all that a device sends, whatever it is: it has neither addresses nor protocol."""
    return match.direction is Direction.FROM and match.fields() <= {"port", "mac"}


def _visible(rule: Rule, in_port: int | None) -> Iterator[dict[str, Field]]:
    """A contained device's ARP, ICMPv6 (neighbour discovery among it; one flow instead of four) and DHCP requests go to the speaker, and
    nowhere else: it is still seen."""
    udp: dict[str, Field] = {"ip_proto": IP_PROTOCOLS[Protocol.UDP]}
    for fields in rule_matches(rule.match, in_port):
        yield fields | {"eth_type": ETH_ARP}
        yield fields | udp | {"eth_type": ETH_IPV4, "udp_src": 68, "udp_dst": 67}
        yield fields | udp | {"eth_type": ETH_IPV6, "udp_dst": DHCP6_SERVER}
        yield fields | {"eth_type": ETH_IPV6, "ip_proto": IP_PROTOCOLS[Protocol.ICMPV6]}


def _known(number: int | None) -> int:
    if number is None:
        raise ValueError("the rule names a port, and its number was not given")
    return number
