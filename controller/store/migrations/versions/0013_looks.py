"""What devices look like to passive sensors is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "looks",
        sa.Column("realm", sa.Text, primary_key=True),
        sa.Column("mac", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
    )
    op.create_index("looks_last_seen", "looks", ["last_seen"])
