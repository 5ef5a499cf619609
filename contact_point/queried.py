"""The acts of the queried side: answer a query, learn of the determination, receive and answer a request.

A query is answered with nobody in the path (Article 4(4)). A request is answered by a person (Article 5(2)).

:func:`receive` is the one way in for a message of the other contact point: it gives a repeated message the answer it had
before, byte for byte, and refuses a control number that comes again with another content.
"""

from __future__ import annotations

import base64
import logging
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from contact_point import (
    admission,
    correspondence,
    delivery,
    disposal,
    outages,
    prints,
    querying,
    reachability,
    service,
    unasked,
    wire,
    witness,
)
from contact_point.holdings import read_particulars
from contact_point.nist.reading import JAIL
from contact_point.nist.transaction import NistError
from contact_point.store import (
    AlreadyReceivedError,
    ContentGoneError,
    Received,
    StoreError,
    SubjectError,
    UnknownExchangeError,
)
from matcher import images
from matcher.extraction import ExtractionError
from matcher.gallery import ProbeError
from matcher.images import ImageError
from pcsc import duties, life, records, traces
from pcsc.duties import Content
from pcsc.errors import (
    FieldNotAllowedError,
    IdempotencyError,
    NoAnswerError,
    NoArrangementError,
    NoReasonError,
    OutOfOrderError,
    QuotaError,
    RecordError,
    RestrictedError,
    TreatyError,
    WrongPartyError,
)
from pcsc.exchange import Exchange, MatterKind, Side, State
from pcsc.messages import (
    PRINTS,
    Acceptance,
    Checkpoints,
    Condition,
    Determination,
    Item,
    Match,
    NoMatch,
    OutageNotice,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Reachability,
    Receipt,
    Refusal,
    Reply,
    Request,
    Search,
)
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from contact_point.holdings import Found
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.agreement import Agreement
    from pcsc.messages import Message

_log = logging.getLogger("contact_point.queried")


def receive(here: Installation, message: Message, body: bytes, now: datetime) -> bytes:
    """Take in a message from the other contact point and return the body of the answer to it.

    The same control number and bytes bring the same answer, however often and however many at once; with other bytes they
    are refused. A message that was not accepted and recorded so is not accepted later: its number is used up.

    Raises:
        TreatyError: the agreement does not allow the message now.
        NistError, ImageError, ExtractionError, ProbeError: the prints of a query cannot be read or compared.

    """
    committed = records.commitment(message.salt, body)
    before = _received(here, message)
    if before is None or before == _refused(before.exchange, committed):
        try:
            return _act_on(here, message, body, committed, now)
        except (StoreError, *FINAL) as error:
            # The same message may have come twice at once, and the other one been quicker.
            before = _received(here, message)
            if before is None or before == _refused(before.exchange, committed):
                if isinstance(error, AlreadyReceivedError):
                    raise _used_up(message) from None
                if isinstance(error, FINAL) and not isinstance(error, UNRECORDED):
                    _record_refusal(here, message, body, error, now)
                raise
    if before.commitment != committed or before.answer is None:
        raise _used_up(message)
    return _again(here, message, before, before.answer)


def _refused(exchange: str, committed: str) -> Received:
    """Return what is known of a message that was not accepted."""
    return Received(exchange, committed, None)


def _used_up(message: Message) -> IdempotencyError:
    return IdempotencyError(
        f"control number {message.control_number} came before with another content, or was not accepted; a number names one "
        "message: give the new message a new number"
    )


_NO_ANSWER: Final = "the answer could not be made; this says nothing about whether there is a match"

FINAL: Final = (TreatyError, NistError, ImageError, ExtractionError, ProbeError)
"""What a message can be refused for."""

UNRECORDED: Final = (QuotaError, NoAnswerError, NoArrangementError, RecordError, WrongPartyError)
"""What passes, so that the same message may be accepted another time and is recorded then, or is no message to us."""


