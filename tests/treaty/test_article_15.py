"""Article 15: (1) entry into force, on 5 January 2019 (TIAS 19-105); (2) it applies to any query, request or provision "on
or after" that date, "whether the relevant acts were committed before, on, or after that date"; (4) either Party ends it "by
giving three months written notice"; (5) what was provided "shall continue to be protected".
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.offences import Offence
from annex.parameters import IN_FORCE, Party, rules_in_force
from pcsc import duties, ledger, life, matters
from pcsc.agreement import Agreement, Termination
from pcsc.duties import Content, due, overstays
from pcsc.errors import NotInForceError, TerminatedError
from pcsc.exchange import Exchange, Release, Side, State
from pcsc.matters import Measure
from pcsc.messages import Basis, Conclusion, ConsentTo, Query
from pcsc.use import Information, Permission, Purpose, Refusal, may_release, may_use
from tests.builders import (
    CIRCUMSTANCES,
    INTERPOL,
    NOW,
    acceptance,
    arrangement,
    breach_notice,
    consent_decision,
    consent_request,
    consultation,
    correction_notice,
    exchange,
    explanation,
    explanation_request,
    offer,
    provision,
    query,
    refusal,
    release_request,
    reply,
    request,
    result_of_use,
    result_request,
    unasked,
    use,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LAST_SECOND = datetime(2019, 1, 4, 23, 59, 59, tzinfo=UTC)
FIRST_SECOND = datetime(2019, 1, 5, tzinfo=UTC)


def test_15_1_the_agreement_is_in_force_from_5_january_2019() -> None:
    assert date(2019, 1, 5) == IN_FORCE


def test_15_1_there_is_no_query_before_that_day_on_either_side() -> None:
    with pytest.raises(
        NotInForceError, match=r"^Art\. 15\(1\): the agreement applies from 2019-01-05; this query is of 2019-01-04"
    ) as refused:
        life.open_query(query(), CIRCUMSTANCES, arrangement(), made_today=0, now=LAST_SECOND)
    assert refused.value.code == "15-1.NOT_IN_FORCE"
    with pytest.raises(NotInForceError, match="this query is of 2019-01-04"):
        life.receive_query(query(), arrangement(), made_today=0, now=LAST_SECOND)
    assert life.receive_query(query(), arrangement(), made_today=0, now=FIRST_SECOND).state is State.SENT


def test_15_1_nor_before_the_arrangement_that_it_is_made_under() -> None:
    later = arrangement(in_force_from=date(2027, 4, 1))
    with pytest.raises(
        NotInForceError, match="arrangement test-1 applies from 2027-04-01; this query is of 2019-01-05"
    ):
        life.receive_query(query(), later, made_today=0, now=FIRST_SECOND)


def test_15_2_the_date_of_the_acts_is_never_asked() -> None:
    for kind in (Query, Basis, Offence):
        dates = {field.name for field in fields(kind)} & {"committed_on", "offence_date", "date", "on"}
        assert not dates


# Article 15(4)

ENDED: Final = Agreement(Termination(Party.US, NOW.date() - timedelta(days=120), "note verbale 17/2026"))


@pytest.mark.parametrize(
    ("received", "ends"),
    [
        (date(2026, 1, 5), date(2026, 4, 5)),
        (date(2026, 10, 1), date(2027, 1, 1)),
        (date(2026, 12, 31), date(2027, 3, 31)),
        (date(2026, 11, 30), date(2027, 3, 1)),  # there is no 30 February: three whole months have passed on 1 March
        (date(2027, 11, 30), date(2028, 3, 1)),
        (date(2027, 11, 29), date(2028, 2, 29)),
        (date(2026, 8, 31), date(2026, 12, 1)),
    ],
)
def test_15_4_it_ends_three_months_after_the_notice(received: date, ends: date) -> None:
    notice = Termination(Party.JP, received, "note verbale 3/2026")
    assert notice.ends_on == ends
    midnight = datetime(ends.year, ends.month, ends.day, tzinfo=UTC)
    assert not Agreement(notice).ended(midnight - timedelta(seconds=1))
    assert Agreement(notice).ended(midnight)


@pytest.mark.parametrize("day", [date(2019, 1, 5) + timedelta(days=each) for each in range(0, 1600, 7)], ids=str)
def test_15_4_never_sooner_than_three_months_and_at_most_a_day_later(day: date) -> None:
    length = Termination(Party.JP, day, "note").ends_on - day
    assert timedelta(days=89) <= length <= timedelta(days=93)


def test_15_4_nobody_gave_notice_so_it_does_not_end() -> None:
    assert not Agreement().ended(datetime(2099, 1, 1, tzinfo=UTC))


def test_15_4_the_notice_is_written_and_no_older_than_the_agreement() -> None:
    with pytest.raises(
        TerminatedError, match=r"^Art\. 15\(4\): the agreement ends by written notice; name the diplomatic"
    ):
        Termination(Party.JP, date(2026, 1, 5), " ")
    with pytest.raises(
        TerminatedError, match=r"entered into force on 2019-01-05; a notice received on 2019-01-04 cannot"
    ):
        Termination(Party.JP, date(2019, 1, 4), "note verbale 3/2019")


def ask(side: Side, agreement: Agreement) -> Exchange:
    if side is Side.QUERYING:
        return life.open_query(query(), CIRCUMSTANCES, arrangement(), made_today=0, now=NOW, agreement=agreement)
    return life.receive_query(query(), arrangement(), made_today=0, now=NOW, agreement=agreement)


def request_more(side: Side, agreement: Agreement) -> Exchange:
    return life.request(exchange(State.WILL_REQUEST, side), request(), arrangement(), NOW, agreement=agreement)


def give_unasked(side: Side, agreement: Agreement) -> Exchange:
    return life.provide_unasked(unasked(), side, arrangement(), NOW, agreement=agreement)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("what", "act"),
    [("query", ask), ("request", request_more), ("provision without request", give_unasked)],
    ids=["query", "request", "without request"],
)
def test_15_4_from_the_end_on_there_is_no_query_request_or_provision_on_either_side(
    what: str, act: Callable[[Side, Agreement], Exchange], side: Side
) -> None:
    with pytest.raises(
        TerminatedError,
        match=rf"^Art\. 15\(4\): the agreement ended on 2026-10-25, three months after US gave notice "
        rf"\(note verbale 17/2026\); no {what} is made under it any more, while what was provided stays protected "
        r"\(Art\. 15\(5\)\): use another",
    ) as refused:
        act(side, ENDED)
    assert refused.value.code == "15-4.TERMINATED"
    under_notice = Agreement(Termination(Party.US, NOW.date(), "note verbale 17/2026"))
    assert act(side, under_notice).control_number  # three months long everything goes on


def test_15_4_nor_is_there_any_before_the_entry_into_force() -> None:
    before = datetime(2019, 1, 4, tzinfo=UTC)
    with pytest.raises(
        NotInForceError, match="the agreement applies from 2019-01-05; this provision without request is of"
    ):
        life.provide_unasked(unasked(), Side.QUERIED, arrangement(), before)
    with pytest.raises(NotInForceError, match="this request is of 2019-01-04"):
        life.request(exchange(State.WILL_REQUEST), request(), arrangement(), before)


def test_15_4_a_request_that_came_before_the_end_is_refused_after_it_and_not_met() -> None:
    at = exchange(State.REQUESTED, Side.QUERIED)
    for message in (reply(), offer()):
        with pytest.raises(TerminatedError, match="no provision is made under it any more"):
            life.reply(at, message, NOW, agreement=ENDED)
    assert life.reply(at, reply(items=(), refusals=(refusal(),)), NOW, agreement=ENDED).state is State.REFUSED
    accepted = life.accept(exchange(State.OFFERED, Side.QUERIED), acceptance(), NOW)
    with pytest.raises(TerminatedError, match="no provision is made under it any more"):
        life.provide(accepted, provision(), NOW, agreement=ENDED)


def test_15_4_what_was_given_before_the_end_and_arrives_after_it_is_taken_in() -> None:
    assert life.reply(exchange(State.REQUESTED), reply(), NOW, agreement=ENDED).state is State.PROVIDED
    accepted = life.accept(exchange(State.OFFERED), acceptance(), NOW)
    assert life.provide(accepted, provision(), NOW, agreement=ENDED).provided_at == NOW


# Article 15(5): what goes on after the end. None of these acts asks whether the agreement still runs.

AFTER: Final = NOW + timedelta(days=400)
RULES: Final = rules_in_force(NOW.date())


@pytest.mark.parametrize("side", Side)
def test_15_5_deletion_goes_on(side: Side) -> None:
    at = exchange(State.MATCH, side)
    assert overstays(at, arrangement(), AFTER)
    assert not duties.permitted(life.lapse(at, AFTER)) & {Content.PROBE, Content.CANDIDATE, Content.PICTURE}
    examined = life.examine(exchange(State.MATCH), Conclusion.IDENTIFICATION, "examiner 7", AFTER)
    assert Content.CANDIDATE not in duties.permitted(life.determine(examined, will_request=True, now=AFTER))


def test_15_5_the_gate_goes_on() -> None:
    information = Information.provided_in(exchange(State.PROVIDED), (), {"name"})
    allowed = may_use(information, Purpose.IMMIGRATION, by=Party.JP, political=False, now=AFTER)
    assert isinstance(allowed, Permission)
    for verdict in (
        may_use(information, Purpose.OTHER, by=Party.JP, political=False, stated="An inquest.", now=AFTER),
        may_use(information, Purpose.NOTIFIED, by=Party.JP, political=True, now=AFTER),
        may_release(information, INTERPOL, by=Party.JP, now=AFTER),
    ):
        assert isinstance(verdict, Refusal)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("to", ConsentTo)
def test_15_5_consent_goes_on(side: Side, to: ConsentTo) -> None:
    message = consent_request() if to is ConsentTo.USE else release_request()
    at = matters.raised(exchange(State.PROVIDED, side), message, Party.JP, arrangement(), AFTER)
    assert matters.settled(at, consent_decision(), Party.US, AFTER).matters[0].granted is True


@pytest.mark.parametrize("side", Side)
def test_15_5_correction_goes_on(side: Side) -> None:
    at = matters.raised(exchange(State.PROVIDED, side), correction_notice(), Party.US, arrangement(), AFTER)
    if side is Side.QUERYING:
        at = matters.measure_taken(at, "US261222-CORRECT1", Measure.DELETION, AFTER)
    assert at.matters[0].settled_at == AFTER


@pytest.mark.parametrize("side", Side)
def test_15_5_the_result_of_use_and_the_explanation_go_on(side: Side) -> None:
    at = matters.raised(exchange(State.PROVIDED, side), result_request(), Party.US, arrangement(), AFTER)
    assert matters.settled(at, result_of_use(), Party.JP, AFTER).matters[0].settled_at == AFTER
    at = matters.raised(exchange(State.NO_REQUEST, side), explanation_request(), Party.US, arrangement(), AFTER)
    assert matters.settled(at, explanation(), Party.JP, AFTER).matters[0].settled_at == AFTER


@pytest.mark.parametrize("side", Side)
def test_15_5_the_notice_of_a_breach_and_consultations_go_on(side: Side) -> None:
    for message in (breach_notice(), consultation()):
        at = life.open_notice(message, side, arrangement(), AFTER)
        assert life.close(at, AFTER).state is State.CLOSED


def test_15_5_the_ledger_and_the_review_go_on() -> None:
    at = ledger.use(exchange(State.PROVIDED), use(), AFTER)
    at = ledger.release(at, Release(INTERPOL, "8(7)", AFTER, ("name",)), AFTER)
    at = ledger.review(at, "the head of unit", AFTER)
    assert [duty.by for duty in due(at, arrangement(), RULES)] == [AFTER + timedelta(days=90)]
    assert ledger.end_purpose(at, Purpose.NOTIFIED, AFTER).state is State.CLOSED


def test_15_5_an_offer_may_still_be_declined() -> None:
    assert life.accept(exchange(State.OFFERED), acceptance(accepted=False), AFTER).state is State.DECLINED


def test_15_3_an_amendment_is_a_new_line_among_dated_values_and_leaves_what_was_done_under_the_old_ones() -> None:
    """A query of 2019 names the rules of 2019, one of 2026 those of 2026; nothing is rewritten."""
    old = life.receive_query(query(), arrangement(), made_today=0, now=FIRST_SECOND)
    new = life.receive_query(query(), arrangement(), made_today=0, now=NOW)
    assert (old.rules, new.rules) == ("2019-01-05", "2022-04-01")
    assert replace(old, state=State.CLOSED).rules == "2019-01-05"
