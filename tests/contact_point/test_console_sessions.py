"""Sessions of the console: how long, whose, and of no use to anybody else (Article 9)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from contact_point.console import people, sessions
from contact_point.console.lockout import LoginError
from contact_point.console.sessions import (
    ForgeryError,
    LockedError,
    NoSessionError,
    OtherPersonError,
)
from tests.builders import NOW

from . import databases
from .entered import ONE, confirmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from contact_point.store import Person

    from .databases import Place

place, postgresql = databases.place_or_long, databases.postgresql

MINUTE, HOUR, MOMENT = timedelta(minutes=1), timedelta(hours=1), timedelta(microseconds=1)


@pytest.fixture
def ann(place: Place) -> Person:
    return confirmed(place.store).person


@pytest.fixture
def cookie(place: Place, ann: Person) -> str:
    return sessions.begin(place.store, ann.id, "ja", now=NOW)


def test_a_session_is_its_persons_with_what_they_are_now(place: Place, ann: Person, cookie: str) -> None:
    current = sessions.resume(place.store, cookie, now=NOW + MINUTE)
    assert current.person == ann
    session = current.session
    assert (session.begun, session.acted, session.locked, session.language) == (NOW, NOW + MINUTE, False, "ja")


def test_9_the_store_knows_a_digest_of_the_id_and_never_the_id(place: Place, cookie: str) -> None:
    assert len(cookie) == 43  # 256 bits
    assert cookie.encode() not in place.on_disk()
    assert place.rows(text("SELECT digest FROM session")) == [(hashlib.sha256(cookie.encode()).hexdigest(),)]


@pytest.mark.parametrize("guess", ["", "nothing", "\ud800", "é", "' OR 1=1 --"])
def test_9_no_other_id_opens_one(place: Place, cookie: str, guess: str) -> None:
    for act in (True, False):
        with pytest.raises(
            NoSessionError, match=r"^Art\. 9: nobody is in here: a session ends after 12 hours, when it is "
        ):
            sessions.resume(place.store, guess, now=NOW, act=act)
    (digest,) = place.rows(text("SELECT digest FROM session"))[0]
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, str(digest), now=NOW)


def test_9_a_session_ends_after_twelve_hours_whatever_is_done_in_it(place: Place, cookie: str) -> None:
    at = NOW
    while at < NOW + 12 * HOUR - 20 * MINUTE:
        at += 20 * MINUTE
        sessions.resume(place.store, cookie, now=at)
    sessions.resume(place.store, cookie, now=NOW + 12 * HOUR - MOMENT)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=NOW + 12 * HOUR, act=False)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=NOW + 12 * HOUR)
    assert place.rows(text("SELECT * FROM session")) == []


def test_9_a_session_that_was_left_alone_for_half_an_hour_is_locked_and_stays_so(place: Place, cookie: str) -> None:
    sessions.resume(place.store, cookie, now=NOW + 30 * MINUTE - MOMENT)
    idle = NOW + 60 * MINUTE - MOMENT
    for act in (False, True):
        with pytest.raises(
            LockedError, match=r"^Art\. 9: this session is locked, as nothing was done in it for 30 minutes"
        ):
            sessions.resume(place.store, cookie, now=idle, act=act)
    with pytest.raises(LockedError) as locked:  # also by a clock that goes back
        sessions.resume(place.store, cookie, now=idle - MINUTE)
    assert locked.value.current.session.acted == NOW + 30 * MINUTE - MOMENT


def test_9_a_page_that_asks_by_itself_keeps_no_session_open(place: Place, cookie: str) -> None:
    for minutes in range(0, 30, 5):
        assert sessions.resume(place.store, cookie, now=NOW + minutes * MINUTE, act=False).session.acted == NOW
    with pytest.raises(LockedError):
        sessions.resume(place.store, cookie, now=NOW + 30 * MINUTE, act=False)


def test_9_a_clock_that_is_set_back_lengthens_no_session(place: Place, cookie: str) -> None:
    sessions.resume(place.store, cookie, now=NOW - timedelta(seconds=30))  # requests cross
    assert sessions.resume(place.store, cookie, now=NOW).session.acted == NOW
    sessions.resume(place.store, cookie, now=NOW + 20 * MINUTE)
    with pytest.raises(LockedError):
        sessions.resume(place.store, cookie, now=NOW + 18 * MINUTE)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=NOW - 2 * MINUTE)


def test_9_the_same_person_goes_on_in_a_locked_session_under_another_id(place: Place, ann: Person, cookie: str) -> None:
    sessions.lock(place.store, cookie, now=NOW + MINUTE)
    with pytest.raises(LockedError):
        sessions.resume(place.store, cookie, now=NOW + MINUTE)
    at = NOW + 11 * HOUR
    fresh = sessions.unlock(place.store, cookie, ann.id, now=at)
    current = sessions.resume(place.store, fresh, now=at)
    assert (current.session.begun, current.session.language, current.session.locked) == (NOW, "ja", False)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=at)
    with pytest.raises(NoSessionError):  # and it ends when it would have ended
        sessions.resume(place.store, fresh, now=NOW + 12 * HOUR)
    with pytest.raises(NoSessionError):
        sessions.unlock(place.store, fresh, ann.id, now=NOW + 12 * HOUR)


def test_9_nobody_else_goes_on_in_a_session(place: Place, cookie: str) -> None:
    bea = confirmed(place.store, "Bea Example", "supervisor").person
    sessions.lock(place.store, cookie, now=NOW)
    with pytest.raises(OtherPersonError, match=r"^Art\. 9: this session is somebody else's, and stays locked: end it"):
        sessions.unlock(place.store, cookie, bea.id, now=NOW)
    with pytest.raises(LockedError):
        sessions.resume(place.store, cookie, now=NOW)


def test_9_each_login_gives_another_id_and_ends_what_the_browser_had(place: Place, ann: Person) -> None:
    planted = "an id that somebody else knows, and planted in the browser"
    first = sessions.begin(place.store, ann.id, "en", now=NOW, instead=planted)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, planted, now=NOW)
    second = sessions.begin(place.store, ann.id, "en", now=NOW, instead=first)
    assert len({planted, first, second}) == 3
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, first, now=NOW)
    assert sessions.resume(place.store, second, now=NOW).person == ann


def test_two_browsers_of_one_person_are_two_sessions(place: Place, ann: Person, cookie: str) -> None:
    other = sessions.begin(place.store, ann.id, "en", now=NOW)
    sessions.end(place.store, cookie)
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=NOW)
    assert sessions.resume(place.store, other, now=NOW).session.language == "en"


def test_9_the_sessions_of_who_left_end_at_once_and_none_begins(place: Place, ann: Person, cookie: str) -> None:
    people.end(place.store, ann.id, by=ONE, now=NOW)
    for act in (True, False):
        with pytest.raises(NoSessionError):
            sessions.resume(place.store, cookie, now=NOW, act=act)
    with pytest.raises(NoSessionError):
        sessions.unlock(place.store, cookie, ann.id, now=NOW)
    with pytest.raises(LoginError, match=r"^Art\. 9: you were not recognised"):
        sessions.begin(place.store, ann.id, "en", now=NOW)


def test_9_a_session_of_who_left_is_none_even_if_its_row_is_there(place: Place, ann: Person, cookie: str) -> None:
    kept = place.rows(text("SELECT digest, person, begun, acted, locked, language FROM session"))[0]
    people.end(place.store, ann.id, by=ONE, now=NOW)
    names = ("digest", "person", "begun", "acted", "locked", "language")
    row = dict(zip(names, kept, strict=True))
    place.rows(
        text("INSERT INTO session VALUES (:digest, :person, :begun, :acted, :locked, :language)").bindparams(**row)
    )
    with pytest.raises(NoSessionError):
        sessions.resume(place.store, cookie, now=NOW)


def test_sessions_that_nobody_ended_go_with_time(place: Place, ann: Person, cookie: str) -> None:
    sessions.begin(place.store, ann.id, "en", now=NOW + 13 * HOUR)
    assert len(place.rows(text("SELECT * FROM session"))) == 1


def test_a_session_goes_on_in_another_language(place: Place, cookie: str) -> None:
    sessions.speak(place.store, cookie, "en", now=NOW)
    assert sessions.resume(place.store, cookie, now=NOW).session.language == "en"


@pytest.mark.parametrize(
    "act",
    [
        lambda store: sessions.lock(store, "none", now=NOW),
        lambda store: sessions.speak(store, "none", "en", now=NOW),
        lambda store: sessions.end(store, "none"),
    ],
)
def test_what_is_done_to_no_session_is_nothing(place: Place, cookie: str, act: Callable[[object], None]) -> None:
    act(place.store)
    assert sessions.resume(place.store, cookie, now=NOW).session.language == "ja"


# Forms


def test_9_a_form_is_taken_from_its_own_session_alone() -> None:
    one, other = "a" * 43, "b" * 43
    sessions.check_form(one, sessions.form_token(one))
    assert one not in sessions.form_token(one)
    for token in ("", sessions.form_token(other), one, sessions.form_token(one)[:-1], "\ud800é"):
        with pytest.raises(
            ForgeryError, match=r"^Art\. 9: this was not sent from a page of your session, so nothing was done"
        ):
            sessions.check_form(one, token)
    with pytest.raises(ForgeryError):
        sessions.check_form("", sessions.form_token(""))


def test_9_a_form_of_before_a_login_is_none_after_it(place: Place, ann: Person, cookie: str) -> None:
    before = sessions.form_token(cookie)
    fresh = sessions.unlock(place.store, cookie, ann.id, now=NOW)
    with pytest.raises(ForgeryError):
        sessions.check_form(fresh, before)
