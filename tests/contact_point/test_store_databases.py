"""The databases under the store: one writer at a time, nothing hangs, nothing is told to a log, and failures heal."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import event, text

from contact_point.store import Store, StoreError
from contact_point.store.database import CONNECTIONS
from contact_point.store.postgresql import LOCK
from pcsc.duties import Content
from pcsc.errors import RecordError
from tests.builders import NOW, PROBE, QUERY, exchange

from . import databases
from .databases import act, configured, on_postgresql, on_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.store import Transaction

    from .databases import Place

place, postgresql = databases.place, databases.postgresql


@contextmanager
def busy(place: Place) -> Iterator[None]:
    """Be another process that is in the middle of a transaction."""
    if place.server is None:
        with closing(sqlite3.connect(place.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        conninfo = place.server.conninfo(str(place.store._engine.url.database))
        with psycopg.connect(conninfo) as other:
            other.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
            yield


def backend(tx: Transaction) -> int:
    """Return the process of the server that a transaction speaks to."""
    found = tx._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    assert isinstance(found, int)
    return found


def hold(tx: Transaction) -> None:
    tx.hold(QUERY, Content.PROBE, PROBE)


LOCKED = r"cannot be written \((database is locked|canceling statement due to lock timeout)\), so nothing was done"
AT_ONCE = r"cannot be written \((database is locked|too many want to write at once)\), so nothing was done"


def test_11_1_whoever_cannot_have_the_database_in_time_is_refused_and_nothing_was_done(place: Place) -> None:
    impatient = place.again(patience=0.2)
    with busy(place), pytest.raises(RecordError, match=LOCKED), impatient.transaction() as tx:
        hold(tx)
    assert place.live() == frozenset()
    with impatient.transaction() as tx:
        hold(tx)


def test_whoever_does_not_wait_is_refused_at_once(place: Place) -> None:
    with busy(place), pytest.raises(RecordError, match=AT_ONCE), place.store.transaction(waiting=False) as tx:
        hold(tx)
    with place.store.transaction(waiting=False) as tx:
        hold(tx)


def test_11_1_whoever_wants_a_connection_more_than_there_are_is_refused_in_time(place: Place) -> None:
    impatient = place.again(patience=0.2)
    with ExitStack() as readers:
        for _ in range(CONNECTIONS):
            readers.enter_context(impatient.reading())
        for attempt in (impatient.transaction, impatient.reading):
            with pytest.raises(RecordError, match=r"cannot be written \(too many want to write at once\)"), attempt():
                pass
    with impatient.transaction() as tx:
        hold(tx)


def test_whoever_wants_a_connection_more_than_there_are_waits_for_one(place: Place) -> None:
    patient = place.again(patience=60.0)
    with ExitStack() as readers:
        for _ in range(CONNECTIONS):
            readers.enter_context(patient.reading())
        ending = threading.Timer(0.2, readers.close)
        ending.start()
        with patient.reading() as tx:
            assert tx.next_entry() == 0
        ending.join()


@on_postgresql
def test_11_1_whoever_wants_a_connection_more_than_the_server_has_is_refused_at_once(place: Place) -> None:
    assert place.server is not None
    name = place.store._engine.url.database
    place.server.run(f"ALTER DATABASE {name} CONNECTION LIMIT 1")
    with place.store.reading():
        with pytest.raises(RecordError, match="too many connections for database"), place.store.transaction() as tx:
            hold(tx)
        with pytest.raises(RecordError, match="too many connections for database"):
            place.again()
    assert place.live() == frozenset()
    place.do(hold)


def test_threads_of_one_process_take_turns(place: Place) -> None:
    impatient = place.again(patience=0.2)
    inside, leave = threading.Event(), threading.Event()

    def occupy() -> None:
        with impatient.transaction():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=occupy)
    thread.start()
    inside.wait(60)
    for waiting in (True, False):
        with (
            pytest.raises(RecordError, match=r"cannot be written \(too many want to write at once\)"),
            impatient.transaction(waiting=waiting),
        ):
            pass
    leave.set()
    thread.join()
    with impatient.transaction() as tx:
        hold(tx)


@on_sqlite
def test_a_file_that_is_no_database_is_a_record_that_cannot_be_written(place: Place) -> None:
    other = place.folder / "other.sqlite"
    other.write_bytes(b"no database" * 100)
    with pytest.raises(RecordError, match=r"cannot be written \(file is not a database\)"):
        Store(other, place.slots, place.gallery, place.records)


@on_sqlite
def test_9_the_file_is_the_owners_alone_and_its_settings_are_ours(place: Place) -> None:
    assert isinstance(place.database, Path)
    assert place.database.stat().st_mode & 0o777 == 0o600
    assert place.store.warnings() == []


@on_sqlite
def test_a_checkpoint_that_fails_is_one_that_was_not_made(place: Place) -> None:
    place.do(act)
    assert isinstance(place.database, Path)
    place.store.close()
    place.database.write_bytes(b"no database" * 100)
    assert place.store.checkpoint() is False


@on_sqlite
def test_8_1_keys_of_prints_are_destroyed_at_once_where_the_disk_is_full_at_the_commit(place: Place) -> None:
    place.do(act)
    slots, records = place.slots.live(), place.records.live()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (place.folder / "store.sqlite-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # no file grows beyond it
    try:
        with pytest.raises(
            RecordError, match=r"cannot be written \((disk I/O error|database or disk is full)\), so nothing"
        ):
            place.do(hold, lambda tx: tx.open(exchange(control_number="JP261122-OTHEROTHER")))
        assert place.slots.live() == slots
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(place.records.live()) == len(records) + 1
    place.do(hold)
    assert place.records.live() == records


class Interrupted(Exception):  # noqa: N818 - nothing is wrong: somebody pressed a key
    """The process was interrupted."""


@on_sqlite
def test_keys_of_a_commit_that_was_interrupted_afterwards_are_kept(place: Place) -> None:
    def interrupt(*_: object) -> None:
        event.remove(place.store._engine, "checkin", interrupt)
        raise Interrupted

    event.listen(place.store._engine, "checkin", interrupt)
    with pytest.raises(Interrupted):
        place.do(hold)
    with place.store.transaction() as tx:
        assert tx.content(QUERY, Content.PROBE) == PROBE
    assert len(place.slots.live()) == 1
    assert not any(place.store._doubtful.values())


# PostgreSQL


@on_postgresql
def test_keys_of_a_commit_in_doubt_are_destroyed_once_it_is_seen_that_it_did_not_come_about(place: Place) -> None:
    assert place.server is not None
    server = place.server

    def end_the_session(tx: Transaction) -> None:
        server.run(f"SELECT pg_terminate_backend({backend(tx)}, 60000)")

    with pytest.raises(RecordError, match=r"terminating connection due to .*whether something was done shows once"):
        place.do(hold, end_the_session)
    assert len(place.slots.live()) == 1  # who knows
    with place.store.transaction() as tx:
        assert tx.held() == []
    assert place.slots.live() == frozenset()


@on_postgresql
def test_a_server_that_does_not_answer_is_given_up(place: Place) -> None:
    place.store = place.again(patience=0.2)
    stopped: list[int] = []

    def stop(tx: Transaction) -> None:
        stopped.append(backend(tx))
        os.kill(stopped[0], signal.SIGSTOP)

    with pytest.raises(RecordError, match=r"cannot be written \(PostgreSQL did not answer within 2.2 seconds\), and"):
        place.do(hold, stop, lambda tx: tx.held())
    os.kill(stopped[0], signal.SIGCONT)
    assert place.slots.live() == frozenset()
    with place.store.transaction() as tx:
        assert tx.held() == []


@on_postgresql
def test_a_statement_that_takes_too_long_is_ended(place: Place) -> None:
    with (
        pytest.raises(RecordError, match=r"cannot be written \(canceling statement due to statement timeout\)"),
        place.again(patience=0.2).transaction() as tx,
    ):
        tx._connection.exec_driver_sql("SELECT pg_sleep(60)")


@on_postgresql
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_11_1_while_the_server_is_down_nothing_is_done_and_when_it_is_back_all_goes_on(
    place: Place, how: signal.Signals
) -> None:
    assert place.server is not None
    place.do(act)
    place.server.stop(how)
    try:
        with pytest.raises(RecordError, match=r"cannot be written \(connection is bad: .*\), so nothing was done"):
            place.do(hold)
        with pytest.raises(RecordError, match=r"cannot be written \(connection is bad: .*\), so nothing was done"):
            place.again()
        assert place.slots.live() == frozenset()
    finally:
        place.server.start()
    place.do(hold)
    with place.store.transaction() as tx:
        assert (len(list(tx.record())), len(tx.held())) == (1, 1)


@on_postgresql
def test_a_session_does_what_is_durable_and_waits_for_nothing_for_ever(place: Place) -> None:
    with place.again(patience=3).transaction() as tx:
        said = {
            name: tx._connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (
                "synchronous_commit",
                "transaction_isolation",
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "log_parameter_max_length_on_error",
            )
        }
    assert list(said.values()) == ["on", "read committed", "4s", "3s", "1min", "0"]


SUPERUSER = "postgres"


@on_postgresql
def test_9_what_was_bound_to_a_statement_that_failed_is_in_no_log(place: Place) -> None:
    assert place.server is not None
    place.rows(text("ALTER TABLE received RENAME TO gone"))
    with pytest.raises(RecordError, match='relation "received" does not exist'):
        place.do(
            lambda tx: tx.use_nonce("NONCE-IN-CLEAR", until=NOW, now=NOW), lambda tx: tx.received("NUMBER-IN-CLEAR")
        )
    with pytest.raises(StoreError, match="holds such a probe already"):
        place.do(hold, hold)
    assert "received" in place.server.log()
    for marker in ("NONCE-IN-CLEAR", "NUMBER-IN-CLEAR", QUERY):
        assert marker not in place.server.log()


@on_postgresql
def test_9_what_the_server_would_log_is_told_unless_the_role_may_turn_it_off(place: Place) -> None:
    assert place.server is not None
    told = place.store.warnings()
    assert [each.split(" (")[0] for each in told] == [
        "Art. 9: PostgreSQL logs statements that failed",
        "Art. 9: PostgreSQL logs the key that an error is about",
    ]
    assert "(log_error_verbosity is default, and terse gives nothing away): change it, or let the role of" in told[1]

    name = str(place.store._engine.url.database)
    with_all = Store(place.server.url(name, SUPERUSER), place.slots, place.gallery, place.records)
    place.opened.append(with_all)
    assert with_all.warnings() == []

    for setting in ("log_min_error_statement", "log_error_verbosity"):
        place.server.run(f"GRANT SET ON PARAMETER {setting} TO {databases.OWNER}")
    try:
        assert place.again().warnings() == []
    finally:
        for setting in ("log_min_error_statement", "log_error_verbosity"):
            place.server.run(f"REVOKE SET ON PARAMETER {setting} FROM {databases.OWNER}")


@on_postgresql
def test_11_1_a_server_that_may_lose_what_was_durable_is_told(place: Place) -> None:
    assert place.server is not None
    with configured(place.server, "full_page_writes", "off"):
        assert any(
            each.startswith(
                "Art. 11(1): PostgreSQL may lose what it said was durable (full_page_writes is off): set it to on"
            )
            for each in place.again().warnings()
        )


@on_postgresql
def test_9_a_server_that_logs_statements_is_told_what_that_gives_away(place: Place) -> None:
    assert place.server is not None
    with configured(place.server, "log_statement", "all"):
        told = " ".join(place.again().warnings())
    assert "logs statements (log_statement is all, and none gives nothing away)" in told
    assert "logs what was bound to statements that are logged (log_parameter_max_length is -1, and 0 gives" in told


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "the store is a path, or a URL such as .*; what came is neither"),
        ("mysql://somebody:SECRET@host/database", r"the store is a path, or .* got mysql:// and a database: name one"),
        (
            "postgresql+psycopg://somebody:SECRET@host",
            r"the store is a path, or .* got postgresql\+psycopg:// and no database",
        ),
    ],
)
@on_sqlite
def test_a_store_is_a_path_or_the_url_of_a_database_of_its_own(place: Place, url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as refused:
        Store(url, place.slots, place.gallery, place.records)
    assert "SECRET" not in str(refused.value)


@on_sqlite
def test_9_a_server_that_is_not_there_is_told_without_the_password(place: Place) -> None:
    url = f"postgresql://somebody:SECRET@/database?host={place.folder}"
    with pytest.raises(RecordError, match=r"cannot be written \(connection is bad: .*so nothing was done") as refused:
        Store(url, place.slots, place.gallery, place.records)
    assert "SECRET" not in str(refused.value)
