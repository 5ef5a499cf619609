"""How often the matcher errs on real prints: ``python -m benchmarks.accuracy FOLDER... [--json]``.

A folder holds ``<finger>_<impression>.<extension>``, images or templates; fingers of different folders are different
fingers. Printed is one line a folder and a last one, ``pooled``, over all of them. What the columns mean:

* genuine pairs are all pairs of impressions of one finger; impostor pairs are pairs of different fingers: for ``eer`` the
  first impressions only (the protocol of the Fingerprint Verification Competitions, D. Maio and others, 2002), for all
  other columns all impressions, in the pooled line those of different folders too. A pair is compared once, the print
  that sorts first as the probe.
* FMR(t) is the share of impostor pairs with a score of t or more, FNMR(t) that of genuine pairs below t. They meet between
  t1, the last threshold with FNMR <= FMR, and t2, the first with FNMR >= FMR. ``eer`` is what that protocol makes of it: the
  mean of FNMR and FMR at t1 or t2, whichever has the lesser sum. ``eer_all`` is interpolated linearly between the two.
* ``fnmr_1e2``, ``fnmr_1e3``, ``fnmr_1e4``: FNMR at the smallest threshold with FMR <= 1e-2, 1e-3, 1e-4. Where there are
  fewer impostor pairs than that resolves, this is FNMR with no false match at all, which is ``fnmr_zero``.
* ``rank1``: each finger's first impression enrolled, the others searched for with ``Gallery.search``; the share that
  finds its finger first. A probe that the search refuses counts as not found.
* ``failed``: files without a template; their pairs count with the lowest score, as do those of empty templates.

A file's resolution is that of the nearest MANIFEST.tsv above it (columns ``path`` and ``dpi``), else ``--dpi``, else the
image's own where that is plausible, else 500. A template beside an image of the same name that declares another size is
taken to come from the image squashed to the declared size, and un-squashed.

``benchmarks.fitting`` prints the constants of ``matcher._parameters`` that folders give.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import folders, machine
from matcher import Gallery, Policy, ProbeError, Template, comparison, images
from matcher._kernels import FEATURES
from matcher._parameters import PAIRING
from matcher.comparison import pack_probe
from matcher.extraction import ExtractionError, Extractor
from matcher.formats import FormatError, read_iso19794_2, unstretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


LOWEST: Final = -1e9
"""The score of a pair that cannot be compared."""

EMPTY: Final = Template.of([], [], [], width=1, height=1)
"""Stands for a template that could not be made."""

_ANYTHING: Final = Policy(false_positive_identification_rate=1e300, limit=1)
_STDERR: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Impression:
    """One file: of which finger, which impression of it, and its template unless that failed."""

    folder: str
    finger: str
    impression: int
    template: Template | None

    @property
    def owner(self) -> tuple[str, str]:
        """Return the finger among all folders."""
        return self.folder, self.finger


@dataclass(frozen=True, slots=True)
class Rates:
    """One line of the table; fractions, as the module's text defines them."""

    folder: str
    eer: float
    eer_all: float
    fnmr_1e2: float
    fnmr_1e3: float
    fnmr_1e4: float
    fnmr_zero: float
    rank1: float
    failed: int
    templates: int


# --- reading ---------------------------------------------------------------------------------------------------------


def read_folder(folder: Path, dpi: float | None, extractor: Extractor | None) -> list[Impression]:
    """Return the folder's impressions in the order of finger and impression; templates are read without an extractor."""
    suffixes = folders.TEMPLATES if extractor is None else folders.IMAGES
    paths = folders.prints(folder, suffixes)
    read = functools.partial(_template_of, dpi=dpi, extractor=extractor)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = track(pool.map(read, paths), description=folder.name, total=len(paths), console=_STDERR)
        return [
            Impression(str(folder), *(folders.finger_and_impression(path) or ("", 0)), template)
            for path, template in zip(paths, found, strict=True)
        ]


