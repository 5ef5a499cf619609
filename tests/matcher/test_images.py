"""Reading pictures of prints: formats, limits, resolution, and what a damaged file gives."""

from __future__ import annotations

import importlib
import io
import random
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from matcher import _decoding, _jpeg_grammar
from matcher.images import (
    DecodeError,
    DecoderKilledError,
    Image,
    ImageError,
    ResolutionError,
    SizeError,
    UnknownFormatError,
    at_500,
    codec_of,
    read,
    read_raw,
    write_png,
)
from matcher.jail import PROGRAM, Jail
from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


CODEC: Any = importlib.import_module("_wsq")


def ridges(width: int = 160, height: int = 200) -> NDArray[np.uint8]:
    """Slanted ridges 9 pixels apart, with some noise."""
    noise = np.random.default_rng(1).normal(0, 6, (height, width))
    waves = 127 + 100 * np.sin(np.add.outer(np.arange(height), 0.7 * np.arange(width)) * 2 * np.pi / 11)
    return np.asarray((waves + noise).clip(0, 255), np.uint8)


RIDGES = ridges()


def encoded(picture: NDArray[Any] | PIL.Image.Image, codec: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, PIL.Image.Image) else PIL.Image.fromarray(picture)
    image.save(file, codec, **options)
    return file.getvalue()


def wsq(picture: NDArray[np.uint8] = RIDGES) -> bytes:
    height, width = picture.shape
    return bytes(CODEC.compress(picture.tobytes(), height, width, 12))


# A lossless JPEG, sample by sample as ISO/IEC 10918-1 has it (H.1.2): the slow twin of an encoder.
def jpeg_lossless(
    picture: NDArray[np.uint8],
    predictor: int = 1,
    *,
    rows: int = 0,
    point: int = 0,
    sof: int = 0xC3,
    bits: int = 8,
    components: int = 1,
) -> bytes:
    samples = (picture >> point).astype(int)
    height, width = samples.shape
    start = 1 << 7 - point
    scan = [b""]
    codes: list[str] = []
    for y, x in np.ndindex(height, width):
        first = y % rows == 0 if rows else y == 0
        if first and x == 0 and y:
            scan[-1] = stuffed(codes)
            scan += [bytes([0xFF, 0xD0 + (y // rows - 1) % 8]), b""]
            codes = []
        left = int(samples[y, x - 1]) if x else 0
        above, corner = (int(samples[y - 1, x]), int(samples[y - 1, x - 1])) if not first else (0, 0)
        by_rule = (
            0,
            left,
            above,
            corner,
            left + above - corner,
            left + (above - corner >> 1),
            above + (left - corner >> 1),
            left + above >> 1,
        )
        predicted = (left if x else start) if first else (by_rule[predictor] if x else above)
        difference = int(samples[y, x]) - predicted
        category = abs(difference).bit_length()
        codes.append(f"{category:05b}")
        if category:
            codes.append(f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}")
    scan[-1] = stuffed(codes)
    named = b"".join(bytes([name, 0x11, 0]) for name in range(1, components + 1))
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xC4, bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])),
            segment(sof, struct.pack(">BHHB", bits, height, width, components) + named),
            segment(0xDD, struct.pack(">H", rows * width)) if rows else b"",
            segment(0xDA, bytes([1, 1, 0, predictor, 0, point])),
            *scan,
            b"\xff\xd9",
        )
    )


