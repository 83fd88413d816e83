"""Proposals are answered: by whom, how often it was proposed, how many must agree, until when, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("proposal", sa.Column("approvals", sa.Integer, nullable=False, server_default="1"))
    op.add_column("proposal", sa.Column("times", sa.Integer, nullable=False, server_default="1"))
    op.add_column("proposal", sa.Column("expires_at", sa.Double))
    op.add_column("proposal", sa.Column("containment_id", sa.Text))
    op.create_table(
        "proposal_vote",
        sa.Column("proposal_id", sa.Text, sa.ForeignKey("proposal.id"), primary_key=True),
        sa.Column("by", sa.Text, primary_key=True),
        sa.Column("approves", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("proposal_open", "proposal", ["state", "target"])
