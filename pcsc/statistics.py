"""The figures of the record: for the consultations of Article 14, and for the yearly report that Japan's law orders.

Everything is counted from the entries of Article 11 and from nothing else, so that the same record gives the same figures, to
the last bit, whoever counts and in whatever order the entries come. An entry whose term has ended (11(3)) is no longer there
to be counted: figures are drawn up before that.

The figures tell nothing about anybody: no number of an exchange, no authority and no name is in them (1(2)). The
record's events are counted, which is what it is kept for (11(1)(1)); no message, and no result of a query (8(3)), is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median_low
from typing import TYPE_CHECKING, Any, Final

from annex.parameters import Party
from pcsc.matters import Measure
from pcsc.messages import Conclusion
from pcsc.records import Direction
from pcsc.suppression import SMALL, hidden, part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pcsc.duties import Duty
    from pcsc.records import Entry

NOT_STATED: Final = "not stated"
REVIEW: Final = "solely to review the implementation of the agreement: Article 8(6)"
"""What figures on results of use may serve for."""
_FOR_REVIEW: Final = frozenset({"result request", "result of use"})


@dataclass(frozen=True, slots=True)
class Answered:
    """Questions of one side: how many were asked, answered, and not answered by the day they were due."""

    asked: int
    answered: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Pack:
    """What one Party brings to consultations on the implementation (Article 14(1)): figures of whole days, in UTC.

    Figures by direction are "provided" (sent by us), "received", and "act" (done here and told to nobody).
    """

    ours: Party
    first: date
    last: date
    events: Mapping[str, Mapping[str, int]]
    """Messages and acts by their event and direction, results of use apart."""
    searches: Mapping[str, Mapping[str, int]]
    """Queries by direction and by what they searched with (Article 4(7))."""
    individuals: Mapping[str, Mapping[str, int]]
    """Queries by direction and by what they said of the individual (Annex II)."""
    conclusions: Mapping[str, int]
    """Our examiners' conclusions on the matches that we were given (Article 4(5)); of an exchange, the last one."""
    false_candidates_per_mille: int | None
    """Exclusions among those conclusions, in thousandths; None where nothing was concluded."""
    days_to_examination: int | None
    """Median of the whole days from a match received to its first examination; None where there was none."""
    days_to_determination: int | None
    """Median of the whole days from a match received to the determination (Article 8(2)); None where there was none."""
    explanations_asked_by_us: Answered
    """Article 4(6), of the other Party's queries."""
    explanations_asked_of_us: Answered
    """Article 4(6), of our own queries."""
    deletions: Mapping[str, int]
    """Deletions by the clause that orders them."""
    lapses: Mapping[str, int]
    """Holds that only the arrangement's hard stop ended, by clause."""
    measures: Mapping[str, int]
    """What was done about incorrect or unreliable information (Article 10(2))."""
    not_accepted: Mapping[str, int]
    """Messages of either side that the other did not accept, by the clause."""
    uses: Mapping[str, int]
    """Askings to use provided information, by the clause that allowed or forbade the use (Article 8(5))."""
    results_of_use: Mapping[str, Mapping[str, int]]
    """Requests for results of use and results told (Article 7), by event and direction."""
    results_of_use_serve: str = REVIEW

    def canonical(self) -> str:
        """Return the one JSON text of these figures."""
        return canonical(asdict(self))


def suppressed(made: Pack) -> dict[str, Any]:
    """Return the figures without small counts, and without what would tell them; None stands in their place.

    For whoever may see how the agreement is implemented and no person: results of a query may not be told so (Article 8(3)).
    """
    told = asdict(made)
    for name in ("conclusions", "deletions", "lapses", "measures", "not_accepted", "uses"):
        told[name] = _without_small(told[name])
    for name in ("events", "searches", "individuals", "results_of_use"):
        told[name] = {outer: _without_small(counts) for outer, counts in told[name].items()}
    for name in ("explanations_asked_by_us", "explanations_asked_of_us"):
        told[name] = _answered_without_small(getattr(made, name))
    if None in told["conclusions"].values():
        told["false_candidates_per_mille"] = None
    for name, event, direction in (
        ("days_to_examination", "examination", Direction.ACT),
        ("days_to_determination", "determination", Direction.PROVIDED),
    ):
        if made.events.get(event, {}).get(direction, 0) < SMALL:
            told[name] = None
    return told


