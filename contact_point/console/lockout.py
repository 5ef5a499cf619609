"""Who failed to show who they are waits, and longer each time (Article 9); nothing tells whether the person exists.

Failures are counted by what was shown, whether anybody has it or not, and by where it came from. What was shown are ids of
passkeys, which are random and told to nobody, or an account that the identity provider vouches for: so nobody can make another
one wait.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from contact_point.store import Attempts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from contact_point.store import Transaction

FIRST_WAIT: Final = timedelta(seconds=30)
"""After the first failure too many; each further one doubles it."""

LONGEST_WAIT: Final = timedelta(hours=1)

REMEMBERED: Final = timedelta(hours=24)
"""For how long after the last failure they are counted."""


class LoginError(ValueError):
    """Who wants to go in was not recognised. The message is always the same: it tells nobody who exists."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "Art. 9: you were not recognised, so nothing is shown: try again within five minutes of opening the page, with a "
            "passkey or an account that is entered here; if it stays so, ask an administrator for a new link"
        )


class LockedOutError(ValueError):
    """Too many failures: nothing is looked at until some time has passed."""

    def __init__(self, wait: timedelta) -> None:
        """Say for how long."""
        self.seconds = max(1, -(-wait // timedelta(seconds=1)))
        super().__init__(
            f"Art. 9: too many attempts failed, and nothing is looked at for {self.seconds} seconds: wait, then try again"
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What failures are counted by, and how many of them in a row cost no wait."""

    about: str
    free: int


def by_shown(what: str) -> Counted:
    """Return how failures are counted by what was shown, such as the id of a passkey: five are free."""
    return Counted(_digest("shown", what), 5)


def by_address(address: str) -> Counted:
    """Return how failures are counted by where they come from: fifty are free, as many people may share an address."""
    return Counted(_digest("address", address), 50)


def check(tx: Transaction, counted: Iterable[Counted], now: datetime) -> None:
    """Refuse whoever is to wait.

    Raises:
        LockedOutError: somebody failed too often; what they show now is not looked at.

    """
    wait = max((_waits(tx.attempts(each.about), each.free, now) for each in counted), default=timedelta())
    if wait > timedelta():
        raise LockedOutError(wait)


def failed(tx: Transaction, counted: Iterable[Counted], now: datetime) -> None:
    """Count a failure."""
    for each in counted:
        before = tx.attempts(each.about)
        failures = 0 if before is None or before.last < now - REMEMBERED else before.failures
        tx.keep_attempts(each.about, Attempts(failures + 1, now), since=now - REMEMBERED)


def succeeded(tx: Transaction, counted: Counted, now: datetime) -> None:
    """Forget the failures before a success."""
    tx.keep_attempts(counted.about, None, since=now - REMEMBERED)


def _waits(attempts: Attempts | None, free: int, now: datetime) -> timedelta:
    if attempts is None or attempts.failures <= free or attempts.last < now - REMEMBERED:
        return timedelta()
    doubled: int = 2 ** min(attempts.failures - free - 1, 16)
    return min(attempts.last + min(doubled * FIRST_WAIT, LONGEST_WAIT) - now, LONGEST_WAIT)


def _digest(kind: str, what: str) -> str:
    return hashlib.sha256(f"{kind}/{what}".encode("utf-8", "surrogatepass")).hexdigest()
