"""Minutiae as a smart card compares them: ISO/IEC 19794-2:2005, clause 8, and the on-card format of 2011.

A card's data are minutiae and nothing else: no header, no finger, no image. Coordinates are lengths, not pixels.

- normal size, 5 bytes: type in 2 bits and x in 14, 2 bits reserved and y in 14, in units of 0.01 mm; the direction in steps
  of 360/256 degrees;
- compact size, 3 bytes: x and y in units of 0.1 mm, to 25.5 mm; type in 2 bits and the direction in 6, in steps of 5.625
  degrees. The on-card format of 2011 is this one.

A card may ask for at most so many minutiae, and for them in a certain order (:class:`CardOrder`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from matcher.formats._cursor import FormatError
from matcher.formats.deviations import Deviation
from matcher.formats.minutiae import NOT_REPORTED, Format, Record, view_of
from matcher.formats.scaling import CM_PER_INCH
from matcher.template import DPI, MAX_MINUTIAE, TAU, ImpressionType, Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

Form = Literal["normal", "compact"]


class CardOrder(StrEnum):
    """In what order a card wants its minutiae (ISO/IEC 19794-2:2005, 8.4)."""

    NONE = "none"
    X_THEN_Y = "by x, then y"
    Y_THEN_X = "by y, then x"
    DIRECTION = "by direction"
    POLAR = "by distance from the centre of mass, then direction"


@dataclass(frozen=True, slots=True)
class _Size:
    """One of the two sizes: how many units a centimetre has, how many they can be, and the steps of a full turn."""

    format: Format
    dtype: np.dtype[np.void]
    per_cm: int
    most: int
    steps: int


_SIZES: Final = {
    "normal": _Size(
        Format.CARD_NORMAL, np.dtype([("x", ">u2"), ("y", ">u2"), ("angle", "u1")]), per_cm=1000, most=0x3FFF, steps=256
    ),
    "compact": _Size(
        Format.CARD_COMPACT, np.dtype([("x", "u1"), ("y", "u1"), ("angle", "u1")]), per_cm=100, most=0xFF, steps=64
    ),
}
_COORDINATE: Final = 0x3FFF


def read_card(
    data: bytes,
    form: Form,
    *,
    position: int = 0,
    size: tuple[int, int] | None = None,
    order: CardOrder = CardOrder.NONE,
) -> Record:
    """Read a card's minutiae as a record of one view.

    ``position`` is the finger's, which the card's data do not say. ``size`` is the image's in the form's units; without
    it, it is the smallest that holds a pixel for each minutia. Minutiae that are not in ``order``, ascending or descending,
    are a deviation, ``card-order``.

    Raises:
        FormatError: the bytes are not whole minutiae, more than 255, or lie outside the image.

    """
    card = _SIZES[form]
    each = card.dtype.itemsize
    if len(data) % each or len(data) // each > MAX_MINUTIAE:
        raise FormatError(
            f"{card.format}, has 0 to {MAX_MINUTIAE} minutiae of {each} bytes; got {len(data)} bytes: "
            "give the minutiae alone, without the object that holds them"
        )
    written = np.frombuffer(data, dtype=card.dtype)
    x, y, kind, angle = _taken_apart(written, form)
    units = card.per_cm * CM_PER_INCH
    view = view_of(
        position=position,
        number=0,
        impression=0,
        means=ImpressionType.UNKNOWN,
        qualities=(),
        size=size or (_extent(x, card), _extent(y, card)),
        per_cm=(card.per_cm, card.per_cm),
        minutiae=(x, y, angle.astype(np.float64) * (TAU / card.steps), kind, np.full(len(x), NOT_REPORTED, np.uint8)),
        dots_per_inch=(units, units),
    )
    notes = []
    if form == "normal" and (written["y"] > _COORDINATE).any():
        text = "the two bits before each y are reserved and 0 (ISO/IEC 19794-2:2005, 8); some are not: read over"
        notes.append(Deviation(1, "reserved", text))
    if not _is_ordered(x, y, angle, order):
        notes.append(Deviation(1, "card-order", f"the minutiae should be in order {order.value}; they are not"))
    return Record(card.format, (view,), deviations=tuple(notes))


def write_card(
    template: Template,
    form: Form,
    *,
    order: CardOrder = CardOrder.NONE,
    descending: bool = False,
    limit: int = MAX_MINUTIAE,
) -> bytes:
    """Write a template's minutiae for a card, at most ``limit`` of them, in the order that the card wants.

    Where there are too many, those of lowest quality go first if qualities are stated, then those farthest from the centre
    of mass, then ridge endings, then those of the largest direction (ISO/IEC 19794-2:2011, 9.3.2). Reading it again gives,
    of those that stayed, x and y as they were in the normal size and to 1.5 pixels in the compact one, and directions to
    half a step.

    Raises:
        FormatError: a minutia lies where the card has no numbers for it.

    """
    card = _SIZES[form]
    units = card.per_cm * CM_PER_INCH / DPI
    x, y = (np.rint(values.astype(np.float64) * units).astype(np.int64) for values in (template.x, template.y))
    angle = np.rint(template.direction.astype(np.float64) * (card.steps / TAU)).astype(np.int64) % card.steps
    kept = _best(template, x, y, angle, limit)
    x, y, angle, kind = x[kept], y[kept], angle[kept], template.kind[kept].astype(np.int64)
    farthest = max(x.max(initial=0), y.max(initial=0))
    if farthest > card.most:
        raise FormatError(
            f"{card.format}, has coordinates of 0 to {card.most} units of {10 / card.per_cm:g} mm; a minutia lies at "
            f"{farthest}: crop the print"
        )
    places = _ordered(x, y, angle, order)
    if descending:
        places = places[::-1]
    return _put_together(x[places], y[places], kind[places], angle[places], form)


def _taken_apart(
    written: NDArray[np.void], form: Form
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return x, y, kind and angle."""
    x, y = written["x"].astype(np.uint16), written["y"].astype(np.uint16)
    angle = written["angle"].astype(np.uint8)
    if form == "normal":
        x, y, kind = x & np.uint16(_COORDINATE), y & np.uint16(_COORDINATE), x >> np.uint16(14)
        return x, y, kind.astype(np.uint8), angle
    return x, y, angle >> np.uint8(6), angle & np.uint8(0x3F)


