"""Article 10: (1) each Party notifies "if it becomes aware that material information which it has provided to the other Party
or it has received from the other Party ... is incorrect or unreliable"; (2) whoever received it takes "appropriate measures
such as correction, deletion, or non-disclosure".
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from annex.parameters import Party, rules_in_force
from pcsc import duties, ledger, life, matters
from pcsc.duties import Content, due
from pcsc.errors import CorrectionError, OutOfOrderError
from pcsc.exchange import Exchange, Release, Side, State
from pcsc.matters import Measure
from pcsc.messages import PRINTS, Fault, Item
from pcsc.use import Information, Permission, Purpose, may_release, may_use
from tests.builders import (
    EUROPOL,
    INTERPOL,
    NOW,
    arrangement,
    consent_decision,
    correction_notice,
    exchange,
    match,
    offer,
    provided_unasked,
    release_request,
    reply,
    request,
)

LATER = NOW + timedelta(hours=5)
NUMBER = "US261222-CORRECT1"
RULES = rules_in_force(NOW.date())


def notified(
    at: Exchange, by: Party = Party.US, *, concerns: tuple[str, ...] = ("name",), number: str = NUMBER
) -> Exchange:
    notice = correction_notice(control_number=number, concerns=concerns)
    return matters.raised(at, notice, by, arrangement(), NOW)


def measured(at: Exchange, measure: Measure, number: str = NUMBER) -> Exchange:
    return matters.measure_taken(at, number, measure, LATER)


def held(at: Exchange, *kinds: str) -> Information:
    return Information.provided_in(at, at.conditions, set(kinds or ("name",)))


# Article 10(1)


@pytest.mark.parametrize("by", Party)
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", [State.MATCH, State.PROVIDED, State.LAPSED, State.CLOSED])
def test_10_1_either_side_notifies_whatever_it_provided_or_received_and_whenever_it_becomes_aware(
    state: State, side: Side, by: Party
) -> None:
    at = exchange(state, side)
    (matter,) = notified(at, by).matters
    assert (matter.raised_by, matter.concerns, matter.purpose) == (by, ("name",), Fault.INCORRECT)
    assert notified(at, by).state is state


def test_10_1_a_notice_says_what_is_wrong_and_who_says_so() -> None:
    for field, named in (("text", "explanation"), ("signed_by", "signature")):
        with pytest.raises(
            CorrectionError,
            match=rf"^Art\. 10\(1\): a notice says what is incorrect or unreliable; the {named} is empty: state it",
        ) as refused:
            correction_notice(**{field: " "})
        assert refused.value.code == "10-1.NO_NOTICE"
    with pytest.raises(CorrectionError, match="names the items that it concerns, or 'fingerprint data'; none is named"):
        correction_notice(concerns=())
    with pytest.raises(CorrectionError, match="a notice corrects what it concerns, name; it also gives aliases"):
        correction_notice(correct=(Item("name", "Jane Roe"), Item("aliases", "Jo")))


def test_10_1_who_provided_has_done_its_part_with_the_notice() -> None:
    (matter,) = notified(exchange(State.PROVIDED, Side.QUERIED)).matters
    assert (matter.settled_at, matter.outcome) == (NOW, "notified")
    assert due(notified(exchange(State.PROVIDED, Side.QUERIED)), arrangement(), RULES) == ()


def test_10_1b_who_received_finds_the_error_notifies_and_owes_the_measure_itself() -> None:
    at = notified(exchange(State.PROVIDED), by=Party.JP)
    assert at.matters[0].settled_at is None
    assert at.restricted == ("name",)


# Article 10(2)


@pytest.mark.parametrize("at", [exchange(State.PROVIDED), provided_unasked()], ids=["Article 5", "Article 6"])
def test_10_2_who_received_it_owes_a_measure_in_hours_and_until_then_does_not_use_or_disclose_it(at: Exchange) -> None:
    at = notified(at)
    duty = due(at, arrangement(), RULES)[-1]
    assert (duty.what, duty.article, duty.by, duty.matter) == (
        "take a measure: correct, delete or do not disclose", "10(2)", NOW + timedelta(hours=48), NUMBER,
    )  # fmt: skip
    for purpose in Purpose:
        assert may_use(held(at), purpose, by=Party.JP, political=False, now=LATER).article == "10(2)"
    assert may_release(held(at), INTERPOL, by=Party.JP, now=LATER).article == "10(2)"


def test_10_2_what_the_notice_does_not_concern_stays_usable() -> None:
    at = notified(exchange(State.PROVIDED))
    verdict = may_use(held(at, "name", "date of birth"), Purpose.NOTIFIED, by=Party.JP, political=False, now=LATER)
    assert isinstance(verdict, Permission)  # the items that are restricted are left out by whoever shows them
    assert (
        may_use(held(at, "date of birth"), Purpose.NOTIFIED, by=Party.JP, political=False, now=LATER).article == "5(1)"
    )


@pytest.mark.parametrize(
    ("measure", "restricted"),
    [(Measure.CORRECTION, ()), (Measure.DELETION, ()), (Measure.NON_DISCLOSURE, ("name",))],
)
def test_10_2_after_a_measure_it_is_right_or_gone_or_stays_undisclosed(
    measure: Measure, restricted: tuple[str, ...]
) -> None:
    at = measured(notified(exchange(State.PROVIDED)), measure)
    assert at.restricted == restricted
    assert (at.matters[0].outcome, at.matters[0].settled_at) == (measure, LATER)
    assert at.state is State.PROVIDED
    assert [duty for duty in due(at, arrangement(), RULES) if duty.matter] == []


@pytest.mark.parametrize("first", Measure)
def test_10_2_what_two_notices_concern_waits_for_both(first: Measure) -> None:
    two = notified(notified(exchange(State.PROVIDED)), number="US261222-CORRECT2", concerns=("name", "date of birth"))
    at = measured(two, first)
    assert set(at.restricted) == {"name", "date of birth"}
    at = measured(at, Measure.CORRECTION, "US261222-CORRECT2")
    assert at.restricted == (("name",) if first is Measure.NON_DISCLOSURE else ())


def test_10_2_a_restricted_item_survives_for_the_record_only() -> None:
    at = measured(notified(exchange(State.PROVIDED)), Measure.NON_DISCLOSURE)
    assert at.matters[0].concerns == ("name",)
    assert may_release(held(at), INTERPOL, by=Party.JP, now=LATER).article == "10(2)"


@pytest.mark.parametrize("number", ["US261222-CORRECT9", ""])
def test_10_2_a_measure_answers_a_notice_that_is_open(number: str) -> None:
    at = notified(exchange(State.PROVIDED))
    with pytest.raises(OutOfOrderError, match=rf"has no open correction '{number}'; open are: correction {NUMBER}"):
        measured(at, Measure.DELETION, number)
    with pytest.raises(OutOfOrderError, match=rf"has no open correction '{NUMBER}'; open are: nothing"):
        measured(measured(at, Measure.DELETION), Measure.DELETION)


# Prints


@pytest.mark.parametrize(("side", "state"), [(side, State.MATCH) for side in Side] + [(Side.QUERYING, State.EXAMINED)])
def test_10_2_unreliable_prints_are_not_kept_by_either_side_before_or_after_the_measure(
    side: Side, state: State
) -> None:
    at = notified(exchange(state, side), concerns=(PRINTS,))
    prints = {Content.PROBE, Content.CANDIDATE, Content.PICTURE}
    assert not duties.permitted(at) & prints
    for measure in (Measure.DELETION, Measure.NON_DISCLOSURE):
        assert not duties.permitted(measured(at, measure)) & prints


@pytest.mark.parametrize("side", Side)
def test_10_2_prints_are_not_corrected(side: Side) -> None:
    at = notified(exchange(State.MATCH, side), concerns=("name", PRINTS))
    with pytest.raises(CorrectionError, match=r"prints .* are deleted or not disclosed; they cannot be corrected"):
        measured(at, Measure.CORRECTION)


def test_10_2_both_sides_received_prints_so_both_owe_a_measure() -> None:
    for side in Side:
        (matter,) = notified(exchange(State.MATCH, side), concerns=(PRINTS,)).matters
        assert matter.settled_at is None


def test_10_2_that_a_print_was_unreliable_holds_up_nothing_else() -> None:
    at = notified(exchange(State.SENT), concerns=(PRINTS,), by=Party.JP)
    assert life.answered(at, match(), LATER).state is State.MATCH
    at = notified(exchange(State.REQUESTED, Side.QUERIED), concerns=(PRINTS,))
    assert life.reply(at, offer(), LATER).state is State.OFFERED
    assert life.request(life.reply(at, reply(), LATER), request(), arrangement(), LATER).state is State.REQUESTED


# Whoever it was released to


def released() -> Exchange:
    """Return an exchange whose name went to INTERPOL and whose date of birth to Europol, with consent."""
    at = matters.raised(exchange(State.PROVIDED), release_request(), Party.JP, arrangement(), NOW)
    at = matters.settled(at, consent_decision(), Party.US, NOW)
    at = ledger.release(at, Release(INTERPOL, "8(7)", NOW, ("name",)), NOW)
    return ledger.release(at, Release(EUROPOL, "8(7)", NOW, ("date of birth",)), NOW)


@pytest.mark.parametrize("measure", Measure)
def test_10_2_whoever_it_was_released_to_is_told(measure: Measure) -> None:
    at = measured(notified(released()), measure)
    assert [each.told for each in at.releases] == [False, True]
    to_tell = [(duty.what, duty.article, duty.by) for duty in due(at, arrangement(), RULES) if "tell" in duty.what]
    assert to_tell == [("tell INTERPOL of the correction", "10(2)", LATER)]
    told = matters.told(at, "INTERPOL", LATER)
    assert all(each.told for each in told.releases)


def test_10_2_a_recipient_that_has_nothing_to_be_told_is_not_told() -> None:
    at = measured(notified(released()), Measure.DELETION)
    with pytest.raises(CorrectionError, match=r"to be told of a correction in exchange .*: INTERPOL; got 'Europol'"):
        matters.told(at, "Europol", LATER)
    with pytest.raises(CorrectionError, match=r"to be told of a correction in exchange .*: nobody; got 'INTERPOL'"):
        matters.told(matters.told(at, "INTERPOL", LATER), "INTERPOL", LATER)


def test_10_1_a_notice_names_what_could_have_been_provided() -> None:
    at = exchange(State.PROVIDED)
    with pytest.raises(CorrectionError, match="'naem' is no kind of item that US may give"):
        matters.raised(at, correction_notice(concerns=("naem",), correct=()), at.other, arrangement(), NOW)


def test_8_8_a_notice_tells_nothing_right_before_anything_was_provided() -> None:
    at = exchange(State.OFFERED)
    told = correction_notice(concerns=("name",), correct=(Item("name", "Robert Roe"),))
    with pytest.raises(CorrectionError, match="no item was: name what is wrong, and leave out what would be right"):
        matters.raised(at, told, at.other, arrangement(), NOW)


def test_10_2_a_notice_of_ours_that_is_refused_leaves_the_measure_to_be_taken() -> None:
    """Whoever "otherwise becomes aware" takes a measure, whether the other side took in the notice or not."""
    at = exchange(State.PROVIDED)
    notice = correction_notice(concerns=("name",), correct=())
    refused = life.not_accepted(matters.raised(at, notice, at.ours, arrangement(), NOW), notice, NOW)
    assert refused.restricted == ("name",)
    done = matters.measure_taken(refused, notice.control_number, Measure.DELETION, NOW)
    assert (done.restricted, done.matters[-1].outcome) == ((), "deletion")


def test_10_2_a_measure_answers_the_notices_before_it_that_say_no_more() -> None:
    at = exchange(State.PROVIDED)
    first = correction_notice(control_number="US261222-NOTICE01", concerns=("name",), correct=())
    wider = correction_notice(control_number="US261222-NOTICE02", concerns=("name", "date of birth"), correct=())
    second = correction_notice(concerns=("name",), correct=(Item("name", "Robert Roe"),))
    for message in (first, wider, second):
        at = matters.raised(at, message, at.other, arrangement(), NOW)
    done = matters.measure_taken(at, second.control_number, Measure.CORRECTION, NOW)
    assert [matter.settled_at is None for matter in done.matters] == [False, True, False]
    assert done.restricted == ("name", "date of birth")  # the wider notice is still open
