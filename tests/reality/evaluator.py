"""What the evaluator says of trials, as it is or with one kind of rule turned into its opposite. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from controller.network.paths import Hop, along
from controller.network.regions import Voice, voices
from drivers.header_sets import EVERYTHING, Kind, Names, Space, kinds_of, space_of
from drivers.rules import Action, Direction, Match, PortName, Rule
from drivers.semantics import Crossing, Fate
from tests.reality.cases import Case, Trial

Speaking = Mapping[str, list[Voice]]
Inversion = Callable[[Rule], list[Voice]]
HERE = PortName("here")


class Evaluator:
    """The verdict of sets: all frames from one port to another are parted once, and each trial is found in its part."""

    def __init__(self, case: Case, inverted: Inversion | None = None) -> None:
        self._speaking: Speaking = {
            device: voices(rules) if inverted is None else [voice for rule in rules for voice in inverted(rule)]
            for device, rules in case.rules.items()
        }
        self._ways: dict[tuple[Hop, ...], list[tuple[Space, Fate]]] = {}

    def fate(self, trial: Trial) -> Fate:
        if trial.hops not in self._ways:
            found = along(trial.hops, self._speaking, EVERYTHING)
            self._ways[trial.hops] = [(crossed.space, crossed.fate) for crossed in found]
        (fate,) = {fate for space, fate in self._ways[trial.hops] if _holds(space, trial)}
        return fate


def _holds(space: Space, trial: Trial) -> bool:
    """Whatever ports the space names last: the way is the trial's own."""
    anywhere = space._replace(in_port=EVERYTHING.in_port, out_port=EVERYTHING.out_port)
    return anywhere.holds(Crossing(trial.frame, None, None))


def disagreements(case: Case, inverted: Inversion | None = None) -> list[Trial]:
    """Trials of which evaluator and network do not say the same."""
    evaluator = Evaluator(case, inverted)
    return [t for t in case.trials if (evaluator.fate(t) is Fate.PASS) is not (t.number in case.arrived)]


def inversions() -> dict[str, Inversion]:
    """Each kind of rule turned around: by what it does, and by each thing that it can match."""
    found: dict[str, Inversion] = {}
    for action in (Action.DENY, Action.PERMIT, Action.COUNT):
        for direction in Direction:
            found[f"{action.value} {direction.value}"] = _other_action(action, direction)
    fields = ("port", "mac", "ip", "peer", "own_ports", "peer_ports", "protocol", "established", "fragment", "hidden")
    return found | {name: _all_but(name) for name in fields}


def kinds_of_rule(rules: Iterable[Rule]) -> set[str]:
    """Which of the kinds that can be turned around are there."""
    held = list(rules)
    does = {f"{rule.action.value} {rule.match.direction.value}" for rule in held}
    return does | {name for rule in held for name in rule.match.fields()}


def _other_action(action: Action, direction: Direction) -> Inversion:
    opposite = {Action.DENY: Action.COUNT, Action.PERMIT: Action.COUNT, Action.COUNT: Action.DENY}[action]

    def inverted(rule: Rule) -> list[Voice]:
        if rule.action is action and rule.match.direction is direction:
            return voices([replace(rule, action=opposite)])
        return voices([rule])

    return inverted


def _all_but(name: str) -> Inversion:
    """What the rule's other fields say stays; of this one, it speaks of everything else."""

    def inverted(rule: Rule) -> list[Voice]:
        if getattr(rule.match, name) is None:
            return voices([rule])
        return [_but_for(voice, rule.match, name) for voice in voices([rule])]

    return inverted


def _but_for(voice: Voice, match: Match, name: str) -> Voice:
    """Its kinds are those that the other fields speak of, less, for a field that says kinds, its own."""
    whole, said = space_of(match), list(voice.said)
    coming = match.direction is Direction.FROM
    place = {
        "port": 1 if coming else 2,
        "mac": 3 if coming else 4,
        "own_ports": 6 if coming else 5,
        "peer_ports": 5 if coming else 6,
        "ip": 7 if coming else 8,
        "peer": 8 if coming else 7,
    }.get(name)
    if place is not None:
        values = whole[place]
        said[place] = ~values
    else:
        if name == "protocol":
            said[5] = said[6] = None
        said[0] = _kinds_without(match, name) & ~_kinds_alone(match, name)
    return Voice(voice.rule, tuple(said), len(said))


def _kinds_without(match: Match, name: str) -> Names[Kind]:
    """`protocol` takes with it what needs one."""
    if name == "protocol":
        return kinds_of(replace(match, port=HERE, protocol=None, own_ports=None, peer_ports=None, established=None))
    return kinds_of(replace(match, port=HERE, **{name: None}))  # type: ignore[arg-type]  # a field by its name


def _kinds_alone(match: Match, name: str) -> Names[Kind]:
    if name == "protocol":
        return kinds_of(Match(Direction.FROM, port=HERE, protocol=match.protocol))
    alone = Match(Direction.FROM, port=HERE, protocol=match.protocol if name == "established" else None)
    return kinds_of(
        replace(alone, established=name == "established" or None, fragment=name == "fragment" or None)
        if name != "hidden"
        else replace(alone, hidden=True)
    )
