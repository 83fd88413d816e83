"""Each device is converged to what the store says it should hold: one serial loop a device, woken by events, never by hope.

The loop reads the *current* desired set, renders against the last known state, applies, and reads back what it changed. It
observes in full when it knows nothing: at the start, after a reconnect, a refusal, a lost answer, and at each resync. It is
the only caller of a driver's `apply`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

import structlog

from controller.config import Reconciling
from controller.errors import StoreUnavailable
from controller.foresight import Foresight
from controller.logs import about
from controller.model import Containment, DeviceOutcome, Outcome, Want
from controller.readback import Pass, leftover_reason, merged, outcomes_of
from controller.store import Desired, Setting, Steps, Store
from drivers.base import (
    EVERYTHING,
    Change,
    DeviceDiff,
    DeviceRefused,
    DeviceUnreachable,
    Driver,
    DriverError,
    LaysReady,
    ObservedState,
    OutcomeUnknown,
    Receipt,
    ReceiptStatus,
    UnsupportedAction,
)
from drivers.rules import PortName, RuleSet

log = structlog.get_logger("reconcile")
EVERY = 2**31 - 1
"""As a limit of a list: none."""
OWN_ECHO = 1.0
"""Seconds after a push in which a port's changed flags are taken for that push's own echo."""
TOLD_AT_ONCE = 100
"""Containments whose new outcome is read and told before anything else gets its turn."""
WITNESS = "witness:"
"""What a driver puts in to count with, and no containment asked for."""
SEEN_WHOLE = frozenset({Outcome.INSTALLED, Outcome.PROVEN, Outcome.DRIFTED})
"""Outcomes of a containment all of whose rules were once read back."""
PUT_OFF_MOST = 20
"""Times in a row that the look of a resync is given up for a push."""
GATHER, GATHER_MORE, GATHER_MOST = 0.03, 0.15, 0.6
"""Seconds for which a push to a configured switch waits for more to come in: at first, once more came, and at most. A push takes half a
second there."""


class DeviceLoop:
    """Converges one device for as long as `run` runs. `on_changed` hears of every containment whose outcome was recorded.

    `now` is for the times that are recorded; how long anything lasts is told by `monotonic`, which nobody sets back."""

    def __init__(
        self,
        device: str,
        driver: Driver,
        store: Store,
        settings: Reconciling,
        owner: str,
        now: Callable[[], float],
        on_changed: Callable[[Iterable[Containment]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.driver = driver
        self.error: str | None = None
        self.on_pass: Callable[[], None] = lambda: None
        """Called after each pass, whatever came of it."""
        self.up = False
        self._store = store
        self._settings = settings
        self._owner = owner
        self._now = now
        self._on_changed = on_changed
        self._monotonic = monotonic
        self._known: ObservedState | None = None
        self._ahead = Foresight(driver, self._pushes)
        self._doubts = 0
        self._held: frozenset[str] = frozenset()
        self._recorded: tuple[RuleSet, str, int] | None = None
        self._resync_at: float | None = None
        self._seen_anew: ObservedState | None = None
        self._put_off = 0
        self._standing = RuleSet()
        self._touched: frozenset[str] = frozenset()
        self._recalled = False
        self._remembered: frozenset[PortName] = frozenset()
        self._untold: dict[str, None] = {}
        self._failures = 0
        self._epoch: int | None = None
        self._claimed_at = 0.0
        self._pushed_at = -math.inf
        self._woken = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def observed_rules(self) -> int | None:
        """How many rules of ours the device held when it was last read, orphans included; None while nothing is known for sure."""
        if self._known is None:
            return None
        held = [rule.rule_id for rule in self._known.rules if not (rule.rule_id or "").startswith(WITNESS)]
        return len({name for name in held if name is not None}) + held.count(None)

    def untouched(self, ports: Iterable[PortName]) -> dict[PortName, dict[str, Setting]]:
        """What these ports are set to, for those of which it is known that nothing of ours is on them: what is to be remembered before
        a first touch. Nothing is known for sure while a pass is under way."""
        known = self._known
        if known is None or not self._ahead.open:
            return {}
        return {
            port: dict(known.ports[port].settings)
            for port in ports
            if port in known.ports and port not in self._remembered
        }

    def foresee(self, desired: Desired, steps: Steps) -> None:
        """This is wanted once `steps` are on the disk, if they get there: what it comes to is worked out meanwhile. Nothing is sent."""
        self._withdraw()
        known = self._known
        if known is not None and self._ahead.open:
            self._ahead.foresee(
                desired,
                known,
                steps,
                lambda change: self._epoch is not None and not _new_baseline(desired, known, change),
            )

    def durable(self, steps: Steps) -> None:
        """They are on the disk: what lies ready for them goes out. From any thread. The pass that follows waits for the answer, and reads
        back."""
        self._ahead.durable(steps)

    def _pushes(self) -> None:
        self._pushed_at = self._monotonic()

    def _withdraw(self) -> None:
        self._held |= self._ahead.withdraw()

    def wake(self) -> None:
        """The desired state changed: converge now."""
        self._wake()

    def distrust(self) -> None:
        """What was known of the device may no longer be so: observe in full, now, without waiting for any backoff."""
        self._doubt()
        self._failures = 0
        self._wake()

    def _wake(self) -> None:
        self._woken.set()
        self._quiet.clear()

    async def quiet(self, patience: float) -> None:
        """Until no pass is under way or due, at most `patience` seconds: what can wait lets a push go first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._quiet.wait()

    def flags_changed(self) -> None:
        """A port's flags changed, and not its link. That is our own doing when it comes with a push; what a colleague did in that
        moment is found at the next resync."""
        if self._monotonic() - self._pushed_at > OWN_ECHO:
            self.distrust()

    def stands(self, rules: frozenset[str]) -> bool:
        """Whether all of these were there when a pass last read the device back."""
        return rules <= self._standing.ids

    async def lost(self, reason: str) -> None:
        """The session is gone: what the device does now is not known."""
        self.up = False
        self._doubt()
        try:
            await self._record_all(Outcome.UNKNOWN, f"session lost: {reason}")
        except StoreUnavailable as error:
            log.warning("a lost session could not be recorded", device=self.device, error=str(error))

    async def run(self) -> None:
        """Until cancelled. No error of the device, of its driver or of the database ends it."""
        while True:
            self._woken.clear()
            self._quiet.clear()
            self._ahead.close()
            try:
                await self.converge()
                self._failures, self.error = 0, None
            except (DriverError, StoreUnavailable) as error:
                self._failures += 1
                self.error = str(error)
                log.warning("device not converged", device=self.device, error=str(error), failures=self._failures)
            except Exception as error:  # the device's outermost loop: a defect must not leave it unattended
                self._failures += 1
                self.error = f"internal error: {error!r}"
                self._doubt()
                log.exception("device not converged", device=self.device, failures=self._failures)
            self._ahead.open = True
            if not self._woken.is_set():
                self._quiet.set()
            self.on_pass()
            if await self._rest() and self.driver.capabilities.dead_man is not None:
                await self._gather()

    async def _gather(self) -> None:
        """Let more come in, for a moment, or for as long as more is asked for: a push takes a switch that is configured nearly as long for
        one as for many, and whoever comes meanwhile has to wait for the next."""
        ends, patience = self._monotonic() + GATHER_MOST, GATHER
        while (left := ends - self._monotonic()) > 0:
            self._woken.clear()
            try:
                async with asyncio.timeout(min(patience, left)):
                    await self._woken.wait()
            except TimeoutError:
                return
            patience = GATHER_MORE

    async def converge(self) -> None:
        """One pass. Raises the driver's or the store's error after recording what it means for each containment."""
        epoch = await self._claimed()
        if epoch is None:
            return
        await self._recall()
        try:
            done = await self._pass(epoch)
        except DeviceUnreachable as error:
            self.up = False
            self._doubt()
            await self._record_unreachable(str(error), epoch)
            raise
        except OutcomeUnknown as error:
            self._doubt()
            await self._record_all(Outcome.UNKNOWN, str(error), epoch)
            raise
        except DriverError as error:
            self._doubt()
            await self._record_all(Outcome.FAILED, str(error), epoch)
            raise
        self.up = True
        await self._tell(await self._record(done, epoch))
        if not done.leftover.empty:
            self._doubt()
            raise DeviceRefused(leftover_reason(done))

    async def would_change(self, rules: RuleSet) -> DeviceDiff:
        """What adding these rules would change on the device, in the driver's words. Nothing is sent but the look."""
        desired = await self._store.desired(self.device)
        observed = self._known if self._known is not None else await self.driver.observe(EVERYTHING)
        due = set(self.driver.render(desired.rules, observed, desired.baseline).lines)
        change = self.driver.render(desired.rules | rules, observed, desired.baseline)
        return tuple(line for line in change.lines if line not in due)

    async def _recall(self) -> None:
        """What an earlier daemon saw the device hold, by the store's word; asked once."""
        if self._recalled:
            return
        held = await self._store.containments(Want.HELD, EVERY, self.device)
        seen = {case.id: one.outcome for case in held for one in case.devices if one.device == self.device}
        self._held = frozenset(name for name, outcome in seen.items() if outcome is not Outcome.REQUESTED)
        stood = {name for name, outcome in seen.items() if outcome in SEEN_WHOLE}
        self._standing = RuleSet(
            rule for case in held if case.id in stood for device, rule in case.rules if device == self.device
        )
        self._recalled = True

    # --- one pass -------------------------------------------------------------------------------------------------

    async def _pass(self, epoch: int) -> Pass:
        doubts, fresh = self._doubts, self._known is None
        if fresh:
            self._recorded = None
        desired = await self._store.desired(self.device, anew=fresh)
        observed = self._known if self._known is not None else await self._looked()
        change = self._change(desired, observed)
        drifted = fresh and await self._record_drift(desired, observed, change, epoch)
        if change.empty:
            self._keep(observed, doubts)
            self._stands(desired, change)
            return Pass(desired, observed, change, {}, drifted=False)
        remembered = await self._remember_baseline(desired, observed, change)
        if remembered is not desired:
            desired = remembered
            change = self.driver.render(desired.rules, observed, desired.baseline)
        with about(_concerned(desired, change)):
            receipt = await self._push(desired, change)
            observed = await self._read_back(observed, change)
            leftover = self.driver.render(desired.rules, observed, desired.baseline)
            log.info("read back", device=self.device, lacking=len(leftover.rule_ids), not_removed=len(leftover.removed))
        self._keep(observed, doubts)
        self._stands(desired, leftover)
        return Pass(desired, observed, leftover, receipt.refused, drifted)

    def _change(self, desired: Desired, observed: ObservedState) -> Change:
        """What brings the device there; where that was foreseen, of these very rules and this very state, it is at hand."""
        if (change := self._ahead.take(desired, observed)) is not None:
            return change
        self._withdraw()
        return self.driver.render(desired.rules, observed, desired.baseline)

    def _doubt(self) -> None:
        """What is known, and what a pass on its way is finding out, holds no longer."""
        self._known = self._seen_anew = None
        self._doubts += 1
        self._withdraw()

    def _keep(self, observed: ObservedState, doubts: int) -> None:
        """Go on from this state, unless something was heard meanwhile that puts it in doubt."""
        self._known = observed if doubts == self._doubts else None

    def _stands(self, desired: Desired, leftover: Change) -> None:
        """Remember which rules were read back as they should be: one that is missing later went away without our asking."""
        lacking = leftover.rule_ids
        self._standing = RuleSet(r for r in desired.rules if r.id not in lacking) if lacking else desired.rules
        self._touched = frozenset()
        self._remembered = frozenset(desired.baseline.ports)

    async def _looked(self) -> ObservedState:
        """A look at all, which a resync may just have had."""
        seen, self._seen_anew = self._seen_anew, None
        self._resync_at = None if seen is None else self._resync_at
        return seen if seen is not None else await self._look()

    async def _look(self) -> ObservedState:
        observed = await self.driver.observe(EVERYTHING)
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
        self._resync_at = self._monotonic() + self._settings.resync * jitter
        return observed

    async def _push(self, desired: Desired, change: Change) -> Receipt:
        """Apply. Until all is read back the device may hold any of it, whatever becomes of the answer; and what of it is missing then is
        no drift."""
        held = self._held
        self._ahead.pushed()
        self._held |= set(desired.containments)
        self._touched |= change.rule_ids | change.removed
        pushing = partial(
            log.info, "pushing", device=self.device, rules=len(change.rule_ids), removing=len(change.removed)
        )
        asyncio.get_running_loop().call_soon(
            pushing
        )  # once it is on its way: to write the line takes longer than to send it
        try:
            receipt = await self._apply(change)
        except DriverError as error:
            log.warning("push failed", device=self.device, error=str(error))
            if isinstance(error, DeviceUnreachable | DeviceRefused | UnsupportedAction):
                self._held = held
            raise
        for rule, reason in receipt.refused.items():
            owners = {one.provenance.containment for one in desired.rules if one.id == rule}
            with about(owners):
                log.warning("refused by the device", device=self.device, rule=rule, reason=reason)
        return receipt

    async def _apply(self, change: Change) -> Receipt:
        self._pushes()
        receipt = await self.driver.apply(change, self._settings.deadline)
        if receipt.status is not ReceiptStatus.UNCONFIRMED:
            return receipt
        try:
            return await self.driver.confirm(receipt)
        except DeviceUnreachable as error:
            raise OutcomeUnknown(f"applied, but the session was lost before it was confirmed: {error}") from error

    async def _remember_baseline(self, desired: Desired, observed: ObservedState, change: Change) -> Desired:
        """The value of what we are about to touch goes into the store before we touch it, once. The ports of rules that stand already
        went there before those were pushed."""
        new = _new_baseline(desired, observed, change)
        if not new:
            return desired
        await self._store.save_baseline(self.device, new)
        return replace(desired, baseline=replace(desired.baseline, ports={**desired.baseline.ports, **new}))

    async def _read_back(self, before: ObservedState, change: Change) -> ObservedState:
        """What the change touched, read anew. Everything is, where it cannot be told apart: orphans have no name to ask for, and a device
        that rebooted under the push has lost more than what was pushed."""
        scope = change.scope
        try:
            if any(rule.rule_id is None for rule in before.rules):
                return await self._look()
            after = await self.driver.observe(scope)
            return merged(before, after, scope) if after.boot_id == before.boot_id else await self._look()
        except DeviceUnreachable as error:
            raise OutcomeUnknown(f"pushed, but the session was lost before it was read back: {error}") from error

    # --- what it means for each containment ---------------------------------------------------------------------------

    async def _record(self, done: Pass, epoch: int) -> list[str]:
        now, whole, done_as = self._now(), done.leftover.empty, (done.desired.rules, done.observed.boot_id, epoch)
        news = self._news(*done_as) if whole else None
        outcomes = {
            containment: replace(outcome, device=self.device, at=now)
            for containment, outcome in outcomes_of(done, news)
        }
        there = (name for name, one in outcomes.items() if one.outcome in (Outcome.INSTALLED, Outcome.PARTIAL))
        self._held = frozenset(done.desired.by_containment if whole else there)
        stood, self._recorded = self._recorded, None
        have = done.desired.revision if whole else None
        changed = await self._store.record(self.device, epoch, have, outcomes, done.observed.boot_id)
        if whole:
            self._recorded = done_as
            if stood is None or not stood[0].ids <= done.desired.rules.ids:
                await self._forget_baseline(done.desired)
        return changed

    def _news(self, rules: RuleSet, boot_id: str, epoch: int) -> set[str] | None:
        """The containments whose rules are others than when all stood as it should and was recorded: of the rest there is nothing new.
        None: all may be, for instance after anything else was recorded, or the device was read as a whole."""
        if self._recorded is None or self._recorded[1:] != (boot_id, epoch):
            return None
        before = self._recorded[0]
        differing = [rules.get(name) or before.get(name) for name in rules.ids ^ before.ids]
        return {rule.provenance.containment for rule in differing if rule is not None}

    async def _forget_baseline(self, desired: Desired) -> None:
        used = {rule.match.port for rule in desired.rules}
        if unused := [port for port in desired.baseline.ports if port not in used]:
            await self._store.drop_baseline(self.device, unused)
            self._remembered -= set(unused)

    async def _record_drift(self, desired: Desired, observed: ObservedState, change: Change, epoch: int) -> bool:
        """Whether rules that stood are gone, and not by our own push: each containment that lost one is said to have drifted. What is
        sent again only because other rules came or went is not gone, so the rules that stood are looked at by themselves."""
        if not (change.rule_ids & self._standing.ids) - self._touched:
            return False
        lost = self.driver.render(self._standing, observed, desired.baseline)
        missing = (change.rule_ids & lost.rule_ids) - self._touched
        gone = {rule.provenance.containment for rule in desired.rules if rule.id in missing}
        if not gone:
            return False
        reason = "; ".join(f"{line.sign} {line.text}" for line in lost.lines)
        log.warning("drift", device=self.device, containments=sorted(gone), change=reason)
        outcome = DeviceOutcome(
            self.device, Outcome.DRIFTED, f"changed behind our back, being repaired: {reason}", self._now()
        )
        await self._record_these(dict.fromkeys(sorted(gone), outcome), epoch)
        return True

    async def _record_all(self, outcome: Outcome, reason: str, epoch: int | None = None) -> None:
        epoch = epoch if epoch is not None else await self._claimed()
        if epoch is None:
            return
        desired = await self._store.desired(self.device)
        outcome_here = DeviceOutcome(self.device, outcome, reason, self._now())
        await self._record_these(dict.fromkeys(desired.containments, outcome_here), epoch)

    async def _record_unreachable(self, reason: str, epoch: int) -> None:
        """Nothing was sent now. What was seen installed, or was pushed, may still be there; the rest waits."""
        desired, now = await self._store.desired(self.device), self._now()
        queued = DeviceOutcome(self.device, Outcome.REQUESTED, f"queued, the device is unreachable: {reason}", now)
        unseen = DeviceOutcome(
            self.device,
            Outcome.UNKNOWN,
            f"was installed, or pushed and not read back, and the device is unreachable: {reason}",
            now,
        )
        seen = self._held & desired.by_containment.keys()
        outcomes = {one: unseen if one in seen else queued for one in desired.containments}
        await self._record_these(outcomes, epoch)

    async def _record_these(self, outcomes: Mapping[str, DeviceOutcome], epoch: int) -> None:
        if outcomes:
            self._recorded = None
            await self._tell(await self._store.record(self.device, epoch, None, outcomes, None))

    async def _tell(self, changed: Iterable[str]) -> None:
        """Say what was recorded, the newest first and some at a time: what is to be pushed meanwhile goes before the rest."""
        self._untold = dict.fromkeys(changed) | self._untold
        while self._untold:
            some = list(islice(self._untold, TOLD_AT_ONCE))
            cases = await self._store.cases(some)
            for name in some:
                self._untold.pop(name, None)
            self._on_changed(cases)
            if self._woken.is_set():
                return

    # --- when to look again -----------------------------------------------------------------------------------------

    async def _claimed(self) -> int | None:
        """The epoch under which we may push: claimed once, and kept by a heartbeat at a third of the lease."""
        if self._epoch is None or self._monotonic() - self._claimed_at > self._settings.lease / 3:
            self._epoch = await self._store.claim(self.device, self._owner, self._settings.lease)
            self._claimed_at = self._monotonic()
        return self._epoch

    async def _rest(self) -> bool:
        """Until woken, which it says, or until the next try is due. A due resync looks anew at all, and forgets what was known."""
        if self._failures:
            backoff = min(self._settings.backoff * 2 ** (self._failures - 1), self._settings.backoff_most)
            due = self._monotonic() + min(self._settings.resync, backoff) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        else:
            due = self._resync_at if self._resync_at is not None else self._monotonic() + self._settings.resync
        while (left := due - self._monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, self._settings.lease / 3)):
                    await self._woken.wait()
            except TimeoutError:
                with contextlib.suppress(StoreUnavailable):
                    await self._claimed()
            else:
                return True
        if self._known is not None and isinstance(self.driver, LaysReady) and self._put_off < PUT_OFF_MOST:
            self._seen_anew = await self._seen_unless_woken()
            if self._woken.is_set():
                self._put_off, self._resync_at = self._put_off + 1, due
                return True
        self._put_off = 0
        self._known = None
        return False

    async def _seen_unless_woken(self) -> ObservedState | None:
        """The look of a resync, had while nothing is to be pushed: at ten thousand rules it takes longer than an alert's whole way. What
        is pushed meanwhile goes out as it was laid ready, and the look is given up for it. None too where the look failed: the pass will
        say it."""
        doubts = self._doubts
        looking, woken = asyncio.create_task(self._look()), asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({looking, woken}, return_when=asyncio.FIRST_COMPLETED)
            good = (
                looking.done() and looking.exception() is None and not self._woken.is_set() and doubts == self._doubts
            )
            return looking.result() if good else None
        finally:
            for task in (looking, woken):
                task.cancel()
            await asyncio.gather(looking, woken, return_exceptions=True)


def _new_baseline(desired: Desired, observed: ObservedState, change: Change) -> dict[PortName, dict[str, Setting]]:
    """What the ports that the change is about to touch are set to, of those of which it is not remembered."""
    sent = [desired.rules.get(name) for name in change.rule_ids]
    ports = change.ports | {rule.match.port for rule in sent if rule is not None and rule.match.port is not None}
    return {
        port: dict(observed.ports[port].settings)
        for port in ports
        if port in observed.ports and port not in desired.baseline.ports
    }


def _concerned(desired: Desired, change: Change) -> set[str]:
    """The containments for whose sake something is sent: whose rules come, and, where rules go, who has none here any more."""
    sent = [desired.rules.get(name) for name in change.rule_ids]
    coming = {rule.provenance.containment for rule in sent if rule is not None}
    if coming and not change.removed:
        return coming
    return coming.union(desired.gone)