def _record_refusal(here: Installation, message: Message, body: bytes, error: Exception, now: datetime) -> None:
    """Record that a message was received and not accepted: Article 11(1) is about receipt, not about what came of it."""
    with here.store.transaction() as tx:
        if tx.received(message.control_number) is not None:
            return  # it came before, or twice at once: it is recorded once
        if isinstance(message, Query | ProvisionWithoutRequest):
            exchange = life.turned_away(message, here.settings.arrangement(now), now)
            if tx.has_exchange(message.control_number) or exchange is None:
                return
            tx.open(exchange)
        else:
            try:
                exchange = tx.exchange_of(getattr(message, "reference", ""))
            except UnknownExchangeError:
                return  # it belongs to no exchange of ours
        committed = records.commitment(message.salt, body)
        tx.receive(message.control_number, _refused(exchange.control_number, committed))
        service.record(tx, exchange, message, body, Direction.RECEIVED, now)
        article, code = getattr(error, "article", "4(4)"), getattr(error, "code", "4-4.QUALITY")
        kind = wire.kind_of(message)
        note = f"{kind} {message.control_number} not accepted: {code}"
        trace = traces.refusal(kind, article=article, code=code, now=now)
        service.record_act(tx, exchange, "not accepted", article=article, note=note, trace=trace, now=now)
        service.noted(here, tx, exchange, now)


def _received(here: Installation, message: Message) -> Received | None:
    with here.store.reading() as tx:
        return tx.received(message.control_number)


def _again(here: Installation, message: Message, before: Received, answer: Content) -> bytes:
    """Return the answer that a message had before.

    Raises:
        RestrictedError: it holds prints that were found unreliable since.
        OutOfOrderError: it is gone.

    """
    try:
        with here.store.transaction() as tx:
            # Art. 10(2): nobody could be told who never learnt of the match; so its prints are not given again.
            exchange = tx.exchange(before.exchange)
            if isinstance(message, Query) and PRINTS in exchange.restricted:
                raise RestrictedError(
                    f"query {message.control_number} was answered, and the prints of the answer are incorrect or unreliable: "
                    "they are not given again; make a new query"
                )
            if answer in duties.permitted(exchange):
                return tx.content(before.exchange, answer, number=message.control_number)
    except ContentGoneError:
        pass
    raise OutOfOrderError(
        f"message {message.control_number} was answered, and the answer was deleted when it had served"
    )


def _act_on(here: Installation, message: Message, body: bytes, committed: str, now: datetime) -> bytes:
    if isinstance(message, Match | NoMatch | Provision | Receipt):
        raise OutOfOrderError(f"a {wire.kind_of(message)} answers a message of ours; it is not sent by itself")
    return _ACTS.get(type(message), correspondence.receive)(here, message, body, committed, now)


# Article 4


