"""Tuned constants of the search engine, each with the benchmark that set it.

Two sets of templates served: those of ``matcher.extraction`` and another vendor's, both of the FVC2002 images in the
reference data (40 fingers of four sensors, 8 impressions each). Constants with a choice were taken from a coarse sweep in
which the model of a pair was fitted on fingers it does not show (fingers 101-105 of each sensor for 106-110, and the
reverse); few mattered, so the values are round. ``PAIRING.weights`` are fitted on fingers 101-105 only, by
``python -m benchmarks.accuracy --fit``; fingers 106-110 are left to judge by.

Numbers are single precision, as the kernels compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Cylinder(NamedTuple):
    """The neighbourhood of a minutia: a ground of square cells under sections of direction."""

    reach: np.float32  # pixels, radius of the ground
    side: int  # cells across it
    sections: int  # of a full turn
    spread: np.float32  # pixels, standard deviation in place
    turn_spread: np.float32  # radians, in direction
    gain: np.float32  # of the squashing
    faint: np.float32  # share of a neighbour that a cell may leave out
    length: np.float32  # of a descriptor's cylinder part, in steps of its bytes
    heading: np.float32  # of its direction part, likewise


class Pairing(NamedTuple):
    """How minutiae of two prints are paired and prints aligned."""

    pairs: int  # kept for the vote
    per_minutia: int  # of them, at most, unless equal
    near: np.float32  # pixels two pairs may disagree in distance, and
    slope: np.float32  # more for each pixel of it
    turn: np.float32  # radians they may disagree in direction
    sweeps: int  # of the vote
    seeds: int  # alignments tried
    rounds: int  # of mating in each
    lever: np.float32  # square pixels: weight of a direction in a fit
    reach: np.float32  # pixels between mates, and
    reach_slope: np.float32  # more for each pixel from the middle of the mated area
    reach_turn: np.float32  # radians between mates
    border: np.float32  # pixels inside a hull where a minutia without a mate does not count yet
    weights: NDArray[np.float32]  # of an alignment's features in its log likelihood ratio, the constant last


class Tail(NamedTuple):
    """False match probability = exp(-rate * (score - origin))."""

    rate: float
    origin: float


CYLINDER: Final = Cylinder(
    reach=np.float32(72.0),
    side=7,  # 8 cells and 6 sections gain a twentieth in stage one for two thirds more bytes
    sections=5,
    spread=np.float32(8.0),  # 10.5 loses a third more mates in stage one at the same 1 % of impostors
    turn_spread=np.float32(0.7),
    gain=np.float32(1.0),
    faint=np.float32(1e-3),
    length=np.float32(300.0),
    heading=np.float32(40.0),
)

PAIRING: Final = Pairing(
    pairs=64,
    per_minutia=3,
    near=np.float32(10.0),
    slope=np.float32(0.1),
    turn=np.float32(0.5),
    sweeps=5,
    seeds=4,
    rounds=3,
    lever=np.float32(400.0),
    reach=np.float32(11.0),
    reach_slope=np.float32(0.05),
    reach_turn=np.float32(0.45),
    border=np.float32(0.5),
    weights=np.array([12.71, 9.663, 19.05, -1.044, -22.16], dtype=np.float32),
)

SIFT_FLOOR: Final = 45_000

SHORTLIST: Final = 200
SHORTLIST_SHARE: Final = 0.01

TAIL: Final = Tail(rate=1.62, origin=-4.624)

DISSENT: Final = -3.5

LEAST_MINUTIAE: Final = 6
