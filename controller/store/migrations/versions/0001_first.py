"""The first schema: containments and their rules, devices, alerts, bindings, proposals, tokens, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_GENESIS = "0" * 64


def upgrade() -> None:
    _containments()
    _evidence()
    _indexes()
    _audit()


def _containments() -> None:
    op.create_table(
        "containment",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("strictness", sa.Integer, nullable=False),
        sa.Column("want", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("policy_rule", sa.Text, nullable=False),
        sa.Column("automatic", sa.Boolean, nullable=False),
        sa.Column("proof", sa.Text),
        sa.Column("weaker", sa.Text),
        sa.Column("unproven", sa.Text, nullable=False),
        sa.Column("released_by", sa.Text),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("stages", sa.Text, nullable=False),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("driver", sa.Text, nullable=False, server_default=""),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("management", sa.Text, nullable=False, server_default="unknown"),
        sa.Column("options", sa.Text, nullable=False, server_default="{}"),
        sa.Column("want_revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("have_revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_until", sa.Double),
        sa.Column("due_at", sa.Double),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("boot_id", sa.Text),
        sa.Column("up", sa.Boolean, nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        "containment_device",
        sa.Column("containment_id", sa.Text, sa.ForeignKey("containment.id"), primary_key=True),
        sa.Column("device", sa.Text, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("leaving", sa.Boolean, nullable=False),
    )
    op.create_table(
        "containment_alert",
        sa.Column("containment_id", sa.Text, sa.ForeignKey("containment.id"), primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "device_rule",
        sa.Column("device", sa.Text, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("containment_id", sa.Text, sa.ForeignKey("containment.id"), primary_key=True),
        sa.Column("rule_id", sa.Text, primary_key=True),
        sa.Column("rule", sa.Text, nullable=False),
    )
    op.create_table(
        "baseline",
        sa.Column("device", sa.Text, sa.ForeignKey("device.id"), primary_key=True),
        sa.Column("port", sa.Text, primary_key=True),
        sa.Column("setting", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("containment_id", sa.Text, sa.ForeignKey("containment.id"), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )


def _evidence() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("disposition", sa.Text, nullable=False),
        sa.UniqueConstraint("source", "key", name="alert_once"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
    )
    op.create_table(
        "binding",
        sa.Column("realm", sa.Text, primary_key=True),
        sa.Column("ip", sa.Text, primary_key=True),
        sa.Column("mac", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("port", sa.Text, primary_key=True),
        sa.Column("first_seen", sa.Double, primary_key=True),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("vlan", sa.Integer),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("lease", sa.Boolean, nullable=False),
    )
    op.create_table(
        "proposal",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("refusal", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "token",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
    )


def _indexes() -> None:
    held = sa.text("want = 'held'")
    op.create_index(
        "containment_open", "containment", ["endpoint_id"], unique=True, sqlite_where=held, postgresql_where=held
    )
    op.create_index("containment_due", "containment", ["want", "expires_at"])
    op.create_index("containment_recent", "containment", ["created_at"])
    op.create_index("containment_automatic", "containment", ["automatic", "want"])
    op.create_index("containment_device_changed", "containment_device", ["device", "wanted"])
    op.create_index("containment_device_leaving", "containment_device", ["device", "leaving"])
    op.create_index("device_rule_by_containment", "device_rule", ["containment_id"])
    op.create_index("idempotency_age", "idempotency", ["created_at"])
    op.create_index("alert_recent", "alert", ["received_at"])
    op.create_index("dead_letter_recent", "dead_letter", ["received_at"])
    op.create_index("binding_last_seen", "binding", ["last_seen"])
    op.create_index("proposal_recent", "proposal", ["created_at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.execute(sa.text("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, :hash)").bindparams(hash=_GENESIS))
    if op.get_bind().dialect.name == "postgresql":
        _append_only_on_postgresql()
    else:
        _append_only_on_sqlite()


def _append_only_on_sqlite() -> None:
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )


def _append_only_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION netcordon_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION netcordon_append_only()"
    )
