"""What the jail costs beside the decoding: ``python -m benchmarks.jail [FOLDER...] [--json]``.

Each image below the folders is decoded in three ways in turn: in this process, by a child of the jail that waited for it, and
by one forked on demand. Counted is CPU time, all of it: of this process, of the jail's, and of the child from its fork to its
end. The overhead of an image is what a way takes more than this process alone; the figures are medians over the images, each
of which is the mean of a few runs. Times by the clock are from the request to the last byte of the answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import machine
from benchmarks.folders import IMAGES
from matcher import _decoding
from matcher.images import MAX_PIXELS, MAX_SIDE, MIN_SIDE, codec_of
from matcher.jail import Jail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDERS: Final = (Path("../shared/data"),)
LIMITS: Final = {"min_side": MIN_SIDE, "max_side": MAX_SIDE, "max_pixels": MAX_PIXELS}
RUNS: Final = 5
_ROW: Final = "{:6}{:>8}" + "{:>14}" * 6
SETTLED: Final = 0.02
"""Seconds in which the jail has forked the next child."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds for one image: CPU time in all, and by the clock."""

    cpu: float
    clock: float


@dataclass(frozen=True, slots=True)
class Line:
    """Medians over the images of one codec, in milliseconds."""

    codec: str
    images: int
    in_process_cpu: float
    warm_overhead: float
    on_demand_overhead: float
    in_process_clock: float
    warm_clock: float
    on_demand_clock: float


def measured(paths: list[Path]) -> Iterator[Line]:
    """Measure every image and yield a line for each codec, then one for all."""
    costs: dict[str, list[tuple[Cost, Cost, Cost]]] = defaultdict(list)
    _decoding.warm()
    warm, on_demand = Jail(), Jail(warm=0)
    for path in paths:
        data = path.read_bytes()
        codec = codec_of(data)
        if codec is None:
            continue
        arguments = {"codec": codec, **LIMITS}
        here = _cost(lambda arguments=arguments, data=data: _decoding.decode(arguments, data), None)  # type: ignore[misc]
        there = [
            _cost(
                lambda place=place, arguments=arguments, data=data: place.ask(  # type: ignore[misc]
                    "decode", arguments, data, most=MAX_PIXELS
                ),
                place,
            )
            for place in (warm, on_demand)
        ]
        costs[codec].append((here, there[0], there[1]))
    for place in (warm, on_demand):
        place.close()
    if not costs:
        raise SystemExit("no images found: name folders with files of " + ", ".join(sorted(IMAGES)))
    for codec in sorted(costs):
        yield _line(codec, costs[codec])
    yield _line("all", [cost for each in costs.values() for cost in each])


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


def _line(codec: str, costs: list[tuple[Cost, Cost, Cost]]) -> Line:
    return Line(
        codec,
        len(costs),
        statistics.median(here.cpu for here, _, _ in costs),
        statistics.median(warm.cpu - here.cpu for here, warm, _ in costs),
        statistics.median(on_demand.cpu - here.cpu for here, _, on_demand in costs),
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
    print(_ROW.format("", "", "CPU ms:", "", "", "clock ms:", "", ""))
    print(_ROW.format("codec", "images", "in process", "+ warm", "+ on demand", "in process", "warm", "on demand"))
    for line in measured(paths):
        codec, images, *times = asdict(line).values()
        print(_ROW.format(codec, images, *(f"{each:.2f}" for each in times)))
    print(machine.describe())


if __name__ == "__main__":
    main()
