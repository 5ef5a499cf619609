"""The people of the console in the store: sealed, found by what they show, and gone when they are to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from contact_point.keys import KeyDestroyedError, SealError
from contact_point.settings import Signed
from contact_point.store import (
    Attempts,
    Passkey,
    Person,
    Proposal,
    Session,
    UnknownExchangeError,
    UnknownPersonError,
    Viewing,
)
from tests.builders import NOW, QUERY

from . import databases
from .databases import act, purge_at_once

if TYPE_CHECKING:
    from .databases import Place

place, postgresql = databases.place, databases.postgresql

OTHER: Final = "JP261122-OTHEROTHEROTHER2"
ANN: Final = Person(
    "a1b2",
    "Ann Example",
    "ann@example.org",
    roles=("examiner",),
    since=NOW,
    waiting=Proposal("p1", ("supervisor",), Signed("Bea Example", NOW)),
)
BOB: Final = Person("c3d4", "Bob Example", "bob@example.org")
PASSKEY: Final = Passkey("Y3JlZA", ANN.id, b"\x01\x02", 7, NOW)
SESSION: Final = Session("5e" * 32, ANN.id, NOW, NOW, locked=False, language="ja")


def enter(place: Place, *people: Person) -> None:
    with place.store.transaction() as tx:
        for each in people:
            tx.add_person(each)


def test_a_person_is_there_as_they_were_entered_also_for_another_process(place: Place) -> None:
    enter(place, BOB, ANN)
    with place.again().transaction() as tx:
        assert tx.people() == [ANN, BOB]
        assert tx.person(ANN.id) == ANN
        changed = replace(BOB, ended=Signed("Ann Example", NOW))
        tx.change_person(changed)
    with place.store.transaction() as tx:
        assert tx.person(BOB.id) == changed


def test_1_2_nothing_of_a_person_rests_in_clear_but_a_random_id(place: Place) -> None:
    enter(place, ANN)
    for told in (b"Ann", b"ann@example", b"examiner", b"Bea"):
        assert told not in place.on_disk()


def test_nobody_has_an_id_that_was_not_given(place: Place) -> None:
    enter(place, ANN)
    for step in (
        lambda tx: tx.person("nobody"),
        lambda tx: tx.change_person(replace(ANN, id="nobody")),
        lambda tx: tx.forget_person("nobody"),
    ):
        with pytest.raises(
            UnknownPersonError, match=r"^there is nobody 'nobody' here: `pcsc people list` lists who is"
        ):
            place.do(step)


def test_9_a_person_who_was_changed_or_moved_does_not_open(place: Place) -> None:
    enter(place, ANN, BOB)
    place.rows(text("UPDATE person SET sealed = (SELECT sealed FROM person WHERE id = 'c3d4')"))
    with place.store.transaction() as tx, pytest.raises(SealError, match=r"^Art\. 9: .* do not open as 'person/a1b2'"):
        tx.person(ANN.id)


def test_a_person_who_is_forgotten_leaves_no_key_and_nothing_that_was_theirs(place: Place) -> None:
    enter(place, ANN, BOB)
    with place.store.transaction() as tx:
        for person in (ANN.id, BOB.id):
            tx.add_passkey(replace(PASSKEY, person=person, credential=f"of-{person}"))
            tx.keep_session(replace(SESSION, person=person, digest=f"of-{person}"))
            tx.keep_once(f"of-{person}", b"sealed", until=NOW + timedelta(hours=1), now=NOW, person=person)
    assert len(place.live()) == 2
    with place.store.transaction() as tx:
        slot = tx.forget_person(ANN.id)
    place.store.destroy_person(slot)
    assert len(place.live()) == 1
    with place.store.transaction() as tx:
        assert tx.people() == [BOB]
        assert (tx.passkeys(ANN.id), tx.sessions(ANN.id)) == ([], [])
        assert (tx.once(f"of-{ANN.id}", now=NOW), tx.once(f"of-{BOB.id}", now=NOW)) == (None, b"sealed")
        assert len(tx.passkeys(BOB.id)) == len(tx.sessions(BOB.id)) == 1
    assert place.store.recover() == 0


def test_the_key_of_a_person_outlives_a_recovery_and_that_of_nobody_does_not(place: Place) -> None:
    enter(place, ANN, BOB)
    with place.store.transaction() as tx:
        tx.forget_person(BOB.id)  # and whoever did that died
    assert place.store.recover() == 1
    with place.store.transaction() as tx:
        assert tx.people() == [ANN]


def test_a_passkey_is_found_by_its_credential_and_nobody_has_a_second_one_of_it(place: Place) -> None:
    with place.store.transaction() as tx:
        assert tx.add_passkey(PASSKEY)
        assert not tx.add_passkey(replace(PASSKEY, person=BOB.id))
        assert tx.passkey(PASSKEY.credential) == PASSKEY
        assert tx.passkey("other") is None
        tx.passkey_signed(PASSKEY.credential, 2**32 - 1)
        assert tx.passkeys(ANN.id) == [replace(PASSKEY, sign_count=2**32 - 1)]
        tx.shut_out(ANN.id)
        assert tx.passkey(PASSKEY.credential) is None


def test_what_is_good_for_one_use_is_gone_after_it_and_after_its_time(place: Place) -> None:
    soon = NOW + timedelta(minutes=5)
    with place.store.transaction() as tx:
        tx.keep_once("d1", b"one", until=soon, now=NOW, person=None)
        tx.keep_once("d2", b"two", until=soon, now=NOW, person=None)
        assert tx.once("d1", now=NOW) == b"one"
        tx.used_once("d1")
        assert (tx.once("d1", now=NOW), tx.once("d2", now=NOW)) == (None, b"two")
        assert tx.once("d2", now=soon) is None
        tx.keep_once("d3", b"three", until=soon + timedelta(minutes=5), now=soon, person=None)
    assert place.rows(text("SELECT digest FROM once")) == [("d3",)]


def test_failures_in_a_row_are_kept_and_old_ones_go(place: Place) -> None:
    first, second = Attempts(3, NOW), Attempts(1, NOW + timedelta(days=2))
    with place.store.transaction() as tx:
        tx.keep_attempts("a", first, since=NOW - timedelta(days=1))
        assert (tx.attempts("a"), tx.attempts("b")) == (first, None)
        tx.keep_attempts("a", replace(first, failures=4), since=NOW)
        assert tx.attempts("a") == Attempts(4, NOW)
        tx.keep_attempts("b", second, since=NOW + timedelta(days=1))
        assert (tx.attempts("a"), tx.attempts("b")) == (None, second)
        tx.keep_attempts("b", None, since=NOW)
        assert tx.attempts("b") is None


def test_a_session_is_found_by_its_digest_and_takes_another_ones_place(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.keep_session(SESSION)
        tx.keep_session(replace(SESSION, locked=True))
        assert tx.session(SESSION.digest) == replace(SESSION, locked=True)
        following = replace(SESSION, digest="6f" * 32)
        tx.keep_session(following, before=SESSION.digest)
        assert (tx.session(SESSION.digest), tx.sessions(ANN.id)) == (None, [following])
        tx.end_sessions(begun_before=NOW)
        assert tx.sessions(ANN.id) == [following]
        tx.end_sessions(begun_before=NOW + timedelta(microseconds=1))
        assert tx.sessions(ANN.id) == []


# Who looked


def look(place: Place) -> None:
    with place.store.transaction() as tx:
        act(tx)
        act(tx, control_number=OTHER)
        tx.viewed(QUERY, ANN.id, at=NOW, shown=("candidate",))
        tx.viewed(OTHER, ANN.id, at=NOW + timedelta(seconds=1), shown=("name", "date of birth"))
        tx.viewed(QUERY, BOB.id, at=NOW + timedelta(seconds=2), shown=("probe",))


FIRST: Final = Viewing(QUERY, ANN.id, NOW, ("candidate",))
SECOND: Final = Viewing(OTHER, ANN.id, NOW + timedelta(seconds=1), ("name", "date of birth"))
THIRD: Final = Viewing(QUERY, BOB.id, NOW + timedelta(seconds=2), ("probe",))


def test_9_who_looked_at_what_and_when_is_kept(place: Place) -> None:
    look(place)
    with place.store.transaction() as tx:
        assert list(tx.viewings()) == [FIRST, SECOND, THIRD]
        assert list(tx.viewings(exchange=QUERY)) == [FIRST, THIRD]
        assert list(tx.viewings(person=ANN.id)) == [FIRST, SECOND]
        assert list(tx.viewings(exchange=QUERY, person=ANN.id)) == [FIRST]
        assert tx.viewers() == {ANN.id, BOB.id}
    for told in (b"candidate", b"date of birth", b"2026-11-22T03:04:05"):
        assert told not in b"".join(bytes(row[0]) for row in place.rows(text("SELECT sealed FROM viewing")))


def test_9_nobody_is_said_to_have_looked_at_what_is_not_there(place: Place) -> None:
    with pytest.raises(UnknownExchangeError, match=r"^there is no exchange 'JP261122-AAAABBBBCCCCDDDD' here"):
        place.do(lambda tx: tx.viewed(QUERY, ANN.id, at=NOW, shown=("candidate",)))


def test_11_3_who_looked_ends_with_the_record_of_the_exchange(place: Place) -> None:
    look(place)
    with place.store.transaction() as tx:
        slot = tx.erase(QUERY)
    assert slot is not None
    place.store.destroy_exchange(slot)
    with place.store.transaction() as tx:
        assert list(tx.viewings()) == [SECOND]
        assert tx.viewers() == {ANN.id}
    purge = place.server is not None
    if purge:
        purge_at_once(place.store)
    assert place.store.checkpoint(records=True)
    if place.server is None:
        assert QUERY.encode() not in place.on_disk()
    else:
        assert QUERY.encode() not in place.server.tables(databases.name_of(str(place.database)))


def test_11_3_a_copy_of_the_rows_opens_no_more_once_the_record_has_ended(place: Place) -> None:
    look(place)
    (kept,) = place.rows(text("SELECT sealed, slot FROM exchange WHERE control_number = 'JP261122-AAAABBBBCCCCDDDD'"))
    with place.store.transaction() as tx:
        slot = tx.erase(QUERY)
    assert slot is not None
    assert kept[1] == slot
    place.store.destroy_exchange(slot)
    with pytest.raises(KeyDestroyedError):
        place.records.get(slot)


def test_9_a_row_of_who_looked_that_was_moved_to_somebody_else_is_noticed(place: Place) -> None:
    look(place)
    place.rows(text("UPDATE viewing SET person = 'c3d4' WHERE person = 'a1b2'"))
    with place.store.transaction() as tx, pytest.raises(SealError, match=r"^Art\. 9: .* do not open as 'exchange/"):
        list(tx.viewings())


def test_9_a_row_of_who_looked_at_an_exchange_that_is_not_there_is_noticed(place: Place) -> None:
    look(place)
    place.rows(text("UPDATE viewing SET exchange = 'elsewhere' WHERE person = 'a1b2'"))
    with (
        place.store.transaction() as tx,
        pytest.raises(
            SealError, match=r"^Art\. 9: row \d+ of who looked at personal data names an exchange that is not"
        ),
    ):
        list(tx.viewings())


def test_of_a_snapshot_whoever_looked_at_what_ended_a_moment_ago_is_left_out(place: Place) -> None:
    look(place)
    with place.store.reading() as snapshot:
        assert snapshot.viewers()  # the snapshot is taken
        with place.again().transaction() as tx:
            slot = tx.erase(QUERY)
        assert slot is not None
        place.store.destroy_exchange(slot)
        assert list(snapshot.viewings()) == [SECOND]
