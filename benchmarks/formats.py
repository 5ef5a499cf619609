"""What each file of a folder is read as: ``python -m benchmarks.formats FOLDER [--json]``.

Every file below the folder is opened as an operator's file is, by its bytes (:mod:`contact_point.files`). A line a file says
what it is, how many records, decoded images and fingers it has, what was forgiven, or why it was refused. With ``--json``
the line is an object with ``path``, ``format``, ``records``, ``images``, ``fingers``, ``forgiven`` and ``refused``; and
``besides`` (what it holds that is no print of a finger), ``faults`` (parts that could not be read), ``round_trip`` and
``cpu_seconds``, of this process and of the jail.

``round_trip`` is about transactions in the traditional encoding: ``identical`` where writing what was read gives the same
bytes, else the codes of the deviations by which they differ, or why it is not written.

A MANIFEST.tsv above a file gives plain images their resolution. Raw pixels have no header: ``x.raw`` is read with the size
of the picture ``x.wsq`` beside it. At the end stand the counts, how many files of each format there are, the slowest file, and
the machine. A file at which the jail or this process failed would end the program; none may.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import folders, machine
from contact_point import files
from contact_point.nist import traditional
from contact_point.nist.reading import JAIL
from contact_point.nist.transaction import NistError
from matcher import images

AT: Final = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
"""The time by which the certificates of signed containers are judged; fixed, so that the figures are."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one file came to; ``refused`` is None where it was read."""

    path: str
    format: str | None
    records: int
    images: int
    fingers: int
    forgiven: tuple[str, ...]
    refused: str | None
    besides: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    round_trip: str | None = None
    cpu_seconds: float = 0.0


def read(path: Path, root: Path) -> Line:
    """Return the line of one file."""
    name = path.relative_to(root).as_posix()
    begin = time.process_time() + JAIL.spent()
    data = path.read_bytes()
    try:
        contents = _raw(path, data) if path.suffix == ".raw" else files.read(data, at=AT, dpi=folders.resolution(path))
    except files.FILE_ERRORS as error:
        return Line(name, None, 0, 0, 0, (), f"{type(error).__name__}: {error}", cpu_seconds=_since(begin))
    spent = _since(begin)
    return Line(
        name,
        contents.format,
        contents.records,
        contents.images,
        len(contents.impressions),
        contents.forgiven,
        None,
        contents.besides,
        contents.faults,
        _round_trip(data) if data.startswith(b"1.") else None,
        spent,
    )


def _since(begin: float) -> float:
    return round(time.process_time() + JAIL.spent() - begin, 4)


def _raw(path: Path, data: bytes) -> files.Contents:
    """Read raw pixels, whose size the picture beside them tells."""
    beside = images.read(path.with_suffix(".wsq").read_bytes(), place=JAIL)
    height, width = beside.pixels.shape
    image = images.read_raw(data, width, height, dpi=beside.dpi)
    return files.Contents("raw pixels", 1, 1, (files.Impression("the image", 0, None, image),))


def _round_trip(data: bytes) -> str:
    transaction = traditional.read(data)
    try:
        written = traditional.write(transaction)
    except NistError as error:
        return f"not written: {error}"
    if written == data:
        return "identical"
    return "differs by " + ", ".join(sorted({deviation.code for deviation in transaction.deviations}))


def show(line: Line) -> str:
    """Return a line for a person."""
    if line.refused is not None:
        return f"{line.path}: refused: {line.refused[:300]}"
    parts = [f"{line.format}", f"{line.records} records, {line.images} images, {line.fingers} fingers"]
    parts += [f"forgiven: {len(line.forgiven)}"] * bool(line.forgiven)
    parts += [f"besides: {len(line.besides)}"] * bool(line.besides)
    parts += [f"faults: {'; '.join(line.faults)[:200]}"] * bool(line.faults)
    parts += [f"round trip {line.round_trip}"] * (line.round_trip is not None)
    return f"{line.path}: " + "; ".join(parts)


def main() -> None:
    """Read every file, print a line for each, then the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description="What each file is read as.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    arguments = parser.parse_args()
    lines = []
    for path in sorted(each for each in arguments.folder.rglob("*") if each.is_file()):
        line = read(path, arguments.folder)
        lines.append(line)
        print(json.dumps(asdict(line), ensure_ascii=False) if arguments.json else show(line), flush=True)
    console = Console(stderr=True)
    formats = Counter(line.format for line in lines if line.format)
    slowest = max(lines, key=lambda line: line.cpu_seconds)
    console.print(
        f"{len(lines)} files: {sum(formats.values())} read, {len(lines) - sum(formats.values())} refused", markup=False
    )
    console.print(", ".join(f"{name} {count}" for name, count in sorted(formats.items())), markup=False)
    console.print(f"slowest: {slowest.path}, {slowest.cpu_seconds:.2f} CPU seconds; {JAIL.confinement}", markup=False)
    console.print(machine.describe(), markup=False)


if __name__ == "__main__":
    main()
