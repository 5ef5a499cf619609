"""Article 1(3): what serious crime is, whose law decides, and how a finding explains itself.

The maximum penalties of Japanese law are those of the Penal Code (Act No. 45 of 1907) as of 2026-05-21 and of Act No.
128 of 1999.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annex
from annex.offences import Category, Form, Offence, OffenceError, Penalty, serious_crime
from annex.parameters import (
    AGE_OF_ADULT,
    IN_FORCE,
    MAJORITY_AT_18,
    RULES_VERSION,
    AnnexError,
    Dated,
    Party,
    RulesError,
    Value,
    rules_in_force,
    rules_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable

JP, US = Party.JP, Party.US
ON = date(2026, 6, 1)

ONE_YEAR = Penalty(months=12)
TWO_YEARS = Penalty(months=24)
THREE_YEARS = Penalty(months=36)
TEN_YEARS = Penalty(months=120)
DEATH = Penalty(death=True)
FINE = Penalty()


def penal_code(
    description: str, article: int, maximum: Penalty, category: Category | None = None, form: Form = Form.COMPLETED
) -> Offence:
    cited = None if form is Form.COMPLETED else f"Penal Code, Art. {article}"
    return Offence(description, JP, f"Penal Code, Art. {article}", maximum, category, form, cited)


def unauthorised_access(article: int, maximum: Penalty, category: Category | None = Category.COMPUTER_CRIME) -> Offence:
    return Offence("unauthorised computer access", JP, f"Act 128/1999, Art. {article}", maximum, category)


GOLDEN = {
    "murder, PC 199, death, I(3)": (penal_code("murder", 199, DEATH, Category.MURDER), "annex-i"),
    "preparation for murder, PC 201, 2 years, I(3)": (
        penal_code("murder", 201, TWO_YEARS, Category.MURDER, Form.PREPARATION),
        "annex-i",
    ),
    "injury, PC 204, 15 years, I(4)": (penal_code("injury", 204, Penalty(months=180), Category.ASSAULT), "annex-i"),
    "injury, PC 204, 15 years, without a category": (penal_code("injury", 204, Penalty(months=180)), "three-years"),
    "assault, PC 208, 2 years": (penal_code("assault", 208, TWO_YEARS), None),
    "theft, PC 235, 10 years, I(8)": (penal_code("theft", 235, TEN_YEARS, Category.THEFT), "annex-i"),
    "theft, PC 235, 10 years, without a category": (penal_code("theft", 235, TEN_YEARS), "three-years"),
    "embezzlement, PC 252, 5 years, I(7)": (
        penal_code("embezzlement", 252, Penalty(months=60), Category.EMBEZZLEMENT),
        "annex-i",
    ),
    "embezzlement of lost property, PC 254, 1 year exactly, I(7)": (
        penal_code("embezzlement of lost property", 254, ONE_YEAR, Category.EMBEZZLEMENT),
        None,
    ),
    "trespass, PC 130, 3 years exactly": (penal_code("trespass", 130, THREE_YEARS), "three-years"),
    "obstruction of business, PC 233, 3 years": (
        penal_code("obstruction of business", 233, THREE_YEARS),
        "three-years",
    ),
    "harbouring a criminal, PC 103, 3 years": (penal_code("harbouring a criminal", 103, THREE_YEARS), "three-years"),
    "damage to property, PC 261, 3 years": (penal_code("damage to property", 261, THREE_YEARS), "three-years"),
    "insult, PC 231, 1 year": (penal_code("insult", 231, ONE_YEAR), None),
    "gambling, PC 185, fine only": (penal_code("gambling", 185, FINE), None),
    "perjury, PC 169, 10 years, I(10)": (penal_code("perjury", 169, TEN_YEARS, Category.PERJURY), "annex-i"),
    "confinement, PC 220, 7 years, I(25)": (
        penal_code("confinement", 220, Penalty(months=84), Category.KIDNAPPING),
        "annex-i",
    ),
    "fraud, PC 246, 10 years, I(15)": (penal_code("fraud", 246, TEN_YEARS, Category.FRAUD), "annex-i"),
    "forgery of a private document, PC 159, 5 years, I(28)": (
        penal_code("forgery of a private document", 159, Penalty(months=60), Category.FORGERY),
        "annex-i",
    ),
    "counterfeiting of currency, PC 148, life, I(18)": (
        penal_code("counterfeiting of currency", 148, Penalty(life=True), Category.COUNTERFEIT_CURRENCY),
        "annex-i",
    ),
    "arson of a dwelling, PC 108, death, I(32)": (
        penal_code("arson of a dwelling", 108, DEATH, Category.ARSON),
        "annex-i",
    ),
    "unauthorised access, Act 128/1999 Art. 11, 3 years, I(19)": (unauthorised_access(11, THREE_YEARS), "annex-i"),
    "unauthorised access, Act 128/1999 Art. 11, 3 years, I(21)": (
        unauthorised_access(11, THREE_YEARS, Category.IDENTITY_THEFT),
        "annex-i",
    ),
    "unauthorised access, Act 128/1999 Art. 11, 3 years exactly, without a category": (
        unauthorised_access(11, THREE_YEARS, None),
        "three-years",
    ),
    "Act 128/1999 Art. 12, 1 year exactly, I(19)": (unauthorised_access(12, ONE_YEAR), None),
    "Act 128/1999 Art. 12, 1 year exactly, I(21)": (unauthorised_access(12, ONE_YEAR, Category.IDENTITY_THEFT), None),
}


@pytest.mark.parametrize(("offence", "branch"), GOLDEN.values(), ids=GOLDEN)
@pytest.mark.parametrize("article", [4, 5, 6, 8])
def test_art_1_3_golden_case_of_japanese_law(offence: Offence, branch: str | None, article: int) -> None:
    finding = serious_crime([offence], article=article, acting=JP, on=ON)
    assert finding.serious is (branch is not None)
    assert finding.branch == branch
    assert finding.law is (JP if branch else None)
    assert finding.clause == (f"Art. 1(3), Annex I({offence.category.value})" if offence.category else "Art. 1(3)")
    assert finding.rules == "2022-04-01"


@pytest.mark.parametrize("category", Category)
def test_art_1_3_a_us_class_a_misdemeanor_is_in_no_category_serious_and_a_felony_in_each(category: Category) -> None:
    """18 USC 3559(a): one year or less, but more than six months; a class E felony starts above one year."""
    misdemeanor = Offence("misdemeanor", US, "18 USC 3559(a)(6)", ONE_YEAR, category)
    felony = Offence("felony", US, "18 USC 3559(a)(5)", Penalty(months=12, days=1), category)
    assert not serious_crime([misdemeanor], article=4, acting=US, on=ON).serious
    assert serious_crime([felony], article=4, acting=US, on=ON).branch == "annex-i"


@pytest.mark.parametrize(
    ("maximum", "listed", "unlisted"),
    [
        (FINE, False, False),
        (Penalty(days=364), False, False),
        (Penalty(days=365), False, False),
        (ONE_YEAR, False, False),
        (Penalty(months=11, days=30), False, False),
        (Penalty(months=12, days=1), True, False),
        (Penalty(days=366), True, False),
        (Penalty(months=35, days=30), True, False),
        (THREE_YEARS, True, True),
        (Penalty(days=1096), True, True),
        (Penalty(months=36, days=1), True, True),
        (Penalty(life=True), True, True),
        (DEATH, True, True),
    ],
    ids=str,
)
def test_art_1_3_more_than_one_year_is_strict_and_at_least_three_years_is_not(
    maximum: Penalty, listed: bool, unlisted: bool
) -> None:
    for category, expected in ((Category.ROBBERY, listed), (None, unlisted)):
        finding = serious_crime(
            [Offence("conduct", JP, "some Act, Art. 1", maximum, category)], article=4, acting=JP, on=ON
        )
        assert finding.serious is expected


def test_art_1_3_a_query_by_the_us_on_an_offence_of_japanese_law_only_is_not_for_serious_crime() -> None:
    finding = serious_crime([penal_code("theft", 235, TEN_YEARS, Category.THEFT)], article=4, acting=US, on=ON)
    assert not finding.serious
    assert finding.reason == (
        "For Article 4, Article 1(3) looks only at the law of the Party that queries or uses, here the United States; "
        "what is named is theft (Penal Code, Art. 235, law of Japan). Name the offence that the conduct constitutes "
        "under the law of the United States, if there is one; otherwise the query may not be made."
    )


def test_art_1_3_what_the_us_may_not_query_japan_may_provide_without_request() -> None:
    """The same conduct, serious crime by the law of Japan alone: Article 4 looks at the querying Party, Article 6 at both."""
    conduct = [penal_code("trespass", 130, THREE_YEARS)]
    assert not serious_crime(conduct, article=4, acting=US, on=ON).serious
    assert serious_crime(conduct, article=6, acting=JP, on=ON).serious


@pytest.mark.parametrize("acting", Party)
@pytest.mark.parametrize("article", [5, 6])
def test_art_1_3_for_articles_5_and_6_the_law_of_either_party_will_do(article: int, acting: Party) -> None:
    finding = serious_crime([penal_code("trespass", 130, THREE_YEARS)], article=article, acting=acting, on=ON)
    assert (finding.serious, finding.law) == (True, JP)


def test_art_1_3_a_use_by_japan_under_8_5_1_a_for_an_offence_of_us_law_only_is_refused() -> None:
    offence = Offence("wire fraud", US, "18 USC 1343", Penalty(months=240), Category.FRAUD)
    finding = serious_crime([offence], article=8, acting=JP, on=ON)
    assert not finding.serious
    assert finding.reason.startswith(
        "For Article 8, Article 1(3) looks only at the law of the Party that queries or uses"
    )
    assert finding.reason.endswith("otherwise the information may not be used for it.")


def test_art_1_3_an_offence_under_the_acting_law_makes_up_for_one_that_is_not() -> None:
    offences = [
        Offence("wire fraud", US, "18 USC 1343", Penalty(months=240), Category.FRAUD),
        penal_code("fraud", 246, TEN_YEARS, Category.FRAUD),
    ]
    finding = serious_crime(offences, article=4, acting=JP, on=ON)
    assert (finding.serious, finding.law) == (True, JP)
    assert "Penal Code, Art. 246" in finding.reason


def test_art_1_3_whether_the_closing_words_govern_the_first_limb_is_a_dated_reading() -> None:
    narrow = rules_in_force(ON)
    wide = replace(narrow, acting_law_limbs=frozenset({"three-years"}))
    listed = [penal_code("theft", 235, TEN_YEARS, Category.THEFT)]
    unlisted = [penal_code("trespass", 130, THREE_YEARS)]
    assert not serious_crime(listed, article=4, acting=US, on=ON).serious
    assert serious_crime(listed, article=4, acting=US, on=ON, rules=wide).serious
    assert not serious_crime(unlisted, article=4, acting=US, on=ON, rules=wide).serious


def test_art_1_3_the_finding_says_what_makes_the_conduct_serious() -> None:
    finding = serious_crime([penal_code("theft", 235, TEN_YEARS, Category.THEFT)], article=4, acting=JP, on=ON)
    assert finding.reason == (
        "Theft (Penal Code, Art. 235, law of Japan) is punishable by at most 10 years of deprivation of liberty; "
        "Article 1(3) asks for death, life imprisonment or a maximum deprivation of liberty of more than 1 year under "
        'Annex I(8), "felony/grand theft".'
    )


def test_art_1_3_the_finding_says_what_one_year_exactly_misses() -> None:
    offence = penal_code("embezzlement of lost property", 254, ONE_YEAR, Category.EMBEZZLEMENT)
    assert serious_crime([offence], article=6, acting=JP, on=ON).reason == (
        "Article 1(3) asks for death, life imprisonment or a maximum deprivation of liberty of more than 1 year under "
        'Annex I(7), "embezzlement"; embezzlement of lost property (Penal Code, Art. 254, law of Japan) is '
        "punishable by at most 1 year of deprivation of liberty. Name another offence that the conduct constitutes, if "
        "there is one; otherwise the information may not be provided."
    )


def test_art_1_3_the_finding_advises_a_category_where_one_would_be_enough() -> None:
    two_years = serious_crime([penal_code("assault", 208, TWO_YEARS)], article=4, acting=JP, on=ON)
    one_year = serious_crime([penal_code("insult", 231, ONE_YEAR)], article=4, acting=JP, on=ON)
    assert (
        "Name the category of Annex I that describes the conduct, since more than 1 year is then enough"
        in two_years.reason
    )
    assert "Name the category" not in one_year.reason


def test_art_1_3_the_finding_explains_every_condition_that_is_missed_and_counts_the_offences() -> None:
    conspiracy = Offence("robbery", US, "18 USC 2113", TWO_YEARS, Category.ROBBERY, Form.CONSPIRACY)
    gambling = penal_code("gambling", 185, FINE)
    both = serious_crime([replace(conspiracy, maximum=ONE_YEAR), conspiracy], article=4, acting=JP, on=ON)
    assert both.reason == (
        "Annex I takes in conspiracy only when criminalized; no provision that makes it an offence is cited for "
        "robbery, as conspiracy (18 USC 2113, law of the United States). Cite that provision, with its own maximum "
        "penalty. For Article 4, Article 1(3) looks only at the law of the Party that queries or uses, here Japan; "
        "what is named is robbery, as conspiracy (18 USC 2113, law of the United States). Name the offence that the "
        "conduct constitutes under the law of Japan, if there is one; otherwise the query may not be made. Of the 2 "
        "offences named this one comes nearest."
    )
    assert "comes nearest" not in serious_crime([gambling], article=4, acting=JP, on=ON).reason


def test_art_1_3_the_finding_explains_the_nearest_miss() -> None:
    offences = [
        penal_code("gambling", 185, FINE),
        Offence("insult", US, "some statute", ONE_YEAR),
        penal_code("assault", 208, TWO_YEARS),
        penal_code("insult", 231, ONE_YEAR),
    ]
    reason = serious_crime(offences, article=4, acting=JP, on=ON).reason
    assert "assault (Penal Code, Art. 208, law of Japan) is punishable by at most 2 years" in reason
    assert reason.endswith("Of the 4 offences named this one comes nearest.")


def test_art_1_3_an_offence_that_misses_one_condition_is_nearer_than_one_that_misses_two() -> None:
    offences = [
        Offence("bank robbery", US, "18 USC 2113", Penalty(months=240), Category.ROBBERY, Form.CONSPIRACY),
        penal_code("insult", 231, ONE_YEAR),
    ]
    finding = serious_crime(offences, article=4, acting=JP, on=ON)
    assert finding.clause == "Art. 1(3)"
    assert "insult (Penal Code, Art. 231, law of Japan)" in finding.reason
    both = serious_crime(offences[:1], article=4, acting=JP, on=ON)
    assert both.clause == "Art. 1(3), Annex I(26)"
    assert "only when criminalized" in both.reason
    assert (
        "here Japan; what is named is bank robbery, as conspiracy (18 USC 2113, law of the United States)"
        in both.reason
    )


def test_art_1_3_no_offence_is_no_serious_crime() -> None:
    finding = serious_crime([], article=5, acting=US, on=ON)
    assert (finding.serious, finding.branch, finding.law, finding.clause) == (False, None, None, "Art. 1(3)")
    assert finding.reason == (
        "Article 1(3) asks for conduct that constitutes an offence; none is named. Name at least one offence with its "
        "statute, article and maximum penalty; otherwise further information may not be requested."
    )


@pytest.mark.parametrize(
    ("penalty", "words"),
    [
        (DEATH, "death"),
        (Penalty(life=True, months=36), "life imprisonment"),
        (FINE, "a fine at most"),
        (ONE_YEAR, "at most 1 year of deprivation of liberty"),
        (Penalty(months=1), "at most 1 month of deprivation of liberty"),
        (Penalty(months=30), "at most 30 months of deprivation of liberty"),
        (Penalty(months=35, days=30), "at most 35 months and 30 days of deprivation of liberty"),
        (Penalty(months=24, days=1), "at most 2 years and 1 day of deprivation of liberty"),
        (Penalty(days=364), "at most 364 days of deprivation of liberty"),
    ],
)
def test_art_1_3_a_penalty_reads_as_a_statute_states_it(penalty: Penalty, words: str) -> None:
    assert str(penalty) == words


# Relations that hold for all offences


terms = st.builds(
    Penalty,
    death=st.booleans(),
    life=st.booleans(),
    months=st.integers(0, 48),
    days=st.integers(0, 60),
) | st.builds(Penalty, months=st.sampled_from([11, 12, 35, 36]), days=st.sampled_from([0, 1, 30]))

offences_of_any_law = st.builds(
    Offence,
    description=st.just("conduct"),
    law=st.sampled_from(Party),
    citation=st.just("a statute, Art. 1"),
    maximum=terms,
    category=st.none() | st.sampled_from(Category),
) | st.builds(
    Offence,
    description=st.just("conduct"),
    law=st.sampled_from(Party),
    citation=st.just("a statute, Art. 1"),
    maximum=terms,
    category=st.none() | st.sampled_from(Category),
    form=st.sampled_from([form for form in Form if form is not Form.COMPLETED]),
    form_citation=st.none() | st.just("a statute, Art. 2"),
)
same_every_run = settings(derandomize=True, deadline=None, max_examples=200)

several_offences = st.lists(offences_of_any_law, max_size=4)
articles = st.sampled_from([4, 5, 6, 8])
parties = st.sampled_from(Party)
days_in_force = st.dates(min_value=IN_FORCE, max_value=date(2100, 12, 31))


@same_every_run
@given(offences=several_offences.filter(len), article=articles, acting=parties, which=st.integers(0, 3), more=terms)
def test_art_1_3_raising_a_maximum_never_makes_serious_crime_less(
    offences: list[Offence], article: int, acting: Party, which: int, more: Penalty
) -> None:
    before = serious_crime(offences, article=article, acting=acting, on=ON).serious
    which %= len(offences)
    old = offences[which].maximum
    raised = Penalty(old.death or more.death, old.life or more.life, old.months + more.months, old.days + more.days)
    offences[which] = replace(offences[which], maximum=raised)
    assert serious_crime(offences, article=article, acting=acting, on=ON).serious >= before


@same_every_run
@given(offences=several_offences, article=articles, acting=parties)
def test_art_1_3_exchanging_the_parties_with_their_laws_changes_nothing(
    offences: list[Offence], article: int, acting: Party
) -> None:
    here = serious_crime(offences, article=article, acting=acting, on=ON)
    mirrored = [replace(offence, law=offence.law.other) for offence in offences]
    there = serious_crime(mirrored, article=article, acting=acting.other, on=ON)
    assert (here.serious, here.branch, here.clause) == (there.serious, there.branch, there.clause)
    assert here.law is (there.law.other if there.law else None)


@same_every_run
@given(offences=several_offences, article=articles, acting=parties, added=offences_of_any_law, at=st.integers(0, 4))
def test_art_1_3_another_offence_never_makes_serious_crime_less(
    offences: list[Offence], article: int, acting: Party, added: Offence, at: int
) -> None:
    before = serious_crime(offences, article=article, acting=acting, on=ON).serious
    more = [*offences[:at], added, *offences[at:]]
    assert serious_crime(more, article=article, acting=acting, on=ON).serious >= before


@same_every_run
@given(offences=several_offences, article=articles, acting=parties)
def test_art_1_3_what_is_serious_for_a_query_or_use_is_serious_for_a_request_or_provision(
    offences: list[Offence], article: int, acting: Party
) -> None:
    asked = serious_crime(offences, article=article, acting=acting, on=ON)
    assert serious_crime(offences, article=6, acting=acting, on=ON).serious >= asked.serious


@same_every_run
@given(offences=several_offences, article=articles, acting=parties, one=days_in_force, two=days_in_force)
def test_art_1_3_the_date_changes_a_finding_only_through_the_version_of_the_rules(
    offences: list[Offence], article: int, acting: Party, one: date, two: date
) -> None:
    first = serious_crime(offences, article=article, acting=acting, on=one)
    second = serious_crime(offences, article=article, acting=acting, on=two)
    assert first.rules == rules_version(one)
    assert replace(first, rules="") == replace(second, rules="")  # no value of Article 1(3) has changed so far
    assert (first == second) == (rules_version(one) == rules_version(two))


def qualifies(offence: Offence, article: int, acting: Party) -> bool:
    """Article 1(3) read word by word, with a month of 30.436875 days."""
    if article in {4, 8} and offence.law != acting:
        return False
    if offence.form != Form.COMPLETED and offence.form_citation is None:
        return False
    if offence.maximum.death or offence.maximum.life:
        return True
    days = offence.maximum.months * 30.436875 + offence.maximum.days
    return days > 365.2425 + 1e-9 if offence.category else days >= 3 * 365.2425 - 1e-9


@same_every_run
@given(offences=several_offences, article=articles, acting=parties)
def test_art_1_3_agrees_with_its_own_words_read_one_by_one(
    offences: list[Offence], article: int, acting: Party
) -> None:
    finding = serious_crime(offences, article=article, acting=acting, on=ON)
    assert finding.serious == any(qualifies(offence, article, acting) for offence in offences)
    assert (finding.branch is not None) == (finding.law is not None) == finding.serious
    assert finding.reason.endswith(".")


# The rules and their dates


def test_art_15_1_no_rules_before_the_agreement_entered_into_force() -> None:
    assert rules_version(date(2019, 1, 5)) == "2019-01-05"
    with pytest.raises(
        RulesError, match=r"Art\. 15\(1\): expected a day from 2019-01-05.*; got 2019-01-04: nothing may be"
    ):
        serious_crime([], article=4, acting=JP, on=date(2019, 1, 4))


def test_art_15_3_the_version_of_the_rules_is_the_date_of_the_newest_value() -> None:
    assert rules_version(date(2022, 3, 31)) == "2019-01-05"
    assert rules_version(date(2022, 4, 1)) == RULES_VERSION == "2022-04-01"
    assert rules_in_force(date(2022, 4, 1)) is rules_in_force(date(2030, 1, 1))


def test_art_15_3_an_amended_threshold_decides_from_its_date_on() -> None:
    offence = [penal_code("trespass", 130, THREE_YEARS)]
    amended = replace(rules_in_force(ON), at_least_months=48, version="2030-01-01")
    finding = serious_crime(offence, article=4, acting=JP, on=ON, rules=amended)
    assert (finding.serious, finding.rules) == (False, "2030-01-01")
    assert "at least 4 years" in finding.reason
    assert serious_crime(offence, article=4, acting=JP, on=ON).serious


def test_art_15_3_a_threshold_that_an_amendment_takes_away_is_told_as_none() -> None:
    anything = replace(rules_in_force(ON), more_than_months=0, version="2030-01-01")
    fined = [penal_code("arson by negligence", 116, FINE, Category.ARSON)]
    finding = serious_crime(fined, article=4, acting=JP, on=ON, rules=anything)
    assert not finding.serious
    assert "a maximum deprivation of liberty of more than 0 days under Annex I(32)" in finding.reason
    one_day = [penal_code("arson by negligence", 116, Penalty(days=1), Category.ARSON)]
    assert serious_crime(one_day, article=4, acting=JP, on=ON, rules=anything).serious


@pytest.mark.parametrize("article", [4, 5, 6, 8])
def test_art_15_2_an_act_committed_before_the_agreement_is_tested_as_any_other(article: int) -> None:
    """Nobody is asked when the act was committed, and a statute may be cited as it stood then."""
    assert {field.name for field in fields(Offence)} == {
        "description",
        "law",
        "citation",
        "maximum",
        "category",
        "form",
        "form_citation",
    }
    of_1995 = Offence(
        "release of sarin in March 1995", JP, "Penal Code, Art. 199, as of 1995", DEATH, Category.TERRORISM
    )
    finding = serious_crime([of_1995], article=article, acting=JP, on=IN_FORCE)
    assert (finding.serious, finding.clause) == (True, "Art. 1(3), Annex I(1)")


def test_annex_1_a_fine_that_a_statute_offers_instead_cannot_be_stated_and_so_counts_for_nothing() -> None:
    """Theft is punishable by up to ten years or a fine (Penal Code, Art. 235): the maximum is ten years."""
    assert {field.name for field in fields(Penalty)} == {"death", "life", "months", "days"}


def test_a_moment_is_not_a_day() -> None:
    with pytest.raises(RulesError, match="expected a date; got datetime: give the calendar date"):
        rules_version(datetime(2026, 6, 1, tzinfo=UTC))


def test_a_dated_value_holds_from_its_day_until_the_next() -> None:
    assert AGE_OF_ADULT.at(date(2022, 3, 31)).version == "2019-01-05"
    assert AGE_OF_ADULT.at(MAJORITY_AT_18).version == "2022-04-01"
    assert {value.value for value in AGE_OF_ADULT.values} == {20}  # Act 57/2014 kept 20 when majority fell to 18
    with pytest.raises(
        RulesError, match=r"Annex II 1\(1\)\(b\) and \(c\), adult: expected a day from 2019-01-05, .*Act No\. 57"
    ):
        AGE_OF_ADULT.at(date(2018, 12, 31))


@pytest.mark.parametrize("days", [[], [2, 1], [1, 1]])
def test_a_dated_value_needs_dates_that_rise(days: list[int]) -> None:
    with pytest.raises(RulesError, match="x: expected at least one value and dates that rise strictly; got "):
        Dated("x", tuple(Value(date(2020, 1, day), 0, "source", "reason") for day in days))


def test_the_other_party_and_its_country() -> None:
    assert annex.Party is Party
    assert (JP.other, US.other) == (US, JP)
    assert (JP.value, US.value) == ("JP", "US")  # ISO 3166-1 alpha-2, as it stands in every message
    assert (JP.country, US.country) == ("Japan", "the United States")


# What cannot be asked


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: serious_crime([], article=7, acting=JP, on=ON),
            r"Art\. 1\(3\) is asked by Articles 4 \(query\), .*; got 7: name the article",
        ),
        (lambda: serious_crime([], article=True, acting=JP, on=ON), "got True: name the article"),
        (lambda: serious_crime([], article=10**5000, acting=JP, on=ON), "got a value of type int: name the article"),
        (
            lambda: serious_crime([], article=4, acting="JP", on=ON),  # type: ignore[arg-type]
            r"the acting Party must be Party\.JP or Party\.US; got 'JP'",
        ),
        (
            lambda: serious_crime("theft", article=4, acting=JP, on=ON),  # type: ignore[arg-type]
            "every offence must be an Offence; got 't'",
        ),
        (lambda: Penalty(months=-1), r"needs months as a whole number from 0 to 12000; got -1: give the maximum"),
        (lambda: Penalty(months=12_001), "from 0 to 12000; got 12001"),
        (lambda: Penalty(days=366_001), "needs days as a whole number from 0 to 366000; got 366001"),
        (lambda: Penalty(months=1.5), "got a value of type float"),  # type: ignore[arg-type]
        (lambda: Penalty(months=True), "got True"),
        (lambda: Penalty(death=1), "death must be True or False; got 1"),  # type: ignore[arg-type]
        (lambda: Penalty(life=None), r"Art\. 1\(3\): life must be True or False; got a value of type NoneType$"),  # type: ignore[arg-type]
        (
            lambda: Offence(" ", JP, "PC 235", TEN_YEARS),
            r"Art\. 1\(3\): an offence needs a description that is not blank; got ' ': say what the conduct is",
        ),
        (
            lambda: Offence("theft", JP, "", TEN_YEARS),
            "needs a citation that is not blank; got '': cite the statute and article$",
        ),
        (
            lambda: Offence("theft", JP, "PC 235", TEN_YEARS, form_citation=""),
            "needs a form_citation that is not blank; got '': cite the provision, or leave it out$",
        ),
        (
            lambda: Offence("theft", "JP", "PC 235", TEN_YEARS),  # type: ignore[arg-type]
            "needs a Party as law; got 'JP'",
        ),
        (lambda: Offence("theft", JP, "PC 235", 120), "needs a Penalty as maximum; got 120"),  # type: ignore[arg-type]
        (
            lambda: Offence("theft", JP, "PC 235", TEN_YEARS, 8),  # type: ignore[arg-type]
            "needs a Category as category; got 8",
        ),
        (
            lambda: Offence("theft", JP, "PC 235", TEN_YEARS, form="attempt"),  # type: ignore[arg-type]
            "needs a Form as form; got 'attempt'",
        ),
        (
            lambda: Offence("theft", JP, "PC 235", TEN_YEARS, form_citation="PC 243"),
            r"Annex I, chapeau: a completed offence needs no form_citation; got 'PC 243': name the form",
        ),
    ],
)
def test_art_1_3_a_question_that_is_not_well_formed_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(OffenceError, match=message) as refused:
        ask()
    assert isinstance(refused.value, AnnexError)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (-7, "-7"),
        (10**9, "1000000000"),
        (10**9 + 1, "a value of type int"),
        (-(10**9) - 1, "a value of type int"),
        ("x" * 61, f"'{'x' * 60}'"),
        (None, "a value of type NoneType"),
    ],
)
def test_art_1_3_a_value_that_is_refused_is_shown_only_as_far_as_it_is_short(value: object, shown: str) -> None:
    with pytest.raises(OffenceError) as refused:
        serious_crime([], article=value, acting=JP, on=ON)  # type: ignore[arg-type]
    assert str(refused.value) == (
        "Art. 1(3) is asked by Articles 4 (query), 5 (request), 6 (information without request) and 8 (use); got "
        f"{shown}: name the article under which the Party acts"
    )


def test_art_1_3_the_longest_term_that_a_statute_may_state_is_a_thousand_years() -> None:
    assert Penalty(months=12_000, days=366_000).length > Penalty(months=12_000).length > Penalty(months=11_999).length
