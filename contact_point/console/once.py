"""What is good for one use and a short time: links, challenges, and what waits for an answer of the identity provider.

Whoever shows the random token has it, and nobody else: the store knows a digest of the token, and what goes with it is sealed
under a key that follows from the token too. So a copy of the database opens none of it (Article 9).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from contact_point.keys import SealError, seal, unseal

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from contact_point.store import Transaction


def keep(
    tx: Transaction, what: str, content: bytes, *, lasts: timedelta, now: datetime, person: str | None = None
) -> str:
    """Keep something for one use, and return the token to show for it: 256 random bits, as text that fits into an address.

    It goes with ``person``, if any.
    """
    token = secrets.token_urlsafe(32)
    sealed = seal(_derived(token, "key"), content, bound_to=_place(what))
    tx.keep_once(_derived(token, "digest").hex(), sealed, until=now + lasts, now=now, person=person)
    return token


def look(tx: Transaction, what: str, token: str, *, now: datetime) -> bytes | None:
    """Return what was kept for this token, and leave it there; None where there is nothing, or something else."""
    sealed = tx.once(_derived(token, "digest").hex(), now=now)
    if sealed is None:
        return None
    try:
        return unseal(_derived(token, "key"), sealed, bound_to=_place(what))
    except SealError:
        return None  # a token for something else


def use(tx: Transaction, what: str, token: str, *, now: datetime) -> bytes | None:
    """Do the same, and use it up."""
    content = look(tx, what, token, now=now)
    if content is not None:
        tx.used_once(_derived(token, "digest").hex())
    return content


def _derived(token: str, label: str) -> bytes:
    return hmac.digest(token.encode("utf-8", "surrogatepass"), label.encode(), hashlib.sha256)


def _place(what: str) -> str:
    return f"once/{what}"
