"""The implementing arrangement as a document: nothing has a default, nothing is guessed, no value empties a clause."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import pytest

from annex.parameters import JAPAN_ITEMS, Party
from pcsc.arrangement import NOTIFICATION, Arrangement, ArrangementError, Arrangements
from pcsc.errors import NoArrangementError
from pcsc.messages import Search
from tests.builders import DOCUMENT, arrangement

NUMBERS = {
    "circumstances_characters": (20, 10_000, "Art. 4(3) asks for particular circumstances"),
    "urgency_characters": (20, 10_000, "an urgent request goes before all others"),
    "answer_hours": (1, 24, "Art. 4(4): the system responds automatically"),
    "examination_days": (1, 90, "Art. 4(5)"),
    "determination_days": (1, 90, "Art. 8(2)"),
    "follow_up_days": (1, 365, "Art. 8(1) and (2)"),
    "explanation_request_days": (1, 365, 'Art. 4(6): "within a reasonable period of time"'),
    "explanation_reply_days": (1, 90, 'Art. 4(6): "in a timely manner"'),
    "reply_days": (1, 365, "Art. 5(2)"),
    "urgent_reply_hours": (1, 720, "an urgent request is answered before others (Art. 5(2))"),
    "acceptance_days": (1, 90, "Art. 8(8)"),
    "consent_reply_days": (1, 365, "Art. 8(5)(2) and 8(7)"),
    "result_reply_days": (1, 365, "Art. 7"),
    "review_days": (1, 365, "Art. 8(9)"),
    "correction_hours": (1, 168, "Art. 10(2)"),
    "breach_notice_hours": (1, 72, "Art. 9"),
    "consultation_days": (1, 1_096, "Art. 14(1)"),
    "record_months": (24, 1_200, "Art. 11(3)"),
}
AGREEING = {
    "examination_days": 1,
    "determination_days": 90,
    "follow_up_days": 365,
    "reply_days": 365,
    "urgent_reply_hours": 1,
    "record_months": 1_200,
}
"""Values with which any other value within its bounds agrees, bar the shortest time to the hard stop and to determine."""


def refused(key: str, expected: str, **changes: Any) -> str:
    """Return the message with which a change is refused, which names the key and what was expected of it."""
    with pytest.raises(ArrangementError) as error:
        arrangement(**changes)
    said = str(error.value)
    assert error.value.key == key
    assert said.startswith(f"the arrangement's {key}: expected {expected}"), said
    assert "; got " in said
    return said


def lacks(key: str, said: str, **changes: Any) -> None:
    """Assert that a table without, or with one too many of, its keys is refused."""
    with pytest.raises(ArrangementError, match=f"^{re.escape(said)}") as error:
        arrangement(**changes)
    assert error.value.key == key


def test_the_document_is_read_as_it_stands() -> None:
    read = arrangement()
    assert (read.version, read.in_force_from, read.record_months) == ("test-1", date(2019, 1, 5), 24)
    assert read.items == {Party.JP: ("name", "date of birth"), Party.US: ("name", "date of birth", "aliases")}
    assert read.queries_per_day == {Search.TENPRINT: 100, Search.LATENT: 20}
    assert read.candidates == {Search.TENPRINT: 1, Search.LATENT: 1}
    assert read.notification == NOTIFICATION


def test_the_model_that_comes_with_the_program_is_an_arrangement() -> None:
    model = files("contact_point").joinpath("models/arrangement.toml").read_text(encoding="utf-8")
    read = Arrangement.from_mapping(tomllib.loads(model))
    assert read.version == "model-1"
    assert read.record_months >= 24
    assert read.items[Party.JP] == JAPAN_ITEMS.values[0].value  # Act No. 57 of 2014, Art. 2(iv) and 4(1): a closed list


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_4_7_a_value_that_is_missing_has_no_default(name: str) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != name}
    with pytest.raises(
        ArrangementError,
        match=rf"^the arrangement lacks {name}: expected every value, for none has a default \(Art\. 4\(7\)\): agree on it",
    ) as error:
        Arrangement.from_mapping(document)
    assert error.value.key == name


def test_4_7_a_value_that_nobody_knows_is_refused() -> None:
    lacks("follow_up_day", "the arrangement has the unknown follow_up_day: expected only version, ", follow_up_day=30)


@pytest.mark.parametrize("name", ["queries_per_day", "candidates"])
def test_4_7_each_search_type_has_its_number(name: str) -> None:
    lacks(f"{name}.latent", f"the arrangement's {name} lacks latent: expected every value", **{name: {"tenprint": 1}})
    more = {"tenprint": 1, "latent": 1, "palm": 1}
    lacks(f"{name}.palm", f"the arrangement's {name} has the unknown palm: expected only tenprint", **{name: more})
    lacks(name, f"the arrangement's {name}: expected a table with tenprint, latent; got 100", **{name: 100})


def test_4_7_the_number_of_queries_is_a_number() -> None:
    for good in (0, 100_000):
        assert arrangement(queries_per_day={"tenprint": 1, "latent": good}).queries_per_day[Search.LATENT] == good
    for bad in (-1, 100_001, "5", 5.0, True, None):
        said = refused(
            "queries_per_day.latent",
            "a whole number from 0 to 100000",
            queries_per_day={"tenprint": 1, "latent": bad},
        )
        assert f"got {bad!r}: Art. 4(7) leaves the number to the arrangement" in said


@pytest.mark.parametrize("bad", [0, 2, 10, True])
def test_4_4_a_match_is_one_individual(bad: int) -> None:
    said = refused("candidates.latent", "the number 1", candidates={"tenprint": 1, "latent": bad})
    assert 'Art. 4(4): "a match, with a corresponding reference number" is one individual: agree on a value' in said


@pytest.mark.parametrize(("name", "bounds"), NUMBERS.items(), ids=NUMBERS)
def test_a_number_lies_between_its_bounds_and_says_whose_clause_it_is(name: str, bounds: tuple[int, int, str]) -> None:
    low, high, why = bounds
    for good in (low, high):
        shortest = {"determination_days": 1} if good == low else {}
        assert getattr(arrangement(**{**AGREEING, **shortest, name: good}), name) == good
    for bad in (low - 1, high + 1, str(low), float(low), None, True, [low]):
        said = refused(name, f"a whole number from {low} to {high}", **{name: bad})
        assert f"got {bad!r}: {why}" in said
        assert said.endswith(": agree on a value and correct the document")


def test_11_3_no_arrangement_keeps_the_record_for_less_than_two_years() -> None:
    said = refused("record_months", "a whole number from 24 to 1200", record_months=23)
    assert "got 23: Art. 11(3): the record is maintained for at least two years" in said


@pytest.mark.parametrize("rate", [0.0, -0.001, 0.11, 1, "0.001", float("nan"), None])
def test_4_4_the_rate_of_false_candidates_is_bounded(rate: Any) -> None:
    said = refused(
        "false_positive_identification_rate",
        "a number above 0 and at most 0.1",
        false_positive_identification_rate=rate,
    )
    assert "Art. 4(4) answers that there is a match, not that there may be one" in said


@pytest.mark.parametrize("day", ["2019-01-05", datetime(2019, 1, 5, tzinfo=UTC), 2019, None])
def test_4_7_an_arrangement_is_in_force_from_a_day(day: Any) -> None:
    said = refused("in_force_from", "a date such as 2019-01-05", in_force_from=day)
    assert said.endswith("each day has one arrangement (Art. 4(7)): name the day")


def test_15_1_an_arrangement_is_not_older_than_the_agreement() -> None:
    said = refused("in_force_from", "a day from 2019-01-05", in_force_from=date(2019, 1, 4))
    assert "got 2019-01-04: the agreement was not in force before (Art. 15(1)): name a later day" in said


@pytest.mark.parametrize("version", ["", "  ", "../model", ".hidden", "a b", "x" * 65, 1, None])
def test_4_7_an_arrangement_can_be_cited_and_its_file_found(version: Any) -> None:
    said = refused("version", "at most 64 letters, digits, dots, hyphens and underscores", version=version)
    assert "every decision cites it (Art. 4(7)), and its file has this name: give it such a name" in said


def refused_names(key: str, **changes: Any) -> None:
    """Assert that what is no list of names is refused."""
    said = refused(key, "a list of names", **changes)
    assert said.endswith(": agree on a value and correct the document")


@pytest.mark.parametrize(
    "items", [None, [], {}, {"JP": ["name"]}, {"JP": ["name"], "US": ["name"], "FR": ["name"]}, "JP"]
)
def test_5_2_each_party_has_a_list_of_items(items: Any) -> None:
    with pytest.raises(
        ArrangementError,
        match=r"^the arrangement's items(: expected a table with JP, US; got| lacks| has the unknown FR)",
    ):
        arrangement(items=items)


@pytest.mark.parametrize("items", [[], "name", [1], ["name", None], ["name", " "], None])
def test_5_2_a_list_of_items_is_a_list_of_names(items: Any) -> None:
    refused_names("items.US", items={"JP": ["name"], "US": items})
    refused_names("notification", notification=items)


def test_5_2_an_item_stands_once() -> None:
    said = refused("items.US", "each name once", items={"JP": ["name"], "US": ["name", "aliases", "name"]})
    assert "got ['name', 'name']: what stands twice was meant to be another item, or none: correct" in said


def test_5_2_japan_gives_what_its_act_lists_and_nothing_else() -> None:
    said = refused(
        "items.JP", "only name, date of birth, place of birth, sex, ", items={"JP": ["aliases"], "US": ["name"]}
    )
    assert "got 'aliases': Art. 5(2) gives what the laws of the queried Party allow, and Act No. 57 of 2014" in said


def test_5_1_a_notification_has_the_items_that_there_are() -> None:
    assert arrangement(notification=["purpose"]).notification == ("purpose",)
    said = refused("notification", "only purpose, case reference, ", notification=["purpose", "blood group"])
    assert "got 'blood group': a written notification has no such item (Art. 5(1)): correct or remove it" in said


def test_5_1_a_notification_says_the_purpose_whatever_else() -> None:
    said = refused("notification", '"purpose" among its items', notification=["signed by"])
    assert (
        """got ['signed by']: Art. 5(1): a request is "subject to written notification of the purpose": add it"""
        in said
    )


@pytest.mark.parametrize(
    ("changes", "key", "expected", "why"),
    [
        (
            {"examination_days": 11},
            "determination_days",
            "at least the 11 of examination_days",
            "got 10: Art. 8(2): nobody determines before the match is examined",
        ),
        (
            {"follow_up_days": 9},
            "follow_up_days",
            "at least the 10 of determination_days",
            "got 9: Art. 8(2): the prints would be destroyed before the determination is due",
        ),
        (
            {"reply_days": 1},
            "urgent_reply_hours",
            "at most the 24 hours of reply_days",
            "got 48: an urgent request is not answered later than any other (Art. 5(2))",
        ),
        (
            {"follow_up_days": 365, "explanation_request_days": 365},
            "record_months",
            "months of at least the 744 days of follow_up_days, explanation_request_days and explanation_reply_days",
            "got 24: the record serves to give that explanation (Art. 11(1)(2))",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    changes: dict[str, Any], key: str, expected: str, why: str
) -> None:
    assert why in refused(key, expected, **changes)


FIRST = arrangement()
SECOND = arrangement(version="2027-a", in_force_from=date(2027, 4, 1))
THIRD = arrangement(version="2030-a", in_force_from=date(2030, 4, 1))


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (date(2019, 1, 5), "test-1"),
        (date(2027, 3, 31), "test-1"),
        (date(2027, 4, 1), "2027-a"),
        (date(2030, 3, 31), "2027-a"),
        (date(2030, 4, 1), "2030-a"),
        (date(2099, 1, 1), "2030-a"),
    ],
)
def test_4_7_a_day_has_the_arrangement_then_in_force(day: date, version: str) -> None:
    assert Arrangements((FIRST, SECOND, THIRD)).at(day).version == version


def test_4_7_before_the_first_there_is_none() -> None:
    with pytest.raises(
        NoArrangementError,
        match=r"^Art\. 4\(7\): expected a day from 2027-04-01; got 2027-03-31: without .*agree on one",
    ):
        Arrangements((SECOND, THIRD)).at(date(2027, 3, 31))
    with pytest.raises(NoArrangementError, match="expected a day on which one is in force; got 2027-03-31"):
        Arrangements(()).at(date(2027, 3, 31))


def test_4_7_an_old_decision_is_made_again_under_the_version_it_cites() -> None:
    held = Arrangements((FIRST, SECOND))
    assert held.version("test-1") is FIRST
    with pytest.raises(
        NoArrangementError,
        match=r"^Art\. 4\(7\): expected a version that is held \(test-1, 2027-a\); got 'x': what cites it can be judged",
    ):
        held.version("x")


def test_4_7_no_two_arrangements_take_force_on_one_day_or_out_of_order() -> None:
    for day in (date(2027, 4, 1), date(2027, 3, 31)):
        with pytest.raises(
            ArrangementError,
            match=rf"in_force_from: expected a day after 2027-04-01, when 2027-a takes force; got {day} for x: on each day",
        ) as error:
            Arrangements((FIRST, SECOND, arrangement(version="x", in_force_from=day)))
        assert error.value.key == "in_force_from"


def test_4_7_no_two_arrangements_have_one_name() -> None:
    with pytest.raises(
        ArrangementError, match="version: expected a name that no other has; got 'test-1' twice: every decision cites"
    ) as error:
        Arrangements((FIRST, SECOND, arrangement(in_force_from=date(2030, 1, 1))))
    assert error.value.key == "version"
