"""Folders of real prints: files named ``<finger>_<impression>.<extension>``, and a manifest that knows their resolution."""

from __future__ import annotations

import csv
import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

IMAGES: Final = frozenset({".tif", ".tiff", ".png", ".bmp", ".jpg", ".pgm", ".wsq", ".jp2", ".j2k"})
TEMPLATES: Final = frozenset({".iso", ".fmr"})


def finger_and_impression(path: Path) -> tuple[str, int] | None:
    """Return what a file's name says, None where it says neither."""
    finger, _, impression = path.stem.rpartition("_")
    return (finger, int(impression)) if finger and impression.isdecimal() else None


def prints(folder: Path, suffixes: Collection[str] = IMAGES) -> list[Path]:
    """Return the files of a folder that are named so, in the order of finger and impression; ends the program at none."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and finger_and_impression(path)]
    if not found:
        raise SystemExit(f"{folder}: no file named <finger>_<impression> with one of {', '.join(sorted(suffixes))}")
    return sorted(found, key=lambda path: finger_and_impression(path) or ("", 0))


def resolution(path: Path) -> float | None:
    """Return the resolution that the nearest MANIFEST.tsv above a file gives it (columns ``path`` and ``dpi``), or None."""
    for folder in path.absolute().parents:
        manifest = folder / "MANIFEST.tsv"
        if manifest.is_file():
            return _resolutions(manifest).get(path.absolute().relative_to(folder).as_posix())
    return None


@functools.cache
def _resolutions(manifest: Path) -> dict[str, float]:
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: float(row["dpi"]) for row in rows if row["dpi"] not in {"", "-"}}
