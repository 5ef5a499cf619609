"""What is asked, answered and notified beside the exchanges, on both sides: Articles 4(6), 5(2), 7, 8(5)(2), 8(7), 9, 10, 14.

A question and its answer are messages of their own, each answered on the wire by a receipt; what a person has to do by when is
for :func:`pcsc.duties.due`. The words themselves are content, held under a key, and never in the record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar, get_args

from annex.parameters import rules_in_force
from contact_point import delivery, disposal, service, wire
from pcsc import assistance, life, matters, traces
from pcsc.assistance import Emergency, EmergencyReview
from pcsc.duties import Content
from pcsc.errors import ConsentError, CorrectionError, NotProvidedError, OutOfOrderError, UseError, WrongPartyError
from pcsc.exchange import MatterKind, Side, State, on_side
from pcsc.matters import Measure
from pcsc.messages import (
    Answering,
    Asking,
    BreachNotice,
    CapacityAnswer,
    ConsentDecision,
    ConsentRequest,
    ConsentTo,
    Consultation,
    ConsultationOn,
    CorrectionNotice,
    Explanation,
    ExplanationRequest,
    Fault,
    Item,
    Notice,
    OutageNotice,
    Recipient,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
    Why,
)
from pcsc.records import Direction
from pcsc.use import Information, Purpose, Refusal, may_use

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Held, Transaction
    from pcsc.exchange import Exchange, Matter
    from pcsc.messages import Use

Beside = CapacityAnswer | Asking | Answering | CorrectionNotice | Notice
"""A message beside an exchange."""
Said = Reply | Beside
"""What can be read of an exchange: also what a reply refuses, and why (Article 5(5)), without what it gives."""

_Question = TypeVar("_Question", ExplanationRequest, ResultRequest, ConsentRequest, CorrectionNotice)
_Answer = TypeVar("_Answer", Explanation, ResultOfUse, ConsentDecision)


_Head = tuple[str, "datetime", str]
"""What every message of ours carries: its number, its time and its salt."""


def _head(here: Installation, now: datetime) -> _Head:
    return service.new_number(here, now), now, service.new_salt()


def _say(tx: Transaction, exchange: Exchange, message: Beside, before: State | None, now: datetime) -> bytes:
    """Store a step with the message that tells it, whose words stay readable here; return its bytes."""
    body = service.commit_message(tx, exchange, message, before=before, now=now)
    tx.hold(exchange.control_number, Content.CORRESPONDENCE, body, number=message.control_number)
    return body


def _hear(
    here: Installation,
    tx: Transaction,
    before: Exchange,
    exchange: Exchange,
    message: Beside,
    body: bytes,
    *,
    now: datetime,
) -> None:
    """Store what a message of the other side brought, record the message, and keep its words."""
    service.step(here, tx, before, exchange, now)
    service.record(tx, exchange, message, body, Direction.RECEIVED, now)
    # Art. 8(6): what came of a use is kept apart, where only the review of the implementation reads it.
    kind = Content.RESULT if isinstance(message, ResultOfUse) else Content.CORRESPONDENCE
    tx.hold(exchange.control_number, kind, body, number=message.control_number)


# Asking and answering


def _ask(here: Installation, control_number: str, make: Callable[[_Head, str], _Question], now: datetime) -> Exchange:
    """Raise a matter and tell the other side."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        message = make(_head(here, now), before.reference or "")
        exchange = matters.raised(before, message, before.ours, here.settings.arrangement(now), now)
        body = _say(tx, exchange, message, before.state, now)
    disposal.dispose(here, control_number, now)
    return delivery.deliver(here, control_number, message, body, now)


