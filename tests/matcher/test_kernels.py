"""Every kernel equals its slow twin, on random and on hostile prints, compiled or not, and none reaches beyond its arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from matcher import _kernels, comparison
from matcher._kernels import FEATURES, WIDEST
from matcher._parameters import CASCADE, PAIRING
from matcher._sift import LANES, sift
from matcher.template import MAX_MINUTIAE, MAX_SIDE, ImpressionType, Origin, Template
from tests.matcher import naive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher._kernels import Prints
    from matcher._parameters import Pairing

ROOT = Path(__file__).parents[2]
SIDE = 400
FIRST = np.zeros(1, dtype=np.int64)


def scattered(seed: int, count: int, *, spread: int = SIDE, origin: Origin = Origin.EXTRACTED) -> Template:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, spread, (2, count))
    kind, quality = rng.integers(0, 3, count), rng.integers(0, 101, count)
    turns = rng.uniform(0, naive.TAU, count)
    return Template.of(x, y, turns, width=SIDE, height=SIDE, kind=kind, quality=quality, origin=origin)


def pressed_again(template: Template, seed: int, *, turn: float = 0.3, lost: int = 4) -> Template:
    """Return another impression: turned and shifted, every minutia displaced, some lost, as many false."""
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(template))[: max(len(template) - lost, 0)]
    at = (template.x[kept] - SIDE / 2) - 1j * (template.y[kept] - SIDE / 2)
    at = at * np.exp(1j * turn) + complex(9, -14) + rng.normal(0, 2, len(kept)) + 1j * rng.normal(0, 2, len(kept))
    x = np.concatenate([at.real + SIDE / 2, rng.integers(0, SIDE, lost)]).clip(0, SIDE - 1)
    y = np.concatenate([SIDE / 2 - at.imag, rng.integers(0, SIDE, lost)]).clip(0, SIDE - 1)
    noise = rng.normal(0, 0.1, len(kept))
    turns = np.concatenate([template.direction[kept] + turn + noise, rng.uniform(0, 6, lost)])
    kind = np.concatenate([template.kind[kept], rng.integers(0, 3, lost)])
    quality = np.concatenate([template.quality[kept], rng.integers(0, 101, lost)])
    return Template.of(x, y, turns, width=SIDE, height=SIDE, kind=kind, quality=quality, origin=template.origin)


def those(template: Template, kept: NDArray[np.intp]) -> Template:
    """Return a print with some of its minutiae, in that order."""
    parts: dict[str, Any] = {name: getattr(template, name)[kept] for name in ("x", "y", "direction", "kind", "quality")}
    return replace(template, **parts)


def around(template: Template, count: int, *, at: tuple[int, int] = (SIDE // 2, SIDE // 2)) -> Template:
    """Return the part of a print that has so many minutiae nearest to a place, as somebody left it there."""
    near = np.argsort(np.hypot(template.x - at[0], template.y - at[1]), kind="stable")[:count]
    return replace(those(template, near), impression=ImpressionType.LATENT, position=0)


def same_place(count: int) -> Template:
    return Template.of([7] * count, [9] * count, [1.0] * count, width=SIDE, height=SIDE)


def on_a_line(count: int) -> Template:
    at = np.linspace(0, SIDE - 1, count)
    return Template.of(at, at, np.linspace(0, 6, count), width=SIDE, height=SIDE)


def one_direction(seed: int, count: int) -> Template:
    x, y = np.random.default_rng(seed).integers(0, SIDE, (2, count))
    return Template.of(x, y, [0.0] * count, width=SIDE, height=SIDE)


def at_the_edge() -> Template:
    far = MAX_SIDE
    corners = [0, 0, far - 1, far - 1, 5000, 0, far - 1]
    return Template.of(corners, corners[::-1], np.arange(7.0), width=far, height=far)


def from_edge_to_edge(count: int) -> Template:
    rng = np.random.default_rng(count)
    x, y = rng.integers(0, MAX_SIDE, (2, count))
    return Template.of(x, y, rng.uniform(0, naive.TAU, count), width=MAX_SIDE, height=MAX_SIDE)


def twice(template: Template) -> Template:
    """Return a print with each of its minutiae at hand two times."""
    return those(template, np.tile(np.arange(len(template)), 2))


def of_quality(template: Template, quality: int) -> Template:
    return replace(template, quality=np.full(len(template), quality, dtype=np.uint8))


BASE = scattered(1, 30)
HANDFUL = scattered(19, 7, spread=80)
FULL = scattered(10, MAX_MINUTIAE, origin=Origin.OTHER)
EVERY = {
    "empty": scattered(2, 0),
    "single": scattered(3, 1),
    "two": scattered(4, 2),
    "handful": HANDFUL,
    "handful again": pressed_again(HANDFUL, 18, lost=1),
    "base": BASE,
    "mate": pressed_again(BASE, 5),
    "turned mate": pressed_again(BASE, 6, turn=2.5, lost=9),
    "stranger": scattered(7, 35, origin=Origin.OTHER),
    "crowd": scattered(8, 40, spread=60),
    "marked": replace(pressed_again(BASE, 11), origin=Origin.MARKED),
    "latent": around(pressed_again(BASE, 12, lost=2), 12),
    "worthless": of_quality(pressed_again(BASE, 13), 0),
    "perfect": of_quality(pressed_again(BASE, 14), 100),
    "same place": same_place(12),
    "line": on_a_line(25),
    "one direction": one_direction(9, 25),
    "twice": twice(scattered(15, 20)),
    "edge": at_the_edge(),
    "edge to edge": from_edge_to_edge(40),
    "full": FULL,
    "full mate": pressed_again(FULL, 16, lost=20),
    "full at one place": same_place(MAX_MINUTIAE),
    "full line": on_a_line(MAX_MINUTIAE),
}


@cache
def packed(name: str) -> comparison.Packed:
    return comparison.pack([EVERY[name]])


@cache
def sought(name: str) -> comparison.Probe:
    return comparison.pack_probe(EVERY[name])


def described(template: Template) -> NDArray[np.int8]:
    """Return the descriptors in the template's order."""
    one = comparison.pack([template])
    values = np.empty_like(one.descriptors)
    values[one.order] = one.descriptors
    return values


