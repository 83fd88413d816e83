"""What is sent to an EOS switch so that it holds exactly what is desired. Pure.

A port has at most one list for each family and way. Ours is made anew whenever it is to say something else, bound in the place of the
former one, and the former one is deleted: a bound list is never edited. Where somebody else's list is bound, ours is put over it: it holds
our denies and then his entries, and says whose place it took, so that his is bound again when ours goes. What goes out of a port can be
denied as a whole alone: an egress MAC list matches no EtherType ("Egress MAC ACLs", eos.arista.com), so ARP cannot be told apart there.

Every deny goes into the lists of all families that it concerns, and none relies on a MAC list to filter IP or to leave IP alone: Arista's
documents don't say which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.base import Change, DiffLine, PreState
from drivers.napalm_config.eos_config import FAMILIES, WAYS, Seen, SeenPort, beneath, canonical, held, is_intact
from drivers.napalm_config.messages import Commands, Confirm, Message, Refusal
from drivers.napalm_config.ours import PREFIX, QUARANTINE, Place, is_ours, name_of, rules_in
from drivers.rules import Action, Direction, PortName, PortRange, Protocol, Rule, RuleSet

EVERYTHING = {"ip": "deny ip any any", "ipv6": "deny ipv6 any any", "mac": "deny any any"}
REST = {family: entry.replace("deny", "permit") for family, entry in EVERYTHING.items()}
_NUMBERS = {Protocol.ICMP: ("icmp", "1"), Protocol.ICMPV6: ("58", "icmpv6")}
_NEIGHBOURS = ("router-solicitation", "neighbor-solicitation", "neighbor-advertisement")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
Body = tuple[str, ...]


@dataclass
class _Draft:
    """`lines` make, bind and change; `after` are deletions, which come when nothing refers to what goes."""

    lines: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    diff: list[DiffLine] = field(default_factory=list)
    keep: set[tuple[str, str]] = field(default_factory=set)
    ports: set[PortName] = field(default_factory=set)

    def on(self, port: PortName, *lines: str) -> None:
        self.lines += [f"interface {port}", *lines, "exit"]


def change(device: str, desired: RuleSet, seen: Seen, baseline: PreState) -> Change:
    """The rules were checked against the driver's declaration."""
    refusals = dict(_refused(desired, seen))
    wanted = [rule for rule in desired if rule.id not in refusals]
    draft, standing = _Draft(), held(seen)
    for port, state in sorted(seen.ports.items()):
        on_port = [rule for rule in wanted if rule.match.port == port]
        _lists(draft, seen, port, state, on_port, baseline)
        _vlan(draft, seen, port, state, [rule for rule in on_port if rule.action is Action.MOVE_VLAN])
    _clear(draft, seen, wanted)
    messages: list[Message] = [Confirm(seen.unsettled)] if seen.unsettled is not None else []
    if lines := (*draft.lines, *draft.after):
        messages.append(Commands(lines))
    messages += [Refusal(rule, reason) for rule, reason in sorted(refusals.items())]
    confirmed = [DiffLine("~", f"confirm the commit of session {seen.unsettled}")] if seen.unsettled is not None else []
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
            return {"mac": ("deny any any arp",)}
        case Protocol.ND:
            return {"ipv6": tuple(f"deny icmpv6 any any {kind}" for kind in _NEIGHBOURS)}
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


def _refused(desired: RuleSet, seen: Seen) -> Iterator[tuple[str, str]]:
    moved: dict[PortName, int] = {}
    for rule in desired:
        port = rule.match.port
        state = seen.ports.get(port) if port is not None else None
        if state is None or port is None:
            yield rule.id, f"there is no port {port} that could be contained"
        elif state.unfit is not None:
            yield rule.id, f"{port}: {state.unfit}"
        elif strange := [name for name in state.bound.values() if not _WORD.fullmatch(name)]:
            yield rule.id, f"{port}: the name of the list {strange[0]!r} that is bound there is not understood"
        elif rule.action is Action.MOVE_VLAN and rule.vlan is not None:
            if state.fixed_vlan is not None:
                yield rule.id, f"{port}: {state.fixed_vlan}"
            elif rule.bounce:
                yield rule.id, f"{port}: it cannot be bounced yet"
            elif moved.setdefault(port, rule.vlan) != rule.vlan:
                yield rule.id, f"{port}: another containment moves it to VLAN {moved[port]}"


