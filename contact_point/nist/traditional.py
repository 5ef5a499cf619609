"""The traditional encoding of ANSI/NIST-ITL 1-2011, Update 2015 (NIST SP 500-290e3, Annex B): bytes to records and back.

A transaction is a row of records. A tagged record begins with digits and a point (:mod:`~contact_point.nist.tagged`). A record
of Types 3 to 8 begins with a zero byte, as its length has four bytes and none here reaches 16 million;
:mod:`~contact_point.nist.binary` knows its layout and field 1.003 its type (:mod:`~contact_point.nist.content`).

:func:`read` is tolerant: what can be meant in one way only is read, and each thing forgiven is named by one of the codes of
:data:`~contact_point.nist.deviations.DEVIATIONS`. :func:`write` is strict and has one way to say each thing, so that
``write(read(data)) == data`` for data without deviations. Whether a value is what its field may hold is not asked here:
values stay bytes, :func:`text` shows them.

Both are pure, and their cost is linear in the size: lengths are compared before anything is cut, counts before lists are
made, and no part is searched more than a few times. Standard library only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from contact_point.nist import binary, content, tagged
from contact_point.nist.deviations import Findings
from contact_point.nist.transaction import (
    FS,
    GS,
    MAX_BYTES,
    MAX_FIELDS,
    MAX_RECORDS,
    OPAQUE,
    RS,
    US,
    Encoding,
    Field,
    FieldError,
    LimitError,
    MalformedError,
    Record,
    Transaction,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = b"0502"
"""1.002 VER of the Update 2015."""

_OLDER: Final = frozenset({b"0200", b"0201", b"0300", b"0400", b"0500", b"0501"})
"""1993, 1997, 2000, 2007, 2011 and the Update 2013."""

_INDEXES: Final = {"ascii": 0, "latin-1": 1, "utf-8": 3}
"""The character sets that are read, with their index (table 4; 001 was 8-bit Latin up to ITL 1-2007)."""

_CODECS: Final = {index: codec for codec, index in _INDEXES.items()}
_WIDE: Final = {2: "UTF-16", 4: "UTF-32"}
_INDEX: Final = re.compile(rb"[0-9]{1,3}")
_DIVIDE: Final = "divide the transaction"


def read(data: bytes) -> Transaction:
    """Return the transaction that the bytes hold, with every deviation that was forgiven.

    Raises:
        MalformedError: the records or fields cannot be told apart, or the bytes end within a record.
        LimitError: more than 10 million bytes, 64 records or 500 fields in a record.
        UnsupportedError: text in UTF-16 or UTF-32, or a tagged record of a binary type.

    """
    _check_size(len(data))
    found = Findings()
    if tagged.type_at(data, 0) != 1:
        expected = "the tag 1.001, the transaction information (section 8.1)"
        raise MalformedError(
            _message("record 1", expected, tagged.shown(data, 0), "send a transaction in this encoding")
        )
    head, end = tagged.read(data, 0, 1, content.Listing(None), found)
    listing = content.listing(head.get(content.CNT), found)
    records = [head]
    while not _at_end(data, end, listing):
        if len(records) == MAX_RECORDS:
            got = f"another one at byte {end}"
            raise LimitError(_message("the transaction", f"at most {MAX_RECORDS} records", got, _DIVIDE))
        record, end = _record(data, end, len(records) + 1, listing, found)
        listing.take(record.type, content.designation(record))
        records.append(record)
    if end < len(data):
        found.note(0, "trailing-bytes", what=f"{len(data) - end} bytes")
    listing.compare([(record.type, content.designation(record)) for record in records[1:]], found)
    _note_version(head, found)
    charset = _charset(records, found)
    return Transaction(tuple(records), charset, Encoding.TRADITIONAL, found.deviations())


def _at_end(data: bytes, at: int, listing: content.Listing) -> bool:
    """Tell whether no record is left; one of binary layout, where another is listed, may look like padding."""
    length = int.from_bytes(data[at : at + 4])
    another = listing.binary_left and 0 < length <= len(data) - at
    return tagged.only_padding(data, at) and not another


def write(transaction: Transaction) -> bytes:
    """Return the transaction in the traditional encoding.

    LEN is counted, 1.003 CNT made from the records (as it stands where it says the same), IDC put second, fields without
    value left out, and 1.015 DCS set where the text is UTF-8 and it does not say so.

    Raises:
        FieldError: a field may not be written so: given twice, without its number or IDC, with a separator in its text,
            not in the character set, too large for a binary header, or an opaque record.
        LimitError: more than 10 million bytes, 64 records or 500 fields in a record.
        UnsupportedError: another character set than ASCII, Latin-1 and UTF-8.

    """
    _check_types(transaction.records)
    for place, record in enumerate(transaction.records, start=1):
        if record.type not in binary.LAYOUTS:
            _check_fields(record, place, "ascii" if record.type == 1 else transaction.charset)
    head = transaction.records[0]
    fields = _with(head.fields, content.CNT, content.listed(transaction.records))
    fields = _with_charset(fields, head, transaction.charset)
    parts = [tagged.write(Record(1, fields))]
    for place, record in enumerate(transaction.records[1:], start=2):
        parts.append(binary.record_of(record, place) if record.type in binary.LAYOUTS else tagged.write(record))
    _check_size(sum(map(len, parts)))
    return b"".join(parts)


def text(transaction: Transaction, value: bytes) -> str:
    """Return a value as text in the transaction's character set, separators included; never raises.

    What is not in the character set becomes replacement characters; reading named it. Type-1 is ASCII in any set here.
    """
    charset = transaction.charset if transaction.charset in _INDEXES else "ascii"
    return value.decode(charset, "replace")


# --- reading


def _record(data: bytes, begin: int, place: int, listing: content.Listing, found: Findings) -> tuple[Record, int]:
    """Return the record after Type-1 that begins here, and where it ends."""
    if data[begin] == 0:
        return _binary(data, begin, place, listing, found)
    kind = tagged.type_at(data, begin)
    if kind == 1:
        got = f"a second Type-1 record at byte {begin}"
        raise MalformedError(_message(f"record {place}", "one transaction", got, "send each transaction by itself"))
    if kind is not None and kind in binary.LAYOUTS:
        expected, advice = "the binary layout (Annex B, B.1.5)", "send the image in a Type-14 record"
        raise UnsupportedError(_message(_name(place, kind), expected, "tags", advice))
    return tagged.read(data, begin, place, listing, found)


def _binary(data: bytes, begin: int, place: int, listing: content.Listing, found: Findings) -> tuple[Record, int]:
    """Return a record of fixed layout; its length must be right, nothing else tells where it ends."""
    length = int.from_bytes(data[begin : begin + binary.LENGTH_BYTES])
    left, at = len(data) - begin, begin + binary.LENGTH_BYTES
    kind = listing.binary_type(data[at] if at < len(data) else 0, place)
    least = binary.header_bytes(kind)
    if not least <= length <= left:
        expected = f"a LEN from {least}, its header (Annex B, B.1.5), to {left}, the bytes left"
        raise MalformedError(_message(_name(place, kind), expected, length, "send the whole record"))
    record = Record(kind, binary.fields_of(kind, data[begin : begin + length]))
    if binary.positions(record)[1:].count(0):
        found.note(place, "position-padding", 4)
    return record, begin + length


def _note_version(head: Record, found: Findings) -> None:
    version = head.get(2)
    if version in _OLDER:
        found.note(1, "version-older", 2, version.decode("ascii") if version else "")
    elif version != VERSION:
        found.note(1, "version-unknown", 2)


def _declared(head: Record) -> str | None:
    """Return the codec of 1.015 DCS, ASCII where it is absent, None where it names none that is read.

    Raises:
        UnsupportedError: UTF-16 or UTF-32. Tags and separators stay single bytes in them (Annex B, B.1.5), so that 1D in
            a character and GS look alike; and only fields of character type U are in the set (section 5.5), so that the
            bytes 4E 2D are a character here and two there.

    """
    value = head.get(15)
    if value is None:
        return "ascii"
    texts = [subfield.split(US, 1)[0] for subfield in value.split(RS, 16)]
    indexes = {int(index) if _INDEX.fullmatch(index) else -1 for index in texts}
    for index, name in _WIDE.items():
        if index in indexes:
            raise UnsupportedError(
                _message(
                    "record 1 (Type-1), field 1.015 DCS",
                    "000 (ASCII), 001 (8-bit) or 003 (UTF-8)",
                    f"{index:03} ({name}), whose characters hold the bytes of separators",
                    "write text in UTF-8",
                )
            )
    others = indexes - {0}
    return _CODECS.get(others.pop()) if len(others) == 1 else ("ascii" if not others else None)


def _charset(records: Sequence[Record], found: Findings) -> str:
    """Return the codec of the text after Type-1, and note text that is in another one than declared."""
    for field in records[0].fields:
        if not field.value.isascii():
            found.note(1, "type-1-not-ascii", field.number)
    declared = _declared(records[0])
    if declared is None:
        found.note(1, "charset-unknown", 15)
        return "ascii"
    beyond = [
        (place, field)
        for place, record in enumerate(records[1:], start=2)
        for field in record.fields
        if _is_text(record, field) and not field.value.isascii()
    ]
    if not beyond or declared == "latin-1":
        return declared
    broken = [(place, field) for place, field in beyond if not _is_utf_8(field.value)]
    code, named = ("charset-violated", broken) if declared == "utf-8" else ("charset-undeclared", beyond)
    for place, field in named:
        found.note(place, code, field.number)
    fall_back = len(broken) == len(beyond) if declared == "utf-8" else bool(broken)
    return "latin-1" if fall_back else "utf-8"


def _is_text(record: Record, field: Field) -> bool:
    """Tell whether a field's value is text, not numbers of a header, an image or an opaque record."""
    if record.type in binary.LAYOUTS or field.number == OPAQUE:
        return False
    return record.type < tagged.FIRST_WITH_DATA or field.number != tagged.DATA


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- writing


