"""Each device is converged to what the store says it should hold: one serial loop a device, woken by events, never by hope.

The loop reads the *current* desired set, renders against the last known state, applies, and reads back what it changed. It
observes in full when it knows nothing: at the start, after a reconnect, a refusal, a lost answer, and at each resync. It is
the only caller of a driver's `apply`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import structlog

from controller.config import Reconciling
from controller.errors import StoreUnavailable
from controller.model import Containment, DeviceOutcome, Outcome, Want
from controller.readback import Pass, leftover_reason, merged, outcomes_of
from controller.store import Desired, Store
from drivers.base import (
    EVERYTHING,
    Change,
    DeviceDiff,
    DeviceRefused,
    DeviceUnreachable,
    Driver,
    DriverError,
    ObservedState,
    OutcomeUnknown,
    Receipt,
    ReceiptStatus,
)
from drivers.rules import RuleSet

log = structlog.get_logger("reconcile")
EVERY = 2**31 - 1
"""As a limit of a list: none."""
OWN_ECHO = 1.0
"""Seconds after a push in which a port's changed flags are taken for that push's own echo."""


class DeviceLoop:
    """Converges one device for as long as `run` runs. `on_changed` hears of every containment whose outcome was recorded."""

    def __init__(
        self,
        device: str,
        driver: Driver,
        store: Store,
        settings: Reconciling,
        owner: str,
        now: Callable[[], float],
        on_changed: Callable[[Iterable[Containment]], None],
    ) -> None:
        self.device = device
        self.driver = driver
        self.error: str | None = None
        self.up = False
        self._store = store
        self._settings = settings
        self._owner = owner
        self._now = now
        self._on_changed = on_changed
        self._known: ObservedState | None = None
        self._doubts = 0
        self._held: frozenset[str] = frozenset()
        self._resync_at: float | None = None
        self._converged_revision: int | None = None
        self._recalled = False
        self._failures = 0
        self._epoch: int | None = None
        self._claimed_at = 0.0
        self._pushed_at = 0.0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """The desired state changed: converge now."""
        self._woken.set()

    def distrust(self) -> None:
        """What was known of the device may no longer be so: observe in full, now, without waiting for any backoff."""
        self._doubt()
        self._failures = 0
        self._woken.set()

    def flags_changed(self) -> None:
        """A port's flags changed, and not its link. That is our own doing when it comes with a push; what a colleague did in that
        moment is found at the next resync."""
        if self._now() - self._pushed_at > OWN_ECHO:
            self.distrust()

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
            await self._rest()

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
        self._converged_revision = done.desired.revision if done.leftover.empty else None
        self._on_changed(await self._record(done, epoch))
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
        record = await self._store.device(self.device)
        held = await self._store.containments(Want.HELD, EVERY, self.device)
        seen = {case.id: one.outcome for case in held for one in case.devices if one.device == self.device}
        self._held = frozenset(name for name, outcome in seen.items() if outcome is not Outcome.REQUESTED)
        self._converged_revision, self._recalled = record.have_revision or None, True

    # --- one pass -------------------------------------------------------------------------------------------------

    async def _pass(self, epoch: int) -> Pass:
        desired = await self._store.desired(self.device)
        doubts, fresh = self._doubts, self._known is None
        observed = self._known if self._known is not None else await self._look()
        change = self.driver.render(desired.rules, observed, desired.baseline)
        drifted = fresh and not change.empty and self._converged_revision == desired.revision
        if drifted:
            log.warning("drift", device=self.device, change=[f"{line.sign} {line.text}" for line in change.lines])
            await self._record_drift(desired, change, epoch)
        if change.empty:
            self._keep(observed, doubts)
            return Pass(desired, observed, change, {}, drifted=False)
        desired = await self._remember_baseline(desired, observed, change)
        change = self.driver.render(desired.rules, observed, desired.baseline)
        receipt = await self._apply(change)
        observed = await self._read_back(observed, change)
        leftover = self.driver.render(desired.rules, observed, desired.baseline)
        self._keep(observed, doubts)
        return Pass(desired, observed, leftover, receipt.refused, drifted)

    def _doubt(self) -> None:
        """What is known, and what a pass on its way is finding out, holds no longer."""
        self._known = None
        self._doubts += 1

    def _keep(self, observed: ObservedState, doubts: int) -> None:
        """Go on from this state, unless something was heard meanwhile that puts it in doubt."""
        self._known = observed if doubts == self._doubts else None

    async def _look(self) -> ObservedState:
        observed = await self.driver.observe(EVERYTHING)
        self._resync_at = self._now() + self._settings.resync * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        return observed

    async def _apply(self, change: Change) -> Receipt:
        self._pushed_at = self._now()
        receipt = await self.driver.apply(change, self._settings.deadline)
        if receipt.status is not ReceiptStatus.UNCONFIRMED:
            return receipt
        try:
            return await self.driver.confirm(receipt)
        except DeviceUnreachable as error:
            raise OutcomeUnknown(f"applied, but the session was lost before it was confirmed: {error}") from error

    async def _remember_baseline(self, desired: Desired, observed: ObservedState, change: Change) -> Desired:
        """The value of what we are about to touch goes into the store before we touch it, once."""
        new = {
            port: dict(observed.ports[port].settings)
            for port in change.ports | {rule.match.port for rule in desired.rules if rule.match.port is not None}
            if port in observed.ports and port not in desired.baseline.ports
        }
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

    async def _record(self, done: Pass, epoch: int) -> list[Containment]:
        now = self._now()
        outcomes = {
            containment: replace(outcome, device=self.device, at=now) for containment, outcome in outcomes_of(done)
        }
        self._held = frozenset(name for name, one in outcomes.items() if one.outcome is Outcome.INSTALLED)
        have = done.desired.revision if done.leftover.empty else None
        changed = await self._store.record(self.device, epoch, have, outcomes, done.observed.boot_id)
        if done.leftover.empty:
            await self._forget_baseline(done.desired)
        return changed

    async def _forget_baseline(self, desired: Desired) -> None:
        used = {rule.match.port for rule in desired.rules}
        if unused := [port for port in desired.baseline.ports if port not in used]:
            await self._store.drop_baseline(self.device, unused)

    async def _record_drift(self, desired: Desired, change: Change, epoch: int) -> None:
        gone = {rule.provenance.containment for rule in desired.rules if rule.id in change.rule_ids}
        reason = "; ".join(f"{line.sign} {line.text}" for line in change.lines)
        outcome = DeviceOutcome(
            self.device, Outcome.DRIFTED, f"changed behind our back, being repaired: {reason}", self._now()
        )
        if gone:
            outcomes = dict.fromkeys(sorted(gone), outcome)
            self._on_changed(await self._store.record(self.device, epoch, None, outcomes, None))

    async def _record_all(self, outcome: Outcome, reason: str, epoch: int | None = None) -> None:
        epoch = epoch if epoch is not None else await self._claimed()
        if epoch is None:
            return
        desired = await self._store.desired(self.device)
        outcome_here = DeviceOutcome(self.device, outcome, reason, self._now())
        await self._record_these(dict.fromkeys(desired.containments, outcome_here), epoch)

    async def _record_unreachable(self, reason: str, epoch: int) -> None:
        """Nothing was sent. What was seen installed may still be there; the rest waits."""
        desired, now = await self._store.desired(self.device), self._now()
        queued = DeviceOutcome(self.device, Outcome.REQUESTED, f"queued, the device is unreachable: {reason}", now)
        unseen = DeviceOutcome(
            self.device, Outcome.UNKNOWN, f"was installed, and the device is unreachable: {reason}", now
        )
        wanted = {rule.provenance.containment for rule in desired.rules}
        outcomes = {one: unseen if one in self._held & wanted else queued for one in desired.containments}
        await self._record_these(outcomes, epoch)

    async def _record_these(self, outcomes: Mapping[str, DeviceOutcome], epoch: int) -> None:
        if outcomes:
            self._on_changed(await self._store.record(self.device, epoch, None, outcomes, None))

    # --- when to look again -----------------------------------------------------------------------------------------

    async def _claimed(self) -> int | None:
        """The epoch under which we may push: claimed once, and kept by a heartbeat at a third of the lease."""
        if self._epoch is None or self._now() - self._claimed_at > self._settings.lease / 3:
            self._epoch = await self._store.claim(self.device, self._owner, self._settings.lease)
            self._claimed_at = self._now()
        return self._epoch

    async def _rest(self) -> None:
        """Until woken, or until the next try is due; a due resync forgets what was known."""
        if self._failures:
            backoff = min(self._settings.backoff * 2 ** (self._failures - 1), self._settings.backoff_most)
            due = self._now() + min(self._settings.resync, backoff) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        else:
            due = self._resync_at if self._resync_at is not None else self._now() + self._settings.resync
        while (left := due - self._now()) > 0:
            try:
                await asyncio.wait_for(self._woken.wait(), min(left, self._settings.lease / 3))
            except TimeoutError:
                with contextlib.suppress(StoreUnavailable):
                    await self._claimed()
            else:
                return
        self._known, self._resync_at = None, None
