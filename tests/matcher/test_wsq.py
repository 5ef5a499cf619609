"""WSQ: the same pixels as the reference decoder, every coefficient counted, and no harm from any bytes."""

from __future__ import annotations

import importlib
import random
import re
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher import wsq
from matcher.wsq import MAX_PIXELS_PER_BYTE, WsqError, decode, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CODEC: Any = importlib.import_module("_wsq")  # NIST's coder and decoder, in C


def reference(data: bytes) -> tuple[NDArray[np.uint8], int]:
    pixels, width, height, dpi = CODEC.decompress(data)
    return np.frombuffer(bytes(pixels), np.uint8).reshape(int(height), int(width)), int(max(dpi, 0))


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """Code with the reference coder, at its usual 0.75 bits a pixel."""
    return bytes(CODEC.compress(picture.tobytes(), *picture.shape, 12))


def ridges(width: int, height: int, seed: int = 1) -> NDArray[np.uint8]:
    """Slanted ridges 9 pixels apart, with some noise, brighter towards the right."""
    noise = np.random.default_rng(seed).normal(0, 6, (height, width))
    waves = 110 + 90 * np.sin(np.add.outer(np.arange(height), 0.7 * np.arange(width)) * 2 * np.pi / 11)
    return (waves + noise + np.linspace(0, 40, width)).clip(0, 255).astype(np.uint8)


# --- a writer of WSQ files, slow and obvious: any coefficients, any table, any wavelet -----------------------------------

LOW = (0.852698679009403, 0.377402855612654, -0.110624404418423, -0.023849465019380, 0.037828455506995)
HIGH = (0.788485616405664, -0.418092273222212, -0.040689417609558, 0.064538882628938)
EIGHT_BITS: Final = {symbol: format(symbol - 1, "08b") for symbol in range(1, 255)}
"""Every symbol has a code of eight bits; 11111110 and 11111111 are no codes."""

SUBBANDS = 64
BLOCKS = (0, 19, 52, 60)  # the subbands with which the blocks of all known writers begin


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">HH", marker, len(body) + 2) + body


def decimal(value: float, most: int) -> tuple[int, int]:
    exponent = 0
    while value and round(value * 10 ** (exponent + 1)) <= most:
        exponent += 1
    return exponent, round(value * 10**exponent)


def transform(low: Sequence[float] = LOW, high: Sequence[float] = HIGH, taps: tuple[int, int] = (9, 7)) -> bytes:
    halves = b"".join(struct.pack(">BBI", value < 0, *decimal(abs(value), 2**32 - 1)) for value in (*low, *high))
    return segment(0xFFA4, bytes(taps) + halves)


def quantisation(bins: Sequence[float], centre: float = 0.44) -> bytes:
    values = [centre, *(value for bin_ in bins for value in (bin_, 1.2 * bin_))]
    return segment(0xFFA5, b"".join(struct.pack(">BH", *decimal(value, 65535)) for value in values))


def frame(width: int, height: int, shift: float = 127.5, scale: float = 1.0) -> bytes:
    grey = [*decimal(shift, 65535), *decimal(scale, 65535)]
    return segment(0xFFA2, struct.pack(">BBHHBHBHBH", 0, 255, height, width, *grey, 0, 0))


def huffman(codes: dict[int, str], number: int = 0) -> bytes:
    """Codes must be canonical: in the order of their lengths and then of the dictionary."""
    lengths = [len(code) for code in codes.values()]
    return segment(0xFFA6, bytes([number, *(lengths.count(length) for length in range(1, 17)), *codes]))