def stuffed(codes: list[str]) -> bytes:
    bits = "".join(codes)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def png_claiming(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def wsq_claiming(width: int, height: int) -> bytes:
    """A valid file but for the size in its frame header."""
    data = bytearray(wsq())
    at = data.index(b"\xff\xa2") + 6
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


LOSSLESS = {
    "png": encoded(RIDGES, "PNG"),
    "png 16 bit": encoded(RIDGES.astype(np.uint16) * 257, "PNG"),
    "png colour": encoded(PIL.Image.fromarray(RIDGES).convert("RGB"), "PNG"),
    "png opaque alpha": encoded(PIL.Image.fromarray(RIDGES).convert("RGBA"), "PNG"),
    "png grey and opaque alpha": encoded(PIL.Image.fromarray(RIDGES).convert("LA"), "PNG"),
    "png palette": encoded(PIL.Image.fromarray(RIDGES).convert("P"), "PNG"),
    "tiff": encoded(RIDGES, "TIFF"),
    "tiff 16 bit": encoded(RIDGES.astype(np.uint16) * 257, "TIFF"),
    "tiff lzw": encoded(RIDGES, "TIFF", compression="tiff_lzw"),
    "tiff deflate": encoded(RIDGES, "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": encoded(RIDGES, "TIFF", compression="packbits"),
    "bmp": encoded(RIDGES, "BMP"),
    "pgm": encoded(RIDGES, "PPM"),
    "jp2": encoded(RIDGES, "JPEG2000"),
    "j2k": encoded(RIDGES, "JPEG2000", no_jp2=True),
    "jp2 16 bit": encoded(RIDGES.astype(np.uint16) * 257, "JPEG2000"),
    "jp2 colour": encoded(PIL.Image.fromarray(RIDGES).convert("RGB"), "JPEG2000"),
    "jpeg lossless": jpeg_lossless(RIDGES),
    "jpeg lossless with restarts": jpeg_lossless(RIDGES, 4, rows=3),
}
LOSSY = {
    "wsq": wsq(),
    "jpeg": encoded(RIDGES, "JPEG", quality=90),
    "jpeg with restarts": encoded(RIDGES, "JPEG", quality=90, restart_marker_rows=1),
    "jpeg colour": encoded(PIL.Image.fromarray(RIDGES).convert("RGB"), "JPEG", quality=90),
    "jpeg colour in full": encoded(PIL.Image.fromarray(RIDGES).convert("RGB"), "JPEG", quality=90, subsampling=0),
    "jpeg optimised": encoded(RIDGES, "JPEG", quality=90, optimize=True),
    "jp2 lossy": encoded(RIDGES, "JPEG2000", irreversible=True, quality_layers=[8]),
    "jp2 colour lossy": encoded(
        PIL.Image.fromarray(RIDGES).convert("RGB"), "JPEG2000", irreversible=True, quality_layers=[8]
    ),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_pictures_are_read_grey_value_by_grey_value(name: str) -> None:
    image = read(LOSSLESS[name])
    np.testing.assert_array_equal(image.pixels, RIDGES)
    assert image.dpi == 500


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_pictures_are_read_close_to_the_original_and_always_the_same(name: str) -> None:
    data = LOSSY[name]
    image = read(data)
    assert image.pixels.shape == RIDGES.shape
    assert np.abs(image.pixels.astype(int) - RIDGES).mean() < 8
    assert np.array_equal(read(data).pixels, image.pixels)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_lossless_jpeg_is_read_by_each_of_its_predictors(predictor: int, rows: int) -> None:
    picture = ridges(61, 47)
    np.testing.assert_array_equal(read(jpeg_lossless(picture, predictor, rows=rows)).pixels, picture)


def test_lossless_jpeg_with_a_point_transform_has_its_lower_bits_gone() -> None:
    np.testing.assert_array_equal(read(jpeg_lossless(RIDGES, point=2)).pixels, RIDGES & 0xFC)


def test_a_tiff_counting_up_from_white_is_turned_round() -> None:
    data = encoded(RIDGES, "TIFF", tiffinfo={262: 0})
    assert (255 - RIDGES).tobytes() in data
    np.testing.assert_array_equal(read(data).pixels, RIDGES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begin with none"),
        (b"GIF89a", "WSQ, JPEG 2000, JPEG, TIFF, PNG, BMP or PGM; these bytes begin with 47 49 46 38"),
        (encoded(RIDGES, "JPEG", progressive=True), r"sequential \(SOF0, SOF1\) or lossless .* is progressive"),
        (jpeg_lossless(RIDGES, sof=0xC7), "this one is hierarchical"),
        (jpeg_lossless(RIDGES, sof=0xCB), "this one is arithmetically coded"),
        (jpeg_lossless(RIDGES, bits=12), "a JPEG here has 8 bits a sample; this one has 12"),
        (jpeg_lossless(RIDGES, components=3), "a JPEG here is grey, or in colour and lossy; this one has 3 components"),
        (encoded(PIL.Image.fromarray(RIDGES).convert("CMYK"), "JPEG"), "JPEG: .* has 4 components"),
        (encoded(PIL.Image.fromarray(RIDGES).convert("CMYK"), "TIFF"), "this picture is CMYK"),
        (encoded(PIL.Image.fromarray(RIDGES).convert("F"), "TIFF"), "this picture is F"),
        (encoded(RIDGES, "TIFF", compression="jpeg"), "uncompressed, packbits, LZW or deflate; this one is jpeg"),
        (encoded(RIDGES, "TIFF", save_all=True, append_images=[PIL.Image.fromarray(RIDGES)]), "one picture.* has 2"),
        (encoded(RIDGES.astype(np.uint16), "TIFF", tiffinfo={262: 0}), "counts up from white"),
        (encoded(PIL.Image.new("LA", (64, 64), (9, 99)), "PNG"), "transparent pixels"),
        (encoded(RIDGES, "PNG", transparency=3), "grey, colour or 16-bit grey"),
        (encoded(PIL.Image.fromarray(RIDGES).convert("RGBA"), "JPEG2000"), "one component, or three"),
    ],
)
def test_kinds_of_pictures_that_are_not_read_are_named(data: bytes, message: str) -> None:
    with pytest.raises(UnknownFormatError, match=message):
        read(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(10_000_000), "at most 10000000 bytes; got 10000008"),
        (png_claiming(4001, 4000), "PNG: .* at most 16000000; the header states 4001 x 4000"),
        (png_claiming(5001, 40), "PNG: a side has 32 to 5000 .* states 5001 x 40"),
        (png_claiming(31, 400), "PNG: a side has 32 to 5000 .* states 31 x 400"),
        (wsq_claiming(16000, 16000), "WSQ: a side has 32 to 5000 .* states 16000 x 16000"),
        (wsq_claiming(4000, 4000), "WSQ: 4000 x 4000 pixels from [0-9]+ bytes: WSQ gives at most 400 pixels a byte"),
        (encoded(ridges(32, 5001), "JPEG2000"), "JP2: a side has 32 to 5000"),
        (encoded(RIDGES, "JPEG2000", tile_size=(16, 16)), "at most 64 tiles"),
        (encoded(PIL.Image.new("L", (9000, 9000)), "JPEG2000"), "JP2: .* the header states 9000 x 9000"),
        (encoded(PIL.Image.new("L", (5001, 40)), "JPEG"), "JPEG: a side has 32 to 5000"),
        (b"P5 16000 16000 255\n", "PGM: a side has 32 to 5000"),
    ],
)
def test_sizes_beyond_the_limits_are_refused_by_the_header(data: bytes, message: str) -> None:
    with pytest.raises(SizeError, match=message):
        read(data)


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_file_cut_short_anywhere_is_never_a_picture(name: str) -> None:
    data = {**LOSSLESS, **LOSSY}[name]
    for share in (0.02, 0.3, 0.7, 0.98):
        with pytest.raises((DecodeError, UnknownFormatError)):
            read(data[: int(len(data) * share)])


