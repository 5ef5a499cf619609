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
field 2.018 that a reader steps over still rests in the stored bytes. So each field that is known has a grammar as narrow
as its use, none takes free text, and an image is a PNG of grey pixels without a comment, a time or a byte behind its end.
Refusals name the field but never show a text that came in it. What other systems send is read far more tolerantly, by
:mod:`contact_point.files`.
"""

from __future__ import annotations

import datetime as dt
import re
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from contact_point.nist import minutiae, reading, traditional
from contact_point.nist import transaction as general
from contact_point.nist.headers import Compression
from contact_point.nist.transaction import (
    FieldError,
    LimitError,
    MalformedError,
    NistError,
    UnsupportedError,
)
from matcher import images
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

SEARCH: Final = "CPS"
RESULT: Final = "SRE"
"""Field 1.004: a print-to-print search and its result, as INTERPOL's INT-I names them; the Parties agreed on no other."""

MAX_IMAGES: Final = 20
MAX_SIDE: Final = images.MAX_SIDE
MAX_PIXELS: Final = images.MAX_PIXELS
MIN_DPI: Final = images.MIN_DPI
MAX_DPI: Final = images.MAX_DPI
MAX_CHUNKS: Final = 2_000  # of a PNG: writers make chunks of 8 KiB or more

LATENT: Final = frozenset({4, 5, 6, 7})
"""Table 7: a latent impression, its tracing, photograph and lift; an image of one is a Type-13 record."""

IMPRESSIONS: Final = LATENT | {0, 1, 2, 3, 8, *range(20, 30), 41, 42}
"""Table 7: the impression types of a finger; 10-15 are palms, 30-35 soles."""