def _template_of(path: Path, *, dpi: float | None, extractor: Extractor | None) -> Template | None:
    resolution = folders.resolution(path) or dpi
    try:
        if extractor is not None:
            return extractor.extract(images.read(path.read_bytes(), dpi=resolution))
        return _unsquashed(read_iso19794_2(path.read_bytes())[0], path, resolution)
    except (images.ImageError, ExtractionError, FormatError) as error:
        _STDERR.print(f"{path}: {error}", markup=False)
        return None


def _unsquashed(template: Template, path: Path, dpi: float | None) -> Template:
    beside = [image for image in path.parent.glob(f"{path.stem}.*") if image.suffix.lower() in folders.IMAGES]
    if not beside:
        return template
    image = images.read(beside[0].read_bytes(), dpi=dpi)
    height, width = images.at_500(image).pixels.shape
    if (template.width, template.height) == (width, height):
        return template
    return unstretch(template, image.pixels.shape[1], image.pixels.shape[0], image.dpi)


# --- comparing -------------------------------------------------------------------------------------------------------


def compare_all(prints: Sequence[Impression], weights: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return (n, n, features and score): of the comparison of every print with every later one, 0 elsewhere."""
    templates = [print_.template or EMPTY for print_ in prints]
    gallery = comparison.pack(templates).prints
    found = np.zeros((len(prints), len(prints), FEATURES + 1), dtype=np.float32)
    rule = PAIRING if weights is None else PAIRING._replace(weights=weights)

    def row(number: int) -> None:
        later = np.arange(number + 1, len(prints))
        found[number, number + 1 :] = comparison.verify(pack_probe(templates[number]), gallery, later, rule)[0]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(row, range(len(prints)))
        for _ in track(rows, description="comparing", total=len(prints), console=_STDERR):
            pass
    return found


def owners(prints: Sequence[Impression]) -> NDArray[np.int64]:
    """Return a number for each print, equal where the finger is."""
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(print_.owner for print_ in prints))}
    return np.array([numbers[print_.owner] for print_ in prints], dtype=np.int64)


def firsts(prints: Sequence[Impression]) -> NDArray[np.bool_]:
    """Return which prints are the first impression of their finger."""
    lowest = {print_.owner: print_.impression for print_ in sorted(prints, key=lambda print_: -print_.impression)}
    return np.array([print_.impression == lowest[print_.owner] for print_ in prints], dtype=np.bool_)


# --- rating ----------------------------------------------------------------------------------------------------------


def rates(name: str, prints: Sequence[Impression], scores: NDArray[np.float32]) -> Rates:
    """Return the error rates of ``prints``, whose scores stand above the diagonal of ``scores``."""
    probe, candidate = np.triu_indices(len(prints), 1)
    owner, first = owners(prints), firsts(prints)
    usable = np.array([print_.template is not None and len(print_.template) > 0 for print_ in prints])
    values = np.where(usable[probe] & usable[candidate], scores[probe, candidate], LOWEST)
    mated = owner[probe] == owner[candidate]
    genuine, impostor = values[mated], values[~mated]
    templates = sum(print_.template is not None for print_ in prints)
    return Rates(
        folder=name,
        eer=competition_eer(genuine, values[~mated & first[probe] & first[candidate]]),
        eer_all=equal_error_rate(genuine, impostor),
        fnmr_1e2=fnmr_at(genuine, impostor, 1e-2),
        fnmr_1e3=fnmr_at(genuine, impostor, 1e-3),
        fnmr_1e4=fnmr_at(genuine, impostor, 1e-4),
        fnmr_zero=fnmr_at(genuine, impostor, 0.0),
        rank1=rank_one(prints),
        failed=len(prints) - templates,
        templates=templates,
    )


def competition_eer(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """Return the equal error rate as the protocol of the competitions defines it; nan without pairs.

    D. Maio, D. Maltoni, R. Cappelli, J. L. Wayman, A. K. Jain, "FVC2000: Fingerprint Verification Competition", IEEE PAMI
    24(3), 2002: with few pairs the two rates cross in a jump, whose ends may lie far apart.
    """
    if not len(genuine) or not len(impostor):
        return float("nan")
    fnmr, fmr = _rates_at_thresholds(genuine, impostor)
    ends = int(np.flatnonzero(fnmr <= fmr)[-1]), int(np.flatnonzero(fnmr >= fmr)[0])
    return float(min((fnmr[at] + fmr[at]) / 2.0 for at in ends))


def equal_error_rate(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """Return where FMR and FNMR meet, interpolated between thresholds at the scores themselves; nan without pairs."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    fnmr, fmr = _rates_at_thresholds(genuine, impostor)
    after = int(np.argmax(fmr <= fnmr))  # at the lowest threshold FMR is 1 and FNMR 0, at infinity the reverse
    gap_before, gap_after = fmr[after - 1] - fnmr[after - 1], fnmr[after] - fmr[after]
    share = gap_before / (gap_before + gap_after)
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))


