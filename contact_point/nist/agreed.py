"""Fingerprint data as ANSI/NIST-ITL transactions: the form in which the biometric systems of both Parties speak.

A query and its answer (Article 4(4), 4(5)) are JSON messages; the prints in them are one transaction of ANSI/NIST-ITL
1-2011, Update 2015 (NIST SP 500-290e3), in the traditional encoding of its Annex B. Everything the treaty speaks of
stays in JSON; a transaction holds one Type-1 record that says who sends it to whom, one Type-2 record with at most a
date of deletion, and one Type-14 record for each finger image. :func:`write` makes the bytes, :func:`read` takes them
apart; both are pure and safe to call from many threads.

What is written is strict: one way to say each thing, so that ``write(read(data)) == data`` for bytes written here. What
is read may have leading zeros, short field tags, fields in any order and technical fields that say nothing of the
person. Anything else unknown is refused, not dropped: the Parties' domain fixes what a transaction holds, and a name in
field 2.018 that a reader steps over still rests in the stored bytes. Refusals name such a field but never show its
value.

A reader of hostile bytes must end, soon: lengths are checked before anything is cut, nothing is looked at twice, counts
are limited before lists are made, and the only exceptions are those of :class:`NistError`. Cost is linear in the size.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contact_point.nist.transaction import (
    FieldError,
    LimitError,
    MalformedError,
    NistError,
    UnsupportedError,
)

VERSION: Final = "0502"
"""Field 1.002: ANSI/NIST-ITL 1-2011 with its Update 2015; 0500 and 0501 are the edition before and the Update 2013."""

DOMAIN: Final = "PCSC-JP-US"
"""Field 1.013: the domain that gives 2.092 its meaning; user-defined fields mean nothing outside their domain."""

DOMAIN_VERSION: Final = "1.0"

MAX_BYTES: Final = 10_000_000
MAX_RECORDS: Final = 64
MAX_FIELDS: Final = 500  # in one record
MAX_IMAGES: Final = 20
MAX_SIDE: Final = 5_000  # pixels: a ten-print card at 1000 pixels per inch
MAX_PIXELS: Final = 16_000_000
MIN_DPI: Final = 250
MAX_DPI: Final = 2_000

IMPRESSIONS: Final = frozenset({0, 1, 2, 3, 8, *range(20, 30), 41, 42})
"""Table 7: the impression types of a known finger; 4-7 are latents (Type-13), 10-15 palms, 30-35 soles."""

FS, GS, RS, US = "\x1c", "\x1d", "\x1e", "\x1f"  # end of a record, field, subfield, information item (Annex B)

_FIELDS: Final = {
    1: {
        1: "LEN", 2: "VER", 3: "CNT", 4: "TOT", 5: "DAT", 7: "DAI", 8: "ORI", 9: "TCN", 10: "TCR", 11: "NSR",
        12: "NTR", 13: "DOM", 14: "GMT", 15: "DCS",
    },
    2: {1: "LEN", 2: "IDC", 92: "EXP"},
    14: {
        1: "LEN", 2: "IDC", 3: "IMP", 4: "SRC", 5: "FCD", 6: "HLL", 7: "VLL", 8: "SLC", 9: "THPS", 10: "TVPS",
        11: "CGA", 12: "BPX", 13: "FGP", 999: "DATA",
    },
}  # fmt: skip

# Priority, scanner resolution, quality metrics and the scanner's profile: numbers about the process, not the person.
# They are accepted and dropped; that they are numbers is checked, so that nothing else travels in them.
_TECHNICAL: Final = {
    1: {6: "PRY"},
    2: {},
    14: {16: "SHPS", 17: "SVPS", 22: "NQM", 23: "SQM", 24: "FQM", 31: "FAP"},
}

_HEADER: Final = re.compile(rb"([0-9]{1,2})\.0{0,2}1:([0-9]{1,9})\x1d")
_TAG: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,3}):")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_LETTERS: Final = re.compile(r"[A-Za-z]{1,16}")
_ASCII_TEXT: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_RESOLUTION: Final = re.compile(r"[0-9]{2}\.[0-9]{2}")
_NUMBERS: Final = re.compile(r"[0-9A-F\x1e\x1f]{0,500}")
_FOURTEEN: Final = re.compile(r"[0-9]{14}")
_DATA: Final = b"\x1d14.999:"
_NO_DATE: Final = "00000000"

_DIVIDE: Final = "divide the transaction"
_LIST: Final = "list every record in 1.003 CNT as it is"


class Compression(StrEnum):
    """How the pixels are encoded, with the codes of field 14.011 CGA (table 15)."""

    NONE = "NONE"
    WSQ = "WSQ20"
    PNG = "PNG"
    JP2 = "JP2"
    JP2L = "JP2L"


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One impression of one finger, a Type-14 record; 8-bit grey pixels.

    ``position`` is 1-10 from the right thumb to the left little finger, 0 where unknown (14.013, table 8). ``width``
    and ``height`` in pixels and ``dpi`` in pixels per inch are what the sender claims (14.006-14.010): compare them
    with the decoded image. ``impression`` is one of :data:`IMPRESSIONS` (14.003). ``captured`` (14.005) and ``source``,
    the agency that took the print (14.004), are told only where the Parties agreed to: they are further information,
    which Article 5 leaves to a request. ``None`` is written as eight zeros and as the originator.

    Raises:
        FieldError: a value lies outside its range, or ``data`` is not what ``compression`` says.
        LimitError: the image has more than 16 million pixels.

    """

    position: int
    data: bytes
    compression: Compression
    width: int
    height: int
    dpi: int
    impression: int = 0
    captured: dt.date | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no Type-14 record of a finger may say."""
        for name, value, low, high, advice in (
            ("14.013 FGP", self.position, 0, 10, "send each finger as an image of its own (table 8)"),
            ("14.006 HLL", self.width, 10, MAX_SIDE, "crop the image to the print"),
            ("14.007 VLL", self.height, 10, MAX_SIDE, "crop the image to the print"),
            ("14.009 THPS", self.dpi, MIN_DPI, MAX_DPI, "send the pixels per inch of the image"),
        ):
            _check(low <= value <= high, name, f"{low}-{high}", value, advice)
        size = f"{self.width} x {self.height}"
        small = self.width * self.height <= MAX_PIXELS
        _check(small, "14.007 VLL", f"at most {MAX_PIXELS} pixels", size, "crop the image to the print", LimitError)
        known = self.impression in IMPRESSIONS
        _check(known, "14.003 IMP", "the impression of a known finger (table 7)", self.impression, "use its code")
        _check_day("14.005 FCD", self.captured)
        _check(
            self.source is None or _is_text(self.source),
            "14.004 SRC",
            "1-255 characters without control characters or a space at either end",
            _quoted(self.source),
            "send the code of the agency",
        )
        self._check_data()

    def _check_data(self) -> None:
        """Refuse data of another kind than 14.011 CGA says, and raw pixels that are too few or too many."""
        length, name = len(self.data), "14.999 DATA"
        if self.compression == Compression.NONE:
            pixels = self.width * self.height
            _check(length == pixels, name, f"{pixels} pixels of a byte (CGA is NONE)", length, "name the compression")
            return
        found = compression_of(self.data)
        as_said = found == self.compression or (found, self.compression) == (Compression.JP2L, Compression.JP2)
        got = f"{length} bytes that begin {self.data[:4].hex()} and look like {found}"
        _check(as_said, name, f"a {self.compression} image (14.011 CGA)", got, "name the compression of the image")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: a search, or its result.

    ``type_of_transaction`` is 1-16 letters (1.004): CPS asks for a search, SRE gives its result. The control number
    (1.009), in a result the number of the search it answers (1.010), and the agencies (1.007, 1.008) are 1-255
    printable ASCII characters: the standard keeps all of Type-1 in 7-bit ASCII so that every system reads it (5.5).
    ``date`` is the sender's local date (1.005), ``made_at`` the same moment in UTC, kept in whole seconds (1.014).
    ``delete_by`` is 2.092 EXP of INTERPOL's INT-I: the last day on which the receiver may hold the prints (Article
    8(1), 8(2)). There is no field for a name or anything else about the person.

    Raises:
        FieldError: a value is not what its field may hold.
        LimitError: more than 20 images.

    """

    type_of_transaction: str
    control_number: str
    originator: str
    destination: str
    date: dt.date
    images: tuple[FingerImage, ...]
    control_reference: str | None = None
    delete_by: dt.date | None = None
    made_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what a Type-1 or Type-2 record of this domain may not say."""
        letters = _LETTERS.fullmatch(self.type_of_transaction) is not None
        _check(letters, "1.004 TOT", "1-16 letters", _quoted(self.type_of_transaction), "use CPS, SRE")
        for name, text in (
            ("1.007 DAI", self.destination),
            ("1.008 ORI", self.originator),
            ("1.009 TCN", self.control_number),
            ("1.010 TCR", self.control_reference),
        ):
            sound = text is None or _ASCII_TEXT.fullmatch(text) is not None
            expected = "1-255 printable ASCII characters, no space at either end (section 5.5: Type-1 is 7-bit)"
            _check(sound, name, expected, _quoted(text), "use the code or number of the agency")
        _check_day("1.005 DAT", self.date)
        _check_day("2.092 EXP", self.delete_by)
        count = len(self.images)
        _check(count <= MAX_IMAGES, "1.003 CNT", f"at most {MAX_IMAGES} images", count, _DIVIDE, LimitError)
        for image in self.images:
            # An absent source is written as the originator; given as such it would come back absent.
            sound = image.source != self.originator
            _check(sound, "14.004 SRC", "none, or another agency than 1.008 ORI", _quoted(image.source), "leave it out")
        if self.made_at is not None:
            utc = self.made_at.utcoffset() == dt.timedelta(0)
            _check(utc, "1.014 GMT", "a time in UTC", self.made_at.isoformat(), "convert it with astimezone(UTC)")
            object.__setattr__(self, "made_at", self.made_at.replace(microsecond=0, tzinfo=dt.UTC))


def compression_of(data: bytes) -> Compression:
    """Return the compression that the first bytes of an image show, without decoding it.

    JPEG 2000 is JP2L where its wavelet transform is the reversible one (ISO/IEC 15444-1, A.6.1), else JP2. NONE says
    that no signature is known: raw pixels have none, and neither has what is no image at all.
    """
    if data.startswith(b"\xff\xa0\xff"):  # start of image, then the first byte of any marker
        return Compression.WSQ
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Compression.PNG
    if data.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg_2000(data, 0)
    if data.startswith(b"\x00\x00\x00\x0cjP  \r\n\x87\n"):
        return _jpeg_2000(data, _codestream(data))
    return Compression.NONE


def write(transaction: Transaction) -> bytes:
    """Return the transaction in the traditional encoding; images have the designations (IDC) 01, 02 and so on.

    Raises:
        LimitError: the transaction would be longer than 10 million bytes.

    """
    designated = [(f"{place:02}", image) for place, image in enumerate(transaction.images, start=1)]
    content = [("1", str(len(designated) + 1)), ("2", "00"), *(("14", idc) for idc, _ in designated)]
    chunks = [
        *_record(1, _type_1(transaction, RS.join(map(US.join, content)))),
        *_record(2, [(2, "00"), (92, _eight_digits(transaction.delete_by) if transaction.delete_by else None)]),
    ]
    for idc, image in designated:
        chunks += _record(14, _type_14(image, idc, transaction.originator), image.data)
    size = sum(map(len, chunks))
    _check(size <= MAX_BYTES, "the transaction", f"at most {MAX_BYTES} bytes", size, _DIVIDE, LimitError)
    return b"".join(chunks)


def read(data: bytes) -> Transaction:
    """Return the transaction that the bytes hold.

    Raises:
        MalformedError: the records cannot be told apart.
        LimitError: more than 10 million bytes, 64 records, 500 fields in a record, 20 images or 16 million pixels.
        UnsupportedError: a record type, version, domain, character set or compression that was not agreed.
        FieldError: a field is missing, wrong, given twice or unknown.

    """
    _check(len(data) <= MAX_BYTES, "the transaction", f"at most {MAX_BYTES} bytes", len(data), _DIVIDE, LimitError)
    frames = [_frame(data, 0, place=1)]
    kind = frames[0].type
    _check(kind == 1, "record 1", "Type-1", f"Type-{kind}", "begin with the transaction information", MalformedError)
    head = _parse(data, frames[0], "ascii")
    content = _content(head)
    _check_agreed(head)
    charset = _charset(head)
    for place, (listed, _) in enumerate(content, start=2):
        frames.append(_frame(data, frames[-1].end, place))
        kind = frames[-1].type
        _check(kind == listed, f"record {place}", f"Type-{listed} (1.003)", f"Type-{kind}", _LIST, MalformedError)
    end = frames[-1].end
    _check(end == len(data), "the transaction", f"{end} bytes by its lengths", len(data), _LIST, MalformedError)
    records = [_parse(data, frame, charset) for frame in frames[1:]]
    _check_designations(records, content)
    return _transaction(head, records)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a record lies: its place from 1, its type, where its second field begins and where the record ends."""

    place: int
    type: int
    begin: int
    end: int

    def __str__(self) -> str:
        return f"record {self.place} (Type-{self.type})"


