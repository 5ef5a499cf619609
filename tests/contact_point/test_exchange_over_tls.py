"""Whole exchanges between two contact points over real TLS 1.3: Articles 4, 5, 8 and 11 from end to end."""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from annex.eligibility import Disposition
from annex.offences import Offence, Penalty
from annex.parameters import Party
from contact_point import (
    correspondence,
    delivery,
    disposal,
    enrolment,
    prints,
    provided,
    queried,
    querying,
    service,
    wire,
)
from contact_point.correspondence import Correction
from contact_point.holdings import read_particulars
from contact_point.main import clock
from contact_point.nist import agreed, traditional
from contact_point.provided import Wanted
from contact_point.settings import write_termination
from contact_point.store import ContentGoneError, Impression
from contact_point.transport import RefusedError, UnreachableError, WaitingError
from matcher import synthesis
from matcher.formats import write_iso19794_2
from matcher.images import DecodeError, Image
from matcher.jail import JailError
from matcher.template import ImpressionType, Template
from pcsc.agreement import Termination
from pcsc.duties import Content
from pcsc.errors import (
    NoCircumstancesError,
    NoPrintsError,
    NotSeriousCrimeError,
    OutOfOrderError,
    PoliticalOffenceError,
    SearchKindError,
    UnconfirmedError,
    UseError,
)
from pcsc.exchange import Side, State
from pcsc.matters import Measure
from pcsc.messages import Checkpoints, Conclusion, Condition, Fault, Ground, Item, Match, Query, Refusal, Search
from pcsc.use import Purpose

from .parties import Listening, events, held, justification, notification, subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation
    from matcher.jail import Jail
    from pcsc.messages import Message

    from .parties import Finger, Parties


def deletions(here: Installation, number: str) -> list[tuple[str, str]]:
    with here.store.transaction() as tx:
        return [(entry.note.split()[0], entry.article) for entry in tx.entries(number) if entry.event == "deletion"]


def exchanges(here: Installation) -> int:
    with here.store.transaction() as tx:
        return len(tx.exchanges())


def test_an_exchange_from_the_query_to_the_use_of_what_was_provided(
    parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    """Articles 4(3)-(5), 8(2), 5(1), 5(2), 5(5), 8(8), 8(5), 8(9) in their order."""
    jp, us = parties.jp, parties.us
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        exchange = querying.open_query(jp, [fingers[0].later_print], justification(Party.JP), clock())
        number = exchange.control_number
        assert exchange.state is State.MATCH
        assert exchange.reference
        assert held(jp, number) == {Content.PROBE, Content.CANDIDATE, Content.CIRCUMSTANCES}
        assert held(us, number) == {Content.PROBE, Content.ANSWER}

        # 4(5): the examiner confirms; without that there is no request.
        with pytest.raises(UnconfirmedError, match="conclusion is not there yet"):
            querying.determine(jp, number, will_request=True, now=clock())
        picture = tmp_path / "side by side.png"
        querying.write_picture(jp, number, picture, clock())
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert len(querying.examination(jp, number).pairs) >= 12
        querying.examine(jp, number, Conclusion.IDENTIFICATION, "examiner", clock())

        # 8(2): the prints go at the determination, also when it is to request; with them the picture.
        querying.determine(jp, number, will_request=True, now=clock())
        assert held(jp, number) == {Content.CIRCUMSTANCES}
        assert not picture.exists()
        assert ("candidate", "8(2)") in deletions(jp, number)
        assert held(us, number) == {Content.PROBE, Content.RECEIPT}
        with pytest.raises(OutOfOrderError, match="holds no matching prints"):
            querying.examination(jp, number)

        querying.request(jp, number, notification("name", "date of birth", "criminal history"), clock())
        request, available = queried.notification_of(us, number)
        assert request.notification.purpose == "To establish who left the print."
        assert {item.kind for item in available} == {"name", "date of birth", "sex"}

        condition = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
        missing = Refusal(Ground.NOT_AVAILABLE, "none is recorded", "criminal history")
        queried.answer_request(
            us,
            number,
            give=("name", "date of birth"),
            refusals=(missing,),
            conditions=(condition,),
            by="officer",
            now=clock(),
        )
        # 8(1): the reply is the response that ends the hold of the probe.
        assert Content.PROBE not in held(us, number)
        assert ("probe", "8(1)") in deletions(us, number)

        # 8(8): nothing can be read before the acceptance, and the condition binds after it.
        assert Content.INFORMATION not in held(jp, number)
        querying.accept(jp, number, accepted=True, signed_by="Superintendent", now=clock())
        _, items, bound = provided.use(jp, number, Wanted(Purpose.NOTIFIED, "investigator", political=False), clock())
        assert {item.kind: item.value for item in items} == {"name": "SAMPLE, Person", "date of birth": "1980-05-01"}
        assert bound == (condition,)
        with pytest.raises(UseError, match=r"Art\. 8\(8\): .*Not for immigration"):
            provided.use(jp, number, Wanted(Purpose.IMMIGRATION, "officer", political=False), clock())

        # 8(9): when it is no longer necessary it is destroyed. 8(4): the notification stays with the queried side.
        provided.close(jp, number, clock())
        assert Content.INFORMATION not in held(jp, number)
        assert Content.NOTIFICATION in held(us, number)
    parties.records_agree()


def test_4_4_no_match_leaves_no_print_anywhere(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[1].later_print], justification(Party.JP), clock())
    assert exchange.state is State.NO_MATCH
    assert exchange.reference is None
    assert held(parties.us, exchange.control_number) == {Content.ANSWER}
    assert held(parties.jp, exchange.control_number) == {Content.CIRCUMSTANCES}
    assert deletions(parties.us, exchange.control_number) == [("probe", "8(1)")]
    parties.records_agree()