def answer_query(here: Installation, query: Query, body: bytes, committed: str, now: datetime) -> bytes:
    """Answer a query automatically: Articles 4(1), 4(2), 4(4), 4(5) and 8(1).

    The received print lives in memory; it is stored, under a key of its own, only where there is a match (8(1), second
    sentence). No match, no print: nothing of it was ever written.
    """
    arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
    if query.querying is not here.settings.party.other:
        raise WrongPartyError(
            f"this contact point answers {here.settings.party.other}; the query speaks for {query.querying}"
        )
    # Art. 4(1): the other Party's contact points may query at any time; nobody here is asked.
    _admit(here, query, now)  # before any work is done on the print, and again with the write lock held
    if here.holdings is None:
        raise NoAnswerError("this process has no gallery, so it cannot say whether there is a match")
    latent = query.search is Search.LATENT
    admission.in_time()
    probe = [each.template for each in here.reader.of_transaction(query.prints, latent=latent)]
    admission.in_time()
    found, view = here.holdings.search(
        probe, identified=query.identified, search=query.search, arrangement=arrangement, on=now.date()
    )
    answer = (
        NoMatch(query.control_number, now, service.new_salt()) if found is None else _match(here, query, found, now)
    )
    with here.store.transaction() as tx:
        admission.in_time()  # Art. 11(1): an answer that nobody waits for is not provided, and not recorded as if it were
        at = service.moment(here, now)  # Art. 11(2)(2): the answer is provided now, whenever the query came
        made = service.made_today(here, tx, Side.QUERIED, query.search, now)
        admitted = life.receive_query(query, arrangement, made_today=made, now=now, agreement=agreement)
        exchange = life.answered(admitted, answer, at)
        answered = service.answer(tx, exchange, query, committed, answer, Content.ANSWER)
        tx.open(exchange, subject=None if found is None else found.subject)
        service.count_in_doubt(here, tx, exchange.control_number, now)
        trace = traces.admission(query, Side.QUERIED, arrangement, made_today=made, agreement=agreement, now=now)
        service.record(tx, exchange, query, body, Direction.RECEIVED, now, trace=trace)
        service.remark(tx, exchange, probe, now)
        standing = None if found is None else found.standing
        trace = traces.view(exchange.queried, identified=query.identified, searched=view, standing=standing, now=now)
        service.record(tx, exchange, answer, answered, Direction.PROVIDED, at, trace=trace)
        if isinstance(answer, Match):
            tx.hold(exchange.control_number, Content.PROBE, query.prints)
        else:
            note = "probe destroyed with the answer: it was in memory only and never stored"
            trace = traces.deletion(duties.standing(exchange), Content.PROBE, now=at)
            service.record_act(tx, exchange, "deletion", article="8(1)", note=note, trace=trace, now=at)
    # From here the answer is durable. If it is lost, the query comes again and is given the same bytes.
    return answered


def _admit(here: Installation, query: Query, now: datetime) -> None:
    with here.store.reading() as tx:
        made = service.made_today(here, tx, Side.QUERIED, query.search, now)
    settings = here.settings
    life.receive_query(query, settings.arrangement(now), made_today=made, now=now, agreement=settings.agreement)


def _match(here: Installation, query: Query, found: Found, now: datetime) -> Match:
    """Return the match, and nothing of how it was found: no score, rank, name, category or quality (Article 4(4))."""
    with here.store.transaction() as tx:
        picture = tx.image(found.subject, found.print)
    if picture is None:
        # Removed between the search and here: the same query, sent again, finds the gallery as it is now.
        raise NoAnswerError(_NO_ANSWER)
    try:
        shown = prints.finger_image(images.read(picture, place=JAIL), found.position)
    except (ImageError, NistError) as error:
        # A fault of ours, which only a match can show: told as one of the query it would tell of the match.
        _log.exception("the print of a match cannot be sent")
        raise NoAnswerError(_NO_ANSWER) from error
    return Match(
        control_number=query.control_number,
        made_at=now,
        salt=service.new_salt(),
        # Random and unlinkable: it says nothing of the person, and two matches of one person differ.
        reference=base64.b32encode(secrets.token_bytes(15)).decode(),
        prints=service.fingerprint_data(
            here,
            [shown],
            kind=prints.RESULT,
            control_number=service.new_number(here, now),
            answers=query.control_number,
            now=now,
        ),
    )


def receive_determination(
    here: Installation, notice: Determination, body: bytes, committed: str, now: datetime
) -> bytes:
    """Learn whether further information will be requested; if not, the held print goes: Article 8(1)."""
    with here.store.transaction() as tx:
        before = service.referred(tx, notice.reference, Side.QUERIED)
        exchange = life.determine(before, will_request=notice.will_request, now=now)
        service.step(here, tx, before, exchange, now)
        service.record(tx, exchange, notice, body, Direction.RECEIVED, now)
        answered = service.receipt(tx, exchange, notice, committed, now)
    disposal.dispose(here, exchange.control_number, now)
    return answered


