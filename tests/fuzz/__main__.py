"""Damaged files by the hundred thousand: ``python -m tests.fuzz``, the first half of ``make fuzz``.

Prints what came of the files of each target, in how much CPU time the slowest was read or refused, how long bombs take to be
refused, and what was found. Exits with 1 where anything was found: an exception that the reader does not document, the
death of a process, more than 2 seconds of CPU time, a stored case with another outcome than before, or a bomb that is
refused late. With ``--keep`` each finding is made small and written there with its traceback.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import machine
from tests.fuzz import bombs, cases
from tests.fuzz.run import Finding, Tally, again, file_of, run, smallest
from tests.fuzz.targets import READ, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FILES: Final = 100_000
_SHOWN: Final = 12


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit status."""
    options = _options(arguments)
    begun = time.monotonic()
    targets = {name: TARGETS[name] for name in options.target or TARGETS}
    tallies = run(options.files, seed=options.seed, jobs=options.jobs, targets=targets)
    found = _by_sameness(finding for tally in tallies.values() for finding in tally.findings)
    refused = bombs.timed()
    wrong = cases.wrong()
    report = {
        "machine": machine.describe(),
        "seed": options.seed,
        "files": sum(tally.files for tally in tallies.values()),
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(sum(tally.cpu_seconds for tally in tallies.values()), 1),
        "targets": {name: _told(tally) for name, tally in tallies.items()},
        "bombs": [dataclasses.asdict(bomb) for bomb in refused],
        "replayed": {"stored cases": len(cases.stored()), "crashers of another decoder": len(cases.crashers())},
        "replayed_wrongly": wrong,
        "findings": [{**dataclasses.asdict(group[0]), "count": len(group)} for group in found],
    }
    sys.stdout.write((json.dumps(report, indent=1) if options.json else _shown(report)) + "\n")
    if options.keep:
        _keep(options.keep, options.seed, [group[0] for group in found])
    return 1 if found or wrong or any(bomb.late for bomb in refused) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Read damaged files of every format.")
    parser.add_argument("--files", type=int, default=_FILES, help=f"how many, {_FILES} if not given")
    parser.add_argument("--seed", type=int, default=1, help="another number gives other files")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given again")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--keep", type=Path, help="a folder for what is found, made small")
    return parser.parse_args(arguments)


def _by_sameness(findings: Iterable[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.same, []).append(finding)
    return list(groups.values())


def _told(tally: Tally) -> dict[str, Any]:
    outcomes = dict(tally.outcomes.most_common())
    read = outcomes.pop(READ, 0)
    slow, number = tally.slowest
    return {
        "files": tally.files,
        "read": read,
        "refused": {name: count for name, count in outcomes.items() if name not in {"finding", "death"}},
        "findings": len(tally.findings),
        "killed_at_number": tally.killed,
        "slowest_cpu_ms": round(slow, 1),
        "slowest_number": number,
        "cpu_seconds": round(tally.cpu_seconds, 1),
    }


def _shown(report: dict[str, Any]) -> str:
    seconds = f"{report['seconds']} s, of them CPU in readers {report['cpu_seconds']} s"
    head = f"{'target':17}{'files':>8}{'read':>8}{'slowest ms':>12}{'CPU s':>8}{'findings':>10}  refused"
    lines = [f"{report['files']} damaged files, seed {report['seed']}: {seconds}", report["machine"], "", head]
    for name, told in report["targets"].items():
        refused = ", ".join(f"{kind} {count}" for kind, count in told["refused"].items())
        lines.append(
            f"{name:17}{told['files']:>8}{told['read']:>8}{told['slowest_cpu_ms']:>12.1f}{told['cpu_seconds']:>8.1f}"
            f"{told['findings']:>10}  {refused}"
        )
    lines += ["", "bombs, CPU ms until refused"]
    for bomb in report["bombs"]:
        late = "  LATE OR WRONG" if bomb["late"] else ""
        lines.append(f"{bomb['cpu_ms']:>8.1f}  {bomb['name']} ({bomb['bytes']} bytes): {bomb['outcome']}{late}")
    lines += ["", "replayed: " + ", ".join(f"{count} {name}" for name, count in report["replayed"].items())]
    lines += [f"WRONG {each}" for each in report["replayed_wrongly"]]
    for finding in report["findings"]:
        name = f"{finding['target']}, file {finding['number']}"
        lines.append(f"FOUND {finding['count']} times, first in {name}: {finding['what']} at {finding['where']}")
        lines += ["    " + line for line in finding["text"].splitlines()[-_SHOWN:]]
    return "\n".join([*lines, f"{len(report['findings'])} findings"])


def _keep(folder: Path, seed: int, findings: Iterable[Finding]) -> None:
    """Write the file of each finding, made small, with the traceback beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for finding in findings:
        target = TARGETS[finding.target]
        data = file_of(target, seed, finding.number)
        found = again(target, data)
        if found is not None and found.same == finding.same:
            data = smallest(target, data, finding)
        name = f"{finding.target.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:8]}"
        (folder / f"{name}.bin").write_bytes(data)
        text = f"{finding.what} at {finding.where}; seed {seed}, file {finding.number}\n\n{finding.text}"
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        sys.stderr.write(f"kept {folder / name}.bin, {len(data)} bytes\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
