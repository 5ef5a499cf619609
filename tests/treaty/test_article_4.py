"""Article 4: who may query, why, how it is answered, and what comes with a match.

(1) each Party permits the other's contact points to query; (3) "only if particular circumstances give reason to inquire
whether the individual will commit or has committed a serious crime"; (4) the answer is automatic: "either that there is a
match, with a corresponding reference number, or that there is no match"; (5) a match comes with the fingerprint data "to
allow the querying contact point to confirm the result"; (6) of a match that no request follows the queried side may ask an
explanation "within a reasonable period of time", which is given "in a timely manner"; (7) details are for the implementing
arrangement.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.offences import Category, Form, Offence, Penalty
from annex.parameters import Party, rules_in_force
from pcsc import duties, life, matters
from pcsc.duties import Content, due
from pcsc.errors import (
    FollowedError,
    NoAnswerError,
    NoAuthorityError,
    NoCircumstancesError,
    NoExplanationError,
    NoPrintsError,
    NotSeriousCrimeError,
    NotUnfollowedError,
    OutOfOrderError,
    QuotaError,
    TreatyError,
    UnconfirmedError,
)
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import Authority, Conclusion, Expectation, ExplanationRequest, Match, NoMatch, Query, Search, Why
from tests.builders import (
    ARSON,
    CIRCUMSTANCES,
    INSULT,
    NOW,
    QUERY,
    REFERENCE,
    US_ARSON,
    arrangement,
    basis,
    exchange,
    explanation,
    explanation_request,
    match,
    no_match,
    provided_unasked,
    query,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def open_(message: Query, circumstances: str = CIRCUMSTANCES, *, made_today: int = 0) -> Exchange:
    return life.open_query(message, circumstances, arrangement(), made_today=made_today, now=NOW)


def receive(message: Query, *, made_today: int = 0) -> Exchange:
    return life.receive_query(message, arrangement(), made_today=made_today, now=NOW)


# Article 1(3) as it is applied to a query

ATTEMPT = Offence("arson", Party.JP, "Penal Code, Art. 109", Penalty(months=240), Category.ARSON, Form.ATTEMPT)
ONE_YEAR = Offence("embezzlement", Party.JP, "Penal Code, Art. 254", Penalty(months=12), Category.EMBEZZLEMENT)


@pytest.mark.parametrize("admit", [open_, receive], ids=["before it is sent", "when it is received"])
@pytest.mark.parametrize(
    ("offence", "reason"),
    [
        (INSULT, r"at least 3 years where no category of Annex I describes the conduct; insult .* at most 1 year"),
        (ONE_YEAR, r"more than 1 year under Annex I\(7\)"),
        (ATTEMPT, "no provision that makes it an offence is cited"),
        (US_ARSON, "looks only at the law of the Party that queries or uses, here Japan"),
    ],
    ids=["one year, no category", "one year exactly", "attempt without its provision", "law of the other Party"],
)
def test_1_3_a_query_about_conduct_that_is_not_serious_crime_is_refused_on_both_sides(
    admit: Callable[..., Exchange], offence: Offence, reason: str
) -> None:
    with pytest.raises(NotSeriousCrimeError, match=rf"^Art\. 1\(3\): .*{reason}.*the query may not be made") as refused:
        admit(query(basis=basis(offence)))
    assert refused.value.code == "1-3.NOT_SERIOUS"


@pytest.mark.parametrize("admit", [open_, receive], ids=["before it is sent", "when it is received"])
def test_1_3_one_offence_that_counts_is_enough_and_the_rules_that_held_are_kept(admit: Callable[..., Exchange]) -> None:
    opened = admit(query(basis=basis(INSULT, ARSON)))
    assert (opened.state, opened.rules, opened.arrangement) == (State.SENT, "2022-04-01", "test-1")


def test_1_3_the_law_that_counts_is_the_querying_partys_also_where_it_is_received() -> None:
    assert receive(query(querying=Party.US, basis=basis(US_ARSON))).queried is Party.JP
    with pytest.raises(NotSeriousCrimeError, match="here the United States"):
        receive(query(querying=Party.US, basis=basis(ARSON)))


# Article 4(1)


def test_4_1_the_answering_side_admits_a_query_without_a_word_of_its_own() -> None:
    admitted = receive(query())
    assert (admitted.side, admitted.other) == (Side.QUERIED, Party.JP)
    assert admitted.state is State.SENT  # and waits for nobody: the next step is the answer


# Article 4(3)


@pytest.mark.parametrize("said", ["", " " * 100, "x" * 39, "  " + "x" * 39 + "\n"])
def test_4_3a_a_query_without_particular_circumstances_is_refused(said: str) -> None:
    with pytest.raises(
        NoCircumstancesError,
        match=rf"^Art\. 4\(3\): .*at least 40 characters .*test-1.*got {len(said.strip())}: say what",
    ) as refused:
        open_(query(), said)
    assert refused.value.code == "4-3.NO_CIRCUMSTANCES"


def test_4_3_the_arrangement_sets_how_much_is_to_be_said() -> None:
    assert open_(query(), "x" * 40).state is State.SENT
    with pytest.raises(NoCircumstancesError, match="at least 200 characters"):
        life.open_query(query(), CIRCUMSTANCES, arrangement(circumstances_characters=200), made_today=0, now=NOW)


def test_4_3_the_circumstances_stay_with_the_querying_contact_point() -> None:
    assert not {"circumstances", "case", "case_reference"} & {field.name for field in fields(Query)}
    assert CIRCUMSTANCES not in repr(open_(query()))


def test_4_3_what_there_is_reason_to_inquire_is_one_of_two() -> None:
    assert {each.name for each in Expectation} == {"WILL_COMMIT", "HAS_COMMITTED"}


def test_4_3_the_query_says_whether_the_individual_is_identified_and_both_sides_keep_it() -> None:
    for identified in (True, False):
        assert open_(query(identified=identified)).identified is identified
        assert receive(query(identified=identified)).identified is identified


@pytest.mark.parametrize("field", ["name", "unit", "identifier"])
def test_4_3_the_investigating_authority_is_named(field: str) -> None:
    said = {"name": "A", "unit": "B", "identifier": "C", "jurisdiction": "D"}
    with pytest.raises(NoAuthorityError, match=rf"^Art\. 11\(2\)\(3\): the investigating authority's {field} is empty"):
        Authority(**{**said, field: " "})


def test_4_3_a_query_without_prints_is_none() -> None:
    with pytest.raises(NoPrintsError, match="a query carries fingerprint data of one individual; none came"):
        query(prints=b"")


# Article 4(4)


@pytest.mark.parametrize("side", Side)
def test_4_4a_an_answer_is_a_match_with_its_reference_number_or_no_match(side: Side) -> None:
    matched = life.answered(exchange(side=side), match(), NOW)
    assert (matched.state, matched.reference) == (State.MATCH, REFERENCE)
    unmatched = life.answered(exchange(side=side), no_match(), NOW)
    assert (unmatched.state, unmatched.reference) == (State.NO_MATCH, None)


def test_4_4_an_answer_carries_no_score_rank_name_or_category() -> None:
    assert [field.name for field in fields(NoMatch)] == ["control_number", "made_at", "salt"]
    assert [field.name for field in fields(Match)] == ["control_number", "made_at", "salt", "reference", "prints"]


@pytest.mark.parametrize("reference", ["", "  "])
def test_4_4_a_match_without_a_reference_number_is_no_answer(reference: str) -> None:
    with pytest.raises(
        NoAnswerError, match=r"^Art\. 4\(4\): a match comes with a corresponding reference number"
    ) as refused:
        match(reference=reference)
    assert refused.value.code == "4-4.TECH"


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", [State.MATCH, State.NO_MATCH])
def test_4_4_a_query_is_answered_once(side: Side, state: State) -> None:
    for answer in (match(reference="ANOTHER"), no_match()):
        with pytest.raises(OutOfOrderError, match=rf"^Art\. 3\(4\): an answer follows 'sent'; .* is at '{state}'"):
            life.answered(exchange(state, side), answer, NOW)


def test_4_4_a_query_that_was_not_admitted_has_no_answer_and_gets_none() -> None:
    ended = life.not_accepted(exchange(), query(), NOW)
    assert ended.state is State.CLOSED
    with pytest.raises(OutOfOrderError, match="an answer follows 'sent'"):
        life.answered(ended, match(), NOW)
    with pytest.raises(OutOfOrderError, match=r"the refusal of a query is the querying side's act; .* ours as queried"):
        life.not_accepted(exchange(side=Side.QUERIED), query(), NOW)


# Article 4(5)


def test_4_5_a_match_without_prints_is_no_match() -> None:
    with pytest.raises(
        NoPrintsError, match=r"^Art\. 4\(5\): .*ask the queried contact point for an answer with prints"
    ) as refused:
        match(prints=b"")
    assert refused.value.code == "4-5.NO_PRINTS"


@pytest.mark.parametrize("conclusion", Conclusion)
def test_4_5_an_examiner_compares_the_prints_and_concludes(conclusion: Conclusion) -> None:
    examined = life.examine(exchange(State.MATCH), conclusion, "examiner 7", NOW)
    assert (examined.state, examined.conclusion, examined.examined_by) == (State.EXAMINED, conclusion, "examiner 7")
    again = life.examine(examined, Conclusion.EXCLUSION, "examiner 8", NOW)  # a second opinion
    assert (again.conclusion, again.examined_by) == (Conclusion.EXCLUSION, "examiner 8")


def test_4_5_an_examination_names_its_examiner() -> None:
    with pytest.raises(UnconfirmedError, match="an examination names its examiner; no name was given"):
        life.examine(exchange(State.MATCH), Conclusion.IDENTIFICATION, " ", NOW)


def test_4_5_only_the_querying_side_examines() -> None:
    with pytest.raises(OutOfOrderError, match="an examination is the querying side's act"):
        life.examine(exchange(State.MATCH, Side.QUERIED), Conclusion.IDENTIFICATION, "examiner 7", NOW)


# Article 4(6)

WINDOW_END = NOW + timedelta(days=30)
UNFOLLOWED = [State.NO_REQUEST, State.LAPSED]


def asked(at: Exchange, message: ExplanationRequest | None = None, *, days: int = 30) -> Exchange:
    return matters.raised(at, message or explanation_request(), Party.US, arrangement(), NOW + timedelta(days=days))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", UNFOLLOWED)
def test_4_6_of_a_match_that_no_request_followed_an_explanation_is_asked_and_given(side: Side, state: State) -> None:
    at = asked(exchange(state, side))
    (matter,) = at.matters
    assert (matter.raised_by, matter.due_at, matter.late) == (Party.US, WINDOW_END + timedelta(days=14), False)
    explained = matters.settled(at, explanation(), Party.JP, WINDOW_END + timedelta(days=1))
    assert (explained.matters[0].outcome, explained.state) == ("excluded", state)


@pytest.mark.parametrize("party", Party)
def test_4_6a_an_unfollowed_match_is_waiting_to_be_asked_about_and_japan_must_ask(party: Party) -> None:
    """Rule 16 of 2018 of the National Public Safety Commission turns "may" into "shall" for Japan."""
    for state in UNFOLLOWED:
        at = replace(exchange(state, Side.QUERIED), querying=party)
        (duty,) = due(at, arrangement(), rules_in_force(NOW.date()))
        must = party is Party.US  # and Japan was queried
        assert (duty.what, duty.article) == (
            f"{'ask' if must else 'you may ask'} for the purpose of the query", "4(6)",
        )  # fmt: skip
        assert duty.by == WINDOW_END


def test_4_6a_nobody_waits_to_ask_about_what_was_followed_or_asked_about_already() -> None:
    rules = rules_in_force(NOW.date())
    for at in (exchange(State.REQUESTED, Side.QUERIED), exchange(State.NO_REQUEST)):
        assert not [duty for duty in due(at, arrangement(), rules) if duty.article == "4(6)"]
    for answer in ((), (explanation(),)):
        at = asked(exchange(State.NO_REQUEST, Side.QUERIED))
        for message in answer:
            at = matters.settled(at, message, Party.JP, WINDOW_END)
        assert not [duty for duty in due(at, arrangement(), rules) if "ask for" in duty.what]


def test_4_6a_a_question_that_was_not_accepted_is_still_to_be_asked() -> None:
    at = life.not_accepted(asked(exchange(State.NO_REQUEST, Side.QUERIED)), explanation_request(), WINDOW_END)
    assert [duty.what for duty in due(at, arrangement(), rules_in_force(NOW.date()))] == [
        "you may ask for the purpose of the query"
    ]


@pytest.mark.parametrize(
    ("at", "by"),
    [
        (exchange(State.NO_MATCH, Side.QUERIED), Party.US),
        (exchange(State.SENT, Side.QUERIED), Party.US),
        (exchange(State.NO_REQUEST, Side.QUERYING), Party.JP),
        (provided_unasked(), Party.US),
    ],
    ids=["no match", "no answer", "the querying side", "no query"],
)
def test_4_6_only_the_queried_side_asks_and_only_about_a_match(at: Exchange, by: Party) -> None:
    with pytest.raises(
        NotUnfollowedError,
        match=r"^Art\. 4\(6\): the queried side asks for the purpose of a query that resulted in a match; exchange .* is at",
    ) as refused:
        matters.raised(at, explanation_request(), by, arrangement(), WINDOW_END)
    assert refused.value.code == "4-6.NOT_A_MATCH"


@pytest.mark.parametrize("side", Side)
def test_4_6_what_a_request_followed_needs_no_explanation(side: Side) -> None:
    for state in (State.REQUESTED, State.PROVIDED, State.REFUSED, State.CLOSED):
        with pytest.raises(
            FollowedError,
            match=rf"^Art\. 4\(6\): .* of exchange {QUERY} request JP261122-REQUEST1 followed",
        ) as refused:
            asked(exchange(state, side))
        assert refused.value.code == "4-6.FOLLOWED"


@pytest.mark.parametrize("state", [State.MATCH, State.WILL_REQUEST])
def test_4_6_nobody_asks_while_a_request_may_still_follow(state: State) -> None:
    at = exchange(state, Side.QUERIED)
    with pytest.raises(
        FollowedError, match=r"is for a match that no request followed; of .* one may follow until 2026-12-22"
    ):
        asked(at, days=29)
    assert asked(at, days=30).matters[0].late is False


@pytest.mark.parametrize("state", [State.MATCH, State.EXAMINED, State.WILL_REQUEST])
def test_4_6_whether_one_may_still_follow_is_judged_by_who_asks_and_who_is_asked_responds(state: State) -> None:
    assert asked(exchange(state), days=29).matters[0].raised_by is Party.US  # its answer reached us a day late


def test_4_6_a_question_that_comes_late_is_noted_as_late_and_answered_all_the_same() -> None:
    for days, late in ((60, False), (61, True)):
        at = asked(exchange(State.LAPSED, Side.QUERIED), days=days)
        assert at.matters[0].late is late


@pytest.mark.parametrize("side", Side)
def test_4_6_a_question_waits_for_its_answer_before_it_is_asked_again(side: Side) -> None:
    at = asked(exchange(State.NO_REQUEST, side))
    with pytest.raises(
        OutOfOrderError,
        match=rf"the explanation of exchange {QUERY} was asked for on 2026-12-22 and is due on 2027-01-05: wait for",
    ):
        asked(at, explanation_request(control_number="US261223-EXPLAIN2"))


@pytest.mark.parametrize("state", UNFOLLOWED)
def test_4_6b_a_request_that_comes_after_the_question_is_taken_in_and_both_can_be_seen(state: State) -> None:
    at = life.request(asked(exchange(state, Side.QUERIED)), request(), arrangement(), WINDOW_END + timedelta(days=2))
    assert (at.state, at.request) == (State.REQUESTED, "JP261122-REQUEST1")
    (matter,) = at.matters
    assert matter.settled_at is None  # and the explanation is still owed
    assert matters.settled(at, explanation(), Party.JP, WINDOW_END + timedelta(days=3)).matters[0].outcome == "excluded"


@pytest.mark.parametrize(
    ("conclusion", "why"),
    [
        (Conclusion.EXCLUSION, Why.EXCLUDED),
        (Conclusion.INCONCLUSIVE, Why.INCONCLUSIVE),
        (Conclusion.IDENTIFICATION, Why.OTHER),
    ],
)
def test_4_6c_when_every_print_is_gone_the_explanation_is_drawn_from_what_is_still_known(
    conclusion: Conclusion, why: Why
) -> None:
    examined = life.examine(exchange(State.MATCH), conclusion, "examiner 7", NOW)
    at = asked(life.close(life.determine(examined, will_request=False, now=NOW), NOW))
    assert not duties.permitted(at) & {Content.PROBE, Content.CANDIDATE, Content.PICTURE}
    purpose, proposed = matters.explanation_of(at)
    assert proposed is why
    assert purpose.startswith(
        "investigation of serious crime by Hokkaido Prefectural Police, First Investigation Division: reason to inquire "
        "whether the individual has committed a serious crime; arson (Penal Code, Art. 109"
    )


def test_4_6c_only_a_query_of_ours_is_explained() -> None:
    for at in (exchange(State.NO_REQUEST, Side.QUERIED), provided_unasked(), exchange(State.OPEN)):
        with pytest.raises(OutOfOrderError, match="is no query of ours, so there is nothing to explain"):
            matters.explanation_of(at)


@pytest.mark.parametrize(
    ("side", "what"),
    [(Side.QUERYING, "explain the purpose of the query"), (Side.QUERIED, "JP owes: explain the purpose of the query")],
)
def test_4_6d_both_sides_see_by_when_it_is_owed(side: Side, what: str) -> None:
    duty = due(asked(exchange(State.NO_REQUEST, side)), arrangement(), rules_in_force(NOW.date()))[-1]
    assert (duty.what, duty.article, duty.by) == (what, "4(6)", WINDOW_END + timedelta(days=14))
    assert duty.matter == "US261222-EXPLAIN1"


@pytest.mark.parametrize(("field", "named"), [("purpose", "purpose"), ("text", "text"), ("signed_by", "signature")])
def test_4_6_an_explanation_says_what_the_query_was_for(field: str, named: str) -> None:
    with pytest.raises(
        NoExplanationError,
        match=rf"^Art\. 4\(6\): an explanation says the purpose of the query; the {named} is empty: state it",
    ) as refused:
        explanation(**{field: " "})
    assert refused.value.code == "4-6.NO_EXPLANATION"


# Article 4(7)


@pytest.mark.parametrize("admit", [open_, receive], ids=["before it is sent", "when it is received"])
def test_4_7_each_kind_of_search_has_a_number_of_its_own(admit: Callable[..., Exchange]) -> None:
    assert admit(query(search=Search.LATENT), made_today=19).search is Search.LATENT
    with pytest.raises(QuotaError, match="allows 20 latent queries a day and 20 were made today"):
        admit(query(search=Search.LATENT), made_today=20)
    assert admit(query(search=Search.TENPRINT), made_today=20).search is Search.TENPRINT


@pytest.mark.parametrize("admit", [open_, receive], ids=["before it is sent", "when it is received"])
def test_4_7_the_arrangement_fixes_how_many_queries_a_day_are_made(admit: Callable[..., Exchange]) -> None:
    assert admit(query(), made_today=99).state is State.SENT
    with pytest.raises(
        QuotaError, match=r"^Art\. 4\(7\): arrangement test-1 allows 100 tenprint queries a day and 100 were"
    ) as refused:
        admit(query(), made_today=100)
    assert refused.value.code == "4-7.QUOTA"


def test_4_7_every_exchange_cites_the_arrangement_it_was_made_under() -> None:
    opened = life.open_query(query(), CIRCUMSTANCES, arrangement(version="2027-a"), made_today=0, now=NOW)
    assert opened.arrangement == "2027-a"


def test_every_rule_names_its_article_and_a_code_of_its_own() -> None:
    rules = TreatyError.__subclasses__()
    assert all(rule.article and rule.code and rule.__doc__ for rule in rules)
    assert len({rule.code for rule in rules}) == len(rules)
    assert str(NoAuthorityError("nobody")) == "Art. 11(2)(3): nobody"


@pytest.mark.parametrize(
    ("why", "conclusion"), [(Why.EXCLUDED, Conclusion.EXCLUSION), (Why.INCONCLUSIVE, Conclusion.INCONCLUSIVE)]
)
def test_4_6_an_explanation_says_of_the_examination_what_the_record_says(why: Why, conclusion: Conclusion) -> None:
    matters.check_explanation(exchange(State.EXAMINED, conclusion=conclusion), why)
    matters.check_explanation(exchange(State.NO_REQUEST, conclusion=None), Why.CASE_CLOSED)
    with pytest.raises(
        NoExplanationError, match=rf"that {why}, and the recorded conclusion is none: say what the record says"
    ):
        matters.check_explanation(exchange(State.NO_REQUEST, conclusion=None), why)
