"""What alembic runs around the scripts: in the transaction that the store has begun, and in no other way."""

from __future__ import annotations

from alembic import context

from contact_point.store.errors import StoreError
from contact_point.store.tables import TABLES

_connection = context.config.attributes.get("connection")
if _connection is None or context.is_offline_mode():
    # As a text of statements a migration would show what is bound to them (Article 9), and run without the store's lock.
    raise StoreError("migrations run by `pcsc migrate`, in a transaction of the store: neither by alembic nor as SQL")
if not _connection.engine.hide_parameters:
    raise StoreError(
        "Art. 9: an error of a migration must not carry what was bound: make the engine with hide_parameters"
    )
context.configure(connection=_connection, target_metadata=TABLES, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
