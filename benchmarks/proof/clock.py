"""A clock that is set wrong gains nobody anything: ``python -m benchmarks.proof clock [--n 1000]``.

The contact points of :mod:`benchmarks.proof.retention` live their six years, and their clocks are set wrong ``n`` times by up
to ten years, ahead and back, while the service runs or is down, amid exchanges of every story, with restarts and deaths. A
quarter of the jumps are made by an attacker who recorded signed requests: to the very minute of one of them. Beside what that
proof looks for (``deleted early``, ``there a day after``, rows, keys and copies left) there are counted:

* ``prints kept longer``: holds that go on after their hard stop by the true time, or prints that do. They have ten minutes, as
  each of two clocks may be wrong by five unnoticed, and five for what goes on; and as long as nothing ran here, since the last
  time that the clock was believed: of that no clock tells.
* ``quota reuse``: queries taken in on a day, by the true time, beyond the arrangement's number for a day. Queries are made
  until they are refused: right after a jump, after a restart, in doubt and after it. A quarter of an hour around
  midnight none is made, so that the true day is the believed one.
* ``replay reuse``: requests that are accepted a second time. Whenever the clock is such that a recorded signature is fresh, it
  comes again.
* ``kept out``: requests of now that are refused although the time has been believed for :data:`HEALS`.

One thing nobody can tell, and it is not done here: while nothing runs, to set the clock back to the minute in which the service
stopped. To the service that is a restart; what it stamps is early by as long, until a message of the other contact point comes.

All of them are violations. ``asked``, ``refused``, ``sent`` and ``replayed`` say how often there was something to find.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from annex.parameters import Party
from benchmarks.proof import Outcome, retention
from contact_point import due, installation, service, wire
from contact_point.installation import Plan
from contact_point.prints import PrintReader
from contact_point.store import ReplayError
from contact_point.timekeeping import JUMP
from pcsc import life
from pcsc.errors import TreatyError
from pcsc.exchange import Side
from pcsc.messages import Search
from pcsc.records import Direction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from contact_point.store import Transaction
    from pcsc.exchange import Exchange

FULL: Final = 1000

QUOTA: Final = 2
"""Latent queries a day: few, so that a number is used up often."""

HEALS: Final = timedelta(minutes=20)
"""How long after a doubt every request of now is accepted: a clock that was ahead keeps them out for a quarter of an hour."""

TOLERANCE: Final = due.LEEWAY + timedelta(minutes=5)
"""By how much a print may outlive its hard stop."""

SEQUENCES: Final = 3
"""Stories at each contact point."""

_MIDNIGHT: Final = timedelta(minutes=15)
_SECONDS: Final = 20.0  # by which the clock of the other contact point is wrong, at most


@dataclass(slots=True)
class Tally(retention.Tally):
    """What was counted."""

    longer: int = 0
    reused: int = 0
    replays: int = 0
    kept_out: int = 0
    asked: int = 0
    refused: int = 0
    sent: int = 0
    replayed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int | float | str]:
        """Return what is printed."""
        mine = {
            "prints kept longer": self.longer,
            "quota reuse": self.reused,
            "replay reuse": self.replays,
            "kept out": self.kept_out,
            "asked": self.asked,
            "refused": self.refused,
            "sent": self.sent,
            "replayed": self.replayed,
        }
        return {**mine, **self.kinds, **retention.Tally.counts(self)}


class Place(retention.Place):
    """A contact point whose clock is set wrong often, and that others try to gain from."""

    widest = timedelta(days=3652)
    happenings: ClassVar = retention.Place.happenings | {"jump": 30, "ask": 4, "send": 40}
    tally: Tally

    def live(self, sequences: int) -> None:
        """Live as the others do."""
        self.prepare()
        super().live(sequences)

    def prepare(self) -> None:
        """Begin to count."""
        self.unknown = timedelta()
        self.right_since = self.time
        self.spent: Counter[str] = Counter()
        self.recorded: list[tuple[str, datetime]] = []
        self.numbers = itertools.count(1)
        self.arrangement = replace(self.settings.arrangement(self.time), queries_per_day=dict.fromkeys(Search, QUOTA))

    # What befalls the clock

    def wrong(self) -> timedelta:
        """Return by how much the clock is set wrong; perhaps to when a request was recorded."""
        if self.recorded and self.rng.random() < 0.25:
            _, at = self.rng.choice(self.recorded)
            if abs(at - self.looked) > 2 * JUMP:  # otherwise it is told from a restart by nobody
                self.tally.kinds["set to the minute of a request"] += 1
                return at - self.time + timedelta(seconds=self.rng.uniform(-200, 200))
        found = super().wrong()
        self.tally.kinds["set ahead" if found > timedelta() else "set back"] += 1
        return found

    def start(self) -> None:
        """Start the service, which looks at once; what passed since it looked before, nobody knows."""
        super().start()
        self.unknown += self.time - self.looked
        self.looked = self.time
        self.worker.work(self.wall, self.monotonic)

    def tick(self) -> None:
        """Let the worker look; then everybody tries to gain from whatever the clock says."""
        was = self.believed and self.agrees
        super().tick()
        if self.believed:
            self.unknown = timedelta()
        if not (was and self.believed and self.agrees):
            self.right_since = self.time
        if self.rng.random() < 0.3:
            self.replay()
        if not was and self.rng.random() < 0.1:
            self.ask()

    def set_right(self) -> None:
        """Set the clock right; before anybody looked, somebody asks."""
        super().set_right()
        self.ask()
        self.replay()

    # Prints

    def holds(self, known: retention.Known, exchange: Exchange | None) -> None:
        """Note by when a hold ends by the true time, whatever the clock said when it began."""
        super().holds(known, exchange)
        if exchange is not None:
            until = (known.answered or self.time) + timedelta(days=self.days)
            hold = known.hold_until
            self.at(until + TOLERANCE, lambda: self.check_longer(known, until, hold))

    def check_longer(self, known: retention.Known, until: datetime, hold: datetime | None) -> None:
        """Look whether a hold is over, and its prints are gone, when it may last no longer."""
        if known.gone or known.hold_until is None or known.hold_until != hold:
            return  # it ended, or another one began
        self.tick()
        if known.gone or known.hold_until != hold:
            return
        if (end := until + TOLERANCE + self.unknown) > self.time:
            self.at(end, lambda: self.check_longer(known, until, hold))
            return
        self.tally.longer += 1
        self.tally.violation(f"a print was kept {self.time - until} after its hard stop", late=True)

    def stops(self, known: retention.Known, since: datetime) -> None:
        """Note that a hold counts from then: also one that was stamped in doubt counts from when it truly began."""
        if known.hold_until is None or known.hold_until <= self.time:
            super().stops(known, since)

    # Quotas

    def ask(self) -> None:
        """Query until the number for a day is used up."""
        into = self.time - self.time.replace(hour=0, minute=0, second=0, microsecond=0)
        if not _MIDNIGHT < into < timedelta(days=1) - _MIDNIGHT:
            return
        day = f"{self.time:%Y-%m-%d}"
        for _ in range(QUOTA + 1):
            self.tally.asked += 1
            try:
                self.query()
            except TreatyError:  # the number, or that nothing is in force by such a clock
                self.tally.refused += 1
                return
            self.spent[day] += 1
            if self.spent[day] > QUOTA:
                self.tally.reused += 1
                self.tally.violation(
                    f"query {self.spent[day]} of a day was taken in, and the number for a day is {QUOTA}"
                )

    def query(self) -> None:
        """Take in a query of the other contact point, as :func:`contact_point.queried.answer_query` does."""
        known = retention.Known(f"US{self.rng.getrandbits(64):016X}", Side.QUERIED, self.time, self.time)
        ask = replace(retention.a_query(self.wall(), known.number, Party.US), search=Search.LATENT)

        def once() -> None:
            if known.number in self.known:
                return
            now = self.wall()
            with self.store.transaction() as tx:
                made = tx.queries_on(self.day(tx, now), Side.QUERIED, Search.LATENT)
                admitted = life.receive_query(ask, self.arrangement, made_today=made, now=now)
                exchange = life.answered(admitted, retention.no_match(now), now)
                tx.open(exchange)
                service.count_in_doubt(self.here, tx, known.number, now)
                service.record(tx, exchange, retention.no_match(now), b"the message", Direction.PROVIDED, now)
            self.known[known.number] = known
            self.touched(known)

        self.surviving(once)
        self.tally.acts += 1

    def day(self, tx: Transaction, now: datetime) -> str:
        """Return the day that queries count on."""
        return self.guard.day(tx, now)

    # Requests

    def send(self) -> None:
        """Let the other contact point send a request, and the attacker record it."""
        signed = self.time + timedelta(seconds=self.rng.uniform(-_SECONDS, _SECONDS))
        nonce = f"nonce {next(self.numbers)}"
        if abs(self.wall() - signed) > wire.MAX_AGE:
            return  # the signature is not fresh
        self.tally.sent += 1
        if self.accepted(nonce):
            self.recorded.append((nonce, signed))
        elif self.time > self.right_since + HEALS:
            self.tally.kept_out += 1
            self.tally.violation(f"a request was refused {self.time - self.right_since} after the last doubt")

    def replay(self) -> None:
        """Let everything come again whose signature is fresh by the clock as it is."""
        for nonce, signed in self.recorded:
            if abs(self.wall() - signed) <= wire.MAX_AGE:
                self.tally.replayed += 1
                if self.accepted(nonce):
                    self.tally.replays += 1
                    self.tally.violation("a request was accepted a second time")

    def accepted(self, nonce: str) -> bool:
        """Whether a request is accepted, as :mod:`contact_point.peer` decides it after its signature."""
        self.surviving(lambda: None)
        now = self.wall()
        try:
            with self.looking() as tx:
                self.use(tx, nonce, now)
        except ReplayError:
            return False
        return True

    def use(self, tx: Transaction, nonce: str, now: datetime) -> None:
        """Use up a nonce."""
        tx.use_nonce(nonce, until=now + 2 * wire.MAX_AGE, now=now)


def prove(n: int, told: Callable[[str], None], *, kind: type[Place] = Place) -> Outcome:
    """Set clocks wrong ``n`` times, and see that nobody gains from it."""
    tally, places = Tally(), 0
    memory = Path("/dev/shm")  # noqa: S108 - a file system in memory, for a folder of our own
    with retention.quiet(), tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        plan = Plan(Party.JP, "contact point of JP", "127.0.0.1", 8443, threads=1)
        settings = installation.create(Path(folder, "JP"), plan, retention.BEGINNING)
        reader = PrintReader(threads=1)
        while tally.jumps < n:
            place = kind(Path(folder, f"place-{places}"), settings, reader, places, tally)
            place.live(SEQUENCES)
            places += 1
            told(f"{tally.jumps} of {n} jumps; {len(tally.violations)} violations")
    return Outcome({"contact points": places, "jumps": tally.jumps} | tally.counts(), tally.violations)
