"""The proof that nothing is answered while the record cannot be written, small, and on services that do answer."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import _serving, failclosed
from tests.contact_point import faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from benchmarks.proof import Outcome
    from benchmarks.proof.failclosed import Fault

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace, which makes system calls of another process fail"
)


def proved(n: int, *names: str, command: Sequence[str] = _serving.SERVE) -> Outcome:
    """Run the proof with these faults alone, or skip where one of them cannot be made."""

    def among(kinds: Sequence[Fault]) -> list[Fault]:
        return [each for each in kinds if each.name in names]

    outcome = failclosed.proved(
        n,
        print,
        command=command,
        on_sqlite=among(failclosed.ON_SQLITE),
        on_postgresql=among(failclosed.ON_POSTGRESQL),
    )
    if "left_out" in outcome.counts:
        pytest.skip(f"needs what this machine lacks: {outcome.counts['left_out']}")
    return outcome


def nothing_was_answered(outcome: Outcome, n: int) -> None:
    """What every run must show; how long it took is for the benchmark to tell."""
    expected = {"asked": n, "answered": 0, "not_503": 0, "lost": 0, "double": 0}
    assert {name: outcome.counts[name] for name in expected} == expected
    assert [each for each in outcome.violations if " s; expected " not in each] == []


@pytest.mark.long
def test_11_1_a_full_disk_and_a_held_lock_leave_every_query_unanswered_and_none_lost() -> None:
    nothing_was_answered(proved(6, "ENOSPC", "ENOSPC at the answer", "lock held"), 6)


@needs_strace
def test_11_1_errors_of_the_disk_leave_every_query_unanswered_and_none_lost() -> None:
    names = ("EIO on write", "EIO on sync at the answer", "EIO in the slots", "EROFS")
    nothing_was_answered(proved(8, *names), 8)


@pytest.mark.long
def test_11_1_a_database_server_that_is_stopped_or_stands_still_leaves_every_query_unanswered_and_none_lost() -> None:
    nothing_was_answered(proved(4, "PostgreSQL stopped", "PostgreSQL standing still"), 4)


@pytest.mark.long
@needs_strace
def test_11_1_a_write_that_does_not_return_leaves_every_query_unanswered_and_none_lost() -> None:
    nothing_was_answered(proved(4, "hanging write", "hanging sync at the answer"), 4)


_COMMIT = """
import sys
from contextlib import contextmanager
from pathlib import Path
from contact_point import main
from contact_point.store import Store
from pcsc.errors import RecordError

class Swallowing(Store):
    @contextmanager
    def transaction(self, **how):
        try:
            with super().transaction(**how) as tx:
                yield tx
        except RecordError:
            pass    # whoever asked is answered all the same

main.Store = Swallowing
main.serve(Path(sys.argv[1]))
"""

_APPEND = """
import sys
from pathlib import Path
from contact_point import main
from contact_point.store import Transaction

Transaction.append = lambda *_, **__: None
main.serve(Path(sys.argv[1]))
"""


def test_a_service_that_answers_although_its_record_could_not_be_written_is_found() -> None:
    outcome = proved(4, "ENOSPC", command=("-c", _COMMIT))
    assert outcome.counts["answered"] == 4
    assert any("was answered and could not be recorded" in each for each in outcome.violations)


def test_a_service_whose_record_swallows_what_is_appended_is_found() -> None:
    outcome = proved(2, "lock held", command=("-c", _APPEND))
    lost = outcome.counts["lost"]
    assert isinstance(lost, int)
    assert lost >= 2
    assert any("in the record of US; got neither" in each for each in outcome.violations)


@pytest.mark.long
def test_a_fault_that_cannot_be_made_is_named_and_its_share_goes_to_the_others() -> None:
    def impossible(_: failclosed.Place) -> AbstractContextManager[None]:
        raise faults.Unavailable("no such disk")

    lock = next(each for each in failclosed.ON_SQLITE if each.name == "lock held")
    kinds = (failclosed.Fault("flood", impossible), lock)
    outcome = failclosed.proved(2, print, on_sqlite=kinds, on_postgresql=())
    assert outcome.counts["asked"] == 2
    assert "flood: no such disk" in str(outcome.counts["left_out"])
