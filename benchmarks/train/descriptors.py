"""Train the descriptors of ``matcher.descriptors``, and measure what stage one finds with them.

    python -m benchmarks.train.prints PRINTS
    python -m benchmarks.train.descriptors DATA --prints PRINTS --out matcher/model/descriptors.npz --among 20000

``DATA`` holds the sets of FVC2002, a folder each, with pictures and another vendor's templates beside them. One half of each
set's fingers, in the order of their names, is trained on (the first, unless ``--half second``); the other half is judged by.

**Mates.** For two impressions of a finger every pair of minutiae is taken to be mates in turn, which gives a motion; the motion
that brings most minutiae together is kept, fitted to its mates, and mated again. No descriptor has a say in this, so a
model does not depend on the model before it. Prints are read by both extractors, and mates are looked for between readings
of both, so that the descriptors of both agree.

**Discriminant analysis.** The projection is the one under which the differences between mates, *within*, have unit
covariance and all cylinders together the greatest. In both, synthetic prints have the weight ``SYNTHETIC`` against real ones,
however many they are. ``RIDGE`` of the mean variance is added to what is within.

**Recall.** Mates of the half that is left are searched for among synthetic fingers: the share that ranks below the best 1e-3
and below the best 1e-2 by the score of stage one. ``solid`` counts only pairs that are aligned with :data:`SOLID` mates or
more, because what cannot be aligned is lost in the later stages anyway.

Everything is determined by the data, and the same on every run with the same number of threads of the linear algebra library
on the same machine; on another machine the last digits of the model may differ.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.accuracy import read_folder
from benchmarks.train import prints
from matcher import descriptors
from matcher._compiled import bare_kernel, kernel
from matcher._describe import Network
from matcher.extraction import Extractor
from matcher.synthesis import population

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from matcher.template import Template

    Real = NDArray[np.float64]
    Single = NDArray[np.float32]
    Indices = NDArray[np.int64]

REACH: Final = 70.0
SIDE: Final = 8
RADIUS: Final = 22.0
SECTIONS: Final = 6
FOCUS: Final = 1.0
GAIN: Final = 1.0
LENGTH: Final = 200.0
HEADING: Final = 120.0
RIDGE: Final = 0.01
SYNTHETIC: Final = 0.3  # weight of the synthetic prints, that of the real ones being 1

NEAR: Final = 12.0
"""Pixels between mates."""

TURN: Final = 0.4
"""Radians between the directions of mates."""

MOST_TURN: Final = 0.8
"""Radians that one print may be turned against another to be laid on it."""

LEAST_MATES: Final = 10
LEAST_SHARE: Final = 0.4
"""Of the smaller print's minutiae."""

SOLID: Final = 12

BACKGROUND_SEED: Final = 77

CHUNK: Final = 16_384
"""Minutiae of the background compared at once, so that similarities stay in the cache."""

FORM: Final = (0.55, False, 1.0)
"""Of the score that recall is measured with; see :func:`recall`."""


class Readings(NamedTuple):
    """Prints packed one behind the other, as ``matcher._kernels.Prints``, with whose they are and which of the finger's."""

    starts: Indices
    points: Single
    finger: Indices
    impression: Indices
    kind: Indices  # 0 read by our extractor, 1 by the other vendor's


class Mates(NamedTuple):
    """Rows of ``points`` that are mates, and the readings that they belong to."""

    one: Indices
    other: Indices
    one_print: Indices
    other_print: Indices


class Part(NamedTuple):
    """What is learnt from: cylinders, rows that are mates, and how much it counts."""

    cylinders: Single
    one: Indices
    other: Indices
    weight: float


# --- prints ----------------------------------------------------------------------------------------------------------


def packed(templates: Sequence[Template]) -> tuple[Indices, Single]:
    """Return the starts and points of templates."""
    starts = np.zeros(len(templates) + 1, dtype=np.int64)
    np.cumsum([len(template) for template in templates], out=starts[1:])
    points = np.empty((int(starts[-1]), 5), dtype=np.float32)
    for template, first, last in zip(templates, starts[:-1], starts[1:], strict=True):
        points[first:last, 0] = template.x
        points[first:last, 1] = -template.y.astype(np.float32)
        points[first:last, 2] = template.direction
    points[:, 3] = np.cos(points[:, 2])
    points[:, 4] = np.sin(points[:, 2])
    return starts, points


