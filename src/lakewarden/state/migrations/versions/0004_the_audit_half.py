"""The audit half: sealed records, look-ups by index, trails, digests and their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KEPT = "sequence, record, previous, hash"


def upgrade() -> None:
    """Apply. Records of before have no seal; ``audit verify`` says so."""
    for name in ("access_key_id", "event_id", "event_name", "event_source", "event_time", "username"):
        op.drop_index(f"ix_audit_events_{name}", "audit_events")
    op.rename_table("audit_events", "audit_events_0001")
    op.create_table(
        "audit_events",
        sa.Column("sequence", _SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_events_sealed")),
    )
    op.execute(f"INSERT INTO audit_events ({_KEPT}, seal) SELECT {_KEPT}, '' FROM audit_events_0001")  # noqa: S608 - our own names
    op.drop_table("audit_events_0001")
    op.create_table(
        "audit_index",
        sa.Column("attribute", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("event_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", _SEQUENCE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("attribute", "value", "event_time", "sequence", name=op.f("pk_audit_index")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_indexed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_indexed")),
    )
    op.create_table(
        "audit_base",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_base")),
    )
    _trails()


def _trails() -> None:
    op.create_table(
        "audit_trails",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("lease_holder", sa.String(length=36), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_trails")),
    )
    op.create_table(
        "audit_trail_files",
        sa.Column("trail", sa.String(length=128), nullable=False),
        sa.Column("last", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("oldest", sa.String(length=24), nullable=False),
        sa.Column("newest", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("trail", "last", name=op.f("pk_audit_trail_files")),
    )
    op.create_table(
        "audit_digest_keys",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_audit_digest_keys")),
    )


def downgrade() -> None:
    """There is no way back: the log is append-only."""
    raise NotImplementedError("the audit log is never rewritten")
