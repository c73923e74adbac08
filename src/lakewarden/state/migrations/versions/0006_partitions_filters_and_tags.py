"""Partitions, table versions, statistics, tags and crawlers; data cells filters and LF-tags."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "glue_crawlers",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("updated", sa.String(length=40), nullable=False),
        sa.Column("runs", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_glue_crawlers")),
    )
    op.create_table(
        "glue_partitions",
        sa.Column("database", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("position", sa.String(length=2048), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("database", "table_name", "position", name=op.f("pk_glue_partitions")),
    )
    op.create_table(
        "glue_resource_policies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created", sa.String(length=40), nullable=False),
        sa.Column("updated", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_glue_resource_policies")),
    )
    op.create_table(
        "glue_statistics",
        sa.Column("database", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("position", sa.String(length=2048), nullable=False),
        sa.Column("column_name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("database", "table_name", "position", "column_name", name=op.f("pk_glue_statistics")),
    )
    op.create_table(
        "glue_table_versions",
        sa.Column("database", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("updated", sa.String(length=40), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("database", "table_name", "version", name=op.f("pk_glue_table_versions")),
    )
    op.create_table(
        "glue_tags",
        sa.Column("resource", sa.String(length=1024), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("resource", "key", name=op.f("pk_glue_tags")),
    )
    op.create_table(
        "lf_filters",
        sa.Column("database", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("database", "table_name", "name", name=op.f("pk_lf_filters")),
    )
    op.create_table(
        "lf_tag_assignments",
        sa.Column("database", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("column_name", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("database", "table_name", "column_name", "key", name=op.f("pk_lf_tag_assignments")),
    )
    with op.batch_alter_table("lf_tag_assignments", schema=None) as batch_op:
        batch_op.create_index("ix_lf_tag_assignments_key_value", ["key", "value"], unique=False)

    op.create_table(
        "lf_tag_expressions",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lf_tag_expressions")),
    )
    op.create_table(
        "lf_tags",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("tag_values", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lf_tags")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("lf_tags")
    op.drop_table("lf_tag_expressions")
    with op.batch_alter_table("lf_tag_assignments", schema=None) as batch_op:
        batch_op.drop_index("ix_lf_tag_assignments_key_value")

    op.drop_table("lf_tag_assignments")
    op.drop_table("lf_filters")
    op.drop_table("glue_tags")
    op.drop_table("glue_table_versions")
    op.drop_table("glue_statistics")
    op.drop_table("glue_resource_policies")
    op.drop_table("glue_partitions")
    op.drop_table("glue_crawlers")
