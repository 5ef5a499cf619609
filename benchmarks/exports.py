"""What an export of the record costs: ``python -m benchmarks.exports [--n 100000] [--json]``.

A record of ``n`` entries in eighteen months is made, six or so to an exchange, as the store makes it but in transactions of
5,000; it is exported whole as CSV, JSON Lines and Parquet, searched, and checked with `pcsc-verify`, each in a process of its
own. What is printed is the CPU time of each process and its peak memory, less those of a process that only opens the
installation; of `pcsc-verify`, all of both, since it opens none. The ratio is to reading the record: every entry opened, and
nothing done with it. A tenth of the record comes first: memory that grows with the record shows in the difference.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks import machine
from benchmarks.proof import tamper
from contact_point import exports, inspection, installation, main, verify
from contact_point.columns import FORMS
from contact_point.installation import Plan
from pcsc import records
from pcsc.records import Direction
from pcsc.searches import Asked

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.store import Transaction

SEED: Final = 11
_TOGETHER: Final = 5000
"""Entries of a transaction."""
_SPAN: Final = timedelta(days=540)
_MIB: Final = 1024**2
_DONE: Final = ("opening", "reading", "searching", *FORMS)


def fill(here: Installation, n: int, start: datetime, step: timedelta) -> None:
    """Append ``n`` entries to an empty record, ``step`` apart, each exchange opened with its first; salts are drawn anew."""
    steps, salts = tamper.steps(), random.Random(SEED)  # noqa: S311 - salts of an example
    seen: set[str] = set()
    for begin in range(0, n, _TOGETHER):
        with here.store.transaction() as tx:
            for number in range(begin, min(begin + _TOGETHER, n)):
                _append(tx, next(steps), number, start + number * step, salts, seen)


def _append(
    tx: Transaction, step: tamper.Step, number: int, at: datetime, salts: random.Random, seen: set[str]
) -> None:
    exchange = replace(step.exchange, opened_at=at, last_event_at=at)
    if exchange.control_number not in seen:
        tx.open(replace(exchange, reference=None))  # which another match of this record would have too
        seen.add(exchange.control_number)
    if step.message is None:
        article = "8(2)" if step.event == "deletion" else "11(1)"
        note = f"candidate destroyed: entry {number}" if step.event == "deletion" else f"{step.event} done"
        entry = records.of_act(number, exchange, step.event, article=article, note=note, now=at)
    else:
        direction, committed = Direction.PROVIDED if step.ours else Direction.RECEIVED, salts.randbytes(32).hex()
        entry = records.of_message(number, exchange, step.message, direction, committed=committed, now=at)
    tx.append(entry, salts.randbytes(32).hex())


def do(what: str, root: Path) -> None:
    """Do one thing with the record, in a process that does nothing else."""
    with main.opened(root) as here:
        if what == "reading":
            with here.store.reading() as tx:
                assert sum(1 for _ in tx.record()) > 0
        elif what == "searching":
            assert sum(1 for _ in inspection.search(here, Asked(events=("deletion",)))) > 0
        elif what in FORMS:
            now = main.clock()
            form = next(form for form in FORMS if form == what)
            folder = root.parent / what
            exports.begin(here, folder, exports.plan(here, Asked(), form=form, by="C. Officer", now=now), now)
            exports.write(here, folder)


_LAUNCH: Final = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process between: a child's peak of memory counts that of the process it was made from."""


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds of CPU and its peak of memory in MiB."""
    small = [sys.executable, "-S", "-c", _LAUNCH, *command]
    cpu, peak = json.loads(subprocess.run(small, check=True, capture_output=True, text=True).stdout)
    return cpu, peak


def measure(n: int) -> dict[str, dict[str, float]]:
    """Return what each thing costs with a record of ``n`` entries."""
    with TemporaryDirectory() as folder:
        root = Path(folder, "jp")
        start = main.clock() - _SPAN
        installation.create(root, Plan(Party.JP, "JP", "127.0.0.1", 8443), start)
        with main.opened(root) as here:
            fill(here, n, start, _SPAN / n)
        found = {
            what: measured([sys.executable, "-m", "benchmarks.exports", "--do", what, str(root)]) for what in _DONE
        }
        base = found.pop("opening")
        costs = {what: {"cpu_s": cpu - base[0], "peak_mib": peak - base[1]} for what, (cpu, peak) in found.items()}
        for form in FORMS:
            files = [path.stat().st_size for path in Path(folder, form).iterdir()]
            costs[form]["written_mib"] = sum(files) / _MIB
            cpu, peak = measured(
                [
                    sys.executable,
                    "-I",
                    str(verify.__file__),
                    "export",
                    str(Path(folder, form)),
                    "--key",
                    str(root / "card.json"),
                ]
            )
            costs[f"pcsc-verify, {form}"] = {"cpu_s": cpu, "peak_mib": peak}
        for cost in costs.values():
            cost["to_reading"] = cost["cpu_s"] / costs["reading"]["cpu_s"]
        return costs


def show(n: int, costs: dict[str, dict[str, float]]) -> None:
    """Print a table."""
    print(f"\n{n:,} entries {'CPU s':>15} {'to reading':>12} {'peak MiB':>10} {'written MiB':>12}")
    for what, cost in costs.items():
        written = f"{cost['written_mib']:12.1f}" if "written_mib" in cost else ""
        print(f"{what:20} {cost['cpu_s']:12.1f} {cost['to_reading']:12.1f} {cost['peak_mib']:10.0f} {written}")


def run() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000, help="entries of the record (default: 100,000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--do", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.do:
        do(given.do[0], Path(given.do[1]))
        return
    sizes = (max(given.n // 10, 100), given.n)
    found = {n: measure(n) for n in sizes}
    if given.json:
        print(json.dumps({"machine": machine.describe(), "costs": found}))
        return
    print(machine.describe())
    for n, costs in found.items():
        show(n, costs)


if __name__ == "__main__":
    run()
