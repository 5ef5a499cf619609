"""A slap in, single fingers out: the image of several fingers is cut into one image for each, and each gets its position.

:func:`segment` looks at a copy of 250 dpi in blocks of 0.8 mm. The spectrum around a block tells skin from all else: ridges
put most of their power at 6 to 15 pixels a period at 500 dpi; print, handwriting, lines and dirt do not. A fingertip is
where blocks of skin fill an ellipse, and few lie around it; below it some may, of the next phalanx. An ellipse that lies
below another is that next phalanx. Of the others those are the fingers that make the strongest row with a hand's distances.
Their order from left to right, less the missing, gives the positions (:data:`SLAPS`). Last, each finger is followed to its
edges and down to the crease of its joint, and cut out; what is another finger's is painted over.

A row of fewer or more fingers than expected is refused: a guess would put a print under another finger's name. A slap that
was scanned upside down, mirrored, or under the other hand's position is not refused; the last of these is remarked upon.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import PIL.Image

from matcher.images import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    Real = NDArray[np.float32]

SLAPS: Final[Mapping[int, tuple[int, ...]]] = {
    11: (1,),
    12: (6,),
    13: (2, 3, 4, 5),
    14: (10, 9, 8, 7),
    15: (6, 1),
    40: (2, 3),
    41: (3, 4),
    42: (4, 5),
    43: (8, 7),
    44: (9, 8),
    45: (10, 9),
    47: (2, 3, 4),
    48: (3, 4, 5),
    49: (9, 8, 7),
    50: (10, 9, 8),
}
"""The fingers of each slap from left to right in the image (ANSI/NIST-ITL 1-2011, table 8).

46, both index fingers, is not among them: which of the two lies left is not agreed.
"""

MAX_SIDE: Final = 130.0
"""Millimetres; the box for four fingers on a ten-print card is 82 wide."""


class SegmentationError(ValueError):
    """The fingers of this slap cannot be told apart, or are not as many as expected."""


class Reason(StrEnum):
    """What an examiner should know about a segment."""

    CUT = "cut"  # the edge of the image cuts the finger
    NO_CREASE = "no-crease"  # no joint was seen; the segment ends at the length a fingertip may have
    TOUCHING = "touching"  # a neighbour is so near that the border between them is a guess
    WEAK = "weak"  # much of it shows no ridges, or something else around it does
    SWAPPED = "swapped"  # the little finger reaches farther than the index finger: perhaps it is the other hand


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One finger of a slap.

    ``box`` is (left, top, right, bottom) in the slap's pixels, right and bottom excluded; ``image`` has those pixels, not
    turned, at the slap's resolution, with background where they are another finger's or below the joint. ``angle`` is how
    the finger is turned, in degrees, counter-clockwise as one sees it.
    """

    position: int
    box: tuple[int, int, int, int]
    angle: float
    image: Image
    reasons: tuple[Reason, ...]


_STEP, _WINDOW = 8, 16  # of a block, in pixels at 250 dpi
_PITCH: Final = _STEP * 25.4 / 250.0  # millimetres from block to block

_BLACK: Final = 50  # mean grey value that no ridges have

_ASPECT: Final = 1.4  # length of a fingertip to its width
_AROUND: Final = 3.0  # millimetres around an ellipse that should be free
_FINGERS: Final = (5.5, 6.5, 7.7, 9.0, 10.7)  # half widths in millimetres
_THUMBS: Final = (6.5, 7.7, 9.0, 10.7, 12.7, 15.0, 17.0)
_LEANS: Final = (-45, -36, -27, -18, -9, 0, 9, 18, 27, 36, 45)  # degrees clockwise
_MOST: Final = 14  # fingertips considered
_LEAST, _WEAK = 0.4, 0.5  # scores of a finger, and of one that is worth a remark

# Millimetres from finger to next finger across the hand, and how much farther one may reach; degrees between them.
_FINGERS_APART, _THUMBS_APART, _STAGGER = 34.0, 90.0, 34.0
_FINGERS_FAN, _THUMBS_FAN = 40.0, 60.0
_LEANING: Final = 40.0  # degrees; a hand that seems to lean more lies on its side
_FARTHER: Final = 8.0  # the little finger than the index finger

