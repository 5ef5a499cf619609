"""Tuned constants of the search engine, each with the benchmark that set it.

Two sets of templates served: those of ``matcher.extraction`` and another vendor's, both of the FVC2002 images in the
reference data (40 fingers of four sensors, 8 impressions each). Constants with a choice were taken from a coarse sweep in
which the model of a pair was fitted on fingers it does not show (fingers 101-105 of each sensor for 106-110, and the
reverse); few mattered, so the values are round. ``PAIRING.weights`` are fitted on fingers 101-105 only, by
``python -m benchmarks.fitting`` on the images; fingers 106-110 are left to judge by.

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
    least_chance: np.float32  # mates expected by chance, at least
    weights: NDArray[np.float32]  # of an alignment's features in its log likelihood ratio, the constant last


class Tail(NamedTuple):
    """False match probability = exp(-rate * (score - origin))."""

    rate: float
    origin: float


CYLINDER: Final = Cylinder(
    reach=np.float32(72.0),
    side=7,  # 8 cells and 6 sections lose a fifth fewer mates in stage one, for two thirds more bytes
    sections=5,
    spread=np.float32(8.0),  # 10.5 loses half as many mates again in stage one
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
    least_chance=np.float32(0.02),
    weights=np.array([0.0831, 2.381, 7.372, -1.542, -12.89], dtype=np.float32),
)

SIFT_FLOOR: Final = 45_000
"""Similarity below which the best counterpart of a minutia says nothing; 90,000 is that of equal neighbourhoods.

Among 4,000 synthetic fingers, 40,000 to 50,000 leave the same 4.3 % of mates below the best 1 %; 55,000 leaves 5.0 %.
"""

SHORTLIST: Final = 200
SHORTLIST_SHARE: Final = 0.01
"""Subjects left after stage one: so many, or this share of the view if that is more.

Of 280 FVC2002 probes among 4,000 synthetic fingers 4.3 % of the mates rank below the best 1 %, still 3.9 % below the best
5 %: more room hardly helps. Most of those have fewer than 15 minutiae.
"""

TAIL: Final = Tail(rate=1.34, origin=-4.767)
"""By ``python -m benchmarks.fitting`` on the images of FVC2002 DB1_B to DB4_B, impostor pairs of 40 fingers.

37,760 pairs of whole prints gave a rate of 1.68 (90 % interval 1.43 to 1.97), 302,080 pairs with cuttings of 3 to 12
minutiae 1.48 (1.34 to 1.61); this is the lower of the two lower ends. The greatest score seen, 3.5, has a probability of 1.5e-5
by this line and came once in 302,080 pairs. Beyond that it is extrapolation: 1e-7 at a score of 7.3, 1e-9 at 10.7. Of 3.2
million comparisons of these prints with synthetic fingers of ``matcher.synthesis`` the greatest score was 1.6.
"""

DISSENT: Final = -3.5
"""Least evidence that one of several fingers gives, ln(1/30): one mated finger in thirty is too poor to be recognised.

Of the mated FVC2002 pairs 2.4 % have a false match probability above 1e-4.
"""
