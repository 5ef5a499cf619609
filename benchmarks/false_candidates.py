"""How often a search names somebody wrong, and misses: ``python -m benchmarks.false_candidates [FOLDER...] [--json]``.

The galleries are real fingers among synthetic ones. Four kinds of search go through them: ``one`` finger of unknown
position, ``two`` index fingers, ``ten`` fingers, and ``latent``, 8 to 20 neighbouring minutiae of unknown position. The
size of a gallery is counted in fingers: of 1,000,000 there are 1,000,000 subjects for ``one`` and ``latent``, 500,000 for
``two`` and 100,000 for ``ten``.

* ``fpir``: share of searches without a mate in the gallery that return a candidate. ``fnir``: share of searches with a mate
  that do not return it.
* *Real* searches are prints of the folders. Every finger's first impression is enrolled, the others are searched for;
  without a mate, all impressions are, their own subject masked. For ``two`` and ``ten`` the fingers of one folder stand
  for those of one person, in their order, impression k for the k-th capture: those persons are virtual, their prints are
  not. *Synthetic* searches, for volume, are of fingers in no gallery, and second impressions of fingers that are. Without
  FOLDER it is FVC2002 DB1_B to DB3_B; DB4_B is left out, because its prints are synthetic ones too (SFinGe), and its ten
  fingers resemble each other more than those of people do.
* Thresholds: ``policy 0.001`` is what ``Policy`` makes of a target for the false positive identification rate of 0.001.
  ``empirical 0.01`` is the score that no more than one in a hundred searches without a mate exceeds, real ones or synthetic
  ones, whichever is stricter. ``tail 0.0001`` is the score that one in ten thousand searches without a mate is expected to
  reach, by the upper end of the interval of the tail below.
* ``extrapolated``: the best scores of synthetic searches without a mate, above that which one in ten reaches, are taken
  to be exponentially distributed, or by a generalized Pareto distribution (``pareto``; probability-weighted moments, J.
  R. M. Hosking and J. R. Wallis 1987). That tail is followed to the threshold; with a policy, the tail of the
  logarithms of false match probabilities is, to the one it asks for, whether or not somebody stands out as well.
  Several fingers of strangers are seldom alike enough for a search to return anybody; so for ``two`` and ``ten`` the
  tail is that of comparisons with single subjects, above what one in a hundred reaches, times the number of subjects.
  Nothing is said of a policy where even that one in a hundred has a false match probability of more than a half.
  Where a share is smaller than one search this is extrapolation, and nothing has shown it.

Intervals hold 95 %. Of synthetic searches, and where nothing was counted, they are exact binomial ones (C. J. Clopper and
E. S. Pearson 1934), in the latter case of as many trials as there are fingers or persons; of real searches, several of one
finger, they come from resampling fingers or persons, and those of tails from resampling searches.

``--validate`` shows how strange the background is (``benchmarks.backgrounds``), and does no more than that.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import backgrounds, machine
from benchmarks.accuracy import LOWEST
from benchmarks.backgrounds import LEVELS
from matcher import Gallery, Policy, ProbeError, comparison
from matcher._kernels import FEATURES
from matcher._parameters import DISSENT
from matcher.calibration import all_of, false_match_probability
from matcher.template import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.accuracy import Impression
    from benchmarks.backgrounds import Block, Figure, Tail
    from matcher import Candidate, Template

    Real = NDArray[np.float64]
    Captures = list[list[Template]]

RATES: Final = (1e-2, 1e-3, 1e-4)
"""Targets for the false positive identification rate."""

SEED: Final = 2014
STRANGERS: Final = 1_000_003
"""Seeds of the people enrolled, and of those who are not."""

FINGERS: Final = "10000,100000,1000000"
_DATA: Final = Path(__file__).parent.parent.parent / "shared" / "data" / "fvc2002"
_LIMIT: Final = 20
_ANYBODY: Final = Policy(false_positive_identification_rate=1e300, limit=_LIMIT)
_BATCH: Final = 5_000
_RESAMPLES: Final = 500
_SHARE: Final = 0.1  # of the searches, in which the tail is fitted,
_SHARE_OF_COMPARED: Final = 0.01  # or of the comparisons
_COMPARED: Final = 100_000  # comparisons of fingers
_CROP: Final = (8, 21)
_NOTHING: Final = 1e-12
_INFORMATIVE: Final = math.log(2.0)  # surprise; where strangers have less, probabilities were bounded by 1
_STDERR: Final = Console(stderr=True)

_Each = TypeVar("_Each")


class Kind(NamedTuple):
    """A kind of search: the fingers of a subject, by the positions they are given, and whether the probe is cropped."""

    name: str
    positions: tuple[int, ...]
    cropped: bool = False


KINDS: Final = (
    Kind("one", (0,)),
    Kind("latent", (0,), cropped=True),
    Kind("two", (2, 7)),
    Kind("ten", tuple(range(1, 11))),
)


class Search(NamedTuple):
    """What is searched for: the prints, whose they are among the searches, and the subject that is their mate or masked."""

    prints: list[Template]
    owner: int
    subject: int


class Outcome(NamedTuple):
    """What a search gave.

    ``mate`` and ``rival`` are the scores of the subject looked for and of the best other, ``LOWEST`` where not
    returned, and ``surprise`` is minus the logarithm of the other's false match probability, likewise; ``named`` says
    for each of ``RATES`` whether the mate is among the candidates, or, where there is none in the gallery, whether
    there are any.
    """

    owner: int
    mate: float
    rival: float
    surprise: float
    named: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many searches, and the interval of their share."""

    counted: int
    searches: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Extrapolated:
    """A rate that a fitted tail gives, and its interval."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """What one kind of search gives in one gallery at one threshold. ``real`` and ``synthetic`` say what was searched for.

    ``score`` is the threshold, with a policy the lowest score of a mate that it names.
    """

    fingers: int
    subjects: int
    search: str
    threshold: str
    score: float
    fpir_real: Share
    fpir_synthetic: Share
    fnir_real: Share
    fnir_synthetic: Share
    extrapolated: Extrapolated | None
    pareto: Extrapolated | None


# --- people ----------------------------------------------------------------------------------------------------------


def persons(prints: Sequence[Impression], positions: tuple[int, ...]) -> list[Captures]:
    """Return of each virtual person the captures, each with the prints of as many fingers as there are positions.

    Fingers of a folder are taken in their order, as many together as there are positions; what is left over is left out, as
    are captures that not all of a person's fingers have.
    """
    of_finger: dict[tuple[str, str], list[Template]] = {}
    for print_ in sorted(prints, key=lambda print_: (print_.owner, print_.impression)):
        if print_.template is not None:
            of_finger.setdefault(print_.owner, []).append(print_.template)
    people = []
    for folder in dict.fromkeys(print_.folder for print_ in prints):
        fingers = [captures for (of_folder, _), captures in of_finger.items() if of_folder == folder]
        for at in range(0, len(fingers) - len(positions) + 1, len(positions)):
            together = zip(*fingers[at : at + len(positions)], strict=False)
            people.append([_positioned(capture, positions) for capture in together])
    return people


def _positioned(capture: Iterable[Template], positions: tuple[int, ...]) -> list[Template]:
    return [replace(print_, position=position) for print_, position in zip(capture, positions, strict=True)]


def made(block: Block, number: int, positions: tuple[int, ...]) -> list[Template]:
    """Return the prints of a synthetic subject: as many fingers of the block as there are positions."""
    first = number * len(positions)
    return [block.template(first + finger, position) for finger, position in enumerate(positions)]


# --- searching -------------------------------------------------------------------------------------------------------


class Enrolled:
    """A gallery of real people among synthetic ones; the real ones come first."""

    def __init__(self, real: list[Captures], strangers: Block, fingers: int, positions: tuple[int, ...]) -> None:
        self.subjects = fingers // len(positions)
        self._gallery = Gallery(threads=os.cpu_count() or 1)
        numbers = range(min(self.subjects, len(real)), self.subjects)
        people = [captures[0] for captures in real[: numbers.start]]
        self._gallery.add_many((str(number), prints) for number, prints in enumerate(people))
        description = f"enrolling {self.subjects:,} of {len(positions)}"
        for batch in track(
            _batches(numbers), description=description, total=-(-len(numbers) // _BATCH), console=_STDERR
        ):
            self._gallery.add_many((str(number), made(strangers, number, positions)) for number in batch)

    def outcome(self, search: Search, *, mated: bool) -> Outcome:
        """Search with the subject, or with it masked; a probe that is refused finds nobody."""
        mask = None if mated else np.arange(self.subjects) != search.subject
        searched = self.subjects - (0 if mated or search.subject < 0 else 1)
        candidates = self._candidates(search, mask, _ANYBODY)
        own = str(search.subject) if mated else ""
        mate = max((candidate.score for candidate in candidates if candidate.subject == own), default=LOWEST)
        others = [candidate for candidate in candidates if candidate.subject != own]
        rival = max((other.score for other in others), default=LOWEST)
        surprise = max((_surprise(other.false_match_probability) for other in others), default=LOWEST)
        least = min((candidate.false_match_probability for candidate in candidates), default=1.0) * searched
        named: dict[float, bool] = {}
        for rate in sorted(RATES):  # who is named at one rate is named at every greater one
            borne = least <= rate and not any(named.values())
            found = self._candidates(search, mask, Policy(rate, _LIMIT)) if borne else []
            named[rate] = any(named.values()) or any(candidate.subject == own or not mated for candidate in found)
        return Outcome(search.owner, mate, rival, surprise, tuple(named[rate] for rate in RATES))

    def _candidates(self, search: Search, mask: NDArray[np.bool_] | None, policy: Policy) -> list[Candidate]:
        try:
            return self._gallery.search(search.prints, mask, policy)
        except ProbeError:
            return []


def _batches(numbers: range) -> Iterator[range]:
    for at in range(0, len(numbers), _BATCH):
        yield numbers[at : at + _BATCH]


def _surprise(probability: float) -> float:
    return -math.log(max(probability, 5e-324))


class Searches(NamedTuple, Generic[_Each]):
    """What there is of each sort of search through one gallery: with a mate in it, and without."""

    real_mated: _Each
    real_alone: _Each
    synthetic_mated: _Each
    synthetic_alone: _Each


def planned(
    real: list[Captures], second: Block, outside: Block, kind: Kind, volume: int, subjects: int
) -> Searches[list[Search]]:
    """Return what is searched for; ``second`` holds second impressions of those enrolled, of every person the first."""
    rng = np.random.default_rng(SEED)
    people = list(enumerate(real))[:subjects]
    real_mated = [Search(prints, number, number) for number, captures in people for prints in captures[1:]]
    real_alone = [Search(prints, number, number) for number, captures in people for prints in captures]
    mates = range(len(people), min(subjects, len(people) + volume, len(second) // len(kind.positions)))
    synthetic_mated = [Search(made(second, number, kind.positions), number, number) for number in mates]
    numbers = range(min(volume, len(outside) // len(kind.positions)))
    synthetic_alone = [Search(made(outside, number, kind.positions), number, -1) for number in numbers]
    every = Searches(real_mated, real_alone, synthetic_mated, synthetic_alone)
    return Searches(*([_cropped(search, rng) for search in part] for part in every)) if kind.cropped else every


def _cropped(search: Search, rng: np.random.Generator) -> Search:
    whole = [print_ for print_ in search.prints if len(print_)]
    return search._replace(prints=[backgrounds.crop(print_, int(rng.integers(*_CROP)), rng) for print_ in whole])


def compared(searches: Sequence[Search], strangers: Block, kind: Kind) -> tuple[Real, Real]:
    """Return score and surprise, over all fingers, of every search with each of so many subjects it is not looking for."""
    subjects = max(1, _COMPARED // max(1, len(searches) * len(kind.positions)))
    subjects = min(subjects, len(strangers) // len(kind.positions))
    people = [made(strangers, number, kind.positions) for number in range(subjects)]
    found = np.zeros((len(kind.positions), len(searches), subjects))
    for finger in range(len(kind.positions)):
        gallery = comparison.pack([prints[finger] for prints in people]).prints
        for row, search in enumerate(searches):
            probe = comparison.pack_probe(search.prints[finger])
            found[finger, row] = comparison.verify(probe, gallery, np.arange(subjects, dtype=np.int64))[0][:, FEATURES]
    bounds = np.vectorize(lambda score: false_match_probability(score, Origin.EXTRACTED, Origin.EXTRACTED))(found)
    return np.maximum(found, DISSENT).sum(axis=0), np.apply_along_axis(lambda each: _surprise(all_of(each)), 0, bounds)


# --- rating ----------------------------------------------------------------------------------------------------------


def share(hits: Sequence[bool], owners: Sequence[int] | None = None) -> Share:
    """Return how many hits there are and the interval of their share, by resampling owners where some are given."""
    counted = sum(hits)
    if owners is None or counted in {0, len(hits)}:
        trials = len(hits) if owners is None else len(set(owners))
        low, high = exact(0 if not counted else trials if counted == len(hits) else counted, trials)
        return Share(counted, len(hits), low, high)
    rng = np.random.default_rng(0)
    whose = np.unique(owners, return_inverse=True)[1]
    found, asked = np.bincount(whose, weights=np.array(hits, dtype=np.float64)), np.bincount(whose)
    drawn = rng.integers(len(asked), size=(_RESAMPLES, len(asked)))
    low, high = np.quantile(found[drawn].sum(axis=1) / asked[drawn].sum(axis=1), [0.025, 0.975])
    return Share(counted, len(hits), float(low), float(high))


def exact(counted: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of Clopper and Pearson for the probability of what was counted in so many trials."""
    if not trials:
        return 0.0, 1.0
    low = _solved(lambda p: 1.0 - _at_most(counted - 1, trials, p), 0.025) if counted else 0.0
    high = _solved(lambda p: -_at_most(counted, trials, p), -0.025) if counted < trials else 1.0
    return low, high


