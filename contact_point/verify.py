"""`pcsc-verify`: hold what a contact point exported to what it signed, without the program that wrote it.

One file that imports the standard library and `cryptography` and nothing else. Copy it to any machine with Python 3.11 or newer
and run it there:

    python verify.py record FILE --key KEY [--other-key KEY] [--note NOTE ...]
    python verify.py inclusion FILE --key KEY
    python verify.py checkpoints FILE... --key KEY
    python verify.py receipt FILE --key KEY
    python verify.py export FOLDER --key KEY [--other-key KEY] [--note NOTE ...]
    python verify.py report FILE --key KEY

KEY is the card of the contact point: take it from the contact point itself, by a way on which nobody changes it. The public
key in PEM serves too, but names nobody: who cosigns signs the same text, and could pass for the one whose record it is.

It ends with 0 where everything holds, with 1 at the first difference, which it names, and with 2 where a file is not of the
form that it should be, or the command was called wrongly. Nothing but 0 says that it holds.

What is checked, in the order of this file. An entry rests in a leaf, HMAC-SHA256(salt, entry). The leaves of a calendar month
are a Merkle tree (RFC 9162, 2.1). A checkpoint is a note (C2SP signed-note) that says how many leaves a tree has and what its
root is; it also names the last head of the tree before, so that those of successive trees are a chain. The contact point signs
it, and the other one cosigns it and keeps it: with the last kept note of each tree, whoever shortened or rewrote the record is
found, the holder of its key included. A record is a file of lines, and a line is exactly one text: whatever else says the same
(a space, another order, a capital digit) is refused, so no bit of the file can be turned over. Only signatures have twins:
whoever has an ECDSA signature (r, s) can write (r, n-s), which is as good, and can leave out a cosignature, which says less.

What cannot be seen. A file alone may be an older state of the record: whatever was recorded after the last checkpoint in it is
missing without a trace, and only a note that was kept elsewhere tells. What follows the last kept or cosigned checkpoint stands
under one signature, whose holder can write it anew or leave it out. Empty places show a leaf and nothing else. And a signature
shows who said something, not that it is true: a receipt is no proof that a print is gone.

Nothing here reads a clock or opens a connection. Nothing of what an entry says is printed but its number, event and article.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import hmac
import io
import json
import re
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TextIO

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence


class VerificationError(Exception):
    """What was given could not be verified; ``status`` is how the command ends."""

    status = 1


class DifferenceError(VerificationError):
    """Something is not as it was signed, or not as the rest says: 1."""


class FormError(VerificationError):
    """The file is not of the form that it should be, so nothing in it was believed: 2."""

    status = 2


# Merkle trees: RFC 9162, 2.1


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf's data: 2.1.1."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its children: 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """A tree that grows leaf by leaf: of its nodes, only the roots of its complete subtrees are kept, largest first."""

    name: str
    first: int = 0
    """The number of the entry in its first leaf."""
    size: int = 0
    _subtrees: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Append a leaf."""
        self.join(leaf_hash(leaf), 1)

    def join(self, node: bytes, leaves: int) -> None:
        """Append a complete subtree of so many leaves, a power of two that divides the size."""
        rest = self.size // leaves
        while rest & 1:
            node = node_hash(self._subtrees.pop(), node)
            rest >>= 1
        self._subtrees.append(node)
        self.size += leaves

    def beside(self, nodes: Sequence[bytes], size: int) -> Tree:
        """Return the tree of ``size`` leaves that begins with this one and goes on with the subtrees of these roots.

        Raises:
            DifferenceError: there are more or fewer subtrees in the rest.

        """
        rest = list(subtrees(self.size, size))
        if len(nodes) != len(rest):
            raise DifferenceError(
                f"the proof that {size} leaves of tree {self.name} continue {self.size} has {len(rest)} hashes; this one has "
                f"{len(nodes)}"
            )
        grown = Tree(self.name, self.first, self.size, [*self._subtrees])
        for node, leaves in zip(nodes, rest, strict=True):
            grown.join(node, leaves)
        return grown

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        *larger, node = self._subtrees
        for left in reversed(larger):
            node = node_hash(left, node)
        return node

    @property
    def head(self) -> Head:
        """Name, size and root."""
        return Head(self.name, self.size, self.root)