@cache
def plain(name: str) -> naive.Print:
    return naive.print_of(EVERY[name], described(EVERY[name]))


def verified(probe: str, candidate: str) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    found, work = comparison.verify(sought(probe), packed(candidate).prints, FIRST)
    mates = work.mates[2, : len(EVERY[probe])]
    return found[0], [(int(i), int(mates[i])) for i in np.flatnonzero(mates >= 0)]


def paired(probe: str, candidate: str) -> tuple[int, _kernels.Work]:
    """Return the number of pairs that stage two chose, and its buffers."""
    work = comparison._work(sought(probe), packed(candidate).prints, FIRST, PAIRING)
    _kernels._unfold(sought(probe).prints, 0, PAIRING.reach, work.circle, work.probe)
    return _kernels._pair(sought(probe).rows, packed(candidate).prints, 0, PAIRING, work)[0], work


every_print = pytest.mark.parametrize("name", EVERY)
every_probe = pytest.mark.parametrize("probe", EVERY)
every_candidate = pytest.mark.parametrize("candidate", EVERY)


# --- once for a print ------------------------------------------------------------------------------------------------


@every_print
def test_minutiae_are_packed_best_first(name: str) -> None:
    prints, order, _ = packed(name)
    expected = plain(name)
    assert order.tolist() == expected.order.tolist()
    assert (prints.reliability / 100).tolist() == expected.trust.tolist()
    assert (prints.minutiae[:, 0] + 1j * prints.minutiae[:, 1]).tolist() == expected.at.tolist()
    turns = prints.minutiae[:, 2].astype(np.float64) * naive.TAU / naive.DIRECTIONS
    np.testing.assert_allclose(naive.between(turns, expected.turn), 0.0, atol=1e-9)


def hull_of(prints: _kernels.Prints, f: int) -> list[complex]:
    a = prints.starts[f]
    corners = prints.minutiae[a + prints.corners[a : a + prints.corner_counts[f]].astype(np.int64)]
    return list((corners[:, 0] + 1j * corners[:, 1]).tolist())


@every_print
def test_hull_has_the_corners_of_the_slow_twin_counter_clockwise(name: str) -> None:
    corners = hull_of(packed(name).prints, 0)
    assert set(corners) == set(plain(name).hull)
    assert len(set(corners)) < 3 or (
        len(corners) == len(set(corners))
        and all(naive.cross(corners[k - 2], corners[k - 1], corners[k]) > 0 for k in range(len(corners)))
    )


@pytest.mark.parametrize("count", range(10))
def test_hulls_of_packed_prints_keep_apart(count: int) -> None:
    templates = [scattered(seed, count, spread=side) for seed in range(20) for side in (1, 2, 5, SIDE)]
    together = comparison.pack(templates).prints
    for f, template in enumerate(templates):
        assert set(hull_of(together, f)) == set(naive.hull(template.x - 1j * template.y.astype(np.float64)))


