"""INCITS 378-2009 with its amendment, and the draft of 2007 in between: an image size and resolution for each view.

The header has 21 bytes: identifier, version, length in 4 bytes, the product's owner and type, certification in 1 byte, the
device in 2, the number of views and a reserved byte. The draft has 20, for its certification shares the device's 2 bytes as
in 2004. The amendment of 2010 differs in its version (035), which ISO/IEC 19794-2:2011 had taken as well (030), and in the
positions it allows. A view's header has 17 bytes, its directions turn full circle in 180 steps.
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
from matcher.formats.minutiae import NOT_REPORTED, Device, FingerView, Format, Quality, Record

if TYPE_CHECKING:
    from matcher.formats.deviations import Deviation

_HEADER: Final = struct.Struct(">IHHBHBB")
_DRAFT_HEADER: Final = struct.Struct(">IHHHBB")
_VIEW: Final = struct.Struct(">BBBBHHHHHHB")


def _grammar(edition: Format, version: bytes) -> Grammar:
    where = str(edition)
    return Grammar(
        edition,
        version,
        180,
        Dialect(180, each=False, counts_header=True, zones=0, clause=f"{where}, extended data"),
        header=f"{where}, record header",
        view=f"{where}, finger view header",
        minutiae=f"{where}, finger minutiae",
    )


GRAMMARS: Final = {
    Format.INCITS_2007: _grammar(Format.INCITS_2007, b"030\x00"),
    Format.INCITS_2009: _grammar(Format.INCITS_2009, b"030\x00"),
    Format.INCITS_2009_AM1: _grammar(Format.INCITS_2009_AM1, b"035\x00"),
}


def read(data: bytes, grammar: Grammar) -> Record:
    """Read a record of one of the three.

    Raises:
        FormatError: the bytes are no such record.

    """
    cursor = Cursor(data)
    cursor.at = START
    length, product, device, count, reserved = _header(cursor, grammar)
    try:
        views, notes = _views(cursor, device, count, reserved, grammar)
        notes += end(cursor, length, count, grammar)
    except FormatError as error:
        raise refused(length, data, grammar, error) from error
    return Record(grammar.format, tuple(views), product, tuple(notes))


def write(record: Record, grammar: Grammar) -> bytes:
    """Write a record of one of the three.

    Raises:
        FormatError: it does not fit into the format.

    """
    device = record.views[0].device
    for place, view in enumerate(record.views, 1):
        check_view(view, place, grammar)
        if view.device != device:
            raise FormatError(
                f"{grammar.format} has one device for all views ({grammar.header}): write several records"
            )
    body = b"".join(_written_view(view, grammar) for view in record.views)
    product = [fitting(number, 16, "a product's number") for number in record.product]
    if grammar.format is Format.INCITS_2007:
        both = fitting(device.certified, 4, "compliance") << 12 | fitting(device.id, 12, "a device's number")
        length = START + _DRAFT_HEADER.size + len(body)
        header = _DRAFT_HEADER.pack(length, *product, both, len(record.views), 0)
    else:
        certified, number = fitting(device.certified, 8, "certification"), fitting(device.id, 16, "a device's number")
        length = START + _HEADER.size + len(body)
        header = _HEADER.pack(length, *product, certified, number, len(record.views), 0)
    return IDENTIFIER + grammar.version + header + body


def _header(cursor: Cursor, grammar: Grammar) -> tuple[int, tuple[int, int], Device, int, int]:
    """Return the length stated, the product, the device, the number of views and the reserved byte."""
    layout = _DRAFT_HEADER if grammar.format is Format.INCITS_2007 else _HEADER
    size = START + layout.size
    if len(cursor.data) < size:
        raise FormatError(
            f"a record begins with a header of {size} bytes ({grammar.header}); got {len(cursor.data)} byte(s)"
        )
    fields = layout.unpack(cursor.take(layout.size, ""))
    length, owner, kind = fields[:3]
    if grammar.format is Format.INCITS_2007:
        device = Device(id=fields[3] & 0xFFF, certified=fields[3] >> 12)
    else:
        device = Device(id=fields[4], certified=fields[3])
    return length, (owner, kind), device, fields[-2], fields[-1]


def _views(
    cursor: Cursor, device: Device, count: int, reserved: int, grammar: Grammar
) -> tuple[list[FingerView], list[Deviation]]:
    if count == 0:
        raise FormatError(f"a record has at least one finger view ({grammar.header}); the header states none")
    if reserved:
        raise FormatError(f"the last byte of the header is reserved and 0 ({grammar.header}); got {reserved}")
    views, notes = [], []
    for place in range(1, count + 1):
        header, minutiae = _view_header(cursor, place, grammar, device)
        view, more = read_view(cursor, header, minutiae, grammar, last=place == count)
        views.append(view)
        notes += more
    return views, notes


def _view_header(cursor: Cursor, place: int, grammar: Grammar, device: Device) -> tuple[ViewHeader, int]:
    """Return the header of the view at the cursor and its number of minutiae."""
    position, number, impression, score, owner, algorithm, width, height, across, down, minutiae = _VIEW.unpack(
        cursor.take(_VIEW.size, f"view {place}: its header has {_VIEW.size} bytes ({grammar.view})")
    )
    quality = Quality(score, owner, algorithm)
    size, per_cm = (width, height), (across, down)
    check_image(size, per_cm, grammar.view)
    return ViewHeader(place, position, number, impression, (quality,), size, per_cm, device), minutiae


def _written_view(view: FingerView, grammar: Grammar) -> bytes:
    if len(view.qualities) > 1:
        raise FormatError(f"a view has one quality ({grammar.view}); got {len(view.qualities)}: choose one")
    quality = view.qualities[0] if view.qualities else Quality(NOT_REPORTED)
    header = _VIEW.pack(
        view.position,
        view.number,
        fitting(view.impression, 8, "an impression"),
        fitting(quality.score, 8, "a quality"),
        fitting(quality.owner, 16, "a quality's owner"),
        fitting(quality.algorithm, 16, "a quality's algorithm"),
        *view.size,
        *view.per_cm,
        len(view.x),
    )
    return header + write_view(view, grammar)
