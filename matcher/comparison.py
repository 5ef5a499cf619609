"""One print against one: packing for the kernels, and the comparison that an examiner's picture is drawn from.

:func:`pack` computes what depends on a print alone, so that a gallery pays for it once; :func:`compare` runs the same
kernel that decides a search, so that the picture shows what the search saw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matcher import _kernels
from matcher._kernels import FEATURES, Prints, Work
from matcher._parameters import CYLINDER, PAIRING
from matcher.calibration import false_match_probability

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
class Comparison:
    """What speaks for and against two prints being of one finger.

    ``score`` is the natural logarithm of the likelihood ratio that the tuned model gives; ``pairs`` are the mated
    minutiae, (probe, candidate), in the order of the probe's; ``transform`` lays the probe on the candidate and is None
    where not even one pair could be aligned.
    """

    score: float
    false_match_probability: float
    pairs: tuple[tuple[int, int], ...]
    transform: Transform | None


def _ground_cells() -> NDArray[np.int32]:
    """Return the columns and rows of the cylinder's cells whose centre lies within its reach."""
    centres = (np.arange(CYLINDER.side) + 0.5) * 2.0 / CYLINDER.side - 1.0
    across, along = np.meshgrid(centres, centres, indexing="ij")
    return np.argwhere(np.hypot(across, along) <= 1.0).astype(np.int32)


_CELLS: Final = _ground_cells()

DESCRIPTOR_BYTES: Final = -(-(len(_CELLS) * CYLINDER.sections + 2) // 32) * 32
"""Bytes of one minutia's descriptor: the cylinder, two for its direction, filled up to whole registers."""


def pack(templates: Sequence[Template]) -> Prints:
    """Return the templates as the kernels read them, hulls and descriptors computed. About 0.25 ms CPU a print."""
    starts = np.zeros(len(templates) + 1, dtype=np.int64)
    np.cumsum([len(t) for t in templates], out=starts[1:])
    points = np.empty((int(starts[-1]), 5), dtype=np.float32)
    for template, first, last in zip(templates, starts[:-1], starts[1:], strict=True):
        points[first:last, _kernels.X] = template.x
        points[first:last, _kernels.Y] = template.y
        points[first:last, _kernels.TURN] = template.direction
    points[:, _kernels.Y] *= -1.0
    np.cos(points[:, _kernels.TURN], out=points[:, _kernels.COS])
    np.sin(points[:, _kernels.TURN], out=points[:, _kernels.SIN])
    prints = Prints(
        starts=starts,
        points=points,
        descriptors=np.zeros((len(points), DESCRIPTOR_BYTES), dtype=np.int8),
        hull=np.zeros(len(points), dtype=np.int32),
        hull_sizes=np.zeros(len(templates), dtype=np.int32),
    )
    owner = np.repeat(np.arange(len(templates)), np.diff(starts))
    chain = np.zeros(int(np.diff(starts).max(initial=0)) + 1, dtype=np.int32)
    _kernels.find_hulls(prints, np.lexsort((points[:, _kernels.Y], points[:, _kernels.X], owner)), chain)
    sums = np.zeros((len(_CELLS), CYLINDER.sections), dtype=np.float32)
    bumps = np.zeros((3, max(CYLINDER.side, CYLINDER.sections)), dtype=np.float32)
    _kernels.describe(prints, CYLINDER, _CELLS, sums, bumps)
    return prints


def pack_probe(template: Template) -> Prints:
    """Return one template as the kernels want a probe: its descriptors widened for the multiply-add."""
    prints = pack([template])
    return prints._replace(descriptors=prints.descriptors.astype(np.int16))


def verify(
    probe: Prints, gallery: Prints, fingers: NDArray[np.int64], rule: Pairing = PAIRING
) -> tuple[NDArray[np.float32], Work]:
    """Return features and, last, the score of each print numbered in ``fingers``, and the buffers used."""
    found = np.zeros((len(fingers), FEATURES + 1), dtype=np.float32)
    sizes = gallery.starts[fingers + 1] - gallery.starts[fingers]
    work = _kernels.work_for(len(probe.points), int(sizes.max(initial=0)), rule.pairs)
    _kernels.verify(probe, gallery, fingers, rule, work, found)
    return found, work


def compare(probe: Template, candidate: Template) -> Comparison:
    """Compare two prints. Thread-safe; about 1 ms CPU, most of it packing."""
    found, work = verify(pack_probe(probe), pack([candidate]), np.zeros(1, dtype=np.int64))
    mates = work.mates[2, : len(probe)]
    pairs = tuple((int(i), int(mates[i])) for i in np.flatnonzero(mates >= 0))
    score = float(found[0, FEATURES])
    return Comparison(score, false_match_probability(score), pairs, _transform(work) if pairs else None)


def _transform(work: Work) -> Transform:
    cosine, sine, across, up = (float(value) for value in work.motion[1, :4])
    return Transform(rotation=math.atan2(sine, cosine), dx=across, dy=-up)
