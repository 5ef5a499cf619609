"""Annex I: the categories in the agreement's own words, and the forms of its chapeau."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from annex.offences import Category, Form, Offence, Penalty, serious_crime
from annex.parameters import Party

ON = date(2026, 6, 1)
AGREEMENT = Path(__file__).parents[3] / "shared" / "treaty" / "agreement-us-japan-2014.txt"
OTHER_FORMS = [form for form in Form if form is not Form.COMPLETED]


@pytest.fixture(scope="module")
def annex_1() -> str:
    """Return the list of Annex I as it stands in the scanned agreement, or skip."""
    if not AGREEMENT.is_file():
        pytest.skip("needs the text of the agreement: a folder shared/treaty beside the checkout")
    text = AGREEMENT.read_text(encoding="utf-8")
    chapeau, found, after = text[text.index("ANNEX I ") :].partition('"serious crime."')
    assert found, f"the chapeau of Annex I should end in 'serious crime': {chapeau[:80]!r}"
    return after[: after.index("ANNEX II")]


def letters(text: str) -> str:
    """Keep letters only: the scan breaks lines, loses hyphens and puts numbers behind their text."""
    return re.sub(r"[^a-z]", "", text.lower())


def test_annex_1_the_words_of_the_categories_are_those_of_the_agreement(annex_1: str) -> None:
    assert letters(" ".join(category.words for category in Category)) == letters(annex_1)


def test_annex_1_the_numbers_of_the_categories_are_those_of_the_agreement(annex_1: str) -> None:
    assert sorted(map(int, re.findall(r"(\d+)\.\s", annex_1))) == [category.value for category in Category]


def test_annex_1_each_category_stands_under_its_number_in_the_agreement(annex_1: str) -> None:
    """Where the scan puts a number at the end of an entry's first line (12, 13, 15), that line is the entry's start."""
    starts = {int(number): text for number, text in re.findall(r"(?m)^(\d+)\.\s+(\S.*?)\s*$", annex_1)}
    starts |= {int(number): text for text, number in re.findall(r"(?m)^(\S.*?)(\d+)\.\s*$", annex_1)}
    assert sorted(starts) == [category.value for category in Category]
    for category in Category:
        assert letters(category.words).startswith(letters(starts[category.value]))


def test_annex_1_has_34_categories_numbered_without_a_gap() -> None:
    assert [category.value for category in Category] == list(range(1, 35))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "terrorism or terrorism-related offenses"),
        (8, "felony/grand theft"),
        (12, "sexual exploitation of children or child pornography related offenses"),
        (
            13,
            (
                "illicit trafficking in, distribution of, or possession with intent to distribute narcotics, "
                "marijuana, or other controlled substance"
            ),
        ),
        (15, "fraud or offenses involving fraudulent conduct"),
        (34, "sabotage"),
    ],
)
def test_annex_1_a_number_finds_its_words(number: int, words: str) -> None:
    assert Category(number).words == words


def test_annex_1_the_chapeau_names_six_forms_beside_the_completed_offence() -> None:
    assert OTHER_FORMS == ["attempt", "conspiracy", "assistance", "solicitation", "preparation", "participation"]


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_annex_1_another_form_counts_only_when_criminalized(form: Form) -> None:
    """The acting Party's law may know no such offence, e.g. no general conspiracy: then no provision can be cited."""
    uncited = Offence("theft", Party.JP, "Penal Code, Art. 235", Penalty(months=120), Category.THEFT, form)
    finding = serious_crime([uncited], article=4, acting=Party.JP, on=ON)
    assert (finding.serious, finding.clause) == (False, "Art. 1(3), Annex I(8)")
    assert finding.reason == (
        f"Annex I takes in {form} only when criminalized; no provision that makes it an offence is cited for theft, as "
        f"{form} (Penal Code, Art. 235, law of Japan). Cite that provision, with its own maximum penalty; otherwise "
        "the query may not be made."
    )
    cited = Offence(
        "theft", Party.JP, "Penal Code, Art. 235", Penalty(months=120), Category.THEFT, form, "the provision on it"
    )
    assert serious_crime([cited], article=4, acting=Party.JP, on=ON).branch == "annex-i"


def test_annex_1_another_form_is_measured_by_its_own_maximum() -> None:
    def arson(maximum: Penalty, form: Form = Form.COMPLETED, cited: str | None = None) -> bool:
        offence = Offence("arson", Party.JP, "Penal Code, Art. 108", maximum, Category.ARSON, form, cited)
        return serious_crime([offence], article=4, acting=Party.JP, on=ON).serious

    assert arson(Penalty(death=True))
    assert arson(Penalty(months=24), Form.PREPARATION, "Penal Code, Art. 113")
    assert not arson(Penalty(months=12), Form.PREPARATION, "a provision with one year")


def test_annex_1_the_reason_cites_the_offence_and_the_provision_on_its_form() -> None:
    preparation = Offence(
        "murder",
        Party.JP,
        "Penal Code, Art. 199",
        Penalty(months=24),
        Category.MURDER,
        Form.PREPARATION,
        "Penal Code, Art. 201",
    )
    assert serious_crime([preparation], article=4, acting=Party.JP, on=ON).reason.startswith(
        "Murder, as preparation (Penal Code, Art. 199 with Penal Code, Art. 201, law of Japan) is punishable by at "
        "most 2 years"
    )


@pytest.mark.parametrize(("months", "branch"), [(24, None), (35, None), (36, "three-years")])
def test_art_1_3_another_form_of_an_unlisted_offence_must_reach_three_years_itself(
    months: int, branch: str | None
) -> None:
    """The second limb has no chapeau: the attempt must be an offence in its own right."""
    attempt = Offence(
        "obstruction",
        Party.JP,
        "a statute, Art. 1",
        Penalty(months=months),
        form=Form.ATTEMPT,
        form_citation="a statute, Art. 2",
    )
    assert serious_crime([attempt], article=4, acting=Party.JP, on=ON).branch == branch


def test_annex_1_a_category_alone_makes_no_serious_crime() -> None:
    """Annex I(1) too asks for more than one year, terrorism or not."""
    offence = Offence("terrorism-related offence", Party.US, "a statute", Penalty(months=12), Category.TERRORISM)
    assert not serious_crime([offence], article=4, acting=Party.US, on=ON).serious
