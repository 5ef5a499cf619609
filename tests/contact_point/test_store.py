"""The store over real databases and real key slots: all or nothing, and what is destroyed stays destroyed."""

from __future__ import annotations

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from annex.parameters import Party
from contact_point.keys import KeyDestroyedError, SealError, unseal
from contact_point.store import (
    AlreadyReceivedError,
    Clock,
    ContentGoneError,
    Enrolled,
    Held,
    Impression,
    Received,
    ReplayError,
    StoreError,
    Subject,
    SubjectError,
    UnknownExchangeError,
)
from contact_point.store.tables import CONTENT, EXCHANGE
from pcsc import life
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Matter, MatterKind, Release, Side, State
from pcsc.merkle import Frontier
from pcsc.messages import ConsentTo, Search
from pcsc.records import verify
from tests.builders import (
    CANDIDATE,
    INTERPOL,
    NOW,
    PROBE,
    QUERY,
    REFERENCE,
    exchange,
    match,
    provided_unasked,
    use,
)

from . import databases
from .databases import act, on_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from contact_point.store import Transaction

    from .databases import Place

place, postgresql = databases.place, databases.postgresql


def hold(place: Place, kind: Content = Content.PROBE, content: bytes = PROBE, number: str = "") -> Held:
    with place.store.transaction() as tx:
        tx.hold(QUERY, kind, content, number=number)
    with place.store.transaction() as tx:
        return next(each for each in tx.held(QUERY) if (each.kind, each.number) == (kind, number))


def gone(place: Place, held: Held) -> bool:
    with place.store.transaction() as tx:
        try:
            tx.content(held.exchange, held.kind, number=held.number)
        except ContentGoneError:
            return True
    return False


# All or nothing


class LostPowerError(Exception):
    """Something goes wrong in the middle of a transaction."""


def everything(tx: Transaction) -> None:
    tx.open(exchange(State.MATCH, Side.QUERIED), subject="person-1")
    tx.hold(QUERY, Content.PROBE, PROBE)
    tx.hold(QUERY, Content.ANSWER, CANDIDATE, number=QUERY)
    tx.receive(QUERY, Received(QUERY, "c0" * 32, Content.ANSWER))
    tx.use_nonce("nonce", until=NOW + timedelta(minutes=10), now=NOW)
    act(tx)
    tx.keep_witnessed("2026-11", Frontier.over(tx.leaves("2026-11")))
    tx.enrol([person("person-1")])


def test_everything_inside_a_transaction_is_there_afterwards_also_for_another_process(place: Place) -> None:
    with place.store.transaction() as tx:
        everything(tx)
    with place.again().transaction() as tx:
        assert tx.exchange(QUERY) == tx.exchange_of(REFERENCE) == exchange(State.MATCH, Side.QUERIED)
        assert tx.subject_of(QUERY) == "person-1"
        assert tx.content(QUERY, Content.PROBE) == PROBE
        assert tx.content(QUERY, Content.ANSWER, number=QUERY) == CANDIDATE
        assert tx.received(QUERY) == Received(QUERY, "c0" * 32, Content.ANSWER)
        assert [entry.event for entry in tx.entries(QUERY)] == ["note"]
        assert tx.revision() == 1


def fail(error: type[BaseException]) -> Callable[[Transaction], None]:
    def step(_: Transaction) -> None:
        raise error("in the middle")

    return step


TABLES = (
    "exchange",
    "content",
    "entry",
    "tree",
    "received",
    "nonce",
    "subject",
    "impression",
    "due",
    "note",
    "witnessed",
    "copy",
    "person",
    "passkey",
    "session",
    "once",
    "attempt",
    "viewing",
)


@pytest.mark.parametrize("error", [LostPowerError, KeyboardInterrupt, RecordError, StoreError])
def test_if_an_exception_is_raised_nothing_was_done_and_no_key_is_left(
    place: Place, error: type[BaseException]
) -> None:
    with pytest.raises(error, match="in the middle"):
        place.do(everything, fail(error))
    assert not any(place.rows(text(f"SELECT * FROM {table}")) for table in TABLES)  # noqa: S608 - our own tables
    assert place.live() == frozenset()