@dataclass(frozen=True, slots=True)
class _Record:
    """The fields of one record as text, without LEN; ``image`` is 14.999 DATA."""

    frame: _Frame
    fields: dict[int, str]
    image: bytes

    def name(self, number: int) -> str:
        """Return how messages name a field of this record."""
        return _name(self.frame, number)

    def text(self, number: int) -> str:
        """Return the value of a field that must be there."""
        if number not in self.fields:
            raise FieldError(_message(self.name(number), "a value, the field is mandatory", "none", "add the field"))
        return self.fields[number]

    def whole(self, number: int) -> int:
        """Return a whole number of at most nine digits; leading zeros do not matter."""
        text = self.text(number)
        if not _DIGITS.fullmatch(text):
            raise FieldError(_message(self.name(number), "1-9 digits", _quoted(text), "send a number"))
        return int(text)

    def day(self, number: int) -> dt.date:
        """Return a date (B.1.2: eight digits, YYYYMMDD)."""
        text = self.text(number)
        moment = _moment(text + "000000")
        if moment is None:
            raise FieldError(_message(self.name(number), "a date YYYYMMDD", _quoted(text), "correct the date"))
        return moment.date()


def _type_1(transaction: Transaction, content: str) -> list[tuple[int, str | None]]:
    """Return the fields of the transaction information record (section 8.1)."""
    made_at = transaction.made_at
    return [
        (2, VERSION),
        (3, content),
        (4, transaction.type_of_transaction),
        (5, _eight_digits(transaction.date)),
        (7, transaction.destination),
        (8, transaction.originator),
        (9, transaction.control_number),
        (10, transaction.control_reference),
        (11, "00.00"),  # resolutions stand here for Type-4 images only
        (12, "00.00"),
        (13, f"{DOMAIN}{US}{DOMAIN_VERSION}"),
        (14, f"{_eight_digits(made_at)}{made_at:%H%M%S}Z" if made_at else None),
        (15, f"003{US}UTF-8"),  # table 4
    ]


