"""From when to when the agreement applies: the arithmetic of three months, for every day there is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.parameters import IN_FORCE, Party
from pcsc.agreement import IN_FORCE_WITHOUT_NOTICE, NOTICE_MONTHS, Agreement, Termination
from pcsc.errors import NotInForceError, TerminatedError

DAYS = st.dates(IN_FORCE, date(2199, 12, 31))


def ends(received: date) -> date:
    return Termination(Party.JP, received, "note verbale 3").ends_on


@given(DAYS)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_15_4_the_end_is_the_same_day_three_months_later_or_the_day_after_a_month_that_lacks_it(received: date) -> None:
    end = ends(received)
    months = (end.year - received.year) * 12 + end.month - received.month
    assert (months, end.day) in {(NOTICE_MONTHS, received.day), (NOTICE_MONTHS + 1, 1)}
    assert (end - timedelta(days=1)).month != end.month or months == NOTICE_MONTHS


@given(DAYS)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_15_4_a_later_notice_never_ends_it_sooner(received: date) -> None:
    assert ends(received) <= ends(received + timedelta(days=1))


@given(DAYS, st.integers(-200, 200))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_15_4_it_has_ended_from_that_day_on_and_never_runs_again(received: date, days: int) -> None:
    agreement = Agreement(Termination(Party.US, received, "note verbale 3"))
    day = max(ends(received) + timedelta(days=days), IN_FORCE)
    now = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
    assert agreement.ended(now) is (day >= ends(received))
    if agreement.ended(now):
        with pytest.raises(
            TerminatedError, match=f"^Art. 15.4.: the agreement ended on {ends(received)}, three months"
        ):
            agreement.check("query", now)
    else:
        agreement.check("query", now)


def test_15_1_before_the_entry_into_force_nothing_is_under_it_whoever_gave_notice() -> None:
    eve = datetime(2019, 1, 4, 23, 59, 59, tzinfo=UTC)
    for agreement in (IN_FORCE_WITHOUT_NOTICE, Agreement(Termination(Party.US, IN_FORCE, "note verbale 3"))):
        with pytest.raises(
            NotInForceError, match="the agreement applies from 2019-01-05; this request is of 2019-01-04"
        ):
            agreement.check("request", eve)
        agreement.check("request", eve + timedelta(seconds=1))
