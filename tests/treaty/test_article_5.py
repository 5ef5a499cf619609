"""Article 5: a request for further information, and its answer.

(1) after a match, "subject to written notification of the purpose of the request and other items"; (2) what is "available
at the time of receipt" is provided; (3) "without regard to whether the conduct ... would constitute a criminal offense" in
the queried Party's country; (4) not refused "only for the reason" that another channel could be used, "except for the
requests that must be governed by those agreements"; (5) a refusal informs of its reasons.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from pcsc import life
from pcsc.errors import (
    DualCriminalityError,
    FieldNotAllowedError,
    NoNotificationError,
    NoReasonError,
    NotAMatchError,
    NotSeriousCrimeError,
    OutOfOrderError,
    SoleGroundError,
    UnconfirmedError,
)
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import Conclusion, Ground, Item, Refusal
from tests.builders import (
    INSULT,
    NOW,
    REFERENCE,
    US_ARSON,
    arrangement,
    basis,
    exchange,
    notification,
    offer,
    refusal,
    reply,
    request,
)

if TYPE_CHECKING:
    from pcsc.messages import Request

LATER = NOW + timedelta(days=3)


def asked(at: Exchange, message: Request | None = None) -> Exchange:
    return life.request(at, message or request(), arrangement(), LATER)


def refused_in_part(*refusals: Refusal) -> Exchange:
    at = asked(exchange(State.WILL_REQUEST), request(notification=notification(items=("name", "aliases"))))
    return life.reply(at, reply(refusals=refusals), LATER)


# Article 5(1): after a match, and a confirmed one


@pytest.mark.parametrize("side", Side)
def test_5_1_a_request_follows_a_match(side: Side) -> None:
    requested = asked(exchange(State.WILL_REQUEST, side))
    assert (requested.state, requested.request) == (State.REQUESTED, "JP261122-REQUEST1")
    assert (requested.requested_items, requested.notified_basis) == (("name",), basis())
    assert requested.last_event_at == LATER


@pytest.mark.parametrize("state", [State.SENT, State.NO_MATCH])
def test_5_1_there_is_no_request_without_a_match(state: State) -> None:
    with pytest.raises(NotAMatchError, match=r"^Art\. 5\(1\): further information follows a match") as refused:
        asked(exchange(state))
    assert refused.value.code == "5-1.NO_MATCH"


@pytest.mark.parametrize("guess", ["", REFERENCE[:-1], REFERENCE.lower(), "A" * 24])
@pytest.mark.parametrize("side", Side)
def test_5_1b_a_reference_number_that_was_guessed_opens_nothing(side: Side, guess: str) -> None:
    with pytest.raises(NotAMatchError, match="is not the reference number of one given to you in this exchange"):
        asked(exchange(State.WILL_REQUEST, side), request(reference=guess))


@pytest.mark.parametrize("conclusion", [None, Conclusion.EXCLUSION, Conclusion.INCONCLUSIVE])
def test_5_1_nobody_determines_to_request_before_the_examiner_has_confirmed_the_match(
    conclusion: Conclusion | None,
) -> None:
    at = exchange(State.MATCH)
    if conclusion is not None:
        at = life.examine(at, conclusion, "examiner 7", NOW)
    with pytest.raises(
        UnconfirmedError, match=rf"^Art\. 5\(1\): .*conclusion is {conclusion or 'not there yet'}: examine"
    ) as refused:
        life.determine(at, will_request=True, now=NOW)
    assert refused.value.code == "5-1.UNCONFIRMED"
    assert life.determine(at, will_request=False, now=NOW).state is State.NO_REQUEST


@pytest.mark.parametrize("state", [State.MATCH, State.EXAMINED, State.NO_REQUEST, State.LAPSED, State.CLOSED])
def test_5_1_the_querying_side_requests_after_its_determination_to_request(state: State) -> None:
    with pytest.raises(
        OutOfOrderError, match="a request follows 'will request' or 'provided' or 'refused' or 'declined'"
    ):
        asked(exchange(state))


@pytest.mark.parametrize("state", [State.MATCH, State.NO_REQUEST, State.LAPSED])
def test_5_1_a_request_is_taken_in_however_late_and_whatever_became_of_the_notice_before_it(state: State) -> None:
    assert asked(exchange(state, Side.QUERIED)).state is State.REQUESTED


@pytest.mark.parametrize("state", [State.REQUESTED, State.OFFERED, State.PROVIDED, State.REFUSED, State.DECLINED])
def test_5_1_the_notice_that_a_request_overtook_changes_nothing_when_it_comes(state: State) -> None:
    at = exchange(state, Side.QUERIED)
    assert life.determine(at, will_request=True, now=LATER) == at
    with pytest.raises(OutOfOrderError, match="a determination follows 'match' or 'examined'"):
        life.determine(at, will_request=False, now=LATER)


@pytest.mark.parametrize("will_request", [True, False])
def test_5_1_the_notice_that_comes_after_the_hold_has_lapsed_brings_nothing_back(will_request: bool) -> None:
    lapsed = exchange(State.LAPSED, Side.QUERIED)
    assert life.determine(lapsed, will_request=will_request, now=LATER) == lapsed


@pytest.mark.parametrize("state", [State.PROVIDED, State.REFUSED, State.DECLINED])
@pytest.mark.parametrize("side", Side)
def test_5_1c_a_second_request_on_the_same_match_is_allowed(side: Side, state: State) -> None:
    again = request(control_number="JP261125-REQUEST2", notification=notification(items=("aliases",)))
    requested = asked(exchange(state, side), again)
    assert (requested.request, requested.requested_items) == ("JP261125-REQUEST2", ("aliases",))


@pytest.mark.parametrize("state", [State.REQUESTED, State.OFFERED])
@pytest.mark.parametrize("side", Side)
def test_5_1_one_request_is_answered_before_the_next(side: Side, state: State) -> None:
    with pytest.raises(OutOfOrderError, match=f"is at '{state}'"):
        asked(exchange(state, side), request(control_number="JP261125-REQUEST2"))


# Article 5(1): the written notification


@pytest.mark.parametrize(
    ("field", "named"), [("purpose", "purpose"), ("case_reference", "case reference"), ("signed_by", "signature")]
)
def test_5_1_a_request_is_subject_to_written_notification(field: str, named: str) -> None:
    with pytest.raises(
        NoNotificationError,
        match=rf"^Art\. 5\(1\): a request is subject to written notification of its purpose; the {named} is empty: state it",
    ) as refused:
        notification(**{field: " \n"})
    assert refused.value.code == "5-1.NO_NOTIFICATION"


def test_5_1_the_written_notification_names_the_items_wanted() -> None:
    with pytest.raises(NoNotificationError, match="asks for no item; name the items of information wanted"):
        notification(items=())


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("risk", ["soon", " " * 100, "x" * 39])
def test_5_1_an_urgent_request_states_the_risk_that_cannot_wait(side: Side, risk: str) -> None:
    with pytest.raises(
        NoNotificationError,
        match=rf"an urgent request states the significant and imminent risk in at least 40 characters \(arrangement test-1\); "
        rf"got {len(risk.strip())}: state it, or request without urgency",
    ):
        asked(exchange(State.WILL_REQUEST, side), request(risk=risk))
    assert asked(exchange(State.WILL_REQUEST, side), request(risk="x" * 40)).urgent is True
    assert asked(exchange(State.WILL_REQUEST, side)).urgent is False


@pytest.mark.parametrize("side", Side)
def test_5_1_the_items_are_those_that_the_arrangement_lists_for_the_queried_party(side: Side) -> None:
    with pytest.raises(
        FieldNotAllowedError,
        match=r"^Art\. 5\(2\): US may give name, date of birth, aliases \(arrangement test-1\); 'blood group' is not on",
    ) as refused:
        asked(exchange(State.WILL_REQUEST, side), request(notification=notification(items=("name", "blood group"))))
    assert refused.value.code == "5-2.FIELD_NOT_ALLOWED"


def test_5_1_each_party_has_its_own_list() -> None:
    of_the_us = replace(exchange(State.WILL_REQUEST, Side.QUERIED), querying=Party.US)
    message = request(notification=notification(items=("aliases",), basis=basis(US_ARSON)))
    with pytest.raises(FieldNotAllowedError, match="JP may give name, date of birth"):
        asked(of_the_us, message)


# Article 1(3) at a request


@pytest.mark.parametrize("side", Side)
def test_1_3_a_request_needs_serious_crime_again(side: Side) -> None:
    with pytest.raises(NotSeriousCrimeError, match="further information may not be requested"):
        asked(exchange(State.WILL_REQUEST, side), request(notification=notification(basis=basis(INSULT))))


@pytest.mark.parametrize("side", Side)
def test_1_3_the_law_of_the_other_party_carries_a_request_but_not_the_use_that_follows(side: Side) -> None:
    # "at least one of the Parties" is enough for Article 5; the use falls under Article 8, where the user's own law counts.
    with pytest.raises(NotSeriousCrimeError, match=r"For Article 8, .* here Japan; .*the information may not be used"):
        asked(exchange(State.WILL_REQUEST, side), request(notification=notification(basis=basis(US_ARSON))))


# Article 5(2): what is given


@pytest.mark.parametrize("side", Side)
def test_5_2_the_reply_provides_what_was_asked_for(side: Side) -> None:
    provided = life.reply(exchange(State.REQUESTED, side), reply(), LATER)
    assert (provided.state, provided.reply, provided.last_event_at) == (State.PROVIDED, "US261122-REPLY001", LATER)


@pytest.mark.parametrize("given", ["items", "offered"])
def test_5_2b_an_item_that_was_not_asked_for_is_not_given(given: str) -> None:
    more = (
        reply(items=(Item("name", "Richard Roe"), Item("aliases", "Dick")))
        if given == "items"
        else offer(offered=("name", "aliases"))
    )
    with pytest.raises(FieldNotAllowedError, match="only requested items are given; aliases was not asked for"):
        life.reply(exchange(State.REQUESTED), more, LATER)


@pytest.mark.parametrize("change", [{"request": "JP261122-REQUEST9"}, {"reference": "ANOTHER"}])
def test_5_2_a_reply_is_to_the_open_request(change: dict[str, str]) -> None:
    with pytest.raises(OutOfOrderError, match=r"the reply is to request .*; the open request is 'JP261122-REQUEST1'"):
        life.reply(exchange(State.REQUESTED), reply(**change), LATER)


# Article 5(3)


def test_5_3_that_the_conduct_is_no_offence_here_is_never_a_ground() -> None:
    with pytest.raises(
        DualCriminalityError, match=r"^Art\. 5\(3\): .*refuse on another ground or provide it"
    ) as refused:
        refusal(Ground.NO_OFFENCE_HERE, "It is lawful here.")
    assert refused.value.code == "5-3.DUAL_CRIMINALITY_FORBIDDEN"


# Article 5(4)


@pytest.mark.parametrize("item", [None, "name"])
@pytest.mark.parametrize("times", [1, 2])
def test_5_4a_that_another_channel_could_be_used_is_not_the_only_ground_in_whole_or_item_by_item(
    item: str | None, times: int
) -> None:
    only = (refusal(Ground.OTHER_CHANNEL, "Ask by mutual legal assistance.", item),) * times
    named = "a request" if item is None else "'name'"
    with pytest.raises(SoleGroundError, match=rf"^Art\. 5\(4\): {named} is not refused only because") as refused:
        reply(items=(), refusals=only)
    assert refused.value.code == "5-4.SOLE_GROUND"


def test_5_4_a_ground_for_one_item_is_none_for_another() -> None:
    with pytest.raises(SoleGroundError, match="'aliases' is not refused only because another channel could be used"):
        reply(
            refusals=(
                refusal(Ground.OTHER_CHANNEL, "Ask by mutual legal assistance.", "aliases"),
                refusal(Ground.LAW, "Sealed.", "date of birth"),
            )
        )


@pytest.mark.parametrize("item", [None, "name"])
def test_5_4_another_channel_is_named_beside_another_ground(item: str | None) -> None:
    other = refusal(Ground.OTHER_CHANNEL, "Ask by mutual legal assistance.", item)
    for given in (refusal(item=item), refusal(item=None)):
        message = reply(items=(), refusals=(other, given))
        assert life.reply(exchange(State.REQUESTED), message, LATER).state is State.REFUSED


def test_5_4b_a_request_that_must_be_governed_by_another_agreement_is_refused_with_its_name() -> None:
    governed = refusal(Ground.MUST_BE_GOVERNED, "Evidence for a trial: the treaty on mutual legal assistance, Art. 1.")
    assert life.reply(exchange(State.REQUESTED), reply(items=(), refusals=(governed,)), LATER).state is State.REFUSED


# Article 5(5)


@pytest.mark.parametrize("ground", sorted(set(Ground) - {Ground.NO_OFFENCE_HERE}))
def test_5_5_a_refusal_informs_of_its_reasons(ground: Ground) -> None:
    with pytest.raises(NoReasonError, match=rf"^Art\. 5\(5\): a refusal on the ground '{ground}' informs") as refused:
        refusal(ground, "  ")
    assert refused.value.code == "5-5.NO_REASON"


def test_5_5_a_reply_says_something() -> None:
    with pytest.raises(NoReasonError, match="gives information, offers it under conditions, or refuses with reasons"):
        reply(items=())


@pytest.mark.parametrize("side", Side)
def test_5_5_what_is_withheld_in_part_carries_its_reason_too(side: Side) -> None:
    at = asked(exchange(State.WILL_REQUEST, side), request(notification=notification(items=("name", "aliases"))))
    with pytest.raises(NoReasonError, match="aliases was asked for and is neither given nor refused with a reason"):
        life.reply(at, reply(), LATER)


def test_5_5_a_part_is_given_and_a_part_refused() -> None:
    assert refused_in_part(refusal(Ground.NOT_AVAILABLE, "Not known.", "aliases")).state is State.PROVIDED


@pytest.mark.parametrize("item", ["name", "shoe size"])
def test_5_5_what_is_given_or_was_not_asked_for_is_not_refused(item: str) -> None:
    """The name is given; nobody asked for the shoe size."""
    at = asked(exchange(State.WILL_REQUEST), request(notification=notification(items=("name",))))
    with pytest.raises(NoReasonError, match=f"what is refused was asked for and is not given; {item} is not so"):
        life.reply(at, reply(refusals=(refusal(Ground.NOT_AVAILABLE, "Not known.", item),)), LATER)


def test_5_5_a_reply_that_refuses_everything_gives_nothing() -> None:
    with pytest.raises(OutOfOrderError, match="refuses the whole request cannot provide a part of it"):
        refused_in_part(refusal())
