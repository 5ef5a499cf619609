"""Article 8: what is deleted when, and what the rest may be used for.

(1) the queried side deletes the print it was sent "immediately after making the response", or, after a match, keeps it
"until it responds to the request" of Article 5(1); (2) the querying side deletes the print it was sent "immediately after
determining whether or not to request"; (3) the result serves "solely" that determination; (5) information provided under
Article 5 serves further purposes; (6) the result of a use serves the review of the agreement; (8) conditions bind when they
are accepted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from pcsc import duties
from pcsc import exchange as life
from pcsc.duties import CLAUSES, Content, overstays
from pcsc.errors import ConditionsError, FieldNotAllowedError, OutOfOrderError
from pcsc.exchange import Side, State
from pcsc.messages import Conclusion, Condition, Item
from pcsc.use import Information, Permission, Purpose, Refusal, may_use
from tests.builders import (
    ARSON,
    INSULT,
    NOW,
    US_ARSON,
    acceptance,
    arrangement,
    exchange,
    match,
    no_match,
    offer,
    provision,
    reply,
    request,
)

if TYPE_CHECKING:
    from annex.offences import Offence

LATER = NOW + timedelta(days=3)
PROVIDED = Information(article=5)
FORBIDDEN = (Condition("Not for immigration-related purposes.", ("immigration",)),)


# Article 8(1): the print that the queried side was sent


def kept(state: State, side: Side, kind: Content) -> bool:
    return kind in duties.permitted(exchange(state, side))


def test_8_1_after_no_match_the_received_print_is_gone_with_the_answer() -> None:
    assert not kept(State.NO_MATCH, Side.QUERIED, Content.PROBE)


def test_8_1_after_a_match_it_is_kept_until_the_request_is_answered() -> None:
    may = {state for state in State if state is not State.EXAMINED and kept(state, Side.QUERIED, Content.PROBE)}
    assert may == {State.MATCH, State.WILL_REQUEST, State.REQUESTED}


@pytest.mark.parametrize("state", [State.PROVIDED, State.OFFERED, State.REFUSED])
def test_8_1c_any_answer_to_the_request_ends_the_hold_also_a_refusal_and_an_offer(state: State) -> None:
    assert not kept(state, Side.QUERIED, Content.PROBE)


def test_8_1_the_notice_that_nothing_will_be_requested_ends_the_hold() -> None:
    told = life.determine(exchange(State.MATCH, Side.QUERIED), will_request=False, now=LATER)
    assert Content.PROBE not in duties.permitted(told)


@pytest.mark.parametrize("state", [State.MATCH, State.WILL_REQUEST])
def test_8_1d_where_no_request_ever_comes_the_arrangements_hard_stop_ends_the_hold(state: State) -> None:
    held = exchange(state, Side.QUERIED)
    assert not overstays(held, arrangement(), NOW + timedelta(days=30, seconds=-1))
    assert overstays(held, arrangement(), NOW + timedelta(days=30))
    lapsed = life.lapse(held, NOW + timedelta(days=30))
    assert Content.PROBE not in duties.permitted(lapsed)
    assert Content.ANSWER not in duties.permitted(lapsed)


def test_8_1_the_notice_of_a_request_does_not_put_the_hard_stop_off() -> None:
    told = life.determine(exchange(State.MATCH, Side.QUERIED), will_request=True, now=NOW + timedelta(days=29))
    assert overstays(told, arrangement(), NOW + timedelta(days=30))


def test_8_1_after_the_first_answer_a_further_request_gives_no_print_a_second_stay() -> None:
    again = life.request(exchange(State.PROVIDED, Side.QUERIED), request(), arrangement(), LATER)
    assert again.state is State.REQUESTED
    assert Content.PROBE not in duties.permitted(again)


def test_8_1_our_own_copy_of_what_we_provided_is_kept_for_a_while_only() -> None:
    given = exchange(State.PROVIDED, Side.QUERIED, last_event_at=LATER)
    assert not overstays(given, arrangement(), LATER + timedelta(days=30, seconds=-1))
    assert overstays(given, arrangement(), LATER + timedelta(days=30))
    assert Content.ANSWER not in duties.permitted(life.lapse(given, LATER + timedelta(days=30)))


# Article 8(2): the print that the querying side was sent


def test_8_2_the_matching_print_is_kept_from_the_answer_to_the_determination_and_no_longer() -> None:
    may = {state for state in State if kept(state, Side.QUERYING, Content.CANDIDATE)}
    assert may == {State.MATCH, State.EXAMINED}


@pytest.mark.parametrize("will_request", [True, False])
def test_8_2a_the_determination_ends_the_hold_whichever_way_it_goes(will_request: bool) -> None:
    determined = life.determine(exchange(State.EXAMINED), will_request=will_request, now=LATER)
    assert not duties.permitted(determined) & {Content.CANDIDATE, Content.PICTURE, Content.PROBE}


def test_8_2b_a_picture_of_the_print_goes_with_it() -> None:
    for state in State:
        assert kept(state, Side.QUERYING, Content.PICTURE) is kept(state, Side.QUERYING, Content.CANDIDATE)


def test_8_2_where_nobody_determines_the_arrangements_hard_stop_does() -> None:
    held = exchange(State.MATCH)
    assert overstays(held, arrangement(), NOW + timedelta(days=30))
    assert Content.CANDIDATE not in duties.permitted(life.lapse(held, NOW + timedelta(days=30)))


def test_8_2_examining_again_and_again_does_not_put_the_hard_stop_off() -> None:
    held = exchange(State.MATCH)
    for day in range(0, 30, 7):
        held = life.examine(held, Conclusion.INCONCLUSIVE, "examiner 7", NOW + timedelta(days=day))
    assert overstays(held, arrangement(), NOW + timedelta(days=30))


def test_8_2_the_hard_stop_counts_from_the_answer_not_from_the_query() -> None:
    late = life.answered(exchange(), match(), NOW + timedelta(days=20))
    assert not overstays(late, arrangement(), NOW + timedelta(days=49))
    assert overstays(late, arrangement(), NOW + timedelta(days=50))


@pytest.mark.parametrize("state", sorted(set(State) - {State.SENT, State.MATCH, State.EXAMINED}))
def test_8_2_a_hold_that_is_over_does_not_lapse(state: State) -> None:
    assert not overstays(exchange(state), arrangement(), NOW + timedelta(days=3000))


def test_8_1_and_8_2_a_print_is_determined_about_once_and_only_after_a_match() -> None:
    for side in Side:
        for state in (State.SENT, State.NO_MATCH, State.NO_REQUEST):
            with pytest.raises(
                OutOfOrderError, match=rf"a determination follows 'match' or 'examined'; .* is at '{state}'"
            ):
                life.determine(exchange(state, side), will_request=False, now=LATER)


def test_8_1_and_8_2_each_deletion_cites_its_clause() -> None:
    assert CLAUSES[Side.QUERIED, Content.PROBE] == "8(1)"
    assert CLAUSES[Side.QUERYING, Content.CANDIDATE] == CLAUSES[Side.QUERYING, Content.PICTURE] == "8(2)"


# Article 8(3): the result of a query


def test_8_3_the_result_of_a_query_serves_the_determination_and_nothing_else() -> None:
    for purpose in Purpose:
        verdict = may_use(Information(article=4), purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
        assert verdict.article == "8(3)"
        assert isinstance(verdict, Permission) is (purpose is Purpose.DETERMINATION)


def test_8_3_the_refusal_says_what_it_may_be_used_for() -> None:
    verdict = may_use(Information(article=4), Purpose.SERIOUS_CRIME, by=Party.JP, political=False, now=NOW)
    assert verdict == Refusal(
        "8(3)", "the result of a query may be used solely for 'determination', not for 'serious-crime'"
    )


def test_8_3_no_match_is_a_result_too_and_leads_nowhere() -> None:
    ended = life.answered(exchange(), no_match(), NOW)
    with pytest.raises(OutOfOrderError, match="a determination follows 'match'"):
        life.determine(ended, will_request=False, now=NOW)


# Article 8(4)


def test_8_4_the_written_notification_outlives_every_deletion_of_the_queried_side() -> None:
    assert all(kept(state, Side.QUERIED, Content.NOTIFICATION) for state in State if state is not State.EXAMINED)


# Article 8(5): information provided under Article 5


@pytest.mark.parametrize(
    ("purpose", "clause"),
    [
        (Purpose.NOTIFIED, "5(1)"),
        (Purpose.SERIOUS_CRIME, "8(5)(1)(a)"),
        (Purpose.PUBLIC_SECURITY, "8(5)(1)(b)"),
        (Purpose.IMMIGRATION, "8(5)(1)(c)"),
    ],
)
def test_8_5_1_it_serves_the_notified_purpose_and_three_more(purpose: Purpose, clause: str) -> None:
    verdict = may_use(PROVIDED, purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
    assert isinstance(verdict, Permission)
    assert verdict.article == clause


@pytest.mark.parametrize("purpose", [Purpose.PUBLIC_SECURITY, Purpose.IMMIGRATION])
def test_8_5_1_public_security_and_immigration_need_no_serious_crime(purpose: Purpose) -> None:
    assert isinstance(may_use(PROVIDED, purpose, by=Party.JP, political=False, offences=[INSULT], now=NOW), Permission)


@pytest.mark.parametrize(
    ("offences", "reason"),
    [
        ([], "none is named"),
        ([INSULT], "the information may not be used for it"),
        ([US_ARSON], "For Article 8, Article 1(3) looks only at the law of the Party that queries or uses, here Japan"),
    ],
    ids=["none", "not serious", "law of the other Party"],
)
def test_8_5_1a_investigation_of_serious_crime_is_measured_by_the_law_of_the_party_that_uses(
    offences: list[Offence],
    reason: str,
) -> None:
    verdict = may_use(PROVIDED, Purpose.SERIOUS_CRIME, by=Party.JP, political=False, offences=offences, now=NOW)
    assert isinstance(verdict, Refusal)
    assert verdict.article == "1(3)"
    assert reason in verdict.reason


@pytest.mark.parametrize("purpose", [Purpose.OTHER, Purpose.REVIEW, Purpose.DETERMINATION])
def test_8_5_2_any_other_purpose_needs_prior_consent_in_writing(purpose: Purpose) -> None:
    verdict = may_use(PROVIDED, purpose, by=Party.US, political=False, offences=[US_ARSON], now=NOW)
    assert verdict == Refusal(
        "8(5)(2)", f"'{purpose}' needs the other Party's prior consent, asked for in writing with the purpose"
    )


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.DETERMINATION}))
def test_8_5a_information_given_without_a_request_has_no_notified_purpose_and_no_share_in_paragraph_5(
    purpose: Purpose,
) -> None:
    verdict = may_use(Information(article=6), purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
    assert verdict == Refusal("8(5)", "the purposes of paragraph 5 are for information provided under Article 5")


# Article 8(6)


def test_8_6_the_result_of_a_use_serves_the_review_of_the_agreement_and_nothing_else() -> None:
    for purpose in Purpose:
        verdict = may_use(Information(article=7), purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
        assert verdict.article == "8(6)"
        assert isinstance(verdict, Permission) is (purpose is Purpose.REVIEW)


# Article 8(8): conditions


def test_8_8a_under_conditions_nothing_is_given_before_they_are_accepted() -> None:
    with pytest.raises(
        ConditionsError, match=r"^Art\. 8\(8\): .*offered first and given on acceptance; it came at once"
    ) as refused:
        reply(conditions=FORBIDDEN)
    assert refused.value.code == "8-8.NOT_ACCEPTED"


def test_8_8_an_offer_has_conditions_to_accept() -> None:
    with pytest.raises(ConditionsError, match="offered only where there are conditions to accept; none came"):
        offer(conditions=())


def test_8_8_a_condition_is_imposed_in_words() -> None:
    with pytest.raises(ConditionsError, match="a condition is imposed in words; this one is empty"):
        Condition(" ", ("immigration",))


@pytest.mark.parametrize("side", Side)
def test_8_8_a_condition_forbids_what_can_be_told_apart(side: Side) -> None:
    with pytest.raises(
        ConditionsError, match=r"a condition forbids purposes among .*immigration.*; imigration, visas is none"
    ):
        life.reply(exchange(State.REQUESTED, side), offer(forbids=("visas", "immigration", "imigration")), LATER)


@pytest.mark.parametrize("side", Side)
def test_8_8_acceptance_brings_what_was_offered_and_binds(side: Side) -> None:
    accepted = life.accept(exchange(State.OFFERED, side), acceptance(), LATER)
    assert (accepted.state, accepted.conditions) == (State.PROVIDED, FORBIDDEN)
    assert life.provide(accepted, provision(), LATER).last_event_at == LATER


@pytest.mark.parametrize("side", Side)
def test_8_8_what_was_declined_is_never_given(side: Side) -> None:
    declined = life.accept(exchange(State.OFFERED, side), acceptance(accepted=False), LATER)
    assert declined.state is State.DECLINED
    assert not duties.permitted(declined) & {Content.SNAPSHOT, Content.PROBE}
    with pytest.raises(OutOfOrderError, match=r"a provision follows 'provided'; .* is at 'declined'"):
        life.provide(declined, provision(), LATER)


def test_8_8_acceptance_is_signed() -> None:
    with pytest.raises(ConditionsError, match="acceptance binds the Party, so somebody signs it; no name came"):
        acceptance(signed_by=" ")


@pytest.mark.parametrize("change", [{"reply": "US261122-REPLY009"}, {"reference": "ANOTHER"}])
def test_8_8_acceptance_is_of_the_offer_that_waits(change: dict[str, str]) -> None:
    with pytest.raises(ConditionsError, match=r"the acceptance is of reply .*; the one waiting is 'US261122-REPLY001'"):
        life.accept(exchange(State.OFFERED), acceptance(**change), LATER)


@pytest.mark.parametrize("change", [{"reply": "US261122-REPLY009"}, {"reference": "ANOTHER"}])
def test_8_8_what_is_given_follows_the_offer_that_was_accepted(change: dict[str, str]) -> None:
    accepted = life.accept(exchange(State.OFFERED), acceptance(), LATER)
    with pytest.raises(
        OutOfOrderError, match=r"the provision follows reply .*; the accepted one is 'US261122-REPLY001'"
    ):
        life.provide(accepted, provision(**change), LATER)


@pytest.mark.parametrize("kinds", [(), ("aliases",), ("name", "aliases")])
def test_8_8_neither_more_nor_less_is_given_than_was_offered(kinds: tuple[str, ...]) -> None:
    accepted = life.accept(exchange(State.OFFERED), acceptance(), LATER)
    came = provision(items=tuple(Item(kind, "value") for kind in kinds))
    with pytest.raises(FieldNotAllowedError, match=r"what was offered is given, name; what came is (aliases|nothing)"):
        life.provide(accepted, came, LATER)


@pytest.mark.parametrize("purpose", Purpose)
def test_8_8b_an_accepted_condition_beats_every_purpose_it_names(purpose: Purpose) -> None:
    bound = Information(article=5, conditions=(Condition("Not for this.", (purpose.value,)),))
    verdict = may_use(bound, purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
    assert verdict == Refusal("8(8)", "the accepted condition forbids it: Not for this.")


def test_8_8b_what_the_condition_does_not_name_stays_allowed() -> None:
    bound = Information(article=5, conditions=FORBIDDEN)
    verdict = may_use(bound, Purpose.SERIOUS_CRIME, by=Party.JP, political=False, offences=[ARSON], now=NOW)
    assert isinstance(verdict, Permission)


@pytest.mark.parametrize("article", [5, 6])
def test_8_8_information_whose_conditions_were_not_accepted_is_not_used_at_all(article: int) -> None:
    verdict = may_use(
        Information(article=article, conditions=FORBIDDEN, accepted=False),
        Purpose.NOTIFIED,
        by=Party.JP,
        political=False,
        now=NOW,
    )
    assert verdict == Refusal("8(8)", "its conditions were not accepted, so the information may not be used at all")


# Article 8(9)


def test_8_9_when_an_exchange_is_closed_the_information_is_no_longer_kept() -> None:
    assert kept(State.PROVIDED, Side.QUERYING, Content.INFORMATION)
    closed = life.close(exchange(State.PROVIDED), LATER)
    assert Content.INFORMATION not in duties.permitted(closed)
    assert CLAUSES[Side.QUERYING, Content.INFORMATION] == "8(9)"
