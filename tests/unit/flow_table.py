"""A switch in 100 lines: takes what the OpenFlow driver pushes, and says what becomes of a frame. For tests, and not shipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from drivers.base import ObservedState, PortState
from drivers.openflow.converge import read_back
from drivers.openflow.flows import A_FRAGMENT, ESTABLISHED, Counted, Field, Flow
from drivers.openflow.layout import ALONE, Layout
from drivers.rules import PortName
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6, Crossing, Fate, Frame

L3 = {"ipv4": ETH_IPV4, "ipv6": ETH_IPV6, "arp": ETH_ARP}
L4 = {"tcp": 6, "udp": 17}


class FlowTable:
    def __init__(self, ports: Iterable[PortName], layout: Layout = ALONE) -> None:
        self.layout = layout
        self.numbers = {name: number for number, name in enumerate(ports, 1)}
        self.no_fwd = dict.fromkeys(self.numbers, False)
        self.flows: dict[object, Flow] = {}
        self.packets: dict[object, int] = {}

    def take(self, messages: Iterable[Mapping[str, Any]]) -> None:
        for message in messages:
            match message["kind"]:
                case "flow":
                    flow = Flow.from_wire(message)
                    self.flows[flow.key] = flow
                case "unflow":
                    flow = Flow.from_wire(message)
                    held = self.flows.get(flow.key)
                    if held is not None and held.cookie == flow.cookie:
                        del self.flows[flow.key]
                case "uncookie":
                    self.flows = {key: flow for key, flow in self.flows.items() if flow.cookie != message["cookie"]}
                case "port":
                    assert self.numbers[message["name"]] == message["number"]
                    self.no_fwd[message["name"]] = message["no_fwd"]

    def state(self) -> object:
        return dict(self.flows), dict(self.no_fwd)

    def observed(self) -> ObservedState:
        ports = {
            name: PortState(
                True, {"no_fwd": self.no_fwd[name], "number": number, "hw_addr": f"02:00:00:00:ff:{number:02x}"}
            )
            for name, number in self.numbers.items()
        }
        counted = [Counted(flow, self.packets.get(flow.key, 0), 0) for flow in self.flows.values()]
        return read_back("boot", 0.0, counted, ports, self.layout)

    def forward(self, crossing: Crossing) -> Fate:
        """PASS when the frame comes out at the crossing's port; NORMAL is taken to send it there."""
        assert crossing.in_port is not None
        assert crossing.out_port is not None
        table: int | None = 0
        outputs: list[str] = []
        while table is not None:
            flow = self._hit(table, crossing.frame, self.numbers[crossing.in_port])
            if flow is None:
                break
            self.packets[flow.key] = self.packets.get(flow.key, 0) + 1
            outputs += [flow.output] if flow.output else []
            table = flow.goto
        return Fate.PASS if "normal" in outputs and not self.no_fwd[crossing.out_port] else Fate.DROP

    def _hit(self, table: int, frame: Frame, in_port: int) -> Flow | None:
        hits = [f for f in self.flows.values() if f.table == table and matches(dict(f.match), frame, in_port)]
        return max(hits, key=lambda flow: flow.priority, default=None)


def matches(fields: Mapping[str, Field], frame: Frame, in_port: int) -> bool:
    return all(_matches_field(name, value, frame, in_port) for name, value in fields.items())


def _matches_field(name: str, value: Field, frame: Frame, in_port: int) -> bool:
    plain = {
        "in_port": in_port,
        "eth_src": frame.eth_src,
        "eth_dst": frame.eth_dst,
        "eth_type": frame.eth_type,
        "ip_proto": frame.ip_protocol,
        "icmpv6_type": frame.icmp_type if frame.eth_type == ETH_IPV6 else None,
    }
    if name in plain and "/" not in str(value):
        return plain[name] == value
    if name in ("eth_src", "eth_dst"):
        own, wanted, care = (int(text.replace(":", ""), 16) for text in (str(plain[name]), *str(value).split("/")))
        return own & care == wanted
    if name == "nw_frag":
        return frame.fragment is (value == A_FRAGMENT)
    if name == "tcp_flags":
        return frame.established and value == ESTABLISHED[0]  # `Frame` says one of both, and not which
    head, _, tail = name.partition("_")
    if head in L3:
        address = frame.ip_src if tail in ("src", "spa") else frame.ip_dst
        return frame.eth_type == L3[head] and address is not None and ip_address(address) in ip_network(value)
    if head in L4:
        port = frame.l4_src if tail == "src" else frame.l4_dst
        port = (
            0 if port is None and frame.fragment else port
        )  # as Open vSwitch reads it (ovs-ofctl(8), set-frags normal)
        bits, _, mask = str(value).partition("/")
        wanted, care = (int(bits, 16), int(mask, 16)) if mask else (int(bits), 0xFFFF)
        return frame.ip_protocol == L4[head] and port is not None and port & care == wanted
    return False  # a field that `Frame` does not have
