"""Who may do what. A role is a set of permissions; nothing but this table grants any."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """What a request needs. `SENSE` is a sensor's: report sightings, take and answer probes. `REPORT` says what devices look like, which
    loosens nothing. `OVERRIDE` contains what is protected.
    Whoever may contain may `PAUSE` automatic action; to `RESUME` it takes an approver."""

    READ = "read"
    ALERT = "alert"
    CONTAIN = "contain"
    RELEASE = "release"
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    OVERRIDE = "override"
    AUDIT = "audit"
    TOKENS = "tokens"
    SENSE = "sense"
    REPORT = "report"
    OPENC2 = "openc2"

    @property
    def words(self) -> str:
        """As a sentence goes on behind `may not`."""
        return _IN_WORDS.get(self, self.value)


_IN_WORDS = {
    Permission.READ: "look at anything",
    Permission.ALERT: "send alerts",
    Permission.APPROVE: "answer proposals",
    Permission.PAUSE: "pause automatic action",
    Permission.RESUME: "resume automatic action",
    Permission.OVERRIDE: "contain what is protected",
    Permission.AUDIT: "read the audit log, or ask the doctor",
    Permission.TOKENS: "see or make tokens",
    Permission.SENSE: "be a sensor",
    Permission.REPORT: "report what devices look like",
    Permission.OPENC2: "send OpenC2 commands",
}


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    APPROVER = "approver"
    VIEWER = "viewer"
    INTAKE = "intake"
    SENSOR = "sensor"
    OPENC2 = "openc2"

    @property
    def permissions(self) -> frozenset[Permission]:
        return PERMISSIONS[self]

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self]


_OPERATOR = frozenset(
    {
        Permission.READ,
        Permission.ALERT,
        Permission.CONTAIN,
        Permission.RELEASE,
        Permission.PAUSE,
        Permission.AUDIT,
        Permission.REPORT,
    },
)
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: _OPERATOR,
    Role.APPROVER: _OPERATOR | {Permission.APPROVE, Permission.OVERRIDE, Permission.RESUME},
    Role.VIEWER: frozenset({Permission.READ}),
    Role.INTAKE: frozenset({Permission.ALERT, Permission.REPORT}),
    Role.SENSOR: frozenset({Permission.SENSE, Permission.REPORT}),
    Role.OPENC2: frozenset({Permission.OPENC2}),
}
