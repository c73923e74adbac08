"""Queries of CloudTrail Lake, and the rows that they found."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_lake_queries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=512), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("server", sa.String(length=8), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_lake_queries")),
    )
    with op.batch_alter_table("audit_lake_queries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_lake_queries_created"), ["created"], unique=False)
        batch_op.create_index("ix_audit_lake_queries_owner_created", ["owner", "created"], unique=False)
    op.create_table(
        "audit_lake_pages",
        sa.Column("query", sa.String(length=36), nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query", "page", name=op.f("pk_audit_lake_pages")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("audit_lake_pages")
    op.drop_table("audit_lake_queries")
