"""Compiled loops that turn the minutiae of a print into descriptors; :mod:`matcher.descriptors` tells the story.

Arithmetic is single precision without ``fastmath``, and uses additions, multiplications, divisions and square roots only,
which IEEE 754 rounds in one way. Every inner loop runs over outputs and never over the terms of a sum, so the compiler may
use registers of any width and the result stays the same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher._compiled import bare_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float32]

ZERO: Final = np.float32(0.0)
HALF: Final = np.float32(0.5)
ONE: Final = np.float32(1.0)
MOST: Final = np.float32(127.0)

AT_ONCE: Final = 8
"""Values of a cylinder that are projected together; a cylinder has a multiple of so many."""


class Network(NamedTuple):
    """What is learnt, and the ground it is learnt on; every array is float32."""

    cells: Real  # (3, c) across, along, 1 / square of the radius: where the cylinder is sampled
    sections: Real  # (2, s) cosine and sine of the directions it is sampled at
    focus: np.float32  # how narrow a section is
    gain: np.float32  # of the squashing
    weights: Real  # (s * c, d)
    bias: Real  # (d,)
    length: np.float32  # of the vector of a neighbourhood, in steps of a byte
    heading: np.float32  # of the vector of a direction, likewise


class Work(NamedTuple):
    """Buffers of one call."""

    ground: Real  # (c,) what a neighbour gives to each cell
    sums: Real  # (s, c) of all neighbours
    cylinder: Real  # (s * c,) the same memory
    vector: Real  # (d,)


@bare_kernel
def describe(starts: NDArray[np.int64], points: Real, network: Network, work: Work, out: NDArray[np.int8]) -> None:
    """Write the descriptor of every minutia of every print."""
    far = reach(network.cells)
    for f in range(starts.shape[0] - 1):
        for i in range(starts[f], starts[f + 1]):
            _look_around(points[starts[f] : starts[f + 1]], i - starts[f], far, network, work)
            _project(work.cylinder, network, work.vector)
            _encode(work.vector, points[i], network, out[i])


@bare_kernel
def cylinders(starts: NDArray[np.int64], points: Real, network: Network, work: Work, out: Real) -> None:
    """Write the squashed cylinder of every minutia, what the projection is learnt from."""
    far = reach(network.cells)
    for f in range(starts.shape[0] - 1):
        for i in range(starts[f], starts[f + 1]):
            _look_around(points[starts[f] : starts[f + 1]], i - starts[f], far, network, work)
            out[i] = work.cylinder


@bare_kernel
def _look_around(points: Real, i: int, far: np.float32, network: Network, work: Work) -> None:
    """Write the squashed cylinder of a minutia of the print that has these points."""
    work.sums[:] = ZERO
    for k in range(points.shape[0]):
        if k != i:
            _gather(points[i], points[k], far, network, work.ground, work.sums)
    _squash(network.gain, work.cylinder)


@bare_kernel
def reach(cells: Real) -> np.float32:
    """Return the square of the distance beyond which no cell sees a neighbour."""
    far = ZERO
    for c in range(cells.shape[1]):
        edge = math.sqrt(cells[0, c] * cells[0, c] + cells[1, c] * cells[1, c]) + ONE / math.sqrt(cells[2, c])
        far = max(far, np.float32(edge))
    return far * far


@bare_kernel
def _gather(p: Real, q: Real, far: np.float32, network: Network, ground: Real, sums: Real) -> None:
    dx = q[0] - p[0]
    dy = q[1] - p[1]
    if dx * dx + dy * dy > far:
        return
    across = dx * p[3] + dy * p[4]
    along = dy * p[3] - dx * p[4]
    cosine = q[3] * p[3] + q[4] * p[4]
    sine = q[4] * p[3] - q[3] * p[4]
    cells = network.cells
    for c in range(ground.shape[0]):
        u = cells[0, c] - across
        v = cells[1, c] - along
        near = max(ZERO, ONE - (u * u + v * v) * cells[2, c])
        ground[c] = near * near
    for s in range(sums.shape[0]):
        same = cosine * network.sections[0, s] + sine * network.sections[1, s]
        bump = ONE + network.focus * (same - ONE)
        if bump > ZERO:
            bump *= bump
            row = sums[s]
            for c in range(ground.shape[0]):
                row[c] += bump * ground[c]


@bare_kernel
def _squash(gain: np.float32, cylinder: Real) -> None:
    """Bring a sum from 0 up to between 0 and 1, in steps that a second neighbour hardly moves."""
    for q in range(cylinder.shape[0]):
        x = gain * cylinder[q]
        cylinder[q] = x / math.sqrt(ONE + x * x)


@bare_kernel
def _project(cylinder: Real, network: Network, vector: Real) -> None:
    """Write the bias and, to each of its entries in turn, add the cylinder's; :data:`AT_ONCE` of them for one store."""
    vector[:] = network.bias
    for q in range(0, cylinder.shape[0], AT_ONCE):
        h = cylinder[q : q + AT_ONCE]
        w = network.weights[q : q + AT_ONCE]
        h0, h1, h2, h3, h4, h5, h6, h7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
        for d in range(vector.shape[0]):
            value = vector[d] + h0 * w[0, d]
            value += h1 * w[1, d]
            value += h2 * w[2, d]
            value += h3 * w[3, d]
            value += h4 * w[4, d]
            value += h5 * w[5, d]
            value += h6 * w[6, d]
            vector[d] = value + h7 * w[7, d]


@bare_kernel
def _encode(vector: Real, point: Real, network: Network, out: NDArray[np.int8]) -> None:
    square = ZERO
    for d in range(vector.shape[0]):
        square += vector[d] * vector[d]
    unit = network.length / math.sqrt(square) if square > ZERO else ZERO
    for d in range(vector.shape[0]):
        out[d] = np.int8(min(MOST, max(-MOST, np.floor(vector[d] * unit + HALF))))
    last = vector.shape[0]
    out[last] = np.int8(np.floor(network.heading * point[3] + HALF))
    out[last + 1] = np.int8(np.floor(network.heading * point[4] + HALF))
