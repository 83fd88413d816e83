"""The policy as people handle it: what is in force, what it would make of an alert, what another one would have made of those that came,
and a changed file taken into force without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import structlog

from controller.alerts import Alerts
from controller.config import Config
from controller.errors import ConfigError, InvalidInput
from controller.explanation import Explanation, Trial
from controller.model import Alert, Binding
from controller.policy import PolicyFile
from controller.policy_file import misfits, parse_policy
from controller.policy_in_force import PolicyInForce
from controller.store import AlertRecord, KeptPolicy, Store
from controller.yaml_source import LocatedError

log = structlog.get_logger("policy")
LONGEST = 1000
"""Characters of an error that the audit log keeps."""
MOST_REPLAYED = 10_000
"""Alerts of one replay, the newest."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Versions; the same one where the file says nothing new."""

    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """A stored alert, what its policy made of it then (None: it came to no policy), and what the other one would."""

    record: AlertRecord
    then: Explanation | None
    now: Trial
    forgotten: bool
    """It is older than what is kept of who was where."""


class PolicyDesk:
    """`read` reads the policy from where the daemon has it; raises ConfigError with file and lines. `past` gives who decides by these
    bindings, and by that clock."""

    def __init__(
        self,
        config: Config,
        store: Store,
        alerts: Alerts,
        in_force: PolicyInForce,
        read: Callable[[], PolicyFile],
        past: Callable[[Sequence[Binding], Callable[[], float]], Alerts],
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._store = store
        self._alerts = alerts
        self._in_force = in_force
        self._read = read
        self._past = past
        self._now = now

    async def start(self) -> None:
        """What is in force from the daemon's start is kept as every other version is."""
        policy = self._in_force.policy
        await self._store.keep_policy(policy.version, policy.written)

    @property
    def present(self) -> PolicyFile:
        return self._in_force.policy

    async def kept(self, version: str) -> KeptPolicy:
        """One that was in force at some time, by default the present one. Raises NotFound."""
        return await self._store.policy(version or self._in_force.policy.version)

    async def reload(self, by: str) -> Reloaded:
        """From the next alert on the file's policy decides. Raises InvalidInput with its lines for one that is broken, or that asks for
        what the rest of the configuration does not have: then the present one stays in force."""
        before = self._in_force.policy.version
        try:
            policy = self._read()
            for error in misfits(policy, self._config.catalogue, self._config.retention.containments):
                raise _misfit(error)
        except ConfigError as error:
            log.error("the policy stays as it was", policy=before, error=str(error))
            await self._store.audit_append(by, "policy-refused", before, {"error": str(error)[:LONGEST]})
            raise InvalidInput(f"the policy in force stays as it was ({before}): {_in_a_line(error)}") from error
        if policy.version != before:
            await self._store.keep_policy(policy.version, policy.written)
            await self._store.audit_append(by, "policy-reloaded", policy.version, {"before": before})
            self._in_force.replace(policy)
            log.info("policy reloaded", before=before, policy=policy.version, by=by)
        return Reloaded(before, policy.version)

    async def test(self, alert: Alert) -> Trial:
        """What the present policy would make of it. Nothing is stored, and nobody is held."""
        return await self._alerts.explain(alert, self._in_force.policy)

    async def replay(self, text: str, since: float) -> AsyncIterator[Reconsidered]:
        """What this policy would have made of the alerts that came since then, the oldest first: each located among those who were there
        when it came. The switches are those of now, and earlier offences those that there really were. Raises InvalidInput with the lines
        of a policy that cannot be used."""
        kept = self._config.retention.containments
        try:
            policy = parse_policy(text, "the policy", self._config.catalogue, kept)
        except ConfigError as error:
            raise InvalidInput(_in_a_line(error)) from error
        records = await self._store.alerts(MOST_REPLAYED, since)
        if not records:
            return
        oldest = min(one.alert.observed_at for one in records)
        bindings = await self._store.load_bindings(oldest - self._config.locate.too_old)
        came = [self._now()]
        then = await asyncio.to_thread(self._past, bindings, lambda: came[0])
        remembered = self._config.retention.bindings
        for record in reversed(records):
            came[0] = record.alert.received_at
            forgotten = remembered is not None and record.alert.observed_at < self._now() - remembered
            yield Reconsidered(record, record.explanation, await then.explain(record.alert, policy), forgotten)
            await asyncio.sleep(0)  # what comes in meanwhile goes first


def _misfit(error: LocatedError) -> ConfigError:
    return ConfigError(f"{'.'.join(map(str, error.where))}: {error}")


def _in_a_line(error: ConfigError) -> str:
    """Each mistake stands on a line of its own; an answer of the API is one line."""
    return "; ".join(str(error).splitlines())
