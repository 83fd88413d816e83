"""`Store`: what should be, what was seen, and who did what, in one durable place. Its methods are the only way in.

Writes go through one thread that shares commits (`writer`), and return when they are durable. Reads run beside them, each in one
snapshot. Everything may raise StoreUnavailable. Times are seconds since the epoch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from controller.audit import AuditRecord, AuditReport, Head, Json
from controller.automation import Automation, Cause
from controller.errors import NotFound, StoreUnavailable
from controller.model import Address, Alert, Binding, Containment, DeviceOutcome, Looks, Stage, Want
from controller.network.joined import Joined
from controller.roles import Role
from controller.store import (
    accept,
    alerts,
    audit_log,
    automation,
    bindings,
    containments,
    dead_letters,
    desired,
    devices,
    followed_files,
    inventory,
    joined,
    keys,
    leases,
    looks,
    moves,
    policies,
    proposals,
    release,
    retention,
    tokens,
)
from controller.store import outcomes as seen
from controller.store.current import Current
from controller.store.desired import Steps, Wants
from controller.store.engines import READERS, Engines, open_engines
from controller.store.failures import translated
from controller.store.gathered import Gathered
from controller.store.migrate import upgrade
from controller.store.policies import KeptPolicy
from controller.store.proposals import Proposed
from controller.store.retention import Prunable, Size
from controller.store.totals import Totals, totals
from controller.store.values import (
    Accepted,
    AlertOutcome,
    AlertRecord,
    Budget,
    DeadLetter,
    Desired,
    DeviceRecord,
    Draft,
    Extension,
    Move,
    Proposal,
    Replayed,
    Setting,
    Taken,
    TokenRecord,
    Vote,
)
from controller.store.writer import Transaction, Writer
from drivers.rules import Mac, PortName

T = TypeVar("T")
_TOKENS_SHARED_SECONDS = 5.0
ALERTS_TOGETHER = 500
"""Alerts that are one statement: what else is to be written does not wait for more."""


class Store:
    """Made by `open`, ended by `close`. `on_write` hears how many seconds each write took, waiting included;
    `on_foreseen` what a device should hold by a commit that is on its way to the disk, and may still fail; `on_durable`, in another
    thread, that this very commit has not, before anybody is answered."""

    def __init__(self, engines: Engines, now: Callable[[], float]) -> None:
        self._engines = engines
        self._now = now
        self._current = Current(alone=engines.sqlite)
        self._writer = Writer(engines.writer, now, self._current, self._foresee, lambda steps: self.on_durable(steps))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="netcordon-reader")
        self.on_write: Callable[[float], None] = lambda seconds: None
        self.on_foreseen: Callable[[str, Desired, Steps], None] | None = None
        self.on_durable: Callable[[Steps], None] = lambda steps: None
        self._noted: dict[str, dict[Stage, float]] = {}
        self._tokens = tokens.TokenCache(None if engines.sqlite else _TOKENS_SHARED_SECONDS)
        self._taking: Gathered[Taken, str] = Gathered(self._take_alerts, ALERTS_TOGETHER)
        self._repeated: Gathered[str, AlertOutcome] = Gathered(self._alert_outcomes, ALERTS_TOGETHER)

    @classmethod
    async def open(cls, url: str, now: Callable[[], float] = time.time) -> Store:
        """Connect, and bring the schema up to date. `url` is sqlite:///… or postgresql://…. Raises ConfigError, StoreUnavailable."""
        engines = await asyncio.to_thread(_open, url)
        store = cls(engines, now)
        try:
            await store._write(keys.forget_old)
            if engines.sqlite:
                await store._write(leases.release_all)
        except StoreUnavailable:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what is queued and give the database back."""
        await asyncio.to_thread(self._writer.close)
        self._readers.shutdown()
        self._engines.dispose()

    # --- containments: what is wanted ---------------------------------------------------------------------------------

    async def accept(
        self,
        draft: Draft,
        *,
        recheck: Callable[[], None],
        budget: Budget | None = None,
        idempotency_key: str | None = None,
        taken: Taken | None = None,
        fulfils: str | None = None,
    ) -> Accepted:
        """Hold what `draft` says, or join the endpoint's open containment. `recheck` runs inside the transaction, in the writer's
        thread, perhaps twice: it raises Refused when what the draft was made from has changed. A request that was accepted before, and a
        join that changes no rule, need no recheck and no budget. `taken` is the alert that it came from: saved in the same transaction, or
        not at all. `fulfils` is the proposal that it answers and closes: one answered meanwhile is a Conflict, and nothing is held.
        Stage COMMITTED is the caller's to note. Raises Refused, Conflict, AlertRepeated."""

        def work(transaction: Transaction) -> Accepted:
            accepted = accept.accept(transaction, draft, recheck, budget, idempotency_key, taken)
            if fulfils is not None:
                case = accepted.containment.id
                proposals.fulfil(transaction, fulfils, case)
                return replace(accepted, containment=containments.one(transaction.connection, case))
            return accepted

        return await self._write(work)

    async def accepted_before(
        self, key: str, target: str, profile: str, duration: float, by: str, reason: str, policy_rule: str
    ) -> Containment | None:
        """What the same request to contain came to under its idempotency key. Raises Conflict when the key was another request's."""
        digest = accept.request_digest(target, profile, duration, by, reason, policy_rule)
        return await self._read(lambda c: accept.accepted_before(c, key, digest))

    async def asked_before(self, key: str) -> list[str]:
        """The containments that one request about several was about, as far as it came."""
        return await self._read(lambda c: [id for _, id in keys.known(c, key, suffixes=True)])

    async def release(self, id: str, *, by: str, reason: str, idempotency_key: str | None = None) -> Containment:
        """Want it gone. To release what is released changes nothing. Raises NotFound, Conflict."""
        return await self._write(lambda t: release.release(t, id, by, reason, idempotency_key))

    async def extend(
        self, id: str, extension: Extension, *, by: str, idempotency_key: str | None = None
    ) -> Containment:
        """Move its end, without a gap. Raises NotFound, Conflict when it was released or would be shortened unasked, InvalidInput for a
        time that is past."""
        return await self._write(lambda t: release.extend(t, id, extension, by, idempotency_key))

    async def confirm(self, id: str, *, by: str) -> Containment:
        """Hold it to its end. To confirm what is confirmed changes nothing. Raises NotFound, Conflict when it is too late or needs none."""
        return await self._write(lambda t: release.confirm(t, id, by))

    async def expire_due(self, now: float) -> list[Containment]:
        """Release, by 'expiry', what is due at `now`, or let it wait for a person; and, by 'dead-man', what nobody confirmed. An extension
        or a confirmation accepted before wins."""
        return await self._write(lambda t: release.expire_due(t, now))

    async def automation(self) -> Automation:
        """Whether automatic action runs."""
        return await self._read(automation.read)

    async def pause_automation(self, by: str, reason: str, cause: Cause) -> tuple[Automation, bool]:
        """Once it comes back, `accept` refuses what has a budget. As it is then, and whether this changed it."""
        return await self._write(lambda t: automation.pause(t, by, reason, cause))

    async def resume_automation(self, by: str, reason: str) -> tuple[Automation, bool]:
        """As it is then, and whether this changed it."""
        return await self._write(lambda t: automation.resume(t, by, reason))

    async def next_expiry(self) -> float | None:
        return await self._read(containments.next_expiry)

    async def containment(self, id: str) -> Containment:
        """By its id, or 4 or more of its first characters. Raises NotFound, Conflict where several begin so."""
        return await self._read(lambda c: containments.one(c, id))

    async def containments(
        self, want: Want | None = None, limit: int = 1000, device: str | None = None
    ) -> list[Containment]:
        """Newest first."""
        return await self._read(lambda c: containments.listed(c, want, limit, device))

    async def cases(self, ids: Sequence[str]) -> list[Containment]:
        """Containments by their whole ids, in that order. All of them exist."""
        return await self._read(lambda c: containments.by_ids(c, ids))

    async def open_for_endpoint(self, endpoint_id: str) -> Containment | None:
        return await self._read(lambda c: containments.open_for_endpoint(c, endpoint_id))

    async def cases_since(self, endpoints: Iterable[str], since: float) -> int:
        """How many containments of these endpoints (by id) began after `since`."""
        ids = sorted(endpoints)
        return await self._read(lambda c: containments.begun_since(c, ids, since))

    async def move(self, id: str, move: Move, recheck: Callable[[], None]) -> Containment:
        """Hold it at one more port; what is held elsewhere stays until `free`. Costs no budget. `recheck` is as in `accept`. Raises
        NotFound, and Refused when the case has changed since `move.revision`."""
        return await self._write(lambda t: moves.move(t, id, move, recheck))

    async def free(self, id: str, move: Move) -> Containment:
        """Hold it by `move.rules` no longer. Raises NotFound, and Refused as `move` does."""
        return await self._write(lambda t: moves.free(t, id, move))

    async def note(self, id: str, ips: Iterable[Address], words: Iterable[str]) -> Containment:
        """What became known of a held device: addresses of its own, and sentences for the case. Raises NotFound."""
        addresses, said = list(ips), list(words)
        return await self._write(lambda t: moves.note(t, id, addresses, said), later=True)

    # --- containments: what was seen ------------------------------------------------------------------------------------

    async def record(
        self,
        device: str,
        epoch: int,
        have_revision: int | None,
        outcomes: Mapping[str, DeviceOutcome],
        boot_id: str | None = None,
    ) -> list[str]:
        """What a push or a look at `device` showed, by containment; the ids of those that it changed. Nothing is written under an epoch
        that is no longer the device's. `have_revision` is the revision that the device was brought to: installed, proven or removed is not
        believed of a containment that changed after it. Installed does not take proven back, unless `boot_id` is new."""
        copy = dict(outcomes)
        noted = {id: self._noted.pop(id) for id in copy.keys() & self._noted.keys()}
        try:
            return await self._write(lambda t: seen.record(t, device, epoch, have_revision, copy, boot_id, noted))
        except StoreUnavailable:
            self._noted = noted | self._noted
            raise

    async def set_outcome(
        self, containment_id: str, device: str, outcome: DeviceOutcome, revision: int | None = None
    ) -> Containment:
        """One device's outcome, as said, while the containment is held and, where it is given, at this `revision`: else it comes back as it
        is. Raises NotFound."""
        return await self._write(lambda t: seen.set_outcome(t, containment_id, device, outcome, revision))

    async def set_proven(
        self, containment_id: str, at: float, evidence: str, revision: int | None = None
    ) -> Containment:
        """Every installed device becomes proven, if the containment is held, all of it is installed, and, where it is given, `revision` is
        still its own: else it comes back as it is. Look at what comes back."""
        return await self._write(lambda t: seen.set_proven(t, containment_id, at, evidence, revision))

    async def set_unproven(self, containment_id: str, reason: str) -> Containment:
        """Why it stays installed."""
        return await self._write(lambda t: seen.set_unproven(t, containment_id, reason), later=True)

    def note_stage(self, containment_id: str, stage: Stage, at: float) -> None:
        """The first time wins. It is written with the next thing that is recorded of the containment, or by `save_stages`: a time is not
        worth a commit that the push would have to wait for."""
        self._noted.setdefault(containment_id, {}).setdefault(stage, at)

    async def save_stages(self) -> None:
        """Write the stages that were noted and are not written yet."""
        noted, self._noted = self._noted, {}
        if noted:
            try:
                await self._write(lambda t: seen.save_stages(t, noted), later=True)
            except StoreUnavailable:
                self._noted = noted | self._noted
                raise

    # --- devices --------------------------------------------------------------------------------------------------------

    async def upsert_device(
        self, id: str, driver: str, description: str, management: str, options: Mapping[str, object]
    ) -> None:
        await self._write(lambda t: devices.upsert(t, id, driver, description, management, options))

    async def devices(self) -> list[DeviceRecord]:
        return await self._read(devices.listed)

    async def device(self, id: str) -> DeviceRecord:
        return await self._read(lambda c: devices.one(c, id))

    async def desired(self, device: str, *, anew: bool = False) -> Desired:
        """What the device should hold now; nothing, for a device that is not known. `anew`: by the database's word, also where all that
        was committed since it was last read is known."""
        if not anew and (current := self._current.of(device)) is not None:
            return current.desired()
        known, stood = self._current.basis(device)
        found = await self._read(lambda c: desired.read(c, device, known))
        self._current.keep(device, found, stood)
        return found.desired()

    def _foresee(self, steps: Steps) -> None:
        for device in {step.device: None for step in steps if isinstance(step, Wants)}:
            if self.on_foreseen is not None and (known := self._current.foresee(device, steps)) is not None:
                self.on_foreseen(device, known.desired(), steps)

    async def save_baseline(self, device: str, ports: Mapping[PortName, Mapping[str, Setting]]) -> None:
        """What was there before a first touch. What is stored already stays. Raises Conflict for a device that is not known."""
        await self._write(lambda t: devices.save_baseline(t, device, ports))

    async def drop_baseline(self, device: str, ports: Iterable[PortName]) -> None:
        gone = list(ports)
        await self._write(lambda t: devices.drop_baseline(t, device, gone))

    async def claim(self, device: str, owner: str, lease_seconds: float) -> int | None:
        """The epoch under which `owner` may push until the lease ends; None while it is another's."""
        return await self._write(lambda t: leases.claim(t, device, owner, lease_seconds))

    # --- alerts, bindings, proposals --------------------------------------------------------------------------------------

    async def save_alert(self, alert: Alert, raw: str) -> str:
        """Keep an alert while it is not known yet what becomes of it; its id. Raises AlertRepeated for one that was dealt with."""
        return await self._write(lambda t: alerts.keep(t, alert, raw))

    async def take_alert(self, taken: Taken) -> str:
        """Keep an alert with what became of it; its id. Raises AlertRepeated for one that was dealt with."""
        return await self._taking.ask(taken)

    async def _take_alerts(self, every: list[Taken]) -> list[str | Exception]:
        return await self._write(lambda t: alerts.take_all(t, every))

    async def alert_outcome(self, id: str) -> AlertOutcome:
        """What became of an alert. Raises NotFound."""
        return await self._repeated.ask(id)

    async def _alert_outcomes(self, ids: list[str]) -> list[AlertOutcome | Exception]:
        def query(connection: Connection) -> list[AlertOutcome | Exception]:
            known, held = alerts.dispositions(connection, ids), containments.held_by_alerts(connection, ids)
            return [
                AlertOutcome(known[id], held.get(id)) if id in known else NotFound(f"no alert {id!r}") for id in ids
            ]

        return await self._read(query)

    async def alert(self, id: str) -> AlertRecord:
        return await self._read(lambda c: alerts.one(c, id))

    async def alerts(self, limit: int = 100, since: float = 0.0) -> list[AlertRecord]:
        """Those received since then, newest first."""
        return await self._read(lambda c: alerts.listed(c, limit, since))

    async def offences(self, endpoints: Iterable[str], since: float) -> tuple[float, ...]:
        """When each containment of these endpoints (by id) began that began after `since` and is released."""
        ids = list(endpoints)
        return await self._read(lambda c: policies.offences(c, ids, since))

    async def keep_policy(self, version: str, written: Mapping[str, Json]) -> None:
        """That this version of policy is in force: it can be shown ever after."""
        await self._write(lambda t: policies.keep(t, version, written))

    async def policy(self, version: str) -> KeptPolicy:
        """One that was in force at some time. Raises NotFound."""
        return await self._read(lambda c: policies.one(c, version))

    async def dead_letter(self, source: str, raw: str, reason: str) -> str:
        return await self._write(lambda t: dead_letters.bury(t, source, raw, reason))

    async def dead_letters(self, limit: int = 100, *, replayed: bool = False) -> list[DeadLetter]:
        """Newest first: those that wait, or those that were replayed."""
        return await self._read(lambda c: dead_letters.listed(c, limit, replayed))

    async def letter(self, id: str) -> DeadLetter:
        return await self._read(lambda c: dead_letters.one(c, id))

    async def waiting_letters(self, after: str | None, limit: int) -> list[DeadLetter]:
        """Oldest first, those that wait behind the letter `after`."""
        return await self._read(lambda c: dead_letters.waiting(c, after, limit))

    async def letter_replayed(self, id: str, what: Replayed) -> None:
        """Raises NotFound, and Conflict for one that was replayed before."""
        await self._write(lambda t: dead_letters.replayed(t, id, what))

    async def save_places(self, host: str, path: str, places: str) -> None:
        """How far the files at that path were read."""
        await self._write(lambda t: followed_files.save(t, host, path, places))

    async def places(self, host: str, path: str) -> str | None:
        """None where nothing at that path was ever followed."""
        return await self._read(lambda c: followed_files.load(c, host, path))

    async def save_bindings(self, batch: Sequence[Binding]) -> None:
        copy = list(batch)
        await self._write(lambda t: bindings.save(t, copy), later=True)

    async def load_bindings(self, since: float) -> list[Binding]:
        return await self._read(lambda c: bindings.load(c, since))

    async def save_looks(self, batch: Mapping[tuple[str, Mac], Looks]) -> None:
        """What devices look like, by realm and MAC."""
        copy = dict(batch)
        await self._write(lambda t: looks.save(t, copy), later=True)

    async def load_looks(self, most: int) -> dict[tuple[str, Mac], Looks]:
        """Those heard of last, oldest first; at most so many."""
        return await self._read(lambda c: looks.load(c, most))

    async def forget_looks(self, before: float) -> int:
        """Of devices that no sensor has heard since; how many."""
        return await self._write(lambda t: looks.forget(t, before), later=True)

    async def joined(self) -> list[Joined]:
        """The MACs that are one device by an operator's word."""
        return await self._read(joined.load)

    async def join(self, realm: str, macs: Iterable[Mac], *, by: str, reason: str) -> list[Joined]:
        """All that stand then. Raises InvalidInput for too many, Conflict while one of them is held."""
        wanted = frozenset(macs)
        return await self._write(lambda t: joined.join(t, realm, wanted, by, reason))

    async def split(self, realm: str, mac: Mac, *, by: str, reason: str) -> list[Joined]:
        """All that stand then. Raises NotFound, Conflict while the device is held."""
        return await self._write(lambda t: joined.split(t, realm, mac, by, reason))

    async def save_inventory(self, source: str, assets: str) -> None:
        """What a source of the inventory says now, as JSON."""
        await self._write(lambda t: inventory.save(t, source, assets), later=True)

    async def inventory(self, source: str) -> str | None:
        """What it said last; None for one that never said anything."""
        return await self._read(lambda c: inventory.load(c, source))

    async def save_proposal(self, proposal: Proposal, taken: Taken | None = None, token: str = "") -> Proposed:
        """With the alert that it came from, in one transaction; what came of both. `token`: by which one a person asked. Raises
        AlertRepeated."""
        return await self._write(lambda t: proposals.save(t, proposal, taken, token))

    async def proposals(self, limit: int = 100) -> list[Proposal]:
        now = self._now()
        return await self._read(lambda c: proposals.listed(c, limit, now))

    async def proposal(self, id: str) -> Proposal:
        now = self._now()
        return await self._read(lambda c: proposals.one(c, id, now))

    async def vote(self, id: str, by: str, *, approves: bool, reason: str, token: str = "") -> Proposal:
        """The proposal with this person's answer, by this token. Raises NotFound, and Conflict for one that is answered or too old."""
        cast = Vote(by, approves, reason, self._now(), token)
        return await self._write(lambda t: proposals.vote(t, id, cast))

    async def name_proposed(self, id: str, target: str, alert_id: str, by: str, token: str = "") -> None:
        """Say whom a proposal is about that named nobody. Raises NotFound, Conflict."""
        await self._write(lambda t: proposals.name(t, id, target, alert_id, by, token))

    async def next_proposal_expiry(self) -> float | None:
        return await self._read(proposals.next_expiry)

    async def expire_proposals(self, now: float) -> list[Proposal]:
        """Close what nobody answered by `now`; those that were closed by this very call."""
        return await self._write(lambda t: proposals.expire_due(t, now))

    # --- what is old ------------------------------------------------------------------------------------------------------

    async def old(
        self, what: Prunable, before: float, after: retention.Key | None = None, names: Set[str] = frozenset()
    ) -> tuple[list[retention.Key], retention.Key | None]:
        """Some that were over before then, oldest first, and the place behind which to look for more; None: that is all. Bindings of
        `names` (MACs, addresses) are left out."""
        return await self._read(lambda c: retention.old(c, what, before, after, names))

    async def named(self) -> Set[str]:
        """The MACs and addresses that an open containment or proposal is about."""
        return await self._read(retention.named)

    async def prune(self, what: Prunable, before: float, keys: Sequence[retention.Key]) -> int:
        """Delete those of them that are over still, and that nothing open names; how many."""
        return await self._write(lambda t: retention.prune(t, what, before, keys), later=True)

    async def forget_keys(self) -> None:
        """Idempotency keys that are too old to be asked under again."""
        await self._write(keys.forget_old)

    async def size(self) -> Size:
        return await self._read(retention.size)

    async def totals(self) -> Totals:
        """How much of everything there is, as of now."""
        now = self._now()
        return await self._read(lambda c: totals(c, now))

    # --- tokens -----------------------------------------------------------------------------------------------------------

    async def add_token(self, name: str, role: Role, by: str = "netcordon", person: str = "") -> str:
        """The secret, shown this once; `person`: whose it is. Raises Conflict for a name that is taken."""
        secret = await self._write(lambda t: tokens.add(t, name, role, by, person))
        self._tokens.invalidate()
        return secret

    async def revoke_token(self, name: str, by: str = "netcordon") -> None:
        await self._write(lambda t: tokens.revoke(t, name, by))
        self._tokens.invalidate()

    async def token(self, secret: str) -> TokenRecord | None:
        """Whose it is; None for a secret that is nobody's."""
        return (await self._all_tokens()).get(tokens.digest(secret))

    async def tokens(self) -> list[TokenRecord]:
        return list((await self._all_tokens()).values())

    async def _all_tokens(self) -> Mapping[str, TokenRecord]:
        known = self._tokens.current(self._now())
        if known is None:
            at, generation = self._now(), self._tokens.generation
            known = await self._read(tokens.by_digest)
            self._tokens.fill(known, at, generation)
        return known

    # --- audit ------------------------------------------------------------------------------------------------------------

    async def audit_append(self, actor: str, action: str, subject: str, detail: Mapping[str, Json]) -> None:
        await self._write(lambda t: t.audit(actor, action, subject, detail))

    async def audit_records(self, after: int = 0, limit: int = 1000) -> list[AuditRecord]:
        return await self._read(lambda c: audit_log.records(c, after, limit))

    async def audit_head(self) -> Head:
        """The chain's end, to be kept off this host."""
        return await self._read(audit_log.head)

    async def audit_verify(self, head: str | None = None) -> AuditReport:
        """Raises AuditBroken, naming the first bad record. `head` is a hash noted earlier, which must occur."""
        return await self._read(lambda c: audit_log.verify(c, head))

    # --- both ways in -----------------------------------------------------------------------------------------------------

    async def _write(self, work: Callable[[Transaction], T], *, later: bool = False) -> T:
        """`later`: it is for the record, and what somebody waits for goes before it."""
        began = time.perf_counter()
        try:
            return await self._writer.submit(work, later=later)
        finally:
            self.on_write(time.perf_counter() - began)

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, query)

    def _query(self, query: Callable[[Connection], T]) -> T:
        try:
            return self._once(query)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise translated(error) from error
        except SQLAlchemyError as error:
            raise translated(error) from error
        try:  # the connection had died since it was last used; the pool makes new ones now
            return self._once(query)
        except SQLAlchemyError as error:
            raise translated(error) from error

    def _once(self, query: Callable[[Connection], T]) -> T:
        with self._engines.readers.connect() as connection, connection.begin():
            return query(connection)


def _open(url: str) -> Engines:
    engines = open_engines(url)
    try:
        with engines.writer.begin() as connection:
            upgrade(connection)
    except BaseException as error:
        engines.dispose()
        if isinstance(error, SQLAlchemyError):
            raise translated(error) from error
        raise
    return engines
