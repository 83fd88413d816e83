"""The durable half of the controller: desired state, outcomes, bindings, alerts, tokens and the audit log, on SQLite or PostgreSQL."""

from controller.store.audit_log import verify_file
from controller.store.dead_letters import replayed_before
from controller.store.desired import Steps
from controller.store.policies import KeptPolicy
from controller.store.retention import Prunable, Size
from controller.store.store import Store
from controller.store.totals import Totals
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
    ProposalState,
    Replayed,
    Setting,
    Taken,
    TokenRecord,
)

__all__ = [
    "Accepted",
    "AlertOutcome",
    "AlertRecord",
    "Budget",
    "DeadLetter",
    "Desired",
    "DeviceRecord",
    "Draft",
    "Extension",
    "KeptPolicy",
    "Move",
    "Proposal",
    "ProposalState",
    "Prunable",
    "Replayed",
    "Setting",
    "Size",
    "Steps",
    "Store",
    "Taken",
    "TokenRecord",
    "Totals",
    "replayed_before",
    "verify_file",
]
