"""The record of Article 11, as it rests: places in the trees of their months, and the traces that entries commit to.

Salt and body of an entry rest under the key of its exchange, like its trace: when the term ends that key is destroyed, and
what is left of the entry is a leaf. Each tree's compact range is kept beside it, in the transaction that appends, so its head
is known without reading the leaves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from sqlalchemy import bindparam, select

from contact_point.keys import KeyDestroyedError, KeysError, seal, unseal
from contact_point.store.errors import StoreError
from contact_point.store.part import Part
from contact_point.store.tables import DUE, ENTRY, EXCHANGE, RECEIVED, TREE, VIEWING, WITNESSED
from pcsc import records
from pcsc.checkpoints import Head
from pcsc.errors import RecordError
from pcsc.merkle import Frontier
from pcsc.records import Entry, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Select

_STORED_ENTRY: Final = TypeAdapter(Entry)
_SALT_DIGITS: Final = 64  # of the salt that a sealed entry and a trace begin with
_PAGE: Final = 500  # entries
_LAST: Final = select(ENTRY.c.number, ENTRY.c.tree, ENTRY.c.leaf).order_by(ENTRY.c.number.desc()).limit(1)
_TREE: Final = TREE.select().where(TREE.c.name == bindparam("name"))
_GROWN: Final = TREE.update().where(TREE.c.name == bindparam("tree"))
_TOGETHER: Final = ENTRY.outerjoin(EXCHANGE, ENTRY.c.exchange == EXCHANGE.c.control_number)


class Record(Part):
    """The record in a transaction."""

    # The last place, as it was read or appended in this transaction; and its tree, with the number of the tree's first entry.
    _last: Recorded | None = None
    _tree: tuple[str, int, Frontier] | None = None

    def next_entry(self) -> int:
        """Return the number of the next entry."""
        last = self._before()
        return 0 if last is None else last.number + 1

    def _before(self) -> Recorded | None:
        """Return the place of the last entry, without it, or None before the first."""
        if self._last is None and (row := self._connection.execute(_LAST).first()) is not None:
            self._last = _emptied(row)
        return self._last

    def append(self, entry: Entry, salt: str, *, trace_salt: str = "") -> None:
        """Append an entry to the record; both salts are fresh and random. A trace rests apart, and the entry commits to it.

        Raises:
            RecordError: the entry is out of its turn, or the tree is not that of its entries.
            UnknownExchangeError: its exchange is not there, under whose key it would rest.

        """
        key, trace = self._key_of(entry.exchange), None
        if entry.trace:
            trace = seal(key, f"{trace_salt}{entry.trace}".encode(), bound_to=_trace_place(entry.number))
            entry = replace(entry, trace=records.commitment(trace_salt, entry.trace.encode()))
        place = records.append(self._before(), entry, salt)
        sealed = seal(key, f"{place.salt}{place.body}".encode(), bound_to=_entry_place(place.number))
        values = {"number": place.number, "tree": place.tree, "exchange": entry.exchange, "sealed": sealed}
        self._connection.execute(ENTRY.insert(), values | {"leaf": place.leaf, "trace": trace})
        self._grow(place)

    def take(self, place: Recorded, exchange: str | None, trace: str) -> None:
        """Append a place of a record that is had back as it was: with its salt, its leaf and its salted trace.

        Without ``exchange``, under whose key the entry is to rest, its term has ended and the leaf alone is taken.

        Raises:
            RecordError: the place is out of its turn.
            UnknownExchangeError: the exchange is not there.

        """
        row: dict[str, object] = {"number": place.number, "tree": place.tree, "exchange": exchange, "leaf": place.leaf}
        row |= {"sealed": None, "trace": None}
        if exchange is not None:
            key = self._key_of(exchange)
            row["sealed"] = seal(key, f"{place.salt}{place.body}".encode(), bound_to=_entry_place(place.number))
            row["trace"] = seal(key, trace.encode(), bound_to=_trace_place(place.number)) if trace else None
        self._connection.execute(ENTRY.insert(), row)
        self._grow(place)

    def salted_trace(self, number: int) -> str:
        """Return the trace of an entry after the salt that its commitment is made with; empty where there is none."""
        row = self._connection.execute(_traces().where(ENTRY.c.number == number)).first()
        if row is None or row.trace is None:
            return ""
        return unseal(self._key_in(row.slot), row.trace, bound_to=_trace_place(number)).decode()

    def _grow(self, place: Recorded) -> None:
        """Take a new leaf into the compact range of its tree."""
        if self._tree is None or self._tree[0] != place.tree:
            row = self._connection.execute(_TREE, {"name": place.tree}).first()
            first = place.number if row is None else row.first_entry
            frontier = Frontier.empty() if row is None else Frontier.of(row.frontier)
        else:
            _, first, frontier = self._tree
        if first + frontier.size != place.number:
            raise RecordError(
                f"the tree {place.tree} of the record ends before entry {first + frontier.size}, and entry {place.number} is "
                "to follow: one of the two was changed: verify the record against the other contact point's checkpoints"
            )
        grown = frontier.append(bytes.fromhex(place.leaf))
        if frontier.size:
            self._connection.execute(_GROWN, {"tree": place.tree, "frontier": grown.text()})
        else:
            self._connection.execute(
                TREE.insert(), {"name": place.tree, "first_entry": first, "frontier": grown.text()}
            )
        self._last, self._tree = records.expire(place), (place.tree, first, grown)

    def record(self, begin: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """Yield the record from its first entry, or from the entry ``begin``, to its last, or to before the entry ``end``.

        Raises:
            RecordError: the salt and body of an entry do not open: they were changed, moved, or their key is another.

        """
        rows = _places().where(ENTRY.c.number >= begin)
        if end is not None:
            rows = rows.where(ENTRY.c.number < end)
        for row in self._in_order(rows):
            yield self._place(row)

    def place(self, number: int) -> Recorded:
        """Return the place of an entry.

        Raises:
            StoreError: the record has no entry of this number.

        """
        row = self._connection.execute(_places().where(ENTRY.c.number == number)).first()
        if row is None:
            raise StoreError(f"the record has {self.next_entry()} entries, counted from 0; there is no entry {number}")
        return self._place(row)

    def entries(self, exchange: str | None = None, *, since: int = 0) -> Iterator[Entry]:
        """Yield the entries whose term has not ended, of one exchange or of all; ``trace`` is the commitment to one.

        :meth:`trace` returns the trace itself. Those before the number ``since`` are left out, and cost nothing.
        """
        rows = _places().where(ENTRY.c.sealed.is_not(None) & (ENTRY.c.number >= since))
        if exchange is not None:
            rows = rows.where(ENTRY.c.exchange == exchange)
        for row in self._in_order(rows):
            if (body := self._place(row).body) is not None:
                yield _STORED_ENTRY.validate_json(body)

    def _in_order(self, rows: Select[Any]) -> Iterator[Any]:
        """Yield rows of entries by number, a page at a time: no statement takes long, and no cursor stays open."""
        page = self._connection.execute(rows.order_by(ENTRY.c.number).limit(_PAGE)).all()
        while page:
            yield from page
            after = rows.where(ENTRY.c.number > page[-1].number)
            page = self._connection.execute(after.order_by(ENTRY.c.number).limit(_PAGE)).all()

    def _place(self, row: Any) -> Recorded:
        """Return the place that a row holds."""
        if row.sealed is None:
            return _emptied(row)
        try:
            text = unseal(self._key_in(row.slot), row.sealed, bound_to=_entry_place(row.number)).decode()
        except (KeysError, TypeError) as error:  # no slot where its exchange is not there
            if self._snapshot and isinstance(error, KeyDestroyedError):
                return _emptied(row)  # its term ended a moment ago
            raise RecordError(
                f"entry {row.number} of the record does not open: it was changed, moved from another place, or its key is not "
                "in the slots of the record: verify a backup of both against the other contact point's checkpoints"
            ) from None
        return Recorded(row.number, row.tree, text[_SALT_DIGITS:], text[:_SALT_DIGITS], row.leaf)

    def trace(self, entry: Entry) -> str:
        """Return the trace that an entry commits to; empty where nothing was decided.

        Raises:
            RecordError: it is not there, or is not the one that was committed to.

        """
        if not entry.trace:
            return ""
        sealed = self._connection.execute(select(ENTRY.c.trace).where(ENTRY.c.number == entry.number)).scalar()
        text = "" if sealed is None else self._trace_text(entry, sealed)
        if not text or records.commitment(text[:_SALT_DIGITS], text[_SALT_DIGITS:].encode()) != entry.trace:
            raise RecordError(f"the trace of entry {entry.number} was changed: the entry commits to another one")
        return text[_SALT_DIGITS:]

    def _trace_text(self, entry: Entry, sealed: bytes) -> str:
        try:
            return unseal(self._key_of(entry.exchange), sealed, bound_to=_trace_place(entry.number)).decode()
        except KeysError:
            return ""  # sealed with another key, or for another place

    # The trees

    def head(self) -> Head | None:
        """Return the head of the last tree, or None before the first entry."""
        row = self._connection.execute(TREE.select().order_by(TREE.c.name.desc()).limit(1)).first()
        return None if row is None else _head(row)

    def heads(self) -> list[Head]:
        """Return the head of every tree, oldest first: all but the last are final."""
        return [_head(row) for row in self._connection.execute(TREE.select().order_by(TREE.c.name))]

    def leaves(self, tree: str, begin: int = 0, end: int | None = None) -> list[bytes]:
        """Return the data of a tree's leaves, 32 bytes each, from index ``begin`` to before ``end``, where there are any.

        Costs what is returned, not what is in the tree.
        """
        rows = select(ENTRY.c.leaf).where(ENTRY.c.tree == tree).order_by(ENTRY.c.number)
        if begin:
            first = select(TREE.c.first_entry).where(TREE.c.name == tree).scalar_subquery()
            rows = rows.where(ENTRY.c.number >= first + begin)
        if end is not None:
            rows = rows.limit(max(0, end - begin))
        return [bytes.fromhex(leaf) for leaf in self._connection.execute(rows).scalars()]

    def witnessed(self, tree: str) -> Frontier:
        """Return a tree as it was when it was witnessed last; without leaves where nothing is remembered.

        Raises:
            MerkleError: what is remembered was changed.

        """
        text = self._connection.execute(select(WITNESSED.c.frontier).where(WITNESSED.c.tree == tree)).scalar()
        return Frontier.empty() if text is None else Frontier.of(text)

    def keep_witnessed(self, tree: str, frontier: Frontier) -> None:
        """Remember a tree as it was when it was witnessed."""
        self._put_row(WITNESSED, {"tree": tree, "frontier": frontier.text()})

    def first_of(self, tree: str) -> int:
        """Return the number of a tree's first entry, from which the places of its leaves are counted.

        Raises:
            StoreError: there is no such tree.

        """
        first: int | None = self._connection.execute(select(TREE.c.first_entry).where(TREE.c.name == tree)).scalar()
        if first is None:
            raise StoreError(f"the record has no tree {tree}: nothing was recorded in that month")
        return first

    # The end of the term

    def erase(self, exchange: str) -> int | None:
        """Erase an exchange whose term has ended: entries, what is known of its messages, who looked, itself (Article 11(3)).

        The leaves of its entries stay, so that the record still verifies. What was held for it is to be destroyed first.
        Return the slot that the exchange and its entries rested under, for :meth:`Store.destroy_exchange` once this is
        durable: a key that goes first leaves rows that nobody can read or tell from damage.
        """
        slot: int | None = self._connection.execute(
            select(EXCHANGE.c.slot).where(EXCHANGE.c.control_number == exchange)
        ).scalar()
        emptied = {"exchange": None, "sealed": None, "trace": None}
        self._connection.execute(ENTRY.update().where(ENTRY.c.exchange == exchange), emptied)
        self._connection.execute(RECEIVED.delete().where(RECEIVED.c.exchange == exchange))
        self._connection.execute(DUE.delete().where(DUE.c.exchange == exchange))
        self._connection.execute(VIEWING.delete().where(VIEWING.c.exchange == exchange))
        self._connection.execute(EXCHANGE.delete().where(EXCHANGE.c.control_number == exchange))
        if slot is not None:
            self._opened.pop(slot, None)
        self._slot_by_number.pop(exchange, None)
        self.stepped.pop(exchange, None)
        return slot


def _places() -> Select[Any]:
    """Return the query for places, each with the slot of the key that it rests under."""
    columns = (ENTRY.c.number, ENTRY.c.tree, ENTRY.c.sealed, ENTRY.c.leaf, EXCHANGE.c.slot)
    return select(*columns).select_from(_TOGETHER)


def _traces() -> Select[Any]:
    """Return the query for traces, each with the slot of the key that it rests under."""
    return select(ENTRY.c.trace, EXCHANGE.c.slot).select_from(_TOGETHER)


def _emptied(row: Any) -> Recorded:
    """Return the place that a row holds, without its entry: all that is needed to follow it."""
    return Recorded(row.number, row.tree, None, None, row.leaf)


def _head(row: Any) -> Head:
    """Return the head of the tree in a row."""
    frontier = Frontier.of(row.frontier)
    return Head(row.name, frontier.size, frontier.root().hex())


def _entry_place(number: int) -> str:
    """Return what a sealed entry is bound to."""
    return f"entry/{number}"


def _trace_place(number: int) -> str:
    """Return what a sealed trace is bound to."""
    return f"entry/{number}/trace"
