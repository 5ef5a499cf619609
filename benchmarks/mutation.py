"""How many mutants of annex/ and pcsc/ the tests notice: ``python -m benchmarks.mutation``, after ``mutmut run``.

A mutant is the code with one small change: ``<`` made ``<=``, a number one larger, an argument left out, a word of a
message in capitals. It is killed if a test fails, and survives if all tests that reach the function pass. What is printed
is one line a module, and after it the change of each survivor; ``docs/mutation.md`` says why those there are survive.

Exits with 1 where fewer than nine in ten are killed. A mutant that made its tests run out of time counts as killed, one
that no test reaches as alive.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from mutmut.stats import status_by_exit_code
from rich.console import Console
from rich.table import Table

from benchmarks import machine

MUTANTS: Final = Path("mutants")
KILLED: Final = ("killed", "timeout")
ENOUGH: Final = 0.9


def main() -> int:
    """Print the figures of the last run; return 0 where enough mutants were killed."""
    modules = {path.relative_to(MUTANTS): _statuses(path) for path in sorted(MUTANTS.rglob("*.py.meta"))}
    modules = {path: statuses for path, statuses in modules.items() if statuses}
    if not modules:
        print("no mutants here: run mutmut first, in the same folder", file=sys.stderr)
        return 1
    table = Table("module", "mutants", "killed", "timed out", "survived", "not reached", "killed %")
    for path, statuses in modules.items():
        table.add_row(str(path.with_suffix("")), *_figures(Counter(statuses.values())))
    pooled = Counter(status for statuses in modules.values() for status in statuses.values())
    table.add_row("pooled", *_figures(pooled))
    console = Console(width=120, highlight=False, markup=False)
    console.print(machine.describe(), table)
    for statuses in modules.values():
        for name in (name for name, status in statuses.items() if status not in KILLED):
            console.print(f"{name}: {statuses[name]}", *_change(name), sep="\n")
    return 0 if _share(pooled) >= ENOUGH else 1


def _statuses(path: Path) -> dict[str, str]:
    """Return what became of each mutant of one module."""
    codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return {name: status_by_exit_code[code] for name, code in codes.items()}


def _figures(statuses: Counter[str]) -> list[str]:
    counted = [statuses[status] for status in ("killed", "timeout", "survived", "no tests")]
    return [str(statuses.total()), *map(str, counted), f"{100 * _share(statuses):.1f}"]


def _share(statuses: Counter[str]) -> float:
    return sum(statuses[status] for status in KILLED) / statuses.total()


def _change(name: str) -> list[str]:
    """Return the lines that a mutant takes out and puts in."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"} and line.strip()]


if __name__ == "__main__":
    sys.exit(main())
