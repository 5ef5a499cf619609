"""What may be held and what is owed in each state of an exchange, under which clause.

Deletion is derived, never scheduled: after every act the service destroys whatever :func:`permitted` no longer names. The
same function decides at start-up, so an interruption between an act and its deletion heals by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Final

from pcsc.assistance import REVIEW_DAYS, Capacity
from pcsc.exchange import NOT_ACCEPTED, Exchange, Matter, MatterKind, Side, State
from pcsc.matters import report_wanted
from pcsc.messages import PRINTS

if TYPE_CHECKING:
    from annex.parameters import Rules
    from pcsc.arrangement import Arrangement


class Content(StrEnum):
    """Kinds of content that an exchange holds, each under a key of its own."""

    PROBE = "probe"
    """The prints of the query: received (8(1)) on the queried side, our own copy on the querying side."""
    CANDIDATE = "candidate"
    """The matching prints received with the answer: Article 8(2)."""
    PICTURE = "picture"
    """Where a picture of the matching prints was written for the examiner: it goes with them."""
    ANALYSIS = "analysis"
    """What an examiner marked in the probe before seeing the candidate: it goes with the prints."""
    OPINION = "opinion"
    """What an examiner concluded, in their own words: Article 4(5)."""
    ANSWER = "answer"
    """An answer of ours as it was given, so that a lost one is given again the same."""
    SNAPSHOT = "snapshot"
    """What was available when the request came: Article 5(2)."""
    INFORMATION = "information"
    """What was provided to us under Article 5."""
    PRINTOUT = "printout"
    """Where what was provided to us was written as a document: it goes with it."""
    NOTIFICATION = "notification"
    """The written notification: Article 8(4)."""
    CIRCUMSTANCES = "circumstances"
    """Why we asked: Article 4(3), and 4(6) should an explanation be wanted."""
    CORRESPONDENCE = "correspondence"
    """What was asked, answered, refused and notified in an exchange, in its own words."""
    RESULT = "result"
    """What came of the use of what we provided: Article 7, for the review of the implementation alone (8(6))."""
    MESSAGE = "message"
    """A message of ours on its way to the other contact point; destroyed on its delivery, not by state."""
    RECEIPT = "receipt"
    """A receipt of ours as it was given."""
    DESTROYED = "receipt of deletion"
    """The other contact point's signed word, with its proof, that it destroyed what we sent: Articles 8(1) and 8(2)."""


FILES: Final = frozenset({Content.PICTURE, Content.PRINTOUT})
"""Content that is the place of a file outside of the store. The file goes first: while it is there its place is known."""

# What every state lets each side keep, besides messages still on their way.
_QUERYING: Final = {
    State.SENT: {Content.PROBE},
    State.MATCH: {Content.PROBE, Content.CANDIDATE, Content.PICTURE, Content.ANALYSIS},
    State.EXAMINED: {Content.PROBE, Content.CANDIDATE, Content.PICTURE, Content.ANALYSIS},
    # Art. 8(2): after the determination, whichever way it went, the received prints are gone. What was provided stays
    # until it is no longer necessary (8(9)), also while more is requested.
    State.WILL_REQUEST: {Content.INFORMATION, Content.PRINTOUT},
    State.REQUESTED: {Content.INFORMATION, Content.PRINTOUT},
    State.OFFERED: {Content.INFORMATION, Content.PRINTOUT},
    State.PROVIDED: {Content.INFORMATION, Content.PRINTOUT},
    State.REFUSED: {Content.INFORMATION, Content.PRINTOUT},
    State.DECLINED: {Content.INFORMATION, Content.PRINTOUT},
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
    Side.QUERYING: {
        Content.CIRCUMSTANCES,
        Content.OPINION,
        Content.NOTIFICATION,
        Content.RECEIPT,
        Content.CORRESPONDENCE,
        Content.DESTROYED,
    },
    # Art. 8(4): the notification is retained under the law of the queried Party, whatever else is deleted.
    Side.QUERIED: {
        Content.NOTIFICATION,
        Content.RECEIPT,
        Content.CORRESPONDENCE,
        Content.RESULT,
        Content.DESTROYED,
    },
}

