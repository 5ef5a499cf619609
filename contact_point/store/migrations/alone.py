"""Whether nobody else has a database open.

A program that is at work would go on with tables that it does not know. In SQLite whoever has one in WAL mode open holds a
shared lock; EXCLUSIVE waits for all of them to leave, and then nobody else comes in. In PostgreSQL whoever is there shows among
the sessions, and whoever comes later waits for the store's advisory lock, then finds that the revision is another one.
"""

from __future__ import annotations

import sqlite3
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from sqlalchemy import event

from contact_point.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from contact_point.store.database import Database

_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'pcsc' AND pid <> pg_backend_pid()
"""
_LOOK: Final = 0.05  # seconds between two looks: a session is there a moment longer than its program

_IN_USE: Final = (
    "another process has the database open, and would go on with tables that it does not know. Nothing was changed: stop "
    "`pcsc serve` and every other command on it, then try again"
)


def on_connect(database: Database) -> None:
    """Have a connection to SQLite, once it is made, lock everybody else out for as long as it lasts.

    Connecting then raises :class:`~contact_point.store.errors.StoreError` where others stay.
    """
    if database.engine.dialect.name == "sqlite":
        event.listen(database.engine, "connect", _lock_out, insert=True)  # before the log is opened


def check(connection: Connection, patience: float) -> None:
    """Wait so many seconds for the other sessions of PostgreSQL to end.

    Raises:
        StoreError: they did not.

    """
    if connection.dialect.name != "postgresql":
        return
    until = monotonic() + patience
    while connection.exec_driver_sql(_OTHERS).scalar():
        if monotonic() > until:
            raise StoreError(_IN_USE)
        sleep(_LOOK)
        connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")


def _lock_out(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").close()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise StoreError(_IN_USE) from None
        raise
