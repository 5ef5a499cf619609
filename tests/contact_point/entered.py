"""People of a console, entered and confirmed by two others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from contact_point.console import passkeys, people
from contact_point.settings import Console
from tests.builders import NOW

from .authenticator import ORIGIN, Authenticator

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.console.people import Confirmed
    from contact_point.store import Person, Store

SITE: Final = Console(ORIGIN)
ONE, TWO = "First Hand", "Second Hand"


def confirmed(
    store: Store,
    name: str = "Ann Example",
    *roles: str,
    account: str = "",
    now: datetime = NOW,
) -> Confirmed:
    """Return somebody whom two hands entered, with a link."""
    entered = people.enter(
        store, name=name, mail="somebody@example.org", roles=roles or ("examiner",), by=ONE, account=account, now=now
    )
    assert entered.waiting is not None
    return people.confirm(store, entered.waiting.number, by=TWO, now=now)


def with_passkey(
    store: Store, name: str = "Ann Example", *roles: str, now: datetime = NOW
) -> tuple[Person, Authenticator]:
    """Return somebody who enrolled a passkey, and what it is in."""
    made, authenticator = confirmed(store, name, *roles, now=now), Authenticator()
    begun = passkeys.begin_with_link(store, SITE, made.link, now=now)
    passkeys.enrol(store, SITE, begun.token, authenticator.make(begun.options), now=now)
    return made.person, authenticator