def _rates_at_thresholds(
    genuine: NDArray[np.float64], impostor: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return FNMR and FMR at every score and at infinity, ascending."""
    thresholds = np.append(np.unique(np.concatenate([genuine, impostor])), np.inf)
    fnmr = np.searchsorted(np.sort(genuine), thresholds) / len(genuine)
    return fnmr, 1.0 - np.searchsorted(np.sort(impostor), thresholds) / len(impostor)


def fnmr_at(genuine: NDArray[np.float64], impostor: NDArray[np.float64], fmr: float) -> float:
    """Return FNMR at the smallest threshold with at most this FMR; nan without pairs."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    allowed = int(fmr * len(impostor))
    barely = np.sort(impostor)[::-1][allowed]  # the threshold is the next number above this score
    return float(np.mean(genuine <= barely))


def rank_one(prints: Sequence[Impression]) -> float:
    """Return the share of later impressions whose search names their own finger first; nan without any."""
    first = firsts(prints)
    gallery = Gallery(threads=os.cpu_count() or 1)
    enrolled = [print_ for print_, is_first in zip(prints, first, strict=True) if is_first]
    gallery.add_many((repr(print_.owner), [print_.template or EMPTY]) for print_ in enrolled)
    probes = [print_ for print_, is_first in zip(prints, first, strict=True) if not is_first]
    return float(np.mean([_found_first(gallery, probe) for probe in probes])) if probes else float("nan")


def _found_first(gallery: Gallery, probe: Impression) -> bool:
    try:
        candidates = gallery.search([probe.template or EMPTY], mask=None, policy=_ANYTHING)
    except ProbeError:
        return False
    return [candidate.subject for candidate in candidates] == [repr(probe.owner)]


# --- the command -----------------------------------------------------------------------------------------------------


def measured(read: dict[str, list[Impression]]) -> Iterable[Rates]:
    """Yield the rates of every folder, then those of all together under the name ``pooled``."""
    prints = [print_ for of_folder in read.values() for print_ in of_folder]
    scores = compare_all(prints)[..., FEATURES]
    at = 0
    for name, of_folder in read.items():
        block = slice(at, at + len(of_folder))
        yield rates(name, of_folder, scores[block, block])
        at += len(of_folder)
    yield rates("pooled", prints, scores)


def show(lines: Iterable[Rates]) -> None:
    """Print a table in percent, and the machine."""
    table = Table(*(field.name for field in fields(Rates)))
    for line in lines:
        values = (Path(line.folder).name, *astuple(line)[1:])
        table.add_row(*(f"{100 * value:.2f} %" if isinstance(value, float) else str(value) for value in values))
    Console(width=120).print(table)
    print(machine.describe())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description="Error rates of the matcher on folders of real prints."
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    parser.add_argument("--kind", choices=("images", "templates"), default="images")
    parser.add_argument("--dpi", type=float, help="resolution of images that no MANIFEST.tsv lists")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    return parser.parse_args()


def main() -> None:
    """Read, compare, print."""
    arguments = _arguments()
    extractor = Extractor() if arguments.kind == "images" else None
    read = {str(folder): read_folder(folder, arguments.dpi, extractor) for folder in arguments.folders}
    if arguments.json:
        for line in measured(read):
            print(json.dumps(asdict(line)))
    else:
        show(measured(read))


if __name__ == "__main__":
    main()
