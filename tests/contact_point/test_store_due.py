"""What is due: claimed by one at a time, done once, and there again after whoever claimed it died. And the clock, kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from contact_point.store import Clock, Due
from tests.builders import NOW, QUERY

from . import databases

if TYPE_CHECKING:
    from contact_point.store import Transaction

    from .databases import Place

place, postgresql = databases.place, databases.postgresql

SOON, LATER = NOW + timedelta(seconds=1), NOW + timedelta(days=30)


def test_what_is_due_longest_is_claimed_first_and_nothing_before_its_time(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.plan(QUERY, "lapse", SOON)
        tx.plan(QUERY, "dispose", NOW)
        tx.plan("", "checkpoint", LATER)
    with place.store.transaction() as tx:
        assert tx.claim(NOW - timedelta(microseconds=1)) is None
        assert tx.claim(NOW) == Due(QUERY, "dispose", NOW)
        assert tx.claim(LATER, skip=("dispose",)) == Due(QUERY, "lapse", SOON)
        assert tx.claim(LATER, skip=("dispose", "lapse")) == Due("", "checkpoint", LATER)
        assert tx.claim(LATER, skip=("dispose", "lapse", "checkpoint")) is None
        assert tx.planned(QUERY) == {"dispose": NOW, "lapse": SOON}


def test_what_is_planned_again_is_due_at_the_new_time_and_what_is_planned_at_none_is_not(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.plan(QUERY, "lapse", NOW)
        tx.plan(QUERY, "lapse", LATER)
        assert tx.planned(QUERY) == {"lapse": LATER}
        tx.plan(QUERY, "lapse", None)
        tx.plan(QUERY, "expire", None)
        assert tx.planned(QUERY) == {}


def test_what_is_done_is_due_no_more_unless_it_was_planned_again(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.plan(QUERY, "lapse", NOW)
        tx.plan(QUERY, "expire", NOW)
        first = tx.claim(NOW)
        assert first == Due(QUERY, "expire", NOW)
        tx.plan(QUERY, "expire", LATER)  # not yet: the one who claimed it put it off
        tx.done(first)
        second = tx.claim(NOW)
        assert second == Due(QUERY, "lapse", NOW)
        tx.done(second)
    with place.store.transaction() as tx:
        assert tx.planned(QUERY) == {"expire": LATER}


def test_times_are_compared_as_times_whatever_their_zone_and_however_they_are_written(place: Place) -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    with place.store.transaction() as tx:
        tx.plan(QUERY, "lapse", tokyo + timedelta(microseconds=1))
        assert tx.claim(NOW) is None
        assert tx.claim(tokyo + timedelta(milliseconds=1)) == Due(QUERY, "lapse", NOW + timedelta(microseconds=1))
        tx.plan(QUERY, "dispose", datetime(1970, 1, 1, tzinfo=UTC))
        assert tx.claim(NOW) == Due(QUERY, "dispose", datetime(1970, 1, 1, tzinfo=UTC))
        with pytest.raises(ValueError, match="a stored time is in UTC; this one does not say how far it is from there"):
            tx.plan(QUERY, "lapse", NOW.replace(tzinfo=None))


class DiedError(Exception):
    """Whoever claimed it is gone."""


def test_what_was_claimed_by_one_that_died_is_due_as_before(place: Place) -> None:
    place.do(lambda tx: tx.plan(QUERY, "lapse", NOW))

    def begin(tx: Transaction) -> None:
        due = tx.claim(NOW)
        assert due == Due(QUERY, "lapse", NOW)
        tx.done(due)
        raise DiedError

    with pytest.raises(DiedError):
        place.do(begin)
    with place.again().transaction() as tx:
        assert tx.claim(NOW) == Due(QUERY, "lapse", NOW)


def test_however_many_work_each_thing_is_done_once(place: Place) -> None:
    with place.store.transaction() as tx:
        for number in range(60):
            tx.plan(f"JP261122-{number:016}", "lapse", NOW)
    stores, done = [place.store, place.again(), place.again()], []

    def work(store_: int) -> None:
        while True:
            with stores[store_].transaction() as tx:
                if (due := tx.claim(NOW)) is None:
                    return
                tx.done(due)
                done.append(due.exchange)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert sorted(done) == [f"JP261122-{number:016}" for number in range(60)]


def test_the_clock_is_kept_as_it_was_last_seen(place: Place) -> None:
    with place.store.transaction() as tx:
        assert tx.clock() is None
        tx.keep_clock(Clock(NOW))
        tx.keep_clock(Clock(LATER, alarmed=True, reason="it jumped"))
    with place.again().transaction() as tx:
        assert tx.clock() == Clock(LATER, alarmed=True, reason="it jumped")
