"""Strangers to fill galleries with, and how strange they are.

What a national gallery does to a search is shown with synthetic fingers (``matcher.synthesis``), because nobody may have a
million real ones. :func:`synthetic` makes them once and keeps them as packed arrays in a folder, a million in 330 MB.

Such a background is worth nothing if strangers are too easily told apart from it. :func:`tails` therefore compares real
prints of different fingers with each other, with synthetic prints, and with real prints that were bent (:func:`bent`): the
score that one comparison in a hundred, a thousand and so on reaches should be the same, and where it is lower the
background flatters the matcher. :func:`figures` shows simple statistics of both kinds of prints beside each other.

Intervals hold 90 % of what resampling whole fingers gives, on both sides of the comparison: impressions of one finger, and
comparisons that share one, are not independent.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks import folders
from benchmarks.accuracy import EMPTY, Impression, owners, read_folder
from matcher import comparison, extraction, synthesis
from matcher._kernels import FEATURES
from matcher.extraction import Extractor
from matcher.synthesis import HEIGHT, WIDTH, Finger
from matcher.template import MAX_MINUTIAE, TAU, ImpressionType, Origin, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Real = NDArray[np.float64]

LEVELS: Final = (1e-2, 1e-3, 1e-4, 1e-5)
"""Shares of impostor comparisons at which tails are compared."""

FINGERS: Final = 10
_PERSONS_A_FILE: Final = 100
_STDERR: Final = Console(stderr=True)
_RESAMPLES: Final = 300
_BEND: Final = 15.0  # pixels, standard deviation
_BEND_LENGTH: Final = 80.0  # pixels over which neighbours are pushed alike


class BlockError(ValueError):
    """A file of packed prints is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Synthetic prints packed one behind the other: print ``f`` owns the minutiae ``starts[f]`` to ``starts[f + 1]``.

    ``x``, ``y`` int16, ``direction`` float32, ``kind`` and ``quality`` uint8, all (n,) and as in
    :class:`matcher.template.Template`; ``starts`` int64 (prints + 1,). Every print is ``WIDTH`` by ``HEIGHT`` pixels. The
    prints of one person stand together, ten of them, in the order of their positions. Made by :meth:`of`.
    """

    x: NDArray[np.int16]
    y: NDArray[np.int16]
    direction: NDArray[np.float32]
    kind: NDArray[np.uint8]
    quality: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of prints."""
        return len(self.starts) - 1

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]]) -> Block:
        """Check the arrays once for all prints, as ``Template.of`` does for one, and make them read-only.

        Raises:
            BlockError: an array is missing or of another type or length, or holds a value that no template may have.

        """
        types = {
            "x": "int16",
            "y": "int16",
            "direction": "float32",
            "kind": "uint8",
            "quality": "uint8",
            "starts": "int64",
        }
        found = {name: (str(array.dtype), array.ndim) for name, array in arrays.items()}
        if found != {name: (type_, 1) for name, type_ in types.items()}:
            raise BlockError(f"packed prints are the arrays {types}, of one axis each; got {found}: remove the file")
        starts = arrays["starts"]
        counts = np.diff(starts)
        if not (
            len(starts) and starts[0] == 0 and counts.min(initial=0) >= 0 and counts.max(initial=0) <= MAX_MINUTIAE
        ):
            raise BlockError(f"packed prints have 0 to {MAX_MINUTIAE} minutiae each, the first at 0: remove the file")
        if {len(array) for name, array in arrays.items() if name != "starts"} != {int(starts[-1])}:
            raise BlockError(f"packed prints need {starts[-1]} values in every array: remove the file")
        limits = {
            "x": WIDTH - 1,
            "y": HEIGHT - 1,
            "direction": np.nextafter(np.float32(TAU), 0),
            "kind": 2,
            "quality": 100,
        }
        for name, top in limits.items():
            if not ((arrays[name] >= 0) & (arrays[name] <= top)).all():
                raise BlockError(f"every {name} of packed prints must be 0 to {top:g}: remove the file")
        for array in arrays.values():
            array.flags.writeable = False
        return cls(**arrays)

    @classmethod
    def packed(cls, templates: Sequence[Template]) -> Block:
        """Return templates, all of ``WIDTH`` by ``HEIGHT`` pixels, as a block."""
        arrays: dict[str, NDArray[Any]] = {
            name: np.concatenate([getattr(template, name) for template in templates])
            for name in ("x", "y", "direction", "kind", "quality")
        }
        return cls.of(arrays | {"starts": np.cumsum([0, *map(len, templates)], dtype=np.int64)})

    def template(self, number: int, position: int) -> Template:
        """Return one print, its values not copied and not checked again."""
        rows = slice(int(self.starts[number]), int(self.starts[number + 1]))
        columns = (self.x[rows], self.y[rows], self.direction[rows], self.kind[rows], self.quality[rows])
        return Template(*columns, WIDTH, HEIGHT, position, Origin.EXTRACTED)


