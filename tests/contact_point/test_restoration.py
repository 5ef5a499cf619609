"""Another contact point that is restored from a backup: what is had back, and what never is (Articles 8, 11)."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from annex.parameters import Party
from contact_point import disposal, due, main, querying, restoration, service, settings, wire, witness
from contact_point.demonstration import designate
from contact_point.keys import KeySlots
from contact_point.settings import SettingsError
from contact_point.store import Applied, ContentGoneError
from pcsc import duties, records
from pcsc.duties import Content
from pcsc.errors import NoAnswerError, QuotaError
from pcsc.exchange import Side, State
from pcsc.messages import Conclusion, Search

from . import databases
from .parties import exchange
from .restorations import ANEW, OTHERWISE, content, held, lines, made, play, wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .parties import Finger, Parties

database, postgresql = databases.database, databases.postgresql


@pytest.fixture
def played(parties: Parties, fingers: tuple[Finger, ...]) -> tuple[str, str]:
    """Return an exchange of JP that matches, and is open, and one of US that is requested."""
    return play(parties, fingers)


def test_a_backup_holds_no_byte_of_a_print_and_no_key_and_what_lasts_comes_back(
    parties: Parties, played: tuple[str, str], database: Callable[[], str], tmp_path: Path
) -> None:
    here, file, root = parties.jp, tmp_path / "backup", tmp_path / "again"
    marks = [held(here, number).get(kind) for number in played for kind in (Content.PROBE, Content.CANDIDATE)]
    written = made(here, file)
    said = lines(file, here)
    kinds = {line[2] for line in said if line[0] == "content"}
    assert kinds <= {kind.value for side in Side for kind in duties.lasting(side)}
    assert {Content.CIRCUMSTANCES, Content.NOTIFICATION} <= kinds
    whole = content(file, here)
    prints = [mark for mark in marks if mark]
    assert len(prints) == 3  # both of our query that matched, and the one that we were asked with
    assert not [each for each in prints if each[60:120] in whole or base64.b64encode(each)[:80] in whole]
    folder = here.settings.folder
    keys = [key for slots in map(KeySlots.open, folder.slots) for key in map(slots.get, slots.live())]
    keys += [
        path.read_bytes() for path in (folder.signing_key, folder.certificate_key, *folder.authority.glob("*key*"))
    ]
    assert len(keys) > 10
    assert not [key for key in keys if key in whole or base64.b64encode(key)[:40] in whole]
    assert not [line for line in said if line[0] == "person"]

    restored = restoration.restore(wanted(here, file, root, database()), main.clock())

    assert (restored.exchanges, restored.entries, restored.persons) == (2, written.entries, 0)
    with main.opened(root) as again:
        for number in played:
            before, after = held(here, number), held(again, number)
            lasting = duties.lasting(exchange(here, number).side)
            assert {kind: each for kind, each in before.items() if kind in lasting} == {
                kind: each for kind, each in after.items() if kind is not Content.SNAPSHOT
            }
        with here.store.reading() as tx, again.store.reading() as other:
            ours, theirs = list(tx.record()), list(other.record())
            assert theirs[: len(ours)] == ours
            assert all(tx.trace(entry) == other.trace(entry) for entry in tx.entries())
            records.verify(theirs)


def test_8_what_is_deleted_after_a_backup_opens_nowhere_in_what_is_restored_from_it(
    parties: Parties, played: tuple[str, str], database: Callable[[], str], tmp_path: Path
) -> None:
    here, file, root = parties.jp, tmp_path / "backup", tmp_path / "again"
    made(here, file)
    candidate = held(here, played[0])[Content.CANDIDATE]
    with parties.answering(Party.US):
        querying.examine(here, played[0], Conclusion.IDENTIFICATION, "examiner", main.clock())
        querying.determine(here, played[0], will_request=False, now=main.clock())
    slots = {
        path.name: path.read_bytes() for each in here.settings.folder.slots for path in (each, each.with_suffix(".kek"))
    }

    restoration.restore(wanted(here, file, root, database()), main.clock())

    with main.opened(root) as again:
        assert held(again, played[0]).keys() <= duties.lasting(Side.QUERYING)
        with again.store.transaction() as tx, pytest.raises(ContentGoneError):
            tx.content(played[0], Content.CANDIDATE)
        stored = databases.tables_of(again.settings)
    assert candidate[100:160] not in stored
    # Against all rules, today's keys and those of before in place of its own: they are of no database but theirs.
    for name, kept in slots.items():
        (root / name).write_bytes(kept)
    with pytest.raises(Exception, match="do not belong together"), main.opened(root):
        pass


def test_what_was_open_ends_with_an_entry_and_what_we_owe_stays_owed(
    parties: Parties, played: tuple[str, str], tmp_path: Path, database: Callable[[], str]
) -> None:
    ours, theirs = played
    made(parties.jp, tmp_path / "backup")
    restored = restoration.restore(
        wanted(parties.jp, tmp_path / "backup", tmp_path / "again", database()), main.clock()
    )
    assert restored.ended == 2
    with main.opened(tmp_path / "again") as again:
        assert exchange(again, ours).state is State.LAPSED
        owing = exchange(again, theirs)
        assert (owing.state, owing.hold_ended) == (State.REQUESTED, True)
        with again.store.transaction() as tx:
            told = [each for each in tx.entries() if each.event == restoration.LOSS]
        assert {(each.exchange, each.article) for each in told} == {(ours, "8(2)"), (theirs, "8(1)")}
        assert all("lost with urn:pcsc:ncp:jp, restored from its backup of" in each.note for each in told)
        assert "candidate" in next(each.note for each in told if each.exchange == ours)
        assert duties.permitted(exchange(again, ours)) <= duties.lasting(Side.QUERYING) | {Content.MESSAGE}


def test_the_restored_contact_point_is_another_one_and_is_witnessed_from_the_beginning(
    parties: Parties, played: tuple[str, str], fingers: tuple[Finger, ...], tmp_path: Path, database: Callable[[], str]
) -> None:
    made(parties.jp, tmp_path / "backup")
    with parties.answering(Party.US):
        parties.matched(fingers[0], case="case-2", circumstances=OTHERWISE)  # lost: the backup does not know it
    root = tmp_path / "again"
    restoration.restore(wanted(parties.jp, tmp_path / "backup", root, database()), main.clock())
    with main.opened(root) as again:
        with pytest.raises(SettingsError, match=r"^Art\. 3\(2\): no own contact point is designated here"):
            main.server(again)
        designate(again.settings, parties.us.settings.folder.card.read_text(encoding="utf-8"), "note of the loss")
    card = (root / "card.json").read_text(encoding="utf-8")
    designate(settings.read(parties.us.settings.folder.root), card, "note of the loss")
    with parties.answering(Party.US), main.opened(root) as again:
        assert again.settings.uri == ANEW
        witness.exchange(again, main.clock())
        with again.store.reading() as tx:
            standing = witness.standing(again, tx)
            assert (standing.behind, standing.forks) == (0, 0)
            checkpoints = [witness.kept(again, tx, uri) for uri in (ANEW, parties.us.settings.uri)]
            records.verify(tx.record(), checkpoints=checkpoints[0])
    assert all(checkpoints)
    with main.opened(parties.us.settings.folder.root) as us, us.store.reading() as tx:
        kept = witness.kept(us, tx, us.settings.uri)
        verified = records.verify(tx.record(), checkpoints=kept)
        assert verified.covered == verified.entries
        assert witness.kept(us, tx, ANEW)


def test_4_7_the_day_of_the_restoration_counts_as_used_and_nobody_is_answered_for_ten_minutes(
    parties: Parties, played: tuple[str, str], tmp_path: Path, database: Callable[[], str]
) -> None:
    made(parties.jp, tmp_path / "backup")
    now = main.clock().replace(hour=12)
    restoration.restore(wanted(parties.jp, tmp_path / "backup", tmp_path / "again", database()), max(now, main.clock()))
    now = max(now, main.clock())
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(1), UTC)
    with main.opened(tmp_path / "again") as again, again.store.transaction() as tx:
        with pytest.raises(QuotaError, match=r"this contact point was restored today, .*count as used"):
            service.made_today(again, tx, Side.QUERIED, Search.TENPRINT, now)
        assert service.made_today(again, tx, Side.QUERIED, Search.TENPRINT, tomorrow) == 0
        with pytest.raises(NoAnswerError, match=r"restored a few minutes ago.*\(Art\. 9\)"):
            service.check_fresh(tx, now + 2 * wire.MAX_AGE - timedelta(minutes=1))
        service.check_fresh(tx, now + 2 * wire.MAX_AGE + timedelta(minutes=1))
    with main.opened(tmp_path / "again") as again:
        worker = disposal.worker(again, again.guard, name="duties")
        worker.work(lambda: now, lambda: 0.0)
        with again.store.transaction() as tx:
            assert {due.QUOTA, due.NONCES} <= tx.planned("").keys()  # planned anew, they stay
        worker.work(lambda: tomorrow, (tomorrow - now).total_seconds)
        with again.store.transaction() as tx:
            assert not {due.QUOTA, due.NONCES} & tx.planned("").keys()


def test_who_was_removed_from_the_gallery_stays_removed(
    parties: Parties, played: tuple[str, str], fingers: tuple[Finger, ...], tmp_path: Path, database: Callable[[], str]
) -> None:
    parties.enrol(Party.JP, "removed later", fingers[2])
    with parties.jp.store.transaction() as tx:
        tx.enter_feed(Applied(1, main.clock(), "A. Officer", "ab" * 32, tx.revision(), "{}"))
    written = made(parties.jp, tmp_path / "backup", gallery=True)
    assert written.persons == 2
    ask = wanted(parties.jp, tmp_path / "backup", tmp_path / "again", database(), enrolled=frozenset({"person", "new"}))
    restored = restoration.restore(ask, main.clock())
    assert (restored.persons, restored.left_out) == (1, 1)
    with main.opened(tmp_path / "again") as again, again.store.reading() as tx, parties.jp.store.reading() as before:
        assert tx.names() == {"person"}
        assert list(tx.subjects()) == [each for each in before.subjects() if each.name == "person"]
        assert list(tx.feeds()) == [replace(each, revision=0) for each in before.feeds()]


# Killed

_EVENTS: Final = {"open", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect", "psycopg.connect"}


def dying_at(number: int, place: str, act: Callable[[], object]) -> bool:
    """Do something in a child that is killed before the event of this number about files there; return whether it was."""
    if (child := os.fork()) == 0:
        met = 0

        def heard(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal met
            if event in _EVENTS and any(place in str(each) for each in arguments):
                met += 1
                if met > number:
                    os.kill(os.getpid(), signal.SIGKILL)

        with contextlib.suppress(BaseException):
            sys.addaudithook(heard)
            act()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 9])
def test_killed_anywhere_a_restoration_leaves_nothing_or_all_and_the_next_one_finishes_it(
    parties: Parties, played: tuple[str, str], tmp_path: Path, database: Callable[[], str], step: int
) -> None:
    made(parties.jp, tmp_path / "backup")
    parties.jp.store.close()  # no connection is shared with a child
    number, killed = 0, True
    while killed:
        root = tmp_path / f"again-{number}"
        ask = wanted(parties.jp, tmp_path / "backup", root, database())
        killed = dying_at(number, root.name, lambda ask=ask: restoration.restore(ask, main.clock()))  # type: ignore[misc]
        if not root.exists():
            assert killed
            restoration.restore(ask, main.clock())
        assert not root.with_name(f"{root.name}.restoring").exists()
        with main.opened(root) as again, again.store.reading() as tx:
            assert tx.control_numbers() == set(played)
            assert [each.event for each in tx.entries()].count(restoration.LOSS) == 2
            records.verify(tx.record())
        number += step
    assert number > 3 * step
