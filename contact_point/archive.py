"""An exported record: JSON Lines, one place of the record a line, verifiable without the database it came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from contact_point.parsing import first_fault
from pcsc.errors import RecordError
from pcsc.records import Direction, Entry, Recorded, expire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PLACE = TypeAdapter(Recorded)
_ENTRY = TypeAdapter(Entry)


def write(path: Path, record: Iterable[Recorded], *, for_other_party: bool = False) -> int:
    """Write a record to a new file and return the number of its places.

    ``for_other_party`` leaves the places of our own acts empty: examinations, deletions and uses are not communicated, and
    their notes name persons. The rest verifies as before, and is all that can be compared.

    Raises:
        FileExistsError: the file exists.

    """
    count = 0
    with path.open("x", encoding="utf-8") as file:
        for place in record if not for_other_party else map(_of_messages, record):
            file.write(json.dumps(asdict(place), ensure_ascii=False) + "\n")
            count += 1
    return count


def _of_messages(place: Recorded) -> Recorded:
    """Return a place as the other Party may see it."""
    act = place.body is not None and Direction(json.loads(place.body)["direction"]) is Direction.ACT
    return expire(place) if act else place


def read(path: Path) -> Iterator[Recorded]:
    """Yield the places of an exported record; whether they hang together is for :func:`pcsc.records.verify`.

    Raises:
        RecordError: a line is not a place of a record.

    """
    with path.open(encoding="utf-8", errors="replace") as file:  # what is no text is no place of a record either
        for number, line in enumerate(file, 1):
            try:
                yield _PLACE.validate_json(line)
            except ValidationError as error:
                fault = first_fault(error)
                raise RecordError(
                    f"line {number} of {path.name} is not a place of a record: {fault}; export it again"
                ) from None


def entries(places: Iterable[Recorded]) -> Iterator[Entry]:
    """Yield the entries of those places whose term has not ended."""
    for place in places:
        if place.body is not None:
            yield _ENTRY.validate_json(place.body)
