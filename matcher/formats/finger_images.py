"""Finger image records: ISO/IEC 19794-4:2005 and 19794-4:2011, and ANSI/INCITS 381-2004, from which the first one grew.

A record holds pictures of fingers, of several fingers at once or of palms, each with its position, size and resolution.
:func:`read` takes a record apart and :func:`write` makes one; both count bytes and believe nothing. The picture itself is
passed on as it came, with the compression that the record states: what it really is, its own bytes tell
(:mod:`matcher.images`). Where the picture states a resolution too, the record's counts.

All numbers are big-endian. The edition of 2005 has one header of 32 bytes (the length in 6 bytes, resolutions,
depth and compression for all pictures) and before each picture a view header of 14. ANSI/INCITS 381-2004 begins
with the same 8 bytes and has 4 more, the product identifier, after the length; which one it is, only the lengths tell.
The edition of 2011 has a header of 16 bytes and describes each picture (a representation) by itself: when and by what
device it was taken, quality scores with the algorithms that gave them, certifications of the device, and after the
picture any number of extended data blocks (segmentation, annotation, comments), which are kept as bytes.

What differs from the standard and can be read all the same is named in :attr:`Record.deviations`; :func:`write` refuses
it.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from matcher.formats import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 10_000_000
MAX_VIEWS: Final = 255
"""The edition of 2005 counts views in one byte; the same limit is held for 2011, which has two."""

MAX_BLOCKS: Final = 255
"""Extended data blocks of one representation; the standard sets no limit."""

MIN_DPI: Final = 100
MAX_DPI: Final = 2_000

_MAGIC: Final = b"FIR\x00"
_VERSION_2005: Final = b"010\x00"
_VERSION_2011: Final = b"020\x00"
_CM_PER_INCH: Final = 2.54
_LENGTH_SIZE: Final = 6  # of the record's length in the editions of 2004 and 2005

_HEADER_2005: Final = struct.Struct(">HHBB4HBBH")  # after magic, version and length
_HEADER_2004: Final = struct.Struct(">HHHHBB4HBBH")  # the same after a product identifier of two numbers
_VIEW: Final = struct.Struct(">IBBBBBHHB")
_HEADER_2011: Final = struct.Struct(">8sIHBB")
_FRONT: Final = struct.Struct(">I9sBHHB")  # a representation's header up to its quality blocks
_QUALITY: Final = struct.Struct(">BHH")
_CERTIFICATION: Final = struct.Struct(">HB")
_TAIL: Final = struct.Struct(">BBB4HBBBHHI")  # from the position to the length of the image data
_BLOCK: Final = struct.Struct(">HH")

_FINGERS: Final = frozenset({*range(11), 13, 14, 15})
_PALMS: Final = frozenset(range(20, 37))
_COMBINATIONS: Final = frozenset(range(40, 51))  # two or three fingers, 2011 only
_LEVELS: Final = frozenset({10, 20, 30, 31, 40, 41})
_UNDEFINED_2005: Final = 254  # quality
_NOT_COMPUTED: Final = 255  # quality
_LAST_TECHNOLOGY: Final = 19


class Standard(StrEnum):
    """The three layouts."""

    INCITS_2004 = "ANSI/INCITS 381-2004"
    ISO_2005 = "ISO/IEC 19794-4:2005"
    ISO_2011 = "ISO/IEC 19794-4:2011"


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


class Compression(StrEnum):
    """How a record says that its picture is coded."""

    RAW = "raw"  # one or two bytes a pixel
    PACKED = "packed"  # as many bits a pixel as its depth
    WSQ = "WSQ"
    JPEG = "JPEG"
    JPEG_2000 = "JPEG 2000"
    JPEG_2000_LOSSLESS = "JPEG 2000 lossless"  # 2011 only
    PNG = "PNG"


_CODES_2005: Final = (
    Compression.RAW,
    Compression.PACKED,
    Compression.WSQ,
    Compression.JPEG,
    Compression.JPEG_2000,
    Compression.PNG,
)
_CODES_2011: Final = (*_CODES_2005[:5], Compression.JPEG_2000_LOSSLESS, Compression.PNG)


class Units(IntEnum):
    """What resolutions count pixels by."""

    INCH = 1
    CENTIMETRE = 2


@dataclass(frozen=True, slots=True)
class Quality:
    """A score from 0 to 100, None where it could not be computed, and who defined the algorithm (0, 0: unknown)."""

    score: int | None
    vendor: int = 0
    algorithm: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """What took the picture: a technology (0 unknown, 1-19), and a vendor's number with its number for the type."""

    technology: int = 0
    vendor: int = 0
    type: int = 0


