"""How long the record of an exchange is kept: Article 11(3), with 8(4) for what is retained beside it.

At least two years, and "after the term of maintenance" deleted immediately. The record serves to carry out Articles 4(6), 7
and 10 (11(1)(2)), so its term cannot end before what it speaks of: information that is still held, a question that is still
open. When it ends, everything of the exchange goes: entries, correspondence, the written notification, the exchange itself.
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
    from pcsc.arrangement import Arrangement

LEAST_MONTHS: Final = 24
"""Article 11(3): "at least two years"."""


def ends_at(exchange: Exchange, arrangement: Arrangement) -> datetime | None:
    """Return when the term of an exchange's record ends, or None while something keeps it open.

    The arrangement's months run from the last event of the exchange. What keeps it open: information that we hold, a request
    that we owe an answer, a notice not acted upon, a matter that is not settled, a recipient who is still to be told of a
    correction, a law that orders to keep it.
    """
    owing = exchange.side is Side.QUERIED and exchange.state is State.REQUESTED
    unsettled = exchange.state is State.OPEN or any(matter.settled_at is None for matter in exchange.matters)
    untold = any(not release.told for release in exchange.releases)
    holding = exchange.side is Side.QUERYING and exchange.provided_at is not None and exchange.state is not State.CLOSED
    if exchange.kept_under or owing or unsettled or untold or holding:
        return None
    last, months = exchange.last_event_at, arrangement.record_months
    if exchange.side is Side.QUERIED and exchange.request is not None:
        # Art. 8(4): the written notification is retained under the law of the queried Party, and goes with the record.
        months = max(months, rules_in_force(last.date()).notification_months)
    return datetime.combine(months_after(last.date(), months), last.timetz())


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
