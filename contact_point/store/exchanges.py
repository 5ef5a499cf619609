"""Exchanges: each is one sealed value, with what it is found and counted by in clear beside it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import bindparam, func, select

from contact_point.keys import KeyDestroyedError, KeySlotsError, SealError, new_key, seal, unseal
from contact_point.store.errors import AlreadyReceivedError, StoreError, UnknownExchangeError
from contact_point.store.part import Part
from contact_point.store.tables import EXCHANGE, UNDATED
from pcsc.exchange import Exchange, Side, State

if TYPE_CHECKING:
    from pcsc.messages import Search

_log = logging.getLogger("contact_point.store")

DAMAGED: Final = (SealError, KeyDestroyedError, ValidationError)
"""What is raised where an exchange was damaged."""

UNREADABLE: Final = (*DAMAGED, KeySlotsError)
"""The same, or where no exchange can be read now, as their keys are in a token that is away."""

_STORED_EXCHANGE: Final = TypeAdapter(Exchange)

_QUERIES: Final = (
    select(func.count())
    .select_from(EXCHANGE)
    .where((EXCHANGE.c.opened_on == bindparam("day")) | (EXCHANGE.c.opened_on == UNDATED))
    .where(EXCHANGE.c.side == bindparam("side"), EXCHANGE.c.search == bindparam("search"))
)


class Exchanges(Part):
    """The exchanges in a transaction."""

    def exchange(self, control_number: str) -> Exchange:
        """Return an exchange by the control number of its query."""
        return self._exchange(EXCHANGE.c.control_number == control_number, control_number)

    def has_exchange(self, control_number: str) -> bool:
        """Whether there is an exchange of this number."""
        where = EXCHANGE.c.control_number == control_number
        return self._connection.execute(select(EXCHANGE.c.state).where(where)).scalar() is not None

    def exchange_of(self, reference: str) -> Exchange:
        """Return an exchange by the reference number of its match."""
        return self._exchange(EXCHANGE.c.reference == reference, reference)

    def _exchange(self, where: object, named: str) -> Exchange:
        rows = select(EXCHANGE.c.control_number, EXCHANGE.c.slot, EXCHANGE.c.sealed)
        row = self._connection.execute(rows.where(where)).first()  # type: ignore[arg-type]
        if row is None:
            raise UnknownExchangeError(
                f"there is no exchange {named!r} here: `pcsc inbox --all` lists the control and reference numbers"
            )
        return self._unsealed(row)

    def _unsealed(self, row: Any) -> Exchange:
        """Return the exchange that a row holds."""
        text = unseal(self._key_in(row.slot), row.sealed, bound_to=_exchange_place(row.control_number))
        return _STORED_EXCHANGE.validate_json(text)

    def control_numbers(self) -> frozenset[str]:
        """Return the control number of every exchange; none is opened."""
        return frozenset(self._connection.execute(select(EXCHANGE.c.control_number)).scalars())

    def counted(self) -> dict[tuple[Side, State], int]:
        """Return how many exchanges there are on each side, in each state; none is opened."""
        rows = select(EXCHANGE.c.side, EXCHANGE.c.state, func.count()).group_by(EXCHANGE.c.side, EXCHANGE.c.state)
        return {(Side(side), State(state)): count for side, state, count in self._connection.execute(rows)}

    def exchanges(self) -> list[Exchange]:
        """Return every exchange, oldest first; of a snapshot, those whose key was not destroyed a moment ago."""
        rows = select(EXCHANGE).order_by(EXCHANGE.c.opened_on, EXCHANGE.c.control_number)
        found = [each for row in self._connection.execute(rows) if (each := self._unended(row)) is not None]
        return sorted(found, key=lambda exchange: exchange.opened_at)

    def _unended(self, row: Any) -> Exchange | None:
        """Return the exchange that a row holds, or None where its term ended since the snapshot was taken."""
        try:
            return self._unsealed(row)
        except KeyDestroyedError:
            if not self._snapshot:
                raise
            return None

    def whole_exchanges(self) -> list[Exchange]:
        """Return every exchange that can be read, and tell of those that cannot: one must not keep the prints of another."""
        rows = select(EXCHANGE.c.control_number, EXCHANGE.c.slot, EXCHANGE.c.sealed)
        found = []
        for row in self._connection.execute(rows.order_by(EXCHANGE.c.control_number)).all():
            try:
                found.append(self._unsealed(row))
            except DAMAGED as error:
                _log.critical(
                    "exchange %s is damaged and nothing can be decided about it: %s",
                    row.control_number,
                    type(error).__name__,
                )
        return sorted(found, key=lambda exchange: exchange.opened_at)

    def open(self, exchange: Exchange, *, subject: str | None = None, reason: tuple[str, str] | None = None) -> None:
        """Store a new exchange; ``reason`` is the digest of the reason that was stated for it, and that of its case.

        Raises:
            AlreadyReceivedError: there is an exchange of this control number.

        """
        key = new_key()
        slot = self._key(self._records, [key])[0]
        row = _row(exchange, key) | {
            "slot": slot,
            "control_number": exchange.control_number,
            "side": exchange.side.value,
            "opened_on": exchange.opened_at.date().isoformat(),
            "search": exchange.search or "",
            "subject": subject,
            "reason": None if reason is None else reason[0],
            "reason_case": None if reason is None else reason[1],
        }
        if not self._insert_once(EXCHANGE, row):
            raise AlreadyReceivedError(f"an exchange {exchange.control_number} is there already")
        self._opened[slot], self._slot_by_number[exchange.control_number] = key, slot
        self.stepped[exchange.control_number] = exchange

    def step(self, exchange: Exchange, *, before: State) -> None:
        """Store an exchange after a step.

        Raises:
            StoreError: it is no longer in the state that the step started from, or its reference number is another's.

        """
        here = (EXCHANGE.c.control_number == exchange.control_number) & (EXCHANGE.c.state == before.value)
        key = self._key_of(exchange.control_number)
        if self._is_taken(exchange):
            raise StoreError(
                f"the reference number of exchange {exchange.control_number} was given for another match before; each match "
                "has its own (Art. 4(4)): tell the other contact point"
            )
        done = self._connection.execute(EXCHANGE.update().where(here), _row(exchange, key))
        if done.rowcount != 1:
            raise StoreError(
                f"exchange {exchange.control_number} was moved on by someone else meanwhile: look at it again"
            )
        self.stepped[exchange.control_number] = exchange

    def _is_taken(self, exchange: Exchange) -> bool:
        """Whether the reference number of an exchange is another's; nobody else writes while this transaction looks."""
        if exchange.reference is None:
            return False
        same = EXCHANGE.c.reference == exchange.reference
        other = EXCHANGE.c.control_number != exchange.control_number
        return self._connection.execute(select(EXCHANGE.c.state).where(same & other)).first() is not None

    def subject_of(self, control_number: str) -> str | None:
        """Return whose prints matched in an exchange that we answered."""
        where = EXCHANGE.c.control_number == control_number
        return self._connection.execute(select(EXCHANGE.c.subject).where(where)).scalar()

    def matched(self, subject: str) -> list[Exchange]:
        """Return every exchange that we answered with the prints of a person: whom a correction concerns (Article 10(1))."""
        where = EXCHANGE.c.subject == subject
        rows = self._connection.execute(select(EXCHANGE).where(where).order_by(EXCHANGE.c.control_number))
        return [self._unsealed(row) for row in rows]

    def queries_on(self, day: str, side: Side, search: Search) -> int:
        """Count the queries of a kind made (or answered) on a UTC day, given as 2026-11-22, or on nobody knows which."""
        named = {"day": day, "side": side.value, "search": search.value}
        return self._connection.execute(_QUERIES, named).scalar_one()

    def count_on_no_day(self, control_number: str) -> None:
        """Let a query that was just opened count on every day, until the time is believed again: :meth:`keep_clock`."""
        where = EXCHANGE.c.control_number == control_number
        self._connection.execute(EXCHANGE.update().where(where), {"opened_on": UNDATED})

    def said_elsewhere(self, reason: tuple[str, str]) -> int:
        """Count the exchanges of other cases that were opened with the same reason, word for word."""
        where = (EXCHANGE.c.reason == reason[0]) & (EXCHANGE.c.reason_case != reason[1])
        return self._connection.execute(select(func.count()).select_from(EXCHANGE).where(where)).scalar_one()

    def reasons(self) -> dict[str, list[str]]:
        """Return the exchanges that were opened with a reason, by the digest of the reason; none is opened."""
        rows = select(EXCHANGE.c.reason, EXCHANGE.c.control_number).where(EXCHANGE.c.reason.is_not(None))
        found: dict[str, list[str]] = {}
        for reason, number in self._connection.execute(rows.order_by(EXCHANGE.c.control_number)):
            found.setdefault(reason, []).append(number)
        return found


def _row(exchange: Exchange, key: bytes) -> dict[str, object]:
    """Return the columns of an exchange that a step can change."""
    text = _STORED_EXCHANGE.dump_json(exchange)
    sealed = seal(key, text, bound_to=_exchange_place(exchange.control_number))
    return {"state": exchange.state.value, "reference": exchange.reference, "sealed": sealed}


def _exchange_place(exchange: str) -> str:
    """Return what a sealed exchange is bound to."""
    return f"exchange/{exchange}"
