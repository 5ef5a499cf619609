"""bozorth3 of NIST's NBIS, in the build that ``nbis-py`` carries (``make peers``).

``nbis-py`` reads templates only in a layout of its own, close to ISO/IEC 19794-2:2005 without the resolution; gives the
minutiae to bozorth3 in the order of their quality, where bozorth3 wants them by x, then y, and passes over most of the edges
otherwise; and has bozorth3 give up below 15 minutiae, where NIST's program does below 10. All three are seen to here:

* the best 150 minutiae, which is what NIST's program takes, all of one quality, go in by x and y;
* a print of 10 to 14 minutiae gets so many more that it has 15, each so far from all others (bozorth3 joins minutiae at most
  125 pixels apart) that no edge leads to it and no score can change.

What remains. ``nbis-py`` rounds directions to 11.25 degrees, the steps of mindtct, where bozorth3 takes whole degrees and
tolerates 11: at a false match rate of 1e-4 it misses 13.2 % of the mates of FVC2002 DB1_B to DB4_B with our extractor's
templates, 18.8 % with the vendor's, and NIST's C code with whole degrees 12.7 % and 16.8 %. Getting into the library takes
11 microseconds of some 600 that a comparison takes; the same C code compiled with gcc -O2 makes 1.5 times as many
comparisons in a CPU second. An overflow, the score 4,000, counts as 0.
"""

from __future__ import annotations

import importlib
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.peers.peer import MissingPeerError
from matcher.template import MinutiaKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matcher.template import Template

MOST: Final = 150
"""Minutiae of a print that NIST's program takes unless told otherwise (DEFAULT_BOZORTH_MINUTIAE)."""

LEAST: Final = 10
"""Minutiae below which NIST's program gives the score 0 (MIN_COMPUTABLE_BOZORTH_MINUTIAE)."""

_LEAST_HERE: Final = 15  # of nbis-py's build
_APART: Final = 256  # pixels; more than the longest edge
_STEPS: Final = 256  # of a direction
_SHORTEST: Final = 28  # bytes that nbis-py takes for a template


class Bozorth3:
    """The peer: see the module. ``module`` is what ``nbis-py`` installs.

    Raises:
        MissingPeerError: it is not installed.

    """

    name = "bozorth3"

    def __init__(self, module: str = "nbis") -> None:
        try:
            nbis: Any = importlib.import_module(module)
        except ImportError as error:
            raise MissingPeerError(
                f"bozorth3 is not measured: nbis-py is not installed ({error}); make peers"
            ) from error
        settings = nbis.NbisExtractorSettings(
            min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=False, ppi=500.0
        )
        self._nbis = nbis.new_nbis_extractor(settings)

    def prepare(self, template: Template) -> Any:
        """Return what ``nbis-py`` compares."""
        return self._nbis.load_iso_19794_2_2005(written(template))

    def compare(self, probe: Any, candidate: Any) -> float:
        """Return the score: so many edges fit together."""
        return float(probe.compare(candidate))

    def compare_many(self, probe: Any, candidates: Sequence[Any]) -> NDArray[np.float64]:
        """Return the scores (candidates,)."""
        compare = probe.compare
        return np.array([compare(candidate) for candidate in candidates], dtype=np.float64)


def written(template: Template) -> bytes:
    """Return a print in the layout that ``nbis-py`` reads: 26 bytes, then 6 a minutia as in ISO/IEC 19794-2:2005, 7.4.2."""
    best = np.argsort(-template.quality.astype(np.int64), kind="stable")[:MOST]
    order = best[np.lexsort((template.height - template.y[best], template.x[best]))]
    direction = np.rint(template.direction[order] * (_STEPS / (2 * np.pi))).astype(np.int64) % _STEPS
    kind = np.where(template.kind[order] == MinutiaKind.BIFURCATION, MinutiaKind.BIFURCATION, MinutiaKind.ENDING)
    alone = _LEAST_HERE - len(order) if LEAST <= len(order) < _LEAST_HERE else 0
    rows = [
        *zip(template.x[order].tolist(), template.y[order].tolist(), direction.tolist(), kind.tolist(), strict=True),
        *((template.width + _APART * (1 + number), 0, 0, int(MinutiaKind.ENDING)) for number in range(alone)),
    ]
    body = b"".join(struct.pack(">HHBB", kind << 14 | x, y, direction, 63) for x, y, direction, kind in rows)
    head = struct.pack(">HHH7xB", 0, template.width, template.height, len(rows))
    whole = (head + body).ljust(_SHORTEST - 12, b"\0")
    return b"FMR\0 20\0" + struct.pack(">I", 12 + len(whole)) + whole