def test_a_transaction_that_failed_leaves_what_was_there_before(place: Place) -> None:
    held = hold(place)
    with pytest.raises(LostPowerError, match="in the middle"):
        place.do(lambda tx: tx.hold(QUERY, Content.CANDIDATE, CANDIDATE), fail(LostPowerError))
    assert place.slots.live() == {held.slot}
    assert not gone(place, held)


@on_sqlite
def test_a_database_that_cannot_be_written_is_a_record_that_cannot_be_written(place: Place) -> None:
    def hold_much(tx: Transaction) -> None:
        tx._connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no larger than it is: the disk is full
        for number in range(10):
            tx.hold(QUERY, Content.PROBE, bytes(10_000), number=str(number))

    with pytest.raises(
        RecordError, match=r"^Art\. 11\(1\): the record cannot be written \(database or disk is full\), so nothing was"
    ) as refused:
        place.do(hold_much)
    assert refused.value.code == "11-1.UNRECORDED"
    assert place.slots.live() == frozenset()


def test_too_many_writers_at_once_are_told_so(place: Place) -> None:
    with pytest.raises(RecordError, match=r"cannot be written \(too many want to write at once\), so nothing was done"):
        place.do(everything, fail(PoolTimeoutError))
    assert place.slots.live() == frozenset()


def test_an_error_tells_nothing_of_what_was_to_be_written(place: Place) -> None:
    def drop(tx: Transaction) -> None:
        tx._connection.exec_driver_sql("ALTER TABLE subject RENAME TO gone")

    with pytest.raises(RecordError, match=r'no such table: subject|relation "subject" does not exist') as refused:
        place.do(drop, lambda tx: tx.enrol([person("NAME-OF-A-PERSON")]))
    assert "NAME-OF-A-PERSON" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_writers_wait_for_each_other_and_none_is_lost(place: Place) -> None:
    def write(number: int) -> None:
        with place.store.transaction() as tx:
            act(tx, str(number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(40)))
    with place.store.transaction() as tx:
        assert verify(tx.record()).entries == 40
        assert {entry.note for entry in tx.entries()} == {str(number) for number in range(40)}


# Exchanges


def test_an_exchange_is_found_by_its_control_number_and_by_its_reference(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange(State.MATCH, Side.QUERIED), subject="person-1")
        for find, number in ((tx.exchange, "JP000000-NOBODY"), (tx.exchange_of, "NOBODY")):
            with pytest.raises(UnknownExchangeError, match=f"there is no exchange '{number}' here: `pcsc inbox --all`"):
                find(number)
        assert tx.exchange(QUERY).reference == REFERENCE


def test_exchanges_come_oldest_first(place: Place) -> None:
    with place.store.transaction() as tx:
        for number, hours in (("JP261122-C0000000", 2), ("JP261122-A0000000", 30), ("JP261122-B0000000", 1)):
            tx.open(exchange(control_number=number, opened_at=NOW + timedelta(hours=hours)))
        assert [each.control_number[9] for each in tx.exchanges()] == ["B", "C", "A"]


def test_an_exchange_is_opened_once(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange(State.NO_MATCH, Side.QUERIED))
    with pytest.raises(AlreadyReceivedError, match=f"an exchange {QUERY} is there already"):
        place.do(
            lambda tx: tx.hold(QUERY, Content.PROBE, PROBE),
            lambda tx: tx.open(exchange(State.MATCH, Side.QUERIED)),
        )
    with place.store.transaction() as tx:
        assert tx.exchange(QUERY).state is State.NO_MATCH
        assert place.records.live() == tx.slots(EXCHANGE, CONTENT)
    assert len(place.live()) == 1  # the key that the exchange rests under


