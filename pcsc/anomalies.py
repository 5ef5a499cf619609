"""What in the record a compliance officer should look at: Article 4(3) allows a query about an individual, for a reason.

The queried side cannot verify a reason: its answer is automatic (4(4)), and the circumstances never reach it. So whoever asks
without one shows only in how they ask. What is reported here is no finding: it names exchanges, the clause they may be against,
and what to do. Everything follows from the entries of Article 11, which are kept for this among other things (11(1)(1)), and on
the querying side from digests of the reasons that were stated. **Nothing is kept of a print for it** (8(1)). That probes are
nearly identical is not told by the probes, but by their pace: nobody can state particular circumstances of one individual after
another within a minute (:data:`SERIES`; decision 31).

The numbers are thresholds for attention, none of them law.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pcsc.records import Entry

SAME_REASON: Final = 5
"""Exchanges opened with one reason, word for word, that are reported: one individual and the fingers of a hand need fewer."""

REMARK: Final = "remark"
"""The event of an act that says what stood out in a query when it was made or came."""

UNIDENTIFIED_ROLLED: Final = "said to be unidentified, with ten rolled fingers"
"""The note of such an act: whoever rolls ten fingers has the person (Annex II 1 makes more available of the unidentified)."""

SERIES: Final = 10
"""Queries of one authority, each within :data:`APART` of the one before, that are reported as a series."""

APART: Final = timedelta(seconds=60)

CHANCE: Final = 0.01
"""How likely one report may raise by chance one alarm of each statistic, shared out over all that it tests (Bonferroni)."""

FAR_ABOVE: Final = 3.0
"""A day counts as far above an authority's mean from this many times the mean on: queries come in clusters, so that the exact
tail of independent ones alone would report any busy day."""

LEAST_QUERIES: Final = 5
"""Queries of one day that are reported at all for their number."""

HISTORY: Final = timedelta(days=90)
"""The days before one that its mean is taken of."""

LEAST_MATCHES: Final = 10
"""Matches of one authority from which on its share without a request is held against that of the others."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something to look at: under which clause, what it is, in which exchanges, and what to do."""

    kind: str
    article: str
    direction: Direction
    """Whether it is of queries that we provided, or of those that we received."""
    authority: str
    """The identifier of the authority; empty where it is of several."""
    what: str
    action: str
    exchanges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """How many matches of an authority no request followed, of those whose time for one is over (Article 4(6))."""

    direction: Direction
    authority: str
    matches: int
    without_request: int


@dataclass(frozen=True, slots=True)
class Report:
    """What stood out from ``since`` to before ``until``, and what became of every authority's matches."""

    since: datetime
    until: datetime
    queries: int
    anomalies: tuple[Anomaly, ...]
    followed: tuple[Followed, ...]


def report(
    entries: Iterable[Entry],
    reasons: Mapping[str, Sequence[str]],
    *,
    since: datetime,
    until: datetime,
    follow_up_days: int,
) -> Report:
    """Return what stands out in a whole record between two moments.

    ``reasons`` has the exchanges that were opened with one reason, by its digest; ``follow_up_days`` is the arrangement's.
    Costs time in proportion to the entries, and to the days that are looked at times those before them.

    Raises:
        ValueError: the moments are in the wrong order.

    """
    if since >= until:
        raise ValueError(f"a report is of a time that begins before it ends; got {since} to {until}: exchange the two")
    known = sorted((each for each in entries if each.at < until), key=lambda each: (each.at, each.number))
    queries = [each for each in known if each.event == "query" and each.direction is not Direction.ACT]
    made = [each for each in queries if each.at >= since]
    followed = _followed(known, since=since, until=until, follow_up_days=follow_up_days)
    return Report(
        since,
        until,
        len(made),
        (
            *_same_reasons(made, reasons),
            *_remarks([each for each in known if each.at >= since], made),
            *_far_above(queries, since),
            *_series(made),
            *_unfollowed(followed),
        ),
        tuple(share for share, _ in followed),
    )


