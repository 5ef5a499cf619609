"""The XML encoding of ANSI/NIST-ITL: NIEM-conformant documents of 2-2008 and of 1-2011 (Annex C), read as records of fields.

Both encodings say the same things. A table, ``tables/niem.toml``, says which element is which field of the traditional
encoding, so that the rest of the program sees one kind of transaction: dates without hyphens, images as bytes, the list of
records as 1.003. Types 1 to 6, 9 and 13 to 15 are mapped. A record of another type is kept whole, its XML as field 0; what
in a mapped record has no field is left out and named by a deviation, by its element's name, never by its value.

Namespaces are told by how their URI begins, so that both editions and the versions of NIEM are read alike; prefixes mean
nothing. An element that a later version renamed is one without a field.

Whoever wrote the document may mean harm. There are no entities but the five of XML: a document type declaration is refused
where it begins, so nothing expands and nothing outside is fetched. Depth, elements, attributes and bytes are limited; cost is
linear in the size, and only :class:`~contact_point.nist.transaction.NistError` leaves. Standard library only; the table is
read when this module is imported.
"""

from __future__ import annotations

import binascii
import codecs
import datetime as dt
import re
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.parsers import expat

from contact_point.nist import binary, content
from contact_point.nist.deviations import Findings
from contact_point.nist.transaction import (
    MAX_BYTES,
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
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

MAX_DEPTH: Final = 64
MAX_NAMESPACE: Final = 256  # characters of a URI
MAX_ELEMENTS: Final = 100_000
MAX_ATTRIBUTES: Final = 32  # of one element

_STANDARD: Final = ("http://biometrics.nist.gov/standard/", "https://biometrics.nist.gov/standard/")
_KNOWN: Final = (*_STANDARD, "http://niem.gov/niem/", "http://release.niem.gov/niem/", "https://docs.oasis-open.org/niemopen/",
                 "http://cjis.fbi.gov/")  # fmt: skip
_SILENT: Final = ("http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/XML/1998/namespace")
"""Attributes of these namespaces speak of the document, not of its content."""

_UTF_16: Final = tuple(codecs.lookup(name) for name in ("utf-16", "utf-16-le", "utf-16-be"))
"""Loaded with this module: Python looks for a codec when it first meets its name, and the jail opens no files."""

_ROOT: Final = "NISTBiometricInformationExchangePackage"
_CODECS: Final = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1"}
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")
_NAMES_SHOWN: Final = 12

_WRAPPERS: Final = ("IdentificationID", "Date", "DateTime")
"""Children that hold the value of the element around them."""

_TABLE: Final = tomllib.loads(files("contact_point.nist").joinpath("tables/niem.toml").read_text(encoding="utf-8"))
_SAME: Final[Mapping[str, str]] = _TABLE["same"]


@dataclass(slots=True)
class _Element:
    """One element: its name after :data:`_SAME`, its text, its children; ``used`` once its text is in a field."""

    name: str
    children: list[_Element] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)  # names of those that speak of content
    begin: int = 0
    end: int = 0
    used: bool = False

    @property
    def text(self) -> str:
        """Return the own text on one line, without the space that only lays out the document."""
        lines = "".join(self.chunks).replace("\t", "\n").split("\n")  # expat has made each line end one \n
        return " ".join(filter(None, (line.strip(" \r") for line in lines)))

    def take(self) -> str:
        """Return the value: the own text, or that of a child which holds nothing but the value."""
        self.used = True
        if self.text or not self.children:
            return self.text
        wrapped = next((child for child in self.children if child.name in _WRAPPERS), None)
        return wrapped.take() if wrapped and not wrapped.children else ""

    def named(self, name: str, nth: int = 1) -> _Element | None:
        """Return the nth child of this name."""
        return next(islice((child for child in self.children if child.name == name), nth - 1, None), None)

    def at(self, path: str) -> _Element | None:
        """Return the first descendant along this path of names."""
        found: _Element | None = self
        for step in path.split("/"):
            name, _, nth = step.partition("#")
            found = found and found.named(name, int(nth or 1))
        return found


class _Rule(NamedTuple):
    """One row of the table, with its items taken apart."""

    number: int
    many: bool
    items: tuple[str, ...]


