"""What two devices can say to each other, as things should stand now: the way between them, and what stops what on it. Pure.

It speaks of what each network device should hold, which is what it does hold once it is converged; of frames under the devices' own
addresses; and of no device that takes no rules from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.model import Endpoint
from controller.network.paths import Crossed, Hop, along
from controller.network.regions import Voice, voices
from controller.questions import SERVICES
from drivers.header_sets import ADDRESSES, ANY_PORT, L4, Names, Ranges, Space, these
from drivers.rules import Rule
from drivers.semantics import Fate


class Passage(StrEnum):
    """Of all frames of one kind, one way."""

    PASSES = "passes"
    PARTLY = "partly"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Stop:
    """Where something is dropped: the device and its ports, because of which containment, and by which of its rules (the id)."""

    hop: Hop
    containment: str
    rule: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """`ports`: what is stopped is to these (first, last); empty: whatever its ports, or it has none. `from_ports` likewise: from these."""

    kind: str
    passage: Passage
    stops: tuple[Stop, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    from_ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Between:
    """`hops` from the source to the destination; None: no way is known, and nothing is said of what passes."""

    source: Endpoint
    destination: Endpoint
    hops: tuple[Hop, ...] | None
    there: tuple[Traffic, ...] = ()
    back: tuple[Traffic, ...] = ()


def between(
    source: Endpoint, destination: Endpoint, hops: tuple[Hop, ...] | None, rules: Mapping[str, Iterable[Rule]]
) -> Between:
    """`hops`: the `path` from one to the other; `rules`: what each device on it should hold."""
    if hops is None:
        return Between(source, destination, None)
    speaking = {hop.device: voices(rules.get(hop.device, ())) for hop in hops}
    returning = tuple(Hop(hop.device, hop.out_port, hop.in_port) for hop in reversed(hops))
    there = tuple(_traffic(source, destination, hops, speaking))
    return Between(source, destination, hops, there, tuple(_traffic(destination, source, returning, speaking)))


def _traffic(
    sender: Endpoint, receiver: Endpoint, hops: Sequence[Hop], speaking: Mapping[str, Sequence[Voice]]
) -> Iterator[Traffic]:
    for name, kinds, version in SERVICES:
        ends = [these(ip for ip in end.ips if ip.version == version) or ADDRESSES for end in (sender, receiver)]
        asked = Space(kinds, ANY_PORT, ANY_PORT, Names(sender.macs), Names(receiver.macs), L4, L4, ends[0], ends[1])
        yield _summed_up(name, list(along(hops, speaking, asked)))


def _summed_up(name: str, crossed: Sequence[Crossed]) -> Traffic:
    dropped = [one for one in crossed if one.fate is Fate.DROP]
    if not dropped:
        return Traffic(name, Passage.PASSES)
    stops = (Stop(one.hop, one.rule.provenance.containment, one.rule.id) for one in dropped if one.hop and one.rule)
    passage = Passage.BLOCKED if len(dropped) == len(crossed) else Passage.PARTLY
    shown = [one.space for one in dropped if any(kind.ports and not kind.fragment for kind in one.space.kinds.values)]
    # Spaces are parted by the receiver's ports first: where the sender's make no difference, those are what is stopped.
    to = _ports(space.l4_dst for space in shown if space.l4_src == L4)
    coming = _ports(space.l4_src for space in shown if space.l4_src != L4)
    return Traffic(name, passage, tuple(dict.fromkeys(stops)), to, coming)


def _ports(stopped: Iterable[Ranges]) -> tuple[tuple[int, int], ...]:
    """All of them together, where that is not every port."""
    union = Ranges.of(*(span for ranges in stopped for span in ranges.spans), limit=L4.limit)
    return () if union == L4 else tuple(union.spans)
