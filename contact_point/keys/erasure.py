"""Where overwriting in place erases, and where it does not.

A key is destroyed by overwriting its slot (Article 8(1), 8(2)). :func:`check_erasure` asks the kernel whether the old bytes
are gone then, from the file system down to the disk: its kind and how it journals, the file's own flags and extents, and
every block device below. Where they are not gone it refuses, unless the wrapping key lives in a token: what stays on the disk
then opens nothing once that key has been replaced.

What cannot be seen from here is what a disk, a hypervisor or a storage network does below the last device that the kernel
knows. Worn flash cells are of that kind, and are said in a warning.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contact_point.keys.errors import KeySlotsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IN_PLACE: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs", "ramfs"})
"""File systems that write a block where it was; ext3 and ext4 only when they do not journal data."""

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_DEEPEST: Final = 8  # file systems and devices upon each other
_ROOT: Final = Path("/")

# linux/fs.h and linux/fiemap.h
_GET_FLAGS: Final = 0x80086601
_FIEMAP: Final = 0xC020660B
_FIEMAP_HEAD: Final = struct.Struct("=QQIIII")
_FIEMAP_EXTENT: Final = struct.Struct("=QQQQQIIII")
_EXTENTS_AT_ONCE: Final = 256
_LAST: Final = 0x1
_FILE_FLAGS: Final = (
    (0x00004000, "has the attribute j (chattr +j), so what is written to it is copied into the journal"),
    (0x10000000, "lies in its inode, which is copied into the journal"),
    (0x00000004, "is compressed, so its blocks are written anew elsewhere"),
)
_EXTENT_FLAGS: Final = (
    (0x2000, "shares blocks with a copy (reflink, snapshot), which keeps the old ones"),
    (0x0008, "is compressed, so its blocks are written anew elsewhere"),
    (0x0200, "lies among the metadata, which is copied into the journal"),
)
# What LVM appends to the UUIDs of the devices that it lays under a volume.
_LAYERS: Final = (
    ("-real", "a snapshot of the volume exists, to which the old blocks are copied"),
    ("-cow", "the volume is a snapshot, to which what is written goes elsewhere"),
    ("-tpool", "the volume is thin, and copies what it shares with a snapshot"),
    ("-vpool", "the volume is deduplicated and compressed, and writes elsewhere"),
)


def check_erasure(paths: Iterable[Path], *, token: bool, system: Path = _ROOT) -> list[str]:
    """Return a sentence for each thing about erasing these files that the operator should know.

    ``token`` says whether their wrapping keys live in a token. A file that is not there yet is judged by its folder. Costs a
    few system calls and small reads below ``/proc`` and ``/sys``, which are looked for in the folder ``system``.

    Raises:
        KeySlotsError: overwriting one of them in place may leave the old bytes on the disk and no token holds the wrapping
            key, or the kernel does not say how it is stored: no print may be written.

    """
    remarks: dict[str, None] = {}  # in order, each once
    for path in paths:
        storage = _Storage.of(path.resolve(), system)
        for fault in storage.faults(path):
            if not token:
                raise KeySlotsError(
                    f"Art. 8, 9: {fault}, so keys that are destroyed in {path.name} may stay readable, and no print is "
                    "written: move the installation to ext4 (data=ordered) or XFS on a disk of its own, or keep the wrapping "
                    "keys in a token (installation.toml)"
                )
            remarks[
                f"For {path.name}: {fault}; a key that is destroyed there may be read until the wrapping key in the token is "
                "replaced (Art. 8, 9)."
            ] = None
        remarks |= dict.fromkeys(storage.remarks(token=token))
    return list(remarks)


def unencrypted_swap(system: Path = _ROOT) -> list[str]:
    """Return what memory may be swapped to in clear: each active swap that is neither in memory nor on an encrypted device."""
    found = []
    for line in _text(system / "proc/swaps").splitlines()[1:]:
        name = _unescaped(line.split()[0]) if line.split() else ""
        if name and not _swap_is_safe(Path(name), line.split()[1:2] == ["file"], system):
            found.append(name)
    return found


def _swap_is_safe(swap: Path, is_file: bool, system: Path) -> bool:
    if is_file:
        try:
            device = _device(_mount(swap, _text(system / "proc/self/mountinfo")).device, system)
        except KeySlotsError:
            return False
    else:
        device = system / "sys/block" / swap.name
    if device is None:
        return False
    if device.name.startswith("zram"):
        return _text(device / "backing_dev").strip() in {"", "none"}
    return any(_text(layer / "dm/uuid").startswith("CRYPT-") for layer in _layers(device))


@dataclass(frozen=True, slots=True)
class _Mount:
    """One line of mountinfo."""

    kind: str
    source: str
    options: str
    device: str
    """Major and minor number, such as ``254:0``."""

    def fault(self, ext4_options: str) -> str | None:
        """Return why writing in place does not erase here, or None."""
        if self.kind not in IN_PLACE:
            return f"the file system {self.kind} is not known to overwrite in place"
        if self.kind in {"ext3", "ext4"} and "data=journal" in {*self.options.split(","), *ext4_options.split()}:
            return f"the file system {self.kind} with data=journal copies what is written into its journal"
        return None


@dataclass(frozen=True, slots=True)
class _Storage:
    """What one file is stored on, from its file system down to the last device that the kernel knows."""

    mount: _Mount
    device: Path | None
    """Its folder in ``/sys``; None where there is none."""
    system: Path

    @classmethod
    def of(cls, path: Path, system: Path) -> _Storage:
        mount = _mount(path, _text(system / "proc/self/mountinfo"))
        return cls(mount, _device(mount.device, system), system)

    def options(self) -> str:
        """Return what ext3 and ext4 say of how they are mounted; mountinfo leaves out what is the volume's own default."""
        name = self.device.name if self.device is not None else Path(self.mount.source).name
        return _text(self.system / "proc/fs" / self.mount.kind / name / "options")

    def faults(self, path: Path, depth: int = 0) -> Iterator[str]:
        """Yield why overwriting the file in place may not erase."""
        if (fault := self.mount.fault(self.options())) is not None:
            yield fault
        yield from _file_faults(path)
        if self.device is None:
            return
        for layer in _layers(self.device):
            yield from self._layer_faults(layer, depth)

    def _layer_faults(self, layer: Path, depth: int) -> Iterator[str]:
        uuid = _text(layer / "dm/uuid").strip()
        yield from (f"under the file system {why} ({layer.name})" for end, why in _LAYERS if uuid.endswith(end))
        if layer.name.startswith("zd"):
            yield f"under the file system is a volume of ZFS ({layer.name}), which writes elsewhere"
        if (backing := _text(layer / "loop/backing_file").strip()) and depth < _DEEPEST:
            below = _Storage.of(Path(backing), self.system)
            yield from (f"{fault} (under {layer.name})" for fault in below.faults(Path(backing), depth + 1))

    def remarks(self, *, token: bool) -> Iterator[str]:
        """Yield what is not a fault and yet to be known."""
        if self.mount.kind == "tmpfs" and "noswap" not in self.mount.options.split(","):
            for swap in unencrypted_swap(self.system):
                yield (
                    f"Keys lie in a tmpfs, which may be swapped out to {swap}, in clear as far as can be seen (Art. 9): "
                    "encrypt the swap or switch it off."
                )
        if self.mount.kind in _IN_MEMORY:
            return
        if self.mount.kind in {"ext3", "ext4"} and not self.options():
            yield f"The kernel does not say whether {self.mount.source} journals data: make sure that it does not."
        if self.device is None:
            yield f"The kernel does not say what {self.mount.source} is made of: make sure that no snapshot is taken of it."
        elif not token:
            flash = [layer.name for layer in _layers(self.device) if not _rotates(layer)]
            if flash:
                yield (
                    f"The disk {flash[-1]} is flash, or says so: worn cells may keep wrapping keys that were overwritten. "
                    "Only a token closes that (Art. 8, 9)."
                )


