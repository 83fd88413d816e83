"""Which device was it, then, and where is it plugged in now. Pure: reads the network view, changes nothing.

Identity is resolved as of the alert's time: the holder of an address must be one and the same across [t - skew, t + skew], and nobody else
may have spoken for it shortly before, unless a lease or a pulled cable explains the change. Only then is the device's *present* place
looked up, since that is where it has to be contained.
"""

from __future__ import annotations

from dataclasses import replace

from controller.config import Locating
from controller.model import Address, Attachment, Located, Location, Target
from controller.network.spans import Span
from controller.network.view import NetworkView
from controller.network.virtual_macs import shared_by
from drivers.rules import Mac, PortName


def locate(target: Target, as_of: float, now: float, network: NetworkView, settings: Locating) -> Location:
    """Where `target` was meant to be as of `as_of` (seconds since the epoch), and where that device is now."""
    if as_of > now + settings.skew:
        return _ambiguous(
            target, as_of, f"the alert's time is {as_of - now:.1f} s in the future: check the sensor's clock"
        )
    if as_of < now - settings.too_old:
        return _ambiguous(target, as_of, f"the alert is {(now - as_of) / 3600:.1f} h old: too old to act upon")
    if target.place is not None:
        return _at_place(target, target.place, as_of, now, network)
    if target.mac is not None:
        return _of_mac(target, target.mac, as_of, now, network, settings, ())
    if target.ip is not None:
        return _of_ip(target, target.ip, as_of, now, network, settings)
    raise ValueError("a target names an IP, a MAC or a place")


def _of_ip(target: Target, ip: Address, as_of: float, now: float, network: NetworkView, settings: Locating) -> Location:
    if declared := network.inventory.not_an_endpoint(ip):
        return Location(Located.NOT_AN_ENDPOINT, target, as_of, against=(declared,))
    if router := network.inventory.router_name(None, ip):
        return Location(Located.BEHIND_ROUTER, target, as_of, against=(f"{ip} is an address of router {router!r}",))
    if behind := network.inventory.off_link(ip):
        return Location(Located.BEHIND_ROUTER, target, as_of, against=(behind,))
    histories = network.bindings.histories_of_ip(target.realm, ip)
    held = [
        (h, _within(_not_belied(h), as_of - settings.skew, as_of + settings.skew, settings.max_age)) for h in histories
    ]
    held = sorted(((h, spans) for h, spans in held if spans), key=lambda one: one[1][-1].last)
    if not held:
        return _unknown(
            target, as_of, histories[0] if histories else [], "no edge port of a managed switch has seen it"
        )
    if len({spans[-1].mac for _, spans in held}) > 1:
        return _contested(target, as_of, [spans[-1] for _, spans in held], network, _ON_SEVERAL_LINKS)
    history, spans = held[-1]
    rivals = _rivals(history, spans[-1], as_of, settings, network, others=_contest(ip, settings))
    rivals += [
        s for s in _other_devices(spans, spans[-1], as_of, network) if s.mac != spans[-1].mac and s not in rivals
    ]
    if rivals:
        return _contested(target, as_of, [spans[-1], *rivals], network, _ON_SEVERAL_LINKS if ip.is_link_local else "")
    evidence = (_sentence(spans[-1], network, now),)
    return _of_mac(target, Mac(spans[-1].mac), as_of, now, network, settings, evidence)


def _contest(ip: Address, settings: Locating) -> float:
    """How long after its last word another MAC puts the holder in doubt. A link-local address may belong to one device on every link, and
    not every link shows in a frame: as long as another stands, no one is the holder."""
    return settings.max_age if ip.is_link_local else settings.contest


def _not_belied(history: list[Span]) -> list[Span]:
    return [span for span in history if not span.belied]


def _of_mac(
    target: Target,
    mac: Mac,
    as_of: float,
    now: float,
    network: NetworkView,
    settings: Locating,
    evidence: tuple[str, ...],
) -> Location:
    joined = network.joined.of(target.realm, mac)
    if joined is not None:
        evidence = (*evidence, str(joined))
    macs = frozenset({mac}) if joined is None else joined.macs
    router = next((name for one in sorted(macs) if (name := network.is_router(target.realm, one))), None)
    if router is not None:
        why = f"{mac} is router {router!r}: what is seen at it is behind it, and its port is never contained"
        return Location(Located.BEHIND_ROUTER, target, as_of, evidence=evidence, against=(why,))
    if (protocol := shared_by(mac)) is not None:
        return _of_virtual(target, mac, protocol, as_of, now, network, settings, evidence)
    history = network.bindings.history_of_mac(target.realm, mac)
    present = _within(history, now, now, settings.max_age)
    if not present:
        return _unknown(target, as_of, history, f"{mac} has not been seen at an edge port lately")
    rivals = _rivals(history, present[-1], now, settings, network)
    if rivals:
        return _contested(target, as_of, [present[-1], *rivals], network)
    return _found(target, as_of, now, network, macs, present[-1], evidence)


