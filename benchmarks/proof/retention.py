"""Two years, and no day more: 10,000 exchanges live and end while clocks jump, processes die and laws order to keep.

Article 11(3). A sequence is one exchange, from its opening to the end of its record: a query of either side that matches or
not, that lapses, is requested upon, refused, offered, provided, closed; information given unasked, a notice of a breach; with
questions that stay open and orders to keep the record. :data:`TOGETHER` sequences share a contact point: a real store, with its
three files of keys, in memory where the system has such a file system, and the worker and the guard of the service. Time is
simulated, and there are two of it: the true one, which only this proof knows, and the clock of the machine, which is set
wrong, by minutes or by years, while the service runs or is down, and set right again later. Messages are exchanged only while
the clocks of both Parties agree, as their signatures want it; what an operator does alone is done by whatever the clock says.
Processes are stopped, and die at each step of a destruction.

Whether something is early or late is decided apart from the product: by the true times at which things happened, and by what
keeps a record, as the story tells it. Records and copies are looked for a minute before their end and a day after. Where the
time was in doubt at the end, the day counts from the end of the doubt, and so does the term, or the hold, of what was stamped
meanwhile. In the end nothing but leaves is left, and they give the heads that the record had all along.
"""

from __future__ import annotations

import calendar
import hashlib
import heapq
import itertools
import json
import logging
import math
import random
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from annex.offences import Category, Offence, Penalty
from annex.parameters import Party
from benchmarks.proof import Outcome
from contact_point import disposal, due, installation, service
from contact_point.installation import Plan
from contact_point.keys import KeySlots
from contact_point.prints import PrintReader
from contact_point.service import Installation
from contact_point.store import Store
from contact_point.timekeeping import JUMP, Cause, Guard
from pcsc import checkpoints, life, matters, messages, records
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from pcsc.messages import (
    Activity,
    Authority,
    Basis,
    Conclusion,
    Condition,
    Expectation,
    Ground,
    Item,
    Refusal,
    Search,
    Why,
    WrittenNotification,
)
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contact_point.settings import Settings
    from contact_point.store import Held, Transaction
    from pcsc.checkpoints import Checkpoint
    from pcsc.exchange import Exchange
    from pcsc.messages import Message

FULL: Final = 10_000

TOGETHER: Final = 8
"""Sequences that share one contact point."""

