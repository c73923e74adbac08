"""Executions name the server that runs them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("athena_executions", sa.Column("server", sa.String(length=8), nullable=False, server_default=""))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("athena_executions") as batch_op:
        batch_op.drop_column("server")
