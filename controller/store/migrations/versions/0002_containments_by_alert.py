"""Which containment an alert led to, found without reading all that were ever made."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("containment_alert_of", "containment_alert", ["alert_id"])
