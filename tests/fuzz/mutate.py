"""Damaging files with a knowledge of what they are made of: a sound file in, one that somebody hostile may have sent out.

Bytes changed at random seldom get past the first check of a format. So a file is cut into the *pieces* that its format is
made of (fields, elements, segments, chunks), which are then left out, doubled, swapped and mixed with those of another file
of the format; numbers are changed where numbers stand, binary or in digits; and then, most times, the *mending* of the format
puts right what any writer gets right (lengths, check sums), so that the damage is met further inside. :data:`FORMATS` has
pieces, mending and words of each format, :func:`mutated` does the rest; the same generator always gives the same file.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

MAX_BYTES: Final = 1_000_000
"""Of a file that comes out, unless one that large went in."""

_NUMBERS: Final = (
    b"0",
    b"1",
    b"-1",
    b"255",
    b"256",
    b"65536",
    b"2147483648",
    b"9" * 9,
    b"9" * 10,
    b"9" * 20,
)
_TOO_MANY_DIGITS: Final = 5_000  # for int()
_ODD_NUMBERS: Final = (
    b"",
    b" 1",
    b"+1",
    b"1_0",
    b"0x10",
    b"1e9",
    b"nan",
    b"-inf",
    b"\xc2\xb2",
    b"\xef\xbc\x91",
    b"00",
    b"007",
)
_BYTES: Final = (0, 1, 2, 0x0A, 0x1C, 0x1F, 0x20, 0x30, 0x39, 0x7F, 0x80, 0xFE, 0xFF)
_ORDERS: Final[tuple[Literal["big", "little"], ...]] = ("big", "big", "little")
_DIGITS: Final = re.compile(rb"[0-9]+")
_HEAD: Final = 64  # bytes in which headers mostly lie
_HOW_MANY: Final = ((1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1), (0, 0, 2), (1, 1, 0), (1, 0, 1), (3, 2, 3))
"""Changes of pieces, of values and of bytes; mostly few, since a file of many faults is refused for the first of them."""

_MENDED: Final = 0.7  # of all files


@dataclass(frozen=True, slots=True)
class Grammar:
    """What is known of a format: its pieces, which together are the file; its words; and how to put lengths right."""

    pieces: Callable[[bytes], list[bytes]]
    words: tuple[bytes, ...] = ()
    mended: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class Seed:
    """A file to begin with, and its pieces."""

    data: bytes
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, kind: str, data: bytes) -> Seed:
        """Cut a file into the pieces of its format."""
        pieces = tuple(piece for piece in FORMATS[kind].pieces(data) if piece)
        return cls(data, pieces or (data,))


def mutated(kind: str, seeds: Sequence[Seed], rng: random.Random) -> bytes:
    """Return a damaged file of a format; cost is linear in the size of the seed that is drawn."""
    grammar = FORMATS[kind]
    seed = rng.choice(seeds)
    pieces = list(seed.pieces)
    of_pieces, of_values, of_bytes = rng.choice(_HOW_MANY)
    for _ in range(of_pieces):
        rng.choice(_OF_PIECES)(pieces, seeds, rng)
    for _ in range(of_values):
        rng.choice(_OF_VALUES)(pieces, grammar, rng)
    data = bytearray(b"".join(pieces))
    for _ in range(of_bytes):
        if data:
            rng.choice(_OF_BYTES)(data, rng)
    del data[max(MAX_BYTES, len(seed.data)) :]
    whole = bytes(data)
    return grammar.mended(whole) if rng.random() < _MENDED else whole


# --- changes of whole pieces -----------------------------------------------------------------------------------------


def _leave_out(pieces: list[bytes], _seeds: Sequence[Seed], rng: random.Random) -> None:
    if len(pieces) > 1:
        at = rng.randrange(len(pieces))
        del pieces[at : at + rng.choice((1, 1, 1, 2, 8))]


def _repeat(pieces: list[bytes], _seeds: Sequence[Seed], rng: random.Random) -> None:
    if pieces:
        at = rng.randrange(len(pieces))
        piece = b"".join(pieces[at : at + rng.choice((1, 1, 2, 5))])
        times = min(rng.choice((1, 1, 1, 2, 70, 300, 2000)), 1 + MAX_BYTES // 4 // (len(piece) + 1))
        pieces[at:at] = [piece] * times


def _swap(pieces: list[bytes], _seeds: Sequence[Seed], rng: random.Random) -> None:
    if pieces:
        one, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        pieces[one], pieces[other] = pieces[other], pieces[one]


def _splice(pieces: list[bytes], seeds: Sequence[Seed], rng: random.Random) -> None:
    """Put pieces of another file in."""
    others = rng.choice(seeds).pieces
    begin = rng.randrange(len(others))
    at = rng.randrange(len(pieces) + 1)
    pieces[at : at + rng.choice((0, 1))] = others[begin : begin + rng.choice((1, 1, 3, 10))]


def _cross(pieces: list[bytes], seeds: Sequence[Seed], rng: random.Random) -> None:
    """Go on as another file does."""
    others = rng.choice(seeds).pieces
    pieces[rng.randrange(len(pieces) + 1) :] = others[rng.randrange(len(others)) :]


def _append(pieces: list[bytes], seeds: Sequence[Seed], rng: random.Random) -> None:
    pieces += rng.choice(seeds).pieces


_OF_PIECES: Final = (_leave_out, _leave_out, _repeat, _repeat, _swap, _splice, _splice, _cross, _append)


# --- changes of the value in a piece ---------------------------------------------------------------------------------


def _number_in_digits(pieces: list[bytes], _grammar: Grammar, rng: random.Random) -> None:
    """Change a number that is written in digits, in a piece that has some."""
    for at in rng.sample(range(len(pieces)), min(len(pieces), 8)):
        found = list(_DIGITS.finditer(pieces[at][:2000]))
        if found:
            span = rng.choice(found)
            near = int(span.group()[:18]) + rng.choice((-1, 1))
            new = rng.choice((b"%d" % near, rng.choice(_NUMBERS), rng.choice(_ODD_NUMBERS), b"9" * _TOO_MANY_DIGITS))
            pieces[at] = pieces[at][: span.start()] + new + pieces[at][span.end() :]
            return


def _cut_piece(pieces: list[bytes], _grammar: Grammar, rng: random.Random) -> None:
    if pieces:
        at = rng.randrange(len(pieces))
        pieces[at] = pieces[at][: rng.randrange(len(pieces[at]) + 1)]


def _word(pieces: list[bytes], grammar: Grammar, rng: random.Random) -> None:
    """Put a word of the format in, beside a piece or into it."""
    if grammar.words and pieces:
        at = rng.randrange(len(pieces))
        inside = rng.randrange(len(pieces[at]) + 1)
        times = rng.choice((1, 1, 1, 2, 600))
        pieces[at] = pieces[at][:inside] + rng.choice(grammar.words) * times + pieces[at][inside:]


def _head_of_piece(pieces: list[bytes], _grammar: Grammar, rng: random.Random) -> None:
    """Change one of the first bytes of a piece, where its kind and its length mostly stand."""
    if pieces:
        at = rng.randrange(len(pieces))
        piece = bytearray(pieces[at])
        if piece:
            piece[rng.randrange(min(len(piece), 8))] = rng.choice((*_BYTES, rng.randrange(256)))
            pieces[at] = bytes(piece)


_OF_VALUES: Final = (_number_in_digits, _number_in_digits, _cut_piece, _word, _head_of_piece)


# --- changes of bytes ------------------------------------------------------------------------------------------------


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(min(len(data), _HEAD) if rng.random() < 0.5 else len(data))


def _flip(data: bytearray, rng: random.Random) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: random.Random) -> None:
    data[_place(data, rng)] = rng.choice((*_BYTES, rng.randrange(256)))


def _number(data: bytearray, rng: random.Random) -> None:
    """Change a number of 2, 4 or 8 bytes, in either order, as a length or a count might be wrong."""
    at, size = _place(data, rng), rng.choice((2, 2, 4, 4, 8))
    order: Literal["big", "little"] = rng.choice(_ORDERS)
    old = int.from_bytes(data[at : at + size], order)
    whole = 1 << 8 * size
    near = (old + 1, old - 1, 2 * old, old >> 1)
    new = rng.choice((*near, 0, 1, whole - 1, whole >> 1, (whole >> 1) - 1, len(data), len(data) - at))
    data[at : at + size] = (new % whole).to_bytes(size, order)[: len(data) - at]


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _take_out(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 1, 2, 4, 30))]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.choice((rng.randbytes(rng.choice((1, 2, 4, 30))), bytes(rng.choice((1, 2, 300)))))


def _move(data: bytearray, rng: random.Random) -> None:
    """Write a stretch of the file over another place of it."""
    begin, at, size = rng.randrange(len(data)), _place(data, rng), rng.choice((1, 2, 4, 8, 40))
    stretch = data[begin : begin + size]
    data[at : at + len(stretch)] = stretch


_OF_BYTES: Final = (_flip, _flip, _set, _set, _number, _number, _number, _cut, _take_out, _insert, _move)


# --- what formats are made of ----------------------------------------------------------------------------------------


def _split_by(pattern: bytes) -> Callable[[bytes], list[bytes]]:
    """Cut before each match of a pattern."""
    compiled = re.compile(pattern)

    def pieces(data: bytes) -> list[bytes]:
        return _cut_at(data, (found.start() for found in compiled.finditer(data)))

    return pieces


def _cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def _evenly(head: int, size: int) -> Callable[[bytes], list[bytes]]:
    return lambda data: _cut_at(data, range(head, len(data), size))


_ELEMENT: Final = re.compile(rb"<([^\s<>/!?]+)[^<>]*>[^<]*</\1>|<")


def _elements(data: bytes) -> list[bytes]:
    """Cut an XML document around its innermost elements, and before every other tag."""
    found = [match.span() if match.group(1) else match.span()[:1] for match in _ELEMENT.finditer(data)]
    return _cut_at(data, itertools.chain.from_iterable(found))


def _segments(data: bytes) -> list[bytes]:
    """Cut where the markers of WSQ, JPEG and JPEG 2000 codestreams stand: two bytes, then two of length."""
    places, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        places.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        while at + 1 < len(data) and (data[at] != 0xFF or data[at + 1] in {0, *range(0xD0, 0xD8)}):
            at += 1
    return _cut_at(data, [*places, at])


def _boxes(data: bytes) -> list[bytes]:
    """Cut a JP2 file where its boxes begin, and the codestream where its markers stand."""
    if data[:4] == b"\xff\x4f\xff\x51":
        return _segments(data)
    pieces, at = [], 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4]) or len(data) - at
        box = data[at : at + max(length, 8)]
        inner = box[8:] if box[4:8] in {b"jp2h", b"jp2c"} else b""
        pieces += [box[:8], *(_segments(inner) if box[4:8] == b"jp2c" else _boxes(inner))] if inner else [box]
        at += max(length, 8)
    return [*pieces, data[at:]]


def _chunks(data: bytes) -> list[bytes]:
    """Cut a PNG file where its chunks begin."""
    places, at = [8], 8
    while at + 12 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4])
        places.append(at)
    return _cut_at(data, places)


def _summed(data: bytes) -> bytes:
    """Put the check sums of a PNG file right, as far as its chunks go."""
    at, mended = 8, bytearray(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(mended)


_RECORD: Final = re.compile(rb"(?:\A|(?<=\x1c))(?:[0-9]{1,2}\.0{0,2}1:([0-9]+)\x1d|\x00\x00)")


def _with_lengths(data: bytes) -> bytes:
    """Put LEN right in the tagged records of a transaction; the next begins where it looks as if one did."""
    found = list(_RECORD.finditer(data))
    edges = [*(each.start() for each in found), len(data)]
    parts = [data[: edges[0]]]
    for record, end in zip(found, edges[1:], strict=True):
        part = data[record.start() : end]
        if record.group(1):
            begin, after = (edge - record.start() for edge in record.span(1))
            bare = len(part) - (after - begin)
            digits = next(size for size in range(1, 9) if len(str(bare + size)) == size)
            part = part[:begin] + str(bare + digits).encode() + part[after:]
        parts.append(part)
    return b"".join(parts)


def _with_length_of_minutiae(data: bytes) -> bytes:
    """Put the length of a minutiae record right: 4 bytes, or 2 where INCITS 378-2004 was short."""
    size = 4 if data[8:10] == b"\x00\x00" else 2
    return _put(data, 8, size, len(data))


def _with_length_of_images(data: bytes) -> bytes:
    """Put the length of a finger image record right: 6 bytes up to 2005, 4 in 2011."""
    return _put(data, 8, 6 if data[4:7] == b"010" else 4, len(data))


def _with_length_of_container(data: bytes) -> bytes:
    """Put the length of the biometric record right, by that of the signature."""
    return _put(data, 2, 4, max(0, len(data) - 88 - int.from_bytes(data[6:8])))


def _put(data: bytes, at: int, size: int, value: int) -> bytes:
    if len(data) < at + size or value >= 1 << 8 * size:
        return data
    return data[:at] + value.to_bytes(size) + data[at + size :]


_TAGS: Final = (
    b"1.001:",
    b"1.003:",
    b"1.015:",
    b"2.001:",
    b"2.084:",
    b"4.001:",
    b"9.002:",
    b"9.012:",
    b"9.137:",
    b"9.331:",
)
_MORE_TAGS: Final = (b"14.002:", b"14.999:", b"99.999:", b"0.0:")
_MARKUP: Final = (
    b"<!DOCTYPE a [<!ENTITY b 'b'>]>",
    b"&b;&lt;&#0;&#x41;",
    b"<![CDATA[ ]]>",
    b"<?xml version='1.1' encoding='utf-7'?>",
    b"<!-- -->",
    b"<a xmlns='b' c='d'>",
    b"</a>",
    b"<a/>",
    "指紋".encode(),
)
_JSON: Final = (
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b'"\\ud800"',
    b"[",
    b'{"a":',
    b"]",
    b"}",
    b'"message":',
    b"\xff",
    b'"\\u0000"',
)

FORMATS: Final[dict[str, Grammar]] = {
    "itl": Grammar(
        _split_by(rb"(?<=[\x1c-\x1f])"), (b"\x1c", b"\x1d", b"\x1e", b"\x1f", *_TAGS, *_MORE_TAGS), _with_lengths
    ),
    "xml": Grammar(_elements, _MARKUP),
    "minutiae": Grammar(_evenly(24, 6), (b"FMR\x00 20\x00", b"FMR\x00030\x00"), _with_length_of_minutiae),
    "card": Grammar(_evenly(0, 3)),
    "finger-images": Grammar(_evenly(16, 16), (b"FIR\x00010\x00", b"FIR\x00020\x00"), _with_length_of_images),
    "container": Grammar(
        _evenly(0, 8), (b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x00\x00"), _with_length_of_container
    ),
    "message": Grammar(_split_by(rb"[{}\[\],:]|(?<=[{}\[\],:])"), _JSON),
    "wsq": Grammar(_segments, (b"\xff\xa0", b"\xff\xa1", b"\xff\xa3\x00\x03\x00", b"\xff\x00")),
    "jpeg": Grammar(_segments, (b"\xff\xd8", b"\xff\xd9", b"\xff\xd0", b"\xff\xdd\x00\x04\x00\x01", b"\xff\x00")),
    "jp2": Grammar(_boxes, (b"\xff\x93", b"\xff\xd9", b"\x00\x00\x00\x00jp2c")),
    "png": Grammar(_chunks, (b"\x00\x00\x00\x00IDAT", b"\x00\x00\x00\x01tRNS"), _summed),
    "tiff": Grammar(_evenly(10, 12)),
    "bmp": Grammar(_evenly(2, 4)),
    "pgm": Grammar(_split_by(rb"(?<=\s)"), (b"#", b"\n", b"P5")),
    "slap": Grammar(_evenly(5, 64)),
}
"""Every format that is damaged here, by name."""