def test_4_2_an_excluded_person_and_an_absent_one_look_the_same(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """Annex II 1(1): held, and not made available to a query about an identified individual."""
    parties.enrol(Party.JP, "cleared", fingers[0], Disposition.NON_PROSECUTION_OTHER)
    way = Listening(parties.us.other)
    us = replace(parties.us, other=way)
    with parties.answering(Party.JP):
        for finger in (fingers[0], fingers[1]):
            exchange = querying.open_query(us, [finger.later_print], justification(Party.US), clock())
            assert exchange.state is State.NO_MATCH
        excluded, absent = way.answers
        assert len(excluded) == len(absent)
        assert set(json.loads(excluded)) == set(json.loads(absent)) == {"message", "control_number", "made_at", "salt"}
        # The print is there: Annex II 1(2) makes it available where the individual is not identified.
        unidentified = justification(Party.US, identified=False)
        exchange = querying.open_query(us, [fingers[0].later_print], unidentified, clock())
        assert exchange.state is State.MATCH


def test_4_5_a_print_that_could_not_be_shown_is_not_in_the_view(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """A match comes with its prints: where only a template is held there is none, until the image is enrolled."""
    template = Impression(write_iso19794_2([fingers[0].enrolled_print.template]))
    service.enrol(parties.us, [subject("someone", template)])
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
        assert exchange.state is State.NO_MATCH
        service.remove(parties.us, "someone")
        parties.enrol(Party.US, "someone", fingers[0])
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    assert exchange.state is State.MATCH


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        (
            {"offence": Offence("assault", Party.JP, "PC 208", Penalty(months=24))},
            NotSeriousCrimeError,
            r"Art\. 1\(3\)",
        ),
        ({"political": True}, PoliticalOffenceError, r"Art\. 13\(2\)"),
    ],
)
def test_4_3_a_query_that_may_not_be_made_stores_and_sends_nothing(
    parties: Parties, fingers: tuple[Finger, ...], changes: dict[str, object], error: type[Exception], says: str
) -> None:
    why = justification(Party.JP, **changes)  # type: ignore[arg-type]
    with pytest.raises(error, match=says):
        querying.open_query(parties.jp, [fingers[0].later_print], why, clock())
    assert exchanges(parties.jp) == 0
    assert not parties.jp.store._slots.live()


