"""What every part of a transaction stands on: one connection, the slot files, and the keys that it has put there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Insert, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from contact_point.store.errors import UnknownExchangeError
from contact_point.store.tables import EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contact_point.keys import KeySlots
    from pcsc.exchange import Exchange


_KEYS: Final = 4096
"""Keys that a snapshot remembers, so that reading a record takes as much memory however long the record is."""


class Part:
    """A connection inside its transaction, and the slot files. ``put`` collects the keys that go again if it fails.

    A ``snapshot`` is only read, and keys may be destroyed while it is.
    """

    def __init__(
        self,
        connection: Connection,
        slots: KeySlots,
        gallery: KeySlots,
        records: KeySlots,
        put: dict[KeySlots, list[int]],
        *,
        snapshot: bool = False,
    ) -> None:
        self._connection = connection
        self._slots = slots
        self._gallery = gallery
        self._records = records
        self._put = put
        self._snapshot = snapshot
        # What was read once is not read again in the transaction, in which nobody else writes.
        self._opened: dict[int, bytes] = {}  # keys of exchanges, by slot
        self._slot_by_number: dict[str, int] = {}  # slots of exchanges, by control number
        self.stepped: dict[str, Exchange] = {}
        """The exchanges that were opened or took a step in this transaction, as they stand."""

    def slots(self, *tables: Table) -> frozenset[int]:
        """Return every slot that rows of these tables name."""
        found = (slot for table in tables for (slot,) in self._connection.execute(select(table.c.slot)))
        return frozenset(slot for slot in found if slot is not None)

    def _key(self, slots: KeySlots, keys: Sequence[bytes]) -> list[int]:
        """Put keys that are destroyed again if this transaction fails."""
        numbers = slots.put(keys)
        self._put[slots] += numbers
        return numbers

    def _key_of(self, control_number: str) -> bytes:
        """Return the key that an exchange and its record rest under."""
        if control_number not in self._slot_by_number:
            where = EXCHANGE.c.control_number == control_number
            slot: int | None = self._connection.execute(select(EXCHANGE.c.slot).where(where)).scalar()
            if slot is None:
                raise UnknownExchangeError(f"there is no exchange {control_number!r} here")
            self._slot_by_number[control_number] = slot
        return self._key_in(self._slot_by_number[control_number])

    def _key_in(self, slot: int) -> bytes:
        """Return the key of an exchange by its slot."""
        if slot not in self._opened:
            if self._snapshot and len(self._opened) == _KEYS:
                self._opened.clear()
            self._opened[slot] = self._records.get(slot)
        return self._opened[slot]

    def _insert_once(self, table: Table, row: Mapping[str, object]) -> bool:
        """Insert a row unless one of its keys is taken, and return whether it was.

        No error of the database comes of it: PostgreSQL would end the transaction, and write the key to its log.
        """
        return self._connection.execute(_insert_once(table, self._connection.dialect.name), row).rowcount == 1

    def _put_row(self, table: Table, row: Mapping[str, object]) -> None:
        """Insert a row, in place of the one of the same primary key where there is one."""
        self._connection.execute(_insert_or_update(table, self._connection.dialect.name), row)


@cache
def _insert_once(table: Table, dialect: str) -> Insert:
    insert = _insert(table, dialect).on_conflict_do_nothing()
    return insert.execution_options(preserve_rowcount=True)


@cache
def _insert_or_update(table: Table, dialect: str) -> Insert:
    insert = _insert(table, dialect)
    others = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def _insert(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
