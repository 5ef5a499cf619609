"""The scripts that make the tables and change them, and how they are run.

Every change of :mod:`contact_point.store.tables` is one script in ``versions``, numbered from 0001 on; what was released is
never edited. Scripts run in one transaction that the store's own database begins, SQLite or PostgreSQL: DDL is a part of it on
either, so a process that dies in between leaves every table as it was. No script reads a key: what rests sealed stays sealed.

Nobody else has the database open meanwhile: an older program would go on with tables that it does not know. No copy of it is
made before: a copy of the record would have to end with the terms in it (Article 11(3)), and the transaction needs none.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import String, inspect

from contact_point.store.database import PATIENCE
from contact_point.store.errors import StoreError
from contact_point.store.migrations import alone
from contact_point.store.opening import begun, named
from contact_point.store.revision import found, other_revision
from contact_point.store.tables import OF_EXCHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from contact_point.store.database import Database

SCRIPTS: Final = Path(__file__).parent

_LONGEST: Final = 3600.0  # seconds that PostgreSQL may take for one statement over all rows of a table

# alembic has one environment at a time in a process.
_environment: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Step:
    """One script, run forwards or backwards."""

    revision: str
    what: str
    """The first sentence of the script."""
    back: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The way of a database from one revision to another; ``found`` is None where it has no tables yet."""

    found: str | None
    to: str
    steps: tuple[Step, ...]


def make(connection: Connection, *, scripts: Path = SCRIPTS) -> None:
    """Make the tables of the last revision in an empty database, in the transaction that has begun."""
    _run(connection, scripts, _revisions(scripts)[-1][0], back=False)


def plan(database: Path | str, to: str | None = None, *, patience: float = PATIENCE, scripts: Path = SCRIPTS) -> Plan:
    """Return what :func:`migrate` would do. Nothing is changed, and others may be at work.

    Raises:
        StoreError: the revision that is wanted, or the one that the database is at, is not known here.
        RecordError: the database cannot be read.

    """
    with _opened(database, patience) as opened, begun(opened.engine, None, patience) as connection:
        return _plan(connection, to, scripts)


def migrate(
    database: Path | str, to: str | None = None, *, patience: float = PATIENCE, scripts: Path = SCRIPTS
) -> Plan:
    """Bring a database to a revision, the last one where none is named, in one transaction; return what was done.

    The lock, and everybody else's leaving, are waited for ``patience`` seconds each. An empty database stays empty: whoever
    opens it with its keys makes it (:func:`make`).

    Raises:
        StoreError: the revision that is wanted, or the one that the database is at, is not known here; another process has the
            database open; or a script says why it cannot be. Nothing was changed.
        RecordError: the database cannot be written. Nothing was changed, unless the message says otherwise.

    """
    with _opened(database, patience) as opened:
        alone.on_connect(opened)
        with begun(opened.engine, patience, patience) as connection:
            way = _plan(connection, to, scripts)
            if way.steps:
                alone.check(connection, patience)
                _run(connection, scripts, way.to, back=way.steps[0].back)
    return way


@contextmanager
def _opened(database: Path | str, patience: float) -> Iterator[Database]:
    """Open a database whose statements may take long; SQLite has no limit to them.

    Rows that a script moved or took away are in no log of SQLite afterwards: whoever closes a database last empties its log, as
    for Articles 8 and 11(3) it must be.
    """
    opened = named(database, patience if isinstance(database, Path) else _LONGEST)
    try:
        yield opened
    finally:
        opened.engine.dispose()


def _plan(connection: Connection, to: str | None, scripts: Path) -> Plan:
    """Return the way from where a database is to a revision."""
    known = _revisions(scripts)
    numbers = [number for number, _ in known]
    last, at = numbers[-1], found(connection)
    wanted = last if to is None else to
    if wanted not in numbers:
        raise StoreError(f"there is no revision {wanted}: this program knows {', '.join(numbers)}")
    if at is None:
        return Plan(None, wanted, ())
    if at not in numbers:
        raise StoreError(other_revision(at, last))
    here, there = numbers.index(at), numbers.index(wanted)
    forwards = [Step(*each, back=False) for each in known[here + 1 : there + 1]]
    backwards = [Step(*each, back=True) for each in reversed(known[there + 1 : here + 1])]
    return Plan(at, wanted, tuple(forwards + backwards))


def _revisions(scripts: Path) -> list[tuple[str, str]]:
    """Return the number and the first sentence of each script, the first one first."""
    directory = ScriptDirectory.from_config(_config(scripts))
    return [(each.revision, each.doc) for each in reversed(list(directory.walk_revisions()))]


def _run(connection: Connection, scripts: Path, to: str, *, back: bool) -> None:
    """Run the scripts up to a revision, or back to it, in the transaction that has begun."""
    config = _config(scripts)
    config.attributes["connection"] = connection
    with _environment:
        (command.downgrade if back else command.upgrade)(config, to)
    if connection.dialect.name == "postgresql":
        _keep_no_statistics(connection)


def _keep_no_statistics(connection: Connection) -> None:
    """Keep what texts of tables that name exchanges say out of the server's statistics: values, which outlive their rows."""
    for table in OF_EXCHANGES:
        texts = [
            each["name"] for each in inspect(connection).get_columns(table.name) if isinstance(each["type"], String)
        ]
        without = ", ".join(f"ALTER COLUMN {each} SET STATISTICS 0" for each in texts)
        connection.exec_driver_sql(f"ALTER TABLE {table.name} {without}")


def _config(scripts: Path) -> Config:
    """Return where the scripts are; no file says it, so that nobody runs them past this module."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
