"""Beside the reply to a request, over real TLS 1.3: a referral, a capacity answer, a review of urgency, a sign of life."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, correspondence, delivery, queried, querying, reachability
from contact_point.main import clock
from contact_point.transport import UnreachableError
from contact_point.wire import StaleError
from pcsc.assistance import AssistanceError, Capacity, CapacityAnswer, Lack, Outcome
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError
from pcsc.exchange import State
from pcsc.messages import Conclusion, Reply

from .parties import Down, events, exchange, held, notification, owed

if TYPE_CHECKING:
    from collections.abc import Callable

    from contact_point.service import Installation

    from .parties import Finger, Parties

    Run = Callable[..., tuple[int, str]]

RISK = "A second robbery is announced for tonight, in a shop where people work."
PARTLY = CapacityAnswer(Capacity.PARTLY, date(2099, 12, 2), (Lack.RESOURCES,), "The archive is on paper.")


def at(here: Installation) -> tuple[str, object]:
    return "--dir", here.settings.folder.root


def requested(parties: Parties, finger: Finger, *items: str, risk: str = "") -> str:
    """Let Japan request items on a match; return the exchange's number."""
    parties.enrol(Party.US, "someone", finger)
    number = parties.matched(finger)
    querying.examine(parties.jp, number, Conclusion.IDENTIFICATION, "examiner", clock())
    querying.determine(parties.jp, number, will_request=True, now=clock())
    querying.request(parties.jp, number, notification(*items), clock(), risk=risk)
    return number


def entry_of(here: Installation, number: str, event: str) -> Any:
    with here.store.transaction() as tx:
        (entry,) = (each for each in tx.entries(number) if each.event == event)
    return entry


# Capacity


def test_5_2_a_capacity_answer_tells_the_expected_day_before_the_reply(
    parties: Parties, fingers: tuple[Finger, ...], run: Run
) -> None:
    jp, us = parties.jp, parties.us
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = requested(parties, fingers[0], "name")
        with pytest.raises(OutOfOrderError, match="a capacity answer is the queried side's act"):
            correspondence.tell_capacity(jp, number, PARTLY, clock())
        before = owed(us, number)
        told = ("--expected", "2099-12-02", "--lacking", "resources", "--reason", "The archive is on paper.")
        assert run("capacity", number, "partly", *at(us))[0] == cli.FAILED  # it says by half
        code, said = run("capacity", number, "partly", *told, *at(us))
        assert (code, "US says whether it can answer: partly, expected on 2099-12-02" in said) == (0, True)
        assert owed(us, number) == before  # it changes no time limit
        (expected,) = owed(jp, number).values()
        assert (expected.what, f"{expected.by:%Y-%m-%d}") == (
            "US expects to answer a part of the request",
            "2099-12-02",
        )
        _, listed = run("inbox", "--json", *at(jp))
        (row,) = json.loads(listed)
        assert (row["capacity"], row["expected_on"]) == ("partly", "2099-12-02")
        for here in (jp, us):
            _, said = run("correspondence", number, *at(here))
            assert f"US says whether it can answer request {exchange(jp, number).request} (Art. 5(2))" in said
            assert "Partly, expected on 2099-12-02; lacking resources: The archive is on paper." in said

        # The last word counts, and the reply ends it.
        correspondence.tell_capacity(us, number, CapacityAnswer(Capacity.ACCEPTED, date(2099, 11, 30)), clock())
        assert "US expects to answer the request" in owed(jp, number)
        queried.answer_request(us, number, give=["name"], by="officer", now=clock())
        assert not any("expects" in what for what in owed(jp, number))
    assert events(jp, number).count("capacity answer") == events(us, number).count("capacity answer") == 2
    recorded = entry_of(jp, number, "reply")
    assert "archive" not in str(recorded)
    parties.records_agree()