def symbols(coefficients: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Symbol by symbol, with the bits that follow its code."""
    zeros = 0
    for value in [*coefficients, None]:
        if value == 0:
            zeros += 1
            continue
        while zeros:
            run = min(zeros, 65535)
            yield (run, "") if run <= 100 else (105, f"{run:08b}") if run < 256 else (106, f"{run:016b}")
            zeros -= run
        if value is None:
            return
        if -73 <= value <= 74:
            yield value + 180, ""
        else:
            yield (
                (101 + (value < 0), f"{abs(value):08b}")
                if abs(value) < 256
                else (103 + (value < 0), f"{abs(value):016b}")
            )


def entropy(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def block(data: bytes, table: int = 0) -> bytes:
    return segment(0xFFA3, bytes([table])) + data.replace(b"\xff", b"\xff\x00")


def coded(coefficients: Sequence[int]) -> bytes:
    return entropy("".join(EIGHT_BITS[symbol] + extra for symbol, extra in symbols(coefficients)))


def areas(width: int, height: int) -> list[int]:
    parts = wsq._layout(width, height).subbands
    return [(p.rows.stop - p.rows.start) * (p.columns.stop - p.columns.start) for p in parts]


def written(  # every part of a file can be put in place of the usual one
    width: int,
    height: int,
    blocks: Sequence[bytes],
    bins: Sequence[float] = (0.5,) * 60 + (0.0,) * 4,
    wavelet: bytes | None = None,
    table: bytes | None = None,
) -> bytes:
    tables = (wavelet or transform()) + quantisation(bins) + frame(width, height) + (table or huffman(EIGHT_BITS))
    return b"\xff\xa0" + tables + b"".join(blocks) + b"\xff\xa1"


def noise(width: int, height: int, seed: int, wavelet: bytes | None = None) -> bytes:
    """A file of random coefficients, large and small, with some subbands not coded."""
    rng = np.random.default_rng(seed)
    bins = [*rng.choice([0.0, 0.3, 1.7, 20.0], 60, p=[0.1, 0.3, 0.3, 0.3]), *[0.0] * 4]
    spread = rng.choice([0.2, 2.0, 300.0], 60)
    bands = [
        rng.normal(0, spread[band], area if bins[band] else 0).astype(int)
        for band, area in enumerate(areas(width, height)[:60])
    ]
    parts = [np.concatenate(bands[first:last]).tolist() for first, last in pairwise(BLOCKS)]
    return written(width, height, [block(coded(part)) for part in parts], bins, wavelet)


# --- the same pixels as the reference ------------------------------------------------------------------------------------


def embedded(folder: Path) -> dict[bytes, str]:
    """Every WSQ stream in a folder, also those within transactions and records."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = path.read_bytes() if path.is_file() and "malformed" not in path.parts else b""
        for start in re.finditer(rb"\xff\xa0\xff[\xa2-\xa8]", data):
            last = re.compile(rb"\xff\xa3\x00\x03.(?:[^\xff]|\xff\x00)*\xff\xa1", re.DOTALL).search(data, start.start())
            if last:
                found[data[start.start() : last.end()]] = f"{path.name} at {start.start()}"
    return found


def test_every_file_of_other_writers_gives_the_pixels_of_the_reference(shared_data: Path) -> None:
    files = embedded(shared_data)
    assert len(files) >= 50
    for data, name in files.items():
        pixels, dpi = decode(data)
        expected, expected_dpi = reference(data)
        np.testing.assert_array_equal(pixels, expected, err_msg=name)
        assert (dpi, size(data)) == (expected_dpi, pixels.shape[::-1])


def test_a_picture_that_nist_decoded_comes_out_the_same(shared_data: Path) -> None:
    image = importlib.import_module("PIL.Image")
    expected = np.asarray(image.open(shared_data / "wsq" / "sourceafis_converted.png"))
    np.testing.assert_array_equal(decode((shared_data / "wsq" / "sourceafis_original.wsq").read_bytes())[0], expected)


@pytest.mark.parametrize("width", [81, 96, 113, 128, 131, 200])
@pytest.mark.parametrize("height", [81, 90, 97, 130, 163, 255])
def test_pictures_of_all_kinds_of_sides_give_the_pixels_of_the_reference(width: int, height: int) -> None:
    for picture in (ridges(width, height), np.full((height, width), 200, np.uint8)):
        data = encoded(picture)
        np.testing.assert_array_equal(decode(data)[0], reference(data)[0])


@pytest.mark.parametrize("seed", range(12))
def test_random_coefficients_of_every_kind_give_the_pixels_of_the_reference(seed: int) -> None:
    width, height = np.random.default_rng(seed).integers(81, 300, 2).tolist()
    data = noise(width, height, seed)
    np.testing.assert_array_equal(decode(data)[0], reference(data)[0])


@pytest.mark.parametrize("taps", [(9, 7), (7, 9), (5, 3), (13, 11), (2, 2), (6, 2), (4, 4), (8, 8), (10, 6), (12, 8)])
def test_filters_of_other_lengths_odd_and_even_give_the_pixels_of_the_reference(taps: tuple[int, int]) -> None:
    rng = np.random.default_rng(taps)
    low, high = (rng.normal(0, 0.4, (count + 1) // 2).tolist() for count in taps)
    for seed in range(4):
        width, height = rng.integers(150, 260, 2).tolist()
        data = noise(width, height, seed, transform(low, high, taps))
        np.testing.assert_array_equal(decode(data)[0], reference(data)[0])


def test_the_same_bytes_give_the_same_pixels() -> None:
    data = encoded(ridges(90, 120))
    assert len({decode(data)[0].tobytes() for _ in range(3)}) == 1


# --- the wavelet against its definition ----------------------------------------------------------------------------------


def analysed(line: list[float], taps: dict[int, float], first: int, gap: int) -> list[float]:
    """Filter a line that goes on as its mirror image, and keep every second value from ``first``."""
    count = len(line)

    def sample(n: int) -> float:
        while not 0 <= n < count:
            n = -n - gap if n < 0 else 2 * (count - 1) - n + gap
        return line[n]

    return [sum(tap * sample(n + k) for k, tap in taps.items()) for n in range(first, count, 2)]


def whole(half: Sequence[float]) -> dict[int, float]:
    return {k: half[abs(k)] for k in range(1 - len(half), len(half))}


@pytest.mark.parametrize("length", [*range(2, 30), 97, 128])
@pytest.mark.parametrize("backwards", [False, True])
def test_joining_undoes_the_standards_splitting_at_every_length(length: int, backwards: bool) -> None:
    line = np.random.default_rng(length).normal(0, 50, length).tolist()
    low, high = analysed(line, whole(LOW), 0, 0), analysed(line, whole(HIGH), 1, 0)
    column = np.array([high + low if backwards else low + high], np.float32).T
    lines = np.repeat(column, 3, axis=1)
    wsq._join(lines, wsq._wavelet(transform()[4:]), backwards=backwards)
    np.testing.assert_allclose(lines, np.repeat(np.array([line]).T, 3, axis=1), atol=2e-3)


@pytest.mark.parametrize("length", range(2, 20))
def test_joining_undoes_splitting_also_with_filters_of_even_length(length: int) -> None:
    line = np.random.default_rng(length).normal(0, 50, length).tolist()
    half = 0.5**0.5
    low = analysed(line, {0: half, 1: half}, 0, 1)
    high = analysed(line, {0: -half, 1: half}, 0, 1)[: length // 2]  # the table states this filter negated
    lines = np.array([low + high], np.float32).T
    wsq._join(lines, wsq._wavelet(transform([half], [-half], (2, 2))[4:]), backwards=False)
    np.testing.assert_allclose(lines[:, 0], line, atol=1e-3)


def split(lines: NDArray[np.float64], *, backwards: bool) -> NDArray[np.float64]:
    """Split each row into low and high, in this order or backwards."""
    halves = [(analysed(row, whole(LOW), 0, 0), analysed(row, whole(HIGH), 1, 0)) for row in lines.tolist()]
    return np.array([high + low if backwards else low + high for low, high in halves])


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 47), (50, 41), (64, 80), (79, 35), (90, 83)])
def test_what_the_standards_own_splitting_wrote_comes_back_in_every_size(width: int, height: int) -> None:
    down, across = np.mgrid[0:height, 0:width]
    picture = 127.5 + 50 * np.sin(down / 4 + across / 9) + 40 * np.cos(across / 5)
    layout, fine = wsq._layout(width, height), 0.05
    plane = picture - 127.5
    for part in layout.splits:
        window = split(plane[part.rows, part.columns], backwards=part.backwards_across)
        plane[part.rows, part.columns] = split(window.T, backwards=part.backwards_down).T
    bands = [np.round(plane[part.rows, part.columns] / fine).astype(int).ravel() for part in layout.subbands]
    parts = [np.concatenate(bands[first:last]).tolist() for first, last in pairwise(BLOCKS)]
    data = written(width, height, [block(coded(part)) for part in parts], [fine] * 60 + [0.0] * 4)
    np.testing.assert_allclose(decode(data)[0], picture, atol=2)


@pytest.mark.parametrize("width", [32, 33, 64, 97, 130, 255])
@pytest.mark.parametrize("height", [32, 47, 66, 129, 256])
def test_the_64_subbands_share_out_the_picture(width: int, height: int) -> None:
    parts = wsq._layout(width, height).subbands
    plane = np.zeros((height, width), int)
    for number, part in enumerate(parts):
        plane[part.rows, part.columns] += number + 1
    assert len(parts) == SUBBANDS
    assert np.bincount(plane.ravel(), minlength=SUBBANDS + 1).tolist() == [0, *areas(width, height)]
    assert min(areas(width, height)) > 0


# --- every coefficient is counted ----------------------------------------------------------------------------------------

COEFFICIENT = st.one_of(
    st.just(0),
    st.integers(-3, 3),
    st.integers(-255, 255),
    st.integers(-65535, 65535),
    st.sampled_from([-73, 74, 75, -74]),
)


@given(st.lists(st.tuples(COEFFICIENT, st.integers(1, 400)), max_size=30))
def test_coefficients_are_read_as_they_were_written(runs: list[tuple[int, int]]) -> None:
    values = [value for value, count in runs for _ in range(count)][:1024]
    values += [0] * (1024 - len(values))
    table = wsq._Table(*(huffman(EIGHT_BITS)[at] for at in (slice(5, 21), slice(21, None))))
    layout = wsq._layout(32, 32)
    bands = wsq._Quantisation(np.float32(0), np.ones(64, np.float32), np.ones(64, np.float32))
    needed = sum(areas(32, 32)[:60])
    read = wsq._coefficients([(table, coded(values[:needed]))], layout, bands)
    assert read.astype(int).tolist() == values[:needed]


def zeros(width: int, height: int) -> list[int]:
    counts = areas(width, height)
    return [sum(counts[first:last]) for first, last in pairwise(BLOCKS)]


def test_blocks_longer_than_what_is_read_at_a_time_are_read_whole() -> None:
    values = np.random.default_rng(3).integers(-74, 75, sum(areas(300, 280)[:60])).tolist()
    data = written(300, 280, [block(coded(values))])
    assert len(data) > 32768
    np.testing.assert_array_equal(decode(data)[0], reference(data)[0])


@pytest.mark.parametrize("missing", [1, 2, 50])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_block_with_coefficients_too_few_or_too_many_is_no_picture(number: int, missing: int) -> None:
    for change, message in (
        (-missing, "amid a subband|amid a code"),
        (missing, "amid a subband|more coefficients than"),
    ):
        counts = zeros(96, 90)
        counts[number] += change
        data = written(96, 90, [block(coded([0] * count)) for count in counts])
        with pytest.raises(WsqError, match=message):
            decode(data)


def test_what_one_block_lacks_another_does_not_make_good() -> None:
    one, two, three = zeros(96, 90)
    data = written(96, 90, [block(coded([1] * count)) for count in (one + 1, two - 1, three)])
    with pytest.raises(
        WsqError, match=rf"ends where a subband does; this one ends at coefficient {one + 1}, amid a subband"
    ):
        decode(data)
    decode(written(96, 90, [block(coded([1] * count)) for count in (one, two, three)]))


def test_a_block_may_be_missing_only_if_it_has_nothing_to_code() -> None:
    one, two, three = (block(coded([1] * count)) for count in zeros(96, 90))
    with pytest.raises(WsqError, match=r"has 6480 coefficients; the file codes 2160: it is cut short"):
        decode(written(96, 90, [one, two]))
    assert decode(written(96, 90, [one, two], (0.5,) * 52 + (0.0,) * 12))[0].shape == (90, 96)
    with pytest.raises(WsqError, match="more coefficients than the picture has"):
        decode(written(96, 90, [one, two, three], (0.5,) * 52 + (0.0,) * 12))


def ones_coded(bits: Callable[[int], str]) -> bytes:
    """A file whose table gives 0 to the value 1 and 11 to a run of two, so that padding could be runs."""
    codes = {181: "0", 182: "10", 2: "11"}
    blocks = [block(entropy(bits(count))) for count in zeros(96, 90)]
    return written(96, 90, blocks, table=huffman(codes))


def test_ones_that_a_subband_needs_are_a_code_and_others_are_padding() -> None:
    grey, _ = decode(ones_coded(lambda count: "0" * count))
    whole_byte, _ = decode(ones_coded(lambda count: "0" * count + "1" * (8 + -count % 8)))
    np.testing.assert_array_equal(whole_byte, grey)
    ending, _ = decode(ones_coded(lambda count: "0" * (count - 2) + "11"))
    np.testing.assert_array_equal(decode(ones_coded(lambda count: "0" * (count - 2) + "11" + "1" * 8))[0], ending)
    assert not np.array_equal(ending, grey)


def test_more_padding_than_a_byte_is_damage() -> None:
    with pytest.raises(WsqError, match=r"amid a subband|more coefficients than the picture has"):
        decode(ones_coded(lambda count: "0" * count + "1" * (16 + -count % 8)))


def test_padding_with_anything_but_ones_is_damage() -> None:
    bits = ["000" * count for count in zeros(95, 91)]
    blocks = [block(entropy(part + "0" * (-len(part) % 8))) for part in bits]
    assert any(len(part) % 8 for part in bits)
    with pytest.raises(WsqError, match=r"amid a subband|amid a code"):
        decode(written(95, 91, blocks, table=huffman({181: "000"})))


def test_bits_that_are_no_code_are_damage() -> None:
    counts = zeros(96, 90)
    good = [block(coded([1] * count)) for count in counts]
    with pytest.raises(WsqError, match="bits that are no code of its Huffman table"):
        decode(written(96, 90, [block(b"\xff\xfe" + coded([1] * counts[0])), *good[1:]]))


@pytest.mark.parametrize("symbol", [0, 255])
def test_symbols_that_stand_for_nothing_are_harmless_until_they_are_used(symbol: int) -> None:
    codes = {181: "0", 182: "10", symbol: "11"}
    counts = zeros(96, 90)
    used = [block(entropy("0" * count)) for count in counts]
    assert decode(written(96, 90, used, table=huffman(codes)))[0].shape == (90, 96)
    used[0] = block(entropy("11" + "0" * counts[0]))
    with pytest.raises(WsqError, match="bits that are no code"):
        decode(written(96, 90, used, table=huffman(codes)))


@pytest.mark.parametrize("taken", [101, 102, 103, 104, 105, 106])
def test_a_number_that_runs_beyond_its_block_is_damage(taken: int) -> None:
    good = [block(coded([0] * count)) for count in zeros(96, 90)]
    with pytest.raises(WsqError, match="breaks off amid a code"):
        decode(written(96, 90, [block(entropy(EIGHT_BITS[taken])), *good[1:]]))


# --- markers and tables --------------------------------------------------------------------------------------------------

GOOD = encoded(ridges(64, 48))


def put(before: bytes, inserted: bytes) -> bytes:
    at = GOOD.index(before)
    return GOOD[:at] + inserted + GOOD[at:]


FRAME = GOOD[GOOD.index(b"\xff\xa2") :][:19]
NO_HUFFMAN = re.sub(rb"\xff\xa6", b"\xff\xa8", GOOD)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"begins with FFA0 .SOI.; got nothing"),
        (b"\x89PNG", r"begins with FFA0 .SOI.; got 8950"),
        (GOOD[:2], "breaks off in a segment at byte 2"),
        (GOOD[:-2], "breaks off in a block"),
        (GOOD[:100], r"breaks off in a segment at byte [0-9]+"),
        (GOOD[:2] + b"\xff\xa8\x00\x01" + GOOD[2:], "breaks off in a segment at byte 2"),
        (GOOD + GOOD, f"ends with FFA1 .EOI.; {len(GOOD)} bytes follow"),
        (GOOD[:2] + b"\xff\xb0\x00\x02" + GOOD[2:], "FFB0 is no marker of a WSQ file that is read here"),
        (GOOD[:2] + b"\xff\xa7\x00\x04\x00\x09" + GOOD[2:], "FFA7 is no marker"),
        (GOOD[:2] + b"\x12\x34\x00\x02" + GOOD[2:], "1234 is no marker"),
        (put(b"\xff\xa3", FRAME), "one frame header .SOF.; this one has more"),
        (GOOD.replace(FRAME, FRAME[:3] + b"\x12" + FRAME[4:] + b"\x00"), "SOF. has a length of 17; got 18"),
        (GOOD.replace(FRAME, b""), "comes after the frame header"),
        (GOOD[: GOOD.index(b"\xff\xa3")] + b"\xff\xa1", "quantisation tables and a block; one is missing"),
        (GOOD.replace(b"\xff\xa5", b"\xff\xa8", 1), "quantisation tables and a block; one is missing"),
        (GOOD.replace(b"\xff\xa4", b"\xff\xa8", 1), "quantisation tables and a block; one is missing"),
        (put(b"\xff\xa3", segment(0xFFA5, bytes(9))), "DQT. has a length of 389; got 11"),
        (put(b"\xff\xa3", segment(0xFFA4, b"")), "2 to 32 taps; got 0 and 0 in 0 bytes"),
        (put(b"\xff\xa3", segment(0xFFA4, b"\x09\x07" + bytes(53))), "2 to 32 taps; got 9 and 7 in 55 bytes"),
        (put(b"\xff\xa3", segment(0xFFA4, b"\x01\x03" + bytes(18))), "2 to 32 taps; got 1 and 3"),
        (put(b"\xff\xa3", segment(0xFFA4, b"\x22\x22" + bytes(204))), "2 to 32 taps; got 34 and 34"),
        (put(b"\xff\xa3", segment(0xFFA4, b"\x09\x06" + bytes(48))), "4 divides their taps together; got 9 and 6"),
        (NO_HUFFMAN, "names one Huffman table that is defined; got 00"),
        (put(b"\xff\xa3", b"\xff\xa3\x00\x02"), "names one Huffman table that is defined; got none"),
        (put(b"\xff\xa3", b"\xff\xa3\x00\x03\x00" * 2), "at most 4 blocks"),
        (put(b"\xff\xa3", b"\xff\xa6\x00\x03\x00"), "number below 8, 16 counts and as many symbols"),
        (put(b"\xff\xa3", segment(0xFFA6, b"\x08" + bytes(16))), "number below 8, 16 counts and as many symbols"),
        (put(b"\xff\xa3", segment(0xFFA6, b"\x00" + b"\xff" * 16)), "number below 8, 16 counts and as many symbols"),
        (put(b"\xff\xa3", segment(0xFFA6, b"\x00\x03" + bytes(15) + b"\x01\x02\x03")), "more codes than there are"),
        (put(b"\xff\xa3", segment(0xFFA6, bytes(17)) * 7), "at most 8 Huffman tables"),
        (put(b"\xff\xa3", segment(0xFFA8, b"a remark") * 100), "at most 100 segments"),
    ],
)
def test_a_file_that_breaks_the_grammar_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(WsqError, match=message):
        decode(data)


