"""What a finger image record says, whichever edition wrote it down.

A :class:`Record` has one or more :class:`View`, each one picture of a finger, of several fingers at once or of a palm, with
its position, size and resolution, and the picture's bytes as they came.

What a record had that its standard does not allow, and was read all the same, is named by one of the codes of
:data:`~matcher.formats.deviations.DEVIATIONS`.
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from matcher.formats.deviations import Deviation
from matcher.formats.scaling import nominal_dpi


class Standard(StrEnum):
    """The three layouts."""

    INCITS_2004 = "ANSI/INCITS 381-2004"
    ISO_2005 = "ISO/IEC 19794-4:2005"
    ISO_2011 = "ISO/IEC 19794-4:2011"


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
        codes = _CODES_2011 if self.standard is Standard.ISO_2011 else _CODES_2005
        return codes[view.compression] if view.compression < len(codes) else None


def _dpi(resolution: int, units: Units) -> float:
    return float(resolution) if units is Units.INCH else nominal_dpi(resolution)