def _answer(
    here: Installation, control_number: str, make: Callable[[_Head, Exchange], _Answer], now: datetime
) -> Exchange:
    """Settle a matter of the other side and tell it."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        message = make(_head(here, now), before)
        exchange = matters.settled(before, message, before.ours, now)
        body = _say(tx, exchange, message, before.state, now)
    return delivery.deliver(here, control_number, message, body, now)


def receive(
    here: Installation,
    message: Beside,
    body: bytes,
    committed: str,
    now: datetime,
) -> bytes:
    """Take in what the other side asks, answers or notifies, and return the receipt."""
    match message:
        case BreachNotice() | Consultation() | OutageNotice():
            return receive_notice(here, message, body, committed, now)
        case Explanation() | ResultOfUse() | ConsentDecision():
            return _receive_answer(here, message, body, committed, now)
        case CapacityAnswer():
            return _receive_capacity(here, message, body, committed, now)
        case _:
            return _receive_question(here, message, body, committed, now)


def _receive_question(
    here: Installation, message: Asking | CorrectionNotice, body: bytes, committed: str, now: datetime
) -> bytes:
    """Take in what the other side asks or notifies; what a notice concerns is not disclosed from here on (10(2))."""
    with here.store.transaction() as tx:
        before = service.referred(tx, message.reference)
        exchange = matters.raised(before, message, before.other, here.settings.arrangement(now), now)
        _hear(here, tx, before, exchange, message, body, now=now)
        answered = service.receipt(tx, exchange, message, committed, now)
    disposal.dispose(here, exchange.control_number, now)
    return answered


def _receive_answer(here: Installation, message: Answering, body: bytes, committed: str, now: datetime) -> bytes:
    """Take in the other side's answer to a question of ours."""
    with here.store.transaction() as tx:
        before = service.referred(tx, message.reference)
        exchange = matters.settled(before, message, before.other, now)
        _hear(here, tx, before, exchange, message, body, now=now)
        return service.receipt(tx, exchange, message, committed, now)


def read(here: Installation, control_number: str) -> tuple[Said, ...]:
    """Return what was asked, answered and notified beside an exchange, in order; results of use apart."""
    with here.store.transaction() as tx:
        tx.exchange(control_number)
        pieces = [each for each in tx.held(control_number) if each.kind is Content.CORRESPONDENCE]
        bodies = [tx.content(control_number, each.kind, number=each.number) for each in pieces]
    return tuple(_shown(wire.decode(body, *WORDS)) for body in bodies)


def _shown(message: Said) -> Said:
    """Return a message without what only the gate on use may hand out: the right values in a notice are information."""
    if isinstance(message, CorrectionNotice) and message.correct:
        hidden = tuple(replace(item, value="(read with `pcsc use` after the measure)") for item in message.correct)
        return replace(message, correct=hidden)
    return message


WORDS: Final[tuple[type[Said], ...]] = (
    Reply,
    CapacityAnswer,
    *get_args(Asking),
    *get_args(Answering),
    CorrectionNotice,
    *get_args(Notice),
)
"""The messages that are read here."""


def _open_question(exchange: Exchange, kind: MatterKind, number: str = "") -> Matter:
    """Return the open question of the other side, the one of that number where several are."""
    theirs = [each for each in exchange.matters if each.settled_at is None and each.raised_by is exchange.other]
    found = [each for each in theirs if each.kind is kind and number in {"", each.number}]
    if len(found) > 1:
        raise OutOfOrderError(
            f"{exchange.other} has asked for {len(found)} things of this kind in exchange {exchange.control_number}: name the "
            f"one that is decided, {', '.join(each.number for each in found)}"
        )
    if found:
        return found[0]
    raise OutOfOrderError(
        f"{exchange.other} has asked for no {kind}{f' {number}' if number else ''} in exchange {exchange.control_number} that "
        "is not answered yet"
    )


# Whether a request can be answered, and whether it was urgent: Article 5(2)


def tell_capacity(
    here: Installation, control_number: str, answer: assistance.CapacityAnswer, now: datetime
) -> Exchange:
    """Tell the other Party whether its open request can be answered and by when, before the reply. It changes no time limit.

    Raises:
        OutOfOrderError: no request of the other Party is open.

    """
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        on_side(before, Side.QUERIED, "a capacity answer")
        if answer.expected_on is not None and answer.expected_on < now.date():
            raise assistance.AssistanceError(
                f"an answer is expected today or later; got {answer.expected_on}: name the day"
            )
        message = CapacityAnswer(*_head(here, now), before.request or "", before.reference or "", answer)
        exchange = life.can_answer(before, message, now)
        body = _say(tx, exchange, message, before.state, now)
    return delivery.deliver(here, control_number, message, body, now)


