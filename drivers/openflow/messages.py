"""What the speaker says to a switch of its own accord, and what a switch says back as plain values. See `wire` for what drivers push."""

from __future__ import annotations

from typing import Any

from drivers.openflow.runtime import ofproto, parser


def punt_meter(datapath: Any, rate: int) -> list[Any]:
    """Messages that limit what goes to the controller to `rate` packets a second, and nothing else: a band on
    the virtual meter OFPM_CONTROLLER (OpenFlow 1.3.5 §7.3.4.4, enum ofp_meter). A switch may refuse it."""
    band = parser.OFPMeterBandDrop(rate=rate, burst_size=rate)
    flags = ofproto.OFPMF_PKTPS | ofproto.OFPMF_BURST
    commands = (ofproto.OFPMC_DELETE, ofproto.OFPMC_ADD)
    return [parser.OFPMeterMod(datapath, command, flags, ofproto.OFPM_CONTROLLER, [band]) for command in commands]


def packet_out(datapath: Any, data: bytes, port: int | str, in_port: int | None = None) -> Any:
    """Send `data` out of a port, or (`port` "table") through the flow tables as if it came in at `in_port`."""
    out = ofproto.OFPP_TABLE if port == "table" else int(port)
    source = ofproto.OFPP_CONTROLLER if in_port is None else in_port
    return parser.OFPPacketOut(datapath, ofproto.OFP_NO_BUFFER, source, [parser.OFPActionOutput(out)], data)


def decode_port(desc: Any) -> dict[str, Any]:
    """A port description; `up` is link and administration together, `physical` leaves out LOCAL and the reserved ports."""
    return {
        "number": desc.port_no,
        "name": _text(desc.name),
        "hw_addr": desc.hw_addr,
        "no_fwd": bool(desc.config & ofproto.OFPPC_NO_FWD),
        "up": not (desc.config & ofproto.OFPPC_PORT_DOWN or desc.state & ofproto.OFPPS_LINK_DOWN),
        "physical": desc.port_no <= ofproto.OFPP_MAX,
    }


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace").rstrip("\0") if isinstance(name, bytes) else name


def is_unknown_request(kind: int) -> bool:
    """Whether this type of error says that the switch does not know the message at all (an experimenter of whom it never heard)."""
    return bool(kind == ofproto.OFPET_BAD_REQUEST)


def error_names(kind: int, code: int) -> str:
    """For example "OFPFMFC_TABLE_FULL (OFPET_FLOW_MOD_FAILED)"."""
    named = str(ofproto.ofp_error_code_to_str(kind, code)), str(ofproto.ofp_error_type_to_str(kind))
    return "{} ({})".format(*(name.partition("(")[0] for name in named))
