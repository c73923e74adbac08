"""Brings a database to the present schema. Migrations live in ``migrations/versions``, applied in order by Alembic."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from lakewarden.state import postgres
from lakewarden.state.database import Database
from lakewarden.state.errors import UnusableDatabase

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

_MIGRATIONS = Path(__file__).parent / "migrations"
_NAMED = re.compile(r'^(revision|down_revision)[^=]*= "(\w+)"', re.MULTILINE)


def migrate(database: Database, to: str = "head") -> None:
    """Apply every migration that is missing, all or nothing; safe to call on each start, of several servers at once.

    Raises :class:`UnusableDatabase` for one that is set up unsafely, or that a newer Lakewarden has written.
    """
    with database.write() as connection:
        if database.shared:
            postgres.check(connection)
        if to == "head" and _at_head(connection):
            return
        _upgrade(connection, to)
        if database.shared:
            postgres.collate(connection)


def _at_head(connection: sa.Connection) -> bool:
    """Whether nothing is to be done; a server that starts as it stopped does not load Alembic (11 MB, for ever)."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    present = set(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())
    named = [_NAMED.findall(file.read_text(encoding="utf-8")) for file in (_MIGRATIONS / "versions").glob("*.py")]
    revisions = {name for found in named for kind, name in found if kind == "revision"}
    return present == revisions - {name for found in named for kind, name in found if kind == "down_revision"}


def _upgrade(connection: sa.Connection, to: str) -> None:
    from alembic import command

    config = alembic_config(connection)
    _refuse_newer(connection, config)
    command.upgrade(config, to)


def alembic_config(connection: sa.Connection) -> "AlembicConfig":
    """Alembic's configuration for a connection that is open already."""
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _refuse_newer(connection: sa.Connection, config: "AlembicConfig") -> None:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise UnusableDatabase(
            f"the database has migration {', '.join(sorted(unknown))}, which this version does not know"
        )
