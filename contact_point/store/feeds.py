"""Which feeds of dispositions were applied to the gallery: by whom, when, which file. What they said rests with the persons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from contact_point.store.part import Part
from contact_point.store.tables import FEED, moment

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Applied:
    """A feed that was applied. ``revision`` is the gallery's after it; ``counts`` is JSON, and says how many, and not who."""

    number: int
    at: datetime
    by: str
    sha256: str
    revision: int
    counts: str


class Feeds(Part):
    """The feeds in a transaction."""

    def next_feed(self) -> int:
        """Return the number of the next feed that is applied, from 1."""
        last: int | None = self._connection.execute(select(func.max(FEED.c.number))).scalar()
        return (last or 0) + 1

    def enter_feed(self, feed: Applied) -> None:
        """Enter a feed that is applied in this transaction."""
        row = {"number": feed.number, "at": moment(feed.at), "by": feed.by, "sha256": feed.sha256}
        self._connection.execute(FEED.insert(), row | {"revision": feed.revision, "counts": feed.counts})

    def feeds(self) -> Iterator[Applied]:
        """Yield every feed that was applied, in their order."""
        for row in self._connection.execute(FEED.select().order_by(FEED.c.number)):
            at = datetime.fromisoformat(row.at)
            yield Applied(row.number, at, row.by, row.sha256, row.revision, row.counts)
