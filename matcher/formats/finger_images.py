"""Finger image records: ISO/IEC 19794-4:2005 and 19794-4:2011, and ANSI/INCITS 381-2004, from which the first one grew.

A record (:mod:`~matcher.formats.pictures`) holds pictures of fingers, of several fingers at once or of palms, each with its
position, size and resolution. :func:`read` takes a record apart, whichever of the three layouts it has, and :func:`write`
makes one; both count bytes and believe nothing. The picture itself is passed on as it came, with the compression that the
record states: what it really is, its own bytes tell (:mod:`matcher.images`). Where the picture states a resolution too, the
record's counts. All numbers are big-endian.

What differs from the standard and can be read all the same is named in :attr:`Record.deviations`, by one of the codes of
:data:`~matcher.formats.deviations.DEVIATIONS`; :func:`write` refuses it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from matcher.formats import _pictures_2005, _pictures_2011
from matcher.formats._cursor import FormatError
from matcher.formats._pictures import IDENTIFIER, MAX_VIEWS, where
from matcher.formats.deviations import Deviation
from matcher.formats.pictures import (
    UNKNOWN_TIME,
    Certification,
    Compression,
    Device,
    ExtendedData,
    Quality,
    Record,
    Standard,
    Units,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "UNKNOWN_TIME",
    "Certification",
    "Compression",
    "Device",
    "ExtendedData",
    "Quality",
    "Record",
    "Standard",
    "Units",
    "View",
    "read",
    "write",
]

MAX_BYTES: Final = 10_000_000
MIN_DPI: Final = 100
MAX_DPI: Final = 2_000

_READERS: Final[Mapping[bytes, Callable[[bytes], tuple[Record, list[Deviation]]]]] = {
    _pictures_2005.VERSION: _pictures_2005.read,
    _pictures_2011.VERSION: _pictures_2011.read,
}

_FINGERS: Final = frozenset({*range(11), 13, 14, 15})
_PALMS: Final = frozenset(range(20, 37))
_COMBINATIONS: Final = frozenset(range(40, 51))  # two or three fingers, 2011 only
_LEVELS: Final = frozenset({10, 20, 30, 31, 40, 41})
_LAST_TECHNOLOGY: Final = 19
_POSITIONS: Final = {
    Standard.INCITS_2004: _FINGERS | _PALMS,
    Standard.ISO_2005: _FINGERS | _PALMS,
    Standard.ISO_2011: _FINGERS | _PALMS | _COMBINATIONS,
}
_IMPRESSIONS: Final = {
    Standard.INCITS_2004: frozenset({0, 1, 2, 3, 7, 8, 9}),
    Standard.ISO_2005: frozenset({0, 1, 2, 3, 7, 8, 9}),
    Standard.ISO_2011: frozenset({*range(16), 24, 28, 29}),
}


def read(data: bytes) -> Record:
    """Read a finger image record of any of the three layouts.

    The cost is linear in the length of ``data``, of which at most :data:`MAX_BYTES` are taken.

    Raises:
        FormatError: the bytes are not one whole record, or a picture has no size, no resolution or too few bytes.

    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a finger image record has at most {MAX_BYTES} bytes here; got {len(data)}: divide it")
    if data[:4] != IDENTIFIER:
        raise FormatError(f"a finger image record begins with {IDENTIFIER!r} (ISO/IEC 19794-4); got {data[:4]!r}")
    version = data[4:8]
    if version not in _READERS:
        older, newer = _READERS
        raise FormatError(
            f"a finger image record has version {older!r} (2005) or {newer!r} (2011) in bytes 4 to 7; got {version!r}"
        )
    record, notes = _READERS[version](data)
    for place, view in enumerate(record.views, 1):
        _check(view, place, record.compression(view))
    return replace(record, deviations=(*notes, *_deviations(record)))


def write(record: Record) -> bytes:
    """Write a finger image record in the layout that its ``standard`` names; the same record always gives the same bytes.

    Reading them again gives the same record.

    Raises:
        FormatError: something does not fit, or would be a deviation; ``deviations`` of ``record`` itself do not matter.

    """
    if not 1 <= len(record.views) <= MAX_VIEWS:
        raise FormatError(f"a finger image record holds 1 to {MAX_VIEWS} views; got {len(record.views)}")
    if sum(len(view.image) for view in record.views) > MAX_BYTES:
        raise FormatError(f"a finger image record has at most {MAX_BYTES} bytes here: divide it")
    _check_record(record)
    for place, view in enumerate(record.views, 1):
        _check_ranges(view, place)
        _check(view, place, record.compression(view))
    for deviation in _deviations(record):
        raise FormatError(f"{where(deviation.view)}{deviation.text}")
    return _pictures_2011.write(record) if record.standard is Standard.ISO_2011 else _pictures_2005.write(record)


def _check(view: View, place: int, compression: Compression | None) -> None:
    """Refuse a picture that nothing can be made of."""
    if not (view.width and view.height):
        raise FormatError(
            f"view {place}: a picture has at least one pixel each way; it states {view.width} x {view.height}"
        )
    if not 1 <= view.bit_depth <= 16:
        raise FormatError(f"view {place}: a pixel has 1 to 16 bits; the record states {view.bit_depth}")
    if not all(MIN_DPI <= dpi <= MAX_DPI for dpi in view.dpi):
        across, down = view.dpi
        raise FormatError(
            f"view {place}: a print has {MIN_DPI} to {MAX_DPI} pixels per inch; the record states {across:g} x {down:g}"
        )
    expected = _sizes(view, compression)
    if not expected and not view.image:
        raise FormatError(f"view {place}: no bytes of a picture follow its header")
    if expected and len(view.image) not in expected:
        raise FormatError(
            f"view {place}: a {compression} picture of {view.width} x {view.height} pixels with {view.bit_depth} bit(s) "
            f"has {' or '.join(map(str, sorted(expected)))} bytes; got {len(view.image)}"
        )


