"""What an image says of itself in its first bytes: its compression and its size, without decoding it.

A record states compression and size beside the image (CGA, HLL, VLL), and senders state them wrongly. :func:`read` finds the
codec's own header: the frame of WSQ (FBI IAFIS-IC-0110, SOF), of JPEG (ISO/IEC 10918-1, B.2.2), IHDR of PNG (ISO/IEC
15948, 11.2.2) and SIZ of JPEG 2000 (ISO/IEC 15444-1, A.5.1). Standard library only. The bytes are hostile: at most
:data:`MAX_SEGMENTS` segments are stepped over, each one's length is compared with what is there, and nothing is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_SEGMENTS: Final = 64
"""Segments or boxes that are looked at before a frame; comments and tables come first, and few."""

_WSQ_FRAME: Final = 0xFFA2
_JPEG_FRAMES: Final = frozenset({*range(0xFFC0, 0xFFD0)} - {0xFFC4, 0xFFC8, 0xFFCC})
_JPEG_LOSSLESS: Final = frozenset({0xFFC3, 0xFFC7, 0xFFCB, 0xFFCF})
_SIZ_BYTES: Final = 38


class Compression(StrEnum):
    """How the pixels are encoded, with the codes of field 14.011 CGA (table 15)."""

    NONE = "NONE"
    WSQ = "WSQ20"
    PNG = "PNG"
    JP2 = "JP2"
    JP2L = "JP2L"


@dataclass(frozen=True, slots=True)
class Header:
    """``compression`` as table 15 writes it; ``width`` and ``height`` in pixels, 0 where the header does not come."""

    compression: str
    width: int
    height: int


def read(data: bytes) -> Header | None:
    """Return what the first bytes say, or None where no codec is known by them: raw pixels, facsimile, or no image."""
    found = compression_of(data)
    if found is Compression.WSQ:
        return Header("WSQ20", *_sides(_segment(data, frozenset({_WSQ_FRAME}))[1], at=4))
    if found is Compression.PNG:
        return Header("PNG", *_png(data))
    if found is not Compression.NONE:
        return Header(str(found), *_jpeg_2000(data))
    if data.startswith(b"\xff\xd8\xff"):
        marker, frame = _segment(data, _JPEG_FRAMES)
        return Header("JPEGL" if marker in _JPEG_LOSSLESS else "JPEGB", *_sides(frame, at=3))
    return None


def compression_of(data: bytes) -> Compression:
    """Return the compression that the first bytes of an image show, without decoding it.

    JPEG 2000 is JP2L where its wavelet transform is the reversible one (ISO/IEC 15444-1, A.6.1), else JP2. NONE says
    that no signature is known: raw pixels have none, and neither has what is no image at all.
    """
    if data.startswith(b"\xff\xa0\xff"):  # start of image, then the first byte of any marker
        return Compression.WSQ
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Compression.PNG
    if data.startswith((b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")):
        return _transform(data)
    return Compression.NONE


def _segment(data: bytes, markers: frozenset[int]) -> tuple[int, bytes]:
    """Return the first segment of one of these markers, from its length on; (0, b"") where none comes."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        marker, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if marker in markers:
            return marker, data[at + 2 : at + 2 + min(length, 64)]
        if marker < 0xFF00 or length < 2:
            break
        at += 2 + length
    return 0, b""


def _sides(frame: bytes, at: int) -> tuple[int, int]:
    """Return width and height of a frame in which the height stands at an offset, the width after it."""
    if len(frame) < at + 4:
        return 0, 0
    return int.from_bytes(frame[at + 2 : at + 4]), int.from_bytes(frame[at : at + 2])


def _png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR" or len(data) < 24:
        return 0, 0
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _jpeg_2000(data: bytes) -> tuple[int, int]:
    """Return the size of the image area: the reference grid less the offset."""
    at = _codestream(data)
    siz = data[at + 2 : at + 2 + _SIZ_BYTES]
    if len(siz) < _SIZ_BYTES or siz[:2] != b"\xff\x51":
        return 0, 0
    right, bottom, left, top = (int.from_bytes(siz[i : i + 4]) for i in (6, 10, 14, 18))
    return max(right - left, 0), max(bottom - top, 0)


def _codestream(data: bytes) -> int:
    """Return where the codestream begins: at once, or in the box of a JP2 file that holds it."""
    at = 0
    for _ in range(MAX_SEGMENTS):
        if data[at : at + 4] == b"\xff\x4f\xff\x51":
            break
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        head = 16 if length == 1 else 8
        length = int.from_bytes(data[at + 8 : at + 16]) if length == 1 else length
        if kind == b"jp2c":
            return at + head
        if length < head:
            return len(data)
        at += length
    return at


def _transform(data: bytes) -> Compression:
    """Return JP2L where the COD segment of the codestream's main header names the reversible transform."""
    at = _codestream(data) + 2
    for _ in range(MAX_SEGMENTS):
        if data[at : at + 2] == b"\xff\x52":
            return Compression.JP2L if data[at + 13 : at + 14] == b"\x01" else Compression.JP2
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return Compression.JP2
