"""One print against one: packing for the kernels, and the comparison that an examiner's picture is drawn from.

:func:`pack` computes what depends on a print alone, so that a gallery pays for it once; :func:`compare` runs the same
kernel that decides a search, so that the picture shows what the search saw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from matcher import _kernels
from matcher._kernels import EVIDENCE, FEATURES, FULL_TURN, Prints, Work
from matcher._parameters import PAIRING
from matcher._sift import LANES, Rows, blocks_of, rows_of
from matcher.calibration import false_match_probability
from matcher.descriptors import describe
from matcher.reliability import reliability
from matcher.template import MAX_MINUTIAE, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matcher._parameters import Pairing
    from matcher.template import Template


@dataclass(frozen=True, slots=True)
class Transform:
    """A rigid motion of one image onto another, in pixels at 500 dpi, y down.

    (x, y) goes to (x cos r + y sin r + dx, y cos r - x sin r + dy): ``rotation`` r is counter-clockwise as one sees it.
    """

    rotation: float
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that an alignment is evidence of, by its name in ``EVIDENCE``.

    ``weight`` is what it adds to the score: above 0 it speaks for one finger, below 0 against it.
    """

    name: str
    value: float
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What speaks for and against two prints being of one finger.

    ``score`` is the natural logarithm of the likelihood ratio that the tuned model gives: the sum of the weights of
    ``evidence`` and a constant. ``pairs`` are the mated minutiae, (probe, candidate), in the order of the probe's;
    ``unpaired`` the probe's and the candidate's minutiae that have no mate although the other print shows the place;
    ``transform`` lays the probe on the candidate and is None where not even one pair could be aligned.
    """

    score: float
    false_match_probability: float
    pairs: tuple[tuple[int, int], ...]
    unpaired: tuple[tuple[int, ...], tuple[int, ...]]
    evidence: tuple[Evidence, ...]
    transform: Transform | None


class Packed(NamedTuple):
    """Prints as the kernels read them.

    ``order`` int64 (n,) is the number that each row has within its template: the kernels want the best minutia first.
    ``descriptors`` int8 (n, 64) are those that ``prints.blocks`` holds in another layout.
    """

    prints: Prints
    order: NDArray[np.int64]
    descriptors: NDArray[np.int8]


class Probe(NamedTuple):
    """One print that is searched for: its minutiae, and its descriptors as the kernels read those of a probe."""

    prints: Prints
    rows: Rows
    order: NDArray[np.int64]
    turned: bool  # nobody knows how it was held: directions are not compared as such


def pack(templates: Sequence[Template]) -> Packed:
    """Return the templates as the kernels read them, hulls and descriptors computed. About .15 ms CPU a print.

    A print that an examiner marked, and a latent one, is not bounded by its hull: minutiae are marked where they are clear, and
    what lies between need not be empty.
    """
    starts = np.zeros(len(templates) + 1, dtype=np.int64)
    np.cumsum([len(t) for t in templates], out=starts[1:])
    owner = np.repeat(np.arange(len(templates)), np.diff(starts))
    trust = _joined([reliability(t) for t in templates])
    rows = np.lexsort((-trust, owner))  # stable: the template's order decides between equals
    x, y, direction = (_joined([getattr(t, name) for t in templates])[rows] for name in ("x", "y", "direction"))
    turn = np.rint(direction * (FULL_TURN / math.tau)).astype(np.int64) % FULL_TURN
    points = np.stack([x, -y, direction, np.cos(direction), np.sin(direction)], axis=1).astype(np.float32)
    descriptors = describe(starts, points)
    prints = Prints(
        starts=starts,
        minutiae=np.stack([x, -y, turn.astype(np.uint16).view(np.int16)], axis=1).astype(np.int16),
        reliability=trust[rows].astype(np.uint8),
        corners=np.zeros(len(rows), dtype=np.uint8),
        corner_counts=np.zeros(len(templates), dtype=np.int32),
        bounded=np.array([t.origin != Origin.MARKED and not t.impression.latent for t in templates], dtype=np.bool_),
        blocks=blocks_of(descriptors, starts),
    )
    chain = np.zeros(MAX_MINUTIAE + 1, dtype=np.int32)
    _kernels.find_hulls(prints, np.lexsort((-y, x, owner)), chain)
    return Packed(prints, rows - starts[owner], descriptors)


def _joined(parts: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *parts])


def pack_probe(template: Template) -> Probe:
    """Return one template as the kernels want a probe. A latent print's own directions are not compared as such.

    A print that was taken is upright within the tolerance that descriptors have; how one lies that was left somewhere is
    not known.
    """
    prints, order, descriptors = pack([template])
    turned = template.impression.latent
    return Probe(prints, rows_of(descriptors, turned=turned), order, turned)


def verify(
    probe: Probe, gallery: Prints, fingers: NDArray[np.int64], rule: Pairing = PAIRING
) -> tuple[NDArray[np.float32], Work]:
    """Return features and, last, the score of each print numbered in ``fingers``, and the buffers used."""
    found = np.zeros((len(fingers), FEATURES + 1), dtype=np.float32)
    work = _work(probe, gallery, fingers, rule)
    _kernels.verify(probe.rows, probe.prints, gallery, fingers, rule, work, found)
    return found, work


def relate(probe: Probe, gallery: Prints, fingers: NDArray[np.int64], rule: Pairing = PAIRING) -> NDArray[np.float32]:
    """Return for each print numbered in ``fingers`` how strongly its minutiae agree with the probe's on one motion."""
    scores = np.zeros(len(fingers), dtype=np.float32)
    _kernels.relate(probe.rows, probe.prints, gallery, fingers, rule, _work(probe, gallery, fingers, rule), scores)
    return scores