def _check_types(records: Sequence[Record]) -> None:
    """Refuse too many records, and anything but one Type-1 record before records of Types 2 to 99."""
    if len(records) > MAX_RECORDS:
        raise LimitError(_message("the transaction", f"at most {MAX_RECORDS} records", len(records), _DIVIDE))
    if not records or records[0].type != 1:
        got = f"Type-{records[0].type}" if records else "none"
        raise FieldError(_message("record 1", "Type-1 (section 8.1)", got, "begin with the transaction information"))
    for place, record in enumerate(records[1:], start=2):
        if not 2 <= record.type <= 99:
            got = f"Type-{record.type}"
            raise FieldError(
                _message(f"record {place}", "a type from 2 to 99 (table 3)", got, "number the record's type")
            )


def _check_fields(record: Record, place: int, charset: str) -> None:
    """Refuse fields that cannot be told apart again."""
    name, numbers = _name(place, record.type), [field.number for field in record.fields]
    if len(numbers) > MAX_FIELDS:
        raise LimitError(_message(name, f"at most {MAX_FIELDS} fields", len(numbers), _DIVIDE))
    if charset not in _INDEXES:
        raise UnsupportedError(
            _message(name, "text in ASCII, Latin-1 or UTF-8", ascii(charset[:20]), "convert the text")
        )
    if record.type not in tagged.STANDARD and OPAQUE in numbers:
        raise FieldError(
            _message(name, "tagged fields", "an opaque record, which has no IDC", "pass on the bytes that came")
        )
    seen: set[int] = set()
    for field in record.fields:
        _check_field(record, field, name, charset)
        if field.number in seen:
            advice = "join the values with RS, or send the one that holds"
            raise FieldError(_message(f"{name}, field {field.number}", "the field once", "twice", advice))
        seen.add(field.number)
    if record.type >= tagged.FIRST_WITH_DATA and tagged.DATA in numbers[:-1]:
        raise FieldError(
            _message(f"{name}, field 999 DATA", "the image as the last field", "fields after it", "put it last")
        )


