"""From when to when the agreement itself applies: Articles 15(1), (2), (4) and (5).

It entered into force on 5 January 2019 and ends three months after either Party's written notice. From then on nothing new is
queried, requested or provided; whatever was provided before stays protected (15(5)), so every other act goes on: deletion,
the gate on use, consent, correction, the result of use, and the record, until nothing is held any more.

An amendment (15(3)) ends nothing: it is a new line among the dated values of :mod:`annex.parameters`.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from annex.parameters import IN_FORCE, Party
from pcsc.errors import NotInForceError, TerminatedError

if TYPE_CHECKING:
    from datetime import datetime

NOTICE_MONTHS: Final = 3
"""Article 15(4): "three months written notice"."""


def months_after(day: date, months: int) -> date:
    """Return the same day so many calendar months later, or the first of the next month where that one has no such day.

    So that no period comes out a day short.
    """
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    if day.day <= monthrange(year, month)[1]:
        return date(year, month, day.day)
    return date(year, month + 1, 1)  # never after December, which has every day


@dataclass(frozen=True, slots=True)
class Termination:
    """The written notice with which one Party ends the agreement: who gave it, when it was received, and its reference."""

    given_by: Party
    received_on: date
    note: str

    def __post_init__(self) -> None:
        """Refuse a notice that is not in writing, or older than the agreement."""
        if not self.note.strip():
            raise TerminatedError("the agreement ends by written notice; name the diplomatic note that gave it")
        if self.received_on < IN_FORCE:
            raise TerminatedError(
                f"the agreement entered into force on {IN_FORCE}; a notice received on {self.received_on} cannot end it"
            )

    @property
    def ends_on(self) -> date:
        """The first day on which the agreement is no longer in force: the day of the notice, three months later."""
        return months_after(self.received_on, NOTICE_MONTHS)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement as it stands: in force, and until when if a Party gave notice."""

    termination: Termination | None = None

    def ended(self, now: datetime) -> bool:
        """Whether the agreement has ended, so that only its protection goes on: Article 15(5)."""
        return self.termination is not None and now.date() >= self.termination.ends_on

    def check(self, what: str, now: datetime) -> None:
        """Refuse a query, a request or a provision outside the time of the agreement: Articles 15(1), (2) and (4).

        The day on which the conduct was committed is never asked: 15(2) makes it irrelevant.

        Raises:
            NotInForceError: it is before the entry into force.
            TerminatedError: it is after the end.

        """
        if now.date() < IN_FORCE:
            raise NotInForceError(f"the agreement applies from {IN_FORCE}; this {what} is of {now.date()}")
        if self.termination is not None and self.ended(now):
            notice = self.termination
            raise TerminatedError(
                f"the agreement ended on {notice.ends_on}, three months after {notice.given_by} gave notice ({notice.note}); "
                f"no {what} is made under it any more, while what was provided stays protected "
                "(Art. 15(5)): use another channel"
            )


IN_FORCE_WITHOUT_NOTICE: Final = Agreement()
"""The agreement while neither Party has given notice."""
