"""Older versions of objects, and markers of their deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "storage_versions",
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("modified", sa.String(length=40), nullable=False),
        sa.Column("blob", sa.String(length=32), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("parts", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "key", "sequence", name=op.f("pk_storage_versions")),
    )
    op.create_index(op.f("ix_storage_versions_blob"), "storage_versions", ["blob"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("storage_versions")
