"""Is this WSQ file whole? Its markers, its size, and whether it codes every coefficient that the picture needs.

WSQ (FBI IAFIS-IC-0110 v3.1) is a wavelet codec. Its common C decoder takes a file's word for much: given a valid header and
hardly any data it returns whatever was in memory as a picture. So a file is read here first, without making a picture:
:func:`check` walks the markers, then the Huffman codes of every block, and compares the number of coefficients coded with
the number in the subbands of a picture of this size.

Standard library only: the jailed process loads this file by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PIXELS_PER_BYTE: Final = 400
"""A blank filler of 512 x 480 takes 9 kB; a bomb of 4000 x 4000 takes 659 bytes."""

MAX_BLOCKS: Final = 4
MAX_TABLES: Final = 8

_SOI: Final = 0xFFA0
_EOI: Final = 0xFFA1
_SOF: Final = 0xFFA2
_SOB: Final = 0xFFA3
_DTT: Final = 0xFFA4
_DQT: Final = 0xFFA5
_DHT: Final = 0xFFA6
_COM: Final = 0xFFA8
_MARKER: Final = re.compile(rb"\xff[^\x00]")

_SUBBANDS: Final = 64
_CODED_SUBBANDS: Final = 60  # the last four, the finest diagonal, are never coded

# The standard's categories of Huffman symbols: 1-100 runs of zeros, 107-254 values, and these, with the bits that follow.
_ESCAPES: Final = {101: 8, 102: 8, 103: 16, 104: 16}
_RUNS: Final = {105: 8, 106: 16}
_LAST_SYMBOL: Final = 254

_MAX_PADDING: Final = 8  # bits


class WsqError(ValueError):
    """The bytes are not a whole WSQ file."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A Huffman table, opened out: for each 16 bits ahead, how many to step on and how many coefficients that gives.

    A step of 0 is no code; a count of -8 or -16 is a run whose length are the last so many bits stepped over.
    """

    steps: list[int]
    counts: list[int]


@dataclass(slots=True)
class _File:
    """What the markers said."""

    size: tuple[int, int] | None = None
    coded: list[bool] = field(default_factory=list)
    transform: bool = False
    tables: dict[int, _Table] = field(default_factory=dict)
    blocks: list[tuple[_Table, bytes]] = field(default_factory=list)


def size(data: bytes) -> tuple[int, int]:
    """Return width and height from the frame header, reading no further.

    Raises:
        WsqError: no frame header is reached.

    """
    for marker, body, _entropy in _segments(data):
        if marker == _SOF:
            return _frame(body)
    raise WsqError("a WSQ file has a frame header (SOF); this one ends without")


def check(data: bytes) -> None:
    """Check that a WSQ file is whole: one frame, its tables, and blocks that code each coefficient once.

    Raises:
        WsqError: it is not, and why.

    """
    file = _walk(data)
    if file.size is None or not (file.coded and file.transform and file.blocks):
        raise WsqError("a WSQ file has a frame header, transform and quantisation tables and a block; one is missing")
    sizes = subband_sizes(*file.size)[:_CODED_SUBBANDS]
    needed = sum(count for count, coded in zip(sizes, file.coded, strict=False) if coded)
    least = most = 0
    for table, entropy in file.blocks:
        certain, padding = _coefficients(table, entropy, needed - least)
        least, most = least + certain, most + certain + padding
    if not least <= needed <= most:
        raise WsqError(
            f"a picture of {file.size[0]} x {file.size[1]} so quantised has {needed} coefficients; the file codes "
            f"{least}: it is cut short or damaged"
        )


def subband_sizes(width: int, height: int) -> list[int]:
    """Return the number of coefficients in each of the 64 subbands, in the standard's order.

    Each split halves a side into a low and a high band. Where the side is odd the low band is the longer. The spectrum of
    a high band runs backwards, so that there the second half is the low one.
    """
    low_x, low_y = (width + 1) // 2, (height + 1) // 2
    (x, high_x), (y, high_y) = _halves(low_x), _halves(low_y)
    coarsest_x, coarsest_y = _quarters(x)[0], _quarters(y)[0]
    return [
        *(w * h for h in _halves(coarsest_y) for w in _halves(coarsest_x)),
        *_sixteen(_quarters(x), _quarters(y))[1:],
        *_sixteen(_quarters(high_x, backwards=True), _quarters(y)),
        *_sixteen(_quarters(x), _quarters(high_y, backwards=True)),
        *_sixteen(_quarters(width), _quarters(height))[3:],
    ]


def _halves(side: int) -> tuple[int, int]:
    return (side + 1) // 2, side // 2


def _quarters(side: int, *, backwards: bool = False) -> tuple[int, int, int, int]:
    first, second = _halves(side)[::-1] if backwards else _halves(side)
    return *_halves(first), *_halves(second)[::-1]


def _sixteen(xs: tuple[int, int, int, int], ys: tuple[int, int, int, int]) -> list[int]:
    """Return the areas of 4 x 4 bands, by quadrants of quadrants."""
    return [w * h for high in (ys[:2], ys[2:]) for wide in (xs[:2], xs[2:]) for h in high for w in wide]


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each marker after SOI with its segment's body and, after SOB, the entropy-coded bytes that follow."""
    if data[:2] != _SOI.to_bytes(2):
        raise WsqError(f"a WSQ file begins with FFA0 (SOI); got {data[:2].hex().upper() or 'nothing'}")
    at = 2
    while (marker := int.from_bytes(data[at : at + 2])) != _EOI:
        length = int.from_bytes(data[at + 2 : at + 4])
        if at + 4 > len(data) or length < 2 or at + 2 + length > len(data):
            raise WsqError(f"a WSQ file ends with FFA1 (EOI); this one breaks off in a segment at byte {at}")
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        entropy = b""
        if marker == _SOB:
            end = _MARKER.search(data, at)
            if end is None:
                raise WsqError("a WSQ file ends with FFA1 (EOI); this one breaks off in a block")
            entropy, at = data[at : end.start()].replace(b"\xff\x00", b"\xff"), end.start()
        yield marker, body, entropy
    if data[at + 2 :].strip(b"\x00"):
        raise WsqError(f"a WSQ file ends with FFA1 (EOI); {len(data) - at - 2} bytes follow")


