"""What is left of an erased record in the files of the database: nothing that was in clear (Article 11(3))."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from contact_point.store.tables import OF_EXCHANGES, TABLES
from pcsc.duties import Content
from tests.builders import NOW, PROBE

from . import databases
from .databases import act, configured, name_of, on_postgresql, purge_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .databases import Place, Server

place, postgresql = databases.place, databases.postgresql

NUMBERS = [f"JP261122-{number:016}" for number in range(40)]
OVER, KEPT = NUMBERS[-1], NUMBERS[0]


def record(place: Place) -> None:
    """Let there be exchanges with their records, and let one of them hold and owe something."""
    with place.store.transaction() as tx:
        for number in NUMBERS:
            act(tx, "noted", number)
            tx.hold(number, Content.PROBE, PROBE)
            tx.plan(number, "expire", NOW)


def erase(place: Place, number: str = OVER) -> None:
    with place.store.transaction() as tx:
        held = tx.held(number)
        place.store.destroy(held)
        tx.forget(held)
        slot = tx.erase(number)
    assert slot is not None
    place.store.destroy_exchange(slot)


def there(place: Place, number: str = OVER) -> bool:
    """Whether a control number is in a file of the database; of a server's, without its log."""
    if place.server is None:
        return number.encode() in place.on_disk()
    return number.encode() in place.server.tables(name_of(str(place.database)))


def server_of(place: Place) -> Server:
    assert place.server is not None
    return place.server


def test_every_table_that_names_an_exchange_is_one_of_those() -> None:
    naming = {
        table.name for table in TABLES.tables.values() if {"exchange", "control_number"} & {*table.columns.keys()}
    }
    assert naming == {table.name for table in OF_EXCHANGES}


def test_11_3_nothing_that_a_record_had_in_clear_is_left_in_a_file_of_the_tables(place: Place) -> None:
    record(place)
    assert there(place)
    erase(place)
    assert place.store.checkpoint(records=True)
    assert (there(place), there(place, KEPT)) == (False, True)
    with place.store.transaction() as tx:
        assert [len(list(tx.entries(each))) for each in (OVER, KEPT)] == [0, 1]
        assert tx.content(KEPT, Content.PROBE) == PROBE


@on_postgresql
def test_11_3_a_vacuum_alone_would_leave_it_there(place: Place) -> None:
    record(place)
    erase(place)
    server_of(place).run("VACUUM", database=name_of(str(place.database)))
    assert there(place)
    assert place.store.checkpoint()  # what content needs, and no more
    assert there(place)


@contextmanager
def reading(place: Place) -> Iterator[None]:
    """Be somebody who reads the database as it is now, and has looked at no table yet."""
    with psycopg.connect(server_of(place).conninfo(name_of(str(place.database)))) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        yield


@contextmanager
def locking(place: Place) -> Iterator[None]:
    """Be somebody who is reading a table."""
    with psycopg.connect(server_of(place).conninfo(name_of(str(place.database)))) as other:
        other.execute("SELECT * FROM entry")
        yield


@on_postgresql
@pytest.mark.parametrize(
    ("somebody", "told"),
    [
        (reading, "somebody reads them since before"),
        (locking, "canceling statement due to lock timeout"),
    ],
)
def test_11_3_whoever_still_reads_what_was_erased_delays_it_and_the_next_one_does_it(
    place: Place, caplog: pytest.LogCaptureFixture, somebody: type[reading], told: str
) -> None:
    record(place)
    with somebody(place):
        erase(place)
        assert not place.store.checkpoint(records=True)
        assert there(place)
    assert "Art. 11(3): the tables could not be written anew, it is tried again: " in caplog.text
    assert told in caplog.text
    if somebody is locking:  # it was waited for
        purge_at_once(place.store)
    assert place.store.checkpoint(records=True)
    assert not there(place)


@on_postgresql
def test_11_3_tables_that_are_another_roles_are_not_held_to_be_written_anew(place: Place) -> None:
    record(place)
    erase(place)
    name = name_of(str(place.database))
    server_of(place).run(
        "ALTER TABLE entry OWNER TO postgres", f"ALTER DATABASE {name} OWNER TO postgres", database=name
    )
    assert not place.store.checkpoint(records=True)
    assert there(place)


@on_postgresql
def test_11_3_while_the_server_is_away_nothing_is_held_to_be_gone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    record(place)
    erase(place)
    server_of(place).stop()
    try:
        assert not place.store.checkpoint(records=True)
    finally:
        server_of(place).start()
    assert "Art. 11(3): the tables could not be written anew, it is tried again: connection is bad" in caplog.text
    purge_at_once(place.store)
    assert place.store.checkpoint(records=True)
    assert not there(place)


@on_postgresql
def test_tables_are_not_written_anew_all_the_time(place: Place) -> None:
    record(place)
    erase(place)
    assert place.store.checkpoint(records=True)
    erase(place, KEPT)
    assert not place.store.checkpoint(records=True)
    assert place.store.checkpoint(), "what content needs waits for nothing"
    assert there(place, KEPT)
    purge_at_once(place.store)
    assert place.store.checkpoint(records=True)
    assert not there(place, KEPT)


@on_postgresql
def test_the_limits_of_other_sessions_stay_as_they_were(place: Place) -> None:
    assert place.store.checkpoint(records=True)
    with place.store.transaction() as tx:
        said = [tx._connection.exec_driver_sql(f"SHOW {each}_timeout").scalar() for each in ("statement", "lock")]
    assert said == ["6s", "5s"]


STATISTICS = text(
    "SELECT tablename, attname FROM pg_stats WHERE concat(most_common_vals, histogram_bounds) LIKE '%JP261122-%'"
)


@on_postgresql
def test_11_3_the_servers_statistics_keep_no_control_number(place: Place) -> None:
    record(place)
    place.rows(text("ANALYZE"))
    assert place.rows(STATISTICS) == []
    place.rows(text("ALTER TABLE exchange ALTER COLUMN control_number SET STATISTICS 100"))
    place.rows(text("ANALYZE"))
    assert place.rows(STATISTICS) == [("exchange", "control_number")]  # as it would be


@on_postgresql
def test_11_3_the_log_of_the_server_has_it_until_as_many_files_were_begun_as_it_keeps(place: Place) -> None:
    record(place)
    erase(place)
    assert place.store.checkpoint(records=True)
    server = server_of(place)
    assert OVER.encode() in server.log_files()
    for _ in range(7):  # min_wal_size is five files; one is written, and one waits for its checkpoint
        server.run("SELECT pg_switch_wal()", "CHECKPOINT")
    assert OVER.encode() not in server.log_files()


@on_postgresql
def test_11_3_a_server_whose_log_keeps_what_was_deleted_for_too_long_is_told(place: Place) -> None:
    def told() -> list[str]:
        return [each for each in place.again().warnings() if each.startswith("Art. 11(3)")]

    assert told() == []
    for value, lasting in (("0", "until 7 files of it are full"), ("4h", "for 28 hours")):
        with configured(server_of(place), "archive_timeout", value):
            (said,) = told()
        assert said.startswith(
            f"Art. 11(3): PostgreSQL keeps what was deleted in its log (WAL) {lasting} (archive_timeout"
        )
        assert said.endswith("so that it is half a day at most, such as to 1h")
