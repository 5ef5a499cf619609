"""The minutiae that a Type-9 record holds, as templates that the matcher compares.

A record may hold the same print's minutiae several times, each set in fields of its own and in a form of its own. Four of
these forms are public; their directions and origins differ, and are brought to those of :mod:`matcher.template` here:

=========  ====================  ==========  ===================  ======================================  ============
set        minutiae in           unit        origin               direction                               source
=========  ====================  ==========  ===================  ======================================  ============
STANDARD   9.012 MRC             0.01 mm     bottom left, y up    degrees, opposite to ISO/IEC 19794-2    ITL 1-2007
IAFIS      9.023 MAT             0.01 mm     top left, y down     degrees, as ISO/IEC 19794-2             FBI EFTS 7
M1         9.137 FMD             pixels      top left, y down     steps of two degrees, as 19794-2        8.9.5
EFS        9.331 MIN             0.01 mm     the region 9.300's   degrees, as ISO/IEC 19794-2             8.9.7
=========  ====================  ==========  ===================  ======================================  ============

Clauses are those of ANSI/NIST-ITL 1-2011, Update 2013. Who found the minutiae, a STANDARD set says in 9.005 and an EFS set in
9.350: what an examiner edited or marked is ``Origin.MARKED``, what a machine found is another maker's. A set that says nothing
was marked by an examiner if the print is a latent one, since a machine finds little there. No set can say that our own
extractor made it.

The fields of vendors (9.031-9.125, 9.151-9.225) and the packed feature vector 9.013 are left alone: what they mean is not
public. :func:`read` returns every set that a record holds and, for a set with a fault, the reason; :func:`write_m1` and
:func:`write_standard` make records. Cost is linear in the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from contact_point.nist.deviations import deviation
from contact_point.nist.transaction import RS, US, Deviation, Field, FieldError, Record
from matcher.formats.scaling import nominal_dpi
from matcher.template import (
    DPI,
    MAX_MINUTIAE,
    MAX_SIDE,
    ImpressionType,
    MinutiaKind,
    Origin,
    Template,
    TemplateError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_ROWS: Final = 999
"""Minutiae in one field: 9.331 MIN repeats 999 times at most (table 30), the others less often."""

MAX_VALUE: Final = 500_000
"""Bytes of one field of minutiae: 999 of them with all their ridge counts are fewer."""

MAX_INDEX: Final = 254
"""Minutiae of a STANDARD set: in a ridge count the index 255 says that there is no neighbour."""

_MM_PER_INCH: Final = 25.4
_PER_INCH: Final = _MM_PER_INCH * 100  # units of 0.01 mm
_PIXEL: Final = _PER_INCH / DPI  # 5.08 units of 0.01 mm
_EDGE: Final = 0.5  # pixels by which rounding to 0.01 mm may lead over the edge
_MAX_XY: Final = 9999  # four digits of 0.01 mm (9.012)

_LETTERS: Final = {
    "A": MinutiaKind.ENDING,
    "B": MinutiaKind.BIFURCATION,
    "C": MinutiaKind.OTHER,
    "D": MinutiaKind.OTHER,
}
_LETTER_OF: Final = {MinutiaKind.ENDING: "A", MinutiaKind.BIFURCATION: "B", MinutiaKind.OTHER: "D"}
_M1_KINDS: Final = {"0": MinutiaKind.OTHER, "1": MinutiaKind.ENDING, "2": MinutiaKind.BIFURCATION}
_EFS_KINDS: Final = {
    "E": MinutiaKind.ENDING,
    "B": MinutiaKind.BIFURCATION,
    "X": MinutiaKind.OTHER,
    "": MinutiaKind.OTHER,
}

_METHODS: Final = {"A": Origin.OTHER, "U": Origin.OTHER, "E": Origin.MARKED, "M": Origin.MARKED}
_EFS_METHODS: Final = {"AUTO": Origin.OTHER, "REV": Origin.OTHER, "EDIT": Origin.MARKED, "MAN": Origin.MARKED}
"""Methods of 9.005 OFR and of 9.350 MFD (table 47): found by a machine; so, and left as it was; so, and edited; by hand."""

_VENDORS: Final = (
    (31, 55, "Cogent"),
    (56, 70, "Motorola"),
    (71, 99, "MorphoTrak"),
    (100, 125, "NEC"),
    (151, 175, "L1/Identix"),
    (176, 225, "another vendor"),
)


class Kind(StrEnum):
    """The form in which a set of features is written: the fields that it may fill (table 27)."""

    STANDARD = "9.005-9.012"
    IAFIS = "9.013-9.030"
    M1 = "9.126-9.150"
    EFS = "9.300-9.399"


class ImageSize(NamedTuple):
    """The image in which minutiae were marked: width and height in pixels, resolution in pixels per inch."""

    width: int
    height: int
    dpi: float


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """One set of minutiae: ``template`` is at 500 dpi, ``positions`` the finger positions that the set names.

    ``template.position`` is the position where the set names one finger (1-10), 0 where it names none, several, or a palm;
    ``template.impression`` is that of 9.003 IMP where it is a finger's.
    """

    kind: Kind
    template: Template
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A set that is there and was not read: ``text`` names the field, what was expected, and what came."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Features:
    """What a Type-9 record holds: its sets in the order of their fields, the sets at fault, and what was forgiven.

    ``impression`` is 9.003 IMP (table 7), None where it is no number.
    """

    sets: tuple[FeatureSet, ...]
    faults: tuple[Fault, ...]
    deviations: tuple[Deviation, ...]
    impression: int | None = None

    def of_kind(self, kind: Kind) -> Template | None:
        """Return the minutiae of the set of this kind, None where there is none or it has a fault."""
        return next((each.template for each in self.sets if each.kind is kind), None)


def read(record: Record, *, image_size: ImageSize | None = None, latent: bool = False, place: int = 0) -> Features:
    """Return the sets of minutiae of a Type-9 record, coordinates in pixels at 500 dpi.

    ``image_size`` is that of the image that the record belongs to, the one of the same designation (IDC), and ``latent`` says
    that this image is known to be of a latent print, whatever 9.003 IMP says. An M1 set knows its own size. Without a size the
    coordinates of a STANDARD or IAFIS set count from the outermost minutiae, and say nothing of where in the image they lie,
    which comparing does not need. Of more than 255 minutiae the best 255 are kept, in their order. ``place`` is the record's
    place in its transaction, for the deviations.

    Raises:
        FieldError: the record is not a Type-9 record, or ``image_size`` is that of no image.

    """
    if record.type != 9:
        raise FieldError(f"minutiae are in records of Type-9; got one of Type-{record.type}: pass the Type-9 record")
    if image_size is not None and not _is_size(image_size):
        raise FieldError(
            f"an image has sides of 1 to {MAX_SIDE} pixels at 100 to 2000 per inch; got {tuple(image_size)}"
        )
    impression = _impression(record)
    reader = _Reader(record, image_size, place, impression, latent=latent)
    sets: list[FeatureSet] = []
    faults: list[Fault] = []
    for kind, field, read_set in _READERS:
        if record.get(field) is None:
            continue
        try:
            sets.append(read_set(reader))
        except (FieldError, TemplateError) as error:
            faults.append(Fault(kind, f"{_name(field)}: {error}" if isinstance(error, TemplateError) else str(error)))
    _note_the_rest(reader)
    return Features(tuple(sets), tuple(faults), tuple(reader.deviations.values()), impression)


def _impression(record: Record) -> int | None:
    """Return 9.003 IMP, None where it is no number of two digits."""
    value = record.get(3)
    return int(value) if value is not None and value.isdigit() and len(value) <= 2 else None


def write_m1(template: Template, *, idc: int, impression: int) -> Record:
    """Return a Type-9 record with the template as its M1 set (INCITS 378, 8.9.5), at 500 pixels per inch.

    Reading it again gives the same minutiae, directions to two degrees. ``impression`` is a code of table 7.

    Raises:
        FieldError: the designation or the impression is not a number of two digits.

    """
    steps = np.rint(np.degrees(template.direction.astype(np.float64)) / 2).astype(int) % 180
    rows = [
        (f"{index:03}", x, y, step, kind, quality)
        for index, (x, y, step, kind, quality) in enumerate(
            zip(template.x, template.y, steps, template.kind, template.quality, strict=True), start=1
        )
    ]
    fields = [
        *_head(idc, impression, "U"),
        (126, _items("27", "513", "0")),  # CBEFF owner INCITS M1, format 0201 without extended data; product not told
        (127, _items("NONE", "0")),  # the equipment is not claimed to be certified
        (128, str(template.width)),
        (129, str(template.height)),
        (130, "1"),  # pixels per inch
        (131, str(DPI)),
        (132, str(DPI)),
        (133, "0"),
        (134, str(template.position)),
        (135, _items("254", "0000", "0")),  # no quality of the whole print was computed
        (136, str(len(template))),
        *((137, _rows(rows)) for _ in range(bool(rows))),
    ]
    return _record(fields)


def write_standard(template: Template, *, idc: int, impression: int, system: str = "PCSC", method: str = "A") -> Record:
    """Return a Type-9 record with the template in the standard form of 1-2007, for receivers that know no other.

    New transactions carry M1 or EFS; the edition of 2011 keeps this form for old data (table 27). Reading it again with the
    template's size gives the same positions, directions to a degree, and qualities to 1 percent. ``method`` of 9.005 OFR:
    A found automatically, U then unedited, E edited, M marked by hand.

    Raises:
        FieldError: more than 254 minutiae, a print of more than 99.99 mm, or a value that its field cannot hold.

    """
    if len(template) > MAX_INDEX:
        raise FieldError(
            f"{_name(12)}: expected at most {MAX_INDEX} minutiae, got {len(template)}: keep the best, or use M1"
        )
    if max(template.width, template.height) * _PIXEL > _MAX_XY:
        size = f"{template.width} x {template.height}"
        raise FieldError(f"{_name(12)}: expected at most 99.99 mm (four digits), got {size} pixels at 500 dpi: use M1")
    if method not in ("A", "U", "E", "M"):
        raise FieldError(f"{_name(5)}: expected the method A, U, E or M, got {method[:20]!a}: use its letter")
    if not (1 <= len(system) <= 40 and system.isascii() and system.isprintable()):
        raise FieldError(
            f"{_name(5)}: expected a name of 1-40 printable ASCII characters, got {len(system)}: shorten it"
        )
    degrees = (np.rint(np.degrees(template.direction.astype(np.float64))).astype(int) + 180) % 360
    x, y = (np.rint(values * _PIXEL).astype(int) for values in (template.x, template.height - template.y.astype(int)))
    rows = [
        (f"{index:03}", f"{x_:04}{y_:04}{angle:03}", _standard_quality(int(quality)), _LETTER_OF[MinutiaKind(kind)])
        for index, (x_, y_, angle, quality, kind) in enumerate(
            zip(x, y, degrees, template.quality, template.kind, strict=True), start=1
        )
    ]
    fields = [
        *_head(idc, impression, "S"),
        (5, _items(system, method)),
        (6, f"{template.position:02}"),
        (7, _items("T", "UN")),  # the pattern class is not told
        (10, str(len(template))),
        (11, "0"),  # without ridge counts
        *((12, _rows(rows)) for _ in range(bool(rows))),
    ]
    return _record(fields)


class _Minutia(NamedTuple):
    """One minutia in pixels at 500 dpi and degrees as ISO/IEC 19794-2 counts them; y is from the top."""

    x: float
    y: float
    degrees: float
    kind: MinutiaKind
    quality: int


class _Reader:
    """A Type-9 record while it is read: names and numbers of its fields, and the deviations found so far."""

    def __init__(
        self, record: Record, size: ImageSize | None, place: int, impression: int | None, *, latent: bool
    ) -> None:
        self.record = record
        self.size = size
        self.impression = ImpressionType.of(impression)
        self.by_default = Origin.MARKED if latent or self.impression.latent else Origin.OTHER
        self.deviations: dict[tuple[int, str], Deviation] = {}
        self._place = place

    def forgive(self, field: int, code: str, what: str = "") -> None:
        """Note one thing that differs from the standard and was read all the same; each code once in a field."""
        text = f"{_name(field)}, {what}" if what else _name(field)
        self.deviations.setdefault((field, code), deviation(self._place, field, code, text))

    def rows(self, field: int, least: int) -> list[list[str]]:
        """Return the subfields of a field of minutiae, each with at least so many items.

        A text that is no ASCII is read with replacements, which no number or code then matches.
        """
        value = self.record.get(field) or b""
        count = value.count(RS) + 1
        if len(value) > MAX_VALUE or count > MAX_ROWS:
            raise FieldError(
                f"{_name(field)}: expected at most {MAX_ROWS} minutiae in {MAX_VALUE} bytes (table 30), got {count} in "
                f"{len(value)}: keep the best"
            )
        rows = [row.split("\x1f") for row in value.decode("ascii", "replace").removesuffix("\x1e").split("\x1e")]
        for index, row in enumerate(rows, start=1):
            if len(row) < least:
                raise FieldError(
                    f"{_name(field)}, minutia {index}: expected at least {least} items, got {len(row)}: send the whole minutia"
                )
        return rows

    def positions(self, field: int) -> tuple[int, ...]:
        """Return the finger positions that a field lists, one in each subfield (table 8)."""
        value = self.record.get(field)
        if not value:
            self.forgive(field, "no-position")
            return ()
        if value.count(RS) >= 20 or len(value) > MAX_VALUE:
            raise FieldError(
                f"{_name(field)}: expected at most 20 positions, got {value.count(RS) + 1}: send the likely ones"
            )
        firsts = [subfield.split(US, 1)[0].decode("ascii", "replace") for subfield in value.split(RS)]
        return tuple(_whole(text, 99, _name(field)) for text in firsts)

    def check_count(self, field: int, rows: int) -> None:
        """Note a count that is not the number of minutiae that follow."""
        value = self.record.get(field)
        if value is None:
            return
        stated = _whole(value.decode("ascii", "replace"), 9999, _name(field))
        if stated != rows:
            self.forgive(field, "count-misstated", f"{stated} stated, {rows} there")

    def feature_set(
        self,
        kind: Kind,
        field: int,
        points: Sequence[_Minutia],
        frame: ImageSize,
        where: int,
        origin: Origin | None = None,
    ) -> FeatureSet:
        """Return the set of these minutiae, which must lie in the frame (pixels at 500 dpi).

        ``where`` is the field of the finger positions, ``origin`` what the set says of who found the minutiae.
        """
        for index, point in enumerate(points, start=1):
            if not (-_EDGE <= point.x <= frame.width and -_EDGE <= point.y <= frame.height):
                raise FieldError(
                    f"{_name(field)}, minutia {index}: expected a place in the image, {frame.width} x {frame.height} pixels at "
                    f"500 dpi, got {point.x:.1f}, {point.y:.1f}: check the origin, the unit and the size of the image"
                )
        kept = self._best(field, points)
        positions = self.positions(where)
        template = Template.of(
            [min(max(round(point.x), 0), frame.width - 1) for point in kept],
            [min(max(round(point.y), 0), frame.height - 1) for point in kept],
            np.radians([point.degrees for point in kept]),
            kind=[point.kind for point in kept],
            quality=[point.quality for point in kept],
            width=frame.width,
            height=frame.height,
            position=positions[0] if len(positions) == 1 and positions[0] <= 10 else 0,
            origin=self.by_default if origin is None else origin,
            impression=self.impression,
        )
        return FeatureSet(kind, template, positions)

    def _best(self, field: int, points: Sequence[_Minutia]) -> Sequence[_Minutia]:
        """Return at most as many minutiae as a template holds, those of best quality, in their order."""
        if len(points) <= MAX_MINUTIAE:
            return points
        self.forgive(field, "minutiae-left-out", f"{MAX_MINUTIAE} of {len(points)} kept")
        best = sorted(range(len(points)), key=lambda index: -points[index].quality)[:MAX_MINUTIAE]
        return [points[index] for index in sorted(best)]

    def turn(self, text: str, field: int, index: int) -> int:
        """Return an angle of 0 to 359 degrees; 360 is written by some, and means 0."""
        degrees = _whole(text, 360, f"{_name(field)}, minutia {index}, theta")
        if degrees == 360:
            self.forgive(field, "angle-360")
        return degrees % 360


def _whole(text: str, top: int, name: str) -> int:
    """Return the whole number of at most five digits that a text is.

    Raises:
        FieldError: it is none, or more than ``top``; the message begins with ``name``.

    """
    if not (1 <= len(text) <= 5 and text.isascii() and text.isdigit()) or int(text) > top:
        raise FieldError(f"{name}: expected a number of 0 to {top}, got {text[:20]!a}: correct the field")
    return int(text)


def _read_standard(reader: _Reader) -> FeatureSet:
    """Return the minutiae of 9.012 MRC (ANSI/NIST-ITL 1-2007; legacy fields of table 27)."""
    rows = reader.rows(12, 2)
    reader.check_count(10, len(rows))
    raw = [(*_xyt(reader, row[1], 12, index), row) for index, row in enumerate(rows, start=1)]
    frame = _frame(reader, 12, [x for x, _, _, _ in raw], [y for _, y, _, _ in raw])
    # The direction leads out of the ridge; 19794-2 looks along it. Both samples of one print say so, minutia by minutia.
    points = [
        _Minutia(x, frame.height - y, degrees + 180, _letter(row, 12, index), _percent(row, 12, index))
        for index, (x, y, degrees, row) in enumerate(raw, start=1)
    ]
    found_by = _items_of(reader.record.get(5) or b"")
    return reader.feature_set(Kind.STANDARD, 12, points, frame, 6, _METHODS.get(found_by[1]))


def _read_iafis(reader: _Reader) -> FeatureSet:
    """Return the minutiae of 9.023 MAT (FBI EFTS 7, Appendix J)."""
    rows = reader.rows(23, 2)
    reader.check_count(15, len(rows))
    if (reader.record.get(19) or b"").strip(b"0\x1f\x1e"):
        reader.forgive(19, "offset-not-applied")
    raw = [(*_xyt(reader, row[1], 23, index), row) for index, row in enumerate(rows, start=1)]
    frame = _frame(reader, 23, [x for x, _, _, _ in raw], [y for _, y, _, _ in raw])
    points = [
        _Minutia(x, y, degrees, _letter(row, 23, index), _percent(row, 23, index))
        for index, (x, y, degrees, row) in enumerate(raw, start=1)
    ]
    return reader.feature_set(Kind.IAFIS, 23, points, frame, 14)


def _read_m1(reader: _Reader) -> FeatureSet:
    """Return the minutiae of 9.137 FMD (8.9.5.12), in pixels of the image that 9.128-9.132 describe."""
    rows = reader.rows(137, 4)
    reader.check_count(136, len(rows))
    width, height = (_m1_number(reader, field, MAX_SIDE, least=1) for field in (128, 129))
    across, down = _m1_dpi(reader, 131), _m1_dpi(reader, 132)
    if reader.size is not None and (width, height) != reader.size[:2]:
        size = f"{reader.size.width} x {reader.size.height}"
        reader.forgive(128, "size-differs", f"{width} x {height} stated, the image has {size} pixels")
    scale_x, scale_y = DPI / across, DPI / down
    frame = ImageSize(max(1, round(width * scale_x)), max(1, round(height * scale_y)), DPI)
    points = [
        _Minutia(
            _whole(row[1], width - 1, f"{_name(137)}, minutia {index}, x") * scale_x,
            _whole(row[2], height - 1, f"{_name(137)}, minutia {index}, y") * scale_y,
            2 * _whole(row[3], 179, f"{_name(137)}, minutia {index}, angle in steps of two degrees"),
            _choice(row[4:5], _M1_KINDS, f"{_name(137)}, minutia {index}, type"),
            _m1_quality(reader, row, index),
        )
        for index, row in enumerate(rows, start=1)
    ]
    return reader.feature_set(Kind.M1, 137, points, frame, 134)


def _read_efs(reader: _Reader) -> FeatureSet:
    """Return the minutiae of 9.331 MIN (8.9.7.24), counted from the top left of 9.300 ROI."""
    rows = reader.rows(331, 3)
    left, top, frame = _region(reader)
    if reader.record.get(315) == b"L":
        reader.forgive(315, "laterally-reversed")
    points = []
    for index, row in enumerate(rows, start=1):
        name = f"{_name(331)}, minutia {index}"
        x, y = _whole(row[0], 99_999, f"{name}, x"), _whole(row[1], 99_999, f"{name}, y")
        kind = _choice(row[3:4], _EFS_KINDS, f"{name}, type")
        degrees = reader.turn(row[2], 331, index)
        points.append(_Minutia((left + x) / _PIXEL, (top + y) / _PIXEL, degrees, kind, 0))
    if frame is None:
        frame = _frame(reader, 331, [point.x for point in points], [point.y for point in points])
    return reader.feature_set(Kind.EFS, 331, points, frame, 302, _efs_origin(reader.record.get(350) or b""))


def _efs_origin(methods: bytes) -> Origin | None:
    """Return who found the minutiae by 9.350 MFD, which names a method for fields or for all; None where it names none."""
    for method in methods[:MAX_VALUE].split(RS):
        field, name = _items_of(method)
        if field in {"ALL", "9.331", "331"}:
            return _EFS_METHODS.get(name)
    return None


def _items_of(value: bytes) -> tuple[str, str]:
    """Return the first two items of a value as texts, empty where they are not there."""
    first, second, *_ = [item[:20].decode("ascii", "replace") for item in [*value.split(US, 2), b"", b""]]
    return first, second


_READERS: Final[tuple[tuple[Kind, int, Callable[[_Reader], FeatureSet]], ...]] = (
    (Kind.STANDARD, 12, _read_standard),
    (Kind.IAFIS, 23, _read_iafis),
    (Kind.M1, 137, _read_m1),
    (Kind.EFS, 331, _read_efs),
)

_MNEMONICS: Final = {
    3: "IMP", 5: "OFR", 6: "FGP", 10: "MIN", 12: "MRC", 13: "AFV", 14: "FGN", 15: "NMN", 19: "COF", 23: "MAT", 128: "HLL",
    129: "VLL", 130: "SLC", 131: "THPS", 132: "TVPS", 134: "FGP", 136: "NOM", 137: "FMD", 300: "ROI", 302: "FPP", 315: "PLR",
    331: "MIN",
}  # fmt: skip


def _name(field: int) -> str:
    """Return how messages name a field."""
    return f"9.{field:03} {_MNEMONICS.get(field, '')}".rstrip()


def _note_the_rest(reader: _Reader) -> None:
    """Name the fields that hold features in a form which is not public."""
    numbers = [field.number for field in reader.record.fields]
    if 13 in numbers:
        reader.forgive(13, "not-interpreted", "the packed feature vector")
    for first, last, vendor in _VENDORS:
        found = [number for number in numbers if first <= number <= last]
        if found:
            reader.forgive(min(found), "not-interpreted", f"of {vendor} (9.{first:03}-9.{last:03})")


def _is_size(size: ImageSize) -> bool:
    return all(1 <= side <= MAX_SIDE for side in size[:2]) and 100 <= size[2] <= 2000


def _frame(reader: _Reader, field: int, x: Sequence[float], y: Sequence[float]) -> ImageSize:
    """Return the image's size at 500 dpi; where it is unknown, the smallest that holds these places."""
    if reader.size is not None:
        scale = DPI / reader.size.dpi
        return ImageSize(max(1, round(reader.size.width * scale)), max(1, round(reader.size.height * scale)), DPI)
    reader.forgive(field, "frame-unknown")
    return ImageSize(int(max(x)) + 1, int(max(y)) + 1, DPI)


