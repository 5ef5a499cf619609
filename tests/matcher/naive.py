"""The search engine once more, slow and obvious: what the kernels must equal.

Plain loops and double precision over the definitions in ``matcher._kernels``; no buffer is kept, no step shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matcher._parameters import (
    CYLINDER,
    DISSENT,
    PAIRING,
    SHORTLIST,
    SHORTLIST_SHARE,
    SIFT_FLOOR,
    TAIL,
)
from matcher.template import LEAST_MINUTIAE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matcher.template import Template

TAU = math.tau


@dataclass(frozen=True)
class Minutia:
    x: float
    y: float  # upwards
    turn: float

    def seen_from(self, other: Minutia) -> tuple[float, float]:
        dx, dy = self.x - other.x, self.y - other.y
        c, s = math.cos(other.turn), math.sin(other.turn)
        return dx * c + dy * s, dy * c - dx * s

    def far_from(self, other: Minutia) -> float:
        return math.hypot(self.x - other.x, self.y - other.y)


def minutiae(template: Template) -> list[Minutia]:
    return [
        Minutia(float(x), -float(y), float(d))
        for x, y, d in zip(template.x, template.y, template.direction, strict=True)
    ]


def between(a: float, b: float) -> float:
    """Return the turn from b to a in [-pi, pi]."""
    return math.remainder(a - b, TAU)


# --- once for a print


def hull(points: Sequence[tuple[float, float]]) -> set[tuple[float, float]]:
    """Return the corners: those points that lie strictly outside some line through the others."""
    distinct = sorted(set(points))
    if len(distinct) < 3:
        return set(distinct)

    def chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
        corners: list[tuple[float, float]] = []
        for point in ordered:
            while len(corners) >= 2 and cross(corners[-2], corners[-1], point) <= 0:
                corners.pop()
            corners.append(point)
        return corners

    return set(chain(distinct)) | set(chain(distinct[::-1]))


def cross(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def descriptor(points: Sequence[Minutia], i: int) -> NDArray[np.float64]:
    """Return the descriptor before rounding to bytes."""
    shape = CYLINDER
    at = [(k + 0.5) * 2 * shape.reach / shape.side - shape.reach for k in range(shape.side)]
    values = []
    for across in at:
        for along in at:
            if math.hypot(across, along) > shape.reach * (1 + 1e-6):
                continue
            for section in range(shape.sections):
                total = 0.0
                for k, other in enumerate(points):
                    if k == i or other.far_from(points[i]) > shape.reach + 3 * shape.spread:
                        continue
                    u, v = other.seen_from(points[i])
                    ground = bump((u - across) / shape.spread) * bump((v - along) / shape.spread)
                    turned = between(between(other.turn, points[i].turn), section * TAU / shape.sections)
                    if ground > shape.faint:
                        total += ground * bump(turned / shape.turn_spread)
                values.append(math.tanh(shape.gain * total))
    cylinder = np.array(values)
    norm = np.linalg.norm(cylinder)
    if norm > 0:
        cylinder *= shape.length / norm
    heading = shape.heading * np.array([math.cos(points[i].turn), math.sin(points[i].turn)])
    return np.concatenate([np.minimum(cylinder, 127.0), heading])


def bump(z: float) -> float:
    return math.exp(-0.5 * z * z)


# --- stage one


def similarity(a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.int64]:
    return a.astype(np.int64) @ b.astype(np.int64).T


def sift(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    if not len(a) or not len(b):
        return 0.0
    similar = similarity(a, b)
    excess = (
        np.maximum(similar.max(axis=0) - SIFT_FLOOR, 0).sum() + np.maximum(similar.max(axis=1) - SIFT_FLOOR, 0).sum()
    )
    return float(excess / math.sqrt(len(a) * len(b)))


# --- stages two and three


@dataclass(frozen=True)
class Alignment:
    score: float
    features: tuple[float, ...]
    mates: tuple[tuple[int, int], ...]


def verify(a: Sequence[Minutia], b: Sequence[Minutia], similar: NDArray[np.int64]) -> Alignment:
    pairs = best_pairs(similar)
    strength = np.array([similar[pair] for pair in pairs], dtype=float)
    consistency = np.array([[agreement(a, b, p, q) for q in pairs] for p in pairs]).reshape(len(pairs), len(pairs))
    votes = unit(strength)
    for _ in range(PAIRING.sweeps):
        votes = unit(consistency @ votes)
    best = Alignment(float(PAIRING.weights[-1]), (0.0,) * (len(PAIRING.weights) - 1), ())
    covered: set[tuple[int, int]] = set()
    for number in range(PAIRING.seeds):
        left = [k for k, pair in enumerate(pairs) if pair not in covered and votes[k] > 0]
        if not left:
            break
        seed = max(left, key=lambda k: (votes[k], -k))
        weights = votes * consistency[seed]
        weights[seed] = votes[seed]
        alignment, mates = align(a, b, pairs, weights)
        covered |= {pairs[seed], *mates}
        if number == 0 or alignment.score > best.score:
            best = alignment
    return best


def best_pairs(similar: NDArray[np.int64]) -> list[tuple[int, int]]:
    m, n = similar.shape
    kept = [
        (i, j)
        for i in range(m)
        for j in range(n)
        if similar[i, j] > 0
        and (similar[i] > similar[i, j]).sum() < PAIRING.per_minutia
        and (similar[:, j] > similar[i, j]).sum() < PAIRING.per_minutia
    ]
    return sorted(kept, key=lambda pair: -similar[pair])[: PAIRING.pairs]


def agreement(a: Sequence[Minutia], b: Sequence[Minutia], one: tuple[int, int], other: tuple[int, int]) -> float:
    if one[0] == other[0] or one[1] == other[1]:
        return 0.0
    p, q, r, s = a[one[0]], a[other[0]], b[one[1]], b[other[1]]
    mean = (p.far_from(q) + r.far_from(s)) / 2
    stretch = (p.far_from(q) - r.far_from(s)) / (PAIRING.near + PAIRING.slope * mean)
    twist = between(between(q.turn, s.turn), between(p.turn, r.turn)) / PAIRING.turn
    gap = max(math.dist(q.seen_from(p), s.seen_from(r)), math.dist(p.seen_from(q), r.seen_from(s)))
    gap /= PAIRING.near + PAIRING.turn * mean
    return math.prod(max(0.0, 1 - z * z) for z in (stretch, twist, gap))


def unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = np.linalg.norm(values)
    return values / norm if norm > 0 else np.zeros_like(values)


def align(
    a: Sequence[Minutia], b: Sequence[Minutia], pairs: Sequence[tuple[int, int]], weights: NDArray[np.float64]
) -> tuple[Alignment, list[tuple[int, int]]]:
    turn, shift, centre = fit(a, b, pairs, weights)
    for number in range(PAIRING.rounds):
        moved = [move(p, turn, shift) for p in a]
        mates = mate(moved, b, centre)
        if not mates or number == PAIRING.rounds - 1:
            break
        turn, shift, centre = fit(a, b, list(mates), np.array([1 - cost for cost in mates.values()]))
    features = measure(a, b, moved, mates, (turn, shift))
    score = float(np.dot(features, PAIRING.weights[:-1]) + PAIRING.weights[-1])
    return Alignment(score, features, tuple(mates)), list(mates)


def fit(
    a: Sequence[Minutia], b: Sequence[Minutia], pairs: Sequence[tuple[int, int]], weights: NDArray[np.float64]
) -> tuple[float, complex, complex]:
    """Return turn, shift and the middle of the second ends, in the complex plane."""
    p = np.array([complex(a[i].x, a[i].y) for i, _ in pairs])
    q = np.array([complex(b[j].x, b[j].y) for _, j in pairs])
    turned = np.array([b[j].turn - a[i].turn for i, j in pairs])
    middle_p, middle_q = np.average(p, weights=weights), np.average(q, weights=weights)
    lean = np.sum(weights * ((q - middle_q) * np.conj(p - middle_p) + PAIRING.lever * np.exp(1j * turned)))
    turn = float(np.angle(lean))
    return turn, complex(middle_q - np.exp(1j * turn) * middle_p), complex(middle_q)


def move(p: Minutia, turn: float, shift: complex) -> Minutia:
    at = complex(p.x, p.y) * complex(math.cos(turn), math.sin(turn)) + shift
    return Minutia(at.real, at.imag, p.turn + turn)


def mate(moved: Sequence[Minutia], b: Sequence[Minutia], centre: complex) -> dict[tuple[int, int], float]:
    """Return the mutual nearest neighbours and what each costs."""
    costs = np.array([[cost(p, q, centre) for q in b] for p in moved]).reshape(len(moved), len(b))
    mates = {}
    for i in range(len(moved)):
        j = int(np.argmin(costs[i])) if len(b) else 0
        if len(b) and costs[i, j] < 1 and int(np.argmin(costs[:, j])) == i:
            mates[i, j] = float(costs[i, j])
    return mates


def cost(p: Minutia, q: Minutia, centre: complex) -> float:
    reach = PAIRING.reach + PAIRING.reach_slope * abs(complex(p.x, p.y) - centre)
    off, twist = p.far_from(q) / reach, between(p.turn, q.turn) / PAIRING.reach_turn
    return (off**2 + twist**2) / 2 if off < 1 and abs(twist) < 1 else 1.0


def measure(
    a: Sequence[Minutia],
    b: Sequence[Minutia],
    moved: Sequence[Minutia],
    mates: dict[tuple[int, int], float],
    motion: tuple[float, complex],
) -> tuple[float, ...]:
    turn, shift = motion
    back = [move(Minutia(q.x - shift.real, q.y - shift.imag, q.turn), -turn, 0) for q in b]
    mated_a, mated_b = {i for i, _ in mates}, {j for _, j in mates}
    alone = sum(inside(p, b) for i, p in enumerate(moved) if i not in mated_a)
    alone += sum(inside(q, a) for j, q in enumerate(back) if j not in mated_b)
    return (
        surprise(a, b, len(mates), alone),
        math.log((len(mates) + 0.5) / (alone / 2 + 1)),
        math.log((len(mates) + 1) / (sum(mates.values()) + 1)),
        abs(math.remainder(turn, TAU)),
    )


def surprise(a: Sequence[Minutia], b: Sequence[Minutia], mated: int, alone: int) -> float:
    disc = math.pi * PAIRING.reach**2
    density = (len(a) / ground(a) + len(b) / ground(b)) / 2
    expected = max((mated + alone / 2) * density * disc * PAIRING.reach_turn / math.pi, PAIRING.least_chance)
    if mated <= expected:
        return 0.0
    bound = mated * math.log(mated / expected) - mated + expected - math.log(len(a) * len(b))
    return max(bound, 0.0)


def ground(points: Sequence[Minutia]) -> float:
    """Return the area within reach of the hull: a polygon, a strip around it, and the parts of a disc at its corners."""
    around = around_middle(hull([(p.x, p.y) for p in points]))
    edges = [(around[k - 1], around[k]) for k in range(len(around))]
    area = sum(cross((0.0, 0.0), q, r) for q, r in edges) / 2
    return abs(area) + PAIRING.reach * sum(math.dist(q, r) for q, r in edges) + math.pi * PAIRING.reach**2


def around_middle(corners: set[tuple[float, float]]) -> list[tuple[float, float]]:
    middle = np.mean([complex(*corner) for corner in corners]) if corners else 0.0
    return sorted(corners, key=lambda corner: np.angle(complex(*corner) - middle))


def inside(p: Minutia, others: Sequence[Minutia]) -> bool:
    corners = hull([(q.x, q.y) for q in others])
    if len(corners) < 3:
        return False
    around = around_middle(corners)
    edges = [(around[k - 1], around[k]) for k in range(len(around))]
    return all(cross(q, r, (p.x, p.y)) / math.dist(q, r) > PAIRING.border for q, r in edges)


# --- a search


def fmp(score: float) -> float:
    return min(1.0, math.exp(-TAIL.rate * (score - TAIL.origin)))


def search(
    probe: Sequence[Template],
    subjects: dict[str, Sequence[Template]],
    described: dict[int, NDArray[np.int8]],
    rate: float,
) -> list[tuple[str, float]]:
    """Return names and scores, best first; ``described`` holds the byte descriptors by ``id`` of a template."""
    fingers = [print_ for print_ in probe if len(print_) >= LEAST_MINUTIAE]
    sifted = {}
    for name, templates in subjects.items():
        best = [
            max((sift(described[id(p)], described[id(t)]) for t in templates if comparable(p, t)), default=None)
            for p in fingers
        ]
        if any(value is not None for value in best):
            sifted[name] = sum(value or 0.0 for value in best)
    room = max(SHORTLIST, math.ceil(SHORTLIST_SHARE * len(subjects)))
    found = []
    for name in sorted(sifted, key=lambda name: -sifted[name])[:room]:
        score, probability = evidence(fingers, subjects[name], described)
        if probability * len(subjects) <= rate:
            found.append((name, score))
    return sorted(found, key=lambda pair: -pair[1])


def comparable(p: Template, t: Template) -> bool:
    return p.position in {0, t.position} or t.position == 0


def evidence(
    fingers: Sequence[Template], templates: Sequence[Template], described: dict[int, NDArray[np.int8]]
) -> tuple[float, float]:
    scores = {
        (i, j): verify(minutiae(p), minutiae(t), similarity(described[id(p)], described[id(t)])).score
        for i, p in enumerate(fingers)
        for j, t in enumerate(templates)
        if comparable(p, t)
    }
    choices = {i: sum(1 for pair in scores if pair[0] == i) for i, _ in scores}
    total, probabilities = 0.0, []
    while scores:
        (i, j), score = max(scores.items(), key=lambda item: item[1])
        total += max(score - math.log(choices[i]), DISSENT)
        probabilities.append(min(1.0, choices[i] * fmp(score)))
        scores = {pair: value for pair, value in scores.items() if pair[0] != i and pair[1] != j}
    return total, combined(probabilities)


def combined(probabilities: Sequence[float]) -> float:
    product = math.prod(probabilities)
    return product * sum((-math.log(product)) ** k / math.factorial(k) for k in range(len(probabilities)))
