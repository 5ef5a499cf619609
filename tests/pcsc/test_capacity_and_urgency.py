"""Before the reply, whether a request can be answered and when; after it, whether an urgent request was urgent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import rules_in_force
from pcsc import duties, life, matters, records
from pcsc.assistance import Capacity, CapacityAnswer, Emergency, EmergencyReview, Outcome
from pcsc.errors import OutOfOrderError
from pcsc.exchange import Exchange, Side, State
from tests.builders import NOW, arrangement, capacity_answer, exchange, offer, refusal, reply, request

if TYPE_CHECKING:
    from pcsc.duties import Duty

LATER = NOW + timedelta(days=2)
RISK = "A second fire is announced for tonight, in a house where people sleep."
CANNOT = CapacityAnswer(Capacity.CANNOT, None, ("capacity",), "Nobody may search the archive.")  # type: ignore[arg-type]
REVIEW = EmergencyReview(
    Emergency(RISK, "JP: the duty officer", NOW), Outcome.JUSTIFIED, "It was lit.", "the chief", NOW.date()
)


def requested(side: Side = Side.QUERIED, **changes: Any) -> Exchange:
    return life.request(exchange(State.WILL_REQUEST, side), request(**changes), arrangement(), NOW)


def due(at: Exchange) -> dict[str, Duty]:
    return {duty.what: duty for duty in duties.due(at, arrangement(), rules_in_force(NOW.date()))}


# Capacity


@pytest.mark.parametrize("side", Side)
def test_5_2_a_capacity_answer_is_kept_in_codes_and_the_last_word_counts(side: Side) -> None:
    told = life.can_answer(requested(side), capacity_answer(), LATER)
    assert (told.state, told.capacity, told.expected_on) == (State.REQUESTED, Capacity.PARTLY, date(2026, 12, 2))
    assert told.last_event_at == LATER
    last = life.can_answer(told, capacity_answer(answer=CANNOT), LATER)
    assert (last.capacity, last.expected_on) == (Capacity.CANNOT, None)


def test_5_2_a_capacity_answer_changes_no_time_limit() -> None:
    before = requested()
    assert due(life.can_answer(before, capacity_answer(), LATER)) == due(before)


def test_5_2_the_querying_side_sees_the_expected_day_and_that_a_reply_is_owed_all_the_same() -> None:
    ours = requested(Side.QUERYING)
    assert not due(ours)
    expected = due(life.can_answer(ours, capacity_answer(), LATER))["US expects to answer a part of the request"]
    assert (expected.article, expected.by.date()) == ("5(2)", date(2026, 12, 2))
    assert expected.by > datetime(2026, 12, 2, 23, 59, tzinfo=UTC)  # the whole of that day
    full = capacity_answer(answer=CapacityAnswer(Capacity.ACCEPTED, date(2026, 11, 30)))
    assert "US expects to answer the request" in due(life.can_answer(ours, full, LATER))
    cannot = due(life.can_answer(ours, capacity_answer(answer=CANNOT), LATER))
    (owed,) = cannot.values()
    assert owed.what == "US cannot give what is requested; it owes its reply all the same"
    assert owed.by == NOW + timedelta(days=arrangement().reply_days)


def test_5_2_nothing_is_expected_any_more_once_the_reply_came_or_more_is_requested() -> None:
    told = life.can_answer(requested(Side.QUERYING), capacity_answer(), LATER)
    replied = life.reply(told, reply(), LATER)
    assert "US expects to answer a part of the request" not in due(replied)
    again = life.request(replied, request(control_number="JP261122-REQUEST2"), arrangement(), LATER)
    assert (again.capacity, again.expected_on) == (None, None)


@pytest.mark.parametrize("change", [{"request": "JP261122-REQUEST9"}, {"reference": "ANOTHER"}])
def test_5_2_a_capacity_answer_is_to_the_open_request(change: dict[str, str]) -> None:
    with pytest.raises(OutOfOrderError, match=r"the open request is 'JP261122-REQUEST1' .*: answer that one"):
        life.can_answer(requested(), capacity_answer(**change), LATER)


def test_5_2_a_capacity_answer_comes_before_the_reply_and_a_late_one_changes_nothing() -> None:
    replied = life.reply(requested(Side.QUERYING), reply(), LATER)
    assert life.can_answer(replied, capacity_answer(), LATER) is replied
    with pytest.raises(OutOfOrderError, match="a capacity answer follows 'requested'"):
        life.can_answer(life.reply(requested(), reply(), LATER), capacity_answer(), LATER)


def test_5_2_a_capacity_answer_that_was_not_accepted_is_taken_back() -> None:
    told = life.can_answer(requested(), capacity_answer(), LATER)
    after = life.not_accepted(told, capacity_answer(), LATER)
    assert (after.state, after.capacity, after.expected_on) == (State.REQUESTED, None, None)
    other = capacity_answer(request="JP261122-REQUEST9")
    assert life.not_accepted(told, other, LATER).capacity is Capacity.PARTLY


def test_11_1_a_capacity_answer_is_recorded_without_its_words() -> None:
    assert records.KINDS[type(capacity_answer())] == ("capacity answer", "5(2)")
    assert records.types_of(capacity_answer()) == ("whether a request can be answered, and when",)


# Urgency


def urgent(side: Side = Side.QUERIED) -> Exchange:
    return requested(side, risk=RISK)


@pytest.mark.parametrize(
    "answer", [reply(), offer(), reply(items=(), refusals=(refusal(),))], ids=["given", "offered", "refused"]
)
def test_5_2_urgency_is_reviewed_within_thirty_days_once_the_request_was_answered(answer: Any) -> None:
    assert "review whether the request was urgent" not in due(urgent())
    owed = due(life.reply(urgent(), answer, LATER))["review whether the request was urgent"]
    assert (owed.article, owed.by) == ("5(2)", NOW + timedelta(days=30))


def test_5_2_no_review_is_owed_by_the_asking_side_or_where_nothing_was_urgent() -> None:
    for at in (urgent(Side.QUERYING), requested()):
        assert "review whether the request was urgent" not in due(life.reply(at, reply(), LATER))


def test_5_2_the_review_is_noted_and_owed_no_more() -> None:
    replied = life.reply(urgent(), reply(), LATER)
    reviewed = matters.urgency_reviewed(replied, REVIEW, LATER)
    assert (reviewed.urgency_reviewed, reviewed.urgent_since, reviewed.last_event_at) == ("justified", None, LATER)
    assert reviewed.since == replied.since
    assert "review whether the request was urgent" not in due(reviewed)
    with pytest.raises(OutOfOrderError, match="none waits for one, the last one was found justified"):
        matters.urgency_reviewed(reviewed, REVIEW, LATER)


def test_5_2_a_request_without_urgency_does_not_end_the_review_of_one_before_it() -> None:
    again = life.request(
        life.reply(urgent(), reply(), LATER), request(control_number="JP261122-REQUEST2"), arrangement(), LATER
    )
    assert (again.urgent, again.urgent_since) == (False, NOW)
    replied = life.reply(again, reply(request="JP261122-REQUEST2"), LATER)
    assert due(replied)["review whether the request was urgent"].by == NOW + timedelta(days=30)


def test_5_2_a_second_urgent_request_is_reviewed_with_the_first_and_no_later() -> None:
    second = request(control_number="JP261122-REQUEST2", risk=RISK)
    again = life.request(life.reply(urgent(), reply(), LATER), second, arrangement(), LATER)
    assert again.urgent_since == NOW
    reviewed = replace(again, urgent_since=None, state=State.PROVIDED)
    third = life.request(reviewed, request(control_number="JP261122-REQUEST3", risk=RISK), arrangement(), LATER)
    assert third.urgent_since == LATER


def test_5_2_urgency_is_reviewed_by_the_queried_side_after_the_fact_and_where_there_was_some() -> None:
    with pytest.raises(OutOfOrderError, match="a review of urgency is the queried side's act"):
        matters.urgency_reviewed(life.reply(urgent(Side.QUERYING), reply(), LATER), REVIEW, LATER)
    with pytest.raises(OutOfOrderError, match="reviewed after the fact; request JP261122-REQUEST1 is not answered yet"):
        matters.urgency_reviewed(urgent(), REVIEW, LATER)
    with pytest.raises(OutOfOrderError, match=r"in exchange \S+ none waits for one$"):
        matters.urgency_reviewed(life.reply(requested(), reply(), LATER), REVIEW, LATER)
