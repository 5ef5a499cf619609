"""Reading pictures that no codec wraps, with Python and numpy only: PGM, BMP and TIFF with the grey values as such.

:func:`read` gives the pixels and the resolution that Pillow gives for the same file, and costs a copy of the pixels. It reads
binary PGM with 255 for white; BMP without compression, of 8 bits with a grey palette or of 24; TIFF of one picture, 8-bit grey,
in strips without compression. A file of another kind, or with anything in it that might mean another picture, is refused with
:data:`OTHER`, which is no verdict: a decoder for more kinds may read it. What no decoder could read is refused as damaged.

Every count and every offset is held to the file's length, and the size to the limits, before anything is made of them.
Sources: Netpbm's pgm(5); Microsoft's BITMAPINFOHEADER and its successors; TIFF 6.0, sections 2 to 4 and 8.
"""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import numpy as np

from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping

Picture = tuple[tuple[int, int], tuple[float, float], bytes]
"""Width and height, the file's own resolution across and down in dpi (0 if none), and the grey pixels."""

OTHER: Final = "C"
"""The letter for a kind that needs another decoder."""

CODECS: Final = ("PGM", "BMP", "TIFF")

_PGM: Final = re.compile(rb"P5" + rb"(?:\s|#[^\r\n]*[\r\n])++([0-9]{1,10})" * 3 + rb"\s")
_PGM_HEADER: Final = 1024
"""Bytes that a header takes with all its comments; one that is longer is left to others."""

_BMP_HEADERS: Final = (40, 108, 124)
_BMP_HEADER: Final = struct.Struct("<IIiHHIIIII")  # from its size to the number of its colours
_INCHES: Final = 39.3701  # a metre
_LUMA: Final = (19595, 38470, 7471)  # red, green and blue in grey, in parts of 65536 (ITU-R BT.601-7, 2.5.1)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS = 273, 274, 277, 278, 279
_ACROSS, _DOWN, _PLANES, _UNIT, _PREDICTOR, _FORMAT = 282, 283, 284, 296, 317, 339
_ONLY: Final = {
    _BITS: 8,
    _COMPRESSION: 1,
    _FILL_ORDER: 1,
    _ORIENTATION: 1,
    _SAMPLES: 1,
    _PLANES: 1,
    _PREDICTOR: 1,
    _FORMAT: 1,
}
"""The one value that these fields have here, where they are present."""

_NEEDED: Final = (_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _OFFSETS, _ROWS, _COUNTS)
_SAID: Final = frozenset({254, 255, 269, 270, 271, 272, 280, 281, 285, 297, 305, 306, 315, 316, 33432})
"""Fields that say nothing of how the picture is read: its role, its names, who made it, when and with what."""

_SHORT, _LONG, _RATIONAL = 3, 4, 5
_MAX_FIELDS: Final = 64


def read(codec: str, data: bytes, limits: Mapping[str, int]) -> Picture:
    """Read a file of one of the :data:`CODECS`; ``limits`` as :func:`check_size` takes them.

    Raises:
        RefusalError: too large or small (T), damaged (D), or of a kind that another decoder may read (C).

    """
    return {"PGM": _pgm, "BMP": _bmp, "TIFF": _tiff}[codec](data, limits)


def check_size(size: tuple[int, int], limits: Mapping[str, int]) -> None:
    """Hold a picture's width and height to ``min_side``, ``max_side`` and ``max_pixels``.

    Raises:
        RefusalError: one is beyond its limit (T).

    """
    width, height = size
    smallest, largest, pixels = limits["min_side"], limits["max_side"], limits["max_pixels"]
    if not (smallest <= width <= largest and smallest <= height <= largest and width * height <= pixels):
        raise RefusalError(
            "T",
            f"a side has {smallest} to {largest} pixels and a picture at most {pixels}; the header states "
            f"{width} x {height}",
        )


def _other(reason: str) -> NoReturn:
    raise RefusalError(OTHER, f"it needs another decoder: {reason}")


def _cut_short(end: int, data: bytes) -> NoReturn:
    raise RefusalError("D", f"the pixels end at byte {end}; the file has {len(data)} bytes: it is cut short")


# --- PGM -------------------------------------------------------------------------------------------------------------


