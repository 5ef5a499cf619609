"""What the record formats have in common: minutiae of 6 bytes (or 5), a view that is made of them, and the record's end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher.formats._cursor import Cursor, FormatError
from matcher.formats._extended import Dialect, read_extended, write_extended
from matcher.formats.deviations import Deviation
from matcher.formats.minutiae import (
    FAILED,
    HAS_NOT_REPORTED,
    NOT_REPORTED,
    VIEWS_OF_A_POSITION,
    Device,
    FingerView,
    Format,
    Quality,
    impression_of,
    view_of,
)
from matcher.formats.scaling import dpi
from matcher.template import MAX_MINUTIAE, MAX_SIDE, TAU

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDENTIFIER: Final = b"FMR\x00"
START: Final = 8
"""Where the record's length stands, behind the identifier and the version, 4 bytes each."""

_SIX: Final = np.dtype([("x", ">u2"), ("y", ">u2"), ("angle", "u1"), ("quality", "u1")])
_FIVE: Final = np.dtype([("x", ">u2"), ("y", ">u2"), ("angle", "u1")])
_COORDINATE: Final = 0x3FFF
_BEST: Final = 100

_MISCOUNTED: Final = 16
"""Bytes by which a record's length may be misstated: the standards' own examples are wrong by 1 and 2. More than a few mean
another layout: ISO/IEC's of 2005 and INCITS' of 2004 have the length in other places, so that no record fits both."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one format says: its version, how many steps of an angle make a full turn, and where it defines what."""

    format: Format
    version: bytes
    steps: int
    extended: Dialect
    header: str
    view: str
    minutiae: str


@dataclass(frozen=True, slots=True)
class ViewHeader:
    """What stands before the minutiae of one view; ``place`` is the view's in the record from 1."""

    place: int
    position: int
    number: int
    impression: int
    qualities: tuple[Quality, ...]
    size: tuple[int, int]
    per_cm: tuple[int, int]
    device: Device
    captured: tuple[int, ...] | None = None
    ending: int = 0


def read_view(
    cursor: Cursor, header: ViewHeader, count: int, grammar: Grammar, *, last: bool, graded: bool = True
) -> tuple[FingerView, list[Deviation]]:
    """Return the view whose ``count`` minutiae begin at the cursor, with its extended data.

    ``graded`` says that each minutia has a quality; ``last`` that nothing may follow.

    Raises:
        FormatError: minutiae are missing, or cannot be.

    """
    at = f"view {header.place}"
    dtype = _SIX if graded else _FIVE
    needed = count * dtype.itemsize
    written = np.frombuffer(
        cursor.take(needed, f"{at}: {count} minutiae need {needed} bytes ({grammar.minutiae})"), dtype=dtype
    )
    angle = written["angle"]
    if count and angle.max() >= grammar.steps:
        worst = int(np.argmax(angle))
        raise FormatError(
            f"{at}: {grammar.format} counts directions in {grammar.steps} steps of 2 degrees ({grammar.minutiae}), from 0; "
            f"minutia {worst + 1} has {angle[worst]}"
        )
    quality = written["quality"] if graded else np.full(count, NOT_REPORTED, np.uint8)
    try:
        view = view_of(
            position=header.position,
            number=header.number,
            impression=header.impression,
            means=impression_of(header.impression, grammar.format),
            qualities=header.qualities,
            size=header.size,
            per_cm=header.per_cm,
            minutiae=(
                (written["x"] & _COORDINATE).astype(np.uint16),
                (written["y"] & _COORDINATE).astype(np.uint16),
                angle.astype(np.float64) * (TAU / grammar.steps),
                (written["x"] >> 14).astype(np.uint8),
                quality.copy(),
            ),
        )
    except FormatError as error:
        raise FormatError(f"{at}: {error}") from error
    areas, notes = read_extended(cursor, grammar.extended, header.size, header.place, last=last)
    view = replace(view, extended=areas, device=header.device, captured=header.captured, ending=header.ending)
    return view, [*_oddities(header, written["y"], quality, grammar), *notes]


def _oddities(
    header: ViewHeader, y: NDArray[np.uint16], quality: NDArray[np.uint8], grammar: Grammar
) -> list[Deviation]:
    """Return what the minutiae and the header of a view have that is read over."""
    at = f"view {header.place}"
    knows = grammar.format in HAS_NOT_REPORTED
    notes = []
    if (y > _COORDINATE).any():
        text = f"{at}: the two bits before each y are reserved and 0 ({grammar.minutiae}); some are not: read over"
        notes.append(Deviation(header.place, "reserved", text))
    if not knows and (quality >= NOT_REPORTED).any():
        text = f"{at}: a quality is 0 to 100 ({grammar.minutiae}); some are 254 or 255: read as not reported"
        notes.append(Deviation(header.place, "minutia-quality", text))
    if not all(_has_meaning(score.score, knows=knows) for score in header.qualities):
        text = f"{at}: the quality of a finger is 0 to 100 ({grammar.view}); got another number: read as not reported"
        notes.append(Deviation(header.place, "quality", text))
    return notes


