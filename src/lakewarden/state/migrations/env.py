"""Alembic's environment: one connection, given by the caller."""

from alembic import context

from lakewarden.state.database import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
