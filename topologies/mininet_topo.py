"""A `NetworkPlan` as Mininet nodes: what Open vSwitch and its veths need so that traffic behaves is known here alone.

Both `mn --custom` and `topologies.network` build through `PlanTopo`: a person looking around sees the lab's network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mininet.node import Host, OVSSwitch
from mininet.topo import Topo

from topologies.network import OWNER_KEY
from topologies.plan import PREFIX6, NetworkPlan


class EdgeHost(Host):
    """A host that leaves no checksum to a network card: with offload on, TCP hangs on the user-space datapath. Its IPv6 addresses are
    those of the plan, usable at once, and no router advertisement changes them."""

    def config(self, ips6: Sequence[str] = (), **params: Any) -> Any:
        configured = super().config(**params)
        for interface in self.intfNames():
            self.cmd("ethtool", "-K", interface, "tx", "off")
            self.cmd("sysctl", "-qw", f"net.ipv6.conf.{interface}.accept_ra=0")
            for address in ips6:
                self.cmd("ip", "-6", "address", "replace", f"{address}/{PREFIX6.prefixlen}", "dev", interface, "nodad")
        return configured


class EdgeSwitch(OVSSwitch):
    """Open vSwitch in user space, silent without its controller. `owner` marks the bridge as a lab's."""

    PROTOCOLS = "OpenFlow13"

    def __init__(self, name: str, owner: str = "", **params: Any) -> None:
        super().__init__(name, datapath="user", protocols=self.PROTOCOLS, failMode="secure", **params)
        self.owner = owner

    def bridgeOpts(self) -> str:
        """With an address that follows from the datapath id: a switch that is built anew is the same one."""
        mark = f" external_ids:{OWNER_KEY}={self.owner}" if self.owner else ""
        octets = bytes([0x02]) + bytes.fromhex(self.dpid)[-5:]
        return f"{super().bridgeOpts()} other_config:hwaddr={octets.hex(':')}{mark}"

    def addIntf(self, intf: Any, *args: Any, **params: Any) -> Any:
        """The switch's side of a veth has a kernel stack of its own, which would send IPv6 noise at the host."""
        added = super().addIntf(intf, *args, **params)
        quiet(str(intf))
        return added

    def start(self, controllers: Any) -> None:
        super().start(controllers)
        quiet(self.name)


class Box(EdgeSwitch):
    """A switch that nobody manages: it has no controller, and forwards by the MACs that it has learnt."""

    def __init__(self, name: str, owner: str = "", **params: Any) -> None:
        super().__init__(name, owner, **params)
        self.failMode = "standalone"

    def start(self, controllers: Any) -> None:
        super().start([])


def quiet(interface: str) -> None:
    switch = Path("/proc/sys/net/ipv6/conf") / interface / "disable_ipv6"
    if switch.exists():
        switch.write_text("1")


class PlanTopo(Topo):
    def build(self, plan: NetworkPlan, owner: str = "") -> None:
        for switch in plan.switches:
            self.addSwitch(switch.name, cls=EdgeSwitch, dpid=switch.datapath, owner=owner)
        for box in plan.boxes:
            self.addSwitch(box.name, cls=Box, dpid=box.datapath, owner=owner)
        for host in plan.hosts:
            ip = f"{host.ip}/{plan.prefix.prefixlen}"
            ips6 = (str(host.link_local), str(host.ip6))
            self.addHost(host.name, cls=EdgeHost, ip=ip, mac=host.mac, ips6=ips6)
            self.addLink(host.name, host.switch, port1=0, port2=host.port)
        for link in plan.links:
            self.addLink(link.a, link.b, port1=link.a_port, port2=link.b_port)
