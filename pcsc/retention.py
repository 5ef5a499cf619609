"""How long the record of an exchange is kept: Article 11(3), with 8(4) for what is retained beside it.

At least two years, and "after the term of maintenance" deleted immediately. The record serves to carry out Articles 4(6), 7
and 10 (11(1)(2)), so its term cannot end before what it speaks of: information that is still held, a question that is still
open. So it is the later of two years after the last event of the exchange and the end of what the exchange speaks of, which is
an event itself. When it ends, everything of the exchange goes: entries, correspondence, the written notification, the exchange
itself, and every copy that was made of them. The leaves of the entries stay, and tell nothing (:mod:`pcsc.records`).
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime
from typing import TYPE_CHECKING, Final

from annex.parameters import rules_in_force
from pcsc.agreement import months_after
from pcsc.errors import RecordError
from pcsc.exchange import Exchange, Side, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcsc.arrangement import Arrangement

LEAST_MONTHS: Final = 24
"""Article 11(3): "at least two years"."""


def ends_at(exchange: Exchange, arrangement: Arrangement, *, recorded_at: datetime | None = None) -> datetime | None:
    """Return when the term of an exchange's record ends, or None while something keeps it open.

    The arrangement's months run from the last event of the exchange, or from ``recorded_at`` if that is later: the time of its
    last entry, which an interruption may have delayed, such as that of a deletion. What keeps it open: information that we
    hold, a request that we owe an answer, a notice not acted upon, a matter that is not settled, a recipient who is still to be
    told of a correction, a law that orders to keep it.
    """
    owing = exchange.side is Side.QUERIED and exchange.state is State.REQUESTED
    unsettled = exchange.state is State.OPEN or any(matter.settled_at is None for matter in exchange.matters)
    untold = any(not release.told for release in exchange.releases)
    holding = exchange.side is Side.QUERYING and exchange.provided_at is not None and exchange.state is not State.CLOSED
    if exchange.kept_under or owing or unsettled or untold or holding:
        return None
    last, months = max(exchange.last_event_at, recorded_at or exchange.last_event_at), arrangement.record_months
    if exchange.side is Side.QUERIED and exchange.request is not None:
        # Art. 8(4): the written notification is retained under the law of the queried Party, and goes with the record.
        months = max(months, rules_in_force(last.date()).notification_months)
    return term(last, months)


def term(since: datetime, months: int) -> datetime:
    """Return the end of a term of so many months that began then: Article 11(3)."""
    return datetime.combine(months_after(since.date(), months), since.timetz())


def copy_ends(ends: Iterable[datetime | None]) -> datetime | None:
    """Return to when a copy of the record may be kept, an export or a backup, or None while all that is in it is open.

    ``ends`` are :func:`ends_at` of the exchanges with an entry in it. Article 11(3) is of the record wherever it lies, and a
    copy is deleted as a whole: it goes with the first of them. Whoever closes an exchange that was open, or lifts its hold,
    asks again.
    """
    return min((end for end in ends if end is not None), default=None)


def copy_until(exchanges: Iterable[Exchange], arrangement: Arrangement, now: datetime) -> datetime:
    """Return until when a copy that is made now of the record of these exchanges may be kept.

    With the first of their terms. One that is still open ends no earlier than one that begins now, so nobody asks again.
    """
    latest = term(now, arrangement.record_months)
    return min(copy_ends(ends_at(exchange, arrangement) for exchange in exchanges) or latest, latest)


def least_kept(now: datetime) -> datetime:
    """Return the moment from which on every entry is still there: the least term before ``now``."""
    year, month = divmod(12 * now.year + now.month - 1 - LEAST_MONTHS, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


def check_hold(law: str) -> str:
    """Return the citation of the law under which a record is kept beyond its term: Article 11(3), "unless it is inconsistent".

    Raises:
        RecordError: no law is cited.

    """
    if not law.strip():
        raise RecordError(
            "after its term the record is deleted unless that is inconsistent with the law (Art. 11(3)); no law is cited: cite "
            "the provision that orders to keep it"
        )
    return law.strip()
