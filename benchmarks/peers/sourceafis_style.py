"""A compiled matcher after SourceAFIS, the most accurate of the open ones: what its author publishes, written anew.

R. Vazan describes the algorithm (sourceafis.machinezoo.com/algorithm) in four steps; the numbers below are those of his
implementation in Java.

1. An *edge* joins two minutiae of a print: its length, and the direction of either minutia relative to the edge. No shift
   and no turn of the print changes any of the three. Two edges *fit* if they differ by at most 13 pixels and 10 degrees.
2. *Root pairs*. Every edge of the probe stands in a table in all bins of what fits it. The candidate's edges are looked up
   there, those of 58 pixels and more first, until 70 have fitted or 1,633 were looked up. A fit makes a root pair of the
   minutiae that the two edges start from.
3. From each root pair a tree *grows* along edges to the nine nearest minutiae in either print: always along the shortest
   edge that fits and that leads to two minutiae not paired yet. An edge that fits between pairs already there supports
   both.
4. *Score*: weighted counts of pairs, edges, supported pairs and pairs of one kind, the share of the minutiae that is paired,
   and how exactly the tree's edges fit. The best tree counts.

What differs. The order in which a candidate's edges are tried comes from the number of its minutiae, not from their
coordinates, and goes once around the minutiae at a time. Lengths are rounded from exact distances; angles are counted in
65,536 steps. The score is not bent to a scale of false match rates, which keeps the order of all scores but those that
SourceAFIS calls 0. A minutia whose kind is not known is an ending, as where SourceAFIS reads ISO/IEC 19794-2. SourceAFIS's
extractor is not here: it keeps 100 minutiae at most, this takes what a template has.

On FVC2002 DB1_B to DB4_B, by ``python -m benchmarks.peers``: with our extractor's templates an equal error rate of 0.27 % and,
at a false match rate of 1e-4, 4.0 % of the mates missed; with the vendor's templates 1.7 % and 8.3 %. SourceAFIS 3.18 itself
had 0.31 % and 4.8 %, 1.9 % and 8.2 % on such templates, and made 6,000 comparisons in a CPU second, where this makes 14,000.

A print is an int32 array (minutiae, 41): x, y upwards, direction, kind, number of neighbours, and for each neighbour the
edge's length, the direction here and there relative to it, and the neighbour's row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher._compiled import bare_kernel
from matcher.template import MAX_MINUTIAE, MinutiaKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matcher.template import Template

    Rows = NDArray[np.int32]

# The numbers of SourceAFIS for Java; lengths in pixels at 500 dpi, angles in steps of a turn.
TURN: Final = 1 << 16
LENGTH_ERROR: Final = 13
ANGLE_ERROR: Final = TURN * 10 // 360
NEIGHBOURS: Final = 9
LONG: Final = 58
LOOKUPS: Final = 1633
ROOTS: Final = 70
OF_PAIR: Final = 0.032
OF_SHARE: Final = 8.98
OF_KIND: Final = 0.629
OF_SUPPORTED: Final = 0.193
OF_EDGE: Final = 0.265
OF_LENGTH: Final = 9.9
OF_ANGLE: Final = 2.79
FLAT_LENGTH: Final = 9  # round(0.69 * 13): a smaller error counts as this
FLAT_ANGLE: Final = 0.27 * ANGLE_ERROR

BINS: Final = (
    TURN // (ANGLE_ERROR + 1) + 1
)  # each a little wider than the tolerance, so what fits lies in the next at most
LENGTHS: Final = 64  # bins of LENGTH_ERROR pixels; the last holds all longer edges

X, Y, DIRECTION, KIND, NEAR, STAR = range(6)  # columns of a row
LENGTH, HERE, THERE, TO = range(4)  # columns of an edge
ONE, TWO, FROM, STRETCH, LONGER, TURNED_HERE, TURNED_THERE = range(7)  # columns of the queue
EDGE: Final = 4
COLUMNS: Final = STAR + EDGE * NEIGHBOURS
HALF: Final = TURN // 2
STEPS: Final = np.float32(HALF / math.pi)


class Probe(NamedTuple):
    """A print, and its edges in the bins of what fits them: bin ``b`` owns the rows ``starts[b]`` to ``starts[b + 1]``."""

    rows: Rows
    starts: NDArray[np.int32]  # (LENGTHS * BINS * BINS + 1,)
    edges: NDArray[np.int32]  # (k, 4): length, direction here, direction there, the minutia it starts from


class Work(NamedTuple):
    """Buffers of comparisons; each leaves ``mates`` as it was."""

    met: NDArray[np.int64]  # (probe minutia, candidate minutia) the last comparison in which they were a root pair
    roots: NDArray[np.int32]  # (ROOTS, 2) probe minutia, candidate minutia
    heap: NDArray[np.int64]  # a binary heap of edges to grow along: length, and row in ``queue``
    queue: NDArray[np.int32]  # (edges, 7) where it leads in probe and candidate, its start, its length, three errors
    mates: NDArray[np.int32]  # (2, minutiae) of a probe minutia, of a candidate minutia; -1 where it has none
    tree: NDArray[np.int32]  # (minutiae, 3) probe minutia, candidate minutia, row in ``queue``
    support: NDArray[np.int32]  # (minutiae,) edges that support a probe minutia's pair


@dataclass(frozen=True, eq=False)
class Print:
    """A print's rows; what it needs as a probe is made when it first is one."""

    rows: Rows

    @cached_property
    def probe(self) -> Probe:
        """Return it with its edges in bins."""
        bins = np.zeros(LENGTHS * BINS * BINS + 1, dtype=np.int32)
        _file(self.rows, bins[1:], np.zeros((0, EDGE), dtype=np.int32))
        starts = np.cumsum(bins, dtype=np.int32)
        edges = np.zeros((int(starts[-1]), EDGE), dtype=np.int32)
        _file(self.rows, starts[:-1].copy(), edges)
        return Probe(self.rows, starts, edges)


