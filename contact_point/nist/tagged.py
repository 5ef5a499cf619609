"""Tagged records: Types 1, 2 and 9 to 99 of the traditional encoding (ANSI/NIST-ITL 1-2011, Annex B, B.1.1 and B.1.5).

A record begins ``14.001:``, its length in bytes and GS; GS separates its fields and FS ends it. Its text cannot hold either,
so the first GS before ``14.999:`` begins the image, and the image ends where the length says. :func:`read` finds the end
first, by LEN and FS together. Where they disagree, the record is read only if one of the two has another record or the
end of the bytes behind it and the other has not. :func:`write` is given fields that were checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contact_point.nist import content
from contact_point.nist.deviations import Findings
from contact_point.nist.transaction import FS, GS, MAX_FIELDS, OPAQUE, RS, US, Field, LimitError, MalformedError, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

STANDARD: Final = frozenset({1, 2, *range(9, 23), 98, 99})
"""The tagged record types with a meaning (table 3); 23 to 97 are reserved."""

IDC: Final = 2
DATA: Final = 999
FIRST_WITH_DATA: Final = 10
"""Field 999 holds bytes in Type-10 and above; Types 1, 2 and 9 are text throughout."""

PADDING: Final = b"\0\n\r\x1a "
"""What mail, tapes and editors leave behind the last record."""

_TAG: Final = re.compile(rb"([0-9]{1,2})\.([0-9]{1,9}):")
_HEAD: Final = re.compile(rb"[0-9]{1,2}\.0{0,8}1:")
_LEN: Final = re.compile(rb"([0-9]{1,9})(?=[\x1c\x1d]|\Z)")
_TO_THE_END: Final = re.compile(rb"[\0\n\r\x1a ]*+\Z")


def type_at(data: bytes, begin: int) -> int | None:
    """Return the type of the tagged record that begins here, None where none does."""
    tag = _TAG.match(data, begin)
    return int(tag[1]) if tag and int(tag[1]) and int(tag[2]) else None


def only_padding(data: bytes, begin: int) -> bool:
    """Tell whether nothing but NUL, line ends and spaces is left."""
    return _TO_THE_END.match(data, begin) is not None


def shown(data: bytes, begin: int) -> str:
    """Return what a message may show where a tag or length should stand: at most eight bytes, as hexadecimal digits."""
    return f"the bytes {data[begin : begin + 8].hex(' ')}" if begin < len(data) else "nothing"


def read(data: bytes, begin: int, place: int, listing: content.Listing, found: Findings) -> tuple[Record, int]:
    """Return the record that begins here with a tag, and where the next one begins.

    Raises:
        MalformedError: its end, or its fields, cannot be told.
        LimitError: it has more than 500 fields.

    """
    frame = _Frame.at(data, begin, place, listing, found)
    if frame.kind not in STANDARD and frame.is_opaque():
        found.note(place, "opaque-record")
        said = begin + (frame.length or 0)
        return Record(frame.kind, (Field(OPAQUE, data[frame.text : said - 1]),)), said
    last, end = frame.ends()
    image = frame.image
    region = data[begin : image.start() if image else last]
    fields = _fields(frame, region)
    if image:
        fields.append(Field(DATA, data[image.end() : last]))
        _note_value(frame, fields[-1], as_text=False)
        if len(image[1]) != 3:
            found.note(place, "long-tag", DATA)
    _note_fields(frame, fields)
    return Record(frame.kind, tuple(fields)), end


def write(record: Record) -> bytes:
    """Return a record with its length; IDC stands second, and fields without value are left out."""
    fields = [field for field in record.fields if field.value]
    if record.type != 1:
        fields.sort(key=lambda field: field.number != IDC)
    body = b"".join(b"%b%d.%03d:%b" % (GS, record.type, field.number, field.value) for field in fields) + FS
    tag = b"%d.001:" % record.type
    length = size = len(tag) + len(body)
    while length != size + len(str(length)):
        length = size + len(str(length))
    return tag + b"%d" % length + body


@dataclass(frozen=True, slots=True)
class _Frame:
    """A record before it is taken apart.

    ``length`` is its LEN if it has one, ``text`` where the fields after LEN begin, ``separator`` where the first FS is (-1:
    nowhere), ``image`` the GS and tag of its field 999 if it has one.
    """

    data: bytes
    begin: int
    place: int
    kind: int
    length: int | None
    text: int
    separator: int
    image: re.Match[bytes] | None
    listing: content.Listing
    found: Findings

    @classmethod
    def at(cls, data: bytes, begin: int, place: int, listing: content.Listing, found: Findings) -> _Frame:
        """Look at a record's first field, its first FS, and the GS before its image."""
        tag, kind = _TAG.match(data, begin), type_at(data, begin)
        if tag is None or kind is None:
            expected = "a tag from 1.001 to 99.999 or the length of a binary record (Annex B, B.1.5)"
            got = f"{shown(data, begin)} at byte {begin}"
            raise MalformedError(
                f"record {place}: expected {expected}, got {got}; state the length of the record before it as it is"
            )
        length = None
        if int(tag[2]) == 1:
            length = _LEN.match(data, tag.end())
            if length is None:
                raise MalformedError(
                    f"record {place} (Type-{kind}), field 1 LEN: expected 1-9 digits and a separator (Annex B, B.1.5), got "
                    f"{shown(data, tag.end())}; state the length of the record"
                )
        separator = data.find(FS, begin)
        image = None
        if kind >= FIRST_WITH_DATA:
            pattern = re.compile(rb"\x1d%d\.(0{0,6}999):" % kind)
            image = pattern.search(data, begin, len(data) if separator < 0 else separator)
        said, text = (int(length[1]), length.end() + 1) if length else (None, begin)
        frame = cls(data, begin, place, kind, said, text, separator, image, listing, found)
        frame.note_length(length[1] if length else None)
        return frame

    def __str__(self) -> str:
        return f"record {self.place} (Type-{self.kind})"

    def note_length(self, digits: bytes | None) -> None:
        """Note a LEN that is absent or has leading zeros."""
        if digits is None:
            self.found.note(self.place, "length-missing", 1)
        elif digits.startswith(b"0"):
            self.found.note(self.place, "length-zeros", 1)

    def is_opaque(self) -> bool:
        """Tell whether the content, between LEN and the FS that LEN counts, is something else than tagged fields."""
        said = self.begin + (self.length or 0)
        if not self.text < said <= len(self.data) or self.data[said - 1 : said] != FS:
            return False
        text = self.data[self.text : self.image.start() if self.image else said - 1]
        if text.count(GS) > MAX_FIELDS:
            return False
        return FS in text or not all(_TAG.match(piece) or not piece for piece in text.split(GS))

    def ends(self) -> tuple[int, int]:
        """Return where the record's content ends and where the next record begins."""
        ends = self.text_ends() if self.image is None else self.image_ends(self.image.end())
        if ends is not None:
            return ends
        got = f"LEN {'none' if self.length is None else self.length}, {len(self.data) - self.begin} bytes left, and "
        first = (
            "no FS"
            if self.separator < 0
            else f"the first FS {self.separator + 1 - self.begin} bytes from its beginning"
        )
        raise MalformedError(
            f"{self}: expected FS where LEN says, or one before a record or the end (Annex B, B.1.5), got {got}{first}; state "
            "the length as it is and send the whole record"
        )

    def text_ends(self) -> tuple[int, int] | None:
        """Return the ends of a record without image: at its FS."""
        data, after = self.data, self.separator + 1
        at_separator = (self.separator, after) if after else None
        if self.length is None:
            return at_separator
        said = self.begin + self.length
        if said == after:
            return at_separator
        if (not after or after > said) and self.stands_alone(said):
            return self.without_separator(said)
        # An FS where LEN says and one before it: either may be the end, and two readers would differ.
        if after and data[said - 1 : said] != FS and self.begins_after(after):
            self.found.note(self.place, "length-misstated", 1, f"LEN {self.length}, {after - self.begin} bytes")
            return at_separator
        return None

    def image_ends(self, image: int) -> tuple[int, int] | None:
        """Return the ends of a record whose image begins here: where LEN says, FS being a byte like others."""
        data, said = self.data, self.begin + (self.length or 0)
        if image <= said <= len(data):
            if said > image and data[said - 1 : said] == FS:
                return said - 1, said
            if data[said : said + 1] == FS and (_HEAD.match(data, said + 1) or only_padding(data, said + 1)):
                self.found.note(self.place, "length-misstated", 1, f"LEN {self.length}, without FS")
                return said, said + 1
        if said >= image and self.stands_alone(said):
            return self.without_separator(said)
        end = len(data.rstrip(PADDING)) if self.length is not None and self.listing.at_last else 0
        if end > image and data[end - 1 : end] == FS:
            self.found.note(self.place, "length-misstated", 1, f"LEN {self.length}, {end - self.begin} bytes")
            return end - 1, end
        return None

    def stands_alone(self, said: int) -> bool:
        """Tell whether LEN is right although no FS is there: the bytes end or a record begins where it says."""
        return said in {len(self.data), len(self.data) + 1} or _HEAD.match(self.data, said) is not None

    def without_separator(self, said: int) -> tuple[int, int]:
        """Return the ends of a record that LEN alone ends."""
        self.found.note(self.place, "missing-separator")
        end = min(said, len(self.data))
        return end, end

    def begins_after(self, after: int) -> bool:
        """Tell whether a record, or nothing, follows an FS."""
        binary = self.data[after : after + 1] == b"\0" and (self.kind == 1 or self.listing.binary_left)
        return binary or type_at(self.data, after) is not None or only_padding(self.data, after)


