"""The store in a file of the installation: SQLite.

It runs in WAL mode with synchronous FULL and secure_delete. Every transaction takes the write lock at once (BEGIN IMMEDIATE),
so what it reads cannot change before it writes.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contact_point.store.database import CONNECTIONS, KEPT, WAIT

if TYPE_CHECKING:
    from pathlib import Path

_FOR_READERS: Final = 1.0  # seconds that a checkpoint waits for readers, and keeps writers waiting
_SAID: Final = "pcsc_said"  # what a connection was told that holds until it is told otherwise


class SQLite:
    """The database at ``path``, made when it is not there; locks are waited for ``patience`` seconds."""

    def __init__(self, path: Path, patience: float) -> None:
        path.touch(mode=0o600)  # nobody else reads it, whatever the folder allows (Art. 9)
        self._patience = patience
        # hide_parameters: an error's text must not carry what was bound (Article 9).
        self.engine = create_engine(
            f"sqlite:///{path}",
            hide_parameters=True,
            pool_size=KEPT,
            max_overflow=CONNECTIONS - KEPT,
            pool_timeout=patience,
            connect_args={"timeout": patience},
        )
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", self._begin)

    def _begin(self, connection: Connection) -> None:
        wait = connection.get_execution_options().get(WAIT, self._patience)
        said = (
            f"busy_timeout = {round((self._patience if wait is None else wait) * 1000)}",
            f"query_only = {wait is None:d}",
        )
        if connection.info.get(_SAID) != said:
            for pragma in said:
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            connection.info[_SAID] = said
        connection.exec_driver_sql("BEGIN" if wait is None else "BEGIN IMMEDIATE")

    def checkpoint(self) -> bool:
        """Move deletions from the write-ahead log into the database; return whether the log is empty now.

        A reader in another process can prevent it, or a full disk; the next checkpoint then does it.
        """
        try:
            with closing(self.engine.raw_connection()) as connection:
                connection.info.pop(_SAID, None)
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout = {round(min(self._patience, _FOR_READERS) * 1000)}")
                cursor.execute("PRAGMA query_only = OFF")
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except (sqlite3.Error, PoolTimeoutError):
            return False
        return not busy

    def purge(self) -> bool:
        """Return True: secure_delete overwrote it when it was deleted, and a checkpoint brings that into the file."""
        return True

    def warnings(self, _connection: Connection) -> list[str]:
        """Return nothing: all that matters is set by the program itself, for each connection."""
        return []


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, above
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
