"""Finger images of ISO/IEC 19794-4:2005 and ANSI/INCITS 381-2004: one resolution, depth and compression for all views.

The header has 32 bytes, with the length in 6 of them, and before each picture stands a view header of 14. ANSI/INCITS
381-2004 begins with the same 8 bytes and has 4 more, the product identifier, after the length; which one it is, only the
lengths tell.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final

from matcher.formats._cursor import FormatError
from matcher.formats._pictures import IDENTIFIER, MAX_VIEWS, units_of
from matcher.formats.deviations import Deviation
from matcher.formats.pictures import UNKNOWN_TIME, Device, Quality, Record, Standard, View

VERSION: Final = b"010\x00"

_LENGTH_SIZE: Final = 6  # of the record's length
_HEADER: Final = struct.Struct(">HHBB4HBBH")  # after identifier, version and length
_HEADER_OF_INCITS: Final = struct.Struct(">HHHHBB4HBBH")  # the same after a product identifier of two numbers
_VIEW: Final = struct.Struct(">IBBBBBHHB")
_UNDEFINED: Final = 254  # quality


def read(data: bytes) -> tuple[Record, list[Deviation]]:
    """Read a record of one of the two, and what was forgiven in taking it apart.

    Raises:
        FormatError: the bytes are no such record.

    """
    standard, spans = _layout(data)
    start = len(IDENTIFIER + VERSION) + _LENGTH_SIZE
    product: tuple[int, int] = (0, 0)
    if standard is Standard.INCITS_2004:
        owner, kind, *numbers = _HEADER_OF_INCITS.unpack_from(data, start)
        product = owner, kind
    else:
        numbers = list(_HEADER.unpack_from(data, start))
    device, level, count, units, scan_x, scan_y, image_x, image_y, depth, compression, reserved = numbers
    notes: list[Deviation] = []
    if count != len(spans):
        notes.append(Deviation(0, "count-misstated", f"the header states {count} image(s), {len(spans)} are there"))
    if reserved:
        text = f"the header's last two bytes are 0 (ISO/IEC 19794-4:2005); {reserved:#06x} is passed over"
        notes.append(Deviation(0, "reserved", text))
    common = View(
        position=0,
        width=0,
        height=0,
        compression=compression,
        image=b"",
        units=units_of(units, 0),
        scan_resolution=(scan_x, scan_y),
        image_resolution=(image_x, image_y),
        bit_depth=depth,
    )
    views = tuple(_view(data[begin:end], place, common, notes) for place, (begin, end) in enumerate(spans, 1))
    return Record(standard, views, device, level, product), notes


def _view(data: bytes, place: int, common: View, notes: list[Deviation]) -> View:
    """Return a view, of which ``common`` says what the record's header says of all."""
    _length, position, count, number, score, impression, width, height, reserved = _VIEW.unpack_from(data)
    if reserved:
        text = f"byte 13 is 0 (ISO/IEC 19794-4:2005); {reserved:#04x} is passed over"
        notes.append(Deviation(place, "reserved", text))
    return replace(
        common,
        position=position,
        width=width,
        height=height,
        image=data[_VIEW.size :],
        impression=impression,
        number=number,
        count=count,
        qualities=_quality(score, place, notes),
    )


def _layout(data: bytes) -> tuple[Standard, list[tuple[int, int]]]:
    """Tell 2005 from 2004 by whose lengths add up, and return where the views begin and end.

    Taken for 2005, the first view of 2004 would have a length of which the depth is the first byte: over 16 million. So
    never both.
    """
    fixed = len(IDENTIFIER + VERSION) + _LENGTH_SIZE
    iso, incits = fixed + _HEADER.size, fixed + _HEADER_OF_INCITS.size
    if len(data) < iso:
        raise FormatError(f"a record of ISO/IEC 19794-4:2005 begins with a header of {iso} bytes; got {len(data)}")
    length = int.from_bytes(data[8:fixed])
    if length != len(data):
        raise FormatError(f"the header states a length of {length} bytes (ISO/IEC 19794-4:2005); got {len(data)}")
    try:
        return Standard.ISO_2005, _spans(data, iso)
    except FormatError:
        try:
            return Standard.INCITS_2004, _spans(data, incits)
        except FormatError:
            pass
        raise


