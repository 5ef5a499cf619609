"""The proof of overload, small, and on services that let everybody wait, or let everybody wait for a refusal."""

from __future__ import annotations

import pytest

from benchmarks.proof import overload

N = 2  # seconds

_SERVE = """
import sys
from pathlib import Path
from contact_point import admission, main, peer

{}
main.serve(Path(sys.argv[1]))
"""
_LONG = """
made = peer.lanes
def long():
    found = made()
    found._lanes[peer.QUERIES]._longest = 10_000
    return found
peer.lanes = long
"""
_TIMELESS = """
init = admission.NoPlaceError.__init__
def timeless(self, message, retry_after=0):
    init(self, message, 0)
admission.NoPlaceError.__init__ = timeless
"""


@pytest.mark.long
def test_4_1_of_ten_times_the_capacity_all_are_answered_or_told_when_to_come_back() -> None:
    counts = overload.proved(N, print).counts
    assert {name: counts[name] for name in ("others", "without_a_time")} == {"others": 0, "without_a_time": 0}
    assert int(counts["answered"]) > 0
    assert int(counts["sent_away"]) > int(counts["answered"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("otherwise", "said"),
    [(_LONG, "times the unloaded"), (_TIMELESS, "were sent away without a time")],
    ids=["everybody waits", "says no time"],
)
def test_a_service_that_does_otherwise_is_found(otherwise: str, said: str) -> None:
    violations = overload.proved(10, print, command=("-c", _SERVE.format(otherwise.strip()))).violations
    assert any(said in each for each in violations)
