"""What is held, counted without names."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest

from annex.parameters import rules_in_force
from pcsc.duties import Content, permitted
from pcsc.exchange import Side, State
from pcsc.overview import RECORD_TERM, Holding, ending, is_overdue, overview
from tests.builders import NOW, arrangement, exchange

if TYPE_CHECKING:
    from datetime import datetime

    from pcsc.exchange import Exchange

RULES = rules_in_force(NOW.date())
EARLIER = NOW - timedelta(days=3)


def overdue(at: Exchange, kind: Content, now: datetime) -> bool:
    return is_overdue(at, kind, arrangement(), RULES, now)


def test_what_is_held_is_counted_by_side_and_kind_with_the_clause_that_ends_it() -> None:
    one = exchange(State.MATCH)
    two = exchange(State.MATCH, control_number="JP261119-OLDER", opened_at=EARLIER)
    theirs = exchange(State.MATCH, Side.QUERIED)
    held = [(one, Content.CANDIDATE), (two, Content.CANDIDATE), (two, Content.RECEIPT), (two, Content.RECEIPT)]
    found = overview([*held, (theirs, Content.PROBE)], arrangement(), RULES, NOW)
    until = "the response to a request, or that none follows"
    assert found == (
        Holding(Side.QUERIED, Content.PROBE, 1, 1, NOW, "8(1)", until, 0),
        Holding(Side.QUERYING, Content.CANDIDATE, 2, 2, EARLIER, "8(2)", "the determination whether to request", 0),
        Holding(Side.QUERYING, Content.RECEIPT, 2, 1, EARLIER, "11(3)", RECORD_TERM, 0),
    )


def test_nothing_held_is_nothing_counted() -> None:
    assert overview([], arrangement(), RULES, NOW) == ()


@pytest.mark.parametrize(("side", "kind"), list(product(Side, Content)))
def test_everything_held_has_a_clause_and_an_end(side: Side, kind: Content) -> None:
    clause, ends = ending(side, kind)
    assert clause
    # What is kept in every state ends with the record; what is not has an end of its own.
    states = [state for state in State if state not in {State.OPEN, State.CLOSED}]
    always = all(kind in permitted(exchange(state, side)) for state in states if _reachable(state, side))
    somewhere = any(kind in permitted(exchange(state, side)) for state in states if _reachable(state, side))
    if kind is not Content.MESSAGE and somewhere:
        assert (ends == RECORD_TERM) is always


def _reachable(state: State, side: Side) -> bool:
    return state is not State.EXAMINED or side is Side.QUERYING


def test_8_1_a_print_is_overdue_from_the_hard_stop_of_the_arrangement_on() -> None:
    at, stop = exchange(State.MATCH, Side.QUERIED), NOW + timedelta(days=arrangement().follow_up_days)
    assert not overdue(at, Content.PROBE, stop - timedelta(seconds=1))
    assert overdue(at, Content.PROBE, stop)
    assert not overdue(at, Content.RECEIPT, stop)


def test_8_2_what_the_state_does_not_permit_is_overdue_at_once() -> None:
    assert overdue(exchange(State.NO_REQUEST), Content.CANDIDATE, NOW)


def test_8_9_information_is_overdue_when_its_review_is() -> None:
    at, by = exchange(State.PROVIDED), NOW + timedelta(days=arrangement().review_days)
    assert not overdue(at, Content.INFORMATION, by)
    assert overdue(at, Content.INFORMATION, by + timedelta(seconds=1))
    assert not overdue(at, Content.NOTIFICATION, by + timedelta(seconds=1))


def test_11_3_everything_is_overdue_when_the_term_of_the_record_has_ended() -> None:
    at = exchange(State.NO_MATCH)
    assert not overdue(at, Content.RECEIPT, NOW + timedelta(days=700))
    assert overdue(at, Content.RECEIPT, NOW.replace(year=NOW.year + 2))