@every_print
def test_nothing_lies_inside_a_print_that_was_left_or_marked(name: str) -> None:
    bounded = packed(name).prints.bounded.tolist()
    assert bounded == [plain(name).bounded] == [name not in {"marked", "latent"}]


@every_print
def test_walls_tell_how_deep_in_the_hull_a_place_lies_and_the_density_how_crowded_it_is(name: str) -> None:
    work = _kernels.work_for(0, 0, 1)
    _kernels._unfold(packed(name).prints, 0, PAIRING.reach, work.circle, work.candidate)
    assert work.candidate.size[2] == pytest.approx(naive.density(plain(name)), rel=1e-3)
    rng = np.random.default_rng(17)
    x, y = rng.integers(-20, SIDE + 20, (2, 50)).astype(np.float32)
    got = [float(_kernels._depth(*place, work.candidate)) for place in zip(x, -y, strict=True)]
    expected = naive.depth(x - 1j * y.astype(np.float64), plain(name))
    np.testing.assert_allclose(got, np.maximum(expected, _kernels.LOWEST), rtol=1e-3, atol=0.02)


# --- stage one -------------------------------------------------------------------------------------------------------


def test_stage_one_equals_the_slow_twin() -> None:
    gallery = comparison.pack(list(EVERY.values())).prints
    fingers = np.arange(len(EVERY))[::-1].copy()
    sizes = np.diff(gallery.starts)[fingers]
    for probe in EVERY:
        scores = np.empty(len(EVERY), dtype=np.int32)
        floor = CASCADE.floor_turned if sought(probe).turned else CASCADE.floor
        sift(sought(probe).rows, gallery.blocks, fingers, floor, scores)
        expected = [naive.sift(plain(probe), plain(name)) for name in EVERY]
        np.testing.assert_allclose(scores / (sizes + CASCADE.few), expected[::-1], rtol=1e-12)


# --- stage two -------------------------------------------------------------------------------------------------------


@every_candidate
@every_probe
def test_pairs_are_those_of_the_slow_twin_in_their_order(probe: str, candidate: str) -> None:
    count, work = paired(probe, candidate)
    similar = naive.similarity(plain(probe), plain(candidate))
    assert list(zip(*work.pairs[:, :count].tolist(), strict=True)) == naive.best_pairs(similar)
    assert work.strength[:count].tolist() == [similar[pair] for pair in naive.best_pairs(similar)]
    m, n = similar.shape
    assert (work.similarity[:m, :n] == similar).all()


@every_candidate
@every_probe
def test_consistency_and_votes_equal_the_slow_twin(probe: str, candidate: str) -> None:
    count, work = paired(probe, candidate)
    pairs = [(int(i), int(j)) for i, j in work.pairs[:, :count].T]
    expected = naive.consistency(plain(probe), plain(candidate), pairs)
    np.testing.assert_allclose(work.consistency[:count, :count], expected, rtol=1e-3, atol=1e-3)
    votes, length = naive.vote(work.strength[:count].astype(np.float64), expected)
    np.testing.assert_allclose(work.votes[0, :count], votes, rtol=1e-3, atol=1e-3)
    scores = comparison.relate(sought(probe), packed(candidate).prints, FIRST)
    assert scores[0] == pytest.approx(length, rel=1e-3, abs=1e-3)


# --- stage three -----------------------------------------------------------------------------------------------------


@every_candidate
@every_probe
def test_verify_equals_the_slow_twin(probe: str, candidate: str) -> None:
    expected = naive.verify(plain(probe), plain(candidate))
    found, mates = verified(probe, candidate)
    if not expected.doubtful:
        np.testing.assert_allclose(found[:FEATURES], expected.features, rtol=1e-3, atol=1e-3)
        assert found[FEATURES] == pytest.approx(expected.score, rel=1e-3, abs=0.01)
        assert mates == sorted(expected.mates)


