"""What is due when, and the worker that does it: Articles 8(1), 8(2) and 11(3)."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import correspondence, disposal, due, installation, provided, queried, wire
from contact_point.due import AT_ONCE, CHECKPOINT, COPIES, DISPOSE, EXPIRE, EXPIRE_BELIEVED, IN_DOUBT, LAPSE, LEEWAY
from contact_point.installation import Plan
from contact_point.keys import KeySlots
from contact_point.prints import PrintReader
from contact_point.service import Installation
from contact_point.settings import read
from contact_point.store import Clock, Due, Store, Transaction
from contact_point.timekeeping import JUMP, Cause, Guard
from pcsc import assistance, duties
from pcsc.assistance import Capacity
from pcsc.duties import Content
from pcsc.errors import ReleaseError, UseError
from pcsc.exchange import NO_QUERY, Exchange, Side, State
from pcsc.messages import CapacityAnswer, Determination, Recipient, RecipientKind
from pcsc.use import Purpose
from tests.builders import SALT

from . import databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

database, postgresql = databases.database_or_long, databases.postgresql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def exchange(
    number: str = "JP-1", state: State = State.NO_MATCH, side: Side = Side.QUERYING, **more: object
) -> Exchange:
    """Return an exchange that was opened and answered now."""
    made = Exchange(
        control_number=number,
        side=side,
        querying=Party.JP if side is Side.QUERYING else Party.US,
        state=state,
        opened_at=NOW,
        last_event_at=NOW,
        authority=NO_QUERY,
        identified=None,
        basis=None,
        arrangement="model-1",
        rules="2019-01-05",
        answered_at=NOW,
    )
    return replace(made, **more)  # type: ignore[arg-type]


class Desk:
    """A contact point whose time is a value: what a worker does there is seen at once. It is made where it is not there."""

    def __init__(self, folder: Path, database: str = "", *, kernel: bool = True) -> None:
        self.now, self.monotonic, self.kernel = NOW, 0.0, kernel
        plan = Plan(Party.JP, "JP", "127.0.0.1", 8443, database=database)
        settings = read(folder) if folder.exists() else installation.create(folder, plan, NOW)
        self.slots = [KeySlots.open(path) for path in settings.folder.slots]
        self.arrangement = settings.arrangement(NOW)
        steps = partial(due.plan, arrangement=self.arrangement)
        self.store = Store(settings.server or settings.folder.database, *self.slots, plan=steps)
        self.here = Installation(settings, self.store, PrintReader(), lambda: self.now, Guard(lambda: self.kernel))
        self.worker = self.another()

    def another(self, **acts: due.Act) -> due.Worker:
        """Return a further worker, as another process would have one, with some acts of the test's own."""
        guard = Guard(lambda: self.kernel)
        return due.Worker("test", self.store, self.here.settings.arrangement, disposal.acts(self.here) | acts, guard)

    def passes(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time
        self.monotonic += time.total_seconds()

    def work(self, worker: due.Worker | None = None) -> int:
        """Let a worker do what is due."""
        return (worker or self.worker).work(lambda: self.now, lambda: self.monotonic)

    def alarm(self) -> Cause | None:
        """Return why the time is in doubt."""
        return None if self.worker.alarm is None else self.worker.alarm.cause

    def open(self, made: Exchange, *held: Content) -> None:
        """Open an exchange that holds something."""
        with self.store.transaction() as tx:
            tx.open(made)
            for kind in held:
                tx.hold(made.control_number, kind, b"a print")

    def planned(self, number: str = "JP-1") -> dict[str, datetime]:
        """Return what is planned."""
        with self.store.transaction() as tx:
            return tx.planned(number)

    def plan(self, number: str, what: str, at: datetime | None) -> None:
        """Plan something."""
        with self.store.transaction() as tx:
            tx.plan(number, what, at)

    def there(self, number: str = "JP-1") -> bool:
        """Whether an exchange is there."""
        with self.store.transaction() as tx:
            return tx.has_exchange(number)

    def step(self, made: Exchange, before: State) -> None:
        """Take a step."""
        with self.store.transaction() as tx:
            tx.step(made, before=before)


@pytest.fixture
def desk(tmp_path: Path, database: Callable[[], str]) -> Iterator[Desk]:
    desk = Desk(tmp_path / "JP", database())
    yield desk
    desk.store.close()


# When


@pytest.mark.parametrize(("side", "state"), list(product(Side, State)))
def test_the_hard_stop_is_the_first_moment_at_which_a_hold_overstays(desk: Desk, side: Side, state: State) -> None:
    at = exchange(
        side=side,
        state=state,
        opened_at=NOW - 3 * DAY,
        answered_at=NOW - 2 * DAY,
        provided_at=NOW - DAY,
        state_since=NOW,
    )
    stop = due.hard_stop(at, desk.arrangement)
    if stop is None:
        assert not duties.overstays(at, desk.arrangement, NOW + 9_999 * DAY)
    else:
        assert duties.overstays(at, desk.arrangement, stop)
        assert not duties.overstays(at, desk.arrangement, stop - timedelta(microseconds=1))


def test_what_is_not_permitted_is_due_at_once_and_nothing_else_is(desk: Desk) -> None:
    at = exchange(state=State.NO_REQUEST)
    assert due.times(at, desk.arrangement, {Content.CANDIDATE})[DISPOSE] == AT_ONCE
    assert due.times(at, desk.arrangement, {Content.CIRCUMSTANCES})[DISPOSE] is None


def test_a_record_is_due_after_its_term_and_the_leeway(desk: Desk) -> None:
    times = due.times(exchange(), desk.arrangement, ())
    assert times == dict.fromkeys(times) | {EXPIRE: datetime(2028, 11, 22, 12, 10, tzinfo=UTC)}
    assert timedelta(minutes=10) == LEEWAY


def test_a_record_that_something_keeps_is_not_due(desk: Desk) -> None:
    times = due.times(exchange(kept_under="Act 1"), desk.arrangement, ())
    assert (times[EXPIRE], times[EXPIRE_BELIEVED]) == (None, None)


def test_what_was_stamped_by_a_clock_set_back_counts_from_what_was_believed(desk: Desk) -> None:
    believed = Clock(NOW + 400 * DAY)
    times = due.times(exchange(), desk.arrangement, (), believed)
    assert times[EXPIRE] is None
    assert times[EXPIRE_BELIEVED] == datetime(2028, 11, 22, 12, 10, tzinfo=UTC) + 400 * DAY
    assert due.times(exchange(), desk.arrangement, (), Clock(NOW + JUMP))[EXPIRE_BELIEVED] is None


def test_what_was_stamped_in_doubt_counts_from_the_end_of_the_doubt(desk: Desk) -> None:
    with desk.store.transaction() as tx:
        tx.keep_clock(Clock(NOW, alarmed=True, reason="jump: by years"))
    desk.open(exchange())
    assert desk.planned() == {EXPIRE_BELIEVED: IN_DOUBT}
    with desk.store.transaction() as tx:
        due.replan(tx, exchange(), desk.arrangement, None)
    assert desk.planned() == {EXPIRE_BELIEVED: IN_DOUBT}, "as long as it lasts nobody knows"
    for later in (NOW + 5 * DAY, NOW + 50 * DAY):  # the first look after it counts
        with desk.store.transaction() as tx:
            due.replan(tx, exchange(), desk.arrangement, later)
        assert desk.planned() == {EXPIRE_BELIEVED: datetime(2028, 11, 27, 12, 10, tzinfo=UTC)}


def test_what_was_stamped_by_a_clock_set_ahead_counts_from_when_that_was_seen(desk: Desk) -> None:
    ahead = NOW + 2_000 * DAY
    at = exchange(
        state=State.MATCH, last_event_at=ahead, answered_at=ahead, state_since=ahead, opened_at=ahead, reference="R"
    )
    desk.open(at)
    with desk.store.transaction() as tx:
        due.replan(tx, at, desk.arrangement, NOW)
    seen = {due.LAPSE_BELIEVED: NOW + 30 * DAY, EXPIRE_BELIEVED: datetime(2028, 11, 22, 12, 10, tzinfo=UTC)}
    assert desk.planned() == seen
    with desk.store.transaction() as tx:
        due.replan(tx, at, desk.arrangement, ahead + DAY)  # when the stamps are ahead no longer
    assert desk.planned() == seen
    row = Due("JP-1", due.LAPSE_BELIEVED, NOW + 30 * DAY)
    assert due.is_held_too_long(at, desk.arrangement, row, NOW + 30 * DAY)


def test_planning_again_writes_what_was_lost_and_takes_away_what_is_not_due(desk: Desk) -> None:
    desk.open(exchange(), Content.CANDIDATE)
    desk.plan("JP-1", EXPIRE, None)
    desk.plan("JP-1", LAPSE, NOW + DAY)
    desk.plan("JP-1", due.DELETION + Content.CANDIDATE, NOW + 900 * DAY)
    with desk.store.transaction() as tx:
        due.replan(tx, exchange(), desk.arrangement, NOW)
    term = datetime(2028, 11, 22, 12, 10, tzinfo=UTC)
    assert desk.planned() == {DISPOSE: AT_ONCE, EXPIRE: term, due.DELETION + Content.CANDIDATE: AT_ONCE}


def test_an_entry_without_a_step_begins_the_term_anew(desk: Desk) -> None:
    desk.open(exchange())
    with desk.store.transaction() as tx:
        due.noted(tx, exchange(), desk.arrangement, NOW + 100 * DAY)
    assert desk.planned()[EXPIRE] == datetime(2029, 3, 2, 12, 10, tzinfo=UTC)


def test_an_entry_without_a_step_puts_off_no_hard_stop(desk: Desk) -> None:
    desk.open(exchange(state=State.MATCH))
    desk.plan("JP-1", LAPSE, None)
    desk.plan("JP-1", due.LAPSE_BELIEVED, NOW + DAY)  # the hold was stamped by a clock set ahead
    with desk.store.transaction() as tx:
        due.noted(tx, exchange(state=State.MATCH), desk.arrangement, NOW)
    assert (desk.planned().get(LAPSE), desk.planned()[due.LAPSE_BELIEVED]) == (None, NOW + DAY)


def late_determination(here: Installation, now: datetime) -> None:
    message = Determination("US-2", now, SALT, "R", will_request=False)
    queried.receive(here, message, wire.encode(message), now)


def late_capacity(here: Installation, now: datetime) -> None:
    said = assistance.CapacityAnswer(Capacity.ACCEPTED, now.date())
    message = CapacityAnswer("US-2", now, SALT, "JP-2", "R", said)
    queried.receive(here, message, wire.encode(message), now)


def refused_reading(here: Installation, now: datetime) -> None:
    with pytest.raises(UseError, match="solely"):
        correspondence.read_result(here, "JP-1", Purpose.SERIOUS_CRIME, by="officer", now=now)


def refused_release(here: Installation, now: datetime) -> None:
    with pytest.raises(ReleaseError, match="without the prior written consent of US"):
        provided.release_of_match(here, "JP-1", Recipient(RecipientKind.STATE, "X"), by="officer", now=now)


@pytest.mark.parametrize(
    ("made", "act"),
    [
        (exchange(state=State.LAPSED, side=Side.QUERIED, reference="R"), late_determination),
        (exchange(state=State.REFUSED, reference="R", request="JP-2"), late_capacity),
        (exchange(), refused_reading),
        (exchange(), refused_release),
    ],
)
def test_11_3_what_is_recorded_and_changes_nothing_begins_the_term_anew(
    desk: Desk, made: Exchange, act: Callable[[Installation, datetime], None]
) -> None:
    desk.open(made)
    desk.plan("JP-1", EXPIRE, None)
    desk.plan("JP-1", EXPIRE_BELIEVED, NOW + 365 * DAY)  # as for a stamp of a clock that was wrong
    desk.passes(100 * DAY)
    act(desk.here, desk.now)
    with desk.store.transaction() as tx:
        assert list(tx.entries("JP-1"))
        assert tx.exchange("JP-1") == made
    planned = desk.planned()
    assert (planned[EXPIRE], planned.get(EXPIRE_BELIEVED)) == (datetime(2029, 3, 2, 12, 10, tzinfo=UTC), None)


# The worker


def test_a_hold_lapses_and_its_prints_go_in_one_look(desk: Desk) -> None:
    desk.open(exchange(state=State.MATCH, reference="R"), Content.PROBE, Content.CANDIDATE)
    desk.passes(30 * DAY - MINUTE)
    assert desk.work() == 0
    desk.passes(MINUTE)
    assert desk.work() == 2  # the lapse, and what it no longer permits, which records itself what it did
    with desk.store.transaction() as tx:
        assert tx.exchange("JP-1").state is State.LAPSED
        assert tx.held() == []
        assert [entry.event for entry in tx.entries()] == ["lapse", "deletion", "deletion"]
    assert set(desk.planned()) == {EXPIRE}


def test_a_record_goes_after_its_term_with_its_key(desk: Desk) -> None:
    desk.open(exchange(), Content.CIRCUMSTANCES)
    desk.passes(datetime(2028, 11, 22, 12, 9, tzinfo=UTC) - NOW)
    assert (desk.work(), desk.there()) == (0, True)
    desk.passes(MINUTE)
    assert desk.work() == 3  # the record, its key, the log of the database
    assert not desk.there()
    assert [slots.live() for slots in desk.slots] == [frozenset()] * 3
    assert desk.planned("") == {}


def test_no_record_goes_while_the_time_is_in_doubt_and_every_print_does(desk: Desk) -> None:
    desk.open(exchange())
    desk.open(exchange("JP-2", State.MATCH, reference="R"), Content.CANDIDATE)
    desk.work()
    desk.now += 800 * DAY
    assert desk.work() > 0
    assert desk.alarm() is Cause.JUMP
    assert desk.there()
    with desk.store.transaction() as tx:
        assert tx.held() == []
    desk.now -= 800 * DAY
    desk.work()
    assert desk.alarm() is None
    assert desk.there()


def test_a_print_goes_in_time_though_the_clock_was_set_back(desk: Desk) -> None:
    desk.open(exchange(state=State.MATCH, reference="R"), Content.CANDIDATE)
    desk.work()
    desk.passes(31 * DAY)
    desk.now -= 365 * DAY
    desk.work()
    with desk.store.transaction() as tx:
        assert tx.held() == []


def test_what_changed_since_it_was_planned_is_not_done(desk: Desk) -> None:
    desk.open(exchange(state=State.MATCH, reference="R"))
    desk.plan("JP-1", EXPIRE, AT_ONCE)
    desk.plan("JP-1", LAPSE, AT_ONCE)
    worker = desk.another()
    worker._planned = 0.0  # as if everything had been planned anew just now
    desk.work(worker)
    with desk.store.transaction() as tx:
        assert tx.exchange("JP-1").state is State.MATCH
    term = datetime(2028, 11, 22, 12, 10, tzinfo=UTC)
    assert desk.planned() == {LAPSE: NOW + 30 * DAY, EXPIRE: term}


def test_a_row_of_an_exchange_that_is_gone_goes(desk: Desk) -> None:
    for what in (DISPOSE, LAPSE, EXPIRE):
        desk.plan("JP-9", what, AT_ONCE)
    assert desk.work() == 3
    assert desk.planned("JP-9") == {}


def failing(times: int, done: list[str]) -> due.Act:
    """Return an act that fails so many times."""

    def act(tx: Transaction, row: Due, now: datetime) -> None:
        done.append(f"{row.exchange} at {now:%H:%M}")
        if sum(each.startswith(row.exchange) for each in done) <= times:
            raise OSError("the disk refuses")
        tx.done(row)

    return act


def test_what_fails_waits_longer_each_time_and_holds_up_nothing_else(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    worker = desk.another(lapse=failing(3, done), dispose=failing(0, done))
    desk.plan("JP-1", LAPSE, AT_ONCE)
    desk.plan("JP-2", DISPOSE, AT_ONCE)
    assert desk.work(worker) == 1
    assert done == ["JP-1 at 12:00", "JP-2 at 12:00"]
    for _ in range(8):
        desk.passes(MINUTE)
        desk.work(worker)
    assert done == ["JP-1 at 12:00", "JP-2 at 12:00", "JP-1 at 12:01", "JP-1 at 12:03", "JP-1 at 12:07"]
    assert desk.planned() == {}
    assert "'lapse' is due in exchange JP-1 and failed 2 times in test; it is tried again in 120 seconds" in caplog.text


def test_the_wait_is_never_longer_than_an_hour(desk: Desk) -> None:
    worker = desk.another(lapse=failing(99, []))
    desk.plan("JP-1", LAPSE, AT_ONCE)
    for _ in range(12):
        desk.work(worker)
        desk.passes(timedelta(hours=2))
    desk.work(worker)
    assert desk.planned() == {LAPSE: desk.now + timedelta(hours=1)}


def test_what_nobody_knows_how_to_do_is_told_and_waits(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.plan("JP-1", "sing", AT_ONCE)
    assert desk.work() == 0
    assert desk.planned() == {"sing": desk.now + MINUTE}
    assert "nobody here knows how to do what is due: 'sing'" in caplog.text


def test_what_is_busy_keeps_its_time_and_is_looked_at_with_the_next_tick(desk: Desk) -> None:
    looked: list[datetime] = []

    def busy(_tx: Transaction, _row: Due, now: datetime) -> Callable[[], None]:
        def after() -> None:
            looked.append(now)
            raise due.Busy

        return after

    worker = desk.another(checkpoint=busy)
    desk.plan("", CHECKPOINT, AT_ONCE)
    assert desk.work(worker) == 0
    desk.passes(MINUTE)
    assert desk.work(worker) == 0
    assert looked == [NOW, NOW + MINUTE]
    assert desk.planned("") == {CHECKPOINT: AT_ONCE}


def test_a_retry_put_off_by_a_clock_set_ahead_is_done_when_the_clock_is_right_again(desk: Desk) -> None:
    desk.plan("", CHECKPOINT, NOW + 900 * DAY)
    desk.plan("", COPIES, NOW + 900 * DAY)
    desk.work()
    assert desk.planned("") == {COPIES: NOW + 900 * DAY}


def test_everything_is_planned_anew_once_a_day(desk: Desk) -> None:
    desk.open(exchange())
    desk.work()
    desk.plan("JP-1", EXPIRE, None)
    desk.passes(DAY - MINUTE)
    desk.work()
    assert desk.planned() == {}
    desk.passes(MINUTE)
    desk.work()
    assert set(desk.planned()) == {EXPIRE}


def test_several_workers_at_once_do_each_thing_once(desk: Desk) -> None:
    numbers = [f"JP-{number}" for number in range(40)]
    for number in numbers:
        desk.open(exchange(number, State.NO_REQUEST, reference=f"R{number}"), Content.CANDIDATE)
    workers = [desk.another() for _ in range(3)]
    threads = [threading.Thread(target=desk.work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with desk.store.transaction() as tx:
        assert tx.held() == []
        assert sorted(entry.exchange for entry in tx.entries() if entry.event == "deletion") == sorted(numbers)
    assert all(set(desk.planned(number)) == {EXPIRE} for number in numbers)


class Died(BaseException):
    """The process died here."""


def test_a_worker_that_dies_amid_an_act_leaves_it_to_the_next(desk: Desk) -> None:
    def dying(tx: Transaction, row: Due, _now: datetime) -> None:
        tx.done(row)
        raise Died

    desk.open(exchange(state=State.NO_REQUEST), Content.CANDIDATE)
    with pytest.raises(Died):
        desk.work(desk.another(dispose=dying))
    assert set(desk.planned()) == {DISPOSE, EXPIRE}
    desk.work()
    assert set(desk.planned()) == {EXPIRE}