CLAUSES: Final = {
    (Side.QUERIED, Content.PROBE): "8(1)",
    (Side.QUERYING, Content.CANDIDATE): "8(2)",
    (Side.QUERYING, Content.PICTURE): "8(2)",
    (Side.QUERYING, Content.ANALYSIS): "8(2)",
    # Nothing orders these to go: they are our own prints and items, and are held no longer than they serve (Article 9).
    (Side.QUERYING, Content.PROBE): "9",
    (Side.QUERIED, Content.ANSWER): "9",
    (Side.QUERIED, Content.SNAPSHOT): "9",
    (Side.QUERYING, Content.INFORMATION): "8(9)",
    (Side.QUERYING, Content.PRINTOUT): "8(9)",
}
"""The clause under which content of a side is destroyed, where one orders or bounds it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All of an exchange that decides what may be held for it."""

    side: Side
    state: State
    responded: bool
    """Whether a request was replied to."""
    hold_ended: bool
    """Whether the hold of received prints has ended without a request."""
    needed: bool
    """Whether a purpose is open for which provided information is held."""
    prints_restricted: bool
    """Whether the prints are incorrect or unreliable (Article 10)."""
    asked: bool
    """Whether something was asked or notified beside the life of the exchange."""


def standing(exchange: Exchange) -> Standing:
    """Return what decides about the content of an exchange."""
    return Standing(
        exchange.side,
        exchange.state,
        responded=exchange.reply is not None,
        hold_ended=exchange.hold_ended,
        needed=bool(exchange.open_purposes),
        prints_restricted=PRINTS in exchange.restricted,
        asked=bool(exchange.matters),
    )


def permitted(exchange: Exchange) -> frozenset[Content]:
    """Return the kinds of content that may be held for ``exchange`` as it stands."""
    return permitted_in(standing(exchange))


def permitted_in(at: Standing) -> frozenset[Content]:
    """Return the kinds of content that may be held where an exchange stands so."""
    by_state = _QUERYING if at.side is Side.QUERYING else _QUERIED
    kinds = by_state.get(at.state, set()) | _ALWAYS[at.side]
    # A message of ours stays until it has arrived. What still waits when a hold has lapsed has no use any more, except where
    # something is asked or notified beside it.
    if at.state is not State.LAPSED or at.asked:
        kinds = kinds | {Content.MESSAGE}
    # Art. 10(2): prints that are incorrect or unreliable are not kept, by either side. A hold that has ended does not begin
    # again with a late request.
    if at.prints_restricted or at.hold_ended:
        kinds = kinds - {Content.PROBE, Content.CANDIDATE, Content.PICTURE, Content.ANALYSIS}
        # The answer to a match carries the prints that matched.
        kinds = kinds - {Content.ANSWER} if at.state is State.MATCH else kinds
    # Art. 8(9): "only so long as necessary", also while more is asked for.
    if not at.needed:
        kinds = kinds - {Content.INFORMATION, Content.PRINTOUT}
    # Art. 8(1): "until it responds to the request"; a further request on the same match gives no print a second stay.
    responded = at.side is Side.QUERIED and at.responded
    return frozenset(kinds - {Content.PROBE} if responded else kinds)


def lasting(side: Side) -> frozenset[Content]:
    """Return the kinds of content that every state of an exchange permits, so that only the end of its record ends them.

    They alone may be in a copy: what anything less ends would be in the copy after that (Articles 8(1), 8(2), 8(9)).
    """
    flags = product((False, True), repeat=5)
    found = [permitted_in(Standing(side, state, *each)) for state, each in product(State, list(flags))]
    return frozenset.intersection(*found)


class DutyKind(StrEnum):
    """What a person owes, or waits for."""

    SEND_AGAIN = "send again"
    EXAMINE = "examine"
    DETERMINE = "determine"
    REQUEST = "request"
    ACCEPT = "accept conditions"
    ANSWER = "answer a request"
    AWAIT_ANSWER = "await the answer to a request"
    REVIEW = "review necessity"
    REVIEW_URGENCY = "review urgency"
    ASK_EXPLANATION = "ask for an explanation"
    EXPLAIN = "explain"
    TELL_RESULT = "tell the result of use"
    DECIDE_CONSENT = "decide on consent"
    REPORT_CONSENT = "report a consent"
    TAKE_MEASURE = "take a measure"
    TELL_RECIPIENT = "tell a recipient"
    BREACH = "act on a breach"
    CONSULT = "consult"


@dataclass(frozen=True, slots=True)
class Duty:
    """Something a person of this contact point owes, or may do, by a time."""

    exchange: str
    kind: DutyKind
    what: str
    article: str
    by: datetime
    matter: str = ""
    """The number of the matter it is about, where it is about one."""
    theirs: bool = False
    """Whether the other contact point owes it, and ours waits."""


