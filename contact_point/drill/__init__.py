"""`pcsc drill`: whether anything is left of a print that is to be gone; looked for, not believed.

Two contact points are made on this machine, on a file system of their own where that can be had. Marked prints go through
everything that a print can go through (:mod:`~contact_point.drill.play`). Then every place where something of them could have
been left is searched (:mod:`~contact_point.drill.places`) for every form that a mark can take
(:mod:`~contact_point.drill.marks`). A search that finds nothing shows something only if it would have found it: so the same
marks are put in clear into places of each kind, and have to be found there, all of them.
"""

from __future__ import annotations

import base64
import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contact_point.drill import places, play
from contact_point.drill.marks import Mark, Marks, What
from contact_point.drill.places import PlaceError, Volume
from contact_point.drill.play import DrillError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["MARKERS", "DrillError", "Report", "Searched", "look", "run"]

MARKERS: Final = 200
IDLE: Final = 3.0
"""Seconds that the servers are left alone before their memory is looked into."""

DEVICE: Final = "block device"


@dataclass(frozen=True, slots=True)
class Searched:
    """What was found in one place: of each kind of mark how many were looked for and found, and in which forms."""

    place: str
    planted: dict[What, int]
    found: dict[What, int]
    forms: dict[str, int]
    size: int

    @property
    def total(self) -> int:
        """How many marks were found."""
        return sum(self.found.values())

    @property
    def looked_for(self) -> int:
        """How many marks were looked for."""
        return sum(self.planted.values())


@dataclass(slots=True)
class Report:
    """What a drill came to."""

    markers: int
    happened: dict[str, int]
    searched: list[Searched] = field(default_factory=list)
    control: list[Searched] = field(default_factory=list)
    not_searched: dict[str, str] = field(default_factory=dict)
    overdue: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Everything that is not as it should be, in words."""
        said = list(self.overdue)
        for each in self.searched:
            said += [
                f"{each.place}: {found} of {each.planted[what]} marks of the kind '{what}' were found"
                for what, found in each.found.items()
            ]
        for each in self.control:
            if missed := each.looked_for - each.total:
                said.append(f"control, {each.place}: {missed} of {each.looked_for} marks were not found")
        return said

    def told(self) -> dict[str, Any]:
        """Return the report as JSON can say it."""
        return {
            "markers": self.markers,
            "happened": self.happened,
            "searched": [_told(each) for each in self.searched],
            "control": [_told(each) for each in self.control],
            "not searched": self.not_searched,
            "violations": self.violations,
        }


def _told(each: Searched) -> dict[str, Any]:
    looked_for = {what.value: [each.found.get(what, 0), planted] for what, planted in each.planted.items()}
    return {"place": each.place, "bytes": each.size, "found of planted": looked_for, "forms": each.forms}


def run(markers: int, told: Callable[[str], None], *, loop: bool = True) -> Report:
    """Carry out the drill with so many marked prints; ``told`` hears of its progress.

    Costs about a CPU second a print, ten seconds for each server that is killed (one print in ten), and a minute of searching;
    up to 3 GB of disk meanwhile. Nothing stays behind, also where it is told to stop.

    Raises:
        DrillError: it could not be carried out.

    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with tempfile.TemporaryDirectory(prefix="pcsc-drill-") as folder:
            return _run(Path(folder), markers, told, loop=loop)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(folder: Path, markers: int, told: Callable[[str], None], *, loop: bool) -> Report:
    began = folder.stat().st_mtime
    with places.volume(folder, "volume", loop=loop) as volume:
        with play.stage(volume.root, folder) as at:
            report = Report(markers, at.counts)
            told("enrolling marked persons and starting both servers")
            play.enrol(at, markers)
            for point in at.points.values():
                point.start()
            for count, number in enumerate(play.order(markers), 1):
                told(f"marked print {count} of {markers}")
                play.play(at, number)
            play.rotate(at)
            report.overdue += play.overdue(at)
            time.sleep(IDLE)
            marks = Marks(at.marks)
            _search_files(report, marks, volume, at)
            _search_shared(report, marks, began, folder)
            _search_memory(report, marks, at, folder, told)
            _crash(report, marks, at)
        _search_device(report, marks, volume, told)
    _search_swap(report, marks)
    _control(report, at.marks, folder, told, loop=loop and volume.image is not None)
    return report