def _type_14(image: FingerImage, idc: str, originator: str) -> list[tuple[int, str | None]]:
    """Return the fields of a fingerprint image record (section 8.14) before its DATA."""
    return [
        (2, idc),
        (3, str(image.impression)),
        (4, image.source or originator),
        (5, _eight_digits(image.captured) if image.captured else _NO_DATE),
        (6, str(image.width)),
        (7, str(image.height)),
        (8, "1"),  # pixels per inch
        (9, str(image.dpi)),
        (10, str(image.dpi)),
        (11, image.compression),
        (12, "8"),
        (13, str(image.position)),
    ]


def _record(kind: int, fields: list[tuple[int, str | None]], image: bytes | None = None) -> list[bytes]:
    """Return the pieces of one record, with the length that counts its own digits."""
    text = "".join(f"{GS}{kind}.{number:03}:{value}" for number, value in fields if value is not None).encode()
    tail = [text, FS.encode()] if image is None else [text, f"{GS}{kind}.999:".encode(), image, FS.encode()]
    tag = f"{kind}.001:"
    others = len(tag) + sum(map(len, tail))
    length = others
    while length != others + len(str(length)):
        length = others + len(str(length))
    return [f"{tag}{length}".encode(), *tail]


def _frame(data: bytes, start: int, place: int) -> _Frame:
    """Return where the record that begins at ``start`` lies, from its type and length alone."""
    header = _HEADER.match(data, start)
    if header is None:
        got = data[start : start + 8].hex() or "the end"
        expected = f"a header like 14.001:1234 and a separator at byte {start}, the length in 1-9 digits"
        raise MalformedError(_message(f"record {place}, LEN", expected, got, "check the length of the record before"))
    frame = _Frame(place, int(header[1]), header.end(), start + int(header[2]))
    whole = frame.begin < frame.end <= len(data) and data[frame.end - 1] == ord(FS)
    expected = f"the length of a record that ends with a file separator within {len(data) - start} bytes"
    _check(whole, f"{frame}, LEN", expected, int(header[2]), "send the whole record", MalformedError)
    return frame


