"""Content: prints, items, notifications, messages on their way, each sealed under a key of its own until it is destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from contact_point.keys import KeyDestroyedError, new_key, seal, unseal
from contact_point.store.errors import ContentGoneError, StoreError
from contact_point.store.part import Part
from contact_point.store.tables import CONTENT
from pcsc.duties import Content

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class Held:
    """One piece of content that is held, without its bytes."""

    id: int
    exchange: str
    kind: Content
    number: str
    slot: int
    condemned: bool = False
    """Whether its exchange permits it no longer."""


class Contents(Part):
    """The content in a transaction."""

    def hold(self, exchange: str, kind: Content, content: bytes, *, number: str = "") -> None:
        """Store content under a key of its own; ``number`` tells pieces of the same kind apart.

        Raises:
            StoreError: such a piece is held already.

        """
        key = new_key()
        slot = self._key(self._slots, [key])[0]
        sealed = seal(key, content, bound_to=_place(exchange, kind, number))
        row = {
            "exchange": exchange,
            "kind": kind.value,
            "number": number,
            "slot": slot,
            "sealed": sealed,
            "condemned": False,
        }
        if not self._insert_once(CONTENT, row):
            raise StoreError(f"exchange {exchange} holds such a {kind} already: it is not written over")

    def content(self, exchange: str, kind: Content, *, number: str = "") -> bytes:
        """Return content that is held.

        Raises:
            ContentGoneError: it is not.

        """
        where = (CONTENT.c.exchange == exchange) & (CONTENT.c.kind == kind.value) & (CONTENT.c.number == number)
        row = self._connection.execute(select(CONTENT.c.slot, CONTENT.c.sealed).where(where)).first()
        gone = ContentGoneError(f"no {kind} is held for exchange {exchange}: it was destroyed when its time came")
        if row is None:
            raise gone
        try:
            key = self._slots.get(row.slot)
        except KeyDestroyedError:  # destroyed a moment ago, or by a process that died before it deleted the row
            raise gone from None
        return unseal(key, row.sealed, bound_to=_place(exchange, kind, number))

    def kinds_held(self) -> dict[Content, int]:
        """Return how many pieces of each kind of content are held."""
        rows = select(CONTENT.c.kind, func.count()).group_by(CONTENT.c.kind)
        return {Content(kind): count for kind, count in self._connection.execute(rows)}

    def held(self, exchange: str | None = None, kind: Content | None = None) -> list[Held]:
        """Return what is held, for one exchange or for all; with ``kind``, of this kind alone."""
        rows = select(*(CONTENT.c[name] for name in ("id", "exchange", "kind", "number", "slot", "condemned")))
        if exchange is not None:
            rows = rows.where(CONTENT.c.exchange == exchange)
        if kind is not None:
            rows = rows.where(CONTENT.c.kind == kind.value)
        found = self._connection.execute(rows.order_by(CONTENT.c.id))
        return [Held(row.id, row.exchange, Content(row.kind), row.number, row.slot, row.condemned) for row in found]

    def condemn(self, exchange: str, kinds: Collection[Content]) -> None:
        """Mark what is held of these kinds for destruction, which then needs no word of the exchange any more."""
        of_them = (CONTENT.c.exchange == exchange) & CONTENT.c.kind.in_([kind.value for kind in kinds])
        self._connection.execute(CONTENT.update().where(of_them).values(condemned=True))

    def forget(self, held: Sequence[Held]) -> None:
        """Delete the rows of destroyed content."""
        # By slot, whose number never comes again: SQLite gives the id of a deleted row to the next one.
        self._connection.execute(CONTENT.delete().where(CONTENT.c.slot.in_([each.slot for each in held])))


def _place(exchange: str, kind: Content, number: str) -> str:
    """Return what sealed content is bound to: moved to another row, it does not open."""
    return f"exchange/{exchange}/{kind.value}/{number}"