def real_prints(data: Path) -> tuple[Readings, NDArray[np.bool_]]:
    """Return every reading of the sets in ``data``, and whether its finger is in the first half of its set."""
    extractor = Extractor()
    rows: list[tuple[int, int, int, bool, Template]] = []
    for number, folder in enumerate(sorted(path for path in data.iterdir() if path.is_dir())):
        for kind, reader in enumerate((extractor, None)):
            found = read_folder(folder, None, reader)
            names = sorted({print_.finger for print_ in found}, key=int)
            for print_ in found:
                place = names.index(print_.finger)
                if print_.template is not None:
                    first = place < len(names) // 2
                    rows.append((number * 1000 + place, print_.impression, kind, first, print_.template))
    rows.sort(key=lambda row: row[:3])
    finger, impression, kinds, half, templates = zip(*rows, strict=True)
    return Readings(*packed(templates), np.array(finger), np.array(impression), np.array(kinds)), np.array(
        half, dtype=np.bool_
    )


def synthetic_prints(folder: Path) -> Readings:
    """Return the readings of the synthetic prints that ``benchmarks.train.prints`` has made."""
    fingers = list(prints.fingers(folder))
    if not fingers:
        raise SystemExit(f"{folder} holds no synthetic prints: python -m benchmarks.train.prints {folder}")
    templates = [template for finger in fingers for template in finger]
    owner = np.repeat(np.arange(len(fingers)), [len(finger) for finger in fingers])
    impression = np.concatenate([np.arange(len(finger)) for finger in fingers])
    return Readings(*packed(templates), owner, impression, np.zeros(len(templates), dtype=np.int64))