def _work(probe: Probe, gallery: Prints, fingers: NDArray[np.int64], rule: Pairing) -> Work:
    """Return buffers, having checked what the kernels rely on: they do not look where they read and write.

    Raises:
        IndexError: a number is no print's, the rule is none, or the arrays are not those of whole prints.

    """
    if len(fingers) and not (fingers.min() >= 0 and fingers.max() < len(gallery.starts) - 1):
        raise IndexError(
            f"prints are numbered from 0 to {len(gallery.starts) - 2}; got {fingers.min()} to {fingers.max()}"
        )
    if rule.pairs < 1 or rule.rounds < 1 or len(rule.weights) != FEATURES + 1:
        raise IndexError(
            f"a rule keeps one or more pairs, mates one or more times, and weighs {FEATURES} features and a constant; got "
            f"{rule.pairs}, {rule.rounds} and {len(rule.weights)} weights"
        )
    m = len(probe.order)
    if len(probe.rows.bias) != m or probe.prints.starts[1] - probe.prints.starts[0] != m:
        raise IndexError(
            f"a probe's order, rows and minutiae are of one print; got {m}, {len(probe.rows.bias)} and "
            f"{probe.prints.starts[1] - probe.prints.starts[0]}: use pack_probe"
        )
    sizes = gallery.starts[fingers + 1] - gallery.starts[fingers]
    sound = (sizes >= 0) & (sizes <= MAX_MINUTIAE) & (gallery.starts[fingers + 1] <= len(gallery.minutiae))
    sound &= gallery.corner_counts[fingers] <= sizes
    sound &= gallery.blocks.first[fingers] - (-sizes // LANES) <= len(gallery.blocks.values)
    if m > MAX_MINUTIAE or not sound.all():
        which = "the probe" if m > MAX_MINUTIAE else f"print {fingers[np.argmin(sound)]}"
        raise IndexError(
            f"a print has 0 to {MAX_MINUTIAE} minutiae, all of them there, no more corners, and blocks enough; {which} has "
            "not: the gallery is damaged"
        )
    return _kernels.work_for(m, int(sizes.max(initial=0)), rule.pairs)


def compare(probe: Template, candidate: Template) -> Comparison:
    """Compare two prints. Thread-safe; about 1 ms CPU, most of it packing."""
    one, other = pack_probe(probe), pack([candidate])
    found, work = verify(one, other.prints, np.zeros(1, dtype=np.int64))
    mates = work.mates[2, : len(probe)]
    pairs = sorted((int(one.order[i]), int(other.order[mates[i]])) for i in np.flatnonzero(mates >= 0))
    score = float(found[0, FEATURES])
    evidence = tuple(
        Evidence(name, float(value), float(value * weight))
        for name, value, weight in zip(EVIDENCE, found[0, :FEATURES], PAIRING.weights[:FEATURES], strict=True)
    )
    return Comparison(
        score,
        false_match_probability(score, probe.origin, candidate.origin),
        tuple(pairs),
        _unpaired(one, other, work) if pairs else ((), ()),
        evidence,
        _transform(work) if pairs else None,
    )


def _unpaired(one: Probe, other: Packed, work: Work) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the minutiae of either print that have no mate inside the other's hull."""
    cosine, sine, across, up = (float(value) for value in work.motion[1, :4])
    x, y = work.probe.place[:2, : len(one.order)].astype(np.float64)
    there = _inside(cosine * x - sine * y + across, sine * x + cosine * y + up, work.candidate)
    x, y = work.candidate.place[:2, : len(other.order)].astype(np.float64) - [[across], [up]]
    here = _inside(cosine * x + sine * y, cosine * y - sine * x, work.probe)
    mates = work.mates[2, : len(one.order)]
    alone = np.setdiff1d(np.arange(len(other.order)), mates)
    return (
        tuple(sorted(int(k) for k in one.order[there & (mates < 0)])),
        tuple(sorted(int(k) for k in other.order[alone[here[alone]]])),
    )


def _inside(x: NDArray[np.float64], y: NDArray[np.float64], print_: _kernels.Columns) -> NDArray[np.bool_]:
    walls = print_.walls[:, : int(print_.size[1])].astype(np.float64)
    if not walls.size:
        return np.zeros(len(x), dtype=np.bool_)
    depth = np.outer(x, walls[0]) + np.outer(y, walls[1]) - walls[2]
    return np.asarray(depth.min(axis=1) > PAIRING.border)


def _transform(work: Work) -> Transform:
    cosine, sine, across, up = (float(value) for value in work.motion[1, :4])
    return Transform(rotation=math.atan2(sine, cosine), dx=across, dy=-up)