def test_a_query_that_comes_twice_at_once_opens_one_exchange(place: Place) -> None:
    barrier, outcomes = threading.Barrier(4), []

    def answer(number: int) -> None:
        barrier.wait()
        try:
            with place.store.transaction() as tx:
                tx.open(exchange(State.MATCH, Side.QUERIED, reference=f"REFERENCE-{number}"))
                tx.hold(QUERY, Content.ANSWER, str(number).encode())
            outcomes.append("answered")
        except AlreadyReceivedError:
            outcomes.append("again")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(answer, range(4)))
    assert sorted(outcomes) == ["again", "again", "again", "answered"]
    assert (len(place.records.live()), len(place.slots.live())) == (1, 1)  # of the exchange and of its answer


def test_a_step_is_stored_only_from_the_state_it_started_from(place: Place) -> None:
    at = exchange(State.MATCH)
    with place.store.transaction() as tx:
        tx.open(at)
    examined = exchange(State.EXAMINED)
    with place.store.transaction() as tx:
        tx.step(examined, before=State.MATCH)
    with pytest.raises(StoreError, match=f"exchange {QUERY} was moved on by someone else meanwhile: look at it again"):
        place.do(lambda tx: tx.step(life.lapse(at, NOW), before=State.MATCH))
    with place.store.transaction() as tx:
        assert tx.exchange(QUERY) == examined


def test_a_step_of_an_exchange_that_is_not_there_is_refused(place: Place) -> None:
    with (
        pytest.raises(UnknownExchangeError, match=f"there is no exchange '{QUERY}' here"),
        place.store.transaction() as tx,
    ):
        tx.step(exchange(State.EXAMINED), before=State.MATCH)


def test_4_4_a_reference_number_names_one_match(place: Place) -> None:
    other = "JP261122-OTHEROTHER"
    with place.store.transaction() as tx:
        tx.open(exchange(State.MATCH))
        tx.open(exchange(control_number=other))
    answered = life.answered(exchange(control_number=other), match(), NOW)
    with pytest.raises(StoreError, match=rf"reference number of exchange {other} was given .* before.*Art\. 4\(4\)"):
        place.do(lambda tx: tx.step(answered, before=State.SENT))
    with place.store.transaction() as tx:
        assert (tx.exchange(other).state, tx.exchange_of(REFERENCE).control_number) == (State.SENT, QUERY)


def test_4_7_queries_are_counted_by_day_side_and_search(place: Place) -> None:
    with place.store.transaction() as tx:
        for number, (side, days, search) in enumerate(
            [
                (Side.QUERYING, 0, Search.TENPRINT),
                (Side.QUERYING, 0, Search.TENPRINT),
                (Side.QUERYING, 0, Search.LATENT),
                (Side.QUERIED, 0, Search.TENPRINT),
                (Side.QUERYING, 1, Search.TENPRINT),
            ]
        ):
            opened = NOW + timedelta(days=days)
            tx.open(exchange(side=side, control_number=f"JP261122-000{number}", opened_at=opened, search=search))
        tx.open(provided_unasked())  # no query opened it
        assert tx.queries_on("2026-11-22", Side.QUERYING, Search.TENPRINT) == 2
        assert tx.queries_on("2026-11-22", Side.QUERYING, Search.LATENT) == 1
        assert tx.queries_on("2026-11-22", Side.QUERIED, Search.TENPRINT) == 1
        assert tx.queries_on("2026-11-23", Side.QUERYING, Search.TENPRINT) == 1
        assert tx.queries_on("2026-11-24", Side.QUERYING, Search.TENPRINT) == 0


def test_4_3_the_same_reason_is_counted_where_it_was_stated_for_another_case(place: Place) -> None:
    with place.store.transaction() as tx:
        for number, reason in enumerate([("a reason", "case 1"), ("a reason", "case 1"), ("another", "case 2"), None]):
            tx.open(exchange(control_number=f"JP261122-000{number}"), reason=reason)
        assert tx.said_elsewhere(("a reason", "case 1")) == 0
        assert tx.said_elsewhere(("a reason", "case 2")) == 2
        assert tx.said_elsewhere(("another", "case 1")) == 1
        assert tx.said_elsewhere(("a third", "case 1")) == 0


