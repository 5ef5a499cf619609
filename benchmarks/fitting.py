"""The constants of ``matcher._parameters`` that a set of prints gives: ``python -m benchmarks.fitting FOLDER...``.

A folder holds images and, beside them, the templates another maker's extractor found in them, as ``benchmarks.accuracy``
reads them: each impression serves twice. Two more kinds of pairs are made of them. Whole prints of competitions hold thirty
minutiae and more; in few much fits by chance, and few come in practice: so every print is also cut to 8 to 20 neighbouring
minutiae (*cuttings*). And a print seen in a mirror is that of a stranger, as real as any (*mirrored*), of whom there are never
enough.

**Reliability.** Of minutiae inside the hulls of two mated prints laid on each other, the share that has a mate, by the quality
that our extractor gives them, and by the distance of the nearest neighbour for another maker's.

**Weights.** A logistic regression over the features of pairs whose fingers are both in the first half of their folder (in
the order of their names). Pairs of one maker, the other, and one against the other weigh the same, cuttings half as much as
whole prints, which are what is mostly compared, and mates as much as strangers, so that the linear form is a log likelihood
ratio. Half of the strangers' weight is on the hundredth of them that scores highest: what mostly happens is easily told,
what matters is the tail. Which alignment of a pair is best depends on the weights, so comparing and fitting alternate.

**Tails.** The scores of impostor pairs of the other half, which nothing was fitted on, for every pair of makers. Above the
score u that one in a thousand reaches the excess is taken to be exponential, P(S >= s) = 0.001 exp(-rate (s - u)). Pairs
that share a finger are not independent, so the uncertainty comes from resampling whole fingers, on both sides: the constants
are the 5th percentile of the rate and the 95th of u, of whichever kind of pairs is worse. Where one side is our extractor's,
the rate is that of real prints among synthetic ones, of which there are enough to see a tail (``benchmarks.false_candidates
--validate`` shows that it is like that of real ones). The line is then moved up until no observed score, real or
synthetic, lies above it.
"""

from __future__ import annotations

import argparse
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks import backgrounds, machine
from benchmarks.accuracy import Impression, read_folder
from matcher._kernels import EVIDENCE, FEATURES
from matcher._parameters import PAIRING
from matcher.comparison import compare, pack, pack_probe, verify
from matcher.extraction import Extractor
from matcher.reliability import nearest_neighbour
from matcher.template import Origin, Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.backgrounds import Block

    Real = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ALTERNATIONS: Final = 2
RIDGE: Final = 1e-4
CUTTING_SIZES: Final = (8, 21)
CUTTING_WEIGHT: Final = 0.5  # of all cuttings where whole prints weigh 1
TAIL_SHARE: Final = 0.01  # of the strangers, those that half of their weight is on
SHARE: Final = 0.001  # of the strangers, those that a tail is fitted to
STRANGERS: Final = 500  # synthetic people, of ten fingers each
RESAMPLES: Final = 300
SEED: Final = 2014
SURE: Final = 4.0  # score from which two prints are laid on each other rightly
QUALITIES: Final = (0, 55, 60, 70, 80, 85, 90, 95, 101)
DISTANCES: Final = (0, 6, 8, 10, 12, 15, 20, 30, 50)
_STDERR: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Print:
    """A print to fit on: whose it is (negative in a mirror), which impression, and whether that finger is one to learn from."""

    finger: int
    impression: int
    learnt: bool
    template: Template


class Pairs(NamedTuple):
    """Every comparison: what was found (its last column is the score), and of which prints."""

    found: Real  # (n, FEATURES + 1)
    one: NDArray[np.int64]  # finger
    other: NDArray[np.int64]  # finger
    mated: Mask
    cut: Mask  # the probe is a cutting
    makers: NDArray[np.int64]  # how many of the two prints are another maker's
    learnt: Mask  # both fingers are learnt from
    judged: Mask  # neither is


