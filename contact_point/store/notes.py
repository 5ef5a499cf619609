"""Checkpoints of either contact point's record, as signed notes; and which copies of our record were made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from contact_point.store.errors import StoreError
from contact_point.store.part import Part
from contact_point.store.tables import COPY, NOTE, moment

if TYPE_CHECKING:
    from sqlalchemy import Select


@dataclass(frozen=True, slots=True)
class Copy:
    """An export or backup of the record, written here or entered by a person: its term is the record's (Article 11(3))."""

    id: int
    path: str
    made_at: datetime
    sha256: str
    holds_until: datetime
    """When the term of what is in it ends."""
    destroyed_at: datetime | None


class Notes(Part):
    """The notes and copies in a transaction."""

    def keep_note(self, origin: str, size: int, note: str) -> None:
        """Keep a signed checkpoint of the tree ``origin`` at ``size``, in place of the one of the same size."""
        self._put_row(NOTE, {"origin": origin, "size": size, "note": note})

    def note_of(self, origin: str, size: int) -> str | None:
        """Return the checkpoint kept of the tree ``origin`` at ``size``, or None."""
        where = (NOTE.c.origin == origin) & (NOTE.c.size == size)
        return self._connection.execute(select(NOTE.c.note).where(where)).scalar()

    def latest_note(self, uri: str) -> str | None:
        """Return the last checkpoint kept of a contact point: of its last tree, the largest."""
        latest = _notes(uri).order_by(NOTE.c.origin.desc(), NOTE.c.size.desc()).limit(1)
        return self._connection.execute(latest).scalar()

    def notes(self, uri: str) -> list[str]:
        """Return every checkpoint kept of a contact point, by tree and size; or those of this very origin."""
        return list(self._connection.execute(_notes(uri).order_by(NOTE.c.origin, NOTE.c.size)).scalars())

    def all_notes(self) -> list[tuple[str, int, str]]:
        """Return every checkpoint that is kept, of whichever contact point, with its origin and size."""
        rows = self._connection.execute(NOTE.select().order_by(NOTE.c.origin, NOTE.c.size))
        return [(row.origin, row.size, row.note) for row in rows]

    def keep_copy(self, path: str, *, made_at: datetime, sha256: str, holds_until: datetime) -> int:
        """Note that a copy of the record was written, and return the number it is known by."""
        row = {"path": path, "made_at": moment(made_at), "sha256": sha256, "holds_until": moment(holds_until)}
        number: int = self._connection.execute(COPY.insert().values(row).returning(COPY.c.id)).scalar_one()
        return number

    def copies(self) -> list[Copy]:
        """Return every copy of the record that was written, destroyed or not, as they were made."""
        return [
            Copy(row.id, row.path, _time(row.made_at), row.sha256, _time(row.holds_until), _end(row.destroyed_at))
            for row in self._connection.execute(COPY.select().order_by(COPY.c.id))
        ]

    def copy_destroyed(self, number: int, at: datetime) -> None:
        """Note that a copy of the record is no more.

        Raises:
            StoreError: there was none of this number, or it was destroyed before.

        """
        where = (COPY.c.id == number) & COPY.c.destroyed_at.is_(None)
        if self._connection.execute(COPY.update().where(where), {"destroyed_at": moment(at)}).rowcount != 1:
            raise StoreError(f"there is no copy {number} of the record: it was destroyed before, or never made")


def _notes(uri: str) -> Select[Any]:
    """Return the query for the notes whose origin is ``uri``, or a tree of the record of the contact point ``uri``."""
    tree = NOTE.c.origin.startswith(f"{uri}/record/", autoescape=True)
    return select(NOTE.c.note).where(tree | (NOTE.c.origin == uri))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _end(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
