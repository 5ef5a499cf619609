"""Databases at a revision: how their tables stand, rows of any table, a script beyond the last one, and processes that die.

As a program, ``python -m tests.contact_point.migrated make|migrate DATABASE SCRIPTS STRIDE`` kills children that make or
migrate a database, each so many moments later than the one before, and prints at which revisions it was left. A moment is
before or after a statement or the commit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, MetaData, event, insert, inspect, select, text
from sqlalchemy.pool import Pool

from contact_point.store import migrations, revision
from contact_point.store.database import PATIENCE
from contact_point.store.opening import begun, named
from contact_point.store.revision import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT: Final = f"{int(HEAD) + 1:04}"
"""The revision of :func:`with_one_more`."""

VERSION: Final = "alembic_version"

_ONE_MORE: Final = Path(__file__).parent / "one_more_migration.py"

_COLLATIONS: Final = """
SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE table_schema = current_schema()
"""


def with_one_more(folder: Path) -> Path:
    """Copy the scripts into a folder, with one more that copies a table, makes one, and writes rows; return where they are."""
    scripts = folder / "migrations"
    shutil.copytree(migrations.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    script = _ONE_MORE.read_text(encoding="utf-8")
    script = script.replace('"NEXT"', f'"{NEXT}"').replace('"HEAD"', f'"{HEAD}"')
    (scripts / "versions" / f"v{NEXT}_one_more.py").write_text(script, encoding="utf-8")
    return scripts


@contextmanager
def connected(database: Path | str) -> Iterator[Connection]:
    """Begin a transaction of the store's, whatever revision the database is at."""
    opened = named(database, PATIENCE)
    try:
        with begun(opened.engine, PATIENCE, PATIENCE) as connection:
            yield connection
    finally:
        opened.engine.dispose()


def make(database: Path | str, scripts: Path = migrations.SCRIPTS) -> None:
    """Make the tables of the last revision."""
    with connected(database) as connection:
        migrations.make(connection, scripts=scripts)


def tables(connection: Connection) -> dict[str, Any]:
    """Return how the tables stand: columns, keys and indexes, whatever their order."""
    seen = inspect(connection)
    postgresql = connection.dialect.name == "postgresql"
    collations = [tuple(row) for row in connection.exec_driver_sql(_COLLATIONS)] if postgresql else []
    return {
        name: {
            "columns": sorted((each["name"], str(each["type"]), each["nullable"]) for each in seen.get_columns(name)),
            "collations": sorted(each[1:] for each in collations if each[0] == name),
            "key": seen.get_pk_constraint(name),
            "unique": sorted((str(each["name"]), each["column_names"]) for each in seen.get_unique_constraints(name)),
            "indexes": sorted((str(each["name"]), each["column_names"]) for each in seen.get_indexes(name)),
        }
        for name in seen.get_table_names()
        if name != VERSION
    }


def _reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


def fill(connection: Connection) -> None:
    """Put two rows into every table, a value of its own in every column."""
    for table in _reflected(connection).sorted_tables:
        if table.name != VERSION:
            rows = [{column.name: _value(column, number) for column in table.columns} for number in (1, 2)]
            connection.execute(insert(table), rows)


def _value(column: Any, number: int) -> object:
    of = column.type.python_type
    return (
        of(number) if of in {int, bool} else of(f"{column} {number}".encode()) if of is bytes else f"{column} {number}"
    )


def rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all there is in the tables."""
    found = [each for each in _reflected(connection).sorted_tables if each.name != VERSION]
    return {
        each.name: sorted((dict(row._mapping) for row in connection.execute(select(each))), key=repr) for each in found
    }


# Processes that die


def _state(database: Path | str) -> tuple[str | None, str]:
    """Return the revision of a database, and all that is in it; an SQLite file must be whole."""
    with connected(database) as connection:
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
        return revision.found(connection), repr((tables(connection), rows(connection)))


def _die_at(moment: int) -> None:
    """Kill this process at the moment of that number."""
    moments = count(1)

    def pass_one(*_: object) -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    for where, name in (
        (Engine, "before_cursor_execute"),
        (Engine, "after_cursor_execute"),
        (Engine, "commit"),
        (Pool, "checkin"),
    ):
        event.listen(where, name, pass_one)


def _killed_at(moment: int, what: str, database: Path | str, scripts: Path) -> bool:
    """Have a child do it and die at a moment; return whether it did die."""
    if (child := os.fork()) == 0:
        _die_at(moment)
        if what == "make":
            make(database, scripts)
        else:
            migrations.migrate(database, scripts=scripts)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main() -> None:
    """Print the revisions that were found after each kill, and how many different states there were."""
    what, at, scripts, stride = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    database = at if "://" in at else Path(at)
    left, states = [], set()
    for moment in count(1, stride):
        killed = _killed_at(moment, what, database, scripts)
        found, all_of_it = _state(database)
        left.append(found)
        states.add(all_of_it)
        if not killed:
            break
        if found == NEXT:
            if what == "make":
                break
            migrations.migrate(database, HEAD, scripts=scripts)
    sys.stdout.write(json.dumps({"left": left, "states": len(states)}))


if __name__ == "__main__":
    main()
