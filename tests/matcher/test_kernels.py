"""Every kernel equals its slow twin, on random and on hostile prints."""

from __future__ import annotations

import numpy as np
import pytest

from matcher import _kernels, comparison
from matcher._kernels import FEATURES
from matcher._parameters import PAIRING, SIFT_FLOOR
from matcher.template import MAX_MINUTIAE, Template
from tests.matcher import naive

SIDE = 400


def scattered(seed: int, count: int, *, spread: int = SIDE) -> Template:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, spread, (2, count))
    return Template.of(x, y, rng.uniform(0, naive.TAU, count), width=SIDE, height=SIDE)


def pressed_again(template: Template, seed: int, *, turn: float = 0.3, lost: int = 4) -> Template:
    """Return another impression: turned and shifted, every minutia displaced, some lost, as many false."""
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(template))[: max(len(template) - lost, 0)]
    at = (template.x[kept] - SIDE / 2) - 1j * (template.y[kept] - SIDE / 2)
    at = at * np.exp(1j * turn) + complex(9, -14) + rng.normal(0, 2, len(kept)) + 1j * rng.normal(0, 2, len(kept))
    x = np.concatenate([at.real + SIDE / 2, rng.integers(0, SIDE, lost)]).clip(0, SIDE - 1)
    y = np.concatenate([SIDE / 2 - at.imag, rng.integers(0, SIDE, lost)]).clip(0, SIDE - 1)
    direction = np.concatenate(
        [template.direction[kept] + turn + rng.normal(0, 0.1, len(kept)), rng.uniform(0, 6, lost)]
    )
    return Template.of(x, y, direction, width=SIDE, height=SIDE)


def same_place(count: int) -> Template:
    return Template.of([7] * count, [9] * count, [1.0] * count, width=SIDE, height=SIDE)


def on_a_line(count: int) -> Template:
    at = np.linspace(0, SIDE - 1, count)
    return Template.of(at, at, np.linspace(0, 6, count), width=SIDE, height=SIDE)


def one_direction(seed: int, count: int) -> Template:
    rng = np.random.default_rng(seed)
    return Template.of(*rng.integers(0, SIDE, (2, count)), [0.0] * count, width=SIDE, height=SIDE)


def at_the_edge() -> Template:
    far = 0x3FFF
    corners = [0, 0, far - 1, far - 1, 5000, 0, far - 1]
    return Template.of(corners, corners[::-1], np.arange(7.0), width=far, height=far)


BASE = scattered(1, 30)
EVERY = {
    "empty": scattered(2, 0),
    "single": scattered(3, 1),
    "two": scattered(4, 2),
    "base": BASE,
    "mate": pressed_again(BASE, 5),
    "turned mate": pressed_again(BASE, 6, turn=2.5, lost=9),
    "stranger": scattered(7, 35),
    "crowd": scattered(8, 40, spread=60),
    "same place": same_place(12),
    "line": on_a_line(25),
    "one direction": one_direction(9, 25),
    "edge": at_the_edge(),
}
PACKED = dict(zip(EVERY, [comparison.pack([template]) for template in EVERY.values()], strict=True))


