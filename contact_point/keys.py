"""Keys of prints at rest, and the key that signs messages (Articles 8 and 9).

Nothing of a print rests in clear. :func:`seal` encrypts it under a data key of its own, and :class:`KeySlots` keeps
that key, wrapped, in a preallocated file of fixed-size slots. To delete a print is to overwrite its slot: in place,
because copies that a database, a journal or a rename leaves behind outlive the deletion. Overwriting needs no free
space, so the duty of Article 8(1) and (2) is met on a full disk too. The wrapping key is replaced by
:meth:`KeySlots.rotate`, after which every older copy of the slot file (a backup, a snapshot, a worn flash cell) opens
nothing.

:func:`erasure_warning` says where in-place overwriting does not hold. :class:`SigningKey` and :class:`VerifyingKey`
are the two halves of the key that signs messages and checkpoints.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KEY_BYTES: Final = 32
"""Data keys and wrapping keys are AES-256 keys."""

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
"""NIST SP 800-38D, 5.2.1: a 96-bit random nonce and a 128-bit tag."""

SLOT_BYTES: Final = 64
"""One slot; it divides a 512-byte sector, so a power cut never tears one."""

EXTENT: Final = 4096
"""Slots the file grows by."""

_HEADER: Final = b"pcsc key slots 1".ljust(SLOT_BYTES, b"\0")
_WRAPPED_BYTES: Final = KEY_BYTES + 8  # RFC 3394, 2.2.1: one 64-bit block more than the key
_TAG: Final = slice(0, 8)
_WRAPPED: Final = slice(8, 8 + _WRAPPED_BYTES)
_INDEX_BITS: Final = 24  # the low bits of a slot's number say where it lies
_TAG_BITS: Final = 39  # the high bits say whose it is; 63 in all, a signed 64-bit column holds them
_MAX_INDEX: Final = (1 << _INDEX_BITS) - 1
_SECTOR: Final = 512  # each wrapping key has a sector of its own
_RECORD_BYTES: Final = 8 + KEY_BYTES + 8  # generation, key, checksum
_PAGE: Final = 4096
_AT_ONCE: Final = 64  # slots read by one system call when looking for free or live ones


class KeysError(Exception):
    """Something is wrong with a key, a seal or the file that keeps the keys."""


class SealError(KeysError):
    """Sealed bytes do not open: another key, another place, or changed bytes."""


class KeySlotsError(KeysError):
    """The slot file or its wrapping key cannot be used."""


class KeyDestroyedError(KeysError):
    """The key asked for exists no more; what it sealed is deleted (Article 8)."""


class DestructionError(KeysError):
    """A key could not be shown to be gone; the deletion is not done (Article 8)."""


class SigningKeyError(KeysError):
    """A signing or verifying key cannot be made, read or used."""


class SignatureError(KeysError):
    """A signature is not of these bytes under this key."""


def new_key() -> bytes:
    """Return a fresh random AES-256 key."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plaintext: bytes, *, bound_to: str) -> bytes:
    """Return nonce, AES-256-GCM ciphertext and tag (NIST SP 800-38D): 28 bytes more than ``plaintext``.

    ``bound_to`` names the place the bytes belong to, such as ``"exchange/probe/JP"``; they open nowhere else.

    Raises:
        SealError: the key is not 32 bytes.

    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plaintext, bound_to.encode())


def unseal(key: bytes, sealed: bytes, *, bound_to: str) -> bytes:
    """Return what :func:`seal` was given.

    Raises:
        SealError: the key is another one, the bytes were changed, or they were moved here from another place.

    """
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise SealError(
            f"Art. 9: {len(sealed)} sealed bytes do not open as {bound_to!r}: the key is another one, the bytes were "
            "changed, or they were moved from another place; do not use them"
        ) from error


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise SealError(f"a data key has {KEY_BYTES} bytes (AES-256); got {len(key)}")
    return AESGCM(key)


class KeySlots:
    """A preallocated file of 64-byte slots, each holding one data key wrapped by the wrapping key (RFC 3394).

    A slot's number carries where it lies and a random tag of the key it was given to. The place may be used again once
    the key is destroyed; the number is not, so a number kept too long opens nothing and destroys nobody else's key.
    Numbers need 63 bits: store them in a 64-bit column.

    The wrapping key lies in a second file beside the first, with the suffix ``.kek``. Neither file may be in a backup.
    Both are only ever overwritten in place. Every call opens and locks the file anew, so threads, forked children and
    other programs (the service, the command line) may use it at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wrapping = path.with_suffix(".kek")
        self._next = 1  # where to look for a free slot first: those just freed come last

    @classmethod
    def create(cls, path: Path, *, capacity: int = EXTENT) -> KeySlots:
        """Make both files, mode 0600, full size, and return once they are durable.

        Raises:
            KeySlotsError: one of the files exists, the capacity is impossible, or the disk refuses.

        """
        made = cls(path)
        if made._wrapping == path or not 1 <= capacity <= _MAX_INDEX:
            raise KeySlotsError(
                f"key slots need a path with a suffix other than .kek and 1 to {_MAX_INDEX} slots; "
                f"got {path.name} and {capacity}"
            )
        _create(made._wrapping, _record(1, new_key()).ljust(2 * _SECTOR, b"\0"))
        try:
            _create(path, _HEADER + bytes(capacity * SLOT_BYTES))
        except KeySlotsError:
            made._wrapping.unlink()  # it has wrapped nothing yet
            raise
        _sync_folder(path.parent)
        return made

    @classmethod
    def open(cls, path: Path) -> KeySlots:
        """Return the slots of an existing file; a rotation that was cut short is finished first.

        Raises:
            KeySlotsError: a file is missing, is not of this kind, has no whole wrapping key, or others may read it.

        """
        slots = cls(path)
        with slots._locked() as (file, wrapping):
            for opened, name in ((file, path), (wrapping, slots._wrapping)):
                mode = stat.S_IMODE(os.fstat(opened).st_mode)
                if mode & 0o077:
                    raise KeySlotsError(
                        f"Art. 9: {name.name} has mode {mode:04o}, so others than its owner may open it; "
                        "set 0600, find out who had access, and rotate the wrapping key"
                    )
            slots._finish_rotation(file, wrapping)
        return slots

    def put(self, keys: Sequence[bytes]) -> list[int]:
        """Store keys and return their slots' numbers in order; they are durable when this returns.

        The whole batch costs one ``fdatasync``. A full file grows by whole extents of zeros. A process that dies in
        here leaves at most whole keys that nothing refers to: see :meth:`live`.

        Raises:
            KeySlotsError: a key is not 32 bytes, or the disk refuses.

        """
        for key in keys:
            if len(key) != KEY_BYTES:
                raise KeySlotsError(f"a data key has {KEY_BYTES} bytes (AES-256); got {len(key)}")
        if not keys:
            return []
        with self._locked() as (file, wrapping):
            # The wrapping key used below must be durable before anything depends on it.
            newest = self._finish_rotation(file, wrapping)
            places = self._allocate(file, len(keys))
            numbers = [(1 + secrets.randbelow((1 << _TAG_BITS) - 1)) << _INDEX_BITS | place for place in places]
            with self._disk_errors("store a key"):
                for number, key in zip(numbers, keys, strict=True):
                    _write(file, _slot(number >> _INDEX_BITS, newest, key), _offset(number))
                os.fdatasync(file)
        self._next = places[-1] + 1
        return numbers

    def get(self, slot: int) -> bytes:
        """Return the key in a slot.

        Raises:
            KeyDestroyedError: it was destroyed, or was wrapped by a wrapping key that was.

        """
        with self._locked(exclusive=False) as (file, wrapping):
            content = os.pread(file, SLOT_BYTES, _offset(slot))
            wrapping_keys = [key for _, key, _ in _wrapping_keys(wrapping)]
        if not _holds(content, slot):
            raise KeyDestroyedError(
                f"Art. 8: the key in slot {slot} of {self._path.name} was destroyed; what it sealed is deleted"
            )
        return self._unwrap(content, wrapping_keys, slot)

    def destroy(self, slots: Iterable[int]) -> int:
        """Overwrite slots with zeros, make that durable, read it back, and return how many held a key until now.

        Works on a full disk. Doing it again is harmless and makes durable what an interrupted call left undone.

        Raises:
            DestructionError: the bytes read back are not zeros, or the disk refuses; every other slot was still tried.

        """
        wanted = set(slots)
        if not wanted:
            return 0
        with self._locked() as (file, _):
            doomed = [slot for slot in wanted if _holds(os.pread(file, SLOT_BYTES, _offset(slot)), slot)]
            _erase(file, [_offset(slot) for slot in doomed], SLOT_BYTES, self._path)
        return len(doomed)

    def live(self) -> frozenset[int]:
        """Return the number of every slot that is not empty.

        At start, before anything else writes, ``destroy(live() - referred_to)`` removes what a crash left behind.
        """
        with self._locked(exclusive=False) as (file, _):
            return frozenset(
                int.from_bytes(content[_TAG]) << _INDEX_BITS | place
                for place, content in _slots(file, 1, _capacity(file))
                if any(content)
            )

    def rotate(self) -> int:
        """Replace the wrapping key, wrap every live key anew in place, destroy the old one; return how many were live.

        A process that dies in here loses nothing: until the old wrapping key is gone both open, and the next call of
        :meth:`open`, :meth:`put` or this one finishes the work.

        Raises:
            KeySlotsError: the disk refuses; both wrapping keys are kept.
            DestructionError: the old wrapping key could not be shown to be gone.

        """
        with self._locked() as (file, wrapping):
            self._finish_rotation(file, wrapping)
            ((generation, _, sector),) = _wrapping_keys(wrapping)
            with self._disk_errors("store a wrapping key"):
                _write(wrapping, _record(generation + 1, new_key()), (1 - sector) * _SECTOR)
            self._finish_rotation(file, wrapping)
            return sum(any(content) for _, content in _slots(file, 1, _capacity(file)))

    @contextmanager
    def _locked(self, *, exclusive: bool = True) -> Iterator[tuple[int, int]]:
        """Open both files and lock them against other threads and processes while the block runs."""
        # flock, on a descriptor of our own: a POSIX record lock would not hold between threads, nor a shared
        # descriptor after a fork.
        with _opened(self._path) as file, _opened(self._wrapping) as wrapping:
            fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            if os.pread(file, SLOT_BYTES, 0) != _HEADER:
                raise KeySlotsError(
                    f"{self._path.name} is not a file of key slots, format 1; nothing was changed in it"
                )
            if not _wrapping_keys(wrapping):
                raise KeySlotsError(
                    f"{self._wrapping.name} holds no whole wrapping key, so no key in {self._path.name} can be opened; "
                    "what they sealed is lost: create new slots"
                )
            yield file, wrapping

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
                _write(file, bytes(added * SLOT_BYTES), (capacity + 1) * SLOT_BYTES)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, (capacity + 1) * SLOT_BYTES)
                raise
        return free + list(range(capacity + 1, capacity + 1 + missing))

    def _finish_rotation(self, file: int, wrapping: int) -> bytes:
        """Bring every key under the newest wrapping key, destroy any other, and return the newest."""
        (_, newest, sector), *older = _wrapping_keys(wrapping)
        if older:
            with self._disk_errors("wrap the keys anew"):
                os.fdatasync(wrapping)  # the newest must be durable before a key depends on it
                self._wrap_anew(file, newest, [key for _, key, _ in older])
                os.fdatasync(file)  # and no key may depend on the old one when it goes
        other = (1 - sector) * _SECTOR
        if any(os.pread(wrapping, _SECTOR, other)):
            _erase(wrapping, [other], _SECTOR, self._wrapping)
        return newest

    def _wrap_anew(self, file: int, newest: bytes, older: list[bytes]) -> None:
        for place, content in _slots(file, 1, _capacity(file)):
            if not any(content) or _unwrapped(content, newest) is not None:
                continue
            for key in filter(None, (_unwrapped(content, old) for old in older)):
                _write(file, _slot(int.from_bytes(content[_TAG]), newest, key), place * SLOT_BYTES)

    def _unwrap(self, content: bytes, wrapping_keys: list[bytes], slot: int) -> bytes:
        for key in filter(None, (_unwrapped(content, wrapping) for wrapping in wrapping_keys)):
            return key
        raise KeyDestroyedError(
            f"the key in slot {slot} of {self._path.name} was wrapped by a wrapping key that exists no more, or was "
            "damaged; what it sealed cannot be opened again: delete it"
        )


