"""What the active probe may ask, whom, and how fast. Frames are only counted here; tests/mininet/test_probe.py sends them."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from controller.cli.main import run
from controller.config import Probing
from controller.discovery.interface import Interface
from controller.discovery.prober import ADDRESSES_MOST, PATIENCE, Aim, Prober, aim
from controller.errors import InvalidInput
from drivers.rules import Mac
from tests.campus import mac

OWN = Mac("02:00:00:00:00:01")
HERE = Interface("eth0", OWN, (ip_interface("10.0.0.1/24"), ip_interface("fd00::1/64")))


def settings(**more: Any) -> Probing:
    return Probing.model_validate({"ranges": ["10.0.0.0/28", "fd00::/125"], "ports": [22, 9100], "rate": 20, **more})


class Wire:
    """A clock that only sleeping moves, and everything that is sent, with its moment."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[tuple[float, Any]] = []
        self.answers: dict[str, bytes] = {}
        self.prober: Prober | None = None

    def send(self, frame: bytes) -> None:
        packet = Ether(frame)
        self.sent.append((self.now, packet))
        self.now += 0.002  # sending takes time, too
        asked = packet[ARP].pdst if ARP in packet else packet[ICMPv6ND_NS].tgt if ICMPv6ND_NS in packet else ""
        if asked in self.answers and self.prober is not None:
            self.prober.hear(self.answers[asked])

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, aimed: Aim, ports: tuple[int, ...] = (22, 9100), until: float = float("inf")) -> Prober:
        self.prober = Prober(HERE, aimed, ports, self.send, lambda: self.now >= until, lambda: self.now, self.sleep)
        self.prober.run()
        return self.prober

    def asked(self, layer: Any) -> list[Any]:
        return [packet for _, packet in self.sent if layer in packet]


def here(ip: str, to: Mac = OWN) -> bytes:
    return bytes(Ether(src=mac(9), dst=to) / ARP(op=2, hwsrc=mac(9), psrc=ip, hwdst=OWN, pdst="10.0.0.1"))


def test_it_is_off_until_a_range_is_named() -> None:
    with pytest.raises(InvalidInput, match="active probing is off"):
        aim(Probing(), (), HERE)


def test_what_is_aimed_at_lies_in_the_range_and_is_neither_excluded_nor_our_own() -> None:
    aimed = aim(settings(exclude=["10.0.0.8/29", "fd00::4/126"]), (), HERE)
    assert [str(ip) for ip in aimed.addresses] == [
        *(f"10.0.0.{n}" for n in range(2, 8)),
        "fd00::2",
        "fd00::3",
    ]
    narrowed = aim(settings(), (ip_network("10.0.0.4/31"),), HERE)
    assert [str(ip) for ip in narrowed.addresses] == ["10.0.0.4", "10.0.0.5"]