def verified(probe: str, candidate: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    prints = PACKED[probe]._replace(descriptors=PACKED[probe].descriptors.astype(np.int16))
    found, work = comparison.verify(prints, PACKED[candidate], np.zeros(1, dtype=np.int64))
    mates = work.mates[2, : len(EVERY[probe])]
    return found[0], [(int(i), int(mates[i])) for i in np.flatnonzero(mates >= 0)]


@pytest.mark.parametrize("name", EVERY)
def test_hull_has_the_corners_of_the_slow_twin_counter_clockwise(name: str) -> None:
    prints = PACKED[name]
    corners = [tuple(prints.points[k, :2].tolist()) for k in prints.hull[: prints.hull_sizes[0]]]
    assert set(corners) == naive.hull([tuple(point) for point in prints.points[:, :2].tolist()])
    assert all(
        naive.cross(corners[k - 2], corners[k - 1], corners[k]) > 0 for k in range(len(corners)) if len(corners) > 2
    )


@pytest.mark.parametrize("count", range(10))
def test_hulls_of_packed_prints_keep_apart(count: int) -> None:
    templates = [scattered(seed, count, spread=side) for seed in range(20) for side in (2, 5, SIDE)]
    together = comparison.pack(templates)
    assert together.hull_sizes.tolist() == [int(comparison.pack([one]).hull_sizes[0]) for one in templates]
    for template, first, size in zip(templates, together.starts[:-1], together.hull_sizes, strict=True):
        corners = together.points[first + together.hull[first : first + size], :2].tolist()
        points = [(float(x), -float(y)) for x, y in zip(template.x, template.y, strict=True)]
        assert {tuple(corner) for corner in corners} == naive.hull(points)


@pytest.mark.parametrize("name", EVERY)
def test_descriptors_equal_the_slow_twin_to_one_step_of_rounding(name: str) -> None:
    points = naive.minutiae(EVERY[name])
    for i in range(0, len(points), 7):
        expected = naive.descriptor(points, i)
        got = PACKED[name].descriptors[i, : len(expected)]
        np.testing.assert_allclose(got, expected, atol=0.501)
        assert not PACKED[name].descriptors[i, len(expected) :].any()


def test_sift_scores_equal_the_slow_twin() -> None:
    gallery = comparison.pack(list(EVERY.values()))
    fingers = np.arange(len(EVERY))[::-1].copy()
    for prints in PACKED.values():
        probe = prints._replace(descriptors=prints.descriptors.astype(np.int16))
        scores = np.empty(len(EVERY), dtype=np.float32)
        _kernels.sift(probe, gallery, fingers, SIFT_FLOOR, np.empty(len(prints.points), dtype=np.int32), scores)
        expected = [naive.sift(prints.descriptors, other.descriptors) for other in PACKED.values()]
        np.testing.assert_allclose(scores, expected[::-1], rtol=1e-5)


@pytest.mark.parametrize("candidate", EVERY)
@pytest.mark.parametrize("probe", EVERY)
def test_verify_equals_the_slow_twin(probe: str, candidate: str) -> None:
    similar = naive.similarity(PACKED[probe].descriptors, PACKED[candidate].descriptors)
    expected = naive.verify(naive.minutiae(EVERY[probe]), naive.minutiae(EVERY[candidate]), similar)
    found, mates = verified(probe, candidate)
    np.testing.assert_allclose(found[:FEATURES], expected.features, rtol=1e-3, atol=1e-3)
    assert found[FEATURES] == pytest.approx(expected.score, rel=1e-3, abs=0.01)
    assert mates == sorted(expected.mates)


@pytest.mark.parametrize("seed", range(5))
def test_largest_prints_allowed_are_verified_within_their_buffers(seed: int) -> None:
    full = scattered(seed, MAX_MINUTIAE)
    other = pressed_again(full, seed)
    assert comparison.compare(full, full).pairs == tuple((i, i) for i in range(MAX_MINUTIAE))
    assert comparison.compare(full, other).score > comparison.compare(full, scattered(seed + 50, MAX_MINUTIAE)).score


def test_prints_that_cannot_be_aligned_get_the_constant_of_the_model() -> None:
    found, mates = verified("empty", "base")
    assert found[FEATURES] == PAIRING.weights[FEATURES]
    assert not mates


def test_a_buffer_too_small_is_an_error_and_not_a_write_beyond_it() -> None:
    gallery = comparison.pack([BASE])
    probe = comparison.pack_probe(BASE)
    small = _kernels.work_for(10, 10, PAIRING.pairs)
    found = np.zeros((1, FEATURES + 1), dtype=np.float32)
    with pytest.raises(IndexError, match="out of bounds"):
        _kernels.verify(probe, gallery, np.zeros(1, dtype=np.int64), PAIRING, small, found)
