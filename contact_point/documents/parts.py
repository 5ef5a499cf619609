"""What a document is made of.

:class:`~pcsc.traces.terms.Term` is the same in both languages: labels, headings, coded values. A plain text is what somebody
wrote, and appears as it was given, untranslated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pcsc.traces.terms import Term

Said = Term | str
"""A term in both languages, or a text as it was given."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a document says: what it is called, and one value or several, one below the other."""

    label: Term
    values: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts under a heading."""

    heading: Term
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """Text under a heading."""

    heading: Term
    paragraphs: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading, each of as many cells as there are columns; ``rows`` may be empty, and then it says so."""

    heading: Term
    columns: tuple[Term, ...]
    rows: tuple[tuple[Said, ...], ...]

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the columns."""
        for at, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"each row of '{self.heading.en}' has {len(self.columns)} cells, as there are columns; row {at} has "
                    f"{len(row)}: fill or shorten it"
                )


Part = Facts | Paragraphs | Table


@dataclass(frozen=True, slots=True)
class Document:
    """One document. ``number`` stands on every page, ``dated`` is the day that the document is of: no time of printing."""

    title: Term
    number: str
    dated: date
    parts: tuple[Part, ...]


def day(moment: date) -> Term:
    """Return a day in both languages."""
    return Term(f"{moment:%Y-%m-%d}", f"{moment.year}年{moment.month}月{moment.day}日")
