"""Studio's resources and sign-in tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "studio_resources",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("domain", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "domain", "key", name=op.f("pk_studio_resources")),
    )
    op.create_table(
        "studio_tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_studio_tokens")),
    )
    with op.batch_alter_table("studio_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_studio_tokens_expires"), ["expires"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("studio_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_studio_tokens_expires"))

    op.drop_table("studio_tokens")
    op.drop_table("studio_resources")
