"""Merkle trees word for word as RFC 9162 defines them: slow, recursive and obvious, to hold :mod:`pcsc.merkle` against.

The definitions of 2.1.1, 2.1.3.1 and 2.1.4.1 are recursions over slices; the two verifications follow the numbered steps of
2.1.3.2 and 2.1.4.2 and return whether the proof holds.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def sha256(data: bytes) -> bytes:
    """Return HASH of the standard."""
    return hashlib.sha256(data).digest()


def mth(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle Tree Hash: 2.1.1."""
    match len(leaves):
        case 0:
            return sha256(b"")
        case 1:
            return sha256(b"\x00" + leaves[0])
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def split(n: int) -> int:
    """Return the largest power of two smaller than ``n``."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D_n): 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PROOF(m, D_n), for 0 < m < n: 2.1.4.1."""
    return subproof(m, leaves, whole=True)


def subproof(m: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """Return SUBPROOF(m, D_n, b): 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def included(hashed: bytes, index: int, size: int, steps: Sequence[bytes], root: bytes) -> bool:
    """Whether an inclusion proof holds: the steps of 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hashed
    for p in steps:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(first: int, first_hash: bytes, second: int, second_hash: bytes, steps: Sequence[bytes]) -> bool:
    """Whether a consistency proof holds, for 0 < first < second: the steps of 2.1.4.2."""
    if not steps:
        return False
    way = [first_hash, *steps] if first & (first - 1) == 0 else list(steps)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = way[0]
    for c in way[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01" + c + fr), sha256(b"\x01" + c + sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\x01" + sr + c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_hash and sr == second_hash and sn == 0
