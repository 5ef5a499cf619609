"""What is due and when; and the clock that says so, as it was last seen.

A row says that something is due for an exchange. Whoever claims it acts, records and takes the row away in one transaction, so
it is done once however many look for it, and a process that dies in between leaves the row to the next one: the claim is the
lock on the row (or, in SQLite, on the database), and goes with its connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from contact_point.store.part import Part
from contact_point.store.tables import CLOCK, DUE, EXCHANGE, FORGOTTEN, NONCE, moment

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is due at a time for an exchange; the exchange is empty for what is of none."""

    exchange: str
    what: str
    at: datetime


_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The latest time that was believed, and whether what the clock said since was doubted, and why.

    ``least`` is, where that is later, a time than which it is not earlier by now: what passed by a clock that nobody sets.
    """

    seen: datetime
    alarmed: bool = False
    reason: str = ""
    least: datetime = _LONG_AGO

    @property
    def passed(self) -> datetime:
        """The latest time that has passed for certain."""
        return max(self.seen, self.least)


_ROW: Final = 1  # the one of the clock

_SPOILED: Final = timedelta(minutes=15)
"""For how long requests are refused when a clock that was believed turns out to have been ahead: as long as a nonce lives."""


_OF: Final = DUE.select().where(DUE.c.exchange == bindparam("exchange")).order_by(DUE.c.at, DUE.c.what)
_LAST_SEEN: Final = CLOCK.select()


class Dues(Part):
    """What is due, in a transaction."""

    # What was read once in this transaction: the clock, and what is due of no exchange.
    _clock: Clock | None = None
    _of_none: dict[str, datetime] | None = None

    def plan(self, exchange: str, what: str, at: datetime | None) -> None:
        """Make ``what`` due for an exchange at a time, in place of any other time; None takes it away."""
        self._of_none = None
        if at is None:
            self._connection.execute(DUE.delete().where((DUE.c.exchange == exchange) & (DUE.c.what == what)))
        else:
            self._put_row(DUE, {"exchange": exchange, "what": what, "at": moment(at)})

    def planned(self, exchange: str) -> dict[str, datetime]:
        """Return what is due for an exchange, by name, and when."""
        if not exchange and self._of_none is not None:
            return dict(self._of_none)
        rows = self._connection.execute(_OF, {"exchange": exchange})
        found = {row.what: datetime.fromisoformat(row.at) for row in rows}
        if not exchange:
            self._of_none = dict(found)
        return found

    def due_before(self, at: datetime) -> list[Due]:
        """Return what is due before a time, longest first; nothing is claimed."""
        rows = DUE.select().where(DUE.c.at < moment(at)).order_by(DUE.c.at, DUE.c.exchange, DUE.c.what)
        return [Due(row.exchange, row.what, datetime.fromisoformat(row.at)) for row in self._connection.execute(rows)]

    def claim(self, now: datetime, *, skip: Collection[str] = ()) -> Due | None:
        """Return what has been due longest, for this transaction alone, or None; ``skip`` names what is left alone now."""
        rows = select(DUE).where(DUE.c.at <= moment(now)).order_by(DUE.c.at, DUE.c.exchange, DUE.c.what).limit(1)
        if skip:
            rows = rows.where(DUE.c.what.not_in(skip))
        row = self._connection.execute(rows.with_for_update(skip_locked=True)).first()
        return None if row is None else Due(row.exchange, row.what, datetime.fromisoformat(row.at))

    def done(self, due: Due) -> None:
        """Take away what was claimed; what was planned again since, for another time, stays."""
        same = (DUE.c.exchange == due.exchange) & (DUE.c.what == due.what) & (DUE.c.at == moment(due.at))
        self._of_none = None
        self._connection.execute(DUE.delete().where(same))

    def clock(self) -> Clock | None:
        """Return the clock as it was last kept, or None before the first time."""
        if self._clock is None and (row := self._connection.execute(_LAST_SEEN).first()) is not None:
            seen, least = (datetime.fromisoformat(each) for each in (row.seen, row.least))
            self._clock = Clock(seen, row.alarmed, row.reason, least)
        return self._clock

    def keep_clock(self, clock: Clock) -> None:
        """Keep the clock as it is now seen.

        Where it is believed, queries that were counted on no day, or on one that is still to come, count on its day: so none
        counts nowhere (Article 4(7)).
        """
        self._clock = clock
        row = {"row": _ROW, "alarmed": clock.alarmed, "reason": clock.reason}
        self._put_row(CLOCK, row | {"seen": moment(clock.seen), "least": moment(clock.least)})
        if not clock.alarmed:
            day = f"{clock.seen:%Y-%m-%d}"
            self._connection.execute(EXCHANGE.update().where(EXCHANGE.c.opened_on > day), {"opened_on": day})
            latest = moment(clock.seen + _SPOILED)
            ahead = (NONCE.c.nonce == FORGOTTEN) & (NONCE.c.until > latest)
            self._connection.execute(NONCE.update().where(ahead), {"until": latest})
