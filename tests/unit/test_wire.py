"""Whose answer is booked on which question, and when silence says nothing. The socket is a stand-in; a real one is in tests/mininet."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from controller.discovery.asking import Asker
from controller.discovery.frames import ask_neighbour
from controller.discovery.interface import Interface, why_deaf
from controller.discovery.kernel_filter import WATCHED_MOST, apply_filter
from controller.discovery.probes import Probe, ProbeTarget
from controller.discovery.wire import Wire, packed_mac
from drivers.rules import Mac

OWN, ROGUE, OTHER = (Mac(f"02:00:00:00:00:{n:02x}") for n in (1, 5, 6))
ROGUE_IP = ip_address("10.0.0.5")
WHO = ProbeTarget(ip=ROGUE_IP, mac=ROGUE)


class Socket:
    """Takes every frame; `peer.send` leaves one unread. `drops` is what the kernel's count of lost frames says next."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.drops = 0
        self.ins = self.outs = self
        self.own, self.peer = socket.socketpair()

    def send(self, frame: bytes) -> int:
        self.sent.append(frame)
        return len(frame)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        drops, self.drops = self.drops, 0
        return struct.pack("II", 0, drops)

    def setsockopt(self, *_: object) -> None:
        pass

    def fileno(self) -> int:
        return self.own.fileno()

    def close(self) -> None:
        self.own.close()
        self.peer.close()


def reply(sender: Mac) -> bytes:
    from scapy.layers.l2 import ARP, Ether

    answer = ARP(op=2, hwsrc=sender, psrc=str(ROGUE_IP), hwdst=OWN, pdst="10.0.0.1")
    return bytes(Ether(src=sender, dst=OWN) / answer)


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    monkeypatch.setattr("controller.discovery.wire.why_deaf", lambda _: "")
    wire, handle = Wire("eth0", OWN, lambda: None), Socket()
    monkeypatch.setattr(wire, "_socket", handle)
    monkeypatch.setattr(wire, "_trouble", "")
    yield wire
    handle.close()


async def hear(wire: Wire, frame: bytes, at: float) -> None:
    """As the reading thread does."""
    wire._look(frame, at)
    await asyncio.sleep(0)


def asker(wire: Wire) -> Asker:
    return Asker(wire, Interface("eth0", OWN, (ip_interface("10.0.0.1/24"),)))


async def test_an_answer_is_booked_on_the_latest_open_question(wire: Wire) -> None:
    """Filed under an earlier one, a leak after the push would pass for an answer from before it."""
    question = ask_neighbour(OWN, ip_address("10.0.0.1"), ROGUE_IP, None)
    first, second = wire.ask(question, ROGUE), wire.ask(question, ROGUE)
    at = second.sent_at + 0.001
    await hear(wire, reply(ROGUE), at)
    assert (first.answered_at, second.answered_at) == (None, at)
    await hear(wire, reply(ROGUE), at + 1)
    assert first.answered_at == at + 1


async def test_another_hosts_answer_is_not_the_targets(wire: Wire) -> None:
    question = ask_neighbour(OWN, ip_address("10.0.0.1"), ROGUE_IP, None)
    strict, anyone = wire.ask(question, ROGUE), wire.ask(question, None)
    await hear(wire, reply(OTHER), strict.sent_at + 0.001)
    assert strict.answered_at is None
    assert (anyone.answered_at is not None, anyone.by) == (True, OTHER)
    wire.forget(anyone)
    await hear(wire, reply(OTHER), strict.sent_at + 0.002)
    assert strict.answered_at is None


async def test_nothing_is_kept_of_a_question_that_is_forgotten(wire: Wire) -> None:
    asked = [wire.ask(ask_neighbour(OWN, None, ROGUE_IP, None), None) for _ in range(3)]
    for one in (*asked, *asked):
        wire.forget(one)
    await hear(wire, reply(ROGUE), 1.0)
    assert not wire._open
    assert not wire._asked
    assert all(one.answered_at is None for one in asked)


