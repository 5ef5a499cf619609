"""The constants of ``matcher._parameters`` that a set of prints gives: ``python -m benchmarks.fitting FOLDER...``.

Whole prints of competitions hold thirty minutiae and more. In two prints of six much fits by chance, and such prints come
in practice: so every print is also cut to a few neighbouring minutiae (*cuttings*), and what is fitted must hold for these.

**Weights.** A logistic regression over the features of pairs whose fingers are both in the first half of their folder (in
the order of their names): mated whole prints against whole prints and cuttings of different fingers. Both classes weigh
the same in sum, so that the linear form is a log likelihood ratio. Which alignment of a pair is best depends on the
weights, so comparing and fitting alternate.

**Tail.** The scores of impostor pairs that the weights were not fitted on, whole prints and cuttings apart. Above the
score u that one in a hundred reaches the excess is taken to be exponential, P(S >= s) = 0.01 exp(-rate (s - u)). Pairs
that share a finger are not independent, so the uncertainty comes from resampling whole fingers: the constants are the 5th
percentile of the rate and the 95th of u, of whichever kind is worse. The line is then moved up until no observed score of
either kind lies above it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.accuracy import Impression, compare_all, owners, read_folder
from matcher._kernels import FEATURES
from matcher._parameters import PAIRING
from matcher.extraction import Extractor
from matcher.template import Template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ALTERNATIONS: Final = 3
RIDGE: Final = 1e-3
CUTTINGS: Final = 2
CUTTING_SIZES: Final = (3, 13)
CUTTINGS_SHARE: Final = 0.3  # of the impostors' importance
SHARE: Final = 0.01
RESAMPLES: Final = 300
SEED: Final = 2014


class Pairs(NamedTuple):
    """Every pair of prints, cuttings behind the whole ones: whose they are, of which kind, for which use."""

    one: NDArray[np.int64]  # finger
    other: NDArray[np.int64]  # finger
    mated: Mask
    whole: Mask  # both are whole prints
    train: Mask  # both fingers are in the first half


def show(prints: Sequence[Impression]) -> None:
    """Fit and print weights and tail, with what they stand on."""
    every = [*prints, *cuttings(prints)]
    pairs = _paired(every, len(prints))
    weights = PAIRING.weights
    for _ in range(ALTERNATIONS):
        weights = fitted(_compared(every, weights), pairs)
    found = _compared(every, weights)
    used = pairs.train & (pairs.whole | ~pairs.mated)
    print("weights", ", ".join(f"{weight:.4g}" for weight in weights))
    print(f"  fitted on {used.sum()} pairs, {(used & pairs.mated).sum()} of them mated")
    rate, origin = tail(found[:, FEATURES], pairs)
    print(f"tail rate={rate:.4g}, origin={origin:.4g}")
    print(machine.describe())


def cuttings(prints: Sequence[Impression]) -> list[Impression]:
    """Return of every print a few cuttings: a minutia drawn at random and those nearest to it."""
    rng = np.random.default_rng(SEED)
    whole = [(print_, print_.template) for print_ in prints if print_.template is not None and len(print_.template)]
    return [
        replace(print_, template=_cutting(template, int(rng.integers(*CUTTING_SIZES)), rng))
        for print_, template in whole
        for _ in range(CUTTINGS)
    ]


def _cutting(template: Template, size: int, rng: np.random.Generator) -> Template:
    middle = rng.integers(len(template))
    away = np.hypot(template.x - float(template.x[middle]), template.y - float(template.y[middle]))
    near = np.argsort(away, kind="stable")[:size]
    place = template.x[near], template.y[near], template.direction[near]
    return Template.of(*place, width=template.width, height=template.height)


def _paired(every: Sequence[Impression], whole: int) -> Pairs:
    probe, candidate = np.triu_indices(len(every), 1)
    owner = owners(every)
    train = np.array([print_.finger in _first_half(every, print_.folder) for print_ in every], dtype=np.bool_)
    one, other = owner[probe], owner[candidate]
    return Pairs(one, other, one == other, candidate < whole, train[probe] & train[candidate])


def _first_half(every: Sequence[Impression], folder: str) -> set[str]:
    fingers = sorted({print_.finger for print_ in every if print_.folder == folder})
    return set(fingers[: len(fingers) // 2])


def _compared(every: Sequence[Impression], weights: NDArray[np.float32]) -> Real:
    found = compare_all(every, weights)[np.triu_indices(len(every), 1)]
    return found.astype(np.float64)


def fitted(found: Real, pairs: Pairs) -> NDArray[np.float32]:
    """Return the weights that the training pairs give, the constant last."""
    kinds = [
        (pairs.train & pairs.whole & pairs.mated, 0.5),
        (pairs.train & pairs.whole & ~pairs.mated, 0.5 * (1.0 - CUTTINGS_SHARE)),
        (pairs.train & ~pairs.whole & ~pairs.mated, 0.5 * CUTTINGS_SHARE),
    ]
    rows = np.concatenate([np.flatnonzero(kind) for kind, _ in kinds])
    importance = np.concatenate([np.full(kind.sum(), share / kind.sum()) for kind, share in kinds])
    return logistic(found[rows, :FEATURES], pairs.mated[rows], importance).astype(np.float32)


def logistic(features: Real, mated: Mask, importance: Real) -> Real:
    """Return the weights, the constant last, of a ridge logistic regression; importances sum to one."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    rows = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    ridge = RIDGE * np.diag([1.0] * features.shape[1] + [0.0])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):  # Newton's method; far more than it needs
        expected = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
        slope = rows.T @ (importance * (expected - mated)) + ridge @ weights
        curve = (rows * (importance * expected * (1.0 - expected))[:, np.newaxis]).T @ rows + ridge
        weights -= np.linalg.solve(curve, slope)
    plain = weights[:-1] / spread
    return np.append(plain, weights[-1] - plain @ mean)


