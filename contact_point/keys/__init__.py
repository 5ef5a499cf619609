"""Keys of prints at rest, and the key that signs messages (Articles 8 and 9).

Nothing of a print rests in clear. :func:`seal` encrypts it under a data key of its own, and :class:`KeySlots` keeps
that key, wrapped, in a preallocated file of fixed-size slots. To delete a print is to overwrite its slot: in place,
because copies that a database, a journal or a rename leaves behind outlive the deletion. Overwriting needs no free
space, so the duty of Article 8(1) and (2) is met on a full disk too. The wrapping key is replaced by
:meth:`KeySlots.rotate`, after which every older copy of the slot file (a backup, a snapshot, a worn flash cell) opens
nothing.

:mod:`~contact_point.keys.sealing` and :mod:`~contact_point.keys.slots` do that. :mod:`~contact_point.keys.wrapping` says how
one wrapping key follows another and what a process leaves that dies in between; :mod:`~contact_point.keys.tokens` keeps
wrapping keys in a PKCS #11 token, where nothing of them reaches a disk. :func:`check_erasure` refuses storage where
overwriting in place does not erase. :class:`SigningKey` and :class:`VerifyingKey` are the two halves of the key that signs
messages and checkpoints.
"""

from __future__ import annotations

from contact_point.keys.erasure import IN_PLACE, check_erasure, unencrypted_swap
from contact_point.keys.errors import (
    DestructionError,
    KeyDestroyedError,
    KeysError,
    KeySlotsError,
    SealError,
    SignatureError,
    SigningKeyError,
    TokenError,
)
from contact_point.keys.sealing import KEY_BYTES, NONCE_BYTES, TAG_BYTES, new_key, seal, unseal
from contact_point.keys.signing import Algorithm, SigningKey, VerifyingKey
from contact_point.keys.slots import EXTENT, SLOT_BYTES, KeySlots
from contact_point.keys.tokens import Token, TokenWrapping
from contact_point.keys.wrapping import IN_FILE, LONGEST_EPOCH, FileWrapping, Wrapper, Wrapping

__all__ = [
    "EXTENT",
    "IN_FILE",
    "IN_PLACE",
    "KEY_BYTES",
    "LONGEST_EPOCH",
    "NONCE_BYTES",
    "SLOT_BYTES",
    "TAG_BYTES",
    "Algorithm",
    "DestructionError",
    "FileWrapping",
    "KeyDestroyedError",
    "KeySlots",
    "KeySlotsError",
    "KeysError",
    "SealError",
    "SignatureError",
    "SigningKey",
    "SigningKeyError",
    "Token",
    "TokenError",
    "TokenWrapping",
    "VerifyingKey",
    "Wrapper",
    "Wrapping",
    "check_erasure",
    "new_key",
    "seal",
    "unencrypted_swap",
    "unseal",
]
