"""Descriptors: the kernel beside its slow twin, what they do not depend on, and the file they are learnt into."""

from __future__ import annotations

import hashlib
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.train import descriptors as training
from matcher import descriptors
from matcher.descriptors import DIMENSIONS, MODEL, ModelError, describe, model, parse, serialized
from matcher.synthesis import Finger
from tests.matcher import naive_descriptors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher.template import Template


def packed(*templates: Template) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    starts = np.cumsum([0, *map(len, templates)])
    turn = np.concatenate([template.direction for template in templates])
    x = np.concatenate([template.x for template in templates])
    y = np.concatenate([template.y for template in templates])
    points = np.stack([x, -y.astype(np.float32), turn, np.cos(turn), np.sin(turn)], axis=1)
    return starts, points.astype(np.float32)


def turned(points: NDArray[np.float32], angle: float, shift: tuple[float, float]) -> NDArray[np.float32]:
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, turn = points[:, :3].astype(np.float64).T
    turn = turn + angle
    moved = [cosine * x - sine * y + shift[0], sine * x + cosine * y + shift[1], turn, np.cos(turn), np.sin(turn)]
    return np.stack(moved, axis=1).astype(np.float32)


PEOPLE = [Finger(5, person).template() for person in range(4)]
STARTS, POINTS = packed(*PEOPLE)


def test_the_cylinder_is_what_its_definition_says() -> None:
    points = POINTS[: STARTS[1]]
    found = descriptors.cylinders(STARTS[:2], points, model())
    for number in (0, 7, len(points) - 1):
        np.testing.assert_allclose(found[number], naive_descriptors.cylinder(number, points, model()), atol=2e-5)


def test_a_descriptor_is_what_its_definition_says_up_to_one_step() -> None:
    points = POINTS[: STARTS[1]]
    found = describe(STARTS[:2], points)
    assert found.dtype == np.int8
    assert found.shape == (len(points), DIMENSIONS)
    for number in (0, 7, len(points) - 1):
        expected = naive_descriptors.descriptor(number, points, model())
        np.testing.assert_allclose(found[number], expected, atol=0.51)


def test_a_print_has_the_same_descriptors_alone_and_among_others() -> None:
    together = describe(STARTS, POINTS)
    for first, last in pairwise(STARTS):
        alone = describe(np.array([0, last - first]), POINTS[first:last])
        np.testing.assert_array_equal(together[first:last], alone)


def test_the_neighbourhood_does_not_depend_on_how_the_print_lies_and_the_direction_turns_with_it() -> None:
    points = POINTS[: STARTS[1]]
    before = describe(STARTS[:2], points).astype(np.int64)
    after = describe(STARTS[:2], turned(points, 0.6, (31.0, -17.0))).astype(np.int64)
    assert np.abs(after[:, :-2] - before[:, :-2]).max() <= 1
    heading = float(model().heading)
    expected = heading * np.stack([np.cos(points[:, 2] + 0.6), np.sin(points[:, 2] + 0.6)], axis=1)
    np.testing.assert_allclose(after[:, -2:], expected, atol=0.51)


def test_mates_look_more_alike_than_strangers() -> None:
    finger = Finger(5, 9)
    starts, points = packed(finger.template(0), finger.template(1), *PEOPLE)
    values = describe(starts, points).astype(np.int64)
    probe, mate, strangers = values[: starts[1]], values[starts[1] : starts[2]], values[starts[2] :]
    assert np.median((probe @ mate.T).max(axis=1)) > np.median((probe @ strangers.T).max(axis=1))


def test_a_minutia_alone_and_a_print_of_none_are_described() -> None:
    starts = np.array([0, 0, 1], dtype=np.int64)
    found = describe(starts, POINTS[:1])
    assert found.shape == (1, DIMENSIONS)
    assert describe(np.zeros(1, dtype=np.int64), POINTS[:0]).shape == (0, DIMENSIONS)


def test_threads_may_describe_at_the_same_time() -> None:
    expected = describe(STARTS, POINTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: describe(STARTS, POINTS), range(8)):
            np.testing.assert_array_equal(found, expected)


def test_the_length_is_the_same_for_all_but_for_rounding() -> None:
    values = describe(STARTS, POINTS)[:, :-2].astype(np.float64)
    inside = np.abs(values).max(axis=1) < 127
    lengths = np.sqrt((values[inside] ** 2).sum(axis=1))
    assert inside.any()
    np.testing.assert_allclose(lengths, float(model().length), atol=5)


