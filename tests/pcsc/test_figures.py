"""Figures by month, day and span of time, each beside an obvious twin; and that no small count can be made out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annex.parameters import Party
from pcsc import figures, statistics
from pcsc.arrangement import Arrangements
from pcsc.duties import Duty, DutyKind
from pcsc.errors import NoArrangementError
from pcsc.figures import Band, Month
from pcsc.messages import Authority, Search
from pcsc.records import Direction, Entry
from pcsc.suppression import SMALL, hidden, part
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, LAST = date(2026, 1, 10), date(2026, 4, 20)
POLICE = Authority("Hokkaido Prefectural Police", "First Investigation Division", "HKD-1", "Hokkaido")
NOTES = st.sampled_from(["exclusion by A", "identification by B", "inconclusive by C"])


def entry(number: int, exchange: int, event: str, direction: Direction, hours: float, **changes: Any) -> Entry:
    at = START + timedelta(hours=hours)
    fields: dict[str, Any] = {
        "number": number,
        "exchange": f"JP-{exchange}",
        "direction": direction,
        "event": event,
        "message": f"JP-{exchange}-{number}",
        "information": (),
        "at": at,
        "made_at": at,
        "other": Party.US,
        "authority": POLICE,
        "identified": True,
        "article": "",
        "arrangement": "test-1",
        "rules": "2022-04-01",
    }
    return Entry(**{**fields, **changes})


@st.composite
def records(draw: st.DrawFn) -> list[Entry]:
    """Make a record of some exchanges, each with a match and some examinations, in any order."""
    made: list[Entry] = []
    for exchange in range(draw(st.integers(0, 12))):
        asked = draw(st.integers(0, 24 * 150))
        way = draw(st.sampled_from([Direction.PROVIDED, Direction.RECEIVED]))
        search = draw(st.sampled_from(list(Search)))
        made.append(entry(len(made), exchange, "query", way, asked, search=search))
        if draw(st.booleans()):
            made.append(entry(len(made), exchange, "match", Direction.RECEIVED, asked))
        for _ in range(draw(st.integers(0, 3))):
            later = asked + draw(st.sampled_from([0.5, 1, 5, 24, 71.9, 200, 400]))
            made.append(entry(len(made), exchange, "examination", Direction.ACT, later, note=draw(NOTES)))
    return draw(st.permutations(made))


def last_examinations(entries: Sequence[Entry], until: str) -> list[Entry]:
    """Return the last examination of each exchange up to a month or day, obviously."""
    found = []
    for number in {each.exchange for each in entries}:
        examined = [
            each
            for each in entries
            if each.exchange == number and each.event == "examination" and each.at.isoformat()[: len(until)] <= until
        ]
        if examined:
            found.append(max(examined, key=lambda each: (each.at, each.number)))
    return found


@given(records())
def test_false_candidates_are_as_counted_one_by_one(entries: list[Entry]) -> None:
    made = figures.false_candidates(entries, FIRST, LAST)
    assert [each.month for each in made] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    for month in made:
        examined = last_examinations(entries, month.month)
        concluded = [each for each in examined if each.at.isoformat().startswith(month.month)]
        excluded = [each for each in concluded if each.note.startswith("exclusion")]
        assert (month.concluded, month.excluded) == (len(concluded), len(excluded))
        assert month.per_mille == (int(1000 * len(excluded) / len(concluded) + 0.5) if concluded else None)


@given(records())
def test_14_1_the_rate_of_a_month_is_that_of_the_pack_of_the_month(entries: list[Entry]) -> None:
    (month,) = figures.false_candidates(entries, date(2026, 5, 1), date(2026, 5, 31))
    pack = statistics.pack(entries, date(2026, 5, 1), date(2026, 5, 31), Party.JP, explanation_days=14)
    assert (month.concluded, month.per_mille) == (sum(pack.conclusions.values()), pack.false_candidates_per_mille)


@given(records())
def test_examination_times_are_as_counted_one_by_one(entries: list[Entry]) -> None:
    made = figures.examination_times(entries, FIRST, LAST)
    times = []
    for each in last_examinations(entries, f"{LAST}"):
        match = [other for other in entries if other.exchange == each.exchange and other.event == "match"]
        if match and each.at.date() >= FIRST:
            times.append(each.at - match[0].at)
    assert sum(band.count or 0 for band in made) == len(times)
    least = timedelta()
    for band in made:
        assert band.count == sum(least <= each and (band.below is None or each < band.below) for each in times)
        least = band.below or least


def test_an_examination_of_exactly_a_day_took_no_less_than_a_day() -> None:
    course = [
        entry(0, 1, "match", Direction.RECEIVED, 24 * 20),
        entry(1, 1, "examination", Direction.ACT, 24 * 21, note="exclusion by A"),
    ]
    told = {band.below: band.count for band in figures.examination_times(course, FIRST, LAST)}
    assert (told[timedelta(days=1)], told[timedelta(days=3)]) == (0, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-40, 40))))
def test_each_open_exchange_counts_once_by_its_nearest_deadline(owed: list[tuple[int, int]]) -> None:
    duties = [
        Duty(f"JP-{number}", DutyKind.ANSWER, "answer", "5(2)", START + timedelta(days=days)) for number, days in owed
    ]
    made = figures.nearness(duties, START)
    nearest = [min(days for other, days in owed if other == number) for number in {number for number, _ in owed}]
    bounds = [-1000, 0, 1, 3, 7, 14, 30, 1000]
    expected = [sum(low <= days < high for days in nearest) for low, high in pairwise(bounds)]
    assert [band.count for band in made] == expected


@given(records())
def test_4_7_queries_are_counted_by_day_direction_and_search_beside_the_quota_of_the_day(entries: list[Entry]) -> None:
    before = builders.arrangement(
        version="a", in_force_from=date(2026, 1, 1), queries_per_day={"tenprint": 3, "latent": 1}
    )
    after = builders.arrangement(
        version="b", in_force_from=date(2026, 2, 1), queries_per_day={"tenprint": 9, "latent": 2}
    )
    made = figures.quotas(entries, Arrangements((before, after)), FIRST, LAST)
    assert len(made) == 2 * 2 * ((LAST - FIRST).days + 1)
    for each in made:
        asked = [
            other
            for other in entries
            if (other.event, other.direction, other.search) == ("query", each.direction, each.search)
            and other.at.date() == each.day
        ]
        assert each.used == len(asked)
        assert each.allowed == (after if each.day >= date(2026, 2, 1) else before).queries_per_day[each.search]


def test_4_7_a_day_without_an_arrangement_has_no_quota() -> None:
    held = Arrangements((builders.arrangement(in_force_from=date(2026, 2, 1)),))
    with pytest.raises(NoArrangementError, match="expected a day from 2026-02-01; got 2026-01-10"):
        figures.quotas([], held, FIRST, LAST)


# Suppression

COUNTS = st.lists(st.integers(0, 12), max_size=8)


@given(COUNTS)
def test_no_small_count_is_told_and_no_single_one_is_left_out(counts: list[int]) -> None:
    unseen = hidden(dict(enumerate(counts)))
    assert all(at in unseen for at, count in enumerate(counts) if 0 < count < SMALL)
    # A single one would be the whole less the others; only where all others are zero there is nothing to hide it with.
    if len(unseen) == 1:
        assert [count for count in counts if count >= SMALL] == []
    assert not unseen or any(0 < count < SMALL for count in counts)
    assert all(counts[at] > 0 for at in unseen)


@given(COUNTS)
def test_what_is_left_out_of_a_distribution_could_have_been_otherwise(counts: list[int]) -> None:
    """Slow twin of the purpose: whoever knows the whole finds another course of it that looks the same."""
    told = figures.suppressed([Band(None, count) for count in counts])
    unseen = [at for at, band in enumerate(told) if band.count is None]
    if len(unseen) > 1:
        one, two = unseen[0], unseen[1]
        other = list(counts)
        other[one], other[two] = other[one] + 1, other[two] - 1
        assert sum(other) == sum(counts)
        assert [band.count for at, band in enumerate(told) if at not in unseen] == [
            count for at, count in enumerate(other) if at not in unseen
        ]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6))
def test_8_3_months_tell_neither_few_exclusions_nor_few_others(parts: list[tuple[int, int]]) -> None:
    months = [Month(f"2026-{at:02}", one + two, one) for at, (one, two) in enumerate(parts, 1)]
    for month, (one, two) in zip(figures.suppressed_months(months), parts, strict=True):
        if 0 < one < SMALL or 0 < two < SMALL:
            assert (month.excluded, month.per_mille) == (None, None)
        if 0 < one + two < SMALL:
            assert month.concluded is None
        if month.concluded is not None:
            assert month.concluded == one + two


def test_months_and_days_of_large_counts_are_told() -> None:
    months = (Month("2026-01", 100, 90), Month("2026-02", 50, 50), Month("2026-03", 0, 0))
    assert figures.suppressed_months(months) == months
    held = Arrangements((builders.arrangement(in_force_from=date(2026, 1, 1)),))
    asked = [entry(at, at, "query", Direction.PROVIDED, 24 * 9 + at, search="latent") for at in range(6)]
    days = figures.quotas(asked, held, FIRST, FIRST)
    assert figures.suppressed_days(days) == days
    few = figures.suppressed_days(figures.quotas(asked[:4], held, FIRST, FIRST))
    assert {(each.direction, each.search): each.used for each in few}[Direction.PROVIDED, Search.LATENT] is None
    assert sum(each.used or 0 for each in few) == 0


def test_a_part_is_told_where_neither_it_nor_the_rest_nor_the_whole_is_small() -> None:
    told = {(count, whole): part(count, whole) for whole in (0, 3, 9, 12) for count in range(whole + 1)}
    assert {pair: count for pair, count in told.items() if count is not None} == {
        (0, 0): 0, (0, 9): 0, (9, 9): 9, (0, 12): 0, (5, 12): 5, (6, 12): 6, (7, 12): 7, (12, 12): 12,
    }  # fmt: skip


@given(records())
def test_14_1_a_suppressed_pack_tells_no_small_count(entries: list[Entry]) -> None:
    made = statistics.pack(entries, FIRST, LAST, Party.JP, explanation_days=14)
    told = statistics.suppressed(made)
    for name in ("conclusions", "deletions", "measures", "uses"):
        assert not [count for count in told[name].values() if count is not None and 0 < count < SMALL]
    for name in ("events", "searches", "individuals"):
        counts = [count for group in told[name].values() for count in group.values()]
        assert not [count for count in counts if count is not None and 0 < count < SMALL]
    if None in told["conclusions"].values():
        assert told["false_candidates_per_mille"] is None
    assert statistics.canonical(told) == statistics.canonical(statistics.suppressed(made))
    assert set(told) == set(statistics.asdict(made))
