"""Compiled loops of the search engine; the only module that imports numba.

In reading order: what is computed once for a print (:func:`find_hulls`, :func:`describe`), what is computed for every
print of a gallery (:func:`sift`), what is computed for the few that are left (:func:`verify` and the steps it names).

Habits. Kernels release the interpreter lock and never start threads; they raise nothing, make no objects and allocate
nothing in a loop: :class:`Work` brings every buffer. Constants come in as arguments, because a cached kernel does not
notice that a constant of another module has changed. Arithmetic is single precision without ``fastmath`` and sums of
descriptors are integers, so that a score does not depend on the width of the machine's registers. Every kernel checks
array bounds, because templates come from outside: that costs stage one nothing (:func:`_dot` is written so that the checks
fall away) and makes ``verify`` 1.4 times as slow (252 against 177 us a print of 41 minutiae, probe of 73).

Points lie in a frame with y upwards (the image's y negated), so that directions turn as mathematics turns them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher._parameters import Cylinder, Pairing

    Descriptors = NDArray[np.int8 | np.int16]

FEATURES: Final = 4
"""Surprise, odds, tightness, turn: see :func:`_measure`."""

X, Y, TURN, COS, SIN = range(5)  # columns of Prints.points

ZERO: Final = np.float32(0.0)
HALF: Final = np.float32(0.5)
ONE: Final = np.float32(1.0)
TWO: Final = np.float32(2.0)
PI: Final = np.float32(math.pi)
TAU: Final = np.float32(math.tau)
HIGHEST: Final = np.float32(1e30)
LOWEST: Final = -HIGHEST

_kernel = njit(nogil=True, cache=True, boundscheck=True, error_model="numpy")


class Prints(NamedTuple):
    """Prints packed one behind the other: print ``f`` owns the rows ``starts[f]`` to ``starts[f + 1]``.

    ``points`` float32 (n, 5): x, y upwards, direction, its cosine and sine. ``descriptors`` int8 (n, d), int16 for a
    probe. ``hull`` int32 (n,): the first ``hull_sizes[f]`` rows of a print number its hull's corners within the print,
    counter-clockwise.
    """

    starts: NDArray[np.int64]
    points: NDArray[np.float32]
    descriptors: Descriptors
    hull: NDArray[np.int32]
    hull_sizes: NDArray[np.int32]


class Work(NamedTuple):
    """Buffers of one thread; made by :func:`work_for`. Row 0 of ``motion`` and ``mates`` is tried, the last row best."""

    similarity: NDArray[np.float32]  # (m, n) of descriptors
    cuts: NDArray[np.float32]  # (2, m or n) least similarity of a minutia's pairs
    pairs: NDArray[np.int32]  # (k, 2) probe minutia, gallery minutia
    strength: NDArray[np.float32]  # (k,) their similarity, descending
    consistency: NDArray[np.float32]  # (k, k) of pairs
    votes: NDArray[np.float32]  # (2, k)
    covered: NDArray[np.bool_]  # (k,) pairs that an earlier alignment explains
    moved: NDArray[np.float32]  # (m, 3) the probe's points under the motion: x, y, direction
    costs: NDArray[np.float32]  # (2, m or n) of the nearest neighbour, from either side
    mates: NDArray[np.int32]  # (3, m or n) of a probe minutia, of a gallery minutia, of a probe minutia at best
    ends: NDArray[np.int32]  # (m, 2) mated minutiae
    weights: NDArray[np.float32]  # (m,) of them
    motion: NDArray[np.float32]  # (2, 6) cosine, sine, shift x, shift y, centre x, centre y
    found: NDArray[np.float32]  # (FEATURES,)


def work_for(probe: int, largest: int, pairs: int) -> Work:
    """Return buffers for a probe of so many minutiae against prints of at most ``largest`` minutiae."""
    longest = max(probe, largest, 1)

    def real(*shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, dtype=np.float32)

    return Work(
        similarity=real(max(probe, 1), max(largest, 1)),
        cuts=real(2, longest),
        pairs=np.zeros((pairs, 2), dtype=np.int32),
        strength=real(pairs),
        consistency=real(pairs, pairs),
        votes=real(2, pairs),
        covered=np.zeros(pairs, dtype=np.bool_),
        moved=real(longest, 3),
        costs=real(2, longest),
        mates=np.zeros((3, longest), dtype=np.int32),
        ends=np.zeros((longest, 2), dtype=np.int32),
        weights=real(longest),
        motion=real(2, 6),
        found=real(FEATURES),
    )


# --- once for a print ------------------------------------------------------------------------------------------------


@_kernel
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
            while size >= kept and not _turns_left(prints.points[a:], chain[size - 2], chain[size - 1], corner):
                size -= 1
            if step < 2 * n - 2 or n == 1:  # the last step returns to the first corner
                chain[size] = corner
                size += 1
        prints.hull[a : a + size] = chain[:size]
        prints.hull_sizes[f] = size


@_kernel
def _turns_left(points: NDArray[np.float32], one: int, two: int, three: int) -> bool:
    p, q, r = points[one], points[two], points[three]
    return bool((q[X] - p[X]) * (r[Y] - p[Y]) - (q[Y] - p[Y]) * (r[X] - p[X]) > ZERO)


@_kernel
def describe(
    prints: Prints,
    shape: Cylinder,
    cells: NDArray[np.int32],
    sums: NDArray[np.float32],
    bumps: NDArray[np.float32],
) -> None:
    """Write the descriptor of every minutia: a Minutia Cylinder-Code cylinder and the minutia's own direction.

    ``cells`` (c, 2) numbers the columns and rows of the ground cells within reach; ``sums`` (c, sections) and ``bumps``
    (3, max(side, sections)) are buffers. R. Cappelli, M. Ferrara, D. Maltoni, "Minutia Cylinder-Code", IEEE PAMI
    32(12), 2010, section 3, with real values: a hyperbolic tangent for the sigmoid, a unit vector for the bits.
    """
    far = shape.reach + np.float32(3.0) * shape.spread
    for f in range(prints.starts.shape[0] - 1):
        for i in range(prints.starts[f], prints.starts[f + 1]):
            sums[:] = ZERO
            for k in range(prints.starts[f], prints.starts[f + 1]):
                dx = prints.points[k, X] - prints.points[i, X]
                dy = prints.points[k, Y] - prints.points[i, Y]
                if k != i and dx * dx + dy * dy <= far * far:
                    _spread(prints.points[i], prints.points[k], shape, bumps)
                    _gather(cells, bumps, shape.faint, sums)
            _encode(sums, shape, prints.points[i], prints.descriptors[i])


@_kernel
def _spread(
    centre: NDArray[np.float32], other: NDArray[np.float32], shape: Cylinder, bumps: NDArray[np.float32]
) -> None:
    """Write what a neighbour gives to each column, row and section of the cylinder around a minutia."""
    dx = other[X] - centre[X]
    dy = other[Y] - centre[Y]
    across = dx * centre[COS] + dy * centre[SIN]
    along = dy * centre[COS] - dx * centre[SIN]
    turned = _turn(other[TURN], centre[TURN])
    cell = TWO * shape.reach / np.float32(shape.side)
    sector = TAU / np.float32(shape.sections)
    for q in range(shape.side):
        at = cell * (np.float32(q) + HALF) - shape.reach
        bumps[0, q] = _bump((across - at) / shape.spread)
        bumps[1, q] = _bump((along - at) / shape.spread)
    for q in range(shape.sections):
        gap = turned - sector * np.float32(q)
        bumps[2, q] = _bump((gap if gap >= -PI else gap + TAU) / shape.turn_spread)


@_kernel
def _bump(z: np.float32) -> np.float32:
    return np.float32(math.exp(-HALF * z * z))


@_kernel
def _gather(cells: NDArray[np.int32], bumps: NDArray[np.float32], faint: np.float32, sums: NDArray[np.float32]) -> None:
    for q in range(sums.shape[0]):
        ground = bumps[0, cells[q, 0]] * bumps[1, cells[q, 1]]
        if ground > faint:
            for r in range(sums.shape[1]):
                sums[q, r] += ground * bumps[2, r]


@_kernel
def _encode(sums: NDArray[np.float32], shape: Cylinder, point: NDArray[np.float32], descriptor: Descriptors) -> None:
    """Squash, bring to the common length, round to bytes; the direction's cosine and sine come last."""
    square = ZERO
    for q in range(sums.shape[0]):
        for r in range(sums.shape[1]):
            sums[q, r] = math.tanh(shape.gain * sums[q, r])
            square += sums[q, r] * sums[q, r]
    # A minutia alone within reach has no neighbourhood to compare.
    unit = shape.length / math.sqrt(square) if square > ZERO else ZERO
    at = 0
    for q in range(sums.shape[0]):
        for r in range(sums.shape[1]):
            descriptor[at] = np.int8(min(np.float32(127.0), np.floor(sums[q, r] * unit + HALF)))
            at += 1
    descriptor[at] = np.int8(np.floor(shape.heading * point[COS] + HALF))
    descriptor[at + 1] = np.int8(np.floor(shape.heading * point[SIN] + HALF))


