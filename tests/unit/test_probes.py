"""The sensors' protocol: what may be asked, what a result means, and which frame answers which question."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest
from pydantic import ValidationError

from controller.discovery.interface import Interface
from controller.discovery.probes import (
    Probe,
    ProbeAnswer,
    ProbeResult,
    ProbeTarget,
    SensorResults,
    SensorWork,
    Standing,
)
from drivers.rules import Mac

ROGUE = ProbeTarget(ip=ip_address("10.0.0.5"), mac=Mac("02:00:00:00:00:05"))
CONTROL = ProbeTarget(ip=ip_address("10.0.0.6"))
ROGUE6 = ProbeTarget(ip=ip_address("fd00::5"))


def probe(**changes: Any) -> Probe:
    return Probe(**{"id": "p1", "target": ROGUE, "kinds": ("arp",), **changes})


def result(*answered: float | None, control: float | None = None, trouble: str = "") -> ProbeResult:
    return ProbeResult(
        id="p1",
        target=ROGUE,
        answers=[ProbeAnswer(kind="arp", sent_at=1.0, answered_at=at) for at in answered],
        control_answers=[ProbeAnswer(kind="arp", sent_at=1.0, answered_at=control)],
        started_at=1.0,
        ended_at=2.0,
        trouble=trouble,
    )


def test_macs_are_read_in_any_spelling_and_kept_in_one() -> None:
    assert ProbeTarget.model_validate({"ip": "10.0.0.5", "mac": "0200.0000.0005"}) == ROGUE


def test_work_survives_the_wire() -> None:
    work = SensorWork(
        probes=[probe(control=CONTROL)], standing=Standing(baseline=[ROGUE6], watch=[Mac("02:00:00:00:00:05")])
    )
    assert SensorWork.model_validate_json(work.model_dump_json()) == work


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kinds": ("nd",)}, "nd does not ask an IPv4 address"),
        ({"target": ROGUE6}, "arp does not ask an IPv6 address"),
        ({"kinds": ("arp", "arp")}, "listed twice"),
        ({"kinds": ()}, "at least 1"),
        ({"control": ProbeTarget(ip=ROGUE.ip)}, "the target itself"),
        ({"tcp_port": 0}, "greater than or equal to 1"),
        ({"count": 1000}, "less than or equal to 100"),
        ({"shell": "rm"}, "Extra inputs"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        probe(**changes)


def test_a_control_of_the_other_ip_version_is_asked_what_fits_it() -> None:
    both = probe(kinds=("arp", "icmp"), control=ROGUE6)
    assert both.kinds_for(ROGUE6) == ("nd", "icmp")


def test_how_long_a_probe_takes_when_nobody_answers() -> None:
    assert probe(count=3, interval=0.05, timeout=0.25).duration == pytest.approx(0.35)


def test_silence_needs_questions_that_were_sent_and_a_sensor_that_could_hear() -> None:
    assert result(None, None, control=1.1).silent
    assert not result(None, 1.2).silent
    assert not result().silent
    assert not result(None, trouble="interface eth0 has no carrier").silent
    assert result(None, control=1.1).control_answered
    assert not result(1.1).control_answered


def test_times_are_numbers_and_lists_are_bounded() -> None:
    with pytest.raises(ValidationError, match="finite"):
        ProbeAnswer(kind="arp", sent_at=float("nan"))
    with pytest.raises(ValidationError, match="at most 256"):
        Standing(baseline=[ROGUE] * 257)
    with pytest.raises(ValidationError, match="at most 256"):
        SensorResults(results=[result()] * 257, interface="eth0", mac=Mac("02:00:00:00:00:01"))


def test_the_daemons_side_needs_no_scapy() -> None:
    """It costs most of a second to import, and lives in the sensor alone."""
    ask = (
        "import sys, controller.discovery.desk, controller.cli.sensor; print([m for m in sys.modules if 'scapy' in m])"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


# --- frames --------------------------------------------------------------------------------------------------------------

OWN, PEER = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:05")


def exchange(version: int) -> Any:
    from controller.discovery.frames import Path

    own, peer = ("10.0.0.1", "10.0.0.5") if version == 4 else ("fd00::1", "fd00::5")
    return Path(OWN, ip_address(own), PEER), ip_address(peer)


@pytest.mark.parametrize("version", [4, 6])
def test_each_question_is_answered_by_its_own_answer_alone(version: int) -> None:
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoReply, IPv6
    from scapy.layers.l2 import Ether

    from controller.discovery import frames

    path, ip = exchange(version)
    layer, echo = (IP, ICMP) if version == 4 else (IPv6, ICMPv6EchoReply)
    head = Ether(src=PEER, dst=OWN) / layer(src=str(ip), dst=str(path.own_ip))

    _, _, ident, number = (asked := frames.ask_echo(path, ip)).key
    reply = {"type": 0} if version == 4 else {}
    assert frames.answer_key(bytes(head / echo(id=ident, seq=number, **reply))) == asked.key
    assert frames.answer_key(bytes(head / echo(id=ident, seq=int(number) ^ 1, **reply))) != asked.key

    _, _, port, own_port, acknowledged = (asked := frames.ask_tcp(path, ip, 445)).key
    for flags in ("SA", "RA"):
        answer = head / TCP(sport=port, dport=own_port, flags=flags, ack=acknowledged)
        assert frames.answer_key(bytes(answer)) == asked.key
    assert frames.answer_key(bytes(head / TCP(sport=port, dport=own_port, flags="S", ack=acknowledged))) is None
    assert frames.answer_key(bytes(head / TCP(sport=port, dport=own_port, flags="SA", ack=1))) != asked.key

    _, _, port, own_port = (asked := frames.ask_udp(path, ip, 53)).key
    assert frames.answer_key(bytes(head / UDP(sport=port, dport=own_port) / b"no dns")) == asked.key


@pytest.mark.parametrize("version", [4, 6])
def test_the_numbers_put_into_a_template_leave_its_checksum_right(version: int) -> None:
    from scapy.layers.inet import ICMP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoRequest
    from scapy.layers.l2 import Ether

    from controller.discovery import frames

    path, ip = exchange(version)
    echo = (ICMP, "chksum") if version == 4 else (ICMPv6EchoRequest, "cksum")
    for _ in range(50):
        asked = (frames.ask_echo(path, ip), echo), (frames.ask_tcp(path, ip, 445), (TCP, "chksum"))
        for question, (layer, field) in (*asked, (frames.ask_udp(path, ip, 53), (UDP, "chksum"))):
            packet = Ether(question.frame)
            ours = getattr(packet[layer], field)
            packet[layer].delfieldval(field)
            assert getattr(Ether(bytes(packet))[layer], field) == ours


@pytest.mark.parametrize("version", [4, 6])
def test_port_unreachable_counts_from_the_target_and_from_no_router(version: int) -> None:
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
    from scapy.layers.l2 import Ether

    from controller.discovery import frames

    path, ip = exchange(version)
    asked = frames.ask_udp(path, ip, 33434)
    layer = IP if version == 4 else IPv6
    error = ICMP(type=3, code=3) if version == 4 else ICMPv6DestUnreach(code=4)
    quoted = asked.frame[14:]
    router = "10.0.0.254" if version == 4 else "fd00::fe"
    for source, counts in ((str(ip), True), (router, False)):
        frame = bytes(Ether(src=PEER, dst=OWN) / layer(src=source, dst=str(path.own_ip)) / error / quoted)
        assert (frames.answer_key(frame) == asked.key) is counts


def test_neighbours_answer_by_reply_or_advertisement_not_by_asking_themselves() -> None:
    from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
    from scapy.layers.l2 import ARP, Ether

    from controller.discovery import frames

    _, ip = exchange(4)
    asked = frames.ask_neighbour(OWN, None, ip, None)
    assert Ether(asked.frame)[ARP].psrc == "0.0.0.0"
    for op, counts in ((2, True), (1, False)):
        frame = bytes(Ether(src=PEER, dst=OWN) / ARP(op=op, hwsrc=PEER, psrc=str(ip), hwdst=OWN, pdst="10.0.0.1"))
        assert (frames.answer_key(frame) == asked.key) is counts
        assert frames.speaks_for(frame) == asked.asked
    path, ip = exchange(6)
    asked = frames.ask_neighbour(OWN, path.own_ip, ip, None)
    for hops, counts in ((255, True), (64, False)):  # another hop count has come through a router: forged
        advert = IPv6(src="fe80::5", dst=str(path.own_ip), hlim=hops) / ICMPv6ND_NA(tgt=str(ip), R=0, S=1)
        frame = bytes(Ether(src=PEER, dst=OWN) / advert)
        assert (frames.answer_key(frame) == asked.key) is counts
        assert frames.speaks_for(frame) == asked.asked


def test_a_witness_names_what_it_saw_tagged_or_not() -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
    from scapy.layers.l2 import ARP, LLC, Dot1Q, Dot3, Ether

    from controller.discovery.frames import kind_of, source_of

    ether = Ether(src=PEER, dst="ff:ff:ff:ff:ff:ff")
    tagged = Ether(src=PEER, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=7)
    for head in (ether, tagged):
        udp = bytes(head / IP(src="10.0.0.5", dst="10.0.0.255") / UDP())
        assert (kind_of(udp), source_of(udp)) == ("udp", ip_address("10.0.0.5"))
        arp = bytes(head / ARP(psrc="10.0.0.5", pdst="10.0.0.1"))
        assert (kind_of(arp), source_of(arp)) == ("arp", ip_address("10.0.0.5"))
        advert = bytes(head / IPv6(src="fe80::5", dst="ff02::1") / ICMPv6ND_RA())
        assert (kind_of(advert), source_of(advert)) == ("nd", ip_address("fe80::5"))
    stp = bytes(Dot3(src=PEER, dst="01:80:c2:00:00:00") / LLC())
    assert (kind_of(stp), source_of(stp)) == ("other", None)
    for cut in range(14, len(arp)):
        kind_of(arp[:cut]), source_of(arp[:cut])


# --- where it sits --------------------------------------------------------------------------------------------------------


def test_a_frame_goes_to_the_neighbour_or_to_the_router() -> None:
    addresses = (ip_interface("10.0.0.1/24"), ip_interface("fe80::1/64"), ip_interface("fd00::1/64"))
    eth0 = Interface("eth0", OWN, addresses, ((4, ip_address("10.0.0.254")),))
    assert eth0.ip == ip_address("10.0.0.1")
    assert eth0.next_hop(ip_address("10.0.0.5")) == ip_address("10.0.0.5")
    assert eth0.next_hop(ip_address("10.9.9.9")) == ip_address("10.0.0.254")
    assert eth0.next_hop(ip_address("fd99::9")) is None
    assert eth0.source_for(ip_address("fe80::5")) == ip_address("fe80::1")
    assert eth0.source_for(ip_address("fd99::5")) == ip_address("fd00::1")
    link_local = Interface("eth0", OWN, (ip_interface("fe80::1/64"),), ((6, ip_address("fe80::fe")),))
    assert link_local.next_hop(ip_address("2001:db8::5")) == ip_address("2001:db8::5")
    assert link_local.source_for(ip_address("2001:db8::5")) == ip_address("fe80::1")
    bare = Interface("mirror0", OWN)
    assert bare.ip is None
    assert bare.source_for(ip_address("10.0.0.5")) is None
    assert bare.next_hop(ip_address("10.0.0.5")) == ip_address("10.0.0.5")
