"""A preallocated file of slots, each holding one data key, wrapped."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from contact_point.keys.disk import create, erase, opened, sync_folder, write
from contact_point.keys.errors import KeyDestroyedError, KeySlotsError, TokenError
from contact_point.keys.sealing import KEY_BYTES
from contact_point.keys.wrapping import IN_FILE, KEK_BYTES, Epoch, epochs, erase_other, write_epoch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from contact_point.keys.wrapping import Wrapper, Wrapping

SLOT_BYTES: Final = 64
"""One slot; it divides a 512-byte sector, so a power cut never tears one."""

EXTENT: Final = 4096
"""Slots the file grows by."""

_MAGIC: Final = b"pcsc key slots 2"
_IDENTITY: Final = slice(16, 32)  # of the header, random: which file this is
_GENERATION: Final = slice(0, 3)  # of the wrapping key that a slot needs
_TAG: Final = slice(3, 8)
_WRAPPED: Final = slice(8, SLOT_BYTES)
_INDEX_BITS: Final = 24  # the low bits of a slot's number say where it lies
_TAG_BITS: Final = 39  # the high bits say whose it is; 63 in all, a signed 64-bit column holds them
_MAX_INDEX: Final = (1 << _INDEX_BITS) - 1
_GENERATIONS: Final = 1 << 24  # a wrapping key each hour fills them in 1,900 years
_AT_ONCE: Final = 64  # slots read by one system call when looking for free or live ones


@dataclass(frozen=True, slots=True)
class _Files:
    """Both files, open, and the slots locked."""

    slots: int
    kek: int


class KeySlots:
    """A preallocated file of 64-byte slots, each holding one data key wrapped by the wrapping key of the time.

    A slot's number carries where it lies and a random tag of the key it was given to. The place may be used again once
    the key is destroyed; the number is not, so a number kept too long opens nothing and destroys nobody else's key.
    Numbers need 63 bits: store them in a 64-bit column.

    A second file beside the first, with the suffix ``.kek``, holds the wrapping key or, where ``wrapping`` is a token, says
    which of the token's keys it is (see :mod:`contact_point.keys.wrapping`). Both files are only ever overwritten in place. A
    copy of both opens, in a file's case, what was live when it was made; in a token's case nothing from the next rotation on.

    Every call opens and locks the files anew, so threads, forked children and other programs (the service, the command
    line) may use them at once, from one host. The lock on the slots is never held while a wrapping key is used, and
    :meth:`destroy` and :meth:`live` need none: a token that is slow, away or hanging keeps no key alive.
    """

    def __init__(self, path: Path, wrapping: Wrapping = IN_FILE) -> None:
        self._path = path
        self._kek = path.with_suffix(".kek")
        self._wrapping = wrapping
        self._next = 1  # where to look for a free slot first: those just freed come last

    @classmethod
    def create(
        cls, path: Path, *, capacity: int = EXTENT, wrapping: Wrapping = IN_FILE, now: datetime | None = None
    ) -> KeySlots:
        """Make both files, mode 0600, full size, and return once they and the first wrapping key are durable.

        A process that dies in here may leave a ``.kek`` without slots, and in a token a key that has wrapped nothing.

        Raises:
            KeySlotsError: one of the files exists, the capacity is impossible, the disk refuses, or (TokenError) the token.

        """
        made = cls(path, wrapping)
        if made._kek == path or not 1 <= capacity <= _MAX_INDEX:
            raise KeySlotsError(
                f"key slots need a path with a suffix other than .kek and 1 to {_MAX_INDEX} slots; "
                f"got {path.name} and {capacity}"
            )
        if made._kek.exists():  # asked before a key is made in a token for nothing
            raise KeySlotsError(f"cannot create {made._kek.name}: File exists; keys are never overwritten")
        first = Epoch.first(wrapping.make(None), now, wrapping.kind)
        create(made._kek, first.record().ljust(KEK_BYTES, b"\0"))
        try:
            create(path, _header() + bytes(capacity * SLOT_BYTES))
        except KeySlotsError:
            made._kek.unlink()  # it has wrapped nothing yet
            raise
        sync_folder(path.parent)
        return made

    @classmethod
    def open(cls, path: Path, *, wrapping: Wrapping = IN_FILE) -> KeySlots:
        """Return the slots of an existing file; a rotation that was cut short is finished first.

        A token that does not answer is no hindrance here: what must be destroyed can be. The rotation waits.

        Raises:
            KeySlotsError: a file is missing, is not of this kind, names no whole wrapping key, or others may read it.
            DestructionError: an old wrapping key could not be shown to be gone.

        """
        slots = cls(path, wrapping)
        with slots._locked(exclusive=False) as files:
            for file, name in ((files.slots, path), (files.kek, slots._kek)):
                mode = stat.S_IMODE(os.fstat(file).st_mode)
                if mode & 0o077:
                    raise KeySlotsError(
                        f"Art. 9: {name.name} has mode {mode:04o}, so others than its owner may open it; "
                        "set 0600, find out who had access, and rotate the wrapping key"
                    )
            slots._epochs(files)
        with suppress(TokenError, BlockingIOError), slots._rotating(waiting=False):
            slots._finish_rotation()
        return slots

    def put(self, keys: Sequence[bytes]) -> list[int]:
        """Store keys and return their slots' numbers in order; they are durable when this returns.

        The whole batch costs one ``fdatasync``. A full file grows by whole extents of zeros. A process that dies in
        here leaves at most whole keys that nothing refers to: see :meth:`live`.

        Raises:
            KeySlotsError: a key is not 32 bytes, the wrapping key exists no more, the disk refuses, or (TokenError) the
                token.

        """
        for key in keys:
            if len(key) != KEY_BYTES:
                raise KeySlotsError(f"a data key has {KEY_BYTES} bytes (AES-256); got {len(key)}")
        if not keys:
            return []
        tags = [1 + secrets.randbelow((1 << _TAG_BITS) - 1) for _ in keys]
        while True:
            newest = self._newest()
            try:
                wrapper = self._wrapper(newest)
                contents = [_slot(tag, newest, wrapper, key) for tag, key in zip(tags, keys, strict=True)]
            except KeySlotsError:
                if self._newest() == newest:
                    raise
                continue  # a rotation destroyed it meanwhile
            with self._locked() as files:
                if self._epochs(files)[0] == newest:  # else a rotation began meanwhile, and may have passed the places
                    places = self._store(files.slots, contents)
                    return [tag << _INDEX_BITS | place for tag, place in zip(tags, places, strict=True)]

    def get(self, slot: int) -> bytes:
        """Return the key in a slot.

        Raises:
            KeyDestroyedError: it was destroyed, or was wrapped by a wrapping key that was.
            TokenError: the token that keeps the wrapping key cannot be used.

        """
        content, known = self._found(slot)
        while True:
            key = self._unwrapped(content, known)
            seen, (content, known) = content, self._found(slot)
            if key is not None:
                return key
            if seen == content:
                raise KeyDestroyedError(
                    f"the key in slot {slot} of {self._path.name} was wrapped by a wrapping key that exists no more, or was "
                    "damaged; what it sealed cannot be opened again: delete it"
                )

    def destroy(self, slots: Iterable[int]) -> int:
        """Overwrite slots with zeros, make that durable, read it back, and return how many held a key until now.

        Works on a full disk, and without the token. Doing it again is harmless and makes durable what an interrupted call
        left undone.

        Raises:
            DestructionError: the bytes read back are not zeros, or the disk refuses; every other slot was still tried.

        """
        wanted = set(slots)
        if not wanted:
            return 0
        with self._slots_locked() as file:
            doomed = [slot for slot in wanted if _holds(os.pread(file, SLOT_BYTES, _offset(slot)), slot)]
            erase(file, [_offset(slot) for slot in doomed], SLOT_BYTES, self._path)
        return len(doomed)

    def live(self) -> frozenset[int]:
        """Return the number of every slot that is not empty.

        At start, before anything else writes, ``destroy(live() - referred_to)`` removes what a crash left behind.
        """
        with self._slots_locked(exclusive=False) as file:
            return frozenset(
                int.from_bytes(content[_TAG]) << _INDEX_BITS | place
                for place, content in _slots(file, 1, _capacity(file))
                if any(content)
            )

    def identity(self) -> str:
        """Return the 32 hexadecimal digits that tell this file from every other, by which a database knows its own.

        Raises:
            KeySlotsError: a file is missing or is not of this kind.

        """
        with self._locked(exclusive=False) as files:
            return os.pread(files.slots, SLOT_BYTES, 0)[_IDENTITY].hex()

    def rotated_at(self) -> datetime | None:
        """Return when the wrapping key was made (UTC, whole seconds), or None where whoever made it was not told.

        Raises:
            KeySlotsError: a file is missing or names no whole wrapping key.

        """
        return self._newest().made_at

    def rotate(self, now: datetime | None = None) -> int:
        """Replace the wrapping key, wrap every live key anew in place, destroy the old one; return how many are live.

        ``now`` is kept as the time of the new one. Others may store, read and destroy keys meanwhile. A process that dies in
        here loses nothing: until the old wrapping key is gone both open, and the next call of :meth:`open`,
        :meth:`rotate_if_due` or this one finishes the work.

        Raises:
            KeySlotsError: the disk or (TokenError) the token refuses; both wrapping keys are kept.
            DestructionError: the old wrapping key could not be shown to be gone.

        """
        with self._rotating():
            self._finish_rotation()
            self._begin_rotation(now)
            self._finish_rotation()
        return len(self.live())

    def rotate_if_due(self, now: datetime, after: timedelta) -> bool:
        """Finish a rotation that was cut short, rotate when the wrapping key is older than ``after``; return whether it was.

        Of several processes that find it due at once, one rotates.

        Raises:
            KeySlotsError, DestructionError: as :meth:`rotate`.

        """
        with self._rotating():
            self._finish_rotation()
            due = self._newest().due(now, after)
            if due:
                self._begin_rotation(now)
                self._finish_rotation()
        return due

    @contextmanager
    def _slots_locked(self, *, exclusive: bool = True) -> Iterator[int]:
        """Open the slots and lock them against other threads and processes while the block runs."""
        # flock, on a descriptor of our own: a POSIX record lock would not hold between threads, nor a shared
        # descriptor after a fork.
        with opened(self._path) as file:
            fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            if os.pread(file, len(_MAGIC), 0) != _MAGIC:
                raise KeySlotsError(
                    f"{self._path.name} is not a file of key slots, format 2; nothing was changed in it"
                )
            yield file

    @contextmanager
    def _locked(self, *, exclusive: bool = True) -> Iterator[_Files]:
        """Open both files; sectors of the second are written under the lock on the slots."""
        with self._slots_locked(exclusive=exclusive) as slots, opened(self._kek) as kek:
            yield _Files(slots, kek)

    @contextmanager
    def _rotating(self, *, waiting: bool = True) -> Iterator[None]:
        """Keep other threads and processes from rotating while the block runs; they may do everything else.

        Raises:
            BlockingIOError: one is rotating, and we are not ``waiting``.

        """
        with opened(self._kek) as kek:
            fcntl.flock(kek, fcntl.LOCK_EX if waiting else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _epochs(self, files: _Files) -> list[Epoch]:
        """Return the one epoch, or the two of a rotation under way, newest first."""
        found = epochs(files.kek)
        if not found:
            raise KeySlotsError(
                f"{self._kek.name} holds no whole wrapping key, so no key in {self._path.name} can be opened; "
                "what they sealed is lost: create new slots"
            )
        if any(epoch.kind != self._wrapping.kind for epoch in found):
            raise KeySlotsError(
                f"{self._kek.name} says that the wrapping key of {self._path.name} is in a {found[0].kind}, and the settings "
                f"of the installation say in a {self._wrapping.kind}: restore the settings that it was made with"
            )
        return found

    def _newest(self) -> Epoch:
        with self._locked(exclusive=False) as files:
            return self._epochs(files)[0]

    def _wrapper(self, epoch: Epoch) -> Wrapper:
        wrapper = self._wrapping.opened(epoch.name)
        if wrapper is None:
            raise KeySlotsError(
                f"the wrapping key of {self._path.name}, generation {epoch.generation}, exists no more: the file is an older "
                "copy, or the token was changed behind it; what its keys sealed is lost: create new slots"
            )
        return wrapper

    def _found(self, slot: int) -> tuple[bytes, list[Epoch]]:
        """Return what is in a slot and the wrapping keys there are."""
        with self._locked(exclusive=False) as files:
            content = os.pread(files.slots, SLOT_BYTES, _offset(slot))
            if not _holds(content, slot):
                raise KeyDestroyedError(
                    f"Art. 8: the key in slot {slot} of {self._path.name} was destroyed; what it sealed is deleted"
                )
            return content, self._epochs(files)

    def _unwrapped(self, content: bytes, known: list[Epoch]) -> bytes | None:
        """Return the key in a slot, or None when its wrapping key exists no more or its bytes were damaged."""
        generation = int.from_bytes(content[_GENERATION])
        for epoch in known:
            if epoch.generation % _GENERATIONS == generation:
                wrapper = self._wrapping.opened(epoch.name)
                return None if wrapper is None else wrapper.unwrap(content[_WRAPPED], int.from_bytes(content[_TAG]))
        return None

    def _store(self, file: int, contents: list[bytes]) -> list[int]:
        """Write slots into free places and return those once they are durable."""
        places = self._allocate(file, len(contents))
        with self._disk_errors("store a key"):
            for place, content in zip(places, contents, strict=True):
                write(file, content, place * SLOT_BYTES)
            os.fdatasync(file)
        self._next = places[-1] + 1
        return places

    @contextmanager
    def _disk_errors(self, aim: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeySlotsError(f"cannot {aim} in {self._path.parent.name}: {error.strerror}; try again") from error

    def _allocate(self, file: int, count: int) -> list[int]:
        """Return places of ``count`` empty slots, growing the file when there are too few."""
        capacity = _capacity(file)
        start = self._next if self._next <= capacity else 1
        in_turn = chain(_slots(file, start, capacity), _slots(file, 1, start - 1))
        free = list(islice((place for place, content in in_turn if not any(content)), count))
        if len(free) == count:
            return free
        missing = count - len(free)
        added = -(-missing // EXTENT) * EXTENT
        if capacity + added > _MAX_INDEX:
            raise KeySlotsError(f"{self._path.name} is full: it holds at most {_MAX_INDEX} keys; destroy some")
        with self._disk_errors(f"grow {self._path.name}"):
            try:
                write(file, bytes(added * SLOT_BYTES), (capacity + 1) * SLOT_BYTES)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, (capacity + 1) * SLOT_BYTES)
                raise
        return free + list(range(capacity + 1, capacity + 1 + missing))

    def _begin_rotation(self, now: datetime | None) -> None:
        """Make a new wrapping key and name it in the free sector."""
        with self._locked(exclusive=False) as files:
            (newest,) = self._epochs(files)
        self._wrapper(newest)  # an older copy of the files must not make keys beside those in use
        following = newest.followed_by(self._wrapping.make(newest.name), now)
        with self._locked() as files, self._disk_errors("store a wrapping key"):
            write_epoch(files.kek, following)

    def _finish_rotation(self) -> None:
        """Bring every key under the newest wrapping key and destroy any other, also one that was made for nothing."""
        with self._locked(exclusive=False) as files:
            newest, *older = self._epochs(files)
            capacity = _capacity(files.slots)  # what is added later is wrapped by the newest
        if older:
            with opened(self._kek) as kek, self._disk_errors("store a wrapping key"):
                os.fdatasync(kek)  # the newest must be durable before a key depends on it
            for first in range(1, capacity + 1, _AT_ONCE):
                self._wrap_anew(newest, older, first, min(first + _AT_ONCE - 1, capacity))
        if (
            self._wrapping.opened(newest.name) is not None
        ):  # else these files are an older copy: the others are not theirs
            self._wrapping.destroy_all_but({newest.name})
        with self._locked() as files:
            erase_other(files.kek, newest, self._kek)

    def _wrap_anew(self, newest: Epoch, older: list[Epoch], first: int, last: int) -> None:
        """Wrap the keys in these places under the newest wrapping key, and return once they are durable."""
        with self._slots_locked(exclusive=False) as file:
            found = [(place, content) for place, content in _slots(file, first, last) if any(content)]
        if not found:
            return
        wrapper, anew = self._wrapper(newest), []
        for place, content in found:
            if (key := self._unwrapped(content, older)) is not None:
                anew.append((place, content, _slot(int.from_bytes(content[_TAG]), newest, wrapper, key)))
        with self._disk_errors("wrap the keys anew"):
            with self._slots_locked() as file:
                for place, before, content in anew:
                    if os.pread(file, SLOT_BYTES, place * SLOT_BYTES) == before:  # else it was destroyed meanwhile
                        write(file, content, place * SLOT_BYTES)
            with opened(self._path) as file:  # outside of the lock, for nobody else needs to wait for it
                os.fdatasync(file)


def _header() -> bytes:
    return (_MAGIC + secrets.token_bytes(16)).ljust(SLOT_BYTES, b"\0")


def _offset(slot: int) -> int:
    return (slot & _MAX_INDEX) * SLOT_BYTES


def _slot(tag: int, epoch: Epoch, wrapper: Wrapper, key: bytes) -> bytes:
    head = (epoch.generation % _GENERATIONS).to_bytes(3) + tag.to_bytes(5)
    return (head + wrapper.wrap(key, tag)).ljust(SLOT_BYTES, b"\0")


def _holds(content: bytes, slot: int) -> bool:
    """Return whether this is still the key the slot's number was given for; place 0 is the header."""
    return bool(slot & _MAX_INDEX) and any(content) and int.from_bytes(content[_TAG]) == slot >> _INDEX_BITS


def _capacity(file: int) -> int:
    return os.fstat(file).st_size // SLOT_BYTES - 1


def _slots(file: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    """Yield place and content of the slots from ``first`` to ``last``."""
    for start in range(first, last + 1, _AT_ONCE):
        count = min(_AT_ONCE, last + 1 - start)
        block = os.pread(file, count * SLOT_BYTES, start * SLOT_BYTES)
        for number in range(count):
            yield start + number, block[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]
