"""Files that are read as they grow: how far each was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "followed_file",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("places", sa.Text, nullable=False),
        sa.Column("saved_at", sa.Double, nullable=False),
    )
