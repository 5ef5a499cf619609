"""WSQ pictures: the FBI's wavelet codec for fingerprints (IAFIS-IC-0110 v3.1), read strictly.

The common C decoder takes a file's word for much: given a valid header and hardly any data it returns whatever was in
memory as a picture, and one damaged file in 160 kills its process. This one is written anew, in the order of a file:
:func:`decode` walks the markers and their tables (:func:`_walk`), lays out the 64 subbands (:func:`_layout`), reads the
Huffman codes of every block into coefficients and counts them (:func:`_coefficients`), turns them back into amplitudes
(:func:`_amplitudes`), joins the subbands pair by pair with the file's own wavelet (:func:`_join`) and rounds to grey
values (:func:`_grey`).

A whole file gives the pixels that the C decoder (NIST's NBIS, built without fused multiply-add) gives, bit by bit: the
arithmetic is single precision in its order of operations. A file that codes one coefficient too few or too many, breaks
off amid a code or states what its bytes cannot hold gives :class:`WsqError` and never a picture.

It needs the standard library and numpy, nothing else of this package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Reals = NDArray[np.float32]

MAX_PIXELS: Final = 16_000_000
"""A whole ten-print card at 1000 dpi stays below."""

MAX_PIXELS_PER_BYTE: Final = 400
"""A blank filler of 512 x 480 takes 9 kB; a bomb of 4000 x 4000 takes 659 bytes."""

MIN_SIDE: Final = 32
"""The coarsest pair of subbands is then still two wide: 1.6 mm at 500 dpi, which shows no minutiae anyway."""

MAX_BLOCKS: Final = 4
MAX_TABLES: Final = 8
MAX_SEGMENTS: Final = 100

_SOI: Final = 0xFFA0
_EOI: Final = 0xFFA1
_SOF: Final = 0xFFA2
_SOB: Final = 0xFFA3
_DTT: Final = 0xFFA4
_DQT: Final = 0xFFA5
_DHT: Final = 0xFFA6
_COM: Final = 0xFFA8
_MARKER: Final = re.compile(rb"\xff[^\x00]")
_FILL: Final = re.compile(rb"\xff*(?=\xff)")
_PPI: Final = re.compile(rb"^PPI[ \t]+([0-9]{1,5})[ \t\r\x00]*$", re.MULTILINE)

_SUBBANDS: Final = 64
_CODED_SUBBANDS: Final = 60  # the last four, the finest diagonal, are never coded
_MIN_TAPS: Final = 2
_MAX_TAPS: Final = 32


class WsqError(ValueError):
    """The bytes are not a whole WSQ file."""


def size(data: bytes) -> tuple[int, int]:
    """Return width and height from the frame header, reading no further.

    Raises:
        WsqError: no frame header is reached.

    """
    for marker, body, _entropy in _segments(data):
        if marker == _SOF:
            frame = _frame(body)
            return frame.width, frame.height
    raise WsqError("a WSQ file has a frame header (SOF); this one ends without")


def decode(data: bytes) -> tuple[NDArray[np.uint8], int]:
    """Return the grey values, shape (height, width), 0 black, and the resolution in dpi, 0 where the file has none.

    The resolution is that of NIST's own comment (NIST_COM, PPI), the only place a WSQ file has for it. The same bytes
    give the same pixels on every machine, and those of the C decoder where both sides have 81 pixels or more; in smaller
    pictures that one reads beyond the coarsest subbands. Costs 0.02 to 0.1 microseconds a pixel and 8 bytes of memory;
    nothing is allocated before the stated size is checked.

    Raises:
        WsqError: the file is cut short, damaged, or of a kind that is not read; and why.

    """
    file = _walk(data)
    if file.frame is None or file.quantisation is None or file.wavelet is None or not file.blocks:
        raise WsqError("a WSQ file has a frame header, transform and quantisation tables and a block; one is missing")
    _check_size(file.frame, len(data))
    layout = _layout(file.frame.width, file.frame.height)
    coefficients = _coefficients(file.blocks, layout, file.quantisation)
    with np.errstate(all="ignore"):  # tables of nonsense overflow, which the last step refuses
        plane = _amplitudes(coefficients, layout, file.quantisation)
        del coefficients
        for part in reversed(layout.splits):
            window = plane[part.rows, part.columns]
            _join(window, file.wavelet, backwards=part.backwards_down)
            _join(window.T, file.wavelet, backwards=part.backwards_across)
        return _grey(plane, file.frame), file.dpi


def _check_size(frame: _Frame, length: int) -> None:
    pixels = frame.width * frame.height
    if min(frame.width, frame.height) < MIN_SIDE or pixels > min(MAX_PIXELS, MAX_PIXELS_PER_BYTE * length):
        raise WsqError(
            f"a WSQ picture has sides of at least {MIN_SIDE}, at most {MAX_PIXELS} pixels and at most "
            f"{MAX_PIXELS_PER_BYTE} a byte; the header states {frame.width} x {frame.height} for {length} bytes"
        )


# --- markers and tables ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Frame:
    """The frame header: size, and how grey values come from the wavelet's: times ``scale`` plus ``shift``."""

    width: int
    height: int
    shift: np.float32
    scale: np.float32


