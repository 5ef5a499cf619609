"""Train the codebook of ``matcher.cells``: ``python -m benchmarks.train.cells [--out matcher/model/cells.npz]``.

Cells are learnt from synthetic fingers straight from the model of ``matcher.synthesis``, as ``matcher.descriptors`` describes
them: so train this again whenever the descriptors were trained again. ``--fingers`` are persons from 0 up of a population
of their own (:data:`PEOPLE`), ten fingers each, among whom no benchmark searches. ``--prints`` adds the synthetic prints
that ``benchmarks.train.prints`` has rendered and read, and ``--data`` the first half of the fingers of each set of FVC2002,
``--times`` over.

**Branches.** Lloyd's k-means over a part of the descriptors, from centres drawn among them. **Leaves.** The same within
each branch. **Books.** The same over what descriptors differ by from the centre of their cell, even dimensions and odd
dimensions apart.

Everything is integers, sums too, and centres are rounded to bytes: the same descriptors give the same file on every machine.
About 40 s of CPU time, most of it for the fingers, and 0.5 GB.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks import machine
from benchmarks.train import descriptors as training
from matcher import descriptors
from matcher._compiled import bare_kernel
from matcher._inverted import _cell_of, _nearest_of
from matcher.cells import BOOKS, BRANCHES, ENTRIES, LEAVES, VERSION, Cells, cells_of, halves_of, serialized
from matcher.descriptors import DIMENSIONS
from matcher.synthesis import population

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher.template import Template

SEED: Final = 2014
"""Of the draws of centres."""

PEOPLE: Final = 2019
"""Seed of the persons who are learnt from; the benchmarks enrol and search others, so their figures are held out."""

ROUNDS: Final = 12
"""Of k-means."""

FOR_BRANCHES: Final = 200_000
"""Descriptors that the branches are learnt from."""

FOR_BOOKS: Final = 100_000
"""Residuals that the books are learnt from."""


# --- k-means -----------------------------------------------------------------------------------------------------------


def codebook_of(rows: NDArray[np.int8]) -> Cells:
    """Return the codebook that descriptors, int8 (n, 64), give.

    Raises:
        ValueError: there are too few of them for so many cells.

    """
    rng = np.random.default_rng(SEED)
    wide = rows.astype(np.int16)
    branches = clusters(_drawn(wide, FOR_BRANCHES, rng), BRANCHES, rng)
    branch = nearest(wide, branches)
    leaves = np.concatenate([clusters(wide[branch == b], LEAVES, rng) for b in range(BRANCHES)])
    books = np.zeros((BOOKS, ENTRIES, DIMENSIONS), dtype=np.int8)
    unfinished = cells_of(branches, leaves, books)
    residuals = _residuals(unfinished, _drawn(wide, FOR_BOOKS, rng))
    for b in range(BOOKS):
        books[b] = book(np.where(np.arange(DIMENSIONS) % BOOKS == b, residuals, 0).astype(np.int16), rng)
    return cells_of(branches, leaves, books)


def _drawn(rows: NDArray[np.int16], most: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return so many rows drawn without repetition, or all, in their order."""
    return rows[np.sort(rng.permutation(len(rows))[:most])]


