"""How soon a process has searched: ``python -m benchmarks.start [--runs 5] [--cold]``.

Each run is a process of its own on a copy of the package: one that its user may write to, and one that nobody may, whose user
has no home and so no cache folder. The machine code of the search is there, by ``python -m matcher.warm``; with ``--cold`` it
is not, once each, which takes some minutes. What is printed is the median of the CPU seconds from the beginning of the
process: when the interpreter runs, when numpy, numba and the gallery's module are imported, when two people are enrolled and
when the first search has returned; last, the wall clock's seconds from before the process was started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import matcher
from benchmarks import machine
from tests.matcher.test_start import BOUND

STEPS: Final = ("interpreter", "numpy", "numba", "gallery", "enrolled", "searched", "wall clock")
RUN: Final = """
import json, sys, time
at = [time.process_time()]
import matcher
import numpy
at.append(time.process_time())
import numba
at.append(time.process_time())
from matcher import Gallery, Policy
at.append(time.process_time())
from matcher.synthesis import Finger
from matcher.warm import state
gallery = Gallery()
gallery.add_many((str(person), [Finger(7, person, 1).template()]) for person in range(2))
at.append(time.process_time())
found = gallery.search([Finger(7, 1, 1).template(1)], mask=None, policy=Policy(1e-3, 1))
assert [candidate.subject for candidate in found] == ["1"]
print(json.dumps([*at, time.process_time(), time.monotonic() - float(sys.argv[1]), state().compiled]))
"""


def run(site: Path, home: Path) -> list[float]:
    """Start a process that searches, and return what it took and how many kernels it compiled."""
    environment = {"PATH": os.defpath, "PYTHONPATH": str(site), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", BOUND, "-c", RUN, str(time.monotonic())],
        check=True, capture_output=True, text=True, env=environment, cwd=site,
    )  # fmt: skip
    return [float(value) for value in json.loads(done.stdout)]


def frozen(site: Path) -> list[float]:
    """Do the same where nobody may write to the package, for a user without a home."""
    folders = [path for path in (site, *site.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(0o555)
    try:
        return run(site, site / "nowhere")
    finally:
        for path in folders:
            path.chmod(0o755)


def show(what: str, runs: list[list[float]]) -> None:
    """Print a line of the table."""
    medians = [statistics.median(step) for step in zip(*runs, strict=True)]
    print(f"{what:28}", *(f"{value:11.2f}" for value in medians[:-1]), f"{medians[-1]:11.0f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="processes of each line")
    parser.add_argument("--cold", action="store_true", help="also without machine code")
    options = parser.parse_args()
    package = Path(matcher.__file__).parent
    subprocess.run([sys.executable, "-m", "matcher.warm"], check=True, cwd=package.parent, stdout=subprocess.DEVNULL)
    print(f"{'':28}", *(f"{step:>11}" for step in STEPS), f"{'compiled':>11}")
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        shutil.copytree(package, site / "matcher")
        show("warm", [run(site, Path(folder)) for _ in range(options.runs)])
        show("warm, read-only, no home", [frozen(site) for _ in range(options.runs)])
        if options.cold:
            shutil.rmtree(site / "matcher" / "__pycache__" / "kernels")
            show("cold, read-only, no home", [frozen(site)])
            show("cold", [run(site, Path(folder))])
    print(machine.describe())


if __name__ == "__main__":
    main()