def sized(width: int, height: int) -> bytes:
    return GOOD.replace(FRAME, FRAME[:6] + struct.pack(">HH", height, width) + FRAME[10:])


@pytest.mark.parametrize("sides", [(31, 48), (64, 31), (0, 0), (4000, 4001), (65535, 65535), (700, 800), (16000, 32)])
def test_a_stated_size_is_held_to_the_limits_before_anything_is_decoded(sides: tuple[int, int]) -> None:
    data = sized(*sides)
    assert sides[0] * sides[1] > MAX_PIXELS_PER_BYTE * len(data) or min(sides) < wsq.MIN_SIDE
    assert size(data) == sides
    with pytest.raises(WsqError, match=f"the header states {sides[0]} x {sides[1]} for {len(data)} bytes"):
        decode(data)


def test_the_size_is_read_from_the_header_alone() -> None:
    assert size(GOOD[: GOOD.index(FRAME) + len(FRAME)]) == (64, 48)
    with pytest.raises(WsqError, match=r"has a frame header .SOF.; this one ends without"):
        size(b"\xff\xa0" + segment(0xFFA8, b"NIST_COM") + b"\xff\xa1")


def test_fill_bytes_before_a_marker_and_zeros_after_the_end_are_allowed() -> None:
    pixels, _ = decode(GOOD)
    for data in (GOOD + bytes(3), GOOD[:-2] + b"\xff" * 5 + GOOD[-2:], put(FRAME, b"\xff\xff")):
        np.testing.assert_array_equal(decode(data)[0], pixels)