def clusters(rows: NDArray[np.int16], count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Return so many centres by Lloyd's k-means.

    Raises:
        ValueError: there are fewer rows.

    """
    if len(rows) < count:
        raise ValueError(f"{count} centres need as many descriptors or more; got {len(rows)}: train on more fingers")
    centres = _drawn(rows, count, rng).astype(np.int8)
    for _ in range(ROUNDS):
        centres = _means(rows, nearest(rows, centres), centres)
    return centres


def book(residuals: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int8]:
    """Return the entries of a book, which are clusters of residuals."""
    return clusters(residuals.clip(-127, 127).astype(np.int16), ENTRIES, rng)


def nearest(rows: NDArray[np.int16], centres: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the number of the centre nearest to each row."""
    out = np.zeros(len(rows), dtype=np.int64)
    _nearest(rows, centres, halves_of(centres), out)
    return out


def _means(rows: NDArray[np.int16], number: NDArray[np.int64], centres: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the mean of the rows of each centre, rounded to bytes; a centre without rows stays."""
    sums = np.zeros(centres.shape, dtype=np.int64)
    counts = np.zeros((len(centres), 1), dtype=np.int64)
    _sum(rows, number, sums, counts)
    means = ((2 * sums + counts) // np.maximum(2 * counts, 1)).clip(-127, 127)
    return np.where(counts > 0, means, centres).astype(np.int8)


def _residuals(codebook: Cells, rows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return what rows differ by from the centre of their cell."""
    cells = np.zeros(len(rows), dtype=np.int64)
    _locate(codebook, rows, np.zeros(BRANCHES, dtype=np.int32), cells)
    return rows - codebook.leaves[cells]


@bare_kernel
def _nearest(
    rows: NDArray[np.int16], centres: NDArray[np.int8], halves: NDArray[np.int32], out: NDArray[np.int64]
) -> None:
    for n in range(rows.shape[0]):
        out[n] = _nearest_of(centres, halves, rows[n])


@bare_kernel
def _locate(codebook: Cells, rows: NDArray[np.int16], near: NDArray[np.int32], out: NDArray[np.int64]) -> None:
    for n in range(rows.shape[0]):
        out[n] = _cell_of(codebook, rows[n], near)


@bare_kernel
def _sum(
    rows: NDArray[np.int16], number: NDArray[np.int64], sums: NDArray[np.int64], counts: NDArray[np.int64]
) -> None:
    for n in range(rows.shape[0]):
        counts[number[n], 0] += 1
        for d in range(rows.shape[1]):
            sums[number[n], d] += rows[n, d]


# --- prints ------------------------------------------------------------------------------------------------------------


def synthetic(fingers: int) -> NDArray[np.int8]:
    """Return the descriptors of so many fingers of the persons to learn from."""
    people = population(PEOPLE, -(-fingers // 10))
    return _described([template for person in people for template in person][:fingers])


def _described(templates: list[Template]) -> NDArray[np.int8]:
    starts, points = training.packed(templates)
    return descriptors.describe(starts, points)


def gathered(arguments: argparse.Namespace) -> tuple[NDArray[np.int8], list[str]]:
    """Return the descriptors to train on, and what they are of, in words of the provenance."""
    parts = [synthetic(arguments.fingers)]
    said = [f"synthetic_fingers = {arguments.fingers}", f"synthetic_minutiae = {len(parts[0])}"]
    if arguments.prints is not None:
        read = training.synthetic_prints(arguments.prints)
        parts.append(descriptors.describe(read.starts, read.points))
        said.append(f"rendered_readings = {len(read.starts) - 1}")
    if arguments.data is not None:
        real, first = training.real_prints(arguments.data)
        used = np.repeat(first, np.diff(real.starts))
        parts += [descriptors.describe(real.starts, real.points)[used]] * arguments.times
        said.append(f"real_readings = {np.count_nonzero(first)}  # fingers of the first half of each set")
    return np.concatenate(parts), said


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train.cells", description="Train the inverted file.")
    parser.add_argument("--fingers", type=int, default=20_000, help="synthetic fingers straight from the model")
    parser.add_argument("--prints", type=Path, help="folder of benchmarks.train.prints")
    parser.add_argument("--data", type=Path, help="folder of the sets of FVC2002")
    parser.add_argument("--times", type=int, default=8, help="how often each real reading counts")
    parser.add_argument("--out", type=Path, default=Path("matcher/model/cells.npz"))
    return parser.parse_args()


def main() -> None:
    """Train, and write the codebook and where it comes from."""
    arguments = _arguments()
    rows, said = gathered(arguments)
    content = serialized(codebook_of(rows))
    arguments.out.write_bytes(content)
    command = "python -m benchmarks.train.cells"
    command += f" --fingers {arguments.fingers}"
    command += " --prints PRINTS" * (arguments.prints is not None)
    command += f" --data DATA --times {arguments.times}" * (arguments.data is not None)
    lines = [
        "# The codebook of matcher.cells; made, not written.",
        f'command = "{command}"',
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        f"version = {VERSION}",
        f'machine = "{machine.describe()}"',
        *said,
        f'descriptors_sha256 = "{hashlib.sha256(rows.tobytes()).hexdigest()}"  # of all that was learnt from, int8 (n, 64)',
    ]
    arguments.out.with_suffix(".toml").write_text("\n".join(lines) + "\n", encoding="ascii")
    mean = _distortion(rows)
    print(f"{len(rows)} descriptors of mean squared length {mean:.0f}; {arguments.out}, {len(content)} bytes")


def _distortion(rows: NDArray[np.int8]) -> float:
    return float(np.square(rows[:FOR_BOOKS].astype(np.float64)).sum(axis=1).mean())


if __name__ == "__main__":
    main()
