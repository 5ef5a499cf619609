"""The drill of `pcsc drill`, as a proof: marked prints are looked for everywhere, and found nowhere but in the control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.proof import Outcome
from contact_point import drill

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = drill.MARKERS


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Carry out a drill with ``n`` marked prints; costs what :func:`contact_point.drill.run` says."""
    report = drill.run(n, told)
    counts: dict[str, int | float | str] = {}
    for each in report.searched:
        counts[f"found, {each.place}"] = f"{each.total} of {each.looked_for}"
    for each in report.control:
        counts[f"control, {each.place}"] = f"{each.total} of {each.looked_for}"
    counts |= {f"not searched, {place}": why for place, why in report.not_searched.items()}
    return Outcome(counts | report.happened, report.violations)