@pytest.mark.parametrize(
    ("remark", "dpi"),
    [
        (b"NIST_COM 3\nPIX_WIDTH 64\nPPI 500\nLOSSY 1\n", 500),
        (b"NIST_COM 1\nPPI 1000", 1000),
        (b"NIST_COM 1\r\nPPI\t569\r\n", 569),
        (b"NIST_COM 1\nPPI -1\n", 0),
        (b"NIST_COM 1\nPPI 123456\n", 0),
        (b"NIST_COM 1\nNOT_PPI 500\n", 0),
        (b"a scanner's remark\nPPI 500\n", 0),
    ],
)
def test_the_resolution_is_that_of_nists_comment(remark: bytes, dpi: int) -> None:
    at = GOOD.index(FRAME)
    bare = re.sub(rb"^NIST_COM", b"NOST_COM", GOOD[4:at]) if GOOD[2:4] == b"\xff\xa8" else GOOD[4:at]
    plain = GOOD[:4] + bare.replace(b"NIST_COM", b"NOST_COM") + GOOD[at:]
    assert decode(plain)[1] == 0
    assert decode(plain[:2] + segment(0xFFA8, remark) + plain[2:])[1] == dpi


def test_tables_of_nonsense_that_give_no_numbers_give_no_picture() -> None:
    huge = [4e9] * 16
    blocks = [block(coded([60000] * count)) for count in zeros(96, 90)]
    with pytest.raises(WsqError, match="give no picture"):
        decode(written(96, 90, blocks, wavelet=transform(huge, huge, (32, 32))))


