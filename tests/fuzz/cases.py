"""The stored cases: small files, made or cut down from such, each with the outcome that it must have.

``corpus/<format>/<short name>.<outcome>.bin``; the outcome is "read" or the class of the refusal. A file that damaging found
is put there, made small, once what it found is mended. None of them comes from a print of anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matcher.jail import Jail
from tests.fuzz import seeds
from tests.fuzz.targets import MODULES, TARGETS

if TYPE_CHECKING:
    from pathlib import Path

MAX_CASE: Final = 2_000
MAX_ALL: Final = 100_000
"""Bytes of one, and of all together."""


def stored() -> list[Path]:
    """Return the files of all cases."""
    return sorted(seeds.CORPUS.glob("*/*.bin"))


def expected(path: Path) -> str:
    """Return the outcome that a case must have."""
    return path.name.split(".")[-2]


def outcome(path: Path, place: Jail) -> str:
    """Return the outcome that a case has.

    Raises:
        Exception: what its reader does not document.

    """
    kind = path.parent.name
    target = TARGETS.get(kind) or TARGETS[f"{kind} image"]
    return target.outcome(path.read_bytes(), place)


def wrong() -> list[str]:
    """Replay all cases; say of each that has another outcome than it must."""
    place = Jail(places=1, warm=1, modules=MODULES)
    told = []
    for path in stored():
        try:
            came = outcome(path, place)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is another outcome
            came = f"{type(error).__name__}: {error}"
        if came != expected(path):
            told.append(f"{path.parent.name}/{path.name}: {came}")
    place.close()
    return told
