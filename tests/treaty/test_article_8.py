"""Article 8: what is deleted when, and what the rest may be used for.

(1) the queried side deletes the print it was sent "immediately after making the response", or, after a match, keeps it
"until it responds to the request" of Article 5(1); (2) the querying side deletes the print it was sent "immediately after
determining whether or not to request"; (3) the result serves "solely" that determination; (5) information provided under
Article 5 serves further purposes, and others with prior consent; (6) the result of a use serves the review of the agreement;
(7) nothing is released to others without prior consent; (8) conditions bind when they are accepted; (9) information is kept
"only so long as necessary".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party, rules_in_force
from pcsc import duties, ledger, life, matters, retention
from pcsc.duties import CLAUSES, Content, due, overstays
from pcsc.errors import ConditionsError, ConsentError, FieldNotAllowedError, OutOfOrderError, RetentionError
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import RESULT, Conclusion, Condition, ConsentRequest, ConsentTo, Item, Recipient, RecipientKind
from pcsc.use import Consent, Information, Permission, Purpose, Refusal, consents_of, may_release, may_use
from tests.builders import (
    ARSON,
    EUROPOL,
    INSULT,
    INTERPOL,
    NOW,
    UNASKED,
    US_ARSON,
    acceptance,
    arrangement,
    consent_decision,
    consent_request,
    exchange,
    match,
    no_match,
    offer,
    provided_unasked,
    provision,
    release_request,
    reply,
    request,
    result_of_use,
    result_request,
    unasked,
    unasked_offer,
    use,
)

if TYPE_CHECKING:
    from datetime import datetime

    from annex.offences import Offence

LATER = NOW + timedelta(days=3)
RULES = rules_in_force(NOW.date())
PROVIDED = Information(article=5)
FORBIDDEN = (Condition("Not for immigration-related purposes.", ("immigration",)),)
NOT_OTHERWISE = (Condition("For nothing else.", ("other",)),)


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
    given = life.reply(exchange(State.REQUESTED, Side.QUERIED), reply(), LATER)
    asked = replace(given, last_event_at=LATER + timedelta(days=9))  # what is asked beside it does not prolong it
    for at in (given, asked):
        assert not overstays(at, arrangement(), LATER + timedelta(days=30, seconds=-1))
        assert overstays(at, arrangement(), LATER + timedelta(days=30))
        assert Content.ANSWER not in duties.permitted(life.lapse(at, LATER + timedelta(days=30)))


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


# Article 8(5)(2): another purpose, with prior consent


def asked(at: Exchange, message: ConsentRequest, by: Party = Party.JP) -> Exchange:
    return matters.raised(at, message, by, arrangement(), NOW)


def consented(at: Exchange, message: ConsentRequest, *, granted: bool = True) -> Exchange:
    """Return an exchange in which Japan asked for consent and the United States decided on it at LATER."""
    decision = consent_decision(granted=granted, reason="The case is sealed.")
    return matters.settled(asked(at, message), decision, Party.US, LATER)


def held(at: Exchange) -> Information:
    return Information.provided_in(at, at.conditions, {"name"})


INQUEST: Final = "An inquest into the fire."


@pytest.mark.parametrize("article", [5, 6])
def test_8_5_2_any_other_purpose_needs_prior_consent_in_writing(article: int) -> None:
    verdict = may_use(
        Information(article=article), Purpose.OTHER, by=Party.JP, political=False, stated=INQUEST, now=NOW
    )
    assert verdict == Refusal(
        "8(5)(2)",
        "the purpose 'An inquest into the fire.' needs the other Party's prior consent, asked for in writing with the purpose",
    )


@pytest.mark.parametrize("purpose", [Purpose.REVIEW, Purpose.DETERMINATION])
def test_8_5_2_a_purpose_of_other_information_is_none_of_this(purpose: Purpose) -> None:
    verdict = may_use(PROVIDED, purpose, by=Party.US, political=False, offences=[US_ARSON], now=NOW)
    assert verdict == Refusal(
        "8(5)(2)",
        f"'{purpose}' is no purpose of such information; any other is stated in words and consented to first",
    )


@pytest.mark.parametrize("at", [exchange(State.PROVIDED), provided_unasked()], ids=["Article 5", "Article 6"])
def test_8_5_2_consent_lets_use_for_the_purpose_that_was_specified_and_no_other(at: Exchange) -> None:
    information = held(consented(at, consent_request()))
    assert may_use(information, Purpose.OTHER, by=Party.JP, political=False, stated=INQUEST, now=LATER) == Permission(
        "8(5)(2)", "the other Party consented to it in writing on 2026-11-25"
    )
    for other in ("", "An inquest", "A civil claim of the insurer."):
        verdict = may_use(information, Purpose.OTHER, by=Party.JP, political=False, stated=other, now=LATER)
        assert verdict.article == "8(5)(2)"
        assert isinstance(verdict, Refusal)


def test_8_5_2_consent_is_prior_and_does_not_reach_back() -> None:
    information = held(consented(exchange(State.PROVIDED), consent_request()))
    for now, allowed in ((NOW, False), (LATER - timedelta(seconds=1), False), (LATER, True)):
        verdict = may_use(information, Purpose.OTHER, by=Party.JP, political=False, stated=INQUEST, now=now)
        assert isinstance(verdict, Permission) is allowed


def test_8_5_2_consent_that_is_asked_for_or_withheld_is_none() -> None:
    provided = exchange(State.PROVIDED)
    for at in (asked(provided, consent_request()), consented(provided, consent_request(), granted=False)):
        assert consents_of(at) == ()


def test_8_5_2_what_the_other_party_asked_for_and_we_consented_to_is_no_consent_of_ours() -> None:
    assert consents_of(consented(exchange(State.PROVIDED, Side.QUERIED), consent_request())) == ()


def test_8_5_2_an_accepted_condition_beats_consent_to_another_use() -> None:
    information = replace(held(consented(exchange(State.PROVIDED), consent_request())), conditions=NOT_OTHERWISE)
    verdict = may_use(information, Purpose.OTHER, by=Party.JP, political=False, stated=INQUEST, now=LATER)
    assert verdict == Refusal("8(8)", "the accepted condition forbids it: For nothing else.")


@pytest.mark.parametrize(("field", "named"), [("purpose", "purpose"), ("signed_by", "signature")])
def test_8_5_2_the_request_is_written_and_specifies_the_purpose(field: str, named: str) -> None:
    with pytest.raises(
        ConsentError,
        match=rf"^Art\. 8\(5\)\(2\): consent is requested in writing, by specifying the purpose .*; the {named} is empty",
    ) as refused:
        consent_request(**{field: " "})
    assert refused.value.code == "8-5.NO_CONSENT"


@pytest.mark.parametrize("state", [State.MATCH, State.WILL_REQUEST, State.REQUESTED, State.OFFERED, State.REFUSED])
@pytest.mark.parametrize("side", Side)
def test_8_5_2_consent_is_asked_for_by_who_received_the_information(side: Side, state: State) -> None:
    with pytest.raises(
        ConsentError,
        match=rf"consent under Article 8\(5\)\(2\) is asked for by the Party that received .*; JP received none .* '{state}'",
    ):
        asked(exchange(state, side), consent_request())
    with pytest.raises(ConsentError, match="US received none in exchange"):  # it provided
        asked(exchange(State.PROVIDED, side), consent_request(), by=Party.US)


def test_8_5_2_the_decision_is_signed_and_withheld_with_a_reason() -> None:
    with pytest.raises(ConsentError, match=r"consent is given or withheld in writing, so somebody signs it"):
        consent_decision(signed_by=" ")
    with pytest.raises(ConsentError, match="consent that is withheld is withheld with a reason; none came: state it"):
        consent_decision(granted=False, reason=" ")


def of_the_us() -> Exchange:
    """Return an exchange in which Japan provided and the United States ask for consent."""
    at = replace(exchange(State.PROVIDED, Side.QUERIED), querying=Party.US)
    return asked(at, consent_request(), by=Party.US)


def test_8_5_2_japan_reports_a_consent_before_it_gives_it() -> None:
    at = of_the_us()
    (matter,) = at.matters
    with pytest.raises(
        ConsentError,
        match=r"JP reports a consent under Article 8\(5\)\(2\) to the National Public Safety Commission before .*"
        r"\(Rule 16 of 2018, Article 4\); no report is entered: enter it, or say that there was no time for it",
    ):
        matters.check_report(matter, Party.JP, RULES, granted=True, urgent=False)
    matters.check_report(matter, Party.JP, RULES, granted=False, urgent=False)  # what is withheld is not reported
    (matter,) = matters.reported(at, matter.number, " NPSC-2026-3 ", NOW).matters
    assert matter.report == "NPSC-2026-3"
    matters.check_report(matter, Party.JP, RULES, granted=True, urgent=False)


def test_8_5_2_where_there_was_no_time_japan_reports_without_delay_afterwards() -> None:
    at = of_the_us()
    matters.check_report(at.matters[0], Party.JP, RULES, granted=True, urgent=True)
    given = matters.settled(at, consent_decision(), Party.JP, LATER)
    assert [(duty.what, duty.article, duty.by) for duty in due(given, arrangement(), RULES)] == [
        ("report the consent that was given without delay", "8(5)(2)", LATER)
    ]
    assert due(matters.reported(given, at.matters[0].number, "NPSC-2026-3", LATER), arrangement(), RULES) == ()


def test_8_5_2_the_united_states_have_no_such_rule() -> None:
    (matter,) = asked(exchange(State.PROVIDED, Side.QUERIED), consent_request()).matters
    matters.check_report(matter, Party.US, RULES, granted=True, urgent=False)


# Article 8(5) and information under Article 6


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.SERIOUS_CRIME, Purpose.OTHER}))
def test_8_5a_information_given_without_a_request_has_no_notified_purpose_and_no_share_in_paragraph_5(
    purpose: Purpose,
) -> None:
    verdict = may_use(Information(article=6), purpose, by=Party.JP, political=False, offences=[ARSON], now=NOW)
    assert verdict == Refusal(
        "8(5)",
        "the purposes of paragraph 5 are for information provided under Article 5; what was provided without request is used "
        "for serious crime, or with consent",
    )


@pytest.mark.parametrize(("offence", "clause"), [(ARSON, "6"), (US_ARSON, "1(3)"), (INSULT, "1(3)")])
def test_8_5a_it_serves_what_it_was_given_for_by_the_law_of_the_party_that_uses(offence: Offence, clause: str) -> None:
    verdict = may_use(
        Information(article=6), Purpose.SERIOUS_CRIME, by=Party.JP, political=False, offences=[offence], now=NOW
    )
    assert verdict.article == clause
    assert isinstance(verdict, Permission) is (clause == "6")


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
    with pytest.raises(
        ConditionsError, match=r"the acceptance is of reply .*; the one waiting is 'US261122-REPLY001' on"
    ):
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


@pytest.mark.parametrize("side", Side)
def test_8_8_information_without_request_is_offered_under_conditions_too(side: Side) -> None:
    offered = life.provide_unasked(unasked_offer(), side, arrangement(), NOW)
    assert (offered.state, offered.provided_at, offered.open_purposes) == (State.OFFERED, None, ())
    assert Content.INFORMATION not in duties.permitted(offered)
    accepted = life.accept(offered, acceptance(reply=UNASKED, reference=UNASKED), LATER)
    given = life.provide(accepted, provision(reply=UNASKED, reference=UNASKED), LATER)
    assert (given.state, given.conditions, given.open_purposes) == (State.PROVIDED, FORBIDDEN, ("serious-crime",))
    declined = life.accept(offered, acceptance(reply=UNASKED, reference=UNASKED, accepted=False), LATER)
    with pytest.raises(OutOfOrderError, match=r"a provision follows 'provided'; .* is at 'declined'"):
        life.provide(declined, provision(reply=UNASKED, reference=UNASKED), LATER)


def test_8_8_information_without_request_under_conditions_does_not_come_at_once() -> None:
    with pytest.raises(ConditionsError, match=r"offered first and given on acceptance; without conditions it comes at"):
        unasked(conditions=FORBIDDEN)
    with pytest.raises(ConditionsError, match=r"offered first and given on acceptance; without conditions it comes at"):
        unasked_offer(conditions=())


@pytest.mark.parametrize("side", Side)
def test_8_8_a_condition_on_it_forbids_what_can_be_told_apart(side: Side) -> None:
    with pytest.raises(ConditionsError, match=r"forbids purposes among .*; visas is none: name the purpose, or say it"):
        life.provide_unasked(unasked_offer(forbids=("visas",)), side, arrangement(), NOW)


def test_8_8a_the_content_is_not_to_be_held_before_its_conditions_are_accepted() -> None:
    """The queried side keeps what it froze; nothing that could be read is with the querying side."""
    offered = exchange(State.OFFERED)
    assert Content.INFORMATION not in duties.permitted(offered)
    assert held(offered).accepted is False
    assert Content.INFORMATION not in duties.permitted(life.accept(offered, acceptance(accepted=False), LATER))
    given = life.provide(life.accept(offered, acceptance(), LATER), provision(), LATER)
    assert Content.INFORMATION in duties.permitted(given)
    assert held(given).accepted is True


@pytest.mark.parametrize(
    "recipient",
    [Recipient(kind, "somebody") for kind in RecipientKind],
    ids=[kind.name.lower() for kind in RecipientKind],
)
def test_8_8_what_was_not_accepted_is_not_released_either(recipient: Recipient) -> None:
    verdict = may_release(Information(article=5, accepted=False), recipient, by=Party.JP, now=NOW)
    assert verdict == Refusal("8(8)", "its conditions were not accepted, so there is nothing that could be released")


# Article 8(7)

ABROAD: Final = sorted(set(RecipientKind) - {RecipientKind.AUTHORITY})


@pytest.mark.parametrize("kind", ABROAD)
@pytest.mark.parametrize("article", [4, 5, 6, 7])
def test_8_7_nothing_provided_under_articles_4_to_7_is_released_without_prior_consent(
    article: int, kind: RecipientKind
) -> None:
    verdict = may_release(Information(article=article), Recipient(kind, "Somebody"), by=Party.JP, now=NOW)
    assert verdict == Refusal(
        "8(7)",
        f"nothing provided under Articles 4 to 7 is released to Somebody ({kind}) without the prior written consent of US, to "
        "this recipient by name",
    )


def test_8_7a_nothing_goes_to_interpol_by_itself() -> None:
    assert INTERPOL.kind is RecipientKind.BODY
    verdict = may_release(held(exchange(State.PROVIDED)), INTERPOL, by=Party.JP, now=NOW)
    assert isinstance(verdict, Refusal)


def test_8_7c_consent_to_one_recipient_is_not_consent_to_another() -> None:
    information = held(consented(exchange(State.PROVIDED), release_request()))
    assert may_release(information, INTERPOL, by=Party.JP, now=LATER) == Permission(
        "8(7)", "the other Party consented in writing on 2026-11-25"
    )
    for other in (EUROPOL, Recipient(RecipientKind.ENTITY, "INTERPOL"), Recipient(RecipientKind.BODY, "Interpol")):
        assert may_release(information, other, by=Party.JP, now=LATER).article == "8(7)"
        assert isinstance(may_release(information, other, by=Party.JP, now=LATER), Refusal)


def test_8_7_consent_to_a_release_is_prior() -> None:
    information = held(consented(exchange(State.PROVIDED), release_request()))
    assert isinstance(may_release(information, INTERPOL, by=Party.JP, now=LATER - timedelta(seconds=1)), Refusal)


def test_8_7_consent_to_a_use_is_no_consent_to_a_release_and_the_other_way_round() -> None:
    to_use = held(consented(exchange(State.PROVIDED), consent_request()))
    assert isinstance(may_release(to_use, INTERPOL, by=Party.JP, now=LATER), Refusal)
    to_release = held(consented(exchange(State.PROVIDED), release_request()))
    verdict = may_use(to_release, Purpose.OTHER, by=Party.JP, political=False, stated="A notice.", now=LATER)
    assert isinstance(verdict, Refusal)


@pytest.mark.parametrize("to", [ConsentTo.USE, ConsentTo.RELEASE])
def test_8_7_a_request_for_consent_to_a_release_names_its_recipient_and_one_to_a_use_has_none(to: ConsentTo) -> None:
    recipient = INTERPOL if to is ConsentTo.USE else None
    with pytest.raises(ConsentError, match=r"a release is consented to for a named recipient .*, and a use has none"):
        consent_request(to=to, recipient=recipient)
    with pytest.raises(ConsentError, match="a release is to somebody by name; none was given: name the recipient"):
        Recipient(RecipientKind.STATE, " ")


@pytest.mark.parametrize("article", [4, 5, 6, 7])
@pytest.mark.parametrize("recipient", [INTERPOL, Recipient(RecipientKind.PERSON, "The defendant")], ids=str)
def test_8_7_what_the_law_obliges_to_disclose_is_disclosed_and_the_law_is_cited(
    article: int, recipient: Recipient
) -> None:
    for information in (
        Information(article=article),
        Information(article=article, restricted=True),
        Information(article=article, accepted=False),
    ):
        verdict = may_release(
            information, recipient, by=Party.JP, law=" Code of Criminal Procedure, Art. 299 ", now=NOW
        )
        assert verdict == Permission(
            "8(7)",
            "the law of Japan obliges to disclose it (Code of Criminal Procedure, Art. 299), which the agreement does not "
            "affect",
        )
        assert isinstance(may_release(information, recipient, by=Party.JP, law="  ", now=NOW), Refusal)


COURT: Final = Recipient(RecipientKind.AUTHORITY, "Sapporo District Public Prosecutors Office")


@pytest.mark.parametrize(
    ("article", "verdict"),
    [
        (4, Refusal("8(3)", "the result of a query stays with those who use it for its sole purpose")),
        (7, Refusal("8(6)", "the result of a use stays with those who use it for its sole purpose")),
        (
            5,
            Refusal(
                "8(5)", f"{COURT.name} is an authority of JP, which uses it for a purpose: ask for that use, naming it"
            ),
        ),
        (
            6,
            Refusal(
                "8(5)", f"{COURT.name} is an authority of JP, which uses it for a purpose: ask for that use, naming it"
            ),
        ),
    ],
)
def test_8_7_an_authority_of_the_same_party_is_no_third_one_and_uses_by_the_other_gate(
    article: int, verdict: Refusal
) -> None:
    assert may_release(Information(article=article), COURT, by=Party.JP, now=NOW) == verdict


@pytest.mark.parametrize(
    ("at", "by"),
    [
        (exchange(State.NO_MATCH), Party.JP),
        (exchange(State.MATCH), Party.JP),
        (exchange(State.NO_MATCH), Party.US),
        (exchange(State.CLOSED), Party.US),
        (provided_unasked(), Party.JP),
    ],
    ids=["no match", "match", "the print of the query", "after all", "without request"],
)
def test_8_7_whoever_received_anything_may_ask_also_for_a_print_or_an_answer(at: Exchange, by: Party) -> None:
    (matter,) = asked(at, release_request(), by).matters
    assert (matter.to, matter.recipient, matter.raised_by) == (ConsentTo.RELEASE, INTERPOL, by)


def test_8_7_who_received_nothing_has_nothing_to_ask_for() -> None:
    offered = life.provide_unasked(unasked_offer(), Side.QUERYING, arrangement(), NOW)
    for at, by in (
        (exchange(State.SENT), Party.JP),
        (offered, Party.JP),
        (provided_unasked(), Party.US),
        (exchange(State.OPEN), Party.JP),
    ):
        with pytest.raises(ConsentError, match=rf"consent under Article 8\(7\) is asked for .*; {by} received none in"):
            asked(at, release_request(), by)


def test_8_7_the_result_of_a_use_was_provided_too() -> None:
    at = matters.raised(provided_unasked(), result_request(), Party.US, arrangement(), NOW)
    told = matters.settled(at, result_of_use(), Party.JP, NOW)
    assert asked(told, release_request(), Party.US).matters[-1].raised_by is Party.US


@pytest.mark.parametrize("to", ConsentTo)
def test_8_5_2_and_8_7_a_question_is_answered_in_time(to: ConsentTo) -> None:
    message = consent_request() if to is ConsentTo.USE else release_request()
    for side, what in ((Side.QUERYING, "US owes: decide on the consent"), (Side.QUERIED, "decide on the consent")):
        wanted = [
            duty for duty in due(asked(exchange(State.PROVIDED, side), message), arrangement(), RULES) if duty.matter
        ]
        assert [(duty.what, duty.article, duty.by) for duty in wanted] == [(what, to, NOW + timedelta(days=14))]


# Article 8(9)


def used(purpose: Purpose) -> Exchange:
    """Return an exchange whose information was provided for the notified purpose and used for another."""
    return ledger.use(exchange(State.PROVIDED), use(purpose=purpose.value), LATER)


def test_8_9_when_an_exchange_is_closed_the_information_is_no_longer_kept() -> None:
    assert kept(State.PROVIDED, Side.QUERYING, Content.INFORMATION)
    closed = life.close(exchange(State.PROVIDED), LATER)
    assert Content.INFORMATION not in duties.permitted(closed)
    assert CLAUSES[Side.QUERYING, Content.INFORMATION] == "8(9)"


def test_8_9_it_is_kept_while_one_purpose_is_open_and_goes_with_the_last() -> None:
    at = used(Purpose.IMMIGRATION)
    assert at.open_purposes == ("notified", "immigration")
    at = ledger.end_purpose(at, Purpose.NOTIFIED, LATER)
    assert (at.state, at.open_purposes) == (State.PROVIDED, ("immigration",))
    assert Content.INFORMATION in duties.permitted(at)
    at = ledger.end_purpose(at, Purpose.IMMIGRATION, LATER)
    assert (at.state, at.open_purposes) == (State.CLOSED, ())
    assert Content.INFORMATION not in duties.permitted(at)


@pytest.mark.parametrize("state", [State.REQUESTED, State.WILL_REQUEST, State.OFFERED])
def test_8_9_it_goes_with_the_last_purpose_also_while_more_is_asked_for(state: State) -> None:
    at = ledger.end_purpose(replace(exchange(State.PROVIDED), state=state), Purpose.NOTIFIED, LATER)
    assert (at.state, at.open_purposes) == (state, ())
    assert Content.INFORMATION not in duties.permitted(at)


def test_8_9_only_an_open_purpose_is_ended() -> None:
    with pytest.raises(
        RetentionError,
        match=r"^Art\. 8\(9\): the information of exchange .* is held for notified; 'immigration' is not among them: end",
    ) as refused:
        ledger.end_purpose(exchange(State.PROVIDED), Purpose.IMMIGRATION, LATER)
    assert refused.value.code == "8-9.NO_PURPOSE"
    with pytest.raises(RetentionError, match="is held for no purpose; 'notified' is not among them"):
        ledger.end_purpose(exchange(State.CLOSED), Purpose.NOTIFIED, LATER)


@pytest.mark.parametrize("state", [State.PROVIDED, State.REQUESTED, State.OFFERED, State.REFUSED, State.DECLINED])
def test_8_9_whether_it_is_still_necessary_is_reviewed_from_time_to_time_also_while_more_is_asked_for(
    state: State,
) -> None:
    at = replace(exchange(State.PROVIDED), state=state)
    assert reviews(at) == [NOW + timedelta(days=90)]
    assert reviews(ledger.review(at, "the head of unit", LATER)) == [LATER + timedelta(days=90)]
    assert reviews(replace(at, open_purposes=())) == []


def reviews(at: Exchange) -> list[datetime]:
    return [duty.by for duty in due(at, arrangement(), RULES) if duty.article == "8(9)"]


def test_8_9_a_review_names_who_made_it_and_finds_something_to_be_necessary_for() -> None:
    with pytest.raises(RetentionError, match=r"a review of whether .* names who made it; no name was given"):
        ledger.review(exchange(State.PROVIDED), "  ", LATER)
    with pytest.raises(
        RetentionError, match=r"no purpose of exchange .* is open, so nothing of it is necessary: close it"
    ):
        ledger.review(exchange(State.REFUSED), "the head of unit", LATER)
    with pytest.raises(OutOfOrderError, match=r"a review follows 'provided' or .*; exchange .* is at 'closed'"):
        ledger.review(exchange(State.CLOSED), "the head of unit", LATER)


def test_8_7_a_consent_covers_what_it_names_and_nothing_that_came_besides() -> None:
    consent = Consent(ConsentTo.RELEASE, "A notice.", INTERPOL, NOW, ("name",))
    held = Information(5, consents=(consent,), kinds=frozenset({"name"}))
    assert isinstance(may_release(held, INTERPOL, by=Party.JP, now=NOW), Permission)
    more = replace(held, kinds=frozenset({"name", "date of birth"}))
    assert isinstance(may_release(more, INTERPOL, by=Party.JP, now=NOW), Refusal)
    result = replace(held, article=4, kinds=frozenset({RESULT}))
    assert isinstance(may_release(result, INTERPOL, by=Party.JP, now=NOW), Refusal)


def test_8_5_2_a_consent_to_a_use_covers_the_items_that_it_names() -> None:
    consent = Consent(ConsentTo.USE, "An inquest.", None, NOW, ("name",))
    held = Information(5, consents=(consent,), kinds=frozenset({"name"}))
    asked = {"by": Party.JP, "political": False, "stated": "An inquest.", "now": NOW}
    assert may_use(held, Purpose.OTHER, **asked).article == "8(5)(2)"
    assert isinstance(may_use(held, Purpose.OTHER, **asked), Permission)
    more = replace(held, kinds=frozenset({"name", "date of birth"}))
    assert isinstance(may_use(more, Purpose.OTHER, **asked), Refusal)


@pytest.mark.parametrize(
    ("kinds", "to", "message"),
    [
        (
            ("naem",),
            ConsentTo.USE,
            "'naem' is no kind of item that US may give; arrangement test-1 lists name, date of birth",
        ),
        ((RESULT,), ConsentTo.USE, "serves one purpose alone"),
        ((RESULT, "name"), ConsentTo.RELEASE, "consented to apart from items: ask for each by itself"),
    ],
)
def test_8_7_consent_is_asked_for_what_there_is(kinds: tuple[str, ...], to: ConsentTo, message: str) -> None:
    make = consent_request if to is ConsentTo.USE else release_request
    at = exchange(State.PROVIDED)
    with pytest.raises(ConsentError, match=message):
        matters.raised(at, make(kinds=kinds), at.ours, arrangement(), NOW)


def test_8_7_consent_to_nothing_in_particular_is_not_asked_for() -> None:
    with pytest.raises(
        ConsentError, match="by saying what it is about; name the items, or 'result of automated querying'"
    ):
        consent_request(kinds=())


def test_8_4_no_deletion_takes_the_written_notification_before_its_own_term(monkeypatch: pytest.MonkeyPatch) -> None:
    replied = exchange(State.REFUSED, Side.QUERIED)
    assert Content.NOTIFICATION in duties.permitted(replied)
    assert retention.ends_at(replied, arrangement()) == NOW.replace(year=NOW.year + 2)
    longer = replace(rules_in_force(NOW.date()), notification_months=60)
    monkeypatch.setattr(retention, "rules_in_force", lambda _on: longer)
    assert retention.ends_at(replied, arrangement()) == NOW.replace(year=NOW.year + 5)
    # The querying side's own copy, and an exchange without a request, have the record's term.
    assert retention.ends_at(exchange(State.REFUSED), arrangement()) == NOW.replace(year=NOW.year + 2)
    assert retention.ends_at(exchange(State.NO_MATCH, Side.QUERIED), arrangement()) == NOW.replace(year=NOW.year + 2)


def test_8_7_consent_to_release_the_result_of_a_query_is_asked_for_by_itself() -> None:
    at = exchange(State.MATCH)
    asked = matters.raised(at, release_request(kinds=(RESULT,)), at.ours, arrangement(), NOW)
    assert asked.matters[-1].concerns == (RESULT,)
    assert asked.restricted == ()  # a request for consent withholds nothing
