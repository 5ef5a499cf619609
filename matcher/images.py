"""Image bytes in, grey pixels at a known resolution out.

:func:`read` takes WSQ, JPEG 2000, JPEG (baseline and lossless), TIFF, PNG, BMP and PGM. Which it is, the bytes tell, never a
name. Headers are held to limits before anything is decoded, and both happens in the jail (:mod:`matcher.jail`): what comes
back into this process is grey values and nothing else. :func:`read_raw` takes pixels that no codec wraps, which need no jail.
:func:`at_500` brings a picture to the resolution that minutiae are found at.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from matcher import jail
from matcher.template import DPI

MAX_BYTES: Final = 10_000_000
MAX_PIXELS: Final = 16_000_000
MAX_SIDE: Final = 5_000
"""A whole ten-print card at 1000 dpi stays below these three."""

MAX_PRINT_PIXELS: Final = 1_000_000
"""Of one finger at 500 dpi: 50 x 50 mm, where a rolled thumb takes 40 x 38. Extraction needs about 1 kB a pixel."""

MIN_SIDE: Final = 32
"""1.6 mm at 500 dpi; less shows no minutiae."""

MIN_DPI: Final = 200
MAX_DPI: Final = 1_300
"""A resolution outside of this range, such as 72 or 96 dpi, was written by a program that did not know it."""

_WHOLE: Final = 1e-9  # of a pixel, for what rounding takes
_RAW_BITS: Final = (8, 16, 24)
_LUMA: Final = (19595, 38470, 7471)
"""Weights of red, green and blue in grey, in parts of 65536 (ITU-R BT.601-7, 2.5.1)."""

_LIMITS: Final = jail.Limits(MIN_SIDE, MAX_SIDE, MAX_PIXELS)
_SIGNATURES: Final = (
    (b"\xff\xa0", "WSQ"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2"),
    (b"\xff\x4f\xff\x51", "JP2"),
    (b"BM", "BMP"),
    (b"P5", "PGM"),
    (b"\xff\xd8\xff", "JPEG"),
)


class ImageError(ValueError):
    """The bytes are not a fingerprint image this module reads."""


class UnknownFormatError(ImageError):
    """The bytes begin like none of the formats read, or hold a kind of picture that is not read."""


class SizeError(ImageError):
    """The file, or the picture its header states, is too large or too small."""


class ResolutionError(ImageError):
    """The resolution is impossible for a print, or differs across and down."""


class DecodeError(ImageError):
    """The file is damaged or cut short, or the decoder failed at it."""


class DecoderKilledError(ImageError):
    """The decoder was killed at this file, beyond its CPU time, memory or time, or crashed: worth a note in the log.

    A whole file of a size that is read does not do this, unless the machine is very busy.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Grey pixels, shape (height, width), 0 black to 255 white, at a resolution in pixels per inch.

    Raises:
        ImageError: the pixels are not a plane of 8-bit values.
        ResolutionError: no print is taken at this resolution.

    """

    pixels: NDArray[np.uint8]
    dpi: float

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint8 or not self.pixels.size:
            raise ImageError(
                f"an image is a plane of 8-bit grey values; got {self.pixels.dtype} of shape {self.pixels.shape}"
            )
        if not MIN_DPI <= self.dpi <= MAX_DPI:
            raise ResolutionError(f"a print has {MIN_DPI} to {MAX_DPI} dpi; got {self.dpi:g}")


def read(data: bytes, *, dpi: float | None = None, place: jail.Jail = jail.SHARED) -> Image:
    """Read an image file; the same bytes always give the same pixels.

    The resolution is ``dpi`` where given (a record's own header knows best), else the file's own where that is possible
    for a print, else 500. JPEG 2000's resolution boxes are passed over: they are often wrong. Thread-safe; costs a
    process of its own, some milliseconds beyond the decoding, where a decoder in C is needed: PNG, JPEG, JPEG 2000, and
    the compressed and rarer kinds of TIFF, BMP and PGM.

    Raises:
        UnknownFormatError: the format or the kind of picture is not read.
        SizeError: the file or the picture is too large or too small.
        ResolutionError: ``dpi`` is impossible, or the file's resolution differs across and down.
        DecodeError: the file is damaged.
        DecoderKilledError: it took more than its decoder may have, or crashed it.
        jail.JailError: nothing can be decoded at present; it is not the file's fault.

    """
    codec = _sniffed(data)
    if len(data) > MAX_BYTES:
        raise SizeError(f"an image file has at most {MAX_BYTES} bytes; got {len(data)}")
    try:
        decoded = place.decode(codec, data, _LIMITS)
    except jail.RefusedError as refusal:
        kinds = {"T": SizeError, "U": UnknownFormatError, "K": DecoderKilledError}
        raise kinds.get(refusal.letter, DecodeError)(f"{codec}: {refusal}") from refusal
    pixels = np.frombuffer(decoded.pixels, dtype=np.uint8).reshape(decoded.height, decoded.width)
    own = (0.0, 0.0) if codec == "JP2" else decoded.dpi
    return Image(pixels, _resolution(own) if dpi is None else float(dpi))


def codec_of(data: bytes) -> str | None:
    """Return which of the formats read here the bytes begin like, None for none of them."""
    return next((codec for signature, codec in _SIGNATURES if data.startswith(signature)), None)


def read_raw(data: bytes, width: int, height: int, dpi: float, bits: int = 8) -> Image:
    """Read pixels as they are, row by row from the top, without padding, 0 black.

    ``bits`` a pixel are 8, 16 (the more significant byte first; the other is left out) or 24 (red, green, blue).

    Raises:
        UnknownFormatError: another number of bits.
        SizeError: the picture is too large or too small, or its size is not that of the data.
        ResolutionError: no print is taken at this resolution.

    """
    if bits not in _RAW_BITS:
        raise UnknownFormatError(f"raw pixels here have 8, 16 or 24 bits; got {bits}")
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise SizeError(
            f"a side has {MIN_SIDE} to {MAX_SIDE} pixels and a picture at most {MAX_PIXELS}; got {width} x {height}"
        )
    depth = bits // 8
    if len(data) != width * height * depth:
        raise SizeError(
            f"{width} x {height} raw pixels of {bits} bits are {width * height * depth} bytes; got {len(data)}: the size "
            "stated is wrong, or the pixels are compressed or cut short"
        )
    samples = np.frombuffer(data, np.uint8).reshape(height, width, depth)
    return Image(_grey(samples) if depth == 3 else np.ascontiguousarray(samples[:, :, 0]), float(dpi))


def _grey(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weighted = colours @ np.array(_LUMA, np.uint32)
    return ((weighted + (1 << 15)) >> 16).astype(np.uint8)


def check_print(image: Image) -> None:
    """Refuse an image that covers more skin than one finger's, before anything is computed from its pixels.

    Raises:
        SizeError: at 500 dpi it would have more than :data:`MAX_PRINT_PIXELS`.

    """
    scale = DPI / image.dpi
    if image.pixels.size * scale * scale > MAX_PRINT_PIXELS:
        raise SizeError(
            f"a print has at most {MAX_PRINT_PIXELS} pixels at 500 dpi; this one is {image.pixels.shape[1]} x "
            f"{image.pixels.shape[0]} at {image.dpi:g} dpi: cut out the finger, or correct the resolution"
        )


def write_png(image: Image) -> bytes:
    """Write a grey PNG that states its resolution."""
    file = io.BytesIO()
    PIL.Image.fromarray(image.pixels).save(file, "PNG", dpi=(image.dpi, image.dpi))
    return file.getvalue()


def at_500(image: Image) -> Image:
    """Return the image at 500 dpi: itself if it is so already, else resampled (Lanczos, low-passed where it shrinks).

    A point at (x, y) pixels from the upper left corner comes to (x, y) * 500 / dpi exactly. What is less than a pixel of
    the new image, at the right and the lower edge, is left out.
    """
    if image.dpi == DPI:
        return image
    step = image.dpi / DPI
    height, width = (max(1, math.floor(side / step + _WHOLE)) for side in image.pixels.shape)
    box = (0.0, 0.0, min(width * step, image.pixels.shape[1]), min(height * step, image.pixels.shape[0]))
    picture = PIL.Image.fromarray(image.pixels)
    return Image(np.asarray(picture.resize((width, height), PIL.Image.Resampling.LANCZOS, box)), float(DPI))


def _sniffed(data: bytes) -> str:
    codec = codec_of(data)
    if codec is None:
        raise UnknownFormatError(
            "an image is WSQ, JPEG 2000, JPEG, TIFF, PNG, BMP or PGM; these bytes begin with "
            f"{data[:4].hex(' ').upper() or 'none'}"
        )
    return codec


def _resolution(own: tuple[float, float]) -> float:
    """Return a file's own resolution in whole dpi, or 500 where it states none that a print can have."""
    across, down = own
    if not all(math.isfinite(value) and MIN_DPI <= value <= MAX_DPI for value in own):
        return float(DPI)
    if abs(across - down) > 0.01 * max(own):
        raise ResolutionError(
            f"a print has one resolution; the file states {across:.0f} dpi across and {down:.0f} down: "
            "resample it, or give the true resolution"
        )
    return float(round(across))