def canonical(figures: Mapping[str, Any]) -> str:
    """Return the one JSON text of figures."""
    return json.dumps(figures, sort_keys=True, separators=(",", ":"), default=_text)


def _without_small(counts: Mapping[str, int]) -> dict[str, int | None]:
    unseen = hidden(counts)
    return {name: None if name in unseen else count for name, count in counts.items()}


def _answered_without_small(made: Answered) -> dict[str, int | None]:
    return {
        "asked": None if 0 < made.asked < SMALL else made.asked,
        "answered": part(made.answered, made.asked),
        "overdue": part(made.overdue, made.asked),
    }


def _text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"figures hold numbers, texts and dates; got {type(value).__name__}")


def pack(entries: Iterable[Entry], first: date, last: date, ours: Party, *, explanation_days: int) -> Pack:
    """Return the figures from ``first`` to ``last``, both included, out of the whole record of ``ours``.

    ``explanation_days`` is the arrangement's time for the answer of Article 4(6). What is overdue is so at the end of
    ``last``: what happened later changes no figure.

    Raises:
        ValueError: the days are in the wrong order, or the record is the other Party's.

    """
    period = _Period(first, last)
    known = _kept_by(ours, [entry for entry in entries if entry.at < period.end])
    counted = [entry for entry in known if entry.at >= period.start]
    queries = [entry for entry in counted if entry.event == "query"]
    conclusions = _conclusions(known, period)
    return Pack(
        ours=ours,
        first=first,
        last=last,
        events=_by_direction(entry for entry in counted if entry.event not in _FOR_REVIEW),
        searches=_nested((entry.direction, entry.search or NOT_STATED) for entry in queries),
        individuals=_nested((entry.direction, _individual(entry)) for entry in queries),
        conclusions=conclusions,
        false_candidates_per_mille=_per_mille(conclusions[Conclusion.EXCLUSION], sum(conclusions.values())),
        days_to_examination=_median_days(known, period, "examination", Direction.ACT),
        days_to_determination=_median_days(known, period, "determination", Direction.PROVIDED),
        explanations_asked_by_us=_answered(known, period, Direction.PROVIDED, explanation_days),
        explanations_asked_of_us=_answered(known, period, Direction.RECEIVED, explanation_days),
        deletions=_by_clause(counted, "deletion"),
        lapses=_by_clause(counted, "lapse"),
        measures=_measures(counted),
        not_accepted=_by_clause(counted, "not accepted"),
        uses=_by_clause(counted, "use"),
        # Art. 8(6): told apart from all other figures, with what they may serve for.
        results_of_use=_by_direction(entry for entry in counted if entry.event in _FOR_REVIEW),
    )


@dataclass(frozen=True, slots=True)
class Rule16:
    """What the National Police Agency reports to the National Public Safety Commission at least once a year.

    Source: National Public Safety Commission Rule No. 16 of 2018, Article 7(1), items (i) to (iv); exactly these four.
    """

    year: int
    match_answers_given: int
    """Item (i): answers to the United States that fingerprint data are recorded."""
    explanation_requests_made: int
    """Item (ii): requests under Article 3 of the Rule, which are those of Article 4(6) of the agreement."""
    further_information_requests_received: int
    """Item (iii): requests of the United States under Article 5(1)."""
    result_of_use_requests_made: int
    """Item (iv): requests to the United States under Article 7."""


def rule_16(entries: Iterable[Entry], year: int, ours: Party) -> Rule16:
    """Return the four figures of a calendar year (UTC) for the report of Rule 16 of 2018, out of Japan's record.

    Raises:
        ValueError: ``ours`` is not Japan, or the record is the other Party's.

    """
    if ours is not Party.JP:
        raise ValueError(
            f"National Public Safety Commission Rule No. 16 of 2018 orders a report of Japan; this contact point is of {ours}: "
            "ask for the figures of a period instead"
        )
    period = _Period(date(year, 1, 1), date(year, 12, 31))
    counted = Counter(
        (entry.event, entry.direction) for entry in _kept_by(ours, entries) if period.start <= entry.at < period.end
    )
    return Rule16(
        year=year,
        match_answers_given=counted["match", Direction.PROVIDED],
        explanation_requests_made=counted["explanation request", Direction.PROVIDED],
        further_information_requests_received=counted["request", Direction.RECEIVED],
        result_of_use_requests_made=counted["result request", Direction.PROVIDED],
    )


@dataclass(frozen=True, slots=True)
class Ageing:
    """Duties of one kind: how many wait, how many of them are overdue, and for how many whole days the oldest is."""

    article: str
    what: str
    waiting: int
    overdue: int
    oldest_days: int


