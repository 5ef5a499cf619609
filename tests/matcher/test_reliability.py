"""How far a minutia is believed depends on who found it, and equals the slow twin's."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher._parameters import RELIABILITY
from matcher.reliability import nearest_neighbour, reliability
from matcher.template import MAX_MINUTIAE, Origin, Template
from tests.matcher import naive

SIDE = 300


@st.composite
def templates(draw: st.DrawFn) -> Template:
    count = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, y = rng.integers(0, draw(st.sampled_from([1, 5, 60, SIDE])), (2, count))
    quality = rng.integers(0, 101, count)
    origin = draw(st.sampled_from(Origin))
    return Template.of(x, y, rng.uniform(0, 6, count), width=SIDE, height=SIDE, quality=quality, origin=origin)


def lying(at: list[tuple[int, int]], *, quality: int = 0, origin: Origin = Origin.OTHER) -> Template:
    x, y = np.array(at).reshape(-1, 2).T
    return Template.of(x, y, 0.0 * x, width=SIDE, height=SIDE, quality=[quality] * len(at), origin=origin)


@given(templates())
def test_reliability_equals_the_slow_twin(template: Template) -> None:
    got = reliability(template)
    assert got.dtype == np.uint8
    assert got.tolist() == naive.reliability(template)
    assert (got <= 100).all()


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("count", [0, 1, MAX_MINUTIAE])
def test_any_number_of_minutiae_has_as_many_reliabilities(count: int, origin: Origin) -> None:
    template = lying([(7, 9)] * count, quality=50, origin=origin)
    assert reliability(template).shape == (count,)
    assert reliability(template).tolist() == naive.reliability(template)


def test_what_an_examiner_marked_is_believed_alike() -> None:
    marked = lying([(5, 5), (6, 5), (200, 90)], quality=3, origin=Origin.MARKED)
    assert set(reliability(marked).tolist()) == {round(100 * RELIABILITY.marked)}


def test_our_own_minutiae_are_believed_by_their_quality_wherever_they_lie() -> None:
    near, far = [(5, 5), (6, 5)], [(5, 5), (200, 5)]
    for quality in range(101):
        one = reliability(lying(near, quality=quality, origin=Origin.EXTRACTED))
        assert (one == reliability(lying(far, quality=quality, origin=Origin.EXTRACTED))).all()
    sure, unsure = (reliability(lying(near, quality=quality, origin=Origin.EXTRACTED)) for quality in (95, 65))
    assert (sure > unsure).all()


def test_others_minutiae_are_believed_by_their_distance_whatever_their_quality() -> None:
    apart = [reliability(lying([(5, 5), (5 + gap, 5)])) for gap in range(100)]
    assert all((later >= earlier).all() for earlier, later in pairwise(apart))
    assert (apart[0] < apart[-1]).all()
    template = lying([(5, 5), (20, 5)])
    assert (reliability(replace(template, quality=np.full(2, 99, dtype=np.uint8))) == reliability(template)).all()


def test_the_nearest_neighbour_is_never_the_minutia_itself() -> None:
    assert nearest_neighbour(lying([(0, 0), (3, 4), (3, 4), (103, 4)])).tolist() == [5.0, 0.0, 0.0, 100.0]
    assert nearest_neighbour(lying([(0, 0)])).tolist() == [np.inf]
    assert nearest_neighbour(lying([])).tolist() == []