# --- resolution ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dpi"),
    [
        (encoded(RIDGES, "PNG", dpi=(1000, 1000)), 1000),
        (encoded(RIDGES, "TIFF", dpi=(569, 569)), 569),
        (encoded(RIDGES, "BMP", dpi=(500, 500)), 500),
        (encoded(RIDGES, "PNG", dpi=(96, 96)), 500),
        (encoded(RIDGES, "TIFF", dpi=(1, 1)), 500),
        (encoded(RIDGES, "TIFF", dpi=(20000, 20000)), 500),
    ],
)
def test_the_files_own_resolution_counts_where_a_print_can_have_it(data: bytes, dpi: float) -> None:
    assert read(data).dpi == dpi


def test_the_resolution_given_counts_before_the_files_own() -> None:
    assert read(encoded(RIDGES, "PNG", dpi=(1000, 1000)), dpi=569).dpi == 569


def test_pixels_that_are_not_square_are_refused_unless_the_resolution_is_given() -> None:
    data = encoded(RIDGES, "PNG", dpi=(500, 600))
    with pytest.raises(ResolutionError, match=r"500 dpi across and 600 down"):
        read(data)
    assert read(data, dpi=500).dpi == 500


@pytest.mark.parametrize("dpi", [0, -500, 72, 4000, float("nan"), float("inf")])
def test_an_impossible_resolution_is_refused(dpi: float) -> None:
    with pytest.raises(ResolutionError, match="200 to 1300 dpi"):
        read(LOSSLESS["png"], dpi=dpi)


RAW = {
    8: RIDGES.tobytes(),
    16: (RIDGES.astype(">u2") << 8 | 0x5A).astype(">u2").tobytes(),
    24: RIDGES.repeat(3).tobytes(),
}


@pytest.mark.parametrize("bits", RAW)
def test_raw_pixels_are_read_as_they_are(bits: int) -> None:
    image = read_raw(RAW[bits], 160, 200, 1000, bits)
    np.testing.assert_array_equal(image.pixels, RIDGES)
    assert image.dpi == 1000


def test_raw_colours_become_the_grey_that_a_decoder_makes_of_them() -> None:
    colours = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    decoded = read(encoded(PIL.Image.fromarray(colours), "PNG")).pixels
    np.testing.assert_array_equal(read_raw(colours.tobytes(), 64, 64, 500, 24).pixels, decoded)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((RAW[8], 160, 200, 500, 1), UnknownFormatError, "raw pixels here have 8, 16 or 24 bits; got 1"),
        (
            (RAW[8], 31, 200, 500),
            SizeError,
            "a side has 32 to 5000 pixels and a picture at most 16000000; got 31 x 200",
        ),
        ((RAW[8], -160, -200, 500), SizeError, "got -160 x -200"),
        ((RAW[8], 4001, 4000, 500), SizeError, "got 4001 x 4000"),
        (
            (RAW[8], 200, 161, 500),
            SizeError,
            "200 x 161 raw pixels of 8 bits are 32200 bytes; got 32000: the size stated",
        ),
        ((RAW[8], 160, 200, 500, 16), SizeError, "160 x 200 raw pixels of 16 bits are 64000 bytes; got 32000"),
        ((RAW[8], 160, 200, 72), ResolutionError, "200 to 1300 dpi; got 72"),
    ],
)
def test_raw_pixels_that_cannot_be_what_is_said_of_them_are_refused(
    arguments: Any, kind: type[ImageError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        read_raw(*arguments)


def test_an_image_is_a_plane_of_bytes() -> None:
    with pytest.raises(ImageError, match=r"8-bit grey values; got float64 of shape \(3, 4\)"):
        Image(np.zeros((3, 4)), 500)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"uint8 of shape \(3, 4, 3\)"):
        Image(np.zeros((3, 4, 3), np.uint8), 500)


def test_a_written_png_is_read_as_it_was() -> None:
    image = read(write_png(Image(RIDGES, 1000.0)))
    np.testing.assert_array_equal(image.pixels, RIDGES)
    assert image.dpi == 1000


def test_at_500_dpi_an_image_keeps_its_size_in_millimetres() -> None:
    assert at_500(Image(RIDGES, 1000.0)).pixels.shape == (100, 80)
    assert at_500(Image(RIDGES, 250.0)).pixels.shape == (400, 320)
    assert at_500(Image(RIDGES, 569.0)).dpi == 500
    same = Image(RIDGES, 500.0)
    assert at_500(same) is same


def test_resampling_keeps_ridges_where_they_are() -> None:
    fine = np.kron(RIDGES, np.ones((2, 2), np.uint8))
    coarse = at_500(Image(fine, 1000.0)).pixels
    assert np.corrcoef(coarse.ravel(), RIDGES.ravel())[0, 1] > 0.99


def bumps(height: int, width: int, points: list[tuple[float, float]], sigma: float) -> NDArray[np.uint8]:
    """Bright round bumps at points, in pixels from the upper left corner of the picture: a pixel's middle is at one half."""
    y, x = np.mgrid[:height, :width] + 0.5
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points)
    return np.asarray(np.rint(20 + 200 * np.asarray(light)), np.uint8)


