"""What is sent to an IOS switch so that it holds exactly what is desired. Pure.

A port has one list for each family and way. Ours is made anew whenever it is to say something else, bound in the place of the former one,
and the former one is deleted: a bound list is never edited. A rule that would need the place of somebody else's list is refused. An IP list
filters IP alone, a MAC list what is neither IPv4 nor IPv6 (see `topologies/vendor/ios_acl.py` for where Cisco says so), so a deny of
everything stands in all three, and no list relies on another's.

`deny ipv6 any any` is an entry before the `permit icmp any any nd-na` and `nd-ns` that end every IPv6 list, so that neighbours are not
found either. Lines are indented as in a configuration file, which IOS's own diff asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.base import Change, DiffLine
from drivers.napalm_config.ios_config import BIND, FAMILIES, LIST, NOTE, WAYS, Seen, SeenPort, held, is_intact, known
from drivers.napalm_config.messages import Commands, Confirm, Message, Refusal
from drivers.napalm_config.ours import PREFIX, QUARANTINE, Place, is_ours, name_of, rules_in
from drivers.rules import Action, Direction, PortName, PortRange, Protocol, Rule, RuleSet

EVERYTHING = {"ip": "deny ip any any", "ipv6": "deny ipv6 any any", "mac": "deny any any"}
REST = {family: entry.replace("deny", "permit") for family, entry in EVERYTHING.items()}
ARP = "deny any any 0x806 0x0"
"""By EtherType and wildcard, as Catalyst 2960 to 9300 take it (Command Reference, IOS XE Everest 16.5.1a, Catalyst 3650, `permit (MAC
access-list configuration)`); a 4500 takes none behind it, and refuses the line."""
_NUMBERS = {Protocol.ICMP: ("icmp", "1"), Protocol.ICMPV6: ("58", "icmp")}
_NEIGHBOURS = ("nd-ns", "nd-na", "router-solicitation")
Body = tuple[str, ...]


@dataclass
class _Draft:
    """`lines` make, bind and change; `after` are deletions, which come when nothing refers to what goes."""

    lines: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    diff: list[DiffLine] = field(default_factory=list)
    keep: set[tuple[str, str]] = field(default_factory=set)
    ports: set[PortName] = field(default_factory=set)

    def under(self, header: str, *lines: str) -> None:
        self.lines += [header, *(f" {line}" for line in lines)]


def change(device: str, desired: RuleSet, seen: Seen) -> Change:
    """The rules were checked against the driver's declaration."""
    refusals = dict(_refused(desired, seen))
    wanted = [rule for rule in desired if rule.id not in refusals]
    draft, standing = _Draft(), held(seen)
    for port, state in sorted(seen.ports.items()):
        on_port = [rule for rule in wanted if rule.match.port == port]
        _lists(draft, seen, port, state, on_port)
        _vlan(draft, seen, port, state, [rule for rule in on_port if rule.action is Action.MOVE_VLAN])
    _clear(draft, seen, wanted)
    messages: list[Message] = [Confirm(seen.unsettled)] if seen.unsettled is not None else []
    if lines := (*draft.lines, *draft.after):
        messages.append(Commands(lines))
    messages += [Refusal(rule, reason) for rule, reason in sorted(refusals.items())]
    confirmed = [DiffLine("~", "confirm the change that waits")] if seen.unsettled is not None else []
    refused = [DiffLine(" ", f"rule {rule} cannot be held: {reason}") for rule, reason in sorted(refusals.items())]
    return Change(
        device,
        tuple(messages),
        (*confirmed, *draft.diff, *refused),
        rule_ids=frozenset(rule.id for rule in desired if rule.id not in standing or rule.id in refusals),
        removed=frozenset(standing) - frozenset(desired.ids),
        ports=frozenset(draft.ports),
    )


def entries(rule: Rule) -> Mapping[str, Body]:
    """The entries that a DENY comes to, by family."""
    match = rule.match
    match match.protocol:
        case None:
            return {family: (entry,) for family, entry in EVERYTHING.items()}
        case Protocol.ARP:
            return {"mac": (ARP,)}
        case Protocol.ND:
            return {"ipv6": tuple(f"deny icmp any any {kind}" for kind in _NEIGHBOURS)}
        case Protocol.ICMP | Protocol.ICMPV6 as protocol:
            by4, by6 = _NUMBERS[protocol]
            return {"ip": (f"deny {by4} any any",), "ipv6": (f"deny {by6} any any",)}
        case protocol:
            ends = f"any{_ports(match.own_ports)} any{_ports(match.peer_ports)}"
            entry = f"deny {protocol.value} {ends}{' established' if match.established else ''}"
            return {"ip": (entry,), "ipv6": (entry,)}


def _ports(span: PortRange | None) -> str:
    if span is None:
        return ""
    return f" eq {span.first}" if span.first == span.last else f" range {span.first} {span.last}"


def _way(rule: Rule) -> str:
    return "in" if rule.match.direction is Direction.FROM else "out"


def _refused(desired: RuleSet, seen: Seen) -> Iterator[tuple[str, str]]:
    moved: dict[PortName, int] = {}
    for rule in desired:
        port = rule.match.port
        state = seen.ports.get(port) if port is not None else None
        if state is None or port is None:
            yield rule.id, f"there is no port {port} that could be contained"
        elif state.unfit is not None:
            yield rule.id, f"{port}: {state.unfit}"
        elif rule.action is Action.DENY:
            if theirs := _taken(rule, state):
                yield (
                    rule.id,
                    f"{port}: {theirs} is bound there already, and it is not ours: take it off, or move the port into a VLAN",
                )
        elif rule.vlan is not None:
            if state.fixed_vlan is not None:
                yield rule.id, f"{port}: {state.fixed_vlan}"
            elif rule.bounce:
                yield rule.id, f"{port}: it cannot be bounced yet"
            elif moved.setdefault(port, rule.vlan) != rule.vlan:
                yield rule.id, f"{port}: another containment moves it to VLAN {moved[port]}"


