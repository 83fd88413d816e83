"""A containment whose time is over may stay held until a person answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("containment", sa.Column("on_expiry", sa.Text, nullable=False, server_default="release"))
    op.add_column("containment", sa.Column("waiting_since", sa.Double))
