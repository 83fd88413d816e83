"""What each source of the inventory said last is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "inventory",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("assets", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
