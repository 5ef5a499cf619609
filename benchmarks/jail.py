"""What the jail costs beside the decoding: ``python -m benchmarks.jail [FOLDER...] [--json]``.

Each image below the folders is decoded in three ways in turn: in this process, by a jail as it is, whose children wait and
serve again where they may, and by a jail that keeps no child from one request to the next. Counted is CPU time, all of it: of
this process, of the jail's, and of its children from their forks to their ends or to now. The overhead of an image is what a
way takes more than this process alone; the figures are medians over the images, each of which is the mean of a few runs, and
for the jail as it is their mean, too, which has in it the children that end after their last request. Times by the clock are
from the request to the last byte of the answer. The last lines are medians over all images, and those read by each kind of
task: again, by a child that may serve again, and once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import machine
from benchmarks.folders import IMAGES
from matcher import _decoding
from matcher.images import MAX_PIXELS, MAX_SIDE, MIN_SIDE, codec_of
from matcher.jail import OTHER, PLAIN, Jail, Limits
from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDERS: Final = (Path("../shared/data"),)
LIMITS: Final = Limits(MIN_SIDE, MAX_SIDE, MAX_PIXELS)
_TASKS: Final = {"plain": _decoding.plain, "decode": _decoding.decode}
RUNS: Final = 5
_ROW: Final = "{:6}{:>8}" + "{:>13}" * 7
SETTLED: Final = 0.02
"""Seconds in which the jail has forked the next child."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds for one image: CPU time in all, and by the clock."""

    cpu: float
    clock: float


Costs = tuple[Cost, Cost, Cost]
"""In this process, in the jail, and in one that keeps no child."""


@dataclass(frozen=True, slots=True)
class Line:
    """Medians over the images of one codec, or of one kind of task, in milliseconds; one figure is a mean."""

    images_of: str
    images: int
    in_process_cpu: float
    jail_overhead: float
    jail_mean_overhead: float
    fork_each_overhead: float
    in_process_clock: float
    jail_clock: float
    fork_each_clock: float


def measured(paths: list[Path]) -> Iterator[Line]:
    """Measure every image and yield a line for each codec, for each kind of task, and one for all."""
    costs: dict[str, list[Costs]] = defaultdict(list)
    kinds: dict[str, list[Costs]] = defaultdict(list)
    _decoding.warm()
    with contextlib.closing(Jail()) as jail, contextlib.closing(_KeepsNone(warm=0)) as fork_each:
        for path in paths:
            data = path.read_bytes()
            codec = codec_of(data)
            if codec is None:
                continue
            task = _task(codec, data)
            each = (
                _cost(partial(_TASKS[task], {"codec": codec, **asdict(LIMITS)}, data), None),
                _cost(partial(jail.decode, codec, data, LIMITS), jail),
                _cost(partial(fork_each.decode, codec, data, LIMITS), fork_each),
            )
            costs[codec].append(each)
            kinds["again" if task in _decoding.AGAIN else "once"].append(each)
    if not costs:
        raise SystemExit("no images found: name folders with files of " + ", ".join(sorted(IMAGES)))
    for part in (costs, kinds):
        for name in sorted(part):
            yield _line(name, part[name])
    yield _line("all", [cost for each in costs.values() for cost in each])


class _KeepsNone(Jail):
    """A jail in which each child serves one request, whatever the task."""

    def _keep(self, _child: object) -> bool:
        return False


def _task(codec: str, data: bytes) -> str:
    """Return the task that reads an image."""
    if codec not in PLAIN:
        return "decode"
    try:
        _decoding.plain({"codec": codec, **asdict(LIMITS)}, data)
    except RefusalError as refusal:
        return "decode" if refusal.letter == OTHER else "plain"
    return "plain"


def _cost(decode: Callable[[], object], place: Jail | None) -> Cost:
    decode()
    before = _settled(place) + time.process_time()
    clock = 0.0
    for _ in range(RUNS):
        start = time.perf_counter()
        decode()
        clock += time.perf_counter() - start
    cpu = time.process_time()
    cpu += _settled(place) - before
    return Cost(1e3 * cpu / RUNS, 1e3 * clock / RUNS)


def _settled(place: Jail | None) -> float:
    """Return the CPU seconds that the jail has used when it has nothing left to do."""
    if place is None:
        return 0.0
    time.sleep(SETTLED)
    return place.spent()


def _line(name: str, costs: list[Costs]) -> Line:
    return Line(
        name,
        len(costs),
        statistics.median(here.cpu for here, _, _ in costs),
        statistics.median(jail.cpu - here.cpu for here, jail, _ in costs),
        statistics.fmean(jail.cpu - here.cpu for here, jail, _ in costs),
        statistics.median(fork_each.cpu - here.cpu for here, _, fork_each in costs),
        *(statistics.median(cost[way].clock for cost in costs) for way in range(3)),
    )


def main() -> None:
    """Print the figures and the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.jail", description="What the jail costs beside the decoding."
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, default=FOLDERS, metavar="FOLDER", help="../shared/data if none"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    arguments = parser.parse_args()
    paths = [
        path
        for folder in arguments.folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGES and "malformed" not in path.parts
    ]
    if arguments.json:
        for line in measured(paths):
            print(json.dumps(asdict(line)))
        return
    print(_ROW.format("", "", "CPU ms:", "", "", "", "clock ms:", "", ""))
    print(_ROW.format("", "images", "in process", "+ jail", "(mean)", "+ fork each", "in process", "jail", "fork each"))
    for line in measured(paths):
        name, images, *times = asdict(line).values()
        print(_ROW.format(name, images, *(f"{each:.2f}" for each in times)))
    print(machine.describe())


if __name__ == "__main__":
    main()
