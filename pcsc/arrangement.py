"""What the implementing arrangement between the two contact points fixes: Articles 4(7) and 5(1).

The agreement leaves numbers, deadlines and lists of items to an arrangement. Nothing here has a default: an arrangement is
a dated document that both contact points hold and sign, and every decision cites its version. :class:`Arrangements` is
all of them, so that a decision of long ago can be made again under the one then in force.

What this module fixes is only what keeps an arrangement from emptying a clause, or from contradicting itself: bounds and
orders, each with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from annex.parameters import IN_FORCE, Party, rules_in_force
from pcsc.errors import NoArrangementError
from pcsc.messages import Search


class ArrangementError(ValueError):
    """The document is not an arrangement: a value is missing, unknown, outside its bounds or contradicts another.

    ``key`` is the dotted path of the value at fault, such as ``items.JP``: whoever holds the text can name its line.
    """

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One version of the implementing arrangement. Days are days of 24 hours."""

    version: str
    in_force_from: date
    """The first day, in UTC, of which it governs the acts."""
    queries_per_day: Mapping[Search, int]
    """Queries of each search type that one Party may make in one UTC day (Article 4(7))."""
    candidates: Mapping[Search, int]
    """Matching individuals named in one answer: "a match", Article 4(4), so 1."""
    false_positive_identification_rate: float
    """False candidates that one search may be expected to give over the whole gallery made available."""
    circumstances_characters: int
    """Least length of the particular circumstances of Article 4(3)."""
    urgency_characters: int
    """Least length of the stated risk for which an answer is urgent."""
    answer_hours: int
    """Hours in which a query is answered, "automatically" (Article 4(4))."""
    examination_days: int
    """Days after a match for the examiner to confirm it (Article 4(5))."""
    determination_days: int
    """Days after a match to determine whether to request further information (Article 8(2))."""
    follow_up_days: int
    """Days after a match at which prints held for it are destroyed whatever else happens (Article 8(1) and (2))."""
    explanation_request_days: int
    """Days after a match went unfollowed to ask for an explanation: the "reasonable period of time" of Article 4(6)."""
    explanation_reply_days: int
    """Days to explain: the "timely manner" of Article 4(6)."""
    reply_days: int
    """Days to answer a request for further information (Article 5(2))."""
    urgent_reply_hours: int
    """Hours to answer an urgent one."""
    acceptance_days: int
    """Days to accept or decline the conditions of a provision (Article 8(8))."""
    consent_reply_days: int
    """Days to answer a request for prior consent (Articles 8(5)(2) and 8(7))."""
    result_reply_days: int
    """Days to notify, upon request, the result of use (Article 7)."""
    review_days: int
    """Days between two reviews of whether information is still necessary (Article 8(9))."""
    correction_hours: int
    """Hours to correct, delete or no longer disclose what is incorrect or unreliable (Article 10)."""
    breach_notice_hours: int
    """Hours to tell the other contact point of a breach of protection, in writing (Article 9)."""
    consultation_days: int
    """Days between two consultations on the implementation (Article 14(1))."""
    record_months: int
    """Months for which a record is kept after the last event of its exchange: at least 24 (Article 11(3))."""
    notification: tuple[str, ...]
    """Items of the written notification that must be filled, the purpose always among them (Article 5(1))."""
    items: Mapping[Party, tuple[str, ...]]
    """Items of information that each Party may give under Article 5(2)."""

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Arrangement:
        """Read an arrangement from the mapping of its document.

        Raises:
            ArrangementError: a key is missing or unknown, a value is of the wrong kind or outside its bounds, or two values
                contradict each other.

        """
        _keys("", document, [field.name for field in fields(cls)])
        _name(document["version"])
        _day(document["in_force_from"])
        _rate(document["false_positive_identification_rate"])
        for name, bounds in _BOUNDS.items():
            _whole(name, document[name], *bounds)
        made = cls(
            **{
                **document,
                **{name: _per_search(name, document[name], *bounds) for name, bounds in _PER_SEARCH.items()},
                "notification": _notification(document["notification"]),
                "items": _items(document["items"], document["in_force_from"]),
            }
        )
        _contradictions(made)
        return made


