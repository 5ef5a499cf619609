"""How often a search names somebody wrong, and misses: ``python -m benchmarks.false_candidates [FOLDER...] [--json]``.

The galleries are real fingers among synthetic ones. Four kinds of search go through them: ``one`` finger of unknown
position, ``two`` index fingers, ``ten`` fingers, and ``latent``, 8 to 20 neighbouring minutiae of unknown position. The
size of a gallery is counted in fingers: of 1,000,000 there are 1,000,000 subjects for ``one`` and ``latent``, 500,000 for
``two`` and 100,000 for ``ten``.

* ``fpir``: share of searches without a mate in the gallery that return a candidate. ``fnir``: share of searches with a mate
  that do not return it.
* *Real* searches are prints of the folders, which hold ten fingers each. Every finger's first impression is enrolled, the
  others are searched for; without a mate, all impressions are, their own subject masked. For ``two`` and ``ten`` the
  fingers of one folder stand for those of one person, in their order, impression k for the k-th capture: those persons
  are virtual, their prints are not. *Synthetic* searches, for volume, are of fingers in no gallery, and second impressions
  of fingers that are.
* Thresholds: ``policy 0.001`` is what ``Policy`` makes of a target for the false positive identification rate of 0.001;
  ``empirical 0.01`` names a candidate by its false match probability alone, at the greatest that one in a hundred searches
  without a mate reaches, real ones or synthetic ones, whichever is stricter.
* ``fpir extrapolated``: the best candidates of synthetic searches without a mate have minus the logarithm of their false
  match probabilities above that which one in ten reaches exponentially distributed, or by a generalized Pareto
  distribution (``pareto``; probability-weighted moments, J. R. M. Hosking and J. R. Wallis 1987); that tail is followed to
  what the policy asks for. It is extrapolation as soon as it is smaller than one search.

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
from benchmarks.backgrounds import LEVELS
from matcher import Gallery, Policy, ProbeError

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
_SHARE: Final = 0.1  # of the searches, in which the tail is fitted
_CROP: Final = (8, 21)
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

    ``mate`` and ``rival`` are minus the logarithm of the false match probability of the subject looked for and of the best
    other, 0 where not returned; ``named`` says for each of ``RATES`` whether the mate is among the candidates, or, where
    there is none in the gallery, whether there are any.
    """

    owner: int
    mate: float
    rival: float
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
    """What one kind of search gives in one gallery at one threshold. ``real`` and ``synthetic`` say what was searched for."""

    fingers: int
    subjects: int
    search: str
    threshold: str
    fpir_real: Share
    fpir_synthetic: Share
    fnir_real: Share
    fnir_synthetic: Share
    fpir_extrapolated: Extrapolated | None
    fpir_pareto: Extrapolated | None


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
        mate = max((_evidence(candidate) for candidate in candidates if candidate.subject == own), default=0.0)
        rival = max((_evidence(candidate) for candidate in candidates if candidate.subject != own), default=0.0)
        named = []
        for rate in RATES:  # a policy names nobody whose probability it does not bear
            borne = any(candidate.false_match_probability * searched <= rate for candidate in candidates)
            found = self._candidates(search, mask, Policy(rate, _LIMIT)) if borne else []
            named.append(any(candidate.subject == own or not mated for candidate in found))
        return Outcome(search.owner, mate, rival, tuple(named))

    def _candidates(self, search: Search, mask: NDArray[np.bool_] | None, policy: Policy) -> list[Candidate]:
        try:
            return self._gallery.search(search.prints, mask, policy)
        except ProbeError:
            return []


def _batches(numbers: range) -> Iterator[range]:
    for at in range(0, len(numbers), _BATCH):
        yield numbers[at : at + _BATCH]


def _evidence(candidate: Candidate) -> float:
    return -math.log(max(candidate.false_match_probability, 5e-324))


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