# --- made once -------------------------------------------------------------------------------------------------------


def default_cache() -> Path:
    """Return a folder in the user's cache, or among the temporary files where there is none."""
    at = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (at if os.access(at, os.W_OK) else Path(tempfile.gettempdir())) / "contact-point-benchmarks"


def synthetic(seed: int, persons: int, cache: Path, *, impression: int = 0) -> Block:
    """Return ten prints of each of so many synthetic people, from the folder where they are there.

    Making them takes about 1.5 ms CPU a print, in as many processes as there are cores; an interruption leaves whole files
    only. The files of another model are not taken.

    Raises:
        BlockError: a file in the folder is damaged.

    """
    model = hashlib.sha256(Path(synthesis.__file__).read_bytes() + np.__version__.encode()).hexdigest()[:12]
    folder = cache / f"synthetic-{model}-{seed}-{impression}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {first: folder / f"{first}-{first + _PERSONS_A_FILE}.npz" for first in range(0, persons, _PERSONS_A_FILE)}
    tasks = [(seed, first, impression, path) for first, path in parts.items() if not path.exists()]
    if len(tasks) < 2:
        list(map(_make, tasks))
    else:
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(os.cpu_count() or 1, len(tasks)), mp_context=spawned) as pool:
            for _ in track(pool.map(_make, tasks), "making fingers", len(tasks), console=_STDERR):
                pass
    return _joined([_load(path) for path in parts.values()], persons * FINGERS)


def _make(task: tuple[int, int, int, Path]) -> None:
    seed, first, impression, path = task
    block = Block.packed(
        [
            Finger(seed, person, position).template(impression)
            for person in range(first, first + _PERSONS_A_FILE)
            for position in range(1, FINGERS + 1)
        ]
    )
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez(file, **{field.name: getattr(block, field.name) for field in fields(block)})
    Path(file.name).replace(path)


def _load(path: Path) -> Block:
    with np.load(path) as file:
        return Block.of(dict(file))


def _joined(blocks: list[Block], prints: int) -> Block:
    """Return the first prints of the blocks as one block."""
    ends = np.cumsum([0, *(int(block.starts[-1]) for block in blocks)])
    starts = np.concatenate([[0], *(block.starts[1:] + end for block, end in zip(blocks, ends, strict=False))])
    starts = starts[: prints + 1].astype(np.int64)
    joined = {
        field.name: np.concatenate(
            [np.zeros(0, getattr(EMPTY, field.name).dtype), *(getattr(b, field.name) for b in blocks)]
        )
        for field in fields(Block)
        if field.name != "starts"
    }
    return Block.of({name: array[: int(starts[-1])] for name, array in joined.items()} | {"starts": starts})


def real(folder: Path, cache: Path) -> list[Impression]:
    """Return the extractor's templates of a folder of images, kept beside the synthetic ones."""
    code = b"".join(
        path.read_bytes() for path in sorted(Path(extraction.__file__).parent.glob("*.py")) if _extracts(path)
    )
    images = b"".join(path.read_bytes() for path in folders.prints(folder))
    path = cache / f"real-{hashlib.sha256(code + images).hexdigest()[:16]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _save_impressions(path, read_folder(folder, None, Extractor()))
    with np.load(path) as file:
        rows = dict(file)
    names = [folders.finger_and_impression(image) or ("", 0) for image in folders.prints(folder)]
    return [Impression(str(folder), *name, _unpacked(rows, number)) for number, name in enumerate(names)]


def _extracts(path: Path) -> bool:
    return path.stem in {"extraction", "_leader", "images"}


_COLUMNS: Final = ("x", "y", "direction", "kind", "quality")


def _save_impressions(path: Path, prints: list[Impression]) -> None:
    templates = [print_.template or EMPTY for print_ in prints]
    rows: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in templates]) for name in _COLUMNS}
    sizes = np.array([(template.width, template.height) for template in templates])
    np.savez(path, **rows, sizes=sizes, starts=np.cumsum([0, *map(len, templates)]))


def _unpacked(rows: dict[str, NDArray[Any]], number: int) -> Template:
    own = slice(int(rows["starts"][number]), int(rows["starts"][number + 1]))
    x, y, direction, kind, quality = (rows[name][own] for name in _COLUMNS)
    width, height = (int(side) for side in rows["sizes"][number])
    return Template.of(x, y, direction, width=width, height=height, kind=kind, quality=quality, origin=Origin.EXTRACTED)


