"""Minutiae records as other systems write them: ISO/IEC 19794-2:2005, the finger minutiae record format.

A record holds a header of 24 bytes (clause 7.3) and one or more finger views (7.4), each a header of 4 bytes, 6 bytes for
each minutia and a block of extended data (7.5). Numbers are big-endian, coordinates in pixels at the resolution that the
header states, angles in steps of 360/256 degrees, counter-clockwise from the right.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher.template import DPI, MAX_SIDE, TAU, Template, TemplateError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC: Final = b"FMR\x00 20\x00"
_HEADER: Final = struct.Struct(">8sIHHHHHBB")
_VIEW: Final = struct.Struct(">BBBB")
_MINUTIA: Final = np.dtype([("x", ">u2"), ("y", ">u2"), ("angle", "u1"), ("quality", "u1")])
_PIXELS_PER_CM: Final = 197  # 500 dpi, rounded as the standard counts
_CM_PER_INCH: Final = 2.54
_ANGLE_STEP: Final = TAU / 256
_COORDINATE: Final = 0x3FFF
_VIEWS_OF_A_POSITION: Final = 16


class FormatError(ValueError):
    """The bytes are not a minutiae record this module reads, or the templates do not fit into one."""


def read_iso19794_2(data: bytes) -> list[Template]:
    """Read an ISO/IEC 19794-2:2005 finger minutiae record; one template a view, coordinates brought to 500 dpi.

    Extended data (ridge counts, cores, deltas) are passed over. Quality 0 means "not reported".

    Raises:
        FormatError: the bytes are not one whole, valid record.

    """
    width, height, views = _read_header(data)
    scale_x, scale_y = (DPI / dpi for dpi in (width[1], height[1]))
    rest = data[_HEADER.size :]
    templates = []
    for number in range(1, views + 1):
        template, rest = _read_view(rest, number, (width[0], height[0]), (scale_x, scale_y))
        templates.append(template)
    if rest:
        raise FormatError(f"the record should end after its {views} view(s) (7.3); {len(rest)} more byte(s) follow")
    return templates


def write_iso19794_2(templates: Sequence[Template]) -> bytes:
    """Write templates as one ISO/IEC 19794-2:2005 record at 500 dpi, one view each.

    Reading it again gives x, y, kind, quality and position as they were and directions to 1.40625 degrees. A record has
    one image size, so every view gets the largest width and height. A view's own quality is the mean of its minutiae's.

    Raises:
        FormatError: there are no templates, more than 255, or more than 16 of one finger position.

    """
    if not 1 <= len(templates) <= 255:
        raise FormatError(f"a record holds 1 to 255 views (ISO/IEC 19794-2:2005, 7.3); got {len(templates)} templates")
    seen: dict[int, int] = {}
    views = []
    for template in templates:
        number = seen.get(template.position, 0)
        if number == _VIEWS_OF_A_POSITION:
            raise FormatError(
                f"a record holds at most {_VIEWS_OF_A_POSITION} views of one finger position (7.4.1.2); "
                f"position {template.position} has more: write several records"
            )
        seen[template.position] = number + 1
        views.append(_view(template, number))
    body = b"".join(views)
    width, height = max(t.width for t in templates), max(t.height for t in templates)
    length = _HEADER.size + len(body)
    resolution = _PIXELS_PER_CM
    return _HEADER.pack(_MAGIC, length, 0, width, height, resolution, resolution, len(views), 0) + body


def unstretch(template: Template, width: int, height: int, dpi: float = DPI) -> Template:
    """Undo the squashing of an image to the record's declared size before its minutiae were taken.

    ``width`` and ``height`` are the true image's, in pixels at ``dpi``; the template's own are those it was squashed to.
    Directions are those of the un-squashed ridges. The result is at 500 dpi.

    Raises:
        FormatError: the true size or resolution is not positive, or too large for a template.

    """
    if not (width > 0 and height > 0 and 1 <= dpi <= 10_000):
        raise FormatError(f"the true size must be positive, at 1 to 10000 dpi; got {width} x {height} at {dpi:g} dpi")
    scale_x, scale_y = width / template.width, height / template.height
    to_500 = DPI / dpi
    direction = np.arctan2(scale_y * np.sin(template.direction), scale_x * np.cos(template.direction))
    size = _scaled_size(width, to_500), _scaled_size(height, to_500)
    return _template(
        template.x * (scale_x * to_500),
        template.y * (scale_y * to_500),
        direction,
        kind=template.kind,
        quality=template.quality,
        size=size,
        position=template.position,
    )


def _read_header(data: bytes) -> tuple[tuple[int, float], tuple[int, float], int]:
    """Return width and height, each in pixels with its resolution in dpi, and the number of views."""
    if len(data) < _HEADER.size:
        raise FormatError(f"a record begins with a header of {_HEADER.size} bytes (7.3); got {len(data)} byte(s)")
    magic, length, _device, width, height, per_cm_x, per_cm_y, views, _reserved = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise FormatError(f"a record of ISO/IEC 19794-2:2005 begins with {_MAGIC!r}; got {magic!r}")
    if length != len(data):
        raise FormatError(f"the header states a length of {length} bytes (7.3); got {len(data)}")
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise FormatError(f"an image side is 1 to {MAX_SIDE} pixels (7.3); the header states {width} x {height}")
    if views == 0:
        raise FormatError("a record has at least one finger view (7.3); the header states none")
    return (width, _dpi(per_cm_x)), (height, _dpi(per_cm_y)), views


def _dpi(per_cm: int) -> float:
    """Return the resolution meant by whole pixels per centimetre; 197 means 500 dpi, 394 means 1000."""
    if not 40 <= per_cm <= 800:
        raise FormatError(f"a print has 40 to 800 pixels per centimetre (100 to 2000 dpi); the header states {per_cm}")
    dpi = per_cm * _CM_PER_INCH
    round_dpi = round(dpi / 50) * 50
    return float(round_dpi) if round(round_dpi / _CM_PER_INCH) == per_cm else dpi


def _read_view(data: bytes, number: int, size: tuple[int, int], scale: tuple[float, float]) -> tuple[Template, bytes]:
    """Return the view that ``data`` begins with and the bytes after it."""
    if len(data) < _VIEW.size:
        raise FormatError(f"view {number}: its header has {_VIEW.size} bytes (7.4.1); {len(data)} remain")
    position, _view_and_impression, _quality, count = _VIEW.unpack_from(data)
    end = _VIEW.size + count * _MINUTIA.itemsize
    if len(data) < end:
        raise FormatError(f"view {number}: {count} minutiae need {end} bytes (7.4.2); {len(data)} remain")
    minutiae = np.frombuffer(data[_VIEW.size : end], dtype=_MINUTIA)
    x, y = minutiae["x"] & _COORDINATE, minutiae["y"] & _COORDINATE
    if count and (x.max() >= size[0] or y.max() >= size[1]):
        raise FormatError(f"view {number}: a minutia lies outside the image of {size[0]} x {size[1]} (7.4.2.2)")
    try:
        template = _template(
            x * scale[0],
            y * scale[1],
            minutiae["angle"] * _ANGLE_STEP,
            kind=minutiae["x"] >> 14,
            quality=minutiae["quality"],
            size=(_scaled_size(size[0], scale[0]), _scaled_size(size[1], scale[1])),
            position=position,
        )
    except FormatError as error:
        raise FormatError(f"view {number}: {error}") from error
    return template, _after_extended_data(data[end:], number)


def _after_extended_data(data: bytes, number: int) -> bytes:
    """Return what follows the extended data (7.5.1.1); writers disagree on how its blocks count their own length."""
    if len(data) < 2:
        raise FormatError(f"view {number}: the length of its extended data is missing (7.5.1.1)")
    end = 2 + int.from_bytes(data[:2])
    if len(data) < end:
        raise FormatError(
            f"view {number}: {end - 2} bytes of extended data are stated (7.5.1.1); {len(data) - 2} remain"
        )
    return data[end:]


def _scaled_size(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def _template(
    x: np.ndarray,
    y: np.ndarray,
    direction: np.ndarray,
    *,
    kind: np.ndarray,
    quality: np.ndarray,
    size: tuple[int, int],
    position: int,
) -> Template:
    """Make a template of minutiae inside the image before scaling; rounding must not push one out."""
    width, height = size
    try:
        return Template.of(
            np.minimum(x, width - 1),
            np.minimum(y, height - 1),
            direction,
            kind=kind,
            quality=quality,
            width=width,
            height=height,
            position=position,
        )
    except TemplateError as error:
        raise FormatError(str(error)) from error


def _view(template: Template, number: int) -> bytes:
    minutiae = np.zeros(len(template), dtype=_MINUTIA)
    minutiae["x"] = template.x | (template.kind.astype(np.uint16) << 14)
    minutiae["y"] = template.y
    minutiae["angle"] = np.rint(template.direction / _ANGLE_STEP).astype(np.int64) % 256
    minutiae["quality"] = template.quality
    mean = round(float(template.quality.mean())) if len(template) else 0
    live_scan_plain = 0  # 7.4.1.3
    header = _VIEW.pack(template.position, number << 4 | live_scan_plain, mean, len(template))
    return header + minutiae.tobytes() + b"\x00\x00"