@pytest.mark.parametrize(
    ("starts", "points", "message"),
    [
        (STARTS, POINTS[:, :3], r"points are float32 of shape \(n, 5\); got float32 of shape \(\d+, 3\)"),
        (STARTS, POINTS.astype(np.float64), r"points are float32 of shape \(n, 5\); got float64"),
        (STARTS.astype(np.int32), POINTS, r"starts are int64 of shape \(prints \+ 1,\); got int32"),
        (STARTS[:0], POINTS, r"starts are int64 of shape \(prints \+ 1,\); got int64 of shape \(0,\)"),
        (STARTS + 1, POINTS, r"starts ascend from 0 to the \d+ points; got 1 to \d+"),
        (np.append(STARTS, 0), POINTS, r"starts ascend from 0 to the \d+ points; got 0 to 0"),
        (np.array([0, 50, 20, len(POINTS)]), POINTS, r"starts ascend from 0 to the \d+ points"),
    ],
)
def test_what_is_no_packed_print_is_refused(
    starts: NDArray[np.int64], points: NDArray[np.float32], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        describe(starts, points)


def test_the_model_that_ships_is_the_one_its_text_speaks_of() -> None:
    data = (files("matcher") / "model" / MODEL).read_bytes()
    text = tomllib.loads((files("matcher") / "model" / "descriptors.toml").read_text(encoding="utf-8"))
    assert text["sha256"] == hashlib.sha256(data).hexdigest()
    assert text["version"] == descriptors.VERSION
    assert parse(data).weights.shape[1] == DIMENSIONS - 2


def test_a_model_survives_being_written() -> None:
    again = parse(serialized(model()))
    for name, value in model()._asdict().items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert serialized(again) == serialized(model())


def test_bytes_that_are_no_model_are_refused() -> None:
    for data in (b"", b"PK\x03\x04", b"no model", serialized(model())[:-40]):
        with pytest.raises(ModelError, match=r"a model of descriptors is an \.npz file of arrays; this is none"):
            parse(data)


def test_a_model_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "VERSION", descriptors.VERSION + 1)
    data = serialized(model())
    monkeypatch.undo()
    with pytest.raises(ModelError, match=r"a model of descriptors of version \d+ is needed; got \d+: train it again"):
        parse(data)


def test_a_model_of_another_shape_is_refused() -> None:
    narrow = model()._replace(weights=model().weights[:, :-1])
    with pytest.raises(ModelError, match=r"weights of a model of descriptors is finite float32 of shape"):
        parse(serialized(narrow))
    damaged = model()._replace(bias=np.full(DIMENSIONS - 2, np.nan, dtype=np.float32))
    with pytest.raises(ModelError, match=r"bias of a model of descriptors is finite float32 of shape \(62,\)"):
        parse(serialized(damaged))
    double = model()._replace(gain=np.float64(1.0))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"gain of a model of descriptors is finite float32 of shape \(\)"):
        parse(serialized(double))
    point = model()._replace(cells=np.zeros_like(model().cells))
    with pytest.raises(
        ModelError, match=r"a model of descriptors has cells of some radius, times sections a multiple of 8"
    ):
        parse(serialized(point))


def test_training_finds_the_mates_of_a_print_that_was_moved() -> None:
    points = POINTS[: STARTS[1]]
    order = np.random.default_rng(1).permutation(len(points))
    other = turned(points, 0.4, (20.0, -30.0))[order]
    np.testing.assert_array_equal(order[training.mates_of(points, other)], np.arange(len(points)))


def test_training_finds_no_mates_in_prints_of_strangers_or_of_nothing() -> None:
    points, stranger = POINTS[: STARTS[1]], POINTS[STARTS[1] : STARTS[2]]
    assert (training.mates_of(points, stranger) == -1).all()
    assert (training.mates_of(points, points[:0]) == -1).all()
    assert training.mates_of(points[:0], points).shape == (0,)


def test_training_learns_the_same_bytes_twice_and_tells_fingers_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SIDE", 4)  # a coarse ground learns faster
    templates = [Finger(6, person).template(impression) for person in range(12) for impression in range(2)]
    starts, points = training.packed(templates)
    finger, impression = np.divmod(np.arange(len(templates)), 2)
    readings = training.Readings(starts, points, finger, impression, np.zeros_like(finger))
    everyone = np.ones(len(templates), dtype=np.bool_)
    mates = training.find_mates(readings, everyone)
    sets = [(readings, mates, everyone)] * 2
    network = training.trained(sets, DIMENSIONS - 2)
    assert serialized(network) == serialized(training.trained(sets, DIMENSIONS - 2))
    values = descriptors.described(starts, points, network)[:, :-2].astype(np.float64)
    assert (values[mates.one] * values[mates.other]).sum(axis=1).mean() > 4 * np.abs(values @ values.T).mean()
