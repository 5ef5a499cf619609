"""What a national system says happened to persons of our gallery, and the standing under Annex II that follows from it.

A feed is a file of events: an arrest, what became of a case, a date of birth, a request of arrest, an order to erase. Events
say what a :class:`~annex.eligibility.Standing` is made of, and nothing else: what they mean is for Annex II to say. An event is
known by its source and number: the same one twice is one, and another one under its number is refused.

The standing follows from which events there are, not from when they came (:func:`replayed`). They count from the last time the
standing was stated as a whole, at enrolment or with `pcsc update`, and over it, as what was stated then has no date. Of one day
the later stage of a case counts, in the order of :class:`Kind`; of two outcomes the one that discloses less.

Who is enrolled rests with their history (:class:`Kept`), under the key of their prints: so that it can be said afterwards what
was known when (:func:`known_at`), and so that it ends with the person.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from annex.eligibility import Case, Disposition, Standing
from annex.parameters import Party
from contact_point.holdings import Particulars, ParticularsError
from contact_point.parsing import first_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Kind(StrEnum):
    """What an event says, in the order in which events of one day follow one another."""

    ARRESTED = auto()
    """For a case: Annex II 1(1)(b), 2(2)."""
    PENDING = auto()
    """As all others with the name of a :class:`~annex.eligibility.Disposition`: where a case now stands."""
    NON_PROSECUTION_ART_248 = auto()
    PROSECUTED = auto()
    CONVICTED_NOT_FINAL = auto()
    CONVICTED_FINAL = auto()
    NON_PROSECUTION_OTHER = auto()
    PETTY = auto()
    JUVENILE_NON_CRIMINAL = auto()
    ACQUITTED = auto()
    CASE_STRUCK = auto()
    """The case counts no more: its conviction was annulled or pardoned away, its record expunged."""
    BORN = auto()
    """The date of birth as it is now known; without one, that it is not."""
    WANTED = auto()
    """A request of arrest is circulated, or a warrant issued: Annex II 1(1)(c), 2(3)."""
    NO_LONGER_WANTED = auto()
    TERRORIST = auto()
    """Known or suspected to be one: Annex II 2(4)."""
    NO_LONGER_TERRORIST = auto()
    DIED = auto()
    """The prints are erased, as with ``ERASED``."""
    ERASED = auto()
    """The prints are to be erased: the person leaves the gallery at once."""
    WITHDRAWN = auto()
    """Another event of the same source did not happen, or happened to somebody else."""


DISPOSITIONS: Final[Mapping[Kind, Disposition]] = {Kind(each): each for each in Disposition}
OF_A_CASE: Final = frozenset({Kind.ARRESTED, *DISPOSITIONS, Kind.CASE_STRUCK})
REMOVING: Final = frozenset({Kind.DIED, Kind.ERASED})
OUTCOMES: Final = frozenset(
    {Kind.CONVICTED_FINAL, Kind.NON_PROSECUTION_OTHER, Kind.PETTY, Kind.JUVENILE_NON_CRIMINAL, Kind.ACQUITTED}
)
"""What ends a case: two of them on one day are worth a word."""

_PARAGRAPH_1: Final = frozenset({Kind.NON_PROSECUTION_ART_248, Kind.PETTY, Kind.JUVENILE_NON_CRIMINAL})
_PARAGRAPH_2: Final = frozenset({Kind.TERRORIST, Kind.NO_LONGER_TERRORIST})

KINDS: Final[Mapping[Party, frozenset[Kind]]] = {
    Party.JP: frozenset(Kind) - _PARAGRAPH_2,  # only Annex II 2(4) speaks of terrorists
    Party.US: frozenset(Kind) - _PARAGRAPH_1,  # Annex II 1(1)(b)(ii), (iii): by Japanese law
}
"""The events that the categories of a Party's paragraph of Annex II can be decided by."""

_RANK: Final = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a person on a day, or that became known of them. ``case`` is the national system's number.

    ``arrested_on`` is the day of the arrest that the case is relevant to (Annex II 1(1)(b)); of an arrest it is its own day.
    ``withdraws`` is the number of another event of the same source.
    """

    source: str
    number: str
    subject: str
    on: date
    kind: Kind
    case: str = ""
    arrested_on: date | None = None
    born_on: date | None = None
    withdraws: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What an event is known by."""
        return self.source, self.number

    @property
    def _turn(self) -> tuple[date, int, str, str]:
        """Where it stands among all others of a person: a total order, so that the standing follows from the set alone."""
        return self.on, _RANK[self.kind], self.source, self.number