def show(prints: Sequence[Print], strangers: Block) -> None:
    """Fit and print what ``matcher._parameters`` holds, with what it stands on."""
    _show_reliability(prints)
    learnt = [print_ for print_ in prints if print_.learnt]
    weights = PAIRING.weights
    for _ in range(ALTERNATIONS):
        pairs = compared(learnt, weights)
        weights = fitted(pairs)
    print(
        "weights",
        ", ".join(f"{name} {weight:.4g}" for name, weight in zip((*EVIDENCE, "constant"), weights, strict=True)),
    )
    print(f"  fitted on {len(pairs.mated)} pairs of {len(learnt)} prints, {pairs.mated.sum()} of them mated")
    _show_tails([print_ for print_ in prints if not print_.learnt], weights, strangers)
    print(machine.describe())


def prints_of(impressions: Sequence[Impression]) -> Iterator[Print]:
    """Yield the prints that have minutiae; the first half of a folder's fingers, by their names, is learnt from."""
    names = sorted({(Path(each.folder).name, each.finger) for each in impressions})
    numbers = {name: number for number, name in enumerate(names, start=1)}
    halves = {folder: backgrounds.first_half(impressions, folder) for folder in {each.folder for each in impressions}}
    for each in impressions:
        if each.template is not None and len(each.template):
            learnt = each.finger in halves[each.folder]
            yield Print(numbers[Path(each.folder).name, each.finger], each.impression, learnt, each.template)


# --- pairs -----------------------------------------------------------------------------------------------------------


def compared(prints: Sequence[Print], weights: NDArray[np.float32]) -> Pairs:
    """Compare every print, and a cutting of each, with every other one and every mirrored one."""
    mirrored = [replace(print_, finger=-print_.finger, template=mirror(print_.template)) for print_ in prints]
    every = [*prints, *mirrored]
    gallery = pack([print_.template for print_ in every]).prints
    rule = PAIRING._replace(weights=weights)
    rng = np.random.default_rng(SEED)
    cuttings = [backgrounds.cutting(print_.template, int(rng.integers(*CUTTING_SIZES)), rng) for print_ in prints]

    def row(number: int) -> tuple[Real, NDArray[np.int64], NDArray[np.int64]]:
        later = np.arange(number + 1, len(every))
        others = np.delete(np.arange(len(every)), number)
        whole = verify(pack_probe(prints[number].template), gallery, later, rule)[0]
        cut = verify(pack_probe(cuttings[number]), gallery, others, rule)[0]
        mine = np.full(len(later) + len(others), number)
        return np.concatenate([whole, cut]).astype(np.float64), mine, np.concatenate([later, others])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(row, range(len(prints)))
        done = list(track(rows, description="comparing", total=len(prints), console=_STDERR))
    found, probe, candidate = (np.concatenate(part) for part in zip(*done, strict=True))
    cut = np.concatenate([np.arange(len(mine)) >= len(every) - number - 1 for number, (_, mine, _) in enumerate(done)])
    return _described(every, Pairs(found, probe, candidate, cut, cut, probe, cut, cut))


def _described(every: Sequence[Print], pairs: Pairs) -> Pairs:
    """Return pairs given by the numbers of their prints with whose they are; one impression with itself is left out."""
    finger = np.array([print_.finger for print_ in every])
    impression = np.array([print_.impression for print_ in every])
    learnt = np.array([print_.learnt for print_ in every])
    foreign = np.array([print_.template.origin != Origin.EXTRACTED for print_ in every], dtype=np.int64)
    one, other = pairs.one, pairs.other
    mated = finger[one] == finger[other]
    kept = ~(mated & (impression[one] == impression[other]))
    whole = Pairs(
        pairs.found,
        finger[one],
        finger[other],
        mated,
        pairs.cut,
        foreign[one] + foreign[other],
        learnt[one] & learnt[other],
        ~learnt[one] & ~learnt[other],
    )
    return Pairs(*(column[kept] for column in whole))


def mirror(template: Template) -> Template:
    """Return a print as it is seen in a mirror."""
    return Template.of(
        template.width - 1 - template.x,
        template.y,
        np.pi - template.direction,
        kind=template.kind,
        quality=template.quality,
        width=template.width,
        height=template.height,
        origin=template.origin,
    )