def _xyt(reader: _Reader, text: str, field: int, index: int) -> tuple[float, float, int]:
    """Return x and y in pixels at 500 dpi and theta: 4 + 4 + 3 digits for a finger, 5 + 5 + 3 for a palm."""
    if len(text) not in {11, 13}:
        raise FieldError(
            f"{_name(field)}, minutia {index}: expected 11 digits of x, y, theta (13 for a palm), got {len(text)}: "
            "fill with zeros from the left"
        )
    digits = (len(text) - 3) // 2
    name = f"{_name(field)}, minutia {index}"
    x = _whole(text[:digits], 99_999, f"{name}, x")
    y = _whole(text[digits:-3], 99_999, f"{name}, y")
    return x / _PIXEL, y / _PIXEL, reader.turn(text[-3:], field, index)


def _letter(row: list[str], field: int, index: int) -> MinutiaKind:
    return _choice(row[3:4], _LETTERS, f"{_name(field)}, minutia {index}, type")


def _choice(item: list[str], kinds: dict[str, MinutiaKind], name: str) -> MinutiaKind:
    """Return what a code of a minutia's type means, OTHER where the item is absent."""
    if not item:
        return MinutiaKind.OTHER
    if item[0] not in kinds:
        codes = ", ".join(code for code in kinds if code)
        raise FieldError(f"{name}: expected one of {codes}, got {item[0][:20]!a}: correct the field")
    return kinds[item[0]]