def look(place: str, paths: Iterable[Path], marks: Marks) -> Searched:
    """Search files from their first byte to their last."""
    found: dict[int, set[str]] = {}
    size = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # it went meanwhile
            for block in places.blocks(path):
                size += len(block)
                for _, number, form in marks.found(block):
                    if place not in marks.marks[number].lawful:
                        found.setdefault(number, set()).add(form)
    planted = Counter(mark.what for mark in marks.marks if place not in mark.lawful)
    kinds = Counter(marks.marks[number].what for number in found)
    forms = Counter(form for each in found.values() for form in each)
    return Searched(place, dict(planted), dict(kinds), dict(forms), size)


def _search_files(report: Report, marks: Marks, volume: Volume, at: play.Stage) -> None:
    """Search what lies in both installations, each kind of file apart, and the servers' temporary folders."""
    rest = {path for path in places.files(volume.root) if not path.is_relative_to(volume.root / "temp")}
    names = [point.side.here.settings.folder.database.name for point in at.points.values()]
    patterns = {
        "database": names,
        "write-ahead log": [f"{name}-wal" for name in names],
        "shared memory of the database": [f"{name}-shm" for name in names],
        "key slots": ["*.slots", "*.kek"],
        "logs of the servers": ["*.log"],
    }
    for place, wanted in patterns.items():
        paths = {path for path in rest if any(path.match(pattern) for pattern in wanted)}
        rest -= paths
        report.searched.append(look(place, sorted(paths), marks))
    report.searched.append(look("every other file of the installations", sorted(rest), marks))
    report.searched.append(look("temporary folders", places.files(volume.root / "temp"), marks))
    pids = [pid for point in at.points.values() if point.server for pid in places.processes(point.server.pid)]
    report.searched.append(look("open files without a name", places.nameless(pids), marks))


def _search_shared(report: Report, marks: Marks, began: float, folder: Path) -> None:
    paths, left = places.changed(began, besides=folder)
    report.searched.append(look("shared temporary folders", paths, marks))
    if left:
        report.not_searched["shared temporary folders, the rest"] = (
            f"{left} files that others may have written: too much"
        )


def _search_memory(report: Report, marks: Marks, at: play.Stage, folder: Path, told: Callable[[str], None]) -> None:
    for party, point in at.points.items():
        if point.server is None:
            continue
        own, *children = places.processes(point.server.pid)
        for name, pids in (
            (f"memory of the {party} server", [own]),
            (f"memory of the {party} server's jail", children),
        ):
            told(f"searching: {name}")
            try:
                report.searched.append(look(name, _cores(pids, folder), marks))
            except PlaceError as error:
                report.not_searched[name] = str(error)
    living = [pid for pid in at.left_behind if Path(f"/proc/{pid}").exists()]
    report.happened["processes that outlived a killed server"] = len(living)


def _cores(pids: Sequence[int], folder: Path) -> Iterator[Path]:
    """Yield a core of each process, which is there until the next is asked for."""
    for pid in pids:
        with places.core(pid, folder) as path:
            yield path


def _crash(report: Report, marks: Marks, at: play.Stage) -> None:
    """Let both servers crash as a fault of memory would let them, and search what the kernel wrote about it."""
    for point in at.points.values():
        point.stop(signal.SIGSEGV)
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if pattern.startswith(("|", "/")):
        report.not_searched["core of a crashed server"] = f"the kernel gives it to {pattern.split()[0]}"
        return
    cores = [path for point in at.points.values() for path in places.files(point.work)]
    report.searched.append(look("core of a crashed server", cores, marks))


def _search_device(report: Report, marks: Marks, volume: Volume, told: Callable[[str], None]) -> None:
    """Search the block device under the file system, deleted files and journal included."""
    if volume.image is None:
        report.not_searched[DEVICE] = volume.why_not
        return
    told(f"searching: {DEVICE}")
    places.unmount(volume.root)
    report.searched.append(look(DEVICE, [volume.image], marks))