def _has_meaning(score: int, *, knows: bool) -> bool:
    return score <= _BEST or (knows and score >= NOT_REPORTED)


def end(cursor: Cursor, stated: int, views: int, grammar: Grammar) -> list[Deviation]:
    """Check that the record ends after its views and is as long as ``stated``; return what is forgiven.

    Raises:
        FormatError: bytes follow that are neither part of a view nor mere filling.

    """
    data, used = cursor.data, cursor.at
    if used == len(data) == stated:
        return []
    says = f"the header states a length of {stated} bytes ({grammar.header}); got {len(data)}"
    if used == len(data) and abs(stated - used) <= _MISCOUNTED:
        return [Deviation(0, "record-length", f"{says}, which the views use to the last byte: read so")]
    if stated == len(data):
        raise FormatError(
            f"the record should end after its {views} view(s) ({grammar.header}); {len(data) - used} more byte(s) follow"
        )
    if used == stated and not any(data[used:]):
        return [Deviation(0, "trailing-zeros", f"{says}; what follows the record are zeros: read over")]
    raise FormatError(f"{says}; its {views} view(s) use {used}")


def refused(stated: int, data: bytes, grammar: Grammar, error: FormatError) -> FormatError:
    """Return the error to raise where a view is refused: a wrong length says more than what is missing because of it."""
    if stated == len(data):
        return error
    return FormatError(f"the header states a length of {stated} bytes ({grammar.header}); got {len(data)}: {error}")


def check_image(size: tuple[int, int], per_cm: tuple[int, int], clause: str) -> None:
    """Check a record's image size and resolution.

    Raises:
        FormatError: no print has such a size or resolution.

    """
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise FormatError(
            f"an image side is 1 to {MAX_SIDE} pixels ({clause}); the header states {size[0]} x {size[1]}"
        )
    for resolution in per_cm:
        dpi(resolution)


def check_view(view: FingerView, place: int, grammar: Grammar) -> None:
    """Check that a view fits into the format, before it is written.

    Raises:
        FormatError: something of it cannot be written, and what.

    """
    at = f"view {place} does not fit {grammar.format}"
    check_image(view.size, view.per_cm, f"{at}, {grammar.header}")
    if grammar.format is not Format.ISO_2011 and (view.captured or view.ending or _only_2011(view.device)):
        raise FormatError(f"{at}: it cannot say when, by which technology or how endings were taken: leave that out")
    if len({len(view.x), len(view.y), len(view.direction), len(view.kind), len(view.quality)}) != 1:
        raise FormatError(f"{at}: it has arrays of different lengths")
    if len(view.x) > MAX_MINUTIAE:
        raise FormatError(f"{at}: it has {len(view.x)} minutiae, more than {MAX_MINUTIAE} ({grammar.view})")
    if not (0 <= view.position <= 10 and 0 <= view.number < VIEWS_OF_A_POSITION):
        raise FormatError(
            f"{at}: a position is 0 to 10 and a view's number 0 to {VIEWS_OF_A_POSITION - 1} ({grammar.view}); "
            f"got {view.position} and {view.number}"
        )
    if len(view.x) and not (view.x.max() < view.size[0] and view.y.max() < view.size[1] and view.kind.max() <= 2):
        raise FormatError(f"{at}: a minutia lies outside the image or has a type above 2 ({grammar.minutiae})")
    if not all(value <= _BEST or value in {NOT_REPORTED, FAILED} for value in view.quality.tolist()):
        raise FormatError(f"{at}: a quality is 0 to 100, 254 or 255 ({grammar.minutiae})")
    if not all(_has_meaning(score.score, knows=True) for score in view.qualities):
        raise FormatError(f"{at}: the quality of a finger is 0 to 100, 254 or 255 ({grammar.view})")
    if not np.isfinite(view.direction).all():
        raise FormatError(f"{at}: a direction is a finite number of radians ({grammar.minutiae})")


def _only_2011(device: Device) -> bool:
    return bool(device.vendor or device.technology) or device.certifications is not None


def write_view(view: FingerView, grammar: Grammar, *, graded: bool = True) -> bytes:
    """Write the minutiae of a view and its extended data; what a format cannot say of a quality becomes its 0."""
    written = np.zeros(len(view.x), dtype=_SIX if graded else _FIVE)
    written["x"] = view.x | (view.kind.astype(np.uint16) << 14)
    written["y"] = view.y
    written["angle"] = np.rint(view.direction * (grammar.steps / TAU)).astype(np.int64) % grammar.steps
    if graded:
        knows = grammar.format in HAS_NOT_REPORTED
        written["quality"] = view.quality if knows else np.where(view.quality > _BEST, 0, view.quality)
    return written.tobytes() + write_extended(view.extended, grammar.extended)
