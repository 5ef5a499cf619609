"""Every kind of search once, so that none has to wait for the compiler: ``python -m matcher.warm``.

Run it when the program has been installed, as the user who installed it. It enrols synthetic people and searches for them
through the public names, so what is compiled and kept is what a search calls, with the types that it calls it with. Where
everything is kept already it takes about a second. A service calls :func:`warm` before it answers anybody.

Machine code fits one kind of processor. An image that is made on one machine and runs on another compiles there, and again at
each start unless its user has a cache folder: run the command where the program is to run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from matcher import _compiled
from matcher._parameters import CASCADE
from matcher.comparison import compare
from matcher.gallery import Gallery, Policy
from matcher.synthesis import Finger
from matcher.template import ImpressionType, Origin, Template

_ANY: Final = Policy(false_positive_identification_rate=1e9, limit=10)


@dataclass(frozen=True, slots=True)
class Warmth:
    """What this process has done for the machine code of its searches.

    ``loaded`` counts the kernels that were read, ``compiled`` those that were not there to be read, ``kept`` those of them
    that a later process will find; ``remarks`` say what stood in the way of reading or keeping.
    """

    loaded: int
    compiled: int
    kept: int
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"of the kernels of the search {self.loaded} were read, {self.compiled} compiled, {self.kept} of them kept"
        )


def warm() -> Warmth:
    """Search once in every way. About 0.3 s CPU beyond loading the search engine; half a minute where it has to compile."""
    # Two who each have two prints of a finger; a third whose finger positions are unknown.
    people = [[_print(person, position, take) for take in (0, 1) for position in (1, 2, 6)] for person in (1, 2)]
    people.append([replace(_print(3, position), position=0) for position in (1, 2)])
    for threads, skim_from in ((1, CASCADE.skim_from), (2, 0)):
        gallery = Gallery(threads=threads, skim_from=skim_from)
        gallery.add_many((str(number), prints) for number, prints in enumerate(people))
        for probe in _probes():
            for mask in (None, np.array([True, False, True])):
                gallery.search(probe, mask, _ANY)
    compare(_print(1, 1), _print(1, 1, 1))
    return state()


def state() -> Warmth:
    """Return what has been done so far."""
    kept = [each._cache for each in _compiled.every]  # noqa: SLF001 - put there by matcher._compiled
    return Warmth(
        loaded=sum(each.loaded for each in kept),
        compiled=sum(each.compiled for each in kept),
        kept=sum(each.kept for each in kept),
        remarks=tuple(_compiled.remarks),
    )


def _probes() -> list[list[Template]]:
    """Return prints to search with: one finger, of known and unknown position; ten but for two; part of a latent one."""
    one = _print(1, 1, 2)
    unplaced = replace(one, position=0)
    rolled = replace(one, impression=ImpressionType.ROLLED)
    foreign = replace(one, origin=Origin.OTHER)
    most = [_print(1, position, 2) for position in range(1, 11) if position not in {4, 9}]
    return [[one], [unplaced], [rolled], [foreign], most, [_latent(unplaced, 9)]]


def _print(person: int, position: int, take: int = 0) -> Template:
    made = Finger(2014, person, position).template(take)
    return replace(made, origin=Origin.EXTRACTED, impression=ImpressionType.LIVE_PLAIN)


def _latent(whole: Template, size: int) -> Template:
    """Return the first so many minutiae of a print, as an examiner marks them."""
    return Template.of(
        whole.x[:size],
        whole.y[:size],
        whole.direction[:size],
        width=whole.width,
        height=whole.height,
        origin=Origin.MARKED,
        impression=ImpressionType.LATENT,
    )


def main() -> int:
    """Warm up, say what was done, and return 1 if something was compiled in vain."""
    done = warm()
    for remark in done.remarks:
        sys.stderr.write(f"{remark}\n")
    sys.stdout.write(f"{done}\n")
    return int(done.kept < done.compiled)


if __name__ == "__main__":
    sys.exit(main())
