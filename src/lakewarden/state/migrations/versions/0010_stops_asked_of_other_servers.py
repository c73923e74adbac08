"""What one server asks of a query that runs on another: to stop."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "athena_stops",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_athena_stops")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("athena_stops")
