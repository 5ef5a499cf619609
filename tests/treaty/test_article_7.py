"""Article 7: "Upon request, the national contact point which has received information pursuant to Article 5 or 6 shall notify
the national contact point which has provided the information of the result of any use of such information".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from annex.parameters import Party, rules_in_force
from pcsc import duties, ledger, life, matters, records
from pcsc.duties import Content, due
from pcsc.errors import NotProvidedError, OutOfOrderError
from pcsc.exchange import Exchange, Side, State
from tests.builders import (
    NOW,
    arrangement,
    exchange,
    provided_unasked,
    result_of_use,
    result_request,
    use,
)

LATER = NOW + timedelta(days=3)


def asked(at: Exchange, by: Party = Party.US) -> Exchange:
    return matters.raised(at, result_request(), by, arrangement(), LATER)


PROVIDED = {
    "Article 5, who received": exchange(State.PROVIDED),
    "Article 5, who provided": exchange(State.PROVIDED, Side.QUERIED),
    "Article 6, who received": provided_unasked(),
    "Article 6, who provided": provided_unasked(Side.QUERIED),
}


@pytest.mark.parametrize("at", PROVIDED.values(), ids=PROVIDED)
def test_7_who_provided_asks_and_who_received_tells(at: Exchange) -> None:
    told = matters.settled(asked(at), result_of_use(), Party.JP, LATER)
    (matter,) = told.matters
    assert (matter.raised_by, matter.outcome, matter.settled_at) == (Party.US, "1 uses", LATER)


def test_7a_every_use_appears_also_one_for_immigration() -> None:
    """The answer is drawn from the ledger, which holds the purpose, the clause, the day and what came of it."""
    at = ledger.use(exchange(State.PROVIDED), use(purpose="immigration", clause="8(5)(1)(c)"), LATER)
    at = ledger.result(at, 1, "Entry was refused.", LATER)
    (made,) = at.uses
    assert (made.purpose, made.clause, made.result) == ("immigration", "8(5)(1)(c)", "Entry was refused.")


def test_7b_that_there_was_no_use_is_an_answer() -> None:
    told = matters.settled(asked(exchange(State.PROVIDED)), result_of_use(uses=()), Party.JP, LATER)
    assert told.matters[0].outcome == "no use"


def test_7c_the_ledger_does_not_live_in_the_record_and_outlives_its_term() -> None:
    at = ledger.use(exchange(State.PROVIDED), use(), LATER)
    entry = records.of_act(0, at, "use", article="8(5)", note="notified", now=LATER)
    place = records.append(None, entry, "5a" * 32)
    assert records.expire(place).body is None
    assert asked(life.close(at, LATER)).uses == (use(),)


@pytest.mark.parametrize(
    "state", [State.SENT, State.NO_MATCH, State.MATCH, State.NO_REQUEST, State.OFFERED, State.REFUSED, State.DECLINED]
)
@pytest.mark.parametrize("side", Side)
def test_7_the_result_of_a_query_is_no_information_whose_use_is_told(side: Side, state: State) -> None:
    with pytest.raises(
        NotProvidedError,
        match=r"^Art\. 7: .* provided the information under Article 5 or 6; US provided none in exchange .*, which is at",
    ) as refused:
        asked(exchange(state, side))
    assert refused.value.code == "7.NOT_PROVIDED_BY_YOU"


@pytest.mark.parametrize("side", Side)
def test_7_who_received_does_not_ask(side: Side) -> None:
    with pytest.raises(NotProvidedError, match="JP provided none in exchange"):
        asked(exchange(State.PROVIDED, side), by=Party.JP)


@pytest.mark.parametrize("state", [State.CLOSED, State.LAPSED, State.REQUESTED, State.REFUSED])
def test_7_it_is_asked_also_when_the_information_is_gone_or_more_was_asked_for(state: State) -> None:
    at = replace(exchange(State.PROVIDED), state=state, open_purposes=())
    assert asked(at).matters[0].raised_by is Party.US


def test_7_one_question_is_answered_before_the_next() -> None:
    with pytest.raises(
        OutOfOrderError, match=r"the result of use of exchange .* was asked for on 2026-11-25 and is due on"
    ):
        matters.raised(
            asked(exchange(State.PROVIDED)),
            result_request(control_number="US261225-RESULT02"),
            Party.US,
            arrangement(),
            LATER,
        )


@pytest.mark.parametrize(
    ("side", "what"),
    [(Side.QUERYING, "tell the result of the use"), (Side.QUERIED, "JP owes: tell the result of the use")],
)
def test_7_it_is_told_in_the_arrangements_time(side: Side, what: str) -> None:
    duty = due(asked(exchange(State.PROVIDED, side)), arrangement(), rules_in_force(NOW.date()))[-1]
    assert (duty.what, duty.article, duty.by) == (what, "7", LATER + timedelta(days=30))


def test_7_what_is_told_is_kept_by_who_asked_for_the_review_of_the_agreement() -> None:
    assert Content.RESULT in duties.permitted(exchange(State.PROVIDED, Side.QUERIED))
    assert Content.RESULT not in duties.permitted(exchange(State.PROVIDED))
