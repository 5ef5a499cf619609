"""What both sides of an exchange share: one installation at work, sending, destroying, recovering.

The acts themselves are in :mod:`contact_point.querying` and :mod:`contact_point.queried`, one function per act of the
agreement, one transaction each. Three orders are kept everywhere:

- Commit before speaking. What leaves is durable and recorded first, so a lost message or answer is given again the same.
- After every act, :func:`dispose` destroys whatever the exchange, as it now stands, no longer permits: key first, row after.
- If the record cannot be written nothing is answered: the transaction that holds the effect holds its record.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from contact_point import wire
from contact_point.holdings import Holdings
from contact_point.prints import PrintReader
from contact_point.settings import Settings
from contact_point.store import Received, Store
from pcsc import duties, records
from pcsc import exchange as life
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError
from pcsc.messages import Receipt
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from contact_point.store import Held, Subject, Transaction
    from pcsc.exchange import Exchange, State
    from pcsc.messages import Message


class Transport(Protocol):
    """The way to the other contact point."""

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message and return the answer with its bytes."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One contact point at work. ``holdings`` and ``other`` may be absent where an act needs neither."""

    settings: Settings
    store: Store
    reader: PrintReader
    holdings: Holdings | None = None
    other: Transport | None = None


def new_number(here: Installation, now: datetime) -> str:
    """Return a fresh transaction control number: the Party, the day, and 80 random bits."""
    token = base64.b32encode(secrets.token_bytes(10)).decode()
    return f"{here.settings.party}{now:%y%m%d}-{token}"


def new_salt() -> str:
    """Return a fresh salt for a commitment, in hexadecimal."""
    return secrets.token_hex(32)


# Recording


def record(
    tx: Transaction, exchange: Exchange, message: Message, body: bytes, direction: Direction, now: datetime
) -> None:
    """Record a message in the transaction of its effect: Article 11(1)."""
    committed = records.commitment(message.salt, body)
    entry = records.of_message(tx.next_entry(), exchange, message, direction, committed=committed, now=now)
    tx.append(entry, new_salt())


def record_act(tx: Transaction, exchange: Exchange, event: str, *, article: str, note: str, now: datetime) -> None:
    """Record an act of our own in the transaction of its effect."""
    entry = records.of_act(tx.next_entry(), exchange, event, article=article, note=note, now=now)
    tx.append(entry, new_salt())


# Sending


def commit_message(
    tx: Transaction, exchange: Exchange, message: Message, *, before: State | None, now: datetime
) -> bytes:
    """Store a step together with the message that tells the other side, and return the message's bytes.

    Once this is durable the message will be sent, now or by :func:`resume`, and answered once.
    """
    body = wire.encode(message)
    if before is None:
        tx.open(exchange)
    else:
        tx.step(exchange, before=before)
    tx.hold(exchange.control_number, Content.MESSAGE, body, number=message.control_number)
    record(tx, exchange, message, body, Direction.PROVIDED, now)
    return body


