"""Released containments may be deleted: what names one is found by it. And what no release ever wrote of a device goes."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("proposal_of_containment", "proposal", ["containment_id"])
    op.create_index("idempotency_of_containment", "idempotency", ["containment_id"])
    for column in ("due_at", "failures", "error", "up"):
        op.drop_column("device", column)