def _receive_capacity(here: Installation, message: CapacityAnswer, body: bytes, committed: str, now: datetime) -> bytes:
    """Learn whether our request can be answered and by when."""
    with here.store.transaction() as tx:
        before = service.referred(tx, message.reference, Side.QUERYING)
        exchange = life.can_answer(before, message, now)
        _hear(here, tx, before, exchange, message, body, now=now)
        return service.receipt(tx, exchange, message, committed, now)


def review_urgency(
    here: Installation, control_number: str, outcome: assistance.Outcome, *, reason: str, by: str, now: datetime
) -> Exchange:
    """Review, after the answer, whether the requests that the other Party called urgent were so: Article 5(2).

    The risk is read as it was stated, in the written notification that is retained (8(4)).

    Raises:
        OutOfOrderError: nothing urgent waits for a review.
        AssistanceError: the review gives no reason, or is nobody's.

    """
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        review = EmergencyReview(_emergency(tx, before), outcome, reason, by, now.date())
        exchange = matters.urgency_reviewed(before, review, now)
        tx.step(exchange, before=before.state)
        note = f"urgency {outcome} by {by}: {reason}"
        service.record_act(tx, exchange, "urgency review", article="5(2)", note=note, now=now)
    return exchange


def _emergency(tx: Transaction, exchange: Exchange) -> Emergency:
    """Return the emergency of the last urgent request, as it was stated."""
    number = exchange.control_number
    kept = [each for each in tx.held(number) if each.kind is Content.NOTIFICATION]
    requests = [wire.decode(tx.content(number, each.kind, number=each.number), Request) for each in kept]
    urgent = [each for each in requests if each.risk]
    if not urgent:
        raise OutOfOrderError(f"a review of urgency is of urgent requests (Art. 5(2)); exchange {number} holds none")
    last = urgent[-1]
    return Emergency(last.risk, f"{exchange.querying}: {last.notification.signed_by}", last.made_at)


# Explanation: Article 4(6)


def ask_explanation(here: Installation, control_number: str, now: datetime) -> Exchange:
    """Ask for the purpose of a query that matched and that no request followed: Article 4(6)."""
    return _ask(here, control_number, lambda head, reference: ExplanationRequest(*head, reference), now)


@dataclass(frozen=True, slots=True)
class Draft:
    """An explanation as the record allows to draft it."""

    purpose: str
    why: Why
    text: str


def draft_explanation(here: Installation, control_number: str) -> Draft:
    """Draft the explanation of a query of ours from the exchange and its record alone: every print may be gone (4(6), 8(2))."""
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        purpose, why = matters.explanation_of(exchange)
        events = [
            f"{entry.at:%Y-%m-%d %H:%M} {entry.event}" for entry in tx.entries(control_number) if entry.event in _EVENTS
        ]
    concluded = f"the examiner concluded {exchange.conclusion}" if exchange.conclusion else "there was no examination"
    return Draft(purpose, why, f"{why.value}; {concluded}; " + "; ".join(events))


_EVENTS: Final = frozenset({"query", "match", "examination", "determination", "lapse"})
"""What the record tells of a query that nothing followed; who examined it stays here."""


def explain(here: Installation, control_number: str, draft: Draft, *, signed_by: str, now: datetime) -> Exchange:
    """Explain the purpose of a query of ours: Article 4(6), second sentence."""

    def make(head: _Head, exchange: Exchange) -> Explanation:
        matters.check_explanation(exchange, draft.why)
        question = _open_question(exchange, MatterKind.EXPLANATION).number
        reference = exchange.reference or ""
        return Explanation(*head, question, reference, draft.purpose, draft.why, draft.text, signed_by)

    return _answer(here, control_number, make, now)


# Result of use: Article 7


def ask_result(here: Installation, control_number: str, now: datetime) -> Exchange:
    """Ask what came of the use of what we provided: Article 7."""
    return _ask(here, control_number, lambda head, reference: ResultRequest(*head, reference), now)


def tell_result(here: Installation, control_number: str, now: datetime) -> Exchange:
    """Tell every use of what was provided to us, and its result, as the ledger has them: Article 7."""

    def make(head: _Head, exchange: Exchange) -> ResultOfUse:
        question = _open_question(exchange, MatterKind.RESULT).number
        return ResultOfUse(*head, question, exchange.reference or "", exchange.uses)

    return _answer(here, control_number, make, now)


