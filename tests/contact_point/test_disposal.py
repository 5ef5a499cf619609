"""Destroying in its order, wherever a process dies in it: Articles 8(1), 8(2) and 11(3)."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contact_point import disposal, due, main, service
from contact_point.disposal import UnerasedError, erase_file
from contact_point.keys import DestructionError, KeyDestroyedError, TokenError
from contact_point.store import Store, Transaction
from contact_point.store.tables import EXCHANGE
from pcsc import retention
from pcsc.duties import Content
from pcsc.exchange import Side, State

from . import databases
from .test_due import DAY, MINUTE, NOW, Desk, Died, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from contact_point.keys.wrapping import Wrapper
    from contact_point.service import Installation
    from contact_point.store import Held

database, postgresql = databases.database, databases.postgresql


class Watched(Store):
    """A store that tells what is done to it, in order, and lets the process die at a step, or a step not succeed."""

    def __init__(self, store: Store) -> None:
        self.__dict__ |= vars(store)
        self.told: list[str] = []
        self.dies_at: int | None = None
        self.busy = 0

    def _tell(self, what: str) -> None:
        if len(self.told) == self.dies_at:
            raise Died
        self.told.append(what)

    @contextmanager
    def transaction(self, *, waiting: bool = True) -> Iterator[Transaction]:
        with super().transaction(waiting=waiting) as tx:
            held, entries = len(tx.held()), tx.next_entry()
            yield tx
            if len(tx.held()) < held:
                self._tell("rows deleted")
            if tx.next_entry() > entries:
                self._tell("recorded")
        self._tell("committed")

    def destroy(self, held: Sequence[Held]) -> None:
        if held:
            self._tell("keys destroyed")
        super().destroy(held)

    def destroy_exchange(self, slot: int) -> None:
        self._tell("key of the record destroyed")
        super().destroy_exchange(slot)

    def checkpoint(self, *, records: bool = False) -> bool:
        self._tell("log emptied" if not self.busy else "log busy")
        if self.busy:
            self.busy -= 1
            return False
        return super().checkpoint(records=records)


class WatchedDesk(Desk):
    """A contact point whose store is watched."""

    def __init__(self, folder: Path, database: str) -> None:
        super().__init__(folder, database)
        self.watch()

    def watch(self) -> None:
        """Begin to watch."""
        self.watched = Watched(self.store)
        self.here = replace(self.here, store=self.watched)

    def entered(self, number: str = "JP-1") -> list[str]:
        """Return the first two words of every entry of an exchange, or nothing where it is gone."""
        with self.store.transaction() as tx:
            return [f"{entry.event}: {entry.note.split()[0]}" for entry in tx.entries(number)]

    def held(self) -> list[Content]:
        """Return what is held."""
        with self.store.transaction() as tx:
            return [each.kind for each in tx.held()]


@pytest.fixture
def desk(tmp_path: Path, database: Callable[[], str]) -> Iterator[WatchedDesk]:
    desk = WatchedDesk(tmp_path / "JP", database())
    yield desk
    desk.store.close()


# The order


def test_8_2_first_the_key_then_the_row_then_the_log_and_last_the_record(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    disposal.dispose(desk.here, "JP-1", NOW)
    told = [each for each in desk.watched.told if each != "committed"]
    assert told == ["keys destroyed", "rows deleted", "log emptied", "recorded"]
    assert desk.entered() == ["deletion: candidate"]
    assert set(desk.planned()) == {due.EXPIRE}


@pytest.mark.parametrize("step", range(8))
def test_8_2_wherever_the_process_dies_the_next_one_destroys_and_records_it_once(desk: WatchedDesk, step: int) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE, Content.PROBE)
    desk.watched.dies_at = step
    try:
        disposal.dispose(desk.here, "JP-1", NOW)
    except Died:
        assert step < 7
    else:
        assert step == 7
    desk.watch()
    disposal.recover(desk.here, NOW)
    desk.work(disposal.worker(desk.here, desk.worker._guard, name="next"))
    assert sorted(desk.entered()) == ["deletion: candidate", "deletion: probe"]
    assert desk.slots[0].live() == frozenset()
    assert set(desk.planned()) == {due.EXPIRE}


def test_8_2_the_record_tells_when_the_key_was_destroyed_also_where_the_log_was_busy(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    desk.now = NOW + timedelta(seconds=3)
    desk.watched.busy = 1_000
    disposal.dispose(desk.here, "JP-1", NOW)
    assert (desk.held(), desk.entered()) == ([], []), "no word of it before the log is empty"
    assert desk.planned()[due.DELETION + Content.CANDIDATE] == desk.now
    desk.watched.busy = 0
    desk.passes(timedelta(minutes=1))
    desk.work()
    with desk.store.transaction() as tx:
        (entry,) = tx.entries()
        assert "destroyed" in tx.trace(entry)
    assert entry.at == NOW + timedelta(seconds=3)


def test_a_log_that_is_busy_for_a_moment_is_tried_again(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    desk.watched.busy = 3
    disposal.dispose(desk.here, "JP-1", NOW)
    assert desk.watched.told.count("log busy") == 3
    assert desk.entered() == ["deletion: candidate"]


def test_8_1_nothing_is_forgotten_or_recorded_of_a_key_that_could_not_be_destroyed(
    desk: WatchedDesk, caplog: pytest.LogCaptureFixture
) -> None:
    class Resisting(Watched):
        def destroy(self, held: Sequence[Held]) -> None:
            if held:
                raise DestructionError("other bytes were read back")

    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    here = replace(desk.here, store=Resisting(desk.store))
    with pytest.raises(DestructionError):
        disposal.dispose(here, "JP-1", NOW)
    disposal.sweep(here, NOW)
    assert "what exchange JP-1 no longer permits is still there" in caplog.text
    assert (desk.held(), desk.entered()) == ([Content.CANDIDATE], [])
    disposal.sweep(desk.here, NOW)
    assert (desk.held(), desk.entered()) == ([], ["deletion: candidate"])


def test_an_exchange_that_permits_the_kind_again_is_recorded_without_how_it_was_decided(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    desk.watched.busy = 1_000
    disposal.dispose(desk.here, "JP-1", NOW)
    desk.step(exchange(state=State.MATCH, reference="R"), State.NO_REQUEST)
    desk.work()
    with desk.store.transaction() as tx:
        (entry,) = tx.entries()
    assert (entry.event, entry.article, entry.trace) == ("deletion", "8(2)", "")


# While the token that keeps the keys of the exchanges is away


class Away:
    """A place for wrapping keys that cannot be reached."""

    kind = "file"

    def opened(self, _name: bytes) -> Wrapper | None:
        raise TokenError("the token is away")


@contextmanager
def away(desk: Desk) -> Iterator[None]:
    """Let no exchange be readable while the block runs, nor any content."""
    before = [each._wrapping for each in desk.slots]
    for each in desk.slots:
        each._wrapping = Away()  # type: ignore[assignment]
    yield
    for each, wrapping in zip(desk.slots, before, strict=True):
        each._wrapping = wrapping


def test_8_2_what_a_step_condemned_goes_without_a_word_of_the_exchange(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE, Content.CIRCUMSTANCES)
    with away(desk):
        disposal.dispose(desk.here, "JP-1", NOW)
        assert desk.held() == [Content.CIRCUMSTANCES]
        assert len(desk.slots[0].live()) == 1
        assert desk.work() == 0
    assert due.DELETION + Content.CANDIDATE in desk.planned()
    assert desk.entered() == []
    desk.passes(DAY)
    desk.work()
    assert desk.entered() == ["deletion: candidate"]


@pytest.mark.parametrize("find", [disposal.sweep, disposal.recover])
def test_8_2_what_is_condemned_is_found_also_while_no_exchange_can_be_read(
    desk: WatchedDesk, find: Callable[[Installation, datetime], None]
) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    desk.open(exchange("JP-2", State.MATCH, reference="R"), Content.PROBE)
    with away(desk):
        find(desk.here, NOW)
        assert desk.held() == [Content.PROBE]


def test_8_1_a_hold_ends_at_its_stop_also_while_no_exchange_can_be_read(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.MATCH, side=Side.QUERIED, reference="R"), Content.PROBE, Content.CORRESPONDENCE)
    days = timedelta(days=desk.arrangement.follow_up_days)
    with away(desk):
        desk.passes(days - MINUTE)
        desk.work()
        assert Content.PROBE in desk.held()
        desk.passes(MINUTE)
        desk.work()
        assert desk.held() == [Content.CORRESPONDENCE]
        assert len(desk.slots[0].live()) == 1
    desk.passes(DAY)
    desk.work()
    assert sorted(desk.entered()) == ["deletion: probe", "lapse: nothing"]


def test_8_1_what_is_to_go_goes_also_where_the_service_cannot_start(
    desk: WatchedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)

    def unreadable(*_: object, **__: object) -> None:
        raise TokenError("no print of the gallery can be read")

    monkeypatch.setattr(main, "Holdings", unreadable)
    monkeypatch.setattr(main, "clock", lambda: NOW)
    monkeypatch.setattr(main, "check_erasure", lambda *_, **__: [])
    with pytest.raises(TokenError, match="no print of the gallery"):
        main.serve(desk.here.settings.folder.root)
    assert (desk.held(), desk.entered()) == ([], ["deletion: candidate"])


def test_8_2_what_is_due_is_done_within_the_minute_and_at_once_when_the_service_is_told_to(
    desk: WatchedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "clock", lambda: NOW)
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    with main._ticking(desk.here, desk.worker):
        until_deleted(desk, "JP-1")
        desk.open(exchange("JP-2", State.NO_REQUEST), Content.CANDIDATE)
        os.kill(os.getpid(), signal.SIGHUP)
        until_deleted(desk, "JP-2")


def until_deleted(desk: WatchedDesk, number: str) -> None:
    """Wait less than the minute in which a service looks again by itself."""
    end = time.monotonic() + main.TICK / 2
    while desk.entered(number) != ["deletion: candidate"]:
        assert time.monotonic() < end
        time.sleep(0.01)


# Recovery


def test_at_the_start_every_key_of_an_answered_or_unknown_exchange_is_destroyed_first(desk: WatchedDesk) -> None:
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE, Content.PROBE)
    desk.open(exchange("JP-2", State.MATCH, reference="R"), Content.CANDIDATE)
    with desk.store.transaction() as tx:
        tx.hold("JP-9", Content.PROBE, b"of an exchange that nobody knows")
    desk.slots[0].put([bytes(32)])
    disposal.recover(desk.here, NOW)
    assert desk.watched.told.index("keys destroyed") < desk.watched.told.index("rows deleted")
    assert desk.held() == [Content.CANDIDATE]
    assert len(desk.slots[0].live()) == 1
    assert sorted(desk.entered()) == ["deletion: candidate", "deletion: probe"]


# Pictures


def picture(desk: Desk, path: Path) -> None:
    """Write a picture of the prints of an exchange, which no longer permits it."""
    path.write_bytes(b"the prints side by side")
    desk.open(exchange(state=State.NO_REQUEST))
    with desk.store.transaction() as tx:
        tx.hold("JP-1", Content.PICTURE, str(path).encode())


def test_8_2_a_picture_that_resists_is_tried_again_and_everything_else_goes(
    desk: WatchedDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prints.png"
    picture(desk, path)
    with desk.store.transaction() as tx:
        tx.hold("JP-1", Content.CANDIDATE, b"a print")
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    disposal.dispose(desk.here, "JP-1", NOW)
    assert (desk.held(), desk.entered()) == ([Content.PICTURE], ["deletion: candidate"])
    assert "a picture of exchange JP-1 could not be erased; it is tried again" in caplog.text
    desk.work()
    assert desk.planned()[due.DISPOSE] == NOW + timedelta(minutes=1)
    path.unlink()
    desk.passes(timedelta(minutes=1))
    desk.work()
    assert (desk.held(), desk.entered()) == ([], ["deletion: candidate", "deletion: picture"])


def test_11_3_a_record_does_not_go_before_a_picture_of_its_prints(desk: WatchedDesk, tmp_path: Path) -> None:
    path = tmp_path / "prints.png"
    picture(desk, path)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnerasedError, match="a file of exchange JP-1, a picture or a printout, is still there"):
        disposal.expire(desk.here, NOW + 800 * DAY)
    assert desk.there()
    path.unlink()
    assert disposal.expire(desk.here, NOW + 800 * DAY) == ["JP-1"]


# Records


@pytest.mark.parametrize("step", range(10))
def test_11_3_wherever_the_process_dies_the_next_one_ends_the_record_and_destroys_its_key(
    desk: WatchedDesk, step: int
) -> None:
    desk.open(exchange(), Content.CIRCUMSTANCES)
    (slot,) = desk.slots[2].live()
    desk.watched.dies_at = step
    later = NOW + 800 * DAY
    try:
        disposal.expire(desk.here, later)
    except Died:
        assert step < 9
    else:
        assert step == 9
    desk.passes(later - NOW)
    desk.work()
    assert not desk.there()
    with pytest.raises(KeyDestroyedError):
        desk.slots[2].get(slot)
    assert desk.slots[0].live() == frozenset()
    assert desk.planned("") == {}


def test_11_3_the_record_goes_no_earlier_than_the_term_after_its_last_entry(desk: WatchedDesk) -> None:
    desk.open(exchange())
    late = NOW + 100 * DAY
    with desk.store.transaction() as tx:
        service.record_act(tx, exchange(), "not accepted", article="4(3)", note="came late", now=late)
    assert disposal.expire(desk.here, NOW + 820 * DAY) == []
    assert disposal.expire(desk.here, late + 731 * DAY) == ["JP-1"]


def test_11_3_an_order_to_keep_and_its_end_are_events_of_the_exchange(desk: WatchedDesk) -> None:
    desk.open(exchange())
    kept = disposal.keep_beyond_term(desk.here, "JP-1", " Act 1, Art. 2 ", by="compliance", now=NOW + 700 * DAY)
    assert kept.kept_under == "Act 1, Art. 2"
    assert desk.planned() == {}
    disposal.keep_beyond_term(desk.here, "JP-1", "", by="compliance", now=NOW + 900 * DAY)
    assert desk.entered() == ["legal hold: kept", "legal hold: no"]
    assert disposal.expire(desk.here, NOW + 1_629 * DAY) == []
    assert disposal.expire(desk.here, NOW + 1_631 * DAY) == ["JP-1"]


def test_11_3_what_another_process_erases_while_the_log_is_emptied_waits_for_the_next_time(desk: WatchedDesk) -> None:
    class Beside(Watched):
        def checkpoint(self, *, records: bool = False) -> bool:
            emptied = super().checkpoint(records=records)
            with desk.store.transaction() as tx:
                disposal._erase(desk.here, tx, "JP-2", later + timedelta(microseconds=1))
            return emptied

    later = NOW + 800 * DAY
    desk.open(exchange())
    desk.open(exchange("JP-2"))
    with desk.store.transaction() as tx:
        disposal._erase(desk.here, tx, "JP-1", later)
    assert disposal._checkpoint(replace(desk.here, store=Beside(desk.store)))
    assert due.CHECKPOINT in desk.planned("")
    databases.purge_at_once(desk.store)
    assert disposal._checkpoint(desk.here)
    assert due.CHECKPOINT not in desk.planned("")


def test_11_3_no_record_is_deleted_while_the_time_is_in_doubt(desk: WatchedDesk) -> None:
    desk.open(exchange())
    desk.open(exchange("JP-2", State.MATCH, reference="R"), Content.CANDIDATE)
    assert disposal.discharge(desk.here, NOW + 800 * DAY, records=False) == ["JP-2"]
    assert (desk.there(), desk.held()) == (True, [])
    disposal.discharge(desk.here, NOW + 800 * DAY)
    assert not desk.there()


# Copies


def copied(desk: Desk, path: Path, content: bytes = b"the record, place after place\n" * 99) -> Path:
    """Write a copy of the record and let it be kept in mind."""
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with desk.store.transaction() as tx:
        disposal.enter_copy(tx, path, tx.exchanges(), desk.arrangement, sha256=digest, now=desk.now)
    return path


def test_11_3_a_copy_ends_with_the_first_record_in_it(desk: WatchedDesk, tmp_path: Path) -> None:
    desk.open(exchange(last_event_at=NOW - 100 * DAY))
    desk.open(exchange("JP-2"))
    path = copied(desk, tmp_path / "copy.jsonl")
    other = tmp_path / "other.jsonl"
    assert desk.planned("")[due.COPIES] == desk.planned()[due.EXPIRE] - due.LEEWAY
    desk.passes(630 * DAY)
    copied(desk, other)
    desk.work()
    assert path.exists()
    desk.passes(2 * DAY)
    desk.work()
    assert (path.exists(), other.exists()) == (False, False)
    with desk.store.transaction() as tx:
        assert all(copy.destroyed_at == desk.now for copy in tx.copies())
    assert due.COPIES not in desk.planned("")


def test_11_3_a_copy_of_what_is_open_ends_no_later_than_what_is_open_could(desk: WatchedDesk, tmp_path: Path) -> None:
    desk.open(exchange(kept_under="Act 1"))
    copied(desk, tmp_path / "copy.jsonl")
    assert desk.planned("") == {due.COPIES: retention.term(NOW, desk.arrangement.record_months)}


def test_11_3_what_lies_in_place_of_a_copy_is_left_alone_and_told(
    desk: WatchedDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, gone = copied(desk, tmp_path / "ours"), copied(desk, tmp_path / "gone")
    changed = copied(desk, tmp_path / "changed")
    changed.write_bytes(b"something else")
    gone.unlink()
    later = NOW + 731 * DAY
    with pytest.raises(UnerasedError, match="1 of 3 copies of the record whose term has ended are still there"):
        disposal.end_copies(desk.here, later)
    assert "changed is not the copy of the record that was written there: delete the copy" in caplog.text
    assert (ours.exists(), changed.read_bytes()) == (False, b"something else")
    changed.unlink()
    assert disposal.end_copies(desk.here, later) == []
    # What is not where it was written was carried away, and ends when somebody says so.
    with desk.here.store.transaction() as tx:
        assert [Path(each.path) for each in tx.copies() if each.destroyed_at is None] == [gone, changed]


def test_a_file_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"what was there" * 100_000)
    link.hardlink_to(path)
    erase_file(path)
    assert not path.exists()
    assert link.read_bytes() == bytes(14 * 100_000)


def test_a_copy_half_overwritten_by_a_process_that_died_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    content = b"the record" * 1_000
    path.write_bytes(bytes(4_096) + content[4_096:])
    assert disposal.overwrite(path, sha256=hashlib.sha256(content).hexdigest())
    assert path.read_bytes() == bytes(len(content))
    path.unlink()
    assert not disposal.overwrite(path)


def test_8_1_an_exchange_that_is_damaged_keeps_no_other_from_its_deletion(
    desk: WatchedDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.open(exchange(number="JP-0", state=State.NO_REQUEST), Content.CIRCUMSTANCES)
    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    with desk.store.transaction() as tx:
        damaged = EXCHANGE.update().where(EXCHANGE.c.control_number == "JP-0")
        tx._connection.execute(damaged, {"sealed": bytes(60)})
    desk.work(disposal.worker(desk.here, desk.worker._guard, name="next"))
    assert desk.entered() == ["deletion: candidate"]
    disposal.recover(desk.here, NOW)
    assert desk.held() == [Content.CIRCUMSTANCES]
    assert "exchange JP-0 is damaged and nothing can be decided about it: SealError" in caplog.text
