"""Carrying a probe out: which frames ask, whose answer counts, and when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.discovery.frames import Path, Question, ask_echo, ask_neighbour, ask_tcp, ask_udp
from controller.discovery.interface import Interface
from controller.discovery.probes import (
    Address,
    BaselineAnswer,
    Kind,
    Probe,
    ProbeAnswer,
    ProbeResult,
    ProbeTarget,
)
from controller.discovery.wire import Asked, Wire
from drivers.rules import Mac

_RESOLVED_FOR = 30.0
_RESOLVED_MOST = 1024
_SWEEP_PATIENCE = 0.25
_SWEEP_PAUSE = 0.005


class CannotAsk(Exception):
    """The question cannot be put at all from here, which says nothing about the target."""


class Unresolved(Exception):
    """Nobody answered for the target's own MAC, asked for at `sent_at`."""

    def __init__(self, sent_at: float) -> None:
        super().__init__(sent_at)
        self.sent_at = sent_at


@dataclass(slots=True)
class _Party:
    """Whom a probe asks, and every question so far. One without an `Asked` ended at asking for the MAC."""

    target: ProbeTarget
    kinds: tuple[Kind, ...]
    put: list[tuple[Kind, float, Asked | None]] = field(default_factory=list)
    trouble: str = ""

    def note(self, kind: Kind, asked: Asked) -> None:
        self.put.append((kind, asked.sent_at, asked))

    def asked(self) -> list[Asked]:
        return [asked for _, _, asked in self.put if asked]

    def answers(self) -> list[ProbeAnswer]:
        return [
            ProbeAnswer(kind=kind, sent_at=sent_at, answered_at=asked.answered_at if asked else None)
            for kind, sent_at, asked in self.put
        ]


class Asker:
    """Asks over one wire. `interface` is replaced when its addresses change."""

    def __init__(self, wire: Wire, interface: Interface) -> None:
        self.wire = wire
        self.interface = interface
        self._resolved: dict[Address, tuple[Mac, float]] = {}

    async def carry_out(self, probe: Probe) -> ProbeResult:
        started, lost = time.time(), self.wire.lost()
        target = _Party(probe.target, probe.kinds)
        control = _Party(probe.control, probe.kinds_for(probe.control)) if probe.control else None
        parties = [target, control] if control else [target]
        try:
            async with asyncio.TaskGroup() as rounds:
                for number in range(probe.count):
                    for party in parties:
                        rounds.create_task(self._round(party, probe, number * probe.interval))
            if any(answer.answered_at is None for answer in target.answers()):
                target.trouble = target.trouble or await self._why_unsure(lost)
        finally:
            for party in parties:
                self._forget(party.asked())
        trouble = target.trouble or (f"control: {control.trouble}" if control and control.trouble else "")
        return ProbeResult(
            id=probe.id,
            target=probe.target,
            answers=target.answers(),
            control_answers=control.answers() if control else [],
            started_at=started,
            ended_at=time.time(),
            trouble=trouble[:300],
        )

    async def sweep(self, targets: list[ProbeTarget], interval: float) -> list[BaselineAnswer]:
        """Asks each target once by ARP or neighbour discovery, in at most about half of `interval`; who answered, and when. Raises
        OSError when nothing can be asked."""
        pause = min(_SWEEP_PAUSE, interval / 2 / max(1, len(targets)))
        asked: list[tuple[ProbeTarget, Asked]] = []
        try:
            for target in targets:
                try:
                    asked.append((target, self._ask_neighbour(target, to_all=target.mac is None)))
                except CannotAsk:
                    continue
                await asyncio.sleep(pause)
            await _until_answered([one for _, one in asked], min(_SWEEP_PATIENCE, interval))
        finally:
            self._forget(one for _, one in asked)
        times = [(target, one.answered_at) for target, one in asked]
        return [BaselineAnswer(target=target, answered_at=at) for target, at in times if at is not None]

    def _forget(self, asked: Iterable[Asked]) -> None:
        for one in asked:
            self.wire.forget(one)

    async def _why_unsure(self, lost_before: int) -> str:
        """Why a question may look unanswered although it was not."""
        if not await self.wire.caught_up():
            return "frames arrive faster than the sensor can look at them"
        lost = self.wire.lost() - lost_before
        return f"{lost} frames were lost before the sensor could look at them" if lost else self.wire.trouble()

    async def _round(self, party: _Party, probe: Probe, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        before = len(party.put)
        try:
            await self._put_all(party, probe)
        except (CannotAsk, OSError) as error:
            party.trouble = party.trouble or str(error)
        await _until_answered([asked for _, _, asked in party.put[before:] if asked], probe.timeout)

    async def _put_all(self, party: _Party, probe: Probe) -> None:
        """First what needs no MAC, then the rest: one wait for a MAC does for all."""
        for kind in party.kinds:
            if kind in ("arp", "nd"):
                party.note(kind, self._ask_neighbour(party.target, to_all=True))
        rest = [kind for kind in party.kinds if kind not in ("arp", "nd")]
        if not rest:
            return
        try:
            path = await self._path(party.target, probe.timeout)
        except Unresolved as silence:
            party.put += [(kind, silence.sent_at, None) for kind in rest]
            return
        for kind in rest:
            party.note(kind, self.wire.ask(_question(kind, path, party.target.ip, probe), path.mac))

    def _ask_neighbour(self, target: ProbeTarget, *, to_all: bool) -> Asked:
        """`to_all`: a broadcast, which also reaches a host that only unicast is kept from."""
        own = self.interface.source_for(target.ip)
        if own is None and target.ip.version == 6:
            raise CannotAsk(f"{self.interface.name} has no IPv6 address to ask {target.ip} from")
        question = ask_neighbour(self.interface.mac, own, target.ip, None if to_all else target.mac)
        return self.wire.ask(question, target.mac)

    async def _path(self, target: ProbeTarget, patience: float) -> Path:
        ip = target.ip
        own, hop = self.interface.source_for(ip), self.interface.next_hop(ip)
        if own is None or hop is None:
            raise CannotAsk(f"{self.interface.name} has no IPv{ip.version} {'route' if own else 'address'} to ask {ip}")
        mac = target.mac if hop == ip else None
        return Path(self.interface.mac, own, mac or await self._resolve(hop, ip, patience))

    async def _resolve(self, hop: Address, ip: Address, patience: float) -> Mac:
        known = self._resolved.get(hop)
        if known and time.monotonic() < known[1]:
            return known[0]
        asked = self._ask_neighbour(ProbeTarget(ip=hop), to_all=True)
        try:
            await _until_answered([asked], patience)
        finally:
            self.wire.forget(asked)
        if asked.by is None:
            raise (
                Unresolved(asked.sent_at) if hop == ip else CannotAsk(f"the router {hop} towards {ip} does not answer")
            )
        if len(self._resolved) >= _RESOLVED_MOST:
            self._resolved.clear()
        self._resolved[hop] = (asked.by, time.monotonic() + _RESOLVED_FOR)
        return asked.by


def _question(kind: Kind, path: Path, ip: Address, probe: Probe) -> Question:
    if kind == "tcp":
        return ask_tcp(path, ip, probe.tcp_port)
    return ask_udp(path, ip, probe.udp_port) if kind == "udp" else ask_echo(path, ip)


async def _until_answered(asked: list[Asked], patience: float) -> None:
    """Returns when all are answered, or after `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            for one in asked:
                await one.settled.wait()
    except TimeoutError:
        return
