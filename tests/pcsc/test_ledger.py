"""The ledger of what was provided: what can be entered in it, where, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pcsc import ledger, life
from pcsc.errors import NotProvidedError, OutOfOrderError
from pcsc.exchange import Exchange, Release, Side, State
from pcsc.use import Purpose
from tests.builders import INTERPOL, NOW, QUERY, arrangement, exchange, provided_unasked, request, use

LATER = NOW + timedelta(days=3)


def used(*made: Purpose) -> Exchange:
    at = exchange(State.PROVIDED)
    for purpose in made:
        at = ledger.use(at, use(purpose=purpose.value), LATER)
    return at


def test_each_use_is_entered_in_its_turn_and_opens_its_purpose_once() -> None:
    at = used(Purpose.IMMIGRATION, Purpose.NOTIFIED, Purpose.IMMIGRATION)
    assert [each.purpose for each in at.uses] == ["immigration", "notified", "immigration"]
    assert at.open_purposes == ("notified", "immigration")
    assert at.last_event_at == LATER
    assert at.since == NOW


def test_a_purpose_that_was_ended_is_opened_by_a_new_use_while_another_is_open() -> None:
    at = ledger.end_purpose(used(Purpose.IMMIGRATION), Purpose.NOTIFIED, LATER)
    assert ledger.use(at, use(), LATER).open_purposes == ("immigration", "notified")


@pytest.mark.parametrize("state", sorted(set(State) - {State.PROVIDED}))
def test_what_is_not_held_is_not_used(state: State) -> None:
    with pytest.raises(
        NotProvidedError,
        match=rf"^Art\. 7: a use is of information that was provided and is still held; .*'{state}', there",
    ):
        ledger.use(exchange(state), use(), LATER)


def test_what_is_held_is_used_also_while_more_is_asked_for() -> None:
    again = life.request(exchange(State.PROVIDED), request(control_number="JP261125-REQUEST2"), arrangement(), LATER)
    assert ledger.use(again, use(), LATER).uses == (use(),)
    assert ledger.use(provided_unasked(), use(purpose="serious-crime"), LATER).open_purposes == ("serious-crime",)


def test_only_who_received_information_uses_reviews_and_ends_it() -> None:
    at = exchange(State.PROVIDED, Side.QUERIED)
    with pytest.raises(
        OutOfOrderError, match=rf"^Art\. 3\(4\): a use is the querying side's act; exchange {QUERY} is ours as"
    ):
        ledger.use(at, use(), LATER)
    with pytest.raises(OutOfOrderError, match="a review is the querying side's act"):
        ledger.review(at, "the head of unit", LATER)
    with pytest.raises(OutOfOrderError, match="the end of a purpose is the querying side's act"):
        ledger.end_purpose(at, Purpose.NOTIFIED, LATER)


def test_a_result_is_entered_for_a_use_of_the_ledger_and_may_be_entered_anew() -> None:
    at = ledger.result(used(Purpose.NOTIFIED, Purpose.IMMIGRATION), 2, "Entry was refused.", LATER)
    assert [each.result for each in at.uses] == ["", "Entry was refused."]
    at = ledger.result(at, 2, "Entry was allowed on appeal.", LATER)
    assert [each.result for each in at.uses] == ["", "Entry was allowed on appeal."]


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_a_result_of_no_use_is_refused(number: int) -> None:
    with pytest.raises(
        NotProvidedError,
        match=rf"^Art\. 7: exchange {QUERY} has 2 uses in its ledger, numbered from 1, .* got number {number} and",
    ):
        ledger.result(used(Purpose.NOTIFIED, Purpose.IMMIGRATION), number, "He was charged.", LATER)


def test_a_result_is_told_in_words() -> None:
    with pytest.raises(NotProvidedError, match="each has its result in words; got number 1 and 0 characters"):
        ledger.result(used(Purpose.NOTIFIED), 1, "  ", LATER)


@pytest.mark.parametrize("side", Side)
def test_a_release_is_entered_with_what_went_and_changes_nothing_else(side: Side) -> None:
    """The queried side releases too: it received the prints of the query."""
    at = exchange(State.MATCH, side)
    made = Release(INTERPOL, "8(7)", LATER, ("fingerprint data",))
    after = ledger.release(at, made, LATER)
    assert after.releases == (made,)
    assert replace(after, releases=(), last_event_at=NOW) == at


def test_the_last_purpose_closes_the_exchange_where_nothing_more_is_under_way() -> None:
    for state in (State.PROVIDED, State.REFUSED, State.DECLINED):
        ended = ledger.end_purpose(replace(exchange(State.PROVIDED), state=state), Purpose.NOTIFIED, LATER)
        assert (ended.state, ended.since) == (State.CLOSED, LATER)
