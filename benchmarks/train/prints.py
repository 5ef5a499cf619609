"""Synthetic prints to train on: impressions of fingers of nobody, rendered as pictures and read by our own extractor.

    python -m benchmarks.train.prints FOLDER --fingers 281 --impressions 4

Each finger becomes one file ``<seed>_<finger>.npz`` with the minutiae of its impressions one behind the other; a file that is
there already is not made again. A picture takes about 0.5 s of CPU time to render and 0.25 s to read. The training fingers are
persons from 0 up of seed :data:`SEED`. Benchmarks use that seed for templates straight from the model, which share a
finger's class and size with its picture, and not its minutiae.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher.extraction import Extractor
from matcher.images import Image
from matcher.synthesis import HEIGHT, WIDTH, Finger
from matcher.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED: Final = 2014
"""Of the training population."""

_COLUMNS: Final = ("x", "y", "direction", "kind", "quality")


def make(folder: Path, extractor: Extractor, *, seed: int, finger: int, impressions: int) -> Path:
    """Render and read the impressions of one finger unless its file is there, and return the file."""
    path = folder / f"{seed}_{finger:05d}.npz"
    if path.exists():
        return path
    # Ten persons in a row show all ten positions once.
    person = Finger(seed, finger, finger % 10 + 1)
    found = [extractor.extract(Image(person.image(number), 500.0)) for number in range(impressions)]
    columns = {"sizes": np.array([len(template) for template in found], dtype=np.int64)}
    columns |= {name: np.concatenate([getattr(template, name) for template in found]) for name in _COLUMNS}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **columns)
    unfinished.replace(path)  # an interruption leaves no half file under the name that is looked for
    return path


def read(path: Path) -> list[Template]:
    """Return the templates of one file's impressions."""
    with np.load(path, allow_pickle=False) as file:
        cuts = np.cumsum(file["sizes"])[:-1]
        columns = [np.split(file[name], cuts) for name in _COLUMNS]
    return [
        Template.of(x, y, direction, width=WIDTH, height=HEIGHT, kind=kind, quality=quality)
        for x, y, direction, kind, quality in zip(*columns, strict=True)
    ]


def fingers(folder: Path, *, seed: int = SEED, limit: int | None = None) -> Iterator[list[Template]]:
    """Yield the impressions of each finger of the folder, in their order, at most so many fingers."""
    for path in sorted(folder.glob(f"{seed}_*.npz"))[:limit]:
        yield read(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train.prints", description="Render and read synthetic prints to train on."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the prints are kept")
    parser.add_argument("--fingers", type=int, default=281, help="as many as the model that ships has learnt from")
    parser.add_argument("--impressions", type=int, default=4, help="of each finger")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> None:
    """Make what is not there."""
    arguments = _arguments()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    extractor = Extractor(places=arguments.threads)

    def one(finger: int) -> Path:
        return make(arguments.folder, extractor, seed=arguments.seed, finger=finger, impressions=arguments.impressions)

    with ThreadPoolExecutor(arguments.threads) as pool:
        made = list(pool.map(one, range(arguments.fingers)))
    print(f"{len(made)} fingers in {arguments.folder}")


if __name__ == "__main__":
    main()