@dataclass(frozen=True, slots=True)
class Certification:
    """A certification of the device: who certified it, and by which scheme."""

    authority: int
    scheme: int


@dataclass(frozen=True, slots=True)
class ExtendedData:
    """A block after the picture, as it came: type 1 segmentation, 2 annotation, 3-255 comment, from 256 a vendor's own."""

    type: int
    data: bytes = field(repr=False)


UNKNOWN_TIME: Final = b"\xff" * 9


@dataclass(frozen=True, slots=True)
class View:
    """One picture: a finger image view (2005) or a finger representation (2011).

    ``position`` is 0-10 for a finger, 13-15 for slaps, 20-36 for palms, in 2011 also 40-50 for two or three fingers;
    ``impression`` has the codes of its edition. ``width`` and ``height`` are pixels, resolutions pixels per ``units``,
    across and down. ``number`` tells views of one position apart, from 1 in 2005 and from 0 in 2011; ``count`` is how
    many views of this position there are (in 2005 as stated). ``compression`` is the code as stated, which need not be
    the truth. ``time`` is when the picture was taken in the 9 bytes of 2011, see :attr:`captured`; in 2005 there is none,
    nor are device, certifications and extended data, and at most one quality without an algorithm.
    """

    position: int
    width: int
    height: int
    compression: int
    image: bytes = field(repr=False)
    impression: int = 0
    number: int = 1
    count: int = 1
    units: Units = Units.INCH
    scan_resolution: tuple[int, int] = (500, 500)
    image_resolution: tuple[int, int] = (500, 500)
    bit_depth: int = 8
    qualities: tuple[Quality, ...] = ()
    time: bytes = UNKNOWN_TIME
    device: Device = Device()
    certifications: tuple[Certification, ...] = ()
    extended: tuple[ExtendedData, ...] = ()

    @property
    def dpi(self) -> tuple[float, float]:
        """Pixels per inch across and down; 197 per centimetre are 500 dpi. The scanner's where the picture's are 0."""
        across, down = (
            _dpi(image or scan, self.units)
            for image, scan in zip(self.image_resolution, self.scan_resolution, strict=True)
        )
        return across, down

    @property
    def captured(self) -> dt.datetime | None:
        """When the picture was taken (UTC), None where the record does not say or says no date."""
        year, month, day, hour, minute, second, milliseconds = struct.unpack(">HBBBBBH", self.time)
        try:
            return dt.datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=dt.UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing in which the bytes differ from the standard and were read all the same.

    ``view`` is the view's place from 1, 0 for the record; ``code`` never changes; ``text`` says what the standard asks
    for, what came, and how it was read. The codes:

    - ``count-misstated``, ``positions-misstated``: the header counts other views or positions than there are;
    - ``view-count``, ``view-number``: a view counts the views of its position wrongly, or has the number of another;
    - ``position``, ``impression``, ``compression``, ``technology``, ``acquisition-level``: a code without a meaning;
    - ``quality``: a score outside of 0 to 100 that does not stand for an unknown one;
    - ``capture-time``: the time is no date;
    - ``image-resolution``: it is missing, and the scan's is taken; ``resolution``: it is finer than the scan's;
    - ``extended-length``: blocks do not count their own header; ``extended-type``: a block of the reserved type 0;
    - ``certifications``: there are some although the record says that it has none (only in values never written);
    - ``reserved``: bytes that should be 0 are not.
    """

    view: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A finger image record; ``device`` and ``level`` are of 2004 and 2005, ``product`` of 2004, ``certified`` of 2011.

    ``device`` is the capture device's number, ``level`` the image acquisition level (30 and 31 are 500 dpi), ``product``
    the CBEFF product identifier, owner and type; ``certified`` says that representations have a place for
    certifications.
    """

    standard: Standard
    views: tuple[View, ...]
    device: int = 0
    level: int = 0
    product: tuple[int, int] = (0, 0)
    certified: bool = False
    deviations: tuple[Deviation, ...] = ()

    def compression(self, view: View) -> Compression | None:
        """Return what a view's compression code means in this edition, None where it means nothing."""
        codes = _codes(self.standard)
        return codes[view.compression] if view.compression < len(codes) else None


