"""Whether real cards and a real latent print find their fingers: ``python -m benchmarks.cards FOLDER [--json]``.

FOLDER is the reference data: NIST's ten-print card and its latent print with its mate (``ansi_nist/nist_csr``), and beside
them every other picture of a finger there is. Everything is read as an operator's file is (:mod:`contact_point.files`).

``card``      Each finger of the card is compared rolled against cut out of its slap: how many of the ten have a false match
              probability below 1e-4, the weakest of them, and the strongest of the 90 comparisons of different fingers.
``latent``    The latent print is searched for among all fingers, its mate among them, once with the minutiae that our
              extractor finds and once with those that an examiner marked: rank of the mate, its score and the next one's.
``1000 dpi``  Each rolled print at 1000 dpi is searched for among all fingers; its mate is the same print enrolled from its
              picture at half the resolution, since the data has no second print of these fingers.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import track

from benchmarks import folders, machine
from contact_point import files
from contact_point.prints import Print, PrintReader
from matcher import Gallery, Origin, Policy, Template, compare
from matcher.calibration import false_match_probability
from matcher.images import at_500

AT: Final = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
THRESHOLD: Final = 1e-4
CARD: Final = "ansi_nist/nist_csr/type-4-tpcard.an2"
LATENT: Final = "ansi_nist/nist_csr/type-13-14-latent-match.an2"
MARKED: Final = "ansi_nist/nist_csr/type-9-13-9-14-m1.an2"
OTHERS: Final = ("fvc2002", "iso19794_4/mosip_2005", "iso19794_4/mosip_reg", "multi", "synthetic", "wsq")
ROLLED_1000: Final = "rolled1000"
_PICTURES: Final = folders.IMAGES | {".iso"}
_ANYTHING: Final = Policy(false_positive_identification_rate=1e300, limit=3)
_PLAIN: Final = {0, 2}
_STDERR: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Card:
    """The fingers of one card, rolled against plain."""

    rolled: int
    from_slaps: int
    matching: int
    weakest: float
    strongest_of_different_fingers: float


@dataclass(frozen=True, slots=True)
class Found:
    """One search: the rank of the mate among so many, its score and the best of the others."""

    probe: str
    minutiae: int
    enrolled: int
    rank: int | None
    score: float
    next_score: float


def card(reader: PrintReader, path: Path) -> tuple[Card, list[Print]]:
    """Return how the fingers of a card compare with themselves, and its prints."""
    prints = reader.read_file(path.read_bytes(), at=AT).prints
    plain = {each.template.position: each for each in prints if each.impression in _PLAIN}
    rolled = {each.template.position: each for each in prints if each.impression not in _PLAIN}
    own = [compare(rolled[at].template, plain[at].template).score for at in sorted(rolled.keys() & plain.keys())]
    different = [
        compare(rolled[i].template, plain[j].template).score
        for i, j in itertools.permutations(sorted(rolled), 2)
        if j in plain
    ]
    matching = sum(false_match_probability(score, Origin.EXTRACTED, Origin.EXTRACTED) < THRESHOLD for score in own)
    return Card(len(rolled), len(plain), matching, round(min(own), 2), round(max(different), 2)), list(prints)


def others(reader: PrintReader, root: Path) -> dict[str, Template]:
    """Return every other print of a finger in the data, by its path; what shows too few minutiae is left out."""
    paths = [each for name in OTHERS for each in sorted((root / name).rglob("*")) if each.suffix.lower() in _PICTURES]
    # Templates of FVC2002 lie beside their pictures, and have no picture themselves.
    paths = [path for path in paths if not ("fvc2002" in path.parts and path.suffix == ".iso")]

    def one(path: Path) -> list[tuple[str, Template]]:
        try:
            found = reader.read_file(path.read_bytes(), at=AT, dpi=folders.resolution(path))
        except files.FILE_ERRORS as error:
            _STDERR.print(f"{path}: {error}", markup=False)
            return []
        name = path.relative_to(root).as_posix()
        return [(f"{name} {at}", each.template) for at, each in enumerate(found.prints)]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = track(pool.map(one, paths), "reading every finger", total=len(paths), console=_STDERR)
        return dict(itertools.chain.from_iterable(made))


def search(gallery: Gallery, probe: Template, mate: str, what: str) -> Found:
    """Search for a print whose position is not known, as that of a latent print is not."""
    found = gallery.search([replace(probe, position=0)], mask=None, policy=_ANYTHING)
    ranks = {each.subject: rank for rank, each in enumerate(found, 1)}
    scores = {each.subject: each.score for each in found}
    following = max((score for subject, score in scores.items() if subject != mate), default=float("-inf"))
    own = scores.get(mate, float("-inf"))
    return Found(what, len(probe), len(gallery.subjects), ranks.get(mate), round(own, 2), round(following, 2))


def measured(root: Path) -> dict[str, list[Any]]:
    """Return all figures, by what they are about."""
    reader = PrintReader(places=os.cpu_count() or 1)
    of_card, prints = card(reader, root / CARD)
    gallery = Gallery(threads=os.cpu_count() or 1)
    gallery.add_many((name, [template]) for name, template in others(reader, root).items())
    gallery.add_many((f"card {number}", [each.template]) for number, each in enumerate(prints))
    latent, mate = reader.read_file((root / LATENT).read_bytes(), at=AT).prints
    marked = next(each for each in reader.read_file((root / MARKED).read_bytes(), at=AT).prints if each.marked)
    gallery.add("the latent print's mate", [mate.template])
    searches = [
        search(gallery, latent.template, "the latent print's mate", "latent, extracted"),
        search(gallery, marked.template, "the latent print's mate", "latent, marked by an examiner"),
    ]
    finer = []
    for path in sorted((root / ROLLED_1000).iterdir()):
        fine = reader.read(path.read_bytes(), dpi=folders.resolution(path))
        coarse = reader.read_image(at_500(fine.image))
        gallery.add(path.name, [coarse.template])
        finer.append(search(gallery, fine.template, path.name, f"{path.name} at {fine.image.dpi:g} dpi"))
    return {"card": [of_card], "latent": searches, "1000 dpi": finer}


def main() -> None:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cards", description="Real cards and a real latent print."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    arguments = parser.parse_args()
    for about, lines in measured(arguments.folder).items():
        for line in lines:
            print(json.dumps({"about": about, **asdict(line)}) if arguments.json else f"{about}: {line}")
    _STDERR.print(machine.describe(), markup=False)


if __name__ == "__main__":
    main()
