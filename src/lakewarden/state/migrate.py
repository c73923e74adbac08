"""Brings a database to the present schema. Migrations live in ``migrations/versions``, applied in order by Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from lakewarden.state import postgres
from lakewarden.state.database import Database
from lakewarden.state.errors import UnusableDatabase


def migrate(database: Database, to: str = "head") -> None:
    """Apply every migration that is missing, all or nothing; safe to call on each start, of several servers at once.

    Raises :class:`UnusableDatabase` for one that is set up unsafely, or that a newer Lakewarden has written.
    """
    with database.write() as connection:
        if database.shared:
            postgres.check(connection)
        config = alembic_config(connection)
        _refuse_newer(connection, config)
        command.upgrade(config, to)
        if database.shared:
            postgres.collate(connection)


def alembic_config(connection: sa.Connection) -> AlembicConfig:
    """Alembic's configuration for a connection that is open already."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: sa.Connection, config: AlembicConfig) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise UnusableDatabase(
            f"the database has migration {', '.join(sorted(unknown))}, which this version does not know"
        )
