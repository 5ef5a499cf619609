"""What is promised of deletion and of the record, shown: ``python -m benchmarks.proof NAME [--n N] [--json]``.

Each module here makes one promise fail if it can: it kills, tampers, fills disks and moves clocks, as often as ``--n``
says, and counts. A violation ends the command with 1.
"""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What a proof counted, by the names it prints, and every violation in words."""

    counts: dict[str, int | float | str]
    violations: list[str]
