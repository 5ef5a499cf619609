"""Tuned constants of the search engine, each with the benchmark that set it.

Two sets of templates served: those of ``matcher.extraction`` and another vendor's, both of the FVC2002 images in the
reference data (40 fingers of four sensors, 8 impressions each). What is fitted is fitted on fingers 101-105 of each sensor;
106-110 are left to judge by. Constants with a choice were taken from coarse sweeps on both halves; few mattered, so the values
are round. The figures are in ``docs/matcher.md``.

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
    floor_turned: int  # the same where directions are not compared
    few: int  # minutiae added to a finger's number, so that a handful does not score high by chance
    fingers: int  # of a probe that stage one looks for in every subject
    captures: int  # of one subject that a probe of one print may be compared with in stage two
    related: int  # comparisons in stage two,
    related_share: float  # or this share of the subjects searched if that is more
    benefit: float  # of the doubt: added to stage one's score where stage two multiplies it
    verified: int  # comparisons in stage three,
    verified_share: float


class Tail(NamedTuple):
    """False match probability = exp(-rate * (score - origin))."""

    rate: float
    origin: float


# ``benchmarks.accuracy``: reach 9 or 14, twice the seeds or pairs, and five rounds gave nothing; a slope of .08 lost mates.
# ``benchmarks.fitting``: the weights, and what the shares of strangers are. ``benchmarks.train.descriptors``: the unit.
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
    weights=np.array([0.043, 5.038, -0.8924, 3.131, 0.1822, 0.05091, -1.289, 0.2376, 0.9459, -9.818], dtype=np.float32),
)

CASCADE: Final = Cascade(
    skim_from=50_000,  # benchmarks.search: where skimming begins to cost less than sifting all
    skimmed=5_000,
    skimmed_share=0.03,  # benchmarks.train.cells: keeps 99.8 % of the mates that sifting all has in its best .1 %
    floor=29_900,  # benchmarks.train.descriptors: .55 of the greatest similarity
    floor_turned=20_000,  # tests of latent cuttings: 18,000 to 22,000 serve equally well, 29,900 loses a third of 8 minutiae
    few=4,
    fingers=3,
    captures=10,
    related=1_000,  # of 280 mates among 20,000 the worst has rank 15 in stage one
    related_share=0.001,
    benefit=100.0,
    verified=100,  # and 24 after stage two
    verified_share=0.0001,
)

STANDS_OUT: Final = 0.05
"""A candidate's false match probability is at most this share of that of the best subject that the policy's rate does not bear.

Between strangers the best exceeds the second by so much in one search of twenty, whatever the size of the gallery, since the
spacing of the greatest of many exponential values is exponential. It holds back a candidate where somebody beyond the rate
comes near; two whom the rate bears do not hinder each other, so one who is enrolled twice is usually found twice.
"""

TAILS: Final = (
    Tail(rate=2.022, origin=-3.896),
    Tail(rate=2.073, origin=-4.040),
    Tail(rate=0.8363, origin=-5.522),
)
"""Of scores of prints of different fingers, by how many of the two are of another maker or marked by an examiner.

By ``python -m benchmarks.fitting``, on FVC2002 fingers 106-110 of four sensors, on which no weights were fitted; medians and
90 % intervals by resampling fingers. *Both ours*: 37,760 pairs of whole prints, rate 2.28 (1.44 to 4.23); 49,920 with cuttings
of 8 to 20 minutiae, 2.50 (1.89 to 3.87); 400,000 with synthetic prints, 2.38 (2.02 to 2.76), whose lower end is the rate;
greatest score 1.07. *One of another maker*: 75,520, 3.29 (2.65 to 4.31); 99,840, 2.71 (2.12 to 3.42); 400,000, 2.45 (2.07 to
2.82); greatest .56. *Both*: 37,760, 2.48 (1.67 to 5.11); 49,920, 1.81 (.84 to 3.26), one pair of fingers of which reaches
4.31, so this line asks much: 16 % of mates are above 1e-4 by it, against .7 % of ours. Beyond about 1e-5 all three are
extrapolation.
"""

DISSENT: Final = -3.5
"""Least evidence that one of several fingers gives, ln(1/30): one mated finger in thirty is too poor to be recognised.

Of the mated FVC2002 pairs of fingers 106-110 .7 % have a false match probability above 1e-4, 2.5 % above 1e-6.
"""

# benchmarks.fitting, prints of fingers 101-105; nothing is surer than .98, because skin may be hurt since.
RELIABILITY: Final = Reliability(
    by_quality=((55.0, 65.0, 75.0, 82.0, 87.0, 92.0, 97.0), (0.67, 0.68, 0.80, 0.88, 0.94, 0.97, 0.98)),
    by_distance=((3.0, 7.0, 9.0, 11.0, 13.5, 17.5, 25.0, 40.0), (0.48, 0.64, 0.69, 0.80, 0.87, 0.93, 0.96, 0.98)),
    marked=0.9,
)
