"""Files damaged towards code not yet reached: the readers under atheris, the second half of ``make fuzz``.

``python -m tests.fuzz.guided`` gives each reader in Python some seconds, each in a process of its own that begins with the
seeds of its format; ``python -m tests.fuzz.guided --target itl -max_total_time=600`` runs one, with libFuzzer's options. A
finding ends its target, is left in the folder of ``--keep``, and makes the exit status 1. Atheris (requirements/fuzz.in) has
wheels for Linux on x86-64, Python 3.11 to 3.14; without it nothing is run, and that is said.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: Final = ("itl", "xml", "minutiae", "finger-images", "container", "wsq", "jpeg", "message")
_SEED: Final = 1
_SECONDS: Final = 30
_MOST_SECONDS_A_FILE: Final = 10  # of the wall clock; instrumented code is slow
_MEMORY_MIB: Final = 2048
_MOST_FILES: Final = {"jpeg": 1000}
"""The instrumentation keeps about a megabyte of each file; without it the same files take no memory that stays."""

_LONGEST: Final = 16_384
_EXECUTIONS: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")
_TAIL: Final = 40


def main(arguments: Sequence[str]) -> int:
    """Run every reader, or, in the process of one, that one; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.guided", description="Fuzz the readers, guided by coverage."
    )
    parser.add_argument("--target", choices=NAMES, help="only this one; what else is given goes to libFuzzer")
    parser.add_argument("--seconds", type=int, default=_SECONDS, help=f"for each, {_SECONDS} if not given")
    parser.add_argument("--keep", type=Path, default=Path("found"), help="a folder for what is found")
    options, others = parser.parse_known_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        _say("atheris is not installed (requirements/fuzz.in; it has no wheel for this Python or system): skipped")
        return 0
    if options.target:
        _fuzz(options.target, others)
    options.keep.mkdir(parents=True, exist_ok=True)
    statuses = [_run(name, options.seconds, options.keep) for name in NAMES]
    return int(any(statuses))


def _run(name: str, seconds: int, keep: Path) -> int:
    """Run one target in a process of its own and print a line about it; return its exit status."""
    limits = (f"-max_total_time={seconds}", f"-timeout={_MOST_SECONDS_A_FILE}", f"-rss_limit_mb={_MEMORY_MIB}")
    limits += (f"-runs={_MOST_FILES[name]}",) if name in _MOST_FILES else ()
    form = (f"-max_len={_LONGEST}", f"-seed={_SEED}", "-print_final_stats=1", f"-artifact_prefix={keep}/guided-{name}-")
    command = [sys.executable, "-m", "tests.fuzz.guided", "--target", name, *limits, *form]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    told = done.stdout + done.stderr
    executions, covered = (found[-1] if (found := each.findall(told)) else "?" for each in (_EXECUTIONS, _COVERED))
    _say(f"{name:15}{executions:>9} files, {covered:>6} edges covered, exit status {done.returncode}")
    if done.returncode:
        _say("\n".join("    " + line for line in told.splitlines()[-_TAIL:]))
    return done.returncode


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fuzz(name: str, options: Sequence[str]) -> None:
    """Fuzz one target; atheris ends the process."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["contact_point", "matcher"]):
        targets = importlib.import_module("tests.fuzz.targets")
    seeds = importlib.import_module("tests.fuzz.seeds")
    jail = importlib.import_module("matcher.jail")
    place = jail.Jail()  # that none of these targets uses, and so never starts
    target = targets.TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds.all_of(target.kinds[0])):
            if len(data) <= _LONGEST:
                Path(folder, f"{number:03}").write_bytes(data)
        atheris.Setup([sys.argv[0], *options, folder], lambda data: target.outcome(data, place))
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
