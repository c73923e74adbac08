"""Multipart uploads, checksums, tags and public access blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("storage_buckets") as batch:
        batch.add_column(sa.Column("details", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("storage_objects") as batch:
        batch.add_column(sa.Column("parts", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "storage_uploads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_uploads")),
    )
    op.create_index(op.f("ix_storage_uploads_created"), "storage_uploads", ["created"])
    op.create_index("ix_storage_uploads_bucket_key", "storage_uploads", ["bucket", "key", "id"])
    op.create_table(
        "storage_parts",
        sa.Column("upload", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=64), nullable=False),
        sa.Column("modified", sa.String(length=40), nullable=False),
        sa.Column("blob", sa.String(length=32), nullable=False),
        sa.Column("sums", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("upload", "number", name=op.f("pk_storage_parts")),
    )
    op.create_index(op.f("ix_storage_parts_blob"), "storage_parts", ["blob"])
    op.create_table(
        "storage_garbage",
        sa.Column("blob", sa.String(length=32), nullable=False),
        sa.Column("since", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("blob", name=op.f("pk_storage_garbage")),
    )
    op.create_index(op.f("ix_storage_garbage_since"), "storage_garbage", ["since"])


def downgrade() -> None:
    """Undo."""
    for table in ("storage_garbage", "storage_parts", "storage_uploads"):
        op.drop_table(table)
    with op.batch_alter_table("storage_objects") as batch:
        batch.drop_column("parts")
    with op.batch_alter_table("storage_buckets") as batch:
        batch.drop_column("details")