def _offset(slot: int) -> int:
    return (slot & _MAX_INDEX) * SLOT_BYTES


def _slot(tag: int, wrapping_key: bytes, key: bytes) -> bytes:
    return (tag.to_bytes(8) + aes_key_wrap(wrapping_key, key)).ljust(SLOT_BYTES, b"\0")


def _holds(content: bytes, slot: int) -> bool:
    """Return whether this is still the key the slot's number was given for; place 0 is the header."""
    return bool(slot & _MAX_INDEX) and any(content) and int.from_bytes(content[_TAG]) == slot >> _INDEX_BITS


def _unwrapped(content: bytes, wrapping_key: bytes) -> bytes | None:
    try:
        return aes_key_unwrap(wrapping_key, content[_WRAPPED])
    except InvalidUnwrap:
        return None


def _capacity(file: int) -> int:
    return os.fstat(file).st_size // SLOT_BYTES - 1


def _slots(file: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    """Yield place and content of the slots from ``first`` to ``last``."""
    for start in range(first, last + 1, _AT_ONCE):
        count = min(_AT_ONCE, last + 1 - start)
        block = os.pread(file, count * SLOT_BYTES, start * SLOT_BYTES)
        for number in range(count):
            yield start + number, block[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]


def _record(generation: int, key: bytes) -> bytes:
    body = generation.to_bytes(8) + key
    return body + hashlib.sha256(body).digest()[:8]


def _wrapping_keys(wrapping: int) -> list[tuple[int, bytes, int]]:
    """Return generation, key and sector of each whole wrapping key, newest first; a torn one was never used."""
    found = []
    for sector in (0, 1):
        record = os.pread(wrapping, _RECORD_BYTES, sector * _SECTOR)
        generation, key = int.from_bytes(record[:8]), record[8 : 8 + KEY_BYTES]
        if generation and record == _record(generation, key):
            found.append((generation, key, sector))
    return sorted(found, reverse=True)


def _erase(file: int, offsets: list[int], size: int, path: Path) -> None:
    """Overwrite with zeros in place, make it durable, drop the cached pages, and read back."""
    zeros = bytes(size)
    failed: dict[int, str] = {}
    for offset in offsets:
        try:
            _write(file, zeros, offset)
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


def _write(file: int, content: bytes, offset: int) -> None:
    written = 0
    while written < len(content):
        step = os.pwrite(file, content[written:] if written else content, offset + written)
        if step == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += step


@contextmanager
def _opened(path: Path) -> Iterator[int]:
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


def _create(path: Path, content: bytes) -> None:
    """Make a file of mode 0600 and return once its content is durable."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeySlotsError(f"cannot create {path.name}: {error.strerror}; keys are never overwritten") from error
    try:
        _write(file, content, 0)
        os.fsync(file)
    except OSError as error:
        path.unlink()
        raise KeySlotsError(f"cannot create {path.name}: {error.strerror}") from error
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


IN_PLACE: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
"""File systems that write a block where it was; ext3 and ext4 only when they do not journal data."""


def erasure_warning(path: Path, *, mountinfo: str | None = None, ext4_options: str | None = None) -> str | None:
    """Return a sentence when overwriting ``path`` in place may leave the old bytes on its disk, else ``None``.

    ``mountinfo`` is the text of ``/proc/self/mountinfo`` (proc(5)) and ``ext4_options`` that of
    ``/proc/fs/ext4/DEVICE/options``; both are read from there by default.

    Raises:
        KeySlotsError: the kernel does not say how the file is stored.

    """
    if mountinfo is None:
        mountinfo = _text(Path("/proc/self/mountinfo"))
    kind, source, options = _mount(path.resolve(), mountinfo)
    consequence = (
        f"destroyed keys in {path.name} may stay readable on the disk until the wrapping key is rotated "
        "(Art. 8, 9): move the key slots to ext4 (data=ordered) or XFS"
    )
    if kind not in IN_PLACE:
        return f"The file system {kind} is not known to overwrite in place, so {consequence}."
    if kind in {"ext3", "ext4"}:
        if ext4_options is None:
            ext4_options = _text(Path("/proc/fs", kind, Path(source).name, "options"))
        if "data=journal" in {*options.split(","), *ext4_options.split()}:
            return (
                f"The file system {kind} with data=journal copies what is written into its journal, so {consequence}."
            )
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _mount(path: Path, mountinfo: str) -> tuple[str, str, str]:
    """Return type, source and super options of the mount a path lies on: the longest mount point, the last such."""
    found: tuple[int, str, str, str] | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if path.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), rest[0], rest[1], rest[2]
    if found is None:
        raise KeySlotsError(
            f"cannot tell how {path.name} is stored: no mount in /proc/self/mountinfo covers it; keep keys where "
            "overwriting in place is known to erase"
        )
    return found[1:]


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public half of a message signing key: ECDSA on P-384 with SHA-384 (FIPS 186-5)."""

    public: ec.EllipticCurvePublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a SubjectPublicKeyInfo in PEM.

        Raises:
            SigningKeyError: it is not an elliptic curve key on P-384.

        """
        try:
            public = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("a verifying key is a public key in PEM; these bytes are none") from error
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP384R1):
            raise SigningKeyError(
                "messages are signed with ECDSA on P-384 (FIPS 186-5); this public key is another kind"
            )
        return cls(public)

    @property
    def pem(self) -> bytes:
        """The key as SubjectPublicKeyInfo in PEM."""
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo."""
        der = self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()[:16]

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return when ``signature`` (DER) is of ``data`` under this key.

        Raises:
            SignatureError: it is not.

        """
        try:
            self.public.verify(signature, data, ec.ECDSA(hashes.SHA384()))
        except InvalidSignature as error:
            raise SignatureError(
                f"Art. 9: the signature is not of these {len(data)} bytes under key {self.key_id}; do not use them"
            ) from error


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half: signs messages to the other contact point and checkpoints of the record."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a fresh key and store it at ``path``: PKCS #8 PEM, mode 0600, durable when this returns.

        Raises:
            SigningKeyError: the file exists, or the disk refuses.

        """
        private = ec.generate_private_key(ec.SECP384R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            _create(path, pem)
        except KeySlotsError as error:
            raise SigningKeyError(str(error)) from error
        _sync_folder(path.parent)
        return cls(private)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key at ``path``.

        Raises:
            SigningKeyError: there is none, it is not on P-384, or others than the owner may read the file.

        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningKeyError(f"{path.name} must be an unencrypted private key in PEM: {error}") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP384R1):
            raise SigningKeyError(f"messages are signed with ECDSA on P-384 (FIPS 186-5); {path.name} is another kind")
        if mode & 0o077:
            raise SigningKeyError(
                f"Art. 9: {path.name} has mode {mode:04o}, so others than its owner may read it; set 0600 and tell the "
                "other contact point if anyone may have copied it"
            )
        return cls(private)

    @property
    def verifying(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.private.public_key())

    @property
    def public_pem(self) -> bytes:
        """The public half as SubjectPublicKeyInfo in PEM."""
        return self.verifying.pem

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo."""
        return self.verifying.key_id

    def sign(self, data: bytes) -> bytes:
        """Return the DER signature of ``data``."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA384()))