@dataclass(frozen=True, slots=True)
class Arrangements:
    """The versions of the arrangement that are held, in the order in which they took force; each ends the one before.

    Raises:
        ArrangementError: two have the same version, or the days on which they take force do not rise strictly.

    """

    versions: tuple[Arrangement, ...]

    def __post_init__(self) -> None:
        for at, later in enumerate(self.versions[1:], start=1):
            before = self.versions[at - 1]
            if later.version in {earlier.version for earlier in self.versions[:at]}:
                raise ArrangementError(
                    f"the arrangement's version: expected a name that no other has; got {later.version!r} twice: every "
                    "decision cites its version (Art. 4(7)): give the later document another name",
                    "version",
                )
            if later.in_force_from <= before.in_force_from:
                raise ArrangementError(
                    f"the arrangement's in_force_from: expected a day after {before.in_force_from}, when {before.version} "
                    f"takes force; got {later.in_force_from} for {later.version}: on each day one arrangement is in force "
                    "(Art. 4(7)): agree on a later day",
                    "in_force_from",
                )

    def at(self, day: date) -> Arrangement:
        """Return the arrangement in force on that day (UTC).

        Raises:
            NoArrangementError: none was.

        """
        for each in reversed(self.versions):
            if each.in_force_from <= day:
                return each
        first = f"from {self.versions[0].in_force_from}" if self.versions else "on which one is in force"
        raise NoArrangementError(
            f"expected a day {first}; got {day}: without an implementing arrangement in force nothing is queried or "
            "requested; agree on one with the other contact point"
        )

    def version(self, name: str) -> Arrangement:
        """Return the arrangement of that version, as a decision made under it cites it.

        Raises:
            NoArrangementError: no such version is held.

        """
        for each in self.versions:
            if each.version == name:
                return each
        held = ", ".join(each.version for each in self.versions) or "none"
        raise NoArrangementError(
            f"expected a version that is held ({held}); got {name!r}: what cites it can be judged only by it; restore "
            "its document, or ask the other contact point for theirs"
        )


_AGREE: Final = "agree on a value and correct the document"