@pytest.mark.parametrize("dpi", [250, 333.3, 499, 501, 512, 569, 700, 1000, 1200])
def test_a_point_of_a_resampled_image_is_where_its_place_in_millimetres_says(dpi: float) -> None:
    scale = dpi / 500
    points = [(30.3, 40.7), (210.6, 40.2), (120.5, 150.0), (31.1, 260.9), (209.4, 259.3)]
    fine = bumps(round(300.4 * scale), round(240.4 * scale), [(x * scale, y * scale) for x, y in points], 5 * scale)
    coarse = at_500(Image(fine, dpi))
    assert coarse.dpi == 500
    assert abs(coarse.pixels.shape[0] - 300) <= 1
    for x, y in points:
        rows, columns = slice(int(y) - 18, int(y) + 19), slice(int(x) - 18, int(x) + 19)
        light = coarse.pixels[rows, columns].astype(float) - 20
        down, across = np.mgrid[rows, columns] + 0.5
        found = (light * across).sum() / light.sum(), (light * down).sum() / light.sum()
        assert np.hypot(found[0] - x, found[1] - y) < 0.06


@pytest.mark.parametrize("dpi", [250, 512, 569, 1000, 1300])
def test_a_resampled_image_is_as_bright_and_as_flat_as_it_was(dpi: float) -> None:
    grey = at_500(Image(np.full((401, 303), 93, np.uint8), dpi)).pixels
    assert (grey == 93).all()


# --- WSQ -------------------------------------------------------------------------------------------------------------


def wsq_segments(data: bytes) -> dict[str, bytes]:
    """The parts of a file of one encoder: everything before the first block, the blocks, the end."""
    first = data.index(b"\xff\xa3")
    return {"tables": data[:first], "blocks": data[first:-2], "end": data[-2:]}


def test_tables_and_an_empty_block_are_no_picture() -> None:
    # The C decoder answers this with whatever memory held, a different picture each time.
    parts = wsq_segments(wsq())
    with pytest.raises(DecodeError, match=r"has [0-9]+ coefficients; the file codes 0: it is cut short"):
        read(parts["tables"] + parts["blocks"][:5] + b"\xff\xa1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: b"\xff\xa0" + f[2:-2], "breaks off in a block"),
        (lambda f: f + f, "bytes follow"),
        (lambda f: f[:2] + b"\xff\xb0\x00\x02" + f[2:], "FFB0 is no marker"),
        (lambda f: f.replace(b"\xff\xa2", b"\xff\xa2" + f[f.index(b"\xff\xa2") + 2 :][:17] + b"\xff\xa2"), "one frame"),
        (
            lambda f: f.replace(b"\xff\xa2\x00\x11", b"\xff\xa8\x00\x11"),
            "has a frame header .SOF.; this one ends without",
        ),
        (lambda f: f.replace(b"\xff\xa5", b"\xff\xa8", 1), "quantisation tables and a block; one is missing"),
        (lambda f: f.replace(b"\xff\xa3\x00\x03\x00", b"\xff\xa3\x00\x03\x07", 1), "names one Huffman table"),
        (lambda f: b"\xff\xa0" + f[f.index(b"\xff\xa3") :], "ends without|comes after the frame"),
        (lambda f: f[:2] + b"\xff\xa6\x00\x13\x00" + bytes([255] * 16) + f[2:], "16 counts and as many symbols"),
        (
            lambda f: f[:2] + b"\xff\xa6\x00\x16\x00\x03" + bytes(15) + b"\x01\x02\x03" + f[2:],
            "more codes than there are",
        ),
    ],
)
def test_a_wsq_file_that_breaks_its_grammar_is_refused_with_the_reason(change: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read(change(wsq()))


def test_zeros_after_the_end_of_a_wsq_file_are_allowed() -> None:
    np.testing.assert_array_equal(read(wsq() + bytes(3)).pixels, read(wsq()).pixels)


# --- JPEG ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jpeg", "jpeg colour", "jpeg lossless"])
def test_a_jpeg_that_breaks_off_and_ends_in_good_form_is_no_picture(name: str) -> None:
    # A common decoder answers this with the rest in grey.
    data = {**LOSSLESS, **LOSSY}[name]
    for share in (0.5, 0.9, 0.99):
        with pytest.raises(
            DecodeError, match=r"codes each block or sample .* fewer|of the codes that its tables define"
        ):
            read(data[: int(len(data) * share)] + b"\xff\xd9")


JPEG = LOSSY["jpeg"]
LOSSLESS_JPEG = jpeg_lossless(ridges(40, 40))
RESTARTED = jpeg_lossless(ridges(40, 40), rows=8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (JPEG[:-2], r"ends with FFD9 \(EOI\); this one breaks off in a scan"),
        (JPEG + b"\x00\x01", r"ends with FFD9 \(EOI\); 2 bytes follow"),
        (JPEG + JPEG, "bytes follow"),
        (LOSSLESS_JPEG[:9] + b"\xff\xd9", "breaks off in a segment at byte 2"),
        (LOSSLESS_JPEG.replace(b"\xff\xc4", b"\xff\xfe"), "its scans name; this one has no 00"),
        (LOSSLESS_JPEG[:-2] + bytes(9) + b"\xff\xd9", "each block or sample of its picture once; this one codes more"),
        (
            LOSSLESS_JPEG.replace(b"\xff\xda", segment(0xDD, b"\x00\x28") + b"\xff\xda"),
            "has 39 restart markers; .* has 0",
        ),
        (RESTARTED.replace(b"\xff\xd1", b"\xff\xd3"), "from RST0 to RST7 and round"),
        (LOSSLESS_JPEG.replace(b"\xff\xda", b"\xff\xb1\x00\x02\xff\xda"), "FFB1 has none"),
        (
            LOSSLESS_JPEG.replace(b"\xff\xda\x00\x08\x01\x01", b"\xff\xda\x00\x08\x01\x02"),
            "components that its frame names",
        ),
        (
            LOSSLESS_JPEG[: LOSSLESS_JPEG.index(b"\xff\xda")] + b"\xff\xd9",
            "a frame, and a scan of each of its components; one is missing",
        ),
    ],
)
def test_a_jpeg_that_breaks_its_grammar_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read(data)


