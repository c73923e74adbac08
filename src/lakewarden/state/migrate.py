"""Brings a database to the present schema. Migrations live in ``migrations/versions``, applied in order by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from lakewarden.state.database import Database


def migrate(database: Database) -> None:
    """Apply every migration that is missing; safe to call on each start."""
    with database.engine.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
        connection.commit()


def alembic_config(connection: object) -> AlembicConfig:
    """Alembic's configuration for a connection that is open already."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
