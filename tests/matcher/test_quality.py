"""The quality of a print: that it says what a search will find, and tells the capturer what to do."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from matcher import compare
from matcher.extraction import Extractor
from matcher.images import Image, read
from matcher.quality import Quality, Reason, measure
from matcher.synthesis import Finger
from matcher.template import Template

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (388, 374)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


@pytest.fixture(scope="module")
def good(extractor: Extractor) -> tuple[Image, Template]:
    """A synthetic print, whole and clear."""
    image = Image(Finger(7, 0, 2).image(0), 500.0)
    return image, extractor.extract(image)


def minutiae(count: int, quality: float = 90.0) -> Template:
    """So many minutiae on a grid."""
    x, y = np.meshgrid(np.arange(20, 340, 20), np.arange(20, 340, 20))
    return Template.of(
        x.ravel()[:count],
        y.ravel()[:count],
        np.zeros(count),
        quality=np.full(count, quality),
        width=SIZE[1],
        height=SIZE[0],
    )


def ridges(period: float, *, low: int = 40, high: int = 220) -> Image:
    """Diagonal ridges so many pixels apart."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    wave = np.sin(2 * np.pi * (rows + columns) / (period * np.sqrt(2)))
    return Image(np.rint((high + low) / 2 + (high - low) / 2 * wave).astype(np.uint8), 500.0)


def test_a_clear_print_has_no_reason_against_it(good: tuple[Image, Template]) -> None:
    quality = measure(*good)
    assert quality.reasons == ()
    assert quality.value > 60
    assert quality.usable


@pytest.mark.parametrize(("count", "value"), [(0, 0), (7, 0), (8, 32), (25, 57), (70, 95), (100, 100)])
def test_the_value_is_twelve_times_the_root_of_the_expected_minutiae(count: int, value: int) -> None:
    quality = measure(ridges(9), minutiae(count))
    assert quality.expected_minutiae == pytest.approx(0.9 * count)
    assert quality.value == value


def test_a_print_that_cannot_be_compared_has_no_worth() -> None:
    assert not measure(ridges(9), minutiae(7)).usable
    assert measure(ridges(9), minutiae(8)).usable


@pytest.mark.parametrize("period", [6.0, 9.0, 13.0])
def test_the_ridge_period_is_measured(period: float) -> None:
    found = measure(ridges(period), minutiae(30))
    assert found.ridge_period == pytest.approx(period, rel=0.15)
    assert Reason.RESOLUTION not in found.reasons


@pytest.mark.parametrize("period", [4.0, 18.0])
def test_ridges_too_near_or_too_far_for_500_dpi_mean_another_resolution(period: float) -> None:
    found = measure(ridges(period), minutiae(30))
    assert found.reasons[0] is Reason.RESOLUTION
    assert not found.usable, "searched at a wrong resolution it would have no mates, and come out as no match"


def test_the_stated_resolution_is_what_the_period_is_measured_at() -> None:
    at_1000 = Image(ridges(18).pixels, 1000.0)
    assert measure(at_1000, minutiae(30)).ridge_period == pytest.approx(9.0, rel=0.15)


def faint() -> Image:
    return ridges(9, low=120, high=160)


def small() -> Image:
    pixels = np.full(SIZE, 250, dtype=np.uint8)
    pixels[:96, :96] = ridges(9).pixels[:96, :96]
    return Image(pixels, 500.0)


def noise() -> Image:
    return Image(np.random.default_rng(2).integers(0, 256, SIZE, dtype=np.uint8), 500.0)


@pytest.mark.parametrize(
    ("image", "reason", "advice"),
    [
        (faint(), Reason.TOO_FAINT, "clean finger and scanner"),
        (small(), Reason.TOO_SMALL, "place the whole fingertip"),
        (noise(), Reason.UNCLEAR, "hold the finger still"),
        (ridges(9, low=0, high=90), Reason.TOO_DARK, "dry the finger"),
        (ridges(9, low=215, high=255), Reason.TOO_LIGHT, "moisten the finger"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(image: Image, reason: Reason, advice: str) -> None:
    quality = measure(image, minutiae(40))
    assert reason in quality.reasons
    assert advice in reason.advice


def test_few_minutiae_are_a_reason_before_they_are_too_few() -> None:
    assert measure(ridges(9), minutiae(10)).reasons == (Reason.FEW_MINUTIAE,)


@pytest.mark.parametrize("shape", [(32, 32), (47, 300), (49, 48)])
def test_blank_and_small_pictures_have_a_quality_too(shape: tuple[int, int]) -> None:
    blank = Image(np.full(shape, 255, dtype=np.uint8), 500.0)
    nothing = Template.of([], [], [], width=shape[1], height=shape[0])
    quality = measure(blank, nothing)
    assert quality == Quality(0, (Reason.FEW_MINUTIAE, Reason.TOO_SMALL), 0.0, 0.0, None)


def test_every_reason_has_an_advice() -> None:
    assert all(reason.advice.count(":") == 1 for reason in Reason)


def test_better_quality_means_better_scores_among_real_prints(shared_data: Path, extractor: Extractor) -> None:
    """Of the same finger, the pairs of the two best prints score above those of the two worst."""
    better = 0
    for finger in (101, 102, 103, 104):
        images = [read((shared_data / f"fvc2002/DB1_B/{finger}_{n}.tif").read_bytes(), dpi=500) for n in range(1, 7)]
        prints = [(image, extractor.extract(image)) for image in images]
        ranked = sorted(prints, key=lambda each: measure(*each).expected_minutiae)
        worst, best = ranked[:3], ranked[3:]
        scores = [
            np.mean([compare(a[1], b[1]).score for a, b in itertools.combinations(some, 2)]) for some in (worst, best)
        ]
        better += scores[1] > scores[0]
    assert better >= 3
