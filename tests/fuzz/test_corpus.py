"""Every stored case has the outcome that its name says, and every bomb is refused as it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from matcher.jail import Jail
from tests.fuzz import bombs, cases
from tests.fuzz.targets import MODULES, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def place() -> Iterator[Jail]:
    jail = Jail(places=1, warm=2, modules=MODULES)
    yield jail
    jail.close()


@pytest.mark.parametrize("path", cases.stored(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_stored_case_has_the_outcome_that_its_name_says(path: Path, place: Jail) -> None:
    assert cases.outcome(path, place) == cases.expected(path)


def test_the_stored_cases_are_small() -> None:
    sizes = [path.stat().st_size for path in cases.stored()]
    assert max(sizes) <= cases.MAX_CASE
    assert sum(sizes) <= cases.MAX_ALL


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_is_refused_as_it_must_be(name: str, place: Jail) -> None:
    target, data, expected = bombs.BOMBS[name]
    assert TARGETS[target].outcome(data, place) == expected