def _walk(data: bytes) -> _File:
    file = _File()
    for marker, body, entropy in _segments(data):
        if marker == _SOF:
            if file.size is not None:
                raise WsqError("a WSQ file has one frame header (SOF); this one has more")
            file.size = _frame(body)
        elif marker == _SOB:
            _add_block(file, body, entropy)
        elif marker == _DTT:
            file.transform = _transform(body)
        elif marker == _DQT:
            file.coded = _quantisation(body)
        elif marker == _DHT:
            file.tables.update(_huffman(body))
        elif marker != _COM:
            raise WsqError(f"{marker:04X} is no marker of a WSQ file")
    return file


def _frame(body: bytes) -> tuple[int, int]:
    if len(body) != 15:
        raise WsqError(f"a frame header (SOF) has a length of 17; got {len(body) + 2}")
    return int.from_bytes(body[4:6]), int.from_bytes(body[2:4])


def _add_block(file: _File, body: bytes, entropy: bytes) -> None:
    if file.size is None:
        raise WsqError("a block (SOB) comes after the frame header (SOF); here it comes before")
    if len(body) != 1 or body[0] not in file.tables:
        raise WsqError(f"a block (SOB) names one Huffman table that is defined; got {body.hex().upper() or 'none'}")
    if len(file.blocks) == MAX_BLOCKS:
        raise WsqError(f"a WSQ file has at most {MAX_BLOCKS} blocks (SOB); this one has more")
    file.blocks.append((file.tables[body[0]], entropy))