@dataclass(frozen=True, slots=True)
class _Quantisation:
    """Where in its bin an amplitude is put, and the widths of the bins and of the bin around zero, by subband."""

    centre: np.float32
    bins: Reals
    zero_bins: Reals


@dataclass(frozen=True, slots=True)
class _Wavelet:
    """The synthesis filters, whole."""

    low: Reals
    high: Reals


@dataclass(frozen=True, slots=True)
class _Table:
    """A Huffman table as it is written: how many codes of 1 to 16 bits, and their symbols."""

    counts: bytes
    symbols: bytes


@dataclass(slots=True)
class _File:
    """What the markers said."""

    frame: _Frame | None = None
    quantisation: _Quantisation | None = None
    wavelet: _Wavelet | None = None
    dpi: int = 0
    tables: dict[int, _Table] = field(default_factory=dict)
    tables_defined: int = 0
    blocks: list[tuple[_Table, bytes]] = field(default_factory=list)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each marker after SOI with its segment's body and, after SOB, the entropy-coded bytes that follow."""
    if data[:2] != _SOI.to_bytes(2):
        raise WsqError(f"a WSQ file begins with FFA0 (SOI); got {data[:2].hex().upper() or 'nothing'}")
    at = 2
    for _ in range(MAX_SEGMENTS):
        if fill := _FILL.match(data, at):
            at = fill.end()
        marker = int.from_bytes(data[at : at + 2])
        if marker == _EOI:
            break
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
    else:
        raise WsqError(f"a WSQ file has at most {MAX_SEGMENTS} segments; this one has more")
    if data[at + 2 :].strip(b"\x00"):
        raise WsqError(f"a WSQ file ends with FFA1 (EOI); {len(data) - at - 2} bytes follow")


def _walk(data: bytes) -> _File:
    file = _File()
    for marker, body, entropy in _segments(data):
        if marker == _SOF:
            if file.frame is not None:
                raise WsqError("a WSQ file has one frame header (SOF); this one has more")
            file.frame = _frame(body)
        elif marker == _SOB:
            _add_block(file, body, entropy)
        elif marker == _DTT:
            file.wavelet = _wavelet(body)
        elif marker == _DQT:
            file.quantisation = _quantisation(body)
        elif marker == _DHT:
            _add_tables(file, body)
        elif marker == _COM:
            file.dpi = file.dpi or _dpi(body)
        else:  # FFA7 and FFB0 to FFB7, restart intervals, included: no writer is known to use them
            raise WsqError(f"{marker:04X} is no marker of a WSQ file that is read here")
    return file


def _frame(body: bytes) -> _Frame:
    """Read a frame header; its grey values of black and white say nothing that decoding needs."""
    if len(body) != 15:
        raise WsqError(f"a frame header (SOF) has a length of 17; got {len(body) + 2}")
    height, width = int.from_bytes(body[2:4]), int.from_bytes(body[4:6])
    shift, scale = _decimals(np.frombuffer(body[6:12], _DECIMAL))
    return _Frame(width, height, shift, scale)


