"""Checkpoints: what a contact point signs of its record, so that it can never again show another.

The record is a Merkle tree a calendar month (:mod:`pcsc.records`). A :class:`Head` is size and root of one of them; a
:class:`Checkpoint` says a head, whose record it is of, when, and with which head the tree before ended. Its text is what
C2SP's tlog-checkpoint has, with two extension lines:

    urn:pcsc:ncp:jp/record/2026-11                              origin: the contact point's URI, and the tree
    1204                                                        size of the tree
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=                its root
    before 2026-10 988 5Iw1yl3MCH2rwzcWnrZsH6R3+8VVZv0lHTvmHbU2oAg=     or "before none" for the first tree
    at 2026-11-22T17:07:09Z

It travels as a C2SP signed note (:class:`Note`): the text, an empty line, and a line for each signature. The contact point's
own comes first; the other contact point, once it has seen that the tree only grew, adds its own over the same text and keeps
the note. From then on nothing before it can be changed or cut off without one of the two notes saying so.

Nothing is signed or verified here; :func:`key_id` names the keys. What is parsed is the one text of what it says: whatever was
written otherwise (another base64, digits of other scripts, a carriage return) is refused, at a cost linear in its length.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pcsc.errors import RecordError
from pcsc.merkle import HASH_SIZE, MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

ED25519: Final = 0x01
"""Signature type of the signed note: Ed25519 over the text; its key is the 32 bytes of RFC 8032."""
ECDSA_P384: Final = 0xFF
"""Signature type of the signed note: none that is assigned. Its key is the SubjectPublicKeyInfo in DER.

