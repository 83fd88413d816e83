"""What nobody confirmed in time is found by its device: the next alert about it is put to a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    let_go = sa.text("released_by = 'dead-man'")
    op.create_index(
        "containment_let_go",
        "containment",
        ["endpoint_id", "confirm_by"],
        sqlite_where=let_go,
        postgresql_where=let_go,
    )