def _lists(draft: _Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule], baseline: PreState) -> None:
    for way in WAYS:
        direction = Direction.FROM if way == "in" else Direction.TO
        denying = [rule for rule in rules if rule.action is Action.DENY and rule.match.direction is direction]
        for family in FAMILIES:
            place = (family, way)
            mine = [rule for rule in denying if family in entries(rule)]
            under = _beneath(seen, port, state, place, baseline)
            body = _body(seen, family, mine, under) if mine else None
            _bind(draft, seen, port, state, place, body, under)


def _beneath(seen: Seen, port: PortName, state: SeenPort, place: Place, baseline: PreState) -> str | None:
    """Somebody else's list at this place: the one that is bound, or the one that ours was put over."""
    bound = state.bound.get(place)
    if bound is None or not is_ours(bound):
        return bound
    body = seen.lists.get((place[0], bound))
    if body is not None:
        under = beneath(body)
    else:
        stored = baseline.ports.get(port, {}).get(" ".join(place))
        under = stored if isinstance(stored, str) else None
    return under if under is not None and _WORD.fullmatch(under) and not is_ours(under) else None


def _body(seen: Seen, family: str, rules: Iterable[Rule], under: str | None) -> Body:
    """What ours is to say: whose place it takes, which rules it holds, their denies, and what is beneath."""
    held_rules = sorted(rules, key=lambda rule: rule.id)
    said = [f"remark netcordon over {under}"] if under is not None else []
    said += [f"remark netcordon rule {rule.id} in {','.join(sorted(entries(rule)))}" for rule in held_rules]
    denies = list(dict.fromkeys(entry for rule in held_rules for entry in entries(rule)[family]))
    if EVERYTHING[family] in denies:
        return (*said, EVERYTHING[family])
    theirs = seen.lists.get((family, under)) if under is not None else None
    if theirs is None:
        return (*said, *denies, REST[family])
    kept = [canonical(entry) or entry for entry in theirs if not entry.startswith("remark netcordon")]
    return (*said, *denies, *kept)


def _bind(
    draft: _Draft, seen: Seen, port: PortName, state: SeenPort, place: Place, body: Body | None, under: str | None
) -> None:
    family, way = place
    bound = state.bound.get(place)
    if body is None:
        if bound is not None and is_ours(bound):
            undo = (
                f"{family} access-group {under} {way}"
                if under is not None
                else f"no {family} access-group {bound} {way}"
            )
            draft.on(port, undo)
            draft.diff.append(DiffLine("-", f"{port} {family} access-group {bound} {way}", (undo,)))
        return
    name = name_of(port, place, body)
    if bound is not None and bound.startswith(name):
        there = seen.lists.get((family, bound))
        if there is not None and is_intact(bound, port, place, there):
            draft.keep.add((family, bound))
            return
    name = _unused(seen, family, name)
    draft.keep.add((family, name))
    draft.lines += [f"{family} access-list {name}", *body, "exit"]
    draft.on(port, f"{family} access-group {name} {way}")
    draft.diff.append(DiffLine("+", f"{port} {family} access-group {name} {way}", body))


def _unused(seen: Seen, family: str, name: str) -> str:
    """A list of that name may be there still, changed by somebody: it goes, and may be bound until then."""
    tried = (name if number == 0 else f"{name}-{number}" for number in range(1000))
    return next(one for one in tried if (family, one) not in seen.lists)


def _vlan(draft: _Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule]) -> None:
    note, list_name = seen.notes.get(port), f"{PREFIX}VLAN-{port}"
    if not rules:
        if note is not None and state.vlan == note.vlan:
            draft.on(port, f"switchport access vlan {note.was}")
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
        draft.lines += [f"vlan {vlan}", f"name {QUARANTINE}", "exit"]
    draft.lines += [f"no ip access-list {list_name}"] if ("ip", list_name) in seen.lists else []
    draft.lines += [f"ip access-list {list_name}", *said, "exit"]
    draft.on(port, f"switchport access vlan {vlan}")
    draft.diff.append(DiffLine("~", f"{port} switchport access vlan {was} -> {vlan}"))
    draft.ports.add(port)


def _clear(draft: _Draft, seen: Seen, wanted: list[Rule]) -> None:
    """What is named as ours and is not kept goes: also what nobody knows any more."""
    for family, name in sorted(seen.lists):
        if (
            name.startswith(PREFIX)
            and (is_ours(name) or name.startswith(f"{PREFIX}VLAN-"))
            and (family, name) not in draft.keep
        ):
            draft.after.append(f"no {family} access-list {name}")
            ids = sorted(rules_in(seen.lists[family, name]))
            draft.diff.append(DiffLine("-", f"{family} access-list {name}", tuple(f"rule {one}" for one in ids)))
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
