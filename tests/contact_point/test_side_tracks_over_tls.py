"""What is asked and answered beside the exchanges, over real TLS 1.3: Articles 4(6), 7, 8(5)-(9), and requests between them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import correspondence, delivery, disposal, provided, queried, querying, service, wire
from contact_point.main import clock
from contact_point.provided import Wanted
from contact_point.transport import RefusedError, UnreachableError
from pcsc.duties import Content
from pcsc.errors import (
    ConsentError,
    DuplicateTextError,
    FollowedError,
    NoNotificationError,
    NotProvidedError,
    NotUnfollowedError,
    OutOfOrderError,
    ReleaseError,
    RetentionError,
    UseError,
)
from pcsc.exchange import NOT_ACCEPTED, State
from pcsc.messages import (
    RESULT,
    Conclusion,
    Condition,
    ConsentTo,
    Explanation,
    ExplanationRequest,
    Recipient,
    RecipientKind,
    Request,
    Why,
)
from pcsc.use import Purpose

from .parties import ITEMS, Down, Punctual, events, exchange, held, justification, notification, owed, subject

if TYPE_CHECKING:
    from .parties import Finger, Parties

INTERPOL = Recipient(RecipientKind.BODY, "INTERPOL")
EUROPOL = Recipient(RecipientKind.BODY, "Europol")
IMMIGRATION = Wanted(Purpose.IMMIGRATION, "officer", political=False)
NOTIFIED = Wanted(Purpose.NOTIFIED, "investigator", political=False)
INQUEST = Wanted(Purpose.OTHER, "officer", political=False, stated="An inquest into the death of the cashier.")
PRINTS_HELD = {Content.PROBE, Content.CANDIDATE, Content.PICTURE}


# Explanation: Article 4(6)


def test_4_6_an_explanation_is_asked_for_and_given_when_every_print_is_gone(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        with pytest.raises(FollowedError, match=r"Art\. 4\(6\): .*one may follow until 20"):
            correspondence.ask_explanation(us, number, clock())
        querying.examine(jp, number, Conclusion.EXCLUSION, "examiner", clock())
        querying.determine(jp, number, will_request=False, now=clock())
        assert not (held(jp, number) | held(us, number)) & (PRINTS_HELD | {Content.ANSWER})
        with pytest.raises(NotUnfollowedError, match=r"the queried side asks .* JP was not queried in it"):
            correspondence.ask_explanation(jp, number, clock())
        assert owed(us, number).keys() == {"you may ask for the purpose of the query"}

        correspondence.ask_explanation(us, number, clock())
        with pytest.raises(OutOfOrderError, match=r"the explanation .* was asked for on .*: wait for the answer"):
            correspondence.ask_explanation(us, number, clock())
        # T-4-6d: what is owed stands on both sides, under the same article and with the same day.
        ours, theirs = owed(jp, number), owed(us, number)
        assert ours.keys() == {"explain the purpose of the query"}
        assert theirs.keys() == {"JP owes: explain the purpose of the query"}
        overdue = clock() + timedelta(days=jp.settings.arrangement(clock()).explanation_reply_days)
        for duty in (*ours.values(), *theirs.values()):
            assert duty.article == "4(6)"
            assert clock() < duty.by < overdue

        draft = correspondence.draft_explanation(jp, number)
        assert draft.why is Why.EXCLUDED
        assert "investigation of serious crime by Police, Investigation Unit" in draft.purpose
        for event in ("query", "match", "the examiner concluded exclusion", "determination"):
            assert event in draft.text
        correspondence.explain(jp, number, draft, signed_by="Superintendent", now=clock())
        with pytest.raises(OutOfOrderError, match=r"US has asked for no explanation .* that is not answered yet"):
            correspondence.explain(jp, number, draft, signed_by="Superintendent", now=clock())
    for here in (jp, us):
        assert owed(here, number) == {}
        (matter,) = exchange(here, number).matters
        assert matter.outcome == "excluded"
        question, explanation = correspondence.read(here, number)
        assert isinstance(question, ExplanationRequest)
        assert isinstance(explanation, Explanation)
        assert (explanation.purpose, explanation.text) == (draft.purpose, draft.text)
        assert not held(here, number) & PRINTS_HELD
    parties.records_agree()


def test_4_6_japan_must_ask_when_the_time_to_follow_a_match_has_run_out(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """National Public Safety Commission Rule 16 of 2018, Article 3. A request that comes late is taken in and flagged."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.JP, "someone", fingers[0])
    arrangement = jp.settings.arrangement(clock())
    window_end = clock() + timedelta(days=arrangement.follow_up_days, minutes=1)
    too_late = window_end + timedelta(days=arrangement.explanation_request_days)
    with parties.answering(Party.JP), parties.answering(Party.US):
        number = parties.matched(fingers[0], Party.US)
        querying.examine(us, number, Conclusion.IDENTIFICATION, "examiner", clock())
        querying.determine(us, number, will_request=True, now=clock())
        assert owed(jp, number) == {}
        assert disposal.discharge(jp, window_end) == [number]
        assert owed(jp, number).keys() == {"ask for the purpose of the query"}
        asking = replace(jp, other=Punctual(jp.other))
        correspondence.ask_explanation(asking, number, too_late)
        assert [matter.late for matter in exchange(jp, number).matters] == [True]

        querying.request(us, number, notification("name", party=Party.US), clock())
        assert "late request" in events(jp, number)
        assert not held(jp, number) & PRINTS_HELD
        draft = correspondence.draft_explanation(us, number)
        correspondence.explain(us, number, replace(draft, why=Why.OTHER), signed_by="Agent", now=clock())
        assert exchange(jp, number).matters[0].outcome == "other"
        assert exchange(jp, number).state is State.REQUESTED
    parties.records_agree()


