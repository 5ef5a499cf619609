"""Finger images of ISO/IEC 19794-4:2011: a header of 16 bytes and representations, each with all that describes it.

A representation says when and by what device the picture was taken, quality scores with the algorithms that gave them,
certifications of the device, position, size and resolution, and after the picture any number of extended data blocks
(segmentation, annotation, comments), which are kept as bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from typing import Final

from matcher.formats._cursor import FormatError
from matcher.formats._pictures import IDENTIFIER, MAX_VIEWS, units_of
from matcher.formats.deviations import Deviation
from matcher.formats.pictures import Certification, Device, ExtendedData, Quality, Record, Standard, View

VERSION: Final = b"020\x00"

MAX_BLOCKS: Final = 255
"""Extended data blocks of one representation; the standard sets no limit."""

BLOCK: Final = struct.Struct(">HH")
"""The header of an extended data block: its type and its length, which counts these 4 bytes."""

_HEADER: Final = struct.Struct(">8sIHBB")
_FRONT: Final = struct.Struct(">I9sBHHB")  # a representation's header up to its quality blocks
_QUALITY: Final = struct.Struct(">BHH")
_CERTIFICATION: Final = struct.Struct(">HB")
_TAIL: Final = struct.Struct(">BBB4HBBBHHI")  # from the position to the length of the image data
_NOT_COMPUTED: Final = 255  # quality


def read(data: bytes) -> tuple[Record, list[Deviation]]:
    """Read a record of this edition, and what was forgiven in taking it apart.

    Raises:
        FormatError: the bytes are no such record.

    """
    if len(data) < _HEADER.size:
        raise FormatError(
            f"a record of ISO/IEC 19794-4:2011 begins with a header of {_HEADER.size} bytes; got {len(data)}"
        )
    _start, length, count, certified, positions = _HEADER.unpack_from(data)
    if length != len(data):
        raise FormatError(f"the header states a length of {length} bytes; got {len(data)}")
    if certified > 1:
        raise FormatError(f"the certification flag in byte 14 is 0 or 1; got {certified}")
    if not 1 <= count <= MAX_VIEWS:
        raise FormatError(f"a record has 1 to {MAX_VIEWS} representations here; the header states {count}")
    notes: list[Deviation] = []
    views, at = [], _HEADER.size
    for place in range(1, count + 1):
        end = _end_of_representation(data, at, place)
        views.append(_representation(data[at:end], place, bool(certified), notes))
        at = end
    if at != len(data):
        raise FormatError(f"the record should end after its {count} representation(s); {len(data) - at} byte(s) follow")
    counts = Counter(view.position for view in views)
    if positions != len(counts):
        text = f"the header states {positions} different position(s), {len(counts)} are there"
        notes.append(Deviation(0, "positions-misstated", text))
    counted = tuple(replace(view, count=counts[view.position]) for view in views)
    return Record(Standard.ISO_2011, counted, certified=bool(certified)), notes


def _end_of_representation(data: bytes, at: int, place: int) -> int:
    least = _FRONT.size + _TAIL.size
    remain = len(data) - at
    if remain < least:
        raise FormatError(f"representation {place}: its header has at least {least} bytes; {remain} remain")
    length = int.from_bytes(data[at : at + 4])
    if not least <= length <= remain:
        raise FormatError(
            f"representation {place}: its length is {least} to the {remain} bytes that remain; it states {length}"
        )
    return at + length


def _representation(data: bytes, place: int, certified: bool, notes: list[Deviation]) -> View:
    _length, time, technology, vendor, device_type, quality_count = _FRONT.unpack_from(data)
    at = _FRONT.size
    qualities, at = _blocks(data, at, _QUALITY, quality_count, f"representation {place}: quality")
    certifications: list[tuple[int, ...]] = []
    if certified:
        count = _take(data, at, 1, f"representation {place}: the number of certifications")[0]
        certifications, at = _blocks(data, at + 1, _CERTIFICATION, count, f"representation {place}: certification")
    tail = _TAIL.unpack(_take(data, at, _TAIL.size, f"representation {place}: the description of the picture"))
    position, number, units, scan_x, scan_y, image_x, image_y, depth, compression, impression, width, height, size = (
        tail
    )
    at += _TAIL.size
    image = _take(data, at, size, f"representation {place}: the picture")
    return View(
        position=position,
        width=width,
        height=height,
        compression=compression,
        image=image,
        impression=impression,
        number=number,
        units=units_of(units, place),
        scan_resolution=(scan_x, scan_y),
        image_resolution=(image_x, image_y),
        bit_depth=depth,
        qualities=tuple(_quality(block, place, notes) for block in qualities),
        time=time,
        device=Device(technology, vendor, device_type),
        certifications=tuple(Certification(*block) for block in certifications),
        extended=_extended(data[at + size :], place, notes),
    )


def _blocks(data: bytes, at: int, form: struct.Struct, count: int, what: str) -> tuple[list[tuple[int, ...]], int]:
    """Return ``count`` blocks of one form and where the next byte is."""
    part = _take(data, at, count * form.size, f"{what} blocks")
    return list(form.iter_unpack(part)), at + len(part)


def _take(data: bytes, at: int, size: int, what: str) -> bytes:
    if len(data) - at < size:
        raise FormatError(f"{what} should have {size} byte(s); {len(data) - at} remain of the representation")
    return data[at : at + size]


def _quality(block: tuple[int, ...], place: int, notes: list[Deviation]) -> Quality:
    score, vendor, algorithm = block
    if 100 < score < _NOT_COMPUTED:
        text = f"a quality is 0 to 100, or 255 where computing it failed; {score} is read as 255"
        notes.append(Deviation(place, "quality", text))
    return Quality(score if score <= 100 else None, vendor, algorithm)


def _extended(data: bytes, place: int, notes: list[Deviation]) -> tuple[ExtendedData, ...]:
    """Take the blocks apart; a block's length counts its own 4 bytes, which not every writer knows."""
    for own in (BLOCK.size, 0):
        blocks = _split(data, own)
        if blocks is None:
            continue
        if own == 0:
            text = "the length of an extended data block counts its type and length; here it counts its data only"
            notes.append(Deviation(place, "extended-length", text))
        return blocks
    raise FormatError(
        f"representation {place}: {len(data)} byte(s) follow the picture; they should be extended data blocks, "
        "each with a type and a length of two bytes, and their lengths do not add up"
    )