def _put_together(
    x: NDArray[np.int64], y: NDArray[np.int64], kind: NDArray[np.int64], angle: NDArray[np.int64], form: Form
) -> bytes:
    written = np.zeros(len(x), dtype=_SIZES[form].dtype)
    written["y"] = y
    written["x"] = x | kind << 14 if form == "normal" else x
    written["angle"] = angle if form == "normal" else angle | kind << 6
    return written.tobytes()


def _extent(values: NDArray[np.uint16], card: _Size) -> int:
    """Return the least number of units that is a pixel at 500 dpi more than the greatest value."""
    return int(values.max(initial=0)) + ceil(card.per_cm * CM_PER_INCH / DPI)


def _from_centre(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return distances from the centre of mass, squared and multiplied so that they are whole numbers."""
    n = len(x)
    distances: NDArray[np.int64] = (n * x - x.sum()) ** 2 + (n * y - y.sum()) ** 2
    return distances


def _best(
    template: Template, x: NDArray[np.int64], y: NDArray[np.int64], angle: NDArray[np.int64], limit: int
) -> NDArray[np.intp]:
    """Return the places of the minutiae that stay, ascending."""
    if len(x) <= limit:
        return np.arange(len(x))
    is_ending = template.kind == 1
    first_goes_last = np.lexsort((angle, is_ending, _from_centre(x, y), -template.quality.astype(np.int64)))
    return np.sort(first_goes_last[: max(0, limit)])


def _ordered(
    x: NDArray[np.int64], y: NDArray[np.int64], angle: NDArray[np.int64], order: CardOrder
) -> NDArray[np.intp]:
    """Return the places of the minutiae in ascending order."""
    if order is CardOrder.NONE:
        return np.arange(len(x))
    return np.lexsort(_keys(x, y, angle, order)[::-1])


def _keys(
    x: NDArray[np.int64], y: NDArray[np.int64], angle: NDArray[np.int64], order: CardOrder
) -> list[NDArray[np.int64]]:
    """Return what the minutiae are sorted by, the first key first."""
    return {
        CardOrder.NONE: [],
        CardOrder.X_THEN_Y: [x, y],
        CardOrder.Y_THEN_X: [y, x],
        CardOrder.DIRECTION: [angle],
        CardOrder.POLAR: [_from_centre(x, y), angle],
    }[order]


def _is_ordered(x: NDArray[np.uint16], y: NDArray[np.uint16], angle: NDArray[np.uint8], order: CardOrder) -> bool:
    """Whether the minutiae ascend or descend in the order."""
    keys = _keys(x.astype(np.int64), y.astype(np.int64), angle.astype(np.int64), order)
    rows = list(zip(*(key.tolist() for key in keys), strict=True))
    return rows in (sorted(rows), sorted(rows, reverse=True))
