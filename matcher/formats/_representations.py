"""ISO/IEC 19794-2:2011: a header of 15 bytes and representations, each with its own length and all that describes it.

The header (clause 8.3): identifier, version, length in 4 bytes, number of representations in 2, and whether they state
certifications. A representation (8.4): its length, when it was captured, by what device, quality scores with the
algorithms that gave them, certifications, then finger, size and resolution, minutiae of 6 bytes, or 5 where they have no
quality, and extended data (8.5). Directions turn full circle in 256 steps.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from matcher.formats._cursor import Cursor, FormatError, fitting
from matcher.formats._extended import Dialect
from matcher.formats._grammar import (
    IDENTIFIER,
    START,
    Grammar,
    ViewHeader,
    check_image,
    check_view,
    end,
    read_view,
    refused,
    write_view,
)
from matcher.formats.minutiae import (
    NOT_REPORTED,
    VIEWS_OF_A_POSITION,
    Device,
    FingerView,
    Format,
    Quality,
    Record,
)

if TYPE_CHECKING:
    from matcher.formats.deviations import Deviation

MAX_VIEWS: Final = 11 * VIEWS_OF_A_POSITION
"""Sixteen of each of ten fingers and of unknown ones."""

_HEADER: Final = struct.Struct(">IHB")
_CAPTURE: Final = struct.Struct(">IHBBBBBHBHHB")
_QUALITY: Final = struct.Struct(">BHH")
_CERTIFICATION: Final = struct.Struct(">HB")
_FINGER: Final = struct.Struct(">BBHHBHHBB")
_UNKNOWN_TIME: Final = (0xFFFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFFFF)
_TIME_BITS: Final = (16, 8, 8, 8, 8, 8, 16)

GRAMMARS: Final = {
    Format.ISO_2011: Grammar(
        Format.ISO_2011,
        b"030\x00",
        256,
        Dialect(256, each=True, counts_header=True, zones=7, clause="ISO/IEC 19794-2:2011, 8.5"),
        header="ISO/IEC 19794-2:2011, 8.3",
        view="ISO/IEC 19794-2:2011, 8.4",
        minutiae="ISO/IEC 19794-2:2011, 8.4",
    )
}


def read(data: bytes, grammar: Grammar) -> Record:
    """Read a record of this format.

    Raises:
        FormatError: the bytes are no such record.

    """
    cursor = Cursor(data)
    cursor.at = START
    size = START + _HEADER.size
    short = f"a record begins with a header of {size} bytes ({grammar.header})"
    length, count, certified = _HEADER.unpack(cursor.take(_HEADER.size, short))
    try:
        views, notes = _views(cursor, count, certified, grammar)
        notes += end(cursor, length, count, grammar)
    except FormatError as error:
        raise refused(length, data, grammar, error) from error
    return Record(grammar.format, tuple(views), deviations=tuple(notes))


def write(record: Record, grammar: Grammar) -> bytes:
    """Write a record of this format; minutiae have 5 bytes in a view in which none has a quality.

    Raises:
        FormatError: it does not fit into the format.

    """
    if len(record.views) > MAX_VIEWS:
        raise FormatError(f"a record has 1 to {MAX_VIEWS} representations ({grammar.header}); got {len(record.views)}")
    if record.product != (0, 0):
        raise FormatError(f"{grammar.format} names no product ({grammar.header}): leave it out")
    certified = {view.device.certifications is not None for view in record.views}
    if len(certified) > 1:
        raise FormatError(f"all representations state certifications or none ({grammar.header}); got both")
    body = b"".join(_written(view, place, grammar) for place, view in enumerate(record.views, 1))
    header = _HEADER.pack(START + _HEADER.size + len(body), len(record.views), certified.pop())
    return IDENTIFIER + grammar.version + header + body


def _views(cursor: Cursor, count: int, certified: int, grammar: Grammar) -> tuple[list[FingerView], list[Deviation]]:
    if not 1 <= count <= MAX_VIEWS:
        raise FormatError(f"a record has 1 to {MAX_VIEWS} representations ({grammar.header}); got {count}")
    if certified > 1:
        raise FormatError(f"certifications are stated (1) or not (0) ({grammar.header}); got {certified}")
    views, notes = [], []
    for place in range(1, count + 1):
        view, more = _representation(cursor, place, grammar, certified=certified == 1)
        views.append(view)
        notes += more
    return views, notes


def _representation(
    cursor: Cursor, place: int, grammar: Grammar, *, certified: bool
) -> tuple[FingerView, list[Deviation]]:
    """Return the representation at the cursor, which uses its stated length to the last byte."""
    at = f"view {place}"
    length = cursor.number(4, f"{at}: its length has 4 bytes ({grammar.view})")
    least = _CAPTURE.size + _FINGER.size + 2
    if length < least:
        raise FormatError(f"{at}: a representation has at least {least} bytes ({grammar.view}); it states {length}")
    inner = Cursor(length.to_bytes(4) + cursor.take(length - 4, f"{at}: it states {length} bytes ({grammar.view})"))
    header, minutiae, graded = _representation_header(inner, place, grammar, certified=certified)
    view, notes = read_view(inner, header, minutiae, grammar, last=True, graded=graded)
    if inner.left:
        raise FormatError(f"{at}: it states {length} bytes ({grammar.view}); {inner.left} more than its contents have")
    return view, notes


def _representation_header(
    cursor: Cursor, place: int, grammar: Grammar, *, certified: bool
) -> tuple[ViewHeader, int, bool]:
    """Return the header at the cursor, the number of minutiae and whether they have qualities."""
    short = f"view {place}: its header is cut short ({grammar.view})"
    _length, *time, technology, vendor, device, scores = _CAPTURE.unpack(cursor.take(_CAPTURE.size, short))
    qualities = _QUALITY.iter_unpack(cursor.take(scores * _QUALITY.size, short))
    certifications = None
    if certified:
        count = cursor.number(1, short)
        certifications = tuple(_CERTIFICATION.iter_unpack(cursor.take(count * _CERTIFICATION.size, short)))
    finger = _FINGER.unpack(cursor.take(_FINGER.size, short))
    position, number, across, down, impression, width, height, kinds, minutiae = finger
    if kinds >> 4 not in {5, 6}:
        raise FormatError(f"view {place}: a minutia has 5 or 6 bytes ({grammar.view}); it states {kinds >> 4}")
    size, per_cm = (width, height), (across, down)
    check_image(size, per_cm, grammar.view)
    header = ViewHeader(
        place,
        position,
        number,
        impression,
        tuple(Quality(*quality) for quality in qualities),
        size,
        per_cm,
        Device(device, vendor, technology, certifications=certifications),
        captured=None if tuple(time) == _UNKNOWN_TIME else tuple(time),
        ending=kinds & 0xF,
    )
    return header, minutiae, kinds >> 4 == 6


def _written(view: FingerView, place: int, grammar: Grammar) -> bytes:
    check_view(view, place, grammar)
    if view.device.certified:
        raise FormatError(f"{grammar.format} has no bits of compliance ({grammar.view}): state certifications")
    graded = bool((view.quality != NOT_REPORTED).any())
    fields = _written_capture(view) + _FINGER.pack(
        view.position,
        view.number,
        *view.per_cm,
        fitting(view.impression, 8, "an impression"),
        *view.size,
        (6 if graded else 5) << 4 | fitting(view.ending, 4, "the kind of ridge ending"),
        len(view.x),
    )
    body = fields + write_view(view, grammar, graded=graded)
    return (4 + len(body)).to_bytes(4) + body


def _written_capture(view: FingerView) -> bytes:
    """Write what stands between a representation's length and its finger."""
    device = view.device
    time = view.captured or _UNKNOWN_TIME
    if len(time) != len(_TIME_BITS):
        raise FormatError(f"a time has {len(_TIME_BITS)} numbers, from the year to milliseconds; got {len(time)}")
    capture = _CAPTURE.pack(
        0,
        *(fitting(number, bits, "a part of the time") for number, bits in zip(time, _TIME_BITS, strict=True)),
        fitting(device.technology, 8, "a technology"),
        fitting(device.vendor, 16, "a device's vendor"),
        fitting(device.id, 16, "a device's number"),
        fitting(len(view.qualities), 8, "the number of qualities"),
    )
    qualities = b"".join(
        _QUALITY.pack(
            fitting(quality.score, 8, "a quality"),
            fitting(quality.owner, 16, "a quality's owner"),
            fitting(quality.algorithm, 16, "a quality's algorithm"),
        )
        for quality in view.qualities
    )
    if device.certifications is None:
        return capture[4:] + qualities
    certifications = b"".join(
        _CERTIFICATION.pack(fitting(authority, 16, "an authority"), fitting(scheme, 8, "a scheme"))
        for authority, scheme in device.certifications
    )
    return (
        capture[4:]
        + qualities
        + bytes([fitting(len(device.certifications), 8, "the number of certifications")])
        + certifications
    )
