"""The implementing arrangement as a document: nothing has a default, nothing is guessed, no value empties a clause."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import pytest

from annex.parameters import Party
from pcsc.arrangement import Arrangement, ArrangementError
from tests.builders import DOCUMENT, arrangement

NUMBERS = {
    "queries_per_day": (0, 100_000),
    "candidates": (1, 1),
    "circumstances_characters": (20, 10_000),
    "examination_days": (1, 90),
    "determination_days": (1, 90),
    "follow_up_days": (1, 365),
    "reply_days": (1, 365),
    "record_months": (24, 1_200),
}


def test_the_document_is_read_as_it_stands() -> None:
    read = arrangement()
    assert (read.version, read.in_force_from, read.record_months) == ("test-1", date(2019, 1, 5), 24)
    assert read.items == {Party.JP: ("name", "date of birth"), Party.US: ("name", "date of birth", "aliases")}


def test_the_model_that_comes_with_the_program_is_an_arrangement() -> None:
    model = files("contact_point").joinpath("models/arrangement.toml").read_text(encoding="utf-8")
    read = Arrangement.from_mapping(tomllib.loads(model))
    assert read.version == "model-1"
    assert read.record_months >= 24
    assert len(read.items[Party.JP]) == 7  # Act No. 57 of 2014, Art. 2(iv) and 4(1): a closed list


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_a_value_that_is_missing_has_no_default(name: str) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != name}
    with pytest.raises(ArrangementError, match=f"^the arrangement lacks {name}: correct the document"):
        Arrangement.from_mapping(document)


def test_a_value_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ArrangementError, match=r"^the arrangement has the unknown follow_up_day: correct the document"):
        arrangement(follow_up_day=30)


@pytest.mark.parametrize(("name", "bounds"), NUMBERS.items(), ids=NUMBERS)
def test_a_number_lies_between_its_bounds(name: str, bounds: tuple[int, int]) -> None:
    low, high = bounds
    for good in bounds:
        assert getattr(arrangement(**{name: good}), name) == good
    for bad in (low - 1, high + 1, str(low), float(low), None, True, [low]):
        with pytest.raises(
            ArrangementError, match=rf"^the arrangement's {name} is a whole number from {low} to {high}; got "
        ):
            arrangement(**{name: bad})


def test_11_3_no_arrangement_keeps_the_record_for_less_than_two_years() -> None:
    with pytest.raises(ArrangementError, match="record_months is a whole number from 24 to 1200; got 23"):
        arrangement(record_months=23)


@pytest.mark.parametrize("rate", [0.0, -0.001, 0.11, 1, "0.001", float("nan"), None])
def test_the_rate_of_false_candidates_is_bounded(rate: Any) -> None:
    with pytest.raises(ArrangementError, match=r"false_positive_identification_rate is above 0 and at most 0\.1; got"):
        arrangement(false_positive_identification_rate=rate)


@pytest.mark.parametrize("day", ["2019-01-05", datetime(2019, 1, 5, tzinfo=UTC), 2019, None])
def test_an_arrangement_is_in_force_from_a_day(day: Any) -> None:
    with pytest.raises(ArrangementError, match="in_force_from is a date such as 2019-01-05; got"):
        arrangement(in_force_from=day)


@pytest.mark.parametrize("version", ["", "  "])
def test_an_arrangement_can_be_cited(version: str) -> None:
    with pytest.raises(ArrangementError, match="the arrangement's version is empty; every decision cites it"):
        arrangement(version=version)


@pytest.mark.parametrize(
    "items",
    [None, [], {}, {"JP": ["name"]}, {"JP": ["name"], "US": ["name"], "FR": ["name"]}, "JP"],
)
def test_each_party_has_a_list_of_items(items: Any) -> None:
    with pytest.raises(ArrangementError, match=r"^the arrangement's items has one list for JP and one for US; got"):
        arrangement(items=items)


@pytest.mark.parametrize("items", [[], "name", [1], ["name", None], None])
def test_a_list_of_items_is_a_list_of_names(items: Any) -> None:
    with pytest.raises(ArrangementError, match=r"^the arrangement's items for US is a list of names; got"):
        arrangement(items={"JP": ["name"], "US": items})