_LONGEST_FINGER, _LONGEST_THUMB = 30.0, 36.0  # millimetres from the end of a finger to its crease
_WIDEST_FINGER, _WIDEST_THUMB = 24.0, 32.0  # millimetres
_FINE: Final = 0.4  # step in millimetres along and across a finger
_BARE: Final = 0.3  # skin of a line across the finger that shows hardly any
_FALL: Final = 0.72  # contrast of a joint to that of both phalanges
_SLANTS: Final = (-20, -15, -10, -5, 0, 5, 10, 15, 20)  # degrees a crease may be askew
_GAP: Final = 2.0  # millimetres without ridges that a finger may have before its end
_MARGIN: Final = 1.0  # millimetres around a segment


class _Tip(NamedTuple):
    """A fingertip: its score, centre and half width in millimetres, and lean in degrees clockwise."""

    score: float
    x: float
    y: float
    half: float
    lean: float


def segment(image: Image, position: int, *, missing: Collection[int] = ()) -> list[Segment]:
    """Return the fingers of a slap, from left to right in the image.

    ``position`` is the slap's code, a key of :data:`SLAPS`; ``missing`` are finger positions 1-10 that the slap is stated
    not to show (ANSI/NIST-ITL 1-2011, field 14.018); fingers of other slaps among them are passed over. Where none is left
    the list is empty, whatever the image shows. A hand may lean by 30 degrees; one that seems to lean by more than 40 is
    refused. Thread-safe; the same image always gives the same segments. About 0.1 s CPU for 1600 x 1000 pixels at 500 dpi,
    0.6 s for the largest.

    Raises:
        SegmentationError: ``position`` is no slap, the image is too large for one, or it shows fewer or more fingers than
            are expected.

    """
    row = _row(position)
    expected = [finger for finger in row if finger not in missing]
    if not expected:
        return []
    _check_size(image)
    blocks = _blocks(image)
    tips = _fingertips(_tips(blocks.skin, _THUMBS if row[0] in {1, 6} else _FINGERS))
    slots = [row.index(finger) for finger in expected]
    chosen = _strongest_row(tips, slots, thumbs=row[0] in {1, 6})
    _check_count(position, expected, tips, chosen)
    pads = [_followed(blocks, tip, thumb=row[0] in {1, 6}) for tip in chosen]
    swapped = _swapped(expected, pads)
    return [_cut(image, finger, pads, place, swapped=swapped) for place, finger in enumerate(expected)]


# --- what was asked for -----------------------------------------------------------------------------------------------


def _row(position: int) -> tuple[int, ...]:
    try:
        return SLAPS[position]
    except KeyError:
        raise SegmentationError(
            f"a slap has position {', '.join(map(str, SLAPS))} (ANSI/NIST-ITL 1-2011, table 8); got {position}: "
            "a single finger needs no segmentation, palms have none"
        ) from None


def _check_size(image: Image) -> None:
    height, width = (side * 25.4 / image.dpi for side in image.pixels.shape)
    if max(width, height) > MAX_SIDE:
        raise SegmentationError(
            f"a slap is at most {MAX_SIDE:.0f} mm wide and high; this image is {width:.0f} x {height:.0f} mm at "
            f"{image.dpi:g} dpi: cut out the slap's box, or correct the resolution"
        )


def _check_count(position: int, expected: Sequence[int], tips: Sequence[_Tip], chosen: Sequence[_Tip]) -> None:
    """Refuse a row of fewer fingers than expected, or of more that are as plain as those chosen."""
    thumbs = expected[0] in {1, 6}
    if chosen:
        least = max(_LEAST, 0.5 * float(np.median([tip.score for tip in chosen])))
        plain = [tip for tip in tips if tip.score >= least]
        if not _strongest_row(plain, range(len(expected) + 1), thumbs=thumbs):
            return
        found = f"{len(expected) + 1} or more"
        advice = "correct what is stated as missing (field 14.018), or cut away what is no finger of this slap"
    else:
        # Three places from finger to finger: those between may be the missing ones.
        counts = range(1, len(expected))
        found = str(max((n for n in counts if _strongest_row(tips, range(0, 3 * n, 3), thumbs=thumbs)), default=0))
        advice = (
            "state which are missing or bandaged (field 14.018), turn the fingers upright, or capture the slap again"
        )
    raise SegmentationError(
        f"slap {position} should show {len(expected)} of its fingers (positions {', '.join(map(str, expected))}), "
        f"{found} found: {advice}"
    )


