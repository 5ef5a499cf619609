"""ISO/IEC 19794-2:2005 and INCITS 378-2004: one image size and resolution for all views.

The first grew from the second. Both begin with the same 8 bytes; then ISO/IEC has the record's length in 4 bytes, INCITS in
2, or where these are 0 in the 4 after them, and names its maker (CBEFF product identifier) in 4 more. From the capture
device on they are alike, except that ISO/IEC turns full circle in 256 steps and INCITS in 180.
"""

from __future__ import annotations

import struct
from typing import Final

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
from matcher.formats.deviations import Deviation
from matcher.formats.minutiae import Device, FingerView, Format, Quality, Record

VERSION: Final = b" 20\x00"
VERSION_WITH_ZERO: Final = b"020\x00"

_IMAGE: Final = struct.Struct(">HHHHHBB")
_VIEW: Final = struct.Struct(">BBBB")
_SHORT: Final = 0xFFFF

GRAMMARS: Final = {
    Format.ISO_2005: Grammar(
        Format.ISO_2005,
        VERSION,
        256,
        Dialect(256, each=True, counts_header=False, zones=3, clause="7.5.1.1"),
        header="7.3",
        view="7.4.1",
        minutiae="7.4.2",
    ),
    Format.INCITS_2004: Grammar(
        Format.INCITS_2004,
        VERSION,
        180,
        Dialect(180, each=False, counts_header=True, zones=0, clause="INCITS 378-2004, 6.6.1"),
        header="INCITS 378-2004, 6.4",
        view="INCITS 378-2004, 6.5.1",
        minutiae="INCITS 378-2004, 6.5.2",
    ),
}


def read(data: bytes, grammar: Grammar) -> Record:
    """Read a record of one of the two.

    Raises:
        FormatError: the bytes are no such record.

    """
    cursor = Cursor(data)
    cursor.at = START
    length, product = _length(cursor, grammar)
    try:
        views, notes = _views(cursor, grammar)
        notes += end(cursor, length, len(views), grammar)
    except FormatError as error:
        raise refused(length, data, grammar, error) from error
    return Record(grammar.format, tuple(views), product, tuple(_version(data, grammar) + notes))


def write(record: Record, grammar: Grammar) -> bytes:
    """Write a record of one of the two.

    Raises:
        FormatError: it does not fit into the format.

    """
    first = record.views[0]
    for place, view in enumerate(record.views, 1):
        check_view(view, place, grammar)
        if (view.size, view.per_cm, view.device) != (first.size, first.per_cm, first.device):
            raise FormatError(
                f"{grammar.format} has one image size, resolution and device for all views ({grammar.header}); view {place} "
                "has others: write several records"
            )
    body = b"".join(_written_view(view, grammar) for view in record.views)
    device = fitting(first.device.certified, 4, "compliance") << 12 | fitting(first.device.id, 12, "a device's number")
    rest = _IMAGE.pack(device, *first.size, *first.per_cm, len(record.views), 0) + body
    return IDENTIFIER + grammar.version + _written_length(record, len(rest), grammar) + rest


def _length(cursor: Cursor, grammar: Grammar) -> tuple[int, tuple[int, int]]:
    """Return the length that the header states and the product identifier."""
    data = cursor.data
    iso = grammar.format is Format.ISO_2005
    long = data[START : START + 2] == bytes(2)
    size = START + _IMAGE.size + (4 if iso else 10 if long else 6)
    short = f"a record begins with a header of {size} bytes ({grammar.header})"
    if len(data) < size:
        raise FormatError(f"{short}; got {len(data)} byte(s)")
    if iso:
        return cursor.number(4, short), (0, 0)
    length = cursor.number(2, short) or cursor.number(4, short)
    return length, (cursor.number(2, short), cursor.number(2, short))


def _views(cursor: Cursor, grammar: Grammar) -> tuple[list[FingerView], list[Deviation]]:
    """Return the views after the header's last part, which describes the device and the image of them all."""
    both, width, height, across, down, count, reserved = _IMAGE.unpack(cursor.take(_IMAGE.size, ""))
    device = Device(id=both & 0xFFF, certified=both >> 12)
    size, per_cm = (width, height), (across, down)
    check_image(size, per_cm, grammar.header)
    if count == 0:
        raise FormatError(f"a record has at least one finger view ({grammar.header}); the header states none")
    views: list[FingerView] = []
    notes: list[Deviation] = []
    if reserved:
        text = f"the last byte of the header is reserved and 0 ({grammar.header}); got {reserved}: read over"
        notes.append(Deviation(0, "reserved", text))
    for place in range(1, count + 1):
        header, minutiae = _view_header(cursor, place, grammar, size, per_cm, device)
        view, more = read_view(cursor, header, minutiae, grammar, last=place == count)
        views.append(view)
        notes += more
    return views, notes


def _written_length(record: Record, rest: int, grammar: Grammar) -> bytes:
    if grammar.format is Format.ISO_2005:
        if record.product != (0, 0):
            raise FormatError(f"{grammar.format} names no product ({grammar.header}): leave it out")
        return (START + 4 + rest).to_bytes(4)
    product = b"".join(fitting(number, 16, "a product's number").to_bytes(2) for number in record.product)
    length = START + 6 + rest
    return (length.to_bytes(2) if length <= _SHORT else bytes(2) + (length + 4).to_bytes(4)) + product


def _version(data: bytes, grammar: Grammar) -> list[Deviation]:
    if data[4:8] == grammar.version:
        return []
    text = f"the version is {grammar.version!r} ({grammar.header}); got {data[4:8]!r}: read as the same number"
    return [Deviation(0, "version", text)]


def _view_header(
    cursor: Cursor, place: int, grammar: Grammar, size: tuple[int, int], per_cm: tuple[int, int], device: Device
) -> tuple[ViewHeader, int]:
    """Return the header of the view at the cursor and its number of minutiae."""
    position, both, quality, minutiae = _VIEW.unpack(
        cursor.take(_VIEW.size, f"view {place}: its header has {_VIEW.size} bytes ({grammar.view})")
    )
    header = ViewHeader(place, position, both >> 4, both & 0xF, (Quality(quality),), size, per_cm, device)
    return header, minutiae


def _written_view(view: FingerView, grammar: Grammar) -> bytes:
    impression = fitting(view.impression, 4, f"an impression ({grammar.view})")
    header = _VIEW.pack(view.position, view.number << 4 | impression, view.score or 0, len(view.x))
    return header + write_view(view, grammar)
