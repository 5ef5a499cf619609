"""What is notified, given unasked, or goes on after the end, over real TLS 1.3: Articles 6, 9, 10, 11(1), 14 and 15."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from annex.offences import Category, Offence, Penalty
from annex.parameters import Party
from contact_point import (
    correspondence,
    delivery,
    provided,
    queried,
    querying,
    service,
    settings,
    unasked,
    wire,
)
from contact_point.correspondence import Correction
from contact_point.keys import KeyDestroyedError
from contact_point.main import clock
from contact_point.provided import Wanted
from contact_point.settings import write_termination
from contact_point.store.tables import CONTENT
from contact_point.transport import RefusedError, UnreachableError
from contact_point.unasked import CaseInformation
from pcsc.agreement import Termination
from pcsc.duties import Content
from pcsc.errors import BulkProvisionError, ConditionsError, CorrectionError, ReleaseError, TerminatedError, UseError
from pcsc.exchange import NO_QUERY, Exchange, State
from pcsc.matters import Measure
from pcsc.messages import (
    PRINTS,
    Activity,
    Authority,
    Basis,
    BreachNotice,
    Conclusion,
    Condition,
    ConsentDecision,
    ConsentTo,
    Consultation,
    ConsultationOn,
    CorrectionNotice,
    Expectation,
    Explanation,
    ExplanationRequest,
    Fault,
    Item,
    Message,
    Recipient,
    RecipientKind,
    ResultRequest,
    Why,
)
from pcsc.use import Purpose

from .parties import Unlucky, events, exchange, held, justification, owed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Held

    from .parties import Finger, Parties

NOTIFIED = Wanted(Purpose.NOTIFIED, "investigator", political=False)
BY_AGENCY = replace(NOTIFIED, authority="Prefectural Police")
IMMIGRATION = Wanted(Purpose.IMMIGRATION, "officer", political=False)
AGENCY = Recipient(RecipientKind.AUTHORITY, "Prefectural Police")
NAME_IS_WRONG = Correction(
    ("name",), Fault.INCORRECT, "Two records were merged by mistake.", "Agent", (Item("name", "RIGHT, Person"),)
)
PRINTS_ARE_WRONG = Correction((PRINTS,), Fault.UNRELIABLE, "Two cards were mixed up.", "Agent")


def information(here: Installation, number: str) -> list[Held]:
    """Return the pieces of provided information that are held."""
    with here.store.transaction() as tx:
        return [each for each in tx.held(number) if each.kind is Content.INFORMATION]


def everything(here: Installation, number: str) -> bytes:
    """Return all that is held for an exchange, in clear."""
    with here.store.transaction() as tx:
        return b"\n".join(tx.content(number, each.kind, number=each.number) for each in tx.held(number))


def notices(here: Installation, number: str) -> list[CorrectionNotice]:
    """Return the notices of an exchange as a person reads them."""
    return [said for said in correspondence.read(here, number) if isinstance(said, CorrectionNotice)]


def values(here: Installation, number: str) -> dict[str, str]:
    """Return what a use for the notified purpose reads."""
    _, items, _ = provided.use(here, number, NOTIFIED, clock())
    return {item.kind: item.value for item in items}


# Incorrect or unreliable information: Article 10


def test_10_2_what_is_incorrect_is_withheld_then_corrected_and_whoever_has_it_is_told(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    condition = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name", "sex", conditions=(condition,))
        with pytest.raises(
            ReleaseError, match=r"Prefectural Police is an authority of JP, which uses .*: ask for that use"
        ):
            provided.release(jp, number, AGENCY, by="officer", now=clock())
        assert exchange(jp, number).releases == ()
        provided.use(jp, number, BY_AGENCY, clock())
        correspondence.notify_correction(us, number, NAME_IS_WRONG, clock())
        (notice,) = exchange(jp, number).matters
        # T-10-2: it vanishes from use and release until the measure.
        assert values(jp, number) == {"sex": "not stated"}
        _, used, _ = provided.use(jp, number, BY_AGENCY, clock())
        assert [item.kind for item in used] == ["sex"]
        assert [(each.recipient, each.clause, each.kinds) for each in exchange(jp, number).releases] == [
            (AGENCY, "5(1)", ("name", "sex")),
            (AGENCY, "5(1)", ("sex",)),
        ]
        # What would be right is information too, and is not read beside the gate.
        assert [item.value for item in notices(jp, number)[0].correct] == ["(read with `pcsc use` after the measure)"]
        assert owed(jp, number)["take a measure: correct, delete or do not disclose"].article == "10(2)"
        assert "take a measure: correct, delete or do not disclose" not in owed(us, number)

        (old,) = information(jp, number)
        correspondence.take_measure(jp, number, notice.number, Measure.CORRECTION, by="data officer", now=clock())
        assert values(jp, number) == {"name": "RIGHT, Person", "sex": "not stated"}
        with pytest.raises(UseError, match=r"Art\. 8\(8\): .*Not for immigration"):  # the conditions stay with it
            provided.use(jp, number, IMMIGRATION, clock())
        (new,) = information(jp, number)
        assert new.slot != old.slot
        with pytest.raises(KeyDestroyedError):
            jp.store._slots.get(old.slot)
        assert b"SAMPLE, Person" not in everything(jp, number)
        # The lineage: who received the incorrect name is told.
        assert owed(jp, number)["tell Prefectural Police of the correction"].article == "10(2)"
        with pytest.raises(CorrectionError, match=r"to be told of a correction .*: Prefectural Police; got 'INTERPOL'"):
            correspondence.tell_recipient(jp, number, "INTERPOL", clock())
        correspondence.tell_recipient(jp, number, "Prefectural Police", clock())
        assert "tell Prefectural Police of the correction" not in owed(jp, number)
        # Art. 8(9): with the information the corrected value goes too, wherever it came.
        provided.end_purpose(jp, number, "notified", clock())
        assert b"RIGHT, Person" not in everything(jp, number)
    (told,) = correspondence.read(jp, number)
    assert isinstance(told, CorrectionNotice)
    assert told.text == "Two records were merged by mistake."
    assert [matter.outcome for matter in exchange(us, number).matters] == ["notified"]
    parties.records_agree()


def test_10_1_the_receiver_notifies_too_and_what_is_deleted_is_gone(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    found = replace(NAME_IS_WRONG, signed_by="Superintendent", correct=())
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
        # T-10-1b: who received it notifies who provided it, and owes the measure.
        correspondence.notify_correction(jp, number, found, clock())
        assert [matter.raised_by for matter in exchange(us, number).matters] == [Party.JP]
        with pytest.raises(UseError, match=r"Art\. 10\(2\): .*not disclosed until a measure is taken"):
            provided.use(jp, number, NOTIFIED, clock())
        (notice,) = exchange(jp, number).matters
        with pytest.raises(CorrectionError, match="does not say what name should be"):
            correspondence.take_measure(jp, number, notice.number, Measure.CORRECTION, by="officer", now=clock())
        (old,) = information(jp, number)
        correspondence.take_measure(jp, number, notice.number, Measure.DELETION, by="officer", now=clock())
        assert values(jp, number) == {}
        assert old.slot not in jp.store._slots.live()
        assert b"SAMPLE, Person" not in everything(jp, number)
    assert "measure" in events(jp, number)
    parties.records_agree()


class Refusing:
    """A way to a contact point that accepts nothing."""

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        del message, body, now
        raise RefusedError(wire.Problem(409, "10(1)", "10-1.CORRECTION", "it is right.", "", "0"))


def test_10_2_a_notice_of_ours_that_the_other_side_refuses_still_owes_our_own_measure(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Whoever "otherwise becomes aware" that it is incorrect takes a measure, whether the other side sees it or not."""
    jp = parties.jp
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
    found = replace(NAME_IS_WRONG, signed_by="Superintendent", correct=())
    with pytest.raises(RefusedError, match=r"10-1\.CORRECTION"):
        correspondence.notify_correction(replace(jp, other=Refusing()), number, found, clock())
    assert "not accepted" in events(jp, number)
    (notice,) = exchange(jp, number).matters
    assert (notice.settled_at, notice.outcome) == (None, "")
    assert "take a measure: correct, delete or do not disclose" in owed(jp, number)
    with pytest.raises(UseError, match=r"Art\. 10\(2\)"):
        provided.use(jp, number, NOTIFIED, clock())
    correspondence.take_measure(jp, number, notice.number, Measure.DELETION, by="officer", now=clock())
    assert values(jp, number) == {}
    assert b"SAMPLE, Person" not in everything(jp, number)


