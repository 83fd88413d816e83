"""A containment may have to be confirmed by a person before some time, or it is released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("containment", sa.Column("confirm_by", sa.Double))
    op.add_column("containment", sa.Column("confirmed_by", sa.Text))
    unconfirmed = sa.text("want = 'held' AND confirm_by IS NOT NULL")
    op.create_index(
        "containment_unconfirmed",
        "containment",
        ["confirm_by"],
        sqlite_where=unconfirmed,
        postgresql_where=unconfirmed,
    )