def test_10_1_every_exchange_in_which_a_person_matched_is_found(place: Place) -> None:
    with place.store.transaction() as tx:
        for number, subject in enumerate(("person-1", "person-2", "person-1", None)):
            at = exchange(State.MATCH, Side.QUERIED, control_number=f"JP261122-000{number}", reference=f"R-{number}")
            tx.open(at, subject=subject)
        assert [each.reference for each in tx.matched("person-1")] == ["R-0", "R-2"]
        assert tx.matched("person-3") == []


def test_whether_an_exchange_is_there_can_be_asked(place: Place) -> None:
    with place.store.transaction() as tx:
        assert not tx.has_exchange(QUERY)
        tx.open(exchange())
        assert tx.has_exchange(QUERY)


def test_an_exchange_is_stored_whole(place: Place) -> None:
    stored = [
        exchange(state, side, control_number=f"JP261122-{side}-{state.name}", reference=f"R-{side}-{state.name}")
        for side in Side
        for state in State
        if (side, state) != (Side.QUERIED, State.EXAMINED)
    ]
    everything = exchange(
        control_number="JP261122-EVERYTHING",
        uses=(use(result="He was charged."),),
        releases=(Release(INTERPOL, "8(7)", NOW, ("name",), told=False),),
        restricted=("name",),
        matters=tuple(
            Matter(
                f"JP261122-{kind.name}",
                kind,
                Party.US,
                NOW,
                NOW,
                NOW,
                "done",
                True,
                ConsentTo.USE,
                "why",
                INTERPOL,
                True,
            )
            for kind in MatterKind
        ),
    )
    stored += [everything, provided_unasked()]
    with place.store.transaction() as tx:
        for each in stored:
            tx.open(each)
    with place.store.transaction() as tx:
        for each in stored:
            assert tx.exchange(each.control_number) == each


