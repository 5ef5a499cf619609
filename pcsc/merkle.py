"""Merkle trees as RFC 9162, section 2.1, has them, with SHA-256: one number for many leaves, and short proofs about it.

A tree's *root* (the Merkle Tree Hash of 2.1.1) changes with every bit of every leaf. An *inclusion proof* (2.1.3) shows in at
most 63 hashes that a leaf is in a tree of which only size and root are known; a *consistency proof* (2.1.4) that a tree begins
with all of a smaller one, so that nothing in it was changed since. Who checks them needs no leaf but the one asked about.

A leaf's *data* are what is put in: for the record of Article 11 the 32 bytes of an entry's commitment. Hashing them is done
here, with another first byte than for the nodes above, so that no node can be passed off as a leaf. Hashes are 32 bytes.
:class:`Frontier` is all that a growing tree needs of its past, and :class:`Growth` proves with it what came after.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from pcsc.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HASH_SIZE: Final = 32
MAX_SIZE: Final = 2**63 - 1
"""The largest number of leaves that a tree is taken to have: what databases and other programs hold as one integer."""
EMPTY: Final = hashlib.sha256().digest()
"""The root of the tree without leaves: 2.1.1."""


class MerkleError(RecordError):
    """A proof about a tree of the record does not hold, or is none."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others: RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over the data of these leaves: RFC 9162, 2.1.1. Two hashes a leaf."""
    *_, (_, top) = _levels(leaves)
    return top[0] if top else EMPTY


