"""What is looked for in the record: by time, type of message or act, direction, article, authority and exchange (Article 11).

Whoever looks after the record asks for a period, and for some of what happened in it. A period begins with its first moment and
ends before its last; what is not asked about is taken whatever it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pcsc.errors import RecordError
from pcsc.records import Direction

if TYPE_CHECKING:
    from pcsc.records import Entry


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the record; of several events, directions, articles or authorities, each will do."""

    since: datetime | None = None
    until: datetime | None = None
    events: tuple[str, ...] = ()
    """As entries name them: "query", "deletion", "legal hold" ..."""
    directions: tuple[Direction, ...] = ()
    articles: tuple[str, ...] = ()
    """An article or a clause of it: "8" takes 8(1) and 8(5)(2), "8(5)" the second."""
    authorities: tuple[str, ...] = ()
    """The identifier, the name or the unit of the investigating authority, in full."""
    exchange: str = ""

    def __post_init__(self) -> None:
        """Refuse a period that is none.

        Raises:
            RecordError: a time does not say its zone, or the end is not after the beginning.

        """
        for at in (self.since, self.until):
            if at is not None and at.utcoffset() is None:
                raise RecordError(
                    f"a period is in UTC (Art. 11(2)(2)); got {at.isoformat()}, which does not say its zone"
                )
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise RecordError(
                f"a period ends after it began; got one from {self.since.isoformat()} to before {self.until.isoformat()}"
            )

    @property
    def period_alone(self) -> bool:
        """Whether every entry of the period is asked for."""
        return not (self.events or self.directions or self.articles or self.authorities or self.exchange)

    def takes_time(self, at: datetime) -> bool:
        """Whether a time is of the period."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is asked for."""
        return (
            self.takes_time(entry.at)
            and (not self.events or entry.event in self.events)
            and (not self.directions or entry.direction in self.directions)
            and (not self.articles or any(is_of(entry.article, each) for each in self.articles))
            and (not self.authorities or not {*self.authorities}.isdisjoint(_names(entry)))
            and self.exchange in {"", entry.exchange}
        )


def is_of(article: str, asked: str) -> bool:
    """Whether an article, such as "8(5)(2)", is the one that is asked for or a clause of it."""
    return article == asked or article.startswith(f"{asked}(")


def _names(entry: Entry) -> tuple[str, str, str]:
    return entry.authority.identifier, entry.authority.name, entry.authority.unit
