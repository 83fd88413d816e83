"""The tables as they are now; `migrations` is how a database gets there. Portable types only: text, numbers, booleans.

Times are seconds since the epoch, as double precision: SQLite and PostgreSQL give back the same float. Whole values are JSON text
(`codec`). A column of `Words` takes text from outside, whatever is in it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from controller.store.codec import storable

metadata = MetaData()
HELD = text("want = 'held'")
"""As text, not as a parameter: a partial index serves only queries that repeat its condition."""
UNCONFIRMED = text("want = 'held' AND confirm_by IS NOT NULL")
LET_GO = text("released_by = 'dead-man'")
"""Nobody confirmed it in time."""


class Words(TypeDecorator[str]):
    """Text that others wrote: what no database takes as text is replaced on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


containment = Table(
    "containment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("endpoint_id", Words, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("target", Words, nullable=False),
    Column("profile", Words, nullable=False),
    Column("strictness", Integer, nullable=False),
    Column("want", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("expires_at", Double),
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("actor", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("policy_rule", Words, nullable=False),
    Column("automatic", Boolean, nullable=False),
    # A person insisted on containing a protected device.
    Column("override", Boolean, nullable=False, server_default=false()),
    # Of its endpoint, for the budget: the realm, the VLAN (0: none is known), and the role.
    Column("site", Words, nullable=False, server_default="default"),
    Column("vlan", Integer, nullable=False, server_default="0"),
    Column("role", Words, nullable=False, server_default="unknown"),
    Column("proof", Text),
    Column("weaker", Words),
    Column("unproven", Words, nullable=False),
    Column("released_by", Words),
    Column("evidence", Text, nullable=False),
    Column("stages", Text, nullable=False),
    Column("on_expiry", Text, nullable=False, server_default="release"),
    # When its time was over, and a person was asked; NULL while nobody needs to be.
    Column("waiting_since", Double),
    # When it is released unless a person confirms it before; NULL where nobody has to, and once somebody did.
    Column("confirm_by", Double),
    Column("confirmed_by", Words),
    # The version of the policy that decided it; '' where no policy did.
    Column("policy", Text, nullable=False, server_default=""),
    # An endpoint has at most one open containment.
    # On PostgreSQL too, by the migration: to say so here would import that dialect at each start, 60 ms of it.
    Index("containment_open", "endpoint_id", unique=True, sqlite_where=HELD),
    Index("containment_due", "want", "expires_at"),
    Index("containment_unconfirmed", "confirm_by", sqlite_where=UNCONFIRMED),
    Index("containment_let_go", "endpoint_id", "confirm_by", sqlite_where=LET_GO),
    Index("containment_recent", "created_at"),
    Index("containment_automatic", "automatic", "want"),
    Index("containment_of_endpoint", "endpoint_id", "created_at"),
)

containment_device = Table(
    "containment_device",
    metadata,
    Column("containment_id", Text, ForeignKey("containment.id"), primary_key=True),
    Column("device", Words, ForeignKey("device.id"), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", Double, nullable=False),
    # The device's want_revision when this containment last changed there: an older push says nothing about it.
    Column("wanted", Integer, nullable=False),
    # Its rules there were taken back, and that has not been read back from the device yet.
    Column("leaving", Boolean, nullable=False),
    Index("containment_device_changed", "device", "wanted"),
    Index("containment_device_leaving", "device", "leaving"),
)

containment_alert = Table(
    "containment_alert",
    metadata,
    Column("containment_id", Text, ForeignKey("containment.id"), primary_key=True),
    Column("alert_id", Words, primary_key=True),
    Column("at", Double, nullable=False),
    Index("containment_alert_of", "alert_id"),
)

device = Table(
    "device",
    metadata,
    Column("id", Words, primary_key=True),
    Column("driver", Text, nullable=False, server_default=""),
    Column("description", Words, nullable=False, server_default=""),
    Column("management", Text, nullable=False, server_default="unknown"),
    Column("options", Text, nullable=False, server_default="{}"),
    Column("want_revision", Integer, nullable=False, server_default="0"),
    Column("have_revision", Integer, nullable=False, server_default="0"),
    Column("owner", Text),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("lease_until", Double),
    Column("boot_id", Words),
)

device_rule = Table(
    "device_rule",
    metadata,
    Column("device", Words, ForeignKey("device.id"), primary_key=True),
    Column("containment_id", Text, ForeignKey("containment.id"), primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Index("device_rule_by_containment", "containment_id"),
)

baseline = Table(
    "baseline",
    metadata,
    Column("device", Words, ForeignKey("device.id"), primary_key=True),
    Column("port", Words, primary_key=True),
    Column("setting", Words, primary_key=True),
    Column("value", Text, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", Words, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("containment_id", Text, ForeignKey("containment.id"), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("idempotency_age", "created_at"),
    Index("idempotency_of_containment", "containment_id"),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Words, primary_key=True),
    Column("source", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("raw", Words, nullable=False),
    Column("disposition", Words, nullable=False),
    # What policy made of it, rule by rule; NULL where it did not come to that.
    Column("decision", Words),
    UniqueConstraint("source", "key", name="alert_once"),
    Index("alert_recent", "received_at"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Words, nullable=False),
    Column("raw", Words, nullable=False),
    Column("length", Integer, nullable=False),
    Column("reason", Words, nullable=False),
    Column("received_at", Double, nullable=False),
    # When somebody had it read after all, and as which alerts; NULL while it waits.
    Column("replayed_at", Double),
    Column("replayed_by", Words),
    Column("alerts", Text, nullable=False, server_default="[]"),
    Index("dead_letter_recent", "received_at"),
)

followed_file = Table(
    "followed_file",
    metadata,
    Column("host", Words, primary_key=True),
    Column("path", Words, primary_key=True),
    Column("places", Text, nullable=False),
    Column("saved_at", Double, nullable=False),
)

binding = Table(
    "binding",
    metadata,
    Column("realm", Words, primary_key=True),
    Column("ip", Text, primary_key=True),  # '' where there is none: NULLs would not be unique
    Column("mac", Text, primary_key=True),
    Column("device", Words, primary_key=True),
    Column("port", Words, primary_key=True),
    Column("first_seen", Double, primary_key=True),
    Column("last_seen", Double, nullable=False),
    Column("vlan", Integer),
    Column("source", Words, nullable=False),
    Column("lease", Boolean, nullable=False),
    Index("binding_last_seen", "last_seen"),
)

looks = Table(
    "looks",
    metadata,
    Column("realm", Words, primary_key=True),
    Column("mac", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("last_seen", Double, nullable=False),
    Index("looks_last_seen", "last_seen"),
)

joined = Table(
    "joined",
    metadata,
    Column("realm", Words, primary_key=True),
    Column("mac", Text, primary_key=True),
    # The lowest MAC of those that are one device.
    Column("device", Text, nullable=False),
    Column("actor", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", Double, nullable=False),
)

inventory = Table(
    "inventory",
    metadata,
    Column("source", Words, primary_key=True),
    Column("assets", Words, nullable=False),
    Column("at", Double, nullable=False),
)

automation = Table(
    "automation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("paused", Boolean, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("since", Double, nullable=False),
)

# Every version of policy that was ever in force, as JSON.
policy = Table(
    "policy",
    metadata,
    Column("version", Text, primary_key=True),
    Column("text", Words, nullable=False),
    Column("first_at", Double, nullable=False),
)

proposal = Table(
    "proposal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert_id", Words),
    Column("target", Words, nullable=False),
    Column("endpoint", Text),
    Column("profile", Words, nullable=False),
    Column("duration", Double, nullable=False),
    Column("rule", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("refusal", Text),
    Column("created_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("approvals", Integer, nullable=False, server_default="1"),
    Column("times", Integer, nullable=False, server_default="1"),
    Column("expires_at", Double),
    Column("containment_id", Text),
    # Who proposed it, where that was no alert; and as of when the device is the one that they named.
    Column("proposed_by", Words, nullable=False, server_default=""),
    Column("as_of", Double),
    Column("override", Boolean, nullable=False, server_default=false()),
    Column("on_expiry", Text),
    Column("policy", Text, nullable=False, server_default=""),
    Index("proposal_recent", "created_at"),
    Index("proposal_open", "state", "target"),
    Index("proposal_of_containment", "containment_id"),
)

proposal_vote = Table(
    "proposal_vote",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposal.id"), primary_key=True),
    Column("by", Words, primary_key=True),
    Column("approves", Boolean, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", Double, nullable=False),
    Column("token", Words),
)

proposal_alert = Table(
    "proposal_alert",
    metadata,
    Column("proposal_id", Text, ForeignKey("proposal.id"), primary_key=True),
    Column("alert_id", Words, primary_key=True),
    Column("at", Double, nullable=False),
    Index("proposal_alert_of", "alert_id"),
)

token = Table(
    "token",
    metadata,
    Column("name", Words, primary_key=True),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("person", Words),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)
