"""The codebook of the inverted file: into which cell of the descriptors' space a minutia falls, and where in it.

Descriptors are points in 64 dimensions. A tree of two levels divides the space: ``BRANCHES`` centres, and under each ``LEAVES``
finer ones, the *cells*. What a descriptor differs by from the centre of its cell, the *residual*, is told roughly by one byte
for its even dimensions and one for its odd ones: the number of the nearest of 256 entries of a *book*. So a minutia is two
bytes of cell and two of residual (:mod:`matcher._inverted`).

The numbers are learnt by ``python -m benchmarks.train.cells``, and lie in ``model/`` beside a text that says from what. They
fit one model of descriptors; where that is trained again, so must they be.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher import _model_file
from matcher.descriptors import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BRANCHES: Final = 128
LEAVES: Final = 120
"""Cells of a branch."""
CELLS: Final = BRANCHES * LEAVES
BOOKS: Final = 2
ENTRIES: Final = 256
"""Of a book."""

VERSION: Final = 1
"""Of the codebook's form; a file of another one is refused."""

CODEBOOK: Final = "cells.npz"
"""The file in ``matcher/model`` that ships; ``cells.toml`` beside it says where it comes from."""

_SHAPES: Final = {
    "branches": (BRANCHES, DIMENSIONS),
    "leaves": (CELLS, DIMENSIONS),
    "books": (BOOKS, ENTRIES, DIMENSIONS),
}


class CellsError(ValueError):
    """The file is no codebook of cells, or one of another version."""


class Cells(NamedTuple):
    """A codebook; the halves are of the squared lengths of centres and entries.

    Book b is of the dimensions b, b + 2, b + 4, ...; its entries are 0 in the others.
    """

    branches: NDArray[np.int8]  # (BRANCHES, 64) centres
    leaves: NDArray[np.int8]  # (CELLS, 64) centres, those of a branch one behind the other
    books: NDArray[np.int8]  # (2, 256, 64)
    branch_halves: NDArray[np.int32]  # (BRANCHES,)
    leaf_halves: NDArray[np.int32]  # (CELLS,)
    book_halves: NDArray[np.int32]  # (2, 256)


def cells_of(branches: NDArray[np.int8], leaves: NDArray[np.int8], books: NDArray[np.int8]) -> Cells:
    """Return the codebook with these numbers, read-only.

    Raises:
        CellsError: an array does not have its type and shape.

    """
    given = {"branches": branches, "leaves": leaves, "books": books}
    for name, shape in _SHAPES.items():
        if given[name].dtype != np.int8 or given[name].shape != shape:
            raise CellsError(
                f"{name} of a codebook of cells is int8 of shape {shape}; got {given[name].dtype} of {given[name].shape}"
            )
    codebook = Cells(
        branches.copy(), leaves.copy(), books.copy(), halves_of(branches), halves_of(leaves), halves_of(books)
    )
    for array in codebook:
        array.flags.writeable = False
    return codebook


def halves_of(centres: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return half the squared length of each row, rounded down.

    The centre nearest to a descriptor is that whose inner product with it exceeds this by most.
    """
    halves: NDArray[np.int32] = np.square(centres.astype(np.int32)).sum(axis=-1, dtype=np.int32) // np.int32(2)
    return halves


@functools.cache
def cells() -> Cells:
    """Return the codebook that ships, loaded once.

    Raises:
        CellsError: its file is damaged.

    """
    return parse((files("matcher") / "model" / CODEBOOK).read_bytes())


def parse(data: bytes) -> Cells:
    """Return the codebook in the bytes of an ``.npz`` file.

    Raises:
        CellsError: the bytes are no codebook, or not one of this version and shape.

    """
    return cells_of(**_model_file.read(data, "a codebook of cells", version=VERSION, names=_SHAPES, error=CellsError))


def serialized(codebook: Cells) -> bytes:
    """Return the file of a codebook; equal codebooks give equal bytes."""
    return _model_file.write(VERSION, {name: getattr(codebook, name) for name in _SHAPES})
