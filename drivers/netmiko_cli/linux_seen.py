"""What a Linux host that is a bridge says of itself: ports, what is behind them, our table, and the way that we came in by. Pure."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from drivers.base import ArpEntry, MacEntry, ObservedState
from drivers.netmiko_cli.arrival import UNKNOWN, Arrival, arrival
from drivers.netmiko_cli.asking import PLAIN_NAME, NotUnderstood
from drivers.netmiko_cli.linux_layout import BASE, TABLE, is_containments
from drivers.netmiko_cli.nft import Listed, listed
from drivers.rules import Mac, PortName, parse_mac

_TUNNELS = frozenset({"vxlan", "gre", "gretap", "ip6gretap", "geneve", "ipip", "sit", "wireguard", "l2tp"})


@dataclass(frozen=True, slots=True)
class SeenPort:
    """`unfit`: why nothing of ours belongs on it, where that is so."""

    name: PortName
    up: bool
    mac: Mac | None
    number: int
    bridge: str | None = None
    rx: int | None = None
    tx: int | None = None
    unfit: str | None = None


@dataclass(frozen=True, slots=True)
class SeenTable:
    """`sound`: its chains are hooked where ours are, and there is nothing in it but them. `chains` holds what is listed in each."""

    sound: bool
    chains: Mapping[str, tuple[Listed, ...]]


@dataclass(frozen=True, slots=True)
class Seen:
    boot_id: str = ""
    ports: Mapping[PortName, SeenPort] = field(default_factory=dict)
    vlans: tuple[int, ...] = ()
    macs: tuple[MacEntry, ...] = ()
    arp: tuple[ArpEntry, ...] = ()
    arrival: Arrival = UNKNOWN
    table: SeenTable | None = None


@dataclass(frozen=True, slots=True)
class LinuxState(ObservedState):
    """A read-back with all that it was read from, which `change` works on."""

    seen: Seen = Seen()


def read(answers: Mapping[str, str]) -> Seen:
    """`answers` are what the commands of `linux.QUESTIONS` printed, by their names. Raises NotUnderstood."""
    try:
        return _read(answers)
    except (KeyError, TypeError, AttributeError, IndexError) as wrong:
        raise NotUnderstood(f"the host answered in another form than is known: {wrong!r}") from None
    except NotUnderstood:
        raise
    except ValueError as wrong:
        raise NotUnderstood(f"the host answered what cannot be read: {wrong}") from None


def _read(answers: Mapping[str, str]) -> Seen:
    links = [link for link in json.loads(answers["links"]) if link.get("ifname")]
    vlans = {entry["ifname"]: list(entry.get("vlans", ())) for entry in json.loads(answers["vlans"] or "[]")}
    bridges = {link["ifname"]: link for link in links if _kind(link) == "bridge"}
    filtering = {name for name, link in bridges.items() if _info(link).get("vlan_filtering") == 1}
    macs = tuple(_learnt(json.loads(answers["fdb"] or "[]"), bridges))
    arp = tuple(neighbours(json.loads(answers["neighbours"] or "[]"), bridges, macs))
    came = arrival(answers["arrival"], json.loads(answers["route"] or "[]"), bridges, macs, arp)
    ports = {
        PortName(link["ifname"]): _port(link, bridges, filtering, vlans.get(link["ifname"], []), came)
        for link in links
        if "LOOPBACK" not in link["flags"]
    }
    used = {int(vlan["vlan"]) for entry in vlans.values() for vlan in entry}
    table = _table(json.loads(answers["rules"])["nftables"])
    return Seen(answers["boot"].strip(), ports, tuple(sorted(used)), macs, arp, came, table)


def _kind(link: Mapping[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))


def _info(link: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = link.get("linkinfo", {}).get("info_data", {})
    return found


def _port(
    link: Mapping[str, Any],
    bridges: Container[object],
    filtering: Container[object],
    vlans: list[Any],
    came: Arrival,
) -> SeenPort:
    name, master = PortName(link["ifname"]), link.get("master")
    counted = link.get("stats64", {})
    return SeenPort(
        name,
        "LOWER_UP" in link["flags"] and "UP" in link["flags"],
        _mac(link.get("address")),
        int(link["ifindex"]),
        master if master in bridges else None,
        counted.get("rx", {}).get("packets"),
        counted.get("tx", {}).get("packets"),
        _unfit(link, bridges, vlans if master in filtering else [], came),
    )


def _unfit(link: Mapping[str, Any], bridges: Container[object], vlans: list[Any], came: Arrival) -> str | None:
    name, master, kind = link["ifname"], link.get("master"), _kind(link)
    slave = str(link.get("linkinfo", {}).get("info_slave_kind", ""))
    if not PLAIN_NAME.fullmatch(name):
        return "its name has characters that are not put into a command"
    if name == came.port:
        return "the controller reaches this host through it: it would cut itself off"
    if name == came.interface:
        return "it is this host's management interface"
    if slave in ("bond", "team"):
        return f"it is a member of {master}: what is meant for it belongs there"
    if master not in bridges:
        return "it is no port of a bridge"
    if kind == "vlan":
        return "it is one VLAN of a trunk: an uplink"
    if kind in _TUNNELS:
        return f"it is a tunnel ({kind}): an uplink"
    tagged = [vlan for vlan in vlans if "Egress Untagged" not in vlan.get("flags", ()) or "vlanEnd" in vlan]
    return "it is a trunk: it has tagged VLANs" if tagged else None


def _learnt(entries: Iterable[Mapping[str, Any]], bridges: Mapping[str, Any]) -> Iterator[MacEntry]:
    """What the bridges heard by themselves: neither their own addresses nor what somebody wrote down."""
    for entry in entries:
        if entry.get("master") in bridges and entry.get("state", "") == "" and "self" not in entry.get("flags", ()):
            vlan = entry.get("vlan")
            yield MacEntry(parse_mac(entry["mac"]), PortName(entry["ifname"]), None if vlan is None else int(vlan))


def neighbours(
    entries: Iterable[Mapping[str, Any]], bridges: Container[object], macs: Iterable[MacEntry]
) -> Iterator[ArpEntry]:
    """Of those that the host itself heard lately. Where a MAC is, the bridge says."""
    places = {entry.mac: entry.port for entry in macs}
    for entry in entries:
        state = entry.get("state", ())
        if entry.get("lladdr") and {"REACHABLE", "STALE", "DELAY", "PROBE"} & set(state) and entry["dev"] in bridges:
            mac = parse_mac(entry["lladdr"])
            yield ArpEntry(ip_address(entry["dst"]), mac, places.get(mac))


def _table(objects: Iterable[Mapping[str, Any]]) -> SeenTable | None:
    found, sound = False, True
    hooks: dict[str, tuple[str, int]] = {}
    chains: dict[str, list[Listed]] = {}
    for thing in objects:
        kind, what = next(iter(thing.items()))
        if kind == "metainfo" or what.get("family") != "bridge" or what.get("table", what.get("name")) != TABLE:
            continue
        if kind == "table":
            found, sound = True, sound and not what.get("flags")
        elif kind == "chain":
            name = str(what["name"])
            chains.setdefault(name, [])
            if "hook" in what:
                hooks[name] = (str(what["hook"]), int(what["prio"]))
                sound = sound and what.get("policy", "accept") == "accept"
            elif not is_containments(name):
                sound = False
        elif kind == "rule":
            chains.setdefault(str(what["chain"]), []).append(listed(what))
        else:
            sound = False
    if not found:
        return None
    return SeenTable(sound and hooks == dict(BASE), {name: tuple(every) for name, every in chains.items()})


def _mac(address: str | None) -> Mac | None:
    """Some interfaces have an address that is none of Ethernet's."""
    try:
        return parse_mac(address) if address else None
    except ValueError:
        return None
