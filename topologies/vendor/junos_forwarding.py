"""What a Junos configuration means for frames.

- A port is switched where it has `family ethernet-switching`; it is an access port unless `interface-mode trunk` says otherwise, and one
  without a VLAN is in `default`, whose VLAN is 1 ("Configuring VLANs for EX Series Switches", Juniper). Any other port passes nothing here.
- A port's filter sees every frame, IP or not ("Firewall Filters for EX Series Switches Overview": port filters "apply to Layer 2 switch
  ports"). Its terms are tried in their order. All conditions of a term must match, of several values of a condition any one; a term without
  conditions matches everything. What no term matches is discarded: "each firewall filter has an implicit discard" ("Understanding How
  Firewall Filters Are Evaluated").
- A term that matches and says neither `accept` nor `discard` accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from topologies.vendor.acl_words import masks
from topologies.vendor.forwarding import Forwarding, List, Port
from topologies.vendor.junos_grammar import ETHERTYPES, PORT, PORTS, PROTOCOLS
from topologies.vendor.junos_tree import Tree

SWITCHED = ("family", "ethernet-switching")
DEFAULT = "default"


class CheckFailed(Exception):
    """The configuration's statements are right, and do not fit together. `path` is where."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def below(tree: Tree, *path: tuple[str, ...]) -> Tree:
    for key in path:
        tree = tree.get(key, {})
    return tree


def value(tree: Tree, name: str) -> str | None:
    """Of a leaf with one value."""
    return next((key[1] for key in tree if key[0] == name and len(key) == 2), None)


def values(tree: Tree, name: str) -> list[str]:
    return [key[-1] for key in tree if key[0] == name and len(key) == 2]


def vlans(configuration: Tree) -> Mapping[str, int]:
    """Numbers by name. One without a number passes nothing."""
    found = {DEFAULT: 1}
    for (name,), inner in below(configuration, ("vlans",)).items():
        number = value(inner, "vlan-id")
        if number is not None:
            found[name] = int(number)
    return found


def switched(configuration: Tree, number: int) -> Tree | None:
    """The Layer 2 settings of a port; None where it is no switchport."""
    unit = below(configuration, ("interfaces",), (f"{PORT}{number}",), ("unit", "0"))
    found = unit.get(SWITCHED)
    return found if isinstance(found, dict) else None


def members(configuration: Tree, settings: Tree) -> list[int]:
    """The VLANs that a port's settings name, by name or number."""
    known = vlans(configuration)
    named = values(below(settings, ("vlan",)), "members")
    if "all" in named:
        return sorted(known.values())
    found = [known[name] if name in known else int(name) for name in named if name in known or name.isdigit()]
    return [one for one in found if one in known.values()]


def check(configuration: Tree) -> None:
    """What a commit checks. Raises CheckFailed."""
    known, filters = vlans(configuration), below(configuration, ("firewall",), SWITCHED)
    for (name, *_), interface in below(configuration, ("interfaces",)).items():
        for unit, inner in interface.items():
            settings = inner.get(SWITCHED) if unit[0] == "unit" else None
            if settings is None:
                continue
            path = f"[edit interfaces {name} unit {unit[1]} family ethernet-switching]"
            named = values(below(settings, ("vlan",)), "members")
            for member in named:
                if member not in known and not member.isdigit() and member != "all":
                    raise CheckFailed(f"{path[:-1]} vlan]", f"VLAN {member} configured under {name}.0 does not exist")
            if len(named) > 1 and value(settings, "interface-mode") != "trunk":
                raise CheckFailed(f"{path[:-1]} vlan]", f"Access interface <{name}.0> has more than one VLAN member")
            for way in ("input", "output"):
                bound = value(below(settings, ("filter",)), way)
                if bound is not None and ("filter", bound) not in filters:
                    raise CheckFailed(f"{path[:-1]} filter]", f"Referenced filter '{bound}' is not defined")
    taken: dict[int, str] = {}
    for vlan, vlan_id in known.items():
        if vlan != DEFAULT and taken.setdefault(vlan_id, vlan) != vlan:
            raise CheckFailed(f"[edit vlans {vlan}]", f"vlan-id {vlan_id} is already used by vlan {taken[vlan_id]}")
    for key, terms in filters.items():
        if key[0] == "filter" and not any(one[0] == "term" for one in terms):
            raise CheckFailed(f"[edit firewall family ethernet-switching filter {key[1]}]", "Missing mandatory: term")


