"""What the Parties agreed to send each other: a narrow kind of ANSI/NIST-ITL transaction, the domain PCSC-JP-US.

A query and its answer (Article 4(4), 4(5)) are JSON messages; the prints in them are one transaction of ANSI/NIST-ITL
1-2011, Update 2015 (NIST SP 500-290e3). Everything the treaty speaks of stays in JSON; a transaction holds one Type-1
record that says who sends it to whom, one Type-2 record with at most a date of deletion, and one record for each image:
Type-14 for the print of a known finger, Type-13 for a latent one, to which a Type-9 record may add the minutiae that an
examiner marked on it: the ridges of a latent print are seldom clear enough for a machine. :func:`write` makes the bytes,
:func:`read` takes them apart in the jail; both are safe to call from many threads.

What is written is strict: one way to say each thing, so that ``write(read(data)) == data`` for bytes written here. What
is read may have leading zeros, short field tags, fields in any order and technical fields that say nothing of the
person. Anything else unknown is refused, not dropped: the Parties' domain fixes what a transaction holds, and a name in
field 2.018 that a reader steps over still rests in the stored bytes. Refusals name such a field but never show its
value. What other systems send is read far more tolerantly, by :mod:`contact_point.files`.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from contact_point.nist import minutiae, reading, traditional
from contact_point.nist import transaction as general
from contact_point.nist.headers import Compression, compression_of
from contact_point.nist.transaction import (
    FieldError,
    LimitError,
    MalformedError,
    NistError,
    UnsupportedError,
)
from matcher.formats.scaling import nominal_dpi
from matcher.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matcher.jail import Jail

VERSION: Final = "0502"
"""Field 1.002: ANSI/NIST-ITL 1-2011 with its Update 2015; 0500 and 0501 are the edition before and the Update 2013."""

DOMAIN: Final = "PCSC-JP-US"
"""Field 1.013: the domain that gives 2.092 its meaning; user-defined fields mean nothing outside their domain."""

DOMAIN_VERSION: Final = "1.0"

MAX_IMAGES: Final = 20
MAX_SIDE: Final = 5_000  # pixels: a ten-print card at 1000 pixels per inch
MAX_PIXELS: Final = 16_000_000
MIN_DPI: Final = 250
MAX_DPI: Final = 2_000

LATENT: Final = frozenset({4, 5, 6, 7})
"""Table 7: a latent impression, its tracing, photograph and lift; an image of one is a Type-13 record."""

IMPRESSIONS: Final = LATENT | {0, 1, 2, 3, 8, *range(20, 30), 41, 42}
"""Table 7: the impression types of a finger; 10-15 are palms, 30-35 soles."""

_RS, _US = "\x1e", "\x1f"  # between subfields, between information items (Annex B)

_IMAGE: Final = {
    2: "IDC", 3: "IMP", 4: "SRC", 6: "HLL", 7: "VLL", 8: "SLC", 9: "THPS", 10: "TVPS", 11: "CGA", 12: "BPX", 13: "FGP",
    999: "DATA",
}  # fmt: skip
_FIELDS: Final = {
    1: {
        2: "VER", 3: "CNT", 4: "TOT", 5: "DAT", 7: "DAI", 8: "ORI", 9: "TCN", 10: "TCR", 11: "NSR", 12: "NTR",
        13: "DOM", 14: "GMT", 15: "DCS",
    },
    2: {2: "IDC", 92: "EXP"},
    13: _IMAGE | {5: "LCD"},
    14: _IMAGE | {5: "FCD"},
}  # fmt: skip

# Priority, scanner resolution, quality metrics and the scanner's profile: numbers about the process, not the person.
# They are accepted and dropped; that they are numbers is checked, so that nothing else travels in them.
_TECHNICAL: Final = {
    1: {6: "PRY"},
    2: {},
    13: {16: "SHPS", 17: "SVPS"},
    14: {16: "SHPS", 17: "SVPS", 22: "NQM", 23: "SQM", 24: "FQM", 31: "FAP"},
}

_HARMLESS: Final = frozenset(
    {
        "short-tag",
        "long-tag",
        "length-zeros",
        "content-zeros",
        "designation-misplaced",
        "version-older",
        "version-unknown",
    }
)
"""Other ways to say the same, and the version, which is looked at by itself; every other deviation is refused."""

_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_LETTERS: Final = re.compile(r"[A-Za-z]{1,16}")
_ASCII_TEXT: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_RESOLUTION: Final = re.compile(r"[0-9]{2}\.[0-9]{2}")
_NUMBERS: Final = re.compile(r"[0-9A-F\x1e\x1f]{0,500}")
_FOURTEEN: Final = re.compile(r"[0-9]{14}")
_NO_DATE: Final = "00000000"

_DIVIDE: Final = "divide the transaction"
_LIST: Final = "list every record in 1.003 CNT as it is"


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One impression of one finger, a Type-14 record, or Type-13 where it is latent; 8-bit grey pixels.

    ``position`` is 1-10 from the right thumb to the left little finger, 0 where unknown (14.013, table 8). ``width``
    and ``height`` in pixels and ``dpi`` in pixels per inch are what the sender claims (14.006-14.010): compare them
    with the decoded image. ``impression`` is one of :data:`IMPRESSIONS` (14.003). ``captured`` (14.005) and ``source``,
    the agency that took the print (14.004), are told only where the Parties agreed to: they are further information,
    which Article 5 leaves to a request. ``None`` is written as eight zeros and as the originator. ``marked`` are the
    minutiae that an examiner marked on a latent print, of this image at 500 dpi.

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
    marked: Template | None = None

    @property
    def record_type(self) -> int:
        """13 for a latent impression, 14 for any other."""
        return 13 if self.impression in LATENT else 14

    def __post_init__(self) -> None:
        """Refuse what no record of a finger's image may say."""
        kind = self.record_type
        for name, value, low, high, advice in (
            (f"{kind}.013 FGP", self.position, 0, 10, "send each finger as an image of its own (table 8)"),
            (f"{kind}.006 HLL", self.width, 10, MAX_SIDE, "crop the image to the print"),
            (f"{kind}.007 VLL", self.height, 10, MAX_SIDE, "crop the image to the print"),
            (f"{kind}.009 THPS", self.dpi, MIN_DPI, MAX_DPI, "send the pixels per inch of the image"),
        ):
            _check(low <= value <= high, name, f"{low}-{high}", value, advice)
        size = f"{self.width} x {self.height}"
        small = self.width * self.height <= MAX_PIXELS
        _check(
            small, f"{kind}.007 VLL", f"at most {MAX_PIXELS} pixels", size, "crop the image to the print", LimitError
        )
        known = self.impression in IMPRESSIONS
        _check(known, f"{kind}.003 IMP", "the impression of a finger (table 7)", self.impression, "use its code")
        _check_day(f"{kind}.005 {_FIELDS[kind][5]}", self.captured)
        _check(
            self.source is None or _is_text(self.source),
            f"{kind}.004 SRC",
            "1-255 characters without control characters or a space at either end",
            _quoted(self.source),
            "send the code of the agency",
        )
        apart = self.marked is None or self.impression in LATENT
        _check(apart, "Type-9", "minutiae marked on a latent print", f"impression {self.impression}", "leave them out")
        marked = self.position if self.marked is None else self.marked.position
        _check(marked == self.position, "9.134 FGP", f"the {self.position} of the image", marked, "name one finger")
        self._check_data()

    def _check_data(self) -> None:
        """Refuse data of another kind than 14.011 CGA says, and raw pixels that are too few or too many."""
        length, name = len(self.data), f"{self.record_type}.999 DATA"
        if self.compression == Compression.NONE:
            pixels = self.width * self.height
            _check(length == pixels, name, f"{pixels} pixels of a byte (CGA is NONE)", length, "name the compression")
            return
        found = compression_of(self.data)
        as_said = found == self.compression or (found, self.compression) == (Compression.JP2L, Compression.JP2)
        got = f"{length} bytes that begin {self.data[:4].hex()} and look like {found}"
        _check(
            as_said,
            name,
            f"a {self.compression} image ({self.record_type}.011 CGA)",
            got,
            "name the compression of the image",
        )


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
            _check(
                sound,
                f"{image.record_type}.004 SRC",
                "none, or another agency than 1.008 ORI",
                _quoted(image.source),
                "leave it out",
            )
        if self.made_at is not None:
            utc = self.made_at.utcoffset() == dt.timedelta(0)
            _check(utc, "1.014 GMT", "a time in UTC", self.made_at.isoformat(), "convert it with astimezone(UTC)")
            object.__setattr__(self, "made_at", self.made_at.replace(microsecond=0, tzinfo=dt.UTC))


