"""What is sent to a switch with access lists on its ports, so that it holds exactly what is desired; in its vendor's words. Pure.

A port has at most one list for each family and way. Ours is made anew whenever it is to say something else, bound in the place of the
former one, and the former one is deleted: a bound list is never edited. Where somebody else's list is bound, ours is put over it, where the
dialect lets it: it holds our denies and then his entries, and says whose place it took, so that his is bound again when ours goes. Else a
rule that would need its place is refused. An egress MAC list matches no EtherType ("Egress MAC ACLs", eos.arista.com): of what goes out of
a port ARP cannot be told apart, and a deny of everything bears no exception.

Every deny goes into the lists of all families that it concerns, and none relies on another's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from drivers.base import Change, DiffLine, PreState
from drivers.napalm_config.dialect import FAMILIES, WAYS
from drivers.napalm_config.entries import composed, families
from drivers.napalm_config.messages import Commands, Confirm, Message, Refusal
from drivers.napalm_config.ours import PREFIX, QUARANTINE, Place, is_ours, name_of, rules_in
from drivers.napalm_config.quarantine import Draft, move, stands
from drivers.napalm_config.seen import Room, Seen, SeenPort, beneath, held, is_intact
from drivers.rules import Action, Direction, PortName, Rule, RuleSet

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
Body = tuple[str, ...]


def change(device: str, desired: RuleSet, seen: Seen, baseline: PreState) -> Change:
    """The rules were checked against the driver's declaration."""
    draft, standing, wanted, room = Draft(seen.dialect), held(seen), list[Rule](), seen.room
    unheld = dict(_refused(desired, seen))
    left = {rule.id: unheld.pop(rule.id) for rule in desired if rule.id in unheld and _is_left(rule, seen, standing)}
    refusals = unheld
    for port, state in sorted(seen.ports.items()):
        on_port = [rule for rule in desired if rule.match.port == port and rule.id not in refusals]
        refusals |= _over_others(on_port, seen, port, state, baseline)
        mine = [rule for rule in on_port if rule.id not in refusals]
        needed = _entries_made(seen, port, state, mine, baseline) if room else Counter[str]()
        if why := _too_many(port, needed, room):
            refusals |= {rule.id: why for rule in on_port if rule.id not in standing}
        else:
            room = tuple((shared, left - sum(needed[one] for one in shared)) for shared, left in room)
        on_port = [rule for rule in on_port if rule.id not in refusals]
        wanted += on_port
        _lists(draft, seen, port, state, on_port, baseline)
        move(draft, seen, port, state, [rule for rule in on_port if rule.action is Action.MOVE_VLAN])
    _clear(draft, seen, wanted)
    refusals |= {rule: f"{why}; what stands there is left as it is" for rule, why in left.items()}
    messages: list[Message] = [Confirm(seen.unsettled)] if seen.unsettled is not None else []
    if lines := (*draft.lines, *draft.after):
        messages.append(Commands(lines))
    messages += [Refusal(rule, reason) for rule, reason in sorted(refusals.items())]
    confirmed = [DiffLine("~", f"confirm the commit {seen.unsettled}")] if seen.unsettled is not None else []
    refused = [DiffLine(" ", f"rule {rule} cannot be held: {reason}") for rule, reason in sorted(refusals.items())]
    return Change(
        device,
        tuple(messages),
        (*confirmed, *draft.diff, *refused),
        rule_ids=frozenset(rule.id for rule in desired if rule.id not in standing or rule.id in refusals),
        removed=frozenset(standing) - frozenset(desired.ids),
        ports=frozenset(draft.ports),
    )


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
            if why := state.overridden or (None if stands(rule, seen) else state.fixed_vlan):
                yield rule.id, f"{port}: {why}"
            elif moved.setdefault(port, rule.vlan) != rule.vlan:
                yield rule.id, f"{port}: another containment moves it to VLAN {moved[port]}"


def _is_left(rule: Rule, seen: Seen, standing: Collection[str]) -> bool:
    """Whether a rule that is refused stands from before. Who makes a trunk of its port, or gives it 802.1X, did not mean to free what is
    contained there: it is left as it is until its containment ends."""
    state = seen.ports.get(rule.match.port) if rule.match.port is not None else None
    if rule.action is Action.MOVE_VLAN:
        return stands(rule, seen)
    return state is not None and state.unfit is not None and rule.id in standing


def _over_others(
    rules: Iterable[Rule], seen: Seen, port: PortName, state: SeenPort, baseline: PreState
) -> Iterator[tuple[str, str]]:
    """What is permitted outweighs our own denies, and no list of somebody else: where there is one, ours can only add to what it denies."""
    on_lists = [rule for rule in rules if rule.action is not Action.MOVE_VLAN]
    excepting = {_voice(rule) for rule in on_lists if rule.action is Action.PERMIT}
    for rule in on_lists:
        way = "in" if rule.match.direction is Direction.FROM else "out"
        places = [(family, way) for family in families(rule, on_lists, seen.dialect)]
        theirs = [(place, name) for place in places if (name := _beneath(seen, port, state, place, baseline))]
        if theirs and not seen.dialect.composes:
            (family, _), name = theirs[0]
            yield (
                rule.id,
                f"{port}: the list {name!r} ({seen.dialect.binds[family]} {way}) is bound there already, and it is not ours:"
                " take it off, or move the port into a VLAN",
            )
        elif theirs and _voice(rule) in excepting:
            named = theirs[0][1]
            yield rule.id, f"{port}: the list {named} is bound there, and exceptions cannot be put over somebody else's"