def test_zeros_after_the_end_of_a_jpeg_are_allowed() -> None:
    np.testing.assert_array_equal(read(JPEG + bytes(3)).pixels, read(JPEG).pixels)


def test_fill_bytes_before_the_markers_of_a_jpeg_are_allowed() -> None:
    filled = RESTARTED.replace(b"\xff\xd2", b"\xff\xff\xff\xd2").replace(b"\xff\xda", b"\xff\xff\xda")
    np.testing.assert_array_equal(read(filled[:-2] + b"\xff\xff\xd9").pixels, read(RESTARTED).pixels)


def test_a_jpeg_of_nothing_but_fill_bytes_is_refused_at_once() -> None:
    head = LOSSLESS_JPEG[: LOSSLESS_JPEG.index(b"\xff\xda") + 10]
    for data in (head + b"\xff" * 9_000_000 + b"\x00", b"\xff\xd8" + b"\xff" * 9_000_000 + b"\x00"):
        with pytest.raises(DecodeError, match=r"ends with FFD9 \(EOI\)"):
            read(data)


def test_a_jpeg_says_its_resolution() -> None:
    assert read(encoded(RIDGES, "JPEG", dpi=(1000, 1000))).dpi == 1000


# --- without a decoder in C -------------------------------------------------------------------------------------------

LIMITS = {"min_side": 1, "max_side": 5000, "max_pixels": 16_000_000}


