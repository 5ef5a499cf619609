"""The proof that a clock set wrong gains nobody anything, and that it finds contact points that give something away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import clock
from benchmarks.proof.retention import Stories, a_query
from contact_point.timekeeping import Guard
from pcsc.duties import Content
from pcsc.exchange import Side

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.store import Transaction
    from contact_point.timekeeping import Clocks

DAY = timedelta(days=1)


class Brief(clock.Place):
    """A contact point whose clock is set wrong three times, in some days of a known course."""

    def live(self, _sequences: int) -> None:
        self.prepare()
        self.time = self.time.replace(hour=12)
        self.surviving(lambda: None)
        self.tick()
        for gain in (self.by_quota, self.by_replay, self.by_keeping):
            self.tally.jumps += 1
            gain()
            self.passes(3 * DAY)
        self.stop()

    def passes(self, time: timedelta) -> None:
        """Let time pass while the service looks now and then."""
        until = self.time + time
        while self.time < until:
            self.time = min(until, self.time + DAY)
            self.hear()

    def by_quota(self) -> None:
        """Query, set the clock ahead by days, query before anybody looked and after that, and set it right."""
        self.ask()
        self.offset = 3 * DAY
        self.ask()
        self.tick()
        self.ask()
        self.offset = 0 * DAY
        self.ask()
        self.tick()
        self.ask()

    def by_replay(self) -> None:
        """Record a request, wait for it to be forgotten, and set the clock back to it."""
        self.send()
        for _ in range(2):
            self.passes(DAY)
            self.send()
        self.offset = self.recorded[0][1] - self.time
        self.replay()
        self.tick()
        self.replay()
        self.offset = 0 * DAY

    def by_keeping(self) -> None:
        """Let one print come while the clock is years ahead, and one before it is set years back; wait for both to go."""
        self.offset = 3000 * DAY
        self.hold()
        self.passes(2 * DAY)
        self.offset = 0 * DAY
        self.hear()
        self.hold()
        self.offset = -300 * DAY
        self.passes(20 * DAY)
        self.stop()
        self.surviving(lambda: None)
        while self.queue:
            self.drain()

    def hold(self) -> None:
        """Let a query come that matches."""
        self.open(Side.QUERIED, Stories(self).their_match, a_query, holds=(Content.PROBE,), stop=True)

    def notice(self) -> None:
        super().notice()
        if all(known.hold_until is None for known in self.known.values()):
            self.queue.clear()  # what comes after the holds is for the proof of the term


def proved(kind: type[clock.Place]) -> list[str]:
    """Run the proof with contact points of a kind; return the violations."""
    return clock.prove(1, lambda _: None, kind=kind).violations


def test_a_clock_set_wrong_gains_no_second_number_no_second_acceptance_and_no_longer_hold() -> None:
    outcome = clock.prove(1, lambda _: None, kind=Brief)
    assert outcome.violations == []
    named = ("quota reuse", "replay reuse", "prints kept longer", "kept out")
    assert [outcome.counts[name] for name in named] == [0, 0, 0, 0]
    assert int(outcome.counts["asked"]) > int(outcome.counts["refused"]) > 0
    assert int(outcome.counts["replayed"]) > 0


class CountingByItsClock(Brief):
    """A contact point whose queries count on the day that its clock says."""

    def day(self, _tx: Transaction, now: datetime) -> str:
        return f"{now:%Y-%m-%d}"


class Forgetful(Brief):
    """A contact point that does not remember what it forgot."""

    def use(self, tx: Transaction, nonce: str, now: datetime) -> None:
        tx._forgotten = lambda: None  # type: ignore[method-assign]
        super().use(tx, nonce, now)


class GoingByItsClock(Brief):
    """A contact point whose prints go by the clock of the machine alone."""

    def make_guard(self) -> Guard:
        class Naive(Guard):
            def latest(self, _tx: Clocks, now: datetime, _monotonic: float) -> datetime:
                return now

        return Naive(self.kernel)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (CountingByItsClock, "query 3 of a day was taken in, and the number for a day is 2"),
        (Forgetful, "a request was accepted a second time"),
        (GoingByItsClock, "a print was kept"),
    ],
)
def test_a_contact_point_that_gives_something_away_is_found(kind: type[clock.Place], found: str) -> None:
    violations = proved(kind)
    assert any(found in each for each in violations), violations


@pytest.mark.long
def test_years_of_clocks_that_are_set_wrong_gain_nobody_anything() -> None:
    outcome = clock.prove(40, lambda _: None)
    assert outcome.violations == []
    assert int(outcome.counts["jumps"]) >= 40
