"""Profiles as people write them in the configuration: read, resolved, and refused where an entry could not mean what it says. Pure.

profiles:
  - name: keep-directory
    description: a domain controller that keeps signing people in
    default: permit
    entries:
      - {name: SMB, action: deny, protocol: tcp, ports: [445], direction: both}
      - {action: permit, protocol: tcp, ports: [445], direction: to, peers: [10.0.0.5, group:backup, role:file-server]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from controller.model import FULL, Entry, Peers, Profile, Way
from controller.profiles import LATERAL, MONITOR, QUARANTINE, REMEDIATION
from controller.role_match import BY_ROLE
from controller.yaml_source import LocatedError
from drivers.rules import Action, Network, PortRange, Protocol

BUILT_IN = (FULL.name, LATERAL.name, MONITOR.name, REMEDIATION, QUARANTINE, BY_ROLE.name)
NAME = r"^[a-z0-9][a-z0-9-]{0,40}$"
_DEFAULT_STRICTNESS = {"deny": 60, "permit": 30}


def _ports(written: object) -> object:
    """445, "445" or "5900-5909"; a single one needs no list."""
    return [_port_range(one) for one in (written if isinstance(written, list | tuple) else [written])]


def _port_range(written: object) -> PortRange:
    first, dash, last = str(written).partition("-")
    if not first.strip().isdigit() or (dash and not last.strip().isdigit()):
        raise ValueError(f"not a port or a range of ports: {written!r}; write 445 or 5900-5909")
    low, high = int(first), int(last if dash else first)
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"not a range of ports: {written}; ports are 1 to 65535, the lower one first")
    return PortRange(low, high)


class EntryFile(BaseModel):
    """`ports` are the service's: at the peer for `from`, at the device for `to`. `peers`: addresses, prefixes, role:NAME, group:NAME."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    action: Literal["deny", "permit"]
    name: str = Field(default="", max_length=60)
    protocol: Literal["any", "tcp", "udp", "icmp", "icmpv6", "arp"] = "any"
    ports: Annotated[tuple[PortRange, ...], BeforeValidator(_ports)] = ()
    direction: Way = Way.BOTH
    peers: tuple[str, ...] | None = None


class ProfileFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=NAME)
    description: str = Field(default="", max_length=200)
    default: Literal["deny", "permit"]
    strictness: int | None = Field(default=None, ge=1, le=99)
    entries: tuple[EntryFile, ...] = Field(min_length=1)


def resolve(written: Sequence[ProfileFile], groups: Mapping[str, tuple[Network, ...]]) -> tuple[Profile, ...]:
    """The profiles that were written. Raises LocatedError, with the place in the configuration and what to write instead."""
    found: dict[str, Profile] = {}
    for index, one in enumerate(written):
        if one.name in BUILT_IN or one.name in found:
            what = "built in" if one.name in BUILT_IN else "there already"
            raise LocatedError(
                ("profiles", index, "name"), f"a profile {one.name!r} is {what}: give this one another name"
            )
        found[one.name] = _profile(one, ("profiles", index), groups)
    return tuple(found.values())


def _profile(one: ProfileFile, where: tuple[str | int, ...], groups: Mapping[str, tuple[Network, ...]]) -> Profile:
    entries = tuple(_entry(entry, (*where, "entries", n), groups) for n, entry in enumerate(one.entries))
    default = Action(one.default)
    for number, why in _pointless(entries, default):
        raise LocatedError((*where, "entries", number), why)
    strictness = _DEFAULT_STRICTNESS[one.default] if one.strictness is None else one.strictness
    return Profile(one.name, strictness, one.description, default, entries)


def _entry(entry: EntryFile, where: tuple[str | int, ...], groups: Mapping[str, tuple[Network, ...]]) -> Entry:
    if entry.ports and entry.protocol not in ("tcp", "udp"):
        raise LocatedError(
            (*where, "ports"), f"ports need protocol tcp or udp, and this entry is about {entry.protocol}"
        )
    peers = None if entry.peers is None else _peers(entry.peers, (*where, "peers"), groups)
    protocol = None if entry.protocol == "any" else Protocol(entry.protocol)
    version = {Protocol.ICMP: 4, Protocol.ARP: 4, Protocol.ICMPV6: 6}.get(protocol) if protocol else None
    for prefix in () if peers is None else peers.prefixes:
        if version not in (None, prefix.version):
            raise LocatedError(
                (*where, "peers"), f"{entry.protocol} is IPv{version}, and {prefix} is not: no frame is both"
            )
    return Entry(Action(entry.action), entry.direction, entry.name, protocol, entry.ports, peers)


