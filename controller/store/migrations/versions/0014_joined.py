"""Several MACs may be one device by an operator's word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "joined",
        sa.Column("realm", sa.Text, primary_key=True),
        sa.Column("mac", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
