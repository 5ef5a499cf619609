"""Each contact point witnesses the other's record: what was changed, cut off or set back is noticed at the next exchange."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import correspondence, installation, main, notes, queried, service, settings, wire, witness
from contact_point.demonstration import designate
from contact_point.keys import SignatureError, SigningKey, VerifyingKey
from contact_point.service import Installation
from contact_point.store.tables import ENTRY, TREE, WITNESSED
from contact_point.witness import ForkError
from pcsc import checkpoints, merkle, receipts, records
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.messages import Checkpoints, ConsultationOn, Message

from . import databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Executable

    from .parties import Finger, Parties

database, postgresql = databases.database_or_long, databases.postgresql

NOVEMBER = datetime(2026, 11, 22, 17, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 9, tzinfo=UTC)


@dataclass
class Direct:
    """The way to another contact point in the same process; it keeps what is sent, and changes it where a test wants that."""

    there: Installation
    sent: list[Message]
    changed: Any = None

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        self.sent.append(message)
        if self.changed is not None and isinstance(message, Checkpoints):
            message = self.changed(message)
            body = wire.encode(message)
        answer = queried.receive(self.there, wire.decode(body, type(message)), body, now)
        return wire.decode(answer, *wire.ANSWERS[type(message)]), answer


@pytest.fixture
def both(parties: Parties) -> tuple[Installation, Installation, Direct]:
    """Return both contact points, with a way from the Japanese one to the other."""
    way = Direct(parties.us, [])
    return replace(parties.jp, other=way), parties.us, way


def consult(here: Installation, now: datetime = NOVEMBER) -> None:
    correspondence.consult(here, ConsultationOn.IMPLEMENTATION, matter="quotas", signed_by="Director", now=now)


def witnessed(here: Installation, whose: Installation) -> checkpoints.Head | None:
    """Return what ``here`` holds of a record with both signatures."""
    with here.store.transaction() as tx:
        note = tx.latest_note(whose.settings.uri)
    if note is None:
        return None
    keys = {each.settings.uri: SigningKey.load(each.settings.folder.signing_key).verifying for each in (here, whose)}
    other = here.settings.other
    assert other is not None
    keys[other.uri] = VerifyingKey.from_pem(other.signing_key_pem.encode())
    texts = {notes.verify(note, uri, key) for uri, key in keys.items()}
    return checkpoints.parse(texts.pop()).head


def head(here: Installation) -> checkpoints.Head | None:
    with here.store.transaction() as tx:
        return tx.head()


def test_11_after_an_exchange_both_hold_the_head_of_both_records_signed_by_both(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, _ = both
    consult(jp)
    for here in (jp, us):
        assert witnessed(here, jp) == head(jp)
        assert witnessed(here, us) == head(us)


def test_11_nothing_new_takes_one_message(both: tuple[Installation, Installation, Direct]) -> None:
    jp, _, way = both
    consult(jp)
    way.sent.clear()
    witness.exchange(jp, NOVEMBER)
    [message] = way.sent
    assert isinstance(message, Checkpoints)
    assert (message.steps, message.receipts) == ((), ())


def test_11_a_new_month_is_a_new_tree_that_names_the_last_head_of_the_one_before(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, _ = both
    consult(jp)
    before = head(jp)
    consult(jp, DECEMBER)
    assert (witnessed(us, jp), witnessed(jp, us)) == (head(jp), head(us))
    with us.store.transaction() as tx:
        last = checkpoints.parse(checkpoints.parse_note(tx.latest_note(jp.settings.uri) or "").text)
    assert (last.head.tree, last.before) == ("2026-12", before)


def test_11_months_in_which_nobody_was_there_to_witness_are_shown_one_by_one(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    silent = replace(jp, other=None)
    for month in (10, 11, 12):
        with pytest.raises(Exception, match="no contact point of the other Party is designated"):
            consult(silent, datetime(2026, month, 3, tzinfo=UTC))
    witness.exchange(jp, DECEMBER)
    first = next(each for each in way.sent if isinstance(each, Checkpoints))
    assert len(first.steps) == 3
    assert witnessed(us, jp) == head(jp)
    with us.store.transaction() as tx:
        assert len(tx.notes(jp.settings.uri)) == 3


@pytest.fixture
def rolled_back(both: tuple[Installation, Installation, Direct]) -> Iterator[tuple[Installation, Installation]]:
    """Return both, after the Japanese database was set back to an earlier copy of itself."""
    jp, us, way = both
    consult(jp)
    jp.store.checkpoint()
    jp.store.close()
    set_back = databases.copied(jp.settings)
    consult(jp)
    jp.store.close()
    set_back()
    with main.opened(jp.settings.folder.root) as again:
        yield replace(again, other=way, reader=jp.reader), us


def test_11_a_record_that_was_set_back_is_noticed_by_its_own_contact_point(
    rolled_back: tuple[Installation, Installation],
) -> None:
    jp, _ = rolled_back
    with pytest.raises(
        ForkError, match=r"US holds a checkpoint of our record, signed by us, of \d+ entries in 2026-11"
    ):
        witness.exchange(jp, NOVEMBER)


def test_11_a_record_that_goes_another_way_is_noticed_and_what_shows_it_is_kept(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)

    def forged(message: Checkpoints) -> Checkpoints:
        """Sign another tree of the next size, with the key of the contact point: whoever holds it can."""
        head = checkpoints.Head("2026-11", 3, "5a" * 32)
        text = checkpoints.of_heads(jp.settings.uri, [head], NOVEMBER).text()
        note = notes.sign(text, jp.settings.uri, SigningKey.load(jp.settings.folder.signing_key))
        return replace(message, steps=(replace(STEP, note=note),))

    way.changed = forged
    with pytest.raises(ForkError, match="the record of JP does not go on from what was witnessed of it"):
        witness.exchange(jp, NOVEMBER)
    with us.store.transaction() as tx:
        [kept] = tx.notes("fork of " + jp.settings.uri)
    assert "\n3\n" in kept


STEP = witness.Step("", (base64.b64encode(bytes(32)).decode(),))


def test_9_a_checkpoint_that_the_other_contact_point_did_not_sign_is_not_witnessed(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)
    before = witnessed(us, jp)

    def unsigned(message: Checkpoints) -> Checkpoints:
        text = checkpoints.parse_note(message.steps[0].note).text
        stranger = SigningKey.load(us.settings.folder.signing_key)
        return replace(message, steps=(replace(message.steps[0], note=notes.sign(text, jp.settings.uri, stranger)),))

    with pytest.raises(Exception, match="no contact point of the other Party is designated"):
        consult(replace(jp, other=None))
    way.changed = unsigned
    with pytest.raises(ForkError, match=r"Art\. 9: expected a note with a signature of urn:pcsc:ncp:jp"):
        witness.exchange(jp, NOVEMBER)
    assert witnessed(us, jp) == before


def test_11_a_lost_answer_is_made_good_at_the_next_exchange(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, way = both
    consult(jp)
    with pytest.raises(Exception, match="no contact point of the other Party is designated"):
        consult(replace(jp, other=None))
    with jp.store.transaction() as tx:
        base = witness._witnessed(tx, jp.settings.uri)
    message = witness._statement(jp, "JP261122-LOST0001", NOVEMBER, base)
    way.post(message, wire.encode(message), NOVEMBER)  # witnessed there, and the answer lost
    assert witnessed(jp, jp) != head(jp)
    witness.exchange(jp, NOVEMBER)
    for here in (jp, us):
        assert witnessed(here, jp) == head(jp)
        assert witnessed(here, us) == head(us)


def test_8_1_and_8_2_each_print_that_was_destroyed_is_receipted_with_its_proof(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "person-1", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
    assert receipted(parties.jp, parties.us, number) == [("probe", "8(1)")]
    assert receipted(parties.us, parties.jp, number) == [("candidate", "8(2)")]


def receipted(here: Installation, other: Installation, number: str) -> list[tuple[str, str]]:
    """Return what the other contact point says with proof that it destroyed, and under which clause."""
    key, found = SigningKey.load(other.settings.folder.signing_key).verifying, []
    with here.store.transaction() as tx:
        for each in (each for each in tx.held(number) if each.kind is Content.DESTROYED):
            note = tx.content(number, each.kind, number=each.number).decode()
            receipt = receipts.parse(notes.verify(note, other.settings.uri, key))
            receipts.check(receipt)
            assert (receipt.exchange, receipt.party) == (number, other.settings.party)
            found.append((receipt.destroyed.value, receipt.article))
    return found


def test_11_what_is_recorded_between_two_messages_is_witnessed_too(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)
    way.sent.clear()
    witness.catch_up(jp, NOVEMBER)
    assert way.sent == []
    with jp.store.transaction() as tx:
        (exchange,) = tx.exchanges()
        service.record_act(tx, exchange, "note", article="14", note="an act of our own", now=NOVEMBER)
    witness.catch_up(jp, NOVEMBER)
    assert witnessed(us, jp) == head(jp)


def test_11_another_root_for_what_was_witnessed_is_a_fork_wherever_the_message_goes_on_from(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)
    size = head(jp)

    def contradicting(message: Checkpoints) -> Checkpoints:
        other = replace(size, root="5a" * 32)
        text = checkpoints.of_heads(jp.settings.uri, [other], NOVEMBER).text()
        note = notes.sign(text, jp.settings.uri, SigningKey.load(jp.settings.folder.signing_key))
        return replace(message, since="", steps=(replace(STEP, note=note),))

    way.changed = contradicting
    for _ in range(2):  # the evidence stays what it was
        with pytest.raises(ForkError, match="it signed two roots for 1 entries in 2026-11"):
            witness.exchange(jp, NOVEMBER)
    with us.store.transaction() as tx:
        assert len(tx.notes("fork of " + jp.settings.uri)) == 1


def test_11_what_is_unsigned_is_no_evidence_and_is_not_kept(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, way = both
    consult(jp)
    way.changed = lambda message: replace(message, steps=tuple(replace(STEP, note=f"note {n}") for n in range(50)))
    with pytest.raises(ForkError, match="does not go on from what was witnessed"):
        witness.exchange(jp, NOVEMBER)
    with us.store.transaction() as tx:
        assert tx.notes("fork of " + jp.settings.uri) == []


def test_11_a_contact_point_that_lost_what_it_witnessed_is_shown_everything_again(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, _ = both
    consult(jp)
    with us.store.transaction() as tx:
        tx._connection.exec_driver_sql("DELETE FROM note")
    consult(jp)
    assert witnessed(us, jp) == head(jp)
    assert witnessed(jp, us) == head(us)


def test_11_a_contact_point_that_does_not_witness_is_told_of(both: tuple[Installation, Installation, Direct]) -> None:
    jp, _, way = both
    consult(jp)
    way.changed = lambda message: replace(message, steps=())
    with pytest.raises(Exception, match="no contact point of the other Party is designated"):
        consult(replace(jp, other=None))
    with pytest.raises(ForkError, match="US does not witness our record: what came after 1 entries in 2026-11"):
        witness.exchange(jp, NOVEMBER)


def test_9_a_new_signing_key_goes_on_from_what_the_old_one_witnessed(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)
    path = us.settings.folder.signing_key
    path.unlink()
    key = SigningKey.create(path)
    other = jp.settings.other
    assert other is not None
    changed = replace(other, signing_key_pem=key.public_pem.decode())
    here = replace(jp, settings=replace(jp.settings, other=changed), other=way)
    consult(here)
    with jp.store.transaction() as tx:
        note = tx.latest_note(jp.settings.uri) or ""
    assert notes.verify(note, us.settings.uri, key.verifying)


def test_9_a_checkpoint_is_held_to_the_keys_of_its_time(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, _ = both
    consult(jp)
    heads = head(jp), witnessed(jp, us)
    card = installation.renew_signing_key(us.settings, DECEMBER)
    designate(jp.settings, settings.write_card(card), "a note", DECEMBER)
    installation.renew_signing_key(jp.settings, DECEMBER)
    found = settings.read(jp.settings.folder.root)
    with jp.store.transaction() as tx:
        (one,), (two,) = (witness.kept(replace(jp, settings=found), tx, each.settings.uri) for each in (jp, us))
        assert (one.head, two.head) == heads
        ended = tuple(replace(each, until=NOVEMBER - 2 * wire.MAX_AGE) for each in found.former)
        for former in ((), ended):
            without = replace(jp, settings=replace(found, former=former))
            with pytest.raises(
                SignatureError, match=r"^Art\. 9: expected a note with a signature of urn:pcsc:ncp:jp under key"
            ):
                witness.kept(without, tx, jp.settings.uri)


def test_11_much_that_was_not_witnessed_is_shown_in_parts(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, way = both
    consult(jp)
    with jp.store.transaction() as tx:
        (exchange,) = tx.exchanges()
        for _ in range(witness.AT_ONCE + 20):
            service.record_act(tx, exchange, "note", article="14", note="an act of our own", now=NOVEMBER)
    way.sent.clear()
    witness.exchange(jp, NOVEMBER)
    assert witnessed(us, jp) == head(jp)
    assert len(way.sent) == 2  # one would do for all of it


def test_11_a_time_that_the_signature_belies_tells_nothing_of_our_clock(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, way = both
    consult(jp)
    way.changed = lambda message: replace(message, made_at=message.made_at.replace(year=2027))
    witness.exchange(jp, NOVEMBER)
    with us.store.transaction() as tx:
        clock = tx.clock()
    assert clock is None or not clock.alarmed


# What was witnessed is not read again


def note(here: Installation, entries: int = 1) -> None:
    """Record acts of our own."""
    with here.store.transaction() as tx:
        (exchange,) = tx.exchanges()
        for _ in range(entries):
            service.record_act(tx, exchange, "note", article="14", note="an act of our own", now=NOVEMBER)


def changed(here: Installation, statement: Executable) -> None:
    """Change the database behind the back of the contact point."""
    with here.store._engine.begin() as connection:
        assert connection.execute(statement).rowcount == 1


def test_11_a_tree_is_remembered_up_to_where_it_was_witnessed(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, _ = both
    consult(jp)
    for entries in (0, 1, 2, 7, 50):
        note(jp, entries)
        witness.exchange(jp, NOVEMBER)
        assert witnessed(us, jp) == head(jp)
        with jp.store.reading() as tx:
            assert tx.witnessed("2026-11") == merkle.Frontier.over(tx.leaves("2026-11"))


def test_11_a_leaf_that_was_changed_after_it_was_witnessed_is_found_when_the_record_is_verified(
    both: tuple[Installation, Installation, Direct],
) -> None:
    jp, us, _ = both
    consult(jp)
    note(jp, 3)
    witness.exchange(jp, NOVEMBER)
    # An empty place, as of an entry whose term has ended: nothing but the leaf itself can tell.
    emptied = {"leaf": "5a" * 32, "sealed": None, "exchange": None, "trace": None}
    changed(jp, ENTRY.update().where(ENTRY.c.number == 1).values(emptied))
    note(jp)
    witness.exchange(jp, NOVEMBER)  # what is shown is the tree that was witnessed, and what came after
    assert witnessed(us, jp) == head(jp)
    with jp.store.reading() as tx, pytest.raises(RecordError, match="one of the entries 0 to 4 was changed"):
        records.verify(tx.record(), checkpoints=witness.kept(jp, tx, jp.settings.uri))


def another_head(here: Installation) -> Executable:
    """Return what changes the head that is stored of a tree, but not its size."""
    with here.store.reading() as tx:
        return TREE.update().values(frontier=merkle.Frontier.over([bytes(32)] * tx.heads()[-1].size).text())


def another_end(here: Installation) -> Executable:
    with here.store.reading() as tx:
        return ENTRY.update().where(ENTRY.c.number == tx.next_entry() - 1).values(leaf="5a" * 32)


@pytest.mark.parametrize("tampering", [another_head, another_end])
def test_11_what_was_changed_and_not_yet_witnessed_is_noticed_at_once(
    both: tuple[Installation, Installation, Direct], tampering: Callable[[Installation], Executable]
) -> None:
    jp, us, _ = both
    consult(jp)
    before = witnessed(us, jp)
    note(jp, 2)
    changed(jp, tampering(jp))
    with pytest.raises(ForkError, match=r"the record of JP does not go on from .*: .* the trees are not consistent"):
        witness.exchange(jp, NOVEMBER)
    assert witnessed(us, jp) == before


def test_11_what_is_remembered_is_believed_where_it_leads_to_what_was_signed(
    both: tuple[Installation, Installation, Direct], caplog: pytest.LogCaptureFixture
) -> None:
    jp, us, _ = both
    consult(jp)
    bent = (f"1 {'5a' * 32}", "2")
    for tampering in (*(WITNESSED.update().values(frontier=each) for each in bent), WITNESSED.delete()):
        note(jp)
        changed(jp, tampering)
        witness.exchange(jp, NOVEMBER)
        assert witnessed(us, jp) == head(jp)
        with jp.store.reading() as tx:
            assert tx.witnessed("2026-11").root() == tx.heads()[-1].digest
    told = "Art. 11: what was remembered of the tree 2026-11 was changed"
    said = {each.getMessage() for each in caplog.records if "remembered" in each.getMessage()}
    assert {each.removeprefix(told)[:20] for each in said} == {"; its leaves were no", ": Art. 11(1): a tree"}


def test_11_a_statement_waits_for_nobody_who_writes(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, _ = both
    consult(jp)
    note(jp, 2)
    with jp.store.transaction() as tx:
        base = witness._witnessed(tx, jp.settings.uri)
        statement = witness._statement(jp, "JP261122-NOTWAITS", NOVEMBER, base)
    assert len(statement.steps) == 1
    assert witness.answer(us, statement, NOVEMBER)
    assert witnessed(us, jp) == head(jp)


def test_11_several_processes_show_one_record(both: tuple[Installation, Installation, Direct]) -> None:
    jp, us, way = both
    consult(jp)
    with main.opened(jp.settings.folder.root) as again:
        for here in (jp, replace(again, other=way, reader=jp.reader)) * 3:
            note(here, 2)
            witness.exchange(here, NOVEMBER)
            assert witnessed(us, jp) == head(jp)