def _pgm(data: bytes, limits: Mapping[str, int]) -> Picture:
    header = _PGM.match(data[:_PGM_HEADER])
    if header is None:
        _other("the header is none of a binary PGM")
    width, height, white = (int(number) for number in header.groups())
    check_size((width, height), limits)
    if white != 255:
        _other(f"white is {white}, not 255")
    end = header.end() + width * height
    if end > len(data):
        _cut_short(end, data)
    return (width, height), (0.0, 0.0), data[header.end() : end]


# --- BMP -------------------------------------------------------------------------------------------------------------


def _bmp(data: bytes, limits: Mapping[str, int]) -> Picture:
    if len(data) < 14 + _BMP_HEADERS[0] or data[:2] != b"BM":
        raise RefusalError("D", f"a BMP begins with BM and has headers of 54 bytes; this file has {len(data)}")
    length, width, height, planes, bits, compression, _, across, down, colours = _BMP_HEADER.unpack_from(data, 14)
    from_top = height < 0
    height = abs(height)
    check_size((width, height), limits)
    if length not in _BMP_HEADERS or planes != 1 or compression != 0 or bits not in {8, 24}:
        _other(f"header of {length} bytes, {planes} planes, compression {compression}, {bits} bits")
    colours = (colours or 256) if bits == 8 else 0
    begin = int.from_bytes(data[10:14], "little")
    behind = 14 + length + 4 * colours
    if begin in {0, 14 + length}:
        begin = behind
    if begin < behind:
        _other("the pixels begin before the palette ends")
    row = width * bits // 8
    stride = row + -row % 4
    end = begin + stride * (height - 1) + row  # the last row's padding may be missing
    if end > len(data):
        _cut_short(end, data)
    rows = np.ndarray((height, row), np.uint8, data, begin, (stride, 1))
    rows = rows if from_top else rows[::-1]
    pixels = _by_palette(rows, data[14 + length : behind]) if bits == 8 else _grey(rows.reshape(height, width, 3))
    return (width, height), (across / _INCHES, down / _INCHES), pixels


def _by_palette(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]], palette: bytes) -> bytes:
    """Return the grey values of 8-bit pixels by a palette of blue, green, red and nothing."""
    greys = palette[::4]
    if palette[1::4] != greys or palette[2::4] != greys or not 2 < len(greys) <= 256:
        _other("the palette is not of greys")
    pixels = rows.tobytes()
    if greys == bytes(range(len(greys))):
        return pixels
    if len(greys) < 256:
        _other("the palette is cut short")
    return pixels.translate(greys)


def _grey(colours: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> bytes:
    blue, green, red = (colours[..., at].astype(np.uint32) for at in range(3))
    weighted = red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]
    return (weighted + (1 << 15) >> 16).astype(np.uint8).tobytes()


# --- TIFF ------------------------------------------------------------------------------------------------------------


class _Field(NamedTuple):
    kind: int
    values: int
    word: bytes  # the value itself where it fits, else where it is


class _Directory:
    """The one directory of a TIFF file: its fields by their tags, with the numbers they hold."""

    def __init__(self, data: bytes) -> None:
        if data[:4] not in {b"II*\0", b"MM\0*"}:
            raise RefusalError("D", "a TIFF begins with its order of bytes and 42; this one does not")
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        begin = self._number("I", 4)
        count = self._number("H", begin)
        if count > _MAX_FIELDS:
            _other(f"a directory of {count} fields")
        self._fields: dict[int, _Field] = {}
        for at in range(begin + 2, begin + 2 + 12 * count, 12):
            word = data[at + 8 : at + 12]
            self._fields[self._number("H", at)] = _Field(self._number("H", at + 2), self._number("I", at + 4), word)
        if len(self._fields) < count:
            _other("a field is there twice")
        if self._number("I", begin + 2 + 12 * count) != 0:
            _other("more than one picture")

    def _number(self, form: str, at: int) -> int:
        length = 2 if form == "H" else 4
        if at + length > len(self._data):
            raise RefusalError("D", f"the directory ends behind byte {at}; the file has {len(self._data)} bytes")
        return int(struct.unpack_from(self._order + form, self._data, at)[0])

    def tags(self) -> set[int]:
        return set(self._fields)

    def count(self, tag: int) -> int:
        return self._fields[tag].values

    def one(self, tag: int) -> int:
        """Return a field's one number."""
        if self.count(tag) != 1:
            _other(f"field {tag} has {self.count(tag)} values")
        return self.all(tag)[0]

    def all(self, tag: int) -> tuple[int, ...]:
        """Return a field's numbers; its count is the caller's to look at before."""
        kind, count, word = self._fields[tag]
        if kind not in {_SHORT, _LONG}:
            _other(f"field {tag} is of type {kind}")
        form, length = ("H", 2 * count) if kind == _SHORT else ("I", 4 * count)
        held = word if length <= 4 else self._elsewhere(tag, length)
        return struct.unpack_from(f"{self._order}{count}{form}", held)

    def ratio(self, tag: int) -> float:
        """Return a field's one rational number, 1 where it is absent."""
        if tag not in self._fields:
            return 1.0
        kind, count, _ = self._fields[tag]
        if kind != _RATIONAL or count != 1:
            _other(f"field {tag} is no rational number")
        above, below = struct.unpack(f"{self._order}II", self._elsewhere(tag, 8))
        if below == 0:
            _other(f"field {tag} is a number divided by 0")
        return float(above / below)

    def _elsewhere(self, tag: int, length: int) -> bytes:
        (begin,) = struct.unpack(f"{self._order}I", self._fields[tag].word)
        if begin + length > len(self._data):
            raise RefusalError(
                "D",
                f"the values of field {tag} end at byte {begin + length}; the file has {len(self._data)} bytes",
            )
        return self._data[begin : begin + length]