def read_result(
    here: Installation, control_number: str, purpose: Purpose, *, by: str, now: datetime
) -> tuple[Use, ...]:
    """Read the results of use that we were told: Article 8(6), solely to review the implementation. Every asking is recorded.

    Raises:
        UseError: it is for another purpose.
        NotProvidedError: none was told.

    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        told = Information(article=7)  # Art. 13(2) is about an act; a review of the implementation is about none
        verdict = may_use(told, purpose, by=exchange.ours, political=False, now=now)
        trace = traces.use(told, purpose, by=exchange.ours, political=False, now=now)
        allowed = "refused" if isinstance(verdict, Refusal) else "allowed"
        note = f"result of use read for {purpose} by {by}: {allowed}"
        service.record_act(tx, exchange, "use", article=verdict.article, note=note, trace=trace, now=now)
        service.noted(here, tx, exchange, now)
        held = [each for each in tx.held(control_number) if each.kind is Content.RESULT]
        bodies = [tx.content(control_number, each.kind, number=each.number) for each in held]
    if isinstance(verdict, Refusal):
        raise UseError(verdict.reason, verdict.article)
    if not bodies:
        raise NotProvidedError(f"no result of use was told in exchange {control_number}: ask for it first")
    return tuple(use for body in bodies for use in wire.decode(body, ResultOfUse).uses)


# Consent: Articles 8(5)(2) and 8(7)


def ask_consent(
    here: Installation,
    control_number: str,
    to: ConsentTo,
    *,
    purpose: str,
    kinds: tuple[str, ...],
    recipient: Recipient | None = None,
    signed_by: str,
    now: datetime,
) -> Exchange:
    """Ask in writing for prior consent to another use (8(5)(2)) or to a release (8(7)) of the kinds that are named."""
    return _ask(
        here,
        control_number,
        lambda head, reference: ConsentRequest(*head, reference, to, purpose, kinds, signed_by, recipient),
        now,
    )


def report_consent(here: Installation, control_number: str, question: str, reference: str, now: datetime) -> Exchange:
    """Enter the report about a consent that national law wants: Japan, Rule 16 of 2018, Article 4 (Article 8(5)(2), 8(7))."""
    party = here.settings.party
    if party not in rules_in_force(now.date()).consent_needs_report:
        raise ConsentError(
            f"the law of {party.country} that is known here wants no report about a consent: it is decided without one"
        )
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = matters.reported(before, question, reference, now)
        tx.step(exchange, before=before.state)
        note = f"consent {question} reported: {reference}"
        article = next(each.to or "8(5)(2)" for each in exchange.matters if each.number == question)
        service.record_act(tx, exchange, "report", article=article, note=note, now=now)
    return exchange


def decide_consent(
    here: Installation,
    control_number: str,
    *,
    granted: bool,
    reason: str,
    question: str = "",
    urgent: bool = False,
    signed_by: str,
    now: datetime,
) -> Exchange:
    """Decide in writing on the other Party's request for consent; where national law wants a report, after it (or urgently).

    ``question`` is the number of the request, where several are open.

    Raises:
        ConsentError: the report is missing.
        OutOfOrderError: none is open, or several are and none is named.

    """

    def make(head: _Head, exchange: Exchange) -> ConsentDecision:
        matter = _open_question(exchange, MatterKind.CONSENT, question)
        matters.check_report(matter, exchange.ours, rules_in_force(now.date()), granted=granted, urgent=urgent)
        return ConsentDecision(*head, matter.number, exchange.reference or "", granted, reason, signed_by)

    return _answer(here, control_number, make, now)


# Correction: Article 10


@dataclass(frozen=True, slots=True)
class Correction:
    """What is wrong with information, and what is right where that is known."""

    concerns: tuple[str, ...]
    fault: Fault
    text: str
    signed_by: str
    correct: tuple[Item, ...] = ()


def notify_correction(here: Installation, control_number: str, correction: Correction, now: datetime) -> Exchange:
    """Notify the other Party that information provided or received is incorrect or unreliable: Article 10(1)."""
    return _ask(
        here,
        control_number,
        lambda head, reference: CorrectionNotice(
            *head,
            reference,
            correction.concerns,
            correction.fault,
            correction.text,
            correction.signed_by,
            correction.correct,
        ),
        now,
    )


def notify_about(
    here: Installation, subject: str, correction: Correction, now: datetime
) -> tuple[Exchange | Exception, ...]:
    """Notify the other Party in every exchange in which a person of our gallery matched: Article 10(1).

    For a mix-up of prints, a merger of two persons, a disposition that fell, an acquittal (Rule 16 of 2018, Article 5). A
    notice that could not be delivered is sent again; what else went wrong stands in the place of its exchange.
    """
    with here.store.transaction() as tx:
        concerned = [each.control_number for each in tx.matched(subject)]
    if not concerned:
        raise CorrectionError(f"{subject!r} matched in no exchange, so nobody was told anything that could be wrong")
    outcomes: list[Exchange | Exception] = []
    for control_number in concerned:
        with here.store.transaction() as tx:
            provided = tx.exchange(control_number).provided_at is not None
        # What would be right is told only where something was provided: a match alone told no item.
        told = correction if provided else replace(correction, correct=())
        try:
            outcomes.append(notify_correction(here, control_number, told, now))
        except delivery.TROUBLE as error:
            outcomes.append(error)
    return tuple(outcomes)


def take_measure(
    here: Installation, control_number: str, notice: str, measure: Measure, *, by: str, now: datetime
) -> Exchange:
    """Correct, delete, or no longer disclose what a notice concerns, in every copy that we hold: Article 10(2).

    Raises:
        CorrectionError: nobody is named, prints are to be corrected, the notice does not say what would be right, or what it
            concerns is still on its way, so that there is nothing to correct or delete yet.

    """
    if not by.strip():
        raise CorrectionError("a measure is recorded with who took it; no name was given")
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = matters.measure_taken(before, notice, measure, now)
        tx.step(exchange, before=before.state)
        told = wire.decode(tx.content(control_number, Content.CORRESPONDENCE, number=notice), CorrectionNotice)
        old = _rewritten(tx, exchange, told, measure) if measure is not Measure.NON_DISCLOSURE else []
        old += _without_what_is_right(tx, exchange, told)
        tx.forget(old)
        tx.condemn(control_number, {Content.PRINTOUT})  # it says what was wrong; it can be printed anew
        waiting = [each.recipient.name for each in exchange.releases if not each.told]
        note = f"{measure} by {by}" + (f"; to be told: {', '.join(waiting)}" if waiting else "")
        service.record_act(tx, exchange, "measure", article="10(2)", note=note, now=now)
    here.store.destroy(old)
    disposal.dispose(here, control_number, now)
    return exchange


def _rewritten(tx: Transaction, exchange: Exchange, told: CorrectionNotice, measure: Measure) -> list[Held]:
    """Hold what was provided anew, without what a notice concerns or with what is right; return the pieces it replaces."""
    number, notice = exchange.control_number, told.control_number
    # What is offered or replied comes as it was then: the measure would end before there is anything to take it about.
    if coming := set(told.concerns) & _on_its_way(exchange):
        raise CorrectionError(
            f"{', '.join(sorted(coming))} is still on its way and not here: it is withheld until then; take the measure when "
            "it came or was declined, or do not disclose it"
        )
    right = {item.kind: item for item in told.correct} if measure is Measure.CORRECTION else {}
    if measure is Measure.CORRECTION and (unknown := set(told.concerns) - set(right)):
        raise CorrectionError(
            f"the notice does not say what {', '.join(sorted(unknown))} should be: delete it, or do not disclose it"
        )
    replaced = []
    for held in [each for each in tx.held(number) if each.kind is Content.INFORMATION]:
        items, conditions = service.read_information(tx.content(number, held.kind, number=held.number))
        if not life.kinds_of(items) & set(told.concerns):
            continue
        kept = [right.get(item.kind, item) for item in items if item.kind in right or item.kind not in told.concerns]
        text = service.information_text(kept, conditions)
        tx.hold(number, Content.INFORMATION, text, number=f"{held.number}/{notice}")
        replaced.append(held)
    return replaced


def _on_its_way(exchange: Exchange) -> set[str]:
    """Return the kinds of items that may still come to us."""
    if exchange.side is Side.QUERIED:
        return set()
    coming = {
        State.REQUESTED: exchange.requested_items,
        State.OFFERED: exchange.offered,
        State.PROVIDED: exchange.offered,
    }
    return set(coming.get(exchange.state, ()))


def _without_what_is_right(tx: Transaction, exchange: Exchange, told: CorrectionNotice) -> list[Held]:
    """Hold a notice anew without what is right; return the piece it replaces.

    Art. 8(9): from the measure on the information itself says it, and with the information it goes.
    """
    if not told.correct:
        return []
    number, notice = exchange.control_number, told.control_number
    old = [each for each in tx.held(number) if (each.kind, each.number) == (Content.CORRESPONDENCE, notice)]
    tx.forget(old)
    tx.hold(number, Content.CORRESPONDENCE, wire.encode(replace(told, correct=())), number=notice)
    return old


def tell_recipient(here: Installation, control_number: str, recipient: str, now: datetime) -> Exchange:
    """Note that somebody the information was released to was told of its correction: Article 10(2)."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = matters.told(before, recipient, now)
        tx.step(exchange, before=before.state)
        service.record_act(
            tx, exchange, "told", article="10(2)", note=f"{recipient} was told of the correction", now=now
        )
    return exchange