def background(count: int) -> tuple[Indices, Single]:
    """Return the minutiae of so many synthetic fingers, straight from the model. About a millisecond each."""
    people = population(BACKGROUND_SEED, -(-count // 10))
    return packed([template for person in people for template in person][:count])


# --- mates -----------------------------------------------------------------------------------------------------------


def find_mates(readings: Readings, used: NDArray[np.bool_]) -> Mates:
    """Return the mates among the impressions of each finger, of the readings that are used. About 5 ms a pair."""
    found: list[tuple[Indices, Indices, int, int]] = []
    for finger in np.unique(readings.finger[used]):
        of_finger = np.flatnonzero(used & (readings.finger == finger)).tolist()
        for at, one in enumerate(of_finger):
            for other in of_finger[at + 1 :]:
                mates = mates_of(_points(readings, one), _points(readings, other))
                rows = np.flatnonzero(mates >= 0)
                found.append((readings.starts[one] + rows, readings.starts[other] + mates[rows], one, other))
    sizes = [len(row[0]) for row in found]
    return Mates(
        np.concatenate([row[0] for row in found]),
        np.concatenate([row[1] for row in found]),
        np.repeat([row[2] for row in found], sizes),
        np.repeat([row[3] for row in found], sizes),
    )


def _points(readings: Readings, number: int) -> Single:
    return readings.points[readings.starts[number] : readings.starts[number + 1]]


def mates_of(a: Single, b: Single) -> Indices:
    """Return for each minutia of ``a`` its mate's row in ``b``, -1 where it has none or the prints cannot be aligned."""
    motion = np.zeros(4, dtype=np.float64)
    mates = np.full(len(a), -1, dtype=np.int64)
    if not len(a) or not len(b):
        return mates
    _best_motion(a, b, NEAR, TURN, MOST_TURN, motion)
    for _ in range(3):
        mates = _mated(a, b, motion)
        ends = np.flatnonzero(mates >= 0)
        if len(ends) < 2:
            break
        motion = _fitted(a[ends, :2].astype(np.float64), b[mates[ends], :2].astype(np.float64))
    if (mates >= 0).sum() < max(LEAST_MATES, LEAST_SHARE * min(len(a), len(b))):
        mates[:] = -1
    return mates


@kernel
def _best_motion(a: Single, b: Single, near: float, turn: float, most: float, motion: Real) -> None:
    """Write cosine, sine and shift of the motion of ``a`` that brings most minutiae near one of ``b``."""
    top = 0
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            angle = _between(b[j, 2], a[i, 2])
            if abs(angle) <= most:
                c, s = math.cos(angle), math.sin(angle)
                x = b[j, 0] - (c * a[i, 0] - s * a[i, 1])
                y = b[j, 1] - (s * a[i, 0] + c * a[i, 1])
                count = 0
                for k in range(a.shape[0]):
                    u = c * a[k, 0] - s * a[k, 1] + x
                    v = s * a[k, 0] + c * a[k, 1] + y
                    count += _has_neighbour(u, v, a[k, 2] + angle, b, near, turn)
                if count > top:
                    top = count
                    motion[0], motion[1], motion[2], motion[3] = c, s, x, y


@bare_kernel
def _has_neighbour(u: float, v: float, angle: float, b: Single, near: float, turn: float) -> int:
    for q in range(b.shape[0]):
        du, dv = b[q, 0] - u, b[q, 1] - v
        if du * du + dv * dv <= near * near and abs(_between(b[q, 2], angle)) <= turn:
            return 1
    return 0


@bare_kernel
def _between(one: float, other: float) -> float:
    """Return the turn from ``other`` to ``one``, from -pi to pi."""
    gap = one - other
    return gap - math.tau * math.floor(gap / math.tau + 0.5)


def _mated(a: Single, b: Single, motion: Real) -> Indices:
    """Return the mates under a motion: nearest to each other, within the tolerances."""
    c, s, x, y = motion
    u, v = c * a[:, 0] - s * a[:, 1] + x, s * a[:, 0] + c * a[:, 1] + y
    gap = np.hypot(u[:, None] - b[:, 0], v[:, None] - b[:, 1])
    turned = a[:, 2, None] + math.atan2(s, c) - b[:, 2]
    turned = np.abs(turned - math.tau * np.floor(turned / math.tau + 0.5))
    cost = np.where((gap <= NEAR) & (turned <= TURN), gap, np.inf)
    nearest = cost.argmin(axis=1)
    mutual = (cost.argmin(axis=0)[nearest] == np.arange(len(a))) & np.isfinite(cost[np.arange(len(a)), nearest])
    return np.where(mutual, nearest, -1)


def _fitted(a: Real, b: Real) -> Real:
    """Return the motion of points ``a`` onto ``b`` with the least squares."""
    middle_a, middle_b = a.mean(axis=0), b.mean(axis=0)
    p, q = a - middle_a, b - middle_b
    angle = math.atan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    c, s = math.cos(angle), math.sin(angle)
    x = middle_b[0] - (c * middle_a[0] - s * middle_a[1])
    y = middle_b[1] - (s * middle_a[0] + c * middle_a[1])
    return np.array([c, s, x, y])


# --- the projection --------------------------------------------------------------------------------------------------


def ground(dimensions: int) -> Network:
    """Return the cylinder's ground with a projection still to learn."""
    middles = (np.arange(SIDE) + 0.5) * 2 * REACH / SIDE - REACH
    across, along = (plane.ravel() for plane in np.meshgrid(middles, middles, indexing="ij"))
    inside = np.hypot(across, along) <= REACH
    angle = np.arange(SECTIONS) * math.tau / SECTIONS
    size = int(inside.sum()) * SECTIONS
    inverse = np.full(inside.sum(), 1 / RADIUS**2)
    return Network(
        cells=np.stack([across[inside], along[inside], inverse]).astype(np.float32),
        sections=np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32),
        focus=np.float32(FOCUS),
        gain=np.float32(GAIN),
        weights=np.zeros((size, dimensions), dtype=np.float32),
        bias=np.zeros(dimensions, dtype=np.float32),
        length=np.float32(LENGTH),
        heading=np.float32(HEADING),
    )


def learnt(parts: Iterable[Part], network: Network) -> Network:
    """Return the network with the projection that the parts teach."""
    size = len(network.weights)
    within, total, mean = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
    count = 0.0
    for part in parts:
        apart = (part.cylinders[part.one] - part.cylinders[part.other]).astype(np.float64)
        within += part.weight / len(apart) * (apart.T @ apart)
        middle = part.cylinders.mean(axis=0, dtype=np.float64)
        centred = part.cylinders - middle
        total += part.weight / len(centred) * (centred.T @ centred)
        mean += part.weight * middle
        count += part.weight
    within += RIDGE * np.trace(within) / size * np.eye(size)
    spread, axes = np.linalg.eigh(within / count)
    whitening = axes / np.sqrt(spread)
    gain, turns = np.linalg.eigh(whitening.T @ (total / count) @ whitening)
    weights = whitening @ turns[:, np.argsort(-gain)[: network.weights.shape[1]]]
    weights *= np.where(weights.sum(axis=0) < 0, -1.0, 1.0)  # the sign of an axis is the library's choice
    return network._replace(weights=weights.astype(np.float32), bias=(-(mean / count) @ weights).astype(np.float32))


def trained(sets: Sequence[tuple[Readings, Mates, NDArray[np.bool_]]], dimensions: int) -> Network:
    """Return the network learnt from the readings that are used of the real and the synthetic prints."""
    network = ground(dimensions)
    parts = (_part(*one, network, weight) for one, weight in zip(sets, (1.0, SYNTHETIC), strict=True))
    return learnt(parts, network)


def _part(readings: Readings, mates: Mates, used: NDArray[np.bool_], network: Network, weight: float) -> Part:
    rows = np.repeat(used, np.diff(readings.starts))
    place = np.cumsum(rows) - 1
    chosen = used[mates.one_print] & used[mates.other_print]
    cylinders = descriptors.cylinders(readings.starts, readings.points, network)[rows]
    return Part(cylinders, place[mates.one[chosen]], place[mates.other[chosen]], weight)


# --- recall ----------------------------------------------------------------------------------------------------------


class Recall(NamedTuple):
    """Shares of mated pairs that stage one loses: below the best 1e-3, and the best 1e-2, of the background."""

    pairs: int
    lost_3: float
    lost_2: float
    solid: int
    solid_3: float
    solid_2: float


def recall(
    readings: Readings,
    judged: NDArray[np.bool_],
    mates: Mates,
    described: tuple[NDArray[np.int8], Indices, NDArray[np.int8]],
    form: tuple[float, bool, float],
) -> dict[str, Recall]:
    """Return what is lost for each pair of kinds, in both directions, with descriptors of readings and background.

    ``form`` is the score's: the floor as a share of the greatest similarity, whether the excess is squared, and the power of
    the number of a finger's minutiae that it is divided by.
    """
    own, starts, others = described
    aligned = np.zeros((len(readings.kind),) * 2, dtype=np.int64)
    np.add.at(aligned, (mates.one_print, mates.other_print), 1)
    aligned += aligned.T
    ranks: dict[str, list[tuple[float, bool]]] = {"own": [], "vendor": [], "between": []}
    for probe in np.flatnonzero(judged).tolist():
        rows = _rows(own, readings.starts, probe)
        behind = np.sort(_scores(rows, others, starts, form))
        same = judged & (readings.finger == readings.finger[probe])
        for mate in np.flatnonzero(same & (readings.impression != readings.impression[probe])).tolist():
            candidate = _rows(own, readings.starts, mate)
            score = _scores(rows, candidate, np.array([0, len(candidate)]), form)[0]
            rank = 1.0 - np.searchsorted(behind, score, side="left") / len(behind)
            kinds = int(readings.kind[probe] + readings.kind[mate])
            name = ("own", "between", "vendor")[kinds]
            ranks[name].append((rank, bool(aligned[probe, mate] >= SOLID)))
    return {name: _recall(np.array(found, dtype=np.float64)) for name, found in ranks.items()}


def _recall(found: Real) -> Recall:
    rank, solid = found[:, 0], found[:, 1] > 0
    return Recall(
        len(rank),
        float((rank > 1e-3).mean()),
        float((rank > 1e-2).mean()),
        int(solid.sum()),
        float((rank[solid] > 1e-3).mean()),
        float((rank[solid] > 1e-2).mean()),
    )


def _rows(values: NDArray[np.int8], starts: Indices, number: int) -> NDArray[np.int8]:
    return values[starts[number] : starts[number + 1]]


def _scores(
    probe: NDArray[np.int8], gallery: NDArray[np.int8], starts: Indices, form: tuple[float, bool, float]
) -> Single:
    """Return the score of stage one of each finger of the gallery."""
    floor, squared, power = form
    scores = np.zeros(len(starts) - 1, dtype=np.float32)
    best = np.zeros(CHUNK, dtype=np.float32)
    wide = probe.astype(np.float32)
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + CHUNK, side="right")) - 1
        similarity = wide @ gallery[starts[first] : starts[last]].astype(np.float32).T
        similarity.max(axis=0, initial=0.0, out=best[: similarity.shape[1]])
        excess = np.maximum(best[: similarity.shape[1]] - np.float32(floor * (LENGTH**2 + HEADING**2)), 0)
        ends = np.append(np.float32(0), np.cumsum(np.square(excess) if squared else excess, dtype=np.float64))
        cuts = starts[first : last + 1] - starts[first]
        size = np.maximum(np.diff(cuts), 1).astype(np.float64) ** power
        scores[first:last] = (ends[cuts[1:]] - ends[cuts[:-1]]) / size
        first = last
    return scores


