"""A token belongs to a person, and an answer keeps by which token it was given. None: the person is called as the token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("token", sa.Column("person", sa.Text))
    op.add_column("proposal_vote", sa.Column("token", sa.Text))