_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A version names its file."""

_LENGTH_WHY: Final = "what fits every case says nothing of this one"

_BOUNDS: Final[Mapping[str, tuple[int, int, str]]] = {
    "circumstances_characters": (20, 10_000, f"Art. 4(3) asks for particular circumstances, and {_LENGTH_WHY}"),
    "urgency_characters": (20, 10_000, f"an urgent request goes before all others, and {_LENGTH_WHY}"),
    "answer_hours": (1, 24, "Art. 4(4): the system responds automatically"),
    "examination_days": (1, 90, "Art. 4(5): the prints come so that the match is confirmed"),
    "determination_days": (1, 90, "Art. 8(2): the prints are held until the determination, and no longer"),
    "follow_up_days": (1, 365, "Art. 8(1) and (2): prints are held for a purpose, not for years"),
    "explanation_request_days": (1, 365, 'Art. 4(6): "within a reasonable period of time"'),
    "explanation_reply_days": (1, 90, 'Art. 4(6): "in a timely manner"'),
    "reply_days": (1, 365, "Art. 5(2): what is requested shall be provided"),
    "urgent_reply_hours": (1, 720, "an urgent request is answered before others (Art. 5(2))"),
    "acceptance_days": (1, 90, "Art. 8(8): what is offered under conditions waits for their acceptance"),
    "consent_reply_days": (1, 365, "Art. 8(5)(2) and 8(7): a use or a release waits for the consent"),
    "result_reply_days": (1, 365, "Art. 7: the result of use shall be notified upon request"),
    "review_days": (1, 365, "Art. 8(9): information is retained only so long as necessary"),
    "correction_hours": (1, 168, "Art. 10(2): appropriate measures follow the notice"),
    "breach_notice_hours": (1, 72, "Art. 9: the other Party's information is to be protected while it can be"),
    "consultation_days": (1, 1_096, "Art. 14(1): the Parties shall hold consultations"),
    "record_months": (24, 1_200, "Art. 11(3): the record is maintained for at least two years"),
}
_PER_SEARCH: Final[Mapping[str, tuple[int, int, str]]] = {
    "queries_per_day": (0, 100_000, "Art. 4(7) leaves the number to the arrangement, and it is a number"),
    "candidates": (1, 1, 'Art. 4(4): "a match, with a corresponding reference number" is one individual'),
}
_ORDER: Final = (
    ("examination_days", "determination_days", "Art. 8(2): nobody determines before the match is examined"),
    (
        "determination_days",
        "follow_up_days",
        "Art. 8(2): the prints would be destroyed before the determination is due",
    ),
)
"""The first lasts no longer than the second."""

NOTIFICATION: Final = ("purpose", "case reference", "authority", "offences", "items", "signed by")
"""What a written notification has room for; an arrangement says which of it must be filled."""


def _keys(place: str, given: object, known: Iterable[str]) -> None:
    """Refuse a table that does not have exactly the known keys."""
    where = f"the arrangement's {place}" if place else "the arrangement"
    if not isinstance(given, Mapping):
        raise ArrangementError(
            f"{where}: expected a table with {', '.join(known)}; got {given!r}: each has a value of its own (Art. 4(7)): "
            f"{_AGREE}",
            place,
        )
    expected, got = set(known), {str(key) for key in given}
    for problem, names, why in (
        ("lacks", expected - got, "expected every value, for none has a default (Art. 4(7)): agree on it and add it"),
        (
            "has the unknown",
            got - expected,
            f"expected only {', '.join(known)} (Art. 4(7)): correct the name or remove it",
        ),
    ):
        if names:
            raise ArrangementError(
                f"{where} {problem} {', '.join(sorted(names))}: {why}", ".".join(filter(None, [place, min(names)]))
            )


def _fault(key: str, expected: str, got: object, why: str, todo: str = _AGREE) -> ArrangementError:
    """Return the error in the one form that all have."""
    given = got.isoformat() if isinstance(got, date) else repr(got)
    return ArrangementError(f"the arrangement's {key}: expected {expected}; got {given}: {why}: {todo}", key)


def _name(given: object) -> None:
    if not isinstance(given, str) or not _VERSION.fullmatch(given):
        raise _fault(
            "version",
            "at most 64 letters, digits, dots, hyphens and underscores, a letter or digit first",
            given,
            "every decision cites it (Art. 4(7)), and its file has this name",
            "give it such a name",
        )


def _day(given: object) -> None:
    if type(given) is not date:
        raise _fault(
            "in_force_from",
            "a date such as 2019-01-05",
            given,
            "each day has one arrangement (Art. 4(7))",
            "name the day",
        )
    if given < IN_FORCE:
        raise _fault(
            "in_force_from",
            f"a day from {IN_FORCE}",
            given,
            "the agreement was not in force before (Art. 15(1))",
            "name a later day",
        )


def _rate(given: object) -> None:
    # Not in the words of Article 4; with one false candidate in ten searches "a match" says nothing any more.
    if not isinstance(given, float) or not 0 < given <= 0.1:
        raise _fault(
            "false_positive_identification_rate",
            "a number above 0 and at most 0.1",
            given,
            "Art. 4(4) answers that there is a match, not that there may be one",
        )


def _whole(key: str, given: object, low: int, high: int, why: str) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
        expected = f"a whole number from {low} to {high}" if low < high else f"the number {low}"
        raise _fault(key, expected, given, why)


def _per_search(name: str, given: Any, low: int, high: int, why: str) -> Mapping[Search, int]:
    """Return the number for each search type."""
    _keys(name, given, [search.value for search in Search])
    for search in Search:
        _whole(f"{name}.{search}", given[search], low, high, why)
    return {search: given[search] for search in Search}


def _names(key: str, given: Any, why: str) -> tuple[str, ...]:
    """Return a list of names, none of them twice."""
    if (
        not isinstance(given, list | tuple)
        or not given
        or not all(isinstance(item, str) and item.strip() for item in given)
    ):
        raise _fault(key, "a list of names", given, why)
    for item in given:
        if given.count(item) > 1:
            raise _fault(
                key,
                "each name once",
                [item] * given.count(item),
                "what stands twice was meant to be another item, or none",
                "correct or remove the repetition",
            )
    return tuple(given)


def _notification(given: Any) -> tuple[str, ...]:
    named = _names("notification", given, "Art. 5(1): the arrangement specifies the items of the written notification")
    for item in named:
        if item not in NOTIFICATION:
            raise _fault(
                "notification",
                f"only {', '.join(NOTIFICATION)}",
                item,
                "a written notification has no such item (Art. 5(1))",
                "correct or remove it",
            )
    if "purpose" not in named:
        raise _fault(
            "notification",
            '"purpose" among its items',
            list(named),
            'Art. 5(1): a request is "subject to written notification of the purpose"',
            "add it",
        )
    return named


def _items(given: Any, day: date) -> Mapping[Party, tuple[str, ...]]:
    """Return the item list of each Party; Japan's own law closes Japan's."""
    _keys("items", given, [party.value for party in Party])
    lists = {
        party: _names(f"items.{party}", given[party], "Art. 5(2): each Party provides items that the other can ask for")
        for party in Party
    }
    closed = rules_in_force(day).japan_items
    for item in lists[Party.JP]:
        if item not in closed:
            raise _fault(
                "items.JP",
                f"only {', '.join(closed)}",
                item,
                "Art. 5(2) gives what the laws of the queried Party allow, and Act No. 57 of 2014, Art. 2(iv), closes the "
                "list",
                "remove it",
            )
    return lists


def _contradictions(made: Arrangement) -> None:
    """Refuse values each of which could stand, but not together."""
    for shorter, longer, why in _ORDER:
        least: int = getattr(made, shorter)
        if getattr(made, longer) < least:
            raise _fault(longer, f"at least the {least} of {shorter}", getattr(made, longer), why)
    if made.urgent_reply_hours > made.reply_days * 24:
        raise _fault(
            "urgent_reply_hours",
            f"at most the {made.reply_days * 24} hours of reply_days",
            made.urgent_reply_hours,
            "an urgent request is not answered later than any other (Art. 5(2))",
        )
    explained = made.follow_up_days + made.explanation_request_days + made.explanation_reply_days
    if made.record_months * 30 < explained:
        raise _fault(
            "record_months",
            f"months of at least the {explained} days of follow_up_days, explanation_request_days and "
            "explanation_reply_days",
            made.record_months,
            "the record serves to give that explanation (Art. 11(1)(2))",
        )