ECDSA with SHA-384 has no number of its own (0x02 is ECDSA with SHA-256 on whatever curve), so 0xff is followed by a name.
"""
_TYPES: Final = {ED25519: b"\x01", ECDSA_P384: b"\xffECDSA-P384-SHA384"}

MAX_SIGNATURES: Final = 16
"""What every reader of signed notes must accept at least; two contact points and the change of a key need four."""
MAX_NOTE: Final = 131_072
"""The longest note that is read, in characters: 16 signatures of 5,000 bytes, and a text beside them."""
_MAX_NAME: Final = 1_000  # characters of a key's name, or of an origin


class CheckpointError(RecordError):
    """A checkpoint or a note is not of its form, or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Head:
    """A tree as it stood: its month ("2026-11"), its size in entries, at least one, and its root in hexadecimal.

    Raises:
        CheckpointError: it is none.

    """

    tree: str
    size: int
    root: str

    def __post_init__(self) -> None:
        """Refuse what is no head."""
        if not is_tree(self.tree):
            raise CheckpointError(f'a tree has the name of its month, such as "2026-11"; got {_shown(self.tree)}')
        if not 0 < self.size <= MAX_SIZE:
            raise CheckpointError(
                f"a tree has 1 to {MAX_SIZE} entries, since none is begun without; got {_size(self.size)}"
            )
        if not _SHA256.fullmatch(self.root):
            raise CheckpointError(
                f"a root is 64 lower-case hexadecimal digits; got something else, of {len(self.root)} characters"
            )

    @property
    def digest(self) -> bytes:
        """The root as the 32 bytes that :mod:`pcsc.merkle` speaks of."""
        return bytes.fromhex(self.root)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed of a record: its origin, the head of its last tree, the last head of the tree before, and when.

    Raises:
        CheckpointError: origin and tree differ, the tree before is not earlier, or the time is not of whole seconds in UTC.

    """

    origin: str
    head: Head
    before: Head | None
    at: datetime

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.origin != origin(self.uri, self.head.tree):
            raise CheckpointError(
                f'the origin of a checkpoint is the URI of a contact point, "/record/" and the tree {self.head.tree}; got '
                f"{_shown(self.origin)}"
            )
        if self.before is not None and self.before.tree >= self.head.tree:
            raise CheckpointError(
                f"the tree before {self.head.tree} is of an earlier month; got {self.before.tree}: the record cannot go back"
            )
        if self.at.utcoffset() != timedelta(0) or self.at.microsecond:
            raise CheckpointError(f"the time of a checkpoint is in UTC and of whole seconds; got {self.at.isoformat()}")

    @property
    def uri(self) -> str:
        """Of the contact point whose record it is."""
        return self.origin.removesuffix(f"/record/{self.head.tree}")

    def text(self) -> str:
        """Return the text that is signed: five lines, each with its line feed."""
        before = "none" if self.before is None else _head_text(self.before, " ")
        return f"{self.origin}\n{_head_text(self.head)}\nbefore {before}\nat {time_text(self.at)}\n"


def origin(uri: str, tree: str) -> str:
    """Return the origin of the checkpoints of one tree of a contact point's record.

    Raises:
        CheckpointError: the URI is empty, too long, or has what no name of a key may have.

    """
    check_name(uri)
    return f"{uri}/record/{tree}"


def of_heads(uri: str, heads: Sequence[Head], now: datetime) -> Checkpoint:
    """Return the checkpoint of a record whose trees ended with these heads, oldest first; at least one.

    Raises:
        CheckpointError: there is no head, or they are out of order.

    """
    if not heads:
        raise CheckpointError(
            "a checkpoint is of a record with at least one entry; got none: nothing is to be signed yet"
        )
    before, head = heads[-2] if len(heads) > 1 else None, heads[-1]
    return Checkpoint(origin(uri, head.tree), head, before, now.astimezone(UTC).replace(microsecond=0))


def parse(text: str) -> Checkpoint:
    """Return the checkpoint that a text says: the text of a note whose signatures were verified, and nothing else.

    Raises:
        CheckpointError: it is no checkpoint, or one written in another way than :meth:`Checkpoint.text` does.

    """
    if len(text) > MAX_NOTE:
        raise CheckpointError(f"a checkpoint has at most {MAX_NOTE} characters; got {len(text)}")
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[-1]:
        raise CheckpointError(
            f"a checkpoint has {_LINES} lines (origin, size, root, before, at), each with its line feed; got "
            f"{len(lines) - 1}{' and a line without' if lines[-1] else ''}"
        )
    where, size, root, before, at, _ = lines
    if not before.startswith("before "):
        raise CheckpointError(f'line 4 of a checkpoint begins with "before "; got {_shown(before)}')
    if not at.startswith("at "):
        raise CheckpointError(f'line 5 of a checkpoint begins with "at "; got {_shown(at)}')
    return Checkpoint(
        where,
        _head(where.rpartition("/")[2], size, root),
        _before(before.removeprefix("before ")),
        parse_time(at.removeprefix("at ")),
    )


def _before(text: str) -> Head | None:
    """Return the head that the fourth line names."""
    if text == "none":
        return None
    parts = text.split(" ")
    if len(parts) != _HEAD_PARTS:
        raise CheckpointError(
            'line 4 of a checkpoint is "before none", or "before" with tree, size and root of the tree before; got '
            f"{len(parts)} words after before"
        )
    return _head(*parts)


def _head(tree: str, size: str, root: str) -> Head:
    """Return a head from its three texts."""
    if not _SIZE.fullmatch(size):
        raise CheckpointError(
            f"the size of a tree is a number of at most 19 digits, not 0 and without zeros before it; got {_shown(size)}"
        )
    digest = parse_base64(root, "a root")
    if len(digest) != HASH_SIZE:
        raise CheckpointError(f"a root is {HASH_SIZE} bytes in base64; got {len(digest)} bytes")
    return Head(tree, int(size), digest.hex())


def _head_text(head: Head, between: str = "\n") -> str:
    """Return a head as a checkpoint says it: its own without the tree, which the origin names, that before in one line."""
    parts = (head.tree, str(head.size), base64.b64encode(head.digest).decode())
    return between.join(parts if between == " " else parts[1:])


_LINES: Final = 5
_HEAD_PARTS: Final = 3
_TREE: Final = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")
_SIZE: Final = re.compile("[1-9][0-9]{0,18}")
_SHA256: Final = re.compile("[0-9a-f]{64}")
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_BASE64: Final = re.compile("[A-Za-z0-9+/]+={0,2}")
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")


def is_tree(text: str) -> bool:
    """Whether this is the name of a tree: a year of four digits, a hyphen, a month of two."""
    return _TREE.fullmatch(text) is not None


def time_text(at: datetime) -> str:
    """Return a time as texts that are signed have it: whole seconds in UTC, "2026-11-22T17:07:09Z"."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_time(text: str) -> datetime:
    """Return the time that :func:`time_text` wrote.

    Raises:
        CheckpointError: it is written otherwise, or there is no such time.

    """
    try:
        if _TIME.fullmatch(text) and time_text(at := datetime.fromisoformat(text)) == text:
            return at
    except ValueError:
        pass
    raise CheckpointError(f'a time is in UTC and of whole seconds, such as "2026-11-22T17:07:09Z"; got {_shown(text)}')


def parse_base64(text: str, what: str) -> bytes:
    """Return the bytes that a base64 text (RFC 4648, section 4) encodes, if it is the one text of them.

    Raises:
        CheckpointError: it is none, or another text of the same bytes; ``what`` names it.

    """
    try:
        if _BASE64.fullmatch(text):
            data = base64.b64decode(text, validate=True)
            if base64.b64encode(data).decode() == text:
                return data
    except binascii.Error:
        pass
    raise CheckpointError(
        f"{what} is in base64 with its padding (RFC 4648, section 4); got {len(text)} characters that are not"
    )