def test_an_exchange_moved_to_the_row_of_another_does_not_open(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.open(exchange())
        tx._connection.exec_driver_sql("UPDATE exchange SET control_number = 'JP261122-OTHEROTHER'")
        with pytest.raises(SealError, match="they were moved from another place"):
            tx.exchange("JP261122-OTHEROTHER")


# Content


def test_9_content_rests_as_ciphertext_and_comes_back(place: Place) -> None:
    marker = b"PLAINTEXT-OF-A-PRINT-0123456789"
    held = hold(place, content=marker * 500)
    hold(place, Content.NOTIFICATION, "放火の疑い".encode())
    place.store.checkpoint()
    with place.store.transaction() as tx:
        assert tx.content(QUERY, Content.PROBE) == marker * 500
    assert marker not in place.on_disk()
    assert "放火の疑い".encode() not in place.on_disk()
    assert held.kind is Content.PROBE
    assert marker not in repr(held).encode()


def test_pieces_of_one_kind_are_told_apart_by_their_number(place: Place) -> None:
    for number in ("one", "two"):
        hold(place, Content.SNAPSHOT, number.encode(), number)
    with place.store.transaction() as tx:
        assert tx.content(QUERY, Content.SNAPSHOT, number="one") == b"one"
        assert tx.content(QUERY, Content.SNAPSHOT, number="two") == b"two"
        assert [each.number for each in tx.held(QUERY)] == ["one", "two"]
        assert tx.held("JP261122-OTHEROTHER") == []


def test_content_is_never_written_over(place: Place) -> None:
    held = hold(place)
    with pytest.raises(StoreError, match=f"exchange {QUERY} holds such a probe already"):
        place.do(lambda tx: tx.hold(QUERY, Content.PROBE, b"another"))
    assert place.slots.live() == {held.slot}
    with place.store.transaction() as tx:
        assert tx.content(QUERY, Content.PROBE) == PROBE


@on_sqlite
def test_8_destroyed_content_is_nowhere_neither_the_row_nor_the_key(place: Place) -> None:
    held, kept = hold(place), hold(place, Content.CANDIDATE, CANDIDATE)
    (sealed,) = place.rows(text("SELECT sealed FROM content WHERE kind = 'probe'"))[0]
    assert isinstance(sealed, bytes)
    assert sealed in place.on_disk()
    key = place.slots.get(held.slot)
    assert unseal(key, sealed, bound_to=f"exchange/{QUERY}/probe/") == PROBE
    place.store.destroy([held])
    with place.store.transaction() as tx:
        tx.forget([held])
    assert place.store.checkpoint()
    assert sealed not in place.on_disk()
    assert key not in place.on_disk()
    assert place.slots.live() == {kept.slot}
    with pytest.raises(KeyDestroyedError):
        place.slots.get(held.slot)
    with pytest.raises(
        ContentGoneError, match=f"no probe is held for exchange {QUERY}: it was destroyed when its time"
    ):
        place.do(lambda tx: tx.content(QUERY, Content.PROBE))


def test_8_content_is_gone_from_the_moment_its_key_is_before_the_row_is_deleted(place: Place) -> None:
    held = hold(place)
    place.store.destroy([held])
    assert gone(place, held)
    with place.store.transaction() as tx:
        assert tx.held(QUERY) == [held]  # whoever comes next finishes it


def test_8_destruction_can_be_repeated(place: Place) -> None:
    held = hold(place)
    for _ in range(2):
        place.store.destroy([held])
        with place.store.transaction() as tx:
            tx.forget([held])
    assert place.slots.live() == frozenset()


@on_sqlite
def test_forgetting_late_does_not_forget_what_came_into_the_place_since(place: Place) -> None:
    # Two processes dispose of the same content; between them something new takes the id of the deleted row.
    held = hold(place)
    place.store.destroy([held])
    with place.store.transaction() as tx:
        tx.forget([held])
    new = hold(place, Content.SNAPSHOT, b"what was available")
    assert new.id == held.id
    with place.store.transaction() as tx:
        tx.forget([held])
    assert not gone(place, new)


def test_content_moved_to_another_exchange_does_not_open(place: Place) -> None:
    hold(place)
    with place.store.transaction() as tx:
        tx._connection.exec_driver_sql("UPDATE content SET exchange = 'JP261122-OTHEROTHER'")
        with pytest.raises(Exception, match="they were moved from another place"):
            tx.content("JP261122-OTHEROTHER", Content.PROBE)


@pytest.mark.parametrize("kind", [Content.PROBE, Content.CANDIDATE, Content.ANSWER])
def test_recovery_destroys_keys_that_no_row_names(place: Place, kind: Content) -> None:
    held = hold(place, kind)
    orphans = place.slots.put([bytes(32), bytes(32)])
    strays = place.gallery.put([bytes(32)]) + place.records.put([bytes(32)])
    with place.store.transaction() as tx:
        tx.enrol([person("person-1")])
    assert place.again().recover() == 4
    assert not place.slots.live() & set(orphans)
    assert not place.live() & set(strays)
    assert not gone(place, held)
    with place.store.transaction() as tx:
        assert tx.particulars("person-1") == PARTICULARS
    assert place.store.recover() == 0


def test_recovery_ends_the_row_of_a_message_that_arrived_and_keeps_rows_that_owe_an_entry(place: Place) -> None:
    message = hold(place, Content.MESSAGE, b"a query", QUERY)
    waiting = hold(place, Content.MESSAGE, b"a request", "JP261122-REQUEST1")
    probe = hold(place)
    place.store.destroy([message, probe])  # and the process died here
    assert place.store.recover() == 0
    with place.store.transaction() as tx:
        assert tx.held(QUERY) == [waiting, probe]
        assert tx.content(QUERY, Content.MESSAGE, number="JP261122-REQUEST1") == b"a request"


@on_sqlite
def test_a_reader_elsewhere_may_delay_the_checkpoint_and_the_next_one_does_it(place: Place) -> None:
    reader = sqlite3.connect(place.database, isolation_level=None)
    hold(place)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM content").fetchone()
    hold(place, Content.CANDIDATE, CANDIDATE)
    impatient = place.again(patience=0)
    assert impatient.checkpoint() is False
    reader.execute("COMMIT")
    reader.close()
    assert place.store.checkpoint() is True
    assert (place.folder / "store.sqlite-wal").stat().st_size == 0


@on_sqlite
def test_deleted_rows_are_overwritten_and_nothing_spills_into_temporary_files(place: Place) -> None:
    with place.store.transaction() as tx:
        asked = ("secure_delete", "journal_mode", "synchronous", "temp_store")
        said = [tx._connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert said == [1, "wal", 2, 2]


# Messages received


def test_a_message_is_received_once(place: Place) -> None:
    received = Received(QUERY, "c0" * 32, Content.ANSWER)
    with place.store.transaction() as tx:
        assert tx.received(QUERY) is None
        tx.receive(QUERY, received)
    with pytest.raises(AlreadyReceivedError, match=f"message {QUERY} was received before"):
        place.do(
            lambda tx: tx.hold(QUERY, Content.ANSWER, b"another answer"),
            lambda tx: tx.receive(QUERY, replace(received, commitment="d0" * 32)),
        )
    with place.store.transaction() as tx:
        assert tx.received(QUERY) == received
    assert place.slots.live() == frozenset()


def test_a_nonce_is_used_once_while_its_signature_is_fresh(place: Place) -> None:
    until = NOW + timedelta(minutes=10)
    with place.store.transaction() as tx:
        tx.use_nonce("one", until=until, now=NOW)
        tx.use_nonce("two", until=until, now=NOW)
    for now in (NOW, until):
        with (
            pytest.raises(ReplayError, match="this signed request came before: a request is sent once; to ask again"),
            place.store.transaction() as tx,
        ):
            tx.use_nonce("one", until=now + timedelta(minutes=10), now=now)


def test_nonces_of_stale_signatures_are_not_kept(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.keep_clock(Clock(NOW + timedelta(hours=1)))
        for number in range(10):
            tx.use_nonce(str(number), until=NOW + timedelta(minutes=10), now=NOW)
    later = NOW + timedelta(minutes=15, microseconds=1)
    with place.store.transaction() as tx:
        tx.use_nonce("one more", until=later + timedelta(minutes=10), now=later)
    assert place.rows(text("SELECT nonce FROM nonce ORDER BY nonce")) == [("",), ("one more",)]


def test_9_what_is_old_enough_to_be_forgotten_is_not_accepted_by_a_clock_that_was_set_back(place: Place) -> None:
    """Its signature is fresh again by such a clock, and its nonce is not known any more."""
    for day in range(2):
        now = NOW + timedelta(days=day)
        with place.store.transaction() as tx:
            tx.keep_clock(Clock(now))
            tx.use_nonce(f"day {day}", until=now + timedelta(minutes=10), now=now)
    said = "it is 2026-11-22 03:04:05 here and was 2026-11-23 02:59:05 before, so nobody can tell whether this signed request"
    with pytest.raises(ReplayError, match=said), place.store.transaction() as tx:
        tx.use_nonce("day 0", until=NOW + timedelta(minutes=10), now=NOW)
    with place.store.transaction() as tx:  # by some minutes, unnoticed
        back = NOW + timedelta(days=1, minutes=-5)
        tx.use_nonce("another", until=back + timedelta(minutes=10), now=back)


def test_9_a_clock_that_turns_out_to_have_been_ahead_keeps_requests_out_for_as_long_as_a_nonce_lives(
    place: Place,
) -> None:
    for now in (NOW, NOW + timedelta(days=3650)):
        with place.store.transaction() as tx:
            tx.keep_clock(Clock(now))
            tx.use_nonce(f"{now:%Y}", until=now + timedelta(minutes=10), now=now)
    with place.store.transaction() as tx:
        tx.keep_clock(Clock(NOW))
    with pytest.raises(ReplayError, match="nobody can tell"), place.store.transaction() as tx:
        tx.use_nonce("again", until=NOW + timedelta(minutes=24), now=NOW + timedelta(minutes=14))
    with place.store.transaction() as tx:
        tx.use_nonce("again", until=NOW + timedelta(minutes=25), now=NOW + timedelta(minutes=15))


def test_4_7_a_query_of_no_day_counts_on_every_day_until_the_time_is_believed(place: Place) -> None:
    def counted() -> list[int]:
        days = ("2026-11-22", "2026-11-23", "2036-11-22")
        return [tx.queries_on(day, Side.QUERYING, Search.TENPRINT) for day in days]

    with place.store.transaction() as tx:
        for number in ("one", "two"):
            tx.open(exchange(State.SENT, Side.QUERYING, control_number=number, search=Search.TENPRINT))
        tx.count_on_no_day("two")
        assert counted() == [2, 1, 1]
        tx.keep_clock(Clock(NOW + timedelta(days=1), alarmed=True, reason="jump: by a day"))
        assert counted() == [2, 1, 1]
        tx.keep_clock(Clock(NOW + timedelta(days=1)))
        assert counted() == [1, 1, 0]


def test_4_7_queries_that_a_clock_counted_on_a_day_to_come_count_on_the_day_it_is(place: Place) -> None:
    ahead = exchange(State.SENT, Side.QUERYING, search=Search.TENPRINT, opened_at=NOW + timedelta(days=3650))
    with place.store.transaction() as tx:
        tx.open(ahead)
        tx.keep_clock(Clock(NOW))
        assert tx.queries_on("2026-11-22", Side.QUERYING, Search.TENPRINT) == 1


@pytest.mark.parametrize("believed", [None, NOW, NOW + timedelta(minutes=10)])
def test_9_no_nonce_is_forgotten_by_a_clock_that_is_not_believed(place: Place, believed: datetime | None) -> None:
    """Set ahead by a year and back: the signature would be fresh again."""
    with place.store.transaction() as tx:
        if believed is not None:
            tx.keep_clock(Clock(believed, alarmed=True, reason="jump: by a year"))
        tx.use_nonce("one", until=NOW + timedelta(minutes=10), now=NOW)
    ahead = NOW + timedelta(days=365)
    with place.store.transaction() as tx:  # by that clock both would be old
        tx.use_nonce("another", until=ahead + timedelta(minutes=10), now=ahead)
    with pytest.raises(ReplayError, match="this signed request came before"), place.store.transaction() as tx:
        tx.use_nonce("one", until=NOW + timedelta(minutes=11), now=NOW + timedelta(minutes=1))


# The gallery

PARTICULARS = '{"standing": {"born_on": "1980-05-01"}, "items": {"name": "PARTICULARS-OF-A-PERSON"}}'
TEMPLATE, IMAGE = b"TEMPLATE-OF-A-PERSON" * 20, b"IMAGE-OF-A-PERSON" * 100


def person(name: str, *impressions: Impression) -> Subject:
    return Subject(name, PARTICULARS, impressions or (Impression(TEMPLATE, IMAGE), Impression(TEMPLATE + b"2")))


def test_a_person_is_enrolled_with_prints_and_particulars(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1"), person("person-2", Impression(TEMPLATE))])
    with place.store.transaction() as tx:
        assert tx.particulars("person-1") == PARTICULARS
        assert (tx.image("person-1", 0), tx.image("person-1", 1), tx.image("person-2", 0)) == (IMAGE, None, None)
        assert dict(tx.changed_since(0)) == {
            "person-1": Enrolled(PARTICULARS, ((0, TEMPLATE, True), (1, TEMPLATE + b"2", False))),
            "person-2": Enrolled(PARTICULARS, ((0, TEMPLATE, False),)),
        }
    assert len(place.gallery.live()) == 2  # a key for each person


def test_9_nothing_of_a_person_rests_in_clear_but_a_name_that_means_something_only_here(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1")])
    place.store.checkpoint()
    for content in (b"TEMPLATE-OF-A-PERSON", b"IMAGE-OF-A-PERSON", b"PARTICULARS-OF-A-PERSON", b"1980-05-01"):
        assert content not in place.on_disk()


def test_nobody_is_enrolled_twice_and_then_nobody_of_them_is(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1")])
    for batch in ([person("person-2"), person("person-1")], [person("person-3"), person("person-3")]):
        with (
            pytest.raises(SubjectError, match=r"'person-[13]' is enrolled already: remove the person first"),
            place.store.transaction() as tx,
        ):
            tx.enrol(batch)
    with place.store.transaction() as tx:
        assert [name for name, _ in tx.changed_since(0)] == ["person-1"]
    assert len(place.gallery.live()) == 1


def test_a_person_is_enrolled_with_at_least_one_print(place: Place) -> None:
    with pytest.raises(SubjectError, match=r"'person-1' has no print: .*enrol at least one"):
        place.do(lambda tx: tx.enrol([Subject("person-1", PARTICULARS, ())]))


@on_sqlite
def test_many_are_enrolled_at_once(place: Place) -> None:
    def few_variables(tx: Transaction) -> None:  # SQLite allows a statement 32,766 of them
        driver = tx._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 20)

    many = [person(f"person-{number}", Impression(b"t")) for number in range(60)]
    place.do(few_variables, lambda tx: tx.enrol(many))
    with place.store.transaction() as tx:
        assert sum(1 for _ in tx.changed_since(0)) == 60


def test_the_names_of_the_enrolled_are_read_without_a_key(place: Place) -> None:
    with place.store.transaction() as tx:
        assert tx.names() == frozenset()
        tx.enrol([person("person-1"), person("person-2"), person("人物-3")])
        slot = tx.remove("person-1")
    with place.store.transaction() as tx:
        assert tx.names() == {"person-2", "人物-3"}
    place.gallery.destroy([*place.gallery.live(), slot])  # what is under a key cannot be read any more
    with place.store.transaction() as tx:
        assert tx.names() == {"person-2", "人物-3"}


def test_whoever_is_removed_is_gone_with_prints_and_particulars(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1"), person("person-2")])
    sealed = [row[0] for row in place.rows(text("SELECT template FROM impression WHERE subject = 'person-1'"))]
    with place.store.transaction() as tx:
        slot = tx.remove("person-1")
    place.store.destroy_prints([slot])
    assert place.store.checkpoint()
    assert len(place.gallery.live()) == 1
    assert sealed
    if place.server is None:  # a server keeps the ciphertext for a while, in its log; the key is here, and gone
        assert not any(each in place.on_disk() for each in sealed)
    with place.store.transaction() as tx:
        for ask in (tx.particulars, tx.remove):
            with pytest.raises(SubjectError, match="'person-1' is not enrolled"):
                ask("person-1")
        assert tx.image("person-1", 0) is None
        assert tx.particulars("person-2") == PARTICULARS


def test_a_removal_that_was_interrupted_is_finished_by_recovery(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1")])
    with place.store.transaction() as tx:
        tx.remove("person-1")
    assert len(place.gallery.live()) == 1  # the process died before it destroyed the key
    assert place.store.recover() == 1
    assert place.gallery.live() == frozenset()


def test_another_process_learns_what_changed_since_it_looked(place: Place) -> None:
    with place.store.transaction() as tx:
        assert (tx.revision(), list(tx.changed_since(0))) == (0, [])
        tx.enrol([person("person-1"), person("person-2")])
    with place.store.transaction() as tx:
        first = tx.revision()
        tx.remove("person-1")
        tx.enrol([person("person-3")])
    with place.store.transaction() as tx:
        second = tx.revision()
        assert first < second
        changed = dict(tx.changed_since(first))
        assert (set(changed), changed["person-1"]) == ({"person-1", "person-3"}, None)
        assert list(tx.changed_since(second)) == []


def test_whoever_is_enrolled_again_after_a_removal_counts_as_new(place: Place) -> None:
    with place.store.transaction() as tx:
        tx.enrol([person("person-1")])
        slot = tx.remove("person-1")
        before = tx.revision()
    place.store.destroy_prints([slot])
    with place.store.transaction() as tx:
        tx.enrol([person("person-1", Impression(b"another print"))])
    with place.store.transaction() as tx:
        assert tx.revision() > before
        (changed,) = tx.changed_since(before)
        assert changed == ("person-1", Enrolled(PARTICULARS, ((0, b"another print", False),)))


def test_the_slot_files_are_the_owners_alone(place: Place) -> None:
    for path in place.folder.glob("*.slots"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