def _entries_made(seen: Seen, port: PortName, state: SeenPort, rules: list[Rule], baseline: PreState) -> Counter[str]:
    """How many entries of new lists these rules come to on the port, by family: the former ones go only once the new ones are bound. A
    range of ports or an IPv6 address may take several of the hardware's."""
    trial, made, family = Draft(seen.dialect), Counter[str](), ""
    _lists(trial, seen, port, state, rules, baseline)
    for line in trial.lines:
        family = next((one for one in FAMILIES if line.startswith(f"{seen.dialect.lists[one]} ")), family)
        made[family] += line.lstrip().startswith(("permit ", "deny "))
    return made


def _too_many(port: PortName, needed: Counter[str], room: Room) -> str | None:
    for shared, left in room:
        if (count := sum(needed[one] for one in shared)) > left:
            return f"{port}: its lists need at least {count} entries more, and the hardware has room for {left}"
    return None


def _voice(rule: Rule) -> tuple[str, Direction]:
    return rule.provenance.containment, rule.match.direction


def _lists(draft: Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule], baseline: PreState) -> None:
    for way in WAYS:
        direction = Direction.FROM if way == "in" else Direction.TO
        here = [r for r in rules if r.action is not Action.MOVE_VLAN and r.match.direction is direction]
        for family in FAMILIES:
            place = (family, way)
            mine = [rule for rule in here if family in families(rule, here, seen.dialect)]
            under = _beneath(seen, port, state, place, baseline)
            body = _body(seen, family, mine, under, here) if mine else None
            _bind(draft, seen, port, state, place, body, under)


def _beneath(seen: Seen, port: PortName, state: SeenPort, place: Place, baseline: PreState) -> str | None:
    """Somebody else's list at this place: the one that is bound, or the one that ours was put over."""
    bound = state.bound.get(place)
    if bound is None:
        return _left(seen, port, place)
    if not is_ours(bound):
        return bound
    if not seen.dialect.composes:
        return None
    body = seen.lists.get((place[0], bound))
    if body is not None:
        under = beneath(body)
    else:
        stored = baseline.ports.get(port, {}).get(" ".join(place))
        under = stored if isinstance(stored, str) else None
    return under if under is not None and _WORD.fullmatch(under) and not is_ours(under) else None


def _left(seen: Seen, port: PortName, place: Place) -> str | None:
    """Whose place a list of ours took that somebody has just taken off: he cannot have meant that with it his colleague's goes too."""
    said = [
        under
        for (family, name), body in seen.lists.items()
        if family == place[0] and is_ours(name) and (under := beneath(body)) is not None
        if (family, under) in seen.lists and is_intact(seen.dialect, name, port, place, body)
    ]
    return next(iter(said), None)


def _body(seen: Seen, family: str, mine: Sequence[Rule], under: str | None, here: Sequence[Rule]) -> Body:
    """What ours is to say: whose place it takes, which rules it holds, their entries, and what is beneath."""
    said = [f"remark netcordon over {under}"] if under is not None else []
    said += [
        f"remark netcordon rule {rule.id} in {','.join(sorted(families(rule, here, seen.dialect)))}"
        for rule in sorted(mine, key=lambda rule: rule.id)
    ]
    *ours, last = [(entry.text(seen.dialect), entry.permits) for entry in composed(mine, family, seen.dialect)]
    theirs = seen.lists.get((family, under)) if under is not None else None
    if theirs is None or not last[1]:
        return (*said, *(text for text, _ in ours), last[0])
    kept = [seen.dialect.canonical(entry) or entry for entry in theirs if not entry.startswith("remark netcordon")]
    return (*said, *(text for text, _ in ours), *kept)


def _bind(
    draft: Draft, seen: Seen, port: PortName, state: SeenPort, place: Place, body: Body | None, under: str | None
) -> None:
    family, bound = place[0], state.bound.get(place)
    if body is None:
        if bound is not None and is_ours(bound):
            ours = seen.dialect.bind(place, bound)
            undo = f"no {ours}" if under is None else seen.dialect.bind(place, under)
            draft.on(port, undo)
            draft.diff.append(DiffLine("-", f"{port} {ours}", (undo,)))
        elif bound is None and under is not None:
            theirs = seen.dialect.bind(place, under)
            draft.on(port, theirs)
            draft.diff.append(DiffLine("+", f"{port} {theirs}"))
        return
    name = name_of(port, place, body)
    if bound is not None and bound.startswith(name):
        there = seen.lists.get((family, bound))
        if there is not None and is_intact(seen.dialect, bound, port, place, there):
            draft.keep.add((family, bound))
            return
    name = _unused(seen, family, name)
    draft.keep.add((family, name))
    draft.under(f"{seen.dialect.lists[family]} {name}", *body)
    line = seen.dialect.bind(place, name)
    draft.on(port, line)
    draft.diff.append(DiffLine("+", f"{port} {line}", body))


def _unused(seen: Seen, family: str, name: str) -> str:
    """A list of that name may be there still, changed by somebody: it goes, and may be bound until then."""
    tried = (name if number == 0 else f"{name}-{number}" for number in range(1000))
    return next(one for one in tried if (family, one) not in seen.lists)


def _clear(draft: Draft, seen: Seen, wanted: list[Rule]) -> None:
    """What is named as ours and is not kept goes: also what nobody knows any more."""
    for family, name in sorted(seen.lists):
        if (
            name.startswith(PREFIX)
            and (is_ours(name) or name.startswith(f"{PREFIX}VLAN-"))
            and (family, name) not in draft.keep
        ):
            header = f"{seen.dialect.lists[family]} {name}"
            draft.after.append(f"no {header}")
            ids = sorted(rules_in(seen.lists[family, name]))
            draft.diff.append(DiffLine("-", header, tuple(f"rule {one}" for one in ids)))
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