# Breach and consultations: Articles 9 and 14


def notify_breach(
    here: Installation, *, nature: str, measures: str, noticed_at: datetime, signed_by: str, now: datetime
) -> Exchange:
    """Notify the other Party of a breach of protection, with the reference numbers of all that we hold of theirs: Article 9."""
    with here.store.transaction() as tx:
        holding = {(each.exchange, each.kind) for each in tx.held()}
        affected = tuple(
            each.reference
            for each in tx.exchanges()
            if each.reference and any((each.control_number, kind) in holding for kind in _THEIRS[each.side])
        )
    head, party = _head(here, now), here.settings.party
    notice = BreachNotice(*head, party, noticed_at, nature, measures, affected, signed_by)
    hours = here.settings.arrangement(now).breach_notice_hours
    late = (
        f"notified later than {hours} hours after it was noticed" if now - noticed_at > timedelta(hours=hours) else ""
    )
    return notify(here, notice, now, late=late)


_THEIRS: Final = {
    Side.QUERYING: (Content.CANDIDATE, Content.PICTURE, Content.INFORMATION, Content.PRINTOUT, Content.CORRESPONDENCE),
    Side.QUERIED: (Content.PROBE, Content.NOTIFICATION, Content.RESULT, Content.CORRESPONDENCE),
}
"""What each side holds that the other Party provided."""


