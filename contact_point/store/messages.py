"""Messages received and signatures used up: each has its effect once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from contact_point.store.errors import AlreadyReceivedError, ReplayError
from contact_point.store.part import Part
from contact_point.store.tables import CLOCK, NONCE, RECEIVED, moment
from pcsc.duties import Content

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Received:
    """A message received before: what it committed to, and which content of its exchange was the answer.

    None is for a message that was not accepted, and recorded so.
    """

    exchange: str
    commitment: str
    answer: Content | None


class Messages(Part):
    """What is known of messages in a transaction."""

    def received(self, message: str) -> Received | None:
        """Return what is known of a message received before, or None."""
        row = self._connection.execute(RECEIVED.select().where(RECEIVED.c.message == message)).first()
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

    def use_nonce(self, nonce: str, *, until: datetime, now: datetime) -> None:
        """Use up the nonce of a signature that is fresh ``until`` then, and forget those that are fresh no more.

        None is forgotten by a clock that is in doubt: once it was set back, an old signature would be fresh again.

        Raises:
            ReplayError: it was used before.

        """
        believed = select(CLOCK.c.seen).scalar_subquery()
        self._connection.execute(NONCE.delete().where(NONCE.c.until < moment(now), NONCE.c.until < believed))
        if not self._insert_once(NONCE, {"nonce": nonce, "until": moment(until)}):
            raise ReplayError(
                "this signed request came before: a request is sent once; to ask again, sign it again with a new nonce"
            )
