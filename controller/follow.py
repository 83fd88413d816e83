"""A contained device is followed: what is heard of it elsewhere is judged (`moves`), planned and proven anew there, and committed at once.

In that order: hold the new port, see it read back, and only then free the old one. Nothing here waits for a person, and nothing here
frees a port on a frame's word alone. A move that a guard refuses is said in the case, the audit log and the log. One task a case, for
as long as something about it is open.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from controller.containment import Containments, Prepared
from controller.errors import NetcordonError, RefusalCode, Refused
from controller.model import Address, Attachment, Containment, DeviceOutcome, Outcome, Proof, Want
from controller.moves import PortView, Step, Verdict, judge, may_free, there_too
from controller.network.spans import Span
from controller.network.view import Holding, NetworkView
from controller.store import Move, Store
from drivers.base import Sighting
from drivers.rules import Mac, PortName, RuleSet

log = structlog.get_logger("follow")
Place = tuple[str, PortName]
MOST_PLACES = 4
"""Ports at which one case is held. Whoever sends under its name from more is told of, and not chased any further."""
MOST_NOTED = 16
"""Strange MACs on a contained port that are named in the case."""
CROWD = 32
"""Where more cases are held on one port, there are many devices behind it: a stranger there is named in none of them. Each would cost a
look and a transaction of every case, while the one that an alert makes right then waits for its push and its proof."""
LOOKS_AT_ONCE = 16
"""Cases that are looked at in the same moment, for the same reason: a crowded port that comes and goes is news for all held there."""
BREATH = 0.1
"""Seconds between two looks at the same case: a contained device decides how often it is heard."""
RETRY = 1.0
"""Seconds after which to look again when the store could not be asked."""


class Follower:
    """Hears sightings and ports, keeps an index of what is held, and looks at a case when something about it may have changed."""

    def __init__(
        self,
        store: Store,
        network: NetworkView,
        containments: Containments,
        wake: Callable[[Iterable[str]], None],
        on_changed: Callable[[Iterable[Containment]], None],
        stands: Callable[[str, frozenset[str]], bool],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._network = network
        self._containments = containments
        self._wake = wake
        self._on_changed = on_changed
        self._stands = stands
        self._now = now
        self._cases: dict[str, Containment] = {}
        self._of_mac: dict[Mac, set[str]] = defaultdict(set)
        self._at: dict[Place, set[str]] = defaultdict(set)
        self._looking: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._noted: dict[str, set[Mac]] = defaultdict(set)
        self._refusals: dict[str, set[tuple[Place, RefusalCode | None]]] = defaultdict(set)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def changed(self, containments: Iterable[Containment]) -> None:
        """Cases were accepted, or something was recorded about them. What is told of a place takes all that are held there: it is told
        once, and not for an outcome."""
        told_anew: set[Place] = set()
        for case in containments:
            known = self._cases.get(case.id)
            if known is not None and known.revision > case.revision:
                continue
            held = case.want is Want.HELD
            if known is None or not held or (known.endpoint, known.places) != (case.endpoint, case.places):
                told_anew |= self._forget(case.id)
                told_anew |= self._index(case) if held else set()
            if held:
                self._cases[case.id] = case
                if len(case.places) > 1 or len(case.endpoint.macs) > 1:
                    self._look_at(case.id)
            else:
                self._noted.pop(case.id, None)
                self._refusals.pop(case.id, None)
        for place in told_anew:
            self._tell_of(place)

    def saw(self, sighting: Sighting) -> None:
        """A switch saw a frame come in. A few look-ups, for nearly all."""
        for id in self._of_mac.get(sighting.mac, ()):
            case = self._cases[id]
            if (sighting.device, sighting.port) != _home(case) or (
                sighting.ip and sighting.ip not in case.endpoint.ips
            ):
                self._look_at(id)
        for id in self._apart_at((sighting.device, sighting.port)):
            endpoint = self._cases[id].endpoint
            noted = self._noted[id]
            if len(noted) < MOST_NOTED and sighting.mac not in endpoint.macs | endpoint.neighbours | noted:
                self._look_at(id)

    def port_changed(self, place: Attachment) -> None:
        """A port came, went or changed: what was doubtful about a device may be plain now."""
        ids = set(self._at.get((place.device, place.port), ()))
        for mac in self._network.bindings.on_port.get((place.device, place.port), {}):
            ids |= self._of_mac.get(Mac(mac[1]), set())
        for id in ids:
            self._look_at(id)

    async def close(self) -> None:
        running = [task for task, _ in self._looking.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _apart_at(self, place: Place) -> set[str]:
        """The cases held there, if they are few enough for a stranger to be worth a word."""
        cases = self._at.get(place, set())
        return cases if len(cases) <= CROWD else set()

    def _index(self, case: Containment) -> set[Place]:
        """Find it by its MACs and places from now on; the places."""
        for mac in case.endpoint.macs:
            self._of_mac[mac].add(case.id)
        for place in case.places:
            self._at[place].add(case.id)
        return set(case.places)

    def _forget(self, id: str) -> set[Place]:
        """Where it was held."""
        case = self._cases.pop(id, None)
        for mac in () if case is None else case.endpoint.macs:
            self._of_mac[mac].discard(id)
            if not self._of_mac[mac]:
                del self._of_mac[mac]
        for place in () if case is None else case.places:
            self._at[place].discard(id)
            if not self._at[place]:
                del self._at[place]
        return set() if case is None else set(case.places)

    def _tell_of(self, place: Place) -> None:
        """The network view knows what is held there: whoever turns up there from now on may be the held device itself."""
        cases = [self._cases[id] for id in self._at.get(place, ())]
        if not cases:
            self._network.held.pop(place, None)
            return
        beside = [case.endpoint.neighbours for case in cases if _home(case) == place]
        silent = [case.created_at for case in cases if case.silences(place)]
        self._network.held[place] = Holding(
            min(case.created_at for case in cases), frozenset().union(*beside), min(silent, default=None)
        )

    def _look_at(self, id: str) -> None:
        task, again = self._looking.get(id, (None, None))
        if task is not None and again is not None and not task.done():
            again.set()
            return
        again = asyncio.Event()
        task = asyncio.create_task(self._look_until_quiet(id, again), name=f"follow {id}")
        self._looking[id] = task, again
        task.add_done_callback(lambda done: self._quiet(id, done))

    def _quiet(self, id: str, done: asyncio.Task[None]) -> None:
        if self._looking.get(id, (None,))[0] is done:
            del self._looking[id]

    # --- one case -------------------------------------------------------------------------------------------------------

    async def _look_until_quiet(self, id: str, heard: asyncio.Event) -> None:
        while True:
            heard.clear()
            try:
                async with self._turns:
                    wait = await self._look(await self._store.containment(id))
            except Refused as refusal:
                log.info("looked at again", containment=id, reason=refusal.reason)
                wait = BREATH
            except NetcordonError as error:
                log.warning("a device could not be followed yet", containment=id, error=str(error))
                wait = RETRY
            except Exception:  # the case's outermost loop: a defect must not leave the device unfollowed
                log.exception("a device could not be followed", containment=id)
                wait = RETRY
            if wait is None and not heard.is_set():
                return
            await asyncio.sleep(BREATH)
            if not heard.is_set():
                try:
                    await asyncio.wait_for(heard.wait(), wait)
                except TimeoutError:
                    continue

    async def _look(self, case: Containment) -> float | None:
        """Do the first thing that is to be done; seconds after which to look again, None for when something is heard. Raises Refused when
        the case changed meanwhile."""
        if case.want is not Want.HELD or not case.endpoint.macs:
            return None
        await self._note(case)
        waits: list[float] = []
        for place, mac in self._plugged_in_elsewhere(case).items():
            verdict = there_too(self._view(case, place), mac)
            if verdict.step is Step.HOLD_BOTH and await self._both(case, place, verdict.why):
                return 0.0
        for place in self._heard_at(case):
            verdict = judge(self._view(case, _home(case)), self._view(case, place), self._now())
            if await self._follow(case, place, verdict):
                return 0.0
            waits += [] if verdict.again is None else [verdict.again]
        for place in sorted(case.places - self._home_ports(case)):
            verdict = self._may_free(case, place)
            if verdict.step is Step.FREE:
                await self._free(case, place, verdict.why)
                return 0.0
            waits += [] if verdict.again is None else [verdict.again]
        return min(waits, default=None)

    def _plugged_in_elsewhere(self, case: Containment) -> dict[Place, Mac]:
        """Where those of several MACs are that were one device before it was held, and that are not at its port."""
        network, realm, found = self._network, case.endpoint.realm, dict[Place, Mac]()
        for mac in sorted(case.endpoint.macs) if len(case.endpoint.macs) > 1 else ():
            spans = network.bindings.history_of_mac(realm, mac)
            if spans and spans[-1].last >= self._now() - network.max_age:
                at = network.graph.one_place(spans[-1].place)
                place = at.device, at.port
                if place != _home(case) and place not in case.places:
                    found[place] = mac
        return found

    def _heard_at(self, case: Containment) -> list[Place]:
        """Where else than at home it was heard since it is held, the latest first."""
        heard = {
            (span.device, PortName(span.port)): span.last
            for mac in case.endpoint.macs
            for span in self._network.bindings.history_of_mac(case.endpoint.realm, mac)
            if span.last > case.created_at and (span.device, span.port) != _home(case)
        }
        return sorted(heard, key=lambda place: heard[place], reverse=True)

    async def _follow(self, case: Containment, place: Place, verdict: Verdict) -> bool:
        """Hold it there as well as the verdict says; whether anything changed."""
        if verdict.step is Step.MOVE:
            return await self._held_at(case, place, verdict.why, whole=True) or await self._both(
                case, place, verdict.why
            )
        return verdict.step is Step.HOLD_BOTH and await self._both(case, place, verdict.why)

    async def _both(self, case: Containment, place: Place, why: str) -> bool:
        if place in case.places:
            return False
        if (held := len(case.places - self._home_ports(case)) + 1) >= MOST_PLACES:
            reason = f"it is held at {held} ports already: look who uses its MAC"
            await self._refused(case, place, None, reason)
            return False
        return await self._held_at(case, place, why, whole=False)

    async def _held_at(self, case: Containment, place: Place, why: str, *, whole: bool) -> bool:
        """Plan, prove and commit. False, and said, when a guard refuses."""
        to = Attachment(*place)
        try:
            prepared = self._containments.prepare_at(case, to, whole=whole)
        except Refused as refusal:
            await self._refused(case, place, refusal.code, refusal.reason)
            return False
        move = self._move(case, to, prepared, why, whole=whole)
        recheck = (lambda: self._containments.still_at(prepared)) if whole else (lambda: None)
        moved = await self._store.move(case.id, move, recheck)
        log.warning("moved" if whole else "held at both ports", containment=case.id, to=move.gone_to, why=why)
        self._wake(
            {*prepared.plan.rules, case.endpoint.attachment.device}
        )  # home too: it may have been called drifted by now
        self._on_changed([moved])
        return True

    def _move(self, case: Containment, to: Attachment, prepared: Prepared, why: str, *, whole: bool) -> Move:
        """As it goes into the store. In doubt the case stays where it is, and its proof tells of both ports."""
        label = self._network.graph.label
        come_from, gone_to = label(case.endpoint.attachment), label(to)
        said = f"moved from {come_from} to {gone_to}" if whole else f"held at {come_from} and at {gone_to}"
        move = Move(case.revision, prepared.plan.rules, come_from, gone_to, f"{said}: {why}", None, prepared.proof)
        if not whole:
            return replace(move, proof=_both_proofs(case.proof, prepared.proof, gone_to))
        kept = frozenset(ip for ip in case.endpoint.ips if self._is_still_its_own(case, ip))
        endpoint = replace(prepared.endpoint, ips=prepared.endpoint.ips | kept)
        return replace(move, endpoint=endpoint, weaker=prepared.plan.weaker)

    def _is_still_its_own(self, case: Containment, ip: Address) -> bool:
        holder = self._network.bindings.holder(case.endpoint.realm, ip)
        return holder is None or Mac(holder.mac) in case.endpoint.macs or _may_be_anothers(ip)

    async def _refused(self, case: Containment, place: Place, code: RefusalCode | None, reason: str) -> None:
        """Said in the audit log, the log and the case, whose outcome is not what it was: once for each port and kind of reason (None: it is
        held at too many). Its words name addresses, which the device may invent anew for every frame."""
        if (place, code) in self._refusals[case.id]:
            return
        self._refusals[case.id].add((place, code))
        where = self._network.graph.label(Attachment(*place))
        said = f"seen at {where}, and not contained there: {reason}"
        log.error("a contained device is not held where it was seen", containment=case.id, place=where, reason=reason)
        home = case.endpoint.attachment.device
        await self._store.audit_append("netcordon", "move-refused", case.id, {"to": where, "reason": reason})
        await self._store.note(case.id, (), [said])
        drifted = DeviceOutcome(home, Outcome.DRIFTED, said, self._now())
        self._on_changed([await self._store.set_outcome(case.id, home, drifted, case.revision)])

    # --- freeing --------------------------------------------------------------------------------------------------------

    def _may_free(self, case: Containment, place: Place) -> Verdict:
        """What the new place holds is asked by its own rules: those of an old port that is gone may well be lacking on the same switch."""
        home = self._home_ports(case)
        installed = all(self._installed(case, device, home) for device in {device for device, _ in home})
        old = self._view(case, place)
        return may_free(old, self._view(case, _home(case)), installed=installed, now=self._now())

    def _installed(self, case: Containment, device: str, home: frozenset[Place]) -> bool:
        """Whether what the device holds for these ports was read back."""
        seen = {one.device: one.outcome for one in case.devices}.get(device)
        here = frozenset(
            rule.id
            for where, rule in case.rules
            if where == device and (rule.match.port is None or (where, rule.match.port) in home)
        )
        return seen in (Outcome.INSTALLED, Outcome.PROVEN) or (seen is Outcome.PARTIAL and self._stands(device, here))

    def _home_ports(self, case: Containment) -> frozenset[Place]:
        """Its own port; of a bundle all, or those around what takes no rules: between these it does not move."""
        held_at = self._containments.ports_for(case.endpoint.attachment)
        return frozenset({_home(case), *((one.device, one.port) for one in held_at)})

    async def _free(self, case: Containment, place: Place, why: str) -> None:
        label = self._network.graph.label
        where, home = label(Attachment(*place)), label(case.endpoint.attachment)
        alone = not any(other[0] == place[0] for other in case.places - {place})
        rules = RuleSet(
            rule
            for device, rule in case.rules
            if device == place[0] and (rule.match.port == place[1] or (alone and rule.match.port is None))
        )
        move = Move(case.revision, {place[0]: rules}, where, home, f"freed {where}: {why}")
        freed = await self._store.free(case.id, move)
        log.warning("freed", containment=case.id, place=where, why=why)
        self._wake([place[0]])
        self._on_changed([freed])

    # --- what is known --------------------------------------------------------------------------------------------------

    def _view(self, case: Containment, place: Place) -> PortView:
        """The port, and what was heard of the device there by its MACs, or by its own addresses under another MAC."""
        graph, at = self._network.graph, Attachment(*place)
        spans = self._spans(case, place)
        up, came, went, pulled = self._link(at)
        return PortView(
            name=graph.label(at),
            heard=max((span.last for span in spans), default=None),
            first=max((span.first for span in spans if span.mac in case.endpoint.macs), default=None),
            up=up,
            came=came,
            went=went,
            pulled=pulled,
            unsettled=graph.unsettled_for(at, self._now()),
            uplink=graph.is_uplink(*place),
        )

    def _link(self, at: Attachment) -> tuple[bool | None, float | None, float | None, float | None]:
        """Whether it is up, when it came and went last, and when it can have gone at the earliest. A bundle is up as long as one of
        its cables is, and went when each had."""
        graph = self._network.graph
        segment = graph.segment_at(at)
        ends = graph.places_of(segment) if segment is not None and segment.is_bundle else (at,)
        ups = [False if graph.port_is_gone(one) else graph.port_is_up(one) for one in ends]
        came, went = zip(*(graph.link_times(one) for one in ends), strict=True)
        up = True if True in ups else None if None in ups else False
        last_to_come = max((moment for moment in came if moment is not None), default=None)
        gone = None if None in went else min(moment for moment in went if moment is not None)
        pulled = min((moment for one in ends if (moment := graph.pulled_at(one)) is not None), default=None)
        return up, last_to_come, gone, None if gone is None else pulled

    def _spans(self, case: Containment, place: Place) -> list[Span]:
        bindings, realm = self._network.bindings, case.endpoint.realm
        histories = [bindings.history_of_mac(realm, mac) for mac in case.endpoint.macs]
        histories += [bindings.history_of_ip(realm, ip) for ip in case.endpoint.ips if not _may_be_anothers(ip)]
        return [span for history in histories for span in history if span.at(*place)]

    async def _note(self, case: Containment) -> None:
        """New addresses of the device go into the case, and strangers on its port are named in it."""
        endpoint, bindings, noted = case.endpoint, self._network.bindings, self._noted[case.id]
        ips = {ip for mac in endpoint.macs for ip in bindings.ips_held_by(endpoint.realm, mac)} - endpoint.ips
        apart = case.id in self._apart_at(_home(case))
        present = bindings.on_place(endpoint.realm, endpoint.attachment, case.created_at) if apart else {}
        strange = sorted(present.keys() - endpoint.macs - endpoint.neighbours - noted)[: MOST_NOTED - len(noted)]
        where = self._network.graph.label(endpoint.attachment)
        words = [
            f"{mac} turned up on {where} while that was held"
            for mac in strange
            if not any(mac in sentence for sentence in case.evidence)
        ]
        noted.update(strange)
        if ips or words:
            self._on_changed([await self._store.note(case.id, ips, words)])


def _may_be_anothers(ip: Address) -> bool:
    """Every link may have a device with this very address (RFC 4291 §2.5.6): what another MAC says under it is not this one's."""
    return ip.version == 6 and ip.is_link_local


def _home(case: Containment) -> Place:
    return case.endpoint.attachment.device, case.endpoint.attachment.port


def _both_proofs(held: Proof | None, there: Proof, where: str) -> Proof:
    """What remains at a port where only the device's MACs are stopped remains of the whole."""
    residual = tuple(replace(reach, kind=f"{reach.kind} (at {where})") for reach in there.residual)
    if held is None:
        return replace(there, residual=residual)
    return Proof(
        held.blocked,
        (*held.residual, *residual),
        (*held.collateral, *there.collateral),
        {**there.management, **held.management},
    )
