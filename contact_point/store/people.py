"""The people of the console: who they are, how they show it, their sessions, and what personal data each of them looked at.

A person rests under a key of their own in the slots of the record, which ends with them; what they looked at rests under the
key of its exchange, and ends with the record of that (Article 11(3)). Sessions, links and challenges are known by the digest of
what is shown for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from sqlalchemy import select

from contact_point.keys import KeyDestroyedError, SealError, new_key, seal, unseal
from contact_point.settings import Signed
from contact_point.store.errors import UnknownPersonError
from contact_point.store.part import Part
from contact_point.store.tables import ATTEMPT, EXCHANGE, ONCE, PASSKEY, PERSON, SESSION, VIEWING, moment

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person entered about another, and waits for a second one."""

    number: str
    """What it is confirmed by: another proposal has another number."""
    roles: tuple[str, ...] | None
    """The roles that the person is to hold; None where nothing but a new link is wanted."""
    entered: Signed


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works with the console, or is to, or did."""

    id: str
    """Random: it tells nothing, and is what others of the store name the person by."""
    name: str
    mail: str
    account: str = ""
    """Who they are at the organisation's identity provider (the claim ``sub``); empty where they are not known there."""
    roles: tuple[str, ...] = ()
    """In effect; none until a second person confirmed them."""
    since: datetime | None = None
    """When a second person confirmed that they are to work here."""
    hands: tuple[Signed, ...] = ()
    """Who entered, and who confirmed, what took effect last."""
    ended: Signed | None = None
    waiting: Proposal | None = None

    @property
    def works_here(self) -> bool:
        """Whether they may show who they are and go in."""
        return self.since is not None and self.ended is None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a person, as its registration left it."""

    credential: str
    """Its id in base64url, without padding."""
    person: str
    key: bytes
    """The public half, in COSE."""
    sign_count: int
    """How often it had signed when it was used last; 0 where the authenticator does not count."""
    added: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's session."""

    digest: str
    """SHA-256 of the id that the browser has, in hexadecimal."""
    person: str
    begun: datetime
    acted: datetime
    """When they last did something."""
    locked: bool
    language: str


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures in a row to show who one is."""

    failures: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Viewing:
    """That somebody was shown personal data of an exchange; ``shown`` says what kinds of it, never the data."""

    exchange: str
    person: str
    at: datetime
    shown: tuple[str, ...]


_STORED_PERSON: Final = TypeAdapter(Person)
_STORED_VIEWING: Final = TypeAdapter(tuple[datetime, tuple[str, ...]])


class People(Part):
    """The people in a transaction."""

    def add_person(self, person: Person) -> None:
        """Store a new person under a key of their own."""
        key = new_key()
        slot = self._key(self._records, [key])[0]
        row = {"id": person.id, "slot": slot, "sealed": _sealed_person(key, person)}
        self._connection.execute(PERSON.insert(), row)

    def change_person(self, person: Person) -> None:
        """Store what changed of a person.

        Raises:
            UnknownPersonError: nobody has this id.

        """
        slot: int | None = self._connection.execute(select(PERSON.c.slot).where(PERSON.c.id == person.id)).scalar()
        if slot is None:
            raise _unknown(person.id)
        sealed = _sealed_person(self._records.get(slot), person)
        self._connection.execute(PERSON.update().where(PERSON.c.id == person.id), {"sealed": sealed})

    def person(self, number: str) -> Person:
        """Return a person by id.

        Raises:
            UnknownPersonError: nobody has this id.

        """
        row = self._connection.execute(PERSON.select().where(PERSON.c.id == number)).first()
        if row is None:
            raise _unknown(number)
        return self._person(row)

    def people(self) -> list[Person]:
        """Return every person, also who is no longer here, by name; each is opened, which takes a key each."""
        found = [self._person(row) for row in self._connection.execute(PERSON.select()).all()]
        return sorted(found, key=lambda each: (each.name, each.id))

    def _person(self, row: Any) -> Person:
        sealed = unseal(self._records.get(row.slot), row.sealed, bound_to=_person_place(row.id))
        return _STORED_PERSON.validate_json(sealed)

    def forget_person(self, number: str) -> int:
        """Delete a person with all that is theirs; return the slot for :meth:`Store.destroy_person` once this is durable.

        Raises:
            UnknownPersonError: nobody has this id.

        """
        slot: int | None = self._connection.execute(select(PERSON.c.slot).where(PERSON.c.id == number)).scalar()
        if slot is None:
            raise _unknown(number)
        self.shut_out(number)
        self._connection.execute(PERSON.delete().where(PERSON.c.id == number))
        return slot

    def shut_out(self, person: str) -> None:
        """End every session, passkey and link of a person."""
        for table in (SESSION, PASSKEY, ONCE):
            self._connection.execute(table.delete().where(table.c.person == person))

    # How they show who they are

    def add_passkey(self, passkey: Passkey) -> bool:
        """Store a passkey, and return whether nobody had one of this id."""
        row = {
            "credential": passkey.credential,
            "person": passkey.person,
            "key": passkey.key,
            "sign_count": passkey.sign_count,
            "added": moment(passkey.added),
        }
        return self._insert_once(PASSKEY, row)

    def passkey(self, credential: str) -> Passkey | None:
        """Return the passkey of an id, or None."""
        row = self._connection.execute(PASSKEY.select().where(PASSKEY.c.credential == credential)).first()
        return None if row is None else _passkey(row)

    def passkeys(self, person: str) -> list[Passkey]:
        """Return a person's passkeys, oldest first."""
        rows = PASSKEY.select().where(PASSKEY.c.person == person).order_by(PASSKEY.c.added, PASSKEY.c.credential)
        return [_passkey(row) for row in self._connection.execute(rows)]

    def passkey_signed(self, credential: str, sign_count: int) -> None:
        """Keep how often a passkey has signed by now."""
        where = PASSKEY.c.credential == credential
        self._connection.execute(PASSKEY.update().where(where), {"sign_count": sign_count})

    def keep_once(self, digest: str, sealed: bytes, *, until: datetime, now: datetime, person: str | None) -> None:
        """Keep what is good for one use until a time; what nobody used in time goes."""
        self._connection.execute(ONCE.delete().where(ONCE.c.until <= moment(now)))
        row = {"digest": digest, "person": person, "until": moment(until), "sealed": sealed}
        self._connection.execute(ONCE.insert(), row)

    def once(self, digest: str, *, now: datetime) -> bytes | None:
        """Return what is good for one use and was not used yet, or None."""
        where = (ONCE.c.digest == digest) & (ONCE.c.until > moment(now))
        return self._connection.execute(select(ONCE.c.sealed).where(where)).scalar()

    def used_once(self, digest: str) -> None:
        """Use up what is good for one use."""
        self._connection.execute(ONCE.delete().where(ONCE.c.digest == digest))

    def attempts(self, about: str) -> Attempts | None:
        """Return the failures in a row about something, or None where there were none."""
        row = self._connection.execute(ATTEMPT.select().where(ATTEMPT.c.about == about)).first()
        return None if row is None else Attempts(row.failures, datetime.fromisoformat(row.last))

    def keep_attempts(self, about: str, attempts: Attempts | None, *, since: datetime) -> None:
        """Keep the failures in a row about something, none with None; those whose last one was before ``since`` go."""
        self._connection.execute(ATTEMPT.delete().where((ATTEMPT.c.last < moment(since)) | (ATTEMPT.c.about == about)))
        if attempts is not None:
            row = {"about": about, "failures": attempts.failures, "last": moment(attempts.last)}
            self._connection.execute(ATTEMPT.insert(), row)

    # Sessions

    def keep_session(self, session: Session, *, before: str = "") -> None:
        """Store a session, in place of the one whose digest was ``before``, if any."""
        self.end_session(before or session.digest)
        row = {
            "digest": session.digest,
            "person": session.person,
            "begun": moment(session.begun),
            "acted": moment(session.acted),
            "locked": session.locked,
            "language": session.language,
        }
        self._connection.execute(SESSION.insert(), row)

    def session(self, digest: str) -> Session | None:
        """Return the session of a digest, or None."""
        row = self._connection.execute(SESSION.select().where(SESSION.c.digest == digest)).first()
        return None if row is None else _session(row)

    def sessions(self, person: str) -> list[Session]:
        """Return a person's sessions, oldest first."""
        rows = SESSION.select().where(SESSION.c.person == person).order_by(SESSION.c.begun, SESSION.c.digest)
        return [_session(row) for row in self._connection.execute(rows)]

    def end_session(self, digest: str) -> None:
        """End a session, where there is one."""
        self._connection.execute(SESSION.delete().where(SESSION.c.digest == digest))

    def end_sessions(self, *, begun_before: datetime) -> None:
        """End every session that began before a time."""
        self._connection.execute(SESSION.delete().where(SESSION.c.begun < moment(begun_before)))

    # Who looked

    def viewed(self, exchange: str, person: str, *, at: datetime, shown: tuple[str, ...]) -> None:
        """Keep that somebody is shown personal data of an exchange: in the transaction that reads it, before it is shown.

        It ends with the record of the exchange: :meth:`~contact_point.store.record.Record.erase`.

        Raises:
            UnknownExchangeError: the exchange is not there, under whose key it would rest.

        """
        text = _STORED_VIEWING.dump_json((at, shown))
        sealed = seal(self._key_of(exchange), text, bound_to=_viewing_place(exchange, person))
        self._connection.execute(VIEWING.insert(), {"exchange": exchange, "person": person, "sealed": sealed})

    def viewings(self, *, exchange: str | None = None, person: str | None = None) -> Iterator[Viewing]:
        """Yield who was shown what, in the order in which it was; of one exchange, of one person, or of all.

        Raises:
            SealError: a row was changed, or moved to another exchange or person.

        """
        rows = select(VIEWING.c.id, VIEWING.c.exchange, VIEWING.c.person, VIEWING.c.sealed, EXCHANGE.c.slot)
        rows = rows.select_from(VIEWING.outerjoin(EXCHANGE, VIEWING.c.exchange == EXCHANGE.c.control_number))
        for column, wanted in ((VIEWING.c.exchange, exchange), (VIEWING.c.person, person)):
            if wanted is not None:
                rows = rows.where(column == wanted)
        for row in self._connection.execute(rows.order_by(VIEWING.c.id)).all():
            if (found := self._viewing(row)) is not None:
                yield found

    def _viewing(self, row: Any) -> Viewing | None:
        """Return what a row says, or None where the record of its exchange ended a moment ago."""
        place = _viewing_place(row.exchange, row.person)
        if row.slot is None:
            raise SealError(
                f"Art. 9: row {row.id} of who looked at personal data names an exchange that is not there: it was moved or "
                "changed; compare with a copy of the database"
            )
        try:
            text = unseal(self._key_in(row.slot), row.sealed, bound_to=place)
        except KeyDestroyedError:
            if not self._snapshot:
                raise
            return None
        at, shown = _STORED_VIEWING.validate_json(text)
        return Viewing(row.exchange, row.person, at, shown)

    def viewers(self) -> frozenset[str]:
        """Return the ids of all who were shown something of which there is a record."""
        return frozenset(self._connection.execute(select(VIEWING.c.person).distinct()).scalars())


def _unknown(number: str) -> UnknownPersonError:
    return UnknownPersonError(f"there is nobody {number!r} here: `pcsc people list` lists who is entered")


def _sealed_person(key: bytes, person: Person) -> bytes:
    return seal(key, _STORED_PERSON.dump_json(person), bound_to=_person_place(person.id))


def _person_place(person: str) -> str:
    """Return what a sealed person is bound to."""
    return f"person/{person}"


def _viewing_place(exchange: str, person: str) -> str:
    """Return what a sealed viewing is bound to."""
    return f"exchange/{exchange}/viewing/{person}"


def _passkey(row: Any) -> Passkey:
    return Passkey(row.credential, row.person, row.key, row.sign_count, datetime.fromisoformat(row.added))


def _session(row: Any) -> Session:
    begun, acted = datetime.fromisoformat(row.begun), datetime.fromisoformat(row.acted)
    return Session(row.digest, row.person, begun, acted, row.locked, row.language)
