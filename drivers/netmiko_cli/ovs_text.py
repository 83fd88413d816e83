"""Flows as `ovs-ofctl` writes and reads them (ovs-fields(7), ovs-ofctl(8); tried with Open vSwitch 3.1, OpenFlow 1.3). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from drivers.openflow.flows import A_FRAGMENT, NO_FRAGMENT, Counted, Field, Flow, is_ours
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6

_TYPES = {
    "arp": (ETH_ARP, None), "ip": (ETH_IPV4, None), "ipv6": (ETH_IPV6, None), "mpls": (0x8847, None), "mplsm": (0x8848, None),
    "icmp": (ETH_IPV4, 1), "tcp": (ETH_IPV4, 6), "udp": (ETH_IPV4, 17), "sctp": (ETH_IPV4, 132),
    "icmp6": (ETH_IPV6, 58), "tcp6": (ETH_IPV6, 6), "udp6": (ETH_IPV6, 17), "sctp6": (ETH_IPV6, 132), "rarp": (0x8035, None),
}  # fmt: skip
"""A word for an Ethernet type, or for one and a protocol."""
_NAMES = {"dl_src": "eth_src", "dl_dst": "eth_dst", "dl_type": "eth_type", "nw_proto": "ip_proto", "nw_src": "ipv4_src",
          "nw_dst": "ipv4_dst", "ip_frag": "nw_frag"}  # fmt: skip
_KEPT = frozenset({
    "in_port", "eth_src", "eth_dst", "eth_type", "ip_proto", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "arp_spa", "arp_tpa",
    "tcp_src", "tcp_dst", "udp_src", "udp_dst", "icmpv6_type", "tcp_flags", "nw_frag",
})  # fmt: skip
_TOLD = ("cookie=", "duration=", "table=", "n_packets=", "n_bytes=", "idle_age=", "hard_age=", "priority=")
_LINE = re.compile(r"\s*cookie=(0x[0-9a-f]+), (.*) actions=(.*)")
_FRAGMENTS: Mapping[Field, str] = {A_FRAGMENT: "yes", NO_FRAGMENT: "no"}
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16}


def match_text(flow: Flow) -> str:
    """What tells the flow from others: its table, its priority and its match."""
    fields = "".join(f",{_field_text(name, value)}" for name, value in flow.match)
    return f"table={flow.table},priority={flow.priority}{fields}"


def _field_text(name: str, value: Field) -> str:
    if name == "nw_frag":
        return f"nw_frag={_FRAGMENTS[value]}"
    if name in ("ipv4_src", "ipv4_dst"):
        name = f"nw_{name[5:]}"
    return f"{name}={value:#06x}" if name == "eth_type" and isinstance(value, int) else f"{name}={value}"


def read_flows(text: str) -> Iterator[Counted]:
    """From `dump-flows`. Of a stranger's flow, fields that we never use are left out: it is taken for wider than it is."""
    for line in text.splitlines():
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            if "cookie=" in line:
                raise ValueError(f"not a flow: {line[:80]!r}")
            continue
        cookie, head, actions = int(found[1], 16), found[2], found[3]
        told = dict(part.strip().partition("=")[::2] for part in head.split(","))
        match = tuple(sorted(_fields(head).items()))
        drops = actions == "drop" if is_ours(cookie) else actions in ("drop", "clear_actions")
        flow = Flow(
            int(told["table"]), int(told.get("priority", "32768")), cookie, match, None, None if drops else "theirs"
        )
        yield Counted(flow, int(told["n_packets"]), int(told["n_bytes"]))


def _fields(head: str) -> dict[str, Field]:
    found: dict[str, Field] = {}
    ports: dict[str, str] = {}
    for part in (one.strip() for one in head.split(",")):
        if not part or part.startswith(_TOLD):
            continue
        name, _, value = part.partition("=")
        if not value:
            eth_type, protocol = _TYPES.get(name, (None, None))
            found |= {} if eth_type is None else {"eth_type": eth_type}
            found |= {} if protocol is None else {"ip_proto": protocol}
        elif name in ("tp_src", "tp_dst", "icmp_type"):
            ports[name] = value
        elif (known := _NAMES.get(name, name)) in _KEPT and (read := _value(known, value)) is not None:
            found[known] = read
    for name, value in ports.items():
        known = _of_protocol(name, found)
        if known in _KEPT and (read := _value(known, value)) is not None:
            found[known] = read
    return found


def _of_protocol(name: str, found: dict[str, Field]) -> str:
    protocol, is_ipv6 = found.get("ip_proto"), found.get("eth_type") == ETH_IPV6
    if name == "icmp_type":
        return "icmpv6_type" if protocol == 58 and is_ipv6 else ""
    return {6: "tcp", 17: "udp"}.get(protocol if isinstance(protocol, int) else 0, "") + name[2:]


def _value(name: str, text: str) -> Field | None:
    if name == "nw_frag":
        return next((value for value, word in _FRAGMENTS.items() if word == text), None)
    if name == "tcp_flags":
        flags = re.fullmatch(r"\+([a-z]+)", text)
        bit = _FLAGS.get(flags[1]) if flags is not None else None
        return None if bit is None else f"{bit:#06x}/{bit:#06x}"
    if name in ("eth_src", "eth_dst", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "arp_spa", "arp_tpa"):
        return text
    if name == "in_port" and not text.isdigit():
        return 0xFFFFFFFE if text == "LOCAL" else None
    value, _, mask = text.partition("/")
    number = int(value, 0)
    return f"{number:#06x}/{int(mask, 0):#06x}" if mask else number