def _of_virtual(
    target: Target,
    virtual: Mac,
    protocol: str,
    as_of: float,
    now: float,
    network: NetworkView,
    settings: Locating,
    evidence: tuple[str, ...],
) -> Location:
    """The device that spoke under a virtual MAC then: the one with a MAC of its own at that port."""
    history = network.heard_by_others(network.bindings.history_of_mac(target.realm, virtual))
    spans = _within(history, as_of - settings.skew, as_of + settings.skew, settings.max_age)
    if not spans:
        return _unknown(target, as_of, history, f"{virtual} ({protocol}) has not been seen at an edge port lately")
    if len({span.place for span in spans}) > 1:
        return _contested(target, as_of, spans, network, f"{virtual} ({protocol}) failed over: name a device's own MAC")
    place = spans[-1].place
    owners = network.owners_of_virtual(target.realm, place, as_of)
    shown = f"{virtual} is a virtual MAC ({protocol}), spoken for at {network.graph.label(place)}"
    if len(owners) == 1:
        (owner,) = owners
        return _of_mac(target, owner, as_of, now, network, settings, (*evidence, f"{shown} by {owner}"))
    who = (
        f"{', '.join(sorted(owners))} are there: which of them it is cannot be told"
        if owners
        else "nobody else is known there"
    )
    why = f"{shown}, and {who}. Name a device's own MAC"
    return replace(_ambiguous(target, as_of, why), evidence=evidence, candidates=(place,))


def _at_place(target: Target, place_name: tuple[str, str], as_of: float, now: float, network: NetworkView) -> Location:
    device = network.graph.find_device(place_name[0])
    if device is None:
        return _unknown(target, as_of, [], f"there is no device {place_name[0]!r}; `netcordon devices` lists them")
    port = network.graph.find_port(device, place_name[1])
    if port is None:
        return _unknown(target, as_of, [], f"{place_name[0]} has no port {place_name[1]!r}")
    place = network.graph.one_place(Attachment(device, port))
    realm = network.realm_of(place)
    if network.graph.is_uplink(device, port):
        why = f"{network.graph.label(place)} is an uplink: a switch or a router is behind it"
        return Location(Located.BEHIND_ROUTER, target, as_of, against=(why,))
    segment = network.graph.segment_at(place)
    if segment is not None and (segment.tunnelled or network.graph.is_transit(place)):
        why = f"{network.graph.label(place)} leads to {segment.in_words}: who is behind it is many places. Name the device's MAC or address"
        return Location(Located.UNPLACEABLE, target, as_of, against=(why,))
    present = network.bindings.on_place(realm, place, now - network.max_age)
    routers = [name for mac in present if (name := network.is_router(realm, mac))]
    if routers:
        why = f"router {routers[0]!r} is at {network.graph.label(place)}"
        return Location(Located.BEHIND_ROUTER, target, as_of, against=(why,))
    macs = network.joined.with_(realm, (mac for mac in present if shared_by(mac) is None))
    endpoint = network.endpoint_at(realm, macs, place, now)
    evidence = (
        f"the operator named {network.graph.label(place)}; seen there: {', '.join(sorted(present)) or 'nobody yet'}",
    )
    return Location(
        Located.FOUND, target, as_of, endpoint, 1.0, evidence, revision=network.bindings.revision, candidates=(place,)
    )


def _found(
    target: Target,
    as_of: float,
    now: float,
    network: NetworkView,
    macs: frozenset[Mac],
    span: Span,
    evidence: tuple[str, ...],
) -> Location:
    segment = network.graph.segment_at(span.place)
    if segment is not None and segment.tunnelled:
        why = (
            f"it comes out of a tunnel at {network.graph.label(span.place)} ({segment.in_words}): where it is attached is not known here."
            " Contain it where the tunnels begin"
        )
        return Location(Located.UNPLACEABLE, target, as_of, evidence=evidence, against=(why,), candidates=(span.place,))
    endpoint = network.endpoint_at(target.realm, macs, span.place, now)
    if (left := network.graph.unsettled_for(span.place, now)) > 0:
        why = (
            f"{network.graph.label(span.place)} came up a moment ago: whether a switch is behind it is not known yet. Try again in"
            f" {left:.0f} s"
        )
        return replace(_ambiguous(target, as_of, why), candidates=(span.place,))
    claims = sorted(str(ip) for mac in macs for ip in network.bindings.ips_claimed_by(target.realm, mac))
    against: tuple[str, ...] = (
        (f"it also answered for {', '.join(claims)}, which others hold: spoofing, or a change under way",)
        if claims
        else ()
    )
    others = (
        network.bindings.on_place(target.realm, span.place, now - network.max_age).keys() - macs - endpoint.neighbours
    )
    virtual = {mac for mac in others if shared_by(mac) is not None}
    young = others - virtual
    if any((target.realm, mac) in network.bindings.advertisers for mac in macs):
        against += (
            "it sends router advertisements, and is not listed under network.routers: a router, or playing one",
        )
    if virtual:
        against += (
            f"it also speaks as {', '.join(sorted(virtual))}, which another takes over when it falls silent: what is addressed to that MAC"
            " goes on there",
        )
    if young:
        against += (f"{', '.join(sorted(young))} turned up on its port a moment ago: taken for the same device",)
    return Location(
        status=Located.FOUND,
        target=target,
        as_of=as_of,
        endpoint=endpoint,
        confidence=_confidence(span, now),
        evidence=(*evidence, f"present place: {_sentence(span, network, now)}"),
        against=against,
        candidates=(span.place,),
        revision=network.bindings.revision,
    )