def _percent(row: list[str], field: int, index: int) -> int:
    """Return a quality of 1-2007 in percent: 0 (marked by hand) and 1 (none known) give 0, 2 (best) to 63 give 100 to 1."""
    if len(row) < 3 or not row[2]:
        return 0
    code = _whole(row[2], 63, f"{_name(field)}, minutia {index}, quality")
    return 0 if code < 2 else round(100 - (code - 2) * 99 / 61)


def _standard_quality(percent: int) -> int:
    """Return the code of 1-2007 for a quality in percent, the reverse of :func:`_percent`."""
    return 1 if percent == 0 else 2 + round((100 - percent) * 61 / 99)


def _m1_number(reader: _Reader, field: int, top: int, *, least: int) -> int:
    """Return the number in one of the fields that an M1 set must have."""
    value = _whole((reader.record.get(field) or b"").decode("ascii", "replace"), top, _name(field))
    if value < least:
        raise FieldError(f"{_name(field)}: expected a number of {least} to {top}, got {value}: correct the field")
    return value


def _m1_dpi(reader: _Reader, field: int) -> float:
    """Return pixels per inch."""
    unit = _m1_number(reader, 130, 2, least=1)
    value = _m1_number(reader, field, 99_999, least=1)
    dpi = float(value) if unit == 1 else nominal_dpi(value)
    if not 100 <= dpi <= 2000:
        raise FieldError(f"{_name(field)}: expected 100 to 2000 pixels per inch, got {dpi:g}: correct 9.130-9.132")
    return dpi


