"""Which step may follow which, on both sides, and what is owed after it: the whole table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import rules_in_force
from pcsc import duties, life
from pcsc.duties import Content, Duty, DutyKind, due
from pcsc.errors import NotAMatchError, OutOfOrderError, TreatyError
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import BreachNotice, Conclusion, Consultation
from tests.builders import (
    NOW,
    QUERY,
    UNASKED,
    acceptance,
    arrangement,
    breach_notice,
    consultation,
    exchange,
    match,
    no_match,
    offer,
    provision,
    query,
    refusal,
    reply,
    request,
    unasked,
)

if TYPE_CHECKING:
    from datetime import datetime

Step = Callable[[Exchange, "datetime"], Exchange]
LATER: Final = NOW + timedelta(days=1)
QUERYING, QUERIED = Side.QUERYING, Side.QUERIED
RULES: Final = rules_in_force(NOW.date())
ANSWERED_REQUEST: Final = {State.PROVIDED, State.REFUSED, State.DECLINED}

STEPS: Final[dict[str, Step]] = {
    "match": lambda at, now: life.answered(at, match(), now),
    "no match": lambda at, now: life.answered(at, no_match(), now),
    "turn away": lambda exchange, now: life.not_accepted(exchange, query(), now),
    "examine": lambda at, now: life.examine(at, Conclusion.IDENTIFICATION, "examiner 7", now),
    "determine to request": lambda at, now: life.determine(at, will_request=True, now=now),
    "determine not to request": lambda at, now: life.determine(at, will_request=False, now=now),
    "request": lambda at, now: life.request(at, request(), arrangement(), now),
    "provide": lambda at, now: life.reply(at, reply(), now),
    "offer": lambda at, now: life.reply(at, offer(), now),
    "refuse": lambda at, now: life.reply(at, reply(items=(), refusals=(refusal(),)), now),
    "accept": lambda at, now: life.accept(at, acceptance(), now),
    "decline": lambda at, now: life.accept(at, acceptance(accepted=False), now),
    "give what was offered": lambda at, now: life.provide(at, provision(), now),
    "close": life.close,
    "lapse": life.lapse,
}

BOTH: Final[dict[str, set[State]]] = {
    "match": {State.SENT},
    "no match": {State.SENT},
    "turn away": set(),
    "examine": set(),
    "determine to request": {State.MATCH},
    "determine not to request": {State.MATCH},
    "request": {State.WILL_REQUEST, *ANSWERED_REQUEST},
    "provide": {State.REQUESTED},
    "offer": {State.REQUESTED},
    "refuse": {State.REQUESTED},
    "accept": {State.OFFERED},
    "decline": {State.OFFERED},
    "give what was offered": set(),  # of an offer that was accepted, and once: see Article 8(8)
    "close": {State.NO_REQUEST, State.LAPSED, State.OPEN, *ANSWERED_REQUEST},
    "lapse": {State.MATCH, State.WILL_REQUEST},
}
ONE_SIDE: Final[dict[tuple[Side, str], set[State]]] = {
    (QUERYING, "turn away"): {State.SENT},
    (QUERYING, "examine"): {State.MATCH, State.EXAMINED},
    (QUERYING, "determine not to request"): {State.EXAMINED},
    (QUERYING, "determine to request"): {State.EXAMINED},
    (QUERYING, "lapse"): {State.SENT, State.EXAMINED},
    (QUERIED, "lapse"): {State.PROVIDED},
    # A request implies the notice of its determination, which may come after it, or after the hold has lapsed.
    (QUERIED, "request"): {State.MATCH, State.NO_REQUEST, State.LAPSED},
    (QUERIED, "determine to request"): {State.LAPSED, State.REQUESTED, State.OFFERED, State.CLOSED, *ANSWERED_REQUEST},
    (QUERIED, "determine not to request"): {State.LAPSED},
}

# The queried side never sees the examination.
PLACES: Final = [(side, state) for side in Side for state in State if (side, state) != (QUERIED, State.EXAMINED)]


def follows(step: str, side: Side, state: State) -> bool:
    if (step, side, state) == ("determine to request", QUERYING, State.MATCH):
        return False  # nothing is confirmed yet: Article 5(1)
    return state in BOTH[step] | ONE_SIDE.get((side, step), set())


@pytest.mark.parametrize(("side", "state"), PLACES)
@pytest.mark.parametrize("step", STEPS)
def test_from_every_state_exactly_the_allowed_steps_succeed(step: str, side: Side, state: State) -> None:
    at = exchange(state, side)
    if follows(step, side, state):
        assert STEPS[step](at, LATER).control_number == at.control_number
    else:
        with pytest.raises(TreatyError, match=r"^Art\. "):
            STEPS[step](at, LATER)


@pytest.mark.parametrize("side", Side)
def test_an_end_is_an_end(side: Side) -> None:
    for state in (State.NO_MATCH, State.CLOSED):
        for name, step in STEPS.items():
            if not follows(name, side, state):
                with pytest.raises(TreatyError, match=r"^Art\. "):
                    step(exchange(state, side), LATER)
    assert life.close(exchange(State.NO_REQUEST, side), LATER).state is State.CLOSED


def test_a_step_out_of_order_names_what_it_follows_and_where_the_exchange_is() -> None:
    with pytest.raises(OutOfOrderError) as refused:
        life.accept(exchange(State.MATCH), acceptance(), LATER)
    assert str(refused.value) == f"Art. 3(4): an acceptance follows 'offered'; exchange {QUERY} is at 'match'"
    assert refused.value.code == "3-4.OUT_OF_ORDER"


def test_a_step_that_is_refused_changes_nothing() -> None:
    at = exchange(State.MATCH)
    with pytest.raises(TreatyError, match="a reply follows 'requested'"):
        life.reply(at, reply(), LATER)
    assert at == exchange(State.MATCH)


def test_the_two_sides_name_each_other() -> None:
    ours, theirs = exchange(side=QUERYING), exchange(side=QUERIED)
    assert (ours.querying, ours.other, ours.queried) == ("JP", "US", "US")
    assert (theirs.querying, theirs.other, theirs.queried) == ("JP", "JP", "US")


# What is owed


@pytest.mark.parametrize(
    ("side", "state", "article", "days"),
    [
        (QUERYING, State.SENT, "4(4)", 1),
        (QUERYING, State.MATCH, "4(5)", 5),
        (QUERYING, State.EXAMINED, "8(2)", 10),
        (QUERYING, State.WILL_REQUEST, "5(1)", 10),
        (QUERYING, State.OFFERED, "8(8)", 10),
        (QUERYING, State.PROVIDED, "8(9)", 90),
        (QUERIED, State.REQUESTED, "5(2)", 10),
        (QUERYING, State.OPEN, "14", 365),
        (QUERIED, State.OPEN, "14", 365),
        (QUERIED, State.NO_REQUEST, "4(6)", 30),
        (QUERIED, State.LAPSED, "4(6)", 30),
    ],
)
def test_an_act_that_is_waited_for_has_its_clause_and_its_day(
    side: Side, state: State, article: str, days: int
) -> None:
    at = exchange(state, side)
    (duty,) = due(at, arrangement(), RULES)
    assert (duty.exchange, duty.article, duty.by) == (at.control_number, article, NOW + timedelta(days=days))


@pytest.mark.parametrize(
    "state", sorted(set(State) - {State.REQUESTED, State.EXAMINED, State.NO_REQUEST, State.LAPSED, State.OPEN})
)
def test_else_the_queried_side_owes_nothing(state: State) -> None:
    assert due(exchange(state, QUERIED), arrangement(), RULES) == ()


@pytest.mark.parametrize("state", [State.NO_MATCH, State.NO_REQUEST, State.REQUESTED, State.LAPSED, State.CLOSED])
def test_else_the_querying_side_owes_nothing(state: State) -> None:
    assert due(exchange(state), arrangement(), RULES) == ()


def test_an_urgent_request_is_owed_an_answer_in_hours() -> None:
    at = exchange(State.REQUESTED, QUERIED, urgent=True)
    assert due(at, arrangement(), RULES) == (
        Duty(
            QUERY,
            DutyKind.ANSWER,
            "answer the urgent request for further information",
            "5(2)",
            NOW + timedelta(hours=48),
        ),
    )


@pytest.mark.parametrize("side", Side)
def test_the_time_of_an_act_counts_from_the_state_and_not_from_what_is_told_beside_it(side: Side) -> None:
    for state in State:
        if (side, state) in PLACES:
            at = exchange(state, side)
            assert due(replace(at, last_event_at=LATER), arrangement(), RULES) == due(at, arrangement(), RULES)


def test_examining_again_does_not_put_the_determination_off() -> None:
    again = life.examine(exchange(State.EXAMINED), Conclusion.INCONCLUSIVE, "examiner 8", LATER)
    assert due(again, arrangement(), RULES) == due(exchange(State.EXAMINED), arrangement(), RULES)


def test_a_message_on_its_way_may_be_held_until_the_hold_has_lapsed() -> None:
    for side, state in PLACES:
        lapsed = state is State.LAPSED
        assert (Content.MESSAGE in duties.permitted(exchange(state, side))) is not lapsed


# What was not accepted


def test_a_request_that_was_not_accepted_is_made_anew_and_did_not_follow_the_match() -> None:
    at = life.not_accepted(exchange(State.REQUESTED), request(), LATER)
    assert (at.state, at.request, at.since) == (State.WILL_REQUEST, None, LATER)
    assert life.request(at, request(control_number="JP261123-REQUEST2"), arrangement(), LATER).state is State.REQUESTED


def test_a_further_request_that_was_not_accepted_leaves_the_one_that_was_answered() -> None:
    again = life.request(exchange(State.PROVIDED), request(control_number="JP261123-REQUEST2"), arrangement(), LATER)
    at = life.not_accepted(again, request(control_number="JP261123-REQUEST2"), LATER)
    assert at.state is State.WILL_REQUEST
    assert at.request is not None


@pytest.mark.parametrize("accepted", [True, False])
def test_an_acceptance_that_was_not_accepted_leaves_the_offer_open(accepted: bool) -> None:
    message = acceptance(accepted=accepted)
    at = life.accept(exchange(State.OFFERED), message, LATER)
    assert life.not_accepted(at, message, LATER).state is State.OFFERED


@pytest.mark.parametrize("state", sorted(set(State) - {State.REQUESTED}))
def test_a_refusal_that_comes_too_late_moves_nothing(state: State) -> None:
    at = exchange(state)
    assert life.not_accepted(at, request(), LATER).state is state
    if state not in {State.PROVIDED, State.DECLINED}:
        assert life.not_accepted(at, acceptance(), LATER).state is state


def test_what_was_provided_without_request_and_not_accepted_was_not_provided() -> None:
    given = life.provide_unasked(unasked(), QUERIED, arrangement(), NOW)
    at = life.not_accepted(given, unasked(), LATER)
    assert (at.state, at.provided_at, at.open_purposes) == (State.CLOSED, None, ())


@pytest.mark.parametrize("message", [breach_notice(), consultation()], ids=["breach", "consultation"])
def test_a_notice_that_was_not_accepted_is_closed(message: BreachNotice | Consultation) -> None:
    at = life.open_notice(message, QUERYING, arrangement(), NOW)
    assert (at.state, at.authority, at.identified, at.basis) == (State.OPEN, life.NO_QUERY, None, None)
    assert life.not_accepted(at, message, LATER).state is State.CLOSED


# What follows only once, or only where something was provided


def test_what_was_accepted_is_waited_for_before_more_is_requested_or_the_exchange_is_closed() -> None:
    waiting = life.accept(exchange(State.OFFERED), acceptance(), LATER)
    assert waiting.awaits_provision
    for step in (STEPS["request"], STEPS["close"]):
        with pytest.raises(
            OutOfOrderError, match=rf"follows what was accepted; in exchange {QUERY} name is still on its way"
        ):
            step(waiting, LATER)
    given = life.provide(waiting, provision(), LATER)
    assert not given.awaits_provision
    assert STEPS["close"](given, LATER).state is State.CLOSED


def test_what_was_offered_is_given_once() -> None:
    given = life.provide(life.accept(exchange(State.OFFERED), acceptance(), LATER), provision(), LATER)
    with pytest.raises(OutOfOrderError, match=rf"in exchange {QUERY} nothing more is on offer: it came once"):
        life.provide(given, provision(), LATER)
    with pytest.raises(OutOfOrderError, match="nothing more is on offer"):  # a reply that gave at once offered nothing
        life.provide(exchange(State.PROVIDED), provision(items=()), LATER)


@pytest.mark.parametrize("side", Side)
def test_5_1_no_request_follows_what_was_provided_without_request(side: Side) -> None:
    at = life.provide_unasked(unasked(), side, arrangement(), NOW)
    with pytest.raises(NotAMatchError, match="further information follows a match"):
        life.request(at, request(reference=UNASKED), arrangement(), LATER)


def test_8_8_a_refusal_of_an_acceptance_that_comes_after_the_next_one_changes_nothing() -> None:
    first, second = acceptance(), acceptance(control_number="JP261122-ACCEPT02", accepted=False)
    offered = life.not_accepted(life.accept(exchange(State.OFFERED), first, NOW), first, NOW)
    assert offered.state is State.OFFERED
    declined = life.accept(offered, second, NOW)
    assert life.not_accepted(declined, first, NOW).state is State.DECLINED
    assert life.not_accepted(declined, second, NOW).state is State.OFFERED
