"""What is stored: exchanges, the record, and ciphertext. The only package that speaks SQL.

Content (prints, items, notifications, messages on their way) rests as AES-256-GCM ciphertext; its key lies in a slot file
beside the database, never in a table. So does an exchange with its record, under one key, in a slot file of its own.

What of that may be copied (Articles 8, 11(3)): never the slots of prints. Where a token wraps the keys, a copy of record.slots
opens nothing any more after the next rotation, a day later at most: what is kept is `pcsc backup`
(:mod:`contact_point.backup`).
Where a file does (.kek), a copy of database, record.slots and .kek opens the record for as long as it exists: it is entered
with `pcsc record copies --add`, and ends with the first term in it.

A transaction writes keys first, rows after: if it fails its keys are destroyed, and if the process dies in between,
:meth:`Store.recover` finds keys that no row names. Destruction of content runs the other way: the slot is overwritten first,
the row deleted after, so the duty is met even where the database can no longer be written.

In reading order:

- :mod:`~contact_point.store.tables`: what is stored, and what of it in clear;
- :mod:`~contact_point.store.database`: what is asked of a database: :mod:`~contact_point.store.sqlite`, a file of the
  installation, or :mod:`~contact_point.store.postgresql`, a server. On either, one transaction at a time;
- :mod:`~contact_point.store.revision` and :mod:`~contact_point.store.migrations`: whose tables these are, and how they become
  those of another version;
- :mod:`~contact_point.store.opening`: which database it is, and how a transaction begins and fails;
- :mod:`~contact_point.store.part`: what each part of a transaction stands on;
- :mod:`~contact_point.store.exchanges`, :mod:`~contact_point.store.contents`, :mod:`~contact_point.store.record`,
  :mod:`~contact_point.store.notes`, :mod:`~contact_point.store.due`, :mod:`~contact_point.store.messages`,
  :mod:`~contact_point.store.gallery`, :mod:`~contact_point.store.feeds`, :mod:`~contact_point.store.people`: the parts;
- here: the store, which gives transactions and destroys keys outside of them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import event, select

from contact_point.store.contents import Contents, Held
from contact_point.store.database import PATIENCE
from contact_point.store.due import Clock, Due, Dues
from contact_point.store.errors import (
    AlreadyReceivedError,
    ContentGoneError,
    ReplayError,
    StoreError,
    SubjectError,
    UnknownExchangeError,
    UnknownPersonError,
)
from contact_point.store.exchanges import UNREADABLE, Exchanges
from contact_point.store.feeds import Applied, Feeds
from contact_point.store.gallery import Enrolled, Gallery, Impression, Listed, Subject
from contact_point.store.messages import Messages, Received
from contact_point.store.notes import Copy, Notes
from contact_point.store.opening import LostError, begun, named, unwritten
from contact_point.store.people import Attempts, Passkey, People, Person, Proposal, Session, Viewing
from contact_point.store.record import Record
from contact_point.store.revision import confirm, is_at_head
from contact_point.store.tables import CONTENT, EXCHANGE, KEYS, PERSON, SUBJECT
from pcsc.duties import Content
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from contact_point.keys import KeySlots
    from pcsc.exchange import Exchange

__all__ = [
    "UNREADABLE",
    "AlreadyReceivedError",
    "Applied",
    "Attempts",
    "Clock",
    "ContentGoneError",
    "Copy",
    "Due",
    "Enrolled",
    "Held",
    "Impression",
    "Listed",
    "Passkey",
    "Person",
    "Proposal",
    "Received",
    "ReplayError",
    "Session",
    "Store",
    "StoreError",
    "Subject",
    "SubjectError",
    "Transaction",
    "UnknownExchangeError",
    "UnknownPersonError",
    "Viewing",
]


class Transaction(Exchanges, Contents, Record, Notes, Dues, Messages, Gallery, Feeds, People):
    """What can be read and written in one transaction; made by :meth:`Store.transaction`."""


class Store:
    """The database and the slot files of one installation. Thread-safe; several processes may use it at once."""

    def __init__(
        self,
        database: Path | str,
        exchange_slots: KeySlots,
        gallery_slots: KeySlots,
        record_slots: KeySlots | None = None,
        *,
        patience: float = PATIENCE,
        plan: Callable[[Transaction, Exchange], None] | None = None,
    ) -> None:
        """Open an existing database, or make its tables in an empty one.

        ``database`` is the path of an SQLite file, or the URL of a PostgreSQL database of its own. Without ``record_slots`` the
        keys of exchanges and their record lie with those of content. ``patience`` is how many seconds a lock, a statement
        and a connection are each waited for. ``plan`` writes down what is due in an exchange that took a step, in the
        transaction of the step: so no step is without it.

        Raises:
            StoreError: the URL is none, the tables are those of another version (`pcsc migrate`), or the keys are another
                database's.
            RecordError: the database cannot be opened.

        """
        self._database = named(database, patience)
        self._engine = self._database.engine
        self._slots = exchange_slots
        self._gallery = gallery_slots
        self._records = exchange_slots if record_slots is None else record_slots
        self._patience = patience
        self._plan = plan
        self._turn = threading.Lock()
        # Keys of transactions whose commit may or may not have come about: the next transaction sees which.
        self._doubtful: dict[KeySlots, set[int]] = {}
        try:
            self._check()
        except BaseException:
            self.close()  # whoever is refused is in nobody's way
            raise

    def _check(self) -> None:
        """Make the tables of an empty database; refuse one of another version, and keys of another one."""
        with self._begun(self._patience) as connection:
            if not is_at_head(connection):
                from contact_point.store import migrations  # noqa: PLC0415 - what it needs is loaded for a new database only

                migrations.make(connection)
            _check_keys(connection, {self._slots, self._gallery, self._records})
        event.listen(self._engine, "connect", confirm)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def warnings(self) -> list[str]:
        """Return what the database's settings give away or put at risk, a sentence each.

        Raises:
            RecordError: the database cannot be asked.

        """
        with self._begun(None) as connection:
            return self._database.warnings(connection)

    @contextmanager
    def transaction(self, *, waiting: bool = True) -> Iterator[Transaction]:
        """Do everything inside, durably, or nothing. One transaction is at work at a time, whoever began it.

        With ``waiting`` false it is refused at once where another one is at work, and otherwise after some seconds.

        Raises:
            RecordError: the database cannot be written; nothing was done, and nothing may be answered (Article 11(1)).

        """
        put: dict[KeySlots, list[int]] = {slots: [] for slots in (self._slots, self._gallery, self._records)}
        unnamed: dict[KeySlots, set[int]] = {}
        committing = False
        try:
            with self._in_turn(waiting=waiting) as wait, self._begun(wait) as connection:
                tx = Transaction(connection, self._slots, self._gallery, self._records, put)
                yield tx
                self._write_down(tx)
                unnamed = self._unnamed(tx)
                committing = True
        except BaseException as error:
            refused = isinstance(error, RecordError) and not isinstance(error, LostError)
            self._take_back(put, committing=committing, refused=refused)
            raise
        for slots, numbers in unnamed.items():
            slots.destroy(numbers)
            self._doubtful[slots] -= numbers

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read the record as it is at this moment, however long that takes, while others go on.

        What would be written inside is refused. An entry whose term ends meanwhile reads as one whose term has ended.

        Raises:
            RecordError: the database cannot be read, or something was to be written.

        """
        with self._begun(None) as connection:
            yield Transaction(connection, self._slots, self._gallery, self._records, {}, snapshot=True)

    def _write_down(self, tx: Transaction) -> None:
        """Write down what is due in every exchange that took a step."""
        if self._plan is not None:
            for exchange in tx.stepped.values():
                self._plan(tx, exchange)

    @contextmanager
    def _in_turn(self, *, waiting: bool) -> Iterator[float]:
        """Let the threads of this process take turns, which a database would not, and yield the seconds that are left."""
        since = monotonic()
        if not self._turn.acquire(timeout=self._patience if waiting else 0):
            raise unwritten("too many want to write at once")
        try:
            yield max(0.0, self._patience - (monotonic() - since)) if waiting else 0.0
        finally:
            self._turn.release()

    def _begun(self, wait: float | None) -> AbstractContextManager[Connection]:
        """Begin a transaction, waiting so many seconds for those of other processes; None is for one that only reads."""
        return begun(self._engine, wait, self._patience)

    def _take_back(self, put: dict[KeySlots, list[int]], *, committing: bool, refused: bool) -> None:
        """Destroy the keys of a transaction that did not come about; those of a commit in doubt wait until it is known.

        What a commit that was refused left in SQLite's log may still come back with a power cut, until the next one is written
        over it. Content without its key is content that is gone; an exchange without its key could not be read: that key waits.
        """
        for slots, numbers in put.items():
            if committing and not (refused and slots is not self._records):
                self._doubtful.setdefault(slots, set()).update(numbers)
            else:
                slots.destroy(numbers)

    def _unnamed(self, tx: Transaction) -> dict[KeySlots, set[int]]:
        """Return the keys in doubt that no row names, as their transaction did not come about; the others are in no doubt."""
        if not any(self._doubtful.values()):
            return {}
        named = tx.slots(CONTENT, EXCHANGE, PERSON, SUBJECT)
        for numbers in self._doubtful.values():
            numbers.difference_update(named)
        return {slots: set(numbers) for slots, numbers in self._doubtful.items()}

    def destroy_exchange(self, slot: int) -> None:
        """Destroy the key that an erased exchange and its record rested under."""
        self._records.destroy([slot])

    def destroy_person(self, slot: int) -> None:
        """Destroy the key that a forgotten person of the console rested under."""
        self._records.destroy([slot])

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
        with self.transaction() as tx:  # nobody else is between a key and its row
            live = self._slots.live()
            named = tx.slots(CONTENT, EXCHANGE, PERSON, SUBJECT)
            tx.forget([each for each in tx.held() if each.kind is Content.MESSAGE and each.slot not in live])
            files = {self._slots, self._gallery, self._records}
            return sum(slots.destroy(slots.live() - named) for slots in files)

    def checkpoint(self, *, records: bool = False) -> bool:
        """Move deletions from the write-ahead log into the database; return whether nothing of them is left outside of it.

        A reader in another process can prevent it; the next checkpoint then does it. On PostgreSQL the log is the server's, and
        what is in it of content is ciphertext whose key is gone. A record names its exchange in clear: with ``records`` that
        goes out of the files of the tables too (Article 11(3)); what it costs is said at :meth:`.PostgreSQL.purge`.
        """
        if not self._turn.acquire(timeout=self._patience):
            return False
        try:
            emptied = self._database.checkpoint()
        finally:
            self._turn.release()
        return emptied and (not records or self._database.purge())


def _check_keys(connection: Connection, files: set[KeySlots]) -> None:
    """Refuse keys that are of another database: recovery would destroy every one of them, and they would open nothing here.

    Raises:
        StoreError: the database knows other files of keys, or is new while there are keys in use.

    """
    known = set(connection.execute(select(KEYS.c.identity)).scalars())
    found = {slots.identity() for slots in files}
    if not known and not any(slots.live() for slots in files):
        connection.execute(KEYS.insert(), [{"identity": each} for each in sorted(found)])
    elif not known >= found:
        raise StoreError(
            f"this database and these keys do not belong together: it knows {len(known & found)} of {len(found)} files of "
            "keys. Nothing was changed. Is the database there, is its URL or folder the right one, was an installation copied "
            "in part?"
        )
