"""Loops over two prints at a time: how well their minutiae can be laid on each other, and what that is evidence of.

In reading order: what is computed once for a print (:func:`find_hulls`), what is computed for the thousand or so prints that
stage one (:mod:`matcher._sift`) leaves (:func:`relate`), what is computed for the hundred that are left then
(:func:`verify` and the steps it names).

Habits. Kernels release the interpreter lock and never start threads; they raise nothing, make no objects and allocate
nothing: :class:`Work` brings every buffer. Constants come in as arguments, because a cached kernel does not notice that a
constant of another module has changed. Arithmetic is single precision without ``fastmath``, so that a score does not depend
on the width of the machine's registers. Inner loops run along one column of numbers without branches, which is what
becomes vector instructions; where a loop looks for the least of many, cost and place share one integer, because the
least of integers may be found in any order. Indices are not checked in the loops, which would undo all that: buffers are as
wide as the largest print there can be, and :func:`matcher.comparison.verify` checks sizes before it calls.

Points lie in a frame with y upwards (the image's y negated), so that directions turn as mathematics turns them. A direction
is a 16-bit number, 65,536 to the full turn: differences wrap by themselves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher._compiled import bare_kernel
from matcher._sift import GROUP, GROUPS, LANES, NOUGHT, Blocks, Rows, similarities
from matcher.descriptors import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher._parameters import Pairing

WIDEST: Final = 256
"""Places of a buffer: the 255 minutiae of the largest print (``template.MAX_MINUTIAE``), in whole blocks of 16."""

EVIDENCE: Final = (
    "surprise",
    "tightness",
    "turn",
    "likeness",
    "coherence",
    "against",
    "choice",
    "mutual",
    "severity",
)
"""What an alignment is evidence of, in the order of a score's weights; :func:`_weigh` says what each is."""
FEATURES: Final = len(EVIDENCE)

FULL_TURN: Final = 65_536
TYPICAL: Final = np.float32(1.0 / (30 * 30))
"""One over the pairs of minutiae of two prints of competitions: so that of usual prints choice says nothing."""

CIRCLE: Final = 4_096
"""Entries of the table of cosines and sines: one in 16 directions, half a thousandth of a turn at most apart."""

X, Y, TURN = range(3)  # columns of Prints.minutiae
COS, SIN = 2, 3  # with X and Y, rows of Columns.place

ZERO: Final = np.float32(0.0)
HALF: Final = np.float32(0.5)
ONE: Final = np.float32(1.0)
TWO: Final = np.float32(2.0)
PI: Final = np.float32(math.pi)
RADIANS: Final = np.float32(math.tau / FULL_TURN)
HIGHEST: Final = np.float32(1e30)
LOWEST: Final = -HIGHEST

_FAR: Final = np.int32(1 << 30)  # costs more than any pair within tolerance
_FINE: Final = np.float32(1 << 20)  # steps of a cost
_PLACE_BITS: Final = np.int32(8)  # of the place that stands behind a cost
_PLACE: Final = np.int32(WIDEST - 1)


class Prints(NamedTuple):
    """Prints packed one behind the other: print ``f`` owns the rows ``starts[f]`` to ``starts[f + 1]``, best minutia first."""

    starts: NDArray[np.int64]  # (f + 1,)
    minutiae: NDArray[np.int16]  # (n, 3) x, y upwards, direction
    reliability: NDArray[np.uint8]  # (n,) percent: how probably another impression of the finger shows it
    corners: NDArray[np.uint8]  # (n,) the first ``corner_counts[f]`` number the hull's corners within the print,
    corner_counts: NDArray[np.int32]  # (f,) counter-clockwise
    bounded: NDArray[np.bool_]  # (f,) whether a minutia that is not there, inside the hull, is one the finger has not
    blocks: Blocks  # their descriptors


class Columns(NamedTuple):
    """One print unfolded for vector instructions: a column for each of its numbers."""

    place: NDArray[np.float32]  # (4, WIDEST) x, y upwards, cosine and sine of the direction
    turn: NDArray[np.int16]  # (WIDEST,)
    reliability: NDArray[np.float32]  # (WIDEST,) 0 to 1
    walls: NDArray[np.float32]  # (3, WIDEST) of the hull: a point is walls[0] x + walls[1] y - walls[2] inside each;
    # none where the print is not bounded
    size: NDArray[np.float32]  # (3,) number of minutiae, of walls, minutiae a square pixel