def _parse(data: bytes, frame: _Frame, charset: str) -> _Record:
    """Cut one framed record into fields."""
    stop, image = frame.end - 1, b""
    if frame.type == 14:
        # DATA is the last field, and no text before it can hold a group separator: the first hit is the field.
        found = data.find(_DATA, frame.begin - 1, stop)
        _check(found >= 0, _name(frame, 999), "an image as the last field", "none", "send one in each Type-14")
        stop, image = found, data[found + len(_DATA) : stop]
    count = data.count(b"\x1d", frame.begin, stop) + 1
    _check(count <= MAX_FIELDS, str(frame), f"at most {MAX_FIELDS} fields", count, "leave out the rest", LimitError)
    try:
        text = data[frame.begin : stop].decode(charset)
    except UnicodeDecodeError as error:
        got = f"the byte {data[frame.begin + error.start]:02x} at byte {frame.begin + error.start}"
        advice = "state UTF-8 in 1.015 DCS; Type-1 is ASCII in any case (section 5.5)"
        raise FieldError(_message(str(frame), f"{charset} text", got, advice)) from None
    fields: dict[int, str] = {}
    for part in text.split(GS):
        number, value = _field(frame, part)
        if number in fields:
            raise FieldError(_message(_name(frame, number), "the field once", "it twice", "send one"))
        fields[number] = value
    return _Record(frame, fields, image)


