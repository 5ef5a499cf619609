from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import backgrounds
from benchmarks.accuracy import Impression
from benchmarks.backgrounds import Block, BlockError
from matcher.synthesis import Finger
from matcher.template import ImpressionType, Template

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SEED = 2014
COLUMNS = ("x", "y", "direction", "kind", "quality")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def same(a: Template, b: Template) -> bool:
    columns = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)
    return columns and (a.width, a.height, a.position, a.origin) == (b.width, b.height, b.position, b.origin)


def arrays(block: Block) -> dict[str, NDArray[Any]]:
    return {field.name: getattr(block, field.name).copy() for field in fields(Block)}


# Blocks


def test_a_block_holds_the_templates_it_was_made_of() -> None:
    templates = [Finger(SEED, 0, position).template() for position in range(1, 11)]
    block = Block.packed(templates)
    assert len(block) == 10
    assert all(same(block.template(number, number + 1), template) for number, template in enumerate(templates))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", 320, r"every x of packed prints must be 0 to 319: remove the file"),
        ("y", -1, r"every y of packed prints must be 0 to 415"),
        ("direction", float("nan"), r"every direction of packed prints must be 0 to 6.28319"),
        ("kind", 3, r"every kind of packed prints must be 0 to 2"),
        ("quality", 101, r"every quality of packed prints must be 0 to 100"),
        ("starts", 1, r"packed prints have 0 to 255 minutiae each, the first at 0"),
    ],
)
def test_a_damaged_block_is_refused(name: str, value: float, message: str) -> None:
    damaged = arrays(Block.packed([Finger(SEED).template()]))
    damaged[name][0] = value
    with pytest.raises(BlockError, match=message):
        Block.of(damaged)


def test_a_block_with_an_array_too_few_or_too_short_is_refused() -> None:
    whole = arrays(Block.packed([Finger(SEED).template()]))
    with pytest.raises(BlockError, match=r"packed prints are the arrays .*, of one axis each; got \{'x'"):
        Block.of({name: array for name, array in whole.items() if name != "kind"})
    with pytest.raises(BlockError, match=r"packed prints need \d+ values in every array: remove the file"):
        Block.of(whole | {"kind": whole["kind"][:-1]})


def test_synthetic_people_are_those_of_the_model_and_the_same_from_the_folder(cache: Path) -> None:
    for _ in range(2):  # made, then read
        block = backgrounds.synthetic(SEED, 3, cache, impression=1)
        assert len(block) == 30
        assert same(block.template(26, 7), Finger(SEED, 2, 7).template(1))
    assert not list(cache.rglob("*.part"))


def test_people_of_several_files_follow_each_other(cache: Path) -> None:
    block = backgrounds.synthetic(SEED, backgrounds._PERSONS_A_FILE + 1, cache, impression=1)
    assert len(block) == 10 * (backgrounds._PERSONS_A_FILE + 1)
    assert same(block.template(len(block) - 1, 10), Finger(SEED, backgrounds._PERSONS_A_FILE, 10).template(1))


def test_nobody_is_an_empty_block(cache: Path) -> None:
    assert len(backgrounds.synthetic(SEED, 0, cache)) == 0


# Made of others


def test_a_crop_is_a_minutia_and_those_nearest_to_it() -> None:
    whole = Finger(SEED, 1, 2).template()
    part = backgrounds.crop(whole, 9, np.random.default_rng(SEED))
    assert (len(part), part.position, part.impression) == (9, 0, ImpressionType.LATENT)
    places = {(int(x), int(y)) for x, y in zip(part.x, part.y, strict=True)}
    apart = np.hypot(whole.x - float(part.x[0]), whole.y - float(part.y[0]))
    nearest = np.argsort(apart, kind="stable")[:9]
    assert places == {(int(whole.x[row]), int(whole.y[row])) for row in nearest}


def test_a_bent_print_keeps_its_minutiae_mirrored_and_pushed_alike() -> None:
    whole = Finger(SEED, 1, 2).template()
    other = backgrounds.bent(whole, np.random.default_rng(SEED))
    assert len(other) == len(whole)
    assert np.cos(other.direction + whole.direction - np.pi) == pytest.approx(1.0, abs=1e-5)
    moved = other.x.astype(np.float64) + whole.x
    assert 3.0 < np.std(moved) < 40.0
    near = np.hypot(whole.x - float(whole.x[0]), whole.y - float(whole.y[0])) < 30
    assert np.std(moved[near]) < 10.0


# Tails


def compared(scores: list[float], one: list[int], other: list[int], *, alike: bool = False) -> backgrounds._Compared:
    order = np.argsort(-np.array(scores))
    return backgrounds._Compared(
        np.array(scores, dtype=np.float32)[order], np.array(one)[order], np.array(other)[order], alike
    )


def test_a_tail_is_read_where_the_share_of_the_comparisons_is_reached() -> None:
    scores = np.arange(1000.0)
    found = compared(scores.tolist(), [0] * 1000, list(range(1000)))
    assert found.at(np.ones(1000))[:2].tolist() == [989.0, 998.0]  # ten, and one, of a thousand are greater
    assert found.share(np.array([990.0, 2000.0, -5.0]), np.ones(1000)).tolist() == [0.01, 0.0, 1.0]


def test_resampling_draws_fingers_on_both_sides() -> None:
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    found = compared([0.0] * 6, [a for a, _ in pairs], [b for _, b in pairs], alike=True)
    weights = found.resampled(np.random.default_rng(0))
    drawn = np.bincount(np.random.default_rng(0).integers(3, size=3), minlength=3)
    assert weights.tolist() == [drawn[a] * drawn[b] for a, b in zip(found.one, found.other, strict=True)]


def test_tails_compare_prints_of_different_fingers_only(cache: Path) -> None:
    prints = [
        Impression("folder", str(person), number, Finger(7, person).template(number))
        for person in range(4)
        for number in range(2)
    ]
    block = backgrounds.synthetic(SEED, 1, cache, impression=1)
    found = {tail.what: tail for tail in backgrounds.tails(prints, block, block)}
    assert {what: tail.comparisons for what, tail in found.items()} == {
        "real x real": 48,
        "real x synthetic": 80,
        "real x real bent": 48,
        "synthetic x synthetic": 100,
        "second half: real x real": 8,
        "second half: real x synthetic": 40,
    }
    assert (
        found["real x real"].greatest < 0.0 < found["synthetic x synthetic"].greatest
    )  # the latter has its mates here


def test_figures_are_those_of_the_prints() -> None:
    one = Template.of([10, 35, 10], [10, 10, 50], [0.0, np.pi, 0.0], width=100, height=100)
    found = {figure.what: figure.percentiles[2] for figure in backgrounds.figures("these", [one, one])}
    assert found["minutiae"] == 3
    assert found["width of what they cover, pixels"] == 25
    assert found["height of what they cover, pixels"] == 40
    assert found["distance to the nearest, pixels"] == 25