def read(data: bytes) -> Record:
    """Read a finger image record of any of the three layouts.

    The cost is linear in the length of ``data``, of which at most :data:`MAX_BYTES` are taken.

    Raises:
        FormatError: the bytes are not one whole record, or a picture has no size, no resolution or too few bytes.

    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a finger image record has at most {MAX_BYTES} bytes here; got {len(data)}: divide it")
    if data[:4] != _MAGIC:
        raise FormatError(f"a finger image record begins with {_MAGIC!r} (ISO/IEC 19794-4); got {data[:4]!r}")
    version = data[4:8]
    if version == _VERSION_2011:
        record, found = _read_2011(data)
    elif version == _VERSION_2005:
        record, found = _read_2005(data)
    else:
        raise FormatError(
            f"a finger image record has version {_VERSION_2005!r} (2005) or {_VERSION_2011!r} (2011) in bytes 4 to 7; "
            f"got {version!r}"
        )
    for place, view in enumerate(record.views, 1):
        _check(view, place, record.compression(view))
    return replace(record, deviations=(*found, *_deviations(record)))


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
        raise FormatError(f"{_where(deviation.view)}{deviation.text}")
    return _write_2011(record) if record.standard is Standard.ISO_2011 else _write_2005(record)


# The editions of 2004 and 2005


def _read_2005(data: bytes) -> tuple[Record, list[Deviation]]:
    standard, spans = _layout(data)
    start = len(_MAGIC + _VERSION_2005) + _LENGTH_SIZE
    product: tuple[int, int] = (0, 0)
    if standard is Standard.INCITS_2004:
        owner, kind, *numbers = _HEADER_2004.unpack_from(data, start)
        product = owner, kind
    else:
        numbers = list(_HEADER_2005.unpack_from(data, start))
    device, level, count, units, scan_x, scan_y, image_x, image_y, depth, compression, reserved = numbers
    found = []
    if count != len(spans):
        found.append(Deviation(0, "count-misstated", f"the header states {count} image(s), {len(spans)} are there"))
    if reserved:
        found.append(
            Deviation(
                0,
                "reserved",
                f"the header's last two bytes are 0 (ISO/IEC 19794-4:2005); {reserved:#06x} is passed over",
            )
        )
    views = []
    for place, (begin, end) in enumerate(spans, 1):
        _length, position, views_stated, number, score, impression, width, height, spare = _VIEW.unpack_from(
            data, begin
        )
        if spare:
            found.append(
                Deviation(place, "reserved", f"byte 13 is 0 (ISO/IEC 19794-4:2005); {spare:#04x} is passed over")
            )
        views.append(
            View(
                position=position,
                width=width,
                height=height,
                compression=compression,
                image=data[begin + _VIEW.size : end],
                impression=impression,
                number=number,
                count=views_stated,
                units=_units(units, 0),
                scan_resolution=(scan_x, scan_y),
                image_resolution=(image_x, image_y),
                bit_depth=depth,
                qualities=_quality_2005(score, place, found),
            )
        )
    return Record(standard, tuple(views), device, level, product), found


def _layout(data: bytes) -> tuple[Standard, list[tuple[int, int]]]:
    """Tell 2005 from 2004 by whose lengths add up, and return where the views begin and end.

    Taken for 2005, the first view of 2004 would have a length of which the depth is the first byte: over 16 million. So
    never both.
    """
    fixed = len(_MAGIC + _VERSION_2005) + _LENGTH_SIZE
    iso, incits = fixed + _HEADER_2005.size, fixed + _HEADER_2004.size
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


def _quality_2005(score: int, place: int, found: list[Deviation]) -> tuple[Quality, ...]:
    """Return the one quality, none where it is undefined."""
    if score <= 100:
        return (Quality(score),)
    if score != _UNDEFINED_2005:
        text = f"a quality is 0 to 100, or 254 for undefined (ISO/IEC 19794-4:2005); {score} is read as undefined"
        found.append(Deviation(place, "quality", text))
    return ()


def _write_2005(record: Record) -> bytes:
    first = record.views[0]
    common = _common(first)
    views = []
    for place, view in enumerate(record.views, 1):
        _check_fits_2005(view, place)
        if _common(view) != common:
            raise FormatError(
                f"view {place}: one record of {record.standard} has one resolution, depth and compression; "
                "write several records"
            )
        score = view.qualities[0].score if view.qualities else _UNDEFINED_2005
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
    header = _HEADER_2005.pack(
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
    start = _MAGIC + _VERSION_2005
    length = len(start) + _LENGTH_SIZE + len(body)
    return start + length.to_bytes(_LENGTH_SIZE) + body


def _common(view: View) -> tuple[object, ...]:
    return view.units, view.scan_resolution, view.image_resolution, view.bit_depth, view.compression


def _check_fits_2005(view: View, place: int) -> None:
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


# The edition of 2011


def _read_2011(data: bytes) -> tuple[Record, list[Deviation]]:
    if len(data) < _HEADER_2011.size:
        raise FormatError(
            f"a record of ISO/IEC 19794-4:2011 begins with a header of {_HEADER_2011.size} bytes; got {len(data)}"
        )
    _start, length, count, certified, positions = _HEADER_2011.unpack_from(data)
    if length != len(data):
        raise FormatError(f"the header states a length of {length} bytes; got {len(data)}")
    if certified > 1:
        raise FormatError(f"the certification flag in byte 14 is 0 or 1; got {certified}")
    if not 1 <= count <= MAX_VIEWS:
        raise FormatError(f"a record has 1 to {MAX_VIEWS} representations here; the header states {count}")
    found: list[Deviation] = []
    views, at = [], _HEADER_2011.size
    for place in range(1, count + 1):
        end = _end_of_representation(data, at, place)
        views.append(_read_representation(data[at:end], place, bool(certified), found))
        at = end
    if at != len(data):
        raise FormatError(f"the record should end after its {count} representation(s); {len(data) - at} byte(s) follow")
    counts = Counter(view.position for view in views)
    if positions != len(counts):
        text = f"the header states {positions} different position(s), {len(counts)} are there"
        found.append(Deviation(0, "positions-misstated", text))
    counted = tuple(replace(view, count=counts[view.position]) for view in views)
    return Record(Standard.ISO_2011, counted, certified=bool(certified)), found


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


def _read_representation(data: bytes, place: int, certified: bool, found: list[Deviation]) -> View:
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
        units=_units(units, place),
        scan_resolution=(scan_x, scan_y),
        image_resolution=(image_x, image_y),
        bit_depth=depth,
        qualities=tuple(_quality_2011(block, place, found) for block in qualities),
        time=time,
        device=Device(technology, vendor, device_type),
        certifications=tuple(Certification(*block) for block in certifications),
        extended=_extended(data[at + size :], place, found),
    )


def _blocks(data: bytes, at: int, form: struct.Struct, count: int, what: str) -> tuple[list[tuple[int, ...]], int]:
    """Return ``count`` blocks of one form and where the next byte is."""
    part = _take(data, at, count * form.size, f"{what} blocks")
    return list(form.iter_unpack(part)), at + len(part)


def _take(data: bytes, at: int, size: int, what: str) -> bytes:
    if len(data) - at < size:
        raise FormatError(f"{what} should have {size} byte(s); {len(data) - at} remain of the representation")
    return data[at : at + size]


def _quality_2011(block: tuple[int, ...], place: int, found: list[Deviation]) -> Quality:
    score, vendor, algorithm = block
    if 100 < score < _NOT_COMPUTED:
        text = f"a quality is 0 to 100, or 255 where computing it failed; {score} is read as 255"
        found.append(Deviation(place, "quality", text))
    return Quality(score if score <= 100 else None, vendor, algorithm)


def _extended(data: bytes, place: int, found: list[Deviation]) -> tuple[ExtendedData, ...]:
    """Take the blocks apart; a block's length counts its own 4 bytes, which not every writer knows."""
    for own in (_BLOCK.size, 0):
        blocks = _split(data, own)
        if blocks is None:
            continue
        if own == 0:
            text = "the length of an extended data block counts its type and length; here it counts its data only"
            found.append(Deviation(place, "extended-length", text))
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
        if len(data) - at < _BLOCK.size:
            return None
        kind, length = _BLOCK.unpack_from(data, at)
        begin = at + _BLOCK.size
        at = begin + length - own
        if not begin <= at <= len(data):
            return None
        if len(blocks) == MAX_BLOCKS:
            raise FormatError(f"a representation has at most {MAX_BLOCKS} extended data blocks here; more are there")
        blocks.append(ExtendedData(kind, data[begin:at]))
    return tuple(blocks)


