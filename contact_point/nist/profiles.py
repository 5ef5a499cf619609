"""Which fields a transaction holds, by their names, and in what it differs from the standard, INTERPOL's or the FBI's rules.

:func:`profile_for` chooses the table (:mod:`~contact_point.nist.rules`) that a transaction names, :func:`name_of` tells a
field's mnemonic and name, and :func:`check` compares a transaction that was read, or is to be written, with a table: fields
missing or unknown, characters, lengths, counts, codes, dates, and whether compression and size are those of the image's own
header (:mod:`~contact_point.nist.headers`).

A finding is no refusal: who reads is tolerant, who writes is strict. It names the record, the field and the rule, and never
shows a value that may be of a person; codes and numbers of technical fields it shows. Nothing is raised, whatever the fields
hold; the cost is linear in their size, and a field has at most one finding of a code. Standard library only.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from contact_point.nist import headers
from contact_point.nist.rules import NAMES, NEWEST, Need, Profile, load
from contact_point.nist.transaction import OPAQUE, RS, US, Record, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contact_point.nist.rules import Item, Rule
    from contact_point.nist.transaction import Field

__all__ = [
    "NAMES",
    "Finding",
    "Picture",
    "Profile",
    "Severity",
    "check",
    "load",
    "name_of",
    "picture_of",
    "profile_for",
]

MAX_ITEMS: Final = 300_000
"""Items of one transaction that are looked at; the ridge counts of 999 minutiae (EFS) have 40,000."""

_ENOUGH: Final = 50
"""Findings in one field after which it is not looked at further."""

_CHARACTERS: Final = {
    "A": (re.compile(r"[A-Za-z _]*"), "letters"),
    "N": (re.compile(r"[0-9]*"), "digits"),
    "AN": (re.compile(r"[A-Za-z0-9 ]*"), "letters and digits"),
    "ANS": (re.compile(r"[ -~]*"), "printable ASCII characters"),
    "NS": (re.compile(r"[ -@\[-`{-~]*"), "digits and signs"),
    "H": (re.compile(r"[0-9A-Fa-f]*"), "hexadecimal digits"),
    "RATE": (re.compile(r"[0-9]{2}\.[0-9]{2}"), "pixels per millimetre as NN.NN"),
}
_DATE: Final = re.compile(r"[0-9]{8}")
_TIME: Final = re.compile(r"[0-9]{14}Z")
_WHOLE: Final = re.compile(rb"[0-9]{1,9}")
_SHOWN: Final = re.compile(r"[0-9.]{1,15}Z?")
_SHOWN_CODE: Final = re.compile(r"[A-Z0-9]{1,5}")

_IDC: Final = 2
_IMAGES: Final = frozenset({3, 4, 5, 6, 8, 10, 13, 14, 15, 16, 17, 19})
_ALONE: Final = _IMAGES | {2}
"""Types of which two records with one IDC would be two representations of one thing; Type-9 may have several feature sets."""

_RIDGES: Final = frozenset({13, 14, 15, 19})
_FACSIMILE: Final = frozenset({5, 6})
_DATA: Final = 999
_EXTERNAL: Final = 994
"""The image, and where else it lies (EFR)."""
_CLASSES: Final = (500.0, 1000.0)  # pixels per inch, section 7.7.6; unconfirmed, see tables/itl.toml
_NEAR: Final = 0.05
_CENTIMETRES: Final = 2.54


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # a reader may refuse the transaction, or misunderstand the field
    WARNING = "warning"  # the field differs from its rule and can still be understood


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in which a transaction differs from a table.

    ``record`` is the record's place from 1, ``type`` its type, ``field`` the field's number (0: the record as a whole).
    ``code`` never changes. ``text`` says what was expected, by which table, what came, and what to do.
    """

    record: int
    type: int
    field: int
    code: str
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The image of a record as the record states it.

    ``compression`` is written as in table 15, "" where the record says nothing known; ``width`` and ``height`` in pixels, 0
    where they are not stated; ``depth`` in bits per pixel. ``header`` is what the data say themselves, ``number`` the
    field of the data, ``sides`` those of HLL and VLL and ``coded`` that of the compression, 0 where there is none.
    """

    number: int
    data: bytes
    compression: str
    width: int
    height: int
    depth: int
    header: headers.Header | None
    sides: tuple[int, int]
    coded: int


def profile_for(transaction: Transaction) -> Profile:
    """Return the table that a transaction names by its domain (1.013), else by a type of transaction only the FBI has.

    Without a domain a transaction is of NORAM by the standard's default (1.013); it is taken for one of the FBI's where its
    1.004 TOT is one of the FBI's, and read by the standard alone where it is not.
    """
    head = transaction.records[0] if transaction.records else Record(1, ())
    domain = _ascii(head.get(13)).split("\x1f")[0].strip().upper()
    for name in NAMES:
        if domain.startswith(load(name).domains):
            return load(name)
    return load("ebts" if not domain and _ascii(head.get(4)).strip() in load("ebts").transactions else "itl")


def name_of(profile: Profile, record_type: int, number: int) -> tuple[str, str]:
    """Return the mnemonic and the name of a field, two empty texts where the table does not list it.

    Field 0 is the content of a record that its reader kept whole.
    """
    if number == OPAQUE:
        return ("-", "Content that was not taken apart")
    rule = profile.rule(record_type, number)
    return (rule.mnemonic, rule.name) if rule else ("", "")


def check(transaction: Transaction, profile: Profile) -> tuple[Finding, ...]:
    """Return in what a transaction differs from a table, in the order of its records; empty where in nothing.

    It never raises. Images are not decoded, only their headers are read.
    """
    found: dict[tuple[int, int, str], Finding] = {}
    for finding in _findings(transaction, profile):
        found.setdefault((finding.record, finding.field, finding.code), finding)
    return tuple(sorted(found.values(), key=lambda each: (each.record, each.field)))


def picture_of(profile: Profile, record: Record) -> Picture | None:
    """Return the image of a record of Types 3 to 6, 8, 10, 13 to 17 or 19, None where it has no DATA."""
    kind = record.type
    number = profile.number_of(kind, "DATA")
    data = record.get(number) if number and kind in _IMAGES else None
    if number is None or data is None:
        return None
    sides = (6, 7)
    coded = 0 if kind == 8 else 8 if kind < 8 else 11
    stated = _ascii(record.get(coded)).strip() if coded else ""
    if kind in {3, 4}:
        stated = profile.codes["binary-compression"].meaning(stated) or ""
    elif kind in _FACSIMILE:
        stated = "NONE" if stated == "0" else ""
    elif kind == 8:
        stated = ""  # bi-level or vector (8.004); how its pixels are packed is not compared
    elif profile.codes["compression"].meaning(stated) is None:
        stated = ""
    depth = 1 if kind in _FACSIMILE or kind == 8 else 8 if kind < 8 else _whole(record.get(12)) if kind != 10 else 0
    width, height = (_whole(record.get(side)) for side in sides)
    return Picture(number, data, stated, width, height, depth, headers.read(data), sides, coded)


def _findings(transaction: Transaction, profile: Profile) -> Iterator[Finding]:
    """Return all findings; several of one code in a field among them."""
    head = transaction.records[0] if transaction.records else Record(1, ())
    version = _ascii(head.get(2)).strip() or NEWEST
    items = 0
    for place, record in enumerate(transaction.records, start=1):
        items += sum(each.value.count(RS) + each.value.count(US) for each in record.fields if each.number != _DATA)
        if items > MAX_ITEMS:
            text = f"expected at most {MAX_ITEMS} items to look at, got {items} up to here; divide the transaction"
            yield _finding(place, record, (0, ""), "too-many-items", Severity.ERROR, text)
            return
        yield from _Checked(place, record, profile, version, transaction.charset).findings()
    yield from _purpose(transaction, profile, _ascii(head.get(4)).strip())
    yield from _designations(transaction)


@dataclass(frozen=True, slots=True)
class _Checked:
    """One record as it is compared with its table."""

    place: int
    record: Record
    profile: Profile
    version: str
    charset: str

    def findings(self) -> Iterator[Finding]:
        """Return the record's findings."""
        table = self.profile.records.get(self.record.type)
        if table is None:
            text = f"expected a record type that {self.profile.name} has, got Type-{self.record.type}; leave it out"
            yield self._finding(0, "unknown-record", Severity.WARNING, text)
            return
        if self.record.get(OPAQUE) is not None:
            return  # its reader said so
        yield from self._missing(table.fields)
        for each in self.record.fields:
            rule = self.profile.rule(self.record.type, each.number, self.version)
            if rule is not None:
                yield from self._field(each, rule)
            elif not table.open:
                text = f"expected a field that {self.profile.name} has, got one it does not list; leave it out"
                yield self._finding(each.number, "unknown-field", Severity.WARNING, text)
        yield from self._picture()
        yield from self._resolution()

    def _missing(self, numbers: Iterable[int]) -> Iterator[Finding]:
        """Find mandatory fields that are not there, and fields of an image where there is none."""
        there = {each.number for each in self.record.fields if each.value}
        image = any(each.number in {_DATA, _EXTERNAL} for each in self.record.fields)
        for number in numbers:
            rule = self.profile.rule(self.record.type, number, self.version)
            if rule is None or number == 1:
                continue
            wanted = rule.need is Need.MANDATORY or (rule.need is Need.WITH_IMAGE and image)
            if wanted and number not in there:
                why = "mandatory" if rule.need is Need.MANDATORY else "mandatory with an image"
                text = f"expected a value, the field is {why} ({self.profile.name}), got none; add it"
                yield self._finding(number, "missing", Severity.ERROR, text)
            elif rule.need is Need.WITH_IMAGE and number in there and not image:
                text = f"expected none, the record has no image ({self.profile.name}), got one; leave it out"
                yield self._finding(number, "without-image", Severity.WARNING, text)

    def _field(self, each: Field, rule: Rule) -> Iterator[Finding]:
        """Compare one field with its rule."""
        value = each.value
        if not rule.items or not value or rule.items[0].kind == "B":
            return
        times = value.count(RS) + 1
        least, most = rule.times
        if times < least or (most is not None and times > most):
            text = f"expected {_span(least, most)} of its subfields, got {times}; {_SEE}"
            yield self._finding(each.number, "occurrences", Severity.WARNING, text)
        looked_at = value.split(RS, most or -1)[:most]
        subfields = (self._subfield(each.number, subfield.split(US), rule) for subfield in looked_at)
        yield from islice(chain.from_iterable(subfields), _ENOUGH)

    def _subfield(self, number: int, values: list[bytes], rule: Rule) -> Iterator[Finding]:
        least = sum(not item.optional for item in rule.items)
        if len(values) < least or (len(values) > len(rule.items) and not rule.open):
            wanted = _span(least, None if rule.open else len(rule.items))
            text = f"expected {wanted} items in a subfield, got {len(values)}; {_SEE}"
            yield self._finding(number, "items", Severity.ERROR, text)
        for value, item in zip(values, rule.items, strict=False):
            text = self._text(value, item)
            if (value or not item.optional) and not self._keeps(text, item):
                yield from self._item(number, text, item)

    def _keeps(self, text: str, item: Item) -> bool:
        """Tell at once whether an item keeps to its rule, as almost all do."""
        if len(text) < item.least or (item.most is not None and len(text) > item.most):
            return False
        return _wrong(text, item.kind) is None and (
            not item.codes or self.profile.codes[item.codes].meaning(text.strip()) is not None
        )

    def _item(self, number: int, text: str, item: Item) -> Iterator[Finding]:
        """Compare one item: characters, then length, then the table of codes."""
        if (fault := _wrong(text, item.kind)) is not None:
            code = {"DATE": "date", "TIME": "date"}.get(item.kind, "characters")
            said = f"expected {fault}, got {self._shown(number, text, item)}; {_SEE}"
            yield self._finding(number, code, Severity.ERROR, said)
        elif len(text) < item.least or (item.most is not None and len(text) > item.most):
            wanted = _span(item.least, item.most)
            said = f"expected {wanted} characters, got {len(text)}; {_SEE}"
            yield self._finding(number, "length", Severity.WARNING, said)
        if item.codes and fault is None and self.profile.codes[item.codes].meaning(text.strip()) is None:
            table = self.profile.codes[item.codes]
            wanted = ", ".join(list(table.meanings)[:8]) + (", ..." if len(table.meanings) > 8 else "")
            source = f" ({table.source})" if table.source else ""
            got = self._shown(number, text, item)
            said = f"expected a code of its table{source}: {wanted}; got {got}; use a code of the table"
            yield self._finding(number, "code", Severity.ERROR, said)

    def _picture(self) -> Iterator[Finding]:
        """Compare what the record says of its image with the image's own header."""
        picture = picture_of(self.profile, self.record)
        if picture is None:
            return
        if not picture.data:
            text = "expected an image, got no bytes; leave the record out, or send the image"
            yield self._finding(picture.number, "image-empty", Severity.ERROR, text)
            return
        header, named = picture.header, picture.compression
        looks = header.compression if header else "none that is known by its first bytes"
        if named and named != "NONE" and (header is None or not _same(named, header.compression)):
            text = f"expected a {named} image, as {self._label(picture.coded)} says, got bytes of {looks}; name the compression"
            yield self._finding(picture.number, "image-compression", Severity.ERROR, text)
        elif named == "NONE" and header is not None:
            text = f"expected pixels, as no compression is named, got bytes of {looks}; name the compression"
            yield self._finding(picture.number, "image-compression", Severity.ERROR, text)
        elif named == "NONE":
            yield from self._pixels(picture)
        if not (header and header.width) and not (picture.width and picture.height):
            text = (
                f"expected the size of the image, got {picture.width} x {picture.height}; state the size of the image"
            )
            yield self._finding(picture.sides[0], "image-size", Severity.ERROR, text)
        elif header and header.width and (header.width, header.height) != (picture.width, picture.height):
            text = (
                f"expected the size of the image, {header.width} x {header.height} by its own header, got "
                f"{picture.width} x {picture.height}; state the size of the image"
            )
            yield self._finding(picture.sides[0], "image-size", Severity.ERROR, text)

    def _pixels(self, picture: Picture) -> Iterator[Finding]:
        """Compare the length of pixels without compression with the size stated."""
        if not picture.depth or not picture.width or not picture.height:
            return
        wanted = (picture.width * picture.depth + 7) // 8 * picture.height
        if len(picture.data) != wanted:
            text = (
                f"expected {wanted} bytes, {picture.width} x {picture.height} pixels of {picture.depth} bits, got "
                f"{len(picture.data)}; state the size of the image"
            )
            yield self._finding(picture.number, "image-bytes", Severity.ERROR, text)

    def _resolution(self) -> Iterator[Finding]:
        """Find a resolution that no print is sent at, such as pixels per inch called pixels per centimetre."""
        if self.record.type not in _RIDGES:
            return
        unit, across, down = (_whole(self.record.get(number)) for number in (8, 9, 10))
        if unit not in {1, 2} or self.record.get(9) is None or self.record.get(10) is None:
            return
        if across != down:
            text = f"expected as many pixels across as down with a scale (SLC {unit}), got {across} and {down}; {_SEE}"
            yield self._finding(9, "resolution", Severity.WARNING, text)
            return
        inch = across * (_CENTIMETRES if unit == 2 else 1)
        if not any(abs(inch - each) <= each * _NEAR for each in _CLASSES):
            text = (
                "expected 500 or 1000 pixels per inch, within a twentieth (section 7.7.6), got "
                f"{inch:.0f} by SLC {unit}; state the resolution of the image"
            )
            yield self._finding(9, "resolution", Severity.WARNING, text)

    def _text(self, value: bytes, item: Item) -> str:
        if item.kind != "U":
            return value.decode("latin-1")
        try:
            return value.decode(self.charset, "replace")
        except (LookupError, ValueError):  # no codec has this name, or one that does not replace
            return value.decode("latin-1")

    def _shown(self, number: int, text: str, item: Item) -> str:
        """Return how a text shows: a number, or what stands for a code, of a technical field; any other by its length."""
        sound = _SHOWN.fullmatch(text) or (item.codes and _SHOWN_CODE.fullmatch(text))
        if sound and not self.profile.is_private(self.record.type, number):
            return repr(text)
        return f"something else ({len(text)} characters)"

    def _finding(self, number: int, code: str, severity: Severity, text: str) -> Finding:
        return _finding(self.place, self.record, (number, self._mnemonic(number)), code, severity, text)

    def _mnemonic(self, number: int) -> str:
        rule = self.profile.rule(self.record.type, number, self.version)
        return rule.mnemonic if rule else ""

    def _label(self, number: int) -> str:
        return _label(self.record.type, number, self._mnemonic(number))


