"""Wrapping keys: how a data key is wrapped in its slot, and how one wrapping key follows another.

The file beside the slots, with the suffix ``.kek``, has two sectors of 512 bytes. Each holds one wrapping key's
generation, its 32-byte name, when it was made, and a checksum; the second is in use only while a rotation is under way. What
the name is depends on where the key lives. With :class:`FileWrapping` it is the key itself, and to erase the sector is to
destroy the key. With :class:`~contact_point.keys.tokens.TokenWrapping` it names a key that never leaves a token and is
destroyed there.

A process may die after each step of a rotation. What it leaves is finished by the next call of ``KeySlots.open``, ``rotate``
or ``rotate_if_due``:

1. a new key is made (in a token: durable there) - a key that no sector names has wrapped nothing; a token destroys it;
2. its sector is written and made durable - both keys open what they wrapped; new keys go under the newest;
3. every slot is wrapped anew, in place, and made durable - each slot says by its generation which key it needs;
4. the old key is destroyed where it lives, and shown to be gone - nothing depends on it any more;
5. its sector is erased - until then the rotation counts as unfinished, and step 4 is repeated.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from contact_point.keys.disk import erase, write
from contact_point.keys.sealing import KEY_BYTES, new_key

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

LONGEST_EPOCH: Final = timedelta(hours=24)
"""The longest that one wrapping key may be in use: what an older copy of the slot file opens, it opens no longer than this."""

WRAPPED_BYTES: Final = 56
"""The room for a wrapped key in its slot."""

_RFC_3394_BYTES: Final = KEY_BYTES + 8  # RFC 3394, 2.2.1: one 64-bit block more than the key
_SECTOR: Final = 512  # each wrapping key has a sector of its own, so a power cut never tears two
_RECORD_BYTES: Final = 8 + KEY_BYTES + 8 + 8 + 8  # generation, name, seconds since 1970, kind, checksum
_MAX_SECONDS: Final = 253402300799  # the end of the year 9999, the last that a datetime can hold

KEK_BYTES: Final = 2 * _SECTOR
"""The size of a ``.kek`` file."""


class Wrapper(Protocol):
    """One wrapping key that is there."""

    def wrap(self, key: bytes, tag: int) -> bytes:
        """Return the 32-byte ``key`` wrapped for the slot with this tag (39 bits): at most 56 bytes.

        Raises:
            TokenError: the token that keeps the wrapping key cannot be used.

        """
        ...

    def unwrap(self, wrapped: bytes, tag: int) -> bytes | None:
        """Return the key that was wrapped for this tag, or None when these 56 bytes are not one: they were damaged.

        Raises:
            TokenError: the token that keeps the wrapping key cannot be used, so nothing can be said of the bytes.

        """
        ...


class Wrapping(Protocol):
    """Where the wrapping keys of slot files live."""

    @property
    def kind(self) -> str:
        """One word of at most 8 letters, kept in the ``.kek`` file: a file of one kind is never read as of another."""
        ...

    def make(self, before: bytes | None) -> bytes:
        """Return the 32-byte name of a new wrapping key, which is durable; ``before`` names the one that it follows.

        Raises:
            TokenError: the token cannot make one that it would keep to itself.

        """
        ...

    def opened(self, name: bytes) -> Wrapper | None:
        """Return the wrapping key of that name, or None when it exists no more.

        Raises:
            TokenError: the token cannot be used, or the key could be taken out of it.

        """
        ...

    def destroy_all_but(self, names: Collection[bytes]) -> None:
        """Destroy every wrapping key of the slot file to which ``names`` belong but those, and show that they are gone.

        Raises:
            TokenError: the token cannot be used.
            DestructionError: one could not be shown to be gone.

        """
        ...


@dataclass(frozen=True, slots=True)
class _FileKey:
    key: bytes

    def wrap(self, key: bytes, tag: int) -> bytes:  # noqa: ARG002 - RFC 3394 binds to no place; what the key sealed does
        return aes_key_wrap(self.key, key)

    def unwrap(self, wrapped: bytes, tag: int) -> bytes | None:  # noqa: ARG002 - as above
        try:
            return aes_key_unwrap(self.key, wrapped[:_RFC_3394_BYTES])
        except InvalidUnwrap:
            return None


@dataclass(frozen=True, slots=True)
class FileWrapping:
    """Wrapping keys that lie in the ``.kek`` file itself: AES-256, wrapping by RFC 3394.

    Whoever reads both files opens every key. After a rotation the old wrapping key is overwritten where the file system
    writes in place; what the flash of a disk keeps of it is out of reach, and for that there are tokens.
    """

    @property
    def kind(self) -> str:
        """``"file"``."""
        return "file"

    def make(self, before: bytes | None) -> bytes:  # noqa: ARG002 - each is independent of the one before
        """Return a fresh key."""
        return new_key()

    def opened(self, name: bytes) -> Wrapper:
        """Return the key."""
        return _FileKey(name)

    def destroy_all_but(self, names: Collection[bytes]) -> None:
        """Do nothing: a key of this kind is destroyed by erasing its sector."""


IN_FILE: Final = FileWrapping()


@dataclass(frozen=True, slots=True)
class Epoch:
    """The time of one wrapping key, as its sector says it."""

    generation: int
    name: bytes
    made_at: datetime | None
    """UTC, whole seconds; None where whoever made it was not told the time."""
    kind: str
    sector: int

    @classmethod
    def first(cls, name: bytes, now: datetime | None, kind: str) -> Epoch:
        """Return the epoch that a new file begins with."""
        return cls(1, name, now, kind, 0)

    def followed_by(self, name: bytes, now: datetime | None) -> Epoch:
        """Return the epoch after this one, in the other sector."""
        return Epoch(self.generation + 1, name, now, self.kind, 1 - self.sector)

    def due(self, now: datetime, after: timedelta) -> bool:
        """Return whether its time is over; also when it says that it began later than now, for then a clock was wrong."""
        return self.made_at is None or not self.made_at <= now < self.made_at + after

    def record(self) -> bytes:
        """Return what stands in its sector."""
        seconds = 0 if self.made_at is None else int(self.made_at.timestamp())
        body = self.generation.to_bytes(8) + self.name + seconds.to_bytes(8) + self.kind.encode().ljust(8, b"\0")
        return body + hashlib.sha256(body).digest()[:8]


def epochs(kek: int) -> list[Epoch]:
    """Return the epoch of each sector of an open ``.kek`` file that is whole, newest first; a torn one was never used."""
    found = [_epoch(os.pread(kek, _RECORD_BYTES, sector * _SECTOR), sector) for sector in (0, 1)]
    return sorted((epoch for epoch in found if epoch is not None), key=lambda epoch: epoch.generation, reverse=True)


def _epoch(record: bytes, sector: int) -> Epoch | None:
    generation, seconds = int.from_bytes(record[:8]), int.from_bytes(record[40:48])
    whole = len(record) == _RECORD_BYTES and hashlib.sha256(record[:-8]).digest()[:8] == record[-8:]
    if not generation or not whole or seconds > _MAX_SECONDS:
        return None
    made_at = datetime.fromtimestamp(seconds, UTC) if seconds else None
    return Epoch(generation, record[8:40], made_at, record[48:56].rstrip(b"\0").decode("ascii", "replace"), sector)


def write_epoch(kek: int, epoch: Epoch) -> None:
    """Write an epoch into its sector and return once it is durable.

    Raises:
        OSError: the disk refuses.

    """
    write(kek, epoch.record(), epoch.sector * _SECTOR)
    os.fdatasync(kek)


def erase_other(kek: int, newest: Epoch, path: Path) -> None:
    """Overwrite the sector that is not ``newest``'s, also a torn one, and read it back.

    Raises:
        DestructionError: the bytes read back are not zeros, or the disk refuses.

    """
    other = (1 - newest.sector) * _SECTOR
    if any(os.pread(kek, _SECTOR, other)):
        erase(kek, [other], _SECTOR, path)
