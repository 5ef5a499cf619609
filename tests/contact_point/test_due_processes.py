"""Several processes on one database: what is due is done once, by whichever, and nothing is left: Articles 8(2) and 11(3)."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contact_point import disposal
from contact_point.due import EXPIRE, EXPIRE_BELIEVED
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import State

from . import databases
from .test_due import Desk, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pcsc.exchange import Exchange

    from .databases import Server

database, postgresql = databases.database, databases.postgresql

ROOT = Path(__file__).parent.parent.parent
LATER = 801  # days: the term of what was answered then has ended
HELD, OVER, MEANWHILE = ([f"JP-{kind}-{number}" for number in range(12)] for kind in ("held", "over", "meanwhile"))


@pytest.fixture
def desk(tmp_path: Path, database: Callable[[], str]) -> Iterator[Desk]:
    """Return a contact point with prints that are to go, records whose term has ended, and the time when that is so."""
    desk = Desk(tmp_path / "JP", database())
    for number in OVER:
        desk.open(exchange(number), Content.CIRCUMSTANCES)
    desk.now += timedelta(days=LATER)
    for number in HELD:
        desk.open(to_go(desk, number), Content.CANDIDATE, Content.PROBE)
    yield desk
    desk.store.close()


def to_go(desk: Desk, number: str) -> Exchange:
    return exchange(
        number,
        State.NO_REQUEST,
        reference=f"R-{number}",
        opened_at=desk.now,
        answered_at=desk.now,
        last_event_at=desk.now,
    )


def started(desk: Desk) -> list[subprocess.Popen[str]]:
    """Start two processes that work there, and return once each of them has done something."""
    command = [sys.executable, "-m", "tests.contact_point.working", desk.here.settings.folder.root, str(LATER)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    assert [said(each) for each in processes] == ["ready", "ready"]
    go(processes)
    assert [said(each) for each in processes] == ["did", "did"]
    return processes


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(processes: list[subprocess.Popen[str]]) -> None:
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()


def dispose(desk: Desk, number: str) -> None:
    """Be the service, which steps an exchange and destroys what it held; whoever is cut off leaves it to the workers."""
    with suppress(RecordError):
        desk.open(to_go(desk, number), Content.CANDIDATE)
        disposal.dispose(desk.here, number, desk.now)


def check(desk: Desk) -> None:
    """Start anew, and check that everything was done once and nothing is left."""
    disposal.recover(desk.here, desk.now)  # keys of transactions that were cut off
    desk.passes(timedelta(hours=12))
    databases.purge_at_once(desk.store)
    desk.work()
    with desk.store.transaction() as tx:
        there = {each.control_number for each in tx.exchanges()}
        assert set(HELD) <= there <= {*HELD, *MEANWHILE}
        deleted = Counter(
            (entry.exchange, entry.note.split()[0]) for entry in tx.entries() if entry.event == "deletion"
        )
        expected = {(number, kind) for number in HELD for kind in ("candidate", "probe")}
        expected |= {(number, "candidate") for number in MEANWHILE if number in there}
        assert deleted == dict.fromkeys(expected, 1)
        assert tx.held() == []
        assert {what for number in there for what in tx.planned(number)} <= {EXPIRE, EXPIRE_BELIEVED}
        assert tx.planned("") == {}
    prints, gallery, records = (slots.live() for slots in desk.slots)
    assert (prints, gallery, len(records)) == (frozenset(), frozenset(), len(there))


def test_two_workers_in_two_processes_beside_the_service_do_each_thing_once(desk: Desk) -> None:
    processes = started(desk)
    go(processes)
    for number in MEANWHILE:
        dispose(desk, number)
    for each in processes:
        each.communicate(timeout=300)
    assert [each.returncode for each in processes] == [0, 0]
    check(desk)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_whoever_is_cut_off_amid_an_act_leaves_it_to_the_next(desk: Desk, postgresql: Server) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'pcsc' "
        "AND datname = current_database()"
    )
    processes = started(desk)
    go(processes)
    ended = 0
    for number in MEANWHILE:
        for _ in range(3):
            ((some,),) = postgresql.run(cut, database=databases.name_of(desk.here.settings.server))
            ended += int(str(some))
        dispose(desk, number)
    assert ended > 0
    for each in processes:
        each.communicate(timeout=300)
    assert [each.returncode for each in processes] == [0, 0]
    check(desk)
