"""The search engine once more, slow and obvious: what the kernels and the gallery must equal.

Plain numpy and double precision over the definitions in ``matcher._kernels``, ``matcher._sift`` and ``matcher.gallery``: whole
matrices, complex numbers for points, no buffer kept, no step shared. Descriptors are taken as given;
``naive_descriptors`` is their twin.

Two things are part of a definition and not of its computation, so they are the same here: a direction is one of 65,536, and its
cosine and sine are those of one of 4,096.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matcher._kernels import EVIDENCE
from matcher._parameters import CASCADE, DISSENT, PAIRING, RELIABILITY, STANDS_OUT, TAILS
from matcher.template import LEAST_MINUTIAE, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matcher.template import Template

    Real = NDArray[np.float64]
    Points = NDArray[np.complex128]
    Pair = tuple[int, int]

TAU = math.tau
DIRECTIONS = 65_536
COSINES = 4_096
NEIGHBOURHOOD = 62
"""Dimensions of a descriptor; the others are the minutia's own direction."""
CLOSE = 1e-4
"""Choices between values nearer than that may fall either way in single precision."""


@dataclass(frozen=True, eq=False)
class Print:
    """One print, best minutia first."""

    at: Points  # x, and y upwards
    turn: Real
    head: Points  # of length 1
    trust: Real  # 0 to 1
    descriptors: Real  # whole numbers
    hull: list[complex]
    bounded: bool  # whether nothing between its minutiae is nothing there
    order: NDArray[np.intp]
    latent: bool

    def __len__(self) -> int:
        return len(self.at)


def print_of(template: Template, descriptors: NDArray[np.int8]) -> Print:
    """Return a print; ``descriptors`` are in the template's order."""
    percent = reliability(template)
    order = np.array(sorted(range(len(template)), key=lambda k: (-percent[k], k)), dtype=np.intp)
    at = (template.x - 1j * template.y.astype(np.float64))[order]
    step = np.rint(template.direction[order].astype(np.float64) * DIRECTIONS / TAU) % DIRECTIONS
    coarse = np.floor(step * COSINES / DIRECTIONS)
    clear_only = template.origin == Origin.MARKED or template.impression.latent
    return Print(
        at=at,
        turn=step * TAU / DIRECTIONS,
        head=np.exp(1j * coarse * TAU / COSINES),
        trust=np.array([percent[k] / 100 for k in order]),
        descriptors=descriptors[order].astype(np.float64),
        hull=hull(at),
        bounded=not clear_only,
        order=order,
        latent=template.impression.latent,
    )


# --- once for a print ------------------------------------------------------------------------------------------------


def reliability(template: Template) -> list[int]:
    """Return the percentage of each minutia."""
    if template.origin == Origin.MARKED:
        return [round(100 * RELIABILITY.marked)] * len(template)
    if template.origin == Origin.EXTRACTED:
        return [round(100 * between_knots(float(q), RELIABILITY.by_quality)) for q in template.quality]
    at = [complex(x, y) for x, y in zip(template.x.tolist(), template.y.tolist(), strict=True)]
    nearest = [min((abs(p - q) for j, q in enumerate(at) if j != i), default=math.inf) for i, p in enumerate(at)]
    return [round(100 * between_knots(d, RELIABILITY.by_distance)) for d in nearest]


def between_knots(value: float, knots: tuple[tuple[float, ...], tuple[float, ...]]) -> float:
    """Return the point of a broken line, level beyond its ends."""
    at, to = knots
    if value <= at[0]:
        return to[0]
    for k in range(1, len(at)):
        if value <= at[k]:
            return to[k - 1] + (to[k] - to[k - 1]) * (value - at[k - 1]) / (at[k] - at[k - 1])
    return to[-1]


def hull(points: Points) -> list[complex]:
    """Return the corners counter-clockwise: those points strictly left of every way between the others around them."""
    distinct = sorted(set(points.tolist()), key=lambda p: (p.real, p.imag))
    if len(distinct) < 3:
        return distinct

    def chain(ordered: list[complex]) -> list[complex]:
        corners: list[complex] = []
        for point in ordered:
            while len(corners) >= 2 and cross(corners[-2], corners[-1], point) <= 0:
                corners.pop()
            corners.append(point)
        return corners

    return chain(distinct)[:-1] + chain(distinct[::-1])[:-1]


