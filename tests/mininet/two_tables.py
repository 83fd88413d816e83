"""Another controller's application, for the tests of role EQUAL: a proactive pipeline of two tables with a group and a meter, by os-ken.
Table 0 sends what is known on, and punts what is not; table 1 floods by a group. Not a test, and not shipped."""

from __future__ import annotations

from typing import Any

from drivers.openflow import runtime
from drivers.openflow.runtime import ofproto, on, parser

COOKIE = 0xFEED


class TwoTables(runtime.App):
    OFP_VERSIONS = (ofproto.OFP_VERSION,)

    @on("EventOFPStateChange", runtime.MAIN)
    def on_switch(self, ev: Any) -> None:
        datapath = ev.datapath
        ports = sorted(port.port_no for port in datapath.ports.values() if port.port_no <= ofproto.OFPP_MAX)
        buckets = [parser.OFPBucket(actions=[parser.OFPActionOutput(port)]) for port in ports]
        datapath.send_msg(
            parser.OFPGroupMod(datapath, ofproto.OFPGC_ADD, ofproto.OFPGT_ALL, group_id=7, buckets=buckets)
        )
        band = parser.OFPMeterBandDrop(rate=100_000, burst_size=1000)
        datapath.send_msg(parser.OFPMeterMod(datapath, ofproto.OFPMC_ADD, ofproto.OFPMF_PKTPS, 7, [band]))
        onward = [parser.OFPInstructionMeter(7), parser.OFPInstructionGotoTable(1)]
        flood = [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, [parser.OFPActionGroup(7)])]
        punt = parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)
        for eth_type in (0x0800, 0x0806):
            self._add(datapath, 0, 100, parser.OFPMatch(eth_type=eth_type), onward)
        self._add(
            datapath,
            0,
            0,
            parser.OFPMatch(),
            [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, [punt])],
        )
        self._add(datapath, 1, 0, parser.OFPMatch(), flood)

    def _add(self, datapath: Any, table: int, priority: int, match: Any, instructions: list[Any]) -> None:
        datapath.send_msg(
            parser.OFPFlowMod(
                datapath,
                cookie=COOKIE,
                table_id=table,
                priority=priority,
                match=match,
                instructions=instructions,
            )
        )

    @on("EventOFPPacketIn")
    def on_packet(self, ev: Any) -> None:
        """What nobody knows goes everywhere, and is logged."""
        data, port = bytes(ev.msg.data), ev.msg.match["in_port"]
        self.logger.info("packet in %s %s", data[6:12].hex(":"), port)
        actions = [parser.OFPActionOutput(ofproto.OFPP_FLOOD)]
        ev.msg.datapath.send_msg(parser.OFPPacketOut(ev.msg.datapath, ofproto.OFP_NO_BUFFER, port, actions, data))