# --- reliability -----------------------------------------------------------------------------------------------------


def _show_reliability(prints: Sequence[Print]) -> None:
    """Print the share of minutiae with a mate, by what is known of them, in the prints to learn from."""
    learnt = [print_ for print_ in prints if print_.learnt]
    seen: dict[bool, list[tuple[Real, Mask]]] = {True: [], False: []}
    for number, one in enumerate(learnt):
        for other in learnt[number + 1 :]:
            own = one.template.origin == Origin.EXTRACTED
            same_maker = own == (other.template.origin == Origin.EXTRACTED)
            if one.finger == other.finger and same_maker:
                seen[own].extend(_shown_again(one.template, other.template, own=own))
    for own, edges in ((True, QUALITIES), (False, DISTANCES)):
        known = np.concatenate([values for values, _ in seen[own]])
        again = np.concatenate([values for _, values in seen[own]])
        print("reliability by", "quality" if own else "distance of the nearest neighbour, pixels")
        for low, high in itertools.pairwise(edges):
            within = (known >= low) & (known < high)
            if within.any():
                print(f"  {low:3} to {high:3}: {again[within].mean():.3f} of {within.sum()}")


def _shown_again(one: Template, other: Template, *, own: bool) -> Iterator[tuple[Real, Mask]]:
    """Yield for both prints what is known of the minutiae that the other should show, and whether it does."""
    result = compare(one, other)
    if result.score < SURE:
        return
    for side, template in enumerate((one, other)):
        with_mate = [pair[side] for pair in result.pairs]
        rows = np.array([*with_mate, *result.unpaired[side]], dtype=np.int64)
        known = template.quality if own else nearest_neighbour(template)
        yield known[rows].astype(np.float64), np.arange(len(rows)) < len(with_mate)


# --- weights ---------------------------------------------------------------------------------------------------------


def fitted(pairs: Pairs) -> NDArray[np.float32]:
    """Return the weights that the pairs give, the constant last."""
    features = pairs.found[:, :FEATURES]
    kinds = pairs.makers * 2 + pairs.cut
    share = (1.0, CUTTING_WEIGHT)
    even = np.zeros(len(features))
    for kind in np.unique(kinds):
        for mated in (True, False):
            of_kind = (kinds == kind) & (pairs.mated == mated)
            even[of_kind] = share[kind % 2] / of_kind.sum()
    weights = logistic(features, pairs.mated, even / even.sum())
    for _ in range(3):
        scores = features @ weights[:-1] + weights[-1]
        importance = np.where(pairs.mated, even, 0.5 * even)
        for kind in np.unique(kinds):
            strangers = (kinds == kind) & ~pairs.mated
            hard = strangers & (scores >= np.quantile(scores[strangers], 1.0 - TAIL_SHARE))
            importance[hard] += 0.5 * share[kind % 2] / hard.sum()
        weights = logistic(features, pairs.mated, importance / importance.sum())
    return weights.astype(np.float32)


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


# --- tails -----------------------------------------------------------------------------------------------------------


def _show_tails(prints: Sequence[Print], weights: NDArray[np.float32], strangers: Block) -> None:
    pairs = compared(prints, weights)
    for makers, name in enumerate(("ours against ours", "ours against another maker's", "another maker's")):
        of_makers = (pairs.makers == makers) & pairs.judged
        print("tail of", name)
        kinds = {
            "whole prints": _scored(pairs, of_makers & ~pairs.mated & ~pairs.cut),
            "cuttings": _scored(pairs, of_makers & ~pairs.mated & pairs.cut),
        }
        if makers < 2:
            foreign = [print_ for print_ in prints if (print_.template.origin != Origin.EXTRACTED) == bool(makers)]
            kinds["among synthetic ones"] = among(foreign, weights, strangers)
        rate, origin = tail(kinds)
        mates = pairs.found[of_makers & pairs.mated & ~pairs.cut, FEATURES]
        for probability in (1e-4, 1e-6, 1e-8):
            threshold = origin - np.log(probability) / rate
            print(
                f"  {probability:g} from {threshold:.2f}: {np.mean(mates < threshold):.4f} of {len(mates)} mates below"
            )


