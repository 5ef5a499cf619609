"""Records of fixed binary layout: Types 3 to 8 of the traditional encoding (ANSI/NIST-ITL 1-2011, Annex B, B.1.5).

They have no tags and no separators: a length of four bytes, numbers of one or two bytes, most significant byte first, and
the image as the rest. :func:`fields_of` makes of each number a field of decimal digits and :func:`record_of` turns them
back. Types 3, 5 and 6 (low resolution, and binary images) were withdrawn with ITL 1-2011 but lie in archives; they have the
layout of Type-4. Of Type-7 only the designation is laid down; what follows is the two agencies' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contact_point.nist.transaction import RS, Field, FieldError, LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contact_point.nist.transaction import Record

LENGTH_BYTES: Final = 4
"""Each record begins with its own length, which counts these bytes too."""

UNUSED_POSITION: Final = 255
"""Fills FGP, which has room for six positions, after the last one (Type-4, FGP)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a header: ``count`` numbers of ``width`` bytes, which are one field with RS between them."""

    number: int
    mnemonic: str
    width: int = 1
    count: int = 1

    @property
    def size(self) -> int:
        """Bytes in the header."""
        return self.width * self.count


_FINGERPRINT: Final = (
    Part(2, "IDC"), Part(3, "IMP"), Part(4, "FGP", count=6), Part(5, "ISR"),
    Part(6, "HLL", width=2), Part(7, "VLL", width=2), Part(8, "GCA"),
)  # fmt: skip

LAYOUTS: Final[Mapping[int, tuple[Part, ...]]] = {
    3: _FINGERPRINT,
    4: _FINGERPRINT,
    5: _FINGERPRINT,
    6: _FINGERPRINT,
    7: (Part(2, "IDC"),),
    8: (
        Part(2, "IDC"), Part(3, "SIG"), Part(4, "SRT"), Part(5, "ISR"),
        Part(6, "HLL", width=2), Part(7, "VLL", width=2),
    ),
}  # fmt: skip
"""The header of each type after LEN; the rest of the record is DATA."""


def header_bytes(kind: int) -> int:
    """Return how many bytes stand before DATA in a record of this type, LEN included: 18, for Type-7 5, Type-8 12."""
    return LENGTH_BYTES + sum(part.size for part in LAYOUTS[kind])


def data_number(kind: int) -> int:
    """Return the number of the DATA field: 9 in Types 3 to 6, 3 in Type-7, 8 in Type-8."""
    return LAYOUTS[kind][-1].number + 1


def fields_of(kind: int, record: bytes) -> tuple[Field, ...]:
    """Return the fields of a record given whole, with at least :func:`header_bytes` bytes."""
    fields, at = [], LENGTH_BYTES
    for part in LAYOUTS[kind]:
        numbers = (record[at + i : at + i + part.width] for i in range(0, part.size, part.width))
        fields.append(Field(part.number, RS.join(b"%d" % int.from_bytes(number) for number in numbers)))
        at += part.size
    return (*fields, Field(data_number(kind), record[at:]))


def positions(record: Record) -> list[int]:
    """Return the six finger positions of a record of Types 3 to 6, the unused ones 255; none of Types 7 and 8."""
    if LAYOUTS[record.type] is not _FINGERPRINT:
        return []
    return [int(number) for number in (record.get(4) or b"").split(RS) if number.isdigit() and len(number) <= 3]


def record_of(record: Record, place: int) -> bytes:
    """Return the record as bytes.

    Raises:
        FieldError: a field of the header is missing, unknown, given twice, or not a number that fits.
        LimitError: the record is longer than four bytes can count.

    """
    kind = record.type
    _check_numbers(record, place)
    header = b"".join(_bytes_of(record, part, place) for part in LAYOUTS[kind])
    data = record.get(data_number(kind)) or b""
    size = LENGTH_BYTES + len(header) + len(data)
    if size >= 1 << 8 * LENGTH_BYTES:
        raise LimitError(
            f"record {place} (Type-{kind}): expected at most {(1 << 8 * LENGTH_BYTES) - 1} bytes, which is what its LEN "
            f"can count (Annex B, B.1.5), got {size}; compress the image"
        )
    return size.to_bytes(LENGTH_BYTES) + header + data


def _check_numbers(record: Record, place: int) -> None:
    """Refuse other fields than those of the layout, each once."""
    given = sorted(field.number for field in record.fields)
    wanted = [*(part.number for part in LAYOUTS[record.type]), data_number(record.type)]
    if given != wanted:
        raise FieldError(
            f"record {place} (Type-{record.type}): expected the fields {_listed(wanted)}, each once: the layout is fixed "
            f"(Annex B, B.1.5), got {_listed(given)}; fill the header, put further fields into a Type-14 record"
        )


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:20])) or "none"


def _bytes_of(record: Record, part: Part, place: int) -> bytes:
    """Return one entry of the header."""
    numbers = (record.get(part.number) or b"").split(RS, part.count)
    most = (1 << 8 * part.width) - 1
    sound = all(number.isdigit() and len(number) <= 9 and int(number) <= most for number in numbers)
    if not sound or len(numbers) != part.count:
        many = "a number" if part.count == 1 else f"{part.count} numbers, RS between them,"
        filled = f", unused ones {UNUSED_POSITION}" if part.count > 1 else ""
        raise FieldError(
            f"record {place} (Type-{record.type}), field {record.type}.{part.number:03} {part.mnemonic}: expected {many} "
            f"from 0 to {most}{filled} ({part.size} bytes of the header, Annex B, B.1.5), got something else; "
            "send the number in decimal digits"
        )
    return b"".join(int(number).to_bytes(part.width) for number in numbers)
