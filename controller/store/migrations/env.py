"""Alembic's entry: runs the migrations on the connection that `controller.store.migrate` (or a test) hands over, in its transaction."""

from alembic import context

from controller.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
