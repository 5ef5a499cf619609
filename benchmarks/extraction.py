"""How fast minutiae are extracted, and what the quality of a print is worth: ``python -m benchmarks.extraction FOLDER...``.

A folder holds images ``<finger>_<impression>.<extension>``, as for ``benchmarks.accuracy``. Times are CPU seconds of one
thread; decoding is not among them. After ``make peers`` the same images go, in the same run, through mindtct and NFIQ 2 of
NIST (NBIS), which gives the ratios.

For the quality each print has two figures: its value, and the median score of its comparisons with the other impressions
of its finger (by this matcher, so its own quality has the home ground). ``spearman`` is the rank correlation of the two.
``miss`` is the share of genuine pairs whose false match probability is above 1e-4; ``miss_after`` the same without the tenth
of the pairs whose worse print has the least value: what a quality gate is for.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import folders, machine
from matcher import Origin, Template, compare, images
from matcher.calibration import false_match_probability
from matcher.extraction import Extractor
from matcher.quality import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

THRESHOLD: Final = 1e-4
_WORST: Final = 0.1
_STDERR: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table: an extractor, or a measure of quality. ``None`` where it is not the one or the other."""

    what: str
    images: int
    cpu_seconds_an_image: float
    images_a_second_and_core: float
    spearman: float | None = None
    miss: float | None = None
    miss_after: float | None = None


@dataclass(frozen=True, slots=True)
class Print:
    """An image at 500 dpi, its finger, and its template."""

    finger: tuple[str, str]
    image: images.Image
    template: Template


class Clock:
    """CPU seconds spent in calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the call returns, and add what it took."""
        begin = time.process_time()
        try:
            return call(*arguments)
        finally:
            self.seconds += time.process_time() - begin


def figures(prints: Sequence[Print], extraction: Clock) -> list[Figures]:
    """Return the lines for prints whose extraction took so long, ours first, then those of the peers that are installed."""
    count, quality = len(prints), Clock()
    pairs = [(i, j) for i, j in itertools.combinations(range(count), 2) if prints[i].finger == prints[j].finger]
    scores = np.array([compare(prints[i].template, prints[j].template).score for i, j in pairs])
    values = np.array([quality.of(measure, each.image, each.template).value for each in prints])
    lines = [
        Figures("minutiae (LEADER)", *_speed(extraction, count)),
        Figures("quality", *_speed(quality, count), *_worth(values, pairs, scores)),
    ]
    return lines + _peers(prints, pairs, scores)


def _peers(prints: Sequence[Print], pairs: list[tuple[int, int]], scores: NDArray[np.float64]) -> list[Figures]:
    try:
        nbis: Any = importlib.import_module("nbis")
    except ImportError:
        _STDERR.print("mindtct and NFIQ 2 are not installed: make peers", markup=False)
        return []
    lines = []
    pictures = [images.write_png(each.image) for each in prints]
    for what, with_quality in (("minutiae (mindtct)", False), ("minutiae and quality (mindtct, NFIQ 2)", True)):
        settings = nbis.NbisExtractorSettings(
            min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=with_quality, ppi=500.0
        )
        extractor, clock = nbis.new_nbis_extractor(settings), Clock()
        found = []
        for picture in track(pictures, what, console=_STDERR):
            try:
                minutiae = clock.of(extractor.extract_minutiae, picture)
            except nbis.NbisError:  # NFIQ 2 gives no value for the poorest: as bad as a print can be
                found.append(0)
            else:
                found.append(minutiae.quality().score if with_quality else 0)
        values = np.array(found) if with_quality else None
        worth = () if values is None else _worth(values, pairs, scores)
        lines.append(Figures(what, *_speed(clock, len(prints)), *worth))
    return lines


def _speed(clock: Clock, count: int) -> tuple[int, float, float]:
    return count, round(clock.seconds / count, 4), round(count / clock.seconds, 2)


def _worth(
    values: NDArray[np.int64], pairs: list[tuple[int, int]], scores: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return Spearman's correlation with the median mate score, and the misses before and after the gate."""
    of_print = defaultdict(list)
    for (i, j), score in zip(pairs, scores.tolist(), strict=True):
        of_print[i].append(score)
        of_print[j].append(score)
    medians = [float(np.median(of_print[number])) for number in sorted(of_print)]
    misses = np.array(
        [false_match_probability(score, Origin.EXTRACTED, Origin.EXTRACTED) > THRESHOLD for score in scores.tolist()]
    )
    worse = np.array([min(values[i], values[j]) for i, j in pairs])
    kept = np.argsort(worse, kind="stable")[round(_WORST * len(pairs)) :]
    ranks = (_ranks(values[sorted(of_print)]), _ranks(np.array(medians)))
    return (
        round(float(np.corrcoef(*ranks)[0, 1]), 3),
        round(float(misses.mean()), 4),
        round(float(misses[kept].mean()), 4),
    )


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks from 0, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[place]


def read(paths: Sequence[Path], dpi: float | None) -> tuple[list[Print], Clock]:
    """Return the prints of these files, and the time that extracting them took."""
    extractor, clock, prints = Extractor(), Clock(), []
    for path in track(paths, "extracting", console=_STDERR):
        image = images.at_500(images.read(path.read_bytes(), dpi=folders.resolution(path) or dpi))
        finger, _ = folders.finger_and_impression(path) or ("", 0)
        prints.append(Print((str(path.parent), finger), image, clock.of(extractor.extract, image)))
    return prints, clock


def main() -> None:
    """Extract, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction", description="Speed of extraction, and the worth of the quality."
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    parser.add_argument("--dpi", type=float, help="resolution of images that no MANIFEST.tsv lists")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    arguments = parser.parse_args()
    lines = figures(*read([path for folder in arguments.folders for path in folders.prints(folder)], arguments.dpi))
    if arguments.json:
        for line in lines:
            print(json.dumps(asdict(line)))
        return
    table = Table(*(field.name for field in fields(Figures)))
    for line in lines:
        table.add_row(*("" if value is None else str(value) for value in asdict(line).values()))
    Console(width=120).print(table)
    print(machine.describe())


if __name__ == "__main__":
    main()
