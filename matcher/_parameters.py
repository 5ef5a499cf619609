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


class Pairing(NamedTuple):
    """How minutiae of two prints are paired and prints aligned."""

    pairs: int  # kept for the vote
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
    likeness_unit: np.float32  # one over the similarity of equal neighbourhoods, directions left out
    likeness_floor: np.float32  # share of it that strangers reach
    shown_at_border: np.float32  # share of a reliable minutia's reliability at a hull's border,
    shown_depth: np.float32  # pixels inside over which it grows by one
    stranger_alone: np.float32  # share of minutiae without a mate where strangers overlap
    coherence_reach: np.float32  # pixels within which mates are displaced alike
    coherence: np.float32  # pixels by which they may differ
    weights: NDArray[np.float32]  # of an alignment's features in its log likelihood ratio, the constant last


class Reliability(NamedTuple):
    """How probably another impression shows a minutia: two rows each, of what is known and of the probability."""

    by_quality: tuple[tuple[float, ...], tuple[float, ...]]
    by_distance: tuple[tuple[float, ...], tuple[float, ...]]  # pixels to the nearest other minutia
    marked: float


class Cascade(NamedTuple):
    """How much each stage of a search lets through."""

    skim_from: int  # fingers, more than which are skimmed first
    skimmed: int  # fingers left by that,
    skimmed_share: float  # or this share of them if that is more
    floor: int  # similarity that a minutia's best counterpart must exceed to say anything
    few: int  # minutiae added to a finger's number, so that a handful does not score high by chance
    fingers: int  # of a probe that stage one looks for in every subject
    related: int  # comparisons in stage two,
    related_share: float  # or this share of the subjects searched if that is more
    verified: int  # comparisons in stage three,
    verified_share: float


class Tail(NamedTuple):
    """False match probability = exp(-rate * (score - origin))."""

    rate: float
    origin: float


PAIRING: Final = Pairing(
    pairs=64,
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
    likeness_unit=np.float32(1.0 / 40_000.0),
    likeness_floor=np.float32(0.6),
    shown_at_border=np.float32(0.6),
    shown_depth=np.float32(40.0),
    stranger_alone=np.float32(0.85),
    coherence_reach=np.float32(40.0),
    coherence=np.float32(6.0),
    weights=np.array([0.035, 2.908, -1.016, 4.015, 0.3407, 0.2069, -5.749], dtype=np.float32),
)

CASCADE: Final = Cascade(
    skim_from=50_000,
    skimmed=5_000,
    skimmed_share=0.03,
    floor=29_900,
    few=4,
    fingers=3,
    related=1_000,
    related_share=0.001,
    verified=100,
    verified_share=0.0001,
)

STANDS_OUT: Final = 0.05
"""A candidate's false match probability is at most this share of that of the best subject that is no candidate."""

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

RELIABILITY: Final = Reliability(
    by_quality=((55.0, 65.0, 75.0, 82.0, 87.0, 92.0, 97.0), (0.67, 0.68, 0.80, 0.88, 0.94, 0.97, 0.98)),
    by_distance=((3.0, 7.0, 9.0, 11.0, 13.5, 17.5, 25.0, 40.0), (0.48, 0.64, 0.69, 0.80, 0.87, 0.93, 0.96, 0.98)),
    marked=0.9,
)
