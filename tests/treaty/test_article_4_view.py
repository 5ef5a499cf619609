"""Article 4(2): each Party makes available the fingerprint data that Annex II provides for, and no other is searched."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import pytest

from annex.eligibility import Case, Disposition, Standing, available
from annex.parameters import Party
from matcher.gallery import Gallery, Policy
from matcher.synthesis import Finger

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


def test_4_2_what_is_not_made_available_is_never_compared_however_well_it_would_match() -> None:
    gallery = Gallery()
    gallery.add_many((f"person {person}", [Finger(7, person).template()]) for person in range(4))
    probe = [Finger(7, 2).template(1)]
    (found,) = gallery.search(probe, view=None, policy=ONE_CANDIDATE)
    assert found.subject == "person 2"
    without = np.array([name != "person 2" for name in gallery.subjects])
    assert gallery.search(probe, view=without, policy=ONE_CANDIDATE) == []
    gallery.remove("person 2")
    assert gallery.search(probe, view=None, policy=ONE_CANDIDATE) == []  # excluded and absent: one answer