def _field(frame: _Frame, part: str) -> tuple[int, str]:
    """Return number and value of one field that a record of this type may have; never show a value."""
    tag = _TAG.match(part)
    if tag is None or int(tag[1]) != frame.type or FS in part:
        expected = f"fields that begin {frame.type}.NNN: and hold no file separator"
        raise MalformedError(_message(str(frame), expected, "another", "check 001 LEN and the separators"))
    number, value = int(tag[2]), part[tag.end() :]
    if number in _TECHNICAL[frame.type]:
        if not _NUMBERS.fullmatch(value):
            raise FieldError(_message(_name(frame, number), "numbers only", "text", "leave the field out"))
    elif number == 1 or number not in _FIELDS[frame.type]:
        expected = f"only fields of domain {DOMAIN} {DOMAIN_VERSION}"
        advice = "leave it out; what is known of a person is asked for under Article 5"
        raise FieldError(_message(_name(frame, number), expected, "this field", advice))
    return number, value


def _name(frame: _Frame, number: int) -> str:
    """Return how messages name a field: record, number and, where it is one of ours, mnemonic."""
    mnemonic = _FIELDS[frame.type].get(number) or _TECHNICAL[frame.type].get(number, "")
    return f"{frame}, {frame.type}.{number:03} {mnemonic}".rstrip()


