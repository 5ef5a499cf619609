"""The proof of what a query costs beside search and decoding, small, and on a service that works for nothing."""

from __future__ import annotations

import pytest

from benchmarks.proof import overhead

N = 10

_IDLE_WORK = """
from contact_point import queried
receive = queried.receive
def longer(*given):
    until = time.thread_time() + 0.03
    while time.thread_time() < until:
        pass
    return receive(*given)
queried.receive = longer
"""


def test_every_part_of_a_query_is_measured_and_the_trivial_path_costs_less() -> None:
    counts = overhead.proved(N, print).counts
    assert int(counts["queries"]) >= N
    parts = sum(float(counts[name]) for name in ("decode_ms", "search_ms", "overhead_ms"))
    assert float(counts["cpu_ms"]) == pytest.approx(parts, abs=0.5)
    assert min(float(counts[name]) for name in ("decode_ms", "search_ms", "overhead_ms")) > 0
    assert float(counts["trivial_ms"]) < float(counts["cpu_ms"])


@pytest.mark.long
def test_a_service_that_works_for_nothing_is_found() -> None:
    violations = overhead.proved(N, print, fault=_IDLE_WORK).violations
    assert any("ms beside search and decoding; expected 15" in each for each in violations)
