"""Article 15(3) and the dates of the law: every value that decides, on each day on which one of them changed.

The tables are written out by hand from the agreement, Act No. 57 of 2014 and Rules No. 15 and 16 of 2018 of the National
Public Safety Commission, so that a value changed by a slip shows. An amendment adds a column here and leaves the others.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import date, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex import parameters
from annex.eligibility import Case, Disposition, Standing, available
from annex.offences import Category, Offence, Penalty, serious_crime
from annex.parameters import (
    AT_LEAST_MONTHS,
    IN_FORCE,
    RULES_VERSION,
    AgeReference,
    Dated,
    Party,
    Rules,
    RulesError,
    Value,
    _rules_since,
    rules_in_force,
    rules_version,
)

JP, US = Party.JP, Party.US

AS_CONCLUDED: Final = {
    "version": "2019-01-05",
    "more_than_months": 12,
    "at_least_months": 36,
    "acting_law_limbs": {"annex-i", "three-years"},
    "age_of_adult": 20,
    "age_reference": AgeReference.QUERY,
    "juvenile_decisions": ("18", "19(1)", "23(2)", "24(1)"),
    "latents_under_paragraph_2": False,
    "explanation_mandatory": {JP},
    "consent_needs_report": {JP},
    "acquittal_notified": {JP},
    "japan_items": (
        "name",
        "date of birth",
        "place of birth",
        "sex",
        "height or weight",
        "history of criminal dispositions",
        "date and circumstances of fingerprinting",
    ),
    "notification_months": 24,
}
SINCE_MAJORITY_AT_18: Final = AS_CONCLUDED | {
    "version": "2022-04-01",
    "juvenile_decisions": ("18", "19(1)", "23(2)", "24(1)", "64(1)"),
}
DATED: Final = {name: value for name, value in vars(parameters).items() if isinstance(value, Dated)}
READINGS: Final = {"ACTING_LAW_LIMBS", "AGE_REFERENCE", "LATENTS_UNDER_PARAGRAPH_2", "NOTIFICATION_MONTHS"}
"""What the words of the law leave open: each is marked, so that counsel finds it."""

same_every_run = settings(derandomize=True, deadline=None, max_examples=100)
days_in_force = st.dates(min_value=IN_FORCE, max_value=date(2100, 12, 31))


@pytest.mark.parametrize(
    ("on", "values"),
    [
        (date(2019, 1, 5), AS_CONCLUDED),
        (date(2022, 3, 31), AS_CONCLUDED),
        (date(2022, 4, 1), SINCE_MAJORITY_AT_18),
        (date(2026, 6, 1), SINCE_MAJORITY_AT_18),
    ],
    ids=["entry into force", "eve of majority at 18", "majority at 18", "today"],
)
def test_15_3_the_rules_of_a_day_are_the_values_of_the_law_on_that_day(on: date, values: dict[str, object]) -> None:
    assert asdict(rules_in_force(on)) == values
    assert asdict(_rules_since(on)) == values


def test_15_3_every_dated_value_is_one_of_the_rules() -> None:
    """A value left out would give no new version when it is amended."""
    assert set(parameters._PARAMETERS) == set(DATED.values())
    assert {field.name for field in fields(Rules)} == set(AS_CONCLUDED)
    assert len(DATED) == len(AS_CONCLUDED) - len(["version"])


@pytest.mark.parametrize("name", DATED)
def test_15_3_every_value_has_its_source_and_its_reason(name: str) -> None:
    assert DATED[name].name.startswith(("Article ", "Art. ", "Annex II"))
    for value in DATED[name].values:
        assert value.source.strip()
        assert value.reason.strip()
        assert value.since >= IN_FORCE
    assert any("[interp]" in value.reason for value in DATED[name].values) == (name in READINGS)


@pytest.mark.parametrize(
    ("name", "article"), [("EXPLANATION_MANDATORY", 3), ("CONSENT_NEEDS_REPORT", 4), ("ACQUITTAL_NOTIFIED", 5)]
)
def test_15_3_what_only_japan_owes_is_owed_by_rule_16(name: str, article: int) -> None:
    (value,) = DATED[name].values
    assert value.value == frozenset({JP})
    assert value.source.startswith(f"National Public Safety Commission Rule No. 16 of 2018, Art. {article}")


# An amendment is a new version, and a decision of an earlier day comes out again under the rules of that day


AMENDED_ON: Final = date(2030, 1, 1)
AMENDMENT: Final = Dated(
    AT_LEAST_MONTHS.name,
    (*AT_LEAST_MONTHS.values, Value(AMENDED_ON, 48, "a written agreement under Art. 15(3)", "four years")),
)


def amended_rules(on: date) -> Rules:
    """Return the rules of a day in a world where the Parties amended Article 1(3) with effect from 2030."""
    version = max(rules_version(on), AMENDMENT.at(on).version)
    return replace(rules_in_force(on), at_least_months=AMENDMENT.at(on).value, version=version)


def test_15_3_an_amendment_is_a_new_version_from_its_day_on() -> None:
    trespass = [Offence("trespass", JP, "Penal Code, Art. 130", Penalty(months=36))]
    eve, day = AMENDED_ON - timedelta(days=1), AMENDED_ON
    before = serious_crime(trespass, article=4, acting=JP, on=eve, rules=amended_rules(eve))
    after = serious_crime(trespass, article=4, acting=JP, on=day, rules=amended_rules(day))
    assert (before.serious, before.rules) == (True, "2022-04-01")
    assert (after.serious, after.rules) == (False, "2030-01-01")
    assert "at least 4 years" in after.reason


maxima = st.builds(Penalty, months=st.integers(0, 60), days=st.integers(0, 31))
offences = st.lists(
    st.builds(
        Offence,
        description=st.just("conduct"),
        law=st.sampled_from(Party),
        citation=st.just("a statute, Art. 1"),
        maximum=maxima,
        category=st.none() | st.sampled_from(Category),
    ),
    max_size=3,
)


@same_every_run
@given(offences, st.sampled_from([4, 5, 6, 8]), st.sampled_from(Party), days_in_force, days_in_force)
def test_15_3_across_an_amendment_the_day_changes_a_finding_only_through_the_rules(
    named: list[Offence], article: int, acting: Party, one: date, two: date
) -> None:
    first = serious_crime(named, article=article, acting=acting, on=one, rules=amended_rules(one))
    second = serious_crime(named, article=article, acting=acting, on=two, rules=amended_rules(two))
    if (one < AMENDED_ON) == (two < AMENDED_ON):
        assert replace(first, rules="") == replace(second, rules="")
    replayed = serious_crime(named, article=article, acting=acting, on=two, rules=amended_rules(one))
    assert replayed == first


@same_every_run
@given(days_in_force)
def test_15_3_a_version_finds_the_rules_that_it_names(on: date) -> None:
    version = rules_version(on)
    assert version <= min(on.isoformat(), RULES_VERSION)
    assert rules_in_force(date.fromisoformat(version)) is rules_in_force(on)


def test_15_3_a_finding_under_an_old_version_comes_out_again_word_for_word() -> None:
    """What a record says of a decision is the version of the rules; that and the facts give the decision again."""
    standing = Standing(date(1980, 1, 1), (Case(Disposition.JUVENILE_NON_CRIMINAL, date(2020, 1, 1)),))
    then = available(standing, queried=JP, identified=True, on=date(2021, 6, 1))
    now = available(standing, queried=JP, identified=True, on=date(2026, 6, 1))
    assert (then.rules, now.rules) == ("2019-01-05", "2022-04-01")
    assert then.reason != now.reason
    old = rules_in_force(date.fromisoformat(then.rules))
    assert available(standing, queried=JP, identified=True, on=date(2026, 6, 1), rules=old) == then


# The values themselves


def test_a_dated_value_before_its_first_day_names_the_first_source() -> None:
    with pytest.raises(RulesError) as refused:
        AMENDMENT.at(date(2019, 1, 4))
    assert str(refused.value) == (
        "Article 1(3), second limb: expected a day from 2019-01-05, when it first came into force (Art. 1(3)); got "
        "2019-01-04"
    )


def test_a_dated_value_takes_the_newest_of_several() -> None:
    assert [AMENDMENT.at(on).value for on in (IN_FORCE, date(2029, 12, 31), AMENDED_ON, date(2050, 1, 1))] == [
        36,
        36,
        48,
        48,
    ]