def _content(head: _Record) -> list[tuple[int, int]]:
    """Return type and designation (IDC) of every record after the first, as 1.003 CNT lists them."""
    text, name = head.text(3), head.name(3)
    count = text.count(RS) + 1
    _check(count <= MAX_RECORDS, name, f"at most {MAX_RECORDS} records", count, _DIVIDE, LimitError)
    pairs = []
    for pair in text.split(RS):
        items = pair.split(US, 2)
        sound = len(items) == 2 and all(map(_DIGITS.fullmatch, items))
        _check(sound, name, "two numbers for each record", _quoted(pair), _LIST, MalformedError)
        pairs.append((int(items[0]), int(items[1])))
    expected = f"Type-1 and the {count - 1} records that are listed after it"
    _check(pairs[0] == (1, count - 1), name, expected, f"{pairs[0][0]} and {pairs[0][1]}", _LIST, MalformedError)
    for place, (kind, _) in enumerate(pairs[1:], start=2):
        got, advice = f"Type-{kind} as record {place}", "send finger images as Type-14"
        _check(kind in {2, 14}, name, "records of Type-2 and Type-14", got, advice, UnsupportedError)
    images = sum(kind == 14 for kind, _ in pairs)
    _check(images <= MAX_IMAGES, name, f"at most {MAX_IMAGES} images", images, _DIVIDE, LimitError)
    _check(images == count - 2, name, "one Type-2 record", count - 1 - images, "send one, be it without a date")
    return pairs[1:]


def _check_agreed(head: _Record) -> None:
    """Refuse another edition of the standard and another domain; check what says nothing new."""
    known = head.text(2) in {"0500", "0501", VERSION}
    expected = f"{VERSION}, ANSI/NIST-ITL 1-2011 Update 2015 (or 0500, 0501)"
    _check(known, head.name(2), expected, _quoted(head.text(2)), "write it by that edition", UnsupportedError)
    domain, got = f"{DOMAIN}{US}{DOMAIN_VERSION}", _quoted(head.text(13))
    advice = "user-defined fields have a meaning in their domain only, write it for this one"
    _check(head.text(13) == domain, head.name(13), _quoted(domain), got, advice, UnsupportedError)
    for number in (11, 12):
        sound = _RESOLUTION.fullmatch(head.text(number)) is not None
        _check(sound, head.name(number), "00.00 or pixels per millimetre", _quoted(head.text(number)), "send 00.00")


def _charset(head: _Record) -> str:
    """Return the codec for the text of all records but the first (1.015 DCS, table 4)."""
    if 15 not in head.fields:
        return "ascii"
    index = head.text(15).split(US, 1)[0]
    charset = {0: "ascii", 3: "utf-8"}.get(int(index)) if _DIGITS.fullmatch(index) else None
    if charset is None:
        got, advice = _quoted(index), "write text in UTF-8"
        raise UnsupportedError(_message(head.name(15), "000 (ASCII) or 003 (UTF-8)", got, advice))
    return charset


def _check_designations(records: list[_Record], content: list[tuple[int, int]]) -> None:
    """Refuse a designation other than 1.003 CNT lists, and two images with one: each is an image of its own."""
    seen: set[int] = set()
    for record, (_, listed) in zip(records, content, strict=True):
        idc = record.whole(2)
        _check(idc == listed, record.name(2), f"{listed} (1.003 CNT)", idc, _LIST)
        if record.frame.type == 14:
            _check(idc not in seen, record.name(2), "a number of its own", idc, "number the images 1, 2, 3")
            seen.add(idc)


def _transaction(head: _Record, records: list[_Record]) -> Transaction:
    """Return the transaction that sound records hold."""
    description = next(record for record in records if record.frame.type == 2)
    originator = head.text(8)
    images = tuple(_image(record, originator) for record in records if record.frame.type == 14)
    fields = (head.text(4), head.text(9), originator, head.text(7), head.day(5), images)
    delete_by = description.day(92) if 92 in description.fields else None
    made_at = _made_at(head)
    try:
        return Transaction(*fields, control_reference=head.fields.get(10), delete_by=delete_by, made_at=made_at)
    except NistError as error:
        raise type(error)(f"{head.frame}, {error}") from None


