"""Who is in view of a query, who enters and who leaves, and under which words of Annex II.

A person stands in two views of ours, of queries that relate to an identified and to an unidentified individual. Annex II knows
no others: it asks nothing of what is searched with, so both views are the same for each search (:data:`SEARCHES`).
:func:`compare` says what changes, whatever changes it: a feed, an enrolment, a removal. :func:`by_time` says what will
change by the calendar alone. Both are data, for a page, a text or a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from annex.eligibility import Standing, available
from annex.parameters import Party, rules_in_force
from pcsc.messages import Search

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SEARCHES: Final = tuple(Search)
QUERIES: Final = (True, False)
"""Whether a query relates to an identified individual."""


@dataclass(frozen=True, slots=True)
class Known:
    """A person of the gallery; ``searched`` is whether a print with an image is held, as a match asks for one (4(5))."""

    standing: Standing
    searched: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Whether a person is in a view, under which clause, and why in words."""

    in_view: bool
    clause: str
    reason: str


ABSENT: Final = Place(in_view=False, clause="Art. 4(2)", reason="The person is not in the gallery.")
UNSHOWN: Final = Place(
    in_view=False, clause="Art. 4(5)", reason="No print with an image is held, so a match could not be shown."
)


def place(known: Known | None, party: Party, *, identified: bool, on: date) -> Place:
    """Return where a person stands in a view on a day: Article 4(2), Annex II."""
    if known is None:
        return ABSENT
    answer = available(known.standing, queried=party, identified=identified, on=on)
    if answer.available and not known.searched:
        return UNSHOWN
    return Place(answer.available, answer.clause, answer.reason)


class What(StrEnum):
    """What becomes of a person in a view."""

    ENTERS = "enters"
    LEAVES = "leaves"
    CHANGES = "changes category"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a person in a view, and on which day: that of the comparison, or the one on which time does it."""

    subject: str
    identified: bool
    before: Place
    after: Place
    on: date

    @property
    def what(self) -> What:
        """Whether the person enters, leaves, or stays under another clause."""
        if self.before.in_view is self.after.in_view:
            return What.CHANGES
        return What.ENTERS if self.after.in_view else What.LEAVES


@dataclass(frozen=True, slots=True)
class Count:
    """How many persons are in a view before and after, and how many enter, leave and change category."""

    identified: bool
    before: int
    after: int
    enters: int
    leaves: int
    changes: int


@dataclass(frozen=True, slots=True)
class Diff:
    """What changes in our views as of a day: who by name, and how many. ``rules`` is the version that it is judged by."""

    party: Party
    on: date
    rules: str
    persons_before: int
    persons_after: int
    counts: tuple[Count, ...]
    changes: tuple[Change, ...]


def compare(persons: Mapping[str, Known], changed: Mapping[str, Known | None], party: Party, on: date) -> Diff:
    """Return what changes in the views if ``changed`` becomes of persons, some of them new; None is for one who is removed.

    Costs a question to Annex II for each person and view.
    """
    changes = tuple(
        change
        for subject in sorted(changed)
        for identified in QUERIES
        if (change := _change(subject, persons.get(subject), changed[subject], party, identified, on)) is not None
    )
    counts = tuple(_count(persons, changes, party, identified, on) for identified in QUERIES)
    gone = sum(each is None and subject in persons for subject, each in changed.items())
    new = sum(each is not None and subject not in persons for subject, each in changed.items())
    rules = rules_in_force(on).version
    return Diff(party, on, rules, len(persons), len(persons) - gone + new, counts, changes)


def _change(
    subject: str, before: Known | None, after: Known | None, party: Party, identified: bool, on: date
) -> Change | None:
    was, becomes = (place(each, party, identified=identified, on=on) for each in (before, after))
    same = was.clause == becomes.clause if was.in_view else True
    return None if was.in_view is becomes.in_view and same else Change(subject, identified, was, becomes, on)


def _count(persons: Mapping[str, Known], changes: Iterable[Change], party: Party, identified: bool, on: date) -> Count:
    before = sum(place(each, party, identified=identified, on=on).in_view for each in persons.values())
    whats = [each.what for each in changes if each.identified is identified]
    enters, leaves = whats.count(What.ENTERS), whats.count(What.LEAVES)
    return Count(identified, before, before + enters - leaves, enters, leaves, whats.count(What.CHANGES))


def by_time(persons: Mapping[str, Known], party: Party, on: date, days: int) -> tuple[Change, ...]:
    """Return what changes in the views on each of the ``days`` after ``on`` without any event, in the order of time.

    A person comes of age, an arrest that was entered ahead is made, the rules change (:mod:`annex.parameters`).
    """
    until = on + timedelta(days=days)
    found: list[Change] = []
    rules = _rules_change(on, until)
    for subject, known in persons.items():
        days_of_theirs = sorted({day for day in _turns(known.standing, on, rules) if on < day <= until})
        for identified in QUERIES if days_of_theirs else ():
            was = place(known, party, identified=identified, on=on)
            for day in days_of_theirs:
                becomes = place(known, party, identified=identified, on=day)
                if was.in_view is not becomes.in_view or (was.in_view and was.clause != becomes.clause):
                    found.append(Change(subject, identified, was, becomes, day))
                was = becomes
    return tuple(sorted(found, key=lambda each: (each.on, each.subject, not each.identified)))


def _turns(standing: Standing, on: date, rules: tuple[date, ...]) -> Iterator[date]:
    """Yield the days on which another answer of Annex II is possible; some lie outside of the time asked about."""
    for case in standing.cases:
        if case.arrested_on is not None:
            yield case.arrested_on
    yield from rules
    if standing.born_on is not None:
        for day in (on, *rules):
            yield _birthday(standing.born_on, rules_in_force(day).age_of_adult)


def _birthday(born_on: date, years: int) -> date:
    try:
        return born_on.replace(year=born_on.year + years)
    except ValueError:  # of 29 February, in a year that has none: annex.eligibility says why
        return date(born_on.year + years, 3, 1)


def _rules_change(on: date, until: date) -> tuple[date, ...]:
    """Return the days after ``on`` on which other rules come into force."""
    days = []
    while (since := date.fromisoformat(rules_in_force(until).version)) > on:
        days.append(since)
        until = since - timedelta(days=1)
    return tuple(days)