def _same_reasons(made: Sequence[Entry], reasons: Mapping[str, Sequence[str]]) -> list[Anomaly]:
    """Report each reason that stands word for word in many exchanges, of which one is of this time."""
    ours = {each.exchange: each for each in made if each.direction is Direction.PROVIDED}
    found = []
    for exchanges in reasons.values():
        here = [ours[each] for each in exchanges if each in ours]
        if len(exchanges) >= SAME_REASON and here:
            authorities = {each.authority.identifier for each in here}
            found.append(
                Anomaly(
                    "same reason",
                    "4(3)",
                    Direction.PROVIDED,
                    authorities.pop() if len(authorities) == 1 else "",
                    f"{len(exchanges)} queries were made with the same particular circumstances, word for word",
                    "let the authority say for each what was known of this individual; stop further queries with this text",
                    tuple(sorted(exchanges)),
                )
            )
    return sorted(found, key=lambda each: each.exchanges)


def _remarks(known: Sequence[Entry], made: Sequence[Entry]) -> list[Anomaly]:
    """Report queries about somebody said to be unidentified, of whom ten fingers were rolled; by authority."""
    directions = {each.exchange: each.direction for each in made}
    told = [each for each in known if each.event == REMARK and each.note == UNIDENTIFIED_ROLLED]
    groups: dict[tuple[Direction, str], list[str]] = defaultdict(list)
    for each in told:
        if each.exchange in directions:
            groups[directions[each.exchange], each.authority.identifier].append(each.exchange)
    return [
        Anomaly(
            "unidentified, ten rolled fingers",
            "4(2)",
            direction,
            authority,
            f"{len(exchanges)} queries were said to relate to an unidentified individual and carried ten rolled fingers, which "
            "are taken of a person who is there; Annex II 1 makes more prints available to such a query",
            "ask who the person was when the prints were taken; correct the declaration, or explain it (Article 4(6))",
            tuple(sorted(exchanges)),
        )
        for (direction, authority), exchanges in sorted(groups.items())
    ]


