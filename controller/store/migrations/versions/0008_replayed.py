"""A dead letter may be replayed: when, by whom, and as which alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("dead_letter", sa.Column("replayed_at", sa.Double))
    op.add_column("dead_letter", sa.Column("replayed_by", sa.Text))
    op.add_column("dead_letter", sa.Column("alerts", sa.Text, nullable=False, server_default="[]"))
