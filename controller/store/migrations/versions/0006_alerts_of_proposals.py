"""A proposal keeps the alerts that it came from, so that the containment that comes of it has them all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "proposal_alert",
        sa.Column("proposal_id", sa.Text, sa.ForeignKey("proposal.id"), primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("proposal_alert_of", "proposal_alert", ["alert_id"])
    op.execute(
        "INSERT INTO proposal_alert (proposal_id, alert_id, at)"
        " SELECT id, alert_id, created_at FROM proposal WHERE alert_id IS NOT NULL"
    )