def tiff(
    picture: NDArray[np.uint8] = RIDGES,
    rows: int = 200,
    *,
    order: str = "<",
    gap: int = 0,
    backwards: bool = False,
    short: bool = False,
    **changes: Any,
) -> bytes:
    """An uncompressed grey TIFF, written out by TIFF 6.0, section 3; ``changes`` are fields by number, as (type, values)."""
    height, width = picture.shape
    strips = [picture[at : at + rows].tobytes() for at in range(0, height, rows)]
    body, offsets = bytearray(), [0] * len(strips)
    for at in reversed(range(len(strips))) if backwards else range(len(strips)):
        offsets[at] = 8 + len(body)
        body += strips[at] + bytes(gap)
    fields = {
        256: (3, [width]),
        257: (4, [height]),
        258: (3, [8]),
        262: (3, [1]),
        273: (3 if short else 4, offsets),
        278: (3, [rows]),
        279: (4, [len(strip) for strip in strips]),
    }
    fields |= {int(name.removeprefix("f")): value for name, value in changes.items()}
    entries = b""
    for tag, (kind, values) in sorted((tag, field) for tag, field in fields.items() if field):
        packed = b"".join(struct.pack(order + " BBHII"[kind], value) for value in values)
        if len(packed) > 4:
            entries += struct.pack(order + "HHII", tag, kind, len(values) // (2 if kind == 5 else 1), 8 + len(body))
            body += packed
        else:
            entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(body))
    return head + body + struct.pack(order + "H", len(entries) // 12) + entries + bytes(4)


def bmp(
    picture: NDArray[np.uint8],
    *,
    bits: int = 8,
    palette: bytes | None = None,
    height: int | None = None,
    **changes: int,
) -> bytes:
    """A BMP without compression, the rows as they are given: from the bottom, unless its height is negative."""
    rows = b"".join(row.tobytes() + bytes(-row.size % 4) for row in picture)
    entries = bytes(value for grey in range(256) for value in (grey, grey, grey, 0)) if palette is None else palette
    entries = entries if bits == 8 else b""
    stated = {"planes": 1, "compression": 0, "across": 39370, "down": 39370, "colours": 0, "offset": 54 + len(entries)}
    stated |= changes
    header = struct.pack(
        "<IIiHHIIIIII",
        40,
        picture.shape[1] * 8 // bits,
        len(picture) if height is None else height,
        stated["planes"],
        bits,
        stated["compression"],
        0,
        stated["across"],
        stated["down"],
        stated["colours"],
        0,
    )
    return struct.pack("<2sIHHI", b"BM", 0, 0, 0, stated["offset"]) + header + entries + rows


NOISE = np.random.default_rng(5).integers(0, 256, (41, 37), dtype=np.uint8)
INVERTED = bytes(value for grey in range(255, -1, -1) for value in (grey, grey, grey, 0))
PLAIN = {
    "pgm": encoded(NOISE, "PPM"),
    "pgm with comments": b"P5 # made by\n#\r 37\t# wide\n041\v255\n" + NOISE.tobytes(),
    "pgm with more behind it": encoded(NOISE, "PPM") + b"P5",
    "bmp": encoded(NOISE, "BMP", dpi=(500, 400)),
    "bmp colour": encoded(PIL.Image.fromarray(np.dstack([NOISE, NOISE[::-1], NOISE[:, ::-1]])), "BMP"),
    "bmp from the top": bmp(NOISE, height=-41),
    "bmp colour from the top": bmp(np.ascontiguousarray(np.hstack([NOISE] * 3)), bits=24, height=-41),
    "bmp that counts from white": bmp(NOISE, palette=INVERTED),
    "bmp of few greys": bmp(NOISE % 16, palette=INVERTED[::-1][1 : 4 * 16 + 1], colours=16),
    "bmp without padding in its last row": bmp(NOISE)[:-3],
    "bmp that does not say where it begins": bmp(NOISE, offset=0),
    "bmp that begins at its palette": bmp(NOISE, offset=54),
    "bmp with one resolution": bmp(NOISE, down=0),
    "bmp without resolution": bmp(NOISE, across=0, down=0),
    "tiff": encoded(NOISE, "TIFF"),
    "tiff with a resolution": encoded(NOISE, "TIFF", dpi=(500, 1000)),
    "tiff by the centimetre": encoded(NOISE, "TIFF", resolution_unit=3, x_resolution=196.85, y_resolution=197),
    "tiff without unit": encoded(NOISE, "TIFF", resolution_unit=1, x_resolution=500, y_resolution=500),
    "tiff that counts from white": encoded(NOISE, "TIFF", tiffinfo={262: 0}),
    "tiff with names": encoded(NOISE, "TIFF", software="a program", description="a print", artist="a person"),
    "tiff in one strip": tiff(NOISE, 41),
    "tiff in a strip for more rows": tiff(NOISE, 5000),
    "tiff in strips": tiff(NOISE, 4),
    "tiff in strips of a row": tiff(NOISE, 1, short=True),
    "tiff in strips with gaps": tiff(NOISE, 7, gap=5),
    "tiff in strips from the last": tiff(NOISE, 7, backwards=True),
    "tiff of the other order": tiff(NOISE, 7, order=">", f282=(5, [1000, 3]), f283=(5, [500, 1])),
    "tiff with a resolution of nothing": tiff(NOISE, 41, f282=(5, [0, 1]), f283=(5, [500, 1])),
}
OTHERS = {
    "pgm of other white": encoded(NOISE, "PPM").replace(b"255", b"254", 1),
    "bmp of a bit": encoded(PIL.Image.fromarray(NOISE > 99), "BMP"),
    "bmp of colours": encoded(PIL.Image.fromarray(np.dstack([NOISE, NOISE[::-1], NOISE])).convert("P"), "BMP"),
    "bmp of 32 bits": encoded(PIL.Image.fromarray(NOISE).convert("RGBA"), "BMP"),
    "tiff turned": tiff(NOISE, 41, f274=(3, [6])),
    "tiff turned round": tiff(NOISE, 41, f274=(3, [3])),
    "tiff in colour": encoded(PIL.Image.fromarray(NOISE).convert("RGB"), "TIFF"),
    "tiff of 16 bits": encoded(NOISE.astype(np.uint16) * 257, "TIFF"),
    "tiff compressed": encoded(NOISE, "TIFF", compression="tiff_lzw"),
    "tiff without lengths": tiff(NOISE, 41, f279=None),
    "tiff with lengths of nothing": tiff(NOISE, 41, f279=(4, [0])),
    "tiff with a strip too many": tiff(NOISE, 41, f273=(4, [8, 8])),
    "tiff with a field that nobody knows": tiff(NOISE, 41, f65000=(3, [1])),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_picture_without_compression_is_what_the_decoder_in_c_makes_of_it(name: str) -> None:
    arguments = {"codec": name.partition(" ")[0].upper(), **LIMITS}
    assert _decoding.plain(arguments, PLAIN[name]) == _decoding.decode(arguments, PLAIN[name])


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_of_another_kind_is_left_to_the_decoder_in_c(name: str) -> None:
    arguments = {"codec": name.partition(" ")[0].upper(), **LIMITS}
    with pytest.raises(RefusalError, match="it needs another decoder") as caught:
        _decoding.plain(arguments, OTHERS[name])
    assert caught.value.letter == "C"
    content, pixels = _decoding.decode(arguments, OTHERS[name])
    decoded = read(OTHERS[name], dpi=500).pixels
    assert (decoded.shape[::-1], decoded.tobytes()) == ((content[0], content[1]), pixels)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PLAIN["pgm"][:-1], "PGM: the pixels end at byte 1530; the file has 1529 bytes: it is cut short"),
        (bmp(NOISE)[:-4], "BMP: the pixels end at byte .*: it is cut short"),
        (bmp(NOISE)[:50], "BMP: a BMP .* has headers of 54 bytes; this file has 50"),
        (bmp(NOISE, colours=0xFFFFFFFF, offset=54), "BMP: the pixels end at byte .*: it is cut short"),
        (bmp(NOISE, offset=0xFFFFFFFF), "BMP: the pixels end at byte .*: it is cut short"),
        (tiff(NOISE, 41, f273=(4, [5000])), "TIFF: the pixels end at byte 6517; the file has .* it is cut short"),
        (tiff(NOISE, 41, f273=(4, [0xFFFFFFFF])), "TIFF: the pixels end at byte .* it is cut short"),
        (tiff(NOISE, 41, f273=(4, [])), "41 rows, 41 a strip, are 1 strips; the file has 0"),
        (tiff(NOISE, 7, f273=(4, [8])), "41 rows, 7 a strip, are 6 strips; the file has 1"),
        (tiff(NOISE, 41, f278=(3, [0])), "a strip has one row or more; the header states 0"),
        (tiff(NOISE, 21, f273=(4, [8, 8])), "each strip has bytes of its own; here two overlap"),
        (tiff(NOISE, 21, f273=(4, [600, 8])), "each strip has bytes of its own; here two overlap"),
        (tiff(NOISE, 41, f273=(4, [0])), "each strip has bytes of its own; here two overlap, or one and the header"),
        (tiff(NOISE, 1)[:-1], "the directory ends behind byte .*; the file has"),
        (b"II*\0\xff\xff\xff\xff" + bytes(40), "the directory ends behind byte 4294967295; the file has 48 bytes"),
        (b"II*\0" + bytes(3), "the directory ends behind byte 4; the file has 7 bytes"),
    ],
)
def test_a_picture_without_compression_that_is_damaged_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read(data)


