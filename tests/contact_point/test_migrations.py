"""The tables of a database are made and changed by scripts: whole or not at all, by nobody in passing, and nothing is lost."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import String, create_engine, text

from contact_point import cli, main
from contact_point.cli.migrating import _told
from contact_point.store import StoreError, migrations
from contact_point.store.opening import begun
from contact_point.store.revision import HEAD, found
from contact_point.store.tables import OF_EXCHANGES, TABLES
from pcsc.errors import RecordError
from tests.builders import NOW

from . import databases
from .databases import act, on_postgresql, on_sqlite
from .migrated import NEXT, connected, fill, make, rows, tables, with_one_more
from .parties import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .databases import Place, Server

place, postgresql = databases.place, databases.postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Return an empty database, of each of the two kinds in turn."""
    if request.param == "sqlite":
        yield tmp_path / "store.sqlite"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.fresh()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Return the scripts with one more."""
    return with_one_more(tmp_path)


def at(database: Path | str) -> str | None:
    return migrations.plan(database).found


# The scripts


def test_the_scripts_are_numbered_from_the_first_one_on_and_the_last_one_is_the_revision_of_the_program() -> None:
    numbers = [number for number, _ in migrations._revisions(migrations.SCRIPTS)]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert numbers[-1] == HEAD
    files = sorted(path.name[:5] for path in (migrations.SCRIPTS / "versions").glob("v*.py"))
    assert files == [f"v{number}" for number in numbers]


def test_the_scripts_make_the_tables_that_the_program_works_with(database: Path | str) -> None:
    make(database)
    with connected(database) as connection:
        assert compare_metadata(MigrationContext.configure(connection), TABLES) == []
        made = tables(connection)
        TABLES.drop_all(connection)
        TABLES.create_all(connection)
        assert made == tables(connection)


def test_data_outlive_every_script_forwards_and_back(database: Path | str, scripts: Path) -> None:
    make(database)
    with connected(database) as connection:
        fill(connection)
    numbers = [number for number, _ in migrations._revisions(scripts)]
    for number in reversed(numbers[:-1]):  # back to the first one ...
        migrations.migrate(database, number, scripts=scripts)
    for before, after in pairwise(numbers):  # ... and each of them there, back, and there again
        with connected(database) as connection:
            there, held = tables(connection), rows(connection)
        migrations.migrate(database, after, scripts=scripts)
        with connected(database) as connection:
            changed, kept = tables(connection), rows(connection)
        for name in held.keys() & kept.keys():
            common = held[name][0].keys() & kept[name][0].keys()
            assert [[row[each] for each in common] for row in held[name]] == [
                [row[each] for each in common] for row in kept[name]
            ], name
        assert changed != there
        migrations.migrate(database, before, scripts=scripts)
        with connected(database) as connection:
            assert (tables(connection), rows(connection)) == (there, held)
        migrations.migrate(database, after, scripts=scripts)
        with connected(database) as connection:
            assert (tables(connection), rows(connection)) == (changed, kept)


def test_11_3_nothing_comes_before_the_first_revision(database: Path | str) -> None:
    make(database)
    with pytest.raises(StoreError, match=r"^there is no revision base: this program knows 0001"):
        migrations.migrate(database, "base")
    with (
        pytest.raises(StoreError, match=r"^Art\. 11\(3\): without its tables the record would be gone before its term"),
        connected(database) as connection,
    ):
        migrations._run(connection, migrations.SCRIPTS, "base", back=True)
    assert at(database) == HEAD


# All or nothing


# Every moment in which a process may die, or some of them.
moments = pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.long)])


def killed(what: str, database: Path | str, scripts: Path, stride: int) -> dict[str, Any]:
    """Kill one process after another in the middle of it, and return how the database was left each time."""
    program = [sys.executable, "-m", "tests.contact_point.migrated", what, str(database), str(scripts), str(stride)]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    left: dict[str, Any] = json.loads(done.stdout)
    return left


@moments
def test_a_process_that_dies_while_it_migrates_leaves_the_old_revision_or_the_new_one(
    database: Path | str, scripts: Path, stride: int
) -> None:
    make(database)
    with connected(database) as connection:
        fill(connection)
    after = killed("migrate", database, scripts, stride)
    assert after["states"] == 2
    assert set(after["left"]) == {HEAD, NEXT}
    assert after["left"].count(HEAD) > 20 // stride


@moments
def test_a_process_that_dies_while_it_makes_a_database_leaves_an_empty_one_or_a_whole_one(
    database: Path | str, scripts: Path, stride: int
) -> None:
    after = killed("make", database, scripts, stride)
    assert after["states"] == 2
    assert set(after["left"]) == {None, NEXT}
    assert after["left"].count(None) > 40 // stride


def test_a_script_that_fails_leaves_everything_as_it_was(database: Path | str, scripts: Path) -> None:
    make(database)
    with connected(database) as connection:
        alike = [f"{number}{'x' * 24}" for number in range(2)]
        connection.execute(TABLES.tables["nonce"].insert(), [{"nonce": each, "until": ""} for each in alike])
        before = tables(connection), rows(connection)
    with pytest.raises(
        RecordError, match=r"cannot be written \((UNIQUE constraint|duplicate key).*so nothing was done"
    ):
        migrations.migrate(database, scripts=scripts)
    with connected(database) as connection:
        assert (tables(connection), rows(connection)) == before
    assert at(database) == HEAD


# Whoever opens a database


def test_a_database_of_an_older_revision_is_refused_until_somebody_migrates_it(place: Place) -> None:
    place.do(act)
    place.rows(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(
        StoreError,
        match=rf"^the database is at revision 0000 and this program works with {HEAD}\. Nothing was changed in it\. Stop every "
        r"process that uses it, then bring it up with `pcsc migrate`$",
    ):
        place.again()
    assert place.rows(text("SELECT version_num FROM alembic_version")) == [("0000",)]


def test_a_database_of_a_newer_revision_is_refused_also_by_who_would_migrate_it(place: Place) -> None:
    place.do(act)
    place.rows(text("UPDATE alembic_version SET version_num = '9999'"))
    message = (
        rf"^the database is at revision 9999 and this program works with {HEAD}\. Nothing was changed in it\. A later version "
        rf"of this program brought it there: use that version, or .* take it back with `pcsc migrate --to {HEAD}`$"
    )
    with pytest.raises(StoreError, match=message):
        place.again()
    place.store.close()
    for refused in (migrations.plan, migrations.migrate):
        with pytest.raises(StoreError, match=message):
            refused(place.database)
    with connected(place.database) as connection:
        assert found(connection) == "9999"


def test_a_database_that_does_not_say_its_revision_is_refused(place: Place) -> None:
    place.do(act)
    place.rows(text("DROP TABLE alembic_version"))
    place.rows(text("DROP TABLE copy"))
    message = r"^the database has tables \(attempt, clock, .*\) and does not say at which revision they are: .*pcsc record exp"
    with pytest.raises(StoreError, match=message):
        place.again()
    place.store.close()
    with pytest.raises(StoreError, match=message):
        migrations.migrate(place.database)
    with connected(place.database) as connection:
        assert [row["tree"] for row in rows(connection)["entry"]] == ["2026-11"]


def test_an_empty_database_is_not_made_by_who_migrates(database: Path | str) -> None:
    assert migrations.migrate(database) == migrations.Plan(None, HEAD, ())
    with connected(database) as connection:
        assert tables(connection) == {}


def test_a_database_is_opened_without_what_migrations_need(place: Place) -> None:
    script = (
        "import sys, pathlib; from contact_point.keys import KeySlots; from contact_point.store import Store\n"
        "at, *files = sys.argv[1:]\n"
        "Store(at if '://' in at else pathlib.Path(at), *(KeySlots.open(pathlib.Path(each)) for each in files)).close()\n"
        "assert not {'alembic', 'mako'} & sys.modules.keys()"
    )
    files = [place.folder / f"{each}.slots" for each in ("exchange", "gallery", "record")]
    subprocess.run([sys.executable, "-c", script, str(place.database), *map(str, files)], check=True)


# Nobody else


def test_nothing_is_migrated_while_another_process_has_the_database_open(place: Place, scripts: Path) -> None:
    with pytest.raises(
        StoreError, match=r"^another process has the database open, .* stop `pcsc serve` and every other"
    ):
        migrations.migrate(place.database, patience=0.2, scripts=scripts)
    with place.store.transaction() as tx:
        assert tx.held() == []
    assert migrations.plan(place.database, scripts=scripts).found == HEAD  # to look is always possible
    place.store.close()
    assert migrations.migrate(place.database, scripts=scripts).steps == (
        migrations.Step(NEXT, "One more, for the tests.", back=False),
    )


def test_11_1_a_program_that_was_at_work_before_is_refused_its_next_connection(place: Place, scripts: Path) -> None:
    place.store.close()
    migrations.migrate(place.database, scripts=scripts)
    with (
        pytest.raises(
            RecordError, match=rf"^Art\. 11\(1\): the database is at revision {NEXT} and this program works with"
        ),
        place.store.transaction(),
    ):
        pass
    migrations.migrate(place.database, HEAD, scripts=scripts)
    with place.store.transaction() as tx:
        assert tx.held() == []


@on_postgresql
def test_a_statement_of_a_script_may_take_long_and_a_lock_is_waited_for_as_everywhere(place: Place) -> None:
    with migrations._opened(place.database, 5) as opened, begun(opened.engine, 5, 5) as connection:
        said = [connection.exec_driver_sql(f"SHOW {each}").scalar() for each in ("statement_timeout", "lock_timeout")]
    assert said == ["3601s", "5s"]


@on_postgresql
def test_11_3_the_server_keeps_no_statistics_of_texts_that_name_exchanges_also_of_new_ones(
    place: Place, scripts: Path
) -> None:
    place.store.close()
    migrations.migrate(place.database, scripts=scripts)
    asked = text(
        "SELECT count(*), count(*) FILTER (WHERE attstattarget = 0) FROM pg_attribute WHERE atttypid = 'varchar'::regtype "
        "AND NOT attisdropped AND attrelid = ANY(CAST(:tables AS regclass[]))"
    )
    with connected(place.database) as connection:
        texts, without = connection.execute(asked, {"tables": [each.name for each in OF_EXCHANGES]}).one()
    assert (texts, without) == (
        without,
        sum(isinstance(c.type, String) for each in OF_EXCHANGES for c in each.columns) + 1,
    )


# What is seen of it


@on_sqlite
def test_11_3_no_copy_is_made_and_what_was_taken_away_is_in_no_file(place: Place, scripts: Path) -> None:
    place.store.close()
    migrations.migrate(place.database, scripts=scripts)
    with connected(place.database) as connection:
        connection.execute(text("INSERT INTO received VALUES ('m', 'x', 'c', 'a', 'TO BE TAKEN AWAY')"))
    assert b"TO BE TAKEN AWAY" in place.on_disk()
    files = set(place.folder.rglob("*.sqlite*"))
    migrations.migrate(place.database, HEAD, scripts=scripts)
    assert b"TO BE TAKEN AWAY" not in place.on_disk()
    assert set(place.folder.rglob("*.sqlite*")) == files


MARKER = "BOUND-IN-CLEAR-OF-24-LETTERS"[-24:]


@on_postgresql
def test_9_what_a_script_binds_is_in_no_message_and_in_no_log(
    place: Place, scripts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert place.server is not None
    caplog.set_level(logging.DEBUG)
    name = str(place.store._engine.url.database)
    with place.store.transaction() as tx:
        for number in range(2):
            tx.use_nonce(f"{number}-{MARKER}", until=NOW, now=NOW)
    place.store.close()
    caplog.clear()
    logged = len(place.server.log())
    with pytest.raises(RecordError, match="duplicate key value") as refused:
        migrations.migrate(place.server.url(name, "postgres"), scripts=scripts)
    for said in (place.server.log()[logged:], caplog.text, str(refused.value)):
        assert MARKER not in said
    assert f"Running upgrade {HEAD} -> {NEXT}" in caplog.text


def test_9_scripts_run_in_a_transaction_of_the_store_and_in_no_other_way(tmp_path: Path) -> None:
    config = migrations._config(migrations.SCRIPTS)
    for as_text in (False, True):
        with pytest.raises(
            StoreError, match=r"run by `pcsc migrate`, in a transaction of the store: neither by alembic nor"
        ):
            command.upgrade(config, HEAD, sql=as_text)
    engine = create_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with (
        pytest.raises(StoreError, match=r"^Art\. 9: an error of a migration must not carry what was bound"),
        engine.begin() as connection,
    ):
        migrations.make(connection)
    engine.dispose()


# By command


def test_a_database_is_migrated_by_command(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    root = tmp_path / "jp"
    assert run("init", root, "--party", "JP", "--port", free_port())[0] == 0
    code, said = run("migrate", "--dir", root)
    assert (code, said) == (
        0,
        "The database has no tables yet: the first command that opens the installation makes them.\n",
    )
    assert run("inbox", "--dir", root)[0] == 0

    assert run("migrate", "--dir", root) == (0, f"The database is at revision {HEAD}: there is nothing to do.\n")
    code, said = run("migrate", "--dry-run", "--json", "--dir", root)
    assert (code, json.loads(said)) == (0, {"found": HEAD, "to": HEAD, "steps": [], "done": False})
    code, said = run("migrate", "--to", "9999", "--dir", root)
    assert (code, said.startswith("pcsc: there is no revision 9999: this program knows 0001")) == (cli.FAILED, True)
    with main.opened(root):
        code, said = run("migrate", "--dry-run", "--dir", root)
        assert (code, "nothing to do" in said) == (0, True)


def test_the_way_is_told_forwards_and_back(place: Place, scripts: Path) -> None:
    place.store.close()
    there = f"The database {{}} from revision {HEAD} to {NEXT}:\n    to {NEXT}: One more, for the tests."
    assert _told(migrations.plan(place.database, scripts=scripts), dry_run=True) == there.format("would go")
    assert _told(migrations.migrate(place.database, scripts=scripts), dry_run=False) == there.format("went")
    assert (
        _told(migrations.migrate(place.database, HEAD, scripts=scripts), dry_run=False)
        == f"The database went from revision {NEXT} to {HEAD}:\n    back from {NEXT}: One more, for the tests."
    )
