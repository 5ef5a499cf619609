"""What is held now, counted by kind of content: how much, for how long, under which clause, until what. It names nobody.

The agreement lets information be held for a purpose and no longer (Articles 8(1), 8(2), 8(9), 11(3)). Whoever oversees the
protection of privacy sees here whether that is so, without seeing any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pcsc import duties, life, retention
from pcsc.duties import CLAUSES, Content
from pcsc.exchange import Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annex.parameters import Rules
    from pcsc.arrangement import Arrangement
    from pcsc.exchange import Exchange

RECORD_TERM: Final = "the end of the record's term"
"""What ends the holding of whatever nothing ends before: all of an exchange goes with its record (Article 11(3))."""

_ENDS: Final = {
    (Side.QUERYING, Content.PROBE): "the answer that there is no match, or the determination",
    (Side.QUERYING, Content.CANDIDATE): "the determination whether to request",
    (Side.QUERYING, Content.PICTURE): "the determination whether to request",
    (Side.QUERYING, Content.ANALYSIS): "the determination whether to request",
    (Side.QUERYING, Content.INFORMATION): "the end of the last purpose that needs it",
    (Side.QUERYING, Content.PRINTOUT): "the end of the last purpose that needs it",
    (Side.QUERIED, Content.PROBE): "the response to a request, or that none follows",
    (Side.QUERIED, Content.ANSWER): "the determination; of what was provided, the end of the follow-up",
    (Side.QUERIED, Content.SNAPSHOT): "the reply, or the acceptance of what it offers",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one kind on one side of the exchanges."""

    side: Side
    kind: Content
    pieces: int
    exchanges: int
    oldest: datetime
    """When the oldest of these exchanges was opened."""
    clause: str
    ends: str
    """What ends the holding."""
    overdue: int
    """Pieces that should be gone, or whose review is overdue."""


def overview(
    held: Iterable[tuple[Exchange, Content]], arrangement: Arrangement, rules: Rules, now: datetime
) -> tuple[Holding, ...]:
    """Return what is held at ``now``, by side and kind; ``held`` is every piece with its exchange."""
    kinds: dict[tuple[Side, Content], list[Exchange]] = {}
    for exchange, kind in held:
        kinds.setdefault((exchange.side, kind), []).append(exchange)
    return tuple(
        Holding(
            side,
            kind,
            len(exchanges),
            len({each.control_number for each in exchanges}),
            min(each.opened_at for each in exchanges),
            *ending(side, kind),
            sum(is_overdue(each, kind, arrangement, rules, now) for each in exchanges),
        )
        for (side, kind), exchanges in sorted(kinds.items())
    )


def ending(side: Side, kind: Content) -> tuple[str, str]:
    """Return the clause under which content of a side goes, and what ends its holding."""
    if kind is Content.MESSAGE:
        return "9", "its delivery"
    return CLAUSES.get((side, kind), "11(3)"), _ENDS.get((side, kind), RECORD_TERM)


def is_overdue(exchange: Exchange, kind: Content, arrangement: Arrangement, rules: Rules, now: datetime) -> bool:
    """Whether content should be gone at ``now``, or waits for a review of whether it is still necessary (Article 8(9))."""
    # The arrangement's hard stop ends a hold that nothing else ended: Articles 8(1) and 8(2).
    overstays = duties.overstays(exchange, arrangement, now)
    permitted = duties.permitted(life.lapse(exchange, now) if overstays else exchange)
    term = retention.ends_at(exchange, arrangement)
    if kind not in permitted or (term is not None and term <= now):
        return True
    reviews = [duty.by for duty in duties.due(exchange, arrangement, rules) if duty.article == "8(9)"]
    return kind is Content.INFORMATION and any(by < now for by in reviews)