def forwarding(configuration: Tree, numbers: list[int]) -> Forwarding:
    """For a switch whose ge-0/0/<n> is port n."""
    return Forwarding(tuple(_port(configuration, number) for number in numbers))


def _port(configuration: Tree, number: int) -> Port:
    interface = below(configuration, ("interfaces",), (f"{PORT}{number}",))
    shut = ("disable",) in interface
    settings = switched(configuration, number)
    if settings is None:
        return Port(number, None, up=False, shut=shut)
    filters = below(configuration, ("firewall",), SWITCHED)
    lists = [
        (List(("",), tuple(entries(filters[("filter", name)]))),) if name is not None else ()
        for name in (value(below(settings, ("filter",)), way) for way in ("input", "output"))
    ]
    found = members(configuration, settings)
    if value(settings, "interface-mode") != "trunk":
        vlan = found[0] if found else 1 if ("vlan",) not in settings else None
        return Port(number, vlan, frozenset(), not shut, lists[0], lists[1], shut)
    native = value(interface, "native-vlan-id")
    return Port(number, None if native is None else int(native), frozenset(found), not shut, lists[0], lists[1], shut)


def entries(terms: Tree) -> Iterator[tuple[bool, str]]:
    """(accepts, what it matches in Open vSwitch's words) of each term, in order."""
    for key, term in terms.items():
        if key[0] == "term":
            accepts = ("discard",) not in below(term, ("then",))
            for matched in _matches(below(term, ("from",))):
                yield accepts, matched


def _matches(conditions: Tree) -> Iterator[str]:
    """The flows any of which is what the conditions match together. An address of IPv4, and a protocol, imply IPv4 where no EtherType says
    IPv6; a port implies TCP or UDP where no protocol is said."""
    six = conditions.get(("ip-version", "ipv6"))
    types = [
        ETHERTYPES.get(name, -1) if name in ETHERTYPES else int(name, 0) for name in values(conditions, "ether-type")
    ]
    protocols = [PROTOCOLS[name] if name in PROTOCOLS else int(name, 0) for name in values(conditions, "ip-protocol")]
    ports = {end: values(conditions, f"{name}-port") for end, name in (("src", "source"), ("dst", "destination"))}
    if not protocols and any(ports.values()):
        protocols = [PROTOCOLS["tcp"], PROTOCOLS["udp"]]
    addresses = [values(conditions, f"ip-{way}-address") for way in ("source", "destination")]
    if six is not None:
        types = [0x86DD]
    elif not types and (protocols or any(addresses)):
        types = [0x0800]
    choices = [
        [f"dl_type={number:#06x}" for number in types],
        [f"nw_proto={number}" for number in protocols],
        *([f"dl_{end}={_masked(one)}" for one in values(conditions, f"{way}-mac-address")] for end, way in _ENDS),
        *([f"nw_{end}={one}" for one in values(conditions, f"ip-{way}-address")] for end, way in _ENDS),
        *([f"ipv6_{end}={one}" for one in values(six or {}, f"ip6-{way}-address")] for end, way in _ENDS),
        *([f"tp_{end}={part}" for one in ports[end] for part in _spans(one)] for end, _ in _ENDS),
    ]
    for chosen in product(*(one for one in choices if one)):
        yield ",".join(chosen)


_ENDS = (("src", "source"), ("dst", "destination"))


def _masked(address: str) -> str:
    octets, _, length = address.partition("/")
    mask = ((1 << 48) - 1) ^ ((1 << (48 - int(length))) - 1)
    return f"{octets}/{mask.to_bytes(6, 'big').hex(':')}"


def _spans(text: str) -> Iterator[str]:
    parts = [text] if text in PORTS else text.split("-")
    numbers = [PORTS[one] if one in PORTS else int(one) for one in parts]
    return masks(numbers[0], numbers[-1])