@every_candidate
@every_probe
def test_what_verify_tells_of_the_alignment_it_chose_is_what_the_slow_twin_tells_of_it(
    probe: str, candidate: str
) -> None:
    a, b = plain(probe), plain(candidate)
    found, work = comparison.verify(sought(probe), packed(candidate).prints, FIRST)
    c, s, *rest = work.motion[1].astype(np.float64).tolist()
    motion = (float(np.arctan2(s, c)), complex(*rest[:2]))
    cost = naive.costs(a, b, motion, complex(*rest[2:]), naive.Doubts())
    mates = {(i, int(j)): min(float(cost[i, j]), 1.0) for i, j in enumerate(work.mates[2, : len(a)]) if j >= 0}
    doubts = naive.Doubts()
    expected = naive.measure(a, b, motion, mates, doubts)
    if not found[0, :FEATURES].any():
        assert found[0, FEATURES] == PAIRING.weights[FEATURES]
    elif not doubts.found:
        np.testing.assert_allclose(found[0, :FEATURES], expected.features, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_largest_prints_allowed_are_verified_within_their_buffers(seed: int) -> None:
    full = scattered(seed, MAX_MINUTIAE)
    other = pressed_again(full, seed)
    assert comparison.compare(full, full).pairs == tuple((i, i) for i in range(MAX_MINUTIAE))
    assert comparison.compare(full, other).score > comparison.compare(full, scattered(seed + 50, MAX_MINUTIAE)).score


@pytest.mark.parametrize("candidate", ["empty", "single", "two", "base"])
@pytest.mark.parametrize("probe", ["empty", "single"])
def test_prints_that_cannot_be_aligned_get_the_constant_of_the_model(probe: str, candidate: str) -> None:
    found, mates = verified(probe, candidate)
    assert found[FEATURES] == PAIRING.weights[FEATURES]
    assert not mates


def test_nothing_of_one_comparison_shows_in_the_next() -> None:
    gallery = comparison.pack(list(EVERY.values())).prints
    there = np.arange(len(EVERY))
    for probe in ("base", "full", "latent", "empty"):
        for order in (there, there[::-1].copy(), np.repeat(there, 2)):
            found, _ = comparison.verify(sought(probe), gallery, order)
            scores = comparison.relate(sought(probe), gallery, order)
            for k, f in enumerate(order.tolist()):
                name = list(EVERY)[f]
                assert found[k].tolist() == verified(probe, name)[0].tolist()
                assert scores[k] == comparison.relate(sought(probe), packed(name).prints, FIRST)[0]


# --- what the kernels rely on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("numbers", "told"), [([0, 2], "0 to 2"), ([-1], "-1 to -1"), ([1 << 40], "1099511627776")])
def test_a_number_that_is_no_prints_is_refused(numbers: list[int], told: str) -> None:
    gallery = comparison.pack([BASE, BASE]).prints
    for stage in (comparison.relate, comparison.verify):
        with pytest.raises(IndexError, match=f"prints are numbered from 0 to 1; got .*{told}"):
            stage(sought("base"), gallery, np.array(numbers, dtype=np.int64))


def test_a_print_larger_than_a_template_may_be_is_refused() -> None:
    gallery = comparison.pack([FULL, FULL]).prints
    swollen = gallery._replace(starts=np.array([0, 1, 2 * MAX_MINUTIAE], dtype=np.int64))
    for stage in (comparison.relate, comparison.verify):
        with pytest.raises(
            IndexError, match=r"a print has 0 to 255 minutiae, .*; print 1 has not: the gallery is damaged"
        ):
            stage(sought("base"), swollen, np.ones(1, dtype=np.int64))


def test_a_print_of_less_than_no_minutiae_is_refused() -> None:
    gallery = comparison.pack([BASE, BASE]).prints
    damaged = gallery._replace(starts=np.array([0, 60, 30], dtype=np.int64))
    with pytest.raises(IndexError, match="the gallery is damaged"):
        comparison.verify(sought("base"), damaged, np.ones(1, dtype=np.int64))


def damaged(what: str) -> tuple[comparison.Probe, Prints, Pairing]:
    gallery, probe = comparison.pack([BASE, EVERY["mate"]]).prints, sought("base")
    return {
        "minutiae cut short": (probe, gallery._replace(minutiae=gallery.minutiae[:35]), PAIRING),
        "blocks cut short": (
            probe,
            gallery._replace(blocks=gallery.blocks._replace(values=gallery.blocks.values[:2])),
            PAIRING,
        ),
        "more corners than minutiae": (
            probe,
            gallery._replace(corner_counts=np.array([5, 200], dtype=np.int32)),
            PAIRING,
        ),
        "no pairs": (probe, gallery, PAIRING._replace(pairs=0)),
        "no rounds": (probe, gallery, PAIRING._replace(rounds=0)),
        "few weights": (probe, gallery, PAIRING._replace(weights=PAIRING.weights[:3])),
        "another print's rows": (probe._replace(rows=sought("full").rows), gallery, PAIRING),
        "another print's order": (probe._replace(order=probe.order[:5]), gallery, PAIRING),
    }[what]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("minutiae cut short", "print 1 has not: the gallery is damaged"),
        ("blocks cut short", "print 1 has not: the gallery is damaged"),
        ("more corners than minutiae", "print 1 has not: the gallery is damaged"),
        ("no pairs", "keeps one or more pairs"),
        ("no rounds", "keeps one or more pairs"),
        ("few weights", "and a constant; got 64, 3 and 3 weights"),
        ("another print's rows", "are of one print; got .*: use pack_probe"),
        ("another print's order", "are of one print; got 5, .*: use pack_probe"),
    ],
)
def test_what_kernels_rely_on_is_refused_if_it_is_not_so(what: str, said: str) -> None:
    probe, gallery, rule = damaged(what)
    with pytest.raises(IndexError, match=said):
        comparison.verify(probe, gallery, np.ones(1, dtype=np.int64), rule)


