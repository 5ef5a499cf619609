from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from matcher._parameters import TAIL
from matcher.calibration import all_of, best_of, false_match_probability
from tests.matcher import naive


def test_probability_is_one_up_to_the_origin_and_falls_by_the_rate() -> None:
    assert false_match_probability(-1e9) == false_match_probability(TAIL.origin) == 1.0
    assert false_match_probability(TAIL.origin + 10 / TAIL.rate) == pytest.approx(math.exp(-10))


def test_probability_never_rises_with_the_score() -> None:
    values = [false_match_probability(score) for score in np.linspace(-30, 1000, 500)]
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert 0.0 <= values[-1] < 1e-300


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
    assert false_match_probability(1e9) == 0.0
