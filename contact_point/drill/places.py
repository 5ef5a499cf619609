"""Where something of a print may have been left: files, the memory of the servers, a core, swap, a block device.

Each place is a list of files to be read from their first byte to their last. A folder is searched whole, a process as the
core that ``gcore`` writes of it, a block device as the file that lies under a loop device. What cannot be searched here is
said, with the reason: a search that did not take place found nothing either.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 8 << 20
OVERLAP: Final = 127
"""Bytes read twice, so that no chunk is cut by the end of a block: more than the longest one has."""

VOLUME_BYTES: Final = 1 << 30
SHARED: Final = tuple(Path(each) for each in ("/tmp", "/var/tmp", "/dev/shm"))  # noqa: S108 - searched, not written
SHARED_BYTES: Final = 256 << 20
"""Of the folders that others write to as well, no more than this is read; what is left out is said."""

_SECONDS: Final = 300


class PlaceError(Exception):
    """A place cannot be searched here; the text says why."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder to work in; ``image`` is the file under its loop device, or None, and ``why_not`` then says why."""

    root: Path
    image: Path | None = None
    why_not: str = ""


@contextmanager
def volume(folder: Path, name: str, *, loop: bool = True) -> Iterator[Volume]:
    """Give an ext4 file system of its own on a loop device, or an ordinary folder where that cannot be had."""
    root, image = folder / name, folder / f"{name}.img"
    root.mkdir()
    with ExitStack() as stack:
        try:
            _mount(image, root, loop=loop)
        except PlaceError as error:
            yield Volume(root, why_not=str(error))
            return
        stack.callback(unmount, root)
        yield Volume(root, image)


def _mount(image: Path, root: Path, *, loop: bool) -> None:
    if not loop:
        raise PlaceError("an ordinary folder was asked for")
    if os.geteuid() != 0:
        raise PlaceError("only root can make a loop device")
    with image.open("wb") as file:
        file.truncate(VOLUME_BYTES)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    _run("mount", "-o", "loop,data=ordered", str(image), str(root))  # the loop device goes with the mount


def unmount(root: Path) -> None:
    """Take a volume off its folder, with everything on it durable; doing it again is harmless."""
    if root.is_mount():
        try:
            _run("umount", str(root))
        except PlaceError:
            _run("umount", "--lazy", str(root))


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise PlaceError(f"{program} is not installed")
    command = [found, *arguments]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise PlaceError(f"{program} did not end within {_SECONDS} seconds") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PlaceError(f"{program} ended with {done.returncode}: {said[-1] if said else 'it said nothing'}")


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, each block beginning with the end of the one before; holes are passed over."""
    with path.open("rb", buffering=0) as file:
        tail = b""
        while block := file.read(BLOCK):
            yield tail + block
            tail = block[-OVERLAP:]


def files(folder: Path) -> list[Path]:
    """Return every regular file in a folder and its folders; what goes meanwhile is passed over."""
    # os.walk, not rglob: folders that others remove while it looks do not end it.
    paths = (Path(here, name) for here, _, names in os.walk(folder) for name in names)
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def changed(since: float, *, besides: Path) -> tuple[list[Path], int]:
    """Return our own files in the shared temporary folders that changed since then, and how many were too much to read."""
    mine: list[Path] = []
    read, left = 0, 0
    for folder in SHARED:
        for path in files(folder) if folder.is_dir() else ():
            try:
                facts = path.stat()
            except OSError:
                continue  # it went meanwhile
            if facts.st_mtime < since or facts.st_uid != os.geteuid() or path.is_relative_to(besides):
                continue
            if read + facts.st_size > SHARED_BYTES:
                left += 1
                continue
            read += facts.st_size
            mine.append(path)
    return mine, left


def processes(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def nameless(pids: list[int]) -> list[Path]:
    """Return the files that processes hold open and that have no name any more, or never had one."""
    found = []
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.endswith(" (deleted)") and link.is_file():
                found.append(link)
    return found


@contextmanager
def core(pid: int, folder: Path) -> Iterator[Path]:
    """Give a core of a running process, which goes on; it is removed afterwards.

    Raises:
        PlaceError: ``gcore`` is not installed, or the kernel lets nobody look into the process.

    """
    path = folder / f"core.{pid}"
    try:
        _run("gcore", "-o", str(folder / "core"), str(pid))
        if not path.is_file():
            raise PlaceError(f"gcore wrote no core of process {pid}")
        yield path
    finally:
        path.unlink(missing_ok=True)


def swaps() -> list[Path]:
    """Return the devices and files that memory is swapped to."""
    try:
        lines = Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return []
    return [Path(line.split()[0]) for line in lines if line.split()]
