"""Sessions: for how long it holds that somebody showed who they are.

They rest with the contact point, and the browser has 256 random bits, of which the store knows a digest: nothing that a browser
sends says who somebody is, or what they may do. A session ends twelve hours after it began, or with a person who leaves, at
once. After half an hour without an act it is locked: the same person goes on in it by showing again who they are, nobody else
does, and nothing more is shown until then. Each time that is shown the browser gets another id, so one that was known before is
worth nothing after (session fixation).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from contact_point.console.lockout import LoginError
from contact_point.store import Person, Session

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.store import Store, Transaction

COOKIE: Final = "__Host-pcsc"
"""The cookie of the id: ``Secure; HttpOnly; SameSite=Strict; Path=/``, without a domain, for the browser's own session."""

LASTS: Final = timedelta(hours=12)
"""From its beginning to its end, whatever is done in it."""

IDLE: Final = timedelta(minutes=30)
"""From the last act to the lock."""

_APART: Final = timedelta(minutes=1)
"""By how much a session may lie in the future: requests that cross, and not a clock that was set back."""


class SessionError(ValueError):
    """There is no session to go on in."""


class NoSessionError(SessionError):
    """There never was one, or it ended: who wants to go on shows who they are, and begins another one."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "Art. 9: nobody is in here: a session ends after 12 hours, when it is ended, or when its person leaves; go in again"
        )


class LockedError(SessionError):
    """It is locked: the same person may go on by showing again who they are."""

    def __init__(self, current: Current) -> None:
        """Take whose it is, for the page that says so: nothing else of it is to be shown."""
        super().__init__(
            "Art. 9: this session is locked, as nothing was done in it for 30 minutes, or its person locked it: show again who "
            "you are, and it goes on where it was"
        )
        self.current = current


class OtherPersonError(SessionError):
    """Somebody else wants to go on in a session."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("Art. 9: this session is somebody else's, and stays locked: end it, and begin one of your own")


class ForgeryError(ValueError):
    """A form that was not made in this session: Article 9."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "Art. 9: this was not sent from a page of your session, so nothing was done: open the page anew and do it there"
        )


@dataclass(frozen=True, slots=True)
class Current:
    """A session and its person, as they are now."""

    session: Session
    person: Person


def begin(store: Store, person: str, language: str, *, now: datetime, instead: str = "") -> str:
    """Begin a session of somebody who just showed who they are, and return the id for the cookie.

    ``instead`` is the id that the browser had before, if any: that session ends.

    Raises:
        LoginError: the person left meanwhile.

    """
    fresh = secrets.token_urlsafe(32)
    with store.transaction() as tx:
        if not tx.person(person).works_here:
            raise LoginError
        tx.end_sessions(begun_before=now - LASTS)
        session = Session(_digest(fresh), person, now, now, locked=False, language=language)
        tx.keep_session(session, before=_digest(instead))
    return fresh


def resume(store: Store, cookie: str, *, now: datetime, act: bool = True) -> Current:
    """Return the session of an id, and its person with the roles of now; with ``act``, somebody did something in it.

    A page that asks again by itself is no act: it would keep the session of an empty chair open.

    Raises:
        NoSessionError: there is none, or it ended.
        LockedError: it is locked.

    """
    if not act:
        with store.reading() as tx:
            current = _found(tx, cookie, now)
        return _open(current)
    with store.transaction() as tx:
        current = _found(tx, cookie, now)
        if current is None:
            tx.end_session(_digest(cookie))
        else:
            locked, acted = current.session.locked, current.session.acted
            current = replace(current, session=replace(current.session, acted=acted if locked else max(acted, now)))
            tx.keep_session(current.session)
    return _open(current)


def lock(store: Store, cookie: str, *, now: datetime) -> None:
    """Lock a session, where there is one."""
    with store.transaction() as tx:
        if (current := _found(tx, cookie, now)) is not None:
            tx.keep_session(replace(current.session, locked=True))


def unlock(store: Store, cookie: str, person: str, *, now: datetime) -> str:
    """Go on in a session as somebody who just showed again who they are, and return the id that it has from now on.

    It keeps its place, and ends when it would have ended.

    Raises:
        NoSessionError: there is none, or it ended.
        OtherPersonError: it is somebody else's.

    """
    fresh = secrets.token_urlsafe(32)
    with store.transaction() as tx:
        current = _found(tx, cookie, now)
        if current is None:
            raise NoSessionError
        if current.person.id != person:
            raise OtherPersonError
        going_on = replace(current.session, digest=_digest(fresh), acted=now, locked=False)
        tx.keep_session(going_on, before=current.session.digest)
    return fresh


def speak(store: Store, cookie: str, language: str, *, now: datetime) -> None:
    """Go on in another language, where there is a session."""
    with store.transaction() as tx:
        if (current := _found(tx, cookie, now)) is not None:
            tx.keep_session(replace(current.session, language=language))


def end(store: Store, cookie: str) -> None:
    """End a session, where there is one."""
    with store.transaction() as tx:
        tx.end_session(_digest(cookie))


def form_token(cookie: str) -> str:
    """Return what every form of a session carries, as a page of another site could not know it (CSRF)."""
    return hmac.digest(cookie.encode("utf-8", "surrogatepass"), b"form", hashlib.sha256).hex()


def check_form(cookie: str, token: str) -> None:
    """Refuse a form that was not made in this session.

    Raises:
        ForgeryError: its token is another one, or none.

    """
    if not cookie or not hmac.compare_digest(form_token(cookie).encode(), token.encode("utf-8", "surrogatepass")):
        raise ForgeryError


def _found(tx: Transaction, cookie: str, now: datetime) -> Current | None:
    """Return the session of an id as it stands at ``now``, locked where it is time; None where it ended."""
    session = tx.session(_digest(cookie))
    if session is None or not session.begun - _APART <= now < session.begun + LASTS:
        return None
    person = tx.person(session.person)
    if not person.works_here:
        return None
    idle = not session.acted - _APART <= now < session.acted + IDLE
    return Current(replace(session, locked=session.locked or idle), person)


def _open(current: Current | None) -> Current:
    if current is None:
        raise NoSessionError
    if current.session.locked:
        raise LockedError(current)
    return current


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