def read(data: bytes) -> Transaction:
    """Return the transaction that an XML document holds, as records of the traditional encoding's fields.

    Fields stand in the order of their numbers. ``charset`` is ASCII where all text is, else UTF-8, in whatever encoding the
    document was.

    Raises:
        MalformedError: the document is not well-formed XML, or does not begin with a Type-1 record.
        LimitError: more than 10 million bytes, 64 records, 64 levels, 100,000 elements or 32 attributes of one.
        UnsupportedError: a document type declaration, another root element, or an encoding other than UTF-8, UTF-16,
            ASCII and Latin-1.
        FieldError: a date, an image or a number that is none, or an element twice that may be there once.

    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            f"the transaction: expected at most {MAX_BYTES} bytes, got {len(data)}: divide the transaction"
        )
    document = _in_utf_8(data)
    root = _Parser().parse(document)
    count = len(root.children)
    if count > MAX_RECORDS:
        raise LimitError(
            f"the transaction: expected at most {MAX_RECORDS} records, got {count}: divide the transaction"
        )
    if count == 0:
        raise MalformedError(
            "the transaction: expected a Type-1 record first (section 8.1), got no records: send all of it"
        )
    found = Findings()
    _note_unused([root], 0, found)
    records = [_record(element, place, document, found) for place, element in enumerate(root.children, start=1)]
    _compare(records, found)
    ascii_text = all(value.isascii() for record in records[1:] for value in _texts(record))
    return Transaction(tuple(records), "ascii" if ascii_text else "utf-8", Encoding.XML, found.deviations())


# --- the document


def _in_utf_8(data: bytes) -> bytes:
    """Return the document in UTF-8 without a byte order mark."""
    marked, little, big = _UTF_16
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = marked.name
    elif data.startswith((b"<\x00", b"\x00<")):
        codec = little.name if data.startswith(b"<") else big.name
    else:
        declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
        name = declared[1].decode("ascii") if declared else "utf-8"
        codec = _CODECS.get(name.lower(), "")
        if not codec:
            raise UnsupportedError(
                f"the document: expected the encoding UTF-8, UTF-16, US-ASCII or ISO-8859-1, got {name}: use UTF-8"
            )
    try:
        return data.decode(codec).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"the document: expected {codec} text, got other bytes at byte {error.start}: declare its encoding"
        ) from None


class _Parser:
    """Builds the tree, within limits; expat does the rest."""

    def __init__(self) -> None:
        self._expat = expat.ParserCreate("utf-8", " ")
        self._expat.buffer_text = True
        self._expat.buffer_size = 65_536
        self._expat.ordered_attributes = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.StartNamespaceDeclHandler = self._namespace
        self._open: list[_Element] = []
        self._root: _Element | None = None
        self._count = 0

    def parse(self, document: bytes) -> _Element:
        """Return the root element."""
        try:
            self._expat.Parse(document, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise MalformedError(
                f"the document: expected well-formed XML, got {what} in line {error.lineno}: send all of it"
            ) from None
        if self._root is None:
            raise MalformedError("the document: expected an element, got none: send all of it")
        return self._root

    def _start(self, name: str, attributes: list[str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) == MAX_DEPTH or len(attributes) > 2 * MAX_ATTRIBUTES:
            raise LimitError(
                f"the document: expected at most {MAX_ELEMENTS} elements in {MAX_DEPTH} levels, {MAX_ATTRIBUTES} attributes "
                f"each, got element {self._count} in level {len(self._open) + 1} with {len(attributes) // 2}: divide it"
            )
        uri, _, local = name.rpartition(" ")
        element = _Element(_local(uri, local), begin=self._expat.CurrentByteIndex)
        element.attributes = _telling(attributes[::2])
        if self._open:
            self._open[-1].children.append(element)
        else:
            _check_root(uri, local)
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop().end = self._expat.CurrentByteIndex

    def _characters(self, text: str) -> None:
        self._open[-1].chunks.append(text)

    def _namespace(self, _prefix: str | None, uri: str | None) -> None:
        if len(uri or "") > MAX_NAMESPACE:  # each element of it is told with its whole name
            raise LimitError(
                f"the document: expected namespaces of at most {MAX_NAMESPACE} characters, got {len(uri or '')}: name them as "
                "the standard does"
            )

    def _doctype(self, *_: object) -> None:
        raise UnsupportedError(
            "the document: expected no document type declaration, which could define entities (ANSI/NIST-ITL 1-2011, Annex C, "
            "uses schemas), got one: leave it out"
        )


def _check_root(uri: str, local: str) -> None:
    if local != _ROOT or not uri.startswith(_STANDARD):
        raise UnsupportedError(
            f"the document: expected the root element {_ROOT} of {_STANDARD[0]}, got {_shown(local)}: send an ITL package"
        )


def _local(uri: str, local: str) -> str:
    """Return the name by which the table knows an element; those of foreign namespaces it does not know."""
    if not uri.startswith(_KNOWN):
        return f"foreign {local}"
    if local == "Minutiae" and "incits" in uri.lower():
        return "INCITSMinutiae"
    return _SAME.get(local, local)


def _telling(names: list[str]) -> list[str]:
    """Return the local names of the attributes that may speak of content: all but those of schemas and of identity."""
    told = []
    for name in names:
        uri, _, local = name.rpartition(" ")
        if not (uri in _SILENT or (local in {"id", "metadata"} and "structures" in uri)):
            told.append(local)
    return told


# --- records


def _rules(groups: Sequence[str]) -> dict[str, list[_Rule]]:
    """Return the table of one type of record by path."""
    rules: dict[str, list[_Rule]] = {}
    for path, rows in (entry for group in groups for entry in _TABLE["rows"][group].items()):
        for row in [rows] if isinstance(rows, str) else rows:
            number, *items = [part for word in row.split() for part in _expanded(word)]
            rules.setdefault(path.removesuffix("*"), []).append(_Rule(int(number), path.endswith("*"), tuple(items)))
    return rules


def _expanded(word: str) -> list[str]:
    """Return the items that a word of the table stands for."""
    return _TABLE["names"][word[1:]].split() if word.startswith("$") else [word]


def _slashes(path: str) -> list[int]:
    return [place for place, letter in enumerate(path) if letter == "/"]


_RULES: Final = {int(kind): _rules(groups) for kind, groups in _TABLE["types"].items()}
_PREFIXES: Final = {
    kind: {path[:end] for path in rules for end in (*_slashes(path), len(path))} for kind, rules in _RULES.items()
}
"""The paths of the table and of the elements around them."""

_XY: Final = _expanded("$xy")


def _record(element: _Element, place: int, document: bytes, found: Findings) -> Record:
    """Return the record that an element below the root is."""
    kind = _type(element, place)
    if kind not in _RULES:
        found.note(place, "record-not-mapped", OPAQUE, f"Type-{kind}")
        designation = element.named("ImageReferenceIdentification")
        value = _FORMS["designation"](designation.take()) if designation else ""
        known = [Field(2, value.encode())] if value else []
        end = document.index(b">", element.end) + 1
        return Record(kind, (*known, Field(OPAQUE, document[element.begin : end])))
    fields = _Fields(kind, place)
    for path, below in _walk(element, _PREFIXES[kind]):
        for rule in _RULES[kind].get(path, ()):
            fields.add(rule, below, path)
    _note_unused([element, *(below for _, below in _walk(element))], place, found)
    return Record(kind, tuple(Field(number, value) for number, value in sorted(fields.values().items())))


def _type(element: _Element, place: int) -> int:
    """Return the type that a record states, its RecordCategoryCode; Type-1 comes first, and once."""
    code = element.named("RecordCategoryCode")
    text = code.take() if code else ""
    kind = int(text) if len(text) <= 2 and text.isascii() and text.isdigit() else 0
    if kind == 0:
        got = "none" if code is None else "something else"
        raise FieldError(
            f"record {place}: expected RecordCategoryCode, a number of 1 to 99, got {got}: state the record's type"
        )
    if (kind == 1) != (place == 1):
        expected = "Type-1 first" if place == 1 else "one Type-1 record"
        raise MalformedError(
            f"record {place}: expected {expected} (section 8.1), got Type-{kind}: send one transaction"
        )
    return kind


def _walk(element: _Element, known: Collection[str] = ()) -> Iterator[tuple[str, _Element]]:
    """Give each element below this one with its path, parents first, in the document's order.

    The path is empty where no row of the table begins so: what is unknown costs nothing for its names.
    """
    left = [(child.name if child.name in known else "", child) for child in reversed(element.children)]
    while left:
        path, below = left.pop()
        yield path, below
        paths = (f"{path}/{child.name}" if path else "" for child in reversed(below.children))
        left += [
            (path if path in known else "", child) for path, child in zip(paths, reversed(below.children), strict=True)
        ]


class _Fields:
    """The fields of one record while its elements are gone through."""

    def __init__(self, kind: int, place: int) -> None:
        self._name = f"record {place} (Type-{kind})"
        self._kind = kind
        self._subfields: dict[int, list[bytes]] = {}

    def add(self, rule: _Rule, element: _Element, path: str) -> None:
        """Add the element as a subfield of the rule's field; one without content adds nothing."""
        try:
            parts = [(_item(element, item), item.startswith("=")) for item in rule.items]
        except ValueError as error:
            name = f"{self._name}, {self._kind}.{rule.number:03}, {path}"
            raise FieldError(f"{name}: expected {error}, got something else: correct the element") from None
        if not any(value for values, constant in parts if not constant for value in values):
            return
        items = [value for values, _ in parts for value in values]
        while not items[-1]:
            items.pop()
        values = self._subfields.setdefault(rule.number, [])
        if values and not rule.many:
            name = f"{self._name}, {self._kind}.{rule.number:03}, {path}"
            raise FieldError(f"{name}: expected the element once, got it again: send one value")
        values.append(US.join(items))

    def values(self) -> dict[int, bytes]:
        """Return the values by number; the positions of a binary header are filled up as there."""
        joined = {number: RS.join(subfields) for number, subfields in self._subfields.items()}
        if self._kind in binary.LAYOUTS and 4 in joined:
            positions = joined[4].split(RS)
            joined[4] = RS.join([*positions, *[b"%d" % binary.UNUSED_POSITION] * (6 - len(positions))])
        return joined


