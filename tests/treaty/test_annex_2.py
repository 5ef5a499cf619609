"""Annex II with Article 4(2): whose fingerprint data a query may search, in each direction."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.eligibility import Availability, Case, Disposition, Standing, StandingError, available
from annex.parameters import (
    AGE_OF_ADULT,
    AGE_REFERENCE,
    IN_FORCE,
    AgeReference,
    AnnexError,
    Party,
    RulesError,
    rules_in_force,
    rules_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ON = date(2026, 6, 1)
ADULT = date(1980, 1, 1)
MINOR = date(2010, 1, 1)
ARREST = date(2026, 3, 1)


def arrested(disposition: Disposition) -> Case:
    return Case(disposition, ARREST)


def of_japan(standing: Standing, *, identified: bool = True, on: date = ON) -> Availability:
    return available(standing, queried=Party.JP, identified=identified, on=on)


def of_the_us(standing: Standing, *, identified: bool = True, on: date = ON) -> Availability:
    return available(standing, queried=Party.US, identified=identified, on=on)


FINAL = Case(Disposition.CONVICTED_FINAL)
NOT_FINAL = arrested(Disposition.CONVICTED_NOT_FINAL)

IN_VIEW = {
    "1(1)(a) convicted by final judgment, adult": (Standing(ADULT, (FINAL,)), "1(1)(a)"),
    "1(1)(a) convicted by final judgment, minor": (Standing(MINOR, (FINAL,)), "1(1)(a)"),
    "1(1)(a) convicted by final judgment, date of birth unknown": (Standing(None, (FINAL,)), "1(1)(a)"),
    "1(1)(b)(i) adult arrested, convicted, not final": (Standing(ADULT, (NOT_FINAL,)), "1(1)(b)(i)"),
    "1(1)(b)(i) adult arrested, now a defendant": (
        Standing(ADULT, (arrested(Disposition.PROSECUTED),)),
        "1(1)(b)(i)",
    ),
    "1(1)(b)(ii) adult arrested, prosecution suspended under Art. 248": (
        Standing(ADULT, (arrested(Disposition.NON_PROSECUTION_ART_248),)),
        "1(1)(b)(ii)",
    ),
    "1(1)(b)(iii) adult arrested, undecided": (Standing(ADULT, (arrested(Disposition.PENDING),)), "1(1)(b)(iii)"),
    "1(1)(c) adult wanted": (Standing(ADULT, arrest_request_circulated=True), "1(1)(c)"),
    "1(1)(c) adult wanted, printed earlier without arrest": (
        Standing(ADULT, (Case(Disposition.PENDING),), arrest_request_circulated=True),
        "1(1)(c)",
    ),
    "1(1)(b) several cases, the last one qualifies": (
        Standing(
            ADULT,
            (
                arrested(Disposition.ACQUITTED),
                arrested(Disposition.PETTY),
                arrested(Disposition.NON_PROSECUTION_OTHER),
                arrested(Disposition.PENDING),
            ),
        ),
        "1(1)(b)(iii)",
    ),
    "1(1)(a) several cases, an old final conviction and a new acquittal": (
        Standing(ADULT, (arrested(Disposition.ACQUITTED), FINAL)),
        "1(1)(a)",
    ),
}

OUT_OF_VIEW = {
    "1(1)(a), (b) convicted, not final, minor": (
        Standing(MINOR, (NOT_FINAL,)),
        "1(1)(b), (c)",
        "not yet 20 on the day",
    ),
    "1(1)(b) convicted, not final, never arrested": (
        Standing(ADULT, (Case(Disposition.CONVICTED_NOT_FINAL),)),
        "1(1)(b)",
        "without an arrest",
    ),
    "1(1)(b) adult arrested, not prosecuted for want of suspicion": (
        Standing(ADULT, (arrested(Disposition.NON_PROSECUTION_OTHER),)),
        "1(1)(b)",
        "on another ground than Article 248",
    ),
    "1(1)(b)(iii) adult arrested, petty crime": (
        Standing(ADULT, (arrested(Disposition.PETTY),)),
        "1(1)(b)(iii)",
        "petty crime",
    ),
    "1(1)(b)(iii) adult arrested, ended in juvenile proceedings": (
        Standing(ADULT, (arrested(Disposition.JUVENILE_NON_CRIMINAL),)),
        "1(1)(b)(iii)",
        "Juvenile Act, Article 18, 19(1), 23(2), 24(1), 64(1)",
    ),
    "1(1) acquitted by final judgment": (
        Standing(ADULT, (arrested(Disposition.ACQUITTED),)),
        "1(1)",
        "final acquittal",
    ),
    "1(1)(b) suspect printed without arrest": (
        Standing(ADULT, (Case(Disposition.PENDING),)),
        "1(1)(b)",
        "without an arrest",
    ),
    "1(1)(b) minor arrested, undecided": (
        Standing(MINOR, (arrested(Disposition.PENDING),)),
        "1(1)(b), (c)",
        "not yet 20 on the day of the query",
    ),
    "1(1)(b) arrested, undecided, date of birth unknown": (
        Standing(None, (arrested(Disposition.PENDING),)),
        "1(1)(b), (c)",
        "date of birth is unknown",
    ),
    "1(1)(c) minor wanted": (Standing(MINOR, arrest_request_circulated=True), "1(1)(b), (c)", "not yet 20"),
    "1(1)(c) wanted, date of birth unknown": (
        Standing(None, arrest_request_circulated=True),
        "1(1)(b), (c)",
        "date of birth is unknown",
    ),
    "1(1) several cases, none qualifies": (
        Standing(ADULT, (arrested(Disposition.ACQUITTED), arrested(Disposition.PETTY))),
        "1(1)",
        "No case and no circulated request",
    ),
    "1(1) no case at all": (Standing(ADULT), "1(1)", "No case and no circulated request"),
    "1(1) known terrorist without a case: paragraph 1 has no such class": (
        Standing(ADULT, known_or_suspected_terrorist=True),
        "1(1)",
        "No case and no circulated request",
    ),
}

NEVER = {
    "latent of a convicted person": (
        Standing(ADULT, (FINAL,), collected_from_individual=False),
        "left at a crime scene",
    ),
    "latent of nobody known": (Standing(None, collected_from_individual=False), "left at a crime scene"),
    "immigration print of a convicted person": (Standing(ADULT, (FINAL,), criminal_system=False), "not held in the"),
    "immigration print of a known terrorist": (
        Standing(ADULT, known_or_suspected_terrorist=True, criminal_system=False),
        "not held in the",
    ),
}


@pytest.mark.parametrize(("standing", "clause"), IN_VIEW.values(), ids=IN_VIEW)
def test_annex_2_1_1_in_the_view_of_a_query_on_an_identified_individual(standing: Standing, clause: str) -> None:
    answer = of_japan(standing)
    assert (answer.available, answer.clause, answer.rules) == (True, f"Annex II {clause}", "2022-04-01")


@pytest.mark.parametrize(("standing", "clause", "why"), OUT_OF_VIEW.values(), ids=OUT_OF_VIEW)
def test_annex_2_1_1_out_of_the_view_of_a_query_on_an_identified_individual(
    standing: Standing, clause: str, why: str
) -> None:
    answer = of_japan(standing)
    assert (answer.available, answer.clause) == (False, f"Annex II {clause}")
    assert why in answer.reason


@pytest.mark.parametrize(
    "standing", [standing for standing, *_ in (*IN_VIEW.values(), *OUT_OF_VIEW.values())], ids=[*IN_VIEW, *OUT_OF_VIEW]
)
def test_annex_2_1_2_everyone_is_in_the_view_of_a_query_on_an_unidentified_individual(standing: Standing) -> None:
    answer = of_japan(standing, identified=False)
    assert (answer.available, answer.clause) == (True, "Annex II 1(2)")


@pytest.mark.parametrize(("standing", "why"), NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("identified", [True, False], ids=["identified", "unidentified"])
@pytest.mark.parametrize("queried", Party)
def test_annex_2_latents_and_prints_of_other_systems_are_never_in_view(
    standing: Standing, why: str, identified: bool, queried: Party
) -> None:
    answer = available(standing, queried=queried, identified=identified, on=ON)
    assert (answer.available, answer.clause) == (False, f"Annex II {'1' if queried is Party.JP else '2'}")
    assert why in answer.reason


@pytest.mark.parametrize(
    "standing", [standing for standing, *_ in (*IN_VIEW.values(), *OUT_OF_VIEW.values())], ids=[*IN_VIEW, *OUT_OF_VIEW]
)
@pytest.mark.parametrize("identified", [True, False], ids=["identified", "unidentified"])
def test_annex_2_2_the_us_makes_its_whole_system_available_whatever_the_query_says(
    standing: Standing, identified: bool
) -> None:
    """Paragraph 2, "including but not limited to": no flag, no age, no exception for petty crime or minors."""
    assert of_the_us(standing, identified=identified).available


@pytest.mark.parametrize(
    ("standing", "clause"),
    [
        (Standing(ADULT, (FINAL,)), "2(1)"),
        (Standing(MINOR, (NOT_FINAL,)), "2(1)"),
        (Standing(None, known_or_suspected_terrorist=True), "2(4)"),
        (Standing(ADULT, (arrested(Disposition.PENDING),)), "2"),
        (Standing(MINOR, (arrested(Disposition.JUVENILE_NON_CRIMINAL),)), "2"),
    ],
)
def test_annex_2_2_the_answer_names_the_class_where_the_standing_shows_one(standing: Standing, clause: str) -> None:
    assert of_the_us(standing).clause == f"Annex II {clause}"


def test_annex_2_2_whether_us_latents_are_held_data_is_a_dated_reading() -> None:
    latent = Standing(None, collected_from_individual=False)
    wide = replace(rules_in_force(ON), latents_under_paragraph_2=True)
    assert not of_the_us(latent).available
    assert available(latent, queried=Party.US, identified=False, on=ON, rules=wide).clause == "Annex II 2"
    assert available(latent, queried=Party.US, identified=False, on=ON, rules=wide).available
    assert not available(latent, queried=Party.JP, identified=False, on=ON, rules=wide).available


# Age


@pytest.mark.parametrize(
    ("born_on", "on", "adult"),
    [
        (date(2006, 6, 2), date(2026, 6, 1), False),
        (date(2006, 6, 1), date(2026, 6, 1), True),
        (date(2004, 2, 29), date(2024, 2, 28), False),
        (date(2004, 2, 29), date(2024, 2, 29), True),
        (date(2080, 2, 29), date(2100, 2, 28), False),  # 2100 is no leap year
        (date(2080, 2, 29), date(2100, 3, 1), True),
        (date(2100, 2, 28), date(2120, 2, 29), True),  # seen from a leap day
        (date(2100, 3, 1), date(2120, 2, 29), False),
    ],
)
def test_annex_2_1_1_b_an_adult_is_20_from_the_birthday_on(born_on: date, on: date, adult: bool) -> None:
    standing = Standing(born_on, (Case(Disposition.PENDING, date(2020, 1, 1)),))
    assert of_japan(standing, on=on).available is adult


@pytest.mark.parametrize("on", [date(2022, 3, 31), date(2022, 4, 1), date(2022, 4, 2)])
def test_annex_2_1_1_b_an_adult_was_still_20_when_majority_fell_to_18(on: date) -> None:
    """Act No. 57 of 2014, Art. 3(1)(ii), reworded with effect from 2022-04-01 to keep 20."""
    for born_on, adult in ((on.replace(year=2003), False), (on.replace(year=2002), True)):
        answer = of_japan(Standing(born_on, (Case(Disposition.PENDING, date(2021, 1, 1)),)), on=on)
        assert (answer.available, answer.rules) == (adult, "2019-01-05" if on < date(2022, 4, 1) else "2022-04-01")
    assert AGE_OF_ADULT.at(on).value == 20


def test_annex_2_1_1_b_a_person_arrested_at_19_and_queried_at_21_by_both_readings_of_adult() -> None:
    standing = Standing(date(2005, 1, 1), (Case(Disposition.PENDING, date(2024, 6, 1)),))
    by_arrest = replace(rules_in_force(ON), age_reference=AgeReference.ARREST)
    assert AGE_REFERENCE.at(ON).value is AgeReference.QUERY
    assert "[interp]" in AGE_REFERENCE.at(ON).reason
    assert of_japan(standing).clause == "Annex II 1(1)(b)(iii)"
    answer = available(standing, queried=Party.JP, identified=True, on=ON, rules=by_arrest)
    assert (answer.available, answer.clause) == (False, "Annex II 1(1)(b), (c)")
    assert "not yet 20 on the day of the arrest" in answer.reason


def test_annex_2_1_1_b_by_the_reading_of_the_arrest_each_case_has_its_own_age() -> None:
    by_arrest = replace(rules_in_force(ON), age_reference=AgeReference.ARREST)
    at_19, at_21 = Case(Disposition.PENDING, date(2024, 6, 1)), Case(Disposition.PROSECUTED, date(2026, 2, 1))
    answer = available(
        Standing(date(2005, 1, 1), (at_19, at_21)), queried=Party.JP, identified=True, on=ON, rules=by_arrest
    )
    assert answer.clause == "Annex II 1(1)(b)(i)"


def test_annex_2_1_1_c_a_wanted_person_is_an_adult_by_the_age_at_the_query_under_either_reading() -> None:
    by_arrest = replace(rules_in_force(ON), age_reference=AgeReference.ARREST)
    standing = Standing(
        date(2005, 1, 1), (Case(Disposition.PENDING, date(2024, 6, 1)),), arrest_request_circulated=True
    )
    answer = available(standing, queried=Party.JP, identified=True, on=ON, rules=by_arrest)
    assert answer.clause == "Annex II 1(1)(c)"


def test_annex_2_1_1_b_another_age_of_adult_decides_once_it_is_in_the_rules() -> None:
    standing = Standing(date(2007, 1, 1), (arrested(Disposition.PENDING),))
    at_18 = replace(rules_in_force(ON), age_of_adult=18, version="2030-01-01")
    assert not of_japan(standing).available
    answer = available(standing, queried=Party.JP, identified=True, on=ON, rules=at_18)
    assert (answer.available, answer.rules) == (True, "2030-01-01")


# Standing at the moment of the query


def test_annex_2_status_counts_as_it_is_at_the_query() -> None:
    """A non-prosecution entered at noon takes the person out of the view of the next query."""
    morning = Standing(ADULT, (arrested(Disposition.PENDING),))
    afternoon = replace(morning, cases=(arrested(Disposition.NON_PROSECUTION_OTHER),))
    assert of_japan(morning).available
    assert not of_japan(afternoon).available


def test_annex_2_1_1_b_an_arrest_in_the_future_is_no_arrest() -> None:
    standing = Standing(ADULT, (Case(Disposition.PENDING, date(2026, 6, 2)),))
    assert of_japan(standing).clause == "Annex II 1(1)(b)"
    assert not of_japan(standing).available
    assert of_japan(standing, on=date(2026, 6, 2)).available


def test_annex_2_1_1_b_an_arrest_on_the_day_of_the_query_is_an_arrest() -> None:
    case = Case(Disposition.PENDING, ON)
    assert of_japan(Standing(ADULT, (case,))).clause == "Annex II 1(1)(b)(iii)"
    assert of_japan(Standing(MINOR, (case,))).clause == "Annex II 1(1)(b), (c)"


def test_annex_2_1_1_b_a_prosecution_taken_up_after_a_suspension_counts_as_it_then_stands() -> None:
    """Article 248 suspends; what becomes of the case later takes the place of the suspension."""
    later = {
        Disposition.PROSECUTED: "Annex II 1(1)(b)(i)",
        Disposition.CONVICTED_FINAL: "Annex II 1(1)(a)",
        Disposition.ACQUITTED: "Annex II 1(1)",
    }
    assert of_japan(Standing(ADULT, (arrested(Disposition.NON_PROSECUTION_ART_248),))).clause == "Annex II 1(1)(b)(ii)"
    for disposition, clause in later.items():
        assert of_japan(Standing(ADULT, (arrested(disposition),))).clause == clause


def test_annex_2_one_print_set_that_leaves_the_view_neither_hides_nor_shows_the_others() -> None:
    """A person with several arrests is judged by each case; closing one says nothing of the rest."""
    burglary, fraud = arrested(Disposition.PENDING), Case(Disposition.PROSECUTED, date(2026, 4, 1))
    both = Standing(ADULT, (burglary, fraud))
    one_closed = replace(both, cases=(arrested(Disposition.NON_PROSECUTION_OTHER), fraud))
    both_closed = replace(both, cases=(arrested(Disposition.NON_PROSECUTION_OTHER), arrested(Disposition.ACQUITTED)))
    assert of_japan(both).available
    assert of_japan(one_closed).clause == "Annex II 1(1)(b)(i)"
    assert not of_japan(both_closed).available
    assert of_japan(both_closed, identified=False).available


@pytest.mark.parametrize(("born_on", "adult"), [(date(2006, 6, 1), True), (date(2006, 6, 2), False)])
def test_annex_2_1_1_c_a_wanted_person_is_an_adult_from_the_20th_birthday_on(born_on: date, adult: bool) -> None:
    assert of_japan(Standing(born_on, arrest_request_circulated=True)).available is adult


def test_annex_2_a_juvenile_decision_names_the_articles_of_its_day() -> None:
    standing = Standing(ADULT, (Case(Disposition.JUVENILE_NON_CRIMINAL, date(2019, 2, 1)),))
    assert "64(1)" not in of_japan(standing, on=date(2022, 3, 31)).reason
    assert "64(1)" in of_japan(standing, on=date(2022, 4, 1)).reason


def test_annex_2_answers_of_one_version_are_shared() -> None:
    one = of_japan(Standing(ADULT, (FINAL,)))
    assert of_japan(Standing(MINOR, (FINAL,)), on=date(2027, 1, 1)) is one


# Relations that hold for everybody


cases = st.builds(
    Case, disposition=st.sampled_from(Disposition), arrested_on=st.none() | st.dates(date(1990, 1, 1), date(2030, 1, 1))
)
standings = st.builds(
    Standing,
    born_on=st.none() | st.dates(date(1950, 1, 1), date(2015, 1, 1)),
    cases=st.lists(cases, max_size=4).map(tuple),
    arrest_request_circulated=st.booleans(),
    known_or_suspected_terrorist=st.booleans(),
    collected_from_individual=st.booleans(),
    criminal_system=st.booleans(),
)
same_every_run = settings(derandomize=True, deadline=None, max_examples=200)

days_in_force = st.dates(min_value=IN_FORCE, max_value=date(2035, 12, 31))


def in_view(standing: Standing, queried: Party, identified: bool, on: date, age_reference: AgeReference) -> bool:
    """Annex II as one sentence."""

    def adult(day: date) -> bool:
        born = standing.born_on
        return born is not None and (born.year + 20, born.month, born.day) <= (day.year, day.month, day.day)

    by_arrest = age_reference == "arrest"
    return (
        standing.criminal_system
        and standing.collected_from_individual
        and (
            queried == "US"
            or not identified
            or any(case.disposition == "convicted_final" for case in standing.cases)
            or any(
                case.disposition in {"prosecuted", "convicted_not_final", "non_prosecution_art_248", "pending"}
                and case.arrested_on is not None
                and case.arrested_on <= on
                and adult(case.arrested_on if by_arrest else on)
                for case in standing.cases
            )
            or (standing.arrest_request_circulated and adult(on))
        )
    )


@same_every_run
@given(standings, st.sampled_from(Party), st.booleans(), days_in_force, st.sampled_from(AgeReference))
def test_annex_2_agrees_with_its_own_words_put_in_one_sentence(
    standing: Standing, queried: Party, identified: bool, on: date, age_reference: AgeReference
) -> None:
    rules = replace(rules_in_force(on), age_reference=age_reference)
    answer = available(standing, queried=queried, identified=identified, on=on, rules=rules)
    assert answer.available == in_view(standing, queried, identified, on, age_reference)


@same_every_run
@given(standings, cases, st.integers(0, 4), days_in_force)
def test_annex_2_1_1_another_case_never_takes_a_person_out_of_view(
    standing: Standing, added: Case, at: int, on: date
) -> None:
    """One case that qualifies is enough, "for the case relevant to the arrest"."""
    more = replace(standing, cases=(*standing.cases[:at], added, *standing.cases[at:]))
    assert of_japan(more, on=on).available >= of_japan(standing, on=on).available


@same_every_run
@given(standings, days_in_force)
def test_annex_2_1_the_view_of_an_unidentified_query_contains_that_of_an_identified_one(
    standing: Standing, on: date
) -> None:
    assert of_japan(standing, identified=False, on=on).available >= of_japan(standing, on=on).available


@same_every_run
@given(standings, st.booleans(), days_in_force)
def test_annex_2_the_view_of_the_us_contains_that_of_japan(standing: Standing, identified: bool, on: date) -> None:
    assert of_the_us(standing, on=on).available >= of_japan(standing, identified=identified, on=on).available


@same_every_run
@given(standings, st.sampled_from(Party), st.booleans(), days_in_force)
def test_annex_2_every_answer_carries_the_version_of_its_rules_and_an_explanation(
    standing: Standing, queried: Party, identified: bool, on: date
) -> None:
    answer = available(standing, queried=queried, identified=identified, on=on)
    assert answer.rules == rules_version(on)
    assert answer.clause.startswith("Annex II 1" if queried is Party.JP else "Annex II 2")
    assert answer.reason.endswith(".")
    assert "{" not in answer.reason


# What cannot be asked


def test_annex_2_needs_a_party() -> None:
    with pytest.raises(
        StandingError, match=r"queried must be Party\.JP \(paragraph 1\) or Party\.US \(paragraph 2\); got str"
    ):
        available(Standing(ADULT), queried="JP", identified=True, on=ON)  # type: ignore[arg-type]


@pytest.mark.parametrize("standing", [Standing(ADULT), Standing(None, collected_from_individual=False)])
@pytest.mark.parametrize(("said", "got"), [(None, "NoneType"), (0, "int"), (1, "int"), ("false", "str")])
def test_annex_2_1_a_query_must_say_whether_it_relates_to_an_identified_individual(
    standing: Standing, said: object, got: str
) -> None:
    """The unidentified view is the wider one: nothing but a clear False opens it."""
    with pytest.raises(StandingError) as refused:
        available(standing, queried=Party.JP, identified=said, on=ON)  # type: ignore[arg-type]
    assert str(refused.value) == (
        "Annex II 1: the query must say whether it relates to an identified individual, True or False; got "
        f"{got}: ask the querying contact point to state it"
    )


def test_art_15_1_nothing_is_in_view_before_the_agreement_entered_into_force() -> None:
    with pytest.raises(RulesError, match=r"Art\. 15\(1\).*got 2019-01-04"):
        of_japan(Standing(ADULT), on=date(2019, 1, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Case("pending"),  # type: ignore[arg-type]
            "a case needs a Disposition; got str: translate the national system's code",
        ),
        (
            lambda: Case(Disposition.PENDING, datetime(2026, 3, 1, tzinfo=UTC)),
            "arrested_on must be a date, or None where there is none; got datetime: a moment says no day",
        ),
        (lambda: Standing("1980-01-01"), "born_on must be a date, or None"),  # type: ignore[arg-type]
        (
            lambda: Standing(ADULT, [FINAL]),  # type: ignore[arg-type]
            "cases must be a tuple of Case; got list: a person without a case has an empty tuple",
        ),
        (lambda: Standing(ADULT, (None,)), "cases must be a tuple of Case; got tuple"),  # type: ignore[arg-type]
        (
            lambda: Standing(ADULT, collected_from_individual=None),  # type: ignore[arg-type]
            (
                "^Annex II: arrest_request_circulated, known_or_suspected_terrorist, collected_from_individual and "
                "criminal_system must be True or False; got bool, bool, NoneType, bool$"
            ),
        ),
    ],
)
def test_annex_2_a_standing_that_is_not_well_formed_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(StandingError, match=message) as refused:
        make()
    assert isinstance(refused.value, AnnexError)
