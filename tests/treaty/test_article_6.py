"""Article 6: either Party "may, without prior request, provide information to the other Party", "in individual cases when it
has reason to believe that a serious crime, particularly terrorism and related conduct, will be or has been committed".
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from pcsc import duties, life
from pcsc.duties import Content
from pcsc.errors import (
    ConditionsError,
    FieldNotAllowedError,
    NoReasonToBelieveError,
    NotSeriousCrimeError,
    PoliticalOffenceError,
)
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import Expectation, Item, ProvisionWithoutRequest
from tests.builders import (
    ARSON,
    INSULT,
    NOW,
    UNASKED,
    US_ARSON,
    arrangement,
    basis,
    provided_unasked,
    unasked,
    unasked_offer,
)

if TYPE_CHECKING:
    from annex.offences import Offence


def give(message: ProvisionWithoutRequest, side: Side) -> Exchange:
    return life.provide_unasked(message, side, arrangement(), NOW)


@pytest.mark.parametrize("side", Side)
def test_6_what_was_given_without_request_is_provided_at_once_and_serves_serious_crime(side: Side) -> None:
    at = provided_unasked(side)
    assert (at.control_number, at.reference, at.article, at.state) == (UNASKED, UNASKED, 6, State.PROVIDED)
    assert (at.querying, at.queried, at.provided_at) == (Party.JP, Party.US, NOW)
    assert (at.open_purposes, at.expectation) == (("serious-crime",), Expectation.WILL_COMMIT)


def test_6_who_receives_it_holds_information_and_no_print() -> None:
    assert duties.permitted(provided_unasked()) >= {Content.INFORMATION}
    for side in Side:
        assert not duties.permitted(provided_unasked(side)) & {Content.PROBE, Content.CANDIDATE, Content.PICTURE}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    "offence", [US_ARSON, ARSON], ids=["law of the Party that gives", "law of the Party that receives"]
)
def test_6a_the_law_of_either_party_carries_it(side: Side, offence: Offence) -> None:
    assert give(unasked(basis=basis(offence)), side).state is State.PROVIDED


@pytest.mark.parametrize("side", Side)
def test_6_what_is_no_serious_crime_under_either_law_is_not_provided(side: Side) -> None:
    with pytest.raises(NotSeriousCrimeError, match=r"^Art\. 1\(3\): .*at least 3 years where no category") as refused:
        give(unasked(basis=basis(INSULT)), side)
    assert refused.value.code == "1-3.NOT_SERIOUS"


@pytest.mark.parametrize("side", Side)
def test_6_a_political_offence_as_the_party_that_gives_sees_it_is_no_reason(side: Side) -> None:
    with pytest.raises(
        PoliticalOffenceError, match=r"^Art\. 13\(2\): US declares that it considers the act a political"
    ):
        give(unasked(basis=basis(US_ARSON, political=True)), side)


@pytest.mark.parametrize(
    ("field", "named"), [("reason_to_believe", "reason to believe"), ("case_reference", "case reference")]
)
def test_6_the_reason_to_believe_and_the_individual_case_are_stated(field: str, named: str) -> None:
    with pytest.raises(
        NoReasonToBelieveError,
        match=rf"^Art\. 6: information is provided without request in individual cases, when .*; the {named} is empty: state",
    ) as refused:
        unasked(**{field: "\n"})
    assert refused.value.code == "6.NO_REASON"


def test_6b_one_message_is_about_one_case() -> None:
    named = {field.name: field.type for field in fields(ProvisionWithoutRequest)}
    assert named["case_reference"] == "str"  # no list of cases: nothing is provided in bulk


@pytest.mark.parametrize("message", [{"items": ()}, {"offered": ("name",)}], ids=["neither", "both"])
def test_6_it_gives_items_or_offers_them(message: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(NoReasonToBelieveError, match="gives items, or offers them under conditions, and not both"):
        unasked(**message)


def test_6_conditions_are_accepted_before_anything_is_given() -> None:
    offered = give(unasked_offer(), Side.QUERYING)
    assert (offered.state, offered.offered, offered.provided_at) == (State.OFFERED, ("name",), None)
    with pytest.raises(ConditionsError, match=r"^Art\. 8\(8\): a condition forbids purposes among"):
        give(unasked_offer(forbids=("screening",)), Side.QUERYING)


def test_6_it_opens_an_exchange_of_its_own_that_cites_its_rules_and_its_arrangement() -> None:
    at = provided_unasked()
    assert (at.rules, at.arrangement, at.opened_at) == ("2022-04-01", "test-1", NOW)
    assert (at.authority, at.identified, at.search) == (life.NO_QUERY, None, None)


def test_6_what_is_provided_is_of_a_type_that_both_parties_know() -> None:
    """Article 11(2)(1): the record names types of information; a free text would put content there."""
    named = unasked(items=(Item("Richard Roe, born 1 May 1980", "seen"),))
    with pytest.raises(
        FieldNotAllowedError, match=r"'Richard Roe, born 1 May 1980' is not on the list: name a listed item"
    ):
        life.provide_unasked(named, Side.QUERIED, arrangement(), NOW)
    offered = unasked_offer(offered=("shoe size",))
    with pytest.raises(FieldNotAllowedError, match=r"Art. 5\(2\): .* may give .*'shoe size' is not on the list"):
        life.provide_unasked(offered, Side.QUERYING, arrangement(), NOW)
