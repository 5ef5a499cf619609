"""How probably another impression of the finger shows a minutia that this one shows.

An extractor is more or less sure of a minutia, and where it says so that is what counts. Our own says so well: of its
minutiae of quality 95 and more, 99 in 100 are there again, of those of quality 65 two in three. What the quality in another
maker's record means is not known, and many records state none; but wherever minutiae come from, those with a neighbour nearer
than a ridge and a valley are mostly dirt, scars or a ridge torn by dry skin. An examiner marks what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matcher._parameters import RELIABILITY
from matcher.template import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher.template import Template


def reliability(template: Template) -> NDArray[np.uint8]:
    """Return for each minutia, (n,), the probability in percent that another impression that shows the place shows it."""
    if template.origin == Origin.MARKED:
        share = np.full(len(template), RELIABILITY.marked)
    elif template.origin == Origin.EXTRACTED:
        share = np.interp(template.quality, *RELIABILITY.by_quality)
    else:
        share = np.interp(nearest_neighbour(template), *RELIABILITY.by_distance)
    return np.rint(100.0 * share).astype(np.uint8)


def nearest_neighbour(template: Template) -> NDArray[np.float64]:
    """Return for each minutia, (n,), how many pixels away the nearest other one is; infinitely far where there is none."""
    x, y = template.x.astype(np.float64), template.y.astype(np.float64)
    away = np.hypot(x[:, np.newaxis] - x, y[:, np.newaxis] - y)
    np.fill_diagonal(away, np.inf)
    return np.asarray(away.min(axis=1, initial=np.inf))