class SourceAfisStyle:
    """The peer: see the module."""

    name = "SourceAFIS style"

    def __init__(self) -> None:
        self._work = Work(
            met=np.zeros((MAX_MINUTIAE, MAX_MINUTIAE), dtype=np.int64),
            roots=np.zeros((ROOTS, 2), dtype=np.int32),
            heap=np.zeros(NEIGHBOURS * NEIGHBOURS * MAX_MINUTIAE, dtype=np.int64),
            queue=np.zeros((NEIGHBOURS * NEIGHBOURS * MAX_MINUTIAE, 7), dtype=np.int32),
            mates=np.full((2, MAX_MINUTIAE), -1, dtype=np.int32),
            tree=np.zeros((MAX_MINUTIAE, 3), dtype=np.int32),
            support=np.zeros(MAX_MINUTIAE, dtype=np.int32),
        )
        self._compared = 0

    def prepare(self, template: Template) -> Print:
        """Return the print; the cost grows with the square of its minutiae."""
        return Print(prepared(template))

    def compare(self, probe: Print, candidate: Print) -> float:
        """Return the score: 0 without a root pair."""
        return float(self.compare_many(probe, [candidate])[0])

    def compare_many(self, probe: Print, candidates: Sequence[Print]) -> NDArray[np.float64]:
        """Return the scores (candidates,)."""
        starts = np.cumsum([0, *(len(candidate.rows) for candidate in candidates)], dtype=np.int64)
        rows = np.concatenate([np.zeros((0, COLUMNS), dtype=np.int32), *(candidate.rows for candidate in candidates)])
        scores = np.zeros(len(candidates))
        _compare(probe.probe, rows, starts, self._work, self._compared, scores)
        self._compared += len(candidates)
        return scores


# --- once for a print ------------------------------------------------------------------------------------------------


def prepared(template: Template) -> Rows:
    """Return a print's rows, in an order that knows nothing of places."""
    shuffled = np.random.default_rng(len(template)).permutation(len(template))
    direction = np.rint(template.direction[shuffled] * STEPS).astype(np.int32) % TURN
    forks = template.kind[shuffled] == MinutiaKind.BIFURCATION
    rows = np.zeros((len(template), COLUMNS), dtype=np.int32)
    rows[:, X], rows[:, Y] = template.x[shuffled], -template.y[shuffled]
    rows[:, DIRECTION], rows[:, KIND] = direction, forks
    _find_neighbours(rows, np.zeros(len(template), dtype=np.int64))
    return rows


@bare_kernel
def _find_neighbours(rows: Rows, far: NDArray[np.int64]) -> None:
    """Write for each minutia the edges to the nearest ones, the shortest first; ``far`` is a buffer of their number."""
    for here in range(rows.shape[0]):
        for there in range(rows.shape[0]):
            far[there] = (rows[there, X] - rows[here, X]) ** 2 + (rows[there, Y] - rows[here, Y]) ** 2
        far[here] = 1 << 62
        rows[here, NEAR] = min(NEIGHBOURS, rows.shape[0] - 1)
        for place in range(rows[here, NEAR]):
            there = int(np.argmin(far))
            far[there] = 1 << 62
            at = STAR + EDGE * place
            rows[here, at + LENGTH], rows[here, at + HERE], rows[here, at + THERE] = _edge(rows, here, there)
            rows[here, at + TO] = there