# --- where there is skin ----------------------------------------------------------------------------------------------


class _Blocks(NamedTuple):
    """What each block shows: how surely ridges, 0 to 1, and the contrast at the periods of ridges in grey values."""

    skin: Real
    contrast: Real


def _blocks(image: Image) -> _Blocks:
    windows = _windows(image)
    grey = windows.mean(axis=(2, 3))
    power, share = _ridge_power(windows - grey[..., None, None])
    contrast = np.sqrt(power)
    sure = contrast[share > 0.55]
    plain = float(np.percentile(sure, 80)) if sure.size else 0.0
    # Paper has grain, and platens have haze: what counts is measured against the plainer ridges of the same image.
    least = max(4.0, 0.12 * plain)
    skin = np.clip((share - 0.38) / 0.25, 0.0, 1.0) * np.clip(contrast / least - 1.0, 0.0, 1.0)
    # Cards are punched, through fingers too: a black spot may be skin or not.
    black = _widened(grey < _BLACK)
    return _Blocks(np.where(black, np.maximum(skin, 0.5), skin), np.where(black, np.maximum(contrast, plain), contrast))


def _widened(blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the blocks and those beside them."""
    rows = np.pad(blocks, 1)
    rows = rows[:-2] | rows[1:-1] | rows[2:]
    return np.asarray(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])


def _windows(image: Image) -> Real:
    """Return the surroundings of each block at 250 dpi, of shape (rows, columns, window, window)."""
    height, width = (max(1, round(side * 250.0 / image.dpi)) for side in image.pixels.shape)
    small = PIL.Image.fromarray(image.pixels).resize((width, height), PIL.Image.Resampling.BOX)
    margin = (_WINDOW - _STEP) // 2
    padding = [(margin, margin + -side % _STEP) for side in (height, width)]
    grey = np.pad(np.asarray(small, dtype=np.float32), padding, mode="symmetric")
    return np.lib.stride_tricks.sliding_window_view(grey, (_WINDOW, _WINDOW))[::_STEP, ::_STEP]


def _ridge_power(windows: Real) -> tuple[Real, Real]:
    """Return the power (grey values squared) at the periods of ridges for each window of mean 0, and its share in all."""
    taper = np.hanning(_WINDOW + 2)[1:-1].astype(np.float32)
    taper = np.outer(taper, taper)
    spectrum = np.fft.rfft2(windows * taper)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    power[..., 1:-1] *= 2.0  # the half that a real transform leaves out
    frequency = np.hypot(np.fft.fftfreq(_WINDOW)[:, None], np.fft.rfftfreq(_WINDOW)[None, :])
    ridges = ((frequency >= 1 / 7.5) & (frequency <= 1 / 2.9)).astype(np.float32)
    of_ridges = np.einsum("rcyx,yx->rc", power, ridges)
    return of_ridges / (_WINDOW**2 * np.square(taper).sum()), of_ridges / (power.sum(axis=(2, 3)) + 1e-3)


# --- fingertips -------------------------------------------------------------------------------------------------------


def _tips(skin: Real, halves: Sequence[float]) -> list[_Tip]:
    """Return the places most like a fingertip, best first, none within another."""
    scores = _scores(skin, halves)
    rows, columns = skin.shape
    y, x = np.mgrid[0:rows, 0:columns] * _PITCH + _PITCH / 2
    best = scores.max(axis=(0, 1))
    tips: list[_Tip] = []
    while len(tips) < _MOST and best.max() >= _LEAST:
        row, column = divmod(int(best.argmax()), columns)
        size, turn = divmod(int(scores[:, :, row, column].argmax()), len(_LEANS))
        lean = _between(_LEANS, scores[size, :, row, column], turn)
        tip = _Tip(float(best[row, column]), float(x[row, column]), float(y[row, column]), halves[size], lean)
        tips.append(tip)
        u, v = _in_frame(tip, x, y)
        best[np.square(u) + np.square(v / _ASPECT) < (1.25 * tip.half) ** 2] = -1.0
    return tips


def _scores(skin: Real, halves: Sequence[float]) -> Real:
    """Return how like a fingertip each place is, for each half width and lean; shape (halves, leans, rows, columns)."""
    reach = math.ceil((max(halves) * _ASPECT + _AROUND) / _PITCH) + 1
    shape = tuple(_quick_size(max(side, reach) + reach) for side in skin.shape)
    spectrum = np.fft.rfft2(skin, shape)
    scores = np.empty((len(halves), len(_LEANS), *skin.shape), dtype=np.float32)
    for i, half in enumerate(halves):
        for j, lean in enumerate(_LEANS):
            mask = _mask(half, lean)
            radius = len(mask) // 2
            laid = np.zeros(shape, dtype=np.float32)
            laid[: len(mask), : len(mask)] = mask
            found = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(np.roll(laid, (-radius, -radius), (0, 1)))), shape)
            # Where a small and a large ellipse fit nearly as well, the large one shows more of the finger.
            scores[i, j] = found[: skin.shape[0], : skin.shape[1]] * (1.0 + 0.1 * math.log(half / halves[0]))
    return scores


@functools.lru_cache(maxsize=256)
def _mask(half: float, lean: int) -> Real:
    """Return the weights of the blocks around a fingertip: in its ellipse they add up to 1, around it to -1."""
    radius = math.ceil((half * _ASPECT + _AROUND) / _PITCH)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] * _PITCH
    u, v = _in_frame(_Tip(0.0, 0.0, 0.0, half, lean), x, y)
    inside = np.clip((1.0 - np.hypot(u / half, v / (half * _ASPECT))) * half / _PITCH + 0.5, 0.0, 1.0)
    wide, long = half + _AROUND, half * _ASPECT + _AROUND
    around = np.clip((1.0 - np.hypot(u / wide, v / long)) * wide / _PITCH + 0.5, 0.0, 1.0) * (inside == 0.0)
    around *= np.clip(2.0 - 2.0 * v / (half * _ASPECT), 0.3, 1.0)  # the next phalanx may be near
    mask: Real = (inside / inside.sum() - around / around.sum()).astype(np.float32)
    mask.flags.writeable = False
    return mask


def _quick_size(least: int) -> int:
    """Return the next size whose Fourier transform is quick: a power of two, or three quarters of one."""
    power = 1 << (least - 1).bit_length()
    return power * 3 // 4 if power >= 4 and power * 3 // 4 >= least else power


def _in_frame(tip: _Tip, x: Any, y: Any) -> tuple[Any, Any]:
    """Return places in millimetres across (to the right) and along the finger (towards the palm) from a tip's centre."""
    cos, sin = math.cos(math.radians(tip.lean)), math.sin(math.radians(tip.lean))
    return (x - tip.x) * cos + (y - tip.y) * sin, (y - tip.y) * cos - (x - tip.x) * sin


def _on_image(tip: _Tip, u: Any, v: Any) -> tuple[Any, Any]:
    """Return the image's millimetres of places in a finger's frame: the inverse of :func:`_in_frame`."""
    cos, sin = math.cos(math.radians(tip.lean)), math.sin(math.radians(tip.lean))
    return tip.x + u * cos - v * sin, tip.y + u * sin + v * cos


def _between(places: Sequence[int], values: Real, best: int) -> float:
    """Return where a parabola through the best of the values and its neighbours has its top."""
    if not 0 < best < len(places) - 1:
        return float(places[best])
    left, middle, right = (float(value) for value in values[best - 1 : best + 2])
    bend = left - 2.0 * middle + right
    return places[best] + (0.5 * (left - right) / bend if bend < 0.0 else 0.0) * (places[1] - places[0])


# --- the row of fingers -----------------------------------------------------------------------------------------------


def _fingertips(tips: Sequence[_Tip]) -> list[_Tip]:
    """Return the tips less those that are the next phalanx of another's finger, or lie around or between better ones."""
    single = [tip for place, tip in enumerate(tips) if not any(_is_around(tip, better) for better in tips[:place])]
    common = float(np.median([tip.lean for tip in single])) if single else 0.0
    return [tip for tip in single if not any(_is_below(tip, other, common) for other in single)]


def _is_around(tip: _Tip, better: _Tip) -> bool:
    u, v = _in_frame(tip, better.x, better.y)
    return math.hypot(u, v / _ASPECT) < 1.2 * tip.half


def _is_below(tip: _Tip, other: _Tip, common: float) -> bool:
    # A single finger's lean is seen less surely than the hand's.
    u, v = _in_frame(other._replace(lean=(other.lean + common) / 2.0), tip.x, tip.y)
    return other.score > 0.7 * tip.score and 8.0 < v < 55.0 and abs(u) < 0.75 * other.half + min(0.2 * v, 4.0)


def _strongest_row(tips: Sequence[_Tip], slots: Sequence[int], *, thumbs: bool) -> list[_Tip]:
    """Return the tips that together score best among those that a hand can hold so, from left to right; none if none do.

    ``slots`` are the places of the wanted fingers among all of the slap's.
    """
    if len(tips) < len(slots):
        return []
    some = np.array(list(combinations(range(len(tips)), len(slots))), dtype=np.intp)
    score, x, y, half, lean = np.array(tips).T[:, some]
    turn = np.radians(lean.mean(axis=1, keepdims=True))
    across = x * np.cos(turn) + y * np.sin(turn)
    order = np.argsort(across, axis=1)
    x, y, half, lean, across = (np.take_along_axis(value, order, axis=1) for value in (x, y, half, lean, across))
    along = y * np.cos(turn) - x * np.sin(turn)
    gaps = np.diff(slots)
    widest, fanned = (_THUMBS_APART, _THUMBS_FAN) if thumbs else (_FINGERS_APART, _FINGERS_FAN)
    apart = np.diff(across, axis=1)
    possible = apart >= 0.75 * (half[:, 1:] + half[:, :-1])
    possible &= apart <= widest * gaps
    possible &= np.abs(np.diff(along, axis=1)) <= _STAGGER * gaps
    fan = np.abs(np.diff(lean, axis=1))
    possible &= fan <= fanned * gaps
    total = np.where(possible.all(axis=1), score.sum(axis=1) - 0.004 * fan.sum(axis=1), -1.0)
    total = np.where(np.abs(np.degrees(turn[:, 0])) <= _LEANING, total, -1.0)
    best = int(total.argmax())
    return [tips[i] for i in some[best][order[best]]] if total[best] > 0.0 else []


def _swapped(expected: Sequence[int], pads: Sequence[_Pad]) -> bool:
    """Tell whether the little finger reaches farther than the index finger, in the direction of the hand."""
    fingers = {(finger - 1) % 5: pad for finger, pad in zip(expected, pads, strict=True)}
    if not {1, 4} <= fingers.keys():
        return False
    turn = math.radians(sum(pad.tip.lean for pad in pads) / len(pads))
    heights = {}
    for kind, pad in fingers.items():
        x, y = _on_image(pad.tip, (pad.left + pad.right) / 2.0, pad.top)
        heights[kind] = x * math.sin(turn) - y * math.cos(turn)
    return bool(heights[4] > heights[1] + _FARTHER)


# --- one finger -------------------------------------------------------------------------------------------------------


class _Pad(NamedTuple):
    """What a segment shows: millimetres in the frame of its tip, and whether it ends at a joint."""

    tip: _Tip
    left: float
    right: float
    top: float
    bottom: float
    crease: bool


def _followed(blocks: _Blocks, tip: _Tip, *, thumb: bool) -> _Pad:
    """Follow a finger from its ellipse to its sides, its end and its crease."""
    longest, widest = (_LONGEST_THUMB, _WIDEST_THUMB) if thumb else (_LONGEST_FINGER, _WIDEST_FINGER)
    pad = _Pad(tip, -tip.half, tip.half, 0.0, 0.0, crease=False)
    for _ in range(2):
        pad = _lengthwise(blocks, pad, longest)
        pad = _sideways(blocks.skin, pad, widest)
    return pad


def _lengthwise(blocks: _Blocks, pad: _Pad, longest: float) -> _Pad:
    """Set the end of the finger, and its crease or where it is cut for want of one."""
    v = np.arange(-longest, longest + _FINE, _FINE)
    u = np.linspace(0.9 * pad.left + 0.1 * pad.right, 0.1 * pad.left + 0.9 * pad.right, 15)
    slanted = v[:, None] + (u - u.mean()) * np.tan(np.radians(_SLANTS))[:, None, None]
    places = _on_image(pad.tip, u, slanted)
    shown = np.percentile(_sampled(blocks.skin, *places), 75, axis=2)
    contrast = _sampled(blocks.contrast, *places).mean(axis=2).min(axis=0)
    middle = len(v) // 2
    start = middle + round(0.5 * pad.tip.half * _ASPECT / _FINE)
    joint = np.flatnonzero(_joints(contrast[start:], shown[:, start:].min(axis=0)))
    end = np.flatnonzero(_bare_for(shown[len(_SLANTS) // 2, middle::-1], _GAP))
    top = v[middle - int(end[0])] if end.size else v[0]
    bottom = v[start + int(joint[0])] if joint.size else v[-1]
    lowest = top + longest
    return pad._replace(top=float(top), bottom=float(min(bottom, lowest)), crease=bool(bottom <= lowest))


def _joints(contrast: Real, shown: Real) -> NDArray[np.bool_]:
    """Tell for each line across a finger whether it is a joint: bare, or of less contrast than what lies on both sides."""
    reach, near = round(4.0 / _FINE), round(1.0 / _FINE)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(contrast, reach, mode="edge"), 2 * reach + 1)
    beside = np.minimum(around[:, :reach].max(axis=1), around[:, reach + 1 :].max(axis=1))
    lowest = contrast <= around[:, reach - near : reach + near + 1].min(axis=1)
    return np.asarray((lowest & (contrast < _FALL * beside)) | _bare_for(shown, 2 * _FINE))


def _bare_for(shown: Real, length: float) -> NDArray[np.bool_]:
    """Tell for each line whether it and those after it show hardly any ridges for a length in millimetres."""
    lines = round(length / _FINE)
    bare = np.pad(shown < _BARE, (0, lines - 1), constant_values=True)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(bare, lines).all(axis=1))


def _sideways(skin: Real, pad: _Pad, widest: float) -> _Pad:
    """Set the sides of the finger: where few of its blocks show ridges."""
    tip = pad.tip
    side = min(1.6 * tip.half, widest / 2.0)
    u = np.arange(-side, side + _FINE, _FINE)
    v = np.linspace(pad.top, pad.bottom, 40)
    across = _sampled(skin, *_on_image(tip, u[:, None], v)).mean(axis=1)
    bare = np.flatnonzero(across < 0.5 * _BARE)
    left = u[bare[u[bare] < -0.5 * tip.half]]
    right = u[bare[u[bare] > 0.5 * tip.half]]
    return pad._replace(left=float(left.max(initial=-side)), right=float(right.min(initial=side)))


def _sampled(skin: Real, x: Any, y: Any) -> Real:
    """Return the blocks at places in millimetres, linear between their centres, 0 outside of the image."""
    padded = np.pad(skin, 1)
    row = np.clip(y / _PITCH + 0.5, 0.0, skin.shape[0] + 0.999)
    column = np.clip(x / _PITCH + 0.5, 0.0, skin.shape[1] + 0.999)
    top, left = row.astype(np.intp), column.astype(np.intp)
    down, right = row - top, column - left
    above = padded[top, left] * (1.0 - right) + padded[top, left + 1] * right
    below = padded[top + 1, left] * (1.0 - right) + padded[top + 1, left + 1] * right
    return np.asarray(above * (1.0 - down) + below * down)


def _cut(image: Image, finger: int, pads: Sequence[_Pad], place: int, *, swapped: bool) -> Segment:
    """Cut one finger out, and paint over what is not its own."""
    pad = pads[place]
    box = _box(image, pad)
    left, top, right, bottom = box
    pixels = image.pixels[top:bottom, left:right].copy()
    to_mm = 25.4 / image.dpi
    x = ((np.arange(left, right) + 0.5) * to_mm).astype(np.float32)
    y = ((np.arange(top, bottom) + 0.5) * to_mm).astype(np.float32)[:, None]
    own = _within(pad, *_in_frame(pad.tip, x, y))
    neighbours = [pads[i] for i in (place - 1, place + 1) if 0 <= i < len(pads)]
    near = [other for other in neighbours if _gap(pad, other) < 2.0 * _MARGIN]
    if near:
        distance = _distance(pad, x, y)
        for other in near:
            own &= distance < _distance(other, x, y)
    pixels[~own] = round(float(np.percentile(pixels[::4, ::4], 90)))
    reasons = _reasons(image, pad, touching=any(_gap(pad, other) < 0.5 for other in neighbours), swapped=swapped)
    return Segment(finger, box, -pad.tip.lean, Image(pixels, image.dpi), reasons)


def _within(pad: _Pad, u: Any, v: Any) -> NDArray[np.bool_]:
    """Tell which places are on a finger or in the margin around it; its end is round."""
    half = (pad.right - pad.left) / 2.0 + _MARGIN
    across = np.abs(u - (pad.left + pad.right) / 2.0) / half
    beyond = np.maximum(0.0, (pad.top - _MARGIN + half) - v) / half
    return np.asarray((across**3 + beyond**3 < 1.0) & (v < pad.bottom + _MARGIN / 2.0))


def _box(image: Image, pad: _Pad) -> tuple[int, int, int, int]:
    """Return the pixels that hold a finger and the margin around it."""
    u = np.linspace(pad.left - _MARGIN, pad.right + _MARGIN, 80)
    v = np.linspace(pad.top - _MARGIN, pad.bottom + _MARGIN / 2.0, 160)[:, None]
    places = _on_image(pad.tip, u, v)
    within = _within(pad, u, v)
    x, y = (np.broadcast_to(value, within.shape)[within] * image.dpi / 25.4 for value in places)
    height, width = image.pixels.shape
    left, right = (min(max(round(float(edge)), 0), width) for edge in (x.min(), x.max()))
    top, bottom = (min(max(round(float(edge)), 0), height) for edge in (y.min(), y.max()))
    return left, top, right, bottom


def _distance(pad: _Pad, x: Any, y: Any) -> Real:
    """Return the distance of places from the middle line of a finger, relative to its half width."""
    half = (pad.right - pad.left) / 2.0
    u, v = _in_frame(pad.tip, x, y)
    beyond = v - np.clip(v, min(pad.top + half, 0.0), max(pad.bottom - half, 0.0))
    return np.asarray(np.hypot(u - (pad.left + pad.right) / 2.0, beyond) / half)


def _gap(pad: _Pad, other: _Pad) -> float:
    """Return the millimetres between two fingers where they are nearest; less than 0 where they overlap."""
    return min(_clearance(pad, other), _clearance(other, pad))


def _clearance(pad: _Pad, other: _Pad) -> float:
    places = _distance(other, *_on_image(pad.tip, *_outline(pad)))
    return float((places.min() - 1.0) * (other.right - other.left) / 2.0)


def _reasons(image: Image, pad: _Pad, *, touching: bool, swapped: bool) -> tuple[Reason, ...]:
    height, width = (side * 25.4 / image.dpi for side in image.pixels.shape)
    x, y = _on_image(pad.tip, *_outline(pad))
    outside = (x < 0.0) | (x > width) | (y < 0.0) | (y > height)
    holds = {
        Reason.CUT: bool(outside.any()),
        Reason.NO_CREASE: not pad.crease,
        Reason.TOUCHING: touching,
        Reason.WEAK: pad.tip.score < _WEAK,
        Reason.SWAPPED: swapped,
    }
    return tuple(reason for reason, held in holds.items() if held)


def _outline(pad: _Pad) -> tuple[Any, Any]:
    """Return places on the ellipse within a pad."""
    turn = np.linspace(0.0, 2.0 * np.pi, 48)
    u = (pad.left + pad.right) / 2.0 + (pad.right - pad.left) / 2.0 * np.cos(turn)
    v = (pad.top + pad.bottom) / 2.0 + (pad.bottom - pad.top) / 2.0 * np.sin(turn)
    return u, v
