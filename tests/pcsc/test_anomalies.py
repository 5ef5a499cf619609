"""What stands out in a record, and that what is usual does not: each finding with a control just below it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annex.parameters import Party
from pcsc import anomalies
from pcsc.anomalies import APART, LEAST_MATCHES, SAME_REASON, SERIES, Anomaly, Followed, report
from pcsc.messages import Authority
from pcsc.records import Direction, Entry

PROVIDED, RECEIVED, ACT = Direction.PROVIDED, Direction.RECEIVED, Direction.ACT
BEGUN: Final = datetime(2026, 1, 1, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
JUNE: Final = datetime(2026, 6, 10, 9, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)


class Record:
    """The record of Japan, as a test writes it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.reasons: dict[str, list[str]] = {}
        self._numbers = count()

    def add(self, exchange: str, event: str, direction: Direction, at: datetime, who: str, **changes: Any) -> None:
        fields: dict[str, Any] = {"exchange": exchange, "message": f"{exchange}-{event}", "information": ()}
        fields |= {"made_at": at, "other": Party.US, "authority": Authority("Police", "Unit", who, "JP")}
        fields |= {"identified": True, "article": "", "arrangement": "test-1", "rules": "2022-04-01"}
        self.entries.append(
            Entry(
                **fields | {"number": next(self._numbers), "event": event, "direction": direction, "at": at, **changes}
            )
        )

    def query(self, at: datetime, who: str = "A", direction: Direction = PROVIDED, reason: str = "") -> str:
        """Enter a query, and return the number of its exchange."""
        exchange = f"X-{len(self.entries):05}"
        self.add(exchange, "query", direction, at, who)
        if reason:
            self.reasons.setdefault(reason, []).append(exchange)
        return exchange

    def match(self, who: str, direction: Direction = RECEIVED, *, requested: bool, at: datetime = JUNE) -> str:
        """Enter a query that matched, and was determined."""
        exchange = self.query(at, who, direction)
        answered, told = (PROVIDED, RECEIVED) if direction is RECEIVED else (RECEIVED, PROVIDED)
        self.add(exchange, "match", answered, at, who)
        self.add(exchange, "determination", told, at + HOUR, who)
        if requested:
            self.add(exchange, "request", told, at + HOUR, who)
        return exchange

    def found(self, kind: str = "") -> list[Anomaly]:
        made = report(self.entries, self.reasons, since=SINCE, until=UNTIL, follow_up_days=30)
        return [each for each in made.anomalies if kind in {"", each.kind}]


def test_an_empty_record_has_nothing_that_stands_out() -> None:
    assert report([], {}, since=SINCE, until=UNTIL, follow_up_days=30) == anomalies.Report(SINCE, UNTIL, 0, (), ())


def test_a_report_is_of_a_time_that_begins_before_it_ends() -> None:
    with pytest.raises(ValueError, match="a report is of a time that begins before it ends; got 2026-07-01"):
        report([], {}, since=UNTIL, until=SINCE, follow_up_days=30)


# Article 4(3): the same reason


def test_4_3_one_reason_for_many_exchanges_is_reported_with_every_exchange() -> None:
    record = Record()
    told = [record.query(JUNE + each * 5 * HOUR, reason="d1") for each in range(SAME_REASON)]
    (found,) = record.found()
    assert (found.kind, found.article, found.authority) == ("same reason", "4(3)", "A")
    assert found.exchanges == tuple(told)
    assert found.what == "5 queries were made with the same particular circumstances, word for word"
    assert "say for each what was known of this individual" in found.action


def test_4_3_fewer_exchanges_of_one_reason_and_many_of_different_ones_are_not_reported() -> None:
    record = Record()
    for each in range(SAME_REASON - 1):
        record.query(JUNE + each * 5 * HOUR, reason="d1")
        record.query(JUNE + each * 5 * HOUR, reason=f"own-{each}")
    assert record.found() == []


def test_4_3_a_reason_that_was_last_stated_before_the_time_is_not_reported_again() -> None:
    record = Record()
    for each in range(SAME_REASON):
        record.query(SINCE - timedelta(days=5 + each), reason="d1")
    assert record.found("same reason") == []
    record.query(JUNE, who="B", reason="d1")
    (found,) = record.found("same reason")
    assert (len(found.exchanges), found.authority) == (SAME_REASON + 1, "B")


# Article 4(2) with Annex II 1: unidentified


def test_4_2_an_unidentified_person_with_ten_rolled_fingers_is_reported_on_either_side() -> None:
    record = Record()
    for direction in (PROVIDED, RECEIVED):
        exchange = record.query(JUNE, direction=direction)
        record.add(exchange, anomalies.REMARK, ACT, JUNE, "A", note=anomalies.UNIDENTIFIED_ROLLED)
    other = record.query(JUNE)
    record.add(other, anomalies.REMARK, ACT, JUNE, "A", note="another remark")
    found = record.found()
    assert [(each.kind, each.article, each.direction) for each in found] == [
        ("unidentified, ten rolled fingers", "4(2)", PROVIDED),
        ("unidentified, ten rolled fingers", "4(2)", RECEIVED),
    ]
    assert other not in {number for each in found for number in each.exchanges}


# Far above the mean


