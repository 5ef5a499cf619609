"""Is this JPEG file whole, and of a kind that is read here? Its markers, and whether it codes every sample of the picture.

JPEG (ISO/IEC 10918-1 | ITU-T T.81) decoders are made for the web: where a scan breaks off they go on in grey. So a file is
read here first, without making a picture: :func:`check` walks the markers (Annex B), then the Huffman codes of every scan,
and compares the number of blocks or samples coded with the number in a picture of this size. Read are the sequential DCT
with Huffman codes (SOF0, SOF1: JPEGB in ANSI/NIST-ITL) and the lossless process 14 (SOF3: JPEGL), in 8 bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ints = NDArray[np.int32]
    Flags = NDArray[np.bool_]

_SOF_BASELINE: Final = 0xC0
_SOF_EXTENDED: Final = 0xC1
_SOF_LOSSLESS: Final = 0xC3
_FRAMES: Final = {_SOF_BASELINE, _SOF_EXTENDED, _SOF_LOSSLESS}
_DHT: Final = 0xC4
_SOI: Final = 0xD8
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_DRI: Final = 0xDD
_SKIPPED: Final = {0xDB, 0xFE, *range(0xE0, 0xF0)}  # quantisation tables, comments, application data
_OTHER_KINDS: Final = {
    0xC2: "progressive (SOF2)",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xDE, 0xDF), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF), "arithmetically coded"),
    0xDC: "of a height told at its end (DNL)",
}
_MARKER: Final = re.compile(rb"\xff+[^\x00\xff]")
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_RESTART: Final = re.compile(rb"\xff([\xd0-\xd7])")

_WINDOWS: Final = 1 << 16
_COEFFICIENTS: Final = 64
_LONGEST: Final = 32  # bits of a code and what belongs to it
_MAX_CODES: Final = 4  # in one leap
_MAX_BLOCKS: Final = 10  # in a unit (B.2.3)
_MAX_PADDING: Final = 15  # bits: less than a byte, or by some writers a byte more


class _Codes(NamedTuple):
    """A Huffman table opened out over the 16 bits ahead.

    ``steps`` are the bits of one code and what belongs to it, 0 for no code, and ``counts`` what it codes; ``leaps`` and
    ``sums`` are the same of as many codes as can be told from these bits, and ``ends`` whether the last ends a block.
    """

    steps: bytes
    counts: bytes
    leaps: bytes
    sums: bytes
    ends: bytes


class _Component(NamedTuple):
    across: int  # sampling factors
    down: int


@dataclass(slots=True)
class _File:
    """What the markers said so far."""

    lossless: bool = False
    width: int = 0
    height: int = 0
    components: dict[int, _Component] = field(default_factory=dict)
    tables: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # by class (high half) and number
    restart: int = 0
    scanned: set[int] = field(default_factory=set)


def check(data: bytes, fits: Callable[[tuple[int, int]], None]) -> None:
    """Check that a JPEG file is whole: one frame, and scans that code each of its blocks, or samples, once.

    ``fits`` is told width and height before anything else is read, and may raise.

    Raises:
        RefusalError: it is not (D), or it is of a kind that is not read (U).

    """
    if data[:2] != b"\xff\xd8":
        raise _damaged("begins with FFD8 (SOI)", f"got {data[:2].hex().upper() or 'nothing'}")
    file = _File()
    at = 2
    while (found := _MARKER.match(data, at)) and data[found.end() - 1] != _EOI:
        marker, at = data[found.end() - 1], found.end()
        length = int.from_bytes(data[at : at + 2])
        if length < 2 or at + length > len(data):
            raise _damaged("ends with FFD9 (EOI)", f"this one breaks off in a segment at byte {found.start()}")
        body, at = data[at + 2 : at + length], at + length
        if marker == _SOS:
            end = _SCAN_END.search(data, at)
            if end is None:
                raise _damaged("ends with FFD9 (EOI)", "this one breaks off in a scan")
            _check_scan(file, body, data[at : end.start()])
            at = end.start()
        else:
            _take(file, marker, body)
            if marker in _FRAMES:
                fits((file.width, file.height))
    if not found:
        raise _damaged("ends with FFD9 (EOI)", f"this one ends without, or goes on without a marker at byte {at}")
    if not file.components or file.scanned != file.components.keys():
        raise _damaged("has a frame, and a scan of each of its components", "one is missing here")
    if data[found.end() :].strip(b"\x00"):
        raise _damaged("ends with FFD9 (EOI)", f"{len(data) - found.end()} bytes follow")


def _damaged(rule: str, instead: str) -> RefusalError:
    return RefusalError("D", f"a JPEG file {rule}; {instead}")


def _take(file: _File, marker: int, body: bytes) -> None:
    if marker in _FRAMES:
        _take_frame(file, body, lossless=marker == _SOF_LOSSLESS)
    elif marker == _DHT:
        _take_tables(file, body)
    elif marker == _DRI and len(body) == 2:
        file.restart = int.from_bytes(body)
    elif marker in _OTHER_KINDS:
        raise RefusalError(
            "U", f"a JPEG here is sequential (SOF0, SOF1) or lossless (SOF3); this one is {_OTHER_KINDS[marker]}"
        )
    elif marker not in _SKIPPED:
        raise _damaged("has the markers of ISO/IEC 10918-1, B.1.1.3, in their places", f"FF{marker:02X} has none")


def _take_frame(file: _File, body: bytes, *, lossless: bool) -> None:
    """Read a frame header (B.2.2)."""
    count = body[5] if len(body) > 5 else 0
    if file.components or len(body) != 6 + 3 * count:
        raise _damaged("has one frame header (SOF), of 8 bytes and 3 for each component", "this one has not")
    if body[0] != 8:
        raise RefusalError("U", f"a JPEG here has 8 bits a sample; this one has {body[0]}")
    if count not in ({1} if lossless else {1, 3}):
        raise RefusalError("U", f"a JPEG here is grey, or in colour and lossy; this one has {count} components")
    file.lossless = lossless
    file.height, file.width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    for at in range(6, len(body), 3):
        across, down = divmod(body[at + 1], 16)
        if not (1 <= across <= 4 and 1 <= down <= 4) or body[at] in file.components:
            raise _damaged("has components of different names, each sampled 1 to 4 times", "this one has others")
        file.components[body[at]] = _Component(across, down)


def _take_tables(file: _File, body: bytes) -> None:
    """Read a segment of Huffman tables (B.2.4.2)."""
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        room = sum(count << 16 - length for length, count in enumerate(counts, 1))
        if len(counts) < 16 or len(symbols) < sum(counts) or room > _WINDOWS or body[at] & ~0x13:
            raise _damaged("has Huffman tables (DHT) of 16 counts and as many symbols", "this one has another")
        file.tables[body[at]] = counts, symbols
        at += 17 + len(symbols)


# --- scans -----------------------------------------------------------------------------------------------------------


def _check_scan(file: _File, body: bytes, entropy: bytes) -> None:
    """Check that a scan (B.2.3) codes what it should, from restart marker to restart marker."""
    count = body[0] if body else 0
    names, selectors = body[1 : 1 + 2 * count : 2], body[2 : 2 + 2 * count : 2]
    if not count or len(body) != 4 + 2 * count or not set(names) <= file.components.keys() - file.scanned:
        raise _damaged("has scans (SOS) of components that its frame names, each once", "this one has another")
    file.scanned.update(names)
    needed, blocks = _units(file, names)
    if not needed:
        raise _damaged("states its height and width in the frame (SOF)", "this one states 0")
    codes = [(_table(file, selector >> 4), _table(file, 16 + (selector & 15))) for selector in selectors]
    unit = [codes[index] for index, times in enumerate(blocks) for _ in range(times)]
    if len(unit) > _MAX_BLOCKS:
        raise _damaged(f"has at most {_MAX_BLOCKS} blocks in a unit (B.2.3)", f"this one has {len(unit)}")
    marks = list(_RESTART.finditer(entropy))
    if any(mark[1][0] & 7 != number & 7 for number, mark in enumerate(marks)):
        raise _damaged("counts its restart markers from RST0 to RST7 and round", "this one has them in disorder")
    interval = file.restart or needed
    if len(marks) != (needed - 1) // interval:
        raise _damaged(f"of this size has {(needed - 1) // interval} restart markers", f"this one has {len(marks)}")
    edges = [0, *(edge for mark in marks for edge in mark.span()), len(entropy)]
    for number, (start, end) in enumerate([*pairwise(edges)][::2]):
        units = min(interval, needed - number * interval)
        bits = entropy[start:end].rstrip(b"\xff").replace(b"\xff\x00", b"\xff")  # any marker may have FF before it
        after = _samples(bits, units, unit[0][0]) if file.lossless else _blocks(bits, units, unit)
        _check_padding(bits, after)


def _units(file: _File, names: bytes) -> tuple[int, list[int]]:
    """Return how many units (MCU) a scan has, and how many blocks of each component one has (A.2)."""
    if file.lossless:
        return file.width * file.height, [1]
    most_across = max(each.across for each in file.components.values())
    most_down = max(each.down for each in file.components.values())
    scanned = [file.components[name] for name in names]
    if len(scanned) > 1:
        units = -(-file.width // (8 * most_across)) * -(-file.height // (8 * most_down))
        return units, [each.across * each.down for each in scanned]
    width, height = -(-file.width * scanned[0].across // most_across), -(-file.height * scanned[0].down // most_down)
    return -(-width // 8) * -(-height // 8), [1]


def _table(file: _File, number: int) -> _Codes:
    if file.lossless and number >= 16:
        return _Codes(b"", b"", b"", b"", b"")  # there are no AC codes
    if number not in file.tables:
        raise _damaged("defines the Huffman tables (DHT) that its scans name", f"this one has no {number:02X}")
    return _opened(*file.tables[number], ac=number >= 16)


def _opened(counts: bytes, symbols: bytes, *, ac: bool) -> _Codes:
    """Open a table out; codes are handed out in order, shorter ones first (Annex C)."""
    lengths = np.repeat(np.arange(1, 17, dtype=np.int32), list(counts))
    values = np.frombuffer(symbols, np.uint8).astype(np.int32)
    extra = values & 15 if ac else np.where(values < 16, values, _LONGEST * (values > 16))  # category 16 has no bits
    given = np.where(values == 0, 0, (values >> 4) + 1) if ac else np.ones_like(values)  # (0, 0) is the end of a block
    stops = values == 0 if ac else np.zeros(len(values), bool)
    size = 1 << 16 - lengths
    bare = np.zeros(_WINDOWS, np.int32)
    steps, gives, ends = bare.copy(), bare.copy(), bare.astype(bool)
    filled = int(size.sum())
    bare[:filled], steps[:filled] = np.repeat(lengths, size), np.repeat(lengths + extra, size)
    gives[:filled], ends[:filled] = np.repeat(given, size), np.repeat(stops, size)
    steps[(steps > _LONGEST) | ((steps == bare) & (gives > 1) & (gives < 16))] = 0  # no such category, no such run
    leaps, sums, ended = _leaps(bare, steps, gives, ends)
    return _Codes(*(column.astype(np.uint8).tobytes() for column in (steps, gives, leaps, sums, ended)))


def _leaps(bare: Ints, steps: Ints, gives: Ints, ends: Flags) -> tuple[Ints, Ints, Flags]:
    """Return for each 16 bits how far the codes lead that are whole in them, what they code, and whether a block ends."""
    ahead = np.arange(_WINDOWS, dtype=np.int32)
    leaps, sums, ended = np.zeros_like(steps), np.zeros_like(steps), np.zeros_like(ends)
    going = np.ones_like(ends)
    for _ in range(_MAX_CODES):
        window = ahead << np.minimum(leaps, 16) & _WINDOWS - 1
        going &= (steps[window] > 0) & (leaps + bare[window] <= 16)
        leaps += np.where(going, steps[window], 0)
        sums += np.where(going, gives[window], 0)
        ended |= going & ends[window]
        going &= ~ended
    return leaps, sums, ended


def _samples(bits: bytes, needed: int, codes: _Codes) -> int:
    """Return how many bits so many samples of a lossless scan take (H.1.2.2)."""
    leaps, sums, steps = codes.leaps, codes.sums, codes.steps
    padded = bits + bytes(8)
    at, end = 0, 8 * len(bits)
    while needed > 0 and at <= end:
        byte = at >> 3
        window = (padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]) >> 8 - (at & 7) & 0xFFFF
        alone = needed < _MAX_CODES
        step = steps[window] if alone else leaps[window]
        if not step:
            raise _no_code()
        at += step
        needed -= 1 if alone else sums[window]
    return at if needed == 0 else end + 1


def _blocks(bits: bytes, units: int, unit: list[tuple[_Codes, _Codes]]) -> int:
    """Return how many bits so many units of blocks take (F.1.2)."""
    padded = bits + bytes(_MAX_BLOCKS * _COEFFICIENTS * _LONGEST // 8)
    at, end = 0, 8 * len(bits)
    for _ in range(units):
        for dc, ac in unit:
            byte = at >> 3
            window = (padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]) >> 8 - (at & 7) & 0xFFFF
            if not dc.steps[window]:
                raise _no_code()
            at = _block(padded, at + dc.steps[window], ac)
        if at > end:
            break
    return at


def _block(bits: bytes, at: int, codes: _Codes) -> int:
    """Return where the coefficients of a block end that follow the first."""
    leaps, sums, ends = codes.leaps, codes.sums, codes.ends
    index = 1
    while index < _COEFFICIENTS:
        byte = at >> 3
        window = (bits[byte] << 16 | bits[byte + 1] << 8 | bits[byte + 2]) >> 8 - (at & 7) & 0xFFFF
        after = index + sums[window]
        if after < _COEFFICIENTS and leaps[window]:
            at += leaps[window]
            index = _COEFFICIENTS if ends[window] else after
            continue
        step, count = codes.steps[window], codes.counts[window]  # where the block is full, no end of it is coded
        if not step or index + count > _COEFFICIENTS:
            raise _no_code()
        at += step
        index = index + count if count else _COEFFICIENTS
    return at


def _no_code() -> RefusalError:
    return _damaged(
        "has scans of the codes that its tables define", "this one has something else: it is cut short or damaged"
    )


def _check_padding(bits: bytes, after: int) -> None:
    left = 8 * len(bits) - after
    if not 0 <= left <= _MAX_PADDING:
        raise _damaged(
            "codes each block or sample of its picture once", f"this one codes {'fewer' if left < 0 else 'more'}"
        )