# --- the command -----------------------------------------------------------------------------------------------------


def provenance(arguments: argparse.Namespace, data: bytes, lines: Iterable[str]) -> str:
    """Return the text that stands beside a model: what from, which command, which bytes, what it gives."""
    command = f"DATA --prints PRINTS --half {arguments.half} --dimensions {arguments.dimensions}"
    command += f" --among {arguments.among}" if arguments.among else ""
    head = [
        "# The projection of matcher.descriptors; made, not written.",
        f'command = "python -m benchmarks.train.descriptors {command}"',
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
        f"version = {descriptors.VERSION}",
        f'machine = "{machine.describe()}"',
    ]
    return "\n".join([*head, *lines, ""])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train.descriptors",
        description="Train the descriptors of minutiae, and measure them.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with the sets of FVC2002 in folders")
    parser.add_argument("--prints", type=Path, required=True, help="the folder that benchmarks.train.prints has filled")
    parser.add_argument("--half", choices=("first", "second"), default="first", help="of each set, to train on")
    parser.add_argument("--dimensions", type=int, default=descriptors.DIMENSIONS - 2, help="of the projection")
    parser.add_argument("--out", type=Path, help="where the model goes, a text with its provenance beside it")
    parser.add_argument("--among", type=int, default=0, help="synthetic fingers to measure recall among; none if 0")
    return parser.parse_args()


