"""When crawlers are due, and classifiers."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("glue_crawlers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("due", sa.String(length=40), nullable=False, server_default=""))
        batch_op.create_index(batch_op.f("ix_glue_crawlers_due"), ["due"], unique=False)
    op.create_table(
        "glue_classifiers",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("updated", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_glue_classifiers")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("glue_classifiers")
    with op.batch_alter_table("glue_crawlers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_glue_crawlers_due"))
        batch_op.drop_column("due")