@dataclass(frozen=True, slots=True)
class Entered:
    """What was entered of a person at one time: the whole standing, at enrolment or by hand, or the events of a feed.

    ``at`` is None for what was known before a history was kept; ``feed`` is the number of the feed, None for what was stated.
    """

    at: datetime | None
    feed: int | None = None
    standing: Standing | None = None
    case_numbers: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept(Particulars):
    """What is stored of a person besides the prints: the particulars as they now stand, and how they came to."""

    history: tuple[Entered, ...] = field(default=())

    def events(self) -> Iterable[Event]:
        """Yield every event that was ever entered of the person."""
        return (event for each in self.history for event in each.events)


_KEPT: Final = TypeAdapter(Kept)


def read_kept(text: str) -> Kept:
    """Return what is stored of a person.

    Raises:
        ParticularsError: it is not that of a person.

    """
    try:
        return _KEPT.validate_json(text)
    except ValidationError as error:
        raise ParticularsError(
            f"what is stored of a person is a standing (Annex II), items (Article 5(2)) and a history; {first_fault(error)}"
        ) from None


def write_kept(kept: Kept) -> str:
    """Return what is stored of a person, as JSON."""
    return _KEPT.dump_json(kept, exclude_defaults=True).decode()


def enrolled(particulars: Particulars, at: datetime) -> Kept:
    """Return what is stored of a person who is enrolled at a time."""
    return _stated((), particulars, at)


def restated(before: Kept, particulars: Particulars, at: datetime) -> Kept:
    """Return what is stored of a person whose standing is stated anew: events count over it from then on."""
    return _stated(_with_a_beginning(before), particulars, at)


def _stated(history: tuple[Entered, ...], particulars: Particulars, at: datetime) -> Kept:
    standing, numbers = particulars.standing, particulars.case_numbers
    entered = Entered(at, standing=standing, case_numbers=numbers)
    return Kept(standing, particulars.items, numbers, (*history, entered))


def taken(before: Kept, events: Sequence[Event], *, feed: int, at: datetime | None) -> Kept | None:
    """Return what is stored of a person after a feed, or None where the person is to be removed.

    Raises:
        CaseError: which case an event is about cannot be told.

    """
    history = (*_with_a_beginning(before), Entered(at, feed, events=tuple(events)))
    now = _replay(history)
    if now is None:
        return None
    return Kept(now.standing, before.items, now.case_numbers, history)


def _with_a_beginning(kept: Kept) -> tuple[Entered, ...]:
    return kept.history or (Entered(None, standing=kept.standing, case_numbers=kept.case_numbers),)


def known_at(kept: Kept, at: datetime) -> Standing | None:
    """Return the standing of an enrolled person as it was known at a time, or None where they were not enrolled yet."""
    history = tuple(each for each in _with_a_beginning(kept) if each.at is None or each.at <= at)
    now = _replay(history) if history else None
    return None if now is None else now.standing


# The standing that follows


class CaseError(ValueError):
    """Which case of a person an event is about cannot be told; ``case`` is the number that it names."""

    def __init__(self, message: str, case: str) -> None:
        super().__init__(message)
        self.case = case


def _replay(history: Sequence[Entered]) -> Particulars | None:
    """Return the standing that a history comes to, items apart."""
    stated = max(at for at, each in enumerate(history) if each.standing is not None)
    base = history[stated]
    assert base.standing is not None  # noqa: S101 - for the types: the line before chose it so
    events = [event for each in history[stated:] for event in each.events]
    # An event of before may be withdrawn after: what was stated in between stays as it was stated.
    return replayed(Particulars(base.standing, {}, base.case_numbers), events)


