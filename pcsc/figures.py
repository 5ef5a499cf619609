"""What a supervisor looks at: how often candidates were false, how long examining took, how near deadlines are, what is left.

Where :mod:`pcsc.statistics` draws up a period for others, this is the same record as a course: by month, by day, by bands of
time. Each figure is a function of entries of the record (Article 11), of exchanges and of the time, and of nothing else.

Whoever may see only suppressed figures gets those of :func:`suppressed`, :func:`suppressed_months` and
:func:`suppressed_days`, without the small counts that tell of persons (:mod:`pcsc.suppression`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pcsc.messages import Conclusion, Search
from pcsc.records import Direction
from pcsc.suppression import hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pcsc.arrangement import Arrangements
    from pcsc.duties import Duty
    from pcsc.records import Entry

# False candidates


@dataclass(frozen=True, slots=True)
class Month:
    """The conclusions of a calendar month (UTC) on matches that we were given: Article 4(5). None where they are not told."""

    month: str
    """Such as 2026-11."""
    concluded: int | None
    excluded: int | None

    @property
    def per_mille(self) -> int | None:
        """False candidates in a thousand examined ones, the half rounded up; None without a conclusion, or where not told."""
        if not self.concluded or self.excluded is None:
            return None
        return (2000 * self.excluded + self.concluded) // (2 * self.concluded)


def false_candidates(entries: Iterable[Entry], first: date, last: date) -> tuple[Month, ...]:
    """Return each month from that of ``first`` to that of ``last``, whole, by our record's entries.

    Of an exchange the last conclusion of the month counts, as in a :class:`~pcsc.statistics.Pack` of the month: what is
    concluded anew later changes no figure.
    """
    concluded: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    last_of = {(entry.exchange, f"{entry.at.astimezone(UTC):%Y-%m}"): entry for entry in _examinations(entries)}
    for (_, month), entry in last_of.items():
        concluded[month] += 1
        excluded[month] += entry.note.partition(" ")[0] == Conclusion.EXCLUSION
    return tuple(Month(month, concluded[month], excluded[month]) for month in _months(first, last))


def _examinations(entries: Iterable[Entry]) -> list[Entry]:
    """Return our examinations in their order in time."""
    found = (entry for entry in entries if _is(entry, "examination", Direction.ACT))
    return sorted(found, key=lambda entry: (entry.at, entry.number))


def _months(first: date, last: date) -> list[str]:
    whole = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in whole]


# Examination time


@dataclass(frozen=True, slots=True)
class Band:
    """What lies in one span of time: less than ``below`` and no less than the band before; None: all that is longer."""

    below: timedelta | None
    count: int | None
    """None where it is not told."""


_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
EXAMINED_WITHIN: Final = (_HOUR, 4 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, None)
"""The bands in which examination times are told."""
DUE_WITHIN: Final = (timedelta(), _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, None)
"""The bands in which deadlines are told; the first are those that have passed."""


def examination_times(entries: Sequence[Entry], first: date, last: date) -> tuple[Band, ...]:
    """Return how long it took from each match received to its conclusion (Article 4(5)), for conclusions of these days (UTC).

    It is the last conclusion of the exchange by the end of ``last``: until then the question was open.
    """
    concluded = {entry.exchange: entry for entry in _examinations(entries) if entry.at.astimezone(UTC).date() <= last}
    matched = {entry.exchange: entry.at for entry in entries if _is(entry, "match", Direction.RECEIVED)}
    taken = [
        entry.at - matched[exchange]
        for exchange, entry in concluded.items()
        if exchange in matched and first <= entry.at.astimezone(UTC).date()
    ]
    return _banded(taken, EXAMINED_WITHIN)


def _is(entry: Entry, event: str, direction: Direction) -> bool:
    return (entry.event, entry.direction) == (event, direction)


def _banded(times: Iterable[timedelta], bounds: Sequence[timedelta | None]) -> tuple[Band, ...]:
    counted = Counter(next(bound for bound in bounds if bound is None or time < bound) for time in times)
    return tuple(Band(bound, counted[bound]) for bound in bounds)


# Ageing


def nearness(duties: Iterable[Duty], now: datetime) -> tuple[Band, ...]:
    """Return how near the open exchanges are to their deadlines at ``now``: each counts once, by its nearest."""
    nearest: dict[str, datetime] = {}
    for duty in duties:
        nearest[duty.exchange] = min(duty.by, nearest.get(duty.exchange, duty.by))
    return _banded((by - now for by in nearest.values()), DUE_WITHIN)


# Quotas


@dataclass(frozen=True, slots=True)
class Used:
    """Queries of one kind in one direction on one UTC day, and how many the arrangement allows: Article 4(7)."""

    day: date
    direction: Direction
    """Provided: queries of ours. Received: of the other Party."""
    search: Search
    used: int | None
    """As the record counts them; None where it is not told."""
    allowed: int


def quotas(entries: Iterable[Entry], arrangements: Arrangements, first: date, last: date) -> tuple[Used, ...]:
    """Return the queries of each day from ``first`` to ``last``, by direction and search, beside what was allowed that day.

    A query that was received and not accepted is counted too, where its receipt is recorded.

    Raises:
        NoArrangementError: on one of the days no arrangement was in force.

    """
    counted = Counter(
        (entry.at.astimezone(UTC).date(), entry.direction, entry.search) for entry in entries if entry.event == "query"
    )
    days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    return tuple(
        Used(day, direction, search, counted[day, direction, search], arrangements.at(day).queries_per_day[search])
        for day in days
        for direction in (Direction.PROVIDED, Direction.RECEIVED)
        for search in Search
    )


# Suppression


def suppressed(bands: Sequence[Band]) -> tuple[Band, ...]:
    """Return a distribution without its small counts."""
    unseen = hidden({at: band.count or 0 for at, band in enumerate(bands)})
    return tuple(replace(band, count=None) if at in unseen else band for at, band in enumerate(bands))


def suppressed_months(months: Sequence[Month]) -> tuple[Month, ...]:
    """Return months without small counts: neither of false candidates nor of the others, which the rate would tell.

    A month whose conclusions are few is not told at all; nor is a second one then, as in :func:`~pcsc.suppression.hidden`.
    """
    unseen = hidden({each.month: each.concluded or 0 for each in months})
    return tuple(_suppressed(each, whole=each.month in unseen) for each in months)


def _suppressed(month: Month, *, whole: bool) -> Month:
    if whole:
        return replace(month, concluded=None, excluded=None)
    excluded = month.excluded or 0
    parts = hidden({True: excluded, False: (month.concluded or 0) - excluded})
    return replace(month, excluded=None) if parts else month


def suppressed_days(days: Sequence[Used]) -> tuple[Used, ...]:
    """Return the use of quotas without small counts, by direction and search."""
    kinds: dict[tuple[Direction, Search], dict[date, int]] = {}
    for each in days:
        kinds.setdefault((each.direction, each.search), {})[each.day] = each.used or 0
    unseen = {kind: hidden(counts) for kind, counts in kinds.items()}
    return tuple(replace(each, used=None) if each.day in unseen[each.direction, each.search] else each for each in days)