def _search_swap(report: Report, marks: Marks) -> None:
    paths = places.swaps()
    if not paths:
        report.not_searched["swap"] = "there is none"
        return
    try:
        report.searched.append(look("swap", paths, marks))
    except OSError as error:
        report.not_searched["swap"] = str(error)


# The control


def _control(report: Report, planted: Sequence[Mark], folder: Path, told: Callable[[str], None], *, loop: bool) -> None:
    """Put every mark in clear into places of each kind, and look for it there."""
    told("the control: the same marks in clear")
    marks = Marks([Mark(mark.what, mark.name, mark.chunks, mark.clear) for mark in planted])
    with places.volume(folder, "control", loop=loop) as volume:
        for place, plant in CONTROLS.items():
            path = volume.root / place.replace(" ", "-")
            with plant(path, planted) as paths:
                report.control.append(look(place, paths, marks))
        with contextlib.suppress(PlaceError), _holding(planted) as pid, places.core(pid, folder) as core:
            report.control.append(look("memory of a process", [core], marks))
        for path in places.files(volume.root):
            path.unlink()
        places.unmount(volume.root)
        if volume.image is not None:
            report.control.append(look(f"{DEVICE}, all files deleted", [volume.image], marks))


@contextmanager
def _a_database(path: Path, planted: Sequence[Mark]) -> Iterator[list[Path]]:
    """Make a table with every mark, and nothing of it in the write-ahead log any more."""
    with _connected(path) as database:
        _fill(database, planted)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield [path]


@contextmanager
def _a_log(path: Path, planted: Sequence[Mark]) -> Iterator[list[Path]]:
    """Make a database whose write-ahead log was never checkpointed."""
    with _connected(path) as database:
        database.execute("PRAGMA wal_autocheckpoint=0")
        _fill(database, planted)
        yield [path.with_name(f"{path.name}-wal")]


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        yield database


def _fill(database: sqlite3.Connection, planted: Sequence[Mark]) -> None:
    database.execute("CREATE TABLE mark (clear BLOB)")
    database.executemany("INSERT INTO mark VALUES (?)", [(mark.clear,) for mark in planted])


@contextmanager
def _lines(path: Path, planted: Sequence[Mark]) -> Iterator[list[Path]]:
    """Write a log with every mark in base64, each beginning at another place of a group of four letters."""
    with path.open("wb") as file:
        for at, mark in enumerate(planted):
            file.write(b"2026-11-22 17:00:00 ERROR " + base64.b64encode(b"x" * (at % 3) + mark.clear) + b"\n")
    yield [path]


@contextmanager
def _digits(path: Path, planted: Sequence[Mark]) -> Iterator[list[Path]]:
    """Write a log with every mark in hexadecimal, as a database server writes what was bound to a statement."""
    with path.open("wb") as file:
        for mark in planted:
            file.write(b"DETAIL: parameters: $1 = '\\x" + mark.clear.hex().encode() + b"'\n")
    yield [path]


@contextmanager
def _pieces(path: Path, planted: Sequence[Mark]) -> Iterator[list[Path]]:
    """Write every mark as it is, one after the other."""
    with path.open("wb") as file:
        for mark in planted:
            file.write(mark.clear)
    yield [path]


CONTROLS: Final[dict[str, Callable[[Path, Sequence[Mark]], contextlib.AbstractContextManager[list[Path]]]]] = {
    "a database": _a_database,
    "a write-ahead log": _a_log,
    "a file of slots": _pieces,
    "a log in base64": _lines,
    "a log in hexadecimal": _digits,
    "a temporary file": _pieces,
}
"""How the marks are put in clear into a place of each kind."""

_HOLD: Final = """
import sys, time
held = sys.stdin.buffer.read()
print("ready", flush=True)
time.sleep(3600)
"""


@contextmanager
def _holding(planted: Sequence[Mark]) -> Iterator[int]:
    """Give a process that holds every mark in its memory."""
    with subprocess.Popen([sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise DrillError("a process without its pipes")
            process.stdin.write(b"".join(mark.clear for mark in planted))
            process.stdin.close()
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()