def _image(record: _Record, originator: str) -> FingerImage:
    """Return the image that a Type-14 record holds."""
    source, compression, bits = record.text(4), record.text(11), record.whole(12)
    expected, advice = f"one of {', '.join(Compression)}", "use WSQ at 500 pixels per inch, JPEG 2000 above"
    _check(compression in set(Compression), record.name(11), expected, _quoted(compression), advice, UnsupportedError)
    _check(bits == 8, record.name(12), "8 bits a pixel", bits, "send 8-bit grey pixels")
    position, width, height, impression = (record.whole(number) for number in (13, 6, 7, 3))
    dpi = _dpi(record)
    captured = None if record.text(5) == _NO_DATE else record.day(5)
    try:
        return FingerImage(
            position=position,
            data=record.image,
            compression=Compression(compression),
            width=width,
            height=height,
            dpi=dpi,
            impression=impression,
            captured=captured,
            source=None if source == originator else source,
        )
    except NistError as error:
        raise type(error)(f"{record.frame}, {error}") from None


def _dpi(record: _Record) -> int:
    """Return pixels per inch; per centimetre they are rounded, so that 197 gives 500."""
    scale, across, down = record.whole(8), record.whole(9), record.whole(10)
    _check(scale in {1, 2}, record.name(8), "1 (per inch) or 2 (per centimetre)", scale, "state the unit")
    _check(across == down, record.name(10), f"the {across} of 14.009 THPS", down, "send square pixels")
    return across if scale == 1 else round(across * 2.54)


def _made_at(head: _Record) -> dt.datetime | None:
    """Return 1.014 GMT (B.1.4: YYYYMMDDHHMMSSZ)."""
    text = head.fields.get(14)
    if text is None:
        return None
    moment = _moment(text[:-1]) if text.endswith("Z") else None
    if moment is None:
        raise FieldError(_message(head.name(14), "a time in UTC, YYYYMMDDHHMMSSZ", _quoted(text), "correct the time"))
    return moment


def _moment(digits: str) -> dt.datetime | None:
    """Return the time in UTC that fourteen digits say, None where they say none."""
    if not _FOURTEEN.fullmatch(digits):
        return None
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    try:
        return dt.datetime(year, month, day, int(digits[8:10]), int(digits[10:12]), int(digits[12:]), tzinfo=dt.UTC)
    except ValueError:
        return None


def _eight_digits(day: dt.date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _codestream(data: bytes) -> int:
    """Return where the codestream begins in a JP2 file (ISO/IEC 15444-1, Annex I), its end where there is none."""
    offset = 12
    for _ in range(16):  # boxes before the codestream; usual files have two or three
        length = int.from_bytes(data[offset : offset + 4])
        if data[offset + 4 : offset + 8] == b"jp2c":
            return offset + (16 if length == 1 else 8)
        if length < 8:
            break
        offset += length
    return len(data)


def _jpeg_2000(data: bytes, start: int) -> Compression:
    """Return JP2L where the COD segment of the codestream's main header names the reversible transform."""
    offset = start + 2
    for _ in range(16):  # segments before COD; usually it is the second
        if data[offset : offset + 2] == b"\xff\x52":
            return Compression.JP2L if data[offset + 13 : offset + 14] == b"\x01" else Compression.JP2
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4])
    return Compression.JP2


def _is_text(text: str) -> bool:
    """Return whether this is one line of text; the ideographic space of Japanese counts as a space."""
    return 1 <= len(text) <= 255 and text == text.strip() and text.replace("\u3000", " ").isprintable()


def _check_day(name: str, day: dt.date | None) -> None:
    """Refuse a time where a day belongs: a datetime is a date to the type checker, but not to the other Party."""
    _check(not isinstance(day, dt.datetime), name, "a date without a time", day, "take its date()")


def _check(
    sound: bool, name: str, expected: str, got: object, advice: str, error: type[NistError] = FieldError
) -> None:
    """Raise ``error`` with all that its reader needs, unless sound."""
    if not sound:
        raise error(_message(name, expected, got, advice))


def _message(name: str, expected: str, got: object, advice: str) -> str:
    """Return what a refusal says."""
    return f"{name}: expected {expected}, got {got}: {advice}"


def _quoted(text: str | None) -> str:
    """Return what came from outside as a message may show it: short, in ASCII, on one line."""
    return ascii(text if text is None else text[:60])