class Work(NamedTuple):
    """Buffers of one thread; made by :func:`work_for`. Row 0 of ``motion`` and ``mates`` is tried, the last row best."""

    probe: Columns
    candidate: Columns
    similarity: NDArray[np.int32]  # (m, n) of descriptors
    cuts: NDArray[np.int32]  # (3, WIDEST) the greatest, second and third similarity of a minutia of the candidate
    row_cuts: NDArray[np.int32]  # (WIDEST,) the third of a minutia of the probe
    pairs: NDArray[np.int32]  # (2, k) probe minutia, candidate minutia
    strength: NDArray[np.int32]  # (k,) their similarity, descending
    ends: NDArray[np.float32]  # (8, k) place, cosine and sine of either end of a pair
    turned: NDArray[np.int16]  # (k,) from the candidate's direction to the probe's
    consistency: NDArray[np.float32]  # (k, k) of pairs
    votes: NDArray[np.float32]  # (2, k)
    covered: NDArray[np.bool_]  # (k,) pairs that an earlier alignment explains
    moved: NDArray[np.float32]  # (2, WIDEST) the probe's points under the motion
    keys: NDArray[
        np.int32
    ]  # (3, WIDEST) cost and place of the nearest neighbour from either side; one minutia's to all
    mates: NDArray[np.int32]  # (3, WIDEST) of a probe minutia, of a candidate minutia, of a probe minutia at best
    mated: NDArray[np.int32]  # (2, WIDEST) mated minutiae
    weights: NDArray[np.float32]  # (WIDEST,) of them
    motion: NDArray[np.float32]  # (2, 6) cosine, sine, shift x, shift y, centre x, centre y
    found: NDArray[np.float32]  # (FEATURES,)
    circle: NDArray[np.float32]  # (2, CIRCLE) cosine and sine


def _circle() -> NDArray[np.float32]:
    turns = np.arange(CIRCLE) * (math.tau / CIRCLE)
    return np.stack([np.cos(turns), np.sin(turns)]).astype(np.float32)


_CIRCLE: Final = _circle()


def _columns() -> Columns:
    return Columns(
        place=np.zeros((4, WIDEST), dtype=np.float32),
        turn=np.zeros(WIDEST, dtype=np.int16),
        reliability=np.zeros(WIDEST, dtype=np.float32),
        walls=np.zeros((3, WIDEST), dtype=np.float32),
        size=np.zeros(3, dtype=np.float32),
    )