def check_name(name: str) -> None:
    """Check the name of a key: C2SP signed-note, "Format".

    Raises:
        CheckpointError: it is empty or longer than 1,000 characters, or has spaces, a plus sign or what cannot be printed.

    """
    if not 0 < len(name) <= _MAX_NAME:
        raise CheckpointError(f"the name of a key has 1 to {_MAX_NAME} characters; got {len(name)}")
    if not name.isprintable() or " " in name or "+" in name:
        raise CheckpointError(
            "the name of a key has no spaces, no plus sign and nothing that cannot be printed; got one that has"
        )


# Notes


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature of a note: the name and the id (4 bytes) of the key, and the signature itself."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a line feed, and who signed it. The text means nothing until a signature is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


def key_id(name: str, algorithm: int, key: bytes) -> bytes:
    """Return the four bytes that tell the keys of one name apart: C2SP signed-note, "Signatures".

    ``algorithm`` is :data:`ED25519` or :data:`ECDSA_P384`. An id is short and anybody can make a key with the same: it finds a
    key and proves nothing.

    Raises:
        CheckpointError: the signature type is another, or the name cannot be that of a key.

    """
    check_name(name)
    if algorithm not in _TYPES:
        raise CheckpointError(
            f"notes are signed with Ed25519 (type 0x01) or with ECDSA on P-384 with SHA-384 (type 0xff and its name); got type "
            f"{algorithm:#04x}"
        )
    return hashlib.sha256(name.encode() + b"\n" + _TYPES[algorithm] + key).digest()[:_ID_SIZE]


def write_note(note: Note) -> str:
    """Return a note as C2SP signed-note has it.

    Raises:
        CheckpointError: :func:`parse_note` would refuse it.

    """
    _check_note(note)
    lines = (
        f"\N{EM DASH} {each.name} {base64.b64encode(each.key_id + each.signature).decode()}\n"
        for each in note.signatures
    )
    written = f"{note.text}\n{''.join(lines)}"
    _check_length(written)
    return written


def parse_note(text: str) -> Note:
    """Return the note that a text is: C2SP signed-note. No signature is verified.

    Raises:
        CheckpointError: it is none, it is longer than :data:`MAX_NOTE`, it has more than :data:`MAX_SIGNATURES`, or two of one
            key.

    """
    _check_length(text)
    said, empty, signatures = text.rpartition("\n\n")
    if not empty or not signatures.endswith("\n"):
        raise CheckpointError(
            "a note is a text, an empty line, and at least one line for a signature, each with its line feed; got something "
            "else"
        )
    lines = signatures.removesuffix("\n").split("\n", MAX_SIGNATURES)
    note = Note(said + "\n", tuple(_signature(line) for line in lines[:MAX_SIGNATURES]))
    if len(lines) > MAX_SIGNATURES:
        raise CheckpointError(f"a note has at most {MAX_SIGNATURES} signatures; got more")
    _check_note(note)
    return note


def _signature(line: str) -> NoteSignature:
    """Return the signature of a line."""
    match line.split(" ", 3):
        case ["\N{EM DASH}", name, encoded]:
            signed = parse_base64(encoded, "a signature of a note, with the id of its key,")
            return NoteSignature(name, signed[:_ID_SIZE], signed[_ID_SIZE:])
        case _:
            raise CheckpointError(
                "a line for a signature is an em dash, the name of the key, and id and signature in base64, with single spaces "
                "between; got something else"
            )


_ID_SIZE: Final = 4


def _check_note(note: Note) -> None:
    """Check what has to hold of every note."""
    if not note.text.endswith("\n"):
        raise CheckpointError("the text of a note ends with a line feed; got one that does not")
    if _CONTROL.search(note.text):
        raise CheckpointError("a note has no control characters but line feeds (C2SP signed-note); got one that has")
    if not 0 < len(note.signatures) <= MAX_SIGNATURES:
        raise CheckpointError(f"a note has 1 to {MAX_SIGNATURES} signatures; got {len(note.signatures)}")
    for each in note.signatures:
        check_name(each.name)
        if len(each.key_id) != _ID_SIZE or not each.signature:
            raise CheckpointError(
                f"a signature of a note is the id of its key, {_ID_SIZE} bytes, and the signature; got {len(each.key_id)} and "
                f"{len(each.signature)} bytes"
            )
    if len({(each.name, each.key_id) for each in note.signatures}) < len(note.signatures):
        raise CheckpointError("each key signs a note once; got two signatures of one key")


def _check_length(text: str) -> None:
    """Check that a note is not longer than is read, and that it can be written as UTF-8."""
    if len(text) > MAX_NOTE:
        raise CheckpointError(f"a note has at most {MAX_NOTE} characters; got {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CheckpointError("a note is UTF-8 (C2SP signed-note); got half of a surrogate pair") from None


def _shown(text: str) -> str:
    """Return a text of a checkpoint as a message shows it: its beginning, in ASCII, with its quotes."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _size(size: int) -> str:
    """Return a size as a message shows it."""
    return str(size) if abs(size) <= MAX_SIZE else f"a number of {size.bit_length()} bits"


_SHOWN: Final = 60
