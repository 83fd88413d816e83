"""Flows that match no frame anybody sends, so that Open vSwitch's cached decisions never overlap. Speaker's side.

Open vSwitch keeps a decision for each set of frames between which its flows do not tell apart (a megaflow). What a flow table asks of a
frame says how wide that set is: while a device is contained nobody asks who sends its ARP requests, and one decision covers them all,
beside those of before, which cover one each. When the flows change, decisions are changed in place; up to 3.1.2 (and 2.17.7, 3.0.4) the
user-space datapath then looks for the decision by a frame that it covers, and where two cover it may change the other one ("dpif-netdev:
Fix dpif_netdev_flow_put", 150b0fb). The one that was meant goes on as before for as long as frames use it: after a release some of a
camera's ARP was still dropped minutes later (tried, on 3.1.0 of Debian 12, in one run of four), with every flow as it should be.

So the first table asks all frames everything that any table asks, whatever is contained: then no decision is wider than another. What is
asked for is never there: a source address that is everyone's, numbers that are reserved. A switch that cannot match one of these
refuses it alone, and needs it as little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.openflow.flows import COOKIE_MARK, DHCP6_CLIENT, DHCP6_SERVER, EVENNESS_ID, TABLE_FROM, Band
from drivers.openflow.runtime import ofproto, parser
from drivers.semantics import ETH_ARP, ETH_IPV4, ETH_IPV6

NOBODY = "ff:ff:ff:ff:ff:ff"
_UDP, _ICMPV6 = 17, 58
RESERVED = 255
"""As an IP protocol (IANA), an ICMPv6 type (RFC 4443 §2.1), and an ARP operation that nobody was given."""
_HALVES = "85.85.85.85", "170.170.170.170"
"""Every other bit of an address, and the others. Of a mask that is a prefix Open vSwitch asks no more bits than it needs for a no."""

ASKED: tuple[Mapping[str, Any], ...] = (
    {"eth_src": NOBODY},
    {"eth_type": ETH_IPV4, "ip_proto": RESERVED},
    *({"eth_type": ETH_ARP, "arp_op": RESERVED, "arp_spa": (half, half), "arp_tpa": (half, half)} for half in _HALVES),
    {"eth_type": ETH_IPV6, "ip_proto": _ICMPV6, "icmpv6_type": RESERVED},
    *({"eth_type": ETH_IPV4, "ip_proto": _UDP, "udp_src": port, "udp_dst": 0} for port in (67, 68)),
    *({"eth_type": ETH_IPV6, "ip_proto": _UDP, "udp_src": 0, "udp_dst": port} for port in (DHCP6_CLIENT, DHCP6_SERVER)),
)


def never_overlapping(datapath: Any) -> list[Any]:
    """The messages that add these flows, each a drop; sent again, they change nothing."""
    return [
        parser.OFPFlowMod(
            datapath,
            cookie=COOKIE_MARK | EVENNESS_ID,
            table_id=TABLE_FROM,
            command=ofproto.OFPFC_ADD,
            priority=Band.EVENNESS,
            match=parser.OFPMatch(**match),
            instructions=[],
        )
        for match in ASKED
    ]
