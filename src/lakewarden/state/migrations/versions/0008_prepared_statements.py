"""Prepared statements, saved queries, tags, and the fingerprint that result reuse goes by."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("athena_executions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fingerprint", sa.String(length=64), server_default="", nullable=False))
        batch_op.create_index("ix_athena_executions_fingerprint", ["fingerprint"], unique=False)
    op.create_table(
        "athena_prepared_statements",
        sa.Column("workgroup", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workgroup", "name", name=op.f("pk_athena_prepared_statements")),
    )
    op.create_table(
        "athena_named_queries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("workgroup", sa.String(length=128), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_athena_named_queries")),
    )
    with op.batch_alter_table("athena_named_queries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_athena_named_queries_workgroup"), ["workgroup"], unique=False)
    op.create_table(
        "athena_tags",
        sa.Column("arn", sa.String(length=512), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_athena_tags")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("athena_tags")
    with op.batch_alter_table("athena_named_queries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_athena_named_queries_workgroup"))
    op.drop_table("athena_named_queries")
    op.drop_table("athena_prepared_statements")
    with op.batch_alter_table("athena_executions", schema=None) as batch_op:
        batch_op.drop_index("ix_athena_executions_fingerprint")
        batch_op.drop_column("fingerprint")
