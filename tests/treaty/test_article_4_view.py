"""Article 4(2): each Party makes available the fingerprint data that Annex II provides for, and no other is searched."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from annex.eligibility import Case, Disposition, Standing, available
from annex.parameters import Party
from matcher.gallery import Gallery, Policy
from matcher.synthesis import Finger

if TYPE_CHECKING:
    from matcher.template import Template

ON: Final = date(2026, 11, 22)
CONVICTED: Final = Standing(date(1980, 5, 1), (Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1)),))
ACQUITTED: Final = Standing(date(1980, 5, 1), (Case(Disposition.ACQUITTED, date(2015, 4, 1)),))
ONE_CANDIDATE: Final = Policy(1e-3, 1)


@pytest.mark.parametrize("party", Party)
def test_4_2_each_party_makes_available_what_its_paragraph_of_annex_ii_lists(party: Party) -> None:
    answer = available(CONVICTED, queried=party, identified=True, on=ON)
    assert answer.available
    assert answer.clause.startswith("Annex II 1" if party is Party.JP else "Annex II 2")
    assert available(ACQUITTED, queried=party, identified=True, on=ON).available is (party is Party.US)


def of(person: int, impression: int) -> list[Template]:
    return [Finger(7, person, position).template(impression) for position in range(1, 11)]


@pytest.mark.parametrize("probe", [of(2, 1)[:1], of(2, 1), [replace(of(2, 1)[1], position=0)]], ids=["1", "10", "any"])
@pytest.mark.parametrize("skim_from", [0, 1_000])
def test_4_2_what_is_not_made_available_is_never_compared_however_well_it_would_match(
    probe: list[Template], skim_from: int
) -> None:
    gallery = Gallery(skim_from=skim_from)
    gallery.add_many((f"person {person}", of(person, 0)) for person in range(4))
    (found,) = gallery.search(probe, mask=None, policy=ONE_CANDIDATE)
    assert found.subject == "person 2"
    without = np.array([name != "person 2" for name in gallery.subjects])
    assert gallery.search(probe, mask=without, policy=ONE_CANDIDATE) == []
    gallery.remove("person 2")
    assert gallery.search(probe, mask=None, policy=ONE_CANDIDATE) == []  # excluded and absent: one answer
