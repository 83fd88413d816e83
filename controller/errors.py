"""Everything that can go wrong on purpose, as one tree. Each message says what to do next.

NetcordonError
├── ConfigError            the configuration file or the environment; names the key and the line
├── InvalidInput           a request, a target or an alert that cannot be read
├── Refused                a guard said no; nothing was changed (`code` is one of `RefusalCode`)
├── NotFound               no such containment, device, endpoint
├── Conflict               the state is not what the request supposed (an idempotency key used for something else, …)
├── StoreUnavailable       the database is locked, full or gone; nothing was accepted
├── AlertRepeated          this alert was taken before; names the first one
└── AuditBroken            the audit chain does not verify; names the first bad record
"""

from __future__ import annotations

from enum import StrEnum


class NetcordonError(Exception):
    """Base of all errors that are shown to a person."""


class ConfigError(NetcordonError):
    pass


class InvalidInput(NetcordonError):
    pass


class RefusalCode(StrEnum):
    """Why a guard said no. The words are part of the API."""

    PROTECTED = "protected"
    AMBIGUOUS = "ambiguous"
    UNKNOWN_PLACE = "unknown-place"
    BEHIND_ROUTER = "behind-router"
    NOT_AN_ENDPOINT = "not-an-endpoint"
    UNPLACEABLE = "unplaceable"
    BUDGET = "budget"
    PAUSED = "paused"
    FROZEN = "frozen"
    UNCONFIRMED = "unconfirmed"
    UNSUPPORTED = "unsupported"
    MANAGEMENT = "management"
    CHANGED = "changed"
    UNDECIDED = "undecided"


class Refused(NetcordonError):
    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class NotFound(NetcordonError):
    pass


class Conflict(NetcordonError):
    pass


class StoreUnavailable(NetcordonError):
    pass


class AlertRepeated(NetcordonError):
    """Nothing was written: what it came to stands under `id`."""

    def __init__(self, id: str) -> None:
        super().__init__(f"this alert was taken before, as {id}")
        self.id = id


class AuditBroken(NetcordonError):
    pass
