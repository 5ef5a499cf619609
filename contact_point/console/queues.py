"""What waits for a person, in the order in which it ends: the queues of the console.

A queue is what one kind of work is done from; which one a duty waits in follows from its kind. Each row says by when, under
which clause, and when what is held for the exchange is destroyed whatever anybody does: Articles 8(1), 8(2), 8(9) and 11(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from contact_point import due
from pcsc import duties, retention
from pcsc.duties import Duty, DutyKind
from pcsc.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from annex.parameters import Rules
    from pcsc.arrangement import Arrangement


class Queue(StrEnum):
    """The queues, as they are shown from top to bottom."""

    EXAMINE = "examine"
    DETERMINE = "determine"
    REQUESTS_IN = "requests in"
    REQUESTS_OUT = "requests out"
    CONDITIONS = "conditions"
    EXPLANATIONS_IN = "explanations in"
    EXPLANATIONS_OUT = "explanations out"
    CORRECTIONS = "corrections"
    CONSENTS = "consents"
    PROVISIONS = "provisions without request"
    RESULTS = "results of use"
    REVIEWS = "reviews"
    NOTICES = "notices"
    SENDING = "sending"


_QUEUES: Final[Mapping[DutyKind, Queue]] = {
    DutyKind.EXAMINE: Queue.EXAMINE,
    DutyKind.DETERMINE: Queue.DETERMINE,
    DutyKind.ANSWER: Queue.REQUESTS_IN,
    DutyKind.REVIEW_URGENCY: Queue.REQUESTS_IN,
    DutyKind.REQUEST: Queue.REQUESTS_OUT,
    DutyKind.AWAIT_ANSWER: Queue.REQUESTS_OUT,
    DutyKind.ACCEPT: Queue.CONDITIONS,
    DutyKind.EXPLAIN: Queue.EXPLANATIONS_IN,
    DutyKind.ASK_EXPLANATION: Queue.EXPLANATIONS_OUT,
    DutyKind.TAKE_MEASURE: Queue.CORRECTIONS,
    DutyKind.TELL_RECIPIENT: Queue.CORRECTIONS,
    DutyKind.DECIDE_CONSENT: Queue.CONSENTS,
    DutyKind.REPORT_CONSENT: Queue.CONSENTS,
    DutyKind.TELL_RESULT: Queue.RESULTS,
    DutyKind.REVIEW: Queue.REVIEWS,
    DutyKind.BREACH: Queue.NOTICES,
    DutyKind.CONSULT: Queue.NOTICES,
    DutyKind.SEND_AGAIN: Queue.SENDING,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of a queue."""

    queue: Queue
    exchange: Exchange
    duty: Duty
    destroyed_at: datetime | None
    """When what is held ends whatever anybody does; None where an act or another event ends it."""
    record_ends: datetime | None
    """When the record of the exchange ends; None while something keeps it open."""

    @property
    def key(self) -> str:
        """What tells this row from every other."""
        return f"{self.exchange.control_number}/{self.duty.kind}/{self.duty.matter}"


def waiting(
    exchanges: Iterable[Exchange], unsent: Collection[str], arrangement: Arrangement, rules: Rules
) -> dict[Queue, list[Waiting]]:
    """Return the rows of each queue, the most urgent first; a queue in which nothing waits is empty.

    ``unsent`` are the control numbers of exchanges with a message of ours that did not arrive.
    """
    found: dict[Queue, list[Waiting]] = {queue: [] for queue in Queue}
    for exchange in exchanges:
        stop, end = due.hard_stop(exchange, arrangement), retention.ends_at(exchange, arrangement)
        late = [duties.undelivered(exchange)] if exchange.control_number in unsent else []
        for duty in (*late, *duties.due(exchange, arrangement, rules)):
            queue = _queue_of(exchange, duty)
            found[queue].append(Waiting(queue, exchange, duty, stop, end))
    for rows in found.values():
        rows.sort(key=lambda row: (row.duty.theirs, row.duty.by, row.key))
    return found


def overdue(rows: Sequence[Waiting], now: datetime) -> int:
    """Return how many of these we owe and are late with."""
    return sum(row.duty.by < now and not row.duty.theirs for row in rows)


def _queue_of(exchange: Exchange, duty: Duty) -> Queue:
    """Return where a duty waits; what was provided without request, and is to be reviewed, has a queue of its own."""
    if duty.kind is DutyKind.EXPLAIN and duty.theirs:
        return Queue.EXPLANATIONS_OUT
    if duty.kind is DutyKind.REVIEW and exchange.article == 6:
        return Queue.PROVISIONS
    return _QUEUES[duty.kind]
