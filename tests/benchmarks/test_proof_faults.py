"""The proof that faults under load lose nothing, small, and on a service that answers what it could not record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import _serving, faults

from .test_proof_failclosed import _COMMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.proof import Outcome


def proved(n: int, *kinds: str, command: Sequence[str] = _serving.SERVE) -> Outcome:
    """Run the proof with these kinds of fault alone, or skip where one of them cannot be made."""
    outcome = faults.proved(n, print, kinds=kinds, command=command, between=1.0)
    if "left_out" in outcome.counts:
        pytest.skip(f"needs what this machine lacks: {outcome.counts['left_out']}")
    return outcome


def nothing_was_lost(outcome: Outcome) -> None:
    """What every run must show; how long it took is for the benchmark to tell."""
    assert [outcome.counts[name] for name in ("lost", "double", "prints_left")] == [0, 0, 0]
    assert int(outcome.counts["refused"]) > 0, "the faults were felt"
    assert int(outcome.counts["acknowledged"]) >= int(outcome.counts["queries"]) > 0
    assert [each for each in outcome.violations if " s after it had ended" not in each] == []


@pytest.mark.long  # in the few seconds of a small run there may be room left in the log
def test_11_1_a_disk_that_is_full_for_a_while_loses_nothing_that_was_acknowledged() -> None:
    nothing_was_lost(proved(1, "disk"))


@pytest.mark.long
def test_11_1_a_database_server_that_is_restarted_and_replaced_loses_nothing_that_was_acknowledged() -> None:
    nothing_was_lost(proved(2, "restart", "failover"))


@pytest.mark.long
def test_a_service_that_answers_what_it_could_not_record_is_found() -> None:
    outcome = proved(1, "disk", command=("-c", _COMMIT))
    assert int(outcome.counts["lost"]) > 0
    assert any("the record of US lacks query" in each for each in outcome.violations)