def replayed(base: Particulars, events: Iterable[Event]) -> Particulars | None:
    """Return what a standing becomes by events, in whatever order they are given; None where the prints are to be erased.

    Raises:
        CaseError: which case an event is about cannot be told.

    """
    all_of_them = list(events)
    withdrawn = {(each.source, each.withdraws) for each in all_of_them if each.kind is Kind.WITHDRAWN}
    live = [each for each in all_of_them if each.key not in withdrawn and each.kind is not Kind.WITHDRAWN]
    live.sort(key=lambda event: event._turn)  # noqa: SLF001 - of this module
    if any(each.kind in REMOVING for each in live):
        return None
    born_on, wanted, terrorist = _of_the_person(base.standing, live)
    cases = _cases(base, live)
    standing = Standing(
        born_on,
        tuple(case for _, case in cases),
        arrest_request_circulated=wanted,
        known_or_suspected_terrorist=terrorist,
        collected_from_individual=base.standing.collected_from_individual,
        criminal_system=base.standing.criminal_system,
    )
    numbers = tuple(number for number, _ in cases)
    return Particulars(standing, base.items, numbers if any(numbers) else ())


def _of_the_person(base: Standing, live: Sequence[Event]) -> tuple[date | None, bool, bool]:
    """Return the date of birth, and whether the person is wanted, and suspected; ``live`` in its order."""
    born_on, wanted, terrorist = base.born_on, base.arrest_request_circulated, base.known_or_suspected_terrorist
    for each in live:
        if each.kind is Kind.BORN:
            born_on = each.born_on
        elif each.kind in {Kind.WANTED, Kind.NO_LONGER_WANTED}:
            wanted = each.kind is Kind.WANTED
        elif each.kind in {Kind.TERRORIST, Kind.NO_LONGER_TERRORIST}:
            terrorist = each.kind is Kind.TERRORIST
    return born_on, wanted, terrorist


def _cases(base: Particulars, live: Sequence[Event]) -> list[tuple[str, Case]]:
    """Return every case with its number: those that were stated in their order, the others after them by number."""
    said: defaultdict[str, list[Event]] = defaultdict(list)
    for each in live:
        if each.case:
            said[each.case].append(each)
    stated = list(base.standing.cases)
    numbers = list(base.case_numbers) or [""] * len(stated)
    known = set(numbers)
    superseded: set[int] = set()
    added: list[tuple[str, Case]] = []
    for number in sorted(said.keys() - known):
        at = _stated_case(stated, numbers, _arrest(said[number]), number)
        superseded |= set() if at is None else {at}
        added += _become(number, None if at is None else stated[at], said[number])
    kept = [
        (number, case)
        for at, (number, case) in enumerate(zip(numbers, stated, strict=True))
        if at not in superseded and not (number and number in said)
    ]
    changed = [
        each
        for number, case in zip(numbers, stated, strict=True)
        if number and number in said
        for each in _become(number, case, said[number])
    ]
    return [*kept, *sorted([*changed, *added], key=lambda each: each[0])]


def _stated_case(cases: Sequence[Case], numbers: Sequence[str], arrest: date | None, number: str) -> int | None:
    """Return which of the cases that were stated without a number a new number is of, by the arrest; None for a new case.

    Raises:
        CaseError: it may be one of several.

    """
    unnumbered = [at for at, each in enumerate(numbers) if not each]
    if unnumbered and arrest is None:
        raise CaseError(
            f"the case has a number that is not known of this person, of whom {len(unnumbered)} cases were stated without one: "
            "which case it is decides (Annex II 1(1)(b), the case relevant to the arrest): say arrested_on, or state the "
            "numbers with `pcsc update`",
            number,
        )
    same = [at for at in unnumbered if cases[at].arrested_on == arrest]
    if len(same) > 1:
        raise CaseError(
            f"{len(same)} cases of this person were stated without a number for an arrest on that day: which one it is decides "
            "(Annex II 1(1)(b), the case relevant to the arrest): state their numbers with `pcsc update`",
            number,
        )
    return same[0] if same else None


def _arrest(events: Sequence[Event]) -> date | None:
    """Return the day of the arrest for a case, as it was said last."""
    return next((each.arrested_on for each in reversed(events) if each.arrested_on is not None), None)


def _become(number: str, case: Case | None, events: Sequence[Event]) -> list[tuple[str, Case]]:
    """Return what became of a case, or nothing where it counts no more."""
    last = next((each.kind for each in reversed(events) if each.kind is not Kind.ARRESTED), None)
    if last is Kind.CASE_STRUCK:
        return []
    before = Disposition.PENDING if case is None else case.disposition
    arrest = _arrest(events) or (None if case is None else case.arrested_on)
    return [(number, Case(before if last is None else DISPOSITIONS[last], arrest))]
