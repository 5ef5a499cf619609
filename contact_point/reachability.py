"""Is the other contact point there? A signed question, a signed receipt, and how long they took.

It carries no information under the agreement, so it opens no exchange and leaves no entry in the record (Article 11(1)). But it
goes the whole way of a message, the designated certificates, both signatures and both clocks, so what it shows is that a query
of now would be taken in. Whom to call where it is not is on the duty roster (:mod:`contact_point.roster`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from contact_point import delivery, service, wire
from contact_point.transport import UnreachableError
from pcsc.messages import Reachability, Receipt

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation


@dataclass(frozen=True, slots=True)
class Reached:
    """The other contact point answered.

    ``ahead`` is how far its clock is before ours, half of the way being its way back; negative where it is behind. Beyond
    :data:`contact_point.wire.MAX_AGE` neither would accept the other's signatures.
    """

    round_trip: timedelta
    ahead: timedelta


def reach(here: Installation, now: datetime) -> Reached:
    """Ask the other contact point for a sign of life.

    Raises:
        OutOfOrderError: none is designated.
        UnreachableError: no answer came. Nothing is kept and sent again.
        ClientError, TlsError, WireError: what answered is not it, or does not take our messages.

    """
    message = Reachability(service.new_number(here, now), now, service.new_salt())
    other = delivery.transport(here)
    begun = time.monotonic()
    try:
        answer, _ = other.post(message, wire.encode(message), now)
    except UnreachableError as error:
        cause = str(error).partition(": the message is kept")[0]
        raise UnreachableError(f"{cause}: try again, and call the other contact point where it lasts") from None
    round_trip = timedelta(seconds=time.monotonic() - begun)
    return Reached(round_trip, answer.made_at - now - round_trip / 2)


def answer(message: Reachability, now: datetime) -> bytes:
    """Return the body of the receipt that says: this contact point is there."""
    return wire.encode(Receipt(message.control_number, now, service.new_salt()))
