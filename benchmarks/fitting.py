"""The constants of ``matcher._parameters`` that a set of prints gives: ``python -m benchmarks.accuracy --fit FOLDER...``.

**Weights.** A logistic regression over the features of every pair of prints whose fingers are both in the first half of
their folder (in the order of their names); mated and other pairs weigh the same in sum, so that the linear form is a log
likelihood ratio. Which alignment of a pair is best depends on the weights, so comparing and fitting alternate.

**Tail.** The scores of impostor pairs that the weights were not fitted on. Above the score u that one in a hundred reaches
the excess is taken to be exponential, P(S >= s) = 0.01 exp(-rate (s - u)). Pairs that share a finger are not independent,
so the uncertainty comes from resampling whole fingers: the constants are the 5th percentile of the rate and the 95th of u.
The line is then moved up until no observed score lies above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks import machine
from benchmarks.accuracy import Impression, compare_all, owners
from matcher._kernels import FEATURES
from matcher._parameters import PAIRING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Real = NDArray[np.float64]

ALTERNATIONS: Final = 3
RIDGE: Final = 1e-3
SHARE: Final = 0.01
RESAMPLES: Final = 1000
SEED: Final = 2014


def show(prints: Sequence[Impression]) -> None:
    """Fit and print weights and tail, with what they stand on."""
    train = _trained_on(prints)
    probe, candidate = np.triu_indices(len(prints), 1)
    owner = owners(prints)
    mated = owner[probe] == owner[candidate]
    fitted_on = train[probe] & train[candidate]
    weights = PAIRING.weights
    for _ in range(ALTERNATIONS):
        found = compare_all(prints, weights)[probe, candidate].astype(np.float64)
        weights = logistic(found[fitted_on, :FEATURES], mated[fitted_on]).astype(np.float32)
    scores = compare_all(prints, weights)[probe, candidate, FEATURES].astype(np.float64)
    print("weights", ", ".join(f"{weight:.4g}" for weight in weights))
    print(f"  fitted on {fitted_on.sum()} pairs, {mated[fitted_on].sum()} of them mated")
    judged = ~mated & ~fitted_on
    rates, starts = resampled(scores[judged], owner[probe[judged]], owner[candidate[judged]])
    rate, start = float(np.quantile(rates, 0.05)), float(np.quantile(starts, 0.95))
    origin = above_all(scores[judged], rate, start + np.log(SHARE) / rate)
    print(f"tail rate={rate:.4g}, origin={origin:.4g}")
    print(f"  of {judged.sum()} impostor pairs; rate {_interval(rates)}, u {_interval(starts)}, {RESAMPLES} resamples")
    print(
        f"  greatest impostor score {scores[judged].max():.4g}, where the tail gives "
        f"{np.exp(-rate * (scores[judged].max() - origin)):.2g} and {1 / judged.sum():.2g} was seen"
    )
    print(machine.describe())


def _trained_on(prints: Sequence[Impression]) -> NDArray[np.bool_]:
    """Return which prints are of a finger in the first half of its folder."""
    halves: dict[str, set[str]] = {}
    for folder in {print_.folder for print_ in prints}:
        fingers = sorted({print_.finger for print_ in prints if print_.folder == folder})
        halves[folder] = set(fingers[: len(fingers) // 2])
    return np.array([print_.finger in halves[print_.folder] for print_ in prints], dtype=np.bool_)


def logistic(features: Real, mated: NDArray[np.bool_]) -> Real:
    """Return the weights, the constant last, of a ridge logistic regression with both classes weighing the same."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    rows = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    importance = np.where(mated, 0.5 / mated.sum(), 0.5 / (~mated).sum())
    ridge = RIDGE * np.diag([1.0] * features.shape[1] + [0.0])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):  # Newton's method; far more than it needs
        expected = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
        slope = rows.T @ (importance * (expected - mated)) + ridge @ weights
        curve = (rows * (importance * expected * (1.0 - expected))[:, np.newaxis]).T @ rows + ridge
        weights -= np.linalg.solve(curve, slope)
    plain = weights[:-1] / spread
    return np.append(plain, weights[-1] - plain @ mean)


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