def test_5_2_a_capacity_answer_that_comes_after_its_reply_is_taken_in_and_changes_nothing(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = requested(parties, fingers[0], "name")
        with pytest.raises(UnreachableError):
            correspondence.tell_capacity(replace(us, other=Down()), number, PARTLY, clock())
        queried.answer_request(us, number, give=["name"], by="officer", now=clock())
        assert [type(each).__name__ for each in delivery.resume(us, clock)] == ["Exchange"]
        found = exchange(jp, number)
        assert (found.state, found.capacity) == (State.PROVIDED, None)
    parties.records_agree()


# Urgency


def test_5_2_an_urgent_request_is_reviewed_after_it_was_answered(
    parties: Parties, fingers: tuple[Finger, ...], run: Run
) -> None:
    us = parties.us
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = requested(parties, fingers[0], "name", risk=RISK)
        review = {"reason": "It was tried.", "by": "Superintendent", "now": clock()}  # the title that Japan signed with
        with pytest.raises(OutOfOrderError, match="urgency is reviewed after the fact"):
            correspondence.review_urgency(us, number, Outcome.JUSTIFIED, **review)  # type: ignore[arg-type]
        queried.answer_request(us, number, give=["name"], by="officer", now=clock())
    (duty,) = owed(us, number).values()
    assert (duty.what, duty.article) == ("review whether the request was urgent", "5(2)")
    assert duty.by - clock() > timedelta(days=29)
    with pytest.raises(AssistanceError, match="the reason is empty: state it"):
        correspondence.review_urgency(us, number, Outcome.JUSTIFIED, **{**review, "reason": " "})  # type: ignore[arg-type]

    reviewed = ("--outcome", "not-justified", "--reason", "Nothing was announced.", "--by", "Superintendent")
    code, said = run("urgency", number, *reviewed, *at(us))
    assert (code, "The urgency is reviewed: not-justified." in said) == (0, True)
    assert owed(us, number) == {}
    entry = entry_of(us, number, "urgency review")
    assert (entry.article, entry.note) == ("5(2)", "urgency not-justified by Superintendent: Nothing was announced.")
    code, said = run("urgency", number, *reviewed, *at(us))
    assert (code, "the last one was found not-justified" in said) == (cli.REFUSED, True)


def test_5_2_nothing_is_to_review_where_nothing_was_urgent(
    parties: Parties, fingers: tuple[Finger, ...], run: Run
) -> None:
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = requested(parties, fingers[0], "name")
        reviewed = ("--outcome", "justified", "--reason", "It was.", "--by", "Superintendent")
        code, said = run("urgency", number, *reviewed, *at(parties.us))
    assert (code, f"exchange {number} holds none" in said) == (cli.REFUSED, True)


# A referral


def test_5_4b_a_refusal_names_the_agreement_that_must_govern_its_basis_and_the_authority(
    parties: Parties, fingers: tuple[Finger, ...], run: Run
) -> None:
    jp, us = parties.jp, parties.us
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = requested(parties, fingers[0], "name", "criminal history")
        answer = ("answer", number, "--give", "name", "--refuse", "criminal history=It is wanted for the trial.")
        governed = (*answer, "--by", "officer", "--ground", "must-be-governed", "--referral")
        code, said = run(*governed, "print", *at(us))
        assert (code, "Art. 5(4): nothing says that 'print' must be governed" in said) == (cli.REFUSED, True)
        assert run(*answer, "--by", "officer", "--referral", "evidence", *at(us))[0] == 2  # on another ground
        assert exchange(us, number).state is State.REQUESTED

        code, said = run(*governed, "evidence", *at(us))
        assert code == 0, said
    for here in (jp, us):
        (reply,) = correspondence.read(here, number)
        assert isinstance(reply, Reply)
        assert (reply.items, [each.item for each in reply.refusals]) == ((), ["criminal history"])
        reason = reply.refusals[0].reason
        assert reason.startswith(
            "It is wanted for the trial. Referral of 'evidence' to the treaty or agreement on mutual legal assistance"
        )
        assert "must be governed by this treaty" in reason
        assert "Legal basis: A treaty or agreement on assistance between the two goes before all others." in reason
        assert reason.endswith("Received by: US Central Authority.")
        _, said = run("correspondence", number, *at(here))
        assert "US refuses, in answer to request" in said
        assert "criminal history (must-be-governed): It is wanted for the trial. Referral" in said
    assert exchange(jp, number).state is State.PROVIDED


# A sign of life


def test_the_other_contact_point_is_there_and_nothing_is_recorded(parties: Parties, run: Run) -> None:
    with parties.answering(Party.US):
        reached = reachability.reach(parties.jp, clock())
        assert timedelta() < reached.round_trip < timedelta(minutes=1)
        assert abs(reached.ahead) < timedelta(minutes=1)
        code, said = run("reach", *at(parties.jp))
        assert (code, "The contact point of US is there: " in said) == (0, True)
        code, said = run("reach", "--json", *at(parties.jp))
        assert json.loads(said)["reached"] == "US"
    for here in (parties.jp, parties.us):
        assert events(here) == []
        with here.store.transaction() as tx:
            assert (tx.exchanges(), tx.held()) == ([], [])


def test_who_cannot_be_reached_ends_with_4_and_nothing_is_kept(parties: Parties, run: Run) -> None:
    code, said = run("reach", *at(parties.jp))
    assert code == cli.UNREACHED
    assert "no answer came from contact point of US" in said
    assert "try again, and call the other contact point" in said
    assert "resume" not in said
    assert delivery.resume(parties.jp, clock) == []


def test_a_sign_of_life_has_the_clocks_compared(parties: Parties) -> None:
    with parties.answering(Party.US), pytest.raises(StaleError, match="check both clocks"):
        reachability.reach(parties.jp, clock() - timedelta(minutes=6))


# What is held


def test_what_is_held_is_counted_without_names(parties: Parties, fingers: tuple[Finger, ...], run: Run) -> None:
    with parties.answering(Party.US):
        parties.enrol(Party.US, "someone", fingers[0])
        number = parties.matched(fingers[0])
    code, said = run("held", "--json", *at(parties.us))
    assert code == 0
    rows = {row["kind"]: row for row in json.loads(said)}
    assert set(rows) == {kind.value for kind in held(parties.us, number)} == {Content.PROBE, Content.ANSWER}
    assert (rows["probe"]["clause"], rows["probe"]["pieces"], rows["probe"]["overdue"]) == ("8(1)", 1, 0)
    assert number not in said
    _, said = run("held", *at(parties.jp))
    assert "candidate" in said
    assert "someone" not in said
    assert number not in said