def cross(p: complex, q: complex, r: complex) -> float:
    return ((q - p).conjugate() * (r - p)).imag


def edges(corners: list[complex]) -> list[tuple[complex, complex]]:
    return [(corners[k - 1], corners[k]) for k in range(len(corners))]


def density(one: Print) -> float:
    """Return minutiae a square pixel within reach of the hull: a polygon, a strip around it, a disc in parts at its corners."""
    around = edges(one.hull)
    area = abs(sum(cross(0j, q, r) for q, r in around)) / 2
    length = sum(abs(r - q) for q, r in around)
    reach = float(PAIRING.reach)
    return len(one) / (area + reach * length + math.pi * reach**2)


def depth(points: Points, one: Print) -> Real:
    """Return how far inside a print's hull each point lies, negative outside; everywhere outside what has no area or bounds."""
    if not one.bounded or len(one.hull) < 3:
        return np.full(len(points), -np.inf)
    walls = [((points - q) * np.conj(r - q)).imag / abs(r - q) for q, r in edges(one.hull)]
    return np.asarray(np.min(walls, axis=0))


# --- stage one -------------------------------------------------------------------------------------------------------


def similarity(probe: Print, other: Print) -> Real:
    """Return inner products; the last two dimensions, the directions themselves, count nothing for a latent probe."""
    counted = NEIGHBOURHOOD if probe.latent else None
    return probe.descriptors[:, :counted] @ other.descriptors[:, :counted].T


