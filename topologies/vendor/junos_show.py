"""What a Junos switch tells of itself: the elements that NAPALM's getters and PyEZ's facts look for, as an EX with ELS gives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from xml.etree import ElementTree

from topologies.vendor.junos import JunosSwitch, Rejected
from topologies.vendor.junos_forwarding import below, forwarding, switched, value, vlans
from topologies.vendor.junos_grammar import PORT

Element = ElementTree.Element
MODEL, VERSION, SERIAL = "ex3400-24t", "20.4R3.8", "VIRTUAL00001"


def element(tag: str, *inside: Element, text: str | None = None, **attributes: str) -> Element:
    """`seconds` among the attributes is Junos's own."""
    made = ElementTree.Element(tag, {f"junos:{name}": said for name, said in attributes.items()})
    made.text = text
    made.extend(inside)
    return made


def _leaves(**texts: str) -> list[Element]:
    return [element(name.replace("_", "-"), text=text) for name, text in texts.items()]


def _software(switch: JunosSwitch, _: Element) -> list[Element]:
    names = {"product_model": MODEL, "product_name": MODEL, "junos_version": VERSION}
    return [element("software-information", *_leaves(host_name=switch.hostname, **names))]


def _chassis(_: JunosSwitch, __: Element) -> list[Element]:
    return [element("chassis-inventory", element("chassis", *_leaves(name="Chassis", serial_number=SERIAL)))]


def _moment(tag: str, at: float, *more: Element) -> Element:
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    return element(tag, element("date-time", text=said, seconds=str(int(at))), *more)


def _uptime(switch: JunosSwitch, _: Element) -> list[Element]:
    length = element("time-length", text="", seconds=str(int(switch.now - switch.booted)))
    now, booted = _moment("current-time", switch.now), _moment("system-booted-time", switch.booted, length)
    return [element("system-uptime-information", now, booted)]


def _commits(switch: JunosSwitch, _: Element) -> list[Element]:
    last = switch.history[0]
    date = element("date-time", text=time.ctime(last.at), seconds=str(int(last.at)))
    comment = (
        _leaves(comment=last.comment) if last.comment and (switch.before or "rollback in" not in last.comment) else []
    )
    told = _leaves(revision=f"re0-{int(last.at)}-{last.number}", user=last.user, client="netconf")
    return [element("commit-revision-information", *told, date, *comment)]


def _history(switch: JunosSwitch, _: Element) -> list[Element]:
    told = []
    for number, commit in enumerate(switch.history):
        date = element("date-time", text=time.ctime(commit.at), seconds=str(int(commit.at)))
        said = _leaves(sequence_number=str(number), user=commit.user, client="netconf")
        told.append(element("commit-history", *said, date, *(_leaves(log=commit.comment) if commit.comment else [])))
    return [element("commit-information", *told)]


def _interfaces(switch: JunosSwitch, request: Element) -> list[Element]:
    if request.findtext("routing-instance"):
        return [element("interface-information")]
    told = []
    for number, facts in sorted(switch.hardware.ports().items()):
        settings = below(switch.committed, ("interfaces",), (f"{PORT}{number}",))
        enabled = ("disable",) not in settings
        up = "up" if facts.up and enabled else "down"
        said = _leaves(name=f"{PORT}{number}", admin_status="up" if enabled else "down", oper_status=up)
        said += _leaves(description=value(settings, "description") or "") if value(settings, "description") else []
        said += _leaves(link_type="Full-Duplex", mtu="1514", speed="1000mbps")
        said += _leaves(current_physical_address=facts.mac)
        counted = _leaves(input_packets=str(facts.received), output_packets=str(facts.sent))
        units = [
            element("logical-interface", *_leaves(name=f"{PORT}{number}.{key[1]}"), element("if-config-flags"))
            for key in settings
            if key[0] == "unit"
        ]
        told.append(element("physical-interface", *said, element("traffic-statistics", *counted), *units))
    return [element("interface-information", *told)]


def _switching(switch: JunosSwitch, request: Element) -> list[Element]:
    if request.find("summary") is not None:
        return [element("l2ng-l2ald-rtb-macdb")]
    names = {number: name for name, number in vlans(switch.committed).items()}
    told = []
    for vlan, address, number in switch.hardware.learnt():
        said = _leaves(
            l2ng_l2_mac_address=address, l2ng_l2_mac_vlan_name=names.get(vlan, ""), l2ng_l2_vlan_id=str(vlan)
        )
        told.append(
            element("l2ng-l2ald-mac-entry-vlan", *said, *_leaves(l2ng_l2_mac_logical_interface=f"{PORT}{number}.0"))
        )
    return [element("l2ng-l2ald-rtb-macdb", *told)]


def _vlans(switch: JunosSwitch, _: Element) -> list[Element]:
    ports = sorted(switch.hardware.ports())
    carried = {port.number: port.tagged | {port.vlan} for port in forwarding(switch.committed, ports).ports}
    up = switch.hardware.ports()
    told = []
    for name, number in sorted(vlans(switch.committed).items()):
        inside = [port for port in ports if number in carried[port] and switched(switch.committed, port) is not None]
        members = [
            element("l2ng-l2rtb-vlan-member", *_leaves(l2ng_l2rtb_vlan_member_interface=f"{PORT}{port}.0{mark}"))
            for port, mark in ((port, "*" if up[port].up else "") for port in inside)
        ]
        said = _leaves(l2ng_l2rtb_vlan_name=name, l2ng_l2rtb_vlan_tag=str(number))
        told.append(element("l2ng-l2ald-vlan-instance-group", *said, *members))
    return [element("l2ng-l2ald-vlan-instance-information", *told)]


def _nothing(tag: str) -> Callable[[JunosSwitch, Element], list[Element]]:
    return lambda _, __: [element(tag)]


def _no_file(_: JunosSwitch, request: Element) -> list[Element]:
    raise Rejected(f"could not resolve file: {request.findtext('filename')}")


SHOWN: Mapping[str, Callable[[JunosSwitch, Element], list[Element]]] = {
    "get-software-information": _software,
    "get-chassis-inventory": _chassis,
    "get-system-uptime-information": _uptime,
    "get-commit-revision-information": _commits,
    "get-commit-information": _history,
    "get-interface-information": _interfaces,
    "get-ethernet-switching-table-information": _switching,
    "get-vlan-information": _vlans,
    "get-arp-table-information": _nothing("arp-table-information"),
    "get-lldp-neighbors-information": _nothing("lldp-neighbors-information"),
    "file-show": _no_file,
}