# --- damage --------------------------------------------------------------------------------------------------------------


def outcome(data: bytes) -> bool:
    """Whether it is a picture, and a whole one; anything but that and a refusal fails the test."""
    try:
        pixels, dpi = decode(data)
    except WsqError:
        return False
    assert pixels.dtype == np.uint8
    assert pixels.shape[::-1] == size(data)
    assert 0 <= dpi < 100_000
    return True


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change, drop, repeat or add a few bytes, more often among the headers."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(2, len(changed) if rng.random() < 0.6 else min(len(changed), 700))
        kind = rng.randrange(8)
        if kind < 5:
            changed[at] = rng.choice((0, 255, rng.randrange(256), changed[at] ^ 1 << rng.randrange(8)))
        elif kind == 5:
            del changed[at : at + rng.choice((1, 2, 40))]
        elif kind == 6:
            changed[at:at] = changed[at : at + rng.choice((1, 2, 40))]
        else:
            changed[at:at] = bytes([255, rng.randrange(0xA0, 0xB8)])
    return bytes(changed)


def survivors(count: int, seed: int) -> int:
    rng = random.Random(seed)  # noqa: S311  reproducible damage, no secret
    files = [GOOD, encoded(ridges(33, 70)), encoded(np.full((40, 40), 128, np.uint8)), noise(40, 36, 5)]
    return sum(outcome(damaged(rng.choice(files), rng)) for _ in range(count))


def test_damaged_files_are_refused_or_whole_pictures_and_nothing_else() -> None:
    assert 0 < survivors(2_000, seed=1) < 800  # of these, most are damaged in their remarks or tables of numbers


@pytest.mark.long
def test_many_damaged_files_are_refused_or_whole_pictures_and_nothing_else() -> None:
    assert 0 < survivors(100_000, seed=2) < 40_000


def test_a_file_cut_short_anywhere_is_no_picture() -> None:
    for length in range(len(GOOD)):
        assert not outcome(GOOD[:length])
    for length in range(3, len(GOOD) - 2):
        assert not outcome(GOOD[:length] + b"\xff\xa1")


def test_files_that_kill_the_reference_decoder_are_all_refused(shared_data: Path) -> None:
    paths = sorted((shared_data / "malformed" / "wsq").iterdir())
    assert len(paths) == 189
    for path in paths:
        with pytest.raises(WsqError):
            decode(path.read_bytes())
