from __future__ import annotations

from alembic import context

from asbuilt.catalog.tables import metadata

# Called with an open connection by `asbuilt.catalog.database`; there is no alembic.ini.
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
