"""Automatic action may be paused; and what is held is counted by site, VLAN and role."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    state = op.create_table(
        "automation",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "paused": False, "cause": "person", "actor": "", "reason": "", "since": 0.0}])
    op.add_column("containment", sa.Column("site", sa.Text, nullable=False, server_default="default"))
    op.add_column("containment", sa.Column("vlan", sa.Integer, nullable=False, server_default="0"))
    op.add_column("containment", sa.Column("role", sa.Text, nullable=False, server_default="unknown"))
    _count_what_is_held()


def _count_what_is_held() -> None:
    names = ("id", "endpoint", "want", "site", "vlan", "role")
    table = sa.table("containment", *(sa.column(name) for name in names))
    connection = op.get_bind()
    held = sa.select(table.c.id, table.c.endpoint).where(table.c.want == "held")
    for id, text in connection.execute(held).all():
        endpoint = json.loads(text)
        scope = {"site": endpoint["realm"], "vlan": endpoint["at"][2] or 0, "role": endpoint["role"]}
        connection.execute(sa.update(table).where(table.c.id == id).values(**scope))