def _far_above(queries: Sequence[Entry], since: datetime) -> list[Anomaly]:
    """Report each authority on each day (UTC) on which it made far more queries than its mean (:func:`_usual`)."""
    days: dict[Direction, dict[str, dict[date, list[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for each in queries:
        days[each.direction][each.authority.identifier][each.at.astimezone(UTC).date()].append(each.exchange)
    tested = [
        (direction, authority, day, exchanges)
        for direction, authorities in sorted(days.items())
        for authority, by_day in sorted(authorities.items())
        for day, exchanges in sorted(by_day.items())
        if day >= since.astimezone(UTC).date()
    ]
    found = []
    for direction, authority, day, exchanges in tested:
        usual = _usual(days[direction], authority, day)
        if usual is None or len(exchanges) < max(LEAST_QUERIES, FAR_ABOVE * usual):
            continue
        if (chance := poisson_tail(len(exchanges), usual)) < CHANCE / len(tested):
            found.append(
                Anomaly(
                    "far above the mean",
                    "4(3)",
                    direction,
                    authority,
                    f"{len(exchanges)} queries on {day}, where {usual:.2g} a day are usual; of independent ones so many come "
                    f"with a probability of {chance:.1g}",
                    "ask the authority which case or event they belong to, and read their reasons",
                    tuple(sorted(exchanges)),
                )
            )
    return found


def _usual(authorities: Mapping[str, Mapping[date, Sequence[str]]], authority: str, day: date) -> float | None:
    """Return how many queries a day are usual for an authority, or None where nothing was asked before.

    The greater one of two means over :data:`HISTORY` before, or since the first query of all if that is less: its own, and that
    of the authorities that asked at all, so that one that begins is held against the others.
    """
    begun = max(min(min(each) for each in authorities.values()), day - HISTORY)
    before = {
        name: sum(len(made) for at, made in by_day.items() if begun <= at < day) for name, by_day in authorities.items()
    }
    active = [count for count in before.values() if count]
    if not active:
        return None
    return max(before[authority], sum(active) / len(active)) / (day - begun).days


def poisson_tail(count: int, mean: float) -> float:
    """Return the probability of ``count`` or more independent events where ``mean`` are expected, exactly."""
    if count <= mean:  # from the near side: what is less than one half is not lost in rounding
        return 1.0 - math.fsum(_poisson(each, mean) for each in range(count))
    if mean <= 0.0:
        return 0.0
    total, term, at = 0.0, _poisson(count, mean), count
    while term > total * 1e-16:
        total += term
        at += 1
        term *= mean / at
    return total


def _poisson(count: int, mean: float) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) if mean > 0.0 else float(count == 0)


def _series(made: Sequence[Entry]) -> list[Anomaly]:
    """Report queries of one authority that followed each other faster than reasons can be stated."""
    groups: dict[tuple[Direction, str], list[Entry]] = defaultdict(list)
    for each in made:
        groups[each.direction, each.authority.identifier].append(each)
    found = []
    for (direction, authority), theirs in sorted(groups.items()):
        for run in _runs(theirs):
            if len(run) < SERIES:
                continue
            seconds = (run[-1].at - run[0].at).total_seconds()
            begun = f"{run[0].at:%Y-%m-%d %H:%M} UTC"
            found.append(
                Anomaly(
                    "series",
                    "4(3)",
                    direction,
                    authority,
                    f"{len(run)} queries within {seconds:.0f} seconds from {begun}: nobody states the particular circumstances "
                    "of one individual after another so fast; a list of persons would come like this, or one print that is "
                    "altered step by step",
                    "find out what made them; consult the other contact point (Article 14) before more are answered or made",
                    tuple(sorted(each.exchange for each in run)),
                )
            )
    return found


def _runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return entries in their order in time, parted where one came later than :data:`APART` after the one before."""
    runs: list[list[Entry]] = []
    for each in entries:
        if runs and each.at - runs[-1][-1].at <= APART:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _followed(
    known: Sequence[Entry], *, since: datetime, until: datetime, follow_up_days: int
) -> list[tuple[Followed, tuple[str, ...]]]:
    """Return what became of the matches of each authority, with the exchanges that no request followed.

    Only events are looked at, not results (8(3)). A match counts once it is determined or its time is over.
    """
    over = {each.exchange for each in known if each.event in {"determination", "request"}}
    requested = {each.exchange for each in known if each.event == "request"}
    matches: dict[tuple[Direction, str], list[str]] = defaultdict(list)
    for each in known:
        if each.event != "match" or each.at < since:
            continue
        if each.exchange in over or each.at + timedelta(days=follow_up_days) <= until:
            # A match is received for a query that was provided, and the other way round.
            asked = Direction.PROVIDED if each.direction is Direction.RECEIVED else Direction.RECEIVED
            matches[asked, each.authority.identifier].append(each.exchange)
    found = []
    for (direction, authority), theirs in sorted(matches.items()):
        without = tuple(sorted(each for each in theirs if each not in requested))
        found.append((Followed(direction, authority, len(theirs), len(without)), without))
    return found


def _unfollowed(followed: Sequence[tuple[Followed, tuple[str, ...]]]) -> list[Anomaly]:
    """Report authorities of which far more matches than of the others were followed by no request: Article 4(6)."""
    tested = [each for each in followed if each[0].matches >= LEAST_MATCHES]
    found = []
    for share, exchanges in tested:
        others = [each for each, _ in followed if each.direction is share.direction and each != share]
        matches = sum(each.matches for each in others)
        if not matches:
            continue
        # Of one match more, half a one without: so that nobody is held against a certainty.
        usual = (sum(each.without_request for each in others) + 0.5) / (matches + 1)
        if binomial_tail(share.without_request, share.matches, usual) < CHANCE / len(tested):
            found.append(
                Anomaly(
                    "matches without a request",
                    "4(6)",
                    share.direction,
                    share.authority,
                    f"no request followed {share.without_request} of {share.matches} matches; of the others' {usual:.0%}",
                    "ask for an explanation of the purpose of these queries"
                    if share.direction is Direction.RECEIVED
                    else "let the authority explain the purpose of these queries before the other Party asks for it",
                    exchanges,
                )
            )
    return found


def binomial_tail(count: int, of: int, share: float) -> float:
    """Return the probability of ``count`` or more of so many independent events, each with the probability ``share``."""
    return math.fsum(math.comb(of, k) * share**k * (1.0 - share) ** (of - k) for k in range(count, of + 1))