def usual(record: Record, who: str, a_day: int, direction: Direction = PROVIDED) -> None:
    """Enter so many queries for each of the 100 days before the time, hours apart."""
    for day in range(1, 101):
        for each in range(a_day):
            record.query(SINCE - timedelta(days=day) + each * 2 * HOUR, who, direction)


@pytest.mark.parametrize(("made", "stands_out"), [(6, False), (14, True)])
def test_4_3_a_day_far_above_an_authoritys_mean_is_reported_and_a_busy_one_is_not(made: int, stands_out: bool) -> None:
    record = Record()
    usual(record, "A", 2)
    usual(record, "B", 2)
    told = [record.query(JUNE.replace(hour=0) + each * HOUR, "A") for each in range(made)]
    found = record.found()
    assert bool(found) is stands_out
    if stands_out:
        assert (found[0].kind, found[0].authority, found[0].exchanges) == ("far above the mean", "A", tuple(told))
        assert found[0].what.startswith("14 queries on 2026-06-10, where 1.8 a day are usual; of independent ones")


def test_4_3_an_authority_that_begins_is_held_against_the_others() -> None:
    record = Record()
    usual(record, "A", 10)
    for each in range(12):
        record.query(JUNE.replace(hour=0) + each * HOUR, "new")
    assert record.found() == []
    for each in range(24):
        record.query(JUNE.replace(hour=0) + each * HOUR + HOUR / 2, "new")
    (found,) = record.found()
    assert (found.authority, len(found.exchanges)) == ("new", 36)


def test_4_3_the_other_partys_authorities_are_not_held_against_ours() -> None:
    record = Record()
    usual(record, "A", 10, RECEIVED)
    usual(record, "B", 1)
    for each in range(12):
        record.query(JUNE.replace(hour=0) + each * HOUR, "B")
    (found,) = record.found()
    assert (found.authority, found.direction) == ("B", PROVIDED)


def test_where_nothing_was_asked_before_nothing_is_above_a_mean() -> None:
    record = Record()
    for each in range(23):
        record.query(JUNE.replace(hour=0) + each * HOUR)
    assert record.found() == []


# Series: what is left of nearly identical probes where nothing of a probe is kept (Article 8(1))


@pytest.mark.parametrize(
    ("many", "apart", "stands_out"),
    [(SERIES, APART, True), (SERIES - 1, APART, False), (SERIES, APART + timedelta(seconds=1), False)],
)
def test_4_3_queries_faster_than_reasons_can_be_stated_are_a_series(
    many: int, apart: timedelta, stands_out: bool
) -> None:
    record = Record()
    told = [record.query(JUNE + each * apart, direction=RECEIVED) for each in range(many)]
    found = record.found("series")
    assert bool(found) is stands_out
    if stands_out:
        assert (found[0].article, found[0].direction, found[0].exchanges) == ("4(3)", RECEIVED, tuple(told))
        assert found[0].what.startswith("10 queries within 540 seconds from 2026-06-10 09:00 UTC: nobody states")


def test_4_3_several_authorities_at_once_are_no_series() -> None:
    record = Record()
    for each in range(2 * SERIES):
        record.query(JUNE + each * APART, who=f"A{each % 3}")
    assert record.found("series") == []


# Article 4(6): matches that no request follows


@pytest.mark.parametrize(("without", "stands_out"), [(4, False), (LEAST_MATCHES, True)])
def test_4_6_matches_of_one_authority_that_no_request_follows_are_reported(without: int, stands_out: bool) -> None:
    record = Record()
    for each in range(40):
        record.match("B", RECEIVED, requested=each % 5 != 0, at=SINCE + each * 7 * HOUR)
    told = [
        record.match("A", RECEIVED, requested=each >= without, at=SINCE + each * 7 * HOUR)
        for each in range(LEAST_MATCHES)
    ]
    found = record.found("matches without a request")
    assert bool(found) is stands_out
    if stands_out:
        assert (found[0].authority, found[0].article, found[0].exchanges) == ("A", "4(6)", tuple(told))
        assert found[0].what == "no request followed 10 of 10 matches; of the others' 21%"
        assert found[0].action == "ask for an explanation of the purpose of these queries"


def test_4_6_a_match_counts_once_its_time_for_a_request_is_over() -> None:
    record = Record()
    for at in (SINCE, UNTIL - HOUR):
        record.add(record.query(at), "match", RECEIVED, at, "A")
    made = report(record.entries, {}, since=SINCE, until=UNTIL, follow_up_days=30)
    assert made.followed == (Followed(PROVIDED, "A", 1, 1),)


# The tails


@given(st.integers(0, 60), st.floats(0.01, 60.0))
def test_the_poisson_tail_is_what_is_left_of_one(number: int, mean: float) -> None:
    below = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(number))
    assert anomalies.poisson_tail(number, mean) == pytest.approx(1.0 - below, abs=1e-12)


def test_tails_are_exact_where_little_is_left() -> None:
    # exp(-1) times the sum of 1/k! from 20 on
    assert anomalies.poisson_tail(20, 1.0) == pytest.approx(1.587527601e-19, rel=1e-6, abs=0.0)
    assert anomalies.poisson_tail(1, 0.0) == 0.0
    assert anomalies.poisson_tail(0, 0.0) == 1.0
    assert anomalies.binomial_tail(10, 10, 0.5) == 2.0**-10
    assert anomalies.binomial_tail(0, 3, 0.2) == pytest.approx(1.0)
