"""The guarded clock: what puts the time in doubt, and what ends the doubt (Article 11(3))."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contact_point import timekeeping
from contact_point.keys import KeySlots
from contact_point.store import Clock, Store
from contact_point.timekeeping import JUMP, Alarm, Cause, Guard, disciplined, read_timex
from pcsc.errors import RecordError

from . import databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

database, postgresql = databases.database_or_long, databases.postgresql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path, database: Callable[[], str]) -> Iterator[Store]:
    slots = [KeySlots.create(tmp_path / f"{name}.slots") for name in ("exchange", "gallery", "record")]
    store = Store(database() or tmp_path / "store.sqlite", *slots)
    yield store
    store.close()


class Process:
    """One process with its guard: time passes for it, and its clock is set."""

    def __init__(self, store: Store, *, kernel: bool | None = False, at: datetime = NOW) -> None:
        self.store, self.kernel = store, kernel
        self.guard = Guard(lambda: self.kernel)
        self.now, self.monotonic = at, 1_000.0

    def passes(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time
        self.monotonic += time.total_seconds()

    def look(self) -> Cause | None:
        """Look at the clock; return the cause of an alarm."""
        with self.store.transaction() as tx:
            alarm = self.guard.look(tx, self.now, self.monotonic)
        return None if alarm is None else alarm.cause

    def hear(self, theirs: datetime) -> Cause | None:
        """Hear a time of the other contact point."""
        with self.store.transaction() as tx:
            alarm = self.guard.heard(tx, theirs, self.now)
        return None if alarm is None else alarm.cause

    def day(self) -> str:
        """Return the day on which queries count."""
        with self.store.transaction() as tx:
            return self.guard.day(tx, self.now)

    def doubts(self) -> bool:
        """Whether the time is in doubt."""
        with self.store.transaction() as tx:
            return self.guard.doubts(tx, self.now)

    def latest(self) -> datetime:
        """Return the latest time of the sources."""
        with self.store.transaction() as tx:
            return self.guard.latest(tx, self.now, self.monotonic)


def kept(store: Store) -> Clock:
    """Return the clock as it is kept."""
    with store.transaction() as tx:
        clock = tx.clock()
    assert clock is not None
    return clock


def test_a_clock_that_moves_as_the_monotonic_one_is_believed_and_its_time_kept(store: Store) -> None:
    process = Process(store)
    assert process.look() is None
    for _ in range(3):
        process.passes(timedelta(days=30))
        assert process.look() is None
    assert kept(store) == Clock(process.now, alarmed=False, reason="")


def test_a_small_step_back_is_no_alarm_and_does_not_lower_the_high_water_mark(store: Store) -> None:
    process = Process(store)
    process.look()
    process.now -= JUMP - MINUTE
    assert process.look() is None
    assert kept(store).seen == NOW


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (timedelta(days=730), "set ahead by 63072000 seconds"),
        (-timedelta(hours=1), "set back by 3600 seconds"),
        (JUMP + MINUTE, "set ahead by 360 seconds"),
    ],
)
def test_a_jump_while_the_service_runs_is_an_alarm_until_the_clock_is_right_again(
    store: Store, by: timedelta, said: str
) -> None:
    process = Process(store, kernel=True)
    process.look()
    process.passes(MINUTE)
    process.now += by
    assert process.look() is Cause.JUMP
    assert said in kept(store).reason
    assert kept(store).seen == NOW
    process.passes(timedelta(days=1))
    assert process.look() is Cause.JUMP, (
        "the kernel alone does not end it: what set the clock would say that it is right"
    )
    process.now -= by
    assert process.look() is None
    assert not kept(store).alarmed


def test_a_jump_in_many_small_steps_is_an_alarm_too(store: Store) -> None:
    process = Process(store)
    process.look()
    found = []
    for _ in range(3):
        process.passes(MINUTE)
        process.now += 3 * MINUTE
        found.append(process.look())
    assert found == [None, Cause.JUMP, Cause.JUMP]


def test_an_alarm_lasts_over_a_restart_until_the_other_contact_point_agrees(store: Store) -> None:
    process = Process(store)
    process.look()
    process.now += timedelta(days=800)
    assert process.look() is Cause.JUMP
    again = Process(store, kernel=True, at=process.now)
    assert again.look() is Cause.JUMP
    assert again.hear(NOW) is None, "it is on already"
    assert again.look() is Cause.JUMP
    again.now = NOW + MINUTE
    assert again.hear(NOW) is None
    assert again.look() is None
    assert kept(store).reason == f"the other contact point agreed at {again.now.isoformat()}"


def test_another_process_takes_the_word_that_ended_an_alarm(store: Store) -> None:
    one, other = Process(store), Process(store)
    assert (one.look(), other.look()) == (None, None)
    for process in (one, other):
        process.now += timedelta(hours=1)  # the machine slept, and its monotonic clock with it
        assert process.look() is Cause.JUMP
    one.hear(one.now)
    assert (one.look(), other.look()) == (None, None)


def test_time_in_which_nothing_ran_is_believed_where_the_kernel_is_disciplined(store: Store) -> None:
    Process(store).look()
    assert Process(store, kernel=True, at=NOW + timedelta(days=3)).look() is None


@pytest.mark.parametrize("kernel", [False, None])
def test_time_in_which_nothing_ran_waits_for_a_second_source(store: Store, *, kernel: bool | None) -> None:
    Process(store).look()
    process = Process(store, kernel=kernel, at=NOW + timedelta(days=3))
    assert process.look() is Cause.GAP
    assert "nothing ran here from 2026-11-22 12:00:00 to 2026-11-25 12:00:00 by this clock" in kept(store).reason
    assert process.look() is Cause.GAP
    process.kernel = True
    assert process.look() is None


def test_a_restart_within_minutes_needs_nobody(store: Store) -> None:
    Process(store).look()
    assert Process(store, at=NOW + 4 * MINUTE).look() is None


def test_a_clock_before_what_was_believed_is_an_alarm_until_it_is_there_again(store: Store) -> None:
    Process(store).look()
    process = Process(store, kernel=True, at=NOW - timedelta(days=400))
    assert process.look() is Cause.BACK
    assert "it was 2026-11-22 12:00:00 here before and is 2025-10-18 12:00:00 now" in kept(store).reason
    process.now = NOW
    assert process.look() is None


def test_a_high_water_mark_that_was_wrong_gives_way_to_the_other_contact_point(store: Store) -> None:
    with store.transaction() as tx:
        tx.keep_clock(Clock(NOW + timedelta(days=900)))
    process = Process(store)
    assert process.look() is Cause.BACK
    process.hear(NOW + MINUTE)
    assert process.look() is None
    assert kept(store).seen == NOW


def test_the_other_contact_point_with_another_time_is_an_alarm_where_no_reference_disciplines_ours(
    store: Store,
) -> None:
    process = Process(store)
    process.look()
    assert process.hear(NOW + timedelta(hours=2)) is Cause.OTHER
    assert "signed 2026-11-22 14:00:00 when it was 2026-11-22 12:00:00 here" in kept(store).reason
    assert process.look() is Cause.OTHER
    process.kernel = True
    assert process.look() is None
    assert process.hear(NOW + timedelta(hours=2)) is None, "with a reference, it is their clock"


def test_a_person_can_confirm_the_time(store: Store) -> None:
    process = Process(store)
    process.look()
    process.now += timedelta(days=1)
    assert process.look() is Cause.JUMP
    with store.transaction() as tx:
        word = process.guard.confirm(tx, "duty officer", "speaking clock", process.now)
    assert process.look() is None
    assert (
        kept(store).reason == word == "duty officer confirmed the time at 2026-11-23T12:00:00+00:00 by speaking clock"
    )


def test_a_person_who_confirms_the_time_in_another_process_is_heard_and_told_of(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    service, command = Process(store), Process(store)
    service.look()
    service.now += timedelta(days=1)
    assert service.look() is Cause.JUMP
    with store.transaction() as tx:
        command.guard.confirm(tx, "duty officer", "speaking clock", service.now)
    caplog.clear()
    assert service.look() is None
    assert [each.getMessage().partition(" at ")[0] for each in caplog.records] == [
        "the clock is believed again, as another process was told: duty officer confirmed the time"
    ]
    service.passes(MINUTE)
    assert service.look() is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("by", "source"), [(" ", "speaking clock"), ("duty officer", "")])
def test_11_3_a_confirmation_names_who_and_by_which_other_clock(store: Store, by: str, source: str) -> None:
    process = Process(store)
    process.look()
    before = kept(store)
    with (
        store.transaction() as tx,
        pytest.raises(
            RecordError, match=r"it is kept who did and by which other clock; one of them was not named: name both"
        ),
    ):
        process.guard.confirm(tx, by, source, process.now)
    assert kept(store) == before


def test_the_latest_time_follows_whichever_clock_is_ahead(store: Store) -> None:
    process = Process(store)
    process.look()
    process.now += timedelta(days=9)
    assert process.latest() == NOW + timedelta(days=9)
    process.now -= timedelta(days=400)
    process.passes(timedelta(days=2))
    assert process.latest() == NOW + timedelta(days=2), "the monotonic clock goes on"
    again = Process(store, at=NOW - timedelta(days=400))
    assert again.latest() == NOW, "the mark is what a new process knows"
    again.look()
    again.passes(timedelta(hours=5))
    assert again.latest() == NOW + timedelta(hours=5)


@pytest.mark.parametrize("cause", Cause)
def test_an_alarm_is_stored_and_read_again(cause: Cause) -> None:
    alarm = Alarm(cause, "what differed: and more")
    assert Alarm.of(str(alarm)) == alarm


def test_an_alarm_of_no_known_cause_is_the_hardest_to_end() -> None:
    assert Alarm.of("the sun stood still") == Alarm(Cause.JUMP, "the sun stood still")


@pytest.mark.parametrize(
    ("state", "status", "maxerror", "is_disciplined"),
    [
        (0, 0x2001, 200_000, True),
        (1, 0x0001, 16_000, True),  # a leap second is announced
        (5, 0x0040, 16_000_000, False),
        (0, 0x0040, 0, False),
        (5, 0x0001, 0, False),
        (0, 0x0001, 301_000_000, False),
    ],
)
def test_the_kernel_says_whether_a_reference_disciplines_its_clock(
    state: int, status: int, maxerror: int, *, is_disciplined: bool
) -> None:
    assert read_timex(state, status, maxerror) is is_disciplined


def test_the_kernel_of_this_machine_answers_or_does_not_say() -> None:
    assert disciplined() in {True, False, None}
    # sizeof(struct timex) on 64-bit Linux, as <sys/timex.h> has it: less would let the kernel write beyond it
    assert ctypes.sizeof(timekeeping._Timex) == (208 if ctypes.sizeof(ctypes.c_long) == 8 else 128)


def test_4_7_queries_count_on_the_last_day_that_was_believed_while_the_time_is_in_doubt(store: Store) -> None:
    process = Process(store)
    assert (process.day(), process.doubts()) == ("2026-11-22", False), "nothing is known yet"
    process.look()
    process.passes(MINUTE)
    assert (process.day(), process.doubts()) == ("2026-11-22", False)
    process.now += timedelta(days=400)
    assert (process.day(), process.doubts()) == ("2026-11-22", True), "nobody has looked yet"
    process.look()
    assert (process.day(), process.doubts()) == ("2026-11-22", True)
    process.hear(process.now)
    assert (process.day(), process.doubts()) == ("2027-12-27", False)


@pytest.mark.parametrize(("kernel", "day"), [(True, "2026-11-25"), (False, "2026-11-22")])
def test_4_7_a_command_counts_by_its_clock_where_a_reference_disciplines_it(
    store: Store, *, kernel: bool, day: str
) -> None:
    Process(store).look()
    assert Process(store, kernel=kernel, at=NOW + timedelta(days=3)).day() == day


def test_8_1_what_passed_in_doubt_has_passed_for_the_next_process_too(store: Store) -> None:
    process = Process(store)
    process.look()
    process.now -= timedelta(days=400)
    for _ in range(9):
        process.passes(timedelta(days=1))
        assert process.look() is Cause.JUMP
    assert (kept(store).seen, kept(store).passed) == (NOW, NOW + timedelta(days=9))
    again = Process(store, at=process.now)
    again.look()
    assert again.latest() == NOW + timedelta(days=9)
    again.passes(timedelta(days=2))
    assert again.latest() == NOW + timedelta(days=11)