def _fields(frame: _Frame, region: bytes) -> list[Field]:
    """Return the text fields of a record but LEN; ``region`` is the record up to its image or FS."""
    count = region.count(GS) + (frame.image is not None)
    if count > MAX_FIELDS:
        raise LimitError(f"{frame}: expected at most {MAX_FIELDS} fields, got {count}; divide the transaction")
    fields: list[Field] = []
    for index, piece in enumerate(region.split(GS)):
        if not piece:
            frame.found.note(frame.place, "stray-separator")
            continue
        tag = _TAG.match(piece)
        number = int(tag[2]) if tag else 0
        if tag is None or number == 0:
            raise MalformedError(
                f"{frame}, after field {fields[-1].number if fields else 1}: expected a tag after GS (Annex B, B.1.5), got "
                "none; leave GS out of text"
            )
        _note_tag(frame, tag)
        if number == 1 and index:
            raise MalformedError(
                f"{frame}: expected LEN once, as the first field (Annex B, B.1.5), got it as field {index + 1}; state the "
                "length once"
            )
        if number != 1:
            fields.append(Field(number, piece[tag.end() :]))
            _note_value(frame, fields[-1])
    return fields


def _note_tag(frame: _Frame, tag: re.Match[bytes]) -> None:
    """Note how a tag is written otherwise than here."""
    number = int(tag[2])
    if int(tag[1]) != frame.kind:
        frame.found.note(frame.place, "foreign-tag", number, f"Type-{int(tag[1])}")
    if len(tag[2]) < 3:
        frame.found.note(frame.place, "short-tag", number)
    if len(tag[2]) > max(3, len(str(number))) or tag[1].startswith(b"0"):
        frame.found.note(frame.place, "long-tag", number)


def _note_value(frame: _Frame, field: Field, *, as_text: bool = True) -> None:
    """Note what is odd in a value whatever it means."""
    if not field.value:
        frame.found.note(frame.place, "empty-field", field.number)
    if as_text and field.value.endswith((RS, US)):
        frame.found.note(frame.place, "trailing-separator", field.number)
    if as_text and (b"\x02" in field.value or b"\x03" in field.value):
        frame.found.note(frame.place, "code-extension", field.number)


def _note_fields(frame: _Frame, fields: Sequence[Field]) -> None:
    """Note fields given twice, and an IDC that is absent or not the second field."""
    seen: set[int] = set()
    for field in fields:
        if field.number in seen:
            frame.found.note(frame.place, "field-repeated", field.number)
        seen.add(field.number)
    if frame.kind == 1:
        return
    if content.designation(Record(frame.kind, tuple(fields))) is None:
        frame.found.note(frame.place, "designation-missing", IDC)
    elif fields[0].number != IDC:
        frame.found.note(frame.place, "designation-misplaced", IDC)
