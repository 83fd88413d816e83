"""What is sent to an EOS switch so that it holds exactly what is desired. Pure.

A port has at most one list for each family and way. Ours is made anew whenever it is to say something else, bound in the place of the
former one, and the former one is deleted: a bound list is never edited. Where somebody else's list is bound, ours is put over it: it holds
our denies and then his entries, and says whose place it took, so that his is bound again when ours goes. An egress MAC list matches no
EtherType ("Egress MAC ACLs", eos.arista.com): of what goes out of a port ARP cannot be told apart, and a deny of everything bears no
exception.

Every deny goes into the lists of all families that it concerns, and what is permitted passes each of them; none relies on a MAC list to
filter IP or to leave IP alone: Arista's documents don't say which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from drivers.base import Change, DiffLine, PreState
from drivers.napalm_config.eos_config import FAMILIES, WAYS, Seen, SeenPort, beneath, canonical, held, is_intact
from drivers.napalm_config.eos_entries import composed, families
from drivers.napalm_config.eos_quarantine import Draft, move
from drivers.napalm_config.messages import Commands, Confirm, Message, Refusal
from drivers.napalm_config.ours import PREFIX, QUARANTINE, Place, is_ours, name_of, rules_in
from drivers.rules import Action, Direction, PortName, Rule, RuleSet

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
Body = tuple[str, ...]


def change(device: str, desired: RuleSet, seen: Seen, baseline: PreState) -> Change:
    """The rules were checked against the driver's declaration."""
    refusals = dict(_refused(desired, seen))
    draft, standing, wanted, room = Draft(), held(seen), list[Rule](), seen.room
    for port, state in sorted(seen.ports.items()):
        on_port = [rule for rule in desired if rule.match.port == port and rule.id not in refusals]
        refusals |= _over_others(on_port, seen, port, state, baseline)
        if room is not None:
            needed = _entries_made(seen, port, state, [r for r in on_port if r.id not in refusals], baseline)
            if needed > room:
                why = f"{port}: its lists need at least {needed} entries more, and the hardware has room for {room}"
                refusals |= {rule.id: why for rule in on_port if rule.id not in standing}
            else:
                room -= needed
        on_port = [rule for rule in on_port if rule.id not in refusals]
        wanted += on_port
        _lists(draft, seen, port, state, on_port, baseline)
        move(draft, seen, port, state, [rule for rule in on_port if rule.action is Action.MOVE_VLAN])
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
            elif moved.setdefault(port, rule.vlan) != rule.vlan:
                yield rule.id, f"{port}: another containment moves it to VLAN {moved[port]}"


def _over_others(
    rules: Iterable[Rule], seen: Seen, port: PortName, state: SeenPort, baseline: PreState
) -> Iterator[tuple[str, str]]:
    """What is permitted outweighs our own denies, and no list of somebody else: where there is one, ours can only add to what it denies."""
    excepting = {_voice(rule) for rule in rules if rule.action is Action.PERMIT}
    for rule in rules:
        if rule.action is Action.MOVE_VLAN or _voice(rule) not in excepting:
            continue
        way = "in" if rule.match.direction is Direction.FROM else "out"
        theirs = [_beneath(seen, port, state, (family, way), baseline) for family in families(rule, rules)]
        if named := next(filter(None, theirs), None):
            yield rule.id, f"{port}: the list {named} is bound there, and exceptions cannot be put over somebody else's"


def _entries_made(seen: Seen, port: PortName, state: SeenPort, rules: list[Rule], baseline: PreState) -> int:
    """How many entries of new lists these rules come to on the port: the former ones go only once the new ones are bound. A range of ports
    or an IPv6 address may take several of the hardware's."""
    trial = Draft()
    _lists(trial, seen, port, state, rules, baseline)
    return sum(line.startswith(("permit ", "deny ")) for line in trial.lines)


def _voice(rule: Rule) -> tuple[str, Direction]:
    return rule.provenance.containment, rule.match.direction


def _lists(draft: Draft, seen: Seen, port: PortName, state: SeenPort, rules: list[Rule], baseline: PreState) -> None:
    for way in WAYS:
        direction = Direction.FROM if way == "in" else Direction.TO
        here = [r for r in rules if r.action is not Action.MOVE_VLAN and r.match.direction is direction]
        for family in FAMILIES:
            place = (family, way)
            mine = [rule for rule in here if family in families(rule, here)]
            under = _beneath(seen, port, state, place, baseline)
            body = _body(seen, family, mine, under, here) if mine else None
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


def _body(seen: Seen, family: str, mine: Sequence[Rule], under: str | None, here: Sequence[Rule]) -> Body:
    """What ours is to say: whose place it takes, which rules it holds, their entries, and what is beneath."""
    said = [f"remark netcordon over {under}"] if under is not None else []
    said += [
        f"remark netcordon rule {rule.id} in {','.join(sorted(families(rule, here)))}"
        for rule in sorted(mine, key=lambda rule: rule.id)
    ]
    *ours, last = composed(mine, family)
    theirs = seen.lists.get((family, under)) if under is not None else None
    if theirs is None or not last.permits:
        return (*said, *(entry.text for entry in ours), last.text)
    kept = [canonical(entry) or entry for entry in theirs if not entry.startswith("remark netcordon")]
    return (*said, *(entry.text for entry in ours), *kept)


def _bind(
    draft: Draft, seen: Seen, port: PortName, state: SeenPort, place: Place, body: Body | None, under: str | None
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


def _clear(draft: Draft, seen: Seen, wanted: list[Rule]) -> None:
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
