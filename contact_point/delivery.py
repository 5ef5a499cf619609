"""Sending: a message that is committed is sent, now or later, and its answer taken in once.

The message is stored before it is sent and destroyed when it has arrived. If no answer comes it is sent again, the same bytes
under the same control number; the other side answers it once (:func:`contact_point.queried.receive`), and here its answer
changes nothing a second time.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from contact_point import disposal, due, service, wire, witness
from contact_point.keys import KeysError
from contact_point.nist import agreed
from contact_point.nist.reading import JAIL
from contact_point.nist.transaction import NistError
from contact_point.store import StoreError
from contact_point.tls import TlsError
from contact_point.transport import LONGEST_WAIT, ClientError, RefusedError, WaitingError
from contact_point.wire import WireError
from matcher import images
from matcher.images import ImageError
from matcher.jail import JailError
from pcsc import life, records
from pcsc.duties import Content
from pcsc.errors import NoPrintsError, OutOfOrderError, TreatyError
from pcsc.exchange import State
from pcsc.messages import Acceptance, Match, NoMatch, OutageNotice, Provision
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from contact_point.service import Installation, Transport
    from contact_point.store import Held, Transaction
    from pcsc.exchange import Exchange
    from pcsc.messages import Answer, Message

_log = logging.getLogger("contact_point.delivery")

TROUBLE: Final = (
    ClientError, TlsError, WireError, NistError, ImageError, JailError, TreatyError, StoreError, KeysError,
)  # fmt: skip
"""What can go wrong with one message and not with the next."""


def deliver(here: Installation, control_number: str, message: Message, body: bytes, now: datetime) -> Exchange:
    """Send a committed message, take in its answer, and return the exchange as it then stands.

    Raises:
        OutOfOrderError: no contact point of the other Party is designated.
        RefusedError: the other contact point did not accept it; if that is final, the message is given up and recorded so.
        ClientError, TlsError, WireError: no answer came, or none that can be taken in; :func:`resume` sends it again.
        NoPrintsError, NistError, ImageError: a match came with prints that no examiner could look at; as above.
        JailError: nothing can be read here at present; as above.

    """
    other = transport(here)
    _check_away(here, message, now)
    try:
        answer, answer_body = other.post(message, body, now)
    except RefusedError as refused:
        if refused.final:
            _give_up(here, control_number, message, refused, service.moment(here, now))
        elif refused.retry_after:
            _put_off(here, control_number, message, refused.retry_after, service.moment(here, now))
        raise
    now = service.moment(here, now)  # Art. 11(2)(2): what came is recorded with the time at which it came
    if isinstance(message, Acceptance) and message.accepted is not isinstance(answer, Provision):
        raise WireError("an acceptance is answered with what was offered, and a declined offer with a receipt")
    if isinstance(answer, Match):
        _check_prints(here, control_number, answer)
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        match answer:
            case Match() | NoMatch():
                _take_answer(here, tx, exchange, answer, answer_body, now)
            case Provision():
                _take_provision(tx, exchange, answer, answer_body, now)
            case _:
                pass  # a receipt says that the message is recorded there, and brings no information
    exchange = _arrived(here, control_number, message, now)
    _witness(here, now)
    return exchange


def _check_away(here: Installation, message: Message, now: datetime) -> None:
    """Refuse to send what could wait while the other contact point is out of service, as it announced: Article 4(1).

    Raises:
        WaitingError: it waits.

    """
    if isinstance(message, OutageNotice):
        return
    with here.store.reading() as tx:
        until = service.out_until(tx, due.AWAY, now)
    if until is not None:
        raise WaitingError(
            f"the other contact point announced that it is out of service until {until:%Y-%m-%d %H:%M} UTC (Art. 4(1)): "
            f"{message.control_number} is kept, and a running service sends it then; `pcsc outage list` says why"
        )


def _witness(here: Installation, now: datetime) -> None:
    """Let both records be witnessed; what hinders it is told, and the message has arrived all the same."""
    try:
        witness.exchange(here, now)
    except (*TROUBLE, witness.ForkError) as error:
        _log.warning("Art. 11: the records were not witnessed after the last message: %s", error)


def transport(here: Installation) -> Transport:
    """Return the way to the other contact point.

    Raises:
        OutOfOrderError: no contact point of the other Party is designated.

    """
    if here.other is None:
        raise OutOfOrderError(
            here.settings.lacking or "no contact point of the other Party is designated here (Art. 3(2))"
        )
    return here.other


def _arrived(here: Installation, control_number: str, message: Message, now: datetime) -> Exchange:
    """Destroy our copy of a message that needs no sending any more, and all that the exchange no longer permits."""
    with here.store.transaction() as tx:
        sent = [each for each in tx.held(control_number) if _is(each, message)]
    disposal.discard(here, sent)
    disposal.dispose(here, control_number, now)
    with here.store.transaction() as tx:
        return tx.exchange(control_number)


def _is(held: Held, message: Message) -> bool:
    return held.kind is Content.MESSAGE and held.number == message.control_number


def _give_up(here: Installation, control_number: str, message: Message, refused: RefusedError, now: datetime) -> None:
    """Record that a message was not accepted, and put the exchange where it can go on, or end it."""
    with here.store.transaction() as tx:
        before = tx.exchange(control_number)
        exchange = life.not_accepted(before, message, now)
        tx.step(exchange, before=before.state)
        what = f"{wire.kind_of(message)} {message.control_number}"
        note = f"{what} not accepted by {exchange.other}: {refused.problem.code}"
        service.record_act(tx, exchange, "not accepted", article=refused.problem.article, note=note, now=now)
    _arrived(here, control_number, message, now)


def _put_off(here: Installation, control_number: str, message: Message, seconds: int, now: datetime) -> None:
    """Write down when a message may be sent again, for whichever process does."""
    with here.store.transaction() as tx:
        tx.plan(control_number, due.RETRY + message.control_number, now + timedelta(seconds=seconds))


def put_off_until(tx: Transaction, held: Held, now: datetime) -> datetime | None:
    """Return when a message may be sent again, or None for now; a time too far off was written down by a clock set ahead."""
    until = tx.planned(held.exchange).get(due.RETRY + held.number)
    return until if until is not None and now < until <= now + timedelta(seconds=LONGEST_WAIT) else None


def _check_turn(tx: Transaction, held: Held, now: datetime) -> None:
    """Refuse to send a message before the time that was asked for.

    Raises:
        WaitingError: it waits.

    """
    if (until := put_off_until(tx, held, now)) is not None:
        raise WaitingError(
            f"the other contact point asked that {held.number} be not sent again before {until:%Y-%m-%d %H:%M:%S} UTC "
            "(Retry-After): it is kept, and a running service sends it then"
        )


def _take_answer(
    here: Installation, tx: Transaction, exchange: Exchange, answer: Answer, body: bytes, now: datetime
) -> None:
    """Articles 4(4) and 4(5): a match is kept for the examiner until the determination."""
    if exchange.state is not State.SENT:
        if not _recorded(tx, exchange, answer):
            # Art. 11(1): it was received all the same, after the query had lapsed. Nothing of it is kept.
            service.record(tx, exchange, answer, body, Direction.RECEIVED, now)
            service.noted(here, tx, exchange, now)
        return
    tx.step(life.answered(exchange, answer, now), before=exchange.state)
    service.record(tx, exchange, answer, body, Direction.RECEIVED, now)
    if isinstance(answer, Match):
        tx.hold(exchange.control_number, Content.CANDIDATE, answer.prints)


def _recorded(tx: Transaction, exchange: Exchange, message: Message) -> bool:
    """Whether a message of the other side is in the record already."""
    event, _ = records.KINDS[type(message)]
    return any(
        (entry.event, entry.message, entry.direction) == (event, message.control_number, Direction.RECEIVED)
        for entry in tx.entries(exchange.control_number)
    )


def _check_prints(here: Installation, control_number: str, match: Match) -> None:
    """Refuse a match that the examiner could not confirm, before it is taken in: Article 4(5).

    The prints are read and decoded in the jail, which takes its time: no transaction of the store is open meanwhile.
    """
    with here.store.transaction() as tx:
        awaited = tx.exchange(control_number).state is State.SENT
    if not awaited:
        return  # nothing of it will be kept
    result = agreed.read(match.prints, place=JAIL)
    kinds = [each.record_type for each in result.images]
    answered = (result.type_of_transaction, result.control_reference) == (agreed.RESULT, match.control_number)
    if kinds != [14] or not answered:
        what = f"{len(kinds)} images of Types {sorted(set(kinds))} in {'its result' if answered else 'another transaction'}"
        raise NoPrintsError(
            "a match is accompanied by the fingerprint data that lets us confirm it: expected one Type-14 image in the result "
            f"of {match.control_number}; got {what}"
        )
    (sent,) = result.images
    height, width = images.read(sent.data, dpi=sent.dpi, place=JAIL).pixels.shape
    if (width, height) != (sent.width, sent.height):
        raise NoPrintsError(
            f"a match is accompanied by the fingerprint data that lets us confirm it: expected an image of {sent.width} x "
            f"{sent.height} pixels, as its record says (14.006, 14.007); got {width} x {height}"
        )


def _take_provision(tx: Transaction, exchange: Exchange, provision: Provision, body: bytes, now: datetime) -> None:
    """Article 8(8): the content comes after the acceptance, and its conditions stay with it."""
    if _recorded(tx, exchange, provision):
        return  # the same provision, given a second time
    tx.step(life.provide(exchange, provision, now), before=exchange.state)
    service.record(tx, exchange, provision, body, Direction.RECEIVED, now)
    information = service.information_text(provision.items, exchange.conditions)
    tx.hold(exchange.control_number, Content.INFORMATION, information, number=provision.reply)


def outbox(tx: Transaction, exchange: str | None = None) -> list[Held]:
    """Return the messages that are committed and not delivered, of one exchange or of all, oldest first."""
    return [held for held in tx.held(exchange) if held.kind is Content.MESSAGE]


def resume(
    here: Installation, clock: Callable[[], datetime], exchange: str | None = None
) -> list[Exchange | Exception]:
    """Send every message again that was committed and not delivered; return the exchange, or what went wrong, of each.

    With ``exchange``, the messages of that one alone. One that the other contact point does not want yet is left waiting.
    """
    with here.store.transaction() as tx:
        waiting = outbox(tx, exchange)
    outcomes: list[Exchange | Exception] = []
    for held in waiting:
        try:
            with here.store.transaction() as tx:
                _check_turn(tx, held, clock())
                body = tx.content(held.exchange, held.kind, number=held.number)
            outcomes.append(deliver(here, held.exchange, wire.decode(body, *wire.PATHS), body, clock()))
        except TROUBLE as error:
            outcomes.append(error)
    return outcomes
