"""Who talked to whom, by what sensors tell of flows; and what of that a plan would end. Pure.

Only what some sensor saw is here, and only in memory: no conversation heard of is not nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.model import Address, Plan, Way
from drivers.rules import Mac, Rule
from drivers.semantics import Crossing, Fate, Frame, verdict

MOST = 20_000
"""Conversations that are remembered; of more, those heard of longest ago go."""
_NUMBERS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "ipv6-icmp": 58}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_HIGH_PORT = 50_000
"""As a client's port may be: profiles speak of the service's."""
_SOMEBODY = Mac("02:00:00:00:00:00")
_TCP_OR_UDP = (6, 17)


@dataclass(frozen=True, slots=True)
class Conversation:
    """`client` opened it to `port` of `server` (None: the protocol has no ports), at `at` (seconds since the epoch). `protocol` is its IP
    number, `source` who saw it."""

    client: Address
    server: Address
    protocol: int
    port: int | None
    at: float
    source: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A conversation that was heard of `times` since `first`, the last time as it stands in `last`."""

    last: Conversation
    first: float
    times: int


@dataclass(frozen=True, slots=True)
class Talk:
    """One kind of conversation of a device: `way` FROM was opened by it, TO to it."""

    peer: Address
    way: Way
    protocol: int
    port: int | None
    times: int
    last: float


@dataclass(frozen=True, slots=True)
class Impact:
    """What a plan would end of what was heard of the device since `since`, and what it would leave, the latest first. `sources` told of
    anybody's conversations at all since; none: nothing can be said."""

    since: float
    sources: tuple[str, ...]
    lost: tuple[Talk, ...] = ()
    kept: tuple[Talk, ...] = ()


def protocol_number(name: str) -> int | None:
    return _NUMBERS.get(name.casefold())


class Conversations:
    """The latest that were heard of, at most `most` different ones, none older than `window` seconds."""

    def __init__(self, window: float, began: float, most: int = MOST) -> None:
        self._window = window
        self._since = began
        self._most = most
        self._heard: OrderedDict[tuple[Address, Address, int, int | None], Heard] = OrderedDict()
        self._told: dict[str, float] = {}

    def hear(self, told: Conversation, now: float) -> None:
        """A time to come is another clock's: it counts as now. What is older than the window is passed over."""
        if told.at < now - self._window:
            return
        told = replace(told, at=min(told.at, now))
        key = (told.client, told.server, told.protocol, told.port)
        known = self._heard.pop(key, None)
        self._heard[key] = (
            Heard(told, told.at, 1)
            if known is None
            else Heard(told if told.at >= known.last.at else known.last, min(known.first, told.at), known.times + 1)
        )
        self._told[told.source] = max(told.at, self._told.get(told.source, 0.0))
        if len(self._heard) > self._most:
            _, gone = self._heard.popitem(last=False)
            self._since = max(self._since, gone.last.at)

    def impact(self, plan: Plan, now: float) -> Impact:
        """By all rules of the plan, with the device's own addresses: those that it uses."""
        since = max(self._since, now - self._window)
        for key in [key for key, heard in self._heard.items() if heard.last.at < now - self._window]:
            del self._heard[key]
        lost, kept = list[Talk](), list[Talk]()
        for heard in self._heard.values():
            for talk, own in _talks(heard, plan.endpoint.ips):
                (lost if _ends(talk, own, plan) else kept).append(talk)
        sources = sorted(name for name, at in self._told.items() if at >= now - self._window)
        return Impact(since, tuple(sources), _latest(lost), _latest(kept))


def _latest(talks: Iterable[Talk]) -> tuple[Talk, ...]:
    return tuple(sorted(talks, key=lambda talk: (-talk.last, str(talk.peer))))


def _talks(heard: Heard, ips: frozenset[Address]) -> Iterable[tuple[Talk, Address]]:
    one = heard.last
    if one.client in ips:
        yield Talk(one.server, Way.FROM, one.protocol, one.port, heard.times, one.at), one.client
    elif one.server in ips:
        yield Talk(one.client, Way.TO, one.protocol, one.port, heard.times, one.at), one.server


def _ends(talk: Talk, own: Address, plan: Plan) -> bool:
    """Whether some frame that it needs is dropped, or taken to another VLAN, at a port at which the plan is enforced."""
    mac = min(plan.endpoint.macs, default=_SOMEBODY)
    asked = _frame(talk, own, mac)
    for place in plan.enforced_at:
        rules: Sequence[Rule] = tuple(plan.rules.get(place.device, ()))
        for frame in asked:
            leaving = frame.ip_src == own
            crossing = Crossing(frame, place.port, None) if leaving else Crossing(frame, None, place.port)
            found = verdict(rules, crossing)
            if found.fate is Fate.DROP or found.vlan_in is not None or found.vlan_out is not None:
                return True
    return False


def _frame(talk: Talk, own: Address, mac: Mac) -> tuple[Frame, ...]:
    """The first one of whoever opened it, and an answer to it."""
    ports = talk.protocol in _TCP_OR_UDP and talk.port is not None
    service, other = (talk.port, _HIGH_PORT) if ports else (None, None)
    out = Frame(
        mac,
        _SOMEBODY,
        _ETHERTYPES[own.version],
        own,
        talk.peer,
        talk.protocol,
        other if talk.way is Way.FROM else service,
        service if talk.way is Way.FROM else other,
    )
    back = replace(
        out, eth_src=_SOMEBODY, eth_dst=mac, ip_src=talk.peer, ip_dst=own, l4_src=out.l4_dst, l4_dst=out.l4_src
    )
    tcp = talk.protocol == _NUMBERS["tcp"]
    first, answer = (out, back) if talk.way is Way.FROM else (back, out)
    return first, replace(answer, established=tcp)
