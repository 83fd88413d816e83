"""Profiles that close one flow of a device and leave the rest, made when they are asked for and named by what they close. Pure.

A containment keeps its profile's name alone, so the name says it all: `flow:from` is all that the device sends, `flow:to` all that is sent
to it, and `flow:from,tcp,10996,198.51.100.4/32,80` what it sends by TCP from its port 10996 to port 80 of that peer (`*`: any). Packets
of the other way are not closed: an SLPF keeps no state, and its rules speak of one way each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from controller.model import Entry, Peers, Profile, Way
from drivers.rules import Action, Network, PortRange, Protocol

_PREFIX = "flow:"
_ANY = "*"
_ALL_STRICTNESS, _SOME_STRICTNESS = 60, 10


@dataclass(frozen=True, slots=True)
class Flow:
    """Of a contained device, as it sees it: None is any. Ports need a protocol of TCP or UDP."""

    way: Way
    protocol: Protocol | None = None
    own_port: int | None = None
    peer: Network | None = None
    peer_port: int | None = None

    @property
    def name(self) -> str:
        parts = (self.protocol, self.own_port, self.peer, self.peer_port)
        if all(part is None for part in parts):
            return f"{_PREFIX}{self.way.value}"
        return ",".join([f"{_PREFIX}{self.way.value}", *(_ANY if part is None else str(part) for part in parts)])

    @property
    def profile(self) -> Profile:
        whole = self.protocol is None and self.peer is None
        entry = Entry(
            Action.DENY,
            self.way,
            protocol=self.protocol,
            peers=None if self.peer is None else Peers((self.peer,)),
            exact=(_ports(self.own_port), _ports(self.peer_port)),
        )
        return Profile(
            self.name,
            _ALL_STRICTNESS if whole else _SOME_STRICTNESS,
            "closes this flow alone, one way; leaves the rest",
            Action.PERMIT,
            (entry,),
        )


def _ports(number: int | None) -> PortRange | None:
    return None if number is None else PortRange(number, number)


def profile_named(name: str, catalogue: Mapping[str, Profile]) -> Profile | None:
    """The catalogue's, or the flow's that the name says; None when it is neither."""
    if (known := catalogue.get(name)) is not None or not name.startswith(_PREFIX):
        return known
    way, *rest = name.removeprefix(_PREFIX).split(",")
    try:
        if not rest:
            return Flow(_one_way(way)).profile
        protocol, own, peer, far = (None if part == _ANY else part for part in rest)
        return Flow(
            _one_way(way),
            None if protocol is None else Protocol(protocol),
            None if own is None else int(own),
            None if peer is None else ip_network(peer),
            None if far is None else int(far),
        ).profile
    except ValueError:
        return None


def _one_way(word: str) -> Way:
    way = Way(word)
    if way is Way.BOTH:
        raise ValueError("a flow goes one way")
    return way