def _m1_quality(reader: _Reader, row: list[str], index: int) -> int:
    """Return the sixth item, 1-100; 0 where none is reported."""
    if len(row) < 6 or not row[5]:
        return 0
    quality = _whole(row[5], 255, f"{_name(137)}, minutia {index}, quality")
    if quality > 100:
        reader.forgive(137, "quality-unknown")
        return 0
    return quality


def _region(reader: _Reader) -> tuple[int, int, ImageSize | None]:
    """Return the left and top of 9.300 ROI in 0.01 mm, and the frame: the image, or else the region with its offset."""
    value = reader.record.get(300)
    if value is None:
        reader.forgive(300, "no-region")
        return 0, 0, None
    items = [item.decode("ascii", "replace") for item in value[:200].split(US)[:4]]
    if len(items) < 2:
        raise FieldError(
            f"{_name(300)}: expected width and height, got {len(items)} item(s): state the region of interest"
        )
    width, height, left, top = (_whole(item or "0", 99_999, _name(300)) for item in [*items, "0", "0"][:4])
    if reader.size is not None:
        return left, top, _frame(reader, 331, [], [])
    across, down = (max(1, round((start + extent) / _PIXEL)) for start, extent in ((left, width), (top, height)))
    return left, top, ImageSize(across, down, DPI)


def _head(idc: int, impression: int, form: str) -> list[tuple[int, str]]:
    """Return the first fields of a record: IDC, IMP and FMT."""
    for field, value in ((2, idc), (3, impression)):
        if not 0 <= value <= 99:
            raise FieldError(f"9.{field:03}: expected a number of 0 to 99, got {value}: use the code of the standard")
    return [(2, f"{idc:02}"), (3, str(impression)), (4, form)]


def _items(*items: object) -> str:
    return "\x1f".join(map(str, items))


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return "\x1e".join(_items(*row) for row in rows)


def _record(fields: Sequence[tuple[int, str]]) -> Record:
    return Record(9, tuple(Field(number, value.encode("ascii")) for number, value in fields))
