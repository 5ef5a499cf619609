from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import backgrounds
from benchmarks import false_candidates as measure
from benchmarks.accuracy import LOWEST, Impression
from benchmarks.false_candidates import KINDS, Enrolled, Kind, Outcome, Search
from matcher._parameters import DISSENT
from matcher.synthesis import Finger

if TYPE_CHECKING:
    from benchmarks.backgrounds import Block

SEED = 2014
ONE, LATENT, TWO, TEN = KINDS


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Block:
    return backgrounds.synthetic(SEED, 4, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def prints() -> list[Impression]:
    return [
        Impression("folder", str(finger), number, Finger(5, finger, 1).template(number))
        for finger in range(5)
        for number in range(3)
    ]


# Intervals


@pytest.mark.parametrize(
    ("counted", "trials", "low", "high"),
    [  # C. J. Clopper and E. S. Pearson; the first and the last are 0.025 ** (1 / n) and its complement
        (0, 10, 0.0, 1 - 0.025**0.1),
        (1, 10, 1 - 0.975**0.1, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.025**0.1, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_an_exact_interval_is_that_of_clopper_and_pearson(counted: int, trials: int, low: float, high: float) -> None:
    assert measure.exact(counted, trials) == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_independent_searches_has_an_exact_interval() -> None:
    found = measure.share([True] + [False] * 9)
    assert (found.counted, found.searches) == (1, 10)
    assert (found.low, found.high) == pytest.approx(measure.exact(1, 10))


def test_searches_of_one_finger_count_as_one_where_nothing_was_found() -> None:
    found = measure.share([False] * 80, [number // 8 for number in range(80)])
    assert (found.counted, found.searches) == (0, 80)
    assert (found.low, found.high) == pytest.approx(measure.exact(0, 10))


def test_misses_of_one_finger_make_a_wider_interval_than_those_of_many() -> None:
    hits = [True] * 8 + [False] * 72
    together = measure.share(hits, [number // 8 for number in range(80)])
    apart = measure.share(hits, [number % 10 for number in range(80)])
    assert together.low == 0.0
    assert together.high - together.low > apart.high - apart.low


# Tails


def test_an_exponential_tail_is_followed_beyond_what_was_seen() -> None:
    scores = np.random.default_rng(SEED).exponential(2.0, (20_000, 1))
    for pareto in (False, True):
        fit = measure.fitted(scores, 0.1, 1, pareto=pareto)
        assert fit is not None
        found = fit.at(2.0 * math.log(1e6))
        assert found is not None
        assert found.low < 1e-6 < found.high
        assert 1e-7 < found.rate < 1e-5


def test_a_tail_of_comparisons_counts_as_often_as_a_search_meets_one() -> None:
    scores = np.random.default_rng(SEED).exponential(1.0, (200, 100))
    fit = measure.fitted(scores, 0.01, 1000, pareto=False)
    assert fit is not None
    found, certain = fit.at(math.log(1e6)), fit.at(math.log(200))
    assert found is not None
    assert certain is not None
    assert found.low < 1e-3 < found.high
    assert certain.rate == 1.0


def test_a_bounded_tail_ends_by_pareto_only() -> None:
    scores = np.random.default_rng(SEED).uniform(0.0, 1.0, (5_000, 1))
    found = [measure.fitted(scores, 0.1, 1, pareto=pareto) for pareto in (True, False)]
    rates = [tail.rate for fit in found if fit is not None and (tail := fit.at(1.2)) is not None]
    assert rates[0] == 0.0 < rates[1]


def test_a_score_that_the_tail_has_not_begun_at_is_not_extrapolated() -> None:
    fit = measure.fitted(np.arange(1000.0)[:, None], 0.1, 1, pareto=False)
    assert fit is not None
    assert fit.at(500.0) is None
    assert fit.at(math.inf) is None


def test_too_few_searches_or_too_few_that_met_anybody_give_no_tail() -> None:
    assert measure.fitted(np.arange(99.0)[:, None], 0.1, 1, pareto=False) is None
    scores = np.full((1000, 1), LOWEST)
    scores[:90, 0] = np.arange(90)
    assert measure.fitted(scores, 0.1, 1, pareto=False) is None


def test_the_score_of_a_tail_is_where_its_interval_ends() -> None:
    fit = measure.fitted(np.random.default_rng(SEED).exponential(1.0, (500, 1)), 0.1, 1, pareto=False)
    assert fit is not None
    found = fit.at(fit.reached_by(1e-4))
    assert found is not None
    assert found.high == pytest.approx(1e-4, rel=1e-6)


# People and searches


def test_fingers_of_a_folder_stand_for_those_of_one_person(prints: list[Impression]) -> None:
    people = measure.persons(prints, (2, 7))
    assert len(people) == 2  # the fifth finger is left over
    assert [len(captures) for captures in people] == [3, 3]
    assert [print_.position for print_ in people[0][1]] == [2, 7]
    template = prints[4].template
    assert template is not None
    assert np.array_equal(people[0][1][1].x, template.x)  # the second finger's second impression


def test_what_is_searched_for_has_a_mate_or_none(prints: list[Impression], strangers: Block) -> None:
    people = measure.persons(prints, ONE.positions)
    searches = measure.planned(people, strangers, strangers, ONE, 7, 1000)
    assert [len(part) for part in searches] == [10, 15, 7, 7]
    assert {search.subject for search in searches.real_mated} == set(range(5))
    assert {search.subject for search in searches.synthetic_mated} == set(range(5, 12))
    assert {search.subject for search in searches.synthetic_alone} == {-1}


def test_latent_searches_are_crops(prints: list[Impression], strangers: Block) -> None:
    searches = measure.planned(measure.persons(prints, LATENT.positions), strangers, strangers, LATENT, 7, 1000)
    sizes = [len(search.prints[0]) for part in searches for search in part]
    assert min(sizes) >= 8
    assert max(sizes) <= 20


def test_a_mate_is_found_and_a_masked_one_is_not(prints: list[Impression], strangers: Block) -> None:
    gallery = Enrolled(measure.persons(prints, ONE.positions), strangers, 40, ONE.positions)
    template = prints[1].template
    assert template is not None
    search = Search([template], 0, 0)
    mated, alone = gallery.outcome(search, mated=True), gallery.outcome(search, mated=False)
    assert mated.mate > mated.rival
    assert all(mated.named)
    assert alone.mate == LOWEST
    assert not any(alone.named)
    assert alone.rival == mated.rival


def test_a_probe_that_is_refused_finds_nobody(prints: list[Impression], strangers: Block) -> None:
    gallery = Enrolled(measure.persons(prints, ONE.positions), strangers, 40, ONE.positions)
    template = prints[1].template
    assert template is not None
    few = backgrounds.crop(template, 3, np.random.default_rng(SEED))
    assert gallery.outcome(Search([few], 0, 0), mated=True) == Outcome(0, LOWEST, LOWEST, LOWEST, (False,) * 3)


def test_fingers_of_one_subject_are_summed(strangers: Block) -> None:
    searches = [Search(measure.made(strangers, number, TWO.positions), number, -1) for number in (3, 5)]
    scores, surprises = measure.compared(searches, strangers, TWO)
    assert scores.shape == surprises.shape == (2, 20)
    assert surprises.argmax(axis=1).tolist() == [3, 5]
    assert surprises.min() >= 0.0
    assert scores.argmax(axis=1).tolist() == [3, 5]
    assert scores.min() >= 2 * DISSENT


def test_lines_count_false_candidates_and_misses_at_every_threshold() -> None:
    named, nobody = (True, True, True), (False, False, False)
    real_mated = [Outcome(0, 9.0, 1.0, 1.0, named), Outcome(1, 0.5, 1.0, 1.0, nobody)]
    alone = [Outcome(number, LOWEST, number / 100, number / 20, nobody) for number in range(200)]
    alone[-1] = Outcome(199, LOWEST, 5.0, 11.6, (True, False, False))
    lines = list(measure.rated(1000, 1000, Kind("one", (0,)), [real_mated, alone[:20], real_mated, alone]))
    assert [line.threshold for line in lines] == [
        "policy 0.01",
        "policy 0.001",
        "policy 0.0001",
        "empirical 0.01",
        "empirical 0.001",
        "tail 0.0001",
    ]
    assert [line.fpir_synthetic.counted for line in lines] == [1, 0, 0, 2, 0, 0]
    assert [line.fnir_real.counted for line in lines] == [1, 1, 1, 1, 1, 1]
    assert [line.score for line in lines[:5]] == [9.0, 9.0, 9.0, 1.97, 5.0]
    assert lines[0].extrapolated is not None
    assert 1e-5 < lines[0].extrapolated.rate < 0.05  # of a surprise of ln(1000 / 0.01) = 11.5
    assert lines[-1].extrapolated is not None
    assert lines[-1].extrapolated.high == pytest.approx(1e-4, rel=1e-6)