def _peers(written: Sequence[str], where: tuple[str | int, ...], groups: Mapping[str, tuple[Network, ...]]) -> Peers:
    if not written:
        raise LocatedError(where, "an empty list is nobody: leave `peers` out for everybody")
    prefixes: list[Network] = []
    roles: list[str] = []
    for one in written:
        if one.startswith("role:") and one != "role:":
            roles.append(one.removeprefix("role:"))
        elif one.startswith("group:") and one.removeprefix("group:") in groups:
            prefixes += groups[one.removeprefix("group:")]
        elif one.startswith("group:"):
            known = f"known are {', '.join(groups)}" if groups else "none is defined under `groups`"
            raise LocatedError(where, f"no group {one.removeprefix('group:')!r}; {known}")
        else:
            prefixes.append(_network(one, where))
    return Peers(tuple(dict.fromkeys(prefixes)), tuple(dict.fromkeys(roles)))


def _network(written: str, where: tuple[str | int, ...]) -> Network:
    try:
        return ip_network(written)
    except ValueError as error:
        bits = f" ({error})" if "host bits" in str(error) else ""
        raise LocatedError(
            where, f"{written!r} is no address, prefix (10.0.0.0/24), role:NAME or group:NAME{bits}"
        ) from error


def _pointless(entries: Sequence[Entry], default: Action) -> Iterator[tuple[int, str]]:
    """Entries that could never mean anything, each with the reason: in a profile what is permitted outweighs what is denied."""
    for number, entry in enumerate(entries):
        twin = next((n for n, other in enumerate(entries[:number]) if _same(entry, other)), None)
        if twin is not None:
            yield number, f"entry {twin + 1} says the same already"
        elif entry.action is Action.DENY and default is Action.DENY:
            yield number, "the default is deny already; to leave something out of a permit, write that permit narrower"
        elif entry.action is Action.DENY:
            over = next((n for n, p in enumerate(entries) if p.action is Action.PERMIT and _covers(p, entry)), None)
            if over is not None:
                yield number, f"entry {over + 1} permits all of this, and a permit outweighs a deny: nothing is denied"
        elif default is Action.PERMIT and not any(d.action is Action.DENY and _meets(d, entry) for d in entries):
            yield number, "the default is permit, and no entry denies any of this: the permit does nothing"


def _same(one: Entry, other: Entry) -> bool:
    return one.action is other.action and _covers(one, other) and _covers(other, one)


def _covers(wide: Entry, narrow: Entry) -> bool:
    return (
        (wide.way in (Way.BOTH, narrow.way))
        and wide.protocol in (None, narrow.protocol)
        and (not wide.ports or (bool(narrow.ports) and all(_inside(p, wide.ports) for p in narrow.ports)))
        and (wide.peers is None or (narrow.peers is not None and _whom_covers(wide.peers, narrow.peers)))
    )


def _inside(ports: PortRange, ranges: Sequence[PortRange]) -> bool:
    """As written: two ranges that only together hold it are not put together."""
    return any(one.first <= ports.first and ports.last <= one.last for one in ranges)


def _whom_covers(wide: Peers, narrow: Peers) -> bool:
    return set(narrow.roles) <= set(wide.roles) and all(
        any(_within(prefix, other) for other in wide.prefixes) for prefix in narrow.prefixes
    )


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _meets(one: Entry, other: Entry) -> bool:
    """Whether some frame could be in both. Roles may be anybody."""
    return (
        (one.way is other.way or Way.BOTH in (one.way, other.way))
        and (one.protocol is other.protocol or None in (one.protocol, other.protocol))
        and (
            not one.ports
            or not other.ports
            or any(a.first <= b.last and b.first <= a.last for a in one.ports for b in other.ports)
        )
        and (_anybody(one) or _anybody(other) or _share(one, other))
    )


def _anybody(entry: Entry) -> bool:
    return entry.peers is None or bool(entry.peers.roles)


def _share(one: Entry, other: Entry) -> bool:
    pairs = ((a, b) for a in (one.peers or Peers()).prefixes for b in (other.peers or Peers()).prefixes)
    return any(_within(a, b) or _within(b, a) for a, b in pairs)
