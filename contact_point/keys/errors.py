"""What can be wrong with keys, seals and the files that keep keys."""

from __future__ import annotations


class KeysError(Exception):
    """Something is wrong with a key, a seal or the file that keeps the keys."""


class SealError(KeysError):
    """Sealed bytes do not open: another key, another place, or changed bytes."""


class KeySlotsError(KeysError):
    """The slot file or its wrapping key cannot be used."""


class TokenError(KeySlotsError):
    """The token that keeps the wrapping keys cannot be used, or is not what was promised of it."""


class KeyDestroyedError(KeysError):
    """The key asked for exists no more; what it sealed is deleted (Article 8)."""


class DestructionError(KeysError):
    """A key could not be shown to be gone; the deletion is not done (Article 8)."""


class SigningKeyError(KeysError):
    """A signing or verifying key cannot be made, read or used."""


class SignatureError(KeysError):
    """A signature is not of these bytes under this key."""