# Article 5


def receive_request(here: Installation, request: Request, body: bytes, committed: str, now: datetime) -> bytes:
    """Receive a request with its written notification: Articles 5(1), 5(2), 8(4).

    What is available is what is available *now*: a snapshot is kept, and the answer is drawn from it.
    """
    with here.store.transaction() as tx:
        before = service.referred(tx, request.reference, Side.QUERIED)
        arrangement, agreement = here.settings.arrangement(now), here.settings.agreement
        exchange = life.request(before, request, arrangement, now, agreement=agreement)
        tx.step(exchange, before=before.state)
        trace = traces.request(before, request, arrangement, agreement=agreement, now=now)
        service.record(tx, exchange, request, body, Direction.RECEIVED, now, trace=trace)
        if any(matter.kind is MatterKind.EXPLANATION for matter in before.matters):
            # Art. 5(1) sets no time for a request, so it is taken in; that it comes after the question is noted.
            note = "a request came after an explanation of the query had been asked for"
            service.record_act(tx, exchange, "late request", article="4(6)", note=note, now=now)
        tx.hold(exchange.control_number, Content.NOTIFICATION, body, number=request.control_number)
        snapshot = _available(here, tx, exchange, now)
        tx.hold(exchange.control_number, Content.SNAPSHOT, service.items_text(snapshot), number=request.control_number)
        answered = service.receipt(tx, exchange, request, committed, now)
    disposal.dispose(here, exchange.control_number, now)
    return answered


def _available(here: Installation, tx: Transaction, exchange: Exchange, now: datetime) -> list[Item]:
    """Return the items that this Party holds on the matched person and may give: Article 5(2)."""
    subject = tx.subject_of(exchange.control_number)
    try:
        known = read_particulars(tx.particulars(subject or "")).items
    except SubjectError:
        known = {}  # removed since the match: nothing is available at the time of receipt
    listed = here.settings.arrangement(now).items[exchange.queried]
    return [Item(kind, known[kind]) for kind in listed if kind in known]


def notification_of(here: Installation, control_number: str) -> tuple[Request, tuple[Item, ...]]:
    """Return an open request, and what was available when it came."""
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        if exchange.state is not State.REQUESTED or exchange.request is None or exchange.side is not Side.QUERIED:
            raise OutOfOrderError(f"exchange {control_number} is at '{exchange.state}' and waits for no answer of ours")
        request = tx.content(control_number, Content.NOTIFICATION, number=exchange.request)
        snapshot = tx.content(control_number, Content.SNAPSHOT, number=exchange.request)
    return wire.decode(request, Request), service.read_items(snapshot)


def answer_request(
    here: Installation,
    control_number: str,
    *,
    give: Sequence[str],
    refusals: Sequence[Refusal] = (),
    conditions: Sequence[Condition] = (),
    by: str,
    now: datetime,
) -> Exchange:
    """Answer a request: give items of the snapshot, under conditions or not, and refuse with reasons: Articles 5(2)-(5), 8(8).

    ``by`` is the person who deems what is given relevant to the notified purpose. What changed since the request came is
    given as it was then, and says so: the notice of Article 10(1) is for the new value.

    With conditions the items are offered, and given on acceptance. Either way this is the response that ends the hold of
    Article 8(1).
    """
    if not by.strip():
        raise NoReasonError(
            "a person decides what is relevant to the purpose and is given (Art. 5(2)); no name was given"
        )
    request, snapshot = notification_of(here, control_number)
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        items = _as_noted(_chosen(give, snapshot), _available(here, tx, before, now))
        message = Reply(
            control_number=service.new_number(here, now),
            made_at=now,
            salt=service.new_salt(),
            request=request.control_number,
            reference=request.reference,
            items=() if conditions else items,
            offered=tuple(item.kind for item in items) if conditions else (),
            conditions=tuple(conditions) if items else (),
            refusals=tuple(refusals),
        )
        agreement = here.settings.agreement
        exchange = life.reply(before, message, now, agreement=agreement)
        trace = traces.reply(
            before,
            message,
            here.settings.arrangement(now),
            available=[item.kind for item in snapshot],
            decided_by=by,
            agreement=agreement,
            now=now,
        )
        body = service.commit_message(tx, exchange, message, before=before.state, trace=trace, now=now)
        if conditions:
            text = service.items_text(items)
            tx.hold(control_number, Content.SNAPSHOT, text, number=message.control_number)
        service.hold_reasons(tx, exchange, message)
    disposal.dispose(here, control_number, now)
    return delivery.deliver(here, control_number, message, body, now)


