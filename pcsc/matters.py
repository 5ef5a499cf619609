"""What is asked, answered and notified beside the life of an exchange, on either side.

    explanation   4(6)            the queried side asks why it was queried, the querying side explains
    result        7               the side that provided asks what came of it, the side that received tells its ledger
    consent       8(5)(2), 8(7)   either asks to use otherwise, or to release; the side that provided decides
    correction    10              either notifies that something is incorrect or unreliable; who received it takes measures

Raising, settling and taking measures are steps as in :mod:`pcsc.life`: (exchange, message or act, now) -> exchange, the
same on both sides. A matter may be raised whenever its article allows, also after the exchange is closed, after every print
is gone, and after the agreement has ended (15(5)).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pcsc.errors import (
    ConsentError,
    CorrectionError,
    FollowedError,
    NoExplanationError,
    NotProvidedError,
    NotUnfollowedError,
    OutOfOrderError,
    TreatyError,
)
from pcsc.exchange import Exchange, Matter, MatterKind, Side, State, on_side
from pcsc.messages import (
    PRINTS,
    RESULT,
    Answering,
    Asking,
    Conclusion,
    ConsentDecision,
    ConsentRequest,
    ConsentTo,
    CorrectionNotice,
    Explanation,
    ExplanationRequest,
    ResultOfUse,
    ResultRequest,
    Why,
)

if TYPE_CHECKING:
    from datetime import datetime

    from annex.parameters import Party, Rules
    from pcsc.arrangement import Arrangement
    from pcsc.assistance import EmergencyReview


class Measure(StrEnum):
    """What is done about incorrect or unreliable information that was received: Article 10(2)."""

    CORRECTION = "correction"
    DELETION = "deletion"
    NON_DISCLOSURE = "non-disclosure"


def raised(
    exchange: Exchange, message: Asking | CorrectionNotice, by: Party, arrangement: Arrangement, now: datetime
) -> Exchange:
    """Raise a matter, or take in one that the other side raised: Articles 4(6), 7, 8(5)(2), 8(7) and 10(1).

    Raises:
        NotUnfollowedError, FollowedError: there is no match to explain, or a request followed it or still may.
        NotProvidedError: ``by`` provided nothing whose result could be told.
        ConsentError: ``by`` received nothing that the consent would be about.
        OutOfOrderError: the same is asked already and not answered yet, or it came before.

    """
    if any(each.number == message.control_number for each in exchange.matters):
        raise OutOfOrderError(
            f"exchange {exchange.control_number} has matter {message.control_number} already: each has a number of its own"
        )
    match message:
        case ExplanationRequest():
            matter = _explanation(exchange, message, by, arrangement, now)
        case ResultRequest():
            matter = _result(exchange, message, by, arrangement, now)
        case ConsentRequest():
            matter = _consent(exchange, message, by, arrangement, now)
        case CorrectionNotice():
            matter = _correction(exchange, message, by, arrangement, now)
    return replace(_restricting(exchange, matter), matters=(*exchange.matters, matter), last_event_at=now)


def _explanation(
    exchange: Exchange, message: ExplanationRequest, by: Party, arrangement: Arrangement, now: datetime
) -> Matter:
    """Article 4(6): only the queried side, only about a match, only where no request followed."""
    if (
        exchange.article != 4
        or exchange.reference is None
        or exchange.answered_at is None
        or by is not exchange.queried
    ):
        raise NotUnfollowedError(
            f"the queried side asks for the purpose of a query that resulted in a match; exchange {exchange.control_number} is "
            f"at '{exchange.state}' and {by} was {'queried' if by is exchange.queried else 'not queried'} in it"
        )
    window_end = exchange.answered_at + timedelta(days=arrangement.follow_up_days)
    # Whether one may still follow is for the asking side to see, by its own clock; the other "shall respond".
    asking = by is exchange.ours and exchange.state in {State.MATCH, State.WILL_REQUEST}
    open_to_follow = asking and now < window_end
    if exchange.request is not None or open_to_follow:
        raise FollowedError(
            f"an explanation is for a match that no request followed; of exchange {exchange.control_number} "
            + (
                f"request {exchange.request} followed"
                if exchange.request
                else f"one may follow until {window_end.date()}"
            )
        )
    _once(exchange, MatterKind.EXPLANATION)
    reasonable = window_end + timedelta(days=arrangement.explanation_request_days)
    return Matter(
        message.control_number,
        MatterKind.EXPLANATION,
        by,
        now,
        now + timedelta(days=arrangement.explanation_reply_days),
        late=now > reasonable,
    )


def _result(exchange: Exchange, message: ResultRequest, by: Party, arrangement: Arrangement, now: datetime) -> Matter:
    """Article 7: the side that provided information under Article 5 or 6 asks; the result of a query is not such."""
    if exchange.provided_at is None or by is not exchange.queried:
        raise NotProvidedError(
            "the result of a use is told to the contact point that provided the information under Article 5 or 6; "
            f"{by} provided none in exchange {exchange.control_number}, which is at '{exchange.state}'"
        )
    _once(exchange, MatterKind.RESULT)
    return Matter(
        message.control_number, MatterKind.RESULT, by, now, now + timedelta(days=arrangement.result_reply_days)
    )


def _consent(exchange: Exchange, message: ConsentRequest, by: Party, arrangement: Arrangement, now: datetime) -> Matter:
    """Article 8(5)(2): who received information under Article 5. Article 8(7): who received any under Articles 4 to 7."""
    received = by is exchange.querying and exchange.provided_at is not None
    if message.to is ConsentTo.RELEASE:
        received = received or _received_other(exchange, by)
    _listed(exchange, message.kinds, RESULT, arrangement, ConsentError)
    if (RESULT in message.kinds) and (message.to is ConsentTo.USE or len(message.kinds) > 1):
        raise ConsentError(
            f"the '{RESULT}' serves one purpose alone (Art. 8(3)) and is consented to apart from items: ask for each by itself"
        )
    if not received:
        raise ConsentError(
            f"consent under Article {message.to} is asked for by the Party that received the information; {by} received none "
            f"in exchange {exchange.control_number}, which is at '{exchange.state}'"
        )
    return Matter(
        message.control_number,
        MatterKind.CONSENT,
        by,
        now,
        now + timedelta(days=arrangement.consent_reply_days),
        to=message.to,
        purpose=message.purpose,
        recipient=message.recipient,
        concerns=message.kinds,
    )


def _received_other(exchange: Exchange, by: Party) -> bool:
    """Whether ``by`` received anything else under Articles 4 to 7: prints, an answer, or the result of a use."""
    if by is exchange.querying:
        return exchange.answered_at is not None
    told = any(each.kind is MatterKind.RESULT and each.settled_at is not None for each in exchange.matters)
    return exchange.article == 4 or told


def _correction(
    exchange: Exchange, message: CorrectionNotice, by: Party, arrangement: Arrangement, now: datetime
) -> Matter:
    """Article 10(1): either side, about what it provided or received. 10(2): a measure is owed by who received it."""
    _listed(exchange, message.concerns, PRINTS, arrangement, CorrectionError)
    if message.correct and exchange.provided_at is None:
        raise CorrectionError(
            f"what is right is told of what was provided; in exchange {exchange.control_number} no item was: name what is "
            "wrong, and leave out what would be right"
        )
    received = exchange.side is Side.QUERYING or PRINTS in message.concerns
    return Matter(
        message.control_number,
        MatterKind.CORRECTION,
        by,
        now,
        now + timedelta(hours=arrangement.correction_hours),
        settled_at=None if received else now,
        outcome="" if received else "notified",
        purpose=message.fault,
        concerns=message.concerns,
    )


def _listed(
    exchange: Exchange, kinds: tuple[str, ...], beside: str, arrangement: Arrangement, error: type[TreatyError]
) -> None:
    """Refuse kinds that nothing provided in an exchange could be: a misspelt one would name nothing."""
    listed = (*arrangement.items[exchange.queried], beside)
    if unknown := [kind for kind in kinds if kind not in listed]:
        raise error(
            f"{', '.join(map(repr, unknown))} is no kind of item that {exchange.queried} may give; arrangement "
            f"{arrangement.version} lists {', '.join(listed)}: name one of these"
        )


def _restricting(exchange: Exchange, matter: Matter) -> Exchange:
    """Stop disclosing what a notice concerns, until a measure is taken: Article 10(2).

    Prints that are unreliable are not kept for later: what may be held no longer names them.
    """
    if matter.kind is not MatterKind.CORRECTION or matter.settled_at is not None:
        return exchange
    restricted = tuple(dict.fromkeys((*exchange.restricted, *matter.concerns)))
    return replace(exchange, restricted=restricted)


def _once(exchange: Exchange, kind: MatterKind) -> None:
    """Refuse a question that is open already."""
    for matter in exchange.matters:
        if matter.kind is kind and matter.settled_at is None:
            raise OutOfOrderError(
                f"the {kind} of exchange {exchange.control_number} was asked for on {matter.raised_at.date()} and is due on "
                f"{matter.due_at.date()}: wait for the answer"
            )


# Settling


_ANSWERS: Final = {
    Explanation: MatterKind.EXPLANATION,
    ResultOfUse: MatterKind.RESULT,
    ConsentDecision: MatterKind.CONSENT,
}


def settled(exchange: Exchange, message: Answering, by: Party, now: datetime) -> Exchange:
    """Settle a matter by its answer, given or taken in: Articles 4(6), 7, 8(5)(2) and 8(7).

    Raises:
        OutOfOrderError: it answers no open question of the other Party.

    """
    matter = _open(exchange, message.question, _ANSWERS[type(message)])
    if by is matter.raised_by:
        raise OutOfOrderError(f"{by} asked for the {matter.kind} itself: {by.other} answers")
    match message:
        case Explanation():
            closed = replace(matter, outcome=message.why.name.lower())
        case ResultOfUse():
            closed = replace(matter, outcome=f"{len(message.uses)} uses" if message.uses else "no use")
        case ConsentDecision():
            closed = replace(matter, outcome="granted" if message.granted else "withheld", granted=message.granted)
    return _replaced(exchange, replace(closed, settled_at=now), now)


def measure_taken(exchange: Exchange, number: str, measure: Measure, now: datetime) -> Exchange:
    """Note the measure taken about incorrect or unreliable information: Article 10(2).

    After a correction the items are disclosed again, corrected; after a deletion they are gone; non-disclosure stays. Every
    recipient the items were released to is to be told.

    Raises:
        OutOfOrderError: there is no such notice without a measure.
        CorrectionError: prints cannot be corrected.

    """
    matter = _open(exchange, number, MatterKind.CORRECTION)
    if measure is Measure.CORRECTION and PRINTS in matter.concerns:
        raise CorrectionError(
            "prints that are incorrect or unreliable are deleted or not disclosed; they cannot be corrected"
        )
    # A measure also answers the notices before it that say no more than this one.
    answered = [each for each in exchange.matters if _answered_by(each, matter)]
    others = {kind for each in exchange.matters if each not in answered and _restricts(each) for kind in each.concerns}
    # Prints stay what they are: after their deletion no others take their place.
    released = set(matter.concerns) - others - {PRINTS} if measure is not Measure.NON_DISCLOSURE else set()
    restricted = tuple(kind for kind in exchange.restricted if kind not in released)
    releases = tuple(
        replace(each, told=each.told and not set(each.kinds) & set(matter.concerns)) for each in exchange.releases
    )
    after = replace(exchange, restricted=restricted, releases=releases)
    for each in answered:
        after = _replaced(after, replace(each, outcome=measure.value, settled_at=now), now)
    return after


def _answered_by(other: Matter, matter: Matter) -> bool:
    """Whether a measure about ``matter`` leaves nothing to do about another open notice: itself, or an older, narrower one."""
    open_ = other.kind is MatterKind.CORRECTION and other.settled_at is None
    return open_ and other.raised_at <= matter.raised_at and set(other.concerns) <= set(matter.concerns)


def _restricts(matter: Matter) -> bool:
    """Whether a notice still keeps what it concerns from being disclosed."""
    open_ = matter.settled_at is None or matter.outcome == Measure.NON_DISCLOSURE
    return matter.kind is MatterKind.CORRECTION and open_


def told(exchange: Exchange, recipient: str, now: datetime) -> Exchange:
    """Note that a recipient of information was told of its correction: Article 10(2), down the lineage.

    Raises:
        CorrectionError: nobody of that name is waiting to be told.

    """
    if not any(each.recipient.name == recipient and not each.told for each in exchange.releases):
        waiting = ", ".join(each.recipient.name for each in exchange.releases if not each.told) or "nobody"
        raise CorrectionError(
            f"to be told of a correction in exchange {exchange.control_number}: {waiting}; got {recipient!r}"
        )
    releases = tuple(
        replace(each, told=True) if each.recipient.name == recipient else each for each in exchange.releases
    )
    return replace(exchange, releases=releases, last_event_at=now)


def _open(exchange: Exchange, number: str, kind: MatterKind) -> Matter:
    """Return an open matter."""
    for matter in exchange.matters:
        if matter.number == number and matter.kind is kind and matter.settled_at is None:
            return matter
    waiting = (
        ", ".join(f"{each.kind} {each.number}" for each in exchange.matters if each.settled_at is None) or "nothing"
    )
    raise OutOfOrderError(f"exchange {exchange.control_number} has no open {kind} {number!r}; open are: {waiting}")


def _replaced(exchange: Exchange, matter: Matter, now: datetime) -> Exchange:
    matters = tuple(matter if each.number == matter.number else each for each in exchange.matters)
    return replace(exchange, matters=matters, last_event_at=now)


# What national law wants of a consent


def report_wanted(matter: Matter, decided_by: Party, rules: Rules) -> bool:
    """Whether national law wants a report about a consent that has not been made: Japan, Rule 16 of 2018, Article 4."""
    return (
        matter.kind is MatterKind.CONSENT
        and matter.raised_by is not decided_by
        and decided_by in rules.consent_needs_report
        and not matter.report
    )


def check_report(matter: Matter, decided_by: Party, rules: Rules, *, granted: bool, urgent: bool) -> None:
    """Refuse a consent before the report that national law wants first, unless it is urgent and reported afterwards.

    Raises:
        ConsentError: the report is missing.

    """
    if granted and not urgent and report_wanted(matter, decided_by, rules):
        raise ConsentError(
            f"{decided_by} reports a consent under Article {matter.to} to the National Public Safety Commission before it is "
            "given (Rule 16 of 2018, Article 4); no report is entered: enter it, or say that there was no time for it"
        )


def reported(exchange: Exchange, number: str, reference: str, now: datetime) -> Exchange:
    """Note the report to the supervising body about a consent, before it or, if urgent, without delay after it.

    Raises:
        ConsentError: there is no such request for consent, or the report has no reference.

    """
    for matter in exchange.matters:
        if matter.number == number and matter.kind is MatterKind.CONSENT and reference.strip():
            return _replaced(exchange, replace(matter, report=reference.strip()), now)
    raise ConsentError(
        f"a report is about a request for consent and has a reference; exchange {exchange.control_number} has no request "
        f"{number!r}, or the reference is empty"
    )


# Urgency, after the fact


def urgency_reviewed(exchange: Exchange, review: EmergencyReview, now: datetime) -> Exchange:
    """Note what the queried side's review of urgent requests found, after they were answered: Article 5(2).

    The agreement knows no urgency; the arrangement lets an urgent request go before others, and a review keeps that way for
    emergencies: Japan's contribution on a convention on cybercrime, 1.6.2. It covers every urgent request since the last one.

    Raises:
        OutOfOrderError: the review is not ours to make, nothing urgent waits for one, or the request is not answered yet.

    """
    on_side(exchange, Side.QUERIED, "a review of urgency")
    if exchange.urgent_since is None:
        reviewed = f", the last one was found {exchange.urgency_reviewed}" if exchange.urgency_reviewed else ""
        raise OutOfOrderError(
            f"a review of urgency is of urgent requests (Art. 5(2)); in exchange {exchange.control_number} none waits for "
            f"one{reviewed}"
        )
    if exchange.state is State.REQUESTED:
        raise OutOfOrderError(
            f"urgency is reviewed after the fact; request {exchange.request} is not answered yet: answer it first (Art. 5(2))"
        )
    return replace(exchange, urgent_since=None, urgency_reviewed=review.outcome.value, last_event_at=now)


# Drafts: what an answer says, from what is still known when every print is gone


def check_explanation(exchange: Exchange, why: Why) -> None:
    """Refuse an explanation that says of the examination what the record does not: Article 4(6).

    Raises:
        NoExplanationError: it says that the examiner excluded the match, or could not conclude, and no examiner did.

    """
    concluded = {Why.EXCLUDED: Conclusion.EXCLUSION, Why.INCONCLUSIVE: Conclusion.INCONCLUSIVE}.get(why)
    if concluded is not None and exchange.conclusion is not concluded:
        raise NoExplanationError(
            f"the explanation says that {why}, and the recorded conclusion is {exchange.conclusion or 'none'}: say what the "
            "record says"
        )


def explanation_of(exchange: Exchange) -> tuple[str, Why]:
    """Return the purpose of a query and why nothing followed, from the exchange alone: Article 4(6).

    Raises:
        OutOfOrderError: the exchange is no query of ours.

    """
    if exchange.article != 4 or exchange.side is not Side.QUERYING or exchange.basis is None:
        raise OutOfOrderError(f"exchange {exchange.control_number} is no query of ours, so there is nothing to explain")
    offences = "; ".join(str(offence) for offence in exchange.basis.offences)
    purpose = (
        f"{exchange.basis.activity} of serious crime by {exchange.authority.name}, {exchange.authority.unit}: reason to "
        f"inquire whether the individual {exchange.expectation}; {offences}"
    )
    match exchange.conclusion:
        case Conclusion.EXCLUSION:
            why = Why.EXCLUDED
        case Conclusion.INCONCLUSIVE:
            why = Why.INCONCLUSIVE
        case _:
            why = Why.OTHER
    return purpose, why