def _tiff(data: bytes, limits: Mapping[str, int]) -> Picture:
    directory = _Directory(data)
    tags = directory.tags()
    if not tags.issuperset(_NEEDED):
        _other(f"no field {', '.join(str(tag) for tag in _NEEDED if tag not in tags)}")
    size = directory.one(_WIDTH), directory.one(_HEIGHT)
    check_size(size, limits)
    if unknown := tags - _SAID - _ONLY.keys() - {*_NEEDED, _ACROSS, _DOWN, _UNIT}:
        _other(f"field {min(unknown)} is there")
    for tag in tags & _ONLY.keys():
        if directory.one(tag) != _ONLY[tag]:
            _other(f"field {tag} is {directory.one(tag)}")
    from_white = directory.one(_PHOTOMETRIC)
    if from_white not in {0, 1}:
        _other(f"field {_PHOTOMETRIC} is {from_white}")
    pixels = b"".join(data[begin:end] for begin, end in _strips(directory, size, data))
    return size, _tiff_dpi(directory), pixels if from_white else pixels.translate(_TURNED)


_TURNED: Final = bytes(range(255, -1, -1))


def _strips(directory: _Directory, size: tuple[int, int], data: bytes) -> list[tuple[int, int]]:
    """Return where each strip begins and ends, all within the file and none over another."""
    width, height = size
    rows = min(directory.one(_ROWS), height)
    if rows == 0:
        raise RefusalError("D", "a strip has one row or more; the header states 0")
    expected = -(-height // rows)
    here = directory.count(_OFFSETS)
    if here < expected:
        raise RefusalError("D", f"{height} rows, {rows} a strip, are {expected} strips; the file has {here}")
    if here > expected or directory.count(_COUNTS) != expected:
        _other(f"{here} strips of {directory.count(_COUNTS)} lengths where {expected} are expected")
    offsets, counts = directory.all(_OFFSETS), directory.all(_COUNTS)
    lengths = [width * rows] * (expected - 1) + [width * (height - rows * (expected - 1))]
    if any(count < length for count, length in zip(counts, lengths, strict=True)):
        _other("a strip is said to be shorter than its rows")
    strips = [(begin, begin + length) for begin, length in zip(offsets, lengths, strict=True)]
    inorder = sorted(strips)
    if inorder[-1][1] > len(data):
        _cut_short(inorder[-1][1], data)
    if inorder[0][0] < 8 or any(end > begin for (_, end), (begin, _) in pairwise(inorder)):
        raise RefusalError("D", "each strip has bytes of its own; here two overlap, or one and the header")
    return strips


def _tiff_dpi(directory: _Directory) -> tuple[float, float]:
    across, down = directory.ratio(_ACROSS), directory.ratio(_DOWN)
    unit = directory.one(_UNIT) if _UNIT in directory.tags() else 2
    if unit not in {2, 3} or not across or not down:  # 2 an inch, 3 a centimetre, 1 of no unit
        return 0.0, 0.0
    return (across, down) if unit == 2 else (across * 2.54, down * 2.54)