# --- made of others --------------------------------------------------------------------------------------------------


def crop(template: Template, size: int, rng: np.random.Generator) -> Template:
    """Return what a latent print might show: a cutting, position unknown."""
    return replace(cutting(template, size, rng), position=0, impression=ImpressionType.LATENT)


def cutting(template: Template, size: int, rng: np.random.Generator) -> Template:
    """Return a minutia drawn at random and those nearest to it, so many in all."""
    middle = rng.integers(len(template))
    away = np.hypot(template.x - float(template.x[middle]), template.y - float(template.y[middle]))
    return _part(template, np.argsort(away, kind="stable")[:size])


def _part(template: Template, rows: NDArray[np.intp]) -> Template:
    return replace(template, **{name: getattr(template, name)[rows] for name in _COLUMNS})


def bent(template: Template, rng: np.random.Generator) -> Template:
    """Return the print of a finger that is another though it is like this one: its mirror image, bent smoothly."""
    x, y = template.x.astype(np.float64), template.y.astype(np.float64)
    waves = rng.normal(0.0, 1.0 / _BEND_LENGTH, (40, 2))
    phases = np.cos(np.outer(x, waves[:, 0]) + np.outer(y, waves[:, 1]) + rng.uniform(0.0, TAU, 40))
    push = phases @ rng.normal(0.0, _BEND * np.sqrt(2.0 / 40), (40, 2))
    x, y = push[:, 0] - x, push[:, 1] + y
    x, y = x - x.min(initial=0.0), y - y.min(initial=0.0)
    return Template.of(
        x,
        y,
        np.pi - template.direction,
        width=int(x.max(initial=0.0)) + 2,
        height=int(y.max(initial=0.0)) + 2,
        kind=template.kind,
        quality=template.quality,
        origin=template.origin,
    )


# --- how strange they are --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tail:
    """What comparisons of different fingers score, at each of ``LEVELS``.

    ``scores`` are reached by that share of the comparisons. ``ratios`` say how many times the share is, among these
    comparisons, that reaches the score which the share of the first tail reaches: less than 1 where this tail is lighter.
    Intervals are those of the module. A level that fewer than one comparison makes is the greatest score.
    """

    what: str
    comparisons: int
    greatest: float
    scores: tuple[float, ...]
    scores_low: tuple[float, ...]
    scores_high: tuple[float, ...]
    ratios: tuple[float, ...]
    ratios_low: tuple[float, ...]
    ratios_high: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Scores of every comparison of prints of different fingers, descending, and whose prints they are.

    ``one`` and ``other`` number the fingers; where ``alike`` they number the same fingers.
    """

    scores: NDArray[np.float32]
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    alike: bool

    def resampled(self, rng: np.random.Generator) -> Real:
        """Return how often each comparison is drawn when whole fingers are."""
        drawn = np.zeros(len(self.scores))
        while not drawn.any():  # of very few fingers it may be one alone, which has nobody to be compared with
            weights = _drawn(int(self.one.max()) + 1, rng)
            others = weights if self.alike else _drawn(int(self.other.max()) + 1, rng)
            drawn = (weights[self.one] * others[self.other]).astype(np.float64)
        return drawn

    def at(self, weights: Real) -> Real:
        """Return the score that each level's share of the comparisons, so weighted, reaches."""
        summed = np.cumsum(weights)
        rows = np.searchsorted(summed, np.array(LEVELS) * summed[-1], side="right")
        found: Real = self.scores[np.minimum(rows, len(self.scores) - 1)].astype(np.float64)
        return found

    def share(self, scores: Real, weights: Real) -> Real:
        """Return the share of the comparisons, so weighted, with these scores or more."""
        summed = np.concatenate([[0.0], np.cumsum(weights)])
        rows = np.searchsorted(-self.scores, -scores, side="right")
        return np.asarray(summed[rows] / summed[-1], dtype=np.float64)


def tails(prints: Sequence[Impression], strangers: Block, others: Block) -> Iterable[Tail]:
    """Yield the tails of real prints against real, synthetic and bent ones, and of synthetic ones with each other.

    The first is what the others are measured by. The last two are of the second half of every folder's fingers alone: on
    the first half the model was fitted.
    """
    templates = [print_.template or EMPTY for print_ in prints]
    owner = owners(prints)
    made = [strangers.template(number, 0) for number in range(len(strangers))]
    more = [others.template(number, 0) for number in range(len(others))]
    rng = np.random.default_rng(0)
    measure = _compared(templates, templates, owner, owner, alike=True)
    yield _tail("real x real", measure, measure)
    against = _compared(templates, made, owner, np.arange(len(made)), alike=False)
    yield _tail("real x synthetic", against, measure)
    yield _tail(
        "real x real bent", _compared(templates, [bent(t, rng) for t in templates], owner, owner, alike=True), measure
    )
    numbers = np.arange(len(more)), np.arange(len(made))
    yield _tail("synthetic x synthetic", _compared(more, made, *numbers, alike=False), measure)
    later = np.flatnonzero([print_.finger not in first_half(prints, print_.folder) for print_ in prints])
    kept, whose = [templates[row] for row in later], owner[later]
    measure = _compared(kept, kept, whose, whose, alike=True)
    yield _tail("second half: real x real", measure, measure)
    yield _tail("second half: real x synthetic", _compared(kept, made, whose, numbers[1], alike=False), measure)