def _note_unused(elements: Iterable[_Element], place: int, found: Findings) -> None:
    """Name the elements and attributes whose content is in no field."""
    names: dict[str, None] = {}
    count = 0
    for element in elements:
        unused = [f"@{name}" for name in element.attributes]
        if not element.used and element.text:
            unused.append(element.name.removeprefix("foreign "))
        count += len(unused)
        for name in unused:
            if len(names) <= _NAMES_SHOWN:
                names[_shown(name)] = None
    if count:
        shown = ", ".join(islice(names, _NAMES_SHOWN)) + (" and others" if len(names) > _NAMES_SHOWN else "")
        found.note(place, "not-mapped", what=f"{count}, {shown}")


def _shown(name: str) -> str:
    """Return an element's name as a message may show it."""
    return name if _NAME.fullmatch(name.removeprefix("@")) else "a name of other characters"


def _texts(record: Record) -> Iterator[bytes]:
    """Give the values of a record that are text."""
    data = binary.data_number(record.type) if record.type in binary.LAYOUTS else 999
    return (each.value for each in record.fields if each.number != data)


def _compare(records: Sequence[Record], found: Findings) -> None:
    """Note how the records differ from 1.003 CNT, and Type-1 from ASCII."""
    listing = content.listing(records[0].get(content.CNT), found)
    listing.compare([(record.type, content.designation(record)) for record in records[1:]], found)
    for each in records[0].fields:
        if not each.value.isascii():
            found.note(1, "type-1-not-ascii", each.number)