def work_for(probe: int, largest: int, pairs: int) -> Work:
    """Return buffers for a probe of so many minutiae against prints of at most ``largest`` minutiae."""
    return Work(
        probe=_columns(),
        candidate=_columns(),
        similarity=np.zeros((max(probe, 1), max(LANES, -(-largest // LANES) * LANES)), dtype=np.int32),
        cuts=np.zeros((3, WIDEST), dtype=np.int32),
        row_cuts=np.zeros(WIDEST, dtype=np.int32),
        pairs=np.zeros((2, pairs), dtype=np.int32),
        strength=np.zeros(pairs, dtype=np.int32),
        ends=np.zeros((8, pairs), dtype=np.float32),
        turned=np.zeros(pairs, dtype=np.int16),
        consistency=np.zeros((pairs, pairs), dtype=np.float32),
        votes=np.zeros((2, pairs), dtype=np.float32),
        covered=np.zeros(pairs, dtype=np.bool_),
        moved=np.zeros((2, WIDEST), dtype=np.float32),
        keys=np.zeros((3, WIDEST), dtype=np.int32),
        mates=np.zeros((3, WIDEST), dtype=np.int32),
        mated=np.zeros((2, WIDEST), dtype=np.int32),
        weights=np.zeros(WIDEST, dtype=np.float32),
        motion=np.zeros((2, 6), dtype=np.float32),
        found=np.zeros(FEATURES, dtype=np.float32),
        circle=_CIRCLE,
    )


# --- once for a print ------------------------------------------------------------------------------------------------


@bare_kernel
def find_hulls(prints: Prints, order: NDArray[np.int64], chain: NDArray[np.int32]) -> None:
    """Write the convex hull of every print; ``order`` sorts the rows of each print by x, then y.

    Andrew's monotone chain. Coordinates are whole pixels, so the test of a corner is exact. ``chain`` is a buffer of one
    entry more than the largest print has minutiae: the corner tried may still stand on the chain that went before.
    """
    for f in range(prints.starts.shape[0] - 1):
        a = prints.starts[f]
        n = prints.starts[f + 1] - a
        size = 0
        kept = 2  # a chain keeps its first corner: the lower one from here, the upper one from where it begins
        for step in range(2 * n - 1):
            if step == n:
                kept = size + 1
            corner = order[a + step] - a if step < n else order[a + 2 * n - 2 - step] - a
            while size >= kept and not _turns_left(prints.minutiae[a:], chain[size - 2], chain[size - 1], corner):
                size -= 1
            if step < 2 * n - 2 or n == 1:  # the last step returns to the first corner
                chain[size] = corner
                size += 1
        for k in range(size):
            prints.corners[a + k] = chain[k]
        prints.corner_counts[f] = size


@bare_kernel
def _turns_left(minutiae: NDArray[np.int16], one: int, two: int, three: int) -> bool:
    px, py = np.int64(minutiae[one, X]), np.int64(minutiae[one, Y])
    qx, qy = np.int64(minutiae[two, X]), np.int64(minutiae[two, Y])
    rx, ry = np.int64(minutiae[three, X]), np.int64(minutiae[three, Y])
    return bool((qx - px) * (ry - py) - (qy - py) * (rx - px) > 0)


@bare_kernel
def _unfold(prints: Prints, f: int, reach: np.float32, circle: NDArray[np.float32], out: Columns) -> None:
    """Write one print's columns."""
    a = prints.starts[f]
    n = prints.starts[f + 1] - a
    for k in range(n):
        turn = prints.minutiae[a + k, TURN]
        out.place[X, k] = np.float32(prints.minutiae[a + k, X])
        out.place[Y, k] = np.float32(prints.minutiae[a + k, Y])
        step = (np.int64(turn) & (FULL_TURN - 1)) // (FULL_TURN // CIRCLE)
        out.place[COS, k] = circle[0, step]
        out.place[SIN, k] = circle[1, step]
        out.turn[k] = turn
        out.reliability[k] = np.float32(prints.reliability[a + k]) * np.float32(0.01)
    out.size[0] = np.float32(n)
    _build_walls(prints.corners[a : a + n], prints.corner_counts[f], n, reach, out)
    if not prints.bounded[f]:
        out.size[1] = ZERO


@bare_kernel
def _build_walls(corners: NDArray[np.uint8], count: int, n: int, reach: np.float32, out: Columns) -> None:
    """Write the walls of a hull, and the density of minutiae in the hull widened by ``reach`` (Steiner's formula)."""
    twice, around = ZERO, ZERO
    for k in range(count):
        p, q = corners[k - 1 if k else count - 1], corners[k]
        dx = out.place[X, q] - out.place[X, p]
        dy = out.place[Y, q] - out.place[Y, p]
        length = np.float32(math.sqrt(dx * dx + dy * dy))
        twice += out.place[X, p] * out.place[Y, q] - out.place[X, q] * out.place[Y, p]
        around += length
        inverse = ONE / length if length > ZERO else ZERO
        out.walls[0, k] = -dy * inverse
        out.walls[1, k] = dx * inverse
        out.walls[2, k] = (dx * out.place[Y, p] - dy * out.place[X, p]) * inverse
    out.size[1] = np.float32(count if count > 2 else 0)
    out.size[2] = np.float32(n) / (HALF * abs(twice) + reach * around + PI * reach * reach)


# --- stage two: do pairs of similar minutiae agree on a motion? ------------------------------------------------------


@bare_kernel
def relate(
    rows: Rows,
    probe: Prints,
    gallery: Prints,
    fingers: NDArray[np.int64],
    rule: Pairing,
    work: Work,
    scores: NDArray[np.float32],
) -> None:
    """Write for each print numbered in ``fingers`` how strongly pairs of similar minutiae agree on one motion.

    The first print of ``probe`` is searched for; its descriptors are ``rows``. ``scores`` (len(fingers),).
    """
    _unfold(probe, 0, rule.reach, work.circle, work.probe)
    for k in range(fingers.shape[0]):
        _, scores[k] = _pair(rows, gallery, fingers[k], rule, work)


@bare_kernel
def _pair(rows: Rows, gallery: Prints, f: int, rule: Pairing, work: Work) -> tuple[int, np.float32]:
    """Choose pairs of minutiae of the probe and of a print, and let them vote; return their number and agreement."""
    n = gallery.starts[f + 1] - gallery.starts[f]
    _unfold(gallery, f, rule.reach, work.circle, work.candidate)
    similarities(rows, gallery.blocks, f, n, work.similarity)
    count = _choose_pairs(rows.bias.shape[0], n, work)
    _find_consistency(count, rule, work)
    return count, _vote(count, rule.sweeps, work)


@bare_kernel
def _choose_pairs(m: int, n: int, work: Work) -> int:
    """List the most similar pairs, strongest first; return their number.

    A pair is among the three most similar of both its minutiae, or equals the third.
    """
    greatest, second, third = work.cuts[0], work.cuts[1], work.cuts[2]
    for j in range(n):
        greatest[j], second[j], third[j] = 0, 0, 0
    for i in range(m):
        row = work.similarity[i]
        for j in range(n):
            value = row[j]
            lesser = min(greatest[j], value)
            greatest[j] = max(greatest[j], value)
            least = min(second[j], lesser)
            second[j] = max(second[j], lesser)
            third[j] = max(third[j], least)
        work.row_cuts[i] = _third_of(row, n)
    count = 0
    room = work.strength.shape[0]
    for i in range(m):
        for j in range(n):
            value = work.similarity[i, j]
            if value < work.row_cuts[i] or value < third[j] or (count == room and value <= work.strength[room - 1]):
                continue
            count = min(count + 1, room)
            _insert(i, j, value, count - 1, work)
    return count


@bare_kernel
def _third_of(values: NDArray[np.int32], n: int) -> int:
    """Return the third greatest of the first n values, at least 1."""
    greatest, second, third = 0, 0, 0
    for j in range(n):
        value = values[j]
        if value > third:
            if value > greatest:
                greatest, second, third = value, greatest, second
            elif value > second:
                second, third = value, second
            else:
                third = value
    return max(third, 1)


@bare_kernel
def _insert(i: int, j: int, value: int, last: int, work: Work) -> None:
    """Put a pair at its place in the descending list, behind its equals, over what stood at ``last``."""
    at = last
    while at > 0 and work.strength[at - 1] < value:
        work.strength[at] = work.strength[at - 1]
        work.pairs[0, at] = work.pairs[0, at - 1]
        work.pairs[1, at] = work.pairs[1, at - 1]
        at -= 1
    work.strength[at] = value
    work.pairs[0, at] = i
    work.pairs[1, at] = j


@bare_kernel
def _find_consistency(count: int, rule: Pairing, work: Work) -> None:
    """Write how well every two pairs agree that one print is the moved image of the other: 0 to 1.

    Three things must fit, and their agreements multiply: the turn of the one pair and of the other; the distance of the two
    minutiae in either print; and where each lies as seen from the other. Tolerance grows with distance: skin stretches.
    """
    for k in range(count):
        i, j = work.pairs[0, k], work.pairs[1, k]
        for part in range(4):
            work.ends[part, k] = work.probe.place[part, i]
            work.ends[4 + part, k] = work.candidate.place[part, j]
        work.turned[k] = work.probe.turn[i] - work.candidate.turn[j]
    for k in range(count):
        _agree(k, count, rule, work.ends, work.turned, work.pairs, work.consistency[k])


@bare_kernel
def _agree(
    k: int,
    count: int,
    rule: Pairing,
    ends: NDArray[np.float32],
    turned: NDArray[np.int16],
    pairs: NDArray[np.int32],
    row: NDArray[np.float32],
) -> None:
    """Write one pair's row: all that it is compared by stands in variables, or the loop would not become vectors."""
    ax, ay, ac, az = ends[0], ends[1], ends[2], ends[3]
    bx, by, bc, bz = ends[4], ends[5], ends[6], ends[7]
    x, y, c, s = ax[k], ay[k], ac[k], az[k]
    u, v, p, r = bx[k], by[k], bc[k], bz[k]
    turn, i, j = turned[k], pairs[0, k], pairs[1, k]
    twist_unit = RADIANS / rule.turn
    for q in range(count):
        dx, dy, ex, ey = ax[q] - x, ay[q] - y, bx[q] - u, by[q] - v
        twist = np.float32(np.int16(turned[q] - turn)) * twist_unit
        here = np.float32(math.sqrt(dx * dx + dy * dy))
        there = np.float32(math.sqrt(ex * ex + ey * ey))
        mean = HALF * (here + there)
        stretch = (here - there) / (rule.near + rule.slope * mean)
        across = dx * c + dy * s - ex * p - ey * r
        along = dy * c - dx * s - ey * p + ex * r
        back_across = dx * ac[q] + dy * az[q] - ex * bc[q] - ey * bz[q]
        back_along = dy * ac[q] - dx * az[q] - ey * bc[q] + ex * bz[q]
        gap = max(across * across + along * along, back_across * back_across + back_along * back_along)
        bound = rule.near + rule.turn * mean
        value = max(ZERO, ONE - twist * twist) * max(ZERO, ONE - stretch * stretch)
        value *= max(ZERO, ONE - gap / (bound * bound))
        row[q] = value if (pairs[0, q] != i) & (pairs[1, q] != j) else ZERO


@bare_kernel
def _vote(count: int, sweeps: int, work: Work) -> np.float32:
    """Let the pairs vote for each other: power iterations from their similarities.

    ``votes[0]`` ends with unit length; returned is what the last iteration lengthened it by.
    """
    for q in range(count):
        work.votes[0, q] = np.float32(work.strength[q])
        work.covered[q] = False
    _to_unit(count, work.votes[0])
    length = ZERO
    for _ in range(sweeps):
        votes = work.votes[1]
        for q in range(count):
            votes[q] = ZERO
        for k in range(count):
            vote = work.votes[0, k]
            row = work.consistency[k]
            for q in range(count):
                votes[q] += vote * row[q]
        length = _to_unit(count, votes)
        for q in range(count):
            work.votes[0, q] = votes[q]
    return length


@bare_kernel
def _to_unit(count: int, values: NDArray[np.float32]) -> np.float32:
    """Make a vector one long; return how long it was."""
    square = ZERO
    for k in range(count):
        square += values[k] * values[k]
    length = np.float32(math.sqrt(square))
    unit = ONE / length if square > ZERO else ZERO
    for k in range(count):
        values[k] *= unit
    return length


# --- stage three: one print laid on the other ------------------------------------------------------------------------


@bare_kernel
def verify(
    rows: Rows,
    probe: Prints,
    gallery: Prints,
    fingers: NDArray[np.int64],
    rule: Pairing,
    work: Work,
    found: NDArray[np.float32],
) -> None:
    """Write for each print numbered in ``fingers`` the features of its best alignment and, last, their score.

    The first print of ``probe`` is searched for; its descriptors are ``rows``. ``found`` (len(fingers), FEATURES + 1);
    ``rule.weights`` as many, the constant last. After the call ``work`` holds the motion and the mates of the last print.
    """
    m = rows.bias.shape[0]
    _unfold(probe, 0, rule.reach, work.circle, work.probe)
    for k in range(fingers.shape[0]):
        n = gallery.starts[fingers[k] + 1] - gallery.starts[fingers[k]]
        count, _ = _pair(rows, gallery, fingers[k], rule, work)
        found[k, :] = ZERO
        found[k, FEATURES] = rule.weights[FEATURES]  # what stands if nothing can be aligned
        work.mates[2, :] = -1
        best = LOWEST
        for _ in range(rule.seeds):
            seed = _next_seed(count, work)
            if seed < 0:
                break
            mated = _align(m, n, seed, count, rule, work)
            _weigh(rows, gallery.blocks, fingers[k], m, n, mated, rule, work)
            score = rule.weights[FEATURES]
            for q in range(FEATURES):
                score += rule.weights[q] * work.found[q]
            if score > best:
                best = score
                found[k, :FEATURES] = work.found
                found[k, FEATURES] = score
                work.mates[2, :] = work.mates[0]
                work.motion[1, :] = work.motion[0]


@bare_kernel
def _next_seed(count: int, work: Work) -> int:
    """Return the pair with most votes that no earlier alignment explains, or -1."""
    seed = -1
    most = ZERO
    for k in range(count):
        if work.votes[0, k] > most and not work.covered[k]:
            most = work.votes[0, k]
            seed = k
    return seed


@bare_kernel
def _align(m: int, n: int, seed: int, count: int, rule: Pairing, work: Work) -> int:
    """Move the probe onto the other print from one pair and those that agree with it; mate, refit, mate again.

    Returns the number of mates.
    """
    for k in range(count):
        work.votes[1, k] = work.votes[0, k] * work.consistency[seed, k]
    work.votes[1, seed] = work.votes[0, seed]
    _fit(work.pairs, work.votes[1], count, rule.lever, work)
    mated = 0
    for again in range(rule.rounds):
        mated = _mate(m, n, rule, work)
        if mated == 0 or again == rule.rounds - 1:
            break
        _fit(work.mated, work.weights, mated, rule.lever, work)
    work.covered[seed] = True
    for k in range(count):
        if work.mates[0, work.pairs[0, k]] == work.pairs[1, k]:
            work.covered[k] = True
    return mated


@bare_kernel
def _fit(pairs: NDArray[np.int32], weights: NDArray[np.float32], count: int, lever: np.float32, work: Work) -> None:
    """Write the rotation and shift that take the first ends onto the second with least squares.

    A direction counts like a second point ``lever`` pixels squared away. Nothing is written if no weight is positive.
    """
    a, b = work.probe.place, work.candidate.place
    motion = work.motion[0]
    total, ax, ay, bx, by = ZERO, ZERO, ZERO, ZERO, ZERO
    for k in range(count):
        i, j, weight = pairs[0, k], pairs[1, k], weights[k]
        total += weight
        ax += weight * a[X, i]
        ay += weight * a[Y, i]
        bx += weight * b[X, j]
        by += weight * b[Y, j]
    if total <= ZERO:
        return
    ax, ay, bx, by = ax / total, ay / total, bx / total, by / total
    c, s = ZERO, ZERO
    for k in range(count):
        i, j, weight = pairs[0, k], pairs[1, k], weights[k]
        px, py, qx, qy = a[X, i] - ax, a[Y, i] - ay, b[X, j] - bx, b[Y, j] - by
        c += weight * (px * qx + py * qy + lever * (a[COS, i] * b[COS, j] + a[SIN, i] * b[SIN, j]))
        s += weight * (px * qy - py * qx + lever * (a[COS, i] * b[SIN, j] - a[SIN, i] * b[COS, j]))
    size = np.float32(math.sqrt(c * c + s * s))
    c, s = (c / size, s / size) if size > ZERO else (ONE, ZERO)
    motion[0] = c
    motion[1] = s
    motion[2] = bx - (c * ax - s * ay)
    motion[3] = by - (s * ax + c * ay)
    motion[4] = bx
    motion[5] = by


@bare_kernel
def _mate(m: int, n: int, rule: Pairing, work: Work) -> int:
    """Mate minutiae that are each other's nearest within tolerance; list them in ``mated``; return their number.

    Nearness counts place and direction alike, each as a share of its tolerance; that of place grows from the middle of what
    was mated before. Of equals the one that comes first in its print is nearest.
    """
    motion = work.motion[0]
    turned = np.int64(round(math.atan2(motion[1], motion[0]) / RADIANS))
    x, y, turn = work.candidate.place[X], work.candidate.place[Y], work.candidate.turn
    from_here, from_there, costs = work.keys[0], work.keys[1], work.keys[2]
    twist_unit = RADIANS / rule.reach_turn
    for j in range(n):
        from_there[j] = _FAR
    for i in range(m):
        px = motion[0] * work.probe.place[X, i] - motion[1] * work.probe.place[Y, i] + motion[2]
        py = motion[1] * work.probe.place[X, i] + motion[0] * work.probe.place[Y, i] + motion[3]
        work.moved[X, i] = px
        work.moved[Y, i] = py
        direction = np.int16(work.probe.turn[i] + turned)
        dx, dy = px - motion[4], py - motion[5]
        reach = rule.reach + rule.reach_slope * np.float32(math.sqrt(dx * dx + dy * dy))
        inverse = ONE / (reach * reach)
        for j in range(n):
            ex, ey = x[j] - px, y[j] - py
            off = (ex * ex + ey * ey) * inverse
            twist = np.float32(np.int16(turn[j] - direction)) * twist_unit
            twist *= twist
            cost = np.int32(min(HALF * (off + twist), ONE) * _FINE) << _PLACE_BITS
            within = (off < ONE) & (twist < ONE)
            costs[j] = cost | np.int32(j) if within else _FAR
            from_there[j] = min(from_there[j], cost | np.int32(i)) if within else from_there[j]
        nearest = _FAR
        for j in range(n):
            nearest = min(nearest, costs[j])
        from_here[i] = nearest
    mated: int = _keep_mutual(m, n, work)
    return mated


@bare_kernel
def _keep_mutual(m: int, n: int, work: Work) -> int:
    from_here, from_there = work.keys[0], work.keys[1]
    for j in range(n):
        work.mates[1, j] = -1
    count = 0
    for i in range(m):
        work.mates[0, i] = -1
        j = from_here[i] & _PLACE
        if from_here[i] < _FAR and from_there[j] & _PLACE == i:
            work.mates[0, i] = j
            work.mates[1, j] = i
            work.mated[0, count] = i
            work.mated[1, count] = j
            work.weights[count] = ONE - np.float32(from_here[i] >> _PLACE_BITS) / _FINE
            count += 1
    return count


# --- what an alignment is evidence of --------------------------------------------------------------------------------


@bare_kernel
def _weigh(rows: Rows, blocks: Blocks, f: int, m: int, n: int, mated: int, rule: Pairing, work: Work) -> None:
    """Write the features of an alignment, in the order of ``EVIDENCE``.

    Surprise: how improbable so many mates are by chance, see :func:`_surprise`. Tightness: how close mates are. Turn: of the
    whole print, radians. Likeness: by how much the neighbourhoods of mates are more alike than those of strangers.
    Coherence: mates whose displacement fits that of those around them. Against: log likelihood ratio of what has no mate
    though both prints show the place, the strongest evidence against. Choice: logarithm of the number of pairs of minutiae
    to choose an alignment from, 900 being usual: in crowded prints something always fits. Mutual: mates with neighbourhoods
    most like each other's of all in the prints. Severity: what those without a mate are evidence of on average: doubtful
    minutiae, however many, are no sure sign. Tightness and severity are quotients that count one doubtful minutia more, so
    that few say little.
    """
    loose, likeness, mutual = ONE, ZERO, ZERO
    for k in range(mated):
        i, j = work.mated[0, k], work.mated[1, k]
        loose += ONE - work.weights[k]
        alike = np.float32(work.similarity[i, j] - _same_direction(rows, blocks, f, i, j)) * rule.likeness_unit
        likeness += max(ZERO, alike - rule.likeness_floor)
        mutual += ONE if _are_mutual(i, j, n, work) else ZERO
    alone, against = _against(m, n, rule, work)
    mates = np.float32(mated)
    density = HALF * (work.probe.size[2] + work.candidate.size[2])
    chance = density * rule.reach * rule.reach * rule.reach_turn  # a disc's area times the share of directions
    expected = max((mates + alone) * chance, rule.least_chance)
    work.found[0] = _surprise(mates, expected, m * n)
    work.found[1] = math.log((mates + ONE) / loose)
    work.found[2] = abs(math.atan2(work.motion[0, 1], work.motion[0, 0]))
    work.found[3] = likeness
    work.found[4] = _coherence(mated, rule, work)
    work.found[5] = against
    work.found[6] = math.log(np.float32(m * n) * TYPICAL)
    work.found[7] = mutual
    work.found[8] = against / (alone + ONE)


@bare_kernel
def _are_mutual(i: int, j: int, n: int, work: Work) -> bool:
    """Return whether two minutiae are similar at all, and neither is more so to another; ``cuts`` are the candidate's."""
    greatest = np.int32(0)
    row = work.similarity[i]
    for q in range(n):
        greatest = max(greatest, row[q])
    value = row[j]
    return bool((value > 0) & (value >= greatest) & (value >= work.cuts[0, j]))


@bare_kernel
def _same_direction(rows: Rows, blocks: Blocks, f: int, i: int, j: int) -> np.int32:
    """Return what the minutiae's own directions, the last two bytes of descriptors, add to their similarity."""
    block = blocks.values[blocks.first[f] + j // LANES]
    total = np.int32(0)
    for d in range(GROUP - 2, GROUP):
        value = np.int32(block[GROUPS - 1, j % LANES, d]) - np.int32(NOUGHT)
        total += np.int32(rows.values[i, DIMENSIONS - GROUP + d]) * value
    return total


@bare_kernel
def _surprise(mated: np.float32, expected: np.float32, alignments: int) -> np.float32:
    """Return the negative logarithm of a bound on the probability of so many mates by chance.

    Chernoff's bound for a Poisson variable with the expected number of chance mates, times the number of alignments that
    one pair can start.
    """
    if mated <= expected:
        return ZERO
    surprise = mated * math.log(mated / expected) - mated + expected - math.log(np.float32(alignments))
    return max(ZERO, np.float32(surprise))


@bare_kernel
def _against(m: int, n: int, rule: Pairing, work: Work) -> tuple[np.float32, np.float32]:
    """Return the number of minutiae without a mate inside the other's hull, and what that is evidence of.

    Each print's count half: where both are right, a pair that is none shows on either side.
    """
    alone, against = ZERO, ZERO
    for i in range(m):
        if work.mates[0, i] < 0:
            depth = _depth(work.moved[X, i], work.moved[Y, i], work.candidate)
            if depth > rule.border:
                alone += HALF
                against += HALF * _missing(work.probe.reliability[i], depth, rule)
    c, s = work.motion[0, 0], work.motion[0, 1]
    for j in range(n):
        if work.mates[1, j] < 0:
            dx = work.candidate.place[X, j] - work.motion[0, 2]
            dy = work.candidate.place[Y, j] - work.motion[0, 3]
            depth = _depth(c * dx + s * dy, c * dy - s * dx, work.probe)
            if depth > rule.border:
                alone += HALF
                against += HALF * _missing(work.candidate.reliability[j], depth, rule)
    return alone, against


@bare_kernel
def _depth(x: np.float32, y: np.float32, print_: Columns) -> np.float32:
    """Return how far inside a print's hull a point lies, negative outside."""
    least = HIGHEST
    walls = int(print_.size[1])
    for k in range(walls):
        least = min(least, print_.walls[0, k] * x + print_.walls[1, k] * y - print_.walls[2, k])
    return least if walls else LOWEST


@bare_kernel
def _missing(reliability: np.float32, depth: np.float32, rule: Pairing) -> np.float32:
    """Return the log likelihood ratio of a minutia without a mate: mated prints miss the less reliable and the outer ones."""
    shown = reliability * min(ONE, rule.shown_at_border + depth / rule.shown_depth)
    return np.float32(math.log((ONE - shown) / rule.stranger_alone))


@bare_kernel
def _coherence(mated: int, rule: Pairing, work: Work) -> np.float32:
    """Return how many mates are displaced as the others around them are, near ones counting more: skin stretches smoothly."""
    x, y = work.candidate.place[X], work.candidate.place[Y]
    square = rule.coherence_reach * rule.coherence_reach
    coherent = ZERO
    for k in range(mated):
        j = work.mated[1, k]
        total, across, along = ZERO, ZERO, ZERO
        for q in range(mated):
            r, s = work.mated[0, q], work.mated[1, q]
            dx, dy = x[s] - x[j], y[s] - y[j]
            weight = ONE / (ONE + (dx * dx + dy * dy) / square) if q != k else ZERO
            total += weight
            across += weight * (work.moved[X, r] - x[s])
            along += weight * (work.moved[Y, r] - y[s])
        if total > ZERO:
            off_x = work.moved[X, work.mated[0, k]] - x[j] - across / total
            off_y = work.moved[Y, work.mated[0, k]] - y[j] - along / total
            coherent += max(ZERO, ONE - (off_x * off_x + off_y * off_y) / (rule.coherence * rule.coherence))
    return coherent
