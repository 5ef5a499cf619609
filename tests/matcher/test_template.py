"""Templates: what one says beside its minutiae, and what no template can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import matcher
from matcher.template import ImpressionType, Origin, Template, TemplateError


def template(**said: Any) -> Template:
    return Template.of([1], [2], [0.5], **({"width": 9, "height": 9} | said))


def test_a_template_that_says_nothing_is_of_another_maker_and_of_an_unknown_impression() -> None:
    assert (template().origin, template().impression) == (Origin.OTHER, ImpressionType.UNKNOWN)


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("impression", ImpressionType)
def test_a_template_keeps_who_found_its_minutiae_and_how_it_came_about(
    origin: Origin, impression: ImpressionType
) -> None:
    for made in (
        template(origin=origin, impression=impression),
        template(origin=int(origin), impression=int(impression)),
    ):
        assert made.origin is origin
        assert made.impression is impression
        assert replace(made, position=3).origin is origin


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"position": 11}, "a finger position is 0 (unknown) or 1-10 (ANSI/NIST-ITL 1-2011, table 8); got 11"),
        (
            {"origin": 3},
            "an origin is 0 (another maker's), 1 (extracted here) or 2 (marked by an examiner); got 3",
        ),
        (
            {"impression": 10},
            "an impression is that of a finger, 0-8, 20-29, 41 or 42 (ANSI/NIST-ITL 1-2011, table 7); got 10",
        ),
        (
            {"impression": -1},
            "an impression is that of a finger, 0-8, 20-29, 41 or 42 (ANSI/NIST-ITL 1-2011, table 7); got -1",
        ),
    ],
)
def test_a_code_that_means_nothing_is_refused(said: dict[str, int], message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        template(**said)
    assert str(caught.value) == message


def test_a_code_of_table_7_is_of_a_finger_or_unknown() -> None:
    assert {code for code in range(-1, 300) if ImpressionType.of(code) is not ImpressionType.UNKNOWN} == {
        *range(9),
        *range(20, 29),
        41,
        42,
    }
    assert ImpressionType.of(None) is ImpressionType.UNKNOWN


def test_latent_and_rolled_prints_are_told_apart_by_their_codes() -> None:
    assert {int(each) for each in ImpressionType if each.latent} == {4, 5, 6, 7}
    assert {int(each) for each in ImpressionType if each.rolled} == {1, 3, 21, 23, 25, 27, 41}


def test_both_codes_fit_into_a_byte() -> None:
    assert np.array([*Origin, *ImpressionType]).max() < 256
    assert (matcher.Origin, matcher.ImpressionType) == (Origin, ImpressionType)