def _transform(body: bytes) -> bool:
    """Check the lengths of the wavelet filters: halves of symmetric ones, 6 bytes a coefficient."""
    high, low = body[:2] if len(body) >= 2 else (0, 0)
    if not (0 < high <= 32 and 0 < low <= 32) or len(body) != 2 + 6 * ((high + 1) // 2 + (low + 1) // 2):
        raise WsqError(f"a transform table (DTT) holds two filters of 1 to 32 taps; got {high} and {low}")
    return True


def _quantisation(body: bytes) -> list[bool]:
    """Return which subbands are coded: those whose quantisation bin is not 0."""
    if len(body) != 3 + 6 * _SUBBANDS:
        raise WsqError(f"a quantisation table (DQT) has a length of 389; got {len(body) + 2}")
    return [any(body[4 + 6 * band : 6 + 6 * band]) for band in range(_SUBBANDS)]


def _huffman(body: bytes) -> dict[int, _Table]:
    """Return the tables of a segment by their numbers."""
    tables = {}
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        if len(counts) < 16 or len(symbols) < sum(counts) or body[at] >= MAX_TABLES:
            raise WsqError(f"a Huffman table (DHT) has a number below {MAX_TABLES}, 16 counts and as many symbols")
        tables[body[at]] = _opened(counts, symbols)
        at += 17 + len(symbols)
    return tables


def _opened(counts: bytes, symbols: bytes) -> _Table:
    """Open a table out over all 16-bit windows; codes are handed out in order, shorter ones first, as in JPEG."""
    steps: list[int] = []
    gives: list[int] = []
    lengths = [length for length, count in enumerate(counts, 1) for _ in range(count)]
    for length, symbol in zip(lengths, symbols, strict=True):
        windows = 1 << 16 - length
        valid = 1 <= symbol <= _LAST_SYMBOL  # some writers give the code of all ones to symbol 0 and never use it
        extra = _ESCAPES.get(symbol, 0) or _RUNS.get(symbol, 0)
        coefficients = -_RUNS[symbol] if symbol in _RUNS else symbol if symbol <= 100 else 1
        steps += [length + extra if valid else 0] * windows
        gives += [coefficients] * windows
        if len(steps) > 1 << 16:
            raise WsqError("a Huffman table (DHT) has more codes than there are")
    missing = (1 << 16) - len(steps)
    return _Table(steps + [0] * missing, gives + [0] * missing)


def _coefficients(table: _Table, entropy: bytes, needed: int) -> tuple[int, int]:
    """Return how many coefficients a block codes, and how many more its padding might be taken for.

    A block is padded with ones to a whole byte, by some writers with a byte more where it is whole already; and a code of
    nothing but ones is allowed.
    """
    steps, counts = table.steps, table.counts
    end = 8 * len(entropy)
    bits = entropy + bytes(4)
    at = certain = padding = 0
    while at < end:
        byte = at >> 3
        window = (bits[byte] << 16 | bits[byte + 1] << 8 | bits[byte + 2]) >> 8 - (at & 7) & 0xFFFF
        step = steps[window]
        after = at + step
        if not step or after > end:
            break
        count = counts[window]
        if count < 0:
            length = after + 7 >> 3
            run = int.from_bytes(bits[max(0, length - 3) : length]) >> (8 * length - after)
            count = run & (1 << -count) - 1
        if end - at <= _MAX_PADDING and _ones(bits[byte], end - at):
            padding += count
        else:
            certain += count
            if certain > needed:
                raise WsqError("the blocks code more coefficients than the picture has: the file is damaged")
        at = after
    if end - at > _MAX_PADDING:
        raise WsqError("a block breaks off amid a code: the file is cut short or damaged")
    return certain, padding


def _ones(byte: int, count: int) -> bool:
    mask = (1 << count) - 1
    return byte & mask == mask
