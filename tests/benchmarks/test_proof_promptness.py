"""The proof that keys are destroyed at once, small, and on services that are late, silent, or do not look at the clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.proof import promptness

N = 6  # two exchanges of each kind: 14 keys, and two probes that were never stored

_SERVE = """
import sys, time
from pathlib import Path
from contact_point import disposal, main, service
from contact_point.store import Store

{}
main.serve(Path(sys.argv[1]))
"""
_LATE = """
destroy = Store.destroy
def late(self, held):
    time.sleep(1.5)
    destroy(self, held)
Store.destroy = late
"""


def test_8_1_every_key_has_its_entry_and_each_tells_its_own_time() -> None:
    counts = promptness.proved(N, print).counts
    expected = {"keys": 14, "without_entry": 0, "twice": 0, "untimed": 0, "untrue": 0, "never_stored": 2}
    assert {name: counts[name] for name in expected} == expected
    assert counts["without_entry_share"] == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        ("disposal.dispose = lambda *_: None", "no entry says that the probe was destroyed"),
        (_LATE, "99 of 100 keys were destroyed within"),
        ("service.moment = lambda here, now: now", "the probe was destroyed in the very instant of the determination"),
    ],
    ids=["silent", "late", "without a clock"],
)
def test_a_service_that_does_otherwise_is_found(otherwise: str, said: str) -> None:
    violations = promptness.proved(N, print, command=("-c", _SERVE.format(otherwise)), clients=1).violations
    assert any(said in each for each in violations)


@given(st.lists(st.integers(), min_size=1), st.sampled_from([0.5, 0.99, 1.0]))
def test_a_quantile_is_the_least_value_that_as_many_are_at_or_below(values: list[int], share: float) -> None:
    ordered = sorted(values)
    least = min(each for each in ordered if sum(other <= each for other in ordered) >= share * len(ordered))
    assert ordered[promptness._rank(share, len(ordered))] == least