def test_4_3_circumstances_are_needed(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    why = replace(justification(Party.JP), circumstances="suspect")
    with pytest.raises(NoCircumstancesError, match=r"Art\. 4\(3\): .*at least 40 characters.*got 7"):
        querying.open_query(parties.jp, [fingers[0].later_print], why, clock())


def test_a_lost_answer_is_asked_for_again_and_is_the_same(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """The query is committed before it is sent, so it survives that nobody answers."""
    parties.enrol(Party.US, "someone", fingers[0])
    with pytest.raises(UnreachableError, match="can be sent again with `pcsc resume`; it will be answered once"):
        querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    with parties.answering(Party.US):
        (exchange,) = delivery.resume(parties.jp, clock)
        assert exchange.state is State.MATCH
        assert delivery.resume(parties.jp, clock) == []
    parties.records_agree()


class Late:
    """A way on which the answer comes when the time to wait for it is over."""

    def __init__(self, here: Installation) -> None:
        self.here, self.way = here, Listening(here.other)

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answered = self.way.post(message, body, now)
        if isinstance(message, Checkpoints):
            return answered
        days = self.here.settings.arrangement(now).follow_up_days
        assert disposal.discharge(self.here, now + timedelta(days=days)) == [message.control_number]
        return answered


@pytest.mark.parametrize(("enrolled", "answer"), [(0, "match"), (1, "no match")])
def test_11_1_an_answer_that_comes_after_the_query_lapsed_is_recorded_once_and_not_kept(
    parties: Parties, fingers: tuple[Finger, ...], enrolled: int, answer: str
) -> None:
    jp = parties.jp
    parties.enrol(Party.US, "someone", fingers[enrolled])
    late = Late(jp)
    with parties.answering(Party.US):
        exchange = querying.open_query(
            replace(jp, other=late), [fingers[0].later_print], justification(Party.JP), clock()
        )
        number = exchange.control_number
        assert exchange.state is State.LAPSED
        assert events(jp, number) == ["query", "lapse", "deletion", answer]
        ((query, body),) = late.way.sent
        delivery.deliver(jp, number, query, body, clock())
    assert events(jp, number).count(answer) == 1
    assert held(jp, number) == {Content.CIRCUMSTANCES}
    parties.records_agree()


def test_11_1_a_provision_that_comes_again_after_a_measure_brings_nothing_back(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The record says that it was received; the piece that it came as is no longer there to say so."""
    jp, us = parties.jp, parties.us
    way = Listening(jp.other)
    parties.enrol(Party.US, "someone", fingers[0])
    condition = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
    right = (Item("name", "RIGHT, Person"),)
    wrong = Correction(("name",), Fault.INCORRECT, "Two records were merged by mistake.", "Agent", right)
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.matched(fingers[0])
        parties.requested(number, "name")
        queried.answer_request(us, number, give=("name",), conditions=(condition,), by="officer", now=clock())
        querying.accept(replace(jp, other=way), number, accepted=True, signed_by="Superintendent", now=clock())
        ((acceptance, body),) = way.sent
        correspondence.notify_correction(us, number, wrong, clock())
        with jp.store.transaction() as tx:
            (notice,) = tx.exchange(number).matters
        correspondence.take_measure(jp, number, notice.number, Measure.CORRECTION, by="officer", now=clock())
        delivery.deliver(replace(jp, other=way), number, acceptance, body, clock())
        assert way.answers[0] == way.answers[1]
        assert b"SAMPLE, Person" in way.answers[1]
    _, items, _ = provided.use(jp, number, Wanted(Purpose.NOTIFIED, "investigator", political=False), clock())
    assert items == right
    assert events(jp, number).count("provision") == 1
    parties.records_agree()


def test_a_query_that_the_other_side_does_not_admit_ends_and_leaves_nothing(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The other Party may know of an end of the agreement that we do not: its refusal is final and is recorded."""
    notice = Termination(Party.US, date(2020, 1, 5), "note verbale 1/2020")
    write_termination(parties.us.settings.folder, notice)
    with parties.answering(Party.US), pytest.raises(RefusedError, match=r"15-4\.TERMINATED.*ended on 2020-04-05"):
        querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    with parties.jp.store.transaction() as tx:
        (exchange,) = tx.exchanges()
        assert exchange.state is State.CLOSED
        assert {each.kind for each in tx.held()} == {Content.CIRCUMSTANCES}
    # Art. 11(1): what was received is recorded there too, although nothing came of it.
    assert events(parties.us) == ["query", "not accepted"]
    with parties.us.store.transaction() as tx:
        assert not tx.held()
    parties.records_agree()


def test_11_1_if_the_record_cannot_be_written_nothing_is_answered(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    began = clock()
    parties.enrol(Party.US, "someone", fingers[0])
    with closing(sqlite3.connect(parties.us.settings.folder.database)) as database:
        database.execute("CREATE TRIGGER fault BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'fault'); END")
    with parties.answering(Party.US):
        with pytest.raises(RefusedError, match="a technical failure: this says nothing about") as refused:
            querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
        assert (refused.value.final, refused.value.retry_after) == (False, 5)
        assert exchanges(parties.us) == 0
        assert not parties.us.store._slots.live()
        with closing(sqlite3.connect(parties.us.settings.folder.database)) as database:
            database.execute("DROP TRIGGER fault")
        # The fault is gone, and the same query is answered when it is sent again; not before that was wished.
        (waiting,) = delivery.resume(parties.jp, lambda: began)
        assert isinstance(waiting, WaitingError)
        assert re.fullmatch(
            r"the other contact point asked that JP.* be not sent again before .* UTC \(Retry-After\).*", str(waiting)
        )
        (exchange,) = delivery.resume(parties.jp, lambda: clock() + timedelta(seconds=5))
    assert exchange.state is State.MATCH


def test_8_1_a_hold_that_nothing_follows_lapses(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """Article 8(1) and (2) name no day; the arrangement's hard stop does."""
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    later = clock() + timedelta(days=parties.us.settings.arrangement(clock()).follow_up_days)
    for here in (parties.jp, parties.us):
        assert disposal.discharge(here, clock()) == []
        assert disposal.discharge(here, later) == [exchange.control_number]
        assert held(here, exchange.control_number) <= {Content.CIRCUMSTANCES}
        assert disposal.discharge(here, later) == []


def test_annex_2_a_disposition_entered_a_moment_ago_decides(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """Status is a matter of the time of the query: no copy of last night answers it."""
    parties.enrol(Party.JP, "someone", fingers[0], Disposition.PENDING)
    with parties.answering(Party.JP):
        for disposition, expected in (
            (None, State.MATCH),
            (Disposition.NON_PROSECUTION_OTHER, State.NO_MATCH),
            (Disposition.CONVICTED_FINAL, State.MATCH),
        ):
            if disposition is not None:
                service.update(parties.jp, "someone", subject("someone", disposition=disposition).particulars)
            exchange = querying.open_query(parties.us, [fingers[0].later_print], justification(Party.US), clock())
            assert exchange.state is expected


def test_5_1_a_second_request_leaves_what_was_provided_and_binds_it_no_less(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Article 8(8): every condition that was accepted binds, whichever request it came with."""
    immigration = Wanted(Purpose.IMMIGRATION, "officer", political=False)
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
        provided.use(parties.jp, number, immigration, clock())
        querying.request(parties.jp, number, notification("sex"), clock())
        assert Content.INFORMATION in held(parties.jp, number)
        condition = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
        queried.answer_request(parties.us, number, give=("sex",), conditions=(condition,), by="officer", now=clock())
        querying.accept(parties.jp, number, accepted=True, signed_by="Superintendent", now=clock())
        notified = Wanted(Purpose.NOTIFIED, "officer", political=False)
        _, items, _ = provided.use(parties.jp, number, notified, clock())
        assert {item.kind for item in items} == {"name", "sex"}
        with pytest.raises(UseError, match=r"Art\. 8\(8\)"):
            provided.use(parties.jp, number, immigration, clock())
    parties.records_agree()


def test_the_acts_of_the_querying_side_are_not_for_the_queried_one(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    number = exchange.control_number
    for act in (
        lambda: querying.determine(parties.us, number, will_request=False, now=clock()),
        lambda: querying.request(parties.us, number, notification("name"), clock()),
        lambda: querying.accept(parties.us, number, accepted=True, signed_by="somebody", now=clock()),
        lambda: provided.close(parties.us, number, clock()),
    ):
        with pytest.raises(OutOfOrderError, match="was opened by JP, so this act is theirs"):
            act()


def test_8_2_a_picture_that_cannot_be_erased_keeps_no_print_alive(
    parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    """The prints go at once; the file is tried again until it is gone, and a link put in its place is not followed."""
    parties.enrol(Party.US, "someone", fingers[0])
    picture, elsewhere = tmp_path / "prints.png", tmp_path / "elsewhere.txt"
    elsewhere.write_text("nothing to do with it")
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
        querying.write_picture(parties.jp, exchange.control_number, picture, clock())
        picture.rename(tmp_path / "moved.png")
        picture.symlink_to(elsewhere)
        querying.determine(parties.jp, exchange.control_number, will_request=False, now=clock())
    assert held(parties.jp, exchange.control_number) == {Content.CIRCUMSTANCES, Content.PICTURE}
    assert elsewhere.read_text() == "nothing to do with it"
    picture.unlink()
    disposal.sweep(parties.jp, clock())
    assert held(parties.jp, exchange.control_number) == {Content.CIRCUMSTANCES}


def test_one_message_that_cannot_be_sent_does_not_hold_up_the_next(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    for finger in fingers[:2]:
        with pytest.raises(UnreachableError):
            querying.open_query(parties.jp, [finger.later_print], justification(Party.JP), clock())
    with parties.jp.store.transaction() as tx:
        first = next(each for each in tx.held() if each.kind is Content.MESSAGE)
    parties.jp.store.destroy([first])  # its key is gone, so it cannot be read any more
    with parties.answering(Party.US):
        lost, sent = delivery.resume(parties.jp, clock)
    assert isinstance(lost, ContentGoneError)
    assert not isinstance(sent, Exception)


def test_a_person_enrolled_while_the_service_runs_is_found_and_one_removed_is_not(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """Annex II is a matter of the time of the query."""
    with parties.answering(Party.US):
        for expected in (State.NO_MATCH, State.MATCH, State.NO_MATCH):
            exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
            assert exchange.state is expected
            if expected is State.NO_MATCH and exchanges(parties.jp) == 1:
                parties.enrol(Party.US, "someone", fingers[0])
            elif expected is State.MATCH:
                service.remove(parties.us, "someone")


# --- the prints of a match


class Answering:
    """The way to the other contact point, which answers with other prints than it did."""

    def __init__(self, here: Installation, change: Callable[[bytes], bytes]) -> None:
        assert here.other is not None
        self.other, self.change = here.other, change

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answer, answer_body = self.other.post(message, body, now)
        if not isinstance(answer, Match):
            return answer, answer_body
        answer = replace(answer, prints=self.change(answer.prints))
        return answer, wire.encode(answer)


def _two_prints(sent: agreed.Transaction) -> agreed.Transaction:
    return replace(sent, images=sent.images * 2)


def _latent(sent: agreed.Transaction) -> agreed.Transaction:
    return replace(sent, images=(replace(sent.images[0], impression=4),))


def _wider(sent: agreed.Transaction) -> agreed.Transaction:
    return replace(sent, images=(replace(sent.images[0], width=200),))


def _broken(sent: agreed.Transaction) -> agreed.Transaction:
    """Return a picture whose chunks are sound and whose pixels are not."""
    at = sent.images[0].data.index(b"IDAT")
    idat = b"IDAT" + b"no pixels"
    data = sent.images[0].data[: at - 4] + (9).to_bytes(4) + idat + zlib.crc32(idat).to_bytes(4)
    end = (0).to_bytes(4) + b"IEND" + zlib.crc32(b"IEND").to_bytes(4)
    return replace(sent, images=(replace(sent.images[0], data=data + end),))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (_two_prints, NoPrintsError, r"Art\. 4\(5\): .*expected one Type-14 image .*got 2 images of Types \[14\] in its"),
        (_latent, NoPrintsError, r"got 1 images of Types \[13\] in its result"),
        (lambda sent: replace(sent, images=()), NoPrintsError, r"got 0 images of Types \[\] in its result"),
        (lambda sent: replace(sent, control_reference="JP-1"), NoPrintsError, "in another transaction"),
        (lambda sent: replace(sent, type_of_transaction=agreed.SEARCH), NoPrintsError, "in another transaction"),
        (_wider, NoPrintsError, r"expected an image of 200 x \d+ pixels, as its record says \(14\.006, 14\.007\); got"),
        (_broken, DecodeError, "PNG: "),
    ],
)  # fmt: skip
def test_4_5_a_match_whose_print_could_not_be_confirmed_is_not_taken_in(
    parties: Parties,
    fingers: tuple[Finger, ...],
    change: Callable[[agreed.Transaction], agreed.Transaction],
    error: type[Exception],
    says: str,
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    way = Answering(parties.jp, lambda data: agreed.write(change(agreed.read(data))))
    jp = replace(parties.jp, other=way)
    with parties.answering(Party.US), pytest.raises(error, match=says):
        querying.open_query(jp, [fingers[0].later_print], justification(Party.JP), clock())
    with jp.store.transaction() as tx:
        (exchange,) = tx.exchanges()
    assert exchange.state is State.SENT  # and not taken in by halves
    assert Content.CANDIDATE not in held(jp, exchange.control_number)
    assert Content.MESSAGE in held(jp, exchange.control_number)


def test_one_match_that_cannot_be_read_does_not_keep_the_other_messages_back(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The pictures of the first match are broken, nothing can be decoded at the second, the third is sound."""
    parties.enrol(Party.US, "someone", fingers[0])
    for _ in range(3):
        with pytest.raises(UnreachableError):
            querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    came: list[bytes] = []

    def change(data: bytes) -> bytes:
        came.append(data)
        if len(came) == 2:
            raise JailError("nothing can be decoded at present")
        return agreed.write(_broken(agreed.read(data))) if len(came) == 1 else data

    with parties.answering(Party.US):
        jp = replace(parties.jp, other=Answering(parties.jp, change))
        first, second, third = delivery.resume(jp, clock)
        assert isinstance(first, DecodeError)
        assert isinstance(second, JailError)
        assert not isinstance(third, Exception)
        assert third.state is State.MATCH
        # The other side answers once, so that the two get the same answers again.
        again = delivery.resume(jp, clock)
    assert [isinstance(each, Exception) or each.state for each in again] == [State.MATCH] * 2
    parties.records_agree()


def test_the_prints_of_a_match_are_read_while_the_store_is_free(
    parties: Parties, fingers: tuple[Finger, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading takes its time in the jail: meanwhile others may write."""
    parties.enrol(Party.US, "someone", fingers[0])
    read, free = agreed.read, []

    def slow(data: bytes, *, place: Jail) -> agreed.Transaction:
        if b"1.004:SRE" in data:
            with closing(sqlite3.connect(parties.jp.settings.folder.database, timeout=0.2)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.rollback()
            free.append(len(data))
        return read(data, place=place)

    with parties.answering(Party.US):
        monkeypatch.setattr(agreed, "read", slow)
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    assert exchange.state is State.MATCH
    assert free


# --- files of the national systems


def card(pictures: list[tuple[int, int, Image]]) -> bytes:
    """Return a card as a transaction: prints by their finger and the code of their impression."""
    made = [prints.finger_image(picture, position, impression=impression) for position, impression, picture in pictures]
    said = {"control_number": "1", "originator": "US/FBI", "destination": "US/FBI", "delete_by": None, "now": clock()}
    return prints.transaction(made, kind=prints.SEARCH, **said)  # type: ignore[arg-type]


def marked(finger: Finger) -> bytes:
    """Return a latent print of a finger as a file: Type-13, and in Type-9 the minutiae that an examiner marked on it."""
    found = finger.later_print.template
    best = np.argsort(-found.quality.astype(int), kind="stable")[:24]
    marks = Template.of(
        found.x[best],
        found.y[best],
        found.direction[best],
        kind=found.kind[best],
        quality=np.zeros(len(best)),
        width=found.width,
        height=found.height,
    )
    latent = prints.finger_image(finger.later_print.image, 0, impression=6, marked=marks)
    made = agreed.Transaction(agreed.SEARCH, "1", "JP/NPA", "JP/NPA", clock().date(), (latent,))
    return agreed.write(made)


def test_4_7_a_latent_print_is_found_by_what_an_examiner_marked_on_it(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    parties.enrol(Party.US, "another", fingers[1])
    way = Listening(parties.jp.other)
    (latent,) = parties.reader.read_file(marked(fingers[0]), at=clock()).prints
    why = replace(justification(Party.JP, identified=False), search=Search.LATENT)
    with parties.answering(Party.US):
        exchange = querying.open_query(replace(parties.jp, other=way), [latent], why, clock())
    assert (exchange.state, exchange.search) == (State.MATCH, Search.LATENT)
    ((query, _),) = way.sent
    assert isinstance(query, Query)
    assert [record.type for record in traditional.read(query.prints).records] == [1, 2, 13, 9]
    # 4(4), 4(5): what comes back is the print that matches, and nothing of how it was found.
    match = wire.decode(way.answers[0], Match)
    assert [record.type for record in traditional.read(match.prints).records] == [1, 2, 14]
    shown = querying.examination(parties.jp, exchange.control_number)
    assert len(shown.probe.template) == 24
    assert len(shown.pairs) >= 12
    with parties.us.store.transaction() as tx:
        assert tx.queries_on(f"{clock():%Y-%m-%d}", Side.QUERIED, Search.LATENT) == 1
        assert tx.queries_on(f"{clock():%Y-%m-%d}", Side.QUERIED, Search.TENPRINT) == 0
    parties.records_agree()


def test_4_7_a_latent_search_with_the_print_of_a_known_finger_is_refused_on_both_sides(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    print_ = fingers[0].later_print
    taken = replace(print_, template=replace(print_.template, impression=ImpressionType.LIVE_PLAIN))
    latent = replace(justification(Party.JP), search=Search.LATENT)
    with pytest.raises(SearchKindError, match=r"Art\. 4\(7\): a latent search carries prints left at a scene"):
        querying.open_query(parties.jp, [taken], latent, clock())
    assert exchanges(parties.jp) == 0
    # One that our side did not hold back: the other side looks for itself.
    query = querying._query(parties.jp, [taken], latent, service.new_number(parties.jp, clock()), clock())
    assert parties.jp.other is not None
    with parties.answering(Party.US), pytest.raises(RefusedError, match=r"the transaction has Type-14: send what was"):
        parties.jp.other.post(query, wire.encode(query), clock())
    assert held(parties.us, query.control_number) == set()


def test_a_card_of_ten_fingers_is_found_by_another_card_of_the_person(parties: Parties, tmp_path: Path) -> None:
    """Enrolled as a national system keeps it, each finger rolled; queried with another, of which two fingers came twice."""
    hand = {position: synthesis.Finger(11, position=position) for position in range(1, 11)}
    rolled, plain = (
        {position: Image(finger.image(at, width=176, height=176), 500.0) for position, finger in hand.items()}
        for at in (0, 1)
    )
    (tmp_path / "rolled.an2").write_bytes(card([(position, 1, picture) for position, picture in rolled.items()]))
    person = enrolment.Person(
        "someone", read_particulars(subject("someone").particulars), (enrolment.FileOf(tmp_path / "rolled.an2"),)
    )
    ready = enrolment.ready(person, parties.reader, at=clock(), leave_out=False)
    assert len(ready.subject.impressions) == 10
    service.enrol(parties.us, [ready.subject])
    files = [card([(at, 0, picture) for at, picture in plain.items()]), card([(2, 1, plain[2]), (3, 1, plain[3])])]
    found = [each for file in files for each in parties.reader.read_file(file, at=clock()).prints]
    assert len(found) == 12
    probe = prints.best_of_each_finger(found)
    assert [each.template.position for each in probe] == list(range(1, 11))
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, probe, justification(Party.JP), clock())
    assert exchange.state is State.MATCH
    parties.records_agree()