def subtrees(begin: int, end: int) -> Iterator[int]:
    """Yield how many leaves each complete subtree has that the leaves from ``begin`` to before ``end`` fall into."""
    while begin < end:
        most = 1 << ((end - begin).bit_length() - 1)
        leaves = min(begin & -begin, most) if begin else most
        yield leaves
        begin += leaves


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a tree of ``size`` leaves has if ``leaf`` is its leaf ``index``: 2.1.3.2.

    Below the place where the ways to the leaf and to the last leaf part, the bits of the index say on which side each hash
    stands; above it, every hash stands to the left.

    Raises:
        DifferenceError: no tree of that size has this leaf, or its proof another number of hashes.

    """
    if not 0 <= index < size:
        raise DifferenceError(f"a tree of {size} leaves has no leaf {index}")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    _count(proof, inner + border, f"that leaf {index} is in a tree of {size}")
    node = leaf_hash(leaf)
    for level, other in enumerate(proof[:inner]):
        node = node_hash(other, node) if index >> level & 1 else node_hash(node, other)
    for left in proof[inner:]:
        node = node_hash(left, node)
    return node


def check_consistency(earlier: Head, later: Head, proof: Sequence[bytes]) -> None:
    """Check that the tree of the later head begins with all leaves of the earlier one: 2.1.4.2.

    Raises:
        DifferenceError: it does not, or the proof has another number of hashes.

    """
    differs = DifferenceError(
        f"tree {later.tree} with {later.size} leaves does not begin with the {earlier.size} that were signed before: it was "
        "rewritten"
    )
    if not 0 < earlier.size <= later.size:
        raise DifferenceError(f"{earlier.size} leaves cannot come before {later.size} in tree {later.tree}")
    shift = (earlier.size & -earlier.size).bit_length() - 1  # the largest complete subtree that ends the earlier tree
    inner = ((earlier.size - 1) ^ (later.size - 1)).bit_length() - shift
    if earlier.size == later.size:
        _count(proof, 0, "that a tree is itself")
        if earlier.root != later.root:
            raise differs
        return
    border = ((earlier.size - 1) >> (inner + shift)).bit_count()
    whole = earlier.size == 1 << shift  # the earlier tree is that subtree itself, so its root is not repeated
    _count(proof, inner + border + (not whole), f"that {later.size} leaves begin with {earlier.size}")
    seed = earlier.root if whole else proof[0]
    proof, mask = proof[not whole :], (earlier.size - 1) >> shift
    old = new = seed
    for level, other in enumerate(proof[:inner]):
        if mask >> level & 1:
            old, new = node_hash(other, old), node_hash(other, new)
        else:
            new = node_hash(new, other)
    for left in proof[inner:]:
        old, new = node_hash(left, old), node_hash(left, new)
    if (old, new) != (earlier.root, later.root):
        raise differs


def _count(proof: Sequence[bytes], expected: int, what: str) -> None:
    """Refuse a proof of another length than the tree gives it."""
    if len(proof) != expected:
        raise DifferenceError(
            f"the proof {what} has {expected} hashes (RFC 9162, 2.1.3 and 2.1.4); this one has {len(proof)}"
        )


# Keys


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of a contact point: ECDSA on P-384 with SHA-384 (FIPS 186-5), or Ed25519 (RFC 8032)."""

    public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    party: str | None = None
    """Whose it is, as its card says; None where the key came alone."""
    uri: str | None = None

    @property
    def pem(self) -> str:
        """The key in PEM, as OpenSSL writes it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public.public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo, as the contact points print it."""
        return hashlib.sha256(self._der).hexdigest()[:16]

    @property
    def _der(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public.public_bytes(serialization.Encoding.DER, form)

    def id_as(self, name: str) -> bytes:
        """Return the four bytes that stand before a signature of this key under a name.

        Of ECDSA, C2SP numbers only that with SHA-256; 0xff stands for what it does not number, and a name follows.
        """
        if isinstance(self.public, ed25519.Ed25519PublicKey):
            encoded = b"\x01" + self.public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        else:
            encoded = b"\xffECDSA-P384-SHA384" + self._der
        return hashlib.sha256(name.encode() + b"\n" + encoded).digest()[:4]

    def made(self, signature: bytes, text: str) -> bool:
        """Whether a signature of this text was made with this key."""
        return self.made_of(signature, text.encode())

    def made_of(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature of these bytes was made with this key."""
        try:
            if isinstance(self.public, ed25519.Ed25519PublicKey):
                self.public.verify(signature, data)
            else:
                self.public.verify(signature, data, ec.ECDSA(hashes.SHA384()))
        except InvalidSignature:
            return False
        return True


def read_key(text: str, what: str) -> Key:
    """Return the key in a PEM, or in the card of a contact point.

    Raises:
        FormError: there is none, or of another kind.

    """
    wanted = f"{what}: expected a public key in PEM, ECDSA on P-384 or Ed25519, or the card of a contact point"
    party = uri = None
    if text.startswith("{"):
        try:
            card = json.loads(text)
            text, party, uri = (str(card[name]) for name in ("signing_key_pem", "party", "uri"))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FormError(f"{wanted}; got JSON that does not name signing_key_pem, party and uri") from None
    try:
        public = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise FormError(f"{wanted}; got something else") from None
    p384 = isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP384R1)
    if not isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) or not (
        p384 or isinstance(public, ed25519.Ed25519PublicKey)
    ):
        raise FormError(f"{wanted}; got a key of another kind")
    return Key(public, party, uri)


# Notes and checkpoints: C2SP signed-note and tlog-checkpoint

MAX_NOTE: Final = 128 * 1024
"""Characters of a note."""
MAX_SIGNATURES: Final = 16
"""Signatures of a note: the number that C2SP has every verifier accept."""

MAX_NAME: Final = 1000
"""Characters of the name of a key."""
MAX_NUMBER: Final = 2**63 - 1
"""The largest number: no tree has more leaves."""

_TREE: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Head:
    """A tree at one moment: how many leaves it has, and the root over them."""

    tree: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a note."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: whose record, the head of a tree, the last head of the tree before, and when it was signed."""

    uri: str
    head: Head
    before: Head | None
    at: str

    def __str__(self) -> str:
        """Name it in a message."""
        return f"the checkpoint of {self.at} over {self.head.size} leaves of tree {self.head.tree}"


def read_note(text: str, what: str) -> Note:
    """Return a note.

    Raises:
        FormError: it is none, or has more than :data:`MAX_SIGNATURES`.

    """
    body, blank, lines = text[: MAX_NOTE + 1].rpartition("\n\n")
    if len(text) > MAX_NOTE or not body or not blank or not lines.endswith("\n"):
        raise FormError(
            f"{what}: expected a note of at most {MAX_NOTE} characters: a text, an empty line, and signature lines, each ended "
            "by a line feed (C2SP signed-note)"
        )
    if any(character < " " and character != "\n" for character in text):
        raise FormError(f"{what}: a note has no control characters but line feeds (C2SP signed-note)")
    signed = lines[:-1].split("\n")
    if len(signed) > MAX_SIGNATURES:
        raise FormError(f"{what}: expected at most {MAX_SIGNATURES} signatures; got {len(signed)}")
    note = Note(body + "\n", tuple(_signature(line, what) for line in signed))
    if len({(each.name, each.key_id) for each in note.signatures}) < len(signed):
        raise FormError(f"{what}: each key signs a note once; here is one twice")
    return note


def _is_name(text: str) -> bool:
    """Whether this can name a key: C2SP signed-note, no spaces and no plus sign; nor what could steer a terminal."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and " " not in text and "+" not in text


def _signature(line: str, what: str) -> Signature:
    """Return what a signature line says."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signature = _base64(encoded, what)
    if dash != "\N{EM DASH}" or not _is_name(name) or len(signature) <= 4:
        raise FormError(
            f"{what}: a signature line is an em dash, the name of the key, and the key's id and signature in base64, with one "
            "space between (C2SP signed-note)"
        )
    return Signature(name, signature[:4], signature[4:])


def _base64(text: str, what: str) -> bytes:
    """Return the bytes of the one base64 text that stands for them (RFC 4648, 4; 3.5: no free bits at the end)."""
    try:
        value = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        raise FormError(f"{what}: expected base64 (RFC 4648, 4)") from None
    if base64.b64encode(value).decode() != text:
        raise FormError(f"{what}: expected base64 as it is written, without free bits or signs (RFC 4648, 3.5)")
    return value


def _hash64(text: str, what: str) -> bytes:
    """Return a hash in base64."""
    value = _base64(text, what)
    if len(value) != _HASH_BYTES:
        raise FormError(f"{what}: a hash has {_HASH_BYTES} bytes (SHA-256); got {len(value)}")
    return value


def _time(text: str, what: str) -> str:
    """Return a time in UTC in whole seconds, as text: such texts are in the order of their times."""
    try:
        exact = datetime.fromisoformat(text).isoformat(timespec="seconds") == text.removesuffix("Z") + "+00:00"
    except ValueError:
        exact = False
    if not exact:
        raise FormError(f"{what}: expected a time in UTC such as 2026-11-22T17:07:09Z")
    return text


def _number(text: str, what: str) -> int:
    """Return a decimal number, of which there is one way to write it."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_NUMBER:
        raise FormError(f"{what}: expected a decimal number of at most {MAX_NUMBER}, without leading zeros")
    return int(text)


def read_checkpoint(text: str, what: str) -> Checkpoint:
    """Return what the text of a note says as a checkpoint of a record.

    Raises:
        FormError: it is none.

    """
    lines = text.split("\n")
    if len(lines) != 6 or lines[5]:
        raise FormError(f"{what}: a checkpoint has five lines: origin, size, root, before, at; got {len(lines) - 1}")
    uri, record, tree = lines[0].rpartition("/record/")
    if not record or not _is_name(uri) or not _TREE.fullmatch(tree):
        raise FormError(f"{what}: the origin of a checkpoint is the URI of a contact point, /record/ and a month")
    head = _head(tree, lines[1], lines[2], what)
    word, _, rest = lines[3].partition(" ")
    at, _, moment = lines[4].partition(" ")
    if word != "before" or at != "at":
        raise FormError(f"{what}: the fourth line of a checkpoint is `before ...`, the fifth `at ...`")
    before = None
    if rest != "none":
        parts = rest.split(" ")
        if len(parts) != 3 or not _TREE.fullmatch(parts[0]) or parts[0] >= tree:
            raise FormError(f"{what}: before the tree {tree} comes an earlier month, its size and its root, or none")
        before = _head(parts[0], parts[1], parts[2], what)
    return Checkpoint(uri, head, before, _time(moment, what))


def _head(tree: str, size: str, root: str, what: str) -> Head:
    """Return a head; a tree without leaves is not there, so nobody signs one."""
    head = Head(tree, _number(size, what), _hash64(root, what))
    if not head.size:
        raise FormError(f"{what}: a tree has a leaf at least; got size 0")
    return head


def signed_checkpoint(note: Note, key: Key, what: str, uri: str | None = None) -> Checkpoint:
    """Return the checkpoint of a note that is signed by its own contact point; ``uri`` says which, where that is known.

    Raises:
        DifferenceError: it is of another record, or is not signed so.
        FormError: it is no checkpoint.

    """
    checkpoint = read_checkpoint(note.text, what)
    if uri not in (None, checkpoint.uri):
        raise DifferenceError(f"{what}: it is of the record of {checkpoint.uri}, and this is the record of {uri}")
    signed_by(note, key, checkpoint.uri, what)
    return checkpoint


def signed_by(note: Note, key: Key, name: str, what: str) -> None:
    """Check that a note is signed by its own contact point, whoever else signed it.

    The name of a signature is under no signature, so what one cosigned could be shown as its own, if its card did not say
    whose the key is.

    Raises:
        DifferenceError: it is not.

    """
    if key.uri not in (None, name):
        raise DifferenceError(f"{what}: it is of the record of {name}, and the card given is that of {key.uri}")
    own = [each for each in note.signatures if each.name == name and each.key_id == key.id_as(name)]
    if not own:
        raise DifferenceError(f"{what}: it bears no signature of {name} under key {key.fingerprint}")
    if not all(key.made(each.signature, note.text) for each in own):
        raise DifferenceError(
            f"{what}: the signature of {name} is not of this text: it was changed, or {name} did not sign it"
        )


def cosigned(note: Note, name: str, key: Key | None, what: str) -> bool:
    """Whether the other contact point, whose key this is, signed after the one that ``name`` is of, and nobody else did.

    Raises:
        DifferenceError: somebody else did, or a contact point its own checkpoint twice.

    """
    first, *others = note.signatures
    if first.name != name or len(others) > 1 or any(each.name == name for each in others):
        raise DifferenceError(
            f"{what}: expected the signature of {name} first, and after it that of the other contact point"
        )
    for other in others:
        if key is None:
            raise DifferenceError(f"{what}: it is cosigned, and the header names no key of the other contact point")
        if key.uri not in (None, other.name):
            raise DifferenceError(f"{what}: {other.name} cosigned it, and the other card given is that of {key.uri}")
        if other.key_id != key.id_as(other.name) or not key.made(other.signature, note.text):
            raise DifferenceError(
                f"{what}: its cosignature was not made with key {key.fingerprint}, or not of this text"
            )
    return bool(others)


# A record: a header, then one place a line

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of a line, and of a file that is read at once: a key, a proof, a receipt, a note."""
MAX_CHAIN: Final = 64 * 1024 * 1024
"""Bytes of a chain of checkpoints: some ten years of them."""

FORMAT: Final = "pcsc record 2"
_HEADER: Final = ("format", "party", "uri", "made_at", "key", "other_key", "checkpoints")
_PLACE: Final = ("number", "tree", "body", "salt", "leaf")
_ENTRY: Final = (
    "arrangement",
    "article",
    "at",
    "authority",
    "commitment",
    "direction",
    "event",
    "exchange",
    "identified",
    "information",
    "made_at",
    "message",
    "note",
    "number",
    "other",
    "rules",
    "search",
    "trace",
)
_AUTHORITY: Final = ("identifier", "jurisdiction", "name", "unit")
_PARTIES: Final = {"JP": "US", "US": "JP"}


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signatures were verified, and what a message calls it."""

    checkpoint: Checkpoint
    by: str
    """Who vouches for it beside the holder of the record: "cosigned", "kept", or "" for nobody."""
    what: str


@dataclass(frozen=True, slots=True)
class Header:
    """Whose record this is, when it was exported, and the checkpoints that bind it."""

    party: str
    uri: str
    made_at: str
    key: Key
    other_key: Key | None
    checkpoints: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What this program reads of an entry: of whom it speaks, when, and what it is called."""

    number: int
    at: datetime
    other: str
    exchange: str
    event: str
    article: str
    note: str
    said: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """All that it says, by its members."""

    def __str__(self) -> str:
        """Name it in a message; what came from outside cannot steer a terminal."""
        return f"entry {self.number} ({self.event!a}, Art. {ascii(self.article)[1:-1]}, {self.at:%Y-%m-%d})"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a record; ``entry`` is None where its term has ended, or where it was left out of an export."""

    number: int
    tree: str
    leaf: bytes
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a record that holds was found to be."""

    header: Header
    heads: tuple[Head, ...]
    entries: int
    empty: int
    cosigned_through: int | None
    """The number of the entry up to which all is bound by cosigned checkpoints; None where nothing is."""
    kept_through: int | None
    """The same by the notes that somebody else kept."""
    beyond: frozenset[str]
    """Who binds entries beyond a gap: "cosigned", "kept". What lies in the gap could have been written anew."""
    cosigned_at: str | None = None
    """When the checkpoint was signed that binds the last of these."""
    kept_at: str | None = None


def check_record(
    file: IO[bytes],
    *,
    key: Key | None = None,
    other_key: Key | None = None,
    kept: Sequence[tuple[str, Note]] = (),
    kept_since: datetime | None = None,
) -> Found:
    """Check an exported record; ``kept`` are notes of it that were kept elsewhere, by the names of their files.

    Time is linear in its size, memory in the longest line (at most 0.5 GiB, for one of nothing but brackets). Without ``key``,
    the key is the one that the file names.

    Raises:
        DifferenceError: something in it is not as signed, or not as the rest of it says.
        FormError: it is not of this form.

    """
    lines = read_lines(file)
    header = read_header(next(lines), key=key, other_key=other_key)
    places = (read_place(line, f"line {number}") for number, line in enumerate(lines, 2))
    return follow(header, places, kept=read_kept(header, kept), kept_since=kept_since)


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file without their line feeds; every byte belongs to one, and there is one at least."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if not line.endswith(b"\n"):
            raise FormError(
                f"line {number}: expected a line of at most {MAX_LINE} bytes that ends in a line feed: cut off?"
            )
        yield line[:-1]
    if not number:
        raise FormError("expected a file of lines; it is empty")


def _object(line: bytes, fields: tuple[str, ...], what: str) -> dict[str, Any]:
    """Return a JSON object of exactly these members in this order, from the one text that stands for it."""
    try:
        value = json.loads(line.decode())
        again = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise FormError(f"{what}: expected one JSON object in UTF-8 (RFC 8259)") from None
    if not isinstance(value, dict) or tuple(value) != fields:
        raise FormError(f"{what}: expected the members {', '.join(fields)}, in this order and no others")
    if again != line:
        raise FormError(f"{what}: expected JSON as it is written, without spaces, needless escapes or repeated members")
    return value


def _one_line(content: bytes, fields: tuple[str, ...], what: str) -> dict[str, Any]:
    """Return the object of a file of one line."""
    if not content.endswith(b"\n") or content.count(b"\n") != 1:
        raise FormError(f"{what}: expected one line that ends in a line feed")
    return _object(content[:-1], fields, what)


def _texts(value: dict[str, Any], names: Iterable[str], what: str) -> None:
    for name in names:
        if not isinstance(value[name], str):
            raise FormError(f"{what}: {name} is a text")


def _list(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FormError(f"{what}: expected a list of texts")
    return value


def read_header(line: bytes, *, key: Key | None = None, other_key: Key | None = None) -> Header:
    """Return the first line of a record, once every signature in it was verified.

    Raises:
        DifferenceError: a key is not the one that was given, or a signature not by it.
        FormError: it is no header.

    """
    what = "line 1, the header"
    said = _object(line, _HEADER, what)
    _texts(said, ("format", "party", "uri", "made_at", "key"), what)
    if said["format"] != FORMAT or said["party"] not in _PARTIES or not _is_name(said["uri"]):
        raise FormError(f"{what}: expected format {FORMAT!r}, party JP or US, and the URI of its contact point")
    own = _own_key(said["key"], key, "the contact point")
    if (own.party or said["party"], own.uri or said["uri"]) != (said["party"], said["uri"]):
        raise DifferenceError(
            f"{what}: it is of the record of {said['party']} ({said['uri']}), and the card given is that of {own.party} "
            f"({own.uri})"
        )
    other = None
    if said["other_key"] is not None:
        _texts(said, ("other_key",), what)
        other = _own_key(said["other_key"], other_key, "the other contact point")
    elif other_key is not None:
        raise DifferenceError(f"{what}: no checkpoint of this record is cosigned by the other contact point")
    notes = [(f"{what}, checkpoint {number}", text) for number, text in enumerate(_list(said["checkpoints"], what), 1)]
    signed = tuple(_own_checkpoint(text, said["uri"], own, other, called) for called, text in notes)
    header = Header(said["party"], said["uri"], _time(said["made_at"], what), own, other, signed)
    _check_checkpoints(header, what)
    return header


def _own_key(pem: str, given: Key | None, whose: str) -> Key:
    """Return the key that a header names, which is to be the one that the caller gave."""
    named = read_key(pem, "line 1, the header")
    if named.pem != pem:
        raise FormError(
            "line 1, the header: expected a public key in PEM as it is written; got other line breaks or signs"
        )
    if given is not None and given.pem != pem:
        raise DifferenceError(
            f"line 1, the header: it names key {named.fingerprint} of {whose}, and the key given is {given.fingerprint}"
        )
    return given or named


def _own_checkpoint(text: str, uri: str, own: Key, other: Key | None, what: str) -> Signed:
    """Return one checkpoint of a header: of this record, signed by its contact point and by nobody but the two."""
    note = read_note(text, what)
    checkpoint = signed_checkpoint(note, own, what, uri)
    return Signed(checkpoint, "cosigned" if cosigned(note, uri, other, what) else "", what)


def _check_checkpoints(header: Header, what: str) -> None:
    """Hold the header together: checkpoints in order, the last one made with the export, the other key in use."""
    places = [(each.checkpoint.head.tree, each.checkpoint.head.size, each.checkpoint.at) for each in header.checkpoints]
    if any(one >= two for one, two in pairwise(places)):
        raise DifferenceError(
            f"{what}: expected each checkpoint after those of fewer leaves and earlier trees, and once"
        )
    if not places:
        raise DifferenceError(f"{what}: it names no checkpoint, so nothing of this record is signed")
    if places[-1][2] != header.made_at:
        raise DifferenceError(
            f"{what}: it says that the record was exported at {header.made_at}, and the last checkpoint was signed at "
            f"{places[-1][2]}: both are of one moment"
        )
    if header.other_key is not None and not any(each.by for each in header.checkpoints):
        raise DifferenceError(
            f"{what}: it names a key of the other contact point, and no checkpoint is cosigned with it"
        )


def read_kept(header: Header, kept: Sequence[tuple[str, Note]]) -> tuple[Signed, ...]:
    """Return notes of this record that were kept elsewhere: each is to be signed by the contact point itself.

    Raises:
        DifferenceError: one is of another record, or is not signed by the contact point whose record this is.
        FormError: one is no checkpoint.

    """
    return tuple(Signed(signed_checkpoint(note, header.key, what, header.uri), "kept", what) for what, note in kept)


def read_place(line: bytes, what: str) -> Place:
    """Return one place of a record, if its entry and salt give its leaf.

    Raises:
        DifferenceError: the entry was changed, or is that of another place.
        FormError: it is no place.

    """
    said = _object(line, _PLACE, what)
    _texts(said, ("tree", "leaf"), what)
    number, body, salt = said["number"], said["body"], said["salt"]
    if type(number) is not int or not _TREE.fullmatch(said["tree"]) or not _HEX.fullmatch(said["leaf"]):
        raise FormError(
            f"{what}: expected a number, a month such as 2026-11, and a leaf of 64 lower-case hexadecimal digits"
        )
    leaf = bytes.fromhex(said["leaf"])
    if body is None and salt is None:
        return Place(number, said["tree"], leaf, None)
    if not isinstance(body, str) or not isinstance(salt, str) or not _HEX.fullmatch(salt):
        raise FormError(f"{what}: expected an entry and its salt of 64 lower-case hexadecimal digits, or neither")
    if hmac.digest(bytes.fromhex(salt), body.encode(), "sha256") != leaf:
        raise DifferenceError(f"{what}: the entry was changed: with its salt it no longer gives its leaf")
    entry = read_entry(body, what)
    if entry.number != number:
        raise DifferenceError(f"{what}: the entry says that it is number {entry.number}; it stands in place {number}")
    return Place(number, said["tree"], leaf, entry)


def read_entry(body: str, what: str) -> Entry:
    """Return what is needed of an entry's canonical text: one JSON object, its members in order, and nothing superfluous.

    Raises:
        FormError: it is none. Whoever wrote it also wrote its leaf.

    """
    said = _object(body.encode(), _ENTRY, f"{what}, in the entry")
    _texts(said, sorted({*_ENTRY} - {"authority", "identified", "information", "number"}), f"{what}, in the entry")
    _list(said["information"], f"{what}, in the entry")
    at, made_at = _moment(said["at"]), _moment(said["made_at"])
    known = said["direction"] in {"provided", "received", "act"} and isinstance(said["identified"], bool | None)
    authority = said["authority"]
    known &= isinstance(authority, dict) and tuple(authority) == _AUTHORITY
    if not (at and made_at and known and type(said["number"]) is int):
        raise FormError(
            f"{what}: expected an entry with a number, a direction, two times with their zone such as "
            "2026-11-22T17:07:09+00:00, and an authority (Art. 11(2))"
        )
    other, exchange, event, article, note = (said[name] for name in ("other", "exchange", "event", "article", "note"))
    return Entry(said["number"], at, other, exchange, event, article, note, said)


def _moment(text: str) -> datetime | None:
    """Return a time with its zone, in UTC, if it is written as entries have it."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo and at.isoformat() == text else None
    except (ValueError, OverflowError):
        return None


def follow(
    header: Header, places: Iterable[Place], *, kept: Sequence[Signed] = (), kept_since: datetime | None = None
) -> Found:
    """Check the places of a record against its header, from the first to the last.

    Raises:
        DifferenceError: a place or a tree is not as it was signed, or something signed is not there.

    """
    walk = _Walk(header, kept, kept_since)
    for number, place in enumerate(places):
        walk.step(number, place)
    return walk.end()


def check_order(place: Place, number: int, tree: str, party: str) -> None:
    """Check that a place is the one of ``number``, after one of ``tree`` ("" for the first), in the record of ``party``.

    An entry stands in the month of its time, or in the tree before it where the clock had gone back. A place that is empty may
    stand in any month from there on.

    Raises:
        DifferenceError: it is not.

    """
    what = f"line {number + 2}"
    if place.number != number:
        raise DifferenceError(f"{what}: entry {number} is missing: entry {place.number} stands in its place")
    if place.entry is not None and place.entry.other != _PARTIES[party]:
        raise DifferenceError(f"{what}: entry {number} is not of the record of {party}")
    month = place.tree if place.entry is None else _month(place.entry.at)
    if place.tree != max(month, tree):
        raise DifferenceError(
            f"{what}: entry {number} stands in tree {place.tree}; its month is {month}, and the tree before it is "
            f"{tree or 'none'}"
        )


def _month(at: datetime) -> str:
    """Return the month of a time in UTC."""
    return f"{at.year:04}-{at.month:02}"


class _Terms:
    """Which places are empty although their term cannot have ended: none may be that is younger than ``kept_since``."""

    def __init__(self, kept_since: datetime | None) -> None:
        self._kept_since = kept_since
        self._young: datetime | None = None  # the earliest time, of what is to be there, that nothing after it belies
        self.early: Place | None = None
        """The first place that is empty after it. Only at the end is it known that no later entry excuses it."""

    def empty(self, place: Place) -> None:
        """Note a place that is empty and may not be, as far as is known here."""
        if self._young is not None and self.early is None:
            self.early = place

    def month(self, tree: str) -> None:
        """Take in that a month had come, where all that it holds is to be there."""
        if self._kept_since is not None and tree > _month(self._kept_since):
            self.entry(datetime.fromisoformat(f"{tree}-01T00:00:00+00:00"))

    def entry(self, at: datetime) -> None:
        """Take in that a time had come: what stands before was entered earlier, even where a clock then ahead says later."""
        if self._kept_since is not None and (self._young is None or at < self._young):
            self._young, self.early = at if at >= self._kept_since else None, None


class _Walk:
    """The walk along the places of a record: the tree as it grows, beside what the checkpoints say of it."""

    def __init__(self, header: Header, kept: Sequence[Signed], kept_since: datetime | None) -> None:
        self._header = header
        self._kept_since = kept_since
        self._terms = _Terms(kept_since)
        self._said: dict[tuple[str, int], list[Signed]] = {}  # by tree and size
        self._begins: dict[str, list[Signed]] = {}  # by tree, for what they say of the tree before
        self._through: dict[str, int] = {}  # up to where, without a gap, whoever vouches for checkpoints binds
        self._bound_at: dict[str, str] = {}  # and when that was signed
        self._gaps: set[str] = set()
        self._beyond: set[str] = set()
        for each in (*header.checkpoints, *kept):
            head = each.checkpoint.head
            self._said.setdefault((head.tree, head.size), []).append(each)
            self._begins.setdefault(head.tree, []).append(each)
        self._tree = Tree("")
        self._heads: list[Head] = []  # of the trees that are done
        self._signed: list[Signed] = []  # checkpoints that speak of the tree as it is now
        self._places = self._empty = 0
        self._held = -1  # the last entry under a checkpoint that held

    def step(self, number: int, place: Place) -> None:
        """Take the next place."""
        check_order(place, number, self._tree.name, self._header.party)
        if place.tree != self._tree.name:
            self._terms.month(place.tree)
        self._check_term(place)
        if place.tree != self._tree.name:
            self._turn(place)
        self._tree.add(place.leaf)
        self._places += 1
        self._signed = self._said.pop((self._tree.name, self._tree.size), [])
        for each in self._signed:
            self._compare(each)
        self._bind(place.number, self._signed)

    def _check_term(self, place: Place) -> None:
        """Note a place that is empty."""
        if place.entry is not None:
            self._terms.entry(place.entry.at)
            return
        self._empty += 1
        self._terms.empty(place)

    def _turn(self, place: Place) -> None:
        """Begin the tree of ``place``: what was signed of the end of the tree before is to be so."""
        what, before = f"line {place.number + 2}", self._tree.head if place.number else None
        begins = self._begins.pop(place.tree, [])
        for each in begins:
            if each.checkpoint.before != before:
                there = "none" if before is None else f"{before.tree} with {before.size} leaves"
                raise DifferenceError(
                    f"{what}: tree {place.tree} begins here, and {each.what}, {each.checkpoint}, says otherwise of the tree "
                    f"before it, which is {there}: the end of that tree was cut off, added to or changed"
                )
        if before is not None:
            if not begins and not self._signed:
                raise DifferenceError(
                    f"{what}: nothing signed speaks of the end of tree {before.tree}: no checkpoint of it, none of {place.tree}"
                )
            self._heads.append(before)
            self._held = place.number - 1
            self._bind(place.number - 1, begins)
            self._gaps |= {by for by in ("cosigned", "kept") if self._through.get(by) != place.number - 1}
        self._tree = Tree(place.tree, place.number)

    def _compare(self, each: Signed) -> None:
        """Hold the tree, as far as it has grown, to a checkpoint."""
        last = self._tree.first + self._tree.size - 1
        if self._tree.root != each.checkpoint.head.root:
            raise DifferenceError(
                f"{each.what}: {each.checkpoint}, has another root than the record: an entry after {self._held} and up to "
                f"{last} was changed, exchanged, added or left out"
                if self._held >= 0
                else f"{each.what}: {each.checkpoint}, has another root than the record: an entry up to {last} was changed, "
                "exchanged, added or left out"
            )
        self._held = last

    def _bind(self, last: int, signed: Sequence[Signed]) -> None:
        """Note who binds all up to an entry: a checkpoint binds its tree and the end of that before, and nothing earlier."""
        for each in signed:
            if each.by in self._gaps:
                self._beyond.add(each.by)
            elif each.by:
                self._through[each.by] = last
                self._bound_at[each.by] = each.checkpoint.at

    def end(self) -> Found:
        """Check that nothing signed is left over, and that something signed speaks of the last place.

        Only here is it known that no later entry excuses a place that is empty.
        """
        if self._kept_since is not None and (early := self._terms.early) is not None:
            raise DifferenceError(
                f"line {early.number + 2}: entry {early.number} was emptied before its term: it is not older than "
                f"{self._kept_since.date()}, and each is kept for at least two years (Art. 11(3)); or the export is one for "
                "the other Party, which leaves out acts: check it without --kept-since"
            )
        if self._said:
            (tree, size), (each, *_) = min(self._said.items(), key=lambda item: item[0])
            raise DifferenceError(
                f"{each.what}: {each.checkpoint}, speaks of more than the record has in tree {tree}: the record was cut off, "
                f"or an older one put in its place; it has {self._places} places, and {size} leaves of {tree} were signed"
            )
        if not self._signed:
            raise DifferenceError(
                f"entry {self._held + 1} and what follows stand under no checkpoint: they were added after the export"
            )
        heads = (*self._heads, self._tree.head)
        entries, through, at = self._places - self._empty, self._through.get, self._bound_at.get
        beyond = frozenset(self._beyond)
        bound = (through("cosigned"), through("kept"), beyond, at("cosigned"), at("kept"))
        return Found(self._header, heads, entries, self._empty, *bound)


# A proof that an entry is in the record

INCLUSION: Final = "pcsc inclusion 1"
_INCLUSION: Final = ("format", "place", "index", "proof", "checkpoint")


def check_inclusion(text: bytes, key: Key) -> tuple[Place, Checkpoint]:
    """Check the proof that a place is in the record under a checkpoint; return both.

    Raises:
        DifferenceError: it is not, or the checkpoint is not signed with ``key``.
        FormError: this is no such proof.

    """
    what = "the proof"
    said = _one_line(text, _INCLUSION, what)
    if said["format"] != INCLUSION or type(said["index"]) is not int or not isinstance(said["checkpoint"], str):
        raise FormError(f"{what}: expected format {INCLUSION!r}, an index and a checkpoint")
    place = read_place(json.dumps(said["place"], ensure_ascii=False, separators=(",", ":")).encode(), what)
    proof = [_hash64(each, what) for each in _list(said["proof"], what)]
    checkpoint = signed_checkpoint(read_note(said["checkpoint"], what), key, what)
    _in_tree(place, said["index"], proof, checkpoint, what)
    return place, checkpoint


def _in_tree(place: Place, index: int, proof: Sequence[bytes], checkpoint: Checkpoint, what: str) -> None:
    """Check that a place is where a proof says."""
    head = checkpoint.head
    if place.tree != head.tree or (place.entry is not None and _month(place.entry.at) > head.tree):
        raise DifferenceError(f"{what}: entry {place.number} is not of tree {head.tree}")
    if index > place.number or (checkpoint.before is None and index != place.number):
        raise DifferenceError(f"{what}: entry {place.number} cannot be leaf {index} of tree {head.tree}")
    if root_by_inclusion(place.leaf, index, head.size, proof) != head.root:
        raise DifferenceError(f"{what}: entry {place.number} is not leaf {index} under {checkpoint}")


# A chain of checkpoints

CHAIN: Final = "pcsc checkpoints 1"
_CHAIN: Final = ("format", "uri", "checkpoints", "proofs")
_STEP: Final = ("tree", "from", "to", "proof")


def check_checkpoints(files: Sequence[tuple[str, bytes]], key: Key) -> list[Checkpoint]:
    """Check that checkpoints are one history: signed, no two that differ of one tree, each continued by the next.

    A file is a note, or a chain as `pcsc record checkpoints` writes it, with the proofs from one to the next. Return the
    checkpoints by tree and size.

    Raises:
        DifferenceError: two contradict each other, or nothing shows that one continues the other.
        FormError: a file is neither.

    """
    steps: dict[tuple[str, int, int], list[bytes]] = {}
    notes = [each for what, content in files for each in read_notes(content, what, steps)]
    found = [signed_checkpoint(note, key, what) for what, note in notes]
    if len(uris := {each.uri for each in found}) > 1:
        raise DifferenceError(f"the checkpoints are of different records: {', '.join(sorted(uris))}")
    found.sort(key=lambda each: (each.head.tree, each.head.size, each.at))
    _check_history(found, steps)
    return found


def read_notes(
    content: bytes, what: str, steps: dict[tuple[str, int, int], list[bytes]] | None = None
) -> list[tuple[str, Note]]:
    """Return the notes of a file by what a message calls them: one note, or those of a chain; add its proofs to ``steps``.

    Raises:
        FormError: it is neither.

    """
    if not content.startswith(b"{"):
        return [(what, read_note(_decoded(content, what), what))]
    texts = _read_chain(content, {} if steps is None else steps, what)
    return [(called, read_note(text, called)) for called, text in texts]


def _read_chain(content: bytes, steps: dict[tuple[str, int, int], list[bytes]], what: str) -> list[tuple[str, str]]:
    """Return the notes of a chain by what a message calls them, and add its proofs to ``steps``."""
    said = _one_line(content, _CHAIN, what)
    texts = _list(said["checkpoints"], what)
    if said["format"] != CHAIN or not isinstance(said["proofs"], list) or not texts:
        raise FormError(f"{what}: expected format {CHAIN!r}, and a checkpoint at least")
    if not all(text.startswith(f"{said['uri']}/record/") for text in texts):
        raise DifferenceError(f"{what}: a checkpoint in it is not of the record that the chain names")
    for step in said["proofs"]:
        if not isinstance(step, dict) or tuple(step) != _STEP or not isinstance(step["tree"], str):
            raise FormError(f"{what}: a proof has the members {', '.join(_STEP)}")
        if type(step["from"]) is not int or type(step["to"]) is not int:
            raise FormError(f"{what}: a proof leads from a size to a size")
        steps[step["tree"], step["from"], step["to"]] = [_hash64(each, what) for each in _list(step["proof"], what)]
    return [(f"{what}, checkpoint {number}", text) for number, text in enumerate(texts, 1)]


def _decoded(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except ValueError:
        raise FormError(f"{what}: expected text in UTF-8") from None


def _check_history(checkpoints: Sequence[Checkpoint], steps: dict[tuple[str, int, int], list[bytes]]) -> None:
    """Check that all heads, those of trees before included, are of one history."""
    trees: dict[str, set[Head]] = {}
    before: dict[str, Head | None] = {}
    for each in checkpoints:
        trees.setdefault(each.head.tree, set()).add(each.head)
        if before.setdefault(each.head.tree, each.before) != each.before:
            raise DifferenceError(f"two histories: {each} and another of its tree differ in the tree before it")
        if each.before is not None:
            trees.setdefault(each.before.tree, set()).add(each.before)
    names = sorted(trees)
    for name in names:
        _check_growth(sorted(trees[name], key=lambda head: head.size), steps)
    for earlier, later in pairwise(names):
        if later not in before:
            raise DifferenceError(
                f"nothing shows that tree {later} continues {earlier}: no checkpoint of {later} itself is here"
            )
        if (end := before[later]) is None or end.tree != earlier:
            said = "none" if end is None else end.tree
            raise DifferenceError(f"before tree {later} came {said}, as its checkpoints say, and {earlier} is here")
        if end.size < max(head.size for head in trees[earlier]):
            raise DifferenceError(
                f"tree {earlier} ended with {end.size} leaves, as tree {later} says, and more were signed"
            )


def _check_growth(heads: Sequence[Head], steps: dict[tuple[str, int, int], list[bytes]]) -> None:
    """Check the heads of one tree, by size."""
    if (fork := next((one for one, two in pairwise(heads) if one.size == two.size), None)) is not None:
        raise DifferenceError(
            f"two histories: two different roots were signed for {fork.size} leaves of tree {fork.tree}"
        )
    for one, two in pairwise(heads):
        proof = steps.get((one.tree, one.size, two.size))
        if proof is None:
            raise DifferenceError(
                f"nothing shows that {two.size} leaves of tree {one.tree} continue the {one.size} signed before: add the chain "
                "that `pcsc record checkpoints` writes, or check the record with `record FILE --note NOTE`"
            )
        check_consistency(one, two, proof)


# A receipt for a deletion

RECEIPT: Final = "pcsc deletion receipt v1"
_RECEIPT: Final = (
    "exchange",
    "party",
    "destroyed",
    "article",
    "at",
    "entry",
    "salt",
    "body",
    "leaf",
    "index",
    "proof",
) + ("checkpoint",) * 5


_KIND: Final = re.compile(
    "probe|candidate|picture|analysis|opinion|answer|snapshot|information|printout|notification|circumstances|correspondence"
    "|result|message|receipt|receipt of deletion"
)


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a deletion receipt that holds says."""

    exchange: str
    party: str
    what: str
    article: str
    at: str
    entry: Entry
    checkpoint: Checkpoint


def check_receipt(text: str, key: Key) -> Destroyed:
    """Check a signed receipt for a deletion: the signature, the entry in it, and that the entry is in the record.

    Raises:
        DifferenceError: it does not hold.
        FormError: it is no deletion receipt.

    """
    what = "the receipt"
    note = read_note(text, what)
    said, lines = _read_receipt(note.text, what)
    checkpoint = read_checkpoint("".join(line + "\n" for line in lines), what)
    signed_by(note, key, checkpoint.uri, what)
    number, _, tree = said["entry"].partition(" ")
    index = _number(said["index"], what)
    proof = [_hash64(each, what) for each in said["proof"].split(" ")] if said["proof"] else []
    body = _decoded(_base64(said["body"], what), what)
    place = {"number": _number(number, what), "tree": tree, "body": body, "salt": said["salt"], "leaf": said["leaf"]}
    shown = read_place(json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode(), what)
    entry = read_entry(body, what)
    _in_tree(shown, index, proof, checkpoint, what)
    _check_receipt(said, entry, key.party, what)
    return Destroyed(said["exchange"], said["party"], said["destroyed"], said["article"], said["at"], entry, checkpoint)


def _read_receipt(text: str, what: str) -> tuple[dict[str, str], list[str]]:
    """Return the lines of a receipt by their first words, and the text of its checkpoint."""
    first, *lines = text.removesuffix("\n").split("\n")
    if first != RECEIPT or len(lines) != len(_RECEIPT):
        raise FormError(f"{what}: expected {RECEIPT!r} and {len(_RECEIPT)} lines after it; got {len(lines)}")
    said, signed = {}, []
    for name, line in zip(_RECEIPT, lines, strict=True):
        word, _, rest = line.partition(" ")
        if word != name or line != (f"{word} {rest}" if rest else "proof"):
            raise FormError(f"{what}: expected a line that begins with {name!r} here")
        if name == "checkpoint":
            signed.append(rest)
        else:
            said[name] = rest
    return said, signed


def _check_receipt(said: dict[str, str], entry: Entry, party: str | None, what: str) -> None:
    """Hold what a receipt says to the entry that it shows, and to the Party whose card was given."""
    _time(said["at"], what)
    word, destroyed, _ = entry.note.partition(" destroyed")
    if not _KIND.fullmatch(said["destroyed"]):
        raise FormError(
            f"{what}: what was destroyed is a kind of content, such as probe or candidate; got something else"
        )
    if party not in (None, said["party"]):
        raise DifferenceError(f"{what}: it speaks for another Party than {party}, whose card was given")
    there = {
        "event": ("deletion", entry.event),
        "exchange": (said["exchange"], entry.exchange),
        "party": (said["party"], _PARTIES.get(entry.other)),
        "article": (said["article"], entry.article),
        "time": (said["at"], f"{entry.at:%Y-%m-%dT%H:%M:%SZ}"),
        "word for what was destroyed": (said["destroyed"], word if destroyed else None),
    }
    for name, (one, two) in there.items():
        if one != two:
            raise DifferenceError(f"{what}: its {name} is not that of entry {entry.number}, which it shows")


# An export: parts in a folder, and the manifest that is signed

EXPORT: Final = "pcsc export 1"
EXPORT_SIGNED: Final = "pcsc export manifest v1"
MANIFEST: Final = "manifest.json"
_MANIFEST: Final = (
    *(
        "format",
        "party",
        "uri",
        "key",
        "other_key",
        "made_at",
        "by",
        "asked",
        "completeness",
        "form",
        "columns",
        "left_out",
    ),
    *("expires_at", "first", "end", "counts", "ranges", "checkpoint", "parts"),
    *("proves", "does_not_prove", "to_verify", "signature"),
)
_ASKED: Final = ("since", "until", "events", "directions", "articles", "authorities", "exchange")
_COUNTS: Final = ("places", "shown", "rows", "ended")
_RANGE: Final = ("tree", "first", "begin", "end", "left", "heads")
_SIGNED_HEAD: Final = ("checkpoint", "right")
_PART: Final = ("name", "kind", "first", "count", "bytes", "sha256")
_DESCRIBED: Final = ("name", "type", "meaning")
_PART_NAME: Final = re.compile(r"(places|entries)-[0-9]{5,}\.(csv|jsonl|parquet)")

COLUMNS: Final = (
    *("number", "at", "made_at", "exchange", "message", "direction", "event", "article", "information", "other"),
    *("authority", "authority_name", "authority_unit", "authority_jurisdiction", "identified", "search"),
    *("arrangement", "rules", "commitment", "note", "trace"),
)
"""The columns of a row, in their order."""
_OF_AUTHORITY: Final = {
    "authority": "identifier",
    "authority_name": "name",
    "authority_unit": "unit",
    "authority_jurisdiction": "jurisdiction",
}
_ALIVE: Final = re.compile(r"(?:^|(?<=[,;|\t\r\n]))(?=\s*['=+\-@\uff1d\uff0b\uff0d\uff20])")


@dataclass(frozen=True, slots=True)
class ExportAsked:
    """What an export was asked for."""

    since: datetime | None
    until: datetime | None
    events: list[str]
    directions: list[str]
    articles: list[str]
    authorities: list[str]
    exchange: str

    def takes_time(self, at: datetime) -> bool:
        """Whether a time is of the period."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is one that was asked for."""
        authority = entry.said["authority"]
        return (
            self.takes_time(entry.at)
            and (not self.events or entry.event in self.events)
            and (not self.directions or entry.said["direction"] in self.directions)
            and (not self.articles or any(f"{entry.article}(".startswith(f"{each}(") for each in self.articles))
            and (
                not self.authorities
                or any(authority[name] in self.authorities for name in ("identifier", "name", "unit"))
            )
            and self.exchange in {"", entry.exchange}
        )

    def __str__(self) -> str:
        """Say what was asked for in a message."""
        period = (
            f"from {self.since:%Y-%m-%dT%H:%M:%SZ}" if self.since else "from the beginning",
            f"to before {self.until:%Y-%m-%dT%H:%M:%SZ}" if self.until else "to the end",
        )
        lists = {
            "events": self.events,
            "directions": self.directions,
            "articles": self.articles,
            "authorities": self.authorities,
            "exchange": [self.exchange] if self.exchange else [],
        }
        return "; ".join([" ".join(period), *(f"{name} {said!a}" for name, said in lists.items() if said)])


@dataclass(frozen=True, slots=True)
class ExportRange:
    """The leaves of one tree that are in an export, and its signed heads with the subtrees between."""

    tree: Tree
    """The tree up to the first of them; it grows with the places."""
    begin: int
    end: int
    heads: tuple[tuple[Signed, Head, tuple[bytes, ...]], ...]

    @property
    def follow(self) -> set[Head | None]:
        """What its own checkpoints say of the end of the tree before; None where there was none."""
        own = (signed.checkpoint for signed, _, _ in self.heads if signed.checkpoint.head.tree == self.tree.name)
        return {each.before for each in own}

    @property
    def before_all(self) -> str | None:
        """The name of the tree before, "" where there was none, None where no checkpoint says."""
        for head in self.follow:
            return "" if head is None else head.tree
        return None


@dataclass(frozen=True, slots=True)
class ExportPart:
    """A file of an export."""

    name: str
    kind: str
    first: int
    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says whose signature holds."""

    party: str
    uri: str
    key: Key
    other_key: Key | None
    made_at: str
    by: str
    asked: ExportAsked
    completeness: str
    form: str
    columns: tuple[str, ...]
    expires_at: str
    first: int
    end: int
    counts: dict[str, int]
    ranges: tuple[ExportRange, ...]
    checkpoint: Checkpoint
    """Where the whole record ended when the export was made."""
    parts: tuple[ExportPart, ...]

    def of(self, kind: str) -> list[ExportPart]:
        """Return the parts of a kind, in their order."""
        return [each for each in self.parts if each.kind == kind]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export that holds was found to be."""

    manifest: Manifest
    begins: str
    """What shows that nothing of the period stands before the range; empty where nothing does."""
    ends: str
    """What shows that nothing of the period stands after it; empty where nothing does."""
    cosigned: int
    """Places of the range that stand under a head which the other contact point signed too."""
    kept: int
    """Places of the range that stand under a note that was kept elsewhere."""
    empty: int


def read_manifest(text: str, *, key: Key | None = None, other_key: Key | None = None) -> Manifest:
    """Return what a manifest says, once its signature and those of all heads in it were verified.

    Raises:
        DifferenceError: a signature is not of the key, or what is signed does not hang together.
        FormError: it is no manifest.

    """
    what = MANIFEST
    said = _manifest(text, what)
    own = _export_key(said["key"], key, "the contact point")
    other = None if said["other_key"] is None else _export_key(said["other_key"], other_key, "the other contact point")
    if (own.party or said["party"], own.uri or said["uri"]) != (said["party"], said["uri"]):
        raise DifferenceError(
            f"{what}: it is of the record of {said['party']} ({said['uri']}), and the card given is that of {own.party} "
            f"({own.uri})"
        )
    if other is None and other_key is not None:
        raise DifferenceError(f"{what}: no head in this export is cosigned by the other contact point")
    note = read_note(said.pop("signature"), what)
    digest = hashlib.sha256(_manifest_text(said).encode()).hexdigest()
    if note.text != f"{EXPORT_SIGNED}\nsha256 {digest}\n":
        raise DifferenceError(f"{what}: its signature is of another manifest: it was changed, or exchanged")
    signed_by(note, own, said["uri"], what)
    checkpoint = signed_checkpoint(read_note(said["checkpoint"], what), own, what, said["uri"])
    if checkpoint.at != _time(said["made_at"], what):
        raise DifferenceError(f"{what}: the checkpoint over the whole record was not made with the export")
    ranges = tuple(_range(each, said["uri"], own, other, what) for each in _dicts(said["ranges"], _RANGE, what))
    manifest = Manifest(
        party=said["party"],
        uri=said["uri"],
        key=own,
        other_key=other,
        made_at=said["made_at"],
        by=said["by"],
        asked=_asked(said["asked"], what),
        completeness=said["completeness"],
        form=said["form"],
        columns=tuple(each["name"] for each in _dicts(said["columns"], _DESCRIBED, what)),
        expires_at=_time(said["expires_at"], what),
        first=said["first"],
        end=said["end"],
        counts=said["counts"],
        ranges=ranges,
        checkpoint=checkpoint,
        parts=tuple(_part(each, said["form"], what) for each in _dicts(said["parts"], _PART, what)),
    )
    _check_manifest(manifest, said["left_out"], what)
    return manifest


def _manifest(text: str, what: str) -> dict[str, Any]:
    """Return the members of a manifest, from the one text that stands for it."""
    try:
        said = json.loads(text)
        again = _manifest_text(said)
    except (ValueError, RecursionError):
        raise FormError(f"{what}: expected one JSON object in UTF-8 (RFC 8259)") from None
    if not isinstance(said, dict) or tuple(said) != _MANIFEST or again != text:
        raise FormError(
            f"{what}: expected the members {', '.join(_MANIFEST)}, in this order and no others, as they are written"
        )
    texts = (
        "format",
        "party",
        "uri",
        "key",
        "made_at",
        "by",
        "completeness",
        "form",
        "expires_at",
        "checkpoint",
        "signature",
    )
    _texts(said, texts, what)
    for name in ("left_out", "proves", "does_not_prove", "to_verify"):
        _list(said[name], what)
    known = said["format"] == EXPORT and said["party"] in _PARTIES and _is_name(said["uri"])
    known &= said["completeness"] in {"whole", "selected", "abridged"} and said["form"] in {"csv", "jsonl", "parquet"}
    known &= isinstance(said["other_key"], str | None) and isinstance(said["counts"], dict)
    if not known or tuple(said["counts"]) != _COUNTS:
        raise FormError(
            f"{what}: expected format {EXPORT!r}, of JP or US, its URI, what it holds, its form and its counts"
        )
    _numbers([said["first"], said["end"], *said["counts"].values()], what)
    return said


def _manifest_text(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def _numbers(values: Iterable[object], what: str) -> None:
    if not all(type(value) is int and 0 <= value <= MAX_NUMBER for value in values):
        raise FormError(f"{what}: expected a number that is not negative")


def _dicts(value: object, fields: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    """Return a list of objects of exactly these members."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and tuple(each) == fields for each in value):
        raise FormError(f"{what}: expected a list of objects with the members {', '.join(fields)}")
    return value


def _export_key(pem: str, given: Key | None, whose: str) -> Key:
    """Return the key that a manifest names, which is to be the one that the caller gave."""
    named = read_key(pem, MANIFEST)
    if given is not None and given.pem != named.pem:
        raise DifferenceError(
            f"{MANIFEST}: it names key {named.fingerprint} of {whose}, and the key given is {given.fingerprint}"
        )
    return given or named


def _asked(value: object, what: str) -> ExportAsked:
    """Return what was asked for."""
    if not isinstance(value, dict) or tuple(value) != _ASKED:
        raise FormError(f"{what}: what was asked has the members {', '.join(_ASKED)}")
    _texts(value, ("exchange",), what)
    return ExportAsked(
        since=_bound(value["since"], what),
        until=_bound(value["until"], what),
        events=_list(value["events"], what),
        directions=_list(value["directions"], what),
        articles=_list(value["articles"], what),
        authorities=_list(value["authorities"], what),
        exchange=value["exchange"],
    )


def _bound(value: object, what: str) -> datetime | None:
    """Return a time with its zone, or None where a period has no end there."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
        return at.astimezone(UTC) if at.tzinfo else _bound("", what)
    except (ValueError, OverflowError):
        raise FormError(f"{what}: a period begins and ends at a time in UTC") from None


def _range(said: dict[str, Any], uri: str, own: Key, other: Key | None, what: str) -> ExportRange:
    """Return the range of leaves in one tree, with the heads that it is to lead to."""
    _texts(said, ("tree",), what)
    _numbers([said["first"], said["begin"], said["end"]], what)
    if not _TREE.fullmatch(said["tree"]) or not said["begin"] < said["end"]:
        raise FormError(f"{what}: expected a month such as 2026-11, and a range of leaves in its tree")
    before = Tree(said["tree"], said["first"])
    before = before.beside([_hash64(each, what) for each in _list(said["left"], what)], said["begin"])
    heads = []
    for each in _dicts(said["heads"], _SIGNED_HEAD, what):
        note = read_note(str(each["checkpoint"]), what)
        checkpoint = signed_checkpoint(note, own, what, uri)
        by = "cosigned" if cosigned(note, uri, other, what) else ""
        head = next((one for one in (checkpoint.head, checkpoint.before) if one and one.tree == said["tree"]), None)
        if head is None:
            raise DifferenceError(f"{what}: {checkpoint}, says nothing of tree {said['tree']}")
        right = tuple(_hash64(one, what) for one in _list(each["right"], what))
        heads.append((Signed(checkpoint, by, what), head, right))
    if not heads or all(head.size < said["end"] for _, head, _ in heads):
        raise DifferenceError(f"{what}: no signed head of tree {said['tree']} covers all of the range in it")
    return ExportRange(before, said["begin"], said["end"], tuple(heads))


def _part(said: dict[str, Any], form: str, what: str) -> ExportPart:
    """Return what is said of one file."""
    _texts(said, ("name", "kind", "sha256"), what)
    _numbers([said["first"], said["count"], said["bytes"]], what)
    ending = "jsonl" if said["kind"] == "places" else form
    named = _PART_NAME.fullmatch(said["name"])
    if not named or named.groups() != (said["kind"], ending) or not _HEX.fullmatch(said["sha256"]):
        raise FormError(
            f"{what}: a part is named places-00001.jsonl or entries-00001.{form}, and so on, with its SHA-256"
        )
    return ExportPart(*said.values())


def _check_manifest(manifest: Manifest, left_out: list[str], what: str) -> None:
    """Hold together what a manifest says of the range, the columns and the parts."""
    if tuple(name for name in COLUMNS if name not in left_out) != manifest.columns or "number" not in manifest.columns:
        raise DifferenceError(f"{what}: its columns are not those that are known, without those that are left out")
    if bool(left_out) != (manifest.completeness == "abridged"):
        raise DifferenceError(f"{what}: columns are left out where it is abridged, and only there")
    asked = manifest.asked
    if manifest.completeness == "whole" and (
        asked.events or asked.directions or asked.articles or asked.authorities or asked.exchange
    ):
        raise DifferenceError(f"{what}: it says that it is whole, and not all of the period was asked for")
    at, names = manifest.first, [each.name for each in manifest.parts]
    for before, each in pairwise([None, *manifest.ranges]):
        if each is None or each.tree.first + each.begin != at:
            raise DifferenceError(f"{what}: the ranges in its trees leave out places, or have them twice")
        if len(each.follow) > 1 or (each.follow == {None} and each.tree.first):
            raise DifferenceError(f"{what}: what is signed of the beginning of tree {each.tree.name} does not agree")
        _check_joined(before, each, manifest.checkpoint, what)
        at += each.end - each.begin
    if at != manifest.end or manifest.counts["places"] != manifest.end - manifest.first:
        raise DifferenceError(
            f"{what}: the ranges in its trees are not the {manifest.counts['places']} places that it counts"
        )
    if len({*names}) < len(names):
        raise DifferenceError(f"{what}: it names a part twice")


def _check_joined(before: ExportRange | None, each: ExportRange, last: Checkpoint, what: str) -> None:
    """Check that a range goes on where the one in the tree before ended, and that its tree is none after the last."""
    if each.tree.name > last.head.tree:
        raise DifferenceError(f"{what}: tree {each.tree.name} comes after the last one of the record, {last.head.tree}")
    if before is None:
        return
    ends = {head for _, head, _ in before.heads if head.size == before.end}
    if each.begin or len(ends) != 1 or each.follow != ends:
        raise DifferenceError(
            f"{what}: nothing signed shows that tree {each.tree.name} follows where the range in tree {before.tree.name} ends"
        )


@dataclass(slots=True)
class _ExportWalk:
    """The walk along the places of an export, beside its rows."""

    manifest: Manifest
    rows: _Rows
    kept: dict[tuple[str, int], list[Signed]]
    terms: _Terms
    shown: int = 0
    empty: int = 0
    cosigned: int = 0
    bound: int = 0
    first: Place | None = None
    last: Place | None = None

    def range(self, each: ExportRange, places: Iterator[tuple[str, Place]]) -> None:
        """Take the places of one tree, and hold the tree to its heads."""
        tree, begin = each.tree, each.begin
        heads: dict[int, list[tuple[Signed, Head, tuple[bytes, ...]]]] = {}
        for signed in each.heads:
            heads.setdefault(min(signed[1].size, each.end), []).append(signed)
        kept = 0
        self.terms.month(tree.name)
        for index in range(begin, each.end):
            what, place = next(places)
            self._place(place, tree, index, what)
            tree.add(place.leaf)
            for signed in heads.pop(tree.size, ()):
                self._compare(tree, *signed)
            for note in self.kept.pop((tree.name, tree.size), ()):
                head = next(
                    one for one in (note.checkpoint.head, note.checkpoint.before) if one and one.tree == tree.name
                )
                self._compare(tree, note, head, ())
                kept = index + 1 - begin
        if heads:
            raise DifferenceError(f"{MANIFEST}: a head of tree {tree.name} says nothing of the range in it")
        signed_by_both = [min(head.size, each.end) - begin for signed, head, _ in each.heads if signed.by]
        self.cosigned += max(signed_by_both, default=0)
        self.bound += kept

    def _place(self, place: Place, tree: Tree, index: int, what: str) -> None:
        """Take the next place."""
        number, entry, manifest = tree.first + index, place.entry, self.manifest
        if place.number != number or place.tree != tree.name:
            raise DifferenceError(
                f"{what}: expected place {number} in tree {tree.name}; got place {place.number} of {place.tree}"
            )
        self.first, self.last = self.first or place, place
        if entry is None:
            self.empty += 1
            self.terms.empty(place)
            return
        self.shown += 1
        self.terms.entry(entry.at)
        month = _month(entry.at)
        if entry.other != _PARTIES[manifest.party] or month > tree.name or (month < tree.name and not index):
            raise DifferenceError(
                f"{what}: entry {number} is not of the record of {manifest.party}, or not of tree {tree.name}"
            )
        is_row = manifest.asked.takes(entry)
        if manifest.completeness == "abridged" or not (is_row or manifest.completeness == "whole"):
            raise DifferenceError(f"{what}: entry {number} is shown, and is not one that was asked for")
        if is_row:
            self.rows.take(entry)

    def _compare(self, tree: Tree, each: Signed, head: Head, right: tuple[bytes, ...]) -> None:
        """Hold the tree, and what follows the range in it, to a signed head."""
        if tree.beside(right, head.size).root != head.root:
            raise DifferenceError(
                f"{each.what}: {each.checkpoint}, has another root than the places of the export: one in tree {tree.name} was "
                "changed, exchanged, added or left out"
            )


class _Rows:
    """The rows of an export, held to its entries one by one; of Parquet, which is not read here, they are counted."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._parts = iter(manifest.of("entries"))
        self._part: ExportPart | None = None
        self._file: IO[bytes] | None = None
        self._left = self.count = 0

    def take(self, entry: Entry) -> None:
        """Hold the next row to an entry."""
        if not self._left:
            self._next(entry)
        if self._file is not None:
            expected = row_line(entry, self._manifest.form)
            if self._file.read(len(expected)) != expected:
                raise DifferenceError(
                    f"{self._name}: the row that is to be entry {entry.number} does not say what the entry says"
                )
        self._left -= 1
        self.count += 1
        if not self._left:
            self._check_end()
            self.close()

    def end(self) -> None:
        """Check that there is no row without an entry."""
        if self._left or next(self._parts, None) is not None:
            raise DifferenceError(f"{MANIFEST}: there are more rows than entries of the export that were asked for")

    @property
    def _name(self) -> str:
        return "" if self._part is None else self._part.name

    def _next(self, entry: Entry) -> None:
        """Open the next part."""
        self._part = next(self._parts, None)
        if self._part is None or self._part.first != entry.number or not self._part.count:
            raise DifferenceError(
                f"{self._name or MANIFEST}: expected a part of rows that begins with entry {entry.number}"
            )
        self._left = self._part.count
        if self._manifest.form == "parquet":
            return
        self._file = (self._folder / self._part.name).open("rb")
        head = csv_line([*self._manifest.columns]) if self._manifest.form == "csv" else b""
        if self._file.read(len(head)) != head:
            raise DifferenceError(f"{self._name}: expected the names of the columns in its first line")

    def _check_end(self) -> None:
        if self._file is not None and self._file.read(1):
            raise DifferenceError(f"{self._name}: there is more in it than its rows")

    def close(self) -> None:
        """Close the part that is being read."""
        if self._file is not None:
            self._file.close()
        self._file = None


def row_line(entry: Entry, form: str) -> bytes:
    """Return the row of an entry with every column, as CSV or JSON Lines."""
    said = entry.said
    authority = said["authority"]
    values = [authority[_OF_AUTHORITY[name]] if name in _OF_AUTHORITY else said[name] for name in COLUMNS]
    if form == "csv":
        return csv_line(values)
    row = dict(zip(COLUMNS, values, strict=True))
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def csv_line(values: list[Any]) -> bytes:
    """Return a line of CSV (RFC 4180), every cell in quotes, with no cell of which a spreadsheet makes a formula."""
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([_cell(each) for each in values])
    return line.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ALIVE.sub("'", text)


def check_export(
    folder: Path, *, key: Key | None = None, other_key: Key | None = None, kept: Sequence[tuple[str, Note]] = ()
) -> Exported:
    """Check an export in its folder; ``kept`` are notes of the record that were kept elsewhere.

    Time is linear in its size; memory does not grow with it. Of Parquet the digest alone is looked at.

    Raises:
        DifferenceError: something in it is not as signed, not as the rest of it says, or not there.
        FormError: it is not of this form.

    """
    manifest = read_manifest(_decoded(_content(folder / MANIFEST, MAX_CHAIN), MANIFEST), key=key, other_key=other_key)
    _check_files(folder, manifest)
    rows = _Rows(folder, manifest)
    walk = _ExportWalk(manifest, rows, _kept_of(manifest, kept), _Terms(_two_years_before(manifest.made_at)))
    with closing(rows), closing(_export_places(folder, manifest)) as places:
        for each in manifest.ranges:
            walk.range(each, places)
        if next(places, None) is not None:
            raise DifferenceError(f"{MANIFEST}: there are more places in the parts than in the ranges")
        if manifest.completeness != "abridged":
            rows.end()
    _check_counts(manifest, walk, _abridged(folder, manifest) if manifest.completeness == "abridged" else rows.count)
    begins, ends = _begins(manifest, walk.first), _ends(manifest, walk.last)
    if manifest.completeness == "whole" and not (begins and ends):
        raise DifferenceError(
            f"{MANIFEST}: nothing shows that the range {'begins' if not begins else 'ends'} where the period does: entries may "
            "be missing there"
        )
    return Exported(manifest, begins, ends, walk.cosigned, walk.bound, walk.empty)


def _two_years_before(made_at: str) -> datetime:
    """Return the moment from which on no place may be empty in a whole export: Art. 11(3)."""
    at = datetime.fromisoformat(made_at)
    return at.replace(year=at.year - 2, day=min(at.day, 28) if at.month == 2 else at.day)


def _kept_of(manifest: Manifest, kept: Sequence[tuple[str, Note]]) -> dict[tuple[str, int], list[Signed]]:
    """Return notes that were kept elsewhere by the trees and sizes that they speak of."""
    found: dict[tuple[str, int], list[Signed]] = {}
    for what, note in kept:
        checkpoint = signed_checkpoint(note, manifest.key, what, manifest.uri)
        for head in filter(None, (checkpoint.head, checkpoint.before)):
            found.setdefault((head.tree, head.size), []).append(Signed(checkpoint, "kept", what))
    return found


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Hold the files of a folder to the manifest: all are there, no other is, and each is as it was signed."""
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    if more := sorted(there - {part.name for part in manifest.parts}):
        raise DifferenceError(f"{more[0]!a}: this file is in the folder, and not in the manifest")
    for part in manifest.parts:
        if part.name not in there:
            raise DifferenceError(f"{part.name}: this part is missing")
        size, digest = 0, hashlib.sha256()
        with (folder / part.name).open("rb") as file:
            while block := file.read(1 << 20):
                size += len(block)
                digest.update(block)
        if (size, digest.hexdigest()) != (part.bytes, part.sha256):
            raise DifferenceError(
                f"{part.name}: it is not the part that was signed: it was changed, cut off or exchanged"
            )


def _export_places(folder: Path, manifest: Manifest) -> Generator[tuple[str, Place], None, None]:
    """Yield the places of an export with what a message calls each."""
    at = manifest.first
    for part in manifest.of("places"):
        count = 0
        with (folder / part.name).open("rb") as file:
            for count, line in enumerate(read_lines(file), 1):
                what = f"{part.name}, line {count}"
                yield what, read_place(line, what)
        if (part.first, part.count) != (at, count):
            raise DifferenceError(f"{part.name}: expected {part.count} places from {at} on; got {count}")
        at += count
    if at != manifest.end:
        raise DifferenceError(f"{MANIFEST}: expected the places to {manifest.end}; its parts end before {at}")


def _abridged(folder: Path, manifest: Manifest) -> int:
    """Check the rows of an export that leaves out columns: each has its number, in the range and in order; return how many."""
    before, rows = manifest.first - 1, 0
    for part in manifest.of("entries"):
        rows += part.count
        if manifest.form == "parquet":
            continue
        count = 0
        for count, number in enumerate(_row_numbers(folder / part.name, manifest), 1):
            if not before < number < manifest.end or (count == 1 and number != part.first):
                raise DifferenceError(f"{part.name}: row {count} has a number that is out of its range or order")
            before = number
        if count != part.count:
            raise DifferenceError(f"{part.name}: expected {part.count} rows; got {count}")
    return rows


def _row_numbers(path: Path, manifest: Manifest) -> Iterator[int]:
    """Yield the numbers of rows that have the columns which the manifest says."""
    columns = [*manifest.columns]
    with path.open(encoding="utf-8", newline="") as file:
        if manifest.form == "jsonl":
            for line in file:
                row = _object(line.removesuffix("\n").encode(), manifest.columns, path.name)
                _numbers([row["number"]], path.name)
                yield row["number"]
            return
        lines = csv.reader(file, strict=True)
        if next(lines, None) != columns:
            raise DifferenceError(f"{path.name}: expected the names of the columns in its first line")
        for cells in lines:
            if len(cells) != len(columns):
                raise DifferenceError(f"{path.name}: expected {len(columns)} cells in each row")
            yield _number(cells[0], path.name)


def _check_counts(manifest: Manifest, walk: _ExportWalk, rows: int) -> None:
    """Hold the counts of a manifest to what is there."""
    counts = {"shown": walk.shown, "rows": rows}
    if manifest.completeness == "whole":
        counts["ended"] = walk.empty
        if early := walk.terms.early:
            raise DifferenceError(
                f"place {early.number} of tree {early.tree} is empty, and no older than two years: its term cannot have ended "
                "(Art. 11(3)), so an entry is withheld"
            )
    for name, found in counts.items():
        if manifest.counts[name] != found:
            raise DifferenceError(f"{MANIFEST}: it counts {manifest.counts[name]} {name}; there are {found}")


def _begins(manifest: Manifest, first: Place | None) -> str:
    """Return what shows that nothing of the period stands before the range."""
    since = manifest.asked.since
    if not manifest.ranges:
        earlier = since is not None and manifest.checkpoint.head.tree < _month(since)
        return "the last tree of the record is of an earlier month" if earlier else ""
    if first is not None and first.entry is not None and since is not None and first.entry.at < since:
        return "the entry before is earlier"
    start = manifest.ranges[0]
    if start.begin or start.before_all is None:
        return ""
    if not start.before_all:
        return "the record begins there"
    return "the tree before is of an earlier month" if since is not None and start.before_all < _month(since) else ""


def _ends(manifest: Manifest, last: Place | None) -> str:
    """Return what shows that nothing of the period stands after the range."""
    until, head = manifest.asked.until, manifest.checkpoint.head
    if not manifest.ranges:
        return "the record ended before it"
    if last is not None and last.entry is not None and until is not None and last.entry.at >= until:
        return "the entry after is later"
    end = manifest.ranges[-1]
    if (end.tree.name, end.end) == (head.tree, head.size):
        return "the record ended there when it was exported"
    whole = any(one.size == end.end for _, one, _ in end.heads)
    return (
        "the tree after is of a later month"
        if whole and until is not None and _month_after(end.tree.name) >= until
        else ""
    )


def _month_after(tree: str) -> datetime:
    """Return when the month of a tree ends."""
    year, month = int(tree[:4]), int(tree[5:])
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


# Reports: a PDF with a signature in it (ISO 32000-1, 12.8; PAdES B-B, ETSI EN 319 142-1)

MAX_REPORT: Final = 256 * 1024 * 1024
"""Bytes of a report."""

_ROOM: Final = re.compile(
    rb"<([0-9a-f]{4,65536})>/ByteRange\[0 ([0-9]{10}) ([0-9]{10}) ([0-9]{10})\]>>\nendobj\nxref\n"
)
_AT: Final = re.compile(rb"/M\(D:([0-9]{14})Z\)/Contents\Z")
_SEQUENCE, _SET, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x04, 0xA0
_DATA, _SIGNED_DATA = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE, _DIGEST = bytes.fromhex("06092a864886f70d010903"), bytes.fromhex("06092a864886f70d010904")
_CERTIFICATE: Final = bytes.fromhex("060b2a864886f70d010910022f")
_SHA384, _ECDSA = bytes.fromhex("0609608648016503040202"), bytes.fromhex("06082a8648ce3d040303")
"""Object identifiers, in DER: RFC 5652, 4, 5.1, 11.1 and 11.2; RFC 5035, 5.4.1.1; NIST CSOR; RFC 5758, 3.2."""


def check_report(content: bytes, key: Key) -> str:
    """Check a signed PDF: that the key signed every byte of it; return the time that it says it was signed at.

    One signature is looked for, the last, which must be over the whole file but its own place. Its CMS (RFC 5652) has one form
    in which only certificate and signature are free, so it is made again from these two and the file, and compared.

    Raises:
        DifferenceError: it does not hold.
        FormError: there is no signature of this form at the end of the file.

    """
    what = "the report"
    at = content.rfind(b"/Contents<") + len(b"/Contents")
    place = _ROOM.match(content, at) if at > len(b"/Contents") else None
    time = _AT.search(content, max(0, at - 64), at)
    if place is None or time is None:
        raise FormError(f"{what}: expected a PDF with a signature of a contact point at its end; there is none")
    end = place.end(1) + 1
    if (at, end, len(content)) != (int(place[2]), int(place[3]), int(place[3]) + int(place[4])):
        raise DifferenceError(f"{what}: its signature is not over the whole file: something was added, or cut off")
    if not isinstance(key.public, ec.EllipticCurvePublicKey):
        raise FormError(f"{what}: expected the key that signs reports, ECDSA on P-384; got one of Ed25519")
    block = bytes.fromhex(place[1].decode()) if len(place[1]) % 2 == 0 else b""
    signed, signature = _made_again(block, hashlib.sha384(content[:at] + content[end:]).digest(), what)
    if signature is None:
        raise DifferenceError(f"{what}: it is not what was signed: a byte of it was changed")
    # The set is signed with its own tag, and stands in the block under another: RFC 5652, 5.4.
    if not key.made_of(signature, _tlv(_SET, signed)):
        raise DifferenceError(f"{what}: its signature is not of key {key.fingerprint}")
    stamp = time[1].decode()
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:]}Z"


def _made_again(block: bytes, digest: bytes, what: str) -> tuple[bytes, bytes | None]:
    """Return what is signed of a file of this digest, and the signature; None where the block is not of this file."""
    try:
        body = _children(_children(block)[1])[0]
        _, _, _, certificates, signers = _children(body)
        *_, last = _children(_children(signers)[0])
        certificate, signature = _children(certificates)[0], _inside(last)
        signed = _attributes(digest, certificate)
        made = _block(certificate, signed, signature)
    except (IndexError, ValueError):
        raise FormError(f"{what}: its signature is no CMS of the form that contact points write") from None
    return signed, signature if made.ljust(len(block), b"\0") == block else None


def _block(certificate: bytes, signed: bytes, signature: bytes) -> bytes:
    """Return the one form of a signature block: SignedData of version 1, one signer, one certificate."""
    digest = _tlv(_SEQUENCE, _SHA384 + b"\x05\x00")
    _, number, _, issuer, *_ = _children(_children(certificate)[0])
    signer = _tlv(
        _SEQUENCE,
        b"\x02\x01\x01"
        + _tlv(_SEQUENCE, issuer + number)
        + digest
        + _tlv(_CONTEXT_0, signed)
        + _tlv(_SEQUENCE, _ECDSA)
        + _tlv(_OCTETS, signature),
    )
    inside = _tlv(_SET, digest) + _tlv(_SEQUENCE, _DATA) + _tlv(_CONTEXT_0, certificate) + _tlv(_SET, signer)
    return _tlv(_SEQUENCE, _SIGNED_DATA + _tlv(_CONTEXT_0, _tlv(_SEQUENCE, b"\x02\x01\x01" + inside)))


def _attributes(digest: bytes, certificate: bytes) -> bytes:
    """Return what is signed: the type of the content, its digest, and the digest of the certificate."""
    bound = _tlv(_SEQUENCE, _tlv(_SEQUENCE, _SHA384) + _tlv(_OCTETS, hashlib.sha384(certificate).digest()))
    values = (
        _CONTENT_TYPE + _tlv(_SET, _DATA),
        _DIGEST + _tlv(_SET, _tlv(_OCTETS, digest)),
        _CERTIFICATE + _tlv(_SET, _tlv(_SEQUENCE, _tlv(_SEQUENCE, bound))),
    )
    return b"".join(sorted(_tlv(_SEQUENCE, each) for each in values))


def _tlv(tag: int, content: bytes) -> bytes:
    """Return content under a tag, in DER."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _children(whole: bytes) -> list[bytes]:
    """Return what stands inside the first thing in these bytes, each with its tag and length."""
    rest, found = _inside(whole), []
    while rest:
        size = _size(rest)
        found.append(rest[:size])
        rest = rest[size:]
    return found


def _inside(whole: bytes) -> bytes:
    size, header = _size(whole), 2 + (whole[1] & 0x7F if whole[1] & 0x80 else 0)
    return whole[header:size]


def _size(data: bytes) -> int:
    """Return how long the first thing in these bytes is, header included.

    Raises:
        IndexError, ValueError: it is cut.

    """
    if not data[1] & 0x80:
        size = 2 + data[1]
    else:
        digits = data[1] & 0x7F
        size = 2 + digits + int.from_bytes(data[2 : 2 + digits], "big")
    if size > len(data):
        raise ValueError("cut")
    return size


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return how it ends: 0 it holds, 1 it does not, 2 it is not of this form."""
    given = _arguments().parse_args(arguments)
    try:
        _say("\n".join(given.check(given)), sys.stdout)
    except VerificationError as error:
        _say(f"pcsc-verify: {error}", sys.stderr)
        return error.status
    except OSError as error:
        _say(f"pcsc-verify: {error.filename or 'what it found could not be told'}: {error.strerror}", sys.stderr)
        return FormError.status
    return 0


def _say(text: str, file: TextIO) -> None:
    """Print a text, at once; what cannot be printed, or not in the encoding of a terminal, is told by its number."""
    shown = "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)
    encoding = file.encoding or "ascii"
    print(shown.encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pcsc-verify",
        description="Hold what a contact point exported to what it signed.",
        epilog="Ends with 0 where everything holds; with 1 at the first difference, which it names; with 2 where a file is not "
        "of the form that it should be, or the command was called wrongly. Nothing but 0 says that it holds.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    key = "the contact point's card, got from itself; or its public key in PEM, which does not say whose it is"
    record = commands.add_parser("record", help="an exported record")
    record.add_argument("file", type=Path, help="what `pcsc record export` wrote")
    record.add_argument("--key", type=Path, help=f"{key}; without it, the key that the file names is believed")
    record.add_argument(
        "--other-key", type=Path, help="the same of the other contact point: the record is to be cosigned by it"
    )
    record.add_argument(
        "--note",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint of this record that was kept elsewhere, or what the other contact point's `pcsc record checkpoints "
        "--theirs --json` wrote: without one, an older state of the record holds as well; may be repeated",
    )
    record.add_argument(
        "--kept-since",
        type=_day,
        metavar="DAY",
        help="the day (UTC, such as 2024-11-30) from which on no place may be empty, two years ago: Art. 11(3); for whole "
        "exports, since one for the other Party leaves out its holder's own acts",
    )
    record.set_defaults(check=_record)
    inclusion = commands.add_parser("inclusion", help="a proof that an entry is in the record")
    inclusion.add_argument("file", type=Path, help="what `pcsc record prove` wrote")
    inclusion.set_defaults(check=_inclusion)
    chain = commands.add_parser("checkpoints", help="checkpoints: notes, and chains with their proofs")
    chain.add_argument(
        "files", type=Path, nargs="+", metavar="file", help="what `pcsc record checkpoints --json` wrote, or a note"
    )
    chain.set_defaults(check=_checkpoints)
    receipt = commands.add_parser("receipt", help="a receipt for a deletion")
    receipt.add_argument("file", type=Path, help="the signed receipt")
    receipt.set_defaults(check=_receipt)
    export = commands.add_parser("export", help="an export of entries: a folder with a signed manifest")
    export.add_argument("folder", type=Path, help="what `pcsc record export FOLDER --as ...` wrote")
    export.add_argument("--key", type=Path, help=f"{key}; without it, the key that the manifest names is believed")
    export.add_argument("--other-key", type=Path, help="the same of the other contact point, which is to have cosigned")
    export.add_argument(
        "--note",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint of this record that was kept elsewhere, as for `record`; may be repeated",
    )
    export.set_defaults(check=_export)
    report = commands.add_parser("report", help="a signed report in PDF")
    report.add_argument("file", type=Path, help="the PDF")
    report.set_defaults(check=_report)
    for command in (inclusion, chain, receipt, report):
        command.add_argument("--key", type=Path, required=True, help=key)
    return parser


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2024-11-30; got {text!a}") from None


def _content(path: Path, most: int = MAX_LINE) -> bytes:
    """Return what a file holds, if that is not more than anything of its kind has."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FormError(f"{path.name}: expected a file of at most {most} bytes")
    return content


def _key(path: Path) -> Key:
    return read_key(_decoded(_content(path), path.name), path.name)


def _record(given: argparse.Namespace) -> Iterator[str]:
    key = _key(given.key) if given.key else None
    other = _key(given.other_key) if given.other_key else None
    kept = [note for path in given.note for note in read_notes(_content(path, MAX_CHAIN), path.name)]
    with given.file.open("rb") as file:
        found = check_record(file, key=key, other_key=other, kept=kept, kept_since=given.kept_since)
    header, places = found.header, found.entries + found.empty
    yield f"The record of {header.party} ({header.uri}), exported at {header.made_at}, holds."
    yield f"{places} places in {len(found.heads)} trees: {found.entries} entries, {found.empty} empty."
    if found.empty:
        yield "A place is empty whose entry ended its term, or was left out of the export."
    yield f"Signed with key {header.key.fingerprint}, {_believed(key, 'compare it with the card, or give --key')}."
    if header.other_key is None or found.cosigned_through is None:
        yield "Not cosigned by the other contact point: its holder could have written all of it anew."
    else:
        with_key = f"with key {header.other_key.fingerprint}, {_believed(other, 'give --other-key')}"
        yield f"Cosigned through entry {found.cosigned_through}, at {found.cosigned_at}, {with_key}."
        after = places - 1 - found.cosigned_through
        yield f"{after} entries after it are under the contact point's own signature alone: it could have written them anew,"
        yield f"and left out others, up to the export at {header.made_at}."
    if "cosigned" in found.beyond:
        yield "Later checkpoints are cosigned too, with a month between that the other contact point never saw the end of."
    if found.kept_through is not None:
        yield f"It continues what was signed and kept elsewhere, through entry {found.kept_through}, at {found.kept_at};"
        yield "what is not kept or cosigned after that could be missing."
    if "kept" in found.beyond:
        yield "The kept notes leave a gap, in which all could be written anew: give the last of each month."
    if not given.note:
        yield "It is held to nothing that was kept elsewhere (--note), so it may be an older state, later entries cut off."
    if since := given.kept_since:
        yield f"From {since.date()} on no place is empty, but perhaps in that month before the first entry that is there."


def _believed(key: Key | None, otherwise: str) -> str:
    """Return why a key is taken for that of a contact point."""
    if key is None:
        return f"named by the file itself, which shows nothing: {otherwise}"
    return "as given" if key.uri else "as given, without a card, so it does not say whose it is"


def _inclusion(given: argparse.Namespace) -> Iterator[str]:
    place, checkpoint = check_inclusion(_content(given.file), _key(given.key))
    # Its number stands in the entry, which is what the leaf binds: of an empty place there is only its index.
    what = f"a place that is empty, said to be number {place.number}," if place.entry is None else str(place.entry)
    yield f"It holds: {what} is in the record of {checkpoint.uri}, under {checkpoint}."
    yield "Who cosigned was not looked at. Whether others were shown the same: hold the checkpoint to those kept elsewhere."


def _checkpoints(given: argparse.Namespace) -> Iterator[str]:
    files = [(path.name, _content(path, MAX_CHAIN)) for path in given.files]
    key = _key(given.key)
    found = check_checkpoints(files, key)
    yield f"They hold: {len(found)} checkpoints of the record of {found[0].uri} are one history."
    yield f"Signed with key {key.fingerprint}; who cosigned was not looked at."
    yield f"The last is {found[-1]}: they show nothing of what was recorded later, nor of checkpoints that are not here."
    for one, two in pairwise(found):
        if two.at < one.at:
            yield f"The clock went back: {two} continues that of {one.at}."


def _receipt(given: argparse.Namespace) -> Iterator[str]:
    found = check_receipt(_decoded(_content(given.file), given.file.name), _key(given.key))
    yield (
        f"It holds: {found.party} signed that it destroyed {found.what!a} of exchange {found.exchange!a} at {found.at} "
        f"(Art. {ascii(found.article)[1:-1]}), and {found.entry} of its record says so, under {found.checkpoint}."
    )
    yield (
        "That is its word, and no proof that nothing is left. Whether others were shown the same record: hold the checkpoint "
        "to those that were kept elsewhere."
    )


def _export(given: argparse.Namespace) -> Iterator[str]:
    key = _key(given.key) if given.key else None
    other = _key(given.other_key) if given.other_key else None
    kept = [note for path in given.note for note in read_notes(_content(path, MAX_CHAIN), path.name)]
    found = check_export(given.folder, key=key, other_key=other, kept=kept)
    manifest, counts = found.manifest, found.manifest.counts
    yield f"The export of the record of {manifest.party} ({manifest.uri}), made at {manifest.made_at}, holds."
    yield f"Asked for by {ascii(manifest.by)[1:-1]}: {manifest.asked}. To be destroyed by {manifest.expires_at} (Art. 11(3))."
    yield f"{counts['rows']} rows, of {counts['places']} places: {found.manifest.counts['shown']} shown, {found.empty} empty."
    yield f"Signed with key {manifest.key.fingerprint}, {_believed(key, 'compare it with the card, or give --key')}."
    yield from _complete(found)
    for each in manifest.ranges:
        yield f"Tree {each.tree.name}: leaves {each.begin} to {each.end - 1}, under {each.heads[0][0].checkpoint}."
    if not found.cosigned:
        yield "Not cosigned by the other contact point: its holder could have written all of it anew."
    else:
        yield f"{found.cosigned} of {counts['places']} places stand under heads that the other contact point signed too."
    if given.note:
        yield f"{found.kept} of {counts['places']} places stand under notes that were kept elsewhere."
    if manifest.form == "parquet":
        yield "Parquet is not read here: it is as it was signed. That its rows say what the entries say was not looked at."


def _complete(found: Exported) -> Iterator[str]:
    """Yield what an export shows of its completeness."""
    if found.manifest.completeness == "whole":
        yield f"Nothing of the period is left out: {found.begins}; {found.ends}; every place between is here."
        yield "A place is empty whose entry ended its term."
    elif found.manifest.completeness == "selected":
        yield "Each entry that is shown was asked for and stands in the record. That the other places hold none that was asked"
        yield "for is the contact point's signed word: it can be made to open any of them, by its number."
    else:
        yield "Columns are left out: that the rows say what the entries say, and that no row is missing, is the contact point's"
        yield "signed word."


def _report(given: argparse.Namespace) -> Iterator[str]:
    key = _key(given.key)
    at = check_report(_content(given.file, MAX_REPORT), key)
    yield f"It holds: every byte of the report is as it was signed with key {key.fingerprint}, {_believed(key, '')}."
    yield f"It says that it was signed at {at}: that is the signer's clock. A signature shows who said it, not that it is true."


if __name__ == "__main__":
    sys.exit(main())
