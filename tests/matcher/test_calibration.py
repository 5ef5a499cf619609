"""Probabilities that a score stands for: never rising with it, never above 1, each pair of origins with its own."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest

from matcher.calibration import all_of, best_of, false_match_probability
from matcher.template import Origin
from tests.matcher import naive

every_pair_of_origins = pytest.mark.parametrize(("probe", "candidate"), list(product(Origin, Origin)))


@every_pair_of_origins
def test_probability_never_rises_with_the_score(probe: Origin, candidate: Origin) -> None:
    values = [false_match_probability(score, probe, candidate) for score in np.linspace(-30, 1000, 2000).tolist()]
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert values[0] == 1.0
    assert 0.0 <= values[-1] < 1e-300


@every_pair_of_origins
def test_beyond_what_strangers_reach_the_probability_falls_by_one_rate(probe: Origin, candidate: Origin) -> None:
    values = [false_match_probability(score, probe, candidate) for score in (20.0, 30.0, 40.0, 50.0)]
    steps = [math.log(earlier / later) for earlier, later in pairwise(values)]
    assert steps[0] > 0
    assert steps == pytest.approx([steps[0]] * len(steps))


@every_pair_of_origins
def test_probability_does_not_depend_on_which_side_an_origin_is(probe: Origin, candidate: Origin) -> None:
    for score in (-4.0, 0.0, 5.0, 12.0):
        assert false_match_probability(score, probe, candidate) == false_match_probability(score, candidate, probe)


@every_pair_of_origins
def test_probability_equals_the_slow_twin(probe: Origin, candidate: Origin) -> None:
    for score in (-50.0, -5.0, -4.0, 0.0, 5.0, 12.0, 60.0):
        expected = naive.false_match_probability(score, probe, candidate)
        assert false_match_probability(score, probe, candidate) == pytest.approx(expected, rel=1e-9)


def test_best_of_several_alternatives_is_as_many_times_as_probable_and_at_most_one() -> None:
    assert best_of(1e-6, 10) == pytest.approx(1e-5)
    assert best_of(0.3, 10) == 1.0


def test_one_finger_keeps_its_probability() -> None:
    assert all_of([1e-7]) == pytest.approx(1e-7)
    assert all_of([]) == 1.0


def test_several_fingers_combine_as_in_fishers_table() -> None:
    # chi-square of -2 ln(0.05 * 0.05) = 11.98 with 4 degrees of freedom
    assert all_of([0.05, 0.05]) == pytest.approx(0.0175, abs=1e-4)
    assert all_of([1e-4, 0.5, 0.9]) == pytest.approx(naive.combined([1e-4, 0.5, 0.9]))
    assert all_of([1e-9] * 10) == pytest.approx(naive.combined([1e-9] * 10))


def test_the_order_of_fingers_changes_nothing() -> None:
    assert all_of([1e-9, 0.2, 1e-3, 1.0]) == all_of([1.0, 1e-3, 0.2, 1e-9])


def test_a_finger_without_evidence_never_helps() -> None:
    assert all_of([1e-6, 1.0]) > 1e-6
    assert all_of([1e-6] * 2) < 1e-6


def test_combined_probability_is_uniform_for_prints_of_others() -> None:
    rng = np.random.default_rng(2014)
    values = np.array([all_of(row) for row in rng.uniform(size=(4000, 3))])
    for level in (0.01, 0.1, 0.5):
        assert np.mean(values <= level) == pytest.approx(level, rel=0.2)


def test_impossible_scores_stay_numbers() -> None:
    assert all_of([0.0] * 10) == 0.0
    assert false_match_probability(1e9, Origin.OTHER, Origin.OTHER) == 0.0
    assert false_match_probability(-1e9, Origin.OTHER, Origin.OTHER) == 1.0
