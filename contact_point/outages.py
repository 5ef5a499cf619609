"""Out of service: one contact point tells the other when it cannot be queried, and both act on it (Article 4(1)).

The other Party may query at any time, so who cannot be queried says so: from when, until when, and a class of reason. The
notice is a message like any other: signed, recorded on both sides (Article 11), sent again until it arrives. From its beginning
to its end the sender answers what could wait with 503, ``4-1.UNAVAILABLE`` and Retry-After, and the receiver keeps what it
would send. A notice that replaces another ends it. Nobody is named in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contact_point import correspondence, due, service
from pcsc.errors import OutageError
from pcsc.messages import OutageNotice, OutageReason

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange

_NOTICE = 3  # the article of the exchange of a notice about a contact point itself


def announce(
    here: Installation,
    *,
    begins: datetime,
    ends: datetime,
    reason: OutageReason = OutageReason.MAINTENANCE,
    planned: bool = True,
    replaces: str = "",
    now: datetime,
) -> Exchange:
    """Tell the other contact point that this one is out of service for a time.

    Raises:
        OutageError: it ends before it begins, or later than one notice may say.
        ClientError: no answer came; the notice is kept and sent again, and counts here from now on.

    """
    head = service.new_number(here, now), now, service.new_salt()
    notice = OutageNotice(*head, here.settings.party, planned, begins, ends, reason, replaces)
    return correspondence.notify(here, notice, now, also=lambda tx: _plan(tx, due.OUTAGE, notice, now))


def end(here: Installation, number: str, now: datetime) -> Exchange:
    """Tell the other contact point that an outage is over, or does not come.

    Raises:
        OutageError: we announced none of this number that still counts.

    """
    ours = {each.control_number: each for each in announced(here, now) if each.raised_by is here.settings.party}
    if (notice := ours.get(number)) is None:
        counting = ", ".join(sorted(ours)) or "none"
        raise OutageError(
            f"expected the number of an outage of ours that is not over ({counting}); got {number!r}: `pcsc outage list` "
            "lists them"
        )
    begins = min(notice.begins, now)
    said = {"reason": notice.reason, "planned": notice.planned, "replaces": number}
    return announce(here, begins=begins, ends=now, now=now, **said)  # type: ignore[arg-type]


def receive(here: Installation, message: OutageNotice, body: bytes, committed: str, now: datetime) -> bytes:
    """Take in that the other contact point is out of service for a time."""
    return correspondence.receive_notice(
        here, message, body, committed, now, also=lambda tx: _plan(tx, due.AWAY, message, now)
    )


def announced(here: Installation, now: datetime) -> list[OutageNotice]:
    """Return the notices of either contact point that count and are not over, earliest first."""
    with here.store.reading() as tx:
        numbers = [each.control_number for each in tx.exchanges() if each.article == _NOTICE]
    notices = [each for number in numbers for each in correspondence.read(here, number)]
    found = [each for each in notices if isinstance(each, OutageNotice)]
    replaced = {(each.raised_by, each.replaces) for each in found}
    counting = [each for each in found if (each.raised_by, each.control_number) not in replaced and each.ends > now]
    return sorted(counting, key=lambda each: (each.begins, each.control_number))


def _plan(tx: Transaction, word: str, notice: OutageNotice, now: datetime) -> None:
    """Write down from when until when a contact point is out of service, in place of what the notice replaces."""
    for what in tx.planned(""):
        if notice.replaces and what.startswith(f"{word}{notice.replaces} "):
            tx.plan("", what, None)
    if notice.ends > now:
        tx.plan("", f"{word}{notice.control_number} {notice.begins.isoformat()}", notice.ends)
