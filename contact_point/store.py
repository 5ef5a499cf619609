"""What is stored: exchanges, the record, and ciphertext. The only module that speaks SQL.

Content (prints, items, notifications, messages on their way) rests as AES-256-GCM ciphertext; its key lies in a slot file
beside the database, never in a table. A transaction writes keys first, rows after: if it fails its keys are destroyed, and
if the process dies in between, :meth:`Store.recover` finds keys that no row names. Destruction runs the other way: the slot
is overwritten first, the row deleted after, so the duty is met even where the database can no longer be written.

SQLite runs in WAL mode with synchronous FULL and secure_delete; every writing transaction takes the write lock at once
(BEGIN IMMEDIATE), so what it reads cannot change before it writes. Exactly-once rests on primary keys all the same.
"""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contact_point.keys import KeyDestroyedError, KeysError, KeySlots, new_key, seal, unseal
from pcsc import records
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Exchange, Side, State
from pcsc.records import Entry, Recorded

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from pcsc.messages import Search

_TABLES: Final = MetaData()

_EXCHANGE = Table(
    "exchange",
    _TABLES,
    Column("control_number", String, primary_key=True),
    Column("side", String, nullable=False),
    Column("state", String, nullable=False),
    Column("opened_on", String, nullable=False, index=True),
    # What a query searches with, for the quotas of Article 4(7); empty where no query opened the exchange.
    Column("search", String, nullable=False),
    Column("reference", String, unique=True),
    # Digests of the reason that was stated and of its case: the same words for two cases are no reason (4(3), 6).
    Column("reason", String, index=True),
    Column("reason_case", String),
    # Whose prints matched: known on the queried side alone, and never sent.
    Column("subject", String),
    # The exchange itself holds purposes and results in words: it rests under a key of its own, and so do its traces.
    Column("slot", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
_CONTENT = Table(
    "content",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("exchange", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("number", String, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("exchange", "kind", "number"),
)
_ENTRY = Table(
    "entry",
    _TABLES,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("exchange", String, index=True),
    Column("body", Text),
    Column("salt", String),
    Column("leaf", String, nullable=False),
    Column("link", String, nullable=False),
    # How it was decided, which the body commits to and does not hold; under the key of the exchange.
    Column("trace", LargeBinary),
)
_RECEIVED = Table(
    "received",
    _TABLES,
    Column("message", String, primary_key=True),
    Column("exchange", String, nullable=False),
    Column("commitment", String, nullable=False),
    Column("answer", String, nullable=False),
)
_NONCE = Table(
    "nonce",
    _TABLES,
    Column("nonce", String, primary_key=True),
    Column("until", String, nullable=False, index=True),
)
_SUBJECT = Table(
    "subject",
    _TABLES,
    Column("name", String, primary_key=True),
    Column("revision", Integer, nullable=False, index=True),
    Column("slot", BigInteger),
    Column("sealed", LargeBinary),
)
_IMPRESSION = Table(
    "impression",
    _TABLES,
    Column("subject", String, primary_key=True),
    Column("finger", Integer, primary_key=True, autoincrement=False),
    Column("template", LargeBinary, nullable=False),
    Column("image", LargeBinary),
)

_STORED_EXCHANGE: Final = TypeAdapter(Exchange)
_STORED_ENTRY: Final = TypeAdapter(Entry)
_SALT_DIGITS: Final = 64  # of the salt that a trace begins with


class StoreError(Exception):
    """Something cannot be stored or is not there."""


class UnknownExchangeError(StoreError):
    """No exchange has this number."""


class ContentGoneError(StoreError):
    """Content that is not held: it was destroyed, or never was here."""


class AlreadyReceivedError(StoreError):
    """A message with this control number was received before."""


class ReplayError(StoreError):
    """A signed request came a second time."""


class SubjectError(StoreError):
    """A subject of the gallery is enrolled already, or is not enrolled."""


@dataclass(frozen=True, slots=True)
class Held:
    """One piece of content that is held, without its bytes."""

    id: int
    exchange: str
    kind: Content
    number: str
    slot: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message received before: what it committed to, and which content of its exchange was the answer."""

    exchange: str
    commitment: str
    answer: Content


@dataclass(frozen=True, slots=True)
class Impression:
    """One print of a subject: the template as ISO/IEC 19794-2, which tells who found the minutiae, and any image as PNG."""

    template: bytes
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One person of the gallery: a name that means something only here, particulars as JSON, prints in order of enrolment."""

    name: str
    particulars: str
    impressions: tuple[Impression, ...]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person of the gallery as a search needs them: each print by its number and template, and whether an image is held."""

    particulars: str
    prints: tuple[tuple[int, bytes, bool], ...]


class Store:
    """The database and the two slot files of one installation. Thread-safe; several processes may use it at once."""

    def __init__(self, database: Path, exchange_slots: KeySlots, gallery_slots: KeySlots) -> None:
        """Open an existing database, or make its tables in an empty one."""
        database.touch(mode=0o600)  # nobody else reads it, whatever the folder allows (Art. 9)
        self._engine = _engine(database)
        self._slots = exchange_slots
        self._gallery = gallery_slots
        _TABLES.create_all(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Do everything inside, durably, or nothing.

        Raises:
            RecordError: the database cannot be written; nothing was done, and nothing may be answered (Article 11(1)).

        """
        put: dict[KeySlots, list[int]] = {self._slots: [], self._gallery: []}
        try:
            with self._engine.begin() as connection:
                yield Transaction(connection, self._slots, self._gallery, put)
        except BaseException as error:
            self._destroy_unnamed(put)
            if isinstance(error, OperationalError | PoolTimeoutError):
                reason = error.orig if isinstance(error, OperationalError) else "too many want to write at once"
                raise RecordError(
                    f"the record cannot be written ({reason}), so nothing was done: make room or repair the disk, then "
                    "try again"
                ) from None
            raise

    def _destroy_unnamed(self, put: dict[KeySlots, list[int]]) -> None:
        """Destroy the keys of a transaction that did not come about; an interruption just after its commit spares them."""
        with contextlib.suppress(SQLAlchemyError), self._engine.begin() as connection:
            after = Transaction(connection, self._slots, self._gallery, {})
            for slots, tables in ((self._slots, (_CONTENT, _EXCHANGE)), (self._gallery, (_SUBJECT,))):
                slots.destroy(set(put[slots]) - after.slots(*tables))

    def destroy_exchange(self, slot: int) -> None:
        """Destroy the key that an erased exchange and its traces rested under."""
        self._slots.destroy([slot])

    def destroy(self, held: Sequence[Held]) -> None:
        """Destroy keys in place; the rows are for :meth:`Transaction.forget` afterwards. Works on a full disk."""
        self._slots.destroy([each.slot for each in held])

    def destroy_prints(self, slots: Sequence[int]) -> None:
        """Destroy the keys of persons removed from the gallery."""
        self._gallery.destroy(slots)

    def recover(self) -> int:
        """Destroy keys that no row names, left by a process that died while writing; return how many there were.

        Where one died between the key and the row of a message that had arrived, the row goes too. Rows of other destroyed
        content stay: they owe the record an entry, which their disposal writes.
        """
        with self.transaction() as tx:  # the write lock: nobody is between a key and its row
            live = self._slots.live()
            orphans = live - tx.slots(_CONTENT, _EXCHANGE)
            strays = self._gallery.live() - tx.slots(_SUBJECT)
            tx.forget([each for each in tx.held() if each.kind is Content.MESSAGE and each.slot not in live])
            return self._slots.destroy(orphans) + self._gallery.destroy(strays)

    def checkpoint(self) -> bool:
        """Move deletions from the write-ahead log into the database; return whether the log is empty now.

        A reader in another process can prevent it; the next checkpoint then does it.
        """
        connection = self._engine.raw_connection()
        try:
            busy = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            connection.close()
        return not busy


def _engine(database: Path) -> Engine:
    # hide_parameters: an error's text must not carry what was bound (Article 9).
    engine = create_engine(f"sqlite:///{database}", hide_parameters=True, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class Transaction:
    """What can be read and written in one transaction; made by :meth:`Store.transaction`."""

    def __init__(
        self, connection: Connection, slots: KeySlots, gallery: KeySlots, put: dict[KeySlots, list[int]]
    ) -> None:
        self._connection = connection
        self._slots = slots
        self._gallery = gallery
        self._put = put

    # Exchanges

    def exchange(self, control_number: str) -> Exchange:
        """Return an exchange by the control number of its query."""
        return self._exchange(_EXCHANGE.c.control_number == control_number, control_number)

    def has_exchange(self, control_number: str) -> bool:
        """Whether there is an exchange of this number."""
        where = _EXCHANGE.c.control_number == control_number
        return self._connection.execute(select(_EXCHANGE.c.state).where(where)).scalar() is not None

    def exchange_of(self, reference: str) -> Exchange:
        """Return an exchange by the reference number of its match."""
        return self._exchange(_EXCHANGE.c.reference == reference, reference)

    def _exchange(self, where: object, named: str) -> Exchange:
        rows = select(_EXCHANGE.c.control_number, _EXCHANGE.c.slot, _EXCHANGE.c.sealed)
        row = self._connection.execute(rows.where(where)).first()  # type: ignore[arg-type]
        if row is None:
            raise UnknownExchangeError(
                f"there is no exchange {named!r} here: `pcsc inbox --all` lists the control and reference numbers"
            )
        return self._unsealed(row)

    def _unsealed(self, row: Any) -> Exchange:
        """Return the exchange that a row holds."""
        text = unseal(self._slots.get(row.slot), row.sealed, bound_to=_exchange_place(row.control_number))
        return _STORED_EXCHANGE.validate_json(text)

    def exchanges(self) -> list[Exchange]:
        """Return every exchange, oldest first."""
        rows = select(_EXCHANGE).order_by(_EXCHANGE.c.opened_on, _EXCHANGE.c.control_number)
        found = [self._unsealed(row) for row in self._connection.execute(rows)]
        return sorted(found, key=lambda exchange: exchange.opened_at)

    def open(self, exchange: Exchange, *, subject: str | None = None, reason: tuple[str, str] | None = None) -> None:
        """Store a new exchange; ``reason`` is the digest of the reason that was stated for it, and that of its case.

        Raises:
            AlreadyReceivedError: there is an exchange of this control number.

        """
        key = new_key()
        slot = self._key(self._slots, [key])[0]
        row = _row(exchange, key) | {
            "slot": slot,
            "control_number": exchange.control_number,
            "side": exchange.side.value,
            "opened_on": exchange.opened_at.date().isoformat(),
            "search": exchange.search or "",
            "subject": subject,
            "reason": None if reason is None else reason[0],
            "reason_case": None if reason is None else reason[1],
        }
        try:
            self._connection.execute(_EXCHANGE.insert(), row)
        except IntegrityError:
            raise AlreadyReceivedError(f"an exchange {exchange.control_number} is there already") from None

    def step(self, exchange: Exchange, *, before: State) -> None:
        """Store an exchange after a step.

        Raises:
            StoreError: it is no longer in the state that the step started from, or its reference number is another's.

        """
        here = (_EXCHANGE.c.control_number == exchange.control_number) & (_EXCHANGE.c.state == before.value)
        key = self._key_of(exchange.control_number)
        try:
            done = self._connection.execute(_EXCHANGE.update().where(here), _row(exchange, key))
        except IntegrityError:
            raise StoreError(
                f"the reference number of exchange {exchange.control_number} was given for another match before; each match "
                "has its own (Art. 4(4)): tell the other contact point"
            ) from None
        if done.rowcount != 1:
            raise StoreError(
                f"exchange {exchange.control_number} was moved on by someone else meanwhile: look at it again"
            )

    def _key_of(self, control_number: str) -> bytes:
        """Return the key that an exchange rests under."""
        where = _EXCHANGE.c.control_number == control_number
        slot: int | None = self._connection.execute(select(_EXCHANGE.c.slot).where(where)).scalar()
        if slot is None:
            raise UnknownExchangeError(f"there is no exchange {control_number!r} here")
        return self._slots.get(slot)

    def subject_of(self, control_number: str) -> str | None:
        """Return whose prints matched in an exchange that we answered."""
        where = _EXCHANGE.c.control_number == control_number
        return self._connection.execute(select(_EXCHANGE.c.subject).where(where)).scalar()

    def matched(self, subject: str) -> list[Exchange]:
        """Return every exchange that we answered with the prints of a person: whom a correction concerns (Article 10(1))."""
        where = _EXCHANGE.c.subject == subject
        rows = self._connection.execute(select(_EXCHANGE).where(where).order_by(_EXCHANGE.c.control_number))
        return [self._unsealed(row) for row in rows]

    def queries_on(self, day: str, side: Side, search: Search) -> int:
        """Count the queries of a kind made (or answered) on a UTC day, given as 2026-11-22."""
        where = (_EXCHANGE.c.opened_on == day) & (_EXCHANGE.c.side == side.value) & (_EXCHANGE.c.search == search.value)
        return self._connection.execute(select(func.count()).select_from(_EXCHANGE).where(where)).scalar_one()

    def said_elsewhere(self, reason: tuple[str, str]) -> int:
        """Count the exchanges of other cases that were opened with the same reason, word for word."""
        where = (_EXCHANGE.c.reason == reason[0]) & (_EXCHANGE.c.reason_case != reason[1])
        return self._connection.execute(select(func.count()).select_from(_EXCHANGE).where(where)).scalar_one()

    # Content

    def hold(self, exchange: str, kind: Content, content: bytes, *, number: str = "") -> None:
        """Store content under a key of its own; ``number`` tells pieces of the same kind apart.

        Raises:
            StoreError: such a piece is held already.

        """
        key = new_key()
        slot = self._key(self._slots, [key])[0]
        sealed = seal(key, content, bound_to=_place(exchange, kind, number))
        row = {"exchange": exchange, "kind": kind.value, "number": number, "slot": slot, "sealed": sealed}
        try:
            self._connection.execute(_CONTENT.insert(), row)
        except IntegrityError:
            raise StoreError(f"exchange {exchange} holds such a {kind} already: it is not written over") from None

    def content(self, exchange: str, kind: Content, *, number: str = "") -> bytes:
        """Return content that is held.

        Raises:
            ContentGoneError: it is not.

        """
        where = (_CONTENT.c.exchange == exchange) & (_CONTENT.c.kind == kind.value) & (_CONTENT.c.number == number)
        row = self._connection.execute(select(_CONTENT.c.slot, _CONTENT.c.sealed).where(where)).first()
        gone = ContentGoneError(f"no {kind} is held for exchange {exchange}: it was destroyed when its time came")
        if row is None:
            raise gone
        try:
            key = self._slots.get(row.slot)
        except KeyDestroyedError:  # destroyed a moment ago, or by a process that died before it deleted the row
            raise gone from None
        return unseal(key, row.sealed, bound_to=_place(exchange, kind, number))

    def held(self, exchange: str | None = None) -> list[Held]:
        """Return what is held, for one exchange or for all."""
        rows = select(_CONTENT.c.id, _CONTENT.c.exchange, _CONTENT.c.kind, _CONTENT.c.number, _CONTENT.c.slot)
        if exchange is not None:
            rows = rows.where(_CONTENT.c.exchange == exchange)
        found = self._connection.execute(rows.order_by(_CONTENT.c.id))
        return [Held(row.id, row.exchange, Content(row.kind), row.number, row.slot) for row in found]

    def forget(self, held: Sequence[Held]) -> None:
        """Delete the rows of destroyed content."""
        # By slot, whose number never comes again: SQLite gives the id of a deleted row to the next one.
        self._connection.execute(_CONTENT.delete().where(_CONTENT.c.slot.in_([each.slot for each in held])))

    def slots(self, *tables: Table) -> frozenset[int]:
        """Return every slot that rows of these tables name."""
        found = (slot for table in tables for (slot,) in self._connection.execute(select(table.c.slot)))
        return frozenset(slot for slot in found if slot is not None)

    def _key(self, slots: KeySlots, keys: Sequence[bytes]) -> list[int]:
        """Put keys that are destroyed again if this transaction fails."""
        numbers = slots.put(keys)
        self._put[slots] += numbers
        return numbers

    # The record

    def next_entry(self) -> int:
        """Return the number of the next entry."""
        last = self._connection.execute(select(func.max(_ENTRY.c.number))).scalar()
        return 0 if last is None else last + 1

    def append(self, entry: Entry, salt: str, *, trace_salt: str = "") -> None:
        """Append an entry to the record; both salts are fresh and random. A trace rests apart, and the entry commits to it."""
        trace = None
        if entry.trace:
            text = f"{trace_salt}{entry.trace}".encode()
            trace = seal(self._key_of(entry.exchange), text, bound_to=_trace_place(entry.number))
            entry = replace(entry, trace=records.commitment(trace_salt, entry.trace.encode()))
        before = self._connection.execute(_ENTRY.select().where(_ENTRY.c.number == entry.number - 1)).first()
        place = records.append(None if before is None else _recorded(before), entry, salt)
        row = {"number": place.number, "exchange": entry.exchange, "body": place.body}
        row |= {"salt": place.salt, "leaf": place.leaf, "link": place.link, "trace": trace}
        self._connection.execute(_ENTRY.insert(), row)

    def record(self) -> Iterator[Recorded]:
        """Yield the record from its first entry."""
        for row in self._connection.execute(_ENTRY.select().order_by(_ENTRY.c.number)):
            yield _recorded(row)

    def entries(self, exchange: str | None = None) -> Iterator[Entry]:
        """Yield the entries whose term has not ended, of one exchange or of all; ``trace`` is the commitment to one.

        :meth:`trace` returns the trace itself.
        """
        rows = select(_ENTRY.c.body).where(_ENTRY.c.body.is_not(None)).order_by(_ENTRY.c.number)
        if exchange is not None:
            rows = rows.where(_ENTRY.c.exchange == exchange)
        for (body,) in self._connection.execute(rows):
            yield _STORED_ENTRY.validate_json(body)

    def trace(self, entry: Entry) -> str:
        """Return the trace that an entry commits to; empty where nothing was decided.

        Raises:
            RecordError: it is not there, or is not the one that was committed to.

        """
        if not entry.trace:
            return ""
        sealed = self._connection.execute(select(_ENTRY.c.trace).where(_ENTRY.c.number == entry.number)).scalar()
        text = "" if sealed is None else self._trace_text(entry, sealed)
        if not text or records.commitment(text[:_SALT_DIGITS], text[_SALT_DIGITS:].encode()) != entry.trace:
            raise RecordError(f"the trace of entry {entry.number} was changed: the entry commits to another one")
        return text[_SALT_DIGITS:]

    def _trace_text(self, entry: Entry, sealed: bytes) -> str:
        try:
            return unseal(self._key_of(entry.exchange), sealed, bound_to=_trace_place(entry.number)).decode()
        except KeysError:
            return ""  # sealed with another key, or for another place

    def erase(self, exchange: str) -> int | None:
        """Erase an exchange whose term has ended: its entries, what is known of its messages, and itself (Article 11(3)).

        The places of its entries stay, so that the record still verifies. What was held for it is to be destroyed first.
        Return the slot that the exchange and its traces rested under, to be destroyed.
        """
        slot = self._connection.execute(select(_EXCHANGE.c.slot).where(_EXCHANGE.c.control_number == exchange)).scalar()
        where = _ENTRY.c.exchange == exchange
        places = [_recorded(row) for row in self._connection.execute(_ENTRY.select().where(where)).all()]
        for place in map(records.expire, places):
            emptied = {"exchange": None, "body": place.body, "salt": place.salt, "trace": None}
            self._connection.execute(_ENTRY.update().where(_ENTRY.c.number == place.number), emptied)
        self._connection.execute(_RECEIVED.delete().where(_RECEIVED.c.exchange == exchange))
        self._connection.execute(_EXCHANGE.delete().where(_EXCHANGE.c.control_number == exchange))
        return slot

    # Messages received

    def received(self, message: str) -> Received | None:
        """Return what is known of a message received before, or None."""
        row = self._connection.execute(_RECEIVED.select().where(_RECEIVED.c.message == message)).first()
        return None if row is None else Received(row.exchange, row.commitment, Content(row.answer))

    def receive(self, message: str, received: Received) -> None:
        """Note that a message was received.

        Raises:
            AlreadyReceivedError: it was before.

        """
        row = {"message": message, "exchange": received.exchange, "commitment": received.commitment}
        try:
            self._connection.execute(_RECEIVED.insert(), row | {"answer": received.answer.value})
        except IntegrityError:
            raise AlreadyReceivedError(f"message {message} was received before") from None

    def use_nonce(self, nonce: str, *, until: datetime, now: datetime) -> None:
        """Use up the nonce of a signature that is fresh ``until`` then.

        Raises:
            ReplayError: it was used before.

        """
        self._connection.execute(_NONCE.delete().where(_NONCE.c.until < now.isoformat()))
        try:
            self._connection.execute(_NONCE.insert(), {"nonce": nonce, "until": until.isoformat()})
        except IntegrityError:
            raise ReplayError(
                "this signed request came before: a request is sent once; to ask again, sign it again with a new nonce"
            ) from None

    # The gallery

    def enrol(self, subjects: Iterable[Subject]) -> None:
        """Store persons with their prints, each under a key of its own.

        Raises:
            SubjectError: one of them is enrolled already, or has no print.

        """
        subjects = list(subjects)
        if bare := [subject.name for subject in subjects if not subject.impressions]:
            raise SubjectError(f"{bare[0]!r} has no print: nobody could be searched for there; enrol at least one")
        names = [subject.name for subject in subjects]
        if not all(name.strip() for name in names):
            raise SubjectError("a person is enrolled under a name that means something here; an empty one came")
        if taken := sorted(self.names() & set(names)) or sorted({n for n in names if names.count(n) > 1}):
            raise SubjectError(f"{taken[0]!r} is enrolled already: remove the person first, or choose another name")
        keys = [new_key() for _ in subjects]
        revision = self.revision() + 1
        for name in self._removed() & set(names):
            self._connection.execute(_SUBJECT.delete().where(_SUBJECT.c.name == name))
        for subject, key, slot in zip(subjects, keys, self._key(self._gallery, keys), strict=True):
            sealed = seal(key, subject.particulars.encode(), bound_to=f"subject/{subject.name}")
            row = {"name": subject.name, "revision": revision, "slot": slot, "sealed": sealed}
            self._connection.execute(_SUBJECT.insert(), row)
            prints = [_impression(subject.name, key, at, each) for at, each in enumerate(subject.impressions)]
            self._connection.execute(_IMPRESSION.insert(), prints)

    def update(self, name: str, particulars: str) -> None:
        """Replace what is known of a person, prints apart; a running service notices at its next query.

        Raises:
            SubjectError: nobody of that name is enrolled.

        """
        sealed = seal(self._gallery.get(self._slot_of(name)), particulars.encode(), bound_to=f"subject/{name}")
        changed = {"sealed": sealed, "revision": self.revision() + 1}
        self._connection.execute(_SUBJECT.update().where(_SUBJECT.c.name == name), changed)

    def remove(self, name: str) -> int:
        """Remove a person from the gallery and return the slot to destroy; a running service notices at its next query.

        Raises:
            SubjectError: nobody of that name is enrolled.

        """
        slot = self._slot_of(name)
        self._connection.execute(_IMPRESSION.delete().where(_IMPRESSION.c.subject == name))
        gone = {"slot": None, "sealed": None, "revision": self.revision() + 1}
        self._connection.execute(_SUBJECT.update().where(_SUBJECT.c.name == name), gone)
        return slot

    def names(self) -> frozenset[str]:
        """Return the names of all who are enrolled; nothing is decrypted for it."""
        return frozenset(
            self._connection.execute(select(_SUBJECT.c.name).where(_SUBJECT.c.slot.is_not(None))).scalars()
        )

    def revision(self) -> int:
        """Return the number of the gallery's last change."""
        return cast("int | None", self._connection.execute(select(func.max(_SUBJECT.c.revision))).scalar()) or 0

    def changed_since(self, revision: int) -> Iterator[tuple[str, Enrolled | None]]:
        """Yield each person enrolled after a revision, or None in place of one removed."""
        rows = self._connection.execute(
            _SUBJECT.select().where(_SUBJECT.c.revision > revision).order_by(_SUBJECT.c.name)
        )
        for row in rows.all():
            yield row.name, None if row.slot is None else self._enrolled(row.name, row.slot, row.sealed)

    def particulars(self, name: str) -> str:
        """Return the particulars of a person as JSON."""
        row = self._connection.execute(_SUBJECT.select().where(_SUBJECT.c.name == name)).first()
        if row is None or row.slot is None:
            raise SubjectError(f"{name!r} is not enrolled")
        return unseal(self._gallery.get(row.slot), row.sealed, bound_to=f"subject/{name}").decode()

    def image(self, name: str, finger: int) -> bytes | None:
        """Return the image of a person's print as PNG, or None where only a template was enrolled."""
        where = (_IMPRESSION.c.subject == name) & (_IMPRESSION.c.finger == finger)
        sealed = self._connection.execute(select(_IMPRESSION.c.image).where(where)).scalar()
        if sealed is None:
            return None
        return unseal(self._gallery.get(self._slot_of(name)), sealed, bound_to=_print_place(name, finger, "image"))

    def _removed(self) -> set[str]:
        return set(self._connection.execute(select(_SUBJECT.c.name).where(_SUBJECT.c.slot.is_(None))).scalars())

    def _slot_of(self, name: str) -> int:
        slot: int | None = self._connection.execute(select(_SUBJECT.c.slot).where(_SUBJECT.c.name == name)).scalar()
        if slot is None:
            raise SubjectError(f"{name!r} is not enrolled")
        return slot

    def _enrolled(self, name: str, slot: int, sealed: bytes) -> Enrolled:
        key = self._gallery.get(slot)
        held = _IMPRESSION.c.image.is_not(None).label("held")
        rows = self._connection.execute(
            select(_IMPRESSION.c.finger, _IMPRESSION.c.template, held)
            .where(_IMPRESSION.c.subject == name)
            .order_by(_IMPRESSION.c.finger)
        )
        prints = tuple(
            (row.finger, unseal(key, row.template, bound_to=_print_place(name, row.finger, "template")), bool(row.held))
            for row in rows
        )
        return Enrolled(unseal(key, sealed, bound_to=f"subject/{name}").decode(), prints)


def _row(exchange: Exchange, key: bytes) -> dict[str, object]:
    """Return the columns of an exchange that a step can change."""
    text = _STORED_EXCHANGE.dump_json(exchange)
    sealed = seal(key, text, bound_to=_exchange_place(exchange.control_number))
    return {"state": exchange.state.value, "reference": exchange.reference, "sealed": sealed}


def _exchange_place(exchange: str) -> str:
    """Return what a sealed exchange is bound to."""
    return f"exchange/{exchange}"


def _trace_place(entry: int) -> str:
    """Return what a sealed trace is bound to."""
    return f"entry/{entry}/trace"


def _recorded(row: object) -> Recorded:
    """Return the place that a row of the record holds."""
    place = cast("Recorded", row)
    return Recorded(place.number, place.body, place.salt, place.leaf, place.link)


def _place(exchange: str, kind: Content, number: str) -> str:
    """Return what sealed content is bound to: moved to another row, it does not open."""
    return f"exchange/{exchange}/{kind.value}/{number}"


def _print_place(subject: str, finger: int, what: str) -> str:
    """Return what a sealed print is bound to."""
    return f"subject/{subject}/{finger}/{what}"


def _impression(subject: str, key: bytes, finger: int, impression: Impression) -> dict[str, object]:
    """Return the row of a print."""
    image = impression.image
    return {
        "subject": subject,
        "finger": finger,
        "template": seal(key, impression.template, bound_to=_print_place(subject, finger, "template")),
        "image": None if image is None else seal(key, image, bound_to=_print_place(subject, finger, "image")),
    }