_SEE: Final = "write the field as the table of its profile says"


def _finding(place: int, record: Record, field: tuple[int, str], code: str, severity: Severity, text: str) -> Finding:
    """Return a finding about a field, given as number and mnemonic; number 0 is the record as a whole."""
    number, mnemonic = field
    label = f" {_label(record.type, number, mnemonic)}" if number else ""
    return Finding(place, record.type, number, code, severity, f"record {place} (Type-{record.type}){label}: {text}")


def _label(record_type: int, number: int, mnemonic: str) -> str:
    """Return how messages name a field: 14.013 FGP."""
    return f"{record_type}.{number:03} {mnemonic}".strip()


def _purpose(transaction: Transaction, profile: Profile, purpose: str) -> Iterator[Finding]:
    """Find what the type of transaction asks for: that there is such a type, and its fields of Type-2."""
    if not profile.transactions or not purpose:
        return
    # A T after the type marks a test of the FBI's.
    known = profile.transactions.get(purpose) or profile.transactions.get(purpose.removesuffix("T"))
    if known is None:
        text = f"expected a type of transaction that {profile.name} has, got another; name one of its types"
        yield _finding(1, transaction.records[0], (4, "TOT"), "transaction-type", Severity.WARNING, text)
        return
    second = next(iter(transaction.of_type(2)), None)
    if second is None:
        if known.fields:
            text = f"expected a Type-2 record, mandatory for {known.name} ({profile.name}), got none; add it"
            yield _finding(1, transaction.records[0], (3, "CNT"), "missing-for-purpose", Severity.ERROR, text)
        return
    place, record = second
    for number in known.fields:
        if not record.get(number):
            text = f"expected a value, mandatory for {known.name} ({profile.name}), got none; add the field"
            mnemonic = name_of(profile, 2, number)[0]
            yield _finding(place, record, (number, mnemonic), "missing-for-purpose", Severity.ERROR, text)


