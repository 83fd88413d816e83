"""Following a protected device needs to know that a person insisted on containing it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("containment", sa.Column("override", sa.Boolean, nullable=False, server_default=sa.false()))