def main() -> None:
    """Train, measure, write."""
    arguments = _arguments()
    real, first = real_prints(arguments.data)
    synthetic = synthetic_prints(arguments.prints)
    used = first if arguments.half == "first" else ~first
    everyone = np.ones(len(synthetic.kind), dtype=np.bool_)
    mates = find_mates(real, np.ones(len(real.kind), dtype=np.bool_))
    sets = [(real, mates, used), (synthetic, find_mates(synthetic, everyone), everyone)]
    network = trained(sets, arguments.dimensions)
    data = descriptors.serialized(network)
    lines = [*_content(sets), *_figures(network, real, ~used, mates, arguments.among)]
    text = provenance(arguments, data, lines)
    print(text)
    if arguments.out:
        arguments.out.write_bytes(data)
        arguments.out.with_suffix(".toml").write_text(text, encoding="utf-8")


def _content(sets: Sequence[tuple[Readings, Mates, NDArray[np.bool_]]]) -> Iterator[str]:
    for name, (readings, mates, used) in zip(("real", "synthetic"), sets, strict=True):
        chosen = used[mates.one_print] & used[mates.other_print]
        content = hashlib.sha256(readings.points.tobytes()).hexdigest()
        yield f"\n[{name}]"
        yield f"fingers = {len(np.unique(readings.finger[used]))}"
        yield f"readings = {int(used.sum())}"
        yield f"mates = {int(chosen.sum())}"
        yield f'points_sha256 = "{content}"  # of the minutiae of all readings, float32 (n, 5)'


def _figures(
    network: Network, readings: Readings, judged: NDArray[np.bool_], mates: Mates, among: int
) -> Iterator[str]:
    if not among:
        return
    starts, points = background(among)
    described = (
        descriptors.described(readings.starts, readings.points, network),
        starts,
        descriptors.described(starts, points, network),
    )
    for name, lost in recall(readings, judged, mates, described, FORM).items():
        yield f"\n[lost.{name}]  # by the best 1e-3 and 1e-2 of {among} synthetic fingers; the other half of the fingers"
        yield f"pairs = {lost.pairs}\nshares = [{lost.lost_3:.4f}, {lost.lost_2:.4f}]"
        yield f"solid = {lost.solid}\nof_solid = [{lost.solid_3:.4f}, {lost.solid_2:.4f}]"


if __name__ == "__main__":
    main()
