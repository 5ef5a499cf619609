"""The stored cases: small files, made or cut down from such, each with the outcome that it must have.

``corpus/<target>/<short name>.<outcome>.bin``; the outcome is "read" or the class of the refusal. A file that damaging found
is put there, made small, with the outcome that it has once what it found is mended. None of them comes from a print of anybody.
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
    return TARGETS[path.parent.name].outcome(path.read_bytes(), place)


def crashers() -> list[Path]:
    """Return the real files that killed or hung another decoder of WSQ, none where there is no folder of them."""
    return sorted((seeds.SHARED_DATA / "malformed" / "wsq").glob("*"))


def wrong() -> list[str]:
    """Replay all cases and crashers; say of each case that has another outcome than it must, and of crashers not refused."""
    place = Jail(places=1, warm=2, modules=MODULES)
    told = []
    for path in stored():
        came = _came(path.parent.name, path, place)
        if came != expected(path):
            told.append(f"{path.parent.name}/{path.name}: {came}")
    for path in crashers():
        came = _came("wsq-image", path, place)
        if came not in {"DecodeError", "SizeError", "UnknownFormatError"}:
            told.append(f"{path.name}, a crasher: {came}")
    place.close()
    return told


def _came(target: str, path: Path, place: Jail) -> str:
    try:
        return TARGETS[target].outcome(path.read_bytes(), place)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is another outcome
        return f"{type(error).__name__}: {error}"
