"""Which step may follow which, on both sides, and what is held after it: the whole table, and random walks through it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pcsc import duties
from pcsc import exchange as life
from pcsc.duties import Content, due, overstays
from pcsc.errors import OutOfOrderError, TreatyError
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import Conclusion
from tests.builders import (
    NOW,
    QUERY,
    acceptance,
    arrangement,
    exchange,
    match,
    no_match,
    offer,
    provision,
    query,
    refusal,
    reply,
    request,
)

if TYPE_CHECKING:
    from datetime import datetime

Step = Callable[[Exchange, "datetime"], Exchange]
LATER: Final = NOW + timedelta(days=1)
QUERYING, QUERIED = Side.QUERYING, Side.QUERIED
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
    "give what was offered": set(),  # of an offer only; see the walk and Article 8(8)
    "close": {State.NO_REQUEST, State.LAPSED, *ANSWERED_REQUEST},
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
        assert STEPS[step](at, LATER).control_number == QUERY
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


class Walk(RuleBasedStateMachine):
    """One exchange, seen from both sides at once, through any steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = {side: exchange(side=side) for side in Side}
        self.now = NOW
        self.determined = self.answered_no_match = self.request_answered = False

    @rule(side=st.sampled_from(Side), step=st.sampled_from(sorted(STEPS)), hours=st.integers(0, 400))
    def take(self, side: Side, step: str, hours: int) -> None:
        self.now += timedelta(hours=hours)
        before = self.sides[side]
        try:
            after = STEPS[step](before, self.now)
        except TreatyError:
            return
        self.sides[side] = after
        if side is QUERYING and step.startswith("determine"):
            self.determined = True
        if side is QUERIED:
            self.answered_no_match |= step == "no match"
            self.request_answered |= step in {"provide", "offer", "refuse"}

    @invariant()
    def the_querying_side_keeps_no_received_print_after_its_determination(self) -> None:
        if self.determined:
            assert not duties.permitted(self.sides[QUERYING]) & {Content.CANDIDATE, Content.PICTURE}

    @invariant()
    def the_queried_side_keeps_no_received_print_after_no_match(self) -> None:
        if self.answered_no_match:
            assert Content.PROBE not in duties.permitted(self.sides[QUERIED])

    @invariant()
    def the_queried_side_keeps_no_received_print_after_its_answer_to_a_request(self) -> None:
        if self.request_answered:
            assert Content.PROBE not in duties.permitted(self.sides[QUERIED])

    @invariant()
    def a_print_that_was_received_is_held_in_few_states_and_comes_to_an_end(self) -> None:
        for side, at in self.sides.items():
            kind = Content.CANDIDATE if side is QUERYING else Content.PROBE
            if kind in duties.permitted(at) and at.state is not State.REQUESTED:
                assert overstays(at, arrangement(), (at.answered_at or at.opened_at) + timedelta(days=30))

    @invariant()
    def what_was_offered_is_not_information_before_its_acceptance(self) -> None:
        if self.sides[QUERYING].state in {State.OFFERED, State.DECLINED}:
            assert Content.INFORMATION not in duties.permitted(self.sides[QUERYING])


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=25, deadline=None, derandomize=True)


# What is owed


@pytest.mark.parametrize(
    ("side", "state", "article", "days"),
    [
        (QUERYING, State.SENT, "4(4)", 5),
        (QUERYING, State.MATCH, "4(5)", 5),
        (QUERYING, State.EXAMINED, "8(2)", 10),
        (QUERYING, State.WILL_REQUEST, "5(1)", 10),
        (QUERYING, State.OFFERED, "8(8)", 10),
        (QUERYING, State.PROVIDED, "8(9)", 30),
        (QUERIED, State.REQUESTED, "5(2)", 10),
    ],
)
def test_an_act_that_is_waited_for_has_its_clause_and_its_day(
    side: Side, state: State, article: str, days: int
) -> None:
    duty = due(exchange(state, side), arrangement())
    assert duty is not None
    assert (duty.exchange, duty.article, duty.by) == (QUERY, article, NOW + timedelta(days=days))


@pytest.mark.parametrize("state", sorted(set(State) - {State.REQUESTED, State.EXAMINED}))
def test_the_queried_side_owes_nothing_but_the_answer_to_a_request(state: State) -> None:
    assert due(exchange(state, QUERIED), arrangement()) is None


def test_a_message_on_its_way_may_be_held_until_the_exchange_has_ended() -> None:
    for side, state in PLACES:
        ended = state in {State.LAPSED, State.CLOSED}
        assert (Content.MESSAGE in duties.permitted(exchange(state, side))) is not ended