def _check_field(record: Record, field: Field, name: str, charset: str) -> None:
    """Refuse a number that no tag has, and text with a separator of fields or outside the character set."""
    where = f"{name}, field {field.number}"
    if not 2 <= field.number <= 999_999_999:
        advice = "leave LEN out, it is counted" if field.number == 1 else "number the field"
        raise FieldError(_message(where, "a number from 2 to 999999999", field.number, advice))
    if not _is_text(record, field):
        return
    if FS in field.value or GS in field.value:
        raise FieldError(_message(where, "text without FS and GS (Annex B, B.1.1)", "one of them", "take them out"))
    try:
        field.value.decode(charset)
    except UnicodeDecodeError as error:
        expected = "7-bit ASCII (section 5.5)" if record.type == 1 else f"{charset} text, as 1.015 DCS says"
        got = f"another byte at its position {error.start}"
        raise FieldError(_message(where, expected, got, "convert the text")) from None


def _with_charset(fields: tuple[Field, ...], head: Record, charset: str) -> tuple[Field, ...]:
    """Return the fields of Type-1 with a 1.015 DCS that says the character set."""
    declared = _declared(head)
    if declared == charset:
        return fields
    if charset == "utf-8" and declared is not None:
        return _with(fields, 15, b"003\x1fUTF-8")
    advice = "declare the set that the text is in; one that was only guessed is not declared for the sender"
    expected = f"{_INDEXES[charset]:03}, the text is {charset} (table 4)"
    raise FieldError(_message("record 1 (Type-1), field 1.015 DCS", expected, declared or "an unknown set", advice))


def _with(fields: tuple[Field, ...], number: int, value: bytes) -> tuple[Field, ...]:
    """Return the fields with one replaced, or put before the first one of a higher number."""
    numbers = [field.number for field in fields]
    if number in numbers:
        return tuple(Field(number, value) if field.number == number else field for field in fields)
    at = next((index for index, other in enumerate(numbers) if other > number), len(fields))
    return (*fields[:at], Field(number, value), *fields[at:])


# --- messages


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise LimitError(_message("the transaction", f"at most {MAX_BYTES} bytes", size, _DIVIDE))


def _name(place: int, kind: int) -> str:
    return f"record {place} (Type-{kind})"


def _message(name: str, expected: str, got: object, advice: str) -> str:
    """Return what a refusal says."""
    return f"{name}: expected {expected}, got {got}; {advice}"