@bare_kernel
def _edge(rows: Rows, here: int, there: int) -> tuple[int, int, int]:
    """Return an edge's length, and the direction of the minutiae at its two ends relative to it."""
    across = np.float32(rows[there, X] - rows[here, X])
    up = np.float32(rows[there, Y] - rows[here, Y])
    length = int(math.sqrt(across * across + up * up) + np.float32(0.5))
    along = math.floor(math.atan2(up, across) * STEPS + np.float32(0.5))
    one = (rows[here, DIRECTION] - along) & (TURN - 1)
    two = (rows[there, DIRECTION] - along - HALF) & (TURN - 1)
    return length, int(one), int(two)


@bare_kernel
def _file(rows: Rows, places: NDArray[np.int32], edges: NDArray[np.int32]) -> None:
    """File every edge in the bins around its own, bin ``b`` from ``places[b]`` on; without ``edges``, count them."""
    for here in range(rows.shape[0]):
        for there in range(rows.shape[0]):
            length, one, two = _edge(rows, here, there)
            for around in range(27 if here != there else 0):
                row = min(length // LENGTH_ERROR, LENGTHS - 1) + around // 9 - 1
                a = (one * BINS // TURN + around // 3 % 3 + BINS - 1) % BINS
                b = (two * BINS // TURN + around % 3 + BINS - 1) % BINS
                if not 0 <= row < LENGTHS:
                    continue
                place = (row * BINS + a) * BINS + b
                if edges.shape[0]:
                    edge = edges[places[place]]
                    edge[LENGTH], edge[HERE], edge[THERE], edge[TO] = length, one, two, here
                places[place] += 1


# --- once for a pair of prints ---------------------------------------------------------------------------------------


@bare_kernel
def _compare(
    probe: Probe,
    rows: Rows,
    starts: NDArray[np.int64],
    work: Work,
    compared: int,
    scores: NDArray[np.float64],
) -> None:
    """Write the score of each candidate: candidate ``c`` owns the rows ``starts[c]`` to ``starts[c + 1]``."""
    for c in range(scores.shape[0]):
        candidate = rows[starts[c] : starts[c + 1]]
        best = 0.0
        for root in range(_find_roots(probe, candidate, work, compared + c + 1)):
            pairs = _grow(probe.rows, candidate, work.roots[root, 0], work.roots[root, 1], work)
            best = max(best, _score(probe.rows, candidate, pairs, work))
        scores[c] = best


@bare_kernel
def _find_roots(probe: Probe, candidate: Rows, work: Work, number: int) -> int:
    """Write the root pairs, and return how many they are; ``number`` is the comparison's."""
    minutiae = candidate.shape[0]
    found = fitted = lookups = 0
    for order in range(2 * minutiae * (minutiae - 1)):  # first the long edges, then all others
        edge = order % (minutiae * (minutiae - 1))
        here = edge % minutiae
        length, one, two = _edge(candidate, here, (here + 1 + edge // minutiae) % minutiae)
        if (length >= LONG) != (order == edge):
            continue
        place = min(length // LENGTH_ERROR, LENGTHS - 1) * BINS + one * BINS // TURN
        place = place * BINS + two * BINS // TURN
        for row in range(probe.starts[place], probe.starts[place + 1]):
            filed = probe.edges[row]
            if not _fit(filed[LENGTH] - length, filed[HERE] - one, filed[THERE] - two):
                continue
            if work.met[filed[TO], here] != number:
                work.met[filed[TO], here] = number
                work.roots[found, 0], work.roots[found, 1] = filed[TO], here
                found += 1
            fitted += 1
            if fitted == ROOTS:
                return found
        lookups += 1
        if lookups == LOOKUPS:
            return found
    return found


@bare_kernel
def _fit(longer: int, one: int, two: int) -> bool:
    """Whether edges that differ by so much fit."""
    return (
        -LENGTH_ERROR <= longer <= LENGTH_ERROR
        and ((one + ANGLE_ERROR) & (TURN - 1)) <= 2 * ANGLE_ERROR
        and ((two + ANGLE_ERROR) & (TURN - 1)) <= 2 * ANGLE_ERROR
    )


@bare_kernel
def _grow(probe: Rows, candidate: Rows, one: int, two: int, work: Work) -> int:
    """Write the tree from a root pair, mates and support, and return the number of pairs."""
    pairs = waiting = queued = 0
    edge = -1
    while True:
        work.mates[0, one], work.mates[1, two], work.support[one] = two, one, 0
        work.tree[pairs, 0], work.tree[pairs, 1], work.tree[pairs, 2] = one, two, edge
        pairs += 1
        first = queued
        queued = _reach(probe, candidate, one, two, work, queued)
        for edge in range(first, queued):
            _push(work.heap, waiting, np.int64(work.queue[edge, STRETCH]) << 32 | edge)
            waiting += 1
        while True:
            if not waiting:
                return pairs
            edge = work.heap[0] & 0xFFFFFFFF
            waiting -= 1
            _pop(work.heap, waiting)
            one, two = work.queue[edge, ONE], work.queue[edge, TWO]
            if work.mates[0, one] < 0 and work.mates[1, two] < 0:
                break
            _support(work, one, two, work.queue[edge, FROM])


@bare_kernel
def _reach(probe: Rows, candidate: Rows, one: int, two: int, work: Work, queued: int) -> int:
    """Queue the edges that fit from a pair to minutiae without mates; other fitting edges support. Return the queue's end."""
    first = 0
    for place in range(candidate[two, NEAR]):
        theirs = candidate[two, STAR + EDGE * place :]
        for own in range(first, probe[one, NEAR]):
            ours = probe[one, STAR + EDGE * own :]
            longer, here, there = ours[LENGTH] - theirs[LENGTH], ours[HERE] - theirs[HERE], ours[THERE] - theirs[THERE]
            if longer > LENGTH_ERROR:
                break
            if longer < -LENGTH_ERROR:
                first = own + 1
            elif not _fit(longer, here, there):
                continue
            elif work.mates[0, ours[TO]] >= 0 or work.mates[1, theirs[TO]] >= 0:
                _support(work, ours[TO], theirs[TO], one)
            else:
                edge = work.queue[queued]
                edge[ONE], edge[TWO], edge[FROM], edge[STRETCH] = ours[TO], theirs[TO], one, theirs[LENGTH]
                edge[LONGER], edge[TURNED_HERE], edge[TURNED_THERE] = abs(longer), _turned(here), _turned(there)
                queued += 1
    return queued


@bare_kernel
def _turned(steps: int) -> int:
    """Return the size of an angle of so many steps."""
    return abs(((steps + HALF) & (TURN - 1)) - HALF)


@bare_kernel
def _support(work: Work, one: int, two: int, start: int) -> None:
    """Count an edge from a paired minutia if it leads to two that are paired with each other."""
    if work.mates[0, one] == two:
        work.support[one] += 1
        work.support[start] += 1


@bare_kernel
def _push(heap: NDArray[np.int64], size: int, key: int) -> None:
    """Put a key into the heap of so many."""
    place = size
    while place and heap[(place - 1) >> 1] > key:
        heap[place] = heap[(place - 1) >> 1]
        place = (place - 1) >> 1
    heap[place] = key


@bare_kernel
def _pop(heap: NDArray[np.int64], size: int) -> None:
    """Take the least key out, which leaves so many."""
    key, place, child = heap[size], 0, 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place, child = child, 2 * child + 1
    heap[place] = key


@bare_kernel
def _score(probe: Rows, candidate: Rows, pairs: int, work: Work) -> float:
    """Return the score of the tree of so many pairs, and part its mates."""
    edges, supported, kinds = pairs, 0, 0
    error_of_length = error_of_angle = 0.0
    for number in range(pairs):
        one, two, edge = work.tree[number]
        work.mates[0, one] = work.mates[1, two] = -1
        edges += work.support[one]
        supported += work.support[one] > 0
        kinds += probe[one, KIND] == candidate[two, KIND]
        if edge >= 0:  # the root pair has no edge
            error_of_length += max(FLAT_LENGTH, work.queue[edge, LONGER])
            error_of_angle += max(FLAT_ANGLE, work.queue[edge, TURNED_HERE])
            error_of_angle += max(FLAT_ANGLE, work.queue[edge, TURNED_THERE])
    share = 0.5 * (pairs / probe.shape[0] + pairs / candidate.shape[0])
    score = OF_PAIR * pairs + OF_SHARE * share + OF_KIND * kinds + OF_SUPPORTED * supported + OF_EDGE * edges
    if pairs > 1:
        score += OF_LENGTH * (1.0 - error_of_length / (LENGTH_ERROR * (pairs - 1)))
        score += OF_ANGLE * (1.0 - error_of_angle / (2.0 * ANGLE_ERROR * (pairs - 1)))
    return float(score)