def test_4_6_a_question_that_the_other_side_does_not_accept_is_withdrawn_and_not_repeated(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """We do not know yet of the request that followed: it is still on its way."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    window_end = clock() + timedelta(days=us.settings.arrangement(clock()).follow_up_days, minutes=1)
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        querying.examine(jp, number, Conclusion.IDENTIFICATION, "examiner", clock())
        querying.determine(jp, number, will_request=True, now=clock())
        with pytest.raises(UnreachableError):
            querying.request(replace(jp, other=Down()), number, notification("name"), clock())
        disposal.discharge(us, window_end)
        with pytest.raises(RefusedError, match=r"4-6\.FOLLOWED.*request JP.* followed"):
            correspondence.ask_explanation(replace(us, other=Punctual(us.other)), number, window_end)
        (matter,) = exchange(us, number).matters
        assert matter.outcome == NOT_ACCEPTED
        assert "you may ask for the purpose of the query" in owed(us, number)
        assert exchange(jp, number).matters == ()
        assert delivery.resume(us, clock) == []
        (requested,) = delivery.resume(jp, clock)
        assert not isinstance(requested, Exception)
    assert exchange(us, number).state is State.REQUESTED
    assert events(us, number).count("not accepted") == events(jp, number).count("not accepted") == 1
    parties.records_agree()


# Result of use: Articles 7 and 8(6)


def test_7_the_result_of_every_use_is_told_on_request_and_read_only_to_review_the_implementation(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        with pytest.raises(NotProvidedError, match=r"Art\. 7: .*US provided none in exchange"):
            correspondence.ask_result(us, number, clock())
        parties.requested(number, "name")
        queried.answer_request(us, number, give=("name",), by="officer", now=clock())
        with pytest.raises(NotProvidedError, match="JP provided none"):
            correspondence.ask_result(jp, number, clock())

        # T-7b: it was not used, and that is told.
        correspondence.ask_result(us, number, clock())
        assert owed(jp, number)["tell the result of the use"].article == "7"
        assert "JP owes: tell the result of the use" in owed(us, number)
        correspondence.tell_result(jp, number, clock())
        assert [matter.outcome for matter in exchange(us, number).matters] == ["no use"]

        # T-7a: a use under Article 8(5)(1) appears, with what came of it.
        provided.use(jp, number, IMMIGRATION, clock())
        provided.note_result(jp, number, 1, "A visa was refused.", clock())
        # T-7c: the end of the record's term does not come while the information is held.
        disposal.expire(jp, clock() + timedelta(days=3 * 366))
        correspondence.ask_result(us, number, clock())
        correspondence.tell_result(jp, number, clock())
    with pytest.raises(UseError, match=r"Art\. 8\(6\): the result of a use may be used solely for 'review'"):
        correspondence.read_result(us, number, Purpose.SERIOUS_CRIME, by="investigator", now=clock())
    (use,) = correspondence.read_result(us, number, Purpose.REVIEW, by="reviewer", now=clock())
    assert (use.purpose, use.clause, use.result) == ("immigration", "8(5)(1)(c)", "A visa was refused.")
    assert events(us, number).count("use") == 2  # every asking is recorded
    assert {type(said).__name__ for said in correspondence.read(us, number)} == {"ResultRequest"}
    with pytest.raises(NotProvidedError, match="no result of use was told"):
        correspondence.read_result(jp, number, Purpose.REVIEW, by="reviewer", now=clock())
    parties.records_agree()


# Consent: Articles 8(5)(2) and 8(7)


def test_8_5_another_use_waits_for_consent_and_japan_reports_before_it_consents(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """National Public Safety Commission Rule 16 of 2018, Article 4: before it, or without delay after an urgent one."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.JP, "someone", fingers[0])

    def asked(purpose: str) -> str:
        correspondence.ask_consent(
            us, number, ConsentTo.USE, purpose=purpose, kinds=("name",), signed_by="Agent", now=clock()
        )
        return exchange(jp, number).matters[-1].number

    def decide(*, granted: bool = True, urgent: bool = False, reason: str = "") -> None:
        correspondence.decide_consent(
            jp, number, granted=granted, reason=reason, urgent=urgent, signed_by="Superintendent", now=clock()
        )

    with parties.answering(Party.JP), parties.answering(Party.US):
        number = parties.matched(fingers[0], Party.US)
        with pytest.raises(ConsentError, match=r"Art\. 8\(5\)\(2\): .*US received none"):
            asked(INQUEST.stated)
        parties.requested(number, "name", party=Party.US)
        queried.answer_request(jp, number, give=("name",), by="officer", now=clock())
        with pytest.raises(UseError, match=r"Art\. 8\(5\)\(2\): .*needs the other Party's prior consent"):
            provided.use(us, number, INQUEST, clock())
        question = asked(INQUEST.stated)
        assert owed(jp, number)["decide on the consent"].article == "8(5)(2)"
        with pytest.raises(ConsentError, match=r"National Public Safety Commission before it is given .*no report is"):
            decide()
        with pytest.raises(ConsentError, match="has a reference"):
            correspondence.report_consent(jp, number, question, " ", clock())
        correspondence.report_consent(jp, number, question, "NPSC 2026-77", clock())
        before_consent = clock()
        decide()
        # T-8-5c: consent does not reach back.
        with pytest.raises(UseError, match="prior consent"):
            provided.use(us, number, INQUEST, before_consent)
        permission, _, _ = provided.use(us, number, INQUEST, clock())
        assert permission.article == "8(5)(2)"
        with pytest.raises(UseError, match="'A civil action' needs"):
            provided.use(us, number, replace(INQUEST, stated="A civil action"), clock())
        assert owed(jp, number) == {}

        question = asked("A hearing that begins in an hour")
        decide(urgent=True)
        assert owed(jp, number).keys() == {"report the consent that was given without delay"}
        correspondence.report_consent(jp, number, question, "NPSC 2026-78", clock())
        assert owed(jp, number) == {}

        asked("A civil action")
        decide(granted=False, reason="The case is under seal.")  # what is withheld needs no report
        with pytest.raises(UseError, match="'A civil action' needs"):
            provided.use(us, number, replace(INQUEST, stated="A civil action"), clock())
    assert [matter.outcome for matter in exchange(us, number).matters] == ["granted", "granted", "withheld"]
    assert "An inquest into the death of the cashier." in exchange(us, number).open_purposes
    parties.records_agree()


def test_8_7_a_release_waits_for_consent_to_this_recipient_and_conditions_go_with_it(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    condition = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name", conditions=(condition,))
        # T-8-7a: INTERPOL is an international body; the result of the query is covered as well.
        with pytest.raises(
            ReleaseError, match=r"Art\. 8\(7\): .*is released to INTERPOL \(international body\) without"
        ):
            provided.release(jp, number, INTERPOL, by="officer", now=clock())
        for here in (jp, us):
            with pytest.raises(ReleaseError, match=r"Art\. 8\(7\): .*without the prior written consent of (US|JP)"):
                provided.release_of_match(here, number, INTERPOL, by="officer", now=clock())
        correspondence.ask_consent(
            jp,
            number,
            ConsentTo.RELEASE,
            purpose="A notice.",
            kinds=("name",),
            recipient=INTERPOL,
            signed_by="Superintendent",
            now=clock(),
        )
        assert owed(us, number)["decide on the consent"].article == "8(7)"
        correspondence.decide_consent(us, number, granted=True, reason="", signed_by="Agent", now=clock())
        # T-8-7c: one recipient is not another. T-8-8b: the conditions go with what is released.
        permission, items, bound = provided.release(jp, number, INTERPOL, by="officer", now=clock())
        assert (permission.article, [item.kind for item in items], bound) == ("8(7)", ["name"], (condition,))
        with pytest.raises(
            ReleaseError, match=r"is released to Europol \(international body\) without the prior written consent of US"
        ):
            provided.release(jp, number, EUROPOL, by="officer", now=clock())
        agency = Recipient(RecipientKind.AUTHORITY, "Prefectural Police")
        # An authority of the same Party is no third one: it uses the information, for a purpose, as bound as the first.
        with pytest.raises(
            ReleaseError, match=r"Prefectural Police is an authority of JP, which uses it .*\(Art\. 8\(5\)\)"
        ):
            provided.release(jp, number, agency, by="officer", now=clock())
        _, _, bound = provided.use(jp, number, replace(NOTIFIED, authority=agency.name), clock())
        assert bound == (condition,)
        with pytest.raises(UseError, match=r"Art\. 8\(8\)"):
            provided.use(jp, number, replace(IMMIGRATION, authority=agency.name), clock())
        with pytest.raises(UseError, match=r"Art\. 8\(8\)"):
            provided.use(jp, number, IMMIGRATION, clock())
        with pytest.raises(ReleaseError, match=r"Art\. 8\(3\)"):
            provided.release_of_match(jp, number, agency, by="officer", now=clock())
    assert [each.recipient.name for each in exchange(jp, number).releases] == ["INTERPOL", "Prefectural Police"]
    assert events(jp, number).count("release") == 6
    parties.records_agree()


def test_8_5_and_8_7_a_consent_is_about_what_it_names_and_about_nothing_that_came_later(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])

    def consented(to: ConsentTo, *kinds: str) -> None:
        recipient = INTERPOL if to is ConsentTo.RELEASE else None
        correspondence.ask_consent(
            jp,
            number,
            to,
            purpose=INQUEST.stated,
            kinds=kinds,
            recipient=recipient,
            signed_by="Superintendent",
            now=clock(),
        )
        assert exchange(us, number).matters[-1].concerns == kinds
        correspondence.decide_consent(us, number, granted=True, reason="", signed_by="Agent", now=clock())

    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
        with pytest.raises(
            ConsentError, match=r"Art\. 8\(5\)\(2\): 'nmae' is no kind of item that US may give; .*lists name"
        ):
            consented(ConsentTo.USE, "nmae")
        with pytest.raises(ConsentError, match=r"by saying what it is about; name the items, or 'result of automated"):
            consented(ConsentTo.USE)
        with pytest.raises(ConsentError, match=r"serves one purpose alone \(Art\. 8\(3\)\) and is consented to apart"):
            consented(ConsentTo.USE, RESULT)
        with pytest.raises(ConsentError, match="consented to apart from items: ask for each by itself"):
            consented(ConsentTo.RELEASE, "name", RESULT)
        assert exchange(jp, number).matters == ()

        consented(ConsentTo.USE, "name")
        consented(ConsentTo.RELEASE, "name")
        provided.use(jp, number, INQUEST, clock())
        provided.release(jp, number, INTERPOL, by="officer", now=clock())
        # The result of the query is another thing.
        with pytest.raises(ReleaseError, match="without the prior written consent of US"):
            provided.release_of_match(jp, number, INTERPOL, by="officer", now=clock())
        consented(ConsentTo.RELEASE, RESULT)
        assert provided.release_of_match(jp, number, INTERPOL, by="officer", now=clock()).article == "8(7)"

        querying.request(jp, number, notification("sex"), clock())
        queried.answer_request(us, number, give=("sex",), by="officer", now=clock())
        with pytest.raises(UseError, match="needs the other Party's prior consent"):
            provided.use(jp, number, INQUEST, clock())
        with pytest.raises(ReleaseError, match="without the prior written consent of US"):
            provided.release(jp, number, INTERPOL, by="officer", now=clock())
        consented(ConsentTo.USE, "name", "sex")
        _, items, _ = provided.use(jp, number, INQUEST, clock())
        assert {item.kind for item in items} == {"name", "sex"}
    parties.records_agree()


# Only so long as necessary: Article 8(9)


def test_8_9_what_is_reviewed_stays_and_with_the_last_purpose_it_is_destroyed(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp = parties.jp
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
    first = owed(jp, number)["review whether the information is still necessary"]
    provided.review(jp, number, "data officer", clock())
    assert owed(jp, number)["review whether the information is still necessary"].by > first.by
    provided.use(jp, number, IMMIGRATION, clock())
    with pytest.raises(RetentionError, match=r"Art\. 8\(9\): .*held for notified, immigration; 'other' is not"):
        provided.end_purpose(jp, number, "other", clock())
    provided.end_purpose(jp, number, "notified", clock())
    assert Content.INFORMATION in held(jp, number)
    with jp.store.transaction() as tx:
        (information,) = [each for each in tx.held(number) if each.kind is Content.INFORMATION]
    closed = provided.end_purpose(jp, number, "immigration", clock())
    assert closed.state is State.CLOSED
    assert Content.INFORMATION not in held(jp, number)
    assert information.slot not in jp.store._slots.live()
    assert owed(jp, number) == {}
    with jp.store.transaction() as tx:
        (deletion,) = [entry for entry in tx.entries(number) if entry.note.startswith("information destroyed")]
    assert deletion.article == "8(9)"


# Requests: Articles 5(1) and 5(2)


def test_5_2_what_is_given_is_what_was_there_when_the_request_came_and_says_where_it_changed(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        parties.requested(number, "name", "sex")
        known = ITEMS | {"name": "OTHER, Person", "aliases": "nobody knew of them yet"}
        service.update(us, "someone", subject("someone", items=known).particulars)
        queried.answer_request(us, number, give=("name", "sex"), by="officer", now=clock())
        _, items, _ = provided.use(jp, number, NOTIFIED, clock())
    assert [(item.kind, item.value, item.note) for item in items] == [
        ("name", "SAMPLE, Person", "changed after the request came; this is what was available then"),
        ("sex", "not stated", ""),
    ]
    parties.records_agree()


def test_5_1_an_urgent_request_states_its_risk_and_one_without_a_match_is_refused(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    risk = "He is said to carry a gun and to be on his way to the airport."
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        querying.examine(jp, number, Conclusion.IDENTIFICATION, "examiner", clock())
        querying.determine(jp, number, will_request=True, now=clock())
        # T-5-1a, T-5-1b: a number that was never given, and one of the other direction.
        why = justification(Party.JP)
        assert jp.other is not None
        for reference in ("AAAAAAAAAAAAAAAAAAAAAAAA", ""):
            guess = Request(
                service.new_number(jp, clock()),
                clock(),
                service.new_salt(),
                reference,
                why.authority,
                notification("name"),
            )
            with pytest.raises(RefusedError, match=r"5-1\.NO_MATCH") as refused:
                jp.other.post(guess, wire.encode(guess), clock())
            assert refused.value.final
        with pytest.raises(NoNotificationError, match=r"Art\. 5\(1\): an urgent request states .*got 6"):
            querying.request(jp, number, notification("name"), clock(), risk="A gun.")
        querying.request(jp, number, notification("name"), clock(), risk=risk)
        duty = owed(us, number)["answer the urgent request for further information"]
        assert duty.by < clock() + timedelta(hours=us.settings.arrangement(clock()).urgent_reply_hours)
        request, _ = queried.notification_of(us, number)
        assert request.risk == risk
    parties.records_agree()


def test_4_3_the_same_circumstances_are_no_reason_in_another_case(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    with parties.answering(Party.US):
        for _ in range(2):  # the same case may be asked about again
            parties.matched(fingers[0])
        before = events(parties.jp)
        with pytest.raises(
            DuplicateTextError, match=r"Art\. 4\(3\): .*word for word those of 2 queries of other cases"
        ):
            parties.matched(fingers[0], case="case-2")
        shouted = justification(Party.JP).circumstances.upper().replace(" ", "  \n")
        with pytest.raises(DuplicateTextError, match="word for word"):
            parties.matched(fingers[0], case="case-2", circumstances=shouted)
        assert events(parties.jp) == before
        own = "A second print was lifted at another till; the same man was seen there by the cashier."
        parties.matched(fingers[0], case="case-2", circumstances=own)
    parties.records_agree()