def tail(scores: Real, pairs: Pairs) -> tuple[float, float]:
    """Return rate and origin that hold for impostor pairs of both kinds, and print what they stand on."""
    kinds = {"whole prints": pairs.whole, "cuttings": ~pairs.whole}
    judged = {name: kind & ~pairs.mated & ~pairs.train for name, kind in kinds.items()}
    lines = {name: resampled(scores[kind], pairs.one[kind], pairs.other[kind]) for name, kind in judged.items()}
    for name, (rates, starts) in lines.items():
        print(f"  {judged[name].sum()} impostor pairs of {name}: rate {_interval(rates)}, u {_interval(starts)}")
    rate = min(float(np.quantile(rates, 0.05)) for rates, _ in lines.values())
    origin = max(float(np.quantile(starts, 0.95)) for _, starts in lines.values()) + np.log(SHARE) / rate
    for kind in judged.values():
        origin = above_all(scores[kind], rate, origin)
    for name, kind in judged.items():
        greatest = scores[kind].max()
        bound = np.exp(-rate * (greatest - origin))
        print(f"  greatest score of {name} {greatest:.3g}: tail {bound:.2g}, seen {1 / kind.sum():.2g}")
    return rate, origin


def resampled(scores: Real, one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Real, Real]:
    """Return rate and u of every resample of the fingers; a pair weighs as often as both its fingers were drawn."""
    rng = np.random.default_rng(SEED)
    order = np.argsort(-scores)
    scores, one, other = scores[order], one[order], other[order]
    fingers = int(max(one.max(), other.max())) + 1
    rates, starts = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = np.bincount(rng.integers(fingers, size=fingers), minlength=fingers)
        weight = (drawn[one] * drawn[other]).astype(np.float64)
        summed = np.cumsum(weight)
        at = int(np.searchsorted(summed, SHARE * summed[-1]))
        starts[k] = scores[at]
        rates[k] = summed[at] / (weight[: at + 1] @ (scores[: at + 1] - scores[at]))
    return rates, starts


def above_all(scores: Real, rate: float, origin: float) -> float:
    """Return the lowest origin from ``origin`` on with exp(-rate (s - origin)) >= the share of scores >= s, every s."""
    descending = np.sort(scores)[::-1]
    share = np.arange(1, len(scores) + 1) / len(scores)
    return max(origin, float(np.max(descending + np.log(share) / rate)))


def _interval(values: Real) -> str:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"{middle:.3g} (90 %: {low:.3g} to {high:.3g})"


def main() -> None:
    """Read folders of images, fit, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fitting", description="Constants of the matcher.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    extractor = Extractor()
    show([print_ for folder in parser.parse_args().folders for print_ in read_folder(folder, None, extractor)])


if __name__ == "__main__":
    main()
