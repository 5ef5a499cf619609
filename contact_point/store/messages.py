"""Messages received and signatures used up: each has its effect once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from contact_point.store.errors import AlreadyReceivedError, ReplayError
from contact_point.store.part import Part
from contact_point.store.tables import CLOCK, FORGOTTEN, NONCE, RECEIVED, moment
from pcsc.duties import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

LEEWAY: Final = timedelta(minutes=5)
"""For how much longer than its signature is fresh a nonce is remembered: a clock set back by as little refuses nobody."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message received before: what it committed to, and which content of its exchange was the answer.

    None is for a message that was not accepted, and recorded so.
    """

    exchange: str
    commitment: str
    answer: Content | None


_OF: Final = RECEIVED.select().where(RECEIVED.c.message == bindparam("message"))
_FORGOTTEN_UNTIL: Final = select(NONCE.c.until).where(NONCE.c.nonce == FORGOTTEN)
_LAST_SEEN: Final = select(CLOCK.c.seen)
_OLD: Final = NONCE.delete().where((NONCE.c.until < bindparam("until_")) & (NONCE.c.nonce != FORGOTTEN))


class Messages(Part):
    """What is known of messages in a transaction."""

    def received(self, message: str) -> Received | None:
        """Return what is known of a message received before, or None."""
        row = self._connection.execute(_OF, {"message": message}).first()
        if row is None:
            return None
        return Received(row.exchange, row.commitment, Content(row.answer) if row.answer else None)

    def receive(self, message: str, received: Received) -> None:
        """Note that a message was received.

        Raises:
            AlreadyReceivedError: it was before.

        """
        row = {"message": message, "exchange": received.exchange, "commitment": received.commitment}
        if not self._insert_once(RECEIVED, row | {"answer": received.answer.value if received.answer else ""}):
            raise AlreadyReceivedError(f"message {message} was received before")

    def all_received(self) -> Iterator[tuple[str, Received]]:
        """Yield every message received, with what is known of it."""
        for row in self._connection.execute(RECEIVED.select().order_by(RECEIVED.c.message)):
            yield row.message, Received(row.exchange, row.commitment, Content(row.answer) if row.answer else None)

    def nonces(self) -> list[tuple[str, datetime]]:
        """Return the nonces that were used, and until when each signature is fresh."""
        rows = self._connection.execute(NONCE.select().order_by(NONCE.c.nonce))
        return [(row.nonce, datetime.fromisoformat(row.until)) for row in rows]

    def use_nonce(self, nonce: str, *, until: datetime, now: datetime) -> None:
        """Use up the nonce of a signature that is fresh ``until`` then, and forget those that are fresh no more.

        None is forgotten by a clock that is in doubt, which may be ahead. Once the clock is set back, an old signature is fresh
        again and its nonce may be forgotten: so before the time up to which nonces were, nothing is accepted.

        Raises:
            ReplayError: it was used before, or may have been.

        """
        forgotten = self._forgotten()
        if forgotten is not None and now < forgotten:
            raise ReplayError(
                f"it is {now:%Y-%m-%d %H:%M:%S} here and was {forgotten:%Y-%m-%d %H:%M:%S} before, so nobody can tell whether "
                "this signed request came then: compare both clocks, and sign it again when that time has passed"
            )
        self._forget(now - LEEWAY, forgotten)
        if not self._insert_once(NONCE, {"nonce": nonce, "until": moment(until)}):
            raise ReplayError(
                "this signed request came before: a request is sent once; to ask again, sign it again with a new nonce"
            )

    def _forgotten(self) -> datetime | None:
        """Return until when forgotten signatures may have been fresh; None where none was forgotten."""
        found = self._connection.execute(_FORGOTTEN_UNTIL).scalar()
        return None if found is None else datetime.fromisoformat(found)

    def _forget(self, until: datetime, before: datetime | None) -> None:
        """Forget the nonces of signatures that were fresh until then, and remember that they are."""
        kept = self._connection.execute(_LAST_SEEN).scalar()
        if kept is None:
            return
        until = min(until, datetime.fromisoformat(kept) - LEEWAY)
        if self._connection.execute(_OLD, {"until_": moment(until)}).rowcount:
            self._connection.execute(NONCE.delete().where(NONCE.c.nonce == FORGOTTEN))
            latest = until if before is None else max(until, before)
            self._connection.execute(NONCE.insert(), {"nonce": FORGOTTEN, "until": moment(latest)})