def consult(here: Installation, on: ConsultationOn, *, matter: str, signed_by: str, now: datetime) -> Exchange:
    """Ask for consultations: Articles 14(1), 14(2) and 15(3)."""
    return notify(here, Consultation(*_head(here, now), here.settings.party, on, matter, signed_by), now)


def notify(
    here: Installation,
    notice: Notice,
    now: datetime,
    *,
    late: str = "",
    also: Callable[[Transaction], None] = lambda _tx: None,
) -> Exchange:
    """Open the exchange of a notice and tell the other side; a notice is never held back for being late.

    ``also`` is done in the transaction that commits it.
    """
    number = notice.control_number
    with here.store.transaction() as tx:
        exchange = life.open_notice(notice, Side.QUERYING, here.settings.arrangement(now), now)
        body = _say(tx, exchange, notice, None, now)
        if late:
            service.record_act(tx, exchange, "late notice", article=str(exchange.article), note=late, now=now)
        also(tx)
    return delivery.deliver(here, number, notice, body, now)


def receive_notice(
    here: Installation,
    notice: Notice,
    body: bytes,
    committed: str,
    now: datetime,
    *,
    also: Callable[[Transaction], None] = lambda _tx: None,
) -> bytes:
    """Take in a notice of the other Party: about a breach, an outage, or its request for consultations (4(1), 9, 14)."""
    if notice.raised_by is not here.settings.party.other:
        raise WrongPartyError(
            f"this contact point is notified by {here.settings.party.other}; the notice speaks for {notice.raised_by}"
        )
    with here.store.transaction() as tx:
        exchange = life.open_notice(notice, Side.QUERIED, here.settings.arrangement(now), now)
        answered = service.receipt(tx, exchange, notice, committed, now)
        tx.open(exchange)
        service.record(tx, exchange, notice, body, Direction.RECEIVED, now)
        tx.hold(exchange.control_number, Content.CORRESPONDENCE, body, number=notice.control_number)
        also(tx)
    return answered
