"""Run one proof; see :mod:`benchmarks.proof`."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import machine, proof

NAMES: Final = sorted(each.name for each in pkgutil.iter_modules(proof.__path__) if not each.name.startswith("_"))

IN_PIECES: Final = ("soak",)
"""The proofs that may be run in pieces, which add up in a file."""


def main() -> int:
    """Run the proof that is named, print what it counted, and return 1 where it found a violation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proof", description=proof.__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--n", type=int, help="how often, by default as often as the promise is made for")
    parser.add_argument("--state", type=Path, help="where a proof that takes hours adds up its pieces (soak)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    arguments = parser.parse_args()
    module = importlib.import_module(f"benchmarks.proof.{arguments.name}")
    n = module.FULL if arguments.n is None else arguments.n
    if n < 1:
        parser.error(f"--n is 1 or more; got {n}")
    if arguments.state is not None and arguments.name not in IN_PIECES:
        parser.error(f"--state is for {', '.join(IN_PIECES)}: the others are run at once")
    began, kept = time.process_time(), {} if arguments.state is None else {"state": arguments.state}
    outcome: proof.Outcome = module.prove(n, lambda text: print(text, file=sys.stderr, flush=True), **kept)
    told = {"proof": arguments.name, "n": n, **outcome.counts, "violations": len(outcome.violations)}
    told |= {"cpu_seconds": round(time.process_time() - began, 1), "machine": machine.describe()}
    if arguments.json:
        print(json.dumps(told))
    else:
        width = max(map(len, told))
        print("\n".join(f"{name:{width}}  {value}" for name, value in told.items()))
    for violation in outcome.violations:
        print(f"violation: {violation}", file=sys.stderr)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