# --- values; a ValueError says what was expected


def _item(element: _Element, item: str) -> list[bytes]:
    """Return what one item of a rule gives: one value, or several of a composition."""
    if item.startswith("="):
        return [item[1:].encode()]
    if item.startswith("@"):
        return [value.encode() for value in _COMPOSITIONS[item[1:]](element)]
    path, _, form = item.partition(":")
    found = element if path == "." else next(filter(None, map(element.at, path.split("|"))), None)
    text = found.take() if found else ""
    if not text:
        return [b""]
    if form == "base64":
        return [_base64(text)]
    return [(_FORMS[form](text) if form else text).encode()]


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()).encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("an image in base64 (RFC 4648, section 4)") from None


def _date(text: str) -> str:
    """Return YYYYMMDD (Annex B, B.1.2)."""
    found = _DATE.fullmatch(text)
    try:
        day = dt.date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise ValueError("a date YYYY-MM-DD") from None
    return day.isoformat().replace("-", "")


def _time(text: str) -> str:
    """Return YYYYMMDDHHMMSSZ (B.1.4); a time without zone is taken as UTC, which the field asks for."""
    expected = "a time YYYY-MM-DDThh:mm:ssZ"
    if not (parts := _TIME.fullmatch(text)):
        raise ValueError(expected)
    try:
        moment = dt.datetime.fromisoformat(text[:19] + (parts[1] or "Z"))
        utc = moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(expected) from None
    return f"{utc.year:04}{utc:%m%d%H%M%S}Z"