def test_no_print_asked_for_is_no_error() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    for gallery in (comparison.pack([]).prints, packed("base").prints):
        assert comparison.relate(sought("base"), gallery, nobody).shape == (0,)
        assert comparison.verify(sought("base"), gallery, nobody)[0].shape == (0, FEATURES + 1)


def test_buffers_are_as_wide_as_whole_blocks_of_the_largest_print() -> None:
    assert MAX_MINUTIAE < WIDEST
    assert WIDEST % LANES == 0
    work = _kernels.work_for(MAX_MINUTIAE, MAX_MINUTIAE, PAIRING.pairs)
    assert work.similarity.shape == (MAX_MINUTIAE, WIDEST)


@pytest.mark.parametrize("pairs", [1, 3, PAIRING.pairs])
@every_probe
def test_no_stage_reaches_beyond_its_arrays(probe: str, pairs: int) -> None:
    """Nor does it here, but that shows only where indices are checked: see the last test."""
    gallery = comparison.pack(list(EVERY.values())).prints
    rule = PAIRING._replace(pairs=pairs)
    found, _ = comparison.verify(sought(probe), gallery, np.arange(len(EVERY)), rule)
    scores = comparison.relate(sought(probe), gallery, np.arange(len(EVERY)), rule)
    assert np.isfinite(found).all()
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


# --- compiled otherwise ----------------------------------------------------------------------------------------------

KERNELS: Final = Path(__file__).parent / "__pycache__" / "kernels"

BESIDE: Final = """
import sys
from pathlib import Path
import numpy as np, pytest
from matcher import _compiled
_compiled.INSTALLED = Path(sys.argv[1])  # what is compiled here must not take the place of what others use
from matcher import _kernels
try:
    checked = not isinstance(_kernels._third_of(np.zeros(2, dtype=np.int32), 3), int)
except IndexError:
    checked = True
sys.exit(pytest.main(sys.argv[2:]) if checked else "indices are not checked")
"""


def run_beside(*arguments: str, **environment: str) -> None:
    """Run tests of this file in another process that checks indices, its machine code kept apart."""
    every = [sys.executable, "-c", BESIDE, str(KERNELS), "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(every, cwd=ROOT, env=os.environ | environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_loops_that_are_not_compiled_give_the_same() -> None:
    """Directions wrap: of that numpy warns, where machine code does it silently."""
    few = ["handful-handful again", "handful-edge", "empty-two", "handful-empty"]
    tests = [
        *(f"{test.__name__}[{pair}]" for test in BY_PAIR for pair in few),
        *(f"{test.__name__}[handful]" for test in BY_PRINT),
    ]
    chosen = [f"{__file__}::{test}" for test in tests]
    run_beside(*chosen, "-W", "ignore:overflow encountered in scalar:RuntimeWarning", NUMBA_DISABLE_JIT="1")


def test_no_kernel_uses_an_index_beyond_an_array() -> None:
    """Compiling them so takes half a minute the first time."""
    tests = [
        test_hulls_of_packed_prints_keep_apart,
        test_walls_tell_how_deep_in_the_hull_a_place_lies_and_the_density_how_crowded_it_is,
        test_no_stage_reaches_beyond_its_arrays,
        test_largest_prints_allowed_are_verified_within_their_buffers,
        test_no_print_asked_for_is_no_error,
    ]
    run_beside(*(f"{__file__}::{test.__name__}" for test in tests), NUMBA_BOUNDSCHECK="1")


BY_PAIR: Final = (
    test_pairs_are_those_of_the_slow_twin_in_their_order,
    test_consistency_and_votes_equal_the_slow_twin,
    test_verify_equals_the_slow_twin,
    test_what_verify_tells_of_the_alignment_it_chose_is_what_the_slow_twin_tells_of_it,
)
BY_PRINT: Final = (
    test_minutiae_are_packed_best_first,
    test_hull_has_the_corners_of_the_slow_twin_counter_clockwise,
)
