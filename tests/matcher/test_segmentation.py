"""Slaps into fingers: positions, edges, what is refused, and slaps put together from synthetic fingers."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher import segmentation
from matcher.comparison import compare
from matcher.extraction import Extractor
from matcher.images import Image, read
from matcher.segmentation import SLAPS, Reason, Segment, SegmentationError, segment
from matcher.synthesis import Finger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

PER_MM = 500 / 25.4

# --- slaps put together from single fingers ---------------------------------------------------------------------------

ALONG = {1: 6.0, 2: 10.0, 3: 0.0, 4: 5.0, 5: 22.0}
"""Millimetres by which each finger stays behind the middle finger."""

FAN = {1: 0.0, 2: -6.0, 3: 0.0, 4: 4.0, 5: 10.0}
"""Degrees by which each finger of a right hand leans clockwise."""


@functools.lru_cache(maxsize=64)
def finger(seed: int, position: int) -> Grey:
    return Finger(seed, 0, position).image()


@dataclass
class Hand:
    """How a hand lies on the platen; lengths in millimetres, angles in degrees clockwise."""

    turn: float = 0.0
    spacing: float = 21.0
    absent: Collection[int] = ()
    ink: Mapping[int, float] = field(default_factory=dict)
    phalanges: bool = True
    seed: int = 0
    shift: tuple[float, float] = (0.0, 0.0)
    size: tuple[int, int] = (1800, 1400)


@dataclass(frozen=True)
class Slap:
    pixels: Grey
    centres: dict[int, tuple[float, float]]
    """The centre of each fingertip in pixels."""
    joints: dict[int, tuple[float, float]]
    """The middle of each next phalanx in pixels."""


def slap(position: int, hand: Hand) -> Slap:
    """Lay fingers side by side, each the darker of what lies there."""
    width, height = hand.size
    canvas = np.full((height, width), 250, dtype=np.uint8)
    made = Slap(canvas, {}, {})
    row = SLAPS[position]
    for place, name in enumerate(row):
        if name in hand.absent:
            continue
        kind = (name - 1) % 5 + 1
        u = (place - (len(row) - 1) / 2) * (32.0 if kind == 1 else hand.spacing)
        lean = hand.turn + (-FAN[kind] if name > 5 else FAN[kind])
        x, y = turned(u, ALONG[kind] - 10.0, hand.turn)
        x, y = width / 2 + (x + hand.shift[0]) * PER_MM, height / 2 + (y + hand.shift[1]) * PER_MM
        ink = hand.ink.get(name, 1.0)
        lay(canvas, finger(hand.seed, name), (x, y), lean, ink)
        made.centres[name] = (x, y)
        if hand.phalanges:
            down_x, down_y = turned(0.0, 19.0, lean)
            made.joints[name] = (x + down_x * PER_MM, y + down_y * PER_MM)
            lay(canvas, finger(hand.seed + 1, name)[90:390, 60:250], made.joints[name], lean, 0.7 * ink)
    return made


def turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return x * cos - y * sin, x * sin + y * cos


def lay(canvas: Grey, pixels: Grey, centre: tuple[float, float], lean: float, ink: float) -> None:
    faint = PIL.Image.fromarray((255 - (255 - pixels) * ink).astype(np.uint8))
    leaning = np.asarray(faint.rotate(-lean, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor=255))
    height, width = leaning.shape
    left, top = round(centre[0] - width / 2), round(centre[1] - height / 2)
    first_row, last_row = np.clip((top, top + height), 0, canvas.shape[0])
    first, last = np.clip((left, left + width), 0, canvas.shape[1])
    part = leaning[first_row - top : last_row - top, first - left : last - left]
    canvas[first_row:last_row, first:last] = np.minimum(canvas[first_row:last_row, first:last], part)


def written_upon(pixels: Grey) -> Grey:
    """Add what a card has: print, a frame, and strokes of a pen."""
    card = PIL.Image.fromarray(pixels)
    pen = PIL.ImageDraw.Draw(card)
    width, height = card.size
    pen.text((60, 20), "FOUR FINGERS TAKEN SIMULTANEOUSLY", fill=20, font_size=44)
    pen.line((0, 8, width, 8), fill=0, width=5)
    pen.line((6, 0, 6, height), fill=0, width=5)
    pen.line([(width - 200 + 80 * (i % 2), 100 + 40 * i) for i in range(7)], fill=60, width=9)
    return np.array(card)


def noisy(pixels: Grey, rng: np.random.Generator, grain: float, specks: float) -> Grey:
    grey = pixels + rng.normal(0.0, grain, pixels.shape)
    grey[rng.random(pixels.shape) < specks] = 0
    return grey.clip(0, 255).astype(np.uint8)


def cut(made: Slap | Grey, position: int, missing: Collection[int] = (), dpi: float = 500.0) -> list[Segment]:
    pixels = made.pixels if isinstance(made, Slap) else made
    return segment(Image(pixels, dpi), position, missing=missing)


def holds(part: Segment, place: tuple[float, float]) -> bool:
    left, top, right, bottom = part.box
    return left < place[0] < right and top < place[1] < bottom


def is_right(parts: list[Segment], made: Slap) -> bool:
    """Tell whether each finger is there once, in the order of the slap, with its own tip in the middle of its box."""
    if sorted(part.position for part in parts) != sorted(made.centres):
        return False
    for part in parts:
        x, y = made.centres[part.position]
        left, top, right, bottom = part.box
        if math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y) > 5 * PER_MM or not holds(part, (x, y)):
            return False
    return True


# --- positions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [-25.0, 0.0, 25.0])
@pytest.mark.parametrize("position", [13, 14])
def test_four_fingers_get_their_positions_however_the_hand_is_turned(position: int, turn: float) -> None:
    made = slap(position, Hand(turn=turn))
    parts = cut(made, position)
    assert tuple(part.position for part in parts) == SLAPS[position]
    assert is_right(parts, made)
    assert all(abs(part.angle + turn) < 30 for part in parts)


@pytest.mark.parametrize("position", sorted(SLAPS.keys() - {13, 14}))
def test_every_slap_gives_the_fingers_of_its_code(position: int) -> None:
    made = slap(position, Hand())
    assert is_right(cut(made, position), made)


def test_the_index_finger_of_a_right_hand_is_left_in_the_image_and_of_a_left_hand_right() -> None:
    assert SLAPS[13] == (2, 3, 4, 5)
    assert SLAPS[14] == (10, 9, 8, 7)
    assert SLAPS[15] == (6, 1)


@pytest.mark.parametrize("absent", [pair for n in (1, 2, 3) for pair in combinations(SLAPS[14], n)])
def test_whichever_fingers_are_missing_the_others_keep_their_positions(absent: tuple[int, ...]) -> None:
    made = slap(14, Hand(absent=absent))
    assert is_right(cut(made, 14, missing=absent), made)


def test_missing_fingers_of_other_slaps_change_nothing() -> None:
    made = slap(13, Hand())
    assert is_right(cut(made, 13, missing=(1, 6, 7, 8, 9, 10)), made)


def test_a_slap_of_missing_fingers_has_no_segments() -> None:
    assert cut(np.full((1000, 1600), 255, dtype=np.uint8), 13, missing={2, 3, 4, 5}) == []


def test_a_hand_under_the_other_hands_position_is_remarked_upon() -> None:
    made = slap(13, Hand(seed=1))
    assert not any(Reason.SWAPPED in part.reasons for part in cut(made, 13))
    assert all(Reason.SWAPPED in part.reasons for part in cut(made, 14))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_finger_that_is_not_stated_as_missing_is_missed() -> None:
    message = (
        r"slap 14 should show 4 of its fingers \(positions 10, 9, 8, 7\), 3 found: "
        r"state which are missing or bandaged \(field 14.018\), turn the fingers upright, or capture the slap again"
    )
    with pytest.raises(SegmentationError, match=message):
        cut(slap(14, Hand(absent={9})), 14)


def test_a_finger_that_is_stated_as_missing_and_there_is_refused() -> None:
    message = (
        r"slap 13 should show 3 of its fingers \(positions 2, 4, 5\), 4 or more found: "
        r"correct what is stated as missing .*14.018.*, or cut away what is no finger of this slap"
    )
    with pytest.raises(SegmentationError, match=message):
        cut(slap(13, Hand()), 13, missing={3})


def test_next_phalanges_never_stand_in_for_fingers() -> None:
    with pytest.raises(SegmentationError, match=r"4 of its fingers .* 2 found"):
        cut(slap(13, Hand(absent={3, 5})), 13)


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_hand_on_its_side_is_refused(quarters: int) -> None:
    with pytest.raises(SegmentationError, match="turn the fingers upright"):
        cut(np.ascontiguousarray(np.rot90(slap(13, Hand()).pixels, quarters)), 13)


@pytest.mark.parametrize("position", [0, 2, 10, 19, 25, 46])
def test_what_is_no_slap_is_not_cut(position: int) -> None:
    message = (
        f"a slap has position 11, 12, 13, .*, 50 .*table 8.; got {position}: a single finger needs no segmentation"
    )
    with pytest.raises(SegmentationError, match=message):
        cut(np.zeros((100, 100), dtype=np.uint8), position)


def test_an_image_larger_than_any_slap_is_refused_at_once() -> None:
    with pytest.raises(SegmentationError, match=r"at most 130 mm .* is 254 x 254 mm at 500 dpi: .* the resolution"):
        cut(np.zeros((5000, 5000), dtype=np.uint8), 13)


def stripes(height: int, width: int, period: float) -> Grey:
    wave = 127 + 120 * np.sin(np.arange(height) * 2 * np.pi / period)
    return np.repeat(wave.astype(np.uint8)[:, None], width, axis=1)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.full((1000, 1600), 255, dtype=np.uint8), id="blank"),
        pytest.param(np.zeros((1000, 1600), dtype=np.uint8), id="black"),
        pytest.param(np.random.default_rng(1).integers(0, 256, (1000, 1600), dtype=np.uint8), id="noise"),
        pytest.param(stripes(1000, 1600, 9.0), id="stripes across"),
        pytest.param(np.ascontiguousarray(stripes(1600, 1000, 9.0).T), id="stripes down"),
        pytest.param(np.zeros((1, 1), dtype=np.uint8), id="one pixel"),
        pytest.param(np.zeros((1, 2000), dtype=np.uint8), id="one row"),
        pytest.param(np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8), id="tiny"),
    ],
)
def test_images_without_four_fingers_are_refused(pixels: Grey) -> None:
    with pytest.raises(SegmentationError, match=r"slap 13 should show 4 of its fingers .*, [0-2] found"):
        cut(pixels, 13)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.sampled_from([200.0, 500.0, 1300.0]),
    st.sampled_from(sorted(SLAPS)),
    st.sets(st.integers(1, 10)),
    st.lists(
        st.tuples(*[st.integers(0, 600)] * 4, st.sampled_from(["noise", "stripes", "finger", "black"])), max_size=5
    ),
)
def test_whatever_an_image_shows_the_segments_lie_in_it_or_it_is_refused(
    shape: tuple[int, int],
    dpi: float,
    position: int,
    missing: set[int],
    patches: list[tuple[int, int, int, int, str]],
) -> None:
    pixels = np.full(shape, 240, dtype=np.uint8)
    for top, left, height, width, what in patches:
        patch = pixels[top : top + height, left : left + width]
        shown: Grey = {
            "noise": np.random.default_rng(height).integers(0, 256, (600, 600), dtype=np.uint8),
            "stripes": stripes(600, 600, 9.0),
            "finger": np.pad(finger(0, 3), ((0, 200), (0, 300)), mode="wrap"),
            "black": np.zeros((600, 600), dtype=np.uint8),
        }[what]
        patch[:] = shown[: patch.shape[0], : patch.shape[1]]
    try:
        parts = cut(pixels, position, missing, dpi)
    except SegmentationError:
        return
    assert [part.position for part in parts] == [name for name in SLAPS[position] if name not in missing]
    for part in parts:
        left, top, right, bottom = part.box
        assert 0 <= left < right <= shape[1]
        assert 0 <= top < bottom <= shape[0]
        assert part.image.pixels.shape == (bottom - top, right - left)
        assert part.image.dpi == dpi


# --- what else a slap shows -------------------------------------------------------------------------------------------


def test_print_lines_and_handwriting_are_no_fingers() -> None:
    made = slap(14, Hand(turn=10.0))
    assert is_right(cut(written_upon(made.pixels), 14), made)


def test_grain_and_specks_are_no_skin() -> None:
    made = slap(13, Hand(turn=-10.0))
    assert is_right(cut(noisy(made.pixels, np.random.default_rng(1), 12.0, 0.01), 13), made)


def test_a_faint_finger_is_found_beside_plain_ones() -> None:
    made = slap(13, Hand(ink={4: 0.3}))
    assert is_right(cut(made, 13), made)


def test_a_hole_punched_through_a_finger_does_not_hide_it() -> None:
    made = slap(13, Hand())
    x, y = made.centres[2]
    rows, columns = np.ogrid[0 : made.pixels.shape[0], 0 : made.pixels.shape[1]]
    made.pixels[np.hypot(columns - x, rows - y) < 3.5 * PER_MM] = 0
    assert is_right(cut(made, 13), made)


def test_only_the_last_phalanx_is_in_a_segment() -> None:
    made = slap(13, Hand())
    for part in cut(made, 13):
        assert not holds(part, made.joints[part.position])
        assert Reason.NO_CREASE not in part.reasons


def test_a_finger_without_a_crease_ends_at_the_length_of_a_fingertip() -> None:
    pixels = np.full((1000, 500), 250, dtype=np.uint8)
    pixels[100:1000, 130:370] = stripes(900, 240, 9.0)
    (part,) = cut(pixels, 11)
    assert Reason.NO_CREASE in part.reasons
    assert part.box[3] - part.box[1] < 39 * PER_MM


def test_a_finger_at_the_edge_of_the_image_is_said_to_be_cut() -> None:
    made = slap(13, Hand(shift=(0.0, -18.0), phalanges=False))
    reasons = {part.position: part.reasons for part in cut(made, 13)}
    assert Reason.CUT in reasons[3]
    assert Reason.CUT not in reasons[5]


def test_fingers_that_touch_are_divided_between_them() -> None:
    made = slap(41, Hand(spacing=12.0))
    parts = cut(made, 41)
    assert is_right(parts, made)
    assert all(Reason.TOUCHING in part.reasons for part in parts)
    assert not any(Reason.TOUCHING in part.reasons for part in cut(slap(41, Hand(spacing=22.0)), 41))


@pytest.mark.parametrize(("hidden", "weak"), [(0.4, set()), (0.6, {2})])
def test_a_finger_of_which_little_shows_is_weak(hidden: float, weak: set[int]) -> None:
    made = slap(13, Hand(phalanges=False))
    x, y = (round(value) for value in made.centres[2])
    spots = np.random.default_rng(1).random((30, 24)) < hidden
    made.pixels[y - 240 : y + 240, x - 192 : x + 192][np.kron(spots, np.ones((16, 16), dtype=np.bool_))] = 250
    assert {part.position for part in cut(made, 13) if Reason.WEAK in part.reasons} == weak


def test_a_segment_shows_the_slaps_pixels_or_background() -> None:
    made = slap(13, Hand(turn=25.0, spacing=17.0))
    for part in cut(made, 13):
        left, top, right, bottom = part.box
        source = made.pixels[top:bottom, left:right]
        painted = part.image.pixels[part.image.pixels != source]
        assert len(np.unique(painted)) == 1
        assert painted[0] > 200
        others = [place for name, place in made.centres.items() if name != part.position and holds(part, place)]
        assert all(part.image.pixels[round(y) - top, round(x) - left] == painted[0] for x, y in others)


def test_boxes_are_in_pixels_of_the_image_at_any_resolution() -> None:
    made = slap(14, Hand())
    at_500 = cut(made, 14)
    for dpi in (300.0, 1000.0):
        scale = dpi / 500
        size = (round(made.pixels.shape[1] * scale), round(made.pixels.shape[0] * scale))
        pixels = np.asarray(PIL.Image.fromarray(made.pixels).resize(size, PIL.Image.Resampling.LANCZOS))
        for part, reference in zip(cut(pixels, 14, dpi=dpi), at_500, strict=True):
            assert part.position == reference.position
            assert np.abs(np.array(part.box) / scale - reference.box).max() < 2 * PER_MM
            assert part.image.dpi == dpi


def test_an_image_is_left_as_it_is_and_cut_the_same_again() -> None:
    pixels = slap(13, Hand()).pixels
    before = pixels.copy()
    pixels.flags.writeable = False
    first, second = cut(pixels, 13), cut(pixels, 13)
    np.testing.assert_array_equal(pixels, before)
    for one, other in zip(first, second, strict=True):
        assert (one.box, one.angle, one.reasons) == (other.box, other.angle, other.reasons)
        np.testing.assert_array_equal(one.image.pixels, other.image.pixels)


def test_a_segment_matches_its_finger_and_no_other() -> None:
    made = slap(42, Hand(turn=15.0))
    extractor = Extractor()
    enrolled = {name: extractor.extract(Image(finger(0, name), 500.0)) for name in (4, 5)}
    for part in cut(made, 42):
        found = extractor.extract(part.image, position=part.position)
        for name, template in enrolled.items():
            assert (compare(found, template).false_match_probability < 1e-6) == (name == part.position)


# --- the fast things and their slow twins -----------------------------------------------------------------------------


def test_scores_are_those_of_a_mask_laid_on_each_place() -> None:
    skin = np.random.default_rng(2).random((21, 34)).astype(np.float32)
    halves = (5.5, 10.7)
    scores = segmentation._scores(skin, halves)
    for i, half in enumerate(halves):
        for j, lean in enumerate(segmentation._LEANS):
            mask = segmentation._mask(half, lean)
            reach = len(mask) // 2
            wide = np.pad(skin, reach)
            for row, column in ((0, 0), (20, 33), (10, 17)):
                under = wide[row : row + len(mask), column : column + len(mask)]
                expected = (under * mask).sum() * (1 + 0.1 * math.log(half / 5.5))
                assert scores[i, j, row, column] == pytest.approx(expected, abs=1e-4)


def test_the_power_at_the_periods_of_ridges_is_that_of_a_plain_sum() -> None:
    window = np.random.default_rng(3).normal(0, 30, (16, 16)).astype(np.float32)
    power, share = segmentation._ridge_power(window[None, None])
    taper = np.outer(np.hanning(18)[1:-1], np.hanning(18)[1:-1])
    spectrum = np.fft.fft2(window * taper)
    inside = total = 0.0
    for row in range(16):
        for column in range(16):
            frequency = math.hypot((row + 8) % 16 - 8, (column + 8) % 16 - 8) / 16
            strength = abs(spectrum[row, column]) ** 2
            total += strength
            inside += strength if 1 / 7.5 <= frequency <= 1 / 2.9 else 0.0
    assert share[0, 0] == pytest.approx(inside / total, rel=1e-4)
    assert power[0, 0] == pytest.approx(inside / (256 * (taper**2).sum()), rel=1e-4)


@given(st.integers(0, 10_000), st.sampled_from([(0,), (0, 1), (0, 2, 3), (0, 1, 2, 3)]))
def test_the_strongest_row_is_the_best_of_all_that_a_hand_can_hold(seed: int, slots: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    tips = [
        segmentation._Tip(*(float(value) for value in values))
        for values in zip(
            rng.uniform(0.4, 1, 6),
            rng.uniform(0, 80, 6),
            rng.uniform(0, 40, 6),
            rng.uniform(5, 9, 6),
            rng.uniform(-20, 20, 6),
            strict=True,
        )
    ]
    rows = list(possible_rows(tips, slots))
    best = max(rows, key=lambda row: row[0])[1] if rows else []
    assert segmentation._strongest_row(tips, slots, thumbs=False) == best


def across(turn: float, tip: segmentation._Tip) -> float:
    return turned(tip.x, tip.y, -turn)[0]


def possible_rows(
    tips: list[segmentation._Tip], slots: tuple[int, ...]
) -> Iterator[tuple[float, list[segmentation._Tip]]]:
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    for some in combinations(tips, len(slots)):
        turn = sum(tip.lean for tip in some) / len(some)
        row = sorted(some, key=functools.partial(across, turn))
        total = sum(tip.score for tip in row)
        possible = [True]
        for one, other, gap in zip(row[:-1], row[1:], gaps, strict=True):
            (x, y), (x2, y2) = turned(one.x, one.y, -turn), turned(other.x, other.y, -turn)
            possible.append(0.75 * (one.half + other.half) <= x2 - x <= 34 * gap)
            possible.append(abs(y2 - y) <= 34 * gap)
            possible.append(abs(other.lean - one.lean) <= 40 * gap)
            total -= 0.004 * abs(other.lean - one.lean)
        if all(possible):
            yield total, row


# --- many slaps, and real ones ----------------------------------------------------------------------------------------


@pytest.mark.long
def test_of_two_hundred_slaps_nearly_all_are_cut_right_and_none_gets_a_wrong_position() -> None:
    rng = np.random.default_rng(20)
    right = 0
    for number in range(200):
        position = 13 + number % 2
        row = SLAPS[position]
        absent = [int(name) for name in rng.choice(row, rng.choice([0, 0, 0, 1, 1, 2]), replace=False)]
        hand = Hand(
            turn=float(rng.uniform(-25, 25)),
            spacing=float(rng.uniform(18, 24)),
            absent=absent,
            ink={int(rng.choice(row)): float(rng.uniform(0.25, 1.0))},
            phalanges=bool(rng.random() < 0.7),
            seed=2 * (number % 4),
        )
        made = slap(position, hand)
        pixels = written_upon(made.pixels) if rng.random() < 0.5 else made.pixels
        pixels = noisy(pixels, rng, float(rng.choice([1.5, 6.0, 12.0])), float(rng.choice([0.0, 0.01])))
        try:
            parts = cut(pixels, position, absent)
        except SegmentationError:
            pass
        else:
            assert is_right(parts, made), number
            right += 1
        if absent:
            with pytest.raises(SegmentationError, match="found"):
                cut(pixels, position)
    assert right >= 190


def type_4(transaction: bytes) -> dict[int, Image]:
    """The images of a transaction of one Type-1, one Type-2 and Type-4 records by position (ANSI/NIST-ITL, Type-4)."""
    pictures, start = {}, 0
    for _ in range(2):
        start += int(transaction[start:].split(b"\x1d")[0].split(b":")[1])
    while start < len(transaction):
        length = int.from_bytes(transaction[start : start + 4], "big")
        record = transaction[start : start + length]
        pictures[record[6]] = read(record[18:], dpi=500)
        start += length
    return pictures


CARD = {
    13: {2: (200, 700), 3: (550, 260), 4: (930, 240), 5: (1360, 580)},
    14: {10: (290, 790), 9: (590, 290), 8: (930, 160), 7: (1290, 370)},
    11: {1: (270, 560)},
    12: {6: (220, 590)},
}
"""Places in the middle of the fingers, read off the card by eye."""


@pytest.mark.parametrize("position", CARD)
def test_the_slaps_of_a_real_card_are_cut(shared_data: Path, position: int) -> None:
    card = (shared_data / "ansi_nist" / "nist_csr" / "type-4-tpcard.an2").read_bytes()
    parts = segment(type_4(card)[position], position)
    assert tuple(part.position for part in parts) == SLAPS[position]
    assert all(holds(part, CARD[position][part.position]) for part in parts)
    assert not any(Reason.SWAPPED in part.reasons for part in parts)


def test_the_wrong_hand_of_a_real_card_is_remarked_upon(shared_data: Path) -> None:
    card = (shared_data / "ansi_nist" / "nist_csr" / "type-4-tpcard.an2").read_bytes()
    assert all(Reason.SWAPPED in part.reasons for part in segment(type_4(card)[13], 14))


def test_a_real_card_with_an_amputated_finger_is_cut_when_it_is_stated(shared_data: Path) -> None:
    card = (shared_data / "ansi_nist" / "nist_csr" / "type-14-amp-nqm-utf8.an2").read_bytes()
    stated = card.index(b"\x1d14.018:9\x1fXX")
    start = card.index(b"\xff\xa0", stated)
    image = read(card[start:].rstrip(b"\x1c"), dpi=500)
    parts = segment(image, 14, missing={9})
    assert [part.position for part in parts] == [10, 8, 7]
    assert all(holds(part, CARD[14][part.position]) for part in parts)
    with pytest.raises(SegmentationError, match=r"4 of its fingers .* 3 found"):
        segment(image, 14)


@pytest.mark.long
def test_the_slaps_of_a_real_card_match_its_rolled_prints(shared_data: Path) -> None:
    pictures = type_4((shared_data / "ansi_nist" / "nist_csr" / "type-4-tpcard.an2").read_bytes())
    extractor = Extractor()
    rolled = {name: extractor.extract(pictures[name]) for name in range(1, 11)}
    mated: dict[int, float] = {}
    others: list[float] = []
    for position in CARD:
        for part in segment(pictures[position], position):
            found = extractor.extract(part.image)
            chance = {name: compare(found, template).false_match_probability for name, template in rolled.items()}
            mated[part.position] = chance.pop(part.position)
            others += chance.values()
    assert min(others) > 1e-3
    # The right little finger shows but what is above its core, and its rolled print is smudged there.
    assert sorted(name for name, chance in mated.items() if chance > 2e-4) == [5]
    assert sum(chance < 1e-4 for chance in mated.values()) >= 8
