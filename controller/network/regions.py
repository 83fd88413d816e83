"""What rules do to whole sets of frames, exactly: a space is cut into regions, in each of which every frame has one fate. Pure.

The same field after field (as a firewall decision diagram does, Gouda and Liu 2007): a field's values are parted by what the rules still
in question say of them, and each part goes on with the rules that hold there. As soon as the rules left cannot differ any more, the
rest of the fields is not looked at: a deny of a whole port is one region, whatever the frames are. Where all is said, the rules that are
left are given to `semantics.decide`, from which a single frame's fate comes as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from drivers.header_sets import EVERYTHING, OF_IPV4, Space, Values, space_of
from drivers.rules import Action, Direction, Match, Rule
from drivers.semantics import Fate, decide

_FIELDS = len(Space._fields)


class Region(NamedTuple):
    """Every frame in `space` has this fate, by this rule (None: no rule decided)."""

    space: Space
    fate: Fate
    rule: Rule | None


class Voice(NamedTuple):
    """A rule and what it says of each field; None: nothing, of what is asked about. `settled`: from this field on it says nothing more."""

    rule: Rule
    said: tuple[Any, ...]
    settled: int

    @property
    def speaker(self) -> tuple[str, Direction]:
        return self.rule.provenance.containment, self.rule.match.direction


def voices(rules: Iterable[Rule]) -> list[Voice]:
    """Of those rules that can decide a frame's fate: counts, mirrors and moves to a VLAN let it pass."""
    found = []
    for rule in rules:
        if rule.action is Action.SHUT and rule.match.port is not None:
            found += [_voice(rule, space_of(Match(direction, port=rule.match.port))) for direction in Direction]
        elif rule.action in (Action.DENY, Action.PERMIT):
            found.append(_voice(rule, space_of(rule.match)))
    return found


def _voice(rule: Rule, space: Space) -> Voice:
    pairs: Iterable[tuple[Any, Any]] = zip(space, EVERYTHING, strict=True)
    said = tuple(None if own == whole else own for own, whole in pairs)
    return Voice(rule, said, _settled(said))


def _settled(said: Sequence[object]) -> int:
    last = _FIELDS
    while last and said[last - 1] is None:
        last -= 1
    return last


class Choir:
    """Voices that are asked many questions. Most say the same of a field as others do: of each field, what is said is looked at once in a
    question, for all that say it."""

    def __init__(self, speaking: Iterable[Voice]) -> None:
        self.voices = tuple(speaking)
        self._alike: list[tuple[int, list[tuple[Any, int]]]] = []
        for field in range(_FIELDS):
            alike: dict[Any, int] = {}
            for number, voice in enumerate(self.voices):
                if (values := voice.said[field]) is not None:
                    alike[values] = alike.get(values, 0) | 1 << number
            if alike:
                self._alike.append((field, list(alike.items())))

    def heard(self, asked: Space) -> list[Voice]:
        """Those that speak of some of what is asked, without what they say of all of it. Whoever asks several questions within one space
        saves time by hearing them there first."""
        left = (1 << len(self.voices)) - 1
        parting: list[tuple[int, Any, int]] = []
        for field, alike in self._alike:
            of = cast(Any, asked[field])
            for values, who in alike:
                if not left & who:
                    continue
                both = of & values
                if not both:
                    left &= ~who
                elif both != of:
                    parting.append((field, both, who))
        return self._without(left, parting)

    def _without(self, left: int, parting: Iterable[tuple[int, Any, int]]) -> list[Voice]:
        """These voices (bits), with what each of them says that tells some of what is asked from the rest."""
        said: dict[int, list[Any]] = {n: [None] * _FIELDS for n in range(len(self.voices)) if left >> n & 1}
        for field, values, who in parting:
            who &= left
            while who:
                lowest = who & -who
                said[lowest.bit_length() - 1][field] = values
                who ^= lowest
        return [Voice(self.voices[n].rule, tuple(one), _settled(one)) for n, one in said.items()]


