"""At which revision the tables of a database are, and whether this program works with it.

The tables are made and changed by the scripts of :mod:`~contact_point.store.migrations` alone. Here nothing of those is loaded:
to open a database costs one number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from contact_point.store.errors import StoreError
from contact_point.store.tables import TABLES
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

HEAD: Final = "0001"
"""The revision of :data:`~contact_point.store.tables.TABLES`: the last script there is."""

# Kept by alembic, in the transaction of the change; one row.
_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def found(connection: Connection) -> str | None:
    """Return the revision that a database is at, or None where it has no tables yet.

    Raises:
        StoreError: it has tables of which nothing says the revision.

    """
    if inspect(connection).has_table(_VERSION.name):
        return connection.execute(select(_VERSION.c.version_num)).scalar()
    if tables := sorted(TABLES.tables.keys() & set(inspect(connection).get_table_names())):
        raise StoreError(
            f"the database has tables ({', '.join(tables)}) and does not say at which revision they are: a program made them "
            "that had no migrations yet, or another one altogether. Nothing was changed in it. Export its record with the "
            "version that made it (`pcsc record export`), keep that file for the term of Art. 11(3), and make a new "
            "installation"
        )
    return None


def is_at_head(connection: Connection) -> bool:
    """Return whether the tables are those that this program works with; False where there are none yet.

    Raises:
        StoreError: they are those of another version.

    """
    revision = found(connection)
    if revision not in {None, HEAD}:
        raise StoreError(other_revision(str(revision)))
    return revision is not None


def confirm(connection: DBAPIConnection, _record: object) -> None:
    """Refuse a new connection of a program that was at work before the tables became those of another version.

    Raises:
        RecordError: they did, as Article 11(1) wants a record of everything that is answered.

    """
    cursor = connection.cursor()
    cursor.execute("SELECT version_num FROM alembic_version")
    (revision,) = cursor.fetchone() or ("",)
    cursor.close()
    connection.rollback()
    if revision != HEAD:
        connection.close()
        raise RecordError(other_revision(revision))


def other_revision(revision: str, known: str = HEAD) -> str:
    """Return why a database at this revision is refused by a program that knows those up to ``known``."""
    said = f"the database is at revision {revision} and this program works with {known}. Nothing was changed in it. "
    if revision < known:  # four digits each: the order of the texts is that of the numbers
        return said + "Stop every process that uses it, then bring it up with `pcsc migrate`"
    return said + (
        "A later version of this program brought it there: use that version, or have that version take it back with "
        f"`pcsc migrate --to {known}`"
    )