def write(transaction: Transaction) -> bytes:
    """Return the transaction in the traditional encoding; images have the designations (IDC) 01, 02 and so on.

    Raises:
        LimitError: the transaction would be longer than 10 million bytes.

    """
    originator = transaction.originator
    delete_by = _eight_digits(transaction.delete_by) if transaction.delete_by else None
    records = [_record(1, _type_1(transaction)), _record(2, [(2, "00"), (92, delete_by)])]
    for place, image in enumerate(transaction.images, start=1):
        records.append(_image_record(image, f"{place:02}", originator))
        if image.marked is not None:
            records.append(minutiae.write_m1(image.marked, idc=place, impression=image.impression))
    return traditional.write(general.Transaction(tuple(records), "utf-8"))


def read(data: bytes, *, place: Jail = reading.JAIL) -> Transaction:
    """Return the transaction that the bytes hold; it is taken apart in the jail.

    Raises:
        MalformedError: the records cannot be told apart, or are not as the standard encodes them.
        LimitError: more bytes, records, fields, images or pixels than a transaction may have.
        UnsupportedError: a record type, version, domain, encoding, character set or compression that was not agreed.
        FieldError: a field is missing, wrong, given twice or unknown.
        KilledError: reading it took more than it may.
        jail.JailError: nothing can be read at present; it is not the sender's fault.

    """
    return keep_to_domain(reading.read(data, place=place))


