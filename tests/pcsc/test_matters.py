"""What is asked, answered and notified beside the life of an exchange: who asks, who answers, once, and under one number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party
from pcsc import life, matters
from pcsc.errors import ConsentError, OutOfOrderError
from pcsc.exchange import NOT_ACCEPTED, Exchange, Side, State
from tests.builders import (
    NOW,
    QUERY,
    arrangement,
    consent_decision,
    consent_request,
    correction_notice,
    exchange,
    explanation,
    explanation_request,
    release_request,
    result_of_use,
    result_request,
)

if TYPE_CHECKING:
    from pcsc.messages import Answering, Asking

LATER = NOW + timedelta(days=3)

QUESTIONS: Final[dict[str, tuple[State, Asking, Party, Answering]]] = {
    "explanation": (State.NO_REQUEST, explanation_request(), Party.US, explanation()),
    "result of use": (State.PROVIDED, result_request(), Party.US, result_of_use()),
    "consent": (State.PROVIDED, consent_request(), Party.JP, consent_decision()),
}


def asked(kind: str, side: Side = Side.QUERYING) -> Exchange:
    state, message, by, _ = QUESTIONS[kind]
    return matters.raised(exchange(state, side), message, by, arrangement(), NOW)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_both_sides_note_a_question_and_its_answer_alike(kind: str) -> None:
    ours, theirs = (asked(kind, side) for side in Side)
    assert ours.matters == theirs.matters
    *_, by, answer = QUESTIONS[kind]
    assert (
        matters.settled(ours, answer, by.other, LATER).matters
        == matters.settled(theirs, answer, by.other, LATER).matters
    )


@pytest.mark.parametrize("kind", QUESTIONS)
def test_nobody_answers_their_own_question(kind: str) -> None:
    *_, by, answer = QUESTIONS[kind]
    with pytest.raises(OutOfOrderError, match=rf"^Art\. 3\(4\): {by} asked for the {kind} itself: {by.other} answers"):
        matters.settled(asked(kind), answer, by, LATER)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_is_answered_once_and_by_its_number(kind: str) -> None:
    state, message, by, answer = QUESTIONS[kind]
    with pytest.raises(OutOfOrderError, match=rf"has no open {kind} '{message.control_number}'; open are: nothing"):
        matters.settled(exchange(state), answer, by.other, LATER)
    told = matters.settled(asked(kind), answer, by.other, LATER)
    with pytest.raises(OutOfOrderError, match=rf"exchange {QUERY} has no open {kind} .*; open are: nothing"):
        matters.settled(told, answer, by.other, LATER)


def test_an_answer_of_one_kind_does_not_settle_a_question_of_another() -> None:
    answer = result_of_use(question="JP261222-CONSENT1")
    with pytest.raises(OutOfOrderError, match=r"has no open result of use .*; open are: consent JP261222-CONSENT1"):
        matters.settled(asked("consent"), answer, Party.US, LATER)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_message_that_comes_twice_raises_one_matter(kind: str) -> None:
    _, message, by, _ = QUESTIONS[kind]
    with pytest.raises(
        OutOfOrderError,
        match=rf"exchange {QUERY} has matter {message.control_number} already: each has a number of its own",
    ):
        matters.raised(asked(kind), message, by, arrangement(), LATER)
    notified = matters.raised(exchange(State.PROVIDED), correction_notice(), Party.US, arrangement(), NOW)
    with pytest.raises(OutOfOrderError, match="has matter US261222-CORRECT1 already"):
        matters.raised(notified, correction_notice(), Party.US, arrangement(), LATER)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_that_was_not_accepted_is_done_with(kind: str) -> None:
    _, message, by, answer = QUESTIONS[kind]
    at = life.not_accepted(asked(kind), message, LATER)
    assert (at.matters[0].outcome, at.matters[0].settled_at, at.matters[0].granted) == (NOT_ACCEPTED, LATER, None)
    with pytest.raises(OutOfOrderError, match="open are: nothing"):
        matters.settled(at, answer, by.other, LATER)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_an_answer_that_was_not_accepted_leaves_the_question_open(kind: str) -> None:
    *_, by, answer = QUESTIONS[kind]
    at = life.not_accepted(matters.settled(asked(kind), answer, by.other, LATER), answer, LATER)
    assert at.matters == asked(kind).matters
    assert matters.settled(at, answer, by.other, LATER).matters[0].settled_at == LATER


def test_several_consents_may_be_asked_for_at_a_time_and_each_is_decided_by_itself() -> None:
    at = asked("consent")
    at = matters.raised(at, release_request(control_number="JP261222-CONSENT2"), Party.JP, arrangement(), NOW)
    at = matters.settled(at, consent_decision(question="JP261222-CONSENT2"), Party.US, LATER)
    assert [matter.granted for matter in at.matters] == [None, True]


def test_what_goes_on_beside_the_life_of_an_exchange_moves_neither_its_state_nor_its_time() -> None:
    for kind in QUESTIONS:
        at = asked(kind)
        assert (at.state, at.since) == (QUESTIONS[kind][0], NOW)
        assert at.last_event_at == NOW


@pytest.mark.parametrize(("number", "reference"), [("JP261222-CONSENT1", " "), ("JP261222-CONSENT9", "NPSC-1")])
def test_a_report_is_about_a_request_for_consent_and_has_a_reference(number: str, reference: str) -> None:
    with pytest.raises(
        ConsentError, match=rf"a report is about a request for consent .*; exchange {QUERY} has no request"
    ):
        matters.reported(asked("consent"), number, reference, LATER)
    with pytest.raises(ConsentError, match="a report is about a request for consent and has a reference"):
        matters.reported(asked("result of use"), "US261222-RESULT01", "NPSC-1", LATER)