def _file_faults(path: Path) -> Iterator[str]:
    """Yield why writing to this very file does not erase; nothing where it does not exist or the file system cannot say."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        flags = _file_flags(file)
        yield from (f"{path.name} {why}" for flag, why in _FILE_FLAGS if flags & flag)
        extents = _extent_flags(file)
        yield from (f"{path.name} {why}" for flag, why in _EXTENT_FLAGS if extents & flag)
    finally:
        os.close(file)


def _file_flags(file: int) -> int:
    """Return the attributes of a file, as chattr(1) shows them."""
    try:
        return int.from_bytes(fcntl.ioctl(file, _GET_FLAGS, bytes(8))[:4], "little")
    except OSError:
        return 0


def _extent_flags(file: int) -> int:
    """Return every flag that any extent of a file has."""
    flags, start = 0, 0
    while True:
        request = _FIEMAP_HEAD.pack(start, 2**64 - 1 - start, 0, 0, _EXTENTS_AT_ONCE, 0)
        answer = bytearray(request + bytes(_EXTENTS_AT_ONCE * _FIEMAP_EXTENT.size))
        try:
            fcntl.ioctl(file, _FIEMAP, answer)
        except OSError:
            return flags
        count = _FIEMAP_HEAD.unpack_from(answer)[3]
        last = 0
        for number in range(count):
            logical, _, length, _, _, last, *_ = _FIEMAP_EXTENT.unpack_from(
                answer, _FIEMAP_HEAD.size + number * _FIEMAP_EXTENT.size
            )
            flags, start = flags | last, logical + length
        if not count or last & _LAST:
            return flags


def _device(number: str, system: Path) -> Path | None:
    device = system / "sys/dev/block" / number
    return device.resolve() if device.exists() else None


def _layers(device: Path, depth: int = 0) -> Iterator[Path]:
    """Yield a block device and all those below it."""
    yield device
    slaves = device / "slaves"
    if depth < _DEEPEST and slaves.is_dir():
        for slave in sorted(slaves.iterdir()):
            yield from _layers(slave.resolve(), depth + 1)


def _rotates(device: Path) -> bool:
    """Return whether a device is no flash; a partition says so by its disk, and what is laid over others by those."""
    if (device / "slaves").is_dir() and any((device / "slaves").iterdir()):
        return True
    queue = device / "queue" if (device / "queue").is_dir() else device.parent / "queue"
    return _text(queue / "rotational").strip() != "0"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _unescaped(name: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), name)


def _mount(path: Path, mountinfo: str) -> _Mount:
    """Return the mount a path lies on: the longest mount point, the last such."""
    found: tuple[int, _Mount] | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 3:
            continue
        point = Path(_unescaped(fields[4]))
        if path.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), _Mount(rest[0], rest[1], rest[2], fields[2])
    if found is None:
        raise KeySlotsError(
            f"cannot tell how {path.name} is stored: no mount in /proc/self/mountinfo covers it; keep keys where "
            "overwriting in place is known to erase"
        )
    return found[1]