async def test_a_frame_made_to_break_a_dissector_is_survived(wire: Wire) -> None:
    wire.ask(ask_neighbour(OWN, None, ROGUE_IP, None), None)
    wire.watch([ROGUE])
    head = packed_mac(OWN) + packed_mac(ROGUE)
    for kind in (b"\x08\x06", b"\x08\x00", b"\x86\xdd", b"\x81\x00"):
        for length in range(80):
            packed = bytearray(length)
            packed[12:16] = packed[14:18] = ROGUE_IP.packed  # the source, as IPv4 and as ARP
            await hear(wire, head + kind + bytes(packed[:length]), 1.0)
    assert {frame.mac for frame in wire.take_seen()} == {ROGUE}
    assert wire.take_seen() == []


async def test_silence_says_nothing_when_frames_were_lost(wire: Wire) -> None:
    asking = asyncio.create_task(asker(wire).carry_out(Probe(id="p", target=WHO, kinds=("arp",), timeout=0.03)))
    await asyncio.sleep(0.01)
    wire._socket.drops = 7
    result = await asking
    assert not result.silent
    assert "7 frames were lost" in result.trouble
    again = await asker(wire).carry_out(Probe(id="p", target=WHO, kinds=("arp",), timeout=0.01))
    assert again.silent


async def test_silence_says_nothing_when_frames_wait_unread(wire: Wire) -> None:
    wire._socket.peer.send(b"a frame that nobody reads")
    result = await asker(wire).carry_out(Probe(id="p", target=WHO, kinds=("arp",), timeout=0.01))
    assert not result.silent
    assert "faster than the sensor" in result.trouble


async def test_a_late_answer_to_an_early_question_still_counts(wire: Wire) -> None:
    probe = Probe(id="p", target=WHO, kinds=("arp",), count=2, interval=0.05, timeout=0.02)
    asking = asyncio.create_task(asker(wire).carry_out(probe))
    await asyncio.sleep(0.035)  # the first was given up
    await hear(wire, reply(ROGUE), 1e12)
    assert (await asking).answered


async def test_each_round_asks_everyone_every_kind(wire: Wire) -> None:
    control = ProbeTarget(ip=ip_address("10.0.0.6"), mac=OTHER)
    kinds: tuple[Any, ...] = ("arp", "icmp", "tcp", "udp")
    probe = Probe(id="p", target=WHO, kinds=kinds, control=control, count=3, interval=0.001, timeout=0.01)
    result = await asker(wire).carry_out(probe)
    assert len(result.answers) == len(result.control_answers) == 12
    assert len(set(wire._socket.sent)) == 2 + 2 * 3 * 3  # an ARP question is the same each time, the others are all new


async def test_a_sensor_without_an_address_asks_by_arp_alone(wire: Wire) -> None:
    bare = Asker(wire, Interface("mirror0", OWN))
    assert (await bare.carry_out(Probe(id="p", target=WHO, kinds=("arp",), timeout=0.01))).silent
    result = await bare.carry_out(Probe(id="p", target=WHO, kinds=("icmp",), timeout=0.01))
    assert not result.silent
    assert "no IPv4 address" in result.trouble


def test_why_an_interface_is_deaf() -> None:
    assert why_deaf("lo") == ""
    assert "no such device" in why_deaf("nosuch0").lower()


def test_the_kernel_lets_through_what_is_for_us_or_watched_and_nothing_else() -> None:
    watched = [bytes([2, 0, 0, 0, n >> 8, n & 255]) for n in range(WATCHED_MOST)]
    own, everyone = bytes([6, 0, 0, 0, 0, 1]), b"\xff" * 6
    stranger = bytes([4, 0, 0, 0, 0, 5])  # its lower half is that of a watched one
    frames = {
        own + stranger: True,
        stranger + watched[0]: True,
        everyone + watched[-1]: True,
        everyone + stranger: False,
        watched[0] + stranger: False,
        everyone + own: False,
    }
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        assert apply_filter(near, own, watched)
        for addresses in frames:
            far.send(addresses + b"\x08\x00")
        far.send(own + own)
        heard = iter(lambda: near.recv(100), own + own)
        assert list(heard) == [addresses + b"\x08\x00" for addresses, passes in frames.items() if passes]
        assert not apply_filter(near, own, [*watched, stranger])
        far.send(everyone + everyone)
        assert near.recv(100) == everyone + everyone
