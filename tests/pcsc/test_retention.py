"""How long the record of an exchange is kept: Article 11(3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsc import ledger, life, matters
from pcsc.agreement import months_after
from pcsc.errors import RecordError
from pcsc.exchange import Release, Side, State
from pcsc.messages import Recipient, RecipientKind
from pcsc.records import append, expire, of_act, verify
from pcsc.retention import check_hold, copy_ends, ends_at, least_kept
from tests import builders
from tests.builders import NOW, arrangement, exchange

if TYPE_CHECKING:
    from pcsc.records import Recorded

TERM_END = datetime(2028, 11, 22, 3, 4, 5, tzinfo=UTC)
"""Two years after the builders' exchanges had their last event."""


def test_11_3_the_term_is_two_years_from_the_last_event_of_the_exchange() -> None:
    assert ends_at(exchange(State.NO_MATCH), arrangement()) == TERM_END
    later = life.close(exchange(State.NO_REQUEST), NOW + timedelta(days=40))
    assert ends_at(later, arrangement()) == TERM_END + timedelta(days=40)
    assert ends_at(exchange(State.NO_MATCH), arrangement(record_months=36)) == TERM_END.replace(year=2029)


def test_11_3_from_a_leap_day_two_years_end_on_the_first_of_march() -> None:
    on_leap_day = replace(exchange(State.NO_MATCH), last_event_at=datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert ends_at(on_leap_day, arrangement()) == datetime(2030, 3, 1, 12, tzinfo=UTC)


def test_11_1_2_while_information_is_held_the_record_that_7_and_10_need_has_no_end() -> None:
    held = exchange(State.PROVIDED)
    assert ends_at(held, arrangement()) is None
    assert ends_at(life.close(held, NOW), arrangement()) == TERM_END
    # Who provided it cannot know how long it is held: their own two years run.
    assert ends_at(exchange(State.PROVIDED, Side.QUERIED), arrangement()) == TERM_END


def test_11_1_2_while_a_question_is_open_the_record_has_no_end() -> None:
    asked = matters.raised(
        exchange(State.NO_REQUEST, Side.QUERIED),
        builders.explanation_request(),
        exchange().queried,
        arrangement(),
        NOW + timedelta(days=31),
    )
    assert ends_at(asked, arrangement()) is None


def test_11_3_while_an_answer_is_owed_or_a_notice_is_open_the_record_has_no_end() -> None:
    assert ends_at(exchange(State.REQUESTED, Side.QUERIED), arrangement()) is None
    assert (
        ends_at(exchange(State.REQUESTED, Side.QUERYING), arrangement()) == TERM_END
    )  # the other Party's delay is not ours
    notice = life.open_notice(builders.consultation(), Side.QUERIED, arrangement(), NOW)
    assert ends_at(notice, arrangement()) is None
    assert ends_at(life.close(notice, NOW), arrangement()) == TERM_END


def test_10_2_while_a_recipient_is_to_be_told_the_record_has_no_end() -> None:
    recipient = Recipient(RecipientKind.AUTHORITY, "Customs")
    closed = exchange(State.CLOSED)
    untold = Release(recipient, "8(7)", NOW, ("name",), told=False)
    assert ends_at(ledger.release(closed, untold, NOW), arrangement()) is None
    assert ends_at(ledger.release(closed, replace(untold, told=True), NOW), arrangement()) == TERM_END


def test_11_3_a_law_keeps_the_record_beyond_its_term_and_is_cited() -> None:
    kept = replace(exchange(State.NO_MATCH), kept_under=check_hold(" Public Records Act, Art. 5 "))
    assert kept.kept_under == "Public Records Act, Art. 5"
    assert ends_at(kept, arrangement()) is None
    with pytest.raises(RecordError, match=r"Art. 11\(1\).*no law is cited: cite the provision that orders to keep it"):
        check_hold("  ")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(day=st.dates(date(2019, 1, 5), date(2200, 1, 1)), months=st.integers(0, 1200))
def test_months_are_whole_calendar_months_and_never_a_day_short(day: date, months: int) -> None:
    later = months_after(day, months)
    years, month = divmod(12 * day.year + day.month - 1 + months, 12)
    assert (later.year, later.month) == (years, month + 1) or (later.day == 1 and day.day > 28)
    assert later.day in {day.day, 1}
    assert months_after(day, months + 12) > later


@settings(derandomize=True, max_examples=200, deadline=None)
@given(now=st.datetimes(datetime(2021, 1, 5), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds of a strategy, which adds the zone
def test_11_3_whatever_is_two_years_old_may_be_gone_and_nothing_younger(now: datetime) -> None:
    since = least_kept(now)
    assert datetime.combine(months_after(since.date(), 24), since.timetz()) <= now
    younger = since + timedelta(days=1)
    assert datetime.combine(months_after(younger.date(), 24), younger.timetz()) > now


def test_11_3_two_years_before_the_last_day_of_a_february_is_a_day_that_there_is() -> None:
    assert least_kept(datetime(2028, 2, 29, 1, tzinfo=UTC)) == datetime(2026, 2, 28, 1, tzinfo=UTC)
    assert least_kept(datetime(2028, 3, 31, 1, tzinfo=UTC)) == datetime(2026, 3, 31, 1, tzinfo=UTC)


def test_11_3_an_entry_that_came_late_is_kept_for_two_years_as_well() -> None:
    of = exchange(State.NO_MATCH)
    late = NOW + timedelta(days=3)
    assert ends_at(of, arrangement(), recorded_at=late) == TERM_END + timedelta(days=3)
    assert ends_at(of, arrangement(), recorded_at=NOW - timedelta(days=3)) == TERM_END
    assert ends_at(exchange(State.PROVIDED), arrangement(), recorded_at=late) is None


@pytest.mark.parametrize("state", [State.NO_MATCH, State.NO_REQUEST, State.REFUSED, State.CLOSED])
def test_11_3_the_term_is_over_neither_before_two_years_nor_before_what_the_record_speaks_of(state: State) -> None:
    for side in Side:
        of = exchange(state, side)
        end = ends_at(of, arrangement())
        assert end is not None
        assert datetime.combine(months_after(of.last_event_at.date(), 24), of.last_event_at.timetz()) <= end


def test_11_3_a_copy_of_the_record_goes_with_the_first_term_that_ends_in_it() -> None:
    day = timedelta(days=1)
    assert copy_ends([TERM_END + day, TERM_END, None]) == TERM_END
    assert copy_ends([None]) is copy_ends([]) is None


def record_of(*days: int) -> list[Recorded]:
    """Return a record with an entry on each of these days after the builders' now."""
    places: list[Recorded] = []
    for number, day in enumerate(days):
        at = NOW + timedelta(days=day)
        act = of_act(number, exchange(State.MATCH), "examination", article="4(5)", note="", now=at)
        places.append(append(places[-1] if places else None, act, f"{number:064x}"))
    return places


def test_11_3_a_place_that_was_emptied_before_its_term_is_told() -> None:
    places = record_of(0, 10, 800, 810)
    now = NOW + timedelta(days=820)
    after_term = [places[0], expire(places[1]), *places[2:]]
    assert verify(after_term, kept_since=least_kept(now)).expired == 1
    too_early = [*places[:3], expire(places[3])]
    with pytest.raises(
        RecordError,
        match=r"entry 3 of the record was emptied before its term: it is younger than an entry of 2029-01-30, and each",
    ):
        verify(too_early, kept_since=least_kept(now))
    assert verify(too_early).expired == 1


def test_11_3_a_month_that_was_emptied_before_its_term_is_told_also_where_no_entry_is_left() -> None:
    places = [expire(place) for place in record_of(0, 10, 800, 810)]
    now = NOW + timedelta(days=820)
    with pytest.raises(
        RecordError, match=r"entry 2 of the record was emptied before its term: it stands in tree 2029-01, and each"
    ):
        verify(places, kept_since=least_kept(now))
    # In the month of the moment itself one cannot tell by the month alone.
    assert verify(places, kept_since=NOW + timedelta(days=815)).expired == 4


def test_11_3_what_went_at_its_term_did_not_go_early_because_a_clock_had_once_been_ahead() -> None:
    # By a clock that was right, the second was of day 1. It was stamped a month ahead, and its tree begins early.
    places = record_of(0, 31, 2, 3, 4, 40, 735)
    assert places[1].tree == places[4].tree == "2026-12"
    since = NOW + timedelta(days=3)
    stamped = [expire(places[0]), places[1], expire(places[2]), *places[3:]]
    assert verify(stamped, kept_since=since).expired == 2
    believed = [*map(expire, places[:3]), *places[3:]]
    assert verify(believed, kept_since=since).expired == 3
    for early in (4, 5):  # in the tree that began early, and after it
        emptied = [*believed[:early], expire(places[early]), *places[early + 1 :]]
        with pytest.raises(
            RecordError, match=f"entry {early} of the record was emptied before its term: it is younger"
        ):
            verify(emptied, kept_since=since)


def test_11_3_a_clock_that_was_ahead_hides_nothing_that_was_emptied_after_it_was_right_again() -> None:
    places = record_of(0, 31, 2, 3, 400, 410, 735)
    emptied = [*map(expire, places[:3]), *places[3:5], expire(places[5]), places[6]]
    with pytest.raises(
        RecordError, match=r"entry 5 of the record was emptied before its term: it is younger than an entry"
    ):
        verify(emptied, kept_since=NOW + timedelta(days=3))