def keep_to_domain(transaction: general.Transaction) -> Transaction:
    """Return what a transaction says, if it says nothing but what was agreed.

    Raises:
        NistError: it does not keep to the domain, as for :func:`read`.

    """
    _check(
        transaction.encoding is general.Encoding.TRADITIONAL,
        "the transaction",
        "the traditional encoding (Annex B)",
        transaction.encoding,
        "write it so",
        UnsupportedError,
    )
    _check_types([record.type for record in transaction.records])
    head = _fields(1, transaction.records[0], "ascii")
    _check_agreed(head)
    for deviation in transaction.deviations:
        if deviation.code not in _HARMLESS:
            place = f"record {deviation.record}" if deviation.record else "the transaction"
            raise MalformedError(f"{place}: {deviation.text.rstrip('.')}: write it as the standard does")
    rest = [
        _fields(place, record, transaction.charset)
        for place, record in enumerate(transaction.records[1:], 2)
        if record.type != 9
    ]
    _check_designations(rest)
    return _transaction(head, rest[0], rest[1:], dict(transaction.of_type(9)))


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one record as text; ``data`` is the image of 13.999 or 14.999."""

    place: int
    type: int
    fields: dict[int, str]
    data: bytes

    def __str__(self) -> str:
        return f"record {self.place} (Type-{self.type})"

    def name(self, number: int) -> str:
        """Return how messages name a field of this record: record, number and, where it is one of ours, mnemonic."""
        mnemonic = _FIELDS[self.type].get(number) or _TECHNICAL[self.type].get(number, "")
        return f"{self}, {self.type}.{number:03} {mnemonic}".rstrip()

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


def _type_1(transaction: Transaction) -> list[tuple[int, str | None]]:
    """Return the fields of the transaction information record (section 8.1), but for CNT, which the writer makes."""
    made_at = transaction.made_at
    return [
        (2, VERSION),
        (4, transaction.type_of_transaction),
        (5, _eight_digits(transaction.date)),
        (7, transaction.destination),
        (8, transaction.originator),
        (9, transaction.control_number),
        (10, transaction.control_reference),
        (11, "00.00"),  # resolutions stand here for Type-4 images only
        (12, "00.00"),
        (13, f"{DOMAIN}{_US}{DOMAIN_VERSION}"),
        (14, f"{_eight_digits(made_at)}{made_at:%H%M%S}Z" if made_at else None),
        (15, f"003{_US}UTF-8"),  # table 4
    ]


def _image_record(image: FingerImage, idc: str, originator: str) -> general.Record:
    """Return an image as its record: sections 8.13 and 8.14, which number these fields alike."""
    fields = [
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
    record = _record(image.record_type, fields)
    return general.Record(record.type, (*record.fields, general.Field(999, image.data)))


def _record(kind: int, fields: Iterable[tuple[int, str | None]]) -> general.Record:
    said = (general.Field(number, value.encode()) for number, value in fields if value is not None)
    return general.Record(kind, tuple(said))


def _fields(place: int, record: general.Record, charset: str) -> _Fields:
    """Return the fields of a record that may only have those of our domain; never show a value."""
    charset = "ascii" if record.type == 1 or charset == "ascii" else charset
    fields = _Fields(place, record.type, {}, record.get(999) or b"")
    for field in record.fields:
        name = fields.name(field.number)
        _check(field.number not in fields.fields, name, "the field once", "it twice", "send one")
        if field.number == 999:
            fields.fields[999] = ""
            continue
        try:
            value = field.value.decode(charset)
        except UnicodeDecodeError as error:
            got, advice = (
                f"the byte {field.value[error.start]:02x}",
                "Type-1 is ASCII (section 5.5), 1.015 DCS says the rest",
            )
            raise FieldError(_message(name, f"{charset} text", got, advice)) from None
        if field.number in _TECHNICAL[record.type]:
            _check(_NUMBERS.fullmatch(value) is not None, name, "numbers only", "text", "leave the field out")
        elif field.number not in _FIELDS[record.type]:
            advice = "leave it out; what is known of a person is asked for under Article 5"
            raise FieldError(_message(name, f"only fields of domain {DOMAIN} {DOMAIN_VERSION}", "this field", advice))
        fields.fields[field.number] = value
    has_image = record.type not in {13, 14} or 999 in fields.fields
    _check(has_image, fields.name(999), "an image as the last field", "none", "send one in each record of an image")
    return fields


def _check_agreed(head: _Fields) -> None:
    """Refuse another edition of the standard and another domain; check what says nothing new."""
    known = head.text(2) in {"0500", "0501", VERSION}
    expected = f"{VERSION}, ANSI/NIST-ITL 1-2011 Update 2015 (or 0500, 0501)"
    _check(known, head.name(2), expected, _quoted(head.text(2)), "write it by that edition", UnsupportedError)
    domain, got = f"{DOMAIN}{_US}{DOMAIN_VERSION}", _quoted(head.text(13))
    advice = "user-defined fields have a meaning in their domain only, write it for this one"
    _check(head.text(13) == domain, head.name(13), _quoted(domain), got, advice, UnsupportedError)
    _check_charset(head)
    for number in (11, 12):
        sound = _RESOLUTION.fullmatch(head.text(number)) is not None
        _check(sound, head.name(number), "00.00 or pixels per millimetre", _quoted(head.text(number)), "send 00.00")


def _check_types(types: list[int]) -> None:
    """Refuse records of other types than a description and images, and another number of them."""
    for place, kind in enumerate(types[1:], 2):
        got, advice = f"Type-{kind} as record {place}", "send finger images as Type-14, latent ones as Type-13"
        known = kind in {2, 9, 13, 14}
        _check(
            known, "the transaction", "records of Type-2, Type-9, Type-13 and Type-14", got, advice, UnsupportedError
        )
    got, advice = f"Type-1 and {types[1:]}", "send one Type-2, be it without a date, before the images"
    _check(types[1:2] == [2] and 2 not in types[2:], "the transaction", "Type-1, one Type-2, then images", got, advice)
    count = len(types) - 2 - types.count(9)
    _check(count <= MAX_IMAGES, "the transaction", f"at most {MAX_IMAGES} images", count, _DIVIDE, LimitError)


def _check_charset(head: _Fields) -> None:
    """Refuse text in another character set than ASCII and UTF-8 (1.015 DCS, table 4)."""
    if 15 not in head.fields:
        return
    index = head.text(15).split(_US, 1)[0]
    known = _DIGITS.fullmatch(index) is not None and int(index) in {0, 3}
    advice = "write text in UTF-8"
    _check(known, head.name(15), "000 (ASCII) or 003 (UTF-8)", _quoted(index), advice, UnsupportedError)


def _check_designations(records: list[_Fields]) -> None:
    """Refuse two images with one designation: each is an image of its own."""
    seen: set[int] = set()
    for record in records:
        idc = record.whole(2)
        _check(
            record.type == 2 or idc not in seen, record.name(2), "a number of its own", idc, "number the images 1, 2, 3"
        )
        if record.type != 2:
            seen.add(idc)


def _transaction(
    head: _Fields, description: _Fields, records: list[_Fields], features: dict[int, general.Record]
) -> Transaction:
    """Return the transaction that sound records hold."""
    originator = head.text(8)
    images = [_image(each, originator) for each in records]
    for place, record in features.items():
        _mark(images, [each.whole(2) for each in records], place, record)
    fields = (
        head.text(4),
        head.text(9),
        originator,
        head.text(7),
        head.day(5),
        tuple(images),
    )
    delete_by = description.day(92) if 92 in description.fields else None
    made_at = _made_at(head)
    try:
        return Transaction(*fields, control_reference=head.fields.get(10), delete_by=delete_by, made_at=made_at)
    except NistError as error:
        raise type(error)(f"{head}, {error}") from None


def _image(record: _Fields, originator: str) -> FingerImage:
    """Return the image that a Type-13 or Type-14 record holds."""
    source, compression, bits = record.text(4), record.text(11), record.whole(12)
    expected, advice = f"one of {', '.join(Compression)}", "use WSQ at 500 pixels per inch, JPEG 2000 above"
    _check(compression in set(Compression), record.name(11), expected, _quoted(compression), advice, UnsupportedError)
    _check(bits == 8, record.name(12), "8 bits a pixel", bits, "send 8-bit grey pixels")
    position, width, height, impression = (record.whole(number) for number in (13, 6, 7, 3))
    fits = (impression in LATENT) == (record.type == 13)
    expected = "a latent impression (4-7)" if record.type == 13 else "the impression of a known finger (table 7)"
    _check(fits, record.name(3), expected, impression, "send a latent as Type-13, any other print as Type-14")
    captured = None if record.text(5) == _NO_DATE else record.day(5)
    try:
        return FingerImage(
            position=position,
            data=record.data,
            compression=Compression(compression),
            width=width,
            height=height,
            dpi=_dpi(record),
            impression=impression,
            captured=captured,
            source=None if source == originator else source,
        )
    except NistError as error:
        raise type(error)(f"{record}, {error}") from None


def _mark(images: list[FingerImage], designations: list[int], place: int, record: general.Record) -> None:
    """Give the image of the same designation the minutiae of a Type-9 record, which says them as we would and no more."""
    name = f"record {place} (Type-9)"
    idc = record.get(2) or b""
    known = _DIGITS.fullmatch(idc.decode("latin-1")) is not None and int(idc) in designations
    _check(known, f"{name}, 9.002 IDC", "that of a Type-13 record", "another", "number it as its image")
    at = designations.index(int(idc))
    image = images[at]
    _check(image.marked is None, name, "one Type-9 record for an image", "another", "send one")
    found = minutiae.read(record).of_kind(minutiae.Kind.M1)
    # Written anew it must be the same, so that nothing else is said in it.
    same = found is not None and record == minutiae.write_m1(found, idc=int(idc), impression=image.impression)
    expected = "the minutiae of its image at 500 dpi in fields 9.126-9.137, and nothing else"
    _check(same, name, expected, "more, less, or otherwise", "write it as INCITS 378 (M1), at 500 pixels per inch")
    try:
        images[at] = replace(image, marked=found)
    except NistError as error:
        raise type(error)(f"{name}, {error}") from None


def _dpi(record: _Fields) -> int:
    """Return pixels per inch; per centimetre they are rounded, so that 197 gives 500."""
    scale, across, down = record.whole(8), record.whole(9), record.whole(10)
    _check(scale in {1, 2}, record.name(8), "1 (per inch) or 2 (per centimetre)", scale, "state the unit")
    _check(across == down, record.name(10), f"the {across} of 14.009 THPS", down, "send square pixels")
    return across if scale == 1 else round(nominal_dpi(across))


def _made_at(head: _Fields) -> dt.datetime | None:
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
