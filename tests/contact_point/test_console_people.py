"""Who works with the console is in two persons' hands (Article 9)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contact_point.console import once, passkeys, people, sessions
from contact_point.console.passkeys import EnrolmentError
from contact_point.console.people import LINK, LINK_LASTS, PeopleError
from contact_point.console.roles import RolesApartError
from contact_point.settings import Signed
from contact_point.store import UnknownPersonError
from tests.builders import NOW, QUERY

from . import databases
from .databases import act
from .entered import ONE, SITE, TWO, confirmed, with_passkey

if TYPE_CHECKING:
    from contact_point.store import Person

    from .databases import Place

place, postgresql = databases.place_or_long, databases.postgresql

LATER = NOW + timedelta(hours=1)


def enter(place: Place, name: str = "Ann Example", *roles: str, account: str = "", by: str = ONE) -> Person:
    return people.enter(
        place.store, name=name, mail="ann@example.org", roles=roles or ("examiner",), by=by, account=account, now=NOW
    )


def number_of(person: Person) -> str:
    assert person.waiting is not None
    return person.waiting.number


def test_9_who_is_entered_may_do_nothing_until_a_second_person_confirmed_it(place: Place) -> None:
    entered = enter(place, "  Ann Example ", "supervisor", "examiner")
    assert (entered.name, entered.roles, entered.works_here) == ("Ann Example", (), False)
    made = people.confirm(place.store, number_of(entered), by=TWO, now=LATER)
    assert made.person.works_here
    assert made.person.roles == ("examiner", "supervisor")
    assert (made.person.since, made.person.hands) == (LATER, (Signed(ONE, NOW), Signed(TWO, LATER)))
    assert people.everybody(place.store) == [made.person]
    with place.store.transaction() as tx:
        assert once.look(tx, LINK, made.link, now=LATER) == made.person.id.encode()
        assert once.look(tx, LINK, made.link, now=LATER + LINK_LASTS) is None


@pytest.mark.parametrize("by", [ONE, f" {ONE.upper()} ", "first  hand"])
def test_9_the_same_person_does_not_confirm_what_they_entered(place: Place, by: str) -> None:
    entered = enter(place)
    with pytest.raises(
        PeopleError,
        match=r"^Art\. 9: who may do what is in two persons' hands, and the same person entered this: let another one look",
    ):
        people.confirm(place.store, number_of(entered), by=by, now=LATER)
    assert people.everybody(place.store) == [entered]


def test_9_nobody_confirms_what_they_may_do_themselves(place: Place) -> None:
    entered = enter(place)
    with pytest.raises(PeopleError, match=r"^Art\. 9: nobody confirms what they may do themselves: let another person"):
        people.confirm(place.store, number_of(entered), by="ann example", now=LATER)


def test_9_what_took_another_ones_place_is_not_confirmed_by_the_number_of_the_first(place: Place) -> None:
    person = confirmed(place.store).person
    shown = people.propose(place.store, person.id, ["examiner"], by=ONE, now=LATER)
    put = people.propose(place.store, person.id, ["supervisor", "compliance"], by=ONE, now=LATER)
    with pytest.raises(
        PeopleError,
        match=r"^Art\. 9: nothing waits under '[0-9a-f]{8}': it was confirmed, or another proposal took its place",
    ):
        people.confirm(place.store, number_of(shown), by=TWO, now=LATER)
    people.confirm(place.store, number_of(put), by=TWO, now=LATER)
    with pytest.raises(PeopleError, match=r"^Art\. 9: nothing waits under "):
        people.confirm(place.store, number_of(put), by=TWO, now=LATER)


def test_9_other_roles_are_in_effect_once_a_second_person_confirmed_them(place: Place) -> None:
    person, _ = with_passkey(place.store)
    cookie = sessions.begin(place.store, person.id, "en", now=NOW)
    proposed = people.propose(place.store, person.id, ["release officer"], by=ONE, now=NOW)
    assert sessions.resume(place.store, cookie, now=NOW).person.roles == ("examiner",)
    made = people.confirm(place.store, number_of(proposed), by=TWO, now=NOW)
    assert made.link == ""
    assert (made.person.since, made.person.waiting) == (person.since, None)
    assert sessions.resume(place.store, cookie, now=NOW).person.roles == ("release officer",)
    with place.store.transaction() as tx:
        assert len(tx.passkeys(person.id)) == 1


def test_9_a_new_link_takes_two_persons_and_ends_what_the_old_passkey_opened(place: Place) -> None:
    person, _ = with_passkey(place.store)
    cookie = sessions.begin(place.store, person.id, "en", now=NOW)
    proposed = people.propose(place.store, person.id, None, by=ONE, now=NOW)
    assert sessions.resume(place.store, cookie, now=NOW).person.id == person.id
    first = people.confirm(place.store, number_of(proposed), by=TWO, now=NOW)
    assert first.person.roles == ("examiner",)
    with place.store.transaction() as tx:
        assert (tx.passkeys(person.id), tx.sessions(person.id)) == ([], [])
    proposed = people.propose(place.store, person.id, None, by=ONE, now=NOW)
    people.confirm(place.store, number_of(proposed), by=TWO, now=NOW)
    with pytest.raises(
        EnrolmentError, match=r"^Art\. 9: this link is good for nothing: it was used, or is more than 24"
    ):
        passkeys.begin_with_link(place.store, SITE, first.link, now=NOW)


def test_9_one_hand_lets_somebody_in_no_more_at_once(place: Place) -> None:
    person, _ = with_passkey(place.store)
    cookie = sessions.begin(place.store, person.id, "en", now=NOW)
    ended = people.end(place.store, person.id, by=ONE, now=LATER)
    assert (ended.works_here, ended.roles, ended.ended) == (False, (), Signed(ONE, LATER))
    with pytest.raises(sessions.NoSessionError):
        sessions.resume(place.store, cookie, now=LATER)
    with place.store.transaction() as tx:
        assert (tx.passkeys(person.id), tx.sessions(person.id)) == ([], [])
    with pytest.raises(PeopleError, match=r"^person [0-9a-f]{32} left on 2026-11-22: there is nothing to end$"):
        people.end(place.store, person.id, by=ONE, now=LATER)
    with pytest.raises(
        PeopleError, match=r"^Art\. 9: expected a person who works here; [0-9a-f]{32} left: enter the person"
    ):
        people.propose(place.store, person.id, None, by=ONE, now=LATER)


def test_9_what_waited_for_somebody_who_left_is_not_confirmed(place: Place) -> None:
    entered = enter(place)
    people.end(place.store, entered.id, by=TWO, now=LATER)
    with pytest.raises(PeopleError, match=r"^Art\. 9: nothing waits under "):
        people.confirm(place.store, number_of(entered), by=TWO, now=LATER)


def test_9_who_was_not_confirmed_gets_no_other_roles_and_no_link(place: Place) -> None:
    entered = enter(place)
    with pytest.raises(
        PeopleError, match=r"^Art\. 9: expected a person who works here; [0-9a-f]{32} was not confirmed yet"
    ):
        people.propose(place.store, entered.id, ["administrator"], by=ONE, now=LATER)


@pytest.mark.parametrize("name", ["ann  EXAMPLE", " Ann Example"])
def test_9_no_two_persons_have_one_name(place: Place, name: str) -> None:
    first = enter(place)
    with pytest.raises(
        PeopleError, match=rf"^Art\. 9: two persons' hands are told apart by .*, and person {first.id} has"
    ):
        enter(place, name)
    people.end(place.store, first.id, by=TWO, now=NOW)
    assert enter(place, name).name == name.strip()


def test_9_no_two_persons_have_one_account(place: Place) -> None:
    first = enter(place, account="sub-1")
    enter(place, "Bea Example")
    enter(place, "Cyd Example")  # two without one are no two of one
    with pytest.raises(PeopleError, match=rf"^Art\. 9: an account is one person's, and person {first.id} has this one"):
        enter(place, "Dot Example", account="sub-1")


def test_9_roles_that_are_kept_apart_are_not_entered_and_not_proposed(place: Place) -> None:
    with pytest.raises(RolesApartError, match=r"^Art\. 9: who decides on access has none to what it protects"):
        enter(place, "Ann Example", "administrator", "examiner")
    with pytest.raises(RolesApartError, match=r"^Art\. 8\(6\): the result of use reviews the implementation"):
        enter(place, "Ann Example", "reviewer of implementation", "requester")
    person = confirmed(place.store).person
    with pytest.raises(RolesApartError):
        people.propose(place.store, person.id, ["administrator", "examiner"], by=ONE, now=NOW)
    assert people.everybody(place.store) == [person]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 256, "nul\0"])
def test_9_a_name_is_one_line(place: Place, name: str) -> None:
    with pytest.raises(
        PeopleError, match=r"^Art\. 9: expected a name of one line, 1 to 255 characters; got \d+ characters"
    ):
        enter(place, name)
    with pytest.raises(PeopleError, match=r"^Art\. 9: expected who enters it of one line"):
        enter(place, by=name)
    with pytest.raises(PeopleError, match=r"^Art\. 9: expected who confirms of one line"):
        people.confirm(place.store, "any", by=name, now=NOW)
    with pytest.raises(PeopleError, match=r"^Art\. 9: expected who ends it of one line"):
        people.end(place.store, "any", by=name, now=NOW)
    assert people.everybody(place.store) == []


@pytest.mark.parametrize("mail", ["nobody", "@example.org", "a@", "a@b@c", "a b@c"])
def test_a_mail_address_is_one(place: Place, mail: str) -> None:
    with pytest.raises(PeopleError, match=r"^expected a mail address such as name@example\.org: .*; got none$"):
        people.enter(place.store, name="Ann", mail=mail, roles=["examiner"], by=ONE, now=NOW)


def test_nobody_is_changed_who_is_not_there(place: Place) -> None:
    with pytest.raises(UnknownPersonError):
        people.propose(place.store, "nobody", None, by=ONE, now=NOW)
    with pytest.raises(UnknownPersonError):
        people.end(place.store, "nobody", by=ONE, now=NOW)


def test_11_3_who_left_is_forgotten_once_no_record_says_what_they_were_shown(place: Place) -> None:
    looked, left, here = (confirmed(place.store, name).person for name in ("Ann", "Bea", "Cyd"))
    with place.store.transaction() as tx:
        act(tx)
        tx.viewed(QUERY, looked.id, at=NOW, shown=("candidate",))
    for person in (looked, left):
        people.end(place.store, person.id, by=ONE, now=NOW)
    two_years = NOW.replace(year=NOW.year + 2)
    assert people.forget(place.store, now=two_years) == 0
    assert people.forget(place.store, now=two_years + timedelta(seconds=1)) == 1
    assert [each.name for each in people.everybody(place.store)] == ["Ann", "Cyd"]
    with place.store.transaction() as tx:
        slot = tx.erase(QUERY)
    assert slot is not None
    place.store.destroy_exchange(slot)
    people.enter(place.store, name="Dot", mail="d@d", roles=["examiner"], by=ONE, now=two_years + timedelta(days=1))
    assert [each.name for each in people.everybody(place.store)] == ["Cyd", "Dot"]
    assert people.everybody(place.store)[0] == here
    assert place.store.recover() == 0


def test_1_2_no_log_names_anybody(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    person, _ = with_passkey(place.store, "Ann Example")
    people.end(place.store, person.id, by=ONE, now=NOW)
    assert person.id in caplog.text
    for told in ("Ann", ONE, TWO, "example.org"):
        assert told not in caplog.text


def test_9_what_a_link_is_good_for_goes_to_no_server_and_into_no_log() -> None:
    assert people.address(SITE, "token") == "https://console.example.org/enrol#token"


# What is good for one use


def test_what_is_kept_for_one_use_is_given_once_and_for_nothing_else(place: Place) -> None:
    with place.store.transaction() as tx:
        token = once.keep(tx, "this", b"content", lasts=timedelta(minutes=5), now=NOW)
        assert once.look(tx, "that", token, now=NOW) is None
        assert once.use(tx, "that", token, now=NOW) is None
        assert once.look(tx, "this", token + "x", now=NOW) is None
        assert once.look(tx, "this", token, now=NOW) == b"content"
        assert once.use(tx, "this", token, now=NOW) == b"content"
        assert once.use(tx, "this", token, now=NOW) is None
    assert token.encode() not in place.on_disk()


def test_nothing_that_is_kept_for_one_use_opens_without_its_token(place: Place) -> None:
    with place.store.transaction() as tx:
        once.keep(tx, "this", b"a secret of five minutes", lasts=timedelta(minutes=5), now=NOW)
    assert b"a secret of five minutes" not in place.on_disk()


def test_9_an_account_is_of_somebody_who_works_here(place: Place) -> None:
    person = confirmed(place.store, account="sub-1").person
    entered = enter(place, "Bea Example", account="sub-2")
    confirmed(place.store, "Without Account")
    with place.store.transaction() as tx:
        assert people.of_account(tx, "sub-1") == person
        assert people.of_account(tx, "sub-2") is None
        assert people.of_account(tx, "") is None
        tx.change_person(replace(person, ended=Signed(ONE, NOW)))
        assert people.of_account(tx, "sub-1") is None
    assert entered.account == "sub-2"
