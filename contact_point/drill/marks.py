"""What is planted, and how it would look wherever it was left.

A marked print has rows of random pixels and minutiae that no other print has. It does not stay as it was planted: the service
encodes it as PNG, puts that into a transaction, the transaction as base64 into JSON; the extractor makes single precision of
its pixels, the minutiae become arrays and records. Each of these is a form, and of each form short chunks are looked for, one
in every :data:`EVERY` bytes, so that no page of any form can lie anywhere unseen unless it is blank: as they are, in base64 of
either alphabet and any of its three alignments, and in hexadecimal. Keys are marks too, since a key that is
left opens what is left.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from contact_point.nist import minutiae
from matcher import images
from matcher.formats import write_iso19794_2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from matcher.images import Image
    from matcher.template import Template

LENGTH: Final = 16
"""Bytes by which a chunk is found; a longer one is compared to its end."""

EVERY: Final = 2048
"""One chunk of a form for so many of its bytes: half a page of memory, and of most file systems."""

_TELLING: Final = 10  # different bytes among 16, below which they may well be somewhere by chance
_WIDE: Final = 64  # pixels in single precision are mostly zeros: more of them make a chunk
_MINUTIAE: Final = 8
_BLOCK: Final = 1 << 20


class What(StrEnum):
    """Kinds of marks."""

    IMAGE = "probe image"
    TEMPLATE = "probe template"
    CANDIDATE_IMAGE = "candidate image"
    CANDIDATE_TEMPLATE = "candidate template"
    KEY = "data key"
    WRAPPED = "wrapped key"
    WRAPPING = "wrapping key"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one form of a mark; ``encoded`` tells whether that form may also stand in base64 or hexadecimal."""

    form: str
    content: bytes
    encoded: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One thing that was planted: the chunks by which it is found, and itself in clear, for the control."""

    what: What
    name: str
    chunks: tuple[Chunk, ...]
    clear: bytes
    lawful: frozenset[str] = frozenset()
    """Places that hold it lawfully, where it is not looked for: a gallery's own templates in the memory that searches them."""


def of_image(image: Image) -> tuple[Chunk, ...]:
    """Return chunks of every form of a picture: pixels, pixels in single precision, PNG."""
    pixels, png = image.pixels.tobytes(), images.write_png(image)
    single = (
        np.frombuffer(each, np.uint8).astype(np.float32).tobytes()[:_WIDE] for each in _telling(pixels, EVERY // 4)
    )
    return (
        *(Chunk("pixels", each) for each in _telling(pixels)),
        *(Chunk("pixels in single precision", each, encoded=False) for each in single),
        *(Chunk("PNG", each) for each in _telling(png)),
    )


def of_template(template: Template) -> tuple[Chunk, ...]:
    """Return chunks of every form of minutiae: ISO/IEC 19794-2, ANSI/NIST-ITL Type-9, and arrays; none where they are few."""
    if len(template) < _MINUTIAE:
        return ()
    record = minutiae.write_m1(template, idc=1, impression=4)
    texts = {"ISO/IEC 19794-2": write_iso19794_2([template]), "Type-9": max((f.value for f in record.fields), key=len)}
    arrays: dict[str, NDArray[np.generic]] = {"direction": template.direction}
    for name in ("x", "y"):
        arrays |= {
            f"{name} as {kind}": getattr(template, name).astype(kind) for kind in ("int16", "float32", "float64")
        }
    written = [Chunk(form, each) for form, text in texts.items() for each in _pieces(text[28:])]
    return *written, *(
        Chunk(form, each, encoded=False) for form, of in arrays.items() for each in _pieces(of.tobytes())
    )


def of_key(key: bytes) -> tuple[Chunk, ...]:
    """Return the halves of a key."""
    return tuple(Chunk("key", each) for each in _pieces(key))


def _telling(data: bytes, every: int = EVERY) -> Iterator[bytes]:
    """Yield in each so many bytes those 16 that are the least likely to be anywhere by chance."""
    for start in range(0, len(data), every):
        window = data[start : start + every]
        places = range(0, max(1, len(window) - LENGTH + 1), 4 * LENGTH)
        best = max((window[at : at + LENGTH] for at in places), key=lambda piece: len(set(piece)))
        if len(set(best)) >= _TELLING:
            yield best


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield whole pieces, one after the other."""
    for start in range(0, len(data) - LENGTH + 1, LENGTH):
        yield data[start : start + LENGTH]


def _written(chunk: Chunk) -> Iterator[tuple[str, bytes]]:
    """Yield a chunk as it would be found: itself, in hexadecimal, and inside base64, which has it in one of three ways."""
    yield chunk.form, chunk.content
    if not chunk.encoded:
        return
    digits = chunk.content[: LENGTH // 2].hex()
    for text in (digits, digits.upper()):
        yield f"{chunk.form} in hexadecimal", text.encode()
    for skipped in range(3):
        twelve = chunk.content[skipped : skipped + 12]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield f"{chunk.form} in base64", encode(twelve)


class Marks:
    """Marks made ready to be looked for. What two marks have in common, such as a header, is not looked for."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        """Prepare the search; it takes some microseconds and 200 bytes a chunk."""
        self.marks = tuple(marks)
        needles: dict[bytes, tuple[int, str, bytes] | None] = {}
        for number, mark in enumerate(self.marks):
            for chunk in mark.chunks:
                for form, text in _written(chunk):
                    other = needles.setdefault(text[:LENGTH], (number, form, text))
                    if other is None or other[0] != number:
                        needles[text[:LENGTH]] = None
        self._needles = {key: needle for key, needle in needles.items() if needle is not None}
        hashes = _hashes(np.frombuffer(b"".join(self._needles), np.uint64))[::2]
        self._sorted = np.sort(hashes)
        self._first = np.zeros(1 << _BITS, np.bool_)
        self._first[_bucket(hashes)] = True

    def found(self, data: bytes) -> Iterator[tuple[int, int, str]]:
        """Yield offset, number of the mark and form of each chunk that lies in ``data``; about 6 ns a byte."""
        for start in range(0, len(data), _BLOCK):
            yield from self._in_block(data, start, np.frombuffer(data, np.uint8)[start : start + _BLOCK + LENGTH - 1])

    def _in_block(self, data: bytes, start: int, block: NDArray[np.uint8]) -> Iterator[tuple[int, int, str]]:
        for shift in range(min(8, max(0, len(block) - LENGTH + 1))):
            words = block[shift : shift + (len(block) - shift) // 8 * 8].view(np.uint64)
            hashes = _hashes(words)
            at = np.flatnonzero(self._first[_bucket(hashes)])
            near = np.minimum(np.searchsorted(self._sorted, hashes[at]), len(self._sorted) - 1)
            for place in (at[self._sorted[near] == hashes[at]] * 8 + shift + start).tolist():
                needle = self._needles.get(data[place : place + LENGTH])
                if needle is not None and data.startswith(needle[2], place):
                    yield place, needle[0], needle[1]


_BITS: Final = 22
_SHIFT: Final = np.uint64(64 - _BITS)
_ODD: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


def _bucket(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return hashes >> _SHIFT


def _hashes(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a number for each two words that follow each other; multiplication is meant to overflow."""
    mixed = words[:-1] * _ODD[0]
    mixed ^= words[1:] * _ODD[1]
    return mixed