@cache
def sift(probe: Print, other: Print) -> float:
    read = max(1, (len(other) + 8) // 16) * 16
    best = similarity(probe, other)[:, :read].max(axis=0, initial=-np.inf)
    floor = CASCADE.floor_turned if probe.latent else CASCADE.floor
    return float(np.maximum(best - floor, 0).sum() / (len(other) + CASCADE.few))


# --- stage two -------------------------------------------------------------------------------------------------------


@cache
def relate(a: Print, b: Print) -> float:
    similar = similarity(a, b)
    pairs = best_pairs(similar)
    return vote(strength(similar, pairs), consistency(a, b, pairs))[1]


def best_pairs(similar: Real, room: int = PAIRING.pairs) -> list[Pair]:
    """Return pairs that fewer than three of the row, and of the column, exceed; the strongest first."""
    few = similar > 0
    for axis, length in enumerate(similar.shape):
        if length > 3:
            few &= similar >= np.sort(similar, axis=axis).take([-3], axis=axis)
    kept = [(int(i), int(j)) for i, j in np.argwhere(few)]
    return sorted(kept, key=lambda pair: -similar[pair])[:room]


def strength(similar: Real, pairs: Sequence[Pair]) -> Real:
    return np.array([similar[pair] for pair in pairs], dtype=np.float64)


def consistency(a: Print, b: Print, pairs: Sequence[Pair]) -> Real:
    i, j = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    here = a.at[i] - a.at[i][:, np.newaxis]  # from the pair of the row to the pair of the column
    there = b.at[j] - b.at[j][:, np.newaxis]
    mean = (abs(here) + abs(there)) / 2
    near = float(PAIRING.near)
    stretch = (abs(here) - abs(there)) / (near + float(PAIRING.slope) * mean)
    turned = a.turn[i] - b.turn[j]
    twist = between(turned, turned[:, np.newaxis]) / float(PAIRING.turn)
    seen = abs(here * np.conj(a.head[i])[:, np.newaxis] - there * np.conj(b.head[j])[:, np.newaxis])
    gap = np.maximum(seen, seen.T) / (near + float(PAIRING.turn) * mean)
    value = np.prod([np.maximum(0.0, 1.0 - z**2) for z in (stretch, twist, gap)], axis=0)
    value[(i == i[:, np.newaxis]) | (j == j[:, np.newaxis])] = 0.0
    return np.asarray(value)


def between(a: Real, b: Real) -> Real:
    """Return the turn from b to a in [-pi, pi]."""
    return np.asarray((a - b + math.pi) % TAU - math.pi)


def vote(values: Real, agreement: Real) -> tuple[Real, float]:
    """Return the votes for each pair, together of length 1, and by what the last sweep lengthened them."""
    votes, length = unit(values)
    for _ in range(PAIRING.sweeps):
        votes, length = unit(agreement @ votes)
    return votes, length


def unit(values: Real) -> tuple[Real, float]:
    length = float(np.linalg.norm(values))
    return (values / length if length > 0 else np.zeros_like(values)), length


# --- stage three -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alignment:
    """``doubtful``: a choice on the way was so close that single precision may have made another."""

    score: float
    features: tuple[float, ...]
    mates: tuple[Pair, ...] = ()
    doubtful: bool = False
    turn: float = 0.0
    shift: complex = 0j
    alone: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


@dataclass
class Doubts:
    """What was nearly chosen otherwise."""

    found: list[str] = field(default_factory=list)

    def choice(self, what: str, values: Sequence[float] | Real, scale: float = 1.0) -> None:
        """Note that the two greatest of some values hardly differ."""
        first = np.sort(np.asarray(values, dtype=np.float64))[::-1][:2]
        if len(first) == 2 and first[0] - first[1] < CLOSE * scale:
            self.found.append(what)

    def rivals(self, what: str, costs: Real) -> None:
        """Note that the two least costs of a row, being below 1, hardly differ."""
        least = np.partition(costs, 1, axis=1)[:, :2] if costs.shape[1] > 1 else np.array([[0.0, 9.0]])
        if ((least[:, 1] < 1) & (least[:, 1] - least[:, 0] < CLOSE / 10)).any():
            self.found.append(what)

    def limit(self, what: str, values: Real, limit: float, scale: float = 1.0) -> None:
        """Note that a value hardly lies on one side of a limit."""
        if (abs(values - limit) < CLOSE * scale).any():
            self.found.append(what)


@cache
def verify(a: Print, b: Print) -> Alignment:
    weights = PAIRING.weights.astype(np.float64)
    nothing = Alignment(float(weights[-1]), (0.0,) * (len(weights) - 1))
    similar = similarity(a, b)
    pairs = best_pairs(similar)
    agreement = consistency(a, b, pairs)
    votes, _ = vote(strength(similar, pairs), agreement)
    doubts = Doubts()
    tried: list[Alignment] = []
    covered: set[Pair] = set()
    for _ in range(PAIRING.seeds):
        left = [k for k, pair in enumerate(pairs) if pair not in covered and votes[k] > 0]
        if not left:
            break
        doubts.choice("seed", votes[left])
        seed = max(left, key=lambda k: (votes[k], -k))
        towards = votes * agreement[seed]
        towards[seed] = votes[seed]
        tried.append(align(a, b, pairs, towards, doubts))
        covered |= {pairs[seed], *tried[-1].mates}
    if not tried:
        return nothing
    doubts.choice("alignment", [one.score for one in tried])
    best = max(tried, key=lambda one: one.score)
    if all(one.mates == best.mates for one in tried if best.score - one.score < CLOSE):
        doubts.found = [doubt for doubt in doubts.found if doubt != "alignment"]
    return Alignment(best.score, best.features, best.mates, bool(doubts.found), best.turn, best.shift, best.alone)


def align(a: Print, b: Print, pairs: Sequence[Pair], weights: Real, doubts: Doubts) -> Alignment:
    turn, shift, middle = fit(a, b, pairs, weights)
    mates: dict[Pair, float] = {}
    for number in range(PAIRING.rounds):
        mates = mate(a, b, (turn, shift), middle, doubts)
        if not mates or number == PAIRING.rounds - 1:
            break
        turn, shift, middle = fit(a, b, list(mates), np.array([1 - cost for cost in mates.values()]))
    return measure(a, b, (turn, shift), mates, doubts)


def fit(a: Print, b: Print, pairs: Sequence[Pair], weights: Real) -> tuple[float, complex, complex]:
    """Return turn, shift and the middle of the second ends."""
    i, j = np.array(pairs, dtype=np.intp).T
    p, q = a.at[i], b.at[j]
    middle_p, middle_q = np.average(p, weights=weights), np.average(q, weights=weights)
    arms = (q - middle_q) * np.conj(p - middle_p) + float(PAIRING.lever) * b.head[j] * np.conj(a.head[i])
    turn = float(np.angle(np.sum(weights * arms)))
    return turn, complex(middle_q - np.exp(1j * turn) * middle_p), complex(middle_q)


def mate(a: Print, b: Print, motion: tuple[float, complex], middle: complex, doubts: Doubts) -> dict[Pair, float]:
    """Return who are each other's nearest within tolerance, and what each pair costs."""
    cost = costs(a, b, motion, middle, doubts)
    doubts.rivals("mate", cost)
    doubts.rivals("mate", cost.T)
    return {
        (i, int(j)): float(cost[i, j])
        for i, j in enumerate(cost.argmin(axis=1) if len(b) else [])
        if cost[i, j] < 1 and cost[:, j].argmin() == i
    }


def costs(a: Print, b: Print, motion: tuple[float, complex], middle: complex, doubts: Doubts) -> Real:
    """Return what every pair costs, 2 beyond tolerance."""
    turn, shift = motion
    moved = a.at * np.exp(1j * turn) + shift
    reach = float(PAIRING.reach) + float(PAIRING.reach_slope) * abs(moved - middle)
    off = (abs(b.at - moved[:, np.newaxis]) / reach[:, np.newaxis]) ** 2
    twist = (between(b.turn, (a.turn + turn)[:, np.newaxis]) / float(PAIRING.reach_turn)) ** 2
    doubts.limit("off", off[twist < 1 + CLOSE], 1.0)
    doubts.limit("twist", twist[off < 1 + CLOSE], 1.0)
    return np.where((off < 1) & (twist < 1), (off + twist) / 2, 2.0)


# --- what an alignment is evidence of --------------------------------------------------------------------------------


def measure(
    a: Print,
    b: Print,
    motion: tuple[float, complex],
    mates: dict[Pair, float],
    doubts: Doubts,
) -> Alignment:
    turn, shift = motion
    moved = a.at * np.exp(1j * turn) + shift
    back = (b.at - shift) * np.exp(-1j * turn)
    i, j = np.array(list(mates), dtype=np.intp).reshape(-1, 2).T
    lonely_a, against_a = missing(a, depth(moved, b), i, doubts)
    lonely_b, against_b = missing(b, depth(back, a), j, doubts)
    lonely = len(lonely_a) + len(lonely_b)
    alike = (a.descriptors[i, :NEIGHBOURHOOD] * b.descriptors[j, :NEIGHBOURHOOD]).sum(axis=1)
    likeness = alike * float(PAIRING.likeness_unit) - float(PAIRING.likeness_floor)
    evidence = {
        "surprise": improbability(len(mates), lonely / 2, (density(a) + density(b)) / 2, len(a) * len(b)),
        "tightness": math.log((len(mates) + 1) / (sum(mates.values()) + 1)),
        "turn": abs(between(np.array(turn), np.array(0.0)).item()),
        "likeness": float(np.maximum(0.0, likeness).sum()),
        "coherence": coherence(moved[i], b.at[j]),
        "against": float(against_a.sum() + against_b.sum()) / 2,
        "choice": math.log(max(1, len(a) * len(b)) / 900),
        "mutual": float(np.count_nonzero(mutual(a, b)[i, j])),
        "severity": float(against_a.sum() + against_b.sum()) / (lonely + 2),
    }
    features = tuple(evidence[name] for name in EVIDENCE)
    score = float(np.dot(features, PAIRING.weights[:-1].astype(np.float64)) + PAIRING.weights[-1])
    alone = tuple(sorted(a.order[lonely_a].tolist())), tuple(sorted(b.order[lonely_b].tolist()))
    return Alignment(score, features, tuple(mates), turn=turn, shift=shift, alone=alone)


def mutual(a: Print, b: Print) -> NDArray[np.bool_]:
    """Return which pairs are similar, and none of the row or of the column more so."""
    similar = similarity(a, b)
    greatest = np.maximum(similar.max(axis=1, keepdims=True, initial=0), similar.max(axis=0, keepdims=True, initial=0))
    found: NDArray[np.bool_] = (similar > 0) & (similar >= greatest)
    return found


def missing(one: Print, deep: Real, mated: NDArray[np.intp], doubts: Doubts) -> tuple[NDArray[np.intp], Real]:
    """Return the minutiae without a mate inside the other's hull, and the evidence of each."""
    lonely = np.setdiff1d(np.arange(len(one)), mated)
    doubts.limit("hull", deep[lonely], float(PAIRING.border), 100.0)
    lonely = lonely[deep[lonely] > PAIRING.border]
    share = np.minimum(1.0, float(PAIRING.shown_at_border) + deep[lonely] / float(PAIRING.shown_depth))
    return lonely, np.log((1 - one.trust[lonely] * share) / float(PAIRING.stranger_alone))


def improbability(mated: int, alone: float, crowd: float, alignments: int) -> float:
    chance = crowd * float(PAIRING.reach) ** 2 * float(PAIRING.reach_turn)
    expected = max((mated + alone) * chance, float(PAIRING.least_chance))
    if mated <= expected:
        return 0.0
    return max(mated * math.log(mated / expected) - mated + expected - math.log(alignments), 0.0)


def coherence(moved: Points, there: Points) -> float:
    """Return how many mates are displaced as the others around them are."""
    if len(there) < 2:
        return 0.0
    near = 1 / (1 + (abs(there - there[:, np.newaxis]) / float(PAIRING.coherence_reach)) ** 2)
    np.fill_diagonal(near, 0.0)
    push = moved - there
    off = abs(push - near @ push / near.sum(axis=1)) / float(PAIRING.coherence)
    return float(np.maximum(0.0, 1.0 - off**2).sum())


# --- a search --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finger:
    """A finger of the probe or of a subject."""

    print_: Print
    position: int
    origin: Origin


@dataclass(frozen=True)
class Named:
    """A candidate: ``mates`` are (probe print, finger, score) with evidence in favour."""

    subject: int
    score: float
    probability: float
    mates: tuple[tuple[int, int, float], ...]


def search(
    probe: Sequence[Finger],
    subjects: Sequence[Sequence[Finger] | None],
    rate: float,
    mask: Sequence[bool] | None = None,
) -> list[Named]:
    """Return the candidates, best first."""
    return decide(weigh(probe, subjects, mask), len(in_view(subjects, mask)), rate)


def weigh(
    probe: Sequence[Finger], subjects: Sequence[Sequence[Finger] | None], mask: Sequence[bool] | None = None
) -> list[Named]:
    """Return what there is to say of each subject that the stages leave; of ``subjects`` those removed are None."""
    looked = [(number, one) for number, one in enumerate(probe) if len(one.print_) >= LEAST_MINUTIAE]
    view = in_view(subjects, mask)
    enrolled = {k: list(subjects[k] or ()) for k in view}
    left = narrow([one for _, one in looked], enrolled)
    agreement = [
        sum(agreeing(one.print_, enrolled[k][j].print_) for (_, one), j in zip(looked, chosen, strict=True) if j >= 0)
        for k, chosen in left
    ]
    room = rooms(len(looked), CASCADE.verified, CASCADE.verified_share, len(view))
    best = sorted(sorted(range(len(left)), key=lambda c: -agreement[c])[:room])
    of_subject: dict[int, list[tuple[int, int]]] = {}
    for k, chosen in (left[c] for c in best):
        of_subject.setdefault(k, []).extend((row, j) for row, j in enumerate(chosen) if j >= 0)
    return [evidence(k, looked, enrolled[k], pairs) for k, pairs in of_subject.items() if pairs]


def agreeing(a: Print, b: Print) -> float:
    """Return what decides in stage two: its own score times that of stage one, which has the benefit of the doubt."""
    return relate(a, b) * (sift(a, b) + CASCADE.benefit)


def in_view(subjects: Sequence[Sequence[Finger] | None], mask: Sequence[bool] | None) -> list[int]:
    inside = [*(mask if mask is not None else [True] * len(subjects)), *[False] * len(subjects)]
    return [k for k, fingers in enumerate(subjects) if fingers is not None and inside[k]]


def rooms(prints: int, least: int, share: float, subjects: int) -> int:
    return max(1, max(least, math.ceil(share * subjects)) // prints)


def narrow(looked: Sequence[Finger], enrolled: dict[int, list[Finger]]) -> list[tuple[int, list[int]]]:
    """Return what stands out most in stage one: a subject, and one of its fingers for each print of the probe, -1 for none.

    Of a single print the fingers, so that a subject may come several times; of several the subjects.
    """
    room = rooms(len(looked), CASCADE.related, CASCADE.related_share, len(enrolled))
    if len(looked) == 1:
        [one] = looked
        fingers = [(k, j) for k, held in enrolled.items() for j, other in enumerate(held) if comparable(one, other)]
        best = sorted(fingers, key=lambda at: -sift(one.print_, enrolled[at[0]][at[1]].print_))
        best = [at for n, at in enumerate(best) if sum(k == at[0] for k, _ in best[:n]) < CASCADE.captures][:room]
        return [(k, [j]) for k, j in sorted(best)]
    count = dict.fromkeys(enrolled, 0)
    total = dict.fromkeys(enrolled, 0.0)
    for one in sorted(looked, key=lambda one: -float(one.print_.trust.sum().round(6))):
        wanted = [k for k in enrolled if count[k] < CASCADE.fingers and best_finger(one, enrolled[k]) >= 0]
        for k, excess in stand_out(one, {k: enrolled[k] for k in wanted}).items():
            total[k] += excess
            count[k] += 1
    left = sorted(sorted((k for k in enrolled if count[k]), key=lambda k: (-total[k], k))[: 4 * room])
    total = dict.fromkeys(left, 0.0)
    for one in looked:
        for k, excess in stand_out(one, {k: enrolled[k] for k in left if best_finger(one, enrolled[k]) >= 0}).items():
            total[k] += excess
    left = sorted(sorted(left, key=lambda k: (-total[k], k))[:room])
    return [(k, [best_finger(one, enrolled[k]) for one in looked]) for k in left]


def comparable(one: Finger, other: Finger) -> bool:
    return one.position == other.position or 0 in {one.position, other.position}


def best_finger(one: Finger, fingers: Sequence[Finger]) -> int:
    """Return which comparable finger stage one likes best, -1 if none is comparable."""
    scores = [sift(one.print_, other.print_) if comparable(one, other) else -1.0 for other in fingers]
    best = max(range(len(scores)), key=lambda j: scores[j])
    return best if scores[best] >= 0 else -1


def stand_out(one: Finger, enrolled: dict[int, list[Finger]]) -> dict[int, float]:
    """Return by how many standard deviations, squared, each subject's best finger stands above the mean."""
    if not enrolled:
        return {}
    best = {k: sift(one.print_, fingers[best_finger(one, fingers)].print_) for k, fingers in enrolled.items()}
    mean, spread = np.mean(list(best.values())), np.std(list(best.values()))
    return {k: max(0.0, float((value - mean) / (spread + 1e-9))) ** 2 for k, value in best.items()}


def evidence(
    subject: int, looked: Sequence[tuple[int, Finger]], fingers: Sequence[Finger], chosen: Sequence[tuple[int, int]]
) -> Named:
    """Return what the fingers of a subject say together; a finger says it once, where it says most."""
    scores = []
    for row, j in chosen:
        number, one = looked[row]
        scores.append((verify(one.print_, fingers[j].print_).score, number, j, one, fingers[j]))
    total, probabilities, mates = 0.0, [], []
    while scores:
        score, number, j, one, other = max(scores, key=lambda each: (each[0], -each[1]))
        choices = sum(comparable(one, finger) for finger in fingers)
        choices *= sum(comparable(rival, other) for _, rival in looked)
        total += max(score - math.log(choices), DISSENT)
        probabilities.append(min(1.0, choices * false_match_probability(score, one.origin, other.origin)))
        mates.append((number, j, score))
        place = other.position or one.position
        scores = [
            each
            for each in scores
            if each[1] != number and each[2] != j and not (place and place == (each[4].position or each[3].position))
        ]
    best = max(mate[2] for mate in mates)
    told = sorted(mate for mate in mates if mate[2] > 0 or mate[2] == best)
    return Named(subject, total, combined(probabilities), tuple(told))


def false_match_probability(score: float, probe: Origin, candidate: Origin) -> float:
    tail = TAILS[sum(origin != Origin.EXTRACTED for origin in (probe, candidate))]
    return min(1.0, math.exp(-tail.rate * (score - tail.origin)))


def combined(probabilities: Sequence[float]) -> float:
    """Return the probability that a product of so many uniform values is at most theirs."""
    surprise = -sum(math.log(p) for p in probabilities)
    return math.exp(-surprise) * sum(surprise**k / math.factorial(k) for k in range(len(probabilities)))


def decide(weighed: Sequence[Named], searched: int, rate: float) -> list[Named]:
    bearable = [one for one in weighed if one.probability * searched <= rate]
    others = [one.probability for one in weighed if one.probability * searched > rate]
    standing = [one for one in bearable if one.probability <= min(others, default=math.inf) * STANDS_OUT]
    return sorted(standing, key=lambda one: (one.probability, -one.score, one.subject))