# --- stage one: every print ------------------------------------------------------------------------------------------


@_kernel
def sift(
    probe: Prints,
    gallery: Prints,
    fingers: NDArray[np.int64],
    floor: int,
    best: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Score the prints numbered in ``fingers``: what each minutia's best counterpart exceeds ``floor`` by, summed.

    The probe is the first print of ``probe``; ``best`` (m,) is a buffer. The sum over the minutiae of both sides is
    divided by the geometric mean of their numbers.
    """
    m = probe.starts[1]
    for n in range(fingers.shape[0]):
        first = gallery.starts[fingers[n]]
        last = gallery.starts[fingers[n] + 1]
        best[:m] = floor
        total = 0
        for j in range(first, last):
            top = floor
            for i in range(m):
                dot = _dot(probe.descriptors[i], gallery.descriptors[j])
                best[i] = max(best[i], dot)
                top = max(int(top), int(dot))
            total += top - floor
        for i in range(m):
            total += best[i] - floor
        size = math.sqrt(np.float32(max(m * (last - first), 1)))
        scores[n] = np.float32(total) / np.float32(size)


@_kernel
def _dot(a: Descriptors, b: Descriptors) -> np.int32:
    """Return the inner product of two descriptors, exactly, in a form that becomes packed multiply-adds."""
    total = np.int32(0)
    for d in range(min(a.shape[0], b.shape[0])):
        total = np.int32(total + np.int32(np.int32(a[d]) * np.int32(b[d])))
    return total


# --- stages two and three: the few that are left ---------------------------------------------------------------------


@_kernel
def verify(
    probe: Prints,
    gallery: Prints,
    fingers: NDArray[np.int64],
    rule: Pairing,
    work: Work,
    found: NDArray[np.float32],
) -> None:
    """Write for each print numbered in ``fingers`` the features of its best alignment and, last, their score.

    ``found`` (len(fingers), FEATURES + 1); ``rule.weights`` as many, the constant last. After the call
    ``work`` holds the motion and the mates of the last print.
    """
    a = probe.points
    for f in range(fingers.shape[0]):
        first = gallery.starts[fingers[f]]
        last = gallery.starts[fingers[f] + 1]
        b = gallery.points[first:last]
        corners = gallery.hull[first : first + gallery.hull_sizes[fingers[f]]]
        _compare_descriptors(probe.descriptors, gallery.descriptors[first:last], work.similarity)
        count = _choose_pairs(a.shape[0], b.shape[0], rule.per_minutia, work)
        _relate(a, b, count, rule, work)
        _relax(count, rule.sweeps, work)
        found[f, :] = ZERO
        found[f, FEATURES] = rule.weights[FEATURES]  # what stands if nothing can be aligned
        work.mates[2, :] = -1
        best = LOWEST
        for _ in range(rule.seeds):
            seed = _next_seed(count, work)
            if seed < 0:
                break
            _align(a, b, seed, count, rule, work)
            _measure(a, b, probe.hull[: probe.hull_sizes[0]], corners, rule, work)
            score = rule.weights[FEATURES]
            for k in range(FEATURES):
                score += rule.weights[k] * work.found[k]
            if score > best:
                best = score
                found[f, :FEATURES] = work.found
                found[f, FEATURES] = score
                work.mates[2, :] = work.mates[0]
                work.motion[1, :] = work.motion[0]


@_kernel
def _compare_descriptors(a: Descriptors, b: Descriptors, similarity: NDArray[np.float32]) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            similarity[i, j] = np.float32(_dot(a[i], b[j]))


@_kernel
def _choose_pairs(m: int, n: int, per_minutia: int, work: Work) -> int:
    """List the most similar pairs, strongest first, at most so many of one minutia; return their number."""
    for i in range(m):
        work.cuts[0, i] = _cut(work.similarity[i, :n], per_minutia)
    for j in range(n):
        work.cuts[1, j] = _cut(work.similarity[:m, j], per_minutia)
    count = 0
    room = work.pairs.shape[0]
    for i in range(m):
        for j in range(n):
            value = work.similarity[i, j]
            full = count == room and value <= work.strength[room - 1]
            if value >= work.cuts[0, i] and value >= work.cuts[1, j] and not full:
                count = min(count + 1, room)
                _insert(i, j, value, count - 1, work)
    return count


@_kernel
def _cut(values: NDArray[np.float32], wanted: int) -> np.float32:
    """Return the greatest bound that so many positive values, or all if there are fewer, reach."""
    cut = HIGHEST
    reached = 0
    while reached < wanted:
        top = ZERO
        times = 0
        for k in range(values.shape[0]):
            if values[k] > top and values[k] < cut:
                top = values[k]
                times = 1
            elif values[k] == top:
                times += 1
        if top == ZERO:
            break
        cut = top
        reached += times
    return cut


@_kernel
def _insert(i: int, j: int, value: np.float32, last: int, work: Work) -> None:
    """Put a pair at its place in the descending list, behind its equals, over what stood at ``last``."""
    at = last
    while at > 0 and work.strength[at - 1] < value:
        work.strength[at] = work.strength[at - 1]
        work.pairs[at, 0] = work.pairs[at - 1, 0]
        work.pairs[at, 1] = work.pairs[at - 1, 1]
        at -= 1
    work.strength[at] = value
    work.pairs[at, 0] = i
    work.pairs[at, 1] = j


@_kernel
def _relate(a: NDArray[np.float32], b: NDArray[np.float32], count: int, rule: Pairing, work: Work) -> None:
    """Write how well every two pairs agree that one print is the moved image of the other: 0 to 1."""
    for k in range(count):
        i, j = work.pairs[k, 0], work.pairs[k, 1]
        turned = _turn(a[i, TURN], b[j, TURN])
        work.consistency[k, k] = ZERO
        for q in range(k):
            r, s = work.pairs[q, 0], work.pairs[q, 1]
            twist = _turn(turned, _turn(a[r, TURN], b[s, TURN])) / rule.turn
            value = ZERO
            if i != r and j != s and abs(twist) < ONE:
                value = (ONE - twist * twist) * _agreement(a[i], a[r], b[j], b[s], rule)
            work.consistency[k, q] = value
            work.consistency[q, k] = value


@_kernel
def _agreement(
    p: NDArray[np.float32], q: NDArray[np.float32], r: NDArray[np.float32], s: NDArray[np.float32], rule: Pairing
) -> np.float32:
    """Return, from 0 to 1, whether ``p`` and ``q`` lie to each other as ``r`` and ``s`` do.

    Their distance, and where each lies as seen from the other; the tolerance grows with distance, because skin stretches.
    """
    pq = math.sqrt((q[X] - p[X]) ** 2 + (q[Y] - p[Y]) ** 2)
    rs = math.sqrt((s[X] - r[X]) ** 2 + (s[Y] - r[Y]) ** 2)
    mean = HALF * (pq + rs)
    stretch = (pq - rs) / (rule.near + rule.slope * mean)
    if abs(stretch) >= ONE:
        return ZERO
    gap = max(_gap(p, q, r, s), _gap(q, p, s, r)) / (rule.near + rule.turn * mean)
    if gap >= ONE:
        return ZERO
    return np.float32((ONE - stretch * stretch) * (ONE - gap * gap))


@_kernel
def _gap(p: NDArray[np.float32], q: NDArray[np.float32], r: NDArray[np.float32], s: NDArray[np.float32]) -> np.float32:
    """Return the distance between ``q`` as seen from ``p`` and ``s`` as seen from ``r``."""
    dx, dy, ex, ey = q[X] - p[X], q[Y] - p[Y], s[X] - r[X], s[Y] - r[Y]
    across = dx * p[COS] + dy * p[SIN] - ex * r[COS] - ey * r[SIN]
    along = dy * p[COS] - dx * p[SIN] - ey * r[COS] + ex * r[SIN]
    return np.float32(math.sqrt(across * across + along * along))


@_kernel
def _turn(a: np.float32, b: np.float32) -> np.float32:
    """Return the turn from ``b`` to ``a``, between minus and plus a half turn, of two angles less than a turn apart."""
    d = a - b
    if d > PI:
        return d - TAU
    return d + TAU if d < -PI else d


@_kernel
def _relax(count: int, sweeps: int, work: Work) -> None:
    """Let the pairs vote for each other: power iterations from their similarities; ``votes[0]`` has unit length."""
    work.votes[0, :count] = work.strength[:count]
    work.covered[:count] = False
    _to_unit(work.votes[0, :count])
    for _ in range(sweeps):
        work.votes[1, :count] = ZERO
        for k in range(count):
            vote = work.votes[0, k]
            for q in range(count):
                work.votes[1, q] += vote * work.consistency[k, q]
        _to_unit(work.votes[1, :count])
        work.votes[0, :count] = work.votes[1, :count]


@_kernel
def _to_unit(values: NDArray[np.float32]) -> None:
    square = ZERO
    for k in range(values.shape[0]):
        square += values[k] * values[k]
    unit = ONE / math.sqrt(square) if square > ZERO else ZERO
    for k in range(values.shape[0]):
        values[k] *= unit


@_kernel
def _next_seed(count: int, work: Work) -> int:
    """Return the pair with most votes that no earlier alignment explains, or -1."""
    seed = -1
    most = ZERO
    for k in range(count):
        if work.votes[0, k] > most and not work.covered[k]:
            most = work.votes[0, k]
            seed = k
    return seed


@_kernel
def _align(a: NDArray[np.float32], b: NDArray[np.float32], seed: int, count: int, rule: Pairing, work: Work) -> None:
    """Move the probe onto the other print from one pair and those that agree with it; mate, refit, mate again."""
    for k in range(count):
        work.votes[1, k] = work.votes[0, k] * work.consistency[seed, k]
    work.votes[1, seed] = work.votes[0, seed]
    _fit(a, b, work.pairs[:count], work.votes[1], rule.lever, work.motion[0])
    for again in range(rule.rounds):
        _move(a, work.motion[0], work.moved)
        mated = _mate(a.shape[0], b, rule, work)
        if mated == 0 or again == rule.rounds - 1:
            break
        _fit(a, b, work.ends[:mated], work.weights, rule.lever, work.motion[0])
    work.covered[seed] = True
    for k in range(count):
        if work.mates[0, work.pairs[k, 0]] == work.pairs[k, 1]:
            work.covered[k] = True


@_kernel
def _fit(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    ends: NDArray[np.int32],
    weights: NDArray[np.float32],
    lever: np.float32,
    motion: NDArray[np.float32],
) -> None:
    """Write the rotation and shift that take the first ends onto the second with least squares.

    A direction counts like a second point ``lever`` pixels squared away. Nothing is written if no weight is positive.
    """
    total, ax, ay, bx, by = ZERO, ZERO, ZERO, ZERO, ZERO
    for k in range(ends.shape[0]):
        i, j = ends[k]
        total += weights[k]
        ax += weights[k] * a[i, X]
        ay += weights[k] * a[i, Y]
        bx += weights[k] * b[j, X]
        by += weights[k] * b[j, Y]
    if total <= ZERO:
        return
    ax, ay, bx, by = ax / total, ay / total, bx / total, by / total
    c, s = ZERO, ZERO
    for k in range(ends.shape[0]):
        p = a[ends[k, 0]]
        q = b[ends[k, 1]]
        px, py, qx, qy = p[X] - ax, p[Y] - ay, q[X] - bx, q[Y] - by
        c += weights[k] * (px * qx + py * qy + lever * (p[COS] * q[COS] + p[SIN] * q[SIN]))
        s += weights[k] * (px * qy - py * qx + lever * (p[COS] * q[SIN] - p[SIN] * q[COS]))
    size = math.sqrt(c * c + s * s)
    c, s = (c / size, s / size) if size > ZERO else (ONE, ZERO)
    motion[0] = c
    motion[1] = s
    motion[2] = bx - (c * ax - s * ay)
    motion[3] = by - (s * ax + c * ay)
    motion[4] = bx
    motion[5] = by


@_kernel
def _move(points: NDArray[np.float32], motion: NDArray[np.float32], moved: NDArray[np.float32]) -> None:
    turn = np.float32(math.atan2(motion[1], motion[0]))
    for i in range(points.shape[0]):
        moved[i, X] = motion[0] * points[i, X] - motion[1] * points[i, Y] + motion[2]
        moved[i, Y] = motion[1] * points[i, X] + motion[0] * points[i, Y] + motion[3]
        direction = points[i, TURN] + turn
        if direction >= TAU:
            direction -= TAU
        elif direction < ZERO:
            direction += TAU
        moved[i, TURN] = direction


@_kernel
def _mate(m: int, b: NDArray[np.float32], rule: Pairing, work: Work) -> int:
    """Mate minutiae that are each other's nearest within tolerance; list them in ``ends``; return their number."""
    work.costs[:] = ONE
    work.mates[:2] = -1
    for i in range(m):
        dx = work.moved[i, X] - work.motion[0, 4]
        dy = work.moved[i, Y] - work.motion[0, 5]
        reach = rule.reach + rule.reach_slope * math.sqrt(dx * dx + dy * dy)
        for j in range(b.shape[0]):
            if abs(work.moved[i, X] - b[j, X]) >= reach:
                continue
            cost = _cost(work.moved[i], b[j], reach * reach, rule.reach_turn)
            if cost < work.costs[0, i]:
                work.costs[0, i] = cost
                work.mates[0, i] = j
            if cost < work.costs[1, j]:
                work.costs[1, j] = cost
                work.mates[1, j] = i
    return _keep_mutual(m, b.shape[0], work)


@_kernel
def _cost(p: NDArray[np.float32], q: NDArray[np.float32], square: np.float32, turn: np.float32) -> np.float32:
    """Return 0 to 1 for how far apart two minutia are in place and direction, 1 if further than tolerated in either."""
    dx = p[X] - q[X]
    dy = p[Y] - q[Y]
    off = (dx * dx + dy * dy) / square
    if off >= ONE:
        return ONE
    twist = _turn(p[TURN], q[TURN]) / turn
    if abs(twist) >= ONE:
        return ONE
    return np.float32(HALF * (off + twist * twist))


@_kernel
def _keep_mutual(m: int, n: int, work: Work) -> int:
    count = 0
    for i in range(m):
        j = work.mates[0, i]
        if j >= 0 and work.mates[1, j] == i:
            work.ends[count, 0] = i
            work.ends[count, 1] = j
            work.weights[count] = ONE - work.costs[0, i]
            count += 1
        else:
            work.mates[0, i] = -1
    for j in range(n):
        i = work.mates[1, j]
        if i >= 0 and work.mates[0, i] != j:
            work.mates[1, j] = -1
    return count


@_kernel
def _measure(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    corners_a: NDArray[np.int32],
    corners_b: NDArray[np.int32],
    rule: Pairing,
    work: Work,
) -> None:
    """Write the features of an alignment.

    Surprise: how improbable so many mates are by chance, see :func:`_surprise`. Odds: mated to unmated minutiae where the
    prints overlap; the latter are the strongest evidence against. Tightness: how close mates are. Turn: of the whole print.
    Odds and tightness are logarithms of quotients that count one doubtful minutia more, so that few mates say little.
    """
    mated, loose = ZERO, ONE
    for i in range(a.shape[0]):
        if work.mates[0, i] >= 0:
            mated += ONE
            loose += work.costs[0, i]
    alone = HALF * _unmated(a, b, corners_a, corners_b, rule.border, work)
    density = HALF * (_density(a, corners_a, rule.reach) + _density(b, corners_b, rule.reach))
    chance = density * rule.reach * rule.reach * rule.reach_turn  # a disc's area times the share of directions
    expected = max((mated + alone) * chance, rule.least_chance)
    work.found[0] = _surprise(mated, expected, a.shape[0] * b.shape[0])
    work.found[1] = math.log((mated + HALF) / (alone + ONE))
    work.found[2] = math.log((mated + ONE) / loose)
    work.found[3] = abs(math.atan2(work.motion[0, 1], work.motion[0, 0]))


@_kernel
def _surprise(mated: np.float32, expected: np.float32, alignments: int) -> np.float32:
    """Return the negative logarithm of a bound on the probability of so many mates by chance.

    Chernoff's bound for a Poisson variable with the expected number of chance mates, times the number of alignments that
    one pair can start.
    """
    if mated <= expected:
        return ZERO
    surprise = mated * math.log(mated / expected) - mated + expected - math.log(np.float32(alignments))
    return max(ZERO, np.float32(surprise))


@_kernel
def _density(points: NDArray[np.float32], corners: NDArray[np.int32], reach: np.float32) -> np.float32:
    """Return minutiae a square pixel of the hull widened by ``reach`` (area, perimeter and disc: Steiner's formula)."""
    twice, around = ZERO, ZERO
    for k in range(corners.shape[0]):
        p = points[corners[k - 1]]
        q = points[corners[k]]
        twice += p[X] * q[Y] - q[X] * p[Y]
        around += math.sqrt((q[X] - p[X]) ** 2 + (q[Y] - p[Y]) ** 2)
    return np.float32(points.shape[0]) / (HALF * abs(twice) + reach * around + PI * reach * reach)


@_kernel
def _unmated(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    corners_a: NDArray[np.int32],
    corners_b: NDArray[np.int32],
    border: np.float32,
    work: Work,
) -> np.float32:
    """Count the minutiae of both prints without a mate though they lie inside the other's hull."""
    count = ZERO
    for i in range(a.shape[0]):
        if work.mates[0, i] < 0 and _inside(work.moved[i, X], work.moved[i, Y], b, corners_b, border):
            count += ONE
    c, s = work.motion[0, 0], work.motion[0, 1]
    for j in range(b.shape[0]):
        dx = b[j, X] - work.motion[0, 2]
        dy = b[j, Y] - work.motion[0, 3]
        if work.mates[1, j] < 0 and _inside(c * dx + s * dy, c * dy - s * dx, a, corners_a, border):
            count += ONE
    return count


@_kernel
def _inside(
    x: np.float32, y: np.float32, points: NDArray[np.float32], corners: NDArray[np.int32], border: np.float32
) -> bool:
    """Return whether a point lies further inside a hull than its border is wide."""
    if corners.shape[0] < 3:
        return False
    for k in range(corners.shape[0]):
        p = points[corners[k - 1]]
        q = points[corners[k]]
        dx, dy = q[X] - p[X], q[Y] - p[Y]
        if dx * (y - p[Y]) - dy * (x - p[X]) <= border * math.sqrt(dx * dx + dy * dy):
            return False
    return True
