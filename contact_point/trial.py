"""An enrolment tried before anything of it is stored: who is new, who is known, how good the prints are, who enters the view.

The console and `pcsc enrol-list --dry-run` show a :class:`Trial`; what changes in the views is told in the same words, and by
the same function, as for a feed (:mod:`contact_point.availability`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contact_point import availability, feed
from contact_point.availability import Diff, Known
from contact_point.enrolment import EnrolmentError, Person, Ready, all_ready
from contact_point.holdings import read_particulars

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from contact_point.prints import PrintReader
    from contact_point.service import Installation


@dataclass(frozen=True, slots=True)
class Tried:
    """A person who could be enrolled; the fields are those of :class:`~contact_point.enrolment.Ready`, without the prints."""

    name: str
    prints: int
    without_image: int
    quality: tuple[int, ...]
    left_out: tuple[str, ...]
    forgiven: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What an enrolment would come to: persons who are new, names that are enrolled already, and why others cannot be."""

    new: tuple[Tried, ...]
    known: tuple[str, ...]
    errors: tuple[str, ...]
    diff: Diff


def enrol(
    here: Installation, persons: Iterable[Person], reader: PrintReader, *, now: datetime, leave_out: bool, cores: int
) -> Trial:
    """Return what an enrolment of persons would come to; nothing is stored. Costs as much as the enrolment.

    Raises:
        EnrolmentError: a list that is read on the way has a line that is no person.
        JailError: no file can be read at present.
        RecordError: the database cannot be read.

    """
    before = feed.known_persons(here)
    listed = list(persons)
    known = tuple(person.name for person in listed if person.name in before)
    missing = [person for person in listed if person.name not in before]
    tried: list[Tried] = []
    errors: list[str] = []
    changed: dict[str, Known | None] = {}
    for each in all_ready(missing, reader, at=now, leave_out=leave_out, cores=cores):
        if isinstance(each, EnrolmentError):
            errors.append(str(each))
            continue
        tried.append(_tried(each))
        shown = tried[-1].without_image < tried[-1].prints
        changed[tried[-1].name] = Known(read_particulars(each.subject.particulars).standing, shown)
    diff = availability.compare(before, changed, here.settings.party, now.date())
    return Trial(tuple(tried), known, tuple(errors), diff)


def _tried(ready: Ready) -> Tried:
    return Tried(
        ready.subject.name,
        len(ready.subject.impressions),
        ready.without_image,
        ready.quality,
        ready.left_out,
        ready.forgiven,
        ready.notes,
    )