def inclusion(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the proof that the leaf at ``index`` (from 0) is in the tree over these leaves: RFC 9162, 2.1.3.1.

    Bottom up: the hash beside each node on the way from the leaf to the root. Costs two hashes a leaf.

    Raises:
        MerkleError: there is no leaf at that index.

    """
    _check_index(index, len(leaves))
    return tuple(_beside(index, _levels(leaves)))


def consistency(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree over these leaves begins with the tree over the first ``size``: RFC 9162, 2.1.4.1.

    It is empty where there is nothing to show: for no leaf, and for all of them. Costs two hashes a leaf.

    Raises:
        MerkleError: there are fewer leaves, or ``size`` is negative.

    """
    _check_sizes(size, len(leaves))
    return () if size in (0, len(leaves)) else tuple(_since(size, _levels(leaves)))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf`` (its data) is at ``index`` in the tree of ``size`` leaves with this root: RFC 9162, 2.1.3.2.

    At most 64 hashes, whatever is given.

    Raises:
        MerkleError: it is not, or what is given is no proof for a tree of that size.

    """
    _check_size(size)
    _check_index(index, size)
    below, above = _inclusion_lengths(index, size)
    _check_proof(proof, below + above, f"of leaf {index} in a tree of {size}")
    found = leaf_hash(leaf)
    for height, beside in enumerate(proof):
        # Above the point where the ways to this and to the last leaf part, only left neighbours are named.
        found = node_hash(beside, found) if height >= below or index >> height & 1 else node_hash(found, beside)
    if found != root:
        raise MerkleError(
            f"the leaf is not at index {index} of the tree of {size}: the proof leads to {_short(found)}, and the tree's root "
            f"is {_short(root)}"
        )


def check_consistency(size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``size2`` leaves begins with all of the tree of ``size1``: RFC 9162, 2.1.4.2.

    The standard leaves out two cases: every tree begins with the empty one, and with itself; the proof of both is empty. At
    most 128 hashes, whatever is given.

    Raises:
        MerkleError: it does not, or what is given is no proof for trees of these sizes.

    """
    _check_size(size2)
    _check_sizes(size1, size2)
    between = f"between trees of {size1} and {size2}"
    if size1 in (0, size2):
        _check_proof(proof, 0, between)
        _check_same(root1, EMPTY if size1 == 0 else root2, size1)
        return
    depth = _complete(size1)
    node = (size1 - 1) >> depth
    below, above = _inclusion_lengths(node, (size2 - 1 >> depth) + 1)
    _check_proof(proof, below + above + (node > 0), between)
    first, *rest = proof if node else (root1, *proof)
    old = new = first
    for height, beside in enumerate(rest):
        if height >= below or node >> height & 1:
            old, new = node_hash(beside, old), node_hash(beside, new)
        else:
            new = node_hash(new, beside)
    _check_same(root1, old, size1)
    _check_same(root2, new, size2)


@dataclass(frozen=True, slots=True)
class Frontier:
    """What a tree must remember to grow: the roots of its complete subtrees, the largest first. Logarithmic in its size."""

    size: int
    nodes: tuple[bytes, ...]
    """One for each bit that is set in ``size``."""

    @classmethod
    def empty(cls) -> Frontier:
        """Return the tree without leaves."""
        return cls(0, ())

    @classmethod
    def over(cls, leaves: Iterable[bytes]) -> Frontier:
        """Return the tree over the data of these leaves. Two hashes a leaf."""
        frontier = cls.empty()
        for leaf in leaves:
            frontier = frontier.append(leaf)
        return frontier

    def append(self, leaf: bytes) -> Frontier:
        """Return the tree with one more leaf, of this data. Two hashes in the mean."""
        return self._joined(leaf_hash(leaf), 1)

    def beside(self, nodes: Sequence[bytes], size: int) -> Frontier:
        """Return the tree of ``size`` leaves that begins with this one, of which the rest is known by :func:`subtrees` alone.

        ``nodes`` are the roots of these subtrees. Two hashes a node in the mean.

        Raises:
            MerkleError: the tree would be smaller, or the rest has another number of subtrees.

        """
        _check_sizes(self.size, size)
        rest = list(subtrees(self.size, size))
        _check_proof(nodes, len(rest), f"that a tree of {size} continues one of {self.size}")
        found = self
        for node, (_, leaves) in zip(nodes, rest, strict=True):
            found = found._joined(node, leaves)
        return found

    def _joined(self, node: bytes, leaves: int) -> Frontier:
        """Return the tree followed by a complete subtree of so many leaves, which is to stand where such a one can."""
        nodes, size = self.nodes, self.size + leaves
        for _ in range(
            _complete(size) - _complete(leaves)
        ):  # of two complete subtrees of one size comes one of the double
            node, nodes = node_hash(nodes[-1], node), nodes[:-1]
        return Frontier(size, (*nodes, node))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.nodes:
            return EMPTY
        *rest, found = self.nodes
        for node in reversed(rest):
            found = node_hash(node, found)
        return found

    def text(self) -> str:
        """Return this as a line of text: the size, then the nodes in hexadecimal, with spaces between."""
        return " ".join([str(self.size), *(node.hex() for node in self.nodes)])

    @classmethod
    def of(cls, text: str) -> Frontier:
        """Return what :meth:`text` wrote.

        Raises:
            MerkleError: it is not of that form, or not of as many nodes as a tree of that size has.

        """
        if not _FRONTIER.fullmatch(text):
            raise MerkleError(
                "what a tree remembers is its size and at most 63 hashes in hexadecimal; got something else, of "
                f"{len(text)} characters"
            )
        size, *nodes = text.split(" ")
        if len(nodes) != int(size).bit_count() or int(size) > MAX_SIZE:
            raise MerkleError(
                f"a tree of {size} leaves has {int(size).bit_count()} complete subtrees, and at most {MAX_SIZE} leaves; got "
                f"{len(nodes)} hashes"
            )
        return cls(int(size), tuple(bytes.fromhex(node) for node in nodes))


def subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that the leaves from ``begin`` to before ``end`` fall into: first leaf, number of leaves.

    At most two of each size: with their roots, and a :class:`Frontier` of the leaves before, a range of leaves is shown to be
    all that stands there (the compact ranges of transparency logs).
    """
    while begin < end:
        most = 1 << ((end - begin).bit_length() - 1)
        leaves = min(begin & -begin, most) if begin else most
        yield begin, leaves
        begin += leaves


_FRONTIER: Final = re.compile("(0|[1-9][0-9]{0,18})( [0-9a-f]{64}){0,63}")


class Growth:
    """A tree that grew: what it remembers of its first leaves, and the data of those that came after.

    Its root, and every proof about what came after, are those over all leaves, of which the first are not read again. Costs
    two hashes for each leaf that came after and one for each level, once; a proof is then looked up.
    """

    def __init__(self, before: Frontier, leaves: Sequence[bytes]) -> None:
        self.before = before
        self.size = before.size + len(leaves)
        self._levels = tuple(_levels(leaves, before))

    def root(self) -> bytes:
        """Return the root of the tree: RFC 9162, 2.1.1."""
        _, top = self._levels[-1]
        return top[0] if top else EMPTY

    def frontier(self) -> Frontier:
        """Return what the tree remembers as it is now."""
        heights = reversed(range(self.size.bit_length()))
        return Frontier(self.size, tuple(self._last(height) for height in heights if self.size >> height & 1))

    def _last(self, height: int) -> bytes:
        """Return the root of the last complete subtree of this height."""
        first, level = self._levels[height]
        return level[(self.size >> height) - 1 - first]

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """Return the proof that the leaf at ``index``, one that came after, is in the tree: RFC 9162, 2.1.3.1.

        Raises:
            MerkleError: there is no leaf at that index, or it was there before.

        """
        _check_index(index, self.size)
        if index < self.before.size:
            raise MerkleError(
                f"of the first {self.before.size} leaves of a tree of {self.size} only the frontier is known, which proves "
                f"leaves from index {self.before.size} on; got {index}: prove it over all leaves"
            )
        return tuple(_beside(index, self._levels))

    def consistency(self) -> tuple[bytes, ...]:
        """Return the proof that the tree begins with the one before: RFC 9162, 2.1.4.1; empty where nothing is to be shown."""
        return () if self.before.size in (0, self.size) else tuple(_since(self.before.size, self._levels))


_Level = tuple[int, list[bytes]]
"""The index of the first node of a level that is known, an even one, and the hashes from there on."""


def _levels(leaves: Sequence[bytes], before: Frontier | None = None) -> Iterator[_Level]:
    """Yield the hashes of the leaves that come after ``before``, then those of each level above, up to the root."""
    first, known = (0, []) if before is None else (before.size, list(before.nodes))
    level = [leaf_hash(leaf) for leaf in leaves]
    while True:
        if first & 1:  # the last complete subtree before is of this height: the left neighbour of what comes next
            first, level = first - 1, [known.pop(), *level]
        yield first, level
        if first == 0 and len(level) < 2:  # a root has no neighbour
            return
        above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        first, level = first >> 1, above + level[2 * len(above) :]  # one without a neighbour rises as it is


def _since(size: int, levels: Iterable[_Level]) -> Iterator[bytes]:
    """Yield the proof that the tree of these levels begins with one of ``size``, neither empty nor all of it."""
    # The last node of the smaller tree that is complete also in the larger: from there it is an inclusion proof.
    depth = _complete(size)
    node, above = (size - 1) >> depth, islice(levels, depth, None)
    first, level = next(above)
    if node:  # else that node is the whole smaller tree, and whoever checks has its hash
        yield level[node - first]
    yield from _beside(node, chain([(first, level)], above))


def _beside(node: int, levels: Iterable[_Level]) -> Iterator[bytes]:
    """Yield the hash beside each node on the way up from ``node`` of the first level, where there is one."""
    for first, level in levels:
        if (node ^ 1) - first < len(level):
            yield level[(node ^ 1) - first]
        node >>= 1


def _complete(size: int) -> int:
    """Return how many levels the last complete subtree of a tree of ``size`` (1 or more) has above its leaves."""
    return (size & -size).bit_length() - 1


def _inclusion_lengths(index: int, size: int) -> tuple[int, int]:
    """Return how many hashes an inclusion proof has below and above the point where the way to the last leaf joins."""
    below = (index ^ (size - 1)).bit_length()
    return below, (index >> below).bit_count()


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise MerkleError(f"a tree has 0 to {MAX_SIZE} leaves; got {_count(size)}")


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise MerkleError(f"the leaves of a tree of {size} have the indexes from 0 to {size - 1}; got {_count(index)}")


def _check_sizes(size1: int, size2: int) -> None:
    if not 0 <= size1 <= size2:
        raise MerkleError(
            f"a tree of {size2} leaves begins with trees of 0 to {size2}; got {_count(size1)}: the record became shorter"
            if size1 > size2
            else f"a tree of {size2} leaves begins with trees of 0 to {size2}; got {_count(size1)}"
        )


def _check_proof(proof: Sequence[bytes], length: int, of: str) -> None:
    if len(proof) != length:
        raise MerkleError(f"the proof {of} has {length} hashes; got {len(proof)}")
    for place, each in enumerate(proof):
        if len(each) != HASH_SIZE:
            raise MerkleError(
                f"a hash of a proof is {HASH_SIZE} bytes; got {len(each)} in hash {place} of the proof {of}"
            )


def _check_same(root: bytes, found: bytes, size: int) -> None:
    if found != root:
        raise MerkleError(
            f"the trees are not consistent: the proof leads to {_short(found)} for the tree of {size}, and its root is "
            f"{_short(root)}"
        )


def _count(number: int) -> str:
    """Return a number as a message shows it; one that nobody can read by its length."""
    return str(number) if abs(number) <= MAX_SIZE else f"a number of {number.bit_length()} bits"


def _short(digest: bytes) -> str:
    """Return the beginning of a hash, by which a message tells it from another."""
    return digest[:4].hex()