def _at_most(counted: int, trials: int, p: float) -> float:
    """Return the probability of at most so many in so many trials."""
    if not 0.0 < p < 1.0:
        return 1.0 if p <= 0.0 else float(counted >= trials)
    ways = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(counted + 1)]
    return math.fsum(math.exp(way + k * math.log(p) + (trials - k) * math.log1p(-p)) for k, way in enumerate(ways))


def _solved(rising: Callable[[float], float], wanted: float) -> float:
    """Return where between 0 and 1 a rising function is as wanted."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


class Fit(NamedTuple):
    """The tail of scores, of all of them first and then of each resample: ``shape`` and ``scale`` beyond ``origin``.

    ``share`` of the scores are beyond it; ``times`` is how many of them a search meets.
    """

    origin: Real
    scale: Real
    shape: Real
    share: float
    times: int

    def at(self, score: float) -> Extrapolated | None:
        """Return the share of searches that meet this score; None where the tail has not begun."""
        if not (math.isfinite(score) and score > self.origin[0]):
            return None
        above = np.maximum(score - self.origin, 0.0) / self.scale
        flat = np.abs(self.shape) < 1e-9
        bent = np.maximum(1.0 - self.shape * above, 0.0) ** (1.0 / np.where(flat, 1.0, self.shape))
        rates = np.minimum(1.0, self.times * self.share * np.where(flat, np.exp(-above), bent))
        low, high = np.quantile(rates[1:], [0.025, 0.975])
        return Extrapolated(float(rates[0]), float(low), float(high))

    def reached_by(self, rate: float) -> float:
        """Return the score that no more than this share of searches meets, by the upper end of the interval."""
        low, high = float(self.origin[0]), float(self.origin[0]) + 1_000.0
        for _ in range(50):
            middle = (low + high) / 2
            found = self.at(middle)
            low, high = (middle, high) if found is None or found.high > rate else (low, middle)
        return high


def fitted(scores: Real, share: float, times: int, *, pareto: bool) -> Fit | None:
    """Fit the tail of scores of shape (searches, scores of each); None where there are too few for one.

    Searches are what is resampled.
    """
    count = int(share * scores.size)
    if count < 10 or np.sort(scores, axis=None)[-count - 1] == LOWEST:
        return None
    rng = np.random.default_rng(0)
    samples = [scores, *(scores[rng.integers(len(scores), size=len(scores))] for _ in range(_RESAMPLES))]
    found = np.array([_moments(sample, count) for sample in samples])
    origin, mean, second = found.T
    if not pareto:
        return Fit(origin, mean, np.zeros(len(origin)), count / scores.size, times)
    rest = np.maximum(mean - 2.0 * second, 1e-12)
    return Fit(origin, 2.0 * mean * second / rest, mean / rest - 2.0, count / scores.size, times)


def _moments(scores: Real, count: int) -> tuple[float, float, float]:
    """Return the score that so many are beyond, and the first two probability-weighted moments of what is beyond."""
    ordered = -np.sort(-scores, axis=None)[: count + 1]
    excess = ordered[:count] - ordered[count]
    ranks = (np.arange(count) + 0.35) / count  # 1 - (j - 0.35) / n for the j-th, ascending
    return float(ordered[count]), max(float(excess.mean()), 1e-12), float((excess * ranks).mean())


def rated(
    fingers: int, subjects: int, kind: Kind, found: Iterable[list[Outcome]], compared: tuple[Real, Real] | None = None
) -> Iterator[Line]:
    """Yield a line for every threshold from the outcomes of the searches, in the order of :class:`Searches`.

    ``compared`` are scores and surprises of synthetic searches with single subjects, where tails are to come from those.
    """
    every = Searches[list[Outcome]](*found)
    alone = every.synthetic_alone
    met, part, times = compared, _SHARE_OF_COMPARED, subjects
    if met is None:
        met, part, times = _met(alone), _SHARE, 1
    scores, surprises = ([fitted(of, part, times, pareto=pareto) for pareto in (False, True)] for of in met)
    surprises = [fit if fit and fit.origin[0] > _INFORMATIVE else None for fit in surprises]
    mated = [*every.real_mated, *every.synthetic_mated]
    for number, rate in enumerate(RATES):
        least = min((outcome.mate for outcome in mated if outcome.named[number]), default=LOWEST)
        tails = _at(surprises, math.log(subjects / rate))
        yield Line(fingers, subjects, kind.name, f"policy {rate:g}", least, *_by_policy(every, number), *tails)
    thresholds = [
        (f"empirical {rate:g}", max(_barely(every.real_alone, rate), _barely(alone, rate))) for rate in RATES[:2]
    ]
    if scores[0] is not None:
        thresholds.append((f"tail {RATES[-1]:g}", scores[0].reached_by(RATES[-1])))
    for name, score in thresholds:
        yield Line(fingers, subjects, kind.name, name, score, *_by_score(every, score), *_at(scores, score))


def _met(alone: list[Outcome]) -> tuple[Real, Real]:
    """Return scores and surprises that searches without a mate met."""
    return np.array([[outcome.rival] for outcome in alone]), np.array([[outcome.surprise] for outcome in alone])


def _at(fits: list[Fit | None], threshold: float) -> list[Extrapolated | None]:
    return [fit.at(threshold) if fit else None for fit in fits]


def _barely(alone: list[Outcome], rate: float) -> float:
    """Return the score that no more than this share of searches without a mate exceeds."""
    ordered = sorted((outcome.rival for outcome in alone), reverse=True)
    return ordered[int(rate * len(ordered))] if ordered else LOWEST


def _by_policy(every: Searches[list[Outcome]], number: int) -> tuple[Share, Share, Share, Share]:
    return _shares(every, lambda outcome: outcome.named[number], lambda outcome: not outcome.named[number])


def _by_score(every: Searches[list[Outcome]], barely: float) -> tuple[Share, Share, Share, Share]:
    return _shares(every, lambda outcome: outcome.rival > barely, lambda outcome: outcome.mate <= barely)


def _shares(
    every: Searches[list[Outcome]], false: Callable[[Outcome], bool], missed: Callable[[Outcome], bool]
) -> tuple[Share, Share, Share, Share]:
    """Return false candidates of real and of synthetic searches, and misses of real and of synthetic ones."""

    def of(found: list[Outcome], hit: Callable[[Outcome], bool]) -> tuple[list[bool], list[int]]:
        return [hit(outcome) for outcome in found], [outcome.owner for outcome in found]

    return (
        share(*of(every.real_alone, false)),
        share(of(every.synthetic_alone, false)[0]),
        share(*of(every.real_mated, missed)),
        share(of(every.synthetic_mated, missed)[0]),
    )


# --- the command -----------------------------------------------------------------------------------------------------


def measured(prints: list[Impression], sizes: Sequence[int], cache: Path, volume: int) -> Iterator[Line]:
    """Yield the lines of every size of gallery and kind of search."""
    for fingers in sizes:
        people = -(-fingers // backgrounds.FINGERS)
        strangers = backgrounds.synthetic(SEED, people, cache)
        second = backgrounds.synthetic(SEED, min(people, volume + len(prints)), cache, impression=1)
        outside = backgrounds.synthetic(STRANGERS, volume, cache)
        enrolled: dict[tuple[int, ...], Enrolled] = {}
        for kind in KINDS:
            real = persons(prints, kind.positions)
            if kind.positions not in enrolled:
                enrolled = {kind.positions: Enrolled(real, strangers, fingers, kind.positions)}
            gallery = enrolled[kind.positions]
            searches = planned(real, second, outside, kind, volume, gallery.subjects)
            found = [
                [gallery.outcome(search, mated="mated" in sort) for search in track(part, kind.name, console=_STDERR)]
                for sort, part in zip(searches._fields, searches, strict=True)
            ]
            single = len(kind.positions) == 1
            alone = None if single else compared(searches.synthetic_alone, strangers, kind)
            yield from rated(fingers, gallery.subjects, kind, found, alone)


def validated(prints: list[Impression], cache: Path, fingers: int) -> tuple[list[Tail], list[Figure]]:
    """Return the tails and the figures of real and synthetic prints."""
    strangers = backgrounds.synthetic(SEED, -(-fingers // backgrounds.FINGERS), cache)
    others = backgrounds.synthetic(STRANGERS, 1 + len(prints) // backgrounds.FINGERS, cache)
    real = [print_.template for print_ in prints if print_.template is not None]
    made_ = [strangers.template(number, 0) for number in range(len(strangers))]
    figures = [*backgrounds.figures("real", real), *backgrounds.figures("synthetic", made_)]
    return list(backgrounds.tails(prints, strangers, others)), figures


def show_validation(tails: list[Tail], figures: list[Figure]) -> None:
    """Print what strangers score and what prints look like."""
    table = Table("comparisons", "number", *(f"{level:g}" for level in LEVELS), "greatest")
    for tail in tails:
        scores = zip(tail.scores, tail.scores_low, tail.scores_high, strict=True)
        ratios = zip(tail.ratios, tail.ratios_low, tail.ratios_high, strict=True)
        table.add_row(
            tail.what,
            f"{tail.comparisons:,}",
            *(f"{value:.2f} [{low:.2f} {high:.2f}]" for value, low, high in scores),
            f"{tail.greatest:.2f}",
        )
        table.add_row("", "times", *(f"{value:.2g} [{low:.2g} {high:.2g}]" for value, low, high in ratios), "")
    console = Console(width=150)
    console.print("score that this share reaches, and how many times the share is that reaches the first line's, 90 %")
    console.print(table)
    table = Table("statistic", "prints", "5 %", "25 %", "50 %", "75 %", "95 %")
    for figure in sorted(figures, key=lambda figure: figure.what):
        table.add_row(figure.what, figure.prints, *(f"{value:.1f}" for value in figure.percentiles))
    console.print(table)


def show(lines: Iterable[Line]) -> None:
    """Print a table, shares in percent."""
    table = Table(
        "fingers",
        "search",
        "threshold",
        "score",
        "fpir real",
        "synthetic",
        "fnir real",
        "synthetic",
        "extrapolated",
        "pareto",
    )
    for line in lines:
        tails = (line.extrapolated, line.pareto)
        table.add_row(
            f"{line.fingers:,}",
            line.search,
            line.threshold,
            "" if line.score == LOWEST else f"{line.score:.1f}",
            _percent(line.fpir_real),
            _percent(line.fpir_synthetic),
            _percent(line.fnir_real),
            _percent(line.fnir_synthetic),
            *("" if tail is None else " ".join(map(_small, (tail.rate, tail.low, tail.high))) for tail in tails),
        )
    Console(width=190).print(table)


def _small(rate: float) -> str:
    return f"{rate:.0e}" if rate > _NOTHING else f"<{_NOTHING:.0e}"


def _percent(of: Share) -> str:
    value = 100 * of.counted / of.searches if of.searches else math.nan
    return f"{value:.2f} [{100 * of.low:.2f} {100 * of.high:.2f}] of {of.searches}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.false_candidates", description="False candidates and misses among many fingers."
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    parser.add_argument("--fingers", default=FINGERS, help=f"sizes of the gallery, by default {FINGERS}")
    parser.add_argument("--searches", type=int, default=200, help="synthetic searches of each sort, by default 200")
    parser.add_argument("--cache", type=Path, default=backgrounds.default_cache(), help="folder for what is made once")
    parser.add_argument("--validate", action="store_true", help="only compare synthetic with real strangers")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    return parser.parse_args()


def main() -> None:
    """Read, make, search, print."""
    arguments = _arguments()
    folders = arguments.folders or sorted(_DATA.glob("DB[123]_B"))
    if not folders:
        raise SystemExit(f"name folders of real prints: there is no DB1_B to DB3_B in {_DATA}")
    prints = [print_ for folder in folders for print_ in backgrounds.real(folder, arguments.cache)]
    if arguments.validate:
        tails, figures = validated(prints, arguments.cache, 1_000)
        if arguments.json:
            print(*map(json.dumps, [*map(asdict, tails), *map(asdict, figures)]), sep="\n")
        else:
            show_validation(tails, figures)
    else:
        lines = measured(
            prints, [int(size) for size in arguments.fingers.split(",")], arguments.cache, arguments.searches
        )
        if arguments.json:
            for line in lines:
                print(json.dumps(asdict(line)), flush=True)
        else:
            show(lines)
    if arguments.json:
        print(json.dumps({"machine": machine.describe()}))
    else:
        print(machine.describe())


if __name__ == "__main__":
    main()
