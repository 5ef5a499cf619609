"""Files that are only ever overwritten in place: made at full size, written, erased and read back."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from contact_point.keys.errors import DestructionError, KeySlotsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAGE: Final = 4096


def erase(file: int, offsets: list[int], size: int, path: Path) -> None:
    """Overwrite ``size`` bytes at each offset with zeros in place, make it durable, drop the cached pages, and read back.

    Raises:
        DestructionError: the bytes read back are not zeros, or the disk refuses; every other offset was still tried.

    """
    zeros = bytes(size)
    failed: dict[int, str] = {}
    for offset in offsets:
        try:
            write(file, zeros, offset)
        except OSError as error:
            failed[offset] = str(error.strerror)
    try:
        os.fdatasync(file)  # even with nothing to do: an earlier call may have died just before its own
        for offset in set(offsets) - failed.keys():
            os.posix_fadvise(file, offset // _PAGE * _PAGE, _PAGE, os.POSIX_FADV_DONTNEED)
            if os.pread(file, size, offset) != zeros:
                failed[offset] = "other bytes were read back"
    except OSError as error:
        failed[-1] = str(error.strerror)
    if failed:
        raise DestructionError(
            f"Art. 8: {path.name} may still hold destroyed keys ({'; '.join(sorted(set(failed.values())))}); "
            "the deletion is not done: repeat it, then replace the disk"
        )


def write(file: int, content: bytes, offset: int) -> None:
    """Write all of ``content``.

    Raises:
        OSError: the disk refuses.

    """
    written = 0
    while written < len(content):
        step = os.pwrite(file, content[written:] if written else content, offset + written)
        if step == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += step


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file to read it and overwrite it while the block runs.

    Raises:
        KeySlotsError: it cannot be opened.

    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise KeySlotsError(
            f"cannot open {path.name}: {error.strerror}; key slots are two files, the slots and the .kek beside them, "
            "made together by KeySlots.create"
        ) from error
    try:
        yield file
    finally:
        os.close(file)


def create(path: Path, content: bytes) -> None:
    """Make a file of mode 0600 and return once its content is durable.

    Raises:
        KeySlotsError: it exists, or the disk refuses.

    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeySlotsError(f"cannot create {path.name}: {error.strerror}; keys are never overwritten") from error
    try:
        write(file, content, 0)
        os.fsync(file)
    except OSError as error:
        path.unlink()
        raise KeySlotsError(f"cannot create {path.name}: {error.strerror}") from error
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are durable.

    Raises:
        OSError: the disk refuses.

    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
