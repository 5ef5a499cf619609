"""The key that signs messages and checkpoints, and the key that verifies them.

ECDSA on P-384 with SHA-384 (FIPS 186-5) unless somebody asks for Ed25519 (RFC 8032), which C2SP's signed notes also know. A
key of a kind that was not asked for is refused when it is read, not when it is used; the algorithm's name and byte travel
with each signature.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from contact_point.keys.disk import create, sync_folder
from contact_point.keys.errors import KeySlotsError, SignatureError, SigningKeyError
from pcsc.checkpoints import ECDSA_P384, ED25519

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Algorithm(StrEnum):
    """What a signature is made with."""

    ECDSA_P384 = "ECDSA-P384-SHA384"
    ED25519 = "Ed25519"

    @property
    def byte(self) -> int:
        """The byte that says so in the key id of a signed note (C2SP signed-note, signature types)."""
        return {Algorithm.ED25519: ED25519, Algorithm.ECDSA_P384: ECDSA_P384}[self]

    @property
    def described(self) -> str:
        """What it is, for a person."""
        return {Algorithm.ECDSA_P384: "ECDSA on P-384 (FIPS 186-5)", Algorithm.ED25519: "Ed25519 (RFC 8032)"}[self]


DEFAULT: Final = frozenset({Algorithm.ECDSA_P384})
"""What a key is where nobody asked for another: approved by both Parties' lists, and in every hardware module."""


def _is_one_of(key: _PublicKey | _PrivateKey, allowed: Collection[Algorithm]) -> bool:
    if isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return Algorithm.ED25519 in allowed
    return isinstance(key.curve, ec.SECP384R1) and Algorithm.ECDSA_P384 in allowed


def _refused(what: str, allowed: Collection[Algorithm]) -> SigningKeyError:
    kinds = " or ".join(each.described for each in Algorithm if each in allowed)
    return SigningKeyError(f"messages are signed with {kinds}; {what} is another kind")


@dataclass(frozen=True)
class VerifyingKey:
    """The public half of a signing key."""

    public: _PublicKey

    @classmethod
    def from_pem(cls, pem: bytes, *, allowed: Collection[Algorithm] = DEFAULT) -> Self:
        """Read a SubjectPublicKeyInfo in PEM.

        Raises:
            SigningKeyError: it is not a key of one of the ``allowed`` kinds.

        """
        try:
            public = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("a verifying key is a public key in PEM; these bytes are none") from error
        if not isinstance(public, _PublicKey) or not _is_one_of(public, allowed):
            raise _refused("this public key", allowed)
        return cls(public)

    @property
    def algorithm(self) -> Algorithm:
        """What its signatures are made with."""
        return Algorithm.ED25519 if isinstance(self.public, ed25519.Ed25519PublicKey) else Algorithm.ECDSA_P384

    @property
    def pem(self) -> bytes:
        """The key as SubjectPublicKeyInfo in PEM."""
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo."""
        return hashlib.sha256(self._der).hexdigest()[:16]

    @property
    def note_key(self) -> bytes:
        """The key as the key id of a signed note takes it: the 32 raw bytes of Ed25519, else the DER SubjectPublicKeyInfo."""
        return self.public.public_bytes_raw() if isinstance(self.public, ed25519.Ed25519PublicKey) else self._der

    @property
    def _der(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return when ``signature`` (DER; 64 bytes of Ed25519) is of ``data`` under this key.

        Raises:
            SignatureError: it is not.

        """
        try:
            if isinstance(self.public, ed25519.Ed25519PublicKey):
                self.public.verify(signature, data)
            else:
                self.public.verify(signature, data, ec.ECDSA(hashes.SHA384()))
        except InvalidSignature as error:
            raise SignatureError(
                f"Art. 9: the signature is not of these {len(data)} bytes under key {self.key_id}; do not use them"
            ) from error


@dataclass(frozen=True)
class SigningKey:
    """The private half: signs messages to the other contact point and checkpoints of the record."""

    private: _PrivateKey = field(repr=False)

    @classmethod
    def create(cls, path: Path, *, algorithm: Algorithm = Algorithm.ECDSA_P384) -> Self:
        """Make a fresh key and store it at ``path``: PKCS #8 PEM, mode 0600, durable when this returns.

        Raises:
            SigningKeyError: the file exists, or the disk refuses.

        """
        private: _PrivateKey = (
            ed25519.Ed25519PrivateKey.generate()
            if algorithm is Algorithm.ED25519
            else ec.generate_private_key(ec.SECP384R1())
        )
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            create(path, pem)
        except KeySlotsError as error:
            raise SigningKeyError(str(error)) from error
        sync_folder(path.parent)
        return cls(private)

    @classmethod
    def load(cls, path: Path, *, allowed: Collection[Algorithm] = DEFAULT) -> Self:
        """Read the key at ``path``.

        Raises:
            SigningKeyError: there is none, it is not of one of the ``allowed`` kinds, or others than the owner may read the
                file.

        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningKeyError(f"{path.name} must be an unencrypted private key in PEM: {error}") from error
        if not isinstance(private, _PrivateKey) or not _is_one_of(private, allowed):
            raise _refused(path.name, allowed)
        if mode & 0o077:
            raise SigningKeyError(
                f"Art. 9: {path.name} has mode {mode:04o}, so others than its owner may read it; set 0600 and tell the "
                "other contact point if anyone may have copied it"
            )
        return cls(private)

    @cached_property
    def verifying(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.private.public_key())

    @property
    def algorithm(self) -> Algorithm:
        """What its signatures are made with."""
        return self.verifying.algorithm

    @property
    def public_pem(self) -> bytes:
        """The public half as SubjectPublicKeyInfo in PEM."""
        return self.verifying.pem

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo."""
        return self.verifying.key_id

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``: DER, or the 64 bytes of Ed25519."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        return self.private.sign(data, ec.ECDSA(hashes.SHA384()))