def test_10_1_a_notice_names_what_could_have_been_provided(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        misspelt = replace(NAME_IS_WRONG, concerns=("nmae",), correct=())
        for here in (jp, us):
            with pytest.raises(
                CorrectionError, match=r"Art\. 10\(1\): 'nmae' is no kind of item that US may give; .*name"
            ):
                correspondence.notify_correction(here, number, misspelt, clock())
        # Where the person matched and nothing was provided, what would be right is not told.
        (told,) = correspondence.notify_about(us, "someone", NAME_IS_WRONG, clock())
        assert isinstance(told, Exchange)
    assert [notice.correct for notice in notices(jp, number)] == [()]
    assert b"RIGHT, Person" not in everything(jp, number) + everything(us, number)
    parties.records_agree()


def test_10_1_every_exchange_in_which_the_person_matched_is_told_and_unreliable_prints_are_destroyed(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """T-10-1a: two cards of prints were mixed up."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    parties.enrol(Party.US, "another", fingers[1])
    prints = {Content.PROBE, Content.CANDIDATE}
    with pytest.raises(CorrectionError, match=r"Art\. 10\(1\): 'someone' matched in no exchange"):
        correspondence.notify_about(us, "someone", PRINTS_ARE_WRONG, clock())
    with parties.answering(Party.US), parties.answering(Party.JP):
        first, second, other = (parties.matched(finger) for finger in (fingers[0], fingers[0], fingers[1]))
        querying.examine(jp, first, Conclusion.IDENTIFICATION, "examiner", clock())
        assert held(jp, first) >= prints
        told = correspondence.notify_about(us, "someone", PRINTS_ARE_WRONG, clock())
        assert {each.control_number for each in told if isinstance(each, Exchange)} == {first, second}
        for number in (first, second):
            assert not (held(jp, number) | held(us, number)) & prints
            for here in (jp, us):
                (notice,) = exchange(here, number).matters
                with pytest.raises(CorrectionError, match="cannot be corrected"):
                    correspondence.take_measure(
                        here, number, notice.number, Measure.CORRECTION, by="officer", now=clock()
                    )
                correspondence.take_measure(here, number, notice.number, Measure.DELETION, by="officer", now=clock())
        assert held(jp, other) >= prints
        # What is gone does not come back, and the determination still ends the hold.
        querying.determine(jp, first, will_request=False, now=clock())
        assert not held(jp, first) & prints
    parties.records_agree()


def test_10_2_prints_found_unreliable_before_the_answer_arrived_are_not_given_again(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Who never learnt of the match cannot be told that it is wrong, and would be given it on asking again."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        asking = replace(jp, other=Unlucky(jp.other))
        with pytest.raises(UnreachableError, match="lost on its way"):
            querying.open_query(asking, [fingers[0].later_print], justification(Party.JP), clock())
        (told,) = correspondence.notify_about(us, "someone", PRINTS_ARE_WRONG, clock())
        assert isinstance(told, RefusedError)
        assert told.problem.code == "5-1.NO_MATCH"
        (refused,) = delivery.resume(jp, clock)
        assert isinstance(refused, RefusedError)
        assert refused.problem.code == "10-2.RESTRICTED"
    (ended,) = _exchanges(jp)
    assert ended.state is State.CLOSED
    assert held(jp, ended.control_number) == {Content.CIRCUMSTANCES}


# Breach and consultations: Articles 9 and 14


def test_9_a_breach_is_notified_with_what_it_concerns_and_consultations_are_asked_for(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number, gone, nothing = (parties.matched(fingers[at]) for at in (0, 0, 1))
        assert exchange(jp, nothing).state is State.NO_MATCH
        querying.determine(jp, gone, will_request=False, now=clock())
        reported = correspondence.notify_breach(
            jp,
            nature="A disk was lost in transport.",
            measures="Its keys were destroyed.",
            noticed_at=clock() - timedelta(days=3),
            signed_by="Superintendent",
            now=clock(),
        )
        asked = correspondence.consult(
            us, ConsultationOn.IMPLEMENTATION, matter="The number of queries.", signed_by="Agent", now=clock()
        )
    assert "late notice" in events(jp, reported.control_number)
    for here in (jp, us):
        (notice,) = correspondence.read(here, reported.control_number)
        (consultation,) = correspondence.read(here, asked.control_number)
        assert isinstance(notice, BreachNotice)
        assert isinstance(consultation, Consultation)
        assert notice.affected == (exchange(jp, number).reference,)  # T-9b: of what is held, and of nothing else
        for opened, article in ((reported, "9"), (asked, "14")):
            (duty,) = owed(here, opened.control_number).values()
            assert duty.article == article
            assert provided.close(here, opened.control_number, clock()).state is State.CLOSED
            assert owed(here, opened.control_number) == {}
    parties.records_agree()


# Information without request: Article 6


def case(
    reference: str = "case-6", *, law: Party = Party.US, reason: str = "", condition: bool = False
) -> CaseInformation:
    offence = Offence("robbery", law, "a statute", Penalty(months=240), Category.ROBBERY)
    conditions = (Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,)),)
    return CaseInformation(
        Authority("Federal Bureau of Investigation", "Criminal Division", "FBI-1", "United States"),
        Basis(Activity.PREVENTION, (offence,), political=False),
        Expectation.WILL_COMMIT,
        reason or "A letter found at the home of a suspect names him and the bank.",
        reference,
        (Item("name", "SAMPLE, Person"),),
        conditions if condition else (),
    )


def test_6_information_is_provided_without_request_for_one_case(parties: Parties) -> None:
    jp, us = parties.jp, parties.us
    robbery = justification(Party.JP).basis.offences
    against_crime = Wanted(Purpose.SERIOUS_CRIME, "investigator", political=False, offences=robbery)
    with parties.answering(Party.US), parties.answering(Party.JP):
        # T-6a: serious crime by the law of the Party that receives is enough.
        number = unasked.provide(us, case(law=Party.JP), clock()).control_number
        assert exchange(jp, number).state is State.PROVIDED
        _, items, _ = provided.use(jp, number, against_crime, clock())
        assert [item.value for item in items] == ["SAMPLE, Person"]
        # T-8-5a: the general purposes are for information under Article 5.
        with pytest.raises(UseError, match=r"Art\. 8\(5\): .*provided under Article 5"):
            provided.use(jp, number, IMMIGRATION, clock())
        # T-11-2c: there was no query, and the record says so.
        with jp.store.transaction() as tx:
            (received, *_) = tx.entries(number)
        assert (received.authority, received.article) == (NO_QUERY, "6")
        # T-6b: in individual cases, each with its own reason.
        with pytest.raises(BulkProvisionError, match=r"Art\. 6: .*word for word that of 1 other cases"):
            unasked.provide(us, case("case-7"), clock())

        other = "He was seen drawing a plan of the bank, and bought a mask the day after."
        number = unasked.provide(us, case("case-8", reason=other, condition=True), clock()).control_number
        assert not information(jp, number)
        with pytest.raises(ConditionsError, match=r"is at 'offered': there is no provided information"):
            provided.use(jp, number, against_crime, clock())
        # Art. 10(2): what is on offer comes as it was offered, so it is corrected when it is here, and withheld until then.
        # Nor does what is right come before the acceptance of its conditions (8(8)).
        with pytest.raises(
            CorrectionError, match=r"Art\. 10\(1\): what is right is told of what was provided; .*no item was"
        ):
            correspondence.notify_correction(us, number, NAME_IS_WRONG, clock())
        correspondence.notify_correction(us, number, replace(NAME_IS_WRONG, correct=()), clock())
        notice = exchange(jp, number).matters[-1].number
        with pytest.raises(CorrectionError, match="name is still on its way and not here: it is withheld until then"):
            correspondence.take_measure(jp, number, notice, Measure.DELETION, by="officer", now=clock())
        querying.accept(jp, number, accepted=True, signed_by="Superintendent", now=clock())
        with pytest.raises(UseError, match=r"Art\. 10\(2\)"):
            provided.use(jp, number, against_crime, clock())
        correspondence.take_measure(jp, number, notice, Measure.DELETION, by="officer", now=clock())
        _, items, bound = provided.use(jp, number, against_crime, clock())
        assert (items, len(bound)) == ((), 1)

        number = unasked.provide(us, case("case-9", reason=other + " Twice.", condition=True), clock()).control_number
        querying.accept(jp, number, accepted=False, signed_by="Superintendent", now=clock())
        for here in (jp, us):
            assert exchange(here, number).state is State.DECLINED
            assert b"SAMPLE, Person" not in everything(here, number)
        # Article 7 covers Article 6 as well.
        first = next(each for each in _exchanges(us) if each.provided_at).control_number
        correspondence.ask_result(us, first, clock())
        correspondence.tell_result(jp, first, clock())
    assert [matter.outcome for matter in exchange(us, first).matters] == ["1 uses"]
    parties.records_agree()


def _exchanges(here: Installation) -> list[Exchange]:
    with here.store.transaction() as tx:
        return tx.exchanges()


# After the end: Articles 15(4) and 15(5)


def _ended(here: Installation) -> Installation:
    """Let a notice have ended the agreement for one of the two, as it stands after its next start."""
    write_termination(here.settings.folder, Termination(Party.US, date(2020, 1, 5), "note verbale 1/2020"))
    return replace(here, settings=settings.read(here.settings.folder.root))


def test_15_4_after_the_end_nothing_new_is_done_and_what_was_provided_stays_protected(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    inquest = Wanted(Purpose.OTHER, "officer", political=False, stated="An inquest.")
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name", "sex")
        open_match = parties.matched(fingers[0])
        waiting = parties.matched(fingers[0])
        parties.requested(waiting, "name")
        querying.examine(parties.jp, open_match, Conclusion.IDENTIFICATION, "examiner", clock())
    us = _ended(parties.us)
    with parties.answering(Party.US), pytest.raises(RefusedError, match=r"15-4\.TERMINATED.*ended on 2020-04-05"):
        parties.matched(fingers[1])  # where only the other side knows of the end
    jp = _ended(parties.jp)
    why = justification(Party.JP)
    with parties.answering(Party.US), parties.answering(Party.JP):
        before = events(jp)
        with pytest.raises(TerminatedError, match=r"Art\. 15\(4\): .*no query is made under it any more"):
            querying.open_query(jp, [fingers[0].later_print], why, clock())
        with pytest.raises(TerminatedError, match="no provision without request is made"):
            unasked.provide(us, case(), clock())
        with pytest.raises(TerminatedError, match="no provision is made"):
            queried.answer_request(us, waiting, give=("name",), by="officer", now=clock())
        assert events(jp) == before
        # Art. 15(5): determination and deletion, the gate, consent, correction and the result of use go on.
        querying.determine(jp, open_match, will_request=False, now=clock())
        assert not (held(jp, open_match) | held(us, open_match)) & {Content.PROBE, Content.CANDIDATE}
        with pytest.raises(UseError, match=r"Art\. 8\(5\)\(2\)"):
            provided.use(jp, number, inquest, clock())
        correspondence.ask_consent(
            jp,
            number,
            ConsentTo.USE,
            purpose="An inquest.",
            kinds=("name", "sex"),
            signed_by="Superintendent",
            now=clock(),
        )
        correspondence.decide_consent(us, number, granted=True, reason="", signed_by="Agent", now=clock())
        provided.use(jp, number, inquest, clock())
        correspondence.notify_correction(us, number, NAME_IS_WRONG, clock())
        assert values(jp, number) == {"sex": "not stated"}
        correspondence.take_measure(
            jp, number, exchange(jp, number).matters[-1].number, Measure.DELETION, by="officer", now=clock()
        )
        correspondence.ask_result(us, number, clock())
        correspondence.tell_result(jp, number, clock())
        correspondence.consult(jp, ConsultationOn.INTERPRETATION, matter="The end.", signed_by="Chief", now=clock())
        for purpose in exchange(jp, number).open_purposes:
            provided.end_purpose(jp, number, purpose, clock())
        assert not information(jp, number)
    parties.records_agree()


# Lost, repeated, unrecorded: Articles 3(3) and 11(1)


def test_every_notice_question_and_answer_is_taken_in_once_however_often_it_comes(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Each message arrives twice, its first answer is lost, and it is sent again: one effect, one entry on either side."""
    jp, us = (replace(here, other=Unlucky(here.other)) for here in (parties.jp, parties.us))
    parties.enrol(Party.US, "someone", fingers[0])

    def lost(here: Installation, act: Callable[[], object]) -> None:
        with pytest.raises(UnreachableError, match="lost on its way"):
            act()
        (outcome,) = delivery.resume(here, clock)
        assert not isinstance(outcome, Exception), outcome
        assert delivery.resume(here, clock) == []

    with parties.answering(Party.US), parties.answering(Party.JP):
        unfollowed = parties.matched(fingers[0])
        querying.examine(jp, unfollowed, Conclusion.EXCLUSION, "examiner", clock())
        lost(jp, lambda: querying.determine(jp, unfollowed, will_request=False, now=clock()))
        lost(us, lambda: correspondence.ask_explanation(us, unfollowed, clock()))
        draft = correspondence.draft_explanation(jp, unfollowed)
        lost(jp, lambda: correspondence.explain(jp, unfollowed, draft, signed_by="Chief", now=clock()))

        lost(us, lambda: unasked.provide(us, case(condition=True), clock()))
        number = next(each for each in _exchanges(us) if each.article == 6).control_number
        lost(jp, lambda: querying.accept(jp, number, accepted=True, signed_by="Chief", now=clock()))
        use = Wanted(
            Purpose.SERIOUS_CRIME, "investigator", political=False, offences=justification(Party.JP).basis.offences
        )
        provided.use(jp, number, use, clock())
        lost(us, lambda: correspondence.ask_result(us, number, clock()))
        lost(jp, lambda: correspondence.tell_result(jp, number, clock()))
        use_to = ConsentTo.USE
        lost(
            jp,
            lambda: correspondence.ask_consent(
                jp, number, use_to, purpose="An inquest.", kinds=("name",), signed_by="C", now=clock()
            ),
        )
        lost(
            us,
            lambda: correspondence.decide_consent(us, number, granted=True, reason="", signed_by="A", now=clock()),
        )
        lost(us, lambda: correspondence.notify_correction(us, number, NAME_IS_WRONG, clock()))
        lost(
            jp,
            lambda: correspondence.notify_breach(
                jp, nature="A loss.", measures="None.", noticed_at=clock(), signed_by="Chief", now=clock()
            ),
        )
        lost(
            us,
            lambda: correspondence.consult(
                us, ConsultationOn.AMENDMENT, matter="Annex I.", signed_by="Agent", now=clock()
            ),
        )
    for here in (jp, us):
        assert [matter.outcome for matter in exchange(here, unfollowed).matters] == ["excluded"]
        result, consent, _ = exchange(here, number).matters
        assert (result.outcome, consent.granted) == ("1 uses", True)
        with here.store.transaction() as tx:
            assert not [each for each in tx.held() if each.kind is Content.MESSAGE]
            assert here.store._slots.live() == tx.slots(CONTENT)
    parties.records_agree()


def test_3_3_what_the_other_side_may_not_say_is_refused_and_changes_nothing(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Sound messages, signed by the right contact point, that are not its to send: each check is made on our side too."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
        correspondence.ask_consent(
            jp,
            number,
            ConsentTo.USE,
            purpose="An inquest.",
            kinds=("name",),
            signed_by="Superintendent",
            now=clock(),
        )
        (question,) = exchange(us, number).matters
        reference = exchange(jp, number).reference or ""
        head = (clock(), service.new_salt())
        own_consent = ConsentDecision(
            "JP000000-A", *head, question.number, reference, granted=True, reason="", signed_by="Superintendent"
        )
        unasked_for = Explanation(
            "JP000000-B", *head, "US000000-X", reference, "A robbery.", Why.EXCLUDED, "No match.", "Superintendent"
        )
        breach = BreachNotice("JP000000-E", *head, Party.US, clock(), "A loss.", "None.", (), "Superintendent")
        before = exchange(us, number)
        refusals: tuple[tuple[Message, str], ...] = (
            (own_consent, "3-4.OUT_OF_ORDER"),
            (unasked_for, "3-4.OUT_OF_ORDER"),
            (ResultRequest("JP000000-C", *head, reference), "7.NOT_PROVIDED_BY_YOU"),
            (ExplanationRequest("JP000000-D", *head, reference), "4-6.NOT_A_MATCH"),
            (breach, "3-3.WRONG_PARTY"),
            (ResultRequest("JP000000-F", *head, "NOBODY-HAS-THIS"), "5-1.NO_MATCH"),
        )
        assert jp.other is not None
        for message, code in refusals:
            with pytest.raises(RefusedError, match=re.escape(f"({code})")) as refused:
                jp.other.post(message, wire.encode(message), clock())
            assert refused.value.final
            assert exchange(us, number) == before
    # Art. 11(1): what was received in an exchange is recorded, though it was not accepted.
    assert events(us, number).count("not accepted") == 4
    with us.store.transaction() as tx:
        assert len(tx.exchanges()) == 1


def test_11_1_a_question_that_cannot_be_recorded_is_not_taken_in(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        querying.determine(jp, number, will_request=False, now=clock())
        with closing(sqlite3.connect(jp.settings.folder.database)) as database:
            database.execute("CREATE TRIGGER fault BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'fault'); END")
        slots, before = jp.store._slots.live(), exchange(jp, number)
        with pytest.raises(RefusedError, match="technical failure") as refused:
            correspondence.ask_explanation(us, number, clock())
        assert not refused.value.final
        assert (jp.store._slots.live(), exchange(jp, number)) == (slots, before)
        with closing(sqlite3.connect(jp.settings.folder.database)) as database:
            database.execute("DROP TRIGGER fault")
        (asked,) = delivery.resume(us, lambda: clock() + timedelta(seconds=5))
        assert not isinstance(asked, Exception)
    assert len(exchange(jp, number).matters) == 1
    parties.records_agree()
