"""Alembic comes in here: it works on the connection of `migrate`, inside that transaction."""

from __future__ import annotations

from alembic import context

from evenkeel.storage.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
