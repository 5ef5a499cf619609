"""What an ANSI/NIST-ITL transaction is, whatever encodes it: records of numbered fields, and what was forgiven in reading it.

A field's value is bytes: text in the transaction's character set, in which RS (1E) separates subfields and US (1F) items,
or the pixels of an image. Records of fixed binary layout (Types 3 to 8) have the same form: each number of their header is
a field of decimal digits, so that whoever reads fields needs to know nothing of layouts.

Standard library only: the jailed process loads this package by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FS: Final = b"\x1c"
"""Ends a record (Annex B, B.1.1)."""
GS: Final = b"\x1d"
"""Separates fields."""
RS: Final = b"\x1e"
"""Separates subfields."""
US: Final = b"\x1f"
"""Separates information items."""

OPAQUE: Final = 0
"""The number of the one field beside IDC in a record that its reader kept whole: an opaque record."""

MAX_BYTES: Final = 10_000_000
MAX_RECORDS: Final = 64
MAX_FIELDS: Final = 500  # in one record


class NistError(ValueError):
    """The bytes are not a transaction that is read here, or the values not one that is written."""


class MalformedError(NistError):
    """The records cannot be told apart: the bytes were cut, or made by something that is no ANSI/NIST-ITL writer."""


class LimitError(NistError):
    """More bytes, records, fields, images or pixels than one transaction may hold; the sender may divide it."""


class UnsupportedError(NistError):
    """A sound transaction of a kind not agreed: another record type, version, domain, character set or compression."""


class FieldError(NistError):
    """One field is missing, wrong, given twice, or has no place in this transaction."""


class Encoding(StrEnum):
    """How a transaction is written as bytes."""

    TRADITIONAL = "traditional"  # ANSI/NIST-ITL 1-2011, Annex B
    XML = "xml"  # ANSI/NIST-ITL 1-2011, Annex C (NIEM); ANSI/NIST-ITL 2-2008


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number within the record type (the 13 of 14.013) and its value, without tag and separator.

    Number 0 (:data:`OPAQUE`) is no field of the standard's: its value is the content of a record that was not taken apart,
    because its type is not known or not read in that encoding.
    """

    number: int
    value: bytes

    def subfields(self) -> list[list[bytes]]:
        """Return the value's subfields, each a list of its information items; never empty."""
        return [subfield.split(US) for subfield in self.value.split(RS)]


@dataclass(frozen=True, slots=True)
class Record:
    """One logical record: its type and its fields in the file's order, without LEN, which follows from the rest."""

    type: int
    fields: tuple[Field, ...]

    def get(self, number: int) -> bytes | None:
        """Return the value of the first field of this number, None where there is none."""
        return next((field.value for field in self.fields if field.number == number), None)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing in which the bytes differ from the standard and were read all the same.

    ``record`` is the record's place from 1, 0 for the transaction as a whole; ``field`` the field's number, 0 for the
    record as a whole. ``code`` is one of :data:`contact_point.nist.deviations.DEVIATIONS` and never changes; ``text`` says
    what the standard asks for, what came, and how it was read. It never shows a value, which may be of a person.
    """

    record: int
    field: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """Records in order, Type-1 first.

    ``charset`` is the codec of their text after Type-1, one of ``ascii``, ``latin-1`` and ``utf-8``. ``deviations`` come in
    the records' order, from a reader at most one of each code for each record and one for the transaction: their number is
    bounded by that of the codes and of the records, whatever was sent.
    """

    records: tuple[Record, ...]
    charset: str = "ascii"
    encoding: Encoding = Encoding.TRADITIONAL
    deviations: tuple[Deviation, ...] = ()

    def of_type(self, *types: int) -> list[tuple[int, Record]]:
        """Return the records of these types with their places from 1."""
        return [(place, record) for place, record in enumerate(self.records, 1) if record.type in types]
