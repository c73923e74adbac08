"""The migrations and the stores' tables agree, on both databases, and data survives the way up."""

import importlib
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import lakewarden
from lakewarden.state import METADATA, Database, UnusableDatabase
from lakewarden.state.migrate import migrate
from tests.postgres import Cluster

FIRST = "0001"

SOURCE = Path(lakewarden.__file__).parent
for _file in SOURCE.rglob("*.py"):  # every table that any room declares, wired up or not
    if "    METADATA,\n" in _file.read_text(encoding="utf-8"):
        importlib.import_module(".".join(("lakewarden", *_file.relative_to(SOURCE).with_suffix("").parts)))


def differences(database: Database) -> list[object]:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": database.shared, "target_metadata": METADATA},
        )
        return list(compare_metadata(context, METADATA))


def test_the_migrations_make_what_the_stores_declare(database: Database) -> None:
    assert differences(database) == []


def test_the_comparison_would_notice(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE glue_tables DROP COLUMN created_by"))
        connection.execute(sa.text("DROP INDEX ix_lf_grants_principal"))
    kinds = {str(found[0]) for found in differences(database) if isinstance(found, tuple)}
    assert kinds == {"add_column", "add_index"}


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write("kept"):
        pass
    migrate(database)
    assert database.version("kept") == 1
    assert differences(database) == []


def test_data_of_the_first_schema_survives(url: str) -> None:
    """Every table of the first schema holds a row with a value in every column; all of them are there afterwards.

    The look-up columns of the audit log are an index of its records, which is made anew, and may go.
    """
    database = Database(url)
    migrate(database, FIRST)
    with database.read() as connection:
        old = sa.MetaData()
        old.reflect(connection)
    old.remove(old.tables["alembic_version"])
    before = {}
    with database.write() as connection:
        for table in old.sorted_tables:
            row = {column.name: sample(column) for column in table.columns}
            connection.execute(sa.insert(table).values(row))
            before[table.name] = row
    migrate(database)
    with database.read() as connection:
        for name, row in before.items():
            there = {column["name"] for column in sa.inspect(connection).get_columns(name)}
            assert name == "audit_events" or set(row) <= there, name
            wanted = {column: value for column, value in row.items() if column in there}
            query = sa.select(*(old.tables[name].c[column] for column in wanted))
            kept = connection.execute(query).mappings().one_or_none()
            assert kept is None or dict(kept) == wanted, name
            assert kept is not None or name not in METADATA.tables, f"the row of {name} is gone"
    database.close()


def sample(column: sa.Column[object]) -> object:
    kind = column.type
    if isinstance(kind, sa.LargeBinary):
        return b"k\xffey"
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.Integer):
        return 7
    longest = getattr(kind, "length", None) or 20
    return "é" * min(longest, 20)


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnusableDatabase, match="9999"):
        migrate(database)


def test_a_migration_that_fails_leaves_the_old_schema(url: str) -> None:
    database = Database(url)
    migrate(database, FIRST)
    with database.write() as connection:
        # A table in the way of a later migration's work.
        connection.execute(sa.text("ALTER TABLE athena_executions ADD COLUMN server VARCHAR(8)"))
    with pytest.raises(Exception, match=r"server|unavailable|used right now"):
        migrate(database)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == FIRST
    database.close()


def test_names_sort_by_code_point_whatever_the_database_was_made_with(postgres: Cluster) -> None:
    url = postgres.create("english", "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    database = Database(url)
    migrate(database)
    with database.write("b", "A", "a", "B", "_"):
        pass
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT 'a' < 'B'")).scalar_one()
        names = connection.execute(sa.text("SELECT scope FROM state_versions ORDER BY scope")).scalars().all()
    assert names == ["A", "B", "_", "a", "b"]
    assert differences(database) == []
    database.close()


def test_a_database_in_another_encoding_is_refused(postgres: Cluster) -> None:
    url = postgres.create("latin", "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    database = Database(url)
    with pytest.raises(UnusableDatabase, match="UTF8"):
        migrate(database)
    database.close()


def test_commits_are_durable_whatever_the_server_says(postgres: Cluster) -> None:
    url = postgres.create("hasty")
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("ALTER DATABASE hasty SET synchronous_commit = off")
    database = Database(url)
    with database.write() as connection:
        assert connection.execute(sa.text("SHOW synchronous_commit")).scalar_one() == "on"
    database.close()