def post(here: Installation, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
    """Send a committed message and return its answer with its bytes.

    Raises:
        OutOfOrderError: no other contact point is designated.
        ClientError: see :meth:`contact_point.client.Client.post`.

    """
    if here.other is None:
        raise OutOfOrderError(
            "no contact point of the other Party is designated here (Art. 3(2)): enter its card with `pcsc designate CARD`"
        )
    return here.other.post(message, body, now)


def answer(
    tx: Transaction, exchange: Exchange, message: Message, committed: str, with_: Message, kind: Content
) -> bytes:
    """Store the answer to a received message, so that the message brings the same bytes again; return them.

    Raises:
        AlreadyReceivedError: the message was answered meanwhile; the transaction is not to be completed.

    """
    tx.receive(message.control_number, Received(exchange.control_number, committed, kind))
    body = wire.encode(with_)
    tx.hold(exchange.control_number, kind, body, number=message.control_number)
    return body


def receipt(tx: Transaction, exchange: Exchange, message: Message, committed: str, now: datetime) -> bytes:
    """Store and return the receipt for a message that wants no other answer."""
    return answer(tx, exchange, message, committed, Receipt(message.control_number, now, new_salt()), Content.RECEIPT)


def delivered(here: Installation, exchange: str, message: str, now: datetime) -> None:
    """Destroy our copy of a message that arrived, and all that the exchange no longer permits."""
    with here.store.transaction() as tx:
        sent = [held for held in tx.held(exchange) if held.kind is Content.MESSAGE and held.number == message]
    discard(here, sent)
    dispose(here, exchange, now)


# Destroying


def dispose(here: Installation, control_number: str, now: datetime) -> tuple[Content, ...]:
    """Destroy whatever the exchange no longer permits and record it; return the kinds. Articles 8(1), 8(2).

    Done again after an interruption, it finishes what was begun.
    """
    with here.store.transaction() as tx:
        exchange = tx.exchange(control_number)
        permitted = duties.permitted(exchange)
        held = [each for each in tx.held(control_number) if each.kind not in permitted]
        pictures = [
            Path(tx.content(each.exchange, each.kind, number=each.number).decode())
            for each in held
            if each.kind is Content.PICTURE
        ]
    if not held:
        return ()
    for picture in pictures:
        _erase(picture)
    here.store.destroy(held)
    with here.store.transaction() as tx:
        tx.forget(held)
        for kind in sorted({each.kind for each in held}):
            if (clause := duties.CLAUSES.get((exchange.side, kind))) is not None:
                note = f"{kind} destroyed: its key was overwritten in place"
                record_act(tx, exchange, "deletion", article=clause, note=note, now=now)
    here.store.checkpoint()
    return tuple(sorted({each.kind for each in held}))


def _erase(path: Path) -> None:
    """Overwrite a file in place and remove it; one that is gone already is no matter."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fdatasync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return


def discard(here: Installation, held: list[Held]) -> None:
    """Destroy content that has served, without an entry: no article orders its deletion."""
    here.store.destroy(held)
    with here.store.transaction() as tx:
        tx.forget(held)
    here.store.checkpoint()


def recover(here: Installation, now: datetime) -> None:
    """Finish what an interruption left: destroy keys that no row names and content that no exchange permits."""
    here.store.recover()
    with here.store.transaction() as tx:
        exchanges = sorted({held.exchange for held in tx.held()})
    for exchange in exchanges:
        dispose(here, exchange, now)


def discharge(here: Installation, now: datetime) -> list[str]:
    """Do what is due by the clock alone: end holds that reached the arrangement's hard stop; return their exchanges."""
    arrangement = here.settings.arrangement
    with here.store.transaction() as tx:
        late = [exchange for exchange in tx.exchanges() if duties.overstays(exchange, arrangement, now)]
        for exchange in late:
            tx.step(life.lapse(exchange, now), before=exchange.state)
            note = f"nothing followed the match within {arrangement.follow_up_days} days (arrangement {arrangement.version})"
            record_act(tx, exchange, "lapse", article=_HOLD[exchange.side], note=note, now=now)
    for exchange in late:
        dispose(here, exchange.control_number, now)
    return [exchange.control_number for exchange in late]


_HOLD: Final = {life.Side.QUERYING: "8(2)", life.Side.QUERIED: "8(1)"}


# The gallery


def enrol(here: Installation, subjects: Iterable[Subject]) -> int:
    """Take persons with their prints into our own gallery; return how many. All of them, or none.

    Raises:
        SubjectError: one of them is enrolled already.

    """
    everyone = list(subjects)
    with here.store.transaction() as tx:
        tx.enrol(everyone)
    return len(everyone)


def remove(here: Installation, name: str) -> None:
    """Remove a person from our own gallery and destroy the key of the prints.

    Raises:
        SubjectError: nobody of that name is enrolled.

    """
    with here.store.transaction() as tx:
        slot = tx.remove(name)
    here.store.destroy_prints([slot])
    here.store.checkpoint()