def _taken(rule: Rule, state: SeenPort) -> str | None:
    """Somebody else's list in a place that the rule needs."""
    places = [(family, _way(rule)) for family in entries(rule)]
    bound = [(place, state.bound[place]) for place in places if place in state.bound]
    return next(
        (f"the list {name!r} ({BIND[family]} {way})" for (family, way), name in bound if not is_ours(name)), None
    )


def _lists(draft: _Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule]) -> None:
    for way in WAYS:
        denying = [rule for rule in rules if rule.action is Action.DENY and _way(rule) == way]
        for family in FAMILIES:
            mine = [rule for rule in denying if family in entries(rule)]
            _bind(draft, seen, port, state, (family, way), _body(family, mine) if mine else None)


def _body(family: str, rules: Iterable[Rule]) -> Body:
    """What ours is to say: which rules it holds, their denies, and that the rest passes."""
    ordered = sorted(rules, key=lambda rule: rule.id)
    said = [f"remark netcordon rule {rule.id} in {','.join(sorted(entries(rule)))}" for rule in ordered]
    denies = list(dict.fromkeys(entry for rule in ordered for entry in entries(rule)[family]))
    if EVERYTHING[family] in denies:
        return (*said, EVERYTHING[family])
    return (*said, *denies, REST[family])


def _bind(draft: _Draft, seen: Seen, port: PortName, state: SeenPort, place: Place, body: Body | None) -> None:
    family, way = place
    bound = state.bound.get(place)
    if body is None:
        if bound is not None and is_ours(bound):
            draft.under(f"interface {port}", f"no {BIND[family]} {bound} {way}")
            draft.diff.append(DiffLine("-", f"{port} {BIND[family]} {bound} {way}"))
        return
    name = name_of(port, place, body)
    if bound is not None and bound.startswith(name):
        there = seen.lists.get((family, bound))
        if there is not None and is_intact(bound, port, place, there):
            draft.keep.add((family, bound))
            return
    name = _unused(seen, family, name)
    draft.keep.add((family, name))
    draft.under(f"{LIST[family]} {name}", *body)
    draft.under(f"interface {port}", f"{BIND[family]} {name} {way}")
    draft.diff.append(DiffLine("+", f"{port} {BIND[family]} {name} {way}", body))


def _unused(seen: Seen, family: str, name: str) -> str:
    """A list of that name may be there still, changed by somebody: it goes, and may be bound until then."""
    tried = (name if number == 0 else f"{name}-{number}" for number in range(1000))
    return next(one for one in tried if (family, one) not in seen.lists)


def _vlan(draft: _Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule]) -> None:
    note, list_name = seen.notes.get(port), f"{NOTE}{port}"
    if not rules:
        if note is not None and state.vlan == note.vlan:
            draft.under(f"interface {port}", f"switchport access vlan {note.was}")
            draft.diff.append(DiffLine("~", f"{port} switchport access vlan {note.vlan} -> {note.was}"))
            draft.ports.add(port)
        return
    vlan = rules[0].vlan
    assert vlan is not None  # noqa: S101 - MOVE_VLAN has one, by its type
    draft.keep.add(("ip", list_name))
    ids = frozenset(rule.id for rule in rules)
    if note is not None and (note.rules, note.vlan) == (ids, vlan) and state.vlan == vlan:
        return
    was = note.was if note is not None and state.vlan == note.vlan else state.vlan
    said = [f"remark netcordon vlan {vlan} was {was}", *(f"remark netcordon rule {one}" for one in sorted(ids))]
    if vlan not in seen.vlans:
        draft.under(f"vlan {vlan}", f"name {QUARANTINE}")
    draft.lines += [f"no {LIST['ip']} {list_name}"] if ("ip", list_name) in seen.lists else []
    draft.under(f"{LIST['ip']} {list_name}", *said)
    draft.under(f"interface {port}", f"switchport access vlan {vlan}")
    draft.diff.append(DiffLine("~", f"{port} switchport access vlan {was} -> {vlan}"))
    draft.ports.add(port)


def _clear(draft: _Draft, seen: Seen, wanted: list[Rule]) -> None:
    """What is named as ours and is not kept goes: also what nobody knows any more."""
    for family, name in sorted(seen.lists):
        ours = is_ours(name) or name.startswith(NOTE)
        if name.startswith(PREFIX) and ours and (family, name) not in draft.keep:
            draft.after.append(f"no {LIST[family]} {name}")
            ids = sorted(rules_in(known(seen.lists[family, name])))
            draft.diff.append(DiffLine("-", f"{LIST[family]} {name}", tuple(f"rule {one}" for one in ids)))
    asked = {rule.vlan for rule in wanted if rule.action is Action.MOVE_VLAN}
    for vlan, name in sorted(seen.vlans.items()):
        # Nobody is in it but those that we put there, and these leave with this change.
        strangers = any(
            state.vlan == vlan and (port not in seen.notes or seen.notes[port].vlan != vlan)
            for port, state in seen.ports.items()
        )
        if name == QUARANTINE and vlan not in asked and not strangers:
            draft.after.append(f"no vlan {vlan}")
            draft.diff.append(DiffLine("-", f"vlan {vlan}"))