class Scores(NamedTuple):
    """Scores of impostor pairs, and the fingers of either side."""

    scores: Real
    one: NDArray[np.int64]
    other: NDArray[np.int64]


def _scored(pairs: Pairs, chosen: Mask) -> Scores:
    return Scores(pairs.found[chosen, FEATURES], np.abs(pairs.one[chosen]), np.abs(pairs.other[chosen]))


def among(prints: Sequence[Print], weights: NDArray[np.float32], strangers: Block) -> Scores:
    """Compare prints with synthetic ones."""
    gallery = pack([strangers.template(number, 0) for number in range(len(strangers))]).prints
    rule = PAIRING._replace(weights=weights)
    every = np.arange(len(strangers))

    def row(print_: Print) -> Real:
        return verify(pack_probe(print_.template), gallery, every, rule)[0][:, FEATURES].astype(np.float64)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(row, prints)
        scores = np.concatenate(
            list(track(rows, description="among synthetic ones", total=len(prints), console=_STDERR))
        )
    fingers = np.array([print_.finger for print_ in prints])
    return Scores(scores, np.repeat(fingers, len(every)), np.tile(every, len(prints)))


def tail(kinds: dict[str, Scores]) -> tuple[float, float]:
    """Return rate and origin that hold for impostor pairs of all kinds, and print what they stand on.

    The rate is that of the last kind alone if there are three: the one with the most pairs.
    """
    lines = {name: resampled(kind) for name, kind in kinds.items()}
    for name, (rates, starts) in lines.items():
        print(f"  {len(kinds[name].scores)} impostor pairs of {name}: rate {_interval(rates)}, u {_interval(starts)}")
    told = list(lines)[2:] or list(lines)
    rate = min(float(np.quantile(lines[name][0], 0.05)) for name in told)
    origin = max(float(np.quantile(starts, 0.95)) for _, starts in lines.values()) + np.log(SHARE) / rate
    for kind in kinds.values():
        origin = above_all(kind.scores, rate, origin)
    for name, kind in kinds.items():
        greatest = kind.scores.max()
        bound = np.exp(-rate * (greatest - origin))
        print(f"  greatest score of {name} {greatest:.3g}: tail {bound:.2g}, seen {1 / len(kind.scores):.2g}")
    print(f"  rate={rate:.4g}, origin={origin:.4g}")
    return rate, origin


def resampled(kind: Scores) -> tuple[Real, Real]:
    """Return rate and u of every resample of the fingers; a pair weighs as often as both its fingers were drawn."""
    rng = np.random.default_rng(SEED)
    order = np.argsort(-kind.scores)[: len(kind.scores) // 20]  # u lies far inside
    scores = kind.scores[order]
    ones, one = np.unique(kind.one[order], return_inverse=True)
    others, other = np.unique(kind.other[order], return_inverse=True)
    rates, starts = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = np.bincount(rng.integers(len(ones), size=len(ones)), minlength=len(ones))
        met = np.bincount(rng.integers(len(others), size=len(others)), minlength=len(others))
        weight = (drawn[one] * met[other]).astype(np.float64)
        summed = np.cumsum(weight)
        at = min(int(np.searchsorted(summed, SHARE * len(kind.scores))), len(scores) - 1)
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
    """Read folders of images and templates, fit, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fitting", description="Constants of the matcher.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    parser.add_argument(
        "--cache", type=Path, default=backgrounds.default_cache(), help="where synthetic prints are kept"
    )
    arguments = parser.parse_args()
    read = [read_folder(folder, None, kind) for kind in (Extractor(), None) for folder in arguments.folders]
    strangers = backgrounds.synthetic(SEED, STRANGERS, arguments.cache)
    show(list(prints_of([each for folder in read for each in folder])), strangers)


if __name__ == "__main__":
    main()