def _chosen(give: Sequence[str], snapshot: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items of the snapshot that are to be given."""
    available = {item.kind: item for item in snapshot}
    if absent := [kind for kind in give if kind not in available]:
        raise FieldNotAllowedError(
            f"what is given was available when the request came ({', '.join(available) or 'nothing'}); "
            f"{', '.join(absent)} was not: refuse it as not available"
        )
    return tuple(available[kind] for kind in give)


def _as_noted(given: Sequence[Item], today: Sequence[Item]) -> tuple[Item, ...]:
    """Note on each item whether it is another one today: given is what was available at the time of receipt (5(2))."""
    return tuple(item if item in today else replace(item, note=CHANGED) for item in given)


CHANGED: Final = "changed after the request came; this is what was available then"


def receive_acceptance(here: Installation, acceptance: Acceptance, body: bytes, committed: str, now: datetime) -> bytes:
    """Give the offered information on acceptance of its conditions, or note that it was declined: Article 8(8)."""
    with here.store.transaction() as tx:
        before = service.referred(tx, acceptance.reference, Side.QUERIED)
        exchange = life.accept(before, acceptance, now)
        service.record(tx, exchange, acceptance, body, Direction.RECEIVED, now)
        if acceptance.accepted:
            agreement = here.settings.agreement
            exchange, answered = _provide(tx, exchange, acceptance, committed, now, agreement=agreement)
        else:
            answered = service.receipt(tx, exchange, acceptance, committed, now)
        tx.step(exchange, before=before.state)
    disposal.dispose(here, exchange.control_number, now)
    return answered


def _provide(
    tx: Transaction,
    exchange: Exchange,
    acceptance: Acceptance,
    committed: str,
    now: datetime,
    *,
    agreement: Agreement,
) -> tuple[Exchange, bytes]:
    """Return the exchange once the offered information is given, and the bytes of the provision."""
    provision = Provision(
        control_number=acceptance.control_number,
        made_at=now,
        salt=service.new_salt(),
        reply=acceptance.reply,
        reference=acceptance.reference,
        items=service.read_items(tx.content(exchange.control_number, Content.SNAPSHOT, number=acceptance.reply)),
    )
    provided = life.provide(exchange, provision, now, agreement=agreement)
    answered = service.answer(tx, exchange, acceptance, committed, provision, Content.ANSWER)
    service.record(tx, exchange, provision, answered, Direction.PROVIDED, now)
    return provided, answered


# Dispatch


_ACTS: Final[dict[type[Message], Callable[[Installation, Any, bytes, str, datetime], bytes]]] = {
    Query: answer_query,
    Determination: receive_determination,
    Request: receive_request,
    Reply: querying.receive_reply,
    Acceptance: receive_acceptance,
    ProvisionWithoutRequest: unasked.receive,
    OutageNotice: outages.receive,
    # Nothing to record or to remember (Art. 11(1))
    Reachability: lambda _here, message, _body, _committed, now: reachability.answer(message, now),
    Checkpoints: lambda here, message, _body, _committed, now: witness.answer(here, message, now),
}
"""What is done with each kind of message; all others are said beside an exchange."""