def _split(data: bytes, own: int) -> tuple[ExtendedData, ...] | None:
    """Return the blocks that fill ``data``, None where they do not; ``own`` bytes of each length are its header's."""
    blocks: list[ExtendedData] = []
    at = 0
    while at < len(data):
        if len(data) - at < BLOCK.size:
            return None
        kind, length = BLOCK.unpack_from(data, at)
        begin = at + BLOCK.size
        at = begin + length - own
        if not begin <= at <= len(data):
            return None
        if len(blocks) == MAX_BLOCKS:
            raise FormatError(f"a representation has at most {MAX_BLOCKS} extended data blocks here; more are there")
        blocks.append(ExtendedData(kind, data[begin:at]))
    return tuple(blocks)


def write(record: Record) -> bytes:
    """Write a record of this edition, whose numbers fit into their fields."""
    written = [_written_representation(view, record.certified) for view in record.views]
    body = b"".join(written)
    positions = len({view.position for view in record.views})
    start = IDENTIFIER + VERSION
    length = _HEADER.size + len(body)
    return _HEADER.pack(start, length, len(written), record.certified, positions) + body


def _written_representation(view: View, certified: bool) -> bytes:
    qualities = [
        _QUALITY.pack(_NOT_COMPUTED if quality.score is None else quality.score, quality.vendor, quality.algorithm)
        for quality in view.qualities
    ]
    certifications = [_CERTIFICATION.pack(each.authority, each.scheme) for each in view.certifications]
    if certified:
        certifications.insert(0, bytes([len(certifications)]))
    tail = _TAIL.pack(
        view.position,
        view.number,
        view.units,
        *view.scan_resolution,
        *view.image_resolution,
        view.bit_depth,
        view.compression,
        view.impression,
        view.width,
        view.height,
        len(view.image),
    )
    blocks = [BLOCK.pack(each.type, BLOCK.size + len(each.data)) + each.data for each in view.extended]
    rest = b"".join((*qualities, *certifications, tail, view.image, *blocks))
    device = view.device
    length = _FRONT.size + len(rest)
    front = _FRONT.pack(length, view.time, device.technology, device.vendor, device.type, len(qualities))
    return front + rest
