"""What may be held and what is owed in each state of an exchange, under which clause.

Deletion is derived, never scheduled: after every act the service destroys whatever :func:`permitted` no longer names. The
same function decides at start-up, so an interruption between an act and its deletion heals by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pcsc.exchange import Exchange, Side, State

if TYPE_CHECKING:
    from pcsc.arrangement import Arrangement


class Content(StrEnum):
    """Kinds of content that an exchange holds, each under a key of its own."""

    PROBE = "probe"
    """The prints of the query: received (8(1)) on the queried side, our own copy on the querying side."""
    CANDIDATE = "candidate"
    """The matching prints received with the answer: Article 8(2)."""
    PICTURE = "picture"
    """Where a picture of the matching prints was written for the examiner: it goes with them."""
    ANSWER = "answer"
    """An answer of ours as it was given, so that a lost one is given again the same."""
    SNAPSHOT = "snapshot"
    """What was available when the request came: Article 5(2)."""
    INFORMATION = "information"
    """What was provided to us under Article 5."""
    NOTIFICATION = "notification"
    """The written notification: Article 8(4)."""
    CIRCUMSTANCES = "circumstances"
    """Why we asked: Article 4(3), and 4(6) should an explanation be wanted."""
    MESSAGE = "message"
    """A message of ours on its way to the other contact point; destroyed on its delivery, not by state."""
    RECEIPT = "receipt"
    """A receipt of ours as it was given."""


# What every state lets each side keep, besides messages still on their way.
_QUERYING: Final = {
    State.SENT: {Content.PROBE},
    State.MATCH: {Content.PROBE, Content.CANDIDATE, Content.PICTURE},
    State.EXAMINED: {Content.PROBE, Content.CANDIDATE, Content.PICTURE},
    # Art. 8(2): after the determination, whichever way it went, the received prints are gone. What was provided stays
    # until it is no longer necessary (8(9)), also while more is requested.
    State.WILL_REQUEST: {Content.INFORMATION},
    State.REQUESTED: {Content.INFORMATION},
    State.OFFERED: {Content.INFORMATION},
    State.PROVIDED: {Content.INFORMATION},
    State.REFUSED: {Content.INFORMATION},
    State.DECLINED: {Content.INFORMATION},
}
_QUERIED: Final = {
    # Art. 8(1): with no match the received print is gone once the answer is made. The answer then holds no print.
    State.NO_MATCH: {Content.ANSWER},
    # Art. 8(1), second sentence: kept until the request of Article 5 is answered, when there is a match.
    State.MATCH: {Content.PROBE, Content.ANSWER},
    State.WILL_REQUEST: {Content.PROBE},
    State.REQUESTED: {Content.PROBE, Content.SNAPSHOT},
    # A reply is a response, also one that refuses or offers under conditions: the print is gone.
    State.OFFERED: {Content.SNAPSHOT},
    State.PROVIDED: {Content.ANSWER},
}
_ALWAYS: Final = {
    Side.QUERYING: {Content.CIRCUMSTANCES, Content.NOTIFICATION, Content.RECEIPT},
    # Art. 8(4): the notification is retained under the law of the queried Party, whatever else is deleted.
    Side.QUERIED: {Content.NOTIFICATION, Content.RECEIPT},
}

CLAUSES: Final = {
    (Side.QUERIED, Content.PROBE): "8(1)",
    (Side.QUERYING, Content.CANDIDATE): "8(2)",
    (Side.QUERYING, Content.PICTURE): "8(2)",
    # Nothing orders these to go: they are our own prints and items, and are held no longer than they serve (Article 9).
    (Side.QUERYING, Content.PROBE): "9",
    (Side.QUERIED, Content.ANSWER): "9",
    (Side.QUERIED, Content.SNAPSHOT): "9",
    (Side.QUERYING, Content.INFORMATION): "8(9)",
}
"""The clause under which content of a side is destroyed, where one orders or bounds it."""


def permitted(exchange: Exchange) -> frozenset[Content]:
    """Return the kinds of content that may be held for ``exchange`` as it stands."""
    by_state = _QUERYING if exchange.side is Side.QUERYING else _QUERIED
    kinds = by_state.get(exchange.state, set()) | _ALWAYS[exchange.side]
    # An exchange that has ended sends nothing any more; until then a message of ours stays until it has arrived.
    if exchange.state not in {State.LAPSED, State.CLOSED}:
        kinds = kinds | {Content.MESSAGE}
    # Art. 8(1): "until it responds to the request"; a further request on the same match gives no print a second stay.
    responded = exchange.side is Side.QUERIED and exchange.reply is not None
    return frozenset(kinds - {Content.PROBE} if responded else kinds)


@dataclass(frozen=True, slots=True)
class Duty:
    """Something a person of this contact point owes, or may do, by a time."""

    exchange: str
    what: str
    article: str
    by: datetime


def due(exchange: Exchange, arrangement: Arrangement) -> Duty | None:
    """Return the next act that ``exchange`` waits for here, or None."""
    table = _QUERYING_ACTS if exchange.side is Side.QUERYING else _QUERIED_ACTS
    if exchange.state not in table:
        return None
    what, article, name = table[exchange.state]
    days: int = getattr(arrangement, name)
    return Duty(exchange.control_number, what, article, exchange.last_event_at + timedelta(days=days))


_QUERYING_ACTS: Final = {
    State.SENT: ("send the query again: no answer has come", "4(4)", "examination_days"),
    State.MATCH: ("examine the matching prints", "4(5)", "examination_days"),
    State.EXAMINED: ("determine whether to request further information", "8(2)", "determination_days"),
    State.WILL_REQUEST: ("request further information", "5(1)", "determination_days"),
    State.OFFERED: ("accept the conditions, or decline the information", "8(8)", "reply_days"),
    State.PROVIDED: ("review whether the information is still necessary", "8(9)", "follow_up_days"),
}
_QUERIED_ACTS: Final = {
    State.REQUESTED: ("answer the request for further information", "5(2)", "reply_days"),
}


def overstays(exchange: Exchange, arrangement: Arrangement, now: datetime) -> bool:
    """Whether what is held for ``exchange`` has reached the arrangement's hard stop.

    Article 8(1) lets the queried side keep the print until it responds to a request, and names no day if none ever comes;
    Article 8(2) waits for a determination that might never be made. The arrangement ends both.
    """
    # From the answer, not from the last event: examining again and again must not keep a print.
    since = exchange.answered_at or exchange.opened_at
    if exchange.state is State.PROVIDED:
        since = exchange.last_event_at
    return exchange.state in _HOLDS[exchange.side] and now >= since + timedelta(days=arrangement.follow_up_days)


# After its determination the querying side holds no print (8(2)); it may still request.
_HOLDS: Final = {
    Side.QUERYING: frozenset({State.SENT, State.MATCH, State.EXAMINED}),
    # What was provided is kept as it was given for a while, in case it was lost on the way.
    Side.QUERIED: frozenset({State.MATCH, State.WILL_REQUEST, State.PROVIDED}),
}
