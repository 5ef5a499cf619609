"""The record as it rests: sealed under the keys of its exchanges, in trees of months, with notes and copies beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import func, null, select

from annex.parameters import Party
from contact_point.keys import KeyDestroyedError, seal, unseal
from contact_point.store import Copy, StoreError, UnknownExchangeError
from contact_point.store.tables import ENTRY, EXCHANGE, TREE, WITNESSED
from pcsc import merkle
from pcsc.errors import RecordError
from pcsc.exchange import Exchange, Matter, MatterKind, State
from pcsc.records import Recorded, commitment, of_act, verify
from tests.builders import NOW, QUERY, SALT, exchange, use

from . import databases
from .databases import act

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from .databases import Place

place, postgresql = databases.place, databases.postgresql

OTHER: Final = "JP261122-OTHEROTHER"


def test_11_1_the_record_is_appended_in_order_and_verifies(place: Place) -> None:
    for number in range(5):
        with place.store.transaction() as tx:
            assert tx.next_entry() == number
            act(tx, str(number), control_number=QUERY if number % 2 else OTHER)
    with place.store.transaction() as tx:
        found = verify(tx.record())
        assert (found.entries, found.expired, list(found.heads)) == (5, 0, tx.heads())
        assert [entry.note for entry in tx.entries()] == list("01234")
        assert [entry.note for entry in tx.entries(QUERY)] == list("13")


def test_11_1_an_entry_out_of_its_turn_is_refused(place: Place) -> None:
    place.do(lambda tx: tx.open(exchange(State.MATCH)))
    late = of_act(3, exchange(State.MATCH), "note", article="11(1)", note="", now=NOW)
    with pytest.raises(RecordError, match="the next entry of the record is number 0; got 3"):
        place.do(lambda tx: tx.append(late, SALT))
    with place.store.transaction() as tx:
        assert tx.next_entry() == 0


def test_11_1_an_entry_rests_under_the_key_of_its_exchange_so_that_one_is_needed(place: Place) -> None:
    entry = of_act(0, exchange(State.MATCH), "note", article="11(1)", note="", now=NOW)
    with pytest.raises(UnknownExchangeError, match=f"there is no exchange '{QUERY}' here"):
        place.do(lambda tx: tx.append(entry, SALT))


def at(number: int) -> Any:
    return ENTRY.c.number == number


SEALED: Final = select(ENTRY.c.sealed).where(at(2)).scalar_subquery()


@pytest.mark.parametrize(
    "tampering",
    [
        ENTRY.update().where(at(1)).values(sealed=bytes(300)),
        ENTRY.update().where(at(1)).values(sealed=b""),
        ENTRY.update().where(at(1)).values(sealed=SEALED),
        ENTRY.update().where(at(1)).values(exchange=OTHER),
        ENTRY.update().where(at(1)).values(exchange="nobody's"),
        ENTRY.update().where(at(1)).values(leaf=select(ENTRY.c.leaf).where(at(2)).scalar_subquery()),
        ENTRY.update().where(at(1)).values(tree="2026-10"),
        ENTRY.update().where(at(0)).values(number=-1),
        ENTRY.delete().where(at(1)),
        EXCHANGE.update().where(EXCHANGE.c.control_number == QUERY).values(slot=1),
    ],
)
def test_11_1_whoever_changes_the_database_is_found_out(place: Place, tampering: Executable) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange(control_number=OTHER))
    for number in range(4):
        with place.store.transaction() as tx:
            act(tx, str(number))
    place.rows(tampering)
    with place.store.transaction() as tx, pytest.raises(RecordError, match=r"^Art\. 11\(1\): .*entry"):
        verify(tx.record())


def test_11_1_a_tree_that_was_changed_takes_no_further_entry(place: Place) -> None:
    with place.store.transaction() as tx:
        for number in range(3):
            act(tx, str(number))
    place.rows(TREE.update().values(frontier=merkle.Frontier.empty().text()))
    with pytest.raises(
        RecordError, match=r"the tree 2026-11 of the record ends before entry 0, and entry 3 is to follow"
    ):
        place.do(act)
    with place.store.transaction() as tx:
        assert tx.next_entry() == 3


@pytest.fixture
def traced(place: Place) -> Place:
    """Return a store with two exchanges and three entries: two with a trace, of one exchange each, and one without."""
    with place.store.transaction() as tx:
        act(tx, trace="TRACE-IN-WORDS")
        act(tx, control_number=OTHER, trace="ANOTHER-TRACE")
        act(tx)
    return place


def test_11_1_an_entry_commits_to_its_trace_and_does_not_hold_it(traced: Place) -> None:
    with traced.store.transaction() as tx:
        entries = list(tx.entries())
        assert [entry.trace for entry in entries] == [
            commitment(SALT, b"TRACE-IN-WORDS"),
            commitment(SALT, b"ANOTHER-TRACE"),
            "",
        ]
        assert [tx.trace(entry) for entry in entries] == ["TRACE-IN-WORDS", "ANOTHER-TRACE", ""]
        assert "TRACE-IN-WORDS" not in str(list(tx.record()))
        assert verify(tx.record()).entries == 3


def test_11_1_a_trace_is_committed_to_under_a_salt(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange())
        entry = of_act(0, exchange(), "note", article="11(1)", note="", trace="a trace", now=NOW)
        with pytest.raises(RecordError, match="a salt is 64 lower-case hexadecimal digits; got 0 characters"):
            tx.append(entry, SALT)


OTHER_SLOT: Final = select(EXCHANGE.c.slot).where(EXCHANGE.c.control_number == OTHER).scalar_subquery()


@pytest.mark.parametrize(
    "tampering",
    [
        ENTRY.update().where(at(0)).values(trace=bytes(100)),
        ENTRY.update().where(at(0)).values(trace=func.substr(ENTRY.c.trace, 1, func.length(ENTRY.c.trace) - 1)),
        ENTRY.update().where(at(0)).values(trace=b""),
        ENTRY.update().where(at(0)).values(trace=null()),
        ENTRY.update().where(at(0)).values(trace=select(ENTRY.c.trace).where(at(1)).scalar_subquery()),
    ],
)
def test_11_1_a_trace_that_was_changed_or_moved_is_told(traced: Place, tampering: Executable) -> None:
    traced.rows(tampering)
    with traced.store.transaction() as tx:
        first, second, _ = tx.entries()
        with pytest.raises(
            RecordError, match=r"^Art\. 11\(1\): the trace of entry 0 was changed: the entry commits to"
        ):
            tx.trace(first)
        assert tx.trace(second) == "ANOTHER-TRACE"


def test_11_1_a_record_whose_keys_were_exchanged_does_not_open(traced: Place) -> None:
    traced.rows(EXCHANGE.update().values(slot=OTHER_SLOT))
    with (
        traced.store.transaction() as tx,
        pytest.raises(
            RecordError, match=r"^Art\. 11\(1\): entry 0 of the record does not open: .* or its key is not in"
        ),
    ):
        list(tx.entries())


def test_11_1_a_trace_sealed_anew_in_its_place_is_not_the_one_that_was_committed_to(traced: Place) -> None:
    ((slot,),) = traced.rows(select(EXCHANGE.c.slot).where(EXCHANGE.c.control_number == QUERY))
    forged = seal(traced.records.get(slot), f"{SALT}ANOTHER-TRACE".encode(), bound_to="entry/0/trace")
    traced.rows(ENTRY.update().where(at(0)).values(trace=forged))
    with traced.store.transaction() as tx, pytest.raises(RecordError, match="the trace of entry 0 was changed"):
        tx.trace(next(tx.entries()))


# The keys of the record, and the end of its term


def told(result: str = "RESULT-IN-WORDS") -> Exchange:
    """Return an exchange in which a purpose and a result of use stand in words."""
    asked = Matter("US261222-CONSENT1", MatterKind.CONSENT, Party.US, NOW, NOW, purpose="PURPOSE-IN-WORDS")
    return exchange(State.PROVIDED, uses=(use(result=result),), matters=(asked,))


IN_WORDS: Final = (b"RESULT-IN-WORDS", b"PURPOSE-IN-WORDS", b"ANOTHER-RESULT", b"TRACE-IN-WORDS", b"NOTE-IN-WORDS")


def test_9_an_exchange_its_entries_and_their_traces_rest_as_ciphertext_under_one_key_of_the_record(
    place: Place,
) -> None:
    with place.store.transaction() as tx:
        tx.open(told())
        act(tx, "NOTE-IN-WORDS", trace="TRACE-IN-WORDS")
    with place.store.transaction() as tx:
        tx.step(told("ANOTHER-RESULT"), before=State.PROVIDED)
        assert tx.exchange(QUERY).uses[0].result == "ANOTHER-RESULT"
    place.store.checkpoint()
    on_disk = place.on_disk()
    assert not [each for each in (*IN_WORDS, SALT.encode(), bytes.fromhex(SALT)) if each in on_disk]
    ((sealed, slot),) = place.rows(select(EXCHANGE.c.sealed, EXCHANGE.c.slot))
    ((entry, trace),) = place.rows(select(ENTRY.c.sealed, ENTRY.c.trace))
    assert (place.records.live(), place.slots.live()) == ({slot}, frozenset())
    key = place.records.get(slot)
    assert b"ANOTHER-RESULT" in unseal(key, sealed, bound_to=f"exchange/{QUERY}")
    assert b"TRACE-IN-WORDS" in unseal(key, trace, bound_to="entry/0/trace")
    assert unseal(key, entry, bound_to="entry/0").startswith(SALT.encode())


def test_11_3_when_an_exchange_is_erased_nothing_of_it_is_anywhere_but_its_leaves(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(told())
        act(tx, "NOTE-IN-WORDS", trace="TRACE-IN-WORDS")
        act(tx, "another", OTHER)
        tx.plan(QUERY, "expire", NOW)
        before = verify(tx.record())
    slot, sealed = place.rows(select(EXCHANGE.c.slot, EXCHANGE.c.sealed).where(EXCHANGE.c.control_number == QUERY))[0]
    entry, trace = place.rows(select(ENTRY.c.sealed, ENTRY.c.trace).where(at(0)))[0]
    with place.store.transaction() as tx:
        assert tx.erase(QUERY) == slot
    place.store.destroy_exchange(slot)
    assert place.store.checkpoint()
    with pytest.raises(KeyDestroyedError):
        place.records.get(slot)
    if place.server is None:  # a server keeps the ciphertext for a while, in its log; the key is here, and gone
        assert not [each for each in (sealed, entry, trace, QUERY.encode()) if each in place.on_disk()]
    with place.store.transaction() as tx:
        after = verify(tx.record())
        assert (after.entries, after.expired, after.heads) == (1, 1, before.heads)
        assert [entry.note for entry in tx.entries()] == ["another"]
        assert tx.planned(QUERY) == {}
        assert tx.erase(QUERY) is None  # another process was quicker
        act(tx, "the record goes on", OTHER)
        assert verify(tx.record()).entries == 2


def test_an_erasure_that_was_interrupted_is_finished_by_recovery(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange())
        tx.open(exchange(control_number=OTHER))
    with place.store.transaction() as tx:
        tx.erase(QUERY)
    assert len(place.records.live()) == 2  # the process died before it destroyed the key
    assert place.store.recover() == 1
    with place.store.transaction() as tx:
        assert tx.exchange(OTHER) == exchange(control_number=OTHER)


def test_without_slots_of_its_own_the_record_rests_with_the_content(place: Place) -> None:
    store = type(place.store)(place.database, place.slots, place.gallery)
    place.opened.append(store)
    with store.transaction() as tx:
        act(tx, "a note")
        ((slot,),) = [(each,) for each in tx.slots(EXCHANGE)]
    assert (place.slots.live(), place.records.live()) == ({slot}, frozenset())
    assert store.recover() == 0
    with store.transaction() as tx:
        assert [entry.note for entry in tx.entries()] == ["a note"]


# The trees


def months(place: Place) -> None:
    """Append entries of three months, the third of which follows an empty one, by a clock that goes back once."""
    times = [
        (2026, 11, 30, 23, 59),
        (2026, 12, 1, 0, 0),
        (2026, 11, 30, 23, 58),
        (2026, 12, 31, 9, 0),
        (2027, 2, 1, 0, 0),
    ]
    with place.store.transaction() as tx:
        for number, time in enumerate(times):
            act(tx, str(number), at=datetime(*time, tzinfo=UTC))


def test_11_1_the_record_is_a_tree_for_each_month_whose_heads_are_kept(place: Place) -> None:
    with place.store.transaction() as tx:
        assert (tx.head(), tx.heads()) == (None, [])
    months(place)
    with place.store.transaction() as tx:
        heads = tx.heads()
        assert [(head.tree, head.size) for head in heads] == [("2026-11", 1), ("2026-12", 3), ("2027-02", 1)]
        assert tx.head() == heads[-1]
        assert [tx.first_of(head.tree) for head in heads] == [0, 1, 4]
        for head in heads:
            leaves = tx.leaves(head.tree)
            assert [len(leaf) for leaf in leaves] == [32] * head.size
            assert head.root == merkle.root(leaves).hex()
        assert tuple(heads) == verify(tx.record()).heads
        assert tx.leaves("2027-01") == []
        with pytest.raises(StoreError, match="the record has no tree 2027-01: nothing was recorded in that month"):
            tx.first_of("2027-01")


def test_leaves_are_read_from_one_index_to_another(place: Place) -> None:
    months(place)
    with place.store.reading() as tx:
        leaves = tx.leaves("2026-12")
        assert len(set(leaves)) == 3
        for begin in range(5):
            assert tx.leaves("2026-12", begin) == leaves[begin:]
            for end in (*range(5), 2**63 - 1):
                assert tx.leaves("2026-12", begin, end) == leaves[begin:end]
        assert tx.leaves("2027-01", 1, 3) == []


def test_a_tree_is_remembered_as_it_was_when_it_was_witnessed(place: Place) -> None:
    months(place)
    with place.store.transaction() as tx:
        assert tx.witnessed("2026-12") == merkle.Frontier.empty()
        for size in (3, 2):  # what was witnessed last, if the other contact point goes on from further back
            remembered = merkle.Frontier.over(tx.leaves("2026-12", 0, size))
            tx.keep_witnessed("2026-12", remembered)
            assert tx.witnessed("2026-12") == remembered
        assert tx.witnessed("2026-11") == merkle.Frontier.empty()
    place.rows(WITNESSED.update().values(frontier="2"))
    with place.store.reading() as tx, pytest.raises(merkle.MerkleError, match="a tree of 2 leaves has 1 complete"):
        tx.witnessed("2026-12")


def test_11_1_a_place_is_shown_with_its_proof(place: Place) -> None:
    months(place)
    with place.store.transaction() as tx:
        shown, head, first = tx.place(2), tx.heads()[1], tx.first_of("2026-12")
        assert [tx.place(number) for number in range(5)] == list(tx.record())
        proof = merkle.inclusion(tx.leaves("2026-12"), 2 - first)
        merkle.check_inclusion(bytes.fromhex(shown.leaf), 2 - first, head.size, proof, bytes.fromhex(head.root))
        with pytest.raises(StoreError, match="the record has 5 entries, counted from 0; there is no entry 5"):
            tx.place(5)
        tx.erase(QUERY)
        assert tx.place(2) == Recorded(2, "2026-12", None, None, shown.leaf)
        assert len(tx.heads()) == 3


def test_a_transaction_that_failed_leaves_the_head_as_it_was(place: Place) -> None:
    place.do(act)
    with place.store.transaction() as tx:
        before = tx.head()
    with pytest.raises(StoreError, match="no entry 9"):
        place.do(act, lambda tx: tx.place(9))
    with place.store.transaction() as tx:
        assert tx.head() == before


def test_many_places_are_read_a_few_at_a_time(place: Place) -> None:
    with place.store.transaction() as tx:
        for number in range(510):
            act(tx, str(number))
    with place.store.transaction() as tx:
        # Whoever reads the record may ask for something else in between.
        assert sum(tx.has_exchange(QUERY) for _ in tx.record()) == 510
        assert [entry.note for entry in tx.entries()] == [str(number) for number in range(510)]
        assert len(tx.leaves("2026-11")) == 510


def test_the_record_is_read_as_it_is_at_one_moment_while_others_go_on(place: Place) -> None:
    with place.store.transaction() as tx:
        for number in range(510):
            act(tx, str(number), QUERY if number % 2 else OTHER)
        heads = tuple(tx.heads())
    with place.store.reading() as tx:
        before = iter(tx.record())
        first = [next(before) for _ in range(10)]
        with place.again().transaction() as other:
            act(other, "meanwhile")
            slot = other.erase(OTHER)
        assert slot is not None
        place.store.destroy_exchange(slot)
        found = verify([*first, *before])
        # What was read before its term ended was there, and what was read after it was not.
        assert (found.entries + found.expired, found.entries > 255, found.heads) == (510, True, heads)
    with place.store.reading() as tx:
        assert (verify(tx.record()).entries, verify(tx.record()).expired) == (256, 255)


def test_11_3_an_exchange_whose_key_goes_while_it_is_read_is_one_whose_term_has_ended(place: Place) -> None:
    with place.store.transaction() as tx:
        act(tx, control_number=QUERY)
        act(tx, control_number=OTHER)
    with place.store.reading() as tx:
        assert tx.control_numbers() == {QUERY, OTHER}
        with place.again().transaction() as other:
            slot = other.erase(OTHER)
        assert slot is not None
        place.store.destroy_exchange(slot)
        assert [each.control_number for each in tx.exchanges()] == [QUERY]
        assert tx.control_numbers() == {QUERY, OTHER}
    ((slot,),) = place.rows(select(EXCHANGE.c.slot))
    place.store.destroy_exchange(slot)
    with place.store.transaction() as tx, pytest.raises(KeyDestroyedError):
        tx.exchanges()  # nobody erased it: its key is missing


def test_whoever_reads_writes_nothing(place: Place) -> None:
    place.do(act)
    with pytest.raises(RecordError, match=r"cannot be written \(.*read-?only.*\)"), place.store.reading() as tx:
        tx.plan(QUERY, "lapse", NOW)
    place.do(lambda tx: tx.plan(QUERY, "lapse", NOW))
    assert place.store.checkpoint()


# Notes and copies

JP: Final = "urn:pcsc:ncp:jp"


def test_the_last_checkpoint_of_a_contact_point_is_found_by_tree_then_size(place: Place) -> None:
    kept = [(f"{JP}/record/2026-09", 30), (f"{JP}/record/2026-11", 9), (f"{JP}/record/2026-11", 10)]
    with place.store.transaction() as tx:
        assert (tx.latest_note(JP), tx.notes(JP)) == (None, [])
        for origin, size in reversed(kept):
            tx.keep_note(origin, size, f"{origin} {size}")
        tx.keep_note("urn:pcsc:ncp:jp2/record/2027-01", 1, "another contact point's")
        tx.keep_note("urn:pcsc:ncp:_p/record/2027-01", 1, "another contact point's")
    with place.store.transaction() as tx:
        assert tx.latest_note(JP) == f"{JP}/record/2026-11 10"
        assert tx.notes(JP) == [f"{origin} {size}" for origin, size in kept]
        assert tx.notes("urn:pcsc:ncp:_p") == ["another contact point's"]


def test_a_note_takes_the_place_of_the_one_of_its_size(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.keep_note(f"{JP}/record/2026-11", 3, "signed")
        tx.keep_note(f"{JP}/record/2026-11", 3, "signed and cosigned")
        assert tx.notes(JP) == ["signed and cosigned"]


def test_a_note_of_an_origin_of_its_own_is_found_by_that(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.keep_note(f"fork of {JP}", 0, "a fork")
        assert (tx.notes(f"fork of {JP}"), tx.notes(JP)) == (["a fork"], [])


def test_11_3_every_copy_of_the_record_is_known_until_it_is_destroyed(place: Place) -> None:
    until, later = NOW + timedelta(days=730), NOW + timedelta(days=731, microseconds=1)
    with place.store.transaction() as tx:
        first = tx.keep_copy("/mnt/a 人物.jsonl", made_at=NOW, sha256="ab" * 32, holds_until=until)
        second = tx.keep_copy("/mnt/b", made_at=NOW, sha256="cd" * 32, holds_until=until)
    with place.store.transaction() as tx:
        tx.copy_destroyed(first, later)
        assert tx.copies() == [
            Copy(first, "/mnt/a 人物.jsonl", NOW, "ab" * 32, until, later),
            Copy(second, "/mnt/b", NOW, "cd" * 32, until, None),
        ]
        for number in (first, 99):
            with pytest.raises(
                StoreError, match=f"there is no copy {number} of the record: it was destroyed before, or"
            ):
                tx.copy_destroyed(number, later)