def due(exchange: Exchange, arrangement: Arrangement, rules: Rules) -> tuple[Duty, ...]:
    """Return what ``exchange`` waits for here: its next act, an explanation to ask for, and every matter that is open."""
    found = [
        _act(exchange, arrangement),
        _awaited(exchange, arrangement),
        _review(exchange, arrangement),
        _urgency(exchange),
        _unexplained(exchange, arrangement, rules),
    ]
    found += [_of_matter(exchange, matter, rules) for matter in exchange.matters]
    found += [
        _untold(exchange, each.recipient.name, _measured_at(exchange)) for each in exchange.releases if not each.told
    ]
    return tuple(duty for duty in found if duty is not None)


def undelivered(exchange: Exchange) -> Duty:
    """Return that a message of ours in this exchange did not arrive, which comes before anything else: Article 3(3)."""
    what = "send our message again: `pcsc resume`"
    return Duty(exchange.control_number, DutyKind.SEND_AGAIN, what, "3(3)", exchange.last_event_at)


def _untold(exchange: Exchange, name: str, by: datetime) -> Duty:
    """Return that a recipient of what was released is to be told of a correction: Article 10(2)."""
    what = f"tell {name} of the correction"
    return Duty(exchange.control_number, DutyKind.TELL_RECIPIENT, what, "10(2)", by)


def _measured_at(exchange: Exchange) -> datetime:
    """Return when the last measure was taken, of which whoever the information was released to is told: Article 10(2)."""
    return max(
        (each.settled_at for each in exchange.matters if each.kind is MatterKind.CORRECTION and each.settled_at),
        default=exchange.since,
    )


def _act(exchange: Exchange, arrangement: Arrangement) -> Duty | None:
    """Return the next act in the life of the exchange."""
    number, since = exchange.control_number, exchange.since
    if exchange.side is Side.QUERIED and exchange.state is State.REQUESTED:
        what = f"answer the {'urgent ' if exchange.urgent else ''}request for further information"
        return Duty(number, DutyKind.ANSWER, what, "5(2)", since + _reply_within(exchange, arrangement))
    if exchange.state is State.OPEN:
        kind, what, article, name = _NOTICES[exchange.article]
        return Duty(number, kind, what, article, exchange.opened_at + _within(arrangement, name))
    if exchange.side is Side.QUERIED or exchange.state not in _QUERYING_ACTS:
        return None
    kind, what, article, name = _QUERYING_ACTS[exchange.state]
    # Both count from the match: examining again does not put the determination off.
    if exchange.state in {State.MATCH, State.EXAMINED}:
        since = exchange.answered_at or since
    return Duty(number, kind, what, article, since + _within(arrangement, name))


def _review(exchange: Exchange, arrangement: Arrangement) -> Duty | None:
    """Article 8(9): what is held is reviewed from time to time, also while more is asked for, offered or refused."""
    since = exchange.reviewed_at or exchange.provided_at
    if exchange.side is Side.QUERIED or since is None or not exchange.open_purposes:
        return None
    by = since + timedelta(days=arrangement.review_days)
    what = "review whether the information is still necessary"
    return Duty(exchange.control_number, DutyKind.REVIEW, what, "8(9)", by)


def _awaited(exchange: Exchange, arrangement: Arrangement) -> Duty | None:
    """Return by when the other side expects to answer our request, where it said so; its time limit stays what it was."""
    if exchange.side is Side.QUERIED or exchange.state is not State.REQUESTED or exchange.capacity is None:
        return None
    by = exchange.since + _reply_within(exchange, arrangement)
    if exchange.expected_on is not None:
        by = datetime.combine(exchange.expected_on, time.max, UTC)
    what = f"{exchange.other} {_EXPECTS[exchange.capacity]}"
    return Duty(exchange.control_number, DutyKind.AWAIT_ANSWER, what, "5(2)", by, theirs=True)


_EXPECTS: Final = {
    Capacity.ACCEPTED: "expects to answer the request",
    Capacity.PARTLY: "expects to answer a part of the request",
    Capacity.CANNOT: "cannot give what is requested; it owes its reply all the same",
}


def _urgency(exchange: Exchange) -> Duty | None:
    """Return that the use of urgency is reviewed, once the urgent request was answered.

    Japan's contribution on a convention on cybercrime, 1.6.2, wants the fast track for a significant and imminent risk to life
    or safety alone; the days are :data:`pcsc.assistance.REVIEW_DAYS`.
    """
    since = exchange.urgent_since
    if exchange.side is Side.QUERYING or since is None or exchange.state is State.REQUESTED:
        return None
    by = since + timedelta(days=REVIEW_DAYS.at(since.date()).value)
    return Duty(exchange.control_number, DutyKind.REVIEW_URGENCY, "review whether the request was urgent", "5(2)", by)


def _reply_within(exchange: Exchange, arrangement: Arrangement) -> timedelta:
    """Return the time limit for the reply to a request."""
    return _within(arrangement, "urgent_reply_hours" if exchange.urgent else "reply_days")


