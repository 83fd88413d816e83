"""What was decided names the version of the policy that decided it, which is kept; an alert keeps why each rule matched or did not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("first_at", sa.Double, nullable=False),
    )
    op.add_column("alert", sa.Column("decision", sa.Text))
    op.add_column("containment", sa.Column("policy", sa.Text, nullable=False, server_default=""))
    op.add_column("proposal", sa.Column("policy", sa.Text, nullable=False, server_default=""))
    op.create_index("containment_of_endpoint", "containment", ["endpoint_id", "created_at"])