def regions(speaking: Iterable[Voice], asked: Space) -> Iterator[Region]:
    """`asked`, parted. No two regions have a frame in common, and together they are all of it."""
    return parted(Choir(speaking).heard(asked), asked)


def parted(heard: list[Voice], asked: Space) -> Iterator[Region]:
    """The same, by those that were heard of it."""
    return _part(heard, asked, 0)


def foregone(speaking: Sequence[Voice]) -> Fate | None:
    """The one fate of everything that these were heard of; None: they tell some of it from the rest."""
    region = _foregone(list(speaking), EVERYTHING, 0)
    return None if region is None else region.fate


def _part(speaking: list[Voice], space: Space, field: int) -> Iterator[Region]:
    if (region := _foregone(speaking, space, field)) is not None:
        yield region
        return
    while field < _FIELDS and all(voice.said[field] is None for voice in speaking):
        field += 1
    for values, left in _atoms(speaking, space, field):
        part = Space(*space[:field], values, *space[field + 1 :])  # type: ignore[call-arg, arg-type]  # as many, one field's for its own
        yield from _part(left, _within_ipv4(part) if field == 0 else part, field + 1)


def _foregone(speaking: list[Voice], space: Space, field: int) -> Region | None:
    """The one fate of all of it, where there is one already. None: it takes another field to tell."""
    against = [voice for voice in speaking if voice.rule.action is not Action.PERMIT]
    if not against:
        return Region(space, Fate.PASS, None)
    if field >= max(voice.settled for voice in speaking):
        hits: dict[Action, list[Rule]] = {}
        for voice in speaking:
            hits.setdefault(voice.rule.action, []).append(voice.rule)
        verdict = decide(hits)
        return Region(space, verdict.fate, verdict.rule)
    permits = [voice for voice in speaking if voice.rule.action is Action.PERMIT]
    permitting = {voice.speaker for voice in permits}
    for voice in against:
        if voice.settled <= field and (voice.rule.action is Action.SHUT or voice.speaker not in permitting):
            return Region(space, Fate.DROP, voice.rule)
    kept = {voice.speaker for voice in permits if voice.settled <= field}
    if kept and all(voice.rule.action is Action.DENY and voice.speaker in kept for voice in against):
        return Region(space, Fate.PASS, None)
    return None


def _atoms(speaking: list[Voice], space: Space, field: int) -> Iterator[tuple[Values, list[Voice]]]:
    """The field's values, parted by which voices speak of them; values of which the same are true are one part."""
    silent = frozenset(number for number, voice in enumerate(speaking) if voice.said[field] is None)
    parts: list[tuple[Values, frozenset[int]]] = [(space[field], silent)]
    by_values: dict[Values, list[int]] = {}
    for number, voice in enumerate(speaking):
        if (said := voice.said[field]) is not None:
            by_values.setdefault(said, []).append(number)
    for values, numbers in by_values.items():
        parts = [one for part in parts for one in _cut(*part, values, numbers)]
    merged: dict[frozenset[int], Values] = {}
    for values, alike in parts:
        merged[alike] = merged[alike] | values if alike in merged else values
    for alike, values in merged.items():
        yield values, [voice for number, voice in enumerate(speaking) if number in alike]


def _cut(
    part: Values, numbers: frozenset[int], values: Values, speaking: list[int]
) -> Iterator[tuple[Values, frozenset[int]]]:
    if inside := part & values:
        yield inside, numbers.union(speaking)
    if outside := part & ~values:
        yield outside, numbers


def _within_ipv4(space: Space) -> Space:
    """Kinds that all have IPv4 addresses have no others."""
    if any(kind.version != 4 for kind in space.kinds.values):
        return space
    return space._replace(ip_src=space.ip_src & OF_IPV4, ip_dst=space.ip_dst & OF_IPV4)