def _within(arrangement: Arrangement, name: str) -> timedelta:
    """Return a time limit of the arrangement, whose name ends in its unit."""
    value: int = getattr(arrangement, name)
    return timedelta(hours=value) if name.endswith("_hours") else timedelta(days=value)


def _unexplained(exchange: Exchange, arrangement: Arrangement, rules: Rules) -> Duty | None:
    """Article 4(6): a match that no request followed. Japan must ask (Rule 16 of 2018, Article 3), the treaty lets ask."""
    unfollowed = exchange.state in {State.NO_REQUEST, State.LAPSED} and exchange.request is None
    asked = any(matter.kind is MatterKind.EXPLANATION and matter.outcome != NOT_ACCEPTED for matter in exchange.matters)
    if exchange.side is Side.QUERYING or exchange.reference is None or not unfollowed or asked:
        return None
    must = exchange.ours in rules.explanation_mandatory
    what = f"{'ask' if must else 'you may ask'} for the purpose of the query"
    by = exchange.since + timedelta(days=arrangement.explanation_request_days)
    return Duty(exchange.control_number, DutyKind.ASK_EXPLANATION, what, "4(6)", by)


def _of_matter(exchange: Exchange, matter: Matter, rules: Rules) -> Duty | None:
    """Return what an open matter wants, of us or of the other side; an answered one only what national law adds."""
    theirs = matter.raised_by is not exchange.ours
    if matter.settled_at is not None:
        if matter.granted and theirs and report_wanted(matter, exchange.ours, rules):
            what, by = "report the consent that was given without delay", matter.settled_at
            return Duty(exchange.control_number, DutyKind.REPORT_CONSENT, what, matter.to or "", by, matter.number)
        return None
    kind, answer, article = _MATTERS[matter.kind]
    ours = theirs or matter.kind is MatterKind.CORRECTION  # Art. 10(2): a measure is owed by whoever received it
    what = answer if ours else f"{exchange.other} owes: {answer}"
    return Duty(
        exchange.control_number, kind, what, matter.to or article, matter.due_at, matter.number, theirs=not ours
    )


_MATTERS: Final = {
    MatterKind.EXPLANATION: (DutyKind.EXPLAIN, "explain the purpose of the query", "4(6)"),
    MatterKind.RESULT: (DutyKind.TELL_RESULT, "tell the result of the use", "7"),
    MatterKind.CONSENT: (DutyKind.DECIDE_CONSENT, "decide on the consent", "8(5)(2)"),
    MatterKind.CORRECTION: (DutyKind.TAKE_MEASURE, "take a measure: correct, delete or do not disclose", "10(2)"),
}
_NOTICES: Final = {
    9: (DutyKind.BREACH, "act on the notice of a breach, and close it", "9", "breach_notice_hours"),
    14: (DutyKind.CONSULT, "hold the consultations, and close them", "14", "consultation_days"),
}


_QUERYING_ACTS: Final = {
    State.SENT: (DutyKind.SEND_AGAIN, "send the query again: no answer has come", "4(4)", "answer_hours"),
    State.MATCH: (DutyKind.EXAMINE, "examine the matching prints", "4(5)", "examination_days"),
    State.EXAMINED: (
        DutyKind.DETERMINE,
        "determine whether to request further information",
        "8(2)",
        "determination_days",
    ),
    State.WILL_REQUEST: (DutyKind.REQUEST, "request further information", "5(1)", "determination_days"),
    State.OFFERED: (DutyKind.ACCEPT, "accept the conditions, or decline the information", "8(8)", "acceptance_days"),
}


def overstays(exchange: Exchange, arrangement: Arrangement, now: datetime) -> bool:
    """Whether what is held for ``exchange`` has reached the arrangement's hard stop.

    Article 8(1) lets the queried side keep the print until it responds to a request, and names no day if none ever comes;
    Article 8(2) waits for a determination that might never be made. The arrangement ends both.
    """
    # From the answer, not from the last event: examining again and again must not keep a print.
    since = exchange.answered_at or exchange.opened_at
    if exchange.state is State.PROVIDED:
        since = exchange.provided_at or exchange.since
    return exchange.state in _HOLDS[exchange.side] and now >= since + timedelta(days=arrangement.follow_up_days)


# After its determination the querying side holds no print (8(2)); it may still request.
_HOLDS: Final = {
    Side.QUERYING: frozenset({State.SENT, State.MATCH, State.EXAMINED}),
    # What was provided is kept as it was given for a while, in case it was lost on the way.
    Side.QUERIED: frozenset({State.MATCH, State.WILL_REQUEST, State.PROVIDED}),
}