def _add_block(file: _File, body: bytes, entropy: bytes) -> None:
    if file.frame is None:
        raise WsqError("a block (SOB) comes after the frame header (SOF); here it comes before")
    if len(body) != 1 or body[0] not in file.tables:
        raise WsqError(f"a block (SOB) names one Huffman table that is defined; got {body.hex().upper() or 'none'}")
    if len(file.blocks) == MAX_BLOCKS:
        raise WsqError(f"a WSQ file has at most {MAX_BLOCKS} blocks (SOB); this one has more")
    file.blocks.append((file.tables[body[0]], entropy))


_DECIMAL: Final = np.dtype([("exponent", "u1"), ("digits", ">u2")])
_TAP: Final = np.dtype([("negative", "u1"), ("exponent", "u1"), ("digits", ">u4")])
_TEN: Final = np.float32(10.0)


def _decimals(fields: NDArray[np.void]) -> Reals:
    """Return digits / 10 ** exponent as the reference takes it: one division after the other, each rounded."""
    values = fields["digits"].astype(np.float32)
    for done in range(int(fields["exponent"].max())):
        values[fields["exponent"] > done] /= _TEN
    return values


def _wavelet(body: bytes) -> _Wavelet:
    """Read the transform table: the right halves, centre first, of the analysis filters, low and then high.

    The synthesis filters are the other analysis filter each with every second sign turned. Filters of even length are
    symmetric (low) and antisymmetric (high) about the gap in their middle; those of odd length are symmetric.
    """
    low, high = body[:2] if len(body) >= 2 else (0, 0)
    written = (low + 1) // 2 + (high + 1) // 2
    if not (min(low, high) >= _MIN_TAPS and max(low, high) <= _MAX_TAPS and len(body) == 2 + 6 * written):
        raise WsqError(
            f"a transform table (DTT) holds two filters of {_MIN_TAPS} to {_MAX_TAPS} taps; got {low} and {high} in "
            f"{len(body)} bytes"
        )
    if (low + high) % 4:
        raise WsqError(f"two filters reconstruct a picture where 4 divides their taps together; got {low} and {high}")
    taps = np.frombuffer(body, _TAP, offset=2)
    values = np.where(taps["negative"] != 0, -1, 1).astype(np.float32) * _decimals(taps)
    from_low, from_high = np.split(values, [(low + 1) // 2])
    from_low[1::2] *= -1
    from_high[1::2] *= -1
    if low % 2:
        return _Wavelet(np.r_[from_high[:0:-1], from_high], np.r_[from_low[:0:-1], from_low])
    return _Wavelet(np.r_[-from_high[::-1], -from_high], np.r_[from_low[::-1], -from_low])


def _quantisation(body: bytes) -> _Quantisation:
    if len(body) != 3 + 6 * _SUBBANDS:
        raise WsqError(f"a quantisation table (DQT) has a length of 389; got {len(body) + 2}")
    values = _decimals(np.frombuffer(body, _DECIMAL))
    return _Quantisation(values[0], values[1::2], values[2::2])


def _add_tables(file: _File, body: bytes) -> None:
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        if len(counts) < 16 or len(symbols) < sum(counts) or body[at] >= MAX_TABLES:
            raise WsqError(f"a Huffman table (DHT) has a number below {MAX_TABLES}, 16 counts and as many symbols")
        if sum(count << 16 - length for length, count in enumerate(counts, 1)) > _WINDOWS:
            raise WsqError("a Huffman table (DHT) has more codes than there are")
        file.tables_defined += 1
        if file.tables_defined > MAX_TABLES:
            raise WsqError(f"a WSQ file defines at most {MAX_TABLES} Huffman tables (DHT); this one defines more")
        file.tables[body[at]] = _Table(counts, symbols)
        at += 17 + len(symbols)


def _dpi(comment: bytes) -> int:
    found = _PPI.search(comment) if comment.startswith(b"NIST_COM") else None
    return int(found[1]) if found else 0


# --- the subbands ----------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """A rectangle of the plane. Where a part is split, a direction that runs backwards has its high half first."""

    rows: slice
    columns: slice
    backwards_down: bool
    backwards_across: bool


class _Layout(NamedTuple):
    """How the plane is split: the parts that are, each before the parts within it, and the 64 that no longer are."""

    shape: tuple[int, int]
    splits: list[_Part]
    subbands: list[_Part]


# A quarter of a split is 0 top left, 1 top right, 2 bottom left, 3 bottom right; a part is the path that leads to it.
# The order of the subbands, 0 to 63, is the order of their paths.
_SPLIT: Final = [
    "",
    *("0", "1", "2", "3"),
    *("00", "01", "02"),
    *("000", "001", "002", "003", "010", "011", "012", "013", "020", "021", "022", "023"),
    "0000",
]


def _layout(width: int, height: int) -> _Layout:
    """Lay out the 64 subbands.

    A split halves a side into low and high, the low half the longer. The spectrum of a right or lower quarter runs
    backwards, so where such a quarter is split, its high half comes first.
    """
    parts = {"": _Part(slice(0, height), slice(0, width), backwards_down=False, backwards_across=False)}
    for path in _SPLIT:
        whole = parts[path]
        down = _halves(whole.rows, backwards=whole.backwards_down)
        across = _halves(whole.columns, backwards=whole.backwards_across)
        for quarter in range(4):
            low, right = divmod(quarter, 2)
            parts[f"{path}{quarter}"] = _Part(down[low], across[right], bool(low), bool(right))
    splits = [parts[path] for path in _SPLIT if path != "3"]  # nothing there is ever coded: it stays zero
    return _Layout((height, width), splits, [parts[path] for path in sorted(parts.keys() - set(_SPLIT))])


def _halves(side: slice, *, backwards: bool) -> tuple[slice, slice]:
    length = side.stop - side.start
    middle = side.start + (length // 2 if backwards else (length + 1) // 2)
    return slice(side.start, middle), slice(middle, side.stop)


def _area(part: _Part) -> int:
    return int((part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start))


# --- Huffman codes ---------------------------------------------------------------------------------------------------

_WINDOWS: Final = 1 << 16
_NO_CODE: Final = 64  # bits; more than a code and what belongs to it
_SPAN: Final = 1 << 15  # bytes read at a time
_MAX_PADDING: Final = 8  # bits

# What the symbols stand for (the standard's table of Huffman categories). 0 and 255 are no symbols.
_EXTRA: Final = np.zeros(256, np.uint8)  # bits that follow the code
_EXTRA[[101, 102, 105]] = 8  # a positive and a negative value, a run of zeros
_EXTRA[[103, 104, 106]] = 16  # the same
_COUNT: Final = np.ones(256, np.int64)  # coefficients
_COUNT[:101] = range(101)  # a run of zeros
_VALUE: Final = np.zeros(256, np.float32)
_VALUE[107:255] = range(107 - 180, 255 - 180)


class _Codes(NamedTuple):
    """A Huffman table opened out: for each 16 bits ahead, the symbol, and the bits up to the next one."""

    symbols: NDArray[np.uint8]
    steps: NDArray[np.uint8]


def _opened(table: _Table) -> _Codes:
    """Open a table out; codes are handed out in order, shorter ones first, as in JPEG (ITU-T T.81, annex C)."""
    symbols = np.zeros(_WINDOWS, np.uint8)
    steps = np.full(_WINDOWS, _NO_CODE, np.uint8)
    lengths = np.repeat(np.arange(1, 17, dtype=np.uint8), list(table.counts))
    coded = np.frombuffer(table.symbols, np.uint8)
    windows = 1 << 16 - lengths.astype(np.int64)
    used = int(windows.sum())
    symbols[:used] = np.repeat(coded, windows)
    steps[:used] = np.repeat(lengths + _EXTRA[coded], windows)
    steps[(symbols == 0) | (symbols == 255)] = _NO_CODE
    return _Codes(symbols, steps)


def _coefficients(blocks: list[tuple[_Table, bytes]], layout: _Layout, quantisation: _Quantisation) -> Reals:
    """Read all blocks into the coefficients of the coded subbands, one subband after the other, row by row.

    A block ends where a subband does: that is how the ones that fill its last byte are told from a code of nothing but
    ones, which some writers use though the standard reserves it.
    """
    ends = [0, *accumulate(_area(layout.subbands[band]) for band in _coded(quantisation))]
    coefficients = np.zeros(ends[-1], np.float32)
    at = 0
    for table, entropy in blocks:
        at = _read_block(_opened(table), entropy, coefficients, at, set(ends))
    if at != len(coefficients):
        height, width = layout.shape
        raise WsqError(
            f"a picture of {width} x {height} so quantised has {len(coefficients)} coefficients; the file codes {at}: "
            "it is cut short or damaged"
        )
    return coefficients


def _coded(quantisation: _Quantisation) -> list[int]:
    """Return which subbands are coded: those whose quantisation bin is not 0."""
    return np.flatnonzero(quantisation.bins[:_CODED_SUBBANDS]).tolist()


def _read_block(codes: _Codes, entropy: bytes, coefficients: Reals, at: int, ends: set[int]) -> int:
    """Read a block into ``coefficients[at:]`` and return how many there are then.

    Codes that begin before the ones at the block's end are certain. Those ones are padding, to a whole byte or by some
    writers a byte more, if a subband is complete without them.
    """
    bits = np.frombuffer(entropy + bytes(8), np.uint8)
    end = 8 * len(entropy)
    ones = _ones(entropy)
    bit = 0
    while bit < end - ones:
        bit, counts, values = _read_span(codes, bits, bit, end - ones)
        if bit > end:
            raise WsqError("a block breaks off amid a code: the file is cut short or damaged")
        places = at - 1 + np.cumsum(counts)
        at = int(places[-1]) + 1
        if at > len(coefficients):
            raise WsqError("the blocks code more coefficients than the picture has: the file is damaged")
        some = np.flatnonzero(values)
        coefficients[places[some]] = values[some]
    symbol, step = int(codes.symbols[-1]), int(codes.steps[-1])
    while at not in ends and bit + step <= end:
        coefficients[at : at + 1] = _VALUE[symbol]
        at += int(_COUNT[symbol])
        bit += step
    if at not in ends:
        raise WsqError(
            f"a block ends where a subband does; this one ends at coefficient {at}, amid a subband: the file is cut short "
            "or damaged"
        )
    return at


def _ones(entropy: bytes) -> int:
    """Return how many ones, up to a byte, the last bits are."""
    last = entropy[-1] if entropy else 0
    return (~last & (last + 1)).bit_length() - 1 if last < 255 else _MAX_PADDING


def _read_span(codes: _Codes, bits: NDArray[np.uint8], start: int, stop: int) -> tuple[int, NDArray[np.int64], Reals]:
    """Read the codes that begin at bits from ``start`` to ``stop`` or so far as a span goes; at least one.

    Returns the bit after the last, and for each code how many coefficients it stands for and the value of the last of
    them; the others are 0. What follows a bit is looked up for all bits at once, so that only the way from code to code
    is walked one by one.
    """
    first = start >> 3
    windows = _windows(bits[first : first + _SPAN + 8])
    steps = codes.steps[windows].tobytes()
    stop = min(stop - 8 * first, 8 * _SPAN)
    begins = bytearray(stop)
    at = start & 7
    while at < stop:
        begins[at] = 1
        at += steps[at]
    places = np.flatnonzero(np.frombuffer(begins, np.bool_))
    ahead = windows[places]
    symbols, taken = codes.symbols[ahead], codes.steps[ahead]
    if taken.max() == _NO_CODE:
        raise WsqError("a block holds bits that are no code of its Huffman table: the file is damaged")
    counts, values = _COUNT[symbols], _VALUE[symbols]
    long = np.flatnonzero(_EXTRA[symbols])
    symbols, extra = symbols[long], _EXTRA[symbols[long]]
    numbers = (windows[places[long] + taken[long] - extra] >> 16 - extra).astype(np.int64)
    runs = symbols >= 105
    counts[long] = np.where(runs, numbers, 1)
    values[long] = np.where(runs, 0, np.where(symbols % 2, numbers, -numbers))
    return 8 * first + at, counts, values


def _windows(bits: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the 16 bits that follow each bit, but for the last two bytes'."""
    three = bits.astype(np.uint32)
    three[:-2] = three[:-2] << 16 | three[1:-1] << 8 | three[2:]
    windows = np.empty((len(bits) - 2, 8), np.uint16)
    for bit in range(8):
        windows[:, bit] = three[:-2] >> 8 - bit
    return windows.ravel()


# --- from coefficients to grey values --------------------------------------------------------------------------------

_HALF: Final = np.float32(0.5)
_TWO: Final = np.float32(2.0)
_STRIP: Final = 1 << 16  # amplitudes joined at a time: what fits into a processor's cache


def _amplitudes(coefficients: Reals, layout: _Layout, quantisation: _Quantisation) -> Reals:
    """Undo the quantisation: put every coefficient into its place in the plane, at the centre of its bin."""
    plane = np.zeros(layout.shape, np.float32)
    at = 0
    for band in _coded(quantisation):
        part = layout.subbands[band]
        window = plane[part.rows, part.columns]
        coded = coefficients[at : at + window.size].reshape(window.shape)
        centres = np.abs(coded)
        centres -= quantisation.centre
        centres *= quantisation.bins[band]
        centres += quantisation.zero_bins[band] / _TWO
        np.multiply(np.sign(coded), centres, out=window)
        at += window.size
    return plane


def _join(lines: Reals, wavelet: _Wavelet, *, backwards: bool) -> None:
    """Join the low and the high half of each column into what they were split from, in place.

    Sample n is the sum, in the order of k, of low amplitudes k times tap 2k - n + taps / 2, and then the same of high
    ones, which lie half a sample further on.
    """
    length, columns = lines.shape
    odd, even_taps = length % 2, 1 - len(wavelet.low) % 2
    lows, highs = slice(0, length - length // 2), slice(length - length // 2, length)
    if backwards:
        highs, lows = slice(0, length // 2), slice(length // 2, length)
    width = max(16, _STRIP // length)
    for column in range(0, columns, width):
        strip = lines[:, column : column + width]
        low = _Half(strip[lows], wavelet.low, len(wavelet.low) // 2, even_taps, 1 - odd)
        high = _Half(strip[highs], wavelet.high, (len(wavelet.high) + 1) // 2, 1, odd + even_taps)
        sums = [np.zeros_like(strip, shape=(count, strip.shape[1])) for count in (length - length // 2, length // 2)]
        _add(low, sums, 1)
        _add(high, sums, -1 if even_taps else 1)
        strip[0::2], strip[1::2] = sums


class _Half(NamedTuple):
    """One half of what is joined; how it goes on beyond its ends is by reflection.

    It is reflected about a point so many half samples beyond its first and its last.
    """

    amplitudes: Reals
    taps: Reals
    centre: int
    before: int
    after: int


def _add(half: _Half, sums: list[Reals], sign: int) -> None:
    """Add a half's part to the sums that become the even and the odd samples; ``sign`` is that of its reflections."""
    count, taps, centre = len(half.amplitudes), len(half.taps), half.centre
    before, after = centre // 2, (taps - centre) // 2 + 1
    extended = np.empty_like(half.amplitudes, shape=(before + count + after, half.amplitudes.shape[1]))
    extended[before : before + count] = half.amplitudes
    for k in (*range(-before, 0), *range(count, count + after)):
        source, factor = _reflected(k, half, sign)
        np.multiply(half.amplitudes[source], np.float32(factor), out=extended[before + k])
    for tap in range(taps):
        odd = (centre - tap) % 2
        start = before + (tap + odd - centre) // 2
        sums[odd] += extended[start : start + len(sums[odd])] * half.taps[tap]


def _reflected(k: int, half: _Half, sign: int) -> tuple[int, int]:
    """Return which amplitude stands at place k, and its factor."""
    count, factor = len(half.amplitudes), 1
    while not 0 <= k < count:
        if k == count and half.after == 2:
            return 0, 0  # the point of reflection itself
        k = -k - half.before if k < 0 else 2 * (count - 1) - k + half.after
        factor *= sign
    return k, factor


def _grey(plane: Reals, frame: _Frame) -> NDArray[np.uint8]:
    plane *= frame.scale
    plane += frame.shift
    plane += _HALF
    if not np.isfinite(plane.sum(dtype=np.float64)):
        raise WsqError("the tables and coefficients of the file give no picture: it is damaged")
    return plane.clip(0, 255, out=plane).astype(np.uint8)