_US = "\x1f"  # between information items (Annex B)

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
# They are accepted and dropped; that each is what it should be is checked, so that nothing else travels in them.
_TECHNICAL: Final = {
    1: {6: "PRY"},
    2: {},
    13: {16: "SHPS", 17: "SVPS"},
    14: {16: "SHPS", 17: "SVPS", 22: "NQM", 23: "SQM", 24: "FQM", 31: "FAP"},
}
_FINGER: Final = r"(?:0?[0-9]|10)"  # table 8, one finger
_QUALITY: Final = rf"{_FINGER}\x1f(?:0?[0-9]{{1,2}}|100|254|255)\x1f[0-9A-F]{{4}}\x1f[0-9]{{1,5}}"
_PRIORITY, _PER_UNIT, _NFIQ, _METRICS, _PROFILE = (
    re.compile(pattern)
    for pattern in (
        r"[1-9]",
        r"[0-9]{1,5}",
        rf"{_FINGER}\x1f(?:[1-5]|254|255)(?:\x1e{_FINGER}\x1f(?:[1-5]|254|255)){{0,9}}",  # finger, NFIQ
        rf"{_QUALITY}(?:\x1e{_QUALITY}){{0,9}}",  # finger, score, owner and product of the algorithm
        r"[0-9]{2,3}",
    )
)
_GRAMMAR: Final = {
    (1, 6): (_PRIORITY, "a digit, 1-9"),
    (13, 16): (_PER_UNIT, "1-5 digits"),
    (13, 17): (_PER_UNIT, "1-5 digits"),
    (14, 16): (_PER_UNIT, "1-5 digits"),
    (14, 17): (_PER_UNIT, "1-5 digits"),
    (14, 22): (_NFIQ, "at most 10 fingers, each with its NFIQ"),
    (14, 23): (_METRICS, "at most 10 fingers, each with a score, an owner and a product"),
    (14, 24): (_METRICS, "at most 10 fingers, each with a score, an owner and a product"),
    (14, 31): (_PROFILE, "2-3 digits"),
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

_WIDTHS: Final = {2: 2, 3: 2, 6: 5, 7: 5, 8: 1, 9: 5, 10: 5, 12: 2, 13: 2}
"""Digits of the numbers of an image's record, without leading zeros, of which there may be six."""

_AGENCY: Final = re.compile(r"[A-Za-z0-9/.-]{1,32}")
_NUMBER: Final = re.compile(r"[A-Z0-9/-]{1,36}")
_RESOLUTIONS: Final = frozenset({"00.00", "19.69", "39.37"})  # of no Type-4 image; 500 and 1000 pixels per inch
_CHARSET: Final = re.compile(
    r"0{1,3}(?:\x1fASCII)?|0{0,2}3(?:\x1f(?:UTF-?8|utf-?8)(?:\x1f[0-9]{1,2}(?:\.[0-9]){0,2})?)?"
)
_SHOWN: Final = re.compile(r"-?[0-9]{1,5}|[0-9]{1,2}\.[0-9]{1,2}|WSQ20|JPEGB|JPEGL|JP2L?|NONE|PNG")
_FOURTEEN: Final = re.compile(r"[0-9]{14}")
_NO_DATE: Final = "00000000"

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = bytes([8, 0, 0, 0, 0])  # IHDR: 8 bits, grey, deflate, adaptive filters, not interlaced
_PER_METRE: Final = range(round((MIN_DPI - 1) / 0.0254), round((MAX_DPI + 1) / 0.0254))

_DIVIDE: Final = "divide the transaction"
_LIST: Final = "list every record in 1.003 CNT as it is"


@dataclass(frozen=True, slots=True)
class FingerImage:
    """One impression of one finger, a Type-14 record, or Type-13 where it is latent; 8-bit grey pixels.

    ``position`` is 1-10 from the right thumb to the left little finger, 0 where unknown (14.013, table 8). ``data`` is a
    PNG (14.011, 14.999) that says nothing but its size, resolution and pixels. ``width`` and ``height`` in pixels and
    ``dpi`` in pixels per inch are what the sender claims (14.006-14.010): compare them with the decoded image.
    ``impression`` is one of :data:`IMPRESSIONS` (14.003). By whom and when the print was taken (14.004, 14.005) is not
    said: it is further information, which Article 5 leaves to a request. ``marked`` are the minutiae that an examiner
    marked on a latent print, of this image at 500 dpi.

    Raises:
        FieldError: a value lies outside its range, or ``data`` is no such PNG.
        UnsupportedError: ``compression`` is another than PNG.
        LimitError: the image has more than 16 million pixels.

    """

    position: int
    data: bytes
    compression: Compression
    width: int
    height: int
    dpi: int
    impression: int = 0
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
        apart = self.marked is None or self.impression in LATENT
        _check(apart, "Type-9", "minutiae marked on a latent print", f"impression {self.impression}", "leave them out")
        marked = self.position if self.marked is None else self.marked.position
        _check(marked == self.position, "9.134 FGP", f"the {self.position} of the image", marked, "name one finger")
        _check_compression(f"{kind}.011 CGA", self.compression)
        _check_png(f"{kind}.999 DATA", self.data)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: a search, or its result.

    ``type_of_transaction`` is :data:`SEARCH` or :data:`RESULT` (1.004). The control number (1.009) and, in a result, the
    number of the search it answers (1.010) are 1-36 capital letters, digits, / and -; the agencies (1.007, 1.008) are codes
    of 1-32 letters, digits and / . -, as in JP/NCP: no text that could name a person.
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
        known = self.type_of_transaction in {SEARCH, RESULT}
        got = _shown(self.type_of_transaction)
        _check(known, "1.004 TOT", f"{SEARCH} (a search) or {RESULT} (its result)", got, "send one of these")
        agency, number = "1-32 letters, digits and / . -", "1-36 capital letters, digits, / and -"
        for name, text, grammar, expected in (
            ("1.007 DAI", self.destination, _AGENCY, agency),
            ("1.008 ORI", self.originator, _AGENCY, agency),
            ("1.009 TCN", self.control_number, _NUMBER, number),
            ("1.010 TCR", self.control_reference, _NUMBER, number),
        ):
            sound = text is None or grammar.fullmatch(text) is not None
            _check(sound, name, expected, _shown(text or ""), "use the code or number of the agency")
        _check_day("1.005 DAT", self.date)
        _check_day("2.092 EXP", self.delete_by)
        count = len(self.images)
        _check(count <= MAX_IMAGES, "1.003 CNT", f"at most {MAX_IMAGES} images", count, _DIVIDE, LimitError)
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
        """Return a whole number; leading zeros do not matter."""
        text, most = self.text(number), _WIDTHS[number]
        if not re.fullmatch(rf"0{{0,6}}[0-9]{{1,{most}}}", text):
            expected = "a digit" if most == 1 else f"1-{most} digits"
            raise FieldError(_message(self.name(number), expected, _shown(text), "send a number"))
        return int(text)

    def day(self, number: int) -> dt.date:
        """Return a date (B.1.2: eight digits, YYYYMMDD)."""
        text = self.text(number)
        moment = _moment(text + "000000")
        if moment is None:
            raise FieldError(_message(self.name(number), "a date YYYYMMDD", _shown(text), "correct the date"))
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
        (4, originator),
        (5, _NO_DATE),
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
            grammar, expected = _GRAMMAR[record.type, field.number]
            _check(grammar.fullmatch(value) is not None, name, expected, "something else", "leave the field out")
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
    _check(known, head.name(2), expected, _shown(head.text(2)), "write it by that edition", UnsupportedError)
    domain, got = f"{DOMAIN}{_US}{DOMAIN_VERSION}", "another"
    advice = "user-defined fields have a meaning in their domain only, write it for this one"
    _check(head.text(13) == domain, head.name(13), ascii(domain), got, advice, UnsupportedError)
    _check_charset(head)
    for number in (11, 12):
        sound = head.text(number) in _RESOLUTIONS
        expected = "00.00, 19.69 or 39.37 pixels per millimetre"
        _check(sound, head.name(number), expected, _shown(head.text(number)), "send 00.00")


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
    """Refuse text in another character set than ASCII and UTF-8 (1.015 DCS, table 4), and anything said beside it."""
    known = 15 not in head.fields or _CHARSET.fullmatch(head.text(15)) is not None
    expected, advice = "000 (ASCII), or 003 with UTF-8 and a version, and nothing else", "write text in UTF-8"
    _check(known, head.name(15), expected, "something else", advice, UnsupportedError)


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
    _check_provenance(record, originator)
    compression, bits = record.text(11), record.whole(12)
    _check_compression(record.name(11), compression)
    _check(bits == 8, record.name(12), "8 bits a pixel", bits, "send 8-bit grey pixels")
    position, width, height, impression = (record.whole(number) for number in (13, 6, 7, 3))
    fits = (impression in LATENT) == (record.type == 13)
    expected = "a latent impression (4-7)" if record.type == 13 else "the impression of a known finger (table 7)"
    _check(fits, record.name(3), expected, impression, "send a latent as Type-13, any other print as Type-14")
    try:
        return FingerImage(
            position=position,
            data=record.data,
            compression=Compression.PNG,
            width=width,
            height=height,
            dpi=_dpi(record),
            impression=impression,
        )
    except NistError as error:
        raise type(error)(f"{record}, {error}") from None


def _check_provenance(record: _Fields, originator: str) -> None:
    """Refuse to be told by whom or when a print was taken: it is further information, and comes under Article 5 or not."""
    advice = "leave it to a request under Article 5"
    _check(record.text(4) == originator, record.name(4), "the originator, 1.008 ORI", "another", advice)
    _check(record.text(5) == _NO_DATE, record.name(5), "no date, 00000000", "something else", advice)


def _mark(images: list[FingerImage], designations: list[int], place: int, record: general.Record) -> None:
    """Give the image of the same designation the minutiae of a Type-9 record, which says them as we would and no more."""
    name = f"record {place} (Type-9)"
    idc = record.get(2) or b""
    known = re.fullmatch(rb"[0-9]{1,2}", idc) is not None and int(idc) in designations
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
        raise FieldError(_message(head.name(14), "a time in UTC, YYYYMMDDHHMMSSZ", _shown(text), "correct the time"))
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


def _check_compression(name: str, compression: str) -> None:
    """Refuse all but PNG: the other codecs have room for comments, and both Parties' programs send PNG."""
    advice = "send 8-bit grey pixels as PNG"
    _check(compression == Compression.PNG, name, "PNG", _shown(compression), advice, UnsupportedError)


def _check_png(name: str, data: bytes) -> None:
    """Refuse a PNG (ISO/IEC 15948, 5) that is not IHDR, at most one pHYs, IDAT and IEND, and then over; decode nothing.

    The check sums are compared too: unread, each would have room for four characters.
    """
    got = f"{len(data)} bytes that begin {data[:4].hex()}"
    _check(data.startswith(_PNG), name, "a PNG image (CGA is PNG)", got, "send the image as PNG")
    at, kinds, expected = len(_PNG), [b""], "the chunks IHDR, pHYs, IDAT and IEND of a PNG, in this order, and no more"
    advice = "leave out comments, times and other additions"
    while kinds[-1] != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        _check(end <= len(data), name, expected, "a chunk that is cut short", "send the whole file")
        content = data[at + 8 : end - 4]
        _check(_may_follow(kind, kinds[-1]), name, expected, _chunk(kind), advice)
        _check(_is_plain(kind, content), name, expected, f"{_chunk(kind)} with other content", advice)
        sums = zlib.crc32(kind + content) == int.from_bytes(data[end - 4 : end])
        _check(sums, name, expected, f"{_chunk(kind)} with a wrong check sum", "send the file again")
        kinds.append(kind)
        _check(
            len(kinds) <= MAX_CHUNKS, name, f"at most {MAX_CHUNKS} chunks", "more", "write longer chunks", LimitError
        )
        at = end
    _check(at == len(data), name, expected, f"{len(data) - at} bytes behind IEND", advice)


def _may_follow(kind: bytes, before: bytes) -> bool:
    """Return whether a chunk of one type comes after one of another in a PNG of ours; nothing comes before the first."""
    followers = {b"": [b"IHDR"], b"IHDR": [b"pHYs", b"IDAT"], b"pHYs": [b"IDAT"], b"IDAT": [b"IDAT", b"IEND"]}
    return kind in followers[before]


def _is_plain(kind: bytes, content: bytes) -> bool:
    """Return whether a chunk says what it should and no more: grey pixels, a resolution per metre, some data, nothing."""
    if kind == b"IHDR":
        return len(content) == 13 and content[8:] == _GREY
    if kind == b"pHYs":
        same = len(content) == 9 and content[:4] == content[4:8] and content[8:] == b"\x01"
        return same and int.from_bytes(content[:4]) in _PER_METRE
    return (kind == b"IDAT") == bool(content)


def _chunk(kind: bytes) -> str:
    """Return how a message names a chunk: by its type where that can be one."""
    return f"a chunk {kind.decode()}" if re.fullmatch(rb"[A-Za-z]{4}", kind) else "a chunk of no type"


def _eight_digits(day: dt.date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"


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


def _shown(text: str) -> str:
    """Return what came from outside as a message may show it: a short number or a known code, else only how long it is."""
    return repr(str(text)) if _SHOWN.fullmatch(text) else f"{len(text)} other characters"
