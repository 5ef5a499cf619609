"""Which database a path or a URL names, and how a transaction in it begins and fails."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contact_point.store.database import DEADLINE, WAIT
from contact_point.store.errors import StoreError
from contact_point.store.sqlite import SQLite
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from contact_point.store.database import Database


def named(database: Path | str, patience: float) -> Database:
    """Return the database that a path or a URL names; nothing is connected yet.

    Raises:
        StoreError: the URL is none.

    """
    if isinstance(database, Path):
        return SQLite(database, patience)
    try:
        url = make_url(database)
    except ArgumentError:
        raise StoreError(
            "the store is a path, or a URL such as postgresql+psycopg://ROLE@HOST/DATABASE; what came is neither"
        ) from None
    from contact_point.store.postgresql import PostgreSQL  # noqa: PLC0415 - psycopg is installed where it is wanted

    return PostgreSQL(url, patience)


@contextmanager
def begun(engine: Engine, wait: float | None, patience: float) -> Iterator[Connection]:
    """Begin a transaction, waiting so many seconds for those of other processes, and commit it at the end.

    None is for one that only reads, which may take ``patience`` seconds to begin.

    Raises:
        RecordError: the database cannot be read or written.

    """
    try:
        with ExitStack() as stack:
            deadline = DEADLINE.set(monotonic() + (wait or patience))
            try:
                connection = stack.enter_context(engine.connect().execution_options(**{WAIT: wait}))
                stack.enter_context(connection.begin())
            finally:
                DEADLINE.reset(deadline)
            yield connection
    except PoolTimeoutError:
        raise unwritten("too many want to write at once") from None
    except DBAPIError as error:
        # The first line is the database's own words; further ones may repeat what was to be written.
        reason = str(error.orig).partition("\n")[0]
        raise (_lost if error.connection_invalidated else unwritten)(reason) from None


class LostError(RecordError):
    """The connection went, and with it the word on what became of the transaction."""


def _lost(reason: str) -> RecordError:
    """Return the error of a database that went away."""
    return LostError(
        f"the record cannot be written ({reason}), and whether something was done shows once the database is back: repair its "
        "server, then try again"
    )


def unwritten(reason: str) -> RecordError:
    """Return the error of a database that cannot be written."""
    return RecordError(
        f"the record cannot be written ({reason}), so nothing was done: make room, or repair the disk or the server of the "
        "database, then try again"
    )