def _sizes(view: View, compression: Compression | None) -> set[int]:
    """Return how many bytes an uncoded picture may have: packed lines may end with a byte or run on."""
    if compression is Compression.RAW:
        return {view.width * view.height * (1 if view.bit_depth <= 8 else 2)}
    if compression is Compression.PACKED:
        bits = view.width * view.bit_depth
        return {-(-bits * view.height // 8), -(-bits // 8) * view.height}
    return set()


def _check_record(record: Record) -> None:
    """Refuse what the header of this edition has no room or no place for."""
    numbers = (record.device, record.level, *record.product)
    if not all(0 <= number <= 0xFFFF for number in numbers):
        raise FormatError("the device, the level and each half of the product identifier are numbers from 0 to 65535")
    if record.standard is Standard.ISO_2011 and any(numbers):
        raise FormatError(
            "ISO/IEC 19794-4:2011 has no device number, level or product of the whole record: leave them 0"
        )
    if record.standard is Standard.ISO_2005 and any(record.product):
        raise FormatError("ISO/IEC 19794-4:2005 has no product identifier: leave it 0, or write ANSI/INCITS 381-2004")
    if record.standard is not Standard.ISO_2011 and record.certified:
        raise FormatError(f"{record.standard} has no certifications; write ISO/IEC 19794-4:2011")


def _check_ranges(view: View, place: int) -> None:
    """Refuse numbers that have no room in their fields; reading cannot meet them."""
    one_byte = (view.position, view.impression, view.number, view.count, view.compression, view.device.technology)
    two_bytes = (
        view.width,
        view.height,
        *view.scan_resolution,
        *view.image_resolution,
        view.device.vendor,
        view.device.type,
        *(number for each in view.qualities for number in (each.vendor, each.algorithm)),
        *(each.authority for each in view.certifications),
        *(each.type for each in view.extended),
        *(_pictures_2011.BLOCK.size + len(each.data) for each in view.extended),
    )
    schemes = tuple(each.scheme for each in view.certifications)
    counts = (len(view.qualities), len(view.certifications), len(view.extended))
    if not all(0 <= number <= 0xFF for number in (*one_byte, *schemes, *counts)):
        raise FormatError(f"view {place}: a code or count does not fit into its byte (0 to 255)")
    if not all(0 <= number <= 0xFFFF for number in two_bytes):
        raise FormatError(
            f"view {place}: a size, resolution, identifier or block does not fit into two bytes (0 to 65535)"
        )
    if not all(quality.score is None or 0 <= quality.score <= 100 for quality in view.qualities):
        raise FormatError(f"view {place}: a quality is 0 to 100, or None")
    if len(view.time) != len(UNKNOWN_TIME):
        raise FormatError(f"view {place}: a time has {len(UNKNOWN_TIME)} bytes; got {len(view.time)}")


def _deviations(record: Record) -> Iterator[Deviation]:
    """Name what the standard does not allow and reading bears."""
    if record.standard is not Standard.ISO_2011 and record.level not in _LEVELS:
        levels = ", ".join(map(str, sorted(_LEVELS)))
        yield Deviation(0, "acquisition-level", f"an image acquisition level is one of {levels}; got {record.level}")
    counts = Counter(view.position for view in record.views)
    seen: set[tuple[int, int]] = set()
    for place, view in enumerate(record.views, 1):
        yield from _code_deviations(record, view, place)
        yield from _resolution_deviations(view, place)
        if view.count != counts[view.position]:
            text = f"{counts[view.position]} view(s) of position {view.position} are there, {view.count} are stated"
            yield Deviation(place, "view-count", text)
        if (view.position, view.number) in seen:
            text = f"views of one position have different numbers; number {view.number} is there twice"
            yield Deviation(place, "view-number", text)
        seen.add((view.position, view.number))


def _code_deviations(record: Record, view: View, place: int) -> Iterator[Deviation]:
    standard = record.standard
    if view.position not in _POSITIONS[standard]:
        yield Deviation(place, "position", f"{standard} has no position {view.position}")
    if view.impression not in _IMPRESSIONS[standard]:
        yield Deviation(place, "impression", f"{standard} has no impression type {view.impression}")
    if record.compression(view) is None:
        yield Deviation(place, "compression", f"{standard} has no image compression {view.compression}")
    if view.device.technology > _LAST_TECHNOLOGY:
        yield Deviation(place, "technology", f"{standard} has no capture device technology {view.device.technology}")
    if view.time != UNKNOWN_TIME and view.captured is None:
        yield Deviation(place, "capture-time", "the nine bytes of the capture time are no date; it is read as unknown")
    if view.certifications and not record.certified:
        yield Deviation(place, "certifications", "certifications are there, but the record says that it has none")
    if any(block.type == 0 for block in view.extended):
        yield Deviation(place, "extended-type", "type 0 of extended data is reserved")


def _resolution_deviations(view: View, place: int) -> Iterator[Deviation]:
    pairs = list(zip(view.image_resolution, view.scan_resolution, strict=True))
    if any(image == 0 for image, _scan in pairs):
        yield Deviation(place, "image-resolution", "no image resolution is stated; the scan resolution is taken")
    if any(image > scan for image, scan in pairs):
        text = f"an image is at most as fine as its scan; {view.image_resolution} is stated for {view.scan_resolution}"
        yield Deviation(place, "resolution", text)
