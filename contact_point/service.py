"""What both sides of an exchange share: one installation at work, what it commits and what it records.

The acts themselves are in :mod:`contact_point.querying` and :mod:`contact_point.queried`, one function per act of the
agreement, one transaction each. Three orders are kept everywhere:

- Commit before speaking. What leaves is durable and recorded first, so a lost message or answer is given again the same.
- After every act, :mod:`contact_point.disposal` destroys whatever the exchange, as it now stands, no longer permits.
- If the record cannot be written nothing is answered: the transaction that holds the effect holds its record.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from contact_point import dispositions, due, prints, wire
from contact_point.holdings import Holdings, read_particulars
from contact_point.identity import Identity
from contact_point.prints import PrintReader
from contact_point.settings import Settings
from contact_point.store import Received, Store, UnknownExchangeError
from contact_point.timekeeping import Guard
from pcsc import anomalies, duties, records
from pcsc.duties import Content
from pcsc.errors import NoAnswerError, NoArrangementError, NotAMatchError, QuotaError, UnavailableError
from pcsc.messages import Condition, Item, Receipt
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contact_point.nist.agreed import FingerImage
    from contact_point.store import Held, Subject, Transaction
    from matcher.template import Template
    from pcsc.exchange import Exchange, Side, State
    from pcsc.messages import Message, Reply, Search
    from pcsc.traces import Trace


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
    clock: Callable[[], datetime]
    """Asked when something had happened, such as the destruction of a key; what is decided is told the time it is at."""
    guard: Guard
    """Holds the clock to others: that of the other contact point, whose messages say their time, is one of them."""
    holdings: Holdings | None = None
    other: Transport | None = None
    identity: Identity | None = None
    """Who we are and whom we trust, where designations are in effect; kept up with the files."""


def moment(here: Installation, now: datetime) -> datetime:
    """Return the time at which something has just happened in an act that began at ``now``: what the record tells."""
    return max(now, here.clock())


def new_number(here: Installation, now: datetime) -> str:
    """Return a fresh transaction control number: the Party, the day, and 80 random bits."""
    token = base64.b32encode(secrets.token_bytes(10)).decode()
    return f"{here.settings.party}{now:%y%m%d}-{token}"


def check_number(here: Installation, number: str) -> None:
    """Refuse a transaction control number that was not made by :func:`new_number`: it is told to the other Party (Article 9).

    Raises:
        ValueError: it has another form.

    """
    party = here.settings.party
    if not re.fullmatch(rf"{party}[0-9]{{6}}-[A-Z2-7]{{16}}", number):
        raise ValueError(
            f"expected a control number such as {party}261122- and 16 random characters; got {len(number)} characters in "
            "another form: it goes to the other Party, which is to learn nothing from it (Art. 9); take a new one"
        )


def count_in_doubt(here: Installation, tx: Transaction, control_number: str, now: datetime) -> None:
    """Let a query that was just opened count on every day where the time is in doubt: a clock set wrong gives no second number.

    Article 4(7). It counts on the day on which the time is believed again.
    """
    if here.guard.doubts(tx, now):
        tx.count_on_no_day(control_number)


def new_salt() -> str:
    """Return a fresh salt for a commitment, in hexadecimal."""
    return secrets.token_hex(32)


def fingerprint_data(
    here: Installation,
    images: Sequence[FingerImage],
    *,
    kind: str,
    control_number: str,
    answers: str | None = None,
    now: datetime,
) -> bytes:
    """Return images as a transaction to the other Party, with the day to delete them by."""
    party, days = here.settings.party, here.settings.arrangement(now).follow_up_days
    return prints.transaction(
        images,
        kind=kind,
        control_number=control_number,
        answers=answers,
        originator=f"{party}/NCP",
        destination=f"{party.other}/NCP",
        delete_by=(now + timedelta(days=days)).date(),
        now=now,
    )


def reason_digest(here: Installation, text: str, case_reference: str) -> tuple[str, str]:
    """Return digests of a stated reason, whatever its spacing and case, and of the case it was stated for.

    Keyed by what only this installation has: a case number could be guessed from a digest of the number alone.
    """
    key = hashlib.sha256(here.settings.folder.signing_key.read_bytes()).digest()
    words = " ".join(text.casefold().split())
    said, case = (hmac.digest(key, each.encode(), "sha256").hex() for each in (words, case_reference.strip()))
    return said, case


# What was before a restoration


def made_today(here: Installation, tx: Transaction, side: Side, search: Search, now: datetime) -> int:
    """Count the queries of a kind made, or answered, on this UTC day, or on the last that was believed: Article 4(7).

    Raises:
        QuotaError: this contact point was restored today, and what was asked before is not known.

    """
    if tx.planned("").get(due.QUOTA, now) > now:
        raise QuotaError(
            f"this contact point was restored today, {now.date()} (UTC), and how many {search} queries were made before is not "
            "known, so that the day's count as used (Art. 4(7)): wait for tomorrow"
        )
    return tx.queries_on(here.guard.day(tx, now), side, search)


def check_fresh(tx: Transaction, now: datetime) -> None:
    """Raise while a signature may be one that came before this contact point was restored: its nonce is not known.

    Raises:
        NoAnswerError: it was restored a few minutes ago.

    """
    if (until := tx.planned("").get(due.NONCES, now)) > now:
        raise NoAnswerError(
            f"this contact point was restored a few minutes ago, and which signed requests came before is not known (Art. 9): "
            f"nothing is answered before {until:%H:%M:%S} UTC, when none of them is fresh any more"
        )


# Out of service: Article 4(1)


def out_until(tx: Transaction, word: str, now: datetime) -> datetime | None:
    """Return until when a contact point is announced to be out of service now, or None; ``word`` says whose is asked.

    It is :data:`contact_point.due.OUTAGE` for ours, and :data:`contact_point.due.AWAY` for the other one.
    """
    rows = ((what.split(), at) for what, at in tx.planned("").items() if what.startswith(word))
    return max((at for (*_, begins), at in rows if datetime.fromisoformat(begins) <= now < at), default=None)


def check_in_service(tx: Transaction, now: datetime) -> None:
    """Raise while this contact point is announced to be out of service.

    Raises:
        UnavailableError: it is, and until when.

    """
    if (until := out_until(tx, due.OUTAGE, now)) is not None:
        seconds = math.ceil((until - now).total_seconds())
        raise UnavailableError(f"this contact point is out of service until {until:%Y-%m-%d %H:%M} UTC", seconds)


# Recording


def record(
    tx: Transaction,
    exchange: Exchange,
    message: Message,
    body: bytes,
    direction: Direction,
    now: datetime,
    *,
    trace: Trace | None = None,
) -> None:
    """Record a message in the transaction of its effect, with how it was decided: Article 11(1)."""
    committed = records.commitment(message.salt, body)
    why = "" if trace is None else trace.canonical()
    entry = records.of_message(tx.next_entry(), exchange, message, direction, committed=committed, trace=why, now=now)
    tx.append(entry, new_salt(), trace_salt=new_salt())


def record_act(
    tx: Transaction,
    exchange: Exchange,
    event: str,
    *,
    article: str,
    note: str,
    trace: Trace | None = None,
    now: datetime,
) -> None:
    """Record an act of our own in the transaction of its effect, with how it was decided."""
    why = "" if trace is None else trace.canonical()
    entry = records.of_act(tx.next_entry(), exchange, event, article=article, note=note, trace=why, now=now)
    tx.append(entry, new_salt(), trace_salt=new_salt())


def remark(tx: Transaction, exchange: Exchange, probe: Iterable[Template], now: datetime) -> None:
    """Record what stands out in a query for whoever looks after Article 4(3); of the prints, that there were ten rolled ones.

    It says nothing of the answer, and is not part of it.
    """
    if not exchange.identified and prints.ten_rolled(probe):
        note = anomalies.UNIDENTIFIED_ROLLED
        record_act(tx, exchange, anomalies.REMARK, article="4(2)", note=note, now=now)


def noted(here: Installation, tx: Transaction, exchange: Exchange, now: datetime) -> None:
    """Let the term begin anew with what was recorded in the transaction without a step: Article 11(3).

    Where no arrangement is in force, the worker sees it when the term ends.
    """
    with suppress(NoArrangementError):
        due.noted(tx, exchange, here.settings.arrangement(now), now)


def step(here: Installation, tx: Transaction, before: Exchange, exchange: Exchange, now: datetime) -> None:
    """Store what a received message made of an exchange; one that changed nothing is an event all the same (Article 11(3))."""
    if exchange == before:
        noted(here, tx, exchange, now)
    else:
        tx.step(exchange, before=before.state)


# Sending


def commit_message(
    tx: Transaction,
    exchange: Exchange,
    message: Message,
    *,
    before: State | None,
    reason: tuple[str, str] | None = None,
    trace: Trace | None = None,
    now: datetime,
) -> bytes:
    """Store a step together with the message that tells the other side, and return the message's bytes.

    Once this is durable the message will be sent, now or by :func:`~contact_point.delivery.resume`, and answered once.
    """
    body = wire.encode(message)
    if before is None:
        tx.open(exchange, reason=reason)
    else:
        tx.step(exchange, before=before)
    tx.hold(exchange.control_number, Content.MESSAGE, body, number=message.control_number)
    record(tx, exchange, message, body, Direction.PROVIDED, now, trace=trace)
    return body


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


def referred(tx: Transaction, reference: str, side: Side | None = None) -> Exchange:
    """Return the exchange of a reference number; with ``side``, only one in which we are on that side.

    Raises:
        NotAMatchError: there is none.

    """
    try:
        exchange = tx.exchange_of(reference)
    except UnknownExchangeError:
        exchange = None
    if exchange is None or side not in {None, exchange.side}:
        role = "" if side is None else f", in which this contact point is the {side} one"
        raise NotAMatchError(
            f"{reference!r} is not the reference number of a match, or of information without request{role}: use the number "
            "that came with it"
        )
    return exchange


def readable(tx: Transaction, exchange: Exchange) -> list[Held]:
    """Return what is held for an exchange and still permitted: what is on its way to being destroyed is read by nobody."""
    permitted = duties.permitted(exchange)
    return [each for each in tx.held(exchange.control_number) if each.kind in permitted]


# Items of information, as they are stored


def items_text(items: Sequence[Item]) -> bytes:
    """Return items as they are stored."""
    return json.dumps([[item.kind, item.value, item.note] for item in items], ensure_ascii=False).encode()


def read_items(text: bytes) -> tuple[Item, ...]:
    """Return items as they were stored."""
    return tuple(Item(*stored) for stored in json.loads(text))


def information_text(items: Sequence[Item], conditions: Sequence[Condition]) -> bytes:
    """Return provided information as it is stored: the conditions that bind it stay with it (Article 8(8))."""
    stored = {
        "items": [[item.kind, item.value, item.note] for item in items],
        "conditions": [[condition.text, condition.forbids] for condition in conditions],
    }
    return json.dumps(stored, ensure_ascii=False).encode()


def read_information(text: bytes) -> tuple[tuple[Item, ...], tuple[Condition, ...]]:
    """Return provided information as it was stored, with the conditions that bind it."""
    stored = json.loads(text)
    items = tuple(Item(*each) for each in stored["items"])
    return items, tuple(Condition(words, tuple(forbids)) for words, forbids in stored["conditions"])


def hold_reasons(tx: Transaction, exchange: Exchange, reply: Reply) -> None:
    """Keep what a reply refuses and why, on either side and without what it gives, so that a person can read it (5(5))."""
    if reply.refusals:
        reasons = wire.encode(replace(reply, items=(), offered=(), conditions=()))
        tx.hold(exchange.control_number, Content.CORRESPONDENCE, reasons, number=reply.control_number)


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


def update(here: Installation, name: str, particulars: str) -> None:
    """State anew what is known of a person of our own gallery: it counts from the next query on; the history is kept.

    Raises:
        SubjectError: nobody of that name is enrolled.
        ParticularsError: the particulars are not those of a person.

    """
    stated = read_particulars(particulars)
    with here.store.transaction() as tx:
        before = dispositions.read_kept(tx.particulars(name))
        tx.update(name, dispositions.write_kept(dispositions.restated(before, stated, here.clock())))


def remove(here: Installation, name: str) -> None:
    """Remove a person from our own gallery and destroy the key of the prints.

    Raises:
        SubjectError: nobody of that name is enrolled.

    """
    with here.store.transaction() as tx:
        slots = withdraw(tx, [name])
    destroy_removed(here, slots)


def withdraw(tx: Transaction, names: Iterable[str]) -> list[int]:
    """Take persons out of our own gallery and return the slots of their keys, whose destruction is written down as due.

    No query finds them once this is durable; :func:`destroy_removed` follows at once. A process that dies in between leaves
    the keys to the worker of a running service, or to the next start.

    Raises:
        SubjectError: nobody of one of the names is enrolled.

    """
    slots = [tx.remove(name) for name in names]
    for slot in slots:
        tx.plan("", f"{due.REMOVED}{slot}", due.AT_ONCE)
    return slots


def destroy_removed(here: Installation, slots: Sequence[int]) -> None:
    """Destroy the keys of persons who were taken out of our own gallery, and forget that it was to be done."""
    here.store.destroy_prints(slots)
    with here.store.transaction() as tx:
        for slot in slots:
            tx.plan("", f"{due.REMOVED}{slot}", None)
    here.store.checkpoint()