def extrapolated(evidence: Real, wanted: float, *, pareto: bool) -> Extrapolated | None:
    """Return which share of searches the tail of their best candidates takes above ``wanted``; None of too few searches."""
    if len(evidence) < 2 / _SHARE:
        return None
    rng = np.random.default_rng(0)
    drawn = [_beyond(rng.choice(evidence, len(evidence)), wanted, pareto=pareto) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Extrapolated(_beyond(evidence, wanted, pareto=pareto), float(low), float(high))


def _beyond(evidence: Real, wanted: float, *, pareto: bool) -> float:
    ordered = np.sort(evidence)[::-1]
    count = max(2, int(_SHARE * len(ordered)))
    excess = ordered[:count] - ordered[count]
    above, mean = wanted - float(ordered[count]), float(excess.mean())
    if above <= 0.0:
        return float(np.mean(evidence >= wanted))
    if mean <= 0.0:
        return 0.0
    if not pareto:
        return count / len(ordered) * math.exp(-above / mean)
    second = float(np.mean(excess * (np.arange(count) + 0.35) / count))  # plotting positions (j - 0.35) / n, ascending
    shape = mean / (mean - 2.0 * second) - 2.0 if mean > 2.0 * second else -2.0
    scale = 2.0 * mean * second / (mean - 2.0 * second) if mean > 2.0 * second else mean
    if abs(shape) < 1e-9:
        return count / len(ordered) * math.exp(-above / scale)
    left = 1.0 - shape * above / scale
    return count / len(ordered) * left ** (1.0 / shape) if left > 0.0 else 0.0


def rated(fingers: int, subjects: int, kind: Kind, found: Iterable[list[Outcome]]) -> Iterator[Line]:
    """Yield a line for every threshold from the outcomes of the searches, in the order of :class:`Searches`."""
    every = Searches[list[Outcome]](*found)
    rivals = np.array([outcome.rival for outcome in every.synthetic_alone])
    for number, rate in enumerate(RATES):
        wanted = math.log(subjects / rate)
        yield Line(
            fingers,
            subjects,
            kind.name,
            f"policy {rate:g}",
            *_by_policy(every, number),
            extrapolated(rivals, wanted, pareto=False),
            extrapolated(rivals, wanted, pareto=True),
        )
    for rate in RATES[:2]:
        barely = max(_barely(every.real_alone, rate), _barely(every.synthetic_alone, rate))
        yield Line(fingers, subjects, kind.name, f"empirical {rate:g}", *_by_evidence(every, barely), None, None)


def _barely(alone: list[Outcome], rate: float) -> float:
    """Return the evidence above which this share of searches without a mate still finds somebody."""
    ordered = sorted((outcome.rival for outcome in alone), reverse=True)
    return ordered[int(rate * len(ordered))] if ordered else 0.0


def _by_policy(every: Searches[list[Outcome]], number: int) -> tuple[Share, Share, Share, Share]:
    return _shares(every, lambda outcome: outcome.named[number], lambda outcome: not outcome.named[number])


def _by_evidence(every: Searches[list[Outcome]], barely: float) -> tuple[Share, Share, Share, Share]:
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
            yield from rated(fingers, gallery.subjects, kind, found)


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
    """Print a table in percent."""
    table = Table(
        "fingers",
        "search",
        "threshold",
        "fpir real",
        "synthetic",
        "fnir real",
        "synthetic",
        "fpir extrapolated",
        "pareto",
    )
    for line in lines:
        tails = (line.fpir_extrapolated, line.fpir_pareto)
        table.add_row(
            f"{line.fingers:,}",
            line.search,
            line.threshold,
            _percent(line.fpir_real),
            _percent(line.fpir_synthetic),
            _percent(line.fnir_real),
            _percent(line.fnir_synthetic),
            *("" if tail is None else f"{tail.rate:.1g} [{tail.low:.0g} {tail.high:.0g}]" for tail in tails),
        )
    Console(width=190).print(table)


def _percent(of: Share) -> str:
    value = 100 * of.counted / of.searches if of.searches else math.nan
    return f"{value:.2f} % [{100 * of.low:.2f} {100 * of.high:.2f}] of {of.searches}"


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
    folders = arguments.folders or sorted(path for path in _DATA.glob("*") if path.is_dir())
    if not folders:
        raise SystemExit(f"name folders of real prints: there are none in {_DATA}")
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