def _spans(data: bytes, at: int) -> list[tuple[int, int]]:
    """Return where each view begins and ends; they fill the record."""
    if at >= len(data):
        raise FormatError(f"a finger image record has at least one view; nothing follows its header of {at} bytes")
    spans: list[tuple[int, int]] = []
    while at < len(data):
        place = len(spans) + 1
        if place > MAX_VIEWS:
            raise FormatError(f"a record has at most {MAX_VIEWS} views; more follow")
        if len(data) - at < _VIEW.size:
            raise FormatError(
                f"view {place}: its header has {_VIEW.size} bytes (ISO/IEC 19794-4:2005); {len(data) - at} remain"
            )
        length = int.from_bytes(data[at : at + 4])
        if not _VIEW.size <= length <= len(data) - at:
            raise FormatError(
                f"view {place}: its length is {_VIEW.size} to the {len(data) - at} bytes that remain (ISO/IEC 19794-4:2005); "
                f"it states {length}"
            )
        spans.append((at, at + length))
        at += length
    return spans


def _quality(score: int, place: int, notes: list[Deviation]) -> tuple[Quality, ...]:
    """Return the one quality, none where it is undefined."""
    if score <= 100:
        return (Quality(score),)
    if score != _UNDEFINED:
        text = f"a quality is 0 to 100, or 254 for undefined (ISO/IEC 19794-4:2005); {score} is read as undefined"
        notes.append(Deviation(place, "quality", text))
    return ()


def write(record: Record) -> bytes:
    """Write a record of one of the two, whose numbers fit into their fields.

    Raises:
        FormatError: its views differ in what the header says of all, or say what only the edition of 2011 has a place for.

    """
    first = record.views[0]
    common = _common(first)
    views = []
    for place, view in enumerate(record.views, 1):
        _check_fits(view, place)
        if _common(view) != common:
            raise FormatError(
                f"view {place}: one record of {record.standard} has one resolution, depth and compression; "
                "write several records"
            )
        score = view.qualities[0].score if view.qualities else _UNDEFINED
        header = _VIEW.pack(
            _VIEW.size + len(view.image),
            view.position,
            view.count,
            view.number,
            score,
            view.impression,
            view.width,
            view.height,
            0,
        )
        views.append(header + view.image)
    product = struct.pack(">HH", *record.product) if record.standard is Standard.INCITS_2004 else b""
    header = _HEADER.pack(
        record.device,
        record.level,
        len(views),
        first.units,
        *first.scan_resolution,
        *first.image_resolution,
        first.bit_depth,
        first.compression,
        0,
    )
    body = b"".join((product, header, *views))
    start = IDENTIFIER + VERSION
    length = len(start) + _LENGTH_SIZE + len(body)
    return start + length.to_bytes(_LENGTH_SIZE) + body


def _common(view: View) -> tuple[object, ...]:
    return view.units, view.scan_resolution, view.image_resolution, view.bit_depth, view.compression


def _check_fits(view: View, place: int) -> None:
    """Refuse what only the edition of 2011 has a place for."""
    scores = [quality for quality in view.qualities if quality.score is None or quality.vendor or quality.algorithm]
    if len(view.qualities) > 1 or scores:
        raise FormatError(
            f"view {place}: an edition before 2011 holds one quality of 0 to 100 without its algorithm; "
            "write it by ISO/IEC 19794-4:2011"
        )
    if view.time != UNKNOWN_TIME or view.device != Device() or view.certifications or view.extended:
        raise FormatError(
            f"view {place}: an edition before 2011 has no place for time, device, certifications and extended data; "
            "write it by ISO/IEC 19794-4:2011"
        )
