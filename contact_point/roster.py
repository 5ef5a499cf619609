"""Who is on duty when: ``roster.toml`` in an installation's folder, and where the week has a gap.

The agreement lets the other Party's contact point query at any time and is answered with nobody in the path (Article 4(4)), but
an urgent request, a breach or a consultation wants a person. The 24/7 point of contact of the Convention on Cybercrime is
another one: the directory has it (:mod:`contact_point.directory`). Hours are UTC and the same every week.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from contact_point.parsing import first_fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

_DAY: Final = 24 * 60 * 60
_WEEK: Final = 7 * _DAY
"""Seconds, from Monday 00:00 UTC."""


class RosterError(ValueError):
    """The file is no roster; the message names it, and the line or the key."""


class Weekday(StrEnum):
    """The days as a roster names them, in the order of :meth:`datetime.date.weekday`."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


_DAYS: Final = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody's hours on the days on which they begin; hours that end when or before they begin end on the next day."""

    who: str
    contact: str
    days: tuple[Weekday, ...]
    begins: time
    ends: time

    def __post_init__(self) -> None:
        """Refuse hours of nobody, of no day, or of somebody who cannot be called."""
        for name, value in (("who", self.who.strip()), ("contact", self.contact.strip()), ("days", self.days)):
            if not value:
                raise ValueError(f"a shift says who is on duty, how to call them and on which days; '{name}' is empty")

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield when it begins and ends, in seconds of the week; what runs over the end of the week comes as two."""
        begins, ends = _second(self.begins), _second(self.ends)
        length = (ends - begins) % _DAY or _DAY
        for day in self.days:
            start = _DAYS.index(day) * _DAY + begins
            end = start + length
            yield start, min(end, _WEEK)
            if end > _WEEK:
                yield 0, end - _WEEK


def _second(at: time) -> int:
    return (at.hour * 60 + at.minute) * 60 + at.second


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of the week in which nobody is on duty, as a person reads it: "Sunday 22:00"."""

    begins: str
    ends: str


@dataclass(frozen=True, slots=True)
class Roster:
    """The shifts of a week."""

    shifts: Annotated[tuple[Shift, ...], Field(min_length=1)]

    def on_duty(self, now: datetime) -> tuple[Shift, ...]:
        """Return who is on duty at ``now``, in the order of the file."""
        at = now.astimezone(UTC)
        second = at.weekday() * _DAY + _second(at.time())
        return tuple(shift for shift in self.shifts if any(begins <= second < ends for begins, ends in shift.spans()))

    def gaps(self) -> tuple[Gap, ...]:
        """Return when nobody is on duty, in the order of the week; nothing where it is covered day and night."""
        found, covered = [], 0
        for begins, ends in sorted(span for shift in self.shifts for span in shift.spans()):
            if begins > covered:
                found.append((covered, begins))
            covered = max(covered, ends)
        if covered < _WEEK:
            found.append((covered, _WEEK))
        # A gap over the turn of the week is one gap.
        if len(found) > 1 and found[0][0] == 0 and found[-1][1] == _WEEK:
            found[-1] = (found[-1][0], found.pop(0)[1])
        return tuple(Gap(_moment(begins), _moment(ends)) for begins, ends in found)


def _moment(second: int) -> str:
    day, rest = divmod(second % _WEEK, _DAY)
    return f"{_DAYS[day]} {rest // 3600:02}:{rest // 60 % 60:02}"


# As for installation.toml: an unknown key is a fault, also inside a shift.
_ROSTER: Final = TypeAdapter(cast("Any", Roster | None), config=ConfigDict(extra="forbid"))


def read_roster(path: Path) -> Roster:
    """Return the roster in a file.

    Raises:
        RosterError: there is none, or it is malformed; the message names the file, and the line or the key.

    """
    try:
        return cast("Roster", _ROSTER.validate_python(tomllib.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        raise RosterError(
            f"there is no roster at {path}: `pcsc example roster` prints one; write down who is on duty when, in UTC"
        ) from None
    except ValidationError as error:
        raise RosterError(f"{path}: {first_fault(error)}; `pcsc example roster` prints one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RosterError(f"{path} is not TOML: {error}; `pcsc example roster` prints one") from None