def _number(text: str) -> str:
    if not (len(text) <= 9 and text.isascii() and text.isdigit()):
        raise ValueError("a number of 1-9 digits")
    return str(int(text))


def _zeros(digits: int) -> Callable[[str], str]:
    """Return the form that fills a number with zeros; other texts stay as they are."""
    return lambda text: text.zfill(digits) if text.isascii() and text.isdigit() else text


def _choice(true: str, false: str) -> Callable[[str], str]:
    """Return the form of an indicator, which is true or false (XML Schema, boolean)."""

    def form(text: str) -> str:
        if text not in ("true", "false", "1", "0"):
            raise ValueError("true or false")
        return true if text in ("true", "1") else false

    return form


_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "date": _date,
    "time": _time,
    "number": _number,
    "designation": _zeros(2),
    "three": _zeros(3),
    "yes": _choice("Y", ""),
    "format": _choice("S", "U"),
    "one": _choice("1", "0"),
}


def _taken(element: _Element, *paths: str) -> list[str]:
    return [found.take() if (found := element.at(path)) else "" for path in paths]


def _version(element: _Element) -> list[str]:
    """Return 1.002 VER: 05 and 01 are 0501."""
    parts = _taken(element, "TransactionMajorVersionValue", "TransactionMinorVersionValue")
    return ["".join(part.zfill(2) for part in parts) if parts[0] else ""]


def _xyt(element: _Element, *, theta: bool = True) -> list[str]:
    """Return x and y in four digits each, five for a palm, and theta in three (9.012)."""
    x, y, angle = _taken(
        element, "PositionHorizontalCoordinateValue", "PositionVerticalCoordinateValue", "PositionThetaAngleMeasure"
    )
    if not (x and y):
        return [""]
    digits = max(4, min(len(x), 5), min(len(y), 5))
    return [x.zfill(digits) + y.zfill(digits) + (angle.zfill(3) if theta else "")]


def _xy(element: _Element) -> list[str]:
    return _xyt(element, theta=False)


def _ridge_counts(element: _Element) -> list[str]:
    """Return for each neighbour an item of its index, a comma, and the count of ridges between (9.012)."""
    pairs = [
        _taken(child, "RidgeCountReferenceIdentification", "RidgeCountValue")
        for child in element.children
        if child.name == "MinutiaRidgeCount"
    ]
    return [f"{index.zfill(3)},{count.zfill(2)}" for index, count in pairs if index and count]


def _vertices(element: _Element) -> list[str]:
    """Return x and y of each vertex, each an item (field 25)."""
    names = ("PositionHorizontalCoordinateValue", "PositionVerticalCoordinateValue")
    return [
        value for child in element.children if child.name == "PositionPolygonVertex" for value in _taken(child, *names)
    ]


def _open_path(element: _Element) -> list[str]:
    """Return a path as one item: x,y of each vertex, hyphens between (7.7.12.1)."""
    points = [_taken(child, *_XY) for child in element.children if child.name == "ImageSegmentVertex"]
    return ["-".join(f"{x},{y}" for x, y in points)]


def _path(element: _Element) -> list[str]:
    polygon = element.named("ImageSegmentPolygon")
    return _open_path(polygon) if polygon else [""]


_COMPOSITIONS: Final[Mapping[str, Callable[[_Element], list[str]]]] = {
    "version": _version,
    "xyt": _xyt,
    "xy": _xy,
    "ridge-counts": _ridge_counts,
    "vertices": _vertices,
    "path": _path,
    "open-path": _open_path,
}