def _designations(transaction: Transaction) -> Iterator[Finding]:
    """Find two records of one type with one designation (IDC, section 7.3.1)."""
    seen: Counter[tuple[int, int]] = Counter()
    for place, record in enumerate(transaction.records, start=1):
        value = record.get(_IDC) or b""
        if record.type not in _ALONE or not _WHOLE.fullmatch(value):
            continue
        seen[record.type, int(value)] += 1
        if seen[record.type, int(value)] > 1:
            text = f"expected another IDC than that of a Type-{record.type} record before it, got {int(value):02} again"
            text += " (section 7.3.1); number each image by itself"
            yield _finding(place, record, (_IDC, "IDC"), "designation-repeated", Severity.WARNING, text)


def _wrong(text: str, kind: str) -> str | None:
    """Return what was expected, where a text has not the characters of its kind."""
    if kind == "DATE":
        return None if _DATE.fullmatch(text) and _is_day(text) else "a date YYYYMMDD"
    if kind == "TIME":
        return None if _TIME.fullmatch(text) and _is_moment(text) else "a time YYYYMMDDHHMMSSZ in UTC"
    pattern, what = _CHARACTERS.get(kind, (None, ""))
    return None if pattern is None or pattern.fullmatch(text) else what


def _is_day(text: str) -> bool:
    """Tell whether eight digits are a day; zeros stand for a month or a day, or a date, that is not known."""
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    try:
        dt.date(year or 4, month or 1, day or 1)
    except ValueError:
        return False
    return bool(month) or not day


def _is_moment(text: str) -> bool:
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:14])
    return _is_day(text[:8]) and hour <= 23 and minute <= 59 and second <= 60


def _same(named: str, found: str) -> bool:
    """Tell whether bytes of one compression may be named so: a lossless JPEG 2000 is a JPEG 2000."""
    return named == found or (named, found) == ("JP2", "JP2L")


def _span(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least}-{most}"


def _ascii(value: bytes | None) -> str:
    return (value or b"")[:200].decode("ascii", "replace")


def _whole(value: bytes | None) -> int:
    """Return a whole number, 0 where there is none."""
    stripped = (value or b"")[:20].strip()
    return int(stripped) if _WHOLE.fullmatch(stripped) else 0