def _write_2011(record: Record) -> bytes:
    representations = [_representation(view, record.certified) for view in record.views]
    body = b"".join(representations)
    positions = len({view.position for view in record.views})
    start = _MAGIC + _VERSION_2011
    length = _HEADER_2011.size + len(body)
    return _HEADER_2011.pack(start, length, len(representations), record.certified, positions) + body


def _representation(view: View, certified: bool) -> bytes:
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
    blocks = [_BLOCK.pack(each.type, _BLOCK.size + len(each.data)) + each.data for each in view.extended]
    rest = b"".join((*qualities, *certifications, tail, view.image, *blocks))
    device = view.device
    length = _FRONT.size + len(rest)
    front = _FRONT.pack(length, view.time, device.technology, device.vendor, device.type, len(qualities))
    return front + rest


# What every edition asks of a picture


def _codes(standard: Standard) -> tuple[Compression, ...]:
    return _CODES_2011 if standard is Standard.ISO_2011 else _CODES_2005


def _units(code: int, place: int) -> Units:
    try:
        return Units(code)
    except ValueError:
        raise FormatError(
            f"{_where(place)}scale units are 1 (pixels per inch) or 2 (per centimetre); got {code}"
        ) from None


def _where(place: int) -> str:
    return f"view {place}: " if place else ""


def _dpi(resolution: int, units: Units) -> float:
    """Return the resolution in dpi; whole pixels per centimetre stand for a round one (197 for 500, 394 for 1000)."""
    if units is Units.INCH:
        return float(resolution)
    dpi = resolution * _CM_PER_INCH
    round_dpi = round(dpi / 50) * 50
    return float(round_dpi) if round(round_dpi / _CM_PER_INCH) == resolution else dpi


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
        *(_BLOCK.size + len(each.data) for each in view.extended),
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