BEGINNING: Final = datetime(2026, 11, 22, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_SALT: Final = "5a" * 32
_TOLD: Final = 100


class Killed(BaseException):
    """The process died here."""


class Mortal(Store):
    """A store whose process may die before or after each step of a destruction."""

    fate: random.Random
    hazard: float = 0.0

    def _risk(self) -> None:
        if self.hazard and self.fate.random() < self.hazard:
            raise Killed

    @contextmanager
    def transaction(self, *, waiting: bool = True) -> Iterator[Transaction]:
        """Do everything inside, or die before it is durable."""
        with super().transaction(waiting=waiting) as tx:
            yield tx
            self._risk()

    def destroy(self, held: Sequence[Held]) -> None:
        """Destroy keys, and die before or after it."""
        self._risk()
        super().destroy(held)
        self._risk()

    def destroy_exchange(self, slot: int) -> None:
        """Destroy the key of an exchange, and die before or after it."""
        self._risk()
        super().destroy_exchange(slot)
        self._risk()

    def checkpoint(self, *, records: bool = False) -> bool:
        """Empty the log, and die before or after it."""
        self._risk()
        emptied = super().checkpoint(records=records)
        self._risk()
        return emptied


@dataclass(slots=True)
class Known:
    """What the proof knows of an exchange, apart from the product: true times, and what keeps its record."""

    number: str
    side: Side
    last: datetime
    """When the last event truly was: the record is not deleted before the term after it."""
    counts: datetime
    """From when the end of the term counts at the latest; later than ``last`` only where the time was in doubt."""
    keeps: set[str] = field(default_factory=set)
    doubtful: bool = False
    """Whether the last event was stamped by a wrong clock that is not believed yet again."""
    answered: datetime | None = None
    """From when its hold counts, where that is not from its opening."""
    hold_until: datetime | None = None
    """The hard stop of its hold, while it has one."""
    version: int = 0
    gone: bool = False


@dataclass(slots=True)
class Kept:
    """A copy of the record: where, and of which exchanges."""

    path: Path
    of: frozenset[str]


class Place:
    """One contact point in simulated time."""

    store_kind: type[Mortal] = Mortal
    widest = 3 * 365 * _DAY
    happenings: ClassVar = {"jump": 3, "restart": 2, "own_act": 2, "record_copy": 2, "check_record": 2}
    """What happens to a contact point besides, and half of how often at most."""
    worker: due.Worker
    guard: Guard
    store: Mortal
    here: Installation

    def __init__(self, folder: Path, settings: Settings, reader: PrintReader, seed: int, tally: Tally) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a story, and no secret
        self.folder, self.settings, self.reader, self.tally = folder, settings, reader, tally
        self.time = BEGINNING + timedelta(seconds=self.rng.random() * 1e8)
        self.offset = timedelta()
        self.references = self.rng.random() < 0.5  # whether a reference disciplines the clock of this machine
        self.synchronised = self.references
        self.known: dict[str, Known] = {}
        self.copies: list[Kept] = []
        self.checkpoints: dict[tuple[str, int], Checkpoint] = {}
        self.believed_since = self.time
        self.believed = True
        self.up = False
        self.queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.waiting: list[Callable[[], None]] = []  # what is looked at a day after the time is believed again
        self.looked = self.time
        self.days = settings.arrangement(BEGINNING).follow_up_days
        folder.mkdir()
        self.slots = [KeySlots.create(folder / f"{name}.slots") for name in ("exchange", "gallery", "record")]

    # Time

    def wall(self) -> datetime:
        """Return what the clock of the machine says."""
        return self.time + self.offset

    def monotonic(self) -> float:
        """Return the seconds since the process began, from an origin that nobody knows."""
        return self.origin + (self.time - self.began).total_seconds()

    def kernel(self) -> bool:
        """Whether a reference disciplines the clock: not while it is wrong."""
        return self.synchronised and abs(self.offset) <= JUMP

    @property
    def agrees(self) -> bool:
        """Whether a message would be taken in: its signature is of a fresh time."""
        return abs(self.offset) < JUMP

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        """Let something happen at a true time."""
        heapq.heappush(self.queue, (max(when, self.time), next(self.order), what))

    # The process

    def start(self) -> None:
        """Start the service: recovery, a guard and a worker of its own."""
        self.began, self.origin = self.time, self.rng.random() * 1e6
        self.store = self.store_kind(self.folder / "store.sqlite", *self.slots, plan=self.plan)
        self.store.fate = self.rng
        self.guard = self.make_guard()
        self.here = Installation(self.settings, self.store, self.reader, self.wall, self.guard)
        disposal.recover(self.here, self.wall())
        self.store.hazard = 0.001
        self.worker = self.make_worker()
        self.up = True

    def plan(self, tx: Transaction, exchange: Exchange) -> None:
        """Write down what is due in an exchange that took a step, as the service does."""
        now = self.wall()
        due.plan(tx, exchange, self.settings.arrangement(now), doubted=self.guard.doubts(tx, now))

    def make_guard(self) -> Guard:
        """Return the guard of a process."""
        return Guard(self.kernel)

    def make_worker(self) -> due.Worker:
        """Return the worker of a process."""
        return disposal.worker(self.here, self.guard, name="proof")

    def stop(self) -> None:
        """Stop the service."""
        self.up = False
        self.store.close()

    def surviving(self, what: Callable[[], Any]) -> None:
        """Do something, however often the process dies over it; it is started again within minutes."""
        while True:
            try:
                if not self.up:
                    self.start()
                what()
            except Killed:
                self.tally.kills += 1
                self.stop()
                self.time += timedelta(seconds=self.rng.uniform(1, 120))
            else:
                return

    def tick(self) -> None:
        """Let the worker look, and note what it did."""
        self.surviving(lambda: self.worker.work(self.wall, self.monotonic))
        alarm = self.worker.alarm
        if alarm is not None:
            if self.believed:
                self.tally.alarms[alarm.cause] += 1
            self.believed = False
        elif not self.believed:
            self.believed, self.believed_since = True, self.time
            for look in self.waiting:
                self.at(self.time + _DAY, look)
            self.waiting.clear()
        self.looked = self.time
        self.notice()

    @contextmanager
    def looking(self) -> Iterator[Transaction]:
        """Give the proof a look of its own, in which nobody dies."""
        with Store.transaction(self.store) as tx:
            yield tx

    def notice(self) -> None:
        """See which records went, and which holds ended."""
        with self.looking() as tx:
            for known in self.known.values():
                if known.gone:
                    continue
                if not tx.has_exchange(known.number):
                    self.ended(known)
                elif known.hold_until is not None and tx.exchange(known.number).state is State.LAPSED:
                    known.hold_until = None
                    self.touched(known)
        if self.believed and self.agrees:
            for known in self.known.values():
                if known.doubtful:
                    known.doubtful = False
                    self.touched(known, event=False)
                    if known.hold_until is not None:
                        self.stops(known, self.time)

    # What the proof expects

    def end(self, since: datetime) -> datetime:
        """Return the day two calendar years after; of a leap day, the first of March."""
        last_day = calendar.monthrange(since.year + 2, since.month)[1]
        if since.day > last_day:
            return since.replace(year=since.year + 2, month=since.month + 1, day=1)
        return since.replace(year=since.year + 2)

    def touched(self, known: Known, *, event: bool = True) -> None:
        """Note that something happened to an exchange just now, and when its end is to be looked for."""
        if event:
            known.last = self.time
            known.doubtful = not (self.believed and self.agrees)
        known.counts = self.time
        known.version += 1
        if known.keeps or known.doubtful:
            return
        version, end = known.version, self.end(known.last)
        late = self.end(known.counts)

        def look(*, over: bool) -> None:
            if known.version == version and not known.gone and not known.keeps:
                self.tick()
                if over:
                    self.check_gone(known, late)

        self.at(end - _MINUTE, lambda: look(over=False))
        self.at(late + due.LEEWAY + 2 * _MINUTE, lambda: look(over=False))
        self.at(late + _DAY, lambda: look(over=True))

    def ended(self, known: Known) -> None:
        """Note that a record is gone: not before its end, and with its keys."""
        known.gone = True
        self.tally.deleted += 1
        end = self.end(known.last)
        if known.keeps:
            self.tally.violation(f"a record was deleted while {', '.join(sorted(known.keeps))} kept it", early=True)
        elif self.time < end:
            self.tally.violation(f"a record was deleted {end - self.time} before its term ended", early=True)
        late = max(self.end(known.counts), self.believed_since)
        self.tally.latest = max(self.tally.latest, (self.time - late) / _HOUR)

    def check_gone(self, known: Known, end: datetime) -> None:
        """Look whether a record is gone with every copy of it, a day after its end and after the last doubt about the time."""
        if not self.settled(end, partial(self.look_again, known, known.version, end)):
            return
        if not known.gone:
            known.gone = True  # told once
            self.tally.violation("a record is there a day after its term ended", late=True)
        for copy in self.copies:
            if known.number in copy.of and copy.path.exists():
                self.tally.violation("a copy is there a day after the term of a record in it ended", late=True)

    def look_again(self, known: Known, version: int, end: datetime) -> None:
        """Look again for what had to wait."""
        if known.version == version:
            self.tick()
            self.check_gone(known, end)

    def settled(self, end: datetime, again: Callable[[], None]) -> bool:
        """Whether it is a day after an end, and after the last doubt about the time; if not, look again then."""
        base = max(end, self.believed_since)
        if self.believed and self.time >= base + _DAY:
            return True
        self.tally.put_off += 1
        if self.believed:
            self.at(base + _DAY, again)
        else:
            self.waiting.append(again)
        return False

    def check_hold(self, known: Known, until: datetime) -> None:
        """Look whether a hold is over, a day after its hard stop: Articles 8(1), 8(2)."""
        if known.hold_until != until or known.gone:
            return
        self.tick()
        if known.hold_until != until or known.gone:
            return
        if not self.settled(until, partial(self.check_hold, known, until)):
            return
        self.tally.violation("a print is held a day after the hard stop", late=True)

    def check_record(self) -> None:
        """Verify what is left of the record against every head that it had: RFC 9162."""
        with self.looking() as tx:
            if not (heads := tx.heads()):
                return
            now = checkpoints.of_heads(self.settings.uri, heads, self.time)
            self.checkpoints[now.head.tree, now.head.size] = now
            try:
                records.verify(tx.record(), checkpoints=list(self.checkpoints.values()))
            except RecordError as error:
                self.tally.violation(f"the record does not verify: {error}")
        self.tally.verified += 1

    def check_empty(self) -> None:
        """Look whether anything is left but leaves: a row, a key, a copy."""
        with self.looking() as tx:
            rows = [len(tx.exchanges()), len(tx.held()), sum(1 for _ in tx.entries()), len(tx.planned(""))]
            rows += [len(tx.planned(number)) for number in self.known]
            rows += [sum(each.destroyed_at is None for each in tx.copies())]
        self.tally.rows_left += sum(rows)
        self.tally.keys_left += sum(len(slots.live()) for slots in self.slots)
        self.tally.copies_left += sum(copy.path.exists() for copy in self.copies)
        if sum(rows) or any(slots.live() for slots in self.slots) or any(copy.path.exists() for copy in self.copies):
            self.tally.violation(f"rows, keys or copies are left when every term has ended: {rows}", late=True)

    # Acts

    def act(
        self,
        known: Known,
        change: Callable[[Exchange, datetime], Exchange],
        said: str | Callable[[datetime], Message],
        *,
        holds: tuple[Content, ...] = (),
        keeps: str = "",
        drops: str = "",
        stop: bool = False,
    ) -> None:
        """Do one act in its transaction, then what every act ends with; ``said`` is an act of our own or a message.

        ``keeps`` and ``drops`` say what keeps the record from now on, or no longer; ``stop`` that a hold begins or goes on.
        """
        committed = False

        def once() -> None:
            nonlocal committed
            if committed:
                return  # the process died after it
            now = self.wall()
            with self.store.transaction() as tx:
                before = tx.exchange(known.number)
                after = change(before, now)
                tx.step(after, before=before.state)
                self.enter(tx, after, said, now)
                for kind in holds:
                    tx.hold(known.number, kind, b"a print" * 30, number=f"{self.rng.getrandbits(64):x}")
            committed = True
            known.keeps |= {keeps} - {""}
            known.keeps -= {drops}
            self.touched(known)
            self.holds(known, after if stop else None)
            disposal.dispose(self.here, known.number, now)

        self.surviving(once)
        self.tally.acts += 1
        self.at(self.time + timedelta(seconds=self.rng.uniform(1, 60)), self.tick)

    def enter(
        self, tx: Transaction, exchange: Exchange, said: str | Callable[[datetime], Message], now: datetime
    ) -> None:
        """Enter an act or a message in the record."""
        if isinstance(said, str):
            service.record_act(tx, exchange, said, article="4(5)", note=said, now=now)
        else:
            service.record(tx, exchange, said(now), b"the message", Direction.RECEIVED, now)

    def holds(self, known: Known, exchange: Exchange | None) -> None:
        """Note by when a hold ends, and look whether it did."""
        known.hold_until = None
        if exchange is not None:
            self.stops(known, known.answered or self.time)

    def stops(self, known: Known, since: datetime) -> None:
        """Note that a hold counts from then."""
        known.hold_until = until = since + timedelta(days=self.days)
        self.at(until + 2 * _MINUTE, self.tick)
        self.at(until + _DAY, lambda: self.check_hold(known, until))

    def open(
        self,
        side: Side,
        begin: Callable[[str, datetime], Exchange],
        said: Callable[[datetime], Message],
        *,
        holds: tuple[Content, ...] = (),
        keeps: str = "",
        stop: bool = False,
    ) -> Known:
        """Open an exchange."""
        number = f"JP{self.rng.getrandbits(64):016X}"
        known = Known(number, side, self.time, self.time)

        def once() -> None:
            if number in self.known:
                return
            now = self.wall()
            with self.store.transaction() as tx:
                exchange = begin(number, now)
                tx.open(exchange)
                self.enter(tx, exchange, said, now)
                for kind in holds:
                    tx.hold(number, kind, b"a print" * 30)
            self.known[number] = known
            known.keeps |= {keeps} - {""}
            self.touched(known)
            self.holds(known, exchange if stop else None)
            disposal.dispose(self.here, number, now)

        self.surviving(once)
        self.tally.acts += 1
        return known

    def state(self, known: Known) -> State | None:
        """Return the state of an exchange, or None where its record is gone."""
        with self.looking() as tx:
            return tx.exchange(known.number).state if tx.has_exchange(known.number) else None

    def stands(self, known: Known, *states: State) -> bool:
        """Whether an exchange is still where its story left it: its hold may have ended meanwhile."""
        self.surviving(lambda: None)
        return not known.gone and self.state(known) in states

    # What happens to a contact point besides

    def record_copy(self) -> None:
        """Export the record to a file, as it stands, while the time is believed."""
        if not (self.believed and self.agrees):
            return
        path = self.folder / f"copy-{len(self.copies)}.jsonl"
        self.tick()
        with self.looking() as tx:
            content = "\n".join(json.dumps(asdict(place)) for place in tx.record()).encode() + b"\n"
        path.write_bytes(content)
        self.copies.append(Kept(path, frozenset(known.number for known in self.known.values() if not known.gone)))
        self.surviving(lambda: self.enter_copy(path, hashlib.sha256(content).hexdigest()))
        self.tally.copies += 1
        self.at(self.end(self.time) + _HOUR, self.tick)  # also where nothing in it ends before

    def enter_copy(self, path: Path, digest: str) -> None:
        """Enter a copy as an export does."""
        now = self.wall()
        with self.store.transaction() as tx:
            agreed = self.settings.arrangement(now)
            disposal.enter_copy(tx, path, tx.exchanges(), agreed, sha256=digest, now=now)

    def restart(self) -> None:
        """Stop the service for a while."""
        if self.up:
            self.stop()
        self.time += timedelta(seconds=math.exp(self.rng.uniform(2, 13)))  # seconds to five days
        self.surviving(lambda: None)
        self.believed_since = self.time  # nothing could be done while nothing ran
        self.tally.restarts += 1
        self.tick()
        self.at(self.time + self.rng.random() * 12 * _HOUR, self.hear)

    def hear(self) -> None:
        """Hear the time of the other contact point, in whatever it sends."""

        def once() -> None:
            with self.store.transaction() as tx:
                theirs = self.time + timedelta(seconds=self.rng.uniform(-20, 20))
                self.guard.heard(tx, theirs, self.wall())

        self.surviving(once)
        self.tick()

    def jump(self) -> None:
        """Set the clock wrong, for hours or weeks."""
        if not self.agrees:
            return
        self.tally.jumps += 1
        if self.rng.random() < 0.4:  # while the service is down
            self.surviving(lambda: None)
            self.stop()
            self.time += timedelta(seconds=math.exp(self.rng.uniform(2, 12)))
            self.believed_since = self.time
        self.offset = self.wrong()
        if self.rng.random() < 0.4:
            self.own_act()  # before anybody has looked at the clock
        elif self.rng.random() < 0.3:
            self.hear()
        self.time += timedelta(seconds=self.rng.uniform(1, 60))
        self.tick()
        lasting = timedelta(seconds=math.exp(self.rng.uniform(math.log(600), math.log(20 * 86_400))))
        for _ in range(self.rng.randint(1, 4)):
            what = self.rng.choice((self.tick, self.restart, self.own_act, self.hear))
            self.at(self.time + self.rng.random() * lasting, what)
        self.at(self.time + lasting, self.set_right)

    def wrong(self) -> timedelta:
        """Return by how much the clock is set wrong."""
        size = timedelta(seconds=math.exp(self.rng.uniform(math.log(60), math.log(self.widest.total_seconds()))))
        return size if self.rng.random() < 0.6 else -size

    def set_right(self) -> None:
        """Set the clock right, to some seconds."""
        if self.rng.random() < 0.3 and self.up:
            self.stop()
        self.offset = timedelta(seconds=self.rng.uniform(-20, 20))
        self.tick()
        self.at(self.time + self.rng.random() * 12 * _HOUR, self.hear)

    def own_act(self) -> None:
        """Let an operator do something that needs nobody else, to whatever exchange there is."""
        there = [known for known in self.known.values() if not known.gone and "law" not in known.keeps]
        if there:
            self.keep(self.rng.choice(there))

    def keep(self, known: Known) -> None:
        """Let a law order to keep a record, and later no longer."""

        def keep(law: str) -> None:
            self.tick()
            if known.gone:
                return
            self.surviving(
                lambda: disposal.keep_beyond_term(self.here, known.number, law, by="compliance", now=self.wall())
            )
            known.keeps = known.keeps | {"law"} if law else known.keeps - {"law"}
            self.touched(known)

        keep("Public Records Act, Art. 5")
        self.tally.orders += 1
        self.at(self.time + self.rng.random() * 900 * _DAY, lambda: keep(""))

    # The story

    def live(self, sequences: int) -> None:
        """Let exchanges live and end, with all that happens to a contact point in six years."""
        self.surviving(lambda: None)
        self.tick()
        stories = Stories(self)
        for _ in range(sequences):
            self.at(self.time + self.rng.random() * 300 * _DAY, partial(self.tell, stories.any()))
        for what, often in self.happenings.items():
            for _ in range(self.rng.randint(0, 2 * often)):
                self.at(self.time + self.rng.random() * 6 * 365 * _DAY, getattr(self, what))
        while self.queue:
            self.drain()
            self.hear()  # the end of a last doubt, from which terms may still count
        self.time += _DAY
        self.tick()
        self.check_record()
        self.check_empty()
        self.stop()

    def drain(self) -> None:
        """Let happen what is to happen, one after the other."""
        while self.queue:
            when, _, what = heapq.heappop(self.queue)
            if self.up and when > self.looked + _DAY + _HOUR:
                self.time = max(self.time, self.looked + _DAY)  # the look in which all is planned anew
                self.tick()
            self.time = max(self.time, when)
            self.surviving(lambda: None)
            what()

    def tell(self, story: Iterator[timedelta]) -> None:
        """Go on with a story, and come back to it when it says so."""
        self.tick()  # the last one was within the minute
        if (pause := next(story, None)) is not None:
            self.at(self.time + pause, lambda: self.tell(story))


class Stories:
    """What becomes of an exchange: each story is told act by act, with pauses between."""

    def __init__(self, place: Place) -> None:
        self.place, self.rng = place, place.rng
        self.arrangement = place.settings.arrangement(place.time)

    def any(self) -> Iterator[timedelta]:
        """Return one of the stories."""
        kinds = (self.querying, self.querying, self.queried, self.queried, self.unasked, self.breach)
        return self.rng.choice(kinds)()

    def days(self, most: float) -> timedelta:
        """Return a pause."""
        return self.rng.random() * most * _DAY

    def hearing(self) -> Iterator[timedelta]:
        """Wait until the clocks of both agree: no message is taken in before."""
        while not self.place.agrees:
            self.place.hear()
            yield self.days(1)

    def likely(self, chance: float) -> bool:
        """Return True as often as that."""
        return self.rng.random() < chance

    # Our query

    def querying(self) -> Iterator[timedelta]:
        """Tell of a query of ours."""
        place = self.place
        yield from self.hearing()
        known = place.open(
            Side.QUERYING, self.our_query, a_query, holds=(Content.PROBE, Content.CIRCUMSTANCES), stop=True
        )
        yield self.days(5)
        yield from self.hearing()
        if self.likely(0.1) or not place.stands(known, State.SENT):
            return  # no answer ever comes
        if self.likely(0.3):
            place.act(known, lambda at, now: life.answered(at, no_match(now), now), no_match)
            return
        match = _match(known.number)
        known.answered = place.time
        place.act(
            known, lambda at, now: life.answered(at, match(now), now), match, holds=(Content.CANDIDATE,), stop=True
        )
        yield self.days(40)
        if not place.stands(known, State.MATCH):
            return
        concluded = Conclusion.IDENTIFICATION if self.likely(0.8) else Conclusion.EXCLUSION
        place.act(known, lambda at, now: life.examine(at, concluded, "examiner", now), "examination", stop=True)
        yield self.days(10)
        if not place.stands(known, State.EXAMINED):
            return
        will = concluded is Conclusion.IDENTIFICATION and self.likely(0.9)
        place.act(known, lambda at, now: life.determine(at, will_request=will, now=now), "determination")
        if will:
            yield self.days(100)
            yield from self.requesting(known)

    def our_query(self, number: str, now: datetime) -> Exchange:
        """Return the exchange of a query of ours."""
        return life.open_query(a_query(now, number), "x" * 200, self.arrangement, made_today=0, now=now)

    def requesting(self, known: Known) -> Iterator[timedelta]:
        """Tell of a request of ours, its reply, and how long the information is held."""
        place, number = self.place, known.number
        yield from self.hearing()
        if not place.stands(known, State.WILL_REQUEST):
            return
        ask = _request(number, Party.JP)
        place.act(known, lambda at, now: life.request(at, ask(now), self.arrangement, now), ask)
        yield self.days(200)
        yield from self.hearing()
        conditions = self.likely(0.4)
        reply = _reply(number, refused=self.likely(0.2), conditions=conditions)
        given = bool(reply(BEGINNING).items)
        held = (Content.INFORMATION,) if given else ()
        place.act(
            known,
            lambda at, now: life.reply(at, reply(now), now),
            reply,
            holds=held,
            keeps="information" if given else "",
        )
        if given:
            yield from self.holding(known)
        elif place.stands(known, State.OFFERED):
            yield from self.accepting(known)

    def accepting(self, known: Known) -> Iterator[timedelta]:
        """Tell of conditions that are accepted, or not."""
        place, number = self.place, known.number
        yield self.days(30)
        yield from self.hearing()
        accepts = self.likely(0.7)
        accept = _acceptance(number, accepted=accepts)
        place.act(known, lambda at, now: life.accept(at, accept(now), now), accept)
        if not accepts:
            return
        yield self.days(2)
        yield from self.hearing()
        give = _provision(number)
        place.act(
            known,
            lambda at, now: life.provide(at, give(now), now),
            give,
            holds=(Content.INFORMATION,),
            keeps="information",
        )
        yield from self.holding(known)

    def holding(self, known: Known) -> Iterator[timedelta]:
        """Tell how long information is held: also beyond two years after the last message."""
        yield self.days(1_000)
        self.place.act(known, life.close, "closed", drops="information")

    # Their query

    def queried(self) -> Iterator[timedelta]:
        """Tell of a query of theirs."""
        place = self.place
        yield from self.hearing()
        if self.likely(0.3):
            place.open(Side.QUERIED, self.their_query, no_match, holds=(Content.ANSWER,))
            return
        known = place.open(Side.QUERIED, self.their_match, a_query, holds=(Content.PROBE, Content.ANSWER), stop=True)
        known.answered = place.time
        yield self.days(40)
        yield from self.hearing()
        if not place.stands(known, State.MATCH):
            yield from self.explaining(known)
            return
        will = self.likely(0.7)
        told = _determination(known.number, will=will)
        place.act(known, lambda at, now: life.determine(at, will_request=will, now=now), told, stop=will)
        yield self.days(25)
        yield from self.hearing()
        if will and place.stands(known, State.WILL_REQUEST, State.LAPSED):
            yield from self.replying(known)
        else:
            yield from self.explaining(known)

    def their_query(self, number: str, now: datetime) -> Exchange:
        """Return the exchange of a query of theirs that does not match."""
        at = life.receive_query(a_query(now, number, Party.US), self.arrangement, made_today=0, now=now)
        return life.answered(at, no_match(now), now)

    def their_match(self, number: str, now: datetime) -> Exchange:
        """Return the exchange of a query of theirs that matches."""
        at = life.receive_query(a_query(now, number, Party.US), self.arrangement, made_today=0, now=now)
        return life.answered(at, _match(number)(now), now)

    def replying(self, known: Known) -> Iterator[timedelta]:
        """Tell of a request that we owe a reply, and of a message that is not accepted long after."""
        place, number = self.place, known.number
        ask = _request(number, Party.US)
        place.act(
            known,
            lambda at, now: life.request(at, ask(now), self.arrangement, now),
            ask,
            holds=(Content.NOTIFICATION, Content.SNAPSHOT),
            keeps="a request",
        )
        yield self.days(800)
        reply = _reply(number, refused=self.likely(0.3), conditions=False)
        given = bool(reply(BEGINNING).items)
        known.answered = place.time
        place.act(known, lambda at, now: life.reply(at, reply(now), now), reply, drops="a request", stop=given)
        yield self.days(300) + _DAY
        yield from self.hearing()
        if not place.stands(known, State.PROVIDED, State.REFUSED, State.LAPSED):
            return
        with place.looking() as tx:
            exchange, now = tx.exchange(number), place.wall()
            place.enter(tx, exchange, _determination(number, will=True), now)
            due.noted(tx, exchange, self.arrangement, now)
        place.touched(known)

    def explaining(self, known: Known) -> Iterator[timedelta]:
        """Tell of a question about a match that nothing followed: Article 4(6)."""
        place, number = self.place, known.number
        if self.likely(0.4) or not place.stands(known, State.NO_REQUEST, State.LAPSED):
            return
        yield self.days(30)
        yield from self.hearing()
        if not place.stands(known, State.NO_REQUEST, State.LAPSED):
            return
        ask = _question(number)
        place.act(
            known,
            lambda at, now: matters.raised(at, ask(now), at.ours, self.arrangement, now),
            ask,
            keeps="a question",
        )
        yield self.days(900)
        yield from self.hearing()
        answer = _explanation(number)
        place.act(known, lambda at, now: matters.settled(at, answer(now), at.other, now), answer, drops="a question")

    # No query

    def unasked(self) -> Iterator[timedelta]:
        """Tell of information that came without a request: Article 6."""
        yield from self.hearing()
        known = self.place.open(
            Side.QUERYING, self.their_information, _unasked_message, holds=(Content.INFORMATION,), keeps="information"
        )
        yield from self.holding(known)

    def their_information(self, number: str, now: datetime) -> Exchange:
        """Return the exchange of information given unasked."""
        return life.provide_unasked(_unasked_message(now, number), Side.QUERYING, self.arrangement, now)

    def breach(self) -> Iterator[timedelta]:
        """Tell of a notice of a breach: Article 9."""
        yield from self.hearing()
        known = self.place.open(Side.QUERIED, self.their_notice, _breach, keeps="a notice")
        yield self.days(900)
        self.place.act(known, life.close, "closed", drops="a notice")

    def their_notice(self, number: str, now: datetime) -> Exchange:
        """Return the exchange of a notice of a breach."""
        return life.open_notice(_breach(now, number), Side.QUERIED, self.arrangement, now)


# Messages, as short as they may be


def _basis(party: Party) -> Basis:
    robbery = Offence("robbery", party, "a statute", Penalty(months=240), Category.ROBBERY)
    return Basis(Activity.INVESTIGATION, (robbery,), political=False)


def _authority(party: Party) -> Authority:
    return Authority("Police", "Investigation Unit", f"{party}-1", party.country)


def a_query(now: datetime, number: str = "JP-QUERY", party: Party = Party.JP) -> messages.Query:
    """Return a query."""
    return messages.Query(
        control_number=number,
        made_at=now,
        salt=_SALT,
        querying=party,
        authority=_authority(party),
        identified=True,
        search=Search.TENPRINT,
        basis=_basis(party),
        expectation=Expectation.HAS_COMMITTED,
        prints=b"a print",
    )


def no_match(now: datetime) -> messages.NoMatch:
    """Return an answer that there is no match."""
    return messages.NoMatch("JP-QUERY", now, _SALT)


def _match(number: str) -> Callable[[datetime], messages.Match]:
    return lambda now: messages.Match(number, now, _SALT, f"R-{number}", b"a print")


def _determination(number: str, *, will: bool) -> Callable[[datetime], messages.Determination]:
    return lambda now: messages.Determination(f"{number}-D", now, _SALT, f"R-{number}", will)


def _request(number: str, party: Party) -> Callable[[datetime], messages.Request]:
    purpose = "To establish who left the print."
    notification = WrittenNotification(purpose, "case-1", ("name",), _basis(party), "Superintendent")
    return lambda now: messages.Request(f"{number}-Q", now, _SALT, f"R-{number}", _authority(party), notification)


def _reply(number: str, *, refused: bool, conditions: bool) -> Callable[[datetime], messages.Reply]:
    said: dict[str, Any]
    if refused:
        said = {"refusals": (Refusal(Ground.NOT_AVAILABLE, "nothing is held"),)}
    elif conditions:
        said = {"offered": ("name",), "conditions": (Condition("for this case"),)}
    else:
        said = {"items": (Item("name", "SAMPLE, Person"),)}
    return lambda now: messages.Reply(f"{number}-A", now, _SALT, f"{number}-Q", f"R-{number}", **said)


def _acceptance(number: str, *, accepted: bool) -> Callable[[datetime], messages.Acceptance]:
    return lambda now: messages.Acceptance(
        f"{number}-C", now, _SALT, f"{number}-A", f"R-{number}", accepted, "Superintendent"
    )


def _provision(number: str) -> Callable[[datetime], messages.Provision]:
    items = (Item("name", "SAMPLE, Person"),)
    return lambda now: messages.Provision(f"{number}-C", now, _SALT, f"{number}-A", f"R-{number}", items)


def _question(number: str) -> Callable[[datetime], messages.ExplanationRequest]:
    return lambda now: messages.ExplanationRequest(f"{number}-E", now, _SALT, f"R-{number}")


def _explanation(number: str) -> Callable[[datetime], messages.Explanation]:
    return lambda now: messages.Explanation(
        f"{number}-F", now, _SALT, f"{number}-E", f"R-{number}", "a robbery", Why.EXCLUDED, "not the same", "officer"
    )


def _unasked_message(now: datetime, number: str = "US-UNASKED") -> messages.ProvisionWithoutRequest:
    return messages.ProvisionWithoutRequest(
        control_number=number,
        made_at=now,
        salt=_SALT,
        providing=Party.US,
        authority=_authority(Party.US),
        basis=_basis(Party.US),
        expectation=Expectation.HAS_COMMITTED,
        reason_to_believe="A witness named the person.",
        case_reference="case-1",
        items=(Item("name", "SAMPLE, Person"),),
    )


def _breach(now: datetime, number: str = "US-BREACH") -> messages.BreachNotice:
    return messages.BreachNotice(number, now, _SALT, Party.US, now, "a lost disk", "it was sealed", (), "officer")


# The proof


@dataclass(slots=True)
class Tally:
    """What was counted."""

    acts: int = 0
    deleted: int = 0
    kills: int = 0
    restarts: int = 0
    jumps: int = 0
    alarms: Counter[Cause] = field(default_factory=Counter)
    orders: int = 0
    copies: int = 0
    put_off: int = 0
    verified: int = 0
    rows_left: int = 0
    keys_left: int = 0
    copies_left: int = 0
    latest: float = 0.0
    early: int = 0
    late: int = 0
    violations: list[str] = field(default_factory=list)

    def violation(self, what: str, *, early: bool = False, late: bool = False) -> None:
        """Count a violation; the words of the first hundred are enough."""
        self.early += early
        self.late += late
        if len(self.violations) < _TOLD:
            self.violations.append(what)

    def counts(self) -> dict[str, int | float | str]:
        """Return what is printed."""
        return {
            "acts": self.acts,
            "records deleted": self.deleted,
            "deleted early": self.early,
            "there a day after": self.late,
            "latest deletion, hours after the end or the last doubt": round(self.latest, 2),
            "rows left": self.rows_left,
            "keys left": self.keys_left,
            "copies left": self.copies_left,
            "times the record verified": self.verified,
            "orders to keep": self.orders,
            "copies": self.copies,
            "clock set wrong": self.jumps,
            **{f"alarms, {cause}": self.alarms[cause] for cause in Cause},
            "deletions that waited for the time": self.put_off,
            "restarts": self.restarts,
            "deaths amid an act": self.kills,
        }


@contextmanager
def quiet() -> Iterator[None]:
    """Let the contact points not tell of every alarm: there are thousands."""
    log = logging.getLogger("contact_point")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def prove(n: int, told: Callable[[str], None], *, kind: type[Place] = Place) -> Outcome:
    """Tell ``n`` stories at contact points of a kind, :data:`TOGETHER` at each."""
    tally = Tally()
    memory = Path("/dev/shm")  # noqa: S108 - a file system in memory, for a folder of our own
    with quiet(), tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        plan = Plan(Party.JP, "contact point of JP", "127.0.0.1", 8443, threads=1)
        settings = installation.create(Path(folder, "JP"), plan, BEGINNING)
        reader = PrintReader(threads=1)
        places = -(-n // TOGETHER)
        for seed in range(places):
            place = kind(Path(folder, f"place-{seed}"), settings, reader, seed, tally)
            place.live(min(TOGETHER, n - seed * TOGETHER))
            shutil.rmtree(place.folder)
            if seed % 50 == 49:
                told(f"{seed + 1} of {places} contact points; {len(tally.violations)} violations")
    return Outcome({"contact points": places, "sequences": n} | tally.counts(), tally.violations)
