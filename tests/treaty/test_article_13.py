"""Article 13(2): nothing authorises "either Party to query, request, or use information" where that relates to "an act
considered a political offense by that Party".
"""

from __future__ import annotations

import json

import pytest

from annex.parameters import Party
from contact_point import wire
from contact_point.wire import WireError
from pcsc import life
from pcsc.errors import PoliticalOffenceError
from pcsc.exchange import Side, State
from pcsc.messages import Query
from pcsc.use import Information, Purpose, Refusal, may_use
from tests.builders import (
    ARSON,
    CIRCUMSTANCES,
    NOW,
    US_ARSON,
    arrangement,
    basis,
    exchange,
    notification,
    query,
    request,
    unasked,
)

POLITICAL = basis(political=True)
DECLARED = r"^Art\. 13\(2\): JP declares that it considers the act a political offence"


@pytest.mark.parametrize("declared", [None, "", "no", 0, "false"])
def test_13_2a_a_query_without_the_declaration_is_refused(declared: object) -> None:
    fields = json.loads(wire.encode(query()))
    fields["basis"]["political"] = declared
    with pytest.raises(WireError, match=r"malformed at basis\.political: Input should be a valid boolean"):
        wire.decode(json.dumps(fields).encode(), Query)
    del fields["basis"]["political"]
    with pytest.raises(WireError, match=r"malformed at basis\.political: Field required"):
        wire.decode(json.dumps(fields).encode(), Query)


def test_13_2b_a_query_that_relates_to_a_political_offence_is_not_made() -> None:
    with pytest.raises(PoliticalOffenceError, match=DECLARED) as refused:
        life.open_query(query(basis=POLITICAL), CIRCUMSTANCES, arrangement(), made_today=0, now=NOW)
    assert refused.value.code == "13-2.POLITICAL"


def test_13_2b_and_not_answered_where_the_querying_party_says_so_itself() -> None:
    with pytest.raises(PoliticalOffenceError, match=DECLARED):
        life.receive_query(query(basis=POLITICAL), arrangement(), made_today=0, now=NOW)


@pytest.mark.parametrize("side", Side)
def test_13_2b_the_declaration_is_asked_anew_at_the_request(side: Side) -> None:
    at = exchange(State.WILL_REQUEST, side)  # the query was declared not to be political
    with pytest.raises(PoliticalOffenceError, match=DECLARED):
        life.request(at, request(notification=notification(basis=POLITICAL)), arrangement(), NOW)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("article", [4, 5, 6, 7])
def test_13_2b_and_at_every_use_before_anything_else_is_asked(article: int, purpose: Purpose) -> None:
    verdict = may_use(Information(article=article), purpose, by=Party.JP, political=True, offences=[ARSON], now=NOW)
    assert isinstance(verdict, Refusal)
    assert verdict.article == "13(2)"


@pytest.mark.parametrize("side", Side)
def test_13_2c_of_what_is_given_without_request_the_party_that_gives_declares(side: Side) -> None:
    with pytest.raises(
        PoliticalOffenceError, match=r"^Art\. 13\(2\): US declares that it considers the act a political"
    ):
        life.provide_unasked(unasked(basis=basis(US_ARSON, political=True)), side, arrangement(), NOW)


def test_13_2c_only_the_acting_partys_own_view_counts() -> None:
    # Nothing lets the queried side call the act political: the step has no place for it.
    assert life.receive_query(query(), arrangement(), made_today=0, now=NOW).basis == basis(political=False)