@pytest.mark.parametrize(
    ("ranges", "wanted", "says"),
    [
        (["10.0.0.0/28"], "10.0.0.0/27", "outside discovery.probe.ranges"),
        (["10.0.0.0/28"], "10.0.0.16", "outside discovery.probe.ranges"),
        (["10.0.0.0/28"], "fd00::/126", "outside discovery.probe.ranges"),
        (["10.9.0.0/28"], None, "not on eth0's own link"),
        (["10.0.0.0/23"], None, "not on eth0's own link"),
        (["10.0.0.0/8"], None, f"more than {ADDRESSES_MOST} addresses"),
        (["fd00::/64"], None, f"more than {ADDRESSES_MOST} addresses"),
    ],
)
def test_nothing_outside_it_is_asked(ranges: list[str], wanted: str | None, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        aim(settings(ranges=ranges), () if wanted is None else (ip_network(wanted),), HERE)


def test_who_answers_is_asked_more_and_nobody_else() -> None:
    wire = Wire()
    wire.answers = {
        "10.0.0.5": here("10.0.0.5"),
        "10.0.0.6": here("10.0.0.77"),
        "10.0.0.7": here("10.0.0.7", to=mac(4)),
    }
    prober = wire.run(aim(settings(), (ip_network("10.0.0.0/28"),), HERE))
    assert len(wire.asked(ARP)) == 13, "14 hosts less ourselves"
    assert {packet[IP].dst for packet in wire.asked(IP)} == {"10.0.0.5"}, "what nobody asked for is no answer"
    assert [(packet[TCP].dport, str(packet[TCP].flags)) for packet in wire.asked(TCP)] == [(22, "S"), (9100, "S")]
    assert {packet.dst for packet in wire.asked(IP)} == {mac(9)}
    assert len(wire.asked(ICMP)) == 1
    assert (prober.sent, prober.trouble, prober.done.is_set()) == (16, "", True)


def test_neighbours_are_found_by_ipv6_too() -> None:
    wire = Wire()
    told = ICMPv6ND_NA(tgt="fd00::3", R=0, S=1) / ICMPv6NDOptDstLLAddr(lladdr=mac(9))
    wire.answers = {"fd00::3": bytes(Ether(src=mac(9), dst=OWN) / IPv6(src="fd00::3", dst="fd00::1", hlim=255) / told)}
    wire.run(aim(settings(), (ip_network("fd00::/125"),), HERE))
    assert len(wire.asked(ICMPv6ND_NS)) == 6
    assert [(packet[IPv6].dst, packet[TCP].dport) for packet in wire.asked(TCP)] == [("fd00::3", 22), ("fd00::3", 9100)]


@pytest.mark.parametrize("rate", [5.0, 20.0, 400.0])
def test_the_rate_is_never_exceeded_whatever_answers(rate: float) -> None:
    wire = Wire()
    wire.answers = {f"10.0.0.{n}": here(f"10.0.0.{n}") for n in range(16)}
    prober = wire.run(aim(settings(rate=rate), (ip_network("10.0.0.0/28"),), HERE))
    times = [at for at, _ in wire.sent]
    assert prober.sent == len(times) == 13 * 4
    assert min(b - a for a, b in pairwise(times)) >= 1 / rate - 1e-9


def test_it_ends_when_it_is_told_to_and_a_flood_of_answers_is_asked_once() -> None:
    wire = Wire()
    wire.answers = {"10.0.0.2": here("10.0.0.2")}
    prober = wire.run(aim(settings(), (), HERE), until=100.5)
    assert prober.done.is_set()
    assert wire.now < 101.0
    for _ in range(100):
        prober.hear(here("10.0.0.2"))
        prober.hear(b"\xff" * 20)
    assert prober._found.empty()


def test_an_interface_that_goes_away_is_said() -> None:
    wire = Wire()
    prober = Prober(HERE, Aim((ip_address("10.0.0.9"),), 20), (), _down, lambda: False, lambda: wire.now, wire.sleep)
    prober.run()
    assert prober.trouble == "eth0: Network is down"
    assert prober.done.is_set()
    assert wire.now < 100.0 + PATIENCE


def _down(frame: bytes) -> None:
    raise OSError(100, "Network is down")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["discover", "x.pcap", "--probe"], "name its --interface"),
        (["discover", "-i", "lo", "--within", "10.0.0.0/24"], "goes with --probe"),
        (["discover", "-i", "lo", "--probe", "--within", "10.0.0.0/99"], "--within"),
        (["discover", "-i", "lo", "--probe"], "not an Ethernet interface|active probing is off"),
    ],
)
def test_a_wrong_command_line_sends_nothing(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "netcordon.yaml"
    config.write_text("budget: {total: 5}\n")
    monkeypatch.setenv("NETCORDON_CONFIG", str(config))
    assert run(words) == 2
    assert re.search(says, capsys.readouterr().err)


def test_for_counts_from_the_first_moment_of_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy alone takes seconds to be read on a busy machine: a short span was over before anything was heard."""
    from controller.cli import discover

    now = 100.0
    monkeypatch.setattr("controller.cli.discover.time.monotonic", lambda: now)
    ending = discover._Ending(5.0)
    now = 200.0
    assert not ending()
    now = 204.9
    assert not ending()
    now = 205.0
    assert ending()
