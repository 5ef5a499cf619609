"""Sealing: AES-256-GCM under a data key of its own, bound to the place that the bytes belong to."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contact_point.keys.errors import SealError

KEY_BYTES: Final = 32
"""Data keys and wrapping keys are AES-256 keys."""

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
"""NIST SP 800-38D, 5.2.1: a 96-bit random nonce and a 128-bit tag."""


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
