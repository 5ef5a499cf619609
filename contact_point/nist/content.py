"""Field 1.003 CNT: which records a transaction holds, in order, each with its type and designation (IDC).

The first subfield is ``1`` and the count, each further one a type and an IDC. Reading needs the list for one thing only:
a record of fixed binary layout does not say of which type it is. All else is compared, and a difference is named.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from contact_point.nist.binary import LAYOUTS
from contact_point.nist.transaction import MAX_RECORDS, RS, US, FieldError, LimitError, MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contact_point.nist.deviations import Findings
    from contact_point.nist.transaction import Record

CNT: Final = 3
"""1.003."""

_ENTRY: Final = re.compile(rb"([0-9]{1,3})\x1f([0-9]{1,9})")
_NUMBER: Final = re.compile(rb"[0-9]{1,9}")


class Listing:
    """The records that CNT lists, as reading goes through them."""

    def __init__(self, listed: Sequence[tuple[int, int]] | None) -> None:
        self._listed = listed
        self._unread = list(listed or ())
        self._place = 0  # of the entry that the next record should be
        self._in_step = listed is not None

    @property
    def at_last(self) -> bool:
        """Tell whether the next record is the last one listed."""
        return len(self._unread) == 1

    @property
    def binary_left(self) -> bool:
        """Tell whether a record of binary layout is still listed."""
        return any(kind in LAYOUTS for kind, _ in self._unread)

    def binary_type(self, idc: int, place: int) -> int:
        """Return the type of the binary record that comes next, by its designation, else by its place.

        Raises:
            MalformedError: the list leaves several types, or none.

        """
        left = [entry for entry in self._unread if entry[0] in LAYOUTS]
        expected = self._listed[self._place][0] if self._listed and self._in_step and self._unread else 0
        for kinds in ({kind for kind, listed in left if listed == idc}, {kind for kind, _ in left}):
            if expected in kinds:
                return expected
            if len(kinds) == 1:
                return kinds.pop()
        raise MalformedError(
            f"record {place}: expected an entry of 1.003 CNT that gives its type, which a record of Types 3 to 8 does not say "
            f"itself (Annex B, B.1.5), got {len(left)} entries left for such records; list every record as it is"
        )

    def take(self, kind: int, idc: int | None) -> None:
        """Cross off the entry of a record that was read: the same type and IDC, else the same type."""
        self._in_step = self._in_step and self._place < len(self._listed or ()) and self._kind_at_place() == kind
        self._place += 1
        same = [entry for entry in self._unread if entry[0] == kind]
        if same:
            self._unread.remove(next((entry for entry in same if entry[1] == idc), same[0]))

    def compare(self, actual: Sequence[tuple[int, int | None]], found: Findings) -> None:
        """Note how the records after Type-1 differ from the list."""
        if self._listed is None:
            return
        kinds, listed_kinds = [kind for kind, _ in actual], [kind for kind, _ in self._listed]
        if kinds == listed_kinds:
            for place, ((kind, idc), (_, listed)) in enumerate(zip(actual, self._listed, strict=True), start=2):
                if idc is not None and idc != listed:
                    found.note(place, "designation-mismatch", 2, f"Type-{kind}")
            return
        missing = Counter(listed_kinds) - Counter(kinds)
        unlisted = Counter(kinds) - Counter(listed_kinds)
        for code, difference in (("record-missing", missing), ("record-unlisted", unlisted)):
            if difference:
                found.note(1, code, CNT, _types(difference.elements()))
        if not missing and not unlisted:
            found.note(1, "content-order", CNT)

    def _kind_at_place(self) -> int:
        return self._listed[self._place][0] if self._listed else 0


def listing(value: bytes | None, found: Findings) -> Listing:
    """Return what CNT lists; one that is absent or cannot be read lists nothing.

    Raises:
        LimitError: more than 64 records.

    """
    value = value or b""
    if value.count(RS) >= MAX_RECORDS:
        raise LimitError(
            f"record 1 (Type-1), field 1.003 CNT: expected at most {MAX_RECORDS} records with Type-1, got "
            f"{value.count(RS) + 1} entries; divide the transaction"
        )
    entries = [_ENTRY.fullmatch(subfield) for subfield in value.split(RS)]
    read = [(int(entry[1]), int(entry[2])) for entry in entries if entry]
    if len(read) != len(entries) or read[0][0] != 1:
        found.note(1, "content-missing", CNT)
        return Listing(None)
    if read[0][1] != len(read) - 1:
        found.note(1, "content-count", CNT, f"{read[0][1]} stated, {len(read) - 1} listed")
    texts = [entry[1] for entry in entries if entry] + [entry[2] for entry in entries[:1] if entry]
    if any(len(text) > 1 and text.startswith(b"0") for text in texts):
        found.note(1, "content-zeros", CNT)
    return Listing(read[1:])


def designation(record: Record) -> int | None:
    """Return a record's IDC as a number, None where it has none."""
    text = record.get(2) or b""
    return int(text) if _NUMBER.fullmatch(text) else None


def listed(records: Sequence[Record]) -> bytes:
    """Return CNT for these records, Type-1 first; as it stands in Type-1 where that says the same.

    Raises:
        FieldError: a record has no IDC.

    """
    entries = []
    for place, record in enumerate(records[1:], start=2):
        idc = designation(record)
        if idc is None:
            raise FieldError(
                f"record {place} (Type-{record.type}), field {record.type}.002 IDC: expected 1-9 digits, by which 1.003 CNT "
                "lists the record (section 7.3.1), got none; number the records of one image alike"
            )
        entries.append((record.type, idc))
    old = records[0].get(CNT) or b""
    found = [_ENTRY.fullmatch(subfield) for subfield in old.split(RS, MAX_RECORDS)]
    if [(int(entry[1]), int(entry[2])) for entry in found if entry] == [(1, len(entries)), *entries] and all(found):
        return old
    texts = [b"%d" % kind + US + b"%02d" % idc for kind, idc in entries]
    return RS.join([b"1" + US + b"%d" % len(entries), *texts])


def _types(kinds: Iterable[int]) -> str:
    return ", ".join(f"Type-{kind}" for kind in sorted(kinds))