def test_counts_beyond_all_memory_cost_nothing() -> None:
    data = bytearray(tiff(NOISE, 7))
    at = data.index(struct.pack("<HHI", 273, 4, 6))
    data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(ImageError, match="TIFF: "):
        read(bytes(data))
    with pytest.raises(SizeError, match="states 4294967295 x 41"):
        read(tiff(NOISE, 41, f256=(4, [0xFFFFFFFF])))
    with pytest.raises(DecodeError, match="TIFF: the values of field 273 end at byte"):
        read(bytes(data[: at + 4] + struct.pack("<II", 6, 0xFFFFFFF0) + data[at + 12 :]))


def test_damage_makes_no_other_picture_than_the_decoder_in_c_would() -> None:
    rng = random.Random(8)  # noqa: S311  reproducible damage, no secret
    names = [*PLAIN]
    seen = set()
    for _ in range(3000):
        name = rng.choice(names)
        codec, data = name.partition(" ")[0].upper(), bytearray(PLAIN[name])
        header = len(data) if codec == "TIFF" else 60
        for _ in range(rng.choice((1, 1, 2, 4))):
            data[rng.randrange(2, min(header, len(data)))] = rng.randrange(256)
        arguments = {"codec": codec, **LIMITS}
        try:
            ours = _decoding.plain(arguments, bytes(data))
        except RefusalError as refusal:
            assert refusal.letter in "TDC"  # noqa: PT017  which letter, is what differs
            seen.add(refusal.letter)
            continue
        with warnings.catch_warnings(action="ignore"):
            assert ours == _decoding.decode(arguments, bytes(data))
        seen.add("O")
    assert seen == set("TDCO")


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("while True: pass", r"PGM: more than 2 seconds of CPU time \(SIGXCPU\)"),
        ("bytearray(600 << 20)", "PGM: it takes more than 512 MiB of memory"),
        ("__import__('os').abort()", r"PGM: .* \((SIGSYS|SIGABRT)\)"),
    ],
)
def test_a_decoder_killed_at_a_file_is_told_from_one_that_refuses_it(tmp_path: Path, deed: str, message: str) -> None:
    tmp_path.joinpath("deadly.py").write_text(
        f"def decode(arguments, data):\n    {deed}\nTASKS = {{'decode': decode}}\n"
    )
    place = Jail(modules=("deadly",), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    with pytest.raises(DecoderKilledError, match=message):
        read(LOSSLESS["pgm"], place=place)
    place.close()


def _fuzzed(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        damaged[rng.randrange(2, len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _read_or_refuse(data: bytes) -> bool:
    try:
        return read(data).pixels.size > 0
    except ImageError:
        return False


def _survives(count: int, seed: int) -> int:
    rng = random.Random(seed)  # noqa: S311  reproducible damage, no secret
    seeds = [*LOSSY.values(), *LOSSLESS.values()]
    return sum(_read_or_refuse(_fuzzed(rng.choice(seeds), rng)) for _ in range(count))


def test_damaged_files_are_read_or_refused_and_nothing_else() -> None:
    assert 0 < _survives(150, seed=1) < 150


@pytest.mark.long
def test_many_damaged_files_are_read_or_refused_and_nothing_else() -> None:
    assert 0 < _survives(20_000, seed=2) < 20_000


# --- files of others -------------------------------------------------------------------------------------------------


def test_files_that_kill_a_common_decoder_are_all_refused(shared_data: Path) -> None:
    paths = sorted((shared_data / "malformed" / "wsq").iterdir())
    assert len(paths) == 189
    for path in paths:
        with pytest.raises(ImageError):
            read(path.read_bytes())


def test_a_files_own_word_for_its_resolution_is_not_taken_in_jpeg_2000(shared_data: Path) -> None:
    assert read((shared_data / "jp2" / "libbiomeval_img.jp2").read_bytes()).dpi == 500  # its box says 1000


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("a001", (1008, 1508)),
        ("biomsharp_01", (400, 275)),
        ("image_not_provided", (800, 750)),
        ("libbiomeval_img", (256, 256)),
        ("node_left_index", (480, 320)),
        ("node_right_index", (480, 320)),
        ("openebts_finger8", (374, 374)),
        ("sample_jnbis", (622, 545)),
        ("sourceafis_original", (768, 832)),
    ],
)
def test_wsq_files_of_many_writers_are_read(shared_data: Path, name: str, shape: tuple[int, int]) -> None:
    assert read((shared_data / "wsq" / f"{name}.wsq").read_bytes()).pixels.shape == shape


def test_wsq_pixels_are_those_of_the_reference_decoder(shared_data: Path) -> None:
    ours = read((shared_data / "wsq" / "sourceafis_original.wsq").read_bytes())
    theirs = read((shared_data / "wsq" / "sourceafis_converted.png").read_bytes())
    np.testing.assert_array_equal(ours.pixels, theirs.pixels)


def test_wsq_with_a_huffman_code_of_all_ones_is_read(shared_data: Path) -> None:
    raw = np.fromfile(shared_data / "wsq" / "a001.raw", np.uint8).reshape(1008, 1508).astype(int)
    image = read((shared_data / "wsq" / "a001.wsq").read_bytes())
    assert np.abs(image.pixels - raw).mean() < 3


def test_wsq_with_a_byte_of_padding_too_many_is_read(shared_data: Path) -> None:
    transaction = (shared_data / "ansi_nist" / "jet" / "sample.eft").read_bytes()
    start = transaction.index(b"\xff\xa0\xff\xa2")
    end = transaction.index(b"\xff\xa1", start) + 2
    assert read(transaction[start:end]).pixels.shape == (750, 800)


def test_rolled_prints_at_1000_dpi_say_so(shared_data: Path) -> None:
    for path in (shared_data / "rolled1000").glob("*.bmp"):
        assert read(path.read_bytes()).dpi == 1000


def test_a_jpeg_without_a_height_is_refused_by_its_grammar() -> None:
    # DNL, by which a later segment may state the height (ISO/IEC 10918-1, B.2.5), is not read.
    file = io.BytesIO()
    PIL.Image.new("L", (40, 40), 90).save(file, "JPEG")
    frame = file.getvalue().index(b"\xff\xc0")
    data = file.getvalue()[: frame + 5] + b"\0\0" + file.getvalue()[frame + 7 :]
    with pytest.raises(RefusalError, match=r"states its height and width in the frame \(SOF\)"):
        _jpeg_grammar.check(data, lambda *_: None)


def test_every_picture_without_compression_is_read_as_the_decoder_in_c_reads_it(shared_data: Path) -> None:
    files = [path.read_bytes() for path in sorted(shared_data.rglob("*")) if path.is_file()]
    plain = [(codec, data) for data in files if (codec := codec_of(data)) in {"TIFF", "BMP", "PGM"}]
    assert len(plain) == 328
    for codec, data in plain:
        arguments = {"codec": codec, **LIMITS}
        assert _decoding.plain(arguments, data) == _decoding.decode(arguments, data)


def png(rows: bytes, after: bytes = b"") -> bytes:
    """Return a PNG of 40 x 40 grey pixels with these compressed rows, and bytes behind them in the same chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40, 40, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows) + after)
        + chunk(b"IEND", b"")
    )


def test_what_hides_behind_the_rows_of_a_png_is_refused() -> None:
    rows = (b"\0" + bytes(range(40))) * 40
    assert read(png(rows)).pixels.shape == (40, 40)
    for hidden in (png(rows + b"YAMADA"), png(rows, b"YAMADA"), png(rows + rows)):
        with pytest.raises(DecodeError, match="hold its rows and nothing else") as caught:
            read(hidden)
        assert "YAMADA" not in str(caught.value)
