"""What the implementing arrangement between the two contact points fixes: Articles 4(7) and 5(1).

The agreement leaves numbers, deadlines and lists of items to an arrangement. Nothing here has a default: an arrangement is
a dated document that both contact points hold, and every decision cites its version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from annex.parameters import Party


class ArrangementError(ValueError):
    """The document is not an arrangement: a value is missing, unknown or outside what the agreement allows."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One version of the implementing arrangement."""

    version: str
    in_force_from: date
    queries_per_day: int
    """Queries that one Party may make in one UTC day."""
    candidates: int
    """Matching individuals named in one answer; the agreement speaks of "a match", so 1."""
    false_positive_identification_rate: float
    """False candidates that one search may be expected to give over the whole gallery made available."""
    circumstances_characters: int
    """Least length of the particular circumstances of Article 4(3)."""
    examination_days: int
    determination_days: int
    follow_up_days: int
    """Days after a match at which prints held for it are destroyed whatever else happens."""
    reply_days: int
    record_months: int
    """Months for which a record is kept after the last event of its exchange: at least 24 (Article 11(3))."""
    items: Mapping[Party, tuple[str, ...]]
    """Items of information that each Party may give under Article 5(2)."""

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Arrangement:
        """Read an arrangement from the mapping of its document.

        Raises:
            ArrangementError: a key is missing or unknown, or a value is of the wrong kind or outside its bounds.

        """
        known = {field.name for field in fields(cls)}
        for problem, names in (("lacks", known - set(document)), ("has the unknown", set(document) - known)):
            if names:
                raise ArrangementError(f"the arrangement {problem} {', '.join(sorted(names))}: correct the document")
        for name, (low, high) in _BOUNDS.items():
            value = document[name]
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ArrangementError(
                    f"the arrangement's {name} is a whole number from {low} to {high}; got {value!r}"
                )
        if not str(document["version"]).strip():
            raise ArrangementError("the arrangement's version is empty; every decision cites it: give it a name")
        rate = document["false_positive_identification_rate"]
        if not isinstance(rate, float) or not 0 < rate <= 0.1:
            raise ArrangementError(
                f"the arrangement's false_positive_identification_rate is above 0 and at most 0.1; got {rate!r}"
            )
        if type(document["in_force_from"]) is not date:
            raise ArrangementError(
                f"the arrangement's in_force_from is a date such as 2019-01-05; got {document['in_force_from']!r}"
            )
        return cls(**{**document, "version": str(document["version"]), "items": _items(document["items"])})


# Article 11(3) sets the least number of months; the other bounds keep an arrangement from emptying a clause.
_BOUNDS = {
    "queries_per_day": (0, 100_000),
    "candidates": (1, 1),
    "circumstances_characters": (20, 10_000),
    "examination_days": (1, 90),
    "determination_days": (1, 90),
    "follow_up_days": (1, 365),
    "reply_days": (1, 365),
    "record_months": (24, 1_200),
}


def _items(given: object) -> Mapping[Party, tuple[str, ...]]:
    """Return the item list of each Party."""
    if not isinstance(given, Mapping) or set(given) != {party.value for party in Party}:
        raise ArrangementError(f"the arrangement's items has one list for JP and one for US; got {given!r}")
    lists = {Party(party): items for party, items in given.items()}
    for party, items in lists.items():
        if not isinstance(items, list | tuple) or not items or not all(isinstance(item, str) for item in items):
            raise ArrangementError(f"the arrangement's items for {party} is a list of names; got {items!r}")
    return {party: tuple(items) for party, items in lists.items()}
