"""The passive sensor: what frames tell, what a device is taken for, which alarms are raised, and that hostile bytes break nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from scapy.contrib.cdp import CDPMsgCapabilities, CDPMsgDeviceID, CDPMsgPlatform, CDPv2_HDR
from scapy.contrib.lldp import (
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUPortID,
    LLDPDUSystemCapabilities,
    LLDPDUSystemName,
    LLDPDUTimeToLive,
)
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_Solicit, DHCP6OptClientFQDN
from scapy.layers.dns import DNS, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1Q, Dot3, Ether
from scapy.layers.netbios import NBNSHeader, NBNSRegistrationRequest
from scapy.utils import PcapNgWriter, PcapWriter

from controller.cli.main import run
from controller.config import Asset, Router
from controller.discovery.alarms import FIRST_LOOK, FLOOD_MACS, Alarm, AlarmKind, Known
from controller.discovery.dissect import Dissector
from controller.discovery.fingerprint import SELF_SAID_MOST, fingerprint
from controller.discovery.listener import Listener
from controller.discovery.seen import BARE_MOST, DEVICES_MOST, IPS_MOST, WORDS_MOST, SeenDevices
from controller.discovery.words import NOTHING, Claim, Clue, Heard, Word, word
from controller.errors import ConfigError
from controller.intake import SOURCES
from controller.intake.discovery import event_of
from controller.inventory_file import read_inventory
from controller.model import Managed
from drivers.rules import parse_mac

A, B, DC, GW = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "00:15:5d:00:00:01", "00:00:0c:00:00:01"
NOW = 1_790_000_000.0


def packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def hello(name: str) -> bytes:
    """A TLS 1.2 client hello with that server name (RFC 5246 §7.4.1.2, RFC 6066 §3)."""
    entry = b"\0" + len(name).to_bytes(2, "big") + name.encode()
    listed = len(entry).to_bytes(2, "big") + entry
    sni = b"\0\0" + len(listed).to_bytes(2, "big") + listed
    padded = b"\0\x17\0\0" + sni
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(padded).to_bytes(2, "big") + padded
    shake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(shake).to_bytes(2, "big") + shake


def ip4(src: str = A, ttl: int = 64, dst: str = "10.0.0.9") -> Any:
    return Ether(src=src, dst=B) / IP(src="10.0.0.5", dst=dst, ttl=ttl)


def arp(mac: str, ip: str, *, sender: str | None = None) -> bytes:
    return bytes(Ether(src=sender or mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=mac, psrc=ip, pdst=ip))


def offer(mac: str) -> bytes:
    options = [("message-type", "offer"), ("server_id", "10.0.0.66"), "end"]
    head = Ether(src=mac, dst=A) / IP(src="10.0.0.66", dst="10.0.0.5") / UDP(sport=67, dport=68)
    return bytes(head / BOOTP(op=2, siaddr="10.0.0.66") / DHCP(options=options))


def advertisement(mac: str) -> bytes:
    return bytes(Ether(src=mac) / IPv6(src="fe80::66", dst="ff02::1", hlim=255) / ICMPv6ND_RA())


def nbns_registration(name: str, suffix: int) -> bytes:
    encoded = NBNSRegistrationRequest(QUESTION_NAME=name.encode(), SUFFIX=0x4141)
    raw = bytearray(bytes(NBNSHeader(OPCODE=5, QDCOUNT=1, ARCOUNT=1) / encoded))
    raw[43], raw[44] = 0x41 + (suffix >> 4), 0x41 + (suffix & 15)
    return bytes(raw)


LLDP = (
    LLDPDUChassisID(subtype=4, id=A)
    / LLDPDUPortID(subtype=7, id="1")
    / LLDPDUTimeToLive(ttl=120)
    / LLDPDUSystemName(system_name="phone-7")
    / LLDPDUSystemCapabilities(telephone_available=1, telephone_enabled=1)
    / LLDPDUEndOfLLDPDU()
)
CDP = CDPv2_HDR(msg=[CDPMsgDeviceID(val="sw1"), CDPMsgCapabilities(cap=0x28), CDPMsgPlatform(val="cisco WS-C2960X")])
ASKING = BOOTP(op=1) / DHCP(
    options=[
        ("message-type", "discover"),
        ("hostname", b"DESKTOP-1"),
        ("vendor_class_id", b"MSFT 5.0"),
        ("param_req_list", [1, 3, 6, 15]),
        "end",
    ]
)
MDNS = DNS(qr=1, an=[DNSRR(rrname="_ipp._tcp.local.", type="PTR", rdata="HP._ipp._tcp.local.")])
HTTP = b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0)\r\n\r\n"
NOTIFY = b"NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:Printer:1\r\nSERVER: Linux UPnP/1.0 x\r\n\r\n"


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (Ether(src=A) / LLDP, {Word(Clue.LLDP_NAME, "phone-7"), Word(Clue.LLDP_CAPABILITY, "telephone")}),
        (
            Dot3(src=A, dst="01:00:0c:cc:cc:cc") / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=12, code=0x2000) / CDP,
            {
                Word(Clue.CDP_NAME, "sw1"),
                Word(Clue.CDP_CAPABILITY, "switch"),
                Word(Clue.CDP_PLATFORM, "cisco WS-C2960X"),
            },
        ),
        (
            ip4() / UDP(sport=68, dport=67) / ASKING,
            {
                Word(Clue.DHCP_NAME, "DESKTOP-1"),
                Word(Clue.DHCP_CLASS, "MSFT 5.0"),
                Word(Clue.DHCP_ASKS, "1,3,6,15"),
            },
        ),
        (
            Ether(src=A)
            / IPv6(src="fe80::5", dst="ff02::1:2", hlim=1)
            / UDP(sport=546, dport=547)
            / DHCP6_Solicit()
            / DHCP6OptClientFQDN(fqdn="laptop"),
            {Word(Clue.DHCP_NAME, "laptop")},
        ),
        (
            Ether(src=A) / IPv6(src="fe80::5", hlim=64) / UDP(sport=547, dport=546) / DHCP6_Advertise(),
            {Word(Clue.SERVES_DHCP, "DHCPv6")},
        ),
        (
            ip4(ttl=255, dst="224.0.0.251") / UDP(sport=5353, dport=5353) / MDNS,
            {Word(Clue.MDNS_SERVICE, "_ipp._tcp")},
        ),
        (
            ip4(ttl=2, dst="239.255.255.250") / UDP(sport=1900, dport=1900) / NOTIFY,
            {
                Word(Clue.SSDP_DEVICE, "urn:schemas-upnp-org:device:Printer:1"),
                Word(Clue.SSDP_SERVER, "Linux UPnP/1.0 x"),
            },
        ),
        (
            ip4(ttl=128) / UDP(sport=137, dport=137) / nbns_registration("CORP", 0x1C),
            {Word(Clue.NBNS_NAME, "CORP<1c>")},
        ),
        (
            ip4() / TCP(sport=40000, dport=443, flags="PA") / hello("update.microsoft.com"),
            {Word(Clue.ASKS_TLS, "update.microsoft.com")},
        ),
        (
            ip4() / TCP(sport=40000, dport=80, flags="PA") / HTTP,
            {Word(Clue.USER_AGENT, "Mozilla/5.0 (Windows NT 10.0)")},
        ),
        (ip4() / TCP(sport=445, dport=40000, flags="SA"), {Word(Clue.OFFERS, "tcp/445")}),
        (
            Ether(src=A) / Dot1Q(vlan=7) / ip4().payload / UDP(sport=53, dport=40000) / DNS(qr=1),
            {Word(Clue.OFFERS, "udp/53")},
        ),
    ],
    ids=["lldp", "cdp", "dhcp", "dhcp6", "dhcp6-server", "mdns", "ssdp", "nbns", "tls", "http", "syn-ack", "dns-vlan"],
)
def test_each_protocol_tells_its_words(frame: Any, told: set[Word]) -> None:
    assert set(Dissector().read(bytes(frame)).words) == told


def test_arp_and_neighbour_advertisements_are_claims() -> None:
    assert Dissector().read(arp(A, "10.0.0.5")).claim == Claim(ip_address("10.0.0.5"), packed(A))
    na = IPv6(src="fe80::5", dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt="2001:db8::5") / ICMPv6NDOptDstLLAddr(lladdr=B)
    assert Dissector().read(bytes(Ether(src=A) / na)).claim == Claim(ip_address("2001:db8::5"), packed(B))
    na.hlim = 64
    assert Dissector().read(bytes(Ether(src=A) / na)) is NOTHING, "it came over a router: RFC 4861 §7.1.2"


def test_what_a_router_forwarded_is_not_the_routers_own() -> None:
    assert Dissector().read(bytes(ip4(ttl=63) / TCP(sport=445, dport=40000, flags="SA"))) is NOTHING


@pytest.mark.parametrize("seed", range(4))
def test_hostile_bytes_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    listener = Listener(Known())
    whole = [
        bytes(one)
        for one in (
            Ether(src=A) / LLDP,
            Dot3(src=A, dst="01:00:0c:cc:cc:cc") / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=12, code=0x2000) / CDP,
            ip4() / UDP(sport=68, dport=67) / ASKING,
            ip4(ttl=255) / UDP(sport=5353, dport=5353) / MDNS,
            ip4() / UDP(sport=137, dport=137) / nbns_registration("CORP", 0x1C),
            ip4() / TCP(sport=40000, dport=443, flags="PA") / hello("a.example"),
        )
    ]
    whole += [arp(A, "10.0.0.5"), advertisement(A), offer(A)]
    for _ in range(600):
        frame = bytearray(chance.choice(whole)[: chance.randrange(200)])
        for _ in range(chance.randrange(6)):
            if len(frame) > 14:
                frame[chance.randrange(12, len(frame))] = chance.randrange(256)
        list(listener.hear(bytes(frame), NOW))
    for size in range(64):
        list(listener.hear(chance.randbytes(size), NOW))
    assert listener.frames == 664
    assert listener.unreadable > 0


# --- fingerprint ------------------------------------------------------------------------------------------------------


def offers(*services: str) -> list[Word]:
    return [word(Clue.OFFERS, service) for service in services]


@pytest.mark.parametrize(
    ("said", "role"),
    [
        (offers("tcp/88", "tcp/389", "tcp/445", "udp/53", "tcp/3268"), "domain-controller"),
        (offers("udp/53"), "dns"),
        ([word(Clue.SERVES_DHCP, "10.0.0.1")], "dhcp"),
        (offers("tcp/2049", "tcp/22"), "file-server"),
        (offers("tcp/9100", "tcp/80"), "printer"),
        (offers("tcp/554", "tcp/80"), "camera"),
        (offers("tcp/22", "tcp/443"), "server"),
        (offers("tcp/902", "tcp/443"), "hypervisor"),
        ([word(Clue.LLDP_CAPABILITY, "telephone"), word(Clue.LLDP_CAPABILITY, "bridge")], "phone"),
        ([word(Clue.LLDP_CAPABILITY, "access-point"), word(Clue.LLDP_CAPABILITY, "bridge")], "access-point"),
        ([word(Clue.CDP_CAPABILITY, "switch"), word(Clue.CDP_PLATFORM, "cisco WS-C2960X")], "switch"),
        ([word(Clue.DHCP_CLASS, "MSFT 5.0")], "workstation"),
        ([word(Clue.ADVERTISES_ROUTE, "fe80::1")], "router"),
        ([word(Clue.DHCP_NAME, "DC01")], "unknown"),
        ([], "unknown"),
    ],
)
def test_roles_follow_from_what_it_offers_and_asks(said: list[Word], role: str) -> None:
    looks = fingerprint(parse_mac(A), said)
    assert looks.role == role
    assert (looks.confidence > 0, bool(looks.evidence)) == (role != "unknown", role != "unknown")


def test_the_vendor_is_the_ieees_and_a_random_mac_has_none() -> None:
    axis = fingerprint(parse_mac("ac:cc:8e:11:22:33"), ())
    assert (axis.vendor, axis.role, axis.confidence) == ("Axis Communications AB", "camera", 0.4)
    assert (fingerprint(parse_mac(A), ()).vendor, fingerprint(parse_mac(A), ()).random_mac) == ("", True)


def test_its_own_word_alone_is_worth_little() -> None:
    own = [
        word(Clue.MDNS_SERVICE, "_ipp._tcp"),
        word(Clue.DHCP_CLASS, "JetDirect"),
        word(Clue.SSDP_DEVICE, ":device:printer"),
    ]
    assert fingerprint(parse_mac(A), own).confidence == SELF_SAID_MOST
    assert fingerprint(parse_mac(A), [*own, *offers("tcp/9100")]).confidence > SELF_SAID_MOST


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_flood_of_macs_pushes_out_no_device() -> None:
    table = SeenDevices()
    table.take(packed(A), Heard(words=(word(Clue.OFFERS, "tcp/22"),)), NOW)
    for number in range(BARE_MOST + 100):
        table.take(number.to_bytes(6, "big"), NOTHING, NOW)
    assert packed(A) in table.devices
    assert len(table.all()) == BARE_MOST + 1


def test_what_is_kept_of_devices_is_bounded() -> None:
    table = SeenDevices()
    for number in range(2000):
        ip = ip_address(0x0A000000 + number)
        table.take(packed(A), Heard((word(Clue.DHCP_NAME, number),), Claim(ip, packed(A))), NOW)
    assert (len(table.devices[packed(A)].ips), len(table.devices[packed(A)].words)) == (IPS_MOST, WORDS_MOST)
    for number in range(DEVICES_MOST + 10):
        table.take(number.to_bytes(6, "big"), Heard((word(Clue.DHCP_NAME, "x"),)), NOW)
    assert len(table.devices) == DEVICES_MOST
    assert table.crowded_out == 11


# --- alarms -----------------------------------------------------------------------------------------------------------

OURS = Known(
    (
        Asset(mac=parse_mac(DC), ip=ip_address("10.0.0.10"), role="domain-controller"),
        Asset(mac=parse_mac(A), managed=Managed.UNMANAGED),
    ),
    (Router(name="core", macs=frozenset({parse_mac(GW)}), ips=frozenset({ip_address("10.0.0.1")})),),
)


def heard_of(frames: list[tuple[bytes, float]], known: Known = OURS) -> list[Alarm]:
    listener = Listener(known)
    return [alarm for frame, at in frames for alarm in listener.hear(frame, at)]


def kinds(frames: list[tuple[bytes, float]], known: Known = OURS) -> list[tuple[str, str | None]]:
    return [(alarm.kind.value, alarm.mac) for alarm in heard_of(frames, known)]


def test_a_dhcp_server_and_a_router_that_are_none_of_ours() -> None:
    assert kinds([(offer(A), NOW), (offer(A), NOW + 1)]) == [("rogue-dhcp", A)]
    assert kinds([(advertisement(A), NOW), (advertisement(A), NOW + 5)]) == [("rogue-ra", A)]
    assert not kinds([(offer(DC), NOW), (offer(GW), NOW), (advertisement(GW), NOW)]), "the relay is the router"
    assert not kinds([(offer(A), NOW), (advertisement(A), NOW)], Known()), "nobody said which ones are ours"
    assert kinds([(offer(A), NOW), (offer(A), NOW + 3601)]) == [("rogue-dhcp", A)] * 2


def test_who_takes_a_listed_address_is_named_and_the_holder_is_not() -> None:
    (alarm,) = heard_of([(arp(DC, "10.0.0.10"), NOW), (arp(A, "10.0.0.10"), NOW + 1), (arp(A, "10.0.0.10"), NOW + 2)])
    assert (alarm.kind, alarm.mac, alarm.victim_ip) == (AlarmKind.ARP_SPOOFING, A, ip_address("10.0.0.10"))
    assert alarm.victim_mac == DC
    assert not heard_of([(arp("00:00:5e:00:01:07", "10.0.0.1", sender=A), NOW)]), "VRRP moves an address rightly"


def test_a_claim_for_another_mac_names_nobody() -> None:
    (alarm,) = heard_of([(arp(A, "10.0.0.1", sender=DC), NOW)])
    assert (alarm.kind, alarm.mac) == (AlarmKind.ARP_SPOOFING, None)


def test_two_who_claim_one_address_by_turns() -> None:
    listed = Known((Asset(mac=parse_mac(A)), Asset(mac=parse_mac(B))))
    turns = [(arp(B, "10.0.0.7"), NOW), (arp(A, "10.0.0.7"), NOW + 1)]
    assert not kinds(turns, listed), "handed over, as far as anybody knows"
    assert kinds([*turns, (arp(B, "10.0.0.7"), NOW + 2)], listed) == [("arp-spoofing", A)]
    assert not kinds([*turns, (arp(B, "10.0.0.7"), NOW + 200)], listed)


def test_a_device_that_nobody_listed() -> None:
    assert kinds([(arp(B, "10.0.0.7"), NOW), (arp(B, "10.0.0.7"), NOW + 1)]) == [("new-device", B)]
    assert not kinds([(arp(A, "10.0.0.7"), NOW), (arp(GW, "10.0.0.1"), NOW)]), "listed, and a router"
    assert not kinds([(arp(B, "10.0.0.7"), NOW)], Known()), "without an inventory nobody is new"


def test_a_flood_of_macs_names_nobody() -> None:
    calm = [(arp(DC, "10.0.0.10"), NOW)]
    frame = arp(DC, "10.0.0.10")[12:]
    flood = [
        (b"\xff" * 6 + b"\x02" + n.to_bytes(5, "big") + frame[:2] + bytes(40), NOW + FIRST_LOOK + n / 1000)
        for n in range(2 * FLOOD_MACS)
    ]
    assert kinds([*calm, *flood]) == [("mac-flooding", None)]
    slow = [(one, NOW + 100 * n) for n, (one, _) in enumerate(flood)]
    assert not kinds([*calm, *slow])


def test_alarms_become_alerts_that_name_the_suspect_by_its_mac_alone() -> None:
    (alarm,) = heard_of([(arp(A, "10.0.0.10"), NOW)])
    source = SOURCES["discovery"]
    (alert,) = source.read(event_of(alarm, "floor2"), NOW + 1)
    assert (alert.src.mac, alert.src.ip, alert.dst.ip) == (A, None, ip_address("10.0.0.10"))
    assert (alert.signature_id, alert.severity, alert.observed_at) == ("arp-spoofing", 4, NOW)
    assert alert.techniques == ("T1557.002",)
    (again,) = source.read(event_of(alarm, "floor2"), NOW + 2)
    assert again.key == alert.key
    for one in AlarmKind:
        (of_kind,) = source.read(event_of(Alarm(one, NOW, None, "why"), "s"), NOW)
        assert of_kind.src.mac is None
        assert of_kind.signature_id == one.value


# --- inventory --------------------------------------------------------------------------------------------------------


def test_an_inventory_is_csv_or_json(tmp_path: Path) -> None:
    table, listed = tmp_path / "a.csv", tmp_path / "a.json"
    table.write_text(f"MAC, ip, role,owner\n{DC},10.0.0.10,domain-controller,\n\n{A},,,it\n")
    listed.write_text(
        json.dumps([{"mac": DC, "ip": "10.0.0.10", "role": "domain-controller"}, {"mac": A, "owner": "it"}])
    )
    assert read_inventory(table) == read_inventory(listed)
    assert read_inventory(table)[1].owner == "it"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,role\nx,y\n", "one of them is mac or ip"),
        ("mac,colour\n", "no column 'colour'"),
        ("mac,ip\nnonsense,\n", "row 2: mac"),
        ("mac\n02:00:00:00:00:01,more\n", "more cells than the head"),
        ("{}", "an array of objects"),
        ("[1]", "row 1"),
        ("[", "no JSON"),
        ('mac\n"02', "line"),
    ],
)
def test_a_bad_inventory_says_where(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "inventory"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        read_inventory(file)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [PcapWriter, PcapNgWriter])
def test_a_capture_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: Any) -> None:
    capture, inventory, alarms = tmp_path / "a.pcap", tmp_path / "a.csv", tmp_path / "alarms.jsonl"
    inventory.write_text(f"mac,ip,role\n{DC},10.0.0.10,domain-controller\n")
    with writer(str(capture)) as out:
        for frame in (arp(DC, "10.0.0.10"), arp(A, "10.0.0.5"), offer(A), bytes(ip4() / TCP(sport=445, flags="SA"))):
            packet = Ether(frame)
            packet.time = NOW
            out.write(packet)
    assert run(["discover", str(capture), "--inventory", str(inventory), "--write", str(alarms), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["mac"], one["role"], one["managed"]) for one in told["devices"]] == [
        (DC, "unknown", "managed"),
        (A, "dhcp", "undiscovered"),
    ]
    assert [one["kind"] for one in told["alarms"]] == ["new-device", "rogue-dhcp"]
    written = [json.loads(line) for line in alarms.read_text().splitlines()]
    assert written == told["alarms"]
    (alert,) = SOURCES["discovery"].read(written[1], NOW)
    assert alert.observed_at == pytest.approx(NOW)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\xd4\xc3\xb2\xa1" + bytes(20), b"\x0a\x0d\x0d\x0a" + bytes(40)]
)
def test_what_is_no_capture_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    capture = tmp_path / "a.pcap"
    capture.write_bytes(content)
    code = run(["discover", str(capture), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said.get("error")) == (2, "invalid-input") or said["frames"] == 0


def test_a_capture_that_was_cut_short_ends_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "a.pcap"
    with PcapWriter(str(capture)) as out:
        out.write(Ether(arp(A, "10.0.0.5")))
        out.write(Ether(arp(B, "10.0.0.6")))
    capture.write_bytes(capture.read_bytes()[:-10])
    assert run(["discover", str(capture), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["devices"]) >= 1


def test_one_of_a_capture_and_an_interface(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["discover", "--json"]) == 2
    assert run(["discover", "a.pcap", "-i", "eth0", "--json"]) == 2
    assert run(["discover", "-i", "no-such-interface", "--for", "1s", "--json"]) == 2


def test_a_fresh_process_can_listen() -> None:
    """Nothing else has imported Scapy there: without its sockets this would end as an internal error."""
    words = [
        sys.executable,
        "-c",
        "from controller.cli.main import main; main()",
        "discover",
        "-i",
        "no-such-one",
        "--for",
        "1s",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert "cannot listen on 'no-such-one'" in done.stderr or "CAP_NET_RAW" in done.stderr, done.stderr