def first_half(prints: Sequence[Impression], folder: str) -> set[str]:
    """Return the fingers of a folder that a model may be fitted on: the first half in the order of their names."""
    fingers = sorted({print_.finger for print_ in prints if print_.folder == folder})
    return set(fingers[: len(fingers) // 2])


def _compared(
    probes: list[Template], candidates: list[Template], one: NDArray[np.int64], other: NDArray[np.int64], *, alike: bool
) -> _Compared:
    """Return the scores of every probe with every candidate, those of one finger left out if fingers are ``alike``."""
    gallery = comparison.pack(candidates).prints
    every = np.arange(len(candidates), dtype=np.int64)
    scores = np.empty((len(probes), len(candidates)), dtype=np.float32)
    for row, probe in enumerate(probes):
        scores[row] = comparison.verify(comparison.pack_probe(probe), gallery, every)[0][:, FEATURES]
    kept = (one[:, None] != other) if alike else np.ones(scores.shape, dtype=np.bool_)
    rows, columns = np.nonzero(kept)
    order = np.argsort(-scores[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    numbers = [np.unique(fingers, return_inverse=True)[1] for fingers in (one, other)]
    return _Compared(scores[rows, columns], numbers[0][rows], numbers[1][columns], alike)


def _drawn(fingers: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.bincount(rng.integers(fingers, size=fingers), minlength=fingers)


def _tail(what: str, compared: _Compared, measure: _Compared) -> Tail:
    rng = np.random.default_rng(0)
    drawn = np.empty((2, _RESAMPLES, len(LEVELS)))
    for number in range(_RESAMPLES):
        weights = compared.resampled(rng)
        drawn[0, number] = compared.at(weights)
        drawn[1, number] = compared.share(measure.at(measure.resampled(rng)), weights) / LEVELS
    plain, by = np.ones(len(compared.scores)), np.ones(len(measure.scores))
    middle = np.stack([compared.at(plain), compared.share(measure.at(by), plain) / LEVELS])
    three = [middle, *np.quantile(drawn, [0.05, 0.95], axis=1)]
    scores, ratios = ([tuple(part[kind].tolist()) for part in three] for kind in (0, 1))
    return Tail(what, len(compared.scores), float(compared.scores[0]), *scores, *ratios)


# --- what they look like ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """A statistic of a set of prints: its 5th, 25th, 50th, 75th and 95th percentile."""

    prints: str
    what: str
    percentiles: tuple[float, ...]


def figures(name: str, templates: Iterable[Template]) -> Iterable[Figure]:
    """Yield how many minutiae prints have and how large they are, how far neighbours are apart and how they are turned."""
    whole = [template for template in templates if len(template) > 1]
    near, turned, opposite = [], [], []
    for template in whole:
        x, y, direction = (column.astype(np.float64) for column in (template.x, template.y, template.direction))
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        turn = np.abs(np.angle(np.exp(1j * (direction[:, None] - direction))))
        near.append((apart + 1e9 * np.eye(len(x))).min(axis=1))
        turned.append(np.minimum(turn, np.pi - turn)[(apart > 0) & (apart < 30)])
        parallel = (np.minimum(turn, np.pi - turn) < 0.35) & (apart > 30) & (apart < 200)
        opposite.append(100.0 * np.mean(turn[parallel] > 1.5) if parallel.any() else 50.0)
    columns = {
        "minutiae": np.array([len(template) for template in whole]),
        "width of what they cover, pixels": np.array([np.ptp(template.x) for template in whole]),
        "height of what they cover, pixels": np.array([np.ptp(template.y) for template in whole]),
        "distance to the nearest, pixels": np.concatenate(near),
        "turn between ridges within 30 pixels, degrees": np.degrees(np.concatenate(turned)),
        "parallel ones that point opposite ways, %": np.array(opposite),
    }
    for what, values in columns.items():
        yield Figure(name, what, tuple(np.percentile(values, [5, 25, 50, 75, 95]).tolist()))
