"""The proof of the record's term, and that it finds what it looks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import retention
from contact_point import disposal, due
from contact_point.timekeeping import Guard
from pcsc.checkpoints import Head

if TYPE_CHECKING:
    from datetime import datetime

    from benchmarks.proof import Outcome
    from contact_point.store import Due, Transaction
    from contact_point.timekeeping import Alarm, Clocks


def proved(kind: type[retention.Place] = retention.Place, n: int = 2 * retention.TOGETHER) -> Outcome:
    """Run the proof with contact points of a kind."""
    return retention.prove(n, lambda _: None, kind=kind)


def test_every_record_is_there_until_its_term_ends_and_gone_a_day_later() -> None:
    outcome = proved()
    assert outcome.violations == []
    assert outcome.counts["records deleted"] == outcome.counts["sequences"] == 2 * retention.TOGETHER
    assert (outcome.counts["deleted early"], outcome.counts["there a day after"]) == (0, 0)
    assert (outcome.counts["rows left"], outcome.counts["keys left"], outcome.counts["copies left"]) == (0, 0, 0)
    assert int(outcome.counts["times the record verified"]) >= 2


class Credulous(Guard):
    """A guard that believes every clock."""

    def look(self, tx: Clocks, now: datetime, monotonic: float) -> Alarm | None:
        del tx, now, monotonic
        return None


class WithoutGuard(retention.Place):
    """A contact point that believes its clock, which is set ahead by years."""

    def make_guard(self) -> Guard:
        return Credulous(self.kernel)

    def jump(self) -> None:
        self.rng.random()
        self.offset = 900 * retention._DAY
        self.tick()
        self.offset = 0 * retention._DAY


class Idle(retention.Place):
    """A contact point whose worker leaves the records where they are."""

    def make_worker(self) -> due.Worker:
        def leave(tx: Transaction, row: Due, _now: datetime) -> None:
            tx.done(row)

        acts = disposal.acts(self.here) | {"expire": leave}
        return due.Worker("idle", self.store, self.settings.arrangement, acts, self.guard)


class Sparing(retention.Mortal):
    """A store that spares the keys of records."""

    def destroy_exchange(self, slot: int) -> None:
        del slot


class WithSparingStore(retention.Place):
    """A contact point that deletes rows and spares keys."""

    store_kind = Sparing


class Forgetful(retention.Place):
    """A contact point that loses a copy out of sight."""

    def make_worker(self) -> due.Worker:
        def leave(tx: Transaction, row: Due, _now: datetime) -> None:
            tx.done(row)

        acts = disposal.acts(self.here) | {"copies": leave}
        return due.Worker("forgetful", self.store, self.settings.arrangement, acts, self.guard)


class Bent(retention.Place):
    """A contact point that begins its record anew, as if what was there had never been."""

    def check_record(self) -> None:
        with self.looking() as tx:
            heads = tx.heads()
        super().check_record()
        for key, kept in self.checkpoints.items():
            if heads and kept.head.tree == heads[-1].tree:
                other = Head(kept.head.tree, kept.head.size, "00" * 32)
                self.checkpoints[key] = replace(kept, head=other)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (WithoutGuard, "before its term ended"),
        (Idle, "a record is there a day after its term ended"),
        (WithSparingStore, "rows, keys or copies are left when every term has ended"),
        (Forgetful, "a copy is there a day after the term of a record in it ended"),
        (Bent, "the record does not verify"),
    ],
)
def test_what_is_broken_on_purpose_is_found(kind: type[retention.Place], found: str) -> None:
    outcome = proved(kind)
    assert any(found in each for each in outcome.violations), outcome


def test_a_violation_is_counted_beyond_the_words_that_are_told() -> None:
    tally = retention.Tally()
    for number in range(retention._TOLD + 5):
        tally.violation(f"number {number}", late=True)
    assert (tally.late, len(tally.violations)) == (retention._TOLD + 5, retention._TOLD)
