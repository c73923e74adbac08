"""When keys, roles and passwords were last used; names as long as an identity provider's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "iam_last_used",
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_iam_last_used")),
    )
    with op.batch_alter_table("iam_entities", schema=None) as batch_op:
        batch_op.alter_column("kind", existing_type=sa.String(length=16), type_=sa.String(length=32))
        batch_op.alter_column("folded_name", existing_type=sa.String(length=128), type_=sa.String(length=255))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("iam_entities", schema=None) as batch_op:
        batch_op.alter_column("folded_name", existing_type=sa.String(length=255), type_=sa.String(length=128))
        batch_op.alter_column("kind", existing_type=sa.String(length=32), type_=sa.String(length=16))
    op.drop_table("iam_last_used")