def _within(history: list[Span], start: float, end: float, max_age: float) -> list[Span]:
    """The spans that hold at some moment of [start, end]: each until the next one begins, the newest for `max_age` more."""
    ends = [span.first for span in history[1:]] + ([history[-1].last + max_age] if history else [])
    return [span for span, until in zip(history, ends, strict=True) if span.first <= end and until > start]


def _rivals(
    history: list[Span],
    holder: Span,
    as_of: float,
    settings: Locating,
    network: NetworkView,
    others: float | None = None,
) -> list[Span]:
    """Spans of other holders close enough in time to put `holder` in doubt, one for each other holder. `others`: for how many seconds
    after its last word another MAC does."""
    start, end = as_of - settings.contest, as_of + settings.skew
    others_start = start if others is None else as_of - others
    near = [s for s in history if s.first <= end and s.last >= (start if s.mac == holder.mac else others_start)]
    strangers = _other_devices(near, holder, as_of, network)
    doubtful = [s for s in strangers if not _explained(s, holder, history, settings, network)]
    return list({(s.mac, s.device, s.port): s for s in doubtful}.values())


def _other_devices(spans: list[Span], holder: Span, as_of: float, network: NetworkView) -> list[Span]:
    """Those of `spans` that are not the holder's. Another MAC on the very same port that is no device of its own there is the
    holder under another name."""
    others = [s for s in spans if not s.same_holder(holder)]
    if not any(s.at(holder.device, holder.port) for s in others):
        return others
    separate = network.separate_devices(network.realm_of(holder.place), holder.place, as_of)
    return [s for s in others if not s.at(holder.device, holder.port) or Mac(s.mac) in separate]


def _explained(other: Span, holder: Span, history: list[Span], settings: Locating, network: NetworkView) -> bool:
    """Why `other` came before `holder` without a fight. A virtual MAC goes from one to another as it should. The same MAC at another
    port: the cable was pulled there (a lease says nothing, since whoever copies a MAC gets its lease as well). Another MAC: the
    infrastructure gave the address away, and not back to one that had it before an uninvited `other` spoke up."""
    if other.mac == holder.mac and shared_by(Mac(holder.mac)) is not None:
        return True  # a failover: `_of_virtual` looks who it was when
    if other.last > holder.first:
        return False
    if other.mac == holder.mac:
        return network.graph.went_down_between(other.place, other.last - settings.skew, holder.first + settings.skew)
    had_it_before = any(s.mac == holder.mac and s.first < other.first for s in history)
    return holder.lease and (other.lease or not had_it_before)


def _confidence(span: Span, now: float) -> float:
    if span.lease:
        return 0.95
    return 0.9 if now - span.last <= 300 else 0.7


def _sentence(span: Span, network: NetworkView, now: float) -> str:
    seen = "by a DHCP lease" if span.lease else f"by {span.source}"
    who = f"{span.ip} at {span.mac}" if span.ip else span.mac
    return f"{who} on {network.graph.label(span.place)}, {seen}, last seen {max(0.0, now - span.last):.1f} s ago"


_ON_SEVERAL_LINKS = "a link-local address is one device's on each link alone: name the MAC or another address"


def _contested(target: Target, as_of: float, spans: list[Span], network: NetworkView, advice: str = "") -> Location:
    voices = " and ".join(
        sorted(f"{s.mac} on {network.graph.label(Attachment(s.device, PortName(s.port)))}" for s in spans)
    )
    return Location(
        Located.AMBIGUOUS,
        target,
        as_of,
        against=(f"{target} was claimed by {voices} at about that time", *filter(None, [advice])),
        candidates=tuple(dict.fromkeys(span.place for span in spans)),
    )


def _ambiguous(target: Target, as_of: float, why: str) -> Location:
    return Location(Located.AMBIGUOUS, target, as_of, against=(why,))


def _unknown(target: Target, as_of: float, history: list[Span], why: str) -> Location:
    last = (
        (f"last heard of {as_of - history[-1].last:.0f} s before that",) if history and history[-1].last < as_of else ()
    )
    return Location(Located.UNKNOWN, target, as_of, against=(f"{target}: {why}", *last))
