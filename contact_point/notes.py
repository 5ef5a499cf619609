"""Notes: texts that a contact point signed, and that the other one may sign too (C2SP signed-note; :mod:`pcsc.checkpoints`).

Checkpoints of the record and receipts of deletion are notes. A key signs under the URI of its contact point.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contact_point.keys import SignatureError
from pcsc import checkpoints
from pcsc.checkpoints import Note, NoteSignature

if TYPE_CHECKING:
    from contact_point.keys import SigningKey, VerifyingKey


def sign(text: str, uri: str, key: SigningKey) -> str:
    """Return a note of ``text`` with the signature of the contact point ``uri``."""
    return checkpoints.write_note(Note(text, (_signature(text, uri, key),)))


def cosign(note: str, uri: str, key: SigningKey) -> str:
    """Return a note with the signature of the contact point ``uri`` after those that it has; the same if it has that too."""
    found = checkpoints.parse_note(note)
    added = _signature(found.text, uri, key)
    if any((each.name, each.key_id) == (added.name, added.key_id) for each in found.signatures):
        return note
    return checkpoints.write_note(replace(found, signatures=(*found.signatures, added)))


def verify(note: str, uri: str, key: VerifyingKey) -> str:
    """Return the text of a note that the contact point ``uri`` signed with ``key``.

    Raises:
        CheckpointError: it is no note.
        SignatureError: that key did not sign it.

    """
    found = checkpoints.parse_note(note)
    for each in found.signatures:
        if _is(each, uri, key):
            key.verify(each.signature, found.text.encode())
            return found.text
    raise SignatureError(
        f"Art. 9: expected a note with a signature of {uri} under key {key.key_id}; it has those of "
        f"{', '.join(each.name for each in found.signatures)}: do not use it"
    )


def _signature(text: str, uri: str, key: SigningKey) -> NoteSignature:
    return NoteSignature(uri, _key_id(uri, key.verifying), key.sign(text.encode()))


def _is(signature: NoteSignature, uri: str, key: VerifyingKey) -> bool:
    return (signature.name, signature.key_id) == (uri, _key_id(uri, key))


def _key_id(uri: str, key: VerifyingKey) -> bytes:
    return checkpoints.key_id(uri, key.algorithm.byte, key.note_key)