def ageing(duties: Iterable[Duty], now: datetime) -> tuple[Ageing, ...]:
    """Return how what is owed stands at ``now``, by article and kind: requests are answered "without undue delay"."""
    kinds: dict[tuple[str, str], list[timedelta]] = {}
    for duty in duties:
        kinds.setdefault((duty.article, duty.what), []).append(now - duty.by)
    return tuple(
        Ageing(article, what, len(late), sum(each > timedelta() for each in late), max(0, max(late).days))
        for (article, what), late in sorted(kinds.items())
    )


class _Period:
    """The time from the start of one UTC day to the end of another."""

    def __init__(self, first: date, last: date) -> None:
        if first > last:
            raise ValueError(
                f"figures are of the days from the first to the last; got {first} to {last}: exchange the two"
            )
        self.start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self.end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


def _kept_by(ours: Party, entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries, if they are of the record that ``ours`` keeps."""
    entries = list(entries)
    if any(entry.other is ours for entry in entries):
        raise ValueError(f"figures of {ours} are counted from its own record; this one is kept by {ours.other}")
    return entries


def _individual(entry: Entry) -> str:
    if entry.identified is None:
        return NOT_STATED
    return "identified" if entry.identified else "unidentified"


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Count pairs, by their first part and then by their second, in alphabetical order."""
    figures: dict[str, dict[str, int]] = {}
    for (outer, inner), number in sorted(Counter((str(outer), str(inner)) for outer, inner in pairs).items()):
        figures.setdefault(outer, {})[inner] = number
    return figures


def _by_direction(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    return _nested((entry.event, entry.direction) for entry in entries)


def _by_clause(entries: Iterable[Entry], event: str) -> dict[str, int]:
    return dict(sorted(Counter(entry.article for entry in entries if entry.event == event).items()))


def _in_time(entries: Iterable[Entry], event: str, direction: Direction) -> list[Entry]:
    """Return the entries of an event in their order in time, and in the record where the times are equal."""
    found = (entry for entry in entries if (entry.event, entry.direction) == (event, direction))
    return sorted(found, key=lambda entry: (entry.at, entry.number))


def _conclusions(entries: Sequence[Entry], period: _Period) -> dict[str, int]:
    """Count the conclusions of Article 4(5), of each exchange the last one."""
    last = {entry.exchange: entry for entry in _in_time(entries, "examination", Direction.ACT)}
    counted = Counter(_outcome(entry) for entry in last.values() if entry.at in period)
    return {conclusion.value: counted[conclusion] for conclusion in Conclusion}


def _measures(entries: Iterable[Entry]) -> dict[str, int]:
    counted = Counter(_outcome(entry) for entry in entries if entry.event == "measure")
    return {measure.value: counted[measure] for measure in Measure}


def _outcome(entry: Entry) -> str:
    """Return the word that the note of an act begins with; the name of who acted, after it, stays in the record."""
    return entry.note.partition(" ")[0]


def _per_mille(part: int, whole: int) -> int | None:
    """Return a share in thousandths, the half rounded up."""
    return (2000 * part + whole) // (2 * whole) if whole else None


def _median_days(entries: Sequence[Entry], period: _Period, event: str, direction: Direction) -> int | None:
    """Return the median of the days from a match received to the first such event, over the events of the period."""
    matched = {entry.exchange: entry.at for entry in _in_time(entries, "match", Direction.RECEIVED)}
    first = {entry.exchange: entry.at for entry in reversed(_in_time(entries, event, direction))}
    days = [(at - matched[exchange]).days for exchange, at in first.items() if at in period and exchange in matched]
    return median_low(days) if days else None


def _answered(entries: Sequence[Entry], period: _Period, asked: Direction, days: int) -> Answered:
    """Count the requests of Article 4(6) of the period in one direction, and how they stood at its end."""
    given = Direction.RECEIVED if asked is Direction.PROVIDED else Direction.PROVIDED
    answers = _in_time(entries, "explanation", given)
    requests = [entry for entry in _in_time(entries, "explanation request", asked) if entry.at in period]
    answered = overdue = 0
    for request in requests:
        at = next((each.at for each in answers if each.exchange == request.exchange and each.at >= request.at), None)
        answered += at is not None
        overdue += (at or period.end) > request.at + timedelta(days=days)
    return Answered(len(requests), answered, overdue)
