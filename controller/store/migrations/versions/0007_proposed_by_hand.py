"""A person may propose, on terms of their own: who, as of when, an override, and what the end of its time means."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("proposal", sa.Column("proposed_by", sa.Text, nullable=False, server_default=""))
    op.add_column("proposal", sa.Column("as_of", sa.Double))
    op.add_column("proposal", sa.Column("override", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("proposal", sa.Column("on_expiry", sa.Text))
